"""What a run sees from outside: ribbons, links, convergence; and checkers that come back without a verdict."""

from pathlib import Path

import pytest

from quorate.cluster.chaos.checking import MODELS, checked
from quorate.cluster.chaos.observe import Ribbon, link_state
from quorate.cluster.chaos.record import LinkState, Progress, Span
from quorate.cluster.chaos.recording import PROGRESS_MAX, progress, violation_ms
from quorate.cluster.chaos.stand import unconverged
from quorate.cluster.client.status import GroupStatus, MemberStatus
from quorate.cluster.faults.fault import Fault, Mode
from quorate.cluster.faults.payloads import FaultPayload
from quorate.cluster.faults.views import fault_view
from quorate.cluster.verify.history import Operation, Outcome
from quorate.cluster.verify.verdict import Answer, Budget, Finding, Verdict

MEMBERS = tuple(MemberStatus(name) for name in ("n1", "n2", "n3"))


def group(role: str = "follower", *, leader: str = "n1", applied: int = 7, commit: int = 7) -> GroupStatus:
    return GroupStatus(role=role, leader=leader, applied=applied, commit=commit, members=MEMBERS)


WHOLE = {"n1": group("leader"), "n2": group(), "n3": group()}


def test_a_whole_cluster_has_converged() -> None:
    assert "" == unconverged(WHOLE)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"n2": None}, "n2 did not answer"),
        ({"n1": group()}, "nobody led"),
        ({"n2": group("leader", leader="n2")}, "n1, n2 led"),
        ({"n3": group(leader="n2")}, "n3 did not follow n1"),
        ({"n3": group(applied=6)}, "not all had applied everything: n1 at 7, n2 at 7, n3 at 6"),
        ({"n3": group(applied=6, commit=6)}, "not all had applied everything: n1 at 7, n2 at 7, n3 at 6"),
        ({"n4": group()}, "n4 had no vote"),
    ],
)
def test_what_is_missing_is_said(change: dict[str, GroupStatus | None], why: str) -> None:
    assert why == unconverged({**WHOLE, **change})


def test_a_ribbon_joins_what_does_not_change_and_keeps_the_term_of_who_is_gone() -> None:
    ribbon = Ribbon()
    for at, state, term in ((0, "follower", 3), (100, "follower", 3), (200, "leader", 4), (300, "down", 0), (400, "down", 0)):
        ribbon.see(at, state, term)  # type: ignore[arg-type]

    assert [Span(0, 200, "follower", 3), Span(200, 300, "leader", 4), Span(300, 400, "down", 4)] == ribbon.spans


@pytest.mark.parametrize(
    ("fault", "state"),
    [
        ({"delay_ms": 5}, "slow"),
        ({"bytes_per_s": 1000}, "slow"),
        ({"drop": 0.1}, "lossy"),
        ({"corrupt": 0.1}, "lossy"),
        ({"duplicate": 0.1, "delay_ms": 1}, "lossy"),
        ({"cut": True}, "cut"),
        ({"refuse": True}, "cut"),
        ({"half_open": True}, "cut"),
        ({"drop": 1, "only": ["Append"]}, "lossy"),
        ({"reset_after_ms": 0}, "lossy"),
    ],
)
def test_a_link_is_what_the_proxy_says_of_its_fault(fault: dict[str, object], state: LinkState) -> None:
    made = FaultPayload.model_validate({"links": ["n1>n2"], **fault}).fault(Mode.MESSAGE)

    assert state == link_state({"state": "faulty", "fault": fault_view(made)})
    assert "open" == link_state({"state": "open", "fault": fault_view(Fault())})


def test_a_long_curve_is_thinned_and_says_so() -> None:
    class Seen:  # as an Observer
        ribbons = {"n1": Ribbon(progress=[Progress(at, at, at) for at in range(3 * PROGRESS_MAX)])}

    curves, said = progress(Seen())  # type: ignore[arg-type]

    assert PROGRESS_MAX == len(curves["n1"])
    assert ("Of each node's progress every 3th point is kept.",) == said


def operation(called_ns: int, returned_ns: int | None) -> Operation:
    return Operation(0, "get", "k", None, None, Outcome.OK, called_ns, returned_ns, called_ns, returned_ns)


def test_a_violation_shows_with_the_answer_that_no_order_has_room_for() -> None:
    operations = (operation(1_000_000, 2_000_000), operation(3_000_000, 9_000_000), operation(4_000_000, None))
    stuck = Verdict("kv", Answer.INVALID, "", (Finding("x", "y", operations=operations, stuck=(1,)),))
    listed = Verdict("session", Answer.INVALID, "", (Finding("x", "y", operations=operations),))

    assert (9.0, 4.0, None) == (violation_ms([stuck, listed]), violation_ms([listed]), violation_ms([Verdict("kv", Answer.VALID, "")]))


@pytest.mark.process
async def test_a_checker_without_a_verdict_is_unknown_with_the_reason(tmp_path: Path) -> None:
    history = tmp_path / "history"
    history.write_text("nonsense\n")
    verdicts = await checked(history, Budget(5.0, 1_000))

    assert [(model, Answer.UNKNOWN) for model in MODELS] == [(verdict.model, verdict.answer) for verdict in verdicts]
    assert "cannot tell what this is" in verdicts[0].reason
