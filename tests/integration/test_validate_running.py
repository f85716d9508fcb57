"""A validation while other things happen: it goes on after kill -9, can be cancelled, and takes no row that is being carried for a
difference."""

import contextlib

import pytest

from mapping import entity
from sessions import start_migration, wait_until_blocked, wait_until_connected, wait_until_ended
from validation import Validation, validate
from varlink import VarlinkError
from waiting import wait_until

SOURCE = """CREATE TABLE things (id integer PRIMARY KEY, value text);
    INSERT INTO things SELECT i, 'value ' || i FROM generate_series(1, 3000) AS i"""
TARGET = "CREATE TABLE things (id uuid PRIMARY KEY, legacy_id integer UNIQUE, value text)"
THINGS = entity("things", {"value": "value"}, on_delete="delete")


@pytest.fixture
def world(pair):
    world = pair(SOURCE, TARGET, THINGS)
    world.migrate()
    return world


@contextlib.contextmanager
def shut(database, table):
    """Nobody reads the table."""
    with database.connect() as connection, connection.transaction():
        connection.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")
        yield


def begin(world, **parameters):
    wait_until_connected(world.daemon)
    return world.daemon.call("Validate", entities=["things"], checks=["values"], **parameters)["validation"]["validation"]


def shown(world, validation):
    return world.daemon.call("ShowValidation", validation=validation)["validation"]


def over(world, validation):
    try:
        reply = shown(world, validation)
    except VarlinkError:
        return None
    return reply if reply["state"] != "running" else None


def test_killed_in_the_middle_it_goes_on_and_counts_nothing_twice(world):
    world.target_sql("UPDATE things SET value = 'other' WHERE legacy_id IN (5, 2999)")
    with shut(world.target, "things"):
        validation = begin(world)
        wait_until_blocked(world.target)
        world.daemon.kill()
    world.daemon.start()
    wait_until_connected(world.daemon)
    reply = wait_until(lambda: over(world, validation), timeout=30)
    assert (reply["state"], reply["complete"]) == ("completed", True)
    assert [check["rows"] for check in reply["checks"]] == [3000]
    assert Validation(world.databases, reply).found() == [("things", "changed", "2999", ("value",)), ("things", "changed", "5", ("value",))]


def test_cancelled_it_ends_and_what_was_not_looked_at_is_unchecked(world):
    with shut(world.target, "things"):
        validation = begin(world)
        wait_until_blocked(world.target)
        assert world.daemon.ctl("cancel", validation[:8]).returncode == 0
        reply = wait_until(lambda: over(world, validation), timeout=30)
    assert (reply["state"], reply["complete"]) == ("cancelled", False)
    assert [check["state"] for check in reply["checks"]] == ["unchecked"]
    assert validate(world.daemon, world.databases, checks=["values"]).complete


def test_a_second_one_is_refused(world):
    with shut(world.target, "things"):
        begin(world)
        wait_until_blocked(world.target)
        with pytest.raises(VarlinkError):
            begin(world)
        world.daemon.call("Cancel")


def test_rows_that_a_session_is_carrying_are_no_differences(world):
    for round_ in range(3):
        world.source_sql(f"UPDATE things SET value = 'round {round_} of ' || id WHERE id % 3 = {round_}")
        world.source_sql(f"DELETE FROM things WHERE id % 100 = {round_}")
        world.source_sql(f"INSERT INTO things SELECT 10000 + 1000 * {round_} + i, 'new' FROM generate_series(1, 200) AS i")
        start_migration(world.daemon)
        assert validate(world.daemon, world.databases, checks=["values"]).found() == []
        wait_until_ended(world.daemon)
    assert validate(world.daemon, world.databases, checks=["values"]).found() == []


def test_a_source_that_is_down_is_waited_for(world):
    validation = None
    with shut(world.target, "things"):
        validation = begin(world)
        wait_until_blocked(world.target)
        world.source.sql("""SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                             WHERE datname = current_database() AND pid <> pg_backend_pid()""")
        world.target.sql("""SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                             WHERE datname = current_database() AND pid <> pg_backend_pid() AND wait_event_type = 'Lock'""")
    reply = wait_until(lambda: over(world, validation), timeout=30)
    assert (reply["state"], reply["complete"]) == ("completed", True)
    assert [check["rows"] for check in reply["checks"]] == [3000]
