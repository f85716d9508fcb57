"""make install and make uninstall: complete, the same each time, for whoever may write to DESTDIR; the configuration is the administrator's."""

import os
import pathlib
import re
import shutil
import stat
import subprocess
import tempfile

import pytest

from servers import ROOT

NOBODY = 65534


class Place:
    """A DESTDIR that belongs to an ordinary user; programs are taken as they have been built."""

    def __init__(self, directory):
        self.directory = pathlib.Path(directory)
        self.user = []
        if os.geteuid() == 0:
            os.chown(directory, NOBODY, NOBODY)
            self.user = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]

    def make(self, target, **variables):
        variables = {"DESTDIR": self.directory, "PREFIX": "/usr/local", **variables}
        result = subprocess.run([*self.user, "make", "-o", "all", target, *(f"{name}={value}" for name, value in variables.items())],
                                cwd=ROOT, capture_output=True, text=True)
        assert result.returncode == 0, result.stderr

    def files(self):
        """path -> (mode, contents)"""
        return {str(path.relative_to(self.directory)): (stat.filemode(path.stat().st_mode), path.read_bytes())
                for path in self.directory.rglob("*") if path.is_file()}

    def read(self, path):
        return (self.directory / path).read_text()


@pytest.fixture
def place():
    with tempfile.TemporaryDirectory(prefix="migrated-") as directory:
        os.chmod(directory, 0o755)
        yield Place(directory)


def test_everything_that_users_need_is_installed(place):
    place.make("install")
    names = {pathlib.Path(name).name for name in place.files()}
    ours = [*ROOT.glob("daemon/*.[58]"), *ROOT.glob("ctl/*.1"), *ROOT.glob("systemd/*"), *ROOT.glob("etc/**/*.*"),
            *(ROOT / name for name in ("README.md", "OPERATIONS.md", "CHANGELOG.md"))]
    renamed = {".sysusers": ".conf", ".tmpfiles": ".conf"}
    missing = [path.name for path in ours if path.is_file() and path.stem + renamed.get(path.suffix, path.suffix) not in names]
    assert missing == []
    assert {"migrated", "migratectl", "_migratectl", "migratectl.fish"} <= names


def test_units_start_what_was_installed(place):
    place.make("install", PREFIX="/opt/migrated", UNITDIR="/units")
    unit = place.read("units/migrated.service")
    programs = re.findall(r"^Exec\w+=[-+!@:]*(\S+)", unit, re.MULTILINE)
    assert programs and all((place.directory / program.lstrip("/")).exists() for program in programs), programs


def test_installed_twice_it_is_the_same_and_what_is_configured_stays(place):
    place.make("install")
    first = place.files()
    place.make("install")
    assert place.files() == first
    config = place.directory / "etc/migrated/migrated.json"
    config.chmod(0o644)
    config.write_text("{}")
    place.make("install")
    assert config.read_text() == "{}"


def test_uninstalled_it_leaves_nothing_but_the_configuration(place):
    place.make("install")
    kept = {name for name in place.files() if name.startswith("etc/")}
    place.make("uninstall")
    assert set(place.files()) == kept == {"etc/migrated/migrated.json"}
    assert not list(place.directory.rglob("*/doc/migrated"))
    shutil.rmtree(place.directory / "etc")
    place.make("uninstall")  # once more, when there is nothing
