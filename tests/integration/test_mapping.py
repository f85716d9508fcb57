"""What a mapping can say, and keys, names and values of every sort: small tables, plain SQL to judge."""

import datetime
import decimal
import uuid

import pytest

from mapping import Pair, entity
from sessions import counts, dead_letters, parked, row_versions


@pytest.fixture
def pair(databases, start_daemon):
    """pair(source DDL, target DDL, entities…)"""
    def make(source_sql, target_sql, *entities, **settings):
        return Pair(databases, start_daemon, source_sql, target_sql, entities, **settings)

    return make


# --- keys -----------------------------------------------------------------------------------------

AWKWARD_TEXTS = ["", " ", "  ", "a", "A", "ä", "Ä", "ß", "ss", "z", "Z", "_", "-", '"', "'", "\\", "\\N", "\\.", "{", "}",
                 "{}", "{x}", "NULL", "null", "a,b", "a b", "a\nb", "a\tb", "%s", "%", "$1", "🦷", "e\u0301", "é",
                 "' OR true --", "0", "00", "1e3"]

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
KEY_TYPES = "CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy, very', 'it''s'); " \
            "CREATE DOMAIN positive AS integer CHECK (value > 0);"


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


def same_things(world):
    assert sorted(world.target_sql("SELECT legacy_id::text, value FROM things")) == \
        sorted(world.source_sql("SELECT id::text, value FROM things"))


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


PLAIN_SOURCE = "CREATE TABLE things (id integer PRIMARY KEY, value text)"
PLAIN_TARGET = "CREATE TABLE things (id uuid PRIMARY KEY, legacy_id integer UNIQUE, value text)"
PLAIN = entity("things", {"value": "value"}, on_delete="delete")


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


# --- names and expressions --------------------------------------------------------------------------

LONGEST = "ä" * 31 + "x"  # 63 bytes
AWKWARD_NAMES = ["A", "a b", 'q"uote', "per%cent%s", "{brace}", "{entity}", "it's", "select", "back\\slash", "$1", "a.b",
                 LONGEST]


def quoted(name):
    return '"' + name.replace('"', '""') + '"'


def test_names_of_every_sort(pair):
    columns = ", ".join(f"{quoted(name)} text" for name in AWKWARD_NAMES)
    table = 'T %s "{x}" ' + "ü" * 20
    world = pair(
        f"""CREATE SCHEMA "Src {{relation}}";
            CREATE TABLE "Src {{relation}}".{quoted(table)} ({quoted("K'{key}")} integer PRIMARY KEY, {columns})""",
        f"""CREATE SCHEMA "Tgt %d"; CREATE TABLE "Tgt %d".{quoted(table)} ({quoted('I "d')} uuid PRIMARY KEY,
            {quoted("L'{legacy}")} integer UNIQUE, {columns})""",
        entity("things", {name: AWKWARD_NAMES[-1 - i] for i, name in enumerate(AWKWARD_NAMES)},
               source={"schema": "Src {relation}", "table": table, "key": "K'{key}"},
               target={"schema": "Tgt %d", "table": table, "key": 'I "d', "legacy_key": "L'{legacy}"}))
    into = f'INSERT INTO "Src {{relation}}".{quoted(table)} VALUES ('.replace("%", "%%")
    world.source_sql(into + ", ".join(["%s"] * (len(AWKWARD_NAMES) + 1)) + ")", [1, *AWKWARD_NAMES])
    world.migrate()
    (row,) = world.target_sql(f'SELECT * FROM "Tgt %d".{quoted(table)}')
    assert row[1:] == (1, *reversed(AWKWARD_NAMES))
    world.finds_nothing()
    world.source_sql(f'DELETE FROM "Src {{relation}}".{quoted(table)}')


def test_braces_percents_and_quotes_in_expressions_and_constants(pair):
    world = pair(
        "CREATE TABLE things (id integer PRIMARY KEY, value text, code integer)",
        """CREATE TABLE things (id uuid PRIMARY KEY, legacy_id integer UNIQUE, sql text, constant text, chosen text,
                                rest text, json jsonb, list integer[])""",
        entity("things", {
            "sql": {"sql": "'{relation} {x} %s %% $1 ''q'' \"d\" \\' || value || /* {stage} */ '{' || code || '}'"},
            "constant": {"constant": "{entity} 'q' \"d\" %s \\ $$ {"},
            "chosen": {"from": "value", "values": {"{x}": "{session}", "it's": 'a "b"', "%s": "%d"}, "default": "{none}"},
            "rest": {"from": "code", "values": {"1": "one", "-2": "minus two"}, "default": None},
            "json": {"json": {"{key}": "value", "it's \"so\" %s": {"constant": "{v}"},
                              "n": {"json": {"{x}": {"sql": "'{}'"}}}}},
            "list": {"sql": "'{' || code || ',' || code || '}'"},
        }, source={"table": "things", "where": "value NOT LIKE '%{skip}%' -- {filter}\n"}))
    world.source_sql("INSERT INTO things VALUES (1, '{x}', 1), (2, 'it''s', -2), (3, '%s', 3), (4, 'a{skip}b', 4)")
    world.migrate()
    assert world.target_sql("SELECT legacy_id, sql, constant, chosen, rest, list FROM things ORDER BY 1") == [
        (n, f"{{relation}} {{x}} %s %% $1 'q' \"d\" \\{value}{{{code}}}", "{entity} 'q' \"d\" %s \\ $$ {", chosen, rest,
         [code, code])
        for n, value, code, chosen, rest in [(1, "{x}", 1, "{session}", "one"), (2, "it's", -2, 'a "b"', "minus two"),
                                             (3, "%s", 3, "%d", None)]]
    assert world.target.value("SELECT json FROM things WHERE legacy_id = 1") == {
        "{key}": "{x}", "it's \"so\" %s": "{v}", "n": {"{x}": "{}"}}
    world.finds_nothing()


