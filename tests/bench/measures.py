"""The measures. Each takes a Bench and returns lines of the report, and fails when what was measured did
something else than it was meant to: a load that is not complete, a sweep that finds what is not there.

Ours and its floor or peer run in turns, and who is first alternates, so that what else happens on the
machine meets both alike. A further peer is one more entry in a measure's `contestants`.
"""

import subprocess
import time
from concurrent.futures import ThreadPoolExecutor

from clones import clones
from clients import clients
from distance import distance
from following import changes, deletes
from growth import growth
from initial import initial_load
from isolation import isolation
from measured import OURS, check, interleaved, sql_file
from proof import images, rollback, validation
from quiet import quiet_cycle
from report import Goal, Line
from steady import steady
from world import ORDERS, migrate, peak_memory_kb, program, settle, stopwatch, wait_until

# Sweeps are short, so there can be more of them.
SWEEPS_A_REPETITION = 3

STATUS_PAUSE_S = 0.05

# Loads of once and twice as many rows.
MEMORY_SIZES = (1, 2)
MEMORY_GOAL = Goal(value=64)


# --- sweep ---

def sweep(bench):
    """Looking for changes where there are none, against the source's own hash of the same columns.

    The floor is the fastest such query we know. `plain`, in the JSON, is what one would write down first.
    """
    world = bench.world()
    with world.scratch(world.full) as target, world.daemon(target, **bench.settings) as daemon:
        settle(world.legacy, target)
        with world.legacy.connect() as connection:

            def ours():
                with stopwatch() as wall:
                    analysis = daemon.call("Detect", entities=ORDERS)["analysis"]
                found = analysis["new"] + analysis["modified"] + analysis["deleted"]
                check(found == 0 and analysis["rows"] == world.orders, f"the sweep found {found} changes of none")
                return wall[0]

            def query(name):
                with stopwatch() as wall:
                    connection.execute(sql_file(name)).fetchall()
                return wall[0]

            results = interleaved(bench.repeat * SWEEPS_A_REPETITION, {
                OURS: ours, "hash": lambda: query("hash.sql"), "plain": lambda: query("hash_plain.sql")})
            return [Line(
                f"sweep, nothing changed of {bench.rows(world.orders)}", "s", results[OURS], Goal(ratio=1.1),
                "the source's own hash query", results["hash"], peak_memory_kb(daemon), details={"plain": results["plain"]})]


# --- memory ---

def memory(bench):
    """The daemon's peak memory must not grow with the table."""
    once, twice = [memory_of(bench, bench.world(size)) for size in MEMORY_SIZES]
    bench.forget(MEMORY_SIZES[1])
    return [once, twice]


def memory_of(bench, world):
    with world.scratch(world.empty) as target, world.daemon(target, **bench.settings) as daemon:
        migrate(daemon, ORDERS)
        peak = peak_memory_kb(daemon)
    return Line(f"peak memory, initial load of {bench.rows(world.orders)}", "MB", [peak / 1024], MEMORY_GOAL,
                peak_memory_kb=peak, in_readme=False)


# --- status ---

def status(bench):
    """How long a full-speed initial load keeps somebody waiting who asks how it goes."""
    world = bench.world()
    waits = {"socket": [], "migratectl": []}
    with world.scratch(world.empty) as target, world.daemon(target, **bench.settings) as daemon:
        command = [program("migratectl"), "-H", daemon.socket, "status"]

        def by_socket():
            daemon.call("Status")

        def by_migratectl():
            subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=True)

        with ThreadPoolExecutor(1) as executor:
            load = executor.submit(migrate, daemon, ORDERS)
            wait_until(lambda: load.done() or daemon.call("Status")["session"], what="the load has begun")
            while not load.done() or not waits["migratectl"]:
                for name, ask in (("socket", by_socket), ("migratectl", by_migratectl)):
                    with stopwatch() as wall:
                        ask()
                    waits[name].append(wall[0] * 1000)
                time.sleep(STATUS_PAUSE_S)
            load.result()
        peak = peak_memory_kb(daemon)
    return [Line(f"status by {name} in a load, p99 of {len(samples)}", "ms", samples, Goal(value=50),
                 peak_memory_kb=peak, statistic="p99")
            for name, samples in waits.items()]


def memory_of_all(lines):
    """The most that any of these measures has had."""
    most = max((line for line in lines if line.peak_memory_kb), key=lambda line: line.peak_memory_kb, default=None)
    if most is None:
        return []
    return [Line("peak memory, the most of any of these", "MB", [most.peak_memory_kb / 1024], MEMORY_GOAL,
                 peak_memory_kb=most.peak_memory_kb, details={"of": most.measure})]


MEASURES = {
    "initial": initial_load,
    "clones": clones,
    "sweep": sweep,
    "changes": changes,
    "deletes": deletes,
    "steady": steady,
    "quiet": quiet_cycle,
    "distance": distance,
    "validation": validation,
    "rollback": rollback,
    "images": images,
    "isolation": isolation,
    "status": status,
    "clients": clients,
    "memory": memory,
    "growth": growth,
}
