"""A leader's first two phases: find an epoch later than any that a quorum has accepted, and bring a quorum to its own history.

Rules kept here: nobody hears of the epoch before it is durable here; it is owned once a quorum has acknowledged it, none of whom holds
a more recent history; it is established once a quorum has acknowledged NEWLEADER, and nothing is served before.
Whoever finds `Discovery.failed` leaves to the election.
"""

from quorate.protocols.core import NodeId
from quorate.protocols.zab.leading import Leading
from quorate.protocols.zab.messages import AckEpoch, AckNewLeader, Closed, FollowerInfo, LeaderInfo
from quorate.protocols.zab.promises import Promises
from quorate.protocols.zab.roles import BROADCAST, DISCOVERY, SYNC, Leader, Peer
from quorate.protocols.zab.state import State


class Discovery:
    """How an elected node comes to lead."""

    def __init__(self, state: State, leading: Leading, promises: Promises) -> None:
        self.state = state
        self.leading = leading
        self.promises = promises
        self.failed = ""
        """Why this node cannot lead with what it holds."""

    def on_follower_info(self, me: Leader, sender: NodeId, message: FollowerInfo) -> None:
        """A member follows us, on a new link: all that was agreed on an older one is void."""
        state, peer = self.state, me.peers.get(sender)
        if peer is None or message.link <= state.last_links.get(sender, 0):
            return
        if message.incarnation != state.incarnation:
            state.send(sender, Closed(message.link))
            return
        state.last_links[sender] = message.link
        self.leading.connect(peer, message)
        if me.epoch == 0:
            self._choose_epoch(me)
        elif message.accepted > me.epoch:
            # It can follow no epoch but a later one, and a quorum may need it. Only a member comes to this.
            self.failed = f"{sender} has accepted epoch {message.accepted}"
        elif me.told_epoch:
            self._tell_epoch(me, sender, peer)

    def advance(self, me: Leader) -> None:
        """Once a turn: whatever became durable, came, or ran out may let us go on."""
        state, rules = self.state, self.state.rules
        if me.phase == DISCOVERY:
            if me.epoch == 0:
                self._choose_epoch(me)
            if me.epoch and not me.told_epoch and (state.promise_durable or not rules.tells_epoch_after_sync()):
                me.told_epoch = True
                for name, peer in me.peers.items():
                    self._tell_epoch(me, name, peer)
            if me.told_epoch and rules.quorum_of(self._acked(me), state.configuration):
                self._own_epoch(me)
        if me.phase == SYNC:
            acked = {name for name, peer in me.peers.items() if peer.acked_new_leader}
            if state.promise_durable and rules.own_match(state.log) >= me.first_index - 1:
                acked.add(state.node)
            if rules.may_establish(acked, state.configuration):
                self._establish(me)

    def _acked(self, me: Leader) -> set[NodeId]:
        return {name for name, peer in me.peers.items() if peer.acked_epoch} | {self.state.node}

    def _choose_epoch(self, me: Leader) -> None:
        state = self.state
        connected = {name: peer for name, peer in me.peers.items() if peer.channel is not None}
        if self.promises.bind or not state.rules.quorum_of({state.node, *connected}, state.configuration):
            return
        me.epoch = state.rules.next_epoch([state.accepted, *(peer.accepted for peer in connected.values())])
        state.set_accepted(me.epoch, state.node)
        if state.rules.current_at_discovery():
            state.set_current(me.epoch)
        state.note("epoch_proposed")

    def _tell_epoch(self, me: Leader, name: NodeId, peer: Peer) -> None:
        if peer.channel is not None:
            self.leading.frame(name, peer.channel, 0, LeaderInfo, me.epoch)

    def on_ack_epoch(self, me: Leader, sender: NodeId, peer: Peer, message: AckEpoch) -> None:
        """Discovery, step l.1.2: a member of the quorum must not hold more than we do."""
        state, order = self.state, self.state.rules.history_order
        if message.epoch != me.epoch:
            return
        peer.info = message
        if message.counts:
            if me.phase == DISCOVERY and sender in state.configuration.voters:
                theirs = order(message.current, message.last_term, message.last_index)
                if theirs > order(state.current, *state.zxid):
                    self.failed = f"{sender} holds a more recent history"
                    return
            peer.acked_epoch = True

    def _own_epoch(self, me: Leader) -> None:
        """A quorum will follow no earlier leader: our history is the one from now on."""
        state = self.state
        me.phase = SYNC
        me.first_index = state.log.last + 1
        state.set_current(me.epoch)
        state.note("synchronizing", first=me.first_index)

    def on_ack_new_leader(self, me: Leader, peer: Peer, message: AckNewLeader) -> None:
        if message.epoch == me.epoch:
            peer.acked_new_leader = True
            self.leading.on_durable(me, peer, message.index)

    def _establish(self, me: Leader) -> None:
        """A quorum holds all of our history durably, under our epoch: it is committed, whatever epochs it is from."""
        state = self.state
        me.phase = BROADCAST
        me.heartbeat_at = state.now
        state.commit = max(state.commit, me.first_index - 1)
        state.note("became_leader", first=me.first_index)
