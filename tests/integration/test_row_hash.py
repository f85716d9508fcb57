"""Hashes tell every two values apart that are not the same to the bit, whatever their type takes for equal or folds in its own hash."""

import pytest

from mapping import entity

# Of each type, a value and another one that must be seen as a change. What `=` or the type's hash function takes for the same comes first:
# bigint and timestamps are folded to 32 bits (high xor low half), so 1 and 2^32 are one to hashint8.
CHANGES = {
    "integer": ("1", "2"),
    "smallint": ("-1", "1"),
    "bigint": ("1", "4294967296"),
    "timestamp": ("timestamp '2000-01-01' + interval '0.000001 s'", "timestamp '2000-01-01' + interval '4294.967296 s'"),
    "timestamptz": ("timestamptz '2000-01-01 00:00Z' + interval '0.000001 s'",
                    "timestamptz '2000-01-01 00:00Z' + interval '4294.967296 s'"),
    "time": ("time '00:00:00.000001'", "time '01:11:34.967296'"),
    "timetz": ("timetz '12:00+00'", "timetz '13:00+01'"),
    "interval": ("interval '1 day'", "interval '24 h'"),
    "numeric": ("1.0", "1.00"),
    "real": ("0", "'-0'"),
    "double precision": ("0", "'-0'"),
    "boolean": ("false", "NULL"),
    "text": ("''", "NULL"),
    "varchar(20)": ("'a'", "'a '"),
    "char(3)": ("'a'", "'b'"),
    '"char"': ("'a'", "'b'"),
    "name": ("'a'", "'b'"),
    "date": ("date '2020-01-01'", "date '2020-01-02'"),
    "uuid": ("'00000000-0000-0000-0000-000000000001'", "'10000000-0000-0000-0000-000000000000'"),
    "bytea": (r"'\x00'", r"'\x0000'"),
    "json": ("""'{"a": 1}'""", """'{"a":1}'"""),
    "jsonb": ("""'{"a": 1.0}'""", """'{"a": 1.00}'"""),
    "inet": ("'10.0.0.1/8'", "'10.0.0.1/9'"),
    "bit(3)": ("B'001'", "B'010'"),
    "varbit": ("B'0'", "B'00'"),
    "numeric[]": ("'{1.0}'", "'{1.00}'"),
    "bigint[]": ("'{1}'", "'{4294967296}'"),
    "text[]": ("'{NULL}'", "'{\"NULL\"}'"),
    "int8range": ("'[1,2)'", "'[1,3)'"),
    "numrange": ("'[1.0,2)'", "'[1.00,2)'"),
    "point": ("'(0,0)'", "'(0,0.0000001)'"),
    "oid": ("1", "4294967295"),
    "mood": ("'sad'", "'happy'"),
    "positive": ("1", "4294967297"),
    "folded": ("'a'", "'A'"),
    "tsvector": ("'a:1'", "'a:2'"),
    "xml": ("'<a/>'", "'<a></a>'"),
}
TYPES = """CREATE TYPE mood AS ENUM ('sad', 'happy');
           CREATE DOMAIN positive AS bigint CHECK (value > 0);
           CREATE COLLATION caseless (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
           CREATE DOMAIN folded AS text COLLATE caseless;"""


def columns():
    return {f"v{number}": (kind, *values) for number, (kind, values) in enumerate(CHANGES.items())}


@pytest.fixture
def world(pair):
    """A row for each type, in which the column of this type has its first value and all others are NULL."""
    declared = ", ".join(f"{name} {kind}" for name, (kind, *_) in columns().items())
    world = pair(f"{TYPES} CREATE TABLE things (id integer PRIMARY KEY, {declared}, plain integer)",
                 f"{TYPES} CREATE TABLE things (id uuid PRIMARY KEY, legacy_id integer UNIQUE, {declared}, plain integer)",
                 entity("things", {name: name for name in [*columns(), "plain"]}))
    for number, (name, (_, first, _)) in enumerate(columns().items()):
        world.source_sql(f"INSERT INTO things (id, {name}) VALUES ({number}, {first})")
    world.migrate()
    return world


def change(sql, key):
    for number, (name, (_, _, second)) in enumerate(columns().items()):
        sql(f"UPDATE things SET {name} = {second} WHERE {key} = {number}")


def test_a_change_of_any_type_is_seen_in_the_source(world):
    change(world.source_sql, "id")
    assert world.detect().modified == len(CHANGES)
    world.migrate()
    every = ", ".join(f'{name}::text COLLATE "C"' for name in columns())
    assert world.target_sql(f"SELECT legacy_id, {every} FROM things ORDER BY 1") == \
        world.source_sql(f"SELECT id, {every} FROM things ORDER BY 1")


def test_an_edit_of_any_type_is_seen_in_the_target(world):
    change(world.target_sql, "legacy_id")
    world.source_sql("UPDATE things SET plain = 1")
    world.logged = False  # it was edited since
    world.migrate()
    assert world.target_sql("SELECT count(*) FROM migrated.conflict WHERE state = 'overwritten'") == [(len(CHANGES),)]
