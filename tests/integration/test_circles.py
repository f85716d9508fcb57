"""References of an entity to itself, and entities that need each other: what is deferred, what is carried together, what waits.

What is right is read from both databases by plain SQL: every reference of the source leads, in the target, to the row that
its legacy key names.
"""

import subprocess

import pytest

from daemon import program
from mapping import Pair, entity
from sessions import migrate, start_migration, wait_until_resumed_and_ended

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
    CREATE INDEX ON team (captain_id);
    CREATE INDEX ON player (team_id);
"""


def circle_entities(captain="park", team="park", **rest):
    return [entity("team", {"name": "name", "captain_id": reference("player", "captain_id", captain)}, **rest),
            entity("player", {"name": "name", "team_id": reference("team", "team_id", team)}, **rest)]


def circle(databases, start_daemon, captain="", team="", if_missing=("park", "park"), on_delete="ignore", **settings):
    return Pair(databases, start_daemon, CIRCLE_SOURCE, CIRCLE_TARGET.format(captain=captain, team=team),
                circle_entities(*if_missing, on_delete=on_delete), **settings)


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


def test_cycle_is_said_not_to_be_helped_by_a_deferrable_constraint(databases, start_daemon):
    databases.source_sql(CIRCLE_SOURCE)
    databases.target_sql(CIRCLE_TARGET.format(captain="NOT NULL", team="NOT NULL") +
                         "ALTER TABLE player ALTER CONSTRAINT squad DEFERRABLE")
    result = check_config(start_daemon(databases, start=False, entities=circle_entities()))
    assert result.returncode == EX_CONFIG
    assert 'constraint "squad", which is deferrable' in result.stderr
    assert "deferrable constraints do not help" in result.stderr


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


# --- what is deferred --------------------------------------------------------------------------------------

def nullable(databases, start_daemon, rows, **settings):
    """The same, where the target allows a row to be without a parent."""
    return Pair(databases, start_daemon, f"""
        CREATE TABLE node (id integer PRIMARY KEY, parent_id integer, name text);
        INSERT INTO node SELECT id, parent_id, 'node ' || id FROM ({rows}) AS r (id, parent_id);""", """
        CREATE TABLE node (id uuid PRIMARY KEY, legacy_id integer UNIQUE, parent_id uuid REFERENCES node, name text);
        CREATE INDEX ON node (parent_id);""",
                [entity("node", {"name": "name", "parent_id": reference("node", "parent_id")}, on_delete="delete")], **settings)


def deferred(pair):
    return {(entity, *key): (column, parent, *parent_key) for entity, key, column, parent, parent_key in pair.target_sql("""
        SELECT entity, legacy_key, column_name, parent_entity, parent_key FROM migrated.deferred""")}


def parent_of(pair, node):
    """(is there, legacy key of its parent)"""
    rows = pair.target_sql("""
        SELECT p.legacy_id FROM node AS t LEFT JOIN node AS p ON p.id = t.parent_id WHERE t.legacy_id = %s""", [node])
    return (bool(rows), rows[0][0] if rows else None)


def test_chain_longer_than_a_batch_is_filled_in_in_the_same_session(databases, start_daemon):
    pair = nullable(databases, start_daemon, "SELECT n, nullif(n + 1, 501) FROM generate_series(1, 500) AS n", batch_size=20)
    pair.migrate()
    assert_kin_are_right(pair)
    assert deferred(pair) == {}
    pair.finds_nothing()


@pytest.mark.parametrize("strategy", ["sweep", "watermark"])
def test_deferred_reference_is_filled_in_when_its_parent_arrives(databases, start_daemon, strategy):
    pair = nullable(databases, start_daemon, "VALUES (1, 9), (2, 1)")
    pair.migrate()
    assert parent_of(pair, 1) == (True, None)
    assert deferred(pair) == {("node", "1"): ("parent_id", "node", "9")}
    pair.source_sql("INSERT INTO node VALUES (9, 2, 'nine')")
    pair.migrate(strategy=strategy)
    assert_kin_are_right(pair)
    assert deferred(pair) == {}


def test_deferred_reference_that_changes_before_its_parent_arrives_waits_for_the_new_one(databases, start_daemon):
    pair = nullable(databases, start_daemon, "VALUES (1, 8), (2, 8), (3, 8), (4, 1)")
    pair.migrate()
    pair.source_sql("""
        UPDATE node SET parent_id = 9 WHERE id = 1;
        UPDATE node SET parent_id = NULL WHERE id = 2;
        UPDATE node SET name = 'another' WHERE id = 3;
        UPDATE node SET parent_id = 7 WHERE id = 4;""")
    pair.migrate()
    assert deferred(pair) == {("node", "1"): ("parent_id", "node", "9"), ("node", "3"): ("parent_id", "node", "8"),
                              ("node", "4"): ("parent_id", "node", "7")}
    assert [parent_of(pair, node) for node in (1, 2, 3, 4)] == [(True, None)] * 4
    pair.source_sql("INSERT INTO node VALUES (7, 7, 'seven'), (8, 8, 'eight'), (9, 9, 'nine')")
    pair.migrate()
    assert_kin_are_right(pair)
    assert deferred(pair) == {}
    pair.finds_nothing()


def test_parent_that_the_target_has_lost_is_brought_again_and_filled_in(databases, start_daemon):
    pair = circle(databases, start_daemon, "", "NOT NULL")
    pair.source_sql("UPDATE team SET captain_id = 1000 WHERE id = 1")
    pair.migrate()
    pair.source_sql("INSERT INTO player VALUES (1000, 'late', 2)")
    pair.migrate(entities=["player"])
    pair.target_sql("DELETE FROM player WHERE legacy_id = 1000")
    pair.accounted = False  # until the sweep
    pair.migrate(strategy="watermark")
    assert deferred(pair) == {("team", "1"): ("captain_id", "player", "1000")}
    pair.accounted = True
    pair.migrate(strategy="sweep")
    assert_circle_is_right(pair)
    assert deferred(pair) == {}
    assert pair.target_sql("SELECT count(*) FROM migrated.dead_letter") == [(0,)]


def test_rows_that_need_each_other_are_deleted_together(databases, start_daemon):
    pair = nullable(databases, start_daemon, "SELECT n, n % 100 + 1 FROM generate_series(1, 100) AS n", batch_size=10)
    pair.migrate()
    assert_kin_are_right(pair)
    pair.source_sql("DELETE FROM node WHERE id > 3; UPDATE node SET parent_id = 1")
    pair.migrate()
    assert_kin_are_right(pair)
    assert pair.target_sql("SELECT count(*) FROM migrated.dead_letter WHERE state = 'open'") == [(0,)]
    assert deferred(pair) == {}


def test_two_tables_that_need_each_other_lose_rows_of_both(databases, start_daemon):
    pair = circle(databases, start_daemon, "", "NOT NULL", on_delete="delete", batch_size=7)
    pair.migrate()
    pair.source_sql("DELETE FROM team WHERE id > 18; DELETE FROM player WHERE team_id > 18")
    pair.migrate()
    assert_circle_is_right(pair)
    assert pair.target_sql("SELECT count(*) FROM migrated.dead_letter WHERE state = 'open'") == [(0,)]
    assert deferred(pair) == {}
    # What goes in one of them only stands in the way of the other's row, until that lets go of it.
    pair.source_sql("DELETE FROM player WHERE id = 10")
    pair.migrate()
    assert pair.target_sql("SELECT legacy_id FROM player WHERE legacy_id = 10") == [(10,)]
    pair.source_sql("UPDATE team SET captain_id = 9 WHERE captain_id = 10")
    pair.migrate()
    assert_circle_is_right(pair)
    pair.finds_nothing()


# --- more of them --------------------------------------------------------------------------------------------

def test_three_entities_with_composite_keys_and_a_conditional_reference_need_each_other(databases, start_daemon):
    pair = Pair(databases, start_daemon, """
        CREATE TABLE ward (site text, number integer, last_visit integer, PRIMARY KEY (site, number));
        CREATE TABLE staff (code text PRIMARY KEY, site text, number integer);
        CREATE TABLE robot (code text PRIMARY KEY);
        CREATE TABLE visit (id integer PRIMARY KEY, kind text, code text);
        INSERT INTO ward SELECT 'site ' || n % 3, n, n * 3 FROM generate_series(1, 30) AS n;
        INSERT INTO staff SELECT 'staff ' || n, 'site ' || (1 + (n - 1) / 2) % 3, 1 + (n - 1) / 2 FROM generate_series(1, 60) AS n;
        INSERT INTO robot SELECT 'robot ' || n FROM generate_series(0, 9) AS n;
        INSERT INTO visit
        SELECT n, kind, kind || ' ' || CASE kind WHEN 'robot' THEN n % 10 ELSE 1 + n % 60 END
          FROM generate_series(1, 90) AS n, LATERAL (VALUES (CASE WHEN n % 3 = 0 THEN 'robot' ELSE 'staff' END)) AS k (kind);""", """
        CREATE TABLE robot (id uuid PRIMARY KEY, legacy_id text UNIQUE);
        CREATE TABLE ward (id uuid PRIMARY KEY, legacy_site text, legacy_number integer, UNIQUE (legacy_site, legacy_number),
                           last_visit_id uuid);
        CREATE TABLE staff (id uuid PRIMARY KEY, legacy_id text UNIQUE, ward_id uuid NOT NULL REFERENCES ward);
        CREATE TABLE visit (id uuid PRIMARY KEY, legacy_id integer UNIQUE, by_id uuid NOT NULL);
        ALTER TABLE ward ADD FOREIGN KEY (last_visit_id) REFERENCES visit;""", [
            entity("robot", {}, key="code"),
            entity("ward", {"last_visit_id": reference("visit", "last_visit", "dead_letter")},
                   key=["site", "number"], legacy_key=["legacy_site", "legacy_number"]),
            entity("staff", {"ward_id": reference("ward", ["site", "number"])}, key="code"),
            entity("visit", {"by_id": {"references": [{"entity": "staff", "when": "kind = 'staff'"},
                                                      {"entity": "robot", "when": "kind = 'robot'"}], "from": "code"}})], batch_size=7)
    assert planned(pair) == {"robot": (0, [], []), "ward": (0, [], ["last_visit_id"]), "staff": (1, ["ward"], []),
                             "visit": (2, ["robot", "staff"], [])}
    pair.migrate()
    assert sorted(pair.target_sql("""
        SELECT w.legacy_site, w.legacy_number, v.legacy_id FROM ward AS w LEFT JOIN visit AS v ON v.id = w.last_visit_id""")) == \
        sorted(pair.source_sql("SELECT site, number, last_visit FROM ward"))
    assert sorted(pair.target_sql("""
        SELECT s.legacy_id, w.legacy_site, w.legacy_number FROM staff AS s JOIN ward AS w ON w.id = s.ward_id""")) == \
        sorted(pair.source_sql("SELECT code, site, number FROM staff"))
    assert sorted(pair.target_sql("""
        SELECT v.legacy_id, coalesce(s.legacy_id, r.legacy_id)
          FROM visit AS v LEFT JOIN staff AS s ON s.id = v.by_id LEFT JOIN robot AS r ON r.id = v.by_id""")) == \
        sorted(pair.source_sql("SELECT id, code FROM visit"))
    pair.finds_nothing()


def test_kin_by_composite_key_and_by_one_of_several_parents(databases, start_daemon):
    databases.source_sql("""
        CREATE TABLE tree (kind text, n integer, PRIMARY KEY (kind, n));
        CREATE TABLE leaf (kind text, n integer, above_n integer, twin_n integer, PRIMARY KEY (kind, n));
        INSERT INTO tree VALUES ('oak', 0), ('elm', 0);
        INSERT INTO leaf
        SELECT kind, n, CASE WHEN n < 40 THEN n + 1 ELSE 0 END, CASE WHEN n % 2 = 0 THEN n - 1 ELSE n + 1 END
          FROM unnest(ARRAY['oak', 'elm', 'ash']) AS kind, generate_series(1, 40) AS n;""")
    pair = Pair(databases, start_daemon, "SELECT 1", """
        CREATE TABLE tree (id uuid PRIMARY KEY, legacy_kind text, legacy_n integer);
        CREATE TABLE leaf (id uuid PRIMARY KEY, legacy_kind text, legacy_n integer, UNIQUE (legacy_kind, legacy_n),
                           above_id uuid NOT NULL, twin_id uuid NOT NULL REFERENCES leaf);""", [
            entity("tree", {}, key=["kind", "n"], legacy_key=["legacy_kind", "legacy_n"]),
            entity("leaf", {"above_id": {"references": [{"entity": "tree", "when": "above_n = 0"},
                                                        {"entity": "leaf", "when": "above_n > 0"}], "from": ["kind", "above_n"]},
                            "twin_id": reference("leaf", ["kind", "twin_n"])},
                   key=["kind", "n"], legacy_key=["legacy_kind", "legacy_n"])], batch_size=7)
    right = """
        SELECT l.legacy_kind, l.legacy_n, coalesce(a.legacy_n, t.legacy_n), w.legacy_n
          FROM leaf AS l LEFT JOIN leaf AS a ON a.id = l.above_id LEFT JOIN tree AS t ON t.id = l.above_id
          JOIN leaf AS w ON w.id = l.twin_id AND w.legacy_kind = l.legacy_kind
         ORDER BY 1, 2"""
    pair.migrate()
    assert pair.target_sql(right) == sorted(pair.source_sql("SELECT kind, n, above_n, twin_n FROM leaf WHERE kind <> 'ash'"))
    waiting = pair.target_sql("SELECT count(*), count(*) FILTER (WHERE parent_entity = 'tree') FROM migrated.parked")
    assert waiting == [(40, 1)]
    pair.source_sql("INSERT INTO tree VALUES ('ash', 0)")
    pair.migrate()
    assert pair.target_sql(right) == sorted(pair.source_sql("SELECT kind, n, above_n, twin_n FROM leaf"))
    assert pair.target_sql("SELECT count(*) FROM migrated.parked") == [(0,)]
    pair.finds_nothing()


@pytest.mark.parametrize("parent", ["greatest(1, n - 1)", "least(100, n + 1)", "CASE WHEN n > 50 THEN greatest(51, n - 1) ELSE least(50, n + 1) END"])
def test_kin_are_deleted_children_first_whatever_their_keys(databases, start_daemon, parent):
    pair = Pair(databases, start_daemon, f"""
        CREATE TABLE node (id integer PRIMARY KEY, parent_id integer);
        INSERT INTO node SELECT n, {parent} FROM generate_series(1, 100) AS n;""", """
        CREATE TABLE node (id uuid PRIMARY KEY, legacy_id integer UNIQUE, parent_id uuid NOT NULL REFERENCES node);
        CREATE INDEX ON node (parent_id);""",
                [entity("node", {"parent_id": reference("node", "parent_id")}, on_delete="delete")], batch_size=7)
    pair.migrate()
    assert_kin_are_right(pair)
    pair.source_sql("DELETE FROM node WHERE id BETWEEN 10 AND 90; UPDATE node SET parent_id = 1 WHERE parent_id BETWEEN 10 AND 90")
    pair.migrate()
    assert_kin_are_right(pair)
    assert pair.target_sql("SELECT count(*) FROM migrated.dead_letter WHERE state = 'open'") == [(0,)]
    pair.finds_nothing()


@pytest.mark.parametrize("policy", ["hold", "last_writer_wins"])
def test_kin_are_held_against_edits_as_other_rows_are(databases, start_daemon, policy):
    databases.source_sql("""
        CREATE TABLE node (id integer PRIMARY KEY, parent_id integer, name text, updated_at timestamptz DEFAULT now());
        INSERT INTO node SELECT n, greatest(1, n / 2), 'node ' || n FROM generate_series(1, 15) AS n;""")
    pair = Pair(databases, start_daemon, "SELECT 1", """
        CREATE TABLE node (id uuid PRIMARY KEY, legacy_id integer UNIQUE, parent_id uuid NOT NULL REFERENCES node, name text,
                           updated_at timestamptz NOT NULL DEFAULT now());""",
                [entity("node", {"name": "name", "parent_id": reference("node", "parent_id")}, on_conflict=policy)], batch_size=4)
    pair.migrate()
    assert_kin_are_right(pair)
    pair.target_sql("UPDATE node SET name = 'edited', updated_at = now() + interval '1 day' WHERE legacy_id = 7")
    pair.source_sql("""
        UPDATE node SET name = 'changed' WHERE id IN (6, 7);
        INSERT INTO node VALUES (16, 17, 'new'), (17, 7, 'new');""")
    pair.migrate()
    assert_kin_are_right(pair)
    assert sorted(pair.target_sql("SELECT legacy_id, name FROM node WHERE legacy_id IN (6, 7, 16)")) == \
        [(6, "changed"), (7, "edited"), (16, "new")]


@pytest.mark.parametrize("fault", ["plan.followed:kill:1", "batch.committed:kill:25", "batch.write_sent:kill:30"])
def test_kin_follow_though_the_daemon_is_killed_on_the_way(databases, start_daemon, fault):
    pair = kin(databases, lambda *where, **rest: start_daemon(*where, fault=fault, **rest),
               "SELECT n, least(200, n + 1) FROM generate_series(1, 200) AS n", batch_size=10)
    session = start_migration(pair.daemon)
    pair.daemon.wait_until_killed()
    pair.daemon.fault = ""
    pair.daemon.start()
    wait_until_resumed_and_ended(pair.daemon, session)
    assert_kin_are_right(pair)
    assert pair.target_sql("SELECT sum(inserted), count(*) FILTER (WHERE NOT done) FROM migrated.batch") == [(200, 0)]
    pair.finds_nothing()


def test_row_of_kin_that_is_refused_leaves_out_what_hangs_on_it_and_nothing_else(databases, start_daemon):
    pair = kin(databases, start_daemon, "SELECT n, greatest(1, n / 2) FROM generate_series(1, 63) AS n", columns="CHECK (name <> 'bad')")
    pair.source_sql("UPDATE node SET name = 'bad' WHERE id = 5")
    pair.migrate()
    below = {5, 10, 11, 20, 21, 22, 23, *range(40, 48)}
    assert {legacy for (legacy,) in pair.target_sql("SELECT legacy_id FROM node")} == set(range(1, 64)) - below
    assert pair.target_sql("SELECT legacy_key FROM migrated.dead_letter WHERE state = 'open'") == [(["5"],)]
    assert {int(key[0]) for (key,) in pair.target_sql("SELECT legacy_key FROM migrated.parked")} == below - {5}
    pair.source_sql("UPDATE node SET name = 'good' WHERE id = 5")
    pair.migrate()
    assert_kin_are_right(pair)
    pair.finds_nothing()
