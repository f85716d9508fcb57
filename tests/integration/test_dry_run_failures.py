"""Dry runs that do not end well, or that somebody is in the way of: nothing of them remains either, and nobody waits for them."""

import contextlib
import threading

import psycopg
import pytest

from dry_runs import dry_run, figures, unchanged, wait_until_nobody_writes
from mapping import entity
from sessions import held, migrate, start_migration, wait_until_blocked, wait_until_ended, wait_until_reached, waiting_backends
from servers import ROOT
from varlink import VarlinkError
from waiting import wait_until

SOURCE = """CREATE TABLE things (id integer PRIMARY KEY, value text);
    INSERT INTO things SELECT n, 'value ' || n FROM generate_series(1, 60) AS n"""
TARGET = "CREATE TABLE things (id uuid PRIMARY KEY, legacy_id integer UNIQUE, value text)"
THINGS = entity("things", {"value": "value"}, on_delete="delete")


def with_something_to_do(pair, attempts):
    world = pair(SOURCE, TARGET, THINGS, max_retry_attempts=attempts)
    world.migrate()
    world.source_sql("UPDATE things SET value = 'changed' WHERE id <= 20; DELETE FROM things WHERE id > 58;"
                     " INSERT INTO things VALUES (100, 'new')")
    return world


@pytest.fixture
def world(pair):
    """Loaded, with something to do, and a dry run that soon gives up where it cannot go on."""
    return with_something_to_do(pair, attempts=1)


class Begun:
    """A dry run in a thread of its own: .frames, or the .error, once it is over."""

    def __init__(self, daemon, **parameters):
        self.frames, self.error = [], None
        self.connection = daemon.connect(120)
        self.thread = threading.Thread(target=self._run, kwargs=parameters)
        self.thread.start()

    def _run(self, **parameters):
        try:
            self.frames += self.connection.stream("DryRun", **parameters)
        except (VarlinkError, OSError, ValueError, AttributeError, TypeError) as error:
            self.error = error

    def join(self):
        self.thread.join(60)
        assert not self.thread.is_alive()
        return self.frames[-1] if self.frames else None


@contextlib.contextmanager
def standing(world, **parameters):
    """A dry run that waits for a lock of somebody else's, in the middle of a batch."""
    with held(world.target, "things"):
        begun = Begun(world.daemon, **parameters)
        wait_until_blocked(world.target)
        yield begun
        begun.join()


def is_idle(daemon):
    return daemon.call("Status")["state"] == "idle"


def assert_told_as_it_will_be_after_all(world):
    """Whatever was in the way: the next one tells what is then done."""
    told = dry_run(world.daemon)
    assert figures(told) == figures(world.migrate())


# --- its end ----------------------------------------------------------------------------------------

def test_cancelled_it_leaves_nothing(world):
    with unchanged(world):
        with standing(world) as begun:
            assert world.daemon.call("Cancel")["state"] == "cancelling"
            last = begun.join()
    assert (last["session"]["state"], last["session"]["mode"]) == ("cancelled", "dry run")
    wait_until(lambda: is_idle(world.daemon), 10, "the daemon is idle")
    assert_told_as_it_will_be_after_all(world)


def test_who_asked_goes_and_so_does_it(world):
    with unchanged(world):
        with standing(world) as begun:
            begun.connection.socket.shutdown(2)
            wait_until(lambda: is_idle(world.daemon), 20, lambda: f"the daemon is idle:\n{world.daemon.log()}")
    assert_told_as_it_will_be_after_all(world)


def test_killed_daemon_leaves_nothing(world):
    with unchanged(world):
        with standing(world):
            world.daemon.kill()
        wait_until_nobody_writes(world.target)
    sessions = world.target_sql("SELECT state FROM migrated.session")
    wait_until_reached(world.daemon.start())
    assert sessions == [("completed",)]
    assert_told_as_it_will_be_after_all(world)


def test_daemon_that_is_stopped_ends_it(world):
    with unchanged(world):
        with standing(world):
            world.daemon.stop()
    world.daemon.start()
    assert_told_as_it_will_be_after_all(world)


def test_lost_connection_ends_it(world):
    with unchanged(world):
        with standing(world) as begun:
            (backend,) = waiting_backends(world.target)
            world.target_sql("SELECT pg_terminate_backend(%s)", [backend])
            begun.join()
    assert "nothing was changed" in str(begun.error)
    wait_until(lambda: is_idle(world.daemon), 10, "the daemon is idle")
    assert_told_as_it_will_be_after_all(world)


def test_server_that_goes_down_ends_it(world):
    with unchanged(world):
        with standing(world) as begun:
            world.target.server.down("fast")
            world.target.server.up()
            begun.join()
        assert begun.error
        wait_until_reached(world.daemon)
    assert_told_as_it_will_be_after_all(world)


def test_source_that_is_lost_ends_it(world):
    with unchanged(world):
        with standing(world) as begun:
            world.source_sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'migrated'"
                             " AND datname = current_database()")
            begun.join()
    assert "nothing was changed" in str(begun.error)
    wait_until_reached(world.daemon)
    assert_told_as_it_will_be_after_all(world)


def test_lock_that_is_not_to_be_had_ends_it(world):
    """It holds locks itself, so it does not wait for ever."""
    with unchanged(world):
        with standing(world) as begun:
            last = begun.join()
    assert last["session"]["state"] == "failed"
    assert "lock timeout" in last["session"]["reason"]
    assert_told_as_it_will_be_after_all(world)


# --- what cannot be applied -------------------------------------------------------------------------

