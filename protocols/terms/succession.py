"""Succession: from a leader that is lost to the next one. Roles change here only.

Raft's elections (Ongaro's thesis 3.4, 3.10, 9.6), which KIP-595 and KIP-996 took over for KRaft. Rule kept here: a leader exists only with
a durable term, so whatever it sends is under a term and a vote that survive a crash.
"""

from collections.abc import Callable
from typing import Generic

from quorate.protocols.core import NO_ORIGIN, Kind, NodeId
from quorate.protocols.reads import Reads
from quorate.protocols.terms.ballots import PreVoteReply
from quorate.protocols.terms.election import Elections
from quorate.protocols.terms.handover import Handover
from quorate.protocols.terms.office import Office
from quorate.protocols.terms.options import NEVER_ELECTED
from quorate.protocols.terms.roles import Candidate, Leader, Peer, PreCandidate
from quorate.protocols.terms.state import Figures, Follows, RuleSet, TermState


class Succession(Generic[Figures, RuleSet, Follows, Peer]):
    """The beginnings of roles, and what leads from one to the next."""

    def __init__(
        self,
        state: TermState[Figures, RuleSet, Follows, Peer],
        elections: Elections[Figures, RuleSet, Follows, Peer],
        office: Office[Figures, RuleSet, Follows, Peer],
        handover: Handover[Figures, RuleSet, Follows, Peer],
        reads: Reads[Leader[Peer]],
        follower: Callable[[NodeId | None], Follows],
    ) -> None:
        """`follower` makes the engine's follower of a leader, or of nobody."""
        self.state = state
        self.elections = elections
        self.office = office
        self.handover = handover
        self.reads = reads
        self.follower = follower
        self.led_terms: set[int] = set()
        """Terms that this incarnation led: what it proposed in them is its own."""

    # What leads to an election

    def tick(self) -> bool:
        """A tick passed. Whether this leader must leave: no quorum answers it."""
        timed_out = self.elections.tick()
        self.reads.tick()
        self.handover.tick()
        role = self.state.role
        if isinstance(role, Leader):
            return self.office.has_lost_quorum(role)
        if timed_out:
            self.on_timeout()
        return False

    def on_timeout(self) -> None:
        """No leader was heard for an election timeout, or shortly after its connection broke."""
        elections = self.elections
        elections.heard = None
        if not elections.may_campaign() or not elections.outranks():
            self.become_follower(self.state.term, None)
            elections.restart_timer_quickly()
        elif self.state.rules.asks_before_campaigning():
            self.become_precandidate()
        else:
            self.become_candidate(hand_over=False)

    def on_dismissed(self) -> None:
        """The leader hands over to this node."""
        if self.elections.may_campaign(hand_over=True):
            self.become_candidate(hand_over=True)
        elif self.state.options.priority == NEVER_ELECTED:
            self.state.note("transfer_declined")

    def on_synced(self, serial: int) -> None:
        """All batches up to `serial` are durable, our own vote perhaps among them."""
        state = self.state
        state.synced_serial = max(state.synced_serial, serial)
        more = state.log.synced(serial)
        role = state.role
        if isinstance(role, Leader):
            role.counting_due = role.counting_due or more
        elif isinstance(role, Candidate):
            self.on_votes(role)

    def follow(self, leader: NodeId) -> None:
        """A message of our term from its leader."""
        following = self.state.following
        if following is None or following.leader != leader:
            assert following is None or following.leader is None, f"two leaders of one term: {following} and {leader}"
            self.become_follower(self.state.term, leader)
        self.elections.leader_heard()

    def stand_back(self) -> None:
        """Another asks for the same, with the better claim: stand back for one attempt."""
        self.become_follower(self.state.term, None)
        self.elections.yielded = True
        self.elections.restart_timer_quickly()

    def on_pre_vote_reply(self, me: PreCandidate, sender: NodeId, message: PreVoteReply) -> None:
        if message.term > self.state.term and not message.granted:
            self.become_follower(message.term, None)
            self.elections.restart_timer_quickly()
            return
        self.elections.count(me, sender, granted=message.granted)
        if self.elections.has_won(me):
            self.become_candidate(hand_over=False)
        elif self.elections.has_lost(me):
            self.become_follower(self.state.term, None)
            self.elections.restart_timer_quickly()

    def on_votes(self, me: Candidate) -> None:
        """Count, whenever a vote arrived or our own became durable: a leader's own vote is among the majority, so that
        whatever it sends is under a term that is durable here."""
        state = self.state
        if state.rules.own_vote_counts(durable=state.promise_durable):
            me.votes[state.node] = 1
            if self.elections.has_won(me):
                self.become_leader()
                return
        if self.elections.has_lost(me):
            self.become_follower(state.term, None)
            self.elections.restart_timer_quickly()

    # Roles

    def become_follower(self, term: int, leader: NodeId | None) -> None:
        state, before = self.state, self.state.role
        known = state.leader
        if term > state.term:
            state.set_term(term, "")
            self.elections.heard = None
        state.role = self.follower(leader)
        if isinstance(before, Leader):
            known = None
            self.elections.heard = None
            self.reads.stop_leading()
            state.note("stepped_down")
        was_other = isinstance(before, Leader | Candidate | PreCandidate)
        if was_other:
            self.elections.restart_timer()
        if leader is not None:
            self.handover.leader_known(leader)
        if leader != known or was_other:
            state.note("became_follower", leader=leader)

    def become_precandidate(self) -> None:
        state = self.state
        me = state.role = PreCandidate()
        self.elections.restart_timer_quickly()
        state.note("pre_vote", last=state.log.last)
        if self.elections.ask_pre_votes(me):
            self.become_candidate(hand_over=False)

    def become_candidate(self, *, hand_over: bool) -> None:
        state = self.state
        state.set_term(state.term + 1, state.node)
        me = state.role = Candidate(hand_over)
        self.elections.await_outcome()
        state.note("campaign", last=state.log.last, hand_over=hand_over)
        self.elections.ask_votes(me)
        self.on_votes(me)

    def become_leader(self) -> None:
        state, log = self.state, self.state.log
        assert isinstance(state.role, Candidate), state
        if self.handover.running is not None:
            self.handover.leader_known(state.node)
        me: Leader[Peer] = Leader(first_index=log.last + 1, heartbeat_at=state.now)
        state.role = me
        self.office.meet_peers(me)
        self.led_terms = {term for term in self.led_terms if term > (log.term_at(state.commit) or 0)} | {state.term}
        if state.rules.opens_term_with_noop():
            log.add(state.term, NO_ORIGIN, Kind.NOOP, b"")
        self.reads.become_leader()
        state.note("became_leader", first=me.first_index)
