"""The figures of a ZAB node, in ticks and bytes. The runtime's tick is 10 ms.

In ZooKeeper's words: election_ticks is syncLimit, discovery_ticks initLimit, settle_ticks finalizeWait, and half of
heartbeat_ticks is its tick.
"""

from dataclasses import dataclass

from quorate.protocols.log import HEADER_SIZE


@dataclass(frozen=True, slots=True)
class ZabOptions:
    """Same on all nodes. ValueError if the figures contradict each other."""

    election_ticks: int = 100
    """Who hears nothing from its leader, or from a quorum of its followers, for so long looks for a leader."""
    discovery_ticks: int = 300
    """A node that was elected and has no quorum for its epoch by then looks again."""
    heartbeat_ticks: int = 10
    lease_ticks: int = 20
    """How long a leader may answer reads after a quorum heard it; no voter accepts a later epoch before it ran out. Clocks may
    run apart by a tenth of it (see promise_ticks)."""
    settle_ticks: int = 2
    """After a quorum agrees, this long a better vote may still come; not if everybody has voted."""
    notify_ticks_min: int = 2
    """Between repeated notifications; doubles each time."""
    notify_ticks_max: int = 20
    retry_ticks: int = 20
    """A frame without a confirmation for so long is sent again; doubles each time, up to election_ticks."""
    commit_ticks: int = 0
    """Followers are told of the commit index at most once in so many ticks; 0: whenever it moved."""
    proposal_bytes_max: int = 1 << 20
    """One message of entries; a single larger entry still travels."""
    window_messages: int = 256
    """Frames without a confirmation, per follower."""
    window_bytes: int = 16 << 20
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

    storage: str = ""
    """The id of the disk that this node votes with. Its log may still end at a configuration that names an earlier disk, which was lost:
    by that one it leads nobody, not even itself."""

    def __post_init__(self) -> None:
        positive = (
            "heartbeat_ticks lease_ticks settle_ticks notify_ticks_min retry_ticks proposal_bytes_max window_messages window_bytes "
            "uncommitted_bytes_max entry_bytes_max transfer_retry_ticks transfer_ticks_max read_retry_ticks waiting_reads_max"
        )
        for name in positive.split():
            _require(getattr(self, name) >= 1, f"{name} must be at least 1, not {getattr(self, name)}")
        _require(self.margin_entries >= 0 and self.margin_bytes >= 0, "margin_entries and margin_bytes must not be negative")
        _require(
            0 <= self.commit_ticks < self.election_ticks,
            f"commit_ticks must be 0 or more and below election_ticks, not {self.commit_ticks}",
        )
        _require(
            self.election_ticks >= 3 * self.heartbeat_ticks,
            f"election_ticks ({self.election_ticks}) must be at least 3 heartbeat_ticks ({self.heartbeat_ticks}): "
            "one lost ping must not end a leadership",
        )
        _require(
            self.promise_ticks < self.election_ticks,
            f"lease_ticks ({self.lease_ticks}) plus its margin must stay below election_ticks ({self.election_ticks}): "
            "a voter accepts no epoch until the lease it granted is over",
        )
        _require(
            self.discovery_ticks >= self.election_ticks,
            f"discovery_ticks ({self.discovery_ticks}) must be at least election_ticks ({self.election_ticks}): "
            "an epoch waits for promises to the last lease",
        )
        _require(
            self.notify_ticks_min <= self.notify_ticks_max <= self.election_ticks // 2,
            f"notify_ticks must rise from min ({self.notify_ticks_min}) to max ({self.notify_ticks_max}), at most half of election_ticks: "
            "a vote counts only for who was heard within it",
        )
        _require(
            self.entry_bytes_max + HEADER_SIZE <= self.uncommitted_bytes_max,
            f"entry_bytes_max ({self.entry_bytes_max}) and a header of {HEADER_SIZE} exceed uncommitted_bytes_max "
            f"({self.uncommitted_bytes_max}): the largest proposal could never be taken in",
        )

    @property
    def promise_ticks(self) -> int:
        """How long a voter keeps its promise to a lease: a tenth longer than the leader relies on it, for clocks that drift,
        and two ticks because both ends count whole ticks."""
        return self.lease_ticks + self.lease_ticks // 10 + 2


def _require(holds: bool, what: str) -> None:
    if not holds:
        raise ValueError(what)
