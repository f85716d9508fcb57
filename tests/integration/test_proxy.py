"""The fault proxy does what it says: held against a peer that echoes, and against a server."""

import socket
import threading
import time

import psycopg
import pytest

from mapping import entity
from proxy import Proxy, keep_the_answer, proxy_for, simple_query
from sessions import wait_until_reached
from waiting import wait_until

TCP_INFO_UNACKED = slice(24, 28)


class Echo:
    """A TCP peer that sends back what it gets, and keeps it. Reads only while `reading` is set."""

    def __init__(self):
        self.listener = socket.socket()
        self.listener.bind(("127.0.0.1", 0))
        self.listener.listen()
        self.address = self.listener.getsockname()
        self.got = b""
        self.ends = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                peer, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(peer,), daemon=True).start()

    def _serve(self, peer):
        try:
            while data := peer.recv(65536):
                self.got += data
                peer.sendall(data)
            self.ends.append("end")
        except OSError:
            self.ends.append("reset")
        finally:
            peer.close()

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()


@pytest.fixture
def echo():
    echo = Echo()
    yield echo
    echo.close()


@pytest.fixture
def proxy(echo):
    proxy = Proxy(echo.address, messages=False)
    yield proxy
    proxy.close()


@pytest.fixture
def client(proxy):
    client = socket.create_connection(proxy.address, 10)
    wait_until(lambda: proxy.connections, 5)
    yield client
    client.close()


def receive(client, length):
    data = b""
    while len(data) < length:
        more = client.recv(length - len(data))
        assert more, f"the end after {len(data)} of {length} bytes"
        data += more
    return data


def says_nothing(client, seconds=0.2):
    """True when nothing comes for so long."""
    client.settimeout(seconds)
    try:
        return client.recv(1) is None
    except TimeoutError:
        return True
    finally:
        client.settimeout(10)


def unacknowledged(client):
    """Segments that were sent and not acknowledged, as the kernel knows them."""
    return int.from_bytes(client.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 104)[TCP_INFO_UNACKED], "little")


# --- as if it were not there ------------------------------------------------------------------------

def test_what_is_sent_arrives(echo, client):
    data = bytes(range(256)) * 8000
    threading.Thread(target=client.sendall, args=(data,)).start()
    assert receive(client, len(data)) == data
    assert echo.got == data


def test_an_end_is_passed_on_and_the_other_direction_goes_on(echo, client):
    client.sendall(b"last words")
    client.shutdown(socket.SHUT_WR)
    assert receive(client, 10) == b"last words"
    assert client.recv(1) == b""
    assert echo.ends == ["end"]


# --- slow -------------------------------------------------------------------------------------------

@pytest.mark.parametrize("direction", ["to_server", "to_client"])
def test_latency_delays_one_direction(proxy, client, direction):
    getattr(proxy, direction).latency = 0.2
    begun = time.monotonic()
    client.sendall(b"ping")
    assert receive(client, 4) == b"ping"
    assert time.monotonic() - begun >= 0.2


def test_bandwidth_is_limited(proxy, client):
    proxy.to_server.bytes_per_s = 100_000
    begun = time.monotonic()
    client.sendall(bytes(30_000))
    receive(client, 30_000)
    assert time.monotonic() - begun >= 0.25


def test_writes_are_sliced(proxy, client):
    sizes = []
    send = proxy.connections[0].outward.receiver.send

    class Watched:
        def __getattr__(self, name):
            return getattr(proxy.connections[0].server, name)

        def send(self, data):
            sizes.append(len(data))
            return send(data)

    proxy.connections[0].outward.receiver = Watched()
    proxy.to_server.slice_bytes = 3
    client.sendall(b"0123456789")
    assert receive(client, 10) == b"0123456789"
    assert sizes == [3, 3, 3, 1]


# --- broken -----------------------------------------------------------------------------------------

def test_reset_reaches_both(proxy, echo, client):
    proxy.reset()
    with pytest.raises(ConnectionResetError):
        client.recv(1)
    wait_until(lambda: echo.ends == ["reset"], 5)
    assert proxy.connections == []


def test_reset_after_so_many_bytes(proxy, echo, client):
    proxy.connections[0].to_server.reset_after = 5
    client.sendall(b"0123456789")
    wait_until(lambda: echo.ends == ["reset"], 5)
    assert len(echo.got) <= 5
    with pytest.raises(ConnectionResetError):
        client.sendall(b"x")
        receive(client, 10)


def test_half_closed_one_direction_goes_on(proxy, echo, client):
    client.sendall(b"once")
    assert receive(client, 4) == b"once"
    proxy.connections[0].half_close("client")
    assert client.recv(1) == b""
    client.sendall(b" more")
    wait_until(lambda: echo.got == b"once more", 5)


