"""The simulated disk: the journal on it passes the contract of Storage, a crash loses what was not synced, the dead change nothing."""

from random import Random

import pytest

from quorate.cluster.simulation.disk import JournalSteps, MemoryFiles, SimulatedDisk
from quorate.cluster.simulation.loop import SimulatedLoop
from quorate.cluster.storage.faulty import Crash
from quorate.cluster.storage.files import read_file, replace_file
from quorate.cluster.storage.journal import GroupLog, Journal, JournalOptions
from quorate.protocols.simulation.schedule import MILLISECOND, Schedule
from tests.contracts.storage import StorageContract, StorageWorld, batch, entry, indexes


class DiskWorld:
    """A journal on a simulated disk, stepped in virtual time."""

    def __init__(self) -> None:
        self.loop = SimulatedLoop(Schedule(Random(1)))  # type: ignore[abstract]
        self.crash_count = 0
        self.disk = SimulatedDisk(Random(1), self._crashed)
        self.is_fresh = True
        self.start()

    def _crashed(self) -> None:
        self.crash_count += 1

    def start(self) -> None:
        self.steps = JournalSteps(self.loop, lambda: MILLISECOND)
        options = JournalOptions(segment_bytes=4096, segments_max=3, threads=False, on_put=self.steps.put)
        self.journal = Journal.open("/data/wal", self.loop, fresh=self.is_fresh, files=self.disk, options=options, rng=Random(2))
        self.is_fresh = False

    def storage(self, group: str) -> GroupLog:
        return self.journal.group(group)

    def settle(self) -> None:
        while self.loop.ready or self.steps.is_writing:
            self.loop.step()

    def crash(self) -> None:
        self.disk.freeze()
        self.disk.start_again()
        self.start()


class TestJournalOnASimulatedDisk(StorageContract):
    @pytest.fixture
    def world(self) -> StorageWorld:
        return DiskWorld()


def test_a_write_is_durable_one_latency_later_and_those_that_gather_meanwhile_share_the_sync() -> None:
    world = DiskWorld()
    told: list[tuple[int, int]] = []
    log = world.storage("g")
    for serial in (1, 2):
        log.write(batch(serial, entry(serial)), lambda serial: told.append((serial, world.loop.now_ns)))
    world.settle()

    assert [(2, MILLISECOND)] == told
    assert 1 == world.journal.counters.sync_count


def test_a_crash_during_the_latency_loses_the_write() -> None:
    world = DiskWorld()
    told: list[int] = []
    world.storage("g").write(batch(1, entry(1)), told.append)
    world.loop.step()
    world.crash()

    assert ([], []) == (told, indexes(world.storage("g").load()))


def test_a_write_that_a_crash_interrupts_is_there_or_not_but_never_in_part() -> None:
    """By seed: before the write, between write and sync, after it."""
    found: set[int] = set()
    for seed in range(40):
        world = DiskWorld()
        world.storage("g").write(batch(1, entry(1, data=bytes(3_000))), lambda serial: None)
        world.disk._rng.seed(seed)
        world.steps.interrupt(world.disk, Random(seed))
        world.crash()
        recovered = world.storage("g").load().entries
        assert all(bytes(3_000) == each.data for each in recovered)
        found.add(len(recovered))

    assert {0, 1} == found


def test_what_a_dead_process_still_tries_does_not_reach_the_disk() -> None:
    world = DiskWorld()
    world.disk.freeze()
    with pytest.raises(Crash):
        replace_file(world.disk, "/data/clean.json", b"all is well")
    world.disk.start_again()

    assert not world.disk.exists("/data/clean.json")
    assert world.crash_count > 0


def test_files_in_memory_tell_a_missing_and_a_present_name() -> None:
    files = MemoryFiles()
    files.create("/a/b").write((b"one", b"two"), 2)
    assert b"\0\0onetwo" == read_file(files, "/a/b")
    assert (["b"], True, False) == (files.list("/a"), files.exists("/a/b"), files.exists("/a/c"))
    with pytest.raises(FileNotFoundError):
        files.open("/a/c")
    with pytest.raises(FileExistsError):
        files.create("/a/b")
    files.rename("/a/b", "/a/c")
    files.open("/a/c").truncate(4)

    assert b"\0\0on" == read_file(files, "/a/c")
