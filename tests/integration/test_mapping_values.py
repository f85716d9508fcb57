"""Values of every type: they arrive as they are, or are set aside."""

import pytest

from mapping import KEY_TYPES, PLAIN, PLAIN_SOURCE, PLAIN_TARGET, entity, same_things
from sessions import dead_letters

VALUES = {
    "smallint": ["-32768", "32767"],
    "bigint": ["-9223372036854775808", "9223372036854775807"],
    "real": ["1.1", "NaN", "-Infinity", "1e-37", "-0"],
    "double precision": ["0.1", "NaN", "Infinity", "5e-324", "-0", "0.30000000000000004"],
    "numeric": ["1.10", "1.1000", "NaN", "1e100", "-0.000"],
    "numeric(12,4)": ["1.1", "99999999.9999", "NaN"],
    "text": ["", " ", "a\nb\t\\N", "🦷", "NULL"],
    "varchar(10)": ["", "abc  ", "ä" * 10],
    "char(4)": ["", "ab", "ab  ", "äöüß"],
    "boolean": ["true", "false"],
    "bytea": ["", "\\x00ff5c27", "\\x"],
    "date": ["infinity", "-infinity", "0001-01-01 BC", "5874897-12-31", "2024-02-29"],
    "time": ["24:00:00", "00:00:00.000001"],
    "timetz": ["12:00:00+05:30", "12:00:00-15:59"],
    "timestamp": ["infinity", "2024-03-31 02:30:00.123456", "4713-01-01 00:00:00 BC"],
    "timestamp(0)": ["2024-03-31 02:30:00.6"],
    "timestamptz": ["infinity", "-infinity", "2024-10-27 02:30:00.999999+02", "294276-12-31 23:59:59.999999+00"],
    "interval": ["1 mon", "30 days", "720:00:00", "-1 year 2 days -00:00:00.5", "1 day -24:00:00"],
    "uuid": ["00000000-0000-0000-0000-000000000000"],
    "json": ['{"b": 1, "a": 1, "a": 2 }', '"x"', "null"],
    "jsonb": ['{"b": 1.0, "a": [null, "\\u00e4"]}', "null", '""'],
    "xml": ["<a>ä</a>"],
    "inet": ["10.0.0.1/8", "::1"],
    "cidr": ["10.0.0.0/8"],
    "macaddr": ["08:00:2b:01:02:03"],
    "macaddr8": ["08:00:2b:01:02:03:04:05"],
    "bit(5)": ["10101", "00000"],
    "varbit": ["", "1", "101"],
    "point": ["(1,2)", "(NaN,0)"],
    "box": ["(2,2),(1,1)"],
    "polygon": ["((0,0),(1,1),(1,0))"],
    "int4range": ["empty", "[1,5)", "(,)"],
    "tstzrange": ["[2024-01-01 00:00:00+00,)"],
    "numrange": ["[1.10,2.0]"],
    "int4multirange": ["{[1,3), [5,7)}", "{}"],
    "integer[]": ["{}", "{1,NULL,3}", "{{1,2},{3,4}}", "[0:1]={1,2}"],
    "text[]": ['{"",NULL,"NULL","a,b","\\"q\\""}'],
    "numeric(6,2)[]": ["{1.10,2}"],
    "timestamptz[]": ["{infinity}"],
    "uuid[]": ["{00000000-0000-0000-0000-000000000000}"],
    "jsonb[]": ['{"{\\"a\\": 1}"}'],
    "tsvector": ["'a':1 'b':2"],
    "mood": ["ok", "happy, very"],
    "mood[]": ['{ok,"it\'s"}'],
    "positive": ["5"],
    "pair_of": ['(1,"a,b")'],
    "oid": ["4294967295"],
    "name": ["x"],
    "money": ["$1,234.50"],
    "pg_lsn": ["16/B374D848"],
}
VALUE_TYPES = KEY_TYPES + "CREATE TYPE pair_of AS (n integer, t text);"


