"""migratectl explain: where one row is, and why it is not as in the source. What it says is held against both databases, and against
what a session then does."""

import functools

import pytest
from identities import OBSERVER, OPERATOR, STRANGER, known_to, needs_root
from interface import interface
from mapping import entity
from sessions import dead_letters, migrate, wait_until_connected
from varlink import Varlink, VarlinkError
from waiting import wait_until

SOURCE = """CREATE TABLE things (id integer PRIMARY KEY, value text, other text, visible boolean NOT NULL DEFAULT true);
    INSERT INTO things SELECT i, 'value ' || i, 'other ' || i FROM generate_series(1, 5) AS i"""
TARGET = """CREATE TABLE things (id uuid PRIMARY KEY, legacy_id integer UNIQUE, value text NOT NULL, other text, note text,
    is_active boolean NOT NULL DEFAULT true)"""
COLUMNS = {"value": "value", "other": "other"}


def things(**rest):
    return entity("things", COLUMNS, **{"on_delete": "delete", **rest})


@pytest.fixture
def world(pair):
    world = pair(SOURCE, TARGET, things(source={"table": "things", "where": "visible"}))
    world.migrate()
    return world


def explain(world, key, name="things", **parameters):
    """The reply, which must be of the type that the interface says."""
    reply = wait_until_connected(world.daemon).call("Explain", entity=name, key=str(key), **parameters)
    assert interface().problems(interface().methods["Explain"][1], reply) == []
    return reply


def said(world, key, name="things", *options, status=0):
    """What migratectl says: its first line, and all of it."""
    result = world.daemon.ctl("explain", *options, name, key, check=False)
    assert result.returncode == status, result.stdout + result.stderr
    return result.stdout.splitlines()[0], result.stdout


def state_of(world, key, name="things"):
    return explain(world, key, name)["state"]


def target_key(world, key, name="things"):
    return str(world.target.value(f"SELECT id FROM {name} WHERE legacy_id = {key}"))


# --- states -------------------------------------------------------------------------------------

def test_a_row_that_is_as_in_the_source_is_equal_and_its_history_names_the_session(world):
    row = explain(world, 2)
    assert (row["state"], row["legacy_key"], row["target_key"]) == ("equal", ["2"], [target_key(world, 2)])
    assert row["compared"] and row["columns"] == [] and row["handled"]
    assert (row["map"]["present"], row["map"]["edited"], row["map"]["carries"]) == (True, False, ["2"])
    session = world.target.value("SELECT session::text FROM migrated.session")
    assert row["map"]["session"] == session
    first, text = said(world, 2)
    assert first == f"things 2 is in the target as {target_key(world, 2)}, and equal to the source."
    assert "Next" not in text


def test_a_row_that_neither_side_has_is_unknown(world):
    row = explain(world, 77)
    assert (row["state"], row["source"]["present"], row["map"], row["history"]) == ("unknown", False, None, [])
    first, _ = said(world, 77, status=4)
    assert first == "things 77 is nowhere: neither database has it, and it was never seen."


def test_a_row_that_the_mapping_leaves_out_is_filtered(world):
    world.source_sql("INSERT INTO things VALUES (6, 'six', NULL, false)")
    row = explain(world, 6)
    assert (row["state"], row["source"]["present"], row["source"]["wanted"]) == ("filtered", True, False)
    assert said(world, 6)[0] == "things 6 is in the source, and the mapping leaves it out (where)."


def test_a_new_row_and_a_changed_one_wait_for_a_session_which_then_carries_them(world):
    world.source_sql("INSERT INTO things VALUES (6, 'six', NULL)")
    world.source_sql("UPDATE things SET other = 'changed' WHERE id = 2")
    assert state_of(world, 6) == "new"
    row = explain(world, 2)
    assert (row["state"], row["handled"], row["columns"]) == ("changed", False, ["other"])
    assert "migratectl migrate --entities things --strategy sweep --wait" in said(world, 2)[1]
    world.migrate()
    assert (state_of(world, 6), state_of(world, 2)) == ("equal", "equal")


