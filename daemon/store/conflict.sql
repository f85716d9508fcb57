-- What is asked of rows that had been edited in the target. Answers are JSON as the control protocol has it; none of them holds
-- a row's values.

-- name: conflicts_list
-- $1 entity, $2 beginning of a session, $3 state, $4 limit; NULL: any. The rows, how many there are, and of the other states.
WITH asked AS MATERIALIZED (
  SELECT c.*
    FROM migrated.conflict AS c
   WHERE ($1::text IS NULL OR c.entity = $1)
     AND ($2::text IS NULL OR c.session::text LIKE pg_catalog.lower($2) || '%')
),
listed AS (
  SELECT c.*
    FROM asked AS c
   WHERE ($3::text IS NULL OR c.state = $3)
   ORDER BY c.updated_at DESC, c.id DESC
   LIMIT $4::bigint
)
SELECT pg_catalog.jsonb_build_object(
         'total', (SELECT pg_catalog.count(*) FROM asked AS c WHERE $3::text IS NULL OR c.state = $3),
         'conflicts', (SELECT coalesce(pg_catalog.jsonb_agg({conflict} ORDER BY c.updated_at DESC, c.id DESC), '[]') FROM listed AS c),
         'held', (SELECT pg_catalog.count(*) FROM asked AS c WHERE c.state = 'held'),
         'overwritten', (SELECT pg_catalog.count(*) FROM asked AS c WHERE c.state = 'overwritten'),
         'kept', (SELECT pg_catalog.count(*) FROM asked AS c WHERE c.state = 'kept'),
         'resolved', (SELECT pg_catalog.count(*) FROM asked AS c WHERE c.state = 'resolved'))

-- name: conflict_show
-- $1 its id. Where the target's row as it was can be read.
SELECT pg_catalog.jsonb_build_object(
         'conflict', {conflict},
         'before_sql', CASE WHEN c.before IS NOT NULL
                            THEN 'SELECT jsonb_pretty(before) FROM migrated.conflict WHERE id = ' || c.id END)
  FROM migrated.conflict AS c
 WHERE c.id = $1::bigint

-- name: conflict_json
-- One of them, c, without the row.
pg_catalog.jsonb_build_object(
           'id', c.id,
           'entity', c.entity,
           'legacy_key', c.legacy_key,
           'state', c.state,
           'policy', c.policy,
           'in_source', c.in_source,
           'in_target', c.in_target,
           'columns', c.columns,
           'session', c.session,
           'resolution', c.resolution,
           'resolved_by', c.resolved_by,
           'created', pg_catalog.to_char(c.created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
           'updated', pg_catalog.to_char(c.updated_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'))

-- name: conflicts_resolve
-- $1 ids, $2 entity (NULL: any), $3 source or target, $4 who decides. How many rows are to be carried again; the answer; an id that
-- there is not.
WITH missing AS (
  SELECT pg_catalog.min(i.id) AS id
    FROM pg_catalog.unnest($1::bigint[]) AS i (id)
   WHERE NOT EXISTS (SELECT FROM migrated.conflict AS c WHERE c.id = i.id)
),
asked AS MATERIALIZED (
  SELECT c.id
    FROM migrated.conflict AS c
   WHERE (SELECT m.id FROM missing AS m) IS NULL
     AND ($1::bigint[] IS NOT NULL AND c.id = ANY ($1) OR $1 IS NULL AND c.state = 'held')
     AND ($2::text IS NULL OR c.entity = $2)
),
decided AS MATERIALIZED (
  SELECT migrated.resolve_conflict(a.id, $3::text, $4::bigint) AS resolved
    FROM asked AS a
)
SELECT pg_catalog.count(*) FILTER (WHERE d.resolved AND $3 = 'source'),
       pg_catalog.jsonb_build_object(
         'resolved', pg_catalog.count(*) FILTER (WHERE d.resolved),
         'unaffected', pg_catalog.count(*) FILTER (WHERE NOT d.resolved)),
       (SELECT m.id FROM missing AS m)
  FROM decided AS d
