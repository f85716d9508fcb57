"""Values that change: every change arrives, also one that leaves the value equal, and what has not changed is not written."""

import pytest

from mapping import KEY_TYPES, PLAIN_SOURCE, entity, same_things
from sessions import counts, dead_letters, row_versions

CI = "CREATE COLLATION ci (provider = icu, locale = 'und-u-ks-level2', deterministic = false);"
HERE = KEY_TYPES + CI + """CREATE TYPE pair_of AS (n numeric, t text); CREATE DOMAIN amount AS numeric; CREATE TYPE shade AS ENUM ('light', 'dark');
    CREATE EXTENSION citext; CREATE EXTENSION hstore;"""

# Of each type: a value, and one that a comparison by its `=` may not tell from it, or has none for.
PAIRS = {
    "numeric": ("1.0", "1.00"), "numeric(8,2)": ("1.10", "1.11"), "numeric(30,28)": ("0.1", "0." + "0" * 27 + "1"),
    "amount": ("2.50", "2.5"), "numeric[]": ("{1.0,NULL}", "{1.00,NULL}"), "numrange": ("[1.0,2.0)", "[1.00,2.0)"),
    "real": ("0", "-0"), "double precision": ("NaN", "-0"), "double precision[]": ("{0}", "{-0}"),
    "interval": ("1 day", "24:00:00"), "interval[]": ("{1 mon}", "{30 days}"),
    "citext": ("abc", "ABC"), "citext[]": ("{abc}", "{aBc}"), "text COLLATE ci": ("abc", "ABC"), "hstore": ('"a"=>"1"', '"a"=>NULL'),
    "text": ("", " "), "text[]": ('{"a",NULL}', '{"a","NULL"}'), "varchar(5)": ("abc", "abc  "), "char(5)": ("abc", "ab"),
    "json": ('{"a": 1}', '{"a":1}'), "json[]": ('{"{}"}', '{"{ }"}'), "jsonb": ('{"a": 1.0}', '{"a": 1.00}'),
    "jsonb[]": ('{"1.0"}', '{"1.00"}'), "xml": ("<a/>", "<a />"),
    "point": ("(1,2)", "(1,3)"), "box": ("(2,2),(1,1)", "(3,2),(2,1)"), "circle": ("<(0,0),1>", "<(5,5),1>"),
    "path": ("((0,0),(1,1))", "((0,0),(2,2))"), "polygon": ("((0,0),(1,1),(1,0))", "((0,0),(2,2),(1,0))"), "line": ("{1,2,3}", "{1,2,4}"),
    "pair_of": ("(1.0,a)", "(1.00,a)"), "pair_of[]": ('{"(1.0,a)"}', '{"(1.00,a)"}'), "nummultirange": ("{[1.0,2)}", "{[1.00,2)}"),
    "shade": ("light", "dark"), "shade[]": ("{light,dark}", "{dark,light}"), "boolean": ("t", "f"), "bytea": ("\\x00", "\\x0000"),
    "date": ("0044-03-15 BC", "infinity"), "timestamp": ("infinity", "-infinity"), "timestamptz": ("2024-01-01 00:00+00", "2024-01-01 00:00:00.000001+00"),
    "timetz": ("12:00+01", "11:00+00"), "inet": ("10.0.0.1", "10.0.0.1/8"), "cidr": ("10.0.0.0/8", "10.0.0.0/9"), "macaddr": ("08:00:2b:01:02:03", "08:00:2b:01:02:04"),
    "bit(3)": ("101", "100"), "varbit": ("101", "1010"), "tsvector": ("'a':1", "'a':2"), "tsquery": ("'a' & 'b'", "'b' & 'a'"),
    "money": ("$1.00", "$1.01"), "uuid": ("00000000-0000-0000-0000-00000000000a", "00000000-0000-0000-0000-00000000000b"),
    "int4[]": ("{1,2}", "[0:1]={1,2}"), "int4[][]": ("{{1,2},{3,4}}", "{{1},{2},{3},{4}}"), "int4range": ("empty", "[1,1]"),
    "jsonpath": ("$.a", "$.b"), "pg_lsn": ("0/1", "0/2"), "positive": ("1", "2"), "\"char\"": ("a", "b"), "name": ("a", "A"),
}


