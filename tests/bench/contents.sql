-- What a target holds, without the UUIDs, which differ from run to run: two targets made of the same
-- source must agree.
SELECT count(*),
       sum(hashtextextended(
           ROW(t.legacy_instruction_id, p.legacy_patient_id, o.legacy_office_id, t.status, t.notes, t.total,
               t.quantity, t.due_date, t.is_rush, t.created_at, t.updated_at)::text, 0))
  FROM orders AS t
  JOIN patients AS p
    ON p.id = t.patient_id
  JOIN offices AS o
    ON o.id = t.office_id