def test_what_an_analysis_has_found_is_noted(world):
    world.source_sql("UPDATE things SET other = 'changed' WHERE id = 2")
    world.source_sql("DELETE FROM things WHERE id = 3")
    world.detect()
    assert explain(world, 2)["noted"] == {"session": None, "kind": "modified"}
    assert explain(world, 3)["noted"] == {"session": None, "kind": "deleted"}
    assert explain(world, 4)["noted"] is None
    assert "It is noted; the next session carries it:\n  migratectl migrate --wait\n" in said(world, 2)[1]


@pytest.mark.empty_target
def test_before_the_first_migration_rows_are_new_and_nothing_is_made_in_the_target(pair):
    world = pair(SOURCE, TARGET, things())
    assert said(world, 2)[0] == "things 2 is in the source, and was not carried over yet: its entity was never migrated."
    assert (state_of(world, 2), state_of(world, 77)) == ("new", "unknown")
    assert explain(world, "00000000-0000-0000-0000-000000000001", target=True)["state"] == "unknown"
    with pytest.raises(VarlinkError) as refused:
        explain(world, "seven")
    assert refused.value.parameters["kind"] == "usage"
    assert world.target.value("SELECT to_regnamespace('migrated') IS NULL")
    world.migrate()
    assert state_of(world, 2) == "equal"


@pytest.mark.parametrize("on_delete,state", [("delete", "deleted"), ({"mark": {"is_active": False}}, "marked"), ("ignore", "left")])
def test_a_row_that_is_gone_is_dealt_with_as_the_mapping_says(pair, on_delete, state):
    world = pair(SOURCE, TARGET, things(on_delete=on_delete))
    world.migrate()
    key = target_key(world, 2)
    world.source_sql("DELETE FROM things WHERE id = 2")
    row = explain(world, 2)
    assert (row["state"], row["target_key"]) == ("leaving", [key])
    assert "--strategy sweep" in said(world, 2)[1]
    world.migrate()
    row = explain(world, 2)
    assert (row["state"], row["target"]["present"], row["map"]["gone"] is not None) == (state, state != "deleted", True)
    world.source_sql("INSERT INTO things VALUES (2, 'back', NULL)")
    assert state_of(world, 2) == "back"
    world.migrate()
    assert (state_of(world, 2), target_key(world, 2)) == ("equal", key)


def test_a_row_that_the_mapping_does_not_take_any_more_is_gone(world):
    world.source_sql("UPDATE things SET visible = false WHERE id = 2")
    row = explain(world, 2)
    assert (row["state"], row["source"]["present"]) == ("leaving", True)
    world.migrate()
    assert state_of(world, 2) == "deleted"


def test_a_dead_letter_says_why_and_what_can_be_done(world):
    world.source_sql("UPDATE things SET value = NULL WHERE id = 2")
    world.migrate()
    row = explain(world, 2)
    assert (row["state"], row["letter"]["sqlstate"], row["letter"]["column"]) == ("dead_letter", "23502", "value")
    assert row["target"]["present"]
    letter = row["letter"]["id"]
    first, text = said(world, 2)
    assert first == f"things 2 could not be carried over: it is dead letter {letter} (23502 value); an older version of it " \
                    "stands in the target."
    assert f"migratectl dead-letters retry {letter} --wait" in text
    world.daemon.ctl("dead-letters", "discard", letter)
    assert state_of(world, 2) == "discarded"
    world.source_sql("UPDATE things SET value = 'good' WHERE id = 2")
    assert state_of(world, 2) == "changed"
    world.migrate()
    assert state_of(world, 2) == "equal"


