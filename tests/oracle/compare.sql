-- The means of comparison. For every entity there are two views, written by hand in the files after this:
--
--   expected.ENTITY  one row per source row: its key, `applicable` (it ought to be there), and what every
--                    column of the target ought to hold, references as the parent's legacy key in text
--   actual.ENTITY    one row per target row with a legacy key: the same columns as the target holds them,
--                    references as the legacy key of the row they lead to; `marked` where rows are marked
--
-- compare() joins the two and writes down what does not agree.

CREATE SCHEMA expected;
CREATE SCHEMA actual;

CREATE TABLE finding (
    entity      text NOT NULL,
    kind        text NOT NULL,
    legacy_key  text NOT NULL,
    column_name text
);

CREATE TABLE compared (
    entity      text PRIMARY KEY,
    source_rows bigint NOT NULL,
    target_rows bigint NOT NULL
);

CREATE TABLE setting AS SELECT :strict = 1 AS strict;

-- Where a reference leads: the legacy key of that row, or why there is none.
CREATE FUNCTION leads_to(reference uuid, row_id uuid, legacy_key text) RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN CASE
               WHEN reference IS NULL THEN NULL
               WHEN row_id IS NULL THEN '<no such row>'
               ELSE coalesce(legacy_key, '<row of the modern side>')
           END;

-- Text as a type, NULL where it is not valid for it.

CREATE FUNCTION as_jsonb(value text) RETURNS jsonb
    LANGUAGE plpgsql IMMUTABLE STRICT AS
$$ BEGIN RETURN value::jsonb; EXCEPTION WHEN data_exception THEN RETURN NULL; END $$;

CREATE FUNCTION as_date(value text) RETURNS date
    LANGUAGE plpgsql IMMUTABLE STRICT AS
$$ BEGIN RETURN value::date; EXCEPTION WHEN data_exception THEN RETURN NULL; END $$;

CREATE FUNCTION as_bigint(value text) RETURNS bigint
    LANGUAGE plpgsql IMMUTABLE STRICT AS
$$ BEGIN RETURN value::bigint; EXCEPTION WHEN data_exception THEN RETURN NULL; END $$;

CREATE FUNCTION as_numeric(value text) RETURNS numeric
    LANGUAGE plpgsql IMMUTABLE STRICT AS
$$ BEGIN RETURN value::numeric; EXCEPTION WHEN data_exception THEN RETURN NULL; END $$;

CREATE FUNCTION as_smallints(value text) RETURNS smallint[]
    LANGUAGE plpgsql IMMUTABLE STRICT AS
$$ BEGIN RETURN string_to_array(value, ',')::smallint[]; EXCEPTION WHEN data_exception THEN RETURN NULL; END $$;

CREATE FUNCTION fits_numeric(value numeric, digits integer, decimals integer) RETURNS boolean
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN value IS NULL OR abs(round(value, decimals)) < 10::numeric ^ (digits - decimals);

-- Only spaces may be lost at the end of a varchar.
CREATE FUNCTION fits_varchar(value text, length integer) RETURNS boolean
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN value IS NULL OR char_length(value) <= length OR btrim(substr(value, length + 1), ' ') = '';

-- Text that is no JSON, kept in a jsonb column as a JSON string: "if_invalid": "wrap".
CREATE FUNCTION wrapped(value text) RETURNS jsonb
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN to_jsonb(value);

CREATE FUNCTION columns_of(relation regclass) RETURNS text[]
    LANGUAGE sql STABLE
    RETURN (SELECT array_agg(attname::text ORDER BY attname)
              FROM pg_attribute
             WHERE attrelid = relation AND attnum > 0 AND NOT attisdropped);

-- No two rows of a target table have the same value.
CREATE PROCEDURE check_unique(entity text, column_name text, key text)
    LANGUAGE plpgsql AS
$$
BEGIN
    EXECUTE format(
        'INSERT INTO finding '
        'SELECT %1$L, ''doubled'', min(concat_ws(''/'', %3$s)), %2$L '
        '  FROM modern.%1$I GROUP BY %2$I HAVING count(*) > 1',
        entity, column_name, key);
END
$$;

-- key        the column or columns, separated by commas, that name a row in both views
-- when_gone  what becomes of a target row whose source row is gone: mark, delete, ignore
-- own        columns of the modern side, which no migration fills
CREATE PROCEDURE compare(entity text, key text, when_gone text, own text[] DEFAULT '{}')
    LANGUAGE plpgsql AS
