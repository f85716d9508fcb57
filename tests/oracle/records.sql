-- What ought to hold of the tables that share a source: histories and content records.

-- One history, split by content type: 7 is an order, 8 a case, and of the rest nothing is carried over.

CREATE VIEW expected.order_states AS
SELECT s.id AS legacy_state_id,
       orders.key IS NOT NULL AND s.status BETWEEN 0 AND 5 AND s.changed_at IS NOT NULL AS applicable,
       s.object_id::text AS order_id,
       (ARRAY['draft', 'sent', 'accepted', 'in_production', 'shipped', 'cancelled'])[s.status + 1] AS status,
       s.comment AS note,
       jsonb_build_object('changed_by', s.changed_by_id, 'automatic', s.changed_by_id IS NULL) AS metadata,
       true AS is_active,
       s.changed_at
  FROM legacy.dispatch_state AS s
  LEFT JOIN arrived.orders AS orders ON orders.key = s.object_id
 WHERE s.content_type_id = 7;

CREATE VIEW actual.order_states AS
SELECT t.legacy_state_id,
       NOT t.is_active AS marked,
       leads_to(t.order_id, orders.id, orders.legacy_instruction_id::text) AS order_id,
       t.status::text, t.note, t.metadata, t.is_active, t.changed_at
  FROM modern.order_states AS t
  LEFT JOIN modern.orders AS orders ON orders.id = t.order_id
 WHERE t.legacy_state_id IS NOT NULL;

CREATE VIEW expected.case_states AS
SELECT s.id AS legacy_state_id,
       cases.key IS NOT NULL AND s.status BETWEEN 0 AND 4 AND s.changed_at IS NOT NULL AS applicable,
       s.object_id::text AS case_id,
       (ARRAY['open', 'waiting', 'in_work', 'done', 'rejected'])[s.status + 1] AS status,
       s.comment AS note,
       true AS is_active,
       s.changed_at
  FROM legacy.dispatch_state AS s
  LEFT JOIN arrived.cases AS cases ON cases.key = s.object_id
 WHERE s.content_type_id = 8;

CREATE VIEW actual.case_states AS
SELECT t.legacy_state_id,
       NOT t.is_active AS marked,
       leads_to(t.case_id, cases.id, cases.legacy_instance_id::text) AS case_id,
       t.status::text, t.note, t.is_active, t.changed_at
  FROM modern.case_states AS t
  LEFT JOIN modern.cases AS cases ON cases.id = t.case_id
 WHERE t.legacy_state_id IS NOT NULL;

-- Content records, by the model's name; their object_id is text and need not be a number.

CREATE VIEW expected.order_records AS
SELECT s.id AS legacy_record_id,
       orders.key IS NOT NULL AS applicable,
       s.object_id::text AS order_id,
       lower(s.record_type) AS kind,
       coalesce(as_jsonb(s.payload), CASE WHEN s.payload IS NOT NULL THEN wrapped(s.payload) END) AS payload,
       true AS is_active,
       s.created_at,
       s.updated_at
  FROM legacy.dispatch_content_record AS s
  LEFT JOIN arrived.orders AS orders ON orders.key::text = s.object_id
 WHERE s.content_type_id IN (SELECT id FROM legacy.django_content_type
                              WHERE (app_label, model) = ('dispatch', 'instruction'));

CREATE VIEW actual.order_records AS
SELECT t.legacy_record_id,
       NOT t.is_active AS marked,
       leads_to(t.order_id, orders.id, orders.legacy_instruction_id::text) AS order_id,
       t.kind, t.payload, t.is_active, t.created_at, t.updated_at
  FROM modern.order_records AS t
  LEFT JOIN modern.orders AS orders ON orders.id = t.order_id
 WHERE t.legacy_record_id IS NOT NULL;

CREATE VIEW expected.case_records AS
SELECT s.id AS legacy_record_id,
       cases.key IS NOT NULL AS applicable,
       s.object_id::text AS case_id,
       lower(s.record_type) AS kind,
       as_jsonb(s.payload) AS payload,
       true AS is_active,
       s.created_at,
       s.updated_at
  FROM legacy.dispatch_content_record AS s
  LEFT JOIN arrived.cases AS cases ON cases.key::text = s.object_id
 WHERE s.content_type_id IN (SELECT id FROM legacy.django_content_type
                              WHERE (app_label, model) = ('dispatch', 'instance'));

CREATE VIEW actual.case_records AS
SELECT t.legacy_record_id,
       NOT t.is_active AS marked,
       leads_to(t.case_id, cases.id, cases.legacy_instance_id::text) AS case_id,
       t.kind, t.payload, t.is_active, t.created_at, t.updated_at
  FROM modern.case_records AS t
  LEFT JOIN modern.cases AS cases ON cases.id = t.case_id
 WHERE t.legacy_record_id IS NOT NULL;
