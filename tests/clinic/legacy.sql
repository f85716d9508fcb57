-- The clinic as it lives today: a Django dental-lab system, integer ids, tables dispatch_* and auth_user.
--
-- Load into an empty database:  psql -v ON_ERROR_STOP=1 -f legacy.sql
-- Names of constraints and indexes are in the style Django gives them. Foreign keys are DEFERRABLE
-- INITIALLY DEFERRED, as Django makes them; some are absent ("db_constraint=False", generic relations),
-- and that is how orphans came to be. generate.sql fills the tables, day.sql lives in them for a day.

SET client_min_messages = warning;

-- What `manage.py migrate` brings along ---------------------------------------------------------

CREATE TABLE django_content_type (
    id        serial PRIMARY KEY,
    app_label varchar(100) NOT NULL,
    model     varchar(100) NOT NULL,
    CONSTRAINT django_content_type_app_label_model_76bd3d3b_uniq UNIQUE (app_label, model)
);

CREATE TABLE django_migrations (
    id      bigserial PRIMARY KEY,
    app     varchar(255) NOT NULL,
    name    varchar(255) NOT NULL,
    applied timestamptz NOT NULL
);

CREATE TABLE auth_user (
    id           serial PRIMARY KEY,
    password     varchar(128) NOT NULL,
    last_login   timestamptz,
    is_superuser boolean NOT NULL,
    username     varchar(150) NOT NULL,
    first_name   varchar(150) NOT NULL,
    last_name    varchar(150) NOT NULL,
    -- Django's e-mail is neither unique nor compared without case, and '' stands for "none".
    email        varchar(254) NOT NULL,
    is_staff     boolean NOT NULL,
    is_active    boolean NOT NULL,
    date_joined  timestamptz NOT NULL,
    CONSTRAINT auth_user_username_6821ab7c_uniq UNIQUE (username)
);
CREATE INDEX auth_user_username_6821ab7c_like ON auth_user (username varchar_pattern_ops);

-- Master data -----------------------------------------------------------------------------------

CREATE TABLE dispatch_office (
    id          serial PRIMARY KEY,
    name        varchar(200) NOT NULL,
    street      varchar(200),
    city        varchar(100),
    postal_code varchar(20),
    country     varchar(60),
    phone       varchar(40),
    timezone    varchar(64) NOT NULL,
    settings    text,
    created_at  timestamptz,
    updated_at  timestamptz
);

CREATE TABLE dispatch_product (
    id          serial PRIMARY KEY,
    name        varchar(200) NOT NULL,
    sku         varchar(64),
    category    smallint,
    -- A text field since somebody once wanted to enter "on request".
    price       varchar(20),
    currency    varchar(10),
    description text,
    is_active   boolean NOT NULL,
    created_at  timestamptz,
    updated_at  timestamptz
);
CREATE INDEX dispatch_product_sku_5a2f1c0e ON dispatch_product (sku);

-- The one table with a text primary key: CharField(primary_key=True).
CREATE TABLE dispatch_template (
    code       varchar(60) PRIMARY KEY,
    name       varchar(200) NOT NULL,
    body       text NOT NULL,
    variables  text,
    is_default boolean NOT NULL,
    created_at timestamptz,
    updated_at timestamptz
);
CREATE INDEX dispatch_template_code_0b7c9d11_like ON dispatch_template (code varchar_pattern_ops);

CREATE TABLE dispatch_template_products (
    id          serial PRIMARY KEY,
    template_id varchar(60) NOT NULL,
    product_id  integer NOT NULL,
    quantity    integer NOT NULL,
    CONSTRAINT dispatch_template_products_template_id_product_id_3c44e8a1_uniq
        UNIQUE (template_id, product_id),
    CONSTRAINT dispatch_template_pr_template_id_9e0c1f5d_fk_dispatch_
        FOREIGN KEY (template_id) REFERENCES dispatch_template (code) DEFERRABLE INITIALLY DEFERRED,
    CONSTRAINT dispatch_template_pr_product_id_77c0b2aa_fk_dispatch_
        FOREIGN KEY (product_id) REFERENCES dispatch_product (id) DEFERRABLE INITIALLY DEFERRED
);
CREATE INDEX dispatch_template_products_template_id_9e0c1f5d ON dispatch_template_products (template_id);
CREATE INDEX dispatch_template_products_product_id_77c0b2aa ON dispatch_template_products (product_id);

-- People ----------------------------------------------------------------------------------------

