"""What operations of the key-value model look like; `check_shape` says what is wrong with one that does not."""

from collections.abc import Callable
from typing import cast

from quorate.cluster.service.commands import prefix
from quorate.cluster.verify.history import Operation, Outcome
from quorate.cluster.verify.models.store import encoded

_RANGED = "(items, total, revision)"
_SWAPPED = "succeeded, or (succeeded, revision)"
_DELETED = "nothing, or (count, revision)"
FUNCTIONS = {
    "put": "key, value -> nothing, or its revision",
    "get": "key -> nothing if absent, the value, or (value, revision, version)",
    "delete": f"key -> {_DELETED}",
    "cas": f"key, (expected or nothing, new or nothing) -> {_SWAPPED}",
    "cas_revision": f"key, (expected revision, new or nothing) -> {_SWAPPED}",
    "range": f"(start, end, limit) -> {_RANGED}",
    "prefix": f"(prefix, limit) -> {_RANGED}",
    "delete_range": f"(start, end, limit) -> {_DELETED}",
    "txn": "(comparisons, then, otherwise) -> (succeeded, results, revision)",
}
_KEYED = ("put", "get", "delete", "cas", "cas_revision")
_TARGETS = ("value", "version", "mod_revision", "create_revision")
_RELATIONS = ("=", "!=", "<", ">")


Tuple = tuple[object, ...]


def bounds(function: str, argument: object) -> tuple[bytes, bytes, int]:
    """(start, end, limit) of a range, also of one given by its prefix."""
    *edges, limit = cast(Tuple, argument)
    assert isinstance(limit, int), argument
    if function == "prefix":
        return (*prefix(encoded(edges[0])), limit)
    start, end = edges
    return encoded(start), encoded(end), limit


def swap_of(operation: Operation) -> tuple[object, object]:
    """(expected, new) of a compare-and-swap."""
    return cast(tuple[object, object], operation.argument)


def transaction_of(operation: Operation) -> tuple[tuple[tuple[str, object, str, object], ...], tuple[Tuple, ...], tuple[Tuple, ...]]:
    """(comparisons, then, otherwise)."""
    return cast(tuple[tuple[tuple[str, object, str, object], ...], tuple[Tuple, ...], tuple[Tuple, ...]], operation.argument)


def transacted(result: object) -> tuple[bool, Tuple, int | None]:
    """(succeeded, results, revision) of a transaction that was answered."""
    return cast(tuple[bool, Tuple, int | None], result)


def listed(result: object) -> tuple[tuple[Tuple, ...], int | None, int | None]:
    """(items, total, revision) of a range that was answered."""
    return cast(tuple[tuple[Tuple, ...], int | None, int | None], result)


def readable(key: bytes) -> str | bytes:
    """A key as people know it."""
    try:
        return key.decode()
    except UnicodeDecodeError:
        return key


def check_shape(operation: Operation) -> None:
    """ValueError if its key, argument or result is none of its function."""
    function, argument, result = operation.function, operation.argument, operation.result
    if (function in _KEYED) != _is_text(operation.key):
        raise ValueError(f"{function} has {'a key of text or bytes' if function in _KEYED else 'no key'}, not {operation.key!r}")
    if not _ARGUMENTS[function](argument):
        raise ValueError(f"{function} is {FUNCTIONS[function].partition(' ->')[0]}; its argument is not {argument!r:.100}")
    if operation.outcome is Outcome.OK and not _fits(operation):
        raise ValueError(f"the result of {function} is {FUNCTIONS[function].partition('-> ')[2]}, not {result!r:.100}")


def _is_text(value: object) -> bool:
    return isinstance(value, str | bytes)


def _is_number(value: object) -> bool:
    return type(value) is int and value >= 0


def _is_none_or(test: Callable[[object], bool]) -> Callable[[object], bool]:
    return lambda value: value is None or test(value)


def _shape(*tests: Callable[[object], bool]) -> Callable[[object], bool]:
    """A tuple of exactly these."""
    return lambda value: isinstance(value, tuple) and len(value) == len(tests) and all(test(part) for test, part in zip(tests, value))


def _each(test: Callable[[object], bool]) -> Callable[[object], bool]:
    return lambda value: isinstance(value, tuple) and all(map(test, value))


def _comparison(value: object) -> bool:
    if not (isinstance(value, tuple) and len(value) == 4 and value[0] in _TARGETS and _is_text(value[1]) and value[2] in _RELATIONS):
        return False
    return _is_text(value[3]) if value[0] == "value" else _is_number(value[3])


_RANGE = _shape(_is_text, _is_text, _is_number)
_PREFIX = _shape(_is_text, _is_number)


def _nothing(value: object) -> bool:
    return value is None


def _nested(value: object) -> bool:
    match value:
        case ("put", key, new):
            return _is_text(key) and _is_text(new)
        case ("get" | "delete", key):
            return _is_text(key)
        case ("range" | "delete_range", *rest):
            return _RANGE(tuple(rest))
        case ("prefix", *rest):
            return _PREFIX(tuple(rest))
    return False


_ARGUMENTS: dict[str, Callable[[object], bool]] = {
    "put": _is_text,
    "get": _nothing,
    "delete": _nothing,
    "cas": _shape(_is_none_or(_is_text), _is_none_or(_is_text)),
    "cas_revision": _shape(_is_number, _is_none_or(_is_text)),
    "range": _RANGE,
    "prefix": _PREFIX,
    "delete_range": _RANGE,
    "txn": _shape(_each(_comparison), _each(_nested), _each(_nested)),
}


def _is_flag(value: object) -> bool:
    return type(value) is bool


def _any(*tests: Callable[[object], bool]) -> Callable[[object], bool]:
    return lambda value: any(test(value) for test in tests)


_REVISION = _is_none_or(_is_number)
_ITEM = _any(_nothing, _is_text, _shape(_is_text, _is_number, _is_number))
_LISTED = _shape(_each(_any(_shape(_is_text, _is_text), _shape(_is_text, _is_text, _is_number, _is_number))), _REVISION, _REVISION)
_COUNT = _any(_nothing, _shape(_is_number, _REVISION))
_SWAP = _any(_is_flag, _shape(_is_flag, _REVISION))
_RESULTS: dict[str, Callable[[object], bool]] = {
    "put": _REVISION,
    "get": _ITEM,
    "delete": _COUNT,
    "cas": _SWAP,
    "cas_revision": _SWAP,
    "range": _LISTED,
    "prefix": _LISTED,
    "delete_range": _COUNT,
}


def _fits(operation: Operation) -> bool:
    function, result = operation.function, operation.result
    if function != "txn":
        return _RESULTS[function](result)
    if not _shape(_is_flag, lambda results: isinstance(results, tuple), _REVISION)(result):
        return False
    succeeded, results, _ = transacted(result)
    _, then, otherwise = transaction_of(operation)
    chosen = then if succeeded else otherwise
    return len(results) == len(chosen) and all(_RESULTS[str(one[0])](heard) for one, heard in zip(chosen, results))
