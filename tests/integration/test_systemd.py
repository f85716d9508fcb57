"""The units of systemd/, installed and run under a real systemd, all in one boot; see booted.py."""

import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import threading

import pytest

from booted import names_inside, run, run_inside, tool
from daemon import faulty_program
from servers import ROOT, Servers
from waiting import wait_until

EXPOSURE_LIMIT = 1.5
CONFIG = pathlib.Path("/etc/migrated")
UNREACHABLE = {"source": {"conninfo": "host=127.0.0.1 port=1 dbname=legacy user=nobody"},
               "target": {"conninfo": "host=127.0.0.1 port=1 dbname=modern user=nobody"}}
OFFICES = {"entity": "offices",
           "source": {"table": "office", "key": "id"},
           "target": {"table": "offices", "key": "id", "legacy_key": "legacy_office_id"},
           "columns": {"name": "name"}}
FAULTY = "/usr/local/sbin/migrated-faulty"
SECRET = "c4nary-of-systemd"
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
        shutil.copy(faulty_program(), stage + FAULTY)
        return run_inside(__file__, stage)


@pytest.mark.parametrize("name", names_inside(__file__))
def test_under_systemd(boot, name):
    outcomes, output = boot
    assert outcomes.get(name) == "PASSED", output


# --- inside: systemd is PID 1, and this machine's files may be changed at will ---

@pytest.fixture(scope="module")
def installed():
    """As README.md says it is to be installed, from what `make install` has put into STAGE."""
    # As it is on every machine that systemd itself has booted: without it systemd cannot hand credentials over.
    run("mount", "--make-rshared", "/")
    subprocess.run('tar -C "$STAGE" -c . | tar -C / -x --no-same-owner --no-overwrite-dir', shell=True, check=True)
    run("systemd-sysusers")
    run("systemd-tmpfiles", "--create", "migrated.conf")
    run("systemctl", "daemon-reload")


@pytest.fixture
def service(installed):
    """Nothing running, and a configuration whose databases are down."""
    configure(UNREACHABLE)
    yield
    run("systemctl", "kill", "-s", "KILL", "migrated.service", check=False)
    run("systemctl", "stop", "migrated.socket", "migrated.service", check=False)
    run("systemctl", "reset-failed", "migrated.socket", "migrated.service", check=False)
    DROP_IN.unlink(missing_ok=True)
    run("systemctl", "daemon-reload")


@pytest.fixture(scope="module")
def servers(installed):
    servers = Servers()
    yield servers
    servers.stop()


@pytest.fixture
def world(service, servers):
    """Two databases of 1,000 offices, and the daemon configured for them."""
    world = World(servers)
    configure({**world.connections(), "settings": {"batch_size": 100}})
    yield world
    run("systemctl", "kill", "-s", "KILL", "migrated.service", check=False)
    world.drop()


class World:
    def __init__(self, servers):
        self.servers = servers
        self.source, self.target = servers.source.create_database("legacy"), servers.target.create_database("modern")
        self.password = re.search(r"password=(\S+)", self.source.tcp_conninfo).group(1)
        self.source.sql("CREATE TABLE office (id integer PRIMARY KEY, name text)")
        self.source.sql("INSERT INTO office SELECT i, 'Office ' || i FROM generate_series(1, 1000) AS i")
        self.target.sql("CREATE TABLE offices (id uuid PRIMARY KEY, legacy_office_id integer UNIQUE, name text)")

    def connections(self, password=True):
        return {side: {"conninfo": f"host=127.0.0.1 port={server.port} dbname={database.name} user=postgres"
                                   + (f" password={self.password}" if password else "")}
                for side, server, database in (("source", self.servers.source, self.source),
                                               ("target", self.servers.target, self.target))}

    def is_in_step(self):
        """Each office once, and only one session, which has done all of it."""
        assert sorted(self.target.sql("SELECT legacy_office_id, name FROM offices")) == \
            sorted(self.source.sql("SELECT id, name FROM office"))
        assert self.target.sql("SELECT state FROM migrated.session") == [("completed",)]
        assert self.target.sql("SELECT sum(inserted) FROM migrated.batch") == [(1000,)]

    def drop(self):
        self.source.drop()
        self.target.drop()


