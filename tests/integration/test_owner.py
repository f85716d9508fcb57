"""Who may write: of several daemons on one target one owns the control schema, and the others stand by until it is free."""

import re
import signal
import socket

import psycopg
import pytest

from sessions import (held, migrate, start_migration, wait_until_blocked, wait_until_ended, wait_until_reached,
                      wait_until_resumed_and_ended)
from waiting import wait_until

SCALE = 0.2
SETTINGS = {"batch_size": 200, "max_concurrent_entities": 3}


@pytest.fixture
def clinic(make_clinic):
    clinic = make_clinic(scale=SCALE)
    clinic.log_begins = len(clinic.target.server.log())
    return clinic


@pytest.fixture
def owner(clinic, start_daemon):
    return wait_until_reached(start_daemon(clinic, settings=SETTINGS))


@pytest.fixture
def second(clinic, owner, start_daemon):
    """Another daemon on the same databases, standing by."""
    return wait_until_standby(start_daemon(clinic, settings=SETTINGS))


def wait_until_standby(daemon):
    wait_until(lambda: daemon.call("Status")["state"] == "standby", 20, lambda: f"it stands by:\n{daemon.log()}")
    return daemon


def epoch(clinic):
    return clinic.target.value("SELECT epoch FROM migrated.owner")


def owns(clinic, daemon):
    return clinic.target_sql("SELECT pid FROM migrated.owner") == [(daemon.pid,)]


def backends(clinic):
    """The process ids of all daemons' backends in the target."""
    return {pid for (pid,) in clinic.target_sql("""
        SELECT pid
          FROM pg_stat_activity
         WHERE datname = current_database()
           AND application_name = 'migrated'""")}


LOCK = """locktype = 'advisory' AND (classid, objid) = (1835624306, 1635018084) AND granted
          AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"""


def owning_backend(clinic):
    return clinic.target.value(f"SELECT pid FROM pg_locks WHERE {LOCK}")


def terminate(clinic, pids):
    clinic.target_sql("SELECT pg_terminate_backend(pid) FROM unnest(%s::int[]) AS pid", [list(pids)])


# --- standing by ---------------------------------------------------------------------------------

def test_the_second_daemon_names_the_first_and_observes(clinic, owner, second):
    migrate(owner, entities=["offices"])
    reason = wait_until(lambda: (second.call("Status")["reason"] or "").startswith("another migrated owns")
                        and f"process {owner.pid} on {socket.gethostname()}" in second.call("Status")["reason"]
                        and second.call("Status")["reason"], 20)
    assert re.search(r"since \d{4}-\d\d-\d\d \d\d:\d\d:\d\d", reason)
    assert second.call("Status")["standby"] == reason
    assert owner.call("Status")["standby"] is None
    assert second.call("List")["sessions"][0]["state"] == "completed"
    assert second.call("Analyze", entities=["offices"])["entities"][0]["status"] == "synced"
    assert second.call("Plan")["entities"]
    assert second.call("Check")["findings"]
    for words in (["migrate"], ["detect"], ["pause"], ["resume"], ["cancel"]):
        refused = second.ctl(*words, check=False)
        assert refused.returncode == 1, words
        assert f"process {owner.pid} on {socket.gethostname()}" in refused.stderr, words
    assert clinic.target.value("SELECT count(*) FROM migrated.session") == 1


def test_two_that_start_at_once_on_an_empty_target_make_one_control_schema(clinic, start_daemon):
    daemons = [start_daemon(clinic, start=False, settings=SETTINGS) for _ in range(2)]
    for daemon in daemons:
        daemon.start(wait=False)
    wait_until(lambda: sorted(state_seen(daemon) for daemon in daemons) == ["idle", "standby"], 30)
    asked = [daemon.ctl("migrate", check=False).returncode for daemon in daemons]
    assert sorted(asked) == [0, 1]
    working = daemons[asked.index(0)]
    wait_until_ended(working)
    assert epoch(clinic) == 1 and owns(clinic, working)
    clinic.oracle()


def state_seen(daemon):
    try:
        return daemon.call("Status")["state"]
    except (FileNotFoundError, ConnectionError):
        return ""


# --- taking over ---------------------------------------------------------------------------------

def test_the_owner_is_killed_and_the_second_finishes_its_session(clinic, owner, second):
    with held(clinic.target, "orders"):
        session = start_migration(owner)
        wait_until_blocked(clinic.target)
        before = epoch(clinic)
        owner.kill()
    wait_until_resumed_and_ended(second, session)
    assert (epoch(clinic), owns(clinic, second)) == (before + 1, True)
    clinic.oracle()
    third = wait_until_standby(owner.start())
    assert third.call("Status")["session"] is None


def test_an_owner_that_is_stopped_lets_go_at_once(clinic, owner, second):
    session = start_migration(owner)
    wait_until(lambda: done(clinic) >= 3, 30)
    owner.stop()
    wait_until_resumed_and_ended(second, session)
    clinic.oracle()


def done(clinic):
    return clinic.target.value("SELECT count(*) FROM migrated.batch WHERE done")


def test_an_owner_that_was_frozen_in_a_batch_writes_nothing_any_more(clinic, owner, second):
    """Its connections are gone by the time it goes on, and the session is over."""
    others = backends(clinic) - {owning_backend(clinic)}
    with held(clinic.target, "orders"):
        session = start_migration(owner)
        wait_until_blocked(clinic.target)
        owner.process.send_signal(signal.SIGSTOP)
        terminate(clinic, backends(clinic) - others)
        wait_until(lambda: owns(clinic, second), 20, lambda: f"the second takes over:\n{second.log()}")
    try:
        wait_until_resumed_and_ended(second, session)
        before = kept(clinic)
    finally:
        owner.process.send_signal(signal.SIGCONT)
    wait_until_standby(owner)
    assert owner.call("Status")["session"] is None
    assert kept(clinic) == before
    clinic.oracle()
    second.stop()
    wait_until(lambda: owns(clinic, owner), 20, "the first takes over in its turn")
    migrate(wait_until_reached(owner))
    clinic.oracle()


