"""The checks of a validation, each difference planted behind the daemon's back: found are exactly those, by kind and key.

They are made as a step of a session, before its rows are carried. What is planted is plain SQL over both databases, and what must be found
follows from that alone.
"""

import pytest

from mapping import entity
from planted import ENTITIES, PATIENTS_TABLE, SOURCE, TARGET, checks, difference, expected, found
from sessions import dead_letters, parked

ALL = ["counts", "references", "mappings", "rules"]


@pytest.fixture
def make(pair):
    def make(*names, source=SOURCE, target=TARGET, entities=ENTITIES, **settings):
        world = pair(source, target, *entities, validate_steps="before", validate_checks=list(names or ALL), **settings)
        world.migrate()
        world.accounted = False  # what is planted spoils it
        return world

    return make


def look(world):
    """What a session finds before it does anything."""
    world.migrate()
    return found(world)


# --- what is no difference --------------------------------------------------------------------------------

def test_nothing_planted_is_nothing_found(make):
    world = make()
    assert look(world) == []
    assert {check[0] for check in checks(world).values()} == {"done"}
    assert checks(world)["patients", "counts"][2:] == (80, 0, 0)  # both sides' rows
    assert checks(world)["visits", "counts"][2:] == (20, 0, 0)  # which carry no key in the target


def test_rows_of_others_are_no_difference(make):
    world = make()
    world.target_sql(f"""
        INSERT INTO offices (name) VALUES ('native');
        INSERT INTO {PATIENTS_TABLE} (name, office_id) SELECT 'native', id FROM offices WHERE name = 'native';
        INSERT INTO {PATIENTS_TABLE} (name, office_id, "Legacy region") VALUES ('half a key', gen_random_uuid(), 'r''1');
        INSERT INTO notes (body, about_id, legacy_note) VALUES ('by hand', 'nowhere', 'no number'), ('by hand', NULL, '12345678901234567890123');
        INSERT INTO visits SELECT gen_random_uuid(), gen_random_uuid()""")
    assert look(world) == []


def test_what_waits_is_no_difference(make):
    world = make()
    world.source_sql("""
        INSERT INTO office VALUES (9, 'new'); UPDATE office SET name = 'other' WHERE id = 2; DELETE FROM office WHERE id = 3;
        INSERT INTO "Odd ""patient" VALUES (41, 'r', 9, NULL, NULL, 'new');
        DELETE FROM visit WHERE office_id = 2""")
    waiting = world.source_sql("SELECT count(*) FROM visit")[0][0]
    assert look(world) == []
    assert checks(world)["offices", "counts"][3] == 2 and checks(world)["patients", "counts"][3] == 1
    assert (checks(world)["visits", "counts"][2:4], waiting) == ((17, 0), 17)
    assert look(world) == []  # an office is marked now
    assert world.target_sql("SELECT count(*) FROM offices WHERE NOT is_active") == [(1,)]


def test_what_was_set_aside_is_no_difference(make):
    world = make()
    world.target_sql("ALTER TABLE notes ADD CHECK (body <> 'bad')")
    world.source_sql("""UPDATE note SET body = 'bad' WHERE id IN (2, 3); UPDATE note SET about_id = 99 WHERE id = 4;
                        INSERT INTO note VALUES (31, 'office', 99, 'waits')""")
    world.migrate()
    assert (set(dead_letters(world, "notes")), set(parked(world, "notes"))) == ({"2", "3"}, {"4", "31"})
    world.target_sql("DELETE FROM notes WHERE legacy_note IN ('2', '4')")
    assert look(world) == []
    assert checks(world)["notes", "counts"][3] == 4


# --- mappings ---------------------------------------------------------------------------------------------

def swap(world, table, id_map, one, other, columns="t1"):
    world.target_sql(f"""UPDATE migrated.{id_map} AS m SET {columns} = o.{columns}
                           FROM migrated.{id_map} AS o WHERE (m.k1, o.k1) IN (({one}, {other}), ({other}, {one}))""")


