"""The Multi-Paxos core: the transition table, the roles' beginnings, and one batch of effects per turn.

Rule kept here: nothing is sent under a ballot that this node created before that ballot is durable; so a leader exists only with a
durable ballot, and may send accepts while its own votes are being synced.
"""

from random import Random

from quorate.protocols.core import Change, Configuration, Effects, Entry, Message, NodeId, Progress, Reason, Snapshot, Status, Token
from quorate.protocols.log import HEADER_SIZE
from quorate.protocols.membership import Membership
from quorate.protocols.multipaxos.acceptor import Acceptor
from quorate.protocols.multipaxos.ballots import next_ballot
from quorate.protocols.multipaxos.changes import Changes
from quorate.protocols.multipaxos.election import Elections
from quorate.protocols.multipaxos.handover import Handover
from quorate.protocols.multipaxos.leading import Leading
from quorate.protocols.multipaxos.messages import (
    Accept,
    Accepted,
    Ask,
    AskReply,
    Chosen,
    Heartbeat,
    HeartbeatReply,
    Preempted,
    Prepare,
    Promise,
    Promised,
    TakeOver,
)
from quorate.protocols.multipaxos.options import MultiPaxosOptions
from quorate.protocols.multipaxos.preparing import Prepares
from quorate.protocols.multipaxos.proposing import Proposals
from quorate.protocols.multipaxos.roles import Asking, Follower, Leader, Preparing
from quorate.protocols.multipaxos.rules import Rules
from quorate.protocols.multipaxos.state import State
from quorate.protocols.multipaxos.turn import Turn
from quorate.protocols.reads import ReadIndex, ReadIndexReply, Reads


