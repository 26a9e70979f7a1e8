"""What holds for every check, whatever its model."""

from dataclasses import replace

import pytest

from quorate.cluster.verify.checks import CHECKS, check
from quorate.cluster.verify.events import BadHistory
from quorate.cluster.verify.history import History
from quorate.cluster.verify.verdict import Answer
from tests.cluster.verify.operations import did, failed, line


@pytest.mark.parametrize(("model", "level"), [(each.name, level) for each in CHECKS.values() for level in (None, *each.levels)])
def test_a_history_without_operations_proves_nothing(model: str, level: str | None) -> None:
    verdict = check(History(()), model, level=level)

    assert Answer.UNKNOWN is verdict.answer
    assert "no operations: nothing was checked." == verdict.reason


def test_where_all_operations_failed_something_was_checked() -> None:
    assert Answer.VALID is check(line(failed(did(1, "write", "x", 1))), "register").answer


@pytest.mark.parametrize(
    ("model", "name"), [("watch", "other_writers"), ("session", "other_writers"), ("bank", "negative_balances"), ("lock", "expires")]
)
@pytest.mark.parametrize("value", ["no", 0, 1, ("x",)])
def test_a_flag_that_is_neither_true_nor_false_is_refused(model: str, name: str, value: object) -> None:
    operations = {"bank": did(1, "transfer", None, ("a", "b", 1)), "lock": did(1, "acquire", "x", None, True)}
    history = line(operations.get(model, did(1, "put", "x", "1", 1)), **{name: value})

    with pytest.raises(BadHistory, match=f"history:1: the fact `{name}` is true or false, not"):
        check(history, model)


MIXED = {
    "register": (did(1, "write", "x", 1), did(1, "read", "x", None, True)),
    "cas": (did(1, "write", "x", 0), did(1, "cas", "x", (False, "a"), True)),
    "queue": (did(1, "enqueue", "x", True), did(1, "dequeue", "x", None, 1)),
    "lock": (did(1, "acquire", "x", 1, True), did(1, "release", "x", True, True)),
    "list-append": (
        did(1, "txn", None, (("append", "x", 1),), (("append", "x", 1),)),
        did(1, "txn", None, (("r", "x", None),), (("r", "x", (True,)),)),
    ),
}


@pytest.mark.parametrize("model", MIXED)
def test_true_is_not_1_and_a_history_with_both_is_refused(model: str) -> None:
    with pytest.raises(BadHistory, match=r"history:2: (true and 1|false and 0) are both a value .* in line 1; write one of them as text"):
        check(line(*MIXED[model]), model)


def test_true_is_not_1_in_what_was_there_before_and_in_keys() -> None:
    with pytest.raises(BadHistory, match="history:1: true and 1 are both a value"):
        check(line(did(1, "read", "x", None, True), initial=1), "register")
    first = did(1, "write", "x", "a")
    with pytest.raises(BadHistory, match="history:2: true and 1 are both a key"):
        check(line(replace(first, key=1), replace(first, key=True)), "register")


def test_answers_that_are_true_do_not_meet_values_that_are_1() -> None:
    assert Answer.VALID is check(line(did(1, "write", "x", 1), did(1, "cas", "x", (1, 0), True)), "cas").answer
    assert Answer.VALID is check(line(did(1, "enqueue", "x", 1, True), did(1, "dequeue", "x", None, 1)), "queue").answer
    assert Answer.VALID is check(line(did(1, "acquire", "x", 1, True), did(1, "release", "x", 1, True)), "lock").answer
