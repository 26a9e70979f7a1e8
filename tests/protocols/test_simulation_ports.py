"""The simulated network and disk keep the contracts of the ports that the real ones implement."""

from random import Random

import pytest

from quorate.protocols.core import Message, NodeId, Storage, Transport
from quorate.protocols.simulation.disk import SimulatedDisk
from quorate.protocols.simulation.network import Network
from quorate.protocols.simulation.policy import Rule
from quorate.protocols.simulation.schedule import MILLISECOND, Schedule
from tests.contracts.storage import StorageContract, StorageWorld, batch, entry, indexes, nobody
from tests.contracts.transport import TransportContract, TransportWorld


class SimulatedDisks:
    """One disk a group: in a simulated world each node runs one group."""

    def __init__(self) -> None:
        self.schedule = Schedule(Random(1))
        self.disks: dict[str, SimulatedDisk] = {}

    def storage(self, group: str) -> Storage:
        if group not in self.disks:
            self.disks[group] = SimulatedDisk(self.schedule, Random(group), lambda: MILLISECOND)
        return self.disks[group]

    def settle(self) -> None:
        while self.schedule.step():
            pass

    def crash(self) -> None:
        for disk in self.disks.values():
            disk.crash()


class TestSimulatedStorage(StorageContract):
    @pytest.fixture
    def world(self) -> StorageWorld:
        return SimulatedDisks()


class SimulatedLinks:
    def __init__(self) -> None:
        self.schedule = Schedule(Random(1))
        self.queue_max = 8
        self.network = Network(1, self.schedule, self._deliver, Rule(delay_ns=MILLISECOND, stream=True), queue_max=self.queue_max)
        self._sender = self.network.transport("me")
        self.transport: Transport = self._sender
        self._got: dict[NodeId, list[Message]] = {}

    @property
    def dropped(self) -> int:
        return self._sender.dropped

    def _deliver(self, source: NodeId, destination: NodeId, message: Message) -> None:
        self._got.setdefault(destination, []).append(message)

    def hold(self, peer: NodeId) -> None:
        """Slow enough that nothing arrives before the release: virtual time moves only when a test lets it."""
        self.network.set([("me", peer)], Rule(delay_ns=1_000 * MILLISECOND, stream=True))

    async def release(self, peer: NodeId) -> None:
        self.network.heal([("me", peer)])
        self._settle()

    async def arrived(self, peer: NodeId) -> list[Message]:
        self._settle()
        return self._got.get(peer, [])

    def _settle(self) -> None:
        while self.schedule.step():
            pass


class TestSimulatedTransport(TransportContract):
    @pytest.fixture
    def world(self) -> TransportWorld:
        return SimulatedLinks()


def test_a_crash_leaves_a_prefix_of_the_batches_that_were_not_synced() -> None:
    """Over many seeds every prefix occurs, the empty one and the whole included, and nothing but prefixes."""
    seen: set[int] = set()
    for seed in range(60):
        schedule = Schedule(Random(seed))
        disk = SimulatedDisk(schedule, Random(seed), lambda: MILLISECOND)
        for serial in range(1, 4):
            disk.write(batch(serial, entry(serial)), nobody)
        disk.crash()
        left = indexes(disk.load())
        assert left == [(index, 1) for index in range(1, len(left) + 1)]
        seen.add(len(left))

    assert {0, 1, 2, 3} == seen


def test_a_failed_disk_answers_nothing_any_more() -> None:
    schedule = Schedule(Random(1))
    told: list[int] = []
    disk = SimulatedDisk(schedule, Random(1), lambda: MILLISECOND)
    disk.write(batch(1, entry(1)), told.append)
    disk.fail()
    while schedule.step():
        pass

    assert [] == told


def test_one_fsync_covers_all_batches_that_gathered_during_the_one_before() -> None:
    schedule = Schedule(Random(1))
    told: list[tuple[int, int]] = []
    disk = SimulatedDisk(schedule, Random(1), lambda: MILLISECOND)
    for serial in range(1, 5):
        disk.write(batch(serial, entry(serial)), lambda serial: told.append((serial, schedule.now // MILLISECOND)))
    while schedule.step():
        pass

    assert [(1, 1), (2, 2), (3, 2), (4, 2)] == told
