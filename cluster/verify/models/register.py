"""Registers: one value each, read and written; with compare-and-swap as `cas`.

| function | argument | result |
|---|---|---|
| read | None | the value |
| write | the value | None |
| cas (model `cas` only) | (expected, new) | whether it was carried out |

Every key is a register of its own. The fact `initial` is the value before the first write, None without one; where keys
differ, the fact `initial_by_key` is ((key, value), ...).
"""

from collections.abc import Hashable, Iterable, Mapping, Sequence

from quorate.cluster.verify.history import Operation, Outcome
from quorate.cluster.verify.models.model import Hint, Key, Step, by_key, initial_value, told


class Register:
    """Read and write."""

    name = "register"
    summary = "registers: read and write"
    functions: Mapping[str, str] = {"read": "no argument -> the value", "write": "the value -> nothing"}

    def check(self, operation: Operation) -> None:
        if operation.function == "read" and operation.argument is not None:
            raise ValueError(f"a read has no argument, not {operation.argument!r}")

    def is_read(self, operation: Operation) -> bool:
        return operation.function == "read"

    def partition(self, operations: Sequence[Operation]) -> Iterable[tuple[Key, Sequence[Operation]]]:
        return by_key(operations)

    def across(self, operations: Sequence[Operation]) -> Hint | None:
        return None

    def initial(self, operations: Sequence[Operation], facts: Mapping[str, object]) -> Hashable:
        return initial_value(operations, facts)

    def step(self, state: Hashable, operation: Operation) -> Step:
        if operation.function == "write":
            return True, operation.argument
        return operation.result == state or operation.outcome is not Outcome.OK, state

    def describe(self, state: Hashable) -> str:
        return f"is {state!r}"

    def tell(self, operation: Operation) -> str:
        if operation.function == "read":
            return f"read {operation.result!r}" if operation.outcome is Outcome.OK else told(operation, "read")
        return told(operation, f"wrote {operation.argument!r}")

    def hint(self, stuck: Operation, operations: Sequence[Operation], initial: Hashable) -> Hint | None:
        """A value that nobody wrote, only a failed write wrote, or that was not written yet."""
        value = stuck.result
        if stuck.function != "read" or stuck.outcome is not Outcome.OK or value == initial:
            return None
        writers = [operation for operation in operations if self._written(operation) == (value,)]
        if not writers:
            return f"nobody ever wrote {value!r}", ()
        if all(writer.outcome is Outcome.FAILED for writer in writers):
            return f"{value!r} was written only by an operation that failed", (writers[0],)
        if all(stuck.returned is not None and writer.called > stuck.returned for writer in writers if writer.outcome is not Outcome.FAILED):
            return f"{value!r} was not written until later", (writers[0],)
        return self._overwritten(stuck, operations, writers)

    def _overwritten(self, stuck: Operation, operations: Sequence[Operation], writers: Sequence[Operation]) -> Hint | None:
        """Another write came after all of that value, and had returned when this read began."""
        if any(writer.outcome is Outcome.UNKNOWN for writer in writers):
            return None
        last = max(writer.returned or 0 for writer in writers)
        for operation in operations:
            is_between = last < operation.called and operation.returned is not None and operation.returned < stuck.called
            written = self._written(operation) if operation.outcome is Outcome.OK else ()
            if written and is_between:
                return f"{written[0]!r} was written after {stuck.result!r}, and acknowledged before this read began", (operation,)
        return None

    def _written(self, operation: Operation) -> tuple[object, ...]:
        """The value that the operation left if it was carried out; none if it certainly left none."""
        return (operation.argument,) if operation.function == "write" else ()


class CasRegister(Register):
    """Read, write and compare-and-swap."""

    name = "cas"
    summary = "registers: read, write and compare-and-swap"
    functions = {**Register.functions, "cas": "(expected, new) -> whether it was carried out"}

    def check(self, operation: Operation) -> None:
        super().check(operation)
        if operation.function == "cas":
            if not isinstance(operation.argument, tuple) or len(operation.argument) != 2:
                raise ValueError(f"a cas has the argument (expected, new), not {operation.argument!r}")
            if operation.outcome is Outcome.OK and not isinstance(operation.result, bool):
                raise ValueError(f"the result of a cas is true or false, not {operation.result!r}")

    def is_read(self, operation: Operation) -> bool:
        return operation.function == "read" or operation.result is False

    def step(self, state: Hashable, operation: Operation) -> Step:
        if operation.function != "cas":
            return super().step(state, operation)
        expected, new = _pair(operation)
        succeeds = state == expected
        return succeeds is operation.result or operation.outcome is not Outcome.OK, new if succeeds else state

    def tell(self, operation: Operation) -> str:
        if operation.function != "cas":
            return super().tell(operation)
        expected, new = _pair(operation)
        if operation.outcome is Outcome.OK:
            return f"{'swapped' if operation.result else 'did not swap'} {expected!r} for {new!r}"
        return told(operation, f"tried to swap {expected!r} for {new!r}")

    def _written(self, operation: Operation) -> tuple[object, ...]:
        if operation.function == "cas" and operation.result is not False:
            return _pair(operation)[1:]
        return super()._written(operation)


def _pair(operation: Operation) -> tuple[object, object]:
    """(expected, new) of a cas: `check` has seen to it that there are two."""
    pair: tuple[object, object] = operation.argument  # type: ignore[assignment]
    return pair
