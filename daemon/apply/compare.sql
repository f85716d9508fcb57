-- Whether what stands in the target is what a batch would write; {holes} by compare_sql.c. Tables of ours: s the stage, m the entity's
-- id map, t the target row, a rows that are set aside, rN_M the id map of a reference's parents.

-- name: compare_boundary
-- Source. The key at which a range of so many rows ends; none: it is the last.
SELECT {keys}
  FROM {relation}
 WHERE {filter}
   AND {which}
 ORDER BY {order}
OFFSET {rows} - 1
 LIMIT 1

-- name: compare_stage
-- Target. The rows follow, or keys of them.
CREATE TEMPORARY TABLE IF NOT EXISTS {stage_name} (
  {stage_columns}
) ON COMMIT DELETE ROWS;
TRUNCATE {stage};
SET LOCAL random_page_cost = 1.1;
COPY {stage} ({stage_names}) FROM STDIN (FORMAT binary);

-- name: compare_aside
-- A CTE: rows that wait or were decided about, so that what stands in the target need not be what the source has. With hashes, only
-- as long as the row is of that version.
aside AS MATERIALIZED (
  SELECT {from_text},
         CASE WHEN state = 'discarded' THEN h1 END AS h1,
         CASE WHEN state = 'discarded' THEN h2 END AS h2
    FROM migrated.dead_letter
   WHERE entity = {entity}
     AND state IN ('open', 'discarded')
   UNION ALL
  SELECT {from_text}, NULL, NULL
    FROM migrated.parked
   WHERE entity = {entity}
   UNION ALL
  SELECT {from_text}, NULL, NULL
    FROM migrated.again
   WHERE entity = {entity}
   UNION ALL
  SELECT {from_text},
         CASE WHEN c.state <> 'held' THEN c.h1 END,
         CASE WHEN c.state <> 'held' THEN c.h2 END
    FROM (SELECT DISTINCT ON (legacy_key) *
            FROM migrated.conflict
           WHERE entity = {entity}
           ORDER BY legacy_key, state = 'held' DESC, id DESC) AS c
   WHERE c.state IN ('held', 'kept')
      OR c.state = 'resolved' AND c.resolution = 'target'
)

-- name: compare_handled
-- The staged rows whose version is the one that was handled, and which are not set aside; with their target row. The fence (OFFSET) keeps
-- expressions of the mapping from being made of other rows, which may have what cannot be made. A CASE is half of the rows to the planner;
-- as conditions they were nearly none. Where both sides order keys alike, only the range of the id map and of the table is read; a row
-- that is not found for that looks different, and is looked at once more without.
    FROM (
      SELECT s.*, {m_t}
        FROM {stage} AS s
        JOIN {id_map} AS m
          ON {m_is_s}
       WHERE CASE WHEN m.h1 = s.h1 AND m.h2 = s.h2 AND m.gone IS NULL THEN TRUE ELSE FALSE END
{m_within}         AND NOT EXISTS (SELECT FROM aside AS a WHERE {a_is_s} AND (a.h1 IS NULL OR (a.h1, a.h2) = (s.h1, s.h2)))
      OFFSET 0
         ) AS s
{joins}    LEFT JOIN {target} AS t
      ON {t_is_s}{t_within}

-- name: compare
-- Target. How many rows came, how many of them were compared, and the keys of those that look different.
WITH {aside}
SELECT (SELECT pg_catalog.count(*) FROM {stage}),
       pg_catalog.count(*),
       pg_catalog.count(*) FILTER (WHERE c.differs),
       {key_arrays}
  FROM (
  SELECT {s_k},
         {differs} AS differs
{handled}  OFFSET 0
       ) AS c

-- name: compare_unmade
-- Target. Moves away the staged rows of which a value of the target cannot be made any more, with the columns that it is missing for; they
-- would fail the comparison of all others.
DROP TABLE IF EXISTS pg_temp.migrated_unmade;
CREATE TEMPORARY TABLE migrated_unmade ON COMMIT DROP AS
WITH failing AS MATERIALIZED (
  SELECT f.row_id,
         pg_catalog.array_agg(p.column_name ORDER BY p.column_name) AS columns
    FROM pg_catalog.unnest({probes}) AS p,
         pg_catalog.unnest(migrated.apply_parts(p.statement, ARRAY(SELECT s.ctid FROM {stage} AS s ORDER BY s.ctid), NULL, true)) AS f
   GROUP BY f.row_id
)
SELECT s.*,
       f.row_id,
       f.columns
  FROM {stage} AS s
  JOIN failing AS f
    ON f.row_id = s.ctid;
DELETE FROM {stage} AS s
 USING pg_temp.migrated_unmade AS u
 WHERE s.ctid = u.row_id;

-- name: compare_unmade_handled
-- Of those, the rows whose version was handled, and which are not set aside; as compare_handled has it.
    FROM (
      SELECT s.*, {m_t}
        FROM pg_temp.migrated_unmade AS s
        JOIN {id_map} AS m
          ON {m_is_s}
       WHERE m.h1 = s.h1
         AND m.h2 = s.h2
         AND m.gone IS NULL
         AND NOT EXISTS (SELECT FROM aside AS a WHERE {a_is_s} AND (a.h1 IS NULL OR (a.h1, a.h2) = (s.h1, s.h2)))
         ) AS s

