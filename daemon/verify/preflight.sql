-- The questions of the preflight. One a theme and side; those about tables take two arrays, schemas and names, in step.
-- They run on servers from 9.6 on, and write nothing.

-- name: preflight_server
-- Both sides. limit: connections this role may have; free: what others have left of the server's.
SELECT pg_catalog.current_setting('server_version'),
       pg_catalog.getdatabaseencoding(),
       current_user,
       d.datname,
       least(server.room,
             CASE WHEN r.rolconnlimit >= 0 AND NOT r.rolsuper THEN r.rolconnlimit END,
             CASE WHEN d.datconnlimit >= 0 AND NOT r.rolsuper THEN d.datconnlimit END) AS limit,
       server.room - (SELECT pg_catalog.count(*)
                        FROM pg_catalog.pg_stat_activity AS a
                       WHERE a.datid IS NOT NULL
                         AND a.application_name <> pg_catalog.current_setting('application_name')) AS free,
       pg_catalog.pg_is_in_recovery() AS recovering,
       pg_catalog.current_setting('default_transaction_read_only') = 'on' AS read_only
  FROM (SELECT pg_catalog.current_setting('max_connections')::integer
               - pg_catalog.current_setting('superuser_reserved_connections')::integer
               - coalesce(pg_catalog.current_setting('reserved_connections', true)::integer, 0) AS room) AS server
  JOIN pg_catalog.pg_database AS d
    ON d.datname = pg_catalog.current_database()
  JOIN pg_catalog.pg_roles AS r
    ON r.rolname = current_user

-- name: preflight_identity
-- Both sides.
SELECT c.system_identifier,
       d.oid,
       pg_catalog.date_part('epoch', pg_catalog.pg_postmaster_start_time()),
       pg_catalog.pg_is_in_recovery()
  FROM pg_catalog.pg_control_system() AS c
  JOIN pg_catalog.pg_database AS d
    ON d.datname = pg_catalog.current_database()

-- name: preflight_pooler_mark
-- Both sides. A setting stays with its backend, as a temporary table does; but nothing is written for it.
SELECT pg_catalog.set_config('migrated.preflight', $1, false),
       pg_catalog.pg_backend_pid()

-- name: preflight_pooler_look
-- Both sides, in a later transaction.
SELECT pg_catalog.current_setting('migrated.preflight', true),
       pg_catalog.pg_backend_pid()

-- name: preflight_source_tables
-- Source.
SELECT wanted.position,
       c.oid IS NOT NULL AS found,
       c.relkind IN ('r', 'p') AS plain,
       pg_catalog.has_schema_privilege(n.oid, 'USAGE'),
       pg_catalog.has_table_privilege(c.oid, 'SELECT'),
       pg_catalog.has_any_column_privilege(c.oid, 'SELECT'),
       pg_catalog.row_security_active(c.oid)
  FROM ROWS FROM (pg_catalog.unnest($1::text[]), pg_catalog.unnest($2::text[])) WITH ORDINALITY
         AS wanted (schema_name, table_name, position)
  LEFT JOIN pg_catalog.pg_namespace AS n
    ON n.nspname = wanted.schema_name
  LEFT JOIN pg_catalog.pg_class AS c
    ON c.relnamespace = n.oid
   AND c.relname = wanted.table_name
   AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
 ORDER BY wanted.position

-- name: preflight_read
-- Source. What the planner says of reading an entity; it looks at every privilege and policy and reads nothing.
SET LOCAL row_security = off;
EXPLAIN
SELECT {values}
  FROM {relation}
 WHERE {filter}

