"""Random mappings, random rows, random changes: whatever comes of the seed, the target holds what a model says.

A world has two to six entities with keys of every sort, references between them (to themselves and in circles, too), rows
whose parents are missing or whose values do not fit. Its model is a few lines of Python that know the rules and nothing of how
the daemon follows them:

- A row is carried when its values fit and every parent that it must have has been carried, or can be together with it: rows
  of one entity may need each other.
- A row that cannot be carried stays in the target as it was carried last, if it ever was, and is set aside, once.
- A reference that may be missing, or that is deferred, is NULL until its parent has been carried. Which are deferred is the
  daemon's choice; the model takes its word, as long as their columns may be NULL.
- A row that is gone goes, is marked, or stays, as its entity says.
- A target key never changes as long as its row is there.

SEED is the first world's; `make check-long` runs many more, PROPERTY_SEEDS=n so many.
"""

import os
import random
import uuid

import pytest

from mapping import Pair, entity
from sessions import wait_until_reached

WORLDS = int(os.environ.get("PROPERTY_SEEDS") or 60)
SHORT_WORLDS = 5
ROUNDS = 4
MOST_RUNS = 5  # sessions until nothing is left to do: chains of rows that wait for each other unwind


class OneOf:
    """Equal to any of these."""

    def __init__(self, *values):
        self.values = values

    def __eq__(self, other):
        return other in self.values

    def __repr__(self):
        return " or ".join(map(repr, self.values))


# --- a world ----------------------------------------------------------------------------------------

class Key:
    """How an entity's legacy key is made and written."""

    def __init__(self, types, make, columns=("id",)):
        self.types = types
        self.make = make
        self.columns = columns

    def text(self, key):
        """As SQL text, unique within the entity."""
        return "/".join(map(str, key))


KEYS = {
    "integer": Key(["integer"], lambda chance, n: (n * 7 - 20,)),
    "bigint": Key(["bigint"], lambda chance, n: (n * 2**33 + chance.randrange(2**20),)),
    "text": Key(["text"], lambda chance, n: (chance.choice(["a", "Ä", "'", '"', "%", "{x}", "\\", " "]) + f" {n}",)),
    "uuid": Key(["uuid"], lambda chance, n: (uuid.UUID(int=chance.getrandbits(128)),)),
    "composite": Key(["integer", "text"], lambda chance, n: (n % 5, f"k {n}"), ("first", "second")),
}


class Reference:
    def __init__(self, name, parent, if_missing, not_null):
        self.name = name
        self.parent = parent
        self.if_missing = if_missing
        self.not_null = not_null
        self.may_be_missing = if_missing == "null"
        self.columns = [f"{name}_{column}" for column in parent.key.columns]


class Entity:
    def __init__(self, chance, number):
        self.name = f"e{number}"
        self.key = KEYS[chance.choice(list(KEYS))]
        self.on_delete = chance.choice(["delete", "mark", "ignore"])
        self.keeps_legacy_key = chance.random() < 0.6
        self.references = []
        self.made = 0
        self.rows = {}     # legacy key -> what the source holds
        self.carried = {}  # legacy key -> the row as it was carried last; "active" is False in one that was marked as gone

    # What the two databases and the daemon are told.

    def source_ddl(self):
        columns = [f'{name} {kind}' for name, kind in zip(self.key.columns, self.key.types)]
        columns += [f"{name} {kind}" for reference in self.references
                    for name, kind in zip(reference.columns, reference.parent.key.types)]
        return f"CREATE TABLE {self.name} ({', '.join(columns)}, value text, amount text, " \
               f"PRIMARY KEY ({', '.join(self.key.columns)}));"

    def target_ddl(self):
        legacy = [f"legacy_{name} {kind}" for name, kind in zip(self.key.columns, self.key.types)]
        unique = f"UNIQUE ({', '.join('legacy_' + name for name in self.key.columns)})"
        columns = ["id uuid PRIMARY KEY", "k text NOT NULL UNIQUE", "value text NOT NULL", "amount integer",
                   "active boolean NOT NULL DEFAULT true", *[f"{reference.name} uuid{' NOT NULL' * reference.not_null}" for reference in self.references],
                   *([*legacy, unique] if self.keeps_legacy_key else [])]
        return f"CREATE TABLE {self.name} ({', '.join(columns)});"

    def foreign_keys(self):
        return "".join(f"ALTER TABLE {self.name} ADD FOREIGN KEY ({reference.name}) REFERENCES {reference.parent.name};"
                       for reference in self.references)

    def mapping(self):
        key = " || '/' || ".join(f"{column}::text" for column in self.key.columns)
        columns = {"k": {"sql": key}, "value": "value", "amount": "amount"}
        for reference in self.references:
            columns[reference.name] = {"references": reference.parent.name, "from": reference.columns,
                                       "if_missing": reference.if_missing}
        return entity(self.name, columns, key=list(self.key.columns),
                      legacy_key=[f"legacy_{name}" for name in self.key.columns] if self.keeps_legacy_key else None,
                      on_delete={"mark": {"active": False}} if self.on_delete == "mark" else self.on_delete)


