-- How a rollback is planned, what its batches do, and how it ends; see 0019_rollback.sql.

-- --- planning ---------------------------------------------------------------------------------------------------------------------

-- Cuts what is to be done of one kind into batches of `size` rows.
CREATE FUNCTION migrated.undo_cut(rollback uuid, p migrated.rollback_parts, kind text, which text, size bigint) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  EXECUTE format(
    'INSERT INTO migrated.batch (session, entity, number, kind, low, high) '
    'SELECT $1, $2, h.highest + row_number() OVER (ORDER BY min(c.place))::integer, $3, ARRAY[min(c.place)::text], ARRAY[max(c.place)::text] '
    '  FROM (SELECT u.place, (row_number() OVER (ORDER BY u.place) - 1) / $4 AS slice FROM %s AS u WHERE %s) AS c '
    ' CROSS JOIN (SELECT coalesce(max(b.number), 0) AS highest FROM migrated.batch AS b WHERE b.session = $1 AND b.entity = $2) AS h '
    ' GROUP BY h.highest, c.slice', p.work, which)
    USING rollback, p.entity, kind, size;
END
$$;
COMMENT ON FUNCTION migrated.undo_cut IS 'Plans batches of a rollback';

-- Plans the batches of one entity, once. Nothing of the target is touched.
CREATE FUNCTION migrated.undo_plan(rollback uuid, entity text, size bigint, OUT total bigint, OUT imageless bigint, OUT alone boolean)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
  r migrated.rollback;
  p migrated.rollback_parts;
  rows bigint;
  lacking bigint;
BEGIN
  SELECT x.* INTO r FROM migrated.rollback AS x WHERE x.rollback = undo_plan.rollback;
  PERFORM FROM migrated.session_entity AS e WHERE e.session = undo_plan.rollback AND e.entity = undo_plan.entity FOR UPDATE;
  IF NOT EXISTS (SELECT FROM migrated.rollback_entity AS e WHERE e.rollback = undo_plan.rollback AND e.entity = undo_plan.entity) THEN
    PERFORM set_config('work_mem', '64MB', true);
    p := migrated.undo_parts_of(undo_plan.entity);
    rows := migrated.undo_collect(p, r.of_number);
    p := migrated.undo_columns(p, r.of_session);
    EXECUTE format('SELECT count(*) FROM %s AS u WHERE u.imageless', p.work) INTO lacking;
    EXECUTE format('CREATE INDEX ON %s (%s) WHERE deed = ''restore''', p.work, migrated.each_key('t{n}', cardinality(p.keys)));
    PERFORM migrated.undo_cut(undo_plan.rollback, p, 'restore', 'u.deed = ''restore''', size);
    IF p.soft IS NOT NULL THEN
      PERFORM migrated.undo_cut(undo_plan.rollback, p, 'loosen', 'true', size);
    END IF;
    PERFORM migrated.undo_cut(undo_plan.rollback, p, 'undo', 'true', size);
    INSERT INTO migrated.rollback_entity (rollback, entity, parts, imageless)
    VALUES (undo_plan.rollback, undo_plan.entity, p, lacking);
    UPDATE migrated.session_entity AS e
       SET total = rows,
           counted = true
     WHERE e.session = undo_plan.rollback
       AND e.entity = undo_plan.entity;
  END IF;
  SELECT s.total, e.imageless, (e.parts).alone
    INTO undo_plan.total, undo_plan.imageless, undo_plan.alone
    FROM migrated.rollback_entity AS e
    JOIN migrated.session_entity AS s
      ON s.session = e.rollback
     AND s.entity = e.entity
   WHERE e.rollback = undo_plan.rollback
     AND e.entity = undo_plan.entity;
END
$$;
COMMENT ON FUNCTION migrated.undo_plan IS 'Plans what is to be undone of one entity';

-- Plans, once, that what was refused is tried again.
CREATE FUNCTION migrated.undo_retry(rollback uuid, entity text, size bigint) RETURNS SETOF migrated.batch
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
  p migrated.rollback_parts := migrated.undo_parts_of(undo_retry.entity);
BEGIN
  PERFORM FROM migrated.session_entity AS e WHERE e.session = undo_retry.rollback AND e.entity = undo_retry.entity FOR UPDATE;
  IF to_regclass(p.work) IS NULL THEN
    RETURN; -- it is finished
  END IF;
  IF NOT EXISTS (SELECT FROM migrated.batch AS b
                  WHERE b.session = undo_retry.rollback AND b.entity = undo_retry.entity AND b.kind = 'retry') THEN
    PERFORM migrated.undo_cut(undo_retry.rollback, p, 'retry', format(
      'u.place IN (SELECT l.place FROM migrated.rollback_left AS l WHERE l.rollback = %L AND l.entity = %L AND l.reason IN (''refused'', ''referenced''))',
      undo_retry.rollback, undo_retry.entity), undo_retry.size);
  END IF;
  RETURN QUERY
  SELECT b.*
    FROM migrated.batch AS b
   WHERE b.session = undo_retry.rollback
     AND b.entity = undo_retry.entity
     AND b.kind = 'retry'
     AND NOT b.done
   ORDER BY b.number;
END
$$;
COMMENT ON FUNCTION migrated.undo_retry IS 'Plans what was refused to be tried again';

-- --- the statements of a batch -------------------------------------------------------------------------------------------------------

