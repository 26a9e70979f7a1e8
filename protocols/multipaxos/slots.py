"""An acceptor's votes, by slot, and how much of them is durable.

Rules kept here:
- votes come in any order and leave gaps; a later vote in a slot replaces the earlier one, in memory as on disk, and truncates nothing;
- a vote is durable when the batch that wrote *this* vote was synced. Each batch in flight knows its votes, ballots included, so the
  late sync of a vote that was replaced meanwhile says nothing about the one in its place;
- what is chosen is never written again: it only moves below the base, with a snapshot.
"""

from collections import deque
from collections.abc import Sequence

from quorate.protocols.core import FAST, PROPOSED_AGAIN, Entry, Kind, born
from quorate.protocols.log import packed_size


def proposed_in(entry: Entry | None, ballot: int) -> bool:
    """Whether that is a vote for what this ballot's owner proposed."""
    return entry is not None and entry.term == ballot and not entry.kind & FAST


class Slots:
    """Slots above `base`. Everything up to `base` lives in a snapshot."""

    __slots__ = ("base", "base_term", "changes", "entries", "filled", "fresh", "last", "pending")

    def __init__(self, base: int = 0, base_term: int = 0, entries: Sequence[Entry] = ()) -> None:
        """`entries` come from a recovered log: they are durable."""
        self.base = base
        self.base_term = base_term
        self.entries = {entry.index: entry for entry in entries}
        self.last = max(self.entries, default=base)
        """The highest slot with a vote."""
        self.filled = base
        """The end of what has no gap."""
        self.changes = {entry.index for entry in entries if entry.kind & ~PROPOSED_AGAIN == Kind.CONFIGURATION}
        """Slots whose value, as it stands, is a configuration."""
        self.fresh: dict[int, Entry] = {}
        """Votes that no batch holds yet."""
        self.pending: deque[tuple[int, int, list[Entry]]] = deque()
        """Batches in flight: (serial, lowest slot, votes)."""
        self._fill()

    def __repr__(self) -> str:
        return f"<Slots {self.base + 1}..{self.filled}..{self.last} durable={self.durable}>"

    @property
    def first(self) -> int:
        """The lowest slot that can still be read."""
        return self.base + 1

    @property
    def durable(self) -> int:
        """Up to here every vote, as it stands, is on the disk."""
        waiting = [self.filled + 1, *(lowest for _, lowest, _ in self.pending)]
        if self.fresh:
            waiting.append(min(self.fresh))
        return max(self.base, min(waiting) - 1)

    def get(self, slot: int) -> Entry | None:
        return self.entries.get(slot)

    def term_at(self, slot: int) -> int | None:
        """The ballot in which the value that stands there was first proposed; None where there is none, or no longer."""
        if slot == self.base:
            return self.base_term
        entry = self.entries.get(slot)
        return None if entry is None else born(entry)

    def slice(self, low: int, high: int) -> list[Entry]:
        """Slots low .. high, both included, none of which is empty."""
        assert self.base < low and high <= self.filled, (self, low, high)
        entries = self.entries
        return [entries[slot] for slot in range(low, high + 1)]

    def vote(self, entry: Entry) -> None:
        """Vote for this value in its slot and ballot, in place of any earlier vote there."""
        slot = entry.index
        assert slot > self.base, (self, entry)
        self.entries[slot] = self.fresh[slot] = entry
        if slot > self.last:
            self.last = slot
        if slot == self.filled + 1:
            self._fill()
        if entry.kind & ~PROPOSED_AGAIN == Kind.CONFIGURATION:
            self.changes.add(slot)
        elif self.changes:
            self.changes.discard(slot)

    def vote_all(self, run: list[Entry]) -> None:
        """Vote for these commands, in slots that follow one another."""
        voted = {entry.index: entry for entry in run}
        assert run and run[0].index > self.base, (self, run)
        self.entries.update(voted)
        self.fresh.update(voted)
        self.changes.difference_update(voted)
        self.last = max(self.last, run[-1].index)
        self._fill()

    def _fill(self) -> None:
        while self.filled + 1 in self.entries:
            self.filled += 1

    def unwritten(self) -> list[Entry]:
        """What no batch holds yet, by slot."""
        fresh = self.fresh
        return [fresh[slot] for slot in sorted(fresh)]

    def mark_written(self, serial: int, entries: list[Entry]) -> None:
        """The batch `serial` holds these votes, which were all."""
        if entries:
            self.pending.append((serial, entries[0].index, entries))
            self.fresh.clear()

    def synced(self, serial: int) -> list[Entry]:
        """All batches up to `serial` are durable; gives the votes that became so."""
        pending = self.pending
        durable: list[Entry] = []
        while pending and pending[0][0] <= serial:
            durable += pending.popleft()[2]
        return durable

    def compact(self, index: int) -> None:
        """Drop everything up to `index` from memory."""
        term = self.term_at(index)
        assert term is not None and index <= self.durable, (self, index)
        self._drop(index, term)

    def reset(self, index: int, term: int) -> None:
        """A snapshot that is durable here stands for all up to `index`; votes above it are still owed to whoever prepares."""
        self._drop(index, term)
        self.fresh = {slot: entry for slot, entry in self.fresh.items() if slot > index}
        self.last = max(self.last, index)
        self.filled = max(self.filled, index)
        self._fill()

    def _drop(self, index: int, term: int) -> None:
        # A node far behind holds few of them, one that is far ahead of its last snapshot many.
        if index - self.base <= len(self.entries):
            for slot in range(self.base + 1, index + 1):
                self.entries.pop(slot, None)
        else:
            self.entries = {slot: entry for slot, entry in self.entries.items() if slot > index}
        self.changes = {slot for slot in self.changes if slot > index}
        self.base, self.base_term = index, term

    def keep_from(self, index: int, entries_max: int, bytes_max: int) -> int:
        """The lowest slot that may be dropped if, up to `index`, a margin of entries and bytes is kept: whichever is less."""
        low = max(self.base, index - entries_max)
        size = 0
        for slot in range(index, low, -1):
            size += packed_size(self.entries[slot])
            if size > bytes_max:
                return slot
        return low
