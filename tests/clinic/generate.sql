-- Fills the legacy clinic:  psql -v ON_ERROR_STOP=1 -v scale=1 -v seed=42 [-v clean=1] -f generate.sql
--
--   scale  1 is about 20,000 rows over all tables, 100 about 2M, most of them notifications; at least 0.1
--   seed   the same scale and seed make the same rows, whatever the server or its plans
--   clean  1 leaves out the dirt (default 0)
--
-- Every value is a hash of its row's key and the seed, so that no order of execution shows. What makes
-- a row dirty stands in a call of dirt() with a comment saying what ought to become of it:
--   dead letter   the target refuses the row
--   parked        the row waits for a parent that is not there
--   null, kept …  the row arrives, and this is what its column holds
-- A child of a dead letter or of a parked row is parked too; that is not repeated everywhere.
-- Odd but valid values (quotes, tabs, '\N', empty strings) are not dirt and stay in a clean clinic.

\set ON_ERROR_STOP 1
\if :{?scale} \else \set scale 1 \endif
\if :{?seed} \else \set seed 42 \endif
\if :{?clean} \else \set clean 0 \endif

SET client_min_messages = warning;
SET timezone = 'UTC';
SET datestyle = 'ISO, MDY';
SET synchronous_commit = off;
SET work_mem = '64MB';

-- How many rows: tables of people grow slowly, orders faster, notifications fastest.
SELECT round(40 * :scale ^ 0.50)::integer AS n_office,
       round(300 * :scale ^ 0.60)::integer AS n_user,
       round(60 * :scale ^ 0.30)::integer AS n_product,
       round(30 * :scale ^ 0.30)::integer AS n_template,
       round(160 * :scale ^ 0.60)::integer AS n_doctor,
       round(60 * :scale ^ 0.50)::integer AS n_agent,
       round(1000 * :scale ^ 0.85)::integer AS n_patient,
       round(1500 * :scale ^ 0.90)::integer AS n_instruction,
       round(1500 * :scale ^ 0.90)::integer AS n_instance,
       round(1500 * :scale ^ 0.90)::integer AS n_jaw,
       round(900 * :scale ^ 0.95)::integer AS n_file,
       round(1200 * :scale ^ 0.90)::integer AS n_record,
       round(500 * :scale ^ 0.90)::integer AS n_attachment,
       round(800 * :scale ^ 0.90)::integer AS n_plan,
       round(800 * :scale ^ 0.90)::integer AS n_payment,
       round(700 * :scale ^ 0.95)::integer AS n_case_file,
       round(1600 * :scale ^ 0.90)::integer AS n_state,
       round(600 * :scale ^ 0.90)::integer AS n_comment,
       round(900 * :scale ^ 0.90)::integer AS n_content_record,
       round(5600 * :scale ^ 1.15)::integer AS n_notification
\gset

-- A number that depends on a row, a purpose (the salt) and the seed, and on nothing else.
CREATE FUNCTION pg_temp.dice(key bigint, salt integer) RETURNS bigint
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN hashint8extended(key, salt + 1000::bigint * :seed) & 9223372036854775807;

-- An id between 1 and n.
CREATE FUNCTION pg_temp.among(key bigint, salt integer, n integer) RETURNS integer
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN (1 + pg_temp.dice(key, salt) % n)::integer;

-- The id of an order that is no test order; orders 211, 633, 1055 … are (see dispatch_instruction).
CREATE FUNCTION pg_temp.some_order(key bigint, salt integer) RETURNS integer
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN pg_temp.among(key, salt, :n_instruction)
           - (pg_temp.among(key, salt, :n_instruction) % 422 = 211)::integer;

-- One row in `every` is dirty in the way the salt names; the seed shifts which. `every` is a prime, so that
-- the dirt meets rows of every kind, and smaller than the table at scale 1, so that there is some.
CREATE FUNCTION pg_temp.dirt(key bigint, every integer, salt integer) RETURNS boolean
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN :clean = 0 AND (key + 7919 * salt + :seed) % every = 0;

-- The id of a parent that does not exist.
CREATE FUNCTION pg_temp.nobody(key bigint) RETURNS integer
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN (1000000000 + key)::integer;

-- A moment of the years 2021 to 2025, to the microsecond.
CREATE FUNCTION pg_temp.moment(key bigint, salt integer) RETURNS timestamptz
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN timestamptz '2021-01-01 00:00:00+00'
           + pg_temp.dice(key, salt) % 157680000000000 * interval '1 microsecond';

CREATE FUNCTION pg_temp.word(key bigint, salt integer, words text[]) RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN words[1 + pg_temp.dice(key, salt) % cardinality(words)];

-- Free text as people write it, with everything in it that trips a careless COPY.
CREATE FUNCTION pg_temp.prose(key bigint, salt integer) RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN pg_temp.word(key, salt, ARRAY[
        NULL, '', 'please call back', 'Farbe A3,5 – wie besprochen', E'first line\nsecond line',
        E'tab\there', 'C:\new\temp', '\N', '\.', 'he said "no"', 'it''s fine', '{not, an, array}',
        'überprüfen: Zahn 36 🦷', E'trailing space ', 'NULL', '$1 %s {} <b>&amp;</b>']);

