-- What people write by hand to carry deletions over: whatever the source does not have any more goes.
DELETE FROM orders AS t
 WHERE t.legacy_instruction_id IS NOT NULL
   AND NOT EXISTS (SELECT FROM legacy.dispatch_instruction AS s
                    WHERE s.id = t.legacy_instruction_id)
