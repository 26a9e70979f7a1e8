"""Every check by the name of its model: what `quorate verify --model` offers.

Adding one is adding a line to CHECKS.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial

from quorate.cluster.verify import booleans
from quorate.cluster.verify.bank import check_bank
from quorate.cluster.verify.history import History
from quorate.cluster.verify.isolation import LEVELS
from quorate.cluster.verify.linearizability import check_linearizable
from quorate.cluster.verify.list_append import check_list_append
from quorate.cluster.verify.models import MODELS
from quorate.cluster.verify.models.model import Model
from quorate.cluster.verify.session import check_sessions
from quorate.cluster.verify.verdict import Answer, Budget, Verdict
from quorate.cluster.verify.watching import check_watches
from quorate.cluster.wire.errors import BadRequest


@dataclass(frozen=True, slots=True)
class Check:
    """`run` may raise BadHistory for operations that are not the model's."""

    name: str
    summary: str
    """One line, for a list."""
    run: Callable[[History, Budget], Verdict]
    levels: Mapping[str, Callable[[History, Budget], Verdict]] = field(default_factory=dict)
    """Weaker and stronger things that a service may claim; `run` is the strongest of them."""


def _linearizable(model: Model) -> Check:
    return Check(model.name, f"linearizability of {model.summary}", lambda history, budget: check_linearizable(history, model, budget))


CHECKS: dict[str, Check] = {
    check.name: check
    for check in (
        *(_linearizable(model) for model in MODELS.values()),
        Check("bank", "a bank: the total never changes, and one order explains all transfers and reads", check_bank),
        Check(
            "list-append",
            "strict serializability of transactions that append to lists and read them",
            check_list_append,
            {level: partial(check_list_append, level=level) for level in LEVELS},
        ),
        Check("watch", "watches: every change of their range, in order, once, and no silent gap", check_watches),
        Check("session", "sessions: writes take effect once, and no client goes back in time", check_sessions),
    )
}


def check(history: History, model: str, budget: Budget | None = None, *, level: str | None = None) -> Verdict:
    """The verdict of the check of that name. BadRequest, which lists what there is, if there is no such model or level."""
    return named(model, level)(history, budget or Budget())


def named(model: str, level: str | None = None) -> Callable[[History, Budget], Verdict]:
    """The check of that name. BadRequest as above."""
    if model not in CHECKS:
        known = "\n".join(f"  {check.name:14}{check.summary}" for check in CHECKS.values())
        raise BadRequest(f"there is no model {model!r}; the known ones are\n{known}")
    chosen = CHECKS[model]
    if level is None:
        return partial(_judged, model, chosen.run)
    if level not in chosen.levels:
        known = ", ".join(chosen.levels) or "none, it has only one"
        raise BadRequest(f"the model {model} has no level {level!r}; it has {known}")
    return partial(_judged, model, chosen.levels[level])


def _judged(model: str, run: Callable[[History, Budget], Verdict], history: History, budget: Budget) -> Verdict:
    if model in booleans.MODELS:
        booleans.refuse_mixture(history)
    verdict = run(history, budget)
    if not history.operations and verdict.answer is Answer.VALID:
        return replace(verdict, answer=Answer.UNKNOWN, reason="no operations: nothing was checked.")
    return verdict