-- name: compare_unmade_count
-- Target. How many were moved away, how many of them were handled, how many have a place in the target; the keys of those that were handled.
WITH {aside}
SELECT (SELECT pg_catalog.count(*) FROM pg_temp.migrated_unmade),
       pg_catalog.count(*),
       (SELECT pg_catalog.count(*) FROM pg_temp.migrated_unmade AS s JOIN {id_map} AS m ON {m_is_s} AND m.gone IS NULL),
       {key_arrays}
  FROM (
  SELECT {s_k}
{unmade_handled}       ) AS c

-- name: compare_unmade_found
-- A part of compare_found.
   UNION ALL
  SELECT CASE WHEN u.present THEN 'changed' ELSE 'missing' END,
         {u_legacy_key},
         {u_target_key},
         CASE WHEN u.present THEN u.columns ELSE '{}' END,
         NULL
    FROM unmade AS u

-- name: compare_unmade_rows
-- A CTE of compare_found.
unmade AS MATERIALIZED (
  SELECT {s_k},
         {s_t},
         t.{any_target_key} IS NOT NULL AS present,
         s.columns
{unmade_handled}    LEFT JOIN {target} AS t
      ON {t_is_s}
),

-- name: compare_mapped
-- Target. How many staged rows have a place in the target.
SELECT pg_catalog.count(*)
  FROM {stage} AS s
  JOIN {id_map} AS m
    ON {m_is_s}
   AND m.gone IS NULL
{m_within}
-- name: compare_found
-- CTEs. What differs, seen once more. A reference that is to be filled in later may be NULL.
{aside},
compared AS MATERIALIZED (
  SELECT {s_k},
         {s_t},
         t.{any_target_key} IS NOT NULL AS present,
         {carries} AS carries,
         ARRAY(SELECT d.name
                 FROM (VALUES {columns}) AS d (name, differs, may_be_null)
                WHERE d.differs
                  AND NOT (d.may_be_null
                           AND EXISTS (SELECT FROM migrated.deferred AS l
                                        WHERE l.entity = {entity}
                                          AND l.legacy_key = {legacy_key}
                                          AND l.column_name = d.name))) AS columns
{handled}),
{unmade_rows}found AS (
  SELECT CASE WHEN NOT c.present THEN 'missing'
              WHEN c.carries AND c.columns && ARRAY[{legacy_names}]::text[] THEN 'swapped'
              WHEN c.columns && ARRAY[{reference_names}]::text[] THEN 'reference'
              ELSE 'changed' END AS kind,
         {c_legacy_key} AS legacy_key,
         {c_target_key} AS target_key,
         CASE WHEN c.present THEN c.columns ELSE '{}' END AS columns,
         NULL::text AS name
    FROM compared AS c
   WHERE NOT c.present
      OR c.columns <> '{}'
{unmade_found})

-- name: compare_carried
-- Target. Rows that carry a legacy key, in the order of the table's own index: how many, the last, and keys that the id map does not know.
WITH carried AS MATERIALIZED (
  SELECT {plain},
         {cast}
    FROM {target} AS t
   WHERE {carries}
     AND {after}
   ORDER BY {order}
   LIMIT {rows}
)
SELECT (SELECT pg_catalog.count(*) FROM carried),
       (SELECT ARRAY[{c_plain}] FROM carried AS c ORDER BY {c_order} LIMIT 1),
       pg_catalog.count(*),
       {key_arrays}
  FROM carried AS c
 WHERE NOT EXISTS (SELECT FROM {id_map} AS m WHERE {m_is_c})

-- name: compare_extra
-- CTEs. Of these keys, those that the source has not got either.
wanted AS MATERIALIZED (
  SELECT {wanted_types}
    FROM ROWS FROM ({wanted}) AS w ({k_names})
),
found AS (
  SELECT 'extra' AS kind,
         {w_legacy_key} AS legacy_key,
         {t_target_key} AS target_key,
         '{}'::text[] AS columns,
         NULL::text AS name
    FROM wanted AS w
    JOIN {target} AS t
      ON {t_is_w}
   WHERE NOT EXISTS (SELECT FROM {id_map} AS m WHERE {m_is_w})
     AND NOT EXISTS (SELECT FROM {stage} AS s WHERE {s_is_w})
)

-- name: compare_gone
-- Target. Rows whose source row was found gone, and which are there all the same: how many, the last, their keys.
SELECT pg_catalog.count(*),
       (SELECT ARRAY[{last}] FROM found AS c ORDER BY {c_order} LIMIT 1),
       pg_catalog.count(*),
       {key_arrays}
  FROM found AS c

-- name: compare_staying
-- CTEs. What compare_gone finds; of these keys.
{aside},
staying AS MATERIALIZED (
  SELECT {m_k},
         {m_target_key} AS target_key
    FROM {id_map} AS m
    JOIN {target} AS t
      ON {t_is_m}
   WHERE m.gone IS NOT NULL
     AND NOT ({marked}){unshared}
     AND NOT EXISTS (SELECT FROM aside AS a WHERE {a_is_m})
     AND {which}
   ORDER BY {m_k}
   LIMIT {rows}
),
found AS (
  SELECT 'extra' AS kind,
         {f_legacy_key} AS legacy_key,
         f.target_key,
         ARRAY[{mark_names}]::text[] AS columns,
         NULL::text AS name,
         {f_k}
    FROM staying AS f
   WHERE {absent}
)

-- name: compare_gone_count
-- Target. How many rows the id map says are there.
SELECT pg_catalog.count(*)
  FROM {id_map}
 WHERE gone IS NULL
