-- What is asked of rows that were set aside: dead letters. Answers are JSON as the control protocol has it, so that they pass
-- through the daemon as they are; none of them holds a row's values.

-- name: asides_known
-- Is there a control schema, one that keeps rows that are to be carried again, one that keeps conflicts, one that knows rollbacks?
SELECT pg_catalog.to_regclass('migrated.dead_letter') IS NOT NULL,
       pg_catalog.to_regclass('migrated.again') IS NOT NULL,
       pg_catalog.to_regclass('migrated.conflict') IS NOT NULL,
       pg_catalog.to_regclass('migrated.rollback_left') IS NOT NULL

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

-- name: letter_show
-- $1 its id. NULL: there is none. {queued}: whether it stands in migrated.again.
SELECT pg_catalog.jsonb_build_object(
         'letter', {letter},
         'discarded_by', CASE WHEN d.state = 'discarded' THEN pg_catalog.to_jsonb(d) -> 'decided_by' END,
         'discarded_at', CASE WHEN d.state = 'discarded'
                              THEN pg_catalog.to_char((pg_catalog.to_jsonb(d) ->> 'decided_at')::timestamptz AT TIME ZONE 'UTC',
                                                      'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') END,
         'kept', coalesce(pg_catalog.to_jsonb(d) -> 'row', 'null') <> 'null',
         'queued', {queued},
         'waiting', (SELECT pg_catalog.count(*)
                       FROM migrated.parked AS p
                      WHERE p.parent_entity = d.entity AND p.parent_key = d.legacy_key),
         'waiting_rows', (SELECT coalesce(pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object(
                                   'entity', p.entity,
                                   'legacy_key', p.legacy_key)
                                   ORDER BY p.entity, pg_catalog.length(p.legacy_key[1]), p.legacy_key), '[]')
                            FROM (SELECT p.entity, p.legacy_key
                                    FROM migrated.parked AS p
                                   WHERE p.parent_entity = d.entity AND p.parent_key = d.legacy_key
                                   ORDER BY p.entity, pg_catalog.length(p.legacy_key[1]), p.legacy_key
                                   LIMIT 10) AS p))
  FROM migrated.dead_letter AS d
 WHERE d.id = $1::bigint

-- name: letter_queued
EXISTS (SELECT FROM migrated.again AS g WHERE g.entity = d.entity AND g.legacy_key = d.legacy_key)

-- name: letters_decided
-- $1 ids, $2 entity, $3 beginning of a session, $4 beginning of a SQLSTATE (NULL: any), $5 who. Named by their ids, letters may be of
-- any state, else they are open ones; an id that there is not leaves all as it is.
WITH missing AS (
  SELECT i.id
    FROM pg_catalog.unnest($1::bigint[]) AS i (id)
   WHERE NOT EXISTS (SELECT FROM migrated.dead_letter AS d WHERE d.id = i.id)
),
asked AS (
  SELECT d.id,
         d.entity,
         d.legacy_key,
         d.state
    FROM migrated.dead_letter AS d
   WHERE ($1::bigint[] IS NULL OR d.id = ANY ($1::bigint[]))
     AND ($1::bigint[] IS NOT NULL OR d.state = 'open')
     AND ($2::text IS NULL OR d.entity = $2)
     AND ($3::text IS NULL OR d.session::text LIKE pg_catalog.lower($3) || '%')
     AND ($4::text IS NULL OR pg_catalog.starts_with(d.sqlstate, pg_catalog.upper($4)))
     AND NOT EXISTS (SELECT FROM missing)
),
{decided}
SELECT (SELECT pg_catalog.count(*) FROM done),
       pg_catalog.jsonb_build_object(
         'rows', (SELECT pg_catalog.count(*) FROM done),
         'passed_over', (SELECT pg_catalog.count(*) FROM asked) - (SELECT pg_catalog.count(*) FROM done)),
       (SELECT pg_catalog.min(m.id) FROM missing AS m)

-- name: letters_retry
-- Those that are not resolved; what was discarded is open again.
reopened AS (
  UPDATE migrated.dead_letter AS d
     SET state = 'open',
         decided_by = $5::bigint,
         decided_at = pg_catalog.now()
    FROM asked AS a
   WHERE d.id = a.id
     AND a.state = 'discarded'
),
done AS (
  INSERT INTO migrated.again AS g (entity, legacy_key, reason)
  SELECT a.entity, a.legacy_key, 'retry'
    FROM asked AS a
   WHERE a.state <> 'resolved'
      ON CONFLICT (entity, legacy_key) DO UPDATE
     SET requested_at = excluded.requested_at
  RETURNING 1
)

