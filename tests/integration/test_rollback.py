"""A session is undone row by row: what the target held before is what it holds again, but for what people have done since."""

import pytest

from mapping import PLAIN, PLAIN_SOURCE, PLAIN_TARGET, entity, same_things
from rollbacks import dump, id_maps, is_as_before, left, rollback, start_rollback, survey
from sessions import held, migrate, wait_until_blocked, wait_until_ended, wait_until_reached
from varlink import VarlinkError
from waiting import wait_until

MANY = "; INSERT INTO things SELECT n, 'v' || n FROM generate_series(1, 250) AS n"
CHANGES = """
UPDATE things SET value = 'new' WHERE id % 3 = 0;
DELETE FROM things WHERE id % 7 = 0;
INSERT INTO things VALUES (1000, 'x');
"""


@pytest.fixture
def things(pair):
    """Loaded, and a day later: .first and .second are the sessions, .before and .maps what there was between them."""
    world = pair(PLAIN_SOURCE + MANY, PLAIN_TARGET, PLAIN)
    world.first = world.migrate(batch_size=40).session
    world.before, world.maps = dump(world.target), id_maps(world.target)
    world.source_sql(CHANGES)
    world.second = world.migrate(batch_size=40).session
    assert dump(world.target) != world.before
    return world


def value_of(world, key):
    return world.target.value("SELECT value FROM things WHERE legacy_id = %s", [key])


# --- all of it ------------------------------------------------------------------------------------

def test_an_initial_load_is_undone_and_the_next_session_is_one_again(pair):
    world = pair(PLAIN_SOURCE + MANY, PLAIN_TARGET, PLAIN)
    before = dump(world.target)
    session = world.migrate(batch_size=40)
    assert survey(world.daemon, session.session)["things"]["removed"] == 250
    undone = rollback(world.daemon, session.session)
    assert (undone.mode, undone.entities["things"]["deleted"], undone.failed) == ("rollback", 250, 0)
    is_as_before(world.target, before, {})
    again = world.migrate()
    assert (again.mode, again.entities["things"]["inserted"]) == ("initial", 250)
    same_things(world)


def test_updates_deletions_and_inserts_are_undone_and_carried_again(things):
    assert survey(things.daemon, things.second)["things"] == \
        {"entity": "things", "removed": 1, "updated": 72, "restored": 35, "left": []}
    undone = rollback(things.daemon, things.second).entities["things"]
    assert (undone["deleted"], undone["updated"], undone["inserted"], undone["failed"]) == (1, 72, 35, 0)
    is_as_before(things.target, things.before, things.maps)
    things.migrate()
    same_things(things)


def test_sessions_are_undone_one_after_the_other_the_last_first(things):
    rollback(things.daemon, things.second)
    rollback(things.daemon, things.first)
    assert dump(things.target) == {"public.things": []}
    assert id_maps(things.target) == {"id_map_things": []}


def test_what_was_undone_is_not_undone_again(things):
    rollback(things.daemon, things.second)
    with pytest.raises(VarlinkError) as refused:
        start_rollback(things.daemon, things.second)
    assert "rolled back already" in str(refused.value.parameters)
    undone = things.target.value("SELECT rollback::text FROM migrated.rollback")
    with pytest.raises(VarlinkError) as refused:
        start_rollback(things.daemon, undone)
    assert "is a rollback itself" in str(refused.value.parameters)
    with pytest.raises(VarlinkError) as refused:
        start_rollback(things.daemon, "ffffffff")
    assert refused.value.name == "NoSuchSession"


def test_what_was_left_of_no_rollback_is_not_said(things):
    assert things.daemon.call("ListLeft")["session"] is None  # none was named, and there was none
    with pytest.raises(VarlinkError) as refused:
        things.daemon.call("ListLeft", session=things.second[:8])
    assert refused.value.name == "NoSuchSession"
    assert things.daemon.ctl("left", "ffffffff", check=False).returncode == 4
    rollback(things.daemon, things.second)
    assert things.daemon.call("ListLeft", session=things.second[:8])["total"] == 0


def test_a_dry_run_changes_nothing(things):
    before = dump(things.target), id_maps(things.target), things.target.sql("SELECT * FROM migrated.session ORDER BY number")
    survey(things.daemon, things.second)
    assert (dump(things.target), id_maps(things.target), things.target.sql("SELECT * FROM migrated.session ORDER BY number")) == before
    assert things.target.value("SELECT cycles_held FROM migrated.owner") is None


