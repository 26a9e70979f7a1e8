"""A snapshot's way from one node to another, when everything on it goes wrong once."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from quorate.cluster.runtime.snapshotting import CHUNK_BYTES, GIVE_UP_MS, PULL_AGAIN_MS, TAKE_OVER_MS, Chunk, Offer, Pull, Taken
from quorate.cluster.storage.faulty import Faults, FaultyFiles
from quorate.cluster.storage.files import RealFiles
from quorate.protocols.core import Message, Snapshot
from tests.cluster.runtime.pair import BIG, Pair, files_of
from tests.cluster.runtime.world import MEMBERS, World


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

    # Where the last answer was lost the core is told again; it knows a snapshot that it has.
    assert {("n1", pair.snapshot)} == set(pair.received()), lost
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
