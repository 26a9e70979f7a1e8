"""Writes in the making: everything but the plain put is drafted first and written whole.

The rule: a draft sees the store with its own changes laid over; nothing reaches the store before the last check has
passed. A draft that is refused is simply dropped.
"""

from itertools import islice

from quorate.cluster.service import commands
from quorate.cluster.service.checks import (
    Refusal,
    bad,
    checked_bound,
    checked_key,
    checked_number,
    checked_value,
)
from quorate.cluster.service.commands import Relation, Target
from quorate.cluster.service.limits import (
    DELETED_KEYS_MAX,
    LEASE_KEYS_MAX,
    RANGE_BYTES_MAX,
    TXN_OPERATIONS_MAX,
)
from quorate.cluster.service.reading import Answer, finish, got, pair, pairs, ranged
from quorate.cluster.service.results import LEASE_NOT_FOUND, LIMIT_REACHED, TOO_LARGE
from quorate.cluster.service.store import Past, Store, fields, make_record, pack


class Draft:
    """The changes of one write, with the revision that they will have."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._revision = store.revision + 1
        self.changes: Past = {}
        self._attached: dict[int, set[bytes]] = {}
        self._deleted = 0
        self._answered = 0

    def run(self, operation: object) -> Answer:
        """Draft one put, delete, delete_range, get or range."""
        match operation:
            case [commands.PUT, key, value]:
                return self._put(checked_key(key), checked_value(value), 0, 0)
            case [commands.PUT, key, value, lease, int(flags)]:
                return self._put(checked_key(key), checked_value(value), checked_number(lease, "a lease id"), flags)
            case [commands.GET, key]:
                key = checked_key(key)
                return self._answer(got(key, self.record(key)))
            case [commands.DELETE, key]:
                return self._delete([checked_key(key)], 0)
            case [commands.DELETE, key, int(flags)]:
                return self._delete([checked_key(key)], flags)
            case [commands.DELETE_RANGE, start, end, limit, int(flags)]:
                return self._delete_range(checked_bound(start), checked_bound(end), checked_number(limit, "a limit"), flags)
            case [commands.RANGE, start, end, limit, 0, int(flags)]:
                start, end = checked_bound(start), checked_bound(end)
                limit = checked_number(limit, "a limit")
                return self._answer(ranged(self._store, start, end, limit, flags, self._within(start, end)))
            case _:
                raise bad("an operation is a put, delete, delete_range, or a get or range without a revision")

    def record(self, key: bytes) -> bytes | None:
        """A key's record as this draft has it."""
        return self.changes[key] if key in self.changes else self._store.records.get(key)

    def put(self, key: bytes, value: bytes, lease: int) -> None:
        if lease:
            self._attach(key, lease)
        self.changes[key] = make_record(value, self._revision, self.record(key), lease)

    def delete(self, key: bytes) -> bool:
        """True if it was there."""
        if self.record(key) is None:
            return False
        self._deleted += 1
        if self._deleted > DELETED_KEYS_MAX:
            message = f"more than {DELETED_KEYS_MAX} keys to delete at once; delete them in pieces, with a limit"
            raise Refusal(TOO_LARGE, message, DELETED_KEYS_MAX)
        self.changes[key] = None
        return True

    def _put(self, key: bytes, value: bytes, lease: int, flags: int) -> Answer:
        old = self.record(key)
        if flags & commands.KEEP_LEASE:
            lease = fields(old)[4] if old is not None else 0
        self.put(key, value, lease)
        if flags & commands.PREVIOUS:
            return self._answer((3, pair(key, old)))
        return 2, b""

    def _delete_range(self, start: bytes, end: bytes, limit: int, flags: int) -> Answer:
        # One more than may go, so that `delete` refuses where no limit was given.
        most = min(limit, DELETED_KEYS_MAX) if limit else DELETED_KEYS_MAX + 1
        overlay = self._within(start, end)
        total = self._store.count(start, end, overlay)
        keys = list(islice(self._store.keys(start, end, overlay), most))
        return self._delete(keys, flags, more=len(keys) < total)

    def _delete(self, keys: list[bytes], flags: int, *, more: bool = False) -> Answer:
        found: list[bytes] = []
        deleted = 0
        for key in keys:
            if flags & commands.PREVIOUS and (old := self.record(key)) is not None:
                found.append(pair(key, old))
            deleted += self.delete(key)
        return self._answer((5, pack(deleted) + pack(more) + pairs(found)))

    def _within(self, start: bytes, end: bytes) -> Past:
        return {key: record for key, record in self.changes.items() if start <= key and (not end or key < end)}

    def _attach(self, key: bytes, id: int) -> None:
        lease = self._store.leases.get(id)
        if lease is None:
            raise Refusal(LEASE_NOT_FOUND, f"lease {id} has expired, was revoked, or was never granted", id)
        if key in lease.keys:
            return
        attached = self._attached.setdefault(id, set())
        attached.add(key)
        if len(lease.keys) + len(attached) > LEASE_KEYS_MAX:
            raise Refusal(LIMIT_REACHED, f"lease {id} has {LEASE_KEYS_MAX} keys, the most there may be", LEASE_KEYS_MAX)

    def _answer(self, answer: Answer) -> Answer:
        """Count what an answer carries: a transaction's must fit in one reply, and one item always does."""
        size = len(answer[1])
        if self._answered and self._answered + size > RANGE_BYTES_MAX:
            raise Refusal(TOO_LARGE, f"the answers are over {RANGE_BYTES_MAX} bytes; ask for less at once", RANGE_BYTES_MAX)
        self._answered += size
        return answer


