"""The clinic's migration, whole and then only what changed, and what becomes of each sort of dirt."""

import json
import re

import pytest

from sessions import (counts, dead_letters, detect, migrate, parked, row_versions, wait_until_reached)

# With an even number of jaws: in a clean clinic of this size every jaw has its order.
SMALL = 0.11


# --- the whole, and days after it -----------------------------------------------------------------

def test_initial_load_arrives_whole(clinic, daemon):
    session = migrate(daemon)
    clinic.oracle()
    assert session.mode == "initial"
    assert session.done == session.total == sum(entity["done"] for entity in session.entities.values())
    assert {entity["status"] for entity in session.entities.values()} == {"completed"}
    assert session.percent == 100
    baselines = daemon.call("Analyze")["entities"]
    for baseline in baselines:
        set_aside = (len(dead_letters(clinic, baseline["entity"])) + len(parked(clinic, baseline["entity"])))
        assert (baseline["unmapped"], baseline["gap"], baseline["orphaned"]) == (set_aside, set_aside, 0), baseline
        assert baseline["status"] == ("behind" if set_aside else "synced")
        assert baseline["last_migrated"] is not None


def test_three_days_of_changes_are_followed(make_clinic, start_daemon):
    clinic = make_clinic(loaded=True)
    daemon = start_daemon(clinic)
    for day in (1, 2, 3):
        clinic.day(seed=day)
        session = migrate(daemon)
        assert session.mode == "differential"
        clinic.oracle()


def test_a_second_run_finds_nothing_and_writes_nothing(make_clinic, start_daemon):
    clinic = make_clinic(loaded=True)
    daemon = start_daemon(clinic)
    before = row_versions(clinic.target)
    analysis = detect(daemon)
    assert (analysis.new, analysis.modified, analysis.deleted) == (0, 0, 0)
    session = migrate(daemon)
    assert sum(inserted + updated + deleted
               for inserted, updated, deleted, _, _ in counts(clinic, session.session).values()) == 0
    assert row_versions(clinic.target) == before


def test_full_on_a_migrated_target_rewrites_nothing(make_clinic, start_daemon):
    clinic = make_clinic(loaded=True)
    daemon = start_daemon(clinic)
    before = row_versions(clinic.target)
    session = migrate(daemon, full=True)
    assert session.mode == "full"
    assert session.entities["patients"]["done"] == clinic.source.value("SELECT count(*) FROM dispatch_patient")
    assert row_versions(clinic.target) == before
    clinic.oracle()


def test_full_notices_deletions_and_changes(make_clinic, start_daemon):
    clinic = make_clinic(loaded=True)
    daemon = start_daemon(clinic)
    clinic.day(seed=5)
    session = migrate(daemon, full=True)
    assert session.entities["case_files"]["deleted"] > 0
    clinic.oracle()


def test_only_the_named_entities_are_migrated(make_clinic, start_daemon):
    clinic = make_clinic(scale=SMALL)
    daemon = start_daemon(clinic)
    wait_until_reached(daemon)
    daemon.ctl("migrate", "--entities", "offices,products", "--wait", "--quiet")
    filled = {name for name, entity in daemon_tables(clinic).items() if entity}
    assert filled == {"offices", "products"}
    migrate(daemon)
    clinic.oracle()


def test_children_of_an_excluded_parent_wait_and_follow_it(make_clinic, start_daemon):
    clinic = make_clinic(scale=SMALL)
    daemon = start_daemon(clinic)
    wait_until_reached(daemon)
    daemon.ctl("migrate", "--exclude", "patients", "--wait", "--quiet")
    tables = daemon_tables(clinic)
    assert tables["patients"] == tables["orders"] == tables["cases"] == 0
    assert tables["doctors"] > 0 and tables["jaws"] == 0
    assert clinic.target.value("SELECT count(*) FROM migrated.parked WHERE entity = 'orders'") > 0
    migrate(daemon)
    clinic.oracle()


def daemon_tables(clinic):
    names = [name for (name,) in clinic.target_sql("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")]
    return {name: clinic.target.value(f"SELECT count(*) FROM {name}") for name in names}


@pytest.mark.parametrize("parameters", [
    {"batch_size": 7},
    {"parallel": 1},
    {"parallel": 4, "batch_size": 100},
], ids=["batches of seven", "one at a time", "four at a time"])
def test_the_outcome_does_not_depend_on_how_it_is_cut(make_clinic, start_daemon, parameters):
    clinic = make_clinic(scale=SMALL)
    daemon = start_daemon(clinic)
    session = migrate(daemon, **parameters)
    assert session.done == session.total
    clinic.oracle()
    clinic.day(seed=2)
    migrate(daemon, **parameters)
    clinic.oracle()


