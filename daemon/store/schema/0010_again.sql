-- Rows that are to be carried again whatever detection says, and who has decided about dead letters.

CREATE TABLE migrated.again (
  entity       text NOT NULL,
  legacy_key   text[] NOT NULL,
  reason       text NOT NULL,
  requested_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
  PRIMARY KEY (entity, legacy_key)
);
COMMENT ON TABLE migrated.again IS 'Rows that are carried again by the next session that looks at their entity, whether they have changed or not';
COMMENT ON COLUMN migrated.again.reason IS 'What asked for it: retry (of a dead letter), conflict, repair';

ALTER TABLE migrated.change
  DROP CONSTRAINT change_kind_check,
  ADD CONSTRAINT change_kind_check CHECK (kind IN ('new', 'modified', 'deleted', 'unparked', 'again'));

ALTER TABLE migrated.session
  DROP CONSTRAINT session_mode_check,
  ADD CONSTRAINT session_mode_check CHECK (mode IN ('initial', 'differential', 'full', 'again'));

ALTER TABLE migrated.dead_letter
  ADD COLUMN decided_by bigint,
  ADD COLUMN decided_at timestamptz;
COMMENT ON COLUMN migrated.dead_letter.decided_by IS 'The user (uid) who discarded it, or asked for it to be tried again';

-- Resolved ones are kept, and need not be gone through for those that are open.
CREATE INDEX dead_letter_open ON migrated.dead_letter (entity, sqlstate) WHERE state = 'open';

-- Whether any row of an entity waits for a parent of that kind, and which.
CREATE INDEX parked_waiting ON migrated.parked (entity, parent_entity, parent_key);
