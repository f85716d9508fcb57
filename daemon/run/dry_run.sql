-- A dry run: a session within one transaction that is rolled back.

-- name: dry_begin
-- Target. The cursor is never read from: it is computed when the transaction is committed, and cannot be, so that nothing can commit it,
-- whatever goes wrong. Others may wait for what we have locked, so we wait briefly.
BEGIN ISOLATION LEVEL READ COMMITTED;
SET LOCAL lock_timeout = {lock_timeout};
SET LOCAL idle_in_transaction_session_timeout = {idle};
SET CONSTRAINTS ALL IMMEDIATE;
DECLARE never_commit NO SCROLL CURSOR WITH HOLD FOR SELECT 1 / (pg_catalog.random() * 0)::integer

-- name: dry_sequences
-- Target. Numbers that were taken stay taken when a transaction is rolled back, unless the sequence began anew in it. Those that
-- are used beside sessions are left as they are.
DO $dry$
DECLARE
  own record;
BEGIN
  FOR own IN
    SELECT s.sequencename, coalesce(s.last_value + s.increment_by, s.start_value) AS next
      FROM pg_catalog.pg_sequences AS s
     WHERE s.schemaname = 'migrated'
       AND s.sequencename !~ '^(command_audit|validation)'
  LOOP
    EXECUTE pg_catalog.format('ALTER SEQUENCE migrated.%I RESTART WITH %s', own.sequencename, own.next);
  END LOOP;
END
$dry$;
SELECT epoch
  FROM migrated.owner

-- name: dry_set_aside
-- Target. What could not be carried, by entity and cause.
SELECT d.entity,
       d.sqlstate,
       d.phase,
       d.constraint_name,
       d.column_name,
       pg_catalog.count(*)
  FROM migrated.dead_letter AS d
 WHERE d.session = $1
   AND d.state <> 'resolved'
 GROUP BY 1, 2, 3, 4, 5
 ORDER BY d.entity, pg_catalog.count(*) DESC, 2, 3, 4, 5

-- name: dry_rows_first
-- Target. The first few keys of each kind of change, and of what was not carried.
SELECT pg_catalog.row_number() OVER (ORDER BY pg_catalog.min(c.kind), pg_catalog.min(c.place)) AS place,
       c.legacy_key
  FROM (
        (SELECT ARRAY[{keys}] AS legacy_key, 0 AS kind, m.change AS place
           FROM (SELECT l.*, pg_catalog.row_number() OVER (PARTITION BY l.kind ORDER BY l.change) AS of_its_kind
                   FROM {change_log} AS l
                  WHERE l.session = {number}) AS m
          WHERE m.of_its_kind <= {most})
         UNION ALL
        (SELECT d.legacy_key, 1, pg_catalog.row_number() OVER (ORDER BY d.id)
           FROM migrated.dead_letter AS d
          WHERE d.entity = {entity}
            AND d.session = '{session}'
            AND d.state <> 'resolved'
          ORDER BY d.id
          LIMIT {most})
         UNION ALL
        (SELECT p.legacy_key, 2, pg_catalog.row_number() OVER (ORDER BY p.legacy_key)
           FROM migrated.parked AS p
          WHERE p.entity = {entity}
            AND p.session = '{session}'
          ORDER BY p.legacy_key
          LIMIT {most})
       ) AS c (legacy_key, kind, place)
 GROUP BY c.legacy_key

-- name: dry_rows_after
-- Target, within. What has become of these rows: each as an object of texts, in the order of the table's columns.
WITH wanted AS MATERIALIZED (
  SELECT f.place,
         f.legacy_key{typed}
    FROM ({found}) AS f (place, legacy_key)
)
SELECT w.legacy_key,
       CASE WHEN m.t1 IS NOT NULL THEN ARRAY[{targets}] END AS target_key,
       m.gone IS NOT NULL AS gone,
       (SELECT pg_catalog.json_object_agg(v.key, v.value)
          FROM pg_catalog.json_each_text(pg_catalog.row_to_json(t)) AS v) AS after,
       d.sqlstate,
       d.constraint_name,
       d.column_name,
       (SELECT p.parent_entity
          FROM migrated.parked AS p
         WHERE p.entity = {entity}
           AND p.legacy_key = w.legacy_key
           AND p.session = '{session}') AS waits_for
  FROM wanted AS w
  LEFT JOIN {id_map} AS m
    ON {m_is_w}
  LEFT JOIN {target} AS t
    ON {t_is_m}
  LEFT JOIN migrated.dead_letter AS d
    ON d.entity = {entity}
   AND d.legacy_key = w.legacy_key
   AND d.session = '{session}'
   AND d.state <> 'resolved'
 ORDER BY w.place

-- name: dry_rows_before
-- Target, outside. The same rows as they stand.
SELECT w.place,
       (SELECT pg_catalog.json_object_agg(v.key, v.value)
          FROM pg_catalog.json_each_text(pg_catalog.row_to_json(t)) AS v) AS before
  FROM (VALUES {places}) AS w (place{names})
  JOIN {target} AS t
    ON {t_is_w}
