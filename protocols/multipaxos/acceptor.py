"""Acceptor and learner: promise, report, vote, and learn what is chosen.

"Paxos Made Simple", 2.2 and 2.3; phase 1 for all slots at once, section 3. Snapshots stand for slots that nobody keeps any more.
"""

from quorate.protocols.core import FAST, Entry, Message, NodeId, Reason, Snapshot, Transfer, born, proposed_again
from quorate.protocols.log import Blobs, pack, packed_size, unpack
from quorate.protocols.multipaxos.messages import Accept, Accepted, Chosen, Heartbeat, HeartbeatReply, Preempted, Prepare, Promise
from quorate.protocols.multipaxos.roles import Follower, Leader
from quorate.protocols.multipaxos.state import State
from quorate.protocols.orphans import Orphans


class Acceptor:
    """What a node does for other nodes' ballots."""

    def __init__(self, state: State) -> None:
        self.state = state
        self.blobs = Blobs()
        """Accepts of this turn as they came: the log need not pack them again."""
        self.orphans = Orphans()
        self.helped: dict[NodeId, int] = {}
        """Who was sent our snapshot, and until which timer tick not to do so again."""

    # Phase 1

    def promise(self, to: NodeId, message: Prepare) -> None:
        """Report every vote from the slot asked about on; in parts, if they are many. It leaves when the promise is durable."""
        state, log = self.state, self.state.log
        votes: list[Entry] = []
        through, size = message.first - 1, 0
        last = log.last if state.rules.reports_votes() else through
        for slot in range(message.first, last + 1):
            entry = log.get(slot)
            if entry is not None:
                size += packed_size(entry)
                if votes and size > state.options.accept_bytes_max:
                    break
                votes.append(entry)
            through = slot
        state.send_after_sync(to, Promise(message.ballot, message.first, through, last, state.commit, pack(votes)))

    def refuse(self, to: NodeId, ballot: int) -> None:
        """Tell the owner of `ballot` which one stands in its way."""
        self.state.send_after_sync(to, Preempted(self.state.ballot, ballot))

    def help(self, to: NodeId) -> None:
        """`to` would lead and lacks slots that nobody here keeps: stream it the snapshot in their place. There may be no leader to do so,
        nor another who may lead: the configuration that governs may be one that only the snapshot names."""
        state, snapshot = self.state, self.state.snapshot
        if snapshot is not None and state.timer >= self.helped.get(to, 0):
            self.helped[to] = state.timer + state.options.transfer_ticks_max
            state.out.transfers.append(Transfer(to, snapshot))
            state.note("snapshot_transfer", to=to, index=snapshot.index)

    def on_transferred(self, to: NodeId, *, ok: bool) -> None:
        if to in self.helped:
            self.helped[to] = self.state.timer + (0 if ok else self.state.options.transfer_retry_ticks)

    # Phase 2

    def on_accept(self, me: Follower, message: Accept) -> None:
        state, log, ballot = self.state, self.state.log, message.ballot
        try:
            values = unpack(message.values)
            for entry in values:
                if entry.term != ballot:
                    raise ValueError(f"slot {entry.index} is of ballot {entry.term}")
        except ValueError as problem:
            state.note("accept_malformed", problem=str(problem))
            return
        votes, commit, slots = 0, state.commit, log.entries
        for entry in values:
            slot = entry.index
            # What is chosen has this value already; a copy adds nothing.
            if slot > commit and ((known := slots.get(slot)) is None or known.term != ballot or known.kind & FAST):
                log.vote(entry)
                votes += 1
        if votes:
            first, last = values[0].index, values[-1].index
            self.blobs.keep(message.values if votes == len(values) == last - first + 1 else b"", first, last)
        self.advance(me)
        if values and values[-1].index > me.upto:
            me.beyond.append((max(values[0].index, me.upto + 1), values[-1].index))
        me.owes = True
        me.round = max(me.round, message.round)
        commit = state.rules.commit_to_believe(message.commit, me.upto)
        if commit > state.commit:
            state.choose(min(commit, log.filled))
            self.advance(me)

    def advance(self, me: Follower) -> None:
        """Up to where nothing is missing in the leader's ballot."""
        slots, ballot = self.state.log.entries, self.state.ballot
        upto = max(me.upto, self.state.commit)
        while (entry := slots.get(upto + 1)) is not None and entry.term == ballot and not entry.kind & FAST:
            upto += 1
        me.upto = upto

    def follow(self, me: Follower) -> None:
        """Another leader's ballot begins here: what is missing counts anew."""
        me.upto = self.state.commit
        self.advance(me)

    def on_heartbeat(self, me: Follower, sender: NodeId, message: Heartbeat) -> None:
        """Answered at once: it acknowledges no votes, so it need not wait behind the disk."""
        state = self.state
        if message.number not in (0, state.number):
            state.number = message.number
            state.unsaved = True
        self.believe(me, message.commit)
        reply = self.heartbeat_reply(me, message)
        if state.promise_durable:
            state.send(sender, reply)
        else:
            state.send_after_sync(sender, reply)

    def heartbeat_reply(self, me: Follower, message: Heartbeat) -> Message:
        return HeartbeatReply(self.state.ballot, message.round, me.upto, self.state.known_durable)

    def on_chosen(self, me: Follower, message: Chosen) -> None:
        self.believe(me, message.index)

    def believe(self, me: Follower, commit: int) -> None:
        """The leader bounded `commit` by what we acknowledged to it durably; the log's end guards against a lost disk."""
        state = self.state
        commit = min(commit, state.log.filled)
        if commit > state.commit:
            state.choose(commit)
            self.advance(me)

    def flush(self, me: Follower) -> None:
        """Put the turn's acknowledgement among the effects: one for all accepts, after their sync."""
        if not me.owes or me.leader is None:
            return
        state = self.state
        beyond = tuple((first, last) for first, last in me.beyond if last > me.upto)
        reply = Accepted(state.ballot, me.upto, beyond, me.round)
        if state.rules.accepted_after_sync():
            state.send_after_sync(me.leader, reply)
        else:
            state.send(me.leader, reply)
        me.owes = False
        me.beyond.clear()

    # Learning

    def learn(self, entry: Entry) -> None:
        """The next slot's value is known to be chosen, so it is what our own ballot would propose there."""
        state, log = self.state, self.state.log
        assert entry.index == state.commit + 1, (state, entry)
        known = log.get(entry.index)
        if known is None or (born(known), known.origin) != (born(entry), entry.origin):
            self.blobs.clear()
            log.vote(proposed_again(entry, state.ballot))
        state.choose(entry.index)

    def install(self, snapshot: Snapshot) -> bool:
        """A peer's snapshot is durable here. Whether it replaced the state: it may have come late."""
        state = self.state
        assert not isinstance(state.role, Leader), state
        replaced = state.rules.may_install(snapshot.index, state.commit)
        if replaced:
            state.log.reset(snapshot.index, snapshot.term)
            self.blobs.clear()
            self.orphans.pass_over(snapshot.index)
            state.configurations = [snapshot.configuration]
            state.snapshot = state.out.snapshot = snapshot
            state.commit = snapshot.index
            state.note("snapshot_installed", index=snapshot.index)
        if isinstance(state.role, Follower):
            self.advance(state.role)
            state.role.owes = state.role.leader is not None
        return replaced

    def settle_orphans(self) -> None:
        """Own proposals in whose slot another value was chosen are superseded: nobody ever proposed them for another slot."""
        state = self.state
        for origin in self.orphans.settle(state.commit, state.log.term_at):
            state.refuse(origin, Reason.SUPERSEDED, state.leader)
