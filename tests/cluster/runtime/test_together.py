"""Three whole replicas with the real engine, under one seed: messages are lost and late, disks slow, nodes cut off so long that
only a snapshot brings them back, and snapshots are taken all the time. Everything but the disk work of snapshots is the test's.
"""

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from random import Random

import pytest

from quorate.cluster.replicated_log import Consistency
from quorate.cluster.runtime.clock import ManualClock
from quorate.cluster.runtime.config import TICK_MS
from quorate.cluster.runtime.pulse import Pulse
from quorate.cluster.runtime.replica import Replica
from quorate.cluster.runtime.snapshotting import SnapshotWork
from quorate.cluster.storage.snapshots import SnapshotStore
from quorate.cluster.wire.errors import QuorateError
from quorate.protocols.core import Effects, Message, NodeId, Recovered
from quorate.protocols.raft import RaftOptions, raft
from tests.cluster.runtime.world import MEMBERS, Directory, Words

STEPS = 1_500
CUT_STEPS = 300
"""For so long a node is cut off: the others' logs have moved on by then, and no margin is kept."""
OPTIONS = RaftOptions(election_ticks=20, heartbeat_ticks=2, lease_ticks=5, margin_bytes=0)
SNAPSHOT_BYTES = 2_000


class SlowDisk:
    """Makes batches durable in order, when told."""

    def __init__(self) -> None:
        self.waiting: list[tuple[int, Callable[[int], None]]] = []

    def load(self) -> Recovered:
        return Recovered()

    def write(self, effects: Effects, synced: Callable[[int], None]) -> None:
        self.waiting.append((effects.serial, synced))

    def sync(self) -> None:
        if self.waiting:
            serial, synced = self.waiting[-1]
            self.waiting.clear()
            synced(serial)


class Seat:
    """One node."""

    def __init__(self, cluster: "Together", name: NodeId, path: Path) -> None:
        self.cluster, self.name = cluster, name
        self.disk, self.words = SlowDisk(), Words()
        self.work = SnapshotWork(SnapshotStore(path), self, cluster.start, SNAPSHOT_BYTES)
        core = raft(name, MEMBERS, OPTIONS, Random(f"{cluster.seed}/{name}"), 1, None, None, [])
        directory = Directory()
        pulse = Pulse(cluster.clock, lambda: None)
        self.replica = Replica("default", name, directory, MEMBERS, core, self.disk, self, cluster.clock, self.words, self.work, pulse)

    def send(self, to: NodeId, message: Message) -> None:
        self.cluster.wire.append((self.name, to, message))


class Together:
    """The cluster, its network and its clients. A client writes a word once and never again."""

    takes_more = True

    def __init__(self, path: Path, seed: int) -> None:
        self.seed, self.rng = seed, Random(seed)
        self.clock = ManualClock(1_000)
        self.wire: list[tuple[NodeId, NodeId, Message]] = []
        self.tasks: set[asyncio.Task[None]] = set()
        self.cut: NodeId | None = None
        self.acknowledged: set[bytes] = set()
        self.asked: dict[int, bytes | frozenset[bytes]] = {}
        """By request id: the word written, or for a read what was acknowledged when it began."""
        self.answered: set[int] = set()
        self.read_count = 0
        self.violations: list[str] = []
        """Kept, not raised: an error in here would look like the replica's."""
        self.seats = {name: Seat(self, name, path / name) for name in MEMBERS.names}

    def start(self, work: Coroutine[object, object, None]) -> None:
        task = asyncio.ensure_future(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def begin(self) -> "Together":
        for seat in self.seats.values():
            await seat.work.attach(seat.replica, None)
        return self

    # The clients' side.

    def defer(self, work: Callable[[], None]) -> None:
        raise AssertionError("these clients take everything")

    def reply(self, request_id: int, result: object) -> None:
        self._answered(request_id)
        asked = self.asked[request_id]
        if isinstance(asked, bytes):
            self.acknowledged.add(asked)
            return
        assert isinstance(result, bytes)
        missing = asked - set(result.split())
        if missing:
            self.violations.append(f"seed {self.seed}: a read that began after {sorted(missing)[:3]} were acknowledged does not see them")
        self.read_count += 1

    def fail(self, request_id: int, error: QuorateError) -> None:
        self._answered(request_id)

    def _answered(self, request_id: int) -> None:
        if request_id in self.answered:
            self.violations.append(f"seed {self.seed}: request {request_id} is answered twice")
        self.answered.add(request_id)

    def ask(self) -> None:
        """A write or a read of any node, in or out of reach."""
        id = len(self.asked) + 1
        replica = self.seats[self.rng.choice(MEMBERS.names)].replica
        if self.rng.random() < 0.8:
            word = b"%06d" % id
            self.asked[id] = word
            replica.propose_for(self, id, word)
        else:
            self.asked[id] = frozenset(self.acknowledged)
            replica.read_for(self, id, b"", self.rng.choice((Consistency.LINEARIZABLE, Consistency.LEADER)))

    # The world's side.

    async def step(self, number: int, *, healthy: bool = False) -> None:
        rng = self.rng
        self.clock.advance(TICK_MS)
        wire, self.wire = self.wire, []
        if not healthy:
            rng.shuffle(wire)
        for source, to, message in wire:
            if healthy or (self.cut not in (source, to) and rng.random() > 0.02):
                if healthy or rng.random() < 0.7:
                    self.seats[to].replica.receive(source, message)
                else:
                    self.wire.append((source, to, message))
        for seat in self.seats.values():
            if healthy or rng.random() < 0.6:
                seat.disk.sync()
            seat.replica.driver.wake()
            if number % 10 == 0:
                seat.replica.look()
        for _ in range(3):
            await asyncio.sleep(0)

    async def run(self) -> None:
        for number in range(STEPS):
            if number % CUT_STEPS == 100:
                self.cut = self.rng.choice(MEMBERS.names)
            if number % CUT_STEPS == CUT_STEPS - 20:
                self.cut = None
            for _ in range(self.rng.randrange(3)):
                self.ask()
            await self.step(number)
        self.cut = None
        for number in range(STEPS, 4 * STEPS):
            await self.step(number, healthy=True)
            if number % 10 == 0 and not self.tasks and self._is_settled():
                return
            await asyncio.sleep(0.0005 if self.tasks else 0)
        raise AssertionError(f"seed {self.seed}: never at rest: {[seat.replica.core.status for seat in self.seats.values()]}")

    def _is_settled(self) -> bool:
        statuses = [seat.replica.core.status for seat in self.seats.values()]
        applied = {seat.replica.applier.index for seat in self.seats.values()}
        return len(applied | {status.last for status in statuses}) == 1


@pytest.mark.parametrize("seed", range(1, 6))
async def test_acknowledged_words_are_everywhere_once_and_reads_see_them(tmp_path: Path, seed: int) -> None:
    together = await Together(tmp_path, seed).begin()
    await together.run()
    words = [seat.words.words for seat in together.seats.values()]

    assert [] == together.violations
    assert words[0] == words[1] == words[2]
    assert len(words[0]) == len(set(words[0])), "nothing is applied twice"
    assert not together.acknowledged - set(words[0])
    assert all(seat.replica.failure == "" for seat in together.seats.values())
    assert len(together.acknowledged) > STEPS / 10
    assert together.read_count > 10
    assert all(seat.work.index > 0 for seat in together.seats.values()), "snapshots were taken"
