#!/usr/bin/python3
"""Shows that the oracle sees: a right target gives no finding, every planted fault gives exactly its own.

    selftest.py [--server CONNINFO] [--scale N] [--seed N]

Without --server it starts a throw-away PostgreSQL of its own and stops it again. The right target is made
by reference_migration.sql, from a generated clinic and again after two days of changes.
"""

import argparse
import contextlib
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

import psycopg
from psycopg.conninfo import make_conninfo

from oracle import psql_variables, run_oracle

HERE = pathlib.Path(__file__).parent
CLINIC = HERE.parent / "clinic"
POSTGRES_BIN = pathlib.Path(os.environ.get("PGBINDIR", "/usr/lib/postgresql/15/bin"))

# Each fault: its name, the rows it befalls (a query on the right target, whose columns fill {0}, {1} …),
# what is done to the source and to the target, and what the oracle has to find: all of it, nothing else.
FAULTS = [
    ("a lost row",
     "SELECT max(legacy_notification_id) FROM system_messages", "",
     "DELETE FROM system_messages WHERE legacy_notification_id = {0}",
     {("system_messages", "lost", "{0}", "")}),
    ("a lost row with a composite key",
     "SELECT legacy_record_id, legacy_file_id FROM message_attachments ORDER BY 1, 2 LIMIT 1", "",
     "DELETE FROM message_attachments WHERE (legacy_record_id, legacy_file_id) = ({0}, {1})",
     {("message_attachments", "lost", "{0}/{1}", "")}),
    ("a lost row that only its references name",
     "SELECT d.legacy_doctor_id, o.legacy_office_id, d.id, o.id FROM doctor_offices AS pair"
     " JOIN doctors AS d ON d.id = pair.doctor_id JOIN offices AS o ON o.id = pair.office_id"
     " ORDER BY 1, 2 LIMIT 1", "",
     "DELETE FROM doctor_offices WHERE (doctor_id, office_id) = ('{2}', '{3}')",
     {("doctor_offices", "lost", "{0}/{1}", "")}),
    ("a cent too much",
     "SELECT min(legacy_payment_id) FROM payments", "",
     "UPDATE payments SET amount = amount + 0.01 WHERE legacy_payment_id = {0}",
     {("payments", "differing", "{0}", "amount")}),
    ("a microsecond too late",
     "SELECT max(legacy_record_id) FROM messages", "",
     "UPDATE messages SET sent_at = sent_at + interval '1 microsecond' WHERE legacy_record_id = {0}",
     {("messages", "differing", "{0}", "sent_at")}),
    ("'' in place of NULL",
     "SELECT min(legacy_patient_id) FROM patients WHERE medical_notes IS NULL", "",
     "UPDATE patients SET medical_notes = '' WHERE legacy_patient_id = {0}",
     {("patients", "differing", "{0}", "medical_notes")}),
    ("a letter lost in the encoding, a nested JSON value, an array turned round",
     "SELECT min(legacy_office_id), (SELECT min(legacy_instruction_id) FROM orders),"
     " (SELECT min(legacy_agent_id) FROM technicians WHERE cardinality(permissions) = 3),"
     " (SELECT min(legacy_template_code) FROM templates WHERE legacy_template_code !~ '''')"
     " FROM offices WHERE address ->> 'city' LIKE '%ó%'", "",
     """UPDATE offices SET address = replace(address::text, 'ó', 'Ã³')::jsonb WHERE legacy_office_id = {0};
        UPDATE orders SET metadata = jsonb_set(metadata, '{{shipping,insured}}', 'true') WHERE legacy_instruction_id = {1};
        UPDATE technicians SET permissions = ARRAY[permissions[3], permissions[2], permissions[1]] WHERE legacy_agent_id = {2};
        UPDATE templates SET body = body || ' ' WHERE legacy_template_code = '{3}'""",
     {("offices", "differing", "{0}", "address"), ("orders", "differing", "{1}", "metadata"),
      ("technicians", "differing", "{2}", "permissions"), ("templates", "differing", "{3}", "body")}),
    ("invalid JSON dropped where it should be wrapped",
     "SELECT min(legacy_file_id) FROM files WHERE jsonb_typeof(metadata) = 'string'", "",
     "UPDATE files SET metadata = NULL WHERE legacy_file_id = {0}",
     {("files", "differing", "{0}", "metadata")}),
    ("a pair of references swapped",
     "SELECT a.legacy_payment_id, b.legacy_payment_id, a.order_id, b.order_id FROM payments AS a, payments AS b"
     " WHERE a.order_id < b.order_id ORDER BY 1, 2 LIMIT 1", "",
     """UPDATE payments SET order_id = '{3}' WHERE legacy_payment_id = {0};
        UPDATE payments SET order_id = '{2}' WHERE legacy_payment_id = {1}""",
     {("payments", "differing", "{0}", "order_id"), ("payments", "differing", "{1}", "order_id")}),
    ("the uuids of two products swapped",
     "SELECT a.legacy_product_id, b.legacy_product_id, a.id, b.id FROM products AS a, products AS b"
     " WHERE (a.legacy_product_id, b.legacy_product_id) IN (SELECT min(legacy_product_id), max(legacy_product_id) FROM products)", "",
     # Everything else follows its product; only two jaws are left pointing at the uuid they knew.
     """ALTER TABLE jaws DROP CONSTRAINT jaws_product_id_fkey;
        ALTER TABLE template_products DROP CONSTRAINT template_products_product_id_fkey,
                                      DROP CONSTRAINT template_products_pkey;
        UPDATE products SET id = CASE id WHEN '{2}' THEN '00000000-0000-0000-0000-000000000000'::uuid ELSE id END;
        UPDATE products SET id = CASE id WHEN '{3}' THEN '{2}'::uuid ELSE id END;
        UPDATE products SET id = CASE id WHEN '00000000-0000-0000-0000-000000000000' THEN '{3}'::uuid ELSE id END;
        UPDATE template_products SET product_id = CASE product_id WHEN '{2}' THEN '{3}'::uuid ELSE '{2}' END
         WHERE product_id IN ('{2}', '{3}');
        UPDATE jaws SET product_id = CASE product_id WHEN '{2}' THEN '{3}'::uuid ELSE '{2}' END
         WHERE product_id IN ('{2}', '{3}')
           AND legacy_jaw_id NOT IN (SELECT min(legacy_jaw_id) FROM jaws GROUP BY product_id)""",
     "SELECT 'jaws', 'differing', min(legacy_jaw_id)::text, 'product_id' FROM jaws WHERE product_id = '{2}'"
     " UNION ALL SELECT 'jaws', 'differing', min(legacy_jaw_id)::text, 'product_id' FROM jaws WHERE product_id = '{3}'"),
    ("a notification of an order hung on the case of the same number",
     "SELECT min(legacy_notification_id), min(cases.id::text) FROM system_messages"
     " JOIN orders ON orders.id = order_id JOIN cases ON legacy_instance_id = legacy_instruction_id"
     " GROUP BY legacy_notification_id ORDER BY 1 LIMIT 1", "",
     "UPDATE system_messages SET item_id = '{1}' WHERE legacy_notification_id = {0}",
     {("system_messages", "differing", "{0}", "item_id")}),
    ("a thread broken",
     "SELECT max(legacy_record_id) FROM messages WHERE parent_message_id IS NOT NULL", "",
     "UPDATE messages SET parent_message_id = NULL WHERE legacy_record_id = {0}",
     {("messages", "differing", "{0}", "parent_message_id")}),
    ("a doubled row",
     "SELECT min(legacy_comment_id) FROM comments", "",
     """ALTER TABLE comments DROP CONSTRAINT comments_legacy_comment_id_key;
        INSERT INTO comments SELECT (jsonb_populate_record(c, '{{"id": "00000000-0000-0000-0000-000000000001"}}')).*
          FROM comments AS c WHERE legacy_comment_id = {0}""",
     {("comments", "doubled", "{0}", "")}),
    ("a parent doubled, its children staying with the first",
     "SELECT min(legacy_instruction_id) FROM orders", "",
     """ALTER TABLE orders DROP CONSTRAINT orders_legacy_instruction_id_key;
        INSERT INTO orders SELECT (jsonb_populate_record(o, '{{"id": "00000000-0000-0000-0000-000000000001"}}')).*
          FROM orders AS o WHERE legacy_instruction_id = {0}""",
     {("orders", "doubled", "{0}", "")}),
    ("a uuid given twice",
     "SELECT max(a.legacy_state_id), max(b.id::text), min(b.legacy_state_id)"
     " FROM case_states AS a, case_states AS b WHERE b.legacy_state_id = (SELECT min(legacy_state_id) FROM case_states)", "",
     """ALTER TABLE case_states DROP CONSTRAINT case_states_pkey;
        UPDATE case_states SET id = '{1}' WHERE legacy_state_id = {0}""",
     {("case_states", "doubled", "{2}", "id")}),
    ("an orphaned reference",
     "SELECT min(legacy_case_file_id) FROM case_files", "",
     """ALTER TABLE case_files DROP CONSTRAINT case_files_file_id_fkey;
        UPDATE case_files SET file_id = '00000000-0000-0000-0000-000000000009' WHERE legacy_case_file_id = {0}""",
     {("case_files", "orphaned", "{0}", "file_id")}),
    ("a deletion not marked, one not carried out, one that is to be ignored",
     "SELECT min(legacy_comment_id), (SELECT min(legacy_case_file_id) FROM case_files),"
     " (SELECT min(legacy_notification_id) FROM system_messages) FROM comments",
     """DELETE FROM dispatch_comment WHERE id = {0};
        DELETE FROM dispatch_case_file WHERE id = {1};
        DELETE FROM dispatch_notification WHERE id = {2}""", "",
     {("comments", "not_marked", "{0}", ""), ("case_files", "not_deleted", "{1}", "")}),
    ("a deletion marked in one of two columns",
     "SELECT min(legacy_patient_id) FROM patients",
     # Whatever refers to the patient stays behind as an orphan, which does not matter to its target rows.
     "SET session_replication_role = replica; DELETE FROM dispatch_patient WHERE id = {0}",
     "UPDATE patients SET is_active = false WHERE legacy_patient_id = {0}",
     {("patients", "not_marked", "{0}", "")}),
    ("a living row marked",
     "SELECT min(legacy_doctor_id) FROM doctors", "",
     "UPDATE doctors SET is_active = false WHERE legacy_doctor_id = {0}",
     {("doctors", "differing", "{0}", "is_active")}),
    ("a test order carried over",
     "SELECT 1055, patient_id, office_id FROM orders LIMIT 1", "",
     """INSERT INTO orders (legacy_instruction_id, patient_id, office_id, status, priority)
        VALUES ({0}, '{1}', '{2}', 'draft', 1)""",
     {("orders", "not_marked", "{0}", "")}),
    ("a value cut to make it fit",
     "SELECT id FROM offices LIMIT 1",
     "UPDATE dispatch_doctor SET license_number = repeat('x', 21) WHERE id = 1",
     "UPDATE doctors SET license_number = repeat('x', 20) WHERE legacy_doctor_id = 1",
     {("doctors", "unexpected", "1", "")}),
    ("a row without the parent it should have waited for",
     "SELECT min(legacy_treatment_plan_id) FROM treatment_plans",
     "UPDATE dispatch_treatment_plan SET instance_id = 1900000000 WHERE id = {0}",
     "UPDATE treatment_plans SET case_id = NULL WHERE legacy_treatment_plan_id = {0}",
     {("treatment_plans", "unexpected", "{0}", "")}),
    ("both of two users with one e-mail address",
     "SELECT max(legacy_user_id), max(legacy_user_id) - 1 FROM profiles",
     "UPDATE auth_user SET email = upper((SELECT email FROM auth_user WHERE id = {1})) WHERE id = {0}",
     """ALTER TABLE profiles DROP CONSTRAINT profiles_email_key;
        UPDATE profiles SET email = (SELECT email FROM profiles WHERE legacy_user_id = {1}) WHERE legacy_user_id = {0}""",
     {("profiles", "unexpected", "{0}", ""), ("profiles", "unexpected", "{1}", ""), ("profiles", "doubled", "{1}", "email")}),
    ("neither of two users with one e-mail address",
     "SELECT max(legacy_user_id) FROM profiles WHERE legacy_user_id NOT IN (SELECT legacy_user_id FROM profiles"
     " WHERE id IN (SELECT profile_id FROM comments UNION ALL SELECT profile_id FROM doctors UNION ALL SELECT profile_id FROM technicians))",
     """INSERT INTO auth_user (id, password, is_superuser, username, first_name, last_name, email, is_staff, is_active, date_joined)
        SELECT 900001, '', false, 'twin', '', '', upper(email), false, true, now() FROM auth_user WHERE id = {0}""",
     "DELETE FROM profiles WHERE legacy_user_id = {0}",
     {("profiles", "lost", "{0}", ""), ("profiles", "lost", "900001", "")}),
    ("no fault: rows and columns of the modern side's own",
     "SELECT id, id FROM doctors LIMIT 1", "",
     """UPDATE profiles SET avatar_url = 'https://modern.example/a.png';
        INSERT INTO patients (doctor_id, first_name, last_name, sex, consent_given)
        VALUES ('{0}', 'Born', 'Here', 'unknown', true)""",
     set()),
]


