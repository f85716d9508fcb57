"""Bad links between the daemon and a server: slow, sliced, reset, closed on one side, with answers that are lost.

Links that are dead or stand still are in test_peers.py.
"""

import os
import random
import signal

import pytest

from library import Library
from proxy import keep_the_answer
from sessions import (assert_each_row_once, held, start_migration, state_of, wait_until_blocked, wait_until_ended,
                      waiting_backends)
from waiting import wait_until

SIDES = ("source", "target")
SCALE = 0.11
LOST_LINKS = [6, pytest.param(60, marks=pytest.mark.long)]

sides = pytest.mark.parametrize("side", SIDES)


@pytest.fixture
def chance(request, seed):
    return random.Random(f"{seed} {request.node.name}")


@pytest.fixture
def library(databases, start_daemon):
    library = Library(databases, start_daemon, through=SIDES)
    library.daemon.start()
    return library


def carries_everything(library):
    library.comes_to_its_end()
    library.change()
    library.comes_to_its_end()
    library.is_right()


# --- slow -----------------------------------------------------------------------------------------

@sides
@pytest.mark.parametrize("fault", [{"latency": 0.01}, {"bytes_per_s": 100_000}, {"slice_bytes": 3}], ids=lambda f: min(f))
def test_over_a_slow_link_it_only_takes_longer(library, side, fault):
    for direction in (library.daemon.proxies[side].to_server, library.daemon.proxies[side].to_client):
        for name, value in fault.items():
            setattr(direction, name, value)
    carries_everything(library)


def test_a_clinic_passes_through_slow_links_on_both_sides(make_clinic, start_daemon):
    clinic = make_clinic(scale=SCALE)
    daemon = start_daemon(clinic, through=SIDES)
    for proxy in daemon.proxies.values():
        for direction in (proxy.to_server, proxy.to_client):
            direction.latency, direction.bytes_per_s, direction.slice_bytes = 0.002, 5_000_000, 1000
    session = start_migration(daemon)
    wait_until_ended(daemon)
    clinic.oracle()
    assert_each_row_once(clinic, session)


# --- broken ---------------------------------------------------------------------------------------

def begin_a_clinic(make_clinic, start_daemon):
    clinic = make_clinic(scale=SCALE)
    daemon = start_daemon(clinic, through=SIDES)
    return clinic, daemon, start_migration(daemon, batch_size=25)


@pytest.mark.parametrize("times", LOST_LINKS)
def test_links_that_are_reset_after_some_bytes_cost_nothing(make_clinic, start_daemon, chance, times):
    clinic, daemon, session = begin_a_clinic(make_clinic, start_daemon)
    for _ in range(times):
        proxy = daemon.proxies[chance.choice(SIDES)]
        connection = wait_until(lambda: list(proxy.connections), 30)
        connection = chance.choice(connection)
        if chance.random() < 0.5:
            connection.to_server.reset_after = connection.sent + chance.randint(1, 5000)
        else:
            connection.to_client.reset_after = connection.received + chance.randint(1, 5000)
        wait_until(lambda: connection.closed or state_of(daemon) == "completed", 60)
    wait_until_ended(daemon)
    clinic.oracle()
    assert_each_row_once(clinic, session)


@sides
@pytest.mark.parametrize("receiver", ["server", "client"])
def test_a_link_that_is_closed_on_one_side_only(library, side, receiver):
    """One of both is told that the other has gone; the other one finds out by itself."""
    with held(library.target, "books"):
        session = start_migration(library.daemon)
        wait_until_blocked(library.target)
        for connection in list(library.daemon.proxies[side].connections):
            connection.half_close(receiver)
    carries_everything(library)
    assert library.target.value("SELECT state FROM migrated.session WHERE session = %s", [session]) == "completed"


@sides
def test_a_server_that_refuses_connections_for_a_while(library, side):
    proxy = library.daemon.proxies[side]
    with held(library.target, "books"):
        start_migration(library.daemon)
        wait_until_blocked(library.target)
        proxy.refuse()
        proxy.reset()
        wait_until(lambda: library.daemon.call("Status")["state"] == "unavailable", 20)
    proxy.heal()
    carries_everything(library)


# --- COMMIT sent, and no answer -------------------------------------------------------------------


def batches_done(library):
    return library.target.value("SELECT count(*) FROM migrated.batch WHERE done")


def commits_a_batch(kind, body):
    return kind == "Q" and b"done = true" in body and b"COMMIT" in body


@pytest.mark.parametrize("nth, done", [(1, 1), (4, 3)])  # the second is refused, and isolates a row in the third
def test_a_batch_that_was_committed_without_an_answer_is_not_done_again(library, nth, done):
    trap = library.daemon.proxies["target"].when(commits_a_batch, keep_the_answer, nth)
    start_migration(library.daemon, parallel=1)
    connection = trap.wait()
    wait_until(lambda: batches_done(library) == done, 20, "the server has committed")
    connection.reset()
    carries_everything(library)


@pytest.mark.parametrize("nth", [1, 4])
def test_a_commit_that_never_arrived_is_done_again(library, nth):
    trap = library.daemon.proxies["target"].when(commits_a_batch, lambda connection: connection.reset(), nth)
    start_migration(library.daemon, parallel=1)
    trap.wait()
    carries_everything(library)


@pytest.mark.skipif(os.geteuid() != 0, reason="a server's process is stopped, and it is another user's")
def test_a_backend_that_is_frozen_in_its_batch_is_waited_for(library):
    """Its connection is gone; whether it will commit is open until it goes on."""
    with held(library.target, "books"):
        start_migration(library.daemon, parallel=1)
        wait_until_blocked(library.target)
        (frozen,) = waiting_backends(library.target)
        os.kill(frozen, signal.SIGSTOP)
        try:
            library.daemon.proxies["target"].reset()
            wait_until(lambda: state_of(library.daemon), 20)
        except BaseException:
            os.kill(frozen, signal.SIGCONT)
            raise
    try:
        wait_until(lambda: others_connected(library.target, frozen), 30, "the daemon is back")
    finally:
        os.kill(frozen, signal.SIGCONT)
    carries_everything(library)


def others_connected(database, pid):
    return database.value("""
        SELECT count(*)
          FROM pg_stat_activity
         WHERE datname = current_database() AND application_name = 'migrated' AND pid <> %s""", [pid])
