-- read, source

COPY (
SELECT k1, c1, f2_1, w2, f3_1, w3, f4_1, w4, c5, c6, c7, c8, c9, c10,
       pg_catalog.hashfloat8extended(pg_catalog.hash_record_extended(s.r, 0)::float8, 0) AS h1,
       pg_catalog.hashfloat8extended(pg_catalog.hash_record_extended(s.r, 1)::float8, 1) AS h2
  FROM (
SELECT source."id" AS k1,
       source."item_type_id"::text AS c1,
       source."item_id" AS f2_1,
       CASE WHEN item_type_id = 7 THEN 1 WHEN item_type_id = 8 THEN 2 END AS w2,
       source."item_id" AS f3_1,
       CASE WHEN item_type_id = 7 THEN 1 END AS w3,
       source."item_id" AS f4_1,
       CASE WHEN item_type_id = 8 THEN 1 END AS w4,
       source."template" AS c5,
       source."template_context"::text AS c6,
       source."channel"::text AS c7,
       source."is_read" AS c8,
       source."sent_at" AS c9,
       source."created_at" AS c10,
       ROW(pg_catalog.int8send(source."id"), (source."item_type_id"::text)::text COLLATE "C", source."item_id", CASE WHEN item_type_id = 7 THEN 1 WHEN item_type_id = 8 THEN 2 END, source."item_id", CASE WHEN item_type_id = 7 THEN 1 END, source."item_id", CASE WHEN item_type_id = 8 THEN 1 END, (source."template")::text COLLATE "C", (source."template_context"::text)::text COLLATE "C", (source."channel"::text)::text COLLATE "C", source."is_read", pg_catalog.timestamptz_send(source."sent_at"), pg_catalog.timestamptz_send(source."created_at")) AS r
  FROM "public"."dispatch_notification" AS source
 WHERE TRUE
   AND TRUE
 ORDER BY source."id"
OFFSET bigint '0'
       ) AS s
) TO STDOUT (FORMAT binary)


-- stage, target

BEGIN ISOLATION LEVEL READ COMMITTED;
SET LOCAL seq_page_cost = 0.2;
SET LOCAL random_page_cost = 0.3;
SET LOCAL work_mem = '65536kB';
SET LOCAL enable_mergejoin = off;
SET LOCAL jit = off;
SET CONSTRAINTS ALL IMMEDIATE;
SELECT migrated.claim_batch('00000000-0000-0000-0000-000000000000', 'system_messages', 1, 0);
CREATE TEMPORARY TABLE IF NOT EXISTS stage_system_messages (
  k1 bigint,
  c1 text,
  f2_1 integer,
  w2 integer,
  f3_1 integer,
  w3 integer,
  f4_1 integer,
  w4 integer,
  c5 varchar,
  c6 text,
  c7 text,
  c8 boolean,
  c9 timestamptz,
  c10 timestamptz,
  h1 bigint,
  h2 bigint
) ON COMMIT DELETE ROWS;
COPY pg_temp.stage_system_messages (k1, c1, f2_1, w2, f3_1, w3, f4_1, w4, c5, c6, c7, c8, c9, c10, h1, h2) FROM STDIN (FORMAT binary);


-- load, target
SAVEPOINT applying;

