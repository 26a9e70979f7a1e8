"""The verdict of a run: each reason alone turns a pass into what it is, and the weightier one wins."""

from dataclasses import replace

import pytest

from quorate.cluster.chaos.record import FaultBand, Replica, RunVerdict
from quorate.cluster.chaos.verdict import Evidence, judge
from quorate.cluster.verify.verdict import Answer, Verdict

VALID = Verdict("kv", Answer.VALID, "there is an order.")
INVALID = Verdict("session", Answer.INVALID, "a write was applied twice.")
OPEN = Verdict("kv", Answer.UNKNOWN, "the time limit of 60 s ran out.")
KILLED = FaultBand("1", "kill", "kill leader (n1)", ("n1",), (), 0, 10, {"processes": 1})
SOUND = Evidence(
    checks=(VALID,),
    bands=(KILLED,),
    acknowledged_before=1_000,
    acknowledged_during=1_000,
    majority_ms=10.0,
    acknowledged_after=1_000,
    deadline_ms=10_000.0,
    converged={"n1": Replica(7, "a"), "n2": Replica(7, "a")},
)
V, U, I = RunVerdict.VIOLATED, RunVerdict.UNKNOWN, RunVerdict.INCONCLUSIVE  # noqa: E741


def test_a_sound_run_passes() -> None:
    assert RunVerdict.PASSED is judge(SOUND)[0]


@pytest.mark.parametrize(
    ("change", "verdict", "reason"),
    [
        ({"checks": (VALID, INVALID)}, V, "session: a write was applied twice."),
        ({"converged": {"n1": Replica(7, "a"), "n2": Replica(7, "b")}}, V, "The states differ at one index, 7: those of n1 and n2."),
        ({"converged": {}, "unconverged": "after 30 s nobody led"}, V, "The cluster did not converge: after 30 s nobody led."),
        (
            {"stalls": ((2_000.0, 14_500.0),)},
            V,
            "No write was acknowledged for 12.5 s, from 2.0 s on, although a majority was sound and connected; 10.0 s are allowed.",
        ),
        ({"checks": (OPEN,)}, U, "kv: the time limit of 60 s ran out."),
        ({"checks": ()}, U, "No history was checked."),
        ({"converged": {}}, U, "The final states were not compared."),
        ({"troubles": ("The run was interrupted.",)}, I, "The run was interrupted."),
        ({"unhealed": "n1 is still faulty"}, I, "Not everything healed: n1 is still faulty."),
        ({"bands": ()}, I, "No fault was injected."),
        ({"bands": (replace(KILLED, touched={"processes": 0}),)}, I, "No fault touched a frame or a process."),
        ({"bands": (replace(KILLED, touched={}),), "drawn": frozenset({"1"})}, I, "No fault touched a frame or a process."),
        ({"bands": (KILLED, replace(KILLED, touched={}))}, I, "A fault touched no frame and no process: kill leader (n1)."),
        ({"acknowledged_before": 999}, I, "Only 999 operations were acknowledged before the faults; fewer than 1,000 show nothing."),
        ({"acknowledged_during": 999}, I, "Only 999 operations were acknowledged during the faults; fewer than 1,000 show nothing."),
        ({"acknowledged_after": 0}, I, "Only 0 operations were acknowledged after the faults; fewer than 1,000 show nothing."),
        ({"hot_key": False}, I, "No key was hot: clients that never meet cannot contradict one another."),
    ],
)
def test_each_reason_alone_takes_the_pass_away(change: dict[str, object], verdict: RunVerdict, reason: str) -> None:
    assert (verdict, (reason,)) == judge(replace(SOUND, **change))  # type: ignore[arg-type]


def test_one_of_many_that_the_seed_drew_may_come_to_nothing() -> None:
    bands = (KILLED, replace(KILLED, id="2", touched={"frames torn": 0}))

    assert RunVerdict.PASSED is judge(replace(SOUND, bands=bands, drawn=frozenset({"2"})))[0]


def test_nothing_is_asked_of_a_time_without_a_majority() -> None:
    assert RunVerdict.PASSED is judge(replace(SOUND, acknowledged_during=0, majority_ms=0.0))[0]


def test_states_at_different_indexes_may_differ() -> None:
    assert RunVerdict.PASSED is judge(replace(SOUND, converged={"n1": Replica(7, "a"), "n2": Replica(8, "b")}))[0]


def test_a_violation_stands_whatever_else_is_wrong_and_is_told_first() -> None:
    verdict, reasons = judge(replace(SOUND, checks=(OPEN, INVALID), acknowledged_after=0))

    assert V is verdict
    assert ("session", "kv", "Only 0") == (reasons[0][:7], reasons[1][:2], reasons[2][:6])
