-- Where every source row of one entity is; {holes} by account.c. s are the source's keys and hashes, m the entity's id map, t the target
-- table, d dead letters, p parked rows, w what is in a change set and not done.

-- name: account_known
-- Target. Opens the snapshot. Is there an id map of this entity, and does the control schema know conflicts?
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT pg_catalog.to_regclass('migrated.entity') IS NOT NULL
   AND pg_catalog.to_regclass({id_map_name}) IS NOT NULL,
       pg_catalog.to_regclass('migrated.conflict') IS NOT NULL

-- name: account_count
-- Source. Opens the snapshot. Rows, and those of them that are to be migrated.
BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;
SELECT pg_catalog.count(*),
       pg_catalog.count(*) FILTER (WHERE {filter})
  FROM {relation}

-- name: account_begin
-- Target. The rows follow. Whole tables are joined, of which statistics may say little yet (rows just migrated, or just found gone): a
-- nested loop would take hours.
SET LOCAL enable_nestloop = off;
SET LOCAL work_mem = '{work_memory}kB';
CREATE TEMPORARY TABLE account_{entity} (
  {columns}
);
COPY pg_temp.account_{entity} FROM STDIN (FORMAT binary);

-- name: account_classify
-- Target. What is set aside stays there until it has been tried again; a discarded letter only until its row changes. The change set
-- is that of the session under way, or else of the analysis that the next one takes.
WITH mapping AS MATERIALIZED (
  SELECT CASE
           WHEN e.fingerprint IS NULL THEN 'never'
           WHEN e.fingerprint = '{fingerprint}' THEN 'same'
           ELSE 'changed'
         END AS state
    FROM migrated.entity AS e
   WHERE e.entity = {name}
),
under_way AS MATERIALIZED (
  SELECT s.session, s.analysis, e.whole, e.keys_to
    FROM migrated.session AS s
    JOIN migrated.session_entity AS e
      ON e.session = s.session
   WHERE s.state IN ('pending', 'running', 'paused')
     AND e.entity = {name}
     AND e.state IN ('pending', 'running', 'paused')
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
noted AS (
  SELECT DISTINCT {from_text}
    FROM migrated.change AS c
   WHERE c.entity = {name}
     AND c.kind <> 'deleted'
     AND (c.analysis = (SELECT analysis FROM next)
          OR c.analysis = (SELECT analysis FROM under_way)
             AND (c.ordinal > (SELECT keys_to FROM under_way)
                  OR EXISTS (SELECT FROM migrated.batch AS b
                              WHERE b.session = (SELECT session FROM under_way)
                                AND b.entity = {name}
                                AND b.kind = 'keys'
                                AND NOT b.done
                                AND c.ordinal BETWEEN b.low[1]::bigint AND b.high[1]::bigint)))
),
classified AS (
  SELECT CASE
           WHEN d.state = 'open' THEN 'dead_letter'
           WHEN p.k1 IS NOT NULL THEN 'parked'{held}
           WHEN (SELECT state FROM mapping) = 'changed' THEN 'waiting'
           WHEN d.state = 'discarded' AND (d.h1, d.h2) IS NOT DISTINCT FROM (s.h1, s.h2) THEN 'discarded'
           WHEN m.gone IS NOT NULL OR (m.h1, m.h2) IS DISTINCT FROM (s.h1, s.h2) THEN 'waiting'
{kept}           WHEN t.{any_target_key} IS NULL THEN 'lost'
           ELSE 'equal'
         END AS class,
         w.k1 IS NOT NULL
         OR coalesce((SELECT whole FROM under_way), false)
         OR coalesce((SELECT whole FROM next), false) AS noted,
         {keyless} AS keyless
    FROM pg_temp.account_{entity} AS s
    LEFT JOIN {id_map} AS m
      ON {m_is_s}
    LEFT JOIN {target} AS t
      ON {t_is_m}
    LEFT JOIN (
           SELECT {from_text}, state, h1, h2
             FROM migrated.dead_letter
            WHERE entity = {name}
              AND state IN ('open', 'discarded')
              AND phase <> 'delete') AS d
      ON {d_is_s}
    LEFT JOIN (
           SELECT {from_text}
             FROM migrated.parked
            WHERE entity = {name}) AS p
      ON {p_is_s}{conflicts}
    LEFT JOIN noted AS w
      ON {w_is_s}
)
SELECT pg_catalog.count(*) FILTER (WHERE class = 'equal'),
       pg_catalog.count(*) FILTER (WHERE class = 'lost'),
       pg_catalog.count(*) FILTER (WHERE class = 'waiting'),
       pg_catalog.count(*) FILTER (WHERE class = 'parked'),
       pg_catalog.count(*) FILTER (WHERE class = 'dead_letter'),
       pg_catalog.count(*) FILTER (WHERE class = 'discarded'),
       pg_catalog.count(*) FILTER (WHERE class = 'held'),
       pg_catalog.count(*) FILTER (WHERE class = 'kept'),
       pg_catalog.count(*) FILTER (WHERE class = 'waiting' AND noted),
       (SELECT pg_catalog.count(*)
          FROM {seen} AS m
         WHERE NOT EXISTS (SELECT FROM pg_temp.account_{entity} AS s WHERE {m_is_s})),
       (SELECT pg_catalog.count(*)
          FROM migrated.deferred
         WHERE entity = {name}),
       (SELECT pg_catalog.count(*)
          FROM migrated.dead_letter
         WHERE entity = {name}
           AND state = 'open'
           AND phase = 'delete'),
       {duplicates},
       pg_catalog.count(*) FILTER (WHERE keyless),
       (SELECT state FROM mapping)
  FROM classified

-- name: account_duplicates
-- Target, a part, where the source has no unique index. Rows beyond the first of each key.
(SELECT coalesce(pg_catalog.sum(several.rows - 1), 0)::bigint
          FROM (SELECT pg_catalog.count(*) AS rows
                  FROM pg_temp.account_{entity} AS s
                 WHERE NOT {keyless}
                 GROUP BY {s_keys}
                HAVING pg_catalog.count(*) > 1) AS several)

-- name: account_held
-- Target, a part, where there are conflicts.

           WHEN c.state = 'held' THEN 'held'

-- name: account_kept
-- Target, a part, where there are conflicts. The target's version stands in the place of the one that the source has now.
           WHEN c.state = 'kept'
            AND (c.h1, c.h2) IS NOT DISTINCT FROM (s.h1, s.h2)
            AND (t.{any_target_key} IS NOT NULL OR c.in_target = 'deleted') THEN 'kept'

-- name: account_conflicts
-- Target, a part. What became of each row's last conflict: somebody is to decide it, or it was decided for the target.

    LEFT JOIN (
           SELECT DISTINCT ON (legacy_key)
                  {from_text}, in_target, h1, h2,
                  CASE
                    WHEN state = 'held' AND in_source = 'changed' THEN 'held'
                    WHEN state = 'kept' OR state = 'resolved' AND resolution = 'target' THEN 'kept'
                  END AS state
             FROM migrated.conflict
            WHERE entity = {name}
            ORDER BY legacy_key, state = 'held' DESC, id DESC) AS c
      ON {c_is_s}
