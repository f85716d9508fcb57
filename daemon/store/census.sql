-- What is counted for those who measure (monitor/census.c). Open letters and held conflicts by partial indexes, parked rows by theirs.

-- name: census
-- What, of which entity, how many. Differences are those of the last validation that looked at the entity, of the last fifty.
SELECT 'dead_letters' AS what,
       d.entity,
       pg_catalog.count(*) AS rows
  FROM migrated.dead_letter AS d
 WHERE d.state = 'open'
 GROUP BY d.entity
 UNION ALL
SELECT 'parked',
       p.entity,
       pg_catalog.count(*)
  FROM migrated.parked AS p
 GROUP BY p.entity
 UNION ALL
SELECT 'held',
       c.entity,
       pg_catalog.count(*)
  FROM migrated.conflict AS c
 WHERE c.state = 'held'
 GROUP BY c.entity
 UNION ALL
(SELECT DISTINCT ON (e.entity)
       'differences',
       e.entity,
       pg_catalog.sum(e.differences - e.repaired)::bigint
  FROM (SELECT v.validation,
               v.finished_at
          FROM migrated.validation AS v
         WHERE v.state = 'completed'
         ORDER BY v.finished_at DESC
         LIMIT 50) AS v
  JOIN migrated.validation_entity AS e
    ON e.validation = v.validation
 GROUP BY e.entity, v.validation, v.finished_at
 ORDER BY e.entity, v.finished_at DESC)
 UNION ALL
SELECT 'last_success',
       '',
       (pg_catalog.date_part('epoch', pg_catalog.max(s.finished_at)) * 1000000)::bigint
  FROM migrated.session AS s
 WHERE s.state = 'completed'
   AND s.mode NOT IN ('rollback', 'again')
