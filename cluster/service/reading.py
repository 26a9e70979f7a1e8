"""Answers as bytes: pairs and ranges, as they stand in the results of queries and of transactions.

An Answer is a result without its revision, which a transaction knows only at its end: (array size, fields after the revision).
"""

from itertools import islice

from quorate.cluster.service import commands
from quorate.cluster.service.limits import RANGE_BYTES_MAX, RANGE_ITEMS_MAX
from quorate.cluster.service.store import HAS_LEASE, Past, Store, fields, pack, packer

Answer = tuple[int, bytes]

NOTHING = b"\xc0"
"""An absent pair: nil."""

_PAIR = b"\x92"
_ARRAY = 0x90
_OK = 0


def finish(answer: Answer, revision: int) -> bytes:
    """The result bytes [0, revision, ...] of an answer."""
    size, rest = answer
    return bytes((_ARRAY + size, _OK)) + pack(revision) + rest


def pair(key: bytes, record: bytes | None) -> bytes:
    """[key, record], or nil."""
    return NOTHING if record is None else _PAIR + pack(key) + record


def pairs(parts: list[bytes]) -> bytes:
    """The array of some packed pairs."""
    header: bytes = packer.pack_array_header(len(parts))
    return header + b"".join(parts)


def got(key: bytes, record: bytes | None) -> Answer:
    return 3, pair(key, record)


def ranged(store: Store, start: bytes, end: bytes, limit: int, flags: int, overlay: Past) -> Answer:
    """The answer of a range with `overlay` laid over the store: the past, or what a transaction has written so far."""
    total = store.count(start, end, overlay)
    if flags & commands.COUNT_ONLY:
        return 5, pack(total) + pack(False) + pairs([])
    most = min(limit or RANGE_ITEMS_MAX, RANGE_ITEMS_MAX)
    parts: list[bytes] = []
    size = 0
    records = store.records
    keys_only = bool(flags & commands.KEYS_ONLY)
    for key in islice(store.keys(start, end, overlay, descending=bool(flags & commands.DESCENDING)), most):
        record = overlay[key] if overlay and key in overlay else records[key]
        assert record is not None, key
        part = _PAIR + pack(key) + (_without_value(record) if keys_only else record)
        size += len(part)
        if size > RANGE_BYTES_MAX and parts:
            break
        parts.append(part)
    return 5, pack(total) + pack(len(parts) < total) + pairs(parts)


def _without_value(record: bytes) -> bytes:
    _, *rest = fields(record)
    stripped: bytes = pack((b"", *rest) if record[0] == HAS_LEASE else (b"", *rest[:3]))
    return stripped
