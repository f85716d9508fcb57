-- What the catalogs say of the relations the mapping names. Two arrays come in: schemas and names, in step.

-- name: columns
-- One row for each column: relation's position, kind, column, its type, and the type to cast to: a modifier that rounds is
-- kept, so that the value is compared as it will be stored; one that shortens is left out, since an explicit cast would obey it.
SELECT wanted.position,
       c.oid IS NOT NULL AS found,
       c.relkind,
       c.reltuples::bigint,
       a.attname,
       pg_catalog.format_type(a.atttypid, a.atttypmod),
       pg_catalog.format_type(a.atttypid, CASE WHEN coalesce(element.typcategory, base.typcategory) IN ('S', 'V') THEN -1
                                               ELSE a.atttypmod END),
       pg_catalog.getdatabaseencoding(),
       a.attnotnull,
       a.atthasdef,
       coalesce(pg_catalog.to_jsonb(a) ->> 'attgenerated', '') <> ''
         OR coalesce(pg_catalog.to_jsonb(a) ->> 'attidentity', '') = 'a' AS generated,
       base.typname IN ('json', 'xml', 'point', 'line', 'lseg', 'box', 'path', 'polygon', 'circle') AS no_equality,
       c.relkind = 'r'
         AND coalesce((SELECT am.amname FROM pg_catalog.pg_am AS am WHERE am.oid = c.relam), 'heap') = 'heap'
         AND pg_catalog.has_table_privilege(c.oid, 'SELECT') AS heap,
       EXISTS (SELECT
                 FROM pg_catalog.pg_index AS i
                 JOIN pg_catalog.pg_class AS ic
                   ON ic.oid = i.indexrelid
                 JOIN pg_catalog.pg_am AS am
                   ON am.oid = ic.relam
                WHERE i.indrelid = c.oid
                  AND i.indkey[0] = a.attnum
                  AND i.indpred IS NULL
                  AND i.indisvalid
                  AND am.amname IN ('btree', 'brin')) AS indexed,
       pg_catalog.has_column_privilege(c.oid, a.attnum, 'SELECT') AS readable
  FROM ROWS FROM (pg_catalog.unnest($1::text[]), pg_catalog.unnest($2::text[])) WITH ORDINALITY
         AS wanted (schema_name, table_name, position)
  LEFT JOIN pg_catalog.pg_namespace AS n
    ON n.nspname = wanted.schema_name
  LEFT JOIN pg_catalog.pg_class AS c
    ON c.relnamespace = n.oid
   AND c.relname = wanted.table_name
   AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
  LEFT JOIN pg_catalog.pg_attribute AS a
    ON a.attrelid = c.oid
   AND a.attnum > 0
   AND NOT a.attisdropped
  LEFT JOIN pg_catalog.pg_type AS t
    ON t.oid = a.atttypid
  LEFT JOIN pg_catalog.pg_type AS base
    ON base.oid = CASE WHEN t.typtype = 'd' THEN t.typbasetype ELSE t.oid END
  LEFT JOIN pg_catalog.pg_type AS element
    ON element.oid = base.typelem
   AND base.typcategory = 'A'
 ORDER BY wanted.position, a.attnum;

-- name: base_tables
-- Those of the relations in {names} whose rows say which transaction wrote them.
SELECT pg_catalog.format('%I.%I', n.nspname, c.relname)
  FROM pg_catalog.pg_class AS c
  JOIN pg_catalog.pg_namespace AS n
    ON n.oid = c.relnamespace
 WHERE (n.nspname, c.relname) IN ({names})
   AND c.relkind IN ('r', 'm')
   AND coalesce((SELECT am.amname FROM pg_catalog.pg_am AS am WHERE am.oid = c.relam), 'heap') = 'heap'
   AND pg_catalog.has_table_privilege(c.oid, 'SELECT');

-- name: unique_keys
-- One row for each column of each unique index that is whole (no predicate, no expression) and valid.
SELECT wanted.position,
       i.indexrelid,
       a.attname
  FROM ROWS FROM (pg_catalog.unnest($1::text[]), pg_catalog.unnest($2::text[])) WITH ORDINALITY
         AS wanted (schema_name, table_name, position)
  JOIN pg_catalog.pg_namespace AS n
    ON n.nspname = wanted.schema_name
  JOIN pg_catalog.pg_class AS c
    ON c.relnamespace = n.oid
   AND c.relname = wanted.table_name
  JOIN pg_catalog.pg_index AS i
    ON i.indrelid = c.oid
   AND i.indisunique
   AND i.indisvalid
   AND i.indpred IS NULL
   AND i.indexprs IS NULL
  JOIN pg_catalog.pg_attribute AS a
    ON a.attrelid = i.indexrelid
   AND a.attnum <= coalesce((pg_catalog.to_jsonb(i) ->> 'indnkeyatts')::integer, i.indnatts)
 ORDER BY wanted.position, i.indexrelid, a.attnum;

-- name: foreign_keys
-- One row for each column of each foreign key.
SELECT wanted.position,
       f.conname,
       a.attname,
       f.condeferrable
  FROM ROWS FROM (pg_catalog.unnest($1::text[]), pg_catalog.unnest($2::text[])) WITH ORDINALITY
         AS wanted (schema_name, table_name, position)
  JOIN pg_catalog.pg_namespace AS n
    ON n.nspname = wanted.schema_name
  JOIN pg_catalog.pg_class AS c
    ON c.relnamespace = n.oid
   AND c.relname = wanted.table_name
  JOIN pg_catalog.pg_constraint AS f
    ON f.conrelid = c.oid
   AND f.contype = 'f'
  JOIN pg_catalog.pg_attribute AS a
    ON a.attrelid = c.oid
   AND a.attnum = ANY (f.conkey)
 ORDER BY wanted.position, f.conname, a.attnum;
