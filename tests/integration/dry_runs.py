"""Dry runs, and the complete dumps by which they are judged: used by test_dry_run*.py."""

import contextlib
import functools
import os
import pathlib
import shutil
import subprocess
import types

from sessions import wait_until_reached
from waiting import wait_until

# What counts the rows of an entity's part of a session.
FIGURES = ("status", "total", "done", "inserted", "updated", "deleted", "unchanged", "failed", "parked", "warned",
           "overwritten", "kept", "held")


def dry_run(daemon, expect="completed", **parameters):
    """A whole dry run: its last frame, with .session's members, .entities by name and all .frames."""
    wait_until_reached(daemon)
    with daemon.connect(120) as connection:
        frames = list(connection.stream("DryRun", **parameters))
    last = frames[-1]
    ended = types.SimpleNamespace(**last["session"])
    assert last["session"]["mode"] == "dry run"
    assert ended.state == expect, f"{ended}\n{daemon.log()}"
    ended.would_be = last["mode"]
    ended.entities = {entity["entity"]: entity for entity in last["entities"]}
    ended.set_aside, ended.remarks, ended.rows, ended.frames = last["set_aside"], last["remarks"], last["rows"], frames
    return ended


def figures(session):
    """What a session has done, or a dry run would do, of each entity."""
    return {name: {figure: entity[figure] for figure in FIGURES} for name, entity in session.entities.items()}


def row_of(dry, entity, *key):
    """What it shows of this row; before and after of its columns as .columns["name"]."""
    (row,) = [row for row in dry.rows if row["entity"] == entity and row["legacy_key"] == [str(part) for part in key]]
    shown = types.SimpleNamespace(**row)
    shown.columns = {column["column"]: (column["before"], column["after"]) for column in row["columns"]}
    return shown


# --- dumps --------------------------------------------------------------------------------------

@functools.cache
def pg_dump():
    found = shutil.which("pg_dump") or max(map(str, pathlib.Path("/usr/lib/postgresql").glob("*/bin/pg_dump")))
    return found


def dump(database, but=()):
    """All of a database, as pg_dump has it, but what people asked of the daemon meanwhile."""
    left_out = [f"--exclude-table-data={name}" for name in ("migrated.command_audit*", *but)]
    result = subprocess.run(
        [pg_dump(), *left_out, database.conninfo],
        capture_output=True, text=True, env={**os.environ, "LC_ALL": "C.UTF-8"}, check=False)
    assert result.returncode == 0, result.stderr
    return [line for line in result.stdout.splitlines() if not line.startswith(("\\restrict", "\\unrestrict"))]


def wait_until_nobody_writes(database):
    """No transaction of a daemon is left in it."""
    wait_until(lambda: not database.sql(
        "SELECT pid FROM pg_stat_activity WHERE application_name = 'migrated' AND datname = current_database()"
        " AND pid <> pg_backend_pid() AND (xact_start IS NOT NULL OR backend_xid IS NOT NULL)"), 20,
        "no transaction of the daemon is left")


@contextlib.contextmanager
def unchanged(databases, but=()):
    """Both databases, whole, are after it as they were before; `but` names numbers that the target's own sequences may have given."""
    before = dump(databases.source), dump(databases.target, but)
    yield
    wait_until_nobody_writes(databases.target)
    assert dump(databases.source) == before[0]
    assert dump(databases.target, but) == before[1]
