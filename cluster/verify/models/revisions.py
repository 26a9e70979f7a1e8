"""What revisions tell across all keys, whichever parts they are checked in.

The rule: revisions number the writes of the whole store in their order. So no two writes have the same one, no key was put at
that of a write to others, and whoever began after another had returned is told of no lower one than that.
"""

from collections.abc import Iterator, Mapping, Sequence

from quorate.cluster.verify.history import Operation, Outcome
from quorate.cluster.verify.models.joining import touched
from quorate.cluster.verify.models.model import Hint
from quorate.cluster.verify.models.shapes import bounds, listed, swap_of, transacted, transaction_of
from quorate.cluster.verify.models.store import encoded


def are_told(operations: Sequence[Operation]) -> bool:
    """Whether any result carries a revision or version, or any condition asks for one."""
    return any(_asks(operation) or any(True for _ in _told(operation)) for operation in operations)


def contradiction(operations: Sequence[Operation]) -> Hint | None:
    """Two operations whose revisions cannot both be, if there are any."""
    events: list[tuple[int, bool, Operation]] = []
    for operation in operations:
        if operation.outcome is Outcome.OK and operation.returned is not None:
            events += [(operation.called, False, operation), (operation.returned, True, operation)]
    events.sort(key=lambda event: event[0])
    highest: tuple[int, Operation] | None = None
    before: dict[int, tuple[int, Operation] | None] = {}
    writers: dict[int, Operation] = {}
    for _, is_return, operation in events:
        if not is_return:
            before[operation.called] = highest
            continue
        earlier = before.pop(operation.called)
        at, is_write = _own(operation)
        if at is not None and earlier is not None and (at < earlier[0] or (is_write and at == earlier[0])):
            process, line = earlier[1].process, f" (line {earlier[1].line})" if earlier[1].line else ""
            return f"it has revision {at}, though process {process}{line} had returned before it began, with {earlier[0]}", (
                earlier[1],
                operation,
            )
        if is_write and at is not None:
            if at in writers:
                return f"it has revision {at}, which another write has", (writers[at], operation)
            writers[at] = operation
        for revision in _told(operation):
            if highest is None or revision > highest[0]:
                highest = revision, operation
    return _misplaced(operations, writers)


def _misplaced(operations: Sequence[Operation], writers: Mapping[int, Operation]) -> Hint | None:
    """A key that was seen with the revision of a write to other keys."""
    for operation in operations:
        for key, revision in _seen(operation):
            writer = writers.get(revision)
            if writer is not None and encoded(key) not in touched(writer)[0]:
                return f"it saw {key!r} with revision {revision}, which another write has, to other keys", (writer, operation)
    return None


def _own(operation: Operation) -> tuple[int | None, bool]:
    """The store's revision when the operation was carried out, as its client was told, and whether it certainly wrote."""
    function, result = operation.function, operation.result
    if function == "put":
        return (result if isinstance(result, int) else None), True
    if function == "get" or not isinstance(result, tuple):
        return None, False
    revision = result[-1]
    if not isinstance(revision, int) or isinstance(revision, bool):
        return None, False
    match function:
        case "delete" | "delete_range":
            return revision, result[0] > 0
        case "cas" | "cas_revision":
            return revision, result[0] is True and swap_of(operation)[1] is not None
        case "txn":
            return revision, _certainly_writes(operation)
    return revision, False


def _certainly_writes(operation: Operation) -> bool:
    """Whether its branch puts a key that it does not delete again."""
    _, then, otherwise = transaction_of(operation)
    put: set[bytes] = set()
    for kind, *arguments in then if transacted(operation.result)[0] else otherwise:
        match kind:
            case "put":
                put.add(encoded(arguments[0]))
            case "delete":
                put.discard(encoded(arguments[0]))
            case "delete_range":
                start, end, _ = bounds("delete_range", tuple(arguments))
                put = {key for key in put if key < start or (end and key >= end)}
    return bool(put)


def _told(operation: Operation) -> Iterator[int]:
    """Every revision that the client was told."""
    if operation.outcome is not Outcome.OK:
        return
    own, _ = _own(operation)
    if own is not None:
        yield own
    for _, revision in _seen(operation):
        yield revision


def _seen(operation: Operation) -> Iterator[tuple[object, int]]:
    """Every key that the client was told with its revision."""
    if operation.outcome is not Outcome.OK:
        return
    result = operation.result
    if operation.function == "get":
        yield from _of_item(operation.key, result)
    elif operation.function in ("range", "prefix"):
        yield from _of_items(result)
    elif operation.function == "txn":
        _, then, otherwise = transaction_of(operation)
        succeeded, results, _ = transacted(result)
        for one, heard in zip(then if succeeded else otherwise, results):
            if one[0] == "get":
                yield from _of_item(one[1], heard)
            elif one[0] in ("range", "prefix"):
                yield from _of_items(heard)


def _of_item(key: object, heard: object) -> Iterator[tuple[object, int]]:
    if isinstance(heard, tuple):
        yield key, heard[1]


def _of_items(heard: object) -> Iterator[tuple[object, int]]:
    for item in listed(heard)[0]:
        if len(item) == 4 and isinstance(item[2], int):
            yield item[0], item[2]


def _asks(operation: Operation) -> bool:
    """Whether a condition looks at more than values and existence."""
    if operation.function == "cas_revision":
        return True
    if operation.function != "txn":
        return False
    comparisons, _, _ = transaction_of(operation)
    return any(target != "value" and (target != "version" or operand != 0) for target, _, _, operand in comparisons)
