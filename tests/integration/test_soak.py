"""Continuous sync while everything goes wrong at random: in the end the oracle finds every row where it ought to be.

A daemon runs cycles of a second, with a sweep every twenty. Writers change the legacy side without a pause: whole days,
and transactions that stay open and commit out of order. Faults follow each other: links that are slow, cut or dead, backends
that are ended, tables that are locked, servers that restart, a daemon that is killed, frozen or stopped. Then writers and faults
end, what is unfinished is finished, one sweep follows, and the oracle is asked.

The short form belongs to `make check`; `make check-long` takes ten minutes, SOAK=seconds so many. SEED repeats the choices, though
not what happens in between; the faults of the last run stand in soak.log in the build directory, and are shown on failure.
"""

import contextlib
import faulthandler
import os
import random
import signal
import threading
import time

import pytest

from daemon import BUILD_DIR
from databases import CLINIC
from sessions import migrate, wait_until_reached
from waiting import SLOWNESS, wait_until

SHORT_S = 25
LONG_S = int(os.environ.get("SOAK") or 600)
SCALE = 0.11
SIDES = ("source", "target")
WRITERS = 3
LIMIT_KB = 64 * 1024
DAY = CLINIC / "day.sql"
# What may be changed without making a row invalid.
COLUMNS = [("dispatch_patient", "phone"), ("dispatch_patient", "medical_notes"), ("dispatch_record", "body"),
           ("dispatch_instruction", "notes")]
BACKENDS = """
    SELECT pid
      FROM pg_stat_activity
     WHERE datname = current_database() AND application_name = 'migrated'
     ORDER BY pid"""
# What has come to rest takes so long at most: a timeout of a dead peer, a lock, and a session.
REST_S = 120


class Diary:
    """What was done to them, and when."""

    def __init__(self, seed):
        self.begun = time.monotonic()
        self.file = open(BUILD_DIR / "soak.log", "w", encoding="utf-8")
        self.lines = []
        self.note(f"seed {seed}")

    def note(self, line):
        line = f"{time.monotonic() - self.begun:8.3f} {line}"
        self.lines.append(line)
        self.file.write(line + "\n")
        self.file.flush()


# --- writers --------------------------------------------------------------------------------------

class Writers:
    """Threads that change the legacy side until they are told to stop. Each has a sequence of random choices of its own."""

    def __init__(self, source, seed):
        self.source = source
        source.sql(f'ALTER DATABASE "{source.name}" SET lock_timeout = \'5s\'')  # they stand in each other's way
        self.stopping = threading.Event()
        self.committed = 0
        self.threads = [threading.Thread(target=self._days, args=(random.Random(f"{seed} days"),))]
        self.threads += [threading.Thread(target=self._transactions, args=(random.Random(f"{seed} {number}"), number))
                         for number in range(WRITERS)]
        for thread in self.threads:
            thread.start()

    def stop(self):
        self.stopping.set()
        for thread in self.threads:
            thread.join()
        self._commit_prepared()

    def _days(self, chance):
        day = 0
        while not self.stopping.is_set():
            day += 1
            with contextlib.suppress(AssertionError):  # the server was restarted, or somebody stood in the way
                self.source.script(DAY, seed=day)
                self.committed += 1
            self.stopping.wait(chance.uniform(0.5, 3))

    def _transactions(self, chance, number):
        """Some of them stay open for seconds, so that later ones commit before them; some are prepared first."""
        made = 0
        while not self.stopping.is_set():
            made += 1
            self._commit_prepared(f"soak_{number}_")
            # A lost server, a deadlock with another writer: then this one has not happened.
            with contextlib.suppress(Exception), self.source.connect(autocommit=False) as connection:
                for _ in range(chance.randint(1, 5)):
                    table, column = chance.choice(COLUMNS)
                    connection.execute(f"""
                        UPDATE {table}
                           SET {column} = %s, updated_at = now()
                         WHERE id = (SELECT id FROM {table} WHERE id >= %s ORDER BY id LIMIT 1)""",
                                       [f"soak {number}.{made}", chance.randint(1, 2000)])
                self.stopping.wait(chance.choice([0, 0, 0.1, 1, 4]))
                if chance.random() < 0.2:
                    connection.execute(f"PREPARE TRANSACTION 'soak_{number}_{made}'")
                    self.stopping.wait(chance.choice([0, 1]))
                else:
                    connection.commit()
                self.committed += 1
            self.stopping.wait(chance.uniform(0, 0.3))

    def _commit_prepared(self, prefix=""):
        """Also what a lost connection has left; it would hold its rows, and every watermark, for ever."""
        with contextlib.suppress(Exception):
            for (name,) in self.source.sql("SELECT gid FROM pg_prepared_xacts WHERE database = current_database()"):
                if name.startswith(prefix):
                    self.source.sql(f"COMMIT PREPARED '{name}'")


