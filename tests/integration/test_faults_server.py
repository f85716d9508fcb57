"""Servers that are restarted in the middle of what they do for the daemon: a COPY, a transaction, a COMMIT.

Backends that are terminated are in test_kill.py, what a server refuses in test_recovery.py.
"""

import pytest

from library import Library
from mapping import entity
from sessions import start_migration, wait_until_ended, wait_until_reached
from waiting import wait_until

SIDES = ("source", "target")
MODES = ("fast", "immediate")

sides = pytest.mark.parametrize("side", SIDES)
modes = pytest.mark.parametrize("mode", MODES)


@sides
@modes
def test_a_server_that_is_restarted_in_the_middle_of_a_copy(databases, start_daemon, side, mode):
    """Rows are on their way; the target has taken some of them, and none of them is visible."""
    rows = 20_000
    databases.source_sql(f"CREATE TABLE things (id bigint PRIMARY KEY, value text);"
                         f"INSERT INTO things SELECT i, repeat(md5(i::text), 30) FROM generate_series(1, {rows}) AS i")
    databases.target_sql("CREATE TABLE things (id uuid PRIMARY KEY, legacy_id bigint UNIQUE, value text)")
    daemon = wait_until_reached(start_daemon(databases, through=["target"], settings={"batch_time": "0"},
                                             entities=[entity("things", {"value": "value"})]))
    proxy = daemon.proxies["target"]
    proxy.to_server.bytes_per_s = 2_000_000
    start_migration(daemon, batch_size=rows)
    wait_until(lambda: databases.target.value("SELECT count(*) FROM pg_stat_progress_copy WHERE bytes_processed > 0"), 30)
    server = getattr(databases, side).server
    server.down(mode)
    try:
        wait_until(lambda: daemon.call("Status")["state"] == "unavailable", 20)
    finally:
        server.up()
    proxy.heal()
    wait_until_ended(daemon)
    assert databases.target_sql("SELECT legacy_id, value FROM things ORDER BY 1") == \
        databases.source_sql("SELECT id, value FROM things ORDER BY 1")
    assert databases.target.value("SELECT sum(inserted) FROM migrated.batch") == rows


@sides
@modes
@pytest.mark.parametrize("place", ["batch.staged:4", "batch.committed:4", "fill.sent:1", "plan.ranges_known:1"])
def test_a_server_that_is_restarted_in_the_middle_of_a_transaction(databases, start_daemon, side, mode, place):
    """The daemon stands still while the server goes and comes; it finds out when it goes on."""
    library = Library(databases, start_daemon, fault=place.replace(":", ":wait:"))
    library.daemon.start()
    start_migration(library.daemon)
    library.daemon.wait_until_still()
    server = getattr(databases, side).server
    server.down(mode)
    server.up()
    library.daemon.go_on()
    library.comes_to_its_end()
    library.change()
    library.comes_to_its_end()
    library.is_right()
