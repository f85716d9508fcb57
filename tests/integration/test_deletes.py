"""Rows that are gone from the source: marked, deleted or left; children first; and never a row that is there after all."""

import pytest

from mapping import Pair, entity
from sessions import dead_letters, parked, start_migration, wait_until_ended

SOURCE = """CREATE TABLE things (id integer PRIMARY KEY, value text, hidden boolean NOT NULL DEFAULT false);
    INSERT INTO things SELECT i, 'thing ' || i FROM generate_series(1, 20) AS i"""
TARGET = """CREATE TABLE things (id uuid PRIMARY KEY, legacy_id integer UNIQUE, value text, is_active boolean NOT NULL DEFAULT true,
                                 note text DEFAULT 'none')"""
MARK = {"mark": {"is_active": False, "note": "gone", "value": None}}
ON_DELETE = {"mark": MARK, "delete": "delete", "ignore": "ignore"}


def things(on_delete):
    return entity("things", {"value": "value"}, source={"table": "things", "where": "NOT hidden"}, on_delete=ON_DELETE[on_delete])


def ids(world, table="things"):
    return dict(world.target_sql(f"SELECT legacy_id, id FROM {table}"))


def gone(world, number):
    return world.target_sql("SELECT value, is_active, note FROM things WHERE legacy_id = %s", [number])


def is_as_in_the_source(world, note="none"):
    """What is not gone, with what a row has that was never marked."""
    assert sorted(world.target_sql("""
        SELECT t.legacy_id, t.value, t.is_active, t.note
          FROM things AS t JOIN migrated.id_map_things AS m ON m.k1 = t.legacy_id
         WHERE m.gone IS NULL""")) == \
        sorted((*row, True, note) for row in world.source_sql("SELECT id, value FROM things WHERE NOT hidden"))


# --- mark, delete, ignore ---------------------------------------------------------------------------

LEFT = {"mark": [(None, False, "gone")], "delete": [], "ignore": [("thing 5", True, "none")]}


@pytest.mark.parametrize("on_delete", ON_DELETE)
@pytest.mark.parametrize("how", ["deleted", "hidden by the filter", "with another key"])
def test_a_row_that_is_gone_and_comes_back_has_the_same_key(pair, on_delete, how):
    there, back = {
        "deleted": ("DELETE FROM things WHERE id = 5", "INSERT INTO things VALUES (5, 'thing 5')"),
        "hidden by the filter": ("UPDATE things SET hidden = true WHERE id = 5", "UPDATE things SET hidden = false WHERE id = 5"),
        "with another key": ("UPDATE things SET id = 105 WHERE id = 5", "UPDATE things SET id = 5 WHERE id = 105"),
    }[how]
    world = pair(SOURCE, TARGET, things(on_delete))
    world.migrate()
    before = ids(world)
    world.source_sql(there)
    assert world.migrate().entities["things"]["deleted"] == 1
    assert gone(world, 5) == LEFT[on_delete]
    is_as_in_the_source(world)
    world.finds_nothing()
    world.source_sql(back)
    world.migrate()
    is_as_in_the_source(world)
    assert ids(world)[5] == before[5]
    assert how == "with another key" or ids(world) == before
    world.finds_nothing()


@pytest.mark.parametrize("on_delete", ON_DELETE)
def test_rows_that_were_deleted_and_put_back_as_they_were_between_two_looks_are_left_alone(pair, on_delete):
    world = pair(SOURCE, TARGET, things(on_delete))
    world.migrate()
    before = ids(world)
    world.source_sql("CREATE TABLE kept AS SELECT * FROM things; DELETE FROM things; INSERT INTO things SELECT * FROM kept ORDER BY random()")
    world.finds_nothing()
    assert ids(world) == before


# --- what comes back before the end -------------------------------------------------------------------

