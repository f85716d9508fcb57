"""The report of a session: its figures against an independent SQL count, its JSON against the interface, its page against a parser."""

import json

import pytest

from interface import interface
from mapping import entity
from sessions import held, start_migration, wait_until_blocked, wait_until_connected, watch
from varlink import VarlinkError
from waiting import wait_until

CANARY = "Canary"  # begins every value that no report may hold

SHELVES = entity("shelves", {"room": "room"}, on_delete="delete", rules={"lit": {"before": "room <> 'dark'", "action": "warn"}})
BOOKS = entity("books", {"shelf": {"references": "shelves", "from": "shelf"}, "title": "title", "pages": "pages",
                         "sequel_of": {"references": "books", "from": "sequel_of", "if_missing": "null"}},
               on_delete="delete", rules={"has_pages": {"before": "pages > 0", "action": "reject"}})
SOURCE = f"""
    CREATE TABLE shelves (id integer PRIMARY KEY, room text);
    CREATE TABLE books (id integer PRIMARY KEY, shelf integer, title text, pages integer, sequel_of integer);
    INSERT INTO shelves SELECT i, CASE WHEN i % 5 = 0 THEN 'dark' ELSE '{CANARY} room ' || i END FROM generate_series(1, 20) AS i;
    INSERT INTO books SELECT i, 1 + i % 25, '{CANARY} title ' || i, CASE WHEN i % 50 = 0 THEN -1 ELSE i END, NULLIF(i / 2, 0)
      FROM generate_series(1, 500) AS i"""
TARGET = f"""
    CREATE TABLE shelves (id uuid PRIMARY KEY, legacy_id integer UNIQUE, room text);
    CREATE TABLE books (id uuid PRIMARY KEY, legacy_id integer UNIQUE, shelf uuid NOT NULL REFERENCES shelves, title text UNIQUE,
                        pages integer CHECK (pages < 490), sequel_of uuid REFERENCES books)"""


@pytest.fixture
def library(pair):
    return pair(SOURCE, TARGET, SHELVES, BOOKS)


def report(world, session=None):
    """The report, which is as the interface says and holds no value."""
    agreed = interface()
    reply = wait_until_connected(world.daemon).call("Report", **({"session": session} if session else {}))
    assert agreed.problems(agreed.methods["Report"][1], reply) == []
    assert CANARY not in json.dumps(reply)
    reply["entities"] = {part["entity"]: part for part in reply["entities"]}
    return reply


def live(world, name):
    return world.target.value(f"SELECT count(*) FROM migrated.id_map_{name} WHERE gone IS NULL")


def in_target(world, name):
    return world.target.value(f"SELECT count(*) FROM {name}")


# --- figures ---------------------------------------------------------------------------------------------

COUNTS = ("inserted", "updated", "deleted", "unchanged", "failed", "parked", "warned")


def says_what_the_batches_did(world, made):
    """Every figure of the report, by plain SQL."""
    session = made["session"]["session"]
    for name, part in made["entities"].items():
        sums = world.target_sql(f"""SELECT {', '.join(f'coalesce(sum({count}), 0)' for count in COUNTS)}, count(*)
                                      FROM migrated.batch WHERE session = %s AND entity = %s AND done""", [session, name])[0]
        assert tuple(part[count] for count in (*COUNTS, "batches")) == tuple(map(int, sums))
        assert part["done"] == sum(part[count] for count in COUNTS[:-1])
    for count in (*COUNTS, "done", "batches", "retries"):
        assert made["session"][count] == sum(part[count] for part in made["entities"].values())
    letters = {(e, s, c, state): n for e, s, c, state, n in world.target_sql("""
        SELECT entity, sqlstate, constraint_name, state, count(*) FROM migrated.dead_letter WHERE session = %s GROUP BY 1, 2, 3, 4""",
        [session])}
    assert {(row["entity"], row["sqlstate"], row["constraint"], row["state"]): row["rows"] for row in made["dead_letters"]} == letters
    waiting = {row for row in world.target_sql("""
        SELECT entity, column_name, parent_entity, count(*) FROM migrated.parked WHERE session = %s GROUP BY 1, 2, 3""", [session])}
    assert {(row["entity"], row["column"], row["parent_entity"], row["rows"])
            for row in made["parked"] if not row["column_only"]} == waiting
    timeline = made["timeline"]
    assert sum(timeline["rows"]) == made["session"]["done"]
    assert len(timeline["rows"]) == timeline["steps"]
    assert {series["entity"]: sum(series["rows"]) for series in timeline["entities"]} == \
        {name: part["done"] for name, part in made["entities"].items() if part["done"]}


