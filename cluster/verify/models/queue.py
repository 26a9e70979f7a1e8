"""Queues: what goes in first comes out first, once.

| function | argument | result |
|---|---|---|
| enqueue | the value | None (True and the value itself are taken for it) |
| dequeue | None | the value, or None if the queue was empty |

Every key is a queue of its own. The fact `initial` is the tuple of values in it at first, the oldest first.
"""

from collections.abc import Hashable, Iterable, Mapping, Sequence

from quorate.cluster.verify.history import Operation, Outcome
from quorate.cluster.verify.models.model import Hint, Key, Step, by_key, initial_value, told

WORDS_VALUES_MAX = 8
"""So many values of a state are told."""


class Queue:
    name = "queue"
    summary = "first-in-first-out queues: enqueue and dequeue"
    functions: Mapping[str, str] = {"enqueue": "the value -> nothing", "dequeue": "no argument -> the value, or nothing if it was empty"}

    def check(self, operation: Operation) -> None:
        if operation.function == "dequeue":
            if operation.argument is not None:
                raise ValueError(f"dequeue has no argument, not {operation.argument!r:.100}")
            return
        if operation.argument is None:
            raise ValueError("enqueue has a value for its argument; nothing cannot be told from an empty queue")
        if operation.result is not None and operation.result is not True and operation.result != operation.argument:
            raise ValueError(f"the result of enqueue is nothing, not {operation.result!r:.100}")

    def is_read(self, operation: Operation) -> bool:
        return operation.function == "dequeue" and operation.result is None and operation.outcome is Outcome.OK

    def partition(self, operations: Sequence[Operation]) -> Iterable[tuple[Key, Sequence[Operation]]]:
        return by_key(operations)

    def across(self, operations: Sequence[Operation]) -> Hint | None:
        return None

    def initial(self, operations: Sequence[Operation], facts: Mapping[str, object]) -> Hashable:
        values = initial_value(operations, facts)
        if not isinstance(values, tuple | None):
            raise ValueError(f"a queue begins with a tuple of values, not {values!r:.100}")
        return values or ()

    def step(self, state: Hashable, operation: Operation) -> Step:
        assert isinstance(state, tuple), state
        if operation.function == "enqueue":
            return True, (*state, operation.argument)
        if operation.outcome is not Outcome.OK:
            return True, state[1:]
        if not state or operation.result is None:
            return not state and operation.result is None, state
        return state[0] == operation.result, state[1:]

    def describe(self, state: Hashable) -> str:
        assert isinstance(state, tuple), state
        more = len(state) - WORDS_VALUES_MAX
        values = ", ".join(repr(value) for value in state[:WORDS_VALUES_MAX]) + (f" and {more} more" if more > 0 else "")
        return f"holds {values}" if state else "is empty"

    def tell(self, operation: Operation) -> str:
        if operation.function == "enqueue":
            return told(operation, f"enqueued {operation.argument!r}")
        if operation.outcome is not Outcome.OK:
            return told(operation, "dequeued")
        return "found it empty" if operation.result is None else f"dequeued {operation.result!r}"

    def hint(self, stuck: Operation, operations: Sequence[Operation], initial: Hashable) -> Hint | None:
        """A value that nobody enqueued, or that came out more often than it went in."""
        if stuck.function != "dequeue" or stuck.result is None:
            return None
        assert isinstance(initial, tuple), initial
        value = stuck.result
        entered = [each for each in operations if each.function == "enqueue" and each.argument == value]
        possible = [each for each in entered if each.outcome is not Outcome.FAILED]
        if not possible and value not in initial:
            if entered:
                return f"{value!r} was enqueued only by an operation that failed", (entered[0],)
            return f"nobody ever enqueued {value!r}", ()
        others = [each for each in operations if each.function == "dequeue" and each.result == value and each is not stuck]
        if len(others) >= len(possible) + initial.count(value):
            return f"{value!r} was dequeued more often than it was enqueued", (others[0],)
        return None
