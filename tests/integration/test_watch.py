"""The live screen: what an administrator sees of a session and does to it by keys, on a terminal, in a pipe and as JSON."""

import json
import re
import subprocess

import pytest

from daemon import clean_environment, program
from mapping import Pair, entity
from sessions import held, migrate, start_migration, state_of, wait_until_blocked, wait_until_ended, wait_until_reached
from terminal import ENDING_SIGNALS, Watched
from waiting import wait_until

SOURCE = """
CREATE TABLE wards (id integer PRIMARY KEY, name text);
CREATE TABLE beds (id integer PRIMARY KEY, ward_id integer, name text);
INSERT INTO wards SELECT i, CASE i WHEN 7 THEN 'no such ward' ELSE 'ward ' || i END FROM generate_series(1, 50) AS i;
INSERT INTO beds SELECT i, 1 + i % 20, 'bed ' || i FROM generate_series(1, 200) AS i;"""
TARGET = """
CREATE TABLE wards (id uuid PRIMARY KEY, legacy_id integer UNIQUE,
                    name text CONSTRAINT known_ward CHECK (name LIKE 'ward %'));
CREATE TABLE beds (id uuid PRIMARY KEY, legacy_id integer UNIQUE, ward_id uuid REFERENCES wards, name text);"""
ENTITIES = [entity("wards", {"name": "name"}, on_delete="delete"),
            entity("beds", {"name": "name", "ward_id": {"references": "wards", "from": "ward_id"}}, on_delete="delete")]


@pytest.fixture
def hospital(databases, start_daemon):
    pair = Pair(databases, start_daemon, SOURCE, TARGET, ENTITIES)
    wait_until_reached(pair.daemon)
    return pair


@pytest.fixture
def blocked(hospital):
    """A session that stands before the table of wards until the test is over."""
    with held(hospital.target, "wards") as lock:
        hospital.session = start_migration(hospital.daemon)
        wait_until_blocked(hospital.target)
        hospital.unblock = lock.close
        yield hospital


# --- keys -------------------------------------------------------------------------------------------

def test_keys_pause_resume_and_cancel_the_session(blocked):
    with Watched(blocked.daemon, "watch") as watched:
        watched.wait_for("q quit", "wards", "waiting for parents")
        watched.press("p")
        watched.wait_for("paused: by an operator", "pausing: it is paused")
        watched.press("r")
        watched.wait_until_gone("paused: by an operator")
        watched.press("c")
        assert blocked.session[:8] in watched.wait_for("Cancel session", "y/n")
        watched.press("n")
        watched.wait_for("nothing was done")
        assert state_of(blocked.daemon) == "running"
        watched.press("c")
        watched.wait_for("y/n")
        watched.press("y")
        watched.wait_for("cancelling: it is")
        blocked.unblock()
        assert watched.end() == 1
        assert "was cancelled" in watched.screen.text and watched.is_as_before
    wait_until_ended(blocked.daemon, "cancelled")


def test_an_entity_is_shown_in_full_and_steered_alone(hospital):
    hospital.migrate()
    with held(hospital.target, "beds"):
        hospital.source_sql("UPDATE beds SET name = 'moved'")
        start_migration(hospital.daemon, full=True)
        wait_until_blocked(hospital.target)
        with Watched(hospital.daemon, "watch") as watched:
            watched.wait_for("q quit", "beds")
            watched.press("\r")
            watched.wait_for("Dead letters  1 of 23514 (known_ward)", "1 failed", "49 unchanged")
            watched.press("j")
            watched.wait_for("beds  running (moving)", "1 under way")
            watched.press("p")
            watched.wait_for("beds  paused", "paused by an operator")
            assert state_of(hospital.daemon) == "running"
            watched.press("r")
            watched.wait_for("beds  running")
            watched.press("?")
            watched.wait_for("this help")
            watched.press("\x1b[D")
            watched.wait_for("beds  running")
            watched.press("\x1b")
            watched.wait_for("> beds" if not watched.screen.text.isascii() and ">" in watched.screen.text else "beds",
                             "Entity")
            watched.press("q")
            assert watched.end() == 0 and watched.is_as_before
    wait_until_ended(hospital.daemon)


def test_what_a_breaker_asks_is_shown_before_it_is_approved(hospital):
    hospital.migrate()
    hospital.source_sql("DELETE FROM beds WHERE id > 20")
    start_migration(hospital.daemon)
    wait_until(lambda: state_of(hospital.daemon) == "paused", 30, "a breaker holds it")
    with Watched(hospital.daemon, "watch", columns=80, rows=24) as watched:
        watched.wait_for("paused: ", "are gone from the source", "q quit")
        watched.press("r")
        watched.wait_for("Approve and go on", "y/n")
        watched.press("n")
        watched.wait_for("nothing was done")
        assert state_of(hospital.daemon) == "paused"
        watched.press("r")
        watched.wait_for("Approve and go on")
        watched.press("y")
        assert watched.end() == 0
    assert hospital.target_sql("SELECT count(*) FROM beds") == [(19,)]  # one waits for the ward that was refused


