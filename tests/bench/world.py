"""What is measured on: two throw-away servers, the legacy database, its modern counterparts, the daemon.

On the source there is one legacy database for each size. On the target there are, for a legacy database,
`empty` (offices and patients are migrated, orders are not) and `full` (orders too); each measurement works
on a copy of one of the two, so that all of them start alike. Migrating is done by the daemon itself.
"""

import contextlib
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.append(str(HERE.parent / "integration"))

from daemon import BUILD_DIR, Daemon, program  # noqa: E402
from servers import Server, Servers, short_temporary_directory, throwaway  # noqa: E402
from waiting import wait_until  # noqa: E402

# Beyond what throwaway sets. Without autovacuum a run meets no vacuum that the next one does not.
SERVER_SETTINGS = {
    "shared_buffers": "1GB",
    "max_wal_size": "8GB",
    "autovacuum": "off",
}

# What is reported of both servers.
REPORTED_SETTINGS = (
    "shared_buffers", "max_wal_size", "work_mem", "maintenance_work_mem", "fsync", "full_page_writes",
    "synchronous_commit", "wal_level", "jit", "autovacuum", "max_parallel_workers_per_gather",
    "max_parallel_workers", "random_page_cost", "effective_cache_size",
)

PARENTS = ["offices", "patients"]
ORDERS = ["orders"]
READY_S = 30
WATCH_INTERVAL_MS = 1000


class BenchServers(Servers):
    """The throw-away pair with settings for benchmarks; gone with this process."""

    def __init__(self, further_settings=None):
        self.directory = tempfile.mkdtemp(prefix="migrated-", dir=short_temporary_directory())
        settings = [f"{name}={value}" for name, value in {**SERVER_SETTINGS, **(further_settings or {})}.items()]
        throwaway("start", "--owner", os.getpid(), self.directory, *settings)
        environment = self._environment()
        self.programs = environment["PG_PROGRAMS"]
        self.source = BenchServer(self, "source", environment)
        self.target = BenchServer(self, "target", environment)

    def reported_settings(self):
        rows = self.target.database("postgres").sql(
            "SELECT name, current_setting(name) FROM pg_settings WHERE name = ANY (%s)",
            (list(REPORTED_SETTINGS),))
        return dict(rows)

    def version(self):
        return self.target.database("postgres").value("SHOW server_version")

    def disk_kilobytes(self):
        """What both have on the disk now, with the log of changes that they keep."""
        return int(subprocess.run(["du", "-sk", self.directory], capture_output=True, text=True, check=False).stdout.split()[0])


class BenchServer(Server):
    def postmaster(self):
        directory = pathlib.Path(self.database("postgres").value("SHOW data_directory"))
        return int((directory / "postmaster.pid").read_text().split()[0])


