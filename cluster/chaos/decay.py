"""A bit in the middle of a log rots: the damage that recovery must see, because a valid batch stands behind it.

The rule: the last batch is never hit; there a flipped bit looks like a torn write, and is cut.
"""

from pathlib import Path
from random import Random

from quorate.cluster.chaos.units import NotAFault
from quorate.cluster.storage.segments import HEADER_BYTES, PREFIX, SUFFIX, SegmentHeader
from quorate.cluster.storage.wal import BATCH_HEADER, MARKER, aligned

BITS = 8


def flip_bit(data: Path, rng: Random) -> str:
    """In the log under this data directory of a node that does not run. Where: "FILE at byte N"."""
    bodies = [(path, start, length) for path in sorted((data / "wal").glob(f"{PREFIX}*{SUFFIX}")) for start, length in _bodies(path)]
    if len(bodies) < 2:
        raise NotAFault(f"{data}: the log has too few batches for one in its middle; write something first")
    path, start, length = rng.choice(bodies[:-1])
    at = start + rng.randrange(length)
    with path.open("r+b") as file:
        file.seek(at)
        (byte,) = file.read(1)
        file.seek(at)
        file.write(bytes((byte ^ 1 << rng.randrange(BITS),)))
    return f"{path} at byte {at}"


def _bodies(path: Path) -> list[tuple[int, int]]:
    """Where the bodies of this segment's batches stand: (start, length)."""
    content = path.read_bytes()
    sequence = SegmentHeader.decode(content[:HEADER_BYTES], str(path)).first
    found: list[tuple[int, int]] = []
    offset = HEADER_BYTES
    while offset + BATCH_HEADER.size <= len(content):
        marker, length, number, _, _ = BATCH_HEADER.unpack_from(content, offset)
        start = offset + BATCH_HEADER.size
        # Old batches in a recycled segment have lower numbers.
        if marker != MARKER or number != sequence or start + length > len(content):
            break
        if length:
            found.append((start, length))
        sequence += 1
        offset = aligned(start + length)
    return found
