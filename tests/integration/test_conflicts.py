"""Rows that were edited on the modern side: who wins is the mapping's choice, nothing is overwritten unseen, nothing else is
touched."""

import pytest

from mapping import entity
from sessions import unpacked

SOURCE = """CREATE TABLE things (id integer PRIMARY KEY, value text, other text, updated_at timestamptz);
    INSERT INTO things SELECT i, 'value ' || i, 'other ' || i, '2024-01-01' FROM generate_series(1, 5) AS i"""
TARGET = """CREATE TABLE things (id uuid PRIMARY KEY, legacy_id integer UNIQUE, value text, other text, note text,
    updated_at timestamptz, is_active boolean NOT NULL DEFAULT true)"""
COLUMNS = {"value": "value", "other": "other"}
POLICIES = ["source_wins", "last_writer_wins", "hold"]

# What becomes of an edit that came before the source's change, and of one that came after it.
STATES = {"source_wins": ("overwritten", "overwritten"), "last_writer_wins": ("overwritten", "kept"), "hold": ("held", "held")}
BEFORE, AFTER = "2024-02-01", "2024-04-01"
CHANGED = "2024-03-01"


def things(policy, columns=None, **rest):
    return entity("things", columns or COLUMNS, on_conflict=policy, **rest)


@pytest.fixture(params=POLICIES)
def policy(request):
    return request.param


@pytest.fixture
def world(pair, policy):
    world = pair(SOURCE, TARGET, things(policy, on_delete="delete"))
    world.migrate()
    return world


def edit(world, key, assignments="value = 'edited'", at=AFTER):
    world.target_sql(f"UPDATE things SET {assignments}, updated_at = '{at}' WHERE legacy_id = {key}")


def change(world, key, assignments="value = 'changed'"):
    world.source_sql(f"UPDATE things SET {assignments}, updated_at = '{CHANGED}' WHERE id = {key}")


def conflicts(world, name="things"):
    """(key, what happened in the source, in the target, state, columns that differ), the oldest first."""
    return [(unpacked(key), *rest) for key, *rest in world.target_sql("""
        SELECT legacy_key, in_source, in_target, state, columns
          FROM migrated.conflict
         WHERE entity = %s
         ORDER BY id""", [name])]


def target_row(world, key, columns="value, other"):
    rows = world.target_sql(f"SELECT {columns} FROM things WHERE legacy_id = {key}")
    return rows[0] if rows else None


def source_row(world, key):
    return world.source_sql(f"SELECT value, other FROM things WHERE id = {key}")[0]


def conflict_counts(world):
    """What the batches of the last session say: overwritten, kept, held."""
    return world.target_sql("""
        SELECT sum(overwritten)::int, sum(kept)::int, sum(held)::int
          FROM migrated.batch
         WHERE session = (SELECT session FROM migrated.session ORDER BY number DESC LIMIT 1)""")[0]


def nothing_is_found(world):
    analysis = world.detect()
    assert (analysis.new, analysis.modified, analysis.deleted) == (0, 0, 0)


# --- the three policies -------------------------------------------------------------------------

@pytest.mark.parametrize("edited", [BEFORE, AFTER])
def test_an_edited_row_whose_source_changes_is_dealt_with_as_the_policy_says(world, policy, edited):
    edit(world, 2, at=edited)
    change(world, 2)
    change(world, 3)
    world.migrate()
    state = STATES[policy][edited == AFTER]
    assert conflicts(world) == [("2", "changed", "edited", state, ["value"])]
    assert conflict_counts(world) == tuple(int(state == name) for name in ("overwritten", "kept", "held"))
    wins = state == "overwritten"
    assert target_row(world, 2) == (source_row(world, 2) if wins else ("edited", "other 2"))
    assert target_row(world, 3) == source_row(world, 3)
    nothing_is_found(world)
    # Nor does reading everything again change anything, or record it twice.
    world.migrate(full=True)
    assert target_row(world, 2) == (source_row(world, 2) if wins else ("edited", "other 2"))
    assert conflicts(world) == [("2", "changed", "edited", state, ["value"])]


def test_the_row_as_it_was_is_kept_in_the_target_database(world, policy):
    edit(world, 2, "value = 'edited', other = NULL", at=BEFORE)
    change(world, 2)
    world.migrate()
    assert world.target_sql("SELECT before FROM migrated.conflict") == [
        ({"value": "edited", "other": None, "legacy_id": 2},)]


def test_an_edit_to_what_the_source_says_is_no_conflict(world):
    edit(world, 2, "value = 'changed'")
    change(world, 2)
    world.migrate()
    assert conflicts(world) == []
    # From then on both are in step: the next change is carried as usual.
    change(world, 2, "value = 'changed again'")
    world.migrate()
    assert conflicts(world) == []
    assert target_row(world, 2) == source_row(world, 2)


def test_columns_that_the_mapping_does_not_fill_are_not_touched_and_no_conflict(world):
    edit(world, 2, "note = 'mine', is_active = false")
    change(world, 2)
    world.migrate()
    assert conflicts(world) == []
    assert target_row(world, 2, "value, note, is_active") == ("changed", "mine", False)


