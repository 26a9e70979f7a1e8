"""Watches against a naive store, whatever the order of writes, compactions, full sinks and snapshots."""

from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quorate.cluster.service.watches import Watcher
from quorate.cluster.wire.errors import Compacted
from tests.cluster.service import operations
from tests.cluster.service.model import Model
from tests.cluster.service.watched import Client, World
from tests.contracts.machine import restore


@dataclass
class Tried:
    """A watch under test, and what it must have seen."""

    bounds: tuple[bytes, bytes]
    first: int
    client: Client
    watcher: Watcher
    last: int = -1
    """The revision at which it was cancelled."""


watching = st.tuples(st.just("watch"), st.sampled_from(operations.RANGES), st.integers(0, 30), st.integers(1, 3))
resuming = st.tuples(st.just("resume"), st.integers(0, 5), st.integers(1, 3))
advancing = st.just(("advance",))
moving = st.just(("move",))
acts = st.lists(
    st.one_of(operations.writes, operations.writes, watching, resuming, advancing, advancing, moving, operations.compactions), max_size=60
)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(acts)
def test_every_watch_sees_what_a_naive_store_saw(run: list[tuple[object, ...]]) -> None:
    """Whatever the order of writes, compactions, full sinks and snapshots: a watch has seen exactly the changes of its range
    from its first revision on, in order, or it has ended with Compacted after exactly those up to some revision."""
    world, model = World(), Model()
    tried: list[Tried] = []
    for act in run:
        match act:
            case ("watch", (bytes() as start, bytes() as end), int() as first, int() as room):
                client = Client(room)
                if 0 < first <= model.compacted:
                    with pytest.raises(Compacted):
                        world.hub.watch(start, end, first, client, previous=True)
                    continue
                watcher = world.hub.watch(start, end, first, client, previous=True)
                tried.append(Tried((start, end), first or model.revision + 1, client, watcher))
            case ("resume", int() as which, int() as room) if tried:
                one = tried[which % len(tried)]
                one.client.room = max(one.client.room, room)
                one.watcher.resume()
            case ("advance",):
                world.hub.advance()
            case ("move",):
                restore(world.machine, list(world.machine.freeze()()))
            case (int(), *_):
                world.do(act)
                model.outcome(act, world.index)
    for one in tried:
        one.client.room = 1_000_000
        one.watcher.resume()
    world.settle()

    for one in tried:
        expected = [
            event
            for revision in range(one.first, model.revision + 1)
            for event in sorted(model.events(revision))
            if one.bounds[0] <= event.key and (not one.bounds[1] or event.key < one.bounds[1])
        ]
        events = sorted(one.client.events)
        assert [event.revision for event in one.client.events] == [event.revision for event in events]
        if one.client.error is None:
            assert events == expected
        else:
            assert isinstance(one.client.error, Compacted)
            assert events == expected[: len(events)]
            missed = expected[len(events) :]
            assert not missed or one.watcher.cursor + 1 <= model.compacted
