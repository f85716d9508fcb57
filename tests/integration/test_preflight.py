"""The preflight finds what stands in the way of a migration, names it, and finds nothing else.

Each test plants one condition in a pair of databases that are ready, and compares all findings with those of a ready pair.
"""

import os
import shutil
import tempfile

import pytest

from pooler import Pooler
from servers import short_temporary_directory
from sessions import wait_until_connected, wait_until_reached
from waiting import wait_until

pytestmark = pytest.mark.empty_target

LEGACY = """
    CREATE SCHEMA legacy;
    CREATE TABLE legacy.office (id integer PRIMARY KEY, name text NOT NULL);
    CREATE TABLE legacy.person (id integer PRIMARY KEY, office_id integer NOT NULL, email text NOT NULL);
    CREATE TABLE legacy.visit (id integer PRIMARY KEY, person_id integer NOT NULL, room text);
    CREATE VIEW legacy.visits AS SELECT id, person_id, room FROM legacy.visit;
    INSERT INTO legacy.office SELECT n, 'office ' || n FROM generate_series(1, 3) AS n;
    INSERT INTO legacy.person SELECT n, 1 + n % 3, 'p' || n || '@example.org' FROM generate_series(1, 9) AS n;
    INSERT INTO legacy.visit SELECT n, 1 + n % 9, NULL FROM generate_series(1, 20) AS n;
    GRANT USAGE ON SCHEMA legacy TO {role};
    GRANT SELECT ON ALL TABLES IN SCHEMA legacy TO {role};
    GRANT pg_read_all_stats TO {role};
"""

MODERN = """
    CREATE SCHEMA app;
    CREATE TABLE app.offices (id uuid PRIMARY KEY, legacy_id integer UNIQUE, name text NOT NULL,
                              is_active boolean NOT NULL DEFAULT true);
    CREATE TABLE app.people (id uuid PRIMARY KEY, legacy_id integer UNIQUE,
                             office_id uuid NOT NULL REFERENCES app.offices, email text NOT NULL,
                             sponsor_id uuid REFERENCES app.offices);
    CREATE INDEX people_office_id ON app.people (office_id);
    CREATE INDEX people_sponsor_id ON app.people (sponsor_id);
    CREATE TABLE app.visits (id uuid PRIMARY KEY, legacy_id integer UNIQUE,
                             person_id uuid NOT NULL REFERENCES app.people, room text);
    CREATE INDEX visits_person_id ON app.visits (person_id);
    GRANT USAGE ON SCHEMA app TO {role};
    GRANT SELECT, INSERT, UPDATE ON ALL TABLES IN SCHEMA app TO {role};
    GRANT DELETE ON app.people TO {role};
    GRANT CREATE ON DATABASE {database} TO {role};
"""

READY = {
    ("connection", "source", "pass"), ("connection", "target", "pass"),
    ("version", "source", "pass"), ("version", "target", "pass"),
    ("encoding", "source", "pass"), ("encoding", "target", "pass"),
    ("pooler", "source", "pass"), ("pooler", "target", "pass"),
    ("same database", "both", "pass"),
    ("connection limit", "source", "pass"), ("connection limit", "target", "pass"),
    ("mapping", "both", "pass"),
    ("privileges", "source", "pass"), ("privileges", "target", "pass"),
    ("row-level security", "source", "pass"), ("row-level security", "target", "pass"),
    ("control schema", "target", "pass"),
    ("source key", "source", "pass"),
    ("legacy key", "target", "pass"),
    ("foreign keys", "target", "pass"),
    ("indexes", "target", "pass"),
    ("triggers", "target", "pass"),
    ("prepared transactions", "source", "pass"),
    ("statistics", "source", "pass"),
    ("watermarks", "source", "pass"),
    ("disk room", "target", "unknown"),
}


def offices():
    return {
        "entity": "offices",
        "source": {"schema": "legacy", "table": "office", "key": "id"},
        "target": {"schema": "app", "table": "offices", "key": "id", "legacy_key": "legacy_id"},
        "on_delete": {"mark": {"is_active": False}},
        "columns": {"name": "name"},
    }


