"""Cycles: changes are brought by themselves, nothing is done when there are none, and one comes after the other."""

import concurrent.futures
import datetime
import zoneinfo

import pytest

from sessions import held, migrate, row_versions, wait_until_blocked, wait_until_reached
from waiting import wait_until

SCALE = 0.2
CYCLES_S = 60

# A second is short enough for a test, and longer than a look takes.
EVERY_SECOND = {"every": "1s", "sweep_every": "0"}


@pytest.fixture
def clinic(make_clinic):
    return make_clinic(scale=SCALE, loaded=True)


@pytest.fixture
def cycling(clinic, start_daemon):
    """cycling(sweep_every="1s"): a daemon whose cycles begin every second, unless told otherwise."""
    def start(**schedule):
        daemon = start_daemon(clinic, start=False)
        daemon.config["schedule"] = {**EVERY_SECOND, **schedule}
        daemon.write_config()
        return wait_until_reached(daemon.start())

    return start


def cycles(daemon):
    return daemon.call("Status")["cycles"]


def wait_for_cycle(daemon, after="", **expected):
    """The newest cycle that began later than `after` and is as expected."""
    def found():
        for cycle in cycles(daemon)["last"]:
            if cycle["started"] > after and all(cycle[name] == value for name, value in expected.items()):
                return cycle
        return None
    return wait_until(found, CYCLES_S, lambda: f"a cycle after {after or 'any'} is {expected}:\n{cycles(daemon)}\n"
                                               f"{daemon.log()}")


def wait_until_quiet(daemon, after=""):
    return wait_for_cycle(daemon, after, result="quiet")


def sessions(clinic):
    return clinic.target.value("SELECT count(*) FROM migrated.session")


def in_step(clinic):
    return clinic.ask_oracle().returncode == 0


def wait_until_in_step(clinic, daemon):
    wait_until(lambda: in_step(clinic), CYCLES_S, lambda: f"the oracle agrees:\n{clinic.ask_oracle().stdout}\n{daemon.log()}")


# --- what they do --------------------------------------------------------------------------------

def test_changes_come_by_themselves_and_the_sweep_finds_what_watermarks_do_not(clinic, cycling):
    """A day of changes has deletions, and updates that leave updated_at alone."""
    daemon = cycling()
    before = wait_until_quiet(daemon)["started"]
    clinic.day(seed=1)
    migrated = wait_for_cycle(daemon, before, result="migrated")
    assert migrated["changed"] > 0 and not migrated["sweep"]
    assert clinic.target.value("SELECT options FROM migrated.session WHERE session = %s", [migrated["session"]]) == \
        {"cycle": True, "fresh": True, "strategy": "watermark"}
    wait_until_quiet(daemon, migrated["started"])
    assert not in_step(clinic)  # nobody looks for deletions
    daemon.stop()
    daemon = cycling(sweep_every="1s")
    swept = wait_for_cycle(daemon, result="migrated", sweep=True)
    assert swept["changed"] > 0
    wait_until_in_step(clinic, daemon)
    clinic.source_sql("DELETE FROM dispatch_instruction WHERE id = (SELECT max(id) FROM dispatch_instruction)")
    wait_until_in_step(clinic, daemon)


def test_a_quiet_cycle_leaves_nothing_behind(clinic, cycling):
    daemon = cycling()
    last = wait_until_quiet(daemon)
    before = kept(clinic), row_versions(clinic.target)
    for _ in range(3):
        last = wait_until_quiet(daemon, last["started"])
    assert (kept(clinic), row_versions(clinic.target)) == before
    assert (last["session"], last["changed"], last["reason"]) == (None, 0, None)
    status = cycles(daemon)
    assert len(status["last"]) <= 10
    assert [c["started"] for c in status["last"]] == sorted((c["started"] for c in status["last"]), reverse=True)
    assert status["lag_ms"] is not None and status["next"] is not None
    assert daemon.log().count("cycle") == 0


def kept(clinic):
    return {table: clinic.target.value(f"SELECT count(*) FROM migrated.{table}")
            for table in ("session", "session_entity", "batch", "analysis", "analysis_entity", "change")}


def test_a_first_cycle_makes_the_initial_load(make_clinic, start_daemon):
    clinic = make_clinic(scale=SCALE)
    daemon = start_daemon(clinic, start=False)
    daemon.config["schedule"] = EVERY_SECOND
    daemon.write_config()
    wait_for_cycle(daemon.start(), result="migrated")
    clinic.oracle()


def test_a_cycle_that_is_overdue_at_the_start_begins_soon(clinic, cycling):
    """The last session was an interval ago or more; without one it would begin after an interval."""
    clinic.target.sql("UPDATE migrated.session SET created_at = created_at - interval '2 days'")
    wait_for_cycle(cycling(every="1d"))


# --- one after the other -------------------------------------------------------------------------

