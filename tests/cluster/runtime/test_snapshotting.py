"""Snapshots under load, and their way from one node to another when everything on it goes wrong once."""

import asyncio
import errno
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from quorate.cluster.runtime.snapshotting import CHUNK_BYTES, GIVE_UP_MS, PULL_AGAIN_MS, RETRY_MS, TAKE_OVER_MS, Chunk, Offer, Pull, Taken
from quorate.cluster.service import commands
from quorate.cluster.service.keyvalue import KeyValue
from quorate.cluster.storage.errors import StorageError
from quorate.cluster.storage.faulty import Faults, FaultyFiles
from quorate.cluster.storage.files import RealFiles
from quorate.cluster.wire.errors import ChangeRefused, Unavailable
from quorate.protocols.core import Configuration, Entry, Kind, Message, Snapshot
from tests.cluster.runtime.world import MEMBERS, SNAPSHOT_BYTES, World

BIG = [b"%06d" % i + b"x" * 1_017 for i in range(700)]
"""About three chunks."""


def files_of(world: World) -> list[Path]:
    """What its snapshot store holds."""
    return sorted(Path(world.store.directory).iterdir())


@pytest.fixture
async def world(tmp_path: Path) -> World:
    return await World(tmp_path / "n1").begin()


# Taking.


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


# Transfers.