# --- analyses -------------------------------------------------------------------------------------

@pytest.fixture
def small(make_clinic):
    return make_clinic(scale=SMALL, loaded=True)


@pytest.fixture
def small_daemon(small, start_daemon):
    return wait_until_reached(start_daemon(small))


def phone_of_patient(clinic, legacy_key):
    return clinic.target.value(
        "SELECT contact ->> 'phone' FROM patients WHERE legacy_patient_id = %s", [legacy_key])


def two_patients(clinic):
    return [key for (key,) in clinic.target_sql(
        "SELECT legacy_patient_id FROM patients WHERE legacy_patient_id IS NOT NULL ORDER BY 1 LIMIT 2")]


def set_phone(clinic, legacy_key, phone):
    clinic.source_sql("UPDATE dispatch_patient SET phone = %s WHERE id = %s", [phone, legacy_key])


@pytest.mark.parametrize("length", [8, 36])
def test_an_analysis_is_carried_out_exactly(small, small_daemon, length):
    first, second = two_patients(small)
    set_phone(small, first, "first")
    analysis = detect(small_daemon)
    assert (analysis.entities["patients"]["modified"], analysis.modified) == (1, 1)
    set_phone(small, second, "second")
    detect(small_daemon)
    session = migrate(small_daemon, analysis=analysis.analysis[:length])
    assert session.analysis == analysis.analysis
    assert phone_of_patient(small, first) == "first"
    assert phone_of_patient(small, second) != "second"
    migrate(small_daemon)
    assert phone_of_patient(small, second) == "second"
    small.oracle()


def test_the_last_analysis_is_the_default(small, small_daemon):
    set_phone(small, two_patients(small)[0], "changed")
    detect(small_daemon)
    analysis = detect(small_daemon)
    assert migrate(small_daemon).analysis == analysis.analysis
    assert migrate(small_daemon).analysis != analysis.analysis
    small.oracle()


def test_an_analysis_of_some_entities_is_no_default_for_all(small, small_daemon):
    set_phone(small, two_patients(small)[0], "changed")
    analysis = detect(small_daemon, entities=["offices"])
    assert migrate(small_daemon).analysis != analysis.analysis
    small.oracle()


def test_an_applied_analysis_copies_the_rows_present_state(small, small_daemon):
    patient = two_patients(small)[0]
    set_phone(small, patient, "as detected")
    detect(small_daemon)
    set_phone(small, patient, "as applied")
    migrate(small_daemon)
    assert phone_of_patient(small, patient) == "as applied"


def test_a_row_that_is_back_before_its_deletion_is_carried_out_stays(small, small_daemon):
    comment = small.source_sql("SELECT * FROM dispatch_comment WHERE id IN (SELECT min(id) FROM dispatch_comment)")[0]
    small.source_sql("DELETE FROM dispatch_comment WHERE id = %s", [comment[0]])
    assert detect(small_daemon).entities["comments"]["deleted"] == 1
    small.source_sql(f"INSERT INTO dispatch_comment VALUES ({', '.join(['%s'] * len(comment))})", comment)
    migrate(small_daemon)
    small.oracle()


def test_unknown_and_ambiguous_analyses_are_refused(small, small_daemon):
    small.target_sql("""
        INSERT INTO migrated.analysis (analysis, finished_at)
        VALUES ('abcd0000-0000-4000-8000-000000000001', now()),
               ('abcd0000-0000-4000-8000-000000000002', now())""")
    unknown = small_daemon.ctl("migrate", "--analysis-id", "00000000", check=False)
    assert unknown.returncode == 4
    assert "no analysis" in unknown.stderr
    ambiguous = small_daemon.ctl("migrate", "--analysis-id", "abcd0000", check=False)
    assert ambiguous.returncode == 2
    assert "more than one analysis" in ambiguous.stderr
    assert small.target.value("SELECT count(*) FROM migrated.session WHERE state <> 'completed'") == 0


# --- dirt, one sort at a time ---------------------------------------------------------------------