BEGIN;

-- Master data -----------------------------------------------------------------------------------

INSERT INTO dispatch_office
SELECT i,
       'Lab office ' || i,
       CASE WHEN i % 7 <> 0 THEN pg_temp.word(i, 10, ARRAY['Main St ', 'Hauptstraße ', 'Rue de l''Église ']) || i END,
       pg_temp.word(i, 11, ARRAY['Berlin', 'Wien', 'Lyon', 'Kraków', 'Zürich', 'Leeds']),
       lpad((pg_temp.dice(i, 12) % 100000)::text, 5, '0'),
       pg_temp.word(i, 13, ARRAY['Germany', 'Deutschland', 'Austria', 'France', 'Poland', 'Atlantis', NULL]),
       '+49 30 ' || pg_temp.dice(i, 14) % 10000000,
       pg_temp.word(i, 15, ARRAY['Europe/Berlin', 'Europe/Vienna', 'Europe/Paris']),
       CASE
           -- Invalid JSON, of a row on which everything else depends: null
           WHEN pg_temp.dirt(i, 37, 1) THEN 'theme=dark'
           WHEN i % 5 = 0 THEN NULL
           ELSE format('{"theme": "%s", "limits": {"open_orders": %s}}',
                       pg_temp.word(i, 16, ARRAY['dark', 'light']), pg_temp.dice(i, 17) % 50)
       END,
       pg_temp.moment(i, 18),
       pg_temp.moment(i, 18) + interval '40 days'
  FROM generate_series(1, :n_office) AS i;

INSERT INTO auth_user
SELECT i,
       'pbkdf2_sha256$260000$' || md5(i::text),
       CASE WHEN i % 3 <> 0 THEN pg_temp.moment(i, 20) END,
       i % 97 = 1,
       'user' || i,
       pg_temp.word(i, 21, ARRAY['Anna', 'Björn', 'Chloé', 'Dmitri', 'Eve', 'Faruk', '']),
       pg_temp.word(i, 22, ARRAY['O''Neil', 'Müller', 'de la Cruz', 'Ng', 'Schmidt-Maier']),
       CASE
           -- Duplicate e-mails that differ in case: of the two, one arrives and one is a dead letter
           WHEN pg_temp.dirt(i, 149, 2) AND i > 1 THEN upper('user' || i - 1) || '@Clinic.example'
           -- '' means none, and the target wants one: dead letter
           WHEN pg_temp.dirt(i, 251, 3) THEN ''
           -- No e-mail address at all (CHECK): dead letter
           WHEN pg_temp.dirt(i, 281, 4) THEN 'unknown'
           WHEN i % 11 = 0 THEN 'User' || i || '@CLINIC.example '
           ELSE 'user' || i || '@clinic.example'
       END,
       i % 13 = 0,
       i % 29 <> 0,
       pg_temp.moment(i, 23)
  FROM generate_series(1, :n_user) AS i;

INSERT INTO dispatch_product
SELECT i,
       'Product ' || i,
       CASE WHEN i % 9 <> 0 THEN 'SKU-' || lpad(i::text, 6, '0') END,
       CASE WHEN i % 17 <> 0 THEN pg_temp.dice(i, 30) % 8 END,
       CASE
           -- Text where the target has a number: dead letter; its jaws keep null, its template rows are parked
           WHEN pg_temp.dirt(i, 59, 5) THEN 'on request'
           WHEN i % 10 = 0 THEN NULL
           ELSE (pg_temp.dice(i, 31) % 100000 / 100.0)::numeric(10, 2)::text
       END,
       pg_temp.word(i, 32, ARRAY['EUR', 'eur', 'CHF', NULL]),
       pg_temp.prose(i, 33),
       i % 8 <> 0,
       pg_temp.moment(i, 34),
       pg_temp.moment(i, 34) + interval '3 days'
  FROM generate_series(1, :n_product) AS i;

