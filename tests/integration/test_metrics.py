"""Metrics: what they say of a load is what stands in the databases, and what is not known is not said."""

import json
import re
import shutil
import socket
import subprocess
import threading
import time

import pytest

from mapping import PLAIN, PLAIN_SOURCE, PLAIN_TARGET
from scraping import Metrics, connection_to, fetch, free_port, measured, scrape, wait_for
from servers import ROOT
from sessions import migrate, wait_until_reached
from waiting import wait_until

SMALL = 0.1
VISITS_MAX = 16
# What stands in the store.
OF_THE_STORE = {"migrated_dead_letters", "migrated_parked_rows", "migrated_conflicts_held", "migrated_validation_differences"}
MANUAL = ROOT / "daemon/migrated.json.5"
DASHBOARD = ROOT / "etc/grafana/migrated.json"
RULES = ROOT / "etc/prometheus/migrated.rules.yml"


def rows(database, query):
    return {name: count for name, count in database.sql(query) if count}


def known(samples):
    return {name: count for name, count in samples.items() if count}


class Scraper(threading.Thread):
    """Scrapes again and again until it is told to stop."""

    def __init__(self, address):
        super().__init__(daemon=True)
        self.address = address
        self.seen = []
        self.over = threading.Event()

    def run(self):
        while not self.over.is_set():
            self.seen.append(scrape(self.address))

    def stop(self):
        self.over.set()
        self.join(30)
        assert not self.is_alive()
        return self.seen


def never_fall(expositions):
    for before, after in zip(expositions, expositions[1:]):
        for (name, labels), value in after.samples.items():
            family = re.sub("_(bucket|sum|count)$", "", name)
            if after.types.get(name, after.types.get(family)) != "gauge":
                assert value >= before.samples.get((name, labels), 0), (name, labels)


def test_what_is_measured_of_a_load_is_what_stands_in_the_databases(make_clinic, start_daemon, tmp_path):
    clinic = make_clinic(scale=SMALL)
    daemon = start_daemon(clinic, start=False, settings={"batch_size": 500})
    textfile = tmp_path / "migrated.prom"
    address = measured(daemon, textfile=str(textfile), textfile_every="1s")
    wait_until_reached(daemon.start())
    before = wait_for(address, lambda metrics: metrics.by("entity", "migrated_dead_letters"))
    assert not known(before.by("entity", "migrated_dead_letters"))
    assert before.one("state", "migrated_session_state") is None
    assert before["migrated_session_progress_ratio"] is None

    scraper = Scraper(address)
    scraper.start()
    session = migrate(daemon)
    seen = scraper.stop()
    never_fall(seen)
    assert len(seen) > 1

    dead = rows(clinic.target, "SELECT entity, count(*) FROM migrated.dead_letter WHERE state = 'open' GROUP BY entity")
    parked = rows(clinic.target, "SELECT entity, count(*) FROM migrated.parked GROUP BY entity")
    assert dead and parked, "the clinic has dirt"
    after = wait_for(address, lambda metrics: known(metrics.by("entity", "migrated_dead_letters")) == dead)
    assert known(after.by("entity", "migrated_parked_rows")) == parked
    assert not known(after.by("entity", "migrated_conflicts_held"))
    mapped = {name: clinic.target.value(f"SELECT count(*) FROM migrated.id_map_{name}") for name in session.entities}
    assert after.by("entity", "migrated_rows_applied_total", kind="inserted") == mapped
    assert after.by("entity", "migrated_rows_not_applied_total", kind="failed") == \
        {**dict.fromkeys(mapped, 0), **rows(clinic.target, "SELECT entity, sum(failed) FROM migrated.batch GROUP BY entity")}
    done = clinic.target.value("SELECT count(*) FROM migrated.batch WHERE done")
    assert done == after.of("migrated_batches_total", result="done") == after["migrated_batch_duration_seconds_count"] == \
        after.of("migrated_batch_duration_seconds_bucket", le="+Inf")
    assert after.one("state", "migrated_session_state") == "completed"
    assert after["migrated_session_progress_ratio"] == 1
    assert after.by("result", "migrated_sessions_total") == {"completed": 1, "failed": 0, "cancelled": 0}
    assert after.by("status", "migrated_session_entities")["completed"] == len(mapped)
    assert abs(after["migrated_last_success_timestamp_seconds"] - time.time()) < 600
    assert after["migrated_lag_seconds"] is None, "there is no schedule"
    wait_until(lambda: textfile.exists() and known(Metrics(textfile.read_text()).by("entity", "migrated_dead_letters")) == dead, 20)
    assert Metrics(textfile.read_text()).names() == after.names()
    assert textfile.stat().st_mode & 0o777 == 0o644

    daemon.stop()
    assert not textfile.exists(), "nobody is there any more whom it could be about"
    wait_until_reached(daemon.start())
    again = wait_for(address, lambda metrics: metrics.by("entity", "migrated_dead_letters"))
    assert known(again.by("entity", "migrated_dead_letters")) == dead
    assert known(again.by("entity", "migrated_parked_rows")) == parked
    assert not known(again.by("entity", "migrated_rows_applied_total"))
    assert again["migrated_last_success_timestamp_seconds"] == pytest.approx(after["migrated_last_success_timestamp_seconds"], abs=60)
    number, name = clinic.target.sql("SELECT id, entity FROM migrated.dead_letter WHERE state = 'open' LIMIT 1")[0]
    daemon.ctl("dead-letters", "discard", number)
    wait_for(address, lambda metrics: metrics.by("entity", "migrated_dead_letters")[name] == dead[name] - 1)


