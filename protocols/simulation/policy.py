"""What a directed link does to its frames: delay, loss, duplication, reordering, corruption, a cut.

The rule it keeps: a decision is a pure function of (seed, link, frame number, rule). Same seed, same frames, same faults,
whichever side dialled and however many other links are busy. Nothing here knows of virtual time, sockets or messages, so that
a proxy between live processes can decide by the very same function. All of it is integer arithmetic: the same on every machine.
What needs memory of the frames before (a stream's order, bandwidth, predicates) is in `lane`; which links a fault takes, in `shapes`.
"""

from dataclasses import dataclass, field
from enum import Enum
from hashlib import blake2b
from math import isqrt

PPM = 1_000_000

_MASK = (1 << 64) - 1
_GOLDEN = 0x9E3779B97F4A7C15
_LOST: tuple[int, ...] = ()


class Jitter(Enum):
    """How the varying part of a delay is spread; `Rule.jitter_ns` is its scale."""

    UNIFORM = "uniform"
    """From 0 to the scale."""
    NORMAL = "normal"
    """Around 0; the scale is the standard deviation. A delay below 0 is 0. Eight dice: the tails end at 4.9 deviations."""
    EXPONENTIAL = "exponential"
    """The scale is the mean."""
    PARETO = "pareto"
    """Heavy-tailed, of the Lomax kind with exponent 2: the scale is the mean, the variance is bounded only by JITTER_SCALES_MAX."""


# A pareto delay of more than this many scales says nothing that a lost frame does not say too.
JITTER_SCALES_MAX = 100


@dataclass(frozen=True, slots=True)
class Rule:
    """What happens to frames in one direction between two nodes. Rates are parts per million, times are ns."""

    delay_ns: int = 0
    jitter_ns: int = 0
    """Each frame waits so much more, on the scale that `jitter` says."""
    drop_ppm: int = 0
    duplicate_ppm: int = 0
    reorder_ppm: int = 0
    """This share of the frames is held back by up to `reorder_ns`, so that later ones overtake them."""
    reorder_ns: int = 0
    cut: bool = False
    """Nothing passes, and nobody is told: a silent partition."""
    stream: bool = False
    """As TCP shows it: jitter holds frames up and never lets one overtake another, a loss is a stall of a retransmission timeout
    and then a burst, a cut is a stall until it is healed; nothing is duplicated."""
    jitter: Jitter = Jitter.UNIFORM
    corrupt_ppm: int = 0
    """This share arrives damaged, which closes the connection at the receiver: the frames under way behind it are lost with it."""
    corrupt_header: bool = False
    """The damage is in the frame's header, so that a reader loses its place; else in the payload, which its checksum shows."""
    bytes_per_s: int = 0
    """Bandwidth: frames wait for those before them to be on the line. It adds delay and never cuts latency; 0 for no bound."""
    only: frozenset[str] = frozenset()
    """Only frames of these types are treated so; empty for all."""
    first: int = 0
    """Of each type only the first so many in each term; 0 for all."""
    other: "Rule | None" = None
    """What becomes of the frames that `only` and `first` leave out; None: they pass at once."""
    plain: bool = field(init=False, compare=False, repr=False)
    """`decide` alone says everything: no memory of earlier frames is needed."""

    def __post_init__(self) -> None:
        plain = not (self.stream or self.corrupt_ppm or self.bytes_per_s or self.only or self.first)
        object.__setattr__(self, "plain", plain)


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
        if rule.jitter is Jitter.UNIFORM:
            delay += (bits >> 20) % rule.jitter_ns
        else:
            delay = max(0, delay + spread(rule.jitter, rule.jitter_ns, mix(bits, 1)))
    if not rule.reorder_ppm and not rule.duplicate_ppm:
        return (delay,)
    more = mix(bits, frame)
    if rule.reorder_ppm and more % PPM < rule.reorder_ppm:
        delay += (more >> 32) % (rule.reorder_ns + 1)
    if rule.duplicate_ppm and (more >> 20) % PPM < rule.duplicate_ppm:
        return (delay, delay + (more >> 40) % (rule.reorder_ns + rule.jitter_ns + 1))
    return (delay,)


def corrupts(key: int, frame: int, rule: Rule) -> bool:
    """Whether this frame arrives damaged. Its dice are apart from those of `decide`."""
    return bool(rule.corrupt_ppm) and mix(key ^ _GOLDEN, frame) % PPM < rule.corrupt_ppm


def spread(jitter: Jitter, scale_ns: int, bits: int) -> int:
    """One draw from the distribution, by 64 random bits."""
    match jitter:
        case Jitter.UNIFORM:
            return bits % scale_ns if scale_ns else 0
        case Jitter.NORMAL:
            # Irwin-Hall: the sum of eight bytes, whose deviation is sqrt(8 * (256**2 - 1) / 12) = 209.0.
            return (2 * sum(bits.to_bytes(8, "big")) - 8 * 255) * scale_ns // 418
        case Jitter.EXPONENTIAL:
            # -ln(u) = (32 - log2(u * 2**32)) * ln 2, in units of 2**-16.
            return ((32 << 16) - _log2((bits >> 32) + 1)) * _LN_2 * scale_ns >> 32
        case Jitter.PARETO:
            # 1 / sqrt(u) - 1, with u = (upper bits + 1) / 2**32.
            return min(JITTER_SCALES_MAX * scale_ns, (scale_ns << 32) // isqrt((bits >> 32) + 1 << 32) - scale_ns)


_LN_2 = 45_426
"""ln 2 in units of 2**-16."""


def _log2(number: int) -> int:
    """log2 of a positive integer in units of 2**-16, digit by digit: squaring doubles the logarithm."""
    whole = number.bit_length() - 1
    fraction = (number << 32) >> whole  # between 1 and 2, in units of 2**-32
    logarithm = whole
    for _ in range(16):
        fraction = fraction * fraction >> 32
        carry = fraction >> 33
        fraction >>= carry
        logarithm = logarithm << 1 | carry
    return logarithm
