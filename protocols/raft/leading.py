"""A leader's work: replicate, and hear what became of it; heartbeat rounds. What it counts is the office's (protocols/terms).

Appends are pipelined per follower (thesis 10.2.1) and leave before our own log is durable. A batch is packed once: the same
bytes go to the log and to every follower that is where the batch starts. Lost appends show in the answers to heartbeats.
"""

from quorate.protocols.core import Entry, NodeId, Transfer
from quorate.protocols.log import pack
from quorate.protocols.progress import PROBE, REPLICATE, SNAPSHOT, Peer
from quorate.protocols.raft.messages import Append, Appended, Commit, Heartbeat, HeartbeatReply, Rejected
from quorate.protocols.raft.roles import RaftHandover, RaftLeader, RaftOffice, RaftState


class Leading:
    """How a leader brings its followers' logs up to its own."""

    def __init__(self, state: RaftState, office: RaftOffice, handover: RaftHandover) -> None:
        self.state = state
        self.office = office
        self.handover = handover

    # Answers

    def on_appended(self, me: RaftLeader, sender: NodeId, message: Appended) -> None:
        peer = me.peers.get(sender)
        if peer is None:
            return
        state = self.state
        if message.match > state.log.last:
            state.note("ack_beyond_log", sender=sender, match=message.match, last=state.log.last)
            return
        self.office.heard(me, peer, message.round)
        if peer.acked(message.match):
            me.counting_due = True
            peer.catch_up.advance(message.match, state.log.last, state.timer, state.options.election_ticks)
        if peer.state == PROBE or (peer.state == SNAPSHOT and peer.match >= peer.snapshot_index):
            peer.become_replicate()

    def on_rejected(self, me: RaftLeader, sender: NodeId, message: Rejected) -> None:
        """Go back to where the logs may meet: to the end of the conflicting term here, or else to its start there."""
        peer = me.peers.get(sender)
        if peer is None:
            return
        self.office.heard(me, peer, message.round)
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

    def on_heartbeat_reply(self, me: RaftLeader, sender: NodeId, message: HeartbeatReply) -> None:
        peer = me.peers.get(sender)
        if peer is None:
            return
        self.office.heard(me, peer, message.round)
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

    def on_unreachable(self, me: RaftLeader, peer_name: NodeId) -> None:
        """What was on the way is probably lost: ask anew where the logs meet."""
        peer = me.peers.get(peer_name)
        if peer is not None and peer.state == REPLICATE:
            peer.become_probe(peer.match + 1)

    def on_transferred(self, me: RaftLeader, to: NodeId, index: int, *, ok: bool) -> None:
        peer = me.peers.get(to)
        if peer is None or peer.state != SNAPSHOT or peer.snapshot_index != index:
            return
        self.state.note("snapshot_transferred", to=to, index=index, ok=ok)
        peer.become_probe(max(peer.match, index if ok else 0) + 1)
        peer.retry_at = self.state.timer + (0 if ok else self.state.options.transfer_retry_ticks)

    # Rounds

    def count_rounds(self, me: RaftLeader) -> None:
        self.office.count_rounds(me)

    def has_lease(self, me: RaftLeader) -> bool:
        return self.office.has_lease(me)

    def start_round(self, me: RaftLeader, round_: int) -> None:
        """Send a heartbeat to everyone: it renews leadership, lease and commit, confirms reads, and reveals gaps."""
        state = self.state
        self.office.open_round(me, round_)
        term, commit = state.term, state.commit
        for name, peer in me.peers.items():
            state.send(name, Heartbeat(term, min(peer.match, commit), me.round))
            peer.mark(me.round)
            peer.commit_sent = max(peer.commit_sent, min(peer.match, commit))

    # Sending

    def replicate(self, me: RaftLeader, batch: list[Entry], packed: bytes) -> None:
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

    def _feed(self, me: RaftLeader, name: NodeId, peer: Peer, shared: dict[int, tuple[Append, int]]) -> None:
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

    def _append_at(self, me: RaftLeader, previous: int) -> Append:
        """An append without entries."""
        previous_term = self.state.log.term_at(previous)
        assert previous_term is not None, (self.state, previous)
        return Append(self.state.term, previous, previous_term, self.state.commit, me.round, b"")

    def _append_from(self, me: RaftLeader, first: int) -> tuple[Append, int] | None:
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

    def is_busy(self, me: RaftLeader) -> bool:
        """Whether ticks alone may let it send something before its next heartbeat: a commit index that waits to be told, a transfer
        that is to begin or to be given up. What a lost answer holds up, heartbeats find."""
        if me.batches:
            return True
        commit = self.state.commit
        for peer in me.peers.values():
            if min(peer.match, commit) > peer.commit_sent:
                return True
            if peer.state != REPLICATE and not (peer.state == PROBE and peer.probing):
                return True
        return False

    # Leaving

    def dismiss(self, me: RaftLeader, name: NodeId, peer: Peer) -> None:
        """A removed member hears of its removal with the commit, and no more after that."""
        self.state.send(name, Commit(self.state.term, min(peer.match, self.state.commit)))

    def resign(self, me: RaftLeader) -> None:
        """Let the best of the voters take over without waiting for a timeout (3.10, 4.2.2)."""
        best = max(sorted(self.state.configuration.voters), key=lambda name: me.peers[name].match)
        if me.peers[best].match == self.state.log.last:
            self.handover.dismiss(me, best)
