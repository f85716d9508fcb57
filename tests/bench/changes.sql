-- Changes some rows of the legacy orders as an application would: %(rows)s of %(orders)s, chosen by %(seed)s.
UPDATE dispatch_instruction
   SET status = (status + 1) %% 6,
       quantity = quantity %% 20 + 1,
       notes = 'changed ' || md5(id::text || %(seed)s::text),
       updated_at = clock_timestamp()
 WHERE id IN (SELECT 1 + (hashint8extended(i, %(seed)s) & 9223372036854775807) %% %(orders)s
                FROM generate_series(1, %(rows)s) AS i)