CREATE TABLE dispatch_doctor (
    id             serial PRIMARY KEY,
    user_id        integer NOT NULL,
    office_id      integer NOT NULL,
    title          varchar(40),
    license_number varchar(60),
    specialty      varchar(60),
    phone          varchar(40),
    notes          text,
    created_at     timestamptz,
    updated_at     timestamptz,
    CONSTRAINT dispatch_doctor_user_id_key UNIQUE (user_id),
    CONSTRAINT dispatch_doctor_user_id_4f1a6b20_fk_auth_user_id
        FOREIGN KEY (user_id) REFERENCES auth_user (id) DEFERRABLE INITIALLY DEFERRED,
    CONSTRAINT dispatch_doctor_office_id_8d2e7c31_fk_dispatch_office_id
        FOREIGN KEY (office_id) REFERENCES dispatch_office (id) DEFERRABLE INITIALLY DEFERRED
);
CREATE INDEX dispatch_doctor_office_id_8d2e7c31 ON dispatch_doctor (office_id);

CREATE TABLE dispatch_doctor_offices (
    id         serial PRIMARY KEY,
    doctor_id  integer NOT NULL,
    office_id  integer NOT NULL,
    is_primary boolean NOT NULL,
    CONSTRAINT dispatch_doctor_offices_doctor_id_office_id_b1f0d9c2_uniq UNIQUE (doctor_id, office_id),
    CONSTRAINT dispatch_doctor_offi_doctor_id_5e6a7b80_fk_dispatch_
        FOREIGN KEY (doctor_id) REFERENCES dispatch_doctor (id) DEFERRABLE INITIALLY DEFERRED,
    CONSTRAINT dispatch_doctor_offi_office_id_2c9d4e15_fk_dispatch_
        FOREIGN KEY (office_id) REFERENCES dispatch_office (id) DEFERRABLE INITIALLY DEFERRED
);
CREATE INDEX dispatch_doctor_offices_doctor_id_5e6a7b80 ON dispatch_doctor_offices (doctor_id);
CREATE INDEX dispatch_doctor_offices_office_id_2c9d4e15 ON dispatch_doctor_offices (office_id);

CREATE TABLE dispatch_agent (
    id          serial PRIMARY KEY,
    user_id     integer NOT NULL,
    office_id   integer,
    role_code   smallint NOT NULL,
    permissions varchar(200) NOT NULL,
    hourly_rate varchar(20),
    started_on  date,
    created_at  timestamptz,
    updated_at  timestamptz,
    CONSTRAINT dispatch_agent_user_id_key UNIQUE (user_id),
    CONSTRAINT dispatch_agent_user_id_6b8e0f42_fk_auth_user_id
        FOREIGN KEY (user_id) REFERENCES auth_user (id) DEFERRABLE INITIALLY DEFERRED
    -- office_id: no constraint. A migration of 2014 forgot it.
);
CREATE INDEX dispatch_agent_office_id_90a1c7de ON dispatch_agent (office_id);

CREATE TABLE dispatch_patient (
    id               serial PRIMARY KEY,
    -- db_constraint=False: doctors were once deleted by hand.
    doctor_id        integer,
    first_name       varchar(100),
    last_name        varchar(100),
    birth_date       varchar(20),
    gender           smallint,
    email            varchar(254),
    phone            varchar(40),
    insurance_number varchar(60),
    medical_notes    text,
    consent          boolean,
    created_at       timestamptz,
    updated_at       timestamptz
);
CREATE INDEX dispatch_patient_doctor_id_1e5d8a93 ON dispatch_patient (doctor_id);
CREATE INDEX dispatch_patient_last_name_d0f37b64 ON dispatch_patient (last_name);

-- Orders and what hangs on them -----------------------------------------------------------------

CREATE TABLE dispatch_jaw (
    id         serial PRIMARY KEY,
    product_id integer,
    shade      varchar(20),
    teeth      varchar(100),
    thickness  double precision,
    notes      text,
    created_at timestamptz,
    updated_at timestamptz
);
CREATE INDEX dispatch_jaw_product_id_3f2b6d1c ON dispatch_jaw (product_id);

