"""Linearizable reads without a log write: read index, batched; lease reads; reads on followers. For engines whose leader
proves by rounds of heartbeats that it still leads.

A read waits for the commit index at which a heartbeat round *sent after the read arrived* was answered by a quorum; the
leader must know what earlier leaders committed (Ongaro's thesis 6.4). One round is under way for reads at a time: all that
arrive meanwhile share the next. A follower asks its leader for the index and answers by itself. A read always ends:
confirmed, or refused after an election timeout at the latest.
"""

from collections import deque
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

from quorate.protocols.core import COUNTER_BITS, Effects, Message, NodeId, ReadReady, Reason, Token, message


@message(13)
class ReadIndex(Message):
    """Which index must a read wait for? `id` names the request across restarts of the asking node."""

    id: int


@message(14)
class ReadIndexReply(Message):
    """`index` is -1 if the asked node does not lead."""

    id: int
    index: int


class Serving(Protocol):
    """The role of a leader that may serve."""

    first_index: int
    heartbeat_at: int
    round: int
    confirmed_round: int
    round_counting_due: bool


Role = TypeVar("Role", bound=Serving)
Taken = TypeVar("Taken", bound=Serving, contravariant=True)
Given = TypeVar("Given", bound=Serving, covariant=True)


class Rounds(Protocol[Taken]):
    """Who sends a leader's heartbeats and counts the answers."""

    def has_lease(self, me: Taken) -> bool: ...

    def start_round(self, me: Taken, round_: int) -> None: ...

    def count_rounds(self, me: Taken) -> None: ...


class Figures(Protocol):
    """In ticks of the timer."""

    @property
    def waiting_reads_max(self) -> int: ...

    @property
    def election_ticks(self) -> int: ...

    @property
    def read_retry_ticks(self) -> int: ...


class ReadRules(Protocol):
    """The engine's rules, as far as reads go."""

    def may_read(self, commit: int, first_index: int) -> bool: ...

    def read_round(self, last_round: int) -> int: ...


class Reader(Protocol[Given]):
    """The engine's state, as far as reads go."""

    @property
    def node(self) -> NodeId: ...

    @property
    def incarnation(self) -> int: ...

    @property
    def options(self) -> Figures: ...

    @property
    def rules(self) -> ReadRules: ...

    @property
    def leader(self) -> NodeId | None: ...

    @property
    def serving(self) -> Given | None:
        """This node's role if it leads and may serve."""

    @property
    def now(self) -> int: ...

    @property
    def timer(self) -> int: ...

    @property
    def commit(self) -> int: ...

    @property
    def out(self) -> Effects: ...

    def send(self, to: NodeId, message: Message) -> None: ...

    def refuse(self, token: Token, reason: Reason, leader: NodeId | None = None, detail: str = "") -> None: ...


@dataclass(slots=True)
class Waiting:
    """Reads that share one fate."""

    since: int
    """Timer tick of the first."""
    tokens: list[Token] = field(default_factory=list)
    askers: list[tuple[NodeId, int]] = field(default_factory=list)
    """Followers that asked, and the id of their question."""
    round: int = 0
    """On a leader: the round that confirms them."""
    index: int = 0
    confirmed: bool = False
    """Engines in which a confirmed read may still wait for its index mark it."""
    asked_at: int = 0
    """On a follower: when the leader was asked last."""


