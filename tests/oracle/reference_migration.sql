-- What a DBA writes by hand to migrate the clinic: INSERT … SELECT over postgres_fdw, entity by entity.
--
--   psql -d MODERN -v source_host=… -v source_port=… -v source_dbname=… -v source_user=… -f reference_migration.sql
--
-- Run again it brings over what changed, whole tables at a time. It has no id map, no checkpoint and no
-- dead letters: what the target would refuse it filters out, if its author thought of it. The oracle's
-- self-test uses it to have a right target, the benchmark to have somebody to race against. Needs a
-- superuser; leaves nothing of its own behind.

\set ON_ERROR_STOP 1
\set QUIET 1
\if :{?source_password} \else \set source_password '' \endif

SET client_min_messages = warning;
SET timezone = 'UTC';
SET datestyle = 'ISO, MDY';
SET work_mem = '128MB';
SET synchronous_commit = off;

BEGIN;

CREATE EXTENSION postgres_fdw;
CREATE SERVER source FOREIGN DATA WRAPPER postgres_fdw
    OPTIONS (host :'source_host', port :'source_port', dbname :'source_dbname', fetch_size '20000');
CREATE USER MAPPING FOR CURRENT_USER SERVER source
    OPTIONS (user :'source_user', password :'source_password');
CREATE SCHEMA legacy;
IMPORT FOREIGN SCHEMA public EXCEPT (django_migrations) FROM SERVER source INTO legacy;

-- Text as a type, NULL where it is none.

CREATE FUNCTION pg_temp.try_jsonb(value text) RETURNS jsonb LANGUAGE plpgsql IMMUTABLE STRICT AS
$$ BEGIN RETURN value::jsonb; EXCEPTION WHEN data_exception THEN RETURN NULL; END $$;

CREATE FUNCTION pg_temp.try_date(value text) RETURNS date LANGUAGE plpgsql IMMUTABLE STRICT AS
$$ BEGIN RETURN value::date; EXCEPTION WHEN data_exception THEN RETURN NULL; END $$;

CREATE FUNCTION pg_temp.try_numeric(value text) RETURNS numeric LANGUAGE plpgsql IMMUTABLE STRICT AS
$$ BEGIN RETURN value::numeric(10, 2); EXCEPTION WHEN data_exception THEN RETURN NULL; END $$;

CREATE FUNCTION pg_temp.try_bigint(value text) RETURNS bigint LANGUAGE plpgsql IMMUTABLE STRICT AS
$$ BEGIN RETURN value::bigint; EXCEPTION WHEN data_exception THEN RETURN NULL; END $$;

CREATE FUNCTION pg_temp.try_smallints(value text) RETURNS smallint[] LANGUAGE plpgsql IMMUTABLE STRICT AS
$$ BEGIN RETURN value::smallint[]; EXCEPTION WHEN data_exception THEN RETURN NULL; END $$;

-- Insert what the query yields, by column name; rewrite those that are there and differ.
CREATE PROCEDURE pg_temp.upsert(target regclass, key text, query text) LANGUAGE plpgsql AS
$$
DECLARE
    names   text;
    casts   text;
    assigns text;
    olds    text;
    news    text;
BEGIN
    EXECUTE 'CREATE TEMPORARY VIEW incoming AS ' || query;
    SELECT string_agg(quote_ident(c.attname), ', '),
           string_agg(format('%I::%s', c.attname, format_type(t.atttypid, t.atttypmod)), ', '),
           string_agg(format('%1$I = excluded.%1$I', c.attname), ', '),
           string_agg(format('old.%I', c.attname), ', '),
           string_agg(format('excluded.%I', c.attname), ', ')
      INTO names, casts, assigns, olds, news
      FROM pg_attribute AS c
      LEFT JOIN pg_attribute AS t ON t.attrelid = target AND t.attname = c.attname
     WHERE c.attrelid = 'incoming'::regclass;
    EXECUTE format('INSERT INTO %s AS old (%s) SELECT %s FROM incoming '
                   'ON CONFLICT (%s) DO UPDATE SET %s WHERE (%s) IS DISTINCT FROM (%s)',
                   target, names, casts, key, assigns, olds, news);
    DROP VIEW incoming;
    EXECUTE format('ANALYZE %s', target);
