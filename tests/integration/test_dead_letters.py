"""Dead letters as people see them and deal with them: list, show, retry, discard."""

import json
import os

import pytest
from interface import interface
from mapping import entity
from sessions import (dead_letters, held, start_migration, wait_until_blocked, wait_until_connected, wait_until_ended)
from varlink import VarlinkError
from waiting import wait_until

SOURCE = """
CREATE TABLE offices (id integer PRIMARY KEY, name text, seats integer);
CREATE TABLE desks (id integer PRIMARY KEY, office_id integer, name text);
INSERT INTO offices SELECT i, 'office ' || i, i FROM generate_series(1, 20) AS i;
INSERT INTO desks SELECT i, 1 + i % 20, 'desk ' || i FROM generate_series(1, 60) AS i;
UPDATE offices SET name = NULL WHERE id = 3;
UPDATE offices SET seats = -4 WHERE id = 5;
"""

TARGET = """
CREATE TABLE offices (id uuid PRIMARY KEY, legacy_id integer UNIQUE, name text NOT NULL, seats integer CHECK (seats > 0));
CREATE TABLE desks (id uuid PRIMARY KEY, legacy_id integer UNIQUE, office_id uuid NOT NULL REFERENCES offices, name text);
"""

ENTITIES = [
    entity("offices", {"name": "name", "seats": "seats"}, on_delete="delete"),
    entity("desks", {"office_id": {"references": "offices", "from": "office_id"}, "name": "name"}, on_delete="delete"),
]


def checked(method, reply):
    """The reply, which is of the interface's type."""
    agreed = interface()
    assert agreed.problems(agreed.methods[method][1], reply) == []
    return reply


# --- list ------------------------------------------------------------------------------------------

def test_open_letters_are_listed_with_what_stood_in_their_way(pair):
    world = pair(SOURCE, TARGET, *ENTITIES)
    world.migrate()
    reply = checked("ListDeadLetters", world.daemon.call("ListDeadLetters"))
    assert {(letter["legacy_key"][0], letter["sqlstate"], letter["column"], letter["constraint"], letter["attempts"])
            for letter in reply["letters"]} == {("3", "23502", "name", None, 1), ("5", "23514", None, "offices_seats_check", 1)}
    assert reply["total"] == 2
    text = world.daemon.ctl("dead-letters").stdout
    assert "23502" in text and "offices_seats_check" in text and "2 rows." in text


def test_letters_are_chosen_by_entity_session_sqlstate_and_state(pair):
    world = pair(SOURCE, TARGET, *ENTITIES)
    first = world.migrate().session

    def listed(*arguments):
        reply = json.loads(world.daemon.ctl("dead-letters", "list", "--json", *arguments).stdout)
        return sorted(letter["legacy_key"][0] for letter in reply["letters"]), reply["total"]

    assert listed("--entity", "offices") == (["3", "5"], 2)
    assert listed("--entity", "desks") == ([], 0)
    assert listed("--sqlstate", "23502") == (["3"], 1)
    assert listed("--sqlstate", "23") == (["3", "5"], 2)
    assert listed("--sqlstate", "2%") == ([], 0)
    assert listed("--session", first[:8]) == (["3", "5"], 2)
    assert world.daemon.ctl("dead-letters", "list", "--session", "ffffffff", check=False).returncode == 4
    assert listed("--limit", "1") in ((["3"], 2), (["5"], 2))
    world.source_sql("UPDATE offices SET name = 'mended' WHERE id = 3")
    world.migrate()
    assert listed() == (["5"], 1)
    assert listed("--state", "resolved") == (["3"], 1)
    assert listed("--state", "all") == (["3", "5"], 2)


@pytest.mark.empty_target
def test_without_a_control_schema_there_are_no_dead_letters(pair):
    world = pair(SOURCE, TARGET, *ENTITIES)
    wait_until_connected(world.daemon)
    assert world.daemon.ctl("dead-letters").stdout == "There are no open dead letters.\n"
    assert world.target.value("SELECT to_regnamespace('migrated')") is None


