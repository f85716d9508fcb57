"""An administrator's shift, for the tests that type what the documents say: a loaded pair, and what happens to it meanwhile."""

import json
import re

from daemon import Daemon
from documents import SHORT_ID, Walk, guide, section
from sessions import ENDED, held, start_migration, state_of, wait_until_blocked
from waiting import wait_until

ROWS = """
    TRUNCATE office, patient;
    INSERT INTO office SELECT n, 'office ' || n FROM generate_series(1, 20) AS n;
    INSERT INTO patient SELECT n, 1 + n % 20, 'patient ' || n, n % 2 FROM generate_series(1, 3000) AS n;
"""


class Shift(Walk):
    """An administrator's night: a loaded pair, and what happens to it."""

    document = "OPERATIONS.md"

    def __init__(self, directory, servers):
        super().__init__(directory, servers)
        self.hands = HANDS
        self.environment["MODERN"] = self.target.conninfo
        self.lock = self.standby = self.copy = None
        for title in ("2. Let it in", "3. Say what goes where"):
            self.follow(section(guide(), title))
        self.source.sql(ROWS)
        self.serve("start")
        self.shell("migratectl migrate --wait")

    def end(self):
        self.free()
        for server in (self.source.server, self.target.server):
            if not server.is_up():
                server.up()
        for daemon in (self.daemon, self.standby):
            if daemon:
                daemon.dispose()
        if self.copy:
            self.copy.drop()
        super().end()

    def type(self, prompt, command):
        """Ids in the guide stand for the last session's."""
        return super().type(prompt, re.sub(SHORT_ID, lambda _: self.last_session()[:8], command) if prompt == "$" else command)

    def last_session(self):
        return self.target.value("SELECT session::text FROM migrated.session ORDER BY number DESC LIMIT 1")

    def reconfigure(self, section_, **values):
        self.daemon.config.setdefault(section_, {}).update(values)
        self.daemon.write_config()
        self.daemon.restart()
        self.wait_until_reached()

    # --- hands ---

    def busy(self):
        """A session is under way, and waits right in its first batch of patients."""
        self.lock = held(self.target, "patients")
        self.lock.__enter__()
        start_migration(self.daemon, full=True)
        wait_until_blocked(self.target)

    def free(self):
        if self.lock:
            self.lock.__exit__(None, None, None)
            self.lock = None

    def paused(self):
        self.free()
        wait_until(lambda: state_of(self.daemon) == "paused", 20, lambda: f"it is paused:\n{self.daemon.log()}")

    def ended(self):
        self.free()
        """As the store has it, too: a daemon that was restarted does not know what was before."""
        kept = "SELECT state FROM migrated.session ORDER BY number DESC LIMIT 1"
        wait_until(lambda: self.target.value(kept) in ENDED and state_of(self.daemon) in (None, *ENDED), 60,
                   lambda: f"it has ended:\n{self.daemon.log()}")

    def cancelled(self):
        self.shell("migratectl cancel")
        self.ended()


    def time_limit(self):
        self.reconfigure("settings", migration_timeout="1s")
        self.busy()
        wait_until(lambda: state_of(self.daemon) == "paused", 20)
        self.free()

    def no_time_limit(self):
        """On a busy machine it may have been paused once more."""
        self.reconfigure("settings", migration_timeout="0")
        if state_of(self.daemon) == "paused":
            self.daemon.call("Resume")
        self.ended()

    def read_only(self):
        self.reconfigure("settings", probe_every="1h")  # so that what goes on does so because somebody said it
        self.busy()
        postgres = self.target.server.database("postgres")
        postgres.sql("ALTER DATABASE modern SET default_transaction_read_only = on")
        self.free()
        postgres.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'modern'")
        wait_until(lambda: (self.daemon.call("Status")["state"], state_of(self.daemon)) == ("paused", "paused"), 30,
                   lambda: f"it is held:\n{self.daemon.log()}")

    def writable(self):
        self.target.server.database("postgres").sql("ALTER DATABASE modern RESET default_transaction_read_only")

    def throttled(self):
        self.reconfigure("throttle", query="SELECT 11", max=10, every="100ms")
        start_migration(self.daemon, full=True)
        wait_until(lambda: self.daemon.call("Status")["throttled"], 20)

    def unthrottled(self):
        del self.daemon.config["throttle"]
        self.daemon.write_config()
        self.daemon.restart()
        self.ended()

    def source_down(self):
        self.source.server.down("fast")
        wait_until(lambda: self.daemon.call("Status")["state"] == "unavailable", 20)

    def source_up(self):
        self.source.server.up()
        self.wait_until_reached()

    def mapping(self, entity, column, value):
        """The only column of the target that is mapped as it is, is called so and made of that."""
        path = self.daemon.entities_directory / f"{entity}.json"
        mapping = json.loads(path.read_text())
        columns = mapping["columns"]
        mapping["columns"] = {**{name: what for name, what in columns.items() if isinstance(what, dict)}, column: value}
        path.write_text(json.dumps(mapping))

    def bad_rows(self):
        self.source.sql("UPDATE patient SET full_name = NULL WHERE id = 7")
        self.shell("migratectl migrate --wait")
        self.source.sql("UPDATE patient SET full_name = NULL WHERE id = 8; UPDATE patient SET office_id = 99 WHERE id = 12")

    def hold(self):
        path = self.daemon.entities_directory / "patients.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), "on_conflict": "hold"}))
        self.daemon.restart()
        self.wait_until_reached()
        self.shell("migratectl migrate --wait")

    def schedule(self):
        self.reconfigure("schedule", every="1s", jitter="0", sweep_every="1d")
        wait_until(lambda: self.daemon.call("Status")["cycles"]["last"], 20)

    def unschedule(self):
        self.reconfigure("schedule", every="0")

    def second(self):
        self.former = self.daemon
        self.standby = Daemon(self.daemon.directory / "second", source="unset", target="unset",
                              entities=self.daemon.entities_directory, environment=self.daemon.environment)
        self.standby.config = {name: value for name, value in self.daemon.config.items() if name != "control"}
        self.standby.write_config()
        self.standby.start()
        wait_until(lambda: self.standby.call("Status")["state"] == "standby", 20, self.standby.log)
        self.environment["MIGRATED_SOCKET"] = self.standby.socket

    def takes_over(self):
        wait_until(lambda: self.standby.call("Status")["state"] == "idle", 20, self.standby.log)
        self.standby.stop()

    def backup(self):
        self.shell("pg_dump -Fc -d \"$MODERN\" -f modern.dump")
        self.source.sql("UPDATE patient SET full_name = 'since' WHERE id = 5; INSERT INTO patient VALUES (4000, 1, 'new', 1)")
        self.shell("migratectl migrate --wait")

    def restore(self):
        self.target.drop()
        self.target.server.create_database("modern")
        self.shell("pg_restore --exit-on-error -d \"$MODERN\" modern.dump")

    def another_source(self):
        self.daemon.stop()
        wait_until(lambda: not self.source.value("SELECT count(*) FROM pg_stat_activity WHERE datname = 'legacy' AND pid <> pg_backend_pid()"))
        self.copy = self.source.server.create_database("legacy_copy", "legacy")
        self.copy.sql("DELETE FROM patient WHERE id > 2900")
        self.daemon.environment["SOURCE_DB_NAME"] = "legacy_copy"
        self.serve("start")

    def newer_schema(self):
        self.target.sql("INSERT INTO migrated.schema_version (version, name) VALUES (9999, 'of a newer one')")
        self.daemon.restart()
        self.wait_until_reached()

    def same_schema(self):
        self.target.sql("DELETE FROM migrated.schema_version WHERE version = 9999")
        self.daemon.restart()
        self.wait_until_reached()

    def password(self, *words):
        self.daemon.environment["TARGET_DB_PASSWORD"] = " ".join(words)


HANDS = {name.replace("_", "-"): hand for name, hand in vars(Shift).items() if not name.startswith("_")}
