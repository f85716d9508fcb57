"""References between entities, and join tables."""

import pytest

from mapping import entity
from sessions import dead_letters, parked

# --- references ------------------------------------------------------------------------------------

def test_a_conditional_reference_leads_to_one_of_several_parents(pair):
    world = pair(
        """CREATE TABLE a (id integer PRIMARY KEY); CREATE TABLE b (id integer PRIMARY KEY);
           CREATE TABLE notes (id integer PRIMARY KEY, kind text, of integer);
           INSERT INTO a VALUES (1), (2); INSERT INTO b VALUES (1);
           INSERT INTO notes VALUES (1, 'a', 1), (2, 'b', 1), (3, 'c', 1), (4, 'a', NULL), (5, 'b', 2), (6, NULL, 1)""",
        """CREATE TABLE a (id uuid PRIMARY KEY, legacy_id integer UNIQUE); CREATE TABLE b (LIKE a INCLUDING ALL);
           CREATE TABLE notes (id uuid PRIMARY KEY, legacy_id integer UNIQUE, of uuid)""",
        entity("a", {}), entity("b", {}),
        entity("notes", {"of": {"from": "of", "references": [{"entity": "a", "when": "kind = 'a'"},
                                                             {"entity": "b", "when": "kind = 'b'"}]}}))
    world.migrate()
    a, b = (world.target.value(f"SELECT id FROM {table} WHERE legacy_id = 1") for table in "ab")
    assert world.target_sql("SELECT legacy_id, of FROM notes ORDER BY 1") == [(1, a), (2, b), (3, None), (4, None), (6, None)]
    assert parked(world, "notes") == {"5": ("of", "b", "2")}
    world.source_sql("UPDATE notes SET kind = 'b' WHERE id = 1")
    world.source_sql("INSERT INTO b VALUES (2)")
    world.migrate()
    assert world.target.value("SELECT of FROM notes WHERE legacy_id = 1") == b
    assert world.target.value("SELECT count(*) FROM notes") == 6
    world.finds_nothing()


def test_a_reference_by_a_composite_key(pair):
    world = pair(
        """CREATE TABLE parents (a integer, b text, PRIMARY KEY (a, b));
           CREATE TABLE children (id integer PRIMARY KEY, pa integer, pb text);
           INSERT INTO parents VALUES (1, 'x,y'), (1, '');
           INSERT INTO children VALUES (1, 1, 'x,y'), (2, 1, ''), (3, 1, NULL), (4, 2, 'q"'), (5, NULL, NULL)""",
        """CREATE TABLE parents (id uuid PRIMARY KEY, legacy_a integer, legacy_b text);
           CREATE TABLE children (id uuid PRIMARY KEY, legacy_id integer UNIQUE, parent uuid)""",
        entity("parents", {}, key=["a", "b"], legacy_key=["legacy_a", "legacy_b"]),
        entity("children", {"parent": {"references": "parents", "from": ["pa", "pb"]}}))
    world.migrate()
    assert world.target_sql("""SELECT c.legacy_id, p.legacy_b FROM children AS c LEFT JOIN parents AS p ON p.id = c.parent
                                ORDER BY 1""") == [(1, "x,y"), (2, ""), (3, None), (5, None)]
    assert parked(world, "children") == {"4": ("parent", "parents", ("2", 'q"'))}
    world.source_sql("INSERT INTO parents VALUES (2, 'q\"')")
    world.migrate()
    assert parked(world, "children") == {}
    world.finds_nothing()


