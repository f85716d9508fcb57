-- The quiet look. {entities} and {probes} by quiet.c.

-- name: quiet_states
-- Target. What is kept of each entity, and whether rows wait that could go on now: parked or deferred ones, or dead letters that
-- other rows may have stood in the way of, of whose parents (or of which entity itself) something was written since; or rows that
-- were asked for again. Most often nothing was written since, so that is asked first, and once. And with each the same: why cycles
-- are held, if they are, and how many milliseconds ago that entity was swept which has not been for longest.
WITH wanted (position, entity, related, hybrid) AS (
  VALUES {entities}
),
written AS MATERIALIZED (
  SELECT r.entity,
         (SELECT b.finished_at
            FROM migrated.batch AS b
           WHERE b.entity = r.entity
             AND b.finished_at IS NOT NULL
             AND b.inserted + b.updated + b.deleted > 0
           ORDER BY b.finished_at DESC
           LIMIT 1) AS at
    FROM (SELECT DISTINCT pg_catalog.unnest(wanted.related) AS entity
            FROM wanted) AS r
)
SELECT coalesce(e.fingerprint, ''),
       e.watermark,
       e.observed,
       EXISTS (SELECT
                 FROM written
                WHERE written.entity = ANY (wanted.related)
                  AND CASE WHEN written.at > e.last_migrated
                           THEN EXISTS (SELECT FROM migrated.parked AS p
                                         WHERE p.entity = wanted.entity AND p.parent_entity = written.entity)
                                OR EXISTS (SELECT FROM migrated.deferred AS d
                                            WHERE d.entity = wanted.entity AND d.parent_entity = written.entity)
                           ELSE false
                      END)
         OR coalesce((SELECT pg_catalog.max(written.at)
                        FROM written
                       WHERE written.entity = ANY (wanted.related))
                     > (SELECT pg_catalog.min(l.updated_at)
                          FROM migrated.dead_letter AS l
                         WHERE l.entity = wanted.entity
                           AND l.state = 'open'
                           AND l.phase <> 'delete'
                           AND l.sqlstate IN ('23503', '23505', '23P01')), false)
         OR EXISTS (SELECT FROM migrated.again AS g WHERE g.entity = wanted.entity),
       (SELECT pg_catalog.to_jsonb(o) ->> 'cycles_held' FROM migrated.owner AS o),
       (pg_catalog.date_part('epoch', pg_catalog.clock_timestamp() - pg_catalog.min(e.last_sweep) FILTER (WHERE wanted.hybrid) OVER ())
        * 1000)::bigint
  FROM wanted
  LEFT JOIN migrated.entity AS e
    ON e.entity = wanted.entity
 ORDER BY wanted.position

-- name: quiet_probe
-- Source. Which of the probes have found a row? All in one statement that may be carried out in parallel, each table once.
SELECT found.probe
  FROM (
{probes}
       ) AS found
 GROUP BY found.probe

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
