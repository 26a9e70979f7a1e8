"""Locks, counters and queues: against every permutation, and anomalies planted by hand."""

from collections.abc import Callable
from random import Random

import pytest

from quorate.cluster.verify.checks import check
from quorate.cluster.verify.events import BadHistory
from quorate.cluster.verify.history import History, Operation
from quorate.cluster.verify.linearizability import check_linearizable
from quorate.cluster.verify.models import MODELS
from quorate.cluster.verify.verdict import Answer
from tests.cluster.verify.operations import at, did, failed, line
from tests.cluster.verify.oracle import Asked, explained, generate, spoil

SEEDS = 1200


class LockObject:
    def __init__(self) -> None:
        self.owner: int | None = None
        self.token = 0

    def answer(self, asked: Asked, process: int) -> object:
        if asked[0] == "release":
            is_mine = self.owner == process
            self.owner = None if is_mine else self.owner
            return is_mine
        if self.owner is not None:
            return False
        self.owner, self.token = process, self.token + 1
        return self.token


class CounterObject:
    def __init__(self) -> None:
        self.value = 0

    def answer(self, asked: Asked, process: int) -> object:
        match asked:
            case ("increment", _, _):
                self.value += 1
                return None
            case ("add", _, int(amount)):
                self.value += amount
        return self.value


class QueueObject:
    def __init__(self) -> None:
        self.values: list[object] = []

    def answer(self, asked: Asked, process: int) -> object:
        if asked[0] == "enqueue":
            self.values.append(asked[2])
            return None
        return self.values.pop(0) if self.values else None


def ask_lock(rng: Random) -> Asked:
    return rng.choice(["acquire", "acquire", "release"]), "l", None


def ask_counter(rng: Random) -> Asked:
    function = rng.choice(["increment", "add", "read", "read"])
    return function, None, rng.choice([-1, 2]) if function == "add" else None


def ask_queue(rng: Random) -> Asked:
    return ("enqueue", None, rng.randrange(1, 4)) if rng.random() < 0.45 else ("dequeue", None, None)


OBJECTS: dict[str, tuple[Callable[[Random], Asked], type[LockObject] | type[CounterObject] | type[QueueObject]]] = {
    "lock": (ask_lock, LockObject),
    "counter": (ask_counter, CounterObject),
    "queue": (ask_queue, QueueObject),
}


@pytest.mark.parametrize("name", OBJECTS)
def test_the_checker_agrees_with_every_permutation(name: str) -> None:
    model = MODELS[name]
    ask, kind = OBJECTS[name]
    answers = {True: 0, False: 0}
    for seed in range(SEEDS):
        rng = Random(seed)
        history = generate(rng, ask, kind().answer, count=rng.randint(3, 6), clients=3, unknown=0.15, failed=0.1)
        assert Answer.VALID is check_linearizable(history, model).answer, seed
        spoiled = spoil(rng, history)
        ((_, operations),) = model.partition(spoiled.operations)
        expected = explained(model, operations, model.initial(operations, {}))
        answers[expected] += 1
        assert (Answer.VALID if expected else Answer.INVALID) is check_linearizable(spoiled, model).answer, seed

    assert min(answers.values()) > SEEDS // 20, answers


@pytest.mark.parametrize("name", OBJECTS)
def test_long_histories_are_explained(name: str) -> None:
    ask, kind = OBJECTS[name]
    for seed in range(20):
        history = generate(Random(seed), ask, kind().answer, count=80, clients=3, unknown=0.02, failed=0.05)
        assert Answer.VALID is check(history, name).answer, seed


def why(model: str, *operations: Operation, **facts: object) -> str:
    verdict = check(line(*operations, **facts), model)
    assert Answer.INVALID is verdict.answer
    return verdict.findings[0].why


ACQUIRED, ALSO = did(1, "acquire", "l", None, True), did(2, "acquire", "l", None, True)


def test_a_lock_held_by_two() -> None:
    expected = (
        "process 1 acquired (line 1); then process 2 acquired (line 2):\n"
        "in the best order key 'l' then is held by 1, and process 2 acquired (line 2) does not fit."
    )

    assert expected == why("lock", ACQUIRED, ALSO)


def test_a_lock_that_was_released_is_not_taken() -> None:
    released = did(1, "release", "l", None)
    refused = did(3, "acquire", "l", None, False)

    assert "process 3 found it taken (line 3)" in why("lock", ACQUIRED, released, refused)
    assert Answer.VALID is check(line(ACQUIRED, refused, released, ALSO), "lock").answer


def test_a_lock_released_by_another() -> None:
    assert "process 2 released (line 2) does not fit" in why("lock", ACQUIRED, did(2, "release", "l", None, True))
    assert Answer.VALID is check(line(ACQUIRED, did(2, "release", "l", None, False)), "lock").answer


def test_a_lock_has_the_owner_that_is_named() -> None:
    taken = did(1, "acquire", "l", "worker-1", True)

    assert Answer.VALID is check(line(taken, did(2, "release", "l", "worker-1", True), ALSO), "lock").answer
    assert "process 1 acquired for 'worker-1'" in why("lock", taken, ALSO)


def test_a_fencing_token_that_falls() -> None:
    operations = did(1, "acquire", "l", None, 7), did(1, "release", "l", None), did(2, "acquire", "l", None, 7)

    expected = "process 2 acquired with token 7 (line 3) of key 'l',\nbut token 7 had been given out before (process 1, line 1)."
    assert expected == why("lock", *operations)
    assert "token 7 had been given out" in why("lock", operations[0], did(2, "acquire", "l", None, 6), expires=True)


