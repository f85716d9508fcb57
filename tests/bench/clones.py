"""Whole databases: everything of the legacy database into an empty target, against those who copy databases for a living.

Neither peer gives rows new keys, rewrites a reference, or knows afterwards what it has copied; they make tables, rows, keys, indexes and
foreign keys like the source's, and ours are the modern schema's. All are timed from the empty database on, so with the making of tables and
the start of programs. A peer that is not installed (Debian: pgcopydb, pgloader) is left out, which the report says.
"""

import contextlib
import shutil
import subprocess
import tempfile

from measured import OURS, check, interleaved
from report import Goal, Line
from world import HERE, ORDERS, PARENTS, migrate, peak_memory_kb, stopwatch

PEERS = {name: f"{name}, no remapping" for name in ("pgcopydb", "pgloader")}
GOALS = {"pgcopydb": Goal(ratio=1.5), "pgloader": Goal(ratio=0.5)}


def clones(bench):
    world = bench.world()
    memory = []

    def ours():
        with empty(world) as target, contextlib.ExitStack() as stack:
            with stopwatch() as wall:
                target.script(HERE / "modern.sql")
                daemon = stack.enter_context(world.daemon(target, **bench.settings))
                migrate(daemon, PARENTS + ORDERS)
            memory.append(peak_memory_kb(daemon))
            check(target.value("SELECT count(*) FROM orders") == world.orders, "the load is not complete")
            return wall[0]

    def peer(run):
        with empty(world) as target, tempfile.TemporaryDirectory() as directory:
            with stopwatch() as wall:
                run(world.legacy, target, directory)
            check(target.value("SELECT count(*) FROM dispatch_instruction") == world.orders, "the copy is not complete")
            return wall[0]

    runs = {"pgcopydb": pgcopydb, "pgloader": pgloader}
    there = [name for name in runs if shutil.which(name)]
    for name in sorted(runs.keys() - there):
        bench.note(f"{name} is not installed, so it is left out")
    results = interleaved(bench.repeat, {OURS: ours, **{name: (lambda name=name: peer(runs[name])) for name in there}})
    rows = sum(world.legacy.value(f"SELECT count(*) FROM {table}") for table in ("office", "patient", "dispatch_instruction"))
    return [Line(f"everything into an empty database, {bench.rows(rows)}", "s", results[OURS], GOALS.get(name), PEERS.get(name),
                 results.get(name, []), max(memory))
            for name in there or [None]]


def empty(world):
    return world.scratch(world.nothing)


def pgcopydb(legacy, target, directory):
    quietly("pgcopydb", "clone", "--dir", f"{directory}/work", "--not-consistent", "--skip-large-objects", "--no-owner", "--no-acl",
            "--source", legacy.conninfo, "--target", target.conninfo)


def pgloader(legacy, target, directory):
    command = f"{directory}/command.load"
    with open(command, "w", encoding="utf-8") as file:
        file.write(f"LOAD DATABASE FROM {uri(legacy)} INTO {uri(target)}\n"
                   "WITH include drop, create tables, create indexes, foreign keys,"
                   " prefetch rows = 10000;\n")  # with more its heap of 1 GB runs full now and then
    quietly("pgloader", command)


def uri(database):
    server = database.server
    return f"pgsql://postgres@unix:{server.servers.directory}:{server.port}/{database.name}"


def quietly(*command):
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    check(result.returncode == 0, f"{command[0]} failed:\n{result.stdout}{result.stderr}")
