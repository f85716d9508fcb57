-- Rows that wait for rows of their own entity follow them within a session.

-- Plans batches, of `size` rows each, of parked rows whose chain of parents within the entity ends at one that has arrived: their keys
-- are what the query `ready` finds, of those directly below one. Family by family, parents come before children, so that one pass in the
-- order of the batches carries them all, however long the chains. Rows that wait for each other in a ring stand in a batch of their own,
-- before what hangs on them. Nothing is planned as long as batches are to be done.
CREATE FUNCTION migrated.follow(session uuid, entity text, analysis uuid, size bigint, ready text)
RETURNS SETOF migrated.batch
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  last bigint;
  highest integer;
  waiting bigint;
  in_rings bigint;
  reach bigint;
BEGIN
  PERFORM
     FROM migrated.session_entity AS e
    WHERE e.session = follow.session
      AND e.entity = follow.entity
      FOR UPDATE;
  IF NOT EXISTS (SELECT FROM migrated.parked AS p
                  WHERE p.entity = follow.entity AND p.parent_entity = follow.entity)
     OR EXISTS (SELECT FROM migrated.batch AS b
                 WHERE b.session = follow.session AND b.entity = follow.entity AND b.kind <> 'deletes' AND NOT b.done) THEN
    RETURN;
  END IF;

  -- top: an ancestor among the waiting, depth: how far above; over: there is none above that.
  CREATE TEMPORARY TABLE kin ON COMMIT DROP AS
  SELECT row_number() OVER (ORDER BY p.legacy_key) AS id,
         p.legacy_key,
         p.parent_key,
         NULL::bigint AS up,
         NULL::bigint AS top,
         0::bigint AS depth,
         true AS over,
         false AS ready,
         false AS ring
    FROM migrated.parked AS p
   WHERE p.entity = follow.entity
     AND p.parent_entity = follow.entity;
  GET DIAGNOSTICS waiting = ROW_COUNT;
  EXECUTE 'UPDATE pg_temp.kin AS k SET ready = true FROM (' || ready || ') AS arrived (legacy_key) '
          'WHERE k.legacy_key = arrived.legacy_key';
  UPDATE pg_temp.kin AS k
     SET up = p.id
    FROM pg_temp.kin AS p
   WHERE p.legacy_key = k.parent_key
     AND NOT k.ready;

  -- The second time for what hangs below rings, whose members are tops then.
  FOR attempt IN 1 .. 2 LOOP
    UPDATE pg_temp.kin AS k
       SET top = coalesce(k.up, k.id),
           depth = CASE WHEN k.up IS NULL THEN 0 ELSE 1 END,
           over = k.up IS NULL
     WHERE k.top IS NULL
        OR NOT k.over;
    -- Each round doubles how far up a row sees.
    reach := 1;
    LOOP
      UPDATE pg_temp.kin AS k
         SET top = p.top,
             depth = k.depth + p.depth,
             over = p.over
        FROM pg_temp.kin AS p
       WHERE p.id = k.top
         AND NOT k.over;
      EXIT WHEN NOT FOUND OR reach > waiting;
      reach := reach * 2;
    END LOOP;
    -- Who still sees no end is in a ring, or below one; what it sees is in one.
    UPDATE pg_temp.kin AS k
       SET ring = true,
           ready = true,
           up = NULL
     WHERE k.id IN (SELECT lost.top FROM pg_temp.kin AS lost WHERE NOT lost.over);
    EXIT WHEN NOT FOUND;
  END LOOP;

  SELECT coalesce(max(c.ordinal), 0)
    INTO last
    FROM migrated.change AS c
   WHERE c.analysis = follow.analysis
     AND c.entity = follow.entity;
  SELECT coalesce(max(b.number), 0)
    INTO highest
    FROM migrated.batch AS b
   WHERE b.session = follow.session
     AND b.entity = follow.entity;
  SELECT count(*) INTO in_rings FROM pg_temp.kin AS k WHERE k.ring;
  INSERT INTO migrated.change (analysis, entity, ordinal, legacy_key, kind)
  SELECT follow.analysis,
         follow.entity,
         last + row_number() OVER (ORDER BY k.ring DESC, k.top, k.depth, k.id),
         k.legacy_key,
         'unparked'
    FROM pg_temp.kin AS k
    JOIN pg_temp.kin AS t
      ON t.id = k.top
     AND t.ready
   WHERE k.over;
  GET DIAGNOSTICS waiting = ROW_COUNT;
  UPDATE migrated.session_entity AS e
     SET total = e.total + waiting,
         keys_to = last + waiting
   WHERE e.session = follow.session
     AND e.entity = follow.entity
     AND waiting > 0;
  RETURN QUERY
  INSERT INTO migrated.batch AS b (session, entity, number, kind, low, high)
  SELECT follow.session,
         follow.entity,
         highest + row_number() OVER (ORDER BY min(place.number))::integer,
         'keys',
         ARRAY[(last + min(place.number))::text],
         ARRAY[(last + max(place.number))::text]
    FROM generate_series(1, waiting) AS place (number)
   GROUP BY CASE WHEN place.number <= in_rings THEN -1 ELSE (place.number - in_rings - 1) / size END
  RETURNING b.*;
END
$$;
COMMENT ON FUNCTION migrated.follow IS 'Plans batches of parked rows whose parents within the entity have arrived';