def wait_until_idle():
    wait_until(lambda: "idle" in ctl("status").stdout.partition("\n")[0], 30, what=lambda: f"it is idle:\n{journal()}")


def begin_and_block(world):
    """A session under way, whose batch waits for a lock; the connection that has it, and the session."""
    wait_until_idle()
    connection = world.target.connect(autocommit=False)
    connection.execute("LOCK TABLE offices IN SHARE MODE")
    assert ctl("migrate").returncode == 0
    wait_until(lambda: world.target.value("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'") > 0, 30,
               "a batch waits for the lock")
    return connection, json.loads(ctl("list", "--json").stdout)["sessions"][0]["session"]


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
    """What this start and those after it in this test have said."""
    run("journalctl", "--sync")
    return run("journalctl", "-u", "migrated", "-o", "cat").stdout


def entries(unit_only=True):
    run("journalctl", "--sync")
    words = ["-u", "migrated"] if unit_only else []
    return [json.loads(line) for line in run("journalctl", *words, "-o", "json").stdout.splitlines()]


def ctl(*arguments, user=None):
    become = ["runuser", "-u", user, "--"] if user else []
    return run(*become, "migratectl", *arguments, check=False)


def answers():
    return ctl("status").returncode == 0


def inside_is_ready_before_any_database_has_answered(service):
    # They take connections, and never say a word.
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        configure({side: {"conninfo": f"host=127.0.0.1 port={deaf.getsockname()[1]} dbname=any user=nobody"} for side in UNREACHABLE})
        run("systemctl", "start", "migrated")
        took_us = int(show("ActiveEnterTimestampMonotonic")) - int(show("ExecMainStartTimestampMonotonic"))
        print(f"ready after {took_us / 1000:.1f} ms")
        assert show("StatusText") == "starting"
        status = ctl("status")
        assert status.returncode == 0
        assert "  starting  " in status.stdout.splitlines()[0]
    wait_until(lambda: show("StatusText").startswith("unavailable: "), what="the status text says why it is unavailable")


def inside_runs_as_its_own_user_without_any_capability(service):
    run("systemctl", "start", "migrated")
    status = pathlib.Path(f"/proc/{show('MainPID')}/status").read_text()
    user = run("id", "-u", "migrated").stdout.strip()
    assert re.search(rf"^Uid:\t{user}\t", status, re.MULTILINE)
    assert re.search(r"^CapBnd:\t0+$", status, re.MULTILINE)
    assert re.search(r"^Seccomp:\t2$", status, re.MULTILINE)


def inside_stops_cleanly(service):
    run("systemctl", "start", "migrated")
    run("systemctl", "stop", "migrated")
    assert (show("ActiveState"), show("Result"), show("ExecMainStatus")) == ("inactive", "success", "0")
    assert "stopped" in journal().splitlines()
    assert ctl("status").returncode == 3


def inside_stopping_lets_a_batch_end_and_a_second_signal_does_not(world):
    run("systemctl", "start", "migrated")
    lock, _ = begin_and_block(world)
    run("systemctl", "stop", "--no-block", "migrated")
    wait_until(lambda: show("StatusText").startswith("stopping: session "), what="it is stopping")
    assert show("ActiveState") == "deactivating"
    lock.close()
    wait_until(lambda: show("ActiveState") == "inactive", 30, "it has stopped")
    assert show("Result") == "success"
    done = world.target.value("SELECT count(*) FROM offices")
    assert 100 <= done < 1000 and done == world.target.value("SELECT sum(inserted) FROM migrated.batch WHERE done")

    lock = world.target.connect(autocommit=False)
    lock.execute("LOCK TABLE offices IN SHARE MODE")
    run("systemctl", "start", "migrated")
    wait_until(lambda: world.target.value("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'") > 0, 30,
               "a batch waits for the lock")
    run("systemctl", "stop", "--no-block", "migrated")
    wait_until(lambda: show("StatusText").startswith("stopping"), what="it is stopping")
    os.kill(int(show("MainPID")), signal.SIGTERM)
    wait_until(lambda: show("ActiveState") == "inactive", 30, "it has stopped, although the lock is still held")
    assert show("Result") == "success"
    lock.close()
    run("systemctl", "start", "migrated")
    wait_until(lambda: world.target.sql("SELECT state FROM migrated.session") == [("completed",)], 60, "the session goes on")
    world.is_in_step()