-- name: letters_discard
-- Those that are open; what was to be tried again is not.
done AS (
  UPDATE migrated.dead_letter AS d
     SET state = 'discarded',
         decided_by = $5::bigint,
         decided_at = pg_catalog.now()
    FROM asked AS a
   WHERE d.id = a.id
     AND d.state = 'open'
  RETURNING d.entity, d.legacy_key
),
forgotten AS (
  DELETE FROM migrated.again AS g
   USING done
   WHERE g.entity = done.entity
     AND g.legacy_key = done.legacy_key
     AND g.reason = 'retry'
)

-- name: parked_list
-- $1 entity, $2 the parent's entity, $3 limit; NULL: any. For each row, what is known of the parent it waits for.
WITH listed AS (
  SELECT p.entity,
         p.legacy_key,
         p.column_name,
         p.parent_entity,
         p.parent_key,
         p.session,
         p.since,
         p.mapped
    FROM migrated.parked AS p
   WHERE ($1::text IS NULL OR p.entity = $1)
     AND ($2::text IS NULL OR p.parent_entity = $2)
   ORDER BY p.parent_entity, pg_catalog.length(p.parent_key[1]), p.parent_key, p.entity, pg_catalog.length(p.legacy_key[1]), p.legacy_key
   LIMIT $3::bigint
)
SELECT pg_catalog.jsonb_build_object(
         'total', (SELECT pg_catalog.count(*)
                     FROM migrated.parked AS p
                    WHERE ($1::text IS NULL OR p.entity = $1)
                      AND ($2::text IS NULL OR p.parent_entity = $2)),
         'rows', (SELECT coalesce(pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object(
                           'entity', p.entity,
                           'legacy_key', p.legacy_key,
                           'column', p.column_name,
                           'parent_entity', p.parent_entity,
                           'parent_key', p.parent_key,
                           'session', p.session,
                           'since', pg_catalog.to_char(p.since AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
                           'mapped', p.mapped,
                           'parent_letter', (
                             SELECT {letter}
                               FROM migrated.dead_letter AS d
                              WHERE d.entity = p.parent_entity
                                AND d.legacy_key = p.parent_key
                                AND d.state IN ('open', 'discarded')),
                           'parent_waits_for', (
                             SELECT pg_catalog.jsonb_build_object('entity', q.parent_entity, 'legacy_key', q.parent_key)
                               FROM migrated.parked AS q
                              WHERE q.entity = p.parent_entity
                                AND q.legacy_key = p.parent_key))
                           ORDER BY p.parent_entity, pg_catalog.length(p.parent_key[1]), p.parent_key,
                                    p.entity, pg_catalog.length(p.legacy_key[1]), p.legacy_key), '[]')
                    FROM listed AS p))

-- name: again_waiting
-- Which entities have rows that are to be carried again, how many, and with what mapping the entity was migrated.
SELECT g.entity,
       pg_catalog.count(*),
       coalesce(pg_catalog.max(e.fingerprint), '')
  FROM migrated.again AS g
  LEFT JOIN migrated.entity AS e
    ON e.entity = g.entity
 GROUP BY g.entity
 ORDER BY g.entity

-- name: again_entities
-- $1 an analysis that found nothing, of which a session is to carry what was asked for again; $2 entities and $3 what their mapping is
-- now: those that were migrated with it take part. Neither watermark nor sweep is the entity's afterwards. Answers as analysis_entities.
INSERT INTO migrated.analysis_entity (analysis, entity, strategy, whole, observed)
SELECT $1::uuid,
       m.entity,
       'again',
       false,
       0
  FROM ROWS FROM (pg_catalog.unnest($2::text[]), pg_catalog.unnest($3::text[])) AS m (entity, fingerprint)
  JOIN migrated.entity AS e
    ON e.entity = m.entity
   AND e.fingerprint = m.fingerprint
    ON CONFLICT (analysis, entity) DO UPDATE
   SET strategy = excluded.strategy
RETURNING entity, whole, added, modified, deleted, rows, strategy

-- name: letters_of_batch
-- $1 session, $2 entity, $3 batch, $4 how many at most, beside the first of each kind: what it has set aside, for the log.
SELECT l.legacy_key, l.phase, l.sqlstate, l.name, l.message, l.kind, l.nth = 1
  FROM (SELECT d.id,
               pg_catalog.array_to_string(d.legacy_key, ',', '') AS legacy_key,
               d.phase,
               d.sqlstate,
               coalesce(d.constraint_name, d.column_name) AS name,
               d.message,
               pg_catalog.concat_ws(' ', d.phase, d.sqlstate, d.constraint_name, d.column_name) AS kind,
               pg_catalog.row_number() OVER (PARTITION BY d.phase, d.sqlstate, d.constraint_name, d.column_name ORDER BY d.id) AS nth,
               pg_catalog.row_number() OVER (ORDER BY d.id) AS ordinal
          FROM migrated.dead_letter AS d
         WHERE d.session = $1::uuid
           AND d.entity = $2
           AND d.batch = $3::integer) AS l
 WHERE l.nth = 1
    OR l.ordinal <= $4::bigint
 ORDER BY l.id
