"""What people read: migratectl's status, watch, detect and plan of a daemon that keeps two databases in step."""

import re

import pytest

from mapping import Pair, entity
from sessions import held, start_migration, wait_until_blocked, wait_until_ended, wait_until_reached
from waiting import wait_until

SOURCE = """
CREATE TABLE wards (id integer PRIMARY KEY, name text);
CREATE TABLE beds (id integer PRIMARY KEY, ward_id integer, name text, updated_at timestamptz DEFAULT now());
CREATE INDEX ON beds (updated_at);
INSERT INTO wards SELECT i, 'ward ' || i FROM generate_series(1, 20) AS i;
INSERT INTO beds SELECT i, 1 + i % 20, 'bed ' || i FROM generate_series(1, 200) AS i;"""
TARGET = """
CREATE TABLE wards (id uuid PRIMARY KEY, legacy_id integer UNIQUE, name text);
CREATE TABLE beds (id uuid PRIMARY KEY, legacy_id integer UNIQUE, ward_id uuid REFERENCES wards, name text);"""
ENTITIES = [entity("wards", {"name": "name"}),
            entity("beds", {"name": "name", "ward_id": {"references": "wards", "from": "ward_id"}})]


@pytest.fixture
def hospital(databases, start_daemon):
    pair = Pair(databases, start_daemon, SOURCE, TARGET, ENTITIES)
    wait_until_reached(pair.daemon)
    return pair


def status(daemon):
    result = daemon.ctl("status", check=False)
    return result.returncode, result.stdout


def test_a_paused_session_is_seen_with_its_reason_and_what_goes_on_with_it(hospital):
    daemon = hospital.daemon
    assert status(daemon)[0] == 0
    with held(hospital.target, "wards"):
        session = start_migration(daemon)
        wait_until_blocked(hospital.target)
        daemon.ctl("pause")
        returned, shown = status(daemon)
        assert returned == 6
        assert f"paused: by an operator; migratectl resume {session[:8]} goes on with it\n" in shown
        frame = next(daemon.stream("Watch"))
        assert (frame["session"]["hold"], frame["throttled"], frame["standby"]) == ("operator", None, None)
        assert daemon.call("List")["sessions"][0]["hold"] == "operator"
    daemon.ctl("resume")
    wait_until_ended(daemon)
    returned, shown = status(daemon)
    assert (returned, "paused" in shown) == (0, False)
    assert daemon.call("List")["sessions"][0]["hold"] is None


def test_sessions_are_listed_by_how_they_ended(hospital):
    daemon = hospital.daemon
    hospital.migrate()
    with held(hospital.target, "wards") as lock:
        session = start_migration(daemon, full=True)
        wait_until_blocked(hospital.target)
        daemon.ctl("cancel")
        lock.close()
    wait_until_ended(daemon, "cancelled")
    assert [row["session"] for row in daemon.ctl_json("list", "--state", "cancelled")["sessions"]] == [session]
    assert [row["state"] for row in daemon.ctl_json("list", "--state", "completed")["sessions"]] == ["completed"]
    assert len(daemon.ctl_json("list", "--state", "all")["sessions"]) == 2
    assert daemon.ctl("list", "--state", "failed").stdout == "There is no such session.\n"
    assert daemon.ctl("list", "--state", "lost", check=False).returncode == 2


def test_how_an_entity_is_looked_at_is_said_where_it_was_not_swept(hospital):
    daemon = hospital.daemon
    hospital.migrate()
    hospital.source_sql("DELETE FROM beds WHERE id = 1")
    assert "Look" not in daemon.ctl("detect").stdout
    looked = daemon.ctl("detect", "--strategy", "watermark").stdout
    beds, wards = (re.search(rf"^{name} +(.*)$", looked, re.MULTILINE).group(1).split() for name in ("beds", "wards"))
    assert (beds[2], beds[-1]) == ("-", "timestamp")  # a watermark sees no deletions, and is not said to
    assert (wards[2], wards[-1]) == ("-", "xmin")
    swept = daemon.ctl("detect", "--strategy", "sweep").stdout
    assert re.search(r"^beds +0 +0 +1 ", swept, re.MULTILINE)


def test_a_look_that_could_not_trust_its_watermark_says_why(hospital):
    hospital.migrate()
    hospital.target_sql("UPDATE migrated.entity SET watermark = NULL WHERE entity = 'beds'")
    shown = hospital.daemon.ctl("detect", "--strategy", "watermark").stdout
    assert re.search(r"^beds .* sweep: no watermark is kept yet$", shown, re.MULTILINE)


def test_plan_says_of_each_entity_how_it_is_looked_at_and_why_but_once(hospital):
    shown = hospital.daemon.ctl("plan").stdout
    notes = dict(re.findall(r"^ +(\d+)  (.*)$", shown, re.MULTILINE))
    by_entity = dict(re.findall(r"^  (\w+) .* hybrid +(\d+)", shown, re.MULTILINE))
    assert "timestamp" in notes[by_entity["beds"]] and "xmin" in notes[by_entity["wards"]]
    assert len(notes) == 2


def test_a_completed_session_shows_what_had_changes(hospital):
    daemon = hospital.daemon
    hospital.migrate()
    hospital.source_sql("UPDATE beds SET name = 'moved' WHERE id < 10")
    hospital.migrate()
    _, shown = status(daemon)
    assert re.search(r"^beds +completed", shown, re.MULTILINE)
    assert not re.search(r"^wards", shown, re.MULTILINE) and "1 entity had no changes" in shown


def test_the_cycles_are_shown_with_what_they_found(hospital):
    daemon = hospital.daemon
    hospital.migrate()
    daemon.stop()
    daemon.config["schedule"] = {"every": "1s", "sweep_every": 0}
    daemon.write_config()
    wait_until_reached(daemon.start())
    hospital.source_sql("UPDATE beds SET name = 'moved', updated_at = now() WHERE id < 10")
    wait_until(lambda: any(cycle["changed"] == 9 for cycle in daemon.call("Status")["cycles"]["last"]), 30,
               lambda: f"a cycle brings them:\n{daemon.call('Status')['cycles']}\n{daemon.log()}")
    wait_until(lambda: daemon.call("Status")["cycles"]["last"][0]["result"] == "quiet", 30, "a cycle is quiet")
    _, shown = status(daemon)
    assert re.search(r"^Cycles every 1s; (next at .*; )?lag ", shown, re.MULTILINE)
    assert re.search(r" quiet +watermark +0 ", shown)
    assert re.search(r" migrated +watermark +9 +[0-9a-f]{8}$", shown, re.MULTILINE)


def test_what_throttles_is_shown_while_it_does(hospital):
    daemon = hospital.daemon
    hospital.target_sql("CREATE TABLE load (now integer); INSERT INTO load VALUES (42)")
    daemon.stop()
    daemon.config["throttle"] = {"query": "SELECT now FROM load", "max": 10, "every": "200ms"}
    daemon.write_config()
    wait_until_reached(daemon.start())
    start_migration(daemon)
    wait_until(lambda: daemon.call("Status")["throttled"], 20, "nothing new is begun")
    assert "\nthrottled: throttle.query says 42, throttle.max is 10\n" in status(daemon)[1]
    assert "42" in next(daemon.stream("Watch"))["throttled"]
    hospital.target_sql("UPDATE load SET now = 10")
    wait_until_ended(daemon)
    assert "throttled" not in status(daemon)[1]
