"""Dry runs: nothing of one remains, and what it says is what the session that follows does."""

from dry_runs import dry_run, figures, unchanged
from sessions import migrate


def test_first_load_is_told_as_it_will_be_and_leaves_nothing(clinic, daemon):
    with unchanged(clinic):
        told = dry_run(daemon)
    assert told.would_be == "initial"
    done = migrate(daemon)
    assert figures(told) == figures(done)
    clinic.oracle()


def test_day_of_changes_is_told_as_it_will_be_and_leaves_nothing(make_clinic, start_daemon):
    clinic = make_clinic(loaded=True)
    clinic.day()
    daemon = start_daemon(clinic)
    migrate(daemon, entities=["offices"])  # the daemon owns the target from here on
    with unchanged(clinic):
        told = dry_run(daemon)
    assert told.would_be == "differential"
    done = migrate(daemon)
    assert figures(told) == figures(done)
    clinic.oracle()
