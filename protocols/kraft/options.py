"""The figures of a KRaft node: those of terms (protocols/terms/options) and those of its fetches, in ticks and bytes."""

from dataclasses import dataclass

from quorate.protocols.terms.options import TermOptions, require


@dataclass(frozen=True, slots=True)
class KRaftOptions(TermOptions):
    """Same on all nodes, but for `priority`. ValueError if the figures contradict each other. `heartbeat_ticks` is how long the leader
    parks a fetch at most."""

    fetch_bytes_max: int = 1 << 20
    """One answer; a single larger entry still travels."""
    fetch_retry_ticks: int = 20
    """A fetch without an answer for so long, or its answer, is lost: the follower fetches again."""
    window_bytes: int = 16 << 20
    """What a follower takes in before its disk has synced it; beyond it, it fetches no records."""

    def __post_init__(self) -> None:
        TermOptions.__post_init__(self)
        for name in ("fetch_bytes_max", "window_bytes"):
            require(getattr(self, name) >= 1, f"{name} must be at least 1, not {getattr(self, name)}")
        require(
            self.heartbeat_ticks < self.fetch_retry_ticks < self.election_ticks,
            f"fetch_retry_ticks ({self.fetch_retry_ticks}) must lie between heartbeat_ticks ({self.heartbeat_ticks}), for which a fetch "
            f"may be parked, and election_ticks ({self.election_ticks})",
        )
