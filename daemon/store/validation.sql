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

-- name: validations_known
-- Asked first, since the control schema may be an older one, or not there yet.
SELECT pg_catalog.to_regclass('migrated.validation') IS NOT NULL

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

-- name: validation_show
-- As the interface has it; the last of all when none is named ($1: how its id begins). Two rows when the beginning is not of one alone.
SELECT v.validation,
       pg_catalog.jsonb_build_object(
         'validation', v.validation,
         'state', v.state,
         'reason', v.reason,
         'session', v.session,
         'step', v.step,
         'created', pg_catalog.to_char(v.created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
         'finished', pg_catalog.to_char(v.finished_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
         'differences', coalesce(e.differences, 0),
         'complete', coalesce(e.complete, TRUE),
         'checks', coalesce(e.checks, '[]'::jsonb))
  FROM migrated.validation AS v
 CROSS JOIN LATERAL (
         SELECT pg_catalog.sum(c.differences - c.repaired) AS differences,
                pg_catalog.bool_and(c.state = 'done') AS complete,
                pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object(
                  'entity', c.entity,
                  'check', c."check",
                  'state', c.state,
                  'rows', c.rows,
                  'total', c.total,
                  'waiting', c.waiting,
                  'differences', c.differences,
                  'repaired', c.repaired,
                  'reason', c.reason) ORDER BY c.position, c.entity) AS checks
           FROM migrated.validation_entity AS c
          WHERE c.validation = v.validation) AS e
 WHERE $1::text IS NULL
    OR v.validation::text LIKE $1::text || '%'
 ORDER BY v.created_at DESC
 LIMIT CASE WHEN $1::text IS NULL THEN 1 ELSE 2 END

-- name: validation_differences
SELECT pg_catalog.count(*) OVER (),
       pg_catalog.jsonb_build_object(
         'entity', d.entity,
         'check', d."check",
         'kind', d.kind,
         'legacy_key', d.legacy_key,
         'target_key', d.target_key,
         'columns', d.columns,
         'name', d.name,
         'state', d.state)
  FROM migrated.validation_difference AS d
 WHERE d.validation = $1
   AND ($2::text IS NULL OR d.entity = $2)
 ORDER BY d.id
 LIMIT $3::bigint

-- name: validation_step_kept
-- A step is over for one entity. That it could not be checked before it was ever migrated is as it must be.
UPDATE migrated.session_entity AS e
   SET differences = s.differences,
       unchecked = s.unchecked
  FROM (SELECT coalesce(pg_catalog.sum(c.differences), 0) AS differences,
               pg_catalog.count(*) FILTER (WHERE c.state = 'failed' OR c.state = 'unchecked' AND v.step = 'after') AS unchecked
          FROM migrated.validation AS v
          JOIN migrated.validation_entity AS c
            ON c.validation = v.validation
         WHERE v.session = $1
           AND c.entity = $2) AS s
 WHERE e.session = $1
   AND e.entity = $2
RETURNING e.differences, e.unchecked

-- name: validation_steps_end
-- The session is over.
WITH ended AS (
  UPDATE migrated.validation
     SET state = 'completed',
         finished_at = pg_catalog.clock_timestamp()
   WHERE session = $1
     AND state = 'running'
  RETURNING validation
)
UPDATE migrated.validation_entity AS e
   SET state = 'unchecked',
       reason = 'the session ended before',
       finished_at = pg_catalog.clock_timestamp()
  FROM ended AS v
 WHERE e.validation = v.validation
   AND e.state IN ('pending', 'running')
