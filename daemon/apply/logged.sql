-- What is kept of every change of a target row: who made it, and what it replaced. CTEs behind a statement that returns of each row it has
-- changed its keys (kN, tN) and the number of the change. {holes} are filled by logged.c. Tables of ours: w that statement, m the
-- entity's id map as it was, b the target row as it was, c which columns differ, alike the others, d the former.

-- name: logged
,
{written}_logged AS (
  INSERT INTO {change_log} (change, session, batch, kind, {k_names}, {t_names})
  SELECT w.change, {session_number}, {batch}, '{kind}', {w_k}, {w_t}
    FROM {written} AS w{done}
)

-- name: imaged
,
{written}_imaged AS (
  INSERT INTO migrated.before_image (change, session, entity, before, after, mapping)
  SELECT w.change, {session_number}, '{entity}', {before}, {after},
         {mapping}
    FROM {written} AS w{standing}{differing}{only}
)

-- name: differing
-- To the bit, whatever its type calls equal; no text is made of what does not differ. Objects of all columns without those that are alike
-- cost half of what aggregating those that differ does.
   CROSS JOIN LATERAL (SELECT {differ} OFFSET 0) AS c
   CROSS JOIN LATERAL (SELECT pg_catalog.array_remove(ARRAY[{alike}], NULL) AS names OFFSET 0) AS alike
   CROSS JOIN LATERAL (
         SELECT pg_catalog.jsonb_object(ARRAY[{names}]::text[], ARRAY[{olds}]) - alike.names AS before,
                pg_catalog.jsonb_object(ARRAY[{names}]::text[], ARRAY[{news}]) - alike.names AS after) AS d