def test_the_figures_of_a_report_are_those_of_the_databases(library):
    session = library.migrate(batch_size=50)
    made = report(library)
    assert (made["session"]["session"], made["session"]["mode"], made["session"]["state"]) == (session.session, "initial", "completed")
    says_what_the_batches_did(library, made)
    books, shelves = made["entities"]["books"], made["entities"]["shelves"]
    assert (shelves["rows_before"], shelves["rows_after"], shelves["source_rows"], shelves["rows_counted"]) == (0, 20, 20, True)
    assert (books["rows_before"], books["rows_after"], books["source_rows"]) == (0, in_target(library, "books"), 500)
    assert books["rows_after"] + books["failed"] + books["parked"] == 500
    assert {row["sqlstate"] for row in made["dead_letters"]} == {"23514"} and books["failed"] > 10 and books["parked"] > 10
    rules = {(row["entity"], row["rule"], row["action"]): row["rows"] for row in made["rules"]}
    assert rules == {("shelves", "lit", "warn"): 4, ("books", "has_pages", "reject"): 10}
    assert (books["level"], books["refers_to"], books["deferred_to"]) == (1, ["shelves"], ["books"])
    assert (shelves["source"], shelves["target"], shelves["strategy"]) == ("shelves", "shelves", "sweep")
    assert {phase["phase"] for phase in made["phases"]} >= {"detecting", "preparing", "moving", "filling"}


def test_each_session_has_its_own_before_and_after(library):
    first = library.migrate()
    before = {name: live(library, name) for name in ("shelves", "books")}
    library.source_sql("""DELETE FROM books WHERE id BETWEEN 1 AND 30 AND id NOT IN (SELECT sequel_of FROM books WHERE sequel_of IS NOT NULL);
                          DELETE FROM books WHERE id > 400 AND id < 480; INSERT INTO shelves VALUES (21, 'new'), (22, 'new');
                          UPDATE books SET pages = 7 WHERE id = 100""")
    second = library.migrate()
    made = report(library)
    assert made["session"]["session"] == second.session and made["session"]["mode"] == "differential"
    says_what_the_batches_did(library, made)
    for name, part in made["entities"].items():
        assert (part["rows_before"], part["rows_after"]) == (before[name], live(library, name)), name
        assert part["rows_after"] == in_target(library, name)
    assert made["entities"]["books"]["deleted"] > 0 and made["entities"]["shelves"]["inserted"] == 2
    again = report(library, first.session[:8])
    assert again["session"]["session"] == first.session and again["entities"]["shelves"]["rows_after"] == 20
    says_what_the_batches_did(library, again)


def test_what_is_known_from_the_session_before_is_not_believed_once_rows_were_removed(library):
    library.migrate()
    library.target_sql("""DELETE FROM migrated.id_map_shelves WHERE k1 = 20; SELECT migrated.adopt_id_map('shelves')""")
    library.source_sql("UPDATE shelves SET room = 'other' WHERE id = 1")
    library.migrate()
    part = report(library)["entities"]["shelves"]
    assert (part["rows_before"], part["rows_after"]) == (20, 20)  # adopted again before it was opened
    assert live(library, "shelves") == 20


def test_a_session_that_carries_only_what_was_asked_for_has_a_report_too(library):
    library.migrate()
    library.source_sql("UPDATE books SET pages = 5 WHERE id = 50")
    asked = library.daemon.call("RetryDeadLetters", entity="books", all=True)
    watch(library.daemon, asked["session"])
    made = report(library)
    assert (made["session"]["session"], made["session"]["mode"]) == (asked["session"], "again")
    assert made["entities"]["books"]["source_rows"] is None
    says_what_the_batches_did(library, made)


def test_a_session_without_rows_has_a_report(pair):
    world = pair(SOURCE.split("INSERT")[0], TARGET, SHELVES, BOOKS)
    world.migrate()
    made = report(world)
    says_what_the_batches_did(world, made)
    assert (made["session"]["done"], made["session"]["total"], sum(made["timeline"]["rows"])) == (0, 0, 0)
    world.daemon.ctl("report")


# --- course ----------------------------------------------------------------------------------------------