END
$$;

-- What is gone from the source: "statement" is the beginning of an UPDATE or DELETE of the alias t.
CREATE PROCEDURE pg_temp.retire(statement text, key text, query text) LANGUAGE plpgsql AS
$$
BEGIN
    EXECUTE format('%1$s WHERE t.%2$I IS NOT NULL AND NOT EXISTS '
                   '(SELECT FROM (%3$s) AS s (key) WHERE s.key = t.%2$I)', statement, key, query);
END
$$;

-- Master data -----------------------------------------------------------------------------------

CALL pg_temp.upsert('offices', 'legacy_office_id', $$
    SELECT id AS legacy_office_id, name, json_build_object('street', street, 'city', city, 'postal_code', postal_code)
               AS address,
           coalesce(CASE country WHEN 'Germany' THEN 'DE' WHEN 'Deutschland' THEN 'DE' WHEN 'Austria' THEN 'AT'
                                 WHEN 'France' THEN 'FR' WHEN 'Poland' THEN 'PL' END, 'XX') AS country_code,
           phone, timezone, pg_temp.try_jsonb(settings) AS settings, true AS is_active,
           coalesce(created_at, updated_at) AS created_at, updated_at
      FROM legacy.dispatch_office $$);

-- Of equal addresses the lowest id wins, but never against a row that is there already.
CALL pg_temp.upsert('profiles', 'legacy_user_id', $$
    SELECT DISTINCT ON (email) legacy_user_id, email, username, full_name, role, can_sign_in, last_sign_in_at,
           true AS is_active, created_at
      FROM (SELECT id AS legacy_user_id, lower(btrim(email)) AS email, username,
                   nullif(btrim(first_name || ' ' || last_name), '') AS full_name,
                   CASE WHEN NOT is_active THEN 'disabled' WHEN is_superuser THEN 'admin'
                        WHEN is_staff THEN 'staff' ELSE 'member' END AS role,
                   is_active AS can_sign_in, last_login AS last_sign_in_at, date_joined AS created_at
              FROM legacy.auth_user) AS u
     WHERE email LIKE '_%@_%'
       AND NOT EXISTS (SELECT FROM public.profiles AS taken
                        WHERE taken.email = u.email AND taken.legacy_user_id IS DISTINCT FROM u.legacy_user_id)
     ORDER BY email, legacy_user_id $$);

CALL pg_temp.upsert('products', 'legacy_product_id', $$
    SELECT id AS legacy_product_id, name, sku,
           CASE category WHEN 0 THEN 'crown' WHEN 1 THEN 'bridge' WHEN 2 THEN 'denture' WHEN 3 THEN 'aligner'
                         WHEN 4 THEN 'implant' ELSE 'other' END AS category,
           pg_temp.try_numeric(price) AS unit_price, upper(coalesce(currency, 'EUR')) AS currency, description,
           is_active AS is_available, true AS is_active, created_at, updated_at
      FROM legacy.dispatch_product
     WHERE price IS NULL OR pg_temp.try_numeric(price) >= 0 $$);

CALL pg_temp.upsert('templates', 'legacy_template_code', $$
    SELECT code AS legacy_template_code, name, body, pg_temp.try_jsonb(variables) AS variables, is_default,
           true AS is_active, created_at, updated_at
      FROM legacy.dispatch_template
     WHERE jsonb_typeof(pg_temp.try_jsonb(variables)) = 'array' $$);