def test_a_cycle_that_outlasts_its_interval_delays_the_next(clinic, cycling):
    daemon = cycling()
    wait_until_quiet(daemon)
    before = sessions(clinic)
    with held(clinic.target, "patients"):
        clinic.source_sql("UPDATE dispatch_patient SET phone = 'other', updated_at = now() WHERE id = 20")
        wait_until_blocked(clinic.target)
        seen = {cycles(daemon)["next"]}
        wait_until(lambda: seen.add(cycles(daemon)["next"]) or len(seen) > 3, CYCLES_S, "three more were due")
        assert sessions(clinic) == before + 1
        last = cycles(daemon)["last"][0]
        assert last["result"] == "quiet"
    delayed = wait_for_cycle(daemon, last["started"], result="migrated")
    assert delayed["elapsed_ms"] > 1000
    wait_until_quiet(daemon, delayed["started"])
    assert clinic.target.value("SELECT count(*) FROM migrated.session AS a JOIN migrated.session AS b"
                               " ON a.number < b.number AND b.created_at < a.finished_at") == 0
    clinic.oracle()


def test_people_go_before(clinic, cycling):
    daemon = cycling()
    last = wait_until_quiet(daemon)
    ended = migrate(daemon, full=True, entities=["offices"])
    assert ended.mode == "full"
    assert daemon.call("Detect", entities=["offices"])["analysis"]["new"] == 0
    assert wait_until_quiet(daemon, last["started"])
    clinic.oracle()


def test_a_request_that_comes_during_a_look_goes_on_after_it(clinic, cycling):
    daemon = cycling()
    last = wait_until_quiet(daemon)
    holder = clinic.target.connect(autocommit=False)
    try:
        holder.execute("LOCK TABLE migrated.entity IN ACCESS EXCLUSIVE MODE")
        wait_until_blocked(clinic.target)
        with concurrent.futures.ThreadPoolExecutor(1) as executor:
            asked = executor.submit(daemon.call, "Detect", entities=["offices"])
            wait_until(lambda: daemon.call("Status")["state"] == "detecting", 20, "the request has come")
            holder.rollback()
            assert asked.result()["analysis"]["rows"] > 0
    finally:
        holder.close()
    wait_until_quiet(daemon, last["started"])


# --- when they do not come -----------------------------------------------------------------------

def test_a_paused_session_lets_no_cycle_begin(clinic, cycling):
    daemon = cycling()
    last = wait_until_quiet(daemon)
    with held(clinic.target, "patients"):
        clinic.source_sql("UPDATE dispatch_patient SET phone = 'other', updated_at = now() WHERE id = 20")
        wait_until_blocked(clinic.target)
        daemon.call("Pause")
    skipped = wait_for_cycle(daemon, last["started"], result="skipped")
    assert skipped["reason"] == "paused: paused by an operator"
    grown = wait_until(lambda: cycles(daemon)["last"][0]["elapsed_ms"] > skipped["elapsed_ms"] and cycles(daemon)["last"],
                       CYCLES_S, "another is skipped")
    assert [c["result"] for c in grown].count("skipped") == 1
    daemon.call("Resume")
    migrated = wait_for_cycle(daemon, last["started"], result="migrated")
    wait_until_quiet(daemon, migrated["started"])
    clinic.oracle()


@pytest.mark.parametrize("side", ["source", "target"])
def test_a_database_that_is_away_is_waited_for(clinic, cycling, side):
    daemon = cycling()
    wait_until_quiet(daemon)
    server = getattr(clinic, side).server
    server.down("fast")
    try:
        skipped = wait_for_cycle(daemon, result="skipped")
        assert skipped["reason"].startswith("unavailable: ") and side in skipped["reason"]
    finally:
        server.up()
    clinic.source_sql("UPDATE dispatch_patient SET phone = 'other', updated_at = now() WHERE id = 20")
    migrated = wait_for_cycle(daemon, skipped["started"], result="migrated")
    wait_until_quiet(daemon, migrated["started"])
    clinic.oracle()


# --- the window ----------------------------------------------------------------------------------

ZONE = "Asia/Kathmandu"  # a quarter of an hour off, so that a window in another zone cannot be meant


def window(begins_in):
    """A window of an hour that begins in so many hours, and when."""
    begins = datetime.datetime.now(zoneinfo.ZoneInfo(ZONE)).replace(second=0, microsecond=0)
    begins += datetime.timedelta(hours=begins_in)
    ends = begins + datetime.timedelta(hours=2)
    return f"{begins:%H:%M}-{ends:%H:%M}", begins


def test_no_cycle_begins_out_of_the_window(clinic, cycling):
    clinic.day(seed=1)
    hours, begins = window(begins_in=5)
    daemon = cycling(window=hours, time_zone=ZONE)
    following = wait_until(lambda: cycles(daemon)["next"], 20)
    assert datetime.datetime.fromisoformat(following) == begins
    migrate(daemon)  # people are not bound to it
    status = cycles(daemon)
    assert (status["last"], status["next"], status["window"], status["time_zone"]) == ([], following, hours, ZONE)
    clinic.oracle()


def test_cycles_begin_within_the_window(clinic, cycling):
    hours, _ = window(begins_in=-1)
    wait_until_quiet(cycling(window=hours, time_zone=ZONE))
