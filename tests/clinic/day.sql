-- A day in the legacy clinic:  psql -v ON_ERROR_STOP=1 -v seed=1 [-v spoil=1] -f day.sql
--
--   seed   which rows it happens to; give every day its own
--   spoil  1 also makes some rows invalid that were valid the day before (default 0). The target then keeps
--          them as they were, and the oracle wants --stale-allowed.
--
-- About one row in a hundred of most tables is inserted, changed or deleted, whatever the scale. New rows
-- and reassigned ones get parents that are sure to be in the target, or else are dirt and say so.
-- Times of the day itself are now(), as in life, and not part of what the seed decides.

\set ON_ERROR_STOP 1
\if :{?seed} \else \set seed 1 \endif
\if :{?spoil} \else \set spoil 0 \endif

SET client_min_messages = warning;
SET timezone = 'UTC';
SET work_mem = '64MB';

CREATE FUNCTION pg_temp.dice(key bigint, salt integer) RETURNS bigint
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN hashint8extended(key, salt + 1000::bigint * :seed + 500) & 9223372036854775807;

-- It happens to one row in n.
CREATE FUNCTION pg_temp.struck(key bigint, salt integer, n integer) RETURNS boolean
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN pg_temp.dice(key, salt) % n = 0;

-- One row in a hundred of a table of this many rows, and never none.
CREATE FUNCTION pg_temp.share(rows bigint) RETURNS bigint
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN greatest(rows / 100, 2);

BEGIN;

-- Parents that are sure to be in the target: only rows without any dirt, whose parents have none either.

CREATE TEMPORARY TABLE good_doctor ON COMMIT DROP AS
SELECT row_number() OVER (ORDER BY doctor.id) AS n, doctor.id
  FROM dispatch_doctor AS doctor
  JOIN (SELECT min(id) AS id
          FROM auth_user
         WHERE email LIKE '%_@_%'
         GROUP BY lower(btrim(email))
        HAVING count(*) = 1) AS profile ON profile.id = doctor.user_id
 WHERE length(doctor.license_number) <= 20;

CREATE TEMPORARY TABLE good_patient ON COMMIT DROP AS
SELECT row_number() OVER (ORDER BY id) AS n, id, doctor_id
  FROM dispatch_patient
 WHERE (doctor_id IS NULL OR doctor_id IN (SELECT id FROM good_doctor))
   AND first_name IS NOT NULL
   AND last_name IS NOT NULL
   AND (birth_date = '' OR birth_date IS NULL OR birth_date ~ '^(19|20)\d\d-(0[1-9]|1[0-2])-([01]\d|2[0-8])$')
   AND length(insurance_number) <= 20
   AND created_at IS NOT NULL;

CREATE TEMPORARY TABLE good_order ON COMMIT DROP AS
SELECT row_number() OVER (ORDER BY id) AS n, id, patient_id
  FROM dispatch_instruction
 WHERE NOT is_test
   AND patient_id IN (SELECT id FROM good_patient)
   AND office_id IS NOT NULL
   AND coalesce(price, 0) < 1000000
   AND created_at IS NOT NULL;

CREATE TEMPORARY TABLE good_case ON COMMIT DROP AS
SELECT row_number() OVER (ORDER BY id) AS n, id, instruction_id, patient_id
  FROM dispatch_instance
 WHERE instruction_id IN (SELECT id FROM good_order)
   AND patient_id IN (SELECT id FROM good_patient)
   AND coalesce(state, 0) BETWEEN 0 AND 4
   AND (finished_at >= started_at OR finished_at IS NULL);

CREATE TEMPORARY TABLE good_file ON COMMIT DROP AS
SELECT row_number() OVER (ORDER BY id) AS n, id
  FROM dispatch_file
 WHERE (instruction_id IS NULL OR instruction_id IN (SELECT id FROM good_order))
   AND path NOT LIKE '%..%'
   AND (size ~ '^\d{1,12}$' OR size IS NULL);

