"""Rows that wait for their parents: who follows whom, and when; and what `migratectl parked` says of them."""

import pytest
from interface import interface
from mapping import entity
from sessions import counts, dead_letters, migrate, parked
from waiting import wait_until


def referring(name, parent, **rest):
    return entity(name, {"parent": {"references": parent, "from": "parent_id"}, "value": "value"}, on_delete="delete", **rest)


def tables(*names, source="", changed_at=False):
    """Source and target tables of a chain: each but the first refers to the one before it."""
    more = ", updated_at timestamptz NOT NULL DEFAULT now()" if changed_at else ""
    source_sql = "".join(f"CREATE TABLE {name} (id integer PRIMARY KEY, parent_id integer, value text{more});" for name in names)
    target_sql = ""
    for before, name in zip((None, *names), names):
        key = f"NOT NULL REFERENCES {before}" if before else ""
        target_sql += f"CREATE TABLE {name} (id uuid PRIMARY KEY, legacy_id integer UNIQUE, parent uuid {key}, value text);"
    return source_sql + source, target_sql


def chain(*names, **rest):
    return [entity(names[0], {"value": "value"}, on_delete="delete", **rest),
            *(referring(name, before, **rest) for before, name in zip(names, names[1:]))]


def tree(world, *names):
    """name -> {legacy id: (legacy id of the parent, value)}, read from the target by plain SQL."""
    found = {names[0]: {key: (None, value) for key, value in world.target_sql(f"SELECT legacy_id, value FROM {names[0]}")}}
    for before, name in zip(names, names[1:]):
        found[name] = {key: (parent, value) for key, parent, value in world.target_sql(
            f"SELECT c.legacy_id, p.legacy_id, c.value FROM {name} AS c JOIN {before} AS p ON p.id = c.parent")}
    return found


def agreed(world, *names):
    """What the source has is in the target, by plain SQL over both."""
    expected = {name: {key: (None if name == names[0] else parent, value)
                       for key, parent, value in world.source_sql(f"SELECT id, parent_id, value FROM {name}")} for name in names}
    return tree(world, *names) == expected


# --- who follows --------------------------------------------------------------------------------------

def test_a_chain_of_four_entities_unwinds_in_one_session(pair):
    names = ("a", "b", "c", "d")
    source, target = tables(*names)
    world = pair(source, target, *chain(*names), batch_size=2)
    world.source_sql("".join(f"INSERT INTO {name} SELECT i, i, '{name}' || i FROM generate_series(1, 5) AS i;" for name in "bcd"))
    world.migrate()
    assert parked(world, "b") == {str(i): ("parent", "a", str(i)) for i in range(1, 6)}
    assert parked(world, "d") == {str(i): ("parent", "c", str(i)) for i in range(1, 6)}
    world.source_sql("INSERT INTO a SELECT i, NULL, 'a' || i FROM generate_series(1, 4) AS i")
    session = world.migrate()
    assert {name: counts(world, session.session)[name][0] for name in names} == dict.fromkeys(names, 4)
    assert world.target_sql("SELECT DISTINCT legacy_key[1] FROM migrated.parked") == [("5",)]
    world.source_sql("INSERT INTO a VALUES (5, NULL, 'a5')")
    world.migrate()
    assert agreed(world, *names) and world.target.value("SELECT count(*) FROM migrated.parked") == 0
    world.finds_nothing()


def test_a_child_follows_in_a_cycle_without_a_sweep_though_nothing_of_its_own_entity_has_changed(pair):
    names = ("a", "b", "c")
    source, target = tables(*names, changed_at=True, source="""
        CREATE INDEX ON a (updated_at); CREATE INDEX ON b (updated_at); CREATE INDEX ON c (updated_at);
        INSERT INTO a VALUES (1, NULL, 'a1'); INSERT INTO b VALUES (1, 1, 'b1'), (2, 2, 'b2');
        INSERT INTO c VALUES (1, 1, 'c1'), (2, 2, 'c2')""")
    world = pair(source, target, *chain(*names))
    world.migrate()
    assert (set(parked(world, "b")), set(parked(world, "c"))) == ({"2"}, {"2"})
    world.daemon.stop()
    world.daemon.config["schedule"] = {"every": "1s", "sweep_every": "0"}
    world.daemon.write_config()
    world.daemon.start()
    wait_until(lambda: [cycle["result"] for cycle in world.daemon.call("Status")["cycles"]["last"]][:1] == ["quiet"], 30,
               "a cycle is quiet, though rows are parked")
    world.source_sql("INSERT INTO a VALUES (2, NULL, 'a2')")
    wait_until(lambda: agreed(world, *names), 30, lambda: f"the children have followed:\n{world.daemon.log()}")
    assert world.target.value("SELECT count(*) FROM migrated.parked") == 0
    assert world.target.value("SELECT count(*) FROM migrated.analysis_entity WHERE strategy = 'sweep' AND NOT whole") == 0


