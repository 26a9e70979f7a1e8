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
from quorate.cluster.verify.models.model import Hint, Key, Model
from quorate.cluster.verify.search import Search
from quorate.cluster.verify.verdict import Finding

STEPS_MAX = 200_000
"""For all attempts together: some tenths of a second. A larger explanation is still one."""
TURNS_PER_ATTEMPT_MAX = 1
"""An attempt that takes longer counts as one that did not fail: many quick attempts find more than a few long ones."""
SENTENCE_OPERATIONS_MAX = 4
"""More are counted, not told one by one."""
SCENE_OPERATIONS = 4
"""So many of the last operations of the order are shown where one fact explains it all, or where nothing small does."""
SHOWN_MAX = 12
"""More operations than these explain nothing to a person: then the end of the longest order is shown instead."""
NAME = "not linearizable"


def explain(model: Model, key: Key, operations: Sequence[Operation], search: Search, initial: Hashable) -> Finding:
    """The finding for a partition whose search has failed."""
    order = search.best()
    stuck = _stuck(model, search.known, order, initial)
    scene = [*order[-SCENE_OPERATIONS:], *stuck]
    for operation in stuck:
        hint = model.hint(operation, operations, initial)
        if hint is not None:
            # One fact is enough; the end of the order is shown around it.
            shown = [*order[-SCENE_OPERATIONS:], *hint[1], operation]
            return _finding(model, key, operations, shown, order, [operation], initial, _hinted(model, key, operation, hint))
    core, failed = _Reduction(model, search, initial).result()
    best = failed.best()
    called = {operation.called for operation in (*core, *best)}
    if len(called) > SHOWN_MAX:
        counted = f"no order explains more than {len(order)} of {len(search.known) + len(search.unknown)} operations"
        why = f"{counted}:\n{_misfit(model, key, stuck, _states(model, initial, order)[-1])}"
        return _finding(model, key, operations, scene, order, stuck, initial, why)
    shown = [operation for operation in operations if operation.called in called]
    stuck = _stuck(model, core, best, initial)
    why = _why(model, key, shown, stuck, _states(model, initial, best)[-1])
    return _finding(model, key, operations, shown, best, stuck, initial, why)


def _finding(
    model: Model,
    key: Key,
    operations: Sequence[Operation],
    shown: Sequence[Operation],
    order: Sequence[Operation],
    stuck: Sequence[Operation],
    initial: Hashable,
    why: str,
) -> Finding:
    """With positions for operations, and the states of as much of the order as is shown."""
    called = {operation.called for operation in shown}
    listed = [operation for operation in operations if operation.called in called]
    positions = {operation.called: position for position, operation in enumerate(listed)}
    steps = zip(order, _states(model, initial, order)[1:])
    part = [(positions[operation.called], model.describe(state)) for operation, state in steps if operation.called in positions]
    return Finding(
        name=NAME,
        why=why,
        key=key,
        operations=tuple(listed),
        order=tuple(position for position, _ in part),
        states=tuple(words for _, words in part),
        stuck=tuple(positions[operation.called] for operation in stuck),
        omitted=len(operations) - len(listed),
    )


def _states(model: Model, initial: Hashable, order: Sequence[Operation]) -> list[Hashable]:
    """The state before the order, and after each of its operations."""
    states = [initial]
    for operation in order:
        fits, state = model.step(states[-1], operation)
        assert fits, (operation, states[-1])
        states.append(state)
    return states


