-- A sweep compares every row of the source with what was handled of it, by hash. {holes} by sweep.c.
-- Whatever is shipped here is ordered by nothing: the target joins it. OFFSET keeps the row's text from being made once for each
-- hash; written as a bigint constant it does not keep the planner from using parallel workers, as a plain 0 would.

-- name: known
-- Target. Was anything of this entity ever dealt with (carried or set aside, or looked at when it was empty), and with this
-- mapping?
SELECT EXISTS (SELECT FROM {seen})
         OR EXISTS (SELECT FROM migrated.entity WHERE entity = {entity} AND fingerprint IS NOT NULL),
       coalesce((SELECT fingerprint FROM migrated.entity WHERE entity = {entity}), '')

-- name: count
-- Source.
SELECT pg_catalog.count(*)
  FROM {relation}
 WHERE {filter}

-- name: span
-- Source. Bounds of an integer key, and how many rows there may be.
SELECT pg_catalog.min({key})::bigint,
       pg_catalog.max({key})::bigint
  FROM {relation}
 WHERE {filter}

-- name: leaves_read
-- Source. Count and sums of each leaf of 2^{shift} consecutive keys.
COPY (
SELECT s.leaf,
       pg_catalog.count(*),
       pg_catalog.sum({h1}),
       pg_catalog.sum({h2})
  FROM (
SELECT {key}::bigint >> {shift} AS leaf,
       ROW({values})::text AS r
  FROM {relation}
 WHERE {filter}
OFFSET bigint '0'
       ) AS s
 GROUP BY s.leaf
) TO STDOUT (FORMAT binary)

-- name: leaves_begin
-- Target.
BEGIN ISOLATION LEVEL READ COMMITTED;
SET LOCAL work_mem = '{work_memory}kB';
CREATE TEMPORARY TABLE IF NOT EXISTS sweep_leaf (
  leaf bigint,
  count bigint,
  s1 numeric,
  s2 numeric
) ON COMMIT DELETE ROWS;
COPY pg_temp.sweep_leaf FROM STDIN (FORMAT binary);

-- name: leaves_compare
-- Target. How many rows and leaves there are in all, how many leaves differ, and which, unless they are too many to name.
SELECT (SELECT coalesce(pg_catalog.sum(count), 0)::bigint FROM pg_temp.sweep_leaf),
       (SELECT pg_catalog.count(*) FROM pg_temp.sweep_leaf),
       pg_catalog.count(*),
       CASE WHEN pg_catalog.count(*) <= {most} THEN pg_catalog.array_agg(leaf) END
  FROM (
SELECT coalesce(l.leaf, m.leaf) AS leaf
  FROM pg_temp.sweep_leaf AS l
  FULL JOIN (
         SELECT k1::bigint >> {shift} AS leaf,
                pg_catalog.count(*) AS count,
                pg_catalog.sum(h1) AS s1,
                pg_catalog.sum(h2) AS s2
           FROM {seen}
          GROUP BY 1) AS m
    ON m.leaf = l.leaf
 WHERE (l.count, l.s1, l.s2) IS DISTINCT FROM (m.count, m.s1, m.s2)
       ) AS differing

-- name: rows_read
-- Source. Key and hashes of each row.
COPY (
SELECT {names},
       {h1},
       {h2}
  FROM (
SELECT {expressions},
       ROW({values})::text AS r
  FROM {relation}
 WHERE {filter}
OFFSET bigint '0'
       ) AS s
) TO STDOUT (FORMAT binary)

-- name: rows_read_leaves
-- Source. The same for the rows of some leaves.
COPY (
SELECT {names},
       {h1},
       {h2}
  FROM (
SELECT {expressions},
       ROW({values})::text AS r
  FROM pg_catalog.unnest({leaves}::bigint[]) AS wanted (leaf)
  JOIN {relation}
    ON {key} BETWEEN wanted.leaf << {shift} AND (wanted.leaf << {shift}) + {mask}
 WHERE {filter}
OFFSET bigint '0'
       ) AS s
) TO STDOUT (FORMAT binary)

-- name: rows_begin
-- Target. Opens a transaction unless the comparison of leaves has.
{begin}
SET LOCAL work_mem = '{work_memory}kB';
CREATE TEMPORARY TABLE IF NOT EXISTS sweep_{entity} (
  {key_columns},
  h1 bigint,
  h2 bigint
) ON COMMIT DELETE ROWS;
COPY pg_temp.sweep_{entity} FROM STDIN (FORMAT binary);

-- name: rows_compare
-- Target. The change set: deletions after the rest. {leaves}: a condition on what was seen.
WITH found AS (
  SELECT ARRAY[{key_texts}] AS legacy_key,
         {keys},
         CASE WHEN m.k1 IS NULL THEN 'new'
              WHEN s.k1 IS NULL THEN 'deleted'
              ELSE 'modified' END AS kind
    FROM pg_temp.sweep_{entity} AS s
    FULL JOIN (SELECT * FROM {seen} WHERE {leaves}) AS m
      ON {m_is_s}
   WHERE m.k1 IS NULL
      OR s.k1 IS NULL
      OR (s.h1, s.h2) IS DISTINCT FROM (m.h1, m.h2)
),
kept AS (
  INSERT INTO migrated.change (analysis, entity, ordinal, legacy_key, kind)
  SELECT {analysis},
         '{entity}',
         pg_catalog.row_number() OVER (ORDER BY kind = 'deleted', {order}),
         legacy_key,
         kind
    FROM found
  RETURNING kind
)
SELECT pg_catalog.count(*) FILTER (WHERE kind = 'new'),
       pg_catalog.count(*) FILTER (WHERE kind = 'modified'),
       pg_catalog.count(*) FILTER (WHERE kind = 'deleted'),
       (SELECT pg_catalog.count(*) FROM pg_temp.sweep_{entity})
  FROM kept;
COMMIT;
