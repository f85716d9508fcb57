"""Validation of every form of a mapping: exactly what was planted is found, and what waits, was set aside or was decided is no difference."""

import pytest

from mapping import entity
from validation import differs, validate

FAMILY_SOURCE = """
    CREATE TABLE shelves (id integer PRIMARY KEY, name text);
    CREATE TABLE books (country text, number integer, title text, shelf_id integer, next_id integer, PRIMARY KEY (country, number));
    INSERT INTO shelves SELECT i, 'shelf ' || i FROM generate_series(1, 20) AS i;
    INSERT INTO books SELECT (ARRAY['de', 'Ä', ' x', ''])[1 + i % 4], i, 'book ' || i, 1 + i % 20, NULL FROM generate_series(1, 400) AS i"""
FAMILY_TARGET = """
    CREATE TABLE shelves (id uuid PRIMARY KEY, legacy_id integer UNIQUE, name text);
    CREATE TABLE books (id uuid PRIMARY KEY, legacy_country text, legacy_number integer, title text, shelf_id uuid,
        UNIQUE (legacy_country, legacy_number))"""
SHELVES = entity("shelves", {"name": "name"}, on_delete="delete")
BOOKS = entity("books", {"title": "title", "shelf_id": {"references": "shelves", "from": "shelf_id"}}, key=["country", "number"],
               legacy_key=["legacy_country", "legacy_number"], on_delete="delete")


def found(world, *entities):
    return differs(world.daemon, world.databases, *entities)


def values(world, *entities):
    return validate(world.daemon, world.databases, entities=list(entities), checks=["values"])


@pytest.fixture
def family(pair):
    world = pair(FAMILY_SOURCE, FAMILY_TARGET, SHELVES, BOOKS)
    world.migrate()
    return world


def test_composite_keys_of_text(family):
    family.target_sql("UPDATE books SET title = 'other' WHERE legacy_number = 7")
    family.target_sql("DELETE FROM books WHERE legacy_number IN (8, 9)")
    family.target_sql("INSERT INTO books (id, legacy_country, legacy_number) VALUES (gen_random_uuid(), 'zz', 7), (gen_random_uuid(), NULL, 8)")
    keys = {number: country for country, number in family.source_sql("SELECT country, number FROM books")}
    assert sorted((kind, tuple(key), columns) for kind, key, columns in raw(family, "books")) == sorted([
        ("changed", (keys[7], "7"), ("title",)), ("missing", (keys[8], "8"), ()), ("missing", (keys[9], "9"), ()),
        ("extra", ("zz", "7"), ())])


def raw(world, name):
    """The same with the parts of keys as they are."""
    validation = values(world, name)
    assert validation.complete, validation.checks
    return [(kind, key, tuple(columns)) for kind, key, columns in world.target_sql("""
        SELECT kind, legacy_key, columns
          FROM migrated.validation_difference
         WHERE validation = %s""", [validation.id])]


def test_a_wrong_reference_is_told_from_a_changed_value(family):
    family.target_sql("""
        UPDATE books SET shelf_id = (SELECT id FROM shelves WHERE legacy_id = 20)
         WHERE legacy_number = 1""")
    family.target_sql("UPDATE books SET shelf_id = NULL WHERE legacy_number = 2")
    family.target_sql("UPDATE shelves SET name = 'other' WHERE legacy_id = 3")
    assert sorted((kind, key[1], columns) for kind, key, columns in raw(family, "books")) == [
        ("reference", "1", ("shelf_id",)), ("reference", "2", ("shelf_id",))]
    assert found(family, "shelves") == [("changed", "3", ("name",))]


def test_parked_rows_and_dead_letters_are_no_differences(pair):
    world = pair("""CREATE TABLE parents (id integer PRIMARY KEY, name text);
                    CREATE TABLE things (id integer PRIMARY KEY, parent_id integer, amount text);
                    INSERT INTO parents VALUES (1, 'one');
                    INSERT INTO things SELECT i, 1, '1' FROM generate_series(1, 50) AS i""",
                 """CREATE TABLE parents (id uuid PRIMARY KEY, legacy_id integer UNIQUE, name text);
                    CREATE TABLE things (id uuid PRIMARY KEY, legacy_id integer UNIQUE, parent_id uuid REFERENCES parents, amount integer)""",
                 entity("parents", {"name": "name"}),
                 entity("things", {"parent_id": {"references": "parents", "from": "parent_id"}, "amount": "amount"}))
    world.migrate()
    world.source_sql("""INSERT INTO things VALUES (60, 99, '1'), (61, 1, 'no number');
                        UPDATE things SET parent_id = 99 WHERE id = 2;
                        UPDATE things SET amount = 'none' WHERE id = 3""")
    world.migrate()
    validation = values(world, "things")
    assert validation.found() == [] and validation.checks["things", "values"]["waiting"] == 4
    world.target_sql("UPDATE things SET amount = 7 WHERE legacy_id = 4")
    assert found(world, "things") == [("changed", "4", ("amount",))]


def test_deferred_references_wait_and_filled_ones_count(pair):
    world = pair("""CREATE TABLE people (id integer PRIMARY KEY, friend_id integer);
                    INSERT INTO people SELECT i, CASE WHEN i < 20 THEN i + 1 ELSE 99 END FROM generate_series(1, 20) AS i""",
                 "CREATE TABLE people (id uuid PRIMARY KEY, legacy_id integer UNIQUE, friend_id uuid)",
                 entity("people", {"friend_id": {"references": "people", "from": "friend_id", "if_missing": "null"}}))
    world.migrate()
    assert found(world, "people") == []
    world.target_sql("UPDATE people SET friend_id = NULL WHERE legacy_id = 4")
    assert found(world, "people") == [("reference", "4", ("friend_id",))]


