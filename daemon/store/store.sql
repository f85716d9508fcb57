-- What the daemon asks of the control schema. $n are parameters.

-- name: schema_version
SELECT pg_catalog.to_regclass('migrated.schema_version') IS NOT NULL AS present,
       pg_catalog.has_database_privilege(pg_catalog.current_database(), 'CREATE') AS may_create,
       current_user AS role

-- name: schema_versions
SELECT version, name
  FROM migrated.schema_version
 ORDER BY version

-- name: id_map
-- One entity's id map; {holes} by prepare.c.
CREATE TABLE IF NOT EXISTS {id_map} (
  {key_columns},
  {target_columns},
  h1 bigint,
  h2 bigint,
  session integer,
  gone timestamptz,
  i1 bigint,
  w1 bigint,
  w2 bigint,
  PRIMARY KEY ({keys})
);
COMMENT ON TABLE {id_map} IS {comment};
COMMENT ON COLUMN {id_map}.h1 IS 'Hash of the source row as last handled; NULL: adopted, not compared yet';
COMMENT ON COLUMN {id_map}.session IS 'Number of the session that mapped the row (migrated.session.number); NULL: adopted';
COMMENT ON COLUMN {id_map}.gone IS 'When the source row was found deleted';
COMMENT ON COLUMN {id_map}.i1 IS 'Hash of the source row''s identity columns; NULL: not known';
COMMENT ON COLUMN {id_map}.w1 IS 'Hash of the mapped columns of the target row as it stood after we wrote it, 0: there was none; NULL: not known';
COMMENT ON COLUMN {id_map}.w2 IS 'The h1 that w1 is of, or that was decided against since (on_conflict: hold, last_writer_wins)';
{target_index}

-- name: seen
-- The view of what has been seen of an entity's source.
CREATE OR REPLACE VIEW {seen} AS
SELECT {keys}, h1, h2
  FROM {id_map}
 WHERE gone IS NULL
 UNION ALL
SELECT {from_text}, h1, h2
  FROM migrated.dead_letter
 WHERE entity = {entity}
   AND state IN ('open', 'discarded')
   AND NOT mapped
 UNION ALL
SELECT {from_text}, h1, h2
  FROM migrated.parked
 WHERE entity = {entity}
   AND NOT mapped;
COMMENT ON VIEW {seen} IS 'Every source row that was applied or set aside, with the hash of that version';

-- name: entity
INSERT INTO migrated.entity (entity)
VALUES ({entity})
    ON CONFLICT (entity) DO NOTHING;
SELECT migrated.guard_id_map({entity});
SELECT migrated.prepare_change_log({entity});
SELECT migrated.set_identity({entity}, {identity});
SELECT migrated.written_is({entity}, {target}, ARRAY[{target_names}]::text[], ARRAY[{written_names}]::text[], {written_hash});

-- name: views
SELECT relname
  FROM pg_catalog.pg_class
 WHERE relnamespace = 'migrated'::regnamespace
   AND relkind = 'v'

-- name: known
-- From now on its rows are accounted for.
INSERT INTO migrated.known_id_map (entity, relation, storage, rows, counted_at)
SELECT {entity},
       c.oid,
       c.relfilenode,
       (SELECT pg_catalog.count(*) FROM {id_map}),
       pg_catalog.now()
  FROM pg_catalog.pg_class AS c
 WHERE c.oid = '{id_map}'::regclass
   AND NOT EXISTS (SELECT FROM migrated.known_id_map WHERE entity = {entity});

-- name: adopt
-- Rows that carried a legacy key before us are taken into the id map as they are, once.
INSERT INTO {id_map} ({keys}, {target_keys})
SELECT {legacy}, {targets}
  FROM {target} AS t
  JOIN migrated.entity AS e
    ON e.entity = {entity}
   AND e.adopted_at IS NULL
 WHERE {legacy_present}{unique_only}
    ON CONFLICT ({keys}) DO NOTHING;
