"""Rows that were edited on the modern side: who wins is the mapping's choice, nothing is overwritten unseen, nothing else is
touched."""

import contextlib
import os

import pytest

from mapping import Pair, entity
from sessions import start_migration, unpacked, wait_until_ended
from varlink import VarlinkError
from waiting import wait_until

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


# --- deciding -----------------------------------------------------------------------------------

def resolve(world, resolution, **what):
    """How many rows it was about, and how many not; the session that is begun has ended."""
    answer = world.daemon.call("ResolveConflicts", resolution=resolution, **what)
    if answer["session"]:
        wait_until_ended(world.daemon)
    assert answer["later"] == []
    return answer["resolved"], answer["unaffected"]


def the_conflict(world):
    return world.daemon.call("ListConflicts", state="all")["conflicts"][0]


def test_held_rows_are_listed_and_shown_without_their_values(held):
    edit(held, 3, "value = 'secret'")
    listed = held.daemon.call("ListConflicts")
    assert (listed["total"], listed["held"], listed["overwritten"]) == (1, 1, 0)
    conflict = listed["conflicts"][0]
    assert (conflict["entity"], conflict["legacy_key"], conflict["state"], conflict["policy"], conflict["columns"]) == \
        ("things", ["2"], "held", "hold", ["value"])
    shown = held.daemon.call("ShowConflict", id=conflict["id"])
    assert shown["conflict"] == conflict
    assert "edited" not in str({**shown["conflict"], "in_target": None})
    assert "edited" in held.target.value(shown["before_sql"])
    assert held.daemon.call("ListConflicts", state="kept") == {**listed, "total": 0, "conflicts": []}
    with pytest.raises(VarlinkError, match="NoSuchConflict"):
        held.daemon.call("ShowConflict", id=4711)


def test_resolved_for_the_source_the_row_is_carried_as_the_source_has_it_now(held):
    change(held, 2, "value = 'later'")
    assert resolve(held, "source", ids=[the_conflict(held)["id"]]) == (1, 0)
    assert target_row(held, 2) == ("later", "other 2")
    assert conflicts(held) == [("2", "changed", "edited", "resolved", ["value"])]
    assert the_conflict(held)["resolution"] == "source"
    assert the_conflict(held)["resolved_by"] == os.getuid()
    nothing_is_found(held)


def test_an_edit_that_comes_after_it_was_resolved_for_the_source_is_a_conflict_again(held):
    held.target_sql("SELECT migrated.resolve_conflict(id, 'source', 0) FROM migrated.conflict")
    edit(held, 2, "value = 'edited once more'")
    held.migrate()
    assert [row[3] for row in conflicts(held)] == ["resolved", "held"]
    assert target_row(held, 2) == ("edited once more", "other 2")


def test_resolved_for_the_target_the_row_stays_until_the_source_changes(held):
    assert resolve(held, "target", entity="things") == (1, 0)
    held.migrate()
    held.migrate(full=True)
    assert target_row(held, 2) == ("edited", "other 2")
    assert [row[3] for row in conflicts(held)] == ["resolved"]
    assert the_conflict(held)["resolution"] == "target"
    change(held, 2, "value = 'later'")
    held.migrate()
    assert target_row(held, 2) == ("later", "other 2")
    assert [row[3] for row in conflicts(held)] == ["resolved"]


def test_a_held_deletion_is_carried_out_when_the_source_wins(held):
    held.source_sql("DELETE FROM things WHERE id = 2")
    held.migrate()
    resolve(held, "source", ids=[the_conflict(held)["id"]])
    assert target_row(held, 2) is None
    assert [row[3] for row in conflicts(held)] == ["resolved"]
    nothing_is_found(held)


def test_a_held_deletion_is_forgotten_when_the_target_wins(held):
    held.source_sql("DELETE FROM things WHERE id = 2")
    held.migrate()
    resolve(held, "target", ids=[the_conflict(held)["id"]])
    held.migrate(full=True)
    assert target_row(held, 2) == ("edited", "other 2")
    nothing_is_found(held)


def test_a_row_deleted_in_the_target_stays_away_when_the_target_wins(pair):
    world = pair(SOURCE, TARGET, things("hold"))
    world.migrate()
    world.target_sql("DELETE FROM things WHERE legacy_id = 2")
    change(world, 2)
    world.migrate()
    resolve(world, "target", ids=[the_conflict(world)["id"]])
    world.migrate(full=True)
    assert target_row(world, 2) is None
    change(world, 2, "value = 'later'")
    world.migrate()
    assert target_row(world, 2) == ("later", "other 2")


