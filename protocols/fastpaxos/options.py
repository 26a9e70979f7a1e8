"""The figures of a Fast Paxos node: those of Multi-Paxos, and those of its fast rounds."""

from dataclasses import dataclass

from quorate.protocols.multipaxos.options import MultiPaxosOptions


@dataclass(frozen=True, slots=True)
class FastPaxosOptions(MultiPaxosOptions):
    """Same on all nodes. ValueError if the figures contradict each other."""

    fast: bool = True
    """Whether there are fast rounds at all."""
    uncoordinated: bool = False
    """Who finds the value after a collision: each acceptor by itself; else the coordinator."""
    fast_window: int = 256
    """An acceptor votes in no fast round for a slot further above what it knows to be chosen. Snapshots lag behind by as much."""
    stage_slots: int = 8_192
    """A fast round ends after so many slots: its acceptors remember for that long what they voted for."""
    recovery_ticks: int = 3
    """A slot that was voted for in a fast round and is not chosen for so long is recovered."""
    repropose_ticks: int = 10
    """A proposer sends a value again that is not chosen for so long."""
    live_ticks: int = 30
    """An acceptor that has not been heard for so long counts for no fast quorum: classic rounds, until it is back."""
    pause_ticks: int = 20
    """Classic rounds for so long, after a fast one in which votes were lost; it doubles with each in a row."""
    collisions_max: int = 16
    """After so many collisions in one fast round it is ended and another begun, in which the acceptors are in step again."""

    def __post_init__(self) -> None:
        MultiPaxosOptions.__post_init__(self)
        for name in ("fast_window", "stage_slots", "recovery_ticks", "repropose_ticks", "live_ticks", "pause_ticks", "collisions_max"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, not {getattr(self, name)}")
        if self.fast_window > self.alpha:
            raise ValueError(f"fast_window ({self.fast_window}) must not exceed alpha ({self.alpha}): no more slots may be open")