UPDATE migrated.entity
   SET adopted_at = pg_catalog.now()
 WHERE entity = {entity}
   AND adopted_at IS NULL;

-- name: entity_states
-- What is known of each entity.
SELECT e.entity,
       e.fingerprint,
       e.rows_per_second,
       e.last_migrated
  FROM migrated.entity AS e

-- name: analysis_insert
-- Also says of which source sessions have been completed.
INSERT INTO migrated.analysis (analysis, source)
VALUES ($1, $2)
RETURNING (SELECT s.identity FROM migrated.source AS s)

-- name: analysis_entity_insert
WITH looked AS (
  UPDATE migrated.entity
     SET last_detected = pg_catalog.clock_timestamp()
   WHERE entity = $2
)
INSERT INTO migrated.analysis_entity (analysis, entity, strategy, whole, added, modified, deleted, rows, watermark)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
    ON CONFLICT (analysis, entity) DO UPDATE
   SET strategy = excluded.strategy,
       whole = excluded.whole,
       added = excluded.added,
       modified = excluded.modified,
       deleted = excluded.deleted,
       rows = excluded.rows,
       watermark = excluded.watermark,
       observed = excluded.observed

-- name: analysis_finish
UPDATE migrated.analysis
   SET finished_at = pg_catalog.clock_timestamp()
 WHERE analysis = $1

-- name: analysis_last
-- The newest finished analysis, if it found anything, that no session has carried out and that is newer than every session.
SELECT a.analysis
  FROM migrated.analysis AS a
 WHERE a.finished_at IS NOT NULL
   AND EXISTS (
         SELECT FROM migrated.analysis_entity AS e
          WHERE e.analysis = a.analysis
            AND (e.whole OR e.added + e.modified + e.deleted > 0))
   AND NOT EXISTS (
         SELECT FROM migrated.session AS s
          WHERE s.analysis = a.analysis
             OR s.started_at > a.created_at)
 ORDER BY a.created_at DESC
 LIMIT 1

-- name: analysis_find
SELECT analysis
  FROM migrated.analysis
 WHERE finished_at IS NOT NULL
   AND analysis::text LIKE $1 || '%'
 LIMIT 2

-- name: analysis_entities
SELECT entity, whole, added, modified, deleted, rows, strategy
  FROM migrated.analysis_entity
 WHERE analysis = $1

-- name: analyses_expire
-- Analyses that nobody can carry out any more, but the last few.
DELETE FROM migrated.analysis AS a
 WHERE NOT EXISTS (SELECT FROM migrated.session AS s WHERE s.analysis = a.analysis)
   AND a.created_at < (SELECT pg_catalog.min(kept.created_at)
                         FROM (SELECT created_at FROM migrated.analysis ORDER BY created_at DESC LIMIT 20) AS kept)

-- name: sessions_expire
-- Sessions that moved nothing and are over, but the last thousand: what cycles with nothing to do leave behind.
DELETE FROM migrated.session AS s
 WHERE s.state IN ('completed', 'failed', 'cancelled')
   AND s.number < (SELECT pg_catalog.max(number) - 1000 FROM migrated.session)
   AND NOT EXISTS (SELECT FROM migrated.batch AS b WHERE b.session = s.session)

-- name: images_expire
-- Before-images of sessions that ended longer ago than $1 milliseconds, the oldest $2 of them. Changes are numbered on from session to
-- session, so the oldest images are those of the oldest session. Fewer than asked for are all: then these sessions have none any more.
WITH expired AS MATERIALIZED (
  SELECT pg_catalog.max(s.number) AS number
    FROM migrated.session AS s
   WHERE s.images_expired_at IS NULL
     AND s.finished_at < pg_catalog.clock_timestamp() - $1::bigint * interval '1 millisecond'
),
oldest AS MATERIALIZED (
  SELECT i.change, i.session
    FROM migrated.before_image AS i
   WHERE (SELECT e.number FROM expired AS e) IS NOT NULL
   ORDER BY i.change
   LIMIT $2::bigint
),
removed AS (
  DELETE FROM migrated.before_image AS i
   USING oldest AS o, expired AS e
   WHERE i.change = o.change
     AND o.session <= e.number
  RETURNING 1
),
marked AS (
  UPDATE migrated.session AS s
     SET images_expired_at = pg_catalog.clock_timestamp()
    FROM expired AS e
   WHERE s.number <= e.number
     AND s.images_expired_at IS NULL
     AND (SELECT pg_catalog.count(*) FROM removed) < $2::bigint
)
SELECT pg_catalog.count(*)
  FROM removed