class World:
    def __init__(self, chance):
        self.chance = chance
        self.entities = [Entity(chance, number) for number in range(chance.randint(2, 6))]
        for child in self.entities:
            for number in range(chance.randint(0, 3)):
                parent = chance.choice(self.entities)
                if_missing = chance.choice(["park", "park", "null", "dead_letter"])
                # What closes a circle of entities may be NULL, so that there is one in each.
                circle = self.entities.index(parent) > self.entities.index(child)
                not_null = not circle and if_missing != "null" and chance.random() < 0.4
                child.references.append(Reference(f"r{number}", parent, if_missing, not_null))
        chance.shuffle(self.entities)

    # --- changes in the source ---

    def round(self, databases, most):
        for one in self.entities:
            for _ in range(self.chance.randint(0, most)):
                self.chance.choices([self.insert, self.update, self.delete], [5, 3, 2])[0](databases, one)

    def insert(self, databases, one):
        one.made += 1
        gone = [key for key in one.carried if key not in one.rows]
        key = self.chance.choice(gone) if gone and self.chance.random() < 0.3 else one.key.make(self.chance, one.made)
        if key in one.rows:
            return
        row = self.row(one, key)
        columns = [*one.key.columns, *row]
        values = [*key, *row.values()]
        databases.source_sql(f"INSERT INTO {one.name} ({', '.join(columns)}) VALUES ({', '.join(['%s'] * len(values))})", values)
        one.rows[key] = row

    def update(self, databases, one):
        if not one.rows:
            return
        key = self.chance.choice(list(one.rows))
        row = self.row(one, key)
        databases.source_sql(f"UPDATE {one.name} SET {', '.join(name + ' = %s' for name in row)} WHERE {self.is_key(one)}",
                             [*row.values(), *key])
        one.rows[key] = row

    def delete(self, databases, one):
        keys = [key for key in one.rows if one.on_delete != "delete" or not self.is_referred_to(one, key)]
        if not keys:
            return
        key = self.chance.choice(keys)
        databases.source_sql(f"DELETE FROM {one.name} WHERE {self.is_key(one)}", key)
        del one.rows[key]

    @staticmethod
    def is_key(one):
        return " AND ".join(f"{column} = %s" for column in one.key.columns)

    def is_referred_to(self, parent, key):
        """By another row of the source, or by one that is in the target still: then the target would refuse to delete it."""
        return any(tuple(row[column] for column in reference.columns) == key and (child, child_key) != (parent, key)
                   for child in self.entities for reference in child.references if reference.parent is parent
                   for child_key, row in [*child.rows.items(), *child.carried.items()])

    def row(self, one, key):
        row = {"value": self.chance.choices([f"v {self.chance.random()}", "", "it's", None], [6, 1, 1, 1])[0],
               "amount": self.chance.choices([str(self.chance.randrange(100)), None, "many"], [8, 1, 1])[0]}
        for reference in one.references:
            row.update(zip(reference.columns, self.parent_key(reference, one, key)))
        return row

    def parent_key(self, reference, one, key):
        parent = reference.parent
        kind = self.chance.random()
        if kind < 0.1:
            return [None] * len(reference.columns)
        if parent is one and kind > 0.8:
            return key
        if kind < 0.2 or not parent.rows:  # one that has not come yet, and may never come
            return parent.key.make(random.Random(parent.made), parent.made + 1)
        return self.chance.choice(list(parent.rows))

    # --- what ought to come of it ---

    def carry(self, sees_deletions):
        """The model: a session, and as many more as it takes until nothing is left to do."""
        for one in self.entities:
            for key in one.rows:
                if one.carried.get(key, {}).get("active") is False:  # it is there again
                    one.carried[key] = {name: value for name, value in one.carried[key].items() if name != "active"}
            for key in list(one.carried):
                if key not in one.rows and sees_deletions:
                    if one.on_delete == "delete":
                        del one.carried[key]
                    elif one.on_delete == "mark":
                        one.carried[key] = {**one.carried[key], "active": False}
        coming = {(one, key) for one in self.entities for key, row in one.rows.items()
                  if one.carried.get(key) != row and self.fits(one, row)}
        left = None
        while left != len(coming):
            left = len(coming)
            coming = {(one, key) for one, key in coming if self.has_parents(one, one.rows[key], coming)}
        for one, key in coming:
            one.carried[key] = one.rows[key]

    @staticmethod
    def fits(one, row):
        return row["value"] is not None and row["amount"] != "many" and \
            not any(reference.not_null and None in [row[column] for column in reference.columns] for reference in one.references)

    @staticmethod
    def has_parents(one, row, coming):
        for reference in one.references:
            key = tuple(row[column] for column in reference.columns)
            if None not in key and not reference.may_be_missing and key not in reference.parent.carried and \
                    (reference.parent, key) not in coming:
                return False
        return True

    def expected(self, one):
        """key text -> (value, amount, active, key texts of the parents)."""
        rows = {}
        for key, row in one.carried.items():
            amount = None if row["amount"] is None else int(row["amount"])
            parents = [self.expected_parent(reference, row, one.rows.get(key) == row) for reference in one.references]
            rows[one.key.text(key)] = (row["value"], amount, row.get("active", True), *parents)
        return rows

    @staticmethod
    def expected_parent(reference, row, is_present):
        """Nobody follows a reference of a row that is not the source's any more: it may have been filled in by then, or not."""
        parent = tuple(row[column] for column in reference.columns)
        if parent not in reference.parent.carried:
            return None
        text = reference.parent.key.text(parent)
        return text if is_present or not reference.may_be_missing else OneOf(text, None)

    def set_aside(self, one):
        return {one.key.text(key) for key, row in one.rows.items() if one.carried.get(key) != row}


    def learn_what_is_deferred(self, daemon):
        deferred = {one["entity"]: one["deferred"] for one in daemon.call("Plan")["entities"]}
        for one in self.entities:
            for reference in one.references:
                assert not (reference.not_null and reference.name in deferred[one.name]), (one.name, reference.name)
                reference.may_be_missing |= reference.name in deferred[one.name]