def people():
    return {
        "entity": "people",
        "source": {"query": "SELECT id, office_id, email FROM legacy.person", "key": "id"},
        "target": {"schema": "app", "table": "people", "key": "id", "legacy_key": "legacy_id"},
        "on_delete": "delete",
        "columns": {
            "office_id": {"references": "offices", "from": "office_id"},
            "email": "email",
            "sponsor_id": {"constant": None},
        },
    }


def visits():
    return {
        "entity": "visits",
        "source": {"schema": "legacy", "table": "visits", "key": "id"},
        "target": {"schema": "app", "table": "visits", "key": "id", "legacy_key": "legacy_id"},
        "on_delete": "ignore",
        "columns": {"person_id": {"references": "people", "from": "person_id"}, "room": "room"},
    }


class Pair:
    """Two databases that are ready, as a role that may do no more than it must."""

    def __init__(self, databases, start_daemon):
        self.databases = databases
        self.start_daemon = start_daemon
        self.role = f"migrator_{databases.source.name}"
        self.other = f"other_{databases.source.name}"
        self.entities = {entity["entity"]: entity for entity in (offices(), people(), visits())}
        self.options = {}
        for database, script in ((databases.source, LEGACY), (databases.target, MODERN)):
            for role in (self.role, self.other):
                database.sql(f"CREATE ROLE {role} LOGIN")
            database.sql(script.format(role=self.role, database=database.name))

    def source_sql(self, query):
        return self.databases.source_sql(query.format(role=self.role, other=self.other))

    def target_sql(self, query):
        database = self.databases.target
        return database.sql(query.format(role=self.role, other=self.other, database=database.name))

    def conninfo(self, side):
        """Of "source" or "target", as our role."""
        return getattr(self.databases, side).conninfo.replace("user=postgres", f"user={self.role}")

    def daemon(self):
        options = {"source": self.conninfo("source"), "target": self.conninfo("target"), **self.options}
        return self.start_daemon(entities=list(self.entities.values()), **options)

    def check(self, daemon=None):
        """The findings, as the client prints them."""
        result = (daemon or wait_until_connected(self.daemon())).ctl_json("check", check=False)
        fails = [finding for finding in result["findings"] if finding["result"] == "fail"]
        assert result["passed"] == (not fails)
        return result["findings"]

    def drop(self):
        for server in (self.databases.source.server, self.databases.target.server):
            postgres = server.database("postgres")
            for database in (self.databases.source, self.databases.target):
                if database.server is server:
                    database.sql(f"DROP OWNED BY {self.role}, {self.other} CASCADE")
            postgres.sql(f"DROP ROLE IF EXISTS {self.role}, {self.other}")


@pytest.fixture
def pair(databases, start_daemon):
    pair = Pair(databases, start_daemon)
    yield pair
    for side in ("source", "target"):
        database = getattr(databases, side)
        for (name,) in database.sql("SELECT gid FROM pg_prepared_xacts WHERE database = current_database()"):
            database.sql(f"ROLLBACK PREPARED '{name}'")
        database.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() "
                     "AND pid <> pg_backend_pid()")
    pair.drop()


def summary(findings):
    return {(finding["check"], finding["subject"], finding["result"]) for finding in findings}


def assert_found(findings, *wanted, instead_of):
    """Exactly these findings (check, subject, result, words) stand in the place of those passes of a ready pair."""
    passes = {(check, side, "pass") for check, side in instead_of}
    assert passes <= READY
    assert summary(findings) == (READY - passes) | {found[:3] for found in wanted}
    assert len(findings) == len(READY) - len(passes) + len(wanted)
    for check, subject, result, words in wanted:
        texts = [f"{finding['message']} {finding['action']}" for finding in findings
                 if (finding["check"], finding["subject"], finding["result"]) == (check, subject, result)]
        assert any(words in text for text in texts), f"{words!r} is in none of {texts}"