-- name: preflight_target_tables
-- Target. missing: what the role may not do; partly: what it may do with some columns only.
SELECT wanted.position,
       c.oid IS NOT NULL AS found,
       pg_catalog.has_schema_privilege(n.oid, 'USAGE'),
       (SELECT pg_catalog.string_agg(p.privilege, ', ')
          FROM (VALUES ('SELECT'), ('INSERT'), ('UPDATE')) AS p (privilege)
         WHERE NOT pg_catalog.has_any_column_privilege(c.oid, p.privilege)) AS missing,
       (SELECT pg_catalog.string_agg(p.privilege, ', ')
          FROM (VALUES ('SELECT'), ('INSERT'), ('UPDATE')) AS p (privilege)
         WHERE NOT pg_catalog.has_table_privilege(c.oid, p.privilege)
           AND pg_catalog.has_any_column_privilege(c.oid, p.privilege)) AS partly,
       pg_catalog.has_table_privilege(c.oid, 'DELETE'),
       pg_catalog.row_security_active(c.oid)
  FROM ROWS FROM (pg_catalog.unnest($1::text[]), pg_catalog.unnest($2::text[])) WITH ORDINALITY
         AS wanted (schema_name, table_name, position)
  LEFT JOIN pg_catalog.pg_namespace AS n
    ON n.nspname = wanted.schema_name
  LEFT JOIN pg_catalog.pg_class AS c
    ON c.relnamespace = n.oid
   AND c.relname = wanted.table_name
   AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
 ORDER BY wanted.position

-- name: preflight_control_schema
-- Target. foreign: what is in the schema and belongs to a role whose rights ours does not have.
SELECT pg_catalog.has_database_privilege(pg_catalog.current_database(), 'TEMPORARY'),
       pg_catalog.has_database_privilege(pg_catalog.current_database(), 'CREATE'),
       n.oid IS NOT NULL AS present,
       pg_catalog.has_schema_privilege(n.oid, 'USAGE') AND pg_catalog.has_schema_privilege(n.oid, 'CREATE'),
       (SELECT pg_catalog.count(*)
          FROM pg_catalog.pg_class AS c
         WHERE c.relnamespace = n.oid
           AND c.relkind IN ('r', 'v')
           AND NOT pg_catalog.pg_has_role(c.relowner, 'USAGE')) AS foreign
  FROM (VALUES (true)) AS one
  LEFT JOIN pg_catalog.pg_namespace AS n
    ON n.nspname = 'migrated'

-- name: preflight_source_key
-- Source. Where no index can vouch for it: does a key occur twice, is there a row without one?
SELECT EXISTS (SELECT 1 FROM {relation} WHERE {filter} GROUP BY {keys} HAVING pg_catalog.count(*) > 1),
       EXISTS (SELECT 1 FROM {relation} WHERE {filter} AND ({null_key}))

-- name: preflight_legacy_keys
-- Target. The columns that an index of a table begins with.
SELECT DISTINCT wanted.position,
       a.attname
  FROM ROWS FROM (pg_catalog.unnest($1::text[]), pg_catalog.unnest($2::text[])) WITH ORDINALITY
         AS wanted (schema_name, table_name, position)
  JOIN pg_catalog.pg_namespace AS n
    ON n.nspname = wanted.schema_name
  JOIN pg_catalog.pg_class AS c
    ON c.relnamespace = n.oid
   AND c.relname = wanted.table_name
  JOIN pg_catalog.pg_index AS i
    ON i.indrelid = c.oid
   AND i.indisvalid
   AND i.indpred IS NULL
  JOIN pg_catalog.pg_attribute AS a
    ON a.attrelid = c.oid
   AND a.attnum = i.indkey[0]

