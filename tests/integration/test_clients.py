"""More clients than there is room for: those beyond are told so, and nobody else notices."""

import contextlib
import re

import pytest

from sessions import held, start_migration, wait_until_blocked, wait_until_ended, wait_until_reached
from varlink import Varlink
from waiting import wait_until

DESCRIPTORS = 400
CLIENTS = 600


@pytest.fixture
def daemon(make_clinic, start_daemon):
    clinic = make_clinic(scale=0.11)
    daemon = wait_until_reached(start_daemon(clinic, descriptors=DESCRIPTORS))
    daemon.clinic = clinic
    return daemon


@contextlib.contextmanager
def clients(daemon, count):
    connections = []
    try:
        for _ in range(count):
            connections.append(Varlink(daemon.socket))
        yield connections
    finally:
        for connection in connections:
            connection.close()


def refused(connections):
    """Those that were told that there is no room for them."""
    turned_away = []
    for connection in connections:
        with contextlib.suppress(BrokenPipeError):
            connection.send("org.varlink.service.GetInfo")
        reply = connection.receive()
        if "error" in reply:
            assert reply["error"] == "io.migrated.TooManyPeers", reply
            turned_away.append(connection)
    return turned_away


def test_clients_beyond_the_descriptors_are_refused_and_the_load_goes_on(daemon):
    with held(daemon.clinic.target, "orders"):
        start_migration(daemon, batch_size=20)
        wait_until_blocked(daemon.clinic.target)
        with clients(daemon, CLIENTS) as connections:
            turned_away = refused(connections)
            served = [connection for connection in connections if connection not in turned_away]
            assert CLIENTS - DESCRIPTORS < len(turned_away) < CLIENTS - 100
            assert served[-1].call("Status")["session"]["state"] == "running"

            client = daemon.ctl("status", check=False)
            assert client.returncode == 1
            assert re.search(r"the daemon already serves \d+ clients", client.stderr)
            assert client.stdout == ""

            # There is room for as many as leave.
            for connection in served[:2]:
                connection.close()
            wait_until(lambda: daemon.ctl("status", check=False).returncode == 0, 10)
            # What it needs its databases for still has connections.
            assert len(served[-1].call("Plan")["entities"]) == 25
    wait_until_ended(daemon)
    daemon.clinic.oracle()
    assert len(re.findall("was turned away", daemon.log())) == 1  # further ones are counted
