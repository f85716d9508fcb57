"""The units of systemd/, installed and run under a real systemd; see booted.py."""

import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import tempfile
import time

import pytest

from booted import names_inside, run, run_inside, tool
from servers import ROOT, Servers
from waiting import SLOWNESS, wait_until

EXPOSURE_LIMIT = 1.5
READY_LIMIT_S = 0.2
STOP_LIMIT_S = 5
CONFIG = pathlib.Path("/etc/migrated")
UNREACHABLE = {"source": {"conninfo": "host=127.0.0.1 port=1 dbname=legacy user=nobody"},
               "target": {"conninfo": "host=127.0.0.1 port=1 dbname=modern user=nobody"}}
OFFICES = {"entity": "offices",
           "source": {"table": "office", "key": "id"},
           "target": {"table": "offices", "key": "id", "legacy_key": "legacy_office_id"},
           "columns": {"name": "name"}}
DROP_IN = pathlib.Path("/run/systemd/system/migrated.service.d/test.conf")


# --- outside ---

def test_the_service_is_little_exposed():
    if not shutil.which("systemd-analyze"):
        pytest.skip("systemd-analyze is not installed")
    table = run("systemd-analyze", "security", "--offline=true", "--no-pager", ROOT / "systemd/migrated.service").stdout
    exposure = float(re.search(r"Overall exposure level .*: ([0-9.]+)", table).group(1))
    print(f"exposure of migrated.service: {exposure}, at most {EXPOSURE_LIMIT}")
    assert exposure <= EXPOSURE_LIMIT, table


@pytest.fixture(scope="module")
def boot():
    tool()
    with tempfile.TemporaryDirectory(prefix="migrated-", dir="/var/tmp") as stage:
        run("make", "-C", ROOT, "install", f"DESTDIR={stage}")
        return run_inside(__file__, stage)


@pytest.mark.parametrize("name", names_inside(__file__))
def test_under_systemd(boot, name):
    outcomes, output = boot
    assert outcomes.get(name) == "PASSED", output


# --- inside: systemd is PID 1, and this machine's files may be changed at will ---

@pytest.fixture(scope="module")
def installed():
    """As README.md says it is to be installed, from what `make install` has put into STAGE."""
    subprocess.run('tar -C "$STAGE" -c . | tar -C / -x --no-same-owner --no-overwrite-dir', shell=True, check=True)
    run("systemd-sysusers")
    run("systemd-tmpfiles", "--create", "migrated.conf")
    run("systemctl", "daemon-reload")


@pytest.fixture
def service(installed):
    """Nothing running, and a configuration whose databases are down."""
    configure(UNREACHABLE)
    yield
    run("systemctl", "stop", "migrated.socket", "migrated.service", check=False)
    run("systemctl", "reset-failed", "migrated.socket", "migrated.service", check=False)
    DROP_IN.unlink(missing_ok=True)
    run("systemctl", "daemon-reload")


def configure(config, entities=(OFFICES,)):
    (CONFIG / "migrated.json").write_text(json.dumps(config))
    for entity in entities:
        (CONFIG / "entities.d" / f"{entity['entity']}.json").write_text(json.dumps(entity))


def override(text):
    DROP_IN.parent.mkdir(parents=True, exist_ok=True)
    DROP_IN.write_text(f"[Service]\n{text}\n")
    run("systemctl", "daemon-reload")


def show(name, unit="migrated.service"):
    return run("systemctl", "show", "--value", "-p", name, unit).stdout.strip()


def journal():
    run("journalctl", "--sync")
    return run("journalctl", "-u", "migrated", "-o", "cat").stdout


def ctl(*arguments, user=None):
    become = ["runuser", "-u", user, "--"] if user else []
    return run(*become, "migratectl", *arguments, check=False)


def answers():
    return ctl("status").returncode == 0


def inside_is_ready_at_once_with_both_databases_down(service):
    run("systemctl", "start", "migrated")
    took_us = int(show("ActiveEnterTimestampMonotonic")) - int(show("ExecMainStartTimestampMonotonic"))
    print(f"ready after {took_us / 1000:.1f} ms")
    assert took_us / 1e6 < READY_LIMIT_S * SLOWNESS
    wait_until(lambda: show("StatusText").startswith("unavailable"), what="the status text says unavailable")
    status = ctl("status")
    assert status.returncode == 0
    assert "unavailable" in status.stdout


def inside_runs_as_its_own_user_without_any_capability(service):
    run("systemctl", "start", "migrated")
    status = pathlib.Path(f"/proc/{show('MainPID')}/status").read_text()
    user = run("id", "-u", "migrated").stdout.strip()
    assert re.search(rf"^Uid:\t{user}\t", status, re.MULTILINE)
    assert re.search(r"^CapBnd:\t0+$", status, re.MULTILINE)
    assert re.search(r"^Seccomp:\t2$", status, re.MULTILINE)


def inside_stops_cleanly(service):
    run("systemctl", "start", "migrated")
    begun = time.monotonic()
    run("systemctl", "stop", "migrated")
    assert time.monotonic() - begun < STOP_LIMIT_S * SLOWNESS
    assert (show("ActiveState"), show("Result"), show("ExecMainStatus")) == ("inactive", "success", "0")
    assert "stopped" in journal().splitlines()
    assert ctl("status").returncode == 3


def inside_a_wrong_configuration_ends_in_78_and_is_not_tried_again(service):
    configure({**UNREACHABLE, "settings": {"batch_size": "many"}})
    assert run("systemctl", "start", "migrated", check=False).returncode != 0
    assert show("ExecMainStatus") == "78"
    # It would be "activating" while it waits to be restarted.
    assert (show("ActiveState"), show("SubState"), show("NRestarts")) == ("failed", "failed", "0")
    assert "$.settings.batch_size" in journal()


