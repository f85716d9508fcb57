"""Legacy keys of every type: rows are found again by them."""

import datetime
import decimal
import uuid

import pytest

from mapping import AWKWARD_TEXTS, KEY_TYPES, PLAIN, PLAIN_SOURCE, PLAIN_TARGET, entity, same_things
from sessions import counts

KEYS = {
    "smallint": ("smallint", [-32768, -1, 0, 1, 32766, 32767]),
    "integer": ("integer", [-2**31, -7, 0, 1, 2, 3, 1000, 2**31 - 1]),
    "bigint at its ends": ("bigint", [-2**63, -2**63 + 1, -1, 0, 1, 2**63 - 2, 2**63 - 1]),
    "sparse snowflakes": ("bigint", [1288834974657 * 4194304 + 99991 * i * i for i in range(1, 30)]),
    "text": ("text", AWKWARD_TEXTS),
    "text of C": ('text COLLATE "C"', AWKWARD_TEXTS),
    "text of a language": ('text COLLATE "de-x-icu"', AWKWARD_TEXTS),
    "varchar": ("varchar(20)", AWKWARD_TEXTS),
    "char": ("char(5)", ["", "a", "A", "ä", "abcde", "'"]),
    "uuid": ("uuid", [uuid.UUID(int=i * 2**96 + i) for i in range(9)]),
    "numeric": ("numeric", [decimal.Decimal(n) for n in ("-1e30", "-0.5", "0", "0.5", "1", "1.10", "1e30", "NaN")]),
    "date": ("date", [datetime.date(2024, 2, 28 + i % 2) - datetime.timedelta(400 * i) for i in range(7)]),
    "timestamptz": ("timestamptz", [datetime.datetime(2024, 1, 1, 0, 0, 0, i, datetime.timezone.utc) for i in range(7)]),
    "boolean": ("boolean", [True, False]),
    "double precision": ("double precision", [float("-inf"), -1.5, 0.1, 1 / 3, 1e300, float("inf"), float("nan")]),
    "inet": ("inet", ["10.0.0.1", "10.0.0.0/8", "::1", "10.0.0.2"]),
    "bytea": ("bytea", [b"", b"\0", b"\\", b"'", b"\xff\xfe"]),
    "enum": ("mood", ["sad", "ok", "happy, very", "it's"]),
    "domain": ("positive", [1, 2, 3, 10]),
}
@pytest.mark.parametrize("kind", KEYS)
def test_rows_are_found_again_by_keys_of_every_type(pair, kind):
    type_name, keys = KEYS[kind]
    world = pair(
        f"{KEY_TYPES} CREATE TABLE things (id {type_name} PRIMARY KEY, value text)",
        f"{KEY_TYPES} CREATE TABLE things (id uuid PRIMARY KEY, legacy_id {type_name} UNIQUE, value text)",
        entity("things", {"value": "value"}, on_delete="delete"))
    for number, key in enumerate(keys[:-1]):
        world.source_sql("INSERT INTO things VALUES (%s, %s)", [key, f"value {number}"])
    world.migrate(batch_size=2)
    same_things(world)
    uuids = world.target_sql("SELECT id FROM things ORDER BY id")
    world.source_sql("UPDATE things SET value = value || ' changed' WHERE id = %s", [keys[0]])
    if len(keys) > 2:
        world.source_sql("DELETE FROM things WHERE id = %s", [keys[1]])
    world.source_sql("INSERT INTO things VALUES (%s, 'the last')", [keys[-1]])
    session = world.migrate(batch_size=2)
    assert counts(world, session.session)["things"] == (1, 1, int(len(keys) > 2), 0, 0)
    same_things(world)
    assert len(set(world.target_sql("SELECT id FROM things")) & set(uuids)) == len(uuids) - int(len(keys) > 2)
    world.finds_nothing()


def test_a_composite_key_of_a_number_and_a_text(pair):
    world = pair(
        "CREATE TABLE things (a integer, b text, value text, PRIMARY KEY (a, b))",
        """CREATE TABLE things (id uuid PRIMARY KEY, legacy_a integer, legacy_b text, value text,
                                UNIQUE (legacy_a, legacy_b))""",
        entity("things", {"value": "value"}, key=["a", "b"], legacy_key=["legacy_a", "legacy_b"], on_delete="delete"))
    for number, text in enumerate(AWKWARD_TEXTS):
        world.source_sql("INSERT INTO things VALUES (%s, %s, 'x'), (%s, %s, 'y')", [number % 5, text, -1 - number % 3, text])
    world.migrate(batch_size=7)
    everything = "SELECT {0}a, {0}b, value FROM things"
    assert set(world.target_sql(everything.format("legacy_"))) == set(world.source_sql(everything.format("")))
    world.source_sql("UPDATE things SET value = 'z' WHERE b IN ('', 'NULL', '{x}', '\"')")
    world.source_sql("DELETE FROM things WHERE b IN ('\\', 'ß')")
    world.source_sql("INSERT INTO things VALUES (99, 'new', NULL)")
    world.migrate(batch_size=7)
    assert set(world.target_sql(everything.format("legacy_"))) == set(world.source_sql(everything.format("")))
    world.finds_nothing()


@pytest.mark.parametrize("rows", [0, 1, 9, 10, 11, 20, 21])
def test_as_many_rows_as_a_batch_holds_and_one_more_or_less(pair, rows):
    world = pair(PLAIN_SOURCE + f"; INSERT INTO things SELECT i * 3, i FROM generate_series(1, {rows}) AS i",
                 PLAIN_TARGET, PLAIN)
    session = world.migrate(batch_size=10)
    assert (session.total, session.done) == (rows, rows)
    same_things(world)
    world.source_sql("UPDATE things SET value = 'changed'")
    session = world.migrate(batch_size=10)
    assert counts(world, session.session).get("things", (0, 0))[1] == rows
    same_things(world)
    world.finds_nothing()


def test_a_source_that_is_emptied_and_filled_again(pair):
    world = pair(PLAIN_SOURCE + "; INSERT INTO things SELECT i, i FROM generate_series(1, 25) AS i", PLAIN_TARGET, PLAIN)
    world.daemon.config["breakers"] = {"delete_share": 0}
    world.daemon.write_config()
    world.daemon.restart()
    world.migrate()
    world.source_sql("DELETE FROM things")
    session = world.migrate(batch_size=10)
    assert session.entities["things"]["deleted"] == 25
    assert world.target_sql("SELECT * FROM things") == []
    world.finds_nothing()
    world.source_sql("INSERT INTO things SELECT i, i FROM generate_series(5, 15) AS i")
    world.migrate(batch_size=10)
    same_things(world)
