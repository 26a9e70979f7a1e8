"""A leader's work toward the others: send them what they lack, count rounds of heartbeats, lease and quorum.

Accepts are pipelined per follower and leave before our own votes are durable. A batch is packed once: the same bytes go to the log and
to every follower. Lost accepts show in the answers to heartbeats; what a learner misses below is sent from the log, or as a snapshot.
"""

from quorate.protocols.core import Entry, NodeId, Transfer, proposed_again
from quorate.protocols.log import pack, packed_size
from quorate.protocols.multipaxos.messages import Accept, Accepted, Chosen, Heartbeat, HeartbeatReply
from quorate.protocols.multipaxos.proposing import Proposals
from quorate.protocols.multipaxos.roles import Leader
from quorate.protocols.multipaxos.state import State
from quorate.protocols.progress import PROBE, REPLICATE, SNAPSHOT, CatchUp, Peer
from quorate.protocols.quorum import reached


class Leading:
    """What a leader knows of its peers."""

    def __init__(self, state: State, proposals: Proposals) -> None:
        self.state = state
        self.proposals = proposals

    def meet_peers(self, me: Leader) -> None:
        """Know every member of any configuration that governs or will. A removed one is kept until it governs nothing."""
        state = self.state
        me.met_at = state.configuration.index
        bits = {member.name: 1 << member.number for configuration in state.configurations for member in configuration.members}
        for name, bit in bits.items():
            if me.bits.get(name, bit) != bit:
                self.forget(me, name)  # it was removed, and came back as another acceptor before it was forgotten
        me.bits |= bits
        for configuration in state.configurations:
            for member in configuration.members:
                if member.name != state.node and member.name not in me.peers:
                    last = me.opened
                    me.peers[member.name] = Peer(next=state.commit + 1, heard=state.timer, catch_up=CatchUp(last, state.timer))

    def on_changed(self, me: Leader) -> None:
        """Another configuration was proposed: it has members to send to, though it does not govern yet."""
        self.meet_peers(me)

    def forget(self, me: Leader, name: NodeId) -> None:
        """Another disk stands under this name."""
        me.peers.pop(name, None)
        me.known.pop(name, None)
        me.phase.complete.pop(name, None)
        me.phase.expected.pop(name, None)

    def lacks(self, me: Leader, name: NodeId) -> str:
        """Why the learner has not caught up; empty if it has."""
        state, peer = self.state, me.peers[name]
        if peer.catch_up.done(peer.match, me.opened, state.timer, state.options.election_ticks):
            return ""
        return f"{name} holds {peer.match} of {me.opened} slots"

    def follow_governing(self, me: Leader) -> None:
        """Once a turn: when another configuration begins to govern, its own quorum must answer for the lease anew. And reads wait
        while the next slot is one that we have not prepared."""
        state = self.state
        if state.configuration.index > me.met_at:
            self.meet_peers(me)
        present = state.present
        if present.index != me.governs_from:
            me.governs_from = present.index
            me.lease_from = None
            me.round_counting_due = True
        me.first_index = me.phase.end if self.proposals.is_prepared(me, present) else state.commit + 1

    # Answers

    def on_accepted(self, me: Leader, sender: NodeId, message: Accepted) -> None:
        peer = me.peers.get(sender)
        if peer is None:
            return
        state = self.state
        self._heard(me, peer, message.round)
        upto = min(message.upto, me.opened)
        if peer.acked(upto):
            peer.catch_up.advance(upto, me.opened, state.timer, state.options.election_ticks)
        for first, last in message.beyond:
            self.proposals.count_beyond(me, sender, first, last)
        if peer.state == PROBE or (peer.state == SNAPSHOT and peer.match >= peer.snapshot_index):
            peer.become_replicate()

    def on_heartbeat_reply(self, me: Leader, sender: NodeId, message: HeartbeatReply) -> None:
        peer = me.peers.get(sender)
        if peer is None:
            return
        self._heard(me, peer, message.round)
        me.known[sender] = max(me.known.get(sender, 0), message.known)
        if peer.shows_gap(message.round, message.last):
            self.state.note("accept_lost", peer=sender, last=message.last, next=peer.next)
            peer.become_probe(max(peer.match + 1, min(message.last + 1, peer.next)))
        if peer.lost_ack(message.round) is not None:
            # An empty accept asks again for the acknowledgement.
            self.state.send(sender, Accept(self.state.ballot, self.state.commit, me.round, b""))

    def _heard(self, me: Leader, peer: Peer, round_: int) -> None:
        peer.heard = self.state.timer
        if round_ > peer.acked_round:
            peer.acked_round = min(round_, me.round)
            me.round_counting_due = True

    def on_unreachable(self, me: Leader, peer_name: NodeId) -> None:
        """What was on the way is probably lost: go on from what is acknowledged."""
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

    # Rounds

    def count_rounds(self, me: Leader) -> None:
        """Which heartbeat round a quorum has answered; the lease counts from when that one was sent."""
        me.round_counting_due = False
        state = self.state
        voters = state.present.voters
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
        """Whether no other ballot can have been promised yet by a quorum that decides the next slot, while clocks keep their bound."""
        state = self.state
        if me.lease_forfeited or state.present.index != me.governs_from or not state.rules.may_read(state.commit, me.first_index):
            return False
        if state.present.voters == {state.node}:
            return True
        return me.lease_from is not None and state.rules.lease_holds(state.now, me.lease_from, state.options.lease_ticks)

    def has_lost_quorum(self, me: Leader) -> bool:
        """No quorum answered within an election timeout."""
        state = self.state
        timer, peers, node = state.timer, me.peers, state.node
        heard = reached([timer if name == node else peers[name].heard for name in state.present.voters])
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
        self.proposals.extend(me, again=True)
        latest = state.configuration
        for name, peer in me.peers.items():
            known = min(peer.match, state.commit)
            member = latest.get(name)
            state.send(name, Heartbeat(state.ballot, known, me.round, 0 if member is None else member.number))
            peer.mark(me.round)
            peer.commit_sent = max(peer.commit_sent, known)

    def replicate(self, me: Leader, batch: list[Entry], packed: bytes) -> None:
        """Send every follower what it lacks, as far as its window allows; tell those who lack nothing what is chosen.

        `batch` is what the log is about to be given, `packed` its bytes.
        """
        state = self.state
        commit = state.commit
        shared: dict[int, tuple[Accept, int]] = {}
        """By first slot: the accept that starts there, and where it ends. Most followers are at the same place."""
        if batch and batch[-1].index == me.opened and len(packed) <= state.options.accept_bytes_max:
            shared[batch[0].index] = Accept(state.ballot, commit, me.round, packed), me.opened
        tells = state.now >= me.chosen_told_at + state.options.commit_ticks
        for name, peer in me.peers.items():
            if peer.state == SNAPSHOT and state.timer >= peer.retry_at:
                self.on_transferred(me, name, peer.snapshot_index, ok=False)
            if peer.next <= me.opened or peer.state != REPLICATE:
                self._feed(me, name, peer, shared)
            known = min(peer.match, commit)
            if known > peer.commit_sent and tells:
                peer.commit_sent = known
                me.chosen_told_at = state.now
                state.send(name, Chosen(state.ballot, known))

    def _feed(self, me: Leader, name: NodeId, peer: Peer, shared: dict[int, tuple[Accept, int]]) -> None:
        """Send accepts from peer.next on, or start a snapshot where the log no longer reaches down to it."""
        state, options = self.state, self.state.options
        while peer.has_room(options.window_messages, options.window_bytes):
            found = shared.get(peer.next)
            if found is None:
                if peer.next <= state.log.base:
                    self._start_transfer(name, peer)
                    return
                found = shared[peer.next] = self._accept_from(me, peer.next)
            message, end = found
            state.send(name, message)
            peer.sent(end, len(message.values), me.round)
            if state.commit > peer.commit_sent and peer.state == REPLICATE:
                peer.commit_sent = min(state.commit, end)
            if peer.state != REPLICATE or peer.next > me.opened:
                return

    def _accept_from(self, me: Leader, first: int) -> tuple[Accept, int]:
        """The accept that starts at that slot (empty at the end), and where it ends. What was chosen in earlier ballots is proposed in
        ours as well: it is the only value that it could be."""
        state = self.state
        values: list[Entry] = []
        size, slot = 0, first
        while slot <= me.opened:
            entry = state.log.get(slot)
            assert entry is not None, (state, slot)
            size += packed_size(entry)
            if values and size > state.options.accept_bytes_max:
                break
            values.append(proposed_again(entry, state.ballot))
            slot += 1
        return Accept(state.ballot, state.commit, me.round, pack(values)), slot - 1

    def _start_transfer(self, name: NodeId, peer: Peer) -> None:
        """The follower lacks slots that are gone: it needs the snapshot that replaced them, if it is there to take it."""
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
