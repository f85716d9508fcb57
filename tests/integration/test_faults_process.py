"""The process dies, stands still or is stopped, at each of its fault points: nothing is lost, nothing is done twice."""

import re
import subprocess

import pytest

from daemon import faulty_program, program
from library import Library
from servers import ROOT
from sessions import start_migration, wait_until_reached
from varlink import VarlinkError
from waiting import wait_until

HEADER = (ROOT / "daemon/base/fault.h").read_text()
POINTS = dict(re.findall(r'POINT\("([a-z_.]+)", (true|false)\)', HEADER))
OF_CYCLES = [name for name in POINTS if name.startswith("cycle.")]
OF_AGAIN = [name for name in POINTS if name.startswith("again.")]
OF_ROLLBACKS = [name for name in POINTS if name.startswith("undo.")]  # test_rollback_killed.py
OF_BULK = [name for name in POINTS if name.startswith("bulk.")]  # test_bulk_killed.py
OF_OTHERS = [name for name in POINTS if name.startswith(("reload.", "lane."))]  # test_reload.py, test_systemd.py
OF_SESSIONS = [name for name in POINTS if name not in OF_CYCLES + OF_AGAIN + OF_ROLLBACKS + OF_BULK + OF_OTHERS]
OF_BATCHES = [name for name in OF_SESSIONS if name.startswith("batch.") and name != "batch.isolated"]
THAT_MAY_FAIL = [name for name, may_fail in POINTS.items() if may_fail == "true" and name not in OF_OTHERS]
LAST_WORDS = (ConnectionError, FileNotFoundError)


@pytest.fixture
def library(databases, start_daemon):
    return Library(databases, start_daemon, fault="")


def starts_with(library, fault):
    library.daemon.fault = fault
    library.daemon.start()


def work_until_killed(library):
    """An initial load, then changes; somewhere on the way the daemon kills itself."""
    for change in (False, True):
        if change:
            library.change()
        try:
            start_migration(library.daemon)
            wait_until(lambda: not library.daemon.running or library.daemon.call("Status")["state"] == "idle", 60)
        except LAST_WORDS:
            return library.daemon.wait_until_killed()
        except VarlinkError:
            wait_until(lambda: not library.daemon.running, 60)
        if not library.daemon.running:
            return library.daemon.wait_until_killed()
    raise AssertionError(f"the fault point was never reached:\n{library.daemon.log()}")


def lives_on(library):
    """The next life finishes what the last one began, and another day is carried over too."""
    library.daemon.fault = ""
    library.daemon.start()
    library.comes_to_its_end()
    library.is_right()


@pytest.mark.parametrize("point, nth", [
    *((point, 1) for point in OF_SESSIONS),
    *((point, 3) for point in OF_BATCHES),
    *(pytest.param(point, nth, marks=pytest.mark.long) for nth in (2, 5) for point in OF_BATCHES),
    ("detect.finished", 2),  # an analysis that a session has made and not carried out is nobody's any more
])
def test_killed_at_a_fault_point_it_resumes_without_loss_or_duplicates(library, point, nth):
    starts_with(library, f"{point}:kill:{nth}")
    work_until_killed(library)
    lives_on(library)


@pytest.mark.parametrize("nth", [1, pytest.param(2, marks=pytest.mark.long)])
@pytest.mark.parametrize("point", OF_CYCLES)
def test_killed_in_a_cycle_the_next_life_brings_what_it_found(library, point, nth):
    library.daemon.config["schedule"] = {"every": "1s"}
    library.daemon.write_config()
    starts_with(library, f"{point}:kill:{nth}")
    wait_until(lambda: not library.daemon.running or initially_loaded(library), 60)
    library.change()
    library.daemon.wait_until_killed()
    library.daemon.config["schedule"] = {}
    library.daemon.write_config()
    lives_on(library)


def initially_loaded(library):
    return library.target.value("SELECT count(*) FROM books") > 0 and library.unfinished() == 0


def test_killed_at_the_same_point_life_after_life_it_still_comes_to_its_end(library):
    """Each life commits two batches before it dies, or comes to the end."""
    starts_with(library, "batch.committed:kill:2")
    start_migration(library.daemon)
    library.daemon.wait_until_killed()
    lives = 1
    while library.unfinished():
        lives += 1
        library.daemon.start(wait=False)
        wait_until(lambda: not library.daemon.running or not library.unfinished(), 60)
    assert lives >= 3
    library.daemon.kill()
    lives_on(library)


@pytest.mark.parametrize("point", THAT_MAY_FAIL)
def test_a_step_that_fails_is_done_again(library, point):
    starts_with(library, f"{point}:error:1,{point}:error:2")
    wait_until_reached(library.daemon)
    start_migration(library.daemon)
    library.comes_to_its_end()
    library.change()
    start_migration(library.daemon)
    library.comes_to_its_end()
    library.is_right()
    library.daemon.stop()
    assert library.daemon.log().count(f"error at {point}") == 2  # the second one as a repetition, told at the end


def test_stopped_while_a_batch_stands_still_it_is_finished_first(library):
    """SIGTERM comes between the stage and the write."""
    starts_with(library, "batch.staged:wait:3")
    start_migration(library.daemon, parallel=1)
    library.daemon.wait_until_still()
    library.daemon.process.terminate()
    library.daemon.go_on()
    assert library.daemon.wait_for_exit() == 0
    assert library.target.value("SELECT count(*) FROM migrated.batch WHERE done") == 3
    assert library.unfinished() == 1
    lives_on(library)


# --- the ordinary program has none of it --------------------------------------------------------------

def words_in(path):
    return subprocess.run(["strings", "-a", path], capture_output=True, text=True, check=True).stdout


def test_the_ordinary_program_has_no_fault_points():
    ordinary, faulty = words_in(program("migrated")), words_in(faulty_program())
    assert len(POINTS) >= 25
    for word in ("MIGRATED_FAULT", "MIGRATED_CLOCK", *POINTS):
        assert word in faulty
        assert not re.search(rf"(?m)^{re.escape(word)}$", ordinary)
    symbols = subprocess.run(["nm", program("migrated")], capture_output=True, text=True, check=True).stdout
    assert "fault_point" not in symbols and "fault_error" not in symbols


def test_every_point_in_the_sources_stands_in_the_table():
    used = set()
    for path in (ROOT / "daemon").rglob("*.c"):
        for call in path.read_text().split("fault_point(")[1:]:
            used.update(re.findall(r'"([a-z_]+\.[a-z_]+)"', call.split(";")[0]))
    assert used == set(POINTS)
