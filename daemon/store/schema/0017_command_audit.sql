-- Who has asked what on the control socket, and with what result.

CREATE TABLE migrated.command_audit (
  id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  daemon     uuid NOT NULL,
  number     bigint NOT NULL,
  at         timestamptz NOT NULL,
  ended_at   timestamptz,
  uid        bigint,
  gid        bigint,
  pid        bigint,
  user_name  text,
  method     text,
  parameters jsonb,
  result     text NOT NULL,
  times      bigint NOT NULL DEFAULT 1,
  UNIQUE (daemon, number)
);
CREATE INDEX command_audit_at ON migrated.command_audit (at);
COMMENT ON TABLE migrated.command_audit IS 'Every call on the control socket; append-only';
COMMENT ON COLUMN migrated.command_audit.daemon IS 'One life of a daemon';
COMMENT ON COLUMN migrated.command_audit.number IS 'Counts within it, without gaps: where one is missing, a record is missing';
COMMENT ON COLUMN migrated.command_audit.at IS 'When it was asked; the first, of several';
COMMENT ON COLUMN migrated.command_audit.ended_at IS 'When it was answered; the last, of several; NULL: it goes on';
COMMENT ON COLUMN migrated.command_audit.uid IS 'The peer''s user as the kernel has it; NULL: several';
COMMENT ON COLUMN migrated.command_audit.pid IS 'The peer''s process when it connected; NULL: several';
COMMENT ON COLUMN migrated.command_audit.user_name IS 'What /etc/passwd called the user then';
COMMENT ON COLUMN migrated.command_audit.method IS 'NULL: it was no call, or a stranger''s of an unknown method, or several';
COMMENT ON COLUMN migrated.command_audit.parameters IS 'Those that the method has; (undeclared): how many others there were. Of strangers, none';
COMMENT ON COLUMN migrated.command_audit.result IS 'ok; the name of an error; begun (a stream, or what may change something; a record of its end, with the same time, follows); gone: the peer went before it was answered; malformed: it was no call; unlisted: so many more than are listed';
COMMENT ON COLUMN migrated.command_audit.times IS 'So many calls of this peer, alike and soon after each other';
SELECT migrated.make_append_only('migrated.command_audit');

-- Refuses whatever is no INSERT, but for whoever removes what is old by migrated.delete_history(), which may not be the owner.
CREATE OR REPLACE FUNCTION migrated.is_append_only() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  IF TG_OP = 'DELETE'
     AND current_setting('migrated.deletes_history', true) = 'on'
     AND current_user <> (SELECT r.rolname
                            FROM pg_class AS c
                            JOIN pg_roles AS r
                              ON r.oid = c.relowner
                           WHERE c.oid = TG_RELID) THEN
    RETURN NULL;
  END IF;
  RAISE EXCEPTION '% is append-only', TG_RELID::regclass
    USING ERRCODE = 'insufficient_privilege',
          HINT = 'SELECT * FROM migrated.delete_history(…), as another role than the owner, removes what is old.';
END
$$;

ALTER TABLE migrated.session ADD COLUMN changes_removed_at timestamptz;
COMMENT ON COLUMN migrated.session.changes_removed_at IS 'When what it changed was removed from the change log (migrated.delete_history); it cannot be rolled back any more';

-- Removes calls that were made before that, and the changes of sessions that were over by then: for people, not for the daemon, whose role
-- it refuses. It leaves a record of itself. Of a session all changes go, or none: half of them would be rolled back as if they were all.
CREATE FUNCTION migrated.delete_history(before timestamptz) RETURNS TABLE (relation text, rows bigint)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  PERFORM set_config('migrated.deletes_history', 'on', true);
  FOR relation IN
    SELECT l.name
      FROM migrated.logged_table AS l
     WHERE to_regclass(format('migrated.%I', l.name)) IS NOT NULL
     ORDER BY l.name
  LOOP
    EXECUTE format('DELETE FROM migrated.%I AS c USING migrated.session AS s WHERE s.number = c.session AND s.finished_at < $1', relation)
      USING delete_history.before;
    GET DIAGNOSTICS rows = ROW_COUNT;
    RETURN NEXT;
  END LOOP;
  DELETE FROM migrated.before_image AS i
   USING migrated.session AS s
   WHERE s.number = i.session
     AND s.finished_at < delete_history.before;
  UPDATE migrated.session AS s
     SET changes_removed_at = now(),
         images_expired_at = coalesce(s.images_expired_at, now())
   WHERE s.finished_at < delete_history.before
     AND s.changes_removed_at IS NULL;
  DELETE FROM migrated.command_audit AS a
   WHERE a.at < delete_history.before;
  GET DIAGNOSTICS rows = ROW_COUNT;
  relation := 'command_audit';
  RETURN NEXT;
  INSERT INTO migrated.command_audit (daemon, number, at, ended_at, user_name, method, parameters, result)
  VALUES (gen_random_uuid(), 1, clock_timestamp(), clock_timestamp(), session_user, 'migrated.delete_history',
          jsonb_build_object('before', delete_history.before), 'ok');
  PERFORM set_config('migrated.deletes_history', 'off', true);
END
$$;
COMMENT ON FUNCTION migrated.delete_history IS 'Removes what the audit and the change log have from before a moment; not for the daemon''s role';
