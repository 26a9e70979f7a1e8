"""What becomes of the log when a snapshot stands for its beginning, or when another leader's differs: compacted, replaced, truncated.

The rules it keeps: never truncate what is committed, never adopt a snapshot older than what is committed here; own proposals
that went are superseded only once another entry took their place for good.
"""

from typing import Generic

from quorate.protocols.core import Reason, Snapshot
from quorate.protocols.log import Blobs
from quorate.protocols.orphans import Orphans
from quorate.protocols.terms.roles import Peer
from quorate.protocols.terms.state import Figures, Follows, RuleSet, TermState


class Snapshots(Generic[Figures, RuleSet, Follows, Peer]):
    """The log's losses, at either end."""

    def __init__(self, state: TermState[Figures, RuleSet, Follows, Peer]) -> None:
        self.state = state
        self.blobs = Blobs()
        """What a follower received this turn, as it came: the log need not pack it again."""
        self.orphans = Orphans()

    def truncate(self, index: int, own_terms: set[int]) -> None:
        """The leader's log differs above `index`: ours goes. What we proposed there may still commit elsewhere."""
        state = self.state
        state.note("truncated", index=index, last=state.log.last)
        self.blobs.clear()
        self.orphans.add(state.truncate(index), own_terms)

    def settle_orphans(self) -> None:
        """Own proposals whose place another entry took for good are superseded: definitely without effect."""
        state = self.state
        if self.orphans:
            for origin in self.orphans.settle(state.commit, state.log.term_at):
                state.refuse(origin, Reason.SUPERSEDED, state.leader)

    def compact(self, snapshot: Snapshot, handed: int) -> None:
        """Our own snapshot, of what was handed out up to `handed`, is durable: drop what it stands for, less a margin."""
        state, log, options = self.state, self.state.log, self.state.options
        assert snapshot.index <= handed and snapshot.index <= log.durable, (state, snapshot)
        if state.snapshot is not None and snapshot.index <= state.snapshot.index:
            return
        state.snapshot = state.out.snapshot = snapshot
        log.compact(log.keep_from(snapshot.index, options.margin_entries, options.margin_bytes))
        state.note("compacted", index=snapshot.index, first=log.first)

    def install(self, snapshot: Snapshot) -> bool:
        """A leader's snapshot is durable here. Whether it replaced the state: it may have come late."""
        state, log = self.state, self.state.log
        if not state.rules.may_install(snapshot.index, state.commit):
            return False
        if log.term_at(snapshot.index) == snapshot.term:
            # Our log holds all of it: commit that far instead, nothing is passed over.
            state.commit = snapshot.index
            return False
        if log.written > snapshot.index:
            state.out.truncate = snapshot.index if state.out.truncate is None else min(state.out.truncate, snapshot.index)
        log.reset(snapshot.index, snapshot.term)
        self.blobs.clear()
        self.orphans.pass_over(snapshot.index)
        state.configurations = [snapshot.configuration]
        state.snapshot = state.out.snapshot = snapshot
        state.commit = snapshot.index
        state.note("snapshot_installed", index=snapshot.index)
        return True
