"""Dry runs: nothing of one remains, and what it says is what the session that follows does."""

import pytest

from dry_runs import dry_run, figures, unchanged
from mapping import PLAIN, PLAIN_SOURCE, entity
from sessions import migrate


def assert_told_as_it_will_be(databases, daemon, **parameters):
    """A dry run, and the session after it; both."""
    with unchanged(databases):
        told = dry_run(daemon, **parameters)
    done = migrate(daemon, **parameters)
    assert told.would_be == done.mode
    assert figures(told) == figures(done)
    return told, done


# --- the clinic -----------------------------------------------------------------------------------

def test_first_load_is_told_as_it_will_be_and_leaves_nothing(clinic, daemon):
    told, _ = assert_told_as_it_will_be(clinic, daemon)
    assert told.would_be == "initial"
    assert sum(part["inserted"] for part in told.entities.values()) > 10000
    clinic.oracle()


def test_day_of_changes_is_told_as_it_will_be_and_leaves_nothing(make_clinic, start_daemon):
    clinic = make_clinic(loaded=True)
    clinic.day()
    daemon = start_daemon(clinic)
    migrate(daemon, entities=["offices"])  # the daemon owns the target from here on
    told, _ = assert_told_as_it_will_be(clinic, daemon)
    assert told.would_be == "differential"
    assert all(any(part[figure] for part in told.entities.values())
               for figure in ("inserted", "updated", "deleted", "failed", "parked"))
    clinic.oracle()


# --- one of each --------------------------------------------------------------------------------

SOURCE = """
    CREATE TABLE office (id integer PRIMARY KEY, name text);
    CREATE TABLE patient (id integer PRIMARY KEY, office_id integer, name text, email text, born text, friend_id integer);
    CREATE TABLE note (id integer PRIMARY KEY, patient_id integer, body text);
    INSERT INTO office SELECT n, 'office ' || n FROM generate_series(1, 6) AS n;
    INSERT INTO patient SELECT n, 1 + n % 4, 'patient ' || n, n || '@clinic', '2000-01-01', NULL FROM generate_series(1, 40) AS n;
    INSERT INTO note SELECT n, n, 'note ' || n FROM generate_series(1, 40) AS n;
"""
TARGET = """
    CREATE TABLE office (id uuid PRIMARY KEY, legacy_id integer UNIQUE, name text);
    CREATE TABLE patient (id uuid PRIMARY KEY, legacy_id integer UNIQUE, office_id uuid REFERENCES office, name text CHECK (name <> ''),
      email text UNIQUE, born date, friend_id uuid REFERENCES patient, is_active boolean NOT NULL DEFAULT true);
    CREATE TABLE note (id uuid PRIMARY KEY, legacy_id integer UNIQUE, patient_id uuid REFERENCES patient,
      body text);
    CREATE TABLE keys_to_offices (office_id uuid REFERENCES office);
"""
ENTITIES = [
    entity("office", {"name": "name"}, on_delete="delete", on_conflict="hold"),
    entity("patient", {"office_id": {"references": "office", "from": "office_id"}, "name": "name", "email": "email", "born": "born",
                       "friend_id": {"references": "patient", "from": "friend_id", "if_missing": "park"}},
           on_delete={"mark": {"is_active": False}}),
    entity("note", {"patient_id": {"references": "patient", "from": "patient_id"}, "body": "body"}, on_delete="delete"),
]
CHANGES = """
    INSERT INTO patient VALUES (50, 1, 'befriended', '50@clinic', '2001-01-01', 51), (51, 2, 'friend', '51@clinic', '2001-01-01', NULL),
      (52, 1, 'twice', '1@clinic', '2001-01-01', NULL), (53, 1, '', '53@clinic', '2001-01-01', NULL),
      (54, 1, 'undated', '54@clinic', 'no date', NULL), (55, 99, 'homeless', '55@clinic', '2001-01-01', NULL);
    INSERT INTO note VALUES (50, 50, 'new'), (55, 55, 'of one who waits');
    UPDATE patient SET name = 'renamed' WHERE id = 7;
    UPDATE office SET name = 'renamed here' WHERE id = 1;
    DELETE FROM patient WHERE id = 8;
    DELETE FROM note WHERE id IN (8, 9);
    DELETE FROM office WHERE id IN (5, 6);
"""


def loaded(pair, **settings):
    world = pair(SOURCE, TARGET, *ENTITIES, **settings)
    world.migrate()
    return world


def change(world):
    """One of everything: office 1 is edited on both sides, and something else keeps office 5."""
    world.source_sql(CHANGES)
    world.target_sql("UPDATE office SET name = 'renamed there' WHERE legacy_id = 1;"
                     " INSERT INTO keys_to_offices SELECT id FROM office WHERE legacy_id = 5;"
                     " UPDATE patient SET born = '1999-09-09' WHERE legacy_id = 7")


