"""Who may do what on the control socket: every identity against every method of the interface, and what is recorded of it."""

import os
import shutil
import subprocess

import pytest

from daemon import clean_environment, program
from identities import (NOBODY, OBSERVER, OBSERVER_BY_GROUP, OPERATOR, OPERATOR_BY_GROUP, ROOT_USER, STRANGER, Identity,
                        known_to, needs_root)
from interface import interface
from mapping import PLAIN, PLAIN_SOURCE, PLAIN_TARGET
from sessions import migrate
from varlink import Varlink, full_name
from waiting import wait_until

pytestmark = needs_root

OPERATING = {"Detect", "Migrate", "Pause", "Resume", "Cancel", "Validate", "Audit", "DryRun", "RetryDeadLetters",
             "DiscardDeadLetters", "ResolveConflicts", "Rollback", "Reload"}
METHODS = sorted(interface().methods) + ["org.varlink.service.GetInfo", "org.varlink.service.GetInterfaceDescription", "Nothing"]
# A method that is entered says so of a parameter that it has not, and does nothing.
NO_SUCH_PARAMETER = {"no_such_parameter": True}

STRANGER_OPERATING_IN_NAME = Identity("migrated-admin", 64005, 64103)
MAY = {
    ROOT_USER: ("observe", "operate"),
    OPERATOR: ("observe", "operate"),
    OPERATOR_BY_GROUP: ("observe", "operate"),
    OBSERVER: ("observe",),
    OBSERVER_BY_GROUP: ("observe",),
    STRANGER: (),
    NOBODY: (),
    STRANGER_OPERATING_IN_NAME: (),
}


@pytest.fixture
def daemon(databases, start_daemon):
    databases.source_sql(PLAIN_SOURCE)
    databases.target_sql(PLAIN_TARGET)
    daemon = known_to(start_daemon(databases, entities=[PLAIN], start=False)).start()
    migrate(daemon)
    return daemon


def asked_each(socket, methods):
    """The error that each method is answered with, on connections of its own; None: an answer."""
    said = {}
    for method in methods:
        with Varlink(socket) as connection:
            connection.send(method, NO_SUCH_PARAMETER)
            reply = connection.receive()
            said[method] = [reply.get("error"), reply.get("parameters", {}).get("needs")]
    return said


@pytest.mark.parametrize("identity", MAY, ids=str)
def test_each_method_is_entered_by_those_who_may_and_by_nobody_else(databases, daemon, identity):
    sessions = databases.target_sql("SELECT session, state FROM migrated.session")
    said, pid = identity.do(asked_each, daemon.socket, METHODS)
    assert said.keys() == set(METHODS)
    for method, (error, needs) in said.items():
        needed = "operate" if method in OPERATING else "observe"
        if needed in MAY[identity]:
            assert error and error.startswith("org.varlink.service."), (method, error)
        else:
            assert (error, needs) == ("io.migrated.PermissionDenied", needed), method
    assert databases.target_sql("SELECT session, state FROM migrated.session") == sessions

    def recorded():
        return databases.target_sql("""
            SELECT method, result, times, uid, gid, parameters FROM migrated.command_audit WHERE pid = %s ORDER BY id""", [pid])
    wait_until(lambda: sum(row[2] for row in recorded()) == len(METHODS), 20)
    # Of what strangers send, nothing is kept but the names of methods that there are.
    known = [method for method in METHODS if method != "Nothing" or MAY[identity]]
    assert {method: (result, uid, gid) for method, result, _, uid, gid, _ in recorded() if method} == \
        {full_name(method): (said[method][0], identity.uid, identity.gid) for method in known}
    assert {str(parameters) for *_, parameters in recorded()} == {str({"(undeclared)": 1} if MAY[identity] else None)}


@pytest.mark.parametrize("identity", [OBSERVER, STRANGER], ids=str)
def test_migratectl_says_by_name_that_it_was_refused(daemon, identity):
    copy = os.path.join(daemon.socket_directory, "migratectl")
    shutil.copy(program("migratectl"), copy)

    def run(*arguments):
        result = subprocess.run([copy, "-H", daemon.socket, *arguments], capture_output=True, text=True, env=clean_environment(),
                                cwd="/", check=False)
        return result.returncode, result.stderr
    (status, said), _ = identity.do(run, "pause")
    assert status == 5 and "operate" in said, said
    (status, said), _ = identity.do(run, "status")
    assert status == (0 if "observe" in MAY[identity] else 5), said


def test_the_matrix_is_that_of_the_interface():
    assert OPERATING <= set(interface().methods)
