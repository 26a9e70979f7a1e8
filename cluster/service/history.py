"""The recent past of the store: every change of the last revisions, for reads at a revision and for watches.

The rule: history is part of the state. What is kept depends on the changes alone, never on a node's memory or clock, so
that every replica answers a read of the past alike. `compacted` is the oldest revision that can be read: all changes after
it are here. Reads need a revision >= compacted, watches one > compacted.

Changes stand in segments; full segments never change, so a frozen view shares them and eviction drops whole ones.
"""

from bisect import bisect_right
from collections.abc import Iterator

from quorate.cluster.service.limits import HISTORY_BYTES_MAX, HISTORY_EVENTS_MAX

SEGMENT_EVENTS = 1_024
"""A segment is full with this many changes; eviction drops one at a time, about 0.2 ms."""

SEGMENT_BYTES = 1_048_576
"""... or with this many bytes."""

EVENT_OVERHEAD = 160
"""About what a change costs in memory beyond key and records, so that the bound in bytes is honest."""

Event = tuple[int, bytes, bytes | None, bytes | None]
"""(revision, key, record it has now or None if deleted, record it had before or None). Records as the store packs them."""

Segment = list[Event]


def event_size(event: Event) -> int:
    """What an event counts against the bound in bytes."""
    _, key, record, previous = event
    return EVENT_OVERHEAD + len(key) + len(record or b"") + len(previous or b"")


class History:
    """Changes in the order of their revisions; the changes of one revision stand in one segment."""

    def __init__(self, compacted: int = 0) -> None:
        self.compacted = compacted
        self.tail: Segment = []
        """The open segment, last in `segments`; the store appends to it."""
        self.tail_bytes = 0
        self._segments: list[Segment] = [self.tail]
        self._firsts: list[int] = []
        """The first revision of each full segment."""
        self._sizes: list[int] = []
        self._full_bytes = 0
        self._full_events = 0

    @property
    def event_count(self) -> int:
        return self._full_events + len(self.tail)

    @property
    def byte_count(self) -> int:
        return self._full_bytes + self.tail_bytes

    def seal(self) -> None:
        """Close the open segment, at the end of a revision, and drop the oldest ones while there are too many."""
        assert self.tail, self.compacted
        self._firsts.append(self.tail[0][0])
        self._sizes.append(self.tail_bytes)
        self._full_bytes += self.tail_bytes
        self._full_events += len(self.tail)
        self.tail, self.tail_bytes = [], 0
        self._segments.append(self.tail)
        while self._full_bytes > HISTORY_BYTES_MAX or self._full_events > HISTORY_EVENTS_MAX:
            self._drop_oldest()

    def compact(self, revision: int) -> None:
        """Forget what only reads before `revision` need. The segment it stands in stays until all of it is old."""
        assert revision >= self.compacted, (revision, self.compacted)
        self.compacted = revision
        while self._firsts and self._segments[0][-1][0] <= revision:
            self._drop_oldest()

    def since(self, revision: int) -> Iterator[Event]:
        """The changes with a revision above `revision`, in order. The history must not change meanwhile."""
        for segment in self._since(revision):
            yield from segment

    def before(self, start: bytes, end: bytes, revision: int) -> dict[bytes, bytes | None]:
        """The keys of [start, end) that changed after `revision`, each with the record it had then. A scan at 0.2 to 0.4
        microseconds a change: reads of the distant past are dear, and bounded by what is kept."""
        found: dict[bytes, bytes | None] = {}
        # From the latest change to the earliest: what a key had before the earliest one is what stays.
        for segment in reversed(self._since(revision)):
            if end:
                found.update({key: previous for _, key, _, previous in reversed(segment) if start <= key < end})
            elif start:
                found.update({key: previous for _, key, _, previous in reversed(segment) if start <= key})
            else:
                found.update({key: previous for _, key, _, previous in reversed(segment)})
        return found

    def previous(self, key: bytes, revision: int) -> tuple[bool, bytes | None]:
        """(changed after `revision`, the record the key had then). A scan, at most of the whole history."""
        for event in self.since(revision):
            if event[1] == key:
                return True, event[3]
        return False, None

    def freeze(self) -> list[Segment]:
        """All segments as they are now; they never change."""
        return [*self._segments[:-1], self.tail.copy()]

    def load(self, segment: Segment, *, last: bool) -> None:
        """Append a segment of a frozen history; the last one is the open one."""
        self.tail[:] = segment
        self.tail_bytes = sum(map(event_size, segment))
        if not last:
            self.seal()

    def _since(self, revision: int) -> list[Segment]:
        """The segments after a revision, of the first one only what is after it."""
        assert revision >= self.compacted, (revision, self.compacted)
        at = max(0, bisect_right(self._firsts, revision) - 1)
        segments = self._segments[at:]
        segments[0] = segments[0][bisect_right(segments[0], revision, key=_revision) :]
        if len(segments) > 1 and not segments[0]:
            segments[1] = segments[1][bisect_right(segments[1], revision, key=_revision) :]
        return segments

    def _drop_oldest(self) -> None:
        segment = self._segments.pop(0)
        self._full_events -= len(segment)
        self._full_bytes -= self._sizes.pop(0)
        del self._firsts[0]
        self.compacted = max(self.compacted, segment[-1][0])


def _revision(event: Event) -> int:
    return event[0]
