"""Reading the log back: the chain of batches from the oldest segment on, and what to make of where it ends.

The last batch may be torn by a crash: it is cut and reported. Anything else that is wrong is damage and refuses to start,
because a node that forgets what it acknowledged breaks the promises of others: a bad batch with a valid later one, a missing
segment, a gap in the sequence, an end that differs from what a clean shutdown noted. A flipped bit in the very last batch
cannot be told from a torn write, except after a clean shutdown.
"""

from collections.abc import Callable
from dataclasses import dataclass

from quorate.cluster.storage.errors import DamagedLog
from quorate.cluster.storage.segments import HEADER_BYTES, SegmentHeader, Segments
from quorate.cluster.storage.wal import ALIGNMENT, BATCH_HEADER, HEAD, MARKER, LogPosition, aligned, batch_checksum


@dataclass(frozen=True, slots=True)
class TornTail:
    """The last write had not finished when the machine or process stopped; nobody was told that it was durable."""

    path: str
    offset: int
    sequence: int


@dataclass(frozen=True, slots=True)
class Recovery:
    """What reading the log gave: where to go on, the oldest segment, what was cut."""

    position: LogPosition
    oldest: int
    batch_count: int
    torn: TornTail | None


@dataclass(slots=True)
class _Chain:
    """How far the chain of batches is known to be good."""

    salt: int
    sequence: int
    checksum: int
    batch_count: int = 0


Replay = Callable[[int, memoryview], None]
"""Called for each batch in order with its segment's number and its body."""


def create_log(segments: Segments, salt: int) -> Recovery:
    """Begin a new log in an empty directory. No other log has this salt of 64 bits."""
    segments.activate(SegmentHeader(salt, 1, 1, 0), 0).close()
    return Recovery(LogPosition(salt, 1, HEADER_BYTES, 0, 0), 1, 0, None)


def recover_log(segments: Segments, numbers: list[int], replay: Replay, clean: LogPosition | None) -> Recovery:
    """Read all segments. `clean` is what a clean shutdown noted as the end, if there was one."""
    chain: _Chain | None = None
    torn: TornTail | None = None
    end = HEADER_BYTES
    for place, number in enumerate(numbers):
        path = segments.path(number)
        if number != numbers[0] + place:
            raise DamagedLog(segments.path(numbers[0] + place), 0, f"this segment is missing, yet {path} is there")
        data = _read(segments, number)
        chain = _check_header(SegmentHeader.decode(data[:HEADER_BYTES], path), number, path, chain)
        end = _read_batches(data, number, chain, replay)
        if number == numbers[-1]:
            torn = _judge_end(data, path, end, chain, clean)
        elif chain.sequence + 1 != _next_header(segments, number + 1).first:
            raise DamagedLog(path, end, f"batch {chain.sequence + 1} is missing or wrong, yet {segments.path(number + 1)} follows")
    assert chain is not None, "no segments"
    if torn is not None:
        _cut(segments, numbers[-1], end)
    return Recovery(LogPosition(chain.salt, numbers[-1], end, chain.sequence, chain.checksum), numbers[0], chain.batch_count, torn)


def read_bodies(segments: Segments, number: int) -> list[memoryview]:
    """The bodies of a segment's batches, for a reader that comes later and trusts what recovery checked."""
    data = _read(segments, number)
    header = SegmentHeader.decode(data[:HEADER_BYTES], segments.path(number))
    bodies: list[memoryview] = []
    _read_batches(data, number, _Chain(header.salt, header.first - 1, header.seed), lambda _, body: bodies.append(body))
    return bodies


def _read(segments: Segments, number: int) -> bytes:
    file = segments.open(number)
    try:
        return file.read(0, file.size())
    finally:
        file.close()


def _next_header(segments: Segments, number: int) -> SegmentHeader:
    path = segments.path(number)
    try:
        file = segments.open(number)
    except FileNotFoundError:
        raise DamagedLog(path, 0, "this segment is missing, yet later ones are there") from None
    try:
        return _check_number(SegmentHeader.decode(file.read(0, HEADER_BYTES), path), number, path)
    finally:
        file.close()


def _check_number(header: SegmentHeader, number: int, path: str) -> SegmentHeader:
    if header.number != number:
        raise DamagedLog(path, 0, f"it says that it is segment {header.number}")
    return header


def _check_header(header: SegmentHeader, number: int, path: str, chain: _Chain | None) -> _Chain:
    _check_number(header, number, path)
    if chain is None:
        return _Chain(header.salt, header.first - 1, header.seed)
    if header.salt != chain.salt:
        raise DamagedLog(path, 0, "it belongs to another log")
    if (header.first, header.seed) != (chain.sequence + 1, chain.checksum):
        raise DamagedLog(path, 0, f"it begins with batch {header.first}, expected {chain.sequence + 1} and its checksum chain")
    return chain


def _read_batches(data: bytes, number: int, chain: _Chain, replay: Replay) -> int:
    """Follow the chain through one segment; the offset behind its last good batch."""
    view = memoryview(data)
    offset = HEADER_BYTES
    while offset + BATCH_HEADER.size <= len(data):
        marker, length, sequence, seed, checksum = BATCH_HEADER.unpack_from(data, offset)
        start = offset + BATCH_HEADER.size
        if marker != MARKER or sequence != chain.sequence + 1 or seed != chain.checksum or start + length > len(data):
            break
        body = view[start : start + length]
        if batch_checksum(data[offset : offset + HEAD.size], body, chain.salt) != checksum:
            break
        replay(number, body)
        chain.sequence, chain.checksum = sequence, checksum
        chain.batch_count += 1
        offset = aligned(start + length)
    return offset


def _judge_end(data: bytes, path: str, end: int, chain: _Chain, clean: LogPosition | None) -> TornTail | None:
    """The chain ends here. A crash may do that, once, at the very end; anything more is damage."""
    later = _later_batch(data, end, chain)
    if later is not None:
        raise DamagedLog(path, end, f"batch {chain.sequence + 1} is wrong, yet a valid later one stands at offset {later}")
    if clean is not None and (clean.salt, clean.sequence, clean.checksum) != (chain.salt, chain.sequence, chain.checksum):
        raise DamagedLog(path, end, f"the log ends with batch {chain.sequence}, yet a clean shutdown noted {clean.sequence}")
    if end + BATCH_HEADER.size > len(data):
        return None
    marker, _, sequence, _, _ = BATCH_HEADER.unpack_from(data, end)
    # Old batches in a recycled segment are no torn tail: their sequence numbers are lower.
    if marker == MARKER and sequence == chain.sequence + 1:
        return TornTail(path, end, sequence)
    return None


def _later_batch(data: bytes, end: int, chain: _Chain) -> int | None:
    """The offset of a whole batch of this log behind its end that is newer than the last good one; stale ones are older."""
    view = memoryview(data)
    offset = data.find(MARKER, end)
    while offset >= 0 and offset + BATCH_HEADER.size <= len(data):
        _, length, sequence, _, checksum = BATCH_HEADER.unpack_from(data, offset)
        start = offset + BATCH_HEADER.size
        if offset % ALIGNMENT == 0 and sequence > chain.sequence and start + length <= len(data):
            head = data[offset : offset + HEAD.size]
            if batch_checksum(head, view[start : start + length], chain.salt) == checksum:
                return offset
        offset = data.find(MARKER, offset + 1)
    return None


def _cut(segments: Segments, number: int, offset: int) -> None:
    """Wipe the torn batch's header, so that the cut is seen and told once."""
    file = segments.open(number)
    try:
        file.write_synced((bytes(BATCH_HEADER.size),), offset)
    finally:
        file.close()