WITH resolved AS MATERIALIZED (
  SELECT s.ctid AS row_id,
         s.k1,
         s.h1,
         s.h2,
         FALSE AS mapped,
         pg_catalog.gen_random_uuid() AS t1,
         CAST(CASE s.c1 WHEN '7' THEN 'order' WHEN '8' THEN 'case' ELSE NULL END AS text) AS v1,
         coalesce(r2_1.t1, r2_2.t1) AS v2,
         coalesce(r3_1.t1) AS v3,
         coalesce(r4_1.t1) AS v4,
         CAST(s.c5 AS text) AS v5,
         CAST(migrated.json_or_null(s.c6) AS jsonb) AS v6,
         CAST(CASE s.c7 WHEN '0' THEN 'email' WHEN '1' THEN 'sms' WHEN '2' THEN 'push' WHEN '3' THEN 'in_app' END AS message_channel) AS v7,
         CAST(s.c8 AS boolean) AS v8,
         CAST(s.c9 AS timestamp with time zone) AS v9,
         CAST(s.c10 AS timestamp with time zone) AS v10,
         CAST(s.k1 AS bigint) AS v11,
         CASE WHEN s.f2_1 IS NOT NULL AND s.w2 IS NOT NULL AND coalesce(r2_1.t1, r2_2.t1) IS NULL THEN ARRAY[s.f2_1::text] END AS p2,
         CASE s.w2 WHEN 1 THEN 'orders' WHEN 2 THEN 'cases' END AS q2,
         CASE WHEN s.f3_1 IS NOT NULL AND s.w3 IS NOT NULL AND coalesce(r3_1.t1) IS NULL THEN ARRAY[s.f3_1::text] END AS p3,
         CASE s.w3 WHEN 1 THEN 'orders' END AS q3,
         CASE WHEN s.f4_1 IS NOT NULL AND s.w4 IS NOT NULL AND coalesce(r4_1.t1) IS NULL THEN ARRAY[s.f4_1::text] END AS p4,
         CASE s.w4 WHEN 1 THEN 'cases' END AS q4,

         CASE WHEN s.c5 IS NULL THEN 1 WHEN s.c7 NOT IN ('0', '1', '2', '3') THEN 2 WHEN CASE s.c7 WHEN '0' THEN 'email' WHEN '1' THEN 'sms' WHEN '2' THEN 'push' WHEN '3' THEN 'in_app' END IS NULL THEN 3 WHEN s.c8 IS NULL THEN 4 WHEN s.c10 IS NULL THEN 5 END AS fault
    FROM pg_temp.stage_system_messages AS s
    LEFT JOIN migrated.id_map_orders AS r2_1
      ON r2_1.k1 = s.f2_1::integer AND s.w2 = 1
    LEFT JOIN migrated.id_map_cases AS r2_2
      ON r2_2.k1 = s.f2_1::integer AND s.w2 = 2
    LEFT JOIN migrated.id_map_orders AS r3_1
      ON r3_1.k1 = s.f3_1::integer AND s.w3 = 1
    LEFT JOIN migrated.id_map_cases AS r4_1
      ON r4_1.k1 = s.f4_1::integer AND s.w4 = 1
),
inserted AS (
  INSERT INTO "public"."system_messages" AS t ("id", "item_type", "item_id", "order_id", "case_id", "template_key", "context", "channel", "is_read", "sent_at", "created_at", "legacy_notification_id")
  SELECT r.t1, r.v1, r.v2, r.v3, r.v4, r.v5, r.v6, r.v7, r.v8, r.v9, r.v10, r.v11
    FROM resolved AS r
   WHERE CASE WHEN r.fault IS NULL AND NOT (r.p2 IS NOT NULL OR r.p3 IS NOT NULL OR r.p4 IS NOT NULL) THEN TRUE ELSE FALSE END
  RETURNING t."id" AS t1, pg_catalog.hash_record_extended(ROW((t."item_type")::text COLLATE "C", t."item_id", t."order_id", t."case_id", (t."template_key")::text COLLATE "C", pg_catalog.jsonb_send(t."context"), (t."channel")::text COLLATE "C", t."is_read", pg_catalog.timestamptz_send(t."sent_at"), pg_catalog.timestamptz_send(t."created_at"), pg_catalog.int8send(t."legacy_notification_id")), 0) AS w1, pg_catalog.nextval('migrated.change_number'::regclass) AS change
),
placed AS MATERIALIZED (
  SELECT r.k1, r.t1, r.h1, r.h2, w.w1, w.change
    FROM resolved AS r
    LEFT JOIN inserted AS w
      ON w.t1 = r.t1
   WHERE CASE WHEN r.fault IS NULL AND NOT (r.p2 IS NOT NULL OR r.p3 IS NOT NULL OR r.p4 IS NOT NULL) THEN TRUE ELSE FALSE END
),
placed_logged AS (
  INSERT INTO migrated.change_log_system_messages (change, session, batch, kind, k1, t1)
  SELECT w.change, 0, 1, 'inserted', w.k1, w.t1
    FROM placed AS w
   WHERE w.change IS NOT NULL
),
mapped AS (
  INSERT INTO migrated.id_map_system_messages (k1, t1, h1, h2, session, w1)
  SELECT w.k1, w.t1, w.h1, w.h2, 0, w.w1
    FROM placed AS w
),
dead AS (
  INSERT INTO migrated.dead_letter AS d
              (entity, legacy_key, session, batch, phase, sqlstate, constraint_name, column_name, message, h1, h2, mapped, row)
  SELECT 'system_messages', ARRAY[r.k1::text], '00000000-0000-0000-0000-000000000000', 1, f.phase, f.sqlstate, f.constraint_name, f.column_name, f.message,
         r.h1, r.h2, r.mapped, CASE WHEN 0 + coalesce(pg_catalog.pg_column_size(s.k1), 0) + coalesce(pg_catalog.pg_column_size(s.c1), 0) + coalesce(pg_catalog.pg_column_size(s.f2_1), 0) + coalesce(pg_catalog.pg_column_size(s.w2), 0) + coalesce(pg_catalog.pg_column_size(s.f3_1), 0) + coalesce(pg_catalog.pg_column_size(s.w3), 0) + coalesce(pg_catalog.pg_column_size(s.f4_1), 0) + coalesce(pg_catalog.pg_column_size(s.w4), 0) + coalesce(pg_catalog.pg_column_size(s.c5), 0) + coalesce(pg_catalog.pg_column_size(s.c6), 0) + coalesce(pg_catalog.pg_column_size(s.c7), 0) + coalesce(pg_catalog.pg_column_size(s.c8), 0) + coalesce(pg_catalog.pg_column_size(s.c9), 0) + coalesce(pg_catalog.pg_column_size(s.c10), 0) <= 262144
              THEN pg_catalog.jsonb_build_object('key', pg_catalog.jsonb_build_object('id', pg_catalog.to_jsonb(s.k1)),
                   'columns', pg_catalog.jsonb_build_object('item_type', pg_catalog.to_jsonb(s.c1::text), 'item_id', pg_catalog.to_jsonb(s.f2_1), 'order_id', pg_catalog.to_jsonb(s.f3_1), 'case_id', pg_catalog.to_jsonb(s.f4_1), 'template_key', pg_catalog.to_jsonb(s.c5::text), 'context', pg_catalog.to_jsonb(s.c6::text), 'channel', pg_catalog.to_jsonb(s.c7::text), 'is_read', pg_catalog.to_jsonb(s.c8), 'sent_at', pg_catalog.to_jsonb(s.c9::text), 'created_at', pg_catalog.to_jsonb(s.c10::text))) END
    FROM resolved AS r
    JOIN (VALUES (1, 'resolve', '23502', NULL, 'template_key', 'NULL, where the target column must have a value'), (2, 'resolve', '22000', NULL, 'channel', 'no row of the value table fits, and there is no default'), (3, 'resolve', '23502', NULL, 'channel', 'NULL, where the target column must have a value'), (4, 'resolve', '23502', NULL, 'is_read', 'NULL, where the target column must have a value'), (5, 'resolve', '23502', NULL, 'created_at', 'NULL, where the target column must have a value')) AS f (fault, phase, sqlstate, constraint_name, column_name, message)
      ON f.fault = r.fault
    JOIN pg_temp.stage_system_messages AS s
      ON s.ctid = r.row_id
      ON CONFLICT (entity, legacy_key) DO UPDATE
     SET session = excluded.session,
         batch = excluded.batch,
         phase = excluded.phase,
         sqlstate = excluded.sqlstate,
         constraint_name = excluded.constraint_name,
         column_name = excluded.column_name,
         message = excluded.message,
         h1 = coalesce(excluded.h1, d.h1),
         h2 = coalesce(excluded.h2, d.h2),
         mapped = excluded.mapped,
         row = excluded.row,
         attempts = d.attempts + 1,
         state = CASE WHEN d.state = 'discarded'
                       AND (d.h1, d.h2) IS NOT DISTINCT FROM (coalesce(excluded.h1, d.h1), coalesce(excluded.h2, d.h2))
                      THEN 'discarded'
                      ELSE 'open' END,
         updated_at = pg_catalog.now()
  RETURNING 1
),
waiting AS (
  INSERT INTO migrated.parked AS p
              (entity, legacy_key, column_name, parent_entity, parent_key, h1, h2, mapped, session, batch)
  SELECT 'system_messages', ARRAY[r.k1::text], w.column_name, w.parent_entity, w.parent_key, r.h1, r.h2, r.mapped, '00000000-0000-0000-0000-000000000000', 1
    FROM resolved AS r
   CROSS JOIN LATERAL (SELECT 'item_id', r.q2, r.p2 WHERE r.p2 IS NOT NULL UNION ALL SELECT 'order_id', r.q3, r.p3 WHERE r.p3 IS NOT NULL UNION ALL SELECT 'case_id', r.q4, r.p4 WHERE r.p4 IS NOT NULL LIMIT 1) AS w (column_name, parent_entity, parent_key)
   WHERE r.fault IS NULL AND (r.p2 IS NOT NULL OR r.p3 IS NOT NULL OR r.p4 IS NOT NULL)
      ON CONFLICT (entity, legacy_key) DO UPDATE
     SET column_name = excluded.column_name,
         parent_entity = excluded.parent_entity,
         parent_key = excluded.parent_key,
         h1 = excluded.h1,
         h2 = excluded.h2,
         mapped = excluded.mapped,
         session = excluded.session,
         batch = excluded.batch
  RETURNING 1
),
later AS (
  INSERT INTO migrated.deferred AS l
              (entity, legacy_key, column_name, parent_entity, parent_key, session, batch)
  SELECT 'system_messages', ARRAY[r.k1::text], w.column_name, w.parent_entity, w.parent_key, '00000000-0000-0000-0000-000000000000', 1
    FROM resolved AS r
   CROSS JOIN LATERAL (SELECT NULL::text, NULL::text, NULL::text[]) AS w (column_name, parent_entity, parent_key)
   WHERE CASE WHEN r.fault IS NULL AND NOT (r.p2 IS NOT NULL OR r.p3 IS NOT NULL OR r.p4 IS NOT NULL) THEN TRUE ELSE FALSE END AND FALSE
      ON CONFLICT (entity, legacy_key, column_name) DO UPDATE
     SET parent_entity = excluded.parent_entity,
         parent_key = excluded.parent_key,
         session = excluded.session,
         batch = excluded.batch
)
UPDATE migrated.batch AS b
   SET inserted = b.inserted + (SELECT pg_catalog.count(*) FROM inserted),
       unchanged = b.unchanged + (SELECT pg_catalog.count(*) FROM placed AS w WHERE w.change IS NULL),
       failed = b.failed + (SELECT pg_catalog.count(*) FROM dead),
       parked = b.parked + (SELECT pg_catalog.count(*) FROM waiting)
 WHERE b.session = '00000000-0000-0000-0000-000000000000'
   AND b.entity = 'system_messages'
   AND b.number = 1
