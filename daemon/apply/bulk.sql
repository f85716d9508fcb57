-- Bulk mode: what an empty target table can do without while its rows come in. {holes} are filled by bulk_sql.c.
--
-- Nothing is set aside that could refuse a row, or the load would end otherwise than it does without: unique indexes and exclusion constraints
-- stay, and so do indexes that compute something, or that a long value does not fit in. A foreign key goes only where the mapping alone says
-- that it holds: its column is filled with target keys of the very table that it refers to.

-- name: bulk_candidates
-- Target. One row for each table, and for each secondary index, unique constraint and foreign key of it: why it stays, NULL: it can be set aside.
WITH tables (place, schema_name, table_name, has_rows) AS (
  VALUES {tables}
),
refs (place, column_name, parent_schema, parent_table, parent_column, lost, mend) AS (
  VALUES {refs}
),
relations AS (
  SELECT t.place,
         c.oid,
         CASE WHEN c.relkind <> 'r' THEN 'it is no plain table'
              WHEN EXISTS (SELECT FROM pg_catalog.pg_inherits AS i WHERE c.oid IN (i.inhparent, i.inhrelid))
              THEN 'it inherits, or others inherit from it'
              WHEN NOT pg_catalog.pg_has_role(c.relowner, 'USAGE') THEN 'our role does not own it'
              WHEN EXISTS (SELECT FROM pg_catalog.pg_trigger AS g
                            WHERE g.tgrelid = c.oid AND NOT g.tgisinternal AND g.tgenabled <> 'D')
              THEN 'it has triggers'
              WHEN t.has_rows THEN 'it has rows'
              WHEN EXISTS (SELECT FROM pg_catalog.pg_rewrite AS w WHERE w.ev_class = c.oid)
              THEN 'it has rules' END AS kept
    FROM tables AS t
    JOIN pg_catalog.pg_namespace AS n
      ON n.nspname = t.schema_name
    JOIN pg_catalog.pg_class AS c
      ON c.relnamespace = n.oid
     AND c.relname = t.table_name
),
-- What may stand in each column of an index, as far as that is bounded; NULL: it is not.
widths AS (
  SELECT r.place,
         i.indexrelid,
         CASE WHEN bool_and(w.width IS NOT NULL) THEN sum(w.width) END AS width
    FROM relations AS r
    JOIN pg_catalog.pg_index AS i
      ON i.indrelid = r.oid
    JOIN pg_catalog.pg_attribute AS a
      ON a.attrelid = i.indexrelid
    JOIN pg_catalog.pg_type AS t
      ON t.oid = a.atttypid
   CROSS JOIN LATERAL (
         SELECT CASE WHEN t.typnamespace <> 'pg_catalog'::regnamespace AND t.typtype <> 'e' THEN NULL
                     WHEN t.typlen > 0 THEN t.typlen::integer
                     WHEN t.typname IN ('varchar', 'bpchar') AND a.atttypmod > 4
                     THEN (a.atttypmod - 4) * pg_catalog.pg_encoding_max_length(d.encoding) + 4
                     WHEN t.typname = 'numeric' AND a.atttypmod > 4
                     THEN ((a.atttypmod - 4) >> 16 & 65535) + 12 END AS width
           FROM pg_catalog.pg_database AS d
          WHERE d.datname = pg_catalog.current_database()) AS w
   GROUP BY r.place, i.indexrelid
),
-- Whose operators are the server's own, and cannot fail for a value that fits.
harmless AS (
  SELECT i.indexrelid,
         NOT EXISTS (SELECT
                       FROM pg_catalog.unnest(i.indclass) AS u (opclass)
                       JOIN pg_catalog.pg_opclass AS o
                         ON o.oid = u.opclass
                      WHERE o.opcnamespace <> 'pg_catalog'::regnamespace
                         OR m.amname = 'gin' AND o.opcname NOT IN ('jsonb_ops', 'jsonb_path_ops', 'tsvector_ops'))
           AND CASE m.amname
               WHEN 'btree' THEN coalesce(w.width <= 2000, false)
               WHEN 'brin' THEN coalesce(w.width <= 500, false)
               ELSE m.amname IN ('hash', 'gin') END AS fits
    FROM widths AS w
    JOIN pg_catalog.pg_index AS i
      ON i.indexrelid = w.indexrelid
    JOIN pg_catalog.pg_class AS c
      ON c.oid = i.indexrelid
    JOIN pg_catalog.pg_am AS m
      ON m.oid = c.relam
)
SELECT r.place, 'table' AS kind, NULL AS name, NULL AS object, r.kept, NULL AS lost, NULL AS mend
  FROM relations AS r
 UNION ALL
