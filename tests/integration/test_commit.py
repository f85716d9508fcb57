"""A COMMIT whose answer is lost is never decided wrongly: forced again and again, at every moment around it.

The batches of a session go through a proxy that knows the query which carries a batch's COMMIT. Some of them, chosen at
random, meet one of these fates:

before  the connection is cut, and the server never sees the COMMIT
after   the server has it, and the connection is cut at once
answer  the server has answered, and the connection is cut before the answer is passed on
frozen  the backend is stopped (SIGSTOP), gets the COMMIT, and the connection is cut; it goes on a while later
"""

import os
import random
import signal
import threading

import pytest

from sessions import assert_each_row_once, primary_keys, start_migration, wait_until_ended
from waiting import wait_until

FATES = ("before", "after", "answer", "frozen")
FROZEN_S = (0.1, 1.5)
SHARE = 0.5  # of the COMMITs that meet a fate


class Fate:
    """What a proxy does to the COMMITs it sees; one of its traps."""

    def __init__(self, proxy, target, chance, times, fates=FATES):
        self.proxy, self.target, self.chance = proxy, target, chance
        self.left, self.fates = times, fates
        self.met = {fate: 0 for fate in fates}
        self.connection = target.connect()
        self.waiting = []
        proxy.traps.append(self)

    def look_at(self, connection, kind, body):
        if kind != "Q" or not body.rstrip(b"\0\n ").endswith(b"COMMIT;") or b"RETURNING inserted, updated" not in body:
            return
        if self.left == 0 or self.chance.random() > SHARE:
            return
        self.left -= 1
        fate = self.chance.choice(self.fates)
        self.met[fate] += 1
        getattr(self, fate)(connection, 5 + len(body))

    def before(self, connection, length):
        connection.reset()

    def after(self, connection, length):
        connection.to_server.reset_after = connection.sent + connection.outward.queued + length

    def answer(self, connection, length):
        connection.to_client.stalled = True
        self.later(lambda: wait_until(lambda: connection.closed or connection.inward.queue, 30), connection.reset)

    def frozen(self, connection, length):
        pid = self.backend_of(connection)
        os.kill(pid, signal.SIGSTOP)
        self.after(connection, length)
        pause = self.chance.uniform(*FROZEN_S)
        self.later(lambda: threading.Event().wait(pause), lambda: os.kill(pid, signal.SIGCONT))

    def backend_of(self, connection):
        port = connection.server.getsockname()[1]
        return self.connection.execute("SELECT pid FROM pg_stat_activity WHERE client_port = %s", [port]).fetchone()[0]

    def later(self, wait, act):
        def run():
            wait()
            act()
        self.waiting.append(threading.Thread(target=run, daemon=True))
        self.waiting[-1].start()

    def close(self):
        for one in self.waiting:
            one.join()
        self.connection.close()


@pytest.mark.parametrize("number", [0, *(pytest.param(number, marks=pytest.mark.long) for number in range(1, 10))])
@pytest.mark.parametrize("kind, times", [("initial", 10), ("differential", 10)])
def test_forced_ambiguities(request, make_clinic, start_daemon, seed, kind, times, number):
    chance = random.Random(f"{seed} {request.node.name}")
    clinic = make_clinic(scale=0.2, loaded=kind == "differential")
    if kind == "differential":
        clinic.day(seed=1 + number)
        clinic.day(seed=100 + number)
    before = primary_keys(clinic.target)
    daemon = start_daemon(clinic, through=["target"], settings={"lock_timeout": "300ms", "max_retry_attempts": 100})
    fate = Fate(daemon.proxies["target"], clinic.target, chance, times)
    try:
        session = start_migration(daemon, batch_size=25, parallel=3)
        wait_until_ended(daemon)
    finally:
        fate.close()
    print(f"forced: {fate.met}")
    assert fate.left == 0, f"forced only {fate.met}"
    clinic.oracle()
    assert_each_row_once(clinic, session, before)