;

UPDATE migrated.dead_letter AS d
   SET state = 'resolved',
       updated_at = pg_catalog.now()
  FROM pg_temp.stage_system_messages AS s
 WHERE d.entity = 'system_messages'
   AND d.legacy_key = ARRAY[s.k1::text]
   AND d.state IN ('open', 'discarded')
   AND (d.session, d.batch) IS DISTINCT FROM ('00000000-0000-0000-0000-000000000000'::uuid, 1);
DELETE FROM migrated.parked AS p
 USING pg_temp.stage_system_messages AS s
 WHERE p.entity = 'system_messages'
   AND p.legacy_key = ARRAY[s.k1::text]
   AND (p.session, p.batch) IS DISTINCT FROM ('00000000-0000-0000-0000-000000000000'::uuid, 1);
DELETE FROM migrated.deferred AS l
 USING pg_temp.stage_system_messages AS s
 WHERE l.entity = 'system_messages'
   AND l.legacy_key = ARRAY[s.k1::text]
   AND (l.session, l.batch) IS DISTINCT FROM ('00000000-0000-0000-0000-000000000000'::uuid, 1);
DELETE FROM migrated.again AS g
 USING pg_temp.stage_system_messages AS s
 WHERE EXISTS (SELECT FROM migrated.again WHERE entity = 'system_messages')
   AND g.entity = 'system_messages'
   AND g.legacy_key = ARRAY[s.k1::text]
   AND g.requested_at <= pg_catalog.now();
UPDATE migrated.conflict AS c
   SET state = 'resolved',
       updated_at = pg_catalog.now()
  FROM pg_temp.stage_system_messages AS s
 WHERE c.entity = 'system_messages'
   AND c.legacy_key = ARRAY[s.k1::text]
   AND c.state = 'held'
   AND (c.session, c.batch) IS DISTINCT FROM ('00000000-0000-0000-0000-000000000000'::uuid, 1);


WITH absent AS MATERIALIZED (
  SELECT c.legacy_key
    FROM migrated.change AS c
   WHERE (EXISTS (SELECT FROM migrated.again WHERE entity = 'system_messages')
          OR EXISTS (SELECT FROM migrated.parked WHERE entity = 'system_messages')
          OR EXISTS (SELECT FROM migrated.dead_letter WHERE entity = 'system_messages' AND state = 'open'))
     AND c.analysis = '00000000-0000-0000-0000-000000000000'
     AND c.entity = 'system_messages'
     AND c.ordinal BETWEEN 1 AND 1
     AND c.kind IN ('again', 'unparked')
     AND c.legacy_key NOT IN (SELECT ARRAY[s.k1::text] FROM pg_temp.stage_system_messages AS s)
),
closed AS (
  UPDATE migrated.dead_letter AS d
     SET state = 'resolved',
         message = CASE WHEN d.mapped
                        THEN 'not in the source any more; what the target has of it is the next sweep''s to find'
                        ELSE 'not in the source any more' END,
         updated_at = pg_catalog.now()
    FROM absent AS a
   WHERE d.entity = 'system_messages'
     AND d.legacy_key = a.legacy_key
     AND d.state IN ('open', 'discarded')
),
unparked AS (
  DELETE FROM migrated.parked AS p
   USING absent AS a
   WHERE p.entity = 'system_messages'
     AND p.legacy_key = a.legacy_key
)
DELETE FROM migrated.again AS g
 USING absent AS a
 WHERE g.entity = 'system_messages'
   AND g.legacy_key = a.legacy_key
   AND g.requested_at <= pg_catalog.now();

UPDATE migrated.batch AS b
   SET done = true,
       begun_at = pg_catalog.now(),
       finished_at = pg_catalog.clock_timestamp()
 WHERE b.session = '00000000-0000-0000-0000-000000000000'
   AND b.entity = 'system_messages'
   AND b.number = 1
RETURNING inserted, updated, unchanged, deleted, failed, parked, warned, warnings, overwritten, kept, held;
COMMIT;


-- write, target
SAVEPOINT applying;