def test_only_the_entities_that_are_named_are_undone(pair):
    others = {**PLAIN, "entity": "others", "source": {"table": "others", "key": "id"}, "target": {**PLAIN["target"], "table": "others"}}
    world = pair(PLAIN_SOURCE + ";" + PLAIN_SOURCE.replace("things", "others") + "; INSERT INTO things VALUES (1, 'a'); INSERT INTO others VALUES (1, 'a')",
                 PLAIN_TARGET + ";" + PLAIN_TARGET.replace("things", "others"), PLAIN, others)
    session = world.migrate()
    rollback(world.daemon, session.session, entities=["others"])
    assert world.target.value("SELECT count(*) FROM others") == 0
    assert world.target.value("SELECT count(*) FROM things") == 1
    rollback(world.daemon, session.session)
    assert world.target.value("SELECT count(*) FROM things") == 0


def test_the_source_is_not_needed(things, databases):
    databases.source.server.down()
    wait_until(lambda: things.daemon.call("Status")["state"] == "unavailable", 30)
    rollback(things.daemon, things.second)
    is_as_before(things.target, things.before, things.maps)


# --- rows that have been edited since --------------------------------------------------------------

def test_rows_that_were_edited_since_are_left_and_listed(things):
    things.target_sql("UPDATE things SET value = 'edited' WHERE legacy_id = 3")
    things.target_sql("UPDATE things SET value = 'mine' WHERE legacy_id = 1000")
    things.target_sql("DELETE FROM things WHERE legacy_id = 6")
    assert sorted((reason["reason"], reason["rows"]) for reason in survey(things.daemon, things.second)["things"]["left"]) == \
        [("deleted", 1), ("edited", 2)]
    undone = rollback(things.daemon, things.second)
    assert undone.failed == 3
    assert sorted(left(things.daemon)) == [("things", "1000", "edited"), ("things", "3", "edited", "value"), ("things", "6", "deleted")]
    assert value_of(things, 3) == "edited" and value_of(things, 1000) == "mine" and value_of(things, 9) == "v9"
    assert things.target.value("SELECT count(*) FROM migrated.id_map_things WHERE k1 IN (3, 6, 1000)") == 3
    rollback(things.daemon, things.second, force=True)
    assert value_of(things, 3) == "v3"
    assert things.target.value("SELECT count(*) FROM things WHERE legacy_id IN (6, 1000)") == 0
    assert left(things.daemon) == [("things", "6", "deleted")]


def test_columns_that_the_session_did_not_change_keep_what_people_wrote(pair):
    world = pair("CREATE TABLE things (id integer PRIMARY KEY, value text, other text); INSERT INTO things VALUES (1, 'a', 'b')",
                 "CREATE TABLE things (id uuid PRIMARY KEY, legacy_id integer UNIQUE, value text, other text, remark text)",
                 entity("things", {"value": "value", "other": "other"}, on_delete="delete"))
    world.migrate()
    world.source_sql("UPDATE things SET value = 'new'")
    second = world.migrate()
    world.target_sql("UPDATE things SET remark = 'called back', other = 'theirs'")
    rollback(world.daemon, second.session)
    assert world.target.sql("SELECT value, other, remark FROM things") == [("a", "theirs", "called back")]


def test_rows_that_a_later_session_changed_are_left_until_that_is_undone(things):
    things.source_sql("UPDATE things SET value = 'third' WHERE id = 3")
    third = things.migrate().session
    assert rollback(things.daemon, things.second).failed == 1
    row, = things.daemon.call("ListLeft")["rows"]
    assert (row["legacy_key"], row["reason"], row["since"]) == (["3"], "changed", third)
    assert value_of(things, 3) == "third"
    things.migrate()  # a rollback is no reason that they should not be brought again
    things.source_sql("UPDATE things SET value = 'fourth' WHERE id = 9")
    before = dump(things.target)
    fourth = things.migrate().session
    rollback(things.daemon, fourth)
    is_as_before(things.target, before, id_maps(things.target))


def test_a_dry_run_knows_that_rows_go_before_those_they_refer_to(pair):
    parts = entity("parts", {"thing_id": {"references": "things", "from": "thing_id"}})
    world = pair(PLAIN_SOURCE + "; CREATE TABLE parts (id integer PRIMARY KEY, thing_id integer); INSERT INTO things VALUES (1, 'a');"
                 "INSERT INTO parts VALUES (1, 1), (2, 1)",
                 PLAIN_TARGET + "; CREATE TABLE parts (id uuid PRIMARY KEY, legacy_id integer UNIQUE, thing_id uuid REFERENCES things ON DELETE CASCADE)",
                 PLAIN, parts)
    first = world.migrate().session
    assert survey(world.daemon, first)["things"] == {"entity": "things", "removed": 1, "updated": 0, "restored": 0, "left": []}
    world.source_sql("INSERT INTO things VALUES (2, 'b'), (3, 'c'); INSERT INTO parts VALUES (3, 2); UPDATE parts SET thing_id = 2 WHERE id = 1")
    second = world.migrate().session
    assert survey(world.daemon, second)["things"]["left"] == []
    # Somebody has a row refer to one that is to go: it is the only one.
    world.target_sql("UPDATE parts SET thing_id = (SELECT id FROM things WHERE legacy_id = 3) WHERE legacy_id = 2")
    assert [(why["reason"], why["rows"]) for why in survey(world.daemon, second)["things"]["left"]] == [("referenced", 1)]
    undone = rollback(world.daemon, second)
    assert (undone.entities["things"]["deleted"], undone.failed) == (1, 1)
    assert left(world.daemon) == [("things", "3", "referenced")]


