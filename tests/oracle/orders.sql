-- What ought to hold of orders, cases, jaws, payments, treatment plans, files and case files.

-- orders: test orders are not there at all. The total has at most ten digits before the point.

CREATE VIEW expected.orders AS
SELECT s.id AS legacy_instruction_id,
       patient.key IS NOT NULL AND office.key IS NOT NULL
           AND fits_numeric(s.price * s.quantity, 12, 2)
           AND s.created_at IS NOT NULL AS applicable,
       s.patient_id::text,
       s.office_id::text,
       coalesce((ARRAY['draft', 'sent', 'accepted', 'in_production', 'shipped', 'cancelled'])[s.status + 1],
                'unknown') AS status,
       s.priority,
       s.reference::text,
       round(s.price * s.quantity, 2) AS total,
       s.due_date,
       s.notes,
       jsonb_build_object(
           'origin', 'dispatch',
           'mapping_version', 1,
           'plan_id', s.plan_id,
           'urgent', s.priority >= 3,
           'channel', CASE s.channel WHEN 0 THEN 'web' WHEN 1 THEN 'phone' ELSE 'other' END,
           'shipping', jsonb_build_object('carrier', nullif(s.carrier, ''),
                                          'tracking_code', s.tracking_code,
                                          'insured', false)) AS metadata,
       true AS is_active,
       s.created_at,
       s.updated_at
  FROM legacy.dispatch_instruction AS s
  LEFT JOIN arrived.patients AS patient ON patient.key = s.patient_id
  LEFT JOIN arrived.offices AS office ON office.key = s.office_id
 WHERE NOT s.is_test;

CREATE VIEW actual.orders AS
SELECT t.legacy_instruction_id,
       NOT t.is_active AS marked,
       leads_to(t.patient_id, patient.id, patient.legacy_patient_id::text) AS patient_id,
       leads_to(t.office_id, office.id, office.legacy_office_id::text) AS office_id,
       t.status::text, t.priority, t.reference, t.total, t.due_date, t.notes, t.metadata, t.is_active,
       t.created_at, t.updated_at
  FROM modern.orders AS t
  LEFT JOIN modern.patients AS patient ON patient.id = t.patient_id
  LEFT JOIN modern.offices AS office ON office.id = t.office_id
 WHERE t.legacy_instruction_id IS NOT NULL;

-- cases: need order and patient; the doctor is named as soon as he is there.

CREATE VIEW expected.cases AS
SELECT s.id AS legacy_instance_id,
       orders.key IS NOT NULL AND patient.key IS NOT NULL
           AND coalesce(s.state, 0) BETWEEN 0 AND 4
           AND (s.finished_at < s.started_at) IS NOT TRUE AS applicable,
       s.instruction_id::text AS order_id,
       s.patient_id::text,
       doctor.key::text AS doctor_id,
       (ARRAY['open', 'waiting', 'in_work', 'done', 'rejected'])[coalesce(s.state, 0) + 1] AS status,
       s.kind::text,
       upper(s.shade) AS shade,
       as_jsonb(s.data) AS details,
       s.turnaround,
       s.started_at,
       s.finished_at,
       true AS is_active,
       s.created_at,
       s.updated_at
  FROM legacy.dispatch_instance AS s
  LEFT JOIN arrived.orders AS orders ON orders.key = s.instruction_id
  LEFT JOIN arrived.patients AS patient ON patient.key = s.patient_id
  LEFT JOIN arrived.doctors AS doctor ON doctor.key = s.doctor_id;

CREATE VIEW actual.cases AS
SELECT t.legacy_instance_id,
       NOT t.is_active AS marked,
       leads_to(t.order_id, orders.id, orders.legacy_instruction_id::text) AS order_id,
       leads_to(t.patient_id, patient.id, patient.legacy_patient_id::text) AS patient_id,
       leads_to(t.doctor_id, doctor.id, doctor.legacy_doctor_id::text) AS doctor_id,
       t.status::text, t.kind, t.shade, t.details, t.turnaround, t.started_at, t.finished_at, t.is_active,
       t.created_at, t.updated_at
  FROM modern.cases AS t
  LEFT JOIN modern.orders AS orders ON orders.id = t.order_id
  LEFT JOIN modern.patients AS patient ON patient.id = t.patient_id
  LEFT JOIN modern.doctors AS doctor ON doctor.id = t.doctor_id
 WHERE t.legacy_instance_id IS NOT NULL;

-- jaws: order and position follow from the order's column that names the jaw; upper if both do.

