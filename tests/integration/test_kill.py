"""Killed, stopped, cut off: whatever happens, the session goes on and each row is carried over once."""

import random
import time

import psycopg
import pytest

from sessions import (SESSION_TIMEOUT_S, assert_each_row_once, held, migrate, primary_keys, start_migration, state_of,
                      wait_until_blocked, wait_until_ended, wait_until_reached, wait_until_resumed_and_ended, waiting_backends)
from waiting import SLOWNESS, wait_until

SCALE = 0.2
SOME_BATCHES = 200  # rows a batch: several for each of the larger entities
MANY_BATCHES = 25  # so that there are hundreds of transactions
FEW_LANES = 3


@pytest.fixture
def chance(request, seed):
    """Random choices of this test, the same for the same SEED."""
    return random.Random(f"{seed} {request.node.name}")


class Case:
    """A clinic with a session to be disturbed: of its initial load, or of two days of changes."""

    def __init__(self, kind, make_clinic, start_daemon):
        self.clinic = make_clinic(scale=SCALE, loaded=kind == "differential")
        if kind == "differential":
            self.clinic.day(seed=1)
            self.clinic.day(seed=2)
        self.before = primary_keys(self.clinic.target)
        self.daemon = start_daemon(self.clinic)
        self.target = self.clinic.target

    def start(self, **parameters):
        self.session = start_migration(self.daemon, **{"batch_size": SOME_BATCHES, "parallel": FEW_LANES, **parameters})
        return self.session

    def batches_done(self):
        return self.target.value("SELECT count(*) FROM migrated.batch WHERE session = %s AND done", [self.session])

    def is_over(self):
        return self.target.value("SELECT finished_at IS NOT NULL FROM migrated.session WHERE session = %s", [self.session])

    def kill_and_start_again(self):
        self.daemon.kill()
        self.daemon.start()

    def comes_to_its_end(self):
        """The store says so: killed at the very end, a daemon may have sent all that it takes, and the next finds nothing to resume."""
        wait_until(self.is_over, SESSION_TIMEOUT_S, lambda: f"session {self.session} ends:\n{self.daemon.log()}")
        assert self.target.sql("SELECT state FROM migrated.session WHERE session = %s", [self.session]) == [("completed",)]
        self.is_right()

    def is_right(self):
        self.clinic.oracle()
        assert_each_row_once(self.clinic, self.session, self.before)


long = pytest.mark.long


@pytest.fixture(params=["initial", "differential"])
def case(request, make_clinic, start_daemon):
    return Case(request.param, make_clinic, start_daemon)


@pytest.fixture
def initial(make_clinic, start_daemon):
    return Case("initial", make_clinic, start_daemon)


@pytest.fixture
def differential(make_clinic, start_daemon):
    return Case("differential", make_clinic, start_daemon)


# --- killed ---------------------------------------------------------------------------------------

def kill_at_moments(case, moments):
    """Kills it when so many seconds of a life have passed, one life after the other."""
    for moment in moments:
        begun = time.monotonic()
        wait_until(lambda: time.monotonic() >= begun + moment or not case.daemon.running)
        if case.is_over():
            break
        case.kill_and_start_again()


@pytest.mark.parametrize("kills", [4, pytest.param(20, marks=long)])
def test_killed_at_any_moment_it_resumes_without_loss_or_duplicates(case, chance, kills):
    """The lives are short enough that the run takes several of them, the last is not disturbed."""
    case.start(batch_size=MANY_BATCHES)
    kill_at_moments(case, [chance.uniform(0, 0.6 * SLOWNESS) for _ in range(kills)])
    case.comes_to_its_end()


@pytest.mark.parametrize("kills", [3, pytest.param(12, marks=long)])
def test_killed_after_every_few_batches_it_resumes_without_loss_or_duplicates(case, chance, kills):
    case.start(batch_size=MANY_BATCHES)
    for _ in range(kills):
        goal = case.batches_done() + chance.randint(1, 25)
        wait_until(lambda: case.batches_done() >= goal or case.is_over(), 60)
        if case.is_over():
            break
        case.kill_and_start_again()
    case.comes_to_its_end()


@long
@pytest.mark.parametrize("number", range(65))
def test_killed_once_at_a_random_moment(case, chance, number):
    case.start(batch_size=MANY_BATCHES)
    kill_at_moments(case, [chance.uniform(0, 2.5 * SLOWNESS)])
    case.comes_to_its_end()


