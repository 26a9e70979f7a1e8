"""The Raft core: the transition table, the roles' beginnings, and one batch of effects per turn.

Rule kept here: nothing is sent under a term that this node created before that term and its own vote are durable; so a leader
exists only with a durable term, and may send appends while its own log is being synced.
"""

from random import Random

from quorate.protocols.core import (
    NO_ORIGIN,
    Change,
    Configuration,
    Effects,
    Entry,
    Kind,
    Message,
    NodeId,
    Progress,
    Reason,
    Snapshot,
    Status,
    Token,
)
from quorate.protocols.log import HEADER_SIZE
from quorate.protocols.membership import Membership
from quorate.protocols.raft.election import Elections
from quorate.protocols.raft.following import Following
from quorate.protocols.raft.handover import Handover
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
from quorate.protocols.raft.options import NEVER_ELECTED, RaftOptions
from quorate.protocols.raft.roles import Candidate, Follower, Leader, PreCandidate
from quorate.protocols.raft.rules import Rules
from quorate.protocols.raft.state import State
from quorate.protocols.raft.turn import Turn
from quorate.protocols.reads import ReadIndex, ReadIndexReply, Reads

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
        self.state = State(node, members, options, self.rules, rng, incarnation, promise, snapshot, entries)
        self.elections = Elections(self.state)
        self.following = Following(self.state, self.elections)
        self.leading = Leading(self.state)
        self.reads: Reads[Leader] = Reads(self.state, self.leading)
        self.membership: Membership[Leader] = Membership(self.state, self.leading)
        self.handover = Handover(self.state)
        self.turn = Turn(self.state, self.following, self.leading, self.reads, self.membership, self.handover)
        self.led_terms: set[int] = set()
        """Terms that this incarnation led: what it proposed in them is its own."""

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
        names = {Leader: "leader", Candidate: "candidate", PreCandidate: "precandidate", Follower: "follower"}
        name = names[type(role)]
        if name == "follower" and state.node not in state.configuration.voters:
            name = "learner"
        progress: dict[NodeId, Progress] = {}
        if isinstance(role, Leader):
            limit = state.timer - state.options.election_ticks
            progress = {peer: Progress(known.match, known.state, known.heard > limit) for peer, known in role.peers.items()}
        return Status(name, state.term, state.leader, state.commit, log.first, log.last, log.durable, state.configuration, progress)

    # Events

    def tick(self, elapsed: int = 1) -> None:
        state = self.state
        state.now += elapsed
        # A turn that came late was our own stall, not the others' silence: it counts as one tick.
        state.timer += min(1, elapsed)
        timed_out = self.elections.tick()
        self.reads.tick()
        self.handover.tick()
        if isinstance(state.role, Leader):
            if self.leading.has_lost_quorum(state.role):
                state.note("quorum_lost")
                self._become_follower(state.term, None)
        elif timed_out:
            self._on_timeout()

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
                    self._yield()
            case PreVoteReply():
                if message.asked == self.state.term and isinstance(self.state.role, PreCandidate):
                    self._on_pre_vote_reply(self.state.role, sender, message)
                else:
                    self._is_of_our_term(sender, message.term, message)
            case _:
                self.state.note("message_unknown", sender=sender, type=type(message).__name__)

    def _is_of_our_term(self, sender: NodeId, term: int, message: Message) -> bool:
        """Follow a higher term; tell a leader of a lower one, which would else be kept waiting for ever by pre-vote."""
        state = self.state
        if term > state.term:
            self._become_follower(term, sender if isinstance(message, _FROM_LEADER) else None)
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
            self._follow(sender)
        match state.role, message:
            case Follower() as me, Append():
                self.following.on_append(me, sender, message, self.led_terms)
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
                    self._become_follower(state.term, None)
            case Candidate() as me, VoteReply():
                self.elections.count(me, sender, granted=message.granted)
                self._on_votes(me)
            case Follower(leader=leader), TimeoutNow() if leader == sender:
                self._on_timeout_now()
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
        state = self.state
        state.synced_serial = max(state.synced_serial, serial)
        more = state.log.synced(serial)
        role = state.role
        if isinstance(role, Leader):
            role.counting_due = role.counting_due or more
        elif isinstance(role, Candidate):
            self._on_votes(role)

    # Requests

    def propose(self, data: bytes, token: Token) -> None:
        state = self.state
        me = state.role
        if me.__class__ is not Leader or self.handover.running is not None:
            state.refuse(token, Reason.NOT_LEADER, None if me.__class__ is Leader else state.leader)
            return
        assert isinstance(me, Leader)
        size = len(data) + HEADER_SIZE
        options = state.options
        if len(data) > options.entry_bytes_max:
            state.refuse(token, Reason.TOO_LARGE, state.node, f"{len(data)} bytes; at most {options.entry_bytes_max}")
        elif me.uncommitted_bytes + size > options.uncommitted_bytes_max:
            state.refuse(token, Reason.OVERLOADED, state.node)
        else:
            me.uncommitted_bytes += size
            me.batch_bytes += size
            state.log.add(state.term, token, 0, data)

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
        if isinstance(self.state.role, Leader):
            return  # a leader lacks nothing
        if self.following.install(snapshot):
            # The snapshot covers all that was committed here and not yet given out.
            self.turn.handed = self.state.commit

    def transferred(self, to: NodeId, snapshot: Snapshot, ok: bool) -> None:
        if isinstance(self.state.role, Leader):
            self.leading.on_transferred(self.state.role, to, snapshot.index, ok=ok)

    # Elections

    def _on_timeout(self) -> None:
        """No leader was heard for an election timeout, or shortly after its connection broke."""
        elections = self.elections
        elections.heard = None
        if not elections.may_campaign() or not elections.outranks():
            self._become_follower(self.state.term, None)
            elections.restart_timer_quickly()
        elif self.rules.asks_before_campaigning():
            self._become_precandidate()
        else:
            self._become_candidate(hand_over=False)

    def _on_timeout_now(self) -> None:
        if self.elections.may_campaign(hand_over=True):
            self._become_candidate(hand_over=True)
        elif self.state.options.priority == NEVER_ELECTED:
            self.state.note("transfer_declined")

    def _yield(self) -> None:
        """Another asks for the same, with the better claim: stand back for one attempt."""
        self._become_follower(self.state.term, None)
        self.elections.yielded = True
        self.elections.restart_timer_quickly()

    def _on_pre_vote_reply(self, me: PreCandidate, sender: NodeId, message: PreVoteReply) -> None:
        if message.term > self.state.term and not message.granted:
            self._become_follower(message.term, None)
            self.elections.restart_timer_quickly()
            return
        self.elections.count(me, sender, granted=message.granted)
        if self.elections.has_won(me):
            self._become_candidate(hand_over=False)
        elif self.elections.has_lost(me):
            self._become_follower(self.state.term, None)
            self.elections.restart_timer_quickly()

    def _on_votes(self, me: Candidate) -> None:
        """Count, whenever a vote arrived or our own became durable: a leader's own vote is among the majority, so that
        whatever it sends is under a term that is durable here."""
        state = self.state
        if self.rules.own_vote_counts(durable=state.promise_durable):
            me.votes[state.node] = 1
            if self.elections.has_won(me):
                self._become_leader()
                return
        if self.elections.has_lost(me):
            self._become_follower(state.term, None)
            self.elections.restart_timer_quickly()

    def _follow(self, leader: NodeId) -> None:
        """A message of our term from its leader."""
        role = self.state.role
        if not isinstance(role, Follower) or role.leader != leader:
            assert not isinstance(role, Follower) or role.leader is None, f"two leaders of one term: {role.leader} and {leader}"
            self._become_follower(self.state.term, leader)
        self.elections.leader_heard()

    # Roles change here only

    def _become_follower(self, term: int, leader: NodeId | None) -> None:
        state, before = self.state, self.state.role
        if term > state.term:
            state.set_term(term, "")
            self.elections.heard = None
        known = before.leader if isinstance(before, Follower) and before.leader else None
        state.role = Follower(leader)
        if isinstance(before, Leader):
            self.elections.heard = None
            self.reads.stop_leading()
            state.note("stepped_down")
        if not isinstance(before, Follower):
            self.elections.restart_timer()
        if leader is not None:
            self.handover.leader_known(leader)
        if leader != known or not isinstance(before, Follower):
            state.note("became_follower", leader=leader)

    def _become_precandidate(self) -> None:
        state = self.state
        me = state.role = PreCandidate()
        self.elections.restart_timer_quickly()
        state.note("pre_vote", last=state.log.last)
        if self.elections.ask_pre_votes(me):
            self._become_candidate(hand_over=False)

    def _become_candidate(self, *, hand_over: bool) -> None:
        state = self.state
        state.set_term(state.term + 1, state.node)
        me = state.role = Candidate(hand_over)
        self.elections.await_outcome()
        state.note("campaign", last=state.log.last, hand_over=hand_over)
        self.elections.ask_votes(me)
        self._on_votes(me)

    def _become_leader(self) -> None:
        state, log = self.state, self.state.log
        assert isinstance(state.role, Candidate), state
        if self.handover.running is not None:
            self.handover.leader_known(state.node)
        me = state.role = Leader(first_index=log.last + 1, heartbeat_at=state.now)
        self.leading.meet_peers(me)
        self.led_terms = {term for term in self.led_terms if term > (log.term_at(state.commit) or 0)} | {state.term}
        if self.rules.opens_term_with_noop():
            log.add(state.term, NO_ORIGIN, Kind.NOOP, b"")
        self.reads.become_leader()
        state.note("became_leader", first=me.first_index)

    def take(self) -> Effects | None:
        role = self.state.role
        if isinstance(role, Leader):
            if self.turn.lead(role):
                self.state.note("removed")
                self._become_follower(self.state.term, None)
        else:
            self.turn.follow()
        return self.turn.close()
