"""How time grows with the table: an initial load and a sweep of it, at a tenth of the rows, at all of them, and, with --all, at ten times
as many. Draws growth.svg beside the JSON.
"""

import itertools
import math

from measured import check
from report import Goal, Line
from world import BUILD_DIR, ORDERS, migrate, peak_memory_kb, settle, stopwatch

PLOT = BUILD_DIR / "growth.svg"
GOAL = Goal(ratio=10.5)  # ten times the rows


def growth(bench):
    sizes = (0.1, 1, 10) if bench.all else (0.1, 1)
    points = {size: measure(bench, bench.world(size)) for size in sizes}
    write_plot([(bench.world(size).orders, point) for size, point in points.items()])
    return [Line(f"{what}, {bench.rows(bench.world(larger).orders)}", "s", points[larger][what], GOAL,
                 f"{bench.rows(bench.world(smaller).orders)}:", points[smaller][what], points[larger]["memory"])
            for smaller, larger in itertools.pairwise(sizes) for what in ("initial load", "sweep")]


def measure(bench, world):
    """Seconds of the loads and of a sweep after each, and the most memory."""
    point = {"initial load": [], "sweep": [], "memory": 0}
    for _ in range(bench.repeat):
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
    return point


# --- the plot: rows and seconds, both by powers of ten, so that what grows with the rows is a straight line of slope one ---

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 640, 400, 64, 140, 20, 48
COLOURS = {"initial load": "#1f6feb", "sweep": "#bf6a02"}


def middle(samples):
    return sorted(samples)[len(samples) // 2]


def powers(values):
    return range(math.floor(math.log10(min(values))), math.ceil(math.log10(max(values))) + 1)


def write_plot(points):
    rows = [orders for orders, _ in points]
    seconds = [middle(point[what]) for _, point in points for what in COLOURS]
    across, up = powers(rows), powers(seconds)

    def x(value):
        return LEFT + (WIDTH - LEFT - RIGHT) * (math.log10(value) - across[0]) / max(len(across) - 1, 1)

    def y(value):
        return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * (math.log10(value) - up[0]) / max(len(up) - 1, 1)

    shapes = [f'<line x1="{x(10**n):.1f}" x2="{x(10**n):.1f}" y1="{TOP}" y2="{HEIGHT - BOTTOM}" class="grid"/>'
              f'<text x="{x(10**n):.1f}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">{10**n:,}</text>' for n in across]
    shapes += [f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y(10**n):.1f}" y2="{y(10**n):.1f}" class="grid"/>'
               f'<text x="{LEFT - 8}" y="{y(10**n) + 4:.1f}" text-anchor="end">{10**n:g} s</text>' for n in up]
    for what, colour in COLOURS.items():
        at = [(x(orders), y(middle(point[what]))) for orders, point in points]
        path = " ".join(f"{px:.1f},{py:.1f}" for px, py in at)
        shapes.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        shapes += [f'<circle cx="{px:.1f}" cy="{py:.1f}" r="4" fill="{colour}"/>' for px, py in at]
        shapes.append(f'<text x="{at[-1][0] + 10:.1f}" y="{at[-1][1] + 4:.1f}" style="fill:{colour}">{what}</text>')
    shapes.append(f'<text x="{(LEFT + WIDTH - RIGHT) / 2}" y="{HEIGHT - 8}" text-anchor="middle">rows</text>')
    PLOT.parent.mkdir(parents=True, exist_ok=True)
    PLOT.write_text(f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
                    'aria-label="Seconds by rows, initial load and sweep">'
                    "<style>text{font:12px sans-serif;fill:#57606a}.grid{stroke:#d0d7de;stroke-width:1}</style>"
                    f'<rect width="100%" height="100%" fill="#fff"/>{"".join(shapes)}</svg>\n')
