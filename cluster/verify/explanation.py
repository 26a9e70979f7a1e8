"""Why a partition is not linearizable, in as few operations as can be found.

The rule: an explanation stays true. Leaving out a write may make an innocent read look wrong, so nothing is simply left out:
an operation is *released*. A read is dropped; anything else loses its answer and its end, so that it may take effect at any
time or never. Every order of the whole history is still an order of what remains, so what fails after it failed before.
Where it fails with all those released, it fails without them too: they had their chance. So those that the best order does
not use need not be shown.
"""

from collections.abc import Hashable, Sequence
from dataclasses import replace

from quorate.cluster.verify.history import Operation, Outcome
from quorate.cluster.verify.models.model import Key, Model, Undecided
from quorate.cluster.verify.search import Search
from quorate.cluster.verify.verdict import Finding

STEPS_MAX = 500_000
"""For all attempts together: half a second. A larger explanation is still one."""
TURNS_PER_ATTEMPT_MAX = 30
"""An attempt that takes longer counts as one that did not fail."""
SENTENCE_OPERATIONS_MAX = 4
"""More are counted, not told one by one."""
NAME = "not linearizable"


def explain(model: Model, key: Key, operations: Sequence[Operation], search: Search, initial: Hashable) -> Finding:
    """The finding for a partition whose search has failed."""
    core, failed = _Reduction(model, search, initial).result()
    order = failed.best()
    in_order = {operation.called for operation in order}
    stuck = _stuck(core, in_order)
    state = initial
    states = []
    for operation in order:
        _, state = model.step(state, operation)
        states.append(model.describe(state))
    taking_part = in_order.union(operation.called for operation in core)
    needed = [operation for operation in operations if operation.called in taking_part]
    why, witnesses = _why(model, key, needed, operations, stuck, initial, states)
    taking_part.update(witness.called for witness in witnesses)
    shown = [operation for operation in operations if operation.called in taking_part]
    positions = {operation.called: position for position, operation in enumerate(shown)}
    return Finding(
        name=NAME,
        why=why,
        key=key,
        operations=tuple(shown),
        order=tuple(positions[operation.called] for operation in order),
        states=tuple(states),
        stuck=tuple(positions[operation.called] for operation in stuck),
        omitted=len(operations) - len(shown),
    )


class _Reduction:
    """Finds as few operations as it can that no order explains, all others released."""

    def __init__(self, model: Model, search: Search, initial: Hashable) -> None:
        self._model = model
        self._initial = initial
        self._steps_left = STEPS_MAX
        # What was invoked after the last return that nothing got past was never looked at.
        self._kept = [operation for operation in search.known if operation.called < search.stuck_at]
        self._released = [operation for operation in search.unknown if operation.called < search.stuck_at]
        self._all_known = search.known
        self._failed = search

    def result(self) -> tuple[list[Operation], Search]:
        """The operations, and the search for an order that failed."""
        size = max(1, len(self._kept) // 2)
        while size:
            position = 0
            while position < len(self._kept) and self._steps_left > 0:
                if not self._release(position, position + size):
                    position += size
            size //= 2
        self._keep_what_is_used()
        return self._kept, self._failed

    def _release(self, start: int, end: int) -> bool:
        """Let go of some, if it fails without them too."""
        rest = self._kept[:start] + self._kept[end:]
        released = self._released + [_released(operation) for operation in self._kept[start:end] if not self._model.is_read(operation)]
        if not rest or not self._fails(rest, released):
            return False
        self._kept, self._released = rest, released
        return True

    def _keep_what_is_used(self) -> None:
        """The best order is told with operations as they were, so those that it has need of are no longer released."""
        originals = {operation.called: operation for operation in self._all_known}
        while self._steps_left > 0:
            used = {operation.called for operation in self._failed.best()} - {operation.called for operation in self._kept}
            back = [originals[called] for called in used if called in originals]
            released = [operation for operation in self._released if operation.called not in used or operation.called not in originals]
            kept = sorted((*self._kept, *back), key=lambda operation: operation.called)
            if not back or not self._fails(kept, released):
                return
            self._kept, self._released = kept, released

    def _fails(self, kept: Sequence[Operation], released: Sequence[Operation]) -> bool:
        attempt = Search(self._model, sorted((*kept, *released), key=lambda operation: operation.called), self._initial)
        turns = attempt.run()
        try:
            for _ in range(TURNS_PER_ATTEMPT_MAX):
                next(turns, None)
                if attempt.linearizable is not None:
                    break
        except Undecided:
            return False
        finally:
            self._steps_left -= attempt.steps
        if attempt.linearizable is not False:
            return False
        self._failed = attempt
        return True


def _released(operation: Operation) -> Operation:
    """One that may take effect at any time from its invocation on, or never."""
    return replace(operation, outcome=Outcome.UNKNOWN, result=None, returned=None, returned_ns=None, returned_line=None)


def _stuck(operations: Sequence[Operation], in_order: set[int]) -> list[Operation]:
    """Of those that are not in the order, the ones that could come next: none of the others had returned when they were called."""
    rest = [operation for operation in operations if operation.called not in in_order]
    first = min((operation.returned for operation in rest if operation.returned is not None), default=None)
    return [operation for operation in rest if first is None or operation.called < first]


def _why(
    model: Model,
    key: Key,
    needed: Sequence[Operation],
    operations: Sequence[Operation],
    stuck: Sequence[Operation],
    initial: Hashable,
    states: Sequence[str],
) -> tuple[str, tuple[Operation, ...]]:
    """Two lines: what no order explains, and how far the best one gets. With the operations they speak of beyond those."""
    subject = "the object" if key is None else f"key {key!r}"
    for operation in stuck:
        hint = model.hint(operation, operations, initial)
        if hint is not None:
            sentence, witnesses = hint
            named = "".join(f" (process {witness.process}{_at(witness.line)})" for witness in witnesses)
            return f"{_tell(model, operation)} of {subject},\nbut {sentence}{named}.", witnesses
    first = "; ".join(_tell(model, operation, needed[:position]) for position, operation in enumerate(needed[:SENTENCE_OPERATIONS_MAX]))
    if len(needed) > SENTENCE_OPERATIONS_MAX:
        first = f"{len(needed)} operations contradict each other: {first}; ..."
    state = states[-1] if states else model.describe(initial)
    next_ones = " nor ".join(_tell(model, operation) for operation in stuck[:2])
    misfit = f"neither {next_ones} fits" if len(stuck) > 1 else f"{next_ones} does not fit"
    return f"{first}:\nin the best order {subject} then {state}, and {misfit}.", ()


def _tell(model: Model, operation: Operation, before: Sequence[Operation] = ()) -> str:
    """One operation in words; `before` are those told already: "then" where all of them had returned."""
    words = f"process {operation.process} {model.tell(operation)}{_at(operation.line)}"
    if not before:
        return words
    is_later = all(other.returned is not None and other.returned < operation.called for other in before)
    return f"{'then' if is_later else 'meanwhile'} {words}"


def _at(line: int) -> str:
    return f" (line {line})" if line else ""
