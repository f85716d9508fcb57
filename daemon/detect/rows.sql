-- Rows of the source compared with what was handled of them, by hash. {holes} by rows.c and sweep.c.
-- What is read of them for that is catalog/hashed.sql's business.

-- name: known
-- Target. Was anything of this entity ever dealt with (carried or set aside, or looked at when it was empty), with this
-- mapping, and up to where?
SELECT EXISTS (SELECT FROM {seen})
         OR EXISTS (SELECT FROM migrated.entity WHERE entity = '{entity}' AND fingerprint IS NOT NULL),
       coalesce((SELECT e.fingerprint FROM migrated.entity AS e WHERE e.entity = '{entity}'), ''),
       (SELECT e.watermark FROM migrated.entity AS e WHERE e.entity = '{entity}')

-- name: highest_id
-- Source. The clock is read after the snapshot was taken.
SELECT pg_catalog.max({key})::bigint,
       (pg_catalog.date_part('epoch', pg_catalog.clock_timestamp()) * 1000000)::bigint
  FROM {relation}

-- name: count
-- Source.
SELECT pg_catalog.count(*)
  FROM {relation}
 WHERE {filter}

-- name: rows_begin
-- Target. Opens a transaction unless the comparison of leaves has.
{begin}
SET LOCAL work_mem = '{work_memory}kB';
SET LOCAL enable_mergejoin = off;
CREATE TEMPORARY TABLE IF NOT EXISTS sweep_{entity} (
  {columns}
) ON COMMIT DELETE ROWS;
{empty}{first}COPY pg_temp.sweep_{entity} FROM STDIN (FORMAT binary);

-- name: rows_compare
-- Target. The change set: deletions after the rest, and only with a FULL {join}.
WITH found AS (
  SELECT ARRAY[{key_texts}] AS legacy_key,
         {keys},
         CASE WHEN m.k1 IS NULL THEN 'new'
              WHEN s.k1 IS NULL THEN 'deleted'
              ELSE 'modified' END AS kind
    FROM pg_temp.sweep_{entity} AS s
    {join} JOIN {compared} AS m
      ON {m_is_s}
   WHERE m.k1 IS NULL
      OR s.k1 IS NULL
      OR (s.h1, s.h2) IS DISTINCT FROM (m.h1, m.h2)
),
kept AS (
  INSERT INTO migrated.change (analysis, entity, ordinal, legacy_key, kind)
  SELECT {analysis},
         '{entity}',
         pg_catalog.row_number() OVER (ORDER BY kind = 'deleted', {order}),
         legacy_key,
         kind
    FROM found
  RETURNING kind
)
SELECT pg_catalog.count(*) FILTER (WHERE kind = 'new'),
       pg_catalog.count(*) FILTER (WHERE kind = 'modified'),
       pg_catalog.count(*) FILTER (WHERE kind = 'deleted'),
       (SELECT pg_catalog.count(*) FROM pg_temp.sweep_{entity})
  FROM kept;
{end}
