-- Why a session stands still, and what was asked of it while it could not be done at once.

ALTER TABLE migrated.session
  ADD COLUMN hold text CHECK (hold IN ('operator', 'breaker', 'timeout', 'environment')),
  ADD COLUMN cancelling boolean NOT NULL DEFAULT false,
  ADD COLUMN steered jsonb NOT NULL DEFAULT '{}',
  ADD COLUMN breach jsonb,
  ADD COLUMN approved jsonb NOT NULL DEFAULT '{}',
  ADD COLUMN active_ms bigint NOT NULL DEFAULT 0,
  ADD COLUMN active_since timestamptz DEFAULT pg_catalog.clock_timestamp();

COMMENT ON COLUMN migrated.session.hold IS 'Who or what holds a paused session: a person, a breaker, migration_timeout, or what surrounds it';
COMMENT ON COLUMN migrated.session.cancelling IS 'It was cancelled, and ends as soon as what was under way has ended';
COMMENT ON COLUMN migrated.session.steered IS 'Entities that were paused or cancelled before their parts began';
COMMENT ON COLUMN migrated.session.breach IS 'What a breaker holds the session for; resuming approves exactly that';
COMMENT ON COLUMN migrated.session.approved IS 'What was approved by resuming';
COMMENT ON COLUMN migrated.session.active_ms IS 'Time spent against migration_timeout, without pauses, until active_since';
COMMENT ON COLUMN migrated.session.active_since IS 'Time has counted since then; NULL: the session stands still';

UPDATE migrated.session
   SET hold = 'operator',
       active_since = NULL
 WHERE state = 'paused';
