"""The files of the write-ahead log: numbered segments of a fixed size, and spares that become the next ones.

A segment is made of zeros that are already on disk, or of an old segment that nobody needs any more: syncing into written
blocks costs half of syncing into fresh ones, whose extents the file system must journal. A segment gets its name only after
its header is durable, so a named segment always has a header; old batches in a recycled file have lower sequence numbers
than its header says and are never taken for new ones.
"""

import os
from struct import Struct
from typing import NamedTuple
from zlib import crc32

from quorate.cluster.storage.errors import DamagedLog, NewerFormat
from quorate.cluster.storage.files import File, Files, make_directory

MAGIC = b"QUORWAL\n"
FORMAT = 1
SEGMENT_BYTES = 64 << 20
# The first segment of a new log is small: a new node must not wait for 64 MiB of zeros before it can start.
FIRST_SEGMENT_BYTES = 4 << 20
# The least that makes sense: the header and a batch or two.
SEGMENT_BYTES_MIN = 4096
# Zeros go out in slices of this size, each synced, so that a batch of the log never waits for more than one of them.
ZERO_BYTES = 1 << 20
# One being filled next and one just freed; more are given back to the file system.
SPARES_MAX = 2

# magic, format, reserved, salt, number, first sequence, seed; then the CRC of these.
HEADER = Struct("<8sIIQQQI")
CHECKSUM = Struct("<I")
HEADER_BYTES = 64

PREFIX, SPARE_PREFIX, SUFFIX = "segment-", "spare-", ".wal"
# A segment made on the spot, before it has its name; of no use after a crash.
NEXT_PREFIX = "next-"


class SegmentHeader(NamedTuple):
    """What a segment says of itself. `salt` names the log, `seed` is the checksum of the batch before `first`."""

    salt: int
    number: int
    first: int
    seed: int

    def encode(self) -> bytes:
        head = HEADER.pack(MAGIC, FORMAT, 0, self.salt, self.number, self.first, self.seed)
        return (head + CHECKSUM.pack(crc32(head))).ljust(HEADER_BYTES, b"\0")

    @staticmethod
    def decode(data: bytes, path: str) -> "SegmentHeader":
        if len(data) < HEADER_BYTES:
            raise DamagedLog(path, 0, f"{len(data)} bytes are too short for a segment header")
        magic, version, _, salt, number, first, seed = HEADER.unpack_from(data)
        if magic == MAGIC and version > FORMAT:
            raise NewerFormat(path, version, FORMAT)
        if magic != MAGIC or CHECKSUM.unpack_from(data, HEADER.size)[0] != crc32(data[: HEADER.size]):
            raise DamagedLog(path, 0, "the segment header is wrong")
        return SegmentHeader(salt, number, first, seed)


class Segments:
    """The directory of segments and spares. Used by the log's thread, and by one other for `prepare` and `recycle`."""

    def __init__(self, files: Files, directory: str, segment_bytes: int = SEGMENT_BYTES) -> None:
        assert segment_bytes >= SEGMENT_BYTES_MIN, segment_bytes
        self.files = files
        self.directory = directory
        self.segment_bytes = segment_bytes
        self._spares: list[str] = []
        self._spare_count = 0

    def path(self, number: int) -> str:
        return os.path.join(self.directory, f"{PREFIX}{number:010d}{SUFFIX}")

    def numbers(self) -> list[int]:
        """Numbers of the segments there are, ascending; takes stock of the spares too."""
        make_directory(self.files, self.directory)
        numbers: list[int] = []
        self._spares.clear()
        for name in self.files.list(self.directory):
            stem = name.removesuffix(SUFFIX)
            if stem == name:
                continue
            if stem.startswith(PREFIX) and stem[len(PREFIX) :].isdecimal():
                numbers.append(int(stem[len(PREFIX) :]))
            elif stem.startswith(SPARE_PREFIX):
                self._adopt(os.path.join(self.directory, name))
            elif stem.startswith(NEXT_PREFIX):
                self.files.remove(os.path.join(self.directory, name))
        return sorted(numbers)

    @property
    def spare_count(self) -> int:
        return len(self._spares)

    def open(self, number: int) -> File:
        return self.files.open(self.path(number))

    def activate(self, header: SegmentHeader, needed: int) -> File:
        """The segment of this header, durable with its name, with room for `needed` bytes beside the header."""
        size = max(self.segment_bytes if header.number > 1 else min(FIRST_SEGMENT_BYTES, self.segment_bytes), needed + HEADER_BYTES)
        if self._spares and size <= self.segment_bytes and header.number > 1:
            path = self._spares.pop(0)
        else:
            # Nobody may wait for tens of megabytes of zeros: a segment made on the spot is allocated only, and its syncs cost more.
            path = self._make(f"{NEXT_PREFIX}{header.number:010d}{SUFFIX}", size, zeros=header.number == 1)
        file = self.files.open(path)
        file.write_synced((header.encode(),), 0)
        file.path = self.path(header.number)
        self.files.rename(path, file.path)
        self.files.sync_directory(self.directory)
        return file

    def prepare(self) -> None:
        """Make a spare ahead of need, unless there is one. Slow; never on the log's own thread."""
        if not self._spares:
            self._spares.append(self._make(self._spare_name(), self.segment_bytes, zeros=True))

    def recycle(self, number: int) -> None:
        """Nobody needs this segment: make it a spare or remove it. In order, each durable: a gap would look like damage."""
        path = self.path(number)
        if len(self._spares) < SPARES_MAX and self._fits(path):
            spare = os.path.join(self.directory, self._spare_name())
            self.files.rename(path, spare)
            self.files.sync_directory(self.directory)
            self._spares.append(spare)
        else:
            self.files.remove(path)
            self.files.sync_directory(self.directory)

    def _make(self, name: str, size: int, *, zeros: bool) -> str:
        path = os.path.join(self.directory, name)
        file = self.files.create(path)
        try:
            self.files.sync_directory(self.directory)
            file.allocate(size)  # a full disk shows here, before anything is acknowledged on the strength of this segment
            for offset in range(0, size if zeros else 0, ZERO_BYTES):
                file.write_synced((bytes(min(ZERO_BYTES, size - offset)),), offset)
            file.sync()
        except OSError:
            self._discard(path)
            raise
        finally:
            file.close()
        return path

    def _discard(self, path: str) -> None:
        """Give the space of a half-made spare back; the error that is on its way says more than one from here."""
        try:
            self.files.remove(path)
        except OSError:
            return

    def _spare_name(self) -> str:
        """A name that no file has. Not for the log's own thread, which could meet the other one on the same name."""
        while True:
            self._spare_count += 1
            name = f"{SPARE_PREFIX}{self._spare_count:04d}{SUFFIX}"
            if not self.files.exists(os.path.join(self.directory, name)):
                return name

    def _adopt(self, path: str) -> None:
        """A spare left by the last run; a half-made one is removed."""
        if len(self._spares) < SPARES_MAX and self._fits(path):
            self._spares.append(path)
        else:
            self.files.remove(path)

    def _fits(self, path: str) -> bool:
        file = self.files.open(path)
        try:
            return file.size() == self.segment_bytes
        finally:
            file.close()
