"""Every source row is accounted for, at any moment: `status --accounts` against the accounting by keys (accounting.py)."""

import contextlib
import json

import pytest

import accounting
from mapping import Pair, entity
from sessions import start_migration, state_of, wait_until_ended, wait_until_reached, wait_until_resumed_and_ended
from waiting import wait_until

SOURCE = """
    CREATE TABLE office (id integer PRIMARY KEY, name text, is_test boolean NOT NULL DEFAULT false);
    CREATE TABLE patient (id integer PRIMARY KEY, office_id integer, friend_id integer, name text);
    INSERT INTO office SELECT n, 'office ' || n, n > 8 FROM generate_series(1, 10) AS n;
    INSERT INTO patient SELECT n, 1 + n % 8, CASE n WHEN 20 THEN 5 WHEN 21 THEN 7 END, 'patient ' || n
      FROM generate_series(1, 40) AS n;
    UPDATE patient SET name = NULL WHERE id IN (3, 4, 6);
    UPDATE patient SET office_id = 9 WHERE id IN (7, 8);
"""
TARGET = """
    CREATE TABLE offices (id uuid PRIMARY KEY, legacy_id integer UNIQUE, name text NOT NULL);
    CREATE TABLE patients (id uuid PRIMARY KEY, legacy_id integer UNIQUE, office_id uuid NOT NULL REFERENCES offices,
                           friend_id uuid REFERENCES patients, name text NOT NULL, is_active boolean NOT NULL DEFAULT true);
"""
OFFICES = entity("offices", {"name": "name"}, source={"table": "office", "where": "NOT is_test"}, on_delete="delete")
PATIENTS = entity("patients", {
    "office_id": {"references": "offices", "from": "office_id"},
    "friend_id": {"references": "patients", "from": "friend_id", "if_missing": "null"},
    "name": "name",
}, source="patient", on_delete="delete")
SETTLED = {"equal": 35, "dead_letters": 3, "parked": 2}

# A batch that brings patient 25 waits in its transaction, for as long as the lock is held.
DOOR = """
    CREATE FUNCTION public.wait_here() RETURNS trigger LANGUAGE plpgsql AS
      'BEGIN PERFORM pg_catalog.pg_advisory_xact_lock_shared(4711); RETURN NEW; END';
    CREATE TRIGGER door BEFORE INSERT OR UPDATE ON public.patients FOR EACH ROW WHEN (NEW.legacy_id = 25)
      EXECUTE FUNCTION public.wait_here()
"""


@pytest.fixture
def world(pair):
    return pair(SOURCE, TARGET, OFFICES, PATIENTS, batch_size=5)


@pytest.fixture
def settled(world):
    world.migrate()
    return world


def account(world, name="patients"):
    (found,) = world.daemon.call("Account", entities=[name])["accounts"]
    return found


def classes(world, name="patients"):
    """The classes that are not empty."""
    found = account(world, name)
    counted = {member: found[member] for member in accounting.CLASSES if found[member]}
    assert sum(counted.values()) == found["source"]
    return counted


def nothing_is_left_behind(databases):
    for database in (databases.source, databases.target):
        assert database.sql("SELECT query FROM pg_stat_activity WHERE datname = current_database() "
                            "AND application_name = 'migrated' AND state <> 'idle'") == []
    assert databases.target_sql("SELECT relname FROM pg_class WHERE relname LIKE 'account%'") == []


# --- when nothing happens --------------------------------------------------------------------------

def test_after_a_session_every_row_has_its_place(settled):
    assert classes(settled, "offices") == {"equal": 8, "filtered": 2}
    assert classes(settled) == SETTLED
    found = account(settled)
    assert (found["mapping"], found["balanced"], found["gone"]) == ("same", True, 0)
    assert found["deferred"] == 1, "21 refers to 7, which is parked"
    nothing_is_left_behind(settled.databases)


@pytest.mark.empty_target
def test_before_the_first_session_all_rows_wait(world):
    wait_until_reached(world.daemon)
    assert classes(world, "offices") == {"waiting": 8, "filtered": 2}
    assert classes(world) == {"waiting": 40}
    assert account(world)["mapping"] == "never"
    assert world.target.value("SELECT to_regnamespace('migrated')") is None


