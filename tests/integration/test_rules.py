"""Business rules, before and after writing, to warn and to reject: small tables, judged by plain SQL over both databases."""

import pytest

from interface import interface
from mapping import entity
from sessions import dead_letters, parked, wait_until_connected
from varlink import VarlinkError

THINGS_SOURCE = """CREATE TABLE things (id integer PRIMARY KEY, price numeric, note text);
    INSERT INTO things SELECT i, CASE WHEN i % 4 = 0 THEN -i WHEN i % 4 = 1 THEN NULL ELSE i END, 'n' || i
      FROM generate_series(1, 12) AS i"""
THINGS_TARGET = "CREATE TABLE things (id uuid PRIMARY KEY, legacy_id integer UNIQUE, price numeric, note text)"
COLUMNS = {"price": "price", "note": "note"}
POSITIVE = "price >= 0"


def things(**rules):
    return entity("things", COLUMNS, rules=rules, on_delete="delete")


def rule(when, condition, action):
    return {when: condition, "action": action}


def breakers(world, condition=POSITIVE):
    """The legacy keys of the source's rows that break the condition."""
    return sorted(str(key) for (key,) in world.source_sql(f"SELECT id FROM things WHERE ({condition}) IS FALSE"))


def findings(world, rule_name, entity_name="things"):
    return sorted(key[0] for (key,) in world.target_sql(
        "SELECT legacy_key FROM migrated.rule_finding WHERE entity = %s AND rule = %s", [entity_name, rule_name]))


def rejected(world, rule_name, entity_name="things"):
    """The legacy keys of the open dead letters of a rule, which are as they should be."""
    letters = {key: letter for key, letter in dead_letters(world, entity_name).items() if letter[1] == rule_name}
    assert {letter for letter in letters.values()} <= {("23514", rule_name, None, f"the rule {rule_name} does not hold")}
    phases = world.target_sql("SELECT DISTINCT phase FROM migrated.dead_letter WHERE state = 'open' AND constraint_name = %s",
                              [rule_name])
    assert phases in ([], [("rule",)])
    return sorted(letters)


def same_but(world, keys):
    """The target has the source's rows as they are now, but those with these keys, which it has not got."""
    query = "SELECT {0}id::text, price, note FROM things"
    expected = [row for row in world.source_sql(query.format("")) if row[0] not in keys]
    assert sorted(world.target_sql(query.format("legacy_"))) == sorted(expected)


def test_rows_that_break_a_rule_before_writing_are_rejected(pair):
    world = pair(THINGS_SOURCE, THINGS_TARGET, things(positive=rule("before", POSITIVE, "reject")))
    session = world.migrate(batch_size=5)
    assert rejected(world, "positive") == breakers(world) == ["12", "4", "8"]
    same_but(world, breakers(world))
    assert (session.failed, session.warned) == (3, 0)
    world.finds_nothing()


def test_rows_that_break_a_rule_before_writing_are_carried_with_a_warning(pair):
    world = pair(THINGS_SOURCE, THINGS_TARGET, things(positive=rule("before", POSITIVE, "warn")))
    session = world.migrate(batch_size=5)
    assert findings(world, "positive") == breakers(world)
    same_but(world, [])
    assert (session.failed, session.warned, session.entities["things"]["warned"]) == (0, 3, 3)
    world.finds_nothing()
    world.source_sql("UPDATE things SET price = 1 WHERE id = 4; UPDATE things SET price = -1 WHERE id = 5")
    world.source_sql("DELETE FROM things WHERE id = 8; UPDATE things SET note = 'other' WHERE id = 12")
    assert world.migrate().warned == 2
    assert findings(world, "positive") == breakers(world) == ["12", "5"]
    same_but(world, [])


