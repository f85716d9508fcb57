"""A server that has vanished without a word, or that acknowledges and does nothing, is noticed, on either side."""

import re
import socket
import struct
import threading
import time

import psycopg
import pytest

from mapping import entity
from sessions import held, start_migration, wait_until_blocked, wait_until_ended, wait_until_reached
from waiting import wait_until

SIDES = ["source", "target"]
BOUND_S = 60  # the system's own time limits are a quarter of an hour and more

sides = pytest.mark.parametrize("side", SIDES)
peer_timeouts = pytest.mark.parametrize("peer_timeout", ["2s", pytest.param("8s", marks=pytest.mark.long)])


@pytest.fixture
def through_proxies(databases, start_daemon):
    """A daemon between two databases of one table, by way of a proxy to each; made with its settings and number of rows."""
    def make(rows=10, **settings):
        databases.source_sql(f"CREATE TABLE things (id bigint PRIMARY KEY, value text);"
                             f"INSERT INTO things SELECT i, repeat('x', 1000) FROM generate_series(1, {rows}) AS i")
        databases.target_sql("CREATE TABLE things (id uuid PRIMARY KEY, legacy_id bigint UNIQUE, value text)")
        daemon = start_daemon(databases, through=SIDES, entities=[entity("things", {"value": "value"})], settings=settings)
        return wait_until_reached(daemon)
    return make


def arrived(databases):
    return databases.target.value("SELECT count(*) FROM things")


def said(daemon, words):
    return re.search(words, daemon.log())


def wait_until_noticed(daemon, words, record_property):
    begun = time.monotonic()
    wait_until(lambda: said(daemon, words), BOUND_S, lambda: f"it is noticed:\n{daemon.log()}")
    record_property("noticed_s", round(time.monotonic() - begun, 1))
    print(f"noticed after {time.monotonic() - begun:.1f} s")


def wait_until_quiet(proxy):
    """Nothing is in flight; else the server's end would go on repeating it, and the daemon would hear it."""
    def unacknowledged(one):
        return struct.unpack_from("=I", one.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 104), 24)[0]
    wait_until(lambda: all(unacknowledged(connection.client) == 0 for connection in list(proxy.connections)), 10)


def in_background(function, *arguments, **parameters):
    """For a request that will have no answer, or not soon."""
    def call():
        try:
            function(*arguments, **parameters)
        except Exception:  # it is refused when the connection is given up
            pass
    threading.Thread(target=call, daemon=True).start()


# --- dead -----------------------------------------------------------------------------------------

@sides
@peer_timeouts
def test_a_blackhole_is_noticed_on_an_idle_connection(through_proxies, record_property, side, peer_timeout):
    daemon = through_proxies(peer_timeout=peer_timeout)
    wait_until_quiet(daemon.proxies[side])
    daemon.proxies[side].blackhole()
    wait_until_noticed(daemon, f"connection to the {side} lost", record_property)
    daemon.proxies[side].heal()
    wait_until(lambda: daemon.call("Status")["state"] == "idle", BOUND_S)


@sides
@peer_timeouts
def test_a_blackhole_is_noticed_by_what_is_not_acknowledged(through_proxies, databases, record_property, side, peer_timeout):
    """Something is sent right into it; keepalives say nothing then, and the kernel goes on trying."""
    daemon = through_proxies(peer_timeout=peer_timeout)
    wait_until_quiet(daemon.proxies[side])
    daemon.proxies[side].blackhole()
    in_background(daemon.call, "Detect")
    wait_until_noticed(daemon, f"connection to the {side} lost: it has acknowledged nothing", record_property)
    daemon.proxies[side].heal()
    wait_until(lambda: daemon.call("Status")["state"] == "idle", BOUND_S)
    start_migration(daemon)
    wait_until_ended(daemon)
    assert arrived(databases) == 10


@sides
@peer_timeouts
def test_a_blackhole_is_noticed_while_an_answer_is_awaited(through_proxies, databases, record_property, side, peer_timeout):
    daemon = through_proxies(peer_timeout=peer_timeout)
    database = getattr(databases, side)
    with database.connect(autocommit=False) as holder:
        holder.execute(f"LOCK TABLE things IN {'ACCESS EXCLUSIVE' if side == 'source' else 'SHARE'} MODE")
        in_background(daemon.call, "Migrate")
        wait_until_blocked(database)
        wait_until_quiet(daemon.proxies[side])
        daemon.proxies[side].blackhole()
        wait_until_noticed(daemon, f"connection to the {side} lost", record_property)
    daemon.proxies[side].heal()
    wait_until(lambda: daemon.call("Status")["state"] in ("idle", "running"), BOUND_S)
    if daemon.call("Status")["session"] is None:
        start_migration(daemon)
    wait_until_ended(daemon)
    assert arrived(databases) == 10


def test_a_blackhole_is_noticed_in_the_middle_of_a_copy(through_proxies, databases, record_property):
    """The target's window is full, then it vanishes."""
    daemon = through_proxies(rows=30_000, peer_timeout="2s", batch_size=30_000)
    target = daemon.proxies["target"]
    target.to_server.bytes_per_s = 1_000_000
    start_migration(daemon)
    wait_until(lambda: databases.target.value("SELECT count(*) FROM pg_stat_progress_copy WHERE bytes_processed > 0"), 30)
    target.blackhole()
    wait_until_noticed(daemon, "connection to the target lost", record_property)
    target.heal()
    wait_until_ended(daemon)
    assert arrived(databases) == 30_000


