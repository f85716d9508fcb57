"""Business rules, before and after writing, to warn and to reject: small tables, judged by plain SQL over both databases."""

from mapping import entity
from sessions import dead_letters, parked

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
