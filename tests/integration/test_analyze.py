"""The baseline counts what is there, exactly, and says when the id map and the tables disagree.

What is right is decided by plain SQL over both databases.
"""

import concurrent.futures
import json
import pathlib

import pytest

from daemon import CLINIC_ENTITIES
from sessions import wait_until_reached
from waiting import wait_until

SOURCE = """
    CREATE TABLE item (id integer PRIMARY KEY, name text NOT NULL, is_test boolean NOT NULL DEFAULT false);
    INSERT INTO item SELECT n, 'item ' || n, n > 90 FROM generate_series(1, 100) AS n;
"""
TARGET = """
    CREATE TABLE items (id uuid PRIMARY KEY, legacy_id integer UNIQUE, name text NOT NULL,
                        is_active boolean NOT NULL DEFAULT true);
"""


def item_entity(**changes):
    return {
        "entity": "items",
        "source": {"table": "item", "key": "id", "where": "NOT is_test"},
        "target": {"table": "items", "key": "id", "legacy_key": "legacy_id"},
        "on_delete": {"mark": {"is_active": False}},
        "columns": {"name": "name"},
        **changes,
    }


def analyze(daemon, *entities):
    """What is told of each entity, by its name."""
    arguments = ["--entities", ",".join(entities)] if entities else []
    return {baseline["entity"]: baseline for baseline in daemon.ctl_json("analyze", *arguments)["entities"]}


def numbers(baseline):
    return {name: baseline[name] for name in ("source", "target", "status", "gap", "unmapped", "orphaned")}


def expected(source, target, status, unmapped=0, orphaned=0):
    return {"source": source, "target": target, "status": status, "gap": source - target,
            "unmapped": unmapped, "orphaned": orphaned}


def assert_nothing_is_left_open(databases):
    for database in (databases.source, databases.target):
        assert database.sql("SELECT state, query FROM pg_stat_activity WHERE application_name = 'migrated' "
                            "AND state <> 'idle'") == []


@pytest.fixture
def items(databases, start_daemon):
    """A daemon between 90 items that count and nothing."""
    databases.source_sql(SOURCE)
    databases.target_sql(TARGET)
    return wait_until_reached(start_daemon(databases, entities=[item_entity()]))


@pytest.fixture
def migrated_items(items):
    items.ctl("migrate", "--wait")
    return items


def test_an_entity_that_was_never_migrated_is_missing(items, databases):
    baseline = analyze(items)["items"]
    assert numbers(baseline) == expected(90, 0, "missing", unmapped=90)
    assert baseline["last_migrated"] is None
    assert databases.target.value("SELECT to_regnamespace('migrated')") is None


def test_rows_that_nobody_has_mapped_yet_are_counted_but_not_called_synced(items, databases):
    databases.target_sql("INSERT INTO items SELECT gen_random_uuid(), n, 'x' FROM generate_series(1, 90) AS n")
    assert numbers(analyze(items)["items"]) == expected(90, 90, "behind", unmapped=90)


def test_an_empty_source_and_an_empty_target_are_synced(items, databases):
    databases.source_sql("DELETE FROM item")
    assert numbers(analyze(items)["items"]) == expected(0, 0, "synced")


def test_a_migrated_entity_is_synced(migrated_items, databases):
    baseline = analyze(migrated_items)["items"]
    assert numbers(baseline) == expected(90, 90, "synced")
    assert databases.target.value("SELECT last_migrated = %s::timestamptz FROM migrated.entity",
                                  [baseline["last_migrated"]])
    assert_nothing_is_left_open(databases)


def test_rows_that_arrive_in_the_source_are_unmapped(migrated_items, databases):
    databases.source_sql("INSERT INTO item SELECT n, 'new' FROM generate_series(201, 203) AS n")
    assert numbers(analyze(migrated_items)["items"]) == expected(93, 90, "behind", unmapped=3)