@contextlib.contextmanager
def throw_away_server():
    """A PostgreSQL of our own on a Unix socket; yields its conninfo."""
    directory = tempfile.mkdtemp(prefix="oracle-selftest.")
    as_user = []
    if os.geteuid() == 0:
        shutil.chown(directory, "postgres")
        as_user = ["runuser", "-u", "postgres", "--"]
    data = f"{directory}/data"
    quiet = {"check": True, "stdout": subprocess.DEVNULL, "cwd": directory}
    try:
        subprocess.run([*as_user, POSTGRES_BIN / "initdb", "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8",
                        "--locale=C.UTF-8"], **quiet)
        subprocess.run([*as_user, POSTGRES_BIN / "pg_ctl", "-D", data, "-w", "-l", f"{directory}/log", "-o",
                        f"-k {directory} -c listen_addresses='' -c fsync=off -c max_wal_size=4GB", "start"], **quiet)
        try:
            yield f"host={directory} user=postgres dbname=postgres"
        finally:
            subprocess.run([*as_user, POSTGRES_BIN / "pg_ctl", "-D", data, "-w", "-m", "immediate", "stop"], **quiet)
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def psql(conninfo, file, *variables):
    subprocess.run(["psql", "--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", "--output", os.devnull,
                    "--dbname", conninfo, *variables, "--file", str(file)], check=True)


