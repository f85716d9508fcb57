-- Does the id map say what is true? {holes} by check_mappings.c and check_sql.c. m is the id map, t the target's rows.

-- name: check_mappings_mapped
-- Target. Mappings that lead to no row, or to one that carries another key. If that key's own mapping leads there, too, two lead to one row.
-- First those that do not lead to where rows with such keys are, of which it is then asked exactly where they lead.
-- A mapping that waits for its row to be carried again has no hash; one that people decided to leave without a row has the hash of none.
candidates AS MATERIALIZED (
  SELECT {m_k},
         {m_t},
         m.h1,
         m.w1
    FROM {id_map} AS m
    {join_target}
   WHERE {range}
     AND m.gone IS NULL
     AND CASE WHEN t.{any_target_key} IS NULL THEN TRUE ELSE {differs} END
),
suspects AS MATERIALIZED (
  SELECT {m_k},
         {m_t},
         t.{any_target_key} IS NULL AS absent{carried}
    FROM candidates AS m
    {join_exactly}
   WHERE CASE WHEN t.{any_target_key} IS NULL THEN m.h1 IS NOT NULL AND m.w1 IS DISTINCT FROM 0
              ELSE {differs} END
),
found AS (
  SELECT CASE WHEN s.absent THEN 'dangling' {kind} END AS kind,
         {s_key} AS legacy_key, {s_target} AS target_key, NULL::text[] AS columns, NULL::text AS name
    FROM suspects AS s{right}
   WHERE NOT CASE WHEN s.absent THEN {aside}
                  ELSE {decided} END
)

-- name: check_mappings_right
-- A part, with a legacy key in the target: the mapping of the key that the row carries.

    LEFT JOIN LATERAL (SELECT * FROM {id_map} AS o WHERE {o_is_carried} AND {o_is_there} AND o.gone IS NULL LIMIT 1) AS o
      ON TRUE

-- name: check_mappings_decided
-- A condition, likewise: somebody changed the legacy key in the target, and somebody decides, or has decided, that it be so.
EXISTS (SELECT
                          FROM migrated.conflict AS d
                         WHERE d.entity = {name}
                           AND d.legacy_key = {s_key}
                           AND d.columns && ARRAY[{legacy_columns}]
                           AND (d.state IN ('held', 'kept') OR d.state = 'resolved' AND d.resolution = 'target'))

-- name: check_mappings_rows
-- Target, likewise. Rows that carry a key and that no mapping leads to: the id map does not know the key, or it leads to another row that
-- carries it, too. Where it leads to none that does, the mapping is what is wrong, and found.
{strays},
found AS (
  SELECT CASE WHEN t.{any_target_key} IS NULL THEN 'unmapped' ELSE 'duplicate' END AS kind,
         {c_key} AS legacy_key, {c_target} AS target_key, NULL::text[] AS columns, NULL::text AS name
    FROM strays AS c
    LEFT JOIN LATERAL (SELECT t.{any_target_key}
                         FROM {target} AS t
                        CROSS JOIN LATERAL (SELECT {carried_by_t}) AS b
                        WHERE {t_is_mapped}
                          AND {b_is_c}
                        LIMIT 1) AS t
      ON TRUE
   WHERE (NOT c.known OR t.{any_target_key} IS NOT NULL)
     AND NOT EXISTS (SELECT FROM {id_map} AS o WHERE {o_is_c})
)

-- name: check_mappings_shared
-- Target, without a legacy key there, and where keys are minted. All but the first of the mappings that lead to one row.
found AS (
  SELECT 'duplicate' AS kind, {n_key} AS legacy_key, {n_target} AS target_key, NULL::text[] AS columns, NULL::text AS name
    FROM (SELECT {m_k}, {m_t}, pg_catalog.row_number() OVER (PARTITION BY {m_t} ORDER BY {m_k}) AS place
            FROM {id_map} AS m
           WHERE {range}
             AND m.gone IS NULL) AS n
   WHERE n.place > 1
)