def test_killed_during_detection_it_detects_again(differential):
    case = differential
    with held(case.target, "migrated.change"):
        case.start()
        wait_until_blocked(case.target)
        assert case.daemon.call("Status")["state"] == "detecting"
        case.daemon.kill()
    case.daemon.start()
    case.comes_to_its_end()


def test_killed_after_detection_it_carries_out_the_same_analysis(differential):
    case = differential
    with held(case.target, "migrated.session_entity"):
        case.start()
        wait_until_blocked(case.target)
        case.daemon.kill()
    case.daemon.start()
    case.comes_to_its_end()


def test_killed_before_an_analysis_is_begun_it_still_carries_out_that_one(make_clinic, start_daemon):
    clinic = make_clinic(scale=SCALE, loaded=True)
    daemon = wait_until_reached(start_daemon(clinic))
    clinic.source_sql("UPDATE dispatch_patient SET phone = 'detected' WHERE id = 20")
    analysis = daemon.call("Detect")["analysis"]["analysis"]
    clinic.source_sql("UPDATE dispatch_patient SET phone = 'too late' WHERE id = 21")
    with held(clinic.target, "migrated.session_entity"):
        session = start_migration(daemon, analysis=analysis)
        wait_until_blocked(clinic.target)
        daemon.kill()
    daemon.start()
    wait_until_resumed_and_ended(daemon, session)
    assert clinic.target.value("SELECT analysis::text FROM migrated.session WHERE session = %s", [session]) == analysis
    assert clinic.target_sql("SELECT contact ->> 'phone' FROM patients WHERE legacy_patient_id IN (20, 21)"
                             " AND contact ->> 'phone' = 'too late'") == []


@pytest.mark.parametrize("case, table", [
    ("initial", "offices"),
    ("initial", "system_messages"),
    ("differential", "messages"),
    ("differential", "doctors"),
    pytest.param("initial", "doctors", marks=long),
    pytest.param("initial", "messages", marks=long),
    pytest.param("differential", "offices", marks=long),
    pytest.param("differential", "system_messages", marks=long),
], indirect=["case"])
def test_killed_within_a_batch_that_commits_all_the_same(case, table):
    """The server finishes the statement of a client that is gone: a COMMIT whose answer is lost."""
    if table == "doctors" and case.before["doctors"]:
        case.clinic.source_sql("UPDATE dispatch_doctor SET phone = '+43 1 000' || id")
    with held(case.target, table):
        case.start()
        wait_until_blocked(case.target)
        case.daemon.kill()
        case.daemon.start()
        # The new one waits for what becomes of the batch, behind the old one's backend.
        wait_until(lambda: waits_for_a_batch(case.target), 30, "the new daemon waits for the batch")
    case.comes_to_its_end()
    assert "MG001" not in case.daemon.log()


def waits_for_a_batch(database):
    """Who takes over waits for the batches that the former owner has under way."""
    return database.value("""
        SELECT count(*)
          FROM pg_stat_activity
         WHERE datname = current_database()
           AND wait_event_type = 'Lock'
           AND query LIKE '%UPDATE migrated.owner%'
           AND pg_blocking_pids(pid) <> '{}'
           AND wait_event = 'transactionid'""") > 0


def test_killed_while_references_are_filled_it_fills_them(initial):
    case = initial
    with held(case.target, "case_messages"):
        case.start(batch_size=1000)
        wait_until_blocked(case.target)  # so all messages are there, and none has its parent yet
        assert case.target.value("SELECT count(*) FROM messages WHERE parent_message_id IS NOT NULL") == 0
        with held(case.target, "messages"):
            wait_until(lambda: len(waiting_backends(case.target)) == 1, 10)
            case.target.sql("SELECT pg_terminate_backend(%s)", waiting_backends(case.target))
            case.daemon.kill()
    case.daemon.start()
    case.comes_to_its_end()
    assert case.target.value("SELECT count(*) FROM migrated.deferred AS d JOIN migrated.id_map AS m"
                             " ON m.entity = d.parent_entity AND m.legacy_key = d.parent_key") == 0


