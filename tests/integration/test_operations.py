"""OPERATIONS.md is followed: every command in it is typed, in the situation that it is meant for, and what comes is what it shows.

A chapter (a heading of the second rank) is a story of its own: README.md's two tables, loaded, and a daemon. Tables of the guide
are held against those of the code, so that what can happen has its entry.
"""

import json
import re

import pytest

from daemon import Daemon
from documents import SHORT_ID, Walk, blocks, guide, section
from servers import ROOT
from sessions import ENDED, held, start_migration, state_of, wait_until_blocked
from waiting import wait_until

GUIDE = (ROOT / "OPERATIONS.md").read_text()
CHAPTERS = [title for title in re.findall(r"^## (.*)$", GUIDE, re.MULTILINE) if blocks(section(GUIDE, title), "console")]
# These leave everything as it was, so they are followed one after the other.
PEACEFUL = ["The first look", "A database that cannot be reached", "Start, watch, steer", "Keeping in step", "Sizing"]
STORIES = [PEACEFUL, *([title] for title in CHAPTERS if title not in PEACEFUL)]
ROWS = """
    TRUNCATE office, patient;
    INSERT INTO office SELECT n, 'office ' || n FROM generate_series(1, 20) AS n;
    INSERT INTO patient SELECT n, 1 + n % 20, 'patient ' || n, n % 2 FROM generate_series(1, 3000) AS n;
"""


