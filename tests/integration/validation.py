"""Validations by request: started, followed to their end, and what they have found."""

from sessions import unpacked, wait_until_connected


class Validation:
    """What the last frame says, and what stands in the control schema."""

    def __init__(self, databases, reply):
        self.id = reply["validation"]
        self.state = reply["state"]
        self.complete = reply["complete"]
        self.checks = {(check["entity"], check["check"]): check for check in reply["checks"]}
        self.databases = databases

    def found(self, entity=None, states=("found",)):
        """A sorted list of (entity, kind, legacy key, columns) as the control schema has it."""
        return sorted((name, kind, unpacked(key) if key else None, tuple(sorted(columns)))
                      for name, kind, key, columns, state in self.databases.target_sql("""
                          SELECT entity, kind, legacy_key, columns, state
                            FROM migrated.validation_difference
                           WHERE validation = %s""", [self.id])
                      if entity in (None, name) and state in states)


def validate(daemon, databases, *, expect="completed", **parameters):
    """Validates, and waits for the end."""
    wait_until_connected(daemon)
    frames = [frame["validation"] for frame in daemon.stream("Validate", **parameters)]
    assert frames[-1]["state"] == expect, frames[-1]
    return Validation(databases, frames[-1])


def differs(daemon, databases, *entities, **parameters):
    """What the comparison of values finds: [(kind, legacy key, columns)] of one entity, or with its name of several."""
    parameters.setdefault("checks", ["values"])
    validation = validate(daemon, databases, **({"entities": list(entities)} if entities else {}), **parameters)
    assert validation.complete, validation.checks
    found = validation.found()
    assert len(found) == sum(check["differences"] - check["repaired"] for check in validation.checks.values()), validation.checks
    return [difference[1:] for difference in found] if len(entities) == 1 else found
