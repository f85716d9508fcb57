"""First loads: rows of which nothing has been carried are written without asking for them, and fare as all others do."""

import pytest

from mapping import PLAIN, PLAIN_SOURCE, PLAIN_TARGET, same_things
from sessions import counts, dead_letters, held, migrate, start_migration, wait_until_blocked, wait_until_ended

ROWS = 600
BATCH = 50
FILLED = f"{PLAIN_SOURCE}; INSERT INTO things SELECT i, 'thing ' || i FROM generate_series(1, {ROWS}) AS i"


@pytest.fixture
def things(pair):
    def make(target=PLAIN_TARGET, mapping=PLAIN, **settings):
        return pair(FILLED, target, mapping, batch_size=BATCH, batch_time="0", **settings)

    return make


def refusals(pair):
    """Statements of a batch that the target has refused because a row was there."""
    return pair.databases.servers.target.log().count("duplicate key value violates unique constraint \"things_legacy_id_key\"")


def rows_read(pair):
    return pair.target.value("SELECT seq_tup_read + coalesce(idx_tup_fetch, 0) FROM pg_stat_user_tables WHERE relname = 'things'")


def load_beside(pair, sql):
    """Somebody else writes into the target when the first batch has begun, before it has written anything."""
    with held(pair.target, "things") as somebody:
        start_migration(pair.daemon)
        wait_until_blocked(pair.target)
        somebody.execute(sql)
        somebody.commit()
    wait_until_ended(pair.daemon)


def test_the_target_is_not_asked_for_its_rows(things):
    pair = things()
    migrate(pair.daemon)
    same_things(pair)
    pair.daemon.stop()  # its backends tell their statistics
    before = rows_read(pair)
    assert before < ROWS / 10
    pair.source_sql("UPDATE things SET value = 'another'")
    pair.daemon.start()
    migrate(pair.daemon)
    pair.daemon.stop()
    assert rows_read(pair) >= before + ROWS, "this test does not see whether the target is asked"


def test_a_row_that_is_there_after_all_is_taken_for_what_it_is(things):
    pair = things()
    before = refusals(pair)
    load_beside(pair, "INSERT INTO things VALUES ('00000000-0000-4000-8000-000000000007', 7, 'by hand')")
    assert refusals(pair) == before + 1
    same_things(pair)
    assert pair.target_sql("SELECT id::text FROM things WHERE legacy_id = 7") == [("00000000-0000-4000-8000-000000000007",)]
    pair.databases.accounts()
    pair.finds_nothing()


def test_where_most_rows_are_there_it_is_not_tried_for_long(things):
    pair = things(max_concurrent_entities=1)
    before = refusals(pair)
    load_beside(pair, f"INSERT INTO things SELECT gen_random_uuid(), i, 'by hand' FROM generate_series(1, {ROWS}) AS i")
    assert 1 <= refusals(pair) - before < ROWS / BATCH / 2
    same_things(pair)
    pair.databases.accounts()


def test_rows_that_the_target_refuses_are_set_aside_and_the_others_carried(things):
    pair = things("CREATE TABLE things (id uuid PRIMARY KEY, legacy_id integer UNIQUE,"
                  " value text CHECK (right(value, 2) <> '77'))")
    session = migrate(pair.daemon)
    assert counts(pair.databases, session.session) == {"things": (ROWS - 6, 0, 0, 6, 0)}
    assert dead_letters(pair.databases, "things").keys() == {str(key) for key in range(77, ROWS, 100)}
    assert pair.target.value("SELECT count(*) FROM things") == ROWS - 6
    pair.databases.accounts()


def test_what_a_trigger_does_to_its_rows_is_known(things):
    """One is changed, one is not written at all: neither is an edit of somebody's, and both are accounted for."""
    pair = things(PLAIN_TARGET + """;
        CREATE FUNCTION meddle() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
          IF NEW.legacy_id = 3 THEN RETURN NULL; END IF;
          NEW.value := upper(NEW.value);
          RETURN NEW;
        END $$;
        CREATE TRIGGER meddle BEFORE INSERT ON things FOR EACH ROW EXECUTE FUNCTION meddle()""")
    session = migrate(pair.daemon)
    assert counts(pair.databases, session.session) == {"things": (ROWS - 1, 0, 0, 0, 0)}
    assert session.entities["things"]["unchanged"] == 1
    assert pair.target.value("SELECT count(*) FROM things WHERE value = upper(value)") == ROWS - 1
    pair.source_sql("UPDATE things SET value = 'changed' WHERE id = 5")
    migrate(pair.daemon)
    assert pair.target_sql("SELECT count(*) FROM migrated.conflict") == [(0,)]
    assert pair.target_sql("SELECT value FROM things WHERE legacy_id = 5") == [("changed",)]


def test_rows_that_are_read_again_for_another_mapping_are_no_first_load(things):
    pair = things()
    pair.migrate()
    before = pair.databases.servers.target.log().count("duplicate key")
    pair.change_mapping([{**PLAIN, "columns": {"value": {"sql": "upper(value)"}}}])
    session = pair.migrate()
    assert counts(pair.databases, session.session) == {"things": (0, ROWS, 0, 0, 0)}
    assert pair.databases.servers.target.log().count("duplicate key") == before
