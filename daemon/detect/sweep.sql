-- A sweep compares every row of the source with what was handled of it, by hash; rows.sql has the statements that it shares with the
-- other strategies, and catalog/hashed.sql says why there is an OFFSET. {holes} by sweep.c and rows.c.
--
-- A leaf is 2^{shift} consecutive keys. Of each leaf both sides have count and sums of both hashes, which say whether it differs; and,
-- of some bits q of the first hash and the place p of the key within the leaf, the sums of q and q * p. Where one row alone differs, the
-- differences of these two are dq and dq * p, and so say which one.

-- name: span
-- Source. Bounds of an integer key, and how many rows there may be.
SELECT pg_catalog.min({key})::bigint,
       pg_catalog.max({key})::bigint
  FROM {relation}
 WHERE {filter}

-- name: leaves_read
-- Source.
COPY (
SELECT h.leaf,
       pg_catalog.count(*),
       pg_catalog.sum(h.h1),
       pg_catalog.sum(h.h2),
       pg_catalog.sum((h.h1 & {bits})::integer),
       pg_catalog.sum(((h.h1 & {bits}) * h.place)::{factor})::numeric
  FROM (
SELECT s.leaf,
       s.place,
       {h1} AS h1,
       {h2} AS h2
  FROM (
SELECT {key}::bigint >> {shift} AS leaf,
       {key}::bigint & {mask} AS place,
       {row} AS r
  FROM {relation}
 WHERE {filter}
OFFSET bigint '0'
       ) AS s
OFFSET bigint '0'
       ) AS h
 GROUP BY h.leaf
) TO STDOUT (FORMAT binary)

-- name: leaves_begin
-- Target. While the source hashes its rows, what is known of them is summed up. Nothing is known to the planner of temporary tables, and it would
-- sort both where a hash is to be had.
{begin}
SET LOCAL work_mem = '{work_memory}kB';
SET LOCAL enable_mergejoin = off;
CREATE TEMPORARY TABLE IF NOT EXISTS sweep_leaf (
  leaf bigint,
  count bigint,
  s1 numeric,
  s2 numeric,
  q bigint,
  qp numeric
) ON COMMIT DELETE ROWS;
CREATE TEMPORARY TABLE IF NOT EXISTS sweep_known (LIKE pg_temp.sweep_leaf) ON COMMIT DELETE ROWS;
CREATE TEMPORARY TABLE IF NOT EXISTS sweep_differing (
  leaf bigint,
  low bigint,
  high bigint,
  count bigint,
  s1 numeric,
  s2 numeric
) ON COMMIT DELETE ROWS;
{empty}INSERT INTO pg_temp.sweep_known
SELECT m.k1::bigint >> {shift},
       pg_catalog.count(*),
       pg_catalog.sum(m.h1),
       pg_catalog.sum(m.h2),
       pg_catalog.sum((m.h1 & {bits})::integer),
       pg_catalog.sum(((m.h1 & {bits}) * (m.k1::bigint & {mask}))::{factor})
  FROM {seen} AS m
 GROUP BY 1;
COPY pg_temp.sweep_leaf FROM STDIN (FORMAT binary);

-- name: leaves_compare
-- Target. How many rows and leaves there are in all, how many leaves differ, and which keys are to be read for that, unless there are
-- too many to name: from low to high, the whole leaf or, where one row may explain the difference, its key.
WITH differing AS (
  SELECT coalesce(l.leaf, m.leaf) AS leaf,
         coalesce(l.count, 0) - coalesce(m.count, 0) AS count,
         coalesce(l.s1, 0) - coalesce(m.s1, 0) AS s1,
         coalesce(l.s2, 0) - coalesce(m.s2, 0) AS s2,
         coalesce(l.q, 0) - coalesce(m.q, 0) AS q,
         coalesce(l.qp, 0) - coalesce(m.qp, 0) AS qp
    FROM pg_temp.sweep_leaf AS l
    FULL JOIN pg_temp.sweep_known AS m
      ON m.leaf = l.leaf
   WHERE (l.count, l.s1, l.s2) IS DISTINCT FROM (m.count, m.s1, m.s2)
),
kept AS (
  INSERT INTO pg_temp.sweep_differing (leaf, low, high, count, s1, s2)
  SELECT d.leaf,
         coalesce(o.key, d.leaf << {shift}),
         coalesce(o.key, (d.leaf << {shift}) + {mask}),
         d.count,
         d.s1,
         d.s2
    FROM differing AS d
   CROSS JOIN LATERAL (
         SELECT CASE WHEN d.q = 0 THEN NULL
                     WHEN d.qp % d.q <> 0 THEN NULL
                     WHEN d.qp / d.q BETWEEN 0 AND {mask} THEN (d.leaf << {shift}) + (d.qp / d.q)::bigint
                END AS key) AS o
  RETURNING low, high
)
SELECT (SELECT coalesce(pg_catalog.sum(count), 0)::bigint FROM pg_temp.sweep_leaf),
       (SELECT pg_catalog.count(*) FROM pg_temp.sweep_leaf),
       pg_catalog.count(*),
       CASE WHEN pg_catalog.count(*) <= {most} THEN pg_catalog.array_agg(low) END,
       CASE WHEN pg_catalog.count(*) <= {most} THEN pg_catalog.array_agg(high) END
  FROM kept

