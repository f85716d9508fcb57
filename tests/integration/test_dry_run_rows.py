"""Rows that a dry run shows: as they stand and as they would be, to those who asked, and nowhere else."""

import pytest

from dry_runs import dry_run, row_of, unchanged
from mapping import entity
from varlink import VarlinkError

SOURCE = """
    CREATE TABLE office (id integer PRIMARY KEY, name text);
    CREATE TABLE patient (id integer PRIMARY KEY, office_id integer, name text, born text);
    CREATE TABLE rate (office_id integer, code text, amount numeric(10, 2), PRIMARY KEY (office_id, code));
    INSERT INTO office VALUES (1, 'North'), (2, 'South');
    INSERT INTO patient SELECT n, 1, 'secret ' || n, '2000-01-01' FROM generate_series(1, 9) AS n;
    INSERT INTO rate VALUES (1, 'EUR', 1.00), (2, 'USD', 2.50);
"""
TARGET = """
    CREATE TABLE office (id uuid PRIMARY KEY, legacy_id integer UNIQUE, name text, seen integer DEFAULT 0);
    CREATE TABLE patient (id uuid PRIMARY KEY, legacy_id integer UNIQUE, office_id uuid REFERENCES office, name text, born date,
      is_active boolean NOT NULL DEFAULT true);
    CREATE TABLE rate (id uuid PRIMARY KEY, office integer, code text, amount numeric, UNIQUE (office, code));
    CREATE FUNCTION see() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.seen := NEW.seen + 1; RETURN NEW; END';
    CREATE TRIGGER see BEFORE UPDATE ON office FOR EACH ROW EXECUTE PROCEDURE see();
"""
ENTITIES = [
    entity("office", {"name": "name"}, on_delete="delete"),
    entity("patient", {"office_id": {"references": "office", "from": "office_id"}, "name": "name", "born": "born"},
           on_delete={"mark": {"is_active": False}}),
    entity("rate", {"amount": "amount"}, key=["office_id", "code"], legacy_key=["office", "code"], on_delete="delete"),
]
CHANGES = """
    INSERT INTO office VALUES (3, 'East');
    UPDATE office SET name = 'Northern' WHERE id = 1;
    DELETE FROM office WHERE id = 2;
    UPDATE patient SET name = 'secret name', office_id = NULL WHERE id = 1;
    UPDATE patient SET born = 'never' WHERE id = 2;
    UPDATE patient SET office_id = 77 WHERE id = 3;
    DELETE FROM patient WHERE id = 4;
    INSERT INTO patient VALUES (20, 77, 'secret waiting', NULL);
    UPDATE rate SET amount = 3.75 WHERE code = 'USD';
"""


@pytest.fixture
def world(pair):
    world = pair(SOURCE, TARGET, *ENTITIES)
    world.migrate()
    world.source_sql(CHANGES)
    return world


def key_of(world, table, legacy_id):
    return world.target.value(f"SELECT id::text FROM {table} WHERE legacy_id = %s", [legacy_id])


def test_columns_are_shown_before_and_after(world):
    keys = ["office:1", "office:2", "office:3", "patient:1", "patient:4", "rate:2,USD"]
    with unchanged(world):
        told = dry_run(world.daemon, keys=keys)
    assert [(row["entity"], *row["legacy_key"]) for row in told.rows] == \
        [("office", "1"), ("office", "2"), ("office", "3"), ("rate", "2", "USD"), ("patient", "1"), ("patient", "4")]
    renamed, gone, new = (row_of(told, "office", key) for key in (1, 2, 3))
    assert (renamed.kind, renamed.columns) == ("updated", {"name": ("North", "Northern"), "seen": ("0", "1")})
    assert (gone.kind, gone.columns["name"], gone.columns["legacy_id"]) == ("deleted", ("South", None), ("2", None))
    assert gone.columns["id"] == (key_of(world, "office", 2), None)
    assert (new.kind, new.columns["name"], list(new.columns)) == ("inserted", (None, "East"), ["id", "legacy_id", "name", "seen"])
    changed = row_of(told, "patient", 1)
    assert (changed.kind, changed.columns) == \
        ("updated", {"office_id": (key_of(world, "office", 1), None), "name": ("secret 1", "secret name")})
    marked = row_of(told, "patient", 4)
    assert (marked.kind, marked.columns) == ("marked", {"is_active": ("true", "false")})
    assert row_of(told, "rate", 2, "USD").columns == {"amount": ("2.50", "3.75")}


def test_what_becomes_of_rows_that_are_not_written_is_said(world):
    told = dry_run(world.daemon, keys=["patient:2", "patient:3", "patient:5", "patient:20", "patient:404", "patient:no number"])
    undated, moved, same, homeless, missing, nonsense = (row_of(told, "patient", key) for key in (2, 3, 5, 20, 404, "no number"))
    assert (undated.kind, undated.sqlstate, undated.column, undated.columns) == ("set_aside", "22007", "born", {})
    assert (moved.kind, moved.waits_for, moved.columns) == ("parked", "office", {})
    assert (same.kind, same.columns) == ("unchanged", {})
    assert (homeless.kind, homeless.waits_for) == ("parked", "office")
    assert (missing.kind, nonsense.kind) == ("absent", "absent")


def test_first_few_of_each_kind_are_shown_when_none_are_named(world):
    world.source_sql("INSERT INTO office SELECT n, 'new ' || n FROM generate_series(101, 150) AS n")
    told = dry_run(world.daemon, rows=True)
    kinds = [(row["entity"], row["kind"]) for row in told.rows]
    assert kinds.count(("office", "inserted")) == 3
    assert {("office", "updated"), ("office", "deleted"), ("patient", "marked"), ("patient", "set_aside"), ("patient", "parked"),
            ("rate", "updated")} <= set(kinds)
    assert len(kinds) == len({(row["entity"], *row["legacy_key"]) for row in told.rows})
    assert ("office", "updated") in [(row["entity"], row["kind"]) for row in dry_run(world.daemon, rows=True, full=True).rows]
    assert dry_run(world.daemon).rows == []


def test_values_go_to_who_asked_and_nowhere_else(world):
    shown = world.daemon.ctl("migrate", "--dry-run", "--verbose", "--key", "patient:1")
    assert "secret 1 → secret name" in shown.stdout
    seen_by_others = [world.daemon.log(), shown.stderr, *(world.daemon.ctl(verb).stdout for verb in ("status", "list", "logs"))]
    assert not [text for text in seen_by_others if "secret" in text]


def test_names_that_make_no_sense_are_refused_before_anything_is_done(world):
    for keys, error in ((["nobody:1"], "NoSuchEntity"), (["office"], "org.varlink.service.InvalidParameter"),
                        (["rate:1"], "org.varlink.service.InvalidParameter"), (["rate:1,EUR,2"], "org.varlink.service.InvalidParameter")):
        with pytest.raises(VarlinkError) as refusal:
            world.daemon.call("DryRun", keys=keys)
        assert refusal.value.name == error
    assert world.daemon.call("Status")["session"]["mode"] != "dry run"
