"""The session checker: exactly once, and no way back in time; each by its name, and nothing in what a correct store answered."""

from random import Random

import pytest

from quorate.cluster.verify import checks
from quorate.cluster.verify.events import BadHistory
from quorate.cluster.verify.history import History, Operation, Outcome
from quorate.cluster.verify.session import check_sessions
from quorate.cluster.verify.verdict import Answer, Budget, Verdict
from tests.cluster.verify.observed_store import observed

OK, FAILED, UNKNOWN = Outcome.OK, Outcome.FAILED, Outcome.UNKNOWN


def do(
    process: int, function: str, key: str | None, argument: object, result: object, at: int, outcome: Outcome = OK, until: int = 0
) -> Operation:
    returned = None if outcome is UNKNOWN else until or at + 1
    return Operation(process, function, key, argument, result, outcome, at, returned, line=at + 1)


def write(process: int, sequence: int, value: str, revision: int | None, at: int, outcome: Outcome = OK) -> Operation:
    return do(process, "write", "x", ("s", sequence, value), revision, at, outcome)


def put(process: int, value: str, revision: int, at: int, key: str = "x") -> Operation:
    return do(process, "put", key, value, revision, at)


def get(process: int, value: str | None, revision: int, at: int, key: str = "x") -> Operation:
    return do(process, "get", key, None, (value, revision, 1) if value else None, at)


def state(process: int, revision: int, at: int, **items: tuple[str, int]) -> Operation:
    listed = tuple((key, value, made, 1) for key, (value, made) in items.items())
    return do(process, "range", None, ("a", "zz", 0), (listed, len(listed), revision), at)


def check(*operations: Operation, **facts: object) -> Verdict:
    return check_sessions(History(tuple(sorted(operations, key=lambda operation: operation.called)), facts), Budget())


def deletion(process: int, at: int, outcome: Outcome = UNKNOWN) -> Operation:
    return do(process, "delete", "x", None, None, at, outcome)


@pytest.mark.parametrize(
    ("name", "operations"),
    [
        ("applied twice", (write(0, 1, "a", None, 0, UNKNOWN), write(1, 1, "a", 1, 2), get(2, "a", 2, 4))),
        ("applied twice", (put(0, "a", 1, 0), get(2, "a", 2, 4))),
        ("applied twice", (do(0, "put", "x", "a", None, 0, UNKNOWN), get(2, "a", 1, 4), get(3, "a", 2, 6))),
        (
            "applied twice",
            (
                put(0, "a", 1, 0),
                do(5, "watch", None, ("w", ("key", "x"), 1), (1, 2, ((1, "put", "x", "a"), (2, "put", "x", "a")), None), 2),
            ),
        ),
        ("retry answered differently", (write(0, 1, "a", 1, 0), write(0, 1, "a", 2, 2))),
        ("one revision, two writes", (put(0, "a", 1, 0), put(1, "b", 1, 2))),
        ("failed write applied", (do(0, "put", "x", "a", None, 0, FAILED), get(1, "a", 1, 2))),
        ("phantom write", (put(0, "a", 1, 0), get(1, "b", 1, 2))),
        ("lost write", (put(0, "a", 1, 0), state(1, 3, 2))),
        ("lost write", (put(0, "a", 1, 0), put(0, "b", 2, 2), state(1, 3, 4, x=("a", 1)))),
        ("lost write", (put(0, "a", 1, 0), do(1, "txn", None, ((), (("get", "x"),), ()), (True, (None,), 4), 2))),
        ("lost write", (put(0, "a", 1, 0), state(1, 3, 2), deletion(3, 9))),
        ("lost write", (put(0, "a", 1, 0), state(1, 3, 2), do(3, "delete", "x", None, (1, 4), 1, until=8))),
        ("read your writes", (put(0, "a", 1, 0, "y"), put(9, "b", 2, 2), put(0, "c", 3, 4), get(0, "b", 2, 6))),
        ("read your writes", (put(0, "a", 1, 0), get(0, None, 0, 2))),
        ("read your writes", (put(0, "a", 5, 0), state(0, 4, 2))),
        ("read your writes", (put(9, "z", 1, 0), do(7, "delete", "x", None, (1, 2), 2), put(0, "a", 3, 4), get(0, None, 0, 6))),
        ("monotonic reads", (put(9, "a", 1, 0), put(9, "b", 2, 2), get(0, "b", 2, 4), get(0, "a", 1, 6))),
        ("monotonic reads", (put(9, "a", 1, 0), get(0, "a", 1, 4), get(0, None, 0, 6))),
        ("monotonic reads", (put(9, "a", 1, 0), get(0, "a", 1, 4), state(0, 1, 6))),
        ("monotonic reads", (state(0, 5, 0), state(0, 4, 2))),
        ("monotonic writes", (put(0, "a", 4, 0), put(0, "b", 3, 2))),
        ("monotonic writes", (write(0, 1, "a", 4, 0), write(0, 2, "b", 3, 2))),
        ("writes follow reads", (put(9, "a", 4, 0), get(0, "a", 4, 2), put(0, "b", 3, 4))),
        ("writes follow reads", (state(0, 4, 0), do(0, "cas", "x", (None, "b"), (True, 4), 2))),
    ],
)
def test_each_broken_promise_is_found_by_its_name(name: str, operations: tuple[Operation, ...]) -> None:
    verdict = check(*operations)

    assert Answer.INVALID is verdict.answer
    assert name in {finding.name for finding in verdict.findings}