def test_rows_that_the_filter_hides_do_not_count(migrated_items, databases):
    databases.source_sql("INSERT INTO item SELECT n, 'new', true FROM generate_series(201, 203) AS n")
    assert numbers(analyze(migrated_items)["items"]) == expected(90, 90, "synced")


def test_keys_that_are_as_many_and_add_up_to_the_same_are_told_apart(migrated_items, databases):
    databases.source_sql("UPDATE item SET id = id + 1000 WHERE id IN (1, 4); UPDATE item SET is_test = true "
                         "WHERE id IN (2, 3); INSERT INTO item SELECT 1001 + n, 'x' FROM generate_series(1, 2) AS n")
    # 1, 2, 3, 4 became 1001, 1002, 1003, 1004
    assert numbers(analyze(migrated_items)["items"]) == expected(90, 90, "behind", unmapped=4)


def test_a_mapped_row_that_was_deleted_in_the_target_is_orphaned(migrated_items, databases):
    databases.target_sql("DELETE FROM items WHERE legacy_id IN (7, 8)")
    assert numbers(analyze(migrated_items)["items"]) == expected(90, 88, "behind", orphaned=2)


def test_a_row_of_the_targets_own_in_the_place_of_a_lost_one_is_no_sync(migrated_items, databases):
    databases.target_sql("UPDATE items SET id = gen_random_uuid() WHERE legacy_id = 7")
    assert numbers(analyze(migrated_items)["items"]) == expected(90, 90, "behind", orphaned=1)


def test_rows_of_the_targets_own_put_it_ahead(migrated_items, databases):
    databases.target_sql("INSERT INTO items VALUES (gen_random_uuid(), NULL, 'ours')")
    assert numbers(analyze(migrated_items)["items"]) == expected(90, 91, "ahead")


def test_a_target_that_was_emptied_is_missing(migrated_items, databases):
    databases.target_sql("DELETE FROM items")
    assert numbers(analyze(migrated_items)["items"]) == expected(90, 0, "missing", orphaned=90)


@pytest.mark.parametrize("on_delete", [{"mark": {"is_active": False}}, "ignore", "delete"],
                         ids=["mark", "ignore", "delete"])
def test_rows_that_are_gone_from_the_source_do_not_count(items, databases, on_delete):
    items.stop()
    items.write_entities([item_entity(on_delete=on_delete)])
    wait_until_reached(items.start())
    items.ctl("migrate", "--wait")
    databases.source_sql("DELETE FROM item WHERE id <= 5")
    assert numbers(analyze(items)["items"]) == expected(85, 90, "ahead")
    items.ctl("detect")
    items.ctl("migrate", "--wait")
    assert databases.target.value("SELECT count(*) FROM items") == (85 if on_delete == "delete" else 90)
    assert numbers(analyze(items)["items"]) == expected(85, 85, "synced")


def test_a_row_that_is_gone_and_was_removed_from_the_target_too_is_not_taken_off_twice(migrated_items, databases):
    databases.source_sql("DELETE FROM item WHERE id <= 5")
    migrated_items.ctl("detect")
    migrated_items.ctl("migrate", "--wait")
    databases.target_sql("DELETE FROM items WHERE legacy_id <= 2")
    assert numbers(analyze(migrated_items)["items"]) == expected(85, 85, "synced")


