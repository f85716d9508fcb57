"""The forms of a column, and names of every sort."""

import decimal

from mapping import entity

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