CREATE TEMPORARY TABLE good_message ON COMMIT DROP AS
SELECT row_number() OVER (ORDER BY id) AS n, id
  FROM dispatch_record
 WHERE (instruction_id IS NULL OR instruction_id IN (SELECT id FROM good_order))
   AND (patient_id IS NULL OR patient_id IN (SELECT id FROM good_patient))
   AND body IS NOT NULL
   AND sent_at IS NOT NULL;

ANALYZE good_doctor, good_patient, good_order, good_case, good_file, good_message;

SELECT (SELECT count(*) FROM good_doctor) AS doctors,
       (SELECT count(*) FROM good_patient) AS patients,
       (SELECT count(*) FROM good_order) AS orders,
       (SELECT count(*) FROM good_case) AS cases,
       (SELECT count(*) FROM good_file) AS files,
       (SELECT count(*) FROM good_message) AS messages,
       (SELECT count(*) FROM dispatch_office) AS offices,
       (SELECT pg_temp.share(count(*)) FROM dispatch_notification) AS new_notifications,
       (SELECT last_value FROM dispatch_record_id_seq) AS last_record
\gset

-- Deletes: hard, and mostly without a thought for what hangs on the row -----------------------------------

-- The foreign keys that exist are obeyed; orders, cases and files leave orphans behind.
DELETE FROM dispatch_payment WHERE pg_temp.struck(id, 1, 150);
DELETE FROM dispatch_comment WHERE pg_temp.struck(id, 2, 150);
DELETE FROM dispatch_case_file WHERE pg_temp.struck(id, 3, 100);
DELETE FROM dispatch_record_attachments WHERE pg_temp.struck(id, 4, 80);
DELETE FROM dispatch_doctor_offices WHERE pg_temp.struck(id, 5, 60) AND NOT is_primary;
DELETE FROM dispatch_template_products WHERE pg_temp.struck(id, 6, 60);
DELETE FROM dispatch_state WHERE pg_temp.struck(id, 7, 200);
DELETE FROM dispatch_content_record WHERE pg_temp.struck(hashtext(id::text), 8, 200);
DELETE FROM dispatch_record WHERE pg_temp.struck(id, 9, 300);
DELETE FROM dispatch_treatment_plan WHERE pg_temp.struck(id, 10, 250);
DELETE FROM dispatch_file WHERE pg_temp.struck(id, 11, 300);
DELETE FROM dispatch_instance WHERE pg_temp.struck(id, 12, 500);
-- The jaws of an order go with it: without one they would no longer be valid.
WITH gone AS (
    DELETE FROM dispatch_instruction WHERE pg_temp.struck(id, 13, 700) RETURNING upper_jaw_id, lower_jaw_id
)
DELETE FROM dispatch_jaw
 USING gone
 WHERE dispatch_jaw.id IN (gone.upper_jaw_id, gone.lower_jaw_id);
DELETE FROM dispatch_patient AS patient
 WHERE pg_temp.struck(id, 14, 100)
   AND NOT EXISTS (SELECT FROM dispatch_instruction WHERE patient_id = patient.id)
   AND NOT EXISTS (SELECT FROM dispatch_treatment_plan WHERE patient_id = patient.id);
DELETE FROM auth_user AS account
 WHERE pg_temp.struck(id, 15, 60)
   AND NOT EXISTS (SELECT FROM dispatch_doctor WHERE user_id = account.id)
   AND NOT EXISTS (SELECT FROM dispatch_agent WHERE user_id = account.id);

-- The nightly purge: the oldest notifications go, the modern side keeps them.
DELETE FROM dispatch_notification
 WHERE id IN (SELECT id FROM dispatch_notification ORDER BY created_at, id LIMIT :new_notifications / 2);

