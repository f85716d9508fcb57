"""What was measured, held against what was to be reached: as JSON for programs, and from that as a table for people.

A run is a dictionary, as it stands in the JSON: facts of the machine, `measures`, the lines, and what other measures want drawn. Tables
and plots are made of it alone, so that they can be made again of a file (`bench --from FILE`).
"""

import dataclasses
import json
import statistics

MET, MISSED, NOT_ASKED = "met", "missed", "-"


@dataclasses.dataclass(frozen=True)
class Goal:
    """Reached when ours is at most `value`, or at most `ratio` times the peer; None: not asked for."""

    value: float | None = None
    ratio: float | None = None

    def is_met(self, line):
        within_value = self.value is not None and line.ours_value <= self.value
        within_ratio = self.ratio is not None and line.ratio is not None and line.ratio <= self.ratio
        return within_value or within_ratio


@dataclasses.dataclass
class Line:
    """One measure. Samples are in `unit`; `details` are further samples, by name, that only the JSON shows. README shows what is
    `in_readme`."""

    measure: str
    unit: str
    ours: list
    goal: Goal | None = None
    peer_name: str | None = None
    peer: list = dataclasses.field(default_factory=list)
    peak_memory_kb: int | None = None
    statistic: str = "median"
    details: dict = dataclasses.field(default_factory=dict)
    in_readme: bool = True

    @property
    def ours_value(self):
        return STATISTICS[self.statistic](self.ours)

    @property
    def peer_value(self):
        return STATISTICS[self.statistic](self.peer) if self.peer else None

    @property
    def ratio(self):
        return self.ours_value / self.peer_value if self.peer_value else None

    @property
    def verdict(self):
        if self.goal is None:
            return NOT_ASKED
        return MET if self.goal.is_met(self) else MISSED

    def to_json(self):
        return {
            "measure": self.measure,
            "unit": self.unit,
            "statistic": self.statistic,
            "ours": self.ours_value,
            "peer": self.peer_value,
            "peer_name": self.peer_name,
            "ratio": self.ratio,
            "goal": dataclasses.asdict(self.goal) if self.goal else None,
            "verdict": self.verdict,
            "peak_memory_kb": self.peak_memory_kb,
            "in_readme": self.in_readme,
            "samples": {"ours": self.ours, "peer": self.peer, **self.details},
        }


def p99(samples):
    """The 99th percentile by nearest rank."""
    return sorted(samples)[-(len(samples) // 100) - 1]


STATISTICS = {"median": statistics.median, "p99": p99}


# --- the table in a terminal ---

HEADINGS = ("Measure", "migrated", "Floor or peer", "Ratio", "Goal", "Verdict", "Memory")
RIGHT = {"Ratio", "Memory"}


def print_table(run):
    rows = [HEADINGS, *(table_row(line) for line in run["measures"])]
    widths = [max(map(len, column)) for column in zip(*rows)]
    for row in rows:
        print("  ".join(
            cell.rjust(width) if heading in RIGHT else cell.ljust(width)
            for cell, width, heading in zip(row, widths, HEADINGS)).rstrip())


def table_row(line):
    return (
        line["measure"],
        with_spread(line, "ours"),
        f"{line['peer_name']} {with_spread(line, 'peer')}" if line["peer"] is not None else "-",
        ratio_of(line),
        goal_of(line),
        line["verdict"],
        memory_of(line),
    )


def with_spread(line, side):
    """The value, and how it stands among the samples when there are several."""
    samples, text = line["samples"][side], value_of(line, side)
    if len(samples) == 1:
        return text
    if line["statistic"] == "median":
        return f"{text} ({number(min(samples))}–{number(max(samples))})"
    return f"{text} (median {number(statistics.median(samples))}, max {number(max(samples))})"


def value_of(line, side):
    return f"{number(line[side])} {line['unit']}".rstrip()


def ratio_of(line):
    return "-" if line["ratio"] is None else f"{line['ratio']:.2f}" if line["ratio"] < 100 else f"{line['ratio']:,.0f}"


def goal_of(line):
    goal = line["goal"]
    if not goal:
        return "-"
    wanted = []
    if goal["value"] is not None:
        wanted.append(f"{goal['value']:g} {line['unit']}")
    if goal["ratio"] is not None:
        wanted.append(f"{goal['ratio']:.4g} ×")
    return "≤ " + " or ".join(wanted)


def memory_of(line):
    return f"{line['peak_memory_kb'] / 1024:.1f} MB" if line["peak_memory_kb"] else "-"


def number(value):
    return f"{value:.3f}" if value < 1 else f"{value:.2f}" if value < 10 else f"{value:,.1f}" if value < 1000 else f"{value:,.0f}"


# --- JSON ---

def write_json(path, run):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(run, indent=2) + "\n")


def read_json(paths):
    """One run of several: the facts of the first, and of all of them the lines."""
    first, *others = [json.loads(path.read_text()) for path in paths]
    for other in others:
        for fact in ("version", "cores", "processor", "memory_mb", "postgresql", "repeat"):
            if first[fact] != other[fact]:
                raise SystemExit(f"these runs differ in {fact}: {first[fact]} and {other[fact]}")
        first["measures"] += other["measures"]
        first["notes"] += other["notes"]
        first["failed"] |= other["failed"]
        first["curves"].update(other["curves"])
    return first