CALL pg_temp.retire('DELETE FROM template_products AS t', 'legacy_product_id', $$
    SELECT product_id FROM legacy.dispatch_template_products AS l WHERE l.template_id = t.legacy_template_code $$);
CALL pg_temp.upsert('template_products', 'template_id, product_id', $$
    SELECT t.id AS template_id, p.id AS product_id, l.template_id AS legacy_template_code,
           l.product_id AS legacy_product_id, l.quantity
      FROM legacy.dispatch_template_products AS l
      JOIN public.templates AS t ON t.legacy_template_code = l.template_id
      JOIN public.products AS p ON p.legacy_product_id = l.product_id $$);

-- People ----------------------------------------------------------------------------------------

CALL pg_temp.upsert('doctors', 'legacy_doctor_id', $$
    SELECT l.id AS legacy_doctor_id, u.id AS profile_id, o.id AS office_id, nullif(l.title, '') AS title,
           l.license_number, coalesce(lower(btrim(l.specialty)), 'general') AS specialty, l.phone, l.notes,
           true AS is_active, l.created_at, l.updated_at
      FROM legacy.dispatch_doctor AS l
      JOIN public.profiles AS u ON u.legacy_user_id = l.user_id
      JOIN public.offices AS o ON o.legacy_office_id = l.office_id
     WHERE length(l.license_number) <= 20 OR l.license_number IS NULL $$);

DELETE FROM doctor_offices AS t
 USING doctors AS d, offices AS o
 WHERE d.id = t.doctor_id
   AND o.id = t.office_id
   AND NOT EXISTS (SELECT FROM legacy.dispatch_doctor_offices AS l
                    WHERE l.doctor_id = d.legacy_doctor_id AND l.office_id = o.legacy_office_id);
CALL pg_temp.upsert('doctor_offices', 'doctor_id, office_id', $$
    SELECT d.id AS doctor_id, o.id AS office_id, l.is_primary
      FROM legacy.dispatch_doctor_offices AS l
      JOIN public.doctors AS d ON d.legacy_doctor_id = l.doctor_id
      JOIN public.offices AS o ON o.legacy_office_id = l.office_id $$);

CALL pg_temp.upsert('technicians', 'legacy_agent_id', $$
    SELECT l.id AS legacy_agent_id, u.id AS profile_id, o.id AS office_id,
           CASE l.role_code WHEN 1 THEN 'modeller' WHEN 2 THEN 'ceramist' WHEN 3 THEN 'finisher' ELSE 'manager' END
               AS role,
           CASE WHEN btrim(l.permissions) = '' THEN '{}'
                ELSE regexp_split_to_array(btrim(l.permissions), '\s*,\s*') END AS permissions,
           l.hourly_rate, l.started_on, true AS is_active, l.created_at, l.updated_at
      FROM legacy.dispatch_agent AS l
      JOIN public.profiles AS u ON u.legacy_user_id = l.user_id
      LEFT JOIN public.offices AS o ON o.legacy_office_id = l.office_id
     WHERE l.role_code BETWEEN 1 AND 4
       AND (l.office_id IS NULL OR o.id IS NOT NULL) $$);

CALL pg_temp.upsert('patients', 'legacy_patient_id', $$
    SELECT l.id AS legacy_patient_id, d.id AS doctor_id, l.first_name, l.last_name,
           pg_temp.try_date(nullif(l.birth_date, '')) AS date_of_birth,
           CASE l.gender WHEN 1 THEN 'male' WHEN 2 THEN 'female' WHEN 9 THEN 'diverse' ELSE 'unknown' END AS sex,
           json_build_object('email', nullif(lower(l.email), ''), 'phone', l.phone,
                             'preferred', CASE WHEN l.email IS NULL THEN 'phone' ELSE 'email' END) AS contact,
           l.insurance_number, l.medical_notes, coalesce(l.consent, false) AS consent_given, true AS is_active,
           NULL AS archived_reason, coalesce(l.created_at, l.updated_at) AS created_at, l.updated_at
      FROM legacy.dispatch_patient AS l
      LEFT JOIN public.doctors AS d ON d.legacy_doctor_id = l.doctor_id
     WHERE (l.doctor_id IS NULL OR d.id IS NOT NULL)
       AND l.first_name IS NOT NULL
       AND l.last_name IS NOT NULL
       AND (coalesce(l.birth_date, '') = '' OR pg_temp.try_date(l.birth_date) IS NOT NULL)
       AND (length(l.insurance_number) <= 20 OR l.insurance_number IS NULL)
       AND coalesce(l.created_at, l.updated_at) IS NOT NULL $$);

