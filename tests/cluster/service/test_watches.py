"""Watches: ordered, each change once, resumable, bounded, and never a silent gap."""

import pytest

from quorate.cluster.service import commands
from quorate.cluster.service.limits import HISTORY_EVENTS_MAX, WATCH_BYTES_MAX, WATCH_EVENTS_MAX, WATCH_SCAN_MAX, WATCHERS_MAX
from quorate.cluster.service.results import LimitReached, WatchBatch
from quorate.cluster.wire.errors import Compacted
from tests.cluster.service.watched import Client, World
from tests.contracts.machine import restore


@pytest.fixture
def world() -> World:
    return World()


def test_a_watch_from_now_sees_what_comes_and_nothing_before(world: World) -> None:
    world.puts(3)
    client, _ = world.watch()
    world.do(commands.put(b"a", b"1"), commands.put(b"a", b"2"), commands.delete(b"a"))
    world.settle()

    assert client.seen == [(4, b"a"), (5, b"a"), (6, b"a")]
    created, changed, deleted = client.events
    assert created.current is not None
    assert (created.current.value, created.previous) == (b"1", None)
    assert changed.previous == created.current
    assert (deleted.current, deleted.previous) == (None, changed.current)


def test_a_watch_from_a_past_revision_begins_there_and_goes_on(world: World) -> None:
    world.puts(10)
    client, _ = world.watch(from_revision=4)
    world.settle()
    world.puts(2)
    world.settle()

    assert client.seen == [(revision, b"k") for revision in range(4, 13)]


def test_a_watch_from_a_revision_to_come_waits_for_it(world: World) -> None:
    """As after a failover, on a node that has applied less than the one before."""
    world.puts(2)
    client, _ = world.watch(from_revision=5)
    for _ in range(5):
        world.puts(1)
        world.settle()

    assert client.seen == [(5, b"k"), (6, b"k"), (7, b"k")]


@pytest.mark.parametrize(
    ("bounds", "expected"),
    [
        (commands.single(b"a"), [b"a"]),
        (commands.prefix(b"a"), [b"a", b"a\0", b"ab"]),
        (commands.prefix(b"\xff"), [b"\xff", b"\xff\xff"]),
        ((b"a\0", b"b"), [b"a\0", b"ab"]),
        ((b"ab", b""), [b"ab", b"b", b"\xff", b"\xff\xff"]),
        ((b"", b""), [b"a", b"a\0", b"ab", b"b", b"\xff", b"\xff\xff"]),
        ((b"b", b"a"), []),
    ],
)
def test_a_watch_sees_its_range_only(world: World, bounds: tuple[bytes, bytes], expected: list[bytes]) -> None:
    live, _ = world.watch(bounds)
    world.settle()
    for key in (b"a", b"a\0", b"ab", b"b", b"\xff", b"\xff\xff"):
        world.do(commands.put(key, b""))
        world.settle()
    late, _ = world.watch(bounds, from_revision=1)
    world.settle()

    assert [event.key for event in live.events] == expected
    assert late.events == live.events


def test_previous_values_come_only_if_asked_for(world: World) -> None:
    client = Client()
    world.hub.watch(b"", b"", 0, client)
    world.puts(2)
    world.settle()

    assert [event.previous for event in client.events] == [None, None]


def test_a_full_sink_gets_nothing_until_it_resumes_and_then_everything(world: World) -> None:
    client, watcher = world.watch(room=1)
    world.puts(1)
    world.settle()
    world.puts(5)
    world.settle()
    assert client.seen == [(1, b"k")]

    client.room = 10
    watcher.resume()
    world.settle()
    world.puts(1)
    world.settle()
    assert client.seen == [(revision, b"k") for revision in range(1, 8)]


def test_a_slow_client_whose_history_is_gone_is_told_so(world: World) -> None:
    client, watcher = world.watch(room=1)
    world.puts(10)
    world.settle()
    world.puts(10)
    world.do(commands.compact(15))
    world.settle()
    assert len(world.hub) == 1, "it is not disturbed before it asks"

    client.room = 1
    watcher.resume()
    world.settle()
    assert isinstance(client.error, Compacted)
    assert client.error.revision == 16
    assert client.seen == [(revision, b"k") for revision in range(1, 11)]
    assert len(world.hub) == 0


def test_eviction_under_a_slow_client_is_an_error_not_a_gap(world: World) -> None:
    client, watcher = world.watch(room=1)
    world.puts(1)
    world.settle()
    world.puts(HISTORY_EVENTS_MAX + 2_000)
    client.room = 1_000
    watcher.resume()
    world.settle()

    assert isinstance(client.error, Compacted)
    assert len(client.seen) == 1


def test_a_watch_below_what_is_kept_is_refused_with_the_oldest_that_is(world: World) -> None:
    world.puts(10)
    world.do(commands.compact(6))
    with pytest.raises(Compacted) as caught:
        world.watch(from_revision=6)
    client, _ = world.watch(from_revision=7)
    world.settle()

    assert caught.value.revision == 7
    assert client.seen == [(revision, b"k") for revision in range(7, 11)]


def test_a_watch_that_keeps_up_never_minds_compaction(world: World) -> None:
    client, _ = world.watch()
    other, _ = world.watch(commands.single(b"quiet"))
    for _ in range(20):
        world.puts(3)
        world.settle()
        world.do(commands.compact(world.machine.revision))
        world.settle()
    world.do(commands.put(b"quiet", b""))
    world.settle()

    assert [revision for revision, _ in client.seen] == list(range(1, 62))
    assert other.seen == [(61, b"quiet")]


def test_progress_tells_an_idle_watch_where_to_resume(world: World) -> None:
    client, watcher = world.watch(commands.single(b"quiet"))
    world.settle()
    world.puts(10)
    world.settle()
    assert client.batches == []

    watcher.progress()
    world.settle()
    assert client.batches == [WatchBatch(10, ())]


