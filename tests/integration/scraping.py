"""Metrics as Prometheus reads them: fetched over HTTP, from a port or a Unix socket, and taken apart strictly."""

import http.client
import re
import socket
import types

from waiting import SLOWNESS, wait_until

SAMPLE = re.compile(r'([a-z_][a-z0-9_]*)(?:\{(.*)\})? (\S+)')
LABEL = re.compile(r'([a-z_]+)="((?:[^"\\]|\\.)*)"(?:,|$)')


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path, timeout=None):
        super().__init__("localhost", timeout=timeout)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


def connection_to(address, timeout=15):
    timeout *= SLOWNESS
    if address.startswith("unix:"):
        return UnixConnection(address.removeprefix("unix:"), timeout)
    host, _, port = address.rpartition(":")
    return http.client.HTTPConnection(host.strip("[]"), int(port), timeout=timeout)


def fetch(address, path="/metrics", method="GET", body=None, headers=None, timeout=15):
    connection = connection_to(address, timeout)
    try:
        connection.request(method, path, body, headers or {})
        answer = connection.getresponse()
        return types.SimpleNamespace(status=answer.status, headers=answer.headers, text=answer.read().decode())
    finally:
        connection.close()


class Metrics:
    """One exposition: families by name, samples by name and labels."""

    def __init__(self, text):
        assert text.endswith("\n")
        self.text = text
        self.types = {}
        self.samples = {}
        family = None
        for line in text.splitlines():
            if line.startswith("# HELP "):
                family = line.split(" ", 3)[2]
                assert family not in self.types, f"{family} comes in two pieces"
            elif line.startswith("# TYPE "):
                _, _, name, kind = line.split(" ")
                assert name == family
                self.types[family] = kind
            else:
                name, labels, value = SAMPLE.fullmatch(line).groups()
                assert re.sub("_(bucket|sum|count)$", "", name) == family or name == family, line
                key = (name, frozenset(LABEL.findall(labels or "")))
                assert key not in self.samples, line
                self.samples[key] = float(value)

    def __getitem__(self, name):
        return self.of(name)

    def of(self, name, **labels):
        """The one sample; None: there is none."""
        return self.samples.get((name, frozenset(labels.items())))

    def by(self, label, name, **labels):
        """The samples that have these labels and this further one, by its value."""
        found = {}
        for (sample, pairs), value in self.samples.items():
            pairs = dict(pairs)
            if sample == name and label in pairs and labels.items() <= pairs.items():
                found[pairs[label]] = found.get(pairs[label], 0) + value
        return found

    def one(self, label, name):
        """Of a family of which one sample is 1, and the others 0: which."""
        values = self.by(label, name)
        assert sorted(set(values.values())) in ([0, 1], [0]), values
        return next((value for value, is_it in values.items() if is_it), None)

    def names(self):
        return {name for name, _ in self.samples}


def scrape(address):
    answer = fetch(address)
    assert answer.status == 200, answer
    assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    return Metrics(answer.text)


def measured(daemon, listen=None, **further):
    """The daemon, not started yet, with its metrics served; where."""
    listen = listen or f"unix:{daemon.socket}.metrics"
    daemon.config["metrics"] = {"listen": listen, **further}
    daemon.write_config()
    return listen


def free_port(host="127.0.0.1"):
    """An address that nobody listens on just now."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.bind((host, 0))
        return f"[{host}]:{probe.getsockname()[1]}" if ":" in host else f"{host}:{probe.getsockname()[1]}"


def wait_for(address, condition, timeout=20):
    """The first exposition of which this is true."""
    last = []

    def seen():
        last[:] = [scrape(address)]
        return condition(last[0]) and last[0]
    return wait_until(seen, timeout, lambda: f"the metrics are as expected; they are:\n{last[0].text}")
