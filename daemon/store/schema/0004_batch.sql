-- Batches that are planned as they are needed, and can be split in two. Where planning stands is kept by itself, so that numbers
-- of batches need not be in the order of their keys.

ALTER TABLE migrated.session_entity RENAME COLUMN planned TO counted;
ALTER TABLE migrated.session_entity ADD COLUMN planned_to text[];
ALTER TABLE migrated.session_entity ADD COLUMN ranges_planned boolean NOT NULL DEFAULT false;
ALTER TABLE migrated.session_entity ADD COLUMN keys_to bigint NOT NULL DEFAULT 0;
ALTER TABLE migrated.session_entity ADD COLUMN deletes_to bigint NOT NULL DEFAULT 0;
COMMENT ON COLUMN migrated.session_entity.counted IS 'Its change set is complete, parked rows that follow included, and counted in total';
COMMENT ON COLUMN migrated.session_entity.planned_to IS 'The legacy key that the last planned range ends at; NULL: none is planned, or there is but one';
COMMENT ON COLUMN migrated.session_entity.ranges_planned IS 'The last range, which has no end, is planned';
COMMENT ON COLUMN migrated.session_entity.keys_to IS 'The last ordinal of migrated.change of which a batch is planned, deletions left out';
COMMENT ON COLUMN migrated.session_entity.deletes_to IS 'The same of deletions';

ALTER TABLE migrated.batch ADD COLUMN split_from integer;
COMMENT ON COLUMN migrated.batch.split_from IS 'The batch it was the upper half of, which has kept its number with the lower';

-- Sessions under way were planned by their highest number.
UPDATE migrated.session_entity AS e
   SET planned_to = (SELECT b.high
                       FROM migrated.batch AS b
                      WHERE (b.session, b.entity) = (e.session, e.entity)
                        AND b.kind = 'range'
                        AND b.high IS NOT NULL
                      ORDER BY b.number DESC
                      LIMIT 1),
       ranges_planned = EXISTS (SELECT FROM migrated.batch AS b
                                 WHERE (b.session, b.entity) = (e.session, e.entity)
                                   AND b.kind = 'range'
                                   AND b.high IS NULL),
       keys_to = coalesce((SELECT pg_catalog.max(b.high[1]::bigint)
                             FROM migrated.batch AS b
                            WHERE (b.session, b.entity) = (e.session, e.entity)
                              AND b.kind = 'keys'), 0),
       deletes_to = coalesce((SELECT pg_catalog.max(b.high[1]::bigint)
                                FROM migrated.batch AS b
                               WHERE (b.session, b.entity) = (e.session, e.entity)
                                 AND b.kind = 'deletes'), 0)
 WHERE e.state NOT IN ('completed', 'failed', 'cancelled');

-- Who plans holds the entity's row, and must know where planning stands: a plan whose answer was lost is read, not made twice.

-- Adds ranges from the legacy key `after` (NULL: the first) to each of `ends`, in order; NULL, as the last of them: to the last key.
CREATE FUNCTION migrated.plan_ranges(session uuid, entity text, after text[], ends jsonb)
RETURNS SETOF migrated.batch
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  planned_to text[];
  planned boolean;
  highest integer;
BEGIN
  SELECT e.planned_to, e.ranges_planned
    INTO planned_to, planned
    FROM migrated.session_entity AS e
   WHERE e.session = plan_ranges.session
     AND e.entity = plan_ranges.entity
     FOR UPDATE;
  IF planned OR planned_to IS DISTINCT FROM after THEN
    RAISE EXCEPTION 'these ranges are planned already' USING ERRCODE = 'serialization_failure';
  END IF;
  SELECT coalesce(max(b.number), 0)
    INTO highest
    FROM migrated.batch AS b
   WHERE b.session = plan_ranges.session
     AND b.entity = plan_ranges.entity;
  UPDATE migrated.session_entity AS e
     SET planned_to = coalesce((SELECT (r.key_end)::text[]
                                  FROM jsonb_array_elements_text(ends) WITH ORDINALITY AS r (key_end, place)
                                 WHERE r.key_end IS NOT NULL
                                 ORDER BY r.place DESC
                                 LIMIT 1), after),
         ranges_planned = EXISTS (SELECT FROM jsonb_array_elements_text(ends) AS r (key_end) WHERE r.key_end IS NULL)
   WHERE e.session = plan_ranges.session
     AND e.entity = plan_ranges.entity;
  RETURN QUERY
  INSERT INTO migrated.batch AS b (session, entity, number, kind, low, high)
  SELECT plan_ranges.session,
         plan_ranges.entity,
         highest + r.place::integer,
         'range',
         CASE WHEN r.place = 1 THEN after ELSE (lag(r.key_end) OVER (ORDER BY r.place))::text[] END,
         (r.key_end)::text[]
    FROM jsonb_array_elements_text(ends) WITH ORDINALITY AS r (key_end, place)
  RETURNING b.*;
END
$$;
COMMENT ON FUNCTION migrated.plan_ranges IS 'Adds ranges of keys to an entity''s batches';

