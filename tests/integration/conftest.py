"""Fixtures of the integration tests: two servers, databases in them, daemons between them.

servers       both PostgreSQL servers, one pair for all tests
databases     an empty source and an empty target database
clinic        the clinic's pair at scale 1; make_clinic(scale=…, seed=…, clean=1) for another,
              make_clinic(loaded=True, …) for one that has been migrated
make_proxy    make_proxy(server) is a fault proxy before it (proxy.py); closed when the test is over
start_daemon  starts a daemon between two databases; its log is shown on failure, and one still running
              at the end of the test must stop cleanly
daemon        one with the clinic's own mapping, on `clinic`
pair          pair(source DDL, target DDL, entities…, **settings): two databases and a daemon between them (mapping.py)
golden        compares a text with a file in golden/
seed          for whatever is left to chance: printed, and SEED=N repeats it
"""

import os
import pathlib
import random

import pytest

from daemon import Daemon
from databases import Clinic, Databases, prepared_template
from loaded_clinic import LoadedClinic
from mapping import Pair
from proxy import proxy_for
from servers import Servers

GOLDEN = pathlib.Path(__file__).parent / "golden"
# Kept in the environment, so that all who run tests at the same time have the same.
SEED = int(os.environ.get("SEED") or random.randrange(1, 2**31))
os.environ["SEED"] = str(SEED)
LOG_TAIL_LINES = 60


def pytest_report_header():
    return f"seed: {SEED} (SEED={SEED} repeats this run's choices)"


def pytest_collection_modifyitems(items):
    for item in items:
        if "golden" in item.fixturenames:
            item.add_marker("golden")


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item):
    outcome = yield
    report = outcome.get_result()
    if report.failed:
        for title, text in getattr(item, "logs_on_failure", {}).items():
            tail = "\n".join(text().splitlines()[-LOG_TAIL_LINES:])
            report.sections.append((title, tail))


def show_on_failure(request, title, text):
    """Has text(), the last lines of it, shown when the test fails."""
    if not hasattr(request.node, "logs_on_failure"):
        request.node.logs_on_failure = {}
    request.node.logs_on_failure[title] = text


def show_server_logs(request, servers):
    for server in (servers.source, servers.target):
        start = server.log_file.stat().st_size
        show_on_failure(request, f"{server.name} server's log",
                        lambda server=server, start=start: server.log()[start:])


@pytest.fixture(scope="session")
def seed():
    return SEED


@pytest.fixture(scope="session")
def servers():
    servers = Servers()
    yield servers
    servers.stop()


@pytest.fixture
def databases(request, servers):
    show_server_logs(request, servers)
    # Most that ask about the mapping of a few tables need not see the control schema made.
    prepared = "pair" in request.fixturenames and not request.node.get_closest_marker("empty_target")
    databases = Databases(servers, target_template=prepared_template(servers) if prepared else "template0")
    yield databases
    databases.drop()


@pytest.fixture
def make_clinic(request, servers):
    show_server_logs(request, servers)
    clinics = []

    def make(scale=1, seed=42, clean=0, loaded=False):
        clinics.append(LoadedClinic(servers, scale, seed, clean) if loaded else Clinic(servers, scale, seed, clean))
        return clinics[-1]

    yield make
    for clinic in clinics:
        clinic.drop()


@pytest.fixture
def clinic(make_clinic):
    return make_clinic()


@pytest.fixture
def make_proxy():
    proxies = []

    def make(server, unix=False):
        proxies.append(proxy_for(server, unix))
        return proxies[-1]

    yield make
    for proxy in proxies:
        proxy.close()


@pytest.fixture
def start_daemon(request, tmp_path, make_proxy):
    """start_daemon(databases, **options): options are those of Daemon, and start=False.

    through=("source", "target") leads these connections through a fault proxy each: daemon.proxies["target"].
    """
    daemons = []

    def start(databases=None, *, start=True, through=(), **options):
        number = len(daemons) + 1
        proxies = {side: make_proxy(getattr(databases, side).server) for side in through}
        for side, proxy in proxies.items():
            options[side] = proxy.conninfo(getattr(databases, side))
        daemon = Daemon(tmp_path / f"migrated-{number}", databases, **options)
        daemon.proxies = proxies
        daemons.append(daemon)
        if databases is not None:
            databases.daemons.append(daemon)
        show_on_failure(request, f"migrated's log ({number})", daemon.log)
        return daemon.start() if start else daemon

    yield start
    for daemon in daemons:
        for proxy in daemon.proxies.values():
            proxy.heal()
    try:
        for daemon in daemons:
            if daemon.running:
                daemon.stop()
    finally:
        for daemon in daemons:
            daemon.dispose()


@pytest.fixture
def daemon(clinic, start_daemon):
    return start_daemon(clinic)


@pytest.fixture
def pair(databases, start_daemon):
    def make(source_sql, target_sql, *entities, **settings):
        return Pair(databases, start_daemon, source_sql, target_sql, entities, **settings)

    return make


@pytest.fixture
def golden():
    def compare(name, text):
        path = GOLDEN / name
        if os.environ.get("UPDATE_GOLDEN"):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        assert path.exists(), f"{path} does not exist: make check-update writes it"
        assert text == path.read_text()

    return compare
