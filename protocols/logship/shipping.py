"""A primary's work: ship the log to its replicas, and hear what became of it.

Rule kept here: everything that a primary says leaves after its own disk has it, heartbeats too, so that one cannot overtake the entries
before it. Ships are pipelined in a window per replica; a batch is packed once, for the log and for all replicas that are where it starts;
lost ones show in the answers to heartbeats.
"""

from quorate.protocols.core import Entry, Message, NodeId, Reason, Token, Transfer
from quorate.protocols.log import HEADER_SIZE, pack
from quorate.protocols.logship.messages import Heartbeat, HeartbeatReply, Mismatch, Ship, Shipped, StartOver
from quorate.protocols.logship.roles import Primary
from quorate.protocols.logship.state import State
from quorate.protocols.progress import PROBE, REPLICATE, SNAPSHOT, CatchUp, Peer


class Shipping:
    """How a primary brings its replicas' logs up to its own."""

    def __init__(self, state: State) -> None:
        self.state = state

    # Peers

    def meet_peers(self, me: Primary) -> None:
        """Know every other member of the configuration in force."""
        state = self.state
        last, timer = state.log.last, state.timer
        for name in state.configuration.names:
            if name != state.node and name not in me.peers:
                me.peers[name] = Peer(next=last + 1, heard=timer, catch_up=CatchUp(last, timer))

    def on_changed(self, me: Primary) -> None:
        self.meet_peers(me)
        me.counting_due = True

    def forget(self, me: Primary, name: NodeId) -> None:
        """Another disk stands under this name."""
        me.peers.pop(name, None)

    def lacks(self, me: Primary, name: NodeId) -> str:
        """Why it has not caught up; empty if it has."""
        state, peer = self.state, me.peers[name]
        if peer.catch_up.done(peer.match, state.log.last, state.timer, state.options.silence_ticks):
            return ""
        return f"{name} holds {peer.match} of {state.log.last} entries"

    def forget_removed(self, me: Primary) -> None:
        """A removed member hears of its removal with the commit index, and no more after that."""
        state, members = self.state, self.state.configuration.names
        for name, peer in list(me.peers.items()):
            if name not in members:
                self._say(name, Heartbeat(state.generation, min(peer.match, state.commit), me.round))
                del me.peers[name]

    # Proposals

    def propose(self, me: Primary, data: bytes, token: Token) -> None:
        state = self.state
        size = len(data) + HEADER_SIZE
        options = state.options
        if len(data) > options.entry_bytes_max:
            state.refuse(token, Reason.TOO_LARGE, state.node, f"{len(data)} bytes; at most {options.entry_bytes_max}")
        elif me.uncommitted_bytes + size > options.uncommitted_bytes_max:
            state.refuse(token, Reason.OVERLOADED, state.node)
        else:
            me.uncommitted_bytes += size
            me.batch_bytes += size
            state.log.add(state.generation, token, 0, data)

    # Answers

    def on_shipped(self, me: Primary, sender: NodeId, message: Shipped) -> None:
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
            peer.catch_up.advance(message.match, state.log.last, state.timer, state.options.silence_ticks)
        if peer.state == PROBE or (peer.state == SNAPSHOT and peer.match >= peer.snapshot_index):
            peer.become_replicate()

    def _heard(self, me: Primary, peer: Peer, round_: int) -> None:
        peer.heard = self.state.timer
        peer.acked_round = max(peer.acked_round, min(round_, me.round))

    def on_mismatch(self, me: Primary, sender: NodeId, message: Mismatch) -> None:
        """Look for the place where the logs meet: at the end of the conflicting generation here, or else at its start there."""
        peer = me.peers.get(sender)
        if peer is None:
            return
        self._heard(me, peer, message.round)
        previous = message.previous_index
        late = previous != peer.next - 1 if peer.state == PROBE else previous >= peer.next
        if late or peer.state == SNAPSHOT:
            return
        if message.index > previous:
            self._on_base_told(peer, sender, message)
            return
        if previous <= peer.match:
            if message.term or message.index > 1:
                return  # one that denies what it acknowledged speaks from the past: only a heartbeat's answer probes it again
            # But an empty log is that of a replica that has begun anew, and holds nothing of it any more.
            peer.match = 0
        meeting = message.index
        if message.term:
            last = self.state.log.last_of_term(message.term, previous - 1)
            if last is not None:
                meeting = last + 1
        peer.become_probe(max(peer.match + 1, min(meeting, previous)))

    def _on_base_told(self, peer: Peer, sender: NodeId, message: Mismatch) -> None:
        """Its log begins above the place that it was asked about: ask where it begins. If ours does not reach up to there, what it holds
        is not ours, and never will be: what we append from now on is of our own generation."""
        state = self.state
        base = message.index - 1
        if base <= state.log.last:
            peer.become_probe(max(peer.match + 1, message.index))
        elif message.term < state.generation:
            self._say(sender, StartOver(state.generation, base, message.term))

    def on_heartbeat_reply(self, me: Primary, sender: NodeId, message: HeartbeatReply) -> None:
        peer = me.peers.get(sender)
        if peer is None:
            return
        self._heard(me, peer, message.round)
        if peer.shows_gap(message.round, message.last):
            self.state.note("ship_lost", peer=sender, last=message.last, next=peer.next)
            peer.become_probe(max(peer.match + 1, min(message.last + 1, peer.next)))
        arrived = peer.lost_ack(message.round)
        if arrived is not None:
            if arrived >= self.state.log.base:
                # An empty message there asks again for the acknowledgement.
                self._say(sender, self._ship(me, arrived, arrived, b""))
            else:
                peer.become_probe(peer.match + 1)

    def on_unreachable(self, me: Primary, peer_name: NodeId) -> None:
        """What was on the way is probably lost: ask anew where the logs meet."""
        peer = me.peers.get(peer_name)
        if peer is not None and peer.state == REPLICATE:
            peer.become_probe(peer.match + 1)

    def on_transferred(self, me: Primary, to: NodeId, index: int, *, ok: bool) -> None:
        peer = me.peers.get(to)
        if peer is None or peer.state != SNAPSHOT or peer.snapshot_index != index:
            return
        self.state.note("snapshot_transferred", to=to, index=index, ok=ok)
        peer.become_probe(max(peer.match, index if ok else 0) + 1)
        peer.retry_at = self.state.timer + (0 if ok else self.state.options.transfer_retry_ticks)

    # Sending

    def _say(self, to: NodeId, message: Message) -> None:
        if self.state.rules.ships_after_sync():
            self.state.send_after_sync(to, message)
        else:
            self.state.send(to, message)

    def beat(self, me: Primary) -> None:
        """A heartbeat to everyone, where one is due: it carries the commit index, and its answers reveal gaps."""
        state = self.state
        if state.now < me.heartbeat_at:
            return
        me.heartbeat_at = state.now + state.options.heartbeat_ticks
        me.round += 1
        for name, peer in me.peers.items():
            self._say(name, Heartbeat(state.generation, min(peer.match, state.commit), me.round))
            peer.mark(me.round)

    def replicate(self, me: Primary, batch: list[Entry], packed: bytes) -> None:
        """Send every replica what it lacks, as far as its window allows. `batch` is what the log is about to be given."""
        state, log = self.state, self.state.log
        shared: dict[int, tuple[Ship, int]] = {}
        """By first index: the message that starts there, and where it ends. Most replicas are at the same place."""
        if batch and len(packed) <= state.options.append_bytes_max:
            shared[batch[0].index] = self._ship(me, batch[0].index - 1, log.last, packed), log.last
        for name, peer in me.peers.items():
            if peer.state == SNAPSHOT and state.timer >= peer.retry_at:
                self.on_transferred(me, name, peer.snapshot_index, ok=False)
            if peer.next <= log.last or peer.state != REPLICATE:
                self._feed(me, name, peer, shared)

    def _feed(self, me: Primary, name: NodeId, peer: Peer, shared: dict[int, tuple[Ship, int]]) -> None:
        """Ship from peer.next on, or start a snapshot where the log no longer reaches down to it."""
        options, log = self.state.options, self.state.log
        while peer.has_room(options.window_messages, options.window_bytes):
            first = peer.next
            found = shared.get(first)
            if found is None:
                if log.term_at(first - 1) is None:
                    self._start_transfer(name, peer)
                    return
                entries = log.slice_bytes(first, options.append_bytes_max) if first <= log.last else []
                end = first - 1 + len(entries)
                found = shared[first] = self._ship(me, first - 1, end, pack(entries)), end
            message, end = found
            self._say(name, message)
            peer.sent(end, len(message.entries), me.round)
            if peer.state != REPLICATE or peer.next > log.last:
                return

    def _ship(self, me: Primary, previous: int, end: int, packed: bytes) -> Ship:
        """What follows `previous`, up to `end`. It leaves when it is durable here: where nobody is waited for, that is when it commits."""
        state = self.state
        previous_term = state.log.term_at(previous)
        assert previous_term is not None, (state, previous)
        commit = state.commit if me.semisync else max(state.commit, end)
        return Ship(state.generation, previous, previous_term, commit, me.round, packed)

    def _start_transfer(self, name: NodeId, peer: Peer) -> None:
        """The replica lacks entries that are gone: it needs the snapshot that replaced them, if it is there to take it."""
        state = self.state
        snapshot = state.snapshot
        assert snapshot is not None and snapshot.index >= state.log.base, state
        if peer.state == REPLICATE:
            peer.become_probe(peer.match + 1)
        if state.timer < peer.retry_at or state.timer - peer.heard >= state.options.silence_ticks:
            return
        peer.become_snapshot(snapshot.index, state.timer + state.options.transfer_ticks_max)
        state.out.transfers.append(Transfer(name, snapshot))
        state.note("snapshot_transfer", to=name, index=snapshot.index)
