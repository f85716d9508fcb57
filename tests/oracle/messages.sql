-- What ought to hold of messages, what is attached to them, comments and system messages.

-- messages: a text and a time are needed. The message answered is named as soon as it is there.

CREATE VIEW expected.messages AS
SELECT s.id AS legacy_record_id,
       (s.instruction_id IS NULL OR orders.key IS NOT NULL)
           AND (s.patient_id IS NULL OR patient.key IS NOT NULL)
           AND s.sender_kind BETWEEN 0 AND 2
           AND s.body IS NOT NULL
           AND s.sent_at IS NOT NULL AS applicable,
       s.instruction_id::text AS order_id,
       s.patient_id::text,
       parent.key::text AS parent_message_id,
       (ARRAY['doctor', 'lab', 'system'])[s.sender_kind + 1] AS sender,
       s.subject::text,
       s.body,
       coalesce(as_jsonb(s.extra), CASE WHEN s.extra IS NOT NULL THEN wrapped(s.extra) END) AS context,
       jsonb_build_object('legacy_author_id', s.author_id, 'read', s.read_at IS NOT NULL) AS metadata,
       true AS is_active,
       s.sent_at,
       s.read_at,
       s.updated_at
  FROM legacy.dispatch_record AS s
  LEFT JOIN arrived.orders AS orders ON orders.key = s.instruction_id
  LEFT JOIN arrived.patients AS patient ON patient.key = s.patient_id
  LEFT JOIN arrived.messages AS parent ON parent.key = s.parent_id;

CREATE VIEW actual.messages AS
SELECT t.legacy_record_id,
       NOT t.is_active AS marked,
       leads_to(t.order_id, orders.id, orders.legacy_instruction_id::text) AS order_id,
       leads_to(t.patient_id, patient.id, patient.legacy_patient_id::text) AS patient_id,
       leads_to(t.parent_message_id, parent.id, parent.legacy_record_id::text) AS parent_message_id,
       t.sender::text, t.subject, t.body, t.context, t.metadata, t.is_active, t.sent_at, t.read_at, t.updated_at
  FROM modern.messages AS t
  LEFT JOIN modern.orders AS orders ON orders.id = t.order_id
  LEFT JOIN modern.patients AS patient ON patient.id = t.patient_id
  LEFT JOIN modern.messages AS parent ON parent.id = t.parent_message_id
 WHERE t.legacy_record_id IS NOT NULL;

-- case_messages: from the same records, those that name a case.

CREATE VIEW expected.case_messages AS
SELECT s.id AS legacy_record_id,
       cases.key IS NOT NULL AND message.key IS NOT NULL AS applicable,
       s.instance_id::text AS case_id,
       s.id::text AS message_id
  FROM legacy.dispatch_record AS s
  LEFT JOIN arrived.cases AS cases ON cases.key = s.instance_id
  LEFT JOIN arrived.messages AS message ON message.key = s.id
 WHERE s.instance_id IS NOT NULL;

CREATE VIEW actual.case_messages AS
SELECT t.legacy_record_id,
       leads_to(t.case_id, cases.id, cases.legacy_instance_id::text) AS case_id,
       leads_to(t.message_id, message.id, message.legacy_record_id::text) AS message_id
  FROM modern.case_messages AS t
  LEFT JOIN modern.cases AS cases ON cases.id = t.case_id
  LEFT JOIN modern.messages AS message ON message.id = t.message_id
 WHERE t.legacy_record_id IS NOT NULL;

CREATE VIEW expected.message_attachments AS
SELECT s.record_id AS legacy_record_id,
       s.file_id AS legacy_file_id,
       message.key IS NOT NULL AND file.key IS NOT NULL AS applicable,
       s.record_id::text AS message_id,
       s.file_id::text,
       s.caption::text
  FROM legacy.dispatch_record_attachments AS s
  LEFT JOIN arrived.messages AS message ON message.key = s.record_id
  LEFT JOIN arrived.files AS file ON file.key = s.file_id;

