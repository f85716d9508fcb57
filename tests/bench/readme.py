"""The run as README.md shows it: the machine in a sentence, and a table of the lines that are for everybody.

It stands between the marks `<!-- bench -->` and `<!-- /bench -->`, which a file that exists already must have.
"""

import os
import re

from report import MISSED, goal_of, memory_of, ratio_of, value_of

MARKS = re.compile(r"(?<=^<!-- bench -->\n).*?(?=^<!-- /bench -->$)", re.MULTILINE | re.DOTALL)
HEADINGS = "| Measure | migrated | Floor or peer | Ratio | Goal | | Memory |\n|---|---:|---|---:|---|---|---:|\n"
FEW = {1: "one", 2: "two", 3: "three", 4: "four", 5: "five"}


EMPTY = "<!-- bench -->\n<!-- /bench -->\n"


def has_room(path):
    return not path.exists() or MARKS.search(path.read_text()) is not None


def write_markdown(path, run, plot):
    text = markdown(run, os.path.relpath(plot, path.parent))
    before = path.read_text() if path.exists() else EMPTY
    path.write_text(MARKS.sub(lambda _: text, before))


def markdown(run, plot):
    text = machine(run) + "\n\n" + HEADINGS + "".join(row(line) for line in run["measures"] if line["in_readme"])
    if run["notes"]:
        text += f"\nNotes: {'; '.join(run['notes'])}.\n"
    if run["curves"]:
        text += f"\n![Seconds by rows: initial load and sweep, each with the line of proportional growth]({plot})\n"
    return text


def machine(run):
    scale = "" if run["scale"] == 1 else f" at SCALE={run['scale']:g}"
    cores = FEW.get(run["cores"], run["cores"])
    return (f"Measured {run['finished'][:10]}{scale}: {cores} core{'s' if run['cores'] > 1 else ''} ({run['processor']}), "
            f"{run['memory_mb'] / 1024:.0f} GB, PostgreSQL {run['postgresql'].split()[0]},\nboth servers and the daemon on the one machine; "
            f"medians of {FEW.get(run['repeat'], run['repeat'])} unless a line says otherwise. Memory is the daemon's peak.")


def row(line):
    peer = f"{line['peer_name']} {value_of(line, 'peer')}" if line["peer"] is not None else "–"
    goal, verdict = (goal_of(line), line["verdict"]) if line["goal"] else ("–", "")
    cells = [line["measure"].strip(), value_of(line, "ours"), peer, ratio_of(line).replace("-", "–"), goal,
             f"**{verdict}**" if verdict == MISSED else verdict, memory_of(line).replace("-", "–")]
    return "| " + " | ".join(cells) + " |\n"
