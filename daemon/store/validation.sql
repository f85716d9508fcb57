-- Validations in the store; see run/validation.h. Other queries of the control schema stand in store.sql.

-- name: validation_insert
-- With a row for each check of each entity ($3: [{entity, check, position}]). A step's is made by the first entity that comes to it.
WITH validation AS (
  INSERT INTO migrated.validation AS v (validation, options, session, step, started_at)
  VALUES ($1, $2, $4, $5, pg_catalog.clock_timestamp())
      ON CONFLICT (session, step) DO UPDATE
     SET options = v.options
  RETURNING v.validation, v.created_at
),
entities AS (
  INSERT INTO migrated.validation_entity (validation, entity, "check", position)
  SELECT v.validation, e.entity, e."check", e.position
    FROM validation AS v
   CROSS JOIN pg_catalog.jsonb_to_recordset($3::jsonb) AS e (entity text, "check" text, position integer)
      ON CONFLICT (validation, entity, "check") DO NOTHING
)
SELECT validation, (pg_catalog.date_part('epoch', created_at) * 1000000)::bigint
  FROM validation

-- name: validation_check_begin
-- Where a check stands: it begins, or goes on.
UPDATE migrated.validation_entity
   SET state = CASE WHEN state = 'pending' THEN 'running' ELSE state END,
       total = coalesce($4::bigint, total),
       started_at = coalesce(started_at, pg_catalog.clock_timestamp())
 WHERE validation = $1
   AND entity = $2
   AND "check" = $3
RETURNING state, cursor, rows, waiting, differences, reason, repaired, total

-- name: validation_check_end
UPDATE migrated.validation_entity
   SET state = $4,
       reason = $5,
       finished_at = pg_catalog.clock_timestamp()
 WHERE validation = $1
   AND entity = $2
   AND "check" = $3
   AND state IN ('pending', 'running')

-- name: validation_end
-- What was not looked at when it ends is unchecked.
WITH rest AS (
  UPDATE migrated.validation_entity
     SET state = 'unchecked',
         reason = coalesce($3, 'the validation ended before'),
         finished_at = pg_catalog.clock_timestamp()
   WHERE validation = $1
     AND state IN ('pending', 'running')
)
UPDATE migrated.validation
   SET state = $2,
       reason = $3,
       finished_at = pg_catalog.clock_timestamp()
 WHERE validation = $1

-- name: validation_unfinished
-- The one that an earlier life was asked for and has not ended.
SELECT validation,
       options,
       (pg_catalog.date_part('epoch', created_at) * 1000000)::bigint
  FROM migrated.validation
 WHERE state = 'running'
   AND session IS NULL
 ORDER BY created_at DESC
 LIMIT 1

-- name: validation_checks
SELECT entity, "check", state, cursor, rows, waiting, differences, reason, repaired, total
  FROM migrated.validation_entity
 WHERE validation = $1
 ORDER BY position, entity

-- name: validations_expire
-- Those that were asked for, but the last hundred; steps go with their session.
DELETE FROM migrated.validation
 WHERE session IS NULL
   AND state <> 'running'
   AND created_at < (SELECT pg_catalog.min(kept.created_at)
                       FROM (SELECT created_at FROM migrated.validation WHERE session IS NULL ORDER BY created_at DESC LIMIT 100) AS kept)
