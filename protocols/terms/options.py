"""The figures of a node whose leaders are elected for terms, in ticks and bytes. The runtime's tick is 10 ms.

They hang together: heartbeats fit several times into an election timeout, and the lease ends well before an election
may begin, so that a follower can keep its promise to the leader's lease and still elect another soon after a crash.
"""

from dataclasses import dataclass

from quorate.protocols.log import HEADER_SIZE

NO_PRIORITY = -1
NEVER_ELECTED = 0


@dataclass(frozen=True, slots=True)
class TermOptions:
    """Same on all nodes, but for `priority`. ValueError if the figures contradict each other."""

    election_ticks: int = 100
    """A follower that heard no leader for this long, plus a random part of the same size, starts an election."""
    heartbeat_ticks: int = 10
    """How often a leader proves by a round that it leads: Raft's heartbeats; in KRaft the longest that a fetch is parked."""
    lease_ticks: int = 20
    """Two heartbeats; after a crash of the leader nobody votes before it ran out, so it is most of the failover gap.
    How long a leader may answer reads after a quorum heard it. Clocks may run apart by a tenth of it (see promise_ticks)."""
    failover_ticks_min: int = 1
    failover_ticks_max: int = 5
    """The random delay before an election when the connection to the leader broke, and between quick attempts."""
    starts_quickly: bool = False
    """A node that just started asks around as soon as its promise allows: where everybody starts, nobody has to time out.
    Where there is a leader, pre-vote turns it away."""
    failover_tries: int = 6
    """Quick attempts before a node falls back to whole election timeouts: it may be the only one that lost the leader."""
    beats_together: bool = False
    """Periodic rounds fall on multiples of heartbeat_ticks, for whoever leads many groups whose cores began at the same tick: all their
    heartbeats to one peer are then sent at one moment, and can be one frame. A round that reads began does not put the next one off."""
    commit_ticks: int = 0
    """Followers are told of the commit index alone at most once in so many ticks; 0: whenever it moved. Appends carry it anyway."""
    uncommitted_bytes_max: int = 64 << 20
    """What a leader takes in before a quorum answered; beyond it proposals are refused as overloaded."""
    entry_bytes_max: int = 1 << 20
    """The data of one proposal."""
    margin_entries: int = 10_000
    """Kept below a snapshot for slow followers: this many entries, but no more than margin_bytes."""
    margin_bytes: int = 16 << 20
    transfer_retry_ticks: int = 100
    """Wait after a failed snapshot transfer."""
    transfer_ticks_max: int = 60_000
    """A transfer whose end was not reported for so long is taken for failed: no follower is left waiting for ever."""
    read_retry_ticks: int = 10
    """A follower asks the leader again for a read index after this long."""
    waiting_reads_max: int = 100_000
    """Reads without an answer; beyond it they are refused as overloaded."""
    priority: int = NO_PRIORITY
    """-1: plain Raft; 0: never elected; 1 and above: a rank, the highest is elected where it can be."""
    target_priority: int = NO_PRIORITY
    """The highest priority of the cluster, same on all nodes. Lower ranks stand back until it fell to theirs."""

    storage: str = ""
    """The id of the disk that this node votes with. Its log may still end at a configuration that names an earlier disk, which was lost:
    by that one it leads nobody, not even itself."""

    def __post_init__(self) -> None:
        positive = (
            "heartbeat_ticks lease_ticks failover_ticks_min failover_tries "
            "uncommitted_bytes_max entry_bytes_max transfer_retry_ticks transfer_ticks_max read_retry_ticks waiting_reads_max"
        )
        for name in positive.split():
            require(getattr(self, name) >= 1, f"{name} must be at least 1, not {getattr(self, name)}")
        require(self.margin_entries >= 0 and self.margin_bytes >= 0, "margin_entries and margin_bytes must not be negative")
        require(
            0 <= self.commit_ticks < self.election_ticks,
            f"commit_ticks must be 0 or more and below election_ticks, not {self.commit_ticks}",
        )
        require(
            self.election_ticks >= 3 * self.heartbeat_ticks,
            f"election_ticks ({self.election_ticks}) must be at least 3 heartbeat_ticks ({self.heartbeat_ticks}): "
            "one lost heartbeat must not start an election",
        )
        require(
            self.promise_ticks < self.election_ticks,
            f"lease_ticks ({self.lease_ticks}) plus its margin must stay below election_ticks ({self.election_ticks}): "
            "a voter refuses elections until the lease it granted is over",
        )
        require(
            self.failover_ticks_min <= self.failover_ticks_max < self.election_ticks,
            f"failover_ticks must rise from min ({self.failover_ticks_min}) to max ({self.failover_ticks_max}), below election_ticks",
        )
        require(
            self.entry_bytes_max + HEADER_SIZE <= self.uncommitted_bytes_max,
            f"entry_bytes_max ({self.entry_bytes_max}) and a header of {HEADER_SIZE} exceed uncommitted_bytes_max "
            f"({self.uncommitted_bytes_max}): the largest proposal could never be taken in",
        )
        require(self.priority >= NO_PRIORITY, f"priority must be -1, 0 or a rank from 1, not {self.priority}")
        require(
            self.priority <= NEVER_ELECTED or self.target_priority >= self.priority,
            f"target_priority ({self.target_priority}) must be the highest priority of the cluster, at least {self.priority}",
        )

    @property
    def promise_ticks(self) -> int:
        """How long a voter keeps its promise to a lease: a tenth longer than the leader relies on it, for clocks that drift,
        and two ticks because both ends count whole ticks."""
        return self.lease_ticks + self.lease_ticks // 10 + 2


def require(holds: bool, what: str) -> None:
    if not holds:
        raise ValueError(what)
