"""The change log: every change of a target row is in it, with what it replaced, and nothing else is.

Pair.migrate() undoes the log of each session in memory, and must come to what stood there before (changes.py); so do all tests that
use it. Here stands what that does not see.
"""

import psycopg
import pytest

from changes import Standing
from library import ENTITIES, Library
from mapping import PLAIN, PLAIN_SOURCE, PLAIN_TARGET, entity
from sessions import migrate, start_migration, wait_until_reached
from test_mapping_changes import HERE, PAIRS
from waiting import wait_until

LOG = "SELECT kind, legacy_key FROM migrated.change_log WHERE number = %s ORDER BY legacy_key[1]::integer"


def logged(world, session):
    return world.target_sql(LOG, [session])


def images(world, session):
    """legacy key -> (before, after)"""
    return {key: rest for key, *rest in world.target_sql("""
        SELECT l.legacy_key[1]::integer, i.before, i.after
          FROM migrated.before_image AS i
          JOIN migrated.change_log AS l USING (change)
         WHERE i.session = %s""", [session])}


def things(world, count):
    world.source_sql("INSERT INTO things SELECT i, 'value ' || i FROM generate_series(1, %s) AS i", [count])


# --- what is logged -------------------------------------------------------------------------------

def test_each_change_is_logged_with_the_version_it_left(pair):
    world = pair(PLAIN_SOURCE, PLAIN_TARGET, PLAIN)
    things(world, 3)
    world.migrate()
    assert logged(world, 1) == [("inserted", [str(key)]) for key in (1, 2, 3)]
    world.source_sql("UPDATE things SET value = 'changed' WHERE id = 1; DELETE FROM things WHERE id = 2; INSERT INTO things VALUES (4, NULL)")
    world.migrate()
    assert logged(world, 2) == [("updated", ["1"]), ("deleted", ["2"]), ("inserted", ["4"])]
    last = world.target_sql("""
        SELECT l.legacy_key[1]::integer, l.target_key[1]::uuid, l.version::text, l.session IN (SELECT session FROM migrated.session), l.entity
          FROM migrated.change_log AS l WHERE l.kind <> 'deleted' AND l.change IN (SELECT max(change) FROM migrated.change_log GROUP BY legacy_key)
         ORDER BY 1""")
    assert last == world.target_sql("SELECT legacy_id, id, xmin::text, true, 'things' FROM things ORDER BY 1")
    assert world.target_sql("SELECT version FROM migrated.change_log WHERE kind = 'deleted'") == [(None,)]
    assert images(world, 1) == {}
    assert images(world, 2)[1] == [{"value": "value 1"}, {"value": "changed"}]
    assert images(world, 2)[2][0].keys() == {"id", "legacy_id", "value"}
    assert images(world, 2)[2][1] is None
    assert 4 not in images(world, 2)
    world.finds_nothing()
    assert world.target.value("SELECT max(number) FROM migrated.change_log") == 2


def test_the_mapping_is_kept_as_it_was(pair):
    world = pair(PLAIN_SOURCE, PLAIN_TARGET, PLAIN)
    things(world, 3)
    world.migrate()
    mapped = dict(world.target_sql("SELECT k1, to_jsonb(m) FROM migrated.id_map_things AS m"))
    world.target_sql("DELETE FROM things WHERE legacy_id = 3")
    world.source_sql("UPDATE things SET value = 'changed' WHERE id IN (1, 3); DELETE FROM things WHERE id = 2")
    world.migrate()
    assert logged(world, 2) == [("updated", ["1"]), ("deleted", ["2"]), ("inserted", ["3"])]
    assert dict(world.target_sql("SELECT (mapping ->> 'k1')::integer, mapping FROM migrated.before_image")) == mapped


def test_rows_are_marked_unmarked_filled_and_unlinked(pair):
    source = """CREATE TABLE things (id integer PRIMARY KEY, value text, next integer);
                INSERT INTO things VALUES (1, 'a', 2), (2, 'b', 1), (3, 'c', NULL)"""
    target = """CREATE TABLE things (id uuid PRIMARY KEY, legacy_id integer UNIQUE, value text, next uuid REFERENCES things,
                                     here boolean NOT NULL DEFAULT true)"""
    columns = {"value": "value", "next": {"references": "things", "from": "next"}}
    marks = entity("things", columns, on_delete={"mark": {"here": False}})
    world = pair(source, target, marks)
    world.migrate()
    assert logged(world, 1).count(("inserted", ["1"])) == 1
    assert [key for kind, key in logged(world, 1) if kind == "filled"] in ([["1"], ["2"]], [["1"]], [["2"]])
    world.source_sql("CREATE TABLE kept AS TABLE things; DELETE FROM things WHERE id = 3")
    world.migrate()
    assert logged(world, 2) == [("marked", ["3"])]
    world.source_sql("INSERT INTO things SELECT * FROM kept WHERE id = 3")
    world.migrate()
    assert logged(world, 3) == [("unmarked", ["3"])]
    assert images(world, 3) == {3: [{"here": "false"}, {"here": "true"}]}
    world.change_mapping([entity("things", columns, on_delete="delete")])
    world.migrate()
    world.source_sql("DELETE FROM things WHERE id IN (1, 2)")
    world.migrate()
    last = world.target.value("SELECT max(number) FROM migrated.change_log")
    assert {kind for kind, key in logged(world, last)} == {"unlinked", "deleted"}


