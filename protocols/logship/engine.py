"""The log shipping core: the transition table, and one batch of effects per turn."""

from quorate.protocols.core import (
    Change,
    Configuration,
    Effects,
    Entry,
    Message,
    NodeId,
    PromoteByHand,
    ReadReady,
    Reason,
    Remove,
    Snapshot,
    Status,
    Token,
)
from quorate.protocols.log import pack
from quorate.protocols.logship.committing import Committing
from quorate.protocols.logship.following import Following
from quorate.protocols.logship.messages import Heartbeat, HeartbeatReply, Mismatch, Ship, Shipped, StartOver, TakeOver, Tenure
from quorate.protocols.logship.options import LogshipOptions
from quorate.protocols.logship.roles import Primary, Replica
from quorate.protocols.logship.rules import Rules
from quorate.protocols.logship.shipping import Shipping
from quorate.protocols.logship.state import State
from quorate.protocols.logship.succession import Succession
from quorate.protocols.membership import Membership

_FROM_PRIMARY = (Ship, Heartbeat, StartOver)


class Logship:
    """One node of one group that ships its log; see the package's page."""

    rules = Rules()
    """A test-only subclass puts broken ones here."""

    def __init__(
        self,
        node: NodeId,
        members: Configuration,
        options: LogshipOptions,
        tenure: Tenure | None,
        snapshot: Snapshot | None,
        entries: list[Entry],
    ) -> None:
        self.state = State(node, members, options, self.rules, tenure, snapshot, entries)
        self.shipping = Shipping(self.state)
        self.committing = Committing(self.state, self.shipping)
        self.following = Following(self.state)
        self.succession = Succession(self.state, self.shipping)
        self.membership: Membership[Primary] = Membership(self.state, self.shipping)
        self.succession.begin(fresh=tenure is None and snapshot is None and not entries)

    def __repr__(self) -> str:
        return repr(self.state)

    # What others may know

    @property
    def leader(self) -> NodeId | None:
        return self.state.leader

    @property
    def configuration(self) -> Configuration:
        return self.state.configuration

    @property
    def status(self) -> Status:
        return self.state.status

    # Events

    def tick(self, elapsed: int = 1) -> None:
        state = self.state
        state.now += elapsed
        # A turn that came late was our own stall, not the others' silence: it counts as one tick.
        state.timer += min(1, elapsed)
        self.succession.tick()

    def receive(self, sender: NodeId, message: Message) -> None:
        match message:
            case Ship() | Shipped() | Mismatch() | Heartbeat() | HeartbeatReply() | StartOver() | TakeOver():
                if message.generation == self.state.generation or self._is_of_our_generation(sender, message.generation, message):
                    self._act(sender, message)
            case _:
                self.state.note("message_unknown", sender=sender, type=type(message).__name__)

    def _is_of_our_generation(self, sender: NodeId, generation: int, message: Message) -> bool:
        """Follow a newer generation; tell a primary of an older one, which cannot know."""
        state = self.state
        if state.rules.steps_down(generation, state.generation):
            self._follow(generation, sender if isinstance(message, _FROM_PRIMARY) else None)
        elif state.rules.is_stale(generation, state.generation):
            if isinstance(message, Ship | Heartbeat):
                state.send_after_sync(sender, HeartbeatReply(state.generation, 0, 0))
            return False
        return True

    def _follow(self, generation: int, primary: NodeId | None) -> None:
        self.succession.follow(generation, primary)
        # What became of a change that was appended here, nobody can tell any more: its caller is left in the dark.
        self.membership.pending.clear()

    def _act(self, sender: NodeId, message: Message) -> None:
        """The transition table, for messages of our generation."""
        role = self.state.role
        if isinstance(message, _FROM_PRIMARY) and isinstance(role, Replica) and role.primary != sender:
            self._follow(self.state.generation, sender)
        match self.state.role, message:
            case Replica() as me, Ship():
                self.following.on_ship(me, sender, message)
            case Replica(), Heartbeat():
                self.following.on_heartbeat(sender, message)
            case Replica() as me, StartOver():
                self.following.on_start_over(me, message)
            case Replica(), TakeOver():
                self.succession.on_take_over(message)
            case Primary() as me, Shipped():
                self.shipping.on_shipped(me, sender, message)
            case Primary() as me, Mismatch():
                self.shipping.on_mismatch(me, sender, message)
            case Primary() as me, HeartbeatReply():
                self.shipping.on_heartbeat_reply(me, sender, message)
            case _:
                pass  # a late message to a role that we have left

    def unreachable(self, peer: NodeId) -> None:
        me = self.state.role
        if isinstance(me, Primary):
            self.shipping.on_unreachable(me, peer)

    def synced(self, serial: int) -> None:
        state = self.state
        state.synced_serial = max(state.synced_serial, serial)
        more = state.log.synced(serial)
        if isinstance(state.role, Primary):
            state.role.counting_due = state.role.counting_due or more
        else:
            self.succession.advance()

    # Requests

    def propose(self, data: bytes, token: Token) -> None:
        state = self.state
        me = state.role
        if me.__class__ is not Primary:
            state.refuse(token, Reason.NOT_LEADER, state.leader)
            return
        assert isinstance(me, Primary)
        if me.handing is not None:
            state.refuse(token, Reason.NOT_LEADER, None)
        else:
            self.shipping.propose(me, data, token)

    def read(self, token: Token, *, lease: bool = False) -> None:
        """The primary answers from its own state and asks nobody, lease or not: what it does not know of, it does not see."""
        state = self.state
        me = state.role
        if not isinstance(me, Primary):
            state.refuse(token, Reason.NOT_LEADER, state.leader)
        elif len(me.reads) >= state.options.waiting_reads_max:
            state.refuse(token, Reason.OVERLOADED, state.leader)
        else:
            me.reads.append(token)

    def reconfigure(self, change: Change, token: Token) -> None:
        state, me = self.state, self.state.role
        match change:
            case PromoteByHand(name):
                self.succession.promote_by_hand(name, token)
            case Remove(name) if isinstance(me, Primary) and name == state.node:
                state.refuse(token, Reason.BAD_CHANGE, state.node, f"{name} is the primary, and nobody would take over; transfer first")
            case _ if isinstance(me, Primary) and me.handing is not None:
                state.refuse(token, Reason.CHANGE_IN_FLIGHT, None, f"handing over to {me.handing.to}")
            case _:
                self.membership.reconfigure(change, token)

    def transfer(self, to: NodeId, token: Token) -> None:
        self.succession.hand_over(to, token)

    # Snapshots

    def compact(self, snapshot: Snapshot) -> None:
        state, log, options = self.state, self.state.log, self.state.options
        if state.snapshot is not None and snapshot.index <= state.snapshot.index:
            return
        if log.term_at(snapshot.index) != snapshot.term or snapshot.index > state.handed:
            state.note("snapshot_void", index=snapshot.index)  # of a state that was rolled back while it was written
            return
        state.snapshot = state.out.snapshot = snapshot
        log.compact(log.keep_from(snapshot.index, options.margin_entries, options.margin_bytes))
        state.note("compacted", index=snapshot.index, first=log.first)

    def received(self, sender: NodeId, snapshot: Snapshot) -> None:
        if isinstance(self.state.role, Replica):
            self.following.received(self.state.role, sender, snapshot)

    def transferred(self, to: NodeId, snapshot: Snapshot, ok: bool) -> None:
        if isinstance(self.state.role, Primary):
            self.shipping.on_transferred(self.state.role, to, snapshot.index, ok=ok)

    # The end of a turn

    def take(self) -> Effects | None:
        match self.state.role:
            case Primary() as me:
                self._lead(me)
            case Replica() as me:
                self.following.flush(me)
                self._write_received()
            case _:
                self._write_received()
        return self._close()

    def _lead(self, me: Primary) -> None:
        state, out, log = self.state, self.state.out, self.state.log
        before = state.commit
        self.committing.count(me)
        if state.commit > before:
            self.membership.settle(before)
            if state.configurations[-1].index <= state.commit and len(me.peers) >= len(state.configuration.members):
                self.shipping.forget_removed(me)
        if me.handing is None:
            self.membership.promote_caught_up(me)
        else:
            self.succession.advance_hand_over(me)
        if me.reads and state.rules.may_read(state.commit, me.first_index):
            out.reads += [ReadReady(token, state.commit) for token in me.reads]
            me.reads.clear()
        if log.last > log.written:
            out.entries = log.unwritten()
            out.packed = pack(out.entries)
            if me.batch_bytes:
                me.batches.append((log.last, me.batch_bytes))
                me.batch_bytes = 0
        if state.role is me:
            self.shipping.beat(me)
            self.shipping.replicate(me, out.entries, out.packed)

    def _write_received(self) -> None:
        state, log = self.state, self.state.log
        if log.last > log.written:
            state.out.entries = log.unwritten()
            packed = state.blobs.take(log.written + 1, log.last)
            state.out.packed = pack(state.out.entries) if packed is None else packed
        state.blobs.clear()

    def _close(self) -> Effects | None:
        """End the batch; None if it holds nothing."""
        state, out = self.state, self.state.out
        if state.commit > state.handed:
            out.committed = state.log.slice(state.handed + 1, state.commit)
            state.handed = state.commit
        if state.unsaved:
            out.promise = state.tenure()
            state.unsaved = False
            state.promise_serial = out.serial
        if out.writes:
            state.log.mark_written(out.serial)
        elif not (out.sends or out.sends_after_sync or out.committed or out.reads or out.refused or out.done or out.transfers or out.notes):
            return None
        state.out = Effects(out.serial + 1)
        return out
