-- Pieces that several checks share; {holes} by check_sql.c.

-- name: check_aside
-- A condition: what became of the row with this key is known, and somebody or something waits to change it.
(EXISTS (SELECT FROM migrated.dead_letter AS d WHERE d.entity = {name} AND d.legacy_key = {key} AND d.state IN ('open', 'discarded'))
          OR EXISTS (SELECT FROM migrated.parked AS p WHERE p.entity = {name} AND p.legacy_key = {key})
          OR EXISTS (SELECT FROM migrated.conflict AS h WHERE h.entity = {name} AND h.legacy_key = {key} AND h.state = 'held'))

-- name: check_strays
-- Target. Of the rows that carry a key, those to which the mapping of that key does not lead. Rows of others carry none; nor is what somebody
-- has typed into a text, and that cannot be a key, one.
carried AS MATERIALIZED (
  SELECT {t_columns},
         {carried}
    FROM {target} AS t
   WHERE {range}
     AND {carries}
),
strays AS MATERIALIZED (
  SELECT {c_t},
         {c_k},
         m.k1 IS NOT NULL AS known,
         {mapped}
    FROM carried AS c
    {join_map}
   WHERE {c_is_key}
     AND (m.k1 IS NULL OR NOT ({m_leads_to_c}){or_gone})
)
