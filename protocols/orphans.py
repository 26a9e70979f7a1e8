"""Own proposals that were truncated: superseded once another entry stands in their place for good, uncertain until then.

The rule it keeps: only what can no longer commit anywhere is called superseded. A truncated entry may live on in another log
and be proposed again from there; when an entry of another term is committed at its index, it cannot.
"""

from collections.abc import Callable, Collection, Iterable

from quorate.protocols.core import Entry


class Orphans:
    """Of one incarnation. Bounded by what a leader takes in uncommitted."""

    __slots__ = ("_waiting",)

    def __init__(self) -> None:
        self._waiting: list[tuple[int, int, int]] = []
        """(index, term, origin)"""

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def add(self, dropped: Iterable[Entry], own_terms: Collection[int]) -> None:
        """Of these entries, just truncated, those that this incarnation proposed."""
        self._waiting += [(entry.index, entry.term, entry.origin) for entry in dropped if entry.origin and entry.term in own_terms]

    def pass_over(self, index: int) -> None:
        """A snapshot stands for everything up to `index`: nobody can tell any more what became of proposals there."""
        self._waiting = [orphan for orphan in self._waiting if orphan[0] > index]

    def settle(self, commit: int, term_at: Callable[[int], int | None]) -> list[int]:
        """The origins whose place another entry took for good."""
        decided = [orphan for orphan in self._waiting if orphan[0] <= commit]
        self._waiting = [orphan for orphan in self._waiting if orphan[0] > commit]
        return [origin for index, term, origin in decided if term_at(index) not in (None, term)]