def test_what_is_not_held_is_not_decided_twice(held):
    conflict = the_conflict(held)["id"]
    resolve(held, "target", ids=[conflict])
    assert resolve(held, "source", ids=[conflict]) == (0, 1)
    with pytest.raises(VarlinkError, match="NoSuchConflict"):
        resolve(held, "source", ids=[4711])


# --- what is no edit ----------------------------------------------------------------------------

# Column type, what the source has, what the trigger or the type makes of it.
AWKWARD_TYPES = ["numeric(12,2)", "numeric", "real", "double precision", "json", "jsonb", "character(20)", "timestamp", "timestamptz",
                 "interval", "text[]", "bytea", "date"]
AWKWARD_VALUES = {"numeric(12,2)": "1.005", "numeric": "1.500", "real": "0.1", "double precision": "0.1", "json": '{"b": 1, "a": 2}',
                  "jsonb": '{"b": 1, "a": 2}', "character(20)": "padded", "timestamp": "2024-01-01 12:00",
                  "timestamptz": "2024-01-01 12:00+02", "interval": "36 hours", "text[]": "{a,NULL,b}", "bytea": "\\x00ff",
                  "date": "2024-02-29"}


@pytest.mark.parametrize("policy", ["source_wins", "hold"])
def test_rounding_and_text_forms_are_no_edits(pair, policy):
    columns = {f"c{i}": f"c{i}" for i in range(len(AWKWARD_TYPES))}
    declared = ", ".join(f"c{i} {kind}" for i, kind in enumerate(AWKWARD_TYPES))
    values = ", ".join("'{}'".format(AWKWARD_VALUES[kind]) for kind in AWKWARD_TYPES)
    world = pair(f"CREATE TABLE things (id integer PRIMARY KEY, {declared.replace('(12,2)', '')}, n integer);"
                 f"INSERT INTO things VALUES (1, {values}, 0)",
                 f"CREATE TABLE things (id uuid PRIMARY KEY, legacy_id integer UNIQUE, {declared}, n integer)",
                 things(policy, {**columns, "n": "n"}))
    world.migrate()
    for n in (1, 2):
        world.source_sql(f"UPDATE things SET n = {n}")
        world.migrate()
    assert world.target.value("SELECT n FROM things") == 2
    assert conflicts(world) == []


@pytest.mark.parametrize("policy", POLICIES)
def test_what_a_trigger_makes_of_our_rows_is_no_edit(pair, policy):
    world = pair(SOURCE, TARGET + """;
        CREATE FUNCTION stamp() RETURNS trigger LANGUAGE plpgsql AS
          $$BEGIN NEW.value := upper(NEW.value); NEW.updated_at := clock_timestamp(); RETURN NEW; END$$;
        CREATE TRIGGER stamp BEFORE INSERT OR UPDATE ON things FOR EACH ROW EXECUTE FUNCTION stamp()""",
                 things(policy, {**COLUMNS, "updated_at": "updated_at"}))
    world.migrate()
    change(world, 2)
    world.migrate()
    assert conflicts(world) == []
    assert target_row(world, 2) == ("CHANGED", "other 2")
    world.target_sql("UPDATE things SET other = 'edited' WHERE legacy_id = 3")
    change(world, 3)
    world.migrate()
    assert [row[0] for row in conflicts(world)] == ["3"]


@pytest.mark.parametrize("policy", POLICIES)
def test_marking_and_reviving_are_no_edits(pair, policy):
    world = pair(SOURCE, TARGET, things(policy, {**COLUMNS}, on_delete={"mark": {"is_active": False, "value": "gone"}}))
    world.migrate()
    world.source_sql("DELETE FROM things WHERE id = 2")
    world.migrate()
    assert target_row(world, 2, "value, is_active") == ("gone", False)
    world.source_sql("INSERT INTO things VALUES (2, 'back', 'other', now())")
    world.migrate()
    assert target_row(world, 2, "value, is_active") == ("back", True)
    assert conflicts(world) == []


@pytest.mark.parametrize("policy", POLICIES)
def test_a_reference_that_is_filled_in_later_is_no_edit(pair, policy):
    world = pair(SOURCE + "; ALTER TABLE things ADD COLUMN parent integer; UPDATE things SET parent = 6 - id",
                 TARGET + "; ALTER TABLE things ADD COLUMN parent uuid REFERENCES things",
                 things(policy, {**COLUMNS, "parent": {"references": "things", "from": "parent"}}))
    world.migrate(batch_size=1)
    assert world.target.value("SELECT count(*) FROM things WHERE parent IS NOT NULL") == 5
    for value in ("a", "b"):
        world.source_sql(f"UPDATE things SET value = '{value}'")
        world.migrate(batch_size=1)
    assert conflicts(world) == []
    assert world.target.value("SELECT count(*) FROM things WHERE value = 'b' AND parent IS NOT NULL") == 5


