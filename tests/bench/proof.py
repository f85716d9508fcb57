"""What proof costs: comparing every value, undoing a load, keeping what a change replaces.

Each is held against what it cannot be quicker than, or what it is to be no dearer than, measured in turns with it in the same run.
"""

from measured import OURS, check, interleaved, say_rows, sql_file
from report import Goal, Line
from world import ORDERS, contents, migrate, peak_memory_kb, settle, stopwatch

CHANGED_PERCENT = 1
WATCH_INTERVAL_MS = 200
BLOCK = 1 << 20


# --- validation ---

def validation(bench):
    """Every value of the orders compared, against COPY of the same rows, as a batch reads them, into a stage."""
    world = bench.world()
    with world.scratch(world.full) as target, world.daemon(target, **bench.settings) as daemon:
        settle(world.legacy, target)
        read, stage = read_and_stage(daemon)

        def ours():
            with stopwatch() as wall:
                ended = validate(daemon)
            check(ended["rows"] == world.orders and ended["differences"] == 0, f"the validation found {ended}")
            return wall[0]

        def copy():
            with world.legacy.connect() as source, target.connect(autocommit=False) as connection, stopwatch() as wall:
                check(copy_through(source, read, connection, stage) > 0, "nothing was copied")
            return wall[0]

        def plain():
            with world.legacy.connect() as source, target.connect(autocommit=False) as connection, stopwatch() as wall:
                copy_through(source, "COPY dispatch_instruction TO STDOUT (FORMAT binary)", connection, PLAIN_STAGE)
            return wall[0]

        results = interleaved(bench.repeat, {OURS: ours, "COPY": copy, "plain": plain})
        return [Line(f"validation of all values, {say_rows(world.orders)}", "s", results[OURS], Goal(ratio=2),
                     "COPY out and stage", results["COPY"], peak_memory_kb(daemon), details={"plain_copy": results["plain"]})]


# The columns of dispatch_instruction as they stand.
PLAIN_STAGE = """CREATE TEMPORARY TABLE plain (id bigint, patient_id bigint, office_id bigint, status integer, notes text, price numeric(10, 2),
                     quantity integer, due date, created_at timestamptz, updated_at timestamptz, is_rush boolean) ON COMMIT DELETE ROWS;
                 COPY plain FROM STDIN (FORMAT binary)"""


def read_and_stage(daemon):
    """The batch's own statements for all rows of the orders: COPY out, and COPY into a stage like its own."""
    statements = {statement["step"]: statement["sql"] for statement in daemon.call("Plan", sql="orders")["statements"]}
    stage = statements["stage"]
    return statements["read"].rstrip().rstrip(";"), stage[stage.index("CREATE TEMPORARY TABLE"):].rstrip().rstrip(";")


def copy_through(source, read, target, stage):
    """Bytes that went from one COPY to the other, in a transaction that is rolled back."""
    *before, copy_in = stage.split(";\n")
    count = 0
    for statement in before:
        target.execute(statement)
    with source.cursor().copy(read) as outgoing, target.cursor().copy(copy_in) as incoming:
        for block in outgoing:
            incoming.write(block)
            count += len(block)
    target.rollback()
    return count


def validate(daemon):
    """A validation of the orders' values to its end; what it says of them."""
    for frame in daemon.stream("Validate", entities=ORDERS, checks=["values"]):
        last = frame["validation"]
    check(last["state"] == "completed", f"the validation is {last['state']}: {last}")
    return last["checks"][0]


# --- rollback ---

def rollback(bench):
    """Undoing an initial load of the orders, against the load that it undoes."""
    world = bench.world()
    loads, undone, memory = [], [], []
    for _ in range(bench.repeat):
        with world.scratch(world.empty) as target, world.daemon(target, **bench.settings) as daemon:
            with stopwatch() as wall:
                session = migrate(daemon, ORDERS)
            check(target.value("SELECT count(*) FROM orders") == world.orders, "the load is not complete")
            loads += wall
            with stopwatch() as wall:
                roll_back(daemon, session["session"])
            check(target.value("SELECT (SELECT count(*) FROM orders) + (SELECT count(*) FROM migrated.id_map_orders)") == 0,
                  "the rollback is not complete")
            undone += wall
            memory.append(peak_memory_kb(daemon))
    return [Line(f"rollback of an initial load, {say_rows(world.orders)}", "s", undone, Goal(ratio=1), "the load", loads, max(memory),
                 details={"peak_memory_kb": memory})]


def roll_back(daemon, session):
    undoing = daemon.call("Rollback", session=session)["session"]
    for frame in daemon.stream("Watch", session=undoing, interval_ms=WATCH_INTERVAL_MS):
        last = frame["session"]
    check(last["state"] == "completed", f"the rollback is {last['state']}: {last['reason']}")


# --- before-images ---

def images(bench):
    """A differential with before-images, against one without, each into a target of its own."""
    world = bench.world()
    rows = max(round(world.orders * CHANGED_PERCENT / 100), 1)
    apply = {OURS: [], "without": []}
    with (world.scratch_legacy() as legacy, world.scratch(world.full) as target, world.scratch(world.full) as other,
          world.daemon(target, legacy, **{**bench.settings, "before_images": True}) as daemon,
          world.daemon(other, legacy, **{**bench.settings, "before_images": False}) as without):

        def prepare(repetition):
            legacy.sql(sql_file("changes.sql"), {"rows": rows, "orders": world.orders, "seed": repetition})
            settle(legacy, target, other)

        def differential(name, daemon):
            with stopwatch() as wall:
                analysis = daemon.call("Detect", entities=ORDERS)["analysis"]
                with stopwatch() as applying:
                    session = migrate(daemon, ORDERS, analysis=analysis["analysis"])
            check(session["total"] > 0, "nothing was changed")
            apply[name] += applying
            return wall[0]

        results = interleaved(bench.repeat, {OURS: lambda: differential(OURS, daemon),
                                             "without": lambda: differential("without", without)}, prepare)
        check(contents(target) == contents(other), "the two targets differ")
        kept = target.value("SELECT count(*) FROM migrated.before_image")
        check(kept >= rows * bench.repeat * 0.9, f"only {kept} images were kept")
        check(other.value("SELECT count(*) FROM migrated.before_image") == 0, "images were kept that nobody wanted")
        peak = peak_memory_kb(daemon)
    what = f"{CHANGED_PERCENT}% of {say_rows(world.orders)}"
    return [Line(f"detect and apply {what}, with before-images", "s", results[OURS], Goal(ratio=1.3), "without", results["without"], peak,
                 details={"changed_rows": [rows], "images": [kept]}),
            Line(f"  apply {what}, with before-images", "s", apply[OURS], Goal(ratio=1.3), "without", apply["without"], peak, in_readme=False)]
