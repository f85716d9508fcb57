"""Target keys that migrated makes: UUIDs of versions 4, 5 and 7, and numbers from the target's own sequences."""

import datetime
import uuid

import pytest

from mapping import AWKWARD_TEXTS, PLAIN_SOURCE, PLAIN_TARGET, entity, problems, same_things
from sessions import dead_letters

NAMESPACE = uuid.UUID("28ea110a-f8bd-4bab-8a25-fd43a2f9cd86")  # ours, as migrated.json(5) has it
OWN_NAMESPACE = "6ba7b810-9dad-11d1-80b4-00c04fd430c8"         # that of domain names, RFC 9562

WITHOUT = ""
PGCRYPTO = 'CREATE SCHEMA extensions; CREATE EXTENSION pgcrypto SCHEMA extensions;'
UUID_OSSP = 'CREATE SCHEMA "uuid s"; CREATE EXTENSION "uuid-ossp" SCHEMA "uuid s";'


def name_of(name, *key):
    """The name of a row, as migrated.json(5) says it is made."""
    return "/".join([name, *(str(part).replace("%", "%25").replace("/", "%2F") for part in key)])


def plain(**rest):
    return entity("things", {"value": "value"}, **rest)


def target_ids(world, table="things"):
    return dict(world.target_sql(f"SELECT legacy_id, id FROM {table}"))


# --- UUIDs ------------------------------------------------------------------------------------------

def test_uuids_are_random_unless_said_otherwise(pair):
    world = pair(PLAIN_SOURCE + "; INSERT INTO things SELECT i, i FROM generate_series(1, 50) AS i", PLAIN_TARGET, plain())
    world.migrate()
    ids = set(target_ids(world).values())
    assert len(ids) == 50
    assert {id.version for id in ids} == {4}


@pytest.mark.parametrize("extension", [WITHOUT, PGCRYPTO, UUID_OSSP], ids=["alone", "pgcrypto", "uuid-ossp"])
def test_uuids_of_version_5_are_what_others_compute(pair, extension):
    world = pair(
        "CREATE TABLE things (id text PRIMARY KEY, value text); CREATE TABLE pairs (a integer, b text, PRIMARY KEY (a, b))",
        extension + """CREATE TABLE things (id uuid PRIMARY KEY, legacy_id text UNIQUE, value text);
           CREATE TABLE pairs (id uuid PRIMARY KEY, a integer, b text)""",
        plain(uuid="v5"),
        entity("pairs", {}, key=["a", "b"], legacy_key=["a", "b"], uuid={"v5": OWN_NAMESPACE}))
    for text in [*AWKWARD_TEXTS, "a/b", "a%2Fb", "%25", "x" * 200]:
        world.source_sql("INSERT INTO things VALUES (%s, 'x')", [text])
        world.source_sql("INSERT INTO pairs VALUES (-5, %s)", [text])
    world.migrate()
    assert target_ids(world) == {key: uuid.uuid5(NAMESPACE, name_of("things", key))
                                 for (key,) in world.source_sql("SELECT id FROM things")}
    assert set(world.target_sql("SELECT id, b FROM pairs")) == \
        {(uuid.uuid5(uuid.UUID(OWN_NAMESPACE), name_of("pairs", -5, key)), key)
         for (key,) in world.source_sql("SELECT b FROM pairs")}
    world.finds_nothing()


@pytest.mark.parametrize("type_name, texts", [
    ("bigint", {"-9223372036854775808": "-9223372036854775808"}),
    ("numeric", {"1.00": "1", "-0.50": "-0.5", "NaN": "NaN"}),
    ("double precision", {"-0": "0", "0.1": "0.1", "Infinity": "Infinity"}),
    ("date", {"2024-02-29": "2024-02-29"}),
    ("timestamptz", {"2024-02-29 12:00:00+02": "2024-02-29 10:00:00+00"}),
    ("uuid", {"00000000-0000-0000-0000-00000000000A": "00000000-0000-0000-0000-00000000000a"}),
    ("char(5)", {"ab": "ab"}),
    ("boolean", {"t": "true"}),
    ("inet", {"10.0.0.0/8": "10.0.0.0%2F8"}),
])
def test_the_name_of_a_key_of_any_type(pair, type_name, texts):
    world = pair(f"CREATE TABLE things (id {type_name} PRIMARY KEY, value text)",
                 f"CREATE TABLE things (id uuid PRIMARY KEY, legacy_id {type_name} UNIQUE, value text)", plain(uuid="v5"))
    for text in texts:
        world.source_sql(f"INSERT INTO things VALUES (%s::{type_name}, 'x')", [text])
    world.migrate()
    assert {id for (id,) in world.target_sql("SELECT id FROM things")} == \
        {uuid.uuid5(NAMESPACE, f"things/{name}") for name in texts.values()}


