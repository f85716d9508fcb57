-- What is asked of business rules: which rows break them now.

-- name: rules_broken
-- How many rows break each rule of $1 (NULL: any entity) that is called $2 (NULL: any): carried in spite of it, or set aside. Their
-- keys, at most $3 of each, when a name was given.
WITH broken AS MATERIALIZED (
  SELECT f.entity, f.rule, f.legacy_key
    FROM migrated.rule_finding AS f
   UNION ALL
  SELECT d.entity, d.constraint_name, d.legacy_key
    FROM migrated.dead_letter AS d
   WHERE d.phase = 'rule'
     AND d.state = 'open'
     AND d.constraint_name IS NOT NULL
)
SELECT b.entity,
       b.rule,
       pg_catalog.count(*),
       CASE
         WHEN $2::text IS NOT NULL
         THEN (SELECT pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object('entity', b.entity, 'legacy_key', k.legacy_key))
                 FROM (SELECT o.legacy_key
                         FROM broken AS o
                        WHERE o.entity = b.entity
                          AND o.rule = b.rule
                        ORDER BY pg_catalog.length(o.legacy_key[1]), o.legacy_key
                        LIMIT $3::bigint) AS k)
       END
  FROM broken AS b
 WHERE ($1::text IS NULL OR b.entity = $1)
   AND ($2::text IS NULL OR b.rule = $2)
 GROUP BY b.entity, b.rule

-- name: rule_findings_forget
-- Of rules that the mapping has not got any more, or that reject now; {rules} are those that warn.
DELETE FROM migrated.rule_finding
 WHERE entity = {entity}
   AND rule <> ALL (ARRAY[{rules}]::text[]);