def test_a_reference_that_may_be_null_is_filled_when_the_parent_comes(pair):
    world = pair(
        """CREATE TABLE parents (id integer PRIMARY KEY); CREATE TABLE children (id integer PRIMARY KEY, parent integer);
           INSERT INTO children SELECT i, i FROM generate_series(1, 30) AS i""",
        """CREATE TABLE parents (id uuid PRIMARY KEY, legacy_id integer UNIQUE);
           CREATE TABLE children (id uuid PRIMARY KEY, legacy_id integer UNIQUE, parent uuid REFERENCES parents)""",
        entity("parents", {}),
        entity("children", {"parent": {"references": "parents", "from": "parent", "if_missing": "null"}}))
    world.migrate(batch_size=7)
    assert world.target.value("SELECT count(*) FROM children WHERE parent IS NULL") == 30
    world.source_sql("INSERT INTO parents SELECT i FROM generate_series(1, 20) AS i")
    world.migrate(batch_size=7)  # the children have not changed
    assert world.target.value("SELECT count(*) FROM children AS c JOIN parents AS p ON p.id = c.parent"
                              "  WHERE p.legacy_id = c.legacy_id") == 20
    world.source_sql("UPDATE children SET parent = 1 WHERE id = 30")
    world.source_sql("UPDATE children SET parent = NULL WHERE id IN (1, 29)")
    world.source_sql("INSERT INTO parents VALUES (29), (30)")
    world.migrate()
    assert dict(world.target_sql("""
        SELECT c.legacy_id, p.legacy_id FROM children AS c LEFT JOIN parents AS p ON p.id = c.parent
         WHERE c.legacy_id IN (1, 2, 28, 29, 30)""")) == {1: None, 2: 2, 28: None, 29: None, 30: 1}
    world.finds_nothing()


def test_two_entities_that_refer_to_each_other(pair):
    world = pair(
        """CREATE TABLE people (id integer PRIMARY KEY, team integer);
           CREATE TABLE teams (id integer PRIMARY KEY, lead integer);
           INSERT INTO people SELECT i, 1 + i % 5 FROM generate_series(1, 30) AS i;
           INSERT INTO teams SELECT i, i * 2 FROM generate_series(1, 5) AS i""",
        """CREATE TABLE people (id uuid PRIMARY KEY, legacy_id integer UNIQUE, team uuid);
           CREATE TABLE teams (id uuid PRIMARY KEY, legacy_id integer UNIQUE, lead uuid NOT NULL REFERENCES people);
           ALTER TABLE people ADD FOREIGN KEY (team) REFERENCES teams""",
        entity("people", {"team": {"references": "teams", "from": "team", "if_missing": "null"}}),
        entity("teams", {"lead": {"references": "people", "from": "lead"}}))
    world.migrate(batch_size=4)
    assert world.target.value("""
        SELECT count(*) FROM people AS p JOIN teams AS t ON t.id = p.team JOIN people AS l ON l.id = t.lead
         WHERE t.legacy_id = 1 + p.legacy_id % 5 AND l.legacy_id = 2 * t.legacy_id""".replace("%", "%%"), []) == 30
    world.source_sql("UPDATE teams SET lead = lead + 1; UPDATE people SET team = 1")
    world.migrate(batch_size=4)
    assert world.target.value("SELECT count(DISTINCT team) FROM people") == 1
    world.finds_nothing()


def test_a_second_pass_that_is_refused_for_one_row_serves_the_others(pair):
    world = pair(
        """CREATE TABLE nodes (id integer PRIMARY KEY, next integer);
           INSERT INTO nodes VALUES (1, 3), (2, 3), (3, NULL), (4, 5), (5, 4)""",
        "CREATE TABLE nodes (id uuid PRIMARY KEY, legacy_id integer UNIQUE, next uuid UNIQUE REFERENCES nodes)",
        entity("nodes", {"next": {"references": "nodes", "from": "next", "if_missing": "null"}}))
    world.migrate(batch_size=2, parallel=1)
    rows = dict(world.target_sql("SELECT n.legacy_id, m.legacy_id FROM nodes AS n LEFT JOIN nodes AS m ON m.id = n.next"))
    assert (rows[4], rows[5]) == (5, 4)
    assert {rows[1], rows[2]} == {3, None}
    (refused,) = dead_letters(world, "nodes").items()
    assert (refused[0], refused[1][0]) == ("1" if rows[1] is None else "2", "23505")
    world.source_sql("UPDATE nodes SET next = NULL WHERE id = %s", [2 if rows[1] is None else 1])
    world.migrate()
    assert dead_letters(world, "nodes") == {}
    world.finds_nothing()