def test_nothing_found_of_an_entity_says_where_their_names_stand(pair):
    world = pair(SOURCE, TARGET, *ENTITIES)
    world.migrate()
    for command in (["dead-letters", "list"], ["dead-letters", "retry"], ["dead-letters", "discard"], ["parked"], ["conflicts", "list"]):
        assert 'migratectl plan lists the entities, if "ofices" is none' in world.daemon.ctl(*command, "--entity", "ofices").stdout


# --- show ------------------------------------------------------------------------------------------

def letter_of(world, entity_name, key, state="open"):
    """The id of a row's letter."""
    return world.target.value("SELECT id FROM migrated.dead_letter WHERE entity = %s AND legacy_key = %s AND state = %s",
                              [entity_name, [str(key)], state])


def test_one_letter_is_shown_with_everything_but_the_row(pair):
    world = pair(SOURCE.replace("'office ' || i, i", "'canary of ' || i, i"), TARGET, *ENTITIES)
    world.migrate()
    shown = checked("ShowDeadLetter", world.daemon.call("ShowDeadLetter", id=letter_of(world, "offices", 5)))
    assert shown["letter"]["constraint"] == "offices_seats_check"
    assert (shown["letter"]["mapped"], shown["queued"], shown["discarded_by"]) == (False, False, None)
    assert shown["waiting"] == 3
    assert shown["waiting_rows"] == [{"entity": "desks", "legacy_key": [key]} for key in ("4", "24", "44")]
    assert "canary" not in json.dumps(shown)
    # The statement that it names shows the row, in the target alone.
    assert "canary of 5" in world.target.value(shown["row_sql"])
    text = world.daemon.ctl("dead-letters", "show", letter_of(world, "offices", 5)).stdout
    assert "Dead letter" in text and "CHECK constraint" in text and "desks 4, desks 24, desks 44" in text
    assert max(map(len, text.splitlines())) <= 80
    assert "canary" not in text + world.daemon.ctl("dead-letters").stdout + world.daemon.ctl("parked").stdout


def test_a_letter_of_a_mapped_row_says_that_an_older_version_is_in_the_target(pair):
    world = pair(SOURCE, TARGET, *ENTITIES)
    world.migrate()
    world.source_sql("UPDATE offices SET seats = -1 WHERE id = 7")
    world.migrate()
    assert world.daemon.call("ShowDeadLetter", id=letter_of(world, "offices", 7))["letter"]["mapped"] is True


def test_a_letter_that_there_is_not_is_exit_status_4(pair):
    world = pair(SOURCE, TARGET, *ENTITIES)
    wait_until_connected(world.daemon)
    for prepared in (False, True):
        if prepared:
            world.migrate()
        for arguments in (["show", "999"], ["retry", "999"], ["discard", "999"]):
            result = world.daemon.ctl("dead-letters", *arguments, check=False)
            assert (result.returncode, "999" in result.stderr) == (4, True), result


# --- retry -----------------------------------------------------------------------------------------

def state_of_detection(world):
    """What a session without detection must leave as it is."""
    return world.target_sql("SELECT entity, fingerprint, watermark::text, observed, last_sweep FROM migrated.entity ORDER BY 1")


def retry(world, *arguments, expect=0):
    result = world.daemon.ctl("dead-letters", "retry", *arguments, "--wait", check=False)
    assert result.returncode == expect, result
    return result


def test_retry_takes_the_rows_present_state_and_closes_the_letter(pair):
    world = pair(SOURCE, TARGET, *ENTITIES)
    world.migrate()
    world.migrate(strategy="sweep")
    before = state_of_detection(world)
    world.source_sql("UPDATE offices SET name = 'mended' WHERE id = 3; UPDATE offices SET name = 'not yet' WHERE id = 9")
    retry(world, letter_of(world, "offices", 3))
    assert set(dead_letters(world, "offices")) == {"5"}
    assert set(dead_letters(world, "offices", "resolved")) == {"3"}
    assert world.target_sql("SELECT name FROM offices WHERE legacy_id IN (3, 9) ORDER BY legacy_id") == [("mended",), ("office 9",)]
    # Its children have followed in the same session; what else has changed is left to detection.
    assert world.target.value("SELECT count(*) FROM desks AS d JOIN offices AS o ON o.id = d.office_id WHERE o.legacy_id = 3") == 3
    assert state_of_detection(world) == before
    assert world.target.value("SELECT count(*) FROM migrated.again") == 0
    assert world.target_sql("SELECT mode, state FROM migrated.session ORDER BY number DESC LIMIT 1") == [("again", "completed")]
    assert world.detect().modified == 1  # row 9, still to be found


