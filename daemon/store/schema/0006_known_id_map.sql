-- What each id map is known to hold, kept apart from it: so that one that was dropped, emptied or lost rows is noticed, and
-- nothing is minted anew for rows that were migrated before.

CREATE TABLE migrated.known_id_map (
  entity     text PRIMARY KEY,
  relation   oid NOT NULL,
  storage    oid NOT NULL,
  rows       bigint NOT NULL,
  counted_at timestamptz
);
COMMENT ON TABLE migrated.known_id_map IS 'At least so many rows has each id map; fewer, and the entity is not migrated until people have decided';
COMMENT ON COLUMN migrated.known_id_map.relation IS 'The table as it was when it was counted (pg_class.oid); another one is counted again';
COMMENT ON COLUMN migrated.known_id_map.storage IS 'Its file (pg_class.relfilenode), which TRUNCATE replaces';
COMMENT ON COLUMN migrated.known_id_map.counted_at IS 'NULL: rows were removed since; to be counted before anything else is done';

-- Rows of an id map are never removed by migrated. Not while a session is under way: what is gone would be minted anew by the
-- next batch. Otherwise how many there were is kept first.
CREATE FUNCTION migrated.id_map_shrinks() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  before bigint;
BEGIN
  IF EXISTS (SELECT FROM migrated.session AS s WHERE s.state IN ('pending', 'running', 'paused')) THEN
    RAISE EXCEPTION 'rows of % are in use: a session is under way', TG_RELID::regclass
      USING ERRCODE = 'object_in_use',
            HINT = 'cancel the session first (migratectl cancel)';
  END IF;
  EXECUTE format('SELECT count(*) FROM %s', TG_RELID::regclass) INTO before;
  UPDATE migrated.known_id_map AS k
     SET rows = greatest(k.rows, before),
         counted_at = NULL
   WHERE k.entity = substr(TG_TABLE_NAME, length('id_map_') + 1);
  RETURN NULL;
END
$$;
COMMENT ON FUNCTION migrated.id_map_shrinks IS 'Keeps how many rows an id map had before some are removed';

CREATE FUNCTION migrated.guard_id_map(entity text) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  id_map regclass := format('migrated.%I', 'id_map_' || entity)::regclass;
BEGIN
  IF NOT EXISTS (SELECT FROM pg_trigger AS t WHERE t.tgrelid = id_map AND t.tgname = 'rows_are_removed') THEN
    EXECUTE format('CREATE TRIGGER rows_are_removed BEFORE DELETE OR TRUNCATE ON %s FOR EACH STATEMENT '
                   'EXECUTE PROCEDURE migrated.id_map_shrinks()', id_map);
  END IF;
END
$$;
COMMENT ON FUNCTION migrated.guard_id_map IS 'Has id_map_shrinks() called before rows of an entity''s id map are removed';

-- For people.
CREATE FUNCTION migrated.accept_id_map(entity text) RETURNS void
LANGUAGE sql
SET search_path = pg_catalog, pg_temp
AS $$
  DELETE FROM migrated.known_id_map AS k WHERE k.entity = accept_id_map.entity
$$;
COMMENT ON FUNCTION migrated.accept_id_map IS 'Takes an id map as it is now: rows that are not in it will be migrated as new ones';

CREATE FUNCTION migrated.adopt_id_map(entity text) RETURNS void
LANGUAGE sql
SET search_path = pg_catalog, pg_temp
AS $$
  DELETE FROM migrated.known_id_map AS k WHERE k.entity = adopt_id_map.entity;
  UPDATE migrated.entity AS e SET adopted_at = NULL WHERE e.entity = adopt_id_map.entity
$$;
COMMENT ON FUNCTION migrated.adopt_id_map IS 'Takes an id map as it is now, and what is not in it from the legacy key columns of the target';

-- Those that are there already, and those that should be.
DO $$
DECLARE
  known record;
  held bigint;
BEGIN
  FOR known IN
    SELECT e.entity, c.oid, c.relfilenode,
           e.fingerprint IS NOT NULL
           OR EXISTS (SELECT FROM migrated.batch AS b
                       WHERE b.entity = e.entity AND b.done AND b.inserted + b.updated + b.unchanged > 0) AS used
      FROM migrated.entity AS e
      LEFT JOIN pg_catalog.pg_class AS c
        ON c.relname = 'id_map_' || e.entity
       AND c.relnamespace = 'migrated'::regnamespace
  LOOP
    IF known.oid IS NOT NULL THEN
      EXECUTE pg_catalog.format('SELECT pg_catalog.count(*) FROM migrated.%I', 'id_map_' || known.entity) INTO held;
      INSERT INTO migrated.known_id_map VALUES (known.entity, known.oid, known.relfilenode, held, pg_catalog.now());
    ELSIF known.used THEN
      INSERT INTO migrated.known_id_map VALUES (known.entity, 0, 0, 1, NULL);
    END IF;
  END LOOP;
END
$$;