RETURNS = {
    "put back": ("DELETE FROM things WHERE id % 2 = 0", "INSERT INTO things SELECT i, 'thing ' || i FROM generate_series(4, 20, 4) AS i"),
    "back in the filter": ("UPDATE things SET hidden = true WHERE id % 2 = 0", "UPDATE things SET hidden = false WHERE id % 4 = 0"),
    "back under its key": ("UPDATE things SET id = -id WHERE id % 2 = 0", "UPDATE things SET id = -id WHERE id % 4 = 0"),
    "changed": ("DELETE FROM things WHERE id % 2 = 0", "INSERT INTO things SELECT i, 'changed' FROM generate_series(4, 20, 4) AS i"),
}


@pytest.mark.parametrize("on_delete", ["mark", "delete"])
@pytest.mark.parametrize("place", ["detect.finished:1", "batch.begun:1"])
@pytest.mark.parametrize("how", RETURNS)
def test_a_key_that_is_there_again_before_its_deletion_is_not_deleted(databases, start_daemon, on_delete, place, how):
    leave, come_back = RETURNS[how]
    world = Pair(databases, lambda *args, **options: start_daemon(*args, fault="", **options), SOURCE, TARGET, [things(on_delete)])
    world.migrate()
    before = ids(world)
    world.source_sql(leave)
    world.daemon.stop()
    world.daemon.fault = "{}:wait:{}".format(*place.split(":"))
    world.daemon.start()
    start_migration(world.daemon)
    world.daemon.wait_until_still()
    world.source_sql(come_back)
    world.daemon.go_on()
    wait_until_ended(world.daemon)
    # Not one of them was touched: whoever changed is brought by the next session.
    assert world.target.value("SELECT count(*) FROM things WHERE legacy_id % 4 = 0 AND legacy_id > 0"
                              " AND is_active AND note = 'none' AND value = 'thing ' || legacy_id") == 5
    assert world.target.value("SELECT count(*) FROM migrated.id_map_things WHERE gone IS NOT NULL") == 5
    world.migrate()
    is_as_in_the_source(world)
    assert {key: ids(world)[key] for key in range(4, 21, 4)} == {key: before[key] for key in range(4, 21, 4)}
    world.finds_nothing()


# --- children first -----------------------------------------------------------------------------------

LEVELS_SOURCE = """CREATE TABLE tops (id integer PRIMARY KEY);
    CREATE TABLE middles (id integer PRIMARY KEY, top integer);
    CREATE TABLE leaves (id integer PRIMARY KEY, middle integer, top integer);
    INSERT INTO tops SELECT generate_series(1, 10);
    INSERT INTO middles SELECT i, 1 + i % 10 FROM generate_series(1, 30) AS i;
    INSERT INTO leaves SELECT i, 1 + i % 30, 1 + i % 10 FROM generate_series(1, 90) AS i"""
LEVELS_TARGET = """CREATE TABLE tops (id uuid PRIMARY KEY, legacy_id integer UNIQUE);
    CREATE TABLE middles (id uuid PRIMARY KEY, legacy_id integer UNIQUE, top uuid NOT NULL REFERENCES tops);
    CREATE TABLE leaves (id uuid PRIMARY KEY, legacy_id integer UNIQUE, middle uuid NOT NULL REFERENCES middles, top uuid REFERENCES tops)"""


def levels(**on_delete):
    top = {"references": "tops", "from": "top"}
    mappings = {"tops": {}, "middles": {"top": top}, "leaves": {"middle": {"references": "middles", "from": "middle"}, "top": top}}
    return [entity(name, columns, on_delete=on_delete.get(name, "delete")) for name, columns in mappings.items()]


def count(world):
    return {table: world.target.value(f"SELECT count(*) FROM {table}") for table in ("tops", "middles", "leaves")}


