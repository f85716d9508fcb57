"""Reading the configuration again (migratectl reload, SIGHUP): afterwards all is as after a restart, and what is wrong changes nothing.

Pair.change_mapping() reloads or starts again, as chance has it, so that every test that changes a mapping is one of reloading, too.
"""

import json
import signal

import pytest

from mapping import PLAIN, PLAIN_SOURCE, PLAIN_TARGET, entity, same_things
from sessions import (held, migrate, start_migration, state_of, wait_until_blocked, wait_until_connected, wait_until_ended,
                      wait_until_reached, wait_until_resumed_and_ended)
from waiting import wait_until

SECRET = "c4nary-password"
PARTS_SOURCE = "CREATE TABLE parts (id integer PRIMARY KEY, thing_id integer, label text)"
PARTS_TARGET = "CREATE TABLE parts (id uuid PRIMARY KEY, legacy_id integer UNIQUE, thing_id uuid REFERENCES things, label text)"
PARTS = entity("parts", {"label": "label", "thing_id": {"references": "things", "from": "thing_id"}})
SHOUTED = entity("things", {"value": {"sql": "upper(value)"}}, on_delete="delete")


@pytest.fixture
def things(databases, start_daemon):
    """A daemon with one entity of 100 rows, in batches of 10."""
    databases.source_sql(PLAIN_SOURCE + "; " + PARTS_SOURCE)
    databases.target_sql(PLAIN_TARGET + "; " + PARTS_TARGET)
    databases.source_sql("INSERT INTO things SELECT i, 'value ' || i FROM generate_series(1, 100) AS i")
    databases.source_sql("INSERT INTO parts SELECT i, i, 'part ' || i FROM generate_series(1, 50) AS i")

    def start(**options):
        return wait_until_reached(start_daemon(databases, entities=[PLAIN],
                                               settings={"batch_size": 10, "max_concurrent_entities": 1}, **options))
    return start


def changes(reply):
    return {change["what"]: (change["kind"], change["effect"]) for change in reply["changes"]}


def reload(daemon):
    reply = daemon.call("Reload")
    assert reply["accepted"], reply["problems"]
    return reply


def values(databases):
    return [value for (value,) in databases.target_sql("SELECT value FROM things ORDER BY legacy_id")]


def epoch(databases):
    return databases.target_sql("SELECT epoch FROM migrated.owner")


# --- what is wrong ---

def test_a_wrong_configuration_is_refused_with_all_its_problems_and_changes_nothing(databases, things):
    daemon = things()
    daemon.config["settings"].update(batch_size="many", batch_sise=5)
    daemon.config["breakers"] = {"error_rate": 50}
    daemon.config["source"]["conninfo"] += f" passwort={SECRET}"
    daemon.write_config()
    daemon.write_entities([{**SHOUTED, "colums": {}}, {**PARTS, "columns": {"thing_id": {"references": "nobody", "from": "x"}}}])
    daemon.process.send_signal(signal.SIGHUP)
    wait_until(lambda: "the one before stays in force" in daemon.log(), what="SIGHUP is refused")
    result = daemon.ctl("reload", check=False)
    assert result.returncode == 1
    for place in ("migrated.json: $.settings.batch_size", "migrated.json: $.settings: unknown key \"batch_sise\"",
                  "migrated.json: $.source.conninfo", "things.json: $: unknown key \"colums\"", "parts.json: $.columns.thing_id"):
        assert place in result.stdout
    assert daemon.ctl_json("reload", check=False)["accepted"] is False
    assert SECRET not in daemon.log() + result.stdout + result.stderr
    assert [entity["entity"] for entity in daemon.call("Plan")["entities"]] == ["things"]
    migrate(daemon)
    same_things(databases)


def test_what_is_gone_is_refused_too(things):
    daemon = things()
    daemon.config_file.unlink()
    reply = daemon.call("Reload")
    assert not reply["accepted"] and "cannot be read" in reply["problems"][0]
    assert daemon.call("Status")["state"] == "idle"


# --- what has changed ---