def test_a_row_that_was_edited_in_the_target_names_its_columns_and_no_values(world):
    world.target_sql("UPDATE things SET value = 'a secret', other = 'another' WHERE legacy_id = 2")
    row = explain(world, 2)
    assert (row["state"], row["columns"], row["map"]["edited"]) == ("edited", ["value", "other"], True)
    first, text = said(world, 2)
    assert first.endswith("and was edited there: value, other are not as in the source.")
    assert "secret" not in text + str(row) and "value 2" not in text + str(row)
    # Columns that the mapping does not fill are nobody's business.
    world.target_sql("UPDATE things SET note = 'mine' WHERE legacy_id = 3")
    assert state_of(world, 3) == "equal"


def test_a_row_that_a_trigger_of_the_target_has_changed_is_different_and_not_edited(pair):
    world = pair(SOURCE, TARGET + """;
        CREATE FUNCTION shout() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.value := upper(NEW.value); RETURN NEW; END $$;
        CREATE TRIGGER shout BEFORE INSERT OR UPDATE ON things FOR EACH ROW EXECUTE FUNCTION shout()""", things())
    world.migrate()
    row = explain(world, 2)
    assert (row["state"], row["columns"], row["map"]["edited"]) == ("different", ["value"], False)


def test_a_row_that_was_deleted_in_the_target_is_lost(world):
    key = target_key(world, 2)
    world.target_sql("DELETE FROM things WHERE legacy_id = 2")
    row = explain(world, 2)
    assert (row["state"], row["target_key"], row["target"]["present"]) == ("lost", [key], False)
    assert said(world, 2)[0] == f"things 2 was carried over as {key}, and that row is not in the target any more: it was deleted there."


def test_a_row_whose_target_carries_another_key_is_swapped(world):
    world.target_sql("UPDATE things SET legacy_id = 100 WHERE legacy_id = 2; UPDATE things SET legacy_id = 2 WHERE legacy_id = 3")
    row = explain(world, 2)
    assert (row["state"], row["map"]["carries"]) == ("swapped", ["100"])
    assert row["carriers"] == [explain(world, 3)["target_key"]]


def test_a_target_row_that_carries_a_key_of_no_source_row_is_extra(world):
    world.target_sql("INSERT INTO things (id, legacy_id, value) VALUES ('00000000-0000-0000-0000-000000000001', 50, 'mine')")
    row = explain(world, 50)
    assert (row["state"], row["carriers"]) == ("extra", [["00000000-0000-0000-0000-000000000001"]])


def test_rows_wait_when_the_mapping_has_changed(world):
    world.change_mapping([things(source={"table": "things", "where": "visible"}, rules={"some": {"before": "id > 0", "action": "reject"}})])
    row = explain(world, 2)
    assert (row["state"], row["mapping"]) == ("mapping_changed", "changed")
    assert "migratectl migrate --entities things --wait" in said(world, 2)[1]
    world.migrate()
    assert state_of(world, 2) == "equal"


# --- conflicts ----------------------------------------------------------------------------------

def test_a_conflict_that_is_held_is_named_and_what_is_decided_shows(pair):
    world = pair(SOURCE, TARGET, things(on_conflict="hold"))
    world.migrate()
    world.target_sql("UPDATE things SET value = 'edited' WHERE legacy_id IN (2, 3)")
    world.source_sql("UPDATE things SET value = 'changed' WHERE id = 2; DELETE FROM things WHERE id = 3")
    world.migrate()
    row = explain(world, 2)
    assert (row["state"], [conflict["state"] for conflict in row["conflicts"]]) == ("held", ["held"])
    number = row["conflicts"][0]["id"]
    assert f"migratectl conflicts resolve {number} --source" in said(world, 2)[1]
    assert state_of(world, 3) == "deletion_held"
    world.daemon.ctl("conflicts", "resolve", number, "--target")
    assert state_of(world, 2) == "kept"
    world.daemon.ctl("conflicts", "resolve", explain(world, 3)["conflicts"][0]["id"], "--target")
    row = explain(world, 3)
    assert row["state"] in ("deleted", "leaving"), row


