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
from growth import growth
from isolation import isolation
from measured import OURS, check, interleaved, sql_file
from proof import images, rollback, validation
from quiet import quiet_cycle
from report import Goal, Line
from world import ORDERS, contents, migrate, peak_memory_kb, program, settle, stopwatch, wait_until

# Sweeps are short, so there can be more of them.
SWEEPS_A_REPETITION = 3

STATUS_PAUSE_S = 0.05

# Loads of once and twice as many rows.
MEMORY_SIZES = (1, 2)

# As much as the daemon's own work_memory.
UPSERT_WORK_MEMORY = "64MB"


# --- initial load ---

def initial_load(bench):
    """The orders into a table with its keys, indexes and constraints; the parents are there already. Once with all of them in place, once in
    bulk mode, as it is by default.

    The floor is the server's own COPY of a binary file, which holds these rows as they stand in the target
    afterwards, into the same table, all in place: no reading, no transforming, no id map, no checkpoint.
    """
    world = bench.world()
    expected = contents(world.full)
    samples = {name: {"session_elapsed": [], "peak_memory_kb": [], "servers_cpu_s": []} for name in (OURS, "bulk")}

    def ours(name, **settings):
        before = world.servers.cpu_seconds()
        with world.scratch(world.empty) as target, world.daemon(target, **{**bench.settings, **settings}) as daemon:
            with stopwatch() as wall:
                session = migrate(daemon, ORDERS)
            check(contents(target) == expected, "the load is not complete")
            check(("set aside until" in daemon.log()) == (name == "bulk"), "bulk mode is not as it was meant to be")
            samples[name]["peak_memory_kb"].append(peak_memory_kb(daemon))
            samples[name]["session_elapsed"].append(session["elapsed_ms"] / 1000)
        samples[name]["servers_cpu_s"].append(world.servers.cpu_seconds() - before)
        return wall[0]

    def copy():
        path = world.floor_file
        with world.scratch(world.empty) as target, target.connect() as connection:
            with stopwatch() as wall:
                connection.execute(f"COPY orders FROM '{path}' (FORMAT binary)")
            return wall[0]

    results = interleaved(bench.repeat, {
        OURS: lambda: ours(OURS, bulk_rows=0), "bulk": lambda: ours("bulk", bulk_rows=1), "COPY": copy})
    return [Line(
        f"{measure}, {bench.rows(world.orders)}", "s", results[name], Goal(ratio=1.5), "COPY", results["COPY"],
        max(samples[name]["peak_memory_kb"]), details=samples[name])
        for measure, name in (("initial load", OURS), ("initial load, bulk", "bulk"))]


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
                f"sweep, nothing changed of {bench.rows(world.orders)}", "s", results[OURS], Goal(ratio=1.5),
                "hash query", results["hash"], peak_memory_kb(daemon), details={"plain": results["plain"]})]


# --- changes ---

def changes(bench):
    """Finding and applying updates of some rows, against the upsert over postgres_fdw people write by hand.

    Both have a target of their own, so that each change is carried over by both.
    """
    seconds = 2 * bench.world().orders / 1_000_000
    shares = {0.01: None, 1: Goal(value=seconds, ratio=0.25), 10: None}
    if not bench.all:
        shares = {1: shares[1]}
    return [changes_of(bench, share, goal) for share, goal in shares.items()]


def changes_of(bench, share, goal):
    world = bench.world()
    details = {"changed_rows": [], "detect": [], "apply": []}
    with (world.scratch_legacy() as legacy, world.scratch(world.full) as target,
          world.scratch(world.full) as peer, peer.connect() as connection,
          world.daemon(target, legacy, **bench.settings) as daemon):
        world.make_foreign(peer, legacy)
        connection.execute(f"SET work_mem = '{UPSERT_WORK_MEMORY}'")

        def prepare(repetition):
            rows = max(round(world.orders * share / 100), 1)
            details["changed_rows"].append(legacy.sql(
                sql_file("changes.sql"), {"rows": rows, "orders": world.orders, "seed": repetition}))
            settle(legacy, target, peer)

        def ours():
            with stopwatch() as detecting:
                analysis = daemon.call("Detect", entities=ORDERS)["analysis"]
            with stopwatch() as applying:
                session = migrate(daemon, ORDERS, analysis=analysis["analysis"])
            check(session["total"] == details["changed_rows"][-1], "what was changed is not what was carried over")
            details["detect"] += detecting
            details["apply"] += applying
            return detecting[0] + applying[0]

        def upsert():
            with stopwatch() as wall:
                connection.execute(sql_file("upsert.sql"))
            return wall[0]

        results = interleaved(bench.repeat, {OURS: ours, "upsert": upsert}, prepare)
        check(contents(target) == contents(peer), "the upsert's target and ours differ")
        return Line(
            f"detect and apply {share:g}% of {bench.rows(world.orders)}", "s", results[OURS], goal,
            "postgres_fdw upsert", results["upsert"], peak_memory_kb(daemon), details=details)


# --- memory ---

def memory(bench):
    """The daemon's peak memory must not grow with the table."""
    return [memory_of(bench, bench.world(size)) for size in MEMORY_SIZES]


def memory_of(bench, world):
    with world.scratch(world.empty) as target, world.daemon(target, **bench.settings) as daemon:
        migrate(daemon, ORDERS)
        peak = peak_memory_kb(daemon)
    return Line(f"peak memory, initial load of {bench.rows(world.orders)}", "MB", [peak / 1024], Goal(value=64),
                peak_memory_kb=peak)


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


MEASURES = {
    "initial": initial_load,
    "sweep": sweep,
    "changes": changes,
    "memory": memory,
    "status": status,
    "clients": clients,
    "quiet": quiet_cycle,
    "isolation": isolation,
    "validation": validation,
    "rollback": rollback,
    "images": images,
    "clones": clones,
    "distance": distance,
    "growth": growth,
}
