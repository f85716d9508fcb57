-- Which thing a legacy key stands for: a hash of what the mapping names as its identity, and the keys that rows had whose legacy key
-- stands for another thing now.

ALTER TABLE migrated.entity
  ADD COLUMN identity text;
COMMENT ON COLUMN migrated.entity.identity IS 'What the hashes i1 in its id map are made with; NULL: it has none';

DO $$
DECLARE
  entity text;
BEGIN
  FOR entity IN
    SELECT e.entity
      FROM migrated.entity AS e
      JOIN pg_catalog.pg_class AS c
        ON c.relname = 'id_map_' || e.entity
       AND c.relnamespace = 'migrated'::regnamespace
       AND c.relkind = 'r'
     ORDER BY e.entity
  LOOP
    EXECUTE pg_catalog.format('ALTER TABLE migrated.%I ADD COLUMN i1 bigint', 'id_map_' || entity);
    EXECUTE pg_catalog.format('COMMENT ON COLUMN migrated.%I.i1 IS %L', 'id_map_' || entity,
                              'Hash of the source row''s identity columns; NULL: not known');
  END LOOP;
END
$$;

CREATE TABLE migrated.id_map_history (
  id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  entity        text NOT NULL,
  legacy_key    text[] NOT NULL,
  target_key    text[] NOT NULL,
  i1            bigint,
  since_session integer,
  until         timestamptz NOT NULL DEFAULT pg_catalog.now(),
  reason        text NOT NULL,
  session       uuid NOT NULL,
  batch         integer NOT NULL
);
COMMENT ON TABLE migrated.id_map_history IS 'Target keys that legacy keys had before they stood for another row';
COMMENT ON COLUMN migrated.id_map_history.i1 IS 'Hash of the identity columns of the row that had the legacy key';
COMMENT ON COLUMN migrated.id_map_history.since_session IS 'Number of the session that mapped it (migrated.session.number); NULL: adopted';
COMMENT ON COLUMN migrated.id_map_history.reason IS 'reused: another row has the legacy key';
COMMENT ON COLUMN migrated.id_map_history.session IS 'The session that found it so, with its batch';
CREATE INDEX id_map_history_key ON migrated.id_map_history (entity, legacy_key);
CREATE INDEX id_map_history_batch ON migrated.id_map_history (session, entity, batch);

-- Hashes that were made otherwise say nothing about those to come: they are forgotten, as if none had been kept. The column goes
-- and comes, since that costs nothing, however many rows there are.
CREATE FUNCTION migrated.set_identity(entity text, identity text) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  id_map text := format('migrated.%I', 'id_map_' || entity);
  before text := (SELECT e.identity FROM migrated.entity AS e WHERE e.entity = set_identity.entity);
BEGIN
  IF before IS DISTINCT FROM identity AND before IS NOT NULL THEN
    EXECUTE format('ALTER TABLE %s DROP COLUMN IF EXISTS i1', id_map);
  END IF;
  -- A table that was restored from an old backup has none.
  IF NOT EXISTS (SELECT FROM pg_attribute AS a WHERE a.attrelid = id_map::regclass AND a.attname = 'i1' AND NOT a.attisdropped) THEN
    EXECUTE format('ALTER TABLE %s ADD COLUMN i1 bigint', id_map);
    EXECUTE format('COMMENT ON COLUMN %s.i1 IS %L', id_map, 'Hash of the source row''s identity columns; NULL: not known');
  END IF;
  UPDATE migrated.entity AS e
     SET identity = set_identity.identity
   WHERE e.entity = set_identity.entity
     AND e.identity IS DISTINCT FROM set_identity.identity;
END
$$;
COMMENT ON FUNCTION migrated.set_identity IS 'Says what the identity hashes of an entity are made with; those made otherwise are forgotten';