CREATE TABLE dispatch_instruction (
    id            serial PRIMARY KEY,
    patient_id    integer,
    office_id     integer,
    status        smallint NOT NULL,
    priority      smallint NOT NULL,
    channel       smallint,
    reference     varchar(60),
    price         numeric(18,4),
    quantity      integer NOT NULL,
    due_date      date,
    notes         text,
    plan_id       integer,
    carrier       varchar(40),
    tracking_code varchar(60),
    is_test       boolean NOT NULL,
    -- One-to-one; which of the two columns names a jaw says whether it is the upper or the lower one.
    upper_jaw_id  integer,
    lower_jaw_id  integer,
    created_at    timestamptz,
    updated_at    timestamptz,
    CONSTRAINT dispatch_instruction_upper_jaw_id_key UNIQUE (upper_jaw_id),
    CONSTRAINT dispatch_instruction_lower_jaw_id_key UNIQUE (lower_jaw_id),
    CONSTRAINT dispatch_instruction_patient_id_7a0e4c5b_fk_dispatch_patient_id
        FOREIGN KEY (patient_id) REFERENCES dispatch_patient (id) DEFERRABLE INITIALLY DEFERRED,
    CONSTRAINT dispatch_instruction_office_id_c81d2f96_fk_dispatch_office_id
        FOREIGN KEY (office_id) REFERENCES dispatch_office (id) DEFERRABLE INITIALLY DEFERRED
);
CREATE INDEX dispatch_instruction_patient_id_7a0e4c5b ON dispatch_instruction (patient_id);
CREATE INDEX dispatch_instruction_office_id_c81d2f96 ON dispatch_instruction (office_id);
CREATE INDEX dispatch_instruction_updated_at_e5b90a27 ON dispatch_instruction (updated_at);

CREATE TABLE dispatch_instance (
    id             serial PRIMARY KEY,
    -- None of the three parents has a constraint: the table was once filled by another program.
    instruction_id integer,
    patient_id     integer,
    doctor_id      integer,
    state          smallint,
    kind           varchar(30) NOT NULL,
    shade          varchar(20),
    data           text,
    turnaround     interval,
    started_at     timestamptz,
    finished_at    timestamptz,
    created_at     timestamptz,
    updated_at     timestamptz
);
CREATE INDEX dispatch_instance_instruction_id_4c7e9b02 ON dispatch_instance (instruction_id);
CREATE INDEX dispatch_instance_patient_id_b6a3f58d ON dispatch_instance (patient_id);
CREATE INDEX dispatch_instance_doctor_id_08d1e2c4 ON dispatch_instance (doctor_id);

CREATE TABLE dispatch_file (
    id             serial PRIMARY KEY,
    instruction_id integer,
    patient_id     integer,
    path           varchar(500) NOT NULL,
    original_name  varchar(255),
    size           varchar(20),
    mime           varchar(100),
    checksum       varchar(64),
    meta           text,
    uploaded_at    timestamptz,
    updated_at     timestamptz
);
CREATE INDEX dispatch_file_instruction_id_5d0c8e71 ON dispatch_file (instruction_id);
CREATE INDEX dispatch_file_patient_id_a92b6f3e ON dispatch_file (patient_id);

CREATE TABLE dispatch_record (
    id             serial PRIMARY KEY,
    instruction_id integer,
    patient_id     integer,
    instance_id    integer,
    parent_id      integer,
    author_id      integer,
    sender_kind    smallint NOT NULL,
    subject        varchar(200),
    body           text,
    extra          text,
    sent_at        timestamptz,
    read_at        timestamptz,
    updated_at     timestamptz
);
CREATE INDEX dispatch_record_instruction_id_e3f07a15 ON dispatch_record (instruction_id);
CREATE INDEX dispatch_record_instance_id_6d4b9c28 ON dispatch_record (instance_id);
CREATE INDEX dispatch_record_parent_id_f1a2c7d9 ON dispatch_record (parent_id);

CREATE TABLE dispatch_record_attachments (
    id        serial PRIMARY KEY,
    record_id integer NOT NULL,
    file_id   integer NOT NULL,
    caption   varchar(200),
    CONSTRAINT dispatch_record_attachments_record_id_file_id_47c5e0b3_uniq UNIQUE (record_id, file_id)
);
CREATE INDEX dispatch_record_attachments_record_id_2f8a1d60 ON dispatch_record_attachments (record_id);
CREATE INDEX dispatch_record_attachments_file_id_c60b7e94 ON dispatch_record_attachments (file_id);

CREATE TABLE dispatch_treatment_plan (
    id          serial PRIMARY KEY,
    patient_id  integer NOT NULL,
    instance_id integer,
    title       varchar(200),
    plan        text,
    stage       smallint NOT NULL,
    progress    double precision,
    cost        numeric(12,2),
    currency    varchar(10),
    created_at  timestamptz,
    updated_at  timestamptz,
    CONSTRAINT dispatch_treatment_p_patient_id_b7e0c3d4_fk_dispatch_
        FOREIGN KEY (patient_id) REFERENCES dispatch_patient (id) DEFERRABLE INITIALLY DEFERRED
);
CREATE INDEX dispatch_treatment_plan_patient_id_b7e0c3d4 ON dispatch_treatment_plan (patient_id);
CREATE INDEX dispatch_treatment_plan_instance_id_9c1f5a82 ON dispatch_treatment_plan (instance_id);

