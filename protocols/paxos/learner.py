"""The learner: knows a value as chosen when a quorum of acceptors accepted it in one and the same ballot. PMS, section 2.3.

The rule it keeps: votes of different ballots are never added up, not even for the same value, and each acceptor counts once.
"""

from quorate.protocols.paxos.messages import Accepted, Ballot
from quorate.protocols.quorum import majority


class Learner:
    """`chosen` is None until it knows."""

    def __init__(self, acceptors: int) -> None:
        self._quorum = majority(acceptors)
        self._votes: dict[Ballot, set[str]] = {}
        self.chosen: bytes | None = None

    def receive(self, sender: str, message: Accepted) -> None:
        votes = self._votes.setdefault(message.ballot, set())
        votes.add(sender)
        if len(votes) >= self._quorum:
            assert self.chosen in (None, message.value), f"chosen twice: {self.chosen!r}, then {message}"
            self.chosen = message.value
