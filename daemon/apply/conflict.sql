-- What becomes of rows that were edited in the target. {holes} by conflict.c; the words for tables of ours are those of apply.sql.

-- name: judged
-- A CTE of `apply`, where the source does not always win: the verdict on each row. Left alone is a version of the source that was
-- dealt with before: the target's edit came after it, or people have decided against it.
resolved AS MATERIALIZED (
  SELECT r.*,
         CASE WHEN NOT r.differs THEN NULL
              WHEN {edited}
              THEN CASE WHEN r.h1 = r.w2 THEN 'left'
                        ELSE {decided} END
              WHEN r.mapped AND EXISTS (SELECT FROM migrated.conflict AS c
                                         WHERE c.entity = '{entity}'
                                           AND c.legacy_key = {legacy_key}
                                           AND c.state = 'resolved'
                                           AND c.resolution = 'target'
                                           AND (c.h1, c.h2) = (r.h1, r.h2))
              THEN 'left' END AS verdict
    FROM compared AS r
),

-- name: conflict_again
-- Ends every INSERT of a conflict: one that is held already is renewed.
      ON CONFLICT (entity, legacy_key) WHERE state = 'held' DO UPDATE
     SET session = excluded.session,
         batch = excluded.batch,
         policy = excluded.policy,
         in_source = excluded.in_source,
         in_target = excluded.in_target,
         columns = excluded.columns,
         before = excluded.before,
         h1 = excluded.h1,
         h2 = excluded.h2,
         updated_at = pg_catalog.now()
