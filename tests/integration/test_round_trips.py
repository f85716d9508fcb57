"""How often the daemon waits for an answer: what distance costs, counted and not timed."""

import collections
import threading

import pytest

from mapping import Pair, entity
from sessions import start_migration, wait_until_ended, wait_until_reached
from waiting import wait_until

NAMES = ["things", "others", "more"]
SOURCE = "; ".join(f"CREATE TABLE {name} (id integer PRIMARY KEY, value text)" for name in NAMES)
TARGET = "; ".join(f"CREATE TABLE {name} (id uuid PRIMARY KEY, legacy_id integer UNIQUE, value text)" for name in NAMES)


@pytest.fixture
def world(databases, start_daemon):
    """Three tables, nothing carried over yet, in batches of ten rows, with a proxy on each side."""
    def start(*args, **options):
        return start_daemon(*args, through=("source", "target"), **options)

    made = Pair(databases, start, SOURCE, TARGET, [entity(name, {"value": "value"}) for name in NAMES], batch_size=10)
    wait_until_reached(made.daemon)
    return made


def statements(proxy):
    """What is asked on each connection from now on, in order."""
    asked = collections.defaultdict(list)

    def on_message(connection, kind, body):
        if kind in "QP":
            asked[connection].append(body.decode())
    proxy.on_message = on_message
    return asked


def from_first_batch_on(asked):
    """Of the connections that carry rows."""
    for queries in asked.values():
        first = next((i for i, query in enumerate(queries) if "COPY " in query), None)
        if first is not None:
            yield queries[first:]


def test_a_batch_is_two_round_trips_on_the_target_and_one_on_the_source(world):
    world.source.sql("INSERT INTO things SELECT i, 'x' FROM generate_series(1, 95) AS i")
    asked = {side: statements(proxy) for side, proxy in world.daemon.proxies.items()}
    start_migration(world.daemon)
    wait_until_ended(world.daemon)
    batches = world.target.value("SELECT count(*) FROM migrated.batch WHERE entity = 'things'")
    assert batches >= 10
    read = [query for queries in from_first_batch_on(asked["source"]) for query in queries]
    assert all("COPY " in query for query in read), [query for query in read if "COPY " not in query]
    of_things = [query for query in read if "things" in query]
    assert len(of_things) == batches, of_things
    for queries in from_first_batch_on(asked["target"]):
        begun = [query for query in queries if "COPY " in query]
        assert queries[::2] == begun, queries
        assert all(query.split()[0] == "BEGIN" for query in begun), begun[0]
        assert all("COMMIT" in query for query in queries[1::2]), queries


def test_what_does_not_depend_on_an_answer_is_asked_together(world):
    """The reads of all entities are described although not one of them is answered."""
    proxy, described = world.daemon.proxies["source"], []

    def on_message(connection, kind, body):
        if kind == "P" and b" AS k1" in body:
            connection.to_client.stalled = True
            described.append(body)
    proxy.on_message = on_message
    migration = threading.Thread(target=start_migration, args=[world.daemon])
    migration.start()
    wait_until(lambda: len(described) == len(NAMES), 30, lambda: f"all are described: {described}")
    proxy.on_message = lambda connection, kind, body: None
    proxy.heal()
    migration.join()
    wait_until_ended(world.daemon)


def test_a_session_whose_daemon_is_killed_as_it_sends_its_end_comes_to_it(world):
    """By itself, since the end is sent with what comes before it, or by the next daemon, if not all of it was on its way."""
    world.source.sql("INSERT INTO things SELECT i, 'x' FROM generate_series(1, 95) AS i")
    trap = world.daemon.proxies["target"].when(
        lambda kind, body: kind == "P" and b"INSERT INTO migrated.source" in body, lambda connection: world.daemon.kill())
    session = start_migration(world.daemon)
    trap.wait()
    world.daemon.start()
    wait_until(lambda: world.target.sql("SELECT FROM migrated.session WHERE session = %s AND state = 'completed'", [session]), 30,
               "the store says that it is over")
    world.finds_nothing()
