"""What a wrong configuration gets: every problem in one go, with its place; and no password anywhere."""

import json
import pathlib
import re
import subprocess

import pytest

from daemon import clean_environment, program
from mapping import entity
from sessions import migrate, wait_until_reached
from waiting import SLOWNESS, wait_until

EX_OK, EX_UNAVAILABLE, EX_CONFIG = 0, 69, 78
PLAIN = entity("things", {"value": "value"})
PLAIN_SOURCE = "CREATE TABLE things (id integer PRIMARY KEY, value text)"
PLAIN_TARGET = "CREATE TABLE things (id uuid PRIMARY KEY, legacy_id integer UNIQUE, value text)"


@pytest.fixture
def configured(databases, start_daemon):
    """configured(entities…): a daemon that has not been started."""
    def make(*entities, **options):
        return start_daemon(databases, entities=list(entities), start=False, **options)

    return make


def check(daemon, *arguments, environment=None):
    """Runs migrated --check-config."""
    return subprocess.run([program("migrated"), "--config", daemon.config_file, "--check-config", *arguments],
                          capture_output=True, text=True, timeout=60 * SLOWNESS,
                          env={**clean_environment(), **(environment or {})})


def problems(result):
    """The lines that name a problem, without the summary and the log."""
    return [line for line in result.stderr.splitlines()
            if not line.startswith(("migrated:", "warning:")) and not re.match(r"\d{4}-\d\d-\d\dT", line)]


def assert_named(result, *words):
    """Each of these is in a line of its own."""
    lines = problems(result)
    for word in words:
        assert any(all(part in line for part in word) for line in lines), (word, result.stderr)


# --- the files ------------------------------------------------------------------------------------

def test_a_right_configuration_passes(databases, configured):
    databases.source_sql(PLAIN_SOURCE)
    databases.target_sql(PLAIN_TARGET)
    result = check(configured(PLAIN))
    assert (result.returncode, problems(result)) == (EX_OK, []), result.stderr
    assert "1 entit" in result.stdout


def test_the_clinics_own_mapping_passes(clinic, start_daemon):
    result = check(start_daemon(clinic, start=False))
    assert (result.returncode, problems(result)) == (EX_OK, []), result.stderr


def test_all_problems_of_the_files_are_named_at_once(configured):
    daemon = configured(
        entity("a", {"x": {"references": "nobody", "from": "x"}, "y": {"values": {"1": 2}}, "z": 7}),
        entity("b", {"b_id": {"references": "b", "from": "b"}}, target_key=["b_id", "x"]),
        {**PLAIN, "nonsense": 1, "on_delete": "mark"})
    daemon.config["settings"] = {"batch_size": "many", "batchsize": 7}
    daemon.write_config()
    (daemon.entities_directory / "broken.json").write_text('{\n  "entity": "broken",\n  "entity": "twice"\n}')
    (daemon.entities_directory / "torn.json").write_text('{\n  "entity": "torn",\n')
    result = check(daemon)
    assert result.returncode == EX_CONFIG
    assert_named(result,
                 ("migrated.json", "$.settings.batch_size"), ("migrated.json", "batchsize"),
                 ("a.json", "$.columns.x", "nobody"), ("a.json", "$.columns.y", "from"), ("a.json", "$.columns.z"),
                 ("things.json", "nonsense"), ("things.json", "$.on_delete"),
                 ("b.json", "refers to itself by a column of its target key"), ("broken.json:3", "entity"), ("torn.json:3",))
    started = subprocess.run([program("migrated"), "--config", daemon.config_file, "--socket", daemon.socket],
                             capture_output=True, text=True, timeout=30 * SLOWNESS, env=clean_environment())
    assert started.returncode == EX_CONFIG
    assert problems(started) == problems(result)


@pytest.mark.parametrize("text", ["", "[]", "{", "\xff\xfe", '{"source": {}, "source": {}}'])
def test_a_configuration_that_is_no_object_is_refused(configured, text):
    daemon = configured(PLAIN)
    daemon.config_file.write_bytes(text.encode("latin-1"))
    result = check(daemon)
    assert result.returncode == EX_CONFIG
    assert "migrated.json" in result.stderr


def test_a_configuration_that_is_not_there_is_refused(configured):
    daemon = configured(PLAIN)
    daemon.config_file.unlink()
    result = check(daemon)
    assert result.returncode == EX_CONFIG
    assert "migrated.json" in result.stderr


# --- the databases ----------------------------------------------------------------------------------

