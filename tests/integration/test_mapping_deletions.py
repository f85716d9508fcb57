"""What becomes of the target's rows whose source rows are gone."""

from mapping import PLAIN, PLAIN_SOURCE, PLAIN_TARGET, entity, same_things
from sessions import dead_letters, parked

FAMILY_SOURCE = """CREATE TABLE parents (id integer PRIMARY KEY);
    CREATE TABLE children (id integer PRIMARY KEY, parent integer);
    INSERT INTO parents SELECT generate_series(1, 20);
    INSERT INTO children SELECT i, 1 + i % 20 FROM generate_series(1, 60) AS i"""
FAMILY_TARGET = """CREATE TABLE parents (id uuid PRIMARY KEY, legacy_id integer UNIQUE);
    CREATE TABLE children (id uuid PRIMARY KEY, legacy_id integer UNIQUE, parent uuid NOT NULL REFERENCES parents)"""
FAMILY = (entity("parents", {}, on_delete="delete"),
          entity("children", {"parent": {"references": "parents", "from": "parent"}}, on_delete="delete"))


def test_children_are_deleted_before_their_parents(pair):
    world = pair(FAMILY_SOURCE, FAMILY_TARGET, *FAMILY)
    world.migrate()
    world.source_sql("DELETE FROM parents WHERE id <= 10; DELETE FROM children WHERE parent <= 10")
    world.migrate(batch_size=3)
    assert [world.target.value(f"SELECT count(*) FROM {table}") for table in ("parents", "children")] == [10, 30]
    assert dead_letters(world, "parents") == {}
    world.finds_nothing()


def test_a_deletion_that_a_foreign_row_restricts_is_set_aside_and_tried_again(pair):
    world = pair(FAMILY_SOURCE, FAMILY_TARGET + "; CREATE TABLE foreign_rows (parent uuid REFERENCES parents)", *FAMILY)
    world.migrate()
    world.target_sql("INSERT INTO foreign_rows SELECT id FROM parents WHERE legacy_id IN (2, 5)")
    world.source_sql("DELETE FROM children WHERE parent <= 6; DELETE FROM parents WHERE id <= 6")
    world.migrate()
    letters = dead_letters(world, "parents")
    assert set(letters) == {"2", "5"}
    assert {letter[:2] for letter in letters.values()} == {("23503", "foreign_rows_parent_fkey")}
    assert sorted(world.target_sql("SELECT legacy_id FROM parents WHERE legacy_id <= 6")) == [(2,), (5,)]
    world.target_sql("DELETE FROM foreign_rows")
    world.migrate()
    assert dead_letters(world, "parents") == {}
    assert world.target.value("SELECT count(*) FROM parents") == 14
    world.finds_nothing()


def test_children_of_a_parent_that_is_deleted_are_parked_until_it_is_back(pair):
    world = pair(FAMILY_SOURCE.replace("FROM generate_series(1, 60)", "FROM generate_series(1, 2)"), FAMILY_TARGET, *FAMILY)
    world.migrate()
    world.source_sql("DELETE FROM parents WHERE id = 10")
    world.migrate()
    world.source_sql("INSERT INTO children VALUES (99, 10), (100, 10)")
    world.migrate()
    waiting = ("parent", "parents", "10")
    assert parked(world, "children") == {"99": waiting, "100": waiting}
    world.source_sql("INSERT INTO parents VALUES (10)")
    world.migrate()
    assert parked(world, "children") == {}
    assert world.target.value("SELECT count(*) FROM children AS c JOIN parents AS p ON p.id = c.parent"
                              " WHERE p.legacy_id = 10 AND c.legacy_id >= 99") == 2


def test_a_row_that_is_marked_by_a_column_that_is_also_mapped_comes_back(pair):
    world = pair(PLAIN_SOURCE + "; INSERT INTO things VALUES (1, 'one'), (2, 'two')",
                 PLAIN_TARGET.replace("value text", "value text NOT NULL"),
                 {**PLAIN, "on_delete": {"mark": {"value": "deleted"}}})
    world.migrate()
    world.source_sql("DELETE FROM things WHERE id = 1")
    world.migrate()
    assert world.target.value("SELECT value FROM things WHERE legacy_id = 1") == "deleted"
    world.source_sql("INSERT INTO things VALUES (1, 'back')")
    world.migrate()
    same_things(world)
