"""The KRaft core: the transition table, and one batch of effects per turn.

Rule kept here: nothing is sent under an epoch that this node created before that epoch and its own vote are durable; so a leader
exists only with a durable epoch, and may answer fetches while its own log is being synced.
"""

from random import Random

from quorate.protocols.core import Change, Configuration, Effects, Entry, Message, NodeId, Reason, Snapshot, Status, Token
from quorate.protocols.kraft.fetching import Fetching
from quorate.protocols.kraft.leading import Leading
from quorate.protocols.kraft.messages import (
    BeginQuorumEpoch,
    Diverging,
    EndQuorumEpoch,
    Fenced,
    Fetch,
    Fetched,
    FetchSnapshot,
    SnapshotId,
)
from quorate.protocols.kraft.options import KRaftOptions
from quorate.protocols.kraft.roles import Fetcher, Follower, KRaftLeader, KRaftState
from quorate.protocols.kraft.rules import Rules
from quorate.protocols.membership import Membership
from quorate.protocols.progress import CatchUp
from quorate.protocols.reads import ReadIndex, ReadIndexReply, Reads
from quorate.protocols.terms.ballots import HardState, PreVote, PreVoteReply, Vote, VoteReply
from quorate.protocols.terms.election import Elections
from quorate.protocols.terms.handover import Handover
from quorate.protocols.terms.office import Office
from quorate.protocols.terms.roles import Candidate, Leader, PreCandidate
from quorate.protocols.terms.snapshots import Snapshots
from quorate.protocols.terms.succession import Succession
from quorate.protocols.terms.turn import Turn

_FROM_LEADER = (Fetched, Diverging, SnapshotId, BeginQuorumEpoch)


