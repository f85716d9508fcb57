"""Bulk mode: an empty table is filled without what it can do without, and has all of it again when its rows are there."""

import json

import pytest

from bulk import ASIDE, KEPT, MAKERS, SETTINGS, SOURCE, TARGET, THINGS, aside, is_put_back, rows_are_right, schema, stand
from sessions import dead_letters, held, migrate, start_migration, state_of, wait_until_blocked, wait_until_ended
from waiting import wait_until


@pytest.fixture
def makers(pair):
    """The makers are there, the things are yet to come."""
    def make(target=TARGET, things=THINGS, **settings):
        made = pair(SOURCE, target, MAKERS, things, **{**SETTINGS, **settings})
        migrate(made.daemon, entities=["makers"])
        made.before = schema(made.target)
        return made

    return make


def things_planned(daemon):
    return next(planned["bulk"] for planned in daemon.call("Plan")["entities"] if planned["entity"] == "things")


def held_before_the_first_row(pair):
    return held(pair.target, "migrated.change_log_things")


def begin(pair):
    session = start_migration(pair.daemon, entities=["things"])
    wait_until_blocked(pair.target)
    return session


def is_not_used(pair):
    """The load is as any other."""
    migrate(pair.daemon, entities=["things"])
    assert "set aside until" not in pair.daemon.log()
    assert schema(pair.target) == pair.before
    rows_are_right(pair.databases)


def test_what_an_empty_table_can_do_without_is_set_aside_and_stands_again_exactly_as_it_was(makers):
    pair = makers()
    with held_before_the_first_row(pair):
        begin(pair)
        assert aside(pair.target) == ASIDE
        assert stand(pair.target) == set(KEPT)
        wait_until(lambda: len(pair.daemon.call("Status")["set_aside"]) == len(ASIDE) + 1, 20, "status says so")
        assert "7 indexes and foreign keys" in pair.daemon.ctl("status").stdout
    wait_until_ended(pair.daemon)
    is_put_back(pair.target, pair.before)
    rows_are_right(pair.databases)
    assert pair.target.value("SELECT reltuples FROM pg_class WHERE relname = 'things'") == 400
    wait_until(lambda: pair.daemon.call("Status")["set_aside"] == [], 20, "status says that, too")
    pair.migrate()
    pair.finds_nothing()


def test_it_is_announced_with_what_is_left_as_it_is_and_why(makers):
    pair = makers(bulk_rows=300)
    planned = things_planned(pair.daemon)
    assert (planned["used"], planned["reason"], sorted(planned["aside"])) == (True, "from 300 rows on", ASIDE)
    assert {kept["name"]: kept["reason"] for kept in planned["kept"]} == KEPT
    said = pair.daemon.ctl("plan").stdout
    assert "from 300 rows on" in said and "things_maker_id_fkey" in said
    migrate(pair.daemon, entities=["things"])
    assert "5 indexes, 2 foreign keys" in pair.daemon.log()
    assert things_planned(pair.daemon)["reason"] == "it has rows"


@pytest.mark.parametrize("rest, settings, reason", [
    ({"bulk": "off"}, {}, 'its mapping says "bulk": "off"'),
    ({}, {"bulk_rows": 0}, "settings.bulk_rows is 0"),
    ({"rules": {"small": {"after": "target.size < 100", "action": "warn"}}}, {}, "its rules look into the target while rows are written"),
])
def test_it_is_not_used_where_the_configuration_says_otherwise(makers, rest, settings, reason):
    pair = makers(things={**THINGS, **rest}, **settings)
    assert (things_planned(pair.daemon)["used"], things_planned(pair.daemon)["reason"]) == (False, reason)
    is_not_used(pair)


@pytest.mark.parametrize("more, reason", [
    ("CREATE FUNCTION seen() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';"
     "CREATE TRIGGER seen BEFORE INSERT ON things FOR EACH ROW EXECUTE FUNCTION seen()", "it has triggers"),
    ("CREATE TABLE special_things () INHERITS (things)", "it inherits, or others inherit from it"),
])
def test_it_is_not_used_for_a_table_that_is_not_alone(makers, more, reason):
    pair = makers(TARGET + more)
    assert things_planned(pair.daemon)["reason"] == reason
    is_not_used(pair)


def test_a_table_with_few_rows_is_filled_as_it_is(makers):
    is_not_used(makers(bulk_rows=401))


def test_a_table_that_somebody_reads_is_filled_as_it_is(makers):
    pair = makers()
    with pair.target.connect(autocommit=False) as reader:
        reader.execute("SELECT FROM things")
        is_not_used(pair)
    assert "bulk mode leaves table public.things as it is: somebody else uses it" in pair.daemon.log()


