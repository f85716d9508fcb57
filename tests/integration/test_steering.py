"""Paused, resumed, cancelled, watched: what an operator asks for happens, is seen, and is said in the agreed form."""

import json
import os
import subprocess
import threading

import pytest

from daemon import program
from interface import Interface, interface
from mapping import Pair, entity
from sessions import (counts, dead_letters, held, migrate, start_migration, state_of, summary, wait_until_blocked,
                      wait_until_ended, wait_until_reached, watch)
from varlink import VarlinkError
from waiting import wait_until

SMALL = 0.11
BATCH = 10


@pytest.fixture
def clinic(make_clinic):
    return make_clinic(scale=SMALL)


@pytest.fixture
def daemon(clinic, start_daemon):
    return wait_until_reached(start_daemon(clinic))


def start(daemon, **parameters):
    return start_migration(daemon, **{"batch_size": BATCH, "parallel": 2, **parameters})


def batches_done(clinic):
    return clinic.target.value("SELECT count(*) FROM migrated.batch WHERE done")


def entity_of(daemon, name):
    return next(entity for entity in daemon.call("Status")["entities"] if entity["entity"] == name)


# --- sessions -------------------------------------------------------------------------------------

def test_a_pause_takes_effect_within_a_batch_and_is_seen_everywhere(clinic, daemon):
    with held(clinic.target, "profiles", "offices", "products", "templates"):
        session = start(daemon)
        wait_until_blocked(clinic.target)
        reply = daemon.ctl("pause", session[:8])
        assert "paused" in reply.stdout
    wait_until(lambda: active_batches(clinic) == 0, 20)
    done = batches_done(clinic)
    assert 0 < done <= 2  # at most what the two lanes had begun
    status = daemon.call("Status")
    assert (status["state"], status["session"]["state"], status["session"]["reason"]) == \
        ("paused", "paused", "paused by an operator")
    assert {e["status"] for e in status["entities"]} - {"completed"} == {"paused"}
    assert daemon.call("List")["sessions"][0]["state"] == "paused"
    assert next(daemon.stream("Watch"))["session"]["state"] == "paused"
    assert batches_done(clinic) == done
    assert "running" in daemon.ctl("resume").stdout
    wait_until_ended(daemon)
    assert daemon.call("Status")["session"]["reason"] is None
    clinic.oracle()


def active_batches(clinic):
    return clinic.target.value("""
        SELECT count(*)
          FROM pg_stat_activity
         WHERE datname = current_database() AND application_name = 'migrated' AND state <> 'idle'""")


def test_a_session_is_cancelled_and_what_it_did_stays(clinic, daemon):
    with held(clinic.target, "orders"):
        session = start(daemon)
        wait_until_blocked(clinic.target)
        assert "cancelling" in daemon.ctl("cancel").stdout
    wait_until(lambda: daemon.call("List")["sessions"][0]["state"] == "cancelled", 20)
    wait_until_ended(daemon, "cancelled")
    assert clinic.target.value("SELECT count(*) FROM patients") > 0
    assert clinic.target.value("SELECT count(*) FROM treatment_plans") == 0
    assert clinic.target_sql("SELECT state, reason, finished_at IS NOT NULL FROM migrated.session") == \
        [("cancelled", "cancelled by an operator", True)]
    assert "pending" not in {e["status"] for e in daemon.call("Status")["entities"]}
    daemon.restart()
    wait_until_reached(daemon)
    assert daemon.call("Status")["session"] is None
    assert daemon.call("List")["sessions"][0]["session"] == session
    migrate(daemon)
    clinic.oracle()


def test_a_paused_session_can_be_cancelled(clinic, daemon):
    with held(clinic.target, "orders"):
        start(daemon)
        wait_until_blocked(clinic.target)
        daemon.call("Pause")
        daemon.call("Cancel")
    wait_until_ended(daemon, "cancelled")
    migrate(daemon)
    clinic.oracle()


@pytest.mark.parametrize("word, state", [("Pause", "paused"), ("Cancel", "cancelling")])
def test_steered_while_it_detects(make_clinic, start_daemon, word, state):
    clinic = make_clinic(scale=SMALL, loaded=True)
    clinic.day(seed=3)
    daemon = wait_until_reached(start_daemon(clinic))
    with held(clinic.target, "migrated.change"):
        start(daemon)
        wait_until_blocked(clinic.target)
        assert daemon.call(word)["state"] == state
    if word == "Pause":
        wait_until(lambda: active_batches(clinic) == 0, 20)
        session = daemon.call("Status")["session"]
        assert (session["state"], session["hold"], session["started"]) == ("paused", "operator", None)
        assert clinic.target.value("SELECT count(*) FROM migrated.batch AS b JOIN migrated.session AS s USING (session)"
                                   " WHERE s.state = 'paused'") == 0
        daemon.call("Resume")
    wait_until_ended(daemon, "completed" if word == "Pause" else "cancelled")
    migrate(daemon)
    clinic.oracle()


