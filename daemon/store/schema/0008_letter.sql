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
  message         text
);
COMMENT ON TYPE migrated.refusal IS 'Why a row was refused, and where it stands (ctid)';
COMMENT ON COLUMN migrated.refusal.phase IS 'write: by the target; rule: by an assertion of the mapping';

-- Why the target refuses these rows together; NULL: they are applied. Only what may be a row's own fault is caught (class 22, 23,
-- what triggers raise, and the like); anything else ends the transaction. No search_path of its own: the target's triggers run
-- within it, and find what they find elsewhere.
CREATE FUNCTION migrated.refusal_of(statement text, rows tid[], assertion text) RETURNS migrated.refusal
LANGUAGE plpgsql
AS $$
DECLARE
  refusal migrated.refusal;
  context text;
BEGIN
  refusal.phase := 'write';
  EXECUTE statement USING rows;
  IF assertion IS NOT NULL THEN
    refusal.phase := 'rule';
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
    refusal.message := CASE WHEN refusal.phase = 'rule' AND refusal.sqlstate = '23514'
                            THEN pg_catalog.format('the rule %s does not hold', refusal.constraint_name)
                            ELSE migrated.safe_message(refusal.sqlstate, refusal.message, context) END;
    RETURN refusal;
END
$$;
COMMENT ON FUNCTION migrated.refusal_of IS 'Applies rows; what the target has against them, NULL when nothing';

-- Applies rows in their order and in as large parts as the target takes; returns those that it refuses when they come alone.
-- What is not yet known is tried whole; a part that is refused is halved until its first bad row stands alone; then as many rows are
-- tried as there were good ones between two bad.
CREATE FUNCTION migrated.apply_parts(statement text, rows tid[], assertion text) RETURNS migrated.refusal[]
LANGUAGE plpgsql
AS $$
DECLARE
  refused migrated.refusal[] := '{}';
  refusal migrated.refusal;
  place integer := 1;
  width integer := pg_catalog.cardinality(rows);
  bad_until integer;
BEGIN
  WHILE place <= pg_catalog.cardinality(rows) LOOP
    refusal := migrated.refusal_of(statement, rows[place:place + width - 1], assertion);
    IF refusal.sqlstate IS NULL THEN
      place := place + width;
      width := CASE WHEN place <= bad_until THEN greatest((bad_until - place + 1) / 2, 1) ELSE 2 * width END;
    ELSIF width > 1 THEN
      bad_until := least(place + width - 1, pg_catalog.cardinality(rows));
      width := (bad_until - place + 1) / 2;
    ELSE
      refusal.row_id := rows[place];
      refused := refused || refusal;
      width := greatest((place - pg_catalog.cardinality(refused)) / pg_catalog.cardinality(refused), 1);
      place := place + 1;
      bad_until := NULL;
    END IF;
  END LOOP;
  RETURN refused;
END
$$;
COMMENT ON FUNCTION migrated.apply_parts IS 'Applies rows in parts around those that the target refuses';

-- Applies rows that hold at least one bad one: the good stay, each bad one is set aside.
--
-- statement  applies the rows whose ctid is in $1 (tid[])
-- letter     sets aside those in $1 (migrated.refusal[]), all at once
-- assertion  runs after each part was applied, with the same $1, in the same subtransaction; NULL: there is none. What it raises of
--            class 22 or 23 undoes the part, as if the target had refused it. For a rule of the mapping that is migrated.reject():
--            23514 with the rule's name as CONSTRAINT; its letter then has phase 'rule'.
--
-- Rows that failed are tried once more at the end, since what stood in their way may have been a later row (a unique value that moved).
DROP FUNCTION migrated.apply_isolated(text, text, tid[], boolean);
CREATE FUNCTION migrated.apply_isolated(statement text, letter text, rows tid[], assertion text DEFAULT NULL) RETURNS void
LANGUAGE plpgsql
AS $$
DECLARE
  refused migrated.refusal[];
BEGIN
  refused := migrated.apply_parts(statement, rows, assertion);
  refused := migrated.apply_parts(statement, ARRAY(SELECT r.row_id FROM pg_catalog.unnest(refused) AS r), assertion);
  IF pg_catalog.cardinality(refused) > 0 THEN
    EXECUTE letter USING refused;
  END IF;
END
$$;
COMMENT ON FUNCTION migrated.apply_isolated IS 'Applies a batch around its bad rows';