WITH resolved AS MATERIALIZED (
  SELECT s.ctid AS row_id,
         s.k1,
         s.h1,
         s.h2,
         m.t1 IS NOT NULL AS mapped,
         t."id" IS NOT NULL AS present,
         m.w1,
         CASE WHEN t."id" IS NULL THEN 0 ELSE pg_catalog.hash_record_extended(ROW((t."item_type")::text COLLATE "C", t."item_id", t."order_id", t."case_id", (t."template_key")::text COLLATE "C", pg_catalog.jsonb_send(t."context"), (t."channel")::text COLLATE "C", t."is_read", pg_catalog.timestamptz_send(t."sent_at"), pg_catalog.timestamptz_send(t."created_at"), pg_catalog.int8send(t."legacy_notification_id")), 0) END AS standing,
         CASE WHEN t."id" IS NULL THEN TRUE ELSE (t."item_type", t."item_id", t."order_id", t."case_id", t."template_key", t."context"::text COLLATE "C", t."channel", t."is_read", t."sent_at", t."created_at", t."legacy_notification_id") IS DISTINCT FROM (CAST(CASE s.c1 WHEN '7' THEN 'order' WHEN '8' THEN 'case' ELSE NULL END AS text), coalesce(r2_1.t1, r2_2.t1), coalesce(r3_1.t1), coalesce(r4_1.t1), CAST(s.c5 AS text), CAST(migrated.json_or_null(s.c6) AS jsonb)::text COLLATE "C", CAST(CASE s.c7 WHEN '0' THEN 'email' WHEN '1' THEN 'sms' WHEN '2' THEN 'push' WHEN '3' THEN 'in_app' END AS message_channel), CAST(s.c8 AS boolean), CAST(s.c9 AS timestamp with time zone), CAST(s.c10 AS timestamp with time zone), CAST(s.k1 AS bigint)) END AS differs,
         t.xmin AS version,
         t.ctid AS place,
         coalesce(m.t1, a."id") AS o1,
         coalesce(coalesce(m.t1, a."id"), pg_catalog.gen_random_uuid()) AS t1,
         CAST(CASE s.c1 WHEN '7' THEN 'order' WHEN '8' THEN 'case' ELSE NULL END AS text) AS v1,
         coalesce(r2_1.t1, r2_2.t1) AS v2,
         coalesce(r3_1.t1) AS v3,
         coalesce(r4_1.t1) AS v4,
         CAST(s.c5 AS text) AS v5,
         CAST(migrated.json_or_null(s.c6) AS jsonb) AS v6,
         CAST(CASE s.c7 WHEN '0' THEN 'email' WHEN '1' THEN 'sms' WHEN '2' THEN 'push' WHEN '3' THEN 'in_app' END AS message_channel) AS v7,
         CAST(s.c8 AS boolean) AS v8,
         CAST(s.c9 AS timestamp with time zone) AS v9,
         CAST(s.c10 AS timestamp with time zone) AS v10,
         CAST(s.k1 AS bigint) AS v11,
         CASE WHEN s.f2_1 IS NOT NULL AND s.w2 IS NOT NULL AND coalesce(r2_1.t1, r2_2.t1) IS NULL THEN ARRAY[s.f2_1::text] END AS p2,
         CASE s.w2 WHEN 1 THEN 'orders' WHEN 2 THEN 'cases' END AS q2,
         CASE WHEN s.f3_1 IS NOT NULL AND s.w3 IS NOT NULL AND coalesce(r3_1.t1) IS NULL THEN ARRAY[s.f3_1::text] END AS p3,
         CASE s.w3 WHEN 1 THEN 'orders' END AS q3,
         CASE WHEN s.f4_1 IS NOT NULL AND s.w4 IS NOT NULL AND coalesce(r4_1.t1) IS NULL THEN ARRAY[s.f4_1::text] END AS p4,
         CASE s.w4 WHEN 1 THEN 'cases' END AS q4,

         CASE WHEN s.c5 IS NULL THEN 1 WHEN s.c7 NOT IN ('0', '1', '2', '3') THEN 2 WHEN CASE s.c7 WHEN '0' THEN 'email' WHEN '1' THEN 'sms' WHEN '2' THEN 'push' WHEN '3' THEN 'in_app' END IS NULL THEN 3 WHEN s.c8 IS NULL THEN 4 WHEN s.c10 IS NULL THEN 5 END AS fault,
         t."id" AS b1, t."legacy_notification_id" AS b2, t."item_type" AS b3, t."item_id" AS b4, t."order_id" AS b5, t."case_id" AS b6, t."template_key" AS b7, t."context" AS b8, t."channel" AS b9, t."is_read" AS b10, t."sent_at" AS b11, t."created_at" AS b12,
         (m.*)::migrated.id_map_system_messages AS map
    FROM pg_temp.stage_system_messages AS s
    LEFT JOIN migrated.id_map_system_messages AS m
      ON m.k1 = s.k1
    LEFT JOIN migrated.id_map_orders AS r2_1
      ON r2_1.k1 = s.f2_1::integer AND s.w2 = 1
    LEFT JOIN migrated.id_map_cases AS r2_2
      ON r2_2.k1 = s.f2_1::integer AND s.w2 = 2
    LEFT JOIN migrated.id_map_orders AS r3_1
      ON r3_1.k1 = s.f3_1::integer AND s.w3 = 1
    LEFT JOIN migrated.id_map_cases AS r4_1
      ON r4_1.k1 = s.f4_1::integer AND s.w4 = 1
    LEFT JOIN "public"."system_messages" AS a
      ON a."legacy_notification_id" = CASE WHEN m.t1 IS NULL THEN CAST(s.k1 AS bigint) END
    LEFT JOIN "public"."system_messages" AS t
      ON t."id" = coalesce(m.t1, a."id")
   WHERE TRUE
),
inserted AS (
  INSERT INTO "public"."system_messages" AS t ("id", "item_type", "item_id", "order_id", "case_id", "template_key", "context", "channel", "is_read", "sent_at", "created_at", "legacy_notification_id")
  SELECT r.t1, r.v1, r.v2, r.v3, r.v4, r.v5, r.v6, r.v7, r.v8, r.v9, r.v10, r.v11
    FROM resolved AS r
   WHERE CASE WHEN r.fault IS NULL AND NOT (r.p2 IS NOT NULL OR r.p3 IS NOT NULL OR r.p4 IS NOT NULL) THEN TRUE ELSE FALSE END
     AND NOT r.present
  RETURNING t."id" AS t1, pg_catalog.hash_record_extended(ROW((t."item_type")::text COLLATE "C", t."item_id", t."order_id", t."case_id", (t."template_key")::text COLLATE "C", pg_catalog.jsonb_send(t."context"), (t."channel")::text COLLATE "C", t."is_read", pg_catalog.timestamptz_send(t."sent_at"), pg_catalog.timestamptz_send(t."created_at"), pg_catalog.int8send(t."legacy_notification_id")), 0) AS w1, pg_catalog.nextval('migrated.change_number'::regclass) AS change
),
updated AS (
  UPDATE "public"."system_messages" AS t
     SET "item_type" = r.v1,
         "item_id" = r.v2,
         "order_id" = r.v3,
         "case_id" = r.v4,
         "template_key" = r.v5,
         "context" = r.v6,
         "channel" = r.v7,
         "is_read" = r.v8,
         "sent_at" = r.v9,
         "created_at" = r.v10,
         "legacy_notification_id" = r.v11
    FROM resolved AS r
   WHERE t."id" = r.o1
     AND CASE WHEN r.fault IS NULL AND NOT (r.p2 IS NOT NULL OR r.p3 IS NOT NULL OR r.p4 IS NOT NULL) THEN TRUE ELSE FALSE END AND r.present AND r.differs
     AND t.ctid = r.place
     AND t.xmin = r.version
  RETURNING r.o1, r.k1, t."id" AS t1, pg_catalog.hash_record_extended(ROW((t."item_type")::text COLLATE "C", t."item_id", t."order_id", t."case_id", (t."template_key")::text COLLATE "C", pg_catalog.jsonb_send(t."context"), (t."channel")::text COLLATE "C", t."is_read", pg_catalog.timestamptz_send(t."sent_at"), pg_catalog.timestamptz_send(t."created_at"), pg_catalog.int8send(t."legacy_notification_id")), 0) AS w1, pg_catalog.nextval('migrated.change_number'::regclass) AS change,
            r.b1, r.b2, r.b3, r.b4, r.b5, r.b6, r.b7, r.b8, r.b9, r.b10, r.b11, r.b12, r.map,
            t."id" AS a1, t."legacy_notification_id" AS a2, t."item_type" AS a3, t."item_id" AS a4, t."order_id" AS a5, t."case_id" AS a6, t."template_key" AS a7, t."context" AS a8, t."channel" AS a9, t."is_read" AS a10, t."sent_at" AS a11, t."created_at" AS a12
),
placed AS (
  SELECT r.k1, w.t1, w.change, r.mapped
    FROM inserted AS w
    JOIN resolved AS r
      ON w.t1 = r.t1
),
placed_logged AS (
  INSERT INTO migrated.change_log_system_messages (change, session, batch, kind, k1, t1)
  SELECT w.change, 0, 1, 'inserted', w.k1, w.t1
    FROM placed AS w
),
placed_imaged AS (
  INSERT INTO migrated.before_image (change, session, entity, before, after, mapping)
  SELECT w.change, 0, 'system_messages', NULL, NULL,
         (SELECT pg_catalog.to_jsonb(m) FROM migrated.id_map_system_messages AS m WHERE m.k1 = w.k1)
    FROM placed AS w
   WHERE w.mapped
),
updated_logged AS (
  INSERT INTO migrated.change_log_system_messages (change, session, batch, kind, k1, t1)
  SELECT w.change, 0, 1, 'updated', w.k1, w.t1
    FROM updated AS w
),
updated_imaged AS (
  INSERT INTO migrated.before_image (change, session, entity, before, after, mapping)
  SELECT w.change, 0, 'system_messages', d.before, d.after,
         pg_catalog.to_jsonb(w.map)
    FROM updated AS w
   CROSS JOIN LATERAL (SELECT w.b1, w.b2, w.b3, w.b4, w.b5, w.b6, w.b7, w.b8, w.b9, w.b10, w.b11, w.b12) AS b

   CROSS JOIN LATERAL (SELECT b.b1 IS DISTINCT FROM w.a1 AS d1, b.b2 IS DISTINCT FROM w.a2 AS d2, ROW(b.b3)::record OPERATOR(pg_catalog.*<>) ROW(w.a3)::record AS d3, b.b4 IS DISTINCT FROM w.a4 AS d4, b.b5 IS DISTINCT FROM w.a5 AS d5, b.b6 IS DISTINCT FROM w.a6 AS d6, ROW(b.b7)::record OPERATOR(pg_catalog.*<>) ROW(w.a7)::record AS d7, ROW(b.b8)::record OPERATOR(pg_catalog.*<>) ROW(w.a8)::record AS d8, ROW(b.b9)::record OPERATOR(pg_catalog.*<>) ROW(w.a9)::record AS d9, b.b10 IS DISTINCT FROM w.a10 AS d10, ROW(b.b11)::record OPERATOR(pg_catalog.*<>) ROW(w.a11)::record AS d11, ROW(b.b12)::record OPERATOR(pg_catalog.*<>) ROW(w.a12)::record AS d12 OFFSET 0) AS c
   CROSS JOIN LATERAL (SELECT pg_catalog.array_remove(ARRAY[CASE WHEN NOT c.d1 THEN 'id'::text END, CASE WHEN NOT c.d2 THEN 'legacy_notification_id'::text END, CASE WHEN NOT c.d3 THEN 'item_type'::text END, CASE WHEN NOT c.d4 THEN 'item_id'::text END, CASE WHEN NOT c.d5 THEN 'order_id'::text END, CASE WHEN NOT c.d6 THEN 'case_id'::text END, CASE WHEN NOT c.d7 THEN 'template_key'::text END, CASE WHEN NOT c.d8 THEN 'context'::text END, CASE WHEN NOT c.d9 THEN 'channel'::text END, CASE WHEN NOT c.d10 THEN 'is_read'::text END, CASE WHEN NOT c.d11 THEN 'sent_at'::text END, CASE WHEN NOT c.d12 THEN 'created_at'::text END], NULL) AS names OFFSET 0) AS alike
   CROSS JOIN LATERAL (
         SELECT pg_catalog.jsonb_object(ARRAY['id', 'legacy_notification_id', 'item_type', 'item_id', 'order_id', 'case_id', 'template_key', 'context', 'channel', 'is_read', 'sent_at', 'created_at']::text[], ARRAY[CASE WHEN c.d1 THEN b.b1::text END, CASE WHEN c.d2 THEN b.b2::text END, CASE WHEN c.d3 THEN b.b3::text END, CASE WHEN c.d4 THEN b.b4::text END, CASE WHEN c.d5 THEN b.b5::text END, CASE WHEN c.d6 THEN b.b6::text END, CASE WHEN c.d7 THEN b.b7::text END, CASE WHEN c.d8 THEN b.b8::text END, CASE WHEN c.d9 THEN b.b9::text END, CASE WHEN c.d10 THEN b.b10::text END, CASE WHEN c.d11 THEN b.b11::text END, CASE WHEN c.d12 THEN b.b12::text END]) - alike.names AS before,
                pg_catalog.jsonb_object(ARRAY['id', 'legacy_notification_id', 'item_type', 'item_id', 'order_id', 'case_id', 'template_key', 'context', 'channel', 'is_read', 'sent_at', 'created_at']::text[], ARRAY[CASE WHEN c.d1 THEN w.a1::text END, CASE WHEN c.d2 THEN w.a2::text END, CASE WHEN c.d3 THEN w.a3::text END, CASE WHEN c.d4 THEN w.a4::text END, CASE WHEN c.d5 THEN w.a5::text END, CASE WHEN c.d6 THEN w.a6::text END, CASE WHEN c.d7 THEN w.a7::text END, CASE WHEN c.d8 THEN w.a8::text END, CASE WHEN c.d9 THEN w.a9::text END, CASE WHEN c.d10 THEN w.a10::text END, CASE WHEN c.d11 THEN w.a11::text END, CASE WHEN c.d12 THEN w.a12::text END]) - alike.names AS after) AS d
),
written AS (
  SELECT t1, w1
    FROM inserted
   UNION ALL
  SELECT t1, w1
    FROM updated
),
mapped AS (
  INSERT INTO migrated.id_map_system_messages (k1, t1, h1, h2, session, w1)
  SELECT r.k1, r.t1, r.h1, r.h2, 0, coalesce(w.w1, CASE WHEN NOT r.differs THEN r.standing END)
    FROM resolved AS r
    LEFT JOIN written AS w
      ON w.t1 = r.t1
   WHERE CASE WHEN r.fault IS NULL AND NOT (r.p2 IS NOT NULL OR r.p3 IS NOT NULL OR r.p4 IS NOT NULL) THEN TRUE ELSE FALSE END
     AND NOT r.mapped
  RETURNING 1
),
remapped AS (
  UPDATE migrated.id_map_system_messages AS m
     SET h1 = r.h1,
         h2 = r.h2,
         gone = NULL,
         w1 = coalesce(w.w1, CASE WHEN CASE WHEN r.fault IS NULL AND NOT (r.p2 IS NOT NULL OR r.p3 IS NOT NULL OR r.p4 IS NOT NULL) THEN TRUE ELSE FALSE END AND NOT r.differs THEN r.standing ELSE m.w1 END)
    FROM resolved AS r
    LEFT JOIN written AS w
      ON w.t1 = r.t1
   WHERE m.k1 = r.k1
     AND r.mapped
     AND (m.h1, m.h2, m.gone, m.w1, m.t1) IS DISTINCT FROM (r.h1, r.h2, NULL::timestamptz, coalesce(w.w1, CASE WHEN CASE WHEN r.fault IS NULL AND NOT (r.p2 IS NOT NULL OR r.p3 IS NOT NULL OR r.p4 IS NOT NULL) THEN TRUE ELSE FALSE END AND NOT r.differs THEN r.standing ELSE m.w1 END), r.t1)
),
contested AS (
  INSERT INTO migrated.conflict AS c
              (entity, legacy_key, session, batch, policy, in_source, in_target, state, columns, before, h1, h2)
  SELECT 'system_messages', ARRAY[r.k1::text], '00000000-0000-0000-0000-000000000000', 1, 'source_wins', 'changed',
         CASE WHEN r.present THEN 'edited' ELSE 'deleted' END,
         CASE WHEN r.differs AND r.w1 <> r.standing THEN 'overwritten' END,
         ARRAY(SELECT d.name FROM (VALUES ('item_type', t."item_type" IS DISTINCT FROM r.v1), ('item_id', t."item_id" IS DISTINCT FROM r.v2), ('order_id', t."order_id" IS DISTINCT FROM r.v3), ('case_id', t."case_id" IS DISTINCT FROM r.v4), ('template_key', t."template_key" IS DISTINCT FROM r.v5), ('context', t."context"::text COLLATE "C" IS DISTINCT FROM r.v6::text COLLATE "C"), ('channel', t."channel" IS DISTINCT FROM r.v7), ('is_read', t."is_read" IS DISTINCT FROM r.v8), ('sent_at', t."sent_at" IS DISTINCT FROM r.v9), ('created_at', t."created_at" IS DISTINCT FROM r.v10), ('legacy_notification_id', t."legacy_notification_id" IS DISTINCT FROM r.v11)) AS d (name, differs) WHERE d.differs),
         CASE WHEN r.present THEN (SELECT pg_catalog.to_jsonb(c) FROM (SELECT t."item_type" AS "item_type", t."item_id" AS "item_id", t."order_id" AS "order_id", t."case_id" AS "case_id", t."template_key" AS "template_key", t."context" AS "context", t."channel" AS "channel", t."is_read" AS "is_read", t."sent_at" AS "sent_at", t."created_at" AS "created_at", t."legacy_notification_id" AS "legacy_notification_id") AS c) END,
         r.h1, r.h2
    FROM resolved AS r
    LEFT JOIN LATERAL (SELECT * FROM "public"."system_messages" AS t WHERE t."id" = r.o1 OFFSET 0) AS t
      ON TRUE
   WHERE CASE WHEN r.fault IS NULL AND NOT (r.p2 IS NOT NULL OR r.p3 IS NOT NULL OR r.p4 IS NOT NULL) THEN TRUE ELSE FALSE END
     AND CASE WHEN r.differs AND r.w1 <> r.standing THEN 'overwritten' END <> 'left'

      ON CONFLICT (entity, legacy_key) WHERE state = 'held' DO UPDATE
     SET session = excluded.session,
         batch = excluded.batch,
         policy = excluded.policy,
         in_source = excluded.in_source,
         in_target = excluded.in_target,
         columns = excluded.columns,
         before = excluded.before,
         h1 = excluded.h1,
         h2 = excluded.h2,
         updated_at = pg_catalog.now()
  RETURNING state
),
dead AS (
  INSERT INTO migrated.dead_letter AS d
              (entity, legacy_key, session, batch, phase, sqlstate, constraint_name, column_name, message, h1, h2, mapped, row)
  SELECT 'system_messages', ARRAY[r.k1::text], '00000000-0000-0000-0000-000000000000', 1, f.phase, f.sqlstate, f.constraint_name, f.column_name, f.message,
         r.h1, r.h2, r.mapped, CASE WHEN 0 + coalesce(pg_catalog.pg_column_size(s.k1), 0) + coalesce(pg_catalog.pg_column_size(s.c1), 0) + coalesce(pg_catalog.pg_column_size(s.f2_1), 0) + coalesce(pg_catalog.pg_column_size(s.w2), 0) + coalesce(pg_catalog.pg_column_size(s.f3_1), 0) + coalesce(pg_catalog.pg_column_size(s.w3), 0) + coalesce(pg_catalog.pg_column_size(s.f4_1), 0) + coalesce(pg_catalog.pg_column_size(s.w4), 0) + coalesce(pg_catalog.pg_column_size(s.c5), 0) + coalesce(pg_catalog.pg_column_size(s.c6), 0) + coalesce(pg_catalog.pg_column_size(s.c7), 0) + coalesce(pg_catalog.pg_column_size(s.c8), 0) + coalesce(pg_catalog.pg_column_size(s.c9), 0) + coalesce(pg_catalog.pg_column_size(s.c10), 0) <= 262144
              THEN pg_catalog.jsonb_build_object('key', pg_catalog.jsonb_build_object('id', pg_catalog.to_jsonb(s.k1)),
                   'columns', pg_catalog.jsonb_build_object('item_type', pg_catalog.to_jsonb(s.c1::text), 'item_id', pg_catalog.to_jsonb(s.f2_1), 'order_id', pg_catalog.to_jsonb(s.f3_1), 'case_id', pg_catalog.to_jsonb(s.f4_1), 'template_key', pg_catalog.to_jsonb(s.c5::text), 'context', pg_catalog.to_jsonb(s.c6::text), 'channel', pg_catalog.to_jsonb(s.c7::text), 'is_read', pg_catalog.to_jsonb(s.c8), 'sent_at', pg_catalog.to_jsonb(s.c9::text), 'created_at', pg_catalog.to_jsonb(s.c10::text))) END
    FROM resolved AS r
    JOIN (VALUES (1, 'resolve', '23502', NULL, 'template_key', 'NULL, where the target column must have a value'), (2, 'resolve', '22000', NULL, 'channel', 'no row of the value table fits, and there is no default'), (3, 'resolve', '23502', NULL, 'channel', 'NULL, where the target column must have a value'), (4, 'resolve', '23502', NULL, 'is_read', 'NULL, where the target column must have a value'), (5, 'resolve', '23502', NULL, 'created_at', 'NULL, where the target column must have a value')) AS f (fault, phase, sqlstate, constraint_name, column_name, message)
      ON f.fault = r.fault
    JOIN pg_temp.stage_system_messages AS s
      ON s.ctid = r.row_id
      ON CONFLICT (entity, legacy_key) DO UPDATE
     SET session = excluded.session,
         batch = excluded.batch,
         phase = excluded.phase,
         sqlstate = excluded.sqlstate,
         constraint_name = excluded.constraint_name,
         column_name = excluded.column_name,
         message = excluded.message,
         h1 = coalesce(excluded.h1, d.h1),
         h2 = coalesce(excluded.h2, d.h2),
         mapped = excluded.mapped,
         row = excluded.row,
         attempts = d.attempts + 1,
         state = CASE WHEN d.state = 'discarded'
                       AND (d.h1, d.h2) IS NOT DISTINCT FROM (coalesce(excluded.h1, d.h1), coalesce(excluded.h2, d.h2))
                      THEN 'discarded'
                      ELSE 'open' END,
         updated_at = pg_catalog.now()
  RETURNING 1
),
waiting AS (
  INSERT INTO migrated.parked AS p
              (entity, legacy_key, column_name, parent_entity, parent_key, h1, h2, mapped, session, batch)
  SELECT 'system_messages', ARRAY[r.k1::text], w.column_name, w.parent_entity, w.parent_key, r.h1, r.h2, r.mapped, '00000000-0000-0000-0000-000000000000', 1
    FROM resolved AS r
   CROSS JOIN LATERAL (SELECT 'item_id', r.q2, r.p2 WHERE r.p2 IS NOT NULL UNION ALL SELECT 'order_id', r.q3, r.p3 WHERE r.p3 IS NOT NULL UNION ALL SELECT 'case_id', r.q4, r.p4 WHERE r.p4 IS NOT NULL LIMIT 1) AS w (column_name, parent_entity, parent_key)
   WHERE r.fault IS NULL AND (r.p2 IS NOT NULL OR r.p3 IS NOT NULL OR r.p4 IS NOT NULL)
      ON CONFLICT (entity, legacy_key) DO UPDATE
     SET column_name = excluded.column_name,
         parent_entity = excluded.parent_entity,
         parent_key = excluded.parent_key,
         h1 = excluded.h1,
         h2 = excluded.h2,
         mapped = excluded.mapped,
         session = excluded.session,
         batch = excluded.batch
  RETURNING 1
),
later AS (
  INSERT INTO migrated.deferred AS l
              (entity, legacy_key, column_name, parent_entity, parent_key, session, batch)
  SELECT 'system_messages', ARRAY[r.k1::text], w.column_name, w.parent_entity, w.parent_key, '00000000-0000-0000-0000-000000000000', 1
    FROM resolved AS r
   CROSS JOIN LATERAL (SELECT NULL::text, NULL::text, NULL::text[]) AS w (column_name, parent_entity, parent_key)
   WHERE CASE WHEN r.fault IS NULL AND NOT (r.p2 IS NOT NULL OR r.p3 IS NOT NULL OR r.p4 IS NOT NULL) THEN TRUE ELSE FALSE END AND FALSE
      ON CONFLICT (entity, legacy_key, column_name) DO UPDATE
     SET parent_entity = excluded.parent_entity,
         parent_key = excluded.parent_key,
         session = excluded.session,
         batch = excluded.batch
)
UPDATE migrated.batch AS b
   SET inserted = b.inserted + (SELECT pg_catalog.count(*) FROM inserted),
       updated = b.updated + (SELECT pg_catalog.count(*) FROM updated)
                 + CASE WHEN (SELECT pg_catalog.count(*) FROM updated) < (SELECT pg_catalog.count(*) FROM resolved AS r WHERE CASE WHEN r.fault IS NULL AND NOT (r.p2 IS NOT NULL OR r.p3 IS NOT NULL OR r.p4 IS NOT NULL) THEN TRUE ELSE FALSE END AND r.present AND r.differs)
                        THEN (SELECT migrated.refuse_overtaken('"public"."system_messages"', pg_catalog.array_agg(t.ctid), pg_catalog.array_agg(t.tableoid),
                                                               pg_catalog.array_agg(t.xmin))
                                FROM resolved AS r
                                JOIN "public"."system_messages" AS t
                                  ON t."id" = r.o1
                               WHERE CASE WHEN r.fault IS NULL AND NOT (r.p2 IS NOT NULL OR r.p3 IS NOT NULL OR r.p4 IS NOT NULL) THEN TRUE ELSE FALSE END AND r.present AND r.differs
                                 AND NOT EXISTS (SELECT FROM updated AS u WHERE u.o1 = r.o1))
                        ELSE 0 END,
       unchanged = b.unchanged + (SELECT pg_catalog.count(*) FROM resolved AS r WHERE CASE WHEN r.fault IS NULL AND NOT (r.p2 IS NOT NULL OR r.p3 IS NOT NULL OR r.p4 IS NOT NULL) THEN TRUE ELSE FALSE END)
                   - (SELECT pg_catalog.count(*) FROM inserted)
                   - (SELECT pg_catalog.count(*) FROM updated),
       failed = b.failed + (SELECT pg_catalog.count(*) FROM dead),
       parked = b.parked + (SELECT pg_catalog.count(*) FROM waiting),
       overwritten = b.overwritten + (SELECT pg_catalog.count(*) FROM contested AS c WHERE c.state = 'overwritten'),
       kept = b.kept + (SELECT pg_catalog.count(*) FROM contested AS c WHERE c.state = 'kept'),
       held = b.held + (SELECT pg_catalog.count(*) FROM contested AS c WHERE c.state = 'held')
 WHERE b.session = '00000000-0000-0000-0000-000000000000'
   AND b.entity = 'system_messages'
   AND b.number = 1
