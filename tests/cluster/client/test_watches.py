"""Watches: every change in order and once, whatever happens to the nodes that send them."""

import asyncio
import gc
from random import Random

import pytest

from quorate.cluster.client import Client
from quorate.cluster.client.watch import Watch
from quorate.cluster.service.commands import encode, put
from quorate.cluster.service.results import WatchEvent
from quorate.cluster.wire.errors import BadRequest, Compacted, Unavailable
from quorate.protocols.sessions import plain
from tests.cluster.client.fake import FakeCluster, FakeNode, spin, until


def write(cluster: FakeCluster, key: str, value: str) -> None:
    """Another client's write, straight into the log."""
    cluster.apply(plain(encode(put(key.encode(), value.encode()))))


async def take(watch: Watch, count: int) -> list[WatchEvent]:
    return [await anext(watch) for _ in range(count)]


def feeding(cluster: FakeCluster) -> FakeNode:
    """The node that feeds the one watch."""
    [node] = [node for node in cluster.nodes.values() if node.watchers]
    return node


async def all_known(cluster: FakeCluster, client: Client) -> None:
    await until(lambda: sum(bool(endpoint.name and endpoint.connection) for endpoint in client._network.endpoints) == len(cluster.nodes))


async def test_changes_come_in_order_with_what_was_before(cluster: FakeCluster) -> None:
    client = await cluster.connected()
    async with client.watch("x", previous=True) as watch:
        await client.put("x", "1")
        await client.put("other", "?")
        await client.put("x", "2")
        await client.delete("x")
        events = await take(watch, 3)

    assert [b"1", b"2", None] == [event.current and event.current.value for event in events]
    assert [None, b"1", b"2"] == [event.previous and event.previous.value for event in events]


async def test_a_watch_begins_at_the_revision_asked_for(cluster: FakeCluster) -> None:
    client = await cluster.connected()
    for number in range(5):
        write(cluster, f"c/{number}", "v")

    events = await take(client.watch(prefix="c/", from_revision=3), 3)

    assert [3, 4, 5] == [event.revision for event in events]


async def test_a_watch_goes_on_at_another_node_without_loss_or_repetition(cluster: FakeCluster) -> None:
    client = await cluster.connected()
    await all_known(cluster, client)
    seen: list[int] = []
    async with client.watch(prefix="k") as watch:
        for number in range(10):
            write(cluster, "k", str(number))
            seen += [event.revision for event in await take(watch, 1)]
            node = feeding(cluster)
            node.drop_connections()
            write(cluster, "k", "meanwhile")
            seen += [event.revision for event in await cluster.finish(take(watch, 1))]

    assert list(range(1, 21)) == seen


async def test_a_node_that_lags_repeats_nothing(cluster: FakeCluster) -> None:
    """1. A fast node sends up to 5. 2. It dies. 3. The next node has only delivered up to 2: it sends from 6 on, later."""
    client = await cluster.connected()
    await all_known(cluster, client)
    async with client.watch("k", from_revision=1) as watch:
        node = feeding(cluster)
        for number in range(5):
            write(cluster, "k", str(number))
        assert [1, 2, 3, 4, 5] == [event.revision for event in await take(watch, 5)]
        for other in cluster.nodes.values():
            other.lags = True
        node.crash()
        waiting = asyncio.ensure_future(take(watch, 1))
        await cluster.timing.advance(300)
        write(cluster, "k", "5")
        await spin()
        assert not waiting.done()
        for other in cluster.nodes.values():
            other.lags = False
            other.feed()

        assert [6] == [event.revision for event in await waiting]


async def test_a_revision_in_several_batches_is_resumed_in_its_middle(cluster: FakeCluster, monkeypatch: pytest.MonkeyPatch) -> None:
    """A transaction of ten keys comes in batches of three; the connection breaks after some of them, four times."""
    monkeypatch.setattr("quorate.cluster.service.watches.WATCH_EVENTS_MAX", 3)
    client = await cluster.connected()
    await all_known(cluster, client)
    write(cluster, "before", "1")
    await client.transaction([], [put(b"k%d" % number, b"v") for number in range(10)])
    write(cluster, "after", "1")
    cluster.watches_break_after.extend([1, 2, 1, 3])
    watch = client.watch(from_revision=1)
    keys = [event.key for event in await cluster.finish(take(watch, 12))]

    assert [b"before", *(b"k%d" % number for number in range(10)), b"after"] == keys
    assert 5 == sum(len(node.asked("watch")) for node in cluster.nodes.values())


