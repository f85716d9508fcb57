-- Target. How much is going on, as the administrator's own query sees it.

-- name: throttle
SELECT (
{query}
)::double precision
 WHERE $1::boolean
