"""What holds for every check, whatever its model."""

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
