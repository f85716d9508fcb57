-- The SQL of a batch. {holes} are filled for each entity by entity_sql.c; `migratectl plan --sql ENTITY` shows the result.
-- Tables of ours: s the stage, m the entity's id map, rN_M the id map of reference N's alternative M,
-- a the target row that carries the legacy key already, t the target row.

-- name: read
-- Source. The present state of the rows, with two hashes of exactly what is shipped.
COPY (
SELECT {names},
       {h1} AS h1,
       {h2} AS h2{time_name}
  FROM (
SELECT {expressions}{time},
       {row} AS r
  FROM {relation}
 WHERE {filter}
   AND {which}
 ORDER BY {order}
OFFSET bigint '0'
       ) AS s
) TO STDOUT (FORMAT binary)

-- name: read_keys
-- Source. Which of these keys are there.
COPY (
SELECT {keys}
  FROM {relation}
 WHERE {filter}
   AND {which}
) TO STDOUT (FORMAT binary)

-- name: begin
-- Target. Opens the batch; the rows follow. Compiling a statement of this size takes longer than running it.
{begin}
SET LOCAL seq_page_cost = 0.2;
SET LOCAL random_page_cost = 0.3;
SET LOCAL work_mem = '{work_memory}kB';
SET LOCAL enable_mergejoin = off;
SET LOCAL jit = off;
SET CONSTRAINTS ALL IMMEDIATE;
SELECT migrated.claim_batch('{session}', '{entity}', {batch}, {epoch});
CREATE TEMPORARY TABLE IF NOT EXISTS {stage_name} (
  {stage_columns}
) ON COMMIT DELETE ROWS;
{empty}COPY {stage} ({stage_names}) FROM STDIN (FORMAT binary);

-- name: revive
-- Target. A row that was marked as gone and is there again is unmarked. Locked first: whether it is as we wrote it must be known of
-- the very row that is unmarked.
WITH marked AS MATERIALIZED (
  SELECT {m_k},
         {m_t},
         {written_hash} = m.w1 AS is_ours{standing}
    FROM {stage} AS s
    JOIN {id_map} AS m
      ON {m_is_s}
    JOIN {target} AS t
      ON {t_is_m}
   WHERE m.gone IS NOT NULL{same}
     FOR UPDATE OF t
),
unmarked AS (
  UPDATE {target} AS t
     SET {unmark}
    FROM marked AS r
   WHERE {t_is_r}
  RETURNING {r_k}, {r_t}, r.is_ours, {written_hash} AS w1{returned}
){logged}
UPDATE {id_map} AS m
   SET w1 = r.w1
  FROM unmarked AS r
 WHERE {m_is_r}
   AND r.is_ours;

-- Begins statements that need to know where the staged rows stand in the target, what they are to be there, and what is wrong with them.
-- name: resolve
WITH {resolved} AS MATERIALIZED (
  SELECT s.ctid AS row_id,
         {stage_keys},
         s.h1,
         s.h2,{s_i1}
         m.t1 IS NOT NULL AS mapped,
         t.{any_target_key} IS NOT NULL AS present,
         m.w1,
         {standing} AS standing,
         {differs} AS differs,
         t.xmin AS version,
         t.ctid AS place{more},
         {old_keys},
         {new_keys},
         {values},
         {missing}
         {fault} AS fault{passed}
    FROM {stage} AS s
    LEFT JOIN {id_map} AS m
      ON {m_is_s}
{joins}    LEFT JOIN {target} AS t
      ON {t_is_located}
   WHERE {rows}
),

