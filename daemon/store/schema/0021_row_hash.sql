-- From PostgreSQL 14 on, w1 of an id map is made of the row's values, not of its text. The daemon says by which expression, so that this
-- is known in one place; it is kept with the columns, and hashes made by another are turned into those made by it.

DROP FUNCTION migrated.written_hash(jsonb);
CREATE FUNCTION migrated.written_hash(written jsonb) RETURNS text
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
  SELECT coalesce(written ->> 'hash',
                  format('hashtextextended(ROW(%s)::text, 0)',
                         (SELECT string_agg(format('t.%I', c.value ->> 'name'), ', ' ORDER BY c.ordinality)
                            FROM jsonb_array_elements(written -> 'columns') WITH ORDINALITY AS c)))
$$;
COMMENT ON FUNCTION migrated.written_hash IS 'The expression that w1 of an id map is made by, over a target row t; of migrated.entity.written';

DROP FUNCTION migrated.written_is(text, regclass, text[], text[]);
-- Says which columns are written from now on, and by which expression over a target row t their hash is made. What is known of rows is kept where it can be: hashes over the columns before are
-- turned into those over the columns now. Where they cannot be made any more, edits since our last write are not known, except of
-- rows that are held: these must not be overwritten because the mapping has changed.
CREATE FUNCTION migrated.written_is(entity text, target regclass, target_key text[], columns text[], hash text) RETURNS void
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
           'hash', hash,
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
                   migrated.written_hash(after), target,
                   migrated.target_is_mapped(after), migrated.written_hash(before));
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
COMMENT ON FUNCTION migrated.written_is IS 'Keeps w1 of an id map true when other columns are written than before, or another hash is made of them';

-- Ends one hold as people have decided. For the target: its row as it stands is what both sides agree on, until the source changes.
-- For the source: its version may overwrite the row as it stands now (an edit that comes later is a conflict again), and the
-- row is carried again; or the deletion that was held. Answers whether there was anything to decide.
CREATE OR REPLACE FUNCTION migrated.resolve_conflict(conflict bigint, resolution text, resolved_by bigint) RETURNS boolean
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
                 id_map, migrated.written_hash(known), known ->> 'table', migrated.target_is_mapped(known), key_is)
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