def test_a_lock_that_ends_by_itself_may_go_to_another_with_a_higher_token() -> None:
    operations = did(1, "acquire", "l", None, 7), did(2, "acquire", "l", None, 8), did(1, "release", "l", None, False)

    assert Answer.VALID is check(line(*operations, expires=True), "lock").answer
    assert Answer.INVALID is check(line(*operations), "lock").answer


def test_a_release_without_an_answer_may_have_freed_the_lock() -> None:
    unknown = at(did(1, "release", "l", None), 2, None)

    assert Answer.VALID is check(History((at(ACQUIRED, 0, 1), unknown, at(ALSO, 3, 4))), "lock").answer


def test_a_lost_increment() -> None:
    increments = [did(number, "increment", None, None) for number in range(3)]

    expected = "process 9 read 2 (line 4) of the object,\nbut what was added and acknowledged before makes at least 3."
    assert expected == why("counter", *increments, did(9, "read", None, None, 2))


def test_an_increment_counted_twice() -> None:
    expected = "process 9 read 2 of the object,\nbut all that was added by then makes at most 1."
    history = History((at(did(1, "increment", None, None), 0, None), at(did(9, "read", None, None, 2), 1, 2)))

    assert expected == check(history, "counter").findings[0].why


def test_a_counter_that_tells_the_same_value_twice() -> None:
    adds = did(1, "add", "c", 5, 5), did(2, "add", "c", 5, 5)

    assert "process 1 added 5 and heard 5 (line 1); then process 2 added 5 and heard 5 (line 2)" in why("counter", *adds)
    assert Answer.VALID is check(line(adds[0], did(2, "add", "d", -5, 5), initial_by_key=(("d", 10),)), "counter").answer


ENQUEUED = did(1, "enqueue", "q", 1), did(1, "enqueue", "q", 2)


def test_a_queue_that_changes_the_order() -> None:
    assert "in the best order key 'q' then holds 1, 2, and process 2 dequeued 2 (line 3) does not fit." in why(
        "queue", *ENQUEUED, did(2, "dequeue", "q", None, 2)
    )


def test_a_value_dequeued_twice() -> None:
    twice = did(2, "dequeue", "q", None, 1), did(3, "dequeue", "q", None, 1)

    assert "but 1 was dequeued more often than it was enqueued (process 2, line 3)." in why("queue", *ENQUEUED, *twice)


def test_a_value_that_was_lost() -> None:
    assert "process 2 found it empty (line 2) does not fit" in why("queue", ENQUEUED[0], did(2, "dequeue", "q", None))


def test_a_value_that_came_from_nowhere_or_from_a_failure() -> None:
    assert "but nobody ever enqueued 9." in why("queue", *ENQUEUED, did(2, "dequeue", "q", None, 9))
    history = History((failed(at(did(1, "enqueue", "q", 9), 0, 1)), at(did(2, "dequeue", "q", None, 9), 2, 3)))
    assert "but 9 was enqueued only by an operation that failed (process 1)." in check(history, "queue").findings[0].why


def test_a_dequeue_without_an_answer_may_have_taken_one() -> None:
    unknown = at(did(2, "dequeue", "q", None), 4, None)
    enqueued = [at(each, 2 * number, 2 * number + 1) for number, each in enumerate(ENQUEUED)]

    for value in (1, 2):
        assert Answer.VALID is check(History((*enqueued, unknown, at(did(3, "dequeue", "q", None, value), 5, 6))), "queue").answer


def test_a_queue_that_was_not_empty_at_first() -> None:
    assert Answer.VALID is check(line(did(1, "dequeue", None, None, 5), did(1, "dequeue", None, None), initial=(5,)), "queue").answer


@pytest.mark.parametrize(
    ("model", "operation", "problem"),
    [
        ("lock", did(1, "acquire", "l", (1,), True), "the owner of a lock is text or a number"),
        ("lock", did(1, "acquire", "l", None), "the result of acquire is true, false or a fencing token, not None"),
        ("lock", did(1, "release", "l", None, 3), "the result of release is nothing, true or false, not 3"),
        ("counter", did(1, "add", None, "1"), "add has an integer for its argument, not '1'"),
        ("counter", did(1, "increment", None, 1), "increment has no argument, not 1"),
        ("counter", did(1, "read", None, None), "the result of read is an integer, not None"),
        ("queue", did(1, "enqueue", None, None), "enqueue has a value for its argument"),
        ("queue", did(1, "enqueue", None, 1, 2), "the result of enqueue is nothing, not 2"),
        ("queue", did(1, "dequeue", None, 1), "dequeue has no argument, not 1"),
        ("queue", did(1, "peek", None, None), "the model queue does not know 'peek'; it knows enqueue .*; dequeue "),
    ],
)
def test_operations_that_are_none_of_the_models(model: str, operation: Operation, problem: str) -> None:
    with pytest.raises(BadHistory, match=f"history:1: {problem}"):
        check(line(operation), model)


@pytest.mark.parametrize(("model", "operation"), [("counter", did(1, "increment", None, None)), ("queue", did(1, "enqueue", None, 1))])
def test_a_beginning_that_is_none_of_the_models(model: str, operation: Operation) -> None:
    with pytest.raises(BadHistory, match="begins"):
        check(line(operation, initial="x"), model)


def test_an_explanation_leaves_room_for_what_was_invoked_later() -> None:
    """Who found the queue empty cannot be left out: without that the dequeue of unknown outcome explains the 0."""
    empty = at(did(0, "dequeue", "q", None), 2, 8)
    operations = (
        at(did(4, "enqueue", "q", 1), 0, 1),
        empty,
        at(did(2, "dequeue", "q", None, 0), 3, 13),
        at(did(1, "enqueue", "q", 0), 4, 9),
        at(did(5, "dequeue", "q", None), 11, None),
    )
    [finding] = check(History(operations), "queue").findings

    assert empty in finding.operations
