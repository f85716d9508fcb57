-- The least that looking for changes can cost: the source makes the text of every row, of the columns that the
-- mapping reads, hashes it twice and sums. OFFSET keeps the text from being made once for each hash; quoted
-- it is a constant to the planner from the start, and leaves the query parallel, which OFFSET 0 does not.
SELECT count(*),
       sum(hashtextextended(r, 0)),
       sum(hashtextextended(r, 1))
  FROM (
SELECT ROW(id, patient_id, office_id, status, notes, price * quantity, quantity, due, is_rush,
           created_at, updated_at)::text AS r
  FROM dispatch_instruction
OFFSET '0'
       ) AS s
