"""References of an entity to itself, and entities that need each other: what is deferred, what is carried together, what waits.

What is right is read from both databases by plain SQL: every reference of the source leads, in the target, to the row that
its legacy key names.
"""

import subprocess

import pytest

from daemon import program
from mapping import Pair, entity
from sessions import migrate

EX_UNAVAILABLE = 69
EX_CONFIG = 78


def reference(parent, column, if_missing=None):
    return {"references": parent, "from": column, **({"if_missing": if_missing} if if_missing else {})}


def check_config(daemon):
    return subprocess.run([program("migrated"), "--config", daemon.config_file, "--check-config"],
                          capture_output=True, text=True, timeout=60)


def planned(pair):
    """entity -> (level, entities it waits for, deferred columns)"""
    return {one["entity"]: (one["level"], one["refers_to"], one["deferred"]) for one in pair.daemon.call("Plan")["entities"]}


# --- two tables that need each other ----------------------------------------------------------------

CIRCLE_SOURCE = """
    CREATE TABLE team (id integer PRIMARY KEY, name text NOT NULL, captain_id integer);
    CREATE TABLE player (id integer PRIMARY KEY, name text NOT NULL, team_id integer);
    INSERT INTO team SELECT n, 'team ' || n, n * 10 FROM generate_series(1, 20) AS n;
    INSERT INTO player SELECT n, 'player ' || n, 1 + (n - 1) / 10 FROM generate_series(1, 200) AS n;
"""
CIRCLE_TARGET = """
    CREATE TABLE team (id uuid PRIMARY KEY, legacy_id integer UNIQUE, name text NOT NULL, captain_id uuid {captain});
    CREATE TABLE player (id uuid PRIMARY KEY, legacy_id integer UNIQUE, name text NOT NULL, team_id uuid {team});
    ALTER TABLE team ADD CONSTRAINT captain FOREIGN KEY (captain_id) REFERENCES player;
    ALTER TABLE player ADD CONSTRAINT squad FOREIGN KEY (team_id) REFERENCES team;
"""


def circle_entities(captain="park", team="park"):
    return [entity("team", {"name": "name", "captain_id": reference("player", "captain_id", captain)}),
            entity("player", {"name": "name", "team_id": reference("team", "team_id", team)})]


def circle(databases, start_daemon, captain="", team="", if_missing=("park", "park"), **settings):
    return Pair(databases, start_daemon, CIRCLE_SOURCE, CIRCLE_TARGET.format(captain=captain, team=team),
                circle_entities(*if_missing), **settings)


def assert_references_are_right(pair, table, columns):
    """The rows of both sides are the same by their legacy keys; columns: of the table, with the parent they lead to."""
    joined = "".join(f" LEFT JOIN {parent} AS {column}_row ON {column}_row.id = t.{column}" for column, parent in columns.items())
    found = "".join(f", {column}_row.legacy_id" for column in columns)
    assert sorted(pair.target_sql(f"SELECT t.legacy_id{found} FROM {table} AS t{joined}"), key=str) == \
        sorted(pair.source_sql(f"SELECT id{''.join(', ' + column for column in columns)} FROM {table}"), key=str)


def assert_circle_is_right(pair):
    assert_references_are_right(pair, "team", {"captain_id": "player"})
    assert_references_are_right(pair, "player", {"team_id": "team"})


@pytest.mark.parametrize("captain, team, if_missing, deferred", [
    ("", "NOT NULL", ("park", "park"), "team.captain_id"),
    ("NOT NULL", "", ("park", "park"), "player.team_id"),
    ("NOT NULL", "", ("dead_letter", "dead_letter"), "player.team_id"),
    ("", "", ("null", "park"), "team.captain_id"),
    ("", "", ("park", "null"), "player.team_id"),
    ("", "", ("park", "dead_letter"), "team.captain_id"),
    ("NOT NULL", "", ("park", "null"), "player.team_id"),
])
def test_reference_that_may_be_null_in_the_target_is_the_one_deferred(databases, start_daemon, captain, team, if_missing, deferred):
    pair = circle(databases, start_daemon, captain, team, if_missing, batch_size=7)
    assert [f"{name}.{column}" for name, (_, _, columns) in planned(pair).items() for column in columns] == [deferred]
    pair.migrate()
    assert_circle_is_right(pair)
    pair.finds_nothing()