def test_a_column_that_somebody_filled_in_himself_is_not_overwritten_by_the_second_pass(pair):
    world = pair(SOURCE + "; ALTER TABLE things ADD COLUMN parent integer; UPDATE things SET parent = 99 WHERE id = 1",
                 TARGET + "; ALTER TABLE things ADD COLUMN parent uuid REFERENCES things",
                 things("hold", {**COLUMNS, "parent": {"references": "things", "from": "parent", "if_missing": "null"}}))
    world.migrate()
    world.target_sql("UPDATE things SET parent = (SELECT id FROM things WHERE legacy_id = 3) WHERE legacy_id = 1")
    world.source_sql("INSERT INTO things VALUES (99, 'late', 'parent', now())")
    world.migrate()
    assert world.target.value("""SELECT p.legacy_id FROM things AS t JOIN things AS p ON p.id = t.parent
                                  WHERE t.legacy_id = 1""") == 3


def test_source_rows_that_share_a_target_row_do_not_edit_one_another(pair):
    world = pair("""CREATE TABLE pairs (id integer PRIMARY KEY, a integer, b integer, note text);
                    INSERT INTO pairs VALUES (1, 1, 1, 'one'), (2, 1, 1, 'two'), (3, 2, 2, 'three')""",
                 "CREATE TABLE pairs (a integer, b integer, note text, PRIMARY KEY (a, b))",
                 entity("pairs", {"a": "a", "b": "b", "note": "note"}, target_key=["a", "b"], legacy_key=None, on_conflict="hold"))
    world.migrate(batch_size=1)
    for key in (1, 2, 1):
        world.source_sql(f"UPDATE pairs SET note = note || '.' WHERE id = {key}")
        world.migrate()
    assert conflicts(world, "pairs") == []
    world.target_sql("UPDATE pairs SET note = 'edited'")
    world.source_sql("UPDATE pairs SET note = note || '!'")
    world.migrate()
    assert {row[3] for row in conflicts(world, "pairs")} == {"held"}


@pytest.mark.parametrize("policy", POLICIES)
def test_rows_that_were_there_before_us_are_ours_once_they_are_in_step(pair, policy):
    world = pair(SOURCE, TARGET + """;
        INSERT INTO things VALUES (gen_random_uuid(), 1, 'value 1', 'other 1'), (gen_random_uuid(), 2, 'older', 'older')""",
                 things(policy))
    world.migrate()
    assert conflicts(world) == []
    assert target_row(world, 2) == source_row(world, 2)
    for key in (1, 2):
        edit(world, key)
        change(world, key)
    world.migrate()
    assert [row[0] for row in conflicts(world)] == ["1", "2"]


# --- other mappings -----------------------------------------------------------------------------

def test_edits_are_known_still_after_a_column_was_added_to_the_mapping(pair):
    world = pair(SOURCE, TARGET, things("hold"))
    world.migrate()
    edit(world, 2)
    world.change_mapping([things("hold", {**COLUMNS, "note": {"sql": "'from ' || id"}})])
    world.migrate()
    assert target_row(world, 2, "value, note") == ("edited", None)
    assert target_row(world, 3, "value, note") == ("value 3", "from 3")
    assert [row[0] for row in conflicts(world)] == ["2"]


def test_a_row_that_is_held_stays_so_when_what_was_written_cannot_be_known_any_more(held):
    held.daemon.stop()
    held.target_sql("ALTER TABLE things DROP COLUMN other")
    held.daemon.write_entities([things("hold", {"value": "value"})])
    held.daemon.start()
    held.migrate()
    assert target_row(held, 2, "value") == ("edited",)
    assert [row[3] for row in conflicts(held)] == ["held"]


# --- at the same time ---------------------------------------------------------------------------

@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("assignment", ["value = 'edited'", "value = 'changed'", None])
def test_an_edit_that_commits_while_the_batch_waits_for_its_row_is_seen(pair, policy, assignment):
    world = pair(SOURCE, TARGET, things(policy))
    world.migrate()
    change(world, 2)
    connection = world.target.connect(autocommit=False)
    try:
        connection.execute(f"UPDATE things SET {assignment}, updated_at = '{AFTER}' WHERE legacy_id = 2" if assignment
                           else "DELETE FROM things WHERE legacy_id = 2")
        start_migration(world.daemon)
        wait_until(lambda: world.target.value("""SELECT count(*) FROM pg_stat_activity WHERE application_name = 'migrated'
                                                    AND wait_event_type = 'Lock'"""), 30, "the batch waits for the row")
        connection.commit()
    finally:
        connection.close()
    wait_until_ended(world.daemon)
    if assignment == "value = 'changed'":
        assert conflicts(world) == []
        assert target_row(world, 2) == source_row(world, 2)
        return
    state = "overwritten" if policy == "last_writer_wins" and not assignment else STATES[policy][True]
    assert [row[2:4] for row in conflicts(world)] == [("edited" if assignment else "deleted", state)]
    assert target_row(world, 2) == (source_row(world, 2) if state == "overwritten" else ("edited", "other 2") if assignment else None)


