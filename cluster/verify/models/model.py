"""What the linearizability checker needs to know of an object.

The rule: a state is an immutable, hashable value, and `step` depends on its arguments alone. An operation whose outcome is
unknown has no result to be compared with: it fits wherever its arguments do, and changes the state as if it were carried out.
"""

from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import Protocol

from quorate.cluster.verify.history import Operation, Outcome

Key = str | bytes | int | None
Step = tuple[bool, Hashable]
"""Whether the operation could have this result in this state, and the state after it."""


NEVER: Hashable = object()
"""In place of the state after a step that does not fit: nor will it after whatever else may happen. So all that led here is
given up, without a look at anything else. That only speeds up the search: plain False is always right."""


class Undecided(Exception):
    """What an operation does here depends on what the history does not tell: `args[0]` says how. It is not tried, and
    what is then not explained is UNKNOWN. Only of operations whose own outcome is unknown."""


class Model(Protocol):
    name: str
    summary: str
    """One line, for a list of models."""
    functions: Mapping[str, str]
    """Every function that it knows: its arguments and results in words."""

    def check(self, operation: Operation) -> None:
        """ValueError, saying what was expected, if its argument or result is none of a known function."""

    def is_read(self, operation: Operation) -> bool:
        """Whether it changes nothing, in whatever state it has the result that it has."""

    def partition(self, operations: Sequence[Operation]) -> Iterable[tuple[Key, Sequence[Operation]]]:
        """Parts that have nothing to do with each other, each with the key to name it by; all in the order given."""

    def across(self, operations: Sequence[Operation]) -> "Hint | None":
        """What contradicts itself between parts, where the model knows of something that holds for all of them together."""

    def initial(self, operations: Sequence[Operation], facts: Mapping[str, object]) -> Hashable:
        """The state before the first operation of a part. ValueError for facts that are none of the model's."""

    def step(self, state: Hashable, operation: Operation) -> Step: ...

    def describe(self, state: Hashable) -> str:
        """The state as words that follow the key: "is 3"."""

    def tell(self, operation: Operation) -> str:
        """What the client did and heard, as words that follow its name: "read 3"."""

    def hint(self, stuck: Operation, operations: Sequence[Operation], initial: Hashable) -> "Hint | None":
        """Why no order whatever explains this operation, where one look at all of its part, failed ones too, is proof enough."""


Hint = tuple[str, tuple[Operation, ...]]
"""A sentence, and the operations that it speaks of."""


def by_key(operations: Sequence[Operation]) -> Iterable[tuple[Key, Sequence[Operation]]]:
    """The parts of a model whose operations have one key each."""
    parts: dict[Key, list[Operation]] = {}
    for operation in operations:
        parts.setdefault(operation.key, []).append(operation)
    return parts.items()


def initial_value(operations: Sequence[Operation], facts: Mapping[str, object]) -> Hashable:
    """The fact `initial`: one value for every key, or pairs ((key, value), ...) where `initial_by_key` has them."""
    pairs = facts.get("initial_by_key")
    if isinstance(pairs, tuple) and operations:
        for pair in pairs:
            if isinstance(pair, tuple) and len(pair) == 2 and pair[0] == operations[0].key:
                value: Hashable = pair[1]
                return value
    return facts.get("initial")


def told(operation: Operation, words: str) -> str:
    """`words`, or that they are not what the client knows to have happened."""
    match operation.outcome:
        case Outcome.OK:
            return words
        case Outcome.FAILED:
            return f"{words}, which failed,"
        case _:
            return f"{words}, without an answer,"
