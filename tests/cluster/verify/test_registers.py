"""The checker against every permutation: registers, and registers with compare-and-swap."""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import replace
from random import Random

import pytest

from quorate.cluster.verify.checks import CHECKS, check
from quorate.cluster.verify.events import BadHistory
from quorate.cluster.verify.history import History, Operation, Outcome
from quorate.cluster.verify.linearizability import check_linearizable
from quorate.cluster.verify.models import MODELS
from quorate.cluster.verify.models.register import CasRegister
from quorate.cluster.verify.verdict import Answer
from quorate.cluster.wire.errors import BadRequest
from tests.cluster.verify.operations import at
from tests.cluster.verify.oracle import Asked, explained, generate, in_time, spoil

SEEDS = 1500


def ask_register(rng: Random) -> Asked:
    return ("write", None, rng.randrange(3)) if rng.random() < 0.4 else ("read", None, None)


def ask_cas(rng: Random) -> Asked:
    return ("cas", None, (rng.randrange(3), rng.randrange(3))) if rng.random() < 0.4 else ask_register(rng)


class Value:
    """The object itself."""

    def __init__(self) -> None:
        self.value: object = 0

    def answer(self, asked: Asked, process: int) -> object:
        match asked:
            case ("write", _, value):
                self.value = value
                return None
            case ("cas", _, (expected, new)):
                if self.value != expected:
                    return False
                self.value = new
                return True
        return self.value


@pytest.mark.parametrize(("name", "ask"), [("register", ask_register), ("cas", ask_cas)])
def test_the_checker_agrees_with_every_permutation(name: str, ask: Callable[[Random], Asked]) -> None:
    model = MODELS[name]
    answers = {True: 0, False: 0}
    for seed in range(SEEDS):
        rng = Random(seed)
        history = generate(rng, ask, Value().answer, count=rng.randint(3, 6), clients=3, unknown=0.15, failed=0.1, facts={"initial": 0})
        assert Answer.VALID is check_linearizable(history, model).answer, seed
        spoiled = spoil(rng, history)
        expected = explained(model, spoiled.operations, 0)
        answers[expected] += 1
        assert (Answer.VALID if expected else Answer.INVALID) is check_linearizable(spoiled, model).answer, seed

    assert min(answers.values()) > SEEDS // 20, answers


class WithoutHints(CasRegister):
    """So that everything is told by the operations that contradict each other."""

    def hint(self, stuck: Operation, operations: Sequence[Operation], initial: Hashable) -> None:
        return None


@pytest.mark.parametrize("seed", range(300))
def test_what_an_explanation_shows_is_true(seed: int) -> None:
    """Its operations alone cannot be explained, nor with all others at whatever time; its order is one; the stuck ones fail after it."""
    rng = Random(seed)
    model = WithoutHints()
    history = spoil(rng, generate(rng, ask_cas, Value().answer, count=14, clients=3, unknown=0.1, failed=0.1, facts={"initial": 0}))
    verdict = check_linearizable(history, model)
    assert bool(verdict.findings) == (verdict.answer is Answer.INVALID)
    for finding in verdict.findings:
        shown = finding.operations
        order = [shown[position] for position in finding.order]
        assert len(order) == len(finding.states)
        if finding.why.startswith("no order explains more"):
            continue  # nothing small: the end of the longest order, as a scene
        state: object = 0
        for operation, words in zip(order, finding.states):
            fits, state = model.step(state, operation)
            assert (True, words) == (fits, model.describe(state))

        assert in_time(order)
        assert finding.stuck
        assert not any(model.step(state, shown[position])[0] for position in finding.stuck)
        assert len(history.operations) == len(shown) + finding.omitted
        assert set(shown) <= set(history.operations)
        if len(shown) <= 7:
            assert not explained(model, shown, 0), shown
        others = [each for each in history.operations if each not in shown and each.outcome is not Outcome.FAILED]
        writes = [at(each, each.called, None) for each in others if not model.is_read(each)]
        everything = tuple(sorted((*shown, *writes), key=lambda operation: operation.called))
        assert Answer.INVALID is check_linearizable(History(everything, history.facts), model).answer, finding


def history(*operations: Operation, **facts: object) -> History:
    """Operations one after another in the order given."""
    return History(tuple(operations), facts)


def one(process: int, function: str, argument: object, result: object, called: int, returned: int | None, line: int = 0) -> Operation:
    outcome = Outcome.UNKNOWN if returned is None else Outcome.OK
    return Operation(process, function, "x", argument, result, outcome, called, returned, line=line)


def why(*operations: Operation) -> str:
    """The sentence of the one finding."""
    verdict = check_linearizable(History(operations, {"initial": 0}), MODELS["cas"])
    assert Answer.INVALID is verdict.answer
    return verdict.findings[0].why


