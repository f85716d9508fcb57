"""A pooler before a PostgreSQL server, as far as a client can tell: for tests of what must not work through one.

It hands each transaction of a client to another backend (mode "transaction"), or keeps to one (mode "session"), and as
poolers do gives out a cancel key of its own. Servers must let clients in without a password.
"""

import os
import selectors
import shutil
import socket
import struct
import tempfile
import threading

from servers import short_temporary_directory


class Pooler:
    """Listens on a Unix socket in a directory of its own. close() ends it and every connection."""

    def __init__(self, server, mode):
        self.server_socket = os.path.join(server.servers.directory, f".s.PGSQL.{server.port}")
        self.backends = 2 if mode == "transaction" else 1
        self.directory = tempfile.mkdtemp(prefix="migrated-", dir=short_temporary_directory())
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(os.path.join(self.directory, ".s.PGSQL.5432"))
        self.listener.listen()
        self.sockets = [self.listener]
        threading.Thread(target=self._accept, daemon=True).start()

    def conninfo(self, conninfo):
        """A server's conninfo, led through here."""
        words = [word for word in conninfo.split() if not word.startswith(("host=", "port="))]
        return " ".join([f"host={self.directory}", "port=5432", *words])

    def close(self):
        for one in self.sockets:
            try:
                one.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            one.close()
        shutil.rmtree(self.directory)

    def _accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            self.sockets.append(client)
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client):
        try:
            length = receive_exactly(client, 4)
            startup = length + receive_exactly(client, struct.unpack("!I", length)[0] - 4)
            backends = [self._backend(startup) for _ in range(self.backends)]
            client.sendall(backends[0][1])
            self._relay(client, [backend for backend, _ in backends])
        except (OSError, EOFError):
            pass
        finally:
            client.close()

    def _backend(self, startup):
        """A backend that is ready, and what it said on the way there."""
        backend = socket.socket(socket.AF_UNIX)
        self.sockets.append(backend)
        backend.connect(self.server_socket)
        backend.sendall(startup)
        said, kind = b"", b""
        while kind not in (b"Z", b"E"):
            kind, message = receive_message(backend)
            said += message if kind != b"K" else b"K" + struct.pack("!III", 12, 4711, 1)
        return backend, said

    @staticmethod
    def _relay(client, backends):
        with selectors.DefaultSelector() as selector:
            for one in (client, *backends):
                selector.register(one, selectors.EVENT_READ)
            while True:
                for key, _ in selector.select():
                    if key.fileobj is client:
                        data = client.recv(65536)
                        if not data:
                            return
                        backends[0].sendall(data)
                        continue
                    kind, message = receive_message(key.fileobj)
                    if kind == b"Z" and message[5:] == b"I":
                        backends.append(backends.pop(0))
                    client.sendall(message)


def receive_exactly(stream, length):
    data = b""
    while len(data) < length:
        more = stream.recv(length - len(data))
        if not more:
            raise EOFError
        data += more
    return data


def receive_message(backend):
    """A message's type, and the whole of it."""
    head = receive_exactly(backend, 5)
    return head[:1], head + receive_exactly(backend, struct.unpack("!I", head[1:])[0] - 4)
