"""Watches over connections: in order and once, at each client's own pace."""

import asyncio
from pathlib import Path

import pytest

from quorate.cluster.service import commands
from quorate.cluster.service.keyvalue import KeyValue
from quorate.cluster.service.watching import Watching
from quorate.cluster.wire.errors import BadRequest, Compacted, NotLeader
from quorate.cluster.wire.rpc import WRITE_HIGH_WATER
from quorate.protocols.core import Entry, Kind
from tests.cluster.runtime.world import MEMBERS
from tests.cluster.service.serving import Client, Served


@pytest.fixture
async def served(tmp_path: Path) -> Served:
    return await Served(tmp_path).begin()


@pytest.fixture
async def watching(served: Served) -> Watching:
    return Watching(served.hosted)


def every(from_revision: int = 0) -> bytes:
    return commands.encode(commands.watch(b"", b"", from_revision=from_revision))


def puts(count: int) -> list[commands.Operation]:
    return [commands.put(b"k", b"%d" % i) for i in range(count)]


async def test_a_watch_from_now_begins_after_a_barrier_and_says_where(served: Served, watching: Watching) -> None:
    await served.do(*puts(2))
    client = Client()
    watching.watch(client.connection, 1, 7, every())
    client.take()

    assert {} == client.replies, "what others were told before this call must not come as news"

    await served.barrier()
    await served.do(*puts(2))
    revisions = client.revisions

    assert {1: 3} == client.replies
    assert [3, 4] == revisions


async def test_a_watch_from_a_past_revision_needs_no_barrier(served: Served, watching: Watching) -> None:
    await served.do(*puts(3))
    client = Client()
    watching.watch(client.connection, 1, 7, every(2))
    await served.world.turn()

    assert [2, 3] == client.revisions
    assert {1: 2} == client.replies


async def test_a_watch_whose_barrier_fails_does_not_begin(served: Served, watching: Watching) -> None:
    client = Client()
    watching.watch(client.connection, 1, 7, every())
    await served.no_barrier()
    await served.do(*puts(1))
    client.take()

    assert isinstance(client.errors[1], NotLeader)
    assert [] == client.batches
    assert 0 == len(watching.hub)


async def test_one_id_names_one_watch_of_a_connection_even_when_two_wait_together(served: Served, watching: Watching) -> None:
    """The first would go on for ever, with nobody who could end it."""
    client, other = Client(), Client()
    watching.watch(client.connection, 1, 7, every())
    watching.watch(client.connection, 2, 7, every())
    watching.watch(other.connection, 1, 7, every())
    await served.barrier()
    client.take()

    assert isinstance(client.errors[2], BadRequest)
    assert 2 == len(watching.hub)

    client.close()
    other.close()

    assert 0 == len(watching.hub)


async def test_a_client_that_takes_nothing_holds_up_only_itself_and_reads_on_from_history(served: Served, watching: Watching) -> None:
    slow, quick = Client(), Client()
    for client in (slow, quick):
        watching.watch(client.connection, 1, 7, every(1))
    slow.wire.unsent = WRITE_HIGH_WATER
    await served.do(*puts(3))
    await served.do(*puts(3))

    assert [1, 2, 3, 4, 5, 6] == quick.revisions
    assert [1, 2, 3] == slow.revisions, "what was given to it, and nothing more"

    slow.wire.unsent = 0
    watching._look()
    await served.world.turn()

    assert [1, 2, 3, 4, 5, 6] == slow.revisions


async def test_a_client_that_was_away_for_longer_than_history_is_told_so(served: Served, watching: Watching) -> None:
    client = Client()
    watching.watch(client.connection, 1, 7, every(1))
    client.wire.unsent = WRITE_HIGH_WATER
    await served.do(*puts(3))
    await served.do(*puts(3))
    await served.do(commands.compact(5))
    client.wire.unsent = 0
    watching._look()
    await served.world.turn()
    client.take()
    [(id, error)] = client.ends

    assert 7 == id
    assert isinstance(error, Compacted)
    assert 0 == len(watching.hub)


async def test_after_an_installed_snapshot_a_watch_goes_on_without_a_gap(served: Served, watching: Watching) -> None:
    client = Client()
    watching.watch(client.connection, 1, 7, every(1))
    await served.do(*puts(2))
    newer = KeyValue()
    for index in range(1, 6):
        newer.apply(Entry(index, 1, 0, Kind.COMMAND, commands.encode(commands.put(b"k", b"%d" % index))))
    with served.world.store.create(100, 1, MEMBERS) as writing:
        for chunk in newer.freeze()():
            writing.write(chunk)
        snapshot = writing.finish()
    await served.world.install(snapshot)
    await served.world.finish()
    await served.world.turn()

    assert [1, 2, 3, 4, 5] == client.revisions


async def test_unwatch_ends_it_and_a_closed_connection_ends_all_of_its_own(served: Served, watching: Watching) -> None:
    client = Client()
    for id in (7, 8):
        watching.watch(client.connection, id, id, every(1))
    watching.unwatch(client.connection, 1, 7)
    watching.unwatch(client.connection, 2, 99)
    await served.do(*puts(1))
    client.take()

    assert {8} == {id for id, _ in client.batches}
    assert (None, None) == (client.replies[1], client.replies[2])

    client.close()
    await served.do(*puts(1))

    assert 0 == len(watching.hub)


async def test_a_connection_that_closes_before_its_watch_begins_leaves_nothing(served: Served, watching: Watching) -> None:
    client = Client()
    watching.watch(client.connection, 1, 7, every())
    client.close()
    await served.barrier()

    assert 0 == len(watching.hub)


async def test_progress_is_told_when_asked_for(served: Served, watching: Watching) -> None:
    client = Client()
    watching.watch(client.connection, 1, 7, commands.encode(commands.watch(b"other", b"other\0", from_revision=1)))
    await served.do(*puts(3))
    watching.progress(client.connection, 2, 7)
    await asyncio.sleep(0)
    client.take()

    assert [(7, 3, ())] == [(id, batch.revision, batch.events) for id, batch in client.batches if batch.revision == 3][-1:]
    with pytest.raises(BadRequest, match="no watch 8"):
        watching.progress(client.connection, 3, 8)


@pytest.mark.parametrize("request_bytes", [b"", b"\xc1", b"\x90", b"\x93\xc4\x00\xc4\x00\x01", b"\x94\xc4\x00\xc4\x00\xa1x\xc3"])
async def test_what_is_no_watch_is_refused(watching: Watching, request_bytes: bytes) -> None:
    with pytest.raises(BadRequest):
        watching.watch(Client().connection, 1, 7, request_bytes)


async def test_an_id_out_of_range_is_refused(watching: Watching) -> None:
    for id in (-1, 1 << 63):
        with pytest.raises(BadRequest, match="out of range"):
            watching.watch(Client().connection, 1, id, every())
