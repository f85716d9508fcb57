"""What distance costs: the same initial load with both servers 50 ms away (there and back), and without.

Both go through the same proxies, so that what a proxy costs is in neither's favour; how it is without any stands in a line of its own.
"""

import contextlib

from measured import OURS, check, interleaved
from report import Goal, Line
from world import ORDERS, contents, migrate, peak_memory_kb, stopwatch, wanted

from proxy import proxy_for

ROUND_TRIP_S = 0.05
GOAL = Goal(ratio=1 / 0.8)  # 0.8 of the local rate


@contextlib.contextmanager
def proxies_of(servers):
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(contextlib.closing(proxy_for(server, unix=True, messages=False))) for server in (servers.source, servers.target)]


def distance(bench):
    world = bench.world()
    expected = wanted(world.legacy)
    memory = []

    def load(proxies, round_trip=0):
        for proxy in proxies or []:
            proxy.to_server.latency = proxy.to_client.latency = round_trip / 2
        with world.scratch(world.empty) as target, world.daemon(target, proxies=proxies, **bench.settings) as daemon:
            with stopwatch() as wall:
                migrate(daemon, ORDERS)
            check(contents(target) == expected, "the load is not complete")
            memory.append(peak_memory_kb(daemon))
            return wall[0]

    with proxies_of(bench.servers) as proxies:
        results = interleaved(bench.repeat, {
            OURS: lambda: load(proxies, ROUND_TRIP_S), "near": lambda: load(proxies), "direct": lambda: load(None)})
    what = f"initial load, {bench.rows(world.orders)}, both servers {ROUND_TRIP_S * 1000:g} ms away"
    return [Line(what, "s", results[OURS], GOAL, "without distance", results["near"], max(memory)),
            Line("  the same", "s", results[OURS], None, "without distance or proxy", results["direct"], max(memory), in_readme=False)]
