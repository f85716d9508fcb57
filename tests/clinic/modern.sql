-- The clinic as it shall be: a Supabase schema, uuid keys, enums, jsonb, foreign keys with indexes.
--
-- Load into an empty database:  psql -v ON_ERROR_STOP=1 -f modern.sql
-- legacy_* columns are UNIQUE and nullable: rows born on the modern side have none. is_active is false
-- on rows whose legacy row has been deleted; tables without it delete the row, or leave it alone.
-- No extensions, no triggers. Columns that no mapping fills (avatar_url, portal_invited_at) belong to
-- the modern application and must survive every migration.

SET client_min_messages = warning;

CREATE TYPE user_role AS ENUM ('admin', 'staff', 'member', 'disabled');
CREATE TYPE product_category AS ENUM ('crown', 'bridge', 'denture', 'aligner', 'implant', 'other');
CREATE TYPE technician_role AS ENUM ('modeller', 'ceramist', 'finisher', 'manager');
CREATE TYPE order_status AS ENUM ('draft', 'sent', 'accepted', 'in_production', 'shipped', 'cancelled', 'unknown');
CREATE TYPE case_status AS ENUM ('open', 'waiting', 'in_work', 'done', 'rejected');
CREATE TYPE sender_kind AS ENUM ('doctor', 'lab', 'system');
CREATE TYPE plan_stage AS ENUM ('proposed', 'agreed', 'running', 'finished');
CREATE TYPE jaw_position AS ENUM ('upper', 'lower');
CREATE TYPE payment_method AS ENUM ('card', 'transfer', 'cash', 'other');
CREATE TYPE message_channel AS ENUM ('email', 'sms', 'push', 'in_app');

-- Master data -----------------------------------------------------------------------------------

CREATE TABLE offices (
    id               uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    legacy_office_id integer UNIQUE,
    name             text NOT NULL,
    address          jsonb NOT NULL DEFAULT '{}',
    country_code     char(2) NOT NULL,
    phone            text,
    timezone         text NOT NULL,
    settings         jsonb,
    is_active        boolean NOT NULL DEFAULT true,
    created_at       timestamptz NOT NULL DEFAULT now(),
    updated_at       timestamptz
);

CREATE TABLE profiles (
    id              uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    legacy_user_id  integer UNIQUE,
    email           text NOT NULL,
    username        text NOT NULL,
    full_name       text,
    role            user_role NOT NULL,
    can_sign_in     boolean NOT NULL,
    avatar_url      text,
    last_sign_in_at timestamptz,
    is_active       boolean NOT NULL DEFAULT true,
    created_at      timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT profiles_email_key UNIQUE (email),
    CONSTRAINT profiles_email_check CHECK (email = lower(email) AND email LIKE '_%@_%')
);

CREATE TABLE products (
    id                uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    legacy_product_id integer UNIQUE,
    name              text NOT NULL,
    sku               text,
    category          product_category NOT NULL,
    unit_price        numeric(10,2) CHECK (unit_price >= 0),
    currency          char(3) NOT NULL DEFAULT 'EUR' CHECK (currency ~ '^[A-Z]{3}$'),
    description       text,
    is_available      boolean NOT NULL,
    is_active         boolean NOT NULL DEFAULT true,
    created_at        timestamptz,
    updated_at        timestamptz
);
CREATE INDEX products_sku_idx ON products (sku);

CREATE TABLE templates (
    id                   uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    legacy_template_code text UNIQUE,
    name                 text NOT NULL,
    body                 text NOT NULL,
    variables            jsonb NOT NULL DEFAULT '[]',
    is_default           boolean NOT NULL,
    is_active            boolean NOT NULL DEFAULT true,
    created_at           timestamptz,
    updated_at           timestamptz,
    CONSTRAINT templates_variables_check CHECK (jsonb_typeof(variables) = 'array')
);

CREATE TABLE template_products (
    template_id          uuid NOT NULL REFERENCES templates ON DELETE CASCADE,
    product_id           uuid NOT NULL REFERENCES products ON DELETE CASCADE,
    legacy_template_code text,
    legacy_product_id    integer,
    quantity             integer NOT NULL CHECK (quantity > 0),
    PRIMARY KEY (template_id, product_id),
    UNIQUE (legacy_template_code, legacy_product_id)
);
CREATE INDEX template_products_product_id_idx ON template_products (product_id);

