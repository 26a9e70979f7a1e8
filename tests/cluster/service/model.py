"""A naive key-value store to compare with: a full copy of all keys per revision, and results as the client decodes them."""

from collections.abc import Callable

from quorate.cluster.service import commands, results
from quorate.cluster.service.commands import Operation, Relation, Target
from quorate.cluster.service.results import (
    CompactResult,
    DeleteResult,
    FutureRevision,
    GetResult,
    KeyValue,
    LeaseExists,
    LeaseGranted,
    LeaseInfo,
    LeaseList,
    LeaseRevoked,
    PutResult,
    RangeResult,
    SwapResult,
    TxnResult,
    WatchEvent,
)
from quorate.cluster.wire.errors import Compacted, LeaseNotFound, QuorateError

State = dict[bytes, KeyValue]
Answer = Callable[[int], PutResult | DeleteResult | GetResult | RangeResult]
"""What an operation answers, once the revision is known."""

DECODERS: dict[int, Callable[[bytes], object]] = {
    commands.PUT: results.decode_put,
    commands.DELETE: results.decode_delete,
    commands.DELETE_RANGE: results.decode_delete,
    commands.SWAP: results.decode_swap,
    commands.TXN: results.decode_transaction,
    commands.LEASE_GRANT: results.decode_lease_grant,
    commands.LEASE_REVOKE: results.decode_lease_revoke,
    commands.LEASE_EXPIRE: results.decode_lease_revoke,
    commands.COMPACT: results.decode_compact,
    commands.GET: results.decode_get,
    commands.RANGE: results.decode_range,
    commands.LEASE: results.decode_lease,
    commands.LEASES: results.decode_leases,
    commands.STATS: results.decode_stats,
}


def outcome(operation: Operation, data: bytes) -> object:
    """What a client would see: the typed result, or the class of the error it would be raised as."""
    number = operation[0]
    assert isinstance(number, int)
    try:
        return DECODERS[number](data)
    except QuorateError as error:
        return type(error)


class Refused(Exception):
    def __init__(self, kind: type[QuorateError]) -> None:
        super().__init__(kind.__name__)
        self.kind = kind


