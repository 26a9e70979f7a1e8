"""The watch checker: each broken promise by its name, and nothing in what a correct store told its watchers."""

from random import Random

import pytest

from quorate.cluster.verify import checks
from quorate.cluster.verify.events import BadHistory
from quorate.cluster.verify.history import History, Operation, Outcome
from quorate.cluster.verify.verdict import Answer, Budget, Verdict
from quorate.cluster.verify.watching import check_watches
from tests.cluster.verify.observed_store import observed

OK, FAILED, UNKNOWN = Outcome.OK, Outcome.FAILED, Outcome.UNKNOWN
ALL = ("prefix", "")


def put(process: int, key: str, value: str, revision: int, called: int, returned: int, outcome: Outcome = OK) -> Operation:
    answer = (revision, outcome, called, returned) if outcome is OK else (None, outcome, called, returned if outcome is FAILED else None)
    return Operation(process, "put", key, value, *answer, line=called + 1)


def watch(
    name: str, first: int, upto: int, *events: str, at: int, compacted: int | None = None, selector: tuple[str, ...] = ALL
) -> Operation:
    """Events as "3 x=1" or "3 -x"."""
    heard = []
    for event in events:
        revision, _, change = event.partition(" ")
        key, _, value = change.partition("=")
        heard.append((int(revision), "put", key, value) if value else (int(revision), "delete", key[1:], None))
    result = (first, upto, tuple(heard), compacted)
    return Operation(hash(name) % 1000 + 100, "watch", None, (name, selector, first), result, OK, at, at + 1, line=at + 1)


def check(*operations: Operation, **facts: object) -> Verdict:
    ordered = tuple(sorted(operations, key=lambda operation: operation.called))
    return check_watches(History(ordered, facts), Budget())


WRITES = (put(0, "x", "1", 1, 0, 1), put(0, "y", "2", 2, 2, 3), put(0, "x", "3", 3, 4, 5))
WHOLE = ("1 x=1", "2 y=2", "3 x=3")


@pytest.mark.parametrize(
    ("name", "operations"),
    [
        ("missing event", (watch("w", 1, 3, "1 x=1", "3 x=3", at=6),)),
        ("missing event", (watch("w", 1, 3, "1 x=1", "2 y=2", at=6),)),
        ("missing event", (watch("w", 1, 1, "1 x=1", at=6), watch("w", 2, 3, "3 x=3", at=8))),
        ("duplicate event", (watch("w", 1, 3, *WHOLE, "3 x=3", at=6),)),
        ("duplicate event", (watch("w", 1, 2, *WHOLE, at=6), watch("w", 3, 3, "3 x=3", at=8))),
        ("out of order", (watch("w", 1, 3, "2 y=2", "1 x=1", "3 x=3", at=6),)),
        ("out of order", (watch("w", 1, 1, "1 x=1", "3 x=3", at=6), watch("w", 2, 3, "2 y=2", at=8))),
        ("gap", (watch("w", 1, 1, "1 x=1", at=6), watch("w", 3, 3, "3 x=3", at=8))),
        ("gap", (watch("w", 1, 2, *WHOLE[:2], at=6), watch("w", 4, 4, at=8))),
        ("wrong event", (watch("w", 1, 3, "1 x=1", "2 y=9", "3 x=3", at=6),)),
        ("wrong event", (watch("w", 1, 3, *WHOLE, "3 z=3", at=6),)),
        ("wrong event", (watch("w", 1, 3, "1 x=1", "2 -y", "3 x=3", at=6),)),
        ("phantom event", (watch("w", 1, 4, *WHOLE, "4 z=1", at=6),)),
        ("phantom event", (watch("w", 1, 4, *WHOLE, "4 -x", at=6),)),
        ("event of a failed write", (watch("w", 1, 4, *WHOLE, "4 z=1", at=6), put(9, "z", "1", 0, 7, 8, FAILED))),
        ("event before its write", (watch("w", 1, 4, *WHOLE, "4 z=1", at=6), put(9, "z", "1", 4, 8, 9))),
        ("event before its write", (watch("w", 1, 4, *WHOLE, "4 z=1", at=6), put(9, "z", "1", 0, 8, 9, UNKNOWN))),
        ("outside the watch", (watch("w", 2, 3, *WHOLE, at=6),)),
        ("outside the watch", (watch("w", 1, 3, *WHOLE, at=6, selector=("key", "x")),)),
        ("outside the watch", (watch("w", 1, 3, *WHOLE, at=6, selector=("range", "x", "y")),)),
    ],
)
def test_each_broken_promise_is_found_by_its_name(name: str, operations: tuple[Operation, ...]) -> None:
    verdict = check(*WRITES, *operations)

    assert Answer.INVALID is verdict.answer
    assert name in {finding.name for finding in verdict.findings}