def test_a_stale_read_is_told_with_the_write_that_it_missed() -> None:
    expected = (
        "process 4 read 2 (line 5) of key 'x',\nbut 3 was written after 2, and acknowledged before this read began (process 1, line 3)."
    )

    assert expected == why(one(1, "write", 2, None, 0, 1, 1), one(1, "write", 3, None, 2, 3, 3), one(4, "read", None, 2, 4, 5, 5))


def test_a_lost_write_is_one_that_a_later_read_does_not_see() -> None:
    expected = (
        "process 1 wrote 1 (line 1); then process 2 read 0 (line 2):\n"
        "in the best order key 'x' then is 1, and process 2 read 0 (line 2) does not fit."
    )

    assert expected == why(one(1, "write", 1, None, 0, 1, 1), one(2, "read", None, 0, 2, 3, 2))


def test_a_read_of_what_nobody_wrote() -> None:
    assert "process 2 read 9 of key 'x',\nbut nobody ever wrote 9." == why(one(1, "write", 1, None, 0, 1), one(2, "read", None, 9, 2, 3))


def test_a_read_of_what_only_a_failed_write_wrote() -> None:
    failed = replace(one(1, "write", 7, None, 0, 1, 1), outcome=Outcome.FAILED)

    assert "process 2 read 7 (line 2) of key 'x',\nbut 7 was written only by an operation that failed (process 1, line 1)." == why(
        failed, one(2, "read", None, 7, 2, 3, 2)
    )


def test_a_read_of_what_is_written_only_later() -> None:
    assert "process 2 read 7 of key 'x',\nbut 7 was not written until later (process 1)." == why(
        one(2, "read", None, 7, 0, 1), one(1, "write", 7, None, 2, 3)
    )


def test_a_swap_that_two_clients_won() -> None:
    swaps = (one(1, "cas", (0, 1), True, 0, 2, 1), one(2, "cas", (0, 2), True, 1, 3, 2))

    assert "process 1 swapped 0 for 1 (line 1); meanwhile process 2 swapped 0 for 2 (line 2)" == why(*swaps).partition(":")[0]


def test_a_write_of_unknown_outcome_may_take_effect_much_later_or_never() -> None:
    unknown = one(1, "write", 1, None, 0, None)
    reads = [one(2, "read", None, value, 2 * number + 1, 2 * number + 2) for number, value in enumerate((0, 0, 1, 1))]

    assert Answer.VALID is check_linearizable(history(unknown, *reads, initial=0), MODELS["register"]).answer
    assert Answer.VALID is check_linearizable(history(unknown, *reads[:2], initial=0), MODELS["register"]).answer
    assert (
        Answer.INVALID
        is check_linearizable(history(unknown, *reads, one(2, "read", None, 0, 20, 21), initial=0), MODELS["register"]).answer
    )


def test_each_key_has_an_initial_value() -> None:
    reads = [replace(one(1, "read", None, 5, 0, 1), key="x"), replace(one(1, "read", None, 6, 2, 3), key="y")]

    assert Answer.VALID is check_linearizable(history(*reads, initial=6, initial_by_key=(("x", 5),)), MODELS["register"]).answer
    assert Answer.INVALID is check_linearizable(history(*reads, initial=6), MODELS["register"]).answer


def test_the_check_is_found_by_the_name_of_its_model() -> None:
    verdict = check(history(one(1, "read", None, None, 0, 1)), "register")

    assert ("register", Answer.VALID, 1) == (verdict.model, verdict.answer, verdict.facts["operations"])


def test_an_unknown_model_lists_the_known_ones() -> None:
    with pytest.raises(BadRequest, match=r"(?s)no model 'set'; the known ones are.*\n  register +lin.*\n  cas ") as caught:
        check(history(), "set")

    assert all(f"\n  {name} " in caught.value.message for name in CHECKS)


def test_an_unknown_function_lists_the_known_ones() -> None:
    with pytest.raises(BadHistory, match=r"history:7: the model register does not know 'cas'; it knows read .*; write "):
        check(history(one(1, "cas", (1, 2), True, 0, 1, 7)), "register")


@pytest.mark.parametrize(
    ("operation", "problem"),
    [
        (one(1, "cas", 1, True, 0, 1, 7), r"7: a cas has the argument \(expected, new\), not 1"),
        (one(1, "cas", (1, 2), 1, 0, 1, 7), "7: the result of a cas is true or false, not 1"),
        (one(1, "read", 1, 1, 0, 1, 7), "7: a read has no argument, not 1"),
    ],
)
def test_arguments_and_results_that_are_none_of_the_functions(operation: Operation, problem: str) -> None:
    with pytest.raises(BadHistory, match=problem):
        check(history(operation), "cas")
