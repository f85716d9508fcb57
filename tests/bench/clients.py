"""What clients of the control socket cost: a thousand that watch a load, and more than there are descriptors for.

The clients are one further process (crowd), whose own processor time is told, since it shares the machine with what is measured.
"""

import contextlib
import json
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

from measured import check, interleaved
from processor import spent_ms
from report import Goal, Line
from world import HERE, ORDERS, migrate, peak_memory_kb, stopwatch, wait_until

WATCHERS = 1_000
CONNECTIONS = 5_000
DESCRIPTORS = 1_024
IDLE_S = 5
ASK_PAUSE_S = 0.02
UNHARMED = 1 / 0.95  # of the time it takes without


class Crowd:
    """So many clients, until leave()."""

    def __init__(self, daemon, count, *flags):
        self.process = subprocess.Popen([sys.executable, HERE / "crowd", daemon.socket, str(count), *flags],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.refused = self._read()["refused"]

    def _read(self):
        line = self.process.stdout.readline()
        check(line, "the crowd has failed")
        return json.loads(line)

    def leave(self):
        """Its processor time in seconds, and how much it has read."""
        self.process.stdin.close()
        end = self._read()
        self.process.wait()
        return end["processor_s"], end["bytes"]


@contextlib.contextmanager
def crowd_of(daemon, count, *flags):
    crowd = Crowd(daemon, count, *flags)
    try:
        yield crowd
    finally:
        if crowd.process.poll() is None and not crowd.process.stdin.closed:
            crowd.leave()


def processor_s(daemon):
    """What the daemon has used so far."""
    return spent_ms([daemon.pid]) / 1000


def clients(bench):
    return [*watched_load(bench), *crowded_load(bench)]


# --- a thousand that watch -----------------------------------------------------------------------

def watched_load(bench):
    """The initial load with and without watchers, in turns; and in some of them, how long `status` takes."""
    world = bench.world()
    spent = {"watched": [], "alone": [], "crowd": []}
    megabytes, peaks = [], []

    def load(daemon, name):
        begun = processor_s(daemon)
        with stopwatch() as wall:
            migrate(daemon, ORDERS)
        spent[name].append(processor_s(daemon) - begun)
        peaks.append(peak_memory_kb(daemon))
        return wall[0]

    def alone():
        with world.scratch(world.empty) as target, world.daemon(target, **bench.settings) as daemon:
            return load(daemon, "alone")

    def watched():
        with (world.scratch(world.empty) as target, world.daemon(target, **bench.settings) as daemon,
              crowd_of(daemon, WATCHERS, "--watch") as crowd):
            wall = load(daemon, "watched")
            processor, read = crowd.leave()
            spent["crowd"].append(processor)
            megabytes.append(read / 1e6)
            return wall

    results = interleaved(bench.repeat, {"watched": watched, "alone": alone})
    waits = asked_in_a_load(bench, world)
    return [
        Line(f"status in a load, {WATCHERS:,} watchers, p99 of {len(waits)}", "ms", waits, Goal(value=50), peak_memory_kb=max(peaks),
             statistic="p99"),
        Line(f"initial load, {bench.rows(world.orders)}, {WATCHERS:,} watchers", "s", results["watched"],
             Goal(ratio=UNHARMED), "no watchers", results["alone"], max(peaks), details={"read_megabytes": megabytes}),
        Line("  daemon's processor time", "s", spent["watched"], None, "no watchers", spent["alone"], max(peaks), in_readme=False),
        Line("  the watchers' own processor time", "s", spent["crowd"], peak_memory_kb=max(peaks), in_readme=False),
    ]


def asked_in_a_load(bench, world):
    """How long each of those waits who ask for the status in a load that a thousand watch."""
    waits = []
    with (world.scratch(world.empty) as target, world.daemon(target, **bench.settings) as daemon,
          crowd_of(daemon, WATCHERS, "--watch"), ThreadPoolExecutor(1) as executor):
        load = executor.submit(migrate, daemon, ORDERS)
        wait_until(lambda: load.done() or daemon.call("Status")["session"], what="the load has begun")
        while not load.done() or not waits:
            with stopwatch() as wall:
                daemon.call("Status")
            waits.append(wall[0] * 1000)
            time.sleep(ASK_PAUSE_S)
        load.result()
    return waits


# --- more than there are descriptors for ---------------------------------------------------------

def crowded_load(bench):
    """The initial load while so many connect that descriptors run out; then how busy the daemon is with those who have stayed."""
    world = bench.world()
    refused, idle, peaks = [], [], []

    def load(daemon):
        with stopwatch() as wall:
            migrate(daemon, ORDERS)
        return wall[0]

    def alone():
        with world.scratch(world.empty) as target, world.daemon(target, descriptors=DESCRIPTORS, **bench.settings) as daemon:
            return load(daemon)

    def crowded():
        with (world.scratch(world.empty) as target,
              world.daemon(target, descriptors=DESCRIPTORS, **bench.settings) as daemon, ThreadPoolExecutor(1) as executor):
            # This one's connection is there before theirs.
            with daemon.connect(3600) as ours:
                running = executor.submit(load, Talking(daemon, ours))
                with crowd_of(daemon, CONNECTIONS) as crowd:
                    wall = running.result()
                    check(crowd.refused > CONNECTIONS - DESCRIPTORS, f"only {crowd.refused} have been refused")
                    refused.append(crowd.refused)
                    begun = processor_s(daemon)
                    time.sleep(IDLE_S)
                    idle.append((processor_s(daemon) - begun) * 100 / IDLE_S)
                peaks.append(peak_memory_kb(daemon))
            return wall

    results = interleaved(bench.repeat, {"crowded": crowded, "alone": alone})
    return [
        Line(f"initial load, {CONNECTIONS:,} connect, {DESCRIPTORS:,} descriptors", "s", results["crowded"],
             Goal(ratio=UNHARMED), "nobody connects", results["alone"], max(peaks)),
        Line("  connections refused", "", refused, peak_memory_kb=max(peaks), in_readme=False),
        Line("  daemon's processor time afterwards, idle", "%", idle, Goal(value=5), peak_memory_kb=max(peaks), in_readme=False),
    ]


class Talking:
    """A daemon that is asked over one connection, which was there before there was no room left."""

    def __init__(self, daemon, connection):
        self.call, self.stream, self.log = connection.call, connection.stream, daemon.log
