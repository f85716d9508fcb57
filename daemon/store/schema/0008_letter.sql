-- A dead letter holds the row itself, and rows that the target refuses are found with fewer attempts.

ALTER TABLE migrated.dead_letter ADD COLUMN row jsonb;
COMMENT ON COLUMN migrated.dead_letter.row IS
  'What was shipped: "key" by column of the source, "columns" by column of the target. Personal data: only the owner may read this '
  'table unless somebody grants it; grant the other columns to whoever only counts letters. NULL when the row was not at hand '
  '(deletions, references that were filled in later), is too large, or the letter is resolved';
REVOKE ALL ON migrated.dead_letter FROM PUBLIC;

-- Once the row is carried, its copy here would only grow stale, and be personal data that nobody needs. Whoever resolves a letter.
CREATE FUNCTION migrated.forget_row() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  NEW.row := NULL;
  RETURN NEW;
END
$$;
COMMENT ON FUNCTION migrated.forget_row IS 'Leaves no row in a letter that is resolved';
CREATE TRIGGER resolved_letters_hold_no_row BEFORE INSERT OR UPDATE ON migrated.dead_letter
  FOR EACH ROW WHEN (NEW.state = 'resolved' AND NEW.row IS NOT NULL) EXECUTE PROCEDURE migrated.forget_row();

-- Which row was refused, and why; the message without values.
CREATE TYPE migrated.refusal AS (
  row_id          tid,
  phase           text,
  sqlstate        text,
  constraint_name text,
  column_name     text,
  message         text,
  own             boolean
);
COMMENT ON TYPE migrated.refusal IS 'Why a row was refused, and where it stands (ctid)';
COMMENT ON COLUMN migrated.refusal.phase IS 'write: by the target; rule: by an assertion of the mapping';
COMMENT ON COLUMN migrated.refusal.own IS 'It is the row''s own fault, whatever else is in the target';

-- A statement that makes the values of one column, and writes nothing.
CREATE TYPE migrated.probe AS (
  column_name text,
  statement   text
);
COMMENT ON TYPE migrated.probe IS 'How to find out for which rows no value of a column can be made';

-- Why the target refuses these rows together; NULL: they are applied. Only what may be a row's own fault is caught (class 22, 23,
-- what triggers raise, and the like); anything else ends the transaction. A few rows go by the prepared statements migrated_part and
-- migrated_assertion, since planning takes longer than they do. That they are at fault themselves is certain only when the context
-- of the error is nothing but our statement: no trigger, no function. No search_path of its own: the target's triggers run
-- within it, and find what they find elsewhere.
CREATE FUNCTION migrated.refusal_of(statement text, rows tid[], assertion text) RETURNS migrated.refusal
LANGUAGE plpgsql
AS $$
DECLARE
  refusal migrated.refusal;
  few boolean := statement IS NULL;
  context text;
BEGIN
  refusal.phase := 'write';
  IF few THEN
    EXECUTE pg_catalog.format('EXECUTE migrated_part(%L)', rows);
  ELSE
    EXECUTE statement USING rows;
  END IF;
  refusal.phase := 'rule';
  IF assertion IS NOT NULL AND few THEN
    EXECUTE pg_catalog.format('EXECUTE migrated_assertion(%L)', rows);
  ELSIF assertion IS NOT NULL THEN
    EXECUTE assertion USING rows;
  END IF;
  RETURN NULL;
EXCEPTION
  WHEN data_exception OR integrity_constraint_violation OR plpgsql_error OR program_limit_exceeded
    OR with_check_option_violation OR cardinality_violation OR external_routine_exception
    OR external_routine_invocation_exception THEN
    GET STACKED DIAGNOSTICS
      refusal.sqlstate = RETURNED_SQLSTATE,
      refusal.constraint_name = CONSTRAINT_NAME,
      refusal.column_name = COLUMN_NAME,
      refusal.message = MESSAGE_TEXT,
      context = PG_EXCEPTION_CONTEXT;
    refusal.constraint_name := nullif(refusal.constraint_name, '');
    refusal.column_name := nullif(refusal.column_name, '');
    refusal.own := few
               AND (refusal.sqlstate LIKE '22%' OR refusal.sqlstate IN ('23502', '23514'))
               AND pg_catalog.strpos(context, 'EXECUTE migrated_part') > 0
               AND pg_catalog.strpos(pg_catalog.split_part(context, 'EXECUTE migrated_part', 1), E'\n') = 0;
    refusal.message := CASE WHEN refusal.phase = 'rule' AND refusal.sqlstate = '23514'
                            THEN pg_catalog.format('the rule %s does not hold', refusal.constraint_name)
                            ELSE migrated.safe_message(refusal.sqlstate, refusal.message, context) END;
    RETURN refusal;
