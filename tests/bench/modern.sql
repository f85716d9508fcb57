-- The modern side of the benchmark: keys, indexes and constraints as an application has them.

CREATE TABLE offices (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    legacy_office_id bigint UNIQUE,
    name text NOT NULL,
    city text
);

CREATE TABLE patients (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    legacy_patient_id bigint UNIQUE,
    office_id uuid NOT NULL REFERENCES offices,
    first_name text NOT NULL,
    last_name text NOT NULL,
    date_of_birth date
);
CREATE INDEX patients_office ON patients (office_id);

CREATE TABLE orders (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    legacy_instruction_id bigint UNIQUE,
    patient_id uuid NOT NULL REFERENCES patients,
    office_id uuid NOT NULL REFERENCES offices,
    status text NOT NULL
        CHECK (status IN ('draft', 'sent', 'accepted', 'in_production', 'shipped', 'cancelled')),
    notes text,
    total numeric(12, 2) NOT NULL CHECK (total >= 0),
    quantity integer NOT NULL CHECK (quantity > 0),
    due_date date,
    is_rush boolean NOT NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL
);
CREATE INDEX orders_patient ON orders (patient_id);
CREATE INDEX orders_office ON orders (office_id);
