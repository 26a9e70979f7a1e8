"""The coordination service's state machine: keys, transactions and leases over the multi-version store.

The rule: the state depends on the log alone. A caller's mistake is a result and changes nothing; anything unexpected in
`apply` is raised, and the replica stops rather than part ways with the others.

`apply` and `query` lay the plain put and the plain get out flat, because nearly every request is one of them.
"""

from collections.abc import Callable, Iterable, Iterator

from msgpack import unpackb

from quorate.cluster.service import commands
from quorate.cluster.service.checks import (
    MALFORMED,
    Refusal,
    bad,
    checked_bound,
    checked_key,
    checked_number,
    decoded,
)
from quorate.cluster.service.history import History
from quorate.cluster.service.image import encoder, restored
from quorate.cluster.service.leases import Deadlines, Lease, Leases
from quorate.cluster.service.limits import (
    CHOSEN_LEASE_ID_MAX,
    CHOSEN_LEASE_ID_MIN,
    KEY_BYTES_MAX,
    LEASE_TTL_MS_MAX,
    LEASE_TTL_MS_MIN,
    LEASES_MAX,
    RANGE_ITEMS_MAX,
    VALUE_BYTES_MAX,
)
from quorate.cluster.service.reading import NOTHING, finish, got, ranged
from quorate.cluster.service.results import (
    COMPACTED,
    FUTURE_REVISION,
    LEASE_EXISTS,
    LEASE_NOT_FOUND,
    LIMIT_REACHED,
    OK,
)
from quorate.cluster.service.store import Store, pack
from quorate.cluster.service.transactions import Draft, swap, transact
from quorate.protocols.core import Entry

_PUT, _GET = commands.PUT, commands.GET


