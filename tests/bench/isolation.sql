-- Both sides of the measure of isolation:  psql -v side=legacy|modern -f isolation.sql
--
-- Orders with three parents, one of them in each of the ways in which a row can be at fault: text that is to be a number, a date and
-- an enum, a value that must be unique, and amounts that are checked.

SET client_min_messages = warning;

SELECT :'side' = 'legacy' AS legacy
\gset

\if :legacy

CREATE TABLE office (id integer PRIMARY KEY, name text);
CREATE TABLE doctor (id integer PRIMARY KEY, office_id integer, name text);
CREATE TABLE patient (id integer PRIMARY KEY, doctor_id integer, office_id integer, name text);
INSERT INTO office SELECT i, 'Office ' || i FROM generate_series(1, 50) AS i;
INSERT INTO doctor SELECT i, 1 + i % 50, 'Doctor ' || i FROM generate_series(1, 200) AS i;
INSERT INTO patient SELECT i, 1 + i % 200, 1 + i % 50, 'Patient ' || i FROM generate_series(1, 10000) AS i;

CREATE TABLE instruction (
    id integer PRIMARY KEY,
    patient_id integer,
    doctor_id integer,
    office_id integer,
    status smallint,
    reference text,
    quantity text,
    price numeric(10, 2),
    due text,
    kind text,
    notes text,
    created_at timestamptz
);

\else

CREATE TYPE kind AS ENUM ('crown', 'bridge', 'aligner');
CREATE TABLE office (id uuid PRIMARY KEY, legacy_id integer UNIQUE, name text NOT NULL);
CREATE TABLE doctor (id uuid PRIMARY KEY, legacy_id integer UNIQUE, office_id uuid NOT NULL REFERENCES office, name text NOT NULL);
CREATE TABLE patient (
    id uuid PRIMARY KEY,
    legacy_id integer UNIQUE,
    doctor_id uuid NOT NULL REFERENCES doctor,
    office_id uuid NOT NULL REFERENCES office,
    name text NOT NULL
);
CREATE TABLE instruction (
    id uuid PRIMARY KEY,
    legacy_id integer UNIQUE,
    patient_id uuid NOT NULL REFERENCES patient,
    doctor_id uuid NOT NULL REFERENCES doctor,
    office_id uuid REFERENCES office,
    status text NOT NULL CHECK (status IN ('draft', 'sent', 'accepted')),
    reference varchar(40) UNIQUE,
    quantity integer NOT NULL,
    total numeric(12, 2) NOT NULL CHECK (total >= 0),
    due date,
    kind kind NOT NULL,
    notes text,
    created_at timestamptz NOT NULL
);
CREATE INDEX ON instruction (patient_id);
CREATE INDEX ON instruction (doctor_id);
CREATE INDEX ON instruction (office_id);

-- What nobody can see beforehand.
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF new.notes = 'refuse me' THEN
    RAISE EXCEPTION 'refused';
  END IF;
  RETURN new;
END
$$;
CREATE TRIGGER refuse BEFORE INSERT OR UPDATE ON instruction FOR EACH ROW EXECUTE FUNCTION refuse();

\endif