def inside_a_wrong_configuration_ends_in_78_and_is_not_tried_again(service):
    configure({**UNREACHABLE, "settings": {"batch_size": "many"}})
    assert run("systemctl", "start", "migrated", check=False).returncode != 0
    assert show("ExecMainStatus") == "78"
    # It would be "activating" while it waits to be restarted.
    assert (show("ActiveState"), show("SubState"), show("NRestarts")) == ("failed", "failed", "0")
    assert "$.settings.batch_size" in journal()


@pytest.mark.parametrize("how", ["killed", "hanging", "stuck"])
def inside_goes_on_with_its_session_by_itself_after(world, how):
    """Killed; with a loop that does not turn; and with a session that claims to run while nothing brings it on."""
    configure({**world.connections(), "settings": {"batch_size": 100, "max_concurrent_entities": 1}})
    fault = ",".join(f"lane.offered:error:{n}" for n in range(6, 200)) if how == "stuck" else ""
    override(f"RestartSec=100ms\nWatchdogSec={'3s' if how == 'killed' else '1s'}\nExecStart=\nExecStart={FAULTY}\n"
             f"EnvironmentFile=-/run/fault")
    pathlib.Path("/run/fault").write_text(f"MIGRATED_FAULT={fault}\n" if fault else "")
    before = len(entries())
    run("systemctl", "start", "migrated")
    first = show("MainPID")
    if how == "stuck":
        wait_until_idle()
        pathlib.Path("/run/fault").write_text("")
        assert ctl("migrate").returncode == 0
        wait_until(lambda: "watchdog-unhealthy" in [entry.get("MIGRATED_EVENT") for entry in entries()], 30,
                   what=lambda: f"it says that it is not healthy:\n{journal()}")
    else:
        lock, session = begin_and_block(world)
        os.kill(int(first), signal.SIGKILL if how == "killed" else signal.SIGSTOP)
        wait_until(lambda: show("NRestarts") == "1", 30, "it is started again")
        lock.close()
    wait_until(lambda: show("MainPID") not in ("0", first), 30, "it runs again")
    wait_until(lambda: world.target.sql("SELECT state FROM migrated.session") == [("completed",)], 60,
               lambda: f"the session goes on by itself:\n{journal()}")
    world.is_in_step()
    assert show("NRestarts") == "1"
    said = "\n".join(entry["MESSAGE"] for entry in entries()[before:])
    assert {"killed": "status=9/KILL", "hanging": "Watchdog timeout", "stuck": "Watchdog request"}[how] in said


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
    allowed = {user: tuple(ctl(verb, user=user).returncode for verb in ("status", "logs", "reload", "pause"))
               for user in ("observer", "operator", "stranger")}
    # 5: denied; 1: allowed, but with the databases down nobody knows whether there is a session.
    assert allowed == {"observer": (0, 0, 5, 5), "operator": (0, 0, 0, 1), "stranger": (5, 5, 5, 5)}


def inside_reload_takes_what_is_right_and_fails_with_what_is_wrong(service):
    run("systemctl", "start", "migrated")
    pid = show("MainPID")
    configure({**UNREACHABLE, "settings": {"batch_size": 5}})
    run("systemctl", "reload", "migrated")
    assert "settings.batch_size changed" in journal()
    configure({**UNREACHABLE, "settings": {"batch_size": "many"}})
    assert run("systemctl", "reload", "migrated", check=False).returncode != 0
    # What migratectl says is in the journal, too.
    assert journal().count("$.settings.batch_size: expected a whole number") >= 2
    configure({**UNREACHABLE, "settings": {"batch_size": 6}})
    before = len(entries())
    run("systemctl", "kill", "-s", "HUP", "migrated")
    wait_until(lambda: "configuration-reloaded" in [entry.get("MIGRATED_EVENT") for entry in entries()[before:]], what="SIGHUP reloads")
    wait_until(lambda: show("ActiveState") == "active", what="the reload is over")
    assert (show("MainPID"), show("NRestarts")) == (pid, "0")


