"""Where the servers' time goes (--profile): the statements of each measure, ours and the peers', that took the most.

Keeping count of them costs something itself, so a profiled run's figures are none to show.
"""

SETTINGS = {"shared_preload_libraries": "pg_stat_statements", "pg_stat_statements.track": "all"}
SHOWN = 12
WIDTH = 150

DEAREST = """
SELECT sum(calls)::bigint, sum(total_exec_time), sum(rows)::bigint, query
  FROM pg_stat_statements
 WHERE query !~ '^(VACUUM|CHECKPOINT|(CREATE|DROP) DATABASE)'
 GROUP BY query
 ORDER BY sum(total_exec_time) DESC
 LIMIT %s
"""


def begin(servers):
    for server in (servers.source, servers.target):
        database = server.database("postgres")
        database.sql("CREATE EXTENSION IF NOT EXISTS pg_stat_statements")
        database.sql("SELECT pg_stat_statements_reset()")


def dearest(servers):
    """Lines for people: calls, milliseconds, rows, and how the statement begins."""
    for server in (servers.source, servers.target):
        yield f"{server.name:>8}  {'calls':>9}  {'ms':>9}  {'rows':>9}  statement"
        for calls, spent_ms, rows, query in server.database("postgres").sql(DEAREST, [SHOWN]):
            yield f"{'':8}  {calls:>9,}  {spent_ms:>9,.1f}  {rows:>9,}  {' '.join(query.split())[:WIDTH]}"