;

UPDATE migrated.dead_letter AS d
   SET state = 'resolved',
       updated_at = pg_catalog.now()
  FROM pg_temp.stage_system_messages AS s
 WHERE d.entity = 'system_messages'
   AND d.legacy_key = ARRAY[s.k1::text]
   AND d.state IN ('open', 'discarded')
   AND (d.session, d.batch) IS DISTINCT FROM ('00000000-0000-0000-0000-000000000000'::uuid, 1);
DELETE FROM migrated.parked AS p
 USING pg_temp.stage_system_messages AS s
 WHERE p.entity = 'system_messages'
   AND p.legacy_key = ARRAY[s.k1::text]
   AND (p.session, p.batch) IS DISTINCT FROM ('00000000-0000-0000-0000-000000000000'::uuid, 1);
DELETE FROM migrated.deferred AS l
 USING pg_temp.stage_system_messages AS s
 WHERE l.entity = 'system_messages'
   AND l.legacy_key = ARRAY[s.k1::text]
   AND (l.session, l.batch) IS DISTINCT FROM ('00000000-0000-0000-0000-000000000000'::uuid, 1);
DELETE FROM migrated.again AS g
 USING pg_temp.stage_system_messages AS s
 WHERE EXISTS (SELECT FROM migrated.again WHERE entity = 'system_messages')
   AND g.entity = 'system_messages'
   AND g.legacy_key = ARRAY[s.k1::text]
   AND g.requested_at <= pg_catalog.now();
