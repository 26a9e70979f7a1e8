"""How a simulated process is about to die: after so many more acts, or at the next act of a kind.

The rule it keeps: every act that leaves a trace outside the core is a place to die, directly after it.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from zlib import crc32

from quorate.protocols.core import Message
from quorate.protocols.simulation.policy import mix

if TYPE_CHECKING:
    from quorate.protocols.simulation.node import Node

ACTS = ("receive", "send", "write", "sync", "restore", "apply", "answer", "image", "stream")
"""A message arrives, and dies with the process; one is given to the network; a batch is queued on the disk; is durable, and nobody
was told yet; a snapshot is restored; an entry applied; a client answered; an image of the state begun or finished; its streaming begun."""

# Of the message types about this share arms a trap that asks for a type: few enough to be aimed, enough to be met.
TYPES_PER_TRAP = 3


def _nothing(node: "Node") -> None: ...


@dataclass(slots=True)
class Doom:
    """Counts the acts that qualify down, and then the node dies. `after` is called with the dead node."""

    count: int
    act: str = ""
    """One of ACTS; empty for any."""
    types: int = 0
    """Seeded bits that choose among message types for send and receive; 0 for all."""
    after: Callable[["Node"], None] = field(default=_nothing)

    def falls(self, act: str, message: Message | None) -> bool:
        if self.act:
            if act != self.act:
                return False
            if self.types and message is not None and mix(self.types, crc32(type(message).__name__.encode())) % TYPES_PER_TRAP:
                return False
        self.count -= 1
        return self.count <= 0