# --- the terminal ------------------------------------------------------------------------------------

@pytest.mark.parametrize("number", ENDING_SIGNALS, ids=lambda number: number.name)
def test_the_terminal_is_put_back_whatever_ends_it(blocked, number):
    with Watched(blocked.daemon, "watch") as watched:
        watched.wait_for("q quit")
        assert watched.gives_keys
        watched.signal(number)
        assert watched.end() == -number and watched.is_as_before
        assert "wards" in watched.screen.text and "q quit" not in watched.screen.text  # the last frame stays


def test_stopped_it_gives_the_terminal_back_and_continued_it_goes_on(blocked):
    with Watched(blocked.daemon, shell=True) as watched:
        watched.press(f"{program('migratectl')} -H {blocked.daemon.socket} watch\n")
        watched.wait_for("q quit")
        watched.press("\x1a")
        watched.wait_for("Stopped")
        watched.press("stty -a | tr ' ' '\\n' | grep -xe '-*icanon'; fg\n")
        watched.wait_for("\nicanon")
        text = watched.wait_for("\nicanon", "q quit")
        assert text.rindex("q quit") > text.index("\nicanon") and text.count("Session") == 2
        watched.press("q")
        wait_until(lambda: watched.look().endswith(("#", "$")), 30, "the shell prompts")
        watched.press("echo =$?=; exit\n")
        watched.wait_for("=0=")


def test_whatever_size_the_terminal_has_no_line_is_wider_and_the_frame_stays_whole(blocked):
    with Watched(blocked.daemon, "watch", columns=80, rows=24) as watched:
        watched.wait_for("Overall", "beds", "q quit")
        for columns, rows in [(40, 10), (120, 40), (20, 3), (200, 12), (66, 5), (10, 2), (80, 24)]:
            watched.resize(columns, rows)
            watched.press("?")  # so that something changes
            watched.press("?")
            text = watched.wait_for("q quit" if rows > 3 and columns > 30 else "Session"[:columns])
            frame = text[text.rindex("Session"[:columns]):].splitlines()
            assert len(frame) < rows or rows == 2
            assert text.count("Session"[:columns]) == 1, f"one frame at {columns} x {rows}:\n{text}"


def test_a_frame_in_which_only_the_clock_moves_costs_few_bytes(blocked):
    with Watched(blocked.daemon, "watch") as watched:
        watched.wait_for("q quit")
        first = watched.screen.written
        clocks = {re.search(r"00:0\d:\d\d", watched.screen.text).group()}
        wait_until(lambda: (watched.look(), clocks.add(re.search(r"00:0\d:\d\d", watched.screen.text).group()), len(clocks) > 3)[2],
                   30, "the clock moves")
        assert (watched.screen.written - first) / len(clocks) < first / 2 < 3000


def test_colours_come_only_where_they_are_wanted(blocked):
    def written(*options, **environment):
        with Watched(blocked.daemon, "watch", *options, environment=environment) as watched:
            seen = []
            feed = watched.screen.feed
            watched.screen.feed = lambda text: (seen.append(text), feed(text))
            watched.wait_for("q quit")
        return "".join(seen)

    assert "\x1b[36mrunning" in written() and "█" in written() or "░" in written()
    assert "m" not in re.findall(r"\x1b\[[0-9;]*([a-zA-Z])", written("--no-color"))
    assert "m" not in re.findall(r"\x1b\[[0-9;]*([a-zA-Z])", written(NO_COLOR="1"))
    assert written("--no-color", LC_ALL="C").isascii()


# --- the daemon, and what it lacks --------------------------------------------------------------------

def test_without_follow_it_ends_with_its_status_when_the_daemon_goes(blocked):
    with Watched(blocked.daemon, "watch") as watched:
        watched.wait_for("q quit")
        blocked.daemon.kill()
        assert watched.end() == 3 and watched.is_as_before
        assert "the daemon has closed the connection" in watched.screen.text


def test_with_follow_it_says_so_and_finds_the_next_one(blocked):
    with Watched(blocked.daemon, "watch", "--follow") as watched:
        watched.wait_for("q quit")
        blocked.daemon.kill()
        watched.wait_for("the daemon is gone since", "reconnecting", "wards")
        blocked.daemon.start()
        watched.wait_until_gone("the daemon is gone since")
        watched.wait_for(blocked.session)
        watched.press("q")
        assert watched.end() == 0


def test_what_it_waits_for_stands_in_place_of_an_eta(blocked):
    server = blocked.target.server
    with Watched(blocked.daemon, "watch") as watched:
        watched.wait_for("q quit")
        server.down()
        try:
            watched.wait_for("reconnecting to target since")
            assert not re.search(r"\d s left", watched.screen.text)
            wait = blocked.daemon.call("Status")["session"]["wait"]
            assert wait["kind"] == "target" and wait["since"]
            shown = blocked.daemon.ctl("status", check=False).stdout
            assert shown.splitlines()[1].startswith("reconnecting to target since ")  # what is wrong comes first
        finally:
            server.up()
        watched.wait_until_gone("reconnecting to target")
        watched.press("q")
        assert watched.end() == 0
    wait_until_ended(blocked.daemon)