def test_a_target_that_reads_nothing_for_a_while_is_not_dead(through_proxies, databases):
    """Its window is shut for longer than peer_timeout, but it acknowledges."""
    daemon = through_proxies(rows=30_000, peer_timeout="1s", batch_size=30_000)
    target = daemon.proxies["target"]
    target.to_server.bytes_per_s = 1_000_000
    start_migration(daemon)
    wait_until(lambda: databases.target.value("SELECT count(*) FROM pg_stat_progress_copy WHERE bytes_processed > 0"), 30)
    target.to_server.deaf = True
    begun = time.monotonic()
    wait_until(lambda: time.monotonic() - begun > 4 or said(daemon, "lost|given up"), 30)
    target.heal()
    wait_until_ended(daemon)
    assert not said(daemon, "lost|given up")
    assert arrived(databases) == 30_000


# --- stalled --------------------------------------------------------------------------------------

@sides
@pytest.mark.parametrize("way", ["to_server", "to_client"])
def test_a_link_that_acknowledges_and_stalls_is_given_up(through_proxies, databases, side, way):
    """Its server says that it waits for us, or that it writes to us, and none of it gets through."""
    daemon = through_proxies(rows=20_000, peer_timeout="1s", stall_timeout="2s", batch_size=5000)
    proxy = daemon.proxies[side]
    daemon.proxies["source"].to_client.bytes_per_s = 10_000_000
    start_migration(daemon)
    wait_until(lambda: databases.target.value("SELECT count(*) FROM pg_stat_progress_copy"), 30)
    for connection in list(proxy.connections):
        getattr(connection, way).stalled = True
    wait_until(lambda: said(daemon, f"connection to the {side} given up: nothing has moved for"), BOUND_S,
               lambda: f"the stall is noticed:\n{daemon.log()}")
    daemon.proxies["source"].to_client.bytes_per_s = None
    wait_until_ended(daemon)
    assert arrived(databases) == 20_000


def test_a_server_that_answers_nobody_is_given_up(through_proxies, databases):
    daemon = through_proxies(peer_timeout="1s", stall_timeout="2s", connect_timeout="1s")
    proxy = daemon.proxies["target"]
    with held(databases.target, "things"):
        start_migration(daemon)
        wait_until_blocked(databases.target)
        proxy.to_client.stalled = True
        wait_until(lambda: said(daemon, "given up: .*the server answers a second connection neither"), BOUND_S,
                   lambda: f"the stall is noticed:\n{daemon.log()}")
    proxy.heal()
    wait_until_ended(daemon)
    assert arrived(databases) == 10


def test_a_server_that_waits_for_a_lock_is_let_be(through_proxies, databases):
    daemon = through_proxies(peer_timeout="1s", stall_timeout="2s", lock_timeout="20s")
    with held(databases.target, "things"):
        start_migration(daemon)
        wait_until_blocked(databases.target)
        wait_until(lambda: "is at work" in daemon.log(), 30, lambda: f"the server was asked:\n{daemon.log()}")
        asked = daemon.proxies["target"].taken  # over a connection of its own each time; what it says again is counted only
        wait_until(lambda: daemon.proxies["target"].taken >= asked + 2, 30,
                   lambda: f"the server was asked again and again:\n{daemon.log()}")
    wait_until_ended(daemon)
    assert not said(daemon, "given up")


# --- and back again -------------------------------------------------------------------------------

OUTAGE_S = 12  # long enough for every pause between attempts to have grown to its longest

long = pytest.mark.long


@pytest.mark.parametrize("side, outage", [
    ("target", "refused"), pytest.param("source", "refused", marks=long),
    pytest.param("target", "blackhole", marks=long), pytest.param("source", "blackhole", marks=long),
    pytest.param("target", "down", marks=long), pytest.param("source", "down", marks=long)])
def test_after_an_outage_batches_are_committed_soon(clinic, start_daemon, record_property, side, outage):
    """How soon is printed: from the moment the peer is back until a batch has been committed."""
    daemon = wait_until_reached(start_daemon(clinic, through=SIDES))
    session = start_migration(daemon, batch_size=20, parallel=3)
    wait_until(lambda: batches_done(clinic, session) > 20, 60)
    end = begin_outage(clinic, daemon, side, outage)
    begun = time.monotonic()
    wait_until(lambda: time.monotonic() - begun > OUTAGE_S, 3 * OUTAGE_S)
    back = end()
    done = wait_until(lambda: batches_done(clinic, session), 60)
    wait_until(lambda: batches_done(clinic, session) > done, BOUND_S, lambda: f"a batch is committed:\n{daemon.log()}")
    record_property("committed_after_s", round(time.monotonic() - back, 1))
    print(f"{side} {outage}: first batch {time.monotonic() - back:.1f} s after its return")
    wait_until_ended(daemon)
    clinic.oracle()


def batches_done(clinic, session):
    try:
        return clinic.target.value("SELECT count(*) FROM migrated.batch WHERE session = %s AND done", [session])
    except psycopg.OperationalError:  # not back yet
        return 0


def begin_outage(clinic, daemon, side, outage):
    """What ends it, and says when that was."""
    proxy, server = daemon.proxies[side], getattr(clinic, side).server
    if outage == "refused":
        proxy.refuse()
        proxy.reset()
    elif outage == "blackhole":
        proxy.blackhole()
    else:
        server.down("immediate")

    def end():
        if outage == "down":
            server.up()
        else:
            proxy.heal()
        return time.monotonic()
    return end
