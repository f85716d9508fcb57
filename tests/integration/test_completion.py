"""Completion: what migratectl offers for a line that is being typed, and the scripts of the shells that ask it."""

import re
import shutil
import subprocess

import pytest

from daemon import BUILD_DIR, program
from servers import ROOT
from sessions import migrate

SCRIPTS = ROOT / "ctl/completion"
SMALL = 0.05


def offered(*words, socket="/nonexistent"):
    output = subprocess.run([program("migratectl"), "--complete", *words], capture_output=True, text=True, check=True,
                            timeout=30, env={"MIGRATED_SOCKET": socket}).stdout
    return [line.split("\t")[0] for line in output.splitlines()]


def helped(*words):
    return subprocess.run([program("migratectl"), *words, "--help"], capture_output=True, text=True, check=True).stdout


def commands():
    text = helped().split("Options:")[0]
    return re.findall(r"^  ([a-z][a-z-]*(?: [a-z]+)?)  ", text, re.M)


def test_every_command_is_offered_once():
    assert len(commands()) > 15
    first_words = list(dict.fromkeys(command.split()[0] for command in commands()))
    assert offered("") == first_words
    assert offered("help", "") == first_words
    assert set(offered("dead-letters", "")) == {"list", "show", "retry", "discard"}
    assert offered("dead-letters", "re") == ["retry"]


def test_every_option_of_a_command_is_offered_and_no_other():
    for command in commands():
        expected = re.findall(r"^  (?:-\w, )?(--[a-z-]+)", helped(*command.split()), re.M)
        assert sorted(offered(*command.split(), "--")) == sorted(expected), command


@pytest.mark.parametrize("words, expected", [
    (["list", "--lim"], ["--limit"]),
    (["list", "--limit", ""], []),
    (["--quiet", "sta"], ["status"]),
    (["-H", "/run/x", "sta"], ["status"]),
    (["conflicts", "list", "--state", "h"], ["held"]),
    (["conflicts", "list", "--state=h"], ["--state=held"]),
    (["conflicts", "list", "--state", "=", "h"], ["held"]),  # as bash splits it
    (["dead-letters", "list", "--state", ""], ["open", "resolved", "discarded", "all"]),
    (["nothing-like-this", ""], []),
    ([], None),
])
def test_what_may_come_next(words, expected):
    assert offered(*words) == (expected if expected is not None else offered(""))


def test_sessions_and_entities_are_asked_of_the_daemon(make_clinic, start_daemon):
    daemon = start_daemon(make_clinic(scale=SMALL))
    migrate(daemon)
    session = daemon.call("List")["sessions"][0]["session"][:8]
    assert offered("pause", "", socket=daemon.socket) == [session]
    assert offered("logs", "--session", session[:2], socket=daemon.socket) == [session]
    assert "patients" in offered("pause", "--entity", "p", socket=daemon.socket)
    assert offered("-H", daemon.socket, "pause", "") == [session]


def test_without_a_daemon_nothing_is_offered_for_them():
    assert offered("pause", "") == []


# --- the shells ---------------------------------------------------------------------------------------

def shell(name):
    path = shutil.which(name)
    if not path:
        pytest.skip(f"{name} is not installed")
    return path


@pytest.fixture
def run(tmp_path):
    def run(*command):
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60,
                              env={"PATH": f"{BUILD_DIR}:/usr/bin:/bin", "HOME": str(tmp_path)}).stdout.split()

    return run


def test_bash_completes(run):
    script = f"""source {SCRIPTS}/migratectl.bash
                 COMP_WORDS=(migratectl dead-letters list --st); COMP_CWORD=3; _migratectl; echo "${{COMPREPLY[@]}}"
                 COMP_WORDS=(migratectl sta); COMP_CWORD=1; _migratectl; echo "${{COMPREPLY[@]}}"
                 complete -p migratectl"""
    assert run(shell("bash"), "-c", script)[:2] == ["--state", "status"]


def test_fish_completes(run):
    script = f"source {SCRIPTS}/migratectl.fish; complete -C 'migratectl dead-letters list --st'; complete -C 'migratectl sta'"
    words = run(shell("fish"), "--no-config", "-c", script)
    assert "--state" in words and "status" in words


def test_zsh_completes(run):
    script = f"""_describe() {{ print -l -- $candidates }}
                 complete() {{ local -a words=($@); local CURRENT=$#; source {SCRIPTS}/_migratectl }}
                 complete migratectl sta; complete migratectl dead-letters list --st"""
    words = run(shell("zsh"), "-f", "-c", script)
    assert words[0].startswith("status:") and any(word.startswith("--state:") for word in words)