def test_what_the_target_refuses_is_told_and_the_rest_goes_on(world):
    world.target_sql("ALTER TABLE things ADD CHECK (value <> 'bad')")
    world.source_sql("UPDATE things SET value = 'bad' WHERE id IN (3, 5)")
    with unchanged(world):
        told = dry_run(world.daemon, batch_size=7)
    assert told.entities["things"]["failed"] == 2
    assert [(one["sqlstate"], one["constraint"], one["rows"]) for one in told.set_aside] == [("23514", "things_value_check", 2)]
    assert figures(told) == figures(world.migrate(batch_size=7))


def test_entity_that_does_not_fit_any_more_is_said(world):
    world.target_sql("ALTER TABLE things RENAME COLUMN value TO other")
    with unchanged(world):
        told = dry_run(world.daemon, "failed")
    assert told.entities["things"]["status"] == "failed"
    assert "value" in told.entities["things"]["reason"]


def test_commit_by_mistake_is_refused(world):
    """Should anything ever commit it, the transaction cannot be."""
    begin = (ROOT / "daemon/run/dry_run.sql").read_text().split("-- name: dry_begin\n")[1].split("\n-- name:")[0]
    with world.target.connect(autocommit=True) as connection:
        connection.execute(begin.replace("{lock_timeout}", "'2s'").replace("{idle}", "'1min'"))
        connection.execute("UPDATE things SET value = 'by mistake'")
        with pytest.raises(psycopg.errors.DivisionByZero):
            connection.execute("COMMIT")
    assert world.target.value("SELECT count(*) FROM things WHERE value = 'by mistake'") == 0


# --- others -----------------------------------------------------------------------------------------

def test_it_is_seen_while_it_goes_and_not_in_the_list_afterwards(world):
    before = world.daemon.call("List")["sessions"]
    with standing(world):
        status = world.daemon.call("Status")
        assert (status["state"], status["session"]["mode"], status["session"]["state"]) == ("running", "dry run", "running")
        assert world.daemon.call("Watch")["session"]["mode"] == "dry run"
        assert "dry run" in world.daemon.ctl("status").stdout
        assert world.daemon.call("List")["sessions"] == before
    assert world.daemon.call("List")["sessions"] == before


def test_who_looks_does_not_wait_for_it(pair):
    world = with_something_to_do(pair, attempts=10)
    with standing(world) as begun:
        for method, what in (("Analyze", "entities"), ("Account", "accounts")):
            assert world.daemon.call(method)[what][0]["error"] is None
        with world.target.connect(options="-c lock_timeout=1s") as connection:
            assert connection.execute("SELECT count(*) FROM migrated.id_map").fetchall() == [(60,)]
            connection.execute("SELECT FROM migrated.change_log")
        world.daemon.call("Cancel")
        assert begun.join()["session"]["state"] == "cancelled"


def test_nothing_else_begins_meanwhile(world):
    with standing(world):
        for method, parameters, error in (("Migrate", {}, "AlreadyRunning"), ("DryRun", {}, "AlreadyRunning"), ("Detect", {}, "Failed"),
                                          ("RetryDeadLetters", {"all": True}, "Failed"), ("Pause", {}, "InvalidState")):
            with pytest.raises(VarlinkError) as refusal:
                world.daemon.call(method, **parameters)
            assert refusal.value.name == error, method
    assert_told_as_it_will_be_after_all(world)


def test_session_under_way_is_not_disturbed(world):
    with held(world.target, "things"):
        start_migration(world.daemon)
        wait_until_blocked(world.target)
        with pytest.raises(VarlinkError) as refusal:
            world.daemon.call("DryRun")
    assert refusal.value.name == "AlreadyRunning"
    wait_until_ended(world.daemon)


def test_cycles_wait_for_its_end(databases, start_daemon):
    databases.source_sql(SOURCE)
    databases.target_sql(TARGET)
    daemon = start_daemon(databases, entities=[THINGS], settings={"max_retry_attempts": 1}, start=False)
    daemon.config["schedule"] = {"every": "1s"}
    daemon.write_config()
    daemon.start()
    wait_until(lambda: [cycle for cycle in daemon.call("Status")["cycles"]["last"] if cycle["result"] == "quiet"], 30,
               "all has been carried")
    sessions = databases.target.value("SELECT count(*) FROM migrated.session")
    with held(databases.target, "things"):
        begun = Begun(daemon, full=True)
        wait_until_blocked(databases.target)
        databases.source_sql("UPDATE things SET value = 'changed meanwhile'")
        assert begun.join()["session"]["elapsed_ms"] > 2000  # so cycles were due
        assert databases.target.value("SELECT count(*) FROM migrated.session") == sessions
    wait_until(lambda: not databases.target_sql("SELECT FROM things WHERE value <> 'changed meanwhile'"), 30,
               "a cycle has carried the change")


# --- what would pause a session ---------------------------------------------------------------------

def test_what_would_be_held_for_approval_is_said_and_done(pair):
    world = pair(SOURCE, TARGET, THINGS)
    world.migrate()
    world.daemon.stop()
    world.daemon.config["breakers"] = {"delete_min_rows": 10}
    world.daemon.write_config()
    world.daemon.start()
    migrate(world.daemon)
    world.source_sql("DELETE FROM things WHERE id > 20")
    with unchanged(world):
        told = dry_run(world.daemon)
    assert [remark for remark in told.remarks if "40 of 60 rows" in remark]
    assert told.entities["things"]["deleted"] == 40
    assert "A session would be paused here" in world.daemon.ctl("migrate", "--dry-run").stdout
