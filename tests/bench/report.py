"""What was measured, held against what was to be reached: as a table for people, as JSON for programs."""

import dataclasses
import json
import statistics


@dataclasses.dataclass(frozen=True)
class Goal:
    """Reached when ours is at most `value`, or at most `ratio` times the peer; None: not asked for."""

    value: float | None = None
    ratio: float | None = None

    def is_met(self, line):
        within_value = self.value is not None and line.ours_value <= self.value
        within_ratio = self.ratio is not None and line.ratio is not None and line.ratio <= self.ratio
        return within_value or within_ratio

    def describe(self, unit):
        wanted = []
        if self.value is not None:
            wanted.append(f"{self.value:g} {unit}")
        if self.ratio is not None:
            wanted.append(f"{self.ratio:g} ×")
        return "≤ " + " or ".join(wanted)


@dataclasses.dataclass
class Line:
    """One measure. Samples are in `unit`; `details` are further samples, by name, that only the JSON shows."""

    measure: str
    unit: str
    ours: list
    goal: Goal | None = None
    peer_name: str | None = None
    peer: list = dataclasses.field(default_factory=list)
    peak_memory_kb: int | None = None
    statistic: str = "median"
    details: dict = dataclasses.field(default_factory=dict)

    @property
    def ours_value(self):
        return STATISTICS[self.statistic](self.ours)

    @property
    def peer_value(self):
        return STATISTICS[self.statistic](self.peer) if self.peer else None

    @property
    def ratio(self):
        return self.ours_value / self.peer_value if self.peer else None

    @property
    def verdict(self):
        if self.goal is None:
            return "-"
        return "met" if self.goal.is_met(self) else "NOT met"


def p99(samples):
    """The 99th percentile by nearest rank."""
    return sorted(samples)[-(len(samples) // 100) - 1]


STATISTICS = {"median": statistics.median, "p99": p99}

HEADINGS = ("Measure", "migrated", "Floor or peer", "Ratio", "Goal", "Verdict", "Memory")
RIGHT = {"Ratio", "Memory"}


def print_table(lines):
    rows = [HEADINGS, *(table_row(line) for line in lines)]
    widths = [max(map(len, column)) for column in zip(*rows)]
    for row in rows:
        print("  ".join(
            cell.rjust(width) if heading in RIGHT else cell.ljust(width)
            for cell, width, heading in zip(row, widths, HEADINGS)).rstrip())


def table_row(line):
    return (
        line.measure,
        with_spread(line, line.ours, line.ours_value),
        f"{line.peer_name} {with_spread(line, line.peer, line.peer_value)}" if line.peer else "-",
        f"{line.ratio:.2f}" if line.peer else "-",
        line.goal.describe(line.unit) if line.goal else "-",
        line.verdict,
        f"{line.peak_memory_kb / 1024:.1f} MB" if line.peak_memory_kb else "-",
    )


def with_spread(line, samples, value):
    """The value, and how it stands among the samples when there are several."""
    text = f"{number(value)} {line.unit}"
    if len(samples) == 1:
        return text
    if line.statistic == "median":
        return f"{text} ({number(min(samples))}–{number(max(samples))})"
    return f"{text} (median {number(statistics.median(samples))}, max {number(max(samples))})"


def number(value):
    return f"{value:.3f}" if value < 1 else f"{value:.2f}" if value < 10 else f"{value:.1f}"


def write_json(path, facts, lines):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({**facts, "measures": [line_to_json(line) for line in lines]}, indent=2) + "\n")


def line_to_json(line):
    return {
        "measure": line.measure,
        "unit": line.unit,
        "statistic": line.statistic,
        "ours": line.ours_value,
        "peer": line.peer_value,
        "peer_name": line.peer_name,
        "ratio": line.ratio,
        "goal": dataclasses.asdict(line.goal) if line.goal else None,
        "verdict": line.verdict,
        "peak_memory_kb": line.peak_memory_kb,
        "samples": {"ours": line.ours, "peer": line.peer, **line.details},
    }
