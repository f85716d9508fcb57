-- Rollbacks in the store; see run/rollback.h. What they do to rows are functions of the control schema.

-- name: rollback_find
-- The sessions whose id begins so, and why one cannot be undone. An unfinished one is under way, so nothing else is.
SELECT s.session,
       s.number,
       s.mode,
       s.state,
       (SELECT r.rollback
          FROM migrated.rollback AS r
          JOIN migrated.session AS o
            ON o.session = r.rollback
           AND o.state = 'completed'
         WHERE r.of_session = s.session
           AND coalesce(o.options -> 'entities', '[]') = '[]'
           AND NOT EXISTS (SELECT FROM migrated.rollback_left AS l WHERE l.rollback = r.rollback)
         LIMIT 1) AS undone_by
  FROM migrated.session AS s
 WHERE s.session::text LIKE $1 || '%'
 ORDER BY s.session
 LIMIT 2

-- name: rollback_survey
-- It collects as a rollback does, and is undone itself.
BEGIN;
SELECT entity, deed, reason, rows
  FROM migrated.undo_survey('{session}'::uuid, {number}, {entities}, {force})

-- name: rollback_insert
-- The session that undoes another ($3). Cycles stand still from now on: the next would bring everything again.
WITH rollback AS (
  INSERT INTO migrated.session (session, mode, state, options)
  VALUES ($1, 'rollback', 'pending', $2)
  RETURNING session, number, created_at
),
told AS (
  INSERT INTO migrated.rollback (rollback, number, of_session, of_number, force)
  SELECT r.session, r.number, s.session, s.number, $4::boolean
    FROM rollback AS r
    JOIN migrated.session AS s
      ON s.session = $3::uuid
),
held AS (
  UPDATE migrated.owner
     SET cycles_held = 'session ' || pg_catalog.left($3::text, 8) || ' was rolled back, and a cycle would bring its rows again; '
                       'migratectl resume lets cycles go on'
)
SELECT number, created_at
  FROM rollback

-- name: rollback_parts
-- The entities of the session that is undone.
SELECT e.entity, e.level
  FROM migrated.session_entity AS e
  JOIN migrated.rollback AS r
    ON r.of_session = e.session
 WHERE r.rollback = $1

-- name: rollback_plan
SELECT total, imageless, alone
  FROM migrated.undo_plan($1, $2, $3)

-- name: rollback_retry
SELECT number, kind, low, high
  FROM migrated.undo_retry($1, $2, $3)

-- name: rollback_finish
SELECT migrated.undo_finish($1, $2)

-- name: rollback_by_trigger
SELECT e.by_trigger
  FROM migrated.rollback_entity AS e
 WHERE e.rollback = $1
   AND e.entity = $2
   AND e.by_trigger <> '{}'

-- name: rollback_forget
-- What was collected goes with the session, however it ends.
SELECT migrated.undo_forget($1)

-- name: rollback_left
-- $1 beginning of the rollback's id (NULL: the last), $2 entity, $3 limit.
WITH meant AS MATERIALIZED (
  SELECT r.rollback
    FROM migrated.rollback AS r
   WHERE $1::text IS NULL
      OR r.rollback::text LIKE $1 || '%'
      OR r.of_session::text LIKE $1 || '%'
   ORDER BY r.number DESC
   LIMIT 1
),
listed AS (
  SELECT l.*
    FROM migrated.rollback_left AS l
    JOIN meant
      ON meant.rollback = l.rollback
   WHERE $2::text IS NULL
      OR l.entity = $2
   ORDER BY l.entity, l.place
   LIMIT $3::bigint
)
SELECT pg_catalog.jsonb_build_object(
         'session', (SELECT rollback FROM meant),
         'total', (SELECT pg_catalog.count(*)
                     FROM migrated.rollback_left AS l
                     JOIN meant
                       ON meant.rollback = l.rollback
                    WHERE $2::text IS NULL
                       OR l.entity = $2),
         'rows', (SELECT coalesce(pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object(
                           'entity', l.entity,
                           'legacy_key', coalesce(l.legacy_key, '{}'),
                           'target_key', l.target_key,
                           'reason', l.reason,
                           'columns', coalesce(l.columns, '{}'),
                           'sqlstate', l.sqlstate,
                           'constraint', l.constraint_name,
                           'since', (SELECT s.session FROM migrated.session AS s WHERE s.number = l.since))
                           ORDER BY l.entity, l.place), '[]')
                    FROM listed AS l))

-- name: cycles_held
-- Why cycles stand still; NULL: they do not. An older control schema knows of no such thing.
SELECT pg_catalog.to_jsonb(o) ->> 'cycles_held'
  FROM migrated.owner AS o

-- name: cycles_release
-- Answers whether they stood still.
WITH held AS (
  SELECT cycles_held
    FROM migrated.owner
   WHERE cycles_held IS NOT NULL
     FOR UPDATE
),
released AS (
  UPDATE migrated.owner
     SET cycles_held = NULL
   WHERE cycles_held IS NOT NULL
)
SELECT pg_catalog.count(*)
  FROM held
