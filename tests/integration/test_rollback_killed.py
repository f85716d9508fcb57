"""A rollback whose daemon is killed, at each of its fault points, goes on in the next life, and what comes of it is the same."""

import pytest

from library import Library
from rollbacks import dump, id_maps, is_as_before, left, start_rollback
from sessions import migrate, wait_until_reached
from test_faults_process import LAST_WORDS, OF_ROLLBACKS
from waiting import wait_until


@pytest.fixture
def library(databases, start_daemon):
    return Library(databases, start_daemon, fault="")


@pytest.mark.parametrize("nth", [1, pytest.param(2, marks=pytest.mark.long)])
@pytest.mark.parametrize("point", OF_ROLLBACKS)
def test_killed_at_a_fault_point_a_rollback_goes_on(library, point, nth):
    library.daemon.start()
    migrate(library.daemon)
    before, maps = dump(library.target), id_maps(library.target)
    library.change()
    session = migrate(library.daemon, batch_size=5).session
    library.daemon.stop()
    library.daemon.fault = f"{point}:kill:{nth}"
    library.daemon.start()
    wait_until_reached(library.daemon)
    try:
        start_rollback(library.daemon, session)
    except LAST_WORDS:
        pass
    library.daemon.wait_until_killed()
    library.daemon.fault = ""
    library.daemon.start()
    wait_until(lambda: library.unfinished() == 0, 60, lambda: library.daemon.log())
    assert library.target.value("SELECT state FROM migrated.session ORDER BY number DESC LIMIT 1") == "completed"
    assert left(library.daemon) == []
    is_as_before(library.target, before, maps)
    library.daemon.call("Resume")
    migrate(library.daemon)
    library.is_right()