def test_mappings_that_lead_nowhere_are_dangling(make):
    world = make("mappings")
    world.target_sql(f"""
        DELETE FROM offices WHERE legacy_id IN (2, 5);
        DELETE FROM {PATIENTS_TABLE} WHERE "Legacy ""id" = 7;
        DELETE FROM notes WHERE legacy_note = '30';
        DELETE FROM visits WHERE patient_id = (SELECT t1 FROM migrated.id_map_patients WHERE k1 = 11);
        UPDATE migrated.id_map_doctors SET t1 = 4711 WHERE k1 = 8""")
    assert look(world) == expected(
        difference("offices", "mappings", "dangling", 2), difference("offices", "mappings", "dangling", 5),
        difference("patients", "mappings", "dangling", 7, "r'1"), difference("notes", "mappings", "dangling", 30),
        difference("visits", "mappings", "dangling", 4, 11, "r'1"), difference("doctors", "mappings", "dangling", 8))


def test_rows_that_the_id_map_does_not_know_are_unmapped(make):
    world = make("mappings")
    world.target_sql(f"""
        INSERT INTO offices (legacy_id, name) VALUES (77, 'who?');
        INSERT INTO doctors (id, legacy_id) VALUES (4711, 5000000000);
        INSERT INTO {PATIENTS_TABLE} ("Legacy ""id", "Legacy region") VALUES (7, 'nowhere');
        INSERT INTO notes (legacy_note) VALUES ('99'), ('not a number')""")
    assert look(world) == expected(
        difference("offices", "mappings", "unmapped", 77), difference("doctors", "mappings", "unmapped", 5000000000),
        difference("patients", "mappings", "unmapped", 7, "nowhere"), difference("notes", "mappings", "unmapped", 99))


def test_two_for_one_are_duplicates(make):
    world = make("mappings")
    world.target_sql(f"""
        INSERT INTO offices (legacy_id, name) VALUES (3, 'a second one');
        INSERT INTO {PATIENTS_TABLE} ("Legacy ""id", "Legacy region") VALUES (7, 'r''1');
        INSERT INTO notes (legacy_note) VALUES ('12'), ('12'), ('0012');
        UPDATE migrated.id_map_doctors SET t1 = (SELECT t1 FROM migrated.id_map_doctors WHERE k1 = 1) WHERE k1 = 2""")
    assert look(world) == expected(
        difference("offices", "mappings", "duplicate", 3), difference("patients", "mappings", "duplicate", 7, "r'1"),
        *[difference("notes", "mappings", "duplicate", 12)] * 3, difference("doctors", "mappings", "duplicate", 2))


def test_mappings_to_the_row_of_another_key_are_swapped(make):
    world = make("mappings")
    swap(world, "offices", "id_map_offices", 2, 5)
    swap(world, PATIENTS_TABLE, "id_map_patients", 7, 9, "k2")  # both r'1: nothing changes
    swap(world, PATIENTS_TABLE, "id_map_patients", 7, 10)
    world.target_sql("UPDATE doctors SET legacy_id = NULL WHERE legacy_id = 4; UPDATE notes SET legacy_note = '0007' WHERE legacy_note = '7'")
    world.target_sql("UPDATE doctors SET legacy_id = 99 WHERE legacy_id = 6")
    assert look(world) == expected(
        difference("offices", "mappings", "swapped", 2), difference("offices", "mappings", "swapped", 5),
        difference("patients", "mappings", "swapped", 7, "r'1"), difference("patients", "mappings", "swapped", 10, "r'0"),
        difference("doctors", "mappings", "swapped", 4), difference("doctors", "mappings", "swapped", 6))


def test_minted_keys_without_a_legacy_key_lead_to_a_row_each(make):
    world = make("mappings", source="CREATE TABLE things (id integer PRIMARY KEY, value text); INSERT INTO things SELECT n FROM generate_series(1, 9) AS n",
                 target="CREATE TABLE things (id uuid PRIMARY KEY, value text)", entities=[entity("things", {"value": "value"}, legacy_key=None)])
    assert look(world) == []
    world.target_sql("UPDATE migrated.id_map_things SET t1 = (SELECT t1 FROM migrated.id_map_things WHERE k1 = 3) WHERE k1 IN (5, 7)")
    assert look(world) == expected(difference("things", "mappings", "duplicate", 5), difference("things", "mappings", "duplicate", 7))


# --- counts -----------------------------------------------------------------------------------------------

