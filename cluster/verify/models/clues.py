"""Single facts that rule out what a get heard, whatever the order: what a person would look for first."""

from collections.abc import Iterator, Sequence

from quorate.cluster.verify.history import Operation, Outcome
from quorate.cluster.verify.models import joining
from quorate.cluster.verify.models.model import Hint
from quorate.cluster.verify.models.shapes import swap_of, transaction_of
from quorate.cluster.verify.models.store import Store, encoded


def of_get(get: Operation, operations: Sequence[Operation], initial: Store) -> Hint | None:
    """Why no order explains this answer, and the operations that show it."""
    assert get.key is not None, get
    key = encoded(get.key)
    if get.result is None:
        return _lost(get, key, operations)
    value = get.result[0] if isinstance(get.result, tuple) else get.result
    found = initial.find(key)
    if found is not None and found[1] == value:
        return None
    writers = [operation for operation in operations if value in joining.values(operation)]
    if not writers:
        return f"nobody ever wrote {value!r}", ()
    if all(writer.outcome is Outcome.FAILED for writer in writers):
        return f"{value!r} was written only by an operation that failed", (writers[0],)
    if any(writer.outcome is Outcome.UNKNOWN for writer in writers):
        return None
    last = max(writer.returned or 0 for writer in writers)
    for other in _changes(key, operations, get):
        if last < other.called and other not in writers:
            done = "deleted" if other.function == "delete" else f"put to {other.argument!r}"
            return f"after {value!r} was written the key was {done}, acknowledged before this read began", (other,)
    return None


def _lost(get: Operation, key: bytes, operations: Sequence[Operation]) -> Hint | None:
    """A put that was acknowledged, and nothing that may have deleted it since."""
    deleters = [operation for operation in operations if operation.outcome is not Outcome.FAILED and _may_delete(operation)]
    for put in _changes(key, operations, get):
        between = (each for each in deleters if each.called < (get.returned or 0) and (each.returned is None or each.returned > put.called))
        if put.function == "put" and not any(between):
            return f"{put.argument!r} was put and acknowledged before this read began, and never deleted", (put,)
    return None


def _changes(key: bytes, operations: Sequence[Operation], get: Operation) -> Iterator[Operation]:
    """Puts and deletions of the key, without a condition, that had returned when the get began."""
    for operation in operations:
        is_before = operation.outcome is Outcome.OK and operation.returned is not None and operation.returned < get.called
        if is_before and operation.function in ("put", "delete") and operation.key is not None and encoded(operation.key) == key:
            yield operation


def _may_delete(operation: Operation) -> bool:
    match operation.function:
        case "delete" | "delete_range":
            return True
        case "cas" | "cas_revision":
            return swap_of(operation)[1] is None
        case "txn":
            _, then, otherwise = transaction_of(operation)
            return any(one[0] in ("delete", "delete_range") for one in (*then, *otherwise))
    return False
