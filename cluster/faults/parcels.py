"""Frames under way, and those that outlive the connection that they were sent on.

The rule: on a link that carries messages, what is under way when a connection ends arrives on the next one of the same two: same
storages, same incarnation of the source. Nobody else gets it: a disk that was exchanged must not speak under the old one's votes.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from quorate.cluster.faults.framing import Frame

ORPHANS_MAX = 10_000
ORPHAN_BYTES_MAX = 32 << 20
"""As much as one connection may have under way."""


@dataclass(slots=True)
class Parcel:
    """One copy of a frame under way."""

    number: int
    frame: Frame
    data: bytes
    put_ns: int
    due_ns: int
    torn: bool = False

    def lose(self) -> None:
        """It will not arrive."""
        if self.frame.seen is not None:
            self.frame.seen.copies -= 1


class Orphans:
    """Of one link."""

    def __init__(self) -> None:
        self._waiting: list[tuple[object, Parcel]] = []
        self._size = 0

    def leave(self, identity: object, parcels: Iterable[Parcel]) -> int:
        """Keep what may arrive later. How many are lost instead: handshakes, torn frames, what is too much."""
        lost = 0
        for parcel in parcels:
            fits = len(self._waiting) < ORPHANS_MAX and self._size + len(parcel.data) <= ORPHAN_BYTES_MAX
            if fits and parcel.frame.handshake is None and not parcel.torn:
                self._waiting.append((identity, parcel))
                self._size += len(parcel.data)
            else:
                parcel.lose()
                lost += 1
        return lost

    def claim(self, identity: object, now_ns: int) -> tuple[list[Parcel], int]:
        """Those of these two that are still to come, and how many of the others are lost now."""
        waiting, self._waiting, self._size = self._waiting, [], 0
        claimed: list[Parcel] = []
        for whose, parcel in waiting:
            if whose == identity and parcel.due_ns >= now_ns:
                claimed.append(parcel)
            else:
                parcel.lose()
        return claimed, len(waiting) - len(claimed)