# --- what is not known, and what costs nothing ---

@pytest.fixture
def things(databases):
    databases.source_sql(PLAIN_SOURCE + "; INSERT INTO things SELECT n, 'thing ' || n FROM generate_series(1, 50) AS n")
    databases.target_sql(PLAIN_TARGET)
    return databases


def test_of_a_store_that_is_anothers_or_out_of_reach_nothing_is_said(things, start_daemon):
    owner = start_daemon(things, start=False, entities=[PLAIN], through=["target"])
    second = start_daemon(things, start=False, entities=[PLAIN])
    at_owner, at_second = measured(owner), measured(second)
    migrate(owner.start())
    second.start()
    seen = wait_for(at_owner, lambda metrics: metrics.by("entity", "migrated_dead_letters"))
    assert seen.by("database", "migrated_connection_up") == {"source": 1, "target": 1}
    standing_by = wait_for(at_second, lambda metrics: metrics.one("state", "migrated_daemon_state") == "standby")
    assert not standing_by.names() & (OF_THE_STORE | {"migrated_last_success_timestamp_seconds", "migrated_lag_seconds"})
    second.stop()

    owner.proxies["target"].refuse()
    owner.proxies["target"].reset()
    lost = wait_for(at_owner, lambda metrics: metrics.by("database", "migrated_connection_up")["target"] == 0)
    assert lost.by("database", "migrated_connection_up")["source"] == 1
    assert not lost.names() & OF_THE_STORE
    owner.proxies["target"].heal()
    back = wait_for(at_owner, lambda metrics: metrics.by("entity", "migrated_dead_letters"))
    assert back.by("database", "migrated_reconnects_total") == {"source": 0, "target": 1}
    assert back.one("state", "migrated_daemon_state") == "idle"


def test_a_scrape_asks_neither_database(things, start_daemon):
    daemon = start_daemon(things, start=False, entities=[PLAIN])
    address = measured(daemon)
    migrate(daemon.start())
    wait_for(address, lambda metrics: metrics.by("entity", "migrated_dead_letters"))

    def last_question():
        return [side.value("SELECT max(query_start) FROM pg_stat_activity WHERE application_name = 'migrated'"
                           " AND datname = current_database()") for side in (things.source, things.target)]
    wait_until(lambda: daemon.call("Status")["state"] == "idle" and last_question() == last_question(), 20)
    before = last_question()
    for _ in range(50):
        scrape(address)
    assert last_question() == before


# --- HTTP ---

