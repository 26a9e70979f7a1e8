"""The control group: log shipping loses acknowledged writes, and every eye of ours must see it. Should one of these tests fail, a checker
has gone blind, or log shipping has become something better.

The worlds are the ordinary ones of their seeds. Left out of them is, for comparison, one thing: the operator who promotes by hand.
"""

from collections.abc import Callable
from dataclasses import replace

import pytest

from quorate.cluster.verify.checks import check
from quorate.cluster.verify.simulated import Recording
from quorate.cluster.verify.verdict import Answer, Budget, Verdict
from quorate.protocols.simulation import Campaign
from quorate.protocols.simulation.application import Application, Lists, Registers
from quorate.protocols.simulation.engine import Engine
from quorate.protocols.simulation.invariants import LEADER_COMPLETE, ONE_LEADER, QUORUM_DURABLE, Watch
from quorate.protocols.simulation.logship_view import LOGSHIP, options
from quorate.protocols.simulation.logship_watch import LogshipWatch
from quorate.protocols.simulation.nemesis import BY_HAND, BY_HAND_FROM
from quorate.protocols.simulation.workload import Observer

STEPS = 4_000
BUDGET = Budget(seconds=20, states_max=500_000)
MODES = {"async": False, "semisync": True}
APPLICATIONS: dict[str, Callable[[], Application]] = {"register": lambda: Registers(cas=0), "cas": Registers, "list-append": Lists}
NOBODY_PROMOTES = frozenset(range(BY_HAND_FROM, BY_HAND_FROM + STEPS))


def in_mode(mode: str) -> Engine:
    """The same worlds, all nodes in one mode."""
    return replace(LOGSHIP, options=lambda settings: replace(options(settings), semisync=MODES[mode]))


def judged(model: str, mode: str, seed: int, omitted: frozenset[int] = frozenset()) -> tuple[Verdict, LogshipWatch, set[str]]:
    """(what the checker says of the clients' words, what the nodes' logs say, which faults struck)"""
    recording: Recording = Recording()
    observer: Observer = recording
    campaign = Campaign(in_mode(mode), seed, application=APPLICATIONS[model](), observer=observer, omitted=omitted)
    result = campaign.run(STEPS, liveness=False)
    watch = campaign.world.watch
    assert result.violation is None, result.violation
    assert isinstance(watch, LogshipWatch)
    return check(recording.history({"seed": seed}), model, BUDGET), watch, {strike.fault for strike in result.strikes}


@pytest.mark.parametrize("model", APPLICATIONS)
@pytest.mark.parametrize("mode", MODES)
def test_acknowledged_writes_are_lost_and_the_history_checkers_say_so(model: str, mode: str) -> None:
    verdict, watch, faults = judged(model, mode, 0)

    assert BY_HAND in faults
    assert watch.lost
    assert Answer.INVALID is verdict.answer, verdict


@pytest.mark.parametrize("model", APPLICATIONS)
@pytest.mark.parametrize("mode", MODES)
def test_the_same_world_without_a_promotion_by_hand_loses_nothing(model: str, mode: str) -> None:
    """Everything else that goes wrong in it still does."""
    verdict, watch, faults = judged(model, mode, 0, NOBODY_PROMOTES)

    assert faults
    assert BY_HAND not in faults
    assert not watch.lost
    assert Answer.VALID is verdict.answer, verdict


@pytest.mark.parametrize(
    ("mode", "seed", "invariant"),
    [("async", 0, QUORUM_DURABLE), ("async", 10, ONE_LEADER), ("semisync", 0, LEADER_COMPLETE), ("semisync", 1, QUORUM_DURABLE)],
)
def test_the_invariants_of_consensus_do_not_hold_and_the_eye_of_all_other_engines_says_so(mode: str, seed: int, invariant: str) -> None:
    result = Campaign(in_mode(mode), seed, watch_class=Watch).run(STEPS, liveness=False)

    assert result.violation is not None
    assert invariant == result.violation.invariant
