"""An id map that was damaged is refused by name; nothing is minted anew for what was migrated before."""

import psycopg
import pytest

from mapping import Pair, entity
from servers import ROOT
from sessions import held, migrate, start_migration, wait_until_blocked, wait_until_ended

ROWS = 100


def mapping(legacy):
    column = "legacy_id" if legacy else None
    return [
        entity("things", {"value": "value"}, legacy_key=column),
        entity("parts", {"value": "value", "thing": {"references": "things", "from": "thing"}}, legacy_key=column),
        entity("others", {"value": "value"}, legacy_key=column),
    ]


@pytest.fixture(params=["legacy key", "no legacy key"])
def pair(request, databases, start_daemon):
    """Things, parts of them, and others, migrated."""
    legacy = request.param == "legacy key"
    column = "legacy_id bigint UNIQUE," if legacy else ""
    pair = Pair(
        databases, start_daemon,
        f"""CREATE TABLE things (id bigint PRIMARY KEY, value text);
            CREATE TABLE parts (id bigint PRIMARY KEY, value text, thing bigint);
            CREATE TABLE others (id bigint PRIMARY KEY, value text);
            INSERT INTO things SELECT i, 'thing ' || i FROM generate_series(1, {ROWS}) AS i;
            INSERT INTO parts SELECT i, 'part ' || i, i FROM generate_series(1, {ROWS}) AS i;
            INSERT INTO others SELECT i, 'other ' || i FROM generate_series(1, {ROWS}) AS i""",
        f"""CREATE TABLE things (id uuid PRIMARY KEY, {column} value text);
            CREATE TABLE parts (id uuid PRIMARY KEY, {column} value text, thing uuid);
            CREATE TABLE others (id uuid PRIMARY KEY, {column} value text)""",
        mapping(legacy))
    pair.legacy = legacy
    pair.migrate()
    pair.target_sql("CREATE TABLE public.backup AS SELECT * FROM migrated.id_map_things")
    pair.keys = pair.target_sql("SELECT id, value FROM things ORDER BY 2")
    return pair


def bypass_triggers(pair, sql):
    """As a restore does."""
    with pair.target.connect() as connection:
        connection.execute("SET session_replication_role = replica")
        connection.execute(sql)


