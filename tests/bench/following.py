"""Finding and applying what was changed or deleted meanwhile, against what people write by hand over postgres_fdw.

Both have a target of their own, so that each change is carried over by both, and both must hold the same in the end.
"""

import contextlib

from initial import WORK_MEMORY
from measured import OURS, check, interleaved, sql_file
from processor import Account
from report import Goal, Line
from world import ORDERS, contents, migrate, peak_memory_kb, settle, stopwatch, wanted

GOAL = Goal(ratio=0.15)
DELETED_PERCENT = 1


def changes(bench):
    """Updates of 1 % of the rows; with --all, of more and of fewer."""
    return [line for share, goal in ((0.01, None), (1, GOAL), (10, None)) if bench.all or goal for line in changes_of(bench, share, goal)]


def changes_of(bench, share, goal):
    return following(bench, f"detect and apply {share:g}% of", "postgres_fdw upsert", "upsert.sql", share, "changes.sql", goal)


def deletes(bench):
    """A sweep finds 1 % of the rows gone, which are deleted in the target."""
    return following(bench, f"detect and delete {DELETED_PERCENT}% of", "postgres_fdw DELETE … NOT EXISTS", "delete.sql",
                     DELETED_PERCENT, "deletions.sql", on_delete="delete")


def following(bench, what, peer_name, by_hand, share, happening, goal=None, on_delete=None):
    """`happening` does something to a share of the source's rows, and `by_hand` is what carries it over without us."""
    world = bench.world()
    details = {"changed_rows": [], "detect": [], "apply": []}
    account, by_hands = Account(bench.servers), Account(bench.servers)
    with both_targets(bench, world, on_delete) as (legacy, target, peer, connection, daemon):

        def prepare(repetition):
            rows = max(round(world.orders * share / 100), 1)
            details["changed_rows"].append(legacy.sql(
                sql_file(happening), {"rows": rows, "orders": world.orders, "seed": repetition}))
            settle(legacy, target, peer)

        def ours():
            with account.of(daemon):
                with stopwatch() as detecting:
                    analysis = daemon.call("Detect", entities=ORDERS)["analysis"]
                with stopwatch() as applying:
                    session = migrate(daemon, ORDERS, analysis=analysis["analysis"])
            check(session["total"] == details["changed_rows"][-1], "what was changed is not what was carried over")
            details["detect"] += detecting
            details["apply"] += applying
            return detecting[0] + applying[0]

        def hand():
            with by_hands.of(), stopwatch() as wall:
                connection.execute(sql_file(by_hand))
            return wall[0]

        results = interleaved(bench.repeat, {OURS: ours, peer_name: hand}, prepare)
        check(contents(target) == wanted(legacy), "our target differs from what it should be")
        check(contents(peer) == wanted(legacy), f"the target of {peer_name} differs from what it should be")
        peak = peak_memory_kb(daemon)
        return [Line(f"{what} {bench.rows(world.orders)}", "s", results[OURS], goal, peer_name, results[peer_name], peak, details=details),
                Line("  its processor time, servers and daemon", "s", account.totals(), None, peer_name, by_hands.totals(), peak,
                     details=account.details(), in_readme=False)]


@contextlib.contextmanager
def both_targets(bench, world, on_delete):
    with (world.scratch_legacy() as legacy, world.scratch(world.full) as target,
          world.scratch(world.full) as peer, peer.connect() as connection,
          world.daemon(target, legacy, on_delete=on_delete, **bench.settings) as daemon):
        world.make_foreign(peer, legacy)
        connection.execute(f"SET work_mem = '{WORK_MEMORY}'")
        yield legacy, target, peer, connection, daemon
