-- Where one row is, and why it is there. {holes} by explain.c and explain_sql.c; {key} is its legacy key as a literal of type text[]. Tables of
-- ours: m the entity's id map, t the target row, source the source's row.

-- name: explain_known
-- Target. Is the control schema one that keeps a change log, is there an id map of the entity, with which types, and is the target table
-- there?
SELECT pg_catalog.to_regclass('migrated.entity') IS NOT NULL,
       pg_catalog.to_regclass('migrated.before_image') IS NOT NULL,
       pg_catalog.to_regclass({id_map_name}) IS NOT NULL,
       pg_catalog.to_regclass({target_name}) IS NOT NULL,
       (SELECT pg_catalog.array_agg(pg_catalog.format_type(a.atttypid, NULL) ORDER BY a.attnum)
          FROM pg_catalog.pg_attribute AS a
         WHERE a.attrelid = pg_catalog.to_regclass({id_map_name})
           AND a.attname ~ '^k[0-9]+$'
           AND NOT a.attisdropped),
       (SELECT pg_catalog.array_agg(pg_catalog.format_type(a.atttypid, NULL) ORDER BY a.attnum)
          FROM pg_catalog.pg_attribute AS a
         WHERE a.attrelid = pg_catalog.to_regclass({id_map_name})
           AND a.attname ~ '^t[0-9]+$'
           AND NOT a.attisdropped)

-- name: explain_key
-- Target. The key as the control schema writes it: 7 of 007.
SELECT ARRAY[{parts}]::text[]

-- name: explain_by_target
-- Target. Which legacy keys lead to a target row, and which led there before they stood for another row.
SELECT legacy_key
  FROM (
SELECT {legacy_key} AS legacy_key,
       1 AS place
  FROM {id_map} AS m
 WHERE {m_is_wanted}
 UNION ALL
SELECT h.legacy_key,
       2
  FROM migrated.id_map_history AS h
 WHERE h.entity = {name}
   AND h.target_key = {target_key}
       ) AS found
 ORDER BY place, pg_catalog.length(legacy_key[1]), legacy_key
 LIMIT 1

-- name: explain_target_row
-- Target. Is there a row with this key, whether anything leads to it or not?
SELECT EXISTS (SELECT FROM {target} AS t WHERE {t_is_wanted})

