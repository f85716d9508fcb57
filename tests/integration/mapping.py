"""A mapping of a few tables between two empty databases, for the tests that ask about one thing."""

import os
import random

from changes import Standing
from sessions import detect, migrate, row_versions, wait_until_connected

AWKWARD_TEXTS = ["", " ", "  ", "a", "A", "ä", "Ä", "ß", "ss", "z", "Z", "_", "-", '"', "'", "\\", "\\N", "\\.", "{", "}",
                 "{}", "{x}", "NULL", "null", "a,b", "a b", "a\nb", "a\tb", "%s", "%", "$1", "🦷", "e\u0301", "é",
                 "' OR true --", "0", "00", "1e3"]

# Types that both sides have, where a test asks for them.
KEY_TYPES = "CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy, very', 'it''s'); " \
            "CREATE DOMAIN positive AS integer CHECK (value > 0);"


def entity(name, columns, *, source=None, target=None, key="id", target_key="id", legacy_key="legacy_id", **rest):
    """A mapping as it stands in entities.d; source and target tables are called like the entity unless said otherwise."""
    source = source if isinstance(source, dict) else {"table": source or name}
    target = target if isinstance(target, dict) else {"table": target or name}
    return {
        "entity": name,
        "source": {"key": key, **source},
        "target": {"key": target_key, **({"legacy_key": legacy_key} if legacy_key else {}), **target},
        "columns": columns,
        **rest,
    }


PLAIN_SOURCE = "CREATE TABLE things (id integer PRIMARY KEY, value text)"
PLAIN_TARGET = "CREATE TABLE things (id uuid PRIMARY KEY, legacy_id integer UNIQUE, value text)"
PLAIN = entity("things", {"value": "value"}, on_delete="delete")


def same_things(world):
    assert sorted(world.target_sql("SELECT legacy_id::text, value FROM things")) == \
        sorted(world.source_sql("SELECT id::text, value FROM things"))


def problems(daemon):
    """What keeps the mapping from fitting the databases, as check has it."""
    findings = wait_until_connected(daemon).call("Check")["findings"]
    return [finding["message"] for finding in findings if (finding["check"], finding["result"]) == ("mapping", "fail")]


class Pair:
    """Two databases and the daemon between them. Whenever a session has ended, every source row must have its place."""

    def __init__(self, databases, start_daemon, source_sql, target_sql, entities, **settings):
        self.databases = databases
        self.source = databases.source
        self.target = databases.target
        self.source_sql = databases.source_sql
        self.target_sql = databases.target_sql
        databases.source_sql(source_sql)
        databases.target_sql(target_sql)
        self.start_daemon = start_daemon
        self.settings = settings
        self.entities = entities
        self.daemon = start_daemon(databases, entities=entities, settings=settings)
        self.chance = random.Random(os.environ["SEED"] + os.environ["PYTEST_CURRENT_TEST"])
        self.accounted = True  # False where a test spoils what accounts are made of
        self.behind = False  # the next session does not look at everything
        self.logged = True  # False where others write meanwhile, or write along

    def migrate(self, expect="completed", **parameters):
        before = Standing(self.target, self.entities) if self.logged else None
        session = migrate(self.daemon, expect, **parameters)
        if before:
            before.is_what_the_log_leads_back_to()
        behind, self.behind = self.behind or not set(parameters) <= {"full"}, False
        if self.accounted and expect == "completed":
            all_of_it = all(part["status"] == "completed" for part in session.entities.values())
            self.databases.accounts(complete=all_of_it and not behind)
        return session

    def detect(self, **parameters):
        self.behind = True  # it may carry out this analysis
        return detect(self.daemon, **parameters)

    def problems(self):
        return problems(self.daemon)

    def change_mapping(self, entities):
        """The daemon has this mapping: started again with it, or by a reload, which is to be the same."""
        self.daemon.write_entities(entities)
        self.entities = entities
        if self.chance.random() < 0.5:
            self.daemon.restart()
        else:
            reply = self.daemon.call("Reload")
            assert reply["accepted"] and reply["waits_for"] is None, reply
        self.behind = True  # all is read anew, and what is gone is looked for when that is done

    def finds_nothing(self):
        """A further run has nothing to do, and --full writes nothing."""
        analysis = self.detect()
        assert (analysis.new, analysis.modified, analysis.deleted) == (0, 0, 0), analysis
        before = row_versions(self.target)
        self.migrate()
        self.migrate(full=True)
        assert row_versions(self.target) == before
