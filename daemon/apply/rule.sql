-- Business rules, asked when the rows of a batch have been written; rules that reject and are asked beforehand are faults (faults.c).
-- {holes} by rule_sql.c. Tables of ours: s the stage, m the entity's id map, target the target row. The names of our queries must
-- be no names of anybody's tables, since conditions may look into other tables.

-- name: rule_warn
-- Target. Which of the rows that were carried break a rule that warns, and which have ceased to.
WITH migrated_carried AS MATERIALIZED (
  SELECT {legacy_key} AS legacy_key{asked}
    FROM {stage} AS s
    JOIN {id_map} AS m
      ON {m_is_s}
{written}   WHERE {carried}
),
migrated_broken AS MATERIALIZED (
  SELECT c.legacy_key,
         r.rule
    FROM migrated_carried AS c
   CROSS JOIN LATERAL (VALUES {rules}) AS r (rule, broken)
   WHERE r.broken
),
migrated_found AS (
  INSERT INTO migrated.rule_finding AS f
              (entity, rule, legacy_key, session, batch)
  SELECT '{entity}', b.rule, b.legacy_key, '{session}', {batch}
    FROM migrated_broken AS b
      ON CONFLICT (entity, legacy_key, rule) DO UPDATE
     SET session = excluded.session,
         batch = excluded.batch,
         found_at = excluded.found_at
),
migrated_mended AS (
  DELETE FROM migrated.rule_finding AS f
   USING migrated_carried AS c
   WHERE f.entity = '{entity}'
     AND f.legacy_key = c.legacy_key
     AND NOT EXISTS (SELECT FROM migrated_broken AS b
                      WHERE b.legacy_key = f.legacy_key
                        AND b.rule = f.rule)
)
UPDATE migrated.batch AS b
   SET warned = (SELECT pg_catalog.count(DISTINCT n.legacy_key) FROM migrated_broken AS n),
       warnings = (SELECT pg_catalog.jsonb_object_agg(n.rule, n.rows)
                     FROM (SELECT rule, pg_catalog.count(*) AS rows
                             FROM migrated_broken
                            GROUP BY rule) AS n)
 WHERE b.session = '{session}'
   AND b.entity = '{entity}'
   AND b.number = {batch}
   AND EXISTS (SELECT FROM migrated_broken);

-- name: rule_assert
-- Target. Ends in an error that names the rule when one of the rows that were written breaks a rule that rejects. Rules that warn
-- are asked, too, when rows are applied in parts, so that a row of which one cannot be computed is found.
SELECT migrated.reject(b.rule)
  FROM (
SELECT r.rule
  FROM {stage} AS s
  JOIN {id_map} AS m
    ON {m_is_s}
{written} CROSS JOIN LATERAL (VALUES {rules}) AS r (place, rule, rejects, broken)
 WHERE {rows}
   AND CASE WHEN r.broken THEN r.rejects END
   AND {carried} ORDER BY r.place
 LIMIT 1
       ) AS b
 WHERE b.rule IS NOT NULL

-- name: rule_breakers
-- Target. The same as a query: which of the rows $1 break one that rejects.
SELECT pg_catalog.array_agg(DISTINCT s.ctid)
  FROM {stage} AS s
  JOIN {id_map} AS m
    ON {m_is_s}
{written} CROSS JOIN LATERAL (VALUES {rules}) AS r (place, rule, rejects, broken)
 WHERE {rows}
   AND r.broken
   AND {carried}

-- name: rule_carried
-- A condition: this batch has not set the row aside.
NOT EXISTS (SELECT FROM migrated.dead_letter AS d
                      WHERE d.entity = '{entity}'
                        AND d.legacy_key = {legacy_key}
                        AND (d.session, d.batch) = ('{session}'::uuid, {batch}))
     AND NOT EXISTS (SELECT FROM migrated.parked AS p
                      WHERE p.entity = '{entity}'
                        AND p.legacy_key = {legacy_key}
                        AND (p.session, p.batch) = ('{session}'::uuid, {batch})){ours}