-- A jaw goes and its order knows it.
WITH gone AS (
    DELETE FROM dispatch_jaw WHERE pg_temp.struck(id, 16, 200) RETURNING id
)
UPDATE dispatch_instruction AS instruction
   SET upper_jaw_id = CASE WHEN upper_jaw_id IN (SELECT id FROM gone) THEN NULL ELSE upper_jaw_id END,
       lower_jaw_id = CASE WHEN lower_jaw_id IN (SELECT id FROM gone) THEN NULL ELSE lower_jaw_id END,
       updated_at = now()
 WHERE upper_jaw_id IN (SELECT id FROM gone)
    OR lower_jaw_id IN (SELECT id FROM gone);

-- What is sure to be in the target, and has not just been deleted: the patients the rest of the day is about.
CREATE TEMPORARY TABLE day_patient ON COMMIT DROP AS
SELECT id FROM good_patient WHERE id IN (SELECT id FROM dispatch_patient);
ANALYZE day_patient;

-- Updates that touch updated_at -----------------------------------------------------------------------

UPDATE dispatch_office SET phone = '+49 40 ' || pg_temp.dice(id, 20) % 100000, updated_at = now()
 WHERE pg_temp.struck(id, 20, 20);
UPDATE dispatch_product SET price = (pg_temp.dice(id, 21) % 100000 / 100.0)::numeric(10, 2)::text, updated_at = now()
 WHERE pg_temp.struck(id, 21, 20) AND price ~ '^[0-9.]+$';
UPDATE dispatch_template SET variables = '["doctor", "day ' || :seed || '"]', updated_at = now()
 WHERE pg_temp.struck(hashtext(code), 22, 15);
UPDATE dispatch_patient SET phone = '+33 2 ' || pg_temp.dice(id, 23) % 100000, medical_notes = NULL, updated_at = now()
 WHERE pg_temp.struck(id, 23, 100);
UPDATE dispatch_instruction SET status = (status + 1) % 6, price = price + 0.0050, updated_at = now()
 WHERE pg_temp.struck(id, 24, 60);
UPDATE dispatch_instance SET state = (coalesce(state, 0) + 1) % 5, data = '{"changed": ' || :seed || '}', updated_at = now()
 WHERE pg_temp.struck(id, 25, 80);
UPDATE dispatch_jaw SET shade = 'C' || pg_temp.dice(id, 26) % 4, thickness = thickness * 1.1, updated_at = now()
 WHERE pg_temp.struck(id, 26, 120);
UPDATE dispatch_treatment_plan SET progress = 1, plan = '{"steps": [], "version": ' || :seed || '}', updated_at = now()
 WHERE pg_temp.struck(id, 27, 100);
UPDATE dispatch_record SET body = body || E'\nedited on day ' || :seed, read_at = now(), updated_at = now()
 WHERE pg_temp.struck(id, 28, 100);

-- Updates that do not: forgotten, or in tables that have no updated_at at all -----------------------------

UPDATE auth_user SET last_login = now() WHERE pg_temp.struck(id, 30, 12);
UPDATE auth_user SET is_staff = NOT is_staff WHERE pg_temp.struck(id, 31, 80);
UPDATE dispatch_patient SET consent = true WHERE pg_temp.struck(id, 32, 150) AND consent IS NOT TRUE;
UPDATE dispatch_payment SET note = 'Cash, receipt ' || :seed WHERE pg_temp.struck(id, 33, 100);
UPDATE dispatch_file SET mime = 'application/zip', meta = NULL WHERE pg_temp.struck(id, 34, 120);
UPDATE dispatch_case_file SET position = coalesce(position, 0) + 1 WHERE pg_temp.struck(id, 35, 100);
UPDATE dispatch_record_attachments SET caption = 'seen' WHERE pg_temp.struck(id, 36, 80);
UPDATE dispatch_template_products SET quantity = quantity + 1 WHERE pg_temp.struck(id, 37, 30);
UPDATE dispatch_doctor_offices SET is_primary = true WHERE pg_temp.struck(id, 38, 60);
UPDATE dispatch_notification SET is_read = true WHERE pg_temp.struck(id, 39, 150) AND NOT is_read;