class Clean:
    """A small clinic without dirt, in which each test makes its own."""

    def __init__(self, clinic, daemon):
        self.clinic = clinic
        self.daemon = daemon
        self.source_sql = clinic.source_sql
        self.target_sql = clinic.target_sql
        self.source = clinic.source
        self.target = clinic.target

    def migrate(self, **parameters):
        return migrate(self.daemon, **parameters)

    def nothing_else_is_wrong(self):
        self.clinic.oracle()


@pytest.fixture
def clean(make_clinic, start_daemon):
    clinic = make_clinic(scale=SMALL, clean=1)
    return Clean(clinic, start_daemon(clinic))


@pytest.fixture
def clean_loaded(make_clinic, start_daemon):
    clinic = make_clinic(scale=SMALL, clean=1, loaded=True)
    return Clean(clinic, start_daemon(clinic))


def test_a_clean_clinic_leaves_nobody_behind(clean):
    session = clean.migrate()
    assert (session.failed, session.parked) == (0, 0)
    assert clean.target.value("SELECT count(*) FROM migrated.dead_letter") == 0
    clean.nothing_else_is_wrong()


def test_of_two_addresses_that_differ_in_case_one_arrives(clean):
    clean.source_sql("UPDATE auth_user SET email = 'One@clinic.example' WHERE id = 3")
    clean.source_sql("UPDATE auth_user SET email = 'oNE@clinic.example' WHERE id = 4")
    clean.migrate()
    arrived = clean.target_sql("SELECT legacy_user_id::text FROM profiles WHERE email = 'one@clinic.example'")
    assert len(arrived) == 1
    (refused,) = {"3", "4"} - {arrived[0][0]}
    letters = dead_letters(clean, "profiles")
    assert set(letters) == {refused}
    assert letters[refused][:2] == ("23505", "profiles_email_key")
    clean.nothing_else_is_wrong()


def test_two_addresses_are_told_apart_once_one_is_repaired(clean):
    clean.source_sql("UPDATE auth_user SET email = 'same@clinic.example' WHERE id IN (3, 4)")
    clean.migrate()
    (refused,) = dead_letters(clean, "profiles")
    (arrived,) = {"3", "4"} - {refused}
    # The other row is repaired, not the refused one: it has not changed, and still it is tried again.
    clean.source_sql("UPDATE auth_user SET email = 'other@clinic.example' WHERE id = %s", [arrived])
    clean.migrate()
    assert dead_letters(clean, "profiles") == {}
    assert set(dead_letters(clean, "profiles", "resolved")) == {refused}
    clean.nothing_else_is_wrong()


def test_invalid_json_is_treated_as_its_rule_says(clean):
    clean.source_sql("UPDATE dispatch_instance SET data = '{''a'': 1}' WHERE id = 1")         # null
    clean.source_sql("UPDATE dispatch_file SET meta = 'a=1;b=\"2\"' WHERE id = 1")            # wrap
    clean.source_sql("UPDATE dispatch_treatment_plan SET plan = '{\"a\": [1, 2' WHERE id = 1")  # dead_letter
    clean.migrate()
    assert clean.target_sql("SELECT details FROM cases WHERE legacy_instance_id = 1") == [(None,)]
    assert clean.target_sql("SELECT metadata FROM files WHERE legacy_file_id = 1") == [('a=1;b="2"',)]
    assert clean.target_sql("SELECT id FROM treatment_plans WHERE legacy_treatment_plan_id = 1") == []
    letter = dead_letters(clean, "treatment_plans")["1"]
    assert (letter[0], letter[2]) == ("22P02", "plan")
    clean.nothing_else_is_wrong()