def transact(store: Store, comparisons: object, then: object, otherwise: object) -> bytes:
    """Carry out a transaction; gives the bytes of its TxnResult."""
    if type(comparisons) is not list or type(then) is not list or type(otherwise) is not list:
        raise bad("a transaction is three lists: comparisons, operations, and operations otherwise")
    count = len(comparisons) + len(then) + len(otherwise)
    if count > TXN_OPERATIONS_MAX:
        raise Refusal(TOO_LARGE, f"a transaction of {count} operations; at most {TXN_OPERATIONS_MAX}", TXN_OPERATIONS_MAX)
    # Every comparison is checked before any decides, so that a malformed one is an error whatever the others say.
    outcomes = [_holds(store, comparison) for comparison in comparisons]
    succeeded = all(outcomes)
    draft = Draft(store)
    operations = then if succeeded else otherwise
    answers = [(operation[0], draft.run(operation)) for operation in operations if _is_operation(operation)]
    revision = store.write(draft.changes.items())
    results = [b"\x92" + pack(kind) + finish(answer, revision) for kind, answer in answers]
    head: bytes = pack(succeeded) + pack(revision)
    return b"\x94\x00" + head + pairs(results)


def swap(store: Store, key: bytes, expected: object, value: object, lease: int) -> bytes:
    """Carry out a compare-and-swap; gives the bytes of its SwapResult."""
    draft = Draft(store)
    current = store.records.get(key)
    match expected:
        case None | 0:
            succeeded = current is None
        case int():
            succeeded = current is not None and fields(current)[2] == expected
        case bytes():
            succeeded = current is not None and fields(current)[0] == expected
        case _:
            raise bad("what a swap expects is a value, a mod revision, or nil for absent")
    if succeeded and value is None:
        draft.delete(key)
    elif succeeded:
        draft.put(key, checked_value(value), lease)
    elif value is not None:
        checked_value(value)
    revision = store.write(draft.changes.items())
    head: bytes = pack(succeeded) + pack(revision)
    return b"\x94\x00" + head + pair(key, draft.record(key))


def _is_operation(operation: object) -> bool:
    if type(operation) is not list or not operation or type(operation[0]) is not int:
        raise bad("an operation is an array that begins with its number")
    return True


def _holds(store: Store, comparison: object) -> bool:
    match comparison:
        case [int(target), key, int(relation), (bytes() | int()) as operand] if target in _TARGETS and relation in _RELATIONS:
            record = store.records.get(checked_key(key))
        case _:
            raise bad("a comparison is (target, key, relation, operand)")
    if (target == Target.VALUE) != isinstance(operand, bytes):
        raise bad("a value is compared with bytes, everything else with an integer")
    if target == Target.VALUE and record is None:
        return relation == Relation.NOT_EQUAL
    held = _target(record, target)
    match relation:
        case Relation.EQUAL:
            return held == operand
        case Relation.NOT_EQUAL:
            return held != operand
        case Relation.LESS:
            return held < operand  # type: ignore[operator]
        case _:
            return held > operand  # type: ignore[operator]


def _target(record: bytes | None, target: int) -> bytes | int:
    """What a comparison looks at; zeros for an absent key."""
    value, created, modified, version, lease = (b"", 0, 0, 0, 0) if record is None else fields(record)
    return (value, version, created, modified, lease)[target]


_TARGETS = frozenset(Target)
_RELATIONS = frozenset(Relation)
