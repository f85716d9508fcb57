"""Where every source row is, found out by keys alone: an oracle for `status --accounts`, and a check after every scenario.

It asks both databases in plain SQL, and uses neither the daemon nor its hashes; what the rows hold is the other oracle's business.

Every legacy key of an entity's source, read by a query of its own, is in exactly one place: in the id map, its target row being there; an
open or discarded dead letter; parked; a held conflict; or nowhere yet. Nobody is in two of them, nobody is in the id map without
a target row, and no target row with a legacy key is without its place in the id map. Where all is said to be carried over, nobody waits, and
nothing is set aside or mapped whose source row is gone.
"""

import collections
import contextlib
import dataclasses
import json
import pathlib

SHOWN_FINDINGS = 20
CLASSES = ("equal", "waiting", "parked", "dead_letters", "discarded", "held", "kept", "filtered", "lost")

# As the daemon has them; keys are compared as text.
PINS = """
    SET timezone = 'UTC'; SET datestyle = 'ISO, YMD'; SET intervalstyle = 'postgres'; SET extra_float_digits = 3;
    SET bytea_output = 'hex'; SET lc_monetary = 'C'
"""


def quoted(name):
    return '"' + name.replace('"', '""') + '"'


def as_list(names):
    return names if isinstance(names, list) else [names]


@dataclasses.dataclass
class Books:
    """What is known of one entity: keys are tuples of text."""

    entity: str
    source: list  # every legacy key, as often as the source has it
    filtered: int
    mapped: dict = dataclasses.field(default_factory=dict)  # legacy key -> target key, without those that are gone
    gone: set = dataclasses.field(default_factory=set)
    letters: dict = dataclasses.field(default_factory=dict)  # -> does it say that the row is mapped
    discarded: dict = dataclasses.field(default_factory=dict)
    parked: dict = dataclasses.field(default_factory=dict)
    held: set = dataclasses.field(default_factory=set)
    contested: set = dataclasses.field(default_factory=set)  # rows that people may have deleted in the target, and are asked about
    undeleted: set = dataclasses.field(default_factory=set)  # their source rows are gone, and the target refused to delete them
    target: dict = dataclasses.field(default_factory=dict)  # target key -> legacy key, None where it has none
    shares: bool = False  # several rows may lead to one target row, whose key is made of their columns
    known: bool = False  # the control schema has heard of it

    def aside(self):
        return {**self.discarded, **self.parked, **self.letters, **dict.fromkeys(self.held)}

    def waiting(self):
        return set(self.source) - set(self.mapped) - set(self.aside())

    def findings(self, complete):
        yield from self.contradictions()
        yield from self.disagreements_with_target()
        if complete:
            yield from (("waits, though all was carried over", key) for key in self.waiting())
            yield from (("is mapped, and its source row is gone", key) for key in set(self.mapped) - set(self.source) - self.undeleted)
            yield from (("is set aside, and its source row is gone", key) for key in set(self.aside()) - set(self.source))

    def contradictions(self):
        places = {"a letter": self.letters, "discarded": self.discarded, "parked": self.parked, "held": self.held}
        for key, count in collections.Counter(self.source).items():
            if count > 1:
                yield "is there more than once in the source", key
        for key, count in collections.Counter(key for place in places.values() for key in place).items():
            if count > 1:
                yield " and ".join(name for name, place in places.items() if key in place), key
        for name, place in places.items():
            if name == "held":
                continue
            for key, says_mapped in place.items():
                if says_mapped != (key in self.mapped or key in self.gone):
                    yield f"{name}, which says {'it is mapped' if says_mapped else 'it is not mapped'}", key
        for target_key, count in collections.Counter(self.mapped.values()).items():
            if count > 1 and not self.shares:
                yield "is the target row of several", target_key

    def disagreements_with_target(self):
        for key, target_key in self.mapped.items():
            if target_key not in self.target and key not in self.contested:
                yield "is mapped, and its target row is not there", key
        leads_to = {**self.mapped}
        for target_key, key in self.target.items():
            if key is None or key in self.gone:
                continue
            if leads_to.get(key) != target_key:
                yield "is a legacy key in the target, and the id map does not lead there", key


class Side:
    """A transaction that shows keys as the daemon does."""

    def __init__(self, database):
        self.connection = database.server.kept_connection(database.name, PINS)
        self.connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")

    def rows(self, query, parameters=None):
        return self.connection.execute(query, parameters).fetchall()

    def has(self, relation):
        return self.rows("SELECT to_regclass(%s) IS NOT NULL", [relation])[0][0]

    def close(self):
        if not self.connection.closed:
            self.connection.execute("ROLLBACK")


def texts(columns):
    return ", ".join(f"({column})::text" for column in columns)


def relation_of(side):
    if "query" in side:
        return f"({side['query']}\n)"  # it may end with a comment
    return f"{quoted(side['schema'])}.{quoted(side['table'])}" if "schema" in side else quoted(side["table"])