# --- join tables -----------------------------------------------------------------------------------

JOIN_SOURCE = """CREATE TABLE a (id integer PRIMARY KEY); CREATE TABLE b (id integer PRIMARY KEY);
    CREATE TABLE a_b (id integer PRIMARY KEY, a integer, b integer, note text, UNIQUE (a, b));
    INSERT INTO a SELECT generate_series(1, 5); INSERT INTO b SELECT generate_series(1, 5);
    INSERT INTO a_b SELECT 10 * i + j, i, j, 'n' FROM generate_series(1, 3) AS i, generate_series(1, 3) AS j;"""
JOIN_TARGET = """CREATE TABLE a (id uuid PRIMARY KEY, legacy_id integer UNIQUE); CREATE TABLE b (LIKE a INCLUDING ALL);
    CREATE TABLE a_b (a_id uuid REFERENCES a, b_id uuid REFERENCES b, note text, PRIMARY KEY (a_id, b_id));"""
JOIN = (entity("a", {}), entity("b", {}),
        entity("a_b", {"a_id": {"references": "a", "from": "a"}, "b_id": {"references": "b", "from": "b"}, "note": "note"},
               target_key=["a_id", "b_id"], legacy_key=None, on_delete="delete"))
JOINED = """SELECT a.legacy_id, b.legacy_id, note FROM a_b JOIN a ON a.id = a_id JOIN b ON b.id = b_id"""


def same_pairs(world):
    assert sorted(world.target_sql(JOINED)) == sorted(world.source_sql("SELECT a, b, note FROM a_b"))


def test_a_join_table_with_a_legacy_key_of_its_own(pair):
    world = pair(JOIN_SOURCE, JOIN_TARGET, *JOIN)
    world.migrate(batch_size=4)
    same_pairs(world)
    world.source_sql("UPDATE a_b SET b = 4 WHERE id = 11")                       # another pair
    world.source_sql("UPDATE a_b SET note = 'changed' WHERE id = 12")
    world.source_sql("DELETE FROM a_b WHERE id IN (13, 21)")
    world.source_sql("INSERT INTO a_b VALUES (99, 1, 3, 'the pair of a row that is gone')")
    world.migrate(batch_size=4)
    same_pairs(world)
    world.finds_nothing()


def test_pairs_that_change_places_in_a_join_table(pair):
    world = pair(JOIN_SOURCE, JOIN_TARGET, *JOIN)
    world.migrate()
    for key, b in ((11, 5), (12, 1), (11, 2)):
        world.source_sql("UPDATE a_b SET b = %s WHERE id = %s", [b, key])
    world.migrate()
    world.migrate()
    same_pairs(world)
    world.finds_nothing()


# --- keys of other types on the two sides of a reference ----------------------------------------------------

PARENTS = "CREATE TABLE parents (id {0} PRIMARY KEY, value text); CREATE TABLE children (id integer PRIMARY KEY, parent {1});"
MODERN = """CREATE TABLE parents (id uuid PRIMARY KEY, legacy_id {0} UNIQUE, value text);
    CREATE TABLE children (id uuid PRIMARY KEY, legacy_id integer UNIQUE, parent uuid REFERENCES parents)"""
RELATED = """SELECT c.legacy_id, p.legacy_id::text FROM children AS c LEFT JOIN parents AS p ON p.id = c.parent"""
CHILDREN = entity("children", {"parent": {"references": "parents", "from": "parent"}})


