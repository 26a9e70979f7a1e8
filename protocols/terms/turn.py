"""The end of a turn: count, settle outcomes, replicate, and close the batch of effects.

Everything that arrived in a turn shares one batch in the log and one message per follower; its entries are packed once.
"""

from typing import Generic, Protocol, TypeVar

from quorate.protocols.core import Effects, Entry, NodeId
from quorate.protocols.log import pack
from quorate.protocols.membership import Membership
from quorate.protocols.reads import Reads
from quorate.protocols.terms.handover import Handover
from quorate.protocols.terms.office import Office
from quorate.protocols.terms.roles import Known, Leader, Peer
from quorate.protocols.terms.snapshots import Snapshots
from quorate.protocols.terms.state import Figures, Follows, RuleSet, TermState

Taken = TypeVar("Taken", bound=Known)
Follower = TypeVar("Follower", contravariant=True)


class Feeds(Protocol[Taken]):
    """How an engine's leader brings entries to its followers."""

    def replicate(self, me: Leader[Taken], batch: list[Entry], packed: bytes) -> None:
        """The turn's messages. `batch` is what the log is about to be given, `packed` its bytes."""

    def dismiss(self, me: Leader[Taken], name: NodeId, peer: Taken) -> None:
        """Its removal is committed: the last message to it."""

    def resign(self, me: Leader[Taken]) -> None:
        """Our own removal is committed: let one of the voters take over without waiting for a timeout (3.10, 4.2.2)."""


class Reports(Protocol[Follower]):
    """How an engine's follower answers or asks its leader."""

    def flush(self, me: Follower) -> None:
        """The turn's message to the leader."""


class Turn(Generic[Figures, RuleSet, Follows, Peer]):
    """What was committed, told and given out so far, and how a batch ends."""

    def __init__(
        self,
        state: TermState[Figures, RuleSet, Follows, Peer],
        office: Office[Figures, RuleSet, Follows, Peer],
        snapshots: Snapshots[Figures, RuleSet, Follows, Peer],
        reads: Reads[Leader[Peer]],
        membership: Membership[Leader[Peer]],
        handover: Handover[Figures, RuleSet, Follows, Peer],
        feeds: Feeds[Peer],
        reports: Reports[Follows],
    ) -> None:
        self.state = state
        self.office = office
        self.snapshots = snapshots
        self.reads = reads
        self.membership = membership
        self.handover = handover
        self.feeds = feeds
        self.reports = reports
        self.settled = state.commit
        """The commit index up to which outcomes were told."""
        self.handed = state.commit
        """The commit index up to which entries were given out."""

    def lead(self, me: Leader[Peer]) -> bool:
        """A leader's turn. Whether its removal is committed: it led until now."""
        state = self.state
        self.office.count_commits(me)
        removed = self.settle()
        if removed:
            self.feeds.resign(me)
        elif self.handover.running is not None:
            self.handover.advance(me)
        else:
            self.membership.promote_caught_up(me)
        self.reads.serve(me)
        out, log = state.out, state.log
        if log.last > log.written:
            out.entries = log.unwritten()
            out.packed = pack(out.entries)
            if me.batch_bytes:
                me.batches.append((log.last, me.batch_bytes))
                me.batch_bytes = 0
        self.feeds.replicate(me, out.entries, out.packed)
        return removed

    def follow(self) -> None:
        """Everybody else's turn."""
        state = self.state
        following = state.following
        if following is not None:
            self.reports.flush(following)
            self.reads.ask()
        self.settle()
        log = state.log
        if log.last > log.written:
            state.out.entries = log.unwritten()
            packed = self.snapshots.blobs.take(log.written + 1, log.last)
            state.out.packed = pack(state.out.entries) if packed is None else packed
        self.snapshots.blobs.clear()

    def settle(self) -> bool:
        """Tell outcomes up to the commit index. Whether this leader's removal is among them."""
        state = self.state
        if state.commit == self.settled:
            return False
        assert state.commit > self.settled, (state, self.settled)
        before, self.settled = self.settled, state.commit
        self.membership.settle(before)
        self.snapshots.settle_orphans()
        role = state.role
        if not isinstance(role, Leader) or state.configurations[-1].index > state.commit:
            return False
        if len(role.peers) >= len(state.configuration.members):
            self._forget_removed(role)
        return state.node not in state.configuration.voters

    def _forget_removed(self, me: Leader[Peer]) -> None:
        """A removed member hears of its removal with the commit, and no more after that."""
        members = self.state.configuration.names
        for name, peer in list(me.peers.items()):
            if name not in members:
                self.feeds.dismiss(me, name, peer)
                del me.peers[name]

    def close(self) -> Effects | None:
        """End the batch; None if it holds nothing."""
        state, out = self.state, self.state.out
        if state.commit > self.handed:
            out.committed = state.log.slice(self.handed + 1, state.commit)
            self.handed = state.commit
        if state.unsaved:
            out.promise = state.promise()
            state.unsaved = False
            state.promise_serial = out.serial
        if out.writes:
            state.log.mark_written(out.serial)
        elif not (out.sends or out.sends_after_sync or out.committed or out.reads or out.refused or out.done or out.transfers or out.notes):
            return None
        state.out = Effects(out.serial + 1)
        return out
