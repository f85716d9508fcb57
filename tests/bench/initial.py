"""The orders into a table with its keys, indexes and constraints; the parents are there already. Once with all of them in place, once in
bulk mode, which sets some aside.

The floor is the server's own COPY of a binary file, which holds these rows as they stand in the target afterwards, into the same table,
all in place: no reading, no transforming, no id map, no checkpoint. The peer is what people write by hand: INSERT … SELECT over
postgres_fdw, with joins for the references; it too leaves nothing behind that knows what was carried over.
"""

from measured import OURS, check, interleaved, sql_file
from processor import Account
from report import Goal, Line
from world import ORDERS, contents, migrate, peak_memory_kb, stopwatch, wanted

# As much as the daemon's own work_memory.
WORK_MEMORY = "64MB"


def initial_load(bench):
    world = bench.world()
    expected = wanted(world.legacy)
    samples = {name: {"session_elapsed": [], "peak_memory_kb": []} for name in (OURS, "bulk")}
    accounts = {name: Account(bench.servers) for name in (OURS, "bulk", "COPY", "insert")}

    def ours(name, **settings):
        with world.scratch(world.empty) as target, world.daemon(target, **{**bench.settings, **settings}) as daemon:
            with accounts[name].of(daemon), stopwatch() as wall:
                session = migrate(daemon, ORDERS)
            check(contents(target) == expected, "the load is not complete")
            check(("set aside until" in daemon.log()) == (name == "bulk"), "bulk mode is not as it was meant to be")
            samples[name]["peak_memory_kb"].append(peak_memory_kb(daemon))
            samples[name]["session_elapsed"].append(session["elapsed_ms"] / 1000)
        return wall[0]

    def copy():
        path = world.floor_file
        with world.scratch(world.empty) as target, target.connect() as connection:
            with accounts["COPY"].of(), stopwatch() as wall:
                connection.execute(f"COPY orders FROM '{path}' (FORMAT binary)")
            return wall[0]

    def insert():
        with world.scratch(world.empty) as target, target.connect() as connection:
            world.make_foreign(target, world.legacy)
            connection.execute(f"SET work_mem = '{WORK_MEMORY}'")
            with accounts["insert"].of(), stopwatch() as wall:
                connection.execute(sql_file("insert.sql"))
            check(contents(target) == expected, "the hand-written load is not complete")
            return wall[0]

    results = interleaved(bench.repeat, {
        OURS: lambda: ours(OURS, bulk_rows=0), "bulk": lambda: ours("bulk", bulk_rows=1), "COPY": copy, "insert": insert})

    def line(measure, name, goal, peer, key):
        return Line(f"{measure}, {bench.rows(world.orders)}", "s", results[name], goal, peer, results[key],
                    max(samples[name]["peak_memory_kb"]), details=samples[name])

    def cost(name, peer, key):
        return Line("  its processor time, servers and daemon", "s", accounts[name].totals(), None, peer, accounts[key].totals(),
                    max(samples[name]["peak_memory_kb"]), details=accounts[name].details(), in_readme=False)

    copied, inserted = ("COPY of the finished rows", "COPY"), ("postgres_fdw INSERT … SELECT", "insert")
    return [line("initial load, constraints in place", OURS, Goal(ratio=1.15), *copied),
            line("initial load, constraints in place", OURS, None, *inserted),
            cost(OURS, *copied), cost(OURS, *inserted),
            line("initial load, bulk mode", "bulk", None, *copied),
            line("initial load, bulk mode", "bulk", None, *inserted),
            cost("bulk", *copied)]