@pytest.mark.parametrize(
    "operations",
    [
        (),
        (write(0, 1, "a", None, 0, UNKNOWN), write(1, 1, "a", 1, 2), get(2, "a", 1, 4)),
        (write(0, 1, "a", 1, 0), write(0, 2, "b", 2, 2), write(0, 1, "a", 1, 4)),
        (write(0, 1, "a", None, 0, UNKNOWN), write(1, 2, "b", 2, 2), write(1, 1, "a", 1, 4)),
        (put(0, "a", 1, 0), put(1, "a", 2, 2), get(2, "a", 1, 4), get(3, "a", 2, 6)),
        (put(0, "a", 1, 0), get(0, None, 0, 4), deletion(7, 2)),
        (put(0, "a", 1, 0), get(0, None, 0, 4), do(7, "delete_range", None, ("a", "z", 0), (1, 2), 2)),
        (put(0, "a", 1, 0), do(0, "delete", "x", None, (1, 2), 2), get(0, None, 0, 4), state(1, 2, 6)),
        (put(0, "a", 1, 0), put(0, "b", 2, 2), get(1, "b", 2, 4), get(2, "a", 1, 6)),
        (put(0, "a", 3, 0), state(1, 2, 2)),
        (put(0, "a", 2, 0), do(0, "cas", "x", ("b", "c"), (False, 2), 2)),
        (put(0, "a", 2, 0), do(0, "cas", "y", (None, None), (True, 2), 2), do(0, "cas_revision", "y", (0, None), (True, 2), 4)),
        (put(0, "a", 1, 0), do(0, "txn", None, ((), (("get", "x"), ("put", "y", "b")), ()), (True, (("a", 1, 1), None), 2), 2)),
    ],
)
def test_what_a_session_may_see_is_not_found(operations: tuple[Operation, ...]) -> None:
    assert Answer.VALID is (verdict := check(*operations)).answer, verdict.findings


def test_operations_of_one_session_that_overlap_have_no_order() -> None:
    reads = do(0, "get", "x", None, ("b", 2, 1), 4, until=9), do(1, "get", "x", None, ("a", 1, 1), 5, until=6)
    writes = put(9, "a", 1, 0), put(9, "b", 2, 2)
    one_client = ((0, "c"), (1, "c"))

    assert Answer.VALID is check(*writes, *reads, sessions=one_client).answer
    after = do(1, "get", "x", None, ("a", 1, 1), 10)
    assert Answer.VALID is check(*writes, reads[0], after).answer
    (finding,) = check(*writes, reads[0], after, sessions=one_client).findings
    assert "monotonic reads" == finding.name
    assert (
        "process 1's get of 'x' saw 'x' at revision 1, but process 0's get of 'x', "
        "answered before that in the same session (c), was at revision 2."
    ) == finding.why


def test_a_write_says_itself_to_which_session_its_process_belongs() -> None:
    assert (
        Answer.INVALID
        is check(write(0, 1, "a", 3, 0), write(1, 2, "b", None, 2, UNKNOWN), do(1, "range", None, ("a", "z", 0), ((), 0, 2), 4)).answer
    )


def test_with_other_writers_nothing_is_said_of_effects_and_of_keys_that_are_gone() -> None:
    for operations in (
        (put(0, "a", 1, 0), get(2, "a", 2, 4)),
        (put(0, "a", 1, 0), get(0, None, 0, 2)),
        (put(0, "a", 1, 0), state(1, 3, 2)),
    ):
        assert Answer.INVALID is check(*operations).answer
        assert Answer.VALID is check(*operations, other_writers=True).answer


def test_answers_without_revisions_say_nothing_and_are_no_mistake() -> None:
    silent = (
        do(0, "put", "x", "a", None, 0),
        do(0, "cas", "x", ("a", "b"), True, 2),
        do(0, "get", "x", None, "b", 4),
        do(0, "range", None, ("a", "z", 0), ((("x", "b"),), 1, None), 6),
        do(0, "txn", None, ((), (("prefix", "x", 0), ("delete", "x")), ()), (True, (((("x", "b"),), 1, None), None), None), 8),
        do(0, "delete_range", None, ("a", "z", 0), None, 10),
    )

    assert Answer.VALID is check(*silent).answer
    assert Answer.VALID is check(*silent, put(1, "c", 7, 12), get(1, "c", 7, 14), get(1, None, 0, 16), deletion(2, 13)).answer


def test_a_value_that_was_there_before_is_not_counted() -> None:
    operations = get(1, "a", 1, 0), put(0, "a", 2, 2), get(1, "a", 2, 4)

    assert Answer.INVALID is check(*operations).answer
    assert Answer.VALID is check(*operations, initial=(("x", "a"),)).answer


def test_one_name_for_two_commands_is_refused_with_both_lines() -> None:
    with pytest.raises(BadHistory, match=r"file:3: .'s', 1. names another command than on line 1"):
        checks.check(History((write(0, 1, "a", 1, 0), write(0, 1, "b", 1, 2)), source="file"), "session")


def test_out_of_budget_is_unknown() -> None:
    assert Answer.UNKNOWN is check_sessions(History((put(0, "a", 1, 0),)), Budget(seconds=-1)).answer


def test_nothing_is_found_in_what_a_correct_store_answered() -> None:
    for seed in range(300):
        verdict = check_sessions(observed(Random(seed), 400), Budget())

        assert Answer.VALID is verdict.answer, (seed, verdict.findings)


@pytest.mark.parametrize(
    ("bug", "name"),
    [
        ("applied twice", "applied twice"),
        ("lost write", "lost write"),
        ("stale reads", "monotonic reads"),
        ("stale reads", "read your writes"),
        ("failed write applied", "failed write applied"),
    ],
)
def test_a_store_with_a_bug_is_caught_by_chance(bug: str, name: str) -> None:
    found = [{finding.name for finding in check_sessions(observed(Random(seed), 400, bug=bug), Budget()).findings} for seed in range(60)]

    assert sum(name in names for names in found) > 5, found