def inside_is_started_again_when_killed(service):
    override("RestartSec=100ms")
    run("systemctl", "start", "migrated")
    os.kill(int(show("MainPID")), signal.SIGKILL)
    wait_until(lambda: show("NRestarts") == "1" and show("ActiveState") == "active", what="it runs again")
    assert answers()


def inside_is_started_again_when_it_hangs(service):
    override("RestartSec=100ms\nWatchdogSec=1s")
    run("systemctl", "start", "migrated")
    os.kill(int(show("MainPID")), signal.SIGSTOP)
    wait_until(lambda: show("NRestarts") == "1" and show("ActiveState") == "active", what="it runs again")
    assert "Watchdog timeout" in journal()
    assert answers()


def inside_feeds_the_watchdog(service):
    override("WatchdogSec=400ms")
    run("systemctl", "start", "migrated")
    first = show("WatchdogTimestampMonotonic")
    wait_until(lambda: int(show("WatchdogTimestampMonotonic")) > int(first) + 1_000_000, what="a second of watchdog")
    assert show("NRestarts") == "0"


def inside_groups_decide_who_may_do_what(service):
    for user, group in (("observer", "migrated"), ("operator", "migrated-admin"), ("stranger", "nogroup")):
        run("useradd", "--no-create-home", "--no-user-group", "-g", "nogroup", "-G", group, user)
    run("systemctl", "start", "migrated")
    allowed = {user: (ctl("status", user=user).returncode, ctl("pause", user=user).returncode)
               for user in ("observer", "operator", "stranger")}
    # 5: denied; 1: allowed, but with the databases down nobody knows whether there is a session.
    assert allowed == {"observer": (0, 5), "operator": (0, 1), "stranger": (5, 5)}


def inside_the_socket_unit_starts_the_daemon_and_outlives_it(service):
    run("systemctl", "start", "migrated.socket")
    assert show("ActiveState") == "inactive"
    assert answers()
    first = show("MainPID")
    assert first != "0"
    run("systemctl", "restart", "migrated.service")
    assert show("MainPID") not in ("0", first)
    assert answers()
    run("systemctl", "stop", "migrated.service")
    assert pathlib.Path("/run/migrated/control").is_socket()
    assert answers(), "connecting starts it again"
    run("systemctl", "stop", "migrated.socket", "migrated.service")
    assert ctl("status").returncode == 3


def inside_alerts_and_metrics_work_within_the_sandbox(service):
    """The command may reach a server, as the example does, and write where the daemon may."""
    program = CONFIG / "alert"
    program.write_text('#!/bin/sh\ncat >/run/migrated/part\nenv >/run/migrated/env\n'
                       'curl -s --unix-socket /run/migrated/metrics http://localhost/metrics >/run/migrated/seen\n'
                       'mv /run/migrated/part /run/migrated/alert.json\n')
    program.chmod(0o755)
    configure({**UNREACHABLE, "alerts": {"command": [str(program)]}, "metrics": {"listen": "unix:/run/migrated/metrics"}})
    run("systemctl", "start", "migrated")
    told = pathlib.Path("/run/migrated/alert.json")
    wait_until(told.exists, 60, journal)
    assert json.loads(told.read_text())["event"] == "database-lost"
    assert "MIGRATED_EVENT=database-lost\n" in pathlib.Path("/run/migrated/env").read_text()
    if shutil.which("curl"):
        assert 'migrated_connection_up{database="target"} 0\n' in pathlib.Path("/run/migrated/seen").read_text()


def inside_migrates_from_within_the_sandbox(service):
    servers = Servers()
    try:
        migrate(servers)
    finally:
        servers.stop()


def migrate(servers):
    """Source by password file, target by the environment: the two ways that README.md names."""
    source, target = servers.source.create_database("legacy"), servers.target.create_database("modern")
    source.sql("CREATE TABLE office (id integer PRIMARY KEY, name text)")
    source.sql("INSERT INTO office SELECT i, 'Office ' || i FROM generate_series(1, 1000) AS i")
    target.sql("CREATE TABLE offices (id uuid PRIMARY KEY, legacy_office_id integer UNIQUE, name text)")
    password = re.search(r"password=(\S+)", source.tcp_conninfo).group(1)
    passfile = CONFIG / "passfile"
    passfile.write_text(f"127.0.0.1:{servers.source.port}:*:postgres:{password}\n")
    environment = CONFIG / "environment"
    environment.touch(mode=0o600)
    environment.write_text(f"TARGET_DB_PASSWORD={password}\n")
    run("systemd-tmpfiles", "--create", "migrated.conf")
    configure({
        side: {"conninfo": f"host=127.0.0.1 port={server.port} dbname={database.name} user=postgres{more}"}
        for side, server, database, more in (("source", servers.source, source, f" passfile={passfile}"),
                                             ("target", servers.target, target, ""))})
    run("systemctl", "start", "migrated")
    wait_until(lambda: "idle" in ctl("status").stdout.splitlines()[0], what=lambda: f"it is idle:\n{journal()}")
    result = ctl("migrate", "--wait")
    assert result.returncode == 0, result.stdout + result.stderr + journal()
    assert target.value("SELECT count(*) FROM offices AS o WHERE o.name = 'Office ' || o.legacy_office_id") == 1000
    session = json.loads(ctl("list", "--json").stdout)["sessions"][0]["session"]
    assert "completed" in run("journalctl", "-u", "migrated", "-o", "cat", f"MIGRATED_SESSION={session}").stdout
    assert password not in journal()
    environment.unlink()