class MultiPaxos:
    """One node of one Multi-Paxos group; see the package's page."""

    rules = Rules()
    """A test-only subclass puts broken ones here."""

    def __init__(
        self,
        node: NodeId,
        members: Configuration,
        options: MultiPaxosOptions,
        rng: Random,
        incarnation: int,
        promise: Promised | None,
        snapshot: Snapshot | None,
        entries: list[Entry],
    ) -> None:
        self.state = State(node, members, options, self.rules, rng, incarnation, promise, snapshot, entries)
        self.acceptor = Acceptor(self.state)
        self.elections = Elections(self.state, self.acceptor)
        self.prepares = Prepares(self.state, self.acceptor)
        self.proposals = Proposals(self.state, self.acceptor, self.prepares)
        self.leading = Leading(self.state, self.proposals)
        self.reads: Reads[Leader] = Reads(self.state, self.leading)
        changes = Changes(self.state, self.proposals)
        self.membership: Membership[Leader] = Membership(changes, self.leading)
        self.handover = Handover(self.state)
        self.turn = Turn(self.state, self.acceptor, self.proposals, self.leading, self.reads, changes, self.membership, self.handover)

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
        names = {Leader: "leader", Preparing: "candidate", Asking: "precandidate", Follower: "follower"}
        name = names[type(role)]
        if name == "follower" and state.node not in state.configuration.voters:
            name = "learner"
        progress: dict[NodeId, Progress] = {}
        if isinstance(role, Leader):
            limit = state.timer - state.options.election_ticks
            progress = {peer: Progress(known.match, known.state, known.heard > limit) for peer, known in role.peers.items()}
        return Status(name, state.ballot, state.leader, state.commit, log.first, log.last, log.durable, state.configuration, progress)

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
                self._become_follower(state.ballot, None)
        elif timed_out:
            self._on_timeout()

    def receive(self, sender: NodeId, message: Message) -> None:
        """The transition table."""
        state = self.state
        match state.role, message:
            case _, Accept() | Heartbeat() | Chosen():
                self._on_leader(sender, message)
            case Leader() as me, Accepted() if not state.rules.is_stale(message.ballot, state.ballot):
                self.leading.on_accepted(me, sender, message)
            case Leader() as me, HeartbeatReply() if message.ballot == state.ballot:
                self.leading.on_heartbeat_reply(me, sender, message)
            case _, Prepare():
                self._on_prepare(sender, message)
            case Preparing() as me, Promise() if message.ballot == state.ballot:
                if self.prepares.on_promise(me.phase, sender, message, hand_over=me.hand_over):
                    if sender not in me.phase.complete:
                        self.elections.report_moved()
                    self._on_promises(me)
            case Leader() as me, Promise() if message.ballot == state.ballot:
                self.prepares.on_promise(me.phase, sender, message, hand_over=False)
            case _, Preempted():
                self._on_preempted(sender, message)
            case _, Ask():
                if self.elections.on_ask(sender, message):
                    self._yield()
            case _, AskReply():
                self._on_ask_reply(sender, message)
            case Follower(leader=leader), TakeOver() if leader == sender and message.ballot == state.ballot:
                if self.elections.may_prepare(hand_over=True):
                    self._become_preparing(hand_over=True)
            case _, ReadIndex():
                self.reads.on_read_index(sender, message)
            case _, ReadIndexReply():
                self.reads.on_read_index_reply(message)
            case _, Accepted() | HeartbeatReply() | Promise() | TakeOver():
                pass  # a late reply to a role, or a ballot, that we have left
            case _:
                state.note("message_unknown", sender=sender, type=type(message).__name__)

    def _on_leader(self, sender: NodeId, message: Accept | Heartbeat | Chosen) -> None:
        """Something under a ballot that a quorum has promised."""
        if not self._follow(sender, message.ballot):
            return
        match self.state.role, message:
            case Follower() as me, Accept():
                self.acceptor.on_accept(me, message)
            case Follower() as me, Heartbeat():
                self.acceptor.on_heartbeat(me, sender, message)
            case Follower() as me, Chosen():
                self.acceptor.on_chosen(me, message)

    def _follow(self, leader: NodeId, ballot: int) -> bool:
        """Follow who leads that ballot, unless more was promised: then tell it so."""
        state = self.state
        if not state.rules.may_accept(ballot, state.ballot):
            self.acceptor.refuse(leader, ballot)
            return False
        role = state.role
        if ballot != state.ballot or not isinstance(role, Follower) or role.leader != leader:
            assert ballot > state.ballot or not isinstance(role, Leader), f"two leaders of one ballot: {state} and {leader}"
            self._become_follower(ballot, leader)
        self.elections.leader_heard()
        return True

    def _on_prepare(self, sender: NodeId, message: Prepare) -> None:
        """Promise, unless a higher ballot was promised, a leader is heard, or we could not report what the sender lacks."""
        state, ballot = self.state, message.ballot
        if not state.rules.may_promise(ballot, state.ballot):
            self.acceptor.refuse(sender, ballot)
        elif ballot > state.ballot and self.elections.ignores(hand_over=message.hand_over):
            state.seen = max(state.seen, ballot)
        elif not state.rules.can_report(message.first, state.log.base):
            self.acceptor.refuse(sender, ballot)
        else:
            if ballot != state.ballot:
                self._become_follower(ballot, None)
                state.note("promised", to=sender)
            else:
                self.elections.report_moved()
            if not isinstance(state.role, Follower) or state.role.leader is None:
                self.elections.await_outcome()
            self.acceptor.promise(sender, message)

    def _on_preempted(self, sender: NodeId, message: Preempted) -> None:
        """An acceptor has promised more, or could not report what we lack."""
        state = self.state
        state.seen = max(state.seen, message.ballot)
        if message.asked != state.ballot or not isinstance(state.role, Leader | Preparing):
            return
        if message.ballot > state.ballot:
            state.note("preempted", by=message.ballot)
            self._become_follower(state.ballot, None)
            self.elections.back_off()
        elif isinstance(state.role, Preparing):
            state.role.refusals.add(sender)
            if self.elections.has_lost(state.role.refusals):
                self._become_follower(state.ballot, None)
                self.elections.restart_timer_quickly()

    def unreachable(self, peer: NodeId) -> None:
        match self.state.role:
            case Follower(leader=leader) if leader == peer:
                self.elections.leader_lost()
            case Leader() as me:
                self.leading.on_unreachable(me, peer)

    def synced(self, serial: int) -> None:
        state = self.state
        durable = state.synced(serial)
        role = state.role
        if isinstance(role, Leader):
            self.proposals.own_votes(role, durable)
        elif isinstance(role, Preparing):
            self._on_promises(role)

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
        elif me.unchosen_bytes + size > options.unchosen_bytes_max:
            state.refuse(token, Reason.OVERLOADED, state.node)
        else:
            me.unchosen_bytes += size
            me.waiting.append((token, data))

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
        if not state.rules.may_compact(snapshot, options.alpha):
            state.note("snapshot_inside_window", index=snapshot.index, configuration=snapshot.configuration.index)
            return
        state.snapshot = state.out.snapshot = snapshot
        log.compact(log.keep_from(snapshot.index, options.margin_entries, options.margin_bytes))
        state.note("compacted", index=snapshot.index, first=log.first)

    def received(self, sender: NodeId, snapshot: Snapshot) -> None:
        if isinstance(self.state.role, Leader):
            return  # a leader lacks nothing
        if self.acceptor.install(snapshot):
            # The snapshot covers all that was chosen here and not yet given out.
            self.turn.handed = self.state.commit

    def transferred(self, to: NodeId, snapshot: Snapshot, ok: bool) -> None:
        if isinstance(self.state.role, Leader):
            self.leading.on_transferred(self.state.role, to, snapshot.index, ok=ok)
        self.acceptor.on_transferred(to, ok=ok)

    # Becoming leader

    def _on_timeout(self) -> None:
        """No leader was heard for an election timeout, or shortly after its connection broke."""
        elections = self.elections
        elections.heard = None
        if not elections.may_prepare():
            self._become_follower(self.state.ballot, None)
            elections.restart_timer_quickly()
        elif self.rules.asks_before_preparing():
            self._become_asking()
        else:
            self._become_preparing(hand_over=False)

    def _yield(self) -> None:
        """Another asks for the same, with the better claim: stand back for one attempt."""
        self._become_follower(self.state.ballot, None)
        self.elections.yielded = True
        self.elections.restart_timer_quickly()

    def _on_ask_reply(self, sender: NodeId, message: AskReply) -> None:
        state, me = self.state, self.state.role
        state.seen = max(state.seen, message.ballot)
        if not isinstance(me, Asking) or message.asked != state.ballot:
            return
        if message.granted:
            me.votes[sender] = me.votes.get(sender, 0) + 1
            if self.elections.has_won(me):
                self._become_preparing(hand_over=False)
        else:
            me.refusals.add(sender)
            if self.elections.has_lost(me.refusals):
                self._become_follower(state.ballot, None)
                self.elections.restart_timer_quickly()

    def _on_promises(self, me: Preparing) -> None:
        """Look again, whenever a report arrived or our own promise became durable: a leader's own promise is among the quorum,
        so that whatever it sends is under a ballot that is durable here."""
        state = self.state
        # A long report comes in parts; each that arrives is progress.
        self.elections.await_outcome()
        self.prepares.own_promise(me.phase)
        self.prepares.ask_acceptors(me)
        if not state.decides(state.present):
            self._become_follower(state.ballot, None)  # what the reports showed to be chosen leaves us out
        elif state.node in me.phase.complete and self.prepares.has_quorum(me.phase, state.present):
            self._become_leader(me)

    # Roles change here only

    def _become_follower(self, ballot: int, leader: NodeId | None) -> None:
        state, before, ours = self.state, self.state.role, self.state.ballot
        if ballot != ours:
            state.set_ballot(ballot)
            self.elections.heard = None
        known = before.leader if isinstance(before, Follower) and before.leader else None
        me = state.role = Follower(leader)
        self.acceptor.follow(me)
        if isinstance(before, Leader):
            self.elections.heard = None
            self.proposals.stop(before, ours)
            self.reads.stop_leading()
            state.note("stepped_down")
        if not isinstance(before, Follower):
            self.elections.restart_timer()
        if leader is not None:
            self.handover.leader_known(leader)
        if leader != known or not isinstance(before, Follower):
            state.note("became_follower", leader=leader)

    def _become_asking(self) -> None:
        state = self.state
        me = state.role = Asking()
        self.elections.restart_timer_quickly()
        state.note("asking", commit=state.commit)
        if self.elections.ask(me):
            self._become_preparing(hand_over=False)

    def _become_preparing(self, *, hand_over: bool) -> None:
        state = self.state
        state.set_ballot(next_ballot(state.seen, state.number))
        me = state.role = Preparing(hand_over)
        self.elections.await_outcome()
        state.note("preparing", first=state.commit + 1, hand_over=hand_over)
        self.prepares.begin(me)
        self._on_promises(me)

    def _become_leader(self, before: Preparing) -> None:
        state = self.state
        if self.handover.running is not None:
            self.handover.leader_known(state.node)
        me = state.role = Leader(before.phase, opened=state.commit, heartbeat_at=state.now, governs_from=state.present.index)
        phase = me.phase
        phase.reported = {slot: entry for slot, entry in phase.reported.items() if slot > state.commit}
        self.leading.meet_peers(me)
        self.leading.follow_governing(me)
        self.reads.become_leader()
        state.note("became_leader", first=state.commit + 1, reported=phase.end)

    def take(self) -> Effects | None:
        role = self.state.role
        if isinstance(role, Leader):
            if self.turn.lead(role):
                self.state.note("removed")
                self._become_follower(self.state.ballot, None)
        else:
            self.turn.follow()
        return self.turn.close()