def ask_raw(address, request):
    """What comes back until the daemon hangs up."""
    connection = connection_to(address)
    connection.connect()
    try:
        connection.sock.sendall(request)
        answer = b""
        while chunk := connection.sock.recv(65536):
            answer += chunk
        return answer
    except ConnectionError:
        return b""
    finally:
        connection.close()


def test_there_is_nothing_but_metrics_and_they_can_only_be_read(start_daemon):
    """Of databases that are not there, too."""
    daemon = start_daemon(start=False, source="host=127.0.0.1 port=1 dbname=x", target="host=127.0.0.1 port=1 dbname=x",
                          entities=[PLAIN])
    address = measured(daemon, free_port())
    daemon.start()
    assert scrape(address).by("database", "migrated_connection_up") == {"source": 0, "target": 0}
    for path in ("/", "/metrics/", "/metrics/x", "/../metrics", "/favicon.ico", "//metrics"):
        assert fetch(address, path).status == 404, path
    for method in ("POST", "PUT", "DELETE", "OPTIONS", "PATCH"):
        refused = fetch(address, method=method)
        assert (refused.status, refused.headers["Allow"]) == (405, "GET, HEAD"), method
    head = fetch(address, method="HEAD")
    assert (head.status, head.text) == (200, "")
    assert int(head.headers["Content-Length"]) > 1000
    assert ask_raw(address, b"HEAD /metrics HTTP/1.1\r\nHost: x\r\n\r\n").endswith(b"\r\n\r\n")
    assert fetch(address, "/metrics?name[]=x").status == 200
    assert ask_raw(address, b"GET /metrics HTTP/1.1\r\nHost: x\r\nX: " + b"x" * 20000 + b"\r\n\r\n")[:12] != b"HTTP/1.1 200"
    assert not ask_raw(address, b"\0\xff\r\n\r\n").startswith(b"HTTP/1.1 200")
    assert b" 200 " not in ask_raw(address, b"POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 9999999999\r\n\r\n")
    assert ask_raw(address, b"GET /metrics HTTP/1.0\r\n\r\n").startswith(b"HTTP/1.")
    assert scrape(address).one("state", "migrated_daemon_state") == "unavailable"


def test_a_reload_serves_them_elsewhere_or_nowhere(start_daemon, tmp_path):
    daemon = start_daemon(start=False, source="host=127.0.0.1 port=1 dbname=x", target="host=127.0.0.1 port=1 dbname=x",
                          entities=[PLAIN])
    textfile = tmp_path / "migrated.prom"
    address = measured(daemon)
    daemon.start()
    first = scrape(address)
    elsewhere = measured(daemon, free_port(), textfile=str(textfile))
    daemon.ctl("reload")
    assert scrape(elsewhere)["process_start_time_seconds"] == first["process_start_time_seconds"]
    wait_until(textfile.exists, 10)
    with pytest.raises(OSError):
        fetch(address)
    daemon.config["metrics"] = {"listen": "0.0.0.0:9187"}
    daemon.write_config()
    assert "other machines" in daemon.ctl("reload", check=False).stdout
    assert scrape(elsewhere)
    del daemon.config["metrics"]
    daemon.write_config()
    daemon.ctl("reload")
    assert not textfile.exists()
    with pytest.raises(OSError):
        fetch(elsewhere)


def test_an_address_that_is_taken_keeps_nobody_from_starting(start_daemon):
    daemon = start_daemon(start=False, source="host=127.0.0.1 port=1 dbname=x", target="host=127.0.0.1 port=1 dbname=x",
                          entities=[PLAIN])
    address = free_port("::1")
    with socket.socket(socket.AF_INET6) as other:
        other.bind(("::1", int(address.rpartition(":")[2])))
        other.listen()
        measured(daemon, address)
        daemon.start()
        wait_until(lambda: f"metrics cannot be served at {address}" in daemon.log(), 10)


