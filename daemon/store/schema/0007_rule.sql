-- Business rules: which rows were carried although they break one that only warns.

CREATE TABLE migrated.rule_finding (
  entity     text NOT NULL,
  rule       text NOT NULL,
  legacy_key text[] NOT NULL,
  session    uuid NOT NULL,
  batch      integer NOT NULL,
  found_at   timestamptz NOT NULL DEFAULT pg_catalog.now(),
  PRIMARY KEY (entity, legacy_key, rule)
);
COMMENT ON TABLE migrated.rule_finding IS 'Rows that were carried although they break a rule that warns; one goes when its row is carried again and the rule holds';
COMMENT ON COLUMN migrated.rule_finding.rule IS 'Its name in the mapping';
COMMENT ON COLUMN migrated.rule_finding.batch IS 'Of the session: where the row was carried last';

ALTER TABLE migrated.batch
  ADD COLUMN warned bigint NOT NULL DEFAULT 0,
  ADD COLUMN warnings jsonb;
COMMENT ON COLUMN migrated.batch.warned IS 'Rows that were carried although they break a rule; they are counted as inserted, updated or unchanged, too';
COMMENT ON COLUMN migrated.batch.warnings IS 'How many of them break each rule';

-- Ends a statement because of a rule that rejects; what breaks it is set aside by those who called.
CREATE FUNCTION migrated.reject(rule text) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  RAISE EXCEPTION 'the rule % does not hold', rule USING ERRCODE = 'check_violation', CONSTRAINT = rule;
END
$$;
COMMENT ON FUNCTION migrated.reject IS 'Refuses a row that breaks a rule (SQLSTATE 23514, the rule as its constraint)';
