-- Undoing a session. What it did is in the change log; for each entity the net of it, one row for each row of the target, is collected
-- into a table of its own (migrated.undo_ENTITY), which the batches of a rollback work through:
--
--   restore  rows that were deleted are there again, parents first
--   loosen   references that stand in a circle let go of what is to be removed, and point again to what is there again
--   undo     rows that were inserted are removed, rows that were changed get back what they had, children first
--   retry    rows that a constraint refused, once more
--
-- Nothing here is known of the source or the mapping: the target's catalogs, the id map and the log say it all.

ALTER TABLE migrated.session
  DROP CONSTRAINT session_mode_check,
  ADD CONSTRAINT session_mode_check CHECK (mode IN ('initial', 'differential', 'full', 'again', 'rollback'));

ALTER TABLE migrated.batch
  DROP CONSTRAINT batch_kind_check,
  ADD CONSTRAINT batch_kind_check CHECK (kind IN ('range', 'keys', 'deletes', 'restore', 'loosen', 'undo', 'retry'));
COMMENT ON COLUMN migrated.batch.low IS
  'range: rows above this legacy key (NULL: from the first); keys, deletes: the first ordinal of migrated.change; of a rollback: the first place';
COMMENT ON COLUMN migrated.batch.high IS
  'range: rows up to this legacy key (NULL: to the last); keys, deletes: the last ordinal of migrated.change; of a rollback: the last place';

ALTER TABLE migrated.owner ADD COLUMN cycles_held text;
COMMENT ON COLUMN migrated.owner.cycles_held IS 'Why cycles stand still until somebody resumes them: a session was rolled back';

CREATE TABLE migrated.rollback (
  rollback   uuid PRIMARY KEY REFERENCES migrated.session ON DELETE CASCADE,
  number     integer NOT NULL,
  of_session uuid NOT NULL,
  of_number  integer NOT NULL,
  force      boolean NOT NULL
);
COMMENT ON TABLE migrated.rollback IS 'Sessions that undo another';
COMMENT ON COLUMN migrated.rollback.number IS 'Of the session that undoes (migrated.session.number)';
COMMENT ON COLUMN migrated.rollback.of_session IS 'The session that is undone';
COMMENT ON COLUMN migrated.rollback.force IS 'Rows that were edited or changed since are undone, too';

CREATE TABLE migrated.rollback_left (
  rollback        uuid NOT NULL REFERENCES migrated.rollback ON DELETE CASCADE,
  entity          text NOT NULL,
  place           bigint NOT NULL,
  legacy_key      text[],
  target_key      text[] NOT NULL,
  reason          text NOT NULL CHECK (reason IN ('edited', 'changed', 'deleted', 'no image', 'referenced', 'shared', 'refused')),
  since           integer,
  columns         text[],
  sqlstate        text,
  constraint_name text,
  tried           boolean NOT NULL DEFAULT false,
  PRIMARY KEY (rollback, entity, place)
);
COMMENT ON TABLE migrated.rollback_left IS 'Rows that a rollback has left as they are, and why';
COMMENT ON COLUMN migrated.rollback_left.reason IS
  'edited, deleted: by somebody since; changed: by a later session; no image: expired, or not kept; referenced: rows would go with it; '
  'shared: another source row needs it; refused: by the target';
COMMENT ON COLUMN migrated.rollback_left.since IS 'Number of the later session that changed it';
COMMENT ON COLUMN migrated.rollback_left.columns IS 'Columns that were edited';
COMMENT ON COLUMN migrated.rollback_left.tried IS 'It was refused a second time, when all else was undone';

-- Earlier values of a row's columns, whichever change they are of.
CREATE AGGREGATE migrated.merged(jsonb) (SFUNC = pg_catalog.jsonb_concat, STYPE = jsonb, INITCOND = '{}');
COMMENT ON AGGREGATE migrated.merged(jsonb) IS 'Objects made one; of a key that several have, the last value';

-- Rows of an id map go while a session is under way only when that session undoes another.
CREATE OR REPLACE FUNCTION migrated.id_map_shrinks() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  before bigint;
BEGIN
  IF EXISTS (SELECT FROM migrated.session AS s
              WHERE s.state IN ('running', 'paused')
                AND s.mode = 'rollback'
                AND s.session::text = current_setting('migrated.undoing', true)) THEN
    RETURN NULL;
  END IF;
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