def test_rows_that_nobody_edited_are_no_conflict(world):
    for round in range(3):
        world.source_sql(f"UPDATE things SET value = 'round {round}', updated_at = now()")
        world.migrate()
    world.migrate(full=True)
    assert conflicts(world) == []
    assert world.target.value("SELECT count(*) FROM things WHERE value = 'round 2'") == 5


def test_an_unchanged_row_that_was_edited_is_overwritten_by_full_only_where_the_source_wins(world, policy):
    edit(world, 2)
    world.migrate()
    assert target_row(world, 2) == ("edited", "other 2")
    world.migrate(full=True)
    if policy == "source_wins":
        assert conflicts(world) == [("2", "changed", "edited", "overwritten", ["value"])]
        assert target_row(world, 2) == source_row(world, 2)
    else:
        assert conflicts(world) == []
        assert target_row(world, 2) == ("edited", "other 2")


# --- rows that are gone -------------------------------------------------------------------------

def test_a_row_that_was_deleted_in_the_target_comes_back_with_its_key_or_is_held(world, policy):
    key = target_row(world, 2, "id")
    world.target_sql("DELETE FROM things WHERE legacy_id = 2")
    change(world, 2)
    world.migrate()
    state = "held" if policy == "hold" else "overwritten"
    assert [row[:4] for row in conflicts(world)] == [("2", "changed", "deleted", state)]
    assert target_row(world, 2, "id") == (None if policy == "hold" else key)
    assert world.target_sql("SELECT before FROM migrated.conflict") == [(None,)]
    nothing_is_found(world)


def test_a_row_deleted_in_the_source_that_was_edited_is_held_or_deleted_and_recorded(world, policy):
    edit(world, 2)
    world.source_sql("DELETE FROM things WHERE id IN (2, 3)")
    world.migrate()
    state = "held" if policy == "hold" else "overwritten"
    assert conflicts(world) == [("2", "deleted", "edited", state, [])]
    assert conflict_counts(world) == (state == "overwritten", 0, state == "held")
    assert target_row(world, 2) == (("edited", "other 2") if policy == "hold" else None)
    assert target_row(world, 3) is None
    assert world.target_sql("SELECT before ->> 'value' FROM migrated.conflict") == [("edited",)]
    nothing_is_found(world)


def test_a_row_deleted_on_both_sides_is_no_conflict_nor_when_it_comes_back(world):
    world.target_sql("DELETE FROM things WHERE legacy_id = 2")
    world.source_sql("DELETE FROM things WHERE id = 2")
    world.migrate()
    world.source_sql("INSERT INTO things VALUES (2, 'back', 'again', now())")
    world.migrate()
    assert conflicts(world) == []
    assert target_row(world, 2) == ("back", "again")


# --- holds --------------------------------------------------------------------------------------

@pytest.fixture
def held(pair):
    """Row 2 is held."""
    world = pair(SOURCE, TARGET, things("hold", on_delete="delete"))
    world.migrate()
    edit(world, 2)
    change(world, 2)
    world.migrate()
    assert conflicts(world) == [("2", "changed", "edited", "held", ["value"])]
    return world


def test_a_hold_is_renewed_and_not_doubled_when_the_source_changes_again(held):
    change(held, 2, "value = 'later', other = 'later'")
    held.migrate()
    assert conflicts(held) == [("2", "changed", "edited", "held", ["value", "other"])]
    assert target_row(held, 2) == ("edited", "other 2")


def test_a_hold_ends_when_the_source_is_again_what_was_written(held):
    change(held, 2, "value = 'value 2'")
    held.migrate()
    assert conflicts(held) == [("2", "changed", "edited", "resolved", ["value"])]
    assert target_row(held, 2) == ("edited", "other 2")
    change(held, 2, "value = 'once more'")
    held.migrate()
    assert [row[3] for row in conflicts(held)] == ["resolved", "held"]


def test_a_hold_ends_when_both_sides_agree(held):
    edit(held, 2, "value = 'agreed'")
    change(held, 2, "value = 'agreed'")
    held.migrate()
    assert [row[3] for row in conflicts(held)] == ["resolved"]
    change(held, 2, "value = 'later'")
    held.migrate()
    assert target_row(held, 2) == ("later", "other 2")


def test_a_held_row_whose_edit_was_taken_back_follows_the_source_again(held):
    edit(held, 2, "value = 'value 2'")
    change(held, 2, "value = 'later'")
    held.migrate()
    assert [row[3] for row in conflicts(held)] == ["resolved"]
    assert target_row(held, 2) == ("later", "other 2")


def test_a_held_deletion_ends_when_the_row_is_back_in_the_source(held):
    held.source_sql("DELETE FROM things WHERE id = 2")
    held.migrate()
    assert conflicts(held) == [("2", "deleted", "edited", "held", [])]
    held.source_sql("INSERT INTO things VALUES (2, 'value 2', 'other 2', '2024-01-01')")
    held.migrate()
    assert [row[3] for row in conflicts(held)] == ["resolved"]
    assert target_row(held, 2) == ("edited", "other 2")