END
$$;
COMMENT ON FUNCTION migrated.refusal_of IS 'Applies rows; what the target has against them, NULL when nothing. Without a statement: the prepared one';

-- The same of a few rows: one plan serves them all.
CREATE FUNCTION migrated.refusal_of_few(rows tid[], assertion text) RETURNS migrated.refusal
LANGUAGE plpgsql
SET plan_cache_mode = force_generic_plan
AS $$
BEGIN
  RETURN migrated.refusal_of(NULL, rows, assertion);
END
$$;
COMMENT ON FUNCTION migrated.refusal_of_few IS 'Applies a few rows by the prepared statement';

-- Parts that were applied, and undone, are applied at once; what is refused of them now, though it was not before, is to be tried again.
CREATE FUNCTION migrated.apply_again(statement text, parts text[], assertion text) RETURNS migrated.refusal[]
LANGUAGE plpgsql
AS $$
DECLARE
  refused migrated.refusal[] := '{}';
  refusal migrated.refusal;
  part text;
BEGIN
  refusal := migrated.refusal_of(statement, ARRAY(SELECT r FROM pg_catalog.unnest(parts) AS p, pg_catalog.unnest(p::tid[]) AS r),
                                 assertion);
  IF refusal.sqlstate IS NULL THEN
    RETURN refused;
  END IF;
  FOREACH part IN ARRAY parts LOOP
    refusal := migrated.refusal_of(statement, part::tid[], assertion);
    IF refusal.sqlstate IS NOT NULL THEN
      refused := refused || ARRAY(SELECT ROW(r, refusal.phase, refusal.sqlstate, refusal.constraint_name, refusal.column_name,
                                             refusal.message, false)::migrated.refusal
                                    FROM pg_catalog.unnest(part::tid[]) AS r);
    END IF;
  END LOOP;
  RETURN refused;
END
$$;
COMMENT ON FUNCTION migrated.apply_again IS 'Applies parts that were applied before, in as few subtransactions as possible';

-- Prepared statements outlive a transaction that was rolled back.
CREATE FUNCTION migrated.forget_statements() RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  statement text;
BEGIN
  FOR statement IN SELECT p.name FROM pg_prepared_statements AS p WHERE p.name IN ('migrated_part', 'migrated_assertion') LOOP
    EXECUTE format('DEALLOCATE %I', statement);
  END LOOP;
END
$$;
COMMENT ON FUNCTION migrated.forget_statements IS 'Drops what is prepared while rows are applied in parts';

-- Applies rows in their order and in as large parts as the target takes; returns those that it refuses when they come alone.
-- What is not yet known is tried whole; a part that is refused is halved until its first bad row stands alone; then as many rows are
-- tried as there were good ones between two bad. Each part that stays is a live subtransaction, of which there should be fewer than
-- 64: when there are too many they are undone, and what was good in them is applied at once.
CREATE FUNCTION migrated.apply_parts(statement text, rows tid[], assertion text, prepared boolean) RETURNS migrated.refusal[]
LANGUAGE plpgsql
AS $$
DECLARE
  most_parts CONSTANT integer := 24;
  few_rows CONSTANT integer := CASE WHEN prepared THEN 50 ELSE 0 END;
  refused migrated.refusal[] := '{}';
  refusal migrated.refusal;
  whole integer := coalesce(pg_catalog.cardinality(rows), 0);
  place integer := 1;
  width integer := whole;
  bad_until integer;
  part tid[];
  parts text[];
