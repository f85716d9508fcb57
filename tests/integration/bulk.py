"""A table with everything that bulk mode may set aside, and that it must not; and how it stands, by pg_dump and the catalogs."""

import subprocess

from mapping import entity
from waiting import wait_until

SOURCE = """
CREATE TABLE makers (id integer PRIMARY KEY, name text);
CREATE TABLE things (id integer PRIMARY KEY, maker_id integer, follows_id integer, code varchar(20), size integer, mood text, extra text);
INSERT INTO makers SELECT i, 'maker ' || i FROM generate_series(1, 20) AS i;
INSERT INTO things SELECT i, 1 + i % 20, nullif(i / 2, 0), 'code ' || i % 50, i % 7, 'm' || i % 3, '{"a": ' || i || '}'
  FROM generate_series(1, 400) AS i;
ANALYZE;
"""

TARGET = r"""
CREATE TABLE makers (id uuid PRIMARY KEY, legacy_id integer UNIQUE, name text NOT NULL);
CREATE TABLE things (
    id uuid PRIMARY KEY,
    legacy_id integer UNIQUE,
    maker_id uuid NOT NULL REFERENCES makers ON UPDATE CASCADE ON DELETE RESTRICT DEFERRABLE INITIALLY DEFERRED,
    follows_id uuid,
    code varchar(20),
    size integer,
    mood text,
    extra jsonb,
    other uuid REFERENCES makers,
    CONSTRAINT things_code_size UNIQUE (code, size, legacy_id)
);
ALTER TABLE things ADD CONSTRAINT things_follow FOREIGN KEY (follows_id) REFERENCES things ON DELETE SET NULL NOT VALID;
CREATE INDEX things_maker ON things (maker_id) WITH (fillfactor = 70);
CREATE INDEX things_code ON things (code COLLATE "C" varchar_pattern_ops DESC NULLS LAST, size) INCLUDE (legacy_id);
CREATE INDEX things_extra ON things USING gin (extra jsonb_path_ops);
CREATE INDEX "Things hash" ON things USING hash (mood);
CREATE INDEX things_brin ON things USING brin (size) WITH (pages_per_range = 4);
CREATE INDEX things_mood ON things (mood);
CREATE INDEX things_lower ON things (lower(code));
CREATE INDEX things_small ON things (size) WHERE size < 3;
COMMENT ON INDEX things_maker IS 'found by its maker''s \ key';
COMMENT ON CONSTRAINT things_maker_id_fkey ON things IS 'everybody is made';
ALTER TABLE things CLUSTER ON things_maker;
"""

MAKERS = entity("makers", {"name": "name"}, on_delete="delete")
THINGS = entity("things", {
    "maker_id": {"references": "makers", "from": "maker_id"},
    "follows_id": {"references": "things", "from": "follows_id", "if_missing": "null"},
    "code": "code", "size": "size", "mood": "mood", "extra": {"from": "extra", "parse": "json"},
}, on_delete="delete")

SETTINGS = {"bulk_rows": 1, "batch_size": 100, "probe_every": "300ms"}
ASIDE = ["Things hash", "things_brin", "things_code", "things_extra", "things_follow", "things_maker", "things_maker_id_fkey"]
KEPT = {
    "things_mood": "a value may be too long for it",
    "things_lower": "it computes, which may fail for a row",
    "things_small": "it computes, which may fail for a row",
    "things_code_size": "it says which rows are refused",
    "things_legacy_id_key": "it says which rows are refused",
    "things_other_fkey": "the mapping does not say that it holds",
}


def schema(database):
    """The target's own tables, as pg_dump says them."""
    said = subprocess.run([f"{database.server.servers.programs}/pg_dump", "--schema-only", "--exclude-schema=migrated", database.conninfo],
                          capture_output=True, text=True, check=True).stdout
    return [line for line in said.splitlines() if not line.startswith(("\\restrict", "\\unrestrict"))]


def stand(database):
    """The names of the secondary indexes and foreign keys of things."""
    return {name for (name,) in database.sql("""
        SELECT indexname::text FROM pg_indexes WHERE tablename = 'things' AND schemaname = 'public' AND indexname <> 'things_pkey'
         UNION ALL
        SELECT conname FROM pg_constraint WHERE conrelid = 'things'::regclass AND contype = 'f'""")}


def aside(database):
    """What is set aside, by name."""
    if not database.value("SELECT to_regclass('migrated.set_aside') IS NOT NULL"):
        return []
    return sorted(name for (name,) in database.sql("SELECT name FROM migrated.set_aside WHERE kind <> 'statistics'"))


def is_put_back(database, before):
    """Everything stands again, exactly as it was, with statistics."""
    wait_until(lambda: database.value("SELECT count(*) FROM migrated.set_aside") == 0, 30,
               lambda: f"all is put back: {database.sql('SELECT kind, name, problem FROM migrated.set_aside')}")
    assert schema(database) == before


def rows_are_right(databases):
    assert databases.target.sql("""
        SELECT t.legacy_id, m.legacy_id, f.legacy_id, t.code, t.size FROM things AS t JOIN makers AS m ON m.id = t.maker_id
          LEFT JOIN things AS f ON f.id = t.follows_id ORDER BY 1""") == \
        databases.source.sql("SELECT id, maker_id, follows_id, code, size FROM things ORDER BY 1")
