"""The quiet look of a cycle: no session unless something may have changed, and a session whenever something has."""

import functools

import pytest

from mapping import Pair, entity
from proxy import keep_the_answer, simple_query
from sessions import wait_until_reached
from waiting import wait_until

INDEXED = """
CREATE TABLE visits (id bigint PRIMARY KEY, note text, updated_at timestamptz DEFAULT now());
CREATE INDEX ON visits (updated_at);"""
PLAIN = "CREATE TABLE visits (id bigint PRIMARY KEY, note text);"
PARTITIONED = """
CREATE TABLE visits (id bigint PRIMARY KEY, note text, updated_at timestamptz DEFAULT now()) PARTITION BY HASH (id);
CREATE TABLE half PARTITION OF visits FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE rest PARTITION OF visits FOR VALUES WITH (MODULUS 2, REMAINDER 1);
CREATE INDEX ON visits (updated_at);"""
JOINED = """
CREATE TABLE visits (id bigint PRIMARY KEY, note text);
CREATE TABLE rooms (visit_id bigint PRIMARY KEY REFERENCES visits, name text);"""
JOIN = "SELECT v.id, concat(v.note, r.name) AS note FROM visits AS v LEFT JOIN rooms AS r ON r.visit_id = v.id"
TARGET = "CREATE TABLE visits (id uuid PRIMARY KEY, legacy_id bigint UNIQUE, note text)"


class World(Pair):
    """Visits that are carried over in cycles."""

    def start_cycles(self):
        self.daemon.stop()
        self.daemon.config["schedule"] = {"every": "1s"}
        self.daemon.write_config()
        self.daemon.start()

    def next_cycle(self):
        """The first cycle that has begun after now."""
        began = self.target.value("SELECT to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US')")

        def cycle():
            later = [c for c in self.daemon.call("Status")["cycles"]["last"] if c["started"] > began]
            return later and later[-1]
        return wait_until(cycle, 30, lambda: f"a cycle is over:\n{self.daemon.log()}")

    def quiet_cycle(self):
        cycle = self.next_cycle()
        assert cycle["result"] == "quiet", f"{cycle}\n{self.daemon.log()}"
        assert cycle["session"] is None

    def busy_cycle(self):
        cycle = self.next_cycle()
        assert cycle["result"] == "migrated", f"{cycle}\n{self.daemon.log()}"
        assert self.target.sql("SELECT legacy_id, note FROM visits ORDER BY 1") == self.source.sql(self.rows)

    def watermark(self):
        return self.target.value("SELECT watermark FROM migrated.entity WHERE entity = 'visits'")


@pytest.fixture
def world(databases, start_daemon):
    """world(source DDL, …): a pair that is in step and does cycles."""
    def make(source, query=None, key="id", **rest):
        relation = {"query": query} if query else "visits"
        made = World(databases, start_daemon, source, TARGET,
                     [entity("visits", {"note": "note"}, source=relation, key=key, **rest)])
        made.rows = f"SELECT id, note FROM ({query or 'TABLE visits'}) AS v ORDER BY 1"
        wait_until_reached(made.daemon)
        made.source.sql("INSERT INTO visits (id, note) SELECT i, 'x' FROM generate_series(1, 20) AS i")
        made.migrate()
        made.start_cycles()
        return made

    return make