# --- faults ---------------------------------------------------------------------------------------

class Faults:
    """One after the other, each healed before the next. What they are called is what the diary says."""

    def __init__(self, clinic, daemon, chance, diary):
        self.clinic, self.daemon, self.chance, self.diary = clinic, daemon, chance, diary
        self.link_faults = {
            "latency": lambda direction: setattr(direction, "latency", self.chance.uniform(0.01, 0.3)),
            "bandwidth": lambda direction: setattr(direction, "bytes_per_s", self.chance.randint(2_000, 200_000)),
            "slices": lambda direction: setattr(direction, "slice_bytes", self.chance.randint(1, 50)),
            "stall": lambda direction: setattr(direction, "stalled", True),
            "deaf": lambda direction: setattr(direction, "deaf", True),
            "reset after some bytes": lambda direction: setattr(direction, "reset_after", self.chance.randint(1, 100_000)),
        }
        self.kinds = [
            (8, self.link), (3, self.cut), (1, self.half_close), (1, self.refuse), (1, self.blackhole), (4, self.terminate),
            (2, self.lock), (3, self.kill), (2, self.freeze), (1, self.stop), (1, self.restart_server),
        ]

    def next(self):
        assert self.daemon.running, f"migrated exited with {self.daemon.process.returncode}:\n{self.daemon.log()}"
        weights, kinds = zip(*self.kinds)
        self.chance.choices(kinds, weights)[0]()

    def last(self, seconds):
        """For so long."""
        until = time.monotonic() + seconds
        wait_until(lambda: time.monotonic() >= until, seconds + 10)

    def a_side(self):
        return self.chance.choice(SIDES)

    def link(self):
        side, direction = self.a_side(), self.chance.choice(["to_server", "to_client"])
        kind = self.chance.choice(list(self.link_faults))
        seconds = self.chance.uniform(0.1, 2)
        self.diary.note(f"{side} {direction}: {kind} for {seconds:.1f} s")
        self.link_faults[kind](getattr(self.daemon.proxies[side], direction))
        self.last(seconds)
        self.daemon.proxies[side].heal()

    def cut(self):
        side = self.a_side()
        self.diary.note(f"{side}: all links are reset")
        self.daemon.proxies[side].reset()

    def half_close(self):
        side, receiver = self.a_side(), self.chance.choice(["server", "client"])
        self.diary.note(f"{side}: a link is closed towards the {receiver}")
        for connection in self.daemon.proxies[side].connections[:1]:
            with contextlib.suppress(OSError):
                connection.half_close(receiver)

    def refuse(self):
        side = self.a_side()
        self.diary.note(f"{side}: refuses connections")
        self.daemon.proxies[side].refuse()
        self.daemon.proxies[side].reset()
        self.last(self.chance.uniform(0.1, 2))
        self.daemon.proxies[side].heal()

    def blackhole(self):
        side, seconds = self.a_side(), self.chance.uniform(0.5, 4)
        self.diary.note(f"{side}: blackhole for {seconds:.1f} s")
        self.daemon.proxies[side].blackhole()
        self.last(seconds)
        self.daemon.proxies[side].heal()

    def terminate(self):
        side = self.a_side()
        database = getattr(self.clinic, side)
        pids = [pid for (pid,) in database.sql(BACKENDS)]
        self.diary.note(f"{side}: one of {len(pids)} backends is terminated")
        if pids:
            database.sql("SELECT pg_terminate_backend(%s)", [self.chance.choice(pids)])

    def lock(self):
        table = self.chance.choice(["patients", "orders", "messages", "cases", "offices"])
        seconds = self.chance.uniform(0.1, 3)
        self.diary.note(f"target: {table} is locked for {seconds:.1f} s")
        with self.clinic.target.connect(autocommit=False) as connection, contextlib.suppress(Exception):
            connection.execute(f"SET lock_timeout = '2s'; LOCK TABLE {table} IN SHARE MODE")
            self.last(seconds)

    def kill(self):
        self.diary.note("the daemon is killed")
        self.daemon.kill()
        self.daemon.start()

    def freeze(self):
        seconds = self.chance.uniform(0.1, 2)
        self.diary.note(f"the daemon is frozen for {seconds:.1f} s")
        self.daemon.process.send_signal(signal.SIGSTOP)
        self.last(seconds)
        self.daemon.process.send_signal(signal.SIGCONT)

    def stop(self):
        self.diary.note("the daemon is stopped")
        self.daemon.process.terminate()
        self.daemon.wait_for_exit(60)
        self.daemon.start()

    def restart_server(self):
        side, mode = self.a_side(), self.chance.choice(["fast", "immediate"])
        self.diary.note(f"{side}: the server is restarted, {mode}")
        server = getattr(self.clinic, side).server
        server.down(mode)
        server.up()