def test_a_stalled_direction_is_acknowledged_and_arrives_later(proxy, echo, client):
    proxy.to_server.stalled = True
    client.sendall(bytes(3_000_000))
    wait_until(lambda: unacknowledged(client) == 0, 5, "all is acknowledged")
    assert says_nothing(client)
    assert echo.got == b""
    proxy.to_server.stalled = False
    assert receive(client, 3_000_000) == bytes(3_000_000)


def test_a_deaf_direction_fills_the_senders_window(proxy, client):
    proxy.to_server.deaf = True
    client.setblocking(False)
    sent = 0
    with pytest.raises(BlockingIOError):
        while sent < 1 << 30:
            sent += client.send(bytes(65536))
    client.setblocking(True)
    proxy.heal()
    assert receive(client, sent) == bytes(sent)


def test_a_blackhole_acknowledges_nothing_and_lets_nobody_in(proxy, echo, client):
    client.sendall(b"before")
    assert receive(client, 6) == b"before"
    proxy.blackhole()
    client.sendall(b"lost")
    assert says_nothing(client)
    assert unacknowledged(client) > 0
    with pytest.raises(TimeoutError):
        socket.create_connection(proxy.address, 0.3)
    proxy.heal()
    assert receive(client, 4) == b"lost"  # sent again by the kernel


def test_one_that_refuses_keeps_its_port_and_its_connections(proxy, client):
    address = proxy.address
    proxy.refuse()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(address, 5)
    client.sendall(b"still there")
    assert receive(client, 11) == b"still there"
    proxy.heal()
    with socket.create_connection(address, 5) as another:
        another.sendall(b"back")
        assert receive(another, 4) == b"back"


def test_one_connection_differs_from_the_others(proxy, echo, client):
    with socket.create_connection(proxy.address, 5) as other:
        wait_until(lambda: len(proxy.connections) == 2, 5)
        proxy.connections[0].to_client.stalled = True
        client.sendall(b"held")
        other.sendall(b"free")
        assert receive(other, 4) == b"free"
        assert says_nothing(client)
        proxy.heal()
        assert receive(client, 4) == b"held"


# --- before a server --------------------------------------------------------------------------------

@pytest.fixture(params=["tcp", "unix"])
def before_target(request, databases):
    proxy = proxy_for(databases.target.server, unix=request.param == "unix")
    yield proxy
    proxy.close()


def test_a_server_is_reached_through_it(databases, before_target):
    with psycopg.connect(before_target.conninfo(databases.target), autocommit=True) as connection:
        connection.execute("CREATE TABLE t (value text)")
        with connection.cursor().copy("COPY t FROM STDIN") as copy:
            for i in range(2000):
                copy.write(f"{'x' * (i % 300)}\n")
        assert connection.execute("SELECT count(*), sum(length(value)) FROM t").fetchone() == \
            (2000, sum(i % 300 for i in range(2000)))
        assert before_target.connections[0].sent > 300_000
    with pytest.raises(psycopg.OperationalError, match="does not exist"):
        psycopg.connect(before_target.conninfo(databases.target).replace("dbname=", "dbname=no_"))


def test_a_trap_springs_on_the_nth_message_before_it_is_forwarded(databases, before_target):
    trap = before_target.when(simple_query("COMMIT"), lambda connection: connection.reset(), nth=2)
    with psycopg.connect(before_target.conninfo(databases.target)) as connection:
        connection.execute("CREATE TABLE first ()")
        connection.pgconn.exec_(b"COMMIT")
        connection.pgconn.exec_(b"BEGIN; CREATE TABLE second ()")
        connection.pgconn.exec_(b"COMMIT")
        assert trap.wait() not in before_target.connections
    tables = databases.target_sql("SELECT relname FROM pg_class WHERE relname IN ('first', 'second')")
    assert tables == [("first",)]


def test_an_answer_can_be_kept_while_the_message_arrives(databases, before_target):
    trap = before_target.when(simple_query("CREATE TABLE"), keep_the_answer)
    connection = psycopg.connect(before_target.conninfo(databases.target), autocommit=True)
    connection.pgconn.send_query(b"CREATE TABLE made ()")
    sprung = trap.wait()
    wait_until(lambda: databases.target_sql("SELECT 1 FROM pg_class WHERE relname = 'made'"), 10)
    sprung.reset()
    with pytest.raises(psycopg.OperationalError):
        connection.execute("SELECT 1")
    connection.close()


@pytest.mark.parametrize("side", ["source", "target"])
def test_a_daemon_is_led_through_it_on_either_side(databases, start_daemon, side):
    daemon = start_daemon(databases, entities=[entity("things", {"value": "value"})], through=(side,))
    wait_until_reached(daemon)
    proxy = daemon.proxies[side]
    assert proxy.connections
    proxy.refuse()
    proxy.reset()
    wait_until(lambda: daemon.call("Status")["state"] == "unavailable", 20)
    proxy.heal()
    wait_until(lambda: daemon.call("Status")["state"] == "idle", 40)