BEGIN
  PERFORM migrated.forget_statements();
  IF prepared THEN
    EXECUTE 'PREPARE migrated_part(tid[]) AS ' || statement;
  END IF;
  IF prepared AND assertion IS NOT NULL THEN
    EXECUTE 'PREPARE migrated_assertion(tid[]) AS ' || assertion;
  END IF;
  WHILE place <= whole LOOP
    parts := '{}';
    BEGIN
      WHILE place <= whole LOOP
        part := rows[place:place + width - 1];
        IF pg_catalog.cardinality(part) <= few_rows THEN
          refusal := migrated.refusal_of_few(part, assertion);
        ELSE
          refusal := migrated.refusal_of(statement, part, assertion);
        END IF;
        IF refusal.sqlstate IS NULL THEN
          place := place + width;
          width := CASE WHEN place <= bad_until THEN greatest((bad_until - place + 1) / 2, 1) ELSE 2 * width END;
          parts := parts || part::text;
          IF pg_catalog.cardinality(parts) = most_parts AND place <= whole THEN
            RAISE EXCEPTION 'too many parts' USING ERRCODE = 'MG005';
          END IF;
        ELSIF width > 1 THEN
          bad_until := least(place + width - 1, whole);
          width := (bad_until - place + 1) / 2;
        ELSE
          refusal.row_id := rows[place];
          refused := refused || refusal;
          width := greatest((place - pg_catalog.cardinality(refused)) / pg_catalog.cardinality(refused), 1);
          place := place + 1;
          bad_until := NULL;
        END IF;
      END LOOP;
    EXCEPTION
      WHEN SQLSTATE 'MG005' THEN
        refused := refused || migrated.apply_again(statement, parts, assertion);
    END;
  END LOOP;
  PERFORM migrated.forget_statements();
  RETURN refused;
END
$$;
COMMENT ON FUNCTION migrated.apply_parts IS 'Applies rows in parts around those that the target refuses';

-- The rows of `rows` that are not among those that were refused, or `others`.
CREATE FUNCTION migrated.rows_without(rows tid[], refused migrated.refusal[], others tid[] DEFAULT '{}') RETURNS tid[]
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
  SELECT coalesce(array_agg(r.row_id ORDER BY r.place), '{}')
    FROM unnest(rows) WITH ORDINALITY AS r (row_id, place)
   WHERE r.row_id NOT IN (SELECT f.row_id FROM unnest(refused) AS f UNION ALL SELECT unnest(others))
$$;
COMMENT ON FUNCTION migrated.rows_without IS 'Rows but for some of them';

-- The query for rows that are likely to be refused: `would` says what rows are to be written as, `columns` are those of the target that
-- it has, `keys` those of the target's key, which it has as "migrated:oN". Within a batch, of rows that want one unique
-- value the first is not suspect. It need not be exact, since suspects are tried too; it saves the others from being tried in parts.
-- Names in conditions and expressions of the catalog are those of the one relation in sight.
CREATE FUNCTION migrated.suspects_of(would text, target regclass, columns text[], keys text[]) RETURNS text
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  attributes smallint[];
  other_key text;
  queries text[] := '{}';
  query text;
