"""Everything that a directed link may do to its frames and connections.

What is decided per frame by dice is the simulator's (`Rule`); what only a real connection can suffer is added here. The rule: the dice
are a pure function of (seed, link, frame number), like those of the policy.
"""

from dataclasses import dataclass
from enum import Enum

from quorate.protocols.simulation.policy import PPM, Rule, mix

# So that the dice of one fault are independent of those of another.
_TEAR, _DAMAGE, _SLICE = 0xA54FF53A5F1D36F1, 0x510E527FADE682D1, 0x9B05688C2B3E6C1F
HEADER_BYTES = 4
"""Of a peer's frame: array, type and the length of the method. Damage there always shows; further on it might name another group."""

_OPEN = Rule()


class Mode(Enum):
    """How honest a link is about being TCP."""

    STREAM = "stream"
    """As TCP shows it: a loss is a stall and then a burst, nothing overtakes, a partition is a stall."""
    MESSAGE = "message"
    """As a network of datagrams: frames are lost, doubled and overtake one another, also over a reconnection."""


@dataclass(frozen=True, slots=True)
class Slicer:
    """Frames leave in pieces of about this size, so much apart."""

    average_bytes: int
    variation_bytes: int = 0
    delay_ns: int = 0


@dataclass(frozen=True, slots=True)
class Fault:
    """One direction of a link. `rule.stream` is the link's mode."""

    rule: Rule = _OPEN
    tear_ppm: int = 0
    """This share of the frames is cut somewhere inside, and the connection is reset there."""
    slicer: Slicer | None = None
    close_after_bytes: int | None = None
    """Exactly so many bytes of a connection pass, then it is closed, also inside a frame."""
    slow_close_ns: int = 0
    """The end of a connection is told so much later."""
    refuse: bool = False
    """Nobody listens for new connections of the source to the destination."""
    black_hole: bool = False
    """Connections open and take everything; nothing arrives. What a stream lost so is lost: it is reset when the fault ends."""
    half_open: bool = False
    """The destination sees its connections reset; the source is told nothing and goes on sending."""
    reset_after_ns: int | None = None
    """Connections are reset on both sides so long after the fault or the connection began."""
    close_after_ns: int | None = None
    """The same with an orderly close."""

    @property
    def passes_nothing(self) -> bool:
        """Not even the end of a connection."""
        return self.black_hole or self.half_open or (self.rule.cut and not self.rule.only and not self.rule.first)

    @property
    def is_none(self) -> bool:
        return self in (_NONE, _NONE_STREAM)


_NONE, _NONE_STREAM = Fault(), Fault(Rule(stream=True))


def no_fault(mode: Mode) -> Fault:
    return _NONE_STREAM if mode is Mode.STREAM else _NONE


def tears_at(key: int, frame: int, fault: Fault, size: int) -> int:
    """After how many bytes this frame is torn: from 1 to size - 1; 0 if it stays whole."""
    if not fault.tear_ppm or size < 2:
        return 0
    bits = mix(key ^ _TEAR, frame)
    return 1 + (bits >> 20) % (size - 1) if bits % PPM < fault.tear_ppm else 0


def damaged(key: int, frame: int, data: bytes, payload_size: int, *, header: bool) -> bytes:
    """The frame with one byte changed: in its header, where a reader loses its place, or in its payload, which its checksum shows."""
    bits = mix(key ^ _DAMAGE, frame)
    size = len(data)
    at = bits % min(HEADER_BYTES, size) if header or not payload_size else size - 1 - bits % payload_size
    changed = bytearray(data)
    changed[at] ^= 1 + (bits >> 32) % 255
    return bytes(changed)


def slices(key: int, frame: int, slicer: Slicer, data: bytes) -> list[bytes]:
    """The pieces in which the frame leaves."""
    pieces: list[bytes] = []
    at = 0
    while at < len(data):
        swing = mix(key ^ _SLICE, frame + len(pieces)) % (2 * slicer.variation_bytes + 1) - slicer.variation_bytes
        size = max(1, slicer.average_bytes + swing)
        pieces.append(data[at : at + size])
        at += size
    return pieces