-- name: session_insert
INSERT INTO migrated.session (session, mode, state, options, analysis)
VALUES ($1, $2, 'pending', $3, $4)
RETURNING number, created_at

-- name: session_open
-- Paused before it began, it begins paused.
UPDATE migrated.session
   SET analysis = $2,
       mode = $3,
       state = CASE WHEN state = 'pending' THEN 'running' ELSE state END,
       started_at = coalesce(started_at, pg_catalog.clock_timestamp())
 WHERE session = $1
   AND state IN ('pending', 'running', 'paused')

-- name: session_keep
-- What holds an unfinished session, and what was asked of it. Its analysis ($9) is never taken away again.
UPDATE migrated.session
   SET state = CASE WHEN $2::text IS NOT NULL THEN 'paused'
                    WHEN started_at IS NULL THEN 'pending'
                    ELSE 'running' END,
       hold = $2,
       reason = $3,
       cancelling = $4,
       steered = coalesce($5::jsonb, steered),
       breach = $6,
       approved = coalesce($7::jsonb, approved),
       active_ms = $8,
       active_since = CASE WHEN $2 IS NULL THEN pg_catalog.clock_timestamp() END,
       analysis = coalesce($9::uuid, analysis)
 WHERE session = $1
   AND state IN ('pending', 'running', 'paused')

-- name: session_end
-- Its entities that are not over end with it when it was cancelled. Completed, its source is the one to go on with.
WITH source AS (
  INSERT INTO migrated.source (identity)
  SELECT a.source
    FROM migrated.session AS s
    JOIN migrated.analysis AS a
      ON a.analysis = s.analysis
   WHERE s.session = $1
     AND $2 = 'completed'
     AND a.source IS NOT NULL
      ON CONFLICT (one) DO UPDATE
     SET identity = excluded.identity,
         since = excluded.since
   WHERE migrated.source.identity <> excluded.identity
),
entities AS (
  UPDATE migrated.session_entity
     SET state = 'cancelled',
         reason = $3,
         finished_at = pg_catalog.clock_timestamp()
   WHERE session = $1
     AND $2 = 'cancelled'
     AND state IN ('pending', 'running', 'paused')
)
UPDATE migrated.session
   SET state = $2,
       reason = $3,
       hold = NULL,
       cancelling = false,
       finished_at = pg_catalog.clock_timestamp()
 WHERE session = $1

-- name: session_is_unfinished
-- Asked before the control schema is upgraded.
SELECT session, mode
  FROM migrated.session
 WHERE state IN ('pending', 'running', 'paused')
 LIMIT 1

-- name: session_unfinished
SELECT session,
       number,
       analysis,
       mode,
       state,
       options,
       (pg_catalog.date_part('epoch', created_at) * 1000000)::bigint,
       (pg_catalog.date_part('epoch', started_at) * 1000000)::bigint,
       reason,
       CASE WHEN state = 'paused' THEN coalesce(hold, 'operator') END,
       cancelling,
       steered,
       breach,
       approved,
       -- What was done last shows how far the time ran that nobody could keep any more.
       active_ms + greatest(0, coalesce((pg_catalog.date_part('epoch', (
         SELECT pg_catalog.max(b.finished_at)
           FROM migrated.batch AS b
          WHERE b.session = s.session) - active_since) * 1000)::bigint, 0))
  FROM migrated.session AS s
 WHERE state IN ('pending', 'running', 'paused')
 ORDER BY created_at
 LIMIT 1

