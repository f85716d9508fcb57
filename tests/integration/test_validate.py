"""Validation: each kind of difference in the values is found by key and column, exactly those, and what is merely waiting is none."""

import pytest

from mapping import entity
from validation import differs, validate

SOURCE = """CREATE TABLE things (id integer PRIMARY KEY, value text, amount numeric);
    INSERT INTO things SELECT i, 'value ' || i, i + 0.5 FROM generate_series(1, 1000) AS i"""
TARGET = """CREATE TABLE things (id uuid PRIMARY KEY, legacy_id integer UNIQUE, value text, amount numeric, note text,
    is_active boolean NOT NULL DEFAULT true)"""
THINGS = entity("things", {"value": "value", "amount": "amount"}, on_delete="delete")


@pytest.fixture
def world(pair):
    world = pair(SOURCE, TARGET, THINGS)
    world.migrate()
    return world


def found(world, *entities, **parameters):
    return differs(world.daemon, world.databases, *(entities or ["things"]), **parameters)


def oracle(world, columns="value, amount"):
    """Keys whose rows are not equal, by plain SQL over both."""
    source = {row[0]: row[1:] for row in world.source_sql(f"SELECT id, {columns} FROM things")}
    target = {row[0]: row[1:] for row in world.target_sql(f"SELECT legacy_id, {columns} FROM things WHERE legacy_id IS NOT NULL")}
    return {str(key) for key in source.keys() | target.keys() if source.get(key) != target.get(key)}


def test_nothing_is_found_where_nothing_differs(world):
    validation = validate(world.daemon, world.databases, checks=["values"])
    assert validation.found() == [] and validation.complete
    assert validation.checks["things", "values"]["rows"] == 1000


def test_changed_missing_and_extra_rows_are_found_by_key_and_column(world):
    world.target_sql("UPDATE things SET value = 'other' WHERE legacy_id = 7")
    world.target_sql("UPDATE things SET value = NULL, amount = 0 WHERE legacy_id = 8")
    world.target_sql("UPDATE things SET note = 'not ours' WHERE legacy_id = 9")
    world.target_sql("DELETE FROM things WHERE legacy_id IN (1, 1000)")
    world.target_sql("INSERT INTO things (id, legacy_id, value) VALUES (gen_random_uuid(), 5000, 'extra'), (gen_random_uuid(), NULL, 'native')")
    assert oracle(world) == {"7", "8", "1", "1000", "5000"}
    assert found(world) == [("changed", "7", ("value",)), ("changed", "8", ("amount", "value")), ("extra", "5000", ()),
                            ("missing", "1", ()), ("missing", "1000", ())]


def test_swapped_rows_are_found(world):
    world.target_sql("""
        UPDATE migrated.id_map_things AS m
           SET t1 = (SELECT o.t1 FROM migrated.id_map_things AS o WHERE o.k1 = 7 - m.k1)
         WHERE k1 IN (3, 4)""")
    assert found(world) == [("swapped", "3", ("amount", "legacy_id", "value")), ("swapped", "4", ("amount", "legacy_id", "value"))]


def test_what_is_waiting_is_no_difference(world):
    world.source_sql("INSERT INTO things VALUES (2000, 'new', 1)")
    world.source_sql("UPDATE things SET value = 'changed since' WHERE id = 5")
    world.source_sql("DELETE FROM things WHERE id = 6")
    validation = validate(world.daemon, world.databases, checks=["values"])
    assert validation.found() == []
    assert validation.checks["things", "values"]["waiting"] == 3
    world.target_sql("UPDATE things SET value = 'edited' WHERE legacy_id = 7")
    assert found(world) == [("changed", "7", ("value",))]


def test_a_row_that_came_back_though_it_was_deleted_is_extra(world):
    world.target_sql("CREATE TABLE kept AS SELECT * FROM things WHERE legacy_id = 6")
    world.source_sql("DELETE FROM things WHERE id = 6")
    world.migrate()
    assert found(world) == []
    world.target_sql("INSERT INTO things SELECT * FROM kept")
    assert found(world) == [("extra", "6", ())]