-- Two rows swap their values, which any sum of hashes that commutes within a row would miss.
UPDATE dispatch_content_record AS record
   SET payload = other.payload
  FROM (SELECT id, payload, row_number() OVER (ORDER BY pg_temp.dice(hashtext(id::text), 40), id) AS n
          FROM dispatch_content_record
         WHERE payload LIKE '{%') AS mine
  JOIN (SELECT payload, row_number() OVER (ORDER BY pg_temp.dice(hashtext(id::text), 40), id) AS n
          FROM dispatch_content_record
         WHERE payload LIKE '{%') AS other ON other.n = CASE mine.n WHEN 1 THEN 2 WHEN 2 THEN 1 END
 WHERE record.id = mine.id;

-- Reassigned parents ------------------------------------------------------------------------------------

-- Doctors move to another office.
UPDATE dispatch_doctor SET office_id = 1 + office_id % :offices, updated_at = now()
 WHERE pg_temp.struck(id, 50, 40)
   AND 1 + office_id % :offices IN (SELECT id FROM dispatch_office);

-- Patients go to another doctor; those whose doctor was missing get one, and arrive with all they have.
UPDATE dispatch_patient AS patient SET doctor_id = doctor.id
  FROM good_doctor AS doctor
 WHERE pg_temp.struck(patient.id, 51, 80)
   AND doctor.n = 1 + pg_temp.dice(patient.id, 52) % :doctors;

-- An order turns out to be another patient's, a case another order's.
UPDATE dispatch_instruction AS instruction SET patient_id = patient.id, updated_at = now()
  FROM good_patient AS patient
 WHERE pg_temp.struck(instruction.id, 53, 300)
   AND patient.n = 1 + pg_temp.dice(instruction.id, 54) % :patients
   AND patient.id IN (SELECT id FROM day_patient);
UPDATE dispatch_instance AS instance SET instruction_id = orders.id, patient_id = orders.patient_id
  FROM good_order AS orders
 WHERE pg_temp.struck(instance.id, 55, 300)
   AND orders.n = 1 + pg_temp.dice(instance.id, 56) % :orders;

-- Messages are hung below others.
UPDATE dispatch_record AS record SET parent_id = message.id
  FROM good_message AS message
 WHERE pg_temp.struck(record.id, 57, 150)
   AND message.n = 1 + pg_temp.dice(record.id, 58) % :messages;

-- An order's state was a case's: the row leaves one target table and arrives in another.
UPDATE dispatch_state AS state SET content_type_id = 8, object_id = cases.id
  FROM good_case AS cases
 WHERE state.content_type_id = 7
   AND state.status <= 4
   AND pg_temp.struck(state.id, 59, 150)
   AND cases.n = 1 + pg_temp.dice(state.id, 60) % :cases;

-- Orders turn out to be tests, and test orders to be real.
UPDATE dispatch_instruction SET is_test = NOT is_test, updated_at = now()
 WHERE pg_temp.struck(id, 61, CASE WHEN is_test THEN 3 ELSE 400 END);

-- The two jaws of an order were mixed up.
CREATE TEMPORARY TABLE mixed_up ON COMMIT DROP AS
SELECT id, upper_jaw_id, lower_jaw_id
  FROM dispatch_instruction
 WHERE upper_jaw_id <> lower_jaw_id AND pg_temp.struck(id, 62, 200);
UPDATE dispatch_instruction SET upper_jaw_id = NULL, lower_jaw_id = NULL WHERE id IN (SELECT id FROM mixed_up);
UPDATE dispatch_instruction AS instruction
   SET upper_jaw_id = mixed_up.lower_jaw_id, lower_jaw_id = mixed_up.upper_jaw_id
  FROM mixed_up
 WHERE mixed_up.id = instruction.id;

