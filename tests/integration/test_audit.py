"""Every call on the control socket is recorded: who, what, with which result; whatever becomes of the daemon or of the store."""

import json
import re

import psycopg
import pytest

from identities import NOBODY, OBSERVER, OPERATOR, ROOT_USER, STRANGER, known_to, needs_root
from mapping import PLAIN, PLAIN_SOURCE, PLAIN_TARGET
from sessions import held, migrate, wait_until_reached
from varlink import Varlink, VarlinkError
from waiting import wait_until

CANARY = "hunter2-canary"


@pytest.fixture
def things(pair):
    """A daemon whose control schema is there."""
    pair = pair(PLAIN_SOURCE, PLAIN_TARGET, PLAIN)
    pair.source_sql("INSERT INTO things SELECT i, 'thing ' || i FROM generate_series(1, 5) AS i")
    pair.migrate()
    wait_until(lambda: calls(pair.target, method="io.migrated.Migrate", result="ok"))
    return pair


def calls(target, **wanted):
    """What is recorded, in order, of those with these values."""
    rows = target.sql("""
        SELECT jsonb_build_object('number', number, 'daemon', daemon, 'uid', uid, 'gid', gid, 'pid', pid, 'user', user_name, 'method', method,
                                  'parameters', parameters, 'result', result, 'times', times, 'ended', ended_at >= at)
          FROM migrated.command_audit
         ORDER BY id""")
    return [row for (row,) in rows if all(row[name] == value for name, value in wanted.items())]


def recorded(target, count=1, **wanted):
    """Waits until so many calls like these are recorded."""
    found = []

    def are_there():
        found[:] = calls(target, **wanted)
        return sum(call["times"] for call in found) >= count
    wait_until(are_there, 20, lambda: f"{count} of {wanted} are recorded: {calls(target)}")
    assert sum(call["times"] for call in found) == count
    return found


def asked(socket, *messages):
    """Sends these on one connection; the errors that come back, None where there is none or the connection is closed."""
    said = []
    with Varlink(socket) as connection:
        for message in messages:
            try:
                connection.send_bytes(message if isinstance(message, bytes) else json.dumps(message).encode() + b"\0")
                said.append((connection.receive() or {}).get("error"))
            except (BrokenPipeError, ConnectionResetError):
                said.append(None)
    return said


def method(name, **parameters):
    return {"method": f"io.migrated.{name}", "parameters": parameters}


# --- who, what, with which result ------------------------------------------------------------------

def test_a_call_is_recorded_with_its_result_and_with_those_parameters_that_the_method_has(things):
    errors = asked(things.daemon.socket,
                   method("Plan"), method("List", limit=3), method("List", limit="three"),
                   method("List", limit=4, secret=CANARY, **{CANARY: 1}),
                   method("Watch", session="abcdef01"), method("Migrate", entities=["nothing"]),
                   method("Nothing", secret=CANARY), {"method": "org.example.Method"}, {"method": f"io.migrated.{CANARY} or so"})
    invalid, unknown = "org.varlink.service.InvalidParameter", "org.varlink.service.MethodNotFound"
    expected = [
        ("Plan", None, "ok"), ("List", {"limit": 3}, "ok"), ("List", {"limit": "three"}, invalid),
        ("List", {"limit": 4, "(undeclared)": 2}, invalid),
        ("Watch", {"session": "abcdef01"}, "io.migrated.NoSuchSession"),
        ("Migrate", {"entities": ["nothing"]}, "io.migrated.NoSuchEntity"),
        ("Nothing", {"(undeclared)": 1}, unknown),
    ]
    assert errors == [None if result == "ok" else result for _, _, result in expected] + \
        ["org.varlink.service.InterfaceNotFound", unknown]
    recorded(things.target, result=unknown, method=None)
    found = [call for call in calls(things.target) if call["result"] != "begun"][-9:]
    assert [(call["method"], call["parameters"], call["result"]) for call in found] == \
        [(f"io.migrated.{name}", parameters, result) for name, parameters, result in expected] + \
        [("org.example.Method", None, "org.varlink.service.InterfaceNotFound"), (None, None, unknown)]
    assert all(call["ended"] and (call["uid"], call["user"]) == (0, "root") and call["pid"] for call in found)