def test_rows_that_break_a_rule_after_writing_are_carried_with_a_warning(pair):
    world = pair(THINGS_SOURCE, THINGS_TARGET, things(positive=rule("after", "target.price >= 0", "warn")))
    session = world.migrate(batch_size=5)
    assert findings(world, "positive") == breakers(world)
    same_but(world, [])
    assert (session.failed, session.warned) == (0, 3)
    world.source_sql("UPDATE things SET price = 1 WHERE id = 4; UPDATE things SET price = -1 WHERE id = 5")
    assert world.migrate().warned == 1
    assert findings(world, "positive") == breakers(world)
    world.finds_nothing()


# --- how rules meet each other, and other faults ---------------------------------------------------------

def test_the_first_rule_that_rejects_names_the_row_and_all_warnings_are_kept(pair):
    world = pair("""CREATE TABLE things (id integer PRIMARY KEY, price numeric, note text);
                    INSERT INTO things VALUES (1, -1, 'x'), (2, -20, 'y'), (3, 5, 'z'), (4, 0, NULL)""", THINGS_TARGET,
                 things(soft=rule("before", "price > 0", "warn"), later=rule("after", "price > 0", "warn"),
                        hard=rule("before", "price > -10", "reject"), harder=rule("before", "price > -5", "reject")))
    session = world.migrate()
    assert (rejected(world, "hard"), rejected(world, "harder")) == (["2"], [])
    assert findings(world, "soft") == findings(world, "later") == ["1", "4"]
    assert (session.failed, session.warned) == (1, 2)
    assert world.target_sql("SELECT warned, warnings FROM migrated.batch WHERE warned > 0") == [(2, {"later": 2, "soft": 2})]


def test_a_rule_comes_before_a_missing_parent_and_its_own_children_wait(pair):
    world = pair("""CREATE TABLE a (id integer PRIMARY KEY, of integer, price numeric);
                    CREATE TABLE b (id integer PRIMARY KEY, a integer);
                    INSERT INTO a VALUES (1, NULL, 1), (2, NULL, -1), (3, 99, -1); INSERT INTO b VALUES (1, 1), (2, 2), (3, 3)""",
                 """CREATE TABLE a (id uuid PRIMARY KEY, legacy_id integer UNIQUE, of uuid, price numeric);
                    CREATE TABLE b (id uuid PRIMARY KEY, legacy_id integer UNIQUE, a uuid NOT NULL REFERENCES a)""",
                 entity("a", {"price": "price"}, rules={"positive": rule("before", POSITIVE, "reject")}),
                 entity("b", {"a": {"references": "a", "from": "a"}}))
    world.migrate()
    assert rejected(world, "positive", "a") == ["2", "3"]
    assert parked(world, "b") == {"2": ("a", "a", "2"), "3": ("a", "a", "3")}
    world.source_sql("UPDATE a SET price = 1")
    world.migrate()
    assert (rejected(world, "positive", "a"), parked(world, "b")) == ([], {})
    assert world.target_sql("""SELECT b.legacy_id, a.legacy_id FROM b JOIN a ON a.id = b.a ORDER BY 1""") == [(1, 1), (2, 2), (3, 3)]
    world.finds_nothing()


@pytest.mark.parametrize("when", ["before", "after"])
def test_an_update_that_breaks_a_rule_leaves_the_earlier_version_until_it_is_mended(pair, when):
    world = pair(THINGS_SOURCE, THINGS_TARGET, things(positive=rule(when, POSITIVE, "reject")))
    world.source_sql("UPDATE things SET price = 1")
    world.migrate()
    before = world.target_sql("SELECT id, legacy_id, price, note FROM things ORDER BY 2")
    world.source_sql("UPDATE things SET price = -1, note = 'changed' WHERE id IN (3, 7)")
    session = world.migrate()
    assert (session.failed, rejected(world, "positive")) == (2, ["3", "7"])
    assert world.target_sql("SELECT id, legacy_id, price, note FROM things ORDER BY 2") == before
    world.finds_nothing()
    world.source_sql("UPDATE things SET price = 2 WHERE id = 3")
    world.migrate()
    assert rejected(world, "positive") == ["7"]
    assert world.target_sql("SELECT price, note FROM things WHERE legacy_id IN (3, 7) ORDER BY legacy_id") == [
        (2, "changed"), (1, "n7")]
    world.source_sql("DELETE FROM things WHERE id = 7")
    world.migrate()
    assert rejected(world, "positive") == []
    same_but(world, [])


