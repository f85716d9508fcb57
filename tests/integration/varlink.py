"""A Varlink client of a few lines, independent of the project's own: JSON objects ended by a NUL."""

import json
import socket

from waiting import SLOWNESS


class VarlinkError(Exception):
    """An error reply: its name without the interface for ours ("NoSuchSession"), and parameters."""

    def __init__(self, name, parameters):
        super().__init__(f"{name} {parameters}")
        self.name = name.removeprefix("io.migrated.")
        self.parameters = parameters


class Varlink:
    """One connection to a control socket; send() and receive() are there for tests of the framing."""

    def __init__(self, path, timeout=30):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.settimeout(timeout * SLOWNESS)
        self.received = b""
        try:
            self.socket.connect(str(path))
        except OSError:
            self.socket.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.socket.close()

    def send_bytes(self, data):
        self.socket.sendall(data)

    def send(self, method, parameters=None, **flags):
        """Sends a call; flags are more=True, oneway=True."""
        call = {"method": full_name(method), "parameters": parameters or {}, **flags}
        self.send_bytes(json.dumps(call).encode() + b"\0")

    def receive(self):
        """The next reply as it is, or None when the peer has closed the connection."""
        while b"\0" not in self.received:
            data = self.socket.recv(65536)
            if not data:
                return None
            self.received += data
        frame, self.received = self.received.split(b"\0", 1)
        return json.loads(frame)

    def call(self, method, **parameters):
        """The reply's parameters; raises VarlinkError when the reply is an error."""
        self.send(method, parameters)
        return self._parameters()[0]

    def stream(self, method, **parameters):
        """Yields the parameters of every reply, until the last."""
        self.send(method, parameters, more=True)
        continues = True
        while continues:
            reply, continues = self._parameters()
            yield reply

    def _parameters(self):
        reply = self.receive()
        if reply is None:
            raise ConnectionError("the peer closed the connection instead of replying")
        if "error" in reply:
            raise VarlinkError(reply["error"], reply.get("parameters", {}))
        return reply.get("parameters", {}), reply.get("continues", False)


def full_name(method):
    """Our own methods may be named without their interface: Status is io.migrated.Status."""
    return method if "." in method else f"io.migrated.{method}"