def test_all_that_may_become_of_a_row_is_told(pair):
    world = loaded(pair)
    change(world)
    told, done = assert_told_as_it_will_be(world, world.daemon)
    patient, note, office = (told.entities[name] for name in ("patient", "note", "office"))
    assert [patient[figure] for figure in ("inserted", "updated", "deleted", "failed", "parked")] == [2, 1, 1, 3, 1]
    assert [note[figure] for figure in ("inserted", "deleted", "parked")] == [1, 2, 1]
    assert [office[figure] for figure in ("held", "deleted", "failed")] == [1, 1, 1]
    assert [(one["entity"], one["sqlstate"], one["constraint"], one["column"], one["rows"]) for one in told.set_aside] == \
        world.target_sql("SELECT entity, sqlstate, constraint_name, column_name, count(*) FROM migrated.dead_letter WHERE session = %s"
                         " GROUP BY 1, 2, 3, 4 ORDER BY 1, 5 DESC, 2", [done.session])
    assert told.entities["patient"]["done"] == done.entities["patient"]["done"]


def test_rows_that_were_set_aside_before_follow_in_it_too(pair):
    world = loaded(pair)
    change(world)
    world.migrate()
    world.source_sql("INSERT INTO office VALUES (99, 'of the homeless'); UPDATE patient SET born = '2002-02-02' WHERE id = 54")
    world.target_sql("DELETE FROM keys_to_offices")
    told, _ = assert_told_as_it_will_be(world, world.daemon)
    assert told.entities["patient"]["inserted"] == 2
    assert told.entities["note"]["inserted"] == 1


def test_it_does_only_what_it_is_asked_to(pair):
    world = loaded(pair)
    change(world)
    told, _ = assert_told_as_it_will_be(world, world.daemon, entities=["note"], full=True)
    assert told.would_be == "full"
    assert set(told.entities) == {"note"}


def test_kept_analysis_is_carried_out_in_it_and_again_after_it(pair):
    world = loaded(pair)
    change(world)
    analysis = world.detect().analysis
    with unchanged(world):
        told = dry_run(world.daemon, analysis=analysis[:8])
    done = world.migrate(analysis=analysis)
    assert told.analysis == done.analysis == analysis
    assert figures(told) == figures(done)


def test_checks_before_and_after_are_left_to_the_session(pair):
    world = loaded(pair, validate_steps="both")
    change(world)
    assert_told_as_it_will_be(world, world.daemon)
    assert world.target.value("SELECT count(*) FROM migrated.validation") > 0


# --- what is made in it is gone ---------------------------------------------------------------------

@pytest.mark.empty_target
def test_rows_that_carry_a_legacy_key_already_are_adopted_in_it_alone(pair):
    world = pair(SOURCE, TARGET, *ENTITIES)
    world.target_sql("INSERT INTO office VALUES ('00000000-0000-4000-8000-000000000001', 1, 'by hand')")
    with unchanged(world):
        told = dry_run(world.daemon)
    assert told.entities["office"]["inserted"] == 5
    assert world.target.value("SELECT to_regnamespace('migrated')") is None
    assert figures(told) == figures(world.migrate())


def test_mapping_that_has_changed_is_read_anew_in_it_alone(pair):
    world = loaded(pair)
    changed = [entity("office", {"name": {"sql": "upper(name)"}}, on_delete="delete", on_conflict="hold"), *ENTITIES[1:]]
    world.change_mapping(changed)
    migrate(world.daemon, entities=["note"])
    told, _ = assert_told_as_it_will_be(world, world.daemon)
    assert told.entities["office"]["updated"] == 6


FAMILY_SOURCE = """CREATE TABLE person (id integer PRIMARY KEY, parent_id integer);
    INSERT INTO person SELECT n, CASE WHEN n < 100 THEN n + 1 END FROM generate_series(1, 100) AS n"""
FAMILY_TARGET = """CREATE TABLE person (id uuid PRIMARY KEY, legacy_id integer UNIQUE,
    parent_id uuid NOT NULL REFERENCES person DEFERRABLE INITIALLY DEFERRED)"""


def test_chains_of_rows_that_follow_each_other_are_told(pair):
    world = pair(FAMILY_SOURCE, FAMILY_TARGET, entity("person", {"parent_id": {"references": "person", "from": "parent_id"}}))
    world.source_sql("UPDATE person SET parent_id = id WHERE id = 100")
    told, done = assert_told_as_it_will_be(world, world.daemon, batch_size=7)
    assert told.entities["person"]["inserted"] == 100
    world.source_sql("INSERT INTO person SELECT n, CASE WHEN n < 300 THEN n + 1 ELSE 1 END FROM generate_series(201, 300) AS n")
    told, _ = assert_told_as_it_will_be(world, world.daemon, batch_size=7)
    assert told.entities["person"]["inserted"] == 100


NUMBERED = """CREATE TABLE things (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, legacy_id integer UNIQUE, value text)"""


def test_numbers_of_the_targets_own_are_used_up_and_nothing_else(pair):
    """As by any transaction that is rolled back; to keep them would keep everybody else from taking any."""
    world = pair(PLAIN_SOURCE, NUMBERED, PLAIN)
    world.source_sql("INSERT INTO things SELECT n, 'value ' || n FROM generate_series(1, 5) AS n")
    with unchanged(world, but=["things_id_seq"]):
        told = dry_run(world.daemon)
    assert figures(told) == figures(world.migrate())
    assert world.target_sql("SELECT min(id), max(id) FROM things") == [(6, 10)]
