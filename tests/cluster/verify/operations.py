"""Histories by hand: `line` puts operations one after another, `at` gives one its place in time."""

from dataclasses import replace

from quorate.cluster.verify.history import History, Operation, Outcome


def did(process: int, function: str, key: str | None, argument: object, result: object = None) -> Operation:
    """Done and answered; `line` or `at` says when."""
    return Operation(process, function, key, argument, result, Outcome.OK, 0, 0)


def at(operation: Operation, called: int, returned: int | None) -> Operation:
    """When it ran; without a return its outcome is unknown."""
    if returned is None:
        return replace(operation, result=None, outcome=Outcome.UNKNOWN, called=called, returned=None)
    return replace(operation, called=called, returned=returned)


def failed(operation: Operation) -> Operation:
    return replace(operation, result=None, outcome=Outcome.FAILED)


def line(*operations: Operation, **facts: object) -> History:
    """One after the other, each returning before the next is called."""
    return History(
        tuple(
            replace(operation, called=2 * number, returned=2 * number + 1, line=number + 1) for number, operation in enumerate(operations)
        ),
        facts,
    )
