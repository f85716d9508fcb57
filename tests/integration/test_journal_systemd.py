"""The journal of a real systemd: fields, the catalog's texts, and that the service's process shows itself to root alone; see booted.py."""

import json
import pathlib
import pwd
import re
import subprocess
import tempfile
import time

import pytest

from booted import names_inside, run, run_inside, tool
from servers import ROOT

CONFIG = pathlib.Path("/etc/migrated")
PASSWORD = "Zaunkoenig"


# --- outside ---

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


# --- inside ---

@pytest.fixture(scope="module")
def service():
    """Its databases are down, so it has something to say."""
    subprocess.run('tar -C "$STAGE" -c . | tar -C / -x --no-same-owner --no-overwrite-dir', shell=True, check=True)
    run("systemd-sysusers")
    run("systemd-tmpfiles", "--create", "migrated.conf")
    pathlib.Path("/etc/systemd/catalog").mkdir(parents=True, exist_ok=True)
    for catalog in pathlib.Path("/usr/local/lib/systemd/catalog").glob("*.catalog"):  # where PREFIX is not one that systemd looks at
        (pathlib.Path("/usr/lib/systemd/catalog") / catalog.name).write_text(catalog.read_text())
    run("journalctl", "--update-catalog")
    (CONFIG / "migrated.json").write_text(json.dumps({
        side: {"conninfo": f"host=127.0.0.1 port=1 dbname={side} user=nobody password={PASSWORD}"} for side in ("source", "target")}))
    run("chown", "-R", "root:migrated", CONFIG)
    run("chmod", "-R", "g+rX", CONFIG)
    run("systemctl", "daemon-reload")
    run("systemctl", "start", "migrated.service")
    return run("systemctl", "show", "--property=MainPID", "--value", "migrated.service").stdout.strip()


def entries(*matches):
    for _ in range(100):
        lines = run("journalctl", "--unit=migrated", "--output=json", "--no-pager", *matches, check=False).stdout.splitlines()
        if lines:
            return [json.loads(line) for line in lines]
        time.sleep(0.1)
    raise AssertionError(f"nothing in the journal for {matches}:\n{run('journalctl', '--no-pager', '--unit=migrated').stdout}")


def inside_events_are_found_by_their_fields(service):
    started, = entries("MIGRATED_EVENT=started")
    assert re.fullmatch("[0-9a-f]{32}", started["MESSAGE_ID"])
    assert (started["PRIORITY"], started["SYSLOG_IDENTIFIER"], started["_PID"]) == ("5", "migrated", service)
    assert entries(f"MESSAGE_ID={started['MESSAGE_ID']}") == [started]
    lost = entries("MIGRATED_EVENT=database-lost", "MIGRATED_DATABASE=source")
    assert len(lost) == 1 and lost[0]["PRIORITY"] == "4"
    assert len(entries("MIGRATED_EVENT=database-lost", "MIGRATED_DATABASE=target")) == 1


def inside_the_catalog_says_what_to_do(service):
    entries("MIGRATED_EVENT=database-lost")
    shown = run("journalctl", "--unit=migrated", "--catalog", "--no-pager", "MIGRATED_EVENT=database-lost").stdout
    assert "Subject: A database cannot be reached" in shown and "To do: See that the server runs" in shown
    assert "Documentation: man:migrated(8)" in shown


def inside_the_same_again_is_counted(service):
    entries("MIGRATED_EVENT=database-lost")
    for _ in range(20):  # strangers to the control socket, one after the other
        run("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "migratectl", "list", check=False)
    refused = entries("MIGRATED_EVENT=access-refused")
    assert len(refused) == 1
    run("systemctl", "stop", "migrated.service")
    first, rest = entries("MIGRATED_EVENT=access-refused")
    assert re.search(r"\(repeated 19 times in \d+ s\)$", rest["MESSAGE"])
    assert first["MESSAGE_ID"] == rest["MESSAGE_ID"]
    run("systemctl", "start", "migrated.service")


def inside_no_other_process_looks_into_it(service):
    pid = run("systemctl", "show", "--property=MainPID", "--value", "migrated.service").stdout.strip()
    process = pathlib.Path(f"/proc/{pid}")
    user = pwd.getpwnam("migrated").pw_uid
    assert re.search(rf"^Uid:\t{user}\t", (process / "status").read_text(), re.MULTILINE)
    assert (process / "environ").stat().st_uid == 0  # proc(5): what is not dumpable is root's
    assert re.search(r"Max core file size +0 +0 ", (process / "limits").read_text())


def inside_no_password_is_in_the_journal(service):
    entries("MIGRATED_EVENT=database-lost")
    assert PASSWORD not in run("journalctl", "--no-pager", "--output=export").stdout
    assert PASSWORD not in run("ps", "axeww", "-o", "args").stdout
