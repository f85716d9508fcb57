-- How a check is cut into chunks; {holes} by check_run.c.

-- name: check_state
-- Target. Is there an id map of this entity, is anything migrated, and by the mapping as it is now?
SELECT pg_catalog.to_regclass({id_map_name}) IS NOT NULL,
       EXISTS (SELECT FROM migrated.entity AS e WHERE e.entity = {entity} AND e.fingerprint IS NOT NULL),
       EXISTS (SELECT FROM migrated.entity AS e WHERE e.entity = {entity} AND e.fingerprint = '{fingerprint}')

-- name: check_range
-- Either side. The last key of the next range, and how many rows there are up to it.
SELECT n.place, {names}
  FROM (
SELECT {keys},
       pg_catalog.row_number() OVER (ORDER BY {order}) AS place
  FROM {relation}
 WHERE {filter}
   AND {which}
 ORDER BY {order}
 LIMIT {rows}
       ) AS n
 ORDER BY n.place DESC
 LIMIT 1

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