INSERT INTO dispatch_template
SELECT 'tpl-' || i || pg_temp.word(i, 40, ARRAY['', '/ZR', ' copy', '''s', '"x"', '\n', 'é', ',']),
       'Template ' || i,
       'Dear {{ doctor }}, order {{ order }} is ' || pg_temp.word(i, 41, ARRAY['ready', 'late', 'sent']),
       CASE
           -- Valid JSON, but not the array that the target's CHECK asks for: dead letter
           WHEN pg_temp.dirt(i, 29, 6) THEN '{"doctor": "string"}'
           -- Invalid JSON where the mapping says "dead_letter"
           WHEN pg_temp.dirt(i, 29, 7) THEN 'doctor, order'
           WHEN i % 4 = 0 THEN '[]'
           ELSE '["doctor", "order", {"name": "due", "type": "date"}]'
       END,
       i % 6 = 0,
       pg_temp.moment(i, 42),
       pg_temp.moment(i, 42) + interval '9 days'
  FROM generate_series(1, :n_template) AS i;

-- Four products for every template, taken in turn, so that no pair comes twice.
INSERT INTO dispatch_template_products (template_id, product_id, quantity)
SELECT template.code,
       1 + (template.n * 4 + k) % :n_product,
       1 + pg_temp.dice(template.n * 4 + k, 43) % 5
  FROM (SELECT code, row_number() OVER (ORDER BY code COLLATE "C") AS n FROM dispatch_template) AS template,
       generate_series(0, 3) AS k
 ORDER BY template.n, k;

-- People ----------------------------------------------------------------------------------------

-- The first twentieth of the users are staff; then come the doctors, then the agents.
INSERT INTO dispatch_doctor
SELECT i,
       :n_user / 20 + i,
       pg_temp.among(i, 50, :n_office),
       pg_temp.word(i, 51, ARRAY['Dr.', 'Dr. med. dent.', '', NULL]),
       -- Longer than the target's varchar(20): dead letter, never a shortened number
       'DE-' || i || CASE WHEN pg_temp.dirt(i, 157, 8) THEN repeat('-0123456789', 3) ELSE '' END,
       pg_temp.word(i, 52, ARRAY['orthodontics', 'Prosthetics ', 'surgery', NULL]),
       '+43 1 ' || pg_temp.dice(i, 53) % 1000000,
       pg_temp.prose(i, 54),
       pg_temp.moment(i, 55),
       CASE
           -- Never touched since: kept as null
           WHEN pg_temp.dirt(i, 79, 9) THEN NULL
           ELSE pg_temp.moment(i, 55) + interval '20 days'
       END
  FROM generate_series(1, :n_doctor) AS i;

-- Every doctor's own office, and for every second doctor the next one too.
INSERT INTO dispatch_doctor_offices (doctor_id, office_id, is_primary)
SELECT id, office_id, true
  FROM dispatch_doctor
 UNION ALL
SELECT id, 1 + office_id % :n_office, false
  FROM dispatch_doctor
 WHERE id % 2 = 0
 ORDER BY 1, 2;

INSERT INTO dispatch_agent
SELECT i,
       :n_user / 20 + :n_doctor + i,
       CASE
           -- Orphan: parked
           WHEN pg_temp.dirt(i, 59, 10) THEN pg_temp.nobody(i)
           WHEN i % 6 <> 0 THEN pg_temp.among(i, 60, :n_office)
       END,
       -- A code that the value table does not know and that has no default: dead letter
       CASE WHEN pg_temp.dirt(i, 59, 11) THEN 77 ELSE 1 + pg_temp.dice(i, 61) % 4 END,
       pg_temp.word(i, 62, ARRAY['', 'orders', 'orders,cases', 'orders, cases ,billing']),
       CASE WHEN i % 4 <> 0 THEN (20 + pg_temp.dice(i, 63) % 300 / 10.0)::numeric(8, 1)::text END,
       (pg_temp.moment(i, 64))::date,
       pg_temp.moment(i, 65),
       pg_temp.moment(i, 65) + interval '11 days'
  FROM generate_series(1, :n_agent) AS i;

INSERT INTO dispatch_patient
SELECT i,
       CASE
           -- Orphan, the doctor was deleted by hand: parked
           WHEN pg_temp.dirt(i, 331, 12) THEN pg_temp.nobody(i % 7)
           WHEN i % 12 <> 0 THEN pg_temp.among(i, 70, :n_doctor)
       END,
       pg_temp.word(i, 71, ARRAY['Anna', 'Björn', 'Chloé', 'Dmitri', 'Eve', 'Faruk', 'Gülşen', 'Hugo']),
       -- Null where the target says NOT NULL: dead letter
       CASE WHEN NOT pg_temp.dirt(i, 499, 13)
            THEN pg_temp.word(i, 72, ARRAY['O''Neil', 'Müller', 'de la Cruz', 'Ng', 'Łukasz']) || i % 100
       END,
       CASE
           -- Text that is no date: dead letter
           WHEN pg_temp.dirt(i, 499, 14) THEN pg_temp.word(i, 73, ARRAY['31/02/1980', 'unknown', '1980-13-01'])
           WHEN i % 15 = 0 THEN ''
           WHEN i % 16 <> 0 THEN (date '1940-01-01' + (pg_temp.dice(i, 74) % 29000)::integer)::text
       END,
       pg_temp.word(i, 75, ARRAY['0', '1', '2', '9', NULL])::smallint,
       CASE WHEN i % 5 <> 0 THEN 'p' || i || '@mail.example' END,
       pg_temp.word(i, 76, ARRAY['', NULL, '+33 1 ']) || pg_temp.dice(i, 77) % 1000000,
       -- Too long for varchar(20): dead letter. Spaces only beyond the 20th: PostgreSQL drops them.
       'V' || lpad((pg_temp.dice(i, 78) % 1000000000)::text, 9, '0')
           || CASE WHEN pg_temp.dirt(i, 499, 15) THEN ' (old number, see card)' ELSE '' END,
       pg_temp.prose(i, 79),
       CASE WHEN i % 21 <> 0 THEN i % 3 <> 0 END,
       CASE
           -- Both timestamps null where one is needed: dead letter
           WHEN pg_temp.dirt(i, 499, 16) THEN NULL
           -- Only created_at is null: the mapping takes updated_at
           WHEN pg_temp.dirt(i, 499, 17) THEN NULL
           ELSE pg_temp.moment(i, 80)
       END,
       CASE
           WHEN pg_temp.dirt(i, 499, 16) THEN NULL
           -- In the future, from a workstation with a wrong clock: kept as it is
           WHEN pg_temp.dirt(i, 499, 18) THEN timestamptz '2038-01-19 03:14:07+00'
           ELSE pg_temp.moment(i, 80) + interval '1 hour'
       END
  FROM generate_series(1, :n_patient) AS i;

-- Orders ----------------------------------------------------------------------------------------

INSERT INTO dispatch_jaw
SELECT i,
       CASE
           -- Orphan, and the mapping says "null": kept as null
           WHEN pg_temp.dirt(i, 499, 20) THEN pg_temp.nobody(i)
           WHEN i % 14 <> 0 THEN pg_temp.among(i, 90, :n_product)
       END,
       pg_temp.word(i, 91, ARRAY['A1', 'A2', 'A3,5', 'B1', NULL]),
       CASE
           -- Text in a list of numbers: dead letter
           WHEN pg_temp.dirt(i, 499, 21) THEN '11,12,wisdom'
           WHEN i % 10 = 0 THEN ''
           WHEN i % 9 <> 0 THEN 11 + pg_temp.dice(i, 92) % 8 || ', ' || 21 + pg_temp.dice(i, 93) % 8
       END,
       CASE WHEN i % 4 <> 0 THEN pg_temp.dice(i, 94) % 1000 / 300.0::float8 END,
       pg_temp.prose(i, 95),
       pg_temp.moment(i, 96),
       pg_temp.moment(i, 96) + interval '2 hours'
  FROM generate_series(1, :n_jaw) AS i;

-- Orders 211, 633, 1055 … are test orders, which stay behind by the mapping's row filter; in a clean
-- clinic nothing hangs on them. Even orders have two jaws, odd ones none.
INSERT INTO dispatch_instruction
SELECT i,
       -- Null where the target says NOT NULL: dead letter
       CASE WHEN NOT pg_temp.dirt(i, 499, 30) THEN pg_temp.among(i, 100, :n_patient) END,
       pg_temp.among(i, 101, :n_office),
       -- An unknown status code: 'unknown', by the value table's default
       CASE WHEN pg_temp.dirt(i, 499, 31) THEN 99 ELSE pg_temp.dice(i, 102) % 6 END,
       pg_temp.dice(i, 103) % 5,
       pg_temp.word(i, 104, ARRAY['0', '1', '5', NULL])::smallint,
       CASE WHEN i % 20 <> 0 THEN 'ORD-' || lpad(i::text, 8, '0') END,
       CASE
           -- Too large for numeric(12,2): dead letter
           WHEN pg_temp.dirt(i, 499, 32) THEN 99999999999.5
           WHEN i % 18 <> 0 THEN pg_temp.dice(i, 105) % 9000000 / 10000.0
       END,
       1 + pg_temp.dice(i, 106) % 4,
       CASE WHEN i % 7 <> 0 THEN pg_temp.moment(i, 107)::date END,
       pg_temp.prose(i, 108),
       CASE WHEN i % 6 = 0 THEN pg_temp.among(i, 109, :n_plan) END,
       pg_temp.word(i, 110, ARRAY['DHL', 'UPS', 'courier', '', NULL]),
       CASE WHEN i % 5 = 0 THEN md5('track' || i) END,
       i % 422 = 211,
       CASE WHEN i % 2 = 0 AND i <= :n_jaw THEN i - 1 END,
       CASE
           -- The jaw is named twice, its sister nowhere: it counts as upper, the sister is a dead letter
           WHEN pg_temp.dirt(i, 499, 33) AND i % 2 = 0 THEN i - 1
           -- Jaws without an order: dead letter
           WHEN pg_temp.dirt(i, 293, 34) THEN NULL
           WHEN i % 2 = 0 AND i <= :n_jaw THEN i
       END,
       pg_temp.moment(i, 111),
       CASE
           -- In the future: kept as it is
           WHEN pg_temp.dirt(i, 499, 35) THEN timestamptz '2031-05-01 12:00:00+00'
           -- Null: kept as it is
           WHEN pg_temp.dirt(i, 499, 36) THEN NULL
           ELSE pg_temp.moment(i, 111) + pg_temp.dice(i, 112) % 90 * interval '1 day'
       END
  FROM generate_series(1, :n_instruction) AS i;

INSERT INTO dispatch_instance
SELECT i,
       CASE
           -- Orphan: parked
           WHEN pg_temp.dirt(i, 599, 40) THEN pg_temp.nobody(i % 5)
           -- A case of a test order, which the row filter leaves behind: parked
           WHEN pg_temp.dirt(i, 743, 41) THEN 211
           ELSE instruction.id
       END,
       -- The order says whose patient it is; a case without an order has to name one itself.
       coalesce(instruction.patient_id, 1),
       CASE
           -- Orphan, and the mapping says "null": kept as null
           WHEN pg_temp.dirt(i, 499, 42) THEN pg_temp.nobody(i)
           ELSE patient.doctor_id
       END,
       CASE
           -- A code that the value table does not know: dead letter
           WHEN pg_temp.dirt(i, 743, 43) THEN -1
           WHEN i % 25 <> 0 THEN pg_temp.dice(i, 120) % 5
       END,
       pg_temp.word(i, 121, ARRAY['crown', 'bridge', 'aligner', 'model', 'splint']),
       pg_temp.word(i, 122, ARRAY['A1', 'A2', 'B1', 'c2', NULL]),
       CASE
           -- Invalid JSON where the mapping says "null": null
           WHEN pg_temp.dirt(i, 293, 44) THEN '{''material'': ''zirconia''}'
           -- Valid JSON that jsonb cannot hold: null likewise
           WHEN pg_temp.dirt(i, 743, 45) THEN '{"material": "zr\u0000"}'
           WHEN i % 6 = 0 THEN NULL
           ELSE format('{"material": "%s", "units": [%s, {"tooth": %s}], "ratio": %s}',
                       pg_temp.word(i, 123, ARRAY['zirconia', 'e.max', 'PMMA', 'Co\u2010Cr']),
                       pg_temp.dice(i, 124) % 9, 11 + pg_temp.dice(i, 125) % 8, pg_temp.dice(i, 126) % 1000 / 100.0)
       END,
       CASE WHEN i % 3 = 0 THEN pg_temp.dice(i, 127) % 400000 * interval '1 second' END,
       pg_temp.moment(i, 128),
       CASE
           -- Finished before it was started (CHECK): dead letter
           WHEN pg_temp.dirt(i, 499, 46) THEN pg_temp.moment(i, 128) - interval '1 day'
           WHEN i % 3 <> 0 THEN pg_temp.moment(i, 128) + pg_temp.dice(i, 129) % 30 * interval '1 day'
       END,
       pg_temp.moment(i, 128),
       pg_temp.moment(i, 128) + interval '31 days'
  FROM generate_series(1, :n_instance) AS i
  JOIN dispatch_instruction AS instruction ON instruction.id = pg_temp.some_order(i, 130)
  LEFT JOIN dispatch_patient AS patient ON patient.id = instruction.patient_id;

INSERT INTO dispatch_file
SELECT i,
       CASE
           -- Orphan: parked
           WHEN pg_temp.dirt(i, 449, 50) THEN pg_temp.nobody(i)
           WHEN i % 5 <> 0 THEN instruction.id
       END,
       CASE
           -- Orphan, and the mapping says "null": kept as null
           WHEN pg_temp.dirt(i, 449, 51) THEN pg_temp.nobody(i)
           WHEN i % 4 <> 0 THEN instruction.patient_id
       END,
       CASE
           -- Leads out of the store (CHECK): dead letter
           WHEN pg_temp.dirt(i, 449, 52) THEN '/media/../../etc/passwd'
           ELSE '/media/scans/' || i % 100 || '/scan ' || i || pg_temp.word(i, 140, ARRAY['.stl', '.ply', '.jpg'])
       END,
       CASE WHEN i % 10 <> 0 THEN 'scan ' || i || pg_temp.word(i, 141, ARRAY['', ' (2)', 'ß', '"']) END,
       CASE
           -- Text that is no number: dead letter
           WHEN pg_temp.dirt(i, 449, 53) THEN '12 MB'
           WHEN i % 13 <> 0 THEN (pg_temp.dice(i, 142) % 5000000000)::text
       END,
       pg_temp.word(i, 143, ARRAY['model/stl', 'image/jpeg', NULL]),
       CASE WHEN i % 3 = 0 THEN md5('file' || i) || md5(i::text) END,
       CASE
           -- Invalid JSON where the mapping says "wrap": kept, wrapped
           WHEN pg_temp.dirt(i, 199, 54) THEN 'scanner=TRIOS;units=mm'
           WHEN i % 2 = 0 THEN format('{"scanner": "%s", "points": %s}',
                                      pg_temp.word(i, 144, ARRAY['TRIOS', 'iTero']), pg_temp.dice(i, 145) % 90000)
       END,
       pg_temp.moment(i, 146),
       pg_temp.moment(i, 146)
  FROM generate_series(1, :n_file) AS i
  JOIN dispatch_instruction AS instruction ON instruction.id = pg_temp.some_order(i, 147);

-- Messages --------------------------------------------------------------------------------------

-- A quarter of the records is one thread, each answering the one before it: longer than one batch.
-- In every fourth block of fifty it runs backwards, so that parents have higher ids than their children.
INSERT INTO dispatch_record
SELECT thread.id,
       CASE
           -- Orphan: parked, and what answers it keeps a null parent
           WHEN pg_temp.dirt(thread.id, 599, 60) THEN pg_temp.nobody(thread.id)
           WHEN thread.id % 8 <> 0 THEN instance.instruction_id
       END,
       CASE WHEN thread.id % 3 <> 0 THEN instance.patient_id END,
       CASE
           -- Orphan: the case_messages row is parked, the message itself arrives
           WHEN pg_temp.dirt(thread.id, 599, 61) THEN pg_temp.nobody(thread.id)
           WHEN thread.id % 2 = 0 THEN instance.id
       END,
       CASE
           WHEN thread.id <= :n_record / 4 THEN thread.before
           -- Answers itself: kept
           WHEN pg_temp.dirt(thread.id, 197, 62) THEN thread.id
           -- Orphan within its own table: kept as null
           WHEN pg_temp.dirt(thread.id, 397, 63) THEN pg_temp.nobody(thread.id)
           -- Answers a later record; with the next line, some pairs answer one another
           WHEN thread.id % 40 = 7 THEN least(thread.id + 5, :n_record)
           WHEN thread.id % 40 = 12 THEN thread.id - 5
           WHEN thread.id % 3 = 0 THEN pg_temp.among(thread.id, 150, thread.id)
       END,
       CASE WHEN thread.id % 4 <> 0 THEN pg_temp.among(thread.id, 151, :n_user) END,
       pg_temp.dice(thread.id, 152) % 3,
       pg_temp.prose(thread.id, 153),
       -- Null where the target says NOT NULL: dead letter
       CASE WHEN NOT pg_temp.dirt(thread.id, 599, 64)
            THEN 'Message ' || thread.id || coalesce(': ' || pg_temp.prose(thread.id, 154), '')
       END,
       CASE
           -- Invalid JSON where the mapping says "wrap": kept, wrapped
           WHEN pg_temp.dirt(thread.id, 293, 65) THEN 'None'
           WHEN thread.id % 10 = 0 THEN format('{"client": "web", "ip": "10.0.0.%s"}', thread.id % 250)
       END,
       -- No time at all: dead letter
       CASE WHEN NOT pg_temp.dirt(thread.id, 599, 66) THEN pg_temp.moment(thread.id, 155) END,
       CASE WHEN thread.id % 2 = 0 THEN pg_temp.moment(thread.id, 155) + interval '5 minutes' END,
       pg_temp.moment(thread.id, 155) + interval '6 minutes'
  FROM (SELECT id,
               lag(id) OVER (ORDER BY CASE WHEN id / 50 % 4 = 1 THEN id / 50 * 50 + 49 - id % 50 ELSE id END) AS before
          FROM generate_series(1, :n_record) AS id) AS thread
  JOIN dispatch_instance AS instance ON instance.id = pg_temp.among(thread.id, 156, :n_instance);

INSERT INTO dispatch_record_attachments (record_id, file_id, caption)
SELECT pg_temp.among(i, 160, :n_record),
       -- Orphan: parked
       CASE WHEN pg_temp.dirt(i, 251, 67) THEN pg_temp.nobody(i) ELSE pg_temp.among(i, 161, :n_file) END,
       pg_temp.prose(i, 162)
  FROM generate_series(1, :n_attachment) AS i
    ON CONFLICT (record_id, file_id) DO NOTHING;

-- What hangs on orders and cases ------------------------------------------------------------------

INSERT INTO dispatch_treatment_plan
SELECT i,
       instance.patient_id,
       CASE
           -- Orphan: parked
           WHEN pg_temp.dirt(i, 397, 70) THEN pg_temp.nobody(i)
           WHEN i % 5 <> 0 THEN instance.id
       END,
       -- Null where the target says NOT NULL: dead letter
       CASE WHEN NOT pg_temp.dirt(i, 797, 71) THEN 'Plan ' || i END,
       CASE
           -- Invalid JSON, cut off at a column's old limit, where the mapping says "dead_letter"
           WHEN pg_temp.dirt(i, 397, 72) THEN '{"steps": [{"n": 1, "teeth": [11, 12'
           ELSE format('{"steps": [{"n": 1, "teeth": [%s, %s], "note": "%s"}, {"n": 2, "moves": {"x": %s, "y": -0.50}}], '
                       '"version": %s, "approved": %s}',
                       11 + pg_temp.dice(i, 170) % 8, 21 + pg_temp.dice(i, 171) % 8,
                       pg_temp.word(i, 172, ARRAY['', 'slow', 'n\u00e4chste Woche', 'a\tb']),
                       pg_temp.dice(i, 173) % 500 / 100.0, 1 + i % 3, (ARRAY['true', 'false', 'null'])[1 + i % 3])
       END,
       pg_temp.dice(i, 174) % 4,
       CASE
           -- More than whole (CHECK): dead letter
           WHEN pg_temp.dirt(i, 797, 73) THEN 1.5
           WHEN i % 6 <> 0 THEN pg_temp.dice(i, 175) % 1000 / 999.0::float8
       END,
       CASE WHEN i % 7 <> 0 THEN pg_temp.dice(i, 176) % 900000 / 100.0 END,
       pg_temp.word(i, 177, ARRAY['EUR', 'eur', '€', NULL]),
       pg_temp.moment(i, 178),
       pg_temp.moment(i, 178) + interval '4 days'
  FROM generate_series(1, :n_plan) AS i
  JOIN dispatch_instance AS instance ON instance.id = pg_temp.among(i, 179, :n_instance);

INSERT INTO dispatch_payment
SELECT i,
       CASE
           -- Orphan: parked
           WHEN pg_temp.dirt(i, 797, 80) THEN pg_temp.nobody(i % 5)
           -- Payment of a test order: parked
           WHEN pg_temp.dirt(i, 797, 81) THEN 211
           ELSE pg_temp.some_order(i, 180)
       END,
       CASE
           -- A decimal comma: dead letter
           WHEN pg_temp.dirt(i, 397, 82) THEN '12,50'
           ELSE (pg_temp.dice(i, 181) % 200000 / 100.0 - 100)::numeric(12, 2)::text
       END,
       CASE
           -- A currency that the value table does not know: dead letter
           WHEN pg_temp.dirt(i, 797, 83) THEN 'Taler'
           ELSE pg_temp.word(i, 182, ARRAY['EUR', 'eur', '€', 'USD', '$', 'CHF', 'Fr.'])
       END,
       pg_temp.word(i, 183, ARRAY['bar bezahlt', 'Cash', 'thanks', NULL]),
       CASE WHEN i % 3 = 0 THEN lpad((i % 10000)::text, 4, '0') WHEN i % 3 = 1 THEN '' END,
       CASE WHEN i % 2 = 0 THEN 'DE' || lpad((pg_temp.dice(i, 184) % 1000000)::text, 20, '0') END,
       CASE
           -- The far future (CHECK): dead letter
           WHEN pg_temp.dirt(i, 797, 84) THEN timestamptz '9999-12-31 23:59:59+00'
           WHEN i % 9 <> 0 THEN pg_temp.moment(i, 185)
       END,
       -- Null where the target says NOT NULL: dead letter
       CASE WHEN NOT pg_temp.dirt(i, 797, 85) THEN pg_temp.moment(i, 185) END,
       pg_temp.moment(i, 185)
  FROM generate_series(1, :n_payment) AS i;

INSERT INTO dispatch_case_file
SELECT i,
       -- Orphan of a case: parked
       CASE WHEN pg_temp.dirt(i, 349, 90) THEN pg_temp.nobody(i) ELSE pg_temp.among(i, 190, :n_instance) END,
       -- Orphan of a file: parked
       CASE WHEN pg_temp.dirt(i, 349, 91) THEN pg_temp.nobody(i) ELSE pg_temp.among(i, 191, :n_file) END,
       CASE WHEN i % 8 <> 0 THEN pg_temp.dice(i, 192) % 5 END,
       CASE WHEN i % 9 <> 0 THEN pg_temp.dice(i, 193) % 20 END,
       CASE WHEN NOT pg_temp.dirt(i, 349, 92) THEN pg_temp.moment(i, 194) END  -- Null: kept as it is
  FROM generate_series(1, :n_case_file) AS i;

-- Orders (7), cases (8), and patients (9), for which there is no target.
INSERT INTO dispatch_state
SELECT i,
       CASE WHEN i % 20 < 11 THEN 7 WHEN i % 20 < 19 THEN 8 ELSE 9 END,
       CASE
           -- Orphan: parked
           WHEN pg_temp.dirt(i, 397, 100) THEN pg_temp.nobody(i)
           WHEN i % 20 < 11 THEN pg_temp.some_order(i, 200)
           WHEN i % 20 < 19 THEN pg_temp.among(i, 201, :n_instance)
           ELSE pg_temp.among(i, 202, :n_patient)
       END,
       -- A code that the value table does not know: dead letter (a status history has no default)
       CASE WHEN pg_temp.dirt(i, 523, 101) THEN 42 ELSE pg_temp.dice(i, 203) % 5 END,
       pg_temp.prose(i, 204),
       CASE WHEN i % 3 <> 0 THEN pg_temp.among(i, 205, :n_user) END,
       CASE
           -- No time: dead letter
           WHEN pg_temp.dirt(i, 797, 102) THEN NULL
           -- In the future: kept as it is
           WHEN pg_temp.dirt(i, 797, 103) THEN timestamptz '2040-01-01 00:00:00+00'
           ELSE pg_temp.moment(i, 206)
       END
  FROM generate_series(1, :n_state) AS i;

INSERT INTO dispatch_content_record
SELECT md5(i || ' of seed ' || :seed)::uuid,
       CASE WHEN i % 10 < 5 THEN 7 WHEN i % 10 < 9 THEN 8 ELSE 12 END,
       CASE
           -- Orphan: parked
           WHEN pg_temp.dirt(i, 449, 110) THEN pg_temp.nobody(i)::text
           -- Text where an id should be: no order, and the target wants one: dead letter
           WHEN pg_temp.dirt(i, 197, 111) THEN 'n/a'
           WHEN i % 10 < 5 THEN pg_temp.some_order(i, 210)::text
           ELSE pg_temp.among(i, 211, :n_instance)::text
       END,
       pg_temp.word(i, 212, ARRAY['note', 'scan', 'Invoice', 'delivery']),
       CASE
           -- Invalid JSON: of an order, kept wrapped; of a case, null
           WHEN pg_temp.dirt(i, 223, 112) THEN 'NaN'
           WHEN i % 11 = 0 THEN NULL
           ELSE format('{"pages": %s, "tags": [%s]}', pg_temp.dice(i, 213) % 9,
                       to_json(pg_temp.word(i, 214, ARRAY['a', 'b"\c', 'ü'])))
       END,
       pg_temp.moment(i, 215),
       pg_temp.moment(i, 215)
  FROM generate_series(1, :n_content_record) AS i;

INSERT INTO dispatch_comment
SELECT i,
       CASE
           -- Orphan, and the mapping says "dead_letter"
           WHEN pg_temp.dirt(i, 293, 120) THEN pg_temp.nobody(i)
           ELSE pg_temp.among(i, 220, :n_user)
       END,
       CASE WHEN i % 2 = 0 THEN pg_temp.among(i, 221, :n_plan) END,
       CASE WHEN i % 5 = 0 THEN pg_temp.among(i, 222, i) END,
       pg_temp.word(i, 223, ARRAY['dispatch_instruction', 'dispatch_instance', 'dispatch_treatment_plan', NULL]),
       -- Null where the target says NOT NULL: dead letter
       CASE WHEN NOT pg_temp.dirt(i, 293, 121) THEN coalesce(pg_temp.prose(i, 224), 'Comment ' || i) END,
       -- No time: dead letter
       CASE WHEN NOT pg_temp.dirt(i, 599, 122) THEN pg_temp.moment(i, 225) END,
       CASE WHEN i % 4 = 0 THEN pg_temp.moment(i, 225) + interval '1 minute' END
  FROM generate_series(1, :n_comment) AS i;

INSERT INTO dispatch_notification
SELECT i,
       CASE WHEN i % 10 <> 0 THEN pg_temp.among(i, 230, :n_user) END,
       CASE WHEN i % 20 < 12 THEN 7 WHEN i % 20 < 19 THEN 8 WHEN i % 40 = 19 THEN 4 END,
       CASE
           -- Orphan: parked
           WHEN pg_temp.dirt(i, 599, 130) AND i % 20 < 19 THEN pg_temp.nobody(i)
           WHEN i % 20 < 12 THEN pg_temp.some_order(i, 231)
           WHEN i % 20 < 19 THEN pg_temp.among(i, 232, :n_instance)
           WHEN i % 40 = 19 THEN pg_temp.among(i, 233, :n_user)
       END,
       pg_temp.word(i, 234, ARRAY['order_created', 'order_shipped', 'case_waiting', 'reminder/2']),
       CASE
           -- Python's repr of a dict, an empty text, a cut-off text: null
           WHEN pg_temp.dirt(i, 47, 131) THEN '{''order'': ' || i || ', ''late'': True}'
           WHEN pg_temp.dirt(i, 691, 132) THEN ''
           WHEN pg_temp.dirt(i, 691, 133) THEN '{"order": 1'
           WHEN i % 9 = 0 THEN NULL
           ELSE '{"order": ' || i || ', "name": "' || pg_temp.word(i, 235, ARRAY['Müller', 'O''Neil', 'Ng \"N\"']) || '"}'
       END,
       pg_temp.dice(i, 236) % 4,
       i % 3 <> 0,
       CASE
           -- In the future: kept as it is
           WHEN pg_temp.dirt(i, 887, 134) THEN timestamptz '2099-12-31 00:00:00+00'
           WHEN i % 8 <> 0 THEN pg_temp.moment(i, 237) + interval '3 seconds'
       END,
       -- No time: dead letter
       CASE WHEN NOT pg_temp.dirt(i, 887, 135) THEN pg_temp.moment(i, 237) END
  FROM generate_series(1, :n_notification) AS i;

COMMIT;

-- The sequences go on where the ids end; rows of a table are as many as its highest id.
SELECT setval(pg_get_serial_sequence(table_name, 'id'), highest)
  FROM (VALUES ('auth_user', :n_user), ('dispatch_office', :n_office), ('dispatch_product', :n_product),
               ('dispatch_doctor', :n_doctor), ('dispatch_agent', :n_agent), ('dispatch_patient', :n_patient),
               ('dispatch_jaw', :n_jaw), ('dispatch_instruction', :n_instruction),
               ('dispatch_instance', :n_instance), ('dispatch_file', :n_file), ('dispatch_record', :n_record),
               ('dispatch_treatment_plan', :n_plan), ('dispatch_payment', :n_payment),
               ('dispatch_case_file', :n_case_file), ('dispatch_state', :n_state),
               ('dispatch_comment', :n_comment), ('dispatch_notification', :n_notification))
    AS filled (table_name, highest)
\g /dev/null

ANALYZE;