def migrate(source, target):
    psql(target, HERE / "reference_migration.sql", *psql_variables("source", source))


def execute(conninfo, statements):
    if statements:
        with psycopg.connect(conninfo) as connection:
            connection.execute(statements)


def check(name, found, expected):
    """Say whether the oracle found what it should have; return whether it did."""
    missed, needless = expected - found, found - expected
    print(f"{'ok  ' if not missed and not needless else 'FAIL'} {name}: {len(found)} findings")
    for kind, findings in (("missed", missed), ("needless", needless)):
        for finding in sorted(findings)[:10]:
            print(f"       {kind}: {' '.join(finding)}")
    return not missed and not needless


def plant(server, fault):
    """Plant one fault in copies of the two databases; return whether the oracle saw it and only it."""
    name, keys_query, on_source, on_target, expected = fault
    source, target = (make_conninfo(server, dbname=f"fault_{side}") for side in ("legacy", "modern"))
    with psycopg.connect(server, autocommit=True) as admin:
        for side in ("legacy", "modern"):
            admin.execute(f"DROP DATABASE IF EXISTS fault_{side} (FORCE)")
            admin.execute(f"CREATE DATABASE fault_{side} TEMPLATE clinic_{side}")
    try:
        with psycopg.connect(target) as connection:
            keys = [str(key) for key in connection.execute(keys_query).fetchone()]
            assert "None" not in keys, f"{name}: the clinic has no row for this fault"
            if isinstance(expected, str):
                expected = set(connection.execute(expected.format(*keys)).fetchall())
        execute(source, on_source.format(*keys))
        execute(target, on_target.format(*keys))
        found = set(run_oracle(source, target)[0])
    finally:
        with psycopg.connect(server, autocommit=True) as admin:
            for side in ("legacy", "modern"):
                admin.execute(f"DROP DATABASE IF EXISTS fault_{side} (FORCE)")
    return check(name, found, {tuple(part.format(*keys) for part in finding) for finding in expected})