class _Reduction:
    """Finds as few operations as it can that no order explains, all others released."""

    def __init__(self, model: Model, search: Search, initial: Hashable) -> None:
        self._model = model
        self._initial = initial
        self._steps_left = STEPS_MAX
        # What was invoked after the last return that nothing got past was never looked at. It is not looked at in any attempt
        # either, so only one that fails without having got past that return, too, says that there is no order.
        self._kept = [operation for operation in search.known if operation.called < search.stuck_at]
        self._released = [operation for operation in search.unknown if operation.called < search.stuck_at]
        self._whole = self._failed = search

    def result(self) -> tuple[list[Operation], Search]:
        """The operations, and the search for an order that failed."""
        # Reads first: without them there are fewer ways for the rest to fail late.
        self._thin([operation for operation in self._kept if self._model.is_read(operation)])
        self._thin(self._kept)
        self._keep_what_is_used()
        return self._kept, self._failed

    def _thin(self, candidates: Sequence[Operation]) -> None:
        """Release as many of these as can be, in halves, quarters, and so on down to one by one."""
        size = max(1, len(candidates) // 2)
        while size:
            position = 0
            while position < len(candidates) and self._steps_left > 0:
                if self._release(candidates[position : position + size]):
                    candidates = [*candidates[:position], *candidates[position + size :]]
                else:
                    position += size
            size //= 2

    def _release(self, chosen: Sequence[Operation]) -> bool:
        """Let go of some, if it fails without them too."""
        gone = {operation.called for operation in chosen}
        rest = [operation for operation in self._kept if operation.called not in gone]
        more = [released(operation) for operation in chosen if not self._model.is_read(operation)]
        if not rest or not self._fails(rest, self._released + more):
            return False
        self._kept, self._released = rest, self._released + more
        return True

    def _keep_what_is_used(self) -> None:
        """The best order is told with operations as they were, so those that it has need of are no longer released."""
        originals = {operation.called: operation for operation in self._whole.known}
        while True:
            used = {operation.called for operation in self._failed.best()} - {operation.called for operation in self._kept}
            back = [originals[called] for called in used if called in originals]
            others = [operation for operation in self._released if operation.called not in used or operation.called not in originals]
            kept = sorted((*self._kept, *back), key=lambda operation: operation.called)
            if not back:
                return
            if self._steps_left <= 0 or not self._fails(kept, others):
                break
            self._kept, self._released = kept, others
        # Where that takes too long all is told as it was.
        self._kept, self._failed = self._whole.known, self._whole

    def _fails(self, kept: Sequence[Operation], released: Sequence[Operation]) -> bool:
        attempt = Search(self._model, sorted((*kept, *released), key=lambda operation: operation.called), self._initial)
        turns = attempt.run()
        for _ in range(TURNS_PER_ATTEMPT_MAX):
            next(turns, None)
            if attempt.is_over:
                break
        self._steps_left -= attempt.steps
        if attempt.linearizable is not False or attempt.stuck_at > self._whole.stuck_at:
            return False
        self._failed = attempt
        return True


def released(operation: Operation) -> Operation:
    """One that may take effect at any time from its invocation on, or never."""
    return replace(operation, outcome=Outcome.UNKNOWN, result=None, returned=None, returned_ns=None, returned_line=None)


def _stuck(model: Model, operations: Sequence[Operation], order: Sequence[Operation], initial: Hashable) -> list[Operation]:
    """Of those that are not in the order, the ones that could come next as far as time goes, and do not fit the state."""
    in_order = {operation.called for operation in order}
    rest = [operation for operation in operations if operation.called not in in_order]
    first = min((operation.returned for operation in rest if operation.returned is not None), default=None)
    state = _states(model, initial, order)[-1]
    return [each for each in rest if (first is None or each.called < first) and not model.step(state, each)[0]]


def _hinted(model: Model, key: Key, operation: Operation, hint: Hint) -> str:
    """Two lines: the operation, and what rules it out."""
    sentence, witnesses = hint
    named = "".join(f" (process {witness.process}{', line ' + str(witness.line) if witness.line else ''})" for witness in witnesses)
    return f"{_tell(model, operation)} of {_subject(key)},\nbut {sentence}{named}."


def _why(model: Model, key: Key, shown: Sequence[Operation], stuck: Sequence[Operation], state: Hashable) -> str:
    """Two lines: what no order explains, and how far the best one gets."""
    first = "; ".join(_tell(model, operation, shown[:position]) for position, operation in enumerate(shown[:SENTENCE_OPERATIONS_MAX]))
    if len(shown) > SENTENCE_OPERATIONS_MAX:
        first = f"{len(shown)} operations contradict each other: {first}; ..."
    return f"{first}:\n{_misfit(model, key, stuck, state)}"


def _misfit(model: Model, key: Key, stuck: Sequence[Operation], state: Hashable) -> str:
    """How far the best order gets."""
    next_ones = " nor ".join(_tell(model, operation) for operation in stuck[:2])
    misfit = f"neither {next_ones} fits" if len(stuck) > 1 else f"{next_ones} does not fit"
    return f"in the best order {_subject(key)} then {model.describe(state)}, and {misfit}."


def _subject(key: Key) -> str:
    return "the object" if key is None else f"key {key!r}"


def _tell(model: Model, operation: Operation, before: Sequence[Operation] = ()) -> str:
    """One operation in words; `before` are those told already: "then" where all of them had returned."""
    words = f"process {operation.process} {model.tell(operation)}{_at(operation.line)}"
    if not before:
        return words
    is_later = all(other.returned is not None and other.returned < operation.called for other in before)
    return f"{'then' if is_later else 'meanwhile'} {words}"


def _at(line: int) -> str:
    return f" (line {line})" if line else ""
