"""A store as bytes: what a snapshot holds.

A stream of msgpack arrays: [VERSION, revision, compacted], then leases, segments of history and keys with their records,
each array a slice of about a quarter megabyte, and an end mark that counts them. Equal stores give equal bytes: keys are
sorted, leases and history stand in the order of the log.

The rule: `encoder` fixes the state without copying it. The index is copy-on-write, so the view has the keys of that moment;
from then on the store keeps for the view each record that it replaces, the first time it does. What was not kept still stands
in the store. A million keys are fixed in about a millisecond; copying the dictionary took 30, on a busy machine
100, with every request waiting.
"""

from collections.abc import Callable, Iterable, Iterator
from hashlib import blake2b

from msgpack import Unpacker
from msgpack.exceptions import UnpackException

from quorate.cluster.service.history import History, Segment, event_size
from quorate.cluster.service.leases import Lease
from quorate.cluster.service.limits import KEY_BYTES_MAX, VALUE_BYTES_MAX
from quorate.cluster.service.store import HAS_LEASE, Kept, Store, lease_of, pack
from quorate.protocols.core import StateMachine

VERSION = 1
"""Of this format. A reader refuses what it does not know."""

LEASES = 1
HISTORY = 2
HISTORY_END = 3
KEYS = 4
END = 5

SLICE_BYTES = 262_144
"""One slice of encoding or restoring, with SLICE_ITEMS: well below 2 ms."""

SLICE_ITEMS = 1_000
ITEM_WEIGHT = SLICE_BYTES // SLICE_ITEMS

SLICE_BYTES_MAX = SLICE_BYTES + 4 * (KEY_BYTES_MAX + VALUE_BYTES_MAX)
"""The largest array that a reader accepts: a slice ends with the item that fills it."""


class View:
    """A store as it was at one moment. It costs the store a little on every write until it is closed or forgotten."""

    def __init__(self, store: Store) -> None:
        self.head = (VERSION, store.revision, store.history.compacted)
        self.leases = [(lease.id, lease.ttl_ms, lease.granted) for lease in store.leases]
        self.segments = store.history.freeze()
        self.count = len(store.records)
        self._chunks = store.index.freeze()
        self._store = store
        self._kept = Kept()
        store.views.append(self._kept)

    def pairs(self) -> Iterator[tuple[bytes, bytes]]:
        """All keys in order with their records, once. What was kept for them is let go key by key: a million at once would
        hold everything up as long as a copy does."""
        kept, records = self._kept, self._store.records
        replaced = kept.records
        self._chunks.reverse()
        while self._chunks:
            for key in self._chunks.pop():
                kept.read = key
                record = replaced.pop(key, None) if replaced else None
                yield key, records[key] if record is None else record

    def close(self) -> None:
        self._store.views = [view for view in self._store.views if view is not self._kept]

    def __del__(self) -> None:
        self.close()


def encoder(store: Store) -> Callable[[], Iterator[bytes]]:
    """Fix the state of a store now; the result encodes it, once."""
    view = View(store)

    def encode() -> Iterator[bytes]:
        try:
            yield pack(view.head)
            leases = view.leases
            for start in range(0, len(leases), SLICE_ITEMS):
                yield pack((LEASES, [field for lease in leases[start : start + SLICE_ITEMS] for field in lease]))
            for segment in view.segments:
                yield from _segment(segment, last=segment is view.segments[-1])
            yield from _keys(view)
            yield pack((END, view.count))
        finally:
            view.close()

    return encode


def restored(store: Store, chunks: Iterable[bytes]) -> Iterator[None]:
    """Fill an empty store from encoded bytes, stepwise. ValueError if they are cut, damaged or of another version."""
    slices = _slices(chunks)
    match next(slices, None):
        case [int(version), int(revision), int(compacted)] if version == VERSION:
            store.revision, store.history = revision, History(compacted)
        case head:
            raise ValueError(f"not a snapshot of version {VERSION}: it begins with {head!r:.100}")
    segment: Segment = []
    ended = False
    for array in slices:
        if ended:
            raise ValueError("the snapshot goes on after its end")
        match array:
            case [int(kind), list(items)] if kind == LEASES:
                for at in range(0, len(items), 3):
                    store.leases.add(Lease(*items[at : at + 3]))
            case [int(kind), list(items)] if kind == HISTORY:
                segment += zip(*[iter(items)] * 4, strict=True)
            case [int(kind), bool(last)] if kind == HISTORY_END:
                store.history.load(segment, last=last)
                segment = []
            case [int(kind), list(items)] if kind == KEYS:
                _load(store, items)
            case [int(kind), int(count)] if kind == END:
                if count != len(store.records):
                    raise ValueError(f"the snapshot has {len(store.records)} keys of {count}")
                ended = True
            case _:
                raise ValueError(f"not a slice of a snapshot: {array!r:.100}")
        yield
    if not ended:
        raise ValueError("the snapshot is cut short")


def digest(machine: StateMachine) -> str:
    """A fingerprint of a machine's state: equal states have equal ones, on every replica."""
    hashed = blake2b(digest_size=16)
    for part in machine.freeze()():
        hashed.update(part)
    return hashed.hexdigest()


def _segment(segment: Segment, *, last: bool) -> Iterator[bytes]:
    items: list[object] = []
    size = 0
    for event in segment:
        items += event
        size += event_size(event) + ITEM_WEIGHT
        if size >= SLICE_BYTES:
            yield pack((HISTORY, items))
            items, size = [], 0
    if items:
        yield pack((HISTORY, items))
    yield pack((HISTORY_END, last))


def _keys(view: View) -> Iterator[bytes]:
    items: list[bytes] = []
    size = 0
    for key, record in view.pairs():
        items += (key, record)
        # Counted alike on every node: the lists of the index are cut where their own past has cut them.
        size += len(record) + ITEM_WEIGHT
        if size >= SLICE_BYTES:
            yield pack((KEYS, items))
            items, size = [], 0
    if items:
        yield pack((KEYS, items))


def _slices(chunks: Iterable[bytes]) -> Iterator[object]:
    """The arrays of a byte stream whose chunks may be cut anywhere."""
    unpacker = Unpacker(max_buffer_size=SLICE_BYTES_MAX + 2 * SLICE_BYTES)
    try:
        for chunk in chunks:
            for start in range(0, len(chunk), SLICE_BYTES):
                unpacker.feed(chunk[start : start + SLICE_BYTES])
                yield from unpacker
    except (UnpackException, TypeError) as problem:
        raise ValueError(f"the snapshot is damaged: {problem}") from problem


def _load(store: Store, items: list[bytes]) -> None:
    """Add a slice of keys and records, above all keys so far."""
    keys, records = items[::2], items[1::2]
    store.records.update(zip(keys, records, strict=True))
    store.index.extend(keys)
    store.byte_count += sum(map(len, items))
    for key, record in zip(keys, records, strict=True):
        if record[0] == HAS_LEASE:
            store.leases.attach(key, lease_of(record))