def test_a_trigger_that_keeps_a_row_as_it_is_is_not_taken_for_somebody_else(pair):
    world = pair(SOURCE, TARGET + """;
        CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RETURN NULL; END$$;
        CREATE TRIGGER refuse BEFORE UPDATE ON things FOR EACH ROW WHEN (OLD.legacy_id = 2) EXECUTE FUNCTION refuse()""",
                 things("source_wins"))
    world.migrate()
    change(world, 2)
    change(world, 3)
    world.migrate()
    assert target_row(world, 2) == ("value 2", "other 2")
    assert target_row(world, 3) == source_row(world, 3)


@pytest.mark.parametrize("point", ["batch.staged", "batch.write_sent", "batch.committed"])
def test_killed_on_the_way_it_records_each_conflict_once(databases, start_daemon, policy, point):
    def start(*arguments, **options):
        return start_daemon(*arguments, fault="", **options)

    world = Pair(databases, start, SOURCE, TARGET, [things(policy, on_delete="delete")])
    world.migrate()
    edit(world, 2)
    change(world, 2)
    world.target_sql("DELETE FROM things WHERE legacy_id = 3")
    change(world, 3)
    world.daemon.stop()
    world.daemon.fault = f"{point}:kill:1"
    world.daemon.start()
    with contextlib.suppress(ConnectionError, FileNotFoundError, VarlinkError):
        start_migration(world.daemon)
    world.daemon.wait_until_killed()
    world.daemon.fault = ""
    world.daemon.start()
    wait_until_ended(world.daemon)
    of_edits = STATES[policy][True]
    of_deletions = "held" if policy == "hold" else "overwritten"
    assert conflicts(world) == [("2", "changed", "edited", of_edits, ["value"]),
                                ("3", "changed", "deleted", of_deletions, ["value", "other", "legacy_id"])]
    world.databases.accounts()
    nothing_is_found(world)


# --- last_writer_wins ----------------------------------------------------------------------------

# Times of the source (UTC where without a zone) and of the target: who wins.
TIMES = [("2024-03-01", "2024-03-02", "target"), ("2024-03-02", "2024-03-01", "source"), ("2024-03-01", "2024-03-01", "source"),
         (None, "2024-03-01", "target"), ("2024-03-01", None, "source"), (None, None, "source"),
         ("infinity", "2024-03-01", "source"), ("2024-03-01", "infinity", "target")]


@pytest.mark.parametrize("zones", [("timestamptz", "timestamptz"), ("timestamp", "timestamptz"), ("timestamptz", "timestamp")],
                         ids="-".join)
def test_the_last_writer_is_told_by_the_columns_that_the_mapping_names(pair, zones):
    world = pair(f"CREATE TABLE things (id integer PRIMARY KEY, value text, changed {zones[0]})",
                 f"CREATE TABLE things (id uuid PRIMARY KEY, legacy_id integer UNIQUE, value text, edited {zones[1]})",
                 things({"last_writer_wins": {"source": "changed", "target": "edited"}}, {"value": "value"}))
    for key in range(len(TIMES)):
        world.source_sql("INSERT INTO things VALUES (%s, 'value', '2024-01-01')", [key])
    world.migrate()
    for key, (source, target, _) in enumerate(TIMES):
        world.source_sql("UPDATE things SET value = 'source', changed = %s WHERE id = %s", [source, key])
        world.target_sql("UPDATE things SET value = 'target', edited = %s WHERE legacy_id = %s", [target, key])
    world.migrate()
    assert [value for (value,) in world.target_sql("SELECT value FROM things ORDER BY legacy_id")] == [winner for *_, winner in TIMES]


@pytest.mark.parametrize("source, target, message", [
    ("no_such", "updated_at", 'source table "things" has no column "no_such" to say when a row was written last'),
    ("updated_at", "no_such", 'target table "things" has no column "no_such" to say when a row was written last'),
    ("updated_at", "value", 'target column "value" is text, and no timestamp'),
    ("value", "updated_at", "the column is no timestamp, so it cannot say when a row was written last")])
def test_columns_that_cannot_tell_the_last_writer_are_named(pair, source, target, message):
    world = pair(SOURCE, TARGET, things({"last_writer_wins": {"source": source, "target": target}}))
    session = world.migrate(expect="failed")
    assert message in session.entities["things"]["reason"]