@pytest.mark.parametrize("entity, statement, sqlstate, column", [
    ("patients", "UPDATE dispatch_patient SET birth_date = '31/02/1980' WHERE id = 5", "22008", None),
    ("patients", "UPDATE dispatch_patient SET birth_date = 'unknown' WHERE id = 5", "22007", None),
    ("products", "UPDATE dispatch_product SET price = 'on request' WHERE id = 5", "22P02", None),
    ("patients", "UPDATE dispatch_patient SET insurance_number = repeat('9', 21) WHERE id = 5", "22001", None),
    ("orders", "UPDATE dispatch_instruction SET price = 99999999999 WHERE id = 5", "22003", None),
    ("patients", "UPDATE dispatch_patient SET last_name = NULL WHERE id = 5", "23502", "last_name"),
    ("orders", "UPDATE dispatch_instruction SET patient_id = NULL WHERE id = 5", "23502", "patient_id"),
    ("technicians", "UPDATE dispatch_agent SET role_code = 77 WHERE id = 5", "22000", "role"),
    ("cases", "UPDATE dispatch_instance SET finished_at = started_at - interval '1 day' WHERE id = 5", "23514", None),
    ("comments", "UPDATE dispatch_comment SET user_id = 999999 WHERE id = 5", "23503", "profile_id"),
])
def test_a_bad_row_is_set_aside_and_comes_when_it_is_repaired(clean, entity, statement, sqlstate, column):
    table = statement.split()[1]
    (good,) = clean.source_sql(f"SELECT * FROM {table} WHERE id = 5")
    columns = [name for (name,) in clean.source_sql(
        f"SELECT attname FROM pg_attribute WHERE attrelid = '{table}'::regclass AND attnum > 0 ORDER BY attnum")]
    clean.source_sql(statement)
    clean.migrate()
    letters = dead_letters(clean, entity)
    assert set(letters) == {"5"}
    assert letters["5"][0] == sqlstate
    if column:
        assert letters["5"][2] == column
    clean.nothing_else_is_wrong()
    assignments = ", ".join(f"{name} = %s" for name in columns)
    clean.source_sql(f"UPDATE {table} SET {assignments} WHERE id = 5", good)
    clean.migrate()
    assert dead_letters(clean, entity) == {}
    assert set(dead_letters(clean, entity, "resolved")) == {"5"}
    assert clean.target.value("SELECT count(*) FROM migrated.parked") == 0
    clean.nothing_else_is_wrong()


def test_a_row_that_turned_bad_stays_as_it_was(clean_loaded):
    clean = clean_loaded
    name = clean.target.value("SELECT last_name FROM patients WHERE legacy_patient_id = 5")
    clean.source_sql("UPDATE dispatch_patient SET birth_date = 'unknown', last_name = 'Changed' WHERE id = 5")
    assert clean.migrate().failed == 1
    assert clean.target.value("SELECT last_name FROM patients WHERE legacy_patient_id = 5") == name
    assert detect(clean.daemon).modified == 0
    clean.source_sql("UPDATE dispatch_patient SET birth_date = '1980-02-28' WHERE id = 5")
    clean.migrate()
    assert dead_letters(clean, "patients") == {}
    clean.nothing_else_is_wrong()


def test_an_orphan_is_parked_with_its_parents_name_and_follows_it(clean):
    clean.source_sql("UPDATE dispatch_instance SET instruction_id = 1000000007 WHERE id IN (2, 3)")
    clean.migrate()
    waiting = ("order_id", "orders", "1000000007")
    assert parked(clean, "cases") == {"2": waiting, "3": waiting}
    assert dead_letters(clean, "cases") == {}
    grandchildren = parked(clean, "case_states")
    assert all(parent == ("case_id", "cases", parent[2]) and parent[2] in ("2", "3")
               for parent in grandchildren.values())
    clean.nothing_else_is_wrong()
    clean.source_sql("""
        INSERT INTO dispatch_instruction (id, patient_id, office_id, status, priority, quantity, is_test, created_at)
        VALUES (1000000007, 1, 1, 1, 1, 1, false, now())""")
    clean.migrate()
    assert clean.target.value("SELECT count(*) FROM migrated.parked") == 0
    clean.nothing_else_is_wrong()


def test_an_orphan_that_is_deleted_waits_no_longer(clean):
    clean.source_sql("UPDATE dispatch_payment SET instruction_id = 1000000007 WHERE id = 2")
    clean.migrate()
    assert set(parked(clean, "payments")) == {"2"}
    clean.source_sql("DELETE FROM dispatch_payment WHERE id = 2")
    clean.migrate()
    assert parked(clean, "payments") == {}
    clean.nothing_else_is_wrong()


def test_odd_timestamps_arrive_as_they_are(clean):
    clean.source_sql("UPDATE dispatch_patient SET updated_at = '2038-01-19 03:14:07.999999+00' WHERE id = 1")
    clean.source_sql("UPDATE dispatch_patient SET updated_at = NULL WHERE id = 2")
    clean.source_sql("UPDATE dispatch_patient SET updated_at = 'infinity' WHERE id = 3")
    clean.source_sql("UPDATE dispatch_patient SET updated_at = '0001-01-01 00:00:00+00 BC' WHERE id = 4")
    clean.migrate()
    arrived = clean.target_sql(
        "SELECT legacy_patient_id, updated_at::text FROM patients WHERE legacy_patient_id <= 4 ORDER BY 1")
    assert arrived == [(1, "2038-01-19 03:14:07.999999+00"), (2, None), (3, "infinity"),
                       (4, "0001-01-01 00:00:00+00 BC")]
    clean.nothing_else_is_wrong()