@pytest.mark.parametrize(
    "operations",
    [
        (),
        (watch("w", 1, 3, *WHOLE, at=6),),
        (watch("w", 1, 2, "1 x=1", "2 y=2", at=6),),
        (watch("w", 1, 1, "1 x=1", at=6), watch("w", 2, 3, "2 y=2", "3 x=3", at=8)),
        (watch("w", 1, 2, *WHOLE, at=6), watch("w", 3, 3, at=8)),
        (watch("w", 3, 3, "3 x=3", at=6),),
        (watch("w", 1, 3, "1 x=1", "3 x=3", at=6, selector=("key", "x")),),
        (watch("w", 1, 3, "1 x=1", "3 x=3", at=6, selector=("range", "x", "y")),),
        (watch("w", 1, 3, "2 y=2", at=6, selector=("prefix", "y")),),
        (watch("w", 1, 1, "1 x=1", at=6), watch("w", 2, 1, at=8, compacted=2), watch("w", 3, 3, "3 x=3", at=10)),
        (watch("w", 1, 3, *WHOLE, at=9), Operation(9, "cas", "z", (None, None), (True, 3), OK, 6, 7)),
        (watch("w", 1, 4, *WHOLE, "4 z=1", at=9), put(9, "z", "1", 0, 6, 7, UNKNOWN)),
        (watch("w", 1, 3, *WHOLE, at=9), put(9, "z", "1", 0, 6, 7, UNKNOWN), put(9, "z", "2", 0, 6, 7, FAILED)),
        (watch("w", 1, 4, *WHOLE, "4 -x", at=9), Operation(9, "delete_range", None, ("a", "z", 0), None, UNKNOWN, 6, None)),
        (watch("w", 1, 4, *WHOLE, "4 z=1", at=9), Operation(9, "put", "z", "1", None, OK, 6, 7)),
        (watch("w", 1, 4, *WHOLE, "4 -x", at=9), Operation(9, "delete_range", None, ("a", "z", 0), (1, 4), OK, 6, 7)),
    ],
)
def test_what_a_watcher_may_hear_is_not_found(operations: tuple[Operation, ...]) -> None:
    assert Answer.VALID is (verdict := check(*WRITES, *operations)).answer, verdict


def test_two_watchers_must_agree_on_what_nobody_acknowledged() -> None:
    two = put(8, "z", "1", 0, 6, 7, UNKNOWN), put(9, "z", "2", 0, 6, 7, UNKNOWN)
    one, other = watch("v", 4, 4, "4 z=1", at=10), watch("w", 4, 4, "4 z=2", at=12)
    deaf = watch("d", 4, 4, at=14)

    assert Answer.VALID is check(*two, one).answer
    assert {"disagreement"} == {finding.name for finding in check(*two, one, other).findings}
    (finding,) = check(*two, one, deaf).findings
    assert "missing event" == finding.name
    assert "watcher 'd' had everything up to revision 4, but not revision 4 (put 'z' = '1'), which another watcher heard." == finding.why


def test_the_changes_of_one_revision_come_in_one_order() -> None:
    both = Operation(0, "txn", None, ((), (("put", "x", "1"), ("put", "y", "1")), ()), (True, (None, None), 1), OK, 0, 1)
    one, other = watch("v", 1, 1, "1 x=1", "1 y=1", at=10), watch("w", 1, 1, "1 y=1", "1 x=1", at=12)

    assert Answer.VALID is check(both, one, watch("w", 1, 1, "1 y=1", at=12, selector=("key", "y"))).answer
    assert {"out of order"} == {finding.name for finding in check(both, one, other).findings}


