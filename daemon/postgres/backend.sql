-- What a connection asks the server about backends: its own, those of links that it has lost, and one that says nothing.
-- A backend is known by its process id and the moment it began, so that another with the same number is not taken for it.

-- name: identity
-- Who am I?
SELECT pid,
       (pg_catalog.date_part('epoch', backend_start) * 1000000)::bigint
  FROM pg_catalog.pg_stat_get_activity(pg_catalog.pg_backend_pid())

-- name: predecessors
-- Ends those of the backends {backends} that are still there; no row: none is.
SELECT a.pid,
       pg_catalog.pg_terminate_backend(a.pid)
  FROM pg_catalog.pg_stat_activity AS a
  JOIN (VALUES {backends}) AS p (pid, start)
    ON p.pid = a.pid
   AND p.start = (pg_catalog.date_part('epoch', a.backend_start) * 1000000)::bigint
 WHERE a.usename = session_user
   AND a.application_name = pg_catalog.current_setting('application_name')

-- name: predecessors_living
-- The same without ending them, for who may not.
SELECT a.pid
  FROM pg_catalog.pg_stat_activity AS a
  JOIN (VALUES {backends}) AS p (pid, start)
    ON p.pid = a.pid
   AND p.start = (pg_catalog.date_part('epoch', a.backend_start) * 1000000)::bigint

-- name: activity
-- What is that backend doing? No row: it is gone.
SELECT a.state,
       a.wait_event_type,
       a.wait_event,
       (pg_catalog.date_part('epoch', pg_catalog.clock_timestamp() - a.query_start) * 1000)::bigint
  FROM pg_catalog.pg_stat_activity AS a
 WHERE a.pid = {pid}
   AND (pg_catalog.date_part('epoch', a.backend_start) * 1000000)::bigint = {start}