def test_what_waited_for_a_connection_is_not_written_by_a_former_owner(clinic, start_daemon):
    """It is paused while it cannot reach the target, and reaches it when another has brought the session to its end."""
    owner = wait_until_reached(start_daemon(clinic, settings={**SETTINGS, "connect_timeout": "1min"}, through=["target"]))
    second = wait_until_standby(start_daemon(clinic, settings=SETTINGS))
    with held(clinic.target, "orders"):
        session = start_migration(owner)
        wait_until_blocked(clinic.target)
        owner.proxies["target"].to_client.stalled = True  # connections are made, and lead nowhere
        owner.proxies["target"].reset()
        wait_until(lambda: owner.call("Status")["state"] == "unavailable", 20)
        assert owner.call("Pause") == {"session": session, "state": "paused"}
    wait_until_resumed_and_ended(second, session)
    before = kept(clinic)
    owner.proxies["target"].heal()
    wait_until_standby(owner)
    assert "read-only transaction" in clinic.target.server.log()[clinic.log_begins:]
    assert kept(clinic) == before
    clinic.oracle()


def kept(clinic):
    """What the control schema says of sessions; equal when nobody has touched it."""
    return [clinic.target_sql(f"SELECT xmin::text, * FROM migrated.{table} AS t ORDER BY t")
            for table in ("session", "session_entity", "batch", "entity")]


def test_batches_that_a_frozen_owner_left_open_are_ended(clinic, owner, second):
    """Only its owning connection is lost; those of its lanes stand in the middle of a transaction."""
    with held(clinic.target, "orders"):
        session = start_migration(owner, batch_size=20)
        wait_until_blocked(clinic.target)
        source = clinic.source.connect(autocommit=False)
        source.execute("LOCK TABLE dispatch_instruction IN ACCESS EXCLUSIVE MODE")
    try:
        wait_until_blocked(clinic.source)
        owner.process.send_signal(signal.SIGSTOP)
        terminate(clinic, {owning_backend(clinic)})
        wait_until(lambda: "taking over" in (second.call("Status")["reason"] or ""), 20)
        lanes = in_the_middle_of_a_copy(clinic)
        assert lanes
        wait_until(lambda: owns(clinic, second), 30, lambda: f"the second takes over:\n{second.log()}")
        # They let go of their locks a moment before they are gone.
        wait_until(lambda: not lanes & backends(clinic), 10)
        source.close()
        wait_until_resumed_and_ended(second, session)
    finally:
        source.close()
        owner.process.send_signal(signal.SIGCONT)
    wait_until_standby(owner)
    clinic.oracle()


def in_the_middle_of_a_copy(clinic):
    return {pid for (pid,) in clinic.target_sql("""
        SELECT pid
          FROM pg_stat_activity
         WHERE datname = current_database()
           AND application_name = 'migrated'
           AND query LIKE '%claim_batch%'
           AND (state, wait_event) = ('active', 'ClientRead')""")}


# --- an epoch that has passed --------------------------------------------------------------------

def test_a_batch_of_a_former_epoch_is_refused(make_clinic):
    target = make_clinic(scale=SCALE, loaded=True).target
    target.sql("UPDATE migrated.session SET state = 'running'")
    target.sql("UPDATE migrated.batch SET done = false")
    claim = "SELECT migrated.claim_batch(session, entity, number, %s) FROM migrated.batch LIMIT 1"
    former = target.value("SELECT epoch FROM migrated.owner")
    target.sql(claim, [former])
    for statement in ("UPDATE migrated.owner SET epoch = epoch + 1", "DELETE FROM migrated.owner"):
        target.sql(statement)
        with pytest.raises(psycopg.Error) as error:
            target.sql(claim, [former])
        assert error.value.sqlstate == "MG004"


def test_taking_over_waits_for_a_batch(make_clinic):
    target = make_clinic(scale=SCALE, loaded=True).target
    batch, taker = target.connect(autocommit=False), target.connect()
    try:
        batch.execute("SELECT migrated.hold_epoch(epoch) FROM migrated.owner")
        taker.execute("SET lock_timeout = '50ms'")
        with pytest.raises(psycopg.errors.LockNotAvailable):
            taker.execute("UPDATE migrated.owner SET epoch = epoch + 1")
        batch.rollback()
        taker.execute("UPDATE migrated.owner SET epoch = epoch + 1")
    finally:
        batch.close()
        taker.close()


def test_a_session_whose_epoch_has_passed_is_put_down_and_taken_up_anew(clinic, owner):
    """Somebody has owned the control schema meanwhile, and the daemon has not heard of it."""
    session = start_migration(owner, batch_size=20)
    wait_until(lambda: done(clinic) >= 3, 30)
    clinic.target.sql("UPDATE migrated.owner SET epoch = epoch + 1, instance = gen_random_uuid()")
    wait_until_resumed_and_ended(owner, session)
    assert "left to the daemon that has taken over" in owner.log()
    assert (epoch(clinic), owns(clinic, owner)) == (3, True)
    clinic.oracle()


def test_a_mere_reconnect_keeps_epoch_and_session(clinic, owner):
    session = start_migration(owner, batch_size=20)
    wait_until(lambda: done(clinic) >= 3, 30)
    terminate(clinic, {owning_backend(clinic)})
    wait_until_ended(owner)
    assert owner.call("Status")["session"]["session"] == session
    assert epoch(clinic) == 1
    assert "left to the daemon" not in owner.log()
    clinic.oracle()