def test_what_is_no_call_is_recorded_too(things):
    broken = [b"GET / HTTP/1.1\r\n\0", b"\0", b'{"method": 7}\0', b'{"method": "io.migrated.Status", "upgrade": true}\0',
              b'{"method": "' + b"x" * 2_000_000]
    for data in broken:
        asked(things.daemon.socket, data)
    for call in recorded(things.target, len(broken), result="malformed"):
        assert (call["method"], call["parameters"], call["uid"]) == (None, None, 0)


def test_a_call_that_wants_no_answer_is_recorded(things):
    with things.daemon.connect() as connection:
        connection.send("Pause", oneway=True)
    assert recorded(things.target, method="io.migrated.Pause", uid=0)[-1]["result"] != "begun"


def test_a_stream_is_recorded_when_it_begins_and_when_it_ends(things):
    with things.daemon.connect() as watcher:
        watcher.send("Watch", {"follow": True}, more=True)
        watcher.receive()
        begun = recorded(things.target, method="io.migrated.Watch", parameters={"follow": True})
        assert [(call["result"], call["ended"]) for call in begun] == [("begun", None)]
    both = recorded(things.target, 2, method="io.migrated.Watch", parameters={"follow": True})
    assert [(call["result"], call["ended"], call["times"]) for call in both] == [("begun", None, 1), ("gone", True, 1)]
    assert both[0]["pid"] == both[1]["pid"]


def test_who_goes_before_the_answer_is_recorded(things):
    with held(things.target, "migrated.analysis"):
        with things.daemon.connect() as connection:
            connection.send("Detect")
            recorded(things.target, method="io.migrated.Detect", result="begun")
        recorded(things.target, method="io.migrated.Detect", result="gone")


@needs_root
@pytest.mark.parametrize("identity, errors", [
    (ROOT_USER, [None, "io.migrated.NoSuchSession", "org.varlink.service.MethodNotFound"]),
    (OPERATOR, [None, "io.migrated.NoSuchSession", "org.varlink.service.MethodNotFound"]),
    (OBSERVER, [None, "io.migrated.PermissionDenied", "org.varlink.service.MethodNotFound"]),
    (STRANGER, ["io.migrated.PermissionDenied"] * 3),
    (NOBODY, ["io.migrated.PermissionDenied"] * 3),
], ids=str)
def test_who_asked_is_recorded_also_of_those_who_were_refused(databases, start_daemon, identity, errors):
    databases.source_sql(PLAIN_SOURCE)
    databases.target_sql(PLAIN_TARGET)
    daemon = known_to(start_daemon(databases, entities=[PLAIN], start=False)).start()
    migrate(daemon)
    requests = [method("List", limit=1), method("Cancel", session="abcdef01"), method(f"Nothing{CANARY.replace('-', '')}")]
    for request, error in zip(requests, errors):
        said, pid = identity.do(asked, daemon.socket, request)
        assert said == [error]
        is_stranger = errors[0] is not None
        call = recorded(databases.target, pid=pid)[0]
        assert (call["uid"], call["gid"], call["user"]) == (identity.uid, identity.gid, identity.name)
        assert call["result"] == (error or "ok")
        assert call["method"] == (None if is_stranger and "Nothing" in request["method"] else request["method"])
        assert call["parameters"] == (None if is_stranger else request["parameters"] or None)


# --- when it is written ----------------------------------------------------------------------------

def test_what_changes_something_is_recorded_before_it_is_answered(things):
    """Whatever happens to the daemon then."""
    for number in range(5):
        if not things.daemon.running:
            wait_until_reached(things.daemon.start())
        with pytest.raises(VarlinkError) as refused:
            things.daemon.call("Cancel", session=f"abcd{number:04}")
        things.daemon.kill()
        assert [call["result"] for call in calls(things.target, parameters={"session": f"abcd{number:04}"})][-1:] == \
            [f"io.migrated.{refused.value.name}"]


