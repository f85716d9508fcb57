"""What fails while a session runs: each class of failure is met as it deserves, is seen in status, and nothing is lost."""

import contextlib
import itertools

import psycopg
import pytest

from mapping import Pair, entity
from sessions import (dead_letters, held, parked, start_migration, state_of, wait_until_blocked, wait_until_ended,
                      wait_until_reached, wait_until_resumed_and_ended)
from waiting import wait_until

PATIENTS = 240
BATCH = 40
SOON = "200ms"

SOURCE = f"""
    CREATE TABLE office (id integer PRIMARY KEY, name text);
    CREATE TABLE patient (id integer PRIMARY KEY, office_id integer, name text);
    INSERT INTO office SELECT i, 'office ' || i FROM generate_series(1, 20) AS i;
    INSERT INTO patient SELECT i, 1 + i % 20, 'patient ' || i FROM generate_series(1, {PATIENTS}) AS i;
"""

# A row of `trouble` makes the trigger fail with its SQLSTATE, `times` times (a sequence, so that a rollback does not undo the count),
# or sleep so long for each row it names.
TARGET = """
    CREATE TABLE office (id uuid PRIMARY KEY, legacy_id integer UNIQUE, name text);
    CREATE TABLE patient (id uuid PRIMARY KEY, legacy_id integer UNIQUE, office_id uuid REFERENCES office, name text);
    CREATE TABLE trouble (code text, times bigint, sleep double precision, low integer, high integer);
    CREATE SEQUENCE troubles;
    CREATE FUNCTION trouble() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public AS $$
    DECLARE
      t trouble;
    BEGIN
      SELECT * INTO t FROM trouble WHERE NEW.legacy_id BETWEEN low AND high;
      IF t.sleep IS NOT NULL THEN
        PERFORM pg_sleep(t.sleep);
      ELSIF t.code IS NOT NULL AND nextval('troubles') <= t.times THEN
        RAISE EXCEPTION 'made to fail' USING ERRCODE = t.code;
      END IF;
      RETURN NEW;
    END $$;
    CREATE TRIGGER trouble BEFORE INSERT OR UPDATE ON patient FOR EACH ROW EXECUTE FUNCTION trouble();
"""

ENTITIES = [
    entity("office", {"name": "name"}, on_delete="delete"),
    entity("patient", {"name": "name", "office_id": {"references": "office", "from": "office_id"}}, on_delete="delete"),
]
ALWAYS = 10**9


class Case(Pair):
    """Offices and patients, to be carried over while something is in the way."""

    def make(self, code=None, times=ALWAYS, sleep=None, low=1, high=10**6):
        self.target_sql("INSERT INTO trouble VALUES (%s, %s, %s, %s, %s)", [code, times, sleep, low, high])

    def stop_making(self):
        self.target_sql("DELETE FROM trouble")

    def start(self, **parameters):
        self.session = start_migration(self.daemon, **{"batch_size": BATCH, "parallel": 2, **parameters})
        return self.session

    def status(self):
        return self.daemon.call("Status")

    def entity(self, name="patient"):
        nothing = {"reason": None, "attempts": 0, "retry_at": None, "done": 0}  # before its part is opened
        return next((one for one in self.status()["entities"] if one["entity"] == name), nothing)

    def has_trouble(self, words, attempts=1, retry=True):
        """Status says so: why, how often it was tried, and when it will be again."""
        def seen():
            one = self.entity()
            reason = (one["reason"] or "") + (self.status()["session"]["reason"] or "")
            return words in reason and one["attempts"] >= attempts and (not retry or one["retry_at"]) and one
        return wait_until(seen, 30, lambda: f"{words!r} is seen:\n{self.status()}\n{self.daemon.log()}")

    def is_held_by_environment(self, words):
        def seen():
            session = self.status()["session"]
            return session["hold"] == "environment" and words in session["reason"]
        wait_until(seen, 30, lambda: f"it is held for {words!r}:\n{self.status()}\n{self.daemon.log()}")
        assert self.status()["session"]["state"] == "paused"

    def comes_to_its_end(self, expect="completed"):
        wait_until_ended(self.daemon, expect)
        if expect == "completed":
            self.is_right()

    def is_right(self):
        """Every row is there as the source has it, and each was carried by exactly one batch."""
        assert self.rows(self.source, "p.id", "o.id") == self.rows(self.target, "p.legacy_id", "o.legacy_id")
        undone = "SELECT entity, number FROM migrated.batch WHERE NOT done AND session = %s"
        assert self.target_sql(undone, [self.session]) == []
        assert dead_letters(self.databases, "patient") == {}
        carried = self.target_sql("""
            SELECT e.entity, e.total, sum(b.inserted + b.updated + b.unchanged + b.deleted + b.failed + b.parked)
              FROM migrated.session_entity AS e JOIN migrated.batch AS b USING (session, entity)
             WHERE e.session = %s GROUP BY 1, 2""", [self.session])
        assert [row for row in carried if row[1] != row[2]] == []

    def rows(self, database, key, office_key):
        return database.sql(f"SELECT {key}, p.name, {office_key} FROM patient AS p"
                            " LEFT JOIN office AS o ON o.id = p.office_id ORDER BY 1")

    def splits(self):
        return self.target.value("SELECT count(*) FROM migrated.batch WHERE split_from IS NOT NULL")