-- $1 are the rows, by where they stand in migrated.undo_ENTITY. In all of them `found` is what there is, `left` what is left as it is,
-- and `done` what is not.
CREATE FUNCTION migrated.undo_left(p migrated.rollback_parts, rollback uuid) RETURNS text
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
  SELECT format('"left" AS (INSERT INTO migrated.rollback_left (rollback, entity, place, legacy_key, target_key, reason, since, columns, constraint_name) '
                'SELECT %L, %L, f.place, ARRAY[%s]::text[], ARRAY[%s]::text[], f.reason, f.since, f.edited, f.referenced FROM found AS f '
                'WHERE f.reason IS NOT NULL RETURNING 1)',
                rollback, p.entity, migrated.each_key('f.k{n}::text', p.key_count), migrated.each_key('f.t{n}::text', cardinality(p.keys)))
$$;
COMMENT ON FUNCTION migrated.undo_left IS 'SQL: keeps which rows a rollback leaves as they are';

-- What the id map had of a row before, or that it had none. Only where it leads to this row: what another row is known by now is its own.
CREATE FUNCTION migrated.undo_mapping(p migrated.rollback_parts, of_number integer) RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
  SELECT format('remapped AS (UPDATE %1$s AS m SET (%2$s) = (SELECT %3$s FROM pg_catalog.jsonb_populate_record(NULL::%1$s, d.mapping) AS x) '
                'FROM done AS d WHERE %4$s AND %5$s AND pg_catalog.jsonb_typeof(d.mapping) = ''object''), '
                'unmapped AS (DELETE FROM %1$s AS m USING done AS d WHERE %4$s AND %5$s AND m.session = %6$s '
                'AND pg_catalog.jsonb_typeof(d.mapping) IS DISTINCT FROM ''object'' RETURNING 1), '
                'known AS (UPDATE migrated.known_id_map AS k SET rows = k.rows - (SELECT pg_catalog.count(*) FROM unmapped) '
                'WHERE k.entity = %7$L AND EXISTS (SELECT FROM unmapped))',
                p.id_map, string_agg(format('%I', a.attname), ', ' ORDER BY a.attnum),
                string_agg(format('x.%I', a.attname), ', ' ORDER BY a.attnum),
                migrated.each_key('m.k{n} = d.k{n}', p.key_count, ' AND '),
                migrated.each_key('m.t{n} = d.t{n}', cardinality(p.keys), ' AND '), of_number, p.entity)
    FROM pg_attribute AS a
   WHERE a.attrelid = p.id_map::regclass
     AND a.attnum > 0
     AND NOT a.attisdropped
     AND a.attname !~ '^k[0-9]+$'
$$;
COMMENT ON FUNCTION migrated.undo_mapping IS 'SQL: puts back what the id map had';

-- Rows that were to be written (CTE `wanted`) and were not: refused when somebody has changed them between their being read and written;
-- else a trigger keeps them as they are. They are looked for only when some are missing.
CREATE FUNCTION migrated.undo_missed(p migrated.rollback_parts, rollback uuid, written text) RETURNS text
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
  SELECT format('missed AS MATERIALIZED (SELECT f.* FROM wanted AS f WHERE (SELECT pg_catalog.count(*) FROM wanted) > (SELECT pg_catalog.count(*) FROM (%6$s) AS w) '
                'AND f.row_id <> ALL (ARRAY(SELECT w.row_id FROM (%6$s) AS w))), '
                'stayed AS (INSERT INTO migrated.rollback_left (rollback, entity, place, legacy_key, target_key, reason) '
                'SELECT %1$L, %2$L, f.place, ARRAY[%3$s]::text[], ARRAY[%4$s]::text[], ''refused'' FROM missed AS f '
                'WHERE (SELECT migrated.refuse_overtaken(%5$L, pg_catalog.array_agg(x.stands_at), pg_catalog.array_agg(x.stands_in), '
                'pg_catalog.array_agg(x.standing)) FROM missed AS x) = 0 RETURNING 1)',
                rollback, p.entity, migrated.each_key('f.k{n}::text', p.key_count), migrated.each_key('f.t{n}::text', cardinality(p.keys)),
                p.target, written)
$$;
COMMENT ON FUNCTION migrated.undo_missed IS 'SQL: what is made of rows that were to be written and were not';

