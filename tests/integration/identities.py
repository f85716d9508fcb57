"""Callers of the control socket who are somebody else than us: for tests that run as root.

A daemon that was given a `directory` by `known_to()` sees users and groups of the tests' own in /etc/passwd and /etc/group, bound there
for it alone.
"""

import dataclasses
import json
import os
import shlex

import pytest

OBSERVERS, OPERATORS, OTHERS = 64101, 64102, 64103
GROUPS = {"migrated": OBSERVERS, "migrated-admin": OPERATORS, "staff-of-the-tests": OTHERS}

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else")


@dataclasses.dataclass(frozen=True)
class Identity:
    name: str
    uid: int
    gid: int
    groups: tuple = ()

    def __str__(self):
        return self.name

    def do(self, function, *arguments):
        """What function(*arguments) returns in a process of this identity, as JSON carries it; and the process's id."""
        reading, writing = os.pipe()
        pid = os.fork()
        if pid == 0:
            try:
                os.setgroups(self.groups)
                os.setgid(self.gid)
                os.setuid(self.uid)
                os.write(writing, json.dumps(function(*arguments)).encode())
            except BaseException as error:  # nothing of the tests' own may go on in here
                os.write(writing, json.dumps(f"failed: {error!r}").encode())
            finally:
                os._exit(0)
        os.close(writing)
        with open(reading) as pipe:
            said = pipe.read()
        os.waitpid(pid, 0)
        return json.loads(said), pid


ROOT_USER = Identity("root", 0, 0)
OPERATOR = Identity("olga", 64001, OTHERS, (OPERATORS,))
OPERATOR_BY_GROUP = Identity("oscar", 64002, OPERATORS)
OBSERVER = Identity("vera", 64003, OTHERS, (OBSERVERS,))
OBSERVER_BY_GROUP = Identity("viktor", 64004, OBSERVERS)
STRANGER = Identity("stan", 64005, OTHERS)
NOBODY = Identity("nobody", 65534, 65534)
USERS = (ROOT_USER, OPERATOR, OPERATOR_BY_GROUP, OBSERVER, OBSERVER_BY_GROUP, STRANGER, NOBODY)


def known_to(daemon):
    """Has a daemon that is not running yet know these users and groups, and lets them reach its socket."""
    if not program_of("unshare"):
        pytest.skip("there is no unshare")
    files = {"passwd": "".join(f"{user.name}:x:{user.uid}:{user.gid}::/:/bin/sh\n" for user in USERS),
             "group": "root:x:0:\n" + "".join(f"{name}:x:{gid}:\n" for name, gid in GROUPS.items())}
    bound = ""
    for name, text in files.items():
        path = daemon.directory / name
        path.write_text(text)
        bound += f"mount --bind {shlex.quote(str(path))} /etc/{name} && "
    wrapper = daemon.directory / "migrated-among-friends"
    inner = f'{bound}exec {shlex.quote(str(daemon.program))} "$@"'
    wrapper.write_text(f"#!/bin/sh\nexec unshare --mount --propagation private sh -c {shlex.quote(inner)} sh \"$@\"\n")
    wrapper.chmod(0o755)
    daemon.program = str(wrapper)
    os.chmod(daemon.socket_directory, 0o755)
    return daemon


def program_of(name):
    return any(os.access(os.path.join(directory, name), os.X_OK) for directory in os.environ["PATH"].split(":"))