UPDATE migrated.conflict AS c
   SET state = 'resolved',
       updated_at = pg_catalog.now()
  FROM pg_temp.stage_system_messages AS s
 WHERE c.entity = 'system_messages'
   AND c.legacy_key = ARRAY[s.k1::text]
   AND c.state = 'held'
   AND (c.session, c.batch) IS DISTINCT FROM ('00000000-0000-0000-0000-000000000000'::uuid, 1);


WITH absent AS MATERIALIZED (
  SELECT c.legacy_key
    FROM migrated.change AS c
   WHERE (EXISTS (SELECT FROM migrated.again WHERE entity = 'system_messages')
          OR EXISTS (SELECT FROM migrated.parked WHERE entity = 'system_messages')
          OR EXISTS (SELECT FROM migrated.dead_letter WHERE entity = 'system_messages' AND state = 'open'))
     AND c.analysis = '00000000-0000-0000-0000-000000000000'
     AND c.entity = 'system_messages'
     AND c.ordinal BETWEEN 1 AND 1
     AND c.kind IN ('again', 'unparked')
     AND c.legacy_key NOT IN (SELECT ARRAY[s.k1::text] FROM pg_temp.stage_system_messages AS s)
),
closed AS (
  UPDATE migrated.dead_letter AS d
     SET state = 'resolved',
         message = CASE WHEN d.mapped
                        THEN 'not in the source any more; what the target has of it is the next sweep''s to find'
                        ELSE 'not in the source any more' END,
         updated_at = pg_catalog.now()
    FROM absent AS a
   WHERE d.entity = 'system_messages'
     AND d.legacy_key = a.legacy_key
     AND d.state IN ('open', 'discarded')
),
unparked AS (
  DELETE FROM migrated.parked AS p
   USING absent AS a
   WHERE p.entity = 'system_messages'
     AND p.legacy_key = a.legacy_key
)
DELETE FROM migrated.again AS g
 USING absent AS a
 WHERE g.entity = 'system_messages'
   AND g.legacy_key = a.legacy_key
   AND g.requested_at <= pg_catalog.now();

