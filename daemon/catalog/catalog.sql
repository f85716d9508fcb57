-- What the catalogs say of the relations the mapping names. Two arrays come in: schemas and names, in step.

-- name: columns
-- One row for each column: relation's position, kind, column, its type, and the type to cast to: a modifier that rounds is
-- kept, so that the value is compared as it will be stored; one that shortens is left out, since an explicit cast would obey it,
-- and so is a domain that has one. Types whose equality is not identity (1.0 = 1.00, 1 day = 24 h, 'a' = 'A'), or that have none,
-- are compared as text. How the database itself fills a column from a sequence is `minted`.
WITH RECURSIVE columns AS (
  SELECT wanted.position,
         c.oid AS relation,
         c.relkind,
         c.reltuples,
         c.relam,
         a.attnum,
         a.attname,
         a.atttypid,
         a.atttypmod,
         a.attnotnull,
         a.atthasdef,
         a.attcollation,
         coalesce(pg_catalog.to_jsonb(a) ->> 'attgenerated', '') AS generated,
         coalesce(pg_catalog.to_jsonb(a) ->> 'attidentity', '') AS identity
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
),
-- What a type is made of, one within the other: a domain of its base, an array of its elements, a range of its bounds.
within (type, part, depth, domains, arrays, ranges, not_null, has_default, modifier) AS (
  SELECT t.oid, t.oid, 0, 0, 0, 0, false, false, -1
    FROM (SELECT DISTINCT atttypid AS oid FROM columns WHERE atttypid IS NOT NULL) AS t
   UNION ALL
  SELECT w.type,
         CASE WHEN p.typtype = 'd' THEN p.typbasetype
              WHEN p.typtype = 'r' THEN (SELECT r.rngsubtype FROM pg_catalog.pg_range AS r WHERE r.rngtypid = p.oid)
              ELSE p.typelem END,
         w.depth + 1,
         w.domains + (p.typtype = 'd')::integer,
         w.arrays + (p.typtype = 'b')::integer,
         w.ranges + (p.typtype = 'r')::integer,
         w.not_null OR p.typtype = 'd' AND p.typnotnull AND w.arrays = 0,
         w.has_default OR p.typtype = 'd' AND p.typdefault IS NOT NULL AND w.arrays = 0,
         CASE WHEN p.typtype = 'd' AND w.arrays = 0 THEN p.typtypmod ELSE w.modifier END
    FROM within AS w
    JOIN pg_catalog.pg_type AS p
      ON p.oid = w.part
   WHERE p.typtype IN ('d', 'r')
      OR p.typtype = 'b' AND p.typcategory = 'A'
),
types AS (
  SELECT DISTINCT ON (w.type)
         w.type,
         w.domains,
         w.arrays,
         w.ranges,
         w.not_null,
         w.has_default,
         w.modifier,
         leaf.oid AS leaf,
         leaf.typname,
         leaf.typarray,
         leaf.typcategory IN ('S', 'V') AS shortens,
         leaf.typtype IN ('c', 'm')
           OR leaf.typtype = 'b'
          AND (leaf.typnamespace <> 'pg_catalog'::regnamespace
               OR leaf.typname IN ('json', 'jsonb', 'jsonpath', 'xml', 'numeric', 'float4', 'float8', 'interval',
                                   'point', 'line', 'lseg', 'box', 'path', 'polygon', 'circle',
                                   'refcursor', 'pg_snapshot', 'txid_snapshot')) AS no_equality
    FROM within AS w
    JOIN pg_catalog.pg_type AS leaf
      ON leaf.oid = w.part
   ORDER BY w.type, w.depth DESC
)
SELECT c.position,
       c.relation IS NOT NULL AS found,
       c.relkind,
       c.reltuples::bigint,
       c.attname,
       pg_catalog.format_type(c.atttypid, c.atttypmod),
       CASE WHEN t.domains > 0 AND t.shortens AND t.arrays + t.ranges = 0 THEN pg_catalog.format_type(t.leaf, -1)
            WHEN t.domains > 0 AND t.shortens AND t.arrays = 1 AND t.ranges = 0 THEN pg_catalog.format_type(t.typarray, -1)
            WHEN t.shortens THEN pg_catalog.format_type(c.atttypid, -1)
            ELSE pg_catalog.format_type(c.atttypid, c.atttypmod) END,
       pg_catalog.getdatabaseencoding(),
       c.attnotnull OR t.not_null,
       c.atthasdef OR t.has_default OR c.identity <> '' AS has_default,
       c.generated <> '' OR c.identity = 'a' AS generated,
       t.no_equality
         AND NOT (t.typname = 'numeric' AND t.arrays + t.ranges = 0 AND greatest(c.atttypmod, t.modifier) <> -1)
         OR t.domains > 0 AND t.shortens AND t.arrays > 0 -- else a comparison with the array they are cast to
         OR coalesce((SELECT pg_catalog.to_jsonb(l) ->> 'collisdeterministic' = 'false'
                        FROM pg_catalog.pg_collation AS l WHERE l.oid = c.attcollation), false) AS no_equality,
       c.relkind = 'r'
         AND coalesce((SELECT am.amname FROM pg_catalog.pg_am AS am WHERE am.oid = c.relam), 'heap') = 'heap'
         AND pg_catalog.has_table_privilege(c.relation, 'SELECT') AS heap,
       EXISTS (SELECT
                 FROM pg_catalog.pg_index AS i
                 JOIN pg_catalog.pg_class AS ic
                   ON ic.oid = i.indexrelid
                 JOIN pg_catalog.pg_am AS am
                   ON am.oid = ic.relam
                WHERE i.indrelid = c.relation
                  AND i.indkey[0] = c.attnum
                  AND i.indpred IS NULL
                  AND i.indisvalid
                  AND am.amname IN ('btree', 'brin')) AS indexed,
       pg_catalog.has_column_privilege(c.relation, c.attnum, 'SELECT') AS readable,
       c.identity,
       CASE WHEN c.identity <> '' THEN pg_catalog.format('pg_catalog.nextval(%L::regclass)', s.sequence::regclass)
            WHEN c.atthasdef THEN (SELECT pg_catalog.pg_get_expr(d.adbin, d.adrelid)
                                     FROM pg_catalog.pg_attrdef AS d
                                    WHERE d.adrelid = c.relation AND d.adnum = c.attnum) END AS minted,
       (SELECT pg_catalog.format('%I.%I', n.nspname, q.relname)
          FROM pg_catalog.pg_class AS q
          JOIN pg_catalog.pg_namespace AS n
            ON n.oid = q.relnamespace
         WHERE q.oid = s.sequence) AS sequence,
       pg_catalog.has_sequence_privilege(s.sequence, 'USAGE') AS usable,
       CASE WHEN t.typname = 'varchar' AND t.arrays + t.ranges = 0 THEN greatest(c.atttypmod, t.modifier) ELSE -1 END AS length,
       EXISTS (SELECT FROM pg_catalog.pg_inherits AS i WHERE i.inhparent = c.relation) AS has_children
  FROM columns AS c
  LEFT JOIN types AS t
    ON t.type = c.atttypid
  LEFT JOIN LATERAL (
        SELECT d.objid AS sequence
          FROM pg_catalog.pg_depend AS d
          JOIN pg_catalog.pg_class AS q
            ON q.oid = d.objid
           AND q.relkind = 'S'
         WHERE c.identity <> ''
           AND d.classid = 'pg_catalog.pg_class'::regclass
           AND d.refclassid = 'pg_catalog.pg_class'::regclass
           AND d.refobjid = c.relation
           AND d.refobjsubid = c.attnum
           AND d.deptype = 'i'
         UNION ALL
        SELECT d.refobjid
          FROM pg_catalog.pg_attrdef AS f
          JOIN pg_catalog.pg_depend AS d
            ON d.classid = 'pg_catalog.pg_attrdef'::regclass
           AND d.objid = f.oid
           AND d.refclassid = 'pg_catalog.pg_class'::regclass
          JOIN pg_catalog.pg_class AS q
            ON q.oid = d.refobjid
           AND q.relkind = 'S'
         WHERE c.atthasdef
           AND c.generated = ''
           AND f.adrelid = c.relation
           AND f.adnum = c.attnum
         LIMIT 1) AS s
    ON true
 ORDER BY c.position, c.attnum;

