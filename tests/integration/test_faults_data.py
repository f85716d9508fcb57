"""The data and the tables change while the daemon stands still at an exact place: what is there in the end is right."""

import pytest

from library import Library
from sessions import migrate, start_migration, summary, wait_until_ended
from waiting import wait_until

# After detection and before rows are read; after they are read; after they are written.
PLACES = ["detect.finished:1", "session.opened:1", "plan.loaded:1", "batch.begun:4", "batch.staged:1", "batch.staged:4",
          "batch.committed:4", "entity.completed:1", "session.ending:1"]
A_DAY_S = 86400

at_any_place = pytest.mark.parametrize("place", PLACES)


@pytest.fixture
def library(databases, start_daemon):
    return Library(databases, start_daemon, fault="")


def stand_still_at(library, place, loaded):
    """The daemon in the middle of a session; of changes if the target is to be loaded before."""
    if loaded:
        library.daemon.start()
        migrate(library.daemon)
        library.daemon.stop()
        library.change()
    name, nth = place.split(":")
    library.daemon.fault = f"{name}:wait:{nth}"
    library.daemon.start()
    start_migration(library.daemon, parallel=1, batch_size=5 if loaded else 20)
    library.daemon.wait_until_still()


def goes_on(library):
    library.daemon.go_on()
    library.comes_to_its_end()
    library.is_right()


@pytest.mark.parametrize("loaded", [False, True], ids=["initial", "differential"])
@at_any_place
def test_rows_that_change_between_detection_and_apply(library, place, loaded):
    stand_still_at(library, place, loaded)
    library.source.sql("""
        UPDATE books SET title = 'in the meantime' WHERE id IN (1, 5, 60, 119);
        UPDATE books SET sequel_of = 1 WHERE id IN (60, 119);
        UPDATE books SET sequel_of = NULL WHERE sequel_of IN (2, 10, 15, 61, 118);
        DELETE FROM books WHERE id IN (2, 10, 15, 61, 118);
        INSERT INTO books VALUES (3000, 1, NULL, 'quite new', 3), (-1, 2, 3000, 'before all others', 4);
        INSERT INTO shelves VALUES (30, 'new, too', 0), (0, 'and this one', 19)""")
    goes_on(library)


@at_any_place
def test_a_row_that_is_deleted_and_comes_back(library, place):
    """What detection found to be gone is there again, and what it found to be new has gone."""
    stand_still_at(library, place, loaded=True)
    library.source.sql("""
        INSERT INTO books VALUES (3, 1, NULL, 'back again', 5), (44, 2, 3, 'back, too', 6);
        DELETE FROM books WHERE id IN (121, 122);
        INSERT INTO shelves VALUES (20, 'back', 1)""")
    goes_on(library)


@at_any_place
def test_a_parent_that_is_deleted_in_the_middle(library, place):
    """It goes with its children, whether they were there before or have only just been found."""
    stand_still_at(library, place, loaded=True)
    library.source.sql("""
        UPDATE books SET sequel_of = NULL WHERE sequel_of IN (SELECT id FROM books WHERE shelf_id IN (5, 21));
        DELETE FROM books WHERE shelf_id IN (5, 21);
        UPDATE shelves SET below_id = 19 WHERE below_id IN (5, 21);
        DELETE FROM shelves WHERE id IN (5, 21)""")
    goes_on(library)


@pytest.mark.parametrize("place", ["plan.loaded:1", "plan.ranges_kept:1", "batch.begun:1"])
def test_a_parent_that_is_deleted_before_it_was_read_leaves_its_children_waiting(library, place):
    stand_still_at(library, place, loaded=False)
    library.source.sql("""
        UPDATE shelves SET below_id = 19 WHERE below_id = 5;
        DELETE FROM shelves WHERE id = 5;
        UPDATE books SET sequel_of = NULL WHERE sequel_of % 20 = 4""")
    library.daemon.go_on()
    library.comes_to_its_end()
    assert library.target.value("SELECT count(*) FROM migrated.parked") > 1
    library.is_right()


# --- the tables change ----------------------------------------------------------------------------

@pytest.mark.parametrize("side, table, column", [
    ("source", "dispatch_patient", "phone"), ("target", "patients", "contact"),
])
def test_a_column_that_is_gone_stops_its_entity_and_those_that_refer_to_it(make_clinic, start_daemon, side, table, column):
    clinic = make_clinic(scale=0.11)
    daemon = start_daemon(clinic, fault="session.opened:wait:26")
    start_migration(daemon)
    daemon.wait_until_still()
    rename = f'ALTER TABLE {table} RENAME COLUMN "{{}}" TO "{{}}"'
    getattr(clinic, side).sql(rename.format(column, "elsewhere"))
    daemon.go_on()
    wait_until_ended(daemon, "failed")
    entities = summary([daemon.call("Status")]).entities
    assert (entities["patients"]["status"], entities["orders"]["status"]) == ("failed", "failed")
    assert column in entities["patients"]["reason"]
    assert '"patients"' in entities["orders"]["reason"]
    assert entities["technicians"]["status"] == entities["doctor_offices"]["status"] == "completed"
    getattr(clinic, side).sql(rename.format("elsewhere", column))
    migrate(daemon)
    clinic.oracle()


# --- the clock ------------------------------------------------------------------------------------

@pytest.mark.parametrize("first, then", [(A_DAY_S, 0), (-A_DAY_S, 0), (0, A_DAY_S), (0, -A_DAY_S)])
def test_a_clock_that_is_a_day_off_and_then_is_not(library, first, then):
    """The daemon's own; what decides about rows are the databases' clocks."""
    library.daemon.environment["MIGRATED_CLOCK"] = str(first)
    library.daemon.start()
    library.comes_to_its_end()
    library.daemon.stop()
    library.change()
    library.daemon.environment["MIGRATED_CLOCK"] = str(then)
    library.daemon.start()
    library.comes_to_its_end()
    library.is_right()
    created = library.daemon.call("List")["sessions"][0]["created"]
    assert created is not None
    wait_until(lambda: library.daemon.call("Status")["state"] == "idle", 10)