class KRaft:
    """One node of one KRaft group; see the package's page."""

    rules = Rules()
    """A test-only subclass puts broken ones here."""

    def __init__(
        self,
        node: NodeId,
        members: Configuration,
        options: KRaftOptions,
        rng: Random,
        incarnation: int,
        promise: HardState | None,
        snapshot: Snapshot | None,
        entries: list[Entry],
    ) -> None:
        self.state: KRaftState = KRaftState(node, members, options, self.rules, Follower(), rng, incarnation, promise, snapshot, entries)
        state = self.state
        self.elections = Elections(state)
        self.office = Office(state, new_fetcher)
        self.snapshots = Snapshots(state)
        self.handover = Handover(state, lambda to: state.send(to, EndQuorumEpoch(state.term, (to,))))
        self.leading = Leading(state, self.office)
        self.fetching = Fetching(state, self.snapshots)
        self.reads: Reads[KRaftLeader] = Reads(state, self.leading)
        self.membership: Membership[KRaftLeader] = Membership(state, self.office)
        self.succession = Succession(state, self.elections, self.office, self.handover, self.reads, Follower)
        self.turn = Turn(state, self.office, self.snapshots, self.reads, self.membership, self.handover, self.leading, self.fetching)

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

    def tick(self, elapsed: int = 1) -> None:
        state = self.state
        state.now += elapsed
        # A turn that came late was our own stall, not the others' silence: it counts as one tick.
        state.timer += min(1, elapsed)
        if self.succession.tick():
            state.note("quorum_lost")
            assert isinstance(state.role, Leader), state
            self.leading.end_epoch(state.role)
            self.succession.become_follower(state.term, None)

    def receive(self, sender: NodeId, message: Message) -> None:
        match message:
            case Fetch() | Fetched() | Diverging() | SnapshotId() | FetchSnapshot() | BeginQuorumEpoch() | EndQuorumEpoch() | Fenced():
                if message.epoch == self.state.term or self._is_of_our_epoch(sender, message.epoch, message):
                    self._act(sender, message)
            case VoteReply():
                if self._is_of_our_epoch(sender, message.term, message):
                    self._act(sender, message)
            case ReadIndex():
                self.reads.on_read_index(sender, message)
            case ReadIndexReply():
                self.reads.on_read_index_reply(message)
            case Vote():
                ignored = message.term > self.state.term and self.elections.ignores(message)
                if not ignored and self._is_of_our_epoch(sender, message.term, message):
                    self._act(sender, message)
            case PreVote():
                if self.elections.on_pre_vote(sender, message):
                    self.succession.stand_back()
            case PreVoteReply():
                if message.asked == self.state.term and isinstance(self.state.role, PreCandidate):
                    self.succession.on_pre_vote_reply(self.state.role, sender, message)
                else:
                    self._is_of_our_epoch(sender, message.term, message)
            case _:
                self.state.note("message_unknown", sender=sender, type=type(message).__name__)

    def _is_of_our_epoch(self, sender: NodeId, epoch: int, message: Message) -> bool:
        """Follow a higher epoch; tell of ours whoever leads, follows or asks for votes in a lower one: a leader would else be kept
        waiting for ever by pre-vote."""
        state = self.state
        if epoch > state.term:
            self.succession.become_follower(epoch, sender if isinstance(message, _FROM_LEADER) else None)
        elif state.rules.is_stale(epoch, state.term):
            if isinstance(message, Fetch | BeginQuorumEpoch):
                state.send_after_sync(sender, Fenced(state.term))
            elif isinstance(message, Vote):
                state.send_after_sync(sender, VoteReply(state.term, False))
            return False
        return True

    def _act(self, sender: NodeId, message: Message) -> None:
        """The transition table, for messages of our epoch."""
        state = self.state
        if isinstance(message, _FROM_LEADER) and not isinstance(state.role, Leader):
            self.succession.follow(sender)
        match state.role, message:
            case Leader() as me, Fetch():
                self.leading.on_fetch(me, sender, message)
            case Follower() as me, Fetched():
                self.fetching.on_fetched(me, sender, message)
            case Follower() as me, Diverging():
                self.fetching.on_diverging(me, sender, message, self.succession.led_terms)
            case Follower() as me, SnapshotId():
                self.fetching.on_snapshot_id(me, sender, message)
            case Follower() as me, BeginQuorumEpoch():
                self.fetching.on_begin(me)
            case Leader() as me, FetchSnapshot():
                self.leading.on_fetch_snapshot(me, sender, message)
            case _, Fetch():
                state.send_after_sync(sender, Fenced(state.term))
            case _, Vote():
                if self.elections.on_vote(sender, message) and isinstance(state.role, PreCandidate):
                    self.succession.become_follower(state.term, None)
            case Candidate() as me, VoteReply():
                self.elections.count(me, sender, granted=message.granted)
                self.succession.on_votes(me)
            case Follower(leader=leader), EndQuorumEpoch() if leader == sender:
                self._on_end(message)
            case Follower(leader=leader), Fenced() if leader == sender:
                self._lose_leader()
            case Leader(), Fetched() | Diverging() | SnapshotId() | BeginQuorumEpoch():
                assert sender == state.node, f"two leaders of one epoch: {state} and {sender}"
            case _:
                pass  # a late answer to a role we have left; a new leader tells its followers to fetch by itself

    def _on_end(self, message: EndQuorumEpoch) -> None:
        """Our leader resigned, or hands over: its preferred successor asks for votes at once, the others soon."""
        if message.preferred and message.preferred[0] == self.state.node:
            self.succession.on_dismissed()
        else:
            self._lose_leader()

    def _lose_leader(self) -> None:
        """Who led this epoch does not any more: there is nobody to fetch from until the next election, so let it be soon."""
        self.succession.become_follower(self.state.term, None)
        self.elections.leader_lost()

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
            # Begun for a node that has lost its disk since: a log is never ahead of the epoch that is durable with it.
            self.succession.become_follower(snapshot.term, None)
        if isinstance(self.state.role, Leader):
            return  # a leader lacks nothing
        if self.snapshots.install(snapshot):
            # The snapshot covers all that was committed here and not yet given out.
            self.turn.handed = self.state.commit
        self.fetching.installed()

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


def new_fetcher(last: int, timer: int, catch_up: CatchUp) -> Fetcher:
    """A follower of whom nothing is known."""
    return Fetcher(heard=timer, catch_up=catch_up)
