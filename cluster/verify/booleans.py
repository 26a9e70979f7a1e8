"""true is not 1, but Python takes them for equal, also in sets and as keys of what was seen before.

The rule: a history in which both occur where a model compares values is refused, so that no verdict rests on it.
"""

from collections.abc import Iterator

from quorate.cluster.verify.events import BadHistory
from quorate.cluster.verify.history import History, Operation

MODELS = frozenset(("register", "cas", "lock", "queue", "bank", "list-append"))
"""Those whose values and names may be of any type; the others check the type of each."""

_HEARS_VALUES = frozenset(("read", "dequeue", "txn"))
"""The other results say whether something was done."""


def refuse_mixture(history: History) -> None:
    """BadHistory if true and 1, or false and 0, are both values of it or both keys."""
    seen: dict[tuple[str, object], tuple[type, int]] = {}
    facts = (("value", 1, history.facts.get(name)) for name in ("initial", "initial_by_key"))
    for what, line, value in (*facts, *(each for operation in history.operations for each in _told(operation))):
        for one in _flat(value):
            if one is not True and one is not False and not (type(one) is int and one in (0, 1)):
                continue
            kind, before = seen.setdefault((what, one), (type(one), line))
            if kind is not type(one):
                both = "true and 1" if one else "false and 0"
                where = f", and the other in line {before}" if before else ""
                raise BadHistory(history.source, line, f"{both} are both a {what} of this history{where}; write one of them as text")


def _told(operation: Operation) -> Iterator[tuple[str, int, object]]:
    yield "key", operation.line, operation.key
    yield "value", operation.line, operation.argument
    if operation.function in _HEARS_VALUES:
        yield "value", operation.returned_line or operation.line, operation.result


def _flat(value: object) -> Iterator[object]:
    if isinstance(value, tuple):
        for part in value:
            yield from _flat(part)
    else:
        yield value