def test_rows_that_were_carried_and_are_not_there_are_missing(make):
    world = make("counts")
    world.target_sql(f"""
        DELETE FROM offices WHERE legacy_id = 4;
        DELETE FROM {PATIENTS_TABLE} WHERE "Legacy ""id" IN (7, 40);
        DELETE FROM visits WHERE patient_id = (SELECT t1 FROM migrated.id_map_patients WHERE k1 = 11)""")
    world.source_sql("UPDATE office SET name = 'waits' WHERE id = 1")
    assert look(world) == expected(
        difference("offices", "counts", "missing", 4), difference("patients", "counts", "missing", 7, "r'1"),
        difference("patients", "counts", "missing", 40, "r'0"), difference("visits", "counts", "missing", 4, 11, "r'1"))


def test_rows_beyond_those_that_were_carried_are_extra(make):
    world = make("counts")
    world.target_sql(f"""
        INSERT INTO offices (legacy_id) VALUES (3), (77);
        INSERT INTO {PATIENTS_TABLE} ("Legacy ""id", "Legacy region") VALUES (7, 'nowhere');
        CREATE TABLE kept AS SELECT * FROM doctors WHERE legacy_id = 8""")
    swap(world, "notes", "id_map_notes", 2, 4)  # their number is right
    world.source_sql("DELETE FROM note WHERE about = 'doctor'; DELETE FROM doctor WHERE id = 8")
    world.migrate()
    world.target_sql("INSERT INTO doctors SELECT * FROM kept")  # a row that was deleted is back
    assert look(world) == expected(
        difference("offices", "counts", "extra", 3), difference("offices", "counts", "extra", 77),
        difference("patients", "counts", "extra", 7, "nowhere"), difference("doctors", "counts", "extra", 8))


def test_keys_of_a_query_that_are_several_or_none_are_differences(make):
    world = make("counts", source="CREATE TABLE raw (id integer, value text); INSERT INTO raw VALUES (1, 'a'), (2, 'b'), (3, 'c')",
                 target="CREATE TABLE things (id uuid PRIMARY KEY, legacy_id integer UNIQUE, value text)",
                 entities=[entity("things", {"value": "value"}, source={"query": "SELECT id, value FROM raw"})])
    assert look(world) == []
    world.source_sql("INSERT INTO raw VALUES (2, 'b'), (2, 'b'), (NULL, 'd')")
    assert look(world) == expected(difference("things", "counts", "missing", columns=["id"]),
                                    *[difference("things", "counts", "duplicate", 2, columns=["id"])] * 2)


# --- references -------------------------------------------------------------------------------------------

def test_references_to_rows_that_are_not_there_are_orphans(make):
    world = make("references")
    world.target_sql(f"""
        UPDATE {PATIENTS_TABLE} SET office_id = gen_random_uuid() WHERE "Legacy ""id" = 3;
        DELETE FROM {PATIENTS_TABLE} WHERE "Legacy ""id" = 38;
        UPDATE notes SET about_id = 'nowhere' WHERE legacy_note = '6';
        DELETE FROM doctors WHERE legacy_id = 4;
        UPDATE visits SET office_id = gen_random_uuid() WHERE patient_id = (SELECT t1 FROM migrated.id_map_patients WHERE k1 = 2)""")
    world.target_sql("UPDATE migrated.id_map_visits AS m SET t1 = v.office_id FROM visits AS v WHERE v.patient_id = m.t2")
    about = [n for (n,) in world.source_sql("SELECT id FROM note WHERE about = 'doctor' AND about_id = 4")]
    assert len(about) == 4
    assert look(world) == expected(
        difference("patients", "references", "orphan", 3, "r'1", columns=["office_id"]),
        difference("patients", "references", "orphan", 40, "r'0", columns=["friend_id"]),
        difference("notes", "references", "orphan", 6, columns=["about_id"]),
        *[difference("notes", "references", "orphan", n, columns=["about_id"]) for n in about],
        difference("visits", "references", "orphan", 3, 2, "r'0", columns=["office_id"]))


def test_rows_of_others_that_refer_to_ours_are_orphans_when_those_are_gone(make):
    world = make("references")
    world.target_sql(f"""
        INSERT INTO {PATIENTS_TABLE} (name, office_id, friend_id) SELECT 'native', id, gen_random_uuid() FROM offices WHERE legacy_id = 5;
        INSERT INTO notes (body, about_id) SELECT 'native', id::text FROM doctors WHERE legacy_id = 2""")
    assert look(world) == []
    world.source_sql("DELETE FROM note WHERE about = 'doctor' AND about_id = 2; DELETE FROM doctor WHERE id = 2")
    world.migrate()
    assert look(world) == [difference("notes", "references", "orphan", columns=["about_id"])]
    assert world.target_sql("SELECT count(*) FROM migrated.validation_difference WHERE legacy_key IS NULL AND target_key IS NOT NULL") == [(1,)]


