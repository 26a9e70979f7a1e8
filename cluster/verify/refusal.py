"""A history that no checker can judge."""

from quorate.cluster.verify.history import Operation
from quorate.cluster.wire.errors import QuorateError


class BadHistory(QuorateError):
    """The history is not of the form that the check knows, or contradicts itself: a verdict about it would mean nothing."""

    def __init__(self, source: str, line: int, problem: str) -> None:
        super().__init__(f"{source or 'history'}:{line}: {problem}")


def place(operation: Operation) -> str:
    """Where an operation stands, for a sentence."""
    return f"line {operation.line}" if operation.line else f"event {operation.called} of process {operation.process}"
