"""What is logged: events and their catalog, the fields of lines, and that no value of a row and no password is in any of it."""

import json
import os
import re
import subprocess

import pytest

from mapping import Pair, entity
from servers import ROOT
from sessions import migrate

# --- the table, its catalog, and its call sites ----------------------------------------------------------------

TABLE = (ROOT / "daemon/base/event.c").read_text()
EVENTS = {kind: (name, message_id) for kind, name, message_id in
          re.findall(r'\[EVENT_(\w+)\] = \{ (?:\.name =\s*)?"([\w-]+)",\s*(?:\.message_id =\s*)?"(\w+)"', TABLE)}
CATALOG = (ROOT / "systemd/migrated.catalog").read_text()


def entries():
    """The catalog's: message id -> its header's fields and its text."""
    for entry in re.split(r"^-- ", CATALOG, flags=re.MULTILINE)[1:]:
        message_id, rest = entry.split("\n", 1)
        header, text = rest.split("\n\n", 1)
        yield message_id, dict(line.split(": ", 1) for line in header.splitlines()), text


def test_every_event_has_a_name_and_an_id_of_its_own():
    kinds = re.findall(r"^\tEVENT_(\w+),", (ROOT / "daemon/base/event.h").read_text(), re.MULTILINE)
    assert set(EVENTS) == set(kinds) - {"NONE", "COUNT"}
    assert all(re.fullmatch("[0-9a-f]{32}", message_id) for name, message_id in EVENTS.values())
    assert len({message_id for name, message_id in EVENTS.values()}) == len({name for name, message_id in EVENTS.values()}) == len(EVENTS)


def test_every_event_is_explained_by_the_catalog():
    explained = {message_id: (header, text) for message_id, header, text in entries()}
    assert set(explained) == {message_id for name, message_id in EVENTS.values()}
    for header, text in explained.values():
        assert header["Subject"] and header["Defined-By"] == "migrated" and header["Documentation"].startswith("man:migrated")
        assert "By itself: " in text and "To do: " in text
        for field in re.findall(r"MIGRATED_\w+", text):
            assert f'"{field}"' in (ROOT / "daemon/base/journal.c").read_text()


def test_what_the_catalog_says_to_type_can_be_typed():
    verbs = {verb for verb in re.findall(r"`migratectl ([a-z-]+(?: (?:list|show|retry|discard|resolve))?)", CATALOG)}
    assert verbs
    for verb in verbs:
        result = subprocess.run([ROOT / os.environ["BUILD_DIR"] / "migratectl", "help", *verb.split()], capture_output=True, text=True)
        assert result.returncode == 0, verb


def test_settings_that_the_catalog_names_exist():
    settings = (ROOT / "daemon/config/settings.c").read_text()
    for section, key in re.findall(r"`(settings|throttle|schedule|alerts|metrics|source|target)\.(\w+)`", CATALOG):
        assert re.search(rf'"{section}", "{key}"', settings), f"{section}.{key}"


def test_systemd_takes_the_catalog(tmp_path):
    directory = tmp_path / "usr/lib/systemd/catalog"
    directory.mkdir(parents=True)
    (tmp_path / "var/lib/systemd/catalog").mkdir(parents=True)
    (directory / "migrated.catalog").write_text(CATALOG)
    made = subprocess.run(["journalctl", f"--root={tmp_path}", "--update-catalog"], capture_output=True, text=True)
    assert (made.returncode, made.stderr) == (0, ""), made.stderr
    listed = subprocess.run(["journalctl", f"--root={tmp_path}", "--list-catalog"], capture_output=True, text=True).stdout
    assert sorted(re.findall(r"^(\w{32}) migrated: ", listed, re.MULTILINE)) == sorted(i for name, i in EVENTS.values())


def test_every_event_is_logged_somewhere():
    sources = "".join(path.read_text() for path in (ROOT / "daemon").rglob("*.c") if path.name != "event.c")
    unused = {kind for kind in EVENTS if not re.search(rf"\bEVENT_{kind}\b", sources)}
    assert not unused


# --- rows that are set aside, and their keys --------------------------------------------------------------------

SOURCE = """
    CREATE TABLE person (id integer PRIMARY KEY, name text, born text);
    INSERT INTO person SELECT n, 'person ' || n, '2000-01-01' FROM generate_series(1, 60) AS n"""
TARGET = """
    CREATE TABLE persons (id uuid PRIMARY KEY, legacy_id integer UNIQUE, name text, born date)"""
PERSONS = entity("persons", {"name": "name", "born": "born"}, source="person")


def told(daemon, name):
    return [event for event in daemon.call("Logs", tail=1000)["events"] if event["event"] == name]


