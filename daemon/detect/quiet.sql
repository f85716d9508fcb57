-- The quiet look. {entities} and {probes} by quiet.c.

-- name: quiet_states
-- Target. What is kept of each entity, and whether rows wait that could go on now: parked or deferred ones, or dead letters that
-- other rows may have stood in the way of, of whose parents (or of which entity itself) something was written since; or rows that
-- were asked for again.
SELECT wanted.entity,
       coalesce(e.fingerprint, ''),
       e.watermark,
       e.observed,
       EXISTS (SELECT
                 FROM (SELECT related.entity, e.last_migrated AS since
                         FROM pg_catalog.unnest(wanted.related) AS related (entity)
                        WHERE EXISTS (SELECT FROM migrated.parked AS p
                                       WHERE p.entity = wanted.entity AND p.parent_entity = related.entity)
                           OR EXISTS (SELECT FROM migrated.deferred AS d
                                       WHERE d.entity = wanted.entity AND d.parent_entity = related.entity)
                        UNION
                       SELECT related.entity, pg_catalog.min(l.updated_at)
                         FROM migrated.dead_letter AS l
                        CROSS JOIN pg_catalog.unnest(wanted.related) AS related (entity)
                        WHERE l.entity = wanted.entity
                          AND l.state = 'open'
                          AND l.phase <> 'delete'
                          AND l.sqlstate IN ('23503', '23505', '23P01')
                        GROUP BY related.entity) AS waits (parent_entity, since)
                 JOIN migrated.batch AS b
                   ON b.entity = waits.parent_entity
                  AND b.finished_at > waits.since
                WHERE b.inserted + b.updated + b.deleted > 0)
         OR EXISTS (SELECT FROM migrated.again AS g WHERE g.entity = wanted.entity)
  FROM (VALUES {entities}) AS wanted (position, entity, related)
  LEFT JOIN migrated.entity AS e
    ON e.entity = wanted.entity
 ORDER BY wanted.position

-- name: quiet_probe
-- Source. One column for each probe: is there such a row?
SELECT {probes}

-- name: quiet_rows
-- Source, for one entity: key and hashes of the rows that its probe has found, but no more than {most}.
({rows} LIMIT {most})

-- name: quiet_unseen
-- Target, for one entity: is any of these rows not as it was handled? $1 is [{"i": …, "key": …, "h1": …, "h2": …}, …].
SELECT {position}
 WHERE EXISTS (SELECT
                 FROM pg_catalog.jsonb_to_recordset($1::jsonb) AS s (i integer, key text, h1 bigint, h2 bigint)
                 LEFT JOIN {seen} AS m
                   ON {m_is_key}
                WHERE s.i = {position}
                  AND (s.h1, s.h2) IS DISTINCT FROM (m.h1, m.h2))

-- name: quiet_move
-- Target. The watermarks of quiet entities move on, unless a session has moved them meanwhile;
-- $1 is [{"entity": …, "observed": …, "watermark": …}, …].
UPDATE migrated.entity AS e
   SET watermark = quiet.watermark,
       observed = pg_catalog.nextval('migrated.observation'),
       last_detected = pg_catalog.clock_timestamp()
  FROM pg_catalog.jsonb_to_recordset($1::jsonb) AS quiet (entity text, observed bigint, watermark jsonb)
 WHERE e.entity = quiet.entity
   AND e.observed = quiet.observed
