"""What became of each frame, in a ring that is filled only while somebody asks for it: for diagrams of what nodes said to one another.

The rules: a tap decides nothing and holds nothing up. The oldest frames go when the ring is full, and whoever reads is told how many.
"""

from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, NamedTuple

from quorate.cluster.faults.framing import Frame
from quorate.cluster.faults.timing import Timing

KEEP_MAX = 1_000_000
"""225 MB, as measured."""

Fate = Literal["delivered", "dropped", "duplicated", "held", "corrupted", "under way"]


class Flight(NamedTuple):
    """One copy of a frame. Copies beyond the first to arrive are "duplicated"."""

    link: str
    type: str
    term: int
    number: int
    """Counts the frames of the link since the tap began."""
    sent_ns: int
    """When the proxy had read it."""
    arrived_ns: int | None
    """When it was written to the destination; None if it was not."""
    fate: Fate


@dataclass(slots=True)
class Seen:
    """One frame. The pipe that carries it says here what it does to it."""

    link: str
    type: str
    term: int
    number: int
    sent_ns: int
    copies: int = 1
    """That have arrived or still may."""
    held: bool = False
    """It waited behind a cut."""
    corrupted: bool = False
    arrivals_ns: tuple[int, ...] = ()

    def flights(self) -> Iterator[Flight]:
        for copy in range(max(self.copies, 1)):
            arrived_ns = self.arrivals_ns[copy] if copy < len(self.arrivals_ns) else None
            yield Flight(self.link, self.type, self.term, self.number, self.sent_ns, arrived_ns, self._fate(copy, arrived_ns))

    def _fate(self, copy: int, arrived_ns: int | None) -> Fate:
        if not self.copies:
            return "dropped"
        if copy:
            return "duplicated"
        if self.held:
            return "held"
        if self.corrupted:
            return "corrupted"
        return "under way" if arrived_ns is None else "delivered"


class Tap:
    """On some links, from its making on."""

    def __init__(self, timing: Timing, keep: int) -> None:
        self._timing = timing
        self._ring: deque[Seen] = deque(maxlen=keep)
        self._numbers: Counter[str] = Counter()
        self.count = 0
        """Of all frames so far."""

    def see(self, link: str, frame: Frame) -> None:
        self.count += 1
        self._numbers[link] += 1
        frame.seen = Seen(link, frame.kind, frame.term, self._numbers[link], self._timing.now_ns())
        self._ring.append(frame.seen)

    @property
    def missed(self) -> int:
        """Frames that are no longer kept."""
        return self.count - len(self._ring)

    def flights(self, from_ns: int, until_ns: int) -> list[Flight]:
        """Those sent in that time, in their order."""
        return [flight for seen in self._ring if from_ns <= seen.sent_ns <= until_ns for flight in seen.flights()]
