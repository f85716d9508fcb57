"""Running sessions, and looking at what came of them: used by the tests that migrate."""

import contextlib
import types

from waiting import wait_until

SESSION_TIMEOUT_S = 120
ENDED = ("completed", "failed", "cancelled")


# --- running ------------------------------------------------------------------------------------

def wait_until_reached(daemon):
    """Waits until both databases are there, and no other daemon owns the target; returns the daemon."""
    wait_until(lambda: daemon.call("Status")["state"] not in ("starting", "unavailable", "standby"), 20,
               lambda: f"both databases are reached:\n{daemon.log()}")
    return daemon


def wait_until_connected(daemon):
    """Waits until both databases are there, whoever may write to the target; returns the daemon."""
    wait_until(lambda: all(connection["state"] in ("ready", "busy") for connection in daemon.call("Status")["connections"]), 20,
               lambda: f"both databases are connected:\n{daemon.log()}")
    return daemon


def start_migration(daemon, **parameters):
    """Starts a session; its id."""
    wait_until_reached(daemon)
    return daemon.call("Migrate", **parameters)["session"]


def watch(daemon, session=None):
    """All frames of a session until it ends; that nobody would resume it by then is a failure at once."""
    parameters = {"session": session} if session else {}
    frames = []
    with daemon.connect(SESSION_TIMEOUT_S) as connection:
        for frame in connection.stream("Watch", interval_ms=50, **parameters):
            assert not frame["session"] or frame["session"]["hold"] not in ("breaker", "timeout"), frame["session"]["reason"]
            frames.append(frame)
    return frames


def migrate(daemon, expect="completed", **parameters):
    """A whole session. What the last frame says of it, with .entities by name and all .frames."""
    session = start_migration(daemon, **parameters)
    frames = watch(daemon, session)
    ended = summary(frames)
    assert ended.session == session
    assert ended.state == expect, f"{ended}\n{daemon.log()}"
    return ended


def summary(frames):
    session = types.SimpleNamespace(**frames[-1]["session"])
    session.entities = {entity["entity"]: entity for entity in frames[-1]["entities"]}
    session.frames = frames
    return session


def state_of(daemon):
    """The state of the session under way, None without one."""
    session = daemon.call("Status")["session"]
    return session and session["state"]


def wait_until_ended(daemon, expect="completed"):
    """The session under way ends, in this state."""
    wait_until(lambda: state_of(daemon) in ENDED, SESSION_TIMEOUT_S,
               lambda: f"the session ends:\n{daemon.call('Status')}\n{daemon.log()}")
    assert state_of(daemon) == expect, f"{daemon.call('Status')}\n{daemon.log()}"


def wait_until_resumed_and_ended(daemon, session, expect="completed"):
    """A daemon that has just been started finds this session by itself and brings it to its end."""
    def ended():
        status = daemon.call("Status")["session"]
        return status and status["session"] == session and status["state"] in ENDED
    wait_until(ended, SESSION_TIMEOUT_S, lambda: f"session {session} ends:\n{daemon.log()}")
    assert state_of(daemon) == expect, f"{daemon.call('Status')}\n{daemon.log()}"


def detect(daemon, **parameters):
    """An analysis, with .entities by name."""
    wait_until_reached(daemon)
    analysis = types.SimpleNamespace(**daemon.call("Detect", **parameters)["analysis"])
    analysis.entities = {entity["entity"]: entity for entity in analysis.entities}
    return analysis


# --- holding it up ------------------------------------------------------------------------------

@contextlib.contextmanager
def held(database, *tables):
    """Nobody can write to these tables until the block ends, so that a batch waits right in its transaction."""
    connection = database.connect(autocommit=False)
    try:
        connection.execute("LOCK TABLE " + ", ".join(tables) + " IN SHARE MODE")
        yield connection
    finally:
        connection.close()