def test_an_update_that_does_not_touch_updated_at_is_found(clean_loaded):
    clean = clean_loaded
    clean.source_sql("UPDATE dispatch_patient SET medical_notes = 'allergic' WHERE id = 9")
    analysis = detect(clean.daemon)
    assert (analysis.new, analysis.modified, analysis.deleted) == (0, 1, 0)
    assert analysis.entities["patients"]["modified"] == 1
    clean.migrate()
    clean.nothing_else_is_wrong()


def test_a_hard_delete_marks_deletes_or_is_ignored(clean_loaded):
    clean = clean_loaded
    for table, key in (("dispatch_payment", 5), ("dispatch_case_file", 5), ("dispatch_notification", 5)):
        clean.source_sql(f"DELETE FROM {table} WHERE id = %s", [key])
    session = clean.migrate()
    assert [session.entities[name]["deleted"] for name in ("payments", "case_files", "system_messages")] == [1, 1, 1]
    assert clean.target_sql("SELECT is_active FROM payments WHERE legacy_payment_id = 5") == [(False,)]
    assert clean.target_sql("SELECT id FROM case_files WHERE legacy_case_file_id = 5") == []
    assert len(clean.target_sql("SELECT id FROM system_messages WHERE legacy_notification_id = 5")) == 1
    clean.nothing_else_is_wrong()
    assert detect(clean.daemon).deleted == 0


def test_an_id_used_again_keeps_its_uuid_and_lives_again(clean_loaded):
    clean = clean_loaded
    uuid = clean.target.value("SELECT id FROM comments WHERE legacy_comment_id = 5")
    clean.source_sql("DELETE FROM dispatch_comment WHERE id = 5")
    clean.migrate()
    assert clean.target_sql("SELECT is_active FROM comments WHERE id = %s", [uuid]) == [(False,)]
    clean.source_sql("INSERT INTO dispatch_comment (id, user_id, body, created_at) VALUES (5, 1, 'another', now())")
    clean.migrate()
    assert clean.target_sql("SELECT id, is_active, body FROM comments WHERE legacy_comment_id = 5") == \
        [(uuid, True, "another")]
    clean.nothing_else_is_wrong()


@pytest.mark.parametrize("step", [-1, 1], ids=["parents first", "children first"])
def test_a_thread_longer_than_a_batch_is_whole(clean, step):
    clean.source_sql("""
        INSERT INTO dispatch_record (id, parent_id, sender_kind, body, sent_at)
        SELECT id, nullif(id + %s, %s), 1, 'thread', now()
          FROM generate_series(100001, 100200) AS id""", [step, 100000 if step < 0 else 100201])
    clean.migrate(batch_size=50)
    assert clean.target.value("""
        WITH RECURSIVE thread AS (
          SELECT id FROM messages WHERE body = 'thread' AND parent_message_id IS NULL
           UNION ALL
          SELECT m.id FROM messages AS m JOIN thread AS t ON t.id = m.parent_message_id)
        SELECT count(*) FROM thread""") == 200
    assert clean.target.value("SELECT count(*) FROM migrated.deferred") == 0
    clean.nothing_else_is_wrong()


def test_a_circle_of_messages_is_closed(clean):
    clean.source_sql("""
        INSERT INTO dispatch_record (id, parent_id, sender_kind, body, sent_at)
        SELECT id, CASE id WHEN 100001 THEN 100120 ELSE id - 1 END, 1, 'circle', now()
          FROM generate_series(100001, 100120) AS id""")
    clean.migrate(batch_size=50)
    assert clean.target.value(
        "SELECT count(*) FROM messages WHERE body = 'circle' AND parent_message_id IS NOT NULL") == 120
    clean.nothing_else_is_wrong()


# --- no row's value where it does not belong --------------------------------------------------------

CANARY = "Kanarienvogel"
CANARY_PATTERN = re.compile("kanarienvogel", re.IGNORECASE)