@pytest.fixture
def make_case(databases, start_daemon):
    def make(entities=ENTITIES, **settings):
        case = Case(databases, start_daemon, SOURCE, TARGET, entities, **{"probe_every": SOON, **settings})
        wait_until_reached(case.daemon)
        return case
    return make


roles = itertools.count(1)


@pytest.fixture
def make_case_of_role(databases, start_daemon):
    """As make_case, with a role on the target that is no superuser and has but the connections and rights it is given."""
    role = f"carrier_{next(roles)}"

    def make(limit=-1, **settings):
        databases.target_sql(f"CREATE ROLE {role} LOGIN CONNECTION LIMIT {limit}")
        databases.target_sql(f"GRANT CREATE, TEMPORARY ON DATABASE {databases.target.name} TO {role}")
        plain = databases.target.conninfo
        databases.target.conninfo = f"{plain} user={role}"
        try:
            case = Case(databases, lambda *arguments, **options: start_daemon(*arguments, start=False, **options),
                        SOURCE, "SELECT", ENTITIES, **{"probe_every": SOON, **settings})
        finally:
            databases.target.conninfo = plain
        case.role = role
        databases.target_sql(TARGET)
        databases.target_sql(f"GRANT USAGE ON SCHEMA public TO {role}")
        databases.target_sql(f"GRANT SELECT, INSERT, UPDATE, DELETE ON office, patient TO {role}")
        case.daemon.start()
        return wait_until_reached(case.daemon) and case

    yield make
    databases.target_sql(f"DROP OWNED BY {role} CASCADE")
    databases.target.server.database("postgres").sql(
        f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '{role}'")
    databases.drop()
    databases.target.server.database("postgres").sql(f"DROP ROLE {role}")
    databases.drop = lambda: None


@contextlib.contextmanager
def row_held(case, legacy_id):
    """One row of the target is somebody else's."""
    connection = case.target.connect(autocommit=False)
    try:
        connection.execute("SELECT FROM patient WHERE legacy_id = %s FOR UPDATE", [legacy_id])
        yield connection
    finally:
        connection.close()


def waiting(case, what):
    """Process ids of those of ours that wait for a lock on a row."""
    return [pid for (pid,) in case.target_sql("""
        SELECT pid FROM pg_stat_activity
         WHERE datname = current_database() AND application_name = 'migrated'
           AND wait_event_type = 'Lock' AND wait_event = %s""", [what])]


# --- none, 57P01: reconnect and go on -------------------------------------------------------------

def test_a_lost_connection_is_no_attempt_and_nothing_waits(make_case):
    case = make_case(probe_every="1h")
    with held(case.target, "patient"):
        case.start()
        case.target_sql("SELECT pg_terminate_backend(pid) FROM unnest(%s::int[]) AS pid",
                        [wait_until_blocked(case.target)])
        wait_until(lambda: "terminating connection" in case.daemon.log(), 20)
        assert case.entity()["attempts"] == 0
        assert case.entity()["retry_at"] is None
        wait_until_blocked(case.target)
    case.comes_to_its_end()


def test_a_database_that_returns_finds_no_pause_in_its_way(make_case):
    """Whatever was held up before it went is tried again as soon as it is back."""
    case = make_case(probe_every="1h")
    case.make("53100")
    case.start(parallel=1)
    case.is_held_by_environment("a function or trigger")
    case.stop_making()
    case.target_sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE datname = current_database() AND pid <> pg_backend_pid()")
    case.comes_to_its_end()


# --- 53300: back off, with the lanes there are ----------------------------------------------------

def test_it_goes_on_with_the_connections_it_gets(make_case_of_role):
    case = make_case_of_role(limit=3)  # one for the store, one for the audit, one lane of three
    case.start(parallel=3)
    case.comes_to_its_end()
    assert "too many connections" in case.daemon.log()
    assert case.status()["session"]["failed"] == 0


def test_without_any_connection_it_waits_and_says_why(make_case_of_role):
    case = make_case_of_role(limit=1, reconnect_max="1s")
    case.start()
    wait_until(lambda: "too many connections" in (case.status()["session"]["reason"] or ""), 20)
    assert case.status()["session"]["hold"] is None
    case.target_sql(f"ALTER ROLE {case.role} CONNECTION LIMIT -1")
    case.comes_to_its_end()
    assert case.status()["session"]["reason"] is None


# --- 40001, 40P01, 55P03: retry, then halve -------------------------------------------------------

def test_a_deadlock_is_tried_again(make_case):
    case = make_case()
    case.start()
    case.comes_to_its_end()
    case.source_sql("UPDATE patient SET name = name || '!'")
    with row_held(case, 7) as connection:
        connection.execute("SET deadlock_timeout = '1h'")  # so it is not we who notice
        case.start(batch_size=PATIENTS)
        wait_until(lambda: waiting(case, "transactionid"), 20)
        connection.execute("SELECT FROM migrated.batch WHERE session = %s AND entity = 'patient' FOR UPDATE", [case.session])
    wait_until(lambda: "deadlock detected" in case.daemon.log(), 10)
    case.comes_to_its_end()
    assert case.splits() == 0


def test_a_serialization_failure_is_tried_again_and_halved_when_that_does_not_help(make_case):
    case = make_case(max_retry_attempts=2)
    case.make("40001", times=4)
    case.start(batch_size=PATIENTS)
    case.comes_to_its_end()
    assert case.splits() == 2  # the third attempt failed, and so did that of the lower half
    assert case.entity()["attempts"] == 0
    assert case.entity()["reason"] is None


@pytest.mark.parametrize("changes", ["range", "keys"])
def test_a_row_that_somebody_else_holds_waits_alone(make_case, changes):
    """What is split in two is whole after a restart, too."""
    case = make_case(lock_timeout="100ms", max_retry_attempts=1)
    case.start()
    case.comes_to_its_end()
    case.source_sql("UPDATE patient SET name = name || '!'")
    with row_held(case, 7):
        case.start(full=changes == "range")
        seen = case.has_trouble("lock timeout", attempts=4)
        assert seen["status"] == "running"
        wait_until(lambda: case.target.value("SELECT count(*) FROM patient WHERE name LIKE '%!'") == PATIENTS - 1, 60)
        assert case.splits() > 0
        case.daemon.kill()
        case.daemon.start()
        wait_until(lambda: state_of(case.daemon) == "running", 20)
        case.has_trouble("lock timeout")
    wait_until_resumed_and_ended(case.daemon, case.session)
    case.is_right()
    kinds = case.target_sql("SELECT DISTINCT kind FROM migrated.batch WHERE session = %s AND entity = 'patient'",
                            [case.session])
    assert kinds == [(changes,)]


def test_deletions_that_somebody_else_holds_up_are_split(make_case):
    case = make_case(lock_timeout="100ms", max_retry_attempts=0)
    case.start()
    case.comes_to_its_end()
    case.source_sql("DELETE FROM patient WHERE id <= 30")
    with row_held(case, 7):
        case.start()
        case.has_trouble("lock timeout", attempts=4)
        wait_until(lambda: case.target.value("SELECT count(*) FROM patient WHERE legacy_id <= 30") == 1, 30)
    case.comes_to_its_end()
    assert case.splits() > 0


def test_a_table_that_somebody_else_holds_does_not_take_all_lanes(make_case):
    case = make_case(lock_timeout="100ms", max_retry_attempts=1, probe_every="1h")
    with held(case.target, "patient"):
        case.start(parallel=3)
        wait_until(lambda: case.splits() > 2, 30)
        seen = case.has_trouble("lock timeout", attempts=6)
        assert seen["done"] == 0
        wait_until(lambda: case.entity()["retry_at"] and not waiting(case, "relation"), 60, "all of it waits")
    case.target_sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'migrated'"
                    " AND datname = current_database()")
    case.comes_to_its_end()


