"""Steady change: small transactions on the source at a fixed rate, and how soon after the last of them everything is in the target.

Ours looks every second, by the time of change, which has an index here. The peer is PostgreSQL's own logical replication into a table like
the source's: it gives no row a new key, rewrites no reference, and knows nothing afterwards of what it has carried. What both cost is the
processor time of both servers and the daemon, but for the backends of those who write and who look whether it is there.

Ours looks again at what is not older than `overlap`, ten minutes unless an entity says otherwise, so that a stream that goes on for long
costs more than these bursts.
"""

import contextlib
import time

from measured import OURS, check, interleaved
from processor import server_spent_ms, spent_ms
from report import Line
from world import contents, peak_memory_kb, settle, wait_until, wanted

TRANSACTIONS_A_SECOND = 100
UPDATES, INSERTS = 8, 2  # rows of a transaction
BURST_S = 4
BURSTS = 3               # of a repetition, so that they end at different points of a cycle
READY_S = 600
THERE_S = 120
LOOK_AGAIN_S = 0.002
REPLICATION = "logical replication, no remapping"

UPDATE = """
UPDATE dispatch_instruction
   SET status = (status + 1) %% 6,
       quantity = quantity %% 20 + 1,
       updated_at = clock_timestamp()
 WHERE id = ANY (%s)
RETURNING id, updated_at
"""

INSERT = """
INSERT INTO dispatch_instruction
SELECT new.id, s.patient_id, s.office_id, s.status, s.notes, s.price, s.quantity, s.due, clock_timestamp(), clock_timestamp(), s.is_rush
  FROM unnest(%s::bigint[], %s::bigint[]) AS new (id, like_id)
  JOIN dispatch_instruction AS s
    ON s.id = new.like_id
RETURNING id, updated_at
"""

# How many of these versions of rows are there.
THERE = """
SELECT count(*)
  FROM unnest(%s::bigint[], %s::timestamptz[]) AS wanted (key, at)
  JOIN {table} AS t
    ON t.{key} = wanted.key
   AND t.updated_at = wanted.at
"""


def steady(bench):
    world = bench.world()
    taken = {name: {"rows": [], "processor_ms": [], "seconds": []} for name in (OURS, REPLICATION)}
    memory = []

    def ours():
        with (world.scratch_legacy() as legacy, world.scratch(world.full) as target):
            make_ready(legacy)
            with world.daemon(target, legacy, schedule={"every": "1s", "sweep_every": "0"}, **bench.settings) as daemon:
                wait_until(lambda: has_settled(daemon), READY_S, lambda: f"cycles are quiet:\n{daemon.log()}")
                settle(target)
                delays = bursts(world, legacy, target, THERE.format(table="orders", key="legacy_instruction_id"), taken[OURS], daemon)
                memory.append(peak_memory_kb(daemon))
            check(contents(target) == wanted(legacy), "our target differs from what it should be")
            return delays

    def replication():
        with world.scratch_legacy() as legacy, world.scratch(world.nothing) as target:
            make_ready(legacy)
            with subscription(world, legacy, target):
                settle(target)
                delays = bursts(world, legacy, target, THERE.format(table="dispatch_instruction", key="id"), taken[REPLICATION])
                check(everything(legacy) == everything(target), "logical replication's target differs from the source")
            return delays

    results = {name: sum(delays, []) for name, delays in interleaved(bench.repeat, {OURS: ours, REPLICATION: replication}).items()}
    rate = TRANSACTIONS_A_SECOND * (UPDATES + INSERTS)
    slowest = min(rows / seconds for each in taken.values() for rows, seconds in zip(each["rows"], each["seconds"]))
    if slowest < 0.9 * rate:
        bench.note(f"`steady`: the machine was too busy to change {rate:,} rows/s, {slowest:,.0f} was the least")
    cost = {name: [spent / rows * 1000 for spent, rows in zip(each["processor_ms"], each["rows"])] for name, each in taken.items()}
    what = f"{rate:,} rows/s changed of {bench.rows(world.orders)} for {BURST_S} s"
    return [Line(f"{what}: until all is there", "ms", results[OURS], None, REPLICATION, results[REPLICATION], max(memory), details=taken),
            Line(f"{what}: processor time per 1,000", "ms", cost[OURS], None, REPLICATION, cost[REPLICATION], max(memory))]


def make_ready(legacy):
    legacy.sql("CREATE INDEX ON dispatch_instruction (updated_at)")
    settle(legacy)


