-- How an entity is cut into ranges of its key.

-- name: boundaries
-- Source. The keys at which the next ranges end, after the last one planned; short of {limit} rows there is no further one.
SELECT {names}
  FROM (
SELECT {expressions},
       pg_catalog.row_number() OVER (ORDER BY {keys}) AS place
  FROM {relation}
 WHERE {filter}
   AND {which}
 ORDER BY {keys}
 LIMIT {limit}
       ) AS numbered
 WHERE place % {size} = 0
 ORDER BY place

-- name: middle
-- Source. The key that halves a range; none when the range holds less than two rows.
SELECT {names}
  FROM (
SELECT {expressions},
       pg_catalog.row_number() OVER (ORDER BY {keys}) AS place,
       pg_catalog.count(*) OVER () AS total
  FROM {relation}
 WHERE {filter}
   AND {which}
       ) AS numbered
 WHERE place = total / 2