-- --- what an entity's statements are made of --------------------------------------------------------------------------------------

CREATE TYPE migrated.rollback_parts AS (
  entity   text,
  target   text,
  id_map   text,
  log      text,
  work     text,
  keys     text[],
  key_count integer,
  all_columns text[],
  all_types   text[],
  columns  text[],
  types    text[],
  soft     text[],
  alone    boolean,
  surveyed boolean
);
COMMENT ON TYPE migrated.rollback_parts IS 'The names that the statements of a rollback are made of, for one entity';

CREATE TABLE migrated.rollback_entity (
  rollback   uuid NOT NULL REFERENCES migrated.rollback ON DELETE CASCADE,
  entity     text NOT NULL,
  parts      migrated.rollback_parts NOT NULL,
  imageless  bigint NOT NULL,
  by_trigger jsonb NOT NULL DEFAULT '{}',
  PRIMARY KEY (rollback, entity)
);
COMMENT ON TABLE migrated.rollback_entity IS 'What is known of an entity whose part of a session is undone';
COMMENT ON COLUMN migrated.rollback_entity.parts IS 'What its statements are made of';
COMMENT ON COLUMN migrated.rollback_entity.imageless IS 'Rows that cannot be undone because their before-images are not there';
COMMENT ON COLUMN migrated.rollback_entity.by_trigger IS 'Columns that a trigger set to something else than they were, and how many rows';

CREATE FUNCTION migrated.undo_parts_of(entity text) RETURNS migrated.rollback_parts
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  p migrated.rollback_parts;
  relation regclass;
BEGIN
  p.entity := entity;
  SELECT e.written ->> 'table',
         ARRAY(SELECT jsonb_array_elements_text(e.written -> 'key'))
    INTO p.target, p.keys
    FROM migrated.entity AS e
   WHERE e.entity = undo_parts_of.entity;
  relation := to_regclass(p.target);
  IF relation IS NULL THEN
    RAISE EXCEPTION 'the target table of entity "%" is not there any more', entity USING ERRCODE = 'undefined_table';
  END IF;
  p.id_map := format('migrated.%I', 'id_map_' || entity);
  p.log := format('migrated.%I', 'change_log_' || entity);
  p.work := format('migrated.%I', 'undo_' || entity);
  SELECT count(*)
    INTO p.key_count
    FROM pg_attribute AS a
   WHERE a.attrelid = p.id_map::regclass
     AND a.attname ~ '^k[0-9]+$'
     AND NOT a.attisdropped;
  SELECT array_agg(a.attname::text ORDER BY a.attnum),
         array_agg(format_type(a.atttypid, a.atttypmod) ORDER BY a.attnum)
    INTO p.all_columns, p.all_types
    FROM pg_attribute AS a
   WHERE a.attrelid = relation
     AND a.attnum > 0
     AND NOT a.attisdropped
     AND coalesce(to_jsonb(a) ->> 'attgenerated', '') = '';
  p.alone := EXISTS (SELECT FROM pg_constraint AS c WHERE c.conrelid = relation AND c.confrelid = relation AND c.contype = 'f');
  RETURN p;
END
$$;
COMMENT ON FUNCTION migrated.undo_parts_of IS 'The names that the statements of a rollback are made of, for one entity';

-- `pattern` for each of a list of names, or for the numbers of a key's columns, joined.
CREATE FUNCTION migrated.each_of(pattern text, names text[], joined text DEFAULT ', ') RETURNS text
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
  SELECT coalesce(string_agg(replace(replace(replace(pattern, '{name}', quote_ident(n.name)), '{literal}', quote_literal(n.name)),
                                     '{n}', n.place::text), joined ORDER BY n.place), '')
    FROM unnest(names) WITH ORDINALITY AS n (name, place)
$$;
COMMENT ON FUNCTION migrated.each_of IS 'A pattern filled for each of a list of names: {name}, {literal}, {n}';

CREATE FUNCTION migrated.each_key(pattern text, count integer, joined text DEFAULT ', ') RETURNS text
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
  SELECT coalesce(string_agg(replace(pattern, '{n}', n::text), joined ORDER BY n), '') FROM generate_series(1, count) AS n
$$;
COMMENT ON FUNCTION migrated.each_key IS 'A pattern filled for each part of a key: {n}';

