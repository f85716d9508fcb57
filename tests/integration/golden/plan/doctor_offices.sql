-- read, source

COPY (
SELECT k1, k2, f1_1, f2_1, c3,
       pg_catalog.hashfloat8extended(pg_catalog.hash_record_extended(s.r, 0)::float8, 0) AS h1,
       pg_catalog.hashfloat8extended(pg_catalog.hash_record_extended(s.r, 1)::float8, 1) AS h2
  FROM (
SELECT source."doctor_id" AS k1,
       source."office_id" AS k2,
       source."doctor_id" AS f1_1,
       source."office_id" AS f2_1,
       source."is_primary" AS c3,
       ROW(source."doctor_id", source."office_id", source."doctor_id", source."office_id", source."is_primary") AS r
  FROM "public"."dispatch_doctor_offices" AS source
 WHERE TRUE
   AND TRUE
 ORDER BY source."doctor_id", source."office_id"
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
SELECT migrated.claim_batch('00000000-0000-0000-0000-000000000000', 'doctor_offices', 1, 0);
CREATE TEMPORARY TABLE IF NOT EXISTS stage_doctor_offices (
  k1 integer,
  k2 integer,
  f1_1 integer,
  f2_1 integer,
  c3 boolean,
  h1 bigint,
  h2 bigint
) ON COMMIT DELETE ROWS;
COPY pg_temp.stage_doctor_offices (k1, k2, f1_1, f2_1, c3, h1, h2) FROM STDIN (FORMAT binary);


-- load, target
SAVEPOINT applying;

WITH resolved AS MATERIALIZED (
  SELECT s.ctid AS row_id,
         s.k1, s.k2,
         s.h1,
         s.h2,
         FALSE AS mapped,
         coalesce(r1_1.t1) AS t1,
         coalesce(r2_1.t1) AS t2,
         coalesce(r1_1.t1) AS v1,
         coalesce(r2_1.t1) AS v2,
         CAST(s.c3 AS boolean) AS v3,
         CASE WHEN s.f1_1 IS NOT NULL AND coalesce(r1_1.t1) IS NULL THEN ARRAY[s.f1_1::text] END AS p1,
         'doctors' AS q1,
         CASE WHEN s.f2_1 IS NOT NULL AND coalesce(r2_1.t1) IS NULL THEN ARRAY[s.f2_1::text] END AS p2,
         'offices' AS q2,

         CASE WHEN coalesce(r1_1.t1) IS NULL AND NOT (s.f1_1 IS NOT NULL AND coalesce(r1_1.t1) IS NULL) THEN 1 WHEN coalesce(r2_1.t1) IS NULL AND NOT (s.f2_1 IS NOT NULL AND coalesce(r2_1.t1) IS NULL) THEN 2 WHEN s.c3 IS NULL THEN 3 END AS fault
    FROM pg_temp.stage_doctor_offices AS s
    LEFT JOIN migrated.id_map_doctors AS r1_1
      ON r1_1.k1 = s.f1_1::integer
    LEFT JOIN migrated.id_map_offices AS r2_1
      ON r2_1.k1 = s.f2_1::integer
),
inserted AS (
  INSERT INTO "public"."doctor_offices" AS t ("doctor_id", "office_id", "is_primary")
  SELECT r.v1, r.v2, r.v3
    FROM resolved AS r
   WHERE CASE WHEN r.fault IS NULL AND NOT (r.p1 IS NOT NULL OR r.p2 IS NOT NULL) THEN TRUE ELSE FALSE END
  RETURNING t."doctor_id" AS t1, t."office_id" AS t2, pg_catalog.hash_record_extended(ROW(t."doctor_id", t."office_id", t."is_primary"), 0) AS w1, pg_catalog.nextval('migrated.change_number'::regclass) AS change
),
placed AS MATERIALIZED (
  SELECT r.k1, r.k2, r.t1, r.t2, r.h1, r.h2, w.w1, w.change
    FROM resolved AS r
    LEFT JOIN inserted AS w
      ON w.t1 = r.t1 AND w.t2 = r.t2
   WHERE CASE WHEN r.fault IS NULL AND NOT (r.p1 IS NOT NULL OR r.p2 IS NOT NULL) THEN TRUE ELSE FALSE END
),
placed_logged AS (
  INSERT INTO migrated.change_log_doctor_offices (change, session, batch, kind, k1, k2, t1, t2)
  SELECT w.change, 0, 1, 'inserted', w.k1, w.k2, w.t1, w.t2
    FROM placed AS w
   WHERE w.change IS NOT NULL
),
mapped AS (
  INSERT INTO migrated.id_map_doctor_offices (k1, k2, t1, t2, h1, h2, session, w1)
  SELECT w.k1, w.k2, w.t1, w.t2, w.h1, w.h2, 0, w.w1
    FROM placed AS w
),
dead AS (
  INSERT INTO migrated.dead_letter AS d
              (entity, legacy_key, session, batch, phase, sqlstate, constraint_name, column_name, message, h1, h2, mapped, row)
  SELECT 'doctor_offices', ARRAY[r.k1::text, r.k2::text], '00000000-0000-0000-0000-000000000000', 1, f.phase, f.sqlstate, f.constraint_name, f.column_name, f.message,
         r.h1, r.h2, r.mapped, CASE WHEN 0 + coalesce(pg_catalog.pg_column_size(s.k1), 0) + coalesce(pg_catalog.pg_column_size(s.k2), 0) + coalesce(pg_catalog.pg_column_size(s.f1_1), 0) + coalesce(pg_catalog.pg_column_size(s.f2_1), 0) + coalesce(pg_catalog.pg_column_size(s.c3), 0) <= 262144
              THEN pg_catalog.jsonb_build_object('key', pg_catalog.jsonb_build_object('doctor_id', pg_catalog.to_jsonb(s.k1), 'office_id', pg_catalog.to_jsonb(s.k2)),
                   'columns', pg_catalog.jsonb_build_object('doctor_id', pg_catalog.to_jsonb(s.f1_1), 'office_id', pg_catalog.to_jsonb(s.f2_1), 'is_primary', pg_catalog.to_jsonb(s.c3))) END
    FROM resolved AS r
    JOIN (VALUES (1, 'resolve', '23502', NULL, 'doctor_id', 'NULL, where the target column must have a value'), (2, 'resolve', '23502', NULL, 'office_id', 'NULL, where the target column must have a value'), (3, 'resolve', '23502', NULL, 'is_primary', 'NULL, where the target column must have a value')) AS f (fault, phase, sqlstate, constraint_name, column_name, message)
      ON f.fault = r.fault
    JOIN pg_temp.stage_doctor_offices AS s
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
  SELECT 'doctor_offices', ARRAY[r.k1::text, r.k2::text], w.column_name, w.parent_entity, w.parent_key, r.h1, r.h2, r.mapped, '00000000-0000-0000-0000-000000000000', 1
    FROM resolved AS r
   CROSS JOIN LATERAL (SELECT 'doctor_id', r.q1, r.p1 WHERE r.p1 IS NOT NULL UNION ALL SELECT 'office_id', r.q2, r.p2 WHERE r.p2 IS NOT NULL LIMIT 1) AS w (column_name, parent_entity, parent_key)
   WHERE r.fault IS NULL AND (r.p1 IS NOT NULL OR r.p2 IS NOT NULL)
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
  SELECT 'doctor_offices', ARRAY[r.k1::text, r.k2::text], w.column_name, w.parent_entity, w.parent_key, '00000000-0000-0000-0000-000000000000', 1
    FROM resolved AS r
   CROSS JOIN LATERAL (SELECT NULL::text, NULL::text, NULL::text[]) AS w (column_name, parent_entity, parent_key)
   WHERE CASE WHEN r.fault IS NULL AND NOT (r.p1 IS NOT NULL OR r.p2 IS NOT NULL) THEN TRUE ELSE FALSE END AND FALSE
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
   AND b.entity = 'doctor_offices'
   AND b.number = 1
;

UPDATE migrated.dead_letter AS d
   SET state = 'resolved',
       updated_at = pg_catalog.now()
  FROM pg_temp.stage_doctor_offices AS s
 WHERE d.entity = 'doctor_offices'
   AND d.legacy_key = ARRAY[s.k1::text, s.k2::text]
   AND d.state IN ('open', 'discarded')
   AND (d.session, d.batch) IS DISTINCT FROM ('00000000-0000-0000-0000-000000000000'::uuid, 1);
DELETE FROM migrated.parked AS p
 USING pg_temp.stage_doctor_offices AS s
 WHERE p.entity = 'doctor_offices'
   AND p.legacy_key = ARRAY[s.k1::text, s.k2::text]
   AND (p.session, p.batch) IS DISTINCT FROM ('00000000-0000-0000-0000-000000000000'::uuid, 1);
DELETE FROM migrated.deferred AS l
 USING pg_temp.stage_doctor_offices AS s
 WHERE l.entity = 'doctor_offices'
   AND l.legacy_key = ARRAY[s.k1::text, s.k2::text]
   AND (l.session, l.batch) IS DISTINCT FROM ('00000000-0000-0000-0000-000000000000'::uuid, 1);
DELETE FROM migrated.again AS g
 USING pg_temp.stage_doctor_offices AS s
 WHERE EXISTS (SELECT FROM migrated.again WHERE entity = 'doctor_offices')
   AND g.entity = 'doctor_offices'
   AND g.legacy_key = ARRAY[s.k1::text, s.k2::text]
   AND g.requested_at <= pg_catalog.now();
UPDATE migrated.conflict AS c
   SET state = 'resolved',
       updated_at = pg_catalog.now()
  FROM pg_temp.stage_doctor_offices AS s
 WHERE c.entity = 'doctor_offices'
   AND c.legacy_key = ARRAY[s.k1::text, s.k2::text]
   AND c.state = 'held'
   AND (c.session, c.batch) IS DISTINCT FROM ('00000000-0000-0000-0000-000000000000'::uuid, 1);


WITH absent AS MATERIALIZED (
  SELECT c.legacy_key
    FROM migrated.change AS c
   WHERE (EXISTS (SELECT FROM migrated.again WHERE entity = 'doctor_offices')
          OR EXISTS (SELECT FROM migrated.parked WHERE entity = 'doctor_offices')
          OR EXISTS (SELECT FROM migrated.dead_letter WHERE entity = 'doctor_offices' AND state = 'open'))
     AND c.analysis = '00000000-0000-0000-0000-000000000000'
     AND c.entity = 'doctor_offices'
     AND c.ordinal BETWEEN 1 AND 1
     AND c.kind IN ('again', 'unparked')
     AND c.legacy_key NOT IN (SELECT ARRAY[s.k1::text, s.k2::text] FROM pg_temp.stage_doctor_offices AS s)
),
closed AS (
  UPDATE migrated.dead_letter AS d
     SET state = 'resolved',
         message = CASE WHEN d.mapped
                        THEN 'not in the source any more; what the target has of it is the next sweep''s to find'
                        ELSE 'not in the source any more' END,
         updated_at = pg_catalog.now()
    FROM absent AS a
   WHERE d.entity = 'doctor_offices'
     AND d.legacy_key = a.legacy_key
     AND d.state IN ('open', 'discarded')
),
unparked AS (
  DELETE FROM migrated.parked AS p
   USING absent AS a
   WHERE p.entity = 'doctor_offices'
     AND p.legacy_key = a.legacy_key
)
DELETE FROM migrated.again AS g
 USING absent AS a
 WHERE g.entity = 'doctor_offices'
   AND g.legacy_key = a.legacy_key
   AND g.requested_at <= pg_catalog.now();

UPDATE migrated.batch AS b
   SET done = true,
       begun_at = pg_catalog.now(),
       finished_at = pg_catalog.clock_timestamp()
 WHERE b.session = '00000000-0000-0000-0000-000000000000'
   AND b.entity = 'doctor_offices'
   AND b.number = 1
RETURNING inserted, updated, unchanged, deleted, failed, parked, warned, warnings, overwritten, kept, held;
COMMIT;


-- write, target
SAVEPOINT applying;

WITH resolved AS MATERIALIZED (
  SELECT s.ctid AS row_id,
         s.k1, s.k2,
         s.h1,
         s.h2,
         m.t1 IS NOT NULL AS mapped,
         t."doctor_id" IS NOT NULL AS present,
         m.w1,
         CASE WHEN t."doctor_id" IS NULL THEN 0 ELSE pg_catalog.hash_record_extended(ROW(t."doctor_id", t."office_id", t."is_primary"), 0) END AS standing,
         CASE WHEN t."doctor_id" IS NULL THEN TRUE ELSE (t."doctor_id", t."office_id", t."is_primary") IS DISTINCT FROM (coalesce(r1_1.t1), coalesce(r2_1.t1), CAST(s.c3 AS boolean)) END AS differs,
         t.xmin AS version,
         t.ctid AS place,
         coalesce(m.t1, coalesce(r1_1.t1)) AS o1,
         coalesce(m.t2, coalesce(r2_1.t1)) AS o2,
         coalesce(r1_1.t1) AS t1,
         coalesce(r2_1.t1) AS t2,
         coalesce(r1_1.t1) AS v1,
         coalesce(r2_1.t1) AS v2,
         CAST(s.c3 AS boolean) AS v3,
         CASE WHEN s.f1_1 IS NOT NULL AND coalesce(r1_1.t1) IS NULL THEN ARRAY[s.f1_1::text] END AS p1,
         'doctors' AS q1,
         CASE WHEN s.f2_1 IS NOT NULL AND coalesce(r2_1.t1) IS NULL THEN ARRAY[s.f2_1::text] END AS p2,
         'offices' AS q2,

         CASE WHEN coalesce(r1_1.t1) IS NULL AND NOT (s.f1_1 IS NOT NULL AND coalesce(r1_1.t1) IS NULL) THEN 1 WHEN coalesce(r2_1.t1) IS NULL AND NOT (s.f2_1 IS NOT NULL AND coalesce(r2_1.t1) IS NULL) THEN 2 WHEN s.c3 IS NULL THEN 3 END AS fault,
         t."doctor_id" AS b1, t."office_id" AS b2, t."is_primary" AS b3,
         (m.*)::migrated.id_map_doctor_offices AS map
    FROM pg_temp.stage_doctor_offices AS s
    LEFT JOIN migrated.id_map_doctor_offices AS m
      ON m.k1 = s.k1 AND m.k2 = s.k2
    LEFT JOIN migrated.id_map_doctors AS r1_1
      ON r1_1.k1 = s.f1_1::integer
    LEFT JOIN migrated.id_map_offices AS r2_1
      ON r2_1.k1 = s.f2_1::integer
    LEFT JOIN "public"."doctor_offices" AS t
      ON t."doctor_id" = coalesce(m.t1, coalesce(r1_1.t1)) AND t."office_id" = coalesce(m.t2, coalesce(r2_1.t1))
   WHERE TRUE
),
inserted AS (
  INSERT INTO "public"."doctor_offices" AS t ("doctor_id", "office_id", "is_primary")
  SELECT r.v1, r.v2, r.v3
    FROM resolved AS r
   WHERE CASE WHEN r.fault IS NULL AND NOT (r.p1 IS NOT NULL OR r.p2 IS NOT NULL) THEN TRUE ELSE FALSE END
     AND NOT r.present
  RETURNING t."doctor_id" AS t1, t."office_id" AS t2, pg_catalog.hash_record_extended(ROW(t."doctor_id", t."office_id", t."is_primary"), 0) AS w1, pg_catalog.nextval('migrated.change_number'::regclass) AS change
),
updated AS (
  UPDATE "public"."doctor_offices" AS t
     SET "doctor_id" = r.v1,
         "office_id" = r.v2,
         "is_primary" = r.v3
    FROM resolved AS r
   WHERE t."doctor_id" = r.o1 AND t."office_id" = r.o2
     AND CASE WHEN r.fault IS NULL AND NOT (r.p1 IS NOT NULL OR r.p2 IS NOT NULL) THEN TRUE ELSE FALSE END AND r.present AND r.differs
     AND t.ctid = r.place
     AND t.xmin = r.version
  RETURNING r.o1, r.o2, r.k1, r.k2, t."doctor_id" AS t1, t."office_id" AS t2, pg_catalog.hash_record_extended(ROW(t."doctor_id", t."office_id", t."is_primary"), 0) AS w1, pg_catalog.nextval('migrated.change_number'::regclass) AS change,
            r.b1, r.b2, r.b3, r.map,
            t."doctor_id" AS a1, t."office_id" AS a2, t."is_primary" AS a3
),
placed AS (
  SELECT r.k1, r.k2, w.t1, w.t2, w.change, r.mapped
    FROM inserted AS w
    JOIN resolved AS r
      ON w.t1 = r.t1 AND w.t2 = r.t2
),
placed_logged AS (
  INSERT INTO migrated.change_log_doctor_offices (change, session, batch, kind, k1, k2, t1, t2)
  SELECT w.change, 0, 1, 'inserted', w.k1, w.k2, w.t1, w.t2
    FROM placed AS w
),
placed_imaged AS (
  INSERT INTO migrated.before_image (change, session, entity, before, after, mapping)
  SELECT w.change, 0, 'doctor_offices', NULL, NULL,
         (SELECT pg_catalog.to_jsonb(m) FROM migrated.id_map_doctor_offices AS m WHERE m.k1 = w.k1 AND m.k2 = w.k2)
    FROM placed AS w
   WHERE w.mapped
),
updated_logged AS (
  INSERT INTO migrated.change_log_doctor_offices (change, session, batch, kind, k1, k2, t1, t2)
  SELECT w.change, 0, 1, 'updated', w.k1, w.k2, w.t1, w.t2
    FROM updated AS w
),
updated_imaged AS (
  INSERT INTO migrated.before_image (change, session, entity, before, after, mapping)
  SELECT w.change, 0, 'doctor_offices', d.before, d.after,
         pg_catalog.to_jsonb(w.map)
    FROM updated AS w
   CROSS JOIN LATERAL (SELECT w.b1, w.b2, w.b3) AS b

   CROSS JOIN LATERAL (SELECT b.b1 IS DISTINCT FROM w.a1 AS d1, b.b2 IS DISTINCT FROM w.a2 AS d2, b.b3 IS DISTINCT FROM w.a3 AS d3 OFFSET 0) AS c
   CROSS JOIN LATERAL (SELECT pg_catalog.array_remove(ARRAY[CASE WHEN NOT c.d1 THEN 'doctor_id'::text END, CASE WHEN NOT c.d2 THEN 'office_id'::text END, CASE WHEN NOT c.d3 THEN 'is_primary'::text END], NULL) AS names OFFSET 0) AS alike
   CROSS JOIN LATERAL (
         SELECT pg_catalog.jsonb_object(ARRAY['doctor_id', 'office_id', 'is_primary']::text[], ARRAY[CASE WHEN c.d1 THEN b.b1::text END, CASE WHEN c.d2 THEN b.b2::text END, CASE WHEN c.d3 THEN b.b3::text END]) - alike.names AS before,
                pg_catalog.jsonb_object(ARRAY['doctor_id', 'office_id', 'is_primary']::text[], ARRAY[CASE WHEN c.d1 THEN w.a1::text END, CASE WHEN c.d2 THEN w.a2::text END, CASE WHEN c.d3 THEN w.a3::text END]) - alike.names AS after) AS d
),
written AS (
  SELECT t1, t2, w1
    FROM inserted
   UNION ALL
  SELECT t1, t2, w1
    FROM updated
),
mapped AS (
  INSERT INTO migrated.id_map_doctor_offices (k1, k2, t1, t2, h1, h2, session, w1)
  SELECT r.k1, r.k2, r.t1, r.t2, r.h1, r.h2, 0, coalesce(w.w1, CASE WHEN NOT r.differs THEN r.standing END)
    FROM resolved AS r
    LEFT JOIN written AS w
      ON w.t1 = r.t1 AND w.t2 = r.t2
   WHERE CASE WHEN r.fault IS NULL AND NOT (r.p1 IS NOT NULL OR r.p2 IS NOT NULL) THEN TRUE ELSE FALSE END
     AND NOT r.mapped
  RETURNING 1
),
remapped AS (
  UPDATE migrated.id_map_doctor_offices AS m
     SET h1 = r.h1,
         h2 = r.h2,
         gone = NULL,
         w1 = coalesce(w.w1, CASE WHEN CASE WHEN r.fault IS NULL AND NOT (r.p1 IS NOT NULL OR r.p2 IS NOT NULL) THEN TRUE ELSE FALSE END AND NOT r.differs THEN r.standing ELSE m.w1 END),
         t1 = CASE WHEN CASE WHEN r.fault IS NULL AND NOT (r.p1 IS NOT NULL OR r.p2 IS NOT NULL) THEN TRUE ELSE FALSE END THEN r.t1 ELSE m.t1 END,
         t2 = CASE WHEN CASE WHEN r.fault IS NULL AND NOT (r.p1 IS NOT NULL OR r.p2 IS NOT NULL) THEN TRUE ELSE FALSE END THEN r.t2 ELSE m.t2 END
    FROM resolved AS r
    LEFT JOIN written AS w
      ON w.t1 = r.t1 AND w.t2 = r.t2
   WHERE m.k1 = r.k1 AND m.k2 = r.k2
     AND r.mapped
     AND (m.h1, m.h2, m.gone, m.w1, m.t1, m.t2) IS DISTINCT FROM (r.h1, r.h2, NULL::timestamptz, coalesce(w.w1, CASE WHEN CASE WHEN r.fault IS NULL AND NOT (r.p1 IS NOT NULL OR r.p2 IS NOT NULL) THEN TRUE ELSE FALSE END AND NOT r.differs THEN r.standing ELSE m.w1 END), r.t1, r.t2)
),
contested AS (
  INSERT INTO migrated.conflict AS c
              (entity, legacy_key, session, batch, policy, in_source, in_target, state, columns, before, h1, h2)
  SELECT 'doctor_offices', ARRAY[r.k1::text, r.k2::text], '00000000-0000-0000-0000-000000000000', 1, 'source_wins', 'changed',
         CASE WHEN r.present THEN 'edited' ELSE 'deleted' END,
         CASE WHEN r.differs AND r.w1 <> r.standing
              AND NOT EXISTS (SELECT FROM migrated.id_map_doctor_offices AS o
                               WHERE o.t1 = r.o1 AND o.t2 = r.o2
                                 AND o.w1 = r.standing) THEN 'overwritten' END,
         ARRAY(SELECT d.name FROM (VALUES ('doctor_id', t."doctor_id" IS DISTINCT FROM r.v1), ('office_id', t."office_id" IS DISTINCT FROM r.v2), ('is_primary', t."is_primary" IS DISTINCT FROM r.v3)) AS d (name, differs) WHERE d.differs),
         CASE WHEN r.present THEN (SELECT pg_catalog.to_jsonb(c) FROM (SELECT t."doctor_id" AS "doctor_id", t."office_id" AS "office_id", t."is_primary" AS "is_primary") AS c) END,
         r.h1, r.h2
    FROM resolved AS r
    LEFT JOIN LATERAL (SELECT * FROM "public"."doctor_offices" AS t WHERE t."doctor_id" = r.o1 AND t."office_id" = r.o2 OFFSET 0) AS t
      ON TRUE
   WHERE CASE WHEN r.fault IS NULL AND NOT (r.p1 IS NOT NULL OR r.p2 IS NOT NULL) THEN TRUE ELSE FALSE END
     AND CASE WHEN r.differs AND r.w1 <> r.standing
              AND NOT EXISTS (SELECT FROM migrated.id_map_doctor_offices AS o
                               WHERE o.t1 = r.o1 AND o.t2 = r.o2
                                 AND o.w1 = r.standing) THEN 'overwritten' END <> 'left'

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
  SELECT 'doctor_offices', ARRAY[r.k1::text, r.k2::text], '00000000-0000-0000-0000-000000000000', 1, f.phase, f.sqlstate, f.constraint_name, f.column_name, f.message,
         r.h1, r.h2, r.mapped, CASE WHEN 0 + coalesce(pg_catalog.pg_column_size(s.k1), 0) + coalesce(pg_catalog.pg_column_size(s.k2), 0) + coalesce(pg_catalog.pg_column_size(s.f1_1), 0) + coalesce(pg_catalog.pg_column_size(s.f2_1), 0) + coalesce(pg_catalog.pg_column_size(s.c3), 0) <= 262144
              THEN pg_catalog.jsonb_build_object('key', pg_catalog.jsonb_build_object('doctor_id', pg_catalog.to_jsonb(s.k1), 'office_id', pg_catalog.to_jsonb(s.k2)),
                   'columns', pg_catalog.jsonb_build_object('doctor_id', pg_catalog.to_jsonb(s.f1_1), 'office_id', pg_catalog.to_jsonb(s.f2_1), 'is_primary', pg_catalog.to_jsonb(s.c3))) END
    FROM resolved AS r
    JOIN (VALUES (1, 'resolve', '23502', NULL, 'doctor_id', 'NULL, where the target column must have a value'), (2, 'resolve', '23502', NULL, 'office_id', 'NULL, where the target column must have a value'), (3, 'resolve', '23502', NULL, 'is_primary', 'NULL, where the target column must have a value')) AS f (fault, phase, sqlstate, constraint_name, column_name, message)
      ON f.fault = r.fault
    JOIN pg_temp.stage_doctor_offices AS s
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
  SELECT 'doctor_offices', ARRAY[r.k1::text, r.k2::text], w.column_name, w.parent_entity, w.parent_key, r.h1, r.h2, r.mapped, '00000000-0000-0000-0000-000000000000', 1
    FROM resolved AS r
   CROSS JOIN LATERAL (SELECT 'doctor_id', r.q1, r.p1 WHERE r.p1 IS NOT NULL UNION ALL SELECT 'office_id', r.q2, r.p2 WHERE r.p2 IS NOT NULL LIMIT 1) AS w (column_name, parent_entity, parent_key)
   WHERE r.fault IS NULL AND (r.p1 IS NOT NULL OR r.p2 IS NOT NULL)
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
  SELECT 'doctor_offices', ARRAY[r.k1::text, r.k2::text], w.column_name, w.parent_entity, w.parent_key, '00000000-0000-0000-0000-000000000000', 1
    FROM resolved AS r
   CROSS JOIN LATERAL (SELECT NULL::text, NULL::text, NULL::text[]) AS w (column_name, parent_entity, parent_key)
   WHERE CASE WHEN r.fault IS NULL AND NOT (r.p1 IS NOT NULL OR r.p2 IS NOT NULL) THEN TRUE ELSE FALSE END AND FALSE
      ON CONFLICT (entity, legacy_key, column_name) DO UPDATE
     SET parent_entity = excluded.parent_entity,
         parent_key = excluded.parent_key,
         session = excluded.session,
         batch = excluded.batch
)
UPDATE migrated.batch AS b
   SET inserted = b.inserted + (SELECT pg_catalog.count(*) FROM inserted),
       updated = b.updated + (SELECT pg_catalog.count(*) FROM updated)
                 + CASE WHEN (SELECT pg_catalog.count(*) FROM updated) < (SELECT pg_catalog.count(*) FROM resolved AS r WHERE CASE WHEN r.fault IS NULL AND NOT (r.p1 IS NOT NULL OR r.p2 IS NOT NULL) THEN TRUE ELSE FALSE END AND r.present AND r.differs)
                        THEN (SELECT migrated.refuse_overtaken('"public"."doctor_offices"', pg_catalog.array_agg(t.ctid), pg_catalog.array_agg(t.tableoid),
                                                               pg_catalog.array_agg(t.xmin))
                                FROM resolved AS r
                                JOIN "public"."doctor_offices" AS t
                                  ON t."doctor_id" = r.o1 AND t."office_id" = r.o2
                               WHERE CASE WHEN r.fault IS NULL AND NOT (r.p1 IS NOT NULL OR r.p2 IS NOT NULL) THEN TRUE ELSE FALSE END AND r.present AND r.differs
                                 AND NOT EXISTS (SELECT FROM updated AS u WHERE u.o1 = r.o1 AND u.o2 = r.o2))
                        ELSE 0 END,
       unchanged = b.unchanged + (SELECT pg_catalog.count(*) FROM resolved AS r WHERE CASE WHEN r.fault IS NULL AND NOT (r.p1 IS NOT NULL OR r.p2 IS NOT NULL) THEN TRUE ELSE FALSE END)
                   - (SELECT pg_catalog.count(*) FROM inserted)
                   - (SELECT pg_catalog.count(*) FROM updated),
       failed = b.failed + (SELECT pg_catalog.count(*) FROM dead),
       parked = b.parked + (SELECT pg_catalog.count(*) FROM waiting),
       overwritten = b.overwritten + (SELECT pg_catalog.count(*) FROM contested AS c WHERE c.state = 'overwritten'),
       kept = b.kept + (SELECT pg_catalog.count(*) FROM contested AS c WHERE c.state = 'kept'),
       held = b.held + (SELECT pg_catalog.count(*) FROM contested AS c WHERE c.state = 'held')
 WHERE b.session = '00000000-0000-0000-0000-000000000000'
   AND b.entity = 'doctor_offices'
   AND b.number = 1
;

UPDATE migrated.dead_letter AS d
   SET state = 'resolved',
       updated_at = pg_catalog.now()
  FROM pg_temp.stage_doctor_offices AS s
 WHERE d.entity = 'doctor_offices'
   AND d.legacy_key = ARRAY[s.k1::text, s.k2::text]
   AND d.state IN ('open', 'discarded')
   AND (d.session, d.batch) IS DISTINCT FROM ('00000000-0000-0000-0000-000000000000'::uuid, 1);
DELETE FROM migrated.parked AS p
 USING pg_temp.stage_doctor_offices AS s
 WHERE p.entity = 'doctor_offices'
   AND p.legacy_key = ARRAY[s.k1::text, s.k2::text]
   AND (p.session, p.batch) IS DISTINCT FROM ('00000000-0000-0000-0000-000000000000'::uuid, 1);
DELETE FROM migrated.deferred AS l
 USING pg_temp.stage_doctor_offices AS s
 WHERE l.entity = 'doctor_offices'
   AND l.legacy_key = ARRAY[s.k1::text, s.k2::text]
   AND (l.session, l.batch) IS DISTINCT FROM ('00000000-0000-0000-0000-000000000000'::uuid, 1);
DELETE FROM migrated.again AS g
 USING pg_temp.stage_doctor_offices AS s
 WHERE EXISTS (SELECT FROM migrated.again WHERE entity = 'doctor_offices')
   AND g.entity = 'doctor_offices'
   AND g.legacy_key = ARRAY[s.k1::text, s.k2::text]
   AND g.requested_at <= pg_catalog.now();
UPDATE migrated.conflict AS c
   SET state = 'resolved',
       updated_at = pg_catalog.now()
  FROM pg_temp.stage_doctor_offices AS s
 WHERE c.entity = 'doctor_offices'
   AND c.legacy_key = ARRAY[s.k1::text, s.k2::text]
   AND c.state = 'held'
   AND (c.session, c.batch) IS DISTINCT FROM ('00000000-0000-0000-0000-000000000000'::uuid, 1);


WITH absent AS MATERIALIZED (
  SELECT c.legacy_key
    FROM migrated.change AS c
   WHERE (EXISTS (SELECT FROM migrated.again WHERE entity = 'doctor_offices')
          OR EXISTS (SELECT FROM migrated.parked WHERE entity = 'doctor_offices')
          OR EXISTS (SELECT FROM migrated.dead_letter WHERE entity = 'doctor_offices' AND state = 'open'))
     AND c.analysis = '00000000-0000-0000-0000-000000000000'
     AND c.entity = 'doctor_offices'
     AND c.ordinal BETWEEN 1 AND 1
     AND c.kind IN ('again', 'unparked')
     AND c.legacy_key NOT IN (SELECT ARRAY[s.k1::text, s.k2::text] FROM pg_temp.stage_doctor_offices AS s)
),
closed AS (
  UPDATE migrated.dead_letter AS d
     SET state = 'resolved',
         message = CASE WHEN d.mapped
                        THEN 'not in the source any more; what the target has of it is the next sweep''s to find'
                        ELSE 'not in the source any more' END,
         updated_at = pg_catalog.now()
    FROM absent AS a
   WHERE d.entity = 'doctor_offices'
     AND d.legacy_key = a.legacy_key
     AND d.state IN ('open', 'discarded')
),
unparked AS (
  DELETE FROM migrated.parked AS p
   USING absent AS a
   WHERE p.entity = 'doctor_offices'
     AND p.legacy_key = a.legacy_key
)
DELETE FROM migrated.again AS g
 USING absent AS a
 WHERE g.entity = 'doctor_offices'
   AND g.legacy_key = a.legacy_key
   AND g.requested_at <= pg_catalog.now();

UPDATE migrated.batch AS b
   SET done = true,
       begun_at = pg_catalog.now(),
       finished_at = pg_catalog.clock_timestamp()
 WHERE b.session = '00000000-0000-0000-0000-000000000000'
   AND b.entity = 'doctor_offices'
   AND b.number = 1
RETURNING inserted, updated, unchanged, deleted, failed, parked, warned, warnings, overwritten, kept, held;
COMMIT;


-- delete, target
SAVEPOINT applying;

SELECT pg_catalog.count(*)
  FROM (
SELECT
  FROM migrated.change AS c
  JOIN migrated.id_map_doctor_offices AS m
    ON m.k1 = c.legacy_key[1]::integer AND m.k2 = c.legacy_key[2]::integer
   AND m.gone IS NULL
  JOIN "public"."doctor_offices" AS t
    ON t."doctor_id" = m.t1 AND t."office_id" = m.t2
 WHERE c.analysis = '00000000-0000-0000-0000-000000000000'
   AND c.entity = 'doctor_offices'
   AND c.ordinal BETWEEN 1 AND 1
   AND c.kind = 'deleted'
   FOR UPDATE OF t
       ) AS locked;


WITH gone AS MATERIALIZED (
  SELECT c.legacy_key,
         m.t1 IS NOT NULL AS mapped,
         m.k1, m.k2,
         m.t1, m.t2,
         m.w1,
         t."doctor_id" IS NOT NULL AS present,
         CASE WHEN t."doctor_id" IS NULL THEN 0 ELSE pg_catalog.hash_record_extended(ROW(t."doctor_id", t."office_id", t."is_primary"), 0) END AS standing,
         CASE WHEN m.w1 <> CASE WHEN t."doctor_id" IS NULL THEN 0 ELSE pg_catalog.hash_record_extended(ROW(t."doctor_id", t."office_id", t."is_primary"), 0) END THEN (SELECT pg_catalog.to_jsonb(c) FROM (SELECT t."doctor_id" AS "doctor_id", t."office_id" AS "office_id", t."is_primary" AS "is_primary") AS c) END AS before,
         t."doctor_id" AS b1, t."office_id" AS b2, t."is_primary" AS b3,
         (m.*)::migrated.id_map_doctor_offices AS map
    FROM migrated.change AS c
    LEFT JOIN migrated.id_map_doctor_offices AS m
      ON m.k1 = c.legacy_key[1]::integer AND m.k2 = c.legacy_key[2]::integer
     AND m.gone IS NULL
    LEFT JOIN "public"."doctor_offices" AS t
      ON t."doctor_id" = m.t1 AND t."office_id" = m.t2
   WHERE c.analysis = '00000000-0000-0000-0000-000000000000'
     AND c.entity = 'doctor_offices'
     AND c.ordinal BETWEEN 1 AND 1
     AND c.kind = 'deleted'
     AND NOT EXISTS (SELECT FROM pg_temp.stage_doctor_offices AS s WHERE s.k1 = c.legacy_key[1]::integer AND s.k2 = c.legacy_key[2]::integer)
     AND TRUE
),

shared AS MATERIALIZED (
  SELECT o.t1, o.t2
    FROM migrated.id_map_doctor_offices AS o
   WHERE o.gone IS NULL
     AND (((o.t1, o.t2) IN (SELECT g.t1, g.t2 FROM gone AS g WHERE g.mapped)) IS TRUE)
     AND (o.k1, o.k2) NOT IN (SELECT g.k1, g.k2 FROM gone AS g WHERE g.mapped)
),

written AS (
  DELETE FROM "public"."doctor_offices" AS t
   USING gone AS g
   WHERE t."doctor_id" = g.t1 AND t."office_id" = g.t2
     AND NOT EXISTS (SELECT FROM shared AS o WHERE o.t1 = g.t1 AND o.t2 = g.t2)
     AND NOT (FALSE)
  RETURNING g.k1, g.k2, g.t1, g.t2, 0 AS w1, pg_catalog.nextval('migrated.change_number'::regclass) AS change,
            g.b1, g.b2, g.b3, g.map
),
written_logged AS (
  INSERT INTO migrated.change_log_doctor_offices (change, session, batch, kind, k1, k2, t1, t2)
  SELECT w.change, 0, 1, 'deleted', w.k1, w.k2, w.t1, w.t2
    FROM written AS w
),
written_imaged AS (
  INSERT INTO migrated.before_image (change, session, entity, before, after, mapping)
  SELECT w.change, 0, 'doctor_offices', pg_catalog.jsonb_object(ARRAY['doctor_id', 'office_id', 'is_primary']::text[], ARRAY[b.b1::text, b.b2::text, b.b3::text]), NULL,
         pg_catalog.to_jsonb(w.map)
    FROM written AS w
   CROSS JOIN LATERAL (SELECT w.b1, w.b2, w.b3) AS b
),
unmapped AS (
  UPDATE migrated.id_map_doctor_offices AS m
     SET gone = pg_catalog.now(),
         w1 = CASE WHEN g.w1 IS NOT NULL THEN g.w1
                   WHEN NOT g.present THEN 0
                   ELSE m.w1 END
    FROM (SELECT k1, k2,
                 present,
                 pg_catalog.max(w1) OVER (PARTITION BY t1, t2) AS w1
            FROM (SELECT g.k1, g.k2, g.t1, g.t2, g.present, NULL::bigint AS w1
                    FROM gone AS g
                   UNION ALL
                  SELECT NULL AS k1, NULL AS k2, w.t1, w.t2, NULL, w.w1
                    FROM written AS w) AS both_of_them) AS g
   WHERE m.k1 = g.k1 AND m.k2 = g.k2
),
contested AS (
  INSERT INTO migrated.conflict AS c
              (entity, legacy_key, session, batch, policy, in_source, in_target, state, before)
  SELECT 'doctor_offices', g.legacy_key, '00000000-0000-0000-0000-000000000000', 1, 'source_wins', 'deleted', 'edited', 'overwritten', g.before
    FROM gone AS g
   WHERE coalesce(g.present AND g.w1 <> g.standing
              AND NOT EXISTS (SELECT FROM migrated.id_map_doctor_offices AS o
                               WHERE o.t1 = g.t1 AND o.t2 = g.t2
                                 AND o.w1 = g.standing), FALSE)

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
   WHERE d.entity = 'doctor_offices'
     AND d.legacy_key = g.legacy_key
     AND d.state IN ('open', 'discarded')
),
unparked AS (
  DELETE FROM migrated.parked AS p
   USING gone AS g
   WHERE p.entity = 'doctor_offices'
     AND p.legacy_key = g.legacy_key
),
forgotten AS (
  DELETE FROM migrated.deferred AS l
   USING gone AS g
   WHERE l.entity = 'doctor_offices'
     AND l.legacy_key = g.legacy_key
)
UPDATE migrated.batch AS b
   SET deleted = b.deleted + (SELECT pg_catalog.count(*) FROM gone AS g WHERE NOT (FALSE)),
       unchanged = b.unchanged + (SELECT pg_catalog.count(*) FROM gone AS g WHERE FALSE),
       overwritten = b.overwritten + (SELECT pg_catalog.count(*) FROM contested)
 WHERE b.session = '00000000-0000-0000-0000-000000000000'
   AND b.entity = 'doctor_offices'
   AND b.number = 1
;

UPDATE migrated.dead_letter AS d
   SET state = 'resolved',
       updated_at = pg_catalog.now()
  FROM pg_temp.stage_doctor_offices AS s
 WHERE d.entity = 'doctor_offices'
   AND d.legacy_key = ARRAY[s.k1::text, s.k2::text]
   AND d.phase = 'delete'
   AND d.state IN ('open', 'discarded');
DELETE FROM migrated.again AS g
 USING migrated.change AS c
 WHERE EXISTS (SELECT FROM migrated.again WHERE entity = 'doctor_offices')
   AND c.analysis = '00000000-0000-0000-0000-000000000000'
   AND c.entity = 'doctor_offices'
   AND c.ordinal BETWEEN 1 AND 1
   AND c.kind = 'deleted'
   AND g.entity = 'doctor_offices'
   AND g.legacy_key = c.legacy_key
   AND g.requested_at <= pg_catalog.now();

UPDATE migrated.batch AS b
   SET done = true,
       begun_at = pg_catalog.now(),
       finished_at = pg_catalog.clock_timestamp()
 WHERE b.session = '00000000-0000-0000-0000-000000000000'
   AND b.entity = 'doctor_offices'
   AND b.number = 1
RETURNING inserted, updated, unchanged, deleted, failed, parked, warned, warnings, overwritten, kept, held;
COMMIT;