def test_killed_while_paused_it_is_still_paused(case):
    with held(case.target, "orders"):
        case.start()
        wait_until_blocked(case.target)
        assert case.daemon.call("Pause") == {"session": case.session, "state": "paused"}
        wait_until(lambda: stored_state(case) == "paused", 10)
        case.daemon.kill()
    case.daemon.start()
    wait_until(lambda: state_of(case.daemon) == "paused", 20, "the session is found, paused")
    status = case.daemon.call("Status")
    assert (status["session"]["session"], status["session"]["reason"]) == (case.session, "paused by an operator")
    done = case.batches_done()
    case.daemon.restart()
    wait_until(lambda: state_of(case.daemon) == "paused", 20)
    assert case.batches_done() == done
    case.daemon.call("Resume")
    wait_until_ended(case.daemon)
    case.is_right()


def stored_state(case):
    return case.target.value("SELECT state FROM migrated.session WHERE session = %s", [case.session])


def test_paused_during_detection_and_killed_later_it_does_the_detected_work(differential):
    case = differential
    with held(case.target, "migrated.change"):
        case.start(batch_size=MANY_BATCHES)
        wait_until_blocked(case.target)
        case.daemon.call("Pause")
    wait_until(lambda: case.target.value(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'migrated'"
        " AND state <> 'idle'") == 0, 20)
    assert case.target.value("SELECT count(*) FROM migrated.session_entity WHERE session = %s", [case.session]) == 0
    case.daemon.call("Resume")
    wait_until(lambda: case.batches_done() >= 3 or case.is_over(), 30)
    case.kill_and_start_again()
    case.comes_to_its_end()
    assert case.target.value("SELECT count(*) FROM migrated.session WHERE analysis IS NULL OR started_at IS NULL") == 0
    assert case.target.value("SELECT count(*) FROM migrated.analysis") == 2


def test_killed_with_a_paused_entity_it_is_still_paused(initial):
    case = initial
    with held(case.target, "offices"):
        case.start()
        wait_until_blocked(case.target)
        case.daemon.call("Pause", entity="orders")
        wait_until(lambda: case.target.value(
            "SELECT state FROM migrated.session_entity WHERE session = %s AND entity = 'orders'",
            [case.session]) == "paused", 10)
        case.daemon.kill()
    case.daemon.start()
    wait_until(lambda: state_of(case.daemon) == "running" and case.daemon.call("Status")["entities"], 20)
    wait_until(lambda: entity_of(case.daemon, "treatment_plans")["status"] == "pending"
               and entity_of(case.daemon, "patients")["done"] > 100, 30)
    assert entity_of(case.daemon, "orders")["status"] == "paused"
    assert case.target.value("SELECT count(*) FROM orders") == 0
    case.daemon.call("Resume", entity="orders")
    wait_until_ended(case.daemon)
    case.is_right()


def entity_of(daemon, name):
    return next(entity for entity in daemon.call("Status")["entities"] if entity["entity"] == name)


def test_a_session_is_found_although_its_tables_are_locked_at_first(differential, start_daemon):
    """An old backend that has not noticed yet may hold on to them for longer than lock_timeout."""
    case = differential
    case.daemon.stop()
    case.daemon = start_daemon(case.clinic, settings={"lock_timeout": "300ms"})
    with held(case.target, "orders"):
        case.start()
        wait_until_blocked(case.target)
        case.daemon.kill()
    connection = case.target.connect(autocommit=False)
    connection.execute("LOCK TABLE migrated.seen_offices IN ACCESS SHARE MODE")
    case.daemon.start()
    wait_until(lambda: "lock timeout" in case.daemon.log(), 20, "the lock has stood in the way")
    connection.close()
    case.comes_to_its_end()


# --- a COMMIT whose answer is lost ----------------------------------------------------------------

