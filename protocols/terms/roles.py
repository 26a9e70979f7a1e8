"""The roles of a node, but for the follower, whose work is each engine's own. Each holds only its own state, so that a follower
cannot have votes."""

from collections import deque
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

from quorate.protocols.core import NodeId
from quorate.protocols.progress import CatchUp


class Following(Protocol):
    """The least that a follower knows."""

    leader: NodeId | None


class Known(Protocol):
    """The least that a leader knows of a peer."""

    match: int
    """Its log equals ours up to there, durably."""
    heard: int
    """Timer tick of its last message."""
    acked_round: int
    catch_up: CatchUp

    @property
    def state(self) -> str:
        """The engine's word for how it is fed."""


Peer = TypeVar("Peer", bound=Known)


@dataclass(slots=True)
class PreCandidate:
    """Asks whether an election could be won, in no new term."""

    votes: dict[NodeId, int] = field(default_factory=dict)
    """How often each node's grant arrived."""
    refusals: set[NodeId] = field(default_factory=set)


@dataclass(slots=True)
class Candidate:
    hand_over: bool
    votes: dict[NodeId, int] = field(default_factory=dict)
    """Its own is missing until it is durable."""
    refusals: set[NodeId] = field(default_factory=set)


@dataclass(slots=True)
class Leader(Generic[Peer]):
    first_index: int
    """Where its own term begins: nothing is committed by counting below it."""
    heartbeat_at: int
    """When the next periodic round is due, in elapsed ticks."""
    peers: dict[NodeId, Peer] = field(default_factory=dict)
    round: int = 0
    """The last round sent."""
    rounds_sent: deque[tuple[int, int]] = field(default_factory=deque)
    """(round, tick at which it was sent), not yet confirmed by a quorum."""
    confirmed_round: int = 0
    lease_from: int | None = None
    """The tick at which the last confirmed round was sent; None while there is no lease."""
    lease_forfeited: bool = False
    """A hand-over was sent: its election needs no lease to run out, so this term has no lease any more."""
    commit_told_at: int = -1
    """The tick at which a message was last sent for the commit index alone."""
    counting_due: bool = False
    """Something was acknowledged since the last count."""
    round_counting_due: bool = False
    uncommitted_bytes: int = 0
    batch_bytes: int = 0
    """The part of them that no batch holds yet."""
    batches: deque[tuple[int, int]] = field(default_factory=deque)
    """(last index, bytes) of batches that are not committed."""
