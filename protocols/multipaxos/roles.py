"""The roles of a Multi-Paxos node. Each holds only its own state, so that a follower cannot have promises."""

from collections import deque
from dataclasses import dataclass, field

from quorate.protocols.core import Entry, NodeId, Token
from quorate.protocols.progress import Peer


@dataclass(slots=True)
class Follower:
    """Acceptor and learner, as every node is; follows a leader if it knows one."""

    leader: NodeId | None = None
    upto: int = 0
    """Up to here each slot is chosen, or has our vote in the leader's ballot."""
    owes: bool = False
    """An Accepted is due, one for all accepts of a turn."""
    beyond: list[tuple[int, int]] = field(default_factory=list)
    """What this turn's accepts brought beyond a gap, as pairs of first and last."""
    round: int = 0


@dataclass(slots=True)
class Asking:
    """Asks whether a ballot could be prepared, and prepares none yet."""

    votes: dict[NodeId, int] = field(default_factory=dict)
    """How often each node's grant arrived."""
    refusals: set[NodeId] = field(default_factory=set)


@dataclass(slots=True)
class PhaseOne:
    """What the acceptors reported to this ballot."""

    expected: dict[NodeId, int] = field(default_factory=dict)
    """Who was asked, and from which slot on its next part must be."""
    complete: dict[NodeId, int] = field(default_factory=dict)
    """Whose whole report has arrived, and how often."""
    reported: dict[int, Entry] = field(default_factory=dict)
    """By slot: the vote of the highest ballot among all reports, where it was not proposed again yet."""
    end: int = 0
    """The highest slot that any report has named."""


@dataclass(slots=True)
class Preparing:
    hand_over: bool
    phase: PhaseOne = field(default_factory=PhaseOne)
    refusals: set[NodeId] = field(default_factory=set)


@dataclass(slots=True)
class Leader:
    """The owner of a ballot that a quorum has promised."""

    phase: PhaseOne
    opened: int
    """The last slot that this ballot has a proposal for; all below have one, or are chosen."""
    heartbeat_at: int
    """When the next periodic round is due, in elapsed ticks."""
    waiting: deque[tuple[Token, bytes]] = field(default_factory=deque)
    """Proposals without a slot."""
    opening_due: bool = True
    """The no-op that opens this ballot has no slot yet."""
    prepared: set[int] = field(default_factory=set)
    """Configurations, by index, of which a quorum has promised this ballot."""
    extended_to: int = -1
    """The configuration, by index, whose acceptors were asked last to promise as well."""
    voted: int = 0
    """Up to here our own votes in this ballot count."""
    beyond: dict[int, int] = field(default_factory=dict)
    """By slot beyond a gap in what somebody has: who voted for it in this ballot, a bit for each node's number."""
    chosen: set[int] = field(default_factory=set)
    """Those of them that are known to be chosen."""
    first_index: int = 0
    """Reads are answered once all up to here is chosen."""
    peers: dict[NodeId, Peer] = field(default_factory=dict)
    known: dict[NodeId, int] = field(default_factory=dict)
    """Up to where each peer has on its disk that all is chosen."""
    bits: dict[NodeId, int] = field(default_factory=dict)
    took_effect: int = 0
    """The index of the latest configuration that is known to have taken effect."""
    met_at: int = -1
    """The index of the latest configuration whose members are among the peers."""
    governs_from: int = 0
    """The index of the configuration that governs the next slot to be chosen, when last looked."""
    round: int = 0
    """The last heartbeat round sent."""
    rounds_sent: deque[tuple[int, int]] = field(default_factory=deque)
    """(round, tick at which it was sent), not yet confirmed by a quorum."""
    confirmed_round: int = 0
    round_counting_due: bool = False
    lease_from: int | None = None
    """The tick at which the last confirmed round was sent; None while there is no lease."""
    lease_forfeited: bool = False
    """A hand-over was sent: it needs no lease to run out, so this ballot has no lease any more."""
    chosen_told_at: int = -1
    """The tick at which a message was last sent for the commit index alone."""
    unchosen_bytes: int = 0
    batch_bytes: int = 0
    """The part of them that was given slots in this turn."""
    batches: deque[tuple[int, int]] = field(default_factory=deque)
    """(last slot, bytes) of batches that are not chosen."""


Role = Follower | Asking | Preparing | Leader
