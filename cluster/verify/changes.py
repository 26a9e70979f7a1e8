"""What the key-value operations of a history changed and saw, by revision.

They are those of the model `kv`, which lists them (`models.keyvalue`), and one more: `write`, with the argument (session, sequence,
value), is a put that a client may repeat under the same name. A result that says no revision says nothing here.

The rule it keeps: only what the answer says is certain. A write without an answer may have made any of the changes that it asked
for, in either branch; a range that was deleted may have held any of its keys.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from quorate.cluster.verify.events import BadHistory
from quorate.cluster.verify.history import History, Operation, Outcome

Key = str | bytes
Bounds = tuple[bytes, bytes]
"""[start, end); no bound where the end is empty."""

FORMS = {
    "put": "key, value -> revision",
    "write": "key, (session, sequence, value) -> revision",
    "delete": "key -> (deleted, revision)",
    "delete_range": "(start, end, limit) -> (deleted, revision)",
    "cas": "key, (expected, value) -> (succeeded, revision)",
    "cas_revision": "key, (expected, value) -> (succeeded, revision)",
    "get": "key -> nothing or (value, revision, version)",
    "range": "(start, end, limit) -> (((key, value, revision, version), ...), total, revision)",
    "prefix": "(prefix, limit) -> (items, total, revision)",
    "txn": "(comparisons, then, otherwise) -> (succeeded, results, revision)",
}


class Change(NamedTuple):
    kind: str
    """put or delete."""
    key: Key
    value: object
    """None for delete."""


class Sighting(NamedTuple):
    """A key as a read saw it."""

    key: Key
    revision: int
    """The one that made it; 0 if it was absent."""
    value: object


@dataclass(slots=True)
class Access:
    """One operation, as far as its answer goes."""

    operation: Operation
    changes: list[Change] = field(default_factory=list)
    """What it did; or may have done, where the outcome is unknown; or tried to do, where it failed."""
    cleared: list[Bounds] = field(default_factory=list)
    """Ranges of which it deleted, or may have deleted, some keys."""
    sightings: list[Sighting] = field(default_factory=list)
    covered: list[Bounds] = field(default_factory=list)
    """Ranges that it read as a whole: a key without a sighting was absent."""
    revision: int = 0
    """Of an OK operation that says it: the one that it made if it wrote, else the store's at that moment. 0: not said."""

    @property
    def wrote(self) -> bool:
        return bool(self.changes or self.cleared)

    @property
    def command(self) -> object:
        """Repetitions under one (session, sequence) are one command; anything else is one by itself."""
        operation = self.operation
        return parts(operation.argument)[:2] if operation.function == "write" else operation.called

    def may_delete(self, key: Key) -> bool:
        return any(change.key == key and change.kind == "delete" for change in self.changes) or within(key, self.cleared)


def accesses(history: History, others: tuple[str, ...] = ()) -> Iterator[Access]:
    """Every operation but those of the functions `others`. BadHistory for what is not of this form."""
    for operation in history.operations:
        if operation.function in others:
            continue
        if operation.function not in FORMS:
            known = "; ".join((*(f"{name} ({form})" for name, form in FORMS.items()), *others))
            raise BadHistory(history.source, operation.line, f"there is no function {operation.function!r} here, only {known}")
        access = Access(operation)
        try:
            _fill(access)
        except (TypeError, ValueError, IndexError):
            form = f"{operation.function} is {FORMS[operation.function]}"
            raise BadHistory(history.source, operation.line, f"{operation!r} cannot be read: {form}") from None
        yield access


def encoded(key: Key) -> bytes:
    return key.encode() if isinstance(key, str) else key


def within(key: Key, ranges: list[Bounds]) -> bool:
    raw = encoded(key)
    return any(start <= raw and (not end or raw < end) for start, end in ranges)


def prefix_bounds(prefix: Key) -> Bounds:
    """All keys that start with it."""
    start = encoded(prefix)
    stem = start.rstrip(b"\xff")
    return start, stem[:-1] + bytes((stem[-1] + 1,)) if stem else b""


def parts(value: object, count: int | None = None) -> tuple[object, ...]:
    """The parts of a tuple. TypeError if it is none, or has another number of them."""
    if not isinstance(value, tuple) or count not in (None, len(value)):
        raise TypeError("a tuple")
    return value


