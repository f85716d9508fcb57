"""How time grows with the table: an initial load and a sweep of it, at a tenth of the rows, at all of them, and, with --all, at ten times
as many, once. The largest databases are made last and are gone as soon as they have been measured, for the sake of the disk.
"""

import itertools
import statistics

from measured import check
from report import Goal, Line
from world import ORDERS, migrate, peak_memory_kb, settle, stopwatch

GOAL = Goal(ratio=10.5)  # ten times the rows
LARGE = 10
KINDS = ("initial load", "sweep")


def growth(bench):
    sizes = (0.1, 1, LARGE) if bench.all else (0.1, 1)
    points = {size: measure(bench, size) for size in sizes}
    for what in KINDS:
        bench.curves[what] = [[point["rows"], statistics.median(point[what])] for point in points.values()]
    return [line(bench, what, points[larger], points[smaller], larger, in_readme=larger == sizes[-1])
            for smaller, larger in itertools.pairwise(sizes) for what in KINDS]


def line(bench, what, larger, smaller, size, in_readme):
    once = ", measured once" if size == LARGE and bench.repeat > 1 else ""
    return Line(f"growth: {what}, {bench.rows(larger['rows'])}{once}", "s", larger[what], GOAL, bench.rows(smaller["rows"]), smaller[what],
                larger["memory"], details={"kilobytes_on_disk": [larger["kilobytes"]]}, in_readme=in_readme)


def measure(bench, size):
    """Seconds of the loads and of a sweep after each, and the most memory."""
    world = bench.world(size)
    point = {"rows": world.orders, "initial load": [], "sweep": [], "memory": 0}
    for _ in range(1 if size == LARGE else bench.repeat):
        with world.scratch(world.empty) as target, world.daemon(target, **bench.settings) as daemon:
            with stopwatch() as wall:
                migrate(daemon, ORDERS)
            point["initial load"] += wall
            settle(target)
            with stopwatch() as wall:
                found = daemon.call("Detect", entities=ORDERS)["analysis"]
            check(found["rows"] == world.orders, "the sweep has not seen all rows")
            point["sweep"] += wall
            point["memory"] = max(point["memory"], peak_memory_kb(daemon))
            point["kilobytes"] = bench.servers.disk_kilobytes()
    bench.forget(size)
    return point