def test_a_row_of_another_table_is_not_taken_along(pair):
    world = pair(PLAIN_SOURCE + MANY, PLAIN_TARGET + "; CREATE TABLE notes (id serial, thing uuid REFERENCES things ON DELETE CASCADE);"
                 "CREATE TABLE calls (id serial, thing uuid REFERENCES things)", PLAIN)
    session = world.migrate()
    world.target_sql("INSERT INTO notes (thing) SELECT id FROM things WHERE legacy_id = 5; INSERT INTO calls (thing) SELECT id FROM things WHERE legacy_id = 6")
    undone = rollback(world.daemon, session.session)
    assert (undone.entities["things"]["deleted"], undone.failed) == (248, 2)
    rows = world.daemon.call("ListLeft")["rows"]
    assert sorted((row["legacy_key"], row["reason"], row["sqlstate"]) for row in rows) == [(["5"], "referenced", None), (["6"], "refused", "23503")]
    assert world.target.value("SELECT count(*) FROM notes") == 1
    rollback(world.daemon, session.session, force=True)
    assert world.target.value("SELECT count(*) FROM things") == 2


# --- what stands in the way ------------------------------------------------------------------------

FAMILY_SOURCE = """
CREATE TABLE people (id integer PRIMARY KEY, name text, boss integer, home integer);
CREATE TABLE homes (id integer PRIMARY KEY, street text, owner integer);
INSERT INTO homes SELECT n, 's' || n, 51 - n FROM generate_series(1, 50) AS n;
INSERT INTO people SELECT n, 'p' || n, CASE WHEN n % 5 <> 0 THEN 51 - n END, n FROM generate_series(1, 50) AS n
"""
FAMILY_TARGET = """
CREATE TABLE homes (id uuid PRIMARY KEY, legacy_id integer UNIQUE, street text, owner uuid);
CREATE TABLE people (id uuid PRIMARY KEY, legacy_id integer UNIQUE, name text UNIQUE, boss uuid REFERENCES people,
                     home uuid NOT NULL REFERENCES homes, updated_at timestamptz DEFAULT now());
ALTER TABLE homes ADD FOREIGN KEY (owner) REFERENCES people;
CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.updated_at := clock_timestamp(); RETURN NEW; END $$;
CREATE TRIGGER touch BEFORE UPDATE ON people FOR EACH ROW EXECUTE FUNCTION touch();
"""
HOMES = entity("homes", {"street": "street", "owner": {"references": "people", "from": "owner", "if_missing": "null"}}, on_delete="delete")
PEOPLE = entity("people", {"name": "name", "boss": {"references": "people", "from": "boss", "if_missing": "null"},
                           "home": {"references": "homes", "from": "home"}}, on_delete="delete")
FAMILY_CHANGES = """
UPDATE homes SET owner = NULL WHERE id IN (3, 4) OR owner IN (10, 11);
UPDATE people SET boss = NULL WHERE boss IN (10, 11);
DELETE FROM people WHERE id IN (10, 11);
DELETE FROM homes WHERE id IN (10, 11);
UPDATE people SET name = 'tmp' WHERE id = 1;
UPDATE people SET name = 'p1' WHERE id = 2;
UPDATE people SET name = 'p2' WHERE id = 1;
INSERT INTO homes VALUES (100, 'new', 100);
INSERT INTO people VALUES (100, 'n', 1, 100);
UPDATE people SET boss = 100, home = 100 WHERE id = 5;
"""


def test_circles_unique_values_that_moved_and_triggers_that_set_a_time(pair):
    world = pair(FAMILY_SOURCE, FAMILY_TARGET, HOMES, PEOPLE)
    empty = dump(world.target)
    first = world.migrate(batch_size=7).session
    before, maps = dump(world.target), id_maps(world.target)
    world.source_sql(FAMILY_CHANGES)
    second = world.migrate(batch_size=7).session
    undone = rollback(world.daemon, second)
    assert left(world.daemon) == [], undone.entities
    is_as_before(world.target, before, maps)
    world.migrate()
    world.migrate(full=True)
    world.finds_nothing()
    for session in [row[0] for row in world.target.sql(
            "SELECT session::text FROM migrated.session WHERE mode <> 'rollback' AND number > 1 ORDER BY number DESC")]:
        if session not in (first, second):
            rollback(world.daemon, session)
    rollback(world.daemon, first)
    is_as_before(world.target, empty, {})