class Model:
    def __init__(self) -> None:
        self.states: list[State] = [{}]
        """One per revision."""
        self.compacted = 0
        self.leases: dict[int, tuple[int, int]] = {}
        """Id: (ttl, granted)."""

    @property
    def revision(self) -> int:
        return len(self.states) - 1

    @property
    def now(self) -> State:
        return self.states[-1]

    def outcome(self, operation: Operation, index: int = 0, term: int = 1) -> object:
        """What carrying out a command or query gives; the state changes with it."""
        try:
            return self._run(operation, index, term)
        except Refused as refused:
            return refused.kind

    def events(self, revision: int) -> list[WatchEvent]:
        """The changes of one revision, in any order."""
        before, after = self.states[revision - 1], self.states[revision]
        changed = [key for key in {*before, *after} if before.get(key) != after.get(key)]
        return [WatchEvent(revision, key, after.get(key), before.get(key)) for key in changed]

    def _run(self, operation: Operation, index: int, term: int) -> object:
        match operation:
            case (commands.SWAP, bytes() as key, expected, value, int() as lease):
                return self._swap(key, expected, value, lease)
            case (commands.TXN, list() as comparisons, list() as then, list() as otherwise):
                succeeded = all(self._holds(*comparison) for comparison in comparisons)
                draft = dict(self.now)
                answers = [self._operate(draft, one) for one in (then if succeeded else otherwise)]
                revision = self._commit(draft)
                return TxnResult(succeeded, revision, tuple(answer(revision) for answer in answers))
            case (commands.LEASE_GRANT, int() as ttl_ms, int() as id):
                if (id or index) in self.leases:
                    raise Refused(LeaseExists)
                self.leases[id or index] = (ttl_ms, index)
                return LeaseGranted(id or index, ttl_ms)
            case (commands.LEASE_REVOKE, int() as id):
                self._lease(id)
                return self._end(id)
            case (commands.LEASE_EXPIRE, int() as id, int() as granted, int() as judged):
                if self._lease(id)[1] != granted or judged != term:
                    raise Refused(LeaseNotFound)
                return self._end(id)
            case (commands.COMPACT, int() as revision):
                self._at(revision)
                self.compacted = max(revision, self.compacted)
                return CompactResult(self.revision, self.compacted)
            case (commands.LEASE, int() as id, keys):
                ttl_ms, _ = self._lease(id)
                held = tuple(sorted(key for key, item in self.now.items() if item.lease == id))
                return LeaseInfo(id, ttl_ms, len(held), held if keys else ())
            case (commands.LEASES, int() as after):
                return LeaseList(tuple(sorted(id for id in self.leases if id > after)), False)
            case (commands.GET | commands.RANGE, *_):
                return self._operate(dict(self.now), operation)(self.revision)
            case _:
                draft = dict(self.now)
                answer = self._operate(draft, operation)
                return answer(self._commit(draft))

    def _operate(self, draft: State, operation: Operation) -> Answer:
        """Do one operation to a draft."""
        match operation:
            case (commands.PUT, bytes() as key, bytes() as value):
                self._put(draft, key, value, 0)
                return PutResult
            case (commands.PUT, bytes() as key, bytes() as value, int() as lease, int() as flags):
                old = draft.get(key)
                if flags & commands.KEEP_LEASE:
                    lease = old.lease if old else 0
                self._put(draft, key, value, lease)
                return lambda revision: PutResult(revision, old if flags & commands.PREVIOUS else None)
            case (commands.DELETE, bytes() as key, *flag):
                found = tuple(draft.pop(one) for one in [key] if one in draft)
                return lambda revision: DeleteResult(revision, len(found), False, found if flag else ())
            case (commands.DELETE_RANGE, bytes() as start, bytes() as end, int() as limit, int() as flags):
                keys = within(draft, start, end)
                chosen = keys[:limit] if limit else keys
                gone = tuple(draft.pop(one) for one in chosen)
                return lambda revision: DeleteResult(revision, len(gone), len(gone) < len(keys), gone if flags else ())
            case (commands.GET, bytes() as key):
                item = draft.get(key)
                return lambda revision: GetResult(revision, item)
            case (commands.GET, bytes() as key, int() as at):
                item = (self._at(at) if at else draft).get(key)
                return lambda revision: GetResult(revision, item)
            case (commands.RANGE, bytes() as start, bytes() as end, int() as limit, int() as at, int() as flags):
                return self._range(self._at(at) if at else draft, start, end, limit, flags)
            case _:
                raise AssertionError(operation)

    def _range(self, state: State, start: bytes, end: bytes, limit: int, flags: int) -> Answer:
        items = [state[key] for key in within(state, start, end)]
        total = len(items)
        if flags & commands.COUNT_ONLY:
            return lambda revision: RangeResult(revision, total, False, ())
        if flags & commands.DESCENDING:
            items.reverse()
        if flags & commands.KEYS_ONLY:
            items = [item._replace(value=b"") for item in items]
        chosen = tuple(items[:limit] if limit else items)
        return lambda revision: RangeResult(revision, total, len(chosen) < total, chosen)

    def _put(self, draft: State, key: bytes, value: bytes, lease: int) -> None:
        if lease:
            self._lease(lease)
        old = draft.get(key)
        revision = self.revision + 1
        draft[key] = KeyValue(key, value, old.create_revision if old else revision, revision, (old.version if old else 0) + 1, lease)

    def _swap(self, key: bytes, expected: object, value: object, lease: int) -> SwapResult:
        current = self.now.get(key)
        if isinstance(expected, bytes):
            succeeded = current is not None and current.value == expected
        else:
            succeeded = (current.mod_revision if current else 0) == (expected or 0)
        draft = dict(self.now)
        if succeeded and isinstance(value, bytes):
            self._put(draft, key, value, lease)
        elif succeeded:
            draft.pop(key, None)
        revision = self._commit(draft)
        return SwapResult(succeeded, revision, self.now.get(key))

    def _holds(self, target: int, key: bytes, relation: int, operand: bytes | int) -> bool:
        item = self.now.get(key)
        if target == Target.VALUE and item is None:
            return relation == Relation.NOT_EQUAL
        held: bytes | int
        match target:
            case Target.VALUE:
                assert item is not None
                held = item.value
            case Target.VERSION:
                held = item.version if item else 0
            case Target.CREATE_REVISION:
                held = item.create_revision if item else 0
            case Target.MOD_REVISION:
                held = item.mod_revision if item else 0
            case _:
                held = item.lease if item else 0
        order = (held > operand) - (held < operand)  # type: ignore[operator]
        return {Relation.EQUAL: order == 0, Relation.NOT_EQUAL: order != 0, Relation.LESS: order < 0}.get(Relation(relation), order > 0)

    def _end(self, id: int) -> LeaseRevoked:
        draft = {key: item for key, item in self.now.items() if item.lease != id}
        deleted = len(self.now) - len(draft)
        del self.leases[id]
        return LeaseRevoked(self._commit(draft), deleted)

    def _commit(self, draft: State) -> int:
        """A new revision if anything was written."""
        if draft != self.now:
            self.states.append(draft)
        return self.revision

    def _lease(self, id: int) -> tuple[int, int]:
        if id not in self.leases:
            raise Refused(LeaseNotFound)
        return self.leases[id]

    def _at(self, revision: int) -> State:
        if revision > self.revision:
            raise Refused(FutureRevision)
        if revision and revision < self.compacted:
            raise Refused(Compacted)
        return self.states[revision or -1]


def within(state: State, start: bytes, end: bytes) -> list[bytes]:
    return sorted(key for key in state if start <= key and (not end or key < end))
