"""The applier: everything committed once and in order, reads never early, snapshots put in place of the state."""

import asyncio
from pathlib import Path

import pytest

from quorate.cluster.runtime.applying import Read, Waiter
from quorate.cluster.wire.errors import BadRequest, NotLeader, Unavailable, Uncertain
from quorate.protocols.core import Configuration, Entry, Kind, Member
from tests.cluster.runtime.world import Answers, World


@pytest.fixture
async def world(tmp_path: Path) -> World:
    return await World(tmp_path).begin()


async def test_entries_are_applied_in_order_and_each_waiter_gets_its_own_result(world: World) -> None:
    answers = Answers()
    world.applier.waiting[71] = Waiter(answers, 1)
    world.applier.waiting[72] = Waiter(answers, 2)
    await world.commit(Entry(1, 1, 72, Kind.COMMAND, b"a"), Entry(2, 1, 99, Kind.COMMAND, b"b"), Entry(3, 1, 71, Kind.COMMAND, b"c"))

    assert [b"a", b"b", b"c"] == world.words.words
    assert {2: b"1", 1: b"3"} == answers.replies


async def test_a_read_waits_until_its_index_is_applied(world: World) -> None:
    answers = Answers()
    await world.commit_words(b"a")
    world.applier.read(2, [Read(answers, 1, b"")])
    world.applier.read(1, [Read(answers, 2, b"")])
    await world.turn()

    assert {2: b"a"} == answers.replies

    await world.commit_words(b"b")

    assert b"a b" == answers.replies[1]


async def test_a_broken_machine_stops_the_replica_and_skips_nothing(world: World) -> None:
    answers = Answers()
    world.words.broken = RuntimeError("cannot add")
    world.applier.waiting[71] = Waiter(answers, 1)
    await world.commit(Entry(1, 1, 71, Kind.COMMAND, b"a"), Entry(2, 1, 0, Kind.COMMAND, b"b"))

    assert "cannot add" in world.replica.failure
    assert 0 == world.applier.index
    assert isinstance(answers.errors[1], Uncertain)


async def test_a_query_that_fails_harms_only_its_caller(world: World) -> None:
    answers = Answers()
    world.words.broken = ValueError("no such word")
    world.applier.answer(Read(answers, 1, b""))

    def refused() -> object:
        raise NotLeader("ask n2")

    world.applier.answer(Read(answers, 2, refused))

    assert isinstance(answers.errors[1], BadRequest)
    assert isinstance(answers.errors[2], NotLeader)
    assert "" == world.replica.failure


async def test_who_does_not_take_answers_gets_a_later_state_and_holds_up_nobody(world: World) -> None:
    slow, quick = Answers(), Answers()
    slow.takes_more = False
    await world.commit_words(b"a")
    world.applier.read(1, [Read(slow, 1, b""), Read(quick, 2, b"")])
    await world.turn()
    await world.commit_words(b"b")
    slow.takes_more = True
    slow.deferred.pop()()

    assert {2: b"a"} == quick.replies
    assert {1: b"a b"} == slow.replies


async def test_a_configuration_entry_is_remembered_as_of_its_index(world: World) -> None:
    changed = Configuration((Member("n9", 9),))
    await world.commit(Entry(1, 1, 0, Kind.NOOP, b""), Entry(2, 1, 0, Kind.CONFIGURATION, changed.encode()))

    assert ("n9",) == world.applier.configuration.names
    assert 2 == world.applier.configuration.index


async def test_an_installed_snapshot_takes_the_place_of_what_was_queued(world: World) -> None:
    snapshot = world.written(5, b"v", b"w")
    answers = Answers()
    await world.install(snapshot)
    world.applier.read(6, [Read(answers, 1, b"")])
    await world.commit(Entry(6, 1, 0, Kind.COMMAND, b"x"))
    await world.finish()
    await world.turn()

    assert [b"v", b"w", b"x"] == world.words.words
    assert {1: b"v w x"} == answers.replies


async def test_a_snapshot_that_is_behind_what_is_committed_changes_nothing(world: World) -> None:
    await world.commit_words(b"a", b"b")
    await world.install(world.written(2, b"other"))

    assert [] == world.tasks
    assert [b"a", b"b"] == world.words.words


async def test_a_proposal_passed_over_by_a_snapshot_is_uncertain_at_once(world: World) -> None:
    answers = Answers()
    world.replica.propose_for(answers, 1, b"mine")
    await world.install(world.written(5, b"v"))

    assert isinstance(answers.errors[1], Uncertain)
    await world.finish()


async def test_of_two_snapshots_installed_one_after_the_other_the_newer_one_stays(world: World) -> None:
    """
    1. A long snapshot (index 5) is being restored, step by step.
    2. Meanwhile the core accepts a short newer one (index 9), whose restoration would be done first.
    3. Entry 10 commits. On the state of 5 it would make a copy that differs from the others for ever.
    """
    await world.install(world.written(5, *(b"old%d" % i for i in range(50))))
    await world.install(world.written(9, b"new"))
    await world.commit(Entry(10, 1, 0, Kind.COMMAND, b"x"))
    await world.finish()
    await world.turn()

    assert [b"new", b"x"] == world.words.words
    assert 10 == world.applier.index


async def test_while_paused_nothing_is_applied_and_nothing_is_lost(world: World) -> None:
    async with world.applier.paused():
        await world.commit_words(b"a")

        assert [] == world.words.words

    await world.turn()

    assert [b"a"] == world.words.words


async def test_who_waits_for_a_pause_is_told_when_the_replica_stops(world: World) -> None:
    """Else the node would wait for that task for ever when it stops."""

    async def pause() -> None:
        async with world.applier.paused():
            raise AssertionError("the restoration never ended")

    world.applier.expect(world.written(5, b"v"))
    waiting = asyncio.create_task(pause())
    await world.turn()
    world.replica.stop()

    with pytest.raises(Unavailable):
        await waiting