@pytest.mark.long
def test_who_sends_nothing_is_sent_away_and_keeps_few_others_waiting(start_daemon):
    daemon = start_daemon(start=False, source="host=127.0.0.1 port=1 dbname=x", target="host=127.0.0.1 port=1 dbname=x",
                          entities=[PLAIN])
    address = measured(daemon)
    daemon.start()
    before = scrape(address)["process_open_fds"]
    silent = [connection_to(address) for _ in range(2 * VISITS_MAX)]
    for connection in silent:
        connection.connect()
    silent[0].sock.sendall(b"GET /metrics HTTP/1.1\r\nHost: ")
    metrics = Metrics(fetch(address, timeout=60).text)
    assert metrics["process_open_fds"] <= before + VISITS_MAX
    for connection in silent:
        assert connection.sock.recv(1) == b""
        connection.close()
    wait_for(address, lambda metrics: metrics["process_open_fds"] == before)


# --- the dashboard and the rules ---

def promtool(*arguments, **options):
    program = shutil.which("promtool")
    if not program:
        pytest.skip("promtool is not installed (scripts/install-deps fetches it from Debian's prometheus)")
    return subprocess.run([program, *map(str, arguments)], capture_output=True, text=True, **options)


@pytest.fixture(scope="module")
def documented():
    """The families that the manual names."""
    section = MANUAL.read_text().partition("\n.Sh METRICS")[2].partition("\n.Sh ")[0]
    return set(re.findall(r"^\.(?:It )?Cm ((?:migrated|process)_\w+)", section, re.MULTILINE))


def test_what_can_be_measured_is_what_the_manual_names(things, start_daemon, documented):
    """Of a daemon of which everything is known: a schedule, alerts, a session, a validation."""
    daemon = start_daemon(things, start=False, entities=[PLAIN])
    daemon.config["schedule"] = {"every": "1s"}
    daemon.config["alerts"] = {"command": ["/bin/true"]}
    address = measured(daemon)
    wait_until_reached(daemon.start())
    wait_for(address, lambda metrics: metrics["migrated_lag_seconds"] is not None)
    daemon.ctl("validate", "--wait")
    metrics = wait_for(address, lambda metrics: metrics.by("entity", "migrated_validation_differences"))
    assert metrics.by("entity", "migrated_validation_differences") == {"things": 0}
    assert metrics["migrated_schedule_interval_seconds"] == 1
    assert 0 <= metrics["migrated_lag_seconds"] < 60
    assert sum(metrics.by("result", "migrated_cycles_total").values()) >= 1
    assert set(metrics.types) == documented
    checked = promtool("check", "metrics", input=metrics.text)
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, "", "")


def expressions():
    found = []

    def walk(value):
        if isinstance(value, dict):
            for key, inner in value.items():
                if key in ("expr", "query", "definition") and isinstance(inner, str):
                    found.append(inner)
                walk(inner)
        elif isinstance(value, list):
            for inner in value:
                walk(inner)
    walk(json.loads(DASHBOARD.read_text()))
    rules = RULES.read_text()
    return found, re.findall(r"^ +expr: (?:\|\n)?(.*?)(?=\n +(?:for|labels):)", rules, re.MULTILINE | re.DOTALL)


def test_dashboard_and_rules_use_only_metrics_that_there_are(documented):
    histograms = {f"{name}{suffix}" for name in documented if name.endswith("_duration_seconds") for suffix in ("_bucket", "_sum", "_count")}
    on_dashboard, in_rules = expressions()
    assert len(on_dashboard) > 30 and len(in_rules) > 10
    used = set(re.findall(r"\b(?:migrated|process)_\w+", " ".join(on_dashboard + in_rules)))
    assert used - documented - histograms == set()
    assert {name for name in documented if name.startswith("migrated_")} - {name for text in on_dashboard
            for name in re.findall(r"\bmigrated_\w+?(?=_bucket|\b)", text)} == set(), "all of them are on the dashboard"


def test_the_rules_are_rules_and_fire_when_they_should():
    checked = promtool("check", "rules", RULES)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    tried = promtool("test", "rules", ROOT / "tests/integration/migrated.rules.test.yml")
    assert tried.returncode == 0, tried.stdout + tried.stderr