-- A row's columns by name, as text.
CREATE FUNCTION migrated.values_of(alias text, columns text[]) RETURNS text
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
  SELECT CASE WHEN cardinality(columns) > 0
              THEN format('pg_catalog.jsonb_object(ARRAY[%s]::text[], ARRAY[%s]::text[])', migrated.each_of('{literal}', columns),
                          migrated.each_of(alias || '.{name}::text', columns))
              ELSE '''{}''::jsonb' END
$$;
COMMENT ON FUNCTION migrated.values_of IS 'SQL: the columns of a row as an object of texts';

-- When the rows are only looked at, those that refer to them are still there: is a row `x` of that table none that would be removed, or be
-- given another reference back, before?
CREATE FUNCTION migrated.still_refers(relation oid, columns text[]) RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
  SELECT coalesce(string_agg(format(' AND NOT EXISTS (SELECT FROM %s AS g WHERE (g.deed = ''remove'' OR g.before ?| %L) AND %s)',
                                    to_regclass(format('migrated.%I', 'undo_' || e.entity)), columns, keys.equal), ''), '')
    FROM migrated.entity AS e
   CROSS JOIN LATERAL (SELECT string_agg(format('g.t%s = x.%I', k.place, k.name), ' AND ') AS equal
                         FROM jsonb_array_elements_text(e.written -> 'key') WITH ORDINALITY AS k (name, place)) AS keys
   WHERE to_regclass(e.written ->> 'table') = relation
     AND to_regclass(format('migrated.%I', 'undo_' || e.entity)) IS NOT NULL
$$;
COMMENT ON FUNCTION migrated.still_refers IS 'SQL: that a row is not dealt with before, for a survey';

-- What would be deleted or changed along with a row `t`, by the actions of foreign keys; rows of the tables `beside` do not count.
CREATE FUNCTION migrated.yielding(p migrated.rollback_parts, beside regclass[]) RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
  SELECT coalesce(string_agg(format('WHEN EXISTS (SELECT FROM %s AS x WHERE %s%s) THEN %L', c.conrelid::regclass, k.equal,
                                    CASE WHEN c.conrelid = c.confrelid
                                         THEN format(' AND NOT EXISTS (SELECT FROM %s AS o WHERE o.ctid = ANY ($1) AND o.deed = ''remove'' AND %s)',
                                                     p.work, migrated.each_of('o.t{n} = x.{name}', p.keys, ' AND '))
                                         ELSE '' END
                                    || CASE WHEN p.surveyed THEN migrated.still_refers(c.conrelid, k.columns) ELSE '' END,
                                    c.conname), ' ' ORDER BY c.conname), '')
    FROM pg_constraint AS c
   CROSS JOIN LATERAL (SELECT string_agg(format('x.%I = t.%I', a.attname, f.attname), ' AND ') AS equal, array_agg(a.attname::text) AS columns
                         FROM ROWS FROM (unnest(c.conkey), unnest(c.confkey)) AS k (own, other)
                         JOIN pg_attribute AS a
                           ON a.attrelid = c.conrelid
                          AND a.attnum = k.own
                         JOIN pg_attribute AS f
                           ON f.attrelid = c.confrelid
                          AND f.attnum = k.other) AS k
   WHERE c.confrelid = p.target::regclass
     AND c.contype = 'f'
     AND c.conparentid = 0
     AND c.confdeltype IN ('c', 'n', 'd')
     AND c.conrelid <> ALL (beside)
$$;
COMMENT ON FUNCTION migrated.yielding IS 'SQL: the foreign key by which rows would go with a row, for a CASE';

-- --- what a session did to an entity ------------------------------------------------------------------------------------------------

-- Collects into migrated.undo_ENTITY what session `of` did to the rows of an entity and what has not been undone yet: one row for each
-- row of the target, the last first. deed: remove (it was inserted), amend (it was changed), restore (it was deleted), none (it came and
-- went). Answers how many there are.
CREATE FUNCTION migrated.undo_collect(p migrated.rollback_parts, of_number integer) RETURNS bigint
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  only_inserts boolean;
  later boolean;
  expected bigint;
  collected bigint;
  ks text := migrated.each_key('k{n}', p.key_count);
  ts text := migrated.each_key('t{n}', cardinality(p.keys));
BEGIN
  -- One row of the target may be of several of the source only where it has no legacy key.
  EXECUTE format('SELECT count(*), coalesce(bool_and(l.kind = ''inserted''), true) AND to_regclass($2) IS NULL, EXISTS (SELECT FROM %1$s WHERE session > $1) '
                 'FROM %1$s AS l WHERE l.session = $1', p.log)
    INTO collected, only_inserts, later
   USING of_number, format('migrated.%I', 'id_map_' || p.entity || '_target');
  SELECT sum(b.inserted + b.updated + b.deleted)
    INTO expected
    FROM migrated.batch AS b
    JOIN migrated.session AS s
      ON s.session = b.session
   WHERE s.number = of_number
     AND b.entity = p.entity;
  IF collected = 0 AND expected > 0 THEN
    RAISE EXCEPTION 'entity "%" was migrated before changes were logged, so what was done to it cannot be undone', p.entity
      USING ERRCODE = 'MG006';
  END IF;
  EXECUTE format('DROP TABLE IF EXISTS %s', p.work);
  EXECUTE 'CREATE TABLE ' || p.work || ' AS WITH '
    || CASE WHEN later THEN format(
         'since AS MATERIALIZED ('
         ' SELECT %1$s, x.change, x.session, x.kind, CASE WHEN x.kind NOT IN (''deleted'', ''remapped'') THEN x.xmin END AS version, r.of_number'
         '   FROM %2$s AS x LEFT JOIN migrated.rollback AS r ON r.number = x.session'
         '  WHERE x.session > %3$s), ',
         migrated.each_key('x.t{n}', cardinality(p.keys)), p.log, of_number) ELSE '' END
    || format('own AS ('
         ' SELECT l.*, CASE WHEN l.kind NOT IN (''deleted'', ''remapped'') THEN l.xmin END AS version, i.before, i.after, i.mapping,'
         '        i.change IS NOT NULL AS imaged'
         '   FROM %1$s AS l LEFT JOIN migrated.before_image AS i ON i.change = l.change AND i.session = %2$s AND i.entity = %3$L'
         '  WHERE l.session = %2$s%4$s), ',
         p.log, of_number, p.entity,
         CASE WHEN later THEN format(' AND NOT EXISTS (SELECT FROM since AS b WHERE b.of_number = %s AND b.kind <> ''unlinked'''
                                     ' AND b.change > l.change AND %s)',
                                     of_number, migrated.each_key('b.t{n} = l.t{n}', cardinality(p.keys), ' AND ')) ELSE '' END)
    || CASE WHEN only_inserts THEN format(
         'net AS (SELECT %1$s, %2$s, change AS last, version, true AS stands, false AS existed, false AS filled, NULL::jsonb AS whole,'
         ' ''{}''::jsonb AS before, ''{}''::jsonb AS after, mapping, false AS imageless FROM own) ', ks, ts)
       ELSE format(
         'net AS (SELECT %1$s, %2$s, max(change) AS last, (array_agg(version ORDER BY change DESC) FILTER (WHERE kind <> ''remapped''))[1] AS version,'
         ' (array_agg(version ORDER BY change DESC) FILTER (WHERE kind <> ''remapped''))[1] IS NOT NULL AS stands,'
         ' coalesce((array_agg(kind ORDER BY change) FILTER (WHERE kind <> ''remapped''))[1] <> ''inserted'', false) AS existed,'
         ' bool_or(kind = ''filled'') AS filled,'
         ' (array_agg(before ORDER BY change DESC) FILTER (WHERE kind = ''deleted''))[1] AS whole,'
         ' coalesce(migrated.merged(before ORDER BY change DESC) FILTER (WHERE kind <> ''deleted'' AND before IS NOT NULL), ''{}'') AS before,'
         ' coalesce(migrated.merged(after ORDER BY change) FILTER (WHERE after IS NOT NULL), ''{}'') AS after,'
         ' bool_or(kind NOT IN (''inserted'', ''remapped'') AND NOT imaged) AS imageless'
         ' FROM own GROUP BY %2$s), '
         'maps AS (SELECT DISTINCT ON (%3$s) %3$s, mapping FROM own ORDER BY %3$s, change) ',
         migrated.each_key('(array_agg(k{n} ORDER BY change DESC))[1] AS k{n}', p.key_count), ts, ks) END
    || 'SELECT row_number() OVER (ORDER BY n.last DESC) AS place, '
    || migrated.each_key('n.k{n}', p.key_count) || ', ' || migrated.each_key('n.t{n}', cardinality(p.keys))
    || ', n.last, '
    || CASE WHEN later THEN 'CASE WHEN a.change IS NULL THEN n.version ELSE a.version END' ELSE 'n.version' END || ' AS version, '
    -- A rollback that was cancelled may have restored a row without its links.
    || 'CASE WHEN NOT n.existed THEN CASE WHEN n.stands THEN ''remove'' ELSE ''none'' END'
    || CASE WHEN later THEN ' WHEN NOT n.stands AND a.version IS NOT NULL AND a.of_number = ' || of_number || ' THEN ''amend''' ELSE '' END
    || ' WHEN n.stands THEN ''amend'' ELSE ''restore'' END AS deed, '
    || 'n.filled, n.whole, CASE WHEN n.existed AND n.stands THEN coalesce(n.whole, ''{}'') || n.before ELSE n.before END AS before, '
    || 'n.after, ' || CASE WHEN only_inserts THEN 'n' ELSE 'x' END || '.mapping, n.existed AND n.imageless AS imageless, false AS restored, NULL::text[] AS kept, '
    || CASE WHEN later THEN 'c.session' ELSE 'NULL::integer' END || ' AS since FROM net AS n'
    || CASE WHEN only_inserts THEN '' ELSE format(' LEFT JOIN maps AS x ON %s', migrated.each_key('x.k{n} = n.k{n}', p.key_count, ' AND ')) END
    || CASE WHEN later THEN format(
         ' LEFT JOIN (SELECT DISTINCT ON (%1$s) b.* FROM since AS b WHERE b.kind <> ''remapped'' ORDER BY %1$s, b.change DESC) AS a ON %2$s AND a.change > n.last'
         ' LEFT JOIN (SELECT %1$s, max(b.session) AS session, max(b.change) AS change FROM since AS b'
         '  WHERE b.of_number IS NULL'
         '    AND NOT EXISTS (SELECT FROM since AS o WHERE o.of_number = b.session AND o.kind <> ''unlinked'' AND o.change > b.change AND %3$s)'
         '  GROUP BY %1$s) AS c ON %4$s AND c.change > n.last',
         migrated.each_key('b.t{n}', cardinality(p.keys)), migrated.each_key('a.t{n} = n.t{n}', cardinality(p.keys), ' AND '),
         migrated.each_key('o.t{n} = b.t{n}', cardinality(p.keys), ' AND '),
         migrated.each_key('c.t{n} = n.t{n}', cardinality(p.keys), ' AND ')) ELSE '' END
    || ' ORDER BY n.last DESC';
  GET DIAGNOSTICS collected = ROW_COUNT;
  EXECUTE format('ALTER TABLE %s ADD PRIMARY KEY (place)', p.work);
  EXECUTE format('COMMENT ON TABLE %s IS %L', p.work, 'What a rollback under way has to undo of ' || p.entity || '; row values');
  EXECUTE format('ANALYZE %s', p.work);
  RETURN collected;
