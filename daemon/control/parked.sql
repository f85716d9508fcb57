-- What is asked of parents that rows wait for. {holes} by handlers_parked.c.

-- name: parent_in_source
-- Source. Is there a row of this key, and does the mapping take it?
SELECT {place},
       EXISTS (SELECT FROM {relation} WHERE {which}),
       EXISTS (SELECT FROM {relation} WHERE {which} AND {filter})
  FROM (SELECT {key}::text[] AS key) AS wanted