# --- other rows ------------------------------------------------------------------------------------------

LIMITS_SOURCE = THINGS_SOURCE + """; CREATE TABLE limits (most numeric); INSERT INTO limits VALUES (7)"""
WITHIN = "price <= (SELECT max(most) FROM limits)"


@pytest.mark.parametrize("action", ["reject", "warn"])
def test_a_rule_of_the_source_that_asks_another_table_is_asked_again_by_a_sweep(pair, action):
    world = pair(LIMITS_SOURCE, THINGS_TARGET, things(within=rule("before", WITHIN, action)))

    def broken():
        return (rejected if action == "reject" else findings)(world, "within")

    world.migrate()
    assert broken() == breakers(world, WITHIN) == ["10", "11"]
    same_but(world, broken() if action == "reject" else [])
    world.source_sql("UPDATE limits SET most = 10")
    world.migrate()
    assert broken() == breakers(world, WITHIN) == ["11"]
    world.source_sql("UPDATE limits SET most = 2")
    world.migrate()
    assert broken() == breakers(world, WITHIN) == ["10", "11", "3", "6", "7"]
    assert world.target.value("SELECT count(*) FROM things") == (11 if action == "reject" else 12)
    world.finds_nothing()


# --- rules that change -----------------------------------------------------------------------------------

def test_a_rule_that_is_added_later_is_asked_of_all_rows_and_one_that_is_removed_lets_them_go(pair):
    world = pair(THINGS_SOURCE, THINGS_TARGET, things())
    world.migrate()
    world.change_mapping([things(positive=rule("before", POSITIVE, "warn"))])
    world.migrate()
    assert findings(world, "positive") == breakers(world)
    world.change_mapping([things(positive=rule("before", POSITIVE, "reject"))])
    world.migrate()
    assert (findings(world, "positive"), rejected(world, "positive")) == ([], breakers(world))
    same_but(world, [])  # earlier versions stay
    world.source_sql("INSERT INTO things VALUES (16, -16, 'new')")
    world.migrate()
    same_but(world, ["16"])
    world.change_mapping([things(positive=rule("after", POSITIVE, "reject"))])
    world.migrate()
    assert rejected(world, "positive") == breakers(world)
    same_but(world, ["16"])
    world.change_mapping([things(positive=rule("after", POSITIVE, "warn"))])
    world.migrate()
    assert (findings(world, "positive"), rejected(world, "positive")) == (breakers(world), [])
    same_but(world, [])
    world.change_mapping([things()])
    world.migrate()
    assert (findings(world, "positive"), dead_letters(world, "things")) == ([], {})
    world.finds_nothing()


# --- what is said ----------------------------------------------------------------------------------------

def test_rules_and_the_rows_that_break_them_are_listed(pair):
    world = pair(THINGS_SOURCE, THINGS_TARGET,
                 things(positive=rule("before", POSITIVE, "warn"), small=rule("before", "price < 11", "reject")))
    agreed = interface()

    def listed(**parameters):
        wait_until_connected(world.daemon)
        reply = world.daemon.call("ListRules", **parameters)
        assert agreed.problems(agreed.methods["ListRules"][1], reply) == []
        return [(rule["rule"], rule["asked"], rule["action"], rule["condition"], rule["rows"],
                 [key["legacy_key"] for key in rule["keys"]]) for rule in reply["rules"]]

    assert [rule[4] for rule in listed()] == [0, 0]  # before there is a control schema
    world.migrate()
    assert listed() == listed(entity="things") == [("positive", "before", "warn", POSITIVE, 3, []),
                                                   ("small", "before", "reject", "price < 11", 1, [])]
    assert listed(rule="positive")[0][4:] == (3, [["4"], ["8"], ["12"]])
    assert listed(rule="positive", limit=2)[0][4:] == (3, [["4"], ["8"]])
    assert world.daemon.ctl("rules", "--rule", "none", check=False).returncode == 4
    with pytest.raises(VarlinkError, match="NoSuchEntity"):
        listed(entity="none")
    shown = world.daemon.ctl("rules", "--rule", "positive").stdout
    assert "positive" in shown and "\n  12\n" in shown


