-- What the breakers weigh.

-- name: weigh_source
-- Target. The source that was looked at and the one that sessions have been completed with, when they differ.
SELECT a.source,
       s.identity
  FROM migrated.analysis AS a
  JOIN migrated.source AS s
    ON s.identity <> a.source
 WHERE a.analysis = {analysis};

-- name: weigh_entity
-- Target. One entity of an analysis: what is gone of its source, of what is mapped; no row when nothing is to be feared.
SELECT a.entity,
       a.rows = 0 AND (a.whole OR a.deleted > 0) AS empty,
       a.deleted,
       (SELECT pg_catalog.count(*)
          FROM {id_map}
         WHERE gone IS NULL) AS mapped
  FROM migrated.analysis_entity AS a
 WHERE a.analysis = {analysis}
   AND a.entity = {entity}
   AND (a.deleted >= {least} OR a.rows = 0 AND (a.whole OR a.deleted > 0))