def test_each_change_is_named_with_when_it_counts(things):
    daemon = things()
    assert daemon.ctl("reload").stdout == "Nothing has changed.\n"
    daemon.config["settings"]["batch_size"] = 20
    daemon.config["breakers"] = {"error_rate": 50}
    daemon.config["source"]["conninfo"] += f" password={SECRET}"
    daemon.write_config()
    daemon.write_entities([SHOUTED, PARTS])
    shown = daemon.ctl("reload").stdout
    assert [line.split() for line in shown.splitlines()[1:]] == [
        ["source.conninfo", "changed", "in", "force"], ["settings.batch_size", "changed", "in", "force"],
        ["breakers.error_rate", "changed", "in", "force"], ["entity", "parts", "added", "in", "force"],
        ["entity", "things", "changed", "in", "force"]]
    assert SECRET not in daemon.log() + shown
    daemon.write_entities([PARTS, {**PLAIN, "entity": "stuff"}])
    assert daemon.call("Reload")["problems"], "parts refers to an entity that is gone"
    daemon.write_entities([PLAIN])
    assert changes(reload(daemon)) == {"entity parts": ("removed", "in_force"), "entity things": ("changed", "in_force")}


def test_what_only_a_restart_can_change_is_said_and_left(things):
    daemon = things()
    daemon.stop()
    other = daemon.socket + "-other"
    with_socket = daemon._command
    daemon._command = lambda: [word for word in with_socket() if word not in ("--socket", daemon.socket)]
    daemon.start()
    daemon.config["control"]["socket"] = other
    daemon.config["settings"]["batch_size"] = 3
    daemon.write_config()
    for _ in range(2):
        reply = reload(daemon)
        assert changes(reply).pop("control.socket") == ("changed", "restart")
    assert "when migrated is started again" in daemon.ctl("reload").stdout
    daemon.stop()
    daemon.socket = other
    daemon.start()
    assert changes(reload(daemon)) == {}


def test_a_reload_is_as_a_restart(databases, things):
    """Order of work, SQL, checks and what is carried: of a daemon that has reloaded, and of one that was started with the same files."""
    daemon = things()
    migrate(daemon)
    daemon.config["settings"].update(batch_size=7, work_memory="8MB")
    daemon.write_config()
    daemon.write_entities([SHOUTED, PARTS])
    reload(daemon)

    def seen():
        wait_until_connected(daemon)
        checks = [finding for finding in daemon.call("Check")["findings"] if finding["check"] != "connection"]
        plans = [daemon.call("Plan")] + [daemon.call("Plan", sql=name) for name in ("things", "parts")]
        for planned in (planned for plan in plans for planned in plan["entities"]):
            planned.pop("bulk", None)  # it goes by whether the table is empty
        return plans, [finding for finding in checks if finding["check"] == "mapping"]

    reloaded = seen()
    session = migrate(daemon)
    assert (session.entities["things"]["inserted"], session.entities["things"]["updated"]) == (0, 100)
    assert values(databases) == [f"VALUE {i}" for i in range(1, 101)]
    assert databases.target_sql("""
        SELECT count(*)
          FROM parts
          JOIN things ON things.id = parts.thing_id AND things.legacy_id = parts.legacy_id""") == [(50,)]
    assert max(rows for (rows,) in databases.target_sql("SELECT inserted FROM migrated.batch WHERE entity = 'parts'")) <= 7
    daemon.restart()
    wait_until_reached(daemon)
    assert seen() == reloaded
    session = migrate(daemon, full=True)
    assert {name: part["updated"] + part["inserted"] for name, part in session.entities.items()} == {"things": 0, "parts": 0}


# --- while something is under way ---

def test_a_session_goes_on_with_its_mapping_and_the_next_has_the_new_one(databases, things):
    daemon = things()
    with held(databases.target, "things"):
        session = start_migration(daemon)
        wait_until_blocked(databases.target)
        daemon.write_entities([SHOUTED, PARTS])
        shown = daemon.ctl("reload").stdout
        assert f"when session {session[:8]} is over" in shown and "systemctl restart migrated" in shown
        assert [entity["entity"] for entity in daemon.call("Plan")["entities"]] == ["things"]
    wait_until_ended(daemon)
    assert values(databases) == [f"value {i}" for i in range(1, 101)]
    wait_until(lambda: len(daemon.call("Plan")["entities"]) == 2, what="the mapping is in force")
    assert changes(reload(daemon)) == {}
    migrate(daemon)
    assert values(databases) == [f"VALUE {i}" for i in range(1, 101)]


