"""The one committed history of a world, as the first node to commit each entry saw it.

The rule it keeps: an index is decided once. Every later commit, snapshot, read and acknowledgement is compared with this list,
which makes "committed prefixes are comparable on every pair of nodes" a check of one entry at a time.
"""

from itertools import pairwise

from quorate.protocols.core import NO_ORIGIN, Configuration, Entry, Kind
from quorate.protocols.simulation.machine import chain


class Violation(AssertionError):
    """An invariant does not hold. `invariant` is its name: two failures with one name are the same failure."""

    def __init__(self, invariant: str, detail: str) -> None:
        super().__init__(f"{invariant}: {detail}")
        self.invariant = invariant
        self.detail = detail


COMMITTED_PREFIXES = "committed prefixes are comparable"
APPLIED_ONCE = "each origin is applied once"
REFUSED_IS_DEFINITE = "a refused proposal is never committed"


class Ledger:
    """Terms, origins and digests by index; position 0 is the empty history."""

    def __init__(self, bootstrap: Configuration) -> None:
        self.terms = [0]
        self.decided_in = [0]
        """The term in which each was committed, which may be later than its own: leaders of later terms hold it, a late one of an
        earlier term need not."""
        self.digests = [0]
        self._entries: list[tuple[int, int, bytes]] = [(0, 0, b"")]
        self._origins: dict[int, int] = {}
        self._refused: set[int] = set()  # only ever asked about membership, never iterated
        self.configuration = bootstrap
        """The last committed one."""
        self._earlier: list[Configuration] = []
        self.alpha = 0
        """How many slots after its own a configuration begins to govern."""

    @property
    def end(self) -> int:
        return len(self.terms) - 1

    def governing(self, index: int) -> Configuration:
        """The configuration that decides that index, as far as is known by now."""
        configuration = self.configuration
        for earlier in reversed(self._earlier):
            if configuration.index + self.alpha <= index:
                break
            configuration = earlier
        return configuration

    def replacements(self) -> list[tuple[Configuration, Configuration, int]]:
        """Each configuration, the one that replaced it, and the last index that the former decides."""
        all_of_them = [*self._earlier, self.configuration]
        return [(one, following, following.index + self.alpha - 1) for one, following in pairwise(all_of_them)]

    def origin(self, index: int) -> int:
        """Who proposed what is committed there."""
        return self._entries[index][0]

    def commit(self, entry: Entry, who: str, term: int) -> bool:
        """One node, now in `term`, says that this entry is committed; True if it is the first to say so."""
        index = entry.index
        known = (entry.origin, entry.kind, entry.data)
        if index < len(self.terms):
            if self.terms[index] != entry.term or self._entries[index] != known:
                mine = f"term {entry.term} {known}"
                raise Violation(
                    COMMITTED_PREFIXES, f"{who} commits {mine} at {index}, but it is term {self.terms[index]} {self._entries[index]}"
                )
            return False
        if index != len(self.terms):
            raise Violation(COMMITTED_PREFIXES, f"{who} commits {index} while {self.end} is the end of what is committed")
        if entry.origin != NO_ORIGIN:
            first = self._origins.setdefault(entry.origin, index)
            if first != index:
                raise Violation(APPLIED_ONCE, f"{who} commits origin {entry.origin:x} at {index}; it is also at {first}")
            if entry.origin in self._refused:
                raise Violation(REFUSED_IS_DEFINITE, f"{who} commits origin {entry.origin:x} at {index} after its refusal")
        self.terms.append(entry.term)
        self.decided_in.append(max(term, self.decided_in[-1]))
        self._entries.append(known)
        self.digests.append(chain(self.digests[-1], entry))
        if entry.kind == Kind.CONFIGURATION:
            self._earlier.append(self.configuration)
            self.configuration = Configuration.decode(entry.data, index)
        return True

    def refused(self, origin: int, who: str) -> None:
        """A proposal was refused, which is a promise that it never happens."""
        if origin in self._origins:
            raise Violation(REFUSED_IS_DEFINITE, f"{who} refuses origin {origin:x}, committed at {self._origins[origin]}")
        self._refused.add(origin)
