"""Records: what one group writes in one batch, and how a group's records fold to its state.

A record is a header, the group's name, the snapshot mark, the promise and the entries, the last as the blob that the engine
packed. A control record (no group) says which segment is the oldest that is still needed.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from operator import lt
from struct import Struct, error

from quorate.cluster.wire.codec import decode, unpack_value
from quorate.protocols.core import Entry, Recovered, Snapshot
from quorate.protocols.log import unpack

# length of all, flags, name length, reserved, serial, truncate, first index, last index, mark length, promise length
HEADER = Struct("<IBBHQQQQII")
HAS_MARK, HAS_TRUNCATE, HAS_PROMISE, HAS_ENTRIES, IS_CONTROL = 1, 2, 4, 8, 16
NAME_BYTES_MAX = 255


@dataclass(slots=True)
class Record:
    """One group's share of one batch, as read back."""

    group: str
    mark: bytes | None
    truncate: int | None
    promise: bytes | None
    first: int
    last: int
    entries: bytes
    oldest: int | None = None
    """In a control record: segments below this one may be missing."""


def pack_head(
    name: bytes, serial: int, mark: bytes | None, truncate: int | None, promise: bytes | None, first: int, last: int, size: int
) -> bytes:
    """A record but for its `size` bytes of entries, which follow it as they are."""
    flags = 0
    mark_size = promise_size = 0
    if mark is not None:
        flags, mark_size = HAS_MARK, len(mark)
    if truncate is not None:
        flags |= HAS_TRUNCATE
    if promise is not None:
        flags, promise_size = flags | HAS_PROMISE, len(promise)
    if size:
        flags |= HAS_ENTRIES
    length = HEADER.size + len(name) + mark_size + promise_size + size
    head = HEADER.pack(length, flags, len(name), 0, serial, truncate or 0, first, last, mark_size, promise_size) + name
    if mark is None and promise is None:
        return head
    return b"".join((head, mark or b"", promise or b""))


def pack_control(oldest: int) -> bytes:
    return HEADER.pack(HEADER.size, IS_CONTROL, 0, 0, oldest, 0, 0, 0, 0, 0)


def read_records(body: memoryview) -> Iterator[Record]:
    """The records of one batch. ValueError if they do not add up, which the checksum should have caught."""
    position, end = 0, len(body)
    while position < end:
        try:
            length, flags, name_size, _, serial, truncate, first, last, mark_size, promise_size = HEADER.unpack_from(body, position)
        except error:
            raise ValueError(f"record header cut at byte {position} of {end}") from None
        if position + length > end or HEADER.size + name_size + mark_size + promise_size > length:
            raise ValueError(f"record at byte {position} is longer than its batch of {end}")
        name_end = position + HEADER.size + name_size
        mark_end = name_end + mark_size
        promise_end = mark_end + promise_size
        yield Record(
            group=bytes(body[position + HEADER.size : name_end]).decode(),
            mark=bytes(body[name_end:mark_end]) if flags & HAS_MARK else None,
            truncate=truncate if flags & HAS_TRUNCATE else None,
            promise=bytes(body[mark_end:promise_end]) if flags & HAS_PROMISE else None,
            first=first,
            last=last,
            entries=bytes(body[promise_end : position + length]),
            oldest=serial if flags & IS_CONTROL else None,
        )
        position += length


@dataclass(slots=True)
class Run:
    """One blob of entries, of which those up to `last` count."""

    first: int
    last: int
    blob: bytes


class Fold:
    """One group's records, folded oldest first. Blobs are unpacked only at the end, and only those that still count. A mark at index 0
    (core.NOTHING) takes the one before it back."""

    def __init__(self) -> None:
        self.mark: bytes | None = None
        self.promise: bytes | None = None
        self._mark_index = 0
        self._runs: list[Run] = []

    def add(self, record: Record) -> None:
        if record.mark is not None:
            self.mark = record.mark
            self._mark_index = unpack_value(Snapshot, record.mark).index
            self._runs = [run for run in self._runs if run.last > self._mark_index]
        if record.truncate is not None:
            self.clip(record.truncate)
        if record.promise is not None:
            self.promise = record.promise
        if record.entries and record.last > self._mark_index:
            self._runs.append(Run(record.first, record.last, record.entries))

    def entries(self) -> list[Entry]:
        """By index; a later entry of an index has replaced an earlier one."""
        entries: list[Entry] = []
        for run in self._runs:
            part = unpack(run.blob)
            if run.first <= self._mark_index or part[-1].index != run.last:
                part = [entry for entry in part if self._mark_index < entry.index <= run.last]
            entries += part
        indexes = [entry.index for entry in entries]
        if all(map(lt, indexes, indexes[1:])):
            return entries  # as most engines write them
        by_index = {entry.index: entry for entry in entries}
        return [by_index[index] for index in sorted(by_index)]

    def recovered(self) -> Recovered:
        return Recovered(
            promise=None if self.promise is None else decode(self.promise),
            snapshot=None if self._mark_index == 0 or self.mark is None else unpack_value(Snapshot, self.mark),
            entries=self.entries(),
        )

    def clip(self, index: int) -> None:
        """Drop all entries above `index`."""
        self._runs = [run for run in self._runs if run.first <= index]
        for run in self._runs:
            run.last = min(run.last, index)