CREATE FUNCTION migrated.undo_restoring(p migrated.rollback_parts, r migrated.rollback, batch integer) RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
  SELECT 'WITH ' || migrated.undo_found(p, r.of_number, r.force) || ', ' || migrated.undo_left(p, r.rollback) || ', ' || format(
    'restored AS (INSERT INTO %1$s AS t (%2$s) OVERRIDING SYSTEM VALUE SELECT %3$s FROM found AS f JOIN %4$s AS u ON u.ctid = f.row_id '
    'WHERE f.reason IS NULL ORDER BY f.place RETURNING %5$s, t.xmin AS written, %6$s AS now), '
    'done AS MATERIALIZED (SELECT u.*, u.ctid AS row_id, n.written, n.now FROM restored AS n JOIN %4$s AS u ON %7$s AND u.deed = ''restore''), '
    'logged AS (INSERT INTO %8$s (session, batch, kind, %9$s, %10$s) '
    'SELECT %11$s, %12$s, CASE WHEN d.before = ''{}'' THEN ''inserted'' ELSE ''unlinked'' END, %13$s, %14$s '
    'FROM done AS d ORDER BY d.place), ',
    p.target, migrated.each_of('{name}', p.all_columns),
    (SELECT string_agg(format('(u.whole ->> %L)::%s', c.name, c.type), ', ' ORDER BY c.place)
       FROM ROWS FROM (unnest(p.all_columns), unnest(p.all_types)) WITH ORDINALITY AS c (name, type, place)),
    p.work, migrated.each_of('t.{name} AS t{n}', p.keys), migrated.values_of('t', p.all_columns),
    migrated.each_key('u.t{n} = n.t{n}', cardinality(p.keys), ' AND '), p.log, migrated.each_key('k{n}', p.key_count),
    migrated.each_key('t{n}', cardinality(p.keys)), r.number, batch, migrated.each_key('d.k{n}', p.key_count),
    migrated.each_key('d.t{n}', cardinality(p.keys))) || migrated.undo_mapping(p, r.of_number) || format(', '
    'noted AS (UPDATE %1$s AS u SET deed = ''amend'', restored = true, version = d.written, kept = nullif(ARRAY('
    'SELECT w.key FROM pg_catalog.jsonb_each_text(u.whole) AS w WHERE (d.now ->> w.key) IS DISTINCT FROM w.value ORDER BY w.key), ''{}'') '
    'FROM done AS d WHERE u.ctid = d.row_id) '
    'UPDATE migrated.batch AS b SET inserted = b.inserted + (SELECT pg_catalog.count(*) FROM done), '
    'failed = b.failed + (SELECT pg_catalog.count(*) FROM "left") WHERE b.session = %2$L AND b.entity = %3$L AND b.number = %4$s',
    p.work, r.rollback, p.entity, batch)
$$;
COMMENT ON FUNCTION migrated.undo_restoring IS 'SQL: restores rows that were deleted';

CREATE FUNCTION migrated.undo_loosening(p migrated.rollback_parts, r migrated.rollback, batch integer) RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
  SELECT 'WITH ' || migrated.undo_found(p, r.of_number, r.force, ARRAY(
           SELECT to_regclass((e.parts).target) FROM migrated.rollback_entity AS e WHERE e.rollback = r.rollback)) || ', ' || migrated.undo_left(p, r.rollback) || ', ' || format(
    'wanted AS MATERIALIZED (SELECT f.* FROM found AS f WHERE f.reason IS NULL AND f.present AND f.deed = ''amend'' AND f.before ?| %4$L::text[]), '
    'loosened AS (UPDATE %1$s AS t SET %2$s FROM found AS f WHERE %3$s AND f.reason IS NULL AND t.xmin = f.standing '
    'AND CASE f.deed WHEN ''remove'' THEN %5$s WHEN ''amend'' THEN f.before ?| %4$L::text[] ELSE false END '
    'RETURNING f.row_id, f.deed, %6$s, %7$s, t.xmin AS version), '
    'logged AS (INSERT INTO %8$s (session, batch, kind, %9$s, %10$s) '
    'SELECT %11$s, %12$s, ''unlinked'', %13$s, %14$s FROM loosened AS d), '
    'noted AS (UPDATE %15$s AS u SET version = d.version, before = u.before - %4$L::text[], after = u.after - %4$L::text[] '
    'FROM loosened AS d WHERE u.ctid = d.row_id), %16$s '
    'UPDATE migrated.batch AS b SET failed = b.failed + (SELECT pg_catalog.count(*) FROM "left") + (SELECT pg_catalog.count(*) FROM stayed) '
    'WHERE b.session = %17$L AND b.entity = %18$L AND b.number = %12$s',
    p.target,
    (SELECT string_agg(format('%1$I = CASE WHEN f.deed = ''remove'' THEN NULL WHEN f.before ? %1$L THEN (f.before ->> %1$L)::%2$s ELSE t.%1$I END',
                              c.name, c.type), ', ')
       FROM ROWS FROM (unnest(p.all_columns), unnest(p.all_types)) AS c (name, type) WHERE c.name = ANY (p.soft)),
    migrated.each_of('t.{name} = f.t{n}', p.keys, ' AND '), p.soft,
    '(' || migrated.each_of('t.{name} IS NOT NULL', p.soft, ' OR ') || ')',
    migrated.each_key('f.k{n}', p.key_count), migrated.each_key('f.t{n}', cardinality(p.keys)),
    p.log, migrated.each_key('k{n}', p.key_count), migrated.each_key('t{n}', cardinality(p.keys)), r.number, batch,
    migrated.each_key('d.k{n}', p.key_count), migrated.each_key('d.t{n}', cardinality(p.keys)), p.work,
    migrated.undo_missed(p, r.rollback, 'SELECT l.row_id FROM loosened AS l WHERE l.deed = ''amend'''), r.rollback, p.entity)
$$;
COMMENT ON FUNCTION migrated.undo_loosening IS 'SQL: has references let go, or point again to what is there again';