-- name: uuid_functions
-- What extensions offer for UUIDs of version 5, where our role may call it; the better one first.
SELECT p.proname,
       pg_catalog.format('%I.%I', n.nspname, p.proname)
  FROM pg_catalog.pg_extension AS e
  JOIN pg_catalog.pg_depend AS d
    ON d.refclassid = 'pg_catalog.pg_extension'::regclass
   AND d.refobjid = e.oid
   AND d.classid = 'pg_catalog.pg_proc'::regclass
   AND d.deptype = 'e'
  JOIN pg_catalog.pg_proc AS p
    ON p.oid = d.objid
  JOIN pg_catalog.pg_namespace AS n
    ON n.oid = p.pronamespace
 WHERE (e.extname = 'uuid-ossp' AND p.proname = 'uuid_generate_v5' AND p.proargtypes = '2950 25'::oidvector
        AND pg_catalog.getdatabaseencoding() = 'UTF8'
        OR e.extname = 'pgcrypto' AND p.proname = 'digest' AND p.proargtypes = '17 25'::oidvector)
   AND pg_catalog.has_schema_privilege(n.oid, 'USAGE')
   AND pg_catalog.has_function_privilege(p.oid, 'EXECUTE')
 ORDER BY e.extname DESC
 LIMIT 1;

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
       f.condeferrable,
       CASE WHEN pg_catalog.cardinality(f.conkey) = 1 THEN f.confdeltype::text END AS alone,
       fn.nspname,
       fc.relname,
       fa.attname
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
  JOIN pg_catalog.pg_class AS fc
    ON fc.oid = f.confrelid
  JOIN pg_catalog.pg_namespace AS fn
    ON fn.oid = fc.relnamespace
  JOIN pg_catalog.pg_attribute AS fa
    ON fa.attrelid = f.confrelid
   AND fa.attnum = f.confkey[1]
 ORDER BY wanted.position, f.conname, a.attnum;
