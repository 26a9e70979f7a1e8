"""The proposer: asks a quorum what may have been chosen, then proposes that, or its own value if it is free to. PMS, section 2.2, P2c.

The rules it keeps: its round is durable before a Prepare leaves, so that a restart never uses a ballot twice; and it proposes
one value per ballot, to everybody.
"""

from collections.abc import Sequence
from random import Random

from quorate.protocols.paxos.messages import NO_BALLOT, Accept, Accepted, Ballot, Prepare, Promise, Refused
from quorate.protocols.quorum import majority

# Waits double up to this many ticks: by then even a crowd of proposers rarely meets.
WAIT_TICKS_MAX = 64

# The first wait is drawn from so many ticks: about what the two phases of a ballot take.
WAIT_TICKS_FIRST = 4


class Proposer:
    """Tries to get `value` chosen, from round `durable_round` + 1 on. `number` is its node's, and no other proposer's.

    With `rng` it waits a random number of ticks after a refusal, twice as many each time: the cure of duels. Without, it bids
    again at once. A node that is not the distinguished proposer simply does not call `begin`. Messages get lost: after a silence,
    call it again.
    """

    def __init__(self, number: int, acceptors: Sequence[str], value: bytes, *, durable_round: int = 0, rng: Random | None = None) -> None:
        self.number = number
        self.acceptors = tuple(acceptors)
        self.value = value
        self.round = durable_round
        self.ballot = NO_BALLOT
        """The ballot that this life began: answers to one of a life before a restart count for nothing."""
        self._rng = rng
        self._promises: dict[str, Promise] = {}
        self._accepted: set[str] = set()
        self._proposal: Accept | None = None
        self._seen = durable_round
        """The highest round heard of, this proposer's own or another's."""
        self._refusals = 0
        self._wait = 0
        self.chosen: bytes | None = None

    def __repr__(self) -> str:
        phase = "done" if self.chosen is not None else 2 if self._proposal else 1 if self.ballot != NO_BALLOT else 0
        return f"<Proposer {self.number} ballot={self.ballot} phase={phase}>"

    def begin(self) -> Prepare:
        """The next ballot. The caller makes `self.round` durable, then sends this to all acceptors."""
        self.round = self._seen = self._seen + 1
        self.ballot = Ballot(self.round, self.number)
        self._promises, self._accepted, self._proposal, self._wait = {}, set(), None, 0
        return Prepare(self.ballot)

    def receive(self, sender: str, message: Promise | Accepted | Refused) -> Prepare | Accept | None:
        """What to send to all acceptors now; as in `begin`, a Prepare only after `self.round` is durable."""
        if self.chosen is not None or message.ballot != self.ballot or sender not in self.acceptors:
            return None  # an answer to a ballot that we have left
        match message:
            case Promise() if self._proposal is None:
                self._promises[sender] = message
                if self._is_quorum(len(self._promises)):
                    self._proposal = Accept(self.ballot, self._value_to_propose())
                    return self._proposal
            case Accepted():
                self._accepted.add(sender)
                if self._is_quorum(len(self._accepted)):
                    self.chosen = message.value
            case Refused() if not self._wait:
                return self._on_refused(message)
        return None

    def tick(self) -> Prepare | None:
        """A tick passed: the next ballot, when the wait after a refusal is over."""
        if self.chosen is None and self._wait:
            self._wait -= 1
            if not self._wait:
                return self.begin()
        return None

    def _is_quorum(self, count: int) -> bool:
        """Any two quorums share an acceptor: it tells the later ballot what the earlier one may have chosen."""
        return count >= majority(len(self.acceptors))

    def _value_to_propose(self) -> bytes:
        """The value accepted in the highest ballot that the quorum has taken part in; one's own if it took part in none."""
        newest = max(self._promises.values(), key=lambda promise: promise.accepted)
        return self.value if newest.value is None else newest.value

    def _on_refused(self, message: Refused) -> Prepare | None:
        self._seen = max(self._seen, message.promised.round)
        if self._rng is None:
            return self.begin()
        self._wait = self._rng.randint(1, min(WAIT_TICKS_FIRST << self._refusals, WAIT_TICKS_MAX))
        self._refusals += 1
        return None
