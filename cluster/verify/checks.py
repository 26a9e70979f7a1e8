"""Every check by the name of its model: what `quorate verify --model` offers.

Adding one is adding a line to CHECKS.
"""

from collections.abc import Callable
from dataclasses import dataclass

from quorate.cluster.verify.bank import check_bank
from quorate.cluster.verify.history import History
from quorate.cluster.verify.linearizability import check_linearizable
from quorate.cluster.verify.list_append import check_list_append
from quorate.cluster.verify.models import MODELS
from quorate.cluster.verify.models.model import Model
from quorate.cluster.verify.verdict import Budget, Verdict
from quorate.cluster.wire.errors import BadRequest


@dataclass(frozen=True, slots=True)
class Check:
    """`run` may raise BadHistory for operations that are not the model's."""

    name: str
    summary: str
    """One line, for a list."""
    run: Callable[[History, Budget], Verdict]


def _linearizable(model: Model) -> Check:
    return Check(model.name, f"linearizability of {model.summary}", lambda history, budget: check_linearizable(history, model, budget))


CHECKS: dict[str, Check] = {
    check.name: check
    for check in (
        *(_linearizable(model) for model in MODELS.values()),
        Check("bank", "a bank: the total never changes, and one order explains all transfers and reads", check_bank),
        Check("list-append", "strict serializability of transactions that append to lists and read them", check_list_append),
    )
}


def check(history: History, model: str, budget: Budget | None = None) -> Verdict:
    """The verdict of the check of that name. BadRequest, which lists the names, if there is none."""
    if model not in CHECKS:
        known = "\n".join(f"  {check.name:14}{check.summary}" for check in CHECKS.values())
        raise BadRequest(f"there is no model {model!r}; the known ones are\n{known}")
    return CHECKS[model].run(history, budget or Budget())