def test_warnings_are_said_without_values_in_the_log_the_list_and_by_migrate(pair):
    world = pair(THINGS_SOURCE.replace("'n' || i", "'secret'"), THINGS_TARGET,
                 things(positive=rule("before", POSITIVE, "warn"), small=rule("after", "price < 11", "warn")))
    wait_until_connected(world.daemon)
    ended = world.daemon.ctl("migrate", "--wait")
    assert "4 rows were carried although they break a rule" in ended.stderr
    assert "things: 4 rows were carried although they break a rule: small 1, positive 3" in world.daemon.log()
    assert "secret" not in world.daemon.log() + ended.stderr + ended.stdout
    assert "Warned" in world.daemon.ctl("list").stdout and "Warned" in world.daemon.ctl("status").stdout
    world.source_sql("UPDATE things SET price = 1")
    assert "rule" not in world.daemon.ctl("migrate", "--wait").stderr


BAD = {
    "no condition": (rule("before", "price", "warn"), "the source refuses it: argument of IS FALSE must be type boolean"),
    "no column": (rule("before", "cost > 0", "warn"), "the source refuses it: column"),
    "no SQL": (rule("before", "price >", "reject"), "the source refuses it: syntax error"),
    "no condition of the target": (rule("after", "legacy_id", "warn"), "the target refuses it: argument of IS FALSE"),
    "no column of the target": (rule("after", "target.id2 > 0", "reject"), "the target refuses it: column"),
    "an aggregate": (rule("before", "count(*) > 0", "warn"), "the source refuses it: aggregate functions are not allowed"),
    "several rows": (rule("before", "generate_series(1, 2) > 1", "warn"), "the source refuses it: set-returning functions"),
    "an aggregate of the target": (rule("after", "count(*) > 0", "reject"), "the target refuses it: aggregate functions"),
    "several rows of the target": (rule("after", "generate_series(1, 2) > 1", "warn"), "the target refuses it: set-returning"),
    "no SQL for the target": (rule("after", "(price > 0", "reject"), "the target refuses it: syntax error"),
}


@pytest.mark.parametrize("what", BAD)
def test_a_rule_that_a_database_refuses_is_named_and_stops_its_entity_only(pair, what):
    bad, message = BAD[what]
    world = pair(THINGS_SOURCE + "; CREATE TABLE others (id integer PRIMARY KEY); INSERT INTO others VALUES (1)",
                 THINGS_TARGET + "; CREATE TABLE others (id uuid PRIMARY KEY, legacy_id integer)",
                 things(bad=bad, good=rule("before", POSITIVE, "warn")), entity("others", {}))
    wait_until_connected(world.daemon)
    found = [finding for finding in world.daemon.call("Check")["findings"] if finding["result"] == "fail"]
    path = f"$.rules.bad.{next(iter(set(bad) - {'action'}))}"
    assert any(path in str(finding) and message in finding["message"] for finding in found), found
    assert not any("$.rules.good" in str(finding) for finding in found)
    world.migrate(expect="failed")
    assert world.target.value("SELECT count(*) FROM others") == 1


