"""A key-value replica with connections to it, on nobody's network: the test commits, answers barriers and takes replies."""

import asyncio
from pathlib import Path

import msgpack

from quorate.cluster.runtime.machines import Hosted
from quorate.cluster.service.commands import Operation, encode
from quorate.cluster.service.keyvalue import KeyValue
from quorate.cluster.service.results import WatchBatch, decode_batch
from quorate.cluster.wire.errors import QuorateError, from_wire
from quorate.cluster.wire.rpc import ServerConnection
from quorate.protocols.core import Entry, Kind, ReadReady, Reason, Refused
from tests.cluster.runtime.world import World


class Wire(asyncio.Transport):
    """What was written; `unsent` is what the client has not taken."""

    def __init__(self) -> None:
        super().__init__()
        self.unpacker = msgpack.Unpacker()
        self.written: list[bytes] = []
        self.unsent = 0
        self.closed = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written.append(bytes(data))
        self.unpacker.feed(bytes(data))

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True

    def get_write_buffer_size(self) -> int:
        return self.unsent

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        pass


class Client:
    """One connection as its client sees it."""

    def __init__(self) -> None:
        self.connection = ServerConnection({})
        self.wire = Wire()
        self.connection.connection_made(self.wire)
        self.replies: dict[int, object] = {}
        self.errors: dict[int, QuorateError] = {}
        self.batches: list[tuple[int, WatchBatch]] = []
        self.ends: list[tuple[int, QuorateError]] = []

    def take(self) -> None:
        """Read what has come."""
        self.connection.flush()
        for frame in self.wire.unpacker:
            match frame:
                case [1, int(id), None, result]:
                    assert id not in self.replies
                    self.replies[id] = result
                case [1, int(id), error, None]:
                    assert id not in self.errors
                    self.errors[id] = from_wire(error)
                case [2, "watch_events", [int(id), bytes(batch)]]:
                    self.batches.append((id, decode_batch(batch)))
                case [2, "watch_end", [int(id), error]]:
                    self.ends.append((id, from_wire(error)))

    @property
    def revisions(self) -> list[int]:
        self.take()
        return [event.revision for _, batch in self.batches for event in batch.events]

    def close(self) -> None:
        self.wire.closed = True
        self.connection.connection_lost(None)


class Served:
    """A replica of a KeyValue that leads, unless told otherwise."""

    def __init__(self, path: Path) -> None:
        self.machine = KeyValue()
        self.world = World(path, self.machine)
        self.hosted = Hosted(self.world.replica, self.machine)

    async def begin(self) -> "Served":
        await self.world.begin()
        await self.world.commit(Entry(1, 1, 0, Kind.NOOP, b""))
        return self

    async def do(self, *operations: Operation) -> None:
        first = self.world.core.commit + 1
        entries = [Entry(first + i, self.world.core.term, 0, Kind.COMMAND, encode(each)) for i, each in enumerate(operations)]
        await self.world.commit(*entries)

    async def barrier(self) -> None:
        """The read barriers asked for are passed at what is committed."""
        effects = self.world.effects()
        await self.world.turn()
        effects.reads = [ReadReady(token, self.world.core.commit) for token in self._barriers()]
        await self.world.turn(effects)

    async def no_barrier(self) -> None:
        """They are refused: this node no longer leads."""
        await self.world.turn()
        effects = self.world.effects()
        effects.refused = [Refused(token, Reason.NOT_LEADER) for token in self._barriers()]
        await self.world.turn(effects)

    def _barriers(self) -> list[int]:
        tokens = [token for token, _ in self.world.core.all("read")]
        self.world.core.fed = [what for what in self.world.core.fed if what[0] != "read"]
        return [token for token in tokens if isinstance(token, int)]
