-- The control schema: what migrated knows, kept in the target so that it commits with the rows it is about.
-- Sensible to read with psql as it stands; nothing here holds a password, and only dead_letter.row holds row values.

CREATE SCHEMA IF NOT EXISTS migrated;

COMMENT ON SCHEMA migrated IS 'Control schema of migrated: id maps, sessions, checkpoints, analyses, dead letters';

CREATE TABLE migrated.schema_version (
  version    integer PRIMARY KEY,
  name       text NOT NULL,
  applied_at timestamptz NOT NULL DEFAULT pg_catalog.now()
);
COMMENT ON TABLE migrated.schema_version IS 'Numbered migrations of the control schema itself';

CREATE TABLE migrated.entity (
  entity          text PRIMARY KEY,
  fingerprint     text,
  adopted_at      timestamptz,
  last_detected   timestamptz,
  last_migrated   timestamptz,
  rows_per_second double precision
);
COMMENT ON TABLE migrated.entity IS 'One row for each entity of the mapping';
COMMENT ON COLUMN migrated.entity.fingerprint IS 'Of the mapping and method that the hashes in the id map were made with';
COMMENT ON COLUMN migrated.entity.adopted_at IS 'When rows that carried a legacy key before us were taken into the id map';
COMMENT ON COLUMN migrated.entity.rows_per_second IS 'Rate of the last session that moved rows, for estimates';

CREATE TABLE migrated.analysis (
  analysis    uuid PRIMARY KEY,
  created_at  timestamptz NOT NULL DEFAULT pg_catalog.now(),
  finished_at timestamptz
);
COMMENT ON TABLE migrated.analysis IS 'A kept change set: what detection found, to be carried out by a session';

CREATE TABLE migrated.analysis_entity (
  analysis uuid NOT NULL REFERENCES migrated.analysis ON DELETE CASCADE,
  entity   text NOT NULL,
  strategy text NOT NULL,
  whole    boolean NOT NULL,
  added    bigint NOT NULL DEFAULT 0,
  modified bigint NOT NULL DEFAULT 0,
  deleted  bigint NOT NULL DEFAULT 0,
  rows     bigint NOT NULL DEFAULT 0,
  PRIMARY KEY (analysis, entity)
);
COMMENT ON TABLE migrated.analysis_entity IS 'What an analysis found for one entity';
COMMENT ON COLUMN migrated.analysis_entity.whole IS 'Every row is to be read: never migrated, or the mapping changed';
COMMENT ON COLUMN migrated.analysis_entity.rows IS 'Rows in the source when it was made';

CREATE TABLE migrated.change (
  analysis   uuid NOT NULL REFERENCES migrated.analysis ON DELETE CASCADE,
  entity     text NOT NULL,
  ordinal    bigint NOT NULL,
  legacy_key text[] NOT NULL,
  kind       text NOT NULL CHECK (kind IN ('new', 'modified', 'deleted', 'unparked')),
  PRIMARY KEY (analysis, entity, ordinal)
);
COMMENT ON TABLE migrated.change IS 'The keys of an analysis; deletions have ordinals of their own, after the rest';

CREATE TABLE migrated.session (
  session     uuid PRIMARY KEY,
  number      integer GENERATED ALWAYS AS IDENTITY UNIQUE,
  analysis    uuid REFERENCES migrated.analysis,
  mode        text NOT NULL CHECK (mode IN ('initial', 'differential', 'full')),
  state       text NOT NULL CHECK (state IN ('pending', 'running', 'paused', 'completed', 'failed', 'cancelled')),
  reason      text,
  options     jsonb NOT NULL DEFAULT '{}',
  created_at  timestamptz NOT NULL DEFAULT pg_catalog.now(),
  started_at  timestamptz,
  finished_at timestamptz
);
COMMENT ON TABLE migrated.session IS 'One run of a migration';
COMMENT ON COLUMN migrated.session.number IS 'The session as the id maps name it';
CREATE UNIQUE INDEX session_one_at_a_time ON migrated.session ((true)) WHERE state IN ('pending', 'running', 'paused');

CREATE TABLE migrated.session_entity (
  session uuid NOT NULL REFERENCES migrated.session ON DELETE CASCADE,
  entity  text NOT NULL,
  level   integer NOT NULL,
  whole   boolean NOT NULL,
  state   text NOT NULL CHECK (state IN ('pending', 'running', 'paused', 'completed', 'failed', 'cancelled')),
  reason  text,
  total   bigint NOT NULL DEFAULT 0,
  planned boolean NOT NULL DEFAULT false,
  started_at  timestamptz,
  finished_at timestamptz,
  PRIMARY KEY (session, entity)
);
COMMENT ON TABLE migrated.session_entity IS 'One entity''s part of a session';
COMMENT ON COLUMN migrated.session_entity.planned IS 'All its batches are in migrated.batch';

