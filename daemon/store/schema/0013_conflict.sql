-- Edits on the modern side: what the target's row was as we wrote it is kept as a hash, so that a row that is another one now, or is
-- not there any more, is known to have been edited, and nothing is overwritten in silence.

DO $$
DECLARE
  id_map regclass;
BEGIN
  FOR id_map IN
    SELECT c.oid::regclass
      FROM migrated.entity AS e
      JOIN pg_catalog.pg_class AS c
        ON c.relname = 'id_map_' || e.entity
       AND c.relnamespace = 'migrated'::regnamespace
       AND c.relkind IN ('r', 'p')
  LOOP
    EXECUTE pg_catalog.format('ALTER TABLE %s ADD COLUMN w1 bigint, ADD COLUMN w2 bigint', id_map);
    EXECUTE pg_catalog.format('COMMENT ON COLUMN %s.w1 IS %L', id_map,
      'Hash of the mapped columns of the target row as it stood after we wrote it, 0: there was none; NULL: not known');
    EXECUTE pg_catalog.format('COMMENT ON COLUMN %s.w2 IS %L', id_map,
      'The h1 that w1 is of, or that was decided against since (on_conflict: hold, last_writer_wins)');
  END LOOP;
END
$$;

ALTER TABLE migrated.entity ADD COLUMN written jsonb;
COMMENT ON COLUMN migrated.entity.written IS 'What w1 of the id map is a hash of: the target''s table and its key, its server''s version, columns and types';

CREATE TABLE migrated.conflict (
  id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  entity      text NOT NULL,
  legacy_key  text[] NOT NULL,
  session     uuid NOT NULL,
  batch       integer NOT NULL,
  policy      text NOT NULL CHECK (policy IN ('source_wins', 'last_writer_wins', 'hold')),
  in_source   text NOT NULL CHECK (in_source IN ('changed', 'deleted')),
  in_target   text NOT NULL CHECK (in_target IN ('edited', 'deleted')),
  state       text NOT NULL CHECK (state IN ('held', 'overwritten', 'kept', 'resolved')),
  columns     text[] NOT NULL DEFAULT '{}',
  before      jsonb,
  h1          bigint,
  h2          bigint,
  resolution  text CHECK (resolution IN ('source', 'target')),
  resolved_by bigint,
  created_at  timestamptz NOT NULL DEFAULT pg_catalog.now(),
  updated_at  timestamptz NOT NULL DEFAULT pg_catalog.now()
);
CREATE UNIQUE INDEX conflict_held ON migrated.conflict (entity, legacy_key) WHERE state = 'held';
CREATE INDEX conflict_row ON migrated.conflict (entity, legacy_key);
COMMENT ON TABLE migrated.conflict IS 'Rows that had been edited in the target when a change of theirs arrived from the source';
COMMENT ON COLUMN migrated.conflict.policy IS 'What the mapping said at that time (on_conflict)';
COMMENT ON COLUMN migrated.conflict.state IS 'held: nothing was written, people are to decide; overwritten, kept: decided by the policy; resolved: no longer held';
COMMENT ON COLUMN migrated.conflict.columns IS 'Columns in which the target''s row and the source''s version of it differ';
COMMENT ON COLUMN migrated.conflict.before IS 'The mapped columns of the target''s row as they were; NULL: it was deleted';
COMMENT ON COLUMN migrated.conflict.h1 IS 'Hash of the source''s version';
COMMENT ON COLUMN migrated.conflict.resolution IS 'Whose version people decided for; NULL: nobody did, or it ended by itself';
COMMENT ON COLUMN migrated.conflict.resolved_by IS 'User id of whoever decided';

ALTER TABLE migrated.batch
  ADD COLUMN overwritten bigint NOT NULL DEFAULT 0,
  ADD COLUMN kept bigint NOT NULL DEFAULT 0,
  ADD COLUMN held bigint NOT NULL DEFAULT 0;
