"""Proposer: send own values straight to the acceptors, and again where they lost, until they are chosen.

A value is sent for one fast round at a time. It lost when all slots below a later round's first are known to be chosen and it is in none
of them: nothing that was voted for earlier can choose it any more, so it may be sent again (rules.py, may_propose_again).
"""

from collections.abc import Iterable
from dataclasses import dataclass

from quorate.protocols.core import Entry, Kind, Reason, Token
from quorate.protocols.fastpaxos.messages import Values
from quorate.protocols.fastpaxos.stage import Stage
from quorate.protocols.fastpaxos.state import FastState
from quorate.protocols.fastpaxos.voting import FastVoting
from quorate.protocols.log import HEADER_SIZE, pack, packed_size

# A value that found no place for so many election timeouts is given up; what becomes of it is uncertain.
GIVE_UP_TIMEOUTS = 10


@dataclass(slots=True)
class Pending:
    """A value of this node that is not chosen yet, as far as it knows."""

    data: bytes
    since: int
    sent_for: tuple[int, int] | None = None
    """The round, as (ballot, stage), for which it was sent last."""
    sent_at: int = 0


class Proposer:
    """Values that this node took in for fast rounds. Leaders' own in classic rounds are Multi-Paxos's."""

    def __init__(self, state: FastState, voting: FastVoting) -> None:
        self.state = state
        self.voting = voting
        self.pending: dict[Token, Pending] = {}
        self.bytes = 0
        self._looked_for: tuple[int, int] | None = None
        self._look_at = 0
        self._fresh: list[Token] = []

    def add(self, data: bytes, token: Token) -> None:
        size = len(data) + HEADER_SIZE
        if self.bytes + size > self.state.options.unchosen_bytes_max:
            self.state.refuse(token, Reason.OVERLOADED, self.state.leader)
            return
        self.bytes += size
        self.pending[token] = Pending(data, self.state.timer)
        self._fresh.append(token)

    def settle(self) -> None:
        """Forget what was chosen."""
        if self.voting.chosen:
            for origin in self.voting.chosen:
                self._drop(origin)
            self.voting.chosen.clear()

    def pass_over(self) -> None:
        """A snapshot stands for slots in which any of them may be: uncertain."""
        self.pending.clear()
        self._fresh.clear()
        self.bytes = 0

    def _drop(self, token: Token) -> None:
        pending = self.pending.pop(token, None)
        if pending is not None:
            self.bytes -= len(pending.data) + HEADER_SIZE

    def due(self, stage: Stage) -> list[Token]:
        """What is to be sent in this turn: what is new; and now and then all that is late, or was sent for an earlier round."""
        state, current = self.state, (stage.ballot, stage.number)
        fresh, self._fresh = self._fresh, []
        if current == self._looked_for and state.timer < self._look_at:
            return [token for token in fresh if token in self.pending]
        due: list[Token] = []
        lost = state.fast_rules.may_propose_again(state.commit, stage.first)
        for token, one in list(self.pending.items()):
            if state.timer - one.since >= GIVE_UP_TIMEOUTS * state.options.election_ticks:
                self._drop(token)
                state.note("value_given_up", origin=token)
            elif one.sent_for == current:
                if state.timer - one.sent_at >= state.figures.repropose_ticks:
                    due.append(token)
            elif one.sent_for is None or lost:
                if one.sent_for is not None:
                    state.note("value_proposed_again", origin=token)
                due.append(token)
        self._look_at = state.timer + max(1, state.figures.repropose_ticks // 2)
        # Until what lost may be sent, every turn looks again.
        self._looked_for = current if lost else None
        return due

    def flush(self) -> None:
        """Once a turn."""
        state, stage = self.state, self.voting.stage
        if not self.pending or stage is None or (state.serving is not None and not stage.is_fast):
            return
        tokens = self.due(stage)
        if not stage.is_fast:
            self._flush_classic(stage, tokens)
            return
        values = self.take(stage, tokens)
        if not values:
            return
        for message in self._messages(stage, values):
            for name in sorted(state.present.voters - {state.node}):
                state.send(name, message)
        self.voting.vote(values)

    def _flush_classic(self, stage: Stage, tokens: list[Token]) -> None:
        """No fast round: the leader gives a slot to what was sent before. What never left is refused."""
        state = self.state
        for token in [token for token in tokens if self.pending[token].sent_for is None]:
            self._drop(token)
            state.refuse(token, Reason.NOT_LEADER, state.leader)
        values = self.take(stage, [token for token in tokens if token in self.pending])
        if values and state.leader is not None and state.leader != state.node:
            for message in self._messages(stage, values):
                state.send(state.leader, message)

    def take(self, stage: Stage, tokens: Iterable[Token]) -> list[Entry]:
        """These values, as sent for this round now."""
        values: list[Entry] = []
        for token in tokens:
            one = self.pending[token]
            one.sent_for, one.sent_at = (stage.ballot, stage.number), self.state.timer
            values.append(Entry(0, stage.ballot, token, Kind.COMMAND, one.data))
        return values

    def _messages(self, stage: Stage, values: list[Entry]) -> list[Values]:
        parts: list[list[Entry]] = [[]]
        size = 0
        for value in values:
            size += packed_size(value)
            if parts[-1] and size > self.state.options.accept_bytes_max:
                parts.append([])
                size = packed_size(value)
            parts[-1].append(value)
        return [Values(stage.ballot, stage.number, stage.first, stage.through, pack(part)) for part in parts]
