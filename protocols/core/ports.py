"""What the runtime needs of the world around a core. The real ones and the simulated ones pass the same contract suites."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from quorate.protocols.core.interface import Effects
from quorate.protocols.core.messages import Message
from quorate.protocols.core.values import Entry, NodeId, Snapshot


class Transport(Protocol):
    """Best effort, one way, bounded queue, never blocks: a full queue drops the newest and counts it."""

    def send(self, to: NodeId, message: Message) -> None: ...


@dataclass(slots=True)
class Recovered:
    """What a group's log gave back at start: enough to rebuild its core."""

    promise: Message | None = None
    snapshot: Snapshot | None = None
    entries: list[Entry] = field(default_factory=list)
    storage: str = ""
    """The id of the disk that it lies on, where that is known."""


class Storage(Protocol):
    """One group's share of the durable log."""

    def load(self) -> Recovered:
        """Fold all durable batches, oldest first: snapshot, truncation, promise, entries of each.

        A later entry of an index replaces an earlier one.
        """

    def write(self, effects: Effects, synced: Callable[[int], None]) -> None:
        """Queue one batch. `synced(effects.serial)` is called, in the caller's loop, when it and all before it are durable.

        A batch with nothing to write is a barrier: it costs no disk write and is answered in order. After a failure
        nothing is ever answered.
        """


class Clock(Protocol):
    """Monotonic, counts time asleep (CLOCK_BOOTTIME). Tests and faults inject offset, drift and jumps."""

    def now_ms(self) -> int: ...