-- name: apply
-- Target. Resolves the staged rows, sets aside those that cannot be applied, writes the others, and counts.
{resolve}{kin}{judged}inserted AS (
  INSERT INTO {target} AS t ({columns}){overriding}
  SELECT {column_values}
    FROM resolved AS r
   WHERE {writes}
     AND NOT r.present
  RETURNING {t_keys}, {written_hash} AS w1{inserts_returned}
),
updated AS (
  UPDATE {target} AS t
     SET {assignments}
    FROM resolved AS r
   WHERE {t_is_old}
     AND {overwrites}
     AND t.ctid = r.place
     AND t.xmin = r.version
  RETURNING {r_o}, {r_k}, {t_keys}, {written_hash} AS w1{updates_returned}
),
placed AS (
  SELECT {r_k}, {w_t}, w.change, r.mapped
    FROM inserted AS w
    JOIN resolved AS r
      ON {w_is_r}
){inserts_logged}{updates_logged},
written AS (
  SELECT {t_names}, w1
    FROM inserted
   UNION ALL
  SELECT {t_names}, w1
    FROM updated
),
mapped AS (
  INSERT INTO {id_map} ({k_names}, {t_names}, h1, h2, session, w1{dealt_column}{i1})
  SELECT {r_k}, {r_t}, r.h1, r.h2, {session_number}, coalesce(w.w1, CASE WHEN NOT r.differs THEN r.standing END){dealt_value}{r_i1}
    FROM resolved AS r
    LEFT JOIN written AS w
      ON {w_is_r}
   WHERE {ok}
     AND NOT r.mapped
  RETURNING 1
),
remapped AS (
  UPDATE {id_map} AS m
     SET h1 = r.h1,
         h2 = r.h2,
         gone = NULL,
         w1 = {known}{dealt}{remap}
    FROM resolved AS r
    LEFT JOIN written AS w
      ON {w_is_r}
   WHERE {m_is_r}
     AND r.mapped
     AND (m.h1, m.h2, m.gone, m.w1, {m_dealt}{m_t}{m_i1}) IS DISTINCT FROM (r.h1, r.h2, NULL::timestamptz, {known}, {r_dealt}{r_t}{r_i1})
),
contested AS (
  INSERT INTO migrated.conflict AS c
              (entity, legacy_key, session, batch, policy, in_source, in_target, state, columns, before, h1, h2)
  SELECT '{entity}', {legacy_key}, '{session}', {batch}, '{policy}', 'changed',
         CASE WHEN r.present THEN 'edited' ELSE 'deleted' END,
         {verdict},
         {differing},
         CASE WHEN r.present THEN {before} END,
         r.h1, r.h2
    FROM resolved AS r
    LEFT JOIN LATERAL (SELECT * FROM {target} AS t WHERE {t_is_old} OFFSET 0) AS t
      ON TRUE
   WHERE {ok}
     AND {verdict} <> 'left'
{conflict_again}  RETURNING state
),
{asides}UPDATE migrated.batch AS b
   SET inserted = b.inserted + (SELECT pg_catalog.count(*) FROM inserted),
       updated = b.updated + (SELECT pg_catalog.count(*) FROM updated)
                 + CASE WHEN (SELECT pg_catalog.count(*) FROM updated) < (SELECT pg_catalog.count(*) FROM resolved AS r WHERE {overwrites})
                        THEN (SELECT migrated.refuse_overtaken({target_literal}, pg_catalog.array_agg(t.ctid), pg_catalog.array_agg(t.tableoid),
                                                               pg_catalog.array_agg(t.xmin))
                                FROM resolved AS r
                                JOIN {target} AS t
                                  ON {t_is_old}
                               WHERE {overwrites}
                                 AND NOT EXISTS (SELECT FROM updated AS u WHERE {u_is_r}))
                        ELSE 0 END,
       unchanged = b.unchanged + (SELECT pg_catalog.count(*) FROM resolved AS r WHERE {ok})
                   - (SELECT pg_catalog.count(*) FROM inserted)
                   - (SELECT pg_catalog.count(*) FROM updated),
       failed = b.failed + (SELECT pg_catalog.count(*) FROM dead),
       parked = b.parked + (SELECT pg_catalog.count(*) FROM waiting),
       overwritten = b.overwritten + (SELECT pg_catalog.count(*) FROM contested AS c WHERE c.state = 'overwritten'),
       kept = b.kept + (SELECT pg_catalog.count(*) FROM contested AS c WHERE c.state = 'kept'),
       held = b.held + (SELECT pg_catalog.count(*) FROM contested AS c WHERE c.state = 'held')
 WHERE b.session = '{session}'
   AND b.entity = '{entity}'
   AND b.number = {batch}

