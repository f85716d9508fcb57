"""The types of common/io.migrated.varlink, and whether a JSON value is of one of them: for tests of what the daemon says."""

import re

from servers import ROOT

TOKEN = re.compile(r"[A-Za-z][A-Za-z0-9_.]*|->|\[\]|[?():,]")


class Interface:
    """types and errors by name; methods by name as (parameters, reply). Each a dictionary of field to type."""

    def __init__(self, text):
        self.types, self.methods, self.errors = {}, {}, {}
        self.tokens = TOKEN.findall(re.sub(r"#.*", "", text))
        assert self._take() == "interface"
        self.name = self._take()
        while self.tokens:
            self._declaration()

    def _take(self, expected=None):
        token = self.tokens.pop(0)
        assert expected in (None, token), f"expected {expected}, found {token}"
        return token

    def _declaration(self):
        keyword, name = self._take(), self._take()
        if keyword == "method":
            parameters = self._struct()
            self._take("->")
            self.methods[name] = (parameters, self._struct())
        else:
            {"type": self.types, "error": self.errors}[keyword][name] = self._struct()

    def _struct(self):
        fields = {}
        self._take("(")
        while self.tokens[0] != ")":
            name = self._take()
            self._take(":")
            fields[name] = self._type()
            if self.tokens[0] == ",":
                self._take()
        self._take(")")
        return fields

    def _type(self):
        if self.tokens[0] in ("?", "[]"):
            return (self._take(), self._type())
        return self._struct() if self.tokens[0] == "(" else self._take()

    # --- judging ---

    def problems(self, fields, value, path="$"):
        """What is wrong with this object as one of these fields: a list of sentences."""
        if not isinstance(value, dict):
            return [f"{path} is no object"]
        found = [f"{path}.{name} is not in the interface" for name in value if name not in fields]
        for name, kind in fields.items():
            found += self._problems(kind, value.get(name), f"{path}.{name}")
        return found

    def _problems(self, kind, value, path):
        if kind[0] == "?":
            return [] if value is None else self._problems(kind[1], value, path)
        if kind[0] == "[]":
            if not isinstance(value, list):
                return [f"{path} is no list: {value!r}"]
            return [found for i, item in enumerate(value) for found in self._problems(kind[1], item, f"{path}[{i}]")]
        if isinstance(kind, dict):
            return self.problems(kind, value, path)
        if kind in self.types:
            return self.problems(self.types[kind], value, path)
        right = {"string": isinstance(value, str), "bool": isinstance(value, bool), "object": isinstance(value, dict),
                 "int": isinstance(value, int) and not isinstance(value, bool),
                 "float": isinstance(value, (int, float)) and not isinstance(value, bool)}[kind]
        return [] if right else [f"{path} is no {kind}: {value!r}"]


def interface():
    return Interface((ROOT / "common/io.migrated.varlink").read_text())
