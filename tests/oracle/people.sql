-- What ought to hold of offices, users, products, templates, doctors, technicians and patients.

-- offices: every office arrives; countries become codes.

CREATE VIEW expected.offices AS
SELECT s.id AS legacy_office_id,
       coalesce(s.created_at, s.updated_at) IS NOT NULL AS applicable,
       s.name::text,
       jsonb_build_object('street', s.street, 'city', s.city, 'postal_code', s.postal_code) AS address,
       CASE
           WHEN s.country IN ('Germany', 'Deutschland') THEN 'DE'
           WHEN s.country = 'Austria' THEN 'AT'
           WHEN s.country = 'France' THEN 'FR'
           WHEN s.country = 'Poland' THEN 'PL'
           ELSE 'XX'
       END AS country_code,
       s.phone::text,
       s.timezone::text,
       as_jsonb(s.settings) AS settings,
       true AS is_active,
       coalesce(s.created_at, s.updated_at) AS created_at,
       s.updated_at
  FROM legacy.dispatch_office AS s;

CREATE VIEW actual.offices AS
SELECT legacy_office_id, NOT is_active AS marked, name, address, country_code::text, phone, timezone,
       settings, is_active, created_at, updated_at
  FROM modern.offices
 WHERE legacy_office_id IS NOT NULL;

-- profiles: an e-mail address is needed, and who comes second to one that is taken stays out. Taken is
-- judged by what is there, so that it does not matter who won, nor whether the winner has left since.

CREATE VIEW expected.profiles AS
SELECT s.id AS legacy_user_id,
       s.email ~ '[^ ].*@.*[^ ]'
           AND NOT EXISTS (SELECT FROM modern.profiles AS other
                            WHERE other.email = lower(btrim(s.email))
                              AND other.legacy_user_id IS DISTINCT FROM s.id) AS applicable,
       lower(btrim(s.email)) AS email,
       s.username::text,
       nullif(btrim(concat(s.first_name, ' ', s.last_name)), '') AS full_name,
       CASE
           WHEN NOT s.is_active THEN 'disabled'
           WHEN s.is_superuser THEN 'admin'
           WHEN s.is_staff THEN 'staff'
           ELSE 'member'
       END AS role,
       s.is_active AS can_sign_in,
       s.last_login AS last_sign_in_at,
       true AS is_active,
       s.date_joined AS created_at
  FROM legacy.auth_user AS s;

CREATE VIEW actual.profiles AS
SELECT legacy_user_id, NOT is_active AS marked, email, username, full_name, role::text, can_sign_in,
       last_sign_in_at, is_active, created_at
  FROM modern.profiles
 WHERE legacy_user_id IS NOT NULL;

-- products: the price has to be a number, not negative, of at most eight digits before the point.

CREATE VIEW expected.products AS
SELECT s.id AS legacy_product_id,
       (s.price IS NULL
        OR as_numeric(s.price) >= 0 AND fits_numeric(as_numeric(s.price), 10, 2))
           AND upper(coalesce(s.currency, 'EUR')) ~ '^[A-Z]{3}$' AS applicable,
       s.name::text,
       s.sku::text,
       coalesce((ARRAY['crown', 'bridge', 'denture', 'aligner', 'implant'])[s.category + 1], 'other') AS category,
       round(as_numeric(s.price), 2) AS unit_price,
       upper(coalesce(s.currency, 'EUR')) AS currency,
       s.description,
       s.is_active AS is_available,
       true AS is_active,
       s.created_at,
       s.updated_at
  FROM legacy.dispatch_product AS s;

CREATE VIEW actual.products AS
SELECT legacy_product_id, NOT is_active AS marked, name, sku, category::text, unit_price, currency::text,
       description, is_available, is_active, created_at, updated_at
  FROM modern.products
 WHERE legacy_product_id IS NOT NULL;

-- templates: the variables have to be a JSON array.

CREATE VIEW expected.templates AS
SELECT s.code::text AS legacy_template_code,
       jsonb_typeof(as_jsonb(s.variables)) = 'array' AS applicable,
       s.name::text,
       s.body,
       as_jsonb(s.variables) AS variables,
       s.is_default,
       true AS is_active,
       s.created_at,
       s.updated_at
  FROM legacy.dispatch_template AS s;