def run(server, scale, seed):
    passed = True
    source, target = (make_conninfo(server, dbname=f"clinic_{side}") for side in ("legacy", "modern"))
    with psycopg.connect(server, autocommit=True) as admin:
        for side in ("legacy", "modern"):
            admin.execute(f"CREATE DATABASE clinic_{side}")
    try:
        psql(source, CLINIC / "legacy.sql")
        psql(target, CLINIC / "modern.sql")
        psql(source, CLINIC / "generate.sql", f"--set=scale={scale}", f"--set=seed={seed}")
        migrate(source, target)
        started = time.monotonic()
        findings, rows, entities = run_oracle(source, target)
        print(f"oracle: {rows} rows in {entities} entities compared in {time.monotonic() - started:.1f} s")
        passed &= check("a right target", set(findings), set())
        for fault in FAULTS:
            passed &= plant(server, fault)
        for day in (1, 2):
            psql(source, CLINIC / "day.sql", f"--set=seed={day}")
            behind = run_oracle(source, target)[0]
            kinds = {kind for _, kind, _, _ in behind}
            passed &= check(f"day {day}, not yet carried over", kinds & {"lost", "differing", "not_marked", "not_deleted"},
                            {"lost", "differing", "not_marked", "not_deleted"})
            migrate(source, target)
            passed &= check(f"day {day}, carried over", set(run_oracle(source, target)[0]), set())
        psql(source, CLINIC / "day.sql", "--set=seed=3", "--set=spoil=1")
        migrate(source, target)
        spoiled = set(run_oracle(source, target)[0])
        passed &= check("a spoiled day, strictly", {finding[1] for finding in spoiled}, {"unexpected"})
        passed &= check("a spoiled day, older states allowed", set(run_oracle(source, target, strict=False)[0]), set())
    finally:
        with psycopg.connect(server, autocommit=True) as admin:
            for side in ("legacy", "modern"):
                admin.execute(f"DROP DATABASE IF EXISTS clinic_{side} (FORCE)")
    return passed


def main():
    parser = argparse.ArgumentParser(description="Check that the oracle finds what it should and nothing else.")
    parser.add_argument("--server", metavar="CONNINFO", help="a server for tests, as superuser")
    parser.add_argument("--scale", default="1")
    parser.add_argument("--seed", default="42")
    arguments = parser.parse_args()
    print(f"clinic of scale {arguments.scale}, seed {arguments.seed}")
    with contextlib.nullcontext(arguments.server) if arguments.server else throw_away_server() as server:
        passed = run(server, arguments.scale, arguments.seed)
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