BEGIN
  SELECT array_agg(a.attnum)
    INTO attributes
    FROM pg_attribute AS a
   WHERE a.attrelid = target
     AND a.attname = ANY (columns);
  SELECT format('(%s) IS DISTINCT FROM (%s)', string_agg(format('t.%I', k.name), ', ' ORDER BY k.place),
                string_agg(format('w."migrated:o%s"', k.place), ', ' ORDER BY k.place))
    INTO other_key
    FROM unnest(keys) WITH ORDINALITY AS k (name, place);
  -- Conditions.
  SELECT queries || array_agg(format('SELECT "migrated:row" FROM would WHERE (%s) IS FALSE', pg_get_expr(c.conbin, c.conrelid)))
    INTO queries
    FROM pg_constraint AS c
   WHERE c.conrelid = target
     AND c.contype = 'c'
     AND c.conkey <@ attributes;
  -- Texts that are too long, but for blanks.
  SELECT queries || array_agg(format('SELECT "migrated:row" FROM would WHERE char_length(rtrim(%I::text, '' '')) > %s',
                                     a.attname, a.atttypmod - 4))
    INTO queries
    FROM pg_attribute AS a
   WHERE a.attrelid = target
     AND a.attnum = ANY (attributes)
     AND a.atttypid IN ('varchar'::regtype, 'bpchar'::regtype)
     AND a.atttypmod > 4;
  -- Rows that are referred to, and not there. Those of the table itself may come with this batch.
  SELECT queries || array_agg(format('SELECT w."migrated:row" FROM would AS w WHERE (%s) AND NOT EXISTS (SELECT FROM %s AS p WHERE %s)',
                                     k.given, c.confrelid::regclass, k.equal))
    INTO queries
    FROM pg_constraint AS c
   CROSS JOIN LATERAL (SELECT string_agg(format('w.%I IS NOT NULL', a.attname), ' AND ') AS given,
                              string_agg(format('p.%I = w.%I', f.attname, a.attname), ' AND ') AS equal
                         FROM ROWS FROM (unnest(c.conkey), unnest(c.confkey)) AS k (own, other)
                         JOIN pg_attribute AS a
                           ON a.attrelid = c.conrelid
                          AND a.attnum = k.own
                         JOIN pg_attribute AS f
                           ON f.attrelid = c.confrelid
                          AND f.attnum = k.other) AS k
   WHERE c.conrelid = target
     AND c.contype = 'f'
     AND c.confrelid <> target
     AND c.conkey <@ attributes;
  -- Unique values that another row of the batch wants, too, or one of the target has.
  FOR query IN
    SELECT unnest(ARRAY[
             format('SELECT x."migrated:row" FROM (SELECT "migrated:row", row_number() OVER (PARTITION BY %s ORDER BY "migrated:row") AS n'
                    ' FROM would WHERE %s AND %s) AS x WHERE x.n > 1', e.list, e.condition, e.given),
             format('SELECT w."migrated:row" FROM (SELECT would.*, %s FROM would WHERE %s) AS w'
                    ' WHERE EXISTS (SELECT FROM %s AS t WHERE %s AND %s AND %s)',
                    e.named, e.condition, target, e.condition, e.equal, other_key)])
      FROM pg_index AS i
     CROSS JOIN LATERAL (SELECT string_agg(format('(%s)', d.expression), ', ') AS list,
                                string_agg(format('(%s) AS "migrated:x%s"', d.expression, n), ', ') AS named,
                                string_agg(format('(%s) IS NOT NULL', d.expression), ' AND ') AS given,
                                string_agg(format('(%s) = w."migrated:x%s"', d.expression, n), ' AND ') AS equal,
                                coalesce('(' || pg_get_expr(i.indpred, i.indrelid) || ')', 'TRUE') AS condition
                           FROM generate_series(1, i.indnkeyatts) AS n
                          CROSS JOIN LATERAL (SELECT pg_get_indexdef(i.indexrelid, n, true) AS expression) AS d) AS e
     WHERE i.indrelid = target
       AND i.indisunique
       AND i.indisvalid
       AND NOT EXISTS (SELECT FROM pg_depend AS d
                        WHERE d.classid = 'pg_class'::regclass
                          AND d.objid = i.indexrelid
                          AND d.refclassid = 'pg_class'::regclass
                          AND d.refobjid = target
                          AND d.refobjsubid <> ALL (attributes))
       AND NOT EXISTS (SELECT FROM unnest(i.indkey[0:i.indnkeyatts - 1]) AS k WHERE k <> 0 AND k <> ALL (attributes))
  LOOP
    queries := queries || query;
  END LOOP;
  IF cardinality(queries) = 0 THEN
    RETURN NULL;
  END IF;
  RETURN format(E'WITH would AS MATERIALIZED (\n%s)\nSELECT pg_catalog.array_agg(DISTINCT x."migrated:row") FROM (%s) AS x',
                would, array_to_string(queries, E'\n UNION ALL '));
END
$$;
COMMENT ON FUNCTION migrated.suspects_of IS 'The query for rows that constraints of the target are likely to refuse';

-- What a query for suspects says; nothing, when it cannot be asked (a privilege, an expression that fails).
CREATE FUNCTION migrated.suspects_among(query text, rows tid[]) RETURNS tid[]
LANGUAGE plpgsql
AS $$
DECLARE
  suspects tid[];
BEGIN
  EXECUTE query INTO suspects USING rows;
  RETURN coalesce(suspects, '{}');
EXCEPTION
  WHEN data_exception OR integrity_constraint_violation OR syntax_error_or_access_rule_violation OR plpgsql_error
    OR feature_not_supported OR program_limit_exceeded OR cardinality_violation OR external_routine_exception
    OR external_routine_invocation_exception THEN
    RETURN '{}';
END
$$;
COMMENT ON FUNCTION migrated.suspects_among IS 'Which rows are likely to be refused';

-- The same of rows that break a rule when they have been applied: they are, `asking` says which, and all is undone.
CREATE FUNCTION migrated.breakers_among(statement text, asking text, rows tid[]) RETURNS tid[]
LANGUAGE plpgsql
AS $$
DECLARE
  breakers tid[];