CREATE VIEW actual.templates AS
SELECT legacy_template_code, NOT is_active AS marked, name, body, variables, is_default, is_active,
       created_at, updated_at
  FROM modern.templates
 WHERE legacy_template_code IS NOT NULL;

CREATE VIEW expected.template_products AS
SELECT s.template_id::text AS legacy_template_code,
       s.product_id AS legacy_product_id,
       template.key IS NOT NULL AND product.key IS NOT NULL AND s.quantity > 0 AS applicable,
       s.template_id::text,
       s.product_id::text,
       s.quantity
  FROM legacy.dispatch_template_products AS s
  LEFT JOIN arrived.templates AS template ON template.key = s.template_id
  LEFT JOIN arrived.products AS product ON product.key = s.product_id;

CREATE VIEW actual.template_products AS
SELECT t.legacy_template_code,
       t.legacy_product_id,
       leads_to(t.template_id, template.id, template.legacy_template_code) AS template_id,
       leads_to(t.product_id, product.id, product.legacy_product_id::text) AS product_id,
       t.quantity
  FROM modern.template_products AS t
  LEFT JOIN modern.templates AS template ON template.id = t.template_id
  LEFT JOIN modern.products AS product ON product.id = t.product_id
 WHERE t.legacy_template_code IS NOT NULL;

-- doctors: need their user and their office.

CREATE VIEW expected.doctors AS
SELECT s.id AS legacy_doctor_id,
       profile.key IS NOT NULL AND office.key IS NOT NULL
           AND fits_varchar(s.license_number, 20) AS applicable,
       s.user_id::text AS profile_id,
       s.office_id::text AS office_id,
       nullif(s.title::text, '') AS title,
       left(s.license_number, 20) AS license_number,
       coalesce(lower(btrim(s.specialty)), 'general') AS specialty,
       s.phone::text,
       s.notes,
       true AS is_active,
       s.created_at,
       s.updated_at
  FROM legacy.dispatch_doctor AS s
  LEFT JOIN arrived.profiles AS profile ON profile.key = s.user_id
  LEFT JOIN arrived.offices AS office ON office.key = s.office_id;

CREATE VIEW actual.doctors AS
SELECT t.legacy_doctor_id,
       NOT t.is_active AS marked,
       leads_to(t.profile_id, profile.id, profile.legacy_user_id::text) AS profile_id,
       leads_to(t.office_id, office.id, office.legacy_office_id::text) AS office_id,
       t.title, t.license_number::text, t.specialty, t.phone, t.notes, t.is_active, t.created_at, t.updated_at
  FROM modern.doctors AS t
  LEFT JOIN modern.profiles AS profile ON profile.id = t.profile_id
  LEFT JOIN modern.offices AS office ON office.id = t.office_id
 WHERE t.legacy_doctor_id IS NOT NULL;

-- doctor_offices: named by the two rows it joins. A pair of which one was born on the modern side is
-- none of ours; one that leads nowhere is.

CREATE VIEW expected.doctor_offices AS
SELECT s.doctor_id::text,
       s.office_id::text,
       doctor.key IS NOT NULL AND office.key IS NOT NULL AS applicable,
       s.is_primary
  FROM legacy.dispatch_doctor_offices AS s
  LEFT JOIN arrived.doctors AS doctor ON doctor.key = s.doctor_id
  LEFT JOIN arrived.offices AS office ON office.key = s.office_id;

CREATE VIEW actual.doctor_offices AS
SELECT leads_to(t.doctor_id, doctor.id, doctor.legacy_doctor_id::text) AS doctor_id,
       leads_to(t.office_id, office.id, office.legacy_office_id::text) AS office_id,
       t.is_primary
  FROM modern.doctor_offices AS t
  LEFT JOIN modern.doctors AS doctor ON doctor.id = t.doctor_id
  LEFT JOIN modern.offices AS office ON office.id = t.office_id
 WHERE (doctor.id IS NULL OR doctor.legacy_doctor_id IS NOT NULL)
   AND (office.id IS NULL OR office.legacy_office_id IS NOT NULL);

-- technicians: need their user; an office only if they name one.

