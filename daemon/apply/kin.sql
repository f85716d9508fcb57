-- Rows that refer to rows of their own entity and may not be left without (kin): parent and child may come in the same batch, and
-- are then written by one statement, at whose end the database looks at their constraint. {holes} are filled by kin_sql.c.

-- name: kin
-- Parts of `apply`. Of the rows `examined` (eN: the parent's key by the id map; gN: the legacy key of a parent that is missing
-- there; xN_M: its parts, when it may be one of these rows), those that cannot be written, and those that need them, are `unkept`.
-- The keys of all others are `promised` to their children. Rows that need each other in a ring are written together. zN: the parent is
-- one of these rows, and if it is missing, then because of another.
links ({c_keys}, {p_keys}) AS MATERIALIZED (
  {links}
),
unkept AS (
  SELECT {e_keys}
    FROM examined AS e
   WHERE {lost}
  UNION
  SELECT {l_children}
    FROM unkept AS u
    JOIN links AS l
      ON {l_is_u}
),
promised AS MATERIALIZED (
  SELECT {e_keys}, e.t1
    FROM examined AS e
   WHERE NOT EXISTS (SELECT FROM unkept AS u WHERE {u_is_e})
),
{resolving} AS MATERIALIZED (
  SELECT r.*{resolved}
    FROM examined AS r{joins}
),
