"""The checks before and after an entity's part of a session: when they are made, what becomes of what they find, and that nothing that
interrupts a session makes them look twice or not at all."""

import pytest

from planted import ENTITIES, OFFICES, PATIENTS, PATIENTS_TABLE, SOURCE, TARGET, checks, difference, expected, found
from sessions import held, start_migration, state_of, wait_until_blocked, wait_until_ended, wait_until_reached, wait_until_resumed_and_ended
from waiting import wait_until

MISSING = expected(difference("offices", "counts", "missing", 4))


@pytest.fixture
def make(pair):
    def make(*entities, **settings):
        world = pair(SOURCE, TARGET, *(entities or ENTITIES), **settings)
        world.migrate()
        world.accounted = False  # what is planted spoils it
        return world

    return make


def plant(world):
    world.target_sql("DELETE FROM offices WHERE legacy_id = 4")


def steps(world):
    return {step for (step,) in world.target_sql("""SELECT v.step FROM migrated.validation AS v JOIN migrated.session AS s USING (session)
                                                     WHERE s.number = (SELECT max(number) FROM migrated.session)""")}


def warnings(world):
    return [line for line in world.daemon.log().splitlines() if "MIGRATED_EVENT=validation-differences" in line]


# --- when, and what -----------------------------------------------------------------------------------------

def test_nothing_is_checked_unless_it_was_asked_for(make):
    world = make()
    plant(world)
    session = world.migrate()
    assert (steps(world), session.differences) == (set(), 0)


@pytest.mark.parametrize("when, expected_steps", [("before", {"before"}), ("after", {"after"}), ("both", {"before", "after"})])
def test_counts_and_references_are_checked_when_it_was_asked_for(make, when, expected_steps):
    world = make(validate_steps=when)
    plant(world)
    session = world.migrate()
    assert steps(world) == expected_steps
    for step in expected_steps:
        assert found(world, step) == expected(*MISSING, *orphans(world))
        assert {check for _, check in checks(world, step)} == {"counts", "references"}
        assert {(state, reason) for state, reason, *_ in checks(world, step).values()} == {("done", None)}
    assert session.differences == len(expected_steps) * len(found(world, when if when != "both" else "after")) > 1
    assert session.entities["offices"]["differences"] == len(expected_steps)
    assert session.state == "completed"
    states = world.target_sql("SELECT DISTINCT state FROM migrated.validation")
    assert states == [("completed",)]


def orphans(world):
    """Whoever referred to the office that is not there."""
    patients = [difference("patients", "references", "orphan", *key, columns=["office_id"]) for key in world.source_sql(
        'SELECT "The ""id", region FROM "Odd ""patient" WHERE office_id = 4')]
    notes = [difference("notes", "references", "orphan", *key, columns=["about_id"]) for key in world.source_sql(
        "SELECT id FROM note WHERE about = 'office' AND about_id = 4")]
    visits = [difference("visits", "references", "orphan", *key, columns=["office_id"]) for key in world.source_sql(
        "SELECT * FROM visit WHERE office_id = 4")]
    return patients + notes + visits


def test_the_first_load_is_checked_when_it_is_done(pair):
    world = pair(SOURCE, TARGET, *ENTITIES, validate_steps="both", validate_checks=["counts", "references", "mappings", "values", "rules"])
    session = world.migrate()
    assert (session.differences, session.unchecked, found(world, "after")) == (0, 0, [])
    assert {state for state, *_ in checks(world, "before").values()} == {"unchecked"}  # there was nothing yet
    assert {state for state, *_ in checks(world, "after").values()} == {"done"}
    assert world.daemon.ctl("migrate", "--wait").returncode == 0


def test_an_entity_may_say_otherwise(make):
    world = make({**OFFICES, "validate": {"steps": "after", "checks": ["mappings"]}}, {**PATIENTS, "validate": "off"}, *ENTITIES[3:], ENTITIES[1],
                 validate_steps="before")
    world.migrate()
    assert set(checks(world, "after")) == {("offices", "mappings")}
    assert {name for name, _ in checks(world, "before")} == {"doctors", "notes", "visits"}


def test_what_was_carried_again_on_request_is_not_checked(make):
    world = make(validate_steps="both")
    world.target_sql("ALTER TABLE offices ADD CHECK (name <> 'bad')")
    world.source_sql("UPDATE office SET name = 'bad' WHERE id = 1")
    world.migrate()
    world.target_sql("ALTER TABLE offices DROP CONSTRAINT offices_name_check")
    world.daemon.call("RetryDeadLetters", entity="offices")
    wait_until(lambda: world.target_sql("SELECT count(*) FROM migrated.dead_letter WHERE state = 'open'") == [(0,)], 30, "it is carried")
    wait_until_ended(world.daemon)
    assert steps(world) == set()


def test_a_dry_run_checks_nothing_and_leaves_nothing(make):
    world = make(validate_steps="both")
    before = world.target_sql("SELECT count(*) FROM migrated.validation")
    world.daemon.ctl("migrate", "--dry-run")
    assert world.target_sql("SELECT count(*) FROM migrated.validation") == before


# --- what people see ----------------------------------------------------------------------------------------