COMMENT ON COLUMN migrated.batch.overwritten IS 'Rows that had been edited in the target, and the source won; they are counted as what was done, too';
COMMENT ON COLUMN migrated.batch.kept IS 'Likewise, and the target won; they are counted as unchanged, too';
COMMENT ON COLUMN migrated.batch.held IS 'Likewise, and nothing was done; they are counted as unchanged, too';

-- Of rows that were read and then not updated: were they changed by somebody else in between? Then what was decided does not hold.
-- A trigger or a policy that keeps a row as it is is no such thing. Volatile, so that it sees what was committed meanwhile.
CREATE FUNCTION migrated.refuse_overtaken(target regclass, rows tid[], tables oid[], versions xid[]) RETURNS bigint
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  unchanged bigint;
BEGIN
  EXECUTE format('SELECT count(*) FROM %s AS t JOIN unnest($1, $2, $3) AS r (row_id, relation, version) '
                 'ON t.ctid = r.row_id AND t.tableoid = r.relation AND t.xmin = r.version', target)
    INTO unchanged
   USING rows, tables, versions;
  IF unchanged < cardinality(rows) THEN
    RAISE EXCEPTION 'rows were edited in the target while they were being updated' USING ERRCODE = 'serialization_failure';
  END IF;
  RETURN 0;
END
$$;
COMMENT ON FUNCTION migrated.refuse_overtaken IS 'Refuses a batch (40001) whose rows others have changed since it read them';

-- The expression that w1 is made by, over a target row t; columns as in migrated.entity.written.
CREATE FUNCTION migrated.written_hash(columns jsonb) RETURNS text
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
  SELECT format('hashtextextended(ROW(%s)::text, 0)',
                (SELECT string_agg(format('t.%I', c.value ->> 'name'), ', ' ORDER BY c.ordinality)
                   FROM jsonb_array_elements(columns) WITH ORDINALITY AS c))
$$;
COMMENT ON FUNCTION migrated.written_hash IS 'The expression that w1 of an id map is made by, over a target row t';

CREATE FUNCTION migrated.target_is_mapped(written jsonb) RETURNS text
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
  SELECT string_agg(format('t.%I = m.%I', k.name, 't' || k.place), ' AND ')
    FROM jsonb_array_elements_text(written -> 'key') WITH ORDINALITY AS k (name, place)
$$;
COMMENT ON FUNCTION migrated.target_is_mapped IS 'The condition that joins a target row t with its row m of the id map';

-- Says which columns are written from now on. What is known of rows is kept where it can be: hashes over the columns before are
-- turned into those over the columns now. Where they cannot be made any more, edits since our last write are not known, except of
-- rows that are held: these must not be overwritten because the mapping has changed.
CREATE FUNCTION migrated.written_is(entity text, target regclass, target_key text[], columns text[]) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  id_map regclass := format('migrated.%I', 'id_map_' || entity)::regclass;
  before jsonb;
  after jsonb;
BEGIN
  SELECT e.written
    INTO before
    FROM migrated.entity AS e
   WHERE e.entity = written_is.entity;
  SELECT jsonb_build_object(
           'table', target::text,
           'key', target_key,
           'version', current_setting('server_version_num')::integer / 10000,
           'columns', jsonb_agg(jsonb_build_object('name', w.name, 'type', format_type(a.atttypid, a.atttypmod)) ORDER BY w.place))
    INTO after
    FROM unnest(columns) WITH ORDINALITY AS w (name, place)
    JOIN pg_attribute AS a
      ON a.attrelid = target
     AND a.attname = w.name
     AND NOT a.attisdropped;
  IF before = after THEN
    RETURN;
  END IF;
  UPDATE migrated.entity AS e
     SET written = after
   WHERE e.entity = written_is.entity;
  IF before IS NULL THEN
    RETURN;
  END IF;
  IF (before -> 'table', before -> 'version') = (after -> 'table', after -> 'version')
     AND NOT EXISTS (SELECT
                       FROM jsonb_array_elements(before -> 'columns') AS c
                       LEFT JOIN pg_attribute AS a
                         ON a.attrelid = target
                        AND a.attname = c ->> 'name'
                        AND NOT a.attisdropped
                      WHERE format_type(a.atttypid, a.atttypmod) IS DISTINCT FROM c ->> 'type') THEN
    EXECUTE format('UPDATE %s AS m SET w1 = %s FROM %s AS t WHERE %s AND m.w1 = %s', id_map,
                   migrated.written_hash(after -> 'columns'), target,
                   migrated.target_is_mapped(after), migrated.written_hash(before -> 'columns'));
    RETURN;
  END IF;
  EXECUTE format('UPDATE %s AS m SET w1 = NULL WHERE m.w1 IS NOT NULL AND NOT EXISTS (SELECT FROM migrated.conflict AS c '
                 'WHERE c.entity = $1 AND c.state = ''held'' AND c.legacy_key = ARRAY[%s])', id_map,
                 (SELECT string_agg(format('m.%I::text', a.attname), ', ' ORDER BY a.attnum)
                    FROM pg_attribute AS a
                   WHERE a.attrelid = id_map
                     AND a.attname ~ '^k[0-9]+$'
                     AND NOT a.attisdropped))
    USING entity;