def test_a_source_without_rows_is_balanced(world):
    world.source_sql("DELETE FROM patient")
    wait_until_reached(world.daemon)
    assert classes(world) == {}
    world.migrate()
    assert classes(world) == {}
    assert account(world)["balanced"]


def test_the_table_shows_the_sum_and_what_needs_attention(settled):
    result = settled.daemon.ctl("status", "--accounts")
    assert "50 source rows = 43 equal + 2 parked + 3 dead letters + 2 filtered out\n" in result.stdout
    assert "patients: 1 reference is NULL until its parent is there\n" in result.stdout
    assert max(map(len, result.stdout.splitlines())) <= 100
    shown = settled.daemon.ctl("status", "--accounts", "--exclude", "offices").stdout
    assert "offices" not in shown and "40 source rows = " in shown
    assert settled.daemon.ctl("status", "--accounts", "--entities", "nobody", check=False).returncode == 4
    assert [one["entity"] for one in settled.daemon.ctl_json("status", "--accounts", "--entities", "patients")["accounts"]] == \
        ["patients"]


def test_status_without_accounts_says_nothing_of_them(settled):
    assert "accounts" not in settled.daemon.ctl_json("status")


# --- changes ----------------------------------------------------------------------------------------

def test_changes_wait_until_they_are_carried_over(settled):
    settled.source_sql("UPDATE patient SET name = 'new name' WHERE id BETWEEN 10 AND 14; "
                       "INSERT INTO patient VALUES (41, 1, NULL, 'x'), (42, 1, NULL, 'y'); "
                       "DELETE FROM patient WHERE id IN (3, 30)")
    assert classes(settled) == {"equal": 29, "waiting": 7, "dead_letters": 2, "parked": 2}
    found = account(settled)
    assert (found["in_change_set"], found["gone"]) == (0, 2)
    settled.detect()
    assert account(settled)["in_change_set"] == 7
    settled.source_sql("UPDATE patient SET name = 'newer' WHERE id = 15")
    assert classes(settled)["waiting"] == 8
    assert account(settled)["in_change_set"] == 7
    settled.migrate()
    assert classes(settled) == {"equal": 35, "waiting": 1, "dead_letters": 2, "parked": 2}
    assert account(settled)["in_change_set"] == account(settled)["gone"] == 0
    settled.migrate()
    assert classes(settled) == {"equal": 36, "dead_letters": 2, "parked": 2}


def test_a_change_back_leaves_nothing_to_do(settled):
    settled.source_sql("UPDATE patient SET name = 'x' WHERE id = 10")
    assert classes(settled)["waiting"] == 1
    settled.source_sql("UPDATE patient SET name = 'patient 10' WHERE id = 10")
    assert classes(settled) == SETTLED


def test_rows_move_in_and_out_of_the_filter(settled):
    settled.source_sql("INSERT INTO patient SELECT 50, 9, NULL, 'z'; UPDATE office SET is_test = (id = 10 OR id < 3)")
    assert classes(settled, "offices") == {"equal": 6, "waiting": 1, "filtered": 3}
    assert account(settled, "offices")["gone"] == 2
    settled.source_sql("UPDATE office SET is_test = (id > 9)")
    assert classes(settled, "offices") == {"equal": 8, "waiting": 1, "filtered": 1}
    settled.migrate()
    assert classes(settled, "offices") == {"equal": 9, "filtered": 1}
    assert classes(settled) == {"equal": 38, "dead_letters": 3}, "who was parked has followed"


def test_a_row_that_a_filter_does_not_know_about_is_filtered_out(settled):
    settled.source_sql("ALTER TABLE office ALTER is_test DROP NOT NULL; INSERT INTO office VALUES (11, 'x', NULL)")
    assert classes(settled, "offices") == {"equal": 8, "filtered": 3}


def test_dead_letters_count_until_they_were_tried_again(settled):
    settled.source_sql("UPDATE patient SET name = 'has one now' WHERE id = 3")
    assert classes(settled) == SETTLED, "nobody has tried it again"
    settled.migrate()
    assert classes(settled) == {"equal": 36, "dead_letters": 2, "parked": 2}
    settled.source_sql("UPDATE patient SET name = NULL WHERE id = 3")
    settled.migrate()
    assert classes(settled) == SETTLED, "an older version of it is in the target"


