"""The clinic's sessions undone: after each rollback every table of the target and every id map hold what they held before."""

import pytest

from rollbacks import dump, id_maps, is_as_before, left, rollback, survey
from sessions import migrate

# With an even number of jaws: in a clinic of this size every jaw has its order.
SMALL = 0.11


@pytest.fixture
def small_clinic(make_clinic):
    return make_clinic(scale=SMALL)


def test_an_initial_load_and_a_day_of_changes_are_undone(small_clinic, start_daemon):
    clinic, daemon = small_clinic, start_daemon(small_clinic)
    empty = dump(clinic.target)
    load = migrate(daemon)
    loaded = dump(clinic.target)
    assert loaded != empty
    foreseen = survey(daemon, load.session)
    undo_whole(clinic, daemon, load.session, empty, {})
    assert [entity["left"] for entity in foreseen.values() if entity["left"]] == []

    daemon.call("Resume")
    migrate(daemon)
    before, maps = dump(clinic.target), id_maps(clinic.target)
    clinic.day()
    day = migrate(daemon)
    assert dump(clinic.target) != before
    undo_whole(clinic, daemon, day.session, before, maps)

    daemon.call("Resume")
    migrate(daemon)
    clinic.oracle()


def test_what_children_would_go_with_is_no_failure_when_they_are_undone_too(small_clinic, start_daemon):
    daemon = start_daemon(small_clinic, settings={"batch_size": 20})
    load = migrate(daemon)
    assert rollback(daemon, load.session).failed == 0


def undo_whole(clinic, daemon, session, before, maps):
    ended = rollback(daemon, session)
    assert (ended.failed, left(daemon)) == (0, [])
    empty_maps = {name: [] for name in id_maps(clinic.target)}
    is_as_before(clinic.target, before, maps or empty_maps)