-- name: session_record
-- Beside what it does: what it is made with, once in each life of the daemon.
UPDATE migrated.session
   SET circumstances = $2,
       lives = lives + 1
 WHERE session = $1

-- name: session_record_again
UPDATE migrated.session
   SET circumstances = $2
 WHERE session = $1

-- name: session_entity_insert
-- From now on what was counted before is not true any more, unless it is over already; an id map of more than $12 rows is not counted.
WITH found AS MATERIALIZED (
  SELECT migrated.live_before($2, $12) AS live,
         $6 IN ('completed', 'failed', 'cancelled') AS over
),
opened AS (
  UPDATE migrated.known_id_map AS k
     SET live = CASE WHEN f.over THEN f.live END
    FROM found AS f
   WHERE k.entity = $2
)
INSERT INTO migrated.session_entity (session, entity, level, whole, total, state, reason,
                                     source, target, refers_to, deferred_to, rows_before, rows_after)
SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, f.live, CASE WHEN f.over THEN f.live END
  FROM found AS f
    ON CONFLICT (session, entity) DO NOTHING

-- name: session_entities
-- The entities of a session with what their batches have done so far.
SELECT e.entity,
       e.whole,
       e.state,
       e.reason,
       e.total,
       e.counted,
       coalesce(b.inserted, 0),
       coalesce(b.updated, 0),
       coalesce(b.unchanged, 0),
       coalesce(b.deleted, 0),
       coalesce(b.failed, 0),
       coalesce(b.parked, 0),
       coalesce(b.warned, 0),
       coalesce(b.overwritten, 0),
       coalesce(b.kept, 0),
       coalesce(b.held, 0),
       e.retries,
       e.timings,
       e.differences,
       e.unchecked,
       e.level
  FROM migrated.session_entity AS e
  LEFT JOIN (
         SELECT entity,
                pg_catalog.sum(inserted) AS inserted,
                pg_catalog.sum(updated) AS updated,
                pg_catalog.sum(unchanged) AS unchanged,
                pg_catalog.sum(deleted) AS deleted,
                pg_catalog.sum(failed) AS failed,
                pg_catalog.sum(parked) AS parked,
                pg_catalog.sum(warned) AS warned,
                pg_catalog.sum(overwritten) AS overwritten,
                pg_catalog.sum(kept) AS kept,
                pg_catalog.sum(held) AS held
           FROM migrated.batch
          WHERE session = $1
          GROUP BY entity) AS b
    ON b.entity = e.entity
 WHERE e.session = $1

-- name: session_entity_state
-- Once it is over its rows are counted, unless there are more than $7.
WITH counted AS MATERIALIZED (
  SELECT CASE WHEN $3 IN ('completed', 'failed', 'cancelled') THEN migrated.count_live($2, $7) END AS live
),
kept AS (
  UPDATE migrated.known_id_map AS k
     SET live = c.live
    FROM counted AS c
   WHERE k.entity = $2
)
UPDATE migrated.session_entity AS e
   SET state = $3,
       reason = $4,
       started_at = CASE WHEN $3 = 'running' THEN coalesce(e.started_at, pg_catalog.clock_timestamp()) ELSE e.started_at END,
       finished_at = CASE WHEN $3 IN ('completed', 'failed', 'cancelled') THEN pg_catalog.clock_timestamp() END,
       retries = greatest(e.retries, $5),
       timings = $6,
       rows_after = c.live
  FROM counted AS c
 WHERE e.session = $1
   AND e.entity = $2

