"""When a node may prepare a ballot, whom it promises one, and what it owes the leader it hears.

Paxos lets anybody prepare at any time; that alone is a livelock of duelling proposers. So: a node asks before it prepares (thesis 9.6),
who hears a leader refuses (4.2.3), and who was preempted waits for a random time that doubles. Two clocks are at work, as in Raft:
- stickiness is a matter of taste: it ends when the connection to the leader breaks, and may end early at no risk;
- the promise to the leader's lease is a matter of safety: whatever happens, no promise to another before it is over (6.4.1).
"""

from quorate.protocols.core import NodeId
from quorate.protocols.multipaxos.acceptor import Acceptor
from quorate.protocols.multipaxos.messages import Ask, AskReply
from quorate.protocols.multipaxos.roles import Asking, Leader
from quorate.protocols.multipaxos.state import State
from quorate.protocols.quorum import granted_count, majority

# A quick attempt waits this many of the longest quick delays for its outcome: two disk syncs and a round trip fit.
QUICK_ATTEMPT_DELAYS = 4
# The random delay doubles up to this many times.
BACKOFF_DOUBLINGS_MAX = 5


class Elections:
    """Timers, promises to leases, and questions of one node."""

    def __init__(self, state: State, acceptor: Acceptor) -> None:
        self.state = state
        self.acceptor = acceptor
        self.since = 0
        """Timer tick from which the timeout counts."""
        self.timeout = 0
        self.heard: int | None = None
        """Timer tick of the last message of a leader; None once that leader is believed lost."""
        self.promised_until = state.rules.promised_at_start(state.restarted, state.options.promise_ticks)
        """In elapsed ticks: no promise to anybody else before."""
        self.promise_fresh = False
        """A leader was answered since the last tick: how late it is now will show with the next."""
        self.quick_tries = 0
        self.preemptions = 0
        """In a row, since a leader was heard."""
        self.yielded = False
        self.reported_at: int | None = None
        """Timer tick at which a further part of a long report came or went."""
        self.restart_timer()
        if state.options.starts_quickly:
            self.quick_tries = state.options.quick_tries
            self.restart_timer_quickly()

    # Timers

    def restart_timer(self) -> None:
        """Count a whole, randomised election timeout from now."""
        options = self.state.options
        self.since = self.state.timer
        self.timeout = options.election_ticks + self.state.rng.randrange(options.election_ticks)

    def restart_timer_quickly(self) -> None:
        """Try again soon while quick attempts are left: the leader's connection broke, or two have met."""
        if self.quick_tries == 0:
            self.restart_timer()
            return
        self.quick_tries -= 1
        self.since = self.state.timer
        self.timeout = self.promise_left() + self._delay()

    def await_outcome(self) -> None:
        """Give a ballot that is being prepared, our own or one we promised, time to win: promises are being synced."""
        self.restart_timer()
        if self.quick_tries:
            self.timeout = self.promise_left() + QUICK_ATTEMPT_DELAYS * self.state.options.backoff_ticks_max + self._delay()

    def back_off(self) -> None:
        """Another has prepared a higher ballot: leave it time to win. Duelling proposers must not go on at one pace."""
        self.preemptions = min(self.preemptions + 1, BACKOFF_DOUBLINGS_MAX)
        self.restart_timer_quickly()

    def _delay(self) -> int:
        options = self.state.options
        return self.state.rng.randint(options.backoff_ticks_min, options.backoff_ticks_max << self.preemptions)

    def tick(self) -> bool:
        """A tick passed. Whether the timeout is over."""
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
            self.quick_tries = self.preemptions = 0
            self.restart_timer()
            self.yielded = False
        self.heard = self.since = self.state.timer
        self.promise_fresh = True

    def leader_lost(self) -> None:
        """The connection to the leader broke. A dead process closes its connections at once: ask around soon, and
        stick to it no longer. The promise to its lease stays."""
        self.heard = None
        self.quick_tries = self.state.options.quick_tries
        left = self.since + self.timeout - self.state.timer
        self.since = self.state.timer
        self.timeout = min(left, self.promise_left() + self._delay())

    def is_sticky(self) -> bool:
        """Whether this node hears a leader, by its own view."""
        state = self.state
        if isinstance(state.role, Leader):
            return state.rules.sticks_to_leader(0, state.options.election_ticks)
        return self.heard is not None and state.rules.sticks_to_leader(state.timer - self.heard, state.options.election_ticks)

    def report_moved(self) -> None:
        """A ballot is being prepared whose reports come in parts."""
        self.reported_at = self.state.timer

    def is_reporting(self) -> bool:
        """Whether a long report is under way: whoever else prepared now would have to begin it anew, and be overtaken in turn."""
        return self.reported_at is not None and self.state.timer - self.reported_at < self.state.options.election_ticks // 2

    def promise_left(self) -> int:
        """Ticks until the promise to the last leader's lease is over: no other ballot before, not our own either."""
        state = self.state
        until = state.now + state.options.promise_ticks if self.promise_fresh else self.promised_until
        return until - state.now if state.rules.keeps_promise(state.now, until) else 0

    def ignores(self, *, hand_over: bool) -> bool:
        """Whether a higher ballot is not even looked at; unless the leader itself caused it."""
        return not hand_over and (self.is_sticky() or self.promise_left() > 0)

    # Asking

    def may_prepare(self, *, hand_over: bool = False) -> bool:
        """Whether this node could lead: an acceptor of the next slot, bound to no lease."""
        state = self.state
        ours = state.decides(state.present) and state.present.has_voter(state.node, state.options.storage)
        return ours and (hand_over or not self.promise_left())

    def ask(self, me: Asking) -> bool:
        """Ask all other acceptors. Whether nobody else need be asked."""
        state = self.state
        message = Ask(state.ballot, state.commit)
        for name in sorted(state.present.voters - {state.node}):
            state.send(name, message)
        me.votes[state.node] = 1
        return self.has_won(me)

    def has_won(self, me: Asking) -> bool:
        voters = self.state.present.voters
        return granted_count(me.votes, voters) >= majority(len(voters))

    def has_lost(self, refusals: set[NodeId]) -> bool:
        """A majority refused: waiting longer is of no use."""
        voters = self.state.present.voters
        return len(refusals & voters) >= majority(len(voters))

    def on_ask(self, sender: NodeId, message: Ask) -> bool:
        """Answer as one would a Prepare, without changing anything. Whether to yield to the sender."""
        state = self.state
        free = not self.ignores(hand_over=False) and not self.is_reporting()
        able = state.rules.can_report(message.commit + 1, state.log.base)
        granted = free and able
        if free and not able:
            self.acceptor.help(sender)
        reply = AskReply(state.ballot, message.asked, granted)
        if state.promise_durable:
            state.send(sender, reply)
        else:
            state.send_after_sync(sender, reply)
        return granted and self._yields_to(sender, message)

    def _yields_to(self, sender: NodeId, message: Ask) -> bool:
        """Two who ask at once would duel: the lesser stands back, but never twice in a row, since the other may be one that
        can speak but not hear."""
        state = self.state
        if not isinstance(state.role, Asking) or self.yielded:
            return False
        return (message.commit, sender) > (state.commit, state.node)
