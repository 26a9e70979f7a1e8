"""A key-value machine and the next index of its log."""

from quorate.cluster.service.commands import Operation, encode
from quorate.cluster.service.keyvalue import KeyValue
from tests.cluster.service.model import outcome
from tests.contracts.machine import entry, restore


class World:
    """A machine and the next index of its log."""

    def __init__(self, machine: KeyValue | None = None, index: int = 0) -> None:
        self.machine = machine or KeyValue()
        self.index = index

    def apply(self, operation: Operation, term: int = 1) -> bytes:
        self.index += 1
        return self.machine.apply(entry(self.index, encode(operation), term))

    def do(self, operation: Operation) -> object:
        return outcome(operation, self.apply(operation))

    def ask(self, operation: Operation) -> object:
        return outcome(operation, self.machine.query(encode(operation)))


def copied(machine: KeyValue) -> KeyValue:
    """Through a snapshot."""
    copy = KeyValue()
    restore(copy, list(machine.freeze()()))
    return copy