-- name: leaves_rows
-- Source, a part: the rows of some ranges of keys.
ROWS FROM (pg_catalog.unnest({lows}::bigint[]), pg_catalog.unnest({highs}::bigint[])) AS wanted (low, high)
  JOIN {relation}
    ON {key} BETWEEN wanted.low AND wanted.high

-- name: leaves_seen
-- Target, while the source reads them. What was seen in these ranges, as the view of it has it (store.sql): what was set aside, by its leaf, and
-- the id map by its index, however many of its rows the planner takes a range to hold.
CREATE TEMPORARY TABLE IF NOT EXISTS seen_{entity} (
  {columns}
) ON COMMIT DELETE ROWS;
TRUNCATE pg_temp.seen_{entity};
INSERT INTO pg_temp.seen_{entity}
SELECT a.*
  FROM (SELECT legacy_key[1]::{key_type} AS k1, h1, h2
          FROM migrated.dead_letter
         WHERE entity = '{entity}'
           AND state IN ('open', 'discarded')
           AND NOT mapped
         UNION ALL
        SELECT legacy_key[1]::{key_type}, h1, h2
          FROM migrated.parked
         WHERE entity = '{entity}'
           AND NOT mapped) AS a
 WHERE EXISTS (SELECT
                 FROM pg_temp.sweep_differing AS d
                WHERE d.leaf = a.k1::bigint >> {shift}
                  AND a.k1 BETWEEN d.low AND d.high);
SET LOCAL enable_seqscan = off;
INSERT INTO pg_temp.seen_{entity}
SELECT m.k1, m.h1, m.h2
  FROM pg_temp.sweep_differing AS d
  JOIN {id_map} AS m
    ON m.k1 BETWEEN d.low AND d.high
 WHERE m.gone IS NULL;
SET LOCAL enable_seqscan TO DEFAULT;

-- name: leaves_doubted
-- Target. A row that is read alone must explain all by which its leaf differed, in number and by both hashes; or else
-- more rows have changed, or some have since, and the whole leaf is to be read. Which ones?
WITH doubted AS (
  SELECT d.leaf, d.low AS key
    FROM pg_temp.sweep_differing AS d
    LEFT JOIN pg_temp.sweep_{entity} AS s
      ON s.k1 = d.low
    LEFT JOIN pg_temp.seen_{entity} AS m
      ON m.k1 = d.low
   WHERE d.low = d.high
     AND {mask} > 0
     AND (d.count, d.s1, d.s2) IS DISTINCT FROM ((s.k1 IS NOT NULL)::integer - (m.k1 IS NOT NULL)::integer,
                                                 coalesce(s.h1, 0)::numeric - coalesce(m.h1, 0),
                                                 coalesce(s.h2, 0)::numeric - coalesce(m.h2, 0))
),
forgotten AS (
  DELETE FROM pg_temp.sweep_{entity} AS s
   USING doubted AS o
   WHERE s.k1 = o.key
),
widened AS (
  UPDATE pg_temp.sweep_differing AS d
     SET low = d.leaf << {shift},
         high = (d.leaf << {shift}) + {mask}
    FROM doubted AS o
   WHERE d.leaf = o.leaf
  RETURNING d.low, d.high
)
SELECT pg_catalog.array_agg(low),
       pg_catalog.array_agg(high)
  FROM widened
