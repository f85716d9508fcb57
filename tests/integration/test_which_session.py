"""The beginning of a session's id: whose it is, when several begin alike, or none does."""

import pytest

from mapping import entity
from sessions import held, migrate, start_migration, wait_until_blocked, wait_until_ended, wait_until_reached

# As one types them; {} is the beginning of an id.
COMMANDS = [
    "watch {}", "pause {}", "resume {}", "cancel {}", "report {}", "rollback {}", "left {}", "logs --session {}",
    "audit --session {}", "dead-letters list --session {}", "dead-letters retry --session {}",
    "dead-letters discard --session {}", "conflicts list --session {}",
]
STEERING = ["watch {}", "pause {}", "resume {}", "cancel {}"]
# They do not depend on sessions that the store knows: the ring of events, or what was asked for.
UNKNOWN_IS_EMPTY = ["logs --session {}", "audit --session {}"]


def make_things(databases):
    databases.source_sql("CREATE TABLE things (id bigint PRIMARY KEY); INSERT INTO things VALUES (1)")
    databases.target_sql("CREATE TABLE things (id uuid PRIMARY KEY, legacy_id bigint UNIQUE)")


@pytest.fixture
def daemon(databases, start_daemon):
    make_things(databases)
    return wait_until_reached(start_daemon(databases, entities=[entity("things", {})]))


def add_session(databases, like, digits):
    """One more in the history, as if there had been a session of this id; its id."""
    session = digits + like[len(digits):]
    databases.target.sql("""
        INSERT INTO migrated.session OVERRIDING SYSTEM VALUE
        SELECT (jsonb_populate_record(s, jsonb_build_object('session', %(new)s::text, 'number', -r.number))).*
          FROM migrated.session AS s, (SELECT count(*) AS number FROM migrated.session) AS r
         WHERE s.session = %(like)s""", {"new": session, "like": like})
    return session


def other_digit(digit):
    return "0" if digit != "0" else "1"


def test_sessions_that_begin_alike_are_listed_and_nothing_is_done(databases, daemon):
    ours = migrate(daemon).session
    twin = add_session(databases, ours, ours[:4] + other_digit(ours[4]))
    for command in COMMANDS:
        said = daemon.ctl(*command.format(ours[:4].upper()).split(), check=False)
        assert said.returncode == 2, (command, said)
        lines = said.stderr.splitlines()
        assert f"more than one session begins with {ours[:4].upper()}" in lines[0], command
        assert {line.split()[0] for line in lines[1:3]} == {ours, twin}, command
        assert all("completed" in line and "20" in line.split()[-2] for line in lines[1:3]), command
        assert "migratectl list" in lines[3], command
    assert databases.target.value("SELECT count(*) FROM migrated.session") == 2
    assert daemon.ctl_json("report", ours[:5].upper())["session"]["session"] == ours


def test_a_session_that_is_not_there_is_said_to_be_unknown(databases, daemon):
    unknown = other_digit(migrate(daemon).session[0]) * 8
    for command in COMMANDS:
        said = daemon.ctl(*command.format(unknown).split(), check=False)
        if command in UNKNOWN_IS_EMPTY:
            assert said.returncode == 0, (command, said)
            continue
        assert said.returncode == 4, (command, said)
        assert f"there is no session {unknown}" in said.stderr, command
        assert "migratectl list shows the sessions" in said.stderr, command


def test_a_session_that_is_over_cannot_be_steered_and_that_is_said(databases, daemon):
    over = add_session(databases, migrate(daemon).session, "feed")
    with held(databases.target, "things"):
        ours = start_migration(daemon, full=True)
        wait_until_blocked(databases.target)
        for command in STEERING:
            said = daemon.ctl(*command.format(over[:8]).split(), check=False)
            assert said.returncode == 1, said
            assert "session feed" in said.stderr and "is not under way: it is completed" in said.stderr
        assert daemon.call("Status")["session"]["state"] == "running"
        assert daemon.call("Pause", session=ours[:6].upper())["session"] == ours
        daemon.call("Resume", session=ours[:6])
    wait_until_ended(daemon)


def test_a_session_is_paused_though_the_store_does_not_answer(databases, start_daemon):
    """Then the session under way is the one that is meant."""
    make_things(databases)
    daemon = wait_until_reached(start_daemon(databases, entities=[entity("things", {})], through=["target"]))
    with held(databases.target, "things"):
        ours = start_migration(daemon)
        wait_until_blocked(databases.target)
        daemon.proxies["target"].blackhole()
        assert daemon.call("Pause", session=ours[:6])["session"] == ours
        daemon.proxies["target"].heal()
        daemon.call("Resume", session=ours)
    wait_until_ended(daemon)