CREATE VIEW expected.jaws AS
SELECT s.id AS legacy_jaw_id,
       orders.key IS NOT NULL
           AND (nullif(s.teeth, '') IS NULL OR as_smallints(s.teeth) IS NOT NULL) AS applicable,
       use.order_id::text AS order_id,
       product.key::text AS product_id,
       use.position,
       s.shade::text,
       as_smallints(nullif(s.teeth, '')) AS teeth,
       s.thickness AS thickness_mm,
       s.notes,
       s.created_at,
       s.updated_at
  FROM legacy.dispatch_jaw AS s
  LEFT JOIN (SELECT DISTINCT ON (jaw_id) jaw_id, order_id, position
               FROM (SELECT upper_jaw_id, id, 'upper' FROM legacy.dispatch_instruction
                      UNION ALL
                     SELECT lower_jaw_id, id, 'lower' FROM legacy.dispatch_instruction)
                 AS named (jaw_id, order_id, position)
              WHERE jaw_id IS NOT NULL
              ORDER BY jaw_id, position DESC) AS use ON use.jaw_id = s.id
  LEFT JOIN arrived.orders AS orders ON orders.key = use.order_id
  LEFT JOIN arrived.products AS product ON product.key = s.product_id;

CREATE VIEW actual.jaws AS
SELECT t.legacy_jaw_id,
       leads_to(t.order_id, orders.id, orders.legacy_instruction_id::text) AS order_id,
       leads_to(t.product_id, product.id, product.legacy_product_id::text) AS product_id,
       t.position::text, t.shade, t.teeth, t.thickness_mm, t.notes, t.created_at, t.updated_at
  FROM modern.jaws AS t
  LEFT JOIN modern.orders AS orders ON orders.id = t.order_id
  LEFT JOIN modern.products AS product ON product.id = t.product_id
 WHERE t.legacy_jaw_id IS NOT NULL;

-- payments: the amount has to be a number, the currency one of three, the day before the year 2100.

CREATE VIEW expected.payments AS
SELECT s.id AS legacy_payment_id,
       orders.key IS NOT NULL
           AND as_numeric(s.amount) IS NOT NULL
           AND fits_numeric(as_numeric(s.amount), 12, 2)
           AND s.currency IN ('EUR', 'eur', '€', 'USD', '$', 'CHF', 'Fr.')
           AND (s.paid_at >= '2100-01-01') IS NOT TRUE
           AND s.created_at IS NOT NULL AS applicable,
       s.instruction_id::text AS order_id,
       round(as_numeric(s.amount), 2) AS amount,
       CASE
           WHEN s.currency IN ('EUR', 'eur', '€') THEN 'EUR'
           WHEN s.currency IN ('USD', '$') THEN 'USD'
           WHEN s.currency IN ('CHF', 'Fr.') THEN 'CHF'
       END AS currency,
       CASE
           WHEN coalesce(s.card_last4, '') <> '' THEN 'card'
           WHEN s.iban IS NOT NULL THEN 'transfer'
           WHEN s.note ILIKE ANY (ARRAY['%bar%', '%cash%']) THEN 'cash'
           ELSE 'other'
       END AS method,
       s.note::text,
       s.paid_at,
       true AS is_active,
       s.created_at,
       s.updated_at
  FROM legacy.dispatch_payment AS s
  LEFT JOIN arrived.orders AS orders ON orders.key = s.instruction_id;

CREATE VIEW actual.payments AS
SELECT t.legacy_payment_id,
       NOT t.is_active AS marked,
       leads_to(t.order_id, orders.id, orders.legacy_instruction_id::text) AS order_id,
       t.amount, t.currency::text, t.method::text, t.note, t.paid_at, t.is_active, t.created_at, t.updated_at
  FROM modern.payments AS t
  LEFT JOIN modern.orders AS orders ON orders.id = t.order_id
 WHERE t.legacy_payment_id IS NOT NULL;

-- treatment_plans: nothing without a title and a plan that is JSON; a case only if they name one.

CREATE VIEW expected.treatment_plans AS
SELECT s.id AS legacy_treatment_plan_id,
       patient.key IS NOT NULL
           AND (s.instance_id IS NULL OR cases.key IS NOT NULL)
           AND s.title IS NOT NULL
           AND as_jsonb(s.plan) IS NOT NULL
           AND s.stage BETWEEN 0 AND 3
           AND (s.progress IS NULL OR s.progress BETWEEN 0 AND 1) AS applicable,
       s.patient_id::text,
       s.instance_id::text AS case_id,
       s.title::text,
       as_jsonb(s.plan) AS plan,
       jsonb_build_object(
           'price', jsonb_build_object('amount', s.cost,
                                       'currency', CASE WHEN s.currency IN ('EUR', 'eur', '€') THEN 'EUR' END),
           'stage', s.stage,
           'created_at', s.created_at) AS summary,
       (ARRAY['proposed', 'agreed', 'running', 'finished'])[s.stage + 1] AS stage,
       s.progress,
       true AS is_active,
       s.created_at,
       s.updated_at
  FROM legacy.dispatch_treatment_plan AS s
  LEFT JOIN arrived.patients AS patient ON patient.key = s.patient_id
  LEFT JOIN arrived.cases AS cases ON cases.key = s.instance_id;