def test_rows_set_aside_are_told_with_their_keys_while_they_are_few(databases, start_daemon):
    world = Pair(databases, start_daemon, SOURCE, TARGET, [PERSONS], batch_size=7)
    world.source_sql("UPDATE person SET born = 'no day' WHERE id BETWEEN 11 AND 40")
    world.source_sql("UPDATE person SET born = '2000-13-01' WHERE id = 60")
    ended = migrate(world.daemon, parallel=1)
    first, other = told(world.daemon, "dead-letter-kind")
    assert (first["entity"], first["session"], first["legacy_key"], first["sqlstate"]) == ("persons", ended.session, "11", "22007")
    assert (other["legacy_key"], other["sqlstate"]) == ("60", "22008")
    assert first["message_id"] == EVENTS["DEAD_LETTER_KIND"][1]
    assert [event["legacy_key"] for event in told(world.daemon, "dead-letter")] == [str(key) for key in range(12, 21)]
    findings, = told(world.daemon, "session-completed-with-findings")
    assert "31 set aside" in findings["message"]
    assert "MIGRATED_EVENT=dead-letter-kind" in world.daemon.log() and "MIGRATED_LEGACY_KEY=60" in world.daemon.log()
    # Not again in the next session, for which they have not changed.
    world.source_sql("UPDATE person SET name = 'other' WHERE id = 1")
    migrate(world.daemon)
    assert len(told(world.daemon, "dead-letter-kind")) == 2


# --- canaries -----------------------------------------------------------------------------------------------------

NAME = "Kanarienvogel"
PASSWORD = "Zaunkoenig"
BIRDS = re.compile(f"{NAME}|{PASSWORD}", re.IGNORECASE)

BIRD_SOURCE = f"""
    CREATE TABLE person (id integer PRIMARY KEY, name text, born text, weight text, doc text, code text, mood text, age text, act text);
    INSERT INTO person (id, name) SELECT n, 'person ' || n FROM generate_series(1, 100) AS n;
    UPDATE person SET born = '{NAME}' WHERE id = 1;
    UPDATE person SET born = '2000-13-45 {NAME}' WHERE id = 2;
    UPDATE person SET weight = '{NAME}' WHERE id = 3;
    UPDATE person SET weight = '471147114711' WHERE id = 4;
    UPDATE person SET doc = '{{"{NAME}": {NAME}}}' WHERE id = 5;
    UPDATE person SET code = '{NAME} and longer' WHERE id = 6;
    UPDATE person SET mood = '{NAME}' WHERE id = 7;
    UPDATE person SET age = '471147114711' WHERE id = 8;
    UPDATE person SET name = '{NAME}' WHERE id IN (9, 10);
    UPDATE person SET name = '{NAME} is checked' WHERE id = 11;
    UPDATE person SET name = NULL WHERE id = 12;
    UPDATE person SET name = '{NAME} ' || id, act = 'raise' WHERE id = 13;
    UPDATE person SET name = '{NAME} ' || id, act = 'raise as check' WHERE id = 14;
    UPDATE person SET name = '{NAME} ' || id, act = 'notice' WHERE id = 15;
    UPDATE person SET name = '{NAME} ' || id, act = 'json' WHERE id = 16;
    UPDATE person SET name = '{NAME} ' || id, act = 'regexp' WHERE id = 17"""

ACT = """
    CREATE FUNCTION act() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      CASE NEW.act
        WHEN 'raise' THEN RAISE EXCEPTION 'patient % is not allowed', NEW.name USING DETAIL = NEW.name, HINT = NEW.name;
        WHEN 'raise as check' THEN RAISE EXCEPTION 'patient %', NEW.name
          USING ERRCODE = 'check_violation', CONSTRAINT = NEW.name, COLUMN = NEW.name, TABLE = NEW.name;
        WHEN 'notice' THEN RAISE NOTICE 'patient %', NEW.name; RAISE WARNING 'patient %', NEW.name;
        WHEN 'json' THEN PERFORM NEW.name::json;
        WHEN 'regexp' THEN PERFORM 'x' ~ ('(' || NEW.name);
        WHEN 'relation' THEN PERFORM NEW.name::regclass;
        WHEN 'configuration' THEN PERFORM NEW.name::regconfig;
        WHEN 'too many dots' THEN PERFORM (NEW.name || '.a.b.c.d')::regclass;
        WHEN 'syntax' THEN EXECUTE 'SELECT 1 ' || NEW.name || ' ' || NEW.name;
        WHEN 'column' THEN EXECUTE 'SELECT ' || NEW.name;
        WHEN 'function' THEN EXECUTE 'SELECT ' || NEW.name || '()';
        ELSE NULL;
      END CASE;
      RETURN NEW;
    END $$;"""

