-- What a batch would make of one row, beside what stands in the target; nothing is written. {holes} by apply_sql.c; the words for tables of ours are
-- those of apply.sql, and it is staged as compare.sql does.

-- name: row
-- Target. Column by column, in the order of the mapping: is the row there, and does what it would be given differ from what stands there?
-- Values as text, where they are wanted.
{resolve}{kin}{judged}staged AS (
  SELECT r.*
    FROM resolved AS r
   LIMIT 1
)
SELECT c.name,
       r.present,
       c.differs,
       {value},
       {stands}
  FROM staged AS r
  LEFT JOIN {target} AS t
    ON {t_is_old}
 CROSS JOIN LATERAL (VALUES {columns}) AS c (name, differs, value, stands)