END
$$;
COMMENT ON FUNCTION migrated.undo_collect IS 'Collects what a session did to the rows of an entity';

-- The columns that are to be set, and references that are to let go before anything is removed: those that may be NULL and lead to rows
-- that are not removed later than theirs.
CREATE FUNCTION migrated.undo_columns(p migrated.rollback_parts, of_session uuid) RETURNS migrated.rollback_parts
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  names text[];
BEGIN
  EXECUTE format('SELECT array_agg(DISTINCT key) FROM %s AS u CROSS JOIN LATERAL (SELECT key FROM jsonb_each(u.before) '
                 'UNION ALL SELECT key FROM jsonb_each(u.after)) AS k WHERE u.deed <> ''remove''', p.work)
    INTO names;
  SELECT array_agg(c.name ORDER BY c.place), array_agg(c.type ORDER BY c.place)
    INTO p.columns, p.types
    FROM ROWS FROM (unnest(p.all_columns), unnest(p.all_types)) WITH ORDINALITY AS c (name, type, place)
   WHERE c.name = ANY (names);
  SELECT array_agg(DISTINCT a.attname::text)
    INTO p.soft
    FROM pg_constraint AS c
    JOIN pg_attribute AS a
      ON a.attrelid = c.conrelid
     AND c.conkey = ARRAY[a.attnum]
     AND NOT a.attnotnull
   WHERE c.conrelid = p.target::regclass
     AND c.contype = 'f'
     AND EXISTS (SELECT
                   FROM migrated.session_entity AS o
                   JOIN migrated.entity AS e
                     ON e.entity = o.entity
                    AND to_regclass(e.written ->> 'table') = c.confrelid
                   JOIN migrated.session_entity AS own
                     ON own.session = o.session
                    AND own.entity = p.entity
                  WHERE o.session = of_session
                    AND o.level >= own.level);
  RETURN p;
