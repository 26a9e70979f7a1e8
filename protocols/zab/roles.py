"""The roles of a ZAB node. Each holds only its own state, so that a follower cannot have votes."""

from collections import deque
from dataclasses import dataclass, field

from quorate.protocols.core import NodeId
from quorate.protocols.fifo import Channel
from quorate.protocols.progress import CatchUp
from quorate.protocols.zab.messages import AckEpoch, Notification

DISCOVERY, SYNC, BROADCAST = "discovery", "synchronization", "broadcast"
"""Phases 1 to 3 of the paper; phase 0 is Looking."""


@dataclass(frozen=True, slots=True)
class Ballot:
    """A vote: for whom, and the history that it stands for. `number` 0 is a vote for nobody."""

    epoch: int = 0
    last_term: int = 0
    last_index: int = 0
    number: int = 0
    leader: NodeId = ""


@dataclass(slots=True)
class Looking:
    ballot: Ballot
    votes: dict[NodeId, Ballot] = field(default_factory=dict)
    """Of this round, our own among them."""
    settled: dict[NodeId, Notification] = field(default_factory=dict)
    """Those who follow or lead."""
    decide_at: int | None = None
    """A quorum agrees on our ballot: no better vote until this tick, and it is decided."""
    patient_until: int = 0
    """Then we give up the candidate that we vote for."""
    notify_at: int = 0
    interval: int = 0


@dataclass(slots=True)
class Follower:
    leader: NodeId
    channel: Channel
    heard: int
    """Timer tick of the leader's last word on this link."""
    phase: str = DISCOVERY
    epoch: int = 0
    """The leader's, once accepted."""
    held_epoch: int = 0
    """The leader's, not accepted yet: a promise to another lease is in the way."""
    aligned: bool = False
    """Our log is known to be a prefix of the leader's history."""
    snapped: int = 0
    """Where the snapshot ends that was installed on this link."""
    ack_due: bool = False
    new_leader_due: bool = False
    pong_round: int = 0


@dataclass(slots=True)
class Peer:
    """One member as its leader sees it. What it acknowledged in this epoch outlives its links."""

    catch_up: CatchUp
    heard: int | None = None
    """Timer tick of its last word on the current link; None without a link."""
    channel: Channel | None = None
    accepted: int = 0
    info: AckEpoch | None = None
    """What it said of its history, until it is told how to come by ours."""
    next: int = 0
    """The first index that it has not been sent on this link; 0 while its log is not aligned."""
    told_new_leader: bool = False
    told_up_to_date: bool = False
    match: int = 0
    acked_epoch: bool = False
    acked_new_leader: bool = False
    acked_round: int = 0
    commit_sent: int = 0
    snapshot_index: int = 0
    """The snapshot that is being streamed to it; 0 for none."""
    retry_at: int = 0
    """No new transfer before this timer tick; the one under way is given up at it."""

    @property
    def state(self) -> str:
        if self.channel is None:
            return "away"
        if self.snapshot_index:
            return "snapshot"
        return BROADCAST if self.told_up_to_date else SYNC if self.next else DISCOVERY


@dataclass(slots=True)
class Leader:
    since: int
    """Timer tick at which it was elected."""
    heartbeat_at: int
    """When the next round of pings is due, in elapsed ticks."""
    phase: str = DISCOVERY
    epoch: int = 0
    first_index: int = 0
    """Where its own epoch begins, from the synchronization phase on."""
    told_epoch: bool = False
    peers: dict[NodeId, Peer] = field(default_factory=dict)
    round: int = 0
    rounds_sent: deque[tuple[int, int]] = field(default_factory=deque)
    """(round, tick at which it was sent), not yet confirmed by a quorum."""
    confirmed_round: int = 0
    lease_from: int | None = None
    """The tick at which the last confirmed round was sent; None while there is no lease."""
    lease_forfeited: bool = False
    commit_told_at: int = -1
    counting_due: bool = False
    round_counting_due: bool = False
    uncommitted_bytes: int = 0
    batch_bytes: int = 0
    """The part of them that no batch holds yet."""
    batches: deque[tuple[int, int]] = field(default_factory=deque)
    """(last index, bytes) of batches that are not committed."""


Role = Looking | Follower | Leader