-- name: entity_migrated
-- An entity's part is complete; when all of it was read ($4), its hashes are those of this mapping now. The watermark is that of the
-- session's analysis ($5), unless the one that is kept is of a later look: then this session has carried out an older analysis. What was
-- to be carried again, and was not there when all was read, is not there any more.
WITH asked AS (
  DELETE FROM migrated.again AS g
   USING migrated.analysis AS a
   WHERE $4::boolean
     AND g.entity = $1
     AND a.analysis = $5::uuid
     AND g.requested_at < a.created_at
)
UPDATE migrated.entity AS e
   SET fingerprint = CASE WHEN $4::boolean THEN $2 ELSE e.fingerprint END,
       last_migrated = pg_catalog.clock_timestamp(),
       rows_per_second = coalesce($3::double precision, e.rows_per_second),
       watermark = CASE WHEN looked.observed > e.observed THEN looked.watermark ELSE e.watermark END,
       observed = greatest(looked.observed, e.observed),
       last_sweep = greatest(looked.swept, e.last_sweep)
  FROM (VALUES ($1, $5::uuid)) AS complete (entity, analysis)
  LEFT JOIN (
         SELECT ae.analysis,
                ae.entity,
                ae.watermark,
                ae.observed,
                CASE WHEN ae.strategy = 'sweep' THEN a.created_at END AS swept
           FROM migrated.analysis_entity AS ae
           JOIN migrated.analysis AS a
             ON a.analysis = ae.analysis) AS looked
    ON looked.analysis = complete.analysis
   AND looked.entity = complete.entity
 WHERE e.entity = complete.entity

-- name: last_session_age
-- In milliseconds; NULL: there was none.
SELECT (pg_catalog.date_part('epoch', pg_catalog.clock_timestamp() - pg_catalog.max(created_at)) * 1000)::bigint
  FROM migrated.session

-- name: unpark
-- Rows that are to be tried again are brought along, as if detection had found them: those that were asked for (a deletion that was
-- refused, or held, is a deletion again); parked ones whose parent has come, one branch for each parent ({parents}); and dead letters that
-- other rows may have stood in the way of (unique, foreign key, exclusion), when rows of the same entity or of its parents
-- ({related}) have changed since, or are about to; some at a time. A rule of the target's row ({after_rules}) may have asked any
-- other row.
WITH wanted AS (
  SELECT g.legacy_key,
         CASE WHEN d.phase = 'delete' OR g.reason = 'deletion' THEN 'deleted' ELSE 'again' END AS kind
    FROM migrated.again AS g
    LEFT JOIN migrated.dead_letter AS d
      ON d.entity = g.entity
     AND d.legacy_key = g.legacy_key
     AND d.state = 'open'
   WHERE g.entity = {entity}
{parents} UNION ALL
(SELECT d.legacy_key, 'unparked'
   FROM migrated.dead_letter AS d
  WHERE d.entity = {entity}
    AND d.state = 'open'
    AND d.phase <> 'delete'
    AND (d.sqlstate IN ('23503', '23505', '23P01')
         OR d.phase = 'rule' AND d.constraint_name = ANY (ARRAY[{after_rules}]::text[]))
    AND (EXISTS (SELECT FROM migrated.batch AS b
                  WHERE (d.phase = 'rule' OR b.entity = ANY (ARRAY[{related}]))
                    AND b.finished_at > d.updated_at
                    AND b.inserted + b.updated + b.deleted > 0)
         OR EXISTS (SELECT FROM migrated.change AS c
                     WHERE c.analysis = {analysis} AND c.entity = d.entity))
    AND NOT EXISTS (SELECT FROM migrated.change AS c
                     WHERE c.analysis = {analysis} AND c.entity = d.entity AND c.legacy_key = d.legacy_key)
  ORDER BY d.updated_at
  LIMIT 1000)
),
waiting AS (
  SELECT w.legacy_key,
         pg_catalog.min(w.kind) AS kind
    FROM wanted AS w
   WHERE NOT EXISTS (SELECT FROM migrated.change AS c
                      WHERE c.analysis = {analysis} AND c.entity = {entity} AND c.legacy_key = w.legacy_key)
   GROUP BY w.legacy_key
)
INSERT INTO migrated.change (analysis, entity, ordinal, legacy_key, kind)
SELECT {analysis},
       {entity},
       (SELECT coalesce(pg_catalog.max(c.ordinal), 0)
          FROM migrated.change AS c
         WHERE c.analysis = {analysis} AND c.entity = {entity}) + pg_catalog.row_number() OVER (ORDER BY w.legacy_key),
       w.legacy_key,
       w.kind
  FROM waiting AS w;