def test_databases_that_are_ready_pass_every_check(pair):
    assert summary(pair.check()) == READY


def test_the_need_for_disk_room_is_told_but_not_called_seen(pair):
    findings = pair.check()
    message = next(finding["message"] for finding in findings if finding["check"] == "disk room")
    size = pair.databases.source.value("SELECT pg_size_pretty(2 * pg_total_relation_size('legacy.office'))")
    assert f"About {size} will be needed" in message
    assert "not counting what 1 entity reads of a query" in message


def test_a_second_look_finds_the_same(pair):
    daemon = wait_until_reached(pair.daemon())
    assert pair.check(daemon) == pair.check(daemon)


def test_the_check_leaves_nothing_behind(pair):
    contents = """
        SELECT count(*), sum(relpages), max(oid::bigint)
        FROM pg_class
        WHERE oid >= 16384 AND NOT relisshared"""
    before = pair.source_sql(contents), pair.target_sql(contents)
    pair.check()
    assert (pair.source_sql(contents), pair.target_sql(contents)) == before
    for sql in (pair.source_sql, pair.target_sql):
        assert sql("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'migrated' "
                   "AND state LIKE 'idle in transaction%'") == [(0,)]


# Planted in the source: SQL, what is found, in the place of which passes.
IN_SOURCE = {
    "table privilege": (
        "REVOKE SELECT ON legacy.office FROM {role}",
        [("privileges", "legacy.office", "fail", 'GRANT SELECT ON "legacy"."office" TO "migrator_')],
        [("privileges", "source")]),
    "columns that suffice": (
        "REVOKE SELECT ON legacy.office FROM {role}; GRANT SELECT (id, name) ON legacy.office TO {role}", [], []),
    "columns that do not suffice": (
        "REVOKE SELECT ON legacy.office FROM {role}; GRANT SELECT (id) ON legacy.office TO {role}",
        [("privileges", "offices", "fail", "permission denied for table office")], [("privileges", "source")]),
    "privilege for a table in a query": (
        "REVOKE SELECT ON legacy.person FROM {role}",
        [("privileges", "people", "fail", "permission denied for table person"),
         ("source key", "source", "unknown", "permission denied for table person")],
        [("privileges", "source"), ("source key", "source")]),
    "row-level security": (
        "ALTER TABLE legacy.office ENABLE ROW LEVEL SECURITY",
        [("row-level security", "legacy.office", "fail", "row_security = off turns that into an error"),
         ("mapping", "offices", "unknown", "may not read"),
         ("mapping", "people", "fail", 'refers to "offices", which cannot be migrated'),
         ("mapping", "visits", "fail", 'refers to "people", which cannot be migrated')],
        [("row-level security", "source"), ("mapping", "both")]),
    "row-level security in a query": (
        "ALTER TABLE legacy.person ENABLE ROW LEVEL SECURITY",
        [("row-level security", "people", "fail", 'row-level security policy for table "person"'),
         ("source key", "source", "unknown", 'row-level security policy for table "person"'),
         ("mapping", "people", "unknown", "may not read"),
         ("mapping", "visits", "fail", 'refers to "people", which cannot be migrated')],
        [("row-level security", "source"), ("source key", "source"), ("mapping", "both")]),
    "row-level security that our role may bypass": (
        "ALTER TABLE legacy.office ENABLE ROW LEVEL SECURITY; ALTER ROLE {role} BYPASSRLS", [], []),
    "row-level security of the table's owner": (
        "ALTER TABLE legacy.office OWNER TO {role}; ALTER TABLE legacy.office ENABLE ROW LEVEL SECURITY", [], []),
    "row-level security that is forced on the owner": (
        "ALTER TABLE legacy.office OWNER TO {role}; ALTER TABLE legacy.office ENABLE ROW LEVEL SECURITY; "
        "ALTER TABLE legacy.office FORCE ROW LEVEL SECURITY",
        [("row-level security", "legacy.office", "fail", "BYPASSRLS"),
         ("mapping", "offices", "unknown", "may not read"),
         ("mapping", "people", "fail", 'refers to "offices", which cannot be migrated'),
         ("mapping", "visits", "fail", 'refers to "people", which cannot be migrated')],
        [("row-level security", "source"), ("mapping", "both")]),
    "a key that occurs twice in a query": (
        "ALTER TABLE legacy.person DROP CONSTRAINT person_pkey; INSERT INTO legacy.person VALUES (4, 1, 'x')",
        [("source key", "people", "fail", "not unique")], [("source key", "source")]),
    "a row without a key in a view": (
        "ALTER TABLE legacy.visit DROP CONSTRAINT visit_pkey; ALTER TABLE legacy.visit ALTER id DROP NOT NULL; "
        "INSERT INTO legacy.visit VALUES (NULL, 1, 'x')",
        [("source key", "visits", "fail", "key is NULL")], [("source key", "source")]),
    "a key without a unique index": (
        "ALTER TABLE legacy.office DROP CONSTRAINT office_pkey",
        [("mapping", "offices", "fail", "$.source.key: the key is not unique"),
         ("mapping", "people", "fail", 'refers to "offices", which cannot be migrated'),
         ("mapping", "visits", "fail", 'refers to "people", which cannot be migrated')],
        [("mapping", "both")]),
    "a column that is gone": (
        "ALTER TABLE legacy.visit RENAME room TO chamber; DROP VIEW legacy.visits; "
        "CREATE VIEW legacy.visits AS SELECT id, person_id, chamber FROM legacy.visit; "
        "GRANT SELECT ON legacy.visits TO {role}",
        [("mapping", "visits", "fail", '$.columns.room: source table "visits" has no column "room"')],
        [("mapping", "both")]),
    "statistics": (
        "REVOKE pg_read_all_stats FROM {role}",
        [("statistics", "source", "warn", 'GRANT pg_read_all_stats TO "migrator_')], [("statistics", "source")]),
    "too few connections": (
        "ALTER ROLE {role} CONNECTION LIMIT 9",
        [("connection limit", "source", "fail", "allows this role 9 connections")], [("connection limit", "source")]),
}