@pytest.mark.parametrize("parent_type, child_type, parents, pairs", [
    ("smallint", "bigint", [-32768, 0, 32767], {1: -32768, 2: 0, 3: 32767, 4: None}),
    ("bigint", "smallint", [-32768, 0, 2**63 - 1], {1: -32768, 2: 0, 4: None}),
    ("integer", "numeric(12,2)", [1, 2, -3], {1: 1, 2: 2, 3: -3}),
    ("numeric", "integer", ["1.0", "2.00", "-3"], {1: 1, 2: 2, 3: -3}),
    ("numeric", "numeric", ["1.0", "2.50"], {1: "1.000", 2: "2.5"}),
    ("integer", "double precision", [1, 2], {1: 1.0, 2: 2}),
    ("integer", "text", [1, 2], {1: "1", 2: " 2 ", 3: None}),
    ("text", "integer", ["1", "2"], {1: 1, 2: 2}),
    ("text", "varchar(9)", ["", "a", "a ", "Ä"], {1: "", 2: "a", 3: "a ", 4: "Ä"}),
    ("char(5)", "varchar(9)", ["", "a", "Ä"], {1: "", 2: "a", 3: "Ä  "}),
    ("uuid", "text", ["00000000-0000-0000-0000-00000000000a"], {1: "00000000-0000-0000-0000-00000000000A"}),
    ("date", "timestamp", ["2024-02-29"], {1: "2024-02-29 00:00"}),
], ids=lambda value: value if isinstance(value, str) else "")
def test_a_reference_whose_column_has_another_type_than_the_key(pair, parent_type, child_type, parents, pairs):
    world = pair(PARENTS.format(parent_type, child_type), MODERN.format(parent_type),
                 entity("parents", {"value": "value"}), CHILDREN)
    for key in parents:
        world.source_sql(f"INSERT INTO parents VALUES (%s::{parent_type}, 'x')", [key])
    for key, parent in pairs.items():
        world.source_sql(f"INSERT INTO children VALUES (%s, %s::{child_type})", [key, parent])
    world.migrate()
    assert dead_letters(world, "children") == {} and parked(world, "children") == {}
    # What the source joins with what, both cast to the parent's type.
    right = f"SELECT c.id, p.id::text FROM children AS c LEFT JOIN parents AS p ON p.id = c.parent::{parent_type}"
    assert sorted(world.target_sql(RELATED)) == sorted(world.source_sql(right))
    assert all(parent is None for _, parent in world.target_sql(RELATED)) is False
    world.finds_nothing()


@pytest.mark.parametrize("parent_type, child_type, exact, wrong", [
    ("integer", "numeric", "2.0", "1.6"),
    ("bigint", "double precision", "2", "2.4"),
    ("date", "timestamptz", "2024-01-02 00:00+00", "2024-01-02 12:00+00"),
])
def test_a_reference_that_would_be_rounded_leads_to_nobody(pair, parent_type, child_type, exact, wrong):
    world = pair(PARENTS.format(parent_type, child_type), MODERN.format(parent_type),
                 entity("parents", {"value": "value"}), CHILDREN)
    world.source_sql(f"INSERT INTO parents VALUES ('{exact}'::{child_type}::{parent_type}, 'x')")
    world.source_sql(f"INSERT INTO children VALUES (1, '{exact}'), (2, '{wrong}')")
    world.migrate()
    assert [key for key, _ in world.target_sql(RELATED)] == [1]
    assert dead_letters(world, "children") == {
        "2": ("22003", None, "parent", "it refers to a key that its parent's type cannot hold")}
    world.finds_nothing()


def test_a_child_whose_column_has_another_type_waits_for_its_parent_and_follows(pair):
    world = pair(PARENTS.format("integer", "numeric(8,2)"), MODERN.format("integer"),
                 entity("parents", {"value": "value"}), CHILDREN)
    world.source_sql("INSERT INTO children VALUES (1, 7)")
    world.migrate()
    assert parked(world, "children") == {"1": ("parent", "parents", "7")}
    world.migrate()
    world.source_sql("INSERT INTO parents VALUES (7, 'late')")
    world.migrate()
    assert world.target_sql(RELATED) == [(1, "7")]
    assert parked(world, "children") == {}