def test_cycle_of_columns_that_may_not_be_null_names_columns_and_constraints_and_stops_only_its_entities(databases, start_daemon):
    databases.source_sql(CIRCLE_SOURCE + """
        CREATE TABLE ball (id integer PRIMARY KEY, color text);
        CREATE TABLE shirt (id integer PRIMARY KEY, player_id integer NOT NULL);
        INSERT INTO ball VALUES (1, 'red');""")
    databases.target_sql(CIRCLE_TARGET.format(captain="NOT NULL", team="NOT NULL") + """
        CREATE TABLE ball (id uuid PRIMARY KEY, legacy_id integer UNIQUE, color text);
        CREATE TABLE shirt (id uuid PRIMARY KEY, legacy_id integer UNIQUE, player_id uuid NOT NULL REFERENCES player);""")
    entities = [*circle_entities(), entity("ball", {"color": "color"}),
                entity("shirt", {"player_id": reference("player", "player_id")})]
    daemon = start_daemon(databases, entities=entities)
    result = check_config(daemon)
    assert result.returncode == EX_CONFIG
    named = [line for line in result.stderr.splitlines() if "→" in line]
    assert len(named) == 1
    for part in ["player → team → player", 'player.team_id (NOT NULL, constraint "squad")',
                 'team.captain_id (NOT NULL, constraint "captain")', "NULL"]:
        assert part in named[0]
    finding = next(one for one in daemon.call("Check")["findings"] if "→" in one["message"])
    assert finding["result"] == "fail"
    session = migrate(daemon, expect="failed")
    assert {name: one["status"] for name, one in session.entities.items()} == \
        {"ball": "completed", "player": "failed", "team": "failed", "shirt": "failed"}
    assert databases.target_sql("SELECT color FROM ball") == [("red",)]


def test_nothing_is_said_of_a_cycle_without_the_databases(databases, start_daemon):
    daemon = start_daemon(databases, start=False, entities=circle_entities(), target="host=/nonexistent dbname=nobody")
    result = check_config(daemon)
    assert result.returncode == EX_UNAVAILABLE
    assert "→" not in result.stderr


# --- rows that refer to rows of their own entity, and may not be left without -----------------------------

def kin(databases, start_daemon, rows, *, columns="", constraint="REFERENCES node", if_missing=None, **settings):
    """A table whose rows must each have a parent; rows: SQL of (id, parent_id)."""
    return Pair(databases, start_daemon, f"""
        CREATE TABLE node (id integer PRIMARY KEY, parent_id integer, name text);
        INSERT INTO node SELECT id, parent_id, 'node ' || id FROM ({rows}) AS r (id, parent_id);""", f"""
        CREATE TABLE node (id uuid PRIMARY KEY, legacy_id integer UNIQUE, parent_id uuid NOT NULL {constraint}, name text {columns});""",
                [entity("node", {"name": "name", "parent_id": reference("node", "parent_id", if_missing)})], **settings)


def assert_kin_are_right(pair):
    assert_references_are_right(pair, "node", {"parent_id": "node"})


def batches(pair, session):
    return pair.target_sql("SELECT number, inserted, updated, parked, failed FROM migrated.batch WHERE session = %s ORDER BY number",
                           [session.session])


@pytest.mark.parametrize("rows, most", [
    # A root refers to itself.
    ("SELECT n, greatest(1, n / 2) FROM generate_series(1, 100) AS n", 11),
    # The same, children first: everybody waits, and follows in one pass.
    ("SELECT n, least(101, n + 1) FROM generate_series(1, 101) AS n", 23),
    # In no order at all.
    ("SELECT id, lag(id, 1, id) OVER (ORDER BY md5(id::text)) FROM generate_series(1, 100) AS id", 22),
    # Rings within a batch, and across batches.
    ("SELECT n, (n - 1) / 2 * 2 + 2 - (n + 1) % 2 FROM generate_series(1, 100) AS n", 11),
    ("SELECT n, (n + 49) % 100 + 1 FROM generate_series(1, 100) AS n", 12),
    ("SELECT n, n % 100 + 1 FROM generate_series(1, 100) AS n UNION ALL SELECT n, n - 100 FROM generate_series(101, 300) AS n", 60),
])
def test_rows_that_must_have_a_parent_come_with_it_or_after_it_in_the_same_session(databases, start_daemon, rows, most):
    pair = kin(databases, start_daemon, rows, batch_size=10)
    session = pair.migrate()
    assert_kin_are_right(pair)
    assert len(batches(pair, session)) <= most
    assert databases.target_sql("SELECT count(*) FROM migrated.parked") == [(0,)]
    assert session.total == session.done
    pair.finds_nothing()


def test_chain_of_rows_that_must_have_a_parent_unwinds_in_one_pass_however_long(databases, start_daemon):
    pair = kin(databases, start_daemon, "SELECT n, least(20000, n + 1) FROM generate_series(1, 20000) AS n", batch_size=1000)
    session = pair.migrate()
    assert_kin_are_right(pair)
    assert len(batches(pair, session)) <= 60
