"""Alerts: what people hear of without looking, by the command of the configuration, and what becomes of the daemon meanwhile."""

import json
import os
import pathlib
import shutil
import socketserver
import subprocess
import threading
import time

import pytest

from mapping import PLAIN, PLAIN_SOURCE, PLAIN_TARGET
from scraping import measured, wait_for
from servers import ROOT
from sessions import migrate, start_migration, wait_until_ended, wait_until_reached
from waiting import wait_until

MAIL = ROOT / "etc/alert-mail"
UNREACHABLE = {"source": "host=127.0.0.1 port=1 dbname=x", "target": "host=127.0.0.1 port=1 dbname=x"}


class Told:
    """A command that keeps what it is told, and reads it back."""

    def __init__(self, directory):
        self.directory = directory
        directory.mkdir()
        self.command = ["/bin/sh", "-c", "cat >$1/part.$$ && mv $1/part.$$ $1/$$.json", "alert", str(directory)]

    def __call__(self, event=None):
        alerts = [json.loads(path.read_text()) for path in self.directory.glob("*.json")]
        return sorted((alert for alert in alerts if event in (None, alert["event"])), key=lambda alert: alert["at"])

    def wait_for(self, event, daemon, timeout=30):
        return wait_until(lambda: self(event), timeout, lambda: f"{event} is told; {self()}\n{daemon.log()}")[0]


@pytest.fixture
def told(tmp_path):
    return Told(tmp_path / "told")


@pytest.fixture
def alerting(databases, start_daemon, told):
    """alerting(entities, **alerts): a daemon between two databases of things, that alerts."""
    def start(*entities, config=None, through=(), **alerts):
        databases.source_sql(PLAIN_SOURCE + "; INSERT INTO things SELECT n, 'thing ' || n FROM generate_series(1, 200) AS n")
        databases.target_sql(PLAIN_TARGET)
        daemon = start_daemon(databases, start=False, entities=entities or [PLAIN], through=through)
        daemon.config.update(config or {})
        daemon.config["alerts"] = {"command": told.command, **alerts}
        daemon.write_config()
        return wait_until_reached(daemon.start())
    return start


def test_what_holds_or_ends_a_session_is_told(alerting, told, databases):
    """Rows that the target refuses; a breaker; a validation that finds what differs; an entity whose table has changed."""
    daemon = alerting(config={"breakers": {"delete_min_rows": 10}}, repeat_after=0)
    databases.source_sql("INSERT INTO things SELECT n, repeat('canary ', 20) FROM generate_series(1001, 1003) AS n")
    databases.target_sql("ALTER TABLE things ADD CONSTRAINT short CHECK (length(value) < 100)")
    session = migrate(daemon)
    letter = told.wait_for("dead-letter-kind", daemon)
    assert (letter["entity"], letter["sqlstate"], letter["session"]) == ("things", "23514", session.session)
    assert len(told("dead-letter-kind")) == 1
    assert "canary" not in json.dumps(told())
    databases.source_sql("DELETE FROM things WHERE id > 50")
    start_migration(daemon)
    held = told.wait_for("session-paused-by-breaker", daemon)
    assert held["session"] == daemon.call("Status")["session"]["session"]
    assert "gone from the source" in held["message"]
    daemon.ctl("resume")
    wait_until_ended(daemon)

    databases.target_sql("UPDATE things SET value = 'other' WHERE legacy_id = 1")
    daemon.ctl("validate", "--wait", check=False)
    assert told.wait_for("validation-differences", daemon)["priority"] == "warning"

    databases.target_sql("ALTER TABLE things DROP COLUMN value")
    migrate(daemon, "failed")
    assert told.wait_for("entity-stopped", daemon)["entity"] == "things"
    told.wait_for("session-failed", daemon)


@pytest.mark.long  # ten seconds are but a moment
def test_a_database_that_is_away_is_told_and_so_is_its_return(alerting, told):
    daemon = alerting(through=["target"])
    daemon.proxies["target"].refuse()
    daemon.proxies["target"].reset()
    lost = told.wait_for("database-lost", daemon, 60)
    assert lost["database"] == "target"
    assert not told("database-back")
    daemon.proxies["target"].heal()
    back = told.wait_for("database-back", daemon, 90)
    assert back["database"] == "target"
    assert back["at"] > lost["at"]


@pytest.mark.long
def test_a_target_that_falls_behind_is_told_and_so_is_that_it_is_in_step(alerting, told, databases):
    daemon = alerting(config={"schedule": {"every": "1s"}}, lag="5s")
    wait_until(lambda: daemon.call("Status")["cycles"]["lag_ms"] is not None, 30)
    with databases.target.connect(autocommit=False) as blocker:
        blocker.execute("LOCK TABLE migrated.owner IN ACCESS EXCLUSIVE MODE")
        lag = told.wait_for("lag-exceeded", daemon, 60)
        assert "more than 5s" in lag["message"]
    told.wait_for("in-step-again", daemon, 60)


# --- the daemon goes on ---

