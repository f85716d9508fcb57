"""The accounting by keys (accounting.py) can fail: each thing that is spoilt by hand is found, and nothing else is."""

import pytest

from test_accounts import OFFICES, PATIENTS, SOURCE, TARGET

LETTER = """INSERT INTO migrated.dead_letter (entity, legacy_key, session, batch, phase, sqlstate, message, mapped, state)
            SELECT 'patients', ARRAY[%s], session, 1, 'write', '23502', 'x', %s, '%s' FROM migrated.session"""

# What is done to the target (or to the source, behind "source:"), and what is then found.
SPOILT = {
    "a row of the id map is lost": (
        "DELETE FROM migrated.id_map_patients WHERE k1 = 30",
        ["patients 30: is a legacy key in the target, and the id map does not lead there",
         "patients 30: waits, though all was carried over"]),
    "a row of the id map leads elsewhere": (
        "UPDATE migrated.id_map_patients SET t1 = (SELECT id FROM patients WHERE legacy_id = 31) WHERE k1 = 30",
        ["is the target row of several", "patients 30: is a legacy key in the target, and the id map does not lead there"]),
    "a row of the id map is said to be gone": (
        "UPDATE migrated.id_map_patients SET gone = now() WHERE k1 = 30", ["patients 30: waits, though all was carried over"]),
    "a target row is lost": (
        "DELETE FROM patients WHERE legacy_id = 30", ["patients 30: is mapped, and its target row is not there"]),
    "a target row has nobody": (
        "INSERT INTO patients SELECT gen_random_uuid(), 99, office_id, NULL, 'x' FROM patients WHERE legacy_id = 30",
        ["patients 99: is a legacy key in the target, and the id map does not lead there"]),
    "a letter is lost": (
        "DELETE FROM migrated.dead_letter WHERE legacy_key = '{3}'", ["patients 3: waits, though all was carried over"]),
    "a letter says that its row is mapped": (
        "UPDATE migrated.dead_letter SET mapped = true WHERE legacy_key = '{3}'",
        ["patients 3: a letter, which says it is mapped"]),
    "a row that is carried over has an unmapped letter": (
        LETTER % ("'30'", "false", "open"), ["patients 30: a letter, which says it is not mapped"]),
    "a parked row is lost": (
        "DELETE FROM migrated.parked WHERE legacy_key = '{7}'", ["patients 7: waits, though all was carried over"]),
    "a parked row has a letter": (LETTER % ("'7'", "false", "open"), ["patients 7: a letter and parked"]),
    "a parked row has a discarded letter": (LETTER % ("'7'", "false", "discarded"), ["patients 7: discarded and parked"]),
    "a letter's source row is gone": (
        "source: DELETE FROM patient WHERE id = 3", ["patients 3: is set aside, and its source row is gone"]),
    "a parked row's source row is gone": (
        "source: DELETE FROM patient WHERE id = 7", ["patients 7: is set aside, and its source row is gone"]),
    "a mapped row's source row is gone": (
        "source: DELETE FROM patient WHERE id = 30", ["patients 30: is mapped, and its source row is gone"]),
    "a row has come": ("source: INSERT INTO patient VALUES (99, 1, NULL, 'x')", ["patients 99: waits, though all was carried over"]),
}


@pytest.fixture
def world(pair):
    world = pair(SOURCE, TARGET, OFFICES, PATIENTS)
    world.migrate()
    world.daemon.stop()  # it is not asked
    return world


def found(world):
    with pytest.raises(AssertionError, match="not accounted for") as failure:
        world.databases.accounts()
    return str(failure.value).splitlines()[1:]


def test_what_is_spoilt_is_found(world):
    """One after the other, each in a transaction of its own that is taken back: by a copy of the tables."""
    world.databases.accounts()
    world.target_sql("DROP TRIGGER rows_are_removed ON migrated.id_map_patients")
    for what, (statement, expected) in SPOILT.items():
        side, statement = (world.source, statement[len("source: "):]) if statement.startswith("source: ") else (world.target, statement)
        with kept(world):
            side.sql(statement)
            lines = found(world)
        assert len(lines) == len(expected) and all(any(text in line for line in lines) for text in expected), (what, lines)
    world.databases.accounts()


class kept:
    """The tables as they are, put back afterwards."""

    TABLES = {"source": ["patient"], "target": ["migrated.id_map_patients", "patients", "migrated.dead_letter", "migrated.parked"]}

    def __init__(self, world):
        self.world = world

    def __enter__(self):
        for side, tables in self.TABLES.items():
            for number, table in enumerate(tables):
                getattr(self.world, side).sql(f"CREATE TABLE public.kept_{number} AS SELECT * FROM {table}")

    def __exit__(self, *_):
        for side, tables in self.TABLES.items():
            for number, table in enumerate(tables):
                database = getattr(self.world, side)
                with database.connect() as connection:
                    connection.execute("SET session_replication_role = replica")
                    connection.execute(f"DELETE FROM {table}")
                    connection.execute(f"INSERT INTO {table} {'OVERRIDING SYSTEM VALUE' if 'letter' in table else ''} "
                                       f"SELECT * FROM public.kept_{number}")
                    connection.execute(f"DROP TABLE public.kept_{number}")


def test_a_daemon_that_says_otherwise_is_found_out(pair):
    world = pair(SOURCE, TARGET, OFFICES, PATIENTS)
    world.migrate()
    world.source_sql("UPDATE patient SET name = 'x' WHERE id = 30")  # by keys alone nothing is amiss
    lines = found(world)
    assert lines == ["patients: waiting is 0, and the daemon says 1", "patients: equal is 35, and the daemon says 34"]
    world.databases.accounts(complete=False)
