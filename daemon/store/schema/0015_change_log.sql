-- Every change of a target row, and what the row was before: who brought what, and the way back.

-- Counts all changes, whatever the entity, in the order in which they were made.
CREATE SEQUENCE migrated.change_number;
COMMENT ON SEQUENCE migrated.change_number IS 'Numbers every change of a target row, whatever its entity';

CREATE TABLE migrated.before_image (
  change  bigint PRIMARY KEY,
  session integer NOT NULL,
  entity  text NOT NULL,
  before  jsonb,
  after   jsonb,
  mapping jsonb
);
COMMENT ON TABLE migrated.before_image IS 'What a change replaced, until it expires (before_images_keep); of rows that were never mapped before, nothing';
COMMENT ON COLUMN migrated.before_image.change IS 'Number of the change in the entity''s change log';
COMMENT ON COLUMN migrated.before_image.before IS 'Columns that differ, as they were, each as text; of a deletion, the whole row; NULL: there was no row';
COMMENT ON COLUMN migrated.before_image.after IS 'The same columns as the change left them, triggers'' work included; NULL: no row was left, or there was none before';
COMMENT ON COLUMN migrated.before_image.mapping IS 'The row of the id map as it was; NULL: there was none';

ALTER TABLE migrated.session ADD COLUMN images_expired_at timestamptz;
COMMENT ON COLUMN migrated.session.images_expired_at IS 'When its before-images were removed (before_images_keep): what it updated or deleted cannot be rolled back any more';

CREATE TABLE migrated.logged_table (
  name    text PRIMARY KEY,
  entity  text NOT NULL,
  in_view boolean NOT NULL DEFAULT false
);
COMMENT ON TABLE migrated.logged_table IS 'Tables of the change log; one that did not fit its id map any more was given another name';
COMMENT ON COLUMN migrated.logged_table.in_view IS 'The view migrated.change_log shows it';

-- What is written here stays. Not even the owner may change it; whoever must (a superuser, by law) can take the trigger away, and is seen.
CREATE FUNCTION migrated.is_append_only() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  RAISE EXCEPTION '% is append-only', TG_RELID::regclass USING ERRCODE = 'insufficient_privilege';
END
$$;
COMMENT ON FUNCTION migrated.is_append_only IS 'Refuses whatever is no INSERT';

CREATE FUNCTION migrated.make_append_only(kept regclass) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  owner regrole := (SELECT c.relowner FROM pg_class AS c WHERE c.oid = kept);
BEGIN
  EXECUTE format('REVOKE UPDATE, DELETE, TRUNCATE ON %s FROM %s, PUBLIC', kept, owner);
  EXECUTE format('CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON %s FOR EACH STATEMENT '
                 'EXECUTE FUNCTION migrated.is_append_only()', kept);
END
$$;
COMMENT ON FUNCTION migrated.make_append_only IS 'Has a table of ours refuse whatever is no INSERT, from its owner, too';

-- "k1 bigint NOT NULL, t1 uuid NOT NULL": the keys of a table of ours.
CREATE FUNCTION migrated.keys_of(relation regclass) RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
  SELECT string_agg(format('%I %s NOT NULL', a.attname, format_type(a.atttypid, a.atttypmod)), ', '
                    ORDER BY left(a.attname, 1), substr(a.attname, 2)::integer)
    FROM pg_attribute AS a
   WHERE a.attrelid = relation
     AND a.attname ~ '^[kt][0-9]+$'
     AND NOT a.attisdropped
$$;
COMMENT ON FUNCTION migrated.keys_of IS 'Columns of legacy key and target key of an id map or a change log, as SQL';

-- Makes the change log of an entity beside its id map. One whose keys are of other types, as those of the id map were then, is kept under
-- another name.
CREATE FUNCTION migrated.prepare_change_log(entity text) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  keys text := migrated.keys_of(format('migrated.%I', 'id_map_' || entity)::regclass);
  log text := 'change_log_' || entity;
  present regclass := to_regclass(format('migrated.%I', log));
  former text;