-- name: unpark_parent
-- Parked rows whose parent of one entity is in its id map.
 UNION ALL
SELECT p.legacy_key, 'unparked'
  FROM migrated.parked AS p
  JOIN {id_map} AS m
    ON {m_is_p}{present}
 WHERE p.entity = {entity}
   AND p.parent_entity = {parent}

-- name: count_changes
-- The change set is complete: from now on it is part of what there is to do. Done once.
UPDATE migrated.session_entity AS e
   SET counted = true,
       total = CASE WHEN e.whole THEN e.total ELSE 0 END
             + (SELECT pg_catalog.count(*)
                  FROM migrated.change AS c
                 WHERE c.analysis = $3::uuid
                   AND c.entity = $2
                   AND (c.kind = 'deleted' OR NOT e.whole))
 WHERE e.session = $1
   AND e.entity = $2
   AND NOT e.counted

-- name: plan_stands
-- How much there is to do, and how far it is planned; waits for whoever is planning it.
SELECT e.total,
       e.planned_to,
       e.keys_to,
       e.deletes_to,
       CASE WHEN e.whole
            THEN e.ranges_planned
            ELSE NOT EXISTS (SELECT FROM migrated.change AS c
                              WHERE c.analysis = $3::uuid AND c.entity = e.entity
                                AND c.ordinal > e.keys_to AND c.kind <> 'deleted')
       END AS moves_planned,
       NOT EXISTS (SELECT FROM migrated.change AS c
                    WHERE c.analysis = $3::uuid AND c.entity = e.entity
                      AND c.ordinal > e.deletes_to AND c.kind = 'deleted') AS deletes_planned,
       (SELECT pg_catalog.count(*)
          FROM migrated.set_aside AS a
         WHERE a.entity = e.entity) AS aside,
       e.whole
       AND NOT EXISTS (SELECT FROM migrated.entity AS n
                        WHERE n.entity = e.entity AND n.fingerprint IS NOT NULL) AS first
  FROM migrated.session_entity AS e
 WHERE e.session = $1
   AND e.entity = $2
   FOR UPDATE

-- name: set_aside_of
-- How many things bulk mode has set aside of an entity's table, and how many indexes are among them.
SELECT pg_catalog.count(*),
       pg_catalog.count(*) FILTER (WHERE a.kind = 'index')
  FROM migrated.set_aside AS a
 WHERE a.entity = $1

-- name: set_aside_left
-- What bulk mode has set aside and is yet to be put back, with whether a session is at it.
SELECT a.entity,
       a.table_name,
       a.kind,
       a.name,
       (pg_catalog.date_part('epoch', a.set_aside_at) * 1000000)::bigint,
       a.problem,
       EXISTS (SELECT FROM migrated.session AS s WHERE s.session = a.session AND s.finished_at IS NULL),
       a.refused_in
  FROM migrated.set_aside AS a
 ORDER BY a.place

-- name: set_aside_known
-- Is the control schema of a version that knows of it?
SELECT pg_catalog.to_regclass('migrated.set_aside') IS NOT NULL

-- name: set_aside_problem
-- Why nothing of it can be put back now.
UPDATE migrated.set_aside AS a
   SET problem = $1
 WHERE a.refused_in IS NULL
   AND a.problem IS DISTINCT FROM $1

-- name: plan_ranges
SELECT number, kind, low, high
  FROM migrated.plan_ranges($1, $2, $3, $4)
 ORDER BY number