CREATE FUNCTION migrated.undo_undoing(p migrated.rollback_parts, r migrated.rollback, batch integer) RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
  -- What is done is handed on by what does it, not looked up again: nobody knows how many rows that will be.
  SELECT 'WITH ' || migrated.undo_found(p, r.of_number, r.force) || ', ' || migrated.undo_left(p, r.rollback) || ', ' || format(
    'wanted AS MATERIALIZED (SELECT f.* FROM found AS f WHERE f.reason IS NULL AND f.present AND (f.deed = ''remove'' OR f.deed = ''amend'' AND f.before <> ''{}'')), '
    'removed AS (DELETE FROM %1$s AS t USING wanted AS f WHERE %2$s AND f.deed = ''remove'' AND t.xmin = f.standing '
    'RETURNING %3$s, %4$s, CASE WHEN f.moved THEN %5$s END AS whole), ',
    p.target, migrated.each_of('t.{name} = f.t{n}', p.keys, ' AND '), c.handed, migrated.each_key('f.t{n} AS n{n}', cardinality(p.keys)),
    migrated.values_of('t', p.all_columns))
    || CASE WHEN p.columns IS NULL THEN format(
    'amended AS (SELECT %s, %s, NULL::jsonb AS now FROM found AS f WHERE FALSE), ', c.handed, migrated.each_key('f.t{n} AS n{n}', cardinality(p.keys)))
    ELSE format(
    'amended AS (UPDATE %1$s AS t SET %2$s FROM wanted AS f WHERE %3$s AND f.deed = ''amend'' '
    'AND t.xmin = f.standing RETURNING %4$s, %5$s, %6$s AS now), ',
    p.target,
    (SELECT string_agg(format('%1$I = CASE WHEN f.before ? %1$L THEN (f.before ->> %1$L)::%2$s ELSE t.%1$I END', x.name, x.type), ', ')
       FROM ROWS FROM (unnest(p.columns), unnest(p.types)) AS x (name, type)),
    migrated.each_of('t.{name} = f.t{n}', p.keys, ' AND '), c.handed, migrated.each_of('t.{name} AS n{n}', p.keys),
    migrated.values_of('t', p.columns)) END
    || format(
    'done AS MATERIALIZED ('
    'SELECT pg_catalog.nextval(''migrated.change_number'') AS change, x.*, NULL::jsonb AS now, ''deleted'' AS kind FROM (SELECT x.* FROM removed AS x ORDER BY x.place) AS x '
    'UNION ALL SELECT pg_catalog.nextval(''migrated.change_number''), %1$s, NULL, x.now, ''updated'' FROM (SELECT x.* FROM amended AS x ORDER BY x.place) AS x '
    'UNION ALL SELECT pg_catalog.nextval(''migrated.change_number''), %2$s, %3$s, NULL, NULL, ''remapped'' FROM found AS f '
    'WHERE f.reason IS NULL AND (f.deed = ''none'' OR f.deed = ''remove'' AND NOT f.present OR f.deed = ''amend'' AND f.before = ''{}'')), '
    'logged AS (INSERT INTO %4$s (change, session, batch, kind, %5$s, %6$s) SELECT d.change, %7$s, %8$s, d.kind, %9$s, %10$s FROM done AS d '
    'WHERE d.kind <> ''remapped'' OR NOT d.restored), '
    'imaged AS (INSERT INTO migrated.before_image (change, session, entity, before, after, mapping) '
    'SELECT d.change, %7$s, %11$L, coalesce(d.whole, (SELECT pg_catalog.jsonb_object_agg(v.key, v.value) FROM pg_catalog.jsonb_each(d.values) AS v '
    'WHERE d.before ? v.key)), CASE WHEN d.kind = ''updated'' THEN d.before END, NULL FROM done AS d '
    'WHERE d.whole IS NOT NULL OR d.kind = ''updated''), ',
    (SELECT string_agg('x.' || n, ', ') FROM regexp_split_to_table(c.names, ', ') AS n) || ', '
    || migrated.each_key('x.n{n}', cardinality(p.keys)), c.handed, migrated.each_key('f.t{n}', cardinality(p.keys)), p.log, migrated.each_key('k{n}', p.key_count),
    migrated.each_key('t{n}', cardinality(p.keys)), r.number, batch, migrated.each_key('d.k{n}', p.key_count),
    migrated.each_key('d.n{n}', cardinality(p.keys)), p.entity)
    || migrated.undo_mapping(p, r.of_number) || format(', '
    'noted AS (UPDATE %1$s AS u SET kept = ARRAY(SELECT w.key FROM pg_catalog.jsonb_each_text(d.before) AS w '
    'WHERE (d.now ->> w.key) IS DISTINCT FROM w.value ORDER BY w.key) FROM done AS d WHERE u.ctid = d.row_id AND d.kind = ''updated'' '
    'AND EXISTS (SELECT FROM pg_catalog.jsonb_each_text(d.before) AS w WHERE (d.now ->> w.key) IS DISTINCT FROM w.value)), %2$s '
    'UPDATE migrated.batch AS b SET deleted = b.deleted + (SELECT pg_catalog.count(*) FROM removed), '
    'updated = b.updated + (SELECT pg_catalog.count(*) FROM done AS d WHERE d.deed = ''amend'' AND NOT d.restored), '
    'unchanged = b.unchanged + (SELECT pg_catalog.count(*) FROM done AS d WHERE d.kind = ''remapped'' AND d.deed <> ''amend''), '
    'failed = b.failed + (SELECT pg_catalog.count(*) FROM "left") + (SELECT pg_catalog.count(*) FROM stayed) '
    'WHERE b.session = %3$L AND b.entity = %4$L AND b.number = %5$s',
    p.work, migrated.undo_missed(p, r.rollback, 'SELECT x.row_id FROM removed AS x UNION ALL SELECT x.row_id FROM amended AS x'),
    r.rollback, p.entity, batch)
  FROM (SELECT c.names, (SELECT string_agg('f.' || n, ', ') FROM regexp_split_to_table(c.names, ', ') AS n) AS handed
          FROM (SELECT 'row_id, place, deed, before, mapping, restored, values, ' || migrated.each_key('k{n}', p.key_count) || ', '
                       || migrated.each_key('t{n}', cardinality(p.keys)) AS names) AS c) AS c