def has_settled(daemon):
    last = daemon.call("Status")["cycles"]["last"]
    return last and last[0]["result"] == "quiet"


@contextlib.contextmanager
def subscription(world, legacy, target):
    """The table as the source has it, with what was there; gone again afterwards, with the slot."""
    target.sql("CREATE TABLE dispatch_instruction (id bigint PRIMARY KEY, patient_id bigint NOT NULL, office_id bigint NOT NULL,"
               " status integer NOT NULL, notes text, price numeric(10, 2) NOT NULL, quantity integer NOT NULL, due date,"
               " created_at timestamptz NOT NULL, updated_at timestamptz NOT NULL, is_rush boolean NOT NULL)")
    legacy.sql("CREATE PUBLICATION steady FOR TABLE dispatch_instruction")
    target.sql(f"CREATE SUBSCRIPTION steady CONNECTION '{legacy.conninfo}' PUBLICATION steady")
    try:
        wait_until(lambda: target.value("SELECT srsubstate FROM pg_subscription_rel") == "r", READY_S, "the subscription is in step")
        check(target.value("SELECT count(*) FROM dispatch_instruction") == world.orders, "the subscription's copy is not complete")
        yield
    finally:
        target.sql("DROP SUBSCRIPTION steady")


def everything(database):
    """Count and hash of a table like the source's."""
    return database.sql("SELECT count(*), sum(hashtextextended(d::text, 0)) FROM dispatch_instruction AS d")


# --- the stream ---

def bursts(world, legacy, target, there, taken, daemon=None):
    """Milliseconds from the last commit until everything is there, of each burst; adds to `taken` what it took."""
    delays = []
    with legacy.connect(autocommit=False) as writing, target.connect() as looking:
        stream = Stream(writing, world.orders)
        for _ in range(BURSTS):
            spent = spent_so_far(world, writing, looking, daemon)
            begun = time.monotonic()
            written = stream.run(BURST_S)
            committed = time.monotonic()
            delays.append((wait_until_there(looking, there, written) - committed) * 1000)
            taken["processor_ms"].append(spent_so_far(world, writing, looking, daemon) - spent)
            taken["rows"].append(stream.rows)
            taken["seconds"].append(committed - begun)
    return delays


def spent_so_far(world, writing, looking, daemon):
    servers = world.servers
    return (server_spent_ms(servers.source, without=[writing.info.backend_pid])
            + server_spent_ms(servers.target, without=[looking.info.backend_pid])
            + (spent_ms([daemon.pid]) if daemon else 0))


class Stream:
    """Transactions that follow each other at their rate, whatever each takes. Which rows they change follows from their number alone."""

    def __init__(self, connection, orders):
        self.connection, self.orders = connection, orders
        self.number = 0
        self.next_key = orders + 1
        self.rows = 0

    def run(self, seconds):
        """Key -> time of change of the rows as they are left; the last transaction's come last."""
        written, self.rows = {}, 0
        begun = time.monotonic()
        for transaction in range(seconds * TRANSACTIONS_A_SECOND):
            time.sleep(max(begun + transaction / TRANSACTIONS_A_SECOND - time.monotonic(), 0))
            for key, at in self.transaction():
                written.pop(key, None)
                written[key] = at
        return written

    def transaction(self):
        self.number += 1
        keys = [1 + (self.number * 7919 + row * 104729) % self.orders for row in range(UPDATES)]
        new = list(range(self.next_key, self.next_key + INSERTS))
        self.next_key += INSERTS
        rows = (self.connection.execute(UPDATE, [keys]).fetchall()
                + self.connection.execute(INSERT, [new, keys[:INSERTS]]).fetchall())
        self.connection.commit()
        self.rows += len(rows)
        return rows


def wait_until_there(connection, there, written):
    """When it was first seen to be all there: of the last row, which is cheap to ask for, and then of all."""
    keys, times = list(written), list(written.values())
    deadline = time.monotonic() + THERE_S
    while True:
        last_is_there = count(connection, there, keys[-1:], times[-1:])
        answered = time.monotonic()
        if last_is_there and count(connection, there, keys, times) == len(keys):
            return answered
        check(answered < deadline, f"after {THERE_S} s not everything is in the target")
        time.sleep(LOOK_AGAIN_S)


def count(connection, there, keys, times):
    return connection.execute(there, [keys, times]).fetchone()[0]