def test_a_phantom_is_no_witness_against_other_watchers() -> None:
    verdict = check(watch("v", 1, 1, "1 x=9", at=10), watch("w", 1, 1, at=12))

    assert ["phantom event"] == [finding.name for finding in verdict.findings]


def test_with_other_writers_an_event_may_come_from_nowhere_but_not_for_one_watcher_alone() -> None:
    assert Answer.VALID is check(watch("v", 1, 1, "1 x=9", at=10), other_writers=True).answer
    verdict = check(watch("v", 1, 1, "1 x=9", at=10), watch("w", 1, 1, at=12), other_writers=True)
    assert ["missing event"] == [finding.name for finding in verdict.findings]


def test_an_event_may_come_before_the_repetition_that_was_answered() -> None:
    first = Operation(0, "write", "x", ("s", 1, "1"), None, UNKNOWN, 0, None)
    repeated = Operation(1, "write", "x", ("s", 1, "1"), 1, OK, 8, 9)

    assert Answer.VALID is check(first, watch("w", 1, 1, "1 x=1", at=4), repeated).answer
    assert Answer.INVALID is check(watch("w", 1, 1, "1 x=1", at=4), repeated).answer


def test_bytes_that_are_no_text_are_keys_too() -> None:
    write = Operation(0, "put", b"\xff\xfe", "1", 1, OK, 0, 1)
    heard = Operation(1, "watch", None, ("w", ("prefix", b"\xff"), 1), (1, 1, (), None), OK, 2, 3)

    assert ["missing event"] == [finding.name for finding in check(write, heard).findings]


@pytest.mark.parametrize(
    ("operation", "message"),
    [
        (Operation(0, "watch", None, ("w", ALL, 1), (1, 1, ()), OK, 0, 1, line=7), "file:7: .* cannot be read: watch is"),
        (Operation(0, "watch", None, ("w", ("all",), 1), (1, 1, (), None), OK, 0, 1, line=7), "file:7: "),
        (Operation(0, "watch", None, ("w", ALL, 1), (1, 1, ((1, "set", "x", "1"),), None), OK, 0, 1, line=7), "file:7: "),
        (Operation(0, "put", "x", "1", "soon", OK, 0, 1, line=7), "file:7: .* cannot be read: put is key, value -> revision"),
        (Operation(0, "push", "x", "1", 1, OK, 0, 1, line=7), "file:7: there is no function 'push' here, only put .*watch"),
    ],
)
def test_a_history_of_another_form_is_refused_with_its_line(operation: Operation, message: str) -> None:
    with pytest.raises(BadHistory, match=message):
        checks.check(History((operation,), source="file"), "watch")


def test_a_watcher_cannot_go_on_with_another_range_or_twice_at_once() -> None:
    with pytest.raises(BadHistory, match="goes on with another selector"):
        check(watch("w", 1, 1, at=0), watch("w", 2, 2, at=2, selector=("key", "x")))
    with pytest.raises(BadHistory, match="before its last piece has ended"):
        check(watch("w", 1, 1, at=0), Operation(5, "watch", None, ("w", ALL, 2), (2, 2, (), None), OK, 0, 4))


def test_out_of_budget_is_unknown() -> None:
    assert Answer.UNKNOWN is check_watches(History((*WRITES, watch("w", 1, 3, *WHOLE, at=6))), Budget(states_max=2)).answer


def test_nothing_is_found_in_what_a_correct_store_told_its_watchers() -> None:
    for seed in range(300):
        verdict = check_watches(observed(Random(seed), 400), Budget())

        assert Answer.VALID is verdict.answer, (seed, verdict.findings)
        assert verdict.facts["events"]


@pytest.mark.parametrize(
    ("bug", "name"),
    [
        ("lost write", "missing event"),
        ("gap", "gap"),
        ("duplicate event", "duplicate event"),
        ("missing event", "missing event"),
        ("reordered", "out of order"),
        ("phantom event", "wrong event"),
        ("failed write applied", "event of a failed write"),
    ],
)
def test_a_store_with_a_bug_is_caught_by_chance(bug: str, name: str) -> None:
    found = [{finding.name for finding in check_watches(observed(Random(seed), 400, bug=bug), Budget()).findings} for seed in range(40)]

    assert sum(name in names for names in found) > 5, found