CREATE VIEW actual.message_attachments AS
SELECT t.legacy_record_id,
       t.legacy_file_id,
       leads_to(t.message_id, message.id, message.legacy_record_id::text) AS message_id,
       leads_to(t.file_id, file.id, file.legacy_file_id::text) AS file_id,
       t.caption
  FROM modern.message_attachments AS t
  LEFT JOIN modern.messages AS message ON message.id = t.message_id
  LEFT JOIN modern.files AS file ON file.id = t.file_id
 WHERE t.legacy_record_id IS NOT NULL;

-- comments: need their author, a text and a time. Threads are not rebuilt.

CREATE VIEW expected.comments AS
SELECT s.id AS legacy_comment_id,
       profile.key IS NOT NULL AND s.body IS NOT NULL AND s.created_at IS NOT NULL AS applicable,
       s.user_id::text AS profile_id,
       NULL::uuid AS parent_comment_id,
       s.body,
       jsonb_build_object('plan_id', s.plan_id,
                          'legacy_table', s.legacy_table,
                          'legacy_parent_comment_id', s.parent_comment_id) AS metadata,
       true AS is_active,
       s.created_at,
       s.updated_at
  FROM legacy.dispatch_comment AS s
  LEFT JOIN arrived.profiles AS profile ON profile.key = s.user_id;

CREATE VIEW actual.comments AS
SELECT t.legacy_comment_id,
       NOT t.is_active AS marked,
       leads_to(t.profile_id, profile.id, profile.legacy_user_id::text) AS profile_id,
       t.parent_comment_id, t.body, t.metadata, t.is_active, t.created_at, t.updated_at
  FROM modern.comments AS t
  LEFT JOIN modern.profiles AS profile ON profile.id = t.profile_id
 WHERE t.legacy_comment_id IS NOT NULL;

-- system_messages: about an order (content type 7), a case (8), or something that is not carried over.
-- What leads to an order is written o1, to a case c1, so that one is never taken for the other.

CREATE VIEW expected.system_messages AS
SELECT s.id AS legacy_notification_id,
       s.created_at IS NOT NULL
           AND s.channel BETWEEN 0 AND 3
           AND CASE
                   WHEN s.item_id IS NULL THEN true
                   WHEN s.item_type_id = 7 THEN orders.key IS NOT NULL
                   WHEN s.item_type_id = 8 THEN cases.key IS NOT NULL
                   ELSE true
               END AS applicable,
       CASE s.item_type_id WHEN 7 THEN 'order' WHEN 8 THEN 'case' END AS item_type,
       CASE s.item_type_id WHEN 7 THEN 'o' || s.item_id WHEN 8 THEN 'c' || s.item_id END AS item_id,
       CASE s.item_type_id WHEN 7 THEN s.item_id::text END AS order_id,
       CASE s.item_type_id WHEN 8 THEN s.item_id::text END AS case_id,
       s.template::text AS template_key,
       as_jsonb(s.template_context) AS context,
       (ARRAY['email', 'sms', 'push', 'in_app'])[s.channel + 1] AS channel,
       s.is_read,
       s.sent_at,
       s.created_at
  FROM legacy.dispatch_notification AS s
  LEFT JOIN arrived.orders AS orders ON orders.key = s.item_id AND s.item_type_id = 7
  LEFT JOIN arrived.cases AS cases ON cases.key = s.item_id AND s.item_type_id = 8;

CREATE VIEW actual.system_messages AS
SELECT t.legacy_notification_id,
       t.item_type,
       leads_to(t.item_id, coalesce(item_order.id, item_case.id),
                coalesce('o' || item_order.legacy_instruction_id, 'c' || item_case.legacy_instance_id)) AS item_id,
       leads_to(t.order_id, orders.id, orders.legacy_instruction_id::text) AS order_id,
       leads_to(t.case_id, cases.id, cases.legacy_instance_id::text) AS case_id,
       t.template_key, t.context, t.channel::text, t.is_read, t.sent_at, t.created_at
  FROM modern.system_messages AS t
  LEFT JOIN modern.orders AS item_order ON item_order.id = t.item_id
  LEFT JOIN modern.cases AS item_case ON item_case.id = t.item_id
  LEFT JOIN modern.orders AS orders ON orders.id = t.order_id
  LEFT JOIN modern.cases AS cases ON cases.id = t.case_id
 WHERE t.legacy_notification_id IS NOT NULL;
