"""The end of a turn: go on with the phase, count, settle outcomes, replicate, and close the batch of effects.

Everything that arrived in a turn shares one batch in the log and one proposal per follower; its entries are packed once.
"""

from quorate.protocols.core import Effects
from quorate.protocols.log import pack
from quorate.protocols.membership import Membership
from quorate.protocols.reads import Reads
from quorate.protocols.zab.discovery import Discovery
from quorate.protocols.zab.following import Following
from quorate.protocols.zab.handover import Handover
from quorate.protocols.zab.leading import Leading
from quorate.protocols.zab.roles import BROADCAST, Follower, Leader
from quorate.protocols.zab.state import State


class Turn:
    """What was committed, told and given out so far, and how a batch ends."""

    def __init__(
        self,
        state: State,
        following: Following,
        discovery: Discovery,
        leading: Leading,
        reads: Reads[Leader],
        membership: Membership[Leader],
        handover: Handover,
    ) -> None:
        self.state = state
        self.following = following
        self.discovery = discovery
        self.leading = leading
        self.reads = reads
        self.membership = membership
        self.handover = handover
        self.settled = state.commit
        """The commit index up to which outcomes were told."""
        self.handed = state.commit
        """The commit index up to which entries were given out."""

    def lead(self, me: Leader) -> bool:
        """A leader's turn. Whether its removal is committed: it led until now."""
        state, leading = self.state, self.leading
        self.discovery.advance(me)
        leading.count_commits(me)
        removed = self.settle()
        if state.serving is not None and not removed:
            if self.handover.running is not None:
                self.handover.advance(me)
            else:
                self.membership.promote_caught_up(me)
        if me.phase == BROADCAST:
            self.reads.serve(me)
        elif state.now >= me.heartbeat_at:
            leading.start_round(me, me.round + 1)
        out, log = state.out, state.log
        if log.last > log.written:
            out.entries = log.unwritten()
            out.packed = pack(out.entries)
            if me.batch_bytes:
                me.batches.append((log.last, me.batch_bytes))
                me.batch_bytes = 0
        leading.replicate(me, out.entries, out.packed)
        if state.configurations[-1].index <= state.commit and len(me.peers) >= len(state.configuration.members):
            self._forget_removed(me)
        if removed:
            self._hand_on(me)
        return removed

    def follow(self) -> None:
        """Everybody else's turn."""
        state = self.state
        if isinstance(state.role, Follower):
            self.following.flush(state.role)
            self.reads.ask()
        self.settle()
        log = state.log
        if log.last > log.written:
            packed = self.following.blobs.take(log.written + 1, log.last)
            state.out.entries = log.unwritten()
            state.out.packed = pack(state.out.entries) if packed is None else packed

    def _hand_on(self, me: Leader) -> None:
        """Our removal is committed: let the best of the voters take over at once, and everybody else follow it."""
        best = max(sorted(self.state.configuration.voters), key=lambda name: me.peers[name].match)
        if me.peers[best].match == self.state.log.last:
            self.handover.dismiss(me, best, best)
            self.handover.release(me, best)

    def settle(self) -> bool:
        """Tell outcomes up to the commit index. Whether this leader's removal is among them."""
        state = self.state
        if state.commit == self.settled:
            return False
        assert state.commit > self.settled, (state, self.settled)
        before, self.settled = self.settled, state.commit
        self.membership.settle(before)
        if self.following.orphans:
            self.following.settle_orphans()
        if state.serving is None or state.configurations[-1].index > state.commit:
            return False
        return state.node not in state.configuration.voters

    def _forget_removed(self, me: Leader) -> None:
        """A removed member was told of its removal just now, if it could be; it hears no more after that."""
        members = self.state.configuration.names
        for name in [name for name in me.peers if name not in members]:
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