def test_a_target_row_that_one_source_row_left_and_another_holds_counts(databases, start_daemon):
    """A join table's row that was deleted and made anew has another legacy key and the same target key."""
    databases.source_sql("CREATE TABLE link (id integer PRIMARY KEY, a integer NOT NULL, b integer NOT NULL);"
                         "INSERT INTO link SELECT n, n % 7, n / 7 FROM generate_series(1, 30) AS n")
    databases.target_sql("CREATE TABLE links (a integer, b integer, is_active boolean DEFAULT true, PRIMARY KEY (a, b))")
    daemon = wait_until_reached(start_daemon(databases, entities=[{
        "entity": "links",
        "source": {"table": "link", "key": "id"},
        "target": {"table": "links", "key": ["a", "b"]},
        "on_delete": {"mark": {"is_active": False}},
        "columns": {"a": "a", "b": "b"},
    }]))
    daemon.ctl("migrate", "--wait")
    databases.source_sql("DELETE FROM link WHERE id = 10")
    databases.target_sql("UPDATE migrated.id_map_links SET gone = now() WHERE k1 = 10")
    assert numbers(analyze(daemon)["links"]) == expected(29, 29, "synced")
    databases.source_sql("INSERT INTO link VALUES (31, 10 % 7, 10 / 7)")
    databases.target_sql("INSERT INTO migrated.id_map_links (k1, t1, t2) SELECT 31, t1, t2 "
                         "FROM migrated.id_map_links WHERE k1 = 10")
    assert numbers(analyze(daemon)["links"]) == expected(30, 30, "synced")
    databases.source_sql("DELETE FROM link WHERE id = 31")
    databases.target_sql("UPDATE migrated.id_map_links SET gone = now() WHERE k1 = 31")
    assert numbers(analyze(daemon)["links"]) == expected(29, 29, "synced")


@pytest.mark.parametrize("key, columns, values", [
    (["code"], "code text", "'code ' || n"),
    (["a", "b"], "a integer, b text", "n % 10, 'b' || n / 10"),
    (["id"], "id uuid", "md5(n::text)::uuid"),
], ids=["text", "composite", "uuid"])
def test_keys_of_every_kind(databases, start_daemon, key, columns, values):
    names = ", ".join(key)
    databases.source_sql(f"CREATE TABLE thing ({columns}, name text, PRIMARY KEY ({names}));"
                         f"INSERT INTO thing SELECT {values}, 'x' FROM generate_series(1, 50) AS n")
    legacy = [f"legacy_{name}" for name in key]
    legacy_columns = ", ".join(f"legacy_{column.strip()}" for column in columns.split(","))
    databases.target_sql(f"CREATE TABLE things (uid uuid PRIMARY KEY, {legacy_columns}, name text, "
                         f"UNIQUE ({', '.join(legacy)}))")
    daemon = wait_until_reached(start_daemon(databases, entities=[{
        "entity": "things",
        "source": {"table": "thing", "key": key},
        "target": {"table": "things", "key": "uid", "legacy_key": legacy},
        "columns": {"name": "name"},
        "on_delete": "ignore",
    }]))
    assert numbers(analyze(daemon)["things"]) == expected(50, 0, "missing", unmapped=50)
    daemon.ctl("migrate", "--wait")
    assert numbers(analyze(daemon)["things"]) == expected(50, 50, "synced")
    databases.source_sql(f"INSERT INTO thing SELECT {values}, 'x' FROM generate_series(51, 54) AS n")
    databases.target_sql("DELETE FROM things WHERE uid IN (SELECT uid FROM things LIMIT 1)")
    assert numbers(analyze(daemon)["things"]) == expected(54, 49, "behind", unmapped=4, orphaned=1)


@pytest.fixture
def shared_table(databases, start_daemon):
    """Two entities that write to one table: 30 cats and 12 dogs become animals."""
    databases.source_sql("CREATE TABLE cat (id integer PRIMARY KEY, name text);"
                         "CREATE TABLE dog (id integer PRIMARY KEY, name text);"
                         "INSERT INTO cat SELECT n, 'cat' FROM generate_series(1, 30) AS n;"
                         "INSERT INTO dog SELECT n, 'dog' FROM generate_series(1, 12) AS n")
    databases.target_sql("CREATE TABLE animals (id uuid PRIMARY KEY, cat_id integer UNIQUE, dog_id integer UNIQUE, "
                         "name text)")
    return wait_until_reached(start_daemon(databases, entities=[{
        "entity": f"{kind}s",
        "source": {"table": kind, "key": "id"},
        "target": {"table": "animals", "key": "id", "legacy_key": f"{kind}_id"},
        "on_delete": "ignore",
        "columns": {"name": "name"},
    } for kind in ("cat", "dog")]))