-- Repairs of what was dirty ------------------------------------------------------------------------------

-- Both owners of a shared address get one of their own, for a few of them.
UPDATE auth_user SET email = 'own' || id || '.day' || :seed || '@clinic.example'
 WHERE lower(email) IN (SELECT lower(email)
                          FROM auth_user
                         WHERE email <> ''
                         GROUP BY lower(email)
                        HAVING count(*) > 1
                         ORDER BY pg_temp.dice(hashtext(lower(email)), 70), lower(email)
                         LIMIT 1);
UPDATE dispatch_doctor SET license_number = left(license_number, 12), updated_at = now()
 WHERE id IN (SELECT id FROM dispatch_doctor WHERE length(license_number) > 20 ORDER BY pg_temp.dice(id, 71) LIMIT 1);
UPDATE dispatch_patient SET birth_date = '1980-02-29', updated_at = now()
 WHERE id IN (SELECT id FROM dispatch_patient WHERE birth_date !~ '^(\d{4}-(0\d|1[0-2])-\d\d)?$' ORDER BY pg_temp.dice(id, 72) LIMIT 1);
UPDATE dispatch_treatment_plan SET plan = '{"steps": [], "repaired": true}'
 WHERE id IN (SELECT id FROM dispatch_treatment_plan WHERE plan NOT LIKE '%}' ORDER BY pg_temp.dice(id, 73) LIMIT 1);
UPDATE dispatch_payment SET amount = replace(amount, ',', '.')
 WHERE id IN (SELECT id FROM dispatch_payment WHERE amount LIKE '%,%' ORDER BY pg_temp.dice(id, 74) LIMIT 1);

-- Orphans whose parents arrive: ids from 1000000000 up are the missing ones.
INSERT INTO auth_user (password, is_superuser, username, first_name, last_name, email, is_staff, is_active, date_joined)
VALUES ('!', false, 'late.doctor.' || :seed, 'Late', 'Doctor', 'late.doctor.' || :seed || '@clinic.example', false, true, now());
INSERT INTO dispatch_doctor (id, user_id, office_id, license_number, created_at, updated_at)
SELECT min(patient.doctor_id), currval('auth_user_id_seq'), (SELECT min(id) FROM dispatch_office), 'DE-LATE', now(), now()
  FROM dispatch_patient AS patient
  LEFT JOIN dispatch_doctor AS doctor ON doctor.id = patient.doctor_id
 WHERE patient.doctor_id IS NOT NULL AND doctor.id IS NULL
HAVING min(patient.doctor_id) IS NOT NULL;

INSERT INTO dispatch_instruction (id, patient_id, office_id, status, priority, quantity, is_test, created_at, updated_at)
SELECT missing.id, (SELECT min(id) FROM day_patient), (SELECT min(id) FROM dispatch_office), 1, 1, 1, false, now(), now()
  FROM (SELECT min(child.instruction_id) AS id
          FROM (SELECT instruction_id FROM dispatch_instance
                 UNION ALL
                SELECT instruction_id FROM dispatch_payment) AS child
          LEFT JOIN dispatch_instruction AS parent ON parent.id = child.instruction_id
         WHERE child.instruction_id >= 1000000000 AND parent.id IS NULL) AS missing
 WHERE missing.id IS NOT NULL;

-- Ids used again: the row goes, and another of the same id comes --------------------------------------------

CREATE TEMPORARY TABLE reused_patient ON COMMIT DROP AS
SELECT id FROM day_patient ORDER BY pg_temp.dice(id, 80), id LIMIT 2;
DELETE FROM dispatch_patient WHERE id IN (SELECT id FROM reused_patient);
INSERT INTO dispatch_patient (id, doctor_id, first_name, last_name, birth_date, gender, consent, created_at, updated_at)
SELECT id, NULL, 'Somebody', 'Else', '2001-09-09', 9, false, now(), now()
  FROM reused_patient;

