"""Every safety rule of Raft, each one method: those of terms, votes, reads and membership on the page of protocols/terms/rules,
those of replication here.

The engine asks these and nobody else, so a test can switch off exactly one safeguard by overriding one method, and show
the invariant that breaks without it:

    class ForgetsItsVote(Rules):
        def vote_to_persist(self, vote): return ""

    class Broken(Raft):
        rules = ForgetsItsVote()
"""

from collections.abc import Sequence

from quorate.protocols.core import Entry
from quorate.protocols.log import Log
from quorate.protocols.terms.rules import TermRules


class Rules(TermRules):
    """The rules as the papers have them. Section numbers: Ongaro's thesis, if no other source is named."""

    def acks_after_sync(self) -> bool:
        """A follower acknowledges entries when they are durable, not when they arrived (3.8)."""
        return True

    def previous_matches(self, log: Log, index: int, term: int) -> bool:
        """Log matching: entries are taken in only after the entry that they follow at the leader (3.5)."""
        return log.term_at(index) == term

    def first_new(self, log: Log, entries: Sequence[Entry]) -> int:
        """How many of `entries` the log holds already. A suffix that matches is never truncated: an append may arrive
        late, and what follows it may have been acknowledged (3.5)."""
        if entries[0].index > log.last:
            return 0
        for at, entry in enumerate(entries):
            if log.term_at(entry.index) != entry.term:
                return at
        return len(entries)