def test_discarded_letters_wait_again_when_their_rows_change(settled):
    settled.target_sql("UPDATE migrated.dead_letter SET state = 'discarded' WHERE legacy_key IN ('{3}', '{4}')")
    assert classes(settled) == {"equal": 35, "dead_letters": 1, "discarded": 2, "parked": 2}
    settled.databases.accounts()
    settled.source_sql("UPDATE patient SET name = 'mended' WHERE id = 3; UPDATE patient SET office_id = 2 WHERE id = 4")
    assert classes(settled) == {"equal": 35, "waiting": 2, "dead_letters": 1, "parked": 2}
    settled.migrate()
    assert classes(settled) == {"equal": 36, "dead_letters": 2, "parked": 2}


@pytest.mark.parametrize("on_delete", ["delete", "ignore", {"mark": {"is_active": False}}], ids=["delete", "ignore", "mark"])
def test_what_is_gone_from_the_source_does_not_count(pair, on_delete):
    world = pair(SOURCE, TARGET, OFFICES, {**PATIENTS, "on_delete": on_delete})
    world.migrate()
    world.source_sql("DELETE FROM patient WHERE id IN (3, 7, 33)")
    assert classes(world) == {"equal": 34, "dead_letters": 2, "parked": 1}
    assert account(world)["gone"] == 3
    world.migrate()
    assert classes(world) == {"equal": 34, "dead_letters": 2, "parked": 1}
    assert account(world)["gone"] == 0
    world.source_sql("INSERT INTO patient VALUES (33, 2, NULL, 'patient 33')")
    assert classes(world) == {"equal": 34, "waiting": 1, "dead_letters": 2, "parked": 1}
    world.migrate()
    assert classes(world) == {"equal": 35, "dead_letters": 2, "parked": 1}


def test_a_deletion_that_the_target_refuses_is_told(settled):
    settled.target_sql("CREATE TABLE visit (patient_id uuid NOT NULL REFERENCES patients); "
                       "INSERT INTO visit SELECT id FROM patients WHERE legacy_id = 33")
    settled.source_sql("DELETE FROM patient WHERE id = 33")
    session = settled.daemon
    start_migration(session)
    wait_until_ended(session)
    found = account(settled)
    assert (found["undeleted"], found["gone"], found["balanced"]) == (1, 1, True)
    assert "the target refuses to delete it" in session.ctl("status", "--accounts").stdout


def test_a_changed_mapping_has_all_rows_wait(settled):
    changed = {**PATIENTS, "columns": {**PATIENTS["columns"], "name": {"sql": "upper(name)"}}}
    settled.change_mapping([OFFICES, changed])
    wait_until_reached(settled.daemon)
    assert classes(settled) == {"waiting": 35, "dead_letters": 3, "parked": 2}
    assert account(settled)["mapping"] == "changed"
    assert "the mapping has changed" in settled.daemon.ctl("status", "--accounts").stdout
    assert classes(settled, "offices") == {"equal": 8, "filtered": 2}
    settled.migrate()
    assert classes(settled) == SETTLED


# --- in the middle of a session -----------------------------------------------------------------------

@contextlib.contextmanager
def door_closed(world):
    """A session that has done all batches but one, which waits in its transaction."""
    world.target_sql(DOOR)
    with contextlib.closing(world.target.connect()) as guard:
        guard.execute("SELECT pg_advisory_lock(4711)")
        session = start_migration(world.daemon)
        wait_until(lambda: left_over(world) == 1, 60, lambda: f"one batch is left: {left_over(world)}\n{world.daemon.log()}")
        yield session, lambda: guard.execute("SELECT pg_advisory_unlock(4711)")


def left_over(world):
    """How many batches of patients are still to be done, once all of them are planned."""
    if world.target.value("SELECT to_regclass('migrated.batch')") is None:
        return None
    return world.target.value("""
        SELECT (SELECT count(*) FROM migrated.batch WHERE session = e.session AND entity = e.entity AND NOT done)
          FROM migrated.session_entity AS e
          JOIN migrated.session AS s USING (session)
         WHERE e.entity = 'patients'
           AND e.state = 'running'
           AND e.total - (SELECT count(*) FROM migrated.change AS c
                           WHERE c.analysis = s.analysis AND c.entity = e.entity AND c.kind = 'deleted')
            <= (SELECT coalesce(sum(inserted + updated + unchanged + failed + parked), 0) + 5
                  FROM migrated.batch AS b WHERE b.session = e.session AND b.entity = e.entity)
         UNION ALL SELECT 0 LIMIT 1""")