@pytest.mark.parametrize("policy", ["last_writer_wins", "hold"])
def test_what_was_decided_about_an_edit_is_no_difference(pair, policy):
    world = pair("""CREATE TABLE things (id integer PRIMARY KEY, value text, updated_at timestamptz);
                    INSERT INTO things SELECT i, 'value', '2024-01-01' FROM generate_series(1, 5) AS i""",
                 "CREATE TABLE things (id uuid PRIMARY KEY, legacy_id integer UNIQUE, value text, updated_at timestamptz)",
                 entity("things", {"value": "value"}, on_conflict=policy))
    world.migrate()
    world.target_sql("UPDATE things SET value = 'edited', updated_at = '2024-05-01' WHERE legacy_id = 2")
    assert found(world, "things") == [("changed", "2", ("value",))]
    world.source_sql("UPDATE things SET value = 'changed', updated_at = '2024-04-01' WHERE id = 2")
    world.migrate()
    validation = values(world, "things")
    assert validation.found() == [] and validation.checks["things", "values"]["waiting"] == 1


def test_rows_that_are_marked_as_gone(pair):
    world = pair("""CREATE TABLE things (id integer PRIMARY KEY, value text);
                    INSERT INTO things SELECT i, 'value' FROM generate_series(1, 9) AS i""",
                 "CREATE TABLE things (id uuid PRIMARY KEY, legacy_id integer UNIQUE, value text, is_active boolean NOT NULL DEFAULT true)",
                 entity("things", {"value": "value"}, on_delete={"mark": {"is_active": False}}))
    world.migrate()
    world.source_sql("DELETE FROM things WHERE id IN (1, 2)")
    world.migrate()
    assert found(world, "things") == []
    world.target_sql("UPDATE things SET is_active = true WHERE legacy_id = 2")
    assert found(world, "things") == [("extra", "2", ("is_active",))]


def test_a_query_as_source_with_a_filter_and_transformations(pair):
    world = pair("""CREATE TABLE raw (id integer PRIMARY KEY, name text, kind integer, wanted boolean);
                    INSERT INTO raw SELECT i, ' Name ' || i, i % 3, i % 5 > 0 FROM generate_series(1, 100) AS i""",
                 "CREATE TABLE things (id uuid PRIMARY KEY, legacy_id integer UNIQUE, name varchar(12), kind text, double numeric)",
                 entity("things", {"name": {"sql": "trim(name)"}, "kind": {"from": "kind", "values": {"0": "none", "1": "one"},
                                                                         "default": "many"},
                                   "double": {"sql": "id * 2.50"}},
                        source={"query": "SELECT id, name, kind FROM raw WHERE wanted", "key": "id", "where": "id > 10"}))
    world.migrate()
    assert found(world, "things") == []
    world.target_sql("UPDATE things SET kind = 'none', double = 1 WHERE legacy_id = 11")
    world.target_sql("UPDATE things SET double = 40.00, name = name WHERE legacy_id = 16")
    assert found(world, "things") == [("changed", "11", ("double", "kind"))]


# --- values that cannot be made any more ----------------------------------------------------------------

MOODS = "CREATE TYPE mood AS ENUM ('sad', 'glad', 'mad');"


@pytest.fixture
def moody(pair):
    """Thirty moods and days that were carried, and a dead letter whose day never was one."""
    world = pair("""
        CREATE TABLE things (id integer PRIMARY KEY, mood text, day text, name text);
        INSERT INTO things SELECT i, (ARRAY['sad', 'glad', 'mad'])[1 + i % 3], '2024-01-' || i, 'n' || i FROM generate_series(1, 30) AS i;
        INSERT INTO things VALUES (31, 'sad', 'never', 'n31')""", f"""
        {MOODS} CREATE DOMAIN since AS date;
        CREATE TABLE things (id uuid PRIMARY KEY, legacy_id integer UNIQUE, mood mood, day since, name text)""",
        entity("things", {"mood": "mood", "day": "day", "name": "name"}, on_delete="delete"))
    world.migrate()
    return world


def test_a_value_that_cannot_be_made_any_more_is_named_and_the_others_are_compared(moody):
    moody.target_sql("ALTER TYPE mood RENAME VALUE 'mad' TO 'angry'")
    moody.target_sql("ALTER DOMAIN since ADD CHECK (value > '2024-01-03') NOT VALID")
    moody.target_sql("UPDATE things SET name = 'other' WHERE legacy_id = 10")
    moody.target_sql("DELETE FROM things WHERE legacy_id = 5")
    moody.source_sql("UPDATE things SET name = name || '!', mood = 'mad' WHERE id = 6")  # waits
    validation = values(moody, "things")
    assert validation.complete
    mad = {2, 5, 8, 11, 14, 17, 20, 23, 26, 29}
    expected = {str(i): ("changed", ("mood",)) for i in mad}
    expected.update({"1": ("changed", ("day",)), "2": ("changed", ("day", "mood")), "3": ("changed", ("day",)),
                     "10": ("changed", ("name",)), "5": ("missing", ())})
    assert {key: (kind, columns) for _, kind, key, columns in validation.found("things")} == expected
    check = validation.checks["things", "values"]
    assert (check["rows"], check["waiting"]) == (31, 2)
    assert "angry" not in moody.daemon.log() and "'mad'" not in moody.daemon.log()
