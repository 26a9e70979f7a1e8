"""A key-value machine, its watch hub, and a client that takes a limited number of batches."""

from dataclasses import dataclass, field

from quorate.cluster.service import commands
from quorate.cluster.service.commands import Operation, encode
from quorate.cluster.service.keyvalue import KeyValue
from quorate.cluster.service.results import WatchBatch, WatchEvent, decode_batch
from quorate.cluster.service.watches import Watcher, WatchHub
from quorate.cluster.wire.errors import QuorateError
from tests.contracts.machine import entry


@dataclass
class Client:
    """A sink that takes `room` batches."""

    room: int = 1_000_000
    batches: list[WatchBatch] = field(default_factory=list)
    error: QuorateError | None = None

    def deliver(self, batch: bytes) -> bool:
        assert self.error is None, "nothing follows the end"
        assert self.room > 0, "a batch came although there was no room"
        self.batches.append(decode_batch(batch))
        self.room -= 1
        return self.room > 0

    def end(self, error: QuorateError) -> None:
        self.error = error

    @property
    def events(self) -> list[WatchEvent]:
        return [event for batch in self.batches for event in batch.events]

    @property
    def seen(self) -> list[tuple[int, bytes]]:
        return [(event.revision, event.key) for event in self.events]


class World:
    def __init__(self) -> None:
        self.machine = KeyValue()
        self.hub = WatchHub(self.machine)
        self.index = 0

    def do(self, *done: Operation) -> None:
        for operation in done:
            self.index += 1
            self.machine.apply(entry(self.index, encode(operation)))

    def puts(self, count: int, key: bytes = b"k") -> None:
        data = encode(commands.put(key, b"v"))
        for _ in range(count):
            self.index += 1
            self.machine.apply(entry(self.index, data))

    def watch(self, bounds: tuple[bytes, bytes] = (b"", b""), from_revision: int = 0, room: int = 1_000_000) -> tuple[Client, Watcher]:
        client = Client(room)
        return client, self.hub.watch(*bounds, from_revision, client, previous=True)

    def settle(self) -> None:
        while self.hub.advance():
            pass