def test_nobody_waits_for_a_store_that_does_not_answer(things):
    with held(things.target, "migrated.command_audit"):
        with pytest.raises(VarlinkError):
            things.daemon.call("Cancel", session="abcdef01")
        for _ in range(10):
            things.daemon.call("Status")
        assert not calls(things.target, parameters={"session": "abcdef01"})
    recorded(things.target, parameters={"session": "abcdef01"})


@pytest.fixture
def through_proxy(databases, start_daemon):
    databases.source_sql(PLAIN_SOURCE)
    databases.target_sql(PLAIN_TARGET)
    daemon = start_daemon(databases, through=["target"], entities=[PLAIN])
    migrate(daemon)
    recorded(databases.target, method="io.migrated.Migrate", result="ok")
    return databases, daemon


def test_calls_made_while_the_store_is_away_are_recorded_when_it_is_back(through_proxy):
    databases, daemon = through_proxy
    daemon.proxies["target"].refuse()
    daemon.proxies["target"].reset()
    wait_until(lambda: daemon.call("Status")["state"] == "unavailable")
    with pytest.raises(VarlinkError):
        daemon.call("Pause")
    for number in range(1, 8):
        with pytest.raises(VarlinkError):
            daemon.call("List", limit=-number)
    assert not calls(databases.target, method="io.migrated.Pause")
    daemon.proxies["target"].heal()
    recorded(databases.target, method="io.migrated.Pause")
    assert [call["parameters"] for call in recorded(databases.target, 7, method="io.migrated.List")] == \
        [{"limit": -number} for number in range(1, 8)]


def test_what_cannot_be_written_any_more_is_said_when_the_daemon_stops(through_proxy):
    daemon = through_proxy[1]
    daemon.proxies["target"].refuse()
    daemon.proxies["target"].reset()
    wait_until(lambda: daemon.call("Status")["state"] == "unavailable")
    daemon.stop()
    assert re.search(r"the store does not know of \d+ calls on the control socket", daemon.log())


def test_a_daemon_that_stops_writes_what_it_has(things):
    things.daemon.call("List", limit=77)
    things.daemon.stop()
    assert len(calls(things.target, method="io.migrated.List", parameters={"limit": 77})) == 1


@pytest.mark.empty_target
def test_calls_made_before_there_is_a_control_schema_are_recorded_once_there_is_one(pair):
    pair = pair(PLAIN_SOURCE, PLAIN_TARGET, PLAIN)
    wait_until_reached(pair.daemon)
    pair.daemon.call("List", limit=5)
    assert pair.target.value("SELECT to_regnamespace('migrated') IS NULL")
    pair.migrate()
    recorded(pair.target, method="io.migrated.List", parameters={"limit": 5})
    assert calls(pair.target)[0]["number"] == 1


def test_a_record_whose_commit_was_not_answered_stands_there_once(through_proxy):
    """It is written again on the next link, and found there."""
    databases, daemon = through_proxy
    lost = []

    def lose_the_answer(connection):
        connection.to_client.stalled = True
        lost.append(connection)
    daemon.proxies["target"].when(lambda kind, body: b"INSERT INTO migrated.command_audit" in body, lose_the_answer)
    with pytest.raises(VarlinkError):
        daemon.call("List", limit=-77)
    recorded(databases.target, method="io.migrated.List", parameters={"limit": -77})
    assert lost
    lost[0].reset()
    with pytest.raises(VarlinkError):
        daemon.call("List", limit=-78)
    recorded(databases.target, method="io.migrated.List", parameters={"limit": -78})
    assert len(calls(databases.target, parameters={"limit": -77})) == 1
    numbers_have_no_gaps(databases.target)


def test_one_who_stands_by_records_what_it_is_asked(things, start_daemon):
    second = start_daemon(things.databases, entities=[PLAIN])
    wait_until(lambda: second.call("Status")["state"] == "standby")
    with pytest.raises(VarlinkError):
        second.call("Migrate")
    recorded(things.target, method="io.migrated.Migrate", result="io.migrated.Failed")
    assert len({call["daemon"] for call in calls(things.target)}) == 2


