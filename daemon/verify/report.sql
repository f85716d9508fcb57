-- What is asked of the control schema for the report of one session. The answer is JSON as the control protocol has it; none of it is a
-- row's value or key.

-- name: report_known
-- Does the control schema keep what a report tells, and validations, too?
SELECT pg_catalog.to_regclass('migrated.session') IS NOT NULL,
       pg_catalog.to_regclass('migrated.session_hold') IS NOT NULL,
       pg_catalog.to_regclass('migrated.validation_entity') IS NOT NULL

-- name: report_find
-- $1 the beginning of its id; NULL: the last one.
SELECT s.session
  FROM migrated.session AS s
 WHERE $1::text IS NULL
    OR s.session::text LIKE pg_catalog.lower($1) || '%'
 ORDER BY s.number DESC
 LIMIT CASE WHEN $1::text IS NULL THEN 1 ELSE 10 END

-- name: report_make
-- $1 the session. One statement, so that all of it is of one moment.
WITH session AS MATERIALIZED (
  SELECT s.*,
         coalesce(s.finished_at, pg_catalog.statement_timestamp()) AS seen_at,
         a.created_at AS detected_from,
         a.finished_at AS detected_to,
         a.created_at >= s.created_at AS detected_here
    FROM migrated.session AS s
    LEFT JOIN migrated.analysis AS a
      ON a.analysis = s.analysis
   WHERE s.session = $1::uuid
),
batch AS MATERIALIZED (
  SELECT b.*,
         b.inserted + b.updated + b.unchanged + b.deleted + b.failed + b.parked AS rows
    FROM migrated.batch AS b
   WHERE b.session = $1::uuid
),
entity AS MATERIALIZED (
  SELECT e.*,
         b.*,
         CASE WHEN e.state = 'completed' THEN b.done ELSE greatest(e.total, b.done) END AS whole_of_it,
         coalesce(e.rows_after, e.rows_before + b.inserted - b.deleted) AS live_after,
         (e.timings ->> 'moving')::bigint + coalesce((e.timings ->> 'rebuilding')::bigint, 0) + (e.timings ->> 'filling')::bigint + (e.timings ->> 'deleting')::bigint AS at_work_ms
    FROM migrated.session_entity AS e
   CROSS JOIN LATERAL (
           SELECT coalesce(pg_catalog.sum(b.rows), 0)::bigint AS done,
                  coalesce(pg_catalog.sum(b.inserted), 0)::bigint AS inserted,
                  coalesce(pg_catalog.sum(b.updated), 0)::bigint AS updated,
                  coalesce(pg_catalog.sum(b.unchanged), 0)::bigint AS unchanged,
                  coalesce(pg_catalog.sum(b.deleted), 0)::bigint AS deleted,
                  coalesce(pg_catalog.sum(b.failed), 0)::bigint AS failed,
                  coalesce(pg_catalog.sum(b.parked), 0)::bigint AS parked,
                  coalesce(pg_catalog.sum(b.warned), 0)::bigint AS warned,
                  coalesce(pg_catalog.sum(b.overwritten), 0)::bigint AS overwritten,
                  coalesce(pg_catalog.sum(b.kept), 0)::bigint AS kept,
                  coalesce(pg_catalog.sum(b.held), 0)::bigint AS held,
                  pg_catalog.count(*) AS batches,
                  pg_catalog.count(*) FILTER (WHERE b.done) AS batches_done,
                  pg_catalog.count(b.split_from) AS halved
             FROM batch AS b
            WHERE b.entity = e.entity) AS b
   WHERE e.session = $1::uuid
),
hold AS MATERIALIZED (
  SELECT h.*,
         migrated.milliseconds(coalesce(h.ended_at, s.seen_at) - h.began_at) AS stood_ms
    FROM migrated.session_hold AS h
   CROSS JOIN session AS s
   WHERE h.session = $1::uuid
),
timeline AS MATERIALIZED ({timeline})
SELECT pg_catalog.json_build_object(
         'made', migrated.rfc3339(pg_catalog.statement_timestamp()),
         'session', ({session}),
         'phases', ({phases}),
         'holds', ({holds}),
         'options', ({options}),
         'settings', ({settings}),
         'entities', ({entities}),
         'timeline', (SELECT t.timeline FROM timeline AS t),
         'dead_letters', ({dead_letters}),
         'parked', ({parked}),
         'conflicts', ({conflicts}),
         'rules', ({rules}),
         'validations', ({validations}))

