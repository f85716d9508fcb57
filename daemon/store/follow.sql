-- Rows that follow rows of their own entity.

-- name: follow
SELECT number, kind, low, high
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