def numbers_have_no_gaps(target):
    by_daemon = {}
    for call in calls(target):
        by_daemon.setdefault(call["daemon"], []).append(call["number"])
    for numbers in by_daemon.values():
        assert numbers == list(range(1, len(numbers) + 1))


# --- how much --------------------------------------------------------------------------------------

def test_what_one_peer_asks_again_and_again_is_counted(things):
    with things.daemon.connect() as connection:
        for _ in range(300):
            connection.call("List", limit=3)
            connection.call("List", limit=4)
    for limit in (3, 4):
        found = recorded(things.target, 300, method="io.migrated.List", parameters={"limit": limit})
        assert len(found) < 100
    numbers_have_no_gaps(things.target)


def test_a_thousand_peers_cost_one_record_each_at_most_and_none_is_lost(things):
    peers = [things.daemon.connect() for _ in range(1000)]
    for peer in peers:
        peer.send("List", {"limit": 9})
    for peer in peers:
        assert "sessions" in peer.receive()["parameters"]
        peer.close()
    recorded(things.target, 1000, method="io.migrated.List", parameters={"limit": 9})


def test_a_flood_of_different_calls_is_counted_and_not_listed(things):
    with things.daemon.connect() as connection:
        for number in range(1, 3001):
            connection.send("List", {"limit": -number})
            connection.receive()

    def all_of_them():
        found = calls(things.target, method="io.migrated.List") + calls(things.target, result="unlisted")
        return sum(call["times"] for call in found) >= 3000
    wait_until(all_of_them, 20)
    unlisted = calls(things.target, result="unlisted")
    assert sum(call["times"] for call in unlisted) > 1000
    assert {(call["uid"], call["pid"], call["method"]) for call in unlisted} == {(0, None, None)}


# --- what is never in it ---------------------------------------------------------------------------

def test_no_value_of_a_row_and_no_secret_gets_into_it(databases, start_daemon):
    databases.source_sql(PLAIN_SOURCE + f"; INSERT INTO things VALUES (1, '{CANARY}'), (2, NULL)")
    databases.target_sql(PLAIN_TARGET.replace("value text", "value text NOT NULL"))
    target = f"{databases.target.conninfo} password={CANARY}"
    daemon = start_daemon(databases, target=target, entities=[PLAIN])
    migrate(daemon)
    daemon.ctl("dead-letters", "list")
    daemon.ctl("dead-letters", "show", 1, check=False)
    daemon.ctl("check", check=False)
    daemon.ctl("plan", "--sql", "things")
    for name in ("Status", "Cancel", "Nothing"):
        asked(daemon.socket, method(name, password=CANARY, x={CANARY: [CANARY]}), f"{CANARY}\0".encode())
    recorded(databases.target, method="io.migrated.Nothing")
    everything = databases.target.value("SELECT string_agg(a::text, E'\\n') FROM migrated.command_audit AS a")
    assert "io.migrated.Cancel" in everything
    assert CANARY not in everything
    assert CANARY not in daemon.log()
    assert CANARY not in daemon.ctl("audit", "--limit", 1000).stdout


# --- append-only -----------------------------------------------------------------------------------

@pytest.fixture
def plain_role(databases):
    """A role of the daemon's own, which is no superuser."""
    name = f"carrier_{databases.target.name}"
    databases.target_sql(f"CREATE ROLE {name} LOGIN; GRANT CREATE ON DATABASE {databases.target.name} TO {name}")
    yield name
    databases.target_sql(f"DROP OWNED BY {name} CASCADE; DROP ROLE {name}")


@pytest.fixture
def by_plain_role(databases, start_daemon, plain_role):
    databases.source_sql(PLAIN_SOURCE + "; INSERT INTO things VALUES (1, 'one')")
    databases.target_sql(PLAIN_TARGET + f"; GRANT ALL ON things TO {plain_role}")
    conninfo = re.sub(r"user=\S+", f"user={plain_role}", databases.target.conninfo)
    daemon = start_daemon(databases, target=conninfo, entities=[PLAIN])
    migrate(daemon)
    recorded(databases.target, method="io.migrated.Migrate", result="ok")
    with psycopg.connect(conninfo, autocommit=True) as connection:
        yield connection


