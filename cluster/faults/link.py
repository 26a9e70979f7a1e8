"""One directed link (a, b): its fault, its lane, its counts. Every frame from a to b is judged here, whichever side dialled.

The rule: a link's decisions are numbered by its own frames since the fault was set, so that the same seed and the same frames give
the same faults again.
"""

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from quorate.cluster.faults.events import Events
from quorate.cluster.faults.fault import Fault, Mode, no_fault
from quorate.cluster.faults.framing import Frame
from quorate.cluster.faults.merging import merged
from quorate.cluster.faults.parcels import Orphans
from quorate.cluster.faults.tap import Tap
from quorate.protocols.simulation.lane import Fate, Lane
from quorate.protocols.simulation.policy import PPM, link_key, mix
from quorate.protocols.simulation.shapes import Pair

if TYPE_CHECKING:
    from quorate.cluster.faults.pipe import Pipe

KINDS_MAX = 256
"""Types that are counted apart; a client may send any word as a method."""
_AT_RANDOM = 0x1F83D9ABFB41BD6B


@dataclass(slots=True)
class Counts:
    """Plain ints; whoever looks reads them."""

    frames: Counter[str] = field(default_factory=Counter)
    bytes: Counter[str] = field(default_factory=Counter)
    delivered: int = 0
    """Copies written."""
    dropped: int = 0
    held: int = 0
    """Frames of a stream that a cut held back."""
    duplicated: int = 0
    inverted: int = 0
    """Frames that arrived after a later one."""
    corrupted: int = 0
    torn: int = 0
    carried_over: int = 0
    """Frames that were delivered on a later connection than they were sent on."""
    resets: int = 0
    intended_ns: int = 0
    actual_ns: int = 0
    """Sums over the copies delivered: what was decided, and what it became."""
    late_ns_max: int = 0


class Layer(NamedTuple):
    """One fault that applies to connections by chance: a toxic with a toxicity."""

    share_ppm: int
    fault: Fault


class Link:
    def __init__(self, pair: Pair, mode: Mode, seed: int, events: Events) -> None:
        self.pair = pair
        self.name = f"{pair[0]}>{pair[1]}"
        self.mode = mode
        self.seed = seed
        self.events = events
        self.fault = no_fault(mode)
        self.layers: tuple[Layer, ...] = ()
        self.by = ""
        """The transaction that set the fault; empty if nothing does."""
        self.lane = Lane(link_key(seed, *pair), self.fault.rule)
        self.counts = Counts()
        self.pipes: list[Pipe] = []
        """One for each open connection, oldest first."""
        self.orphans = Orphans()
        self.connections = 0
        self.tap: Tap | None = None

    def __repr__(self) -> str:
        return f"<Link {self.name} {self.mode.value} {self.by or 'open'} pipes={len(self.pipes)}>"

    @property
    def is_open(self) -> bool:
        return self.fault.is_none and not self.layers

    def set(self, fault: Fault, seed: int, by: str) -> None:
        """From now on. Frames that have been judged keep their fate."""
        self.fault, self.seed, self.by = fault, seed, by
        self.lane = Lane(link_key(seed, *self.pair), fault.rule)
        self.changed()

    def changed(self) -> None:
        """Every connection takes the fault, or the layers, as they are now."""
        for pipe in list(self.pipes):
            pipe.changed()

    def open(self) -> None:
        """Nothing happens to frames any more."""
        self.set(no_fault(self.mode), self.seed, "")

    def fault_of_connection(self, number: int) -> Fault:
        """What this connection suffers: the link's fault, or those layers whose dice say so."""
        if not self.layers or not self.fault.is_none:
            return self.fault
        key = link_key(self.seed, *self.pair) ^ _AT_RANDOM
        chosen = [layer.fault for at, layer in enumerate(self.layers) if mix(key + at, number) % PPM < layer.share_ppm]
        return merged(chosen) if chosen else self.fault

    def tell_decision(self, number: int, frame: Frame, what: str, fate: Fate) -> None:
        self.events.tell(
            "frame",
            link=self.name,
            frame=number,
            type=frame.kind,
            term=frame.term,
            size=len(frame.data),
            fate=what,
            delays_ns=list(fate.delays_ns),
            corrupt=fate.corrupt,
        )

    def count(self, frame: Frame) -> None:
        counts = self.counts
        kind = frame.kind if frame.kind in counts.frames or len(counts.frames) < KINDS_MAX else "other"
        counts.frames[kind] += 1
        counts.bytes[kind] += len(frame.data)
        if self.tap is not None:
            self.tap.see(self.name, frame)

    @property
    def queued_frames(self) -> int:
        return sum(pipe.queued_frames for pipe in self.pipes)

    @property
    def queued_bytes(self) -> int:
        return sum(pipe.queued_bytes for pipe in self.pipes)