CREATE VIEW expected.technicians AS
SELECT s.id AS legacy_agent_id,
       profile.key IS NOT NULL
           AND (s.office_id IS NULL OR office.key IS NOT NULL)
           AND s.role_code IN (1, 2, 3, 4)
           AND (s.hourly_rate IS NULL OR as_numeric(s.hourly_rate) IS NOT NULL)
           AND fits_numeric(as_numeric(s.hourly_rate), 8, 2) AS applicable,
       s.user_id::text AS profile_id,
       s.office_id::text AS office_id,
       (ARRAY['modeller', 'ceramist', 'finisher', 'manager'])[s.role_code] AS role,
       (SELECT coalesce(array_agg(btrim(word) ORDER BY n), '{}')
          FROM string_to_table(s.permissions, ',') WITH ORDINALITY AS list (word, n)
         WHERE btrim(s.permissions) <> '') AS permissions,
       round(as_numeric(s.hourly_rate), 2) AS hourly_rate,
       s.started_on,
       true AS is_active,
       s.created_at,
       s.updated_at
  FROM legacy.dispatch_agent AS s
  LEFT JOIN arrived.profiles AS profile ON profile.key = s.user_id
  LEFT JOIN arrived.offices AS office ON office.key = s.office_id;

CREATE VIEW actual.technicians AS
SELECT t.legacy_agent_id,
       NOT t.is_active AS marked,
       leads_to(t.profile_id, profile.id, profile.legacy_user_id::text) AS profile_id,
       leads_to(t.office_id, office.id, office.legacy_office_id::text) AS office_id,
       t.role::text, t.permissions, t.hourly_rate, t.started_on, t.is_active, t.created_at, t.updated_at
  FROM modern.technicians AS t
  LEFT JOIN modern.profiles AS profile ON profile.id = t.profile_id
  LEFT JOIN modern.offices AS office ON office.id = t.office_id
 WHERE t.legacy_agent_id IS NOT NULL;

-- patients: need a name, a birth date that is one, and a doctor only if they name one. A patient who has
-- left is marked in two columns, and both are as new when the patient comes back.

CREATE VIEW expected.patients AS
SELECT s.id AS legacy_patient_id,
       (s.doctor_id IS NULL OR doctor.key IS NOT NULL)
           AND s.first_name IS NOT NULL
           AND s.last_name IS NOT NULL
           AND (nullif(s.birth_date, '') IS NULL OR as_date(s.birth_date) IS NOT NULL)
           AND fits_varchar(s.insurance_number, 20)
           AND coalesce(s.created_at, s.updated_at) IS NOT NULL AS applicable,
       s.doctor_id::text,
       s.first_name::text,
       s.last_name::text,
       as_date(nullif(s.birth_date, '')) AS date_of_birth,
       CASE s.gender WHEN 1 THEN 'male' WHEN 2 THEN 'female' WHEN 9 THEN 'diverse' ELSE 'unknown' END AS sex,
       jsonb_build_object('email', nullif(lower(s.email), ''),
                          'phone', s.phone,
                          'preferred', CASE WHEN s.email IS NULL THEN 'phone' ELSE 'email' END) AS contact,
       left(s.insurance_number, 20) AS insurance_number,
       s.medical_notes,
       coalesce(s.consent, false) AS consent_given,
       true AS is_active,
       NULL::text AS archived_reason,
       coalesce(s.created_at, s.updated_at) AS created_at,
       s.updated_at
  FROM legacy.dispatch_patient AS s
  LEFT JOIN arrived.doctors AS doctor ON doctor.key = s.doctor_id;

CREATE VIEW actual.patients AS
SELECT t.legacy_patient_id,
       NOT t.is_active AND t.archived_reason = 'deleted in the legacy system' AS marked,
       leads_to(t.doctor_id, doctor.id, doctor.legacy_doctor_id::text) AS doctor_id,
       t.first_name, t.last_name, t.date_of_birth, t.sex, t.contact, t.insurance_number::text, t.medical_notes,
       t.consent_given, t.is_active, t.archived_reason, t.created_at, t.updated_at
  FROM modern.patients AS t
  LEFT JOIN modern.doctors AS doctor ON doctor.id = t.doctor_id
 WHERE t.legacy_patient_id IS NOT NULL;
