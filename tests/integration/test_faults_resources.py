"""What a database or the daemon needs runs out: the disk of the target, the daemon's descriptors.

Connections and rights are in test_recovery.py, memory in test_memory.py.
"""

import contextlib
import os
import pathlib
import resource
import shutil
import subprocess
import tempfile

import pytest

from library import Library
from sessions import held, start_migration, wait_until_blocked, wait_until_ended, wait_until_reached
from varlink import Varlink
from waiting import wait_until

SMALL_DISK = "8m"
CLIENTS = 2000
DESCRIPTORS = 1500  # of the daemon: not enough for all of them


# --- a full disk ------------------------------------------------------------------------------------

@pytest.fixture
def small_disk(databases):
    """A tablespace of a few megabytes. It needs a file system of its own, and so root."""
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small file system")
    directory = pathlib.Path(tempfile.mkdtemp(prefix="migrated-disk-"))
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SMALL_DISK}", "tmpfs", directory], capture_output=True)
    if mounted.returncode != 0:
        directory.rmdir()
        pytest.skip("this machine lets nobody mount a file system")
    directory.chmod(0o755)
    place = directory / "tablespace"
    place.mkdir()
    shutil.chown(place, "postgres", "postgres")
    place.chmod(0o700)
    databases.target.sql(f"CREATE TABLESPACE small LOCATION '{place}'")
    yield directory
    with contextlib.suppress(FileNotFoundError):
        (directory / "ballast").unlink()
    databases.target.sql("DROP TABLE IF EXISTS books, shelves CASCADE")
    databases.target.sql("DROP TABLESPACE small")
    subprocess.run(["umount", directory], check=True)
    directory.rmdir()


def fill(directory):
    """A ballast that leaves no block free."""
    with open(directory / "ballast", "wb") as ballast, contextlib.suppress(OSError):
        while True:
            os.write(ballast.fileno(), bytes(4096))


@pytest.mark.parametrize("loaded", [False, True], ids=["initial", "differential"])
def test_a_full_disk_holds_the_session_until_there_is_room(databases, start_daemon, small_disk, loaded):
    library = Library(databases, start_daemon, settings={"probe_every": "200ms"})
    databases.target.sql("ALTER TABLE books SET TABLESPACE small; ALTER INDEX books_legacy_id_key SET TABLESPACE small")
    library.daemon.start()
    if loaded:
        library.comes_to_its_end()
        library.change()
        databases.source.sql("UPDATE books SET title = title || repeat('x', 500) WHERE id <> 7")
    fill(small_disk)
    session = start_migration(library.daemon)
    status = wait_until(lambda: held_by_environment(library.daemon), 30,
                        lambda: f"the session is held:\n{library.daemon.call('Status')}\n{library.daemon.log()}")
    assert status["state"] == "paused"
    assert "space left on device" in status["reason"]
    (small_disk / "ballast").unlink()
    wait_until_ended(library.daemon)
    assert library.daemon.call("Status")["session"]["session"] == session
    library.comes_to_its_end()
    if not loaded:
        library.change()
        library.comes_to_its_end()
    library.is_right()


def held_by_environment(daemon):
    session = daemon.call("Status")["session"]
    return session if session and session["hold"] == "environment" else None


# --- no descriptors left ------------------------------------------------------------------------------

def open_descriptors(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


def as_many_clients_as_get_through(socket, most):
    """Connections that want an answer; it ends when the daemon does not come to take one more."""
    clients = []
    with contextlib.suppress(OSError):
        while len(clients) < most:
            clients.append(Varlink(socket, timeout=0.5))
            clients[-1].send("Status")
    return clients


@pytest.fixture
def many_descriptors():
    """Enough of our own for thousands of clients."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(2 * CLIENTS + 1000, before[1]), before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


@pytest.fixture
def load(make_clinic, start_daemon, many_descriptors):
    """A load that is held up in its middle, until load.goes_on()."""
    return Load(make_clinic(scale=0.11), lambda clinic: start_daemon(clinic, descriptors=DESCRIPTORS))


class Load:
    def __init__(self, clinic, start_daemon):
        self.clinic = clinic
        self.daemon = wait_until_reached(start_daemon(clinic))
        self.gate = held(clinic.target, "orders")
        self.gate.__enter__()
        self.session = start_migration(self.daemon, batch_size=100)
        wait_until_blocked(clinic.target)

    def goes_on(self):
        """As if nobody had asked anything."""
        done = self.batches_done()
        self.gate.__exit__(None, None, None)
        wait_until(lambda: self.batches_done() > done + 10, 60, "the load goes on")

    def batches_done(self):
        return self.clinic.target.value("SELECT count(*) FROM migrated.batch WHERE done")

    def ends(self):
        wait_until(lambda: answers(self.daemon), 30, "the daemon answers again")
        wait_until_ended(self.daemon)
        assert self.daemon.call("Status")["session"]["session"] == self.session
        self.clinic.oracle()


def answers(daemon):
    try:
        return daemon.call("Status")
    except (BlockingIOError, ConnectionError):  # those who came before are being waited on
        return None


@pytest.mark.parametrize("spare", [0, 3])
def test_without_descriptors_the_load_goes_on_and_clients_are_served_again_later(load, spare):
    limits = resource.prlimit(load.daemon.pid, resource.RLIMIT_NOFILE)
    most = open_descriptors(load.daemon.pid) + spare
    resource.prlimit(load.daemon.pid, resource.RLIMIT_NOFILE, (most, limits[1]))
    clients = as_many_clients_as_get_through(load.daemon.socket, CLIENTS // 20)
    replies = [reply_or_none(client) for client in clients]
    served = [reply for reply in replies if reply and "error" not in reply]
    told = [reply for reply in replies if reply and reply.get("error", "").endswith("TooManyPeers")]
    assert len(served) <= spare < len(clients) and told
    load.goes_on()
    for client in clients:
        client.close()
    resource.prlimit(load.daemon.pid, resource.RLIMIT_NOFILE, limits)
    load.ends()


def test_thousands_of_clients_are_served_or_told_that_there_are_too_many(load):
    clients, served = [], 0
    low = [os.open("/dev/null", os.O_RDONLY) for _ in range(64)]  # psycopg can use only low descriptors
    for _ in range(CLIENTS):
        clients.append(wait_until(lambda: connected(load.daemon.socket), 30))
        send_if_wanted(clients[-1])
    for descriptor in low:
        os.close(descriptor)
    load.goes_on()
    for client in clients:
        reply = reply_or_none(client)
        served += reply is not None and "error" not in reply
        assert reply is None or reply.get("error", "").endswith("TooManyPeers") or \
            reply["parameters"]["session"]["session"] == load.session
    assert 500 < served < DESCRIPTORS
    for client in clients:
        client.close()
    load.ends()


def send_if_wanted(client):
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        client.send("Status")


def reply_or_none(client):
    try:
        return client.receive()
    except ConnectionResetError:
        return None


def connected(socket):
    try:
        return Varlink(socket)
    except BlockingIOError:  # as many as the kernel lets wait are waiting
        return None