-- name: preflight_foreign_keys
-- Target. One row for each column of each foreign key, and whether an index begins with one of the key's columns.
SELECT wanted.position,
       k.conname,
       a.attname,
       pn.nspname,
       p.relname,
       EXISTS (SELECT
                 FROM pg_catalog.pg_index AS i
                WHERE i.indrelid = c.oid
                  AND i.indisvalid
                  AND i.indpred IS NULL
                  AND i.indkey[0] = ANY (k.conkey)) AS indexed
  FROM ROWS FROM (pg_catalog.unnest($1::text[]), pg_catalog.unnest($2::text[])) WITH ORDINALITY
         AS wanted (schema_name, table_name, position)
  JOIN pg_catalog.pg_namespace AS n
    ON n.nspname = wanted.schema_name
  JOIN pg_catalog.pg_class AS c
    ON c.relnamespace = n.oid
   AND c.relname = wanted.table_name
  JOIN pg_catalog.pg_constraint AS k
    ON k.conrelid = c.oid
   AND k.contype = 'f'
  JOIN pg_catalog.pg_class AS p
    ON p.oid = k.confrelid
  JOIN pg_catalog.pg_namespace AS pn
    ON pn.oid = p.relnamespace
  JOIN pg_catalog.pg_attribute AS a
    ON a.attrelid = c.oid
   AND a.attnum = ANY (k.conkey)
 ORDER BY wanted.position, k.conname, a.attnum

-- name: preflight_triggers
-- Target. Triggers of users that fire in a session such as ours.
SELECT wanted.position,
       pg_catalog.string_agg('"' || t.tgname || '"', ', ' ORDER BY t.tgname)
  FROM ROWS FROM (pg_catalog.unnest($1::text[]), pg_catalog.unnest($2::text[])) WITH ORDINALITY
         AS wanted (schema_name, table_name, position)
  JOIN pg_catalog.pg_namespace AS n
    ON n.nspname = wanted.schema_name
  JOIN pg_catalog.pg_class AS c
    ON c.relnamespace = n.oid
   AND c.relname = wanted.table_name
  JOIN pg_catalog.pg_trigger AS t
    ON t.tgrelid = c.oid
   AND NOT t.tgisinternal
   AND t.tgenabled IN ('O', 'A')
 GROUP BY wanted.position
 ORDER BY wanted.position

-- name: preflight_prepared
-- Source. The oldest first.
SELECT p.gid,
       p.owner,
       pg_catalog.to_char(p.prepared AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS "UTC"')
  FROM pg_catalog.pg_prepared_xacts AS p
 WHERE p.database = pg_catalog.current_database()
 ORDER BY p.prepared

-- name: preflight_statistics
-- Source. May the role see when other roles' transactions began? 9.6 has no such right but a superuser's.
SELECT EXISTS (SELECT
                 FROM pg_catalog.pg_roles AS r
                WHERE r.rolname = 'pg_read_all_stats'
                  AND pg_catalog.pg_has_role(r.oid, 'USAGE'))
    OR (SELECT r.rolsuper
          FROM pg_catalog.pg_roles AS r
         WHERE r.rolname = current_user)

-- name: preflight_disk
-- Source. What the tables take there, with indexes and partitions.
WITH RECURSIVE wanted AS (
  SELECT c.oid
    FROM ROWS FROM (pg_catalog.unnest($1::text[]), pg_catalog.unnest($2::text[])) AS named (schema_name, table_name)
    JOIN pg_catalog.pg_namespace AS n
      ON n.nspname = named.schema_name
    JOIN pg_catalog.pg_class AS c
      ON c.relnamespace = n.oid
     AND c.relname = named.table_name
   UNION
  SELECT i.inhrelid
    FROM wanted AS w
    JOIN pg_catalog.pg_inherits AS i
      ON i.inhparent = w.oid
)
SELECT coalesce(pg_catalog.sum(pg_catalog.pg_total_relation_size(oid)), 0)::bigint,
       pg_catalog.pg_size_pretty(2 * coalesce(pg_catalog.sum(pg_catalog.pg_total_relation_size(oid)), 0)),
       pg_catalog.pg_size_pretty(coalesce(pg_catalog.sum(pg_catalog.pg_total_relation_size(oid)), 0))
  FROM wanted

-- name: preflight_throttle_begin
-- Target.
BEGIN READ ONLY;
SET LOCAL statement_timeout = '2s';
SET LOCAL lock_timeout = '2s'

-- name: preflight_throttle
-- Target. As run/throttle.sql asks it.
SELECT (
{query}
)::double precision
 WHERE $1::boolean