def test_a_rule_of_the_source_that_cannot_be_computed_stops_its_entity_by_name(pair):
    world = pair(THINGS_SOURCE, THINGS_TARGET, things(ratio=rule("before", "1 / (id - 5) < 1", "warn")))
    ended = world.migrate(expect="failed")
    assert "division by zero" in ended.entities["things"]["reason"]
    world.change_mapping([things(ratio=rule("before", "1 / NULLIF(id - 5, 0) < 1", "warn"))])
    world.migrate()
    assert findings(world, "ratio") == breakers(world, "1 / NULLIF(id - 5, 0) < 1")
    same_but(world, [])


# --- rules of the target's row that reject ---------------------------------------------------------------

def test_rows_that_break_a_rule_after_writing_are_rejected(pair):
    world = pair(THINGS_SOURCE, THINGS_TARGET, things(positive=rule("after", "target.price >= 0", "reject")))
    session = world.migrate(batch_size=5)
    assert rejected(world, "positive") == breakers(world) == ["12", "4", "8"]
    same_but(world, breakers(world))
    assert (session.failed, session.warned) == (3, 0)
    world.finds_nothing()


def test_three_rows_of_five_thousand_that_break_a_rule_leave_three_letters(pair):
    world = pair("""CREATE TABLE things (id integer PRIMARY KEY, price numeric, note text);
                    INSERT INTO things SELECT i, CASE WHEN i IN (17, 2500, 4999) THEN -i ELSE i END FROM generate_series(1, 5000) AS i""",
                 THINGS_TARGET, things(positive=rule("after", POSITIVE, "reject"), small=rule("after", "price < 4990", "warn")))
    session = world.migrate(batch_size=5000)
    assert rejected(world, "positive") == ["17", "2500", "4999"]
    same_but(world, rejected(world, "positive"))
    assert findings(world, "small") == sorted(str(key) for key in range(4990, 5001) if key != 4999)
    assert (session.failed, session.warned) == (3, 10)
    world.finds_nothing()


def test_the_target_may_be_asked_for_what_it_has_made_itself_and_for_other_rows(pair):
    world = pair(THINGS_SOURCE, THINGS_TARGET.replace("note text)", """note text,
                     twice numeric GENERATED ALWAYS AS (price * 2) STORED); CREATE TABLE prices (most numeric);
                     INSERT INTO prices VALUES (7)"""),
                 things(dear=rule("after", "twice <= (SELECT 2 * max(prices.most) FROM prices)", "reject"),
                        alone=rule("after", """NOT EXISTS (SELECT FROM things AS other
                                                            WHERE other.price = target.price AND other.id <> target.id)""", "warn")))
    world.source_sql("UPDATE things SET price = 3 WHERE id IN (1, 2)")
    world.migrate(batch_size=5)
    assert rejected(world, "dear") == breakers(world, "price <= 7")
    assert findings(world, "alone") == ["1", "2", "3"]
    same_but(world, rejected(world, "dear"))
    world.target_sql("UPDATE prices SET most = 10")
    world.source_sql("INSERT INTO things VALUES (99, 1, NULL)")  # a letter is tried again when anything has moved
    world.migrate()
    world.migrate()
    assert rejected(world, "dear") == breakers(world, "price <= 10")
    same_but(world, rejected(world, "dear"))


def test_a_row_that_wants_other_rows_is_tried_again_when_they_have_come(pair):
    world = pair("""CREATE TABLE orders (id integer PRIMARY KEY); CREATE TABLE lines (id integer PRIMARY KEY, number integer);
                    INSERT INTO orders VALUES (1), (2), (3); INSERT INTO lines VALUES (1, 1), (2, 2)""",
                 """CREATE TABLE orders (id uuid PRIMARY KEY, legacy_id integer UNIQUE);
                    CREATE TABLE lines (id uuid PRIMARY KEY, legacy_id integer UNIQUE, number integer)""",
                 entity("orders", {}, rules={"has_lines": rule(
                     "after", "EXISTS (SELECT FROM public.lines AS l WHERE l.number = target.legacy_id)", "reject")}),
                 entity("lines", {"number": "number"}))
    for _ in range(2):  # lines have no order of their own among the entities
        world.source_sql("INSERT INTO lines SELECT max(id) + 1, 9 FROM lines")
        world.migrate()
    assert rejected(world, "has_lines", "orders") == ["3"]
    world.source_sql("INSERT INTO lines VALUES (99, 3)")
    world.migrate()
    world.source_sql("INSERT INTO lines VALUES (100, 8)")
    world.migrate()
    assert dead_letters(world, "orders") == {}
    assert world.target.value("SELECT count(*) FROM orders") == 3