-- Orders and what hangs on them -----------------------------------------------------------------

CALL pg_temp.upsert('orders', 'legacy_instruction_id', $$
    SELECT l.id AS legacy_instruction_id, p.id AS patient_id, o.id AS office_id,
           CASE l.status WHEN 0 THEN 'draft' WHEN 1 THEN 'sent' WHEN 2 THEN 'accepted' WHEN 3 THEN 'in_production'
                         WHEN 4 THEN 'shipped' WHEN 5 THEN 'cancelled' ELSE 'unknown' END AS status,
           l.priority, l.reference, l.price * l.quantity AS total, l.due_date, l.notes,
           json_build_object(
               'origin', 'dispatch', 'mapping_version', 1, 'plan_id', l.plan_id, 'urgent', l.priority >= 3,
               'channel', CASE l.channel WHEN 0 THEN 'web' WHEN 1 THEN 'phone' ELSE 'other' END,
               'shipping', json_build_object('carrier', nullif(l.carrier, ''), 'tracking_code', l.tracking_code,
                                             'insured', false)) AS metadata,
           true AS is_active, l.created_at, l.updated_at
      FROM legacy.dispatch_instruction AS l
      JOIN public.patients AS p ON p.legacy_patient_id = l.patient_id
      JOIN public.offices AS o ON o.legacy_office_id = l.office_id
     WHERE NOT l.is_test
       AND l.created_at IS NOT NULL
       AND (abs(round(l.price * l.quantity, 2)) < 1e10 OR l.price IS NULL) $$);

CALL pg_temp.upsert('cases', 'legacy_instance_id', $$
    SELECT l.id AS legacy_instance_id, o.id AS order_id, p.id AS patient_id, d.id AS doctor_id,
           CASE l.state WHEN 1 THEN 'waiting' WHEN 2 THEN 'in_work' WHEN 3 THEN 'done' WHEN 4 THEN 'rejected'
                        ELSE 'open' END AS status,
           l.kind, upper(l.shade) AS shade, pg_temp.try_jsonb(l.data) AS details, l.turnaround, l.started_at,
           l.finished_at, true AS is_active, l.created_at, l.updated_at
      FROM legacy.dispatch_instance AS l
      JOIN public.orders AS o ON o.legacy_instruction_id = l.instruction_id
      JOIN public.patients AS p ON p.legacy_patient_id = l.patient_id
      LEFT JOIN public.doctors AS d ON d.legacy_doctor_id = l.doctor_id
     WHERE (l.state IS NULL OR l.state BETWEEN 0 AND 4)
       AND (l.finished_at >= l.started_at OR l.finished_at IS NULL OR l.started_at IS NULL) $$);