def test_children_of_a_dead_letter_that_is_mended_follow_in_the_same_session(pair):
    names = ("a", "b")
    source, target = tables(*names, source="INSERT INTO a VALUES (1, NULL, 'bad'); INSERT INTO b VALUES (1, 1, 'b1'), (2, 1, 'b2')")
    world = pair(source, target + "ALTER TABLE a ADD CHECK (value <> 'bad')", *chain(*names))
    world.migrate()
    assert set(dead_letters(world, "a")) == {"1"} and set(parked(world, "b")) == {"1", "2"}
    world.source_sql("UPDATE a SET value = 'good'")
    world.migrate()
    assert agreed(world, *names) and dead_letters(world, "a") == parked(world, "b") == {}


def test_a_parked_row_whose_reference_changes_waits_for_the_other_parent(pair):
    names = ("a", "b")
    source, target = tables(*names, source="INSERT INTO b VALUES (1, 1, 'b1')")
    world = pair(source, target, *chain(*names))
    world.migrate()
    world.source_sql("UPDATE b SET parent_id = 2")
    world.migrate()
    assert parked(world, "b") == {"1": ("parent", "a", "2")}
    world.source_sql("INSERT INTO a VALUES (1, NULL, 'a1')")
    world.migrate()
    assert parked(world, "b") == {"1": ("parent", "a", "2")}
    world.source_sql("INSERT INTO a VALUES (2, NULL, 'a2')")
    world.migrate()
    assert agreed(world, *names)


def test_a_row_whose_reference_moves_to_a_missing_parent_keeps_its_old_version_until_that_comes(pair):
    names = ("a", "b")
    source, target = tables(*names, source="INSERT INTO a VALUES (1, NULL, 'a1'); INSERT INTO b VALUES (1, 1, 'before')")
    world = pair(source, target, *chain(*names))
    world.migrate()
    world.source_sql("UPDATE b SET parent_id = 2, value = 'after'")
    world.migrate()
    assert tree(world, *names)["b"] == {1: (1, "before")}
    assert world.daemon.call("ListParked")["rows"][0]["mapped"] is True
    assert world.detect().modified == 0  # it is waited for, not found again
    world.source_sql("INSERT INTO a VALUES (2, NULL, 'a2')")
    world.migrate()
    assert agreed(world, *names) and parked(world, "b") == {}
    world.finds_nothing()


@pytest.mark.parametrize("comes", [False, True])
def test_parked_rows_that_are_gone_from_the_source_wait_no_longer(pair, comes):
    names = ("a", "b")
    source, target = tables(*names, source="INSERT INTO b VALUES (1, 1, 'b1'), (2, 1, 'b2')")
    world = pair(source, target, *chain(*names), )
    world.migrate()
    world.source_sql("DELETE FROM b WHERE id = 1")
    if comes:  # found by what is brought along with the parent, without a sweep
        world.source_sql("INSERT INTO a VALUES (1, NULL, 'a1')")
    world.migrate(**({"strategy": "watermark"} if comes else {"strategy": "sweep"}))
    assert set(parked(world, "b")) == (set() if comes else {"2"})
    assert agreed(world, *names) == comes
    assert world.detect().deleted == 0


def test_conditional_and_composite_references_follow_the_parent_they_name(pair):
    world = pair(
        """CREATE TABLE a (id integer PRIMARY KEY); CREATE TABLE b (x integer, y text, PRIMARY KEY (x, y));
           CREATE TABLE notes (id integer PRIMARY KEY, kind text, k1 integer, k2 text);
           CREATE TABLE c (id text PRIMARY KEY);
           CREATE TABLE words (id integer PRIMARY KEY, kind text, of text);
           INSERT INTO notes VALUES (1, 'b', 1, 'x,y'), (2, 'b', 2, '"');
           INSERT INTO words VALUES (1, 'a', '7'), (2, 'c', 'seven')""",
        """CREATE TABLE a (id uuid PRIMARY KEY, legacy_id integer UNIQUE); CREATE TABLE c (id uuid PRIMARY KEY, legacy_id text UNIQUE);
           CREATE TABLE b (id uuid PRIMARY KEY, legacy_x integer, legacy_y text);
           CREATE TABLE notes (id uuid PRIMARY KEY, legacy_id integer UNIQUE, b uuid NOT NULL);
           CREATE TABLE words (id uuid PRIMARY KEY, legacy_id integer UNIQUE, of uuid NOT NULL)""",
        entity("a", {}), entity("c", {}),
        entity("b", {}, key=["x", "y"], legacy_key=["legacy_x", "legacy_y"]),
        entity("notes", {"b": {"references": "b", "from": ["k1", "k2"]}}),
        entity("words", {"of": {"from": "of", "references": [{"entity": "a", "when": "kind = 'a'"},
                                                             {"entity": "c", "when": "kind = 'c'"}]}}))
    world.migrate()
    assert parked(world, "words") == {"1": ("of", "a", "7"), "2": ("of", "c", "seven")}
    text = world.daemon.ctl("parked").stdout
    assert "Waiting for b (1, x,y)" in text and "Waiting for c seven" in text
    world.source_sql("INSERT INTO a VALUES (7)")
    world.source_sql("INSERT INTO b VALUES (2, '\"')")
    world.migrate()
    assert (set(parked(world, "notes")), set(parked(world, "words"))) == ({"1"}, {"2"})
    world.source_sql("INSERT INTO b VALUES (1, 'x,y')")
    world.source_sql("INSERT INTO c VALUES ('seven')")
    world.migrate()
    assert parked(world, "notes") == parked(world, "words") == {}
    assert world.target_sql("SELECT n.legacy_id, b.legacy_y FROM notes AS n JOIN b ON b.id = n.b ORDER BY 1") == [(1, "x,y"), (2, '"')]
    world.finds_nothing()


