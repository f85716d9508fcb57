"""A proxy between the daemon and a server that does to their connections what networks do.

One thread carries everything, without blocking; a test changes what is to happen while it runs. Each direction of a
connection (to_server, to_client) has settings of its own, and takes those of the proxy's direction for what it has not:

latency         seconds between a byte's arrival and its departure
bytes_per_s     how fast bytes leave
slice_bytes     the most that one write carries
stalled         what arrives is read, so acknowledged, and kept; it leaves when this ends
deaf            nothing is read: the sender's window fills
reset_after     the connection is reset when so many bytes have left

Proxy.refuse() turns new connections away, Proxy.blackhole() has the kernel drop what arrives, so that nothing is
acknowledged; Connection.reset() and Connection.half_close() are at once. Proxy.when() springs a trap on a message of
the daemon's, right before it is forwarded. All of it is undone by Proxy.heal(), but for connections that are gone.
"""

import collections
import ctypes
import os
import selectors
import socket
import struct
import tempfile
import threading
import time

from servers import short_temporary_directory
from waiting import wait_until

CHUNK = 256 * 1024
MOST_QUEUED = 1024 * 1024  # in a direction that is not stalled
SO_ATTACH_FILTER, SO_DETACH_FILTER = 26, 27
DROP_ALL = ctypes.create_string_buffer(struct.pack("=HBBI", 0x06, 0, 0, 0))  # classic BPF: ret #0

STARTUP_3_0 = 3 << 16
COPY_DATA = ord("d")


class Settings:
    """What is to happen in one direction. None: as the proxy's direction says, or not at all."""

    NAMES = ("latency", "bytes_per_s", "slice_bytes", "stalled", "deaf", "reset_after")

    def __init__(self, proxy, above=None):
        object.__setattr__(self, "_proxy", proxy)
        object.__setattr__(self, "_above", above)
        self.clear()

    def clear(self):
        for name in self.NAMES:
            object.__setattr__(self, name, None)
        self._proxy.wake()

    def __setattr__(self, name, value):
        assert name in self.NAMES, name
        object.__setattr__(self, name, value)
        self._proxy.wake()

    def now(self, name):
        value = getattr(self, name)
        return value if value is not None or self._above is None else self._above.now(name)


class Direction:
    """One half of a connection: what came from `sender` and has not yet gone to `receiver`."""

    def __init__(self, connection, sender, receiver, settings, messages=None):
        self.connection, self.sender, self.receiver = connection, sender, receiver
        self.settings = settings
        self.messages = messages
        self.queue = collections.deque()  # [when it may leave, memoryview]
        self.queued = 0
        self.forwarded = 0
        self.ended = False      # the sender has said that nothing more comes
        self.passed_on = False  # and the receiver knows
        self.tokens_at = 0.0   # bytes_per_s: when the next byte may leave

    # --- arriving ---

    def wants_to_read(self):
        return not (self.ended or self.settings.now("deaf")
                    or (self.queued > MOST_QUEUED and not self.settings.now("stalled")))

    def read(self):
        try:
            data = self.sender.recv(CHUNK)
        except BlockingIOError:
            return
        except ConnectionError:
            if not self.settings.now("stalled"):
                raise
            data = b""  # the other side is not told now
        if not data:
            self.ended = True
        if not data or self.passed_on:
            return
        for piece in self.messages.split(data) if self.messages else (data,):
            if self.connection.closed:
                return
            self.queue.append([time.monotonic(), memoryview(piece)])
            self.queued += len(piece)

    # --- leaving ---

    def wait(self, now):
        """Seconds until something may leave; None when only an event can change that."""
        if not self.queue or self.settings.now("stalled"):
            return None
        due = max(self.queue[0][0] + (self.settings.now("latency") or 0), self.tokens_at)
        return max(0.0, due - now)

    def wants_to_write(self, now):
        return self.wait(now) == 0

    def write(self, now):
        rate, most = self.settings.now("bytes_per_s"), self.settings.now("slice_bytes") or CHUNK
        if rate:
            most = min(most, max(1, int(rate / 50)))
        limit = self.settings.now("reset_after")
        if limit is not None:
            most = min(most, max(0, limit - self.forwarded))
        piece = self.queue[0][1]
        try:
            sent = self.receiver.send(piece[:most]) if most else 0
        except BlockingIOError:
            return
        self.forwarded += sent
        self.queued -= sent
        if rate:
            self.tokens_at = now + sent / rate
        if sent == len(piece):
            self.queue.popleft()
        else:
            self.queue[0][1] = piece[sent:]
        if limit is not None and self.forwarded >= limit:
            self.connection.reset()

    def pass_the_end_on(self):
        if self.ended and not self.queue and not self.passed_on and not self.settings.now("stalled"):
            self.end()

    def end(self):
        """The receiver is told that nothing more comes; what still comes is thrown away."""
        self.passed_on = True
        self.queue.clear()
        self.queued = 0
        self.receiver.shutdown(socket.SHUT_WR)