def test_what_triggers_write_is_in_the_image(pair):
    world = pair(PLAIN_SOURCE, """
        CREATE TABLE things (id uuid PRIMARY KEY, legacy_id integer UNIQUE, value text, shouted text GENERATED ALWAYS AS (upper(value)) STORED,
                             edits integer NOT NULL DEFAULT 0, note text);
        CREATE FUNCTION count_edits() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN NEW.edits := OLD.edits + 1; NEW.value := NEW.value || '!'; RETURN NEW; END $$;
        CREATE TRIGGER count_edits BEFORE UPDATE ON things FOR EACH ROW EXECUTE FUNCTION count_edits()""", PLAIN)
    things(world, 2)
    world.migrate()
    world.source_sql("UPDATE things SET value = 'changed' WHERE id = 1")
    world.migrate()
    assert images(world, 2) == {1: [{"value": "value 1", "edits": "0"}, {"value": "changed!", "edits": "1"}]}


def test_names_of_any_kind_are_kept(pair):
    names = ['a"b', "it's", "{entity}", "%s", "back\\slash", "Ä ö", "b1", "change"]
    ddl = ", ".join('"' + name.replace('"', '""') + '" text' for name in names)
    world = pair(f"CREATE TABLE things (id integer PRIMARY KEY, {ddl})",
                 f"""CREATE TABLE "od'd ""things" (id uuid PRIMARY KEY, legacy_id integer UNIQUE, {ddl})""",
                 entity("things", {name: name for name in names}, target='od\'d "things', on_delete="delete"))
    world.source_sql("INSERT INTO things (id) VALUES (1), (2)")
    world.migrate()
    quoted = ", ".join('"' + name.replace('"', '""').replace("%", "%%") + '" = %s' for name in names)
    world.source_sql(f"UPDATE things SET {quoted} WHERE id = 1", [f"<{name}>" for name in names])
    world.source_sql("DELETE FROM things WHERE id = 2")
    world.migrate()
    assert images(world, 2)[1] == [dict.fromkeys(names), {name: f"<{name}>" for name in names}]
    assert images(world, 2)[2][0].keys() == {"id", "legacy_id", *names}


@pytest.mark.parametrize("change", ["UPDATE", "DELETE"])
def test_a_value_of_any_type_goes_back_to_the_bit(pair, change):
    columns = {f"c{i}": type_name for i, type_name in enumerate(PAIRS)}
    bare = {name: type_name.split(" COLLATE")[0] for name, type_name in columns.items()}
    ddl = ", ".join(f"{name} {type_name}" for name, type_name in columns.items())
    world = pair(f"{HERE} CREATE TABLE things (id integer PRIMARY KEY, {ddl})",
                 f"{HERE} CREATE TABLE things (id uuid PRIMARY KEY, legacy_id integer UNIQUE, {ddl})",
                 entity("things", {name: name for name in columns}, on_delete="delete"))
    world.source_sql(f"INSERT INTO things VALUES (1, {', '.join(f'%s::text::{type_name}' for type_name in bare.values())})",
                     [value for value, _ in PAIRS.values()])
    world.migrate()
    world.target_sql("CREATE TABLE was AS TABLE things")
    if change == "UPDATE":
        world.source_sql(f"UPDATE things SET {', '.join(f'{name} = %s::text::{bare[name]}' for name in columns)}",
                         [value for _, value in PAIRS.values()])
    else:
        world.source_sql("DELETE FROM things")
    world.migrate()
    back = ", ".join(f"(i.before ->> '{name}')::{bare[name]} AS {name}" for name in columns)
    same = ", ".join(f"ROW(b.{name})::record *= ROW(w.{name})::record" for name in columns)
    (equal,) = world.target_sql(f"SELECT {same} FROM was AS w, (SELECT {back} FROM migrated.before_image AS i) AS b")
    kept = world.target_sql("SELECT jsonb_object_keys(before) FROM migrated.before_image")
    assert {columns[name] for (name,) in kept if name in columns} == set(PAIRS)
    assert [type_name for type_name, one in zip(PAIRS, equal) if not one] == []