UPDATE migrated.batch AS b
   SET done = true,
       begun_at = pg_catalog.now(),
       finished_at = pg_catalog.clock_timestamp()
 WHERE b.session = '00000000-0000-0000-0000-000000000000'
   AND b.entity = 'system_messages'
   AND b.number = 1
RETURNING inserted, updated, unchanged, deleted, failed, parked, warned, warnings, overwritten, kept, held;
COMMIT;


-- delete, target
SAVEPOINT applying;


WITH gone AS MATERIALIZED (
  SELECT c.legacy_key,
         m.t1 IS NOT NULL AS mapped,
         m.k1,
         m.t1,
         m.w1,
         t."id" IS NOT NULL AS present,
         CASE WHEN t."id" IS NULL THEN 0 ELSE pg_catalog.hash_record_extended(ROW((t."item_type")::text COLLATE "C", t."item_id", t."order_id", t."case_id", (t."template_key")::text COLLATE "C", pg_catalog.jsonb_send(t."context"), (t."channel")::text COLLATE "C", t."is_read", pg_catalog.timestamptz_send(t."sent_at"), pg_catalog.timestamptz_send(t."created_at"), pg_catalog.int8send(t."legacy_notification_id")), 0) END AS standing,
         CASE WHEN m.w1 <> CASE WHEN t."id" IS NULL THEN 0 ELSE pg_catalog.hash_record_extended(ROW((t."item_type")::text COLLATE "C", t."item_id", t."order_id", t."case_id", (t."template_key")::text COLLATE "C", pg_catalog.jsonb_send(t."context"), (t."channel")::text COLLATE "C", t."is_read", pg_catalog.timestamptz_send(t."sent_at"), pg_catalog.timestamptz_send(t."created_at"), pg_catalog.int8send(t."legacy_notification_id")), 0) END THEN (SELECT pg_catalog.to_jsonb(c) FROM (SELECT t."item_type" AS "item_type", t."item_id" AS "item_id", t."order_id" AS "order_id", t."case_id" AS "case_id", t."template_key" AS "template_key", t."context" AS "context", t."channel" AS "channel", t."is_read" AS "is_read", t."sent_at" AS "sent_at", t."created_at" AS "created_at", t."legacy_notification_id" AS "legacy_notification_id") AS c) END AS before
    FROM migrated.change AS c
    LEFT JOIN migrated.id_map_system_messages AS m
      ON m.k1 = c.legacy_key[1]::bigint
     AND m.gone IS NULL
    LEFT JOIN "public"."system_messages" AS t
      ON t."id" = m.t1
   WHERE c.analysis = '00000000-0000-0000-0000-000000000000'
     AND c.entity = 'system_messages'
     AND c.ordinal BETWEEN 1 AND 1
     AND c.kind = 'deleted'
     AND NOT EXISTS (SELECT FROM pg_temp.stage_system_messages AS s WHERE s.k1 = c.legacy_key[1]::bigint)
     AND TRUE
),
written AS (
  SELECT g.t1, g.w1 FROM gone AS g WHERE FALSE
),
unmapped AS (
  UPDATE migrated.id_map_system_messages AS m
     SET gone = pg_catalog.now(),
         w1 = CASE WHEN g.w1 IS NOT NULL THEN g.w1
                   WHEN NOT g.present THEN 0
                   ELSE m.w1 END
    FROM (SELECT k1,
                 present,
                 pg_catalog.max(w1) OVER (PARTITION BY t1) AS w1
            FROM (SELECT g.k1, g.t1, g.present, NULL::bigint AS w1
                    FROM gone AS g
                   UNION ALL
                  SELECT NULL AS k1, w.t1, NULL, w.w1
                    FROM written AS w) AS both_of_them) AS g
   WHERE m.k1 = g.k1
),
contested AS (
  INSERT INTO migrated.conflict AS c
              (entity, legacy_key, session, batch, policy, in_source, in_target, state, before)
  SELECT 'system_messages', g.legacy_key, '00000000-0000-0000-0000-000000000000', 1, 'source_wins', 'deleted', 'edited', 'overwritten', g.before
    FROM gone AS g
   WHERE FALSE

      ON CONFLICT (entity, legacy_key) WHERE state = 'held' DO UPDATE
     SET session = excluded.session,
         batch = excluded.batch,
         policy = excluded.policy,
         in_source = excluded.in_source,
         in_target = excluded.in_target,
         columns = excluded.columns,
         before = excluded.before,
         h1 = excluded.h1,
         h2 = excluded.h2,
         updated_at = pg_catalog.now()
  RETURNING 1
),
closed AS (
  UPDATE migrated.dead_letter AS d
     SET state = 'resolved',
         updated_at = pg_catalog.now()
    FROM gone AS g
   WHERE d.entity = 'system_messages'
     AND d.legacy_key = g.legacy_key
     AND d.state IN ('open', 'discarded')
),
unparked AS (
  DELETE FROM migrated.parked AS p
   USING gone AS g
   WHERE p.entity = 'system_messages'
     AND p.legacy_key = g.legacy_key
),
forgotten AS (
  DELETE FROM migrated.deferred AS l
   USING gone AS g
   WHERE l.entity = 'system_messages'
     AND l.legacy_key = g.legacy_key
)
UPDATE migrated.batch AS b
   SET deleted = b.deleted + (SELECT pg_catalog.count(*) FROM gone AS g WHERE NOT (FALSE)),
       unchanged = b.unchanged + (SELECT pg_catalog.count(*) FROM gone AS g WHERE FALSE),
       overwritten = b.overwritten + (SELECT pg_catalog.count(*) FROM contested)
 WHERE b.session = '00000000-0000-0000-0000-000000000000'
   AND b.entity = 'system_messages'
   AND b.number = 1