BEGIN
  IF present IS NOT NULL AND migrated.keys_of(present) = keys THEN
    RETURN;
  END IF;
  IF present IS NOT NULL THEN
    former := format('former_change_log_%s', present::oid);
    EXECUTE format('ALTER TABLE %s RENAME TO %I', present, former);
    UPDATE migrated.logged_table AS l
       SET name = former
     WHERE l.name = log;
  END IF;
  EXECUTE format('CREATE TABLE migrated.%I (change bigint NOT NULL DEFAULT nextval(''migrated.change_number''), '
                 'session integer NOT NULL, batch integer NOT NULL, kind text NOT NULL, %s, '
                 'at timestamptz NOT NULL DEFAULT now())', log, keys);
  EXECUTE format('CREATE INDEX ON migrated.%I USING brin (session, change)', log);
  EXECUTE format('COMMENT ON TABLE migrated.%I IS %L', log,
                 'Changes of target rows of ' || entity || '; append-only, without values. xmin of each is that of the target row as the change '
                 'left it, since one statement writes both; kinds ''deleted'' and ''remapped'' leave none');
  EXECUTE format('COMMENT ON COLUMN migrated.%I.change IS %L', log, 'In the order in which they were made, across all entities');
  EXECUTE format('COMMENT ON COLUMN migrated.%I.session IS %L', log, 'Number of the session (migrated.session.number)');
  EXECUTE format('COMMENT ON COLUMN migrated.%I.batch IS %L', log,
                 'Its batch (unlinked, repointed: the batch of the row for whose sake it was done); 0: the second pass, which has none');
  EXECUTE format('COMMENT ON COLUMN migrated.%I.kind IS %L', log,
                 'inserted, updated, deleted; marked, unmarked (as gone); filled (a reference, by the second pass); unlinked (let go of what is '
                 'to be deleted, too); let_go, taken_back (a legacy key that stands for another row now, or after all not); repointed (to that '
                 'row); remapped (the id map alone: no row was there to be changed)');
  PERFORM migrated.make_append_only(format('migrated.%I', log));
  INSERT INTO migrated.logged_table AS l (name, entity)
  VALUES (log, entity)
      ON CONFLICT (name) DO UPDATE
     SET in_view = false;
END
$$;
COMMENT ON FUNCTION migrated.prepare_change_log IS 'Makes the change log of an entity, with the keys of its id map';

-- The view over all of them, made anew when there are others than it shows.
CREATE FUNCTION migrated.show_change_logs() RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  branches text;
BEGIN
  IF to_regclass('migrated.change_log') IS NOT NULL AND NOT EXISTS (SELECT FROM migrated.logged_table AS l WHERE NOT l.in_view) THEN
    RETURN;
  END IF;
  SELECT string_agg(format('SELECT l.session, %L::text AS entity, l.change, l.batch, l.kind, ARRAY[%s] AS legacy_key, ARRAY[%s] AS target_key, '
                           'CASE WHEN l.kind NOT IN (''deleted'', ''remapped'') THEN l.xmin END AS version, l.at FROM %s AS l', l.entity, keys.legacy, keys.target, keys.relation), ' UNION ALL ' ORDER BY l.name)
    INTO branches
    FROM migrated.logged_table AS l
   CROSS JOIN LATERAL (SELECT a.attrelid::regclass AS relation,
                              string_agg(format('l.%I::text', a.attname), ', ' ORDER BY a.attnum) FILTER (WHERE a.attname LIKE 'k%') AS legacy,
                              string_agg(format('l.%I::text', a.attname), ', ' ORDER BY a.attnum) FILTER (WHERE a.attname LIKE 't%') AS target
                         FROM pg_attribute AS a
                        WHERE a.attrelid = to_regclass(format('migrated.%I', l.name))
                          AND a.attname ~ '^[kt][0-9]+$'
                          AND NOT a.attisdropped
                        GROUP BY a.attrelid) AS keys;
  IF branches IS NULL THEN
    branches := 'SELECT NULL::integer AS session, NULL::text AS entity, NULL::bigint AS change, NULL::integer AS batch, NULL::text AS kind, '
                'NULL::text[] AS legacy_key, NULL::text[] AS target_key, NULL::xid AS version, NULL::timestamptz AS at WHERE false';
  END IF;
  EXECUTE format('CREATE OR REPLACE VIEW migrated.change_log AS '
                 'SELECT s.session, l.session AS number, l.entity, l.change, l.batch, l.kind, l.legacy_key, l.target_key, l.version, l.at '
                 'FROM (%s) AS l LEFT JOIN migrated.session AS s ON s.number = l.session', branches);
  COMMENT ON VIEW migrated.change_log IS 'Every change of a target row: by which session (and its number), of which entity, what, and when';
  UPDATE migrated.logged_table AS l
     SET in_view = true
   WHERE NOT l.in_view;
END
$$;
COMMENT ON FUNCTION migrated.show_change_logs IS 'Makes the view over the change logs of all entities';

-- Those of entities that are there already. An id map that was damaged is judged elsewhere.
SELECT migrated.prepare_change_log(e.entity)
  FROM migrated.entity AS e
  JOIN pg_catalog.pg_class AS c
    ON c.relname = 'id_map_' || e.entity
   AND c.relnamespace = 'migrated'::regnamespace
   AND c.relkind IN ('r', 'p')
 WHERE migrated.keys_of(c.oid) ~ '^k1 .*, t1 '
 ORDER BY e.entity;
SELECT migrated.show_change_logs();