IN_TARGET = {
    "privileges": (
        "REVOKE INSERT, UPDATE ON app.offices FROM {role}",
        [("privileges", "app.offices", "fail", 'GRANT INSERT, UPDATE ON "app"."offices" TO "migrator_')],
        [("privileges", "target")]),
    "DELETE where rows are deleted": (
        "REVOKE DELETE ON app.people FROM {role}",
        [("privileges", "app.people", "fail", "lacks DELETE")], [("privileges", "target")]),
    "privileges on some columns": (
        "REVOKE UPDATE ON app.offices FROM {role}; GRANT UPDATE (name) ON app.offices TO {role}",
        [("privileges", "app.offices", "unknown", "UPDATE is granted on some columns only")],
        [("privileges", "target")]),
    "schema": (
        "REVOKE USAGE ON SCHEMA app FROM {role}",
        [("privileges", "app", "fail", 'GRANT USAGE ON SCHEMA "app"')], [("privileges", "target")]),
    "temporary tables": (
        "REVOKE TEMPORARY ON DATABASE {database} FROM PUBLIC",
        [("privileges", "target", "fail", "GRANT TEMPORARY ON DATABASE")], [("privileges", "target")]),
    "row-level security": (
        "ALTER TABLE app.people ENABLE ROW LEVEL SECURITY",
        [("row-level security", "app.people", "fail", "BYPASSRLS")], [("row-level security", "target")]),
    "a control schema that may not be made": (
        "REVOKE CREATE ON DATABASE {database} FROM {role}",
        [("control schema", "migrated", "fail", "GRANT CREATE ON DATABASE")], [("control schema", "target")]),
    "a control schema of somebody else": (
        "CREATE SCHEMA migrated AUTHORIZATION {other}",
        [("control schema", "migrated", "fail", "GRANT USAGE, CREATE ON SCHEMA migrated")],
        [("control schema", "target")]),
    "control tables of somebody else": (
        "CREATE SCHEMA migrated AUTHORIZATION {role}; CREATE TABLE migrated.entity (); "
        "ALTER TABLE migrated.entity OWNER TO {other}",
        [("control schema", "migrated", "fail", "1 of its tables and views belong to another role")],
        [("control schema", "target")]),
    "a control schema of ours, without the right to make another": (
        "CREATE SCHEMA migrated AUTHORIZATION {role}; REVOKE CREATE ON DATABASE {database} FROM {role}", [], []),
    "a legacy key that is only indexed": (
        "ALTER TABLE app.offices DROP CONSTRAINT offices_legacy_id_key; CREATE INDEX ON app.offices (legacy_id)",
        [("legacy key", "offices", "warn", "is not unique in the target: rows that are there twice")],
        [("legacy key", "target")]),
    "a legacy key without an index": (
        "ALTER TABLE app.offices DROP CONSTRAINT offices_legacy_id_key",
        [("legacy key", "offices", "warn", "neither unique nor indexed")], [("legacy key", "target")]),
    "a foreign key without an index": (
        "DROP INDEX app.visits_person_id",
        [("indexes", "app.visits", "warn", 'CREATE INDEX ON "app"."visits" ("person_id")')],
        [("indexes", "target")]),
    "a foreign key whose index is partial": (
        "DROP INDEX app.visits_person_id; CREATE INDEX ON app.visits (person_id) WHERE room IS NULL",
        [("indexes", "app.visits", "warn", '"person_id"')], [("indexes", "target")]),
    "a foreign key to another table than the mapping's": (
        "ALTER TABLE app.visits DROP CONSTRAINT visits_person_id_fkey, "
        "ADD FOREIGN KEY (person_id) REFERENCES app.offices",
        [("foreign keys", "visits", "warn",
          'foreign key to app.offices, and the mapping refers to "people", which writes to app.people')],
        [("foreign keys", "target")]),
    "triggers": (
        "CREATE FUNCTION app.touch() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'; "
        "CREATE TRIGGER touch BEFORE UPDATE ON app.offices FOR EACH ROW EXECUTE FUNCTION app.touch(); "
        "CREATE TRIGGER again BEFORE INSERT ON app.offices FOR EACH ROW EXECUTE FUNCTION app.touch()",
        [("triggers", "app.offices", "warn", '"again", "touch"')], [("triggers", "target")]),
    "a trigger that is disabled": (
        "CREATE FUNCTION app.touch() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'; "
        "CREATE TRIGGER touch BEFORE UPDATE ON app.offices FOR EACH ROW EXECUTE FUNCTION app.touch(); "
        "ALTER TABLE app.offices DISABLE TRIGGER touch", [], []),
    "a table that is not there": (
        "DROP TABLE app.visits",
        [("mapping", "visits", "fail", 'there is no table "visits" in schema "app" of the target')],
        [("mapping", "both")]),
    "two problems of one entity": (
        "ALTER TABLE app.visits RENAME room TO chamber; ALTER TABLE app.visits ADD floor integer NOT NULL",
        [("mapping", "visits", "fail", '$.columns.room: target table "visits" has no column "room"'),
         ("mapping", "visits", "fail", '"floor" may not be NULL, has no default')],
        [("mapping", "both")]),
    "a read-only target": (
        "ALTER ROLE {role} SET default_transaction_read_only = on",
        [("connection", "target", "fail", "read-only")], [("connection", "target")]),
}