CREATE TEMPORARY TABLE reused_payment ON COMMIT DROP AS
SELECT id FROM dispatch_payment ORDER BY pg_temp.dice(id, 81), id LIMIT 2;
DELETE FROM dispatch_payment WHERE id IN (SELECT id FROM reused_payment);
INSERT INTO dispatch_payment (id, instruction_id, amount, currency, note, created_at)
SELECT id, (SELECT min(id) FROM good_order), '0.01', '$', 'another payment', now()
  FROM reused_payment;

-- Of what was deleted on earlier days, a comment's number comes back: its marked row lives again.
INSERT INTO dispatch_comment (id, user_id, body, created_at)
SELECT free.id, (SELECT min(user_id) FROM dispatch_doctor JOIN good_doctor USING (id)), 'reused id on day ' || :seed, now()
  FROM (SELECT id
          FROM generate_series(1, (SELECT max(id) FROM dispatch_comment)) AS id
         WHERE id NOT IN (SELECT id FROM dispatch_comment)
         ORDER BY pg_temp.dice(id, 82), id
         LIMIT 1) AS free;

-- New rows -----------------------------------------------------------------------------------------------

INSERT INTO dispatch_office (name, city, country, timezone, created_at, updated_at)
VALUES ('Lab office of day ' || :seed, 'Graz', 'Austria', 'Europe/Vienna', now(), now());

-- Every third new user has the address of the one before, in capitals: one of the two is refused.
INSERT INTO auth_user (password, is_superuser, username, first_name, last_name, email, is_staff, is_active, date_joined)
SELECT '!', false, 'day' || :seed || '.' || i, 'New', 'User ' || i,
       CASE i % 3 WHEN 0 THEN upper('day' || :seed || '.' || i - 1) ELSE 'day' || :seed || '.' || i END || '@clinic.example',
       i % 2 = 0, true, now()
  FROM generate_series(1, (SELECT pg_temp.share(count(*)) FROM auth_user)) AS i;

-- The last of the new users who does not share an address becomes a doctor.
INSERT INTO dispatch_doctor (user_id, office_id, title, license_number, specialty, created_at, updated_at)
SELECT id, (SELECT max(id) FROM dispatch_office), 'Dr.', 'AT-' || :seed, 'surgery', now(), now()
  FROM auth_user
 WHERE username = 'day' || :seed || '.1';
INSERT INTO dispatch_doctor_offices (doctor_id, office_id, is_primary)
SELECT id, office_id, true
  FROM dispatch_doctor
 ORDER BY id DESC
 LIMIT 1
    ON CONFLICT (doctor_id, office_id) DO NOTHING;

INSERT INTO dispatch_template (code, name, body, variables, is_default, created_at, updated_at)
VALUES ('day ' || :seed || ' "new" template', 'New', 'Hello', '["name"]', false, now(), now());
INSERT INTO dispatch_template_products (template_id, product_id, quantity)
SELECT 'day ' || :seed || ' "new" template', min(id), 1
  FROM dispatch_product;

INSERT INTO dispatch_patient (doctor_id, first_name, last_name, birth_date, gender, email, consent, created_at, updated_at)
SELECT doctor.id, 'New', 'Patient ' || i,
       CASE WHEN i = 1 THEN 'not known' ELSE '1999-01-' || lpad((1 + i % 28)::text, 2, '0') END,  -- the first: dead letter
       i % 3, 'new' || i || '@mail.example', true, now(), now()
  FROM generate_series(1, (SELECT pg_temp.share(count(*)) FROM dispatch_patient)) AS i
  JOIN good_doctor AS doctor ON doctor.n = 1 + pg_temp.dice(i, 90) % :doctors;

INSERT INTO dispatch_jaw (product_id, shade, teeth, created_at, updated_at)
SELECT (SELECT min(id) FROM dispatch_product), 'D2', '31,32', now(), now()
  FROM generate_series(1, (SELECT pg_temp.share(count(*)) FROM dispatch_instruction));
