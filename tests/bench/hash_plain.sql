-- The same sums as in hash.sql, as one would write them down first: each row's text is made twice.
SELECT count(*),
       sum(hashtextextended(ROW(id, patient_id, office_id, status, notes, price * quantity, quantity, due,
                                is_rush, created_at, updated_at)::text, 0)),
       sum(hashtextextended(ROW(id, patient_id, office_id, status, notes, price * quantity, quantity, due,
                                is_rush, created_at, updated_at)::text, 1))
  FROM dispatch_instruction
