"""What proposers, acceptors and learners say to each other. PMS, section 2.2.

The rule it keeps: ballots are totally ordered and no two proposers ever share one, for the node's number is part of it.
"""

from dataclasses import dataclass
from typing import NamedTuple


class Ballot(NamedTuple):
    """Compared by round first, then by node: the same round of two nodes is two ballots."""

    round: int
    node: int

    def __str__(self) -> str:
        return f"{self.round}.{self.node}"


NO_BALLOT = Ballot(0, 0)
"""Below every ballot that a proposer uses."""


@dataclass(frozen=True, slots=True)
class Prepare:
    ballot: Ballot


@dataclass(frozen=True, slots=True)
class Promise:
    """`accepted` is NO_BALLOT, and `value` None, where nothing was accepted yet."""

    ballot: Ballot
    accepted: Ballot
    value: bytes | None


@dataclass(frozen=True, slots=True)
class Accept:
    ballot: Ballot
    value: bytes


@dataclass(frozen=True, slots=True)
class Accepted:
    ballot: Ballot
    value: bytes


@dataclass(frozen=True, slots=True)
class Refused:
    """`ballot` came too late: `promised` is what stands in its way."""

    ballot: Ballot
    promised: Ballot
