-- Do references lead anywhere? {holes} by check_references.c. t are the target's rows, vN the value of reference N.

-- name: check_references
-- Target. Of the rows that we have brought; and of rows of others those that refer to one that we have brought, and that is not there any
-- more. What else others have written is not ours to judge.
referring AS MATERIALIZED (
  SELECT {t_columns},
         {values}
    FROM {target} AS t
   WHERE {range}
     AND {any_value}
),
orphans AS MATERIALIZED (
{orphans}
),
found AS (
  SELECT DISTINCT ON ({o_target}, o.column_name)
         'orphan' AS kind, CASE WHEN m.k1 IS NOT NULL THEN {m_key} END AS legacy_key, {o_target} AS target_key,
         ARRAY[o.column_name] AS columns, NULL::text AS name
    FROM orphans AS o
    LEFT JOIN {id_map} AS m
      ON {m_is_o}
   WHERE m.k1 IS NOT NULL
      OR o.led_to_ours
   ORDER BY {o_target}, o.column_name, m.gone NULLS FIRST
)

-- name: check_orphans
-- The rows whose reference leads to none of its parents.
  SELECT {r_t},
         {column} AS column_name,
         {led_to_ours} AS led_to_ours
    FROM referring AS r
   WHERE r.v{number} IS NOT NULL{absent}

-- name: check_parent_absent

     AND NOT EXISTS (SELECT FROM {parent} AS p WHERE {p_key} = r.v{number}{as_text})

-- name: check_parent_was_ours
EXISTS (SELECT FROM {parent_id_map} AS p WHERE {p_key} = r.v{number}{as_text})
