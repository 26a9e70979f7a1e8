"""The end of a turn: choose, settle outcomes, open slots, replicate, and close the batch of effects.

Everything that arrived in a turn shares one batch in the log and one accept per follower; its values are packed once.
"""

from quorate.protocols.core import FAST, Effects, original
from quorate.protocols.log import pack
from quorate.protocols.membership import Membership
from quorate.protocols.multipaxos.acceptor import Acceptor
from quorate.protocols.multipaxos.changes import Changes
from quorate.protocols.multipaxos.handover import Handover
from quorate.protocols.multipaxos.leading import Leading
from quorate.protocols.multipaxos.messages import Chosen
from quorate.protocols.multipaxos.proposing import Proposals
from quorate.protocols.multipaxos.roles import Follower, Leader
from quorate.protocols.multipaxos.state import State
from quorate.protocols.reads import Reads


class Turn:
    """What was chosen, told and given out so far, and how a batch ends."""

    def __init__(
        self,
        state: State,
        acceptor: Acceptor,
        proposals: Proposals,
        leading: Leading,
        reads: Reads[Leader],
        changes: Changes,
        membership: Membership[Leader],
        handover: Handover,
    ) -> None:
        self.state = state
        self.acceptor = acceptor
        self.proposals = proposals
        self.leading = leading
        self.reads = reads
        self.changes = changes
        self.membership = membership
        self.handover = handover
        self.settled = state.commit
        """The commit index up to which outcomes were told."""
        self.took_effect = state.governed
        """The same of changes, which take effect later."""
        self.handed = state.log.base
        """The commit index up to which entries were given out."""

    def lead(self, me: Leader) -> bool:
        """A leader's turn. Whether others decide the next slot: it led until now."""
        state = self.state
        self.proposals.choose(me)
        self.settle()
        removed = not state.decides(state.present) and state.present.index <= self.changes.commit
        if removed:
            self._hand_on(me)
        elif self.handover.running is None:
            self.membership.promote_caught_up(me)
        self.proposals.open_all(me)
        self.leading.follow_governing(me)
        if not removed:
            self.handover.advance(me)
        self.reads.serve(me)
        out, log = state.out, state.log
        if log.fresh:
            out.entries = log.unwritten()
            out.packed = pack(out.entries)
        self.leading.replicate(me, out.entries, out.packed)
        return removed

    def follow(self) -> None:
        """Everybody else's turn."""
        state = self.state
        if isinstance(state.role, Follower):
            self.acceptor.flush(state.role)
            self.reads.ask()
        self.settle()
        entries = state.out.entries = state.log.unwritten()
        if entries:
            packed = self.acceptor.blobs.take(entries[0].index, entries[-1].index)
            state.out.packed = pack(entries) if packed is None else packed

    def _hand_on(self, me: Leader) -> None:
        """We decide nothing any more: let the best of those who do take over without waiting for a timeout (thesis 3.10, 4.2.2)."""
        best = max(sorted(self.state.present.voters), key=lambda name: me.peers[name].match)
        self.handover.dismiss(me, best)

    def settle(self) -> None:
        """Tell outcomes up to the commit index."""
        state = self.state
        if state.commit > self.settled:
            self.settled = state.commit
            if self.acceptor.orphans:
                self.acceptor.settle_orphans()
        effect = self.changes.commit
        if effect > self.took_effect:
            before, self.took_effect = self.took_effect, effect
            self.membership.settle(before)
            if isinstance(state.role, Leader) and len(state.configurations) == 1:
                self._forget_removed(state.role)

    def _forget_removed(self, me: Leader) -> None:
        """Whoever governs nothing any more hears so with the commit, and no more after that."""
        state = self.state
        members = state.configuration.names
        for name, peer in list(me.peers.items()):
            if name not in members:
                state.send(name, Chosen(state.ballot, min(peer.match, state.commit)))
                del me.peers[name]

    def close(self) -> Effects | None:
        """End the batch; None if it holds nothing."""
        state, out = self.state, self.state.out
        if state.commit > self.handed:
            out.committed = [entry if entry.kind < FAST else original(entry) for entry in state.log.slice(self.handed + 1, state.commit)]
            self.handed = state.commit
        if state.unsaved or state.known_due or out.snapshot is not None:
            out.promise = state.promise()
            state.mark_known(out.serial)
        if state.unsaved:
            state.unsaved = False
            state.promise_serial = out.serial
        if out.writes:
            state.log.mark_written(out.serial, out.entries)
        elif not (out.sends or out.sends_after_sync or out.committed or out.reads or out.refused or out.done or out.transfers or out.notes):
            return None
        state.out = Effects(out.serial + 1)
        return out
