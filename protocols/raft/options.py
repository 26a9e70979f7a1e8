"""The figures of a Raft node: those of terms (protocols/terms/options) and those of its pipeline, in messages and bytes."""

from dataclasses import dataclass

from quorate.protocols.terms.options import NEVER_ELECTED as NEVER_ELECTED
from quorate.protocols.terms.options import NO_PRIORITY as NO_PRIORITY
from quorate.protocols.terms.options import TermOptions, require


@dataclass(frozen=True, slots=True)
class RaftOptions(TermOptions):
    """Same on all nodes, but for `priority`. ValueError if the figures contradict each other."""

    append_bytes_max: int = 1 << 20
    """One append; a single larger entry still travels."""
    window_messages: int = 256
    """Appends without an answer, per follower."""
    window_bytes: int = 16 << 20

    def __post_init__(self) -> None:
        TermOptions.__post_init__(self)
        for name in ("append_bytes_max", "window_messages", "window_bytes"):
            require(getattr(self, name) >= 1, f"{name} must be at least 1, not {getattr(self, name)}")