-- name: explain_facts
-- Target. What the control schema knows of the row, and whether it stands in the target: as the interface has it, but for "versions",
-- the hashes by which versions are told apart. waits: what it waits for, and what that waits for, until that waits for nothing
-- or for something that was there before.
WITH RECURSIVE under_way AS MATERIALIZED (
  SELECT s.session, s.analysis, e.whole, e.keys_to, e.deletes_to
    FROM migrated.session AS s
    JOIN migrated.session_entity AS e
      ON e.session = s.session
   WHERE s.state IN ('pending', 'running', 'paused')
     AND e.entity = {name}
     AND e.state IN ('pending', 'running', 'paused')
   LIMIT 1
),
next AS MATERIALIZED (
  SELECT a.analysis, e.whole
    FROM migrated.analysis AS a
    JOIN migrated.analysis_entity AS e
      ON e.analysis = a.analysis
   WHERE a.finished_at IS NOT NULL
     AND e.entity = {name}
     AND NOT EXISTS (SELECT FROM migrated.session AS s
                      WHERE s.analysis = a.analysis
                         OR s.started_at > a.created_at
                         OR s.state IN ('pending', 'running', 'paused'))
   ORDER BY a.created_at DESC
   LIMIT 1
),
noted (session, kind) AS (
  SELECT u.session, c.kind
    FROM under_way AS u
    JOIN migrated.change AS c
      ON c.analysis = u.analysis
   WHERE c.entity = {name}
     AND c.legacy_key = {key}
     AND (c.ordinal > CASE c.kind WHEN 'deleted' THEN u.deletes_to ELSE u.keys_to END
          OR EXISTS (SELECT FROM migrated.batch AS b
                      WHERE b.session = u.session
                        AND b.entity = {name}
                        AND b.kind = CASE c.kind WHEN 'deleted' THEN 'deletes' ELSE 'keys' END
                        AND NOT b.done
                        AND c.ordinal BETWEEN b.low[1]::bigint AND b.high[1]::bigint))
   UNION ALL
  SELECT u.session, 'all'
    FROM under_way AS u
   WHERE u.whole
   UNION ALL
  SELECT NULL, c.kind
    FROM next AS n
    JOIN migrated.change AS c
      ON c.analysis = n.analysis
   WHERE c.entity = {name}
     AND c.legacy_key = {key}
   UNION ALL
  SELECT NULL, 'all'
    FROM next AS n
   WHERE n.whole
),
waits AS (
  SELECT 1 AS depth,
         p.entity,
         p.legacy_key,
         p.column_name,
         p.parent_entity,
         p.parent_key,
         p.since,
         ARRAY[ROW(p.entity, p.legacy_key)::text] AS passed,
         (p.parent_entity, p.parent_key) = (p.entity, p.legacy_key) AS ring
    FROM migrated.parked AS p
   WHERE p.entity = {name}
     AND p.legacy_key = {key}
   UNION ALL
  SELECT w.depth + 1,
         p.entity,
         p.legacy_key,
         p.column_name,
         p.parent_entity,
         p.parent_key,
         p.since,
         w.passed || ROW(p.entity, p.legacy_key)::text,
         ROW(p.parent_entity, p.parent_key)::text = ANY (w.passed || ROW(p.entity, p.legacy_key)::text)
    FROM waits AS w
    JOIN migrated.parked AS p
      ON p.entity = w.parent_entity
     AND p.legacy_key = w.parent_key
   WHERE NOT w.ring
     AND w.depth < {most}
)
SELECT pg_catalog.jsonb_build_object(
         'mapping', (SELECT CASE WHEN e.fingerprint IS NULL THEN 'never'
                                 WHEN e.fingerprint = {fingerprint} THEN 'same'
                                 ELSE {otherwise} END
                       FROM migrated.entity AS e
                      WHERE e.entity = {name}),
         'map', ({map}),
         'carriers', coalesce(({carriers}), '[]'),
         'former', (SELECT coalesce(pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object(
                             'target_key', h.target_key,
                             'until', pg_catalog.to_char(h.until AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
                             'session', h.session) ORDER BY h.id DESC), '[]')
                      FROM migrated.id_map_history AS h
                     WHERE h.entity = {name}
                       AND h.legacy_key = {key}),
         'noted', (SELECT pg_catalog.jsonb_build_object('session', n.session, 'kind', n.kind)
                     FROM noted AS n
                    LIMIT 1),
         'again', (SELECT g.reason
                     FROM migrated.again AS g
                    WHERE g.entity = {name}
                      AND g.legacy_key = {key}),
         'letter', (SELECT {letter}
                      FROM migrated.dead_letter AS d
                     WHERE d.entity = {name}
                       AND d.legacy_key = {key}),
         'conflicts', (SELECT coalesce(pg_catalog.jsonb_agg({conflict} ORDER BY c.state = 'held' DESC, c.id DESC), '[]')
                         FROM (SELECT c.*
                                 FROM migrated.conflict AS c
                                WHERE c.entity = {name}
                                  AND c.legacy_key = {key}
                                ORDER BY c.state = 'held' DESC, c.id DESC
                                LIMIT {some}) AS c),
         'versions', pg_catalog.jsonb_build_object(
           'map', ({version}),
           'letter', (SELECT pg_catalog.jsonb_build_array(d.h1::text, d.h2::text)
                        FROM migrated.dead_letter AS d
                       WHERE d.entity = {name}
                         AND d.legacy_key = {key}),
           'conflict', (SELECT pg_catalog.jsonb_build_array(c.h1::text, c.h2::text)
                          FROM migrated.conflict AS c
                         WHERE c.entity = {name}
                           AND c.legacy_key = {key}
                         ORDER BY c.state = 'held' DESC, c.id DESC
                         LIMIT 1)),
         'warnings', (SELECT coalesce(pg_catalog.jsonb_agg(f.rule ORDER BY f.rule), '[]')
                        FROM migrated.rule_finding AS f
                       WHERE f.entity = {name}
                         AND f.legacy_key = {key}),
         'waits_for', (SELECT coalesce(pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object(
                                'entity', w.entity,
                                'legacy_key', w.legacy_key,
                                'column', w.column_name,
                                'parent_entity', w.parent_entity,
                                'parent_key', w.parent_key,
                                'since', pg_catalog.to_char(w.since AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
                                'parent_state', CASE WHEN w.ring THEN 'ring'
                                                     WHEN w.depth < (SELECT pg_catalog.max(depth) FROM waits) THEN 'parked'
                                                     WHEN w.depth = {most} THEN 'not_followed' END,
                                'parent_letter', (SELECT {letter}
                                                    FROM migrated.dead_letter AS d
                                                   WHERE d.entity = w.parent_entity
                                                     AND d.legacy_key = w.parent_key
                                                     AND d.state IN ('open', 'discarded'))) ORDER BY w.depth), '[]')
                         FROM waits AS w),
         'deferred', (SELECT coalesce(pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object(
                               'column', l.column_name,
                               'parent_entity', l.parent_entity,
                               'parent_key', l.parent_key,
                               'parent_state', (SELECT 'parked'
                                                  FROM migrated.parked AS p
                                                 WHERE p.entity = l.parent_entity
                                                   AND p.legacy_key = l.parent_key),
                               'parent_letter', (SELECT {letter}
                                                   FROM migrated.dead_letter AS d
                                                  WHERE d.entity = l.parent_entity
                                                    AND d.legacy_key = l.parent_key
                                                    AND d.state IN ('open', 'discarded'))) ORDER BY l.column_name), '[]')
                        FROM migrated.deferred AS l
                       WHERE l.entity = {name}
                         AND l.legacy_key = {key}),
         'waiting', (SELECT pg_catalog.count(*)
                       FROM migrated.parked AS p
                      WHERE p.parent_entity = {name}
                        AND p.parent_key = {key})
                    + (SELECT pg_catalog.count(*)
                         FROM migrated.deferred AS l
                        WHERE l.parent_entity = {name}
                          AND l.parent_key = {key}),
         'waiting_rows', (SELECT coalesce(pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object(
                                   'entity', w.entity,
                                   'legacy_key', w.legacy_key,
                                   'column', w.column_name,
                                   'deferred', w.deferred)), '[]')
                            FROM (SELECT p.entity, p.legacy_key, p.column_name, false AS deferred
                                    FROM migrated.parked AS p
                                   WHERE p.parent_entity = {name}
                                     AND p.parent_key = {key}
                                   UNION ALL
                                  SELECT l.entity, l.legacy_key, l.column_name, true
                                    FROM migrated.deferred AS l
                                   WHERE l.parent_entity = {name}
                                     AND l.parent_key = {key}
                                   ORDER BY 1, 2, 3
                                   LIMIT {some}) AS w))

