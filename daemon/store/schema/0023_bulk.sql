-- What bulk mode sets aside of an empty table while its rows come in, and how it is put back. Everything that is dropped stands here, in the
-- transaction that drops it, with the statements that make it again; it is taken from here in the transaction that makes it.

CREATE TABLE migrated.set_aside (
  place        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  entity       text NOT NULL,
  session      uuid NOT NULL,
  fingerprint  text NOT NULL,
  relation     oid NOT NULL,
  table_name   text NOT NULL,
  kind         text NOT NULL CHECK (kind IN ('index', 'foreign key', 'validation', 'statistics')),
  name         text NOT NULL,
  definition   text NOT NULL,
  statements   text[] NOT NULL,
  validation   text,
  mend         text,
  set_aside_at timestamptz NOT NULL DEFAULT pg_catalog.now(),
  problem      text,
  refused_in   uuid
);
COMMENT ON TABLE migrated.set_aside IS 'What bulk mode has taken from target tables, and has yet to put back';
COMMENT ON COLUMN migrated.set_aside.place IS 'Things of one kind are put back in this order';
COMMENT ON COLUMN migrated.set_aside.session IS 'The session that has set it aside';
COMMENT ON COLUMN migrated.set_aside.fingerprint IS 'Of the entity''s mapping then; another may write what a foreign key refuses';
COMMENT ON COLUMN migrated.set_aside.relation IS 'The table, by its oid';
COMMENT ON COLUMN migrated.set_aside.table_name IS 'The table, as an identifier';
COMMENT ON COLUMN migrated.set_aside.kind IS 'index; foreign key; validation: a foreign key that stands, and of which it is not known yet whether all rows keep it; statistics: ANALYZE';
COMMENT ON COLUMN migrated.set_aside.definition IS 'As the server says it';
COMMENT ON COLUMN migrated.set_aside.statements IS 'What makes it again exactly as it was, comment and all';
COMMENT ON COLUMN migrated.set_aside.validation IS 'What validates a foreign key then; NULL: it was not valid before';
COMMENT ON COLUMN migrated.set_aside.mend IS 'What has parents brought again that rows refer to and that are not there';
COMMENT ON COLUMN migrated.set_aside.problem IS 'Why it could not be put back when that was tried last';
COMMENT ON COLUMN migrated.set_aside.refused_in IS 'The session, or life of a daemon, that has found that the rows do not keep it';

-- Everything that can be said of an index or a foreign key without its numbers, so that two of them can be compared. Whole rows of the
-- catalogs are taken, so that nothing is left out that a newer server knows of.
CREATE FUNCTION migrated.appearance(catalog regclass, object oid) RETURNS jsonb
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
SELECT jsonb_build_object(
         'class', (SELECT to_jsonb(c) - '{oid,relfilenode,relpages,reltuples,relallvisible,relallfrozen,relfrozenxid,relminmxid}'::text[]
                     FROM pg_class AS c WHERE catalog = 'pg_class'::regclass AND c.oid = object),
         'index', (SELECT to_jsonb(i) - '{indexrelid,indcheckxmin}'::text[]
                     FROM pg_index AS i WHERE catalog = 'pg_class'::regclass AND i.indexrelid = object),
         'columns', (SELECT jsonb_agg(to_jsonb(a) - '{attrelid,attcacheoff}'::text[] ORDER BY a.attnum)
                       FROM pg_attribute AS a WHERE catalog = 'pg_class'::regclass AND a.attrelid = object),
         'constraint', (SELECT to_jsonb(k) - '{oid}'::text[]
                          FROM pg_constraint AS k WHERE catalog = 'pg_constraint'::regclass AND k.oid = object),
         'triggers', (SELECT jsonb_agg(to_jsonb(t) - '{oid,tgname,tgconstraint}'::text[] ORDER BY t.tgrelid, t.tgfoid, t.tgtype)
                        FROM pg_trigger AS t WHERE catalog = 'pg_constraint'::regclass AND t.tgconstraint = object),
         'definition', CASE WHEN catalog = 'pg_class'::regclass THEN pg_get_indexdef(object) ELSE pg_get_constraintdef(object) END,
         'comment', (SELECT d.description FROM pg_description AS d WHERE d.classoid = catalog AND d.objoid = object AND d.objsubid = 0),
         'labels', (SELECT jsonb_agg(l.label ORDER BY l.provider, l.label) FROM pg_seclabel AS l WHERE l.classoid = catalog AND l.objoid = object),
         'needs', (SELECT jsonb_agg(d.deptype::text || pg_describe_object(d.refclassid, d.refobjid, d.refobjsubid)
                                    ORDER BY d.deptype, pg_describe_object(d.refclassid, d.refobjid, d.refobjsubid))
                     FROM pg_depend AS d WHERE d.classid = catalog AND d.objid = object),
         'needed', (SELECT jsonb_agg(d.deptype::text || pg_describe_object(d.classid, d.objid, d.objsubid)
                                     ORDER BY d.deptype, pg_describe_object(d.classid, d.objid, d.objsubid))
                      FROM pg_depend AS d
                     WHERE d.refclassid = catalog AND d.refobjid = object AND d.classid <> 'pg_trigger'::regclass))
