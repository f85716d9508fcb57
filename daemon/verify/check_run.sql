-- How a check is cut into chunks; {holes} by check_run.c.

-- name: check_state
-- Target. Is there an id map of this entity, is anything migrated, and by the mapping as it is now?
SELECT pg_catalog.to_regclass({id_map_name}) IS NOT NULL,
       EXISTS (SELECT FROM migrated.entity AS e WHERE e.entity = {entity} AND e.fingerprint IS NOT NULL),
       EXISTS (SELECT FROM migrated.entity AS e WHERE e.entity = {entity} AND e.fingerprint = '{fingerprint}')

-- name: check_range
-- Either side. How many rows there are in the next range, and its last key; without one, they are the last.
WITH bound AS MATERIALIZED (
  SELECT {keys}
    FROM {relation}
   WHERE {filter}
     AND {which}
   ORDER BY {order}
  OFFSET {rows} - 1
   LIMIT 1
)
SELECT {rows}::bigint AS rows{names}
  FROM bound AS n
 UNION ALL
SELECT (SELECT pg_catalog.count(*)
          FROM {relation}
         WHERE {filter}
           AND {which}){none}
 WHERE NOT EXISTS (SELECT FROM bound)

-- name: check_whole
-- Source. A query is not cut.
SELECT pg_catalog.count(*)
  FROM {relation}
 WHERE {filter}

-- name: check_stage
-- Target. Rows of the source follow.
CREATE TEMPORARY TABLE check_{entity} (
  {columns}
) ON COMMIT DROP;
COPY {stage} FROM STDIN (FORMAT binary);

-- name: check_nothing
found AS (
  SELECT NULL::text AS kind, NULL::text[] AS legacy_key, NULL::text[] AS target_key, NULL::text[] AS columns, NULL::text AS name
   WHERE FALSE
)