$$;
COMMENT ON FUNCTION migrated.undo_undoing IS 'SQL: removes rows that were inserted, and puts back what others had';

-- --- a batch ----------------------------------------------------------------------------------------------------------------------

-- What triggers have set to something else than it was, is set once more without them, where our role may. Columns of foreign keys are
-- not, as nothing would check them then.
CREATE FUNCTION migrated.undo_without_triggers(p migrated.rollback_parts, r migrated.rollback, batch integer, places bigint[]) RETURNS void
LANGUAGE plpgsql
AS $$
DECLARE
  columns text[];
  remaining jsonb;
BEGIN
  EXECUTE pg_catalog.format('SELECT pg_catalog.array_agg(DISTINCT k) FROM %s AS u CROSS JOIN LATERAL pg_catalog.unnest(u.kept) AS k '
                            'WHERE u.place = ANY ($1)', p.work)
    INTO columns
   USING places;
  IF columns IS NULL THEN
    RETURN;
  END IF;
  BEGIN
    PERFORM pg_catalog.set_config('session_replication_role', 'replica', true);
    EXECUTE (
      SELECT pg_catalog.format(
               'WITH again AS (UPDATE %1$s AS t SET %2$s FROM %3$s AS u WHERE %4$s AND u.place = ANY ($1) AND u.kept IS NOT NULL '
               'RETURNING u.ctid AS row_id, %5$s, t.xmin AS version), '
               'noted AS (UPDATE %3$s AS u SET kept = NULL, version = a.version FROM again AS a WHERE u.ctid = a.row_id) '
               'INSERT INTO %6$s (session, batch, kind, %7$s, %8$s) SELECT %9$s, %10$s, ''updated'', %7$s, %8$s FROM again AS a',
               p.target,
               (SELECT pg_catalog.string_agg(pg_catalog.format('%1$I = CASE WHEN %1$L = ANY (u.kept) THEN (CASE WHEN u.restored AND NOT u.before ? %1$L '
                                                              'THEN u.whole ELSE u.before END ->> %1$L)::%2$s ELSE t.%1$I END', c.name, c.type), ', ')
                  FROM ROWS FROM (pg_catalog.unnest(p.all_columns), pg_catalog.unnest(p.all_types)) AS c (name, type)
                 WHERE c.name = ANY (columns)
                   AND NOT EXISTS (SELECT
                                     FROM pg_catalog.pg_constraint AS f
                                     JOIN pg_catalog.pg_attribute AS a
                                       ON a.attrelid = f.conrelid
                                      AND a.attnum = ANY (f.conkey)
                                    WHERE f.conrelid = p.target::regclass
                                      AND f.contype = 'f'
                                      AND a.attname = c.name)),
               p.work, migrated.each_of('t.{name} = u.t{n}', p.keys, ' AND '),
               migrated.each_key('u.k{n}', p.key_count) || ', ' || migrated.each_key('u.t{n}', pg_catalog.cardinality(p.keys)),
               p.log, migrated.each_key('k{n}', p.key_count), migrated.each_key('t{n}', pg_catalog.cardinality(p.keys)), r.number, batch))
      USING places;
    PERFORM pg_catalog.set_config('session_replication_role', 'origin', true);
  EXCEPTION
    WHEN insufficient_privilege OR null_value_not_allowed THEN
      NULL;
  END;
  EXECUTE pg_catalog.format('SELECT pg_catalog.jsonb_object_agg(x.k, x.n) FROM (SELECT k, pg_catalog.count(*) AS n FROM %s AS u '
                            'CROSS JOIN LATERAL pg_catalog.unnest(u.kept) AS k WHERE u.place = ANY ($1) GROUP BY k) AS x', p.work)
    INTO remaining
   USING places;
  UPDATE migrated.rollback_entity AS e
     SET by_trigger = (SELECT pg_catalog.jsonb_object_agg(x.key, x.rows)
                         FROM (SELECT b.key, pg_catalog.sum(b.value::bigint) AS rows
                                 FROM (SELECT * FROM pg_catalog.jsonb_each_text(e.by_trigger)
                                        UNION ALL
                                       SELECT * FROM pg_catalog.jsonb_each_text(remaining)) AS b
                                GROUP BY b.key) AS x)
   WHERE e.rollback = r.rollback
     AND e.entity = p.entity
     AND remaining IS NOT NULL;
END
$$;
COMMENT ON FUNCTION migrated.undo_without_triggers IS 'Sets once more, without triggers, what triggers have set to something else';

-- One batch of a rollback, which the caller has claimed. No search_path of its own: the target's triggers run within it.
CREATE FUNCTION migrated.undo_batch(rollback uuid, entity text, number integer) RETURNS void
LANGUAGE plpgsql
AS $$
DECLARE
  r migrated.rollback;
  p migrated.rollback_parts;
  b migrated.batch;
  letter text;
  step text;
  rows tid[];
  wanted bigint[];
  places bigint[];
  deeds text;