def test_a_partitioned_table_is_logged_as_any_other(pair):
    world = pair("CREATE TABLE things (id integer PRIMARY KEY, value text, part integer)", """
        CREATE TABLE things (part integer, id integer, value text, PRIMARY KEY (part, id)) PARTITION BY LIST (part);
        CREATE TABLE things_1 (value text, id integer NOT NULL, part integer NOT NULL);
        ALTER TABLE things ATTACH PARTITION things_1 FOR VALUES IN (1);
        CREATE TABLE things_2 PARTITION OF things FOR VALUES IN (2)""",
                 entity("things", {"id": "id", "value": "value", "part": "part"}, target_key=["part", "id"], legacy_key=None, on_delete="delete"))
    world.source_sql("INSERT INTO things SELECT i, 'value', 1 + i % 2 FROM generate_series(1, 6) AS i")
    world.migrate()
    world.source_sql("UPDATE things SET value = 'changed' WHERE id = 1; UPDATE things SET part = 3 - part WHERE id = 2; DELETE FROM things WHERE id = 3")
    world.migrate()
    assert logged(world, 2) == [("updated", ["1"]), ("updated", ["2"]), ("deleted", ["3"])]
    assert world.target_sql("""
        SELECT count(*) FROM things AS t JOIN migrated.change_log AS l ON l.target_key = ARRAY[t.part::text, t.id::text] AND l.version = t.xmin
         WHERE t.id IN (1, 2) AND l.number = 2""") == [(2,)]


# --- isolation, kills ---------------------------------------------------------------------------------

def test_rows_that_are_refused_are_not_logged(pair):
    world = pair(PLAIN_SOURCE, PLAIN_TARGET.replace("value text", "value text CHECK (value <> 'bad')"), PLAIN, batch_size=50)
    things(world, 200)
    world.source_sql("UPDATE things SET value = 'bad' WHERE id % 7 = 0")
    world.migrate()
    assert logged(world, 1) == [("inserted", [str(key)]) for key in range(1, 201) if key % 7]
    world.source_sql("UPDATE things SET value = CASE WHEN id % 5 = 0 THEN 'bad' ELSE 'good' END WHERE id % 7 > 0")
    world.migrate()
    assert logged(world, 2) == [("updated", [str(key)]) for key in range(1, 201) if key % 7 and key % 5]
    assert len(images(world, 2)) == len(logged(world, 2))


@pytest.mark.parametrize("place", ["batch.committed:3", "batch.write_sent:3", "fill.sent:1", "delete.staged:1"])
def test_killed_on_the_way_each_change_is_logged_once(databases, start_daemon, place):
    library = Library(databases, start_daemon, fault="")
    library.daemon.start()
    for session in range(2):
        before = Standing(library.target, ENTITIES)
        library.daemon.stop()
        name, nth = place.split(":")
        library.daemon.fault = f"{name}:kill:{nth}"
        library.daemon.start()
        wait_until_reached(library.daemon)
        start_migration(library.daemon)
        if name != "delete.staged" or session == 1:
            library.daemon.wait_until_killed()
        else:
            wait_until(lambda: library.unfinished() == 0)
            library.daemon.stop()
        library.daemon.fault = ""
        library.daemon.start()
        library.comes_to_its_end()
        changes = before.is_what_the_log_leads_back_to()
        assert len(changes) > 20
        library.is_right() if session == 1 else library.change()


# --- who may change it ------------------------------------------------------------------------------------

FORBIDDEN = ["UPDATE migrated.change_log_things SET kind = 'inserted'", "DELETE FROM migrated.change_log_things", "TRUNCATE migrated.change_log_things"]


