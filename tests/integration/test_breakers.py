"""Breakers: what nobody would want is not begun, or goes no further, before somebody has said so."""

import pytest

from mapping import Pair, entity
from sessions import (detect, held, migrate, row_versions, start_migration, state_of, wait_until_blocked, wait_until_ended, wait_until_reached,
                      wait_until_resumed_and_ended)
from waiting import wait_until

SMALL = 0.11


def loaded(make_clinic, start_daemon, breakers=None):
    """A clinic after its initial load, and a daemon whose breakers say what a small clinic needs."""
    clinic = make_clinic(scale=SMALL, loaded=True)
    daemon = start_daemon(clinic, start=False)
    daemon.config["breakers"] = {"delete_min_rows": 10, **(breakers or {})}
    daemon.write_config()
    return clinic, wait_until_reached(daemon.start())


def wait_until_held(daemon, hold):
    """The session is held; what Status says of it."""
    def held():
        session = daemon.call("Status")["session"]
        return session and session["state"] == "paused" and session
    session = wait_until(held, 60, lambda: f"the session is held:\n{daemon.call('Status')}\n{daemon.log()}")
    assert session["hold"] == hold, session
    return session


def run_into(daemon, hold="breaker", **parameters):
    start_migration(daemon, **parameters)
    return wait_until_held(daemon, hold)


def restart(daemon):
    """Killed, and started again: nothing but what stands in the store is left."""
    daemon.kill()
    return wait_until_reached(daemon.start())


def kept(databases):
    return databases.target_sql("SELECT state, hold, reason FROM migrated.session ORDER BY number DESC LIMIT 1")[0]


# --- too many deletions, a source that is empty ---------------------------------------------------

def delete_most_comments(clinic):
    """What the reason must say of it."""
    mapped = clinic.target.value("SELECT count(*) FROM migrated.id_map_comments WHERE gone IS NULL")
    known = "(SELECT count(*) FROM dispatch_comment)"
    clinic.source.sql(f"DELETE FROM dispatch_comment WHERE id IN "
                      f"(SELECT id FROM dispatch_comment ORDER BY id LIMIT {known} / 2)")
    return f'of {mapped} rows of "comments" are gone from the source'


def empty_payments(clinic):
    mapped = clinic.target.value("SELECT count(*) FROM migrated.id_map_payments WHERE gone IS NULL")
    clinic.source.sql("DELETE FROM dispatch_payment")
    return f'the source of "payments" is suddenly empty, and {mapped} rows of it are mapped'


faults = pytest.mark.parametrize("fault", [delete_most_comments, empty_payments])


@faults
def test_it_is_not_begun_before_it_is_approved(make_clinic, start_daemon, fault):
    clinic, daemon = loaded(make_clinic, start_daemon)
    clinic.day(seed=1)
    said = fault(clinic)
    before = row_versions(clinic.target)
    assert daemon.ctl("migrate", "--wait", "--quiet", check=False).returncode == 6
    session = wait_until_held(daemon, "breaker")
    assert said in session["reason"]
    assert "migratectl resume" in session["reason"] and "migratectl cancel" in session["reason"]
    assert kept(clinic) == ("paused", "breaker", session["reason"])
    assert daemon.call("List")["sessions"][0]["hold"] == "breaker"
    assert next(daemon.stream("Watch"))["session"]["hold"] == "breaker"
    assert [line for line in daemon.log().splitlines() if "MIGRATED_EVENT=session-paused-by-breaker" in line and said in line]
    assert row_versions(clinic.target) == before
    assert clinic.target.value("SELECT count(*) FROM migrated.batch AS b JOIN migrated.session AS s USING (session)"
                               " WHERE s.state = 'paused'") == 0
    daemon.ctl("resume")
    wait_until_ended(daemon)
    clinic.oracle()
    migrate(daemon)  # what was approved has been done, and is not asked again
    clinic.oracle()


@faults
def test_cancelled_it_has_written_nothing_and_the_next_session_asks_again(make_clinic, start_daemon, fault):
    clinic, daemon = loaded(make_clinic, start_daemon)
    said = fault(clinic)
    before = row_versions(clinic.target)
    run_into(daemon)
    daemon.ctl("cancel")
    wait_until_ended(daemon, "cancelled")
    assert row_versions(clinic.target) == before
    assert said in run_into(daemon)["reason"]
    assert row_versions(clinic.target) == before
    daemon.call("Resume")
    wait_until_ended(daemon)
    clinic.oracle()