def processes_in_session_of(daemon):
    children = pathlib.Path(f"/proc/{daemon.pid}/task/{daemon.pid}/children").read_text().split()
    return [int(child) for child in children]


def test_a_command_that_hangs_holds_nobody_up_and_dies_with_the_daemon(alerting, databases):
    daemon = alerting(command=["/bin/sh", "-c", "sleep 1000 & sleep 1000"])
    databases.target_sql("ALTER TABLE things DROP COLUMN value")
    migrate(daemon, "failed")
    (command,) = wait_until(lambda: processes_in_session_of(daemon), 20, lambda: f"the command runs:\n{daemon.log()}")
    group = os.getpgid(command)
    assert group == command != os.getpgid(daemon.pid)
    assert daemon.call("Status")["state"] == "idle"
    began = time.monotonic()
    daemon.stop()
    assert time.monotonic() - began < 15
    wait_until(lambda: not alive(group), 10, "all that it has started is gone")


def alive(group):
    """Zombies, of whom nobody may be left to bury them, do not count."""
    for status in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, its_group = status.read_text().rpartition(")")[2].split()[:3]
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(its_group) == group and state != "Z":
            return True
    return False


def test_commands_that_fail_are_logged_and_counted(start_daemon, databases, tmp_path):
    databases.source_sql(PLAIN_SOURCE + "; INSERT INTO things SELECT n, 'thing ' || n FROM generate_series(1, 20) AS n")
    databases.target_sql(PLAIN_TARGET.replace("value", "other"))
    daemon = start_daemon(databases, start=False, entities=[PLAIN])
    daemon.config["alerts"] = {"command": ["/bin/sh", "-c", "exit 7"]}
    address = measured(daemon)
    migrate(daemon.start(), "failed")
    wait_until(lambda: 'alert "entity-stopped" did not get out: it exited with status 7' in daemon.log(), 20)
    wait_for(address, lambda metrics: metrics.by("event", "migrated_alerts_total", result="failed")["session-failed"] == 1)
    assert processes_in_session_of(daemon) == [], "no zombie is left"


def test_a_command_that_is_not_there_is_a_warning(start_daemon, tmp_path):
    daemon = start_daemon(start=False, **UNREACHABLE, entities=[PLAIN])
    plain_file = tmp_path / "plain"
    plain_file.write_text("no program")
    daemon.config["alerts"] = {"command": ["/nonexistent/alert", "hunter2"]}
    daemon.write_config()
    checked = subprocess.run([daemon.program, "--check-config", "--config", daemon.config_file], capture_output=True, text=True)
    assert "$.alerts.command: /nonexistent/alert cannot be run (No such file or directory)" in checked.stderr, checked
    for program in (str(plain_file), str(tmp_path)):
        daemon.config["alerts"] = {"command": [program, "hunter2"]}
        daemon.write_config()
        daemon.start()
        assert f"$.alerts.command: {program} cannot be run" in daemon.log()
        daemon.stop()
    assert "hunter2" not in checked.stderr + daemon.log()
    daemon.config["alerts"] = {"command": ["mail", "x"]}
    daemon.write_config()
    refused = subprocess.run([daemon.program, "--config", daemon.config_file], capture_output=True, text=True)
    assert refused.returncode == 78 and "which begins with" in refused.stderr


# --- the example ---

class Smtp(socketserver.StreamRequestHandler):
    """As little of a mail server as a client accepts."""

    def handle(self):
        self.say("220 test")
        for line in self.rfile:
            if line.upper().startswith(b"DATA"):
                self.say("354 go on")
                while (line := self.rfile.readline()) not in (b".\r\n", b""):
                    self.server.mail += line
                self.say("250 kept")
            elif line.upper().startswith(b"QUIT"):
                self.say("221 bye")
                return
            else:
                self.say("250 ok")

    def say(self, line):
        self.wfile.write(line.encode() + b"\r\n")


def test_the_example_mails_an_alert():
    if not shutil.which("curl"):
        pytest.skip("curl is not installed")
    with socketserver.TCPServer(("127.0.0.1", 0), Smtp) as server:
        server.mail = b""
        threading.Thread(target=server.handle_request, daemon=True).start()
        subprocess.run([MAIL, "dba@example.org", "migrated@example.org", f"smtp://127.0.0.1:{server.server_address[1]}"], check=True,
                       input='{ "event": "session-failed" }\n', text=True,
                       env={"PATH": os.environ["PATH"], "MIGRATED_EVENT": "session-failed", "MIGRATED_ENTITY": ""})
        wait_until(lambda: b'"session-failed" }' in server.mail, 10)
        head, _, body = server.mail.decode().replace("\r\n", "\n").partition("\n\n")
        assert head.splitlines() == ["From: migrated@example.org", "To: dba@example.org", "Subject: migrated: session-failed "]
        assert json.loads(body) == {"event": "session-failed"}


def test_the_manual_shows_the_example_as_it_is():
    manual = (ROOT / "daemon/migrated.json.5").read_text().replace(r"\&", "").replace(r"\e", "\\")
    assert MAIL.read_text() in manual
