-- Deletes some rows of the legacy orders: as many as %(rows)s of those that are left, chosen by %(seed)s.
DELETE FROM dispatch_instruction
 WHERE id IN (SELECT id
                FROM dispatch_instruction
               ORDER BY hashint8extended(id, %(seed)s)
               LIMIT %(rows)s)
