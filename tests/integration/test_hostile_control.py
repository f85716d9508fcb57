"""Clients that do not know how to behave, while a load is under way: it is not disturbed, and neither are the others."""

import json
import pathlib
import random
import re
import socket
import time

import pytest

from sessions import held, start_migration, wait_until_blocked, wait_until_ended, wait_until_reached
from varlink import Varlink, VarlinkError
from waiting import SLOWNESS, wait_until

LONGEST_ANSWER_S = 2
# A sanitizer keeps what was freed, so nothing can be said of memory then.
MOST_MORE_KB = 8 * 1024 if SLOWNESS == 1 else 1 << 30


def frame(value):
    return json.dumps(value).encode() + b"\0"


def nested(depth):
    return b'{"method": "io.migrated.Status", "parameters": ' + b'{"a": ' * depth + b"1" + b"}" * depth + b"}\0"


NONSENSE = {
    "zeros": b"\0\0\0\0",
    "an empty message": b"\0",
    "no JSON": b"GET / HTTP/1.1\r\nHost: x\r\n\r\n\0",
    "an array": frame([1, 2, 3]),
    "a string": frame("io.migrated.Status"),
    "no method": frame({"parameters": {}}),
    "a number as method": frame({"method": 7}),
    "an empty method": frame({"method": ""}),
    "parameters that are none": frame({"method": "io.migrated.Status", "parameters": [1]}),
    "an unknown member": frame({"method": "io.migrated.Status", "more_or_less": True}),
    "duplicate keys": b'{"method": "io.migrated.Status", "method": "io.migrated.Cancel"}\0',
    "duplicate parameters": b'{"method": "io.migrated.Cancel", "parameters": {"entity": "a", "entity": "b"}}\0',
    "too deep": nested(100),
    "far too deep": nested(100000),
    "invalid UTF-8": b'{"method": "\xff\xfe\xc3"}\0',
    "a NUL written out": b'{"method": "io.migrated.Status\\u0000"}\0',
    "a huge number": b'{"method": "io.migrated.List", "parameters": {"limit": ' + b"9" * 5000 + b"}}\0",
    "more and oneway": frame({"method": "io.migrated.Watch", "more": True, "oneway": True}),
    "upgrade": frame({"method": "io.migrated.Status", "upgrade": True}),
    "oversized": b'{"method": "' + b"x" * 20_000_000,
    "oversized and whole": frame({"method": "io.migrated.Status", "parameters": {"x": "y" * 5_000_000}}),
}


@pytest.fixture
def clinic(make_clinic):
    return make_clinic(scale=0.11)


@pytest.fixture
def daemon(clinic, start_daemon):
    return wait_until_reached(start_daemon(clinic))


class Load:
    """A load that is held up at one table, so that it is under way for as long as the test needs."""

    def __init__(self, clinic, daemon):
        self.clinic, self.daemon = clinic, daemon
        self.gate = held(clinic.target, "orders")

    def __enter__(self):
        self.gate.__enter__()
        self.session = start_migration(self.daemon, batch_size=20)
        wait_until_blocked(self.clinic.target)
        return self

    def __exit__(self, *error):
        self.gate.__exit__(*error)
        if error[0] is None:
            wait_until_ended(self.daemon)
            assert self.daemon.call("Status")["session"]["session"] == self.session
            self.clinic.oracle()


@pytest.fixture
def load(clinic, daemon):
    with Load(clinic, daemon) as load:
        yield load


def others_are_answered(daemon):
    begun = time.monotonic()
    status = daemon.call("Status")
    assert time.monotonic() - begun < LONGEST_ANSWER_S * SLOWNESS
    assert status["session"]["state"] == "running"