CREATE TABLE dispatch_payment (
    id             serial PRIMARY KEY,
    instruction_id integer NOT NULL,
    amount         varchar(20),
    currency       varchar(10),
    note           varchar(100),
    card_last4     varchar(4),
    iban           varchar(34),
    paid_at        timestamptz,
    created_at     timestamptz,
    updated_at     timestamptz
);
CREATE INDEX dispatch_payment_instruction_id_d2b8f016 ON dispatch_payment (instruction_id);

CREATE TABLE dispatch_case_file (
    id          serial PRIMARY KEY,
    instance_id integer NOT NULL,
    file_id     integer NOT NULL,
    category    smallint,
    position    integer,
    created_at  timestamptz
);
CREATE INDEX dispatch_case_file_instance_id_07e6b3f5 ON dispatch_case_file (instance_id);
CREATE INDEX dispatch_case_file_file_id_81a4d2c9 ON dispatch_case_file (file_id);

-- Generic relations: content_type_id says which table object_id means ------------------------------

CREATE TABLE dispatch_state (
    id              serial PRIMARY KEY,
    content_type_id integer NOT NULL,
    object_id       integer NOT NULL,
    status          smallint NOT NULL,
    comment         text,
    changed_by_id   integer,
    changed_at      timestamptz,
    CONSTRAINT dispatch_state_content_type_id_3d9e1b47_fk_django_co
        FOREIGN KEY (content_type_id) REFERENCES django_content_type (id) DEFERRABLE INITIALLY DEFERRED
);
CREATE INDEX dispatch_state_content_type_id_object_id_f57a20ce_idx
    ON dispatch_state (content_type_id, object_id);

-- A later addition, with a uuid primary key and the text object_id of django.contrib.admin.
CREATE TABLE dispatch_content_record (
    id              uuid PRIMARY KEY,
    content_type_id integer NOT NULL,
    object_id       varchar(64) NOT NULL,
    record_type     varchar(40) NOT NULL,
    payload         text,
    created_at      timestamptz,
    updated_at      timestamptz,
    CONSTRAINT dispatch_content_rec_content_type_id_58f2c4a0_fk_django_co
        FOREIGN KEY (content_type_id) REFERENCES django_content_type (id) DEFERRABLE INITIALLY DEFERRED
);
CREATE INDEX dispatch_content_record_content_type_id_58f2c4a0 ON dispatch_content_record (content_type_id);

CREATE TABLE dispatch_comment (
    id                serial PRIMARY KEY,
    user_id           integer,
    plan_id           integer,
    parent_comment_id integer,
    legacy_table      varchar(60),
    body              text,
    created_at        timestamptz,
    updated_at        timestamptz
);
CREATE INDEX dispatch_comment_user_id_b40c6e2f ON dispatch_comment (user_id);

CREATE TABLE dispatch_notification (
    id               bigserial PRIMARY KEY,
    recipient_id     integer,
    item_type_id     integer,
    item_id          integer,
    template         varchar(60) NOT NULL,
    -- Written by str(context) in some releases and by json.dumps(context) in others.
    template_context text,
    channel          smallint NOT NULL,
    is_read          boolean NOT NULL,
    sent_at          timestamptz,
    created_at       timestamptz,
    CONSTRAINT dispatch_notificatio_item_type_id_2a7d9c53_fk_django_co
        FOREIGN KEY (item_type_id) REFERENCES django_content_type (id) DEFERRABLE INITIALLY DEFERRED
);
CREATE INDEX dispatch_notification_recipient_id_70c8e1b6 ON dispatch_notification (recipient_id);
CREATE INDEX dispatch_notification_created_at_c5f31d08 ON dispatch_notification (created_at);

-- Rows that Django itself writes; the numbers 7 and 8 are used in mappings ---------------------------

INSERT INTO django_content_type (id, app_label, model)
VALUES (1, 'admin', 'logentry'), (2, 'auth', 'permission'), (3, 'auth', 'group'), (4, 'auth', 'user'),
       (5, 'contenttypes', 'contenttype'), (6, 'sessions', 'session'),
       (7, 'dispatch', 'instruction'), (8, 'dispatch', 'instance'), (9, 'dispatch', 'patient'),
       (10, 'dispatch', 'doctor'), (11, 'dispatch', 'file'), (12, 'dispatch', 'record');
SELECT setval('django_content_type_id_seq', 12) \g /dev/null

INSERT INTO django_migrations (app, name, applied)
VALUES ('contenttypes', '0001_initial', '2013-03-01 08:00:00+00'),
       ('auth', '0001_initial', '2013-03-01 08:00:01+00'),
       ('dispatch', '0001_initial', '2013-03-01 08:00:02+00'),
       ('dispatch', '0057_agent_office', '2014-06-17 21:13:40+00'),
       ('dispatch', '0131_content_record', '2021-11-02 19:44:05+00');