# --- waiting ------------------------------------------------------------------------------------

FAMILY = """CREATE TABLE a (id integer PRIMARY KEY, parent_id integer, value text);
    CREATE TABLE b (id integer PRIMARY KEY, parent_id integer, value text);
    CREATE TABLE c (id integer PRIMARY KEY, parent_id integer, value text);"""
FAMILY_TARGET = """CREATE TABLE a (id uuid PRIMARY KEY, legacy_id integer UNIQUE, value text NOT NULL);
    CREATE TABLE b (id uuid PRIMARY KEY, legacy_id integer UNIQUE, parent uuid NOT NULL REFERENCES a, value text);
    CREATE TABLE c (id uuid PRIMARY KEY, legacy_id integer UNIQUE, parent uuid {null} REFERENCES b, value text)"""


def family(if_missing="park", **a):
    return [entity("a", {"value": "value"}, on_delete="delete", **a),
            entity("b", {"parent": {"references": "a", "from": "parent_id"}, "value": "value"}, on_delete="delete"),
            entity("c", {"parent": {"references": "b", "from": "parent_id", "if_missing": if_missing}, "value": "value"},
                   on_delete="delete")]


def ends(row):
    return [(wait["parent_entity"], wait["parent_key"], wait["parent_state"]) for wait in row["waits_for"]]


def test_a_chain_of_waiting_rows_is_followed_to_its_end_whatever_that_is(pair):
    world = pair(FAMILY + "INSERT INTO b VALUES (1, 1, 'b'), (2, 2, 'b'); INSERT INTO c VALUES (1, 1, 'c'), (2, 2, 'c')",
                 FAMILY_TARGET.format(null="NOT NULL"), *family(source={"table": "a", "where": "value <> 'hidden'"}))
    world.migrate()
    row = explain(world, 1, "c")
    assert row["state"] == "parked" and ends(row) == [("b", ["1"], "parked"), ("a", ["1"], "not_in_source")]
    assert said(world, 1, "c")[0] == "c 1 waits for b 1, which waits for a 1 (by parent), which is not in the source."
    below = explain(world, 1, "a")
    assert (below["state"], below["waiting"], below["waiting_rows"]) == (
        "unknown", 1, [{"entity": "b", "legacy_key": ["1"], "column": "parent", "deferred": False}])
    world.source_sql("INSERT INTO a VALUES (1, NULL, 'hidden'), (2, NULL, 'a')")
    assert ends(explain(world, 1, "c"))[-1] == ("a", ["1"], "filtered_out")
    assert ends(explain(world, 2, "c"))[-1] == ("a", ["2"], "not_carried")
    assert "migratectl migrate --entities a,c --strategy sweep --wait" in said(world, 2, "c")[1]
    world.source_sql("UPDATE a SET value = NULL WHERE id = 1")  # which the filter does not take either
    world.migrate()
    assert state_of(world, 2, "c") == "equal"


def test_a_row_that_waits_for_a_dead_letter_names_it(pair):
    world = pair(FAMILY + "INSERT INTO a VALUES (1, NULL, NULL); INSERT INTO b VALUES (1, 1, 'b')",
                 FAMILY_TARGET.format(null="NOT NULL"), *family())
    world.migrate()
    assert set(dead_letters(world, "a")) == {"1"}
    row = explain(world, 1, "b")
    letter = row["waits_for"][0]["parent_letter"]["id"]
    first, text = said(world, 1, "b")
    assert first == f"b 1 waits for a 1 (by parent), which is dead letter {letter} (23502 value)."
    assert f"migratectl dead-letters show {letter}" in text


