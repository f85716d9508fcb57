"""A small world in which every place of a session is reached, and its own oracle: shelves and books.

Shelves stand below others, one below itself; books stand on shelves and continue other books, so that references wait and are
filled later; one has a title that the target refuses, one a shelf that is not there. change() changes, adds and deletes some of
both.
"""

from mapping import entity
from sessions import migrate, wait_until_reached
from waiting import wait_until

SHELVES, BOOKS = 20, 120
BATCH = 20
REFUSED = 7  # a book
HOMELESS = 11  # another

SOURCE = f"""
CREATE TABLE shelves (id integer PRIMARY KEY, name text, below_id integer);
CREATE TABLE books (id integer PRIMARY KEY, shelf_id integer, sequel_of integer, title text, price numeric);
INSERT INTO shelves SELECT i, 'shelf ' || i, i + CASE WHEN i < 19 THEN 1 WHEN i > 19 THEN -1 ELSE 0 END FROM generate_series(1, {SHELVES}) AS i;
INSERT INTO books SELECT i, 1 + i % {SHELVES}, nullif((i * 7) % {BOOKS}, i), 'book ' || i, i / 8.0
  FROM generate_series(1, {BOOKS}) AS i;
UPDATE books SET sequel_of = NULL WHERE sequel_of = 0 OR id % 3 = 0 OR sequel_of IN ({REFUSED}, {HOMELESS});
UPDATE books SET title = 'refused' WHERE id = {REFUSED};
UPDATE books SET shelf_id = 1000 WHERE id = {HOMELESS};
ANALYZE;
"""

TARGET = """
CREATE TABLE shelves (id uuid PRIMARY KEY, legacy_id integer UNIQUE, name text NOT NULL, below_id uuid NOT NULL REFERENCES shelves);
CREATE TABLE books (id uuid PRIMARY KEY, legacy_id integer UNIQUE, shelf_id uuid NOT NULL REFERENCES shelves,
                    sequel_of uuid REFERENCES books, title text NOT NULL CHECK (title <> 'refused'), price numeric);
"""

CHANGES = """
UPDATE books SET title = title || ', revised' WHERE id % 5 = 0;
UPDATE shelves SET name = name || ', dusted' WHERE id % 4 = 0;
UPDATE books SET shelf_id = 2 WHERE shelf_id = 20;
UPDATE books SET sequel_of = NULL WHERE sequel_of IN (3, 44, 90);
DELETE FROM books WHERE id IN (3, 44, 90);
DELETE FROM shelves WHERE id = 20;
INSERT INTO shelves VALUES (21, 'new shelf', 22), (22, 'upper shelf', 1);
INSERT INTO books VALUES (121, 21, 1, 'new book', 1), (122, 1, NULL, 'another', 2);
"""

ENTITIES = [
    entity("shelves", {"name": "name", "below_id": {"references": "shelves", "from": "below_id"}}, on_delete="delete"),
    entity("books", {
        "shelf_id": {"references": "shelves", "from": "shelf_id"},
        "sequel_of": {"references": "books", "from": "sequel_of", "if_missing": "null"},
        "title": "title",
        "price": "price",
    }, on_delete="delete"),
]


class Library:
    """Two databases with the library in them, and a daemon between them that is not running yet."""

    def __init__(self, databases, start_daemon, **options):
        self.databases = databases
        self.source, self.target = databases.source, databases.target
        databases.source_sql(SOURCE)
        databases.target_sql(TARGET)
        options.setdefault("settings", {})
        options["settings"].setdefault("batch_size", BATCH)
        options.setdefault("entities", ENTITIES)
        self.daemon = start_daemon(databases, start=False, **options)

    def change(self):
        self.source.sql(CHANGES)

    def unfinished(self):
        """Sessions that have not come to their end, as the store knows them."""
        if self.target.value("SELECT to_regclass('migrated.session')") is None:
            return 0
        return self.target.value("SELECT count(*) FROM migrated.session WHERE finished_at IS NULL")

    def comes_to_its_end(self, expect="completed"):
        """What an earlier life has left is finished; then a session carries over what is left to do."""
        wait_until_reached(self.daemon)
        wait_until(lambda: self.unfinished() == 0, 60, lambda: f"all sessions end:\n{self.daemon.call('Status')}\n{self.daemon.log()}")
        wait_until(lambda: self.daemon.call("Status")["state"] == "idle", 20)
        return migrate(self.daemon, expect)

    def is_right(self):
        """Every row is there once, with what the source says of it, by plain SQL over both."""
        assert self.target.sql("""
            SELECT s.legacy_id, s.name, a.legacy_id FROM shelves AS s JOIN shelves AS a ON a.id = s.below_id ORDER BY 1""") == \
            self.source.sql("SELECT id, name, below_id FROM shelves ORDER BY 1")
        assert self.target.sql("""
            SELECT b.legacy_id, s.legacy_id, p.legacy_id, b.title, b.price
              FROM books AS b
              LEFT JOIN shelves AS s ON s.id = b.shelf_id
              LEFT JOIN books AS p ON p.id = b.sequel_of
             ORDER BY 1""") == self.source.sql("""
            SELECT b.id, b.shelf_id, b.sequel_of, b.title, b.price
              FROM books AS b
             WHERE b.title <> 'refused' AND EXISTS (SELECT FROM shelves AS s WHERE s.id = b.shelf_id)
             ORDER BY 1""")
        assert self.target.sql("SELECT entity, legacy_key FROM migrated.dead_letter WHERE state = 'open'") == \
            [("books", [str(REFUSED)])]
        assert self.target.sql("SELECT legacy_key[1]::integer FROM migrated.parked ORDER BY 1") == self.source.sql("""
            SELECT id FROM books AS b WHERE NOT EXISTS (SELECT FROM shelves AS s WHERE s.id = b.shelf_id) ORDER BY 1""")
        self.nothing_was_counted_twice()
        self.databases.accounts()

    def nothing_was_counted_twice(self):
        """What the batches of all sessions say they did is what is there: a batch done twice would show."""
        assert self.target.sql("SELECT entity, number FROM migrated.batch WHERE NOT done") == []
        counted = dict(self.target.sql("SELECT entity, sum(inserted) - sum(deleted) FROM migrated.batch GROUP BY 1"))
        there = {table: self.target.value(f"SELECT count(*) FROM {table}") for table in ("books", "shelves")}
        assert counted == there, (counted, there)
        assert self.target.value("SELECT max(attempts) FROM migrated.dead_letter") <= 2