def test_differences_are_counted_listed_and_end_with_exit_status_6(make):
    world = make(OFFICES, validate_steps="both", validate_checks=["counts"])
    plant(world)
    result = world.daemon.ctl("migrate", "--wait", check=False)
    assert result.returncode == 6
    assert "2 differences were found (migratectl validate --show)" in result.stdout + result.stderr
    assert world.daemon.ctl_json("list")["sessions"][0]["differences"] == 2
    assert world.daemon.call("Status")["session"]["differences"] == 2
    assert "Differ" in world.daemon.ctl("list").stdout and "Differ" in world.daemon.ctl("status").stdout
    assert [line.split(" warning ")[1].split(" (")[0] for line in warnings(world)] == [
        "offices: 1 difference before its rows were carried: counts 1", "offices: 1 difference after its rows were carried: counts 1"]
    world.daemon.stop()
    wait_until_reached(world.daemon.start())
    assert world.daemon.ctl_json("list")["sessions"][0]["differences"] == 2


def test_a_check_that_fails_is_no_pass(make):
    rules = {"odd": {"after": "1 / (length(name) - 11) IS NOT NULL", "action": "warn"}}
    world = make({**OFFICES, "rules": rules}, validate_steps="after", validate_checks=["rules"])
    world.target_sql("UPDATE offices SET name = '12345678901' WHERE legacy_id = 2")  # which divides by zero
    session = world.migrate()
    assert (session.differences, session.unchecked) == (0, 1)
    assert checks(world, "after")["offices", "rules"][0] == "failed"
    assert world.daemon.ctl("migrate", "--wait", check=False).returncode == 1


def test_an_entity_that_differs_is_stopped_if_that_was_asked_for(make):
    world = make(validate_steps="before", validate_checks=["counts"], validate_stop=True)
    plant(world)
    world.source_sql("UPDATE office SET name = 'new' WHERE id < 4; UPDATE doctor SET name = 'new'")
    session = world.migrate(expect="failed")
    assert {name: part["status"] for name, part in session.entities.items()} == {
        "offices": "failed", "patients": "failed", "notes": "failed", "visits": "failed", "doctors": "completed"}
    assert "differed before" in session.entities["offices"]["reason"]
    assert world.target_sql("SELECT count(*) FROM offices WHERE name = 'new'") == [(0,)]
    assert world.target_sql("SELECT count(*) FROM doctors WHERE name = 'new'") == [(8,)]


def test_an_entity_that_differs_afterwards_has_failed_with_its_rows_in_place(make):
    world = make(OFFICES, validate_steps="after", validate_checks=["counts"], validate_stop=True)
    plant(world)
    world.source_sql("UPDATE office SET name = 'new' WHERE id = 1")
    session = world.migrate(expect="failed")
    assert "differs after" in session.entities["offices"]["reason"]
    assert world.target_sql("SELECT count(*) FROM offices WHERE name = 'new'") == [(1,)]


# --- what comes between -------------------------------------------------------------------------------------

def test_after_means_that_parents_have_no_batches_left_either(make):
    """A parent that is deleted after its children would leave orphans that are no surprise, or hide those that are."""
    world = make(validate_steps="after", validate_checks=["references"])
    world.source_sql("DELETE FROM doctor WHERE id = 2")  # its notes stay, and the target has no foreign key
    world.migrate()
    assert {entity for entity, *_ in found(world, "after")} == {"notes"}
    assert len(found(world, "after")) == world.source_sql("SELECT count(*) FROM note WHERE about = 'doctor' AND about_id = 2")[0][0] > 0


def test_a_pause_holds_checks_up_and_they_go_on_where_they_were(make):
    world = make(validate_steps="both")
    plant(world)
    with held(world.target, "migrated.validation_difference"):
        session = start_migration(world.daemon)
        wait_until_blocked(world.target)
        world.daemon.call("Pause", session=session)
    wait_until(lambda: state_of(world.daemon) == "paused" and not lanes_busy(world), 30, "all stands still")
    world.daemon.call("Resume", session=session)
    wait_until_ended(world.daemon)
    for step in ("before", "after"):
        assert found(world, step) == expected(*MISSING, *orphans(world))


def lanes_busy(world):
    return world.target.value("""SELECT count(*) FROM pg_stat_activity
                                  WHERE application_name = 'migrated' AND datname = current_database() AND state <> 'idle'""")


def test_cancelling_ends_checks(make):
    world = make(validate_steps="before")
    plant(world)
    with held(world.target, "migrated.validation_difference"):
        session = start_migration(world.daemon)
        wait_until_blocked(world.target)
        world.daemon.call("Cancel", session=session)
    wait_until_ended(world.daemon, "cancelled")
    assert world.target_sql("SELECT count(*) FROM migrated.validation_entity WHERE state IN ('pending', 'running')") == [(0,)]


def test_a_daemon_that_is_killed_in_a_check_goes_on_with_it(make):
    world = make(validate_steps="both", validate_checks=["counts", "references", "mappings"])
    plant(world)
    with held(world.target, "migrated.validation_difference"):
        session = start_migration(world.daemon)
        wait_until_blocked(world.target)
        world.daemon.kill()
    world.daemon.start()
    wait_until_resumed_and_ended(world.daemon, session)
    dangling = difference("offices", "mappings", "dangling", 4)
    for step in ("before", "after"):
        assert found(world, step) == expected(*MISSING, dangling, *orphans(world))
    assert world.daemon.call("Status")["session"]["differences"] == 2 * len(found(world))


def test_a_lost_connection_in_a_check_is_made_anew(make):
    world = make(validate_steps="both")
    plant(world)
    with held(world.target, "migrated.validation_difference"):
        session = start_migration(world.daemon)
        wait_until_blocked(world.target)
        world.target_sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'migrated' AND datname = current_database()")
    wait_until_ended(world.daemon)
    for step in ("before", "after"):
        assert found(world, step) == expected(*MISSING, *orphans(world))
