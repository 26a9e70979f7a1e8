"""Multi-key transactions: conditions, and the operations of the two branches.

    from quorate import txn

    result = await (
        client.txn()
        .when(txn.value("x").equals("1"), txn.absent("lock"))
        .then(txn.put("x", "2"), txn.delete("y"))
        .otherwise(txn.get("x"))
        .commit()
    )
    if result.succeeded: ...

All conditions hold, or `otherwise` runs: one write, one revision. Each operation sees those before it.
"""

from collections.abc import Awaitable, Callable

from quorate.cluster.service import commands
from quorate.cluster.service.commands import Comparison, Operation, Relation, Target
from quorate.cluster.service.results import TxnResult
from quorate.cluster.wire.errors import BadRequest

Text = str | bytes
"""Keys and values: bytes, or text that is sent as UTF-8."""


def to_bytes(text: Text) -> bytes:
    """BadRequest for anything but bytes and text."""
    if isinstance(text, bytes):
        return text
    if isinstance(text, str):
        return text.encode()
    raise BadRequest(f"keys and values are bytes or str, not {type(text).__name__}")


def bounds(start: Text, end: Text, prefix: Text | None) -> tuple[bytes, bytes]:
    """The range that a caller means: [start, end), or all keys with a prefix."""
    if prefix is None:
        return to_bytes(start), to_bytes(end)
    if start or end:
        raise BadRequest("give a range (start, end) or a prefix, not both")
    return commands.prefix(to_bytes(prefix))


class Subject:
    """What of a key is compared. Make a condition of it: `value("x").equals("1")`."""

    __slots__ = ("_key", "_target")

    def __init__(self, key: Text, target: Target) -> None:
        self._key = to_bytes(key)
        self._target = target

    def equals(self, operand: Text | int) -> Comparison:
        return self._compare(Relation.EQUAL, operand)

    def differs(self, operand: Text | int) -> Comparison:
        return self._compare(Relation.NOT_EQUAL, operand)

    def below(self, operand: Text | int) -> Comparison:
        return self._compare(Relation.LESS, operand)

    def above(self, operand: Text | int) -> Comparison:
        return self._compare(Relation.GREATER, operand)

    def _compare(self, relation: Relation, operand: Text | int) -> Comparison:
        if isinstance(operand, int) == (self._target is Target.VALUE):
            wanted = "bytes or str" if self._target is Target.VALUE else "an int"
            raise BadRequest(f"the {self._target.name.lower()} of a key is compared with {wanted}, not {operand!r:.100}")
        return commands.compare(self._key, self._target, relation, operand if isinstance(operand, int) else to_bytes(operand))


def value(key: Text) -> Subject:
    return Subject(key, Target.VALUE)


def version(key: Text) -> Subject:
    """How often it was put since it was created; 0 while it is absent."""
    return Subject(key, Target.VERSION)


def create_revision(key: Text) -> Subject:
    return Subject(key, Target.CREATE_REVISION)


def mod_revision(key: Text) -> Subject:
    return Subject(key, Target.MOD_REVISION)


def lease_of(key: Text) -> Subject:
    """The id of the lease that it is on, 0 for none."""
    return Subject(key, Target.LEASE)


def absent(key: Text) -> Comparison:
    return version(key).equals(0)


def exists(key: Text) -> Comparison:
    return version(key).above(0)


def put(key: Text, value: Text, *, lease: int = 0, keep_lease: bool = False, previous: bool = False) -> Operation:
    return commands.put(to_bytes(key), to_bytes(value), lease=lease, keep_lease=keep_lease, previous=previous)


def delete(key: Text, *, previous: bool = False) -> Operation:
    return commands.delete(to_bytes(key), previous=previous)


def delete_range(start: Text = "", end: Text = "", *, prefix: Text | None = None, limit: int = 0) -> Operation:
    return commands.delete_range(*bounds(start, end, prefix), limit=limit)


def get(key: Text) -> Operation:
    return commands.get(to_bytes(key))


def range(start: Text = "", end: Text = "", *, prefix: Text | None = None, limit: int = 0) -> Operation:
    return commands.range(*bounds(start, end, prefix), limit=limit)


class Transaction:
    """Built step by step, then committed once."""

    def __init__(self, commit: Callable[[list[Comparison], list[Operation], list[Operation]], Awaitable[TxnResult]]) -> None:
        self._commit = commit
        self._comparisons: list[Comparison] = []
        self._then: list[Operation] = []
        self._otherwise: list[Operation] = []

    def when(self, *conditions: Comparison) -> "Transaction":
        self._comparisons += conditions
        return self

    def then(self, *operations: Operation) -> "Transaction":
        self._then += operations
        return self

    def otherwise(self, *operations: Operation) -> "Transaction":
        self._otherwise += operations
        return self

    async def commit(self) -> TxnResult:
        """One write; its errors are those of every write."""
        return await self._commit(self._comparisons, self._then, self._otherwise)