# --- one entity -----------------------------------------------------------------------------------

def test_an_entity_is_paused_alone_and_its_children_wait(clinic, daemon):
    with held(clinic.target, "offices"):
        start(daemon)
        wait_until_blocked(clinic.target)
        assert daemon.ctl("pause", "--entity", "patients").returncode == 0
    wait_until(lambda: entity_of(daemon, "technicians")["status"] == "completed", 30)
    wait_until(lambda: active_batches(clinic) == 0, 20)
    assert entity_of(daemon, "patients")["status"] == "paused"
    assert entity_of(daemon, "patients")["reason"] == "paused by an operator"
    assert entity_of(daemon, "orders")["status"] == "pending"
    assert clinic.target.value("SELECT count(*) FROM patients") == 0
    assert clinic.target.value("SELECT state FROM migrated.session_entity WHERE entity = 'patients'") == "paused"
    daemon.ctl("resume", "--entity", "patients")
    wait_until_ended(daemon)
    clinic.oracle()


def test_an_entity_is_cancelled_alone_and_its_children_with_it(clinic, daemon):
    with held(clinic.target, "offices"):
        start(daemon)
        wait_until_blocked(clinic.target)
        daemon.ctl("cancel", "--entity", "patients")
    wait_until_ended(daemon)
    entities = summary([daemon.call("Status")]).entities
    assert (entities["patients"]["status"], entities["patients"]["reason"]) == ("cancelled", "cancelled by an operator")
    assert entities["orders"]["status"] == "cancelled"
    assert '"patients"' in entities["orders"]["reason"]
    assert entities["technicians"]["status"] == "completed"
    assert clinic.target.value("SELECT count(*) FROM patients") == 0
    migrate(daemon)
    clinic.oracle()


# --- what is refused --------------------------------------------------------------------------------

def refusal(daemon, method, **parameters):
    with pytest.raises(VarlinkError) as error:
        daemon.call(method, **parameters)
    return error.value


def test_what_cannot_be_done_is_refused_by_name(clinic, daemon):
    wait_until(lambda: refusal(daemon, "Pause").name == "NoSuchSession", 10)
    for method in ("Resume", "Cancel"):
        assert refusal(daemon, method).name == "NoSuchSession"
    assert refusal(daemon, "Migrate", entities=["nobody"]).name == "NoSuchEntity"
    assert refusal(daemon, "Migrate", exclude=["nobody"]).name == "NoSuchEntity"
    assert refusal(daemon, "Migrate", analysis="not a uuid").name == "NoSuchAnalysis"
    assert refusal(daemon, "Detect", entities=["nobody"]).name == "NoSuchEntity"
    assert refusal(daemon, "Plan", sql="nobody").name == "NoSuchEntity"
    with held(clinic.target, "offices"):
        session = start(daemon)
        wait_until_blocked(clinic.target)
        running = refusal(daemon, "Migrate")
        assert (running.name, running.parameters) == ("AlreadyRunning", {"session": session})
        assert refusal(daemon, "Detect").name in ("AlreadyRunning", "Failed")
        other = "0" if session[0] != "0" else "1"
        for method in ("Pause", "Cancel", "Watch"):
            missing = refusal(daemon, method, session=other * 8)
            assert (missing.name, missing.parameters) == ("NoSuchSession", {"session": other * 8})
        assert refusal(daemon, "Pause", entity="nobody").name == "NoSuchEntity"
    wait_until_ended(daemon)
    for method in ("Pause", "Resume", "Cancel"):
        ended = refusal(daemon, method)
        assert (ended.name, ended.parameters["state"]) == ("InvalidState", "completed")
        assert refusal(daemon, method, session=session[:8]).name == "InvalidState"
    clinic.oracle()