def test_every_form_of_column(pair):
    world = pair(
        """CREATE TABLE things (id integer PRIMARY KEY, n integer, flag boolean, text text, doc text, at timestamptz)""",
        """CREATE TYPE shade AS ENUM ('light', 'dark');
           CREATE TABLE things (id uuid PRIMARY KEY, legacy_id integer UNIQUE, renamed integer, computed numeric(8,2),
             fixed_text text, fixed_number numeric, fixed_flag boolean, fixed_null text, fixed_json jsonb, fixed_enum shade,
             word shade, number integer, yes boolean, doc jsonb, doc_json json, doc_text text, doc_wrapped jsonb,
             assembled jsonb, assembled_text text)""",
        entity("things", {
            "renamed": "n",
            "computed": {"sql": "n / 3.0"},
            "fixed_text": {"constant": "x"},
            "fixed_number": {"constant": 1.5},
            "fixed_flag": {"constant": True},
            "fixed_null": {"constant": None},
            "fixed_json": {"constant": "a string"},
            "fixed_enum": {"constant": "dark"},
            "word": {"from": "flag", "values": {"true": "light", "false": "dark"}},
            "number": {"from": "text", "values": {"one": 1, "two": 2, "none": None}, "default": 0},
            "yes": {"from": "n", "values": {"1": True}, "default": False},
            "doc": {"from": "doc", "parse": "json", "if_invalid": "null"},
            "doc_json": {"from": "doc", "parse": "json", "if_invalid": "null"},
            "doc_text": {"from": "doc", "parse": "json", "if_invalid": "null"},
            "doc_wrapped": {"from": "doc", "parse": "json", "if_invalid": "wrap"},
            "assembled": {"json": {"n": "n", "flag": "flag", "at": "at", "c": {"constant": 2.50}, "z": {"constant": None},
                                   "v": {"from": "n", "values": {"1": {"a": 1}["a"]}, "default": "many"}}},
            "assembled_text": {"json": {"n": "n"}},
        }))
    world.source_sql("""INSERT INTO things VALUES
        (1, 1, true, 'one', '{"a": [1, 2.50]}', '2024-01-01 00:00:00+00'), (2, 2, false, 'none', 'not json', NULL),
        (3, NULL, NULL, NULL, NULL, 'infinity'), (4, 0, true, 'other', '', NULL)""")
    world.migrate()
    rows = {row[0]: row[1:] for row in world.target_sql("""
        SELECT legacy_id, renamed, computed::text, fixed_text, fixed_number, fixed_flag, fixed_null, fixed_json, fixed_enum,
               word, number, yes, doc, doc_json, doc_text, doc_wrapped, assembled, assembled_text FROM things""")}
    fixed = ("x", decimal.Decimal("1.5"), True, None, "a string", "dark")
    at = "2024-01-01T00:00:00+00:00"
    assert rows == {
        1: (1, "0.33", *fixed, "light", 1, True, {"a": [1, 2.5]}, {"a": [1, 2.5]}, '{"a": [1, 2.50]}', {"a": [1, 2.5]},
            {"n": 1, "flag": True, "at": at, "c": 2.5, "z": None, "v": 1}, '{"n": 1}'),
        2: (2, "0.67", *fixed, "dark", None, False, None, None, None, "not json",
            {"n": 2, "flag": False, "at": None, "c": 2.5, "z": None, "v": "many"}, '{"n": 2}'),
        3: (None, None, *fixed, None, 0, False, None, None, None, None,
            {"n": None, "flag": None, "at": "infinity", "c": 2.5, "z": None, "v": "many"}, '{"n": null}'),
        4: (0, "0.00", *fixed, "light", 0, False, None, None, None, "",
            {"n": 0, "flag": True, "at": None, "c": 2.5, "z": None, "v": "many"}, '{"n": 0}'),
    }
    world.finds_nothing()


# --- values ---------------------------------------------------------------------------------------

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


# --- deletions -------------------------------------------------------------------------------------

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
