"""migratectl logs: what the daemon has logged, over its socket; and of the journal, when it is down."""

import json
import os
import subprocess
import threading

import pytest

from daemon import program
from sessions import migrate
from waiting import wait_until

SMALL = 0.05


@pytest.fixture
def daemon(make_clinic, start_daemon):
    return start_daemon(make_clinic(scale=SMALL))


def events(daemon, **parameters):
    return daemon.call("Logs", **parameters)["events"]


def session_of(daemon):
    return daemon.call("List")["sessions"][0]["session"]


def test_events_are_those_of_the_log_in_their_order(daemon):
    migrate(daemon)
    told = events(daemon, tail=1000)
    assert [event["number"] for event in told] == list(range(told[0]["number"], told[-1]["number"] + 1))
    assert told[0]["number"] == 1
    written = daemon.log()
    for event in told:
        assert event["message"] in written
    assert len(events(daemon, tail=3)) == 3
    assert events(daemon, tail=3) == events(daemon, tail=1000)[-3:]


def test_only_what_was_asked_for_is_shown(daemon):
    migrate(daemon)
    everything = events(daemon, tail=1000)
    session = session_of(daemon)
    assert [e["number"] for e in events(daemon, tail=1000, session=session[:8])] == \
        [e["number"] for e in everything if e["session"] == session]
    with_entity = [e for e in everything if e["entity"]]
    assert with_entity, "the clinic's dirt is logged by entity"
    name = with_entity[0]["entity"]
    assert [e["number"] for e in events(daemon, tail=1000, entity=name)] == \
        [e["number"] for e in everything if e["entity"] == name]
    graver = [e["number"] for e in everything if e["level"] in ("err", "warning")]
    assert [e["number"] for e in events(daemon, tail=1000, level="warning")] == graver
    assert 0 < len(graver) < len(everything)
    assert events(daemon, entity="no such entity") == []


def test_what_makes_no_sense_is_named(daemon):
    for parameters in ({"level": "loud"}, {"tail": -1}, {"tail": "all"}, {"session": "xyz"}, {"sessions": "1234"}):
        with pytest.raises(Exception) as refused:
            daemon.call("Logs", **parameters)
        assert next(iter(parameters)) in str(refused.value)


def test_a_follower_is_told_of_each_event_once(daemon):
    before = daemon.call("Logs", tail=1000)["events"]
    told = []
    follower = threading.Thread(target=lambda: follow(daemon, told), daemon=True)
    follower.start()
    wait_until(lambda: told, 10)
    migrate(daemon)
    last = events(daemon, tail=1)[0]["number"]
    wait_until(lambda: told[-1]["number"] >= last, 10)
    numbers = [event["number"] for event in told]
    assert numbers == list(range(before[0]["number"], numbers[-1] + 1))


def follow(daemon, told):
    for frame in daemon.stream("Logs", tail=1000):
        assert frame["missed"] == 0
        told.extend(frame["events"])
        if any("completed" in event["message"] for event in frame["events"]):
            return


def test_the_client_shows_lines_or_objects(daemon):
    migrate(daemon)
    session = session_of(daemon)
    lines = daemon.ctl("logs", "--session", session[:8], "--tail", "1000").stdout.splitlines()
    assert len(lines) == len(events(daemon, tail=1000, session=session))
    assert all(f"session={session[:8]}" in line for line in lines)
    answer = json.loads(daemon.ctl("logs", "--level", "warning", "--json").stdout)
    assert answer["version"] == 1 and {e["level"] for e in answer["events"]} <= {"warning", "err"}
    assert "Nothing like this" in daemon.ctl("logs", "--entity", "nobody").stdout


def test_follow_goes_on_with_new_events(daemon):
    process = subprocess.Popen([program("migratectl"), "-H", daemon.socket, "logs", "--follow", "--json"],
                               stdout=subprocess.PIPE, text=True)
    try:
        assert json.loads(process.stdout.readline())["version"] == 1
        migrate(daemon)
        assert any("completed" in json.loads(line)["message"] for line in process.stdout)
    finally:
        process.kill()
        process.wait()


# --- the daemon is down -------------------------------------------------------------------------------

ENTRIES = [
    {"__REALTIME_TIMESTAMP": "1763700000000000", "PRIORITY": "5", "MESSAGE": "session begun",
     "MIGRATED_SESSION": "550e8400-e29b-41d4-a716-446655440000"},
    {"__REALTIME_TIMESTAMP": "1763700001000000", "PRIORITY": "4", "MESSAGE": "a row was set aside",
     "MIGRATED_ENTITY": "patients", "MIGRATED_LEGACY_KEY": "13", "MIGRATED_SQLSTATE": "23502",
     "MIGRATED_SESSION": "550e8400-e29b-41d4-a716-446655440000"},
    {"__REALTIME_TIMESTAMP": "1763700002000000", "PRIORITY": "3", "MESSAGE": [1, 2, 255],
     "MIGRATED_SESSION": "650e8400-e29b-41d4-a716-446655440000"},
]


@pytest.fixture
def without_daemon(tmp_path):
    """migratectl logs, with a journalctl that has ENTRIES and keeps what it was asked."""
    journal = tmp_path / "journal"
    journal.write_text("".join(json.dumps(entry) + "\n" for entry in ENTRIES))
    tool = tmp_path / "bin/journalctl"
    tool.parent.mkdir()
    tool.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" > {tmp_path}/asked\ncat {journal}\n')
    tool.chmod(0o755)

    def run(*arguments):
        result = subprocess.run([program("migratectl"), "-H", tmp_path / "nobody", "logs", *arguments],
                                capture_output=True, text=True, timeout=60,
                                env={**os.environ, "PATH": f"{tool.parent}:{os.environ['PATH']}", "TZ": "UTC"})
        return result, (tmp_path / "asked").read_text().splitlines()

    run.journal = journal
    return run


def test_without_the_daemon_the_journal_is_read(without_daemon):
    result, asked = without_daemon("--entity", "patients", "--level", "warning", "--tail", "7")
    assert result.returncode == 0
    assert "not running" in result.stderr and "from the journal" in result.stderr
    assert "2025-11-21 04:40:01  warning  a row was set aside  session=550e8400  entity=patients  legacy_key=13" in \
        result.stdout
    assert {"--identifier=migrated", "--priority=warning", "--lines=7", "MIGRATED_ENTITY=patients"} <= set(asked)


def test_a_session_is_found_in_the_journal_by_the_beginning_of_its_id(without_daemon):
    result, _ = without_daemon("--session", "550e", "--tail", "1", "--json")
    assert [event["message"] for event in json.loads(result.stdout)["events"]] == ["a row was set aside"]


def test_without_daemon_and_journal_the_daemon_is_said_to_be_down(without_daemon):
    without_daemon.journal.write_text("")
    result, _ = without_daemon()
    assert (result.returncode, result.stdout) == (3, "")
    assert "not running" in result.stderr