def test_a_reference_that_is_filled_in_later_is_deferred(pair):
    world = pair(FAMILY + "INSERT INTO c VALUES (1, 1, 'c')", FAMILY_TARGET.format(null=""), *family("null"))
    world.migrate()
    row = explain(world, 1, "c")
    assert (row["state"], row["columns"]) == ("deferred", [])
    assert [(ref["column"], ref["parent_entity"], ref["parent_key"], ref["parent_state"]) for ref in row["deferred"]] == [
        ("parent", "b", ["1"], "not_in_source")]
    first, text = said(world, 1, "c")
    assert first.endswith("what is missing there is b 1 (by parent), which is not in the source.")
    assert "migratectl explain b 1" in text
    world.source_sql("INSERT INTO a VALUES (1, NULL, 'a'); INSERT INTO b VALUES (1, 1, 'b')")
    world.migrate()
    assert state_of(world, 1, "c") == "equal"


def test_rows_that_wait_for_each_other_are_a_ring(pair):
    world = pair("CREATE TABLE nodes (id integer PRIMARY KEY, next_id integer, value text); INSERT INTO nodes VALUES (1, 2, NULL), (2, 1, 'two')",
                 """CREATE TABLE nodes (id uuid PRIMARY KEY, legacy_id integer UNIQUE, next uuid NOT NULL, value text NOT NULL);
                    ALTER TABLE nodes ADD FOREIGN KEY (next) REFERENCES nodes DEFERRABLE INITIALLY DEFERRED""",
                 entity("nodes", {"next": {"references": "nodes", "from": "next_id"}, "value": "value"}, on_delete="delete"))
    world.migrate()
    row = explain(world, 2, "nodes")
    assert row["state"] == "parked"
    # Both wait, or the bad one is a dead letter: what the control schema says is told.
    assert row["waits_for"][-1]["parent_letter"] or row["waits_for"][-1]["parent_state"] == "ring"


def test_a_circle_that_is_whole_is_equal(pair):
    world = pair("""CREATE TABLE a (id integer PRIMARY KEY, b_id integer); CREATE TABLE b (id integer PRIMARY KEY, a_id integer);
                    INSERT INTO a VALUES (1, 1); INSERT INTO b VALUES (1, 1)""",
                 """CREATE TABLE a (id uuid PRIMARY KEY, legacy_id integer UNIQUE, b uuid);
                    CREATE TABLE b (id uuid PRIMARY KEY, legacy_id integer UNIQUE, a uuid NOT NULL REFERENCES a);
                    ALTER TABLE a ADD FOREIGN KEY (b) REFERENCES b""",
                 entity("a", {"b": {"references": "b", "from": "b_id"}}, on_delete="delete"),
                 entity("b", {"a": {"references": "a", "from": "a_id"}}, on_delete="delete"))
    world.migrate()
    assert (state_of(world, 1, "a"), state_of(world, 1, "b")) == ("equal", "equal")
    world.source_sql("INSERT INTO a VALUES (2, 2)")
    world.migrate()
    assert state_of(world, 2, "a") == "deferred"


# --- identity -----------------------------------------------------------------------------------

def test_a_key_that_stands_for_another_row_has_a_former_key(pair):
    world = pair("CREATE TABLE things (id integer PRIMARY KEY, value text, born date); INSERT INTO things VALUES (1, 'one', '2020-01-01')",
                 "CREATE TABLE things (id uuid PRIMARY KEY, legacy_id integer UNIQUE, value text, born date)",
                 entity("things", {"value": "value", "born": "born"}, on_delete="delete", identity=["born"]))
    world.migrate()
    before = target_key(world, 1)
    world.source_sql("DELETE FROM things; INSERT INTO things VALUES (1, 'other', '2021-01-01')")
    world.migrate()
    row = explain(world, 1)
    assert (row["state"], row["target_key"]) == ("equal", [target_key(world, 1)])
    assert [former["target_key"] for former in row["former"]] == [[before]]
    assert before != target_key(world, 1)
    # The old row's key leads to the legacy key that it had.
    assert explain(world, before, target=True)["legacy_key"] == ["1"]