def plant_canaries(clinic):
    """The word stands in every text column of some rows, keys excepted; in one row a column, so that each can err."""
    for table, column, length, key in clinic.source_sql("""
            SELECT c.relname, a.attname, a.atttypmod - 4, k.attname
              FROM pg_class AS c
              JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
              JOIN pg_index AS i ON i.indrelid = c.oid AND i.indisprimary
              JOIN pg_attribute AS k ON k.attrelid = c.oid AND k.attnum = i.indkey[0]
             WHERE c.relkind = 'r'
               AND c.relnamespace = 'public'::regnamespace
               AND (c.relname LIKE 'dispatch%' OR c.relname = 'auth_user')
               AND a.atttypid IN ('text'::regtype, 'varchar'::regtype)
               AND a.attnum <> k.attnum
               AND a.attname NOT IN ('username', 'template_id')
             ORDER BY 1, a.attnum"""):
        word = CANARY if length < 0 else CANARY[:length]
        clinic.source_sql(f"""
            UPDATE {table} SET {column} = %s
             WHERE {key} IN (SELECT {key} FROM {table} ORDER BY hashtext('{column}' || {key}::text) LIMIT 2)""", [word])


# Where a row may stand within the control schema: table -> column.
KEPT_ROWS = {"dead_letter": "row"}


def test_no_value_of_a_row_leaves_the_tables(make_clinic, start_daemon):
    clinic = make_clinic(scale=SMALL)
    plant_canaries(clinic)
    clinic.target_sql("""
        CREATE FUNCTION talkative() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
          IF concat(new.first_name, new.last_name, new.medical_notes) ILIKE '%kanarien%' THEN
            RAISE EXCEPTION 'patient % % is %', new.first_name, new.last_name, new.medical_notes
              USING ERRCODE = (ARRAY['P0001', '23514', '22023'])[1 + new.legacy_patient_id % 3],
                    HINT = new.last_name, DETAIL = new.first_name;
          END IF;
          RETURN new;
        END $$;
        CREATE TRIGGER talkative BEFORE INSERT OR UPDATE ON patients FOR EACH ROW EXECUTE FUNCTION talkative()""")
    daemon = start_daemon(clinic)
    said = [json.dumps(frame) for frame in migrate(daemon).frames]
    plant_canaries(clinic)
    clinic.source_sql("UPDATE dispatch_patient SET birth_date = 'Kanarienvogel' WHERE id <= 3")
    said.append(json.dumps(detect(daemon).entities))
    said += [json.dumps(frame) for frame in migrate(daemon).frames]
    for method in ("Status", "List", "Analyze", "Check", "Plan"):
        said.append(json.dumps(daemon.call(method)))
    said += [daemon.ctl(verb, check=False).stdout for verb in ("status", "list", "analyze", "check", "plan", "detect")]
    kinds = {sqlstate for (sqlstate,) in clinic.target_sql("SELECT DISTINCT sqlstate FROM migrated.dead_letter")}
    assert {"22007", "22P02", "P0001", "23514", "22023"} <= kinds, kinds
    assert [text for text in said if CANARY_PATTERN.search(text)] == []
    assert CANARY_PATTERN.search(daemon.log()) is None
    for (table,) in clinic.target_sql(
            "SELECT tablename FROM pg_tables WHERE schemaname = 'migrated' AND tablename NOT LIKE 'id_map_%'"):
        leaked = clinic.target_sql(f"SELECT to_jsonb(t) - %s::text FROM migrated.{table} AS t"
                                   f" WHERE (to_jsonb(t) - %s::text)::text ~* 'kanarien'", [KEPT_ROWS.get(table, "")] * 2)
        assert leaked == [], table


@pytest.mark.parametrize("sqlstate, message", [
    ("22P02", 'ungültige Eingabesyntax für Typ integer: »Kanarienvogel«'),
    ("22P02", "syntaxe en entrée invalide pour le type integer : « Kanarienvogel »"),
    ("22P02", 'неверный синтаксис для типа integer: "Kanarienvogel"'),
    ("22003", 'value "Kanarienvogel" is out of range for type integer'),
    ("22007", 'invalid input syntax for type date: "Kanarienvogel"'),
    ("22023", "invalid value 'Kanarienvogel'"),
    ("P0001", "Kanarienvogel"),
    ("XX000", "Kanarienvogel"),
])
def test_a_servers_message_is_stored_without_what_it_quotes(make_clinic, sqlstate, message):
    clinic = make_clinic(scale=SMALL, loaded=True)
    kept = clinic.target.value("SELECT migrated.safe_message(%s, %s)", [sqlstate, message])
    assert kept and CANARY_PATTERN.search(kept) is None