BEGIN
  EXECUTE statement USING rows;
  EXECUTE asking INTO breakers USING rows;
  RAISE EXCEPTION 'they were applied to be asked' USING ERRCODE = 'MG005';
EXCEPTION
  WHEN SQLSTATE 'MG005' THEN
    RETURN coalesce(breakers, '{}');
  WHEN data_exception OR integrity_constraint_violation OR plpgsql_error OR program_limit_exceeded
    OR with_check_option_violation OR cardinality_violation OR external_routine_exception
    OR external_routine_invocation_exception THEN
    RETURN '{}';
END
$$;
COMMENT ON FUNCTION migrated.breakers_among IS 'Which rows would break a rule of the mapping';

-- Applies rows that hold at least one bad one: the good stay, each bad one is set aside.
--
-- statement  applies the rows whose ctid is in $1 (tid[])
-- letter     sets aside those in $1 (migrated.refusal[]), all at once
-- assertion  runs after each part was applied, with the same $1, in the same subtransaction; NULL: there is none. What it raises of
--            class 22 or 23 undoes the part, as if the target had refused it. For a rule of the mapping that is migrated.reject():
--            23514 with the rule's name as CONSTRAINT; its letter then has phase 'rule'.
-- prepared   statement and assertion are one statement each, so that they can be planned once for all small parts
-- probes     rows for which one of them fails are bad; they are not tried
-- suspects   a query for those of $1 that are likely to be bad (migrated.suspects_of)
-- asking     a query for those of $1, applied, for which the assertion fails
--
-- The rest is applied at once; then what is suspect, or was refused, in its order: so of rows that want one unique value the first gets
-- it. What was refused, but not for a fault of its own, is tried again, since what stood in its way may have been a later row (a
-- unique value that moved); and again while that helps.
DROP FUNCTION migrated.apply_isolated(text, text, tid[], boolean);
CREATE FUNCTION migrated.apply_isolated(statement text, letter text, rows tid[], assertion text DEFAULT NULL,
                                        prepared boolean DEFAULT false, probes migrated.probe[] DEFAULT '{}', suspects text DEFAULT NULL,
                                        asking text DEFAULT NULL) RETURNS void
LANGUAGE plpgsql
AS $$
DECLARE
  probe migrated.probe;
  refused migrated.refusal[] := '{}';
  found migrated.refusal[];
  doubtful tid[] := '{}';
  again tid[];
  before integer;
  tries integer;
BEGIN
  FOREACH probe IN ARRAY probes LOOP
    found := migrated.apply_parts(probe.statement, rows, NULL, true);
    refused := refused || ARRAY(SELECT ROW(f.row_id, f.phase, f.sqlstate, f.constraint_name, probe.column_name, f.message, true)::migrated.refusal
                                  FROM pg_catalog.unnest(found) AS f);
    rows := migrated.rows_without(rows, found);
  END LOOP;
  IF suspects IS NOT NULL THEN
    doubtful := migrated.suspects_among(suspects, rows);
  END IF;
  IF asking IS NOT NULL THEN
    doubtful := doubtful || migrated.breakers_among(statement, asking, migrated.rows_without(rows, '{}', doubtful));
  END IF;
  found := migrated.apply_parts(statement, migrated.rows_without(rows, '{}', doubtful), assertion, prepared);
  tries := 0;
  LOOP
    refused := refused || ARRAY(SELECT f FROM pg_catalog.unnest(found) AS f WHERE f.own);
    again := ARRAY(SELECT f.row_id FROM pg_catalog.unnest(found) AS f WHERE NOT f.own
                   UNION ALL
                   SELECT pg_catalog.unnest(doubtful)
                   ORDER BY 1);
    doubtful := '{}';
    EXIT WHEN pg_catalog.cardinality(again) = 0 
              OR tries > 1 AND pg_catalog.cardinality(again) > CASE WHEN before > 100 THEN 0.9 * before ELSE before - 1 END;
    before := pg_catalog.cardinality(again);
    tries := tries + 1;
    found := migrated.apply_parts(statement, again, assertion, prepared);
  END LOOP;
  refused := refused || ARRAY(SELECT f FROM pg_catalog.unnest(found) AS f WHERE NOT f.own);
  IF pg_catalog.cardinality(refused) > 0 THEN
    EXECUTE letter USING refused;
  END IF;
END
$$;
COMMENT ON FUNCTION migrated.apply_isolated IS 'Applies a batch around its bad rows';