-- name: report_session
-- While another daemon's word for it is not known, a part that is under way stands still with its session.
SELECT pg_catalog.json_build_object(
         'session', s.session,
         'number', s.number,
         'analysis', s.analysis,
         'mode', s.mode,
         'state', s.state,
         'hold', s.hold,
         'reason', s.reason,
         'created', migrated.rfc3339(s.created_at),
         'started', migrated.rfc3339(s.started_at),
         'finished', migrated.rfc3339(s.finished_at),
         'elapsed_ms', migrated.milliseconds(s.seen_at - coalesce(s.started_at, s.created_at)),
         'stood_still_ms', (SELECT coalesce(pg_catalog.sum(h.stood_ms), 0)::bigint FROM hold AS h),
         'lives', s.lives,
         'daemon_version', s.circumstances ->> 'daemon_version',
         'source_version', (s.circumstances ->> 'source_version')::integer,
         'target_version', (s.circumstances ->> 'target_version')::integer,
         'target_database', pg_catalog.current_database(),
         'total', e.total,
         'done', e.done,
         'inserted', e.inserted,
         'updated', e.updated,
         'unchanged', e.unchanged,
         'deleted', e.deleted,
         'failed', e.failed,
         'parked', e.parked,
         'warned', e.warned,
         'overwritten', e.overwritten,
         'kept', e.kept,
         'held', e.held,
         'retries', e.retries,
         'batches', e.batches,
         'halved', e.halved,
         'rows_per_second', pg_catalog.round((1000 * e.done::numeric / nullif(
            migrated.milliseconds(s.seen_at - s.started_at) - (SELECT coalesce(pg_catalog.sum(h.stood_ms), 0)::bigint FROM hold AS h
                                                                  WHERE h.began_at >= s.started_at), 0)), 1))
  FROM session AS s
 CROSS JOIN (SELECT coalesce(pg_catalog.sum(e.whole_of_it), 0)::bigint AS total,
                    coalesce(pg_catalog.sum(e.done), 0)::bigint AS done,
                    coalesce(pg_catalog.sum(e.inserted), 0)::bigint AS inserted,
                    coalesce(pg_catalog.sum(e.updated), 0)::bigint AS updated,
                    coalesce(pg_catalog.sum(e.unchanged), 0)::bigint AS unchanged,
                    coalesce(pg_catalog.sum(e.deleted), 0)::bigint AS deleted,
                    coalesce(pg_catalog.sum(e.failed), 0)::bigint AS failed,
                    coalesce(pg_catalog.sum(e.parked), 0)::bigint AS parked,
                    coalesce(pg_catalog.sum(e.warned), 0)::bigint AS warned,
                    coalesce(pg_catalog.sum(e.overwritten), 0)::bigint AS overwritten,
                    coalesce(pg_catalog.sum(e.kept), 0)::bigint AS kept,
                    coalesce(pg_catalog.sum(e.held), 0)::bigint AS held,
                    coalesce(pg_catalog.sum(e.retries), 0)::bigint AS retries,
                    coalesce(pg_catalog.sum(e.batches_done), 0)::bigint AS batches,
                    coalesce(pg_catalog.sum(e.halved), 0)::bigint AS halved
               FROM entity AS e) AS e

-- name: report_phases
-- Of the session, by the clock on the wall: what came one after the other. The second pass has no batches; entities do theirs side by
-- side, so it took as long as the slowest.
SELECT coalesce(pg_catalog.json_agg(pg_catalog.json_build_object('phase', p.phase, 'ms', p.ms) ORDER BY p.place), '[]')
  FROM session AS s
 CROSS JOIN LATERAL (
         SELECT pg_catalog.min(b.begun_at) FILTER (WHERE b.kind <> 'deletes') AS move_from,
                pg_catalog.max(b.finished_at) FILTER (WHERE b.kind <> 'deletes') AS move_to,
                pg_catalog.min(b.begun_at) FILTER (WHERE b.kind = 'deletes') AS delete_from,
                pg_catalog.max(b.finished_at) FILTER (WHERE b.kind = 'deletes') AS delete_to
           FROM batch AS b
          WHERE b.done) AS b
 CROSS JOIN LATERAL (VALUES
         (1, 'detecting', CASE WHEN s.detected_here THEN migrated.milliseconds(s.detected_to - s.detected_from) END),
         (2, 'preparing', migrated.milliseconds(s.started_at - s.created_at)
                          - CASE WHEN s.detected_here THEN coalesce(migrated.milliseconds(s.detected_to - s.detected_from), 0) ELSE 0 END),
         (3, CASE s.mode WHEN 'rollback' THEN 'undoing' ELSE 'moving' END, migrated.milliseconds(b.move_to - b.move_from)),
         (4, 'filling', (SELECT nullif(pg_catalog.max((e.timings ->> 'filling')::bigint), 0) FROM entity AS e)),
         (5, 'deleting', migrated.milliseconds(b.delete_to - b.delete_from)),
         (6, 'standing_still', (SELECT pg_catalog.sum(h.stood_ms)::bigint FROM hold AS h))) AS p (place, phase, ms)
 WHERE p.ms >= 0

