"""The figures of a log shipping node, in ticks and bytes. The runtime's tick is 10 ms."""

from dataclasses import dataclass

from quorate.protocols.log import HEADER_SIZE


@dataclass(frozen=True, slots=True)
class LogshipOptions:
    """Same on all nodes. ValueError if the figures contradict each other."""

    semisync: bool = False
    """Wait for acknowledgements before a write is committed and answered; else the primary's own disk is enough."""
    acks: int = 1
    """From how many replicas (MySQL: rpl_semi_sync_source_wait_for_replica_count)."""
    ack_timeout_ticks: int = 100
    """After so long without them the primary goes on alone (MySQL: rpl_semi_sync_source_timeout, there 10 s)."""
    heartbeat_ticks: int = 10
    silence_ticks: int = 100
    """A replica that said nothing for so long counts as gone, and one whose catch-up takes longer as not caught up; a hand-over must get
    through in this time. Nobody is ever promoted because of it."""
    append_bytes_max: int = 1 << 20
    """One message; a single larger entry still travels."""
    window_messages: int = 256
    """Messages without an answer, per replica."""
    window_bytes: int = 16 << 20
    uncommitted_bytes_max: int = 64 << 20
    """What a primary takes in beyond what is committed; then proposals are refused as overloaded."""
    entry_bytes_max: int = 1 << 20
    margin_entries: int = 10_000
    """Kept below a snapshot for replicas that lag: this many entries, but no more than margin_bytes."""
    margin_bytes: int = 16 << 20
    transfer_retry_ticks: int = 100
    """Wait after a failed snapshot transfer."""
    transfer_ticks_max: int = 60_000
    """A transfer whose end was not reported for so long is taken for failed."""
    waiting_reads_max: int = 100_000
    """Reads that wait for a new primary's first commit; beyond it they are refused as overloaded."""
    storage: str = ""
    """The id of this node's disk: a configuration that names another one under its name does not mean this node."""

    def __post_init__(self) -> None:
        positive = (
            "acks ack_timeout_ticks heartbeat_ticks append_bytes_max window_messages window_bytes uncommitted_bytes_max entry_bytes_max "
            "transfer_retry_ticks transfer_ticks_max waiting_reads_max"
        )
        for name in positive.split():
            _require(getattr(self, name) >= 1, f"{name} must be at least 1, not {getattr(self, name)}")
        _require(self.margin_entries >= 0 and self.margin_bytes >= 0, "margin_entries and margin_bytes must not be negative")
        _require(
            self.silence_ticks >= 3 * self.heartbeat_ticks,
            f"silence_ticks ({self.silence_ticks}) must be at least 3 heartbeat_ticks ({self.heartbeat_ticks}): "
            "one lost heartbeat is no silence",
        )
        _require(
            self.entry_bytes_max + HEADER_SIZE <= self.uncommitted_bytes_max,
            f"entry_bytes_max ({self.entry_bytes_max}) and a header of {HEADER_SIZE} exceed uncommitted_bytes_max "
            f"({self.uncommitted_bytes_max}): the largest proposal could never be taken in",
        )


def _require(holds: bool, what: str) -> None:
    if not holds:
        raise ValueError(what)
