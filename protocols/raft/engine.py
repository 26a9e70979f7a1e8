"""The Raft core: the transition table, the roles' beginnings, and one batch of effects per turn.

Rule kept here: nothing is sent under a term that this node created before that term and its own vote are durable; so a leader
exists only with a durable term, and may send appends while its own log is being synced.
"""

from random import Random

from quorate.protocols.core import Change, Configuration, Effects, Entry, Message, NodeId, Reason, Snapshot, Status, Token
from quorate.protocols.membership import Membership
from quorate.protocols.progress import CatchUp, Peer
from quorate.protocols.raft.following import Following
from quorate.protocols.raft.leading import Leading
from quorate.protocols.raft.messages import (
    Append,
    Appended,
    Commit,
    HardState,
    Heartbeat,
    HeartbeatReply,
    PreVote,
    PreVoteReply,
    Rejected,
    TimeoutNow,
    Vote,
    VoteReply,
)
from quorate.protocols.raft.options import RaftOptions
from quorate.protocols.raft.roles import Candidate, Follower, PreCandidate, RaftLeader, RaftState
from quorate.protocols.raft.rules import Rules
from quorate.protocols.reads import ReadIndex, ReadIndexReply, Reads
from quorate.protocols.terms.election import Elections
from quorate.protocols.terms.handover import Handover
from quorate.protocols.terms.idleness import Idleness
from quorate.protocols.terms.office import Office
from quorate.protocols.terms.roles import Leader
from quorate.protocols.terms.snapshots import Snapshots
from quorate.protocols.terms.succession import Succession
from quorate.protocols.terms.turn import Turn

_FROM_LEADER = (Append, Heartbeat, Commit)