def test_what_cannot_be_made_again_exactly_is_left_as_it_is(makers):
    """An event trigger forbids an index to be made; a trigger of a foreign key is disabled."""
    pair = makers(TARGET + """
        CREATE FUNCTION forbid() RETURNS event_trigger LANGUAGE plpgsql AS $$
        BEGIN
          IF EXISTS (SELECT FROM pg_event_trigger_ddl_commands() AS c WHERE c.object_identity = 'public.things_extra') THEN
            RAISE EXCEPTION 'no indexes of that kind any more';
          END IF;
        END $$;
        CREATE EVENT TRIGGER forbid ON ddl_command_end WHEN TAG IN ('CREATE INDEX') EXECUTE FUNCTION forbid();
        DO $$ DECLARE name text; BEGIN
          SELECT tgname INTO name FROM pg_trigger AS t JOIN pg_constraint AS k ON k.oid = tgconstraint
           WHERE k.conname = 'things_maker_id_fkey' AND tgrelid = 'things'::regclass ORDER BY tgname LIMIT 1;
          EXECUTE format('ALTER TABLE things DISABLE TRIGGER %I', name);
        END $$""")
    with held_before_the_first_row(pair):
        begin(pair)
        assert aside(pair.target) == sorted(set(ASIDE) - {"things_extra", "things_maker_id_fkey"})
    wait_until_ended(pair.daemon)
    is_put_back(pair.target, pair.before)
    assert "no indexes of that kind any more" in pair.daemon.log()


def test_rows_that_the_target_refuses_are_the_same_as_without_it(makers):
    pair = makers(TARGET + "ALTER TABLE things ADD CONSTRAINT one_of_each UNIQUE (code), ADD CHECK (size < 6);")
    pair.source_sql("UPDATE things SET maker_id = 1000 WHERE id = 77")
    migrate(pair.daemon, entities=["things"], parallel=1)
    assert "5 indexes, 2 foreign keys" in pair.daemon.log()
    is_put_back(pair.target, pair.before)
    assert pair.target_sql("SELECT legacy_id FROM things ORDER BY 1") == pair.source_sql("""
        SELECT min(id) FROM things WHERE size < 6 AND maker_id < 1000 GROUP BY code ORDER BY 1""")
    assert len(dead_letters(pair.databases, "things")) == 400 - 1 - pair.target.value("SELECT count(*) FROM things")
    pair.databases.accounts(complete=False)


def test_cancelled_it_is_put_back_at_once(makers):
    pair = makers()
    with held_before_the_first_row(pair):
        begin(pair)
        pair.daemon.call("Cancel")
    wait_until(lambda: pair.daemon.call("Status")["state"] == "idle", 20)
    is_put_back(pair.target, pair.before)
    migrate(pair.daemon)
    rows_are_right(pair.databases)


def test_paused_it_stays_aside_and_says_so(makers):
    pair = makers()
    with held_before_the_first_row(pair):
        begin(pair)
        pair.daemon.call("Pause")
    wait_until(lambda: state_of(pair.daemon) == "paused", 20)
    pair.daemon.restart()
    wait_until(lambda: state_of(pair.daemon) == "paused", 20)
    assert aside(pair.target) == ASIDE
    wait_until(lambda: pair.daemon.call("Status")["set_aside"], 20, "status says so")
    findings = [finding for finding in pair.daemon.call("Check")["findings"] if finding["check"] == "bulk mode"]
    assert len(findings) == len(ASIDE) and {finding["result"] for finding in findings} == {"warn"}
    pair.daemon.call("Resume")
    wait_until_ended(pair.daemon)
    is_put_back(pair.target, pair.before)
    rows_are_right(pair.databases)


def test_a_parent_that_somebody_deletes_meanwhile_is_said_and_brought_again(makers):
    """Nothing restricts it just then. The foreign key stands all the same, not valid, until the parent is there again."""
    pair = makers()
    with held_before_the_first_row(pair):
        begin(pair)
        pair.target_sql("DELETE FROM makers WHERE legacy_id = 7")
    wait_until_ended(pair.daemon)
    assert aside(pair.target) == ["things_maker_id_fkey"]
    assert not pair.target.value("SELECT convalidated FROM pg_constraint WHERE conname = 'things_maker_id_fkey'")
    wait_until(lambda: pair.daemon.call("Status")["set_aside"], 20, "status says so")
    answer = pair.daemon.call("Check")
    assert not answer["passed"] and "not valid" in json.dumps(answer["findings"])
    migrate(pair.daemon)
    is_put_back(pair.target, pair.before)
    rows_are_right(pair.databases)


def test_what_somebody_has_put_back_himself_is_left_to_him(makers):
    pair = makers()
    with held_before_the_first_row(pair):
        begin(pair)
        pair.target_sql("CREATE INDEX things_brin ON things USING brin (size) WITH (pages_per_range = 4)")
    wait_until_ended(pair.daemon)
    is_put_back(pair.target, pair.before)