def test_a_reference_of_another_type_than_the_parents_key_is_followed(pair):
    world = pair(
        """CREATE TABLE a (id integer PRIMARY KEY, value text);
           CREATE TABLE b (id integer PRIMARY KEY, parent_id numeric(10, 2), value text);
           INSERT INTO b VALUES (1, 7, 'b1'), (2, 8.00, 'b2')""",
        tables("a", "b")[1], *chain("a", "b"))
    world.migrate()
    assert parked(world, "b") == {"1": ("parent", "a", "7"), "2": ("parent", "a", "8")}
    world.source_sql("INSERT INTO a VALUES (7, 'a7')")
    world.migrate()
    assert parked(world, "b") == {"2": ("parent", "a", "8")}
    assert tree(world, "a", "b")["b"] == {1: (7, "b1")}


# --- what is said of them -----------------------------------------------------------------------------

def test_each_parent_is_named_with_what_has_become_of_it(pair):
    names = ("a", "b", "c")
    source, target = tables(*names, source="""INSERT INTO a VALUES (3, NULL, NULL);
        INSERT INTO b VALUES (1, 3, 'b1'), (2, 99, 'b2'); INSERT INTO c VALUES (1, 1, 'c1'), (10, 1, 'c10'), (2, 1, 'c2')""")
    world = pair(source, target.replace("parent uuid , value text", "parent uuid, value text NOT NULL"), *chain(*names))
    world.migrate()
    reply = world.daemon.call("ListParked")
    assert interface().problems(interface().methods["ListParked"][1], reply) == []
    assert reply["total"] == 5
    number = world.target.value("SELECT id FROM migrated.dead_letter")
    text = world.daemon.ctl("parked").stdout
    for sentence in (f"Waiting for a 3, which is dead letter {number} (23502 value)", "Waiting for b 1, which waits for a 3",
                     "Waiting for a 99, which is not in the source", "5 rows."):
        assert sentence in text, text
    assert [line.split()[1] for line in text.splitlines() if line.startswith("c ")] == ["1", "2", "10"]
    assert max(map(len, text.splitlines())) <= 80

    def listed(*arguments):
        reply = world.daemon.ctl_json("parked", *arguments)
        return [(row["entity"], row["legacy_key"][0]) for row in reply["rows"]], reply["total"]

    assert listed("--entity", "b") == ([("b", "1"), ("b", "2")], 2)
    assert listed("--parent", "a") == ([("b", "1"), ("b", "2")], 2)
    assert listed("--entity", "c", "--limit", "2") == ([("c", "1"), ("c", "2")], 3)
    assert listed("--entity", "c", "--parent", "a") == ([], 0)
    assert "No rows wait" in world.daemon.ctl("parked", "--entity", "a").stdout


def test_of_a_parent_that_is_no_dead_letter_the_source_is_asked(pair, make_proxy, databases, start_daemon):
    names = ("a", "b")
    source, target = tables(*names, source="""INSERT INTO a VALUES (1, NULL, 'left out'); INSERT INTO b VALUES (1, 1, 'b1'), (2, 2, 'b2'), (3, 3, 'b3')""")
    entities = chain(*names)
    entities[0]["source"]["where"] = "value <> 'left out'"
    databases.source_sql(source)
    databases.target_sql(target)
    daemon = start_daemon(databases, entities=entities, through=["source"])
    migrate(daemon)
    databases.source_sql("INSERT INTO a VALUES (2, NULL, 'new')")

    def states():
        return {row["parent_key"][0]: row["parent_state"] for row in daemon.call("ListParked")["rows"]}

    assert states() == {"1": "filtered_out", "2": "not_carried", "3": "not_in_source"}
    text = daemon.ctl("parked").stdout
    assert "which the mapping leaves out (where)" in text and "which is in the source and not carried over yet" in text
    daemon.proxies["source"].refuse()
    daemon.proxies["source"].reset()
    wait_until(lambda: not is_ready(daemon, "source"), 30, "the source is lost")
    assert states() == dict.fromkeys("123")
    assert "Waiting for a 3, which has not been carried over" in daemon.ctl("parked").stdout


def is_ready(daemon, name):
    return {connection["name"]: connection["state"] for connection in daemon.call("Status")["connections"]}[name] in ("ready", "busy")