@pytest.mark.parametrize("action", ["reject", "warn"])
def test_a_row_for_which_a_rule_of_the_target_cannot_be_computed_is_a_letter_of_its_own(pair, action):
    world = pair(THINGS_SOURCE, THINGS_TARGET,
                 things(ratio=rule("after", "1 / (legacy_id - 5) < 1", action), fine=rule("after", "price > -12", "warn")))
    session = world.migrate()
    letters = dead_letters(world, "things")
    assert letters.pop("5") == ("22012", None, None, "division by zero")
    assert world.target.value("SELECT phase FROM migrated.dead_letter WHERE sqlstate = '22012'") == "rule"
    assert (rejected if action == "reject" else findings)(world, "ratio") == ["6"]
    same_but(world, ["5", *rejected(world, "ratio")])
    assert (findings(world, "fine"), session.failed) == (["12"], 2 if action == "reject" else 1)


def test_rules_and_faults_of_other_kinds_in_one_batch(pair):
    world = pair(THINGS_SOURCE + "; UPDATE things SET note = NULL WHERE id IN (2, 8); UPDATE things SET note = 'n3' WHERE id = 7",
                 THINGS_TARGET.replace("note text", "note text NOT NULL UNIQUE CHECK (note <> 'n10')"),
                 things(high=rule("before", "price < 11", "reject"), positive=rule("after", POSITIVE, "reject"),
                        even=rule("after", "legacy_id % 2 = 1", "warn"), low=rule("before", "price < 7", "warn")))
    world.migrate()
    letters = {key: letter[0] for key, letter in dead_letters(world, "things").items()}
    twins = {key for key, state in letters.items() if state == "23505"}
    assert len(twins) == 1 and twins < {"3", "7"}
    assert {key: state for key, state in letters.items() if key not in twins} == {
        "2": "23502", "4": "23514", "8": "23502", "10": "23514", "11": "23514", "12": "23514"}
    assert (rejected(world, "high"), rejected(world, "positive")) == (["11"], ["12", "4"])
    same_but(world, set(letters))
    assert findings(world, "even") == ["6"]
    assert findings(world, "low") == ([] if "7" in twins else ["7"])


def test_the_clinics_own_rules_warn_of_exactly_the_rows_that_break_them(make_clinic):
    clinic = make_clinic(loaded=True)
    plans = {str(key) for (key,) in clinic.source_sql(
        "SELECT id FROM dispatch_treatment_plan WHERE NOT (stage = 0 OR cost IS NOT NULL)")}
    there = {str(key) for (key,) in clinic.target_sql("SELECT legacy_treatment_plan_id FROM treatment_plans")}
    assert set(findings(clinic, "agreed_plan_has_a_price", "treatment_plans")) == plans & there != set()
    assert findings(clinic, "can_be_reached", "patients") == sorted(str(key) for (key,) in clinic.target_sql(
        "SELECT legacy_patient_id FROM patients WHERE contact ->> 'email' IS NULL AND contact ->> 'phone' IS NULL"))


# --- the second pass -------------------------------------------------------------------------------------

def nodes(**rules):
    return entity("nodes", {"name": "name", "next": {"references": "nodes", "from": "next", "if_missing": "null"}}, rules=rules)


