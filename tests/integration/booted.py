"""Tests that need a running systemd.

They are functions named inside_* beside the ordinary tests of a file, and run in one boot of a throw-away systemd on an overlay of this
machine, made by a tool named with-systemd (with-systemd --timeout SECONDS --dir DIR -- COMMAND…): the one that the variable WITH_SYSTEMD
names, or the one on PATH. Without it, or without root, they are skipped.
"""

import os
import pathlib
import re
import shutil
import subprocess

import pytest

from servers import ROOT

BOOT_LIMIT_S = 180


def run(*command, check=True, **options):
    result = subprocess.run([str(word) for word in command], capture_output=True, text=True, **options)
    if check:
        output = result.stdout + result.stderr
        assert result.returncode == 0, f"{' '.join(map(str, command))}: {result.returncode}\n{output}"
    return result


def tool():
    name = os.environ.get("WITH_SYSTEMD") or "with-systemd"
    path = shutil.which(name)
    if not path:
        pytest.skip(f"there is no {name}: WITH_SYSTEMD names the tool that boots a throw-away systemd")
    if os.geteuid() != 0:
        pytest.skip(f"{name} needs root")
    if ROOT.is_relative_to("/tmp"):
        pytest.skip("a throw-away systemd has a /tmp of its own, so it would not see these tests")
    return path


def names_inside(file):
    return re.findall(r"^def (inside_\w+)", pathlib.Path(file).read_text(), re.MULTILINE)


def run_inside(file, stage, limit=BOOT_LIMIT_S):
    """The inside_* functions' outcomes by name (of one with parameters, the worst), and all that was printed. They find STAGE in their
    environment; it must not be below /tmp, which is empty inside."""
    result = run(tool(), "--timeout", limit, "--dir", ROOT, "--",
                 "/usr/bin/python3", "-B", "-m", "pytest", "-v", "-p", "no:cacheprovider",
                 "-o", "python_functions=inside_*", "-rP", "--durations=6", file,
                 check=False, env={**os.environ, "STAGE": str(stage), "TMPDIR": "/tmp", "LC_ALL": "C.UTF-8"})
    outcomes = {}
    for name, outcome in re.findall(r"::(inside_\w+)(?:\[.*\])? (PASSED|FAILED|ERROR|SKIPPED)", result.stdout):
        if outcomes.get(name, "PASSED") == "PASSED":
            outcomes[name] = outcome
    return outcomes, result.stdout + result.stderr