@pytest.mark.parametrize("method, parameters, culprit", [
    ("Migrate", {"batch_size": 0}, "batch_size"),
    ("Migrate", {"batch_size": "7"}, "batch_size"),
    ("Migrate", {"parallel": -1}, "parallel"),
    ("Migrate", {"entities": "offices"}, "entities"),
    ("Migrate", {"entities": [1]}, "entities"),
    ("Migrate", {"full": 1}, "full"),
    ("Migrate", {"nonsense": True}, "nonsense"),
    ("Pause", {"session": 7}, "session"),
    ("Watch", {"interval_ms": 1}, "interval_ms"),
    ("List", {"limit": 0}, "limit"),
    ("Status", {"verbose": True}, "verbose"),
    ("Detect", {"strategy": "oracle"}, "strategy"),
    ("Migrate", {"strategy": "hybrid"}, "strategy"),
])
def test_a_wrong_parameter_is_named(daemon, method, parameters, culprit):
    error = refusal(daemon, method, **parameters)
    assert (error.name, error.parameters) == ("org.varlink.service.InvalidParameter", {"parameter": culprit})


# --- watching ---------------------------------------------------------------------------------------

def assert_progress_is_sane(frames):
    done_before = {}
    for frame in frames:
        for progress in [frame["session"], *frame["entities"]]:
            name = progress.get("entity", "session")
            assert 0 <= progress["done"] <= progress["total"], progress
            assert progress["done"] >= done_before.get(name, 0), (name, done_before[name], progress)
            done_before[name] = progress["done"]
        assert 0 <= frame["session"]["percent"] <= 100
        for part in frame["entities"]:
            assert part["done"] == sum(part[word] for word in
                                       ("inserted", "updated", "deleted", "unchanged", "failed", "parked"))


def test_watching_shows_progress_that_only_grows_and_ends_with_the_session(make_clinic, start_daemon):
    clinic = make_clinic(scale=0.5)
    daemon = start_daemon(clinic)
    session = migrate(daemon, batch_size=20)
    assert len(session.frames) > 3
    assert len({frame["session"]["done"] for frame in session.frames}) > 3
    assert_progress_is_sane(session.frames)
    states = [frame["session"]["state"] for frame in session.frames]
    assert states[-1] == "completed" and "completed" not in states[:-1]
    stored = counts(clinic, session.session)
    assert {name: tuple(entity[word] for word in ("inserted", "updated", "deleted", "failed", "parked"))
            for name, entity in session.entities.items()} == stored
    (listed,) = daemon.call("List")["sessions"]
    assert [listed[word] for word in ("done", "total", "failed", "parked")] == \
        [getattr(session, word) for word in ("done", "total", "failed", "parked")]
    clinic.day(seed=1)
    assert_progress_is_sane(migrate(daemon, batch_size=20).frames)


def test_many_watch_at_once_and_see_the_same_end(clinic, daemon):
    ends = []
    with held(clinic.target, "orders"):
        session = start(daemon)
        wait_until_blocked(clinic.target)
        watchers = [threading.Thread(target=lambda: ends.append(watch(daemon, session)[-1])) for _ in range(8)]
        for watcher in watchers:
            watcher.start()
    for watcher in watchers:
        watcher.join(60)
    assert len(ends) == 8
    assert {json.dumps(end["session"]["state"]) for end in ends} == {'"completed"'}
    assert all(end["session"]["done"] == end["session"]["total"] for end in ends)


def test_watching_nothing_is_over_at_once_and_with_follow_it_waits(clinic, daemon):
    frames = watch(daemon)
    assert [(frame["session"], frame["entities"]) for frame in frames] == [(None, [])]
    with daemon.connect() as connection:
        frames = connection.stream("Watch", follow=True, interval_ms=50)
        assert next(frames)["session"] is None
        session = start(daemon)
        seen = next(frame for frame in frames if frame["session"] and frame["session"]["state"] == "completed")
        assert seen["session"]["session"] == session


def test_status_answers_while_a_load_is_held_up(clinic, daemon):
    with held(clinic.target, "patients"):
        start(daemon)
        wait_until_blocked(clinic.target)
        status = daemon.call("Status")
        assert (status["state"], status["session"]["state"]) == ("running", "running")
        assert status["resident_kb"] > 1000
        assert {c["state"] for c in status["connections"]} <= {"ready", "busy"}
        for method in ("List", "Analyze", "Plan"):
            daemon.call(method)  # none of them waits for the batch
    wait_until_ended(daemon)


# --- the agreed form ----------------------------------------------------------------------------------

