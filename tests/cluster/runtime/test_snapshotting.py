"""Snapshots of a store that goes on serving, and the state that a node begins with."""

import asyncio
import errno
from pathlib import Path

import pytest

from quorate.cluster.runtime.snapshotting import RETRY_MS
from quorate.cluster.service import commands
from quorate.cluster.service.keyvalue import KeyValue
from quorate.cluster.storage.errors import StorageError
from quorate.cluster.storage.faulty import Faults, FaultyFiles
from quorate.cluster.storage.files import RealFiles
from quorate.cluster.wire.errors import ChangeRefused, Unavailable
from quorate.protocols.core import Configuration, Entry, Kind, Snapshot
from tests.cluster.runtime.pair import BIG, files_of
from tests.cluster.runtime.world import MEMBERS, SNAPSHOT_BYTES, World


@pytest.fixture
async def world(tmp_path: Path) -> World:
    return await World(tmp_path / "n1").begin()


async def test_a_snapshot_holds_exactly_what_was_applied_when_it_was_taken(world: World) -> None:
    await world.commit_words(b"a", b"b")
    taking = asyncio.create_task(world.work.take())
    await asyncio.sleep(0)
    await world.commit_words(b"c")
    snapshot = await taking

    assert (2, 1, MEMBERS) == (snapshot.index, snapshot.term, snapshot.configuration)
    assert b"a\nb\n" == b"".join(world.store.read(snapshot))
    assert [b"a", b"b", b"c"] == world.words.words
    assert [(snapshot,)] == world.core.all("compact")


async def test_a_snapshot_waits_until_what_it_holds_is_durable_here(world: World) -> None:
    """design.md: a snapshot is frozen only at an index that is durable here; others may have been quicker to commit."""
    world.core.durable = 1
    await world.commit_words(b"a", b"b")
    taking = asyncio.create_task(world.work.take())
    await asyncio.sleep(0.005)
    await world.commit_words(b"c")

    assert not taking.done()
    assert [b"a", b"b"] == world.words.words, "meanwhile nothing is applied"

    world.core.durable = 3
    snapshot = await taking

    assert 2 == snapshot.index


async def test_a_snapshot_is_taken_by_itself_once_the_log_has_grown(world: World) -> None:
    await world.commit_words(b"a")
    world.work.logged(SNAPSHOT_BYTES - 1)

    assert [] == world.tasks

    world.work.logged(1)
    world.work.logged(1)

    assert 1 == len(world.tasks)

    await world.finish()

    assert 1 == world.work.index


async def test_what_the_log_held_at_the_start_counts(tmp_path: Path) -> None:
    """A node that restarts before every snapshot would let its log grow for ever."""
    world = World(tmp_path)
    await world.work.attach(world.replica, None, SNAPSHOT_BYTES)
    await world.commit_words(b"a")
    world.work.logged(1)
    await world.finish()

    assert 1 == world.work.index


async def test_two_snapshots_at_once_are_refused_and_one_of_nothing_is_too(world: World) -> None:
    with pytest.raises(ChangeRefused):
        await world.work.take()

    await world.commit_words(b"a")
    first = asyncio.create_task(world.work.take())
    await asyncio.sleep(0)
    with pytest.raises(ChangeRefused):
        await world.work.take()

    assert (await first) == (await world.work.take()), "nothing was applied since"


async def test_a_newcomer_that_knows_no_members_yet_takes_no_snapshot_and_goes_on(world: World) -> None:
    world.applier.configuration = Configuration()
    await world.commit_words(b"a")
    world.work.logged(SNAPSHOT_BYTES)
    await world.finish()

    assert 0 == world.work.index
    assert "" == world.replica.failure


