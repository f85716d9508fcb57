-- Validations: what was compared of source and target, how far, and what differs. Keys and names stand here, never values.

CREATE TABLE migrated.validation (
  validation  uuid PRIMARY KEY,
  session     uuid REFERENCES migrated.session ON DELETE CASCADE,
  step        text CHECK (step IN ('before', 'after')),
  state       text NOT NULL DEFAULT 'running' CHECK (state IN ('running', 'completed', 'failed', 'cancelled')),
  reason      text,
  options     jsonb NOT NULL DEFAULT '{}',
  created_at  timestamptz NOT NULL DEFAULT pg_catalog.now(),
  started_at  timestamptz,
  finished_at timestamptz,
  UNIQUE (session, step),
  CHECK ((session IS NULL) = (step IS NULL))
);
CREATE INDEX validation_unfinished ON migrated.validation (created_at) WHERE state = 'running';
COMMENT ON TABLE migrated.validation IS 'Comparisons of source and target, by request or as a step of a session';
COMMENT ON COLUMN migrated.validation.session IS 'The session that it is a step of; NULL: it was asked for';
COMMENT ON COLUMN migrated.validation.step IS 'before or after the rows of an entity are carried';
COMMENT ON COLUMN migrated.validation.state IS 'completed says that it went through, not that nothing differs';
COMMENT ON COLUMN migrated.validation.options IS 'What was asked for: entities, exclude, checks, repair';

CREATE TABLE migrated.validation_entity (
  validation  uuid NOT NULL REFERENCES migrated.validation ON DELETE CASCADE,
  entity      text NOT NULL,
  "check"     text NOT NULL CHECK ("check" IN ('counts', 'references', 'mappings', 'values', 'rules')),
  position    integer NOT NULL,
  state       text NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'running', 'done', 'unchecked', 'failed')),
  cursor      text,
  rows        bigint NOT NULL DEFAULT 0,
  waiting     bigint NOT NULL DEFAULT 0,
  differences bigint NOT NULL DEFAULT 0,
  repaired    bigint NOT NULL DEFAULT 0,
  total       bigint,
  reason      text,
  elapsed_ms  bigint NOT NULL DEFAULT 0,
  started_at  timestamptz,
  finished_at timestamptz,
  PRIMARY KEY (validation, entity, "check")
);
COMMENT ON TABLE migrated.validation_entity IS 'One row for each check of each entity';
COMMENT ON COLUMN migrated.validation_entity.state IS 'done: all of it was looked at; unchecked, failed: it was not, and that is no pass';
COMMENT ON COLUMN migrated.validation_entity.cursor IS 'How far it was looked at, in the check''s own words; NULL: from the beginning. Whoever goes on begins there';
COMMENT ON COLUMN migrated.validation_entity.rows IS 'Rows that were looked at';
COMMENT ON COLUMN migrated.validation_entity.waiting IS 'Rows of them that wait: new or changed since they were handled, parked, set aside, held; no differences';
COMMENT ON COLUMN migrated.validation_entity.differences IS 'All that were found, also those that are not kept one by one';
COMMENT ON COLUMN migrated.validation_entity.total IS 'How many rows there are to look at, as far as it is known; for progress';
COMMENT ON COLUMN migrated.validation_entity.reason IS 'Why it was not checked, or failed';

CREATE TABLE migrated.validation_difference (
  id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  validation uuid NOT NULL,
  entity     text NOT NULL,
  "check"    text NOT NULL,
  kind       text NOT NULL CHECK (kind IN ('changed', 'missing', 'extra', 'reference', 'swapped', 'orphan', 'unmapped', 'dangling',
                                           'duplicate', 'rule', 'count')),
  legacy_key text[],
  target_key text[],
  columns    text[] NOT NULL DEFAULT '{}',
  name       text,
  state      text NOT NULL DEFAULT 'found' CHECK (state IN ('found', 'repaired', 'gone')),
  found_at   timestamptz NOT NULL DEFAULT pg_catalog.now(),
  FOREIGN KEY (validation, entity, "check") REFERENCES migrated.validation_entity ON DELETE CASCADE
);
CREATE INDEX validation_difference_of ON migrated.validation_difference (validation, entity, "check");
COMMENT ON TABLE migrated.validation_difference IS 'Rows that differ, by key; as many as validation_keep_differences says are kept';
COMMENT ON COLUMN migrated.validation_difference.kind IS 'changed: columns differ; reference: one of them is a reference; missing: not in the target; extra: in the target only; swapped: the id map leads to the row of another key; orphan: refers to a row that is not there; unmapped: not in the id map; dangling: in the id map, not in the target; duplicate: two for one key; rule: breaks a rule; count: numbers do not add up';
COMMENT ON COLUMN migrated.validation_difference.name IS 'Of the constraint or rule';
COMMENT ON COLUMN migrated.validation_difference.state IS 'found; repaired: it was carried again and is equal now; gone: it was equal when it was looked at again, or not there any more';
