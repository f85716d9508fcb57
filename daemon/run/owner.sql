-- Owning the control schema. {key} is the advisory lock: 'migr', 'ated' as two integers; the lock belongs to a database.

-- name: owner_setup
-- The last words of the set-up of the connection that owns. Read-only, unless the lock is ours and no other daemon has owned
-- the control schema meanwhile.
DO $owner$
DECLARE
  ours boolean := false;
BEGIN
  IF pg_catalog.pg_try_advisory_lock({key}) THEN
    ours := true;
    IF pg_catalog.to_regclass('migrated.owner') IS NOT NULL THEN
      EXECUTE 'SELECT EXISTS (SELECT FROM migrated.owner WHERE instance = $1)' INTO ours USING {instance}::uuid;
    END IF;
  END IF;
  IF NOT ours THEN
    SET default_transaction_read_only = on;
  END IF;
EXCEPTION
  WHEN insufficient_privilege THEN
    SET default_transaction_read_only = on;
END
$owner$;

-- name: owner_look
-- Is the lock ours, perhaps from now on? Else whose it is: a backend, which may be our own of a link that was lost.
WITH locks AS MATERIALIZED (
  SELECT l.pid
    FROM pg_catalog.pg_locks AS l
    JOIN pg_catalog.pg_database AS d
      ON d.oid = l.database
   WHERE d.datname = pg_catalog.current_database()
     AND l.locktype = 'advisory'
     AND (l.classid, l.objid, l.objsubid) = ({key}, 2)
     AND l.granted
)
SELECT CASE
         WHEN pg_catalog.pg_backend_pid() IN (SELECT pid FROM locks) THEN true
         ELSE pg_catalog.pg_try_advisory_lock({key})
       END AS held,
       pg_catalog.to_regclass('migrated.owner') IS NOT NULL AS present,
       us.pid || ' ' || us.backend_start AS us,
       holder.pid || ' ' || holder.backend_start AS holder,
       holder.pid,
       coalesce('from ' || pg_catalog.host(holder.client_addr), 'on the server itself') AS client,
       pg_catalog.date_trunc('second', holder.backend_start) AS since
  FROM pg_catalog.pg_stat_activity AS us
  LEFT JOIN pg_catalog.pg_stat_activity AS holder
    ON holder.pid IN (SELECT pid FROM locks)
 WHERE us.pid = pg_catalog.pg_backend_pid()

-- name: owner_row
SELECT epoch,
       coalesce(instance = $1, false) AS ours,
       host,
       pid,
       pg_catalog.date_trunc('second', since) AS since,
       (SELECT reset_val FROM pg_catalog.pg_settings WHERE name = 'default_transaction_read_only') = 'on' AS read_only
  FROM migrated.owner

-- name: owner_take
-- Waits for batches that the former owner has under way: they hold the row's key, which this changes.
BEGIN READ WRITE;
SET LOCAL lock_timeout = {wait};
UPDATE migrated.owner
   SET epoch = epoch + 1,
       instance = {instance},
       host = {host},
       pid = {pid},
       since = pg_catalog.clock_timestamp();
SELECT epoch
  FROM migrated.owner;
COMMIT;
RESET default_transaction_read_only

-- name: owner_free_writing
RESET default_transaction_read_only

-- name: owner_evict
-- Ends the backends that hold the row's key: those of the former owner, in the middle of a batch. (pg_blocking_pids() would name
-- the same, but can only be asked while we wait, on a further connection.)
SELECT pg_catalog.pg_terminate_backend(l.pid)
  FROM pg_catalog.pg_locks AS l
  JOIN pg_catalog.pg_stat_activity AS a
    ON a.pid = l.pid
   AND a.datname = pg_catalog.current_database()
 WHERE l.relation = 'migrated.owner'::pg_catalog.regclass
   AND l.database = a.datid
   AND l.mode = 'RowShareLock'
   AND l.granted
   AND a.application_name = 'migrated'
   AND a.usename = current_user
   AND a.pid <> pg_catalog.pg_backend_pid()
