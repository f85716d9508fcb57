"""What the change log says is held against what happened: undone change by change, from what stands in the target now, it must lead to
every row as it was. Read by plain SQL, every value as text; nothing of the daemon's is asked."""

PINNED = "SET timezone = 'UTC'; SET datestyle = 'ISO'; SET intervalstyle = 'postgres'; SET extra_float_digits = 3; " \
         "SET bytea_output = 'hex'; SET lc_monetary = 'C'"


def quoted(name):
    return '"' + name.replace('"', '""') + '"'


def listed(value):
    return value if isinstance(value, list) else [value]


class Table:
    """A target table as an entity names it."""

    def __init__(self, mapping):
        target = mapping["target"]
        self.entity = mapping["entity"]
        self.name = f"{quoted(target.get('schema', 'public'))}.{quoted(target['table'])}"
        self.key = listed(target["key"])

    def rows(self, target):
        """key -> {column: text}; columns that the database makes of others are left out."""
        columns = [name for (name,) in target.sql("""
            SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped AND attgenerated = ''
             ORDER BY attnum""", [self.name])]
        texts = ", ".join(f"t.{quoted(name)}::text" for name in columns)
        found = target.sql(f"SELECT {texts} FROM {self.name} AS t", settings=PINNED)
        rows = [dict(zip(columns, values)) for values in found]
        return {self.key_of(row): row for row in rows}

    def key_of(self, row):
        return tuple(row[name] for name in self.key)


class Standing:
    """All target rows at this moment, and how far the change log is."""

    def __init__(self, target, entities):
        self.target = target
        self.tables = {mapping["entity"]: Table(mapping) for mapping in entities}
        self.rows = self.read()
        self.number = self.last()

    def read(self):
        return {table.name: table.rows(self.target) for table in self.tables.values()}

    def last(self):
        if not self.target.value("SELECT to_regclass('migrated.change_log') IS NOT NULL"):
            return 0
        return self.target.value("SELECT coalesce(max(change), 0) FROM migrated.change_log")

    def changes(self):
        """Those since, the last first: (entity, kind, target key, before, after, whether there is an image)."""
        return self.target.sql("""
            SELECT l.entity, l.kind, l.target_key, i.before, i.after, i.change IS NOT NULL
              FROM migrated.change_log AS l
              LEFT JOIN migrated.before_image AS i USING (change)
             WHERE l.change > %s
             ORDER BY l.change DESC""", [self.number])

    def is_what_the_log_leads_back_to(self):
        """Undoes the log in memory, and says what it has undone."""
        now = self.read()
        changes = self.changes()
        for entity, kind, key, before, after, imaged in changes:
            undo(self.tables[entity], now[self.tables[entity].name], kind, tuple(key), before, after, imaged)
        assert now == self.rows
        return changes


def undo(table, rows, kind, key, before, after, imaged):
    what = (table.entity, kind, key)
    if kind == "remapped":
        assert (before, after) == (None, None), what
    elif kind == "inserted":
        assert (before, after) == (None, None), what
        assert rows.pop(key, None) is not None, what
    elif kind == "deleted":
        assert imaged and after is None and key not in rows, what
        assert table.key_of(before) == key, what
        rows[key] = before
    else:
        assert imaged and before.keys() == after.keys(), what
        row = rows.pop(key)
        assert {name: row[name] for name in after} == after, what
        assert all(before[name] != after[name] for name in after), what
        rows[table.key_of({**row, **before})] = {**row, **before}