def test_marks_are_undone(pair):
    world = pair(PLAIN_SOURCE + MANY, PLAIN_TARGET.replace("value text", "value text, is_active boolean DEFAULT true"),
                 {**PLAIN, "on_delete": {"mark": {"is_active": False}}})
    world.migrate()
    before, maps = dump(world.target), id_maps(world.target)
    world.source_sql("DELETE FROM things WHERE id < 20")
    second = world.migrate().session
    assert world.target.value("SELECT count(*) FROM things WHERE NOT is_active") == 19
    rollback(world.daemon, second)
    is_as_before(world.target, before, maps)
    world.migrate()
    assert world.target.value("SELECT count(*) FROM things WHERE NOT is_active") == 19


def test_without_before_images_nothing_is_touched_unless_that_is_forced(things):
    things.target_sql("DELETE FROM migrated.before_image")
    before = dump(things.target)
    undone = rollback(things.daemon, things.second, expect="failed")
    assert "107 rows" in undone.reason and "not kept any more" in undone.reason
    assert dump(things.target) == before
    rollback(things.daemon, things.second, force=True)
    assert things.target.value("SELECT count(*) FROM things WHERE legacy_id = 1000") == 0
    assert dump(things.target)["public.things"] == [row for row in before["public.things"] if ",1000," not in row]


def test_dead_letters_of_the_session_go_and_come_again(pair):
    world = pair(PLAIN_SOURCE + MANY, PLAIN_TARGET.replace("value text", "value text CHECK (value <> 'bad')"), PLAIN)
    world.migrate()
    world.source_sql("UPDATE things SET value = 'bad' WHERE id = 4; INSERT INTO things VALUES (2000, 'bad')")
    second = world.migrate()
    assert second.failed == 2
    rollback(world.daemon, second.session)
    assert world.target.value("SELECT count(*) FROM migrated.dead_letter WHERE state = 'open'") == 0
    assert world.migrate().failed == 2


# --- as any other session ---------------------------------------------------------------------------

def test_it_is_paused_resumed_and_seen_as_any_other(things):
    with held(things.target, "things"):
        session = start_rollback(things.daemon, things.second)
        wait_until_blocked(things.target)
        things.daemon.call("Pause")
        assert things.daemon.call("Status")["session"]["mode"] == "rollback"
    wait_until(lambda: things.daemon.call("Status")["session"]["state"] == "paused", 30)
    things.daemon.stop()
    things.daemon.start()
    wait_until(lambda: (things.daemon.call("Status")["session"] or {}).get("state") == "paused", 30)
    things.daemon.call("Resume")
    wait_until_ended(things.daemon)
    assert things.daemon.call("List")["sessions"][0]["session"] == session
    is_as_before(things.target, things.before, things.maps)


def test_what_was_cancelled_can_be_undone_later(things):
    with held(things.target, "things"):
        start_rollback(things.daemon, things.second)
        wait_until_blocked(things.target)
        things.daemon.call("Cancel")
    wait_until_ended(things.daemon, "cancelled")
    rollback(things.daemon, things.second)
    is_as_before(things.target, things.before, things.maps)


def test_cycles_stand_still_until_they_are_resumed(things):
    things.daemon.stop()
    things.daemon.config["schedule"] = {"every": "1s", "sweep_every": "1s"}
    things.daemon.write_config()
    wait_until_reached(things.daemon.start())
    wait_until(lambda: start_when_idle(things), 30)
    wait_until_ended(things.daemon)
    things.daemon.kill()
    wait_until_reached(things.daemon.start())

    def skipped():
        cycles = things.daemon.call("Status")["cycles"]["last"]
        return cycles and cycles[0]["result"] == "skipped" and "rolled back" in cycles[0]["reason"]
    wait_until(skipped, 30, lambda: things.daemon.log())
    assert dump(things.target) == things.before
    things.daemon.call("Resume")
    wait_until(lambda: dump(things.target) != things.before, 30, lambda: things.daemon.log())
    wait_until(lambda: things.daemon.call("Status")["state"] == "idle", 30)
    same_things(things)


def start_when_idle(world):
    try:
        return start_rollback(world.daemon, world.second)
    except VarlinkError:
        return None  # a cycle is looking