class Raft:
    """One node of one Raft group; see the package's page."""

    rules = Rules()
    """A test-only subclass puts broken ones here."""

    def __init__(
        self,
        node: NodeId,
        members: Configuration,
        options: RaftOptions,
        rng: Random,
        incarnation: int,
        promise: HardState | None,
        snapshot: Snapshot | None,
        entries: list[Entry],
    ) -> None:
        self.state: RaftState = RaftState(node, members, options, self.rules, Follower(), rng, incarnation, promise, snapshot, entries)
        state = self.state
        self.elections = Elections(state)
        self.office = Office(state, new_peer)
        self.snapshots = Snapshots(state)
        self.handover = Handover(state, lambda to: state.send(to, TimeoutNow(state.term)))
        self.leading = Leading(state, self.office, self.handover)
        self.following = Following(state, self.snapshots)
        self.reads: Reads[RaftLeader] = Reads(state, self.leading)
        self.membership: Membership[RaftLeader] = Membership(state, self.office)
        self.succession = Succession(state, self.elections, self.office, self.handover, self.reads, Follower)
        self.idleness = Idleness(state, self.elections, self.handover, self.reads)
        self.turn = Turn(state, self.office, self.snapshots, self.reads, self.membership, self.handover, self.leading, self.following)

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
        return self.state.status

    # Events

    def tick(self, elapsed: int = 1, turns: int = 1) -> None:
        state = self.state
        state.now += elapsed
        # A turn that came late was our own stall, not the others' silence: it counts as one tick.
        state.timer += min(turns, elapsed)
        if self.succession.tick():
            state.note("quorum_lost")
            self.succession.become_follower(state.term, None)

    @property
    def due_ticks(self) -> int:
        role = self.state.role
        if isinstance(role, Leader) and self.leading.is_busy(role):
            return 1
        return self.idleness.due_ticks()

    def receive(self, sender: NodeId, message: Message) -> None:
        match message:
            case Append() | Appended() | Heartbeat() | HeartbeatReply() | Commit() | Rejected() | VoteReply() | TimeoutNow():
                if message.term == self.state.term or self._is_of_our_term(sender, message.term, message):
                    self._act(sender, message)
            case ReadIndex():
                self.reads.on_read_index(sender, message)
            case ReadIndexReply():
                self.reads.on_read_index_reply(message)
            case Vote():
                ignored = message.term > self.state.term and self.elections.ignores(message)
                if not ignored and self._is_of_our_term(sender, message.term, message):
                    self._act(sender, message)
            case PreVote():
                if self.elections.on_pre_vote(sender, message):
                    self.succession.stand_back()
            case PreVoteReply():
                if message.asked == self.state.term and isinstance(self.state.role, PreCandidate):
                    self.succession.on_pre_vote_reply(self.state.role, sender, message)
                else:
                    self._is_of_our_term(sender, message.term, message)
            case _:
                self.state.note("message_unknown", sender=sender, type=type(message).__name__)

    def _is_of_our_term(self, sender: NodeId, term: int, message: Message) -> bool:
        """Follow a higher term; tell a leader of a lower one, which would else be kept waiting for ever by pre-vote."""
        state = self.state
        if term > state.term:
            self.succession.become_follower(term, sender if isinstance(message, _FROM_LEADER) else None)
        elif state.rules.is_stale(term, state.term):
            if isinstance(message, Append):
                state.send_after_sync(sender, Rejected(state.term, message.previous_index, 0, 0, 0))
            elif isinstance(message, Heartbeat):
                state.send_after_sync(sender, HeartbeatReply(state.term, 0, 0))
            elif isinstance(message, Vote):
                state.send_after_sync(sender, VoteReply(state.term, False))
            return False
        return True

    def _act(self, sender: NodeId, message: Message) -> None:
        """The transition table, for messages of our term."""
        state = self.state
        if isinstance(message, _FROM_LEADER) and not isinstance(state.role, Leader):
            self.succession.follow(sender)
        match state.role, message:
            case Follower() as me, Append():
                self.following.on_append(me, sender, message, self.succession.led_terms)
            case Leader() as me, Appended():
                self.leading.on_appended(me, sender, message)
            case Follower(), Heartbeat():
                self.following.on_heartbeat(sender, message)
            case Follower(), Commit():
                self.following.on_commit(message)
            case Leader() as me, HeartbeatReply():
                self.leading.on_heartbeat_reply(me, sender, message)
            case Leader() as me, Rejected():
                self.leading.on_rejected(me, sender, message)
            case _, Vote():
                if self.elections.on_vote(sender, message) and isinstance(state.role, PreCandidate):
                    self.succession.become_follower(state.term, None)
            case Candidate() as me, VoteReply():
                self.elections.count(me, sender, granted=message.granted)
                self.succession.on_votes(me)
            case Follower(leader=leader), TimeoutNow() if leader == sender:
                self.succession.on_dismissed()
            case Leader(), Append() | Heartbeat() | Commit():
                assert sender == state.node, f"two leaders of one term: {state} and {sender}"
            case _:
                pass  # a late reply to a role we have left

    def unreachable(self, peer: NodeId) -> None:
        match self.state.role:
            case Follower(leader=leader) if leader == peer:
                self.elections.leader_lost()
            case Leader() as me:
                self.leading.on_unreachable(me, peer)

    def synced(self, serial: int) -> None:
        self.succession.on_synced(serial)

    # Requests

    def propose(self, data: bytes, token: Token) -> None:
        state = self.state
        me = state.role
        if me.__class__ is not Leader or self.handover.running is not None:
            state.refuse(token, Reason.NOT_LEADER, None if me.__class__ is Leader else state.leader)
            return
        assert isinstance(me, Leader)
        self.office.propose(me, data, token)

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
        self.snapshots.compact(snapshot, self.turn.handed)

    def received(self, sender: NodeId, snapshot: Snapshot) -> None:
        if snapshot.term > self.state.term:
            # Begun for a node that has lost its disk since: a log is never ahead of the term that is durable with it.
            self.succession.become_follower(snapshot.term, None)
        if isinstance(self.state.role, Leader):
            return  # a leader lacks nothing
        if self.snapshots.install(snapshot):
            # The snapshot covers all that was committed here and not yet given out.
            self.turn.handed = self.state.commit
        self.following.installed()

    def transferred(self, to: NodeId, snapshot: Snapshot, ok: bool) -> None:
        if isinstance(self.state.role, Leader):
            self.leading.on_transferred(self.state.role, to, snapshot.index, ok=ok)

    def take(self) -> Effects | None:
        role = self.state.role
        if isinstance(role, Leader):
            if self.turn.lead(role):
                self.state.note("removed")
                self.succession.become_follower(self.state.term, None)
        else:
            self.turn.follow()
        return self.turn.close()


def new_peer(last: int, timer: int, catch_up: CatchUp) -> Peer:
    """A follower of whom nothing is known: its log probably ends where ours does."""
    return Peer(next=last + 1, heard=timer, catch_up=catch_up)
