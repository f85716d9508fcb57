-- The second pass: references that were left NULL because their parent had not arrived. {holes} are filled by fill_sql.c.
-- Tables of ours: l what was left, m the entity's id map, p the parent's, t the target row.

-- name: fill
-- Target. The second pass over one reference: columns that were left NULL because their parent had not arrived. When nothing is left
-- to be filled in, parents that the id map has and the target has lost are to be brought again.
-- The rows are locked first: whether they are as we wrote them must be known of the very rows that are filled in. What somebody has
-- filled in himself meanwhile is not touched, unless the source wins.
WITH ready AS MATERIALIZED (
  SELECT l.ctid AS row_id,
         {m_k},
         {m_t},
         m.w1,
         p.t1 AS parent
    FROM migrated.deferred AS l
    JOIN {id_map} AS m
      ON {m_is_l}
    JOIN {parent_map} AS p
      ON {p_is_l}{parent_present}
   WHERE l.entity = '{entity}'
     AND l.column_name = {column_name}
     AND l.parent_entity = '{parent}'
     AND EXISTS (SELECT FROM {parent_target} AS t WHERE {t_is_p})
     AND {rows}
   LIMIT {limit}
),
lost AS (
  UPDATE {parent_map} AS p
     SET h1 = NULL,
         h2 = NULL
    FROM migrated.deferred AS l
   WHERE NOT EXISTS (SELECT FROM ready)
     AND {p_is_l}{parent_present}
     AND p.h1 IS NOT NULL
     AND l.entity = '{entity}'
     AND l.column_name = {column_name}
     AND l.parent_entity = '{parent}'
     AND NOT EXISTS (SELECT FROM {parent_target} AS t WHERE {t_is_p})
),
standing AS MATERIALIZED (
  SELECT {r_k},
         {r_t},
         r.parent,
         {written_hash} = r.w1 AS is_ours{standing}
    FROM ready AS r
    JOIN {target} AS t
      ON {t_is_r}
   WHERE {fills}
     FOR UPDATE OF t
),
filled AS (
  UPDATE {target} AS t
     SET {column} = r.parent
    FROM standing AS r
   WHERE {t_is_r}
  RETURNING {r_k}, {r_t}, r.is_ours, {written_hash} AS w1{returned}
){logged},
known AS (
  UPDATE {id_map} AS m
     SET w1 = r.w1
    FROM filled AS r
   WHERE {m_is_filled}
     AND r.is_ours
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
                     AND EXISTS (SELECT FROM {parent_target} AS t WHERE {t_is_p})
                   LIMIT {limit}) AS ready),
         {assertion})

-- name: unlink
-- Target. Before rows are deleted: those of `{child}` that are to go, too, let go of them by one deferred reference, so that rows that need
-- each other can go one after the other. Should one of them stay after all, its column is filled in again.
WITH going AS (
  SELECT c.legacy_key, p.t1
    FROM migrated.change AS c
    JOIN {id_map} AS p
      ON {p_is_c}
     AND p.gone IS NULL
   WHERE c.analysis = '{analysis}'
     AND c.entity = '{entity}'
     AND c.ordinal BETWEEN {low} AND {high}
     AND c.kind = 'deleted'
     AND NOT EXISTS (SELECT FROM {stage} AS s WHERE {s_is_c})
),
standing AS MATERIALIZED (
  SELECT d.legacy_key,
         g.legacy_key AS parent_key,
         {m_k},
         {m_t},
         {written_hash} = m.w1 AS is_ours{standing}
    FROM migrated.change AS d
    JOIN {child_map} AS m
      ON {m_is_d}
     AND m.gone IS NULL
    JOIN {child_target} AS t
      ON {t_is_m}
    JOIN going AS g
      ON g.t1 = t.{column}
   WHERE d.analysis = '{analysis}'
     AND d.entity = '{child}'
     AND d.kind = 'deleted'
     FOR UPDATE OF t
),
let_go AS (
  UPDATE {child_target} AS t
     SET {column} = NULL
    FROM standing AS r
   WHERE {t_is_r}
  RETURNING r.legacy_key, r.parent_key, {r_k}, {r_t}, r.is_ours, {written_hash} AS w1{returned}
){logged},
known AS (
  UPDATE {child_map} AS m
     SET w1 = r.w1
    FROM let_go AS r
   WHERE {m_is_r}
     AND r.is_ours
)
INSERT INTO migrated.deferred AS l
            (entity, legacy_key, column_name, parent_entity, parent_key, session, batch)
SELECT DISTINCT ON (u.legacy_key) '{child}', u.legacy_key, {column_name}, '{entity}', u.parent_key, '{session}'::uuid, {batch}
  FROM let_go AS u
    ON CONFLICT (entity, legacy_key, column_name) DO UPDATE
   SET parent_entity = excluded.parent_entity,
       parent_key = excluded.parent_key,
       session = excluded.session,
       batch = excluded.batch;
