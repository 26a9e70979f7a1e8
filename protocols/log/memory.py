"""The log in memory: what follows the last dropped index, and how much of it is durable.

Rules kept here, for every engine that uses it:
- an index is durable only when the batch that wrote *this* entry was synced. A truncation at i clips every batch still
  in flight to i, so that the late sync of a batch that was overwritten meanwhile vouches for nothing (the ABA of
  truncation against writes in flight);
- entries are contiguous, and their terms never fall.
"""

from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Sequence
from operator import attrgetter

from quorate.protocols.core import Entry
from quorate.protocols.log.packing import HEADER_SIZE

_term = attrgetter("term")
_place = attrgetter("term", "index")


class Log:
    """Entries base+1 .. last. Everything up to `base` lives in a snapshot."""

    __slots__ = ("base", "base_term", "durable", "entries", "last", "pending", "written")

    def __init__(self, base: int = 0, base_term: int = 0, entries: Sequence[Entry] = ()) -> None:
        """`entries` come from a recovered log: they are durable."""
        self.base = base
        self.base_term = base_term
        self.entries = list(entries)
        self.last = base + len(self.entries)
        self.written = self.last
        """Highest index handed out to be written."""
        self.durable = self.last
        self.pending: deque[tuple[int, int]] = deque()
        """Batches in flight: (serial, last index it makes durable), both ascending."""
        assert all(entry.index == base + 1 + at for at, entry in enumerate(self.entries)), self

    def __repr__(self) -> str:
        return f"<Log {self.base + 1}..{self.last} durable={self.durable} written={self.written}>"

    @property
    def first(self) -> int:
        """The lowest index that can still be read."""
        return self.base + 1

    @property
    def last_term(self) -> int:
        return self.entries[-1].term if self.entries else self.base_term

    def term_at(self, index: int) -> int | None:
        """None where the log does not reach: dropped, or not there yet."""
        at = index - self.base
        if at == 0:
            return self.base_term
        return self.entries[at - 1].term if 0 < at <= len(self.entries) else None

    def get(self, index: int) -> Entry:
        assert self.base < index <= self.last, (self, index)
        return self.entries[index - self.base - 1]

    def slice(self, low: int, high: int) -> list[Entry]:
        """Entries low .. high, both included."""
        assert self.base < low and high <= self.last, (self, low, high)
        return self.entries[low - self.base - 1 : high - self.base]

    def slice_bytes(self, low: int, bytes_max: int) -> list[Entry]:
        """Entries from `low` on that pack into `bytes_max`; at least one."""
        start = low - self.base - 1
        assert 0 <= start < len(self.entries), (self, low)
        end, size = start, 0
        for end in range(start, len(self.entries)):
            size += HEADER_SIZE + len(self.entries[end].data)
            if size > bytes_max and end > start:
                break
        else:
            end += 1
        return self.entries[start:end]

    def add(self, term: int, origin: int, kind: int, data: bytes) -> Entry:
        """Append one new entry; the hot path of a leader."""
        index = self.last + 1
        entry = Entry(index, term, origin, kind, data)
        self.entries.append(entry)
        self.last = index
        return entry

    def extend(self, entries: Sequence[Entry]) -> None:
        """Append what another node's log holds next."""
        assert entries[0].index == self.last + 1, (self, entries[0])
        assert entries[0].term >= self.last_term, (self, entries[0])
        self.entries.extend(entries)
        self.last += len(entries)
        assert self.entries[-1].index == self.last, (self, self.entries[-1])

    def truncate(self, index: int) -> list[Entry]:
        """Drop everything above `index`; gives what was dropped."""
        assert self.base <= index < self.last, (self, index)
        dropped = self.entries[index - self.base :]
        del self.entries[index - self.base :]
        self.last = index
        self.written = min(self.written, index)
        self.durable = min(self.durable, index)
        self.clip(index)
        return dropped

    def clip(self, index: int) -> None:
        """The sync of a batch in flight no longer vouches for anything above `index`: other entries will stand there."""
        self.pending = deque((serial, min(last, index)) for serial, last in self.pending)

    def unwritten(self) -> list[Entry]:
        """What no batch holds yet."""
        return self.entries[self.written - self.base :]

    def mark_written(self, serial: int) -> None:
        """The batch `serial` holds everything up to the last entry."""
        if self.last > self.written:
            self.written = self.last
            self.pending.append((serial, self.last))

    def synced(self, serial: int) -> bool:
        """All batches up to `serial` are durable. Whether more of the log became durable by it."""
        pending, before = self.pending, self.durable
        while pending and pending[0][0] <= serial:
            # A batch below the base: a snapshot overtook it.
            self.durable = max(self.durable, min(pending.popleft()[1], self.last))
        return self.durable > before

    def compact(self, index: int) -> None:
        """Drop everything up to `index` from memory."""
        assert self.base <= index <= self.durable, (self, index)
        term = self.term_at(index)
        assert term is not None, (self, index)
        del self.entries[: index - self.base]
        self.base, self.base_term = index, term

    def reset(self, index: int, term: int) -> list[Entry]:
        """Start anew after a snapshot that is durable here; gives what was dropped."""
        dropped = self.entries
        self.base, self.base_term = index, term
        self.entries = []
        self.last = self.written = self.durable = index
        self.pending.clear()
        return dropped

    def keep_from(self, index: int, entries_max: int, bytes_max: int) -> int:
        """The lowest index that may be dropped if, up to `index`, a margin of entries and bytes is kept: whichever is less."""
        low = max(self.base, index - entries_max)
        size = 0
        for at in range(index, low, -1):
            size += HEADER_SIZE + len(self.entries[at - self.base - 1].data)
            if size > bytes_max:
                return at
        return low

    def first_of_term(self, index: int) -> int:
        """The first index here whose term is that of `index`. Terms never fall, so halving finds it."""
        term = self.term_at(index)
        assert term is not None, (self, index)
        return self.base + 1 + bisect_left(self.entries, term, key=_term)

    def last_at_most(self, term: int, index: int) -> int:
        """The last index here whose (term, index) is at most that; the base if all are above."""
        return self.base + bisect_right(self.entries, (term, index), key=_place)

    def last_of_term(self, term: int, at_most: int) -> int | None:
        """The last index up to `at_most` whose term is `term`; None if there is none."""
        end = max(0, min(at_most, self.last) - self.base)
        at = bisect_right(self.entries, term, 0, end, key=_term)
        if at and self.entries[at - 1].term == term:
            return self.base + at
        return self.base if not at and self.base_term == term and at_most >= self.base else None
