"""OPERATIONS.md is followed: every command in it is typed, in the situation that it is meant for, and what comes is what it shows.

A chapter (a heading of the second rank) is a story of its own: README.md's two tables, loaded, and a daemon. Tables of the guide
are held against those of the code, so that what can happen has its entry.
"""

import re

import pytest

from documents import blocks, section
from servers import ROOT
from shift import Shift

GUIDE = (ROOT / "OPERATIONS.md").read_text()
CHAPTERS = [title for title in re.findall(r"^## (.*)$", GUIDE, re.MULTILINE) if blocks(section(GUIDE, title), "console")]
# These leave everything as it was, so they are followed one after the other.
PEACEFUL = ["The first look", "A database that cannot be reached", "Start, watch, steer", "Keeping in step", "Sizing"]
STORIES = [PEACEFUL, *([title] for title in CHAPTERS if title not in PEACEFUL)]


@pytest.mark.parametrize("titles", STORIES, ids=lambda titles: titles[0])
def test_a_chapter_is_followed(titles, tmp_path, servers):
    shift = Shift(tmp_path / "etc", servers)
    try:
        for title in titles:
            shift.follow(section(GUIDE, title))
        if shift.daemon.running:
            shift.daemon.stop()
    except AssertionError as failure:
        failure.add_note("what was typed last: " + "; ".join(shift.typed[-4:]))
        raise
    finally:
        shift.end()


def test_every_chapter_with_commands_is_followed():
    assert sorted(title for titles in STORIES for title in titles) == sorted(CHAPTERS)


# --- what can happen has its entry ---------------------------------------------------------------------------------------------------

def source(path):
    return (ROOT / path).read_text()


def rows_of(text):
    """The rows of the first table in a text, as lists of cells."""
    rows = re.search(r"(?:^\|.*\n)+", text, re.MULTILINE).group(0).splitlines()[2:]
    return [[cell.strip() for cell in row.strip("| ").split(" | ")] for row in rows]


def table(title):
    return rows_of(section(GUIDE, title))


def table_after(line):
    return rows_of(GUIDE[GUIDE.index(line):])


def codes(cell):
    return re.findall(r"`(\w+)`", cell)


def test_every_reason_of_a_pause_has_a_heading():
    kinds = re.findall(r"\[HOLD_\w+\] = \"(\w+)\"", source("daemon/run/hold.c"))
    headings = {"operator": "Paused by an operator", "breaker": "Paused by a breaker", "timeout": "Paused by the time limit",
                "environment": "Paused by its environment"}
    assert set(kinds) == set(headings)
    assert all(f"### {heading}\n" in GUIDE for heading in headings.values())


def test_every_breaker_is_shown_tripping():
    code = source("daemon/run/breaker.c")
    known = {"deletes": "are gone from the source (breakers.delete_share", "empty": "is suddenly empty", "errors": "rows failed (breakers.error_rate",
             "source": "the source is not the one that was migrated so far"}
    assert set(re.findall(r'add\((?:&list|list), "(\w+)"|json_object_set_new\(list->breach, "(\w+)"', code)) == \
        {(name, "") for name in known if name != "source"} | {("", "source")}
    shown = "".join(blocks(GUIDE, "console"))
    assert [words for words in known.values() if words not in shown] == []


def kinds_of_errors():
    """SQLSTATE's beginning -> kind, as the code has them."""
    return dict(re.findall(r'\{ "(\w+)",\s*ERROR_(\w+) \}', source("daemon/postgres/errors.c")))


# What recovery.c's table makes of a kind, in the guide's words; what it says of single codes comes first.
DONE = {"CONNECTION": "reconnects", "BUSY": "tries again after growing pauses", "TRANSIENT": "tries the batch again", "CANCELLED": "halves the batch",
        "ENVIRONMENT": "[pauses the session]", "DENIED": "the same", "DATA": "sets the row aside", "STRUCTURE": "[stops the entity]",
        "INTERNAL": "ends the session"}


def test_every_class_of_errors_says_what_is_done():
    rows = {code: row[2] for row in table("Errors by SQLSTATE") for code in codes(row[0])}
    wrong = {code: kind for code, kind in kinds_of_errors().items() if not rows.get(code, "").startswith(DONE[kind])}
    assert wrong == {}
    assert set(rows) == {*kinds_of_errors(), "55006"}
    actions = dict(re.findall(r'\{ ERROR_(\w+), "", RECOVERY_(\w+) \}', source("daemon/run/recovery.c")))
    assert actions == {"CONNECTION": "RECONNECT", "BUSY": "BACK_OFF", "TRANSIENT": "RETRY", "PROTOCOL": "RETRY", "CANCELLED": "HALVE",
                       "ENVIRONMENT": "HOLD_SESSION", "DENIED": "HOLD_SESSION", "STRUCTURE": "STOP_ENTITY"}


def test_every_environment_that_pauses_has_its_line():
    lines = {code: row[1] for row in table("Paused by its environment") for code in codes(row[0])}
    pausing = {code for code, kind in kinds_of_errors().items() if kind in ("ENVIRONMENT", "DENIED")}
    said = dict(re.findall(r'\{ (?:"(\d\w+)"|READ_ONLY), "([a-z -]+)" \}', source("daemon/run/recovery.c")))
    assert len(said) == 4
    assert pausing <= set(lines)
    assert {words for code, words in said.items() if not lines[code or "25006"].startswith(words)} == set()


def advices():
    """(phase or None, SQLSTATE's beginning, advice) as the code has them, in its order."""
    found = re.findall(r'\{ (?:NULL|"(\w+)"), "(\w*)",\s*((?:"(?:[^"\\]|\\.)*"\s*)+)\}', source("daemon/control/advice.c"))
    return [(phase or None, sqlstate, "".join(re.findall(r'"((?:[^"\\]|\\.)*)"', words)).replace('\\"', '"'))
            for phase, sqlstate, words in found]


def test_every_advice_about_dead_letters_stands_in_the_guide_and_in_its_order():
    def as_shown(cell):
        phase = re.search(r"\((\w+)\)", cell)
        return (phase and phase.group(1), "".join(codes(cell)))

    assert [(*as_shown(row[0]), row[2]) for row in table("Dead letters by SQLSTATE")] == advices()


def test_our_own_codes_are_explained():
    used = {code for path in [*ROOT.glob("daemon/**/*.c"), *ROOT.glob("daemon/**/*.h"), *ROOT.glob("daemon/**/*.sql")]
            for code in re.findall(r"\bMG\d{3}\b", path.read_text())}
    own = re.findall(r"^\| `(MG\d{3})`", GUIDE, re.MULTILINE)
    assert sorted(used) == own


def test_every_state_of_the_daemon_is_explained():
    header = source("daemon/run/engine.h")
    states = re.findall(r'"([a-z]+)"', header[header.index('/* "starting"'):].split("*/")[0])
    assert len(states) == 8
    explained = [code for row in table_after("What the state of the daemon means:") for code in codes(row[0])]
    assert sorted(explained) == sorted(states)


def test_every_event_leads_somewhere():
    known = re.findall(r'\.name = "([a-z-]+)"', source("daemon/base/event.c"))
    told = [name for row in table("Events") for name in re.findall(r"`([a-z-]+)`", row[0])]
    assert sorted(told) == sorted(known)
