"""Elections: when a node may try, whom it votes for, and what it owes the leader it hears.

Votes: first come, first served, one per term, to logs at least as up to date (thesis 3.4, 3.6.1). Pre-vote, stickiness and
check-quorum keep a node that lost the leader alone from deposing it (4.2.3, 6.2, 9.6). Two clocks are at work:
- stickiness is a matter of taste: it ends when the connection to the leader breaks, and may end early at no risk;
- the promise to the leader's lease is a matter of safety: whatever happens, no vote before it is over (6.4.1).
Priorities follow JRaft: who ranks lower stands back, less with each timeout.
"""

from typing import Generic

from quorate.protocols.core import NodeId
from quorate.protocols.quorum import majority
from quorate.protocols.terms.ballots import PreVote, PreVoteReply, Vote, VoteReply
from quorate.protocols.terms.options import NEVER_ELECTED
from quorate.protocols.terms.roles import Candidate, Leader, Peer, PreCandidate
from quorate.protocols.terms.state import Figures, Follows, RuleSet, TermState

# JRaft lets the target fall by at least this much, or by a fifth of it.
PRIORITY_STEP_MIN = 10
PRIORITY_STEP_PART = 5
# A quick election waits this many of the longest quick delays for its outcome: two disk syncs and a round trip fit.
QUICK_ELECTION_DELAYS = 4


