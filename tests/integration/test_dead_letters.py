"""Dead letters as people see them and deal with them: list, show, retry, discard."""

import json

from interface import interface
from mapping import entity
from sessions import dead_letters, wait_until_connected

SOURCE = """
CREATE TABLE offices (id integer PRIMARY KEY, name text, seats integer);
CREATE TABLE desks (id integer PRIMARY KEY, office_id integer, name text);
INSERT INTO offices SELECT i, 'office ' || i, i FROM generate_series(1, 20) AS i;
INSERT INTO desks SELECT i, 1 + i % 20, 'desk ' || i FROM generate_series(1, 60) AS i;
UPDATE offices SET name = NULL WHERE id = 3;
UPDATE offices SET seats = -4 WHERE id = 5;
"""

TARGET = """
CREATE TABLE offices (id uuid PRIMARY KEY, legacy_id integer UNIQUE, name text NOT NULL, seats integer CHECK (seats > 0));
CREATE TABLE desks (id uuid PRIMARY KEY, legacy_id integer UNIQUE, office_id uuid NOT NULL REFERENCES offices, name text);
"""

ENTITIES = [
    entity("offices", {"name": "name", "seats": "seats"}, on_delete="delete"),
    entity("desks", {"office_id": {"references": "offices", "from": "office_id"}, "name": "name"}, on_delete="delete"),
]


def checked(method, reply):
    """The reply, which is of the interface's type."""
    agreed = interface()
    assert agreed.problems(agreed.methods[method][1], reply) == []
    return reply


# --- list ------------------------------------------------------------------------------------------

def test_open_letters_are_listed_with_what_stood_in_their_way(pair):
    world = pair(SOURCE, TARGET, *ENTITIES)
    world.migrate()
    reply = checked("ListDeadLetters", world.daemon.call("ListDeadLetters"))
    assert {(letter["legacy_key"][0], letter["sqlstate"], letter["column"], letter["constraint"], letter["attempts"])
            for letter in reply["letters"]} == {("3", "23502", "name", None, 1), ("5", "23514", None, "offices_seats_check", 1)}
    assert reply["total"] == 2
    text = world.daemon.ctl("dead-letters").stdout
    assert "23502" in text and "offices_seats_check" in text and "2 rows." in text


def test_letters_are_chosen_by_entity_session_sqlstate_and_state(pair):
    world = pair(SOURCE, TARGET, *ENTITIES)
    first = world.migrate().session

    def listed(*arguments):
        reply = json.loads(world.daemon.ctl("dead-letters", "list", "--json", *arguments).stdout)
        return sorted(letter["legacy_key"][0] for letter in reply["letters"]), reply["total"]

    assert listed("--entity", "offices") == (["3", "5"], 2)
    assert listed("--entity", "desks") == ([], 0)
    assert listed("--sqlstate", "23502") == (["3"], 1)
    assert listed("--sqlstate", "23") == (["3", "5"], 2)
    assert listed("--sqlstate", "2%") == ([], 0)
    assert listed("--session", first[:8]) == (["3", "5"], 2)
    assert listed("--session", "ffffffff") == ([], 0)
    assert listed("--limit", "1") in ((["3"], 2), (["5"], 2))
    world.source_sql("UPDATE offices SET name = 'mended' WHERE id = 3")
    world.migrate()
    assert listed() == (["5"], 1)
    assert listed("--state", "resolved") == (["3"], 1)
    assert listed("--state", "all") == (["3", "5"], 2)


def test_without_a_control_schema_there_are_no_dead_letters(pair):
    world = pair(SOURCE, TARGET, *ENTITIES)
    wait_until_connected(world.daemon)
    assert world.daemon.ctl("dead-letters").stdout == "There are no open dead letters.\n"
    assert world.target.value("SELECT to_regnamespace('migrated')") is None
