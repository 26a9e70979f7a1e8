"""What concurrent clients asked and what they were told, as checkers read it.

The rule it keeps: an outcome that the client did not learn stays unknown. Such an operation may take effect at any later time, or never.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

NUMBER_BITS_MAX = 1_000
"""Integers of histories: those beyond cannot be told as a float, and their sums soon not even in digits."""
DEPTH_MAX = 100
"""Tuples within tuples: what prints and compares them is recursive."""


class Outcome(Enum):
    """How an operation ended for its client. The values are the words of history files."""

    OK = "ok"
    FAILED = "fail"
    """Definite: it did not happen and never will."""
    UNKNOWN = "info"
    """It may have happened, may yet happen, or may never happen."""


@dataclass(frozen=True, slots=True)
class Operation:
    """One call of one client. Values are immutable: str, int, bool, None, bytes and tuples of these.

    A file has no integer of more than NUMBER_BITS_MAX, and no tuple deeper than DEPTH_MAX."""

    process: int
    function: str
    """What was asked for: read, write, cas, put, range, txn, acquire, ... Each model lists those that it knows."""
    key: str | bytes | int | None
    """What it was asked of; None where the model has one object only or the keys stand in `argument`."""
    argument: object
    result: object
    """What the client was told; None where it was told nothing."""
    outcome: Outcome
    called: int
    """Position of the invocation among all events of the history: unique, and in the order of time."""
    returned: int | None
    """Position of the return; None where the outcome is unknown."""
    called_ns: int = 0
    returned_ns: int | None = None
    """Times for people and for drawings; the order comes from the positions alone."""
    line: int = 0
    """Line of the invocation in its file, 0 where there is none."""
    returned_line: int | None = None

    def __repr__(self) -> str:
        key = "" if self.key is None else f" {self.key!r}"
        result = "" if self.outcome is not Outcome.OK else f" -> {self.result!r}"
        return f"<{self.process}: {self.function}{key} {self.argument!r}{result} {self.outcome.value}>"


@dataclass(frozen=True, slots=True)
class History:
    """All operations of one run, in the order of their invocations."""

    operations: tuple[Operation, ...]
    facts: Mapping[str, object] = field(default_factory=dict)
    """What the recorder knew of the run: model, seed, initial values, ..."""
    source: str = ""
    """The file it was read from."""
