"""The sweep finds exactly what has changed, also where sums of a leaf say which row of it that may have been."""

import random

import pytest

from mapping import entity, same_things

SOURCE = "CREATE TABLE things (id bigint PRIMARY KEY, value integer)"
TARGET = "CREATE TABLE things (id uuid PRIMARY KEY, legacy_id bigint UNIQUE, value integer)"
THINGS = entity("things", {"value": "value"}, on_delete="delete")

LEAF = 32  # keys of a leaf, where they lie densely
LOCATING = 2**26 - 1


@pytest.fixture
def world(pair):
    def make(keys):
        world = pair(SOURCE, TARGET, THINGS)
        world.source_sql(f"INSERT INTO things SELECT key, 0 FROM ({keys}) AS k (key)")
        world.source_sql("ANALYZE things")
        world.migrate()
        return world

    return make


def finds(world, new=0, modified=0, deleted=0):
    analysis = world.detect()
    assert (analysis.new, analysis.modified, analysis.deleted) == (new, modified, deleted)
    world.migrate()
    same_things(world)
    analysis = world.detect()
    assert (analysis.new, analysis.modified, analysis.deleted) == (0, 0, 0)


@pytest.mark.parametrize("keys", ["SELECT generate_series(0, 1999)", "SELECT generate_series(-1000, 1000)",
                                  "SELECT i * 1000003 FROM generate_series(-500, 500) AS i",
                                  "SELECT i::bigint * 9000000000000000 FROM generate_series(-1000, 1000) AS i"],
                         ids=["dense", "negative", "sparse", "very sparse"])
def test_any_number_of_changes_in_a_leaf_is_found(world, keys):
    dice = random.Random(7)
    world = world(keys)
    there = [key for key, in world.source_sql("SELECT id FROM things ORDER BY id")]
    for _ in range(2):
        new, modified, deleted = [], [], []
        for begin in range(0, len(there), LEAF):
            leaf = there[begin:begin + LEAF]
            touched = dice.sample(leaf, min(len(leaf), dice.choice([0, 0, 1, 1, 1, 2, 3, len(leaf)])))
            gone = dice.choice([0, 0, 1, len(touched)])
            deleted += touched[:gone]
            modified += touched[gone:]
        new = [key + 1 for key in deleted if key + 1 not in there]
        world.source_sql("DELETE FROM things WHERE id = ANY (%s)", [deleted])
        world.source_sql("UPDATE things SET value = value + 1 WHERE id = ANY (%s)", [modified])
        world.source_sql("INSERT INTO things SELECT unnest(%s::bigint[]), 5", [new])
        finds(world, len(new), len(modified), len(deleted))
        there = sorted({*there, *new} - {*deleted})


def test_one_change_in_each_leaf_is_found(world):
    world = world("SELECT generate_series(0, 3199)")
    world.source_sql("UPDATE things SET value = 1 WHERE id % 32 = id / 32 % 32")
    finds(world, modified=100)


def test_two_changes_that_look_like_one_of_a_third_row_are_found(world):
    """Of rows 0 and 2 of a leaf by the same difference, sums say that row 1 has changed by twice as much."""
    world = world("SELECT generate_series(0, 1999)")
    ((first, second),) = world.source_sql(
        """WITH changed AS (
             SELECT id, value, (hashfloat8extended(hash_record_extended(ROW(int8send(id), value), 0)::float8, 0) & %(bits)s)
                               - (hashfloat8extended(hash_record_extended(ROW(int8send(id), 0), 0)::float8, 0) & %(bits)s) AS difference
               FROM unnest(ARRAY[0, 2]::bigint[]) AS id
              CROSS JOIN generate_series(1, 40000) AS value)
           SELECT a.value, b.value
             FROM changed AS a JOIN changed AS b USING (difference)
            WHERE a.id = 0 AND b.id = 2 AND difference <> 0
            LIMIT 1""", {"bits": LOCATING})
    world.source_sql("UPDATE things SET value = CASE id WHEN 0 THEN %s ELSE %s END WHERE id IN (0, 2)", [first, second])
    finds(world, modified=2)


def test_rows_that_exchange_a_value_are_found(pair):
    """Sums of hashes that add up what columns contribute would not see it."""
    world = pair("CREATE TABLE things (id bigint PRIMARY KEY, value integer, text text, at timestamptz)",
                 "CREATE TABLE things (id uuid PRIMARY KEY, legacy_id bigint UNIQUE, value integer, text text, at timestamptz)",
                 entity("things", {"value": "value", "text": "text", "at": "at"}))
    world.source_sql("INSERT INTO things SELECT i, i, 'text ' || i, now() + i * interval '1 s' FROM generate_series(0, 319) AS i")
    world.source_sql("ANALYZE things")
    world.migrate()
    for column in ("value", "text", "at"):
        world.source_sql(f"UPDATE things AS t SET {column} = o.{column} FROM things AS o WHERE o.id = t.id # 1 AND t.id % 32 < 2")
        analysis = world.detect()
        assert (analysis.new, analysis.modified, analysis.deleted) == (0, 20, 0), column
        world.migrate()
    world.source_sql("UPDATE things AS t SET value = o.value FROM things AS o WHERE t.id IN (5, 6, 7) AND o.id = 5 + (t.id - 4) % 3")
    assert world.detect().modified == 3
    world.migrate()
    same_things(world)
