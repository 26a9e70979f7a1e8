"""The write-ahead log: batches, one per device write, each durable before the next is written.

A batch is a header (marker, length, sequence, seed, CRC) and its body. The seed is the CRC of the batch before, so batches
form a chain; the CRC starts from the log's salt, so that bytes that merely look like a batch, or a batch of another log, are
none. One batch is one device write, whatever was merged into it: recovery sees all of it or nothing, and because batch n+1
is not written before batch n is durable, only the last one can be torn.
"""

from collections.abc import Sequence
from struct import Struct
from typing import NamedTuple
from zlib import crc32

from quorate.cluster.storage.files import Buffer
from quorate.cluster.storage.segments import HEADER_BYTES, SegmentHeader, Segments

MARKER = b"QBAT"
# marker, body length, sequence, seed; then the CRC of these and of the body.
HEAD = Struct("<4sIQI")
BATCH_HEADER = Struct("<4sIQII")
# zlib leaves and retakes the interpreter lock for more than 5 KiB at once; retaking it can cost this thread milliseconds.
CHECKSUM_SLICE = 5000
# From here on a checksum takes long enough that others should have the lock meanwhile.
CHECKSUM_LOCKED_MAX = 64 << 10
ALIGNMENT = 8
# A batch's length is 32 bits, and no batch should ever be close to that.
BATCH_BYTES_MAX = 1 << 30


class LogPosition(NamedTuple):
    """The end of a log: the last batch's sequence and checksum, and where the next batch goes."""

    salt: int
    segment: int
    offset: int
    sequence: int
    checksum: int


def batch_checksum(head: bytes, body: Buffer, salt: int) -> int:
    """The CRC of one batch, given the packed HEAD."""
    return crc32(body, crc32(head, salt & 0xFFFFFFFF))


def aligned(offset: int) -> int:
    return (offset + ALIGNMENT - 1) & -ALIGNMENT


class Wal:
    """The end of the log, open for appending. One thread at a time. After an OSError it must not be used again."""

    def __init__(self, segments: Segments, position: LogPosition) -> None:
        self._segments = segments
        self._file = segments.open(position.segment)
        self._file_size = self._file.size()
        self._salt = position.salt
        self._offset = position.offset
        self.segment = position.segment
        self.sequence = position.sequence
        self.checksum = position.checksum

    @property
    def position(self) -> LogPosition:
        return LogPosition(self._salt, self.segment, self._offset, self.sequence, self.checksum)

    @property
    def is_half_full(self) -> bool:
        """Whether it is time to think of the next segment."""
        return self._offset * 2 > self._file_size

    @property
    def path(self) -> str:
        return self._file.path

    def append(self, pieces: list[Buffer], size: int) -> None:
        """Write one batch of `size` bytes; it is durable when this returns. May open the next segment first."""
        assert 0 < size <= BATCH_BYTES_MAX, size
        if self._offset + BATCH_HEADER.size + size > self._file_size:
            self._roll(BATCH_HEADER.size + size)
        head = HEAD.pack(MARKER, size, self.sequence + 1, self.checksum)
        checksum = _checksum(pieces, crc32(head, self._salt & 0xFFFFFFFF))
        header = BATCH_HEADER.pack(MARKER, size, self.sequence + 1, self.checksum, checksum)
        self._file.write_synced((header, *pieces), self._offset)
        self._offset = aligned(self._offset + BATCH_HEADER.size + size)
        self.sequence += 1
        self.checksum = checksum

    def close(self) -> None:
        self._file.close()

    def _roll(self, needed: int) -> None:
        """Go on in the next segment. Everything in this one is durable already."""
        header = SegmentHeader(self._salt, self.segment + 1, self.sequence + 1, self.checksum)
        file = self._segments.activate(header, needed)
        self._file.close()
        self._file, self._file_size = file, file.size()
        self._offset = HEADER_BYTES
        self.segment += 1


def _checksum(pieces: Sequence[Buffer], checksum: int) -> int:
    for piece in pieces:
        size = len(piece)
        if size <= CHECKSUM_SLICE or size > CHECKSUM_LOCKED_MAX:
            checksum = crc32(piece, checksum)
        else:
            view = memoryview(piece)
            for start in range(0, size, CHECKSUM_SLICE):
                checksum = crc32(view[start : start + CHECKSUM_SLICE], checksum)
    return checksum
