"""Processor time, as the kernel's scheduler has counted it: of processes, and of whole servers, whose backends come and go."""

import contextlib
import os
import pathlib


def spent_ms(pids):
    """Of processes that are alive."""
    return sum(int(pathlib.Path(f"/proc/{pid}/schedstat").read_text().split()[0]) for pid in pids) / 1e6


def server_spent_ms(server, without=()):
    """Of a postmaster and all its children, of those too that are gone, but for the backends `without`, which must be alive."""
    postmaster = server.postmaster()
    stat = fields_of(postmaster)
    gone = (int(stat[13]) + int(stat[14])) * 1000 / os.sysconf("SC_CLK_TCK")
    return gone + spent_of_some([postmaster, *children_of(postmaster)]) - spent_ms(without)


def spent_of_some(pids):
    """A backend may end while we look, and is counted the next time, among those that are gone."""
    spent = 0
    for pid in pids:
        try:
            spent += spent_ms([pid])
        except (FileNotFoundError, ProcessLookupError):
            pass
    return spent


class Account:
    """Where processor time goes: samples in seconds for the source's server, the target's, and the daemon."""

    def __init__(self, servers):
        self.servers = servers
        self.samples = {"source": [], "target": [], "daemon": []}

    @contextlib.contextmanager
    def of(self, daemon=None):
        """What the block takes, in which the daemon neither begins nor ends."""
        before = self._look(daemon)
        yield
        for name, spent in self._look(daemon).items():
            self.samples[name].append((spent - before[name]) / 1000)

    def _look(self, daemon):
        return {"source": server_spent_ms(self.servers.source), "target": server_spent_ms(self.servers.target),
                "daemon": spent_ms([daemon.pid]) if daemon else 0}

    def totals(self):
        return [sum(each) for each in zip(*self.samples.values())]

    def details(self):
        return {f"{name}_processor_s": samples for name, samples in self.samples.items()}


def children_of(pid):
    return [int(child) for child in pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def fields_of(pid):
    """proc(5): what follows the name, so that the state is the first; cutime and cstime are 13 and 14."""
    return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
