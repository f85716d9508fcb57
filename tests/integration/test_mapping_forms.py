"""The forms of a column, and names of every sort."""

import decimal

import pytest

from mapping import entity
from sessions import dead_letters

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


# --- SQL within SQL -----------------------------------------------------------------------------------------

def test_comments_at_the_end_of_what_the_mapping_says_in_sql_swallow_nothing(pair):
    world = pair(
        """CREATE TABLE a (id integer PRIMARY KEY, kind text, value text); CREATE TABLE p (id integer PRIMARY KEY);
           INSERT INTO a VALUES (1, '50%', 'it''s "so"'), (2, '{x}', '\\'), (3, 'skip', '--'); INSERT INTO p VALUES (1)""",
        """CREATE TABLE p (id uuid PRIMARY KEY, legacy_id integer UNIQUE);
           CREATE TABLE a (id uuid PRIMARY KEY, legacy_id integer UNIQUE, value text, doc jsonb, p uuid)""",
        entity("p", {}),
        entity("a", {"value": {"sql": "value || '--' -- and {stage} %s"},
                     "doc": {"json": {"v": {"sql": "kind -- it's {y}"}, "w": {"constant": "-- no comment"}}},
                     "p": {"from": "one", "references": [{"entity": "p", "when": "kind <> '--' -- a condition"}]}},
               source={"query": "WITH x AS (SELECT *, 1 AS one, '%d {entity} \"' AS odd FROM a) "
                                "SELECT * FROM x WHERE odd LIKE '\\%d%' ORDER BY kind DESC -- the end",
                       "where": "kind <> 'skip' /* {filter} */ -- and so on"}))
    assert world.problems() == []
    world.migrate()
    assert sorted(world.target_sql("SELECT a.legacy_id, value, doc, p.legacy_id FROM a JOIN p ON p.id = a.p")) == sorted(world.source_sql(
        """SELECT id, value || '--', jsonb_build_object('v', kind, 'w', '-- no comment'), 1 FROM a WHERE kind <> 'skip'"""))
    world.source_sql("UPDATE a SET value = 'new'")
    world.migrate()
    assert world.target_sql("SELECT DISTINCT value FROM a") == [("new--",)]
    world.finds_nothing()


def test_assembled_objects_of_any_size_and_values_of_any_type(pair):
    many = {f'k{i} "\'{{%': "n" for i in range(120)}
    typed = {"bytea": "'\\x00ff'::bytea", "nan": "'NaN'::numeric", "nan8": "'NaN'::float8", "infinity": "'infinity'::timestamptz",
             "inf8": "'-Infinity'::float8", "bc": "'0044-03-15 BC'::date", "json": """'{"b": [1, 1.50], "a": null}'::json""",
             "null": "NULL::text", "array": "ARRAY[1, NULL]", "flag": "true", "big": "1e40::numeric", "row": "ROW(1, 'a')", "uuid": "md5('x')::uuid"}
    world = pair(
        "CREATE TABLE things (id integer PRIMARY KEY, n numeric); INSERT INTO things VALUES (1, 1.50), (2, NULL)",
        """CREATE TABLE things (id uuid PRIMARY KEY, legacy_id integer UNIQUE, many jsonb, nothing jsonb, typed jsonb, nested json, word text)""",
        entity("things", {
            "many": {"json": many}, "nothing": {"json": {}},
            "typed": {"json": {name: {"sql": sql} for name, sql in typed.items()}},
            "nested": {"json": {"a": {"json": {"b": {"json": {"c": "n", "d": {"json": {}}}}}}, "x": {"json": many}}},
            "word": {"json": {"r": {"constant": 0.1}, "i": {"constant": 12345678901234567}, "e": {"constant": 1e300}, "s": {"constant": "é\u0001"}}},
        }))
    assert world.problems() == []
    world.migrate()
    pieces = " || ".join("jsonb_build_object('" + key.replace("'", "''") + "', n)" for key in many).replace("%", "%%")
    members = ", ".join(f"'{name}', {sql}" for name, sql in typed.items())
    right = world.source_sql(f"""SELECT id, ({pieces})::text, '{{}}', jsonb_build_object({members})::text,
        jsonb_build_object('a', jsonb_build_object('b', jsonb_build_object('c', n, 'd', '{{}}'::jsonb)), 'x', {pieces})::text FROM things""", [])
    assert sorted(world.target_sql("SELECT legacy_id, many::text, nothing::text, typed::text, nested::jsonb::text FROM things")) == sorted(right)
    assert world.target.value("SELECT word FROM things LIMIT 1") == \
        '{"e": 1' + "0" * 300 + ', "i": 12345678901234567, "r": 0.1, "s": "é\\u0001"}'
    world.finds_nothing()


INVALID_JSON = ["", " ", "{", "{} x", '"\\ud800"', '"\\u0000"', "nul", "'a'", "[1,]", '{"a":}', "NaN", "[" * 100000, '"a\nb"', "1e", "\ufeff{}", '{"a" 1}']
VALID_JSON = ["{}", "null", ' {"b": 1, "a": [1.50, 1.5]} ', '"\\ud83d\\ude00"', "1E+2", '"' + "x" * 100000 + '"', '{"a": 1, "a": 2}', "[" * 50 + "]" * 50]


