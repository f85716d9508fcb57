"""What the measures share: running contestants in turns, and holding against what was meant."""

from world import HERE

OURS = "migrated"


def interleaved(repeat, contestants, prepare=lambda repetition: None):
    """Runs each contestant `repeat` times in turns; returns what they returned, by name."""
    results = {name: [] for name in contestants}
    order = list(contestants)
    for repetition in range(repeat):
        prepare(repetition)
        for name in order:
            results[name].append(contestants[name]())
        order.append(order.pop(0))
    return results


def sql_file(name):
    return (HERE / name).read_text()


def check(condition, message):
    if not condition:
        raise RuntimeError(message)


def say_rows(count):
    return f"{count / 1e6:g}M rows" if count >= 1e6 else f"{count / 1e3:g}k rows"