CREATE TABLE migrated.batch (
  session     uuid NOT NULL REFERENCES migrated.session ON DELETE CASCADE,
  entity      text NOT NULL,
  number      integer NOT NULL,
  kind        text NOT NULL CHECK (kind IN ('range', 'keys', 'deletes')),
  low         text[],
  high        text[],
  done        boolean NOT NULL DEFAULT false,
  inserted    bigint NOT NULL DEFAULT 0,
  updated     bigint NOT NULL DEFAULT 0,
  unchanged   bigint NOT NULL DEFAULT 0,
  deleted     bigint NOT NULL DEFAULT 0,
  failed      bigint NOT NULL DEFAULT 0,
  parked      bigint NOT NULL DEFAULT 0,
  finished_at timestamptz,
  PRIMARY KEY (session, entity, number)
);
CREATE INDEX batch_finished ON migrated.batch (entity, finished_at);
COMMENT ON TABLE migrated.batch IS 'The checkpoint: one row for each transaction of a session, done in that very transaction';
COMMENT ON COLUMN migrated.batch.low IS 'range: rows above this legacy key (NULL: from the first); else the first ordinal of migrated.change';
COMMENT ON COLUMN migrated.batch.high IS 'range: rows up to this legacy key (NULL: to the last); else the last ordinal of migrated.change';

CREATE TABLE migrated.dead_letter (
  id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  entity          text NOT NULL,
  legacy_key      text[] NOT NULL,
  session         uuid NOT NULL,
  batch           integer NOT NULL,
  phase           text NOT NULL,
  sqlstate        text NOT NULL,
  constraint_name text,
  column_name     text,
  message         text NOT NULL,
  h1              bigint,
  h2              bigint,
  mapped          boolean NOT NULL,
  attempts        integer NOT NULL DEFAULT 1,
  state           text NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'resolved', 'discarded')),
  created_at      timestamptz NOT NULL DEFAULT pg_catalog.now(),
  updated_at      timestamptz NOT NULL DEFAULT pg_catalog.now(),
  UNIQUE (entity, legacy_key)
);
COMMENT ON TABLE migrated.dead_letter IS 'Rows that could not be applied; each is tried again when it changes in the source';
COMMENT ON COLUMN migrated.dead_letter.mapped IS 'The row is in the id map too: an earlier version of it was applied';
COMMENT ON COLUMN migrated.dead_letter.h1 IS 'Hash of the version that failed';

CREATE TABLE migrated.parked (
  entity        text NOT NULL,
  legacy_key    text[] NOT NULL,
  column_name   text NOT NULL,
  parent_entity text NOT NULL,
  parent_key    text[] NOT NULL,
  h1            bigint,
  h2            bigint,
  mapped        boolean NOT NULL,
  session       uuid NOT NULL,
  batch         integer NOT NULL,
  since         timestamptz NOT NULL DEFAULT pg_catalog.now(),
  PRIMARY KEY (entity, legacy_key)
);
COMMENT ON TABLE migrated.parked IS 'Rows that wait for a parent; they follow it by themselves';
CREATE INDEX parked_parent ON migrated.parked (parent_entity, parent_key);

CREATE TABLE migrated.deferred (
  entity        text NOT NULL,
  legacy_key    text[] NOT NULL,
  column_name   text NOT NULL,
  parent_entity text NOT NULL,
  parent_key    text[] NOT NULL,
  session       uuid NOT NULL,
  batch         integer NOT NULL,
  PRIMARY KEY (entity, legacy_key, column_name)
);
COMMENT ON TABLE migrated.deferred IS 'Single columns of applied rows that are NULL until their parent has arrived';
CREATE INDEX deferred_parent ON migrated.deferred (parent_entity, parent_key);

-- Begins a batch: waits until whoever else had it is resolved, then says whether it is still to be done.
-- MG001: it was done (a COMMIT whose answer was lost). MG002: the session is no longer running.
CREATE FUNCTION migrated.claim_batch(session uuid, entity text, number integer) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  batch_done boolean;
  session_state text;
BEGIN
  SELECT b.done
    INTO batch_done
    FROM migrated.batch AS b
   WHERE b.session = claim_batch.session
     AND b.entity = claim_batch.entity
     AND b.number = claim_batch.number
     FOR UPDATE;
  IF batch_done IS NULL THEN
    RAISE EXCEPTION 'no such batch' USING ERRCODE = 'MG003';
  ELSIF batch_done THEN
    RAISE EXCEPTION 'batch is done' USING ERRCODE = 'MG001';
  END IF;
  SELECT s.state
    INTO session_state
    FROM migrated.session AS s
   WHERE s.session = claim_batch.session;
  IF session_state NOT IN ('running', 'paused') THEN
    RAISE EXCEPTION 'session is %', session_state USING ERRCODE = 'MG002';
  END IF;
