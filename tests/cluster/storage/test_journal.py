"""Groups on one log: shared syncs, released segments, failures that stop everything, real threads."""

import asyncio
from errno import EIO, ENOSPC
from functools import partial
from pathlib import Path

import pytest

from quorate.cluster.storage.commit import MERGE_BYTES_MAX
from quorate.cluster.storage.errors import LogFailed
from quorate.cluster.storage.faulty import Faults, FaultyFiles
from quorate.cluster.storage.files import RealFiles
from quorate.cluster.storage.journal import Journal, JournalOptions
from quorate.protocols.core import Effects
from tests.cluster.storage.world import JournalWorld
from tests.contracts.storage import Promised, batch, entry, indexes, nobody, snapshot


def faulty(directory: Path) -> tuple[JournalWorld, FaultyFiles]:
    files = FaultyFiles(RealFiles(), sync_below=False)
    return JournalWorld(str(directory), files), files


def test_all_that_gathered_during_a_sync_shares_the_next(tmp_path: Path) -> None:
    world = JournalWorld(str(tmp_path))
    told: list[tuple[str, int]] = []

    def tell(group: str, serial: int) -> None:
        told.append((group, serial))

    for serial in range(1, 6):
        for group in ("a", "b", "c"):
            world.storage(group).write(batch(serial, entry(serial)), partial(tell, group))
    world.journal.step()
    world.loop.run()
    counters = world.journal.counters

    assert (1, 15, 14) == (counters.sync_count, counters.record_count, counters.merged_count)
    assert [("a", 5), ("b", 5), ("c", 5)] == told  # one call per group and sync
    assert 0 == counters.queue_bytes


