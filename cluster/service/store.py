"""The multi-version store: records by key, their order, their past, and the one revision that numbers every write.

The rule: a write is a set of changes with one new revision, all of it or nothing. Callers check first, then write; a write
cannot fail. A write that changes nothing has no revision.

A record is the packed bytes [value, create_revision, mod_revision, version] with the lease as a fifth element only for a
key on one: one compact object per key that the garbage collector never visits, that a get copies into its reply as it is,
and that a snapshot shares. Its first byte tells whether it has a lease.
"""

from collections.abc import Iterable, Iterator

from msgpack import Packer, unpackb

from quorate.cluster.service.history import EVENT_OVERHEAD, SEGMENT_BYTES, SEGMENT_EVENTS, History
from quorate.cluster.service.index import KeyIndex
from quorate.cluster.service.leases import Leases

HAS_LEASE = 0x95
"""The first byte of a record with a lease: an array of five."""

Fields = tuple[bytes, int, int, int, int]
"""A record unpacked: value, create revision, mod revision, version, lease."""

packer = Packer(autoreset=True, use_bin_type=True)
pack = packer.pack


def fields(record: bytes) -> Fields:
    """Unpack a record."""
    unpacked: Fields = unpackb(record, use_list=False)
    return unpacked if record[0] == HAS_LEASE else (*unpacked[:4], 0)


def lease_of(record: bytes) -> int:
    """The lease of a record, 0 for none."""
    if record[0] != HAS_LEASE:
        return 0
    lease: int = unpackb(record)[4]
    return lease


def make_record(value: bytes, revision: int, old: bytes | None, lease: int) -> bytes:
    """The record of a key that is put at `revision` over `old`."""
    if old is None:
        created, version = revision, 1
    else:
        _, created, _, version, _ = fields(old)
        version += 1
    record: bytes = pack((value, created, revision, version, lease) if lease else (value, created, revision, version))
    return record


class Kept:
    """For one frozen view: records that have been replaced or deleted since, as they were, of the keys it has yet to read."""

    __slots__ = ("read", "records")

    def __init__(self) -> None:
        self.read = b""
        """The last key that the view has read; no key is empty."""
        self.records: dict[bytes, bytes] = {}

    def keep(self, key: bytes, record: bytes) -> None:
        if key > self.read and key not in self.records:
            self.records[key] = record


class Store:
    """What one replica holds. Equal logs make equal stores."""

    def __init__(self) -> None:
        self.revision = 0
        self.records: dict[bytes, bytes] = {}
        self.index = KeyIndex()
        self.history = History()
        self.leases = Leases()
        self.byte_count = 0
        """Bytes of all keys and records."""
        self.views: list[Kept] = []
        """One for each frozen view."""

    def put(self, key: bytes, value: bytes) -> int:
        """Write one key without a lease; gives the new revision. The same as `write`, laid out flat: it is the hot path."""
        revision = self.revision = self.revision + 1
        records = self.records
        old = records.get(key)
        history = self.history
        if old is None:
            record: bytes = pack((value, revision, revision, 1))
            self.index.add(key)
            self.byte_count += len(key) + len(record)
            history.tail_bytes += EVENT_OVERHEAD + len(key) + len(record)
        else:
            unpacked = unpackb(old)
            record = pack((value, unpacked[1], revision, unpacked[3] + 1))
            if old[0] == HAS_LEASE:
                self.leases.detach(key, unpacked[4])
            for view in self.views:
                view.keep(key, old)
            self.byte_count += len(record) - len(old)
            history.tail_bytes += EVENT_OVERHEAD + len(key) + len(record) + len(old)
        records[key] = record
        tail = history.tail
        tail.append((revision, key, record, old))
        if len(tail) >= SEGMENT_EVENTS or history.tail_bytes >= SEGMENT_BYTES:
            history.seal()
        return revision

    def write(self, changes: Iterable[tuple[bytes, bytes | None]]) -> int:
        """Carry out changes (key, record made for revision + 1, or None to delete), each key once; gives the revision."""
        revision = self.revision + 1
        history = self.history
        for key, record in changes:
            old = self.records.get(key)
            if old is None and record is None:
                continue
            self._account(key, record, old)
            history.tail.append((revision, key, record, old))
            self.revision = revision
        if len(history.tail) >= SEGMENT_EVENTS or history.tail_bytes >= SEGMENT_BYTES:
            history.seal()
        return self.revision

    def record_at(self, key: bytes, revision: int) -> bytes | None:
        """A key's record as `revision` saw it; revision 0 means now."""
        record = self.records.get(key)
        if not revision or revision >= self.revision or (record is not None and fields(record)[2] <= revision):
            return record
        changed, previous = self.history.previous(key, revision)
        return previous if changed else record

    def past(self, start: bytes, end: bytes, revision: int) -> "Past":
        """What differs in a range between `revision` and now."""
        return self.history.before(start, end, revision) if 0 < revision < self.revision else {}

    def keys(self, start: bytes, end: bytes, past: "Past", *, descending: bool = False) -> Iterator[bytes]:
        """The keys of a range in order, with the differences in `past` laid over."""
        now = self.index.descending(start, end) if descending else self.index.ascending(start, end)
        return merged(now, past, descending=descending) if past else now

    def count(self, start: bytes, end: bytes, past: "Past") -> int:
        """How many keys that range has."""
        changed = sum((record is not None) - (key in self.records) for key, record in past.items())
        return self.index.count(start, end) + changed

    def _account(self, key: bytes, record: bytes | None, old: bytes | None) -> None:
        """One change to records, order, leases and sizes."""
        if old is None:
            self.index.add(key)
            self.byte_count += len(key)
        else:
            for view in self.views:
                view.keep(key, old)
            self.byte_count -= len(old)
            if old[0] == HAS_LEASE:
                self.leases.detach(key, lease_of(old))
        if record is None:
            del self.records[key]
            self.index.remove(key)
            self.byte_count -= len(key)
        else:
            self.records[key] = record
            self.byte_count += len(record)
            if record[0] == HAS_LEASE:
                self.leases.attach(key, lease_of(record))
        self.history.tail_bytes += EVENT_OVERHEAD + len(key) + len(record or b"") + len(old or b"")


Past = dict[bytes, bytes | None]
"""Key: the record it had then, None if it did not exist. Keys that are missing were as they are now."""


def merged(now: Iterable[bytes], past: Past, *, descending: bool = False) -> Iterator[bytes]:
    """Sorted keys with `past` laid over: those that were absent left out, those that have gone since put in."""
    gone = sorted((key for key, record in past.items() if record is not None), reverse=descending)
    position = 0
    for key in now:
        while position < len(gone) and (gone[position] > key if descending else gone[position] < key):
            yield gone[position]
            position += 1
        if position < len(gone) and gone[position] == key:
            position += 1
        if key not in past or past[key] is not None:
            yield key
    yield from gone[position:]