# --- rules ------------------------------------------------------------------------------------------------

RULED = entity("offices", {"name": "name"}, source="office", on_delete={"mark": {"is_active": False}}, rules={
    "named": {"after": "target.name <> 'nameless'", "action": "reject"},
    "active": {"after": "is_active", "action": "reject"},
    "short": {"after": "length(name) < 20", "action": "warn"},
    "clean": {"before": "name NOT LIKE '%dirt%'", "action": "warn"},
    "legible": {"before": "name <> 'scribble'", "action": "reject"},
})
LONG = "a name of some length, or more"


def test_rows_that_break_a_rule_are_found(make):
    world = make("rules", entities=[RULED])
    world.source_sql(f"UPDATE office SET name = '{LONG}' WHERE id = 1; UPDATE office SET name = 'dirt ' || id WHERE id IN (2, 3)")
    world.source_sql("UPDATE office SET name = 'scribble' WHERE id IN (4, 5); DELETE FROM office WHERE id = 8")
    world.migrate()
    assert look(world) == []  # warnings are known, what was refused is set aside, and what is gone is asked nothing
    world.target_sql(f"""
        UPDATE offices SET name = 'nameless' WHERE legacy_id = 6;
        UPDATE offices SET name = '{LONG}', is_active = false WHERE legacy_id = 7;
        INSERT INTO offices (name, is_active) VALUES ('nameless', false);
        DELETE FROM migrated.rule_finding WHERE rule = 'clean' AND legacy_key = '{{3}}';
        UPDATE migrated.id_map_offices AS m SET h1 = d.h1, h2 = d.h2 FROM migrated.dead_letter AS d WHERE m.k1 = 4 AND d.legacy_key = '{{4}}';
        DELETE FROM migrated.dead_letter WHERE legacy_key = '{{4}}'""")
    assert look(world) == expected(
        difference("offices", "rules", "rule", 6, name="named"), difference("offices", "rules", "rule", 7, name="short"),
        difference("offices", "rules", "rule", 7, name="active"), difference("offices", "rules", "rule", 3, name="clean"),
        difference("offices", "rules", "rule", 4, name="legible"))


# --- large tables, and what cannot be checked ---------------------------------------------------------------

def test_large_tables_are_checked_in_chunks_and_only_so_many_differences_are_kept(make):
    world = make(source=f"{SOURCE}; INSERT INTO note SELECT n, 'office', 1 + n % 8, 'n' FROM generate_series(31, 12000) AS n",
                 validation_keep_differences=20)
    world.target_sql("DELETE FROM notes WHERE legacy_note::bigint % 400 = 7; UPDATE notes SET about_id = 'x' WHERE legacy_note = '11999'")
    missing = world.source_sql("SELECT count(*) FROM note WHERE id % 400 = 7")[0][0]
    world.migrate()
    state = checks(world)
    assert (state["notes", "counts"], state["notes", "mappings"], state["notes", "references"]) == (
        ("done", None, 24000 - missing, 0, missing), ("done", None, 24000 - missing, 0, missing), ("done", None, 12000 - missing, 0, 1))
    kept = world.target_sql("""SELECT "check", count(*), count(DISTINCT legacy_key) FROM migrated.validation_difference
                                WHERE entity = 'notes' GROUP BY 1 ORDER BY 1""")
    assert kept == [("counts", 20, 20), ("mappings", 20, 20), ("references", 1, 1)] and missing == 30


def test_what_cannot_be_checked_is_unchecked_and_not_a_pass(make):
    world = make()
    assert {check[:2] for check in checks(world).values()} == {("unchecked", "it has not been migrated yet")}
    world.change_mapping([{**ENTITIES[0], "columns": {"name": {"sql": "upper(name)"}}}, *ENTITIES[1:]])
    world.migrate()
    state = checks(world)
    assert state["offices", "counts"][:2] == ("unchecked", "its mapping has changed since it was migrated; "
                                              "the next session reads all of it anew")
    assert state["doctors", "counts"][0] == "done"