class Reads(Generic[Role]):
    """All reads of one node that have no answer yet."""

    def __init__(self, state: Reader[Role], rounds: Rounds[Role]) -> None:
        self.state = state
        self.heartbeats = rounds
        self.fresh = Waiting(0)
        """Arrived, but neither given a round nor asked for yet."""
        self.rounds: deque[Waiting] = deque()
        """Leader: waiting for their round, oldest first."""
        self.asked: dict[int, Waiting] = {}
        """Follower: waiting for the leader's answer, by the id of the question."""
        self.asked_count = 0
        self.waiting_count = 0

    def add(self, token: Token, *, lease: bool) -> None:
        """A read of this node's own clients."""
        state = self.state
        role = state.serving
        if role is not None:
            if lease and self.heartbeats.has_lease(role):
                state.out.reads.append(ReadReady(token, state.commit))
                return
        elif state.leader is None or lease:
            state.refuse(token, Reason.NOT_LEADER, state.leader)
            return
        if self.waiting_count >= state.options.waiting_reads_max:
            state.refuse(token, Reason.OVERLOADED, state.leader)
            return
        self._touch_fresh()
        self.fresh.tokens.append(token)
        self.waiting_count += 1

    def _touch_fresh(self) -> None:
        if not self.fresh.tokens and not self.fresh.askers:
            self.fresh.since = self.state.timer

    # On the leader

    def on_read_index(self, sender: NodeId, message: ReadIndex) -> None:
        """A follower asks for its clients."""
        if self.state.serving is None:
            self.state.send(sender, ReadIndexReply(message.id, -1))
        elif self.waiting_count < self.state.options.waiting_reads_max:
            self._touch_fresh()
            self.fresh.askers.append((sender, message.id))
            self.waiting_count += 1

    def serve(self, me: Role) -> None:
        """Answer what is confirmed; start a round if the periodic heartbeat is due, or for reads if none is under way for them."""
        state = self.state
        if me.round_counting_due:
            self._confirm(me)
        due = state.now >= me.heartbeat_at
        fresh = self.fresh
        readable = bool(fresh.tokens or fresh.askers) and state.rules.may_read(state.commit, me.first_index)
        if not due and (not readable or self.rounds):
            return
        round_ = state.rules.read_round(me.round)
        if readable:
            fresh.round, fresh.index = round_, state.commit
            self.rounds.append(fresh)
            self.fresh = Waiting(state.timer)
        self.heartbeats.start_round(me, max(round_, me.round + 1) if due else round_)
        self._confirm(me)

    def _confirm(self, me: Role) -> None:
        self.heartbeats.count_rounds(me)
        while self.rounds and self.rounds[0].round <= me.confirmed_round:
            self._answer(self.rounds.popleft())

    def _answer(self, waiting: Waiting) -> None:
        state = self.state
        index = waiting.index
        self.waiting_count -= len(waiting.tokens) + len(waiting.askers)
        state.out.reads.extend([ReadReady(token, index) for token in waiting.tokens])
        for asker, question in waiting.askers:
            state.send(asker, ReadIndexReply(question, index))

    # On a follower

    def ask(self) -> None:
        """Once a turn: ask the leader for all reads that arrived in it."""
        fresh, leader = self.fresh, self.state.leader
        if not fresh.tokens or leader is None:
            return
        self.asked_count += 1
        # The incarnation keeps an answer meant for a life before the last restart from being taken for a new one.
        question = (self.state.incarnation << COUNTER_BITS) | self.asked_count
        fresh.asked_at = self.state.timer
        self.asked[question] = fresh
        self.fresh = Waiting(self.state.timer)
        self.state.send(leader, ReadIndex(question))

    def on_read_index_reply(self, message: ReadIndexReply) -> None:
        waiting = self.asked.pop(message.id, None)
        if waiting is None:
            return
        if message.index < 0:
            self._refuse(waiting)
        else:
            waiting.index = message.index
            self._answer(waiting)

    # On all

    def tick(self) -> None:
        """Ask again where an answer is late; refuse what waited for an election timeout."""
        if not self.waiting_count:
            return
        state, options = self.state, self.state.options
        limit = state.timer - options.election_ticks
        for question, waiting in list(self.asked.items()):
            if waiting.since <= limit:
                del self.asked[question]
                self._refuse(waiting)
            elif state.timer - waiting.asked_at >= options.read_retry_ticks and state.leader is not None:
                waiting.asked_at = state.timer
                state.send(state.leader, ReadIndex(question))
        while self.rounds and self.rounds[0].since <= limit:
            self._refuse(self.rounds.popleft())
        if (self.fresh.tokens or self.fresh.askers) and self.fresh.since <= limit:
            self._refuse(self.fresh)
            self.fresh = Waiting(state.timer)

    def become_leader(self) -> None:
        """What was asked of others is our own to answer now."""
        for waiting in self.asked.values():
            self._touch_fresh()
            self.fresh.tokens.extend(waiting.tokens)
        self.asked.clear()

    def stop_leading(self) -> None:
        """Nothing here can be confirmed any more."""
        for waiting in (*self.rounds, self.fresh):
            self._refuse(waiting)
        self.rounds.clear()
        self.fresh = Waiting(self.state.timer)

    def _refuse(self, waiting: Waiting) -> None:
        state = self.state
        leader = state.leader if state.leader != state.node else None
        self.waiting_count -= len(waiting.tokens) + len(waiting.askers)
        for token in waiting.tokens:
            state.refuse(token, Reason.NOT_LEADER, leader)
        for asker, question in waiting.askers:
            state.send(asker, ReadIndexReply(question, -1))