def key_of(value: object) -> Key:
    if not isinstance(value, str | bytes):
        raise TypeError("a key")
    return value


def number(value: object) -> int:
    if type(value) is not int:
        raise TypeError("a number")
    return value


def revision_of(value: object) -> int:
    """0 where none is told."""
    return 0 if value is None else number(value)


def bounds_of(start: object, end: object) -> Bounds:
    return encoded(key_of(start)), encoded(key_of(end))


def _fill(access: Access) -> None:
    operation = access.operation
    result, argument = operation.result, operation.argument
    is_ok = operation.outcome is Outcome.OK
    match operation.function:
        case "put" | "write":
            value = argument if operation.function == "put" else parts(argument, 3)[2]
            access.changes.append(Change("put", key_of(operation.key), value))
            access.revision = revision_of(result)
        case "get":
            if is_ok:
                _see(access, operation.key, result)
        case "range":
            start, end, _ = parts(argument, 3)
            _range(access, bounds_of(start, end), result)
        case "prefix":
            _range(access, prefix_bounds(key_of(parts(argument, 2)[0])), result)
        case "delete" | "cas" | "cas_revision":
            expected, value = (argument, None) if operation.function == "delete" else parts(argument, 2)
            did, access.revision = _done(result)
            # A swap of nothing for nothing succeeds, and changes nothing.
            is_idle = value is None and ((operation.function == "cas" and expected is None) or expected == 0)
            if did and not is_idle:
                access.changes.append(Change("delete" if value is None else "put", key_of(operation.key), value))
        case "delete_range":
            start, end, _ = parts(argument, 3)
            did, access.revision = _done(result)
            if did:
                access.cleared.append(bounds_of(start, end))
        case "txn":
            _transaction(access)


def _done(result: object) -> tuple[bool, int]:
    """(whether it changed anything, or may have; its revision) of what was told of a deletion or a swap."""
    if result is None or isinstance(result, bool):
        return result is not False, 0
    did, revision = parts(result, 2)
    return bool(did), revision_of(revision)


def _transaction(access: Access) -> None:
    _, then, otherwise = parts(access.operation.argument, 3)
    if access.operation.outcome is not Outcome.OK:
        for step in (*parts(then), *parts(otherwise)):
            _step(access, parts(step), None)
        return
    succeeded, results, revision = parts(access.operation.result, 3)
    chosen, told = parts(then if succeeded else otherwise), parts(results)
    if len(chosen) != len(told):
        raise ValueError("as many results as steps")
    for step, result in zip(chosen, told):
        _step(access, parts(step), result)
    access.revision = revision_of(revision)


def _step(access: Access, step: tuple[object, ...], result: object) -> None:
    """One of a transaction; reads count only where the transaction was answered."""
    is_ok = access.operation.outcome is Outcome.OK
    match step:
        case ("put", key, value):
            access.changes.append(Change("put", key_of(key), value))
        case ("delete", key):
            if _done(result)[0]:
                access.changes.append(Change("delete", key_of(key), None))
        case ("delete_range", start, end, _):
            if _done(result)[0]:
                access.cleared.append(bounds_of(start, end))
        case ("get", key):
            if is_ok:
                _see(access, key, result)
        case ("range", start, end, _):
            _range(access, bounds_of(start, end), result)
        case ("prefix", prefix, _):
            _range(access, prefix_bounds(key_of(prefix)), result)
        case _:
            raise ValueError("a step of a transaction")


def _range(access: Access, bounds: Bounds, result: object) -> None:
    if access.operation.outcome is not Outcome.OK:
        return
    items, total, revision = parts(result, 3)
    access.revision = revision_of(revision)
    listed = [parts(item) for item in parts(items)]
    for key, *told in listed:
        _see(access, key, tuple(told))
    if total == len(listed) and all(len(item) == 4 for item in listed):
        access.covered.append(bounds)


def _see(access: Access, key: object, told: object) -> None:
    """Of a key that is there only what comes with its revision."""
    if told is None:
        access.sightings.append(Sighting(key_of(key), 0, None))
    elif isinstance(told, tuple) and len(told) == 3:
        value, revision, _ = told
        access.sightings.append(Sighting(key_of(key), number(revision), value))