-- name: report_holds
SELECT coalesce(pg_catalog.json_agg(pg_catalog.json_build_object(
         'hold', h.hold,
         'reason', h.reason,
         'began', migrated.rfc3339(h.began_at),
         'ended', migrated.rfc3339(h.ended_at),
         'from_ms', migrated.milliseconds(h.began_at - coalesce(s.started_at, s.created_at)),
         'ms', h.stood_ms) ORDER BY h.began_at), '[]')
  FROM hold AS h
 CROSS JOIN session AS s

-- name: report_options
-- What was asked for; lists of names as one text.
SELECT coalesce(pg_catalog.json_agg(pg_catalog.json_build_object(
         'name', o.key,
         'value', CASE pg_catalog.jsonb_typeof(o.value)
                    WHEN 'array' THEN (SELECT pg_catalog.string_agg(v.value, ', ' ORDER BY v.ordinality)
                                         FROM pg_catalog.jsonb_array_elements_text(o.value) WITH ORDINALITY AS v)
                    ELSE s.options ->> o.key END) ORDER BY o.key), '[]')
  FROM session AS s
 CROSS JOIN pg_catalog.jsonb_each(s.options) AS o
 WHERE pg_catalog.jsonb_typeof(o.value) NOT IN ('object', 'null')

-- name: report_settings
SELECT coalesce(s.circumstances -> 'settings', '[]')
  FROM session AS s

-- name: report_entities
-- rows of the source are those that detection counted; sessions that carry only what was asked for again count none.
SELECT coalesce(pg_catalog.json_agg(pg_catalog.json_build_object(
         'entity', e.entity,
         'level', e.level,
         'state', CASE WHEN s.state = 'paused' AND e.state IN ('pending', 'running') THEN 'paused' ELSE e.state END,
         'reason', e.reason,
         'whole', e.whole,
         'source', e.source,
         'target', e.target,
         'refers_to', coalesce(pg_catalog.to_json(e.refers_to), '[]'),
         'deferred_to', coalesce(pg_catalog.to_json(e.deferred_to), '[]'),
         'strategy', a.strategy,
         'source_rows', CASE WHEN s.mode <> 'again' THEN a.rows END,
         'rows_before', e.rows_before,
         'rows_after', e.live_after,
         'rows_counted', e.rows_after IS NOT NULL,
         'total', e.whole_of_it,
         'done', e.done,
         'inserted', e.inserted,
         'updated', e.updated,
         'unchanged', e.unchanged,
         'deleted', e.deleted,
         'failed', e.failed,
         'parked', e.parked,
         'warned', e.warned,
         'overwritten', e.overwritten,
         'kept', e.kept,
         'held', e.held,
         'retries', e.retries,
         'batches', e.batches_done,
         'halved', e.halved,
         'started', migrated.rfc3339(e.started_at),
         'finished', migrated.rfc3339(e.finished_at),
         'waiting_ms', (e.timings ->> 'waiting')::bigint,
         'planning_ms', (e.timings ->> 'planning')::bigint,
         'moving_ms', (e.timings ->> 'moving')::bigint,
         'rebuilding_ms', (e.timings ->> 'rebuilding')::bigint,
         'filling_ms', (e.timings ->> 'filling')::bigint,
         'deleting_ms', (e.timings ->> 'deleting')::bigint,
         'rows_per_second', pg_catalog.round(1000 * e.done::numeric / nullif(e.at_work_ms, 0), 1))
         ORDER BY e.level, e.entity), '[]')
  FROM entity AS e
 CROSS JOIN session AS s
  LEFT JOIN migrated.analysis_entity AS a
    ON a.analysis = s.analysis
   AND a.entity = e.entity