def keep_books(source, target, entity):
    name, reads, writes = entity["entity"], entity["source"], entity["target"]
    relation, where = f"{relation_of(reads)} AS source", reads.get("where", "TRUE") + "\n"
    keys = texts(f"source.{quoted(key)}" for key in as_list(reads["key"]))
    books = Books(name, source.rows(f"SELECT {keys} FROM {relation} WHERE {where}"),
                  source.rows(f"SELECT count(*) FROM {relation} WHERE ({where}) IS NOT TRUE")[0][0])
    id_map = quoted(f"id_map_{name}")
    if not target.has(f"migrated.{id_map}"):
        return books
    books.known = True
    books.shares = not writes.get("legacy_key") and set(as_list(writes["key"])) <= set(entity["columns"])
    k = len(as_list(reads["key"]))
    mapping = target.rows(f"SELECT {texts(f'k{i + 1}' for i in range(k))}, gone IS NOT NULL, "
                          f"{texts(f't{i + 1}' for i in range(len(as_list(writes['key']))))} FROM migrated.{id_map}")
    books.mapped = {row[:k]: row[k + 1:] for row in mapping if not row[k]}
    books.gone = {row[:k] for row in mapping if row[k]}
    letters = target.rows("SELECT legacy_key, mapped, CASE phase WHEN 'delete' THEN phase ELSE state END FROM migrated.dead_letter "
                          "WHERE entity = %s AND state IN ('open', 'discarded')", [name])
    books.letters = {tuple(key): mapped for key, mapped, state in letters if state == "open"}
    books.discarded = {tuple(key): mapped for key, mapped, state in letters if state == "discarded"}
    books.undeleted = {tuple(key) for key, mapped, state in letters if state == "delete"}
    books.parked = {tuple(key): mapped for key, mapped in target.rows(
        "SELECT legacy_key, mapped FROM migrated.parked WHERE entity = %s", [name])}
    if target.has("migrated.conflict"):
        conflicts = [(tuple(key), kind) for key, kind in target.rows("""
            SELECT legacy_key, CASE state WHEN 'held' THEN in_source ELSE state END FROM migrated.conflict WHERE entity = %s""", [name])]
        books.held = {key for key, kind in conflicts if kind == "changed"}
        books.undeleted |= {key for key, kind in conflicts if kind == "deleted"}
        books.contested = {key for key, kind in conflicts if kind != "overwritten"}
    keep_target(books, target, writes)
    return books


def keep_target(books, target, writes):
    own, legacy = as_list(writes["key"]), as_list(writes.get("legacy_key") or [])
    rows = target.rows(f"SELECT {texts(quoted(key) for key in [*own, *legacy])} FROM {relation_of(writes)}")
    for row in rows:
        legacy_key = row[len(own):]
        books.target[row[:len(own)]] = legacy_key if legacy and None not in legacy_key else None


def mapping_in(directory):
    return [json.loads(path.read_text()) for path in sorted(pathlib.Path(directory).glob("*.json"))]


def all_books(databases, entities):
    with contextlib.closing(Side(databases.source)) as source, contextlib.closing(Side(databases.target)) as target:
        return [keep_books(source, target, entity) for entity in entities]


def findings_of(books, complete):
    return [f"{one.entity} {'/'.join(map(str, key))}: {what}" for one in books for what, key in one.findings(complete)]


def differences(books, account, complete):
    """What the daemon's account of an entity says otherwise."""
    source = set(books.source)
    ours = {
        "source": len(books.source) + books.filtered,
        "filtered": books.filtered,
        "dead_letters": len(source & set(books.letters)),
        "parked": len(source & set(books.parked)),
        "held": len(source & books.held),
    }
    if complete:
        settled = len(source & set(books.mapped) - set(books.aside()))
        ours.update(waiting=0, lost=0, discarded=len(source & set(books.discarded)), equal=settled - account["kept"], balanced=True)
    for name, count in ours.items():
        if account[name] != count:
            yield f"{books.entity}: {name} is {count}, and the daemon says {account[name]}"
    counted = sum(account[name] for name in CLASSES)
    if counted != account["source"]:
        yield f"{books.entity}: the daemon's classes add up to {counted} of {account['source']} rows"


def check(databases, daemon=None, entities=None, complete=True):
    """Fails unless every row is accounted for; and unless the daemon, when it runs, says the same."""
    books = all_books(databases, entities if entities is not None else mapping_in(daemon.entities_directory))
    found = findings_of(books, complete)
    if daemon and daemon.running:
        accounts = {account["entity"]: account for account in daemon.call("Account")["accounts"]}
        for one in books:
            found += differences(one, accounts[one.entity], complete) if not accounts[one.entity]["error"] else []
    assert found == [], "rows are not accounted for:\n" + "\n".join(found[:SHOWN_FINDINGS])
    return {one.entity: one for one in books}
