"""Steered in whatever phase it is, and while the databases are away, a session does as it was told; a restart forgets nothing."""

import threading

import pytest

from sessions import (held, migrate, row_versions, start_migration, wait_until_blocked, wait_until_ended,
                      wait_until_reached)
from test_breakers import kept, restart, wait_until_held
from waiting import wait_until

SMALL = 0.11

# Where it waits in each phase: nobody can write to this table.
PHASES = {
    "preparing": "migrated.session",
    "detecting": "migrated.change",
    "opening": "migrated.session_entity",
    "planning": "migrated.batch",
    "moving": "orders",
    "setting aside": "migrated.dead_letter",
    "deleting": "comments",
}


@pytest.fixture
def clinic(make_clinic):
    clinic = make_clinic(scale=SMALL, loaded=True)
    for seed in (3, 4):
        clinic.day(seed=seed)
    return clinic


@pytest.fixture
def daemon(clinic, start_daemon):
    return wait_until_reached(start_daemon(clinic))


def start(daemon):
    return start_migration(daemon, batch_size=10, parallel=2)


def active(clinic):
    return clinic.target.value("""
        SELECT count(*)
          FROM pg_stat_activity
         WHERE datname = current_database() AND application_name LIKE 'migrated%' AND state <> 'idle'""")


def steer_while_it_waits(clinic, daemon, table, word):
    starter = threading.Thread(target=start, args=[daemon])
    with held(clinic.target, table):
        starter.start()
        wait_until_blocked(clinic.target)
        wait_until(lambda: daemon.call("Status")["session"], 20)
        daemon.call(word)
    starter.join(60)


@pytest.mark.parametrize("phase", PHASES)
def test_paused_it_stands_still_over_a_restart_and_goes_on(clinic, daemon, phase):
    steer_while_it_waits(clinic, daemon, PHASES[phase], "Pause")
    wait_until(lambda: kept(clinic)[:2] == ("paused", "operator"), 20)
    wait_until(lambda: active(clinic) == 0, 20)
    before = row_versions(clinic.target)
    restart(daemon)
    wait_until_held(daemon, "operator")
    assert row_versions(clinic.target) == before
    daemon.call("Resume")
    wait_until_ended(daemon)
    clinic.oracle()


@pytest.mark.parametrize("phase", PHASES)
def test_cancelled_it_ends_and_a_restart_does_not_revive_it(clinic, daemon, phase):
    steer_while_it_waits(clinic, daemon, PHASES[phase], "Cancel")
    wait_until(lambda: kept(clinic)[0] == "cancelled", 30)
    assert clinic.target.value("SELECT count(*) FROM migrated.session_entity JOIN migrated.session USING (session)"
                               " WHERE session.state = 'cancelled' AND session_entity.state IN"
                               " ('pending', 'running', 'paused')") == 0
    restart(daemon)
    assert daemon.call("Status")["session"] is None
    migrate(daemon)
    clinic.oracle()


def test_cancelled_and_killed_before_it_has_ended_it_ends_when_it_is_found(clinic, daemon):
    with held(clinic.target, "orders"):
        session = start(daemon)
        wait_until_blocked(clinic.target)
        daemon.call("Cancel")
        wait_until(lambda: clinic.target.value("SELECT cancelling FROM migrated.session WHERE session = %s", [session]), 20)
        daemon.kill()
    daemon.start()
    wait_until(lambda: kept(clinic)[0] == "cancelled", 30)
    migrate(daemon)
    clinic.oracle()


def entity_of(daemon, name):
    return next((entity for entity in daemon.call("Status")["entities"] if entity["entity"] == name), None)


def test_an_entity_is_paused_and_another_cancelled_before_their_parts_begin(clinic, daemon):
    with held(clinic.target, "migrated.change"):
        start(daemon)
        wait_until_blocked(clinic.target)
        daemon.call("Pause", entity="comments")
        daemon.call("Cancel", entity="patients")
        daemon.call("Pause")
    wait_until(lambda: active(clinic) == 0, 20)
    restart(daemon)
    wait_until_held(daemon, "operator")
    daemon.call("Resume")
    wait_until(lambda: (entity_of(daemon, "orders") or {}).get("status") == "cancelled", 30)
    assert entity_of(daemon, "orders")["reason"] == 'it refers to "patients", which was cancelled'
    assert entity_of(daemon, "patients")["reason"] == "cancelled by an operator"
    assert entity_of(daemon, "comments")["status"] in ("paused", "cancelled")  # it refers to orders, too
    if entity_of(daemon, "comments")["status"] == "paused":
        daemon.call("Resume", entity="comments")
    wait_until_ended(daemon)
    migrate(daemon)
    clinic.oracle()


@pytest.mark.parametrize("word, state", [("Pause", "paused"), ("Cancel", "cancelled")])
def test_what_is_said_while_the_target_is_away_is_kept_when_it_is_back(clinic, daemon, word, state):
    with held(clinic.target, "orders"):
        start(daemon)
        wait_until_blocked(clinic.target)
        clinic.target.server.down("fast")
    try:
        wait_until(lambda: daemon.call("Status")["state"] == "unavailable", 20)
        daemon.call(word)
    finally:
        clinic.target.server.up()
    wait_until(lambda: kept(clinic)[0] == state, 60)
    restart(daemon)
    if word == "Pause":
        wait_until_held(daemon, "operator")
        daemon.call("Resume")
        wait_until_ended(daemon)
    else:
        assert daemon.call("Status")["session"] is None
        migrate(daemon)
    clinic.oracle()
