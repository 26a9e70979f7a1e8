"""List-append histories for tests: built by hand, by executors of known isolation, or at random; and oracles that try everything."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import permutations, product
from random import Random

from quorate.cluster.verify.history import History, Operation, Outcome

OK, FAILED, UNKNOWN = Outcome.OK, Outcome.FAILED, Outcome.UNKNOWN


def steps(text: str) -> tuple[tuple[str, str, object], ...]:
    """`ax1 rx12 ry` is: append 1 to x, read x as (1, 2), read y as ()."""
    parts = []
    for word in text.split():
        key, rest = word[1], word[2:]
        parts.append(("append", key, int(rest)) if word[0] == "a" else ("r", key, tuple(int(digit) for digit in rest)))
    return tuple(parts)


def asked(result: tuple[tuple[str, str, object], ...]) -> tuple[tuple[str, str, object], ...]:
    return tuple((function, key, value if function == "append" else None) for function, key, value in result)


def txn(
    process: int,
    text: str | tuple[tuple[str, str, object], ...],
    called: int,
    returned: int | None = None,
    outcome: Outcome = OK,
    line: int = 0,
) -> Operation:
    result = steps(text) if isinstance(text, str) else text
    return Operation(
        process,
        "txn",
        None,
        asked(result),
        result if outcome is OK else None,
        outcome,
        called,
        returned if outcome is not UNKNOWN else None,
        line=line or called + 1,
    )


def history(*texts: str, serial: bool = False) -> History:
    """One transaction for each text, all concurrent, or one after the other. `!` before a text: aborted; `?`: unknown."""
    operations = []
    for number, text in enumerate(texts):
        outcome = {"!": FAILED, "?": UNKNOWN}.get(text[0], OK)
        called, returned = (number * 2, number * 2 + 1) if serial else (number, len(texts) + number)
        operations.append(txn(number, text.lstrip("!?"), called, returned, outcome))
    return History(tuple(operations))


class Plan:
    """What a client asks for, and when: steps without results, the positions of call and return."""

    def __init__(self, process: int, steps: Sequence[tuple[str, str, object]], called: int, returned: int) -> None:
        self.process = process
        self.steps = tuple(steps)
        self.called = called
        self.returned = returned


def plans(random: Random, count: int, keys: int, processes: int, steps_max: int = 4) -> list[Plan]:
    """Transactions of clients that call one after the other each; appended values count up for each key."""
    next_value: dict[str, int] = {}
    free = dict.fromkeys(range(processes), 0)
    open_now: list[tuple[int, int, list[tuple[str, str, object]]]] = []
    made: list[Plan] = []
    position = 0
    while len(made) < count:
        idle = [process for process in free if process not in {p for p, _, _ in open_now}]
        if idle and (not open_now or random.random() < 0.5) and len(made) + len(open_now) < count:
            chosen: list[tuple[str, str, object]] = []
            for _ in range(random.randint(1, steps_max)):
                key = f"k{random.randrange(keys)}"
                if random.random() < 0.5:
                    next_value[key] = next_value.get(key, 0) + 1
                    chosen.append(("append", key, next_value[key]))
                else:
                    chosen.append(("r", key, None))
            open_now.append((random.choice(idle), position, chosen))
        else:
            process, called, chosen = open_now.pop(random.randrange(len(open_now)))
            made.append(Plan(process, chosen, called, position))
        position += 1
    return made


def carry_out(plan: Plan, state: dict[str, tuple[object, ...]]) -> tuple[tuple[str, str, object], ...]:
    """The result on this state, which it changes."""
    result: list[tuple[str, str, object]] = []
    for function, key, value in plan.steps:
        if function == "append":
            state[key] = (*state.get(key, ()), value)
            result.append((function, key, value))
        else:
            result.append((function, key, state.get(key, ())))
    return tuple(result)


def as_history(results: Iterable[tuple[Plan, tuple[tuple[str, str, object], ...], Outcome]]) -> History:
    ordered = sorted(results, key=lambda item: item[0].called)
    return History(tuple(txn(plan.process, result, plan.called, plan.returned, outcome) for plan, result, outcome in ordered))


def serial_history(
    random: Random, count: int, keys: int, processes: int, unknown: float = 0.1, failed: float = 0.1, steps_max: int = 4
) -> History:
    """Carried out one by one, each at a moment between its call and its return; unknown ones then, much later, or never."""
    moments = []
    for plan in plans(random, count, keys, processes, steps_max):
        chance = random.random()
        if chance < unknown:
            late = random.choice((plan.returned, count * 3, None))
            moments.append((random.uniform(plan.called, late) if late is not None else None, plan, UNKNOWN))
        elif chance < unknown + failed:
            moments.append((None, plan, FAILED))
        else:
            moments.append((random.uniform(plan.called, plan.returned), plan, OK))
    state: dict[str, tuple[object, ...]] = {}
    results = []
    for moment, plan, outcome in sorted(moments, key=lambda item: (item[0] is None, item[0] or 0.0)):
        results.append((plan, carry_out(plan, state) if moment is not None else plan.steps, outcome))
    # An unknown transaction that ended nobody's turn would overlap its process's next one: give it a process of its own.
    for number, (plan, _, outcome) in enumerate(results):
        if outcome is UNKNOWN:
            plan.process = 10_000 + number
    return as_history(results)


def snapshot_history(random: Random, count: int, keys: int, processes: int, real_time: bool = True) -> History:
    """Snapshot isolation: reads from the state at the call, and of two that append to one key at once the second is refused.

    Without real time a transaction may read from an older snapshot than that at its call."""
    states: list[dict[str, tuple[object, ...]]] = [{}]
    results = []
    events = [(at, plan, at == plan.returned) for plan in plans(random, count, keys, processes) for at in (plan.called, plan.returned)]
    begun: dict[int, int] = {}
    for _, plan, ends in sorted(events, key=lambda event: event[0]):
        if not ends:
            begun[plan.called] = len(states) - 1 if real_time else random.randint(max(0, len(states) - 4), len(states) - 1)
            continue
        snapshot = states[begun[plan.called]]
        view = dict(snapshot)
        result = carry_out(plan, view)
        written = {key for function, key, _ in plan.steps if function == "append"}
        if any(states[-1].get(key, ()) != snapshot.get(key, ()) for key in written):
            results.append((plan, plan.steps, FAILED))
            continue
        if written:
            states.append({**states[-1], **{key: view[key] for key in written}})
        results.append((plan, result, OK))
    return as_history(results)


def torn_history(random: Random, count: int, keys: int, processes: int, steps_max: int = 4) -> History:
    """No isolation at all: steps of concurrent transactions take turns, some read old states, some clients do not learn the outcome."""
    made = plans(random, count, keys, processes, steps_max)
    moments = sorted(
        (random.uniform(plan.called, plan.returned), number, index) for number, plan in enumerate(made) for index in range(len(plan.steps))
    )
    turns: dict[int, int] = {}
    states: list[dict[str, tuple[object, ...]]] = [{}]
    told: list[list[tuple[str, str, object]]] = [[] for _ in made]
    stale = random.choice((0.0, 0.0, 0.2))
    for _, number, _ in moments:
        index = turns[number] = turns.get(number, -1) + 1
        function, key, value = made[number].steps[index]
        state = states[-1]
        if function == "append":
            states.append({**state, key: (*state.get(key, ()), value)})
            told[number].append((function, key, value))
        else:
            if random.random() < stale:
                state = random.choice(states)
            told[number].append((function, key, state.get(key, ())))
    outcomes = random.choices((OK, UNKNOWN, FAILED), (12, 2, random.choice((0, 0, 1))), k=count)
    for number, (plan, outcome) in enumerate(zip(made, outcomes)):
        if outcome is UNKNOWN:
            plan.process = 10_000 + number
    return as_history(zip(made, map(tuple, told), outcomes))


def mutated(random: Random, history: History) -> History:
    """One read of one transaction told another length of the same list: what a stale, or a too early, snapshot would give."""
    lists: dict[object, tuple[object, ...]] = {}
    reads = []
    for number, operation in enumerate(history.operations):
        for index, (function, key, value) in enumerate(operation.result or ()):  # type: ignore[arg-type]
            if function == "r":
                reads.append((number, index))
                if len(value) > len(lists.get(key, ())):
                    lists[key] = value
    if not reads:
        return history
    number, index = random.choice(reads)
    operation = history.operations[number]
    assert isinstance(operation.result, tuple)
    _, key, value = operation.result[index]
    others = [length for length in range(len(lists.get(key, ())) + 1) if length != len(value)]
    if not others:
        return history
    told = (*operation.result[:index], ("r", key, lists[key][: random.choice(others)]), *operation.result[index + 1 :])
    return History((*history.operations[:number], replace(operation, result=told), *history.operations[number + 1 :]))


def small_history(random: Random, count_max: int = 5) -> History:
    """At most so many transactions, of any quality."""
    count, keys, processes, steps_max = random.randint(2, count_max), random.randint(1, 3), random.randint(1, 4), random.randint(1, 4)
    match random.randrange(5):
        case 0:
            return torn_history(random, count, keys, processes, steps_max)
        case 1:
            return snapshot_history(random, count, keys, processes, real_time=False)
        case 2:
            return snapshot_history(random, count, keys, processes)
        case 3:
            return mutated(random, mutated(random, snapshot_history(random, count, keys, processes)))
    return mutated(random, serial_history(random, count, keys, processes, steps_max=steps_max))


def read_at_the_end(history: History) -> History:
    """The same, and one more transaction that reads every key as the longest read, or the order of appends, has it."""
    last = max((o.returned or o.called for o in history.operations), default=0) + 1
    lists: dict[str, tuple[object, ...]] = {}
    for operation in history.operations:
        for function, key, value in operation.result or ():  # type: ignore[attr-defined]
            if function == "r" and len(value) > len(lists.get(key, ())):
                lists[key] = value
    for operation in history.operations:
        for function, key, value in operation.argument:  # type: ignore[attr-defined]
            if function == "append" and operation.outcome is OK and value not in lists.get(key, ()):
                lists[key] = (*lists.get(key, ()), value)
    final = tuple(("r", key, value) for key, value in sorted(lists.items()))
    return History((*history.operations, txn(99_999, final, last, last + 1)))


# Oracles


def _possible(operations: Sequence[Operation]) -> Iterator[list[Operation]]:
    """Every choice of which unknown transactions took effect."""
    sure = [operation for operation in operations if operation.outcome is OK]
    unknown = [operation for operation in operations if operation.outcome is UNKNOWN]
    for chosen in product((False, True), repeat=len(unknown)):
        yield sure + [operation for operation, took in zip(unknown, chosen) if took]


def explains(order: Sequence[Operation]) -> bool:
    """Would carrying these out one by one have given what their clients were told?"""
    state: dict[object, tuple[object, ...]] = {}
    for operation in order:
        told = operation.result if operation.outcome is OK else operation.argument
        for function, key, value in told:  # type: ignore[attr-defined]
            if function == "append":
                state[key] = (*state.get(key, ()), value)
            elif operation.outcome is OK and state.get(key, ()) != value:
                return False
    return True


def serializable(history: History, order: str = "realtime") -> bool:
    """Is there a serial order that explains the history, and keeps this order of the clients: realtime, process or none?"""

    def kept(sequence: Sequence[Operation]) -> bool:
        for index, later in enumerate(sequence):
            for earlier in sequence[:index]:
                if (
                    later.returned is not None
                    and later.returned < earlier.called
                    and (order == "realtime" or later.process == earlier.process)
                ):
                    return False
        return True

    return any(
        explains(sequence) and (order == "none" or kept(sequence))
        for chosen in _possible(history.operations)
        for sequence in permutations(chosen)
    )


def snapshot_isolated(history: History, order: str = "none") -> bool:
    """Is there an order of starts and commits under which reads from snapshots, and first-committer-wins, explain the history?"""
    return any(_snapshot_search(chosen, order) for chosen in _possible(history.operations))


def _snapshot_search(transactions: Sequence[Operation], order: str) -> bool:
    """Depth first over (who has started with which snapshot, who has committed)."""

    def must_wait(later: Operation, committed: frozenset[int]) -> bool:
        return any(
            number not in committed
            and earlier.returned is not None
            and earlier.returned < later.called
            and (order == "realtime" or (order == "process" and earlier.process == later.process))
            for number, earlier in enumerate(transactions)
        )

    def fits(operation: Operation, snapshot: dict[object, tuple[object, ...]]) -> bool:
        view = dict(snapshot)
        told = operation.result if operation.outcome is OK else operation.argument
        for function, key, value in told:  # type: ignore[attr-defined]
            if function == "append":
                view[key] = (*view.get(key, ()), value)
            elif operation.outcome is OK and view.get(key, ()) != value:
                return False
        return True

    def writes(operation: Operation) -> dict[object, tuple[object, ...]]:
        appended: dict[object, tuple[object, ...]] = {}
        for function, key, value in operation.argument:  # type: ignore[attr-defined]
            if function == "append":
                appended[key] = (*appended.get(key, ()), value)
        return appended

    everybody = frozenset(range(len(transactions)))
    appended = [writes(operation) for operation in transactions]

    def search(
        running: dict[int, dict[object, tuple[object, ...]]], committed: frozenset[int], state: dict[object, tuple[object, ...]]
    ) -> bool:
        if committed == everybody:
            return True
        for number in everybody - committed:
            if number not in running:
                allowed = order == "none" or not must_wait(transactions[number], committed)
                if allowed and fits(transactions[number], state) and search({**running, number: state}, committed, state):
                    return True
            elif all(running[number].get(key, ()) == state.get(key, ()) for key in appended[number]):
                after = {**state, **{key: (*state.get(key, ()), *values) for key, values in appended[number].items()}}
                rest = {other: snapshot for other, snapshot in running.items() if other != number}
                if search(rest, committed | {number}, after):
                    return True
        return False

    return search({}, frozenset(), {})