class Shift(Walk):
    """An administrator's night: a loaded pair, and what happens to it."""

    document = "OPERATIONS.md"

    def __init__(self, directory, servers):
        super().__init__(directory, servers)
        self.hands = HANDS
        self.environment["MODERN"] = self.target.conninfo
        self.lock = self.standby = self.copy = None
        for title in ("2. Let it in", "3. Say what goes where"):
            self.follow(section(guide(), title))
        self.source.sql(ROWS)
        self.serve("start")
        self.shell("migratectl migrate --wait")

    def end(self):
        self.free()
        for server in (self.source.server, self.target.server):
            if not server.is_up():
                server.up()
        for daemon in (self.daemon, self.standby):
            if daemon:
                daemon.dispose()
        if self.copy:
            self.copy.drop()
        super().end()

    def type(self, prompt, command):
        """Ids in the guide stand for the last session's."""
        return super().type(prompt, re.sub(SHORT_ID, lambda _: self.last_session()[:8], command) if prompt == "$" else command)

    def last_session(self):
        return self.target.value("SELECT session::text FROM migrated.session ORDER BY number DESC LIMIT 1")

    def reconfigure(self, section_, **values):
        self.daemon.config.setdefault(section_, {}).update(values)
        self.daemon.write_config()
        self.daemon.restart()
        self.wait_until_reached()

    # --- hands ---

    def busy(self):
        """A session is under way, and waits right in its first batch of patients."""
        self.lock = held(self.target, "patients")
        self.lock.__enter__()
        start_migration(self.daemon, full=True)
        wait_until_blocked(self.target)

    def free(self):
        if self.lock:
            self.lock.__exit__(None, None, None)
            self.lock = None

    def paused(self):
        self.free()
        wait_until(lambda: state_of(self.daemon) == "paused", 20, lambda: f"it is paused:\n{self.daemon.log()}")

    def ended(self):
        self.free()
        """As the store has it, too: a daemon that was restarted does not know what was before."""
        kept = "SELECT state FROM migrated.session ORDER BY number DESC LIMIT 1"
        wait_until(lambda: self.target.value(kept) in ENDED and state_of(self.daemon) in (None, *ENDED), 60,
                   lambda: f"it has ended:\n{self.daemon.log()}")

    def cancelled(self):
        self.shell("migratectl cancel")
        self.ended()


    def time_limit(self):
        self.reconfigure("settings", migration_timeout="1s")
        self.busy()
        wait_until(lambda: state_of(self.daemon) == "paused", 20)
        self.free()

    def no_time_limit(self):
        """On a busy machine it may have been paused once more."""
        self.reconfigure("settings", migration_timeout="0")
        if state_of(self.daemon) == "paused":
            self.daemon.call("Resume")
        self.ended()

    def read_only(self):
        self.reconfigure("settings", probe_every="1h")  # so that what goes on does so because somebody said it
        self.busy()
        postgres = self.target.server.database("postgres")
        postgres.sql("ALTER DATABASE modern SET default_transaction_read_only = on")
        self.free()
        postgres.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'modern'")
        wait_until(lambda: (self.daemon.call("Status")["state"], state_of(self.daemon)) == ("paused", "paused"), 30,
                   lambda: f"it is held:\n{self.daemon.log()}")

    def writable(self):
        self.target.server.database("postgres").sql("ALTER DATABASE modern RESET default_transaction_read_only")

    def throttled(self):
        self.reconfigure("throttle", query="SELECT 11", max=10, every="100ms")
        start_migration(self.daemon, full=True)
        wait_until(lambda: self.daemon.call("Status")["throttled"], 20)

    def unthrottled(self):
        del self.daemon.config["throttle"]
        self.daemon.write_config()
        self.daemon.restart()
        self.ended()

    def source_down(self):
        self.source.server.down("fast")
        wait_until(lambda: self.daemon.call("Status")["state"] == "unavailable", 20)

    def source_up(self):
        self.source.server.up()
        self.wait_until_reached()

    def mapping(self, entity, column, value):
        """The only column of the target that is mapped as it is, is called so and made of that."""
        path = self.daemon.entities_directory / f"{entity}.json"
        mapping = json.loads(path.read_text())
        columns = mapping["columns"]
        mapping["columns"] = {**{name: what for name, what in columns.items() if isinstance(what, dict)}, column: value}
        path.write_text(json.dumps(mapping))

    def bad_rows(self):
        self.source.sql("UPDATE patient SET full_name = NULL WHERE id = 7")
        self.shell("migratectl migrate --wait")
        self.source.sql("UPDATE patient SET full_name = NULL WHERE id = 8; UPDATE patient SET office_id = 99 WHERE id = 12")

    def hold(self):
        path = self.daemon.entities_directory / "patients.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), "on_conflict": "hold"}))
        self.daemon.restart()
        self.wait_until_reached()
        self.shell("migratectl migrate --wait")

    def schedule(self):
        self.reconfigure("schedule", every="1s", jitter="0", sweep_every="1d")
        wait_until(lambda: self.daemon.call("Status")["cycles"]["last"], 20)

    def unschedule(self):
        self.reconfigure("schedule", every="0")

    def second(self):
        self.former = self.daemon
        self.standby = Daemon(self.daemon.directory / "second", source="unset", target="unset",
                              entities=self.daemon.entities_directory, environment=self.daemon.environment)
        self.standby.config = {name: value for name, value in self.daemon.config.items() if name != "control"}
        self.standby.write_config()
        self.standby.start()
        wait_until(lambda: self.standby.call("Status")["state"] == "standby", 20, self.standby.log)
        self.environment["MIGRATED_SOCKET"] = self.standby.socket

    def takes_over(self):
        wait_until(lambda: self.standby.call("Status")["state"] == "idle", 20, self.standby.log)
        self.standby.stop()

    def backup(self):
        self.shell("pg_dump -Fc -d \"$MODERN\" -f modern.dump")
        self.source.sql("UPDATE patient SET full_name = 'since' WHERE id = 5; INSERT INTO patient VALUES (4000, 1, 'new', 1)")
        self.shell("migratectl migrate --wait")

    def restore(self):
        self.target.drop()
        self.target.server.create_database("modern")
        self.shell("pg_restore --exit-on-error -d \"$MODERN\" modern.dump")

    def another_source(self):
        self.daemon.stop()
        wait_until(lambda: not self.source.value("SELECT count(*) FROM pg_stat_activity WHERE datname = 'legacy' AND pid <> pg_backend_pid()"))
        self.copy = self.source.server.create_database("legacy_copy", "legacy")
        self.copy.sql("DELETE FROM patient WHERE id > 2900")
        self.daemon.environment["SOURCE_DB_NAME"] = "legacy_copy"
        self.serve("start")

    def newer_schema(self):
        self.target.sql("INSERT INTO migrated.schema_version (version, name) VALUES (9999, 'of a newer one')")
        self.daemon.restart()
        self.wait_until_reached()

    def same_schema(self):
        self.target.sql("DELETE FROM migrated.schema_version WHERE version = 9999")
        self.daemon.restart()
        self.wait_until_reached()

    def password(self, *words):
        self.daemon.environment["TARGET_DB_PASSWORD"] = " ".join(words)


HANDS = {name.replace("_", "-"): hand for name, hand in vars(Shift).items() if not name.startswith("_")}


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
