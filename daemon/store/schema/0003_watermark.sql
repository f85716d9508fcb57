-- Watermarks: what detection has seen of the source up to, kept with what was applied of it.

CREATE SEQUENCE migrated.observation;
COMMENT ON SEQUENCE migrated.observation IS 'Puts the looks at an entity in order, whatever any clock says';

ALTER TABLE migrated.entity
  ADD COLUMN watermark jsonb,
  ADD COLUMN observed bigint NOT NULL DEFAULT 0,
  ADD COLUMN last_sweep timestamptz;
COMMENT ON COLUMN migrated.entity.watermark IS 'The moment of the source up to which all changes of this entity were applied';
COMMENT ON COLUMN migrated.entity.observed IS 'The look (migrated.observation) that the watermark is of; an older one does not replace it';
COMMENT ON COLUMN migrated.entity.last_sweep IS 'When the last comparison of every row began whose findings were all carried out';
COMMENT ON COLUMN migrated.entity.last_detected IS 'When its source was looked at last';

ALTER TABLE migrated.analysis
  ADD COLUMN source text;
COMMENT ON COLUMN migrated.analysis.source IS 'The source that was looked at: system identifier and OID of the database';

ALTER TABLE migrated.analysis_entity
  ADD COLUMN watermark jsonb,
  ADD COLUMN observed bigint NOT NULL DEFAULT pg_catalog.nextval('migrated.observation');
COMMENT ON COLUMN migrated.analysis_entity.watermark IS 'The moment before its first read; the entity''s own once all is applied';

CREATE TABLE migrated.source (
  one      boolean PRIMARY KEY DEFAULT true CHECK (one),
  identity text NOT NULL,
  since    timestamptz NOT NULL DEFAULT pg_catalog.now()
);
COMMENT ON TABLE migrated.source IS 'The source that sessions have been completed with';
COMMENT ON COLUMN migrated.source.identity IS 'System identifier and OID of the database, as pg_control_system() and pg_database have them';
