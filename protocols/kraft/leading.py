"""A leader's work: tell everybody to fetch, park fetches and answer them, transfer snapshots, resign. KIP-595, KIP-630.
What it counts is the office's (protocols/terms).

A fetch is parked until there are records, the high watermark moved, or a round began, which it does every heartbeat_ticks and
for reads. Answers carry the round, and the fetches that follow them bring it back: that proves, for reads and the lease, that a
quorum still took this node for its leader after the round began. The arrival of a fetch alone would not: it may have been long
under way.
"""

from quorate.protocols.core import Entry, NodeId, Transfer
from quorate.protocols.kraft.messages import BeginQuorumEpoch, Diverging, EndQuorumEpoch, Fetch, Fetched, FetchSnapshot, SnapshotId
from quorate.protocols.kraft.roles import Fetcher, KRaftLeader, KRaftOffice, KRaftState
from quorate.protocols.log import pack


class Leading:
    """How a leader serves its followers."""

    def __init__(self, state: KRaftState, office: KRaftOffice) -> None:
        self.state = state
        self.office = office

    # Fetches

    def on_fetch(self, me: KRaftLeader, sender: NodeId, message: Fetch) -> None:
        """Count what it acknowledges, and park it: the end of the turn answers."""
        peer, state = me.peers.get(sender), self.state
        if peer is None:
            self._tell_stranger(me, sender, message)
            return
        self.office.heard(me, peer, message.round)
        peer.begun = True
        meets = state.rules.meets(state.log, message.offset, message.last_epoch)
        match = min(message.durable, message.offset)
        if state.rules.counts_offset(meets=meets) and match > peer.match:
            peer.match = match
            me.counting_due = True
            peer.catch_up.advance(match, state.log.last, state.timer, state.options.election_ticks)
        if message.id > peer.id or (message.id == peer.id and peer.parked is not None):
            peer.id, peer.parked = message.id, message

    def replicate(self, me: KRaftLeader, batch: list[Entry], packed: bytes) -> None:
        """Answer every parked fetch for which there is news. `batch` is what the log is about to be given, `packed` its bytes."""
        state = self.state
        shared: dict[tuple[int, int], bytes] = {}
        """Records by where they start and how many bytes are wanted: most followers are at the same place."""
        full = state.options.fetch_bytes_max
        if batch and len(packed) <= full:
            shared[batch[0].index, full] = packed
        tells = state.now >= me.commit_told_at + state.options.commit_ticks
        for name, peer in me.peers.items():
            fetch = peer.parked
            if fetch is None:
                continue
            if state.rules.meets(state.log, fetch.offset, fetch.last_epoch):
                done = self._send_records(me, name, fetch, shared, tells=tells)
            else:
                done = self._send_back(me, name, peer, fetch)
            if done:
                peer.parked = None

    def _send_records(self, me: KRaftLeader, name: NodeId, fetch: Fetch, shared: dict[tuple[int, int], bytes], *, tells: bool) -> bool:
        """Whether there was anything to say."""
        state, log = self.state, self.state.log
        records = b""
        if fetch.offset < log.last and fetch.room > 0:
            first = fetch.offset + 1
            wanted = min(state.options.fetch_bytes_max, fetch.room)
            found = shared.get((first, wanted))
            if found is None:
                found = shared[first, wanted] = pack(log.slice_bytes(first, wanted))
            records = found
        elif me.round <= fetch.round:
            if not tells or min(state.commit, fetch.offset) <= fetch.high_watermark:
                return False
            me.commit_told_at = state.now
        state.send(name, Fetched(state.term, fetch.id, fetch.offset, fetch.last_epoch, state.commit, me.round, records))
        return True

    def _send_back(self, me: KRaftLeader, name: NodeId, peer: Fetcher, fetch: Fetch) -> bool:
        """The log here does not hold what the follower's ends with: it must truncate, or take a snapshot. Whether it was told."""
        state, log, snapshot = self.state, self.state.log, self.state.snapshot
        end = min(fetch.offset, log.last_at_most(fetch.last_epoch, fetch.offset))
        epoch = log.term_at(end)
        if epoch is not None and epoch <= fetch.last_epoch:
            state.send(name, Diverging(state.term, fetch.id, fetch.offset, fetch.last_epoch, epoch, end, me.round))
            return True
        assert snapshot is not None and snapshot.index >= log.base, state
        if peer.snapshot_told == snapshot.index and me.round <= fetch.round:
            return False
        peer.snapshot_told = snapshot.index
        state.send(name, SnapshotId(state.term, fetch.id, snapshot.id, snapshot.index, me.round))
        return True

    # Snapshots

    def on_fetch_snapshot(self, me: KRaftLeader, sender: NodeId, message: FetchSnapshot) -> None:
        """It asks with every round until it has it; one transfer at a time."""
        peer, state, snapshot = me.peers.get(sender), self.state, self.state.snapshot
        if peer is None or snapshot is None or state.timer < peer.retry_at:
            return
        peer.snapshot_index = snapshot.index
        peer.retry_at = state.timer + state.options.transfer_ticks_max
        state.out.transfers.append(Transfer(sender, snapshot))
        state.note("snapshot_transfer", to=sender, index=snapshot.index, asked=message.snapshot)

    def on_transferred(self, me: KRaftLeader, to: NodeId, index: int, *, ok: bool) -> None:
        peer = me.peers.get(to)
        if peer is None or peer.snapshot_index != index:
            return
        self.state.note("snapshot_transferred", to=to, index=index, ok=ok)
        peer.snapshot_index = 0
        peer.retry_at = self.state.timer + (0 if ok else self.state.options.transfer_retry_ticks)

    # Rounds

    def start_round(self, me: KRaftLeader, round_: int) -> None:
        """Whatever is parked will be answered with the round at the end of this turn; who does not fetch is told to, again."""
        state = self.state
        self.office.open_round(me, round_)
        for name, peer in me.peers.items():
            if peer.parked is None and state.timer - peer.heard >= 2 * state.options.heartbeat_ticks:
                peer.begun = False
            # By a clock of its own: where reads begin a round in every turn, no round is the periodic one.
            if not peer.begun and state.timer >= peer.begin_at:
                peer.begin_at = state.timer + state.options.heartbeat_ticks
                state.send(name, BeginQuorumEpoch(state.term))

    def count_rounds(self, me: KRaftLeader) -> None:
        self.office.count_rounds(me)

    def has_lease(self, me: KRaftLeader) -> bool:
        return self.office.has_lease(me)

    def on_unreachable(self, me: KRaftLeader, name: NodeId) -> None:
        """Its fetch, or the answer, is probably lost."""
        peer = me.peers.get(name)
        if peer is not None:
            peer.begun = False

    # Leaving

    def _tell_stranger(self, me: KRaftLeader, name: NodeId, fetch: Fetch) -> None:
        """A removed member hears how far what it holds is committed, its removal by and by too, and gets nothing else."""
        state = self.state
        if state.rules.meets(state.log, fetch.offset, fetch.last_epoch) and min(state.commit, fetch.offset) > fetch.high_watermark:
            state.send(name, Fetched(state.term, fetch.id, fetch.offset, fetch.last_epoch, state.commit, me.round, b""))

    def dismiss(self, me: KRaftLeader, name: NodeId, peer: Fetcher) -> None:
        """Its removal is committed: from here on it is a stranger."""
        if peer.parked is not None:
            self._tell_stranger(me, name, peer.parked)

    def resign(self, me: KRaftLeader) -> None:
        """Our own removal is committed: tell that, then go."""
        self.replicate(me, [], b"")
        self.end_epoch(me)

    def end_epoch(self, me: KRaftLeader) -> None:
        """Let the voters elect another without waiting for a timeout, who holds the most first (KIP-595, EndQuorumEpoch). The
        election that this starts is delayed by no promise to our lease: so there is none any more."""
        state = self.state
        if state.rules.drops_lease_before_hand_over():
            me.lease_forfeited = True
        others = state.configuration.voters - {state.node}
        preferred = tuple(sorted(others, key=lambda name: (-me.peers[name].match, name)))
        for name in preferred:
            state.send(name, EndQuorumEpoch(state.term, preferred))
