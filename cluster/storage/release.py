"""Which segments are still needed, and by whom: the oldest one that nobody needs is the next to be freed.

A group needs a segment while it holds the group's newest promise or snapshot mark, or entries above that mark. Truncation clips:
entries above the cut are dead, and the record that says so is never freed before them, because segments are freed oldest first.
Used by the log's thread only (and by recovery, before that thread runs).
"""

from dataclasses import dataclass, field


@dataclass(slots=True)
class Holding:
    """What one group keeps, and in which segments. `version` counts its records."""

    name: str
    version: int = 0
    mark: bytes | None = None
    mark_index: int = 0
    mark_segment: int = 0
    promise: bytes | None = None
    promise_segment: int = 0
    last_in: dict[int, int] = field(default_factory=dict)
    """Segment -> highest index of an entry in it that counts, ascending by segment."""

    def note(
        self, segment: int, mark: bytes | None, mark_index: int, truncate: int | None, promise: bytes | None, last: int | None
    ) -> None:
        """This group's next record is durable in that segment."""
        self.version += 1
        if mark is not None:
            self.mark, self.mark_index, self.mark_segment = mark, mark_index, segment
            self._keep_above(mark_index)
        if truncate is not None:
            for number, highest in self.last_in.items():
                if highest > truncate:
                    self.last_in[number] = truncate
            self._keep_above(self.mark_index)
        if promise is not None:
            self.promise, self.promise_segment = promise, segment
        if last is not None and last > self.mark_index and last > self.last_in.get(segment, 0):
            self.last_in[segment] = last

    @property
    def oldest_entries(self) -> int | None:
        return next(iter(self.last_in), None)

    def oldest(self, current: int) -> int:
        """The oldest segment that this group needs; `current` if none."""
        oldest = current if self.mark is None else min(current, self.mark_segment)
        if self.promise is not None:
            oldest = min(oldest, self.promise_segment)
        entries = self.oldest_entries
        return oldest if entries is None else min(oldest, entries)

    def _keep_above(self, index: int) -> None:
        if any(highest <= index for highest in self.last_in.values()):
            self.last_in = {number: highest for number, highest in self.last_in.items() if highest > index}


class Holdings:
    """All groups' holdings, and the oldest segment on disk."""

    def __init__(self, oldest: int) -> None:
        self.groups: dict[str, Holding] = {}
        self.oldest = oldest

    def of(self, name: str) -> Holding:
        holding = self.groups.get(name)
        if holding is None:
            holding = self.groups[name] = Holding(name)
        return holding

    def oldest_needed(self, current: int) -> int:
        return min((holding.oldest(current) for holding in self.groups.values()), default=current)

    def blockers(self, current: int, below: int) -> list[Holding]:
        """The groups that need a segment below `below`."""
        return [holding for holding in self.groups.values() if holding.oldest(current) < below]
