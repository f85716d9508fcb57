"""Pairs of databases for a test: empty ones, and the clinic's."""

import functools
import itertools
import subprocess

import accounting
from servers import ROOT

CLINIC = ROOT / "tests/clinic"
ORACLE = ROOT / "tests/oracle"

numbers = itertools.count(1)


class Databases:
    """A source and a target database, dropped when the test is over."""

    def __init__(self, servers, source_template="template0", target_template="template0"):
        number = next(numbers)
        self.daemons = []  # those that have been started between them, the last one last
        self.servers = servers
        self.source = servers.source.create_database(f"source_{number}", source_template)
        self.target = servers.target.create_database(f"target_{number}", target_template)

    def source_sql(self, query, parameters=None):
        return self.source.sql(query, parameters)

    def target_sql(self, query, parameters=None):
        return self.target.sql(query, parameters)

    def running_daemon(self):
        """The last one that runs and reaches both databases; or None."""
        for daemon in reversed(self.daemons):
            if daemon.running and daemon.call("Status")["state"] not in ("starting", "unavailable", "stopping"):
                return daemon
        return None

    def accounts(self, complete=True):
        """Fails unless every source row is accounted for, by keys alone; and unless a daemon that runs says the same."""
        entities = accounting.mapping_in(self.daemons[-1].entities_directory if self.daemons else self.default_entities)
        return accounting.check(self, self.running_daemon(), entities, complete)

    def drop(self):
        for database in (self.source, self.target):
            if not database.server.is_up():
                database.server.up()
            database.drop()


class Clinic(Databases):
    """The clinic: legacy with generated data, modern without any."""

    default_entities = ROOT / "etc/entities.d"

    def __init__(self, servers, scale=1, seed=42, clean=0):
        super().__init__(servers, legacy_template(servers, scale, seed, clean), modern_template(servers))

    def day(self, seed=1):
        """A day of changes in the legacy system."""
        self.source.script(CLINIC / "day.sql", seed=seed)

    def oracle(self, *options):
        """Fails unless the target holds exactly what it ought to, as the independent oracle sees it, and every row has its place."""
        result = self.ask_oracle(*options)
        assert result.returncode == 0, f"the oracle disagrees:\n{result.stdout}{result.stderr}"
        self.accounts()

    def ask_oracle(self, *options):
        """The oracle's verdict as it is, for tests that expect differences."""
        sides = ["--source", self.source.conninfo, "--target", self.target.conninfo]
        return subprocess.run([oracle_program(), *sides, *options], capture_output=True, text=True)


@functools.cache
def legacy_template(servers, scale, seed, clean):
    """Made once a session for each kind of data; the tests' databases are copies of it."""
    database = servers.source.create_database(f"legacy_{scale}_{seed}_{clean}".replace(".", "_"))
    database.script(CLINIC / "legacy.sql")
    database.script(CLINIC / "generate.sql", scale=scale, seed=seed, clean=clean)
    database.sql("VACUUM ANALYZE")
    return database.name


@functools.cache
def modern_template(servers):
    database = servers.target.create_database("modern_template")
    database.script(CLINIC / "modern.sql")
    return database.name


@functools.cache
def prepared_template(servers):
    """A target with a control schema in which nothing stands yet: what a daemon would make first, for half the work of a small test."""
    database = servers.target.create_database("prepared")
    migrations = sorted((ROOT / "daemon/store/schema").glob("*.sql"))
    for number, migration in enumerate(migrations, 1):
        database.sql(migration.read_text())
        database.sql("INSERT INTO migrated.schema_version (version, name) VALUES (%s, %s)", [number, migration.stem.split("_", 1)[1]])
    return database.name


def oracle_program():
    for name in ("oracle", "oracle.py", "oracle.sh"):
        if (ORACLE / name).exists():
            return str(ORACLE / name)
    raise AssertionError("there is no oracle in tests/oracle")
