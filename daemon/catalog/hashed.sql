-- Key and hashes of source rows. {holes} by hashed.c.

-- name: hashed_rows
-- Source. Ordered by nothing: the target joins it. OFFSET keeps the row from being made once for each hash; written as a bigint
-- constant it does not keep the planner from using parallel workers, as a plain 0 would.
SELECT {selected},
       {h1},
       {h2}
  FROM (
SELECT {expressions},
       {row} AS r
  FROM {from}
 WHERE {filter}
   AND {condition}
OFFSET bigint '0'
       ) AS s