CALL pg_temp.retire('DELETE FROM jaws AS t', 'legacy_jaw_id', 'SELECT id FROM legacy.dispatch_jaw');
CALL pg_temp.upsert('jaws', 'legacy_jaw_id', $$
    SELECT l.id AS legacy_jaw_id, o.id AS order_id, p.id AS product_id,
           CASE WHEN u.id IS NOT NULL THEN 'upper' ELSE 'lower' END AS position, l.shade,
           pg_temp.try_smallints('{' || nullif(l.teeth, '') || '}') AS teeth, l.thickness AS thickness_mm, l.notes,
           l.created_at, l.updated_at
      FROM legacy.dispatch_jaw AS l
      LEFT JOIN legacy.dispatch_instruction AS u ON u.upper_jaw_id = l.id
      LEFT JOIN legacy.dispatch_instruction AS w ON w.lower_jaw_id = l.id
      JOIN public.orders AS o ON o.legacy_instruction_id = coalesce(u.id, w.id)
      LEFT JOIN public.products AS p ON p.legacy_product_id = l.product_id
     WHERE coalesce(l.teeth, '') = '' OR pg_temp.try_smallints('{' || l.teeth || '}') IS NOT NULL $$);

CALL pg_temp.upsert('payments', 'legacy_payment_id', $$
    SELECT l.id AS legacy_payment_id, o.id AS order_id, pg_temp.try_numeric(l.amount) AS amount,
           CASE WHEN l.currency IN ('USD', '$') THEN 'USD' WHEN l.currency IN ('CHF', 'Fr.') THEN 'CHF'
                ELSE 'EUR' END AS currency,
           CASE WHEN l.card_last4 > '' THEN 'card' WHEN l.iban IS NOT NULL THEN 'transfer'
                WHEN l.note ~* 'bar|cash' THEN 'cash' ELSE 'other' END AS method,
           l.note, l.paid_at, true AS is_active, l.created_at, l.updated_at
      FROM legacy.dispatch_payment AS l
      JOIN public.orders AS o ON o.legacy_instruction_id = l.instruction_id
     WHERE l.currency IN ('EUR', 'eur', '€', 'USD', '$', 'CHF', 'Fr.')
       AND pg_temp.try_numeric(l.amount) IS NOT NULL
       AND (l.paid_at < '2100-01-01' OR l.paid_at IS NULL)
       AND l.created_at IS NOT NULL $$);

CALL pg_temp.upsert('treatment_plans', 'legacy_treatment_plan_id', $$
    SELECT l.id AS legacy_treatment_plan_id, p.id AS patient_id, c.id AS case_id, l.title,
           pg_temp.try_jsonb(l.plan) AS plan,
           json_build_object(
               'price', json_build_object('amount', l.cost, 'currency',
                                          CASE WHEN l.currency IN ('EUR', 'eur', '€') THEN 'EUR' END),
               'stage', l.stage, 'created_at', l.created_at) AS summary,
           CASE l.stage WHEN 0 THEN 'proposed' WHEN 1 THEN 'agreed' WHEN 2 THEN 'running' ELSE 'finished' END AS stage,
           l.progress, true AS is_active, l.created_at, l.updated_at
      FROM legacy.dispatch_treatment_plan AS l
      JOIN public.patients AS p ON p.legacy_patient_id = l.patient_id
      LEFT JOIN public.cases AS c ON c.legacy_instance_id = l.instance_id
     WHERE (l.instance_id IS NULL OR c.id IS NOT NULL)
       AND l.title IS NOT NULL
       AND pg_temp.try_jsonb(l.plan) IS NOT NULL
       AND l.stage BETWEEN 0 AND 3
       AND (l.progress BETWEEN 0 AND 1 OR l.progress IS NULL) $$);

CALL pg_temp.upsert('files', 'legacy_file_id', $$
    SELECT l.id AS legacy_file_id, o.id AS order_id, p.id AS patient_id,
           regexp_replace(l.path, '^/media/', '') AS storage_path,
           coalesce(nullif(l.original_name, ''), regexp_replace(l.path, '^.*/', '')) AS file_name,
           pg_temp.try_bigint(l.size) AS byte_size, coalesce(l.mime, 'application/octet-stream') AS mime_type,
           l.checksum AS sha256,
           CASE WHEN l.meta IS NOT NULL
                THEN coalesce(pg_temp.try_jsonb(l.meta), to_jsonb(l.meta)) END AS metadata,
           true AS is_active, l.uploaded_at, l.updated_at
      FROM legacy.dispatch_file AS l
      LEFT JOIN public.orders AS o ON o.legacy_instruction_id = l.instruction_id
      LEFT JOIN public.patients AS p ON p.legacy_patient_id = l.patient_id
     WHERE (l.instruction_id IS NULL OR o.id IS NOT NULL)
       AND l.path NOT LIKE '%..%'
       AND (l.size IS NULL OR pg_temp.try_bigint(l.size) IS NOT NULL) $$);