;

UPDATE migrated.dead_letter AS d
   SET state = 'resolved',
       updated_at = pg_catalog.now()
  FROM pg_temp.stage_system_messages AS s
 WHERE d.entity = 'system_messages'
   AND d.legacy_key = ARRAY[s.k1::text]
   AND d.phase = 'delete'
   AND d.state IN ('open', 'discarded');
DELETE FROM migrated.again AS g
 USING migrated.change AS c
 WHERE EXISTS (SELECT FROM migrated.again WHERE entity = 'system_messages')
   AND c.analysis = '00000000-0000-0000-0000-000000000000'
   AND c.entity = 'system_messages'
   AND c.ordinal BETWEEN 1 AND 1
   AND c.kind = 'deleted'
   AND g.entity = 'system_messages'
   AND g.legacy_key = c.legacy_key
   AND g.requested_at <= pg_catalog.now();

UPDATE migrated.batch AS b
   SET done = true,
       begun_at = pg_catalog.now(),
       finished_at = pg_catalog.clock_timestamp()
 WHERE b.session = '00000000-0000-0000-0000-000000000000'
   AND b.entity = 'system_messages'
   AND b.number = 1
RETURNING inserted, updated, unchanged, deleted, failed, parked, warned, warnings, overwritten, kept, held;
COMMIT;