NODES_SOURCE = """CREATE TABLE nodes (id integer PRIMARY KEY, name text, next integer);
    INSERT INTO nodes VALUES (1, 'a', 2), (2, 'b', 3), (3, 'c', NULL), (4, 'd', 5), (5, 'e', 4), (6, 'f', 99)"""
NODES_TARGET = "CREATE TABLE nodes (id uuid PRIMARY KEY, legacy_id integer UNIQUE, name text, next uuid REFERENCES nodes)"
LINKED = "SELECT n.legacy_id, m.legacy_id FROM nodes AS n LEFT JOIN nodes AS m ON m.id = n.next ORDER BY 1"


def test_a_column_that_is_filled_in_later_is_asked_about_again(pair):
    world = pair(NODES_SOURCE, NODES_TARGET, nodes(leads_on=rule("after", "next IS NOT NULL", "warn"),
                                                   few=rule("after", """name = 'c' OR next IS NULL""", "warn")))
    world.migrate(batch_size=2)
    assert findings(world, "leads_on", "nodes") == ["3", "6"]
    assert findings(world, "few", "nodes") == ["1", "2", "4", "5"]
    assert world.target_sql(LINKED) == [(1, 2), (2, 3), (3, None), (4, 5), (5, 4), (6, None)]
    world.source_sql("INSERT INTO nodes VALUES (99, 'z', 1)")
    world.migrate()
    assert (findings(world, "leads_on", "nodes"), findings(world, "few", "nodes")) == (["3"], ["1", "2", "4", "5", "6", "99"])
    world.finds_nothing()


@pytest.mark.parametrize("condition", ["name <> 'd' OR next IS NULL", "name <> 'd' OR 1 / CASE WHEN next IS NULL THEN 1 ELSE 0 END = 1"])
def test_a_reference_that_would_break_a_rule_is_not_filled_in(pair, condition):
    world = pair(NODES_SOURCE, NODES_TARGET, nodes(alone=rule("after", condition, "reject"),
                                                   leads_on=rule("after", "next IS NOT NULL", "warn")))
    world.migrate(batch_size=2, parallel=1)  # the parent of 4 comes after it
    assert world.target_sql(LINKED) == [(1, 2), (2, 3), (3, None), (4, None), (5, 4), (6, None)]
    ((key, letter),) = dead_letters(world, "nodes").items()
    assert (key, letter[0]) == ("4", "22012" if "/" in condition else "23514")
    assert world.target.value("SELECT phase FROM migrated.dead_letter WHERE state = 'open'") == "rule"
    assert findings(world, "leads_on", "nodes") == ["3", "4", "6"]
    world.source_sql("UPDATE nodes SET name = 'D' WHERE id = 4")
    world.migrate()
    assert dead_letters(world, "nodes") == {}
    assert world.target_sql(LINKED)[3] == (4, 5)
    world.finds_nothing()


# --- edits on the modern side ----------------------------------------------------------------------------

@pytest.mark.parametrize("action", ["reject", "warn"])
def test_rows_that_are_held_for_an_edit_are_not_asked(pair, action):
    mapping = things(positive=rule("after", POSITIVE, action), soft=rule("before", POSITIVE, "warn"))
    world = pair(THINGS_SOURCE, THINGS_TARGET, {**mapping, "on_conflict": "hold"})
    world.source_sql("UPDATE things SET price = 1")
    world.migrate()
    world.target_sql("UPDATE things SET price = -5 WHERE legacy_id IN (3, 4)")
    world.source_sql("UPDATE things SET price = -1 WHERE id IN (3, 6)")
    session = world.migrate()
    assert session.failed == (1 if action == "reject" else 0)
    assert (rejected if action == "reject" else findings)(world, "positive") == ["6"]
    assert findings(world, "soft") == ([] if action == "reject" else ["6"])
    world.migrate(full=True)
    assert (rejected if action == "reject" else findings)(world, "positive") == ["6"]
