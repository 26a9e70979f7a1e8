"""Budgets, turns and size. Time is a clock of the test, so that every outcome is the same on every machine."""

from collections.abc import Callable
from dataclasses import replace
from itertools import count
from random import Random
from time import perf_counter

import pytest

from quorate.cluster.verify.history import History, Operation, Outcome
from quorate.cluster.verify.linearizability import check_linearizable
from quorate.cluster.verify.models import MODELS
from quorate.cluster.verify.search import STEPS_PER_TURN, Search
from quorate.cluster.verify.verdict import Answer, Budget
from tests.cluster.verify.keyvalues import Service
from tests.cluster.verify.operations import at, did
from tests.cluster.verify.oracle import Asked, generate

MODEL = MODELS["counter"]


def hard(key: str, adds: int = 24) -> list[Operation]:
    """Additions of 2, 4, 8, ... all at the same time as a read of 3: every subset of them has to be tried."""
    operations = [at(did(number, "add", key, 2 << number), number, 10_000 + number) for number in range(adds)]
    return [*operations, at(did(99, "read", key, None, 3), 100, 20_000)]


def easy(key: str, *, wrong: bool = False) -> list[Operation]:
    return [at(did(200, "add", key, 1), 30_000, 30_001), at(did(200, "read", key, None, 2 if wrong else 1), 30_002, 30_003)]


class Turns:
    """A clock that moves by a second with every look at it: one look a turn."""

    def __init__(self) -> None:
        self.ms = 0

    def __call__(self) -> int:
        self.ms += 1000
        return self.ms


def test_out_of_time_is_unknown_with_the_keys_that_are_open() -> None:
    verdict = check_linearizable(History((*hard("h"), *easy("e"))), MODEL, Budget(seconds=10), now_ms=Turns())

    assert Answer.UNKNOWN is verdict.answer
    assert "27 operations in 2 partitions: not decided for key 'h', because a budget ran out" in verdict.reason
    assert "time: 10 s" in verdict.reason
    assert (1, 1) == (verdict.facts["partitions_valid"], verdict.facts["partitions_open"])


def test_a_hard_key_does_not_hide_an_easy_violation() -> None:
    verdict = check_linearizable(History((*hard("g"), *hard("h"), *easy("e", wrong=True))), MODEL, Budget(seconds=1000), now_ms=Turns())

    assert (Answer.INVALID, "e") == (verdict.answer, verdict.findings[0].key)
    assert isinstance(verdict.facts["steps"], int) and verdict.facts["steps"] < 4 * STEPS_PER_TURN


def test_a_violation_counts_even_if_another_key_ran_out_of_memory() -> None:
    """The hard key is given up after its first turn; the violation takes several."""
    slow = [*hard("s", 13), at(did(150, "read", "s", None, 5), 40_000, 40_001)]
    budget = Budget(seconds=1000, states_max=3 * STEPS_PER_TURN)
    verdict = check_linearizable(History((*hard("h"), *slow)), MODEL, budget, now_ms=Turns())

    assert (Answer.INVALID, "s") == (verdict.answer, verdict.findings[0].key)
    assert 1 == verdict.facts["partitions_open"]


def test_out_of_memory_is_unknown_and_the_memory_was_kept_within_bounds() -> None:
    budget = Budget(seconds=1000, states_max=20_000)
    verdict = check_linearizable(History((*hard("g"), *hard("h"), *easy("e"))), MODEL, budget, now_ms=Turns())

    assert Answer.UNKNOWN is verdict.answer
    assert "memory: more than 20,000 states at once" in verdict.reason
    assert "key 'g'" in verdict.reason and "key 'h'" in verdict.reason
    assert isinstance(verdict.facts["states_max"], int)
    assert budget.states_max < verdict.facts["states_max"] <= budget.states_max + STEPS_PER_TURN


def test_what_is_hard_is_decided_where_the_budget_allows() -> None:
    verdict = check_linearizable(History(tuple(hard("h", 12))), MODEL, now_ms=Turns())

    assert Answer.INVALID is verdict.answer


def test_a_search_pauses_after_a_turn() -> None:
    search = Search(MODEL, hard("h"), 0)
    turns = search.run()
    for turn in range(1, 4):
        next(turns)
        assert turn * STEPS_PER_TURN <= search.steps < turn * STEPS_PER_TURN + 100
    assert (None, False) == (search.linearizable, search.is_over)


def test_a_state_costs_the_same_in_a_long_history() -> None:
    """The set of lifted operations is kept by its window: 3,000 operations one after another leave small numbers."""
    operations = [at(did(0, "increment", "c", None), 2 * number, 2 * number + 1) for number in range(3000)]
    search = Search(MODEL, operations, 0)
    for _ in search.run():
        pass

    assert search.linearizable
    assert 0 == max(bits for _, bits, _ in search._seen)
    assert 3000 == search.steps


def test_no_budget_makes_an_invalid_history_valid() -> None:
    for seconds in range(1, 8):
        verdict = check_linearizable(History(tuple(hard("h", 13))), MODEL, Budget(seconds=seconds), now_ms=Turns())
        assert Answer.VALID is not verdict.answer, seconds


def ask(numbers: "count[int]") -> Callable[[Random], Asked]:
    def asked(rng: Random) -> Asked:
        key = f"k{rng.randrange(10)}"
        match rng.choice(["put", "put", "get", "get", "get", "cas", "delete"]):
            case "put":
                return "put", key, str(next(numbers))
            case "cas":
                return "cas", key, (str(rng.randrange(1000)), str(next(numbers)))
            case function:
                return function, key, None

    return asked


@pytest.mark.parametrize("revisions", [True, False])
@pytest.mark.parametrize("unknown", [0.0, 0.05])
def test_two_thousand_operations_of_fifty_clients_over_ten_keys(revisions: bool, unknown: float) -> None:
    """Good, and with one read in the second half that is stale. The time is shown and the steps are bounded."""
    history = generate(Random(5), ask(count()), Service(revisions=revisions).answer, count=2000, clients=50, unknown=unknown)
    began = perf_counter()
    good = check_linearizable(history, MODELS["kv"])
    middle = perf_counter()
    bad = check_linearizable(stale(history), MODELS["kv"])
    ended = perf_counter()
    print(f"good: {middle - began:.3f} s, {good.facts['steps']} steps; bad: {ended - middle:.3f} s, {bad.facts['steps']} steps")

    assert (Answer.VALID, Answer.INVALID) == (good.answer, bad.answer)
    assert isinstance(good.facts["steps"], int) and good.facts["steps"] < 50_000
    assert isinstance(bad.facts["steps"], int) and bad.facts["steps"] < 50_000
    assert len(bad.findings[0].operations) < 20


def stale(history: History) -> History:
    """One get hears what another of its key heard some six hundred operations before."""
    operations = list(history.operations)
    heard = [n for n, each in enumerate(operations) if each.function == "get" and each.outcome is Outcome.OK and each.result is not None]
    victim = next(n for n in heard if n > 1200)
    key = operations[victim].key
    earlier = [n for n in heard if n < victim - 600 and operations[n].key == key]
    operations[victim] = replace(operations[victim], result=operations[earlier[-1]].result)
    return History(tuple(operations))