def test_pauses_are_told_and_a_session_under_way_is_reported_as_far_as_it_is(library):
    with held(library.target, "books"):
        session = start_migration(library.daemon, batch_size=50)
        wait_until_blocked(library.target)
        library.daemon.call("Pause")
        wait_until(lambda: library.target.value("SELECT hold FROM migrated.session WHERE session = %s", [session]) == "operator")
        made = report(library)
        assert (made["session"]["state"], made["session"]["hold"]) == ("paused", "operator")
        assert made["entities"]["books"]["state"] == "paused" and made["session"]["finished"] is None
        assert [(hold["hold"], hold["ended"]) for hold in made["holds"]] == [("operator", None)]
    library.daemon.call("Resume")
    wait_until(lambda: library.target.value("SELECT state FROM migrated.session WHERE session = %s", [session]) == "completed")
    made = report(library)
    assert [hold["hold"] for hold in made["holds"]] == ["operator"] and made["holds"][0]["ended"] is not None
    assert made["session"]["stood_still_ms"] == sum(hold["ms"] for hold in made["holds"])
    says_what_the_batches_did(library, made)


def test_retries_are_counted_and_survive_the_daemon(library):
    library.daemon.stop()
    library.daemon.config["settings"].update({"lock_timeout": "100ms", "statement_timeout": "10s"})
    library.daemon.write_config()
    library.daemon.start()
    with held(library.target, "books"):
        session = start_migration(library.daemon)
        wait_until(lambda: any(part["attempts"] > 1 for part in library.daemon.call("Status")["entities"]), 30)
    wait_until(lambda: library.target.value("SELECT state FROM migrated.session WHERE session = %s", [session]) == "completed", 30)
    made = report(library)
    assert made["entities"]["books"]["retries"] >= 2 and made["entities"]["shelves"]["retries"] == 0
    assert ("settings.lock_timeout", "100ms", False) in [tuple(setting.values()) for setting in made["settings"]]
    library.daemon.stop()
    library.daemon.start()
    assert report(library)["entities"]["books"]["retries"] == made["entities"]["books"]["retries"]


def test_a_failed_session_says_which_entity_failed_and_why(library):
    library.migrate()
    before = live(library, "books")
    library.target_sql("ALTER TABLE books DROP COLUMN title")
    library.migrate(expect="failed")
    made = report(library)
    assert made["session"]["state"] == "failed"
    assert made["entities"]["books"]["state"] == "failed" and "title" in made["entities"]["books"]["reason"]
    for name, rows in (("shelves", 20), ("books", before)):  # also of one that was never begun
        part = made["entities"][name]
        assert (part["rows_before"], part["rows_after"], part["rows_counted"]) == (rows, rows, True)


def test_what_validation_found_is_told_by_check_and_kind(library):
    library.migrate()
    library.target_sql("UPDATE books SET pages = 3 WHERE legacy_id IN (20, 40); DELETE FROM shelves WHERE legacy_id = 25")
    library.target_sql("UPDATE books SET title = 'other' WHERE legacy_id = 100")
    assert report(library)["validations"] == []
    for _ in library.daemon.stream("Validate", checks=["counts", "values"]):
        pass
    rows = {(row["entity"], row["check"]): row for row in report(library)["validations"]}
    assert {key: (row["state"], row["differences"]) for key, row in rows.items()} == {
        (entity, check): (state, differences) for entity, check, state, differences in library.target_sql("""
            SELECT entity, "check", state, differences FROM migrated.validation_entity""")}
    assert rows["books", "values"]["kinds"][0]["kind"] == "changed" and rows["books", "values"]["step"] is None
    assert "differs" in library.daemon.ctl("report").stdout
    first = report(library)["session"]["session"]
    library.migrate()  # what was validated before is not of this session
    assert report(library)["validations"] == [] != report(library, first)["validations"]


# --- who asks what ---------------------------------------------------------------------------------------

def test_a_report_names_what_it_cannot_find(library):
    wait_until_connected(library.daemon)
    assert "no session yet" in library.daemon.ctl("report", check=False).stderr
    library.migrate()
    with pytest.raises(VarlinkError, match="NoSuchSession"):
        library.daemon.call("Report", session="00000000")
    assert library.daemon.ctl("report", "00000000", check=False).returncode == 4
    assert library.daemon.ctl_json("report")["session"]["state"] == "completed"


def test_an_older_control_schema_is_named_as_the_reason_why_there_is_no_report(library):
    library.migrate()
    library.target_sql("ALTER TABLE migrated.session_hold RENAME TO something_else")
    refused = library.daemon.ctl("report", check=False)
    assert refused.returncode == 1 and "older version" in refused.stderr


def test_no_secret_is_among_the_settings(library):
    library.migrate()
    made = report(library)
    names = {setting["name"] for setting in made["settings"]}
    assert "settings.batch_size" in names and not any("conninfo" in name for name in names)
    text = json.dumps(made) + library.daemon.ctl("report").stdout
    assert library.source.conninfo not in text and library.target.conninfo not in text
    assert CANARY not in text
