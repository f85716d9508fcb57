"""Isolation: what a batch costs that holds bad rows, against batches without any, of the same session.

Batches follow each other on one lane; every other one has bad rows, and lasts from the end of the one before to its own.
"""

import contextlib
import tempfile

from report import Goal, Line
from world import HERE, READY_S, is_ready, peak_memory_kb, wait_until

from daemon import Daemon
from mapping import entity

BATCH = 10_000
GOAL = 5

# What makes a row bad: an UPDATE of the legacy row, which knows the table (i).
FAULTS = {
    "casts": "quantity = 'many'",
    "unique in the batch": "reference = 'R' || (id - 1)",
    "unique in the target": "reference = 'R' || (1 + (id - 1) % 10000)",
    "checks": "price = -price",
    "too long": "reference = repeat('x', 41)",
    "nulls": "kind = NULL",
    "triggers": "notes = 'refuse me'",
}
KINDS = [*FAULTS, "a mix"]

ENTITIES = [
    entity("office", {"name": "name"}),
    entity("doctor", {"name": "name", "office_id": {"references": "office", "from": "office_id"}}),
    entity("patient", {"name": "name", "doctor_id": {"references": "doctor", "from": "doctor_id"},
                       "office_id": {"references": "office", "from": "office_id"}}),
    entity("instruction", {
        "patient_id": {"references": "patient", "from": "patient_id"},
        "doctor_id": {"references": "doctor", "from": "doctor_id"},
        "office_id": {"references": "office", "from": "office_id"},
        "status": {"from": "status", "values": {"0": "draft", "1": "sent", "2": "accepted"}},
        "total": {"sql": "price * 2"},
        **{name: name for name in ("reference", "quantity", "due", "kind", "notes", "created_at")}}),
]


def isolation(bench):
    """Ten bad rows of ten thousand, by what is wrong with them; and, with --all, a thousand, and all."""
    lines = [measure(bench, kind, 10, Goal(ratio=GOAL)) for kind in KINDS]
    worst = max(lines, key=lambda line: line.ratio)
    worst.in_readme, worst.measure = True, f"{worst.measure}, the worst of {len(KINDS)} kinds"
    if bench.all:
        lines += [measure(bench, kind, bad, None) for bad in (1000, BATCH) for kind in KINDS
                  if bad < BATCH or kind in FAULTS and kind != "unique in the batch"]
    return lines


def measure(bench, kind, bad, goal):
    """One clean batch to warm up, then a bad one and a clean one in turns."""
    batches = 1 + 2 * (bench.repeat if bad < BATCH else 1)
    with world(bench, kind, bad, batches) as (legacy, modern, daemon):
        session = daemon.call("Migrate", entities=["instruction"], parallel=1)["session"]
        for frame in daemon.stream("Watch", session=session, interval_ms=500):
            last = frame["session"]
        failed = bad * (batches // 2)
        if last["state"] != "completed" or last["failed"] != failed:
            raise RuntimeError(f"{kind}: {last['state']}, {last['failed']} failed instead of {failed}\n{daemon.log()}")
        times = [float(seconds) for (seconds,) in modern.sql("""
            SELECT extract(epoch FROM finished_at - lag(finished_at) OVER (ORDER BY number))
              FROM migrated.batch
             WHERE session = %s
               AND inserted + failed > 0
             ORDER BY number
            OFFSET 1""", [session])]
        return Line(f"{bad:,} bad rows of {BATCH:,}: {kind}", "s", times[0::2], goal, "clean batch", times[1::2],
                    peak_memory_kb(daemon), in_readme=False)


@contextlib.contextmanager
def world(bench, kind, bad, batches):
    """Both databases and the daemon between them; what is referred to has been carried over."""
    world.number = getattr(world, "number", 0) + 1
    servers = bench.servers
    legacy = servers.source.create_database(f"isolation_{world.number}")
    modern = servers.target.create_database(f"isolation_{world.number}")
    try:
        legacy.script(HERE / "isolation.sql", side="legacy")
        modern.script(HERE / "isolation.sql", side="modern")
        fill(legacy, kind, bad, batches)
        with tempfile.TemporaryDirectory() as directory:
            daemon = Daemon(directory, source=legacy.conninfo, target=modern.conninfo, entities=ENTITIES,
                            settings={"batch_size": BATCH, "batch_time": 0, **bench.settings})
            daemon.config["breakers"] = {"error_rate": 0}
            daemon.write_config()
            try:
                daemon.start()
                wait_until(lambda: is_ready(daemon), READY_S, "migrated has reached both databases")
                list(daemon.stream("Watch", session=daemon.call(
                    "Migrate", entities=["office", "doctor", "patient"])["session"], interval_ms=500))
                modern.sql("VACUUM (ANALYZE)")
                yield legacy, modern, daemon
                daemon.stop()
            finally:
                daemon.dispose()
    finally:
        legacy.drop()
        modern.drop()


def fill(legacy, kind, bad, batches):
    legacy.sql(f"""
        INSERT INTO instruction
        SELECT i, 1 + i * 7 % 10000, 1 + i % 200, 1 + i % 50, i % 3, 'R' || i, 1 + i % 20, 10 + i % 1000, '2024-02-29',
               (ARRAY['crown', 'bridge', 'aligner'])[1 + i % 3], md5(i::text), now()
          FROM generate_series(1, {BATCH * batches}) AS i""")
    faults = list(FAULTS.values()) if kind == "a mix" else [FAULTS[kind]]
    every = BATCH // bad
    for number, fault in enumerate(faults):
        legacy.sql(f"""
            UPDATE instruction
               SET {fault}
             WHERE (id - 1) / {BATCH} % 2 = 1
               AND id % {every} = {every // 2}
               AND id / {every} % {len(faults)} = {number}""")
    legacy.sql("VACUUM (ANALYZE)")