CALL pg_temp.retire('DELETE FROM case_files AS t', 'legacy_case_file_id', 'SELECT id FROM legacy.dispatch_case_file');
CALL pg_temp.upsert('case_files', 'legacy_case_file_id', $$
    SELECT l.id AS legacy_case_file_id, c.id AS case_id, f.id AS file_id,
           CASE l.category WHEN 0 THEN 'scan' WHEN 1 THEN 'photo' WHEN 2 THEN 'xray' WHEN 3 THEN 'document'
                           WHEN 4 THEN 'model' ELSE 'unsorted' END AS category,
           coalesce(l."position", 0) AS sort_order, l.created_at
      FROM legacy.dispatch_case_file AS l
      JOIN public.cases AS c ON c.legacy_instance_id = l.instance_id
      JOIN public.files AS f ON f.legacy_file_id = l.file_id $$);

-- Messages, the thread in a second pass -------------------------------------------------------------

CALL pg_temp.upsert('messages', 'legacy_record_id', $$
    SELECT l.id AS legacy_record_id, o.id AS order_id, p.id AS patient_id,
           CASE l.sender_kind WHEN 0 THEN 'doctor' WHEN 1 THEN 'lab' ELSE 'system' END AS sender, l.subject, l.body,
           CASE WHEN l.extra IS NOT NULL
                THEN coalesce(pg_temp.try_jsonb(l.extra), to_jsonb(l.extra)) END AS context,
           json_build_object('legacy_author_id', l.author_id, 'read', l.read_at IS NOT NULL) AS metadata,
           true AS is_active, l.sent_at, l.read_at, l.updated_at
      FROM legacy.dispatch_record AS l
      LEFT JOIN public.orders AS o ON o.legacy_instruction_id = l.instruction_id
      LEFT JOIN public.patients AS p ON p.legacy_patient_id = l.patient_id
     WHERE (l.instruction_id IS NULL OR o.id IS NOT NULL)
       AND (l.patient_id IS NULL OR p.id IS NOT NULL)
       AND l.sender_kind BETWEEN 0 AND 2
       AND l.body IS NOT NULL
       AND l.sent_at IS NOT NULL $$);

UPDATE messages AS t
   SET parent_message_id = parent.id
  FROM legacy.dispatch_record AS l
  LEFT JOIN messages AS parent ON parent.legacy_record_id = l.parent_id
 WHERE l.id = t.legacy_record_id
   AND t.parent_message_id IS DISTINCT FROM parent.id;

CALL pg_temp.retire('DELETE FROM case_messages AS t', 'legacy_record_id',
                    'SELECT id FROM legacy.dispatch_record WHERE instance_id IS NOT NULL');
CALL pg_temp.upsert('case_messages', 'legacy_record_id', $$
    SELECT l.id AS legacy_record_id, c.id AS case_id, m.id AS message_id
      FROM legacy.dispatch_record AS l
      JOIN public.cases AS c ON c.legacy_instance_id = l.instance_id
      JOIN public.messages AS m ON m.legacy_record_id = l.id $$);

CALL pg_temp.retire('DELETE FROM message_attachments AS t', 'legacy_file_id', $$
    SELECT file_id FROM legacy.dispatch_record_attachments AS l WHERE l.record_id = t.legacy_record_id $$);