def test_what_waits_is_forgotten_when_the_files_are_as_before(databases, things):
    daemon = things()
    with held(databases.target, "things"):
        session = start_migration(daemon)
        wait_until_blocked(databases.target)
        daemon.call("Pause")
        daemon.write_entities([SHOUTED])
        assert reload(daemon)["waits_for"] == f"paused session {session[:8]}"
        daemon.write_entities([PLAIN])
        assert changes(reload(daemon)) == {}
    daemon.call("Resume")
    wait_until_ended(daemon)
    migrate(daemon, full=True)
    same_things(databases)


def test_a_paused_session_that_outlives_the_daemon_goes_on_with_the_new_mapping(databases, things):
    """What waits for it is what a restart does at once: the answer says so, and it is so after kill -9, too."""
    daemon = things()
    with held(databases.target, "things"):
        session = start_migration(daemon)
        wait_until_blocked(databases.target)
        daemon.write_entities([PLAIN, PARTS])
        assert changes(reload(daemon)) == {"entity parts": ("added", "waiting")}
        daemon.kill()
    daemon.start()
    wait_until_resumed_and_ended(daemon, session)
    assert changes(reload(daemon)) == {}
    same_things(databases)
    migrate(daemon)
    assert databases.target_sql("SELECT count(*) FROM parts") == [(50,)]


@pytest.mark.parametrize("method", ["Detect", "Validate", "DryRun"])
def test_other_work_is_waited_for_as_well(databases, things, method):
    daemon = things()
    migrate(daemon)
    databases.source_sql("UPDATE things SET value = value || ' again'")
    with held(databases.source, "things") as connection, daemon.connect() as caller:
        connection.execute("LOCK TABLE things")
        caller.send("io.migrated." + method, {}, more=method != "Detect")
        wait_until(lambda: daemon.call("Reload")["changes"] == [] and blocked_readers(databases.source), what="it waits")
        daemon.write_entities([SHOUTED])
        assert reload(daemon)["waits_for"] == {"Detect": "the detection", "Validate": "the validation", "DryRun": "the dry run"}[method]
    wait_until(lambda: "upper" in json.dumps(daemon.call("Plan", sql="things")), what="the mapping is in force")
    migrate(daemon)
    assert values(databases) == [f"VALUE {i} AGAIN" for i in range(1, 101)]


def blocked_readers(database):
    return database.value("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'") > 0


def test_breakers_count_at_once_for_the_session_that_they_hold(databases, things):
    databases.target_sql("ALTER TABLE things ADD CHECK (legacy_id > 40)")
    daemon = things()
    daemon.config["breakers"] = {"error_rate": 10, "error_min_rows": 5}
    daemon.write_config()
    reload(daemon)
    start_migration(daemon)
    wait_until(lambda: state_of(daemon) == "paused", what="the breaker holds the session")
    daemon.config["breakers"]["error_rate"] = 0
    daemon.write_config()
    assert changes(reload(daemon)) == {"breakers.error_rate": ("changed", "in_force")}
    daemon.call("Resume")
    wait_until_ended(daemon)
    assert databases.target_sql("SELECT count(*) FROM things") == [(60,)]


def test_a_throttle_is_put_on_and_taken_off_while_a_session_runs(databases, things):
    databases.target_sql("CREATE TABLE load (value integer); INSERT INTO load VALUES (9)")
    daemon = things()
    with held(databases.target, "things"):
        start_migration(daemon)
        wait_until_blocked(databases.target)
        daemon.config["throttle"] = {"query": "SELECT value FROM load", "max": 5, "every": "1h"}
        daemon.write_config()
        reload(daemon)
        wait_until(lambda: daemon.call("Status")["throttled"], what="it is throttled")
    wait_until(lambda: not blocked_readers(databases.target), what="the batch is over")
    assert databases.target_sql("SELECT count(*) < 100 FROM things") == [(True,)]
    del daemon.config["throttle"]
    daemon.write_config()
    reload(daemon)
    wait_until_ended(daemon)
    same_things(databases)