-- People ----------------------------------------------------------------------------------------

CREATE TABLE doctors (
    id               uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    legacy_doctor_id integer UNIQUE,
    profile_id       uuid NOT NULL REFERENCES profiles,
    office_id        uuid NOT NULL REFERENCES offices,
    title            text,
    license_number   varchar(20),
    specialty        text NOT NULL,
    phone            text,
    notes            text,
    is_active        boolean NOT NULL DEFAULT true,
    created_at       timestamptz,
    updated_at       timestamptz
);
CREATE INDEX doctors_profile_id_idx ON doctors (profile_id);
CREATE INDEX doctors_office_id_idx ON doctors (office_id);

-- No column of its own tells where a row came from: its two keys do.
CREATE TABLE doctor_offices (
    doctor_id  uuid NOT NULL REFERENCES doctors ON DELETE CASCADE,
    office_id  uuid NOT NULL REFERENCES offices ON DELETE CASCADE,
    is_primary boolean NOT NULL DEFAULT false,
    PRIMARY KEY (doctor_id, office_id)
);
CREATE INDEX doctor_offices_office_id_idx ON doctor_offices (office_id);

CREATE TABLE technicians (
    id              uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    legacy_agent_id integer UNIQUE,
    profile_id      uuid NOT NULL REFERENCES profiles,
    office_id       uuid REFERENCES offices ON DELETE SET NULL,
    role            technician_role NOT NULL,
    permissions     text[] NOT NULL DEFAULT '{}',
    hourly_rate     numeric(8,2),
    started_on      date,
    is_active       boolean NOT NULL DEFAULT true,
    created_at      timestamptz,
    updated_at      timestamptz
);
CREATE INDEX technicians_profile_id_idx ON technicians (profile_id);
CREATE INDEX technicians_office_id_idx ON technicians (office_id);

CREATE TABLE patients (
    id                uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    legacy_patient_id integer UNIQUE,
    doctor_id         uuid REFERENCES doctors,
    first_name        text NOT NULL,
    last_name         text NOT NULL,
    date_of_birth     date,
    sex               text NOT NULL CHECK (sex IN ('female', 'male', 'diverse', 'unknown')),
    contact           jsonb NOT NULL DEFAULT '{}',
    insurance_number  varchar(20),
    medical_notes     text,
    consent_given     boolean NOT NULL,
    portal_invited_at timestamptz,
    is_active         boolean NOT NULL DEFAULT true,
    archived_reason   text,
    created_at        timestamptz NOT NULL DEFAULT now(),
    updated_at        timestamptz
);
CREATE INDEX patients_doctor_id_idx ON patients (doctor_id);
CREATE INDEX patients_last_name_idx ON patients (last_name);

-- Orders and what hangs on them -----------------------------------------------------------------

CREATE TABLE orders (
    id                    uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    legacy_instruction_id integer UNIQUE,
    patient_id            uuid NOT NULL REFERENCES patients,
    office_id             uuid NOT NULL REFERENCES offices,
    status                order_status NOT NULL,
    priority              smallint NOT NULL,
    reference             text,
    total                 numeric(12,2),
    due_date              date,
    notes                 text,
    metadata              jsonb NOT NULL DEFAULT '{}',
    is_active             boolean NOT NULL DEFAULT true,
    created_at            timestamptz NOT NULL DEFAULT now(),
    updated_at            timestamptz
);
CREATE INDEX orders_patient_id_idx ON orders (patient_id);
CREATE INDEX orders_office_id_idx ON orders (office_id);

CREATE TABLE cases (
    id                 uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    legacy_instance_id integer UNIQUE,
    order_id           uuid NOT NULL REFERENCES orders,
    patient_id         uuid NOT NULL REFERENCES patients,
    doctor_id          uuid REFERENCES doctors ON DELETE SET NULL,
    status             case_status NOT NULL,
    kind               text NOT NULL,
    shade              text,
    details            jsonb,
    turnaround         interval,
    started_at         timestamptz,
    finished_at        timestamptz,
    is_active          boolean NOT NULL DEFAULT true,
    created_at         timestamptz,
    updated_at         timestamptz,
    CONSTRAINT cases_finished_at_check CHECK (finished_at >= started_at)
);
CREATE INDEX cases_order_id_idx ON cases (order_id);
CREATE INDEX cases_patient_id_idx ON cases (patient_id);
CREATE INDEX cases_doctor_id_idx ON cases (doctor_id);

