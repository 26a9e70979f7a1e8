"""The ZAB core: the transition table, the roles' beginnings, and one batch of effects per turn.

Rule kept here: a frame is acted upon only in the order in which its channel hands it out, and only by the role that opened the
channel; whatever breaks a channel, or a leader's claim, leads back to the election.
"""

from random import Random

from quorate.protocols.core import Change, Configuration, Effects, Entry, Message, NodeId, Progress, Reason, Snapshot, Status, Token
from quorate.protocols.log import HEADER_SIZE
from quorate.protocols.membership import Membership
from quorate.protocols.reads import ReadIndex, ReadIndexReply, Reads
from quorate.protocols.zab.discovery import Discovery
from quorate.protocols.zab.election import Elections
from quorate.protocols.zab.following import Following
from quorate.protocols.zab.handover import Handover
from quorate.protocols.zab.leading import Leading
from quorate.protocols.zab.messages import (
    LEADING,
    Ack,
    AckEpoch,
    AckNewLeader,
    Closed,
    Commit,
    Diff,
    Epochs,
    FollowerInfo,
    HandOver,
    Inform,
    LeaderInfo,
    NewLeader,
    Notification,
    Ping,
    Pong,
    Proposal,
    Snap,
    Trunc,
    UpToDate,
)
from quorate.protocols.zab.options import ZabOptions
from quorate.protocols.zab.promises import Promises
from quorate.protocols.zab.roles import BROADCAST, Ballot, Follower, Leader, Looking, Peer
from quorate.protocols.zab.rules import Rules
from quorate.protocols.zab.state import State
from quorate.protocols.zab.turn import Turn

FromLeader = LeaderInfo | Diff | Trunc | Snap | NewLeader | UpToDate | Proposal | Commit | Inform | HandOver
FromFollower = AckEpoch | AckNewLeader | Ack


