-- The log tells of rows as they are set aside, batch by batch.

CREATE INDEX dead_letter_batch ON migrated.dead_letter (session, entity, batch);
COMMENT ON INDEX migrated.dead_letter_batch IS 'What a batch has set aside, which is told in the log when it is done';

-- A trigger may name anything, a row's value too, as the constraint or the column of what it raises (RAISE … USING CONSTRAINT = …).
CREATE FUNCTION migrated.safe_name(name text) RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
  SELECT name
   WHERE name <> ''
     AND (EXISTS (SELECT FROM pg_constraint AS c WHERE c.conname = safe_name.name::name)
          OR EXISTS (SELECT FROM pg_class AS r WHERE r.relname = safe_name.name::name)
          OR EXISTS (SELECT FROM pg_attribute AS a WHERE a.attname = safe_name.name::name AND a.attnum > 0))
$$;
COMMENT ON FUNCTION migrated.safe_name IS 'A name that the database has, else NULL';

CREATE OR REPLACE FUNCTION migrated.refusal_of(statement text, rows tid[], assertion text) RETURNS migrated.refusal
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
    IF refusal.phase <> 'rule' THEN
      refusal.constraint_name := migrated.safe_name(refusal.constraint_name);
      refusal.column_name := migrated.safe_name(refusal.column_name);
    END IF;
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