-- name: plan_slices
SELECT number, kind, low, high
  FROM migrated.plan_slices($1, $2, $3, $4, $5, $6, $7)
 ORDER BY number

-- name: split_batch
SELECT number, kind, low, high
  FROM migrated.split_batch($1, $2, $3, $4, $5)
 ORDER BY number

-- name: batches_to_do
SELECT number, kind, low, high
  FROM migrated.batch
 WHERE session = $1
   AND entity = $2
   AND NOT done
 ORDER BY number

-- name: batch_counts
SELECT inserted, updated, unchanged, deleted, failed, parked, warned, warnings, overwritten, kept, held
  FROM migrated.batch
 WHERE session = $1
   AND entity = $2
   AND number = $3
   AND done

-- name: batch_holder
-- Which backend has the batch locked: its row names the transaction that has.
SELECT l.pid
  FROM migrated.batch AS b
  JOIN pg_catalog.pg_locks AS l
    ON l.locktype = 'transactionid'
   AND l.transactionid = b.xmax
   AND l.granted
 WHERE b.session = $1
   AND b.entity = $2
   AND b.number = $3

-- name: session_which
-- Those whose ids begin with $1, the newest first; $2 at most.
SELECT s.session,
       s.mode,
       s.state,
       pg_catalog.to_char(s.created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')
  FROM migrated.session AS s
 WHERE s.session::text LIKE pg_catalog.lower($1) || '%'
 ORDER BY s.number DESC
 LIMIT $2::bigint

-- name: session_list
-- An older control schema does not count some of these yet: they are those of `none` then.
SELECT s.session,
       s.analysis,
       s.mode,
       s.state,
       s.reason,
       (pg_catalog.date_part('epoch', s.created_at) * 1000000)::bigint,
       (pg_catalog.date_part('epoch', s.started_at) * 1000000)::bigint,
       (pg_catalog.date_part('epoch', s.finished_at) * 1000000)::bigint,
       coalesce(e.total, 0),
       coalesce(b.done, 0),
       coalesce(b.failed, 0),
       coalesce(b.parked, 0),
       (pg_catalog.date_part('epoch', coalesce(s.finished_at, pg_catalog.clock_timestamp()) - coalesce(s.started_at, s.created_at)) * 1000)::bigint,
       CASE WHEN s.state = 'paused' THEN coalesce(pg_catalog.to_jsonb(s) ->> 'hold', 'operator') END,
       coalesce(b.warned, 0),
       coalesce(b.overwritten, 0),
       coalesce(b.kept, 0),
       coalesce(b.held, 0),
       coalesce(e.differences, 0),
       coalesce(e.unchecked, 0)
  FROM migrated.session AS s
 CROSS JOIN (SELECT 0 AS warned, 0 AS overwritten, 0 AS kept, 0 AS held) AS none
  LEFT JOIN LATERAL (
         SELECT pg_catalog.sum(p.total) AS total,
                pg_catalog.sum((pg_catalog.to_jsonb(p) ->> 'differences')::bigint) AS differences,
                pg_catalog.sum((pg_catalog.to_jsonb(p) ->> 'unchecked')::bigint) AS unchecked
           FROM migrated.session_entity AS p
          WHERE p.session = s.session) AS e
    ON true
  LEFT JOIN LATERAL (
         SELECT pg_catalog.sum(inserted + updated + unchanged + deleted + failed + parked) AS done,
                pg_catalog.sum(failed) AS failed,
                pg_catalog.sum(parked) AS parked,
                pg_catalog.sum(warned + 0 * failed) AS warned,
                pg_catalog.sum(overwritten + 0 * failed) AS overwritten,
                pg_catalog.sum(kept + 0 * failed) AS kept,
                pg_catalog.sum(held + 0 * failed) AS held
           FROM migrated.batch
          WHERE session = s.session) AS b
    ON true
 WHERE $2::text IS NULL
    OR s.state = $2
 ORDER BY s.created_at DESC
 LIMIT $1