class KeyValue:
    """A StateMachine of commands.py's operations. `deadlines` is the serving leader's view of the leases."""

    def __init__(self) -> None:
        self._adopt(Store())

    @property
    def revision(self) -> int:
        """Of the last write applied here."""
        return self.store.revision

    @property
    def history(self) -> History:
        """What watches read."""
        return self.store.history

    @property
    def leases(self) -> Leases:
        return self.store.leases

    def apply(self, entry: Entry) -> bytes:
        try:
            try:
                command = unpackb(entry.data)
            except MALFORMED:
                raise bad("not a msgpack value") from None
            if type(command) is list and len(command) == 3 and command[0] == _PUT:
                _, key, value = command
                if type(key) is bytes and 0 < len(key) <= KEY_BYTES_MAX and type(value) is bytes and len(value) <= VALUE_BYTES_MAX:
                    result: bytes = pack((OK, self._put(key, value)))
                    return result
            return self._write(entry, command)
        except Refusal as refusal:
            return refusal.result

    def query(self, query: bytes) -> bytes:
        try:
            asked = decoded(query)
            if asked[0] == _GET and len(asked) == 2:
                key = checked_key(asked[1])
                store = self.store
                return finish(got(key, store.records.get(key)), store.revision)
            return self._read(asked)
        except Refusal as refusal:
            return refusal.result

    def due(self, now_ms: int, term: int) -> Iterable[bytes]:
        return self.deadlines.overdue(now_ms, term)

    def freeze(self) -> Callable[[], Iterator[bytes]]:
        return encoder(self.store)

    def restore(self, chunks: Iterable[bytes]) -> Iterator[None]:
        store = Store()
        yield from restored(store, chunks)
        self._adopt(store)

    def _adopt(self, store: Store) -> None:
        self.store = store
        self.deadlines = Deadlines(store.leases)
        self._put = store.put

    def _write(self, entry: Entry, command: object) -> bytes:
        match command:
            case [commands.PUT | commands.DELETE | commands.DELETE_RANGE, *_]:
                draft = Draft(self.store)
                answer = draft.run(command)
                return finish(answer, self.store.write(draft.changes.items()))
            case [commands.SWAP, key, expected, value, lease]:
                return swap(self.store, checked_key(key), expected, value, checked_number(lease, "a lease id"))
            case [commands.TXN, comparisons, then, otherwise]:
                return transact(self.store, comparisons, then, otherwise)
            case [commands.LEASE_GRANT, ttl_ms, id]:
                return self._grant(entry.index, checked_number(ttl_ms, "a TTL"), checked_number(id, "a lease id"))
            case [commands.LEASE_REVOKE, id]:
                return self._end(self._lease(id))
            case [commands.LEASE_EXPIRE, id, granted, term]:
                lease = self._lease(id)
                # The judgement of one leader about one lease: proposed again under another ballot it is hearsay.
                if lease.granted != granted or entry.term != term:
                    raise Refusal(LEASE_NOT_FOUND, f"the expiry is of another lease {id}, or another term's", lease.id)
                return self._end(lease)
            case [commands.COMPACT, revision]:
                return self._compact(checked_number(revision, "a revision"))
            case _:
                raise bad("not a command: unknown operation, or the wrong number or types of arguments")

    def _read(self, query: list[object]) -> bytes:
        store = self.store
        match query:
            case [commands.GET, key, revision]:
                key, revision = checked_key(key), self._at(revision)
                return finish(got(key, store.record_at(key, revision)), store.revision)
            case [commands.RANGE, start, end, limit, revision, int(flags)]:
                start, end = checked_bound(start), checked_bound(end)
                past = store.past(start, end, self._at(revision))
                return finish(ranged(store, start, end, checked_number(limit, "a limit"), flags, past), store.revision)
            case [commands.LEASE, id, with_keys]:
                lease = self._lease(id)
                keys = sorted(lease.keys) if with_keys else []
                return _packed(OK, lease.id, lease.ttl_ms, len(lease.keys), keys)
            case [commands.LEASES, after]:
                after = checked_number(after, "a lease id")
                ids = sorted(lease.id for lease in store.leases if lease.id > after)
                return _packed(OK, ids[:RANGE_ITEMS_MAX], len(ids) > RANGE_ITEMS_MAX)
            case [commands.STATS]:
                history = store.history
                sizes = (len(store.records), store.byte_count, len(store.leases), history.event_count, history.byte_count)
                return _packed(OK, store.revision, history.compacted, *sizes)
            case _:
                raise bad("not a query: unknown operation, or the wrong number or types of arguments")

    def _grant(self, index: int, ttl_ms: int, id: int) -> bytes:
        leases = self.store.leases
        if not LEASE_TTL_MS_MIN <= ttl_ms <= LEASE_TTL_MS_MAX:
            raise bad(f"a TTL is {LEASE_TTL_MS_MIN} to {LEASE_TTL_MS_MAX} ms")
        if id and not CHOSEN_LEASE_ID_MIN <= id <= CHOSEN_LEASE_ID_MAX:
            raise bad(f"a lease id of your own is at least {CHOSEN_LEASE_ID_MIN}; smaller ones are the log's")
        if leases.get(id) is not None:
            raise Refusal(LEASE_EXISTS, f"lease {id} is alive; choose another id, or 0", id)
        if len(leases) >= LEASES_MAX:
            raise Refusal(LIMIT_REACHED, f"there are {LEASES_MAX} leases, the most there may be", LEASES_MAX)
        assert id or index < CHOSEN_LEASE_ID_MIN, index
        lease = Lease(id or index, ttl_ms, index)
        leases.add(lease)
        return _packed(OK, lease.id, ttl_ms)

    def _end(self, lease: Lease) -> bytes:
        # Sorted, because the order of a set differs from process to process and the events would too.
        keys = sorted(lease.keys)
        revision = self.store.write((key, None) for key in keys)
        self.store.leases.remove(lease.id)
        return _packed(OK, revision, len(keys))

    def _compact(self, revision: int) -> bytes:
        store = self.store
        self._at(revision)
        store.history.compact(max(revision, store.history.compacted))
        return _packed(OK, store.revision, store.history.compacted)

    def _lease(self, id: object) -> Lease:
        lease = self.store.leases.get(checked_number(id, "a lease id"))
        if lease is None:
            raise Refusal(LEASE_NOT_FOUND, f"lease {id} has expired, was revoked, or was never granted")
        return lease

    def _at(self, revision: object) -> int:
        """A revision that can be read; 0 is now."""
        revision = checked_number(revision, "a revision")
        store = self.store
        if revision > store.revision:
            raise Refusal(FUTURE_REVISION, f"revision {revision} does not exist yet; the last is {store.revision}", store.revision)
        if 0 < revision < store.history.compacted:
            oldest = store.history.compacted
            raise Refusal(COMPACTED, f"revision {revision} is no longer kept; the oldest is {oldest}", oldest)
        return revision


def _packed(*fields: object) -> bytes:
    result: bytes = pack(fields)
    return result


assert pack(None) == NOTHING, "an absent pair is msgpack's nil"
