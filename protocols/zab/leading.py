"""A leader's work towards its followers: align each one's history, propose, count, commit; pings, the lease, who is still there.

Proposals are pipelined on each follower's channel, in a window of frames and bytes, and leave before our own log is durable. A batch is
packed once: the same bytes go to the log and to every follower that is where the batch starts.
"""

from quorate.protocols.core import Entry, NodeId, Transfer
from quorate.protocols.fifo import Channel
from quorate.protocols.log import pack
from quorate.protocols.progress import CatchUp
from quorate.protocols.quorum import reached
from quorate.protocols.zab.election import Elections
from quorate.protocols.zab.following import Following
from quorate.protocols.zab.messages import (
    Closed,
    Commit,
    Diff,
    FollowerInfo,
    Inform,
    NewLeader,
    Ping,
    Pong,
    Proposal,
    Snap,
    Trunc,
    UpToDate,
)
from quorate.protocols.zab.roles import BROADCAST, DISCOVERY, Leader, Peer
from quorate.protocols.zab.state import State


class Leading:
    """How a leader brings its followers to its own history."""

    def __init__(self, state: State, elections: Elections, following: Following) -> None:
        self.state = state
        self.elections = elections
        self.following = following

    # Members

    def meet_peers(self, me: Leader) -> None:
        """Know every member of the configuration in force. A removed one is kept until its removal is committed."""
        state = self.state
        for name in state.configuration.names:
            if name != state.node and name not in me.peers:
                me.peers[name] = Peer(CatchUp(state.log.last, state.timer))

    def on_changed(self, me: Leader) -> None:
        """Another configuration is in force."""
        self.meet_peers(me)
        me.counting_due = True
        # Quorums of the old configuration answered for the lease; the new one must do so anew.
        me.lease_from = None

    def forget(self, me: Leader, name: NodeId) -> None:
        """Another disk stands under this name."""
        me.peers.pop(name, None)
        self.state.last_links.pop(name, None)

    def lacks(self, me: Leader, name: NodeId) -> str:
        """Why the learner has not caught up; empty if it has."""
        state, peer = self.state, me.peers[name]
        if peer.channel is not None and peer.catch_up.done(peer.match, state.log.last, state.timer, state.options.election_ticks):
            return ""
        return f"{name} holds {peer.match} of {state.log.last} entries"

    def connect(self, peer: Peer, message: FollowerInfo) -> None:
        """A new link: what the peer acknowledged in this epoch stays true, all else begins anew."""
        peer.channel = self.following.new_channel(message.link)
        peer.channel.accept(message.sequence, message)
        peer.heard = self.state.timer
        peer.accepted = message.accepted
        peer.info = None
        if peer.snapshot_index:
            peer.retry_at = 0  # what was being streamed was asked for by the link before
        peer.next = peer.snapshot_index = peer.commit_sent = 0
        peer.told_new_leader = peer.told_up_to_date = False

    def frame(self, to: NodeId, channel: Channel, size: int, make: type, *fields: int | bytes | str) -> None:
        state = self.state
        state.send(to, channel.frame(state.timer, size, False, make, *fields))

    # Answers

    def heard(self, peer: Peer, received: int) -> None:
        assert peer.channel is not None, peer
        peer.heard = self.state.timer
        peer.channel.confirm(received, self.state.timer)

    def on_durable(self, me: Leader, peer: Peer, index: int) -> None:
        """The follower's log equals ours up to `index`, durably."""
        state = self.state
        if index > state.log.last:
            state.note("ack_beyond_log", match=index, last=state.log.last)
        elif index > peer.match:
            peer.match = index
            me.counting_due = True
            peer.catch_up.advance(index, state.log.last, state.timer, state.options.election_ticks)

    def on_pong(self, me: Leader, peer: Peer, message: Pong) -> None:
        if message.round > peer.acked_round:
            peer.acked_round = min(message.round, me.round)
            me.round_counting_due = True
        if peer.told_new_leader:
            self.on_durable(me, peer, message.durable)

    def on_transferred(self, me: Leader, to: NodeId, index: int, *, ok: bool) -> None:
        state, peer = self.state, me.peers.get(to)
        if peer is None or peer.channel is None or peer.snapshot_index != index:
            return
        state.note("snapshot_transferred", to=to, index=index, ok=ok)
        peer.snapshot_index = 0
        peer.retry_at = state.timer + (0 if ok else state.options.transfer_retry_ticks)
        term = state.log.term_at(index)
        if ok and term is not None:
            self.frame(to, peer.channel, 0, Snap, term, index)
            peer.next = index + 1

    # Counting

    def count_commits(self, me: Leader) -> None:
        """Commit what a quorum of voters holds durably under our epoch, in order."""
        if not me.counting_due or me.phase != BROADCAST:
            return
        me.counting_due = False
        state = self.state
        voters = state.configuration.voters
        if not voters:
            return
        own = state.rules.own_match(state.log)
        index = reached([own if name == state.node else self._match(me.peers[name]) for name in voters])
        if index > state.commit:
            state.commit = index
            while me.batches and me.batches[0][0] <= index:
                me.uncommitted_bytes -= me.batches.popleft()[1]

    def _match(self, peer: Peer) -> int:
        return peer.match if peer.acked_new_leader else 0

    def count_rounds(self, me: Leader) -> None:
        """Which round of pings a quorum has answered; the lease counts from when that one was sent."""
        me.round_counting_due = False
        state = self.state
        voters = state.configuration.voters
        if not voters:
            return
        round_ = reached([me.round if name == state.node else me.peers[name].acked_round for name in voters])
        if round_ <= me.confirmed_round:
            return
        me.confirmed_round = round_
        sent = me.rounds_sent
        while sent and sent[0][0] <= round_:
            me.lease_from = state.rules.lease_start(sent.popleft()[1], state.now)

    def has_lease(self, me: Leader) -> bool:
        """Whether no other leader can have been established yet, while clocks keep their bound."""
        state = self.state
        if me.lease_forfeited or not state.rules.may_read(state.commit, me.first_index):
            return False
        if state.configuration.voters == {state.node}:
            return True
        return me.lease_from is not None and state.rules.lease_holds(state.now, me.lease_from, state.options.lease_ticks)

    def has_lost_quorum(self, me: Leader) -> bool:
        """Before an epoch is owned: too long without it. After that: no quorum of followers was heard for an election timeout."""
        state, options = self.state, self.state.options
        if me.phase == DISCOVERY:
            return state.timer - me.since >= options.discovery_ticks
        voters = state.configuration.voters
        if not voters:
            return False
        heards = [state.timer if name == state.node else me.peers[name].heard for name in voters]
        heard = reached([me.since if at is None else at for at in heards])
        return state.rules.leaves_without_quorum(state.timer - heard, options.election_ticks)

    # Sending

    def start_round(self, me: Leader, round_: int) -> None:
        """Ping everyone who follows: it renews leadership and lease, and confirms reads. Invite those who do not."""
        state, options = self.state, self.state.options
        if round_ > me.round:
            me.round = round_
            me.rounds_sent.append((round_, state.now))
        me.heartbeat_at = state.now + options.heartbeat_ticks
        me.round_counting_due = True
        for name, peer in me.peers.items():
            channel = peer.channel
            if channel is not None and peer.heard is not None and state.timer - peer.heard >= options.election_ticks:
                state.note("follower_silent", peer=name)
                peer.channel = channel = None
            if channel is None:
                self.elections.notify(name)
            else:
                channel.told = channel.received
                state.send(name, Ping(channel.link, channel.received, me.epoch, me.round))

    def replicate(self, me: Leader, batch: list[Entry], packed: bytes) -> None:
        """Send every follower what it lacks, as far as its window allows. `batch` is what the log is about to be given."""
        state = self.state
        shared: dict[tuple[int, int], tuple[bytes, int]] = {}
        """By first index and the highest that may be sent: a blob, and where it ends. Most followers are at the same place."""
        if batch and len(packed) <= state.options.proposal_bytes_max:
            shared[batch[0].index, state.log.last] = packed, state.log.last
        tells = state.now >= me.commit_told_at + state.options.commit_ticks
        voters = state.configuration.voters
        for name, peer in me.peers.items():
            if peer.channel is None:
                continue
            for frame in peer.channel.overdue(state.timer):
                state.send(name, frame.message)
            if me.phase != DISCOVERY:
                self._feed(me, name, peer, shared, votes=name in voters)
                if peer.told_up_to_date and min(state.commit, peer.next - 1) > peer.commit_sent and tells and self._has_room(peer):
                    peer.commit_sent = min(state.commit, peer.next - 1)
                    me.commit_told_at = state.now
                    self.frame(name, peer.channel, 0, Commit, peer.commit_sent)

    def _has_room(self, peer: Peer) -> bool:
        assert peer.channel is not None, peer
        return peer.channel.has_room(self.state.options.window_messages, self.state.options.window_bytes)

    def _feed(self, me: Leader, name: NodeId, peer: Peer, shared: dict[tuple[int, int], tuple[bytes, int]], *, votes: bool) -> None:
        """Alignment, then what it lacks of our history from before this epoch, NEWLEADER, and then what is proposed. Voters are sent all
        that is in our log, observers what is committed."""
        state = self.state
        if peer.snapshot_index and state.timer >= peer.retry_at:
            self.on_transferred(me, name, peer.snapshot_index, ok=False)
        if peer.next == 0 and not peer.snapshot_index:
            self._align(me, name, peer)
        channel = peer.channel
        if peer.next == 0 or peer.snapshot_index or channel is None:
            return
        limit = state.log.last if votes else min(state.commit, state.log.last)
        while self._has_room(peer):
            if not peer.told_new_leader and peer.next >= me.first_index:
                peer.told_new_leader = True
                self.frame(name, channel, 0, NewLeader, me.epoch)
                continue
            high = limit if peer.told_new_leader else min(limit, me.first_index - 1)
            if peer.next > high:
                break
            if state.log.term_at(peer.next - 1) is None:
                self._stream(name, peer)
                return
            found = shared.get((peer.next, high))
            if found is None:
                found = shared[peer.next, high] = self._blob(peer.next, high)
            blob, end = found
            self.frame(name, channel, len(blob), Proposal if votes else Inform, blob)
            peer.next = end + 1
            if not votes:
                peer.commit_sent = end
        if me.phase == BROADCAST and peer.acked_new_leader and peer.told_new_leader and not peer.told_up_to_date and self._has_room(peer):
            peer.told_up_to_date = True
            peer.commit_sent = min(state.commit, peer.next - 1)
            self.frame(name, channel, 0, UpToDate, peer.commit_sent)

    def _blob(self, first: int, high: int) -> tuple[bytes, int]:
        entries = self.state.log.slice_bytes(first, self.state.options.proposal_bytes_max)[: high - first + 1]
        return pack(entries), first - 1 + len(entries)

    def _align(self, me: Leader, name: NodeId, peer: Peer) -> None:
        """Synchronization, by what the follower said of its history: nothing to drop, something to drop, or a snapshot."""
        info, log = peer.info, self.state.log
        if info is None or peer.channel is None:
            return
        term, index = info.last_term, info.last_index
        if log.term_at(index) == term:
            self.frame(name, peer.channel, 0, Diff, term, index)
            peer.next = index + 1
        elif (term, index) < (log.base_term, log.base):
            self._stream(name, peer)
        else:
            meeting = log.last_at_most(term, index)
            term_there = log.term_at(meeting)
            assert term_there is not None, (self.state, meeting)
            self.frame(name, peer.channel, 0, Trunc, term_there, meeting)
            peer.next = meeting + 1

    def _stream(self, name: NodeId, peer: Peer) -> None:
        """The follower lacks entries that are gone: it needs the snapshot that replaced them."""
        state = self.state
        snapshot = state.snapshot
        assert snapshot is not None and snapshot.index >= state.log.base, state
        if state.timer < peer.retry_at:
            return
        peer.snapshot_index = snapshot.index
        peer.retry_at = state.timer + state.options.transfer_ticks_max
        state.out.transfers.append(Transfer(name, snapshot))
        state.note("snapshot_transfer", to=name, index=snapshot.index)

    def close_links(self, me: Leader) -> None:
        """We lead no more: let everyone look for another at once."""
        for name, peer in me.peers.items():
            if peer.channel is not None:
                self.state.send(name, Closed(peer.channel.link))
