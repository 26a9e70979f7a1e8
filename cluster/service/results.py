"""Results of the coordination service: typed values for callers, and the errors that a result may be.

On the wire a result is a msgpack array: [0, ...] when the operation was carried out, [status, message, number] when it was
refused. A refusal changes nothing, so all of these errors are definite. A key-value pair is [key, record]; a record is
[value, create_revision, mod_revision, version] and the lease if it has one: the very bytes that the machine stores.
"""

from collections.abc import Callable
from typing import NamedTuple

from msgpack import packb, unpackb

from quorate.cluster.service.commands import DELETE, DELETE_RANGE, GET, PUT, RANGE
from quorate.cluster.wire.errors import BadRequest, Compacted, LeaseNotFound, QuorateError, TooLarge

OK = 0
BAD_REQUEST = 1
TOO_LARGE = 2
COMPACTED = 3
FUTURE_REVISION = 4
LEASE_NOT_FOUND = 5
LEASE_EXISTS = 6
LIMIT_REACHED = 7


class FutureRevision(QuorateError):
    """That revision does not exist yet here; read without one, or wait for it."""


class LeaseExists(QuorateError):
    """A lease with that id is alive; choose another id, or let the service choose."""


class LimitReached(QuorateError):
    """The store holds as many of these as it may; remove some first."""


class KeyValue(NamedTuple):
    """A key as one revision saw it. `version` counts its puts since it was created, `lease` is 0 for none."""

    key: bytes
    value: bytes
    create_revision: int
    mod_revision: int
    version: int
    lease: int = 0

    @property
    def text(self) -> str:
        """The value as UTF-8 text. UnicodeDecodeError if it is none."""
        return self.value.decode()


class PutResult(NamedTuple):
    """`previous` only if it was asked for and there was one."""

    revision: int
    previous: KeyValue | None = None


class DeleteResult(NamedTuple):
    """`revision` is the store's, raised only if something was deleted. `more`: the limit left keys in the range."""

    revision: int
    deleted: int
    more: bool
    previous: tuple[KeyValue, ...] = ()


class SwapResult(NamedTuple):
    """`current` is what the key holds now: the new pair if it succeeded, else what stood in the way (None: absent)."""

    succeeded: bool
    revision: int
    current: KeyValue | None


class GetResult(NamedTuple):
    """`revision` is the store's when it was read; the next write has a higher one."""

    revision: int
    item: KeyValue | None


class RangeResult(NamedTuple):
    """`total` counts all keys of the range; `more`: the limits left some out. Go on from the last key + b"\\0"."""

    revision: int
    total: int
    more: bool
    items: tuple[KeyValue, ...]


class TxnResult(NamedTuple):
    """One result per operation of the branch that ran, in order."""

    succeeded: bool
    revision: int
    results: tuple[PutResult | DeleteResult | GetResult | RangeResult, ...]


class LeaseGranted(NamedTuple):
    """The lease lives at least `ttl_ms` after its grant or its last keep-alive."""

    id: int
    ttl_ms: int


class LeaseRevoked(NamedTuple):
    """It is gone, and `deleted` keys with it."""

    revision: int
    deleted: int


class LeaseInfo(NamedTuple):
    """`keys` only if they were asked for."""

    id: int
    ttl_ms: int
    key_count: int
    keys: tuple[bytes, ...] = ()


class LeaseList(NamedTuple):
    """`more`: ask again after the last id."""

    ids: tuple[int, ...]
    more: bool


class CompactResult(NamedTuple):
    """Reads from `compacted` on and watches from the revision after it still work."""

    revision: int
    compacted: int


class Stats(NamedTuple):
    """`bytes` counts keys and records, `history_events` and `history_bytes` what is kept of the past."""

    revision: int
    compacted: int
    keys: int
    bytes: int
    leases: int
    history_events: int
    history_bytes: int


class WatchEvent(NamedTuple):
    """One change. `current` is None if the key was deleted; `previous` only if it was asked for and there was one."""

    revision: int
    key: bytes
    current: KeyValue | None
    previous: KeyValue | None = None


class WatchBatch(NamedTuple):
    """With this batch everything up to `revision` has been delivered: resume from `revision + 1`. After a batch that ends
    within a revision, its `revision` is the one before: resume there, and skip as many events of the next as you have seen."""

    revision: int
    events: tuple[WatchEvent, ...]


Record = tuple[bytes, int, int, int] | tuple[bytes, int, int, int, int]
Pair = tuple[bytes, Record]
"""What a decoded result holds. Its shape is trusted: it comes from a node that has passed its handshake."""


def refusal(status: int, message: str, number: int = 0) -> bytes:
    """The bytes of a result that is an error."""
    packed: bytes = packb((status, message, number))
    return packed