-- What becomes of resolved rows that are not written, or not whole: CTEs of the statements that write the others.
-- name: asides
dead AS (
  INSERT INTO migrated.dead_letter AS d
              (entity, legacy_key, session, batch, phase, sqlstate, constraint_name, column_name, message, h1, h2, mapped, row)
  SELECT '{entity}', {legacy_key}, '{session}', {batch}, f.phase, f.sqlstate, f.constraint_name, f.column_name, f.message,
         r.h1, r.h2, r.mapped, {row}
    FROM resolved AS r
    JOIN (VALUES {faults}) AS f (fault, phase, sqlstate, constraint_name, column_name, message)
      ON f.fault = r.fault
    JOIN {stage} AS s
      ON s.ctid = r.row_id
{letter_again}  RETURNING 1
),
waiting AS (
  INSERT INTO migrated.parked AS p
              (entity, legacy_key, column_name, parent_entity, parent_key, h1, h2, mapped, session, batch)
  SELECT '{entity}', {legacy_key}, w.column_name, w.parent_entity, w.parent_key, r.h1, r.h2, r.mapped, '{session}', {batch}
    FROM resolved AS r
   CROSS JOIN LATERAL ({waits}) AS w (column_name, parent_entity, parent_key)
   WHERE {waiting}
{parked_again}  RETURNING 1
),
later AS (
  INSERT INTO migrated.deferred AS l
              (entity, legacy_key, column_name, parent_entity, parent_key, session, batch)
  SELECT '{entity}', {legacy_key}, w.column_name, w.parent_entity, w.parent_key, '{session}', {batch}
    FROM resolved AS r
   CROSS JOIN LATERAL ({deferrals}) AS w (column_name, parent_entity, parent_key)
   WHERE {deferring}
      ON CONFLICT (entity, legacy_key, column_name) DO UPDATE
     SET parent_entity = excluded.parent_entity,
         parent_key = excluded.parent_key,
         session = excluded.session,
         batch = excluded.batch
)

-- Ends every INSERT of a dead letter: a row that has one already gets no second. What people have discarded stays so until the row
-- changes.
-- name: letter_again
      ON CONFLICT (entity, legacy_key) DO UPDATE
     SET session = excluded.session,
         batch = excluded.batch,
         phase = excluded.phase,
         sqlstate = excluded.sqlstate,
         constraint_name = excluded.constraint_name,
         column_name = excluded.column_name,
         message = excluded.message,
         h1 = coalesce(excluded.h1, d.h1),
         h2 = coalesce(excluded.h2, d.h2),
         mapped = excluded.mapped,
         row = excluded.row,
         attempts = d.attempts + 1,
         state = CASE WHEN d.state = 'discarded'
                       AND (d.h1, d.h2) IS NOT DISTINCT FROM (coalesce(excluded.h1, d.h1), coalesce(excluded.h2, d.h2))
                      THEN 'discarded'
                      ELSE 'open' END,
         updated_at = pg_catalog.now()

-- Likewise of a parked row.
-- name: parked_again
      ON CONFLICT (entity, legacy_key) DO UPDATE
     SET column_name = excluded.column_name,
         parent_entity = excluded.parent_entity,
         parent_key = excluded.parent_key,
         h1 = excluded.h1,
         h2 = excluded.h2,
         mapped = excluded.mapped,
         session = excluded.session,
         batch = excluded.batch