@pytest.mark.parametrize("target", ["jsonb", "json", "text"])
def test_text_that_should_hold_json(pair, target):
    world = pair(
        "CREATE TABLE things (id integer PRIMARY KEY, doc text)",
        f"""CREATE TABLE things (id uuid PRIMARY KEY, legacy_id integer UNIQUE, empty {target}, wrapped {target});
            CREATE TABLE strict (id uuid PRIMARY KEY, legacy_id integer UNIQUE, doc {target})""",
        entity("things", {"empty": {"from": "doc", "parse": "json", "if_invalid": "null"},
                          "wrapped": {"from": "doc", "parse": "json", "if_invalid": "wrap"}}),
        entity("strict", {"doc": {"from": "doc", "parse": "json"}}, source="things"))
    for key, text in enumerate([*VALID_JSON, *INVALID_JSON, None]):
        world.source_sql("INSERT INTO things VALUES (%s, %s)", [key, text])
    world.migrate()
    valid, every = len(VALID_JSON), len(VALID_JSON) + len(INVALID_JSON)
    parsed = {key: world.target.value("SELECT (%s::jsonb)::text", [text]) for key, text in enumerate(VALID_JSON)}
    rows = {key: rest for key, *rest in world.target_sql("SELECT legacy_id, empty::jsonb::text, wrapped::jsonb::text FROM things")}
    for key in range(valid):
        assert rows[key] == [parsed[key], parsed[key]]
    for key, text in enumerate(INVALID_JSON, valid):
        assert rows[key] == [None, world.target.value("SELECT to_jsonb(%s::text)::text", [text])]
    assert rows[every] == [None, None]
    letters = dead_letters(world, "strict")
    assert letters == {str(key): ("22P02", None, "doc", "the text is not valid JSON") for key in range(valid, every)}
    assert dict(world.target_sql("SELECT legacy_id, doc::jsonb::text FROM strict")) == {**parsed, every: None}
    world.finds_nothing()


def test_value_tables_into_every_sort_of_column(pair):
    world = pair(
        """CREATE TABLE things (id integer PRIMARY KEY, code text);
           INSERT INTO things VALUES (1, 'a'), (2, 'b'), (3, 'c'), (4, ''), (5, NULL), (6, 'other')""",
        """CREATE TYPE shade AS ENUM ('light', 'dark'); CREATE DOMAIN small AS numeric CHECK (value < 10);
           CREATE TABLE things (id uuid PRIMARY KEY, legacy_id integer UNIQUE, shade shade, flag boolean, n numeric, small small, doc jsonb, raw json,
             at date, list integer[], word varchar(5));
           CREATE TABLE strict (LIKE things INCLUDING ALL)""",
        entity("things", {
            "shade": {"from": "code", "values": {"a": "light", "b": "dark", "": None}, "default": "dark"},
            "flag": {"from": "code", "values": {"a": True, "b": False}, "default": None},
            "n": {"from": "code", "values": {"a": 0.1, "b": -7}, "default": 1e3},
            "small": {"from": "code", "values": {"a": 1, "b": 2.50}, "default": 0},
            "doc": {"from": "code", "values": {"a": "text", "b": 1.5, "c": True, "": None}, "default": "{}"},
            "raw": {"from": "code", "values": {"a": "te\"xt"}, "default": 0.30000000000000004},
            "at": {"from": "code", "values": {"a": "2024-02-29"}, "default": "infinity"},
            "list": {"from": "code", "values": {"a": "{1,2}"}, "default": "{}"},
            "word": {"from": "code", "values": {"a": "it's"}, "default": ""}}),
        entity("strict", {"shade": {"from": "code", "values": {"a": "light", "b": "dark", "c": None}}}, source="things"))
    assert world.problems() == []
    world.migrate()
    rows = {key: rest for key, *rest in world.target_sql(
        "SELECT legacy_id, shade::text, flag, n::text, small::text, doc::text, raw::text, at::text, list::text, word FROM things")}
    rest = [None, "1000", "0", '"{}"', "0.30000000000000004", "infinity", "{}", ""]
    assert rows == {
        1: ["light", True, "0.1", "1", '"text"', '"te\\"xt"', "2024-02-29", "{1,2}", "it's"],
        2: ["dark", False, "-7", "2.5", "1.5", *rest[4:]],
        3: ["dark", *rest[:3], "true", *rest[4:]],
        4: [None, *rest[:3], None, *rest[4:]],
        5: ["dark", *rest], 6: ["dark", *rest]}
    assert dict(world.target_sql("SELECT legacy_id, shade::text FROM strict")) == {1: "light", 2: "dark", 3: None, 5: None}
    assert set(dead_letters(world, "strict")) == {"4", "6"}
    world.finds_nothing()