def test_a_batch_is_claimed_once(make_clinic):
    """The second to claim it waits for the first, and then learns whether it is done."""
    target = make_clinic(scale=SCALE, loaded=True).target
    target.sql("UPDATE migrated.session SET state = 'running'")
    session, entity, number = target.sql("SELECT session, entity, number FROM migrated.batch ORDER BY 2, 3 LIMIT 1")[0]
    target.sql("UPDATE migrated.batch SET done = false WHERE (session, entity, number) = (%s, %s, %s)",
               [session, entity, number])
    epoch = target.value("SELECT epoch FROM migrated.owner")
    claim = ("SELECT migrated.claim_batch(%s, %s, %s, %s)", [session, entity, number, epoch])
    first, second = target.connect(autocommit=False), target.connect(autocommit=False)
    try:
        first.execute(*claim)
        second.execute("SET LOCAL lock_timeout = '50ms'")
        with pytest.raises(psycopg.errors.LockNotAvailable):
            second.execute(*claim)
        second.rollback()
        first.rollback()
        second.execute(*claim)  # the first one failed: it is still to be done
        second.execute("UPDATE migrated.batch SET done = true WHERE (session, entity, number) = (%s, %s, %s)",
                       [session, entity, number])
        second.commit()
        with pytest.raises(psycopg.Error) as error:
            first.execute(*claim)
        assert error.value.sqlstate == "MG001"
        first.rollback()
        target.sql("UPDATE migrated.batch SET done = false")
        target.sql("UPDATE migrated.session SET state = 'cancelled'")
        with pytest.raises(psycopg.Error) as error:
            first.execute(*claim)
        assert error.value.sqlstate == "MG002"
    finally:
        first.close()
        second.close()


# --- stopped --------------------------------------------------------------------------------------

def test_stopped_in_the_middle_it_ends_in_time_and_resumes(case):
    case.start(batch_size=MANY_BATCHES)
    wait_until(lambda: case.batches_done() >= 5, 30)
    begun = time.monotonic()
    case.daemon.stop()
    assert time.monotonic() - begun < 5 * SLOWNESS
    assert not case.is_over()
    unfinished = case.batches_done()
    case.daemon.start()
    case.comes_to_its_end()
    assert case.batches_done() > unfinished


def test_a_batch_under_way_is_finished_before_it_stops(initial):
    case = initial
    with held(case.target, "orders"):
        case.start()
        wait_until_blocked(case.target)
        case.daemon.process.terminate()
        wait_until(lambda: "stopping" in case.daemon.log(), 10)
        assert case.daemon.running
    assert case.daemon.wait_for_exit() == 0
    assert case.target.value("SELECT count(*) FROM orders") > 0
    case.daemon.start()
    case.comes_to_its_end()


# --- the databases go -----------------------------------------------------------------------------

@pytest.mark.parametrize("case, side, mode", [
    ("initial", "target", "immediate"),
    ("initial", "source", "immediate"),
    ("differential", "target", "fast"),
    pytest.param("initial", "target", "fast", marks=long),
    pytest.param("initial", "source", "fast", marks=long),
    pytest.param("differential", "target", "immediate", marks=long),
    pytest.param("differential", "source", "fast", marks=long),
    pytest.param("differential", "source", "immediate", marks=long),
], indirect=["case"])
def test_a_server_that_is_restarted_in_the_middle_is_found_again(case, side, mode):
    server = getattr(case.clinic, side).server
    case.start(batch_size=MANY_BATCHES)
    wait_until(lambda: case.batches_done() >= 3, 30)
    server.down(mode)
    try:
        wait_until(lambda: case.daemon.call("Status")["state"] == "unavailable", 20)
        status = case.daemon.call("Status")
        connection = next(c for c in status["connections"] if c["name"] == side)
        assert connection["state"] not in ("ready", "busy")
        assert status["reason"] and connection["error"]
    finally:
        server.up()
    wait_until_ended(case.daemon)
    case.is_right()


def test_a_crash_of_the_target_takes_no_batch_back_that_was_told_as_done(initial):
    """Small transactions one after the other, the last of them just before the crash."""
    case = initial
    case.start(entities=["profiles"], batch_size=1, parallel=2)
    wait_until(lambda: case.batches_done() >= 20, 30)
    case.clinic.target.server.down("immediate")
    case.clinic.target.server.up()
    wait_until_ended(case.daemon)
    assert_each_row_once(case.clinic, case.session, case.before)
    assert case.target.value("SELECT count(*) FROM profiles") + case.target.value(
        "SELECT count(*) FROM migrated.dead_letter") == case.clinic.source.value("SELECT count(*) FROM auth_user")


@pytest.mark.parametrize("times", [12, pytest.param(150, marks=long)])
def test_backends_that_are_terminated_at_random_cost_nothing(case, chance, times):
    sides = [case.clinic.source, case.clinic.target]
    case.start(batch_size=MANY_BATCHES)
    for _ in range(times):
        database = chance.choice(sides)
        backends = [pid for (pid,) in database.sql(
            "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'migrated'"
            " ORDER BY pid")]
        if backends:
            database.sql("SELECT pg_terminate_backend(%s)", [chance.choice(backends)])
        goal = case.batches_done() + chance.randint(0, 5)
        wait_until(lambda: case.batches_done() >= goal or case.is_over(), 60)
        if case.is_over():
            break
    wait_until_ended(case.daemon)
    case.is_right()


