"""The two throw-away PostgreSQL servers and the databases in them.

They are started and stopped by tests/servers/throwaway, as the demo's and the benchmarks' are. Most of what a test costs is the
servers' work for it, so they live in memory where there is enough, and databases are asked over connections that are kept.
"""

import os
import pathlib
import select
import shlex
import shutil
import subprocess
import tempfile
import threading

import psycopg
from psycopg import waiting

waiting.wait = waiting.wait_epoll  # select() fails beyond 1,024 descriptors, which some tests use

ROOT = pathlib.Path(__file__).resolve().parents[2]
THROWAWAY = ROOT / "tests/servers/throwaway"
ROOM_IN_MEMORY = 4 << 30  # several pairs run at a time


class Servers:
    """Both servers; gone with this process, however it ends."""

    def __init__(self):
        self.directory = tempfile.mkdtemp(prefix="migrated-", dir=directory_for_servers())
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
        self.kept = {}  # (name of a database, thread, settings) -> a connection

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
        self.forget(template)  # a template must have no connections
        self.database("postgres").sql(f'CREATE DATABASE "{name}" TEMPLATE "{template}" {self.how_to_copy()}')
        return self.database(name)

    def how_to_copy(self):
        """Files are copied for half the price of what PostgreSQL 15 does unless told otherwise."""
        return "STRATEGY file_copy" if self.kept_connection("postgres").info.server_version >= 150000 else ""

    def kept_connection(self, name, settings=None):
        """This thread's connection to a database with these settings, anew when the server has ended the last one."""
        key = name, threading.get_ident(), settings
        connection = self.kept.get(key)
        if connection is None or was_ended(connection):
            # Tables change between statements that are alike, so none is prepared.
            connection = self.kept[key] = self.database(name).connect(prepare_threshold=None)
            if settings:
                connection.execute(settings)
        return connection

    def forget(self, name):
        """Closes what is kept to a database."""
        for key in [key for key in self.kept if key[0] == name]:
            self.kept.pop(key).close()

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

    def sql(self, query, parameters=None, settings=None):
        """The rows as tuples, or how many were affected when the statement has no result.

        Over a connection that is kept, so a statement must not leave settings behind: `settings` are SET statements for it alone.
        """
        cursor = self.server.kept_connection(self.name, settings).execute(query, parameters)
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
        self.server.forget(self.name)
        self.server.database("postgres").sql(f'DROP DATABASE "{self.name}" WITH (FORCE)')


def throwaway(*arguments):
    result = subprocess.run([THROWAWAY, *map(str, arguments)], capture_output=True, text=True)
    assert result.returncode == 0, f"throwaway {' '.join(map(str, arguments))}:\n{result.stderr}"
    return result.stdout


def was_ended(connection):
    """Whether the server has: it says so unasked."""
    if connection.closed:
        return True
    poll = select.poll()
    poll.register(connection.fileno(), select.POLLIN)
    return bool(poll.poll(0))


def directory_for_servers():
    """Where memory is a file system and has room, else where temporary files are."""
    memory = pathlib.Path("/dev/shm")
    has_room = memory.is_dir() and os.access(memory, os.W_OK) and shutil.disk_usage(memory).free >= ROOM_IN_MEMORY
    return str(memory) if has_room else short_temporary_directory()


def short_temporary_directory():
    """A socket's path ends at 107 bytes, and some TMPDIR are longer."""
    directory = tempfile.gettempdir()
    return directory if len(directory) <= 40 else "/tmp"
