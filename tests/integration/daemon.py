"""The daemon and the client as an administrator runs them."""

import functools
import json
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile

from servers import ROOT, short_temporary_directory
from varlink import Varlink
from waiting import SLOWNESS, wait_until

BUILD = os.environ.get("BUILD_DIR", "build")  # as make has it
BUILD_DIR = ROOT / BUILD
CLINIC_ENTITIES = ROOT / "etc/entities.d"

# What of the caller's environment would change what the daemon or the client does.
FOREIGN_VARIABLES = ("SOURCE_DB_", "TARGET_DB_", "PG", "MIGRATED_", "MIGRATECTL_")
FOREIGN_NAMES = {
    "BATCH_SIZE", "MAX_RETRY_ATTEMPTS", "MIGRATION_TIMEOUT", "MAX_CONCURRENT_ENTITIES",
    "CONNECTION_POOL_SIZE", "NOTIFY_SOCKET", "WATCHDOG_USEC", "LISTEN_FDS", "JOURNAL_STREAM",
    "NO_COLOR", "COLUMNS",
}


class Daemon:
    """A daemon with a configuration of its own. It is not running until start().

    databases    whatever has .source.conninfo and .target.conninfo; or give both conninfos
    entities     a directory to copy, or a list of mappings as dictionaries; the clinic's by default
    settings     the "settings" object of migrated.json
    environment  further variables for the daemon
    fault        None, or what MIGRATED_FAULT is to say to a daemon that has fault points ("": nothing);
                 daemon.fault is it for the next start
    descriptors  how many it may have open; None: as many as we
    """

    def __init__(self, directory, databases=None, *, source=None, target=None, entities=CLINIC_ENTITIES,
                 settings=None, environment=None, fault=None, descriptors=None):
        self.directory = pathlib.Path(directory)
        self.socket_directory = tempfile.mkdtemp(prefix="migrated-", dir=short_temporary_directory())
        self.socket = os.path.join(self.socket_directory, "control")
        self.config_file = self.directory / "migrated.json"
        self.entities_directory = self.directory / "entities.d"
        self.arguments = []  # further ones
        self.log_file = self.directory / "migrated.log"
        self.config = {
            "source": {"conninfo": source or databases.source.conninfo},
            "target": {"conninfo": target or databases.target.conninfo},
            "control": {"socket": self.socket},
            "settings": settings or {},
        }
        self.environment = environment or {}
        self.fault = fault
        self.descriptors = descriptors
        self.program = program("migrated") if fault is None else faulty_program()
        self.process = None
        self.write_config()
        self.write_entities(entities)

    # --- configuration ---

    def write_config(self):
        """Writes self.config, which a test may have changed since."""
        self.directory.mkdir(parents=True, exist_ok=True)
        self.config_file.write_text(json.dumps(self.config, indent=2))

    def write_entities(self, entities):
        shutil.rmtree(self.entities_directory, ignore_errors=True)
        if isinstance(entities, (str, os.PathLike)):
            shutil.copytree(entities, self.entities_directory)
            return
        self.entities_directory.mkdir()
        for entity in entities:
            path = self.entities_directory / f"{entity['entity']}.json"
            path.write_text(json.dumps(entity, indent=2))

    # --- life ---

    def start(self, wait=True):
        assert not self.running, "the daemon is running already"
        with open(self.log_file, "ab") as log:
            self.process = subprocess.Popen(
                self._command(), stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=self._environment(), cwd=ROOT)
        if wait:
            wait_until(self._answers_or_died, 20, lambda: f"migrated answers; it said:\n{self.log()}")
            assert self.running, f"migrated exited with {self.process.returncode}:\n{self.log()}"
        return self

    def stop(self, expected_status=0):
        """SIGTERM, and the exit status it ought to have; anything else is a failure."""
        if self.running:
            self.process.send_signal(signal.SIGTERM)
        status = self.wait_for_exit()
        assert status == expected_status, f"migrated exited with {status}:\n{self.log()}"

    def kill(self):
        """SIGKILL: it has no say in it."""
        if self.running:
            self.process.kill()
            self.process.wait()

    def restart(self):
        self.stop()
        return self.start()

    def wait_for_exit(self, timeout=20):
        try:
            return self.process.wait(timeout * SLOWNESS)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"after {timeout * SLOWNESS:g} s migrated still runs:\n{self.log()}") from None

    def wait_until_killed(self):
        """It dies by its own hand, at a fault point."""
        assert self.wait_for_exit(60) == -signal.SIGKILL, f"migrated exited with {self.process.returncode}:\n{self.log()}"

    def is_still(self):
        """It stands still at a fault point; go_on() continues it."""
        return pathlib.Path(f"/proc/{self.pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "T"

    def wait_until_still(self):
        wait_until(self.is_still, 20, lambda: f"migrated stands still:\n{self.log()}")

    def go_on(self):
        self.process.send_signal(signal.SIGCONT)

    @property
    def running(self):
        return self.process is not None and self.process.poll() is None

    @property
    def pid(self):
        return self.process.pid

    def log(self):
        """What it has written to stderr, over all its lives."""
        return self.log_file.read_text(errors="replace") if self.log_file.exists() else ""

    def dispose(self):
        self.kill()
        shutil.rmtree(self.socket_directory, ignore_errors=True)

    # --- talking to it ---

    def connect(self, timeout=30):
        return Varlink(self.socket, timeout)

    def call(self, method, **parameters):
        with self.connect() as connection:
            return connection.call(method, **parameters)

    def stream(self, method, **parameters):
        with self.connect() as connection:
            yield from connection.stream(method, **parameters)

    def ctl(self, *arguments, check=True, timeout=120, environment=None):
        """Runs migratectl; with check, fails on any exit status but 0."""
        command = [program("migratectl"), "-H", self.socket, *map(str, arguments)]
        result = subprocess.run(command, capture_output=True, text=True, timeout=timeout * SLOWNESS,
                                stdin=subprocess.DEVNULL, env={**clean_environment(), **(environment or {})})
        if check:
            assert result.returncode == 0, (
                f"migratectl {' '.join(map(str, arguments))} exited with {result.returncode}:\n"
                f"{result.stdout}{result.stderr}")
        return result

    def ctl_json(self, *arguments, **options):
        """The object that --json prints."""
        return json.loads(self.ctl(*arguments, "--json", **options).stdout)

    def _answers_or_died(self):
        if not self.running:
            return True
        try:
            with self.connect() as connection:
                return connection.call("org.varlink.service.GetInfo")
        except (FileNotFoundError, ConnectionError):
            return False

    def _bounds(self):
        return ["prlimit", f"--nofile={self.descriptors}"] if self.descriptors else []

    def _command(self):
        return [*self._bounds(), self.program, "--config", self.config_file, "--socket", self.socket, *self.arguments]

    def _environment(self):
        fault = {"MIGRATED_FAULT": self.fault} if self.fault else {}
        return {**clean_environment(), **fault, **self.environment}


def clean_environment():
    """Ours without what would steer the programs, and with sanitizers that end a faulty one."""
    environment = {
        name: value for name, value in os.environ.items()
        if not name.startswith(FOREIGN_VARIABLES) and name not in FOREIGN_NAMES
    }
    environment["LC_ALL"] = "C.UTF-8"
    environment.setdefault("UBSAN_OPTIONS", "print_stacktrace=1")
    return environment


def program(name):
    path = BUILD_DIR / name
    assert path.exists(), f"{path} is not built"
    return str(path)


@functools.cache
def faulty_program():
    """The daemon that has fault points; made now, unless it is make that runs the tests and has just done so."""
    if "MAKELEVEL" not in os.environ:
        made = subprocess.run(["make", "-s", f"BUILD_DIR={BUILD}", "faulty"], cwd=ROOT, capture_output=True, text=True)
        assert made.returncode == 0, made.stderr
    return program("faults/migrated")
