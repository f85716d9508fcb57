-- What the checks before and after an entity's part of a session have found, beside the part itself.

ALTER TABLE migrated.session_entity
  ADD COLUMN differences bigint NOT NULL DEFAULT 0,
  ADD COLUMN unchecked bigint NOT NULL DEFAULT 0;
COMMENT ON COLUMN migrated.session_entity.differences IS 'Found by the checks before and after it (migrated.validation of this session)';
COMMENT ON COLUMN migrated.session_entity.unchecked IS 'Checks of them that could not be made to their end';