def test_entities_that_share_a_table_count_their_own_rows(shared_table, databases):
    shared_table.ctl("migrate", "--wait")
    databases.source_sql("DELETE FROM dog WHERE id = 1")
    shared_table.ctl("detect")
    shared_table.ctl("migrate", "--wait")
    databases.target_sql("DELETE FROM animals WHERE cat_id = 5; "
                         "INSERT INTO animals VALUES (gen_random_uuid(), NULL, NULL, 'fox')")
    baselines = analyze(shared_table)
    assert numbers(baselines["cats"]) == expected(30, 29, "behind", orphaned=1)
    assert numbers(baselines["dogs"]) == expected(11, 11, "synced")


def test_rows_of_a_shared_table_are_not_guessed_at(shared_table, databases):
    assert numbers(analyze(shared_table)["dogs"]) == expected(12, 0, "missing", unmapped=12)
    databases.target_sql("INSERT INTO animals VALUES (gen_random_uuid(), 1, NULL, 'cat')")
    assert numbers(analyze(shared_table)["dogs"]) == {
        "source": 12, "target": None, "status": "behind", "gap": None, "unmapped": 12, "orphaned": 0}


def test_an_entity_that_does_not_fit_is_named_and_the_others_are_counted(items, databases):
    databases.source_sql("CREATE TABLE other (id integer PRIMARY KEY)")
    databases.target_sql("CREATE TABLE others (id uuid PRIMARY KEY, legacy_id integer UNIQUE, name text)")
    items.stop()
    items.write_entities([item_entity(), {
        "entity": "others",
        "source": {"table": "other", "key": "id"},
        "target": {"table": "others", "key": "id", "legacy_key": "legacy_id"},
        "on_delete": "ignore",
        "columns": {"name": "title", "size": "id"},
    }])
    wait_until_reached(items.start())
    result = items.ctl("analyze", "--json", check=False)
    baselines = {baseline["entity"]: baseline for baseline in json.loads(result.stdout)["entities"]}
    assert result.returncode == 1
    assert numbers(baselines["items"]) == expected(90, 0, "missing", unmapped=90)
    assert '$.columns.name: source table "other" has no column "title"' in baselines["others"]["error"]
    assert "(and 1 more)" in baselines["others"]["error"]
    assert_nothing_is_left_open(databases)


def test_a_failure_leaves_no_transaction_open_and_the_next_analysis_works(migrated_items, databases):
    databases.target_sql("ALTER TABLE migrated.id_map_items RENAME COLUMN gone TO went")
    result = migrated_items.ctl("analyze", "--json", check=False)
    assert "went" not in result.stdout and '"gone"' in json.loads(result.stdout)["entities"][0]["error"]
    assert_nothing_is_left_open(databases)
    databases.target_sql("ALTER TABLE migrated.id_map_items RENAME COLUMN went TO gone")
    for _ in range(2):
        assert numbers(analyze(migrated_items)["items"]) == expected(90, 90, "synced")


def test_a_source_that_is_lost_while_it_is_read_leaves_no_transaction_in_the_target(databases, start_daemon):
    databases.source_sql(SOURCE + """
        CREATE TABLE delay (seconds integer);
        INSERT INTO delay VALUES (0);
        CREATE FUNCTION delayed() RETURNS boolean LANGUAGE plpgsql AS
          'BEGIN PERFORM pg_sleep(seconds) FROM public.delay; RETURN true; END'""")
    databases.target_sql(TARGET)
    entity = item_entity(source={"table": "item", "key": "id", "where": "public.delayed()"})
    daemon = wait_until_reached(start_daemon(databases, entities=[entity]))
    daemon.ctl("migrate", "--wait")
    databases.source_sql("UPDATE delay SET seconds = 600")
    terminate = """
        SELECT pg_terminate_backend(pid)
        FROM pg_stat_activity
        WHERE datname = current_database() AND wait_event = 'PgSleep'"""
    with concurrent.futures.ThreadPoolExecutor() as threads:
        analysis = threads.submit(daemon.ctl, "analyze", check=False)
        wait_until(lambda: databases.source_sql(terminate), 20, "the source is read")
        assert analysis.result().returncode == 1
    assert_nothing_is_left_open(databases)
    databases.source_sql("UPDATE delay SET seconds = 0")
    wait_until_reached(daemon)
    assert numbers(analyze(daemon)["items"]) == expected(100, 100, "synced")


