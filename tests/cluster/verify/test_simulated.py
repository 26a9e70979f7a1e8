"""A simulated run and its history: complete, in order, and with nothing made up."""

from collections import Counter

import pytest

from quorate.cluster.verify.history import History, Outcome
from quorate.cluster.verify.simulated import Recording
from quorate.protocols.simulation import Campaign
from quorate.protocols.simulation.application import Lists, Registers
from quorate.protocols.simulation.raft_view import RAFT


def history_of(seed: int, application: Registers | Lists, events: int = 3_000) -> History:
    recording = Recording()
    result = Campaign(RAFT, seed, application=application, observer=recording).run(events, liveness=False)
    assert result.violation is None, result.violation
    return recording.history({"seed": seed})


@pytest.mark.parametrize("seed", range(8))
def test_no_process_has_two_calls_at_once_nor_another_after_an_unknown_one(seed: int) -> None:
    last: dict[int, int | None] = {}
    for operation in history_of(seed, Registers()).operations:
        before = last.get(operation.process, 0)
        assert before is not None, operation
        assert before < operation.called, operation
        last[operation.process] = operation.returned


def test_every_outcome_and_every_function_occurs() -> None:
    seen = Counter((operation.function, operation.outcome) for seed in range(12) for operation in history_of(seed, Registers()).operations)

    # A definite refusal of a write is tried again until it is done or unknown.
    assert {("read", outcome) for outcome in Outcome} <= set(seen)
    assert {(function, outcome) for function in ("write", "cas") for outcome in (Outcome.OK, Outcome.UNKNOWN)} <= set(seen)


def test_what_was_read_was_written_by_a_call_that_began_before() -> None:
    for seed in range(8):
        began: dict[object, int] = {}
        for operation in history_of(seed, Registers()).operations:
            match operation.function:
                case "write":
                    began[operation.key, operation.argument] = operation.called
                case "cas":
                    assert isinstance(operation.argument, tuple)
                    began[operation.key, operation.argument[1]] = operation.called
        for operation in history_of(seed, Registers()).operations:
            if operation.function == "read" and operation.result is not None:
                assert operation.returned is not None
                assert began[operation.key, operation.result] < operation.returned, operation


def test_lists_only_grow_at_their_ends() -> None:
    for seed in range(8):
        longest: dict[object, tuple[int, ...]] = {}
        for operation in history_of(seed, Lists()).operations:
            if operation.outcome is not Outcome.OK:
                continue
            assert isinstance(operation.result, tuple)
            for function, key, value in operation.result:
                if function == "r":
                    one, other = sorted((longest.get(key, ()), value), key=len)
                    assert other[: len(one)] == one, operation
                    longest[key] = other


def test_listening_changes_nothing() -> None:
    heard = Campaign(RAFT, 3, observer=Recording()).run(1_500, liveness=False)

    assert Campaign(RAFT, 3).run(1_500, liveness=False).fingerprint == heard.fingerprint
