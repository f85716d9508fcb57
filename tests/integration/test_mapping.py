"""What the target has already, what a source may be, a mapping that changes, rows that stand in each other's way."""

from mapping import PLAIN, PLAIN_SOURCE, PLAIN_TARGET, entity, same_things
from sessions import counts, dead_letters, row_versions

# --- what the target has already -----------------------------------------------------------------------

def test_rows_that_carry_a_legacy_key_are_adopted(pair):
    world = pair(PLAIN_SOURCE + "; INSERT INTO things VALUES (1, 'same'), (2, 'source'), (3, 'new')",
                 PLAIN_TARGET + """; INSERT INTO things VALUES
                    ('00000000-0000-0000-0000-000000000001', 1, 'same'),
                    ('00000000-0000-0000-0000-000000000002', 2, 'target'),
                    ('00000000-0000-0000-0000-000000000009', NULL, 'born here')""", PLAIN)
    before = row_versions(world.target)
    session = world.migrate()
    assert counts(world, session.session)["things"] == (1, 1, 0, 0, 0)
    rows = dict(world.target_sql("SELECT legacy_id, (id::text, value) FROM things WHERE legacy_id <= 2"))
    assert rows == {1: ("00000000-0000-0000-0000-000000000001", "same"),
                    2: ("00000000-0000-0000-0000-000000000002", "source")}
    assert len(before & row_versions(world.target)) == 2  # the equal one, and the one that is none of ours
    assert world.target.value("SELECT value FROM things WHERE legacy_id IS NULL") == "born here"
    world.finds_nothing()


def test_a_row_that_appears_under_a_legacy_key_later_is_adopted_too(pair):
    world = pair(PLAIN_SOURCE + "; INSERT INTO things VALUES (1, 'one')", PLAIN_TARGET, PLAIN)
    world.migrate()
    world.target_sql("INSERT INTO things VALUES ('00000000-0000-0000-0000-000000000002', 2, 'by another tool')")
    world.source_sql("INSERT INTO things VALUES (2, 'two')")
    world.migrate()
    assert world.target_sql("SELECT id::text, value FROM things WHERE legacy_id = 2") == \
        [("00000000-0000-0000-0000-000000000002", "two")]
    world.finds_nothing()


def test_two_target_rows_of_one_legacy_key_are_left_alone(pair):
    world = pair(PLAIN_SOURCE + "; INSERT INTO things VALUES (1, 'one'), (2, 'two')",
                 PLAIN_TARGET.replace(" UNIQUE", "") + """; INSERT INTO things VALUES
                    ('00000000-0000-0000-0000-000000000001', 1, 'a'), ('00000000-0000-0000-0000-000000000002', 1, 'b'),
                    ('00000000-0000-0000-0000-000000000003', 2, 'c')""", PLAIN)
    world.accounted = False
    world.migrate()
    assert sorted(world.target_sql("SELECT value FROM things WHERE id::text < '00000000-0000-0000-0000-000000000003'")) == \
        [("a",), ("b",)]
    assert world.target_sql("SELECT id::text, value FROM things WHERE legacy_id = 2") == \
        [("00000000-0000-0000-0000-000000000003", "two")]
    world.finds_nothing()


def test_a_legacy_key_that_is_no_key_of_the_source_stops_nothing(pair):
    world = pair(PLAIN_SOURCE + "; INSERT INTO things VALUES (1, 'one')",
                 PLAIN_TARGET.replace("legacy_id integer", "legacy_id text") + """; INSERT INTO things VALUES
                    ('00000000-0000-0000-0000-000000000001', 'unknown', 'typed by hand'),
                    ('00000000-0000-0000-0000-000000000002', '1', 'ours')""", PLAIN)
    world.accounted = False
    world.migrate()
    assert sorted(world.target_sql("SELECT legacy_id, value FROM things")) == [("1", "one"), ("unknown", "typed by hand")]


def test_columns_that_no_mapping_fills_are_never_touched(pair):
    world = pair(PLAIN_SOURCE + "; INSERT INTO things VALUES (1, 'one'), (2, 'two')",
                 """CREATE TABLE things (id uuid PRIMARY KEY, legacy_id integer UNIQUE, value text,
                      mine text DEFAULT 'fresh', twice text GENERATED ALWAYS AS (value || value) STORED,
                      number integer GENERATED ALWAYS AS IDENTITY)""",
                 PLAIN)
    world.migrate()
    world.target_sql("UPDATE things SET mine = 'edited' WHERE legacy_id = 1")
    world.source_sql("UPDATE things SET value = 'changed'")
    world.migrate()
    assert world.target_sql("SELECT legacy_id, value, mine, twice FROM things ORDER BY 1") == [
        (1, "changed", "edited", "changedchanged"), (2, "changed", "fresh", "changedchanged")]


