-- The legacy side of the benchmark:  psql -v orders=1000000 -f legacy.sql
--
-- Shaped like the clinic's dispatch_instruction, about 159 bytes a row. Every value follows from the
-- row's key, so that each run measures the same rows.

SET client_min_messages = warning;
SET timezone = 'UTC';

SELECT greatest(:orders / 5, 1) AS patients,
       greatest(:orders / 1000, 1) AS offices
\gset

CREATE FUNCTION pg_temp.dice(key bigint, salt integer) RETURNS bigint
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN hashint8extended(key, salt) & 9223372036854775807;

CREATE TABLE office (
    id bigint PRIMARY KEY,
    name text NOT NULL,
    city text
);

CREATE TABLE patient (
    id bigint PRIMARY KEY,
    office_id bigint NOT NULL REFERENCES office,
    first_name text NOT NULL,
    last_name text NOT NULL,
    born date
);

CREATE TABLE dispatch_instruction (
    id bigint PRIMARY KEY,
    patient_id bigint NOT NULL REFERENCES patient,
    office_id bigint NOT NULL REFERENCES office,
    status integer NOT NULL,
    notes text,
    price numeric(10, 2) NOT NULL,
    quantity integer NOT NULL,
    due date,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    is_rush boolean NOT NULL
);

INSERT INTO office
SELECT i,
       'Office ' || i,
       (ARRAY['Berlin', 'Wien', 'Lyon', 'Leeds'])[1 + i % 4]
  FROM generate_series(1, :offices) AS i;

INSERT INTO patient
SELECT i,
       1 + pg_temp.dice(i, 1) % :offices,
       'First ' || i,
       'Last ' || pg_temp.dice(i, 2) % 10000,
       date '1940-01-01' + (pg_temp.dice(i, 3) % 25000)::integer
  FROM generate_series(1, :patients) AS i;

INSERT INTO dispatch_instruction
SELECT i,
       1 + pg_temp.dice(i, 11) % :patients,
       1 + pg_temp.dice(i, 12) % :offices,
       pg_temp.dice(i, 13) % 6,
       CASE WHEN i % 10 <> 0 THEN 'please deliver by courier, ref ' || md5(i::text) END,
       10 + pg_temp.dice(i, 14) % 100000 / 100.0,
       1 + pg_temp.dice(i, 15) % 20,
       date '2021-01-01' + (pg_temp.dice(i, 16) % 1800)::integer,
       timestamptz '2021-01-01 00:00:00+00' + i * interval '90 seconds',
       timestamptz '2021-01-01 00:00:00+00' + i * interval '90 seconds'
           + pg_temp.dice(i, 17) % 864000000000 * interval '1 microsecond',
       pg_temp.dice(i, 18) % 9 = 0
  FROM generate_series(1, :orders) AS i;

VACUUM (FREEZE, ANALYZE);
CHECKPOINT;