@pytest.mark.parametrize("planted, found, instead_of", IN_SOURCE.values(), ids=IN_SOURCE.keys())
def test_a_condition_in_the_source_is_found_and_named(pair, planted, found, instead_of):
    pair.source_sql(planted)
    assert_found(pair.check(), *found, instead_of=instead_of)


@pytest.mark.parametrize("planted, found, instead_of", IN_TARGET.values(), ids=IN_TARGET.keys())
def test_a_condition_in_the_target_is_found_and_named(pair, planted, found, instead_of):
    pair.target_sql(planted)
    assert_found(pair.check(), *found, instead_of=instead_of)


def test_a_schema_of_the_source_that_may_not_be_used(pair):
    pair.source_sql("REVOKE USAGE ON SCHEMA legacy FROM {role}")
    denied = "permission denied for schema legacy"
    assert_found(pair.check(),
                 ("privileges", "legacy", "fail", 'GRANT USAGE ON SCHEMA "legacy"'),
                 *[("privileges", entity, "fail", denied) for entity in ("people", "visits")],
                 *[("mapping", entity, "unknown", "may not read") for entity in ("offices", "people", "visits")],
                 ("source key", "source", "unknown", denied),
                 instead_of=[("privileges", "source"), ("source key", "source"), ("mapping", "both")])


