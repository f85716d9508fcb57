"""Every source row is accounted for, at any moment: `status --accounts` against the accounting by keys (accounting.py)."""

import accounting
from mapping import entity

SOURCE = """
    CREATE TABLE office (id integer PRIMARY KEY, name text, is_test boolean NOT NULL DEFAULT false);
    CREATE TABLE patient (id integer PRIMARY KEY, office_id integer, friend_id integer, name text);
    INSERT INTO office SELECT n, 'office ' || n, n > 8 FROM generate_series(1, 10) AS n;
    INSERT INTO patient SELECT n, 1 + n % 8, CASE n WHEN 20 THEN 5 END, 'patient ' || n FROM generate_series(1, 40) AS n;
    UPDATE patient SET name = NULL WHERE id IN (3, 4, 6);
    UPDATE patient SET office_id = 9 WHERE id IN (7, 8);
"""
TARGET = """
    CREATE TABLE offices (id uuid PRIMARY KEY, legacy_id integer UNIQUE, name text NOT NULL);
    CREATE TABLE patients (id uuid PRIMARY KEY, legacy_id integer UNIQUE, office_id uuid NOT NULL REFERENCES offices,
                           friend_id uuid REFERENCES patients, name text NOT NULL);
"""
OFFICES = entity("offices", {"name": "name"}, source={"table": "office", "where": "NOT is_test"}, on_delete="delete")
PATIENTS = entity("patients", {
    "office_id": {"references": "offices", "from": "office_id"},
    "friend_id": {"references": "patients", "from": "friend_id", "if_missing": "null"},
    "name": "name",
}, source="patient", on_delete="delete")


def account(world, name):
    (found,) = world.daemon.call("Account", entities=[name])["accounts"]
    return found


def classes(found):
    """The classes that are not empty."""
    names = ("equal", "waiting", "parked", "dead_letters", "discarded", "held", "filtered", "lost")
    assert sum(found[name] for name in names) == found["source"]
    return {name: found[name] for name in names if found[name]}


def test_after_a_session_every_row_has_its_place(pair):
    world = pair(SOURCE, TARGET, OFFICES, PATIENTS)
    world.migrate()
    assert classes(account(world, "offices")) == {"equal": 8, "filtered": 2}
    assert classes(account(world, "patients")) == {"equal": 35, "dead_letters": 3, "parked": 2}
    assert account(world, "patients")["mapping"] == "same"
    accounting.check(world.databases, world.daemon)