-- name: report_timeline
-- Up to sixty intervals of one length. The rows of a batch are spread evenly over the time that it took; what is rounded is the sum up to
-- an interval's end, so that all of them together are the session's rows.
WITH span AS (
  SELECT coalesce(s.started_at, s.created_at) AS from_at,
         greatest(1, migrated.milliseconds(s.seen_at - coalesce(s.started_at, s.created_at))) AS ms
    FROM session AS s
),
whole AS (
  SELECT span.from_at,
         greatest(20, pg_catalog.ceil(span.ms / 60.0))::bigint AS step_ms,
         pg_catalog.ceil(span.ms / greatest(20, pg_catalog.ceil(span.ms / 60.0)))::integer AS steps
    FROM span
),
stretch AS (
  SELECT b.entity,
         b.rows,
         greatest(0, migrated.milliseconds(coalesce(b.begun_at, b.finished_at) - w.from_at)) AS low,
         greatest(0, migrated.milliseconds(b.finished_at - w.from_at)) AS high
    FROM batch AS b
   CROSS JOIN whole AS w
   WHERE b.done
     AND b.rows > 0
),
part AS (
  SELECT t.entity,
         g.step,
         pg_catalog.sum(t.rows * CASE WHEN t.high > t.low AND g.first < g.last
                                      THEN (CASE WHEN g.step = g.last THEN t.high ELSE (g.step + 1) * w.step_ms END
                                            - CASE WHEN g.step = g.first THEN t.low ELSE g.step * w.step_ms END)::numeric / (t.high - t.low)
                                      ELSE 1 END) AS rows
    FROM stretch AS t
   CROSS JOIN whole AS w
   CROSS JOIN LATERAL (SELECT least(t.low / w.step_ms, w.steps - 1) AS first, least(t.high / w.step_ms, w.steps - 1) AS last) AS ends
   CROSS JOIN LATERAL (SELECT ends.first, ends.last, i AS step FROM pg_catalog.generate_series(ends.first, ends.last) AS i) AS g
   GROUP BY t.entity, g.step
),
running AS (
  SELECT e.entity,
         e.level,
         i AS step,
         pg_catalog.round(pg_catalog.sum(coalesce(p.rows, 0)) OVER (PARTITION BY e.entity ORDER BY i))::bigint AS sum
    FROM entity AS e
   CROSS JOIN whole AS w
   CROSS JOIN LATERAL pg_catalog.generate_series(0, w.steps - 1) AS i
    LEFT JOIN part AS p
      ON p.entity = e.entity
     AND p.step = i
),
grid AS (
  SELECT r.entity,
         r.level,
         r.step,
         r.sum - coalesce(pg_catalog.lag(r.sum) OVER (PARTITION BY r.entity ORDER BY r.step), 0) AS rows
    FROM running AS r
)
SELECT pg_catalog.json_build_object(
         'from', migrated.rfc3339(whole.from_at),
         'step_ms', whole.step_ms,
         'steps', whole.steps,
         'rows', coalesce((SELECT pg_catalog.json_agg(t.rows ORDER BY t.step)
                             FROM (SELECT g.step, pg_catalog.sum(g.rows)::bigint AS rows FROM grid AS g GROUP BY g.step) AS t), '[]'),
         'entities', coalesce((SELECT pg_catalog.json_agg(pg_catalog.json_build_object('entity', t.entity, 'rows', t.rows)
                                                          ORDER BY t.level, t.entity)
                                 FROM (SELECT g.entity, g.level, pg_catalog.json_agg(g.rows ORDER BY g.step) AS rows
                                         FROM grid AS g
                                        GROUP BY g.entity, g.level
                                       HAVING pg_catalog.sum(g.rows) > 0) AS t), '[]')) AS timeline
  FROM whole

-- name: report_dead_letters
-- Those that were last tried in this session, whatever became of them.
SELECT coalesce(pg_catalog.json_agg(pg_catalog.json_build_object(
         'entity', d.entity,
         'sqlstate', d.sqlstate,
         'phase', d.phase,
         'constraint', d.constraint_name,
         'column', d.column_name,
         'state', d.state,
         'rows', d.rows) ORDER BY d.rows DESC, d.entity, d.sqlstate, d.constraint_name, d.column_name), '[]')
  FROM (SELECT d.entity, d.sqlstate, d.phase, d.constraint_name, d.column_name, d.state, pg_catalog.count(*) AS rows
          FROM migrated.dead_letter AS d
         WHERE d.session = $1::uuid
         GROUP BY d.entity, d.sqlstate, d.phase, d.constraint_name, d.column_name, d.state) AS d

