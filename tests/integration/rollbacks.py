"""Undoing sessions, and what a target holds: used by the tests of rollbacks."""

from sessions import summary, watch


def start_rollback(daemon, session, **parameters):
    return daemon.call("Rollback", session=session, **parameters)["session"]


def rollback(daemon, session, expect="completed", **parameters):
    """A whole rollback, with .entities by name."""
    ended = summary(watch(daemon, start_rollback(daemon, session, **parameters)))
    assert ended.state == expect, f"{ended}\n{daemon.log()}"
    return ended


def survey(daemon, session, **parameters):
    """What it would do, by entity."""
    reply = daemon.call("Rollback", session=session, dry_run=True, **parameters)
    assert reply["session"] is None
    return {entity["entity"]: entity for entity in reply["entities"]}


def left(daemon, **parameters):
    """Rows that were left: (entity, legacy key, reason, columns)."""
    return [(row["entity"], *row["legacy_key"], row["reason"], *row["columns"]) for row in daemon.call("ListLeft", **parameters)["rows"]]


def own_tables(database):
    return [name for (name,) in database.sql("""
        SELECT format('%I.%I', n.nspname, c.relname)
          FROM pg_class AS c
          JOIN pg_namespace AS n
            ON n.oid = c.relnamespace
         WHERE c.relkind IN ('r', 'p')
           AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'migrated')
           AND n.nspname NOT LIKE 'pg_%'
         ORDER BY 1""")]


def dump(database):
    """Every row of every table of the target's own, in order."""
    return {table: sorted(row for (row,) in database.sql(f"SELECT t::text FROM {table} AS t")) for table in own_tables(database)}


def id_maps(database):
    """Every row of every id map, in order, but for hashes: those of rows that are to be looked at again are forgotten."""
    maps = [name for (name,) in database.sql(
        "SELECT relname FROM pg_class WHERE relname LIKE 'id\\_map\\_%' AND relkind = 'r' AND relnamespace = 'migrated'::regnamespace"
        " AND relname <> 'id_map_history' ORDER BY 1")]
    return {name: sorted(row for (row,) in database.sql(
        f"SELECT (to_jsonb(m) - ARRAY['h1', 'h2', 'w1', 'w2', 'i1'])::text FROM migrated.{name} AS m")) for name in maps}


def difference(before, now):
    """By table, the rows that were there before and those that are there now, where they are not the same."""
    return {table: (sorted(set(before.get(table, [])) - set(rows)), sorted(set(rows) - set(before.get(table, []))))
            for table, rows in now.items() if rows != before.get(table, [])}


def is_as_before(database, before, maps):
    """The target's own tables and the id maps are what they were, and nothing of what was collected is left."""
    assert difference(before, dump(database)) == {}, difference(before, dump(database))
    assert difference(maps, id_maps(database)) == {}, difference(maps, id_maps(database))
    assert database.value("SELECT count(*) FROM pg_class WHERE relname LIKE 'undo\\_%' AND relkind = 'r'") == 0