END
$$;
COMMENT ON FUNCTION migrated.written_is IS 'Keeps w1 of an id map true when other columns are written than before';

-- Ends one hold as people have decided. For the target: its row as it stands is what both sides agree on, until the source changes.
-- For the source: its version may overwrite the row as it stands now (an edit that comes later is a conflict again), and the
-- row is carried again; or the deletion that was held. Answers whether there was anything to decide.
CREATE FUNCTION migrated.resolve_conflict(conflict bigint, resolution text, resolved_by bigint) RETURNS boolean
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  held migrated.conflict;
  known jsonb;
  id_map text;
  key_is text;
  deletion boolean;
BEGIN
  SELECT c.*
    INTO held
    FROM migrated.conflict AS c
   WHERE c.id = resolve_conflict.conflict
     AND (c.state = 'held' OR c.state = 'kept' AND resolve_conflict.resolution = 'source')
     FOR UPDATE;
  IF NOT FOUND THEN
    RETURN false;
  END IF;
  deletion := held.in_source = 'deleted' AND resolution = 'source';
  SELECT e.written
    INTO known
    FROM migrated.entity AS e
   WHERE e.entity = held.entity;
  id_map := format('migrated.%I', 'id_map_' || held.entity);
  SELECT string_agg(format('m.%I = $1[%s]::%s', a.attname, substr(a.attname, 2), format_type(a.atttypid, a.atttypmod)), ' AND ')
    INTO key_is
    FROM pg_attribute AS a
   WHERE a.attrelid = id_map::regclass
     AND a.attname ~ '^k[0-9]+$'
     AND NOT a.attisdropped;
  EXECUTE format('UPDATE %s AS m SET w1 = coalesce((SELECT %s FROM %s AS t WHERE %s), 0), w2 = $2, '
                 'gone = CASE WHEN $3 THEN NULL ELSE m.gone END WHERE %s',
                 id_map, migrated.written_hash(known -> 'columns'), known ->> 'table', migrated.target_is_mapped(known), key_is)
    USING held.legacy_key, CASE resolution WHEN 'target' THEN held.h1 END, deletion;
  IF resolution = 'source' THEN
    INSERT INTO migrated.again AS g (entity, legacy_key, reason)
    VALUES (held.entity, held.legacy_key, CASE WHEN deletion THEN 'deletion' ELSE 'conflict' END)
        ON CONFLICT (entity, legacy_key) DO UPDATE
       SET reason = excluded.reason,
           requested_at = excluded.requested_at;
  END IF;
  UPDATE migrated.conflict AS c
     SET state = 'resolved',
         resolution = resolve_conflict.resolution,
         resolved_by = resolve_conflict.resolved_by,
         updated_at = now()
   WHERE c.id = held.id;
  RETURN true;
END
$$;
COMMENT ON FUNCTION migrated.resolve_conflict IS 'Decides about a row that is held (for the source, also about one that was kept): source or target';
COMMENT ON COLUMN migrated.again.reason IS 'What asked for it: retry (of a dead letter), conflict, deletion (one that was held), repair';
