"""List-append transactions as they stand in a history.

The form: an operation's function is "txn", its argument a tuple of steps ("append", key, value) and ("r", key, None); the result
repeats the steps with the reads filled in by tuples (None: the list was empty). Of a transaction that did not return OK only the
appends are known. A history in another form, or one that appends a value to a key twice, cannot be judged: BadHistory.

A transaction is called T<n>: the n-th operation of its history, from 1. Kingsbury & Alvaro, "Elle", VLDB 2020.
"""

from dataclasses import dataclass, field
from typing import TypeAlias

from quorate.cluster.verify.events import BadHistory
from quorate.cluster.verify.history import History, Operation, Outcome

Key: TypeAlias = str | bytes | int | None
List: TypeAlias = tuple[object, ...]


@dataclass(slots=True)
class Read:
    """One read of a transaction that committed."""

    transaction: int
    key: Key
    value: List
    external: int
    """So many of its elements were there before the transaction's own appends; -1 if it does not end with those."""


@dataclass(slots=True)
class Transaction:
    number: int
    """Its place in the history, from 0."""
    operation: Operation
    appends: dict[Key, list[object]]
    committed: bool
    reads: list[Read] = field(default_factory=list)

    @property
    def name(self) -> str:
        return f"T{self.number + 1}"

    @property
    def known(self) -> bool:
        """Did its client learn that it committed?"""
        return self.operation.outcome is Outcome.OK


class Transactions:
    """All of one history; an unknown one counts as committed as soon as a committed read holds one of its appends."""

    def __init__(self, history: History) -> None:
        self.all: list[Transaction] = []
        self.writers: dict[Key, dict[object, int]] = {}
        """Key: value: who appended it."""
        self.reads: dict[Key, list[Read]] = {}
        self._source = history.source
        for number, operation in enumerate(history.operations):
            self._take(Transaction(number, operation, {}, operation.outcome is Outcome.OK))
        for key, reads in self.reads.items():
            self._see(key, reads)

    def _take(self, transaction: Transaction) -> None:
        operation = transaction.operation
        self.all.append(transaction)
        if operation.function != "txn":
            raise self._bad(operation, f"list-append knows no function {operation.function!r}, only 'txn'")
        asked = self._steps(operation, operation.argument, "argument")
        told = self._steps(operation, operation.result, "result") if transaction.known else asked
        if len(asked) != len(told):
            raise self._bad(operation, f"{len(asked)} steps were asked for, the result has {len(told)}")
        appends = transaction.appends
        for (function, key, value), (same_function, same_key, result) in zip(asked, told):
            if function != same_function or key != same_key or (function == "append" and value != result):
                raise self._bad(operation, f"asked for {(function, key, value)!r}, the result has {told!r}")
            if function == "append":
                appends.setdefault(key, []).append(value)
                other = self.writers.setdefault(key, {}).setdefault(value, transaction.number)
                if other != transaction.number or appends[key].count(value) > 1:
                    first = place(self.all[other].operation)
                    problem = f"{value!r} is appended to {key!r} a second time, after {first}"
                    raise self._bad(operation, f"{problem}: list-append needs values that are unique for their key")
            elif transaction.known:
                read = Read(transaction.number, key, seen := self._elements(operation, result), len(seen))
                if key in appends:
                    read.external -= len(appends[key])
                    if seen[max(read.external, 0) :] != tuple(appends[key]):
                        read.external = -1
                transaction.reads.append(read)
                self.reads.setdefault(key, []).append(read)

    def _see(self, key: Key, reads: list[Read]) -> None:
        writers = self.writers.get(key, {})
        unknown = {value for value, number in writers.items() if self.all[number].operation.outcome is Outcome.UNKNOWN}
        if unknown:
            for read in reads:
                for value in unknown.intersection(read.value):
                    self.all[writers[value]].committed = True

    # The form

    def _steps(self, operation: Operation, value: object, part: str) -> tuple[tuple[str, Key, object], ...]:
        """The steps in an argument or a result."""
        if not isinstance(value, tuple):
            raise self._bad(operation, f"a transaction's {part} is a list of steps, not {value!r}")
        for step in value:
            if not (isinstance(step, tuple) and len(step) == 3 and step[0] in ("append", "r")):
                raise self._bad(operation, f"a step is (append, key, value) or (r, key, list), not {step!r}")
            if isinstance(step[1], tuple):
                raise self._bad(operation, f"a key is a string, bytes or a number, not {step[1]!r}")
        return value

    def _elements(self, operation: Operation, value: object) -> List:
        if value is None:
            return ()
        if not isinstance(value, tuple):
            raise self._bad(operation, f"a read's result is a list, not {value!r}")
        return value

    def _bad(self, operation: Operation, problem: str) -> BadHistory:
        return BadHistory(self._source, operation.line, f"process {operation.process}: {problem}")


def place(operation: Operation) -> str:
    """Where an operation stands, for a sentence."""
    return f"line {operation.line}" if operation.line else f"event {operation.called} of process {operation.process}"
