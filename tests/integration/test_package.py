"""The Debian package: what it holds, what lintian says of it, and how it is installed, started and removed under a real systemd.

All of it is compiled anew for the package, so this is part of `make check-long`.
"""

import os
import pathlib
import re
import shutil
import subprocess
import tempfile

import pytest

from booted import names_inside, run, run_inside, tool
from servers import ROOT
from waiting import wait_until

CONFIG = """{"source": {"conninfo": "host=127.0.0.1 port=1 dbname=legacy user=nobody"},
             "target": {"conninfo": "host=127.0.0.1 port=1 dbname=modern user=nobody"}}"""
OFFICES = """{"entity": "offices", "source": {"table": "office", "key": "id"}, "columns": {"name": "name"},
              "target": {"table": "offices", "key": "id", "legacy_key": "legacy_office_id"}}"""


# --- outside ---

@pytest.fixture(scope="module")
def package():
    """The directory with what `make deb` has made of the sources as they are."""
    for program in ("dpkg-buildpackage", "dh"):
        if not shutil.which(program):
            pytest.skip(f"{program} is not installed: make deb needs build-essential and debhelper")
    with tempfile.TemporaryDirectory(prefix="migrated-", dir="/var/tmp") as directory:
        run("make", "-C", ROOT, "deb", f"PACKAGE={directory}/deb", env={**os.environ, "DEB_BUILD_OPTIONS": "noautodbgsym"})
        yield pathlib.Path(directory) / "deb"


def file_of(package):
    return next(package.glob("migrated_*.deb"))


def test_the_package_has_the_version_of_the_programs():
    version = re.search(r"^VERSION := (\S+)$", (ROOT / "Makefile").read_text(), re.M).group(1)
    assert (ROOT / "debian/changelog").read_text().startswith(f"migrated ({version}) ")


@pytest.mark.long
def test_the_package_holds_what_is_installed(package):
    names = run("dpkg-deb", "--contents", file_of(package)).stdout
    for name in ("/usr/sbin/migrated", "/usr/bin/migratectl", "/lib/systemd/system/migrated.service",
                 "/lib/systemd/system/migrated.socket", "/usr/lib/sysusers.d/migrated.conf", "/etc/migrated/migrated.json",
                 "/usr/share/man/man1/migratectl.1.gz", "/usr/share/man/man5/migrated.json.5.gz",
                 "/usr/share/man/man8/migrated.8.gz", "/usr/lib/systemd/catalog/migrated.catalog", "/usr/lib/tmpfiles.d/migrated.conf",
                 "/usr/share/doc/migrated/OPERATIONS.md.gz", "/usr/share/doc/migrated/examples/entities.d/patients.json", "/usr/share/bash-completion/completions/migratectl"):
        assert f" .{name}\n" in names


@pytest.mark.long
def test_lintian_has_nothing_to_say(package):
    if not shutil.which("lintian"):
        pytest.skip("lintian is not installed")
    result = subprocess.run(["lintian", "--fail-on", "error,warning", next(package.glob("*.changes"))],
                            capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.fixture(scope="module")
def boot(package):
    tool()
    return run_inside(__file__, package)


@pytest.mark.long
@pytest.mark.parametrize("name", names_inside(__file__))
def test_the_package_under_systemd(boot, name):
    outcomes, output = boot
    assert outcomes.get(name) == "PASSED", output


# --- inside: systemd is PID 1, and this machine's files may be changed at will ---

def dpkg(*arguments):
    return run("dpkg", *arguments, env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"})


def is_active():
    return run("systemctl", "is-active", "migrated", check=False).stdout.strip() == "active"


def catalog_is_known():
    """Does journalctl -x find the text of the first event?"""
    message = re.search(r"^-- (\w+)$", (ROOT / "systemd/migrated.catalog").read_text(), re.M).group(1)
    return message in run("journalctl", "--list-catalog").stdout


def pid():
    return run("systemctl", "show", "--value", "-p", "MainPID", "migrated").stdout.strip()


def inside_is_installed_configured_started_upgraded_and_removed():
    pathlib.Path("/usr/sbin/policy-rc.d").unlink(missing_ok=True)  # of containers: has packages start nothing
    deb = next(pathlib.Path(os.environ["STAGE"]).glob("migrated_*.deb"))
    dpkg("--install", deb)
    assert not is_active(), "it waits for its configuration"
    assert run("systemctl", "is-enabled", "migrated", check=False).stdout == "disabled\n"
    assert catalog_is_known()
    status = pathlib.Path("/etc/migrated/migrated.json").stat()
    assert oct(status.st_mode & 0o777) == "0o640"
    assert run("stat", "-c", "%U:%G", "/etc/migrated/migrated.json").stdout == "root:migrated\n"
    pathlib.Path("/etc/migrated/migrated.json").write_text(CONFIG)
    pathlib.Path("/etc/migrated/entities.d/offices.json").write_text(OFFICES)
    run("systemctl", "enable", "--now", "migrated")
    wait_until(lambda: run("migratectl", "status", check=False).returncode == 0, 10)

    before = pid()
    dpkg("--install", deb)  # the same again, as an upgrade
    wait_until(lambda: is_active() and pid() != before, 20)
    assert pathlib.Path("/etc/migrated/migrated.json").read_text() == CONFIG

    dpkg("--remove", "migrated")
    assert not is_active()
    assert not pathlib.Path("/usr/sbin/migrated").exists()
    assert not catalog_is_known()
    assert pathlib.Path("/etc/migrated/migrated.json").exists(), "the configuration stays until it is purged"
    dpkg("--purge", "migrated")
    assert not pathlib.Path("/etc/migrated/migrated.json").exists()