KINDS = {
    "an indexed time": (INDEXED, {}),
    "the transaction": (PLAIN, {}),
    "an id": (PLAIN, {"detect": {"strategy": "id"}}),
    "partitions": (PARTITIONED, {}),
    "a query": (JOINED, {"query": JOIN}),
    "a query with a time": (INDEXED, {"query": "SELECT * FROM visits", "detect": {"updated_at": "updated_at"}}),
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_change_is_carried_over_and_then_it_is_quiet(world, kind):
    source, mapping = KINDS[kind]
    world = world(source, **mapping)
    world.next_cycle()  # an id that is pending becomes safe
    world.quiet_cycle()
    world.source.sql("CREATE TABLE elsewhere (id integer); INSERT INTO elsewhere VALUES (1)")
    world.quiet_cycle()
    before = world.watermark()
    world.source.sql("INSERT INTO visits (id, note) VALUES (21, 'new')")
    wait_until(lambda: world.target.sql("SELECT FROM visits WHERE legacy_id = 21"), 30, "the row is there")
    wait_until(lambda: world.watermark()["xmin"] > before["xmin"], 30, "the watermark has moved on")
    world.next_cycle()
    world.quiet_cycle()
    assert world.target.sql("SELECT legacy_id, note FROM visits ORDER BY 1") == world.source.sql(world.rows)


def test_a_joined_table_counts(world):
    world = world(JOINED, query=JOIN)
    world.quiet_cycle()
    world.source.sql("INSERT INTO rooms VALUES (3, ' in 12')")
    wait_until(lambda: world.target.value("SELECT note FROM visits WHERE legacy_id = 3") == "x in 12", 30, "the room is there")


def test_the_watermark_moves_on_without_a_session(world):
    world = world(INDEXED)
    world.next_cycle()
    before = world.watermark()
    sessions = world.target.value("SELECT count(*) FROM migrated.session")
    world.source.sql("CREATE TABLE elsewhere (id integer)")
    wait_until(lambda: world.watermark()["at"] > before["at"], 30, "the watermark has moved on")
    assert world.target.value("SELECT count(*) FROM migrated.session") == sessions


def test_a_transaction_under_way_is_not_passed_over(world):
    world = world(INDEXED)
    with world.source.connect(autocommit=False) as long:
        long.execute("INSERT INTO visits (id, note) VALUES (21, 'long')")
        for number in range(22, 25):
            world.source.sql("INSERT INTO visits (id, note) VALUES (%s, 'short')", [number])
            wait_until(lambda: world.target.sql("SELECT FROM visits WHERE legacy_id = %s", [number]), 30, "a short one")
        world.quiet_cycle()
        long.commit()
    wait_until(lambda: world.target.sql("SELECT FROM visits WHERE legacy_id = 21"), 30, "the long one")


def test_a_swept_entity_is_never_quiet(world):
    world = world(PLAIN, detect={"strategy": "sweep"})
    assert world.next_cycle()["result"] == "migrated"


def statements(proxy):
    """What is asked through here from now on, one for each round trip; a list that grows."""
    seen = []
    proxy.when(lambda kind, body: kind in "QP" and seen.append(body.decode()), lambda connection: None)
    return seen


@pytest.fixture
def watched(databases, start_daemon):
    """Visits and rooms in step, in cycles, with a proxy on each side."""
    rooms = entity("rooms", {"name": "name"}, legacy_key="legacy_id")
    made = World(databases, functools.partial(start_daemon, through=("source", "target")),
                 PLAIN + "CREATE TABLE rooms (id bigint PRIMARY KEY, name text)",
                 TARGET + "; CREATE TABLE rooms (id uuid PRIMARY KEY, legacy_id bigint UNIQUE, name text)",
                 [entity("visits", {"note": "note"}), rooms])
    made.rows = "SELECT id, note FROM visits ORDER BY 1"
    wait_until_reached(made.daemon)
    made.source.sql("INSERT INTO visits (id, note) SELECT i, 'x' FROM generate_series(1, 20) AS i")
    made.migrate()
    made.start_cycles()
    made.next_cycle()
    made.quiet_cycle()
    return made


def test_a_quiet_cycle_is_one_question_to_each_side_and_both_at_once(watched):
    proxies = watched.daemon.proxies
    asked = {side: statements(proxies[side]) for side in ("target", "source")}
    for _ in range(2):
        watched.quiet_cycle()
    assert len(asked["source"]) >= 2 and all("pg_control_system" in sql for sql in asked["source"]), asked["source"]
    of_looks = [sql for sql in asked["target"] if "migrated.entity" in sql or "cycles_held" in sql]
    assert of_looks and all("wanted (position" in sql for sql in of_looks), of_looks
    proxies["source"].when(simple_query("pg_control_system"), keep_the_answer).wait()
    wait_until(lambda: sum("wanted (position" in sql for sql in asked["target"]) >= len(asked["source"]), 30,
               "the target is asked although the source does not answer")
    proxies["source"].heal()
    watched.quiet_cycle()


def test_all_tables_are_asked_by_one_statement_when_others_write(watched):
    asked = {side: statements(proxy) for side, proxy in watched.daemon.proxies.items()}
    before = watched.watermark()
    watched.source.sql("CREATE TABLE elsewhere (id integer)")
    wait_until(lambda: watched.watermark()["xmin"] > before["xmin"], 30, "the watermark has moved on")
    probes = [sql for sql in asked["source"] if "pg_control_system" not in sql]
    assert len(probes) == 1 and "visits" in probes[0] and "rooms" in probes[0], probes
    assert len([sql for sql in asked["target"] if "UPDATE migrated.entity" in sql]) == 1


def test_a_row_is_found_among_more_transactions_than_are_named(world):
    world = world(PLAIN)
    world.quiet_cycle()
    with world.source.connect(autocommit=False) as long:
        long.execute("INSERT INTO visits (id, note) VALUES (21, 'long')")
        world.source.sql("CREATE PROCEDURE pass(times integer) LANGUAGE plpgsql AS "
                         "'BEGIN FOR i IN 1 .. times LOOP PERFORM txid_current(); COMMIT; END LOOP; END'")
        world.source.sql("CALL pass(10100)")
        world.quiet_cycle()
        long.commit()
    wait_until(lambda: world.target.sql("SELECT FROM visits WHERE legacy_id = 21"), 30, "the long one")
