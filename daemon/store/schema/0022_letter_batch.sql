-- The log tells of rows as they are set aside, batch by batch.

CREATE INDEX dead_letter_batch ON migrated.dead_letter (session, entity, batch);
COMMENT ON INDEX migrated.dead_letter_batch IS 'What a batch has set aside, which is told in the log when it is done';
