"""What everything above the runtime builds on: a replicated log, local (Replica) or remote (Client)."""

from collections.abc import AsyncIterator
from enum import IntEnum
from typing import NamedTuple, Protocol

from quorate.protocols.core import Change


class Consistency(IntEnum):
    """What a read promises. The number goes on the wire."""

    LINEARIZABLE = 0
    """Sees every write that was acknowledged before the read began. Any node answers, after a read barrier."""
    LEADER = 1
    """The same, answered by the leader from its lease without asking the others; relies on bounded clock drift."""
    LOCAL = 2
    """Whatever the asked node has applied, with its revision; may be stale."""


class Leadership(NamedTuple):
    """Whether the node asked leads, and under which term."""

    term: int
    is_leader: bool


class ReplicatedLog(Protocol):
    """Commands in one order on every member. Timeouts are in seconds; errors are `QuorateError`s, `definite` or not."""

    async def propose(self, command: bytes, *, timeout: float) -> bytes: ...

    async def query(self, query: bytes, *, timeout: float, consistency: Consistency = Consistency.LINEARIZABLE) -> bytes: ...

    async def reconfigure(self, change: Change, *, timeout: float) -> None: ...

    def leadership(self) -> AsyncIterator[Leadership]: ...