CALL pg_temp.upsert('message_attachments', 'message_id, file_id', $$
    SELECT m.id AS message_id, f.id AS file_id, l.record_id AS legacy_record_id, l.file_id AS legacy_file_id, l.caption
      FROM legacy.dispatch_record_attachments AS l
      JOIN public.messages AS m ON m.legacy_record_id = l.record_id
      JOIN public.files AS f ON f.legacy_file_id = l.file_id $$);

-- Histories, records, comments, notifications ---------------------------------------------------------

CALL pg_temp.upsert('order_states', 'legacy_state_id', $$
    SELECT l.id AS legacy_state_id, o.id AS order_id,
           (enum_range(NULL::public.order_status))[l.status + 1] AS status, l.comment AS note,
           json_build_object('changed_by', l.changed_by_id, 'automatic', l.changed_by_id IS NULL) AS metadata,
           true AS is_active, l.changed_at
      FROM legacy.dispatch_state AS l
      JOIN public.orders AS o ON o.legacy_instruction_id = l.object_id
     WHERE l.content_type_id = 7 AND l.status BETWEEN 0 AND 5 AND l.changed_at IS NOT NULL $$);

CALL pg_temp.upsert('case_states', 'legacy_state_id', $$
    SELECT l.id AS legacy_state_id, c.id AS case_id,
           (enum_range(NULL::public.case_status))[l.status + 1] AS status, l.comment AS note,
           true AS is_active, l.changed_at
      FROM legacy.dispatch_state AS l
      JOIN public.cases AS c ON c.legacy_instance_id = l.object_id
     WHERE l.content_type_id = 8 AND l.status BETWEEN 0 AND 4 AND l.changed_at IS NOT NULL $$);

CALL pg_temp.upsert('order_records', 'legacy_record_id', $$
    SELECT l.id AS legacy_record_id, o.id AS order_id, lower(l.record_type) AS kind,
           CASE WHEN l.payload IS NOT NULL
                THEN coalesce(pg_temp.try_jsonb(l.payload), to_jsonb(l.payload)) END AS payload,
           true AS is_active, l.created_at, l.updated_at
      FROM legacy.dispatch_content_record AS l
      JOIN public.orders AS o ON o.legacy_instruction_id::text = l.object_id
     WHERE l.content_type_id = 7 $$);

CALL pg_temp.upsert('case_records', 'legacy_record_id', $$
    SELECT l.id AS legacy_record_id, c.id AS case_id, lower(l.record_type) AS kind,
           pg_temp.try_jsonb(l.payload) AS payload, true AS is_active, l.created_at, l.updated_at
      FROM legacy.dispatch_content_record AS l
      JOIN public.cases AS c ON c.legacy_instance_id::text = l.object_id
     WHERE l.content_type_id = 8 $$);

CALL pg_temp.upsert('comments', 'legacy_comment_id', $$
    SELECT l.id AS legacy_comment_id, u.id AS profile_id, l.body,
           json_build_object('plan_id', l.plan_id, 'legacy_table', l.legacy_table,
                             'legacy_parent_comment_id', l.parent_comment_id) AS metadata,
           true AS is_active, l.created_at, l.updated_at
      FROM legacy.dispatch_comment AS l
      JOIN public.profiles AS u ON u.legacy_user_id = l.user_id
     WHERE l.body IS NOT NULL AND l.created_at IS NOT NULL $$);