def test_in_the_middle_of_a_first_load(world):
    with door_closed(world) as (session, open_door):
        books = world.databases.accounts(complete=False)["patients"]
        left = len(books.waiting())
        assert 0 < left <= 5 and (str(25),) in books.waiting()
        assert classes(world)["waiting"] == left
        assert account(world)["in_change_set"] == left
        assert account(world)["mapping"] == "never"
        assert classes(world, "offices") == {"equal": 8, "filtered": 2}
        world.daemon.call("Pause")
        open_door()
        wait_until(lambda: state_of(world.daemon) == "paused", 20)
        wait_until(lambda: not world.databases.accounts(complete=False)["patients"].waiting(), 20)
        assert account(world)["in_change_set"] == 0
        world.daemon.call("Resume")
        wait_until_ended(world.daemon)
    assert classes(world) == SETTLED
    world.databases.accounts()


def test_in_the_middle_of_a_differential_session(settled):
    settled.source_sql("UPDATE patient SET name = name || '!' WHERE id BETWEEN 11 AND 30")
    with door_closed(settled) as (session, open_door):
        books = settled.databases.accounts(complete=False)["patients"]
        waiting = classes(settled)["waiting"]
        assert 0 < waiting <= 5 and account(settled)["in_change_set"] == waiting
        assert not books.waiting(), "all of them are mapped"
        settled.source_sql("UPDATE patient SET name = 'again' WHERE id IN (9, 11)")
        assert classes(settled)["waiting"] == waiting + 2
        assert account(settled)["in_change_set"] == waiting
        open_door()
        wait_until_ended(settled.daemon)
    assert classes(settled) == {"equal": 33, "waiting": 2, "dead_letters": 3, "parked": 2}
    assert account(settled)["in_change_set"] == 0


def test_after_a_kill_in_the_middle(settled):
    settled.source_sql("UPDATE patient SET name = name || '!' WHERE id BETWEEN 11 AND 30; DELETE FROM patient WHERE id = 31")
    with door_closed(settled) as (session, open_door):
        before = classes(settled)
        settled.daemon.kill()
        settled.databases.accounts(complete=False)
        wait_until_reached(settled.daemon.start())
        settled.databases.accounts(complete=False)
        assert classes(settled) == before
        open_door()
        wait_until_resumed_and_ended(settled.daemon, session)
    settled.databases.accounts()
    assert classes(settled) == {"equal": 34, "dead_letters": 3, "parked": 2}


# --- what is wrong --------------------------------------------------------------------------------------

def test_rows_that_the_target_has_lost_are_told_by_the_exit_status_and_come_back(settled):
    settled.target_sql("DELETE FROM patients WHERE legacy_id IN (30, 31)")
    result = settled.daemon.ctl("status", "--accounts", check=False)
    assert result.returncode == 6
    assert "43 equal" not in result.stdout and "+ 2 lost\n" in result.stdout
    assert "2 rows are lost" in result.stdout and "migratectl migrate --full --entities patients" in result.stdout
    assert not settled.daemon.call("Account")["balanced"]
    settled.migrate(full=True)
    assert settled.daemon.ctl("status", "--accounts").returncode == 0
    assert classes(settled) == SETTLED


def test_a_lost_row_that_has_changed_only_waits(settled):
    settled.target_sql("DELETE FROM patients WHERE legacy_id = 30")
    settled.source_sql("UPDATE patient SET name = 'x' WHERE id = 30")
    assert classes(settled) == {**SETTLED, "equal": 34, "waiting": 1}
    settled.migrate()
    assert classes(settled) == SETTLED


QUERY = entity("things", {"name": "name"}, source={"query": "SELECT t.k, t.name FROM thing AS t JOIN shop AS s ON s.id = t.shop_id"},
               key="k", target="things", on_delete="delete")
QUERY_SOURCE = """
    CREATE TABLE shop (id integer PRIMARY KEY);
    CREATE TABLE thing (k integer, shop_id integer, name text);
    INSERT INTO shop VALUES (1), (2);
    INSERT INTO thing SELECT n, 1 + n % 3, 'thing ' || n FROM generate_series(1, 30) AS n;
"""
QUERY_TARGET = "CREATE TABLE things (id uuid PRIMARY KEY, legacy_id integer UNIQUE, name text)"


