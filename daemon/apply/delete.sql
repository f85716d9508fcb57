-- Deletions: keys that detection found gone. {holes} are filled by delete_sql.c.
-- Tables of ours: c the change, s the stage (keys that the source has after all), m the entity's id map, t the target row.

-- name: delete_lock
-- Target. What is decided about edited rows holds until the transaction ends.
SELECT pg_catalog.count(*)
  FROM (
SELECT
  FROM migrated.change AS c
  JOIN {id_map} AS m
    ON {m_is_c}
   AND m.gone IS NULL
  JOIN {target} AS t
    ON {t_is_m}
 WHERE c.analysis = '{analysis}'
   AND c.entity = '{entity}'
   AND c.ordinal BETWEEN {low} AND {high}
   AND c.kind = 'deleted'
   FOR UPDATE OF t
       ) AS locked;

-- name: delete
-- Target. Keys that detection found gone and that the source, asked again, still does not have. How many there are the planner cannot know, and
-- takes for one; so what was written of them is not joined, which would compare each with each, but put beside them by its key.
WITH {found} AS MATERIALIZED (
  SELECT c.legacy_key,
         m.t1 IS NOT NULL AS mapped,
         {m_k},
         {m_t},
         m.w1,
         t.{any_target_key} IS NOT NULL AS present,
         {standing} AS standing,
         CASE WHEN m.w1 <> {standing} THEN {before} END AS before{passed}
    FROM migrated.change AS c
    LEFT JOIN {id_map} AS m
      ON {m_is_c}
     AND m.gone IS NULL
    LEFT JOIN {target} AS t
      ON {t_is_m}
   WHERE c.analysis = '{analysis}'
     AND c.entity = '{entity}'
     AND c.ordinal BETWEEN {low} AND {high}
     AND c.kind = 'deleted'
     AND NOT EXISTS (SELECT FROM {stage} AS s WHERE {s_is_c})
     AND {rows}
),{held}{shared}
written AS (
  {write}
){logged},
unmapped AS (
  UPDATE {id_map} AS m
     SET gone = pg_catalog.now(),
         w1 = CASE WHEN g.w1 IS NOT NULL THEN g.w1
                   WHEN NOT g.present THEN {no_row}
                   ELSE m.w1 END
    FROM (SELECT {k_names},
                 present,
                 pg_catalog.max(w1) OVER (PARTITION BY {t_names}) AS w1
            FROM (SELECT {g_k}, {g_t}, g.present, NULL::bigint AS w1
                    FROM gone AS g
                   UNION ALL
                  SELECT {no_k}, {w_t}, NULL, w.w1
                    FROM written AS w) AS both_of_them) AS g
   WHERE {m_is_g}
),
contested AS (
  INSERT INTO migrated.conflict AS c
              (entity, legacy_key, session, batch, policy, in_source, in_target, state, before)
  SELECT '{entity}', g.legacy_key, '{session}', {batch}, '{policy}', 'deleted', 'edited', '{state}', g.before
    FROM gone AS g
   WHERE {edited}
{conflict_again}  RETURNING 1
),
closed AS (
  UPDATE migrated.dead_letter AS d
     SET state = 'resolved',
         updated_at = pg_catalog.now()
    FROM gone AS g
   WHERE d.entity = '{entity}'
     AND d.legacy_key = g.legacy_key
     AND d.state IN ('open', 'discarded')
),
unparked AS (
  DELETE FROM migrated.parked AS p
   USING gone AS g
   WHERE p.entity = '{entity}'
     AND p.legacy_key = g.legacy_key
),
forgotten AS (
  DELETE FROM migrated.deferred AS l
   USING gone AS g
   WHERE l.entity = '{entity}'
     AND l.legacy_key = g.legacy_key
)
UPDATE migrated.batch AS b
   SET deleted = b.deleted + (SELECT pg_catalog.count(*) FROM gone AS g WHERE NOT ({spared})),
       unchanged = b.unchanged + (SELECT pg_catalog.count(*) FROM gone AS g WHERE {spared}),
       {state} = b.{state} + (SELECT pg_catalog.count(*) FROM contested){failed}
 WHERE b.session = '{session}'
   AND b.entity = '{entity}'
   AND b.number = {batch}