def test_an_entity_that_was_never_migrated_is_unchecked(pair):
    world = pair(SOURCE, TARGET, THINGS)
    validation = validate(world.daemon, world.databases, checks=["values"])
    assert not validation.complete
    assert validation.checks["things", "values"]["state"] == "unchecked"
    assert validation.checks["things", "values"]["reason"] == "it was never migrated"


# --- repairing -------------------------------------------------------------------------------------------------------------------


def repaired(world, *entities, **parameters):
    """What was found and what of it is left, after a validation that repairs."""
    validation = validate(world.daemon, world.databases, entities=list(entities) or ["things"], repair=True,
                          **{"checks": ["values"], **parameters})
    return validation.found(states=("found", "repaired")), validation.found()


def test_what_differs_is_repaired_and_nothing_else_is_touched(world):
    world.target_sql("UPDATE things SET value = 'other' WHERE legacy_id = 7")
    world.target_sql("DELETE FROM things WHERE legacy_id IN (1, 1000)")
    world.target_sql("INSERT INTO things (id, legacy_id, value) VALUES (gen_random_uuid(), 5000, 'extra'), (gen_random_uuid(), NULL, 'native')")
    untouched = world.target_sql("SELECT xmin::text, * FROM things WHERE legacy_id NOT IN (1, 7, 1000, 5000) ORDER BY id")
    ids = world.target_sql("SELECT k1, t1 FROM migrated.id_map_things WHERE k1 <> 5000 ORDER BY k1")
    found, left = repaired(world)
    assert [(kind, key) for _, kind, key, _ in found] == [("changed", "7"), ("extra", "5000"), ("missing", "1"), ("missing", "1000")]
    assert left == [] and oracle(world) == set()
    assert world.target_sql("SELECT xmin::text, * FROM things WHERE legacy_id NOT IN (1, 7, 1000, 5000) ORDER BY id") == untouched
    assert world.target_sql("SELECT k1, t1 FROM migrated.id_map_things WHERE k1 <> 5000 ORDER BY k1") == ids
    assert world.target_sql("SELECT count(*) FROM things WHERE value = 'native'") == [(1,)]


def test_swapped_rows_are_led_back_to_their_own(world):
    ids = world.target_sql("SELECT k1, t1 FROM migrated.id_map_things ORDER BY k1")
    world.target_sql("""
        UPDATE migrated.id_map_things AS m
           SET t1 = (SELECT o.t1 FROM migrated.id_map_things AS o WHERE o.k1 = 7 - m.k1)
         WHERE k1 IN (3, 4)""")
    found, left = repaired(world)
    assert [(kind, key) for _, kind, key, _ in found] == [("swapped", "3"), ("swapped", "4")]
    assert left == [] and oracle(world) == set()
    assert world.target_sql("SELECT k1, t1 FROM migrated.id_map_things ORDER BY k1") == ids


def test_the_client_says_what_differs_and_ends_with_status_6(world):
    assert world.daemon.ctl("validate", "things").returncode == 0
    world.target_sql("UPDATE things SET value = 'very secret' WHERE legacy_id = 7")
    run = world.daemon.ctl("validate", "things", check=False)
    assert run.returncode == 6 and "1 difference." in run.stdout
    shown = world.daemon.ctl("validate", "--show", check=False)
    assert shown.returncode == 6
    line = next(line for line in shown.stdout.splitlines() if "changed" in line)
    assert line.split()[:4] == ["things", "values", "changed", "7"] and "value" in line
    assert "secret" not in run.stdout + shown.stdout + world.daemon.log()
    assert world.daemon.ctl("validate", "things", "--repair").returncode == 0
    assert oracle(world) == set()
    begun = world.daemon.ctl_json("validate", "--no-wait")
    assert begun["validation"]["state"] == "running"


@pytest.mark.parametrize("checks", [["counts"], ["references"], ["mappings"], ["values"], ["rules"], None])
def test_checks_pass_where_nothing_differs_alone_and_together(world, checks):
    validation = validate(world.daemon, world.databases, **({"checks": checks} if checks else {}))
    assert validation.complete and validation.found() == []
    assert sorted(check for _, check in validation.checks) == checks or ["counts", "mappings", "references", "rules", "values"]