CREATE TABLE files (
    id             uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    legacy_file_id integer UNIQUE,
    order_id       uuid REFERENCES orders,
    patient_id     uuid REFERENCES patients ON DELETE SET NULL,
    storage_path   text NOT NULL,
    file_name      text NOT NULL,
    byte_size      bigint CHECK (byte_size >= 0),
    mime_type      text NOT NULL,
    sha256         text,
    metadata       jsonb,
    is_active      boolean NOT NULL DEFAULT true,
    uploaded_at    timestamptz,
    updated_at     timestamptz,
    CONSTRAINT files_storage_path_check CHECK (storage_path !~ '(^/|\.\.)')
);
CREATE INDEX files_order_id_idx ON files (order_id);
CREATE INDEX files_patient_id_idx ON files (patient_id);

CREATE TABLE messages (
    id                uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    legacy_record_id  integer UNIQUE,
    order_id          uuid REFERENCES orders,
    patient_id        uuid REFERENCES patients,
    parent_message_id uuid REFERENCES messages ON DELETE SET NULL,
    sender            sender_kind NOT NULL,
    subject           text,
    body              text NOT NULL,
    context           jsonb,
    metadata          jsonb NOT NULL DEFAULT '{}',
    sent_at           timestamptz NOT NULL,
    read_at           timestamptz,
    is_active         boolean NOT NULL DEFAULT true,
    updated_at        timestamptz
);
CREATE INDEX messages_order_id_idx ON messages (order_id);
CREATE INDEX messages_patient_id_idx ON messages (patient_id);
CREATE INDEX messages_parent_message_id_idx ON messages (parent_message_id);

CREATE TABLE message_attachments (
    message_id       uuid NOT NULL REFERENCES messages ON DELETE CASCADE,
    file_id          uuid NOT NULL REFERENCES files ON DELETE CASCADE,
    legacy_record_id integer,
    legacy_file_id   integer,
    caption          text,
    PRIMARY KEY (message_id, file_id),
    UNIQUE (legacy_record_id, legacy_file_id)
);
CREATE INDEX message_attachments_file_id_idx ON message_attachments (file_id);

CREATE TABLE treatment_plans (
    id                       uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    legacy_treatment_plan_id integer UNIQUE,
    patient_id               uuid NOT NULL REFERENCES patients,
    case_id                  uuid REFERENCES cases,
    title                    text NOT NULL,
    plan                     jsonb NOT NULL,
    summary                  jsonb NOT NULL,
    stage                    plan_stage NOT NULL,
    progress                 double precision CHECK (progress BETWEEN 0 AND 1),
    is_active                boolean NOT NULL DEFAULT true,
    created_at               timestamptz,
    updated_at               timestamptz
);
CREATE INDEX treatment_plans_patient_id_idx ON treatment_plans (patient_id);
CREATE INDEX treatment_plans_case_id_idx ON treatment_plans (case_id);

CREATE TABLE jaws (
    id            uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    legacy_jaw_id integer UNIQUE,
    order_id      uuid NOT NULL REFERENCES orders,
    product_id    uuid REFERENCES products,
    position      jaw_position NOT NULL,
    shade         text,
    teeth         smallint[],
    thickness_mm  double precision,
    notes         text,
    created_at    timestamptz,
    updated_at    timestamptz
);
CREATE INDEX jaws_order_id_idx ON jaws (order_id);
CREATE INDEX jaws_product_id_idx ON jaws (product_id);

CREATE TABLE payments (
    id                uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    legacy_payment_id integer UNIQUE,
    order_id          uuid NOT NULL REFERENCES orders,
    amount            numeric(12,2) NOT NULL,
    currency          char(3) NOT NULL,
    method            payment_method NOT NULL,
    note              text,
    paid_at           timestamptz CHECK (paid_at < '2100-01-01 00:00:00+00'),
    is_active         boolean NOT NULL DEFAULT true,
    created_at        timestamptz NOT NULL DEFAULT now(),
    updated_at        timestamptz
);
CREATE INDEX payments_order_id_idx ON payments (order_id);

