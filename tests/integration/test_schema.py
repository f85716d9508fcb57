"""The control schema is upgraded with all that it holds; what does not fit this daemon is refused by name."""

import pathlib

import pytest

from library import ENTITIES, Library
from servers import ROOT
from sessions import start_migration, wait_until_reached
from waiting import wait_until

MIGRATIONS = sorted((ROOT / "daemon/store/schema").glob("*.sql"))
NEWEST = len(MIGRATIONS)

# The id maps alone know which row became which: nothing could be adopted.
MAPPING = [{**mapping, "target": {key: value for key, value in mapping["target"].items() if key != "legacy_key"},
            "columns": {**mapping["columns"], "legacy_id": "id"}} for mapping in ENTITIES]

# The id map of an entity and its view, as version 1 made them.
ID_MAP = """
CREATE TABLE migrated.id_map_{entity} (k1 integer, t1 uuid NOT NULL, h1 bigint, h2 bigint, session integer, gone timestamptz,
                                       PRIMARY KEY (k1));
CREATE VIEW migrated.seen_{entity} AS
SELECT k1, h1, h2 FROM migrated.id_map_{entity} WHERE gone IS NULL
 UNION ALL
SELECT legacy_key[1]::integer, h1, h2 FROM migrated.dead_letter WHERE entity = '{entity}' AND state IN ('open', 'discarded') AND NOT mapped
 UNION ALL
SELECT legacy_key[1]::integer, h1, h2 FROM migrated.parked WHERE entity = '{entity}' AND NOT mapped;
"""


@pytest.fixture
def library(databases, start_daemon):
    return Library(databases, start_daemon, fault="", entities=MAPPING)


def name_of(migration):
    return pathlib.Path(migration).stem.split("_", 1)[1]


def tables(database, schema):
    return [name for (name,) in database.sql(
        "SELECT tablename FROM pg_tables WHERE schemaname = %s ORDER BY 1", [schema])]


def columns(database, schema, table):
    return {name for (name,) in database.sql("""
        SELECT attname FROM pg_attribute
         WHERE attrelid = format('%%I.%%I', %s::text, %s::text)::regclass AND attnum > 0 AND NOT attisdropped""", [schema, table])}


def turn_back(target, version):
    """The control schema as that version had it, made by its own migrations, with all the rows that it could hold.

    The id maps are there from the first on, so that later migrations add to them what they add.
    """
    target.sql("CREATE SCHEMA kept")
    for table in tables(target, "migrated"):
        target.sql(f"CREATE TABLE kept.{table} AS TABLE migrated.{table}")
    target.sql("DROP SCHEMA migrated CASCADE")
    for number, migration in enumerate(MIGRATIONS[:version], 1):
        target.script(migration)
        target.sql("INSERT INTO migrated.schema_version (version, name) VALUES (%s, %s)", [number, name_of(migration)])
        if number == 1:
            target.sql(ID_MAP.format(entity="shelves") + ID_MAP.format(entity="books"))
            fill(target, "entity", "id_map_shelves", "id_map_books")
    fill(target, *tables(target, "migrated"))
    target.sql("DROP SCHEMA kept CASCADE")


def fill(target, *names):
    """With what was kept of these tables, unless migrations have filled them."""
    with target.connect() as connection:
        connection.execute("SET session_replication_role = replica")
        for table in names:
            if not target.value(f"SELECT EXISTS (SELECT FROM migrated.{table})"):
                fill_table(target, connection, table)


def fill_table(target, connection, table):
    both = ", ".join(f'"{name}"' for name in sorted(columns(target, "migrated", table) & columns(target, "kept", table)))
    connection.execute(f"INSERT INTO migrated.{table} ({both}) OVERRIDING SYSTEM VALUE SELECT {both} FROM kept.{table}")
    for name, sequence in connection.execute("""
            SELECT attname, pg_get_serial_sequence(format('migrated.%%I', %s::text), attname)
              FROM pg_attribute
             WHERE attrelid = format('migrated.%%I', %s::text)::regclass AND attidentity <> ''""", [table, table]).fetchall():
        connection.execute(f"SELECT setval('{sequence}', greatest((SELECT max({name}) FROM migrated.{table}), 1))")


def keys(library):
    """Every target row and its key, and what the id maps say, also of what is gone."""
    return {entity: (dict(library.target.sql(f"SELECT legacy_id, id FROM {entity}")),
                     dict(library.target.sql(f"SELECT k1, t1 FROM migrated.id_map_{entity}")))
            for entity in ("shelves", "books")}


