"""What `migratectl plan` shows: the order of work, and SQL that runs as it stands."""

import re

import psycopg
import pytest

# One entity for each thing that the generated SQL does differently.
SHOWN = [
    "offices",          # no parents
    "orders",           # parents, a value table, assembled JSON
    "messages",         # refers to itself
    "doctor_offices",   # a join table: composite legacy key, no key of its own
    "system_messages",  # a conditional reference, parsed JSON
]


def test_parents_come_before_their_children(daemon):
    plan = daemon.call("io.migrated.Plan")
    level = {entity["entity"]: entity["level"] for entity in plan["entities"]}
    for entity in plan["entities"]:
        for parent in entity["refers_to"]:
            assert level[parent] < entity["level"], (entity["entity"], parent)
    assert plan["levels"] == max(level.values()) + 1
    assert [e["level"] for e in plan["entities"]] == sorted(e["level"] for e in plan["entities"])


def test_the_self_reference_is_left_for_the_second_pass(daemon):
    plan = daemon.call("io.migrated.Plan")
    deferred = {e["entity"]: e["deferred"] for e in plan["entities"] if e["deferred"]}
    assert deferred == {"messages": ["parent_message_id"]}


@pytest.mark.parametrize("entity", SHOWN)
def test_sql_is_as_reviewed(daemon, golden, entity):
    statements = daemon.call("io.migrated.Plan", sql=entity)["statements"]
    text = "\n".join(f"-- {s['step']}, {s['database']}\n{s['sql']}\n" for s in statements)
    golden(f"plan/{entity}.sql", re.sub(r"[ \t]+\n", "\n", text))


def test_the_read_that_is_shown_runs(clinic, daemon):
    for entity in daemon.call("io.migrated.Plan")["entities"]:
        name = entity["entity"]
        read = daemon.call("io.migrated.Plan", sql=name)["statements"][0]
        assert read["database"] == "source"
        with psycopg.connect(clinic.source.conninfo, autocommit=True) as connection:
            with connection.cursor().copy(read["sql"]) as copy:
                assert sum(len(block) for block in copy) > 0


def test_an_unknown_entity_is_named(daemon):
    failed = daemon.ctl("plan", "--sql", "oders", check=False)
    assert failed.returncode == 4
    assert "oders" in failed.stderr