def test_a_query_has_no_rows_but_those_that_it_gives(pair):
    world = pair(QUERY_SOURCE, QUERY_TARGET, QUERY)
    world.migrate()
    assert classes(world, "things") == {"equal": 20}
    world.source_sql("INSERT INTO shop VALUES (3)")
    assert classes(world, "things") == {"equal": 20, "waiting": 10}


def test_keys_that_are_there_twice_or_not_at_all_are_told_by_the_exit_status(pair):
    world = pair(QUERY_SOURCE, QUERY_TARGET, QUERY)
    world.migrate()
    world.source_sql("INSERT INTO thing SELECT 1, 1, 'thing 1' FROM generate_series(1, 2); INSERT INTO thing VALUES (NULL, 1, 'x')")
    found = account(world, "things")
    assert (found["duplicates"], found["keyless"], found["balanced"]) == (2, 1, False)
    assert (found["source"], found["equal"] + found["waiting"]) == (23, 23)
    result = world.daemon.ctl("status", "--accounts", check=False)
    assert result.returncode == 6
    assert "2 rows of the source have the legacy keys of others" in result.stdout
    assert "1 row of the source has no legacy key" in result.stdout


def test_a_filter_that_does_not_always_say_the_same_is_found_out(pair):
    volatile = "id > 3 OR current_query() !~ '^\\s*COPY'"
    world = pair("CREATE TABLE things (id integer PRIMARY KEY, name text);"
                 "INSERT INTO things SELECT n, 'x' FROM generate_series(1, 10) AS n", QUERY_TARGET,
                 entity("things", {"name": "name"}, source={"table": "things", "where": volatile}))
    start_migration(world.daemon)
    wait_until_ended(world.daemon)
    result = world.daemon.ctl("status", "--accounts", check=False)
    assert result.returncode == 6
    assert "10 source rows ≠ 7 equal" in result.stdout
    assert "7 rows were accounted for, and the source has 10" in result.stdout


def test_an_entity_that_does_not_fit_is_named_and_the_others_are_counted(settled):
    settled.target_sql("CREATE TABLE broken (id uuid PRIMARY KEY, legacy_id integer UNIQUE, name text)")
    broken = entity("broken", {"name": "nothing"}, source="office", target="broken", on_delete="ignore")
    settled.change_mapping([OFFICES, PATIENTS, broken])
    wait_until_reached(settled.daemon)
    result = settled.daemon.ctl("status", "--accounts", "--json", check=False)
    found = {one["entity"]: one for one in json.loads(result.stdout)["accounts"]}
    assert result.returncode == 1
    assert 'has no column "nothing"' in found["broken"]["error"] and found["broken"]["source"] is None
    assert found["patients"]["balanced"] and not found["broken"]["balanced"]
    nothing_is_left_behind(settled.databases)


# --- keys of every kind -----------------------------------------------------------------------------------

@pytest.mark.parametrize("key, columns, values", [
    (["code"], "code text", "CASE n WHEN 1 THEN '' WHEN 2 THEN '{\"}' WHEN 3 THEN 'NULL' ELSE 'Cödé ' || n END"),
    (["a", "b"], "a integer, b text", "n % 10, 'b,' || n / 10"),
    (["id"], "id uuid", "md5(n::text)::uuid"),
    (["at"], "at timestamptz", "timestamptz '2024-03-31 00:30+01' + n * interval '1 hour 0.000001 seconds'"),
], ids=["text", "composite", "uuid", "timestamp"])
def test_keys_of_every_kind(pair, key, columns, values):
    legacy = ", ".join(f"legacy_{column.strip()}" for column in columns.split(","))
    world = pair(f"CREATE TABLE things ({columns}, name text, PRIMARY KEY ({', '.join(key)}));"
                 f"INSERT INTO things SELECT {values}, CASE WHEN n % 7 > 0 THEN 'x' END FROM generate_series(1, 50) AS n",
                 f"CREATE TABLE things (id uuid PRIMARY KEY, {legacy}, name text NOT NULL)",
                 entity("things", {"name": "name"}, key=key, legacy_key=[f"legacy_{name}" for name in key], on_delete="delete"))
    world.migrate()
    assert classes(world, "things") == {"equal": 43, "dead_letters": 7}
    world.source_sql(f"INSERT INTO things SELECT {values}, 'y' FROM generate_series(51, 54) AS n; "
                     f"UPDATE things SET name = 'z' WHERE ({', '.join(key)}) IN (SELECT {values} FROM generate_series(8, 9) AS n)")
    assert classes(world, "things") == {"equal": 41, "waiting": 6, "dead_letters": 7}
    world.migrate()
    assert classes(world, "things") == {"equal": 47, "dead_letters": 7}