def test_a_row_that_fails_again_stays_open_and_counts_its_attempts(pair):
    world = pair(SOURCE, TARGET, *ENTITIES)
    world.migrate()
    retry(world, "--all", expect=1)
    assert world.target_sql("SELECT legacy_key[1], attempts, state FROM migrated.dead_letter ORDER BY 1") == \
        [("3", 2, "open"), ("5", 2, "open")]
    assert world.target.value("SELECT count(*) FROM migrated.again") == 0


def test_letters_are_retried_by_what_they_have_in_common(pair):
    world = pair(SOURCE, TARGET, *ENTITIES)
    session = world.migrate().session

    def attempts():
        return dict(world.target_sql("SELECT legacy_key[1], attempts FROM migrated.dead_letter"))

    retry(world, "--sqlstate", "23514", expect=1)
    assert attempts() == {"3": 1, "5": 2}
    retry(world, "--entity", "offices", "--sqlstate", "23502", expect=1)
    assert attempts() == {"3": 2, "5": 2}
    assert "nothing to be tried again" in retry(world, "--entity", "desks").stdout
    assert "nothing to be tried again" in retry(world, "--session", session[:8]).stdout  # they were tried in others since
    assert attempts() == {"3": 2, "5": 2}


def test_nothing_named_means_nothing(pair):
    world = pair(SOURCE, TARGET, *ENTITIES)
    world.migrate()
    for command in ("retry", "discard"):
        result = world.daemon.ctl("dead-letters", command, check=False)
        assert (result.returncode, "which dead letters?" in result.stderr) == (2, True), result
    for method in ("RetryDeadLetters", "DiscardDeadLetters"):
        with pytest.raises(VarlinkError, match="InvalidParameter"):
            world.daemon.call(method, ids=[])
    assert set(dead_letters(world, "offices")) == {"3", "5"}


def test_a_retried_row_that_is_gone_from_the_source_closes_its_letter(pair):
    world = pair(SOURCE, TARGET, *ENTITIES)
    world.migrate()
    world.source_sql("UPDATE offices SET seats = -1 WHERE id = 7")
    world.migrate()
    world.source_sql("DELETE FROM offices WHERE id IN (5, 7)")
    retry(world, letter_of(world, "offices", 5), letter_of(world, "offices", 7))
    messages = dict(world.target_sql("SELECT legacy_key[1], message FROM migrated.dead_letter WHERE state = 'resolved'"))
    assert messages["5"] == "not in the source any more"
    assert "next sweep" in messages["7"]  # an older version of it is in the target
    assert world.target.value("SELECT count(*) FROM offices WHERE legacy_id = 7") == 1
    world.source_sql("DELETE FROM desks WHERE office_id IN (5, 7)")
    world.migrate()
    assert world.target.value("SELECT count(*) FROM offices WHERE legacy_id = 7") == 0
    assert world.detect().deleted == 0


def test_a_refused_deletion_is_retried_as_a_deletion(pair):
    world = pair(SOURCE, TARGET + "CREATE TABLE mine (office uuid REFERENCES offices)", *ENTITIES)
    world.migrate()
    world.target_sql("INSERT INTO mine SELECT id FROM offices WHERE legacy_id IN (8, 9)")
    world.source_sql("DELETE FROM desks WHERE office_id IN (8, 9); DELETE FROM offices WHERE id IN (8, 9)")
    world.migrate()
    assert dead_letters(world, "offices")["8"][0] == "23503"
    world.target_sql("DELETE FROM mine")
    world.source_sql("INSERT INTO offices VALUES (9, 'office 9', 9)")  # this one is back
    retry(world, letter_of(world, "offices", 8), letter_of(world, "offices", 9))
    assert world.target_sql("SELECT legacy_id FROM offices WHERE legacy_id IN (8, 9)") == [(9,)]
    assert set(dead_letters(world, "offices")) == {"3", "5"}
    assert world.target.value("SELECT count(*) FROM migrated.again") == 0


