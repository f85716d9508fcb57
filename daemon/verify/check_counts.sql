-- Do the numbers add up? {holes} by check_counts.c. s are keys and hashes of the source's rows, m the id map, t the target's rows.

-- name: check_counts_rows
-- Target, of rows that were staged. Whose version is not the one that was handled waits for the next session; all others must be there. What was
-- set aside has its own list. Absent are those that are not where rows with such keys are: of them it is asked exactly whether they are anywhere.
aside AS MATERIALIZED (
  SELECT d.legacy_key
    FROM migrated.dead_letter AS d
   WHERE d.entity = {name}
     AND d.state IN ('open', 'discarded')
   UNION
  SELECT p.legacy_key
    FROM migrated.parked AS p
   WHERE p.entity = {name}
   UNION
  SELECT c.legacy_key
    FROM migrated.conflict AS c
   WHERE c.entity = {name}
     AND c.state = 'held'
),
seen AS MATERIALIZED (
  SELECT {s_k},
         {m_t},
         m.w1,
         m.gone IS NULL AND (m.h1, m.h2) = (s.h1, s.h2) IS TRUE AND {s_key} NOT IN (SELECT a.legacy_key FROM aside AS a) AS handled,
         t.{any_target_key} IS NULL AS absent,
         {keyless} AS keyless
    FROM {stage} AS s
    {join_map}
    {join_target}
),
found AS (
  SELECT 'missing' AS kind, {r_key} AS legacy_key, {r_target} AS target_key, NULL::text[] AS columns, NULL::text AS name
    FROM seen AS r
    {join_exactly}
   WHERE r.handled
     AND r.absent
     AND r.w1 IS DISTINCT FROM 0
     AND t.{any_target_key} IS NULL
   UNION ALL
  SELECT 'missing', NULL, NULL, ARRAY[{key_columns}], NULL
    FROM seen AS r
   WHERE r.keyless{duplicates}
)

-- name: check_counts_duplicates
-- A part, where no unique index keeps the source from it.

   UNION ALL
  SELECT 'duplicate', {n_key}, NULL, ARRAY[{key_columns}], NULL
    FROM (SELECT {r_k}, pg_catalog.row_number() OVER (PARTITION BY {r_k}) AS place FROM seen AS r WHERE NOT r.keyless) AS n
   WHERE n.place > 1

-- name: check_counts_extra
-- Target. Rows that say they came from the source, and that no mapping leads to; or only one of a row that is gone, and should be gone here.
{strays},
found AS (
  SELECT 'extra' AS kind, {c_key} AS legacy_key, {c_target} AS target_key, NULL::text[] AS columns, NULL::text AS name
    FROM strays AS c
   WHERE NOT EXISTS (SELECT FROM {id_map} AS o WHERE {o_is_c}{o_lives})
     AND NOT EXISTS (SELECT
                       FROM migrated.conflict AS d
                      WHERE d.entity = {name}
                        AND d.legacy_key = {c_key}
                        AND d.in_source = 'deleted'
                        AND (d.state IN ('held', 'kept') OR d.state = 'resolved' AND d.resolution = 'target'))
)
