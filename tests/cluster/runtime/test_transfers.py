"""A transfer ends when the core says so, not because its leader was deposed: that is what it was for."""

from pathlib import Path

from quorate.cluster.runtime.replica import DEPOSED_MS
from quorate.protocols.core import Note, Promote
from tests.cluster.runtime.world import Answers, World


async def test_whoever_asked_for_a_transfer_is_answered_when_the_heir_is_heard_however_late_that_is(tmp_path: Path) -> None:
    """1. n1 leads, and is to hand over to n2. 2. A vote deposes it. 3. A busy machine lets n2's first word wait. Whoever asked for a
    change of members meanwhile is told that its outcome is open."""
    world, answers = await World(tmp_path).begin(), Answers()
    noted = world.effects()
    noted.notes.append(Note("became_leader", {}))
    await world.turn(noted)
    world.replica.reconfigure_for(answers, 1, Promote("n3"))
    world.replica.transfer_for(answers, 2, "n2")
    transfer = world.core.token()
    world.core.leader, world.core.term = None, 2
    noted = world.effects()
    noted.notes.append(Note("stepped_down", {}))
    await world.turn(noted)
    world.look(DEPOSED_MS)
    world.look(DEPOSED_MS)

    assert [1] == list(answers.errors)

    told = world.effects()
    told.done.append(transfer)
    await world.turn(told)

    assert {2: None} == answers.replies
