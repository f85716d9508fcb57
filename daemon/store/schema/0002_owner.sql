-- Who may write. One daemon at a time owns the control schema: it holds an advisory lock for as long as its connection lives, and
-- has counted the epoch up. What is written on other connections of its is checked against the epoch.

CREATE TABLE migrated.owner (
  epoch    bigint PRIMARY KEY,
  instance uuid,
  host     text,
  pid      integer,
  since    timestamptz
);
CREATE UNIQUE INDEX owner_only_one ON migrated.owner ((true));
INSERT INTO migrated.owner (epoch) VALUES (0);

COMMENT ON TABLE migrated.owner IS 'The daemon that may write, always one row';
COMMENT ON COLUMN migrated.owner.epoch IS 'Counted up whenever another daemon takes over; it is the key so that taking over waits for batches under way';
COMMENT ON COLUMN migrated.owner.instance IS 'One life of a daemon; NULL: none yet';

-- Locks the epoch for a transaction that writes under it: who takes over has to wait until it is over.
-- MG004: another daemon has taken over.
CREATE FUNCTION migrated.hold_epoch(epoch bigint) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  PERFORM
     FROM migrated.owner AS o
    WHERE o.epoch = hold_epoch.epoch
      FOR KEY SHARE;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'another daemon has taken over' USING ERRCODE = 'MG004';
  END IF;
END
$$;
COMMENT ON FUNCTION migrated.hold_epoch IS 'Refuses a transaction of a daemon that is no longer the owner (MG004), and keeps the epoch while it lasts';

-- Begins a batch, as before, but only for the owner.
DROP FUNCTION migrated.claim_batch(uuid, text, integer);
CREATE FUNCTION migrated.claim_batch(session uuid, entity text, number integer, epoch bigint) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  batch_done boolean;
  session_state text;
BEGIN
  PERFORM migrated.hold_epoch(epoch);
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
COMMENT ON FUNCTION migrated.claim_batch IS 'Locks a batch for the transaction that will do it; errors MG001 (done already), MG002 (session ended), MG004 (another daemon has taken over)';