SELECT r.place,
       'index',
       c.relname,
       i.indexrelid::text,
       CASE WHEN r.kept IS NOT NULL THEN r.kept
            WHEN i.indisunique OR i.indisexclusion THEN 'it says which rows are refused'
            WHEN NOT (i.indisvalid AND i.indisready AND i.indislive) THEN 'it is not valid'
            WHEN i.indexprs IS NOT NULL OR i.indpred IS NOT NULL THEN 'it computes, which may fail for a row'
            WHEN c.relkind <> 'i' OR i.indisreplident
                 OR EXISTS (SELECT FROM pg_catalog.pg_constraint AS k WHERE k.conindid = i.indexrelid)
            THEN 'something else needs it'
            WHEN NOT h.fits THEN 'a value may be too long for it' END,
       NULL,
       NULL
  FROM relations AS r
  JOIN pg_catalog.pg_index AS i
    ON i.indrelid = r.oid
   AND NOT i.indisprimary
  JOIN pg_catalog.pg_class AS c
    ON c.oid = i.indexrelid
  LEFT JOIN harmless AS h
    ON h.indexrelid = i.indexrelid
 UNION ALL
SELECT r.place,
       'foreign key',
       k.conname,
       k.oid::text,
       CASE WHEN r.kept IS NOT NULL THEN r.kept
            WHEN k.conparentid <> 0 OR k.coninhcount > 0 OR p.relkind <> 'r' THEN 'it belongs to a partitioned table'
            WHEN f.column_name IS NULL THEN 'the mapping does not say that it holds' END,
       f.lost,
       f.mend
  FROM relations AS r
  JOIN pg_catalog.pg_constraint AS k
    ON k.conrelid = r.oid
   AND k.contype = 'f'
  JOIN pg_catalog.pg_class AS p
    ON p.oid = k.confrelid
  JOIN pg_catalog.pg_namespace AS n
    ON n.oid = p.relnamespace
  LEFT JOIN refs AS f
    ON f.place = r.place
   AND pg_catalog.cardinality(k.conkey) = 1
   AND f.column_name = (SELECT a.attname FROM pg_catalog.pg_attribute AS a WHERE a.attrelid = k.conrelid AND a.attnum = k.conkey[1])
   AND f.parent_column = (SELECT a.attname FROM pg_catalog.pg_attribute AS a WHERE a.attrelid = k.confrelid AND a.attnum = k.confkey[1])
   AND f.parent_schema = n.nspname
   AND f.parent_table = p.relname
 ORDER BY 1, 2 DESC, 3

-- name: bulk_lost
-- Target. Are there parents that the id map has, and the target has not?
SELECT EXISTS (SELECT
                 FROM {parent_map} AS p
                WHERE p.t1 IS NOT NULL{parent_present}
                  AND NOT EXISTS (SELECT FROM {parent_target} AS t WHERE {t_is_p}))

-- name: bulk_mend
-- Target. Parents that rows refer to and that are not there lose their hashes, so that the next sweep brings them again.
UPDATE {parent_map} AS p
   SET h1 = NULL,
       h2 = NULL
 WHERE p.h1 IS NOT NULL
   AND EXISTS (SELECT FROM {target} AS c WHERE c.{column} = p.t1)
   AND NOT EXISTS (SELECT FROM {parent_target} AS t WHERE {t_is_p})

-- name: bulk_set_aside
-- Target. One row for each candidate: why it was kept.
SET LOCAL lock_timeout = '1s';
SELECT migrated.hold_epoch({epoch});
SELECT kind, name, kept
  FROM migrated.set_aside('{entity}', '{session}', '{fingerprint}', {target}, {indexes}, {foreign_keys})

-- name: bulk_put_back
-- Target. Puts one thing back. How long that takes is not for us to say.
SET LOCAL statement_timeout = 0;
SET LOCAL lock_timeout = '{lock_timeout}ms';
SET LOCAL maintenance_work_mem = '{memory}kB';
SELECT pg_catalog.set_config(s.name, '{workers}', true)
  FROM pg_catalog.pg_settings AS s
 WHERE s.name = 'max_parallel_maintenance_workers';
SELECT migrated.hold_epoch({epoch});
SELECT kind, name, table_name, problem, remaining
  FROM migrated.put_back('{life}', {entity}, {but_for}, {fingerprint})
