-- The least that looking for changes can cost: the source hashes the columns that the mapping reads, and sums.
SELECT count(*),
       sum(hashtextextended(r, 0)),
       sum(hashtextextended(r, 1))
  FROM (
SELECT ROW(id, patient_id, office_id, status, notes, price * quantity, quantity, due, is_rush,
           created_at, updated_at)::text AS r
  FROM dispatch_instruction
OFFSET 0
       ) AS s