def inside_takes_passwords_from_credentials(world):
    secret = pathlib.Path("/etc/migrated/source-password")
    configure(world.connections(password=False))
    override("LoadCredential=source-password:/etc/migrated/source-password\nLoadCredential=target-password:/etc/migrated/source-password")
    # systemd 252 does not start a service whose file is not there, if it is named by a path.
    assert run("systemctl", "start", "migrated", check=False).returncode != 0
    run("systemctl", "stop", "migrated")
    secret.touch(mode=0o600)
    secret.write_text(world.password + "\n")
    run("systemctl", "start", "migrated")
    wait_until_idle()
    assert ctl("migrate", "--wait").returncode == 0
    world.is_in_step()
    process = pathlib.Path(f"/proc/{show('MainPID')}")
    seen = (process / "environ").read_text() + (process / "cmdline").read_text() + journal() + ctl("status", "--json").stdout
    assert world.password not in seen
    run("systemctl", "stop", "migrated")
    secret.write_text("")
    assert run("systemctl", "start", "migrated", check=False).returncode != 0
    assert show("ExecMainStatus") == "78" and "source-password: is empty" in journal()
    secret.unlink()


def inside_says_in_one_line_what_it_does(world):
    configure({**world.connections(), "settings": {"batch_size": 100}, "schedule": {"every": "1h"}})
    run("systemctl", "start", "migrated")
    wait_until(lambda: re.fullmatch(r"idle; next cycle \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC", show("StatusText")), 30, "it is idle")
    lock, session = begin_and_block(world)
    wait_until(lambda: re.match(rf"running: session {session[:8]} \(initial\), 0\.0%", show("StatusText")), what="it is running")
    ctl("pause")
    wait_until(lambda: re.match(rf"paused: session {session[:8]} \(initial\), 0\.0%, paused", show("StatusText")), what="it is paused")
    lock.close()
    assert ctl("cancel").returncode == 0
    wait_until_idle()
    assert ctl("migrate", "--full", "--wait").returncode == 0
    wait_until(lambda: re.match(r"idle; in step with .* UTC; next cycle .* UTC", show("StatusText")), 30,
               lambda: f"it is in step: {show('StatusText')}")
    assert "Office" not in show("StatusText")


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


def inside_nobody_is_refused_while_the_daemon_restarts(service):
    run("systemctl", "start", "migrated.socket")
    refused, stop = [], threading.Event()

    def ask():
        while not stop.is_set():
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
                try:
                    client.connect("/run/migrated/control")
                except OSError as error:
                    refused.append(error)

    asker = threading.Thread(target=ask)
    asker.start()
    try:
        for _ in range(2):
            first = show("MainPID")
            run("systemctl", "restart", "migrated.service")
            assert show("MainPID") not in ("0", first)
    finally:
        stop.set()
        asker.join()
    assert refused == []
    assert answers()


def inside_migrates_from_within_the_sandbox(world):
    """Source by password file, target by the environment: the two ways that README.md names."""
    passfile, environment = CONFIG / "passfile", CONFIG / "environment"
    passfile.write_text(f"127.0.0.1:{world.servers.source.port}:*:postgres:{world.password}\n")
    environment.touch(mode=0o600)
    environment.write_text(f"TARGET_DB_PASSWORD={world.password}\n")
    run("systemd-tmpfiles", "--create", "migrated.conf")
    connections = world.connections(password=False)
    connections["source"]["conninfo"] += f" passfile={passfile}"
    configure(connections)
    run("systemctl", "start", "migrated")
    wait_until_idle()
    result = ctl("migrate", "--wait")
    assert result.returncode == 0, result.stdout + result.stderr + journal()
    world.is_in_step()
    session = json.loads(ctl("list", "--json").stdout)["sessions"][0]["session"]
    of_it = [entry for entry in entries() if entry.get("MIGRATED_SESSION") == session]
    assert {entry["_SYSTEMD_UNIT"] for entry in of_it} == {"migrated.service"}
    assert {"session-started", "session-completed"} <= {entry.get("MIGRATED_EVENT") for entry in of_it if "MESSAGE_ID" in entry}
    assert world.password not in journal()
    environment.unlink()
    passfile.unlink()