# --- 57014: halve, and at last wait ---------------------------------------------------------------

def test_a_batch_that_takes_too_long_is_halved_until_it_does_not(make_case):
    case = make_case(statement_timeout="500ms", lock_timeout="100ms", batch_time="400ms")
    case.make(sleep=0.02)  # 40 rows: 800 ms
    case.start()
    case.comes_to_its_end()
    assert case.splits() > 0
    assert case.target.value("SELECT count(*) FROM migrated.dead_letter") == 0


def test_a_row_that_takes_too_long_waits_alone(make_case):
    case = make_case(statement_timeout="300ms", lock_timeout="100ms", batch_time="200ms")
    case.make(sleep=60, low=7, high=7)
    case.start()
    case.has_trouble("statement timeout", attempts=5)
    wait_until(lambda: case.target.value("SELECT count(*) FROM patient") == PATIENTS - 1, 60)
    assert case.entity()["status"] == "running"
    case.stop_making()
    case.comes_to_its_end()


# --- 53100, 53200, 53400, 58030, 25006: the session waits, and goes on by itself --------------------

@pytest.mark.parametrize("code", ["53100", "53200", "53400", "58030"])
def test_what_the_server_lacks_holds_the_session_until_it_is_there(make_case, code):
    case = make_case()
    case.make(code)
    case.start()
    case.is_held_by_environment("a function or trigger")
    case.has_trouble("a function or trigger", attempts=3)  # it is tried again and again, by one batch
    assert case.splits() == 0
    assert case.target.value("SELECT count(*) FROM patient") == 0
    case.stop_making()
    case.comes_to_its_end()


