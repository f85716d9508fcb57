-- What is asked of rows that were set aside: dead letters. Answers are JSON as the control protocol has it, so that they pass
-- through the daemon as they are; none of them holds a row's values.

-- name: asides_known
-- Is there a control schema, and one that keeps rows that are to be carried again?
SELECT pg_catalog.to_regclass('migrated.dead_letter') IS NOT NULL,
       pg_catalog.to_regclass('migrated.again') IS NOT NULL

-- name: letters_list
-- $1 entity, $2 beginning of a session, $3 beginning of a SQLSTATE, $4 state, $5 limit; NULL: any.
WITH kinds AS MATERIALIZED (
  SELECT d.entity,
         d.sqlstate,
         d.phase,
         d.constraint_name,
         d.column_name,
         pg_catalog.count(*) AS rows
    FROM migrated.dead_letter AS d
   WHERE {asked}
   GROUP BY d.entity, d.sqlstate, d.phase, d.constraint_name, d.column_name
),
letters AS (
  SELECT d.*
    FROM migrated.dead_letter AS d
   WHERE {asked}
   ORDER BY d.updated_at DESC, d.id DESC
   LIMIT $5::bigint
)
SELECT pg_catalog.jsonb_build_object(
         'total', (SELECT coalesce(pg_catalog.sum(k.rows), 0) FROM kinds AS k),
         'letters', (SELECT coalesce(pg_catalog.jsonb_agg({letter} ORDER BY d.updated_at DESC, d.id DESC), '[]') FROM letters AS d),
         'counts', (SELECT coalesce(pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object(
                             'entity', k.entity,
                             'sqlstate', k.sqlstate,
                             'phase', k.phase,
                             'constraint', k.constraint_name,
                             'column', k.column_name,
                             'rows', k.rows) ORDER BY k.rows DESC, k.entity, k.sqlstate), '[]')
                      FROM (SELECT * FROM kinds ORDER BY rows DESC, entity, sqlstate LIMIT 20) AS k))

-- name: letters_asked
($1::text IS NULL OR d.entity = $1)
     AND ($2::text IS NULL OR d.session::text LIKE pg_catalog.lower($2) || '%')
     AND ($3::text IS NULL OR pg_catalog.starts_with(d.sqlstate, pg_catalog.upper($3)))
     AND ($4::text IS NULL OR d.state = $4)

-- name: letter_json
-- One dead letter, d, without the row.
pg_catalog.jsonb_build_object(
           'id', d.id,
           'entity', d.entity,
           'legacy_key', d.legacy_key,
           'state', d.state,
           'sqlstate', d.sqlstate,
           'constraint', d.constraint_name,
           'column', d.column_name,
           'message', d.message,
           'session', d.session,
           'phase', d.phase,
           'attempts', d.attempts,
           'created', pg_catalog.to_char(d.created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
           'updated', pg_catalog.to_char(d.updated_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
           'mapped', d.mapped)