class Elections(Generic[Figures, RuleSet, Follows, Peer]):
    """Timers, votes and promises of one node."""

    def __init__(self, state: TermState[Figures, RuleSet, Follows, Peer]) -> None:
        self.state = state
        self.since = 0
        """Timer tick from which the timeout counts."""
        self.timeout = 0
        self.heard: int | None = None
        """Timer tick of the last message of a leader; None once that leader is believed lost."""
        self.promised_until = state.rules.promised_at_start(state.restarted, state.options.promise_ticks)
        """In elapsed ticks: no vote before."""
        self.promise_fresh = False
        """A leader was answered since the last tick: how late it is now will show with the next."""
        self.quick_tries = 0
        self.target_priority = state.options.target_priority
        self.yielded = False
        self.restart_timer()
        if state.options.starts_quickly:
            self.quick_tries = state.options.failover_tries
            self.restart_timer_quickly()

    # Timers

    def restart_timer(self) -> None:
        """Count a whole, randomised election timeout from now (3.4)."""
        options = self.state.options
        self.since = self.state.timer
        self.timeout = options.election_ticks + self.state.rng.randrange(options.election_ticks)

    def restart_timer_quickly(self) -> None:
        """Try again soon while quick attempts are left: the leader's connection broke, or two candidates collided."""
        if self.quick_tries == 0:
            self.restart_timer()
            return
        self.quick_tries -= 1
        self.since = self.state.timer
        self.timeout = self.promise_left() + self._quick_delay()

    def await_outcome(self) -> None:
        """Give an election under way, our own or one we voted in, time to end: its votes are being synced."""
        self.restart_timer()
        if self.quick_tries:
            self.timeout = self.promise_left() + QUICK_ELECTION_DELAYS * self.state.options.failover_ticks_max + self._quick_delay()

    def _quick_delay(self) -> int:
        options = self.state.options
        return self.state.rng.randint(options.failover_ticks_min, options.failover_ticks_max)

    def tick(self) -> bool:
        """A tick passed. Whether the election timeout is over."""
        state = self.state
        if self.promise_fresh:
            # Counted from here, not from the arrival: a message read after a stall is younger than our clock says.
            self.promise_fresh = False
            self.promised_until = max(self.promised_until, state.now + state.options.promise_ticks)
        return state.timer - self.since >= self.timeout

    # The leader's claim on this node

    def leader_heard(self) -> None:
        """A message of the current leader arrived: it is alive, and the answer is a promise to its lease."""
        if self.heard is None:
            self.quick_tries = 0
            self.restart_timer()
            self.yielded = False
            self.target_priority = self.state.options.target_priority
        self.heard = self.since = self.state.timer
        self.promise_fresh = True

    def leader_lost(self) -> None:
        """The connection to the leader broke. A dead process closes its connections at once: ask around soon, and
        stick to it no longer. The promise to its lease stays."""
        self.heard = None
        self.quick_tries = self.state.options.failover_tries
        left = self.since + self.timeout - self.state.timer
        self.since = self.state.timer
        self.timeout = min(left, self.promise_left() + self._quick_delay())

    def is_sticky(self) -> bool:
        """Whether this node hears a leader, by its own view."""
        state = self.state
        if isinstance(state.role, Leader):
            return state.rules.sticks_to_leader(0, state.options.election_ticks)
        return self.heard is not None and state.rules.sticks_to_leader(state.timer - self.heard, state.options.election_ticks)

    def promise_left(self) -> int:
        """Ticks until the promise to the last leader's lease is over: no vote before, not for oneself either."""
        state = self.state
        until = state.now + state.options.promise_ticks if self.promise_fresh else self.promised_until
        return until - state.now if state.rules.keeps_promise(state.now, until) else 0

    def is_bound(self) -> bool:
        return self.promise_left() > 0

    def ignores(self, vote: Vote) -> bool:
        """A vote request that is not even looked at, its term neither; unless the leader itself caused it."""
        return not vote.hand_over and (self.is_sticky() or self.is_bound())

    # Trying

    def may_campaign(self, *, hand_over: bool = False) -> bool:
        """Whether this node could lead: a voter of the configuration in force, not excluded, bound to no lease.

        The configuration in force is always the log's latest, so there is no unapplied one to campaign with.
        """
        state = self.state
        latest = state.configuration
        # A voter that its latest configuration leaves out may be the only one to hold it: until that commits, it must
        # be able to lead, not counting itself (4.2.2). Changes are alone, so the one before the latest is committed,
        # whether this node knows it or not: after a restart it knows no commit index, and a joiner's first is empty.
        node, disk = state.node, state.options.storage
        voter = latest.has_voter(node, disk) or (latest.index > state.commit and state.configurations[-2].has_voter(node, disk))
        if not voter or state.options.priority == NEVER_ELECTED:
            return False
        return hand_over or not self.is_bound()

    def outranks(self) -> bool:
        """JRaft: whether this node's priority reaches the target, which falls with each timeout, never below 1."""
        options = self.state.options
        if options.priority < NEVER_ELECTED or options.priority >= self.target_priority:
            return True
        step = max(PRIORITY_STEP_MIN, self.target_priority // PRIORITY_STEP_PART)
        self.target_priority = max(1, self.target_priority - step)
        return False

    def position(self) -> tuple[int, int]:
        """(last term, last index): what logs are compared by."""
        return self.state.log.last_term, self.state.log.last

    def ask_pre_votes(self, me: PreCandidate) -> bool:
        """Ask all other voters. Whether nobody else need be asked."""
        state = self.state
        last_term, last_index = self.position()
        message = PreVote(state.term, last_index, last_term, state.options.priority)
        for name in sorted(state.configuration.voters - {state.node}):
            state.send(name, message)
        me.votes[state.node] = 1
        return self.has_won(me)

    def ask_votes(self, me: Candidate) -> None:
        """Ask all other voters, once term, vote and log are durable: a request that outlived them would win votes, for what
        this node lost in a crash, in a term that it would then enter a second time."""
        state = self.state
        last_term, last_index = self.position()
        message = Vote(state.term, last_index, last_term, me.hand_over)
        for name in sorted(state.configuration.voters - {state.node}):
            if state.rules.asks_after_sync():
                state.send_after_sync(name, message)
            else:
                state.send(name, message)

    def has_won(self, me: PreCandidate | Candidate) -> bool:
        configuration = self.state.configuration
        return self.state.rules.count_votes(me.votes, configuration) >= majority(len(configuration.voters))

    def has_lost(self, me: PreCandidate | Candidate) -> bool:
        """A majority refused: waiting longer is of no use."""
        voters = self.state.configuration.voters
        return len(me.refusals & voters) >= majority(len(voters))

    def count(self, me: PreCandidate | Candidate, sender: NodeId, *, granted: bool) -> None:
        """Note one answer."""
        if granted:
            me.votes[sender] = me.votes.get(sender, 0) + 1
        else:
            me.refusals.add(sender)

    # Answering

    def on_pre_vote(self, sender: NodeId, message: PreVote) -> bool:
        """Answer as one would a vote in term + 1, without changing anything. Whether to yield to the sender."""
        state = self.state
        granted = (
            message.term >= state.term
            and state.rules.is_up_to_date((message.last_term, message.last_index), self.position())
            and not self.is_sticky()
            and not self.is_bound()
        )
        reply = PreVoteReply(state.term, message.term, granted)
        if state.promise_durable:
            state.send(sender, reply)
        else:
            state.send_after_sync(sender, reply)
        return granted and self._yields_to(sender, message)

    def _yields_to(self, sender: NodeId, message: PreVote) -> bool:
        """Two who ask at once would split the votes: the lesser stands back, but never twice in a row, since the other
        may be one that can speak but not hear."""
        state = self.state
        if not isinstance(state.role, PreCandidate) or self.yielded:
            return False
        ours = (*self.position(), state.options.priority, state.node)
        return (message.last_term, message.last_index, message.priority, sender) > ours

    def on_vote(self, sender: NodeId, message: Vote) -> bool:
        """The request is of our term. Whether we vote for the sender."""
        state = self.state
        granted = (
            state.rules.may_grant(state.vote, sender)
            and state.rules.is_up_to_date((message.last_term, message.last_index), self.position())
            and not self.ignores(message)
        )
        if granted and state.vote != sender:
            state.vote = sender
            state.unsaved = True
            self.await_outcome()
            state.note("voted", candidate=sender)
        # Before the sync this vote is a rumour.
        state.send_after_sync(sender, VoteReply(state.term, granted))
        return granted
