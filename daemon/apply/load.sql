-- A batch of a first load: rows of which nothing has been carried yet, so that neither the id map nor the target has to be asked
-- for them. What apply.sql does for any row, for less. Should a row be there after all, a key of the id map or of the target
-- refuses the statement, and the batch is applied as any other. {holes} are filled by load_sql.c; the words for tables of ours are those
-- of apply.sql.

-- name: load
-- Target. Resolves the staged rows, sets aside those that cannot be written, writes the others, and counts.
WITH {resolving} AS MATERIALIZED (
  SELECT s.ctid AS row_id,
         {stage_keys},
         s.h1,
         s.h2,{no_verdict}
         FALSE AS mapped,
         {made_keys},
         {values},
         {missing}
         {fault} AS fault
    FROM {stage} AS s
{references}),
{made_kin}inserted AS (
  INSERT INTO {target} AS t ({columns}){overriding}
  SELECT {column_values}
    FROM resolved AS r
   WHERE {ok}
  RETURNING {t_keys}, {written_hash} AS w1{inserts_returned}
),
placed AS MATERIALIZED (
  SELECT {r_k}, {r_t}, r.h1, r.h2, w.w1, w.change
    FROM resolved AS r
    LEFT JOIN inserted AS w
      ON {w_is_r}
   WHERE {ok}
){loads_logged},
mapped AS (
  INSERT INTO {id_map} ({k_names}, {t_names}, h1, h2, session, w1{dealt_column})
  SELECT {w_k}, {w_t}, w.h1, w.h2, {session_number}, w.w1{made_dealt}
    FROM placed AS w
),
{asides}UPDATE migrated.batch AS b
   SET inserted = b.inserted + (SELECT pg_catalog.count(*) FROM inserted),
       unchanged = b.unchanged + (SELECT pg_catalog.count(*) FROM placed AS w WHERE w.change IS NULL),
       failed = b.failed + (SELECT pg_catalog.count(*) FROM dead),
       parked = b.parked + (SELECT pg_catalog.count(*) FROM waiting)
 WHERE b.session = '{session}'
   AND b.entity = '{entity}'
   AND b.number = {batch}
