-- What a report tells of a session, beside its progress: what it was made with, when it stood still, what each entity refers to, how
-- many rows were carried before and after, and where the time went.

ALTER TABLE migrated.session
  ADD COLUMN circumstances jsonb,
  ADD COLUMN lives integer NOT NULL DEFAULT 0;
COMMENT ON COLUMN migrated.session.circumstances IS 'The daemon''s version, the servers'' versions, and the settings in force, without secrets';
COMMENT ON COLUMN migrated.session.lives IS 'How many times a daemon has begun or resumed it';

CREATE TABLE migrated.session_hold (
  session  uuid NOT NULL REFERENCES migrated.session ON DELETE CASCADE,
  hold     text NOT NULL,
  reason   text,
  began_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
  ended_at timestamptz
);
CREATE INDEX session_hold_session ON migrated.session_hold (session);
COMMENT ON TABLE migrated.session_hold IS 'When sessions stood still, and what held them; as in migrated.session';

CREATE FUNCTION migrated.keep_hold() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  UPDATE migrated.session_hold AS h
     SET ended_at = clock_timestamp()
   WHERE h.session = NEW.session
     AND h.ended_at IS NULL;
  IF NEW.hold IS NOT NULL THEN
    INSERT INTO migrated.session_hold (session, hold, reason)
    VALUES (NEW.session, NEW.hold, NEW.reason);
  END IF;
  RETURN NULL;
END
$$;
COMMENT ON FUNCTION migrated.keep_hold IS 'Keeps when a session stood still';
CREATE TRIGGER holds_are_kept AFTER UPDATE OF hold ON migrated.session
  FOR EACH ROW WHEN (NEW.hold IS DISTINCT FROM OLD.hold) EXECUTE PROCEDURE migrated.keep_hold();

INSERT INTO migrated.session_hold (session, hold, reason)
SELECT s.session, s.hold, s.reason
  FROM migrated.session AS s
 WHERE s.hold IS NOT NULL;

ALTER TABLE migrated.session_entity
  ADD COLUMN source text,
  ADD COLUMN target text,
  ADD COLUMN refers_to text[],
  ADD COLUMN deferred_to text[],
  ADD COLUMN rows_before bigint,
  ADD COLUMN rows_after bigint,
  ADD COLUMN retries bigint NOT NULL DEFAULT 0,
  ADD COLUMN timings jsonb;
COMMENT ON COLUMN migrated.session_entity.source IS 'The relation in the source; NULL: a query';
COMMENT ON COLUMN migrated.session_entity.target IS 'The table in the target';
COMMENT ON COLUMN migrated.session_entity.refers_to IS 'Entities whose rows must go first';
COMMENT ON COLUMN migrated.session_entity.deferred_to IS 'Entities that references filled in by the second pass lead to, itself included';
COMMENT ON COLUMN migrated.session_entity.rows_before IS 'Rows that were in the id map, and not gone, when its part was opened';
COMMENT ON COLUMN migrated.session_entity.rows_after IS 'The same when it was over; NULL: it is not, or the id map was too large to be counted';
COMMENT ON COLUMN migrated.session_entity.retries IS 'How often something of it was tried again after a failure';
COMMENT ON COLUMN migrated.session_entity.timings IS 'Milliseconds that it waited, planned, moved, filled and deleted';

ALTER TABLE migrated.batch ADD COLUMN begun_at timestamptz;
COMMENT ON COLUMN migrated.batch.begun_at IS 'When the transaction that did it began';

ALTER TABLE migrated.known_id_map ADD COLUMN live bigint;
COMMENT ON COLUMN migrated.known_id_map.live IS 'Rows that were not gone when a session was last over with it; NULL: not known';

-- 40 ms a million rows.
CREATE FUNCTION migrated.count_live(entity text, most bigint) RETURNS bigint
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  id_map regclass := to_regclass(format('migrated.%I', 'id_map_' || entity));
  live bigint;
BEGIN
  IF id_map IS NULL OR (SELECT c.reltuples FROM pg_class AS c WHERE c.oid = id_map) > most THEN
    RETURN NULL;
  END IF;
  EXECUTE format('SELECT count(*) FROM %s WHERE gone IS NULL', id_map) INTO live;
  RETURN live;
END
$$;
COMMENT ON FUNCTION migrated.count_live IS 'Rows of an entity''s id map that are not gone; NULL: it has more than `most` rows, or is not there';

-- What was counted when a session was last over with it still holds when nobody has removed rows or replaced the table since, and no
-- deletion that was held has been decided for.
CREATE FUNCTION migrated.live_before(entity text, most bigint) RETURNS bigint
LANGUAGE sql
SET search_path = pg_catalog, pg_temp
AS $$
  SELECT coalesce((SELECT k.live
                     FROM migrated.known_id_map AS k
                     JOIN pg_class AS c
                       ON c.oid = k.relation
                      AND c.relfilenode = k.storage
                    WHERE k.entity = live_before.entity
                      AND k.counted_at IS NOT NULL
                      AND NOT EXISTS (SELECT FROM migrated.again AS g
                                       WHERE g.entity = live_before.entity
                                         AND g.reason = 'deletion')),
                  migrated.count_live(live_before.entity, live_before.most))
$$;
COMMENT ON FUNCTION migrated.live_before IS 'The same, as a session finds it';

CREATE FUNCTION migrated.rfc3339(at timestamptz) RETURNS text
LANGUAGE sql STABLE
AS $$
  SELECT pg_catalog.to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')
$$;
COMMENT ON FUNCTION migrated.rfc3339 IS 'A time as the control protocol has it';

CREATE FUNCTION migrated.milliseconds(length interval) RETURNS bigint
LANGUAGE sql IMMUTABLE
AS $$
  SELECT (pg_catalog.date_part('epoch', length) * 1000)::bigint
$$;
COMMENT ON FUNCTION migrated.milliseconds IS 'A length of time as the control protocol has it';