def test_progress_of_a_watch_that_is_behind_comes_when_it_has_caught_up(world: World) -> None:
    world.puts(3 * WATCH_SCAN_MAX)
    client, watcher = world.watch(commands.single(b"quiet"), from_revision=1)
    watcher.progress()

    assert world.hub.advance()
    assert client.batches == []
    world.settle()
    assert client.batches == [WatchBatch(3 * WATCH_SCAN_MAX, ())]


def test_a_cancelled_watch_is_silent_and_forgotten(world: World) -> None:
    client, watcher = world.watch()
    blocked, other = world.watch(room=1)
    world.puts(1)
    world.settle()
    for one in (watcher, other):
        one.cancel()
        one.cancel()
        one.resume()
        one.progress()
    world.puts(1)
    world.settle()

    assert len(world.hub) == 0
    assert client.seen == blocked.seen == [(1, b"k")]
    assert client.error is None


def test_one_step_reads_a_bounded_part_of_history(world: World) -> None:
    world.puts(3 * WATCH_SCAN_MAX)
    client, _ = world.watch(commands.single(b"k"), from_revision=1)
    world.hub.advance()
    assert len(client.events) <= WATCH_SCAN_MAX + WATCH_EVENTS_MAX

    world.settle()
    assert [revision for revision, _ in client.seen] == list(range(1, 3 * WATCH_SCAN_MAX + 1))


def test_watches_that_are_behind_take_turns(world: World) -> None:
    world.puts(3 * WATCH_SCAN_MAX)
    clients = [world.watch(commands.single(b"k"), from_revision=1)[0] for _ in range(3)]
    for _ in range(60):
        world.hub.advance()

    counts = [len(client.events) for client in clients]
    assert max(counts) - min(counts) <= WATCH_SCAN_MAX


def test_a_revision_larger_than_a_batch_is_split_and_can_be_resumed_within(world: World) -> None:
    """The events of a revision stand in one order everywhere: who saw n of them asks for that revision and skips n."""
    for number in range(3_500):
        world.do(commands.put(b"%04d" % number, b""))
    client, watcher = world.watch(room=2)
    world.settle()
    world.do(commands.delete_range(b"", b""), commands.put(b"after", b""))
    world.settle()
    assert [len(batch.events) for batch in client.batches] == [WATCH_EVENTS_MAX, WATCH_EVENTS_MAX]
    assert [batch.revision for batch in client.batches] == [3_500, 3_500]

    again, _ = world.watch(from_revision=3_501)
    client.room = 100
    watcher.resume()
    world.settle()
    assert client.seen == [*((3_501, b"%04d" % number) for number in range(3_500)), (3_502, b"after")]
    assert again.seen[2 * WATCH_EVENTS_MAX :] == client.seen[2 * WATCH_EVENTS_MAX :]
    assert client.batches[-1].revision == 3_502


def test_batches_are_bounded_in_bytes(world: World) -> None:
    client, _ = world.watch()
    for _ in range(30):
        world.do(commands.put(b"k", bytes(100_000)))
    world.settle()

    assert len(client.events) == 30
    for batch in client.batches:
        sizes = sum(len(item.value) for event in batch.events for item in (event.current, event.previous) if item)
        assert sizes <= WATCH_BYTES_MAX


def test_watches_survive_a_snapshot_put_in_place_of_the_state(world: World) -> None:
    """1 two watches keep up; 2 a snapshot from a node further on is installed; 3 what it keeps of history closes the gap."""
    near, _ = world.watch()
    world.puts(5)
    world.settle()
    ahead = World()
    ahead.puts(12)
    restore(world.machine, list(ahead.machine.freeze()()))
    world.index = ahead.index
    world.settle()
    world.puts(1)
    world.settle()

    assert near.seen == [(revision, b"k") for revision in range(1, 14)]


def test_a_snapshot_that_keeps_too_little_history_ends_the_watch(world: World) -> None:
    client, _ = world.watch()
    quiet, _ = world.watch(commands.single(b"quiet"))
    world.settle()
    world.puts(5)
    world.settle()
    ahead = World()
    ahead.puts(12)
    ahead.do(commands.compact(10))
    restore(world.machine, list(ahead.machine.freeze()()))
    world.settle()

    assert isinstance(client.error, Compacted)
    assert len(client.seen) == 5
    assert isinstance(quiet.error, Compacted)
    assert "revision 6 " in quiet.error.message, "up to revision 5 it had missed nothing"


def test_a_state_that_is_rolled_back_ends_the_watches_that_were_told_of_more(world: World) -> None:
    """Log shipping: what was told never happened, and other changes will have those revisions."""
    world.puts(3)
    image = list(world.machine.freeze()())
    told, _ = world.watch()
    world.puts(2)
    world.settle()
    restore(world.machine, image)
    world.settle()
    world.index = 3
    again, _ = world.watch()
    world.puts(1)
    world.settle()

    assert isinstance(told.error, Compacted)
    assert "this node gave up its history above revision 3" in str(told.error)
    assert [(4, b"k"), (5, b"k")] == told.seen
    assert [(4, b"k")] == again.seen


def test_watchers_are_bounded(world: World) -> None:
    client = Client()
    watchers = [world.hub.watch(b"k", b"k\0", 0, client) for _ in range(WATCHERS_MAX)]
    with pytest.raises(LimitReached):
        world.watch()
    watchers[0].cancel()

    assert world.watch()


def test_without_watchers_nothing_is_read(world: World) -> None:
    world.puts(10)

    assert world.hub.advance() is False
    client, _ = world.watch()
    world.puts(1)
    world.settle()
    assert client.seen == [(11, b"k")]