class Zab:
    """One node of one ZAB group; see the package's page."""

    rules = Rules()
    """A test-only subclass puts broken ones here."""

    def __init__(
        self,
        node: NodeId,
        members: Configuration,
        options: ZabOptions,
        rng: Random,
        incarnation: int,
        promise: Epochs | None,
        snapshot: Snapshot | None,
        entries: list[Entry],
    ) -> None:
        self.state = State(node, members, options, self.rules, rng, incarnation, promise, snapshot, entries)
        self.promises = Promises(self.state)
        self.elections = Elections(self.state)
        self.following = Following(self.state, self.promises)
        self.leading = Leading(self.state, self.elections, self.following)
        self.discovery = Discovery(self.state, self.leading, self.promises)
        self.reads: Reads[Leader] = Reads(self.state, self.leading)
        self.membership: Membership[Leader] = Membership(self.state, self.leading)
        self.handover = Handover(self.state)
        self.turn = Turn(self.state, self.following, self.discovery, self.leading, self.reads, self.membership, self.handover)
        self.led_epochs: set[int] = set()
        """Epochs that this incarnation led: what it proposed in them is its own."""
        self._become_looking("started")

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
        state, log, role = self.state, self.state.log, self.state.role
        progress: dict[NodeId, Progress] = {}
        match role:
            case Looking():
                name = "looking"
            case Leader(phase=phase):
                name = "leader" if phase == BROADCAST else "candidate"
                limit = state.timer - state.options.election_ticks
                progress = {
                    peer: Progress(known.match, known.state, known.heard is not None and known.heard > limit)
                    for peer, known in role.peers.items()
                }
            case Follower():
                name = "follower" if state.node in state.configuration.voters else "learner"
        return Status(name, state.term, state.leader, state.commit, log.first, log.last, log.durable, state.configuration, progress)

    # Events

    def tick(self, elapsed: int = 1) -> None:
        state = self.state
        state.now += elapsed
        # A turn that came late was our own stall, not the others' silence: it counts as one tick.
        state.timer += min(1, elapsed)
        self.promises.tick()
        self.reads.tick()
        self.handover.tick()
        match state.role:
            case Looking() as me:
                self.elections.tick(me)
                self._decide(me)
            case Follower() as me:
                self.following.tick(me)
                self._mend(me)
            case Leader() as me:
                if self.leading.has_lost_quorum(me):
                    self._become_looking("quorum_lost")

    def receive(self, sender: NodeId, message: Message) -> None:
        match message:
            case Notification():
                self._on_notification(sender, message)
            case FollowerInfo():
                self._on_follower_info(sender, message)
            case (
                LeaderInfo() | Diff() | Trunc() | Snap() | NewLeader() | UpToDate() | Proposal() | Commit() | Inform() | HandOver() | Ping()
            ):
                self._from_leader(sender, message)
            case AckEpoch() | AckNewLeader() | Ack() | Pong():
                self._from_follower(sender, message)
            case Closed():
                role = self.state.role
                if isinstance(role, Follower) and role.leader == sender and role.channel.link == message.link:
                    self._become_looking("link_closed")
            case ReadIndex():
                self.reads.on_read_index(sender, message)
            case ReadIndexReply():
                self.reads.on_read_index_reply(message)
            case _:
                self.state.note("message_unknown", sender=sender, type=type(message).__name__)

    def _from_leader(self, sender: NodeId, message: FromLeader | Ping) -> None:
        me = self.state.role
        if not isinstance(me, Follower) or me.leader != sender or me.channel.link != message.link:
            return  # of a link that we have left
        me.heard = self.state.timer
        me.channel.confirm(message.received, self.state.timer)
        if isinstance(message, Ping):
            self.following.on_ping(me, message)
            return
        for frame in me.channel.accept(message.sequence, message):
            if isinstance(frame, HandOver):
                self._on_hand_over(frame)
            else:
                was = me.phase
                self.following.on_frame(me, frame, self.led_epochs)
                if me.phase == BROADCAST and was != BROADCAST:
                    self.handover.leader_known(me.leader)
            if self.state.role is not me or me.channel.broken:
                break
        self._mend(me)

    def _mend(self, me: Follower) -> None:
        """A broken channel: the same leader again, on a new link, or the election."""
        if self.state.role is not me or not me.channel.broken:
            return
        if me.channel.broken == "anew":
            self._become_follower(me.leader, self.elections.incarnation_of(me.leader))
        else:
            if not me.channel.received:
                self.elections.was_absent(me.leader)
            self._become_looking("channel_broken", why=me.channel.broken)

    def _from_follower(self, sender: NodeId, message: FromFollower | Pong) -> None:
        me = self.state.role
        peer = me.peers.get(sender) if isinstance(me, Leader) else None
        if not isinstance(me, Leader) or peer is None or peer.channel is None or message.link != peer.channel.link:
            if peer is None or peer.channel is None or message.link > peer.channel.link:
                self.state.send(sender, Closed(message.link))
            return
        self.leading.heard(peer, message.received)
        if isinstance(message, Pong):
            self.leading.on_pong(me, peer, message)
            return
        channel = peer.channel
        for frame in channel.accept(message.sequence, message):
            self._act(me, sender, peer, frame)
            if self.discovery.failed:
                self._become_looking("discovery_failed", why=self.discovery.failed)
                return
        if channel.broken:
            self.state.note("link_broken", peer=sender, why=channel.broken)
            self.state.send(sender, Closed(channel.link))
            peer.channel = None

    def _act(self, me: Leader, sender: NodeId, peer: Peer, message: Message) -> None:
        match message:
            case AckEpoch():
                self.discovery.on_ack_epoch(me, sender, peer, message)
            case AckNewLeader():
                self.discovery.on_ack_new_leader(me, peer, message)
            case Ack():
                self.leading.on_durable(me, peer, message.index)
            case _:
                self.state.note("message_unknown", sender=sender, type=type(message).__name__)

    def _on_notification(self, sender: NodeId, message: Notification) -> None:
        self.elections.on_notification(sender, message)
        running = self.handover.running
        match self.state.role:
            case Looking() as me:
                self._decide(me)
            case Leader() as me if running is not None and running.link and running.to == sender and message.state == LEADING:
                self.handover.release(me, sender)
                self._become_follower(sender, self.elections.incarnation_of(sender))

    def _on_follower_info(self, sender: NodeId, message: FollowerInfo) -> None:
        state = self.state
        if message.link <= state.last_links.get(sender, 0):
            return  # a late copy
        if not isinstance(state.role, Leader):
            # It may have seen our election before we did.
            if state.configuration.get(sender) is not None:
                state.callers[sender] = state.timer, message
            return
        self.discovery.on_follower_info(state.role, sender, message)
        if self.discovery.failed:
            self._become_looking("discovery_failed", why=self.discovery.failed)

    def _on_hand_over(self, message: HandOver) -> None:
        """The leader releases us from our promise to it, and names the next."""
        self.promises.release()
        if message.to != self.state.node:
            self._become_follower(message.to, message.incarnation)
        elif self.elections.own_ballot().number:
            self._become_leader()

    def _decide(self, me: Looking) -> None:
        chosen = self.elections.decide(me)
        if chosen == self.state.node:
            self._become_leader()
        elif chosen is not None:
            self._become_follower(chosen, self.elections.incarnation_of(chosen))

    def unreachable(self, peer: NodeId) -> None:
        match self.state.role:
            case Follower(leader=leader) if leader == peer:
                self._become_looking("connection_lost")
            case Leader() as me if peer in me.peers:
                channel = me.peers[peer].channel
                if channel is not None:
                    channel.hurry()

    def synced(self, serial: int) -> None:
        state = self.state
        state.synced_serial = max(state.synced_serial, serial)
        more = state.log.synced(serial)
        if isinstance(state.role, Leader):
            state.role.counting_due = state.role.counting_due or more

    # Requests

    def propose(self, data: bytes, token: Token) -> None:
        state = self.state
        me = state.serving
        if me is None or self.handover.running is not None:
            state.refuse(token, Reason.NOT_LEADER, None if me is not None else state.leader)
            return
        size = len(data) + HEADER_SIZE
        options = state.options
        if len(data) > options.entry_bytes_max:
            state.refuse(token, Reason.TOO_LARGE, state.node, f"{len(data)} bytes; at most {options.entry_bytes_max}")
        elif me.uncommitted_bytes + size > options.uncommitted_bytes_max:
            state.refuse(token, Reason.OVERLOADED, state.node)
        else:
            me.uncommitted_bytes += size
            me.batch_bytes += size
            state.log.add(me.epoch, token, 0, data)

    def read(self, token: Token, *, lease: bool = False) -> None:
        self.reads.add(token, lease=lease)

    def reconfigure(self, change: Change, token: Token) -> None:
        if self.handover.running is not None:
            self.state.refuse(token, Reason.CHANGE_IN_FLIGHT, None, f"handing over to {self.handover.running.to}")
        else:
            self.membership.reconfigure(change, token)

    def transfer(self, to: NodeId, token: Token) -> None:
        self.handover.begin(to, token)

    # Snapshots

    def compact(self, snapshot: Snapshot) -> None:
        state, log, options = self.state, self.state.log, self.state.options
        assert snapshot.index <= self.turn.handed and snapshot.index <= log.durable, (state, snapshot)
        if state.snapshot is not None and snapshot.index <= state.snapshot.index:
            return
        state.snapshot = state.out.snapshot = snapshot
        log.compact(log.keep_from(snapshot.index, options.margin_entries, options.margin_bytes))
        state.note("compacted", index=snapshot.index, first=log.first)

    def received(self, sender: NodeId, snapshot: Snapshot) -> None:
        role = self.state.role
        if isinstance(role, Follower) and role.leader == sender and self.following.install(role, snapshot):
            # The snapshot covers all that was committed here and not yet given out.
            self.turn.handed = self.state.commit

    def transferred(self, to: NodeId, snapshot: Snapshot, ok: bool) -> None:
        if isinstance(self.state.role, Leader):
            self.leading.on_transferred(self.state.role, to, snapshot.index, ok=ok)

    # Roles change here only

    def _leave(self) -> None:
        """End the role that we have; its links are of no use any more."""
        state = self.state
        if isinstance(state.role, Leader):
            if not state.role.lease_forfeited:  # else our followers were told whom to follow
                self.leading.close_links(state.role)
            self.discovery.failed = ""
            if state.role.phase == BROADCAST:
                self.reads.stop_leading()
                state.note("stepped_down")

    def _become_looking(self, reason: str, **facts: str) -> None:
        state = self.state
        self._leave()
        me = state.role = Looking(Ballot())
        self.elections.begin(me)
        state.note("looking", round=state.election_round, reason=reason, **facts)

    def _become_follower(self, leader: NodeId, incarnation: int) -> None:
        state = self.state
        self._leave()
        state.role = self.following.follow(leader, incarnation)
        state.note("following", leader=leader)

    def _become_leader(self) -> None:
        """Elected, or handed over to: lead nothing yet."""
        state = self.state
        self._leave()
        me = state.role = Leader(since=state.timer, heartbeat_at=state.now)
        self.leading.meet_peers(me)
        state.note("elected", round=state.election_round)
        callers, state.callers = state.callers, {}
        for name, (at, message) in callers.items():
            if state.timer - at < state.options.election_ticks:
                self.discovery.on_follower_info(me, name, message)

    def take(self) -> Effects | None:
        role = self.state.role
        if isinstance(role, Leader):
            served = role.phase == BROADCAST
            removed = self.turn.lead(role)
            if role.phase == BROADCAST and not served:
                self._established(role)
            if removed:
                self.state.note("removed")
                self._become_looking("removed")
        else:
            self.turn.follow()
        return self.turn.close()

    def _established(self, me: Leader) -> None:
        committed = self.state.log.term_at(self.state.commit) or 0
        self.led_epochs = {epoch for epoch in self.led_epochs if epoch > committed} | {me.epoch}
        self.reads.become_leader()
        if self.handover.running is not None:
            self.handover.leader_known(self.state.node)