def test_many_rows_gone_since_the_last_vacuum_do_not_make_it_slow(databases, start_daemon):
    """Statistics that know of no row with `gone` set promise a nested loop over nothing; this took minutes once."""
    databases.source_sql("CREATE TABLE item (id integer PRIMARY KEY, name text NOT NULL, is_test boolean DEFAULT false);"
                         "INSERT INTO item SELECT n, 'x' FROM generate_series(1, 60000) AS n")
    databases.target_sql(TARGET)
    daemon = wait_until_reached(start_daemon(databases, entities=[item_entity()]))
    daemon.ctl("migrate", "--wait")
    databases.target_sql("ALTER TABLE migrated.id_map_items SET (autovacuum_enabled = off); ")
    databases.target_sql("ANALYZE migrated.id_map_items")
    databases.target_sql("UPDATE migrated.id_map_items SET gone = now() WHERE k1 <= 30000")
    result = daemon.ctl("analyze", "--json", timeout=10)
    assert numbers(json.loads(result.stdout)["entities"][0]) == expected(60000, 30000, "behind", unmapped=30000)


# --- the clinic, against plain SQL over both databases ---

def clinic_mapping():
    return {entity["entity"]: entity
            for entity in (json.loads(path.read_text()) for path in pathlib.Path(CLINIC_ENTITIES).glob("*.json"))}


def source_keys(clinic, entity):
    source = entity["source"]
    keys = source["key"] if isinstance(source["key"], list) else [source["key"]]
    relation = f"({source['query']})" if "query" in source else source["table"]
    return clinic.source_sql(f"SELECT {', '.join(keys)} FROM {relation} AS source WHERE {source.get('where', 'true')}")


def target_keys(clinic, entity):
    legacy = entity["target"]["legacy_key"]
    names = legacy if isinstance(legacy, list) else [legacy]
    return clinic.target_sql(f"SELECT {', '.join(names)} FROM {entity['target']['table']} WHERE {names[0]} IS NOT NULL")


def test_the_clinic_before_its_first_migration(daemon, clinic):
    wait_until_reached(daemon)
    baselines = analyze(daemon)
    mapping = clinic_mapping()
    assert baselines.keys() == mapping.keys()
    for name, entity in mapping.items():
        count = len(source_keys(clinic, entity))
        assert count > 0
        assert numbers(baselines[name]) == expected(count, 0, "missing", unmapped=count), name


def test_the_clinic_after_a_migration_and_a_day_of_changes(daemon, clinic):
    wait_until_reached(daemon).ctl("migrate", "--wait", check=False)
    clinic.day()
    baselines = analyze(daemon)
    for name, entity in clinic_mapping().items():
        if "legacy_key" not in entity["target"]:
            continue
        source, target = source_keys(clinic, entity), target_keys(clinic, entity)
        unmapped = len(set(map(stringed, source)) - set(map(stringed, target)))
        found = numbers(baselines[name])
        assert (found["source"], found["target"], found["unmapped"], found["orphaned"]) == (
            len(source), len(target), unmapped, 0), name
        assert found["status"] in ("behind", "ahead", "synced")


def stringed(row):
    return tuple(map(str, row))


def test_only_the_entities_that_were_asked_for_are_counted(daemon):
    assert analyze(wait_until_reached(daemon), "offices", "doctors").keys() == {"offices", "doctors"}