# --- sources ---------------------------------------------------------------------------------------

def test_a_query_with_joins_is_a_source(pair):
    world = pair(
        """CREATE TABLE a (id integer PRIMARY KEY, name text, kind integer);
           CREATE TABLE kinds (id integer PRIMARY KEY, word text);
           INSERT INTO kinds VALUES (1, 'one'), (2, 'two');
           INSERT INTO a VALUES (1, 'x', 1), (2, 'y', 2), (3, 'z', NULL)""",
        "CREATE TABLE things (id uuid PRIMARY KEY, legacy_id integer UNIQUE, name text, word text, n bigint)",
        entity("things", {"name": "name", "word": "word", "n": {"sql": "length(name) + total"}}, on_delete="delete",
               source={"query": "WITH counted AS (SELECT count(*) AS total FROM a) SELECT a.*, k.word, total FROM a "
                                "LEFT JOIN kinds AS k ON k.id = a.kind, counted ORDER BY a.name LIMIT 100",
                       "where": "name <> 'y'"}))
    world.migrate()
    assert world.target_sql("SELECT legacy_id, name, word, n FROM things ORDER BY 1") == [
        (1, "x", "one", 4), (3, "z", None, 4)]
    world.source_sql("UPDATE kinds SET word = 'uno' WHERE id = 1")  # seen only through the join
    assert world.detect().modified == 1
    world.migrate()
    assert world.target.value("SELECT word FROM things WHERE legacy_id = 1") == "uno"
    world.source_sql("UPDATE a SET name = 'y' WHERE id = 1")  # leaves by the filter
    world.migrate()
    assert world.target_sql("SELECT legacy_id FROM things") == [(3,)]
    world.finds_nothing()


def test_one_source_table_feeds_two_targets(pair):
    world = pair(
        "CREATE TABLE events (id integer PRIMARY KEY, kind text, value text);"
        "INSERT INTO events VALUES (1, 'a', 'x'), (2, 'b', 'y'), (3, 'c', 'z')",
        "CREATE TABLE a (id uuid PRIMARY KEY, legacy_id integer UNIQUE, value text); CREATE TABLE b (LIKE a INCLUDING ALL)",
        entity("a", {"value": "value"}, source={"table": "events", "where": "kind = 'a'"}, on_delete="delete"),
        entity("b", {"value": "value"}, source={"table": "events", "where": "kind = 'b'"}, on_delete="delete"))
    world.migrate()
    assert (world.target_sql("SELECT legacy_id FROM a"), world.target_sql("SELECT legacy_id FROM b")) == ([(1,)], [(2,)])
    world.source_sql("UPDATE events SET kind = CASE kind WHEN 'a' THEN 'b' WHEN 'b' THEN 'a' ELSE kind END")
    world.migrate()
    assert (world.target_sql("SELECT legacy_id FROM a"), world.target_sql("SELECT legacy_id FROM b")) == ([(2,)], [(1,)])
    world.finds_nothing()


# --- the mapping changes ---------------------------------------------------------------------------

def test_a_changed_mapping_reads_all_and_rewrites_what_differs(pair):
    world = pair(PLAIN_SOURCE + """; INSERT INTO things SELECT i, CASE WHEN i % 10 = 0 THEN 'TEN' ELSE 'x' END
                                      FROM generate_series(1, 50) AS i""", PLAIN_TARGET, PLAIN)
    world.migrate()
    before = row_versions(world.target)
    uuids = dict(world.target_sql("SELECT legacy_id, id FROM things"))
    world.change_mapping([entity("things", {"value": {"sql": "lower(value)"}}, on_delete="delete")])
    session = world.migrate()
    assert (session.entities["things"]["done"], session.entities["things"]["updated"]) == (50, 5)
    assert len(row_versions(world.target) - before) == 5
    assert dict(world.target_sql("SELECT legacy_id, id FROM things")) == uuids
    world.source_sql("DELETE FROM things WHERE id = 1")
    world.migrate()
    assert world.target.value("SELECT count(*) FROM things") == 49
    world.finds_nothing()