INSERT INTO dispatch_instruction (patient_id, office_id, status, priority, price, quantity, is_test, upper_jaw_id,
                                  created_at, updated_at)
SELECT patient.id, (SELECT min(id) FROM dispatch_office), i % 6, i % 5, 12.3450, i, false,
       currval('dispatch_jaw_id_seq') - i + 1, now(), now()
  FROM generate_series(1, (SELECT pg_temp.share(count(*)) FROM dispatch_instruction)) AS i
  JOIN good_patient AS patient ON patient.n = 1 + pg_temp.dice(i, 91) % :patients
 WHERE patient.id IN (SELECT id FROM day_patient);

INSERT INTO dispatch_instance (instruction_id, patient_id, doctor_id, state, kind, data, started_at, created_at, updated_at)
SELECT orders.id, orders.patient_id, (SELECT min(id) FROM good_doctor), 1, 'crown',
       CASE WHEN i % 2 = 0 THEN '{"new": true}' ELSE '{new: true}' END, now(), now(), now()
  FROM generate_series(1, (SELECT pg_temp.share(count(*)) FROM dispatch_instance)) AS i
  JOIN good_order AS orders ON orders.n = 1 + pg_temp.dice(i, 92) % :orders;

INSERT INTO dispatch_file (instruction_id, path, size, uploaded_at, updated_at)
SELECT orders.id, '/media/new/' || :seed || '/' || i || '.stl', i::text, now(), now()
  FROM generate_series(1, (SELECT pg_temp.share(count(*)) FROM dispatch_file)) AS i
  JOIN good_order AS orders ON orders.n = 1 + pg_temp.dice(i, 93) % :orders;

-- New messages answer one another, the first of them an old one.
INSERT INTO dispatch_record (instruction_id, instance_id, parent_id, sender_kind, body, sent_at, updated_at)
SELECT cases.instruction_id, CASE WHEN i % 2 = 0 THEN cases.id END,
       CASE WHEN i = 1 THEN (SELECT min(id) FROM dispatch_record) ELSE :last_record + i - 1 END, 1, 'New message ' || i, now(), now()
  FROM generate_series(1, (SELECT pg_temp.share(count(*)) FROM dispatch_record)) AS i
  JOIN good_case AS cases ON cases.n = 1 + pg_temp.dice(i, 94) % :cases
 ORDER BY i;

INSERT INTO dispatch_record_attachments (record_id, file_id, caption)
SELECT message.id, file.id, 'attached on day ' || :seed
  FROM generate_series(1, (SELECT pg_temp.share(count(*)) FROM dispatch_record_attachments)) AS i
  JOIN good_message AS message ON message.n = 1 + pg_temp.dice(i, 95) % :messages
  JOIN good_file AS file ON file.n = 1 + pg_temp.dice(i, 96) % :files
    ON CONFLICT (record_id, file_id) DO NOTHING;

INSERT INTO dispatch_treatment_plan (patient_id, instance_id, title, plan, stage, progress, cost, currency, created_at, updated_at)
SELECT cases.patient_id, cases.id, 'New plan ' || i, '{"steps": [' || i || ']}', 0, 0, 99.90, 'EUR', now(), now()
  FROM generate_series(1, (SELECT pg_temp.share(count(*)) FROM dispatch_treatment_plan)) AS i
  JOIN good_case AS cases ON cases.n = 1 + pg_temp.dice(i, 97) % :cases
 WHERE cases.patient_id IN (SELECT id FROM day_patient);

INSERT INTO dispatch_payment (instruction_id, amount, currency, card_last4, paid_at, created_at, updated_at)
SELECT orders.id, (i * 10)::text, 'EUR', '4242', now(), now(), now()
  FROM generate_series(1, (SELECT pg_temp.share(count(*)) FROM dispatch_payment)) AS i
  JOIN good_order AS orders ON orders.n = 1 + pg_temp.dice(i, 98) % :orders;