def test_an_entity_whose_mapping_has_changed_is_left_to_its_next_session(pair):
    world = pair(SOURCE, TARGET, *ENTITIES)
    world.migrate()
    changed = [{**ENTITIES[0], "columns": {"name": {"sql": "coalesce(name, 'nameless')"}, "seats": "seats"}}, ENTITIES[1]]
    world.change_mapping(changed)
    wait_until_connected(world.daemon)
    reply = checked("RetryDeadLetters", world.daemon.call("RetryDeadLetters", ids=[letter_of(world, "offices", 3)]))
    assert (reply["rows"], reply["session"]) == (1, None)
    assert [(later["entity"], later["rows"]) for later in reply["later"]] == [("offices", 1)]
    assert "mapping has changed" in reply["later"][0]["reason"]
    assert world.target.value("SELECT count(*) FROM migrated.again") == 1
    world.migrate()
    assert set(dead_letters(world, "offices")) == {"5"}
    assert world.target.value("SELECT count(*) FROM migrated.again") == 0


# --- discard -----------------------------------------------------------------------------------------

def test_a_discarded_row_is_left_alone_until_it_changes(pair):
    world = pair(SOURCE, TARGET, *ENTITIES)
    world.migrate()
    number = letter_of(world, "offices", 3)
    assert world.daemon.ctl("dead-letters", "discard", number).stdout.startswith("1 row is discarded")
    assert world.target_sql("SELECT decided_by, decided_at IS NOT NULL FROM migrated.dead_letter WHERE id = %s", [number]) == \
        [(os.getuid(), True)]
    world.migrate(strategy="sweep")
    world.migrate(full=True)
    assert set(dead_letters(world, "offices", "discarded")) == {"3"}
    retry(world, "--all", expect=1)  # is about those that are open
    assert set(dead_letters(world, "offices", "discarded")) == {"3"}
    assert world.daemon.ctl("dead-letters", "discard", number).stdout.startswith("There is nothing to be discarded")
    world.source_sql("UPDATE offices SET seats = 33 WHERE id = 3")
    world.migrate()
    assert set(dead_letters(world, "offices")) == {"3", "5"}  # it has changed, and is no better
    world.daemon.ctl("dead-letters", "discard", number)
    world.source_sql("UPDATE offices SET name = 'mended' WHERE id = 3")
    world.migrate()
    assert set(dead_letters(world, "offices", "resolved")) == {"3"}
    world.finds_nothing()


def test_a_discarded_row_that_is_gone_is_found_gone_once(pair):
    world = pair(SOURCE, TARGET, *ENTITIES)
    world.migrate()
    world.daemon.ctl("dead-letters", "discard", "--all")
    world.source_sql("DELETE FROM offices WHERE id IN (3, 5)")
    world.migrate()
    assert set(dead_letters(world, "offices", "resolved")) == {"3", "5"}
    assert world.detect().deleted == 0


def test_retry_of_a_discarded_row_opens_its_letter_again(pair):
    world = pair(SOURCE, TARGET, *ENTITIES)
    world.migrate()
    number = letter_of(world, "offices", 3)
    world.daemon.ctl("dead-letters", "discard", number)
    retry(world, number, expect=1)
    assert set(dead_letters(world, "offices")) == {"3", "5"}


# --- beside a session, in cycles, across lives -----------------------------------------------------