-- name: settle
-- Target. What these rows were waiting for or had failed of before is over, unless this batch said so again.
UPDATE migrated.dead_letter AS d
   SET state = 'resolved',
       updated_at = pg_catalog.now()
  FROM {stage} AS s
 WHERE d.entity = '{entity}'
   AND d.legacy_key = {stage_legacy_key}
   AND d.state IN ('open', 'discarded')
   AND (d.session, d.batch) IS DISTINCT FROM ('{session}'::uuid, {batch});
DELETE FROM migrated.parked AS p
 USING {stage} AS s
 WHERE p.entity = '{entity}'
   AND p.legacy_key = {stage_legacy_key}
   AND (p.session, p.batch) IS DISTINCT FROM ('{session}'::uuid, {batch});
DELETE FROM migrated.deferred AS l
 USING {stage} AS s
 WHERE l.entity = '{entity}'
   AND l.legacy_key = {stage_legacy_key}
   AND (l.session, l.batch) IS DISTINCT FROM ('{session}'::uuid, {batch});
DELETE FROM migrated.again AS g
 USING {stage} AS s
 WHERE EXISTS (SELECT FROM migrated.again WHERE entity = '{entity}')
   AND g.entity = '{entity}'
   AND g.legacy_key = {stage_legacy_key}
   AND g.requested_at <= pg_catalog.now();
UPDATE migrated.conflict AS c
   SET state = 'resolved',
       updated_at = pg_catalog.now()
  FROM {stage} AS s
 WHERE c.entity = '{entity}'
   AND c.legacy_key = {stage_legacy_key}
   AND c.state = 'held'
   AND (c.session, c.batch) IS DISTINCT FROM ('{session}'::uuid, {batch});

-- name: settle_absent
-- Target. Rows that were brought along (asked for, parked, or dead letters) and that the source has not got any more wait for nothing.
-- What of them is mapped is left to a sweep, which finds it gone. NOT IN is a hashed subplan, whatever the statistics say.
WITH absent AS MATERIALIZED (
  SELECT c.legacy_key
    FROM migrated.change AS c
   WHERE (EXISTS (SELECT FROM migrated.again WHERE entity = '{entity}')
          OR EXISTS (SELECT FROM migrated.parked WHERE entity = '{entity}')
          OR EXISTS (SELECT FROM migrated.dead_letter WHERE entity = '{entity}' AND state = 'open'))
     AND c.analysis = '{analysis}'
     AND c.entity = '{entity}'
     AND c.ordinal BETWEEN {low} AND {high}
     AND c.kind IN ('again', 'unparked')
     AND c.legacy_key NOT IN (SELECT {stage_legacy_key} FROM {stage} AS s)
),
closed AS (
  UPDATE migrated.dead_letter AS d
     SET state = 'resolved',
         message = CASE WHEN d.mapped
                        THEN 'not in the source any more; what the target has of it is the next sweep''s to find'
                        ELSE 'not in the source any more' END,
         updated_at = pg_catalog.now()
    FROM absent AS a
   WHERE d.entity = '{entity}'
     AND d.legacy_key = a.legacy_key
     AND d.state IN ('open', 'discarded')
),
unparked AS (
  DELETE FROM migrated.parked AS p
   USING absent AS a
   WHERE p.entity = '{entity}'
     AND p.legacy_key = a.legacy_key
)
DELETE FROM migrated.again AS g
 USING absent AS a
 WHERE g.entity = '{entity}'
   AND g.legacy_key = a.legacy_key
   AND g.requested_at <= pg_catalog.now();

-- name: finish
-- Target. The checkpoint; with it the batch is done.
UPDATE migrated.batch AS b
   SET done = true,
       begun_at = pg_catalog.now(),
       finished_at = pg_catalog.clock_timestamp()
 WHERE b.session = '{session}'
   AND b.entity = '{entity}'
   AND b.number = {batch}
RETURNING inserted, updated, unchanged, deleted, failed, parked, warned, warnings, overwritten, kept, held;
{end}
