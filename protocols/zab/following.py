"""A follower's work in all phases: accept the leader's epoch, align the history with its, then log what it proposes.

Rules kept here: what a reply promises is durable before the reply leaves; the epoch becomes current only after its history, in
the same batch or an earlier one; what comes twice is dropped; what cannot follow on what is here breaks the channel.
Whoever finds `channel.broken` leaves to the election; `anew` asks for another link to the same leader.
"""

from quorate.protocols.core import COUNTER_BITS, Message, NodeId, Reason, Snapshot
from quorate.protocols.fifo import Channel
from quorate.protocols.log import Blobs, unpack
from quorate.protocols.orphans import Orphans
from quorate.protocols.zab.messages import (
    Ack,
    AckEpoch,
    AckNewLeader,
    Commit,
    Diff,
    FollowerInfo,
    Inform,
    LeaderInfo,
    NewLeader,
    Ping,
    Pong,
    Proposal,
    Snap,
    Trunc,
    UpToDate,
)
from quorate.protocols.zab.promises import Promises
from quorate.protocols.zab.roles import BROADCAST, DISCOVERY, SYNC, Follower
from quorate.protocols.zab.state import State


class Following:
    """How a node that does not lead comes to hold its leader's history."""

    def __init__(self, state: State, promises: Promises) -> None:
        self.state = state
        self.promises = promises
        self.blobs = Blobs()
        self.orphans = Orphans()

    def new_channel(self, link: int) -> Channel:
        options = self.state.options
        # A sender's window, and as much again for what it says besides entries.
        early_max = 2 * options.window_messages + 16
        return self.state.rules.channel_type(
            link, retry_ticks=options.retry_ticks, retry_ticks_max=options.election_ticks, early_max=early_max
        )

    def follow(self, leader: NodeId, incarnation: int) -> Follower:
        """Open a link to `leader`, as it lives now."""
        state = self.state
        me = Follower(leader, self.new_channel(state.new_link()), heard=state.timer)
        opening = me.channel.frame(state.timer, 0, True, FollowerInfo, incarnation, state.accepted)
        # No epoch that this node made or accepted is spoken of before it is durable.
        state.send_after_sync(leader, opening)
        return me

    # The leader's frames, in order

    def on_frame(self, me: Follower, message: Message, own_epochs: set[int]) -> None:
        match message:
            case LeaderInfo():
                self._on_leader_info(me, message.epoch)
            case Diff() | Snap():
                self._on_alignment(me, message)
            case Trunc():
                self._on_trunc(me, message, own_epochs)
            case Proposal():
                self._log(me, message.entries)
                me.ack_due = True
            case Inform():
                last = self._log(me, message.entries)
                self._believe(me, last)
            case NewLeader():
                self._on_new_leader(me, message)
            case UpToDate():
                me.phase = BROADCAST
                self._believe(me, message.commit)
                self.state.note("up_to_date", leader=me.leader)
            case Commit():
                self._believe(me, message.index)
            case _:
                self._break(me, f"{type(message).__name__} from a leader")

    def _break(self, me: Follower, why: str) -> None:
        me.channel.broken = me.channel.broken or why

    def _on_leader_info(self, me: Follower, epoch: int) -> None:
        """Discovery, step f.1.1: accept the epoch unless a later one was accepted; say what history is here."""
        state = self.state
        if state.rules.refuses_epoch(epoch, state.accepted):
            self._break(me, f"epoch {epoch} after {state.accepted}")
            return
        if epoch > state.accepted and self.promises.bind:
            me.held_epoch = epoch
            return
        me.held_epoch = 0
        counts = state.rules.ack_counts(epoch, state.accepted, same_leader=state.accepted_from == me.leader)
        if epoch > state.accepted:
            state.set_accepted(epoch, me.leader)
            if state.rules.current_at_discovery():
                state.set_current(epoch)
        me.epoch = epoch
        self._answer(me, AckEpoch, epoch, counts, state.current, *state.zxid)

    def _answer(self, me: Follower, make: type, *fields: int) -> None:
        """One frame to the leader, once everything here is durable."""
        state = self.state
        state.send_after_sync(me.leader, me.channel.frame(state.timer, 0, True, make, *fields))

    def _on_alignment(self, me: Follower, message: Diff | Snap) -> None:
        log = self.state.log
        if message.index >= log.base and log.term_at(message.index) != message.term:
            # Another disk, or a snapshot that was not taken in: say anew what is here.
            me.channel.broken = "anew"
            return
        me.aligned, me.phase = True, SYNC

    def _on_trunc(self, me: Follower, message: Trunc, own_epochs: set[int]) -> None:
        """The leader has nothing between (term, index) and what it was told of our end: all we hold above goes."""
        state, log = self.state, self.state.log
        me.phase = SYNC
        if message.index < log.base and me.snapped:
            me.aligned = True
            return
        meeting = log.last_at_most(message.term, message.index)
        if meeting < log.last and state.rules.truncates():
            state.note("truncated", index=meeting, last=log.last)
            self.blobs.clear()
            self.orphans.add(state.truncate(meeting), own_epochs)
        if log.term_at(message.index) == message.term or not state.rules.truncates():
            me.aligned = True
        else:
            # Where the leader's history goes on we hold nothing of it: what is left meets it further down.
            me.channel.broken = "anew"

    def _log(self, me: Follower, blob: bytes) -> int:
        """Entries that follow on our log, or that it holds already. The last of them."""
        state, log = self.state, self.state.log
        try:
            entries = unpack(blob)
        except ValueError as problem:
            self._break(me, f"malformed entries: {problem}")
            return 0
        if not me.aligned or not entries or entries[-1].term > me.epoch:
            self._break(me, "entries that nothing was agreed on")
            return 0
        last = entries[-1].index
        if entries[0].index <= log.last:
            entries = [entry for entry in entries if entry.index > log.last]
            blob = b""
        if entries:
            if entries[0].index != log.last + 1 or entries[0].term < log.last_term:
                self._break(me, f"entry {entries[0].index} after {log.last}")
                return 0
            self.blobs.keep(blob, entries[0].index, last)
            log.extend(entries)
            state.adopt_configurations(entries)
        return last

    def _on_new_leader(self, me: Follower, message: NewLeader) -> None:
        """Synchronization, step f.2.1: the history is in the log, this batch or an earlier one; now its epoch."""
        state = self.state
        if not me.aligned or message.epoch != me.epoch or message.epoch != state.accepted:
            self._break(me, f"NEWLEADER of epoch {message.epoch}")
            return
        if state.current < message.epoch:
            state.set_current(message.epoch)
        me.new_leader_due = True

    def _believe(self, me: Follower, index: int) -> None:
        """The leader says that everything up to `index`, which it sent before, is committed."""
        state = self.state
        if index > state.log.last or not me.aligned:
            self._break(me, f"commit {index} beyond {state.log.last}")
        elif index > state.commit:
            state.commit = index

    # Besides the channel

    def on_ping(self, me: Follower, message: Ping) -> None:
        """Answered at once: it acknowledges nothing that is not durable, so it need not wait behind the disk."""
        state = self.state
        ours = message.epoch == me.epoch == state.accepted and me.epoch > 0
        if ours:
            self.promises.give()
        self._pong(me, message.round if ours else 0)

    def _pong(self, me: Follower, round_: int) -> None:
        state = self.state
        me.channel.told = me.channel.received
        reply = Pong(me.channel.link, me.channel.received, round_, state.log.durable if me.aligned else 0)
        if state.promise_durable:
            state.send(me.leader, reply)
        else:
            state.send_after_sync(me.leader, reply)

    def tick(self, me: Follower) -> None:
        state = self.state
        if state.timer - me.heard >= state.options.election_ticks:
            self._break(me, "silence")
        elif me.held_epoch and not self.promises.bind:
            self._on_leader_info(me, me.held_epoch)

    def flush(self, me: Follower) -> None:
        """The end of a turn: one acknowledgement for all that came in it, to leave when it is durable."""
        state, options, channel = self.state, self.state.options, me.channel
        for frame in channel.overdue(state.timer):
            (state.send_after_sync if frame.after_sync else state.send)(me.leader, frame.message)
        if not channel.has_room(options.window_messages, options.window_bytes):
            return
        index = state.log.last
        if me.new_leader_due:
            me.new_leader_due = me.ack_due = False
            self._acknowledge(me, state.rules.acks_new_leader_after_sync(), AckNewLeader, me.epoch, index)
        elif me.ack_due:
            me.ack_due = False
            self._acknowledge(me, state.rules.acks_proposals_after_sync(), Ack, index)
        elif channel.owes >= max(1, options.window_messages // 2):
            self._pong(me, 0)

    def _acknowledge(self, me: Follower, after_sync: bool, make: type, *fields: int) -> None:
        state = self.state
        message = me.channel.frame(state.timer, 0, after_sync, make, *fields)
        (state.send_after_sync if after_sync else state.send)(me.leader, message)

    # Snapshots

    def install(self, me: Follower, snapshot: Snapshot) -> bool:
        """The leader's snapshot is durable here. Whether it replaced the state: it may have come late."""
        state, log = self.state, self.state.log
        if me.phase == DISCOVERY and not me.epoch:
            return False  # of an earlier link: the leader will be told a history that it is not in
        if snapshot.index <= state.commit:
            return False
        if log.term_at(snapshot.index) == snapshot.term:
            state.commit = snapshot.index
            return False
        if log.written > snapshot.index:
            state.out.truncate = snapshot.index if state.out.truncate is None else min(state.out.truncate, snapshot.index)
        log.reset(snapshot.index, snapshot.term)
        self.blobs.clear()
        self.orphans.pass_over(snapshot.index)
        state.configurations = [snapshot.configuration]
        state.snapshot = state.out.snapshot = snapshot
        state.commit = me.snapped = snapshot.index
        state.note("snapshot_installed", index=snapshot.index)
        return True

    def settle_orphans(self) -> None:
        """Own proposals whose place another entry took for good are superseded: definitely without effect."""
        state = self.state
        for origin in self.orphans.settle(state.commit, state.log.term_at):
            state.refuse(origin, Reason.SUPERSEDED, state.leader)


def opened_by(link: int) -> int:
    """The incarnation of the node that opened this link."""
    return link >> COUNTER_BITS
