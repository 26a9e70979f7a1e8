"""A node whose disk was lost leads nobody by a configuration that names the lost disk (design.md, "Durability"): not even itself.

KRaft's seed 40395: 1. n1, once the only voter, loses its disk and is added anew as a learner. 2. While it catches up, its log ends at
the configuration of the beginning, which names it as the only voter, on the disk that is gone. 3. The leader dies. 4. By that
configuration n1 would elect itself, in a term that another node leads.
"""

from dataclasses import replace
from random import Random

import pytest

from quorate.protocols.core import Configuration, Core, Member
from quorate.protocols.simulation.engine import on_disk
from quorate.protocols.simulation.engines import ENGINES, load

MEMBER = Member("n1", 1, storage="the lost disk")
TICKS = 2_000


def alone(engine: str, storage: str) -> Core:
    """n1 by itself, on that disk, with a configuration that names it as the only voter; after a while."""
    made = load(engine)
    options = on_disk(made.configure(), storage)
    core = made.factory("n1", Configuration((MEMBER,)), options, Random(1), 1, None, None, [])
    for _ in range(TICKS):
        core.tick()
        effects = core.take()
        if effects is not None:
            core.synced(effects.serial)
    return core


@pytest.mark.parametrize("engine", sorted(ENGINES))
def test_the_only_voter_leads_on_its_own_disk_only(engine: str) -> None:
    assert "n1" == alone(engine, "the lost disk").leader
    assert "n1" == alone(engine, "").leader
    assert alone(engine, "a new disk").leader is None


def test_an_unknown_disk_is_any() -> None:
    configuration = Configuration((MEMBER, Member("n2", 2), Member("n3", 3, storage="disk", voter=False)))

    assert configuration.has_voter("n1", "the lost disk")
    assert configuration.has_voter("n1", "")
    assert not configuration.has_voter("n1", "a new disk")
    assert configuration.has_voter("n2", "whatever")
    assert not configuration.has_voter("n3", "disk")
    assert not configuration.has_voter("n4", "")
    assert not replace(configuration, members=()).has_voter("n1", "")