def test_every_backend_is_terminated_within_its_batch(case):
    """All of them roll back; what the lanes were about is done again."""
    with held(case.target, "orders", "profiles", "offices"):
        case.start()
        wait_until_blocked(case.target)
        for pid in waiting_backends(case.target):
            case.target.sql("SELECT pg_terminate_backend(%s)", [pid])
    wait_until_ended(case.daemon)
    case.is_right()


@pytest.mark.parametrize("side", ["source", "target"])
def test_the_connections_that_detect_are_lost(differential, side):
    case = differential
    with held(case.target, "migrated.change"):
        case.start()
        wait_until_blocked(case.target)
        getattr(case.clinic, side).sql("""
            SELECT pg_terminate_backend(pid)
              FROM pg_stat_activity
             WHERE datname = current_database() AND application_name = 'migrated'""")
    wait_until_ended(case.daemon)
    case.clinic.oracle()
    assert entities_in(case) == 25


@pytest.mark.parametrize("moment", [2, *(pytest.param(moment, marks=long) for moment in range(5, 25, 4))])
def test_no_entity_is_forgotten_when_the_store_is_lost_during_detection(differential, moment):
    """The store's own connection goes when some entities have been looked at, and others have not."""
    case = differential
    looked_at = "SELECT count(*) FROM migrated.analysis_entity AS e JOIN migrated.analysis AS a USING (analysis)" \
                " WHERE a.finished_at IS NULL"
    case.start(parallel=1)
    wait_until(lambda: case.target.value(looked_at) >= moment or stored_state(case) != "pending", 30)
    case.target.sql("""
        SELECT pg_terminate_backend(pid)
          FROM pg_stat_activity
         WHERE datname = current_database() AND application_name = 'migrated'
         ORDER BY backend_start
         LIMIT 1""")
    wait_until_ended(case.daemon)
    assert entities_in(case) == 25
    case.clinic.oracle()


def entities_in(case):
    return case.target.value("SELECT count(*) FROM migrated.session_entity WHERE session = %s", [case.session])


@pytest.mark.parametrize("side", ["source", "target"])
def test_a_database_that_is_down_at_the_start_is_waited_for(make_clinic, start_daemon, side):
    clinic = make_clinic(scale=SCALE)
    server = getattr(clinic, side).server
    server.down()
    try:
        daemon = start_daemon(clinic)
        wait_until(lambda: daemon.call("Status")["state"] == "unavailable", 20)
        status = daemon.call("Status")
        down = {c["name"]: c for c in status["connections"]}[side]
        assert down["error"] and status["reason"]
        refused = daemon.ctl("migrate", check=False)
        assert refused.returncode == 1
        assert side in refused.stderr
        assert daemon.ctl("status").stdout
    finally:
        server.up()
    wait_until(lambda: daemon.call("Status")["state"] == "idle", 40)
    assert [c["error"] for c in daemon.call("Status")["connections"]] == [None, None]
    migrate(daemon)
    clinic.oracle()


# --- the store is slow ----------------------------------------------------------------------------

def test_no_batch_is_begun_before_it_stands_in_the_store(make_clinic, start_daemon):
    """Ranges are planned while others are carried out; a lane that is faster than the store has to wait."""
    clinic = make_clinic(scale=SCALE)
    daemon = start_daemon(clinic)
    migrate(daemon, entities=["offices"])  # the control schema is there
    clinic.target_sql("""
        CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
          PERFORM pg_sleep(0.3);
          RETURN NULL;
        END $$;
        CREATE TRIGGER slow BEFORE INSERT ON migrated.batch FOR EACH STATEMENT EXECUTE FUNCTION slow()""")
    migrate(daemon, entities=["profiles"], batch_size=1, parallel=8)
    assert clinic.target.value("SELECT count(*) FROM migrated.id_map_profiles") + clinic.target.value(
        "SELECT count(*) FROM migrated.dead_letter WHERE entity = 'profiles'") == clinic.source.value(
        "SELECT count(*) FROM auth_user")
