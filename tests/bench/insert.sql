-- What people write by hand for a first load: everything is read, joined and written by one statement.
-- Where a parent is missing it fails as a whole.
INSERT INTO orders
       (legacy_instruction_id, patient_id, office_id, status, notes, total, quantity, due_date, is_rush,
        created_at, updated_at)
SELECT s.id,
       p.id,
       o.id,
       CASE s.status WHEN 0 THEN 'draft' WHEN 1 THEN 'sent' WHEN 2 THEN 'accepted'
                     WHEN 3 THEN 'in_production' WHEN 4 THEN 'shipped' WHEN 5 THEN 'cancelled' END,
       s.notes,
       s.price * s.quantity,
       s.quantity,
       s.due,
       s.is_rush,
       s.created_at,
       s.updated_at
  FROM legacy.dispatch_instruction AS s
  LEFT JOIN patients AS p
    ON p.legacy_patient_id = s.patient_id
  LEFT JOIN offices AS o
    ON o.legacy_office_id = s.office_id
