"""References between entities, and join tables."""

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