def test_all_that_does_not_fit_the_databases_is_named_at_once(databases, configured):
    databases.source_sql("""
        CREATE TABLE things (id integer PRIMARY KEY, value text);
        CREATE TABLE unkeyed (id integer NOT NULL, value text);
        CREATE TABLE nullable (id integer UNIQUE, value text);
        CREATE VIEW looked_at AS TABLE things""")
    databases.target_sql("""
        CREATE TABLE things (id uuid PRIMARY KEY, legacy_id integer UNIQUE, value text, needed text NOT NULL,
                             made text GENERATED ALWAYS AS (value || '!') STORED);
        CREATE TABLE plain (id uuid PRIMARY KEY, value text);
        CREATE TABLE numbered (id integer PRIMARY KEY, legacy_id integer UNIQUE, value text)""")
    for name in "bcdghil":
        databases.target_sql(f"CREATE TABLE plain_{name} (id uuid PRIMARY KEY, legacy_id integer UNIQUE, value text)")
    result = check(configured(
        entity("a", {"value": "valeu", "vlaue": "value", "made": "value"}, source="things", target="things"),
        entity("b", {"value": "value"}, source="unkeyed", target="plain_b"),
        entity("c", {"value": "value"}, source="nullable", target="plain_c"),
        entity("d", {"value": "value"}, source="nowhere", target="plain_d"),
        entity("e", {"value": "value"}, source="things", target="nowhere"),
        entity("f", {"value": "value"}, source="things", target="plain2"),
        entity("g", {"value": {"sql": "vaule || 'x'"}}, source="things", target="plain_g"),
        entity("h", {"value": "value"}, source={"query": "SELECT * FROM missing"}, target="plain_h"),
        entity("i", {"value": "value"}, source={"table": "things", "where": "vaule = 1"}, target="plain_i"),
        entity("j", {"value": "value"}, source="things", target="numbered"),
        entity("k", {"value": "value"}, source="things", target="plain", legacy_key="legacy"),
        entity("l", {"value": {"references": "a", "from": "value"}}, source="things", target="plain_l")))
    assert result.returncode == EX_CONFIG
    assert_named(result,
                 ("a.json", '"valeu"'), ("a.json", '"vlaue"'), ("a.json", "made", "generated"), ("a.json", '"needed"'),
                 ("b.json", "unique"), ("c.json", '"id"', "NULL"), ("d.json", "nowhere", "source"),
                 ("e.json", "nowhere", "target"), ("f.json", "plain2"), ("g.json", "$.columns.value", "vaule"),
                 ("h.json", "missing"), ("i.json", "vaule"), ("j.json", '"id"', "uuid"), ("k.json", '"legacy"'),
                 ("l.json", '"a"'))


def test_two_wrong_expressions_are_both_named_by_their_columns(databases, configured):
    databases.source_sql(PLAIN_SOURCE)
    databases.target_sql("CREATE TABLE things (id uuid PRIMARY KEY, legacy_id integer UNIQUE, value text, other text, third text)")
    result = check(configured(entity("things", {
        "value": {"sql": "nobody + 1"}, "other": {"sql": "length(value, 7)"}, "third": {"sql": "value || 'right'"}})))
    assert result.returncode == EX_CONFIG
    assert_named(result, ("$.columns.value", "nobody"), ("$.columns.other", "length"))
    assert not any("$.columns.third" in line for line in problems(result))


def test_a_database_mismatch_stops_its_entity_and_not_the_daemon(databases, configured):
    databases.source_sql(PLAIN_SOURCE + "; INSERT INTO things VALUES (1, 'x')")
    databases.target_sql(PLAIN_TARGET + "; CREATE TABLE others (LIKE things INCLUDING ALL)")
    daemon = configured(PLAIN, entity("others", {"value": "missing"}, source="things"))
    daemon.start()
    session = migrate(daemon, expect="failed")
    assert session.entities["things"]["status"] == "completed"
    assert session.entities["others"]["status"] == "failed"
    assert "no column \"missing\"" in session.entities["others"]["reason"]
    assert databases.target_sql("SELECT entity, state FROM migrated.session_entity ORDER BY 1") == [
        ("others", "failed"), ("things", "completed")]
    assert databases.target.value("SELECT count(*) FROM things") == 1
    databases.source_sql("ALTER TABLE things ADD missing text")
    assert migrate(daemon).entities["others"]["status"] == "completed"


@pytest.mark.parametrize("side", ["source", "target"])
def test_a_database_that_cannot_be_reached_is_told_from_a_wrong_file(databases, configured, side):
    daemon = configured(PLAIN)
    daemon.config[side]["conninfo"] = "host=/nonexistent dbname=x user=y connect_timeout=1"
    daemon.write_config()
    result = check(daemon)
    assert result.returncode == EX_UNAVAILABLE
    assert side in result.stderr


# --- the environment ----------------------------------------------------------------------------------

def test_environment_variables_override_the_file(databases, configured):
    databases.source_sql(PLAIN_SOURCE + "; INSERT INTO things SELECT i, i FROM generate_series(1, 100) AS i")
    databases.target_sql(PLAIN_TARGET)
    info = databases.source
    with info.connect() as connection:
        host, port = connection.info.host, connection.info.port
    daemon = configured(PLAIN, settings={"batch_size": 1000}, environment={
        "SOURCE_DB_HOST": host, "SOURCE_DB_PORT": str(port), "SOURCE_DB_NAME": databases.source.name,
        "SOURCE_DB_USER": "postgres", "TARGET_DB_URL": databases.target.conninfo, "BATCH_SIZE": "10"})
    daemon.config["source"]["conninfo"] = "host=/nonexistent dbname=nobody"
    daemon.config["target"]["conninfo"] = "host=/nonexistent dbname=nobody"
    daemon.write_config()
    daemon.start()
    session = migrate(daemon)
    assert session.done == 100
    assert databases.target.value("SELECT count(*) FROM migrated.batch") in (10, 11)