def error_of(data: bytes) -> QuorateError | None:
    """The error that these result bytes are, or None."""
    result = unpackb(data, use_list=False)
    return _error(*result) if result[0] else None


def decode_put(data: bytes) -> PutResult:
    result = unpackb(data, use_list=False)
    if result[0]:
        raise _error(*result)
    if len(result) == 2:
        return PutResult(result[1])
    return PutResult(result[1], _pair(result[2]))


def decode_get(data: bytes) -> GetResult:
    result = unpackb(data, use_list=False)
    if result[0]:
        raise _error(*result)
    pair = result[2]
    return GetResult(result[1], None if pair is None else KeyValue(pair[0], *pair[1]))


def decode_delete(data: bytes) -> DeleteResult:
    result = unpackb(data, use_list=False)
    if result[0]:
        raise _error(*result)
    return _delete(*result)


def decode_swap(data: bytes) -> SwapResult:
    result = unpackb(data, use_list=False)
    if result[0]:
        raise _error(*result)
    _, succeeded, revision, pair = result
    return SwapResult(succeeded, revision, _pair(pair))


def decode_range(data: bytes) -> RangeResult:
    result = unpackb(data, use_list=False)
    if result[0]:
        raise _error(*result)
    return _range(*result)


def decode_transaction(data: bytes) -> TxnResult:
    result = unpackb(data, use_list=False)
    if result[0]:
        raise _error(*result)
    _, succeeded, revision, nested = result
    return TxnResult(succeeded, revision, tuple(_NESTED[operation](*body) for operation, body in nested))


def decode_lease_grant(data: bytes) -> LeaseGranted:
    return LeaseGranted(*_numbers(data))


def decode_lease_revoke(data: bytes) -> LeaseRevoked:
    return LeaseRevoked(*_numbers(data))


def decode_lease(data: bytes) -> LeaseInfo:
    result = unpackb(data, use_list=False)
    if result[0]:
        raise _error(*result)
    _, id, ttl_ms, key_count, keys = result
    return LeaseInfo(id, ttl_ms, key_count, keys)


def decode_leases(data: bytes) -> LeaseList:
    result = unpackb(data, use_list=False)
    if result[0]:
        raise _error(*result)
    _, ids, more = result
    return LeaseList(ids, more)


def decode_compact(data: bytes) -> CompactResult:
    return CompactResult(*_numbers(data))


def decode_stats(data: bytes) -> Stats:
    return Stats(*_numbers(data))


def decode_batch(data: bytes) -> WatchBatch:
    """What a watch delivers; a batch is never an error."""
    revision, rows = unpackb(data, use_list=False)
    return WatchBatch(revision, tuple(_event(*row) for row in rows))


def _event(revision: int, key: bytes, record: Record | None, previous: Record | None) -> WatchEvent:
    current = None if record is None else KeyValue(key, *record)
    return WatchEvent(revision, key, current, None if previous is None else KeyValue(key, *previous))


def _numbers(data: bytes) -> tuple[int, ...]:
    """The fields of a result that is nothing but ints, in the order of its type."""
    result = unpackb(data, use_list=False)
    if result[0]:
        raise _error(*result)
    numbers: tuple[int, ...] = result[1:]
    return numbers


def _pair(pair: Pair | None) -> KeyValue | None:
    return None if pair is None else KeyValue(pair[0], *pair[1])


def _put(_: int, revision: int, previous: Pair | None = None) -> PutResult:
    return PutResult(revision, _pair(previous))


def _get(_: int, revision: int, pair: Pair | None) -> GetResult:
    return GetResult(revision, _pair(pair))


def _delete(_: int, revision: int, deleted: int, more: bool, previous: tuple[Pair, ...]) -> DeleteResult:
    return DeleteResult(revision, deleted, more, tuple(KeyValue(key, *record) for key, record in previous))


def _range(_: int, revision: int, total: int, more: bool, pairs: tuple[Pair, ...]) -> RangeResult:
    return RangeResult(revision, total, more, tuple(KeyValue(key, *record) for key, record in pairs))


_NESTED: dict[int, Callable[..., PutResult | DeleteResult | GetResult | RangeResult]] = {
    PUT: _put,
    DELETE: _delete,
    DELETE_RANGE: _delete,
    GET: _get,
    RANGE: _range,
}


def _error(status: int, message: str, number: int) -> QuorateError:
    if status == COMPACTED:
        return Compacted(message, revision=number)
    return _ERRORS[status](message)


_ERRORS: dict[int, type[QuorateError]] = {
    BAD_REQUEST: BadRequest,
    TOO_LARGE: TooLarge,
    FUTURE_REVISION: FutureRevision,
    LEASE_NOT_FOUND: LeaseNotFound,
    LEASE_EXISTS: LeaseExists,
    LIMIT_REACHED: LimitReached,
}