def test_a_target_that_is_filled_again_gets_the_same_uuids_of_version_5(pair):
    world = pair(PLAIN_SOURCE + "; INSERT INTO things SELECT i, i FROM generate_series(1, 50) AS i", PLAIN_TARGET, plain(uuid="v5"))
    world.migrate()
    before = target_ids(world)
    world.daemon.stop()
    world.target_sql("DROP SCHEMA migrated CASCADE; TRUNCATE things")
    world.daemon.start()
    world.migrate()
    assert target_ids(world) == before


def test_uuids_of_version_7_say_when_they_were_made(pair):
    world = pair(PLAIN_SOURCE + "; INSERT INTO things SELECT i, i FROM generate_series(1, 400) AS i", PLAIN_TARGET, plain(uuid="v7"))
    (before,) = world.target_sql("SELECT clock_timestamp()")
    world.migrate()
    (after,) = world.target_sql("SELECT clock_timestamp()")
    ids = list(target_ids(world).values())
    assert len(set(ids)) == 400
    assert {id.int >> 76 & 0xf for id in ids} == {7}
    assert {id.variant for id in ids} == {uuid.RFC_4122}
    millisecond = datetime.timedelta(milliseconds=1)
    times = [datetime.datetime.fromtimestamp((id.int >> 80) / 1000, datetime.timezone.utc) for id in ids]
    assert before[0] - millisecond <= min(times) and max(times) <= after[0] + millisecond
    # Each of the 74 random bits is seen both set and not set.
    free = ((1 << 128) - 1) ^ (((1 << 48) - 1) << 80) ^ (0xf << 76) ^ (0x3 << 62)
    ones, zeros = 0, 0
    for id in ids:
        ones |= id.int
        zeros |= ~id.int
    assert ones & free == free and zeros & free == free and free.bit_count() == 74


def test_later_rows_have_greater_uuids_of_version_7(pair):
    world = pair(PLAIN_SOURCE + "; INSERT INTO things SELECT i, i FROM generate_series(1, 50) AS i", PLAIN_TARGET, plain(uuid="v7"))
    world.migrate()
    before = target_ids(world)
    world.source_sql("INSERT INTO things SELECT i, i FROM generate_series(51, 60) AS i")
    world.migrate()
    after = target_ids(world)
    assert min(after[key] for key in range(51, 61)) > max(before.values())


def test_other_uuids_from_now_on_change_none_that_is_there(pair):
    world = pair(PLAIN_SOURCE + "; INSERT INTO things VALUES (1, 'one'), (2, 'two')", PLAIN_TARGET, plain())
    world.migrate()
    before = target_ids(world)
    for number, (kind, version) in enumerate([("v5", 5), ("v7", 7), ({"v5": OWN_NAMESPACE}, 5)], 3):
        world.change_mapping([plain(uuid=kind)])
        world.source_sql("INSERT INTO things VALUES (%s, 'new')", [number])
        world.source_sql("UPDATE things SET value = value || '+'")
        world.migrate(full=True)
        after = target_ids(world)
        assert after.pop(number).int >> 76 & 0xf == version
        assert after == before
        before = target_ids(world)
    same_things(world)


# --- numbers ----------------------------------------------------------------------------------------

NUMBERS = {
    "always": ("integer GENERATED ALWAYS AS IDENTITY (START 1000)", "integer"),
    "by default": ("bigint GENERATED BY DEFAULT AS IDENTITY (START 1000)", "bigint"),
    "serial": ("serial", "integer"),
    "smallserial": ("smallserial", "smallint"),
    "a sequence": ("""bigint DEFAULT (1000 + nextval('"Other s".q'))""", "bigint"),
}