BEGIN
  SELECT x.* INTO r FROM migrated.rollback AS x WHERE x.rollback = undo_batch.rollback;
  SELECT x.*
    INTO b
    FROM migrated.batch AS x
   WHERE x.session = undo_batch.rollback
     AND x.entity = undo_batch.entity
     AND x.number = undo_batch.number;
  p := (SELECT e.parts FROM migrated.rollback_entity AS e WHERE e.rollback = undo_batch.rollback AND e.entity = undo_batch.entity);
  PERFORM pg_catalog.set_config('migrated.undoing', undo_batch.rollback::text, true);
  letter := pg_catalog.format(
    'WITH refused AS (INSERT INTO migrated.rollback_left AS l (rollback, entity, place, legacy_key, target_key, reason, sqlstate, constraint_name) '
    'SELECT %L, %L, u.place, ARRAY[%s]::text[], ARRAY[%s]::text[], ''refused'', f.sqlstate, f.constraint_name FROM pg_catalog.unnest($1) AS f '
    'JOIN %s AS u ON u.ctid = f.row_id) '
    'UPDATE migrated.batch AS b SET failed = b.failed + pg_catalog.cardinality($1) WHERE b.session = %L AND b.entity = %L AND b.number = %s',
    r.rollback, p.entity, migrated.each_key('u.k{n}::text', p.key_count), migrated.each_key('u.t{n}::text', pg_catalog.cardinality(p.keys)),
    p.work, r.rollback, p.entity, b.number);
  -- What was refused is counted anew.
  IF b.kind = 'retry' THEN
    WITH again AS (
      DELETE FROM migrated.rollback_left AS l
       WHERE l.rollback = r.rollback
         AND l.entity = p.entity
         AND l.place BETWEEN b.low[1]::bigint AND b.high[1]::bigint
         AND l.reason IN ('refused', 'referenced')
      RETURNING l.place
    )
    SELECT pg_catalog.array_agg(a.place) INTO wanted FROM again AS a;
    UPDATE migrated.batch AS x
       SET failed = x.failed - pg_catalog.cardinality(wanted)
     WHERE x.session = r.rollback
       AND x.entity = p.entity
       AND x.number = b.number
       AND wanted IS NOT NULL;
  END IF;
  FOREACH step IN ARRAY CASE b.kind WHEN 'retry' THEN ARRAY['restore', 'undo'] ELSE ARRAY[b.kind] END LOOP
    deeds := CASE WHEN step = 'restore' THEN 'u.deed = ''restore''' ELSE 'u.deed <> ''restore''' END;
    EXECUTE pg_catalog.format(
      'SELECT pg_catalog.array_agg(u.ctid ORDER BY u.place), pg_catalog.array_agg(u.place) FROM %s AS u '
      'WHERE u.place BETWEEN $1 AND $2 AND %s AND ($3 IS NULL OR u.place = ANY ($3)) '
      'AND u.place NOT IN (SELECT l.place FROM migrated.rollback_left AS l WHERE l.rollback = $4 AND l.entity = $5)', p.work, deeds)
      INTO rows, places
     USING b.low[1]::bigint, b.high[1]::bigint, CASE WHEN b.kind = 'retry' THEN coalesce(wanted, '{}') END, r.rollback, p.entity;
    CONTINUE WHEN rows IS NULL;
    PERFORM migrated.apply_isolated(CASE step WHEN 'restore' THEN migrated.undo_restoring(p, r, b.number)
                                              WHEN 'loosen' THEN migrated.undo_loosening(p, r, b.number)
                                              ELSE migrated.undo_undoing(p, r, b.number) END, letter, rows);
    IF step = 'restore' OR step <> 'loosen' AND p.columns IS NOT NULL THEN
      PERFORM migrated.undo_without_triggers(p, r, b.number, places);
    END IF;
  END LOOP;
  UPDATE migrated.rollback_left AS l
     SET tried = true
   WHERE b.kind = 'retry'
     AND l.rollback = r.rollback
     AND l.entity = p.entity
     AND l.place BETWEEN b.low[1]::bigint AND b.high[1]::bigint
     AND l.reason IN ('refused', 'referenced');
END
$$;
COMMENT ON FUNCTION migrated.undo_batch IS 'Does one batch of a rollback';

-- A batch of a rollback is a range of places, which is cut in the middle.
CREATE OR REPLACE FUNCTION migrated.split_batch(session uuid, entity text, number integer, analysis uuid, middle text[])
RETURNS SETOF migrated.batch
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  whole migrated.batch;
  lower_end text[] := middle;
  upper_start text[] := middle;
  highest integer;
