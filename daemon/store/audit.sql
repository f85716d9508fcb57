-- The record of calls on the control socket and of changes of rows: what is written, and what is asked.

-- name: audit_present
-- $1 a relation: is it there?
SELECT pg_catalog.to_regclass($1::text) IS NOT NULL

-- name: audit_insert
-- $1 a life of a daemon, $2 records. Those that are there already were written, and the answer was lost.
INSERT INTO migrated.command_audit (daemon, number, at, ended_at, uid, gid, pid, user_name, method, parameters, result, times)
SELECT $1::uuid,
       r.number,
       pg_catalog.to_timestamp(r.at_us / 1000000.0),
       pg_catalog.to_timestamp(r.ended_us / 1000000.0),
       r.uid,
       r.gid,
       r.pid,
       r.user_name,
       r.method,
       r.parameters,
       r.result,
       r.times
  FROM pg_catalog.jsonb_to_recordset($2::jsonb) AS r (number bigint, at_us bigint, ended_us bigint, uid bigint, gid bigint, pid bigint,
                                                      user_name text, method text, parameters jsonb, result text, times bigint)
 ORDER BY r.number
    ON CONFLICT (daemon, number) DO NOTHING

-- name: audit_commands
-- $1 entity, $2 beginning of a session, $3 since, $4 user's name, $5 uid, $6 before which one, $7 limit; NULL: any. One more than the
-- limit says that there are more. What began and has ended is shown once.
WITH listed AS MATERIALIZED (
  SELECT c.*
    FROM migrated.command_audit AS c
   WHERE ($1::text IS NULL OR $1 IN (c.parameters ->> 'entity', c.parameters ->> 'sql') OR c.parameters -> 'entities' ? $1)
     AND ($2::text IS NULL OR c.parameters ->> 'session' LIKE pg_catalog.lower($2) || '%')
     AND ($3::timestamptz IS NULL OR c.at >= $3)
     AND ($4::text IS NULL AND $5::bigint IS NULL OR c.user_name = $4 OR c.uid = $5)
     AND ($6::bigint IS NULL OR c.id < $6)
     AND NOT (c.result = 'begun'
              AND EXISTS (SELECT
                            FROM migrated.command_audit AS e
                           WHERE (e.at, e.daemon, e.pid, e.uid) = (c.at, c.daemon, c.pid, c.uid)
                             AND e.number > c.number))
   ORDER BY c.id DESC
   LIMIT $7::bigint + 1
),
shown AS (
  SELECT l.*
    FROM listed AS l
   ORDER BY l.id DESC
   LIMIT $7::bigint
)
SELECT pg_catalog.jsonb_build_object(
         'commands', coalesce(pg_catalog.jsonb_agg(
           pg_catalog.jsonb_build_object(
             'id', s.id,
             'at', pg_catalog.to_char(s.at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
             'ended', pg_catalog.to_char(s.ended_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
             'uid', s.uid,
             'gid', s.gid,
             'pid', s.pid,
             'user', s.user_name,
             'method', s.method,
             'parameters', s.parameters,
             'result', s.result,
             'times', s.times)
           ORDER BY s.id DESC), '[]'),
         'rows', '[]'::jsonb,
         'next', CASE WHEN (SELECT pg_catalog.count(*) FROM listed) > $7::bigint THEN pg_catalog.min(s.id) END)
  FROM shown AS s

-- name: audit_rows
-- $1 entity, $2 beginning of a session, $3 since, $4 legacy key, $5 before which one, $6 limit; likewise.
WITH listed AS MATERIALIZED (
  SELECT l.*
    FROM migrated.change_log AS l
   WHERE ($1::text IS NULL OR l.entity = $1)
     AND ($2::text IS NULL OR l.number = ANY (ARRAY(SELECT s.number
                                                    FROM migrated.session AS s
                                                   WHERE s.session::text LIKE pg_catalog.lower($2) || '%')))
     AND ($3::timestamptz IS NULL OR l.at >= $3)
     AND ($4::text[] IS NULL OR l.legacy_key = $4)
     AND ($5::bigint IS NULL OR l.change < $5)
   ORDER BY l.change DESC
   LIMIT $6::bigint + 1
),
shown AS (
  SELECT l.*
    FROM listed AS l
   ORDER BY l.change DESC
   LIMIT $6::bigint
)
SELECT pg_catalog.jsonb_build_object(
         'commands', '[]'::jsonb,
         'rows', coalesce(pg_catalog.jsonb_agg(
           pg_catalog.jsonb_build_object(
             'change', s.change,
             'at', pg_catalog.to_char(s.at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
             'session', s.session,
             'batch', s.batch,
             'entity', s.entity,
             'kind', s.kind,
             'legacy_key', s.legacy_key,
             'target_key', s.target_key)
           ORDER BY s.change DESC), '[]'),
         'next', CASE WHEN (SELECT pg_catalog.count(*) FROM listed) > $6::bigint THEN pg_catalog.min(s.change) END)
  FROM shown AS s