def test_values_of_every_type_arrive_as_they_are(pair):
    columns = {f"c{i}": type_name for i, type_name in enumerate(VALUES)}
    ddl = ", ".join(f"{name} {type_name}" for name, type_name in columns.items())
    world = pair(
        f"{VALUE_TYPES} CREATE TABLE things (id integer PRIMARY KEY, {ddl})",
        f"{VALUE_TYPES} CREATE TABLE things (id uuid PRIMARY KEY, legacy_id integer UNIQUE, {ddl})",
        entity("things", {name: name for name in columns}))
    world.source_sql("INSERT INTO things (id) VALUES (0)")
    key = 0
    for name, type_name in columns.items():
        for value in VALUES[type_name]:
            key += 1
            world.source_sql(f"INSERT INTO things (id, {name}) VALUES (%s, %s::text::{type_name})", [key, value])
    session = world.migrate()
    assert dead_letters(world, "things") == {}, [(k, *v) for k, v in dead_letters(world, "things").items()]
    assert session.entities["things"]["inserted"] == key + 1
    texts = ", ".join(f"{name}::text" for name in columns)
    arrived = {row[0]: row[1:] for row in world.target_sql(f"SELECT legacy_id, {texts} FROM things")}
    for row in world.source_sql(f"SELECT id, {texts} FROM things"):
        assert arrived[row[0]] == row[1:]
    world.finds_nothing()


@pytest.mark.parametrize("source_type, target_type, good, bad, sqlstate", [
    ("text", "integer", [" 42 ", "-1"], ["4 2", "1.5", "", "99999999999"], {"22P02", "22003"}),
    ("text", "date", ["2024-02-29"], ["2024-02-30", "31/02/1980", "infinityy"], {"22007", "22008"}),
    ("text", "mood", ["ok"], ["Ok", ""], {"22P02"}),
    ("text", "uuid", ["00000000-0000-0000-0000-000000000000"], ["x"], {"22P02"}),
    ("text", "jsonb", ['{"a": 1}'], ["{", '"\\u0000"'], {"22P02", "22P05"}),
    ("bigint", "smallint", ["32767"], ["32768"], {"22003"}),
    ("numeric", "numeric(4,2)", ["99.994", "NaN"], ["99.995", "100"], {"22003"}),
    ("text", "varchar(3)", ["abc", "ab", " "], ["abcd"], {"22001"}),
    ("text", "char(3)", ["abc", "a", "abc   "], ["abcd"], {"22001"}),
    ("bit(4)", "bit(4)", ["1010"], [], set()),
    ("varbit", "bit(4)", ["1010"], ["101", "10101"], {"22026"}),
    ("integer", "positive", ["1"], ["0", "-1"], {"23514"}),
    ("text", "integer[]", ["{1,2}"], ["1,2", "{a}"], {"22P02"}),
    ("timestamptz", "date", ["2024-01-01 23:59:59+00", "infinity"], [], set()),
    ("double precision", "integer", ["1.5", "2.5"], ["NaN", "1e10"], {"22003"}),
    ("boolean", "text", ["true", "false"], [], set()),
    ("text", "boolean", ["yes", "f", "0"], ["maybe"], {"22P02"}),
    ("integer", "mood", [], ["1"], {"42846"}),
], ids=lambda value: value if isinstance(value, str) else "")
def test_what_a_cast_refuses_is_set_aside_and_all_else_arrives(pair, source_type, target_type, good, bad, sqlstate):
    world = pair(
        f"{KEY_TYPES} CREATE TABLE things (id integer PRIMARY KEY, value {source_type})",
        f"{KEY_TYPES} CREATE TABLE things (id uuid PRIMARY KEY, legacy_id integer UNIQUE, value {target_type})",
        entity("things", {"value": "value"}))
    for key, value in enumerate([*good, None, *bad]):
        world.source_sql(f"INSERT INTO things VALUES (%s, %s::text::{source_type})", [key, value])
    if sqlstate == {"42846"}:
        assert world.migrate(expect="failed").entities["things"]["status"] == "failed"
        return
    world.migrate(batch_size=100)
    letters = dead_letters(world, "things")
    assert set(letters) == {str(len(good) + 1 + i) for i in range(len(bad))}
    assert {letter[0] for letter in letters.values()} <= sqlstate
    assert world.target.value("SELECT count(*) FROM things") == len(good) + 1
    world.finds_nothing()


def test_empty_text_is_not_null(pair):
    world = pair(PLAIN_SOURCE + "; INSERT INTO things VALUES (1, ''), (2, NULL)", PLAIN_TARGET, PLAIN)
    world.migrate()
    same_things(world)
    world.source_sql("UPDATE things SET value = CASE id WHEN 1 THEN NULL ELSE '' END")
    assert world.detect().modified == 2
    world.migrate()
    same_things(world)