BEGIN
  PERFORM
     FROM migrated.session_entity AS e
    WHERE e.session = split_batch.session
      AND e.entity = split_batch.entity
      FOR UPDATE;
  SELECT b.*
    INTO whole
    FROM migrated.batch AS b
   WHERE b.session = split_batch.session
     AND b.entity = split_batch.entity
     AND b.number = split_batch.number
     FOR UPDATE;
  IF whole.done THEN
    RAISE EXCEPTION 'batch is done' USING ERRCODE = 'MG001';
  END IF;
  IF whole.kind IN ('restore', 'loosen', 'undo', 'retry') THEN
    IF whole.low[1]::bigint < whole.high[1]::bigint THEN
      lower_end := ARRAY[((whole.low[1]::bigint + whole.high[1]::bigint) / 2)::text];
      upper_start := ARRAY[((whole.low[1]::bigint + whole.high[1]::bigint) / 2 + 1)::text];
    END IF;
  ELSIF whole.kind <> 'range' THEN
    SELECT ARRAY[(halves.ordinals[cardinality(halves.ordinals) / 2])::text],
           ARRAY[(halves.ordinals[cardinality(halves.ordinals) / 2 + 1])::text]
      INTO lower_end, upper_start
      FROM (SELECT array_agg(c.ordinal ORDER BY c.ordinal) AS ordinals
              FROM migrated.change AS c
             WHERE c.analysis = split_batch.analysis
               AND c.entity = split_batch.entity
               AND c.ordinal BETWEEN whole.low[1]::bigint AND whole.high[1]::bigint
               AND (c.kind = 'deleted') = (whole.kind = 'deletes')) AS halves
     WHERE cardinality(halves.ordinals) > 1;
  END IF;
  IF lower_end IS NULL THEN
    RETURN;
  END IF;
  SELECT max(b.number)
    INTO highest
    FROM migrated.batch AS b
   WHERE b.session = split_batch.session
     AND b.entity = split_batch.entity;
  RETURN QUERY
  UPDATE migrated.batch AS b
     SET high = lower_end
   WHERE b.session = split_batch.session
     AND b.entity = split_batch.entity
     AND b.number = split_batch.number
  RETURNING b.*;
  RETURN QUERY
  INSERT INTO migrated.batch AS b (session, entity, number, kind, low, high, split_from)
  VALUES (split_batch.session, split_batch.entity, highest + 1, whole.kind, upper_start, whole.high, split_batch.number)
  RETURNING b.*;
END
$$;

-- --- an entity's end ------------------------------------------------------------------------------------------------------------------

-- All of an entity is undone, but what was left: what else the session has said of it goes, and the next look at it is a sweep, or reads
-- all when the session had. Hashes that are not those of what stands there are forgotten, so that the sweep finds such rows.
CREATE FUNCTION migrated.undo_finish(rollback uuid, entity text) RETURNS void
LANGUAGE plpgsql
AS $$
DECLARE
  r migrated.rollback;
  p migrated.rollback_parts;
  key text;
  stays text;
  gone bigint;
BEGIN
  SELECT x.* INTO r FROM migrated.rollback AS x WHERE x.rollback = undo_finish.rollback;
  p := (SELECT e.parts FROM migrated.rollback_entity AS e WHERE e.rollback = undo_finish.rollback AND e.entity = undo_finish.entity);
  PERFORM FROM migrated.session_entity AS e WHERE e.session = undo_finish.rollback AND e.entity = undo_finish.entity FOR UPDATE;
  IF p IS NULL OR pg_catalog.to_regclass(p.work) IS NULL THEN
    RETURN; -- done before
  END IF;
  PERFORM pg_catalog.set_config('migrated.undoing', undo_finish.rollback::text, true);
  key := 'ARRAY[' || migrated.each_key('m.k{n}::text', p.key_count) || ']';
  stays := pg_catalog.format('(SELECT l.legacy_key FROM migrated.rollback_left AS l WHERE l.rollback = %L AND l.entity = %L AND l.legacy_key IS NOT NULL)',
                             r.rollback, p.entity);
  -- Rows that the session mapped without writing them; what a later session has done to one stays what it is.
  EXECUTE pg_catalog.format(
    'DELETE FROM %1$s AS m WHERE m.session = %2$s AND NOT EXISTS (SELECT FROM %3$s AS s WHERE s.session > %2$s AND s.session <> %4$s AND %5$s '
    'AND NOT EXISTS (SELECT FROM migrated.rollback AS o WHERE o.number = s.session)) AND %6$s NOT IN %7$s',
    p.id_map, r.of_number, p.log, r.number, migrated.each_key('s.k{n} = m.k{n}', p.key_count, ' AND '), key, stays);
  GET DIAGNOSTICS gone = ROW_COUNT;
  UPDATE migrated.known_id_map AS k
     SET rows = k.rows - gone
   WHERE k.entity = p.entity
     AND gone > 0;
  -- Source rows that were found gone, where there was nothing to do to a row of the target (on_delete ignore, a row that was not there).
  EXECUTE pg_catalog.format(
    'UPDATE %s AS m SET gone = NULL FROM migrated.session AS s WHERE s.session = %L AND m.gone BETWEEN s.created_at '
    'AND coalesce(s.finished_at, pg_catalog.now()) AND %s NOT IN %s', p.id_map, r.of_session, key, stays);
  -- Fills are undone, too: whoever waited for his parent before waits again, once he is read again.
  EXECUTE pg_catalog.format(
    'UPDATE %1$s AS m SET h1 = NULL, h2 = NULL FROM %2$s AS u WHERE %3$s AND u.filled AND u.deed = ''amend'' AND m.h1 IS NOT NULL',
    p.id_map, p.work, migrated.each_key('m.k{n} = u.k{n}', p.key_count, ' AND '));
  EXECUTE pg_catalog.format(
    'UPDATE %1$s AS m SET h1 = NULL, h2 = NULL FROM ('
    'SELECT legacy_key FROM migrated.dead_letter WHERE entity = $2 AND session = $1 AND state = ''open'' AND mapped '
    'UNION SELECT legacy_key FROM migrated.parked WHERE entity = $2 AND session = $1 AND mapped '
    'UNION SELECT legacy_key FROM migrated.deferred WHERE entity = $2 AND session = $1 '
    'UNION SELECT legacy_key FROM migrated.conflict WHERE entity = $2 AND session = $1) AS x '
    'WHERE %2$s AND x.legacy_key NOT IN %3$s',
    p.id_map,
    (SELECT pg_catalog.string_agg(pg_catalog.format('m.%I = x.legacy_key[%s]::%s', a.attname, pg_catalog.substr(a.attname, 2),
                                                    pg_catalog.format_type(a.atttypid, a.atttypmod)), ' AND ')
       FROM pg_catalog.pg_attribute AS a
      WHERE a.attrelid = p.id_map::regclass
        AND a.attname ~ '^k[0-9]+$'
        AND NOT a.attisdropped), stays)
    USING r.of_session, p.entity;
  EXECUTE pg_catalog.format(
    'DELETE FROM migrated.dead_letter WHERE entity = $2 AND session = $1 AND state <> ''discarded'' AND legacy_key NOT IN %s', stays)
    USING r.of_session, p.entity;
  EXECUTE pg_catalog.format('DELETE FROM migrated.parked WHERE entity = $2 AND session = $1 AND legacy_key NOT IN %s', stays)
    USING r.of_session, p.entity;
  EXECUTE pg_catalog.format('DELETE FROM migrated.deferred WHERE entity = $2 AND session = $1 AND legacy_key NOT IN %s', stays)
    USING r.of_session, p.entity;
  EXECUTE pg_catalog.format('DELETE FROM migrated.conflict WHERE entity = $2 AND session = $1 AND legacy_key NOT IN %s', stays)
    USING r.of_session, p.entity;
  EXECUTE pg_catalog.format('DELETE FROM migrated.id_map_history WHERE entity = $2 AND session = $1 AND legacy_key NOT IN %s', stays)
    USING r.of_session, p.entity;
  EXECUTE pg_catalog.format(
    'DELETE FROM migrated.rule_finding AS f WHERE f.entity = $1 AND f.legacy_key NOT IN (SELECT %s FROM %s AS m)', key, p.id_map)
    USING p.entity;
  UPDATE migrated.entity AS e
     SET watermark = NULL,
         last_sweep = NULL,
         observed = pg_catalog.nextval('migrated.observation'),
         fingerprint = CASE WHEN part.whole THEN NULL ELSE e.fingerprint END
    FROM migrated.session_entity AS part
   WHERE e.entity = p.entity
     AND part.entity = p.entity
     AND part.session = r.of_session;
  EXECUTE pg_catalog.format('DROP TABLE %s', p.work);