def test_what_is_gone_on_several_levels_is_deleted_from_the_leaves_up(pair):
    world = pair(LEVELS_SOURCE, LEVELS_TARGET, *levels())
    world.migrate()
    world.source_sql("DELETE FROM leaves WHERE top <= 4 OR middle IN (SELECT id FROM middles WHERE top <= 4);"
                     "DELETE FROM middles WHERE top <= 4; DELETE FROM tops WHERE id <= 4")
    world.migrate(batch_size=3)
    assert count(world) == {table: world.source.value(f"SELECT count(*) FROM {table}") for table in ("tops", "middles", "leaves")}
    assert world.target.value("SELECT count(*) FROM migrated.dead_letter") == 0
    world.finds_nothing()


def test_a_mapped_child_that_is_still_there_restricts_until_it_goes(pair):
    world = pair(LEVELS_SOURCE, LEVELS_TARGET, *levels())
    world.migrate()
    world.source_sql("DELETE FROM tops WHERE id IN (3, 4); DELETE FROM leaves WHERE top = 4 OR middle IN (SELECT id FROM middles WHERE top = 4);"
                     "DELETE FROM middles WHERE top = 4")
    world.migrate()
    letters = world.target_sql("SELECT entity, legacy_key[1], phase, sqlstate, constraint_name, state FROM migrated.dead_letter")
    assert [letter[:4] for letter in letters] == [("tops", "3", "delete", "23503")]
    assert letters[0][4] in ("middles_top_fkey", "leaves_top_fkey")
    assert count(world)["tops"] == 9
    world.source_sql("DELETE FROM leaves WHERE top = 3 OR middle IN (SELECT id FROM middles WHERE top = 3); DELETE FROM middles WHERE top = 3")
    world.migrate()
    assert dead_letters(world, "tops") == {}
    assert set(dead_letters(world, "tops", state="resolved")) == {"3"}
    assert count(world)["tops"] == 8
    world.finds_nothing()


@pytest.mark.parametrize("action", ["CASCADE", "SET NULL", "SET DEFAULT"])
def test_a_foreign_key_that_would_take_mapped_rows_along_restricts_all_the_same(pair, action):
    world = pair(LEVELS_SOURCE, LEVELS_TARGET.replace("top uuid REFERENCES tops", f"top uuid REFERENCES tops ON DELETE {action}"), *levels())
    world.migrate()
    world.source_sql("DELETE FROM leaves WHERE middle IN (SELECT id FROM middles WHERE top <= 3) AND top <> 2;"
                     "UPDATE leaves SET middle = 10 WHERE top = 2; DELETE FROM middles WHERE top <= 3; DELETE FROM tops WHERE id <= 3")
    world.migrate(batch_size=2)
    letters = dead_letters(world, "tops")
    assert "2" in letters
    assert letters["2"][:2] == ("23503", "leaves_top_fkey")
    assert '"leaves"' in letters["2"][3]
    assert world.target.value("SELECT count(*) FROM leaves AS l JOIN tops AS t ON t.id = l.top WHERE t.legacy_id = 2") == \
        world.source.value("SELECT count(*) FROM leaves WHERE top = 2") > 0
    world.source_sql("DELETE FROM leaves WHERE top <= 3")
    world.migrate()
    assert dead_letters(world, "tops") == {}
    assert count(world) == {table: world.source.value(f"SELECT count(*) FROM {table}") for table in ("tops", "middles", "leaves")}
    world.finds_nothing()


# --- in a circle ----------------------------------------------------------------------------------------

CHAIN = 40
CHAIN_SOURCE = f"""CREATE TABLE people (id integer PRIMARY KEY, chief integer, spouse integer);
    INSERT INTO people SELECT i, CASE WHEN i % 2 = 0 THEN i - 1 ELSE nullif(i + 1, {CHAIN} + 1) END FROM generate_series(1, {CHAIN}) AS i"""
CHAIN_TARGET = """CREATE TABLE people (id uuid PRIMARY KEY, legacy_id integer UNIQUE, chief uuid REFERENCES people {action},
                                      spouse uuid REFERENCES people {action})"""
PEOPLE = entity("people", {"chief": {"references": "people", "from": "chief"}, "spouse": {"references": "people", "from": "spouse"}},
                on_delete="delete")