def test_a_change_of_any_value_of_any_type_arrives(pair):
    columns = {f"c{i}": type_name for i, type_name in enumerate(PAIRS)}
    ddl = ", ".join(f"{name} {type_name}" for name, type_name in columns.items())
    world = pair(f"{HERE} CREATE TABLE things (id integer PRIMARY KEY, {ddl})",
                 f"{HERE} CREATE TABLE things (id uuid PRIMARY KEY, legacy_id integer UNIQUE, {ddl})",
                 entity("things", {name: name for name in columns}))
    bare = {name: type_name.split(" COLLATE")[0] for name, type_name in columns.items()}
    texts = ", ".join(f"{name}::text" for name in columns)

    def different():
        """Source and target of each value that is not the same."""
        arrived = {row[0]: row[1:] for row in world.target_sql(f"SELECT legacy_id, {texts} FROM things")}
        rows = {row[0]: row[1:] for row in world.source_sql(f"SELECT id, {texts} FROM things")}
        assert arrived.keys() == rows.keys()
        return [(type_name, rows[key][i], arrived[key][i]) for key in rows for i, type_name in enumerate(PAIRS)
                if rows[key][i] != arrived[key][i]]

    for key, (name, type_name) in enumerate(columns.items()):
        world.source_sql(f"INSERT INTO things (id, {name}) VALUES (%s, %s::text::{bare[name]})", [key, PAIRS[type_name][0]])
    world.migrate()
    assert dead_letters(world, "things") == {}
    assert different() == []
    world.finds_nothing()
    for key, (name, type_name) in enumerate(columns.items()):
        world.source_sql(f"UPDATE things SET {name} = %s::text::{bare[name]} WHERE id = %s", [PAIRS[type_name][1], key])
    session = world.migrate()
    assert dead_letters(world, "things") == {}
    assert different() == []
    assert counts(world, session.session)["things"][1] == len(PAIRS)
    world.finds_nothing()
    for name in columns:
        world.source_sql(f"UPDATE things SET {name} = NULL")
    world.migrate()
    assert different() == []


def test_a_text_too_long_is_set_aside_and_never_cut(pair):
    target = """CREATE DOMAIN zip AS varchar(5); CREATE DOMAIN inner_zip AS zip; CREATE TYPE address AS (zip varchar(5));
                CREATE TABLE things (id uuid PRIMARY KEY, legacy_id integer UNIQUE, {0})"""
    kinds = {"a": "varchar(5)", "b": "char(5)", "c": "zip", "d": "inner_zip", "e": "varchar(5)[]", "f": "zip[]", "g": "address",
             "h": "bit varying(5)"}
    for_all = ", ".join(f"{name} {kind}" for name, kind in kinds.items())
    world = pair("CREATE TABLE things (id integer PRIMARY KEY, " + ", ".join(f"{name} text" for name in kinds) + ")",
                 target.format(for_all), entity("things", {name: name for name in kinds}))
    fits = {"a": "12345", "b": "12345", "c": "12345", "d": "12345", "e": "{12345}", "f": "{12345}", "g": "(12345)", "h": "10101"}
    for key, (name, text) in enumerate(fits.items()):
        longer = text.replace("5", "56") if "5" in text else text + "1"
        world.source_sql(f"INSERT INTO things (id, {name}) VALUES (%s, %s), (%s, %s)", [key, text, 100 + key, longer])
    world.migrate()
    assert {key: letter[0] for key, letter in dead_letters(world, "things").items()} == \
        {str(100 + key): "22001" for key in range(len(fits))}
    texts = ", ".join(f"{name}::text" for name in kinds)
    assert sorted(world.target_sql(f"SELECT legacy_id, {texts} FROM things")) == \
        sorted(world.source_sql(f"SELECT id, {', '.join(kinds)} FROM things WHERE id < 100"))
    world.finds_nothing()


