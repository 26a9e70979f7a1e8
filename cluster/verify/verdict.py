"""What a checker says of a history, and why.

The rule it keeps: UNKNOWN is a verdict of its own. A checker that ran out of time or memory says so, and never "valid".
"""

from dataclasses import dataclass, field
from enum import Enum

from quorate.cluster.verify.history import Operation


class Answer(Enum):
    """`exit_code` is what the command line returns for it."""

    VALID = "valid"
    INVALID = "invalid"
    UNKNOWN = "unknown"

    @property
    def exit_code(self) -> int:
        return {Answer.VALID: 0, Answer.INVALID: 1, Answer.UNKNOWN: 2}[self]


@dataclass(frozen=True, slots=True)
class Budget:
    """How much a check may cost before it gives up as UNKNOWN."""

    seconds: float = 60.0
    states_max: int = 3_000_000
    """States kept at once by all partitions together: what bounds the memory. A small one costs some 170 bytes."""


@dataclass(frozen=True, slots=True)
class Edge:
    """One step of a cycle: `source` must come before `target`, because of `reason`."""

    source: Operation
    kind: str
    """ww, wr, rw, process or realtime."""
    target: Operation
    reason: str
    """A whole sentence: which key and values show it."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that no consistent service does."""

    name: str
    """The anomaly's name in the literature: not linearizable, G0, G1a, G1b, G1c, G-single, G2, lost update, ..."""
    why: str
    """Two lines at most, for a person."""
    key: str | bytes | int | None = None
    operations: tuple[Operation, ...] = ()
    """Those that take part, to be drawn on a time line: the whole key's, or those around the place where it fails."""
    order: tuple[int, ...] = ()
    """The longest partial linearization that was found, as positions in `operations`; its end, where those are only its end."""
    states: tuple[str, ...] = ()
    """The model's state, in words, after each operation of `order`."""
    stuck: tuple[int, ...] = ()
    """Positions in `operations` of those that could come next, and none of which fits the state."""
    cycle: tuple[Edge, ...] = ()
    omitted: int = 0
    """How many operations or findings of this kind are not listed here: a report says so."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """The answer for a whole history."""

    model: str
    answer: Answer
    reason: str
    """One sentence: what was checked, what was found, or which budget ran out."""
    findings: tuple[Finding, ...] = ()
    facts: dict[str, int | float | str] = field(default_factory=dict)
    """Counts for people: operations, unknown outcomes, partitions, steps, seconds."""