def waiting_backends(database):
    """The process ids of the daemon's connections that wait for a table in this database."""
    return [pid for (pid,) in database.sql("""
        SELECT pid
          FROM pg_stat_activity
         WHERE datname = current_database()
           AND application_name = 'migrated'
           AND wait_event_type = 'Lock'
           AND wait_event = 'relation'""")]


def wait_until_blocked(database):
    """A batch stands before a table that is held."""
    return wait_until(lambda: waiting_backends(database), 30, "a batch waits for a lock")


# --- what came of it ----------------------------------------------------------------------------

def counts(databases, session):
    """What the batches of a session say: entity -> (inserted, updated, deleted, failed, parked)."""
    return {entity: tuple(map(int, rest)) for entity, *rest in databases.target_sql("""
        SELECT entity, sum(inserted), sum(updated), sum(deleted), sum(failed), sum(parked)
          FROM migrated.batch
         WHERE session = %s
         GROUP BY entity""", [session])}


def dead_letters(databases, entity, state="open"):
    """legacy key (text, or a tuple of it) -> (sqlstate, constraint, column, message)."""
    return {unpacked(key): tuple(rest) for key, *rest in databases.target_sql("""
        SELECT legacy_key, sqlstate, constraint_name, column_name, message
          FROM migrated.dead_letter
         WHERE entity = %s
           AND state = %s""", [entity, state])}


def parked(databases, entity):
    """legacy key -> (column, parent's entity, parent's key)."""
    return {unpacked(key): (column, parent, unpacked(parent_key))
            for key, column, parent, parent_key in databases.target_sql("""
        SELECT legacy_key, column_name, parent_entity, parent_key
          FROM migrated.parked
         WHERE entity = %s""", [entity])}


def unpacked(key):
    return key[0] if len(key) == 1 else tuple(key)


def row_versions(database):
    """Every row of every table in schema public, as (table, ctid, xmin): equal if nothing was written."""
    versions = set()
    for (table,) in database.sql("SELECT quote_ident(tablename) FROM pg_tables WHERE schemaname = 'public'"):
        versions.update((table, *row) for row in database.sql(f"SELECT ctid::text, xmin::text FROM public.{table}"))
    return versions


def primary_keys(database):
    """The primary keys of every table in schema public: table -> set of tuples."""
    tables = database.sql("""
        SELECT quote_ident(t.relname), string_agg(quote_ident(a.attname) || '::text', ', ' ORDER BY a.attnum)
          FROM pg_index AS i
          JOIN pg_class AS t ON t.oid = i.indrelid
          JOIN pg_attribute AS a ON a.attrelid = t.oid AND a.attnum = ANY (i.indkey)
         WHERE i.indisprimary
           AND t.relnamespace = 'public'::regnamespace
         GROUP BY t.oid""")
    return {table: set(database.sql(f"SELECT {columns} FROM public.{table}")) for table, columns in tables}


def assert_each_row_once(databases, session, before=None):
    """The batches of a session say of every table that they inserted exactly the rows that are new in it."""
    inserted = {entity: numbers[0] for entity, numbers in counts(databases, session).items()}
    now = primary_keys(databases.target)
    new = {table: len(keys - (before or {}).get(table, set())) for table, keys in now.items()}
    assert {table: count for table, count in inserted.items() if count} == \
           {table: count for table, count in new.items() if count}
    undone = databases.target_sql("SELECT entity, number FROM migrated.batch WHERE NOT done")
    assert undone == []
    # Nor was any row counted in two batches, or in none.
    counted = databases.target_sql("""
        SELECT e.entity, e.total, coalesce(sum(b.inserted + b.updated + b.unchanged + b.deleted + b.failed + b.parked), 0)
          FROM migrated.session_entity AS e
          LEFT JOIN migrated.batch AS b USING (session, entity)
         WHERE e.session = %s
         GROUP BY e.entity, e.total""", [session])
    assert [row for row in counted if row[1] != row[2]] == []
