"""The replica's life: how it stops, fails, proposes what is due, and serves callers in its own process. Everything is stepped by hand."""

import asyncio
from pathlib import Path

import pytest

from quorate.cluster.replicated_log import Consistency
from quorate.cluster.wire.errors import (
    Unavailable,
    Uncertain,
)
from quorate.protocols import sessions
from quorate.protocols.core import (
    Entry,
    Kind,
    Note,
    Remove,
)
from tests.cluster.runtime.world import Answers, World


@pytest.fixture
async def world(tmp_path: Path) -> World:
    return await World(tmp_path).begin()


@pytest.fixture
def answers() -> Answers:
    return Answers()


async def test_what_waits_when_the_replica_stops_is_told_that_the_outcome_is_open(world: World, answers: Answers) -> None:
    world.replica.propose_for(answers, 1, b"a")
    world.replica.reconfigure_for(answers, 2, Remove("n3"))
    world.replica.read_for(answers, 3, b"", Consistency.LINEARIZABLE)
    await world.turn()
    world.replica.read_for(answers, 4, b"", Consistency.LEADER)
    world.applier.read(9, [])
    world.replica.stop()

    assert {1, 2, 3, 4} == answers.errors.keys()
    assert all(not error.definite for error in answers.errors.values())


async def test_a_failed_replica_answers_nothing_but_why(world: World, answers: Answers) -> None:
    told: list[str] = []
    world.replica.on_failed.append(told.append)
    world.replica.propose_for(answers, 1, b"a")
    world.replica.fail(OSError("the disk is gone"))
    world.replica.fail(OSError("again"))

    assert isinstance(answers.errors[1], Uncertain)
    assert ["OSError: the disk is gone"] == told
    for ask in (
        lambda: world.replica.propose_for(answers, 2, b"b"),
        lambda: world.replica.read_for(answers, 3, b"", Consistency.LOCAL),
        lambda: world.replica.transfer_for(answers, 4, "n2"),
    ):
        with pytest.raises(Unavailable, match="the disk is gone"):
            ask()


@pytest.mark.parametrize("event", ["receive", "unreachable", "propose", "tick", "due"])
async def test_a_core_or_machine_that_breaks_its_rules_stops_the_replica_at_once(world: World, answers: Answers, event: str) -> None:
    """Half of a turn's effects carried out, and then on: that would be a copy that differs, or a promise that is not kept."""
    from quorate.protocols.raft.messages import HardState

    world.core.broken = AssertionError("two leaders of one term")
    match event:
        case "receive":
            world.replica.receive("n2", HardState(1, "n2"))
        case "unreachable":
            world.replica.driver.unreachable("n2")
        case "propose":
            world.replica.propose_for(answers, 1, b"a")
        case "tick":
            world.clock.advance(100)
            await world.turn()
        case "due":
            world.applier.term = 1
            world.words.overdue = [b"expire"]
            world.look()

    assert "two leaders of one term" in world.replica.failure
    assert world.replica.driver.stopped
    assert all(isinstance(error, Uncertain) for error in answers.errors.values())


async def test_what_is_due_is_proposed_only_by_a_leader_that_has_applied_an_entry_of_its_term(world: World) -> None:
    world.words.overdue = [b"expire"]
    world.look()

    assert [] == world.core.all("propose")

    await world.commit(Entry(1, 1, 0, Kind.NOOP, b""))
    world.look()

    assert [b"expire"] == [command for command, _ in world.core.all("propose")]

    world.words.overdue = [b"expire"]
    world.core.leader = "n2"
    world.look()

    assert 1 == len(world.core.all("propose"))


# For callers in this process.


async def test_a_local_caller_gets_the_result_of_its_command(world: World) -> None:
    calling = asyncio.create_task(world.replica.propose(b"x", timeout=5))
    await world.turn()
    [(command, token)] = world.core.all("propose")
    assert isinstance(command, bytes) and isinstance(token, int)
    world.words.apply = lambda entry: bytes([sessions.Status.DONE]) + b"result"  # type: ignore[method-assign]
    await world.commit(Entry(1, 1, token, Kind.COMMAND, command))

    assert sessions.plain(b"x") == command
    assert b"result" == await calling


async def test_a_local_caller_is_told_of_every_change_of_leadership(world: World) -> None:
    seen = []

    async def watch() -> None:
        async for leadership in world.replica.leadership():
            seen.append(leadership)

    watching = asyncio.create_task(watch())
    await asyncio.sleep(0)
    for term, leader in ((2, "n1"), (3, "n2")):
        world.core.term, world.core.leader = term, leader
        effects = world.effects()
        effects.notes = [Note("role", {"role": "any"})]
        await world.turn(effects)
    watching.cancel()

    assert [(0, False), (2, True), (3, False)] == seen


async def test_an_event_that_breaks_the_core_stops_the_replica_and_not_the_task_that_brought_it(world: World) -> None:
    """A snapshot's end is told from a task: an exception there would end the whole node."""

    def breaks() -> None:
        raise AssertionError("the core and its snapshots disagree")

    world.replica.driver.tell(breaks)

    assert "the core and its snapshots disagree" in world.replica.failure
    assert world.replica.driver.stopped