def test_a_session_under_way_takes_rows_of_entities_it_has_not_counted(pair):
    world = pair(SOURCE, TARGET, *ENTITIES)
    world.migrate()
    world.source_sql("UPDATE offices SET name = 'mended' WHERE id = 3; UPDATE offices SET name = 'changed' WHERE id = 1")
    number = letter_of(world, "offices", 5)
    world.target_sql("INSERT INTO migrated.dead_letter (entity, legacy_key, session, batch, phase, sqlstate, message, mapped)"
                     " SELECT 'desks', '{1}', session, 1, 'write', '23514', 'x', true FROM migrated.session LIMIT 1")
    with held(world.target, "offices"):
        session = start_migration(world.daemon)
        wait_until_blocked(world.target)
        assert "offices" in world.daemon.ctl("dead-letters").stdout  # looking does not wait
        assert world.daemon.call("ShowDeadLetter", id=number)["letter"]["id"] == number
        assert checked("ListParked", world.daemon.call("ListParked"))["total"] == 6
        reply = world.daemon.call("RetryDeadLetters", ids=[letter_of(world, "desks", 1), number])
    assert (reply["rows"], reply["session"], reply["begun"]) == (2, session, False)
    assert [(later["entity"], later["rows"]) for later in reply["later"]] == [("offices", 1)]
    wait_until(lambda: world.target.value("SELECT attempts FROM migrated.dead_letter WHERE id = %s", [number]) == 2, 30,
               "the rest is tried when that session is over")
    wait_until_ended(world.daemon)
    assert set(dead_letters(world, "desks", "resolved")) == {"1"}
    assert world.target_sql("SELECT mode FROM migrated.session ORDER BY number") == [("initial",), ("differential",), ("again",)]


def test_rows_that_were_asked_for_make_a_cycle_of_their_own(pair):
    world = pair(SOURCE, TARGET, *ENTITIES)
    world.migrate()
    world.daemon.stop()
    world.target_sql("INSERT INTO migrated.again (entity, legacy_key, reason) VALUES ('offices', '{3}', 'repair')")
    world.daemon.config["schedule"] = {"every": "1s", "sweep_every": "0"}
    world.daemon.write_config()
    world.daemon.start()
    wait_until(lambda: world.target.value("SELECT count(*) FROM migrated.again") == 0, 30, "it was tried")
    world.target_sql("INSERT INTO migrated.again (entity, legacy_key, reason) VALUES ('offices', '{3}', 'repair')")
    wait_until(lambda: world.target.value("SELECT attempts FROM migrated.dead_letter WHERE legacy_key = '{3}'") == 3, 30,
               "a cycle has tried it")


def test_killed_after_it_was_asked_it_tries_them_in_its_next_life(pair, databases, start_daemon):
    world = pair(SOURCE, TARGET, *ENTITIES)
    world.migrate()
    world.daemon.stop()
    daemon = start_daemon(databases, entities=ENTITIES, fault="again.asked:kill:1")
    wait_until_connected(daemon)
    daemon.ctl("dead-letters", "retry", "--all", check=False)
    daemon.wait_until_killed()
    assert world.target.value("SELECT count(*) FROM migrated.again") == 2
    daemon.fault = ""
    daemon.start()
    wait_until(lambda: world.target_sql("SELECT attempts FROM migrated.dead_letter") == [(2,), (2,)], 30, "they were tried")


def test_a_daemon_that_stands_by_shows_letters_and_decides_nothing(pair, databases, start_daemon):
    world = pair(SOURCE, TARGET, *ENTITIES)
    world.migrate()
    other = start_daemon(databases, entities=ENTITIES)
    wait_until_connected(other)
    assert "2 rows." in other.ctl("dead-letters").stdout
    assert "6 rows." in other.ctl("parked").stdout
    for command in ("retry", "discard"):
        result = other.ctl("dead-letters", command, "--all", check=False)
        assert (result.returncode, "stands by" in result.stderr) == (1, True), result
    assert set(dead_letters(world, "offices")) == {"3", "5"}


def test_a_target_that_cannot_be_reached_is_named(pair, databases, start_daemon):
    daemon = start_daemon(databases, target="host=127.0.0.1 port=1 dbname=nowhere", entities=ENTITIES)
    for command in (["dead-letters"], ["dead-letters", "show", "1"], ["parked"], ["dead-letters", "retry", "--all"]):
        result = daemon.ctl(*command, check=False)
        assert (result.returncode, "target" in result.stderr) == (1, True), result
