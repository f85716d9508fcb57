-- What people write by hand to carry changes over: everything is read, what differs is written.
-- It knows no deletions, and where a parent is missing it fails as a whole.
INSERT INTO orders AS t
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
    ON CONFLICT (legacy_instruction_id) DO UPDATE
   SET patient_id = excluded.patient_id,
       office_id = excluded.office_id,
       status = excluded.status,
       notes = excluded.notes,
       total = excluded.total,
       quantity = excluded.quantity,
       due_date = excluded.due_date,
       is_rush = excluded.is_rush,
       created_at = excluded.created_at,
       updated_at = excluded.updated_at
 WHERE (t.patient_id, t.office_id, t.status, t.notes, t.total, t.quantity, t.due_date, t.is_rush,
        t.created_at, t.updated_at)
       IS DISTINCT FROM
       (excluded.patient_id, excluded.office_id, excluded.status, excluded.notes, excluded.total,
        excluded.quantity, excluded.due_date, excluded.is_rush, excluded.created_at, excluded.updated_at)
