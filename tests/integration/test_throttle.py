"""Throttled, nothing new is begun; held for its time, a session waits for somebody."""

import pytest

from mapping import Pair, entity
from sessions import held, start_migration, state_of, wait_until_blocked, wait_until_ended, wait_until_reached
from test_breakers import wait_until_held
from waiting import wait_until

ROWS = 500
SOURCE = f"""
    CREATE TABLE things (id integer PRIMARY KEY, value integer);
    INSERT INTO things SELECT n, n FROM generate_series(1, {ROWS}) AS n"""
TARGET = """
    CREATE TABLE things (id uuid PRIMARY KEY, legacy_id integer UNIQUE, value integer);
    CREATE TABLE lag (seconds integer);
    INSERT INTO lag VALUES (0)"""
QUERY = "SELECT seconds FROM public.lag;"


@pytest.fixture
def make_pair(databases, start_daemon):
    def make(throttle=None, **settings):
        pair = Pair(databases, start_daemon, SOURCE, TARGET, [entity("things", {"value": {"from": "value"}})], **settings)
        if throttle:
            pair.daemon.stop()
            pair.daemon.config["throttle"] = {"max": 10, "every": "100ms", **throttle}
            pair.daemon.write_config()
            pair.daemon.start()
        wait_until_reached(pair.daemon)
        return pair
    return make


def throttled(pair):
    return pair.daemon.call("Status")["throttled"]


def checked(pair):
    """What check finds of it."""
    return [finding["result"] for finding in pair.daemon.call("Check")["findings"] if finding["check"] == "throttle"]


def things(pair):
    return pair.target.value("SELECT count(*) FROM things")


def lag(pair, seconds):
    pair.target_sql("UPDATE lag SET seconds = %s", [seconds])


def assert_right(pair):
    assert pair.target_sql("SELECT legacy_id, value FROM things ORDER BY 1") == \
        pair.source_sql("SELECT id, value FROM things ORDER BY 1")


def active(pair):
    return pair.target.value("""
        SELECT count(*)
          FROM pg_stat_activity
         WHERE datname = current_database() AND application_name = 'migrated' AND state <> 'idle'""")


def test_above_the_limit_neither_detection_nor_batch_is_begun(make_pair):
    pair = make_pair({"query": QUERY})
    lag(pair, 11)
    start_migration(pair.daemon, batch_size=10, parallel=1)
    wait_until(lambda: throttled(pair), 20)
    assert "throttle.query says 11, throttle.max is 10" == throttled(pair)
    assert "throttled" in pair.daemon.ctl("status").stdout
    assert pair.target.value("SELECT count(*) FROM migrated.analysis_entity") == 0
    lag(pair, 10)
    with held(pair.target, "things"):
        wait_until_blocked(pair.target)
        assert throttled(pair) is None
        lag(pair, 12)
        wait_until(lambda: throttled(pair), 20)
    wait_until(lambda: active(pair) == 0 and things(pair) > 0, 20)
    assert things(pair) == 10  # what was under way has ended, and nothing has followed
    lag(pair, 0)
    wait_until_ended(pair.daemon)
    assert throttled(pair) is None
    assert_right(pair)
    pair.daemon.stop()  # when repetitions are told
    assert pair.daemon.log().count("throttled, nothing new is begun") == 2
    assert pair.daemon.log().count("no longer throttled") == 2


@pytest.mark.parametrize("query, said", [
    ("SELECT NULL::integer", "yields no number"),
    ("SELECT seconds FROM nowhere", "failed"),
    ("SELECT 'many'", "failed"),
    ("SELECT 1; SELECT 2", "failed"),
    ("SELECT 1) WHERE $1; DROP TABLE public.lag; SELECT (1", "failed"),
    ("WITH gone AS (DELETE FROM public.lag RETURNING 1) SELECT count(*) FROM gone", "failed"),
    ("SELECT count(*) FROM pg_sleep(60)", "failed"),
    ("SELECT 'NaN'::float8", "says NaN"),
])
def test_no_number_is_no_permission_and_the_query_can_do_no_harm(make_pair, query, said):
    pair = make_pair({"query": query})
    assert checked(pair) == [("warn" if "says" in said else "fail")]
    start_migration(pair.daemon)
    wait_until(lambda: throttled(pair), 20)
    assert said in throttled(pair)
    assert pair.target.value("SELECT count(*) FROM lag") == 1
    assert things(pair) == 0
    pair.daemon.call("Cancel")  # the store is not held up by it
    wait_until_ended(pair.daemon, "cancelled")


def test_check_tries_the_query_if_there_is_one(make_pair):
    pair = make_pair({"query": QUERY})
    assert checked(pair) == ["pass"]
    lag(pair, 11)
    assert checked(pair) == ["warn"]
    assert active(pair) == 0
    pair.daemon.stop()
    del pair.daemon.config["throttle"]
    pair.daemon.write_config()
    wait_until_reached(pair.daemon.start())
    assert checked(pair) == []


# --- migration_timeout ----------------------------------------------------------------------------

def test_a_session_that_takes_too_long_is_held_and_resumed_has_the_same_time_again(make_pair):
    pair = make_pair(migration_timeout="2s")
    with held(pair.target, "things"):
        session = start_migration(pair.daemon, batch_size=100, parallel=1)
        wait_until_blocked(pair.target)
        kept = wait_until_held(pair.daemon, "timeout")
        assert "migration_timeout" in kept["reason"]
        pair.daemon.kill()
    wait_until_reached(pair.daemon.start())
    assert wait_until_held(pair.daemon, "timeout")["session"] == session
    with held(pair.target, "things"):
        pair.daemon.call("Resume")
        wait_until_blocked(pair.target)
        assert state_of(pair.daemon) == "running"
        wait_until_held(pair.daemon, "timeout")
    pair.daemon.call("Resume")
    wait_until_ended(pair.daemon)
    assert_right(pair)


def test_who_waits_for_a_session_that_takes_too_long_ends_with_six(make_pair):
    pair = make_pair(migration_timeout="1s")
    with held(pair.target, "things"):
        ended = pair.daemon.ctl("migrate", "--wait", "--quiet", check=False)
        assert ended.returncode == 6
        assert "migration_timeout" in ended.stderr
    pair.daemon.call("Resume")
    wait_until_ended(pair.daemon)
    assert_right(pair)