def test_between_cycles_the_lag_and_the_last_cycles_are_shown(hospital):
    hospital.migrate()
    daemon = hospital.daemon
    daemon.stop()
    daemon.config["schedule"] = {"every": "1s", "sweep_every": 0}
    daemon.write_config()
    wait_until_reached(daemon.start())
    with Watched(daemon, "watch") as watched:
        watched.wait_for("Cycles every 1s", "next at", "lag", "quiet")
        hospital.source_sql("UPDATE beds SET name = 'moved' WHERE id < 10")
        watched.wait_for("migrated", " 9 ")
        watched.press("q")
        assert watched.end() == 0


# --- no terminal --------------------------------------------------------------------------------------

def piped(daemon, *arguments):
    return subprocess.run([program("migratectl"), "-H", str(daemon.socket), *arguments], capture_output=True, text=True, timeout=60,
                          stdin=subprocess.DEVNULL, env={**clean_environment(), "TERM": "xterm"}, check=False)


def test_in_a_pipe_come_lines_and_nothing_else(hospital):
    with held(hospital.target, "wards"):
        start_migration(hospital.daemon)
        wait_until_blocked(hospital.target)
        hospital.daemon.ctl("pause")
        child = subprocess.Popen([program("migratectl"), "-H", str(hospital.daemon.socket), "watch"], stdout=subprocess.PIPE,
                                 stderr=subprocess.PIPE, text=True, env={**clean_environment(), "TERM": "xterm"})
        assert "paused" in child.stdout.readline()
        hospital.daemon.ctl("resume")
    out, err = child.communicate(timeout=60)
    lines = out.splitlines()
    assert child.returncode == 0 and "\x1b" not in out + err
    assert len(set(lines)) == len(lines)  # only changes
    assert any(re.search(r"beds +completed +200 of 200 rows", line) for line in lines)


def test_no_frame_shows_more_than_all_of_it_or_goes_back(hospital):
    hospital.daemon.stop()
    hospital.daemon.config["settings"] = {**hospital.daemon.config.get("settings", {}), "batch_size": 10}
    hospital.daemon.write_config()
    wait_until_reached(hospital.daemon.start())
    with held(hospital.target, "beds"):
        session = start_migration(hospital.daemon, full=True)
        wait_until_blocked(hospital.target)
        with hospital.daemon.connect(60) as connection:
            stream = connection.stream("Watch", interval_ms=50, session=session)
            frames = [next(stream)]
            hospital.source_sql("INSERT INTO beds SELECT i, 1, 'late' FROM generate_series(201, 300) AS i")
            hospital.source_sql("DELETE FROM wards WHERE id > 40")
            hospital.target.sql(f"SELECT pg_terminate_backend(l.pid) FROM pg_locks l WHERE relation = 'beds'::regclass "
                                f"AND mode = 'ShareLock' AND granted")
            frames += stream
    for key in ("wards", "beds"):
        shown = [part for frame in frames for part in frame["entities"] if part["entity"] == key]
        assert all(part["done"] <= part["total"] and 0 <= part["percent"] <= 100 for part in shown)
        assert all(part["percent"] < 100 for part in shown if part["status"] != "completed")
        assert [part["percent"] for part in shown] == sorted(part["percent"] for part in shown)
        assert shown[-1]["percent"] == 100
    assert [frame["session"]["percent"] for frame in frames][-1] == 100
    assert all(part["wait"] is None or part["eta_ms"] is None for frame in frames for part in frame["entities"])


def test_json_is_one_versioned_object_a_line_and_agrees_with_status(hospital):
    migrate(hospital.daemon)
    told = piped(hospital.daemon, "watch", "--json")
    frames = [json.loads(line) for line in told.stdout.splitlines()]
    status = hospital.daemon.ctl_json("status")
    assert told.returncode == 0 and len(frames) == 1 and frames[0]["version"] == 1
    assert frames[0].keys() == status.keys()
    assert frames[0]["session"] == status["session"] and frames[0]["entities"] == status["entities"]


def test_a_validation_is_shown_while_it_goes_and_when_it_has_found_something(hospital):
    hospital.migrate()
    hospital.target_sql("UPDATE beds SET name = 'other' WHERE legacy_id = 3")
    hospital.daemon.ctl("validate", "--checks", "values", check=False)
    shown = hospital.daemon.ctl("status", check=False).stdout
    assert re.search(r"^Validation [0-9a-f]{8}  completed  2 of 2 checks, .* rows, 1 differ", shown, re.MULTILINE)
    assert "validation: 1 row differs; migratectl validate --show" in shown.splitlines()[1]
