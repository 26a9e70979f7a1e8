"""Faults of processes, clocks, disks and members, as values.

The rule: `ends_itself` says whether the node puts it right alone when its time is over; the others need an act at the end (a start, a
signal, a change of the members), which whoever began them owes.
"""

from dataclasses import dataclass
from typing import ClassVar

from quorate.cluster.chaos.link_faults import Names, said
from quorate.cluster.chaos.units import say_ms

# -- processes


@dataclass(frozen=True, slots=True)
class Kill:
    """kill -9; started again at the end. On faulty files that is a power cut: what was not synced is lost. `--lose-unsynced` lets the disk
    stall first, so that there is something to lose; so does `--torn-tail`, and then all of it reaches the disk but the end of the last
    write."""

    nodes: Names
    lose_unsynced: bool = False
    torn_tail: bool = False
    verb: ClassVar[str] = "kill"
    ends_itself: ClassVar[bool] = False

    def __str__(self) -> str:
        how = " --torn-tail" if self.torn_tail else " --lose-unsynced" if self.lose_unsynced else ""
        return f"kill {said(self.nodes)}{how}"


@dataclass(frozen=True, slots=True)
class Stop:
    """A graceful stop, with a hand-over; started again at the end."""

    nodes: Names
    verb: ClassVar[str] = "stop"
    ends_itself: ClassVar[bool] = False

    def __str__(self) -> str:
        return f"stop {said(self.nodes)}"


@dataclass(frozen=True, slots=True)
class Restart:
    """A graceful stop and a start at once."""

    nodes: Names
    verb: ClassVar[str] = "restart"
    ends_itself: ClassVar[bool] = True

    def __str__(self) -> str:
        return f"restart {said(self.nodes)}"


@dataclass(frozen=True, slots=True)
class Pause:
    """The process stands still (SIGSTOP), its connections stay open; it goes on at the end."""

    nodes: Names
    verb: ClassVar[str] = "pause"
    ends_itself: ClassVar[bool] = False

    def __str__(self) -> str:
        return f"pause {said(self.nodes)}"


# -- clocks


@dataclass(frozen=True, slots=True)
class Clock:
    """The node's clock jumps, or drifts, or both. At the end it is set right, which is a jump again."""

    nodes: Names
    offset_ms: int = 0
    drift_ppm: int = 0
    verb: ClassVar[str] = "clock"
    ends_itself: ClassVar[bool] = True

    def __str__(self) -> str:
        sign = "+" if self.offset_ms > 0 else "-"
        offset = f" {sign}{say_ms(abs(self.offset_ms))}" if self.offset_ms else ""
        return f"clock {said(self.nodes)}{offset}{f' drift {self.drift_ppm}ppm' if self.drift_ppm else ''}"


# -- disks


@dataclass(frozen=True, slots=True)
class SlowDisk:
    """Every fsync takes so much longer."""

    nodes: Names
    delay_ms: float
    verb: ClassVar[str] = "slow-disk"
    ends_itself: ClassVar[bool] = True

    def __str__(self) -> str:
        return f"slow-disk {said(self.nodes)} {say_ms(self.delay_ms)}"


@dataclass(frozen=True, slots=True)
class StallDisk:
    """No fsync ends before the fault does."""

    nodes: Names
    verb: ClassVar[str] = "stall-disk"
    ends_itself: ClassVar[bool] = True

    def __str__(self) -> str:
        return f"stall-disk {said(self.nodes)}"


@dataclass(frozen=True, slots=True)
class FullDisk:
    """Nothing can be written (ENOSPC): the replica stops at its next batch, and starts again at the end."""

    nodes: Names
    verb: ClassVar[str] = "full-disk"
    ends_itself: ClassVar[bool] = False

    def __str__(self) -> str:
        return f"full-disk {said(self.nodes)}"


@dataclass(frozen=True, slots=True)
class FailDisk:
    """Every fsync fails (EIO): the replica stops, and starts again at the end."""

    nodes: Names
    verb: ClassVar[str] = "fail-disk"
    ends_itself: ClassVar[bool] = False

    def __str__(self) -> str:
        return f"fail-disk {said(self.nodes)}"


@dataclass(frozen=True, slots=True)
class LyingDisk:
    """fsync succeeds and does nothing. No engine survives the crash of a majority of such disks: for runs that must fail."""

    nodes: Names
    verb: ClassVar[str] = "lying-disk"
    ends_itself: ClassVar[bool] = True

    def __str__(self) -> str:
        return f"lying-disk {said(self.nodes)}"


@dataclass(frozen=True, slots=True)
class FlipBit:
    """The node is killed, a bit in the middle of its log rots, and it is started: it refuses. At the end its disk is replaced."""

    nodes: Names
    verb: ClassVar[str] = "flip-bit"
    ends_itself: ClassVar[bool] = False

    def __str__(self) -> str:
        return f"flip-bit {said(self.nodes)}"


@dataclass(frozen=True, slots=True)
class WipeDisk:
    """The node comes back under its name with an empty disk, and must not vote. At the end the member is replaced."""

    nodes: Names
    verb: ClassVar[str] = "wipe-disk"
    ends_itself: ClassVar[bool] = False

    def __str__(self) -> str:
        return f"wipe-disk {said(self.nodes)}"


# -- members


@dataclass(frozen=True, slots=True)
class Remove:
    """The node is taken out of the cluster; at the end it is a voter again."""

    nodes: Names
    verb: ClassVar[str] = "remove"
    ends_itself: ClassVar[bool] = False

    def __str__(self) -> str:
        return f"remove {said(self.nodes)}"


@dataclass(frozen=True, slots=True)
class Learner:
    """The node is taken out and added as a learner, which receives everything and does not vote; at the end it votes again."""

    nodes: Names
    verb: ClassVar[str] = "learner"
    ends_itself: ClassVar[bool] = False

    def __str__(self) -> str:
        return f"learner {said(self.nodes)}"


@dataclass(frozen=True, slots=True)
class Transfer:
    """The leadership is handed over, to this node or to whoever has caught up."""

    nodes: Names = ()
    verb: ClassVar[str] = "transfer"
    ends_itself: ClassVar[bool] = True

    def __str__(self) -> str:
        return f"transfer {said(self.nodes)}".rstrip()


@dataclass(frozen=True, slots=True)
class PromoteByHand:
    """A node of a log-shipping cluster is made the primary, whatever the old one does: what it had not yet shipped is lost."""

    nodes: Names
    verb: ClassVar[str] = "promote-by-hand"
    ends_itself: ClassVar[bool] = True

    def __str__(self) -> str:
        return f"promote-by-hand {said(self.nodes)}"
