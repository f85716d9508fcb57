"""Waiting for a state instead of sleeping."""

import os
import time

POLL_S = 0.02

# Sanitizers and slow machines: every time limit of the tests is multiplied by this.
SLOWNESS = float(os.environ.get("SLOWNESS", "1"))


def wait_until(predicate, timeout=10, what=None):
    """Polls predicate until it returns something true, and returns that; fails after timeout seconds.

    `what` names the awaited state for the failure's message; it may be a function, called then.
    """
    deadline = time.monotonic() + timeout * SLOWNESS
    while True:
        result = predicate()
        if result:
            return result
        if time.monotonic() >= deadline:
            what = what() if callable(what) else what or getattr(predicate, "__name__", predicate)
            raise AssertionError(f"after {timeout * SLOWNESS:g} s still waiting until {what}")
        time.sleep(POLL_S)
