-- What runs when the database has refused a batch: it is applied in parts, so that only the rows at fault are left out. Filled by
-- isolate_sql.c; the words for tables of ours are those of apply.sql.

-- name: letter
-- Target. What becomes of staged rows that were refused, $1 (migrated.refusal[]): each is a dead letter; or it is parked, when a parent
-- that we have brought is not there any more ({lost}). That parent's hash is forgotten ({again}), so that the next sweep brings it again.
WITH refused AS MATERIALIZED (
  SELECT DISTINCT ON ({stage_keys})
         {stage_keys},
         s.h1,
         s.h2,
         m.t1 IS NOT NULL AS mapped,
         {row} AS row,
         f.*
    FROM pg_catalog.unnest($1) AS f
    JOIN {stage} AS s
      ON s.ctid = f.row_id
    LEFT JOIN {id_map} AS m
      ON {m_is_s}
   ORDER BY {stage_keys}, f.row_id
),
lost (row_id, place, column_name, parent_entity, parent_key) AS MATERIALIZED (
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
    JOIN (SELECT DISTINCT ON (lost.row_id) lost.* FROM lost ORDER BY lost.row_id, lost.place) AS l
      ON l.row_id = r.row_id
{parked_again}  RETURNING 1
),
dead AS (
  INSERT INTO migrated.dead_letter AS d
              (entity, legacy_key, session, batch, phase, sqlstate, constraint_name, column_name, message, h1, h2, mapped, row)
  SELECT '{entity}', {legacy_key}, '{session}', {batch}, r.phase, r.sqlstate, r.constraint_name, r.column_name, r.message,
         r.h1, r.h2, r.mapped, r.row
    FROM refused AS r
   WHERE r.row_id NOT IN (SELECT lost.row_id FROM lost)
{letter_again}){again}
UPDATE migrated.batch AS b
   SET failed = b.failed + pg_catalog.cardinality($1) - (SELECT pg_catalog.count(*) FROM waiting),
       parked = b.parked + (SELECT pg_catalog.count(*) FROM waiting)
 WHERE b.session = '{session}'
   AND b.entity = '{entity}'
   AND b.number = {batch}

-- name: lost
-- Target. Parents of refused rows that the id map knows and the target does not have; for `letter`.
SELECT r.row_id, {place}, {column_name}::text, {parent_name}::text, {parent_key}
  FROM refused AS r
  JOIN {stage} AS s
    ON s.ctid = r.row_id
  JOIN {parent_map} AS p
    ON {p_is_s}{parent_present}
 WHERE r.sqlstate = '23503'
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

-- name: would
-- Target. What the rows $1 would be in the target, by the names of its columns; of those that can be written. Our own columns have names
-- that no table has: where the row is staged, and the key it has in the target already.
{resolve}{kin}{judged}written AS (
  SELECT r.row_id AS "migrated:row",
         {old},
         {columns}
    FROM resolved AS r
   WHERE {writes}
     AND (NOT r.present OR r.differs)
)
SELECT *
  FROM written

-- name: probe
-- Target. Makes the values of one column of the rows $1; fails for those of which none can be made.
SELECT pg_catalog.count({expression})
  FROM {stage} AS s
 WHERE s.ctid = ANY ($1)

-- name: isolate
-- Target. Applies the stage in parts, so that the good rows stay; {assertion}: rules of the target's row (rule.sql).
SELECT migrated.apply_isolated({apply}, {letter}, (SELECT pg_catalog.array_agg(s.ctid ORDER BY s.ctid) FROM {stage} AS s),
         assertion => {assertion},
         prepared => {prepared},
         probes => {probes},
         suspects => migrated.suspects_of({would}, {target}, {columns}, {keys}),
         asking => {asking});