class World:
    """One legacy database of a given number of orders, and the targets made from it."""

    def __init__(self, servers, directory, orders):
        self.servers = servers
        self.directory = pathlib.Path(directory)
        self.orders = orders
        self.name = f"bench_{orders}"
        self.copies = 0
        self.legacy = servers.source.create_database(self.name)
        self.legacy.script(HERE / "legacy.sql", orders=orders)
        self.empty = self._make_empty()
        self._full = None
        self._nothing = None
        self._floor_file = None

    @property
    def full(self):
        """The target with everything migrated, made when it is first asked for."""
        if self._full is None:
            self._full = self.copy(self.empty, "full")
            self._migrate_into(self._full, ORDERS)
        return self._full

    @property
    def nothing(self):
        """A database without a table."""
        if self._nothing is None:
            self._nothing = self.servers.target.create_database(f"{self.name}_nothing")
        return self._nothing

    @property
    def floor_file(self):
        """The rows of orders as they stand in the target, as the server's own binary COPY has written them."""
        if self._floor_file is None:
            self._floor_file = f"{self.servers.directory}/{self.name}.bin"
            self.full.sql(f"COPY orders TO '{self._floor_file}' (FORMAT binary)")
        return self._floor_file

    def drop(self):
        """Gives its room back; nothing of it can be used afterwards."""
        for database in filter(None, (self.legacy, self.empty, self._full, self._nothing)):
            database.drop()
        if self._floor_file:
            os.remove(self._floor_file)

    def copy(self, template, purpose="copy"):
        """A further target like `template`, with nothing left to write by a checkpoint."""
        self.copies += 1
        name = f"{self.name}_{purpose}_{self.copies}"
        database = self.servers.target.create_database(name, template.name)
        database.sql("CHECKPOINT")
        return database

    @contextlib.contextmanager
    def scratch(self, template):
        """A copy that is gone afterwards."""
        database = self.copy(template)
        try:
            yield database
        finally:
            database.drop()

    @contextlib.contextmanager
    def scratch_legacy(self):
        """The same of the legacy database, for whoever changes rows in it."""
        self.copies += 1
        database = self.servers.source.create_database(f"{self.name}_copy_{self.copies}", self.legacy.name)
        try:
            yield database
        finally:
            database.drop()

    @staticmethod
    def _take_for_the_original(legacy, target):
        """A copy is another source, which the daemon would ask about."""
        identity = legacy.value("SELECT s.system_identifier || '/' || d.oid FROM pg_control_system() AS s, pg_database AS d"
                                " WHERE d.datname = current_database()")
        target.sql("UPDATE migrated.source SET identity = %s", [identity])

    @contextlib.contextmanager
    def daemon(self, target, legacy=None, proxies=None, descriptors=None, schedule=None, on_delete=None, **settings):
        """A fresh daemon between the legacy database, or a copy of it, and `target`, connected to both; through the source's and the
        target's proxy, if there are any. `on_delete` is what the orders' mapping says."""
        source = legacy or self.legacy
        source, reached = (proxy.conninfo(database) if proxy else database.conninfo
                           for proxy, database in zip(proxies or (None, None), (source, target)))
        if legacy:
            self._take_for_the_original(legacy, target)
        with tempfile.TemporaryDirectory(dir=self.directory) as directory:
            daemon = Daemon(directory, source=source, target=reached,
                            entities=entities(on_delete), settings=settings, descriptors=descriptors)
            if schedule:
                daemon.config["schedule"] = schedule
                daemon.write_config()
            try:
                daemon.start()
                wait_until(lambda: is_ready(daemon), READY_S, "migrated has reached both databases")
                yield daemon
                daemon.stop()
            finally:
                daemon.dispose()

    def make_foreign(self, target, legacy):
        """Lets `target` see the legacy database through postgres_fdw."""
        target.script(HERE / "foreign.sql", host=self.servers.directory, port=self.servers.source.port,
                      dbname=legacy.name)

    def _make_empty(self):
        database = self.servers.target.create_database(f"{self.name}_empty")
        database.script(HERE / "modern.sql")
        self._migrate_into(database, PARENTS)
        return database

    def _migrate_into(self, database, entities):
        with self.daemon(database) as daemon:
            migrate(daemon, entities)
        database.sql("VACUUM (FREEZE, ANALYZE)")


def entities(on_delete=None):
    """The mappings, in which the orders say what becomes of rows that are gone."""
    mappings = [json.loads(path.read_text()) for path in sorted((HERE / "entities.d").glob("*.json"))]
    if on_delete:
        next(mapping for mapping in mappings if mapping["entity"] in ORDERS)["on_delete"] = on_delete
    return mappings


def settle(*databases):
    """Everybody starts alike: nothing to vacuum, statistics of what is there, nothing left to write."""
    for database in databases:
        database.sql("VACUUM (ANALYZE)")
        database.sql("CHECKPOINT")


def is_ready(daemon):
    """It has reached both databases, and owns the target."""
    return daemon.call("Status")["state"] not in ("starting", "unavailable", "standby")


def migrate(daemon, entities, **parameters):
    """Runs a session to its end; returns it as the daemon describes it. Any row left behind is a failure."""
    session = daemon.call("Migrate", entities=entities, **parameters)["session"]
    for frame in daemon.stream("Watch", session=session, interval_ms=WATCH_INTERVAL_MS):
        last = frame["session"]
    if last["state"] != "completed" or last["failed"] or last["parked"]:
        raise RuntimeError(f"the session is {last['state']} with {last['failed']} failed and {last['parked']} "
                           f"parked: {last['reason']}\n{daemon.log()}")
    return last


def peak_memory_kb(daemon):
    """The most memory the daemon ever had resident, as the kernel has counted it."""
    for line in pathlib.Path(f"/proc/{daemon.pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1])
    raise RuntimeError("the kernel does not tell the daemon's peak memory")


def contents(database):
    """Count and hash of what a target holds; equal for targets made from the same source."""
    return database.sql((HERE / "contents.sql").read_text())[0]


def wanted(legacy):
    """The same of what a target should hold that is in step with this source."""
    return legacy.sql((HERE / "wanted.sql").read_text())[0]


@contextlib.contextmanager
def stopwatch():
    """Yields a list that holds the elapsed seconds when the block is over."""
    elapsed = []
    start = time.monotonic()
    yield elapsed
    elapsed.append(time.monotonic() - start)
