"""Killed at each step of bulk mode: whoever comes next puts everything back exactly as it was."""

import pytest

from bulk import ASIDE, MAKERS, SETTINGS, SOURCE, TARGET, THINGS, aside, is_put_back, rows_are_right, schema
from mapping import Pair
from sessions import migrate, start_migration, wait_until_reached
from varlink import VarlinkError
from waiting import wait_until

long = pytest.mark.long
LAST_WORDS = (ConnectionError, FileNotFoundError, VarlinkError)


class Killed:
    """The makers are there; the daemon kills itself while the things come in."""

    def __init__(self, databases, start_daemon, fault):
        self.pair = Pair(databases, lambda *args, **options: start_daemon(*args, fault="", **options), SOURCE, TARGET, [MAKERS, THINGS],
                         **SETTINGS)
        self.daemon = self.pair.daemon
        self.target = databases.target
        migrate(self.daemon, entities=["makers"])
        self.before = schema(self.target)
        self.daemon.stop()
        self.daemon.fault = fault
        self.daemon.start()
        try:
            self.session = start_migration(self.daemon, entities=["things"], parallel=1)
        except LAST_WORDS:
            pass
        self.daemon.wait_until_killed()
        self.daemon.fault = ""

    def lives_on(self, expect="completed"):
        self.daemon.start()
        wait_until_reached(self.daemon)
        wait_until(lambda: self.target.value("SELECT bool_and(finished_at IS NOT NULL) FROM migrated.session"), 30, self.daemon.log)
        assert self.target.sql("SELECT state FROM migrated.session ORDER BY number DESC LIMIT 1") == [(expect,)]
        is_put_back(self.target, self.before)


@pytest.fixture
def killed(databases, start_daemon):
    return lambda fault: Killed(databases, start_daemon, fault)


@pytest.mark.parametrize("fault, left", [
    ("bulk.asked:kill:1", 0),  # before anything is dropped
    ("bulk.set_aside:kill:1", 7),  # all is
    ("batch.committed:kill:2", 7),  # in the middle of the load
    ("bulk.sent:kill:1", None),  # the server may be building it
    pytest.param("bulk.put_back:kill:1", None, marks=long),  # between two indexes
    ("bulk.put_back:kill:3", None),
    pytest.param("bulk.put_back:kill:5", 2, marks=long),  # before the foreign keys
    pytest.param("bulk.put_back:kill:6", None, marks=long),  # between them
    ("bulk.put_back:kill:7", 1),  # before one is validated
    ("bulk.put_back:kill:8", 0),  # before statistics are made
    pytest.param("bulk.put_back:kill:9", 0, marks=long),
])
def test_killed_at_any_step_the_next_life_puts_everything_back(killed, fault, left):
    case = killed(fault)
    assert left is None or len(aside(case.target)) == left
    case.lives_on()
    rows_are_right(case.pair.databases)
    migrate(case.daemon)
    case.pair.databases.accounts(complete=True)


def test_an_entity_that_is_not_configured_any_more_has_its_table_put_back(killed):
    case = killed("batch.committed:kill:2")
    case.daemon.write_entities([MAKERS])
    case.lives_on()


def test_a_session_that_ends_in_the_next_life_leaves_nothing_aside(killed):
    case = killed("batch.committed:kill:2")
    case.target.sql("UPDATE migrated.session SET state = 'cancelled', finished_at = now() WHERE finished_at IS NULL")
    case.lives_on("cancelled")


def test_a_mapping_that_has_changed_meanwhile_has_all_of_it_back_before_the_next_row(killed):
    """What a foreign key's column is filled with may be something else now."""
    case = killed("bulk.set_aside:kill:1")
    assert aside(case.target) == ASIDE
    case.daemon.write_entities([MAKERS, {**THINGS, "columns": {**THINGS["columns"], "size": {"sql": "size + 1"}}}])
    case.lives_on()
    first_row = case.daemon.log().rindex("is put back") if "is put back" in case.daemon.log() else -1
    assert first_row >= 0


def test_killed_while_it_puts_back_what_was_left_it_goes_on_in_the_next_life(killed):
    case = killed("batch.committed:kill:2")
    case.target.sql("UPDATE migrated.session SET state = 'cancelled', finished_at = now() WHERE finished_at IS NULL")
    for _ in range(2):
        case.daemon.fault = "bulk.put_back:kill:2"
        case.daemon.start(wait=False)
        case.daemon.wait_until_killed()
    case.daemon.fault = ""
    case.lives_on("cancelled")
