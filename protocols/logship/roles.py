"""The roles of a log shipping node. Each holds only its own state."""

from collections import deque
from dataclasses import dataclass, field

from quorate.protocols.core import NodeId, Token
from quorate.protocols.progress import CatchUp, Peer

UNALIGNED = -1


@dataclass(slots=True)
class Replica:
    """Follows a primary, whom it may not know yet."""

    primary: NodeId | None = None
    aligned: int = UNALIGNED
    """Up to here its log is known to equal that of this generation's primary."""
    ack: int | None = None
    """What the next Shipped will say, one for all entries of a turn."""
    ack_round: int = 0


@dataclass(slots=True)
class Heir:
    """To be primary as soon as its generation is durable."""

    by_hand: bool
    tokens: list[Token] = field(default_factory=list)
    """Operators who wait for that."""


@dataclass(slots=True)
class Retired:
    """Has handed over, for good, and says so until it hears of the next generation."""

    heir: NodeId
    told_at: int
    token: Token | None = None
    deadline: int = 0
    """Timer tick at which the operator is told that nobody took over yet."""


@dataclass(slots=True)
class HandingOver:
    """A primary that takes in nothing new until the heir holds everything."""

    to: NodeId
    token: Token
    deadline: int
    """Timer tick."""
    round: int
    """The first round begun since: who answers it is alive."""


@dataclass(slots=True)
class Primary:
    first_index: int
    """When this is committed, so is all that it took over."""
    semisync: bool
    """Waits for acknowledgements at present."""
    heartbeat_at: int
    peers: dict[NodeId, Peer] = field(default_factory=dict)
    round: int = 0
    """The last heartbeat round sent."""
    counting_due: bool = True
    """Something was acknowledged or synced since the last count."""
    catch_up: CatchUp = field(default_factory=lambda: CatchUp(0, 0))
    """While nobody is waited for: the acknowledgements in rounds, of which one must take less than the timeout."""
    waiting_since: int | None = None
    """Timer tick since when what is durable here waits for an acknowledgement."""
    reads: list[Token] = field(default_factory=list)
    uncommitted_bytes: int = 0
    batch_bytes: int = 0
    """The part of them that no batch holds yet."""
    batches: deque[tuple[int, int]] = field(default_factory=deque)
    """(last index, bytes) of batches that are not committed."""
    handing: HandingOver | None = None


Role = Replica | Heir | Retired | Primary