-- name: shared
-- Rows that others lead to, too, which are not gone with these. IS TRUE and NOT IN make hashed subplans, one pass over the id map, however
-- few rows the planner thinks are gone: joins have been planned as loops over it for each.
shared AS MATERIALIZED (
  SELECT {o_t}
    FROM {id_map} AS o
   WHERE o.gone IS NULL
     AND ((({o_t}) IN (SELECT {g_t} FROM gone AS g WHERE g.mapped)) IS TRUE)
     AND ({o_k}) NOT IN (SELECT {g_k} FROM gone AS g WHERE g.mapped)
),

-- name: held
-- Where a foreign key would delete or change rows of a mapped table along with it, a row is kept as long as there are such rows.
held AS MATERIALIZED (
  SELECT DISTINCT ON (g.legacy_key) g.legacy_key, w.constraint_name, w.message
    FROM found AS g
   CROSS JOIN LATERAL (
{referrers}
         ) AS w (constraint_name, message)
   WHERE NOT ({spared})
),
gone AS MATERIALIZED (
  SELECT f.*
    FROM found AS f
   WHERE NOT EXISTS (SELECT FROM held AS h WHERE h.legacy_key = f.legacy_key)
),
refused AS (
  INSERT INTO migrated.dead_letter AS d
              (entity, legacy_key, session, batch, phase, sqlstate, constraint_name, message, mapped)
  SELECT '{entity}', h.legacy_key, '{session}', {batch}, 'delete', '23503', h.constraint_name, h.message, true
    FROM held AS h
{letter_again}  RETURNING 1
),

-- name: referrer
SELECT {constraint}, {message} WHERE EXISTS (SELECT FROM {child_target} AS t WHERE t.{column} = g.t1{except})

-- name: delete_settle
-- Target. A row that could not be deleted, and that the source has again, is not to be deleted. What was asked for has been tried.
UPDATE migrated.dead_letter AS d
   SET state = 'resolved',
       updated_at = pg_catalog.now()
  FROM {stage} AS s
 WHERE d.entity = '{entity}'
   AND d.legacy_key = {stage_legacy_key}
   AND d.phase = 'delete'
   AND d.state IN ('open', 'discarded');
DELETE FROM migrated.again AS g
 USING migrated.change AS c
 WHERE EXISTS (SELECT FROM migrated.again WHERE entity = '{entity}')
   AND c.analysis = '{analysis}'
   AND c.entity = '{entity}'
   AND c.ordinal BETWEEN {low} AND {high}
   AND c.kind = 'deleted'
   AND g.entity = '{entity}'
   AND g.legacy_key = c.legacy_key
   AND g.requested_at <= pg_catalog.now();

-- name: delete_letter
-- Target. The dead letters of deletions that the database refused, $1 (migrated.refusal[]).
WITH dead AS (
  INSERT INTO migrated.dead_letter AS d
              (entity, legacy_key, session, batch, phase, sqlstate, constraint_name, column_name, message, mapped)
  SELECT '{entity}', c.legacy_key, '{session}', {batch}, 'delete', f.sqlstate, f.constraint_name, f.column_name, f.message, true
    FROM pg_catalog.unnest($1) AS f
    JOIN migrated.change AS c
      ON c.ctid = f.row_id
{letter_again})
UPDATE migrated.batch AS b
   SET failed = b.failed + pg_catalog.cardinality($1)
 WHERE b.session = '{session}'
   AND b.entity = '{entity}'
   AND b.number = {batch}

-- name: delete_isolate
SELECT migrated.apply_isolated({apply}, {letter},
         (SELECT pg_catalog.array_agg(c.ctid ORDER BY c.ordinal)
            FROM migrated.change AS c
           WHERE c.analysis = '{analysis}'
             AND c.entity = '{entity}'
             AND c.ordinal BETWEEN {low} AND {high}
             AND c.kind = 'deleted'));