class Connection:
    """A client's connection and the server's that belongs to it."""

    def __init__(self, proxy, client, server):
        self.proxy, self.client, self.server = proxy, client, server
        self.closed = False
        self.to_server = Settings(proxy, proxy.to_server)
        self.to_client = Settings(proxy, proxy.to_client)
        self.outward = Direction(self, client, server, self.to_server,
                                 Messages(self) if proxy.reads_messages else None)
        self.inward = Direction(self, server, client, self.to_client)

    @property
    def sent(self):
        """Bytes forwarded to the server."""
        return self.outward.forwarded

    @property
    def received(self):
        """Bytes forwarded to the client."""
        return self.inward.forwarded

    def reset(self):
        """RST to both: what is on its way is lost."""
        self.close(linger=struct.pack("ii", 1, 0))

    def half_close(self, receiver):
        """Tells "server" or "client" that nothing more comes; the other direction goes on."""
        with self.proxy.lock:
            (self.outward if receiver == "server" else self.inward).end()

    def close(self, linger=None):
        with self.proxy.lock:
            if self.closed:
                return
            self.closed = True
            for one in (self.client, self.server):
                self.proxy.watch(one, 0)
                if linger and one.family == socket.AF_INET:
                    drop_arriving(one, False)
                    one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                one.close()
            self.proxy.connections.remove(self)

    def advance(self, now):
        """What the sockets are to be watched for; seconds until there is something to do without them."""
        waits = []
        try:
            for direction in (self.outward, self.inward):
                direction.pass_the_end_on()
                waits.append(direction.wait(now))
        except OSError:
            self.close()
            return None
        if self.outward.passed_on and self.inward.passed_on:
            self.close()
            return None
        for one, reads, writes in ((self.client, self.outward, self.inward), (self.server, self.inward, self.outward)):
            events = selectors.EVENT_READ if reads.wants_to_read() else 0
            events |= selectors.EVENT_WRITE if writes.wants_to_write(now) else 0
            self.proxy.watch(one, events, self)
        return min((wait for wait in waits if wait), default=None)

    def on_event(self, one, events):
        reads, writes = (self.outward, self.inward) if one is self.client else (self.inward, self.outward)
        try:
            if events & selectors.EVENT_READ:
                reads.read()
            if events & selectors.EVENT_WRITE and not self.closed and writes.wants_to_write(time.monotonic()):
                writes.write(time.monotonic())
        except OSError:
            self.reset()


class Messages:
    """The frontend messages in a stream of bytes; rows of a COPY pass unread."""

    def __init__(self, connection):
        self.connection = connection
        self.started = False
        self.passing = 0  # bytes of a COPY message that are still to come
        self.rest = b""

    def split(self, data):
        """The same bytes in pieces, each whole message told of before its piece is yielded."""
        data, begun, at = self.rest + data, 0, 0
        self.rest = b""
        while at < len(data):
            if self.passing:
                step = min(self.passing, len(data) - at)
                self.passing -= step
                at += step
                continue
            head = 5 if self.started else 4
            if len(data) - at < head:
                break
            (length,) = struct.unpack_from("!I", data, at + head - 4)
            length += head - 4
            if self.started and data[at] == COPY_DATA:
                self.passing = length
                continue
            if len(data) - at < length:
                break
            if at > begun:
                yield data[begun:at]
            message = data[at:at + length]
            self._tell(message)
            yield message
            at += length
            begun = at
        if at > begun:
            yield data[begun:at]
        self.rest = data[at:]

    def _tell(self, message):
        if self.started:
            self.connection.proxy.on_message(self.connection, chr(message[0]), message[5:])
        elif struct.unpack_from("!I", message, 4)[0] == STARTUP_3_0:
            self.started = True


