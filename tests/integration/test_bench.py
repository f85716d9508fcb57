"""The bench measures, shows what it has measured, and leaves nothing behind when it is interrupted."""

import contextlib
import json
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import xml.etree.ElementTree as xml

import pytest

from daemon import clean_environment
from servers import ROOT, short_temporary_directory
from waiting import wait_until

BENCH = ROOT / "tests/bench/bench"
SVG = "{http://www.w3.org/2000/svg}"

README = """# Something

<!-- bench -->
an older table
<!-- /bench -->

More text.
"""


def line(measure, ours, peer=None, goal=None, **more):
    return {"measure": measure, "unit": "s", "statistic": "median", "ours": ours, "peer": peer, "peer_name": "COPY" if peer else None,
            "ratio": ours / peer if peer else None, "goal": {"value": None, "ratio": goal} if goal else None,
            "verdict": "-" if goal is None else "met" if ours <= goal * peer else "missed", "peak_memory_kb": 10240, "in_readme": True,
            "samples": {"ours": [ours], "peer": [peer] if peer else []}, **more}


RUN = {
    "version": 2, "finished": "2026-02-03T04:05:06+00:00", "cores": 2, "processor": "Some Processor", "memory_mb": 16384,
    "load_average": {"before": [0, 0, 0], "after": [0, 0, 0]}, "postgresql": "15.18 (Debian)", "scale": 1, "repeat": 3,
    "failed": False, "notes": ["pgloader is not installed, so it is left out"],
    "curves": {"initial load": [[100_000, 2.0], [1_000_000, 20.0], [10_000_000, 230.0]], "sweep": [[100_000, 0.1], [1_000_000, 0.9]]},
    "measures": [line("initial load", 21.0, 20.0, 1.15), line("sweep", 3.0, 2.0, 1.1), line("aside", 1.0, in_readme=False)],
}


def bench(*arguments, **environment):
    result = subprocess.run([BENCH, *arguments], capture_output=True, text=True, env={**clean_environment(), **environment})
    assert result.returncode == 0, result.stderr
    return result.stdout


@pytest.fixture
def run_file(tmp_path):
    path = tmp_path / "run.json"
    path.write_text(json.dumps(RUN))
    return path


def test_a_run_replaces_what_the_document_shows_between_its_marks(tmp_path, run_file):
    readme = tmp_path / "README.md"
    readme.write_text(README)
    bench("--from", run_file, "--markdown", readme, "--plot", tmp_path / "plots/growth.svg")
    before, shown, after = readme.read_text().replace("<!-- /bench -->", "<!-- bench -->").split("<!-- bench -->")
    assert (before, after) == ("# Something\n\n", "\n\nMore text.\n")
    assert "an older table" not in shown and "aside" not in shown
    assert "| initial load | 21.0 s | COPY 20.0 s | 1.05 | ≤ 1.15 × | met | 10.0 MB |" in shown
    assert "| sweep | 3.00 s | COPY 2.00 s | 1.50 | ≤ 1.1 × | **missed** | 10.0 MB |" in shown
    for fact in ("2026-02-03", "Some Processor", "two cores", "16 GB", "PostgreSQL 15.18", "pgloader is not installed", "(plots/growth.svg)"):
        assert fact in shown


def test_a_document_without_marks_is_not_written_to(tmp_path, run_file):
    document = tmp_path / "other.md"
    document.write_text("# Something else\n")
    refused = subprocess.run([BENCH, "--from", run_file, "--markdown", document], capture_output=True, text=True)
    assert refused.returncode == 2 and "no marks" in refused.stderr
    assert document.read_text() == "# Something else\n"
    assert all(mark in (ROOT / "README.md").read_text() for mark in ("\n<!-- bench -->\n", "\n<!-- /bench -->\n"))