@faults
def test_a_restart_neither_forgets_the_question_nor_the_answer(make_clinic, start_daemon, fault):
    clinic, daemon = loaded(make_clinic, start_daemon)
    clinic.day(seed=1)
    fault(clinic)
    before = row_versions(clinic.target)
    session = run_into(daemon)
    restart(daemon)
    found = wait_until_held(daemon, "breaker")
    assert (found["session"], found["reason"]) == (session["session"], session["reason"])
    assert row_versions(clinic.target) == before
    with held(clinic.target, "comments", "payments"):
        daemon.call("Resume")
        wait_until_blocked(clinic.target)
        daemon.kill()
    daemon.start()
    wait_until_resumed_and_ended(daemon, session["session"])
    clinic.oracle()


def test_an_analysis_that_was_asked_for_and_a_full_session_are_weighed_too(make_clinic, start_daemon):
    clinic, daemon = loaded(make_clinic, start_daemon)
    said = delete_most_comments(clinic)
    before = row_versions(clinic.target)
    for parameters in ({"analysis": detect(daemon).analysis}, {"full": True}):
        assert said in run_into(daemon, **parameters)["reason"]
        assert row_versions(clinic.target) == before
        daemon.call("Cancel")
        wait_until_ended(daemon, "cancelled")
    run_into(daemon, full=True)
    daemon.call("Resume")
    wait_until_ended(daemon)
    clinic.oracle()


def test_an_entity_that_is_left_out_does_not_alarm(make_clinic, start_daemon):
    clinic, daemon = loaded(make_clinic, start_daemon)
    delete_most_comments(clinic)
    migrate(daemon, exclude=["comments"])
    run_into(daemon)
    daemon.call("Cancel", entity="comments")
    daemon.call("Resume")
    wait_until_ended(daemon)
    assert clinic.target.value("SELECT count(*) FROM migrated.id_map_comments WHERE gone IS NOT NULL") == 0
    run_into(daemon)
    daemon.call("Resume")
    wait_until_ended(daemon)
    clinic.oracle()


@pytest.mark.parametrize("breakers", [{"delete_share": 0}, {"delete_share": 60}, {"delete_min_rows": 100000}])
def test_deletions_within_the_limits_are_carried_out(make_clinic, start_daemon, breakers):
    clinic, daemon = loaded(make_clinic, start_daemon, breakers)
    delete_most_comments(clinic)
    if breakers.get("delete_share") == 0:
        empty_payments(clinic)
    migrate(daemon)
    clinic.oracle()


def test_several_reasons_are_said_at_once_and_approved_at_once(make_clinic, start_daemon):
    clinic, daemon = loaded(make_clinic, start_daemon)
    said = [delete_most_comments(clinic), empty_payments(clinic)]
    session = run_into(daemon)
    assert [words for words in said if words not in session["reason"]] == []
    daemon.call("Resume")
    wait_until_ended(daemon)
    clinic.oracle()


# --- too many rows that fail ----------------------------------------------------------------------

ROWS = 400

SOURCE = "".join(f"""
    CREATE TABLE {name} (id integer PRIMARY KEY, value text);
    INSERT INTO {name} SELECT n, n::text FROM generate_series(1, {ROWS}) AS n;""" for name in ("first", "second"))
TARGET = "".join(f"""
    CREATE TABLE {name} (id uuid PRIMARY KEY, legacy_id integer UNIQUE, value integer);""" for name in ("first", "second"))
ENTITIES = [entity(name, {"value": {"from": "value"}}) for name in ("first", "second")]


def spoil(pair, table, share):
    """One row in so many cannot be carried over."""
    pair.source_sql(f"UPDATE {table} SET value = 'not a number' WHERE id %% {share} = 0", [])


def mend(pair):
    for table in ("first", "second"):
        pair.source_sql(f"UPDATE {table} SET value = id::text WHERE value <> id::text")