def test_every_reply_is_of_the_type_the_interface_says(clinic, daemon):
    description = daemon.call("org.varlink.service.GetInterfaceDescription", interface="io.migrated")["description"]
    agreed = Interface(description)
    assert (agreed.types, agreed.methods, agreed.errors) == (interface().types, interface().methods, interface().errors)
    replies = []

    def ask(method, **parameters):
        replies.append((method, daemon.call(method, **parameters)))

    def ask_all():
        for method in ("Status", "Watch", "List", "Logs", "Analyze", "Account", "Plan", "Check", "ListRules", "ListDeadLetters", "ListParked",
                       "ListConflicts"):
            ask(method)
        ask("Plan", sql="system_messages")

    ask_all()
    ask("Detect")
    with held(clinic.target, "orders"):
        replies.append(("Migrate", {"session": start(daemon)}))
        wait_until_blocked(clinic.target)
        ask_all()
        for method in ("Pause", "Resume"):
            ask(method)
            ask("Status")
            ask(method, entity="cases")
            ask("Status")
    replies += [("Watch", frame) for frame in watch(daemon)]
    ask_all()
    ask("Report")
    ask("ShowDeadLetter", id=daemon.call("ListDeadLetters", limit=1)["letters"][0]["id"])
    for method in ("RetryDeadLetters", "DiscardDeadLetters"):
        ask(method, entity="of no entity")
    clinic.target.sql("UPDATE offices SET name = 'edited' WHERE legacy_office_id = 1")
    clinic.source.sql("UPDATE dispatch_office SET name = 'changed' WHERE id = 1")
    migrate(daemon)
    ask("ListConflicts", state="all")
    ask("ShowConflict", id=replies[-1][1]["conflicts"][0]["id"])
    ask("ResolveConflicts", entity="offices", resolution="target")
    for kind in ("commands", "rows"):
        ask("Audit", kind=kind, limit=1000)
    clinic.day(seed=1)
    ask("Detect")
    replies += [(method, frame) for method in ("Analyze", "Account", "Validate") for frame in daemon.stream(method)]
    replies += [("DryRun", frame) for frame in daemon.stream("DryRun", rows=True)]
    ask("ShowValidation")
    ask("Explain", entity="offices", key="1")
    ask("Rollback", session=daemon.call("List", limit=1)["sessions"][0]["session"], dry_run=True)
    ask("ListLeft")
    ask("Reload")
    assert {method for method, _ in replies} == set(agreed.methods) - {"Cancel"}
    with held(clinic.target, "orders"):
        start(daemon)
        wait_until_blocked(clinic.target)
        ask("Cancel", entity="cases")
        ask("Cancel")
        ask("Status")
    wait_until_ended(daemon, "cancelled")
    ask_all()
    for method, reply in replies:
        assert agreed.problems(agreed.methods[method][1], reply, method) == []


def test_every_error_is_of_the_type_the_interface_says(clinic, daemon):
    agreed = interface()
    errors = [refusal(daemon, "Pause"), refusal(daemon, "Migrate", entities=["x"]),
              refusal(daemon, "Migrate", analysis="0000"), refusal(daemon, "Plan", sql="x")]
    with held(clinic.target, "offices"):
        start(daemon)
        wait_until_blocked(clinic.target)
        errors += [refusal(daemon, "Migrate"), refusal(daemon, "Detect")]
    wait_until_ended(daemon)
    errors.append(refusal(daemon, "Cancel"))
    assert len({error.name for error in errors}) >= 5
    assert all(not error.name.startswith("org.varlink") for error in errors), errors
    for error in errors:
        assert agreed.problems(agreed.errors[error.name], error.parameters, error.name) == []


def test_the_clients_json_is_the_reply_with_a_version(clinic, daemon):
    agreed = interface()
    migrated = daemon.ctl("migrate", "--wait", "--json").stdout.splitlines()
    outputs = [("Watch", line) for line in migrated]
    for verb, method in (("status", "Status"), ("list", "List"), ("analyze", "Analyze"), ("detect", "Detect"),
                         ("plan", "Plan"), ("check", "Check"), ("watch", "Watch"),
                         ("report", "Report")):
        outputs.append((method, daemon.ctl(verb, "--json", check=False).stdout))
    for method, output in outputs:
        value = json.loads(output)
        assert value.pop("version") == 1
        assert agreed.problems(agreed.methods[method][1], value, method) == []


# --- exit statuses ------------------------------------------------------------------------------------

def exit_status(daemon, *arguments, **options):
    return daemon.ctl(*arguments, check=False, **options).returncode