-- Adds up to `slices` slices of `size` changes each, behind the ordinal `after`: deletions, or all others.
CREATE FUNCTION migrated.plan_slices(session uuid, entity text, analysis uuid, deletes boolean, after bigint, size bigint, slices bigint)
RETURNS SETOF migrated.batch
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  planned_to bigint;
  highest integer;
BEGIN
  SELECT CASE WHEN deletes THEN e.deletes_to ELSE e.keys_to END
    INTO planned_to
    FROM migrated.session_entity AS e
   WHERE e.session = plan_slices.session
     AND e.entity = plan_slices.entity
     FOR UPDATE;
  IF planned_to IS DISTINCT FROM after THEN
    RAISE EXCEPTION 'these slices are planned already' USING ERRCODE = 'serialization_failure';
  END IF;
  SELECT coalesce(max(b.number), 0)
    INTO highest
    FROM migrated.batch AS b
   WHERE b.session = plan_slices.session
     AND b.entity = plan_slices.entity;
  RETURN QUERY
  WITH placed AS (
    SELECT c.ordinal,
           row_number() OVER (ORDER BY c.ordinal) - 1 AS place
      FROM migrated.change AS c
     WHERE c.analysis = plan_slices.analysis
       AND c.entity = plan_slices.entity
       AND c.ordinal > after
       AND (c.kind = 'deleted') = deletes
     ORDER BY c.ordinal
     LIMIT size * slices
  ),
  cut AS (
    SELECT p.place / size AS slice,
           min(p.ordinal) AS low,
           max(p.ordinal) AS high
      FROM placed AS p
     GROUP BY slice
  ),
  moved AS (
    UPDATE migrated.session_entity AS e
       SET keys_to = CASE WHEN deletes THEN e.keys_to ELSE far.high END,
           deletes_to = CASE WHEN deletes THEN far.high ELSE e.deletes_to END
      FROM (SELECT max(cut.high) AS high FROM cut) AS far
     WHERE e.session = plan_slices.session
       AND e.entity = plan_slices.entity
       AND far.high IS NOT NULL
  )
  INSERT INTO migrated.batch AS b (session, entity, number, kind, low, high)
  SELECT plan_slices.session,
         plan_slices.entity,
         highest + 1 + cut.slice::integer,
         CASE WHEN deletes THEN 'deletes' ELSE 'keys' END,
         ARRAY[cut.low::text],
         ARRAY[cut.high::text]
    FROM cut
  RETURNING b.*;
END
$$;
COMMENT ON FUNCTION migrated.plan_slices IS 'Adds slices of a change set to an entity''s batches';

-- Splits a batch in two: it keeps its number with the rows up to `middle` (a legacy key), and a new one has those above. A slice of
-- changes finds its middle by itself. Returns both; nothing when it cannot be divided. MG001: it was done meanwhile.
CREATE FUNCTION migrated.split_batch(session uuid, entity text, number integer, analysis uuid, middle text[])
RETURNS SETOF migrated.batch
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  whole migrated.batch;
  lower_end text[] := middle;
  upper_start text[] := middle;
  highest integer;
BEGIN
  PERFORM
     FROM migrated.session_entity AS e
    WHERE e.session = split_batch.session
      AND e.entity = split_batch.entity
      FOR UPDATE;
  SELECT b.*
    INTO whole
    FROM migrated.batch AS b
   WHERE b.session = split_batch.session
     AND b.entity = split_batch.entity
     AND b.number = split_batch.number
     FOR UPDATE;
  IF whole.done THEN
    RAISE EXCEPTION 'batch is done' USING ERRCODE = 'MG001';
  END IF;
  IF whole.kind <> 'range' THEN
    SELECT ARRAY[(halves.ordinals[cardinality(halves.ordinals) / 2])::text],
           ARRAY[(halves.ordinals[cardinality(halves.ordinals) / 2 + 1])::text]
      INTO lower_end, upper_start
      FROM (SELECT array_agg(c.ordinal ORDER BY c.ordinal) AS ordinals
              FROM migrated.change AS c
             WHERE c.analysis = split_batch.analysis
               AND c.entity = split_batch.entity
               AND c.ordinal BETWEEN whole.low[1]::bigint AND whole.high[1]::bigint
               AND (c.kind = 'deleted') = (whole.kind = 'deletes')) AS halves
     WHERE cardinality(halves.ordinals) > 1;
  END IF;
  IF lower_end IS NULL THEN
    RETURN;
  END IF;
  SELECT max(b.number)
    INTO highest
    FROM migrated.batch AS b
   WHERE b.session = split_batch.session
     AND b.entity = split_batch.entity;
  RETURN QUERY
  UPDATE migrated.batch AS b
     SET high = lower_end
   WHERE b.session = split_batch.session
     AND b.entity = split_batch.entity
     AND b.number = split_batch.number
  RETURNING b.*;
  RETURN QUERY
  INSERT INTO migrated.batch AS b (session, entity, number, kind, low, high, split_from)
  VALUES (split_batch.session, split_batch.entity, highest + 1, whole.kind, upper_start, whole.high, split_batch.number)
  RETURNING b.*;
END
$$;
COMMENT ON FUNCTION migrated.split_batch IS 'Splits a batch in two; error MG001 (done already)';