def test_blanks_that_are_cut_off_do_not_look_like_a_change(pair):
    world = pair("CREATE TABLE things (id integer PRIMARY KEY, value text); INSERT INTO things VALUES (1, 'abc      '), (2, 'a '), (3, '      ')",
                 "CREATE TABLE things (id uuid PRIMARY KEY, legacy_id integer UNIQUE, value varchar(4))",
                 entity("things", {"value": "value"}))
    world.migrate()
    assert world.target_sql("SELECT value FROM things ORDER BY legacy_id") == [("abc ",), ("a ",), ("    ",)]
    world.finds_nothing()
    world.source_sql("UPDATE things SET value = rtrim(value) WHERE id <> 3")
    world.migrate()
    assert world.target_sql("SELECT value FROM things ORDER BY legacy_id") == [("abc",), ("a",), ("    ",)]


def test_times_without_a_zone_are_taken_as_utc(pair):
    world = pair("""CREATE TABLE things (id integer PRIMARY KEY, a timestamp, b timestamptz, c date);
                    SET timezone = 'Asia/Tokyo';
                    INSERT INTO things VALUES (1, '2024-03-31 02:30', '2024-03-31 02:30+02', '2024-03-31')""",
                 """CREATE TABLE things (id uuid PRIMARY KEY, legacy_id integer UNIQUE, a timestamptz, b timestamp, c timestamptz)""",
                 entity("things", {name: name for name in "abc"}))
    world.migrate()
    assert world.target_sql("SELECT a AT TIME ZONE 'UTC', b, c AT TIME ZONE 'UTC' FROM things") == world.source_sql(
        "SELECT a, b AT TIME ZONE 'UTC', c::timestamp FROM things")
    world.finds_nothing()


def test_texts_with_every_control_character_and_of_a_megabyte(pair):
    world = pair(PLAIN_SOURCE + """; INSERT INTO things SELECT i, 'a' || chr(i) || 'b' FROM generate_series(1, 200) AS i;
                    INSERT INTO things SELECT 1000 + i, repeat(chr(300 + i), 500000) FROM generate_series(1, 3) AS i""",
                 "CREATE TABLE things (id uuid PRIMARY KEY, legacy_id integer UNIQUE, value text)", entity("things", {"value": "value"}))
    world.migrate()
    same_things(world)
    world.finds_nothing()
    world.source_sql("UPDATE things SET value = value || 'x' WHERE id > 1000 OR id < 32")
    world.migrate()
    same_things(world)


@pytest.mark.parametrize("filled", [False, True], ids=["left out", "filled"])
def test_defaults_and_numbers_of_the_database_stand_where_the_mapping_fills_nothing(pair, filled):
    columns = {"value": "value", **({"number": "id", "status": {"constant": "given"}, "amount": {"constant": 0.1}} if filled else {})}
    world = pair(PLAIN_SOURCE + "; INSERT INTO things SELECT i * 10, i FROM generate_series(1, 5) AS i",
                 """CREATE DOMAIN cents AS numeric NOT NULL DEFAULT 7;
                    CREATE TABLE things (id uuid PRIMARY KEY, legacy_id integer UNIQUE, value text, status text NOT NULL DEFAULT 'fresh',
                      number integer GENERATED BY DEFAULT AS IDENTITY, always integer GENERATED ALWAYS AS IDENTITY, serial serial,
                      amount cents, twice text GENERATED ALWAYS AS (value || value) STORED, at timestamptz NOT NULL DEFAULT now())""",
                 entity("things", columns))
    assert world.problems() == []
    world.migrate()
    rows = world.target_sql("SELECT legacy_id, twice, status, amount::text, number, always > 0, serial > 0, at IS NOT NULL FROM things ORDER BY 1")
    assert [row[:4] for row in rows] == [(10 * i, f"{i}{i}", "given" if filled else "fresh", "0.1" if filled else "7") for i in range(1, 6)]
    assert sorted(row[4] for row in rows) == ([10, 20, 30, 40, 50] if filled else [1, 2, 3, 4, 5])
    assert {row[5:] for row in rows} == {(True, True, True)}
    before = row_versions(world.target)
    world.source_sql("UPDATE things SET value = 'new' WHERE id = 10")
    world.migrate()
    assert len(row_versions(world.target) - before) == 1
    world.finds_nothing()