class Pair:
    """A sender "n1" with a snapshot, and a receiver "n2"; every message between them passes through the test's hands."""

    def __init__(self, path: Path) -> None:
        self.sender, self.receiver = World(path / "sender"), World(path / "receiver")
        self.lost: list[Message] = []

    async def begin(self) -> "Pair":
        await self.sender.begin()
        await self.receiver.begin()
        await self.sender.commit_words(*BIG)
        self.snapshot = await self.sender.work.take()
        return self

    def offer(self) -> None:
        self.sender.work.send("n2", self.snapshot)

    def pass_one(self, *, lose: bool = False) -> Message:
        """The next message arrives, or is lost."""
        for source, name, target in ((self.sender, "n1", self.receiver), (self.receiver, "n2", self.sender)):
            if source.sent:
                _, message = source.sent.pop(0)
                if lose:
                    self.lost.append(message)
                else:
                    target.replica.receive(name, message)
                return message
        raise AssertionError("nothing is under way")

    async def pass_all(self) -> list[str]:
        """Everything that is under way, and all that follows from it; the kinds of messages in order."""
        kinds = []
        while self.sender.sent or self.receiver.sent or self.receiver.tasks:
            while self.sender.sent or self.receiver.sent:
                kinds.append(type(self.pass_one()).__name__)
            await self.receiver.finish()
        return kinds

    def look(self, passed_ms: int) -> None:
        for _ in range(passed_ms // 100):
            self.sender.look()
            self.receiver.look()

    def received(self) -> list[tuple[object, ...]]:
        return self.receiver.core.all("received")

    def transferred(self) -> list[tuple[object, ...]]:
        return self.sender.core.all("transferred")


@pytest.fixture
async def pair(tmp_path: Path) -> Pair:
    return await Pair(tmp_path).begin()


async def test_a_snapshot_is_pulled_in_chunks_verified_and_told_to_both_cores(pair: Pair) -> None:
    pair.offer()
    kinds = await pair.pass_all()

    chunk_count = -(-pair.snapshot.size // CHUNK_BYTES)
    assert ["Offer", *["Pull", "Chunk"] * chunk_count, "Taken"] == kinds
    assert chunk_count > 2
    assert [("n1", pair.snapshot)] == pair.received()
    assert [("n2", pair.snapshot, True)] == pair.transferred()
    assert b"".join(pair.sender.store.read(pair.snapshot)) == b"".join(pair.receiver.store.read(pair.snapshot))


@pytest.mark.parametrize("at", range(8))
async def test_whatever_message_is_lost_the_transfer_goes_on(pair: Pair, at: int) -> None:
    pair.offer()
    for _ in range(at):
        pair.pass_one()
        await pair.receiver.finish()
    lost = pair.pass_one(lose=True)
    while not pair.transferred():
        await pair.pass_all()
        pair.look(PULL_AGAIN_MS + 200)

    assert [("n1", pair.snapshot)] == pair.received(), lost
    assert [("n2", pair.snapshot, True)] == pair.transferred()


async def test_a_chunk_that_comes_twice_or_late_is_written_once(pair: Pair) -> None:
    pair.offer()
    pair.pass_one()
    pair.pass_one()
    to, chunk = pair.sender.sent[0]
    pair.pass_one()
    pair.receiver.replica.receive("n1", chunk)
    await pair.pass_all()
    pair.receiver.replica.receive("n1", chunk)

    assert "n2" == to and isinstance(chunk, Chunk)
    assert [("n1", pair.snapshot)] == pair.received()


async def test_a_receiver_that_starts_a_new_life_goes_on_where_it_was(pair: Pair, tmp_path: Path) -> None:
    pair.offer()
    for _ in range(3):
        pair.pass_one()
    pair.receiver = await World(tmp_path / "receiver").begin()
    pair.look(PULL_AGAIN_MS + 200)
    offer, pull = pair.pass_one(), pair.pass_one()
    await pair.pass_all()

    assert isinstance(offer, Offer)
    assert isinstance(pull, Pull) and CHUNK_BYTES == pull.offset
    assert [("n1", pair.snapshot)] == pair.received()


async def test_another_sender_of_the_same_snapshot_is_asked_for_the_rest(pair: Pair) -> None:
    pair.offer()
    for _ in range(3):
        pair.pass_one()
    pair.receiver.sent.clear()
    pair.receiver.replica.receive("n3", Offer(pair.snapshot))
    (to, pull), *rest = pair.receiver.sent

    assert ("n3", Pull(pair.snapshot.id, CHUNK_BYTES), []) == (to, pull, rest)


async def test_a_sender_that_died_gives_way_to_the_next_leader(pair: Pair, tmp_path: Path) -> None:
    """The new leader has a snapshot of its own at the same index: without that, nothing moves until the first is given up."""
    pair.offer()
    pair.pass_one()
    pair.pass_one(lose=True)
    other = await World(tmp_path / "other").begin()
    await other.commit_words(*BIG)
    theirs = await other.work.take()
    pair.receiver.replica.receive("n3", Offer(theirs))

    assert [] == pair.receiver.sent, "the first still has time"

    for _ in range(TAKE_OVER_MS // 100 + 1):
        pair.receiver.look()
    pair.receiver.sent.clear()
    pair.receiver.replica.receive("n3", Offer(theirs))

    assert [("n3", Pull(theirs.id, 0))] == pair.receiver.sent


async def test_a_newer_snapshot_takes_the_place_of_one_being_received(pair: Pair) -> None:
    pair.offer()
    for _ in range(3):
        pair.pass_one()
    await pair.sender.commit_words(b"more")
    newer = await pair.sender.work.take()
    pair.receiver.sent.clear()
    pair.sender.work.send("n2", newer)
    await pair.pass_all()

    assert [("n1", newer)] == pair.received()


async def test_a_snapshot_older_than_ours_is_taken_without_being_sent(pair: Pair) -> None:
    await pair.receiver.commit_words(*BIG, b"more")
    await pair.receiver.work.take()
    pair.offer()

    assert ["Offer", "Taken"] == await pair.pass_all()
    assert [("n2", pair.snapshot, True)] == pair.transferred()
    assert [] == pair.received()


async def test_a_damaged_chunk_is_found_before_the_core_hears_of_it(pair: Pair) -> None:
    pair.offer()
    pair.pass_one()
    pair.pass_one()
    to, chunk = pair.sender.sent.pop(0)
    assert isinstance(chunk, Chunk)
    pair.sender.sent.append((to, replace(chunk, data=b"?" + chunk.data[1:])))
    await pair.pass_all()

    assert [] == pair.received()
    assert [("n2", pair.snapshot, False)] == pair.transferred()

    pair.offer()
    await pair.pass_all()

    assert [("n1", pair.snapshot)] == pair.received(), "and begun anew, not gone on with"


async def test_a_chunk_longer_than_the_snapshot_ends_the_transfer(pair: Pair) -> None:
    pair.offer()
    pair.pass_one()
    pair.receiver.sent.clear()
    pair.receiver.replica.receive("n1", Chunk(pair.snapshot.id, 0, bytes(pair.snapshot.size + 1)))

    assert [("n1", Taken(pair.snapshot.id, False))] == pair.receiver.sent


async def test_a_disk_that_takes_no_chunk_ends_the_transfer_and_nothing_else(tmp_path: Path, pair: Pair) -> None:
    files = FaultyFiles(RealFiles())
    pair.receiver = await World(tmp_path / "full", files=files).begin()
    pair.offer()
    pair.pass_one()
    pair.pass_one()
    files.faults = Faults(free_bytes=0)
    await pair.pass_all()

    assert [("n2", pair.snapshot, False)] == pair.transferred()
    assert "" == pair.receiver.replica.failure


async def test_a_snapshot_that_the_sender_cannot_read_any_more_is_not_asked_for_for_ever(pair: Pair) -> None:
    pair.offer()
    pair.pass_one()
    files_of(pair.sender)[0].write_bytes(b"")
    kinds = await pair.pass_all()

    assert ["Pull"] == kinds
    assert [("n2", pair.snapshot, False)] == pair.transferred()


async def test_a_transfer_that_does_not_move_is_given_up_on_both_sides(pair: Pair) -> None:
    pair.offer()
    for _ in range(3):
        pair.pass_one()
    for _ in range(GIVE_UP_MS // 100 + 1):
        pair.look(100)
        pair.sender.sent.clear()
        pair.receiver.sent.clear()

    assert [("n2", pair.snapshot, False)] == pair.transferred()
    assert pair.receiver.work._incoming is None


async def test_messages_of_no_transfer_are_ignored(pair: Pair) -> None:
    stray: Iterator[Message] = iter((Pull("no-such", 0), Chunk("no-such", 0, b"x"), Taken("no-such", True)))
    for message in stray:
        pair.sender.replica.receive("n2", message)

    assert [] == pair.sender.sent
    assert [] == pair.transferred()


async def test_an_id_that_is_no_file_name_is_refused(pair: Pair) -> None:
    pair.receiver.replica.receive("n1", Offer(Snapshot("../../etc/passwd", 10_000, 1, MEMBERS, 10, 1)))

    assert [("n1", Taken("../../etc/passwd", False))] == pair.receiver.sent


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