def assert_right(pair):
    """Every row whose value can be read is in the target, with it; every other is a dead letter."""
    for table in ("first", "second"):
        good = pair.source_sql(f"SELECT id, value::integer FROM {table} WHERE value ~ '^[0-9]+$' ORDER BY id")
        assert pair.target_sql(f"SELECT legacy_id, value FROM {table} ORDER BY legacy_id") == good
        bad = pair.source_sql(f"SELECT ARRAY[id::text] FROM {table} WHERE value !~ '^[0-9]+$' ORDER BY id")
        assert pair.target_sql("SELECT legacy_key FROM migrated.dead_letter WHERE entity = %s AND state = 'open'"
                               " ORDER BY legacy_key[1]::integer", [table]) == bad


@pytest.fixture
def pair(databases, start_daemon):
    pair = Pair(databases, start_daemon, SOURCE, TARGET, ENTITIES)
    pair.daemon.stop()
    pair.daemon.config["breakers"] = {"error_min_rows": 50, "error_rate": 10}
    pair.daemon.write_config()
    wait_until_reached(pair.daemon.start())
    return pair


def letters(pair):
    return pair.target.value("SELECT count(*) FROM migrated.dead_letter")


def test_too_many_failures_stop_a_session_until_that_share_is_approved(pair):
    spoil(pair, "first", 2)
    session = run_into(pair.daemon, batch_size=50, parallel=1)
    assert '"first"' in session["reason"] and "breakers.error_rate 10 %" in session["reason"]
    assert " 50 of 100 rows failed" in " " + session["reason"]
    assert letters(pair) == 50  # those of the batches that had been begun, and of no further one
    restart(pair.daemon)
    assert wait_until_held(pair.daemon, "breaker")["reason"] == session["reason"]
    assert letters(pair) == 50
    pair.daemon.call("Resume")
    wait_until_ended(pair.daemon)  # as many fail as before: that is approved
    assert_right(pair)


def test_what_is_worse_than_what_was_approved_is_asked_again(pair):
    spoil(pair, "first", 2)
    spoil(pair, "second", 3)
    run_into(pair.daemon, batch_size=50, parallel=1)
    pair.daemon.call("Resume")
    wait_until(lambda: (pair.daemon.call("Status")["session"] or {}).get("hold")
               and '"second"' in pair.daemon.call("Status")["session"]["reason"], 60)
    restart(pair.daemon)
    assert '"second"' in wait_until_held(pair.daemon, "breaker")["reason"]
    pair.daemon.call("Resume")
    wait_until_ended(pair.daemon)
    assert_right(pair)


def test_a_session_stopped_by_failures_is_cancelled_and_mended(pair):
    spoil(pair, "first", 1)
    run_into(pair.daemon, batch_size=50, parallel=1)
    pair.daemon.call("Cancel")
    wait_until_ended(pair.daemon, "cancelled")
    assert pair.target.value("SELECT count(*) FROM first") == 0
    mend(pair)
    migrate(pair.daemon)
    assert_right(pair)


def test_few_failures_are_no_reason_to_stop(pair):
    spoil(pair, "first", 40)
    spoil(pair, "second", 9)
    migrate(pair.daemon, batch_size=50)
    assert_right(pair)


# --- another source -------------------------------------------------------------------------------

def test_another_source_than_before_is_approved_first(make_clinic, start_daemon):
    clinic, daemon = loaded(make_clinic, start_daemon)
    clinic.day(seed=1)
    daemon.stop()
    clinic.source.server.forget(clinic.source.name)
    wait_until(lambda: not clinic.source.server.database("postgres").value(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = %s", [clinic.source.name]), 10)
    copy = clinic.source.server.create_database(clinic.source.name + "_restored", clinic.source.name)
    try:
        daemon.config["source"]["conninfo"] = copy.conninfo
        daemon.write_config()
        daemon.start()
        before = row_versions(clinic.target)
        session = run_into(daemon)
        assert "the source is not the one that was migrated so far" in session["reason"]
        restart(daemon)
        wait_until_held(daemon, "breaker")
        assert row_versions(clinic.target) == before
        daemon.call("Resume")
        wait_until_ended(daemon)
        clinic.oracle()
        migrate(daemon)  # now it is the one
        daemon.stop()
    finally:
        daemon.kill()
        copy.drop()
