"""The two throw-away PostgreSQL servers and the databases in them.

They are started and stopped by tests/servers/throwaway, as the demo's and the benchmarks' are.
"""

import os
import pathlib
import shlex
import subprocess
import tempfile

import psycopg

ROOT = pathlib.Path(__file__).resolve().parents[2]
THROWAWAY = ROOT / "tests/servers/throwaway"


class Servers:
    """Both servers; gone with this process, however it ends."""

    def __init__(self):
        self.directory = tempfile.mkdtemp(prefix="migrated-", dir=short_temporary_directory())
        throwaway("start", "--owner", os.getpid(), self.directory)
        environment = self._environment()
        self.programs = environment["PG_PROGRAMS"]
        self.source = Server(self, "source", environment)
        self.target = Server(self, "target", environment)

    def stop(self):
        throwaway("stop", self.directory)

    def _environment(self):
        lines = throwaway("env", self.directory).splitlines()
        return dict(shlex.split(line)[0].split("=", 1) for line in lines)


class Server:
    """One server. conninfo and tcp_conninfo lack the dbname, which Database adds."""

    def __init__(self, servers, name, environment):
        self.servers = servers
        self.name = name
        self.port = int(environment[f"{name.upper()}_PORT"])
        self.conninfo = environment[f"{name.upper()}_CONNINFO"]
        self.tcp_conninfo = environment[f"{name.upper()}_TCP_CONNINFO"]
        self.log_file = pathlib.Path(environment[f"{name.upper()}_LOG"])

    def down(self, mode="immediate"):
        throwaway("down", self.servers.directory, self.name, mode)

    def up(self):
        throwaway("up", self.servers.directory, self.name)

    def is_up(self):
        try:
            self.database("postgres").sql("SELECT 1")
        except psycopg.OperationalError:
            return False
        return True

    def database(self, name):
        return Database(self, name)

    def create_database(self, name, template="template0"):
        self.database("postgres").sql(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
        return self.database(name)

    def log(self):
        return self.log_file.read_text(errors="replace") if self.log_file.exists() else ""


class Database:
    """One database, with the superuser's hands."""

    def __init__(self, server, name):
        self.server = server
        self.name = name
        self.conninfo = f"{server.conninfo} dbname={name}"
        self.tcp_conninfo = f"{server.tcp_conninfo} dbname={name}"

    def connect(self, **options):
        """A psycopg connection, in autocommit unless told otherwise; the caller closes it."""
        return psycopg.connect(self.conninfo, **{"autocommit": True, **options})

    def sql(self, query, parameters=None):
        """The rows as tuples, or how many were affected when the statement has no result."""
        with self.connect() as connection:
            cursor = connection.execute(query, parameters)
            return cursor.fetchall() if cursor.description else cursor.rowcount

    def value(self, query, parameters=None):
        """The first column of the first row."""
        return self.sql(query, parameters)[0][0]

    def script(self, path, **variables):
        """Runs a file through psql, stopping at the first error."""
        command = [f"{self.server.servers.programs}/psql", "-X", "-q", "-v", "ON_ERROR_STOP=1"]
        for name, value in variables.items():
            command += ["-v", f"{name}={value}"]
        command += ["-d", self.conninfo, "-f", str(path)]
        result = subprocess.run(command, capture_output=True, text=True)
        assert result.returncode == 0, f"psql -f {path}:\n{result.stderr}"
        return result.stdout

    def drop(self):
        """Drops it, whatever still holds on to it."""
        for (name,) in self.sql("SELECT gid FROM pg_prepared_xacts WHERE database = current_database()"):
            self.sql(f"ROLLBACK PREPARED '{name}'")
        self.sql("""
            SELECT pg_drop_replication_slot(slot_name)
            FROM pg_replication_slots
            WHERE database = current_database() AND NOT active""")
        self.server.database("postgres").sql(f'DROP DATABASE "{self.name}" WITH (FORCE)')


def throwaway(*arguments):
    result = subprocess.run([THROWAWAY, *map(str, arguments)], capture_output=True, text=True)
    assert result.returncode == 0, f"throwaway {' '.join(map(str, arguments))}:\n{result.stderr}"
    return result.stdout


def short_temporary_directory():
    """A socket's path ends at 107 bytes, and some TMPDIR are longer."""
    directory = tempfile.gettempdir()
    return directory if len(directory) <= 40 else "/tmp"
