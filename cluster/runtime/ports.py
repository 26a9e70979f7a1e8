"""What a replica needs of the node that hosts it, besides the ports of the core: a count of its starts, and its snapshots."""

from typing import Protocol

from quorate.protocols.core import Message, NodeId, Snapshot


class Incarnations(Protocol):
    """The durable count of this node's starts."""

    incarnation: int

    def next_incarnation(self) -> int: ...


class Snapshots(Protocol):
    """What a replica leaves to its SnapshotWork."""

    @property
    def index(self) -> int: ...

    def install(self, snapshot: Snapshot) -> None: ...

    def roll_back(self, to: Snapshot) -> None: ...

    def send(self, to: NodeId, snapshot: Snapshot) -> None: ...

    def receive(self, sender: NodeId, message: Message) -> bool: ...

    def logged(self, size: int) -> None: ...

    def look(self, now_ms: int) -> None: ...

    async def take(self) -> Snapshot: ...