def test_several_runs_are_shown_as_one_unless_their_machines_differ(tmp_path, run_file):
    other, foreign = tmp_path / "other.json", tmp_path / "foreign.json"
    other.write_text(json.dumps({**RUN, "measures": [line("quiet", 0.5)], "notes": [], "curves": {}}))
    foreign.write_text(json.dumps({**RUN, "cores": 64}))
    table = bench("--from", run_file, "--from", other, "--plot", tmp_path / "growth.svg")
    assert [row.split("  ")[0] for row in table.splitlines()] == ["Measure", "initial load", "sweep", "aside", "quiet"]
    refused = subprocess.run([BENCH, "--from", run_file, "--from", foreign], capture_output=True, text=True)
    assert refused.returncode == 1 and "differ in cores" in refused.stderr


def test_the_plot_shows_what_grows_faster_than_its_table_above_the_dashed_line(tmp_path, run_file):
    plot = tmp_path / "growth.svg"
    bench("--from", run_file, "--plot", plot)
    tree = xml.parse(plot)
    curve = tree.find(f"{SVG}polyline").get("points").split()
    dashed = next(element for element in tree.iter(f"{SVG}line") if "proportional" in element.get("class"))
    (x0, y0), (x1, y1), (x2, y2) = (map(float, point.split(",")) for point in curve)
    assert x1 - x0 == pytest.approx(x2 - x1, abs=0.2)
    assert y1 - y0 == pytest.approx(float(dashed.get("y2")) - y1, abs=0.2)
    assert y2 < float(dashed.get("y2")) - 1
    assert len(tree.findall(f"{SVG}polyline")) == 2


# --- measuring ---

@contextlib.contextmanager
def room():
    """A directory for everything temporary, which the servers' user may enter; gone afterwards."""
    directory = pathlib.Path(tempfile.mkdtemp(prefix="b-", dir=short_temporary_directory()))
    directory.chmod(0o755)
    try:
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def processes_in(directory):
    """The command lines of those that were told of it."""
    found = []
    for path in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            command = path.read_bytes().decode(errors="replace")
            if str(directory) in command:
                found.append(command.replace("\0", " "))
    return found


def test_interrupted_it_leaves_neither_server_nor_daemon_nor_file(tmp_path):
    with room() as directory:
        environment = {**clean_environment(), "TMPDIR": str(directory), "SCALE": "0.005"}
        process = subprocess.Popen([BENCH, "--only", "initial", "--json", tmp_path / "bench.json"], env=environment,
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            wait_until(lambda: any("migrated.json" in command for command in processes_in(directory)), 60, "a daemon works")
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait()
        wait_until(lambda: not processes_in(directory), 30, lambda: f"these have ended: {processes_in(directory)}")
        assert process.returncode == 128 + signal.SIGTERM
        assert os.listdir(directory) == []
        assert not (tmp_path / "bench.json").exists()


@pytest.mark.long
@pytest.mark.parametrize("arguments, named", [
    (["--repeat", "1"], ["initial load", "bulk", "sweep", "apply 1%", "delete 1%", "rows/s changed", "quiet cycle", "away", "validation", "rollback",
          "before-images", "bad rows", "watchers", "growth: sweep", "peak memory"]),
    (["--repeat", "2", "--all", "--only", "changes,growth"], ["apply 0.01%", "apply 10%", "measured once"]),
], ids=["all measures", "their long variants"])
def test_every_measure_measures(tmp_path, arguments, named):
    with room() as directory:
        bench("--json", tmp_path / "bench.json", "--plot", tmp_path / "growth.svg", *arguments,
              SCALE="0.005", TMPDIR=str(directory))
        assert os.listdir(directory) == []
    run = json.loads((tmp_path / "bench.json").read_text())
    measured = " ".join(each["measure"] for each in run["measures"])
    assert [what for what in named if what not in measured] == []
    assert all(each["ours"] >= 0 and each["verdict"] in ("met", "missed", "-") for each in run["measures"])
    assert len(run["curves"]["sweep"]) == (3 if "--all" in arguments else 2)
    assert xml.parse(tmp_path / "growth.svg").getroot().tag == f"{SVG}svg"