$$
DECLARE
    keys      text[] := string_to_array(key, ', ');
    compared  text[];   -- every column but the key
    same_key  text := (SELECT string_agg(format('e.%1$I = t.%1$I', k), ' AND ') FROM unnest(keys) AS k);
    e_key     text := (SELECT string_agg(format('e.%I', k), ', ') FROM unnest(keys) AS k);
    t_key     text := (SELECT string_agg(format('t.%I', k), ', ') FROM unnest(keys) AS k);
    e_columns text;
    t_columns text;
    differing text;     -- names of the columns that differ, as an array of text
    orphaned  text;     -- names of the references that lead nowhere
    unmarked  text := CASE when_gone WHEN 'mark' THEN 't.marked IS NOT TRUE' ELSE 'true' END;
    gone_kind text := CASE when_gone WHEN 'mark' THEN 'not_marked' WHEN 'delete' THEN 'not_deleted' END;
    is_strict boolean := (SELECT strict FROM setting);
BEGIN
    -- A column that the oracle forgot would be a column that nobody compares.
    IF columns_of(format('modern.%I', entity)::regclass) <> (
        SELECT array_agg(c ORDER BY c COLLATE "C")
          FROM unnest(array_remove(columns_of(format('actual.%I', entity)::regclass), 'marked')
                      || CASE WHEN 'id' = ANY (columns_of(format('modern.%I', entity)::regclass))
                              THEN ARRAY['id'] ELSE '{}' END || own) AS c) THEN
        RAISE EXCEPTION 'entity %: the oracle and the table do not have the same columns', entity;
    END IF;

    compared := (SELECT array_agg(c) FROM unnest(columns_of(format('actual.%I', entity)::regclass)) AS c
                  WHERE c <> 'marked' AND c <> ALL (keys));
    IF compared IS NULL THEN
        compared := keys;
    END IF;
    SELECT string_agg(format('e.%I', c), ', '),
           string_agg(format('t.%I', c), ', '),
           string_agg(format('CASE WHEN e.%1$I IS DISTINCT FROM t.%1$I THEN %1$L END', c), ', ')
      INTO e_columns, t_columns, differing
      FROM unnest(compared) AS c;
    orphaned := (SELECT string_agg(format('CASE WHEN t.%1$I::text = ''<no such row>'' THEN %1$L END', c), ', ')
                   FROM unnest(compared || keys) AS c);

    EXECUTE format(
        'INSERT INTO finding '
        'SELECT %1$L, found.kind, found.legacy_key, found.column_name '
        '  FROM expected.%1$I AS e '
        '  FULL JOIN actual.%1$I AS t ON %2$s '
        ' CROSS JOIN LATERAL ('
        '     SELECT ''lost'', concat_ws(''/'', %3$s), NULL '
        '      WHERE (%4$s) IS NULL AND e.applicable '
        '     UNION ALL '
        '     SELECT ''unexpected'', concat_ws(''/'', %3$s), NULL '
        '      WHERE (%4$s) IS NOT NULL AND e.applicable IS NOT TRUE AND (%3$s) IS NOT NULL AND %5$L '
        '     UNION ALL '
        '     SELECT %6$L, concat_ws(''/'', %4$s), NULL '
        '      WHERE (%3$s) IS NULL AND %7$s AND %6$L <> '''' '
        '     UNION ALL '
        '     SELECT ''orphaned'', concat_ws(''/'', %4$s), name '
        '       FROM unnest(ARRAY[%8$s]) AS name WHERE name IS NOT NULL '
        '     UNION ALL '
        '     SELECT ''differing'', concat_ws(''/'', %4$s), name '
        '       FROM unnest(ARRAY[%9$s]) AS name '
        '      WHERE (%4$s) IS NOT NULL AND e.applicable AND name IS NOT NULL AND name <> ALL (array_remove(ARRAY[%8$s], NULL))'
        ' ) AS found (kind, legacy_key, column_name) '
        ' WHERE e.applicable IS NOT TRUE OR (%4$s) IS NULL OR ROW(%10$s) IS DISTINCT FROM ROW(%11$s)',
        entity, same_key, e_key, t_key, is_strict, coalesce(gone_kind, ''), unmarked,
        orphaned, differing, e_columns, t_columns);

    EXECUTE format(
        'INSERT INTO finding '
        'SELECT %1$L, ''doubled'', concat_ws(''/'', %2$s), NULL '
        '  FROM actual.%1$I AS t GROUP BY %2$s HAVING count(*) > 1',
        entity, t_key);

    IF 'id' = ANY (columns_of(format('modern.%I', entity)::regclass)) THEN
        CALL check_unique(entity, 'id', key);
    END IF;

    EXECUTE format('INSERT INTO compared '
                   'SELECT %1$L, (SELECT count(*) FROM expected.%1$I), (SELECT count(*) FROM modern.%1$I)', entity);
END
$$;
