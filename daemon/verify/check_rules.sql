-- Do the rules hold? {holes} by check_rules.c. The names of our queries must be no names of anybody's tables, since conditions may look into
-- other tables. What a rule that warns has been found to be broken by is known (migrated.rule_finding), and no difference.

-- name: check_rules_after
-- Target. Rules of the target's rows, as they stand there now.
migrated_broken AS MATERIALIZED (
  SELECT {m_key} AS legacy_key,
         {m_target} AS target_key{asked}
    FROM {id_map} AS m
   CROSS JOIN LATERAL (
         SELECT {broken}
           FROM {target} AS target
          WHERE {target_is_m}) AS w
   WHERE {range}
     AND m.gone IS NULL
     AND ({any_broken})
),
found AS (
  SELECT 'rule' AS kind, b.legacy_key, b.target_key, NULL::text[] AS columns, r.rule AS name
    FROM migrated_broken AS b
   CROSS JOIN LATERAL (VALUES {rules}) AS r (rule, rejects, broken)
   WHERE r.broken
     AND (r.rejects OR NOT {known})
)

-- name: check_rules_read
-- Source. Rows that break a rule asked there, with the hashes of what they are.
COPY (
SELECT {keys},
       {h1},
       {h2},
       {names}
  FROM (
SELECT {expressions},
       {broken},
       {row} AS r
  FROM {relation}
 WHERE {filter}
   AND {range}
   AND ({any_broken})
OFFSET bigint '0'
       ) AS s
) TO STDOUT (FORMAT binary)

-- name: check_rules_before
-- Target, of rows that were staged. Those that were carried although they are as they are; what was set aside was not.
found AS (
  SELECT 'rule' AS kind, {s_key} AS legacy_key, {m_target} AS target_key, NULL::text[] AS columns, r.rule AS name
    FROM {stage} AS s
    JOIN {id_map} AS m
      ON {m_is_s}
     AND (m.h1, m.h2) = (s.h1, s.h2)
     AND m.gone IS NULL
   CROSS JOIN LATERAL (VALUES {rules}) AS r (rule, rejects, broken)
   WHERE r.broken
     AND (r.rejects OR NOT {known})
     AND NOT {aside}
)

-- name: check_rule_known
EXISTS (SELECT FROM migrated.rule_finding AS f WHERE f.entity = {name} AND f.rule = r.rule AND f.legacy_key = {key})
