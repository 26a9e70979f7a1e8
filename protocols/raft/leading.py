"""A leader's work: replicate, count, commit; heartbeat rounds, the lease, check-quorum.

Appends are pipelined per follower (thesis 10.2.1) and leave before our own log is durable. A batch is packed once: the same
bytes go to the log and to every follower that is where the batch starts. Lost appends show in the answers to heartbeats.
"""

from quorate.protocols.core import Entry, NodeId, Transfer
from quorate.protocols.log import pack
from quorate.protocols.progress import PROBE, REPLICATE, SNAPSHOT, CatchUp, Peer
from quorate.protocols.quorum import reached
from quorate.protocols.raft.messages import Append, Appended, Commit, Heartbeat, HeartbeatReply, Rejected
from quorate.protocols.raft.roles import Leader
from quorate.protocols.raft.state import State


class Leading:
    """How a leader brings its followers' logs up to its own."""

    def __init__(self, state: State) -> None:
        self.state = state

    def new_peer(self) -> Peer:
        """A follower of whom nothing is known: its log probably ends where ours does."""
        last, timer = self.state.log.last, self.state.timer
        return Peer(next=last + 1, heard=timer, catch_up=CatchUp(last, timer))

    def meet_peers(self, me: Leader) -> None:
        """Know every member of the configuration in force. A removed one is kept until its removal is committed."""
        for name in self.state.configuration.names:
            if name != self.state.node and name not in me.peers:
                me.peers[name] = self.new_peer()

    def on_changed(self, me: Leader) -> None:
        """Another configuration is in force."""
        self.meet_peers(me)
        me.counting_due = True
        # Majorities of the old configuration answered for the lease; the new one must do so anew.
        me.lease_from = None

    def forget(self, me: Leader, name: NodeId) -> None:
        """Another disk stands under this name."""
        me.peers.pop(name, None)

    def lacks(self, me: Leader, name: NodeId) -> str:
        """Why the learner has not caught up; empty if it has."""
        state, peer = self.state, me.peers[name]
        if peer.catch_up.done(peer.match, state.timer, state.options.election_ticks):
            return ""
        return f"{name} holds {peer.match} of {state.log.last} entries"

    # Answers

    def on_appended(self, me: Leader, sender: NodeId, message: Appended) -> None:
        peer = me.peers.get(sender)
        if peer is None:
            return
        state = self.state
        if message.match > state.log.last:
            state.note("ack_beyond_log", sender=sender, match=message.match, last=state.log.last)
            return
        self._heard(me, peer, message.round)
        if peer.acked(message.match):
            me.counting_due = True
            peer.catch_up.advance(message.match, state.log.last, state.timer, state.options.election_ticks)
        if peer.state == PROBE or (peer.state == SNAPSHOT and peer.match >= peer.snapshot_index):
            peer.become_replicate()

    def on_rejected(self, me: Leader, sender: NodeId, message: Rejected) -> None:
        """Go back to where the logs may meet: to the end of the conflicting term here, or else to its start there."""
        peer = me.peers.get(sender)
        if peer is None:
            return
        self._heard(me, peer, message.round)
        previous = message.previous_index
        late = previous != peer.next - 1 if peer.state == PROBE else previous >= peer.next
        # One that denies what it acknowledged lost its disk, or speaks from the past: only a heartbeat's answer probes it again.
        if late or previous <= peer.match or peer.state == SNAPSHOT:
            return
        meeting = message.conflict_index
        if message.conflict_term:
            last = self.state.log.last_of_term(message.conflict_term, previous - 1)
            if last is not None:
                meeting = last + 1
        peer.become_probe(max(peer.match + 1, min(meeting, previous)))

    def on_heartbeat_reply(self, me: Leader, sender: NodeId, message: HeartbeatReply) -> None:
        peer = me.peers.get(sender)
        if peer is None:
            return
        self._heard(me, peer, message.round)
        if peer.shows_gap(message.round, message.last):
            self.state.note("append_lost", peer=sender, last=message.last, next=peer.next)
            peer.become_probe(max(peer.match + 1, min(message.last + 1, peer.next)))
        arrived = peer.lost_ack(message.round)
        if arrived is not None:
            if arrived >= self.state.log.base:
                # An empty append there asks again for the acknowledgement.
                self.state.send(sender, self._append_at(me, arrived))
            else:
                # Our log no longer reaches down to it: begin anew, with a snapshot if need be, or the window stays full.
                peer.become_probe(peer.match + 1)

    def _heard(self, me: Leader, peer: Peer, round_: int) -> None:
        peer.heard = self.state.timer
        if round_ > peer.acked_round:
            peer.acked_round = min(round_, me.round)
            me.round_counting_due = True

    def on_unreachable(self, me: Leader, peer_name: NodeId) -> None:
        """What was on the way is probably lost: ask anew where the logs meet."""
        peer = me.peers.get(peer_name)
        if peer is not None and peer.state == REPLICATE:
            peer.become_probe(peer.match + 1)

    def on_transferred(self, me: Leader, to: NodeId, index: int, *, ok: bool) -> None:
        peer = me.peers.get(to)
        if peer is None or peer.state != SNAPSHOT or peer.snapshot_index != index:
            return
        self.state.note("snapshot_transferred", to=to, index=index, ok=ok)
        peer.become_probe(max(peer.match, index if ok else 0) + 1)
        peer.retry_at = self.state.timer + (0 if ok else self.state.options.transfer_retry_ticks)

    # Counting

    def count_commits(self, me: Leader) -> None:
        """Commit what a majority of voters holds durably, if it is of our own term."""
        if not me.counting_due:
            return
        me.counting_due = False
        state = self.state
        voters = state.configuration.voters
        if not voters:
            return
        peers, node = me.peers, state.node
        own = state.rules.own_match(state.log)
        index = reached([own if name == node else peers[name].match for name in voters])
        if index > state.commit and state.rules.commits_by_counting(state.log.term_at(index) or 0, state.term):
            state.commit = index
            while me.batches and me.batches[0][0] <= index:
                me.uncommitted_bytes -= me.batches.popleft()[1]

    def count_rounds(self, me: Leader) -> None:
        """Which heartbeat round a quorum has answered; the lease counts from when that one was sent."""
        me.round_counting_due = False
        state = self.state
        voters = state.configuration.voters
        if not voters:
            return
        peers, node = me.peers, state.node
        round_ = reached([me.round if name == node else peers[name].acked_round for name in voters])
        if round_ <= me.confirmed_round:
            return
        me.confirmed_round = round_
        sent = me.rounds_sent
        while sent and sent[0][0] <= round_:
            me.lease_from = state.rules.lease_start(sent.popleft()[1], state.now)

    def has_lease(self, me: Leader) -> bool:
        """Whether no other leader can have been elected yet, while clocks keep their bound."""
        state = self.state
        if me.lease_forfeited or not state.rules.may_read(state.commit, me.first_index):
            return False
        if state.configuration.voters == {state.node}:
            return True
        return me.lease_from is not None and state.rules.lease_holds(state.now, me.lease_from, state.options.lease_ticks)

    def has_lost_quorum(self, me: Leader) -> bool:
        """Check-quorum: no majority answered within an election timeout."""
        state = self.state
        timer, peers, node = state.timer, me.peers, state.node
        voters = state.configuration.voters
        if not voters:
            return False
        heard = reached([timer if name == node else peers[name].heard for name in voters])
        return state.rules.leaves_without_quorum(timer - heard, state.options.election_ticks)

    # Sending

    def start_round(self, me: Leader, round_: int) -> None:
        """Send a heartbeat to everyone: it renews leadership, lease and commit, confirms reads, and reveals gaps."""
        state = self.state
        if round_ > me.round:
            me.round = round_
            me.rounds_sent.append((round_, state.now))
        me.heartbeat_at = state.now + state.options.heartbeat_ticks
        me.round_counting_due = True
        term, commit = state.term, state.commit
        for name, peer in me.peers.items():
            state.send(name, Heartbeat(term, min(peer.match, commit), me.round))
            peer.mark(me.round)
            peer.commit_sent = max(peer.commit_sent, min(peer.match, commit))

    def replicate(self, me: Leader, batch: list[Entry], packed: bytes) -> None:
        """Send every follower what it lacks, as far as its window allows; tell those who lack nothing what is committed.

        `batch` is what the log is about to be given, `packed` its bytes.
        """
        state, log = self.state, self.state.log
        commit, last = state.commit, log.last
        shared: dict[int, tuple[Append, int]] = {}
        """By first index: the append that starts there, and where it ends. Most followers are at the same place."""
        if batch and len(packed) <= state.options.append_bytes_max:
            first = batch[0].index
            previous_term = log.term_at(first - 1)
            assert previous_term is not None, self.state
            shared[first] = Append(state.term, first - 1, previous_term, commit, me.round, packed), last
        tells = state.now >= me.commit_told_at + state.options.commit_ticks
        for name, peer in me.peers.items():
            if peer.state == SNAPSHOT and state.timer >= peer.retry_at:
                self.on_transferred(me, name, peer.snapshot_index, ok=False)
            if peer.next <= last or peer.state != REPLICATE:
                self._feed(me, name, peer, shared)
            known = peer.match if peer.match < commit else commit
            if known > peer.commit_sent and tells:
                # Not for every lone write: reads do not wait for it, the round that confirms them carries the commit index too.
                peer.commit_sent = known
                me.commit_told_at = state.now
                state.send(name, Commit(state.term, known))

    def _feed(self, me: Leader, name: NodeId, peer: Peer, shared: dict[int, tuple[Append, int]]) -> None:
        """Send appends from peer.next on, or start a snapshot where the log no longer reaches down to it."""
        state, options = self.state, self.state.options
        last = state.log.last
        while peer.has_room(options.window_messages, options.window_bytes):
            found = shared.get(peer.next)
            if found is None:
                made = self._append_from(me, peer.next)
                if made is None:
                    self._start_transfer(name, peer)
                    return
                found = shared[peer.next] = made
            message, end = found
            state.send(name, message)
            peer.sent(end, len(message.entries), me.round)
            if state.commit > peer.commit_sent and peer.state == REPLICATE:
                peer.commit_sent = min(state.commit, end)
            if peer.state != REPLICATE or peer.next > last:
                return

    def _append_at(self, me: Leader, previous: int) -> Append:
        """An append without entries."""
        previous_term = self.state.log.term_at(previous)
        assert previous_term is not None, (self.state, previous)
        return Append(self.state.term, previous, previous_term, self.state.commit, me.round, b"")

    def _append_from(self, me: Leader, first: int) -> tuple[Append, int] | None:
        """The append that starts at `first` (empty at the log's end), and where it ends; None if the log was dropped there."""
        state, log = self.state, self.state.log
        previous_term = log.term_at(first - 1)
        if previous_term is None:
            return None
        entries = log.slice_bytes(first, state.options.append_bytes_max) if first <= log.last else []
        return Append(state.term, first - 1, previous_term, state.commit, me.round, pack(entries)), first - 1 + len(entries)

    def _start_transfer(self, name: NodeId, peer: Peer) -> None:
        """The follower lacks entries that are gone: it needs the snapshot that replaced them, if it is there to take it."""
        state = self.state
        snapshot = state.snapshot
        assert snapshot is not None and snapshot.index >= state.log.base, state
        if peer.state == REPLICATE:
            peer.become_probe(peer.match + 1)
        if state.timer < peer.retry_at or state.timer - peer.heard >= state.options.election_ticks:
            return
        peer.become_snapshot(snapshot.index, state.timer + state.options.transfer_ticks_max)
        state.out.transfers.append(Transfer(name, snapshot))
        state.note("snapshot_transfer", to=name, index=snapshot.index)