# --- what stays and what is made anew ---

def test_the_store_stays_ours_when_connections_need_not_change(databases, things, start_daemon):
    daemon = things()
    migrate(daemon)
    standby = wait_until_connected(start_daemon(databases, entities=[PLAIN]))
    wait_until(lambda: standby.call("Status")["state"] == "standby", what="the other stands by")
    before = epoch(databases)
    daemon.config["settings"]["batch_size"] = 3
    daemon.write_config()
    daemon.write_entities([SHOUTED])
    reload(daemon)
    migrate(daemon)
    assert (epoch(databases), standby.call("Status")["state"]) == (before, "standby")
    assert values(databases)[0] == "VALUE 1"


def test_a_password_that_was_wrong_is_mended_without_a_restart(databases, things):
    daemon = things()
    migrate(daemon)
    good = daemon.config["target"]["conninfo"]
    daemon.config["target"]["conninfo"] = good + " dbname=nowhere"
    daemon.write_config()
    reload(daemon)
    wait_until(lambda: daemon.call("Status")["state"] in ("unavailable", "starting") and
               daemon.call("Status")["connections"][1]["error"], what="the target cannot be reached")
    daemon.config["target"]["conninfo"] = good
    daemon.write_config()
    reload(daemon)
    wait_until_reached(daemon)
    databases.source_sql("INSERT INTO things VALUES (101, 'late')")
    migrate(daemon)
    same_things(databases)


def test_a_schedule_begins_with_the_reload_and_what_was_seen_of_cycles_is_kept(databases, things):
    daemon = things()
    daemon.config["schedule"] = {"every": "1s"}
    daemon.write_config()
    reload(daemon)
    wait_until(lambda: values(databases) == [f"value {i}" for i in range(1, 101)], 30, "a cycle has carried all")
    wait_until(lambda: daemon.call("Status")["cycles"]["last"], what="it is over")
    daemon.config["schedule"] = {"every": "1h"}
    daemon.write_config()
    reload(daemon)
    cycles = wait_until(lambda: daemon.call("Status")["cycles"]["every_ms"] == 3600000 and daemon.call("Status")["cycles"],
                        what="the schedule is in force")
    assert cycles["last"] and cycles["lag_ms"] is not None
    daemon.write_entities([SHOUTED])
    reload(daemon)
    assert daemon.call("Status")["cycles"]["lag_ms"] is None, "nobody has looked with this mapping yet"


def test_observers_that_come_without_end_do_not_hold_it_up(things):
    daemon = things()
    daemon.write_entities([SHOUTED, PARTS])
    with daemon.connect() as first, daemon.connect() as second:
        for connection in (first, second):
            connection.send("io.migrated.Analyze", {})
        reply = reload(daemon)
        assert reply["waits_for"] is None
        assert first.receive()["parameters"]["entities"] and second.receive()["parameters"]["entities"]


# --- killed ---

@pytest.mark.parametrize("point", ["reload.exchanging", "reload.exchanged"])
def test_killed_in_the_middle_of_a_reload_it_is_as_after_one(databases, things, point):
    daemon = things(fault="")
    migrate(daemon)
    daemon.stop()
    daemon.fault = f"{point}:kill:1"
    wait_until_reached(daemon.start())
    daemon.write_entities([SHOUTED, PARTS])
    daemon.process.send_signal(signal.SIGHUP)
    daemon.wait_until_killed()
    daemon.fault = ""
    wait_until_reached(daemon.start())
    assert changes(reload(daemon)) == {}
    migrate(daemon)
    assert values(databases) == [f"VALUE {i}" for i in range(1, 101)]
    assert databases.target_sql("SELECT count(*) FROM parts") == [(50,)]
