-- The oracle: decides from both databases alone what the modern clinic ought to hold, and compares every
-- column of every row. It knows nothing of whoever migrated; its expectations are written by hand from
-- what the clinic's tables mean, not from the mapping.
--
-- Run by oracle.py with psql in a throw-away database on the target's server, with the variables
--   source_host source_port source_dbname source_user source_password   where the legacy clinic is
--   target_host target_port target_dbname target_user target_password   where the modern one is
--   strict   1: a row that the target ought to refuse must not be there at all. 0: it may be there in an
--            older state, which is right when it was valid once and was spoiled after it had been migrated.
--
-- It judges by local conditions, so that it needs no history:
--   * A source row is there if and only if it is valid for the target and every parent it needs is there.
--   * A reference leads to the modern row that carries the legacy key of the source's reference.
--   * Of users with one e-mail address, one is there.
--   * What is gone from the source is marked, deleted or left alone, as the entity has it.
-- A target row without a legacy key was born on the modern side and is none of its business.
-- Findings name keys and columns, never values.

\set ON_ERROR_STOP 1
\set QUIET 1

SET client_min_messages = warning;
SET timezone = 'UTC';
SET datestyle = 'ISO, MDY';
SET intervalstyle = 'postgres';
SET work_mem = '256MB';
SET synchronous_commit = off;

\ir import.sql
\ir compare.sql

\ir people.sql
\ir orders.sql
\ir messages.sql
\ir records.sql

CALL compare('offices',             'legacy_office_id',         'mark');
CALL compare('profiles',            'legacy_user_id',           'mark', own => '{avatar_url}');
CALL compare('products',            'legacy_product_id',        'mark');
CALL compare('templates',           'legacy_template_code',     'mark');
CALL compare('template_products',   'legacy_template_code, legacy_product_id', 'delete');
CALL compare('doctors',             'legacy_doctor_id',         'mark');
CALL compare('doctor_offices',      'doctor_id, office_id',     'delete');
CALL compare('technicians',         'legacy_agent_id',          'mark');
CALL compare('patients',            'legacy_patient_id',        'mark', own => '{portal_invited_at}');
CALL compare('orders',              'legacy_instruction_id',    'mark');
CALL compare('cases',               'legacy_instance_id',       'mark');
CALL compare('jaws',                'legacy_jaw_id',            'delete');
CALL compare('payments',            'legacy_payment_id',        'mark');
CALL compare('treatment_plans',     'legacy_treatment_plan_id', 'mark');
CALL compare('files',               'legacy_file_id',           'mark');
CALL compare('case_files',          'legacy_case_file_id',      'delete');
CALL compare('messages',            'legacy_record_id',         'mark');
CALL compare('case_messages',       'legacy_record_id',         'delete');
CALL compare('message_attachments', 'legacy_record_id, legacy_file_id', 'delete');
CALL compare('order_states',        'legacy_state_id',          'mark');
CALL compare('case_states',         'legacy_state_id',          'mark');
CALL compare('order_records',       'legacy_record_id',         'mark');
CALL compare('case_records',        'legacy_record_id',         'mark');
CALL compare('comments',            'legacy_comment_id',        'mark');
CALL compare('system_messages',     'legacy_notification_id',   'ignore');

-- Every target table's uuids are unique, and so are e-mails, whatever became of the constraints.
CALL check_unique('profiles', 'email', 'legacy_user_id');
