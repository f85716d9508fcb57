-- Whether the id maps are what they were; {holes} by id_map.c. An entity and its id map are listed as
-- (entity, columns, types, key columns).

-- name: known_id_maps_present
SELECT pg_catalog.to_regclass('migrated.known_id_map') IS NOT NULL

-- name: id_maps
-- Was it there before, is it there, is its size to be looked at, which columns are not what they must be, is its key one?
SELECT w.entity,
       k.entity IS NOT NULL
       AND (k.rows > 0
            OR EXISTS (SELECT FROM migrated.batch AS b
                        WHERE b.entity = w.entity AND b.done AND b.inserted + b.updated + b.unchanged > 0)) AS used,
       c.oid IS NOT NULL AS present,
       k.entity IS NOT NULL
       AND c.oid IS NOT NULL
       AND ((k.relation, k.storage) IS DISTINCT FROM (c.oid, c.relfilenode)
            OR k.counted_at IS NULL
            OR k.counted_at < pg_catalog.now() - interval '{every}') AS to_be_counted,
       coalesce(k.rows, 0) AS rows,
       CASE WHEN c.oid IS NOT NULL THEN (
         SELECT pg_catalog.string_agg(
                  CASE WHEN a.attnum IS NULL THEN x.name || ' is not there'
                       ELSE pg_catalog.format('%s is %s and should be %s', x.name, pg_catalog.format_type(a.atttypid, NULL), x.type)
                       END, '; ')
           FROM unnest(w.columns, w.types) AS x (name, type)
           LEFT JOIN pg_catalog.pg_attribute AS a
             ON a.attrelid = c.oid
            AND a.attname = x.name
            AND NOT a.attisdropped
          WHERE a.attnum IS NULL
             OR a.atttypid <> coalesce(pg_catalog.to_regtype(x.type)::oid, a.atttypid)) END AS misfits,
       c.oid IS NULL OR EXISTS (
         SELECT FROM pg_catalog.pg_index AS i
          WHERE i.indrelid = c.oid
            AND i.indisunique
            AND i.indisvalid
            AND i.indpred IS NULL
            AND ARRAY(SELECT a.attname::text
                        FROM pg_catalog.pg_attribute AS a
                       WHERE a.attrelid = c.oid
                         AND a.attnum = ANY (i.indkey)
                       ORDER BY a.attname)
                = ARRAY(SELECT key FROM pg_catalog.unnest(w.keys) AS key ORDER BY key)) AS has_key
  FROM (VALUES {entities}) AS w (entity, columns, types, keys)
  LEFT JOIN migrated.known_id_map AS k
    ON k.entity = w.entity
  LEFT JOIN pg_catalog.pg_class AS c
    ON c.relname = 'id_map_' || w.entity
   AND c.relnamespace = 'migrated'::regnamespace
   AND c.relkind IN ('r', 'p')

-- name: id_map_kept
-- It has been counted.
UPDATE migrated.known_id_map
   SET relation = c.oid,
       storage = c.relfilenode,
       rows = greatest(rows, {rows}),
       counted_at = pg_catalog.now()
  FROM pg_catalog.pg_class AS c
 WHERE c.oid = '{id_map}'::regclass
   AND entity = {entity};

-- name: id_map_filled
-- After all of an entity was read: so many rows it must have from now on.
UPDATE migrated.known_id_map
   SET rows = greatest(rows, (SELECT pg_catalog.count(*) FROM {id_map})),
       counted_at = pg_catalog.now()
 WHERE entity = {entity}
   AND counted_at IS NOT NULL
