-- Counts of one entity on both sides; {holes} by baseline.c. m is the entity's id map, t the target table, s the source's keys.

-- name: baseline_known
-- Target. Is there an id map of this entity?
SELECT pg_catalog.to_regclass('migrated.entity') IS NOT NULL
   AND pg_catalog.to_regclass({id_map}) IS NOT NULL

-- name: baseline_count
-- Source, and target where there is no id map.
SELECT pg_catalog.count(*)
  FROM {relation}
 WHERE {filter}

-- name: baseline_read
-- Source. Every key.
COPY (
SELECT {keys}
  FROM {relation}
 WHERE {filter}
) TO STDOUT (FORMAT binary)

-- name: baseline_begin
-- Target. The keys follow. Whole tables are joined, of which statistics may say little yet (rows just migrated, or just
-- found gone): a nested loop would take hours.
BEGIN ISOLATION LEVEL READ COMMITTED;
SET LOCAL enable_nestloop = off;
SET LOCAL work_mem = '{work_memory}kB';
CREATE TEMPORARY TABLE IF NOT EXISTS baseline_{entity} (
  {key_columns}
) ON COMMIT DELETE ROWS;
COPY pg_temp.baseline_{entity} FROM STDIN (FORMAT binary);

-- name: baseline_target
-- Target, a part. Rows of a table that is this entity's alone, without those whose source row is gone.
-- A join table's row may have gone and come back under another legacy key; then it is there.
(SELECT pg_catalog.count(*)
          FROM {target} AS t)
     - (SELECT pg_catalog.count(*)
          FROM {target} AS t
          JOIN (SELECT DISTINCT {t_names}
                  FROM {id_map}
                 WHERE gone IS NOT NULL) AS g
            ON {t_is_g}
         WHERE NOT EXISTS (SELECT FROM {id_map} AS m WHERE {m_is_g} AND m.gone IS NULL))

-- name: baseline_target_led_to
-- Target, a part. Rows that this entity's id map leads to.
(SELECT pg_catalog.count(*)
          FROM {target} AS t
         WHERE EXISTS (SELECT FROM {id_map} AS m WHERE {t_is_m} AND m.gone IS NULL))

-- name: baseline_compare
-- Target. All numbers but the source's, from one snapshot.
SELECT {target_rows} AS target,
       (SELECT pg_catalog.count(*)
          FROM pg_temp.baseline_{entity} AS s
         WHERE NOT EXISTS (SELECT FROM {id_map} AS m WHERE {m_is_s} AND m.gone IS NULL)) AS unmapped,
       (SELECT pg_catalog.count(*)
          FROM {id_map} AS m
         WHERE m.gone IS NULL
           AND NOT EXISTS (SELECT FROM {target} AS t WHERE {t_is_m})) AS orphaned,
       (SELECT pg_catalog.to_char(e.last_migrated AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')
          FROM migrated.entity AS e
         WHERE e.entity = {name}) AS last_migrated;
COMMIT;