SHAPES = {
    "upwards": "UPDATE people SET chief = nullif(id - 1, 0)",
    "downwards": f"UPDATE people SET chief = nullif(id + 1, {CHAIN} + 1)",
    "to and fro": f"UPDATE people SET chief = nullif((id * 7) % {CHAIN} + 1, id)",
    "in pairs": f"UPDATE people SET chief = NULL, spouse = {CHAIN} + 1 - id",
    "in a ring with spouses": f"UPDATE people SET chief = id % {CHAIN} + 1, spouse = {CHAIN} + 1 - id",
}


def same_people(world):
    assert sorted(world.target_sql("""
        SELECT p.legacy_id, c.legacy_id, s.legacy_id FROM people AS p
          LEFT JOIN people AS c ON c.id = p.chief LEFT JOIN people AS s ON s.id = p.spouse""")) == \
        sorted(world.source_sql("SELECT * FROM people"))


@pytest.mark.parametrize("action", ["", "ON DELETE CASCADE", "ON DELETE RESTRICT"])
@pytest.mark.parametrize("shape", SHAPES)
def test_parents_and_children_of_one_entity_are_deleted_together_over_any_number_of_batches(pair, shape, action):
    world = pair(CHAIN_SOURCE, CHAIN_TARGET.format(action=action), PEOPLE)
    world.source_sql(SHAPES[shape] + ";INSERT INTO people VALUES (100, NULL, NULL), (101, 100, NULL)")
    world.migrate()
    same_people(world)
    world.source_sql("DELETE FROM people WHERE id < 100")
    world.migrate(batch_size=7)
    same_people(world)
    assert dead_letters(world, "people") == {}
    world.finds_nothing()


def test_one_of_them_that_is_still_referred_to_stays_alone(pair):
    world = pair(CHAIN_SOURCE, CHAIN_TARGET.format(action="") + "; CREATE TABLE foreign_rows (person uuid REFERENCES people)", PEOPLE)
    world.source_sql(SHAPES["in a ring with spouses"] + "; INSERT INTO people VALUES (100, NULL, NULL)")
    world.migrate()
    world.target_sql("INSERT INTO foreign_rows SELECT id FROM people WHERE legacy_id IN (5, 20)")
    world.source_sql("DELETE FROM people WHERE id < 100")
    world.migrate(batch_size=7)
    assert set(dead_letters(world, "people")) == {"5", "20"}
    assert set(ids(world, "people")) == {5, 20, 100}
    assert {letter[:2] for letter in dead_letters(world, "people").values()} == {("23503", "foreign_rows_person_fkey")}
    world.target_sql("DELETE FROM foreign_rows")
    world.migrate()
    assert set(ids(world, "people")) == {100}
    assert dead_letters(world, "people") == {}
    world.finds_nothing()


def test_one_that_the_source_has_again_gets_back_what_it_refers_to(databases, start_daemon):
    world = Pair(databases, lambda *args, **options: start_daemon(*args, fault="", **options), CHAIN_SOURCE,
                 CHAIN_TARGET.format(action=""), [PEOPLE])
    world.source_sql(SHAPES["upwards"])
    world.migrate()
    world.daemon.stop()
    world.source_sql("CREATE TABLE kept AS TABLE people; UPDATE kept SET chief = 1 WHERE id = 30; DELETE FROM people WHERE id > 1")
    world.daemon.fault = "delete.committed:wait:1"
    world.daemon.start()
    start_migration(world.daemon, batch_size=7, parallel=1)
    world.daemon.wait_until_still()
    world.source_sql("INSERT INTO people SELECT * FROM kept WHERE id = 30")
    world.daemon.go_on()
    wait_until_ended(world.daemon)
    world.migrate()
    same_people(world)
    world.finds_nothing()