async def test_random_losses_neither_lose_nor_repeat(cluster: FakeCluster, monkeypatch: pytest.MonkeyPatch) -> None:
    """Transactions of random size, batches of four events, connections lost at random."""
    monkeypatch.setattr("quorate.cluster.service.watches.WATCH_EVENTS_MAX", 4)
    rng = Random(7)
    client = await cluster.connected()
    await all_known(cluster, client)
    written: list[tuple[int, bytes]] = []
    seen: list[tuple[int, bytes]] = []
    watch = client.watch(prefix="k", from_revision=1)

    async def read() -> None:
        async for event in watch:
            seen.append((event.revision, event.key))

    async def read_all() -> None:
        await until(lambda: len(seen) >= len(written))

    reader = asyncio.ensure_future(read())
    for _ in range(150):
        keys = [b"k%02d" % number for number in sorted(rng.sample(range(40), rng.randint(1, 12)))]
        result = await cluster.finish(client.transaction([], [put(key, b"v") for key in keys]))
        written += [(result.revision, key) for key in keys]
        if rng.random() < 0.3:
            cluster.watches_break_after.append(rng.randint(1, 4))
        if rng.random() < 0.1:
            rng.choice(list(cluster.nodes.values())).drop_connections()
        await spin(rng.randint(1, 10))
    await cluster.finish(read_all())
    watch.close()
    await reader

    assert written == seen


async def test_a_compacted_revision_is_an_error_not_a_gap(cluster: FakeCluster) -> None:
    client = await cluster.connected()
    for number in range(5):
        write(cluster, "k", str(number))
    await client.compact(4)

    with pytest.raises(Compacted) as caught:
        await anext(client.watch("k", from_revision=2))
    assert caught.value.revision > 2


async def test_a_watch_whose_history_went_while_it_was_away_ends_with_compacted(cluster: FakeCluster) -> None:
    client = await cluster.connected()
    async with client.watch("k") as watch:
        write(cluster, "k", "1")
        await take(watch, 1)
        feeding(cluster).drop_connections()
        await until(lambda: watch.connection is None)
        for number in range(5):
            write(cluster, "k", str(number))
        await cluster.finish(client.compact(5))

        with pytest.raises(Compacted):
            await cluster.finish(anext(watch))


async def test_a_slow_reader_costs_a_bounded_buffer_and_misses_nothing(cluster: FakeCluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("quorate.cluster.client.watch.BUFFER_EVENTS_MAX", 10)
    client = await cluster.connected()
    async with client.watch("k") as watch:
        for number in range(100):
            write(cluster, "k", str(number))
            await spin(3)
        await spin()
        held = len(watch._events)
        watchers = sum(len(node.watchers) for node in cluster.nodes.values())
        revisions = [event.revision for event in await take(watch, 100)]

    assert held <= 11
    assert 0 == watchers, "the node holds nothing for it either"
    assert list(range(1, 101)) == revisions


async def test_a_watch_leaves_a_node_that_has_lost_the_cluster(cluster: FakeCluster) -> None:
    """Its connection is fine and it answers; only it has nothing to tell, and would not have for ever."""
    client = await cluster.connected()
    await all_known(cluster, client)
    async with client.watch("k") as watch:
        node = feeding(cluster)
        node.lags, node.is_ready = True, False
        write(cluster, "k", "1")
        waiting = asyncio.ensure_future(take(watch, 1))
        await cluster.timing.advance(6_000)

        assert waiting.done()
        assert feeding(cluster) is not node


async def test_a_watch_that_ends_tells_the_node(cluster: FakeCluster) -> None:
    client = await cluster.connected()
    async with client.watch("k"):
        node = feeding(cluster)
    await until(lambda: not node.watchers)

    assert 1 == len(node.asked("unwatch"))


async def test_a_watch_that_was_dropped_without_a_word_ends_with_the_next_change(cluster: FakeCluster) -> None:
    client = await cluster.connected()
    watch = client.watch("k", from_revision=1)
    write(cluster, "k", "1")
    await anext(watch)
    node = feeding(cluster)
    del watch
    gc.collect()
    write(cluster, "k", "2")

    await until(lambda: not node.watchers)


async def test_closing_ends_the_iteration_for_who_waits(cluster: FakeCluster) -> None:
    client = await cluster.connected()
    watch = client.watch("k")
    waiting = asyncio.ensure_future(anext(watch, None))
    await until(lambda: watch.connection is not None)
    watch.close()

    assert await waiting is None


async def test_a_cancelled_wait_loses_no_event(cluster: FakeCluster) -> None:
    client = await cluster.connected()
    async with client.watch("k") as watch:
        waiting = asyncio.ensure_future(anext(watch))
        await spin()
        waiting.cancel()
        await spin()
        write(cluster, "k", "1")

        assert 1 == (await anext(watch)).revision


async def test_a_watch_that_can_not_begin_says_so_at_its_timeout(cluster: FakeCluster) -> None:
    client = await cluster.connected(timeout=0.5)
    for node in cluster.nodes.values():
        node.crash()
    await until(lambda: not client._network.open_connections())

    with pytest.raises(Unavailable, match="0 of 3 nodes answer"):
        await cluster.finish(anext(client.watch("k")))


async def test_a_key_and_a_prefix_at_once_are_refused(cluster: FakeCluster) -> None:
    client = await cluster.connected()

    with pytest.raises(BadRequest):
        client.watch("k", prefix="k")