def test_exit_statuses_of_the_client(clinic, daemon):
    assert exit_status(daemon, "status") == 0
    assert exit_status(daemon, "--help") == 0
    assert exit_status(daemon, "nonsense") == 2
    assert exit_status(daemon, "migrate", "--batch-size", "0") == 2
    assert exit_status(daemon, "pause", "xyz") == 2
    assert exit_status(daemon, "pause", "0000") == 4
    assert exit_status(daemon, "migrate", "--entities", "nobody") == 4
    assert exit_status(daemon, "plan", "--sql", "nobody") == 4
    assert exit_status(daemon, "-H", "/nonexistent/socket", "status") == 3
    with held(clinic.target, "offices"):
        assert exit_status(daemon, "migrate", "--wait", "--timeout", "0.5") == 7
        wait_until_blocked(clinic.target)
        assert exit_status(daemon, "migrate") == 1
        assert exit_status(daemon, "pause") == 0
        assert exit_status(daemon, "watch", "--timeout", "0.5") in (6, 7)
        assert exit_status(daemon, "cancel") == 0
        assert exit_status(daemon, "cancel") == 1
    wait_until_ended(daemon, "cancelled")
    assert exit_status(daemon, "watch") == 1
    assert exit_status(daemon, "migrate", "--wait", "--quiet") == 0
    daemon.stop()
    assert exit_status(daemon, "status") == 3


def test_waiting_for_a_session_that_is_paused_ends_with_six(clinic, daemon):
    with held(clinic.target, "offices"):
        waiting = subprocess.Popen([program("migratectl"), "-H", daemon.socket, "migrate", "--wait", "--quiet"],
                                   stderr=subprocess.PIPE, text=True)
        wait_until_blocked(clinic.target)
        daemon.call("Pause")
        _, said = waiting.communicate(timeout=30)
        assert waiting.returncode == 6
        assert "paused" in said
        daemon.call("Cancel")


def test_a_session_with_a_failed_entity_ends_with_one(databases, start_daemon):
    pair = Pair(databases, start_daemon, "CREATE TABLE things (id integer PRIMARY KEY); INSERT INTO things VALUES (1)",
                "CREATE TABLE things (id uuid PRIMARY KEY, legacy_id integer UNIQUE, value integer)",
                [entity("things", {"value": {"sql": "1 / (id - 1)"}})])
    wait_until_reached(pair.daemon)
    failed = pair.daemon.ctl("migrate", "--wait", check=False)
    assert failed.returncode == 1
    assert "failed" in failed.stderr
    assert dead_letters(pair, "things") == {}


@pytest.mark.skipif(os.geteuid() != 0, reason="another user is needed, and only root can be one")
def test_who_asks_right_after_the_start_is_not_sent_away(clinic, start_daemon):
    daemon = start_daemon(clinic)
    assert daemon.call("Detect")["analysis"]["new"] > 0
    daemon.stop()
    daemon.start()
    session = daemon.call("Migrate")["session"]
    wait_until(lambda: state_of(daemon) == "completed", 60, lambda: f"session {session} is over:\n{daemon.log()}")
    clinic.oracle()


def test_that_there_is_no_session_is_not_said_before_the_store_was_read(clinic, start_daemon):
    clinic.target.server.down("fast")
    try:
        daemon = start_daemon(clinic)
        for method in ("Pause", "Resume", "Cancel"):
            error = refusal(daemon, method)
            assert error.name == "Failed" and "not known yet" in error.parameters["message"]
    finally:
        clinic.target.server.up()
    wait_until(lambda: refusal(daemon, "Cancel").name == "NoSuchSession", 20)


def test_a_stranger_is_denied(clinic, daemon):
    def as_nobody(*arguments):
        return subprocess.run([program("migratectl"), "-H", daemon.socket, *arguments], capture_output=True, text=True,
                              user=65534, group=65534, extra_groups=[])

    if as_nobody("--version").returncode != 0:
        pytest.skip("the build directory is closed to other users")
    assert as_nobody("status").returncode == 5  # they do not come near the socket
    os.chmod(daemon.socket_directory, 0o755)
    os.chmod(daemon.socket, 0o666)
    for verb in ("status", "migrate", "cancel"):
        denied = as_nobody(verb)
        assert denied.returncode == 5, denied
        assert "you may not" in denied.stderr
    assert clinic.target.value("SELECT to_regclass('migrated.session')") is None


@pytest.mark.parametrize("word, state", [("Pause", "paused"), ("Cancel", "cancelled")])
def test_what_was_asked_for_right_before_a_stop_is_not_forgotten(clinic, daemon, word, state):
    with held(clinic.target, "orders"):
        session = start(daemon)
        wait_until_blocked(clinic.target)
        daemon.call(word)
        daemon.process.terminate()
        wait_until(lambda: "stopping" in daemon.log(), 10)
    assert daemon.wait_for_exit() == 0
    assert clinic.target_sql("SELECT session::text, state FROM migrated.session") == [(session, state)]