def nothing_was_minted_anew(before, after):
    for entity, (rows, mapped) in before.items():
        rows_after, mapped_after = after[entity]
        assert {key: rows_after[key] for key in rows if key in rows_after} == {key: rows[key] for key in rows if key in rows_after}
        assert {key: mapped_after[key] for key in mapped} == mapped
        assert rows_after.items() <= mapped_after.items()


def is_at_the_newest_version(target):
    assert target.sql("SELECT version, name FROM migrated.schema_version ORDER BY version") == \
        [(number, name_of(migration)) for number, migration in enumerate(MIGRATIONS, 1)]


# From the first, every migration meets rows; those between meet the rows of tables that others had made by then.
USUAL = (1, NEWEST // 2, NEWEST - 1)
long = pytest.mark.long


@pytest.mark.parametrize("version", [pytest.param(version, marks=[] if version in USUAL else long) for version in range(1, NEWEST)])
def test_an_earlier_control_schema_is_upgraded_with_what_it_holds_and_nothing_is_minted_anew(library, version):
    library.daemon.start()
    library.comes_to_its_end()
    library.source.sql("DELETE FROM books WHERE id IN (59, 100); UPDATE books SET sequel_of = NULL WHERE sequel_of IN (59, 100)")
    library.comes_to_its_end()
    library.daemon.stop()
    before = keys(library)
    held = {table: library.target.value(f"SELECT count(*) FROM migrated.{table}")
            for table in ("session", "batch", "dead_letter", "parked", "id_map_shelves", "id_map_books")}
    assert all(held.values()), held
    turn_back(library.target, version)
    assert {table: library.target.value(f"SELECT count(*) FROM migrated.{table}") for table in held} == held

    library.daemon.start()
    library.change()
    library.source.sql("INSERT INTO books VALUES (59, 1, NULL, 'back again', 1)")
    library.comes_to_its_end()
    is_at_the_newest_version(library.target)
    nothing_was_minted_anew(before, keys(library))
    library.is_right()
    assert library.target.value("SELECT count(*) FROM migrated.session") > held["session"]


@pytest.mark.parametrize("version", [1, pytest.param(3, marks=long), pytest.param(NEWEST - 1, marks=long)])
@pytest.mark.parametrize("place", ["batch.committed:4", "plan.ranges_kept:1", "delete.staged:1"])
def test_a_session_under_way_in_an_earlier_control_schema_comes_to_its_end(library, place, version):
    name, nth = place.split(":")
    if name == "delete.staged":
        library.daemon.start()
        library.comes_to_its_end()
        library.change()
        library.daemon.stop()
    library.daemon.fault = f"{name}:kill:{nth}"
    library.daemon.start()
    wait_until_reached(library.daemon)
    start_migration(library.daemon, parallel=1)
    library.daemon.wait_until_killed()
    wait_until(lambda: library.target.value("""
        SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'migrated%'""") == 0)
    before = keys(library)
    turn_back(library.target, version)

    library.daemon.fault = ""
    library.daemon.start()
    library.comes_to_its_end()
    is_at_the_newest_version(library.target)
    nothing_was_minted_anew(before, keys(library))
    library.is_right()


MISFITS = {
    "a gap": ("DELETE FROM migrated.schema_version WHERE version = 3", "migration 3 (watermark) is missing from it"),
    "newer": (f"INSERT INTO migrated.schema_version (version, name) VALUES ({NEWEST + 1}, 'tomorrow')",
              f"the control schema is at version {NEWEST + 1} (tomorrow), and this migrated knows only {NEWEST}"),
    "another's": ("UPDATE migrated.schema_version SET name = 'other' WHERE version = 5",
                  'version 5 of the control schema is "other", and that of this migrated is "hold"'),
    "a gap and an older version": (f"DELETE FROM migrated.schema_version WHERE version IN (2, {NEWEST})",
                                   "migration 2 (owner) is missing from it"),
}


@pytest.mark.parametrize("misfit", MISFITS)
def test_a_control_schema_that_does_not_fit_is_refused_by_name_and_left_as_it_is(library, misfit):
    damage, message = MISFITS[misfit]
    library.daemon.start()
    library.comes_to_its_end()
    library.daemon.stop()
    library.target.sql(damage)
    library.change()
    before = keys(library)
    library.daemon.start()
    wait_until_reached(library.daemon)
    refused = library.daemon.ctl("migrate", "--wait", check=False)
    assert refused.returncode == 1
    assert message in refused.stderr, refused.stderr
    assert keys(library) == before
    assert library.target.value("SELECT count(*) FROM migrated.session") == 1