# What is done to the id map, and what is said of it.
DAMAGES = {
    "dropped": (lambda pair: pair.target_sql("DROP TABLE migrated.id_map_things CASCADE"), "is gone"),
    "emptied": (lambda pair: pair.target_sql("TRUNCATE migrated.id_map_things"),
                f"there were at least {ROWS}, and are 0"),
    "some rows deleted": (lambda pair: pair.target_sql("DELETE FROM migrated.id_map_things WHERE k1 % 2 = 0"),
                          f"there were at least {ROWS}, and are {ROWS // 2}"),
    "deleted in two goes": (lambda pair: (pair.target_sql("DELETE FROM migrated.id_map_things WHERE k1 = 1"),
                                          pair.target_sql("DELETE FROM migrated.id_map_things WHERE k1 = 2")),
                            f"there were at least {ROWS}, and are {ROWS - 2}"),
    "replaced by an older one": (lambda pair: pair.target_sql("""
        CREATE TABLE older (LIKE migrated.id_map_things INCLUDING ALL);
        INSERT INTO older SELECT * FROM migrated.id_map_things WHERE k1 <= 40;
        DROP TABLE migrated.id_map_things CASCADE;
        ALTER TABLE older SET SCHEMA migrated;
        ALTER TABLE migrated.older RENAME TO id_map_things"""), f"there were at least {ROWS}, and are 40"),
    "emptied past the trigger": (lambda pair: bypass_triggers(pair, "TRUNCATE migrated.id_map_things"),
                                 f"there were at least {ROWS}, and are 0"),
    "another type": (lambda pair: pair.target_sql("""
        DROP VIEW migrated.id_map, migrated.seen_things;
        ALTER TABLE migrated.id_map_things ALTER k1 TYPE text"""), "k1 is text and should be bigint"),
    "a column less": (lambda pair: pair.target_sql("ALTER TABLE migrated.id_map_things DROP COLUMN t1 CASCADE"),
                      "t1 is not there"),
    "no primary key": (lambda pair: pair.target_sql("""
        ALTER TABLE migrated.id_map_things DROP CONSTRAINT id_map_things_pkey CASCADE"""), "no primary key on (k1)"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_id_map_is_refused_by_name_and_nothing_is_minted_anew(pair, damage):
    do, words = DAMAGES[damage]
    do(pair)
    pair.source_sql("UPDATE others SET value = 'changed' WHERE id = 1; UPDATE things SET value = 'changed' WHERE id = 2")
    for full in (False, True):
        session = pair.migrate(expect="failed", full=full)
        assert session.entities["things"]["status"] == "failed"
        assert "id_map_things" in session.entities["things"]["reason"]
        assert words in session.entities["things"]["reason"]
        assert "things" in session.entities["parts"]["reason"]
        assert session.entities["others"]["status"] == "completed"
    assert pair.target_sql("SELECT id, value FROM things ORDER BY 2") == pair.keys
    assert pair.target.value("SELECT count(*) FROM others WHERE value = 'changed'") == 1
    checked = pair.daemon.ctl("check", check=False)
    assert checked.returncode != 0
    assert words in " ".join(checked.stdout.split())


@pytest.mark.parametrize("damage", ["dropped", "emptied", "some rows deleted", "replaced by an older one"])
def test_restored_from_the_backup_it_goes_on(pair, damage):
    DAMAGES[damage][0](pair)
    pair.migrate(expect="failed")
    pair.target_sql("""
        CREATE TABLE IF NOT EXISTS migrated.id_map_things (LIKE public.backup);
        INSERT INTO migrated.id_map_things
        SELECT * FROM public.backup WHERE k1 NOT IN (SELECT k1 FROM migrated.id_map_things)""")
    if damage == "dropped":
        pair.target_sql("ALTER TABLE migrated.id_map_things ADD PRIMARY KEY (k1)")
    pair.source_sql("UPDATE things SET value = 'changed' WHERE id = 2")
    pair.migrate()
    assert {key for key, _ in pair.target_sql("SELECT id, value FROM things")} == {key for key, _ in pair.keys}
    pair.finds_nothing()


@pytest.mark.parametrize("damage", ["dropped", "emptied", "some rows deleted"])
def test_people_can_have_it_made_anew(pair, damage):
    """From the target's legacy key nothing is lost; without one what is missing comes as new rows, as they were told."""
    DAMAGES[damage][0](pair)
    ended = pair.migrate(expect="failed")
    statement = "SELECT migrated.adopt_id_map('things')" if pair.legacy else "SELECT migrated.accept_id_map('things')"
    assert statement in ended.entities["things"]["reason"]
    pair.target_sql(statement)
    pair.migrate()
    keys = {key for key, _ in pair.target_sql("SELECT id, value FROM things")}
    before = {key for key, _ in pair.keys}
    missing = {"dropped": ROWS, "emptied": ROWS, "some rows deleted": ROWS // 2}[damage]
    assert before <= keys
    assert len(keys) == ROWS + (0 if pair.legacy else missing)
    if pair.legacy:
        pair.finds_nothing()


def test_one_that_never_held_anything_is_made_again(databases, start_daemon):
    pair = Pair(databases, start_daemon, "CREATE TABLE others (id bigint PRIMARY KEY, value text)",
                "CREATE TABLE others (id uuid PRIMARY KEY, legacy_id bigint UNIQUE, value text)", mapping(True)[2:])
    pair.migrate()
    pair.target_sql("DROP TABLE migrated.id_map_others CASCADE")
    pair.source_sql("INSERT INTO others VALUES (1, 'x')")
    pair.migrate()
    assert pair.target.value("SELECT count(*) FROM others") == 1


def test_rows_are_not_removed_while_a_session_is_under_way(pair):
    pair.source_sql("UPDATE others SET value = 'changed'")
    with held(pair.target, "others"):
        start_migration(pair.daemon)
        wait_until_blocked(pair.target)
        for statement in ("DELETE FROM migrated.id_map_things", "TRUNCATE migrated.id_map_things"):
            with pytest.raises(psycopg.Error, match="a session is under way"):
                pair.target_sql(statement)
    wait_until_ended(pair.daemon)
    pair.target_sql("DELETE FROM migrated.id_map_things WHERE k1 = 1")


def test_what_an_earlier_version_left_is_accounted_for(pair):
    """The migration of the control schema finds id maps, and one that is gone."""
    pair.daemon.stop()
    pair.target_sql("""
        DROP TABLE migrated.known_id_map;
        DROP FUNCTION migrated.id_map_shrinks() CASCADE;
        DROP FUNCTION migrated.guard_id_map(text), migrated.accept_id_map(text), migrated.adopt_id_map(text);
        DROP TABLE migrated.id_map_things CASCADE""")
    pair.target.script(ROOT / "daemon/store/schema/0006_known_id_map.sql")
    pair.daemon.start()
    session = pair.migrate(expect="failed")
    assert "is gone" in session.entities["things"]["reason"]
    assert pair.target_sql("SELECT entity, rows FROM migrated.known_id_map WHERE entity <> 'things' ORDER BY 1") == \
        [("others", ROWS), ("parts", ROWS)]
    pair.target_sql("TRUNCATE migrated.id_map_others")
    assert "has lost rows" in migrate(pair.daemon, expect="failed").entities["others"]["reason"]