-- name: rule_ours
-- Nor was it left as it was edited in the target: it stands there as we wrote it.
     AND EXISTS (SELECT FROM {target} AS t
                  WHERE {t_is_m}
                    AND (m.w1 = {written_hash}) IS NOT FALSE)

-- name: rule_written
-- The target's row, and whether it breaks each of the rules; in a query of its own, so that names in conditions are those of its
-- columns.
    LEFT JOIN LATERAL (
         SELECT {broken}
           FROM {target} AS target
          WHERE {target_is_m}) AS w
      ON TRUE

-- name: rule_fill_begin
-- Target. Rows of which the second pass has filled in a column are asked again; here they are kept until then.
CREATE TEMPORARY TABLE IF NOT EXISTS {filled_name} (
  row_id tid,
  legacy_key text[],
  session uuid,
  batch integer
) ON COMMIT DELETE ROWS;

-- name: rule_fill_kept
-- The end of `fill` then.
  RETURNING l.ctid AS row_id, l.legacy_key, l.session, l.batch
)
INSERT INTO {filled} (row_id, legacy_key, session, batch)
SELECT d.row_id, d.legacy_key, d.session, d.batch
  FROM migrated_done AS d

-- name: rule_fill_assert
-- Target. As rule_assert, of the rows that were filled in.
SELECT migrated.reject(b.rule)
  FROM (
SELECT r.rule
  FROM {filled} AS f
  JOIN {id_map} AS m
    ON {m_is_f}
{written} CROSS JOIN LATERAL (VALUES {rules}) AS r (place, rule, rejects, broken)
 WHERE {rows}
   AND CASE WHEN r.broken THEN r.rejects END
 ORDER BY r.place
 LIMIT 1
       ) AS b
 WHERE b.rule IS NOT NULL

-- name: rule_fill_warn
-- Target. As rule_warn, of the rows that were filled in and of the rules of the target's row; they were counted before.
WITH migrated_filled AS MATERIALIZED (
  SELECT f.legacy_key,
         f.session,
         f.batch{asked}
    FROM {filled} AS f
    JOIN {id_map} AS m
      ON {m_is_f}
{written}),
migrated_broken AS MATERIALIZED (
  SELECT c.legacy_key,
         c.session,
         c.batch,
         r.rule
    FROM migrated_filled AS c
   CROSS JOIN LATERAL (VALUES {rules}) AS r (rule, broken)
   WHERE r.broken
),
migrated_found AS (
  INSERT INTO migrated.rule_finding
              (entity, rule, legacy_key, session, batch)
  SELECT '{entity}', b.rule, b.legacy_key, b.session, b.batch
    FROM migrated_broken AS b
      ON CONFLICT DO NOTHING
)
DELETE FROM migrated.rule_finding AS f
 USING migrated_filled AS c
 CROSS JOIN (VALUES {names}) AS a (rule)
 WHERE f.entity = '{entity}'
   AND f.legacy_key = c.legacy_key
   AND f.rule = a.rule
   AND NOT EXISTS (SELECT FROM migrated_broken AS b
                    WHERE b.legacy_key = f.legacy_key
                      AND b.rule = f.rule);

-- name: rule_fill_end
-- Target. How many there were.
DELETE FROM {filled}

-- name: rule_gone
-- Target. What was found of rows that are gone.
DELETE FROM migrated.rule_finding AS f
 USING migrated.change AS c
  JOIN {id_map} AS m
    ON {m_is_c}
 WHERE c.analysis = '{analysis}'
   AND c.entity = '{entity}'
   AND c.ordinal BETWEEN {low} AND {high}
   AND c.kind = 'deleted'
   AND m.gone IS NOT NULL
   AND f.entity = '{entity}'
   AND f.legacy_key = c.legacy_key;
