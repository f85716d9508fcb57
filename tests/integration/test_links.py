"""What a lost link leaves behind, and how a database is reached again that refuses us."""

import os
import re
import signal
import threading

import pytest

from mapping import Pair, entity
from sessions import held, migrate, start_migration, wait_until_blocked, wait_until_ended, wait_until_reached
from varlink import VarlinkError
from waiting import wait_until

THINGS = [entity("things", {"value": "value"})]
SOURCE = "CREATE TABLE things (id bigint PRIMARY KEY, value text);" \
         "INSERT INTO things SELECT i, 'thing ' || i FROM generate_series(1, 100) AS i"
TARGET = "CREATE TABLE things (id uuid PRIMARY KEY, legacy_id bigint UNIQUE, value text)"


@pytest.fixture
def tables(databases):
    databases.source_sql(SOURCE)
    databases.target_sql(TARGET)
    return databases


def lose_the_link_of_a_batch(daemon, database):
    """A batch is held up, its link vanishes and the server does not notice; the pid that is left."""
    (pid,) = wait_until_blocked(database)
    daemon.proxies["target"].blackhole()
    wait_until(lambda: "connection to the target lost" in daemon.log(), 60)
    return pid


def lives(database, pid):
    return database.value("SELECT count(*) FROM pg_stat_activity WHERE pid = %s", [pid]) == 1


# --- predecessors ---------------------------------------------------------------------------------

def test_the_backend_of_a_lost_link_is_ended_by_the_next(tables, start_daemon):
    """It waits for a lock for longer than anybody would, and has claimed the batch."""
    daemon = wait_until_reached(start_daemon(tables, through=["target"], entities=THINGS,
                                             settings={"peer_timeout": "1s", "lock_timeout": "5min"}))
    with held(tables.target, "things"):
        session = start_migration(daemon)
        pid = lose_the_link_of_a_batch(daemon, tables.target)
        assert lives(tables.target, pid)
        daemon.proxies["target"].heal()
        wait_until(lambda: not lives(tables.target, pid), 60, "it has been ended")
        wait_until_blocked(tables.target)
    wait_until_ended(daemon)
    assert tables.target.value("SELECT count(*) FROM things") == 100
    assert tables.target_sql("SELECT sum(inserted) FROM migrated.batch WHERE session = %s", [session]) == [(100,)]


def test_one_that_is_frozen_delays_its_batch_and_is_named(tables, start_daemon):
    daemon = wait_until_reached(start_daemon(
        tables, through=["target"], entities=THINGS,
        settings={"peer_timeout": "1s", "lock_timeout": "300ms", "max_retry_attempts": 1}))
    connection = tables.target.connect(autocommit=False)
    connection.execute("LOCK TABLE things IN SHARE MODE")
    try:
        session, pid = freeze_a_claimed_batch(tables, daemon, connection)
        try:
            wait_until(lambda: f"backend {pid} of a connection that was lost does not end" in daemon.log(), 60,
                       lambda: daemon.log())
            wait_until(lambda: f"backend {pid}" in (reason_of(daemon) or ""), 60, lambda: f"{daemon.call('Status')}")
            assert daemon.call("Status")["session"]["state"] in ("running", "paused")
        finally:
            os.kill(pid, signal.SIGCONT)
    finally:
        connection.close()
    wait_until_ended(daemon)
    assert tables.target.value("SELECT count(*) FROM things") == 100
    assert tables.target_sql("SELECT sum(inserted) FROM migrated.batch WHERE session = %s", [session]) == [(100,)]


def freeze_a_claimed_batch(tables, daemon, connection):
    """Its backend is stopped while it waits for the table, the batch's row locked."""
    session = start_migration(daemon)
    (pid,) = wait_until_blocked(tables.target)
    os.kill(pid, signal.SIGSTOP)
    connection.rollback()
    daemon.proxies["target"].reset()
    return session, pid


def reason_of(daemon):
    return daemon.call("Status")["entities"][0]["reason"]


def test_the_store_is_not_read_while_a_lost_link_may_yet_change_it(tables, start_daemon):
    """Its backend is frozen in the middle of a statement."""
    daemon = start_daemon(tables, through=["target"], entities=THINGS)
    migrate(daemon)
    tables.source_sql("UPDATE things SET value = 'changed'")
    with held(tables.target, "migrated.session"):
        in_background(daemon.call, "Migrate")
        (pid,) = wait_until_blocked(tables.target)
        os.kill(pid, signal.SIGSTOP)
    try:
        daemon.proxies["target"].reset()
        wait_until(lambda: f"backend {pid} of a connection that was lost does not end" in (
            daemon.call("Status")["reason"] or ""), 60, lambda: daemon.log())
        assert daemon.call("Status")["state"] == "unavailable"
    finally:
        os.kill(pid, signal.SIGCONT)
    wait_until(lambda: daemon.call("Status")["state"] != "unavailable", 60)
    wait_until(lambda: daemon.call("Status")["state"] == "idle", 60)
    migrate(daemon)
    assert tables.target_sql("SELECT value, count(*) FROM things GROUP BY 1") == [("changed", 100)]
    assert tables.target_sql("SELECT sum(updated) FROM migrated.batch") == [(100,)]