# --- keys ---------------------------------------------------------------------------------------

def test_a_target_key_finds_the_row_and_one_that_nothing_leads_to_is_foreign(world):
    row = explain(world, target_key(world, 4).upper(), target=True)
    assert (row["legacy_key"], row["state"]) == (["4"], "equal")
    foreign = "00000000-0000-0000-0000-000000000001"
    world.target_sql(f"INSERT INTO things (id, value) VALUES ('{foreign}', 'mine')")
    assert explain(world, foreign, target=True)["state"] == "foreign"
    assert said(world, foreign, "things", "--target")[0] == \
        f"things row {foreign} is in the target, and nothing that was carried over leads to it."
    assert said(world, foreign.replace("1", "2"), "things", "--target", status=4)


@pytest.mark.parametrize("key,type,values", [
    ("text", "text", ["O'Neil", "a,b", '"quoted"', "back\\slash", " blank", "ä\n", "{x}", "-5", "%s"]),
    ("uuid", "uuid", ["0A000000-0000-4000-8000-00000000000B"]),
    ("date", "date", ["2024-02-29"]),
    ("numeric", "numeric", ["1.50"]),
])
def test_keys_of_other_types_are_found_as_people_write_them(pair, key, type, values):
    world = pair(f"CREATE TABLE things (id {type} PRIMARY KEY, value text)",
                 f"CREATE TABLE things (id uuid PRIMARY KEY, legacy_id {type} UNIQUE, value text)", entity("things", {"value": "value"}))
    for value in values:
        world.source_sql("INSERT INTO things VALUES (%s, 'x')", [value])
    world.migrate()
    for value in values:
        row = explain(world, value)
        assert (row["state"], row["carriers"]) == ("equal", []), value
        assert world.daemon.ctl("explain", "things", "--", value).stdout.splitlines()[0].startswith("things ")


def test_composite_keys_are_written_with_commas(pair):
    world = pair("""CREATE TABLE pairs (a integer, b text, value text, PRIMARY KEY (a, b));
                    INSERT INTO pairs VALUES (1, 'de', 'x'), (2, 'a,b', 'y'), (3, 'say "hi"', 'z')""",
                 "CREATE TABLE pairs (id uuid PRIMARY KEY, legacy_a integer, legacy_b text, value text, UNIQUE (legacy_a, legacy_b))",
                 entity("pairs", {"value": "value"}, key=["a", "b"], legacy_key=["legacy_a", "legacy_b"]))
    world.migrate()
    for key in ("1,de", "(1, de)", "01,de", '1,"de"', '2,"a,b"', '3,"say ""hi"""'):
        assert state_of(world, key, "pairs") == "equal", key
    assert explain(world, "1,de", "pairs")["legacy_key"] == ["1", "de"]
    assert said(world, "1,de", "pairs")[0].startswith("pairs (1, de) is in the target as ")
    assert state_of(world, "1,fr", "pairs") == "unknown"
    for key in ("1", "1,de,x"):
        with pytest.raises(VarlinkError) as refused:
            explain(world, key, "pairs")
        assert refused.value.parameters["kind"] == "usage"


def test_tables_and_columns_with_quotes_are_explained(pair):
    world = pair("""CREATE SCHEMA "o'ld"; CREATE TABLE "o'ld"."the ""things" ("i'd" integer PRIMARY KEY, "va""lue" text);
                    INSERT INTO "o'ld"."the ""things" VALUES (1, 'x')""",
                 """CREATE TABLE "new 'things" ("i""d" uuid PRIMARY KEY, "legacy'id" integer UNIQUE, "va""lue" text)""",
                 entity("odd", {'va"lue': 'va"lue'}, key="i'd", target_key='i"d', legacy_key="legacy'id",
                        source={"schema": "o'ld", "table": 'the "things'}, target={"table": "new 'things"}))
    world.migrate()
    assert state_of(world, 1, "odd") == "equal"
    world.target_sql("""UPDATE "new 'things" SET "va""lue" = 'y'""")
    assert explain(world, 1, "odd", values=True)["columns"] == ['va"lue']
    assert explain(world, explain(world, 1, "odd")["target_key"][0], "odd", target=True)["legacy_key"] == ["1"]