-- What hangs on a case or an order, one table each -------------------------------------------------

CREATE TABLE case_files (
    id                  uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    legacy_case_file_id integer UNIQUE,
    case_id             uuid NOT NULL REFERENCES cases ON DELETE CASCADE,
    file_id             uuid NOT NULL REFERENCES files ON DELETE CASCADE,
    category            text NOT NULL,
    sort_order          integer NOT NULL,
    created_at          timestamptz
);
CREATE INDEX case_files_case_id_idx ON case_files (case_id);
CREATE INDEX case_files_file_id_idx ON case_files (file_id);

CREATE TABLE case_messages (
    id               uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    legacy_record_id integer UNIQUE,
    case_id          uuid NOT NULL REFERENCES cases ON DELETE CASCADE,
    message_id       uuid NOT NULL REFERENCES messages ON DELETE CASCADE
);
CREATE INDEX case_messages_case_id_idx ON case_messages (case_id);
CREATE INDEX case_messages_message_id_idx ON case_messages (message_id);

CREATE TABLE order_states (
    id              uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    legacy_state_id integer UNIQUE,
    order_id        uuid NOT NULL REFERENCES orders,
    status          order_status NOT NULL,
    note            text,
    metadata        jsonb NOT NULL,
    is_active       boolean NOT NULL DEFAULT true,
    changed_at      timestamptz NOT NULL
);
CREATE INDEX order_states_order_id_idx ON order_states (order_id);

CREATE TABLE case_states (
    id              uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    legacy_state_id integer UNIQUE,
    case_id         uuid NOT NULL REFERENCES cases,
    status          case_status NOT NULL,
    note            text,
    is_active       boolean NOT NULL DEFAULT true,
    changed_at      timestamptz NOT NULL
);
CREATE INDEX case_states_case_id_idx ON case_states (case_id);

CREATE TABLE order_records (
    id               uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    legacy_record_id uuid UNIQUE,
    order_id         uuid NOT NULL REFERENCES orders,
    kind             text NOT NULL,
    payload          jsonb,
    is_active        boolean NOT NULL DEFAULT true,
    created_at       timestamptz,
    updated_at       timestamptz
);
CREATE INDEX order_records_order_id_idx ON order_records (order_id);

CREATE TABLE case_records (
    id               uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    legacy_record_id uuid UNIQUE,
    case_id          uuid NOT NULL REFERENCES cases,
    kind             text NOT NULL,
    payload          jsonb,
    is_active        boolean NOT NULL DEFAULT true,
    created_at       timestamptz,
    updated_at       timestamptz
);
CREATE INDEX case_records_case_id_idx ON case_records (case_id);

CREATE TABLE comments (
    id                uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    legacy_comment_id integer UNIQUE,
    profile_id        uuid NOT NULL REFERENCES profiles,
    parent_comment_id uuid REFERENCES comments,
    body              text NOT NULL,
    metadata          jsonb NOT NULL DEFAULT '{}',
    is_active         boolean NOT NULL DEFAULT true,
    created_at        timestamptz NOT NULL,
    updated_at        timestamptz
);
CREATE INDEX comments_profile_id_idx ON comments (profile_id);
CREATE INDEX comments_parent_comment_id_idx ON comments (parent_comment_id);

-- The big one. item_id leads to an order or a case as item_type says, and so has no foreign key;
-- order_id and case_id say the same with foreign keys.
CREATE TABLE system_messages (
    id                     uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    legacy_notification_id bigint UNIQUE,
    item_type              text,
    item_id                uuid,
    order_id               uuid REFERENCES orders,
    case_id                uuid REFERENCES cases,
    template_key           text NOT NULL,
    context                jsonb,
    channel                message_channel NOT NULL,
    is_read                boolean NOT NULL,
    sent_at                timestamptz,
    created_at             timestamptz NOT NULL,
    CONSTRAINT system_messages_item_check CHECK (num_nonnulls(order_id, case_id) <= 1)
);
CREATE INDEX system_messages_order_id_idx ON system_messages (order_id) WHERE order_id IS NOT NULL;
CREATE INDEX system_messages_case_id_idx ON system_messages (case_id) WHERE case_id IS NOT NULL;