def test_rows_deleted_while_the_mapping_changed_are_noticed(pair):
    world = pair(PLAIN_SOURCE + "; INSERT INTO things SELECT i, 'X' FROM generate_series(1, 50) AS i", PLAIN_TARGET, PLAIN)
    world.migrate()
    world.source_sql("DELETE FROM things WHERE id <= 5")
    world.change_mapping([entity("things", {"value": {"sql": "lower(value)"}}, on_delete="delete")])
    world.migrate()
    world.migrate()
    assert world.target_sql("SELECT value, count(*) FROM things GROUP BY 1") == [("x", 45)]


# --- what stands in each other's way -----------------------------------------------------------------

UNIQUE_TARGET = "CREATE TABLE things (id uuid PRIMARY KEY, legacy_id integer UNIQUE, value text {0})"


def test_rows_that_exchange_a_deferrable_unique_value(pair):
    world = pair(PLAIN_SOURCE + "; INSERT INTO things VALUES (1, 'a'), (2, 'b'), (3, 'c')",
                 UNIQUE_TARGET.format("UNIQUE DEFERRABLE"), PLAIN)
    world.migrate()
    world.source_sql("UPDATE things SET value = CASE id WHEN 1 THEN 'b' WHEN 2 THEN 'a' ELSE 'd' END")
    session = world.migrate()
    assert session.failed == 0
    same_things(world)


def test_rows_that_exchange_a_unique_value(pair):
    world = pair(PLAIN_SOURCE + "; INSERT INTO things VALUES (1, 'a'), (2, 'b'), (3, 'c')",
                 UNIQUE_TARGET.format("UNIQUE"), PLAIN)
    world.migrate()
    world.source_sql("UPDATE things SET value = CASE id WHEN 1 THEN 'b' WHEN 2 THEN 'a' ELSE 'd' END")
    world.migrate()
    # Neither can be the first to move: both are kept as they were and said so, the third row is none of it.
    assert {key: letter[0] for key, letter in dead_letters(world, "things").items()} == {"1": "23505", "2": "23505"}
    assert dict(world.target_sql("SELECT legacy_id, value FROM things")) == {1: "a", 2: "b", 3: "d"}
    world.source_sql("UPDATE things SET value = 'free' WHERE id = 1")
    world.migrate()
    world.migrate()
    assert dead_letters(world, "things") == {}
    same_things(world)


def test_a_unique_value_that_is_handed_on_along_a_row_of_rows(pair):
    world = pair(PLAIN_SOURCE + "; INSERT INTO things SELECT i, chr(96 + i) FROM generate_series(1, 8) AS i",
                 UNIQUE_TARGET.format("UNIQUE"), PLAIN)
    world.migrate()
    world.source_sql("UPDATE things SET value = chr(97 + id)")
    for _ in range(8):
        if world.migrate().failed == 0:
            break
    assert dead_letters(world, "things") == {}
    same_things(world)


def test_an_expression_that_fails_on_the_source_stops_its_entity_and_no_other(pair):
    world = pair(
        PLAIN_SOURCE + "; INSERT INTO things SELECT i, i FROM generate_series(1, 20) AS i; CREATE TABLE others (LIKE things)"
        "; ALTER TABLE others ADD PRIMARY KEY (id); INSERT INTO others TABLE things",
        PLAIN_TARGET + "; CREATE TABLE others (LIKE things INCLUDING ALL)",
        entity("things", {"value": {"sql": "100 / (id - 7) || '/' || value"}}, on_delete="delete"),
        entity("others", {"value": "value"}))
    session = world.migrate(expect="failed", batch_size=5, parallel=1)
    assert session.entities["things"]["status"] == "failed"
    assert "division by zero" in session.entities["things"]["reason"]
    assert session.entities["others"]["status"] == "completed"
    world.source_sql("UPDATE things SET id = 100 WHERE id = 7")
    world.migrate()
    assert world.target.value("SELECT count(*) FROM things") == 20
    world.finds_nothing()


def test_an_entity_that_cannot_be_detected_fails_and_says_so(pair):
    world = pair(PLAIN_SOURCE + "; INSERT INTO things SELECT i, i FROM generate_series(1, 20) AS i",
                 PLAIN_TARGET, entity("things", {"value": {"sql": "100 / value::integer"}}))
    world.migrate()
    world.source_sql("UPDATE things SET value = 'no number' WHERE id = 3")
    session = world.migrate(expect="failed")
    assert session.entities["things"]["status"] == "failed"
    assert "no number" not in session.entities["things"]["reason"]
    stored = world.target_sql("SELECT state, reason IS NOT NULL FROM migrated.session_entity WHERE session = %s",
                              [session.session])
    assert stored == [("failed", True)]
