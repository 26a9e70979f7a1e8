"""Small histories by chance, and the slow and obvious way to judge them: try every order.

`generate` runs clients against a function that answers at once, at a moment of its own between call and return, so its
histories are linearizable; `spoil` changes one answer, which often is not noticed and often is.
"""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import replace
from itertools import combinations, permutations
from random import Random

from quorate.cluster.verify.history import History, Operation, Outcome
from quorate.cluster.verify.models.model import Model

Asked = tuple[str, str | int | None, object]
"""Function, key, argument."""


def explained(model: Model, operations: Sequence[Operation], initial: Hashable) -> bool:
    """Whether some permutation of the operations that returned and any of the unknown ones explains all answers."""
    known = [operation for operation in operations if operation.outcome is Outcome.OK]
    unknown = [operation for operation in operations if operation.outcome is Outcome.UNKNOWN]
    return any(
        in_time(order) and _fits(model, order, initial)
        for count in range(len(unknown) + 1)
        for chosen in combinations(unknown, count)
        for order in permutations((*known, *chosen))
    )


def in_time(order: Sequence[Operation]) -> bool:
    """No operation comes before one that had returned when it was called."""
    return not any(
        later.returned is not None and later.returned < earlier.called
        for position, earlier in enumerate(order)
        for later in order[position + 1 :]
    )


def _fits(model: Model, order: Sequence[Operation], state: Hashable) -> bool:
    for operation in order:
        fits, state = model.step(state, operation)
        if not fits:
            return False
    return True


def generate(
    rng: Random,
    ask: Callable[[Random], Asked],
    answer: Callable[[Asked, int], object],
    *,
    count: int,
    clients: int,
    unknown: float = 0.0,
    failed: float = 0.0,
    facts: dict[str, object] | None = None,
) -> History:
    """`count` operations of `clients` at a time. `answer` holds the object and carries out; it is told the process too."""
    operations: list[Operation] = []
    free, next_process, position, started = list(range(clients)), clients, 0, 0
    running: dict[int, tuple[Asked, int]] = {}
    answers: dict[int, object] = {}
    while started < count or running:
        choices = (["call"] if started < count and free else []) + (["go"] * 4 if running else [])
        if rng.choice(choices) == "call":
            running[free.pop(rng.randrange(len(free)))] = (ask(rng), position)
            started += 1
            position += 1
            continue
        process = rng.choice(sorted(running))
        (function, key, argument), called = asked = running[process]
        draft = Operation(process, function, key, argument, None, Outcome.UNKNOWN, called, None)
        luck = rng.random()
        if process not in answers and luck < failed:
            operations.append(replace(draft, outcome=Outcome.FAILED, returned=position))
        elif luck < failed + unknown:
            operations.append(draft)
        elif process not in answers:
            answers[process] = answer(asked[0], process)
            continue
        else:
            operations.append(replace(draft, result=answers.pop(process), outcome=Outcome.OK, returned=position))
        answers.pop(process, None)
        del running[process]
        position += 1
        if operations[-1].outcome is Outcome.UNKNOWN:
            process, next_process = next_process, next_process + 1
        free.append(process)
    return History(tuple(sorted(operations, key=lambda operation: operation.called)), facts or {})


def spoil(rng: Random, history: History) -> History:
    """One operation hears what another of the same function heard, if there are any; often two do."""
    spoiled = _misinform(rng, history)
    return _misinform(rng, spoiled) if rng.random() < 0.7 else spoiled


def _misinform(rng: Random, history: History) -> History:
    operations = list(history.operations)
    heard = [number for number, operation in enumerate(operations) if operation.outcome is Outcome.OK]
    pairs = [
        (one, other)
        for one, other in combinations(heard, 2)
        if operations[one].function == operations[other].function and operations[one].result != operations[other].result
    ]
    if pairs:
        one, other = rng.sample(rng.choice(pairs), 2)
        operations[one] = replace(operations[one], result=operations[other].result)
    return History(tuple(operations), history.facts)
