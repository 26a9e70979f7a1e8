"""Which keys of a key-value history belong together: those that a range or a transaction joins, by union-find.

The rule: an operation over several keys sees them at one moment, so their orders are one order. Keys that nothing joins, not
even by a chain, can be checked apart: linearizability is local (Herlihy and Wing, theorem 1).
"""

from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence

from quorate.cluster.verify.history import Operation
from quorate.cluster.verify.models.model import Key
from quorate.cluster.verify.models.shapes import bounds, readable, swap_of, transaction_of
from quorate.cluster.verify.models.store import encoded

KEYS_NAMED_MAX = 3
"""A part is named by its first keys."""

Range = tuple[bytes, bytes]
Node = bytes | Range
"""A key, or a range: one that holds no key of the history still is asked about."""


def touched(operation: Operation) -> tuple[list[bytes], list[Range]]:
    """The keys and the ranges that an operation names."""
    match operation.function:
        case "range" | "prefix" | "delete_range":
            return [], [bounds(operation.function, operation.argument)[:2]]
        case "txn":
            comparisons, then, otherwise = transaction_of(operation)
            keys = [encoded(key) for _, key, _, _ in comparisons]
            ranges = []
            for kind, *arguments in (*then, *otherwise):
                if kind in ("range", "prefix", "delete_range"):
                    ranges.append(bounds(str(kind), tuple(arguments))[:2])
                else:
                    keys.append(encoded(arguments[0]))
            return keys, ranges
    return [encoded(operation.key)], []


def values(operation: Operation) -> tuple[object, ...]:
    """What an operation writes, if it is carried out."""
    match operation.function:
        case "put":
            return (operation.argument,)
        case "cas" | "cas_revision":
            return swap_of(operation)[1:]
        case "txn":
            _, then, otherwise = transaction_of(operation)
            return tuple(one[2] for one in (*then, *otherwise) if one[0] == "put")
    return ()


def partition(operations: Sequence[Operation]) -> Iterator[tuple[Key, Sequence[Operation]]]:
    """The operations of each part, in their order, and its name."""
    named = [touched(operation) for operation in operations]
    every_key = sorted({key for keys, _ in named for key in keys})
    sets = _Sets()
    widest: Range | None = None
    for range in sorted({range for _, ranges in named for range in ranges}):
        for key in every_key[slice(*_positions(every_key, range))]:
            sets.join(range, key)
        start, end = range
        if end and end <= start:
            continue
        # A key from before the history may lie where two overlap, and no operation need name it.
        if widest is not None and (not widest[1] or start < widest[1]):
            sets.join(range, widest)
        if widest is None or (widest[1] and (not end or end > widest[1])):
            widest = range
    for keys, ranges in named:
        nodes: list[Node] = [*keys, *ranges]
        for node in nodes[1:]:
            sets.join(nodes[0], node)
    parts: dict[Node | None, list[Operation]] = {}
    for operation, (keys, ranges) in zip(operations, named):
        first: Node | None = keys[0] if keys else ranges[0] if ranges else None
        parts.setdefault(None if first is None else sets.root(first), []).append(operation)
    members: dict[Node, list[bytes]] = {}
    for key in every_key:
        members.setdefault(sets.root(key), []).append(key)
    for root, part in parts.items():
        yield _name(members.get(root, []) if root is not None else []), part


def membership(operations: Sequence[Operation]) -> Callable[[bytes], bool]:
    """Whether a key belongs to the part that has these operations."""
    keys: set[bytes] = set()
    ranges: set[Range] = set()
    for operation in operations:
        named, spans = touched(operation)
        keys.update(named)
        ranges.update(spans)
    return lambda key: key in keys or any(start <= key and (not end or key < end) for start, end in ranges)


def _positions(keys: list[bytes], range: Range) -> tuple[int, int]:
    start, end = range
    return bisect_left(keys, start), bisect_left(keys, end) if end else len(keys)


def _name(keys: list[bytes]) -> Key:
    if len(keys) < 2:
        return readable(keys[0]) if keys else None
    more = len(keys) - KEYS_NAMED_MAX
    return ", ".join(str(readable(key)) for key in keys[:KEYS_NAMED_MAX]) + (f" and {more} more" if more > 0 else "")


class _Sets:
    """Union-find over keys and ranges, with path halving."""

    def __init__(self) -> None:
        self._parents: dict[Node, Node] = {}

    def root(self, node: Node) -> Node:
        parents = self._parents
        while (parent := parents.get(node, node)) != node:
            parents[node] = node = parents.get(parent, parent)
        return node

    def join(self, one: Node, other: Node) -> None:
        self._parents[self.root(one)] = self.root(other)