def test_alternatives_whose_keys_have_different_types(pair):
    world = pair(
        """CREATE TABLE numbers (id integer PRIMARY KEY); CREATE TABLE words (id text PRIMARY KEY);
           CREATE TABLE things (id uuid PRIMARY KEY);
           CREATE TABLE notes (id integer PRIMARY KEY, kind text, of text);
           INSERT INTO numbers VALUES (1), (2); INSERT INTO words VALUES ('one'), ('2');
           INSERT INTO things VALUES ('00000000-0000-0000-0000-00000000000a');
           INSERT INTO notes VALUES (1, 'n', '1'), (2, 'w', 'one'), (3, 'w', '2'), (4, 'n', '2'), (5, 'x', 'any'), (6, 'w', '3'),
             (7, 't', '00000000-0000-0000-0000-00000000000A'), (8, 'n', 'one'), (9, 'n', '9')""",
        """CREATE TABLE numbers (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, legacy_id integer UNIQUE);
           CREATE TABLE words (id uuid PRIMARY KEY, legacy_id text UNIQUE);
           CREATE TABLE things (id uuid PRIMARY KEY, legacy_id uuid UNIQUE);
           CREATE TABLE notes (id uuid PRIMARY KEY, legacy_id integer UNIQUE, of text)""",
        entity("numbers", {}), entity("words", {}), entity("things", {}),
        entity("notes", {"of": {"from": "of", "references": [{"entity": "numbers", "when": "kind = 'n' -- a number"},
                                                             {"entity": "words", "when": "kind = 'w'"},
                                                             {"entity": "things", "when": "kind = 't'"}]}}))
    for _ in range(2):
        world.migrate()
        keys = {table: dict(world.target_sql(f"SELECT legacy_id::text, id::text FROM {table}"))
                for table in ("numbers", "words", "things")}
        assert dict(world.target_sql("SELECT legacy_id, of FROM notes")) == {
            1: keys["numbers"]["1"], 2: keys["words"]["one"], 3: keys["words"]["2"], 4: keys["numbers"]["2"], 5: None,
            7: keys["things"]["00000000-0000-0000-0000-00000000000a"]}
        assert parked(world, "notes") == {"6": ("of", "words", "3"), "9": ("of", "numbers", "9")}
        assert {key: letter[0] for key, letter in dead_letters(world, "notes").items()} == {"8": "22P02"}
    world.source_sql("UPDATE notes SET kind = CASE kind WHEN 'n' THEN 'w' ELSE 'n' END WHERE of = '2'")
    world.source_sql("INSERT INTO numbers VALUES (9); INSERT INTO words VALUES ('3')")
    world.migrate()
    of = dict(world.target_sql("SELECT legacy_id, of FROM notes"))
    assert (of[3], of[4]) == (keys["numbers"]["2"], keys["words"]["2"])
    assert of[9] == world.target.value("SELECT id::text FROM numbers WHERE legacy_id = 9")
    assert parked(world, "notes") == {}
    world.finds_nothing()