@pytest.mark.parametrize("statement", [
    "UPDATE migrated.command_audit SET uid = 1", "DELETE FROM migrated.command_audit", "TRUNCATE migrated.command_audit",
    "MERGE INTO migrated.command_audit AS a USING (SELECT) AS x ON true WHEN MATCHED THEN DELETE",
    "INSERT INTO migrated.command_audit (daemon, number, at, result) SELECT daemon, number, at, result FROM migrated.command_audit "
    "ON CONFLICT (daemon, number) DO UPDATE SET uid = 1",
    "SELECT * FROM migrated.delete_history(now())",
])
def test_the_daemons_role_can_only_add_to_it(databases, by_plain_role, statement):
    before = databases.target_sql("SELECT * FROM migrated.command_audit ORDER BY id")
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        by_plain_role.execute(statement)
    assert databases.target_sql("SELECT * FROM migrated.command_audit ORDER BY id")[:len(before)] == before
    # Not even when it gives the right back to itself.
    by_plain_role.execute("GRANT UPDATE, DELETE, TRUNCATE ON migrated.command_audit TO CURRENT_USER")
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        by_plain_role.execute(statement)


def delete_history(databases, before):
    return dict(databases.target_sql("SELECT * FROM migrated.delete_history(%s)", [before]))


def test_what_is_old_is_removed_by_another_role_and_that_is_recorded(databases, by_plain_role):
    log_changes(databases.target, 7)
    value = databases.target.value
    total = value("SELECT count(*) FROM migrated.change_log")
    ended = value("SELECT max(finished_at) FROM migrated.session")
    # Of a session that was not over by then, nothing is removed, also not what it had done before. By a role that is no superuser.
    with databases.target.connect() as connection:
        connection.execute("CREATE ROLE keeper; GRANT USAGE ON SCHEMA migrated TO keeper; "
                           "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA migrated TO keeper; SET ROLE keeper")
        assert dict(connection.execute("SELECT * FROM migrated.delete_history(%s)", [ended]).fetchall())["change_log_things"] == 0
        connection.execute("RESET ROLE; DROP OWNED BY keeper; DROP ROLE keeper")
    assert value("SELECT count(*) FROM migrated.change_log") == total
    assert value("SELECT bool_and(changes_removed_at IS NULL) FROM migrated.session")

    now = value("SELECT clock_timestamp()")
    removed = delete_history(databases, now)
    assert removed["change_log_things"] == total and removed["command_audit"] >= 1
    assert value("SELECT count(*) FROM migrated.change_log") == value("SELECT count(*) FROM migrated.before_image") == 0
    assert databases.target_sql("SELECT method, user_name FROM migrated.command_audit WHERE at >= %s AND parameters ? 'before'", [now]) == \
        [("migrated.delete_history", value("SELECT session_user::text"))]
    assert value("SELECT min(at) FROM migrated.command_audit WHERE method = 'io.migrated.Migrate'") is None
    assert value("SELECT bool_and(changes_removed_at IS NOT NULL AND images_expired_at IS NOT NULL) FROM migrated.session")
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        databases.target_sql("DELETE FROM migrated.command_audit")


# --- reading it ------------------------------------------------------------------------------------

def test_audit_shows_calls_the_last_one_first_page_by_page(things):
    for limit in range(1, 8):
        things.daemon.call("List", limit=limit)
    seen, before = [], []
    while True:
        page = things.daemon.ctl_json("audit", "--limit", 3, *before)
        assert len(page["commands"]) <= 3 and page["rows"] == []
        seen += page["commands"]
        if page["next"] is None:
            break
        before = ["--before", page["next"]]
    assert [call["id"] for call in seen] == sorted((call["id"] for call in seen), reverse=True)
    lists = [call["parameters"]["limit"] for call in seen if call["method"] == "io.migrated.List"]
    assert lists == [7, 6, 5, 4, 3, 2, 1]
    # What began and has ended is shown once.
    assert [call["result"] for call in seen if call["method"] == "io.migrated.Migrate"] == ["ok"]
    assert [call["result"] for call in things.daemon.ctl_json("audit")["commands"] if call["method"] == "io.migrated.Audit"][0] == "begun"