def test_an_entity_that_there_is_not_and_keys_that_can_be_none_are_refused_in_words(world):
    with pytest.raises(VarlinkError) as refused:
        explain(world, 1, "nothing")
    assert refused.value.name == "NoSuchEntity"
    assert world.daemon.ctl("explain", "nothing", 1, check=False).returncode == 4
    for key in ("seven", "99999999999999999999", "1.5", " "):
        with pytest.raises(VarlinkError) as refused:
            explain(world, key)
        assert (refused.value.name, refused.value.parameters["kind"]) == ("Failed", "usage"), key
    result = world.daemon.ctl("explain", "things", "seven", check=False)
    assert result.returncode == 2
    assert '"seven" cannot be a legacy key of it, which is made of id integer' in result.stderr
    result = world.daemon.ctl("explain", "--target", "things", "4711", check=False)
    assert result.returncode == 2 and "which is made of id uuid" in result.stderr
    assert world.daemon.ctl("explain", "things", check=False).returncode == 2


# --- values -------------------------------------------------------------------------------------

def test_values_are_shown_only_when_asked_for(world):
    world.source_sql("UPDATE things SET value = 'from the source' WHERE id = 2")
    world.target_sql("UPDATE things SET value = 'of the target', other = NULL WHERE legacy_id = 2")
    assert explain(world, 2)["values"] is None
    values = {value["column"]: (value["source"], value["target"]) for value in explain(world, 2, values=True)["values"]}
    assert values == {"legacy_id": ("2", "2"), "value": ("from the source", "of the target"), "other": ("other 2", None)}
    assert "from the source" in said(world, 2, "things", "--values")[1]
    assert "from the source" not in said(world, 2)[1]
    world.source_sql("DELETE FROM things WHERE id = 2")
    values = {value["column"]: (value["source"], value["target"]) for value in explain(world, 2, values=True)["values"]}
    assert values == {"legacy_id": (None, "2"), "value": (None, "of the target"), "other": (None, None)}
    assert "of the target" not in world.daemon.log() and "from the source" not in world.daemon.log()


def asked(socket, **parameters):
    """The state of the row and whether it came with values; or the error's name."""
    try:
        with Varlink(socket) as connection:
            reply = connection.call("Explain", entity="things", key="2", **parameters)
            return [reply["state"], reply["values"] is not None]
    except VarlinkError as error:
        return [error.name]


@needs_root
def test_only_those_who_may_operate_are_shown_values(databases, start_daemon):
    databases.source_sql(SOURCE)
    databases.target_sql(TARGET)
    daemon = known_to(start_daemon(databases, entities=[things()], start=False)).start()
    migrate(daemon)
    assert OBSERVER.do(functools.partial(asked, daemon.socket))[0] == ["equal", False]
    assert OBSERVER.do(functools.partial(asked, daemon.socket, values=True))[0] == ["PermissionDenied"]
    assert OPERATOR.do(functools.partial(asked, daemon.socket, values=True))[0] == ["equal", True]
    assert STRANGER.do(functools.partial(asked, daemon.socket))[0] == ["PermissionDenied"]


# --- one database is down -------------------------------------------------------------------------

@pytest.fixture
def cut(databases, start_daemon):
    """A migrated pair whose databases are reached through proxies."""
    databases.source_sql(SOURCE)
    databases.target_sql(TARGET)
    world = databases
    world.daemon = start_daemon(databases, entities=[things(source={"table": "things", "where": "visible"})],
                                through=("source", "target"))
    migrate(world.daemon)
    return world