CREATE VIEW actual.treatment_plans AS
SELECT t.legacy_treatment_plan_id,
       NOT t.is_active AS marked,
       leads_to(t.patient_id, patient.id, patient.legacy_patient_id::text) AS patient_id,
       leads_to(t.case_id, cases.id, cases.legacy_instance_id::text) AS case_id,
       t.title, t.plan, t.summary, t.stage::text, t.progress, t.is_active, t.created_at, t.updated_at
  FROM modern.treatment_plans AS t
  LEFT JOIN modern.patients AS patient ON patient.id = t.patient_id
  LEFT JOIN modern.cases AS cases ON cases.id = t.case_id
 WHERE t.legacy_treatment_plan_id IS NOT NULL;

-- files: the path stays inside the store, the size is a number; the patient is named once he is there.

CREATE VIEW expected.files AS
SELECT s.id AS legacy_file_id,
       (s.instruction_id IS NULL OR orders.key IS NOT NULL)
           AND position('..' IN s.path) = 0
           AND left(regexp_replace(s.path, '^/media/', ''), 1) <> '/'
           AND (s.size IS NULL OR as_bigint(s.size) >= 0) AS applicable,
       s.instruction_id::text AS order_id,
       patient.key::text AS patient_id,
       regexp_replace(s.path, '^/media/', '') AS storage_path,
       coalesce(nullif(s.original_name::text, ''), reverse(split_part(reverse(s.path), '/', 1))) AS file_name,
       as_bigint(s.size) AS byte_size,
       coalesce(s.mime, 'application/octet-stream')::text AS mime_type,
       s.checksum::text AS sha256,
       coalesce(as_jsonb(s.meta), CASE WHEN s.meta IS NOT NULL THEN wrapped(s.meta) END) AS metadata,
       true AS is_active,
       s.uploaded_at,
       s.updated_at
  FROM legacy.dispatch_file AS s
  LEFT JOIN arrived.orders AS orders ON orders.key = s.instruction_id
  LEFT JOIN arrived.patients AS patient ON patient.key = s.patient_id;

CREATE VIEW actual.files AS
SELECT t.legacy_file_id,
       NOT t.is_active AS marked,
       leads_to(t.order_id, orders.id, orders.legacy_instruction_id::text) AS order_id,
       leads_to(t.patient_id, patient.id, patient.legacy_patient_id::text) AS patient_id,
       t.storage_path, t.file_name, t.byte_size, t.mime_type, t.sha256, t.metadata, t.is_active,
       t.uploaded_at, t.updated_at
  FROM modern.files AS t
  LEFT JOIN modern.orders AS orders ON orders.id = t.order_id
  LEFT JOIN modern.patients AS patient ON patient.id = t.patient_id
 WHERE t.legacy_file_id IS NOT NULL;

CREATE VIEW expected.case_files AS
SELECT s.id AS legacy_case_file_id,
       cases.key IS NOT NULL AND file.key IS NOT NULL AS applicable,
       s.instance_id::text AS case_id,
       s.file_id::text,
       CASE s.category
           WHEN 0 THEN 'scan' WHEN 1 THEN 'photo' WHEN 2 THEN 'xray' WHEN 3 THEN 'document' WHEN 4 THEN 'model'
           ELSE 'unsorted'
       END AS category,
       coalesce(s.position, 0) AS sort_order,
       s.created_at
  FROM legacy.dispatch_case_file AS s
  LEFT JOIN arrived.cases AS cases ON cases.key = s.instance_id
  LEFT JOIN arrived.files AS file ON file.key = s.file_id;

CREATE VIEW actual.case_files AS
SELECT t.legacy_case_file_id,
       leads_to(t.case_id, cases.id, cases.legacy_instance_id::text) AS case_id,
       leads_to(t.file_id, file.id, file.legacy_file_id::text) AS file_id,
       t.category, t.sort_order, t.created_at
  FROM modern.case_files AS t
  LEFT JOIN modern.cases AS cases ON cases.id = t.case_id
  LEFT JOIN modern.files AS file ON file.id = t.file_id
 WHERE t.legacy_case_file_id IS NOT NULL;