CALL pg_temp.upsert('system_messages', 'legacy_notification_id', $$
    SELECT l.id AS legacy_notification_id, CASE l.item_type_id WHEN 7 THEN 'order' WHEN 8 THEN 'case' END AS item_type,
           coalesce(o.id, c.id) AS item_id, o.id AS order_id, c.id AS case_id, l.template AS template_key,
           pg_temp.try_jsonb(l.template_context) AS context,
           (enum_range(NULL::public.message_channel))[l.channel + 1] AS channel, l.is_read, l.sent_at, l.created_at
      FROM legacy.dispatch_notification AS l
      LEFT JOIN public.orders AS o ON o.legacy_instruction_id = l.item_id AND l.item_type_id = 7
      LEFT JOIN public.cases AS c ON c.legacy_instance_id = l.item_id AND l.item_type_id = 8
     WHERE l.created_at IS NOT NULL
       AND (l.item_id IS NULL OR l.item_type_id IS NULL OR l.item_type_id NOT IN (7, 8)
            OR coalesce(o.id, c.id) IS NOT NULL) $$);

-- Gone from the source: marked --------------------------------------------------------------------------

CALL pg_temp.retire('UPDATE offices AS t SET is_active = false', 'legacy_office_id', 'SELECT id FROM legacy.dispatch_office');
CALL pg_temp.retire('UPDATE profiles AS t SET is_active = false', 'legacy_user_id', 'SELECT id FROM legacy.auth_user');
CALL pg_temp.retire('UPDATE products AS t SET is_active = false', 'legacy_product_id', 'SELECT id FROM legacy.dispatch_product');
CALL pg_temp.retire('UPDATE templates AS t SET is_active = false', 'legacy_template_code', 'SELECT code FROM legacy.dispatch_template');
CALL pg_temp.retire('UPDATE doctors AS t SET is_active = false', 'legacy_doctor_id', 'SELECT id FROM legacy.dispatch_doctor');
CALL pg_temp.retire('UPDATE technicians AS t SET is_active = false', 'legacy_agent_id', 'SELECT id FROM legacy.dispatch_agent');
CALL pg_temp.retire('UPDATE patients AS t SET is_active = false, archived_reason = ''deleted in the legacy system''',
                    'legacy_patient_id', 'SELECT id FROM legacy.dispatch_patient');
CALL pg_temp.retire('UPDATE orders AS t SET is_active = false', 'legacy_instruction_id',
                    'SELECT id FROM legacy.dispatch_instruction WHERE NOT is_test');
CALL pg_temp.retire('UPDATE cases AS t SET is_active = false', 'legacy_instance_id', 'SELECT id FROM legacy.dispatch_instance');
CALL pg_temp.retire('UPDATE payments AS t SET is_active = false', 'legacy_payment_id', 'SELECT id FROM legacy.dispatch_payment');
CALL pg_temp.retire('UPDATE treatment_plans AS t SET is_active = false', 'legacy_treatment_plan_id',
                    'SELECT id FROM legacy.dispatch_treatment_plan');
CALL pg_temp.retire('UPDATE files AS t SET is_active = false', 'legacy_file_id', 'SELECT id FROM legacy.dispatch_file');
CALL pg_temp.retire('UPDATE messages AS t SET is_active = false', 'legacy_record_id', 'SELECT id FROM legacy.dispatch_record');
CALL pg_temp.retire('UPDATE order_states AS t SET is_active = false', 'legacy_state_id',
                    'SELECT id FROM legacy.dispatch_state WHERE content_type_id = 7');
CALL pg_temp.retire('UPDATE case_states AS t SET is_active = false', 'legacy_state_id',
                    'SELECT id FROM legacy.dispatch_state WHERE content_type_id = 8');
CALL pg_temp.retire('UPDATE order_records AS t SET is_active = false', 'legacy_record_id',
                    'SELECT id FROM legacy.dispatch_content_record WHERE content_type_id = 7');
CALL pg_temp.retire('UPDATE case_records AS t SET is_active = false', 'legacy_record_id',
                    'SELECT id FROM legacy.dispatch_content_record WHERE content_type_id = 8');
CALL pg_temp.retire('UPDATE comments AS t SET is_active = false', 'legacy_comment_id', 'SELECT id FROM legacy.dispatch_comment');

DROP SCHEMA legacy CASCADE;
DROP EXTENSION postgres_fdw CASCADE;

COMMIT;