def test_the_first_condition_that_holds_decides(pair):
    world = pair(
        """CREATE TABLE a (id integer PRIMARY KEY); CREATE TABLE b (id integer PRIMARY KEY);
           CREATE TABLE notes (id integer PRIMARY KEY, "kind of" integer, of integer, other text);
           INSERT INTO a VALUES (1); INSERT INTO b VALUES (1);
           INSERT INTO notes VALUES (1, 1, 1, NULL), (2, 5, 1, 'b'), (3, 5, 1, NULL), (4, NULL, 1, 'none'), (5, -1, 1, '')""",
        """CREATE TABLE a (id uuid PRIMARY KEY, legacy_id integer UNIQUE); CREATE TABLE b (LIKE a INCLUDING ALL);
           CREATE TABLE notes (id uuid PRIMARY KEY, legacy_id integer UNIQUE, of uuid, last uuid)""",
        entity("a", {}), entity("b", {}),
        entity("notes", {"of": {"from": "of", "references": [{"entity": "a", "when": '"kind of" > 0 AND other IS NULL'},
                                                             {"entity": "b", "when": '"kind of" > 0 OR other = \'\''}]},
                         "last": {"from": "of", "references": [{"entity": "a", "when": "other = 'b'"}, {"entity": "b"}]}}))
    world.migrate()
    a, b = (world.target.value(f"SELECT id FROM {table}") for table in "ab")
    assert world.target_sql("SELECT legacy_id, of, last FROM notes ORDER BY 1") == [
        (1, a, b), (2, b, a), (3, a, b), (4, None, b), (5, b, b)]
    world.source_sql("UPDATE notes SET other = 'b' WHERE id IN (1, 4)")
    world.migrate()
    assert world.target_sql("SELECT legacy_id, of, last FROM notes WHERE legacy_id IN (1, 4) ORDER BY 1") == [(1, b, a), (4, None, a)]
    world.finds_nothing()


def test_references_to_keys_of_the_target_that_are_no_uuids(pair):
    world = pair(
        PARENTS.format("integer", "integer") + "INSERT INTO parents SELECT i, 'P' || i FROM generate_series(1, 9) AS i;"
        "INSERT INTO children SELECT i, 1 + i % 9 FROM generate_series(1, 20) AS i",
        """CREATE TABLE parents (code varchar(9) PRIMARY KEY, legacy_id integer UNIQUE);
           CREATE TABLE children (id uuid PRIMARY KEY, legacy_id integer UNIQUE, parent text REFERENCES parents)""",
        entity("parents", {"code": "value"}, target_key="code"), CHILDREN)
    world.migrate()
    assert sorted(world.target_sql("SELECT legacy_id, parent FROM children")) == \
        sorted(world.source_sql("SELECT c.id, p.value FROM children AS c JOIN parents AS p ON p.id = c.parent"))
    world.source_sql("UPDATE children SET parent = 9 WHERE id < 5")
    world.migrate()
    assert sorted(world.target_sql("SELECT legacy_id, parent FROM children")) == \
        sorted(world.source_sql("SELECT c.id, p.value FROM children AS c JOIN parents AS p ON p.id = c.parent"))
    world.finds_nothing()


def test_references_by_keys_of_several_columns_and_types(pair):
    world = pair(
        """CREATE TABLE parents (a bigint, b date, c uuid, PRIMARY KEY (a, b, c));
           CREATE TABLE children (id text PRIMARY KEY, pa integer, pb text, pc text);
           INSERT INTO parents SELECT i, date '2024-01-01' + i, md5(i::text)::uuid FROM generate_series(1, 20) AS i;
           INSERT INTO children SELECT i, i, date '2024-01-01' + i, upper(md5(i::text)) FROM generate_series(1, 25) AS i""",
        """CREATE TABLE parents (id uuid PRIMARY KEY, a bigint, b date, c uuid, UNIQUE (a, b, c));
           CREATE TABLE children (id uuid PRIMARY KEY, legacy_id text UNIQUE, parent uuid REFERENCES parents)""",
        entity("parents", {}, key=["a", "b", "c"], legacy_key=["a", "b", "c"]),
        entity("children", {"parent": {"references": "parents", "from": ["pa", "pb", "pc"]}}))
    world.migrate(batch_size=6)
    assert sorted(world.target_sql("SELECT c.legacy_id::integer, p.a FROM children AS c JOIN parents AS p ON p.id = c.parent")) == \
        [(i, i) for i in range(1, 21)]
    assert len(parked(world, "children")) == 5
    world.source_sql("INSERT INTO parents SELECT i, date '2024-01-01' + i, md5(i::text)::uuid FROM generate_series(21, 25) AS i")
    world.migrate()
    assert parked(world, "children") == {}
    world.finds_nothing()