def test_a_foreign_key_that_is_filled_by_no_reference(pair):
    pair.entities["people"]["columns"]["sponsor_id"] = {"sql": "NULL::uuid"}
    assert_found(pair.check(),
                 ("foreign keys", "people", "warn", 'column "sponsor_id" is a foreign key to app.offices'),
                 instead_of=[("foreign keys", "target")])


def test_a_prepared_transaction_on_the_source(pair):
    pair.source_sql("BEGIN; INSERT INTO legacy.office VALUES (99, 'x'); PREPARE TRANSACTION 'left {role}'")
    assert_found(pair.check(), ("prepared transactions", "source", "warn", f"left {pair.role}"),
                 instead_of=[("prepared transactions", "source")])


def test_a_prepared_transaction_of_another_database_is_none_of_ours(pair):
    postgres = pair.databases.source.server.database("postgres")
    postgres.sql(f"BEGIN; SELECT txid_current(); PREPARE TRANSACTION 'other {pair.role}'")
    try:
        assert summary(pair.check()) == READY
    finally:
        postgres.sql(f"ROLLBACK PREPARED 'other {pair.role}'")


def test_source_and_target_that_are_one_database(pair):
    source = pair.databases.source
    pair.options = {"target": source.conninfo, "source": source.conninfo.replace("user=", " user=")}
    findings = pair.check()
    assert ("same database", "source and target", "fail") in summary(findings)
    assert any(f'"{source.name}"' in finding["message"] for finding in findings if finding["check"] == "same database")


def test_two_databases_of_one_server_are_not_the_same(pair):
    source = pair.databases.source
    pair.options = {"target": source.server.database("postgres").conninfo}
    assert ("same database", "both", "pass") in summary(pair.check())


@pytest.mark.parametrize("encoding, result, words", [
    ("SQL_ASCII", "warn", "text is not checked there"),
    ("LATIN1", "pass", "LATIN1, converted on the way"),
])
def test_an_encoding_of_the_source_other_than_utf8(pair, encoding, result, words):
    postgres = pair.databases.source.server.database("postgres")
    name = f"{pair.databases.source.name}_encoded"
    postgres.sql(f"CREATE DATABASE {name} TEMPLATE template0 ENCODING '{encoding}' LOCALE 'C'")
    database = pair.databases.source.server.database(name)
    try:
        database.sql(LEGACY.format(role=pair.role))
        pair.options = {"source": database.conninfo.replace("user=postgres", f"user={pair.role}")}
        assert_found(pair.check(), ("encoding", "source", result, words), instead_of=[("encoding", "source")])
    finally:
        database.drop()


def test_more_connections_than_the_server_has(pair):
    pair.options = {"settings": {"connection_pool_size": 200}}
    assert_found(pair.check(),
                 ("connection limit", "source", "fail", "connection_pool_size is 200"),
                 ("connection limit", "target", "fail", "connection_pool_size is 200"),
                 instead_of=[("connection limit", "source"), ("connection limit", "target")])


