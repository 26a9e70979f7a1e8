"""A replica whose core, disk, network and clock are the test's: everything happens when the test says so."""

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Iterator
from pathlib import Path

from quorate.cluster.runtime.clock import ManualClock
from quorate.cluster.runtime.pulse import Pulse
from quorate.cluster.runtime.replica import Replica
from quorate.cluster.runtime.snapshotting import SnapshotWork
from quorate.cluster.storage.files import Files
from quorate.cluster.storage.snapshots import SnapshotStore
from quorate.cluster.wire.errors import QuorateError
from quorate.protocols.core import (
    Change,
    Configuration,
    Effects,
    Entry,
    Kind,
    Member,
    Message,
    NodeId,
    Progress,
    Recovered,
    Snapshot,
    StateMachine,
    Status,
    Token,
)

MEMBERS = Configuration(tuple(Member(f"n{number}", number, f"disk-{number}", client_address=f"n{number}:80") for number in (1, 2, 3)))
SNAPSHOT_BYTES = 1 << 20


class ScriptedCore:
    """Says what the test has it say, and remembers what it was told."""

    def __init__(self) -> None:
        self.leader: NodeId | None = "n1"
        self.term = 1
        self.commit = 0
        self.durable = 1 << 40
        self.configuration = MEMBERS
        self.progress: dict[NodeId, Progress] = {}
        self.fed: list[tuple[object, ...]] = []
        self.script: list[Effects] = []
        self.broken: Exception | None = None
        """Raised by whatever is asked next."""

    @property
    def status(self) -> Status:
        role = "leader" if self.leader == "n1" else "follower"
        return Status(role, self.term, self.leader, self.commit, 1, self.commit, self.durable, self.configuration, self.progress)

    def _told(self, *what: object) -> None:
        if self.broken is not None:
            raise self.broken
        self.fed.append(what)

    def tick(self, elapsed: int = 1) -> None:
        self._told("tick", elapsed)

    def receive(self, sender: NodeId, message: Message) -> None:
        self._told("receive", sender, message)

    def unreachable(self, peer: NodeId) -> None:
        self._told("unreachable", peer)

    def propose(self, data: bytes, token: Token) -> None:
        self._told("propose", data, token)

    def read(self, token: Token, *, lease: bool = False) -> None:
        self._told("read", token, lease)

    def reconfigure(self, change: Change, token: Token) -> None:
        self._told("reconfigure", change, token)

    def transfer(self, to: NodeId, token: Token) -> None:
        self._told("transfer", to, token)

    def synced(self, serial: int) -> None:
        self._told("synced", serial)

    def compact(self, snapshot: Snapshot) -> None:
        self._told("compact", snapshot)

    def received(self, sender: NodeId, snapshot: Snapshot) -> None:
        self._told("received", sender, snapshot)

    def transferred(self, to: NodeId, snapshot: Snapshot, ok: bool) -> None:
        self._told("transferred", to, snapshot, ok)

    def take(self) -> Effects | None:
        return self.script.pop(0) if self.script else None

    def all(self, kind: str) -> list[tuple[object, ...]]:
        """What it was told of this kind."""
        return [what[1:] for what in self.fed if what[0] == kind]

    def token(self) -> int:
        """Of the last thing asked of it."""
        token = next(
            part
            for what in reversed(self.fed)
            if what[0] in ("propose", "read", "reconfigure", "transfer")
            for part in what[1:]
            if type(part) is int
        )
        assert isinstance(token, int)
        return token


class NoDisk:
    """A log that is durable at once."""

    def load(self) -> Recovered:
        return Recovered()

    def write(self, effects: Effects, synced: Callable[[int], None]) -> None:
        synced(effects.serial)


class Words:
    """A machine that remembers what it was given, in order; restores one word a step."""

    def __init__(self) -> None:
        self.words: list[bytes] = []
        self.overdue: list[bytes] = []
        self.broken: Exception | None = None

    def apply(self, entry: Entry) -> bytes:
        if self.broken is not None:
            raise self.broken
        self.words.append(entry.data)
        return b"%d" % len(self.words)

    def query(self, query: bytes) -> bytes:
        if self.broken is not None:
            raise self.broken
        return b" ".join(self.words)

    def due(self, now_ms: int, term: int) -> Iterable[bytes]:
        if self.broken is not None:
            raise self.broken
        due, self.overdue = self.overdue, []
        return due

    def freeze(self) -> Callable[[], Iterator[bytes]]:
        words = tuple(self.words)
        return lambda: (word + b"\n" for word in words)

    def restore(self, chunks: Iterable[bytes]) -> Iterator[None]:
        words: list[bytes] = []
        for word in b"".join(chunks).split():
            words.append(word)
            yield
        self.words = words


