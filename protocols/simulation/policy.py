"""What a directed link does to its frames: delay, loss, duplication, reordering, a cut.

The rule it keeps: a decision is a pure function of (seed, link, frame number, rule). Same seed, same frames, same faults,
whichever side dialled and however many other links are busy. Nothing here knows of virtual time, sockets or messages, so that
a proxy between live processes can decide by the very same function.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b

PPM = 1_000_000

_MASK = (1 << 64) - 1
_GOLDEN = 0x9E3779B97F4A7C15
_LOST: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Rule:
    """What happens to frames in one direction between two nodes. Rates are parts per million, times are ns."""

    delay_ns: int = 0
    jitter_ns: int = 0
    """Each frame waits up to this much more, uniformly."""
    drop_ppm: int = 0
    duplicate_ppm: int = 0
    reorder_ppm: int = 0
    """This share of the frames is held back by up to `reorder_ns`, so that later ones overtake them."""
    reorder_ns: int = 0
    cut: bool = False
    """Nothing passes, and nobody is told: a silent partition."""
    ordered: bool = False
    """A stream: jitter may hold frames up but never lets one overtake another."""


def link_key(seed: int, source: str, destination: str) -> int:
    """What tells the decisions of one directed link under one seed from those of all others."""
    return int.from_bytes(blake2b(f"{seed}/{source}>{destination}".encode(), digest_size=8).digest(), "big")


def mix(key: int, number: int) -> int:
    """64 well mixed bits for position `number` of the sequence `key` (the splitmix64 finalizer)."""
    bits = (key + number * _GOLDEN) & _MASK
    bits = ((bits ^ (bits >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    bits = ((bits ^ (bits >> 27)) * 0x94D049BB133111EB) & _MASK
    return bits ^ (bits >> 31)


def decide(key: int, frame: int, rule: Rule) -> tuple[int, ...]:
    """The delays in ns of the copies of this frame that arrive: none if it is lost, two if it is duplicated."""
    if rule.cut:
        return _LOST
    bits = mix(key, frame)
    if rule.drop_ppm and bits % PPM < rule.drop_ppm:
        return _LOST
    delay = rule.delay_ns
    if rule.jitter_ns:
        delay += (bits >> 20) % rule.jitter_ns
    if not rule.reorder_ppm and not rule.duplicate_ppm:
        return (delay,)
    more = mix(bits, frame)
    if rule.reorder_ppm and more % PPM < rule.reorder_ppm:
        delay += (more >> 32) % (rule.reorder_ns + 1)
    if rule.duplicate_ppm and (more >> 20) % PPM < rule.duplicate_ppm:
        return (delay, delay + (more >> 40) % (rule.reorder_ns + rule.jitter_ns + 1))
    return (delay,)


Pair = tuple[str, str]
"""A directed pair: (source, destination)."""


def isolate(names: Sequence[str], victim: str) -> list[Pair]:
    """Cut one node off from all others, both ways."""
    return [pair for other in names if other != victim for pair in ((victim, other), (other, victim))]


def halves(left: Sequence[str], right: Sequence[str]) -> list[Pair]:
    """Cut two groups off from each other, both ways."""
    return [pair for one in left for other in right for pair in ((one, other), (other, one))]


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