BIRD_TARGET = f"""
    CREATE TYPE mood AS ENUM ('sad', 'happy');
    {ACT}
    CREATE TABLE persons (id uuid PRIMARY KEY, legacy_id integer UNIQUE, name text NOT NULL UNIQUE CHECK (name NOT LIKE '%checked'),
      born date, weight numeric(4,2), doc jsonb, code varchar(5), mood mood, age integer, act text);
    CREATE TRIGGER act BEFORE INSERT OR UPDATE ON persons FOR EACH ROW EXECUTE FUNCTION act()"""

# What a trigger of the target does with a value may look like a structural fault; then the entity stops.
STRUCTURAL = ["relation", "configuration", "too many dots", "syntax", "column", "function"]


def strays():
    return [entity(act.replace(" ", "_"), {"name": "name", "act": "act"}, source=act.replace(" ", "_")) for act in STRUCTURAL]


def stray_sql(target):
    for act in STRUCTURAL:
        table = act.replace(" ", "_")
        if target:
            yield f"""CREATE TABLE "{table}" (id uuid PRIMARY KEY, legacy_id integer UNIQUE, name text, act text);
                      CREATE TRIGGER act BEFORE INSERT ON "{table}" FOR EACH ROW EXECUTE FUNCTION act();"""
        else:
            yield f"""CREATE TABLE "{table}" (id integer PRIMARY KEY, name text, act text);
                      INSERT INTO "{table}" VALUES (1, '{NAME}', '{act}');"""


@pytest.fixture
def aviary(databases, start_daemon):
    persons = entity("persons", {name: name for name in ("name", "born", "weight", "doc", "code", "mood", "age", "act")}, source="person")
    world = Pair(databases, start_daemon, BIRD_SOURCE + ";" + "".join(stray_sql(False)),
                 BIRD_TARGET + ";" + "".join(stray_sql(True)), [persons, *strays()], batch_size=20)
    return world


def with_password(conninfo):
    return f"{conninfo} password={PASSWORD}"


def test_no_value_and_no_password_gets_out(aviary):
    daemon = aviary.daemon
    daemon.stop()
    for side in ("source", "target"):
        daemon.config[side]["conninfo"] = with_password(daemon.config[side]["conninfo"])
    daemon.write_config()
    daemon.arguments = ["--verbose"]
    daemon.start()
    said = [json.dumps(frame) for frame in migrate(daemon, expect="failed").frames]
    assert {state for (state,) in aviary.target_sql("SELECT DISTINCT sqlstate FROM migrated.dead_letter")} >= \
        {"22007", "22P02", "22003", "22001", "23505", "23514", "23502", "P0001", "2201B"}
    stopped = told(daemon, "entity-stopped")
    assert sorted(event["entity"] for event in stopped) == sorted(one["entity"] for one in strays())
    for method in ("Status", "List", "Analyze", "Check", "Plan"):
        said.append(json.dumps(daemon.call(method)))
    for words in (["status"], ["list"], ["report"], ["report", "--json"], ["dead-letters"], ["dead-letters", "--json"], ["check"],
                  ["audit"], ["logs", "--tail", "1000"], ["logs", "--json"], ["rules"], ["parked"]):
        result = daemon.ctl(*words, check=False)
        said += [result.stdout, result.stderr]
    process = f"/proc/{daemon.process.pid}"
    for name in ("cmdline", "comm", "environ"):
        with open(f"{process}/{name}", errors="replace") as shown:
            said.append(shown.read())
    daemon.stop()
    said.append(daemon.log())
    assert "notice" in daemon.log()
    found = [text[max(0, hit.start() - 200):hit.end() + 50] for text in said for hit in [BIRDS.search(text)] if hit]
    assert found == []
    assert "471147114711" not in "".join(said)
    for (table,) in aviary.target_sql("SELECT tablename FROM pg_tables WHERE schemaname = 'migrated' AND tablename NOT LIKE 'id_map%'"):
        kept = "row" if table == "dead_letter" else ""
        assert aviary.target_sql(f"SELECT to_jsonb(t) - '{kept}' FROM migrated.{table} AS t"
                                 f" WHERE (to_jsonb(t) - '{kept}')::text ~* '{NAME}|{PASSWORD}'") == [], table


def test_it_leaves_no_core(databases, start_daemon):
    daemon = start_daemon(databases, entities=[])
    with open(f"/proc/{daemon.pid}/limits") as limits:
        assert re.search(r"Max core file size +0 +0 ", limits.read())