@pytest.mark.parametrize("action", ["", "ON DELETE CASCADE", "ON DELETE SET NULL"])
def test_a_cycle_of_two_entities_is_deleted_together(pair, action):
    world = pair("""CREATE TABLE clinics (id integer PRIMARY KEY, head integer);
                    CREATE TABLE doctors (id integer PRIMARY KEY, clinic integer);
                    INSERT INTO clinics SELECT i, i FROM generate_series(1, 20) AS i;
                    INSERT INTO doctors SELECT i, 1 + i % 20 FROM generate_series(1, 60) AS i""",
                 f"""CREATE TABLE clinics (id uuid PRIMARY KEY, legacy_id integer UNIQUE, head uuid);
                    CREATE TABLE doctors (id uuid PRIMARY KEY, legacy_id integer UNIQUE, clinic uuid NOT NULL REFERENCES clinics);
                    ALTER TABLE clinics ADD FOREIGN KEY (head) REFERENCES doctors {action}""",
                 entity("clinics", {"head": {"references": "doctors", "from": "head"}}, on_delete="delete"),
                 entity("doctors", {"clinic": {"references": "clinics", "from": "clinic"}}, on_delete="delete"))
    world.migrate()
    world.source_sql("UPDATE clinics SET head = 40 WHERE id > 10 AND head <= 20;"
                     "UPDATE doctors SET clinic = 15 WHERE id = 40; DELETE FROM doctors WHERE clinic <= 10; DELETE FROM clinics WHERE id <= 10")
    world.migrate(batch_size=3)
    assert world.target.value("SELECT count(*) FROM migrated.dead_letter WHERE state = 'open'") == 0
    assert sorted(world.target_sql("SELECT c.legacy_id, d.legacy_id FROM clinics AS c LEFT JOIN doctors AS d ON d.id = c.head")) == \
        sorted(world.source_sql("SELECT id, head FROM clinics"))
    assert sorted(world.target_sql("SELECT d.legacy_id, c.legacy_id FROM doctors AS d JOIN clinics AS c ON c.id = d.clinic")) == \
        sorted(world.source_sql("SELECT id, clinic FROM doctors"))
    world.finds_nothing()


# --- what was set aside -----------------------------------------------------------------------------------

@pytest.mark.parametrize("mapped", [False, True], ids=["never carried", "carried before"])
def test_dead_letters_and_parked_rows_of_rows_that_are_gone_close(pair, mapped):
    world = pair("""CREATE TABLE parents (id integer PRIMARY KEY);
                    CREATE TABLE things (id integer PRIMARY KEY, value text, parent integer);
                    INSERT INTO parents VALUES (1)""",
                 """CREATE TABLE parents (id uuid PRIMARY KEY, legacy_id integer UNIQUE);
                    CREATE TABLE things (id uuid PRIMARY KEY, legacy_id integer UNIQUE, value text CHECK (value <> 'bad'),
                                         parent uuid REFERENCES parents)""",
                 entity("parents", {}), entity("things", {"value": "value", "parent": {"references": "parents", "from": "parent"}},
                                               on_delete="delete"))
    if mapped:
        world.source_sql("INSERT INTO things SELECT i, 'good', 1 FROM generate_series(1, 6) AS i")
        world.migrate()
    world.source_sql("DELETE FROM things; INSERT INTO things SELECT i, CASE WHEN i <= 2 THEN 'bad' ELSE 'new' END,"
                     " CASE WHEN i IN (3, 4) THEN 99 ELSE 1 END FROM generate_series(1, 6) AS i")
    world.migrate()
    assert set(dead_letters(world, "things")) == {"1", "2"}
    assert set(parked(world, "things")) == {"3", "4"}
    world.target_sql("UPDATE migrated.dead_letter SET state = 'discarded' WHERE legacy_key = '{2}'")
    world.source_sql("DELETE FROM things WHERE id <= 4")
    world.migrate()
    assert dead_letters(world, "things") == dead_letters(world, "things", state="discarded") == parked(world, "things") == {}
    assert set(dead_letters(world, "things", state="resolved")) == {"1", "2"}
    assert sorted(ids(world)) == [5, 6]
    world.finds_nothing()