END
$$;
COMMENT ON FUNCTION migrated.claim_batch IS 'Locks a batch for the transaction that will do it; errors MG001 (done already), MG002 (session ended)';

-- What may be repeated of a server's message: values that it quotes are cut off. What a function or trigger raised by itself
-- may say anything, whatever its SQLSTATE, so none of it is kept; nor is a message with quotes of another language.
CREATE FUNCTION migrated.safe_message(sqlstate text, message text, context text DEFAULT '') RETURNS text
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
  SELECT CASE
           WHEN context ~ '^[^\n]*RAISE' OR context ~ 'PL/(Perl|Python|Tcl)|Traceback' THEN 'refused by the database'
           WHEN sqlstate LIKE '23%' THEN message
           WHEN sqlstate NOT LIKE '22%' THEN 'refused by the database'
           WHEN split_part(message, '"', 1) ~ '[^ -~]' THEN 'a value does not fit its type or its use'
           ELSE regexp_replace(message, '(: *)?["''].*$', '')
         END
$$;
COMMENT ON FUNCTION migrated.safe_message IS 'A server message without row values';

-- Applies rows that hold at least one bad one: halves until the bad rows stand alone, keeps the good.
-- `statement` applies the rows of the stage whose ctid is in $1, `letter` writes the dead letter of the row $1 with
-- ($2 SQLSTATE, $3 constraint, $4 column, $5 message). Rows that failed are tried once more at the end, since what
-- stood in their way may have been a later row (a unique value that moved). Only a row's own faults are
-- caught (class 22, 23, what triggers raise, and the like); anything else ends the transaction. No search_path of its own:
-- the target's triggers run within it, and find what they find elsewhere.
CREATE FUNCTION migrated.apply_isolated(statement text, letter text, rows tid[], last_try boolean DEFAULT false)
RETURNS tid[]
LANGUAGE plpgsql
AS $$
DECLARE
  middle integer := cardinality(rows) / 2;
  failed tid[];
  state text;
  constraint_name text;
  column_name text;
  message text;
  context text;
BEGIN
  IF cardinality(rows) = 0 OR rows IS NULL THEN
    RETURN '{}';
  END IF;
  BEGIN
    EXECUTE statement USING rows;
    RETURN '{}';
  EXCEPTION
    WHEN data_exception OR integrity_constraint_violation OR plpgsql_error OR program_limit_exceeded
      OR with_check_option_violation OR cardinality_violation OR external_routine_exception
      OR external_routine_invocation_exception THEN
      GET STACKED DIAGNOSTICS
        state = RETURNED_SQLSTATE,
        constraint_name = CONSTRAINT_NAME,
        column_name = COLUMN_NAME,
        message = MESSAGE_TEXT,
        context = PG_EXCEPTION_CONTEXT;
  END;
  IF cardinality(rows) > 1 THEN
    failed := migrated.apply_isolated(statement, letter, rows[1:middle], last_try)
           || migrated.apply_isolated(statement, letter, rows[middle + 1:], last_try);
    RETURN failed;
  END IF;
  IF last_try THEN
    EXECUTE letter USING rows[1], state, nullif(constraint_name, ''), nullif(column_name, ''),
                         migrated.safe_message(state, message, context);
  END IF;
  RETURN rows;
END
$$;
COMMENT ON FUNCTION migrated.apply_isolated IS 'Bisects a batch around its bad rows';

-- Can this text be read as a value of this type?
CREATE FUNCTION migrated.is_of_type(value text, type text) RETURNS boolean
LANGUAGE plpgsql STABLE STRICT
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  EXECUTE pg_catalog.format('SELECT CAST(%L AS %s)', value, type);
  RETURN true;
EXCEPTION
  WHEN data_exception THEN
    RETURN false;
END
$$;
COMMENT ON FUNCTION migrated.is_of_type IS 'Whether a text can be read as a value of a type';

-- Text that should hold JSON; NULL when it does not.
CREATE FUNCTION migrated.json_or_null(value text) RETURNS jsonb
LANGUAGE plpgsql IMMUTABLE STRICT
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  RETURN value::jsonb;
EXCEPTION
  WHEN data_exception OR program_limit_exceeded THEN
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION migrated.json_or_null IS 'Parses JSON, NULL for text that is none';