def cut_off(world, side):
    world.daemon.proxies[side].refuse()
    world.daemon.proxies[side].reset()
    wait_until(lambda: {connection["name"]: connection["state"] for connection in world.daemon.call("Status")["connections"]}[side]
               not in ("ready", "busy"), 20, f"the {side} is lost")


def test_with_the_source_down_the_target_says_what_it_knows(cut):
    cut.target_sql("DELETE FROM things WHERE legacy_id = 3")
    cut_off(cut, "source")
    row = cut.daemon.call("Explain", entity="things", key="2")
    assert (row["state"], row["source"]["asked"], row["target"]["present"]) == ("unchecked", False, True)
    assert row["source"]["error"] and row["target_key"] == [target_key(cut, 2)]
    text = cut.daemon.ctl("explain", "things", 2).stdout
    assert text.startswith(f"things 2 is in the target as {target_key(cut, 2)}; whether the source has it, and both are equal, cannot "
                           "be said: ")
    assert cut.daemon.call("Explain", entity="things", key="3")["target"]["present"] is False
    assert cut.daemon.call("Explain", entity="things", key=target_key(cut, 4), target=True)["legacy_key"] == ["4"]
    with pytest.raises(VarlinkError) as refused:
        cut.daemon.call("Explain", entity="things", key="seven")
    assert refused.value.parameters["kind"] == "usage"


def test_with_the_target_down_the_source_says_what_it_knows(cut):
    cut.source_sql("UPDATE things SET visible = false WHERE id = 3")
    cut_off(cut, "target")
    rows = {key: cut.daemon.call("Explain", entity="things", key=key) for key in ("2", "3", "77")}
    assert {row["state"] for row in rows.values()} == {"unchecked"}
    assert [(row["source"]["present"], row["source"]["wanted"]) for row in rows.values()] == [(True, True), (True, False), (False, False)]
    assert cut.daemon.ctl("explain", "things", 2).stdout.startswith("things 2 is in the source; whether the target has it cannot be said: ")
    with pytest.raises(VarlinkError) as refused:
        cut.daemon.call("Explain", entity="things", key=target_key(cut, 4), target=True)
    assert refused.value.name == "Unavailable"


def test_with_both_databases_down_nothing_is_said(cut):
    cut_off(cut, "source")
    cut_off(cut, "target")
    with pytest.raises(VarlinkError) as refused:
        cut.daemon.call("Explain", entity="things", key="2")
    assert refused.value.name == "Unavailable"


# --- history --------------------------------------------------------------------------------------

def test_the_history_names_each_change_and_shows_what_it_replaced_only_with_values(world):
    world.source_sql("UPDATE things SET value = 'second', other = NULL WHERE id = 2")
    world.migrate()
    world.source_sql("DELETE FROM things WHERE id = 2")
    world.migrate()
    sessions = [session for (session,) in world.target_sql("SELECT session::text FROM migrated.session ORDER BY number DESC")]
    row = explain(world, 2)
    assert (row["state"], row["changes"]) == ("deleted", 3)
    assert [(change["kind"], change["session"], change["columns"]) for change in row["history"]] == [
        ("deleted", sessions[0], []), ("updated", sessions[1], ["other", "value"]), ("inserted", sessions[2], [])]
    assert all(change["values"] is None for change in row["history"]) and "second" not in str(row)
    changes = explain(world, 2, values=True)["history"]
    assert changes[1]["values"] == [{"column": "other", "before": "other 2", "after": None},
                                    {"column": "value", "before": "value 2", "after": "second"}]
    assert {value["column"]: (value["before"], value["after"]) for value in changes[0]["values"]}["value"] == ("second", None)
    text = said(world, 2, "things", "--values")[1]
    assert "value: value 2 -> second" in text and "other: other 2 -> NULL" in text
    assert "second" not in said(world, 2)[1]
