-- What a target should hold, as contents.sql has it, by the source's word: written by hand, and knows nothing of the mappings.
SELECT count(*),
       sum(hashtextextended(
           ROW(id, patient_id, office_id,
               CASE status WHEN 0 THEN 'draft' WHEN 1 THEN 'sent' WHEN 2 THEN 'accepted'
                           WHEN 3 THEN 'in_production' WHEN 4 THEN 'shipped' WHEN 5 THEN 'cancelled' END,
               notes, price * quantity, quantity, due, is_rush, created_at, updated_at)::text, 0))
  FROM dispatch_instruction