def test_audit_is_asked_by_user_time_entity_and_session(things):
    session = things.daemon.call("Status")["session"]["session"]
    things.daemon.ctl("plan", "--sql", "things")
    things.daemon.ctl("pause", session, check=False)

    def methods(*options):
        return {call["method"] for call in things.daemon.ctl_json("audit", *options)["commands"]}
    assert {"io.migrated.Plan", "io.migrated.Pause"} <= methods()
    assert methods("--entity", "things") - {"io.migrated.Audit"} == {"io.migrated.Plan"}
    assert methods("--session", session[:8]) - {"io.migrated.Audit"} == {"io.migrated.Pause", "io.migrated.Watch"}
    assert methods("--user", "root") == methods("--user", "0")
    assert methods("--user", "nobody-of-that-name") == set()
    assert "io.migrated.Pause" in methods("--since", "1h")
    assert methods("--since", "1ms") <= {"io.migrated.Audit"}


def log_changes(target, count):
    """Changes of rows, by the last session, as if a batch had made them."""
    target.sql("""
        INSERT INTO migrated.change_log_things (session, batch, kind, k1, t1)
        SELECT (SELECT max(number) FROM migrated.session), 1, 'updated', i, gen_random_uuid()
          FROM generate_series(1, %s) AS i""", [count])


def test_audit_shows_changes_of_rows_the_last_one_first_page_by_page(things):
    log_changes(things.target, 7)
    all_of_them = things.target.sql("SELECT change, session::text, entity, kind, legacy_key, target_key, batch FROM migrated.change_log "
                                    "ORDER BY change DESC")
    assert len(all_of_them) >= 7

    def rows(*options):
        reply = things.daemon.ctl_json("audit", "--rows", *options)
        assert reply["commands"] == []
        return [tuple(row[name] for name in ("change", "session", "entity", "kind", "legacy_key", "target_key", "batch"))
                for row in reply["rows"]], reply["next"]
    seen, next_one = rows("--limit", 3)
    while next_one is not None:
        page, next_one = rows("--limit", 3, "--before", next_one)
        seen += page
    assert seen == all_of_them
    assert rows()[0] == all_of_them
    assert rows("--since", "1h")[0] == rows("--entity", "things")[0] == rows("--session", seen[0][1][:8])[0] == all_of_them
    assert rows("--key", "things:2")[0] == [row for row in all_of_them if row[4] == ["2"]]
    for nothing in (["--entity", "others"], ["--key", "things:2,2"], ["--key", "others:2"], ["--session", "abcdef01"]):
        assert rows(*nothing) == ([], None)
    assert str(seen[0][0]) in things.daemon.ctl("audit", "--rows").stdout


@pytest.mark.empty_target
def test_audit_of_a_target_without_a_control_schema_is_empty(pair):
    pair = pair(PLAIN_SOURCE, PLAIN_TARGET, PLAIN)
    wait_until_reached(pair.daemon)
    assert pair.daemon.ctl("audit").stdout == "No such call is recorded.\n"
    assert pair.daemon.ctl("audit", "--rows").stdout == "No such change of a row is recorded.\n"


@pytest.mark.parametrize("options, said", [
    (["--rows", "--commands"], "either --commands or --rows"),
    (["--key", "things:1"], "--key only with --rows"),
    (["--rows", "--key", "things:1", "--entity", "things"], "which names its entity"),
    (["--rows", "--user", "root"], "--user only of commands"),
    (["--since", "tomorrow"], "a time that has passed"),
])
def test_what_cannot_be_asked_is_refused(things, options, said):
    refused = things.daemon.ctl("audit", *options, check=False)
    assert refused.returncode == 2 and said in refused.stderr


def test_reading_the_audit_operates(things):
    with pytest.raises(VarlinkError) as refused:
        things.daemon.call("Audit", since="yesterday")
    assert refused.value.parameters == {"parameter": "since"}
    for parameters in ({"kind": "rows", "user": "root"}, {"kind": "commands", "key": ["1"]}, {"kind": "rows", "uid": 0}):
        with pytest.raises(VarlinkError):
            things.daemon.call("Audit", **parameters)