-- name: report_parked
-- What still waits of what this session has met: rows for a parent, and single columns of rows that were carried.
SELECT coalesce(pg_catalog.json_agg(pg_catalog.json_build_object(
         'entity', p.entity,
         'column', p.column_name,
         'parent_entity', p.parent_entity,
         'column_only', p.column_only,
         'rows', p.rows) ORDER BY p.column_only, p.rows DESC, p.entity, p.column_name, p.parent_entity), '[]')
  FROM (SELECT p.entity, p.column_name, p.parent_entity, false AS column_only, pg_catalog.count(*) AS rows
          FROM migrated.parked AS p
         WHERE p.session = $1::uuid
         GROUP BY p.entity, p.column_name, p.parent_entity
         UNION ALL
        SELECT p.entity, p.column_name, p.parent_entity, true, pg_catalog.count(*)
          FROM migrated.deferred AS p
         WHERE p.session = $1::uuid
         GROUP BY p.entity, p.column_name, p.parent_entity) AS p

-- name: report_conflicts
SELECT coalesce(pg_catalog.json_agg(pg_catalog.json_build_object(
         'entity', c.entity,
         'state', c.state,
         'policy', c.policy,
         'in_source', c.in_source,
         'in_target', c.in_target,
         'rows', c.rows) ORDER BY c.entity, c.state, c.in_source, c.in_target), '[]')
  FROM (SELECT c.entity, c.state, c.policy, c.in_source, c.in_target, pg_catalog.count(*) AS rows
          FROM migrated.conflict AS c
         WHERE c.session = $1::uuid
         GROUP BY c.entity, c.state, c.policy, c.in_source, c.in_target) AS c

-- name: report_rules
-- Rows that were carried in spite of a rule, as the batches counted them; rows that one rejected, as their dead letters say.
SELECT coalesce(pg_catalog.json_agg(pg_catalog.json_build_object(
         'entity', r.entity,
         'rule', r.rule,
         'action', r.action,
         'rows', r.rows) ORDER BY r.entity, r.action, r.rule), '[]')
  FROM (SELECT b.entity, w.key AS rule, 'warn' AS action, pg_catalog.sum(w.value::bigint) AS rows
          FROM batch AS b
         CROSS JOIN pg_catalog.jsonb_each_text(b.warnings) AS w
         GROUP BY b.entity, w.key
         UNION ALL
        SELECT d.entity, d.constraint_name, 'reject', pg_catalog.count(*)
          FROM migrated.dead_letter AS d
         WHERE d.session = $1::uuid
           AND d.phase = 'rule'
         GROUP BY d.entity, d.constraint_name) AS r

-- name: report_no_validations
SELECT '[]'::json

-- name: report_validations
-- Of the session's own steps, and those that people asked for before another session began. kinds: of the differences that are kept.
SELECT coalesce(pg_catalog.json_agg(pg_catalog.json_build_object(
         'validation', v.validation,
         'step', v.step,
         'started', migrated.rfc3339(coalesce(c.started_at, v.started_at)),
         'entity', c.entity,
         'check', c."check",
         'state', c.state,
         'rows', c.rows,
         'waiting', c.waiting,
         'differences', c.differences,
         'repaired', c.repaired,
         'kinds', coalesce(d.kinds, '[]'),
         'reason', c.reason) ORDER BY v.created_at, v.validation, c.entity, c.position), '[]')
  FROM migrated.validation AS v
  JOIN migrated.validation_entity AS c
    ON c.validation = v.validation
 CROSS JOIN session AS s
  LEFT JOIN LATERAL (
         SELECT pg_catalog.json_agg(pg_catalog.json_build_object('kind', k.kind, 'rows', k.rows) ORDER BY k.rows DESC, k.kind) AS kinds
           FROM (SELECT d.kind, pg_catalog.count(*) AS rows
                   FROM migrated.validation_difference AS d
                  WHERE d.validation = c.validation
                    AND d.entity = c.entity
                    AND d."check" = c."check"
                  GROUP BY d.kind) AS k) AS d
    ON true
 WHERE v.session = s.session
    OR v.session IS NULL
       AND v.created_at >= s.finished_at
       AND v.created_at < coalesce((SELECT pg_catalog.min(n.created_at)
                                      FROM migrated.session AS n
                                     WHERE n.number > s.number), 'infinity')