# --- several chunks ---------------------------------------------------------------------------------------

MANY = 12_000  # the first chunk is of 5,000 rows, the next of up to twice as many
MISSING = (("counts", "missing"), ("mappings", "dangling"))


def test_what_lies_in_another_chunk_is_told_from_what_is_not_there(make):
    """Keys that are in the same order on both sides, keys that may not be, and none in the target."""
    world = make("counts", "mappings",
                 source=f"""
                     CREATE TABLE numbers (id bigint PRIMARY KEY, value text);
                     INSERT INTO numbers SELECT n - 600, n FROM generate_series(1, {MANY}) AS n;
                     CREATE TABLE words (id text PRIMARY KEY, value text);
                     INSERT INTO words SELECT CASE n % 2 WHEN 0 THEN 'w' ELSE 'W' END || n, n FROM generate_series(1, {MANY}) AS n;
                     CREATE TABLE pairs (a smallint, b integer, value text, PRIMARY KEY (a, b));
                     INSERT INTO pairs SELECT n % 3, n, n FROM generate_series(1, {MANY}) AS n;
                     CREATE TABLE bare (id integer PRIMARY KEY, value text);
                     INSERT INTO bare SELECT n, n FROM generate_series(1, {MANY}) AS n""",
                 target="""
                     CREATE TABLE numbers (id uuid PRIMARY KEY, legacy_id integer UNIQUE, value text);
                     CREATE TABLE words (id uuid PRIMARY KEY, legacy_id text UNIQUE, value text);
                     CREATE TABLE pairs (id uuid PRIMARY KEY, legacy_a integer, legacy_b bigint, value text, UNIQUE (legacy_a, legacy_b));
                     CREATE TABLE bare (id uuid PRIMARY KEY, value text)""",
                 entities=[entity("numbers", {"value": "value"}), entity("words", {"value": "value"}),
                           entity("pairs", {"value": "value"}, key=["a", "b"], legacy_key=["legacy_a", "legacy_b"]),
                           entity("bare", {"value": "value"}, legacy_key=None)])
    assert look(world) == []
    for name, column, first, second in (("numbers", "legacy_id", "7", "11000"), ("words", "legacy_id", "'w10'", "'W11999'")):
        world.target_sql(f"""
            UPDATE {name} SET {column} = NULL WHERE value IN ('100', '200');
            UPDATE migrated.id_map_{name} AS m SET t1 = o.t1 FROM migrated.id_map_{name} AS o
             WHERE (m.k1, o.k1) IN (({first}, {second}), ({second}, {first}));
            DELETE FROM {name} WHERE value IN ('5000', '9000')""")
    world.target_sql(f"""
        INSERT INTO numbers VALUES (gen_random_uuid(), 2147483647, 'far'), (gen_random_uuid(), NULL, 'none');
        UPDATE numbers SET legacy_id = 2000000 WHERE value = '300';
        INSERT INTO words VALUES (gen_random_uuid(), 'zzz', 'far');
        UPDATE pairs SET legacy_a = 2 - legacy_a WHERE legacy_b = 8000;
        UPDATE pairs SET legacy_b = 40000 WHERE legacy_b = 10;
        DELETE FROM pairs WHERE legacy_b IN (1, {MANY});
        DELETE FROM bare WHERE value IN ('3', '{MANY}')""")
    assert look(world) == expected(
        *[difference("numbers", check, kind, int(key) - 600) for key in ("5000", "9000") for check, kind in MISSING],
        *[difference("numbers", "mappings", "swapped", key) for key in (7, 11000, -500, -400, -300)],
        difference("numbers", "counts", "extra", 2147483647), difference("numbers", "mappings", "unmapped", 2147483647),
        *[difference("words", check, kind, key) for key in ("w5000", "w9000") for check, kind in MISSING],
        *[difference("words", "mappings", "swapped", key) for key in ("w10", "W11999", "w100", "w200")],
        difference("words", "counts", "extra", "zzz"), difference("words", "mappings", "unmapped", "zzz"),
        *[difference("pairs", check, kind, key % 3, key) for key in (1, MANY) for check, kind in MISSING],
        difference("pairs", "mappings", "swapped", 8000 % 3, 8000), difference("pairs", "mappings", "swapped", 1, 10),
        *[difference("bare", check, kind, key) for key in (3, MANY) for check, kind in MISSING])
