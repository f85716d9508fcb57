-- Rows that follow rows of their own entity.

-- name: follow
-- {before}: the function's temporary table, where the transaction in which it was made is not over.
{before}SELECT number, kind, low, high
  FROM migrated.follow('{session}', '{entity}', '{analysis}', {size}, {ready})
 ORDER BY number

-- name: follow_ready
-- Parked rows whose parent has arrived. One whose hash was forgotten is to be brought again first.
SELECT p.legacy_key
  FROM migrated.parked AS p
  JOIN {id_map} AS m
    ON {m_is_parent}
   AND m.h1 IS NOT NULL{present}
 WHERE p.entity = '{entity}'
   AND p.parent_entity = '{entity}'

-- name: release
-- Deletions that the database refused in this session, since rows of the same entity that went later referred to them, are planned once
-- more, the last first. How many.
WITH stands AS MATERIALIZED (
  SELECT e.deletes_to
    FROM migrated.session_entity AS e
   WHERE e.session = '{session}'
     AND e.entity = '{entity}'
     FOR UPDATE
),
refused AS (
  SELECT d.legacy_key,
         pg_catalog.max(c.ordinal) AS ordinal
    FROM migrated.dead_letter AS d
    JOIN migrated.change AS c
      ON c.analysis = '{analysis}'
     AND c.entity = d.entity
     AND c.legacy_key = d.legacy_key
     AND c.kind = 'deleted'
   WHERE d.entity = '{entity}'
     AND d.session = '{session}'
     AND d.phase = 'delete'
     AND d.sqlstate = '23503'
     AND d.state = 'open'
   GROUP BY d.legacy_key
),
planned AS (
  INSERT INTO migrated.change (analysis, entity, ordinal, legacy_key, kind)
  SELECT '{analysis}',
         '{entity}',
         (SELECT pg_catalog.max(c.ordinal) FROM migrated.change AS c WHERE c.analysis = '{analysis}' AND c.entity = '{entity}')
           + pg_catalog.row_number() OVER (ORDER BY r.ordinal DESC),
         r.legacy_key,
         'deleted'
    FROM refused AS r
   WHERE NOT EXISTS (SELECT
                       FROM migrated.change AS c
                      CROSS JOIN stands
                      WHERE c.analysis = '{analysis}'
                        AND c.entity = '{entity}'
                        AND c.kind = 'deleted'
                        AND c.ordinal > stands.deletes_to)
  RETURNING 1
)
UPDATE migrated.session_entity AS e
   SET total = e.total + (SELECT pg_catalog.count(*) FROM planned)
 WHERE e.session = '{session}'
   AND e.entity = '{entity}'
RETURNING (SELECT pg_catalog.count(*) FROM planned)