class Trap:
    """Waits for a message. It springs once; wait() returns the connection it sprang on."""

    def __init__(self, matches, action, nth):
        self.matches, self.action, self.left = matches, action, nth
        self.connection = None
        self.sprung = threading.Event()

    def look_at(self, connection, kind, body):
        if self.sprung.is_set() or not self.matches(kind, body):
            return
        self.left -= 1
        if self.left == 0:
            self.connection = connection
            self.action(connection)
            self.sprung.set()

    def wait(self, timeout=30):
        wait_until(self.sprung.is_set, timeout, "the proxy sees the message it waits for")
        return self.connection


def simple_query(text):
    """Matches a simple query that contains this text."""
    return lambda kind, body: kind == "Q" and text.encode() in body


def keep_the_answer(connection):
    """The message goes to the server, what the server says does not come back."""
    connection.to_client.stalled = True


class Proxy:
    """Before `upstream`, a (host, port) or the path of a Unix socket. close() ends it and all connections."""

    def __init__(self, upstream, unix=False, messages=True):
        self.upstream = upstream
        self.reads_messages = messages
        self.lock = threading.RLock()
        self.closing = False
        self.connections = []
        self.traps = []
        self.taken = 0  # connections that were let in, ever
        self.is_blackhole = False
        self.is_refusing = False
        self.selector = selectors.DefaultSelector()
        self.woken, self.waker = os.pipe()
        os.set_blocking(self.waker, False)
        self.selector.register(self.woken, selectors.EVENT_READ)
        self.to_server = Settings(self)
        self.to_client = Settings(self)
        self.directory = tempfile.TemporaryDirectory(prefix="migrated-", dir=short_temporary_directory()) if unix else None
        self.listener = self._listen()
        self.thread = threading.Thread(target=self._run, name="proxy", daemon=True)
        self.thread.start()

    def _listen(self):
        if self.directory:
            listener = socket.socket(socket.AF_UNIX)
            listener.bind(os.path.join(self.directory.name, ".s.PGSQL.5432"))
        else:
            listener = bound_to_a_free_port()
        listener.listen(128)
        listener.setblocking(False)
        self.watch(listener, selectors.EVENT_READ, self)
        return listener

    # --- what tests ask for ---

    @property
    def address(self):
        """What a client connects to: a path, or (host, port)."""
        return self.listener.getsockname()

    def conninfo(self, database):
        """How this database is reached through here."""
        conninfo = database.conninfo if self.directory else database.tcp_conninfo
        words = [word for word in conninfo.split() if not word.startswith(("host=", "port="))]
        here = (self.directory.name, 5432) if self.directory else self.address
        return " ".join([f"host={here[0]}", f"port={here[1]}", *words])

    def refuse(self, refusing=True):
        """New connections are turned away, as if nobody listened."""
        assert not self.directory, "a Unix socket cannot stop listening for a while"
        with self.lock:
            if refusing == self.is_refusing:
                return
            self.is_refusing = refusing
            if refusing:
                self.watch(self.listener, 0)
                self.listener.shutdown(socket.SHUT_RDWR)  # keeps the port
            else:
                self.listener.listen(128)
                self.watch(self.listener, selectors.EVENT_READ, self)
        self.wake()

    def blackhole(self, blackhole=True):
        """Nothing that is sent here is acknowledged, whoever sends it, and nothing is forwarded."""
        assert not self.directory, "on a Unix socket nothing can get lost"
        with self.lock:
            self.is_blackhole = blackhole
            for one in (self.listener, *(one for c in self.connections for one in (c.client, c.server))):
                drop_arriving(one, blackhole)
        self.wake()

    def reset(self):
        """Every connection, at once."""
        with self.lock:
            for connection in list(self.connections):
                connection.reset()
        self.wake()

    def when(self, matches, action, nth=1):
        """A Trap: action(connection) before the nth message that matches(kind, body) is forwarded."""
        trap = Trap(matches, action, nth)
        with self.lock:
            self.traps.append(trap)
        return trap

    def heal(self):
        """All is well again."""
        with self.lock:
            self.traps.clear()
            for settings in (self.to_server, self.to_client,
                             *(s for c in self.connections for s in (c.to_server, c.to_client))):
                settings.clear()
            if self.is_blackhole:
                self.blackhole(False)
            if self.is_refusing:
                self.refuse(False)
        self.wake()

    def close(self):
        self.closing = True
        os.write(self.waker, b"x")
        self.thread.join()
        for connection in list(self.connections):
            connection.reset()
        self.selector.close()
        self.listener.close()
        os.close(self.woken)
        os.close(self.waker)
        if self.directory:
            self.directory.cleanup()

    # --- the thread ---

    def wake(self):
        if self.closing:
            return
        try:
            os.write(self.waker, b"x")
        except BlockingIOError:
            pass  # it has been woken often enough

    def watch(self, one, events, owner=None):
        """Watches a socket for these events, or not at all."""
        key = self.selector.get_map().get(one)
        if key is None and events:
            self.selector.register(one, events, owner)
        elif key is not None and not events:
            self.selector.unregister(one)
        elif key is not None and key.events != events:
            self.selector.modify(one, events, owner)

    def on_message(self, connection, kind, body):
        for trap in list(self.traps):
            trap.look_at(connection, kind, body)

    def _run(self):
        while not self.closing:
            with self.lock:
                now = time.monotonic()
                waits = [wait for c in list(self.connections) for wait in [self._advance(c, now)] if wait is not None]
            ready = self.selector.select(min(waits, default=None))
            with self.lock:
                for key, events in ready:
                    self._on_event(key, events)

    def _advance(self, connection, now):
        if not self.is_blackhole:
            return connection.advance(now)
        self.watch(connection.client, 0)
        self.watch(connection.server, 0)
        return None

    def _on_event(self, key, events):
        if key.fileobj == self.woken:
            os.read(self.woken, 4096)
        elif key.data is self:
            self._accept()
        elif not key.data.closed and not self.is_blackhole:
            key.data.on_event(key.fileobj, events)

    def _accept(self):
        try:
            client, _ = self.listener.accept()
        except OSError:
            return
        server = socket.socket(socket.AF_UNIX if isinstance(self.upstream, str) else socket.AF_INET)
        try:
            server.connect(self.upstream)
        except OSError:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            client.close()
            server.close()
            return
        for one in (client, server):
            one.setblocking(False)
            if one.family == socket.AF_INET:
                one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.taken += 1
        self.connections.append(Connection(self, client, server))


def proxy_for(server, unix=False, messages=True):
    """A proxy before a Server; through TCP on both sides unless told otherwise."""
    if unix:
        return Proxy(os.path.join(server.servers.directory, f".s.PGSQL.{server.port}"), unix, messages)
    return Proxy(("127.0.0.1", server.port), messages=messages)


def bound_to_a_free_port():
    """A socket that was bound to its port by number: only such a port outlives a shutdown()."""
    while True:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            address = probe.getsockname()
        bound = socket.socket()
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # connections keep the port busy, too
        try:
            bound.bind(address)
            return bound
        except OSError:
            bound.close()


def drop_arriving(one, drop):
    """Has the kernel throw away what arrives at a TCP socket, before it would be acknowledged."""
    try:
        if drop:
            program = struct.pack("HL", 1, ctypes.addressof(DROP_ALL))
            one.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, program)
        else:
            one.setsockopt(socket.SOL_SOCKET, SO_DETACH_FILTER, 0)
    except FileNotFoundError:
        pass  # none was attached
