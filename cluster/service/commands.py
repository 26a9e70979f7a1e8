"""Commands and queries of the coordination service as bytes: one msgpack array each, [operation, ...].

The rule: the common forms are the shortest. A plain put is [PUT, key, value], a plain get is [GET, key]; options only
lengthen the array. Makers such as `put` and `get` give an Operation, a plain tuple; `encode` makes bytes of it; a
transaction takes Operations. `results` decodes the answers.

Ranges are half-open, [start, end). An empty `end` is no upper bound, so ("", "") is every key. A single key is not a
range; `prefix(p)` is the range of all keys that begin with p. Revision 0 in a query means now.
"""

from enum import IntEnum

from msgpack import Packer, unpackb

Operation = tuple[object, ...]
"""One command or query: its operation number and its arguments. Only `encode` and the machine look inside."""

PUT = 1
DELETE = 2
DELETE_RANGE = 3
SWAP = 4
TXN = 5
LEASE_GRANT = 6
LEASE_REVOKE = 7
LEASE_EXPIRE = 8
COMPACT = 9

GET = 16
RANGE = 17
LEASE = 18
LEASES = 19
STATS = 20

PREVIOUS = 1
"""Flag of put and the deletes: the result carries what was there before."""
KEEP_LEASE = 2
"""Flag of put: the key stays on the lease it is on."""

KEYS_ONLY = 1
"""Flag of range: values come back empty."""
COUNT_ONLY = 2
"""Flag of range: no items, only their count."""
DESCENDING = 4
"""Flag of range: the largest key first."""


class Target(IntEnum):
    """What of a key a transaction compares. An absent key has version, revisions and lease 0, and no value."""

    VALUE = 0
    VERSION = 1
    CREATE_REVISION = 2
    MOD_REVISION = 3
    LEASE = 4


class Relation(IntEnum):
    """How. A value that is absent differs from every value and is neither less nor greater."""

    EQUAL = 0
    NOT_EQUAL = 1
    LESS = 2
    GREATER = 3


Comparison = tuple[int, bytes, int, bytes | int]
"""(target, key, relation, operand): the operand is bytes for Target.VALUE and an int otherwise."""

encode = Packer(autoreset=True, use_bin_type=True).pack
"""The bytes of an Operation. One Packer for all: it never calls back into Python, so nothing can interleave."""


def decode(data: bytes) -> Operation:
    """The Operation of some bytes, for tools that print commands. ValueError if they are none."""
    operation = unpackb(data, use_list=False)
    if type(operation) is not tuple or not operation or type(operation[0]) is not int:
        raise ValueError("a command is an array that begins with its operation number")
    return operation


def prefix(beginning: bytes) -> tuple[bytes, bytes]:
    """(start, end) of the range of all keys that begin so."""
    stem = beginning.rstrip(b"\xff")
    if not stem:
        return beginning, b""  # nothing sorts after a run of 0xff: no upper bound
    return beginning, stem[:-1] + bytes((stem[-1] + 1,))


def single(key: bytes) -> tuple[bytes, bytes]:
    """(start, end) of the range that holds just this key, for watches."""
    return key, key + b"\0"


def put(key: bytes, value: bytes, *, lease: int = 0, keep_lease: bool = False, previous: bool = False) -> Operation:
    """Set a key. `lease` ties it to a lease, 0 to none, unless `keep_lease`. Gives a PutResult."""
    flags = (PREVIOUS if previous else 0) | (KEEP_LEASE if keep_lease else 0)
    if lease or flags:
        return PUT, key, value, lease, flags
    return PUT, key, value


def delete(key: bytes, *, previous: bool = False) -> Operation:
    """Remove a key; an absent one is no error. Gives a DeleteResult."""
    return (DELETE, key, PREVIOUS) if previous else (DELETE, key)


def delete_range(start: bytes, end: bytes, *, limit: int = 0, previous: bool = False) -> Operation:
    """Remove the first `limit` keys of a range, or all with 0. Refused as TooLarge where that is more than
    limits.DELETED_KEYS_MAX keys. Gives a DeleteResult."""
    return DELETE_RANGE, start, end, limit, PREVIOUS if previous else 0


def compare_and_swap(key: bytes, expected: bytes | int | None, value: bytes | None, *, lease: int = 0) -> Operation:
    """Set the key to `value` (None: delete it) if it is as expected: bytes mean its value, an int its mod revision,
    None (or 0) that it is absent. Gives a SwapResult."""
    return SWAP, key, expected, value, lease


def compare(key: bytes, target: Target, relation: Relation, operand: bytes | int) -> Comparison:
    """One condition of a transaction."""
    return int(target), key, int(relation), operand


def absent(key: bytes) -> Comparison:
    """The condition that a key does not exist."""
    return int(Target.VERSION), key, int(Relation.EQUAL), 0


def transaction(comparisons: list[Comparison], then: list[Operation], otherwise: list[Operation] | None = None) -> Operation:
    """If all comparisons hold do `then`, else `otherwise`, as one write with one revision. Both are lists of put, delete,
    delete_range, get and range at revision 0; each sees the ones before it. Gives a TxnResult."""
    return TXN, comparisons, then, otherwise or []


def lease_grant(ttl_ms: int, *, id: int = 0) -> Operation:
    """Make a lease. With id 0 the log chooses one that was never used; an id of your own is at least
    limits.CHOSEN_LEASE_ID_MIN. Gives a LeaseGranted."""
    return LEASE_GRANT, ttl_ms, id


def lease_revoke(id: int) -> Operation:
    """End a lease and delete its keys in one revision. Gives a LeaseRevoked."""
    return LEASE_REVOKE, id


def lease_expire(id: int, granted: int, term: int) -> Operation:
    """The leader of `term` found the lease that entry `granted` made overdue. Only StateMachine.due proposes it: it does
    nothing in another term, or to a later lease of the same id. Gives a LeaseRevoked."""
    return LEASE_EXPIRE, id, granted, term


def compact(revision: int) -> Operation:
    """Forget the history before `revision`: reads at it still work, reads below are Compacted. Gives a CompactResult."""
    return COMPACT, revision


def get(key: bytes, *, revision: int = 0) -> Operation:
    """Query: one key, now or as it was at a revision. Gives a GetResult."""
    return (GET, key, revision) if revision else (GET, key)


def range(
    start: bytes,
    end: bytes,
    *,
    limit: int = 0,
    revision: int = 0,
    keys_only: bool = False,
    count_only: bool = False,
    descending: bool = False,
) -> Operation:
    """Query: the keys of a range in order, at most `limit` (0: as many as one reply holds). Gives a RangeResult."""
    flags = (KEYS_ONLY if keys_only else 0) | (COUNT_ONLY if count_only else 0) | (DESCENDING if descending else 0)
    return RANGE, start, end, limit, revision, flags


def lease(id: int, *, keys: bool = False) -> Operation:
    """Query: a lease's TTL and how many keys are on it, or with `keys` which. Gives a LeaseInfo."""
    return LEASE, id, keys


def leases(*, after: int = 0) -> Operation:
    """Query: the ids of the leases above `after`, in order, as many as one reply holds. Gives a LeaseList."""
    return LEASES, after


def stats() -> Operation:
    """Query: sizes and revisions. Gives a Stats."""
    return (STATS,)


def watch(start: bytes, end: bytes, *, from_revision: int = 0, previous: bool = False) -> Operation:
    """Changes of [start, end), or of all keys from `start` on if `end` is empty. `from_revision` 0: all that come after now."""
    return (start, end, from_revision, previous)