def test_one_device_write_takes_a_bounded_amount(tmp_path: Path) -> None:
    world = JournalWorld(str(tmp_path), options=JournalOptions(threads=False))
    for serial in range(1, 6):
        world.storage("g").write(batch(serial, entry(serial, 1, bytes(MERGE_BYTES_MAX // 2))), nobody)
    world.settle()

    assert 3 == world.journal.counters.sync_count


def test_a_batch_larger_than_a_segment_gets_a_larger_segment(tmp_path: Path) -> None:
    world = JournalWorld(str(tmp_path))
    world.storage("g").write(batch(1, entry(1, 1, bytes(50_000))), nobody)
    world.settle()
    world.crash()

    assert 50_000 == len(world.storage("g").load().entries[0].data)


def test_the_entries_go_to_the_disk_as_the_blob_that_they_came_in(tmp_path: Path) -> None:
    world = JournalWorld(str(tmp_path))
    effects = batch(1, entry(1, 1, b"packed once"), entry(2))
    world.storage("g").write(effects, nobody)
    world.settle()

    assert effects.packed in Path(f"{world.directory}/segment-0000000001.wal").read_bytes()


def test_entries_that_came_without_a_blob_are_packed(tmp_path: Path) -> None:
    world = JournalWorld(str(tmp_path))
    world.storage("g").write(Effects(1, entries=[entry(1)]), nobody)
    world.settle()
    world.crash()

    assert [(1, 1)] == indexes(world.storage("g").load())


def test_a_barrier_behind_a_sync_is_told_with_it_and_not_with_the_next(tmp_path: Path) -> None:
    world = JournalWorld(str(tmp_path))
    told: list[int] = []
    world.storage("g").write(batch(1, entry(1)), told.append)
    world.storage("g").write(batch(2), told.append)
    world.journal.step()
    world.storage("g").write(batch(3, entry(2)), told.append)
    world.storage("g").write(batch(4), told.append)
    world.loop.run()
    first = list(told)
    world.settle()

    assert [2] == first
    assert [2, 4] == told


def test_segments_that_nobody_needs_are_recycled_and_the_log_stays_small(tmp_path: Path) -> None:
    """Also when a group writes in every batch, and made its promise long ago."""
    world = JournalWorld(str(tmp_path))
    fill(world, 1, 200)
    names = sorted(path.name for path in Path(world.directory).iterdir())
    world.crash()

    assert world.journal.recovery.oldest > 20
    assert len(names) <= 4, names
    busy = world.storage("busy").load()
    assert (Promised(4, "n3"), [(199, 1)]) == (busy.promise, indexes(busy))


def fill(world: JournalWorld, first: int, last: int) -> None:
    """A busy group writes entries first to last - 1, about seven to a segment, and takes a snapshot of each."""
    for index in range(first, last):
        mark = snapshot(index - 1) if index > 1 else None
        promise = Promised(4, "n3") if index == 1 else None
        world.storage("busy").write(batch(index, entry(index, 1, b"x" * 500), snapshot=mark, promise=promise), nobody)
        world.settle()


def test_a_group_that_left_only_a_mark_or_a_truncation_keeps_them(tmp_path: Path) -> None:
    """The truncation stands in a later segment than what it cut, and there are no entries beside it."""
    world = JournalWorld(str(tmp_path))
    world.storage("marked").write(batch(1, snapshot=snapshot(9)), nobody)
    world.storage("cut").write(batch(1, *[entry(index) for index in range(1, 10)]), nobody)
    fill(world, 1, 10)
    world.storage("cut").write(batch(2, truncate=6), nobody)
    fill(world, 10, 120)
    world.crash()

    assert world.journal.recovery.oldest > 10
    assert snapshot(9) == world.storage("marked").load().snapshot
    assert [(index, 1) for index in range(1, 7)] == indexes(world.storage("cut").load())


def test_an_idle_group_does_not_hold_old_segments(tmp_path: Path) -> None:
    """Its promise, mark and remaining entries are written anew, in the order that counts."""
    world = JournalWorld(str(tmp_path))
    world.storage("idle").write(batch(1, *[entry(index) for index in range(1, 10)], promise=Promised(3, "n2")), nobody)
    world.storage("idle").write(batch(2, entry(7, 5), truncate=6, snapshot=snapshot(4)), nobody)
    world.storage("voted").write(batch(1, promise=Promised(9, None)), nobody)
    fill(world, 1, 200)
    rewritten = world.journal.counters.rewritten_count
    world.crash()
    idle, voted = world.storage("idle").load(), world.storage("voted").load()

    assert world.journal.recovery.oldest > 15
    assert rewritten > 4
    assert (Promised(3, "n2"), snapshot(4), [(5, 1), (6, 1), (7, 5)]) == (idle.promise, idle.snapshot, indexes(idle))
    assert Promised(9, None) == voted.promise


def test_a_rewriting_that_a_new_write_overtook_is_dropped(tmp_path: Path) -> None:
    """1. the log asks for the rewriting; 2. the group writes; 3. the rewriting, now wrong, comes to the log."""
    world = JournalWorld(str(tmp_path))
    world.storage("idle").write(batch(1, entry(1), entry(2), promise=Promised(1, None)), nobody)
    serial = 0
    for serial in range(2, 60):
        index = serial - 1
        mark = snapshot(index - 1) if index > 1 else None
        world.storage("busy").write(batch(serial, entry(index, 1, b"x" * 500), snapshot=mark), nobody)
        world.storage("idle").write(batch(serial, entry(2, serial), promise=Promised(serial, None)), nobody)
        world.settle()
    world.crash()
    idle = world.storage("idle").load()

    assert (Promised(serial, None), [(1, 1), (2, serial)]) == (idle.promise, indexes(idle))


@pytest.mark.parametrize("entries", [0, 1])
def test_a_write_that_came_while_the_segment_was_changed_counts_more_than_the_rewriting(tmp_path: Path, entries: int) -> None:
    """1. the log's thread opens a segment; 2. meanwhile the group writes; 3. the thread queues the rewriting behind it: one batch."""
    world, files = faulty(tmp_path)
    newest = rolls = 0

    def meanwhile(step: str) -> None:
        nonlocal newest, rolls
        if step.startswith("rename") and f" to {world.directory}/segment" in step:
            rolls += 1
            if rolls % world.options.segments_max == 0:  # just when what it wrote last is rewritten
                newest += 1
                world.storage("idle").write(batch(newest, *[entry(1, newest)][:entries], promise=Promised(newest, None)), nobody)

    files.trace = meanwhile
    fill(world, 1, 120)
    world.crash()
    back = world.storage("idle").load()

    assert newest > 4
    assert (Promised(newest, None), [(1, newest)][:entries]) == (back.promise, indexes(back))


@pytest.mark.parametrize(
    "faults", [Faults(fail_write=EIO), Faults(fail_sync=EIO), Faults(fail_write=ENOSPC), Faults(fail_sync=ENOSPC)], ids=repr
)
def test_after_a_failed_write_or_sync_nothing_is_told_nor_written(tmp_path: Path, faults: Faults) -> None:
    world, files = faulty(tmp_path)
    failures: list[LogFailed] = []
    told: list[int] = []
    world.journal.on_failed = failures.append
    storage = world.storage("g")
    storage.write(batch(1, entry(1)), told.append)
    world.settle()
    files.faults = faults
    storage.write(batch(2, entry(2)), told.append)
    storage.write(batch(3), told.append)
    world.journal.step()
    storage.write(batch(4, entry(3)), told.append)  # before the loop has heard of it
    world.settle()
    steps = files.step_count
    files.faults = Faults()  # the disk is well again: too late
    storage.write(batch(5, entry(4)), told.append)
    storage.write(batch(6), told.append)
    world.settle()

    assert [1] == told
    assert 1 == len(failures)
    assert "segment-0000000001.wal" in str(failures[0])
    assert not failures[0].definite
    assert steps == files.step_count
    assert 3 == world.journal.counters.refused_count
    assert world.journal.close() is None
    files.crash()
    world.start()
    assert [(1, 1)] == indexes(world.storage("g").load())


def test_a_full_disk_shows_when_the_next_segment_is_made_and_before_anything_is_told(tmp_path: Path) -> None:
    world, files = faulty(tmp_path)
    failures: list[LogFailed] = []
    told: list[int] = []
    world.journal.on_failed = failures.append
    files.faults.free_bytes = 6000  # one segment more, not two
    for serial in range(1, 100):
        world.storage("g").write(batch(serial, entry(serial, 1, b"x" * 500)), told.append)
        world.settle()
    files.crash()
    world.start()

    assert "No space left" in str(failures[0])
    assert 0 < len(told) < 20
    assert [(serial, 1) for serial in told] == indexes(world.storage("g").load())
    assert [] == [name for name in files.list(world.directory) if "spare" in name]


def test_a_stalled_sync_delays_the_answer_and_nothing_else(tmp_path: Path) -> None:
    naps: list[float] = []
    files = FaultyFiles(RealFiles(), sync_below=False, sleep=naps.append)
    world = JournalWorld(str(tmp_path), files)
    files.faults.sync_delay_ms = 250
    world.storage("g").write(batch(1, entry(1)), nobody)
    world.settle()

    assert [0.25] == naps


async def test_with_threads_every_write_is_told_and_comes_back(tmp_path: Path) -> None:
    loop = asyncio.get_running_loop()
    options = JournalOptions(segment_bytes=64 << 10, segments_max=3)
    journal = Journal.open(str(tmp_path / "wal"), loop, fresh=True, options=options)
    finished = asyncio.Event()
    groups, last = ("a", "b", "c"), 400
    told = dict.fromkeys(groups, 0)

    def tell(group: str, serial: int) -> None:
        assert serial > told[group]
        told[group] = serial
        if set(told.values()) == {last}:
            finished.set()

    for serial in range(1, last + 1):
        for group in groups:
            mark = snapshot(serial - 2) if serial % 20 == 0 else None
            journal.group(group).write(batch(serial, entry(serial, 1, b"x" * 400), snapshot=mark), partial(tell, group))
        await asyncio.sleep(0)
    await asyncio.wait_for(finished.wait(), 30)
    position = journal.close()
    counters = journal.counters
    again = Journal.open(str(tmp_path / "wal"), loop, fresh=False, clean=position, options=options)
    back = {group: indexes(again.group(group).load()) for group in groups}
    again.close()

    assert position is not None
    assert 3 * last == counters.record_count
    assert 0 == counters.background_failed_count
    assert {group: [(399, 1), (400, 1)] for group in groups} == back


async def test_with_threads_a_failure_is_told_in_the_loop(tmp_path: Path) -> None:
    files = FaultyFiles(RealFiles())
    journal = Journal.open(str(tmp_path / "wal"), asyncio.get_running_loop(), fresh=True, files=files)
    failed: asyncio.Future[LogFailed] = asyncio.get_running_loop().create_future()
    journal.on_failed = failed.set_result
    files.faults.fail_sync = EIO
    told: list[int] = []
    journal.group("g").write(batch(1, entry(1)), told.append)
    problem = await asyncio.wait_for(failed, 30)

    assert isinstance(problem.cause, OSError)
    assert (None, []) == (journal.close(), told)