END
$$;
COMMENT ON FUNCTION migrated.undo_finish IS 'Ends the rollback of an entity';

-- --- what would be undone ---------------------------------------------------------------------------------------------------------------

-- What a rollback would do, by entity: of rows that would be removed, given back what they had, and restored, and of rows that would be
-- left as they are, how many and why. For a transaction that is rolled back.
CREATE FUNCTION migrated.undo_survey(of_session uuid, of_number integer, entities text[], force boolean)
RETURNS TABLE (entity text, deed text, reason text, rows bigint)
LANGUAGE plpgsql
AS $$
#variable_conflict use_column
DECLARE
  name text;
  names text[] := ARRAY(SELECT e.entity
                          FROM migrated.session_entity AS e
                         WHERE e.session = undo_survey.of_session
                           AND (undo_survey.entities IS NULL OR e.entity = ANY (undo_survey.entities))
                         ORDER BY e.level DESC, e.entity);
  p migrated.rollback_parts;
BEGIN
  FOREACH name IN ARRAY names LOOP
    p := migrated.undo_parts_of(name);
    PERFORM migrated.undo_collect(p, undo_survey.of_number);
    EXECUTE pg_catalog.format('CREATE INDEX ON %s (%s)', p.work, migrated.each_key('t{n}', pg_catalog.cardinality(p.keys)));
  END LOOP;
  FOREACH name IN ARRAY names LOOP
    p := migrated.undo_columns(migrated.undo_parts_of(name), undo_survey.of_session);
    p.surveyed := true;
    RETURN QUERY EXECUTE pg_catalog.replace(pg_catalog.replace(
      'WITH ' || migrated.undo_found(p, undo_survey.of_number, undo_survey.force)
        || pg_catalog.format(' SELECT %L::text, f.deed, f.reason, pg_catalog.count(*) FROM found AS f GROUP BY f.deed, f.reason', name),
      'u.ctid = ANY ($1)', 'TRUE'), 'o.ctid = ANY ($1)', 'TRUE');
  END LOOP;
END
$$;
COMMENT ON FUNCTION migrated.undo_survey IS 'What a rollback would do; leaves a table for each entity behind';

-- What was collected holds row values, and goes when the session is over.
CREATE FUNCTION migrated.undo_forget(rollback uuid) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  name text;
BEGIN
  FOR name IN SELECT e.entity FROM migrated.rollback_entity AS e WHERE e.rollback = undo_forget.rollback LOOP
    EXECUTE format('DROP TABLE IF EXISTS migrated.%I', 'undo_' || name);
  END LOOP;
END
$$;
COMMENT ON FUNCTION migrated.undo_forget IS 'Drops what a rollback has collected';
