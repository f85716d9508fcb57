"""What PostgreSQL does for a statement of ours, as it says itself: nothing that takes the square of a batch's rows, however wrong its estimates are.

Of what has just been staged or found the planner has no statistics, and takes it for a row or for hundreds.
"""

import re

import pytest

from mapping import PLAIN_SOURCE, PLAIN_TARGET, entity, same_things

ROWS = 2000
CHANGED = 300

EXPLAINING = {"session_preload_libraries": "auto_explain", "auto_explain.log_min_duration": 0, "auto_explain.log_analyze": "on",
              "auto_explain.log_timing": "off", "auto_explain.log_nested_statements": "on"}

# What holds as many rows as a batch or an entity, and has no index that the scan uses.
SCAN_OF_MANY = re.compile(r"(?:CTE Scan|Seq Scan on (?:stage_|sweep_|seen_|id_map_|things)).*actual rows=(\d+) loops=(\d+)")


@pytest.fixture
def explained(pair):
    """A loaded world whose target tells all its plans from then on; plans() are those of what is then done."""
    def make(mapping):
        world = pair(PLAIN_SOURCE, PLAIN_TARGET, mapping)
        world.source_sql("INSERT INTO things SELECT i, 'as it was' FROM generate_series(1, %s) AS i", [ROWS])
        world.source_sql("ANALYZE things")
        world.migrate()
        for name, value in EXPLAINING.items():
            world.target_sql(f"ALTER DATABASE \"{world.target.name}\" SET {name} = '{value}'")
        world.daemon.restart()
        return world

    return make


def plans(world, act):
    """What the target tells of the plans of what is done meanwhile."""
    log = world.target.server.log_file
    start = log.stat().st_size
    act()
    with open(log, errors="replace") as lines:
        lines.seek(start)
        return lines.read()


@pytest.mark.parametrize("on_delete", ["delete", "ignore", {"mark": {"value": "gone"}}], ids=["delete", "ignore", "mark"])
def test_nothing_is_compared_each_with_each(explained, on_delete):
    world = explained(entity("things", {"value": "value"}, on_delete=on_delete))
    world.source_sql("UPDATE things SET value = 'changed' WHERE id <= %s", [CHANGED])
    world.source_sql("DELETE FROM things WHERE id > %s", [ROWS - CHANGED])
    world.source_sql("INSERT INTO things SELECT i, 'new' FROM generate_series(%s::integer, %s) AS i", [ROWS + 1, ROWS + CHANGED])
    told = plans(world, world.migrate)
    scans = [(line.strip(), int(rows), int(loops)) for line in told.splitlines() for rows, loops in SCAN_OF_MANY.findall(line)]
    assert any(rows >= CHANGED for _, rows, _ in scans), "the target has told no plan of a batch"
    assert not [line for line, rows, loops in scans if rows * loops > 20 * ROWS]
    if on_delete == "delete":
        same_things(world)


def test_a_sweep_asks_the_id_map_by_its_index_for_what_differs(explained):
    world = explained(entity("things", {"value": "value"}))
    world.source_sql("UPDATE things SET value = 'changed' WHERE id IN (7, 700)")
    filling = [plan for plan in plans(world, world.detect).split("LOG:  duration") if "Insert on seen_things" in plan]
    assert any("id_map_things_pkey" in plan for plan in filling)
    assert not any("Seq Scan on id_map_things" in plan for plan in filling)
