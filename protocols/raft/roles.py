"""The roles of a Raft node. Each holds only its own state, so that a follower cannot have votes."""

from collections import deque
from dataclasses import dataclass, field

from quorate.protocols.core import NodeId
from quorate.protocols.progress import Peer


@dataclass(slots=True)
class Follower:
    leader: NodeId | None = None
    ack: int | None = None
    """What the next Appended will say, one for all appends of a turn."""
    ack_round: int = 0


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
class Leader:
    first_index: int
    """Where its own term begins: nothing is committed by counting below it."""
    heartbeat_at: int
    """When the next periodic round is due, in elapsed ticks."""
    peers: dict[NodeId, Peer] = field(default_factory=dict)
    round: int = 0
    """The last heartbeat round sent."""
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


Role = Follower | PreCandidate | Candidate | Leader
