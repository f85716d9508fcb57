-- Copies of both clinics, taken over postgres_fdw in one snapshot each: `legacy` and `modern`.

CREATE EXTENSION postgres_fdw;

CREATE SERVER source FOREIGN DATA WRAPPER postgres_fdw
    OPTIONS (host :'source_host', port :'source_port', dbname :'source_dbname', fetch_size '20000');
CREATE USER MAPPING FOR CURRENT_USER SERVER source
    OPTIONS (user :'source_user', password :'source_password');

CREATE SERVER target FOREIGN DATA WRAPPER postgres_fdw
    OPTIONS (host :'target_host', port :'target_port', dbname :'target_dbname', fetch_size '20000');
CREATE USER MAPPING FOR CURRENT_USER SERVER target
    OPTIONS (user :'target_user', password :'target_password');

-- The modern enums, as plain text: the oracle says itself which words it expects.
CREATE DOMAIN user_role AS text;
CREATE DOMAIN product_category AS text;
CREATE DOMAIN technician_role AS text;
CREATE DOMAIN order_status AS text;
CREATE DOMAIN case_status AS text;
CREATE DOMAIN sender_kind AS text;
CREATE DOMAIN plan_stage AS text;
CREATE DOMAIN jaw_position AS text;
CREATE DOMAIN payment_method AS text;
CREATE DOMAIN message_channel AS text;

CREATE SCHEMA legacy_remote;
CREATE SCHEMA modern_remote;
CREATE SCHEMA legacy;
CREATE SCHEMA modern;

IMPORT FOREIGN SCHEMA public
    LIMIT TO (django_content_type, auth_user, dispatch_office, dispatch_product, dispatch_template,
              dispatch_template_products, dispatch_doctor, dispatch_doctor_offices, dispatch_agent,
              dispatch_patient, dispatch_jaw, dispatch_instruction, dispatch_instance, dispatch_file,
              dispatch_record, dispatch_record_attachments, dispatch_treatment_plan, dispatch_payment,
              dispatch_case_file, dispatch_state, dispatch_content_record, dispatch_comment,
              dispatch_notification)
    FROM SERVER source INTO legacy_remote
    OPTIONS (import_collate 'false', import_not_null 'false');

IMPORT FOREIGN SCHEMA public
    LIMIT TO (offices, profiles, products, templates, template_products, doctors, doctor_offices,
              technicians, patients, orders, cases, files, messages, message_attachments,
              treatment_plans, jaws, payments, case_files, case_messages, order_states, case_states,
              order_records, case_records, comments, system_messages)
    FROM SERVER target INTO modern_remote
    OPTIONS (import_collate 'false', import_not_null 'false');

-- One transaction, so that postgres_fdw reads each side in one REPEATABLE READ snapshot.
DO $$
DECLARE
    remote record;
BEGIN
    FOR remote IN
        SELECT relname, replace(relnamespace::regnamespace::text, '_remote', '') AS side
          FROM pg_class
         WHERE relkind = 'f'
    LOOP
        EXECUTE format('CREATE UNLOGGED TABLE %I.%I AS SELECT * FROM %I.%I',
                       remote.side, remote.relname, remote.side || '_remote', remote.relname);
    END LOOP;
END
$$;

-- The keys of the parents that are there: what a child may wait for.
CREATE SCHEMA arrived;

DO $$
DECLARE
    parent text[];
BEGIN
    FOREACH parent SLICE 1 IN ARRAY ARRAY[
        ['offices', 'legacy_office_id'], ['profiles', 'legacy_user_id'], ['products', 'legacy_product_id'],
        ['templates', 'legacy_template_code'], ['doctors', 'legacy_doctor_id'],
        ['patients', 'legacy_patient_id'], ['orders', 'legacy_instruction_id'],
        ['cases', 'legacy_instance_id'], ['files', 'legacy_file_id'], ['messages', 'legacy_record_id']]
    LOOP
        EXECUTE format('CREATE UNLOGGED TABLE arrived.%1$I AS '
                       'SELECT DISTINCT %2$I AS key FROM modern.%1$I WHERE %2$I IS NOT NULL',
                       parent[1], parent[2]);
        -- Unique, so that a join that only asks for presence costs nothing where nobody looks.
        EXECUTE format('ALTER TABLE arrived.%I ADD PRIMARY KEY (key)', parent[1]);
    END LOOP;
END
$$;

ANALYZE;
