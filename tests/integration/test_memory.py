"""The daemon's memory does not grow with a table."""

import pathlib
import re
import time

import pytest

from databases import Databases
from mapping import Pair, entity
from sessions import held, migrate, start_migration, wait_until_blocked, wait_until_ended
from waiting import SLOWNESS, wait_until

pytestmark = pytest.mark.skipif(SLOWNESS > 1, reason="a sanitizer keeps what was freed")

LIMIT_KB = 64 * 1024
ALIKE_KB = 8 * 1024


def high_water_kb(daemon):
    status = pathlib.Path(f"/proc/{daemon.pid}/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1])


def memory_of_migrating(databases, start_daemon, rows, **parameters):
    """(resident memory afterwards, its peak) of a load, then of changes to half of the rows, then of a --full."""
    pair = Pair(
        databases, start_daemon,
        f"""CREATE TABLE things (id bigint PRIMARY KEY, parent bigint, a text, b text, c numeric, d timestamptz);
            INSERT INTO things SELECT i, nullif(i / 2, 0), repeat('x', 80), md5(i::text), i / 7.0, now()
              FROM generate_series(1, {rows}) AS i; ANALYZE things""",
        """CREATE TABLE things (id uuid PRIMARY KEY, legacy_id bigint UNIQUE, parent uuid, a text, b text, c numeric,
                                d timestamptz)""",
        [entity("things", {"parent": {"references": "things", "from": "parent", "if_missing": "null"},
                           "a": "a", "b": "b", "c": "c", "d": "d"})])
    assert migrate(pair.daemon, **parameters).done == rows
    pair.source_sql("UPDATE things SET a = 'changed' WHERE id % 2 = 0")
    assert migrate(pair.daemon, **parameters).done == rows // 2
    migrate(pair.daemon, full=True, **parameters)
    assert pair.target_sql("SELECT a = 'changed', count(*) FROM things GROUP BY 1 ORDER BY 1") == \
        [(False, rows - rows // 2), (True, rows // 2)]
    resident = pair.daemon.call("Status")["resident_kb"]
    peak = high_water_kb(pair.daemon)
    pair.daemon.stop()
    return resident, peak


@pytest.mark.parametrize("few, many", [(10_000, 100_000), pytest.param(20_000, 1_000_000, marks=pytest.mark.long)])
def test_memory_does_not_grow_with_the_table(servers, start_daemon, few, many):
    measured = []
    for rows in (few, many):
        databases = Databases(servers)
        try:
            measured.append(memory_of_migrating(databases, start_daemon, rows))
        finally:
            databases.drop()
    (resident_few, peak_few), (resident_many, peak_many) = measured
    assert max(peak_few, peak_many) < LIMIT_KB, measured
    assert peak_many - peak_few < ALIKE_KB, measured
    assert resident_many - resident_few < ALIKE_KB, measured


def test_wide_rows_do_not_pile_up_either(servers, start_daemon):
    """A slow target is not overrun: 100 MB pass through while its table is held."""
    databases = Databases(servers)
    try:
        pair = Pair(databases, start_daemon,
                    """CREATE TABLE things (id integer PRIMARY KEY, value text);
                       ALTER TABLE things ALTER value SET STORAGE EXTERNAL;
                       INSERT INTO things SELECT i, repeat(md5(i::text), 1600) FROM generate_series(1, 2000) AS i""",
                    "CREATE TABLE things (id uuid PRIMARY KEY, legacy_id integer UNIQUE, value text)",
                    [entity("things", {"value": "value"})])
        with held(databases.target, "things"):
            start_migration(pair.daemon, batch_size=500)
            wait_until_blocked(databases.target)
        wait_until_ended(pair.daemon)
        assert databases.target.value("SELECT sum(length(value)) FROM things") == 2000 * 32 * 1600
        assert high_water_kb(pair.daemon) < LIMIT_KB
        pair.daemon.stop()
    finally:
        databases.drop()


LANES = 8


@pytest.mark.parametrize("side, direction, trouble", [
    ("target", "to_server", "deaf"),      # reads nothing, and the source would go on sending
    ("target", "to_client", "stalled"),   # reads everything and answers nothing
    ("source", "to_client", "deaf"),      # its rows do not come
])
def test_a_side_that_stalls_does_not_fill_the_memory(databases, start_daemon, side, direction, trouble):
    """Eight lanes, each with a batch of 20 MB on its way."""
    databases.source_sql("""
        CREATE TABLE things (id integer PRIMARY KEY, value text);
        ALTER TABLE things ALTER value SET STORAGE EXTERNAL;
        INSERT INTO things SELECT i, repeat(md5(i::text), 1600) FROM generate_series(1, 3200) AS i""")
    databases.target_sql("CREATE TABLE things (id uuid PRIMARY KEY, legacy_id integer UNIQUE, value text)")
    daemon = start_daemon(databases, through=["source", "target"], entities=[entity("things", {"value": "value"})],
                          settings={"batch_time": "0", "batch_memory": "1GB", "max_concurrent_entities": LANES})
    proxy = daemon.proxies[side]
    start_migration(daemon, batch_size=400, parallel=LANES)
    copying = "SELECT count(*) FROM pg_stat_progress_copy"
    wait_until(lambda: databases.target.value(copying) >= 2, 30, lambda: daemon.log())
    setattr(getattr(proxy, direction), trouble, True)
    wait_until_nothing_moves(daemon.proxies["source"])
    assert high_water_kb(daemon) < LIMIT_KB
    print(f"high water {high_water_kb(daemon) // 1024} MB")
    proxy.heal()
    wait_until_ended(daemon)
    assert databases.target.value("SELECT sum(length(value)) FROM things") == 3200 * 32 * 1600
    assert high_water_kb(daemon) < LIMIT_KB


def wait_until_nothing_moves(proxy):
    """For as long as it takes a source to send several times what would be too much."""
    last = [0, time.monotonic()]

    def is_still():
        received = sum(connection.received for connection in list(proxy.connections))
        if received != last[0]:
            last[:] = received, time.monotonic()
        return time.monotonic() - last[1] > 2
    wait_until(is_still, 60)
