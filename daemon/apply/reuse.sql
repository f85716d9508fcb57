-- A legacy key that stands for another row than it did: its identity (i1) is not the one that the id map has. What carried the key
-- before is another thing, and keeps its target key; the new row gets one of its own. {holes} by reuse_sql.c.
-- Tables of ours: s the stage, m the entity's id map, h what the id map said before, t the target row, n the new one.

-- name: reuse
-- Target. Before the rows are written: keeps what the id map said, mints, and has the old row let go of what the new one must have.
WITH reused AS MATERIALIZED (
  SELECT {m_k},
         m.t1,
         m.i1,
         m.session,
         s.i1 AS new_i1,
         {mint} AS new_t1
    FROM {stage} AS s
    JOIN {id_map} AS m
      ON {m_is_s}
   WHERE m.i1 <> s.i1
     AND {rows}{only}
),
kept AS (
  INSERT INTO migrated.id_map_history (entity, legacy_key, target_key, i1, since_session, reason, session, batch)
  SELECT '{entity}', {legacy_key}, ARRAY[r.t1::text], r.i1, r.session, 'reused', '{session}', {batch}
    FROM reused AS r
),
{released}UPDATE {id_map} AS m
   SET t1 = r.new_t1,
       session = {session_number},
       w1 = NULL,
       w2 = NULL{known}
  FROM reused AS r
 WHERE {m_is_r}

-- name: released
-- The old row of each of `rows` is locked, and changed.
standing AS MATERIALIZED (
  SELECT r.*{standing}
    FROM {rows} AS r
    JOIN {target} AS t
      ON {t_is_r}
     FOR UPDATE OF t
),
released AS (
  {write}
  RETURNING {r_k}, r.t1{returned}
){logged},

-- name: alone
-- Where there was none to be changed, the id map alone is.
alone AS MATERIALIZED (
  SELECT {r_k}, r.t1{returned}
    FROM {rows} AS r{unreleased}
){logged}

-- name: withdraw
-- Target. Where the new row could not be written after all, everything is as it was: the old row stands until there is another.
WITH withdrawn AS (
  DELETE FROM migrated.id_map_history AS h
   USING {stage} AS s
    JOIN {id_map} AS m
      ON {m_is_s}
   WHERE {h_is_ours}
     AND h.legacy_key = {stage_legacy_key}
     AND {rows}
     AND NOT EXISTS (SELECT FROM {target} AS n WHERE {n_is_m})
  RETURNING {s_k},
            h.target_key[1]::{t1_type} AS t1,
            h.i1,
            h.since_session{values}
),
{released}UPDATE {id_map} AS m
   SET t1 = r.t1,
       i1 = r.i1,
       session = r.since_session
  FROM withdrawn AS r
 WHERE {m_is_r}

-- name: repoint
-- Target. Rows of an entity that refer to the legacy key refer to the new row now, those that went with the old row left out. Where the
-- reference is part of the child's own key, that moves, too ({remapped}).
WITH moved AS MATERIALIZED (
  SELECT {c_k},
         {c_t},
         h.target_key[1] AS old_key,
         m.t1 AS new_key,
         {written_hash} = c.w1 AS is_ours{standing}
    FROM migrated.id_map_history AS h
    JOIN {stage} AS s
      ON h.legacy_key = {stage_legacy_key}
    JOIN {id_map} AS m
      ON {m_is_s}
    JOIN {child_target} AS t
      ON t.{column} = h.target_key[1]::{type}
    JOIN {child_map} AS c
      ON {t_is_c}
   WHERE {h_is_ours}
     AND {rows}
     AND c.gone IS NULL{unless_gone}
     FOR UPDATE OF t
),
pointed AS (
  UPDATE {child_target} AS t
     SET {column} = moved.new_key
    FROM moved
   WHERE {t_is_moved}
  RETURNING {moved_k}, {t_keys}, moved.new_key, moved.is_ours, {written_hash} AS w1{returned}
){logged}
UPDATE {child_map} AS c
   SET {remapped}w1 = CASE WHEN p.is_ours THEN p.w1 ELSE c.w1 END
  FROM pointed AS p
 WHERE {c_is_p}

-- name: leave
-- Target. What becomes of the old row.
WITH standing AS MATERIALIZED (
  SELECT {s_k}, {t_keys}{standing}
    FROM migrated.id_map_history AS h
    JOIN {stage} AS s
      ON h.legacy_key = {stage_legacy_key}
    JOIN {target} AS t
      ON {t_is_h}
   WHERE {h_is_ours}
     AND {rows}
     FOR UPDATE OF t
),
abandoned AS (
  {write}
   WHERE {t_is_r}
  RETURNING {r_k}, {r_t}{returned}
){logged}
SELECT pg_catalog.count(*)
  FROM abandoned
