-- Repairing what a validation has found: rows that differ are carried again; {holes} by repair_sql.c.

-- name: repair_lead
-- Store. A mapping that leads to the row of another legacy key, or to none, is led to the row that carries its own.
UPDATE {id_map} AS m
   SET {m_t_is_t},
       w1 = NULL
  FROM migrated.validation_difference AS d,
       {target} AS t
 WHERE d.validation = '{validation}'
   AND d.entity = {entity}
   AND d.state = 'found'
   AND d.kind IN ('swapped', 'missing', 'dangling')
   AND {m_is_d}
   AND {t_carries_d}
   AND ({m_t}) IS DISTINCT FROM ({t_keys});

-- name: repair_extra
-- Store. An extra row goes as one whose source row is gone: it is mapped first, or not gone yet.
UPDATE {id_map} AS m
   SET gone = NULL
  FROM migrated.validation_difference AS d
 WHERE d.validation = '{validation}'
   AND d.entity = {entity}
   AND d.state = 'found'
   AND d.kind = 'extra'
   AND {m_is_d}
   AND m.gone IS NOT NULL;

-- name: repair_map
-- Store. Likewise, where the target carries legacy keys.
INSERT INTO {id_map} ({k_names}, {t_names})
SELECT DISTINCT {d_keys}, {t_keys}
  FROM migrated.validation_difference AS d
  JOIN {target} AS t
    ON {t_is_d}
 WHERE d.validation = '{validation}'
   AND d.entity = {entity}
   AND d.state = 'found'
   AND d.kind = 'extra'
    ON CONFLICT ({k_names}) DO NOTHING;

-- name: repair_again
-- Store. Asks for them; answers how many.
WITH asked AS (
  INSERT INTO migrated.again AS g (entity, legacy_key, reason)
  SELECT DISTINCT ON (d.entity, d.legacy_key)
         d.entity, d.legacy_key, CASE WHEN d.kind = 'extra' THEN 'deletion' ELSE 'repair' END
    FROM migrated.validation_difference AS d
   WHERE d.validation = '{validation}'
     AND d.state = 'found'
     AND d.legacy_key IS NOT NULL
     AND d.kind IN ('changed', 'reference', 'missing', 'swapped', 'extra', 'orphan', 'unmapped', 'dangling')
   ORDER BY d.entity, d.legacy_key, d.kind = 'extra' DESC
      ON CONFLICT (entity, legacy_key) DO UPDATE
     SET reason = excluded.reason,
         requested_at = excluded.requested_at
  RETURNING 1
)
SELECT pg_catalog.count(*)
  FROM asked

-- name: repair_keys
-- Target. The keys of what was found, part by part.
SELECT {key_arrays}
  FROM (SELECT DISTINCT legacy_key
          FROM migrated.validation_difference
         WHERE validation = '{validation}'
           AND entity = {entity}
           AND state = 'found'
           AND legacy_key IS NOT NULL) AS d

-- name: repair_look
-- Target. Their rows are staged: those that are equal now, and extra ones that are not there any more, are repaired.
WITH {found},
repaired AS (
  UPDATE migrated.validation_difference AS d
     SET state = 'repaired'
   WHERE d.validation = '{validation}'
     AND d.entity = {entity}
     AND d.state = 'found'
     AND d.kind NOT IN ('duplicate', 'rule', 'count')
     AND (d.legacy_key IN (SELECT {c_legacy_key} FROM compared AS c)
          AND d.legacy_key NOT IN (SELECT f.legacy_key FROM found AS f)
          OR d.kind IN ('extra', 'unmapped')
          AND d.legacy_key NOT IN (SELECT {s_legacy_key} FROM {stage} AS s)
          AND d.target_key NOT IN (SELECT {t_target_key} FROM {target} AS t WHERE NOT ({marked})))
  RETURNING d."check"
)
UPDATE migrated.validation_entity AS e
   SET repaired = e.repaired + r.rows
  FROM (SELECT "check", pg_catalog.count(*) AS rows FROM repaired GROUP BY "check") AS r
 WHERE e.validation = '{validation}'
   AND e.entity = {entity}
   AND e."check" = r."check";
COMMIT

-- name: repair_left
-- Store. How many of them have yet to be carried.
SELECT pg_catalog.count(*)
  FROM migrated.again AS g
 WHERE EXISTS (SELECT FROM migrated.validation_difference AS d
                WHERE d.validation = '{validation}'
                  AND d.state = 'found'
                  AND d.entity = g.entity
                  AND d.legacy_key = g.legacy_key)
