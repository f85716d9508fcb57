-- read, source

COPY (
SELECT k1, c1, c2, c3, c4, c5, c6, c7, c8,
       pg_catalog.hashfloat8extended(pg_catalog.hash_record_extended(s.r, 0)::float8, 0) AS h1,
       pg_catalog.hashfloat8extended(pg_catalog.hash_record_extended(s.r, 1)::float8, 1) AS h2
  FROM (
SELECT source."id" AS k1,
       source."name" AS c1,
       pg_catalog.jsonb_build_object('street', source."street", 'city', source."city", 'postal_code', source."postal_code") AS c2,
       source."country"::text AS c3,
       source."phone" AS c4,
       source."timezone" AS c5,
       source."settings"::text AS c6,
       (coalesce(created_at, updated_at)) AS c7,
       source."updated_at" AS c8,
       ROW(source."id", (source."name")::text COLLATE "C", pg_catalog.jsonb_send(pg_catalog.jsonb_build_object('street', source."street", 'city', source."city", 'postal_code', source."postal_code")), (source."country"::text)::text COLLATE "C", (source."phone")::text COLLATE "C", (source."timezone")::text COLLATE "C", (source."settings"::text)::text COLLATE "C", pg_catalog.timestamptz_send((coalesce(created_at, updated_at))), pg_catalog.timestamptz_send(source."updated_at")) AS r
  FROM "public"."dispatch_office" AS source
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
SELECT migrated.claim_batch('00000000-0000-0000-0000-000000000000', 'offices', 1, 0);
CREATE TEMPORARY TABLE IF NOT EXISTS stage_offices (
  k1 integer,
  c1 varchar,
  c2 jsonb,
  c3 text,
  c4 varchar,
  c5 varchar,
  c6 text,
  c7 timestamptz,
  c8 timestamptz,
  h1 bigint,
  h2 bigint
) ON COMMIT DELETE ROWS;
COPY pg_temp.stage_offices (k1, c1, c2, c3, c4, c5, c6, c7, c8, h1, h2) FROM STDIN (FORMAT binary);


-- load, target
SAVEPOINT applying;

WITH resolved AS MATERIALIZED (
  SELECT s.ctid AS row_id,
         s.k1,
         s.h1,
         s.h2,
         FALSE AS mapped,
         pg_catalog.gen_random_uuid() AS t1,
         CAST(s.c1 AS text) AS v1,
         CAST(s.c2 AS jsonb) AS v2,
         CAST(CASE s.c3 WHEN 'Germany' THEN 'DE' WHEN 'Deutschland' THEN 'DE' WHEN 'Austria' THEN 'AT' WHEN 'France' THEN 'FR' WHEN 'Poland' THEN 'PL' ELSE 'XX' END AS bpchar) AS v3,
         CAST(s.c4 AS text) AS v4,
         CAST(s.c5 AS text) AS v5,
         CAST(migrated.json_or_null(s.c6) AS jsonb) AS v6,
         CAST(s.c7 AS timestamp with time zone) AS v7,
         CAST(s.c8 AS timestamp with time zone) AS v8,
         CAST(s.k1 AS integer) AS v9,

         CASE WHEN s.c1 IS NULL THEN 1 WHEN s.c2 IS NULL THEN 2 WHEN CASE s.c3 WHEN 'Germany' THEN 'DE' WHEN 'Deutschland' THEN 'DE' WHEN 'Austria' THEN 'AT' WHEN 'France' THEN 'FR' WHEN 'Poland' THEN 'PL' ELSE 'XX' END IS NULL THEN 3 WHEN s.c5 IS NULL THEN 4 WHEN s.c7 IS NULL THEN 5 END AS fault
    FROM pg_temp.stage_offices AS s
),
inserted AS (
  INSERT INTO "public"."offices" AS t ("id", "name", "address", "country_code", "phone", "timezone", "settings", "created_at", "updated_at", "legacy_office_id")
  SELECT r.t1, r.v1, r.v2, r.v3, r.v4, r.v5, r.v6, r.v7, r.v8, r.v9
    FROM resolved AS r
   WHERE CASE WHEN r.fault IS NULL AND NOT FALSE THEN TRUE ELSE FALSE END
  RETURNING t."id" AS t1, pg_catalog.hash_record_extended(ROW((t."name")::text COLLATE "C", pg_catalog.jsonb_send(t."address"), pg_catalog.bpcharsend(t."country_code"), (t."phone")::text COLLATE "C", (t."timezone")::text COLLATE "C", pg_catalog.jsonb_send(t."settings"), pg_catalog.timestamptz_send(t."created_at"), pg_catalog.timestamptz_send(t."updated_at"), t."legacy_office_id"), 0) AS w1, pg_catalog.nextval('migrated.change_number'::regclass) AS change
),
placed AS MATERIALIZED (
  SELECT r.k1, r.t1, r.h1, r.h2, w.w1, w.change
    FROM resolved AS r
    LEFT JOIN inserted AS w
      ON w.t1 = r.t1
   WHERE CASE WHEN r.fault IS NULL AND NOT FALSE THEN TRUE ELSE FALSE END
),
placed_logged AS (
  INSERT INTO migrated.change_log_offices (change, session, batch, kind, k1, t1)
  SELECT w.change, 0, 1, 'inserted', w.k1, w.t1
    FROM placed AS w
   WHERE w.change IS NOT NULL
),
mapped AS (
  INSERT INTO migrated.id_map_offices (k1, t1, h1, h2, session, w1)
  SELECT w.k1, w.t1, w.h1, w.h2, 0, w.w1
    FROM placed AS w
),
dead AS (
  INSERT INTO migrated.dead_letter AS d
              (entity, legacy_key, session, batch, phase, sqlstate, constraint_name, column_name, message, h1, h2, mapped, row)
  SELECT 'offices', ARRAY[r.k1::text], '00000000-0000-0000-0000-000000000000', 1, f.phase, f.sqlstate, f.constraint_name, f.column_name, f.message,
         r.h1, r.h2, r.mapped, CASE WHEN 0 + coalesce(pg_catalog.pg_column_size(s.k1), 0) + coalesce(pg_catalog.pg_column_size(s.c1), 0) + coalesce(pg_catalog.pg_column_size(s.c2), 0) + coalesce(pg_catalog.pg_column_size(s.c3), 0) + coalesce(pg_catalog.pg_column_size(s.c4), 0) + coalesce(pg_catalog.pg_column_size(s.c5), 0) + coalesce(pg_catalog.pg_column_size(s.c6), 0) + coalesce(pg_catalog.pg_column_size(s.c7), 0) + coalesce(pg_catalog.pg_column_size(s.c8), 0) <= 262144
              THEN pg_catalog.jsonb_build_object('key', pg_catalog.jsonb_build_object('id', pg_catalog.to_jsonb(s.k1)),
                   'columns', pg_catalog.jsonb_build_object('name', pg_catalog.to_jsonb(s.c1::text), 'address', pg_catalog.to_jsonb(s.c2), 'country_code', pg_catalog.to_jsonb(s.c3::text), 'phone', pg_catalog.to_jsonb(s.c4::text), 'timezone', pg_catalog.to_jsonb(s.c5::text), 'settings', pg_catalog.to_jsonb(s.c6::text), 'created_at', pg_catalog.to_jsonb(s.c7::text), 'updated_at', pg_catalog.to_jsonb(s.c8::text))) END
    FROM resolved AS r
    JOIN (VALUES (1, 'resolve', '23502', NULL, 'name', 'NULL, where the target column must have a value'), (2, 'resolve', '23502', NULL, 'address', 'NULL, where the target column must have a value'), (3, 'resolve', '23502', NULL, 'country_code', 'NULL, where the target column must have a value'), (4, 'resolve', '23502', NULL, 'timezone', 'NULL, where the target column must have a value'), (5, 'resolve', '23502', NULL, 'created_at', 'NULL, where the target column must have a value')) AS f (fault, phase, sqlstate, constraint_name, column_name, message)
      ON f.fault = r.fault
    JOIN pg_temp.stage_offices AS s
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
  SELECT 'offices', ARRAY[r.k1::text], w.column_name, w.parent_entity, w.parent_key, r.h1, r.h2, r.mapped, '00000000-0000-0000-0000-000000000000', 1
    FROM resolved AS r
   CROSS JOIN LATERAL (SELECT NULL::text, NULL::text, NULL::text[]) AS w (column_name, parent_entity, parent_key)
   WHERE r.fault IS NULL AND FALSE
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
  SELECT 'offices', ARRAY[r.k1::text], w.column_name, w.parent_entity, w.parent_key, '00000000-0000-0000-0000-000000000000', 1
    FROM resolved AS r
   CROSS JOIN LATERAL (SELECT NULL::text, NULL::text, NULL::text[]) AS w (column_name, parent_entity, parent_key)
   WHERE CASE WHEN r.fault IS NULL AND NOT FALSE THEN TRUE ELSE FALSE END AND FALSE
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
   AND b.entity = 'offices'
   AND b.number = 1
;

UPDATE migrated.dead_letter AS d
   SET state = 'resolved',
       updated_at = pg_catalog.now()
  FROM pg_temp.stage_offices AS s
 WHERE d.entity = 'offices'
   AND d.legacy_key = ARRAY[s.k1::text]
   AND d.state IN ('open', 'discarded')
   AND (d.session, d.batch) IS DISTINCT FROM ('00000000-0000-0000-0000-000000000000'::uuid, 1);
DELETE FROM migrated.parked AS p
 USING pg_temp.stage_offices AS s
 WHERE p.entity = 'offices'
   AND p.legacy_key = ARRAY[s.k1::text]
   AND (p.session, p.batch) IS DISTINCT FROM ('00000000-0000-0000-0000-000000000000'::uuid, 1);
DELETE FROM migrated.deferred AS l
 USING pg_temp.stage_offices AS s
 WHERE l.entity = 'offices'
   AND l.legacy_key = ARRAY[s.k1::text]
   AND (l.session, l.batch) IS DISTINCT FROM ('00000000-0000-0000-0000-000000000000'::uuid, 1);
DELETE FROM migrated.again AS g
 USING pg_temp.stage_offices AS s
 WHERE EXISTS (SELECT FROM migrated.again WHERE entity = 'offices')
   AND g.entity = 'offices'
   AND g.legacy_key = ARRAY[s.k1::text]
   AND g.requested_at <= pg_catalog.now();
UPDATE migrated.conflict AS c
   SET state = 'resolved',
       updated_at = pg_catalog.now()
  FROM pg_temp.stage_offices AS s
 WHERE c.entity = 'offices'
   AND c.legacy_key = ARRAY[s.k1::text]
   AND c.state = 'held'
   AND (c.session, c.batch) IS DISTINCT FROM ('00000000-0000-0000-0000-000000000000'::uuid, 1);


WITH absent AS MATERIALIZED (
  SELECT c.legacy_key
    FROM migrated.change AS c
   WHERE (EXISTS (SELECT FROM migrated.again WHERE entity = 'offices')
          OR EXISTS (SELECT FROM migrated.parked WHERE entity = 'offices')
          OR EXISTS (SELECT FROM migrated.dead_letter WHERE entity = 'offices' AND state = 'open'))
     AND c.analysis = '00000000-0000-0000-0000-000000000000'
     AND c.entity = 'offices'
     AND c.ordinal BETWEEN 1 AND 1
     AND c.kind IN ('again', 'unparked')
     AND c.legacy_key NOT IN (SELECT ARRAY[s.k1::text] FROM pg_temp.stage_offices AS s)
),
closed AS (
  UPDATE migrated.dead_letter AS d
     SET state = 'resolved',
         message = CASE WHEN d.mapped
                        THEN 'not in the source any more; what the target has of it is the next sweep''s to find'
                        ELSE 'not in the source any more' END,
         updated_at = pg_catalog.now()
    FROM absent AS a
   WHERE d.entity = 'offices'
     AND d.legacy_key = a.legacy_key
     AND d.state IN ('open', 'discarded')
),
unparked AS (
  DELETE FROM migrated.parked AS p
   USING absent AS a
   WHERE p.entity = 'offices'
     AND p.legacy_key = a.legacy_key
)
DELETE FROM migrated.again AS g
 USING absent AS a
 WHERE g.entity = 'offices'
   AND g.legacy_key = a.legacy_key
   AND g.requested_at <= pg_catalog.now();

UPDATE migrated.batch AS b
   SET done = true,
       begun_at = pg_catalog.now(),
       finished_at = pg_catalog.clock_timestamp()
 WHERE b.session = '00000000-0000-0000-0000-000000000000'
   AND b.entity = 'offices'
   AND b.number = 1
RETURNING inserted, updated, unchanged, deleted, failed, parked, warned, warnings, overwritten, kept, held;
COMMIT;


-- write, target
SAVEPOINT applying;


WITH marked AS MATERIALIZED (
  SELECT m.k1,
         m.t1,
         pg_catalog.hash_record_extended(ROW((t."name")::text COLLATE "C", pg_catalog.jsonb_send(t."address"), pg_catalog.bpcharsend(t."country_code"), (t."phone")::text COLLATE "C", (t."timezone")::text COLLATE "C", pg_catalog.jsonb_send(t."settings"), pg_catalog.timestamptz_send(t."created_at"), pg_catalog.timestamptz_send(t."updated_at"), t."legacy_office_id"), 0) = m.w1 AS is_ours,
         t."id" AS b1, t."legacy_office_id" AS b2, t."name" AS b3, t."address" AS b4, t."country_code" AS b5, t."phone" AS b6, t."timezone" AS b7, t."settings" AS b8, t."is_active" AS b9, t."created_at" AS b10, t."updated_at" AS b11
    FROM pg_temp.stage_offices AS s
    JOIN migrated.id_map_offices AS m
      ON m.k1 = s.k1
    JOIN "public"."offices" AS t
      ON t."id" = m.t1
   WHERE m.gone IS NOT NULL
     FOR UPDATE OF t
),
unmarked AS (
  UPDATE "public"."offices" AS t
     SET "is_active" = DEFAULT
    FROM marked AS r
   WHERE t."id" = r.t1
  RETURNING r.k1, r.t1, r.is_ours, pg_catalog.hash_record_extended(ROW((t."name")::text COLLATE "C", pg_catalog.jsonb_send(t."address"), pg_catalog.bpcharsend(t."country_code"), (t."phone")::text COLLATE "C", (t."timezone")::text COLLATE "C", pg_catalog.jsonb_send(t."settings"), pg_catalog.timestamptz_send(t."created_at"), pg_catalog.timestamptz_send(t."updated_at"), t."legacy_office_id"), 0) AS w1, pg_catalog.nextval('migrated.change_number'::regclass) AS change,
            r.b1, r.b2, r.b3, r.b4, r.b5, r.b6, r.b7, r.b8, r.b9, r.b10, r.b11,
            t."id" AS a1, t."legacy_office_id" AS a2, t."name" AS a3, t."address" AS a4, t."country_code" AS a5, t."phone" AS a6, t."timezone" AS a7, t."settings" AS a8, t."is_active" AS a9, t."created_at" AS a10, t."updated_at" AS a11
),
unmarked_logged AS (
  INSERT INTO migrated.change_log_offices (change, session, batch, kind, k1, t1)
  SELECT w.change, 0, 1, 'unmarked', w.k1, w.t1
    FROM unmarked AS w
),
unmarked_imaged AS (
  INSERT INTO migrated.before_image (change, session, entity, before, after, mapping)
  SELECT w.change, 0, 'offices', d.before, d.after,
         (SELECT pg_catalog.to_jsonb(m) FROM migrated.id_map_offices AS m WHERE m.k1 = w.k1)
    FROM unmarked AS w
   CROSS JOIN LATERAL (SELECT w.b1, w.b2, w.b3, w.b4, w.b5, w.b6, w.b7, w.b8, w.b9, w.b10, w.b11) AS b

   CROSS JOIN LATERAL (SELECT b.b1 IS DISTINCT FROM w.a1 AS d1, b.b2 IS DISTINCT FROM w.a2 AS d2, ROW(b.b3)::record OPERATOR(pg_catalog.*<>) ROW(w.a3)::record AS d3, ROW(b.b4)::record OPERATOR(pg_catalog.*<>) ROW(w.a4)::record AS d4, ROW(b.b5)::record OPERATOR(pg_catalog.*<>) ROW(w.a5)::record AS d5, ROW(b.b6)::record OPERATOR(pg_catalog.*<>) ROW(w.a6)::record AS d6, ROW(b.b7)::record OPERATOR(pg_catalog.*<>) ROW(w.a7)::record AS d7, ROW(b.b8)::record OPERATOR(pg_catalog.*<>) ROW(w.a8)::record AS d8, b.b9 IS DISTINCT FROM w.a9 AS d9, ROW(b.b10)::record OPERATOR(pg_catalog.*<>) ROW(w.a10)::record AS d10, ROW(b.b11)::record OPERATOR(pg_catalog.*<>) ROW(w.a11)::record AS d11 OFFSET 0) AS c
   CROSS JOIN LATERAL (SELECT pg_catalog.array_remove(ARRAY[CASE WHEN NOT c.d1 THEN 'id'::text END, CASE WHEN NOT c.d2 THEN 'legacy_office_id'::text END, CASE WHEN NOT c.d3 THEN 'name'::text END, CASE WHEN NOT c.d4 THEN 'address'::text END, CASE WHEN NOT c.d5 THEN 'country_code'::text END, CASE WHEN NOT c.d6 THEN 'phone'::text END, CASE WHEN NOT c.d7 THEN 'timezone'::text END, CASE WHEN NOT c.d8 THEN 'settings'::text END, CASE WHEN NOT c.d9 THEN 'is_active'::text END, CASE WHEN NOT c.d10 THEN 'created_at'::text END, CASE WHEN NOT c.d11 THEN 'updated_at'::text END], NULL) AS names OFFSET 0) AS alike
   CROSS JOIN LATERAL (
         SELECT pg_catalog.jsonb_object(ARRAY['id', 'legacy_office_id', 'name', 'address', 'country_code', 'phone', 'timezone', 'settings', 'is_active', 'created_at', 'updated_at']::text[], ARRAY[CASE WHEN c.d1 THEN b.b1::text END, CASE WHEN c.d2 THEN b.b2::text END, CASE WHEN c.d3 THEN b.b3::text END, CASE WHEN c.d4 THEN b.b4::text END, CASE WHEN c.d5 THEN b.b5::text END, CASE WHEN c.d6 THEN b.b6::text END, CASE WHEN c.d7 THEN b.b7::text END, CASE WHEN c.d8 THEN b.b8::text END, CASE WHEN c.d9 THEN b.b9::text END, CASE WHEN c.d10 THEN b.b10::text END, CASE WHEN c.d11 THEN b.b11::text END]) - alike.names AS before,
                pg_catalog.jsonb_object(ARRAY['id', 'legacy_office_id', 'name', 'address', 'country_code', 'phone', 'timezone', 'settings', 'is_active', 'created_at', 'updated_at']::text[], ARRAY[CASE WHEN c.d1 THEN w.a1::text END, CASE WHEN c.d2 THEN w.a2::text END, CASE WHEN c.d3 THEN w.a3::text END, CASE WHEN c.d4 THEN w.a4::text END, CASE WHEN c.d5 THEN w.a5::text END, CASE WHEN c.d6 THEN w.a6::text END, CASE WHEN c.d7 THEN w.a7::text END, CASE WHEN c.d8 THEN w.a8::text END, CASE WHEN c.d9 THEN w.a9::text END, CASE WHEN c.d10 THEN w.a10::text END, CASE WHEN c.d11 THEN w.a11::text END]) - alike.names AS after) AS d
)
UPDATE migrated.id_map_offices AS m
   SET w1 = r.w1
  FROM unmarked AS r
 WHERE m.k1 = r.k1
   AND r.is_ours;

WITH resolved AS MATERIALIZED (
  SELECT s.ctid AS row_id,
         s.k1,
         s.h1,
         s.h2,
         m.t1 IS NOT NULL AS mapped,
         t."id" IS NOT NULL AS present,
         m.w1,
         CASE WHEN t."id" IS NULL THEN 0 ELSE pg_catalog.hash_record_extended(ROW((t."name")::text COLLATE "C", pg_catalog.jsonb_send(t."address"), pg_catalog.bpcharsend(t."country_code"), (t."phone")::text COLLATE "C", (t."timezone")::text COLLATE "C", pg_catalog.jsonb_send(t."settings"), pg_catalog.timestamptz_send(t."created_at"), pg_catalog.timestamptz_send(t."updated_at"), t."legacy_office_id"), 0) END AS standing,
         CASE WHEN t."id" IS NULL THEN TRUE ELSE (t."name", t."address"::text COLLATE "C", t."country_code", t."phone", t."timezone", t."settings"::text COLLATE "C", t."created_at", t."updated_at", t."legacy_office_id") IS DISTINCT FROM (CAST(s.c1 AS text), CAST(s.c2 AS jsonb)::text COLLATE "C", CAST(CASE s.c3 WHEN 'Germany' THEN 'DE' WHEN 'Deutschland' THEN 'DE' WHEN 'Austria' THEN 'AT' WHEN 'France' THEN 'FR' WHEN 'Poland' THEN 'PL' ELSE 'XX' END AS bpchar), CAST(s.c4 AS text), CAST(s.c5 AS text), CAST(migrated.json_or_null(s.c6) AS jsonb)::text COLLATE "C", CAST(s.c7 AS timestamp with time zone), CAST(s.c8 AS timestamp with time zone), CAST(s.k1 AS integer)) END AS differs,
         t.xmin AS version,
         t.ctid AS place,
         coalesce(m.t1, a."id") AS o1,
         coalesce(coalesce(m.t1, a."id"), pg_catalog.gen_random_uuid()) AS t1,
         CAST(s.c1 AS text) AS v1,
         CAST(s.c2 AS jsonb) AS v2,
         CAST(CASE s.c3 WHEN 'Germany' THEN 'DE' WHEN 'Deutschland' THEN 'DE' WHEN 'Austria' THEN 'AT' WHEN 'France' THEN 'FR' WHEN 'Poland' THEN 'PL' ELSE 'XX' END AS bpchar) AS v3,
         CAST(s.c4 AS text) AS v4,
         CAST(s.c5 AS text) AS v5,
         CAST(migrated.json_or_null(s.c6) AS jsonb) AS v6,
         CAST(s.c7 AS timestamp with time zone) AS v7,
         CAST(s.c8 AS timestamp with time zone) AS v8,
         CAST(s.k1 AS integer) AS v9,

         CASE WHEN s.c1 IS NULL THEN 1 WHEN s.c2 IS NULL THEN 2 WHEN CASE s.c3 WHEN 'Germany' THEN 'DE' WHEN 'Deutschland' THEN 'DE' WHEN 'Austria' THEN 'AT' WHEN 'France' THEN 'FR' WHEN 'Poland' THEN 'PL' ELSE 'XX' END IS NULL THEN 3 WHEN s.c5 IS NULL THEN 4 WHEN s.c7 IS NULL THEN 5 END AS fault,
         t."id" AS b1, t."legacy_office_id" AS b2, t."name" AS b3, t."address" AS b4, t."country_code" AS b5, t."phone" AS b6, t."timezone" AS b7, t."settings" AS b8, t."is_active" AS b9, t."created_at" AS b10, t."updated_at" AS b11,
         (m.*)::migrated.id_map_offices AS map
    FROM pg_temp.stage_offices AS s
    LEFT JOIN migrated.id_map_offices AS m
      ON m.k1 = s.k1
    LEFT JOIN "public"."offices" AS a
      ON a."legacy_office_id" = CASE WHEN m.t1 IS NULL THEN CAST(s.k1 AS integer) END
    LEFT JOIN "public"."offices" AS t
      ON t."id" = coalesce(m.t1, a."id")
   WHERE TRUE
),
inserted AS (
  INSERT INTO "public"."offices" AS t ("id", "name", "address", "country_code", "phone", "timezone", "settings", "created_at", "updated_at", "legacy_office_id")
  SELECT r.t1, r.v1, r.v2, r.v3, r.v4, r.v5, r.v6, r.v7, r.v8, r.v9
    FROM resolved AS r
   WHERE CASE WHEN r.fault IS NULL AND NOT FALSE THEN TRUE ELSE FALSE END
     AND NOT r.present
  RETURNING t."id" AS t1, pg_catalog.hash_record_extended(ROW((t."name")::text COLLATE "C", pg_catalog.jsonb_send(t."address"), pg_catalog.bpcharsend(t."country_code"), (t."phone")::text COLLATE "C", (t."timezone")::text COLLATE "C", pg_catalog.jsonb_send(t."settings"), pg_catalog.timestamptz_send(t."created_at"), pg_catalog.timestamptz_send(t."updated_at"), t."legacy_office_id"), 0) AS w1, pg_catalog.nextval('migrated.change_number'::regclass) AS change
),
updated AS (
  UPDATE "public"."offices" AS t
     SET "name" = r.v1,
         "address" = r.v2,
         "country_code" = r.v3,
         "phone" = r.v4,
         "timezone" = r.v5,
         "settings" = r.v6,
         "created_at" = r.v7,
         "updated_at" = r.v8,
         "legacy_office_id" = r.v9
    FROM resolved AS r
   WHERE t."id" = r.o1
     AND CASE WHEN r.fault IS NULL AND NOT FALSE THEN TRUE ELSE FALSE END AND r.present AND r.differs
     AND t.ctid = r.place
     AND t.xmin = r.version
  RETURNING r.o1, r.k1, t."id" AS t1, pg_catalog.hash_record_extended(ROW((t."name")::text COLLATE "C", pg_catalog.jsonb_send(t."address"), pg_catalog.bpcharsend(t."country_code"), (t."phone")::text COLLATE "C", (t."timezone")::text COLLATE "C", pg_catalog.jsonb_send(t."settings"), pg_catalog.timestamptz_send(t."created_at"), pg_catalog.timestamptz_send(t."updated_at"), t."legacy_office_id"), 0) AS w1, pg_catalog.nextval('migrated.change_number'::regclass) AS change,
            r.b1, r.b2, r.b3, r.b4, r.b5, r.b6, r.b7, r.b8, r.b9, r.b10, r.b11, r.map,
            t."id" AS a1, t."legacy_office_id" AS a2, t."name" AS a3, t."address" AS a4, t."country_code" AS a5, t."phone" AS a6, t."timezone" AS a7, t."settings" AS a8, t."is_active" AS a9, t."created_at" AS a10, t."updated_at" AS a11
),
placed AS (
  SELECT r.k1, w.t1, w.change, r.mapped
    FROM inserted AS w
    JOIN resolved AS r
      ON w.t1 = r.t1
),
placed_logged AS (
  INSERT INTO migrated.change_log_offices (change, session, batch, kind, k1, t1)
  SELECT w.change, 0, 1, 'inserted', w.k1, w.t1
    FROM placed AS w
),
placed_imaged AS (
  INSERT INTO migrated.before_image (change, session, entity, before, after, mapping)
  SELECT w.change, 0, 'offices', NULL, NULL,
         (SELECT pg_catalog.to_jsonb(m) FROM migrated.id_map_offices AS m WHERE m.k1 = w.k1)
    FROM placed AS w
   WHERE w.mapped
),
updated_logged AS (
  INSERT INTO migrated.change_log_offices (change, session, batch, kind, k1, t1)
  SELECT w.change, 0, 1, 'updated', w.k1, w.t1
    FROM updated AS w
),
updated_imaged AS (
  INSERT INTO migrated.before_image (change, session, entity, before, after, mapping)
  SELECT w.change, 0, 'offices', d.before, d.after,
         pg_catalog.to_jsonb(w.map)
    FROM updated AS w
   CROSS JOIN LATERAL (SELECT w.b1, w.b2, w.b3, w.b4, w.b5, w.b6, w.b7, w.b8, w.b9, w.b10, w.b11) AS b

   CROSS JOIN LATERAL (SELECT b.b1 IS DISTINCT FROM w.a1 AS d1, b.b2 IS DISTINCT FROM w.a2 AS d2, ROW(b.b3)::record OPERATOR(pg_catalog.*<>) ROW(w.a3)::record AS d3, ROW(b.b4)::record OPERATOR(pg_catalog.*<>) ROW(w.a4)::record AS d4, ROW(b.b5)::record OPERATOR(pg_catalog.*<>) ROW(w.a5)::record AS d5, ROW(b.b6)::record OPERATOR(pg_catalog.*<>) ROW(w.a6)::record AS d6, ROW(b.b7)::record OPERATOR(pg_catalog.*<>) ROW(w.a7)::record AS d7, ROW(b.b8)::record OPERATOR(pg_catalog.*<>) ROW(w.a8)::record AS d8, b.b9 IS DISTINCT FROM w.a9 AS d9, ROW(b.b10)::record OPERATOR(pg_catalog.*<>) ROW(w.a10)::record AS d10, ROW(b.b11)::record OPERATOR(pg_catalog.*<>) ROW(w.a11)::record AS d11 OFFSET 0) AS c
   CROSS JOIN LATERAL (SELECT pg_catalog.array_remove(ARRAY[CASE WHEN NOT c.d1 THEN 'id'::text END, CASE WHEN NOT c.d2 THEN 'legacy_office_id'::text END, CASE WHEN NOT c.d3 THEN 'name'::text END, CASE WHEN NOT c.d4 THEN 'address'::text END, CASE WHEN NOT c.d5 THEN 'country_code'::text END, CASE WHEN NOT c.d6 THEN 'phone'::text END, CASE WHEN NOT c.d7 THEN 'timezone'::text END, CASE WHEN NOT c.d8 THEN 'settings'::text END, CASE WHEN NOT c.d9 THEN 'is_active'::text END, CASE WHEN NOT c.d10 THEN 'created_at'::text END, CASE WHEN NOT c.d11 THEN 'updated_at'::text END], NULL) AS names OFFSET 0) AS alike
   CROSS JOIN LATERAL (
         SELECT pg_catalog.jsonb_object(ARRAY['id', 'legacy_office_id', 'name', 'address', 'country_code', 'phone', 'timezone', 'settings', 'is_active', 'created_at', 'updated_at']::text[], ARRAY[CASE WHEN c.d1 THEN b.b1::text END, CASE WHEN c.d2 THEN b.b2::text END, CASE WHEN c.d3 THEN b.b3::text END, CASE WHEN c.d4 THEN b.b4::text END, CASE WHEN c.d5 THEN b.b5::text END, CASE WHEN c.d6 THEN b.b6::text END, CASE WHEN c.d7 THEN b.b7::text END, CASE WHEN c.d8 THEN b.b8::text END, CASE WHEN c.d9 THEN b.b9::text END, CASE WHEN c.d10 THEN b.b10::text END, CASE WHEN c.d11 THEN b.b11::text END]) - alike.names AS before,
                pg_catalog.jsonb_object(ARRAY['id', 'legacy_office_id', 'name', 'address', 'country_code', 'phone', 'timezone', 'settings', 'is_active', 'created_at', 'updated_at']::text[], ARRAY[CASE WHEN c.d1 THEN w.a1::text END, CASE WHEN c.d2 THEN w.a2::text END, CASE WHEN c.d3 THEN w.a3::text END, CASE WHEN c.d4 THEN w.a4::text END, CASE WHEN c.d5 THEN w.a5::text END, CASE WHEN c.d6 THEN w.a6::text END, CASE WHEN c.d7 THEN w.a7::text END, CASE WHEN c.d8 THEN w.a8::text END, CASE WHEN c.d9 THEN w.a9::text END, CASE WHEN c.d10 THEN w.a10::text END, CASE WHEN c.d11 THEN w.a11::text END]) - alike.names AS after) AS d
),
written AS (
  SELECT t1, w1
    FROM inserted
   UNION ALL
  SELECT t1, w1
    FROM updated
),
mapped AS (
  INSERT INTO migrated.id_map_offices (k1, t1, h1, h2, session, w1)
  SELECT r.k1, r.t1, r.h1, r.h2, 0, coalesce(w.w1, CASE WHEN NOT r.differs THEN r.standing END)
    FROM resolved AS r
    LEFT JOIN written AS w
      ON w.t1 = r.t1
   WHERE CASE WHEN r.fault IS NULL AND NOT FALSE THEN TRUE ELSE FALSE END
     AND NOT r.mapped
  RETURNING 1
),
remapped AS (
  UPDATE migrated.id_map_offices AS m
     SET h1 = r.h1,
         h2 = r.h2,
         gone = NULL,
         w1 = coalesce(w.w1, CASE WHEN CASE WHEN r.fault IS NULL AND NOT FALSE THEN TRUE ELSE FALSE END AND NOT r.differs THEN r.standing ELSE m.w1 END)
    FROM resolved AS r
    LEFT JOIN written AS w
      ON w.t1 = r.t1
   WHERE m.k1 = r.k1
     AND r.mapped
     AND (m.h1, m.h2, m.gone, m.w1, m.t1) IS DISTINCT FROM (r.h1, r.h2, NULL::timestamptz, coalesce(w.w1, CASE WHEN CASE WHEN r.fault IS NULL AND NOT FALSE THEN TRUE ELSE FALSE END AND NOT r.differs THEN r.standing ELSE m.w1 END), r.t1)
),
contested AS (
  INSERT INTO migrated.conflict AS c
              (entity, legacy_key, session, batch, policy, in_source, in_target, state, columns, before, h1, h2)
  SELECT 'offices', ARRAY[r.k1::text], '00000000-0000-0000-0000-000000000000', 1, 'source_wins', 'changed',
         CASE WHEN r.present THEN 'edited' ELSE 'deleted' END,
         CASE WHEN r.differs AND r.w1 <> r.standing THEN 'overwritten' END,
         ARRAY(SELECT d.name FROM (VALUES ('name', t."name" IS DISTINCT FROM r.v1), ('address', t."address"::text COLLATE "C" IS DISTINCT FROM r.v2::text COLLATE "C"), ('country_code', t."country_code" IS DISTINCT FROM r.v3), ('phone', t."phone" IS DISTINCT FROM r.v4), ('timezone', t."timezone" IS DISTINCT FROM r.v5), ('settings', t."settings"::text COLLATE "C" IS DISTINCT FROM r.v6::text COLLATE "C"), ('created_at', t."created_at" IS DISTINCT FROM r.v7), ('updated_at', t."updated_at" IS DISTINCT FROM r.v8), ('legacy_office_id', t."legacy_office_id" IS DISTINCT FROM r.v9)) AS d (name, differs) WHERE d.differs),
         CASE WHEN r.present THEN (SELECT pg_catalog.to_jsonb(c) FROM (SELECT t."name" AS "name", t."address" AS "address", t."country_code" AS "country_code", t."phone" AS "phone", t."timezone" AS "timezone", t."settings" AS "settings", t."created_at" AS "created_at", t."updated_at" AS "updated_at", t."legacy_office_id" AS "legacy_office_id") AS c) END,
         r.h1, r.h2
    FROM resolved AS r
    LEFT JOIN LATERAL (SELECT * FROM "public"."offices" AS t WHERE t."id" = r.o1 OFFSET 0) AS t
      ON TRUE
   WHERE CASE WHEN r.fault IS NULL AND NOT FALSE THEN TRUE ELSE FALSE END
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
  SELECT 'offices', ARRAY[r.k1::text], '00000000-0000-0000-0000-000000000000', 1, f.phase, f.sqlstate, f.constraint_name, f.column_name, f.message,
         r.h1, r.h2, r.mapped, CASE WHEN 0 + coalesce(pg_catalog.pg_column_size(s.k1), 0) + coalesce(pg_catalog.pg_column_size(s.c1), 0) + coalesce(pg_catalog.pg_column_size(s.c2), 0) + coalesce(pg_catalog.pg_column_size(s.c3), 0) + coalesce(pg_catalog.pg_column_size(s.c4), 0) + coalesce(pg_catalog.pg_column_size(s.c5), 0) + coalesce(pg_catalog.pg_column_size(s.c6), 0) + coalesce(pg_catalog.pg_column_size(s.c7), 0) + coalesce(pg_catalog.pg_column_size(s.c8), 0) <= 262144
              THEN pg_catalog.jsonb_build_object('key', pg_catalog.jsonb_build_object('id', pg_catalog.to_jsonb(s.k1)),
                   'columns', pg_catalog.jsonb_build_object('name', pg_catalog.to_jsonb(s.c1::text), 'address', pg_catalog.to_jsonb(s.c2), 'country_code', pg_catalog.to_jsonb(s.c3::text), 'phone', pg_catalog.to_jsonb(s.c4::text), 'timezone', pg_catalog.to_jsonb(s.c5::text), 'settings', pg_catalog.to_jsonb(s.c6::text), 'created_at', pg_catalog.to_jsonb(s.c7::text), 'updated_at', pg_catalog.to_jsonb(s.c8::text))) END
    FROM resolved AS r
    JOIN (VALUES (1, 'resolve', '23502', NULL, 'name', 'NULL, where the target column must have a value'), (2, 'resolve', '23502', NULL, 'address', 'NULL, where the target column must have a value'), (3, 'resolve', '23502', NULL, 'country_code', 'NULL, where the target column must have a value'), (4, 'resolve', '23502', NULL, 'timezone', 'NULL, where the target column must have a value'), (5, 'resolve', '23502', NULL, 'created_at', 'NULL, where the target column must have a value')) AS f (fault, phase, sqlstate, constraint_name, column_name, message)
      ON f.fault = r.fault
    JOIN pg_temp.stage_offices AS s
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
  SELECT 'offices', ARRAY[r.k1::text], w.column_name, w.parent_entity, w.parent_key, r.h1, r.h2, r.mapped, '00000000-0000-0000-0000-000000000000', 1
    FROM resolved AS r
   CROSS JOIN LATERAL (SELECT NULL::text, NULL::text, NULL::text[]) AS w (column_name, parent_entity, parent_key)
   WHERE r.fault IS NULL AND FALSE
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
  SELECT 'offices', ARRAY[r.k1::text], w.column_name, w.parent_entity, w.parent_key, '00000000-0000-0000-0000-000000000000', 1
    FROM resolved AS r
   CROSS JOIN LATERAL (SELECT NULL::text, NULL::text, NULL::text[]) AS w (column_name, parent_entity, parent_key)
   WHERE CASE WHEN r.fault IS NULL AND NOT FALSE THEN TRUE ELSE FALSE END AND FALSE
      ON CONFLICT (entity, legacy_key, column_name) DO UPDATE
     SET parent_entity = excluded.parent_entity,
         parent_key = excluded.parent_key,
         session = excluded.session,
         batch = excluded.batch
)
UPDATE migrated.batch AS b
   SET inserted = b.inserted + (SELECT pg_catalog.count(*) FROM inserted),
       updated = b.updated + (SELECT pg_catalog.count(*) FROM updated)
                 + CASE WHEN (SELECT pg_catalog.count(*) FROM updated) < (SELECT pg_catalog.count(*) FROM resolved AS r WHERE CASE WHEN r.fault IS NULL AND NOT FALSE THEN TRUE ELSE FALSE END AND r.present AND r.differs)
                        THEN (SELECT migrated.refuse_overtaken('"public"."offices"', pg_catalog.array_agg(t.ctid), pg_catalog.array_agg(t.tableoid),
                                                               pg_catalog.array_agg(t.xmin))
                                FROM resolved AS r
                                JOIN "public"."offices" AS t
                                  ON t."id" = r.o1
                               WHERE CASE WHEN r.fault IS NULL AND NOT FALSE THEN TRUE ELSE FALSE END AND r.present AND r.differs
                                 AND NOT EXISTS (SELECT FROM updated AS u WHERE u.o1 = r.o1))
                        ELSE 0 END,
       unchanged = b.unchanged + (SELECT pg_catalog.count(*) FROM resolved AS r WHERE CASE WHEN r.fault IS NULL AND NOT FALSE THEN TRUE ELSE FALSE END)
                   - (SELECT pg_catalog.count(*) FROM inserted)
                   - (SELECT pg_catalog.count(*) FROM updated),
       failed = b.failed + (SELECT pg_catalog.count(*) FROM dead),
       parked = b.parked + (SELECT pg_catalog.count(*) FROM waiting),
       overwritten = b.overwritten + (SELECT pg_catalog.count(*) FROM contested AS c WHERE c.state = 'overwritten'),
       kept = b.kept + (SELECT pg_catalog.count(*) FROM contested AS c WHERE c.state = 'kept'),
       held = b.held + (SELECT pg_catalog.count(*) FROM contested AS c WHERE c.state = 'held')
 WHERE b.session = '00000000-0000-0000-0000-000000000000'
   AND b.entity = 'offices'
   AND b.number = 1
;

UPDATE migrated.dead_letter AS d
   SET state = 'resolved',
       updated_at = pg_catalog.now()
  FROM pg_temp.stage_offices AS s
 WHERE d.entity = 'offices'
   AND d.legacy_key = ARRAY[s.k1::text]
   AND d.state IN ('open', 'discarded')
   AND (d.session, d.batch) IS DISTINCT FROM ('00000000-0000-0000-0000-000000000000'::uuid, 1);
DELETE FROM migrated.parked AS p
 USING pg_temp.stage_offices AS s
 WHERE p.entity = 'offices'
   AND p.legacy_key = ARRAY[s.k1::text]
   AND (p.session, p.batch) IS DISTINCT FROM ('00000000-0000-0000-0000-000000000000'::uuid, 1);
DELETE FROM migrated.deferred AS l
 USING pg_temp.stage_offices AS s
 WHERE l.entity = 'offices'
   AND l.legacy_key = ARRAY[s.k1::text]
   AND (l.session, l.batch) IS DISTINCT FROM ('00000000-0000-0000-0000-000000000000'::uuid, 1);
DELETE FROM migrated.again AS g
 USING pg_temp.stage_offices AS s
 WHERE EXISTS (SELECT FROM migrated.again WHERE entity = 'offices')
   AND g.entity = 'offices'
   AND g.legacy_key = ARRAY[s.k1::text]
   AND g.requested_at <= pg_catalog.now();
UPDATE migrated.conflict AS c
   SET state = 'resolved',
       updated_at = pg_catalog.now()
  FROM pg_temp.stage_offices AS s
 WHERE c.entity = 'offices'
   AND c.legacy_key = ARRAY[s.k1::text]
   AND c.state = 'held'
   AND (c.session, c.batch) IS DISTINCT FROM ('00000000-0000-0000-0000-000000000000'::uuid, 1);


WITH absent AS MATERIALIZED (
  SELECT c.legacy_key
    FROM migrated.change AS c
   WHERE (EXISTS (SELECT FROM migrated.again WHERE entity = 'offices')
          OR EXISTS (SELECT FROM migrated.parked WHERE entity = 'offices')
          OR EXISTS (SELECT FROM migrated.dead_letter WHERE entity = 'offices' AND state = 'open'))
     AND c.analysis = '00000000-0000-0000-0000-000000000000'
     AND c.entity = 'offices'
     AND c.ordinal BETWEEN 1 AND 1
     AND c.kind IN ('again', 'unparked')
     AND c.legacy_key NOT IN (SELECT ARRAY[s.k1::text] FROM pg_temp.stage_offices AS s)
),
closed AS (
  UPDATE migrated.dead_letter AS d
     SET state = 'resolved',
         message = CASE WHEN d.mapped
                        THEN 'not in the source any more; what the target has of it is the next sweep''s to find'
                        ELSE 'not in the source any more' END,
         updated_at = pg_catalog.now()
    FROM absent AS a
   WHERE d.entity = 'offices'
     AND d.legacy_key = a.legacy_key
     AND d.state IN ('open', 'discarded')
),
unparked AS (
  DELETE FROM migrated.parked AS p
   USING absent AS a
   WHERE p.entity = 'offices'
     AND p.legacy_key = a.legacy_key
)
DELETE FROM migrated.again AS g
 USING absent AS a
 WHERE g.entity = 'offices'
   AND g.legacy_key = a.legacy_key
   AND g.requested_at <= pg_catalog.now();

UPDATE migrated.batch AS b
   SET done = true,
       begun_at = pg_catalog.now(),
       finished_at = pg_catalog.clock_timestamp()
 WHERE b.session = '00000000-0000-0000-0000-000000000000'
   AND b.entity = 'offices'
   AND b.number = 1
RETURNING inserted, updated, unchanged, deleted, failed, parked, warned, warnings, overwritten, kept, held;
COMMIT;


-- delete, target
SAVEPOINT applying;

SELECT pg_catalog.count(*)
  FROM (
SELECT
  FROM migrated.change AS c
  JOIN migrated.id_map_offices AS m
    ON m.k1 = c.legacy_key[1]::integer
   AND m.gone IS NULL
  JOIN "public"."offices" AS t
    ON t."id" = m.t1
 WHERE c.analysis = '00000000-0000-0000-0000-000000000000'
   AND c.entity = 'offices'
   AND c.ordinal BETWEEN 1 AND 1
   AND c.kind = 'deleted'
   FOR UPDATE OF t
       ) AS locked;


WITH gone AS MATERIALIZED (
  SELECT c.legacy_key,
         m.t1 IS NOT NULL AS mapped,
         m.k1,
         m.t1,
         m.w1,
         t."id" IS NOT NULL AS present,
         CASE WHEN t."id" IS NULL THEN 0 ELSE pg_catalog.hash_record_extended(ROW((t."name")::text COLLATE "C", pg_catalog.jsonb_send(t."address"), pg_catalog.bpcharsend(t."country_code"), (t."phone")::text COLLATE "C", (t."timezone")::text COLLATE "C", pg_catalog.jsonb_send(t."settings"), pg_catalog.timestamptz_send(t."created_at"), pg_catalog.timestamptz_send(t."updated_at"), t."legacy_office_id"), 0) END AS standing,
         CASE WHEN m.w1 <> CASE WHEN t."id" IS NULL THEN 0 ELSE pg_catalog.hash_record_extended(ROW((t."name")::text COLLATE "C", pg_catalog.jsonb_send(t."address"), pg_catalog.bpcharsend(t."country_code"), (t."phone")::text COLLATE "C", (t."timezone")::text COLLATE "C", pg_catalog.jsonb_send(t."settings"), pg_catalog.timestamptz_send(t."created_at"), pg_catalog.timestamptz_send(t."updated_at"), t."legacy_office_id"), 0) END THEN (SELECT pg_catalog.to_jsonb(c) FROM (SELECT t."name" AS "name", t."address" AS "address", t."country_code" AS "country_code", t."phone" AS "phone", t."timezone" AS "timezone", t."settings" AS "settings", t."created_at" AS "created_at", t."updated_at" AS "updated_at", t."legacy_office_id" AS "legacy_office_id") AS c) END AS before,
         t."id" AS b1, t."legacy_office_id" AS b2, t."name" AS b3, t."address" AS b4, t."country_code" AS b5, t."phone" AS b6, t."timezone" AS b7, t."settings" AS b8, t."is_active" AS b9, t."created_at" AS b10, t."updated_at" AS b11,
         (m.*)::migrated.id_map_offices AS map
    FROM migrated.change AS c
    LEFT JOIN migrated.id_map_offices AS m
      ON m.k1 = c.legacy_key[1]::integer
     AND m.gone IS NULL
    LEFT JOIN "public"."offices" AS t
      ON t."id" = m.t1
   WHERE c.analysis = '00000000-0000-0000-0000-000000000000'
     AND c.entity = 'offices'
     AND c.ordinal BETWEEN 1 AND 1
     AND c.kind = 'deleted'
     AND NOT EXISTS (SELECT FROM pg_temp.stage_offices AS s WHERE s.k1 = c.legacy_key[1]::integer)
     AND TRUE
),
written AS (
  UPDATE "public"."offices" AS t
     SET "is_active" = 'false'
    FROM gone AS g
   WHERE t."id" = g.t1
     AND NOT (FALSE)
  RETURNING g.k1, g.t1, pg_catalog.hash_record_extended(ROW((t."name")::text COLLATE "C", pg_catalog.jsonb_send(t."address"), pg_catalog.bpcharsend(t."country_code"), (t."phone")::text COLLATE "C", (t."timezone")::text COLLATE "C", pg_catalog.jsonb_send(t."settings"), pg_catalog.timestamptz_send(t."created_at"), pg_catalog.timestamptz_send(t."updated_at"), t."legacy_office_id"), 0) AS w1, pg_catalog.nextval('migrated.change_number'::regclass) AS change,
            g.b1, g.b2, g.b3, g.b4, g.b5, g.b6, g.b7, g.b8, g.b9, g.b10, g.b11, g.map,
            t."id" AS a1, t."legacy_office_id" AS a2, t."name" AS a3, t."address" AS a4, t."country_code" AS a5, t."phone" AS a6, t."timezone" AS a7, t."settings" AS a8, t."is_active" AS a9, t."created_at" AS a10, t."updated_at" AS a11
),
written_logged AS (
  INSERT INTO migrated.change_log_offices (change, session, batch, kind, k1, t1)
  SELECT w.change, 0, 1, 'marked', w.k1, w.t1
    FROM written AS w
),
written_imaged AS (
  INSERT INTO migrated.before_image (change, session, entity, before, after, mapping)
  SELECT w.change, 0, 'offices', d.before, d.after,
         pg_catalog.to_jsonb(w.map)
    FROM written AS w
   CROSS JOIN LATERAL (SELECT w.b1, w.b2, w.b3, w.b4, w.b5, w.b6, w.b7, w.b8, w.b9, w.b10, w.b11) AS b

   CROSS JOIN LATERAL (SELECT b.b1 IS DISTINCT FROM w.a1 AS d1, b.b2 IS DISTINCT FROM w.a2 AS d2, ROW(b.b3)::record OPERATOR(pg_catalog.*<>) ROW(w.a3)::record AS d3, ROW(b.b4)::record OPERATOR(pg_catalog.*<>) ROW(w.a4)::record AS d4, ROW(b.b5)::record OPERATOR(pg_catalog.*<>) ROW(w.a5)::record AS d5, ROW(b.b6)::record OPERATOR(pg_catalog.*<>) ROW(w.a6)::record AS d6, ROW(b.b7)::record OPERATOR(pg_catalog.*<>) ROW(w.a7)::record AS d7, ROW(b.b8)::record OPERATOR(pg_catalog.*<>) ROW(w.a8)::record AS d8, b.b9 IS DISTINCT FROM w.a9 AS d9, ROW(b.b10)::record OPERATOR(pg_catalog.*<>) ROW(w.a10)::record AS d10, ROW(b.b11)::record OPERATOR(pg_catalog.*<>) ROW(w.a11)::record AS d11 OFFSET 0) AS c
   CROSS JOIN LATERAL (SELECT pg_catalog.array_remove(ARRAY[CASE WHEN NOT c.d1 THEN 'id'::text END, CASE WHEN NOT c.d2 THEN 'legacy_office_id'::text END, CASE WHEN NOT c.d3 THEN 'name'::text END, CASE WHEN NOT c.d4 THEN 'address'::text END, CASE WHEN NOT c.d5 THEN 'country_code'::text END, CASE WHEN NOT c.d6 THEN 'phone'::text END, CASE WHEN NOT c.d7 THEN 'timezone'::text END, CASE WHEN NOT c.d8 THEN 'settings'::text END, CASE WHEN NOT c.d9 THEN 'is_active'::text END, CASE WHEN NOT c.d10 THEN 'created_at'::text END, CASE WHEN NOT c.d11 THEN 'updated_at'::text END], NULL) AS names OFFSET 0) AS alike
   CROSS JOIN LATERAL (
         SELECT pg_catalog.jsonb_object(ARRAY['id', 'legacy_office_id', 'name', 'address', 'country_code', 'phone', 'timezone', 'settings', 'is_active', 'created_at', 'updated_at']::text[], ARRAY[CASE WHEN c.d1 THEN b.b1::text END, CASE WHEN c.d2 THEN b.b2::text END, CASE WHEN c.d3 THEN b.b3::text END, CASE WHEN c.d4 THEN b.b4::text END, CASE WHEN c.d5 THEN b.b5::text END, CASE WHEN c.d6 THEN b.b6::text END, CASE WHEN c.d7 THEN b.b7::text END, CASE WHEN c.d8 THEN b.b8::text END, CASE WHEN c.d9 THEN b.b9::text END, CASE WHEN c.d10 THEN b.b10::text END, CASE WHEN c.d11 THEN b.b11::text END]) - alike.names AS before,
                pg_catalog.jsonb_object(ARRAY['id', 'legacy_office_id', 'name', 'address', 'country_code', 'phone', 'timezone', 'settings', 'is_active', 'created_at', 'updated_at']::text[], ARRAY[CASE WHEN c.d1 THEN w.a1::text END, CASE WHEN c.d2 THEN w.a2::text END, CASE WHEN c.d3 THEN w.a3::text END, CASE WHEN c.d4 THEN w.a4::text END, CASE WHEN c.d5 THEN w.a5::text END, CASE WHEN c.d6 THEN w.a6::text END, CASE WHEN c.d7 THEN w.a7::text END, CASE WHEN c.d8 THEN w.a8::text END, CASE WHEN c.d9 THEN w.a9::text END, CASE WHEN c.d10 THEN w.a10::text END, CASE WHEN c.d11 THEN w.a11::text END]) - alike.names AS after) AS d
),
unmapped AS (
  UPDATE migrated.id_map_offices AS m
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
  SELECT 'offices', g.legacy_key, '00000000-0000-0000-0000-000000000000', 1, 'source_wins', 'deleted', 'edited', 'overwritten', g.before
    FROM gone AS g
   WHERE coalesce(g.present AND g.w1 <> g.standing, FALSE)

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
   WHERE d.entity = 'offices'
     AND d.legacy_key = g.legacy_key
     AND d.state IN ('open', 'discarded')
),
unparked AS (
  DELETE FROM migrated.parked AS p
   USING gone AS g
   WHERE p.entity = 'offices'
     AND p.legacy_key = g.legacy_key
),
forgotten AS (
  DELETE FROM migrated.deferred AS l
   USING gone AS g
   WHERE l.entity = 'offices'
     AND l.legacy_key = g.legacy_key
)
UPDATE migrated.batch AS b
   SET deleted = b.deleted + (SELECT pg_catalog.count(*) FROM gone AS g WHERE NOT (FALSE)),
       unchanged = b.unchanged + (SELECT pg_catalog.count(*) FROM gone AS g WHERE FALSE),
       overwritten = b.overwritten + (SELECT pg_catalog.count(*) FROM contested)
 WHERE b.session = '00000000-0000-0000-0000-000000000000'
   AND b.entity = 'offices'
   AND b.number = 1
;

UPDATE migrated.dead_letter AS d
   SET state = 'resolved',
       updated_at = pg_catalog.now()
  FROM pg_temp.stage_offices AS s
 WHERE d.entity = 'offices'
   AND d.legacy_key = ARRAY[s.k1::text]
   AND d.phase = 'delete'
   AND d.state IN ('open', 'discarded');
DELETE FROM migrated.again AS g
 USING migrated.change AS c
 WHERE EXISTS (SELECT FROM migrated.again WHERE entity = 'offices')
   AND c.analysis = '00000000-0000-0000-0000-000000000000'
   AND c.entity = 'offices'
   AND c.ordinal BETWEEN 1 AND 1
   AND c.kind = 'deleted'
   AND g.entity = 'offices'
   AND g.legacy_key = c.legacy_key
   AND g.requested_at <= pg_catalog.now();

UPDATE migrated.batch AS b
   SET done = true,
       begun_at = pg_catalog.now(),
       finished_at = pg_catalog.clock_timestamp()
 WHERE b.session = '00000000-0000-0000-0000-000000000000'
   AND b.entity = 'offices'
   AND b.number = 1
RETURNING inserted, updated, unchanged, deleted, failed, parked, warned, warnings, overwritten, kept, held;
COMMIT;