def test_connections_that_others_hold(pair):
    held = [pair.databases.target.connect() for _ in range(50)]
    try:
        assert_found(pair.check(), ("connection limit", "target", "warn", "others leave only"),
                     instead_of=[("connection limit", "target")])
    finally:
        for connection in held:
            connection.close()


@pytest.fixture
def make_pooler():
    poolers = []

    def make(server, mode):
        poolers.append(Pooler(server, mode))
        return poolers[-1]

    yield make
    for pooler in poolers:
        pooler.close()


@pytest.mark.parametrize("side", ["source", "target"])
def test_a_pooler_in_transaction_mode(pair, make_pooler, side):
    pooler = make_pooler(getattr(pair.databases, side).server, "transaction")
    pair.options = {side: pooler.conninfo(pair.conninfo(side))}
    # What is prepared on one backend and asked for on another may be missing, so of the mapping nothing certain can be said.
    findings = [finding for finding in pair.check() if finding["check"] == "pooler" and finding["subject"] == side]
    assert [finding["result"] for finding in findings] == ["fail"]
    assert "two transactions of one connection had different backends" in findings[0]["message"]


@pytest.mark.parametrize("side", ["source", "target"])
def test_a_pooler_that_may_be_in_session_mode_is_not_passed(pair, make_pooler, side):
    pooler = make_pooler(getattr(pair.databases, side).server, "session")
    pair.options = {side: pooler.conninfo(pair.conninfo(side))}
    assert_found(pair.check(), ("pooler", side, "unknown", "a pooler stands before the server"),
                 instead_of=[("pooler", side)])


def test_the_port_of_supabases_transaction_pooler(pair):
    server = pair.databases.target.server
    directory = tempfile.mkdtemp(prefix="migrated-", dir=short_temporary_directory())
    try:
        os.symlink(f"{server.servers.directory}/.s.PGSQL.{server.port}", f"{directory}/.s.PGSQL.6543")
        pair.options = {"target": f"host={directory} port=6543 user={pair.role} dbname={pair.databases.target.name}"}
        assert_found(pair.check(), ("pooler", "target", "fail", "port 6543"), instead_of=[("pooler", "target")])
    finally:
        shutil.rmtree(directory)


@pytest.mark.parametrize("side, other", [("source", "target"), ("target", "source")])
def test_what_cannot_be_asked_is_never_passed(pair, side, other):
    pair.options = {side: pair.conninfo(side) + "_not_there"}
    daemon = pair.daemon()
    wait_until(lambda: {connection["name"]: connection["state"] for connection in daemon.call("Status")["connections"]}
               [other] == "ready", 20, "the other database is reached")
    findings = pair.check(daemon)
    named = [finding for finding in findings if finding["subject"] == side]
    assert ("connection", side, "fail") in summary(named)
    assert {finding["result"] for finding in named} == {"fail", "unknown"}
    assert ("connection", other, "pass") in summary(findings)
    assert {(check, subject) for check, subject, _ in READY if subject == side} <= {
        (finding["check"], finding["subject"]) for finding in named}
    assert {check for check, _, _ in READY} == {finding["check"] for finding in findings}
    for check in ("same database", "mapping"):
        assert {finding["result"] for finding in findings if finding["check"] == check} == {"unknown"}


def test_a_check_that_finds_failures_fails(pair):
    pair.source_sql("REVOKE SELECT ON legacy.office FROM {role}")
    result = wait_until_reached(pair.daemon()).ctl("check", check=False)
    assert result.returncode == 1
    assert "legacy.office" in result.stdout and "GRANT SELECT" in result.stdout


def test_the_clinic_is_ready_but_for_two_indexes(daemon):
    findings = wait_until_reached(daemon).ctl_json("check", check=False)["findings"]
    others = [finding for finding in findings if finding["result"] not in ("pass", "unknown")]
    assert [(finding["check"], finding["subject"]) for finding in others] == [("indexes", "public.system_messages")] * 2
