"""What a Raft follower knows; the other roles are those of protocols/terms. Raft's shapes of the shared parts."""

from dataclasses import dataclass

from quorate.protocols.core import NodeId
from quorate.protocols.progress import Peer
from quorate.protocols.raft.options import RaftOptions
from quorate.protocols.raft.rules import Rules
from quorate.protocols.terms.handover import Handover
from quorate.protocols.terms.office import Office
from quorate.protocols.terms.roles import Candidate as Candidate
from quorate.protocols.terms.roles import Leader
from quorate.protocols.terms.roles import PreCandidate as PreCandidate
from quorate.protocols.terms.snapshots import Snapshots
from quorate.protocols.terms.state import TermState


@dataclass(slots=True)
class Follower:
    leader: NodeId | None = None
    ack: int | None = None
    """What the next Appended will say, one for all appends of a turn."""
    ack_round: int = 0


RaftState = TermState[RaftOptions, Rules, Follower, Peer]
RaftOffice = Office[RaftOptions, Rules, Follower, Peer]
RaftSnapshots = Snapshots[RaftOptions, Rules, Follower, Peer]
RaftHandover = Handover[RaftOptions, Rules, Follower, Peer]
RaftLeader = Leader[Peer]