def test_what_is_logged_is_changed_by_nobody(databases, start_daemon):
    databases.source_sql(PLAIN_SOURCE + "; INSERT INTO things VALUES (1, 'one')")
    databases.target_sql(PLAIN_TARGET)
    role = databases.target.name + "_writer"
    databases.target_sql(f"CREATE ROLE {role} LOGIN; GRANT CREATE, TEMPORARY ON DATABASE {databases.target.name} TO {role};"
                         f"GRANT SELECT, INSERT, UPDATE, DELETE ON things TO {role}")
    conninfo = databases.target.conninfo.replace("user=postgres", f"user={role}")
    try:
        daemon = start_daemon(databases, entities=[PLAIN], target=conninfo)
        migrate(daemon)
        databases.source_sql("UPDATE things SET value = 'two'")
        migrate(daemon)
        daemon.stop()
        for statement in FORBIDDEN:
            with psycopg.connect(conninfo, autocommit=True) as owner, pytest.raises(psycopg.errors.InsufficientPrivilege, match="permission denied"):
                owner.execute(statement)
            with pytest.raises(psycopg.errors.InsufficientPrivilege, match="change_log_things is append-only"):
                databases.target_sql(statement)
        assert databases.target_sql("SELECT kind FROM migrated.change_log ORDER BY change") == [("inserted",), ("updated",)]
    finally:
        databases.target_sql(f"DROP OWNED BY {role} CASCADE; DROP ROLE {role}")


def test_a_log_that_does_not_fit_its_id_map_any_more_is_kept_under_another_name(pair):
    world = pair(PLAIN_SOURCE, PLAIN_TARGET, PLAIN)
    things(world, 2)
    world.migrate()
    world.daemon.stop()
    world.source_sql("ALTER TABLE things ALTER id TYPE text")
    world.target_sql("""ALTER TABLE things ALTER legacy_id TYPE text; DROP VIEW migrated.id_map, migrated.seen_things;
                        ALTER TABLE migrated.id_map_things ALTER k1 TYPE text""")
    world.daemon.start()
    world.migrate()
    world.source_sql("INSERT INTO things VALUES ('3', 'three')")
    world.migrate()
    assert world.target_sql("SELECT number, kind, legacy_key, entity FROM migrated.change_log ORDER BY change") == \
        [(1, "inserted", ["1"], "things"), (1, "inserted", ["2"], "things"), (3, "inserted", ["3"], "things")]


# --- before-images may be left out, and expire ------------------------------------------------------------

def test_without_before_images_the_log_is_the_same(pair):
    world = pair(PLAIN_SOURCE, PLAIN_TARGET, PLAIN, before_images=False)
    world.logged = False
    things(world, 3)
    world.migrate()
    world.source_sql("UPDATE things SET value = 'changed' WHERE id = 1; DELETE FROM things WHERE id = 2")
    world.migrate()
    assert logged(world, 2) == [("updated", ["1"]), ("deleted", ["2"])]
    assert world.target.value("SELECT count(*) FROM migrated.before_image") == 0


def test_before_images_expire_when_their_session_has_ended_long_enough_ago(pair):
    world = pair(PLAIN_SOURCE, PLAIN_TARGET, PLAIN, before_images_keep="1h")
    things(world, 12000)  # more than are removed at once
    world.migrate()
    for value in ("changed", "changed again"):
        world.source_sql("UPDATE things SET value = %s", [value])
        world.migrate()
    world.target_sql("UPDATE migrated.session SET finished_at = finished_at - interval '2 hours' WHERE number <= 2")
    world.source_sql("UPDATE things SET value = 'last' WHERE id = 1")
    world.migrate()
    wait_until(lambda: world.target.value("SELECT count(*) FROM migrated.session WHERE images_expired_at IS NOT NULL") == 2)
    assert world.target_sql("SELECT session, count(*) FROM migrated.before_image GROUP BY 1 ORDER BY 1") == [(3, 12000), (4, 1)]
    assert world.target.value("SELECT count(*) FROM migrated.change_log") == 36001
    assert world.target_sql("SELECT number FROM migrated.session WHERE images_expired_at IS NOT NULL ORDER BY 1") == [(1,), (2,)]


def test_quiet_cycles_let_before_images_expire(databases, start_daemon):
    databases.source_sql(PLAIN_SOURCE + "; INSERT INTO things VALUES (1, 'one')")
    databases.target_sql(PLAIN_TARGET)
    daemon = start_daemon(databases, entities=[PLAIN], settings={"before_images_keep": "1h"}, start=False)
    daemon.config["schedule"] = {"every": "1s"}
    daemon.write_config()
    daemon.start()
    wait_until(lambda: daemon.call("Status")["state"] == "idle" and databases.target.value("SELECT count(*) FROM things") == 1)
    databases.source_sql("UPDATE things SET value = 'two'")
    wait_until(lambda: databases.target_sql("SELECT value FROM things") == [("two",)] and daemon.call("Status")["state"] == "idle")
    databases.target_sql("UPDATE migrated.session SET finished_at = finished_at - interval '2 hours'")
    wait_until(lambda: databases.target.value("SELECT count(*) FROM migrated.before_image") == 0)
