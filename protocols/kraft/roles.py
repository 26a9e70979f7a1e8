"""What a KRaft follower knows, and what its leader knows of it; the other roles are those of protocols/terms. KRaft's shapes of the shared
parts."""

from dataclasses import dataclass

from quorate.protocols.core import NodeId
from quorate.protocols.kraft.messages import Fetch
from quorate.protocols.kraft.options import KRaftOptions
from quorate.protocols.kraft.rules import Rules
from quorate.protocols.progress import CatchUp
from quorate.protocols.terms.handover import Handover
from quorate.protocols.terms.office import Office
from quorate.protocols.terms.roles import Leader
from quorate.protocols.terms.snapshots import Snapshots
from quorate.protocols.terms.state import TermState


@dataclass(slots=True)
class Follower:
    leader: NodeId | None = None
    fetch: Fetch | None = None
    """The last that was sent."""
    unanswered: bool = False
    fetched_at: int = 0
    """Timer tick at which its id was given."""
    round: int = 0
    """The highest that this leader told."""


@dataclass(slots=True)
class Fetcher:
    """One follower as its leader sees it. `match` never falls."""

    heard: int
    """Timer tick of its last fetch."""
    catch_up: CatchUp
    match: int = 0
    acked_round: int = 0
    id: int = 0
    """Of its newest fetch."""
    parked: Fetch | None = None
    """That fetch, while it has no answer."""
    begun: bool = False
    """It has fetched in this epoch, and nothing was lost since: it knows whom to fetch from."""
    begin_at: int = 0
    """The timer tick from which it may be told again whom to fetch from."""
    snapshot_told: int = 0
    """The index of the snapshot that it was told of last."""
    snapshot_index: int = 0
    """That of the one being transferred to it; 0 for none."""
    retry_at: int = 0
    """No new transfer before this timer tick; the one under way is given up at it."""

    @property
    def state(self) -> str:
        if self.snapshot_index:
            return "snapshot"
        return "fetching" if self.parked is None else "parked"


KRaftState = TermState[KRaftOptions, Rules, Follower, Fetcher]
KRaftOffice = Office[KRaftOptions, Rules, Follower, Fetcher]
KRaftSnapshots = Snapshots[KRaftOptions, Rules, Follower, Fetcher]
KRaftHandover = Handover[KRaftOptions, Rules, Follower, Fetcher]
KRaftLeader = Leader[Fetcher]
