-- What runs when the database has refused a batch: it is applied in parts, so that only the rows at fault are left out. Filled by
-- isolate_sql.c; the words for tables of ours are those of apply.sql.

-- name: letter
-- Target. What becomes of one staged row that the database refused: $1 its ctid, $2 SQLSTATE, $3 constraint, $4 column,
-- $5 message. It is a dead letter; or it is parked, when a parent that we have brought is not there any more ({lost}). That
-- parent's hash is forgotten ({again}), so that the next sweep brings it again.
WITH refused AS (
  SELECT {stage_keys},
         s.h1,
         s.h2,
         m.t1 IS NOT NULL AS mapped
    FROM {stage} AS s
    LEFT JOIN {id_map} AS m
      ON {m_is_s}
   WHERE s.ctid = $1
),
lost (column_name, parent_entity, parent_key) AS MATERIALIZED (
  {lost}
),
remapped AS (
  UPDATE {id_map} AS m
     SET h1 = r.h1,
         h2 = r.h2,
         gone = NULL
    FROM refused AS r
   WHERE {m_is_r}
),
waiting AS (
  INSERT INTO migrated.parked AS p
              (entity, legacy_key, column_name, parent_entity, parent_key, h1, h2, mapped, session, batch)
  SELECT '{entity}', {legacy_key}, l.column_name, l.parent_entity, l.parent_key, r.h1, r.h2, r.mapped, '{session}', {batch}
    FROM refused AS r
   CROSS JOIN (SELECT * FROM lost LIMIT 1) AS l
{parked_again}),
dead AS (
  INSERT INTO migrated.dead_letter AS d
              (entity, legacy_key, session, batch, phase, sqlstate, constraint_name, column_name, message, h1, h2, mapped)
  SELECT '{entity}', {legacy_key}, '{session}', {batch}, 'write', $2, $3, $4, $5, r.h1, r.h2, r.mapped
    FROM refused AS r
   WHERE NOT EXISTS (SELECT FROM lost)
{letter_again}){again}
UPDATE migrated.batch AS b
   SET failed = b.failed + CASE WHEN EXISTS (SELECT FROM lost) THEN 0 ELSE 1 END,
       parked = b.parked + CASE WHEN EXISTS (SELECT FROM lost) THEN 1 ELSE 0 END
 WHERE b.session = '{session}'
   AND b.entity = '{entity}'
   AND b.number = {batch}

-- name: lost
-- Target. Of the row $1, a parent that the id map knows and the target does not have; for `letter`.
SELECT {column_name}::text, {parent_name}::text, {parent_key}
  FROM {stage} AS s
  JOIN {parent_map} AS p
    ON {p_is_s}{parent_present}
 WHERE s.ctid = $1
   AND $2 = '23503'
   AND NOT EXISTS (SELECT FROM {parent_target} AS t WHERE {t_is_p})

-- name: again
-- Target. The same parent is to be brought again; a CTE of `letter`.
,
{name} AS (
  UPDATE {parent_map} AS p
     SET h1 = NULL,
         h2 = NULL
    FROM lost AS l
   WHERE l.column_name = {column_name}
     AND l.parent_entity = {parent_name}
     AND {p_is_l}
)

-- name: isolate
-- Target. Finds the bad rows of the stage by halving, keeps the good; those that failed are tried once more.
SELECT migrated.apply_isolated({apply}, {letter},
         migrated.apply_isolated({apply}, {letter},
           (SELECT pg_catalog.array_agg(s.ctid ORDER BY s.ctid) FROM {stage} AS s)),
         true);
