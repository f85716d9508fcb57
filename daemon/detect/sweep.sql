-- A sweep compares every row of the source with what was handled of it, by hash; rows.sql has the statements that it shares with the
-- other strategies, and catalog/hashed.sql says why there is an OFFSET. {holes} by sweep.c and rows.c.

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
       {row} AS r
  FROM {relation}
 WHERE {filter}
OFFSET bigint '0'
       ) AS s
 GROUP BY s.leaf
) TO STDOUT (FORMAT binary)

-- name: leaves_begin
-- Target.
{begin}
SET LOCAL work_mem = '{work_memory}kB';
CREATE TEMPORARY TABLE IF NOT EXISTS sweep_leaf (
  leaf bigint,
  count bigint,
  s1 numeric,
  s2 numeric
) ON COMMIT DELETE ROWS;
{empty}COPY pg_temp.sweep_leaf FROM STDIN (FORMAT binary);

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

-- name: leaves_rows
-- Source, a part: the rows of some leaves.
pg_catalog.unnest({leaves}::bigint[]) AS wanted (leaf)
  JOIN {relation}
    ON {key} BETWEEN wanted.leaf << {shift} AND (wanted.leaf << {shift}) + {mask}