@pytest.mark.parametrize("kind", NUMBERS)
def test_a_number_comes_from_the_sequence_of_the_key(pair, kind):
    key, type_name = NUMBERS[kind]
    world = pair(
        """CREATE TABLE parents (id integer PRIMARY KEY, value text); CREATE TABLE children (id bigint PRIMARY KEY, parent bigint, next bigint);
           INSERT INTO parents SELECT i * 7, i FROM generate_series(1, 30) AS i;
           INSERT INTO children SELECT i, 1 + i % 40, i + 1 FROM generate_series(1, 60) AS i""",
        f"""CREATE SCHEMA "Other s"; CREATE SEQUENCE "Other s".q;
            CREATE TABLE parents (id {key} PRIMARY KEY, legacy_id integer UNIQUE, value text);
            CREATE TABLE children (id {key} PRIMARY KEY, legacy_id bigint UNIQUE, next bigint REFERENCES children,
                                   parent {type_name} REFERENCES parents)""",
        entity("parents", {"value": "value"}),
        entity("children", {"parent": {"references": "parents", "from": "parent"},
                            "next": {"references": "children", "from": "next", "if_missing": "null"}}))
    world.source_sql("UPDATE children SET parent = (parent - 1) % 30 * 7 + 7")
    world.migrate(batch_size=7)
    joined = """SELECT c.legacy_id, p.legacy_id, p.value, n.legacy_id FROM children AS c JOIN parents AS p ON p.id = c.parent
                  LEFT JOIN children AS n ON n.id = c.next"""
    right = """SELECT c.id, p.id, p.value, n.id FROM children AS c JOIN parents AS p ON p.id = c.parent
                 LEFT JOIN children AS n ON n.id = c.next"""
    assert sorted(world.target_sql(joined)) == sorted(world.source_sql(right))
    before = target_ids(world, "children")
    # The application's own rows and ours never get the same number.
    world.target_sql("INSERT INTO parents (value) SELECT 'own' FROM generate_series(1, 5)")
    world.source_sql("UPDATE parents SET value = value || '!'; UPDATE children SET parent = 14 WHERE id < 9")
    world.source_sql("INSERT INTO parents SELECT 1000 + i, 'new' FROM generate_series(1, 5) AS i")
    world.migrate(batch_size=7)
    assert sorted(world.target_sql(joined)) == sorted(world.source_sql(right))
    assert target_ids(world, "children") == before
    assert dead_letters(world, "parents") == {}
    assert world.target.value("SELECT count(*) FROM parents") == world.source.value("SELECT count(*) FROM parents") + 5
    world.finds_nothing()


def test_an_application_without_a_word_on_the_key_goes_on_behind_us(pair):
    world = pair(PLAIN_SOURCE + "; INSERT INTO things SELECT i, i FROM generate_series(1, 9) AS i",
                 PLAIN_TARGET.replace("id uuid PRIMARY KEY", "id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY"), plain())
    world.migrate()
    world.target_sql("INSERT INTO things (value) VALUES ('own')")
    assert world.target.value("SELECT id FROM things WHERE value = 'own'") > max(
        id for legacy_id, id in target_ids(world).items() if legacy_id is not None)


# --- what cannot be minted -------------------------------------------------------------------------------

@pytest.mark.parametrize("key, rest, words", [
    ("text", {}, 'target column "id" is text, and only a UUID, or a number from the column\'s own sequence, can be minted'),
    ("integer", {}, 'target column "id" is integer without a sequence'),
    ("integer DEFAULT 7", {}, 'target column "id" is integer without a sequence'),
    ("text DEFAULT 'x' || nextval('q')", {}, 'target column "id" is text'),
    ("serial", {"uuid": "v7"}, 'target column "id" is integer and not a UUID: leave "uuid" out'),
])
def test_a_key_that_cannot_be_minted_is_refused(pair, key, rest, words):
    world = pair(PLAIN_SOURCE, "CREATE SEQUENCE q; " + PLAIN_TARGET.replace("id uuid", f"id {key}"), plain(**rest))
    (problem,) = world.problems()
    assert words in problem


def test_a_sequence_that_our_role_may_not_use_is_named(databases, start_daemon):
    databases.source_sql(PLAIN_SOURCE)
    databases.target_sql(PLAIN_TARGET.replace("id uuid", "id serial"))
    role = databases.target.name + "_role"
    databases.target_sql(f"CREATE ROLE {role} LOGIN; GRANT CREATE, TEMPORARY ON DATABASE {databases.target.name} TO {role};"
                         f"GRANT SELECT, INSERT, UPDATE, DELETE ON things TO {role}")
    try:
        daemon = start_daemon(databases, entities=[plain()], target=databases.target.conninfo.replace("user=postgres", f"user={role}"))
        (problem,) = problems(daemon)
        assert "our role may not use sequence public.things_id_seq" in problem
        assert "GRANT USAGE ON SEQUENCE public.things_id_seq" in problem
        daemon.stop()
    finally:
        databases.target_sql(f"DROP OWNED BY {role}; DROP ROLE {role}")