$$;
COMMENT ON FUNCTION migrated.appearance IS 'All that the catalogs say of an index or a foreign key';

-- The statements that make an index, or a foreign key, again.
CREATE FUNCTION migrated.making_of_index(object oid) RETURNS text[]
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
SELECT array_remove(ARRAY[
         format('SET LOCAL default_tablespace = %L', coalesce(s.spcname, '')),
         pg_get_indexdef(object),
         format('COMMENT ON INDEX %I.%I IS ', n.nspname, c.relname) || quote_literal(obj_description(object, 'pg_class')),
         CASE WHEN i.indisclustered THEN format('ALTER TABLE %s CLUSTER ON %I', i.indrelid::regclass, c.relname) END], NULL)
  FROM pg_class AS c
  JOIN pg_index AS i
    ON i.indexrelid = c.oid
  JOIN pg_namespace AS n
    ON n.oid = c.relnamespace
  LEFT JOIN pg_tablespace AS s
    ON s.oid = c.reltablespace
 WHERE c.oid = object
$$;
COMMENT ON FUNCTION migrated.making_of_index IS 'The statements that make an index exactly as it is';

CREATE FUNCTION migrated.making_of_foreign_key(object oid) RETURNS text[]
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
SELECT array_remove(ARRAY[
         format('ALTER TABLE %s ADD CONSTRAINT %I %s', k.conrelid::regclass, k.conname, pg_get_constraintdef(object))
           || CASE WHEN k.convalidated THEN ' NOT VALID' ELSE '' END,
         format('COMMENT ON CONSTRAINT %I ON %s IS ', k.conname, k.conrelid::regclass)
           || quote_literal(obj_description(object, 'pg_constraint'))], NULL)
  FROM pg_constraint AS k
 WHERE k.oid = object
$$;
COMMENT ON FUNCTION migrated.making_of_foreign_key IS 'The statements that make a foreign key exactly as it is, but for its validation';

-- Sets one thing aside. It is rehearsed first, on the table that is empty: what is not the same when it has been dropped and made again is
-- an error, and then nothing has been done.
CREATE FUNCTION migrated.set_index_aside(entity text, session uuid, fingerprint text, relation regclass, name text, object oid)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  full_name text;
  definition text := pg_get_indexdef(object);
  statements text[];
  statement text;
  was jsonb;
BEGIN
  SELECT format('%I.%I', n.nspname, c.relname)
    INTO STRICT full_name
    FROM pg_index AS i
    JOIN pg_class AS c
      ON c.oid = i.indexrelid
    JOIN pg_namespace AS n
      ON n.oid = c.relnamespace
   WHERE i.indrelid = relation
     AND i.indexrelid = object
     AND c.relname = set_index_aside.name;
  statements := migrated.making_of_index(object);
  was := migrated.appearance('pg_class', object);
  EXECUTE 'DROP INDEX ' || full_name;
  FOREACH statement IN ARRAY statements LOOP
    EXECUTE statement;
  END LOOP;
  IF migrated.appearance('pg_class', full_name::regclass) IS DISTINCT FROM was THEN
    RAISE EXCEPTION 'it cannot be made again exactly as it is';
  END IF;
  EXECUTE 'DROP INDEX ' || full_name;
  INSERT INTO migrated.set_aside (entity, session, fingerprint, relation, table_name, kind, name, definition, statements)
  VALUES (entity, session, fingerprint, relation, relation::text, 'index', name, definition, statements);
END
$$;
COMMENT ON FUNCTION migrated.set_index_aside IS 'Drops an index that can be made again exactly as it is, and keeps how';

-- `lost` (a query of one boolean): are there parents that the id map has and the target has not?
CREATE FUNCTION migrated.set_foreign_key_aside(entity text, session uuid, fingerprint text, relation regclass, name text, object oid,
                                               lost text, mend text)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  foreign_key pg_constraint;
  definition text := pg_get_constraintdef(object);
  statements text[];
  statement text;
  dropping text := format('ALTER TABLE %s DROP CONSTRAINT %I', relation, name);
  validating text := format('ALTER TABLE %s VALIDATE CONSTRAINT %I', relation, name);
  was jsonb;
  are_lost boolean;