def in_background(function, *arguments):
    """For a request that is refused when the connection is given up."""
    def call():
        try:
            function(*arguments)
        except (VarlinkError, OSError):
            pass
    threading.Thread(target=call, daemon=True).start()


def test_one_that_may_not_be_ended_is_waited_for(tables, start_daemon):
    tables.target_sql("REVOKE EXECUTE ON FUNCTION pg_catalog.pg_terminate_backend(int, bigint) FROM PUBLIC")
    with role(tables, "limited"):
        daemon = start_daemon(tables, through=["target"], entities=THINGS, start=False,
                              settings={"peer_timeout": "1s", "lock_timeout": "5s"})
        target = daemon.config["target"]
        target["conninfo"] = target["conninfo"].replace("user=postgres", "user=limited")
        daemon.write_config()
        wait_until_reached(daemon.start())
        with held(tables.target, "things"):
            start_migration(daemon)
            pid = lose_the_link_of_a_batch(daemon, tables.target)
            daemon.proxies["target"].heal()
            wait_until(lambda: "backends of lost connections cannot be ended" in daemon.log(), 60, lambda: daemon.log())
            assert lives(tables.target, pid) or "lock timeout" in tables.target.server.log()
        wait_until_ended(daemon)
        assert tables.target.value("SELECT count(*) FROM things") == 100
        daemon.stop()


class role:
    """A role without privileges that owns the target, with the password of everybody."""

    def __init__(self, databases, name):
        self.databases, self.name = databases, name

    def __enter__(self):
        password = re.search(r"password=(\S+)", self.databases.target.tcp_conninfo)[1]
        self.databases.target_sql(f"""
            CREATE ROLE {self.name} LOGIN PASSWORD '{password}';
            ALTER TABLE things OWNER TO {self.name};
            GRANT CREATE ON DATABASE {self.databases.target.name} TO {self.name}""")
        return self

    def __exit__(self, *_):
        self.databases.target_sql(f"DROP OWNED BY {self.name} CASCADE; DROP ROLE {self.name}")


# --- refused --------------------------------------------------------------------------------------

@pytest.fixture
def by_passfile(tables, start_daemon, tmp_path):
    """A daemon whose target's password stands in a file; rotate(password, in_file) changes either."""
    passfile = tmp_path / "passfile"
    true = re.search(r"password=(\S+)", tables.target.tcp_conninfo)[1]

    def write(password):
        passfile.write_text(f"*:*:*:*:{password}\n")
        passfile.chmod(0o600)

    write(true)
    conninfo = re.sub(r"password=\S+", f"passfile={passfile}", tables.target.tcp_conninfo)

    def start(**settings):
        daemon = start_daemon(source=tables.source.conninfo, target=conninfo, entities=THINGS, settings=settings)
        return wait_until_reached(daemon)
    start.write, start.true = write, true
    return start


def terminate_all(database):
    database.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                 " WHERE application_name = 'migrated' AND datname = current_database()")


def test_a_rotated_password_is_read_anew(tables, by_passfile):
    """Denied, it asks only every probe_every; the file is read at each attempt."""
    daemon = by_passfile(probe_every="2s")
    by_passfile.write("wrong")
    terminate_all(tables.target)
    wait_until(lambda: daemon.call("Status")["state"] == "unavailable", 20)
    wait_until(lambda: "password authentication failed" in (daemon.call("Status")["reason"] or ""), 20)
    by_passfile.write(by_passfile.true)
    wait_until(lambda: daemon.call("Status")["state"] == "idle", 60)
    start_migration(daemon)
    wait_until_ended(daemon)


def test_a_password_that_is_wrong_is_not_tried_all_the_time(tables, by_passfile):
    daemon = by_passfile(probe_every="10min")
    by_passfile.write("wrong")
    begun = len(tables.target.server.log())
    terminate_all(tables.target)
    wait_until(lambda: "password authentication failed" in (daemon.call("Status")["reason"] or ""), 20)
    tables.target.sql("SELECT pg_sleep(4)")  # as long as several of the pauses that a lost connection has
    assert tables.target.server.log()[begun:].count("password authentication failed") == 1
