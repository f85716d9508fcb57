-- What all checks of a validation have in common; {holes} by check.c.

-- name: check_begin
-- Target. Opens the transaction of a chunk. No row, and it is another's: the check has gone on meanwhile, or was ended.
BEGIN ISOLATION LEVEL READ COMMITTED;
SET LOCAL random_page_cost = 0.3;
SET LOCAL work_mem = '{work_memory}kB';
SET LOCAL jit = off;
SELECT migrated.hold_epoch({epoch});
SELECT TRUE
  FROM migrated.validation_entity AS e
 WHERE e.validation = '{validation}'
   AND e.entity = {entity}
   AND e."check" = '{check}'
   AND e.state = 'running'
   AND e.cursor IS NOT DISTINCT FROM {cursor}
   FOR UPDATE

-- name: check_keep
-- Target. Keeps what was found, as far as there is room, and moves the check on; without a cursor to go on from, it is done.
WITH {with},
kept AS (
  INSERT INTO migrated.validation_difference
              (validation, entity, "check", kind, legacy_key, target_key, columns, name)
  SELECT '{validation}', {entity}, '{check}', f.kind, f.legacy_key, f.target_key, coalesce(f.columns, '{}'), f.name
    FROM found AS f
   LIMIT (SELECT greatest(0, {keep} - e.differences)
            FROM migrated.validation_entity AS e
           WHERE e.validation = '{validation}'
             AND e.entity = {entity}
             AND e."check" = '{check}')
),
chunk AS MATERIALIZED (
  SELECT ({rows})::bigint AS rows,
         ({waiting})::bigint AS waiting,
         (SELECT pg_catalog.count(*) FROM found) AS differences
)
UPDATE migrated.validation_entity AS e
   SET cursor = {cursor},
       state = CASE WHEN {cursor} IS NULL THEN 'done' ELSE e.state END,
       finished_at = CASE WHEN {cursor} IS NULL THEN pg_catalog.clock_timestamp() END,
       rows = e.rows + c.rows,
       waiting = e.waiting + c.waiting,
       differences = e.differences + c.differences
  FROM chunk AS c
 WHERE e.validation = '{validation}'
   AND e.entity = {entity}
   AND e."check" = '{check}'
RETURNING c.rows, c.differences, c.waiting