BEGIN
  SELECT k.*
    INTO STRICT foreign_key
    FROM pg_constraint AS k
   WHERE k.oid = object
     AND k.conrelid = relation
     AND k.contype = 'f'
     AND k.conname = set_foreign_key_aside.name;
  EXECUTE lost INTO are_lost;
  IF are_lost THEN
    RAISE EXCEPTION 'rows of % that were migrated are not there any more', foreign_key.confrelid::regclass;
  END IF;
  statements := migrated.making_of_foreign_key(object);
  was := migrated.appearance('pg_constraint', object);
  EXECUTE dropping;
  FOREACH statement IN ARRAY statements || CASE WHEN foreign_key.convalidated THEN ARRAY[validating] ELSE '{}' END LOOP
    EXECUTE statement;
  END LOOP;
  IF migrated.appearance('pg_constraint', (SELECT k.oid FROM pg_constraint AS k
                                            WHERE k.conrelid = relation AND k.conname = set_foreign_key_aside.name))
     IS DISTINCT FROM was THEN
    RAISE EXCEPTION 'it cannot be made again exactly as it is';
  END IF;
  EXECUTE dropping;
  INSERT INTO migrated.set_aside (entity, session, fingerprint, relation, table_name, kind, name, definition, statements, validation, mend)
  VALUES (entity, session, fingerprint, relation, relation::text, 'foreign key', name, definition, statements,
          CASE WHEN foreign_key.convalidated THEN validating END, mend);
END
$$;
COMMENT ON FUNCTION migrated.set_foreign_key_aside IS 'Drops a foreign key that can be made again exactly as it is, and keeps how';

-- Sets aside what an empty table can do without while its rows come in: of the candidates (name, object, lost, mend) those that can be
-- put back exactly. One row for each: why it was kept, NULL when it was set aside. A table that somebody uses, or that has rows, is left as
-- it is, and said so.
CREATE FUNCTION migrated.set_aside(entity text, session uuid, fingerprint text, relation regclass, indexes jsonb, foreign_keys jsonb)
RETURNS TABLE (kind text, name text, kept text)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  candidate record;
  has_rows boolean;
  any_aside boolean := false;
BEGIN
  BEGIN
    EXECUTE format('LOCK TABLE ONLY %s IN ACCESS EXCLUSIVE MODE NOWAIT', relation);
  EXCEPTION WHEN lock_not_available THEN
    RETURN QUERY SELECT 'table'::text, relation::text, 'somebody else uses it'::text;
    RETURN;
  END;
  EXECUTE format('SELECT EXISTS (SELECT FROM ONLY %s)', relation) INTO has_rows;
  IF has_rows THEN
    RETURN QUERY SELECT 'table'::text, relation::text, 'it has rows'::text;
    RETURN;
  END IF;
  FOR candidate IN
    SELECT 'index' AS kind, i.place, i.value
      FROM jsonb_array_elements(indexes) WITH ORDINALITY AS i (value, place)
     UNION ALL
    SELECT 'foreign key', f.place, f.value
      FROM jsonb_array_elements(foreign_keys) WITH ORDINALITY AS f (value, place)
     ORDER BY 1 DESC, 2
  LOOP
    kind := candidate.kind;
    name := candidate.value ->> 'name';
    kept := NULL;
    BEGIN
      IF kind = 'index' THEN
        PERFORM migrated.set_index_aside(entity, session, fingerprint, relation, name, (candidate.value ->> 'object')::oid);
      ELSE
        PERFORM migrated.set_foreign_key_aside(entity, session, fingerprint, relation, name, (candidate.value ->> 'object')::oid,
                                               candidate.value ->> 'lost', candidate.value ->> 'mend');
      END IF;
      any_aside := true;
    EXCEPTION
      WHEN lock_not_available THEN
        kept := 'somebody else uses a table that it needs';
      WHEN no_data_found THEN
        kept := 'it has just been changed';
      WHEN OTHERS THEN
        kept := SQLERRM;
    END;
    RETURN NEXT;
  END LOOP;
  IF any_aside THEN
    INSERT INTO migrated.set_aside AS a (entity, session, fingerprint, relation, table_name, kind, name, definition, statements)
    VALUES (set_aside.entity, set_aside.session, set_aside.fingerprint, set_aside.relation, set_aside.relation::text, 'statistics',
            set_aside.relation::text, '', ARRAY[format('ANALYZE %s', set_aside.relation)]);
  END IF;