INSERT INTO dispatch_case_file (instance_id, file_id, category, position, created_at)
SELECT cases.id, file.id, i % 5, i, now()
  FROM generate_series(1, (SELECT pg_temp.share(count(*)) FROM dispatch_case_file)) AS i
  JOIN good_case AS cases ON cases.n = 1 + pg_temp.dice(i, 99) % :cases
  JOIN good_file AS file ON file.n = 1 + pg_temp.dice(i, 100) % :files;

INSERT INTO dispatch_state (content_type_id, object_id, status, comment, changed_at)
SELECT 7, orders.id, i % 6, 'day ' || :seed, now()
  FROM generate_series(1, (SELECT pg_temp.share(count(*)) FROM dispatch_state)) AS i
  JOIN good_order AS orders ON orders.n = 1 + pg_temp.dice(i, 101) % :orders;

INSERT INTO dispatch_content_record (id, content_type_id, object_id, record_type, payload, created_at, updated_at)
SELECT md5('record ' || i || ' of day ' || :seed)::uuid, 8, cases.id::text, 'note', '{"day": ' || :seed || '}', now(), now()
  FROM generate_series(1, (SELECT pg_temp.share(count(*)) FROM dispatch_content_record)) AS i
  JOIN good_case AS cases ON cases.n = 1 + pg_temp.dice(i, 102) % :cases
    ON CONFLICT (id) DO NOTHING;

INSERT INTO dispatch_comment (user_id, body, created_at)
SELECT doctor.user_id, 'New comment ' || i, now()
  FROM generate_series(1, (SELECT pg_temp.share(count(*)) FROM dispatch_comment)) AS i
  JOIN good_doctor ON good_doctor.n = 1 + pg_temp.dice(i, 103) % :doctors
  JOIN dispatch_doctor AS doctor ON doctor.id = good_doctor.id;

INSERT INTO dispatch_notification (recipient_id, item_type_id, item_id, template, template_context, channel, is_read,
                                   sent_at, created_at)
SELECT 1, 7 + i % 2, CASE i % 2 WHEN 0 THEN orders.id ELSE cases.id END, 'day_' || :seed,
       CASE WHEN i % 50 = 0 THEN '{''i'': ' || i || '}' ELSE '{"i": ' || i || '}' END, i % 4, false, now(), now()
  FROM generate_series(1, :new_notifications) AS i
  JOIN good_order AS orders ON orders.n = 1 + pg_temp.dice(i, 104) % :orders
  JOIN good_case AS cases ON cases.n = 1 + pg_temp.dice(i, 105) % :cases;

-- Spoiled: valid the day before, and refused by the target as they are now ------------------------------------

\if :spoil
UPDATE dispatch_patient SET birth_date = 'spoiled', updated_at = now()
 WHERE id IN (SELECT id FROM day_patient ORDER BY pg_temp.dice(id, 110), id LIMIT 3);
UPDATE dispatch_treatment_plan SET plan = '{spoiled', updated_at = now()
 WHERE id IN (SELECT id FROM dispatch_treatment_plan WHERE plan LIKE '%}' ORDER BY pg_temp.dice(id, 111), id LIMIT 3);
-- Its new parent does not exist: the row waits for it, and stays as it was until then.
UPDATE dispatch_payment SET instruction_id = 1500000000 + id
 WHERE id IN (SELECT id FROM dispatch_payment ORDER BY pg_temp.dice(id, 112), id LIMIT 3);
UPDATE auth_user SET email = (SELECT upper(email) FROM auth_user WHERE email LIKE '%_@_%' ORDER BY id LIMIT 1)
 WHERE id IN (SELECT id FROM auth_user WHERE email LIKE '%_@_%' ORDER BY id OFFSET 1 LIMIT 1);
\endif

COMMIT;

ANALYZE;