END
$$;
COMMENT ON FUNCTION migrated.undo_columns IS 'Says which columns a rollback sets';

-- The rows that a statement is about ($1, by where they stand in migrated.undo_ENTITY), and why one is to be left as it is. Where
-- children are yet to be undone, it does not matter that their tables (`beside`) refer to a row that is to be removed.
CREATE FUNCTION migrated.undo_found(p migrated.rollback_parts, of_number integer, force boolean, beside regclass[] DEFAULT '{}') RETURNS text
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  yields text := migrated.yielding(p, beside);
BEGIN
  RETURN format(
    'found AS MATERIALIZED ('
    'SELECT s.*, CASE'
    ' WHEN s.imageless THEN ''no image'''
    ' WHEN s.since IS NOT NULL AND NOT %5$L THEN ''changed'''
    ' WHEN s.deed = ''amend'' AND NOT s.present THEN ''deleted'''
    ' WHEN s.deed = ''remove'' AND s.present AND s.moved AND NOT %5$L THEN ''edited'''
    ' WHEN s.deed = ''amend'' AND s.moved AND pg_catalog.cardinality(s.edited) > 0 AND NOT %5$L THEN ''edited'''
    ' WHEN s.deed = ''remove'' AND s.referenced IS NOT NULL THEN ''referenced'''
    ' WHEN s.deed = ''remove'' AND s.shared THEN ''shared'' END AS reason'
    ' FROM (SELECT u.ctid AS row_id, u.place, u.deed, u.before, u.after, u.mapping, u.imageless, u.since, u.restored, u.filled, %1$s, %2$s,'
    ' t.ctid AS stands_at, t.tableoid AS stands_in, t.xmin AS standing, t.xmin IS NOT NULL AS present,'
    ' t.xmin IS NOT NULL AND t.xmin IS DISTINCT FROM u.version AS moved, v.values,'
    ' CASE WHEN u.deed = ''amend'' AND t.xmin IS NOT NULL AND t.xmin IS DISTINCT FROM u.version THEN'
    ' ARRAY(SELECT a.key FROM pg_catalog.jsonb_each_text(u.after) AS a WHERE (v.values ->> a.key) IS DISTINCT FROM a.value ORDER BY a.key) END AS edited,'
    ' %6$s AS referenced, %7$s AS shared'
    ' FROM %3$s AS u LEFT JOIN %4$s AS t ON %8$s'
    ' CROSS JOIN LATERAL (SELECT CASE WHEN u.deed = ''amend'' THEN %9$s END AS values) AS v'
    ' WHERE u.ctid = ANY ($1)) AS s)',
    migrated.each_key('u.k{n}', p.key_count), migrated.each_key('u.t{n}', cardinality(p.keys)), p.work, p.target, force,
    CASE WHEN yields = '' THEN 'NULL::text' ELSE 'CASE WHEN u.deed <> ''remove'' THEN NULL ' || yields || ' END' END,
    -- Who has no index on that side has a legacy key in the target, so that a row is of one source row alone.
    CASE WHEN to_regclass(format('migrated.%I', 'id_map_' || p.entity || '_target')) IS NULL
         THEN 'false'
         ELSE format('EXISTS (SELECT FROM %s AS o WHERE %s AND o.gone IS NULL AND o.session IS DISTINCT FROM %s AND NOT (%s))', p.id_map,
                     migrated.each_key('o.t{n} = u.t{n}', cardinality(p.keys), ' AND '), of_number,
                     migrated.each_key('o.k{n} = u.k{n}', p.key_count, ' AND ')) END,
    migrated.each_of('t.{name} = u.t{n}', p.keys, ' AND '), migrated.values_of('t', p.columns));
END
$$;
COMMENT ON FUNCTION migrated.undo_found IS 'SQL: what a rollback finds of the rows it is to undo';