# --- what did come of it --------------------------------------------------------------------------------

def actual(databases, one):
    columns = "".join(f", (SELECT k FROM {reference.parent.name} WHERE id = t.{reference.name})" for reference in one.references)
    return {key: tuple(rest) for key, *rest in
            databases.target_sql(f"SELECT k, value, amount, active{columns} FROM {one.name} AS t")}


def set_aside(databases, one):
    """(key text, why) of each row that waits or was refused."""
    return [("/".join(key), why) for key, why in databases.target_sql("""
        SELECT legacy_key, 'waits for ' || parent_entity || ' ' || parent_key::text FROM migrated.parked WHERE entity = %s
         UNION ALL
        SELECT legacy_key, concat_ws(' ', phase, sqlstate, column_name, message)
          FROM migrated.dead_letter
         WHERE entity = %s
           AND state = 'open'""", [one.name, one.name])]


def target_keys(databases, one):
    return dict(databases.target_sql(f"SELECT k, id FROM {one.name}"))


def run_until_done(pair, strategy):
    for _ in range(MOST_RUNS):
        session = pair.migrate(strategy=strategy)
        if session.done == 0:
            pair.databases.accounts(complete=strategy == "sweep")
            return
    assert session.total == session.failed, f"after {MOST_RUNS} sessions there is still something to do: {session.entities}"


@pytest.mark.parametrize("number", [
    pytest.param(number, marks=[pytest.mark.long] if number >= SHORT_WORLDS and "PROPERTY_SEEDS" not in os.environ else [])
    for number in range(WORLDS)])
def test_a_random_world_is_carried_as_its_model_says(databases, start_daemon, seed, number):
    chance = random.Random(seed + number)
    print(f"SEED={seed + number} PROPERTY_SEEDS=1 repeats this world")
    world = World(chance)
    pair = Pair(databases, start_daemon, "".join(one.source_ddl() for one in world.entities),
                "".join(one.target_ddl() for one in world.entities) + "".join(one.foreign_keys() for one in world.entities),
                [one.mapping() for one in world.entities], batch_size=chance.choice([1, 3, 20, 1000]))
    world.learn_what_is_deferred(wait_until_reached(pair.daemon))
    before = {one.name: {} for one in world.entities}
    for step in range(ROUNDS):
        world.round(databases, 30 if step == 0 else 8)
        # The last round is swept; a watermark sees all but deletions.
        strategy = chance.choice(["sweep", "watermark"]) if step + 1 < ROUNDS else "sweep"
        run_until_done(pair, strategy)
        world.carry(strategy == "sweep")
        for one in world.entities:
            assert actual(databases, one) == world.expected(one), f"{one.name} in round {step + 1}"
            aside = [(key, why) for key, why in set_aside(databases, one)
                     if strategy == "sweep" or key in map(one.key.text, one.rows)]
            surprise = [(key, why) for key, why in aside if key not in world.set_aside(one)]
            assert surprise == [], f"{one.name} in round {step + 1}"
            assert sorted(key for key, why in aside) == sorted(world.set_aside(one)), f"{one.name} in round {step + 1}"
            keys = target_keys(databases, one)
            stayed = {key for key in before[one.name] if key in keys}
            assert {key: keys[key] for key in stayed} == {key: before[one.name][key] for key in stayed}
            before[one.name] = {key: keys[key] for key in keys if key in map(one.key.text, one.rows)}