END
$$;
COMMENT ON FUNCTION migrated.set_aside IS 'Takes from an empty table what can be put back exactly when its rows are there';

-- Does it stand already as it was, since somebody else has made it?
CREATE FUNCTION migrated.stands_again(item migrated.set_aside) RETURNS boolean
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
SELECT CASE item.kind
       WHEN 'index'
       THEN EXISTS (SELECT
                      FROM pg_index AS i
                      JOIN pg_class AS c
                        ON c.oid = i.indexrelid
                     WHERE i.indrelid = item.relation
                       AND i.indisvalid
                       AND c.relname = item.name
                       AND pg_get_indexdef(c.oid) = item.definition)
       WHEN 'foreign key'
       THEN EXISTS (SELECT
                      FROM pg_constraint AS k
                     WHERE k.conrelid = item.relation
                       AND k.conname = item.name
                       AND regexp_replace(pg_get_constraintdef(k.oid), ' NOT VALID$', '') = regexp_replace(item.definition, ' NOT VALID$', ''))
       ELSE false END
$$;
COMMENT ON FUNCTION migrated.stands_again IS 'Somebody else has put it back';

-- Puts one thing back: indexes first, then foreign keys, which are validated when all stand, then statistics. Of an entity, but for what the
-- session `but_for` has set aside under the mapping `fingerprint`; or (entity NULL) of whatever no unfinished session has set aside. `life`
-- says who asks: what the rows were found not to keep is not tried twice by the same. No row: there is nothing left to do; kind NULL:
-- others are at it. Several may ask at once.
CREATE FUNCTION migrated.put_back(life uuid, entity text, but_for uuid, fingerprint text)
RETURNS TABLE (kind text, name text, table_name text, problem text, remaining bigint)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  kinds CONSTANT text[] := '{index,foreign key,validation,statistics}';
  open_items bigint[];
  first integer;
  item migrated.set_aside;
  statement text;
BEGIN
  SELECT array_agg(a.place), min(array_position(kinds, a.kind))
    INTO open_items, first
    FROM migrated.set_aside AS a
   WHERE a.refused_in IS DISTINCT FROM life
     AND CASE WHEN put_back.entity IS NULL
              THEN NOT EXISTS (SELECT FROM migrated.session AS s WHERE s.session = a.session AND s.finished_at IS NULL)
              ELSE a.entity = put_back.entity
                   AND (but_for IS NULL OR (a.session, a.fingerprint) IS DISTINCT FROM (but_for, put_back.fingerprint)) END;
  IF first IS NULL THEN
    RETURN;
  END IF;
  SELECT a.*
    INTO item
    FROM migrated.set_aside AS a
   WHERE a.place = ANY (open_items)
     AND a.kind = kinds[first]
   ORDER BY a.place
   LIMIT 1
     FOR UPDATE SKIP LOCKED;
  remaining := cardinality(open_items);
  IF NOT FOUND THEN
    RETURN NEXT;
    RETURN;
  END IF;
  kind := item.kind;
  name := item.name;
  table_name := item.table_name;
  remaining := remaining - 1;
  IF NOT EXISTS (SELECT FROM pg_class AS c WHERE c.oid = item.relation) THEN
    problem := 'its table is not there any more';
    DELETE FROM migrated.set_aside AS a WHERE a.place = item.place;
    RETURN NEXT;
    RETURN;
  END IF;
  IF NOT migrated.stands_again(item) THEN
    BEGIN
      FOREACH statement IN ARRAY item.statements LOOP
        EXECUTE statement;
      END LOOP;
    EXCEPTION WHEN foreign_key_violation THEN
      problem := 'it stands, but rows refer to rows that are not there, so that it is not valid';
    END;
  END IF;
  IF problem IS NOT NULL THEN
    UPDATE migrated.set_aside AS a
       SET problem = put_back.problem,
           refused_in = life
     WHERE a.place = item.place;
    BEGIN
      EXECUTE item.mend;
    EXCEPTION WHEN OTHERS THEN
      NULL; -- the parents' id map is not there any more, say: then people must see to it
    END;
  ELSIF item.kind = 'foreign key' AND item.validation IS NOT NULL THEN
    UPDATE migrated.set_aside AS a
       SET kind = 'validation',
           statements = ARRAY[item.validation],
           problem = NULL
     WHERE a.place = item.place;
    remaining := remaining + 1;
  ELSE
    DELETE FROM migrated.set_aside AS a WHERE a.place = item.place;
  END IF;
  RETURN NEXT;
END
$$;
COMMENT ON FUNCTION migrated.put_back IS 'Puts one thing back that bulk mode had set aside';
