-- The second pass: references that were left NULL because their parent had not arrived. {holes} are filled by fill_sql.c.
-- Tables of ours: l what was left, m the entity's id map, p the parent's, t the target row.

-- name: fill
-- Target. The second pass over one reference: columns that were left NULL because their parent had not arrived.
WITH ready AS MATERIALIZED (
  SELECT l.ctid AS row_id,
         {m_t},
         p.t1 AS parent
    FROM migrated.deferred AS l
    JOIN {id_map} AS m
      ON {m_is_l}
    JOIN {parent_map} AS p
      ON {p_is_l}{parent_present}
   WHERE l.entity = '{entity}'
     AND l.column_name = {column_name}
     AND l.parent_entity = '{parent}'
     AND {rows}
   LIMIT {limit}
),
filled AS (
  UPDATE {target} AS t
     SET {column} = ready.parent
    FROM ready
   WHERE {t_is_ready}
){keeping}
DELETE FROM migrated.deferred AS l
 USING ready
 WHERE l.ctid = ready.row_id{kept}

-- name: fill_letter
-- Target. The dead letters of references that the database refused to fill in, $1 (migrated.refusal[]).
WITH refused AS (
  DELETE FROM migrated.deferred AS l
   USING pg_catalog.unnest($1) AS f
   WHERE l.ctid = f.row_id
  RETURNING l.legacy_key, l.column_name AS reference, l.session, l.batch, f.*
)
INSERT INTO migrated.dead_letter AS d
            (entity, legacy_key, session, batch, phase, sqlstate, constraint_name, column_name, message, h1, h2, mapped)
SELECT '{entity}', r.legacy_key, r.session, r.batch, CASE r.phase WHEN 'rule' THEN 'rule' ELSE 'fill' END, r.sqlstate, r.constraint_name,
       coalesce(r.column_name, r.reference), r.message, m.h1, m.h2, true
  FROM refused AS r
  JOIN {id_map} AS m
    ON {m_is_r}
{letter_again}

-- name: fill_isolate
SELECT migrated.apply_isolated({apply}, {letter},
         (SELECT pg_catalog.array_agg(ready.row_id)
            FROM (SELECT l.ctid AS row_id
                    FROM migrated.deferred AS l
                    JOIN {parent_map} AS p
                      ON {p_is_l}{parent_present}
                   WHERE l.entity = '{entity}'
                     AND l.column_name = {column_name}
                     AND l.parent_entity = '{parent}'
                   LIMIT {limit}) AS ready),
         {assertion})