# --- the test -------------------------------------------------------------------------------------

def continuous(daemon):
    daemon.config["schedule"] = {"every": "1s", "sweep_every": "20s"}
    daemon.config["settings"] = {"batch_size": 200, "peer_timeout": "2s", "stall_timeout": "2s", "lock_timeout": "1s",
                                 "probe_every": "500ms"}
    daemon.write_config()


def come_to_rest(clinic, daemon):
    """Without a schedule, what an earlier life has begun is finished; then one sweep looks at everything."""
    daemon.stop()
    daemon.config["schedule"] = {}
    daemon.write_config()
    wait_until_reached(daemon.start())
    wait_until(lambda: clinic.target.value("SELECT count(*) FROM migrated.session WHERE finished_at IS NULL") == 0, REST_S,
               lambda: f"all sessions end:\n{daemon.call('Status')}\n{daemon.log()}")
    wait_until(lambda: daemon.call("Status")["state"] == "idle", REST_S)
    return migrate(daemon, strategy="sweep")


@pytest.mark.parametrize("seconds", [SHORT_S, pytest.param(LONG_S, marks=pytest.mark.long)], ids=["short", "long"])
def test_whatever_happens_in_the_end_every_row_is_there(make_clinic, start_daemon, seed, seconds):
    faulthandler.cancel_dump_traceback_later()  # this takes as long as it takes
    diary = Diary(seed)
    clinic = make_clinic(scale=SCALE, loaded=True)
    daemon = start_daemon(clinic, start=False, through=SIDES)
    continuous(daemon)
    wait_until_reached(daemon.start())
    writers = Writers(clinic.source, seed)
    faults = Faults(clinic, daemon, random.Random(f"{seed} faults"), diary)
    try:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            faults.next()
            faults.last(faults.chance.uniform(0, 1.5))
        diary.note("it is over")
        resident_kb = daemon.call("Status")["resident_kb"]
        writers.stop()
        come_to_rest(clinic, daemon)
        clinic.oracle()
    except BaseException:
        print("\n".join(diary.lines))
        raise
    finally:
        writers.stop()
    sessions, moved = clinic.target.sql("SELECT count(DISTINCT session), sum(inserted + updated + deleted) FROM migrated.batch")[0]
    diary.note(f"{len(diary.lines)} faults, {writers.committed} transactions, {sessions} sessions, {moved} rows carried")
    assert writers.committed > seconds / 5 and sessions > 2
    assert resident_kb < LIMIT_KB or SLOWNESS > 1