def test_a_session_that_waits_is_found_by_the_next_daemon_and_tried_at_once(make_case):
    case = make_case(probe_every="1h")
    case.make("53100")
    case.start()
    case.is_held_by_environment("a function or trigger")
    wait_until(lambda: case.target.value("SELECT state FROM migrated.session") == "paused", 20)
    case.daemon.kill()
    case.stop_making()
    case.daemon.start()
    wait_until_resumed_and_ended(case.daemon, case.session)
    case.is_right()


def test_an_operator_can_try_at_once(make_case):
    case = make_case(probe_every="1h")
    case.make("53100")
    case.start(parallel=1)  # nothing is under way that might still fail
    case.is_held_by_environment("a function or trigger")
    case.stop_making()
    case.daemon.call("Resume")
    case.comes_to_its_end()


@pytest.mark.parametrize("moment", ["detection", "session"])
def test_a_target_that_is_read_only_for_a_while(make_case, moment):
    case = make_case()
    name = case.target.name
    postgres = case.target.server.database("postgres")
    others = ("SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
              f" WHERE datname = '{name}' AND pid <> pg_backend_pid()")
    case.start()
    case.comes_to_its_end()
    case.source_sql("UPDATE patient SET name = name || '!'")
    with held(case.target, "migrated.analysis_entity" if moment == "detection" else "patient") as connection:
        case.start()
        wait_until_blocked(case.target)
        postgres.sql(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
        with contextlib.suppress(psycopg.Error):
            connection.close()
        postgres.sql(others)
    case.is_held_by_environment("read-only")
    postgres.sql(f"ALTER DATABASE {name} RESET default_transaction_read_only")
    case.comes_to_its_end()
    stored = case.target.value("SELECT state FROM migrated.session WHERE session = %s", [case.session])
    assert stored == "completed"


# --- 28xxx, 42501: the same -----------------------------------------------------------------------

def test_a_right_that_is_taken_away_and_given_back(make_case_of_role):
    case = make_case_of_role()
    case.target_sql(f"REVOKE INSERT ON patient FROM {case.role}")
    case.start()
    case.is_held_by_environment("permission denied for table patient")
    case.has_trouble("permission denied", attempts=2)
    case.target_sql(f"GRANT INSERT ON patient TO {case.role}")
    case.comes_to_its_end()


# --- 42xxx: the entity stops, and its dependents --------------------------------------------------

@pytest.mark.parametrize("side", ["source", "target"])
def test_a_column_dropped_in_the_middle_stops_its_entity_and_dependents_alone(databases, start_daemon, side):
    """Rooms refer to nobody, notes to patients."""
    source = SOURCE + "CREATE TABLE note (id integer PRIMARY KEY, patient_id integer, body text);" \
        "CREATE TABLE room (id integer PRIMARY KEY, name text);" \
        "INSERT INTO note SELECT i, i, 'note' FROM generate_series(1, 50) AS i;" \
        "INSERT INTO room SELECT i, 'room' FROM generate_series(1, 50) AS i;"
    target = TARGET + "CREATE TABLE note (id uuid PRIMARY KEY, legacy_id integer UNIQUE, patient_id uuid, body text);" \
        "CREATE TABLE room (id uuid PRIMARY KEY, legacy_id integer UNIQUE, name text);"
    entities = ENTITIES + [entity("note", {"body": "body", "patient_id": {"references": "patient", "from": "patient_id"}}),
                           entity("room", {"name": "name"})]
    case = Case(databases, start_daemon, source, target, entities)
    with held(databases.target, "office"):
        case.start()
        wait_until_blocked(databases.target)
        getattr(databases, side).sql("ALTER TABLE patient DROP COLUMN name")
    wait_until_ended(case.daemon, "failed")
    statuses = {one["entity"]: one["status"] for one in case.status()["entities"]}
    assert statuses == {"office": "completed", "room": "completed", "patient": "failed", "note": "failed"}
    assert 'column' in case.entity()["reason"] and "name" in case.entity()["reason"]
    assert "patient" in case.entity("note")["reason"]
    assert case.entity()["attempts"] == 0
    assert case.daemon.running


# --- XX000, XX001, XX002: the session stops -------------------------------------------------------

@pytest.mark.parametrize("code", ["XX000", "XX001"])
def test_a_corrupted_database_stops_the_session_and_not_the_daemon(make_case, code):
    case = make_case()
    case.make(code, times=1)
    case.start()
    wait_until_ended(case.daemon, "failed")
    assert "a function or trigger" in case.status()["session"]["reason"]
    case.start()
    case.comes_to_its_end()


# --- how large batches are, and how many at a time ------------------------------------------------

@pytest.mark.parametrize("full", [True, False])
def test_batches_are_planned_as_their_sizes_become_known(make_case, full):
    case = make_case(batch_time="1ms")
    case.start()
    case.comes_to_its_end()
    case.source_sql("INSERT INTO patient SELECT i, 1 + i % 20, 'patient ' || i FROM generate_series(1000, 6999) AS i")
    case.start(batch_size=500, full=full)
    case.comes_to_its_end()
    sizes = [rows for (rows,) in case.target_sql("""
        SELECT inserted + updated + unchanged FROM migrated.batch
         WHERE session = %s AND entity = 'patient' ORDER BY number""", [case.session])]
    assert sizes[0] == 500
    assert set(sizes[20:-1]) == {100}, sizes  # no transaction is that fast; nor are they made smaller than this


def test_without_a_time_batches_are_as_large_as_they_may_be(make_case):
    case = make_case(batch_time="0")
    case.start()
    case.comes_to_its_end()
    sizes = case.target_sql("SELECT DISTINCT inserted FROM migrated.batch WHERE entity = 'patient'")
    assert sizes == [(BATCH,), (0,)] or sizes == [(0,), (BATCH,)]


@pytest.mark.parametrize("most", [1, 2])
def test_no_more_entities_at_a_time_than_said(databases, start_daemon, most):
    tables = ("alpha", "beta")
    source = "".join(f"CREATE TABLE {table} (id integer PRIMARY KEY, name text); INSERT INTO {table} VALUES (1, 'x');"
                     for table in tables)
    target = "".join(f"CREATE TABLE {table} (id uuid PRIMARY KEY, legacy_id integer UNIQUE, name text);"
                     for table in tables)
    case = Case(databases, start_daemon, source, target, [entity(table, {"name": "name"}) for table in tables],
                max_concurrent_entities=most)
    done = "SELECT count(*) FROM migrated.batch WHERE entity = 'beta' AND done"
    with held(databases.target, "alpha"):
        case.start(parallel=3)
        wait_until_blocked(databases.target)
        if most == 2:
            wait_until(lambda: databases.target.value(done) == 1, 20)
        else:
            wait_until(lambda: databases.target.value("SELECT count(*) FROM migrated.batch WHERE entity = 'beta'"), 20)
            case.daemon.call("Pause")
            case.daemon.call("Resume")  # offers every lane again
            assert databases.target.value(done) == 0
    wait_until_ended(case.daemon)
    assert databases.target.value(done) == 1


# --- rows that change on the way ------------------------------------------------------------------

def test_rows_updated_and_deleted_between_detection_and_apply(make_case):
    """What is carried over is what the source has then; what was missed is found the next time."""
    case = make_case()
    case.start()
    case.comes_to_its_end()
    case.source_sql("UPDATE patient SET name = 'first' WHERE id <= 100;"
                    " INSERT INTO patient SELECT i, 1, 'new' FROM generate_series(1001, 1100) AS i;"
                    " DELETE FROM patient WHERE id > 200 AND id < 1000")
    analysis = case.detect()
    case.source_sql("UPDATE patient SET name = 'second' WHERE id BETWEEN 50 AND 150;"
                    " DELETE FROM patient WHERE id IN (1, 2, 3) OR id > 1090;"
                    " INSERT INTO patient VALUES (201, 3, 'back again')")
    case.start(analysis=analysis.analysis)
    wait_until_ended(case.daemon)
    names = dict(case.target_sql("SELECT legacy_id, name FROM patient"))
    assert (names[49], names[50], names[1001], names[201]) == ("first", "second", "new", "patient 201")
    case.start()
    wait_until_ended(case.daemon)
    assert case.rows(case.source, "p.id", "o.id") == case.rows(case.target, "p.legacy_id", "o.legacy_id")
    case.finds_nothing()


def test_parents_deleted_between_the_read_of_a_child_and_its_write(make_case):
    case = make_case()
    case.start()
    case.comes_to_its_end()
    case.source_sql("INSERT INTO office VALUES (21, 'office 21');"
                    " UPDATE patient SET office_id = 21, name = 'moved' WHERE id <= 10")
    with held(case.target, "patient"):
        case.start()
        wait_until_blocked(case.target)  # the patients are staged
        case.source_sql("DELETE FROM patient WHERE office_id IN (5, 21); DELETE FROM office WHERE id IN (5, 21)")
    wait_until_ended(case.daemon)
    case.start()
    wait_until_ended(case.daemon)
    assert case.rows(case.source, "p.id", "o.id") == case.rows(case.target, "p.legacy_id", "o.legacy_id")
    assert case.target.value("SELECT count(*) FROM office WHERE legacy_id IN (5, 21)") == 0
    assert dead_letters(case.databases, "office") == dead_letters(case.databases, "patient") == {}
    case.finds_nothing()


def test_a_parent_that_somebody_deleted_in_the_target_is_brought_again_and_its_children_follow(make_case):
    case = make_case()
    case.start()
    case.comes_to_its_end()
    case.target_sql("DELETE FROM patient WHERE office_id = (SELECT id FROM office WHERE legacy_id = 5);"
                    " DELETE FROM office WHERE legacy_id = 5")
    case.source_sql("UPDATE patient SET name = name || '!', office_id = 5 WHERE id IN (10, 11)")
    case.start()
    wait_until_ended(case.daemon)
    assert set(parked(case.databases, "patient")) == {"10", "11"}
    assert dead_letters(case.databases, "patient") == {}
    case.start()
    wait_until_ended(case.daemon)
    assert parked(case.databases, "patient") == {}
    assert case.target_sql("SELECT p.legacy_id, p.name, o.legacy_id FROM patient AS p JOIN office AS o ON o.id = p.office_id"
                           " WHERE p.legacy_id IN (10, 11) ORDER BY 1") == [(10, "patient 10!", 5), (11, "patient 11!", 5)]