class Answers:
    """A responder: what was answered, by request id."""

    def __init__(self) -> None:
        self.replies: dict[int, object] = {}
        self.errors: dict[int, QuorateError] = {}
        self.deferred: list[Callable[[], None]] = []
        self.takes_more = True

    def defer(self, work: Callable[[], None]) -> None:
        self.deferred.append(work)

    def reply(self, request_id: int, result: object) -> None:
        assert request_id not in self.replies and request_id not in self.errors, f"{request_id} is answered twice"
        self.replies[request_id] = result

    def fail(self, request_id: int, error: QuorateError) -> None:
        assert request_id not in self.replies and request_id not in self.errors, f"{request_id} is answered twice"
        self.errors[request_id] = error


class Directory:
    """The node's count of starts."""

    def __init__(self) -> None:
        self.incarnation = 7

    def next_incarnation(self) -> int:
        self.incarnation += 1
        return self.incarnation


class World:
    """One replica of "n1"; `sent` is what left it, `tasks` the work that it started."""

    def __init__(self, path: Path, machine: StateMachine | None = None, files: Files | None = None) -> None:
        self.core = ScriptedCore()
        self.clock = ManualClock(1_000)
        self.words = Words()
        self.directory = Directory()
        self.sent: list[tuple[NodeId, Message]] = []
        self.tasks: list[asyncio.Task[None]] = []
        self.store = SnapshotStore(path, files=files)
        self.work = SnapshotWork(self.store, self, self._start, SNAPSHOT_BYTES)
        self.pulse = Pulse(self.clock, lambda: None)
        self.replica = Replica(
            "default", "n1", self.directory, MEMBERS, self.core, NoDisk(), self, self.clock, machine or self.words, self.work, self.pulse
        )
        self.applier = self.replica.applier
        self._serial = 0

    async def begin(self, recovered: Snapshot | None = None) -> "World":
        await self.work.attach(self.replica, recovered)
        self.look(0)
        return self

    def send(self, to: NodeId, message: Message) -> None:
        self.sent.append((to, message))

    def _start(self, work: Coroutine[object, object, None]) -> None:
        self.tasks.append(asyncio.ensure_future(work))

    async def finish(self) -> None:
        """Let all started work end; what it raises would have ended the node."""
        while self.tasks:
            await self.tasks.pop(0)

    def effects(self) -> Effects:
        """One more batch, to be filled in."""
        self._serial += 1
        return Effects(self._serial)

    async def turn(self, effects: Effects | None = None) -> None:
        """One turn of the driver, and all that follows from it at once."""
        if effects is not None:
            self.core.script.append(effects)
        self.replica.driver.wake()
        for _ in range(4):
            await asyncio.sleep(0)

    async def commit(self, *entries: Entry) -> None:
        effects = self.effects()
        effects.committed = list(entries)
        self.core.commit = entries[-1].index
        await self.turn(effects)

    async def commit_words(self, *words: bytes) -> None:
        await self.commit(*(Entry(self.core.commit + i, self.core.term, 0, Kind.COMMAND, word) for i, word in enumerate(words, 1)))

    async def install(self, snapshot: Snapshot) -> None:
        """The core accepted a peer's snapshot."""
        effects = self.effects()
        effects.snapshot = snapshot
        await self.turn(effects)

    def look(self, passed_ms: int = 100) -> None:
        """Time passes, and the replica looks around."""
        self.clock.advance(passed_ms)
        self.replica.look()

    def written(self, index: int, *words: bytes, term: int = 1) -> Snapshot:
        """A durable snapshot of these words, as if a peer's had been received."""
        with self.store.create(index, term, MEMBERS) as writing:
            for word in words:
                writing.write(word + b"\n")
            return writing.finish()