@pytest.mark.parametrize("name, value", [
    ("BATCH_SIZE", "many"), ("BATCH_SIZE", "0"), ("MAX_RETRY_ATTEMPTS", "-1"), ("MAX_CONCURRENT_ENTITIES", "1.5"),
    ("CONNECTION_POOL_SIZE", "99999999999999999999"), ("MIGRATION_TIMEOUT", "soon"), ("SOURCE_DB_PORT", "http")])
def test_a_wrong_variable_is_named(databases, configured, name, value):
    result = check(configured(PLAIN), environment={name: value})
    assert result.returncode == EX_CONFIG
    assert_named(result, ("environment", name))


# --- passwords ----------------------------------------------------------------------------------------

PASSWORD = "pa ss'w\\ord%&=\"x"
FRAGMENTS = re.compile(r"pa ss|pa%20ss|w\\+ord|w%5Cord|s'w")


@pytest.fixture
def login(databases):
    """A role that needs this password on the loopback port."""
    for database in (databases.source, databases.target):
        database.sql("DROP ROLE IF EXISTS secretive")
        quoted = PASSWORD.replace("'", "''")
        database.sql(f"CREATE ROLE secretive SUPERUSER LOGIN PASSWORD E'{quoted.replace(chr(92), chr(92) * 2)}'")
    yield
    for database in (databases.source, databases.target):
        database.sql("DROP OWNED BY secretive CASCADE")
        database.sql("DROP ROLE secretive")


def tcp_settings(database):
    return {"HOST": "127.0.0.1", "PORT": str(database.server.port), "NAME": database.name, "USER": "secretive",
            "PASSWORD": PASSWORD}


def everything_said(daemon, *verbs):
    said = daemon.log() + json.dumps(daemon.call("Status"))
    for verb in verbs:
        result = daemon.ctl(verb, "--json", check=False)
        said += result.stdout + result.stderr
    return said + pathlib.Path(f"/proc/{daemon.pid}/cmdline").read_text()


@pytest.mark.parametrize("given", ["in the environment", "as keywords", "as a URI"])
@pytest.mark.parametrize("right", [True, False], ids=["the right one", "a wrong one"])
def test_a_password_appears_nowhere(databases, configured, login, given, right):
    databases.source_sql(PLAIN_SOURCE)
    databases.target_sql(PLAIN_TARGET)
    daemon = configured(PLAIN)
    variables = daemon.environment
    for side, database in (("source", databases.source), ("target", databases.target)):
        values = tcp_settings(database)
        if not right:
            values["PASSWORD"] += "y"
        if given == "in the environment":
            del daemon.config[side]["conninfo"]
            variables.update({f"{side.upper()}_DB_{name}": value for name, value in values.items()})
        elif given == "as keywords":
            escaped = values["PASSWORD"].replace("\\", "\\\\").replace("'", "\\'")
            daemon.config[side]["conninfo"] = (f"host=127.0.0.1 port={values['PORT']} dbname={values['NAME']} "
                                               f"user=secretive password='{escaped}'")
        else:
            encoded = "".join(f"%{byte:02X}" for byte in values["PASSWORD"].encode())
            daemon.config[side]["conninfo"] = f"postgresql://secretive:{encoded}@127.0.0.1:{values['PORT']}/{values['NAME']}"
    daemon.write_config()
    daemon.start()
    if right:
        wait_until_reached(daemon)
    else:
        wait_until(lambda: daemon.call("Status")["state"] == "unavailable", 20)
    verbs = ["status", "list", "migrate", *(["analyze", "check", "plan"] if right else [])]
    assert FRAGMENTS.search(everything_said(daemon, *verbs)) is None
    checked = check(daemon, environment=variables)
    assert checked.returncode == (EX_OK if right else EX_UNAVAILABLE), checked.stderr
    assert FRAGMENTS.search(checked.stdout + checked.stderr) is None
    if right:
        stored = databases.target_sql("SELECT row_to_json(s)::text FROM migrated.session AS s")
        assert FRAGMENTS.search(json.dumps(stored)) is None


@pytest.mark.parametrize("conninfo", [
    f"host=127.0.0.1 password={PASSWORD} dbname=x",                      # not quoted
    f"postgresql://user:{PASSWORD}@127.0.0.1/x",                         # not encoded
    "postgresql://user:pa ss@w\\ord@127.0.0.1:5432/x",                   # an @ in it
    "host=127.0.0.1 password='pa ssw\\ord dbname=x",                     # not closed
    "pa ssw\\ord",
])
def test_a_password_at_the_wrong_place_is_not_repeated(databases, configured, conninfo):
    daemon = configured(PLAIN)
    daemon.config["source"]["conninfo"] = conninfo
    daemon.write_config()
    result = check(daemon)
    assert result.returncode in (EX_CONFIG, EX_UNAVAILABLE)
    assert re.search(r"pa ss|w\\+ord|ss'w|ord%", result.stdout + result.stderr) is None, result.stderr