# --- those who look do not disturb ---------------------------------------------------------------------------

SLOW_SOURCE = SOURCE + """
    CREATE TABLE delay (seconds integer);
    INSERT INTO delay VALUES (0);
    CREATE FUNCTION delayed() RETURNS boolean LANGUAGE plpgsql AS
      'BEGIN PERFORM pg_sleep(seconds) FROM public.delay; RETURN true; END'
"""
SLOW = entity("offices", {"name": "name"}, source={"table": "office", "where": "public.delayed()"}, on_delete="delete")


def sleeping(world):
    return world.source_sql("SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'")


def test_nobody_waits_for_it_any_more_and_its_queries_end(databases, start_daemon):
    world = Pair(databases, start_daemon, SLOW_SOURCE, TARGET, [SLOW])
    world.migrate()
    world.source_sql("UPDATE delay SET seconds = 600")
    with world.daemon.connect() as connection:
        connection.send("Account")
        wait_until(lambda: sleeping(world), 20, "the source is read")
    wait_until(lambda: not sleeping(world), 20, "its query is cancelled")
    world.source_sql("UPDATE delay SET seconds = 0")
    assert classes(world, "offices") == {"equal": 10}
    nothing_is_left_behind(databases)


def test_a_statement_timeout_is_named(databases, start_daemon):
    world = Pair(databases, start_daemon, SLOW_SOURCE, TARGET, [SLOW], statement_timeout="2s", lock_timeout="1s", batch_time="1s")
    world.migrate()
    world.source_sql("UPDATE delay SET seconds = 600")
    result = world.daemon.ctl("status", "--accounts", check=False)
    assert result.returncode == 1 and "statement_timeout" in result.stdout
    world.source_sql("UPDATE delay SET seconds = 0")
    assert classes(world, "offices") == {"equal": 10}
    nothing_is_left_behind(databases)


# --- edits on the modern side -----------------------------------------------------------------------------------

def test_conflicts_are_held_or_decided_for_the_target(pair):
    policy = {"last_writer_wins": {"source": "at", "target": "at"}}
    world = pair(
        "".join(f"CREATE TABLE {name} (id integer PRIMARY KEY, name text, at timestamptz);"
                f"INSERT INTO {name} SELECT n, 'x', '2024-01-01' FROM generate_series(1, 9) AS n;" for name in ("holds", "kept")),
        "".join(f"CREATE TABLE {name} (id uuid PRIMARY KEY, legacy_id integer UNIQUE, name text, at timestamptz);"
                for name in ("holds", "kept")),
        entity("holds", {"name": "name"}, on_conflict="hold"), entity("kept", {"name": "name"}, on_conflict=policy))
    world.migrate()
    for name in ("holds", "kept"):
        world.target_sql(f"UPDATE {name} SET name = 'edited', at = '2024-03-01' WHERE legacy_id < 4")
        world.source_sql(f"UPDATE {name} SET name = 'changed', at = '2024-02-01' WHERE id < 3")
        assert classes(world, name) == {"equal": 7, "waiting": 2}
    world.migrate()
    assert classes(world, "holds") == {"equal": 7, "held": 2}
    assert classes(world, "kept") == {"equal": 7, "kept": 2}
    shown = world.daemon.ctl("status", "--accounts").stdout
    assert "Kept" in shown and "18 source rows = 14 equal + 2 held + 2 kept\n" in shown
    world.source_sql("UPDATE kept SET name = 'newest', at = '2024-04-01' WHERE id = 1; UPDATE holds SET name = 'newest' WHERE id = 1")
    assert classes(world, "kept") == {"equal": 7, "waiting": 1, "kept": 1}
    assert classes(world, "holds") == {"equal": 7, "held": 2}, "until it has been tried again"
    world.migrate()
    assert classes(world, "kept") == {"equal": 8, "kept": 1}
