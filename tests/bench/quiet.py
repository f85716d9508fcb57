"""The quiet cycle: what it costs to find that nothing has changed in the whole clinic, 25 entities.

Measured twice: with a source that stands still, so that there is nothing to ask it; and with one in which others
write all the time to a table that is not mapped, so that each table has to be asked whether it was meant.
"""

import contextlib
import sys
import tempfile
import time

from processor import spent_ms
from report import Goal, Line
from world import HERE, READY_S, is_ready, peak_memory_kb, wait_until

from daemon import CLINIC_ENTITIES, Daemon

CLINIC = HERE.parent / "clinic"
CLINIC_SCALE = 100  # 2M rows
CYCLES = 10         # as many as the daemon remembers
LOAD_S = 3600
CYCLES_S = 120
PAUSE_S = 0.7       # often enough to see each cycle, seldom enough that asking does not count
GOAL_MS = 30


def quiet_cycle(bench):
    scale = CLINIC_SCALE * bench.scale
    say(f"filling the clinic at scale {scale:g}")
    legacy = bench.servers.source.create_database("bench_clinic_legacy")
    legacy.script(CLINIC / "legacy.sql")
    legacy.script(CLINIC / "generate.sql", scale=scale, seed=42, clean=0)
    legacy.sql("CREATE TABLE unmapped (at timestamptz)")
    legacy.sql("VACUUM (FREEZE, ANALYZE)")
    modern = bench.servers.target.create_database("bench_clinic_modern")
    modern.script(CLINIC / "modern.sql")
    rows = legacy.value("SELECT sum(n_live_tup)::bigint FROM pg_stat_user_tables")
    with cycling_daemon(bench, legacy, modern) as daemon:
        wait_until_loaded(daemon, modern)
        peak = peak_memory_kb(daemon)
    with cycling_daemon(bench, legacy, modern) as daemon:
        lines = [line
                 for others_write in (False, True)
                 for line in measure(daemon, legacy, modern, others_write, bench.rows(rows), peak)]
    legacy.drop()
    modern.drop()
    return lines


@contextlib.contextmanager
def cycling_daemon(bench, legacy, modern):
    with tempfile.TemporaryDirectory() as directory:
        daemon = Daemon(directory, source=legacy.conninfo, target=modern.conninfo, entities=CLINIC_ENTITIES,
                        settings=bench.settings)
        daemon.config["schedule"] = {"every": "1s", "sweep_every": "0"}
        daemon.write_config()
        try:
            daemon.start()
            wait_until(lambda: is_ready(daemon), READY_S, "migrated has reached both databases")
            yield daemon
            daemon.stop()
        finally:
            daemon.dispose()


def cycles(daemon):
    return daemon.call("Status")["cycles"]["last"]


def wait_until_loaded(daemon, modern):
    """The first cycle is the initial load; then it is looked once more at what came meanwhile."""
    wait_until(lambda: any(cycle["result"] == "quiet" for cycle in cycles(daemon)), LOAD_S,
               lambda: f"the clinic is loaded:\n{daemon.log()}")
    modern.sql("VACUUM (ANALYZE)")


def measure(daemon, legacy, modern, others_write, rows, peak):
    """Ten cycles that follow each other, and the processor time that daemon and servers spent on them."""
    if others_write:
        legacy.sql("INSERT INTO unmapped VALUES (now())")
    wait_until(lambda: settled(daemon), CYCLES_S, lambda: f"cycles are quiet: {cycles(daemon)}")
    processes = {"daemon": [daemon.pid], "servers": backends(legacy, modern)}
    before, first = {name: spent_ms(pids) for name, pids in processes.items()}, cycles(daemon)[0]["started"]
    seen = set()
    while len(seen) < CYCLES:
        if others_write:
            legacy.sql("INSERT INTO unmapped VALUES (now())")
        time.sleep(PAUSE_S)
        seen.update(cycle["started"] for cycle in cycles(daemon) if cycle["started"] > first)
    spent = {name: (spent_ms(pids) - before[name]) / len(seen) for name, pids in processes.items()}
    last = cycles(daemon)
    if not settled(daemon):
        raise RuntimeError(f"not all cycles were quiet: {last}")
    what = "others write" if others_write else "source at rest"
    peak = max(peak, peak_memory_kb(daemon))
    return [
        Line(f"quiet cycle, {rows}, {what}", "ms", [cycle["elapsed_ms"] for cycle in last], Goal(value=GOAL_MS),
             peak_memory_kb=peak),
        Line(f"  servers' processor time, {what}", "ms", [spent["servers"]], peak_memory_kb=peak, in_readme=False),
        Line(f"  daemon's processor time, {what}", "ms", [spent["daemon"]], peak_memory_kb=peak, in_readme=False),
    ]


def settled(daemon):
    """All that are remembered were quiet."""
    last = cycles(daemon)
    return len(last) == CYCLES and all(cycle["result"] == "quiet" for cycle in last)


def backends(*databases):
    return [pid for database in databases for (pid,) in database.sql(
        "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'migrated'")]


def say(text):
    print(text, file=sys.stderr, flush=True)