-- name: explain_map
-- Target, a part. The mapping and its target row; was that edited since we wrote it?
SELECT pg_catalog.jsonb_build_object(
         'target_key', ARRAY[{m_t_texts}],
         'session', (SELECT s.session FROM migrated.session AS s WHERE s.number = r.session),
         'gone', pg_catalog.to_char(r.gone AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
         'adopted', r.session IS NULL AND r.h1 IS NULL,
         'present', r.present,
         'edited', {edited},
         'carries', r.carries)
  FROM (SELECT m.*,
               {present} AS present,
               {standing} AS standing,
               {carries} AS carries
          FROM {id_map} AS m
          {join_target}
         WHERE {m_is_key}) AS r

-- name: explain_version
-- Target, a part. Which version of the source was handled last.
SELECT pg_catalog.jsonb_build_array(m.h1::text, m.h2::text) FROM {id_map} AS m WHERE {m_is_key}

-- name: explain_carriers
-- Target, a part. Other target rows that carry the legacy key than the one that it leads to.
SELECT pg_catalog.jsonb_agg(o.target_key)
  FROM (SELECT ARRAY[{t_texts}] AS target_key
          FROM (SELECT {key} AS key OFFSET 0) AS k
          JOIN {target} AS t
            ON {t_carries_key}
         WHERE NOT EXISTS (SELECT FROM {id_map} AS m WHERE {m_is_key} AND {t_is_m})
         LIMIT {some}) AS o

-- name: explain_source
-- Source. Is there a row of this key, and does the mapping take it?
SELECT EXISTS (SELECT FROM {relation} WHERE {which}),
       EXISTS (SELECT FROM {relation} WHERE {which} AND {filter})

-- name: explain_arrived
-- Target, one SELECT for each parent that is waited for. Has it arrived meanwhile?
SELECT {place},
       EXISTS (SELECT FROM {id_map} AS m WHERE {m_is_key}{present})

-- name: explain_parent
-- Source, likewise. Does the source have it, and does the mapping take it?
SELECT {place},
       EXISTS (SELECT FROM {relation} WHERE {which}),
       EXISTS (SELECT FROM {relation} WHERE {which} AND {filter})

-- name: explain_standing
-- Target. The mapped columns of the row as they stand there, as text.
SELECT c.name,
       c.stands
  FROM {id_map} AS m
  JOIN {target} AS t
    ON {t_is_m}
 CROSS JOIN LATERAL (VALUES {columns}) AS c (name, stands)
 WHERE {m_is_key}

-- name: explain_history
-- Target. What was done to the target row, the last first; and what each change replaced, as far as that was kept. Its values only if they are wanted.
SELECT pg_catalog.jsonb_build_object(
         'changes', coalesce(pg_catalog.max(c.changes), 0),
         'history', coalesce(pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object(
                      'session', c.session,
                      'at', pg_catalog.to_char(c.at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
                      'kind', c.kind,
                      'target_key', c.target_key,
                      'columns', CASE WHEN i.after IS NOT NULL
                                      THEN (SELECT coalesce(pg_catalog.jsonb_agg(k.name ORDER BY k.name), '[]')
                                              FROM pg_catalog.jsonb_object_keys(i.before) AS k (name))
                                      ELSE '[]' END,
                      'values', CASE WHEN {if_wanted}
                                     THEN (SELECT coalesce(pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object(
                                                    'column', v.key,
                                                    'before', v.value,
                                                    'after', i.after ->> v.key) ORDER BY v.key), '[]')
                                             FROM pg_catalog.jsonb_each_text(i.before) AS v (key, value)) END)
                      ORDER BY c.change DESC), '[]'))
  FROM (SELECT l.session, l.change, l.kind, l.target_key, l.at,
               pg_catalog.count(*) OVER () AS changes
          FROM migrated.change_log AS l
         WHERE l.entity = {name}
           AND l.legacy_key = {key}
         ORDER BY l.change DESC
         LIMIT {most}) AS c
  LEFT JOIN migrated.before_image AS i
    ON i.change = c.change