async def test_a_full_disk_fails_the_snapshot_only_and_it_is_tried_again(tmp_path: Path) -> None:
    files = FaultyFiles(RealFiles())
    world = await World(tmp_path, files=files).begin()
    await world.commit_words(b"a")
    files.faults = Faults(fail_sync=errno.EIO)
    world.work.logged(SNAPSHOT_BYTES)
    await world.finish()

    assert (0, "") == (world.work.index, world.replica.failure)
    assert [] == world.store.list()

    files.faults = Faults()
    world.work.logged(1)

    assert [] == world.tasks, "not at once"

    for _ in range(RETRY_MS // 100 + 1):
        world.look()
    world.work.logged(1)
    await world.finish()

    assert 1 == world.work.index


async def test_a_snapshot_under_way_ends_when_the_replica_stops(world: World) -> None:
    await world.commit_words(*BIG)
    taking = asyncio.create_task(world.work.take())
    await asyncio.sleep(0)
    world.replica.stop()

    with pytest.raises(Unavailable):
        await taking
    assert [] == files_of(world), "and leaves nothing"


async def test_a_snapshot_overtaken_by_an_installed_one_is_not_told_to_the_core(world: World) -> None:
    await world.commit_words(*BIG)
    newer = world.written(len(BIG) + 9, b"v")
    taking = asyncio.create_task(world.work.take())
    await asyncio.sleep(0)
    await world.install(newer)
    taken = await taking
    await world.finish()

    assert newer == taken
    assert [] == world.core.all("compact")
    assert [b"v"] == world.words.words


async def test_the_image_of_a_store_is_of_one_moment_even_when_another_takes_its_place(tmp_path: Path) -> None:
    """
    1. A store of many keys is being encoded, slice by slice.
    2. A peer's snapshot is restored in its place, and writes go on upon that.
    """
    machine = KeyValue()
    world = await World(tmp_path, machine).begin()
    await world.commit(*(Entry(i, 1, 0, Kind.COMMAND, commands.encode(commands.put(b"k%05d" % i, b"old"))) for i in range(1, 5_001)))
    for _ in range(10_000):
        await asyncio.sleep(0)
    assert 5_000 == world.applier.index
    before = b"".join(machine.freeze()())
    other = KeyValue()
    other.apply(Entry(1, 1, 0, Kind.COMMAND, commands.encode(commands.put(b"k00001", b"new"))))
    with world.store.create(6_000, 1, MEMBERS) as writing:
        for chunk in other.freeze()():
            writing.write(chunk)
        theirs = writing.finish()
    taking = asyncio.create_task(world.work._take())
    await asyncio.sleep(0)
    encoded = [path for path in files_of(world) if path.suffix == ".partial"]
    await world.install(theirs)
    await world.commit(Entry(6_001, 1, 0, Kind.COMMAND, commands.encode(commands.put(b"k00002", b"newer"))))
    await taking
    await world.finish()
    ours = next(snapshot for snapshot in world.store.list() if snapshot.index == 5_000)

    assert encoded, "the first was still being written"
    assert before == b"".join(world.store.read(ours))


async def test_a_snapshot_that_cannot_be_restored_stops_the_replica(world: World) -> None:
    snapshot = world.written(5, b"v")
    files_of(world)[0].write_bytes(b"not one")
    await world.install(snapshot)
    await world.finish()

    assert "DamagedSnapshot" in world.replica.failure


async def test_a_node_begins_with_the_state_of_its_recovered_snapshot(tmp_path: Path) -> None:
    first = World(tmp_path)
    snapshot = first.written(5, b"v", b"w")
    again = await World(tmp_path).begin(snapshot)

    assert [b"v", b"w"] == again.words.words
    assert (5, 5, MEMBERS) == (again.applier.index, again.work.index, again.applier.configuration)


async def test_a_missing_recovered_snapshot_is_an_error_with_its_file(tmp_path: Path) -> None:
    world = World(tmp_path)
    with pytest.raises(StorageError, match="missing"):
        await world.begin(Snapshot("5-1-00000000", 5, 1, MEMBERS, 10, 1))