def high_water_kb(daemon):
    """The most memory it has ever had."""
    status = pathlib.Path(f"/proc/{daemon.pid}/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1])


def send_all(connection, data):
    """As much as the daemon takes: it may close the connection in the middle."""
    try:
        connection.send_bytes(data)
    except (BrokenPipeError, ConnectionResetError):
        pass


def answer(connection):
    """The reply, or None when the daemon closed the connection."""
    try:
        return connection.receive()
    except ConnectionResetError:
        return None


def test_nonsense_gets_an_error_or_a_closed_connection(load):
    for name, data in NONSENSE.items():
        with load.daemon.connect(timeout=10) as connection:
            send_all(connection, data)
            reply = answer(connection)
            assert reply is None or "error" in reply, (name, reply)
        others_are_answered(load.daemon)


def test_random_bytes_do_no_harm(load, seed):
    chance = random.Random(seed)
    for _ in range(150):
        with load.daemon.connect(timeout=10) as connection:
            whole = frame({"method": "io.migrated.Status", "parameters": {}})
            spoiled = bytearray(whole * chance.randint(1, 3))
            for _ in range(chance.randint(1, 5)):
                spoiled[chance.randrange(len(spoiled))] = chance.randrange(256)
            send_all(connection, bytes(spoiled) + b"\0")
            answer(connection)
    others_are_answered(load.daemon)


def test_half_a_request_and_then_nothing(load):
    whole = frame({"method": "io.migrated.Cancel", "parameters": {}})
    for length in range(1, len(whole), 7):
        with load.daemon.connect() as connection:
            connection.send_bytes(whole[:length])
    lingering = [load.daemon.connect() for _ in range(20)]
    for connection in lingering:
        connection.send_bytes(whole[:-1])
    others_are_answered(load.daemon)
    for connection in lingering:
        connection.close()
    others_are_answered(load.daemon)


def test_a_request_that_comes_byte_by_byte_is_answered(load):
    with load.daemon.connect() as connection:
        for byte in frame({"method": "io.migrated.Status"}):
            connection.send_bytes(bytes([byte]))
        assert connection.receive()["parameters"]["state"] == "running"


def test_many_requests_at_once_are_answered_in_order(load):
    with load.daemon.connect() as connection:
        connection.send_bytes(b"".join(frame({"method": method}) for method in
                                       ["io.migrated.Status", "io.migrated.Nothing", "io.migrated.List"] * 50))
        for _ in range(50):
            assert "daemon_version" in connection.receive()["parameters"]
            assert connection.receive()["error"] == "org.varlink.service.MethodNotFound"
            assert "sessions" in connection.receive()["parameters"]


def test_two_hundred_connections_are_served(load):
    connections = [load.daemon.connect() for _ in range(200)]
    for connection in connections:
        connection.send("Status")
    for connection in connections:
        assert connection.receive()["parameters"]["state"] == "running"
    for connection in connections[::2]:
        connection.send("Watch", {"interval_ms": 50}, more=True)
    for connection in connections[::2]:
        assert connection.receive()["continues"]
    others_are_answered(load.daemon)
    for connection in connections:
        connection.close()
    others_are_answered(load.daemon)


def test_those_who_hang_up_in_the_middle_of_everything(load):
    for method in ("Status", "Analyze", "Plan", "Check", "List", "Watch", "Detect"):
        for more in (False, True):
            connection = load.daemon.connect()
            connection.send(method, more=more)
            connection.close()
    others_are_answered(load.daemon)
    assert len(load.daemon.call("Plan")["entities"]) == 25


def test_a_watcher_that_never_reads_costs_nobody_anything(load):
    deaf = []
    before = high_water_kb(load.daemon)
    for _ in range(5):
        connection = Varlink(load.daemon.socket)
        connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
        connection.send("Watch", {"interval_ms": 50, "follow": True}, more=True)
        connection.send_bytes(frame({"method": "io.migrated.Plan", "parameters": {"sql": "orders"}}) * 300)
        deaf.append(connection)
    frames = load.daemon.stream("Watch", interval_ms=50, follow=True)
    for _ in range(5):
        next(frames)
    others_are_answered(load.daemon)
    assert high_water_kb(load.daemon) < before + MOST_MORE_KB
    for connection in deaf:
        connection.close()


def test_one_who_asks_and_never_reads_is_bounded(load):
    before = high_water_kb(load.daemon)
    connection = load.daemon.connect(timeout=1)
    connection.socket.settimeout(0.5)
    requests = frame({"method": "org.varlink.service.GetInterfaceDescription",
                      "parameters": {"interface": "io.migrated"}}) * 1000
    try:
        for _ in range(100):
            connection.send_bytes(requests)
    except (TimeoutError, BrokenPipeError, ConnectionResetError):
        pass
    others_are_answered(load.daemon)
    assert high_water_kb(load.daemon) < before + MOST_MORE_KB
    connection.close()


def test_what_a_oneway_call_asks_for_is_done_and_not_answered(load):
    with load.daemon.connect() as connection:
        connection.send("Pause", oneway=True)
        connection.send("Status")
        assert connection.receive()["parameters"]["session"]["state"] == "paused"
    load.daemon.call("Resume")
    others_are_answered(load.daemon)


def test_a_request_to_steer_is_only_taken_whole(load):
    with load.daemon.connect() as connection, pytest.raises(VarlinkError):
        connection.call("Cancel", session=load.session, entity="orders", force=True)
    wait_until(lambda: load.daemon.call("Status")["session"]["state"] == "running", 5)
