"""Counters: nothing that was added is lost or counted twice.

| function | argument | result |
|---|---|---|
| increment | None | None, or the value after it |
| add | how much, also below zero | None, or the value after it |
| read | None | the value |

Every key is a counter of its own. The facts `initial` and `initial_by_key` are as for registers; 0 without them.
"""

from collections.abc import Hashable, Iterable, Mapping, Sequence

from quorate.cluster.verify.history import Operation, Outcome
from quorate.cluster.verify.models.model import Hint, Key, Step, by_key, initial_value, told


class Counter:
    name = "counter"
    summary = "counters: increment, add and read"
    functions: Mapping[str, str] = {
        "increment": "no argument -> nothing, or the value after it",
        "add": "how much -> nothing, or the value after it",
        "read": "no argument -> the value",
    }

    def check(self, operation: Operation) -> None:
        if operation.function == "add" and type(operation.argument) is not int:
            raise ValueError(f"add has an integer for its argument, not {operation.argument!r:.100}")
        if operation.function != "add" and operation.argument is not None:
            raise ValueError(f"{operation.function} has no argument, not {operation.argument!r:.100}")
        is_read = operation.function == "read"
        if operation.outcome is Outcome.OK and type(operation.result) is not int and (is_read or operation.result is not None):
            raise ValueError(f"the result of {operation.function} is an integer, not {operation.result!r:.100}")

    def is_read(self, operation: Operation) -> bool:
        return operation.function == "read"

    def partition(self, operations: Sequence[Operation]) -> Iterable[tuple[Key, Sequence[Operation]]]:
        return by_key(operations)

    def across(self, operations: Sequence[Operation]) -> Hint | None:
        return None

    def initial(self, operations: Sequence[Operation], facts: Mapping[str, object]) -> Hashable:
        value = initial_value(operations, facts)
        if not isinstance(value, int | None):
            raise ValueError(f"a counter begins at an integer, not {value!r:.100}")
        return value or 0

    def step(self, state: Hashable, operation: Operation) -> Step:
        assert isinstance(state, int), state
        value = state
        if operation.function != "read":
            value += _amount(operation)
        return operation.result is None or operation.result == value, value

    def describe(self, state: Hashable) -> str:
        return f"is {state}"

    def tell(self, operation: Operation) -> str:
        heard = "" if operation.result is None else f" and heard {operation.result}"
        if operation.function == "read":
            return told(operation, f"read {operation.result}" if operation.result is not None else "read")
        return told(operation, f"added {_amount(operation)}{heard}")

    def hint(self, stuck: Operation, operations: Sequence[Operation], initial: Hashable) -> Hint | None:
        """A value beyond what was ever added up, or below what must have been."""
        if stuck.function != "read" or stuck.returned is None or not isinstance(initial, int):
            return None
        least = most = initial
        for operation in operations:
            if operation.function == "read" or operation.outcome is Outcome.FAILED or operation.called > stuck.returned:
                continue
            amount = _amount(operation)
            is_certain = operation.returned is not None and operation.returned < stuck.called
            least += amount if is_certain else min(0, amount)
            most += amount if is_certain else max(0, amount)
        assert isinstance(stuck.result, int), stuck
        if stuck.result < least:
            return f"what was added and acknowledged before makes at least {least}", ()
        if stuck.result > most:
            return f"all that was added by then makes at most {most}", ()
        return None


def _amount(operation: Operation) -> int:
    amount = 1 if operation.function == "increment" else operation.argument
    assert isinstance(amount, int), operation
    return amount
