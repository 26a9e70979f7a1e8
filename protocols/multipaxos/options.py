"""The figures of a Multi-Paxos node, in ticks, slots and bytes. The runtime's tick is 10 ms.

They hang together as Raft's do: heartbeats fit several times into an election timeout, and the lease ends well before another may
prepare, so that an acceptor can keep its promise to the leader's lease and still promise another soon after a crash.
"""

from dataclasses import dataclass

from quorate.protocols.log import HEADER_SIZE


@dataclass(frozen=True, slots=True)
class MultiPaxosOptions:
    """Same on all nodes. ValueError if the figures contradict each other."""

    election_ticks: int = 100
    """A node that heard no leader for this long, plus a random part of the same size, asks whether it may lead."""
    heartbeat_ticks: int = 10
    lease_ticks: int = 20
    """How long a leader may answer reads after a quorum heard it. Clocks may run apart by a tenth of it (see promise_ticks)."""
    alpha: int = 1024
    """At most so many slots are open, and a configuration chosen in slot i governs from slot i + alpha on."""
    backoff_ticks_min: int = 1
    backoff_ticks_max: int = 5
    """The random delay before a node asks when the connection to the leader broke, or after it was preempted; it doubles with each
    preemption in a row."""
    starts_quickly: bool = False
    """A node that just started asks around as soon as its promise allows: where everybody starts, nobody has to time out."""
    quick_tries: int = 6
    """Quick attempts before a node falls back to whole election timeouts: it may be the only one that lost the leader."""
    commit_ticks: int = 0
    """Followers are told what is chosen in a message of its own at most once in so many ticks; 0: whenever it moved."""
    accept_bytes_max: int = 1 << 20
    """One accept, or one part of a promise; a single larger value still travels."""
    window_messages: int = 256
    """Accepts without an answer, per follower."""
    window_bytes: int = 16 << 20
    unchosen_bytes_max: int = 64 << 20
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
            "heartbeat_ticks lease_ticks alpha backoff_ticks_min quick_tries accept_bytes_max window_messages window_bytes "
            "unchosen_bytes_max entry_bytes_max transfer_retry_ticks transfer_ticks_max read_retry_ticks waiting_reads_max"
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
            "one lost heartbeat must not depose a leader",
        )
        _require(
            self.promise_ticks < self.election_ticks,
            f"lease_ticks ({self.lease_ticks}) plus its margin must stay below election_ticks ({self.election_ticks}): "
            "an acceptor promises nobody until the lease it granted is over",
        )
        _require(
            self.backoff_ticks_min <= self.backoff_ticks_max < self.election_ticks,
            f"backoff_ticks must rise from min ({self.backoff_ticks_min}) to max ({self.backoff_ticks_max}), below election_ticks",
        )
        _require(
            self.entry_bytes_max + HEADER_SIZE <= self.unchosen_bytes_max,
            f"entry_bytes_max ({self.entry_bytes_max}) and a header of {HEADER_SIZE} exceed unchosen_bytes_max "
            f"({self.unchosen_bytes_max}): the largest proposal could never be taken in",
        )

    @property
    def promise_ticks(self) -> int:
        """How long an acceptor keeps its promise to a lease: a tenth longer than the leader relies on it, for clocks that drift,
        and two ticks because both ends count whole ticks."""
        return self.lease_ticks + self.lease_ticks // 10 + 2


def _require(holds: bool, what: str) -> None:
    if not holds:
        raise ValueError(what)
