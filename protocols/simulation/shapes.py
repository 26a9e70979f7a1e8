"""Which links a partition takes: the shapes by the names that live faults use too.

The rule it keeps: a shape is a function of the names in their order alone; whoever wants another victim gives another order.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

Pair = tuple[str, str]
"""A directed pair: (source, destination)."""


def isolate(names: Sequence[str], victim: str) -> list[Pair]:
    """Cut one node off from all others, both ways."""
    return [pair for other in names if other != victim for pair in ((victim, other), (other, victim))]


def halves(left: Sequence[str], right: Sequence[str]) -> list[Pair]:
    """Cut two groups off from each other, both ways."""
    return [pair for one in left for other in right for pair in ((one, other), (other, one))]


def minority(names: Sequence[str]) -> list[Pair]:
    """Cut the first of the names, as many as are no majority, off from the rest."""
    count = (len(names) - 1) // 2
    return halves(names[:count], names[count:])


def one_way(sources: Sequence[str], destinations: Sequence[str]) -> list[Pair]:
    """Frames from the sources no longer arrive; the way back stays open."""
    return [(source, destination) for source in sources for destination in destinations if source != destination]


def bridge(names: Sequence[str]) -> list[Pair]:
    """Two halves that see each other only through the one node in the middle of the list."""
    middle = len(names) // 2
    return halves(names[:middle], names[middle + 1 :])


def ring(names: Sequence[str]) -> list[Pair]:
    """Every node sees a majority, no two nodes the same one: each reaches only its neighbours on a ring, near enough for a majority."""
    count = len(names)
    reach = (count // 2 + 1) // 2
    cut: list[Pair] = []
    for one in range(count):
        for other in range(count):
            apart = (one - other) % count
            if min(apart, count - apart) > reach:
                cut.append((names[one], names[other]))
    return cut


@dataclass(frozen=True, slots=True)
class Step:
    """At `after_ns` from the beginning these links are cut, or healed."""

    after_ns: int
    cut: bool
    pairs: tuple[Pair, ...]


def flapping(pairs: Sequence[Pair], half_period_ns: int, count: int) -> list[Step]:
    """Links that go down and up again, `count` times."""
    return [Step(turn * half_period_ns, turn % 2 == 0, tuple(pairs)) for turn in range(2 * count)]


def swizzle(pairs: Sequence[Pair], step_ns: int, rng: Random) -> list[Step]:
    """Stop links one by one, then heal them one by one in another order (FoundationDB's swizzle-clogging)."""
    stops, heals = list(pairs), list(pairs)
    rng.shuffle(stops)
    rng.shuffle(heals)
    down = [Step(number * step_ns, True, (pair,)) for number, pair in enumerate(stops)]
    return down + [Step((len(stops) + number) * step_ns, False, (pair,)) for number, pair in enumerate(heals)]
