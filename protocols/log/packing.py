"""Entries as bytes: one blob a batch, packed once; the same object goes to every follower and to the log on disk.

Each entry is a header (index u64, term u64, origin u64, kind u8, length u32, little endian) and its data.
"""

from collections.abc import Sequence
from struct import Struct, error

from quorate.protocols.core import Entry

HEADER = Struct("<QQQBI")
HEADER_SIZE = HEADER.size


def packed_size(entry: Entry) -> int:
    """Bytes that `entry` takes in a blob; what windows and log bounds count."""
    return HEADER_SIZE + len(entry.data)


def pack(entries: Sequence[Entry]) -> bytes:
    header = HEADER.pack
    parts: list[bytes] = []
    for entry in entries:
        data = entry.data
        parts.append(header(entry.index, entry.term, entry.origin, entry.kind, len(data)))
        parts.append(data)
    return b"".join(parts)


def unpack(blob: bytes) -> list[Entry]:
    """The entries of a blob. ValueError if it is cut or malformed."""
    header = HEADER.unpack_from
    entries: list[Entry] = []
    position, end = 0, len(blob)
    try:
        while position < end:
            index, term, origin, kind, length = header(blob, position)
            position += HEADER_SIZE
            data = blob[position : position + length]
            position += length
            entries.append(Entry(index, term, origin, kind, data))
    except error as problem:
        raise ValueError(f"entry header cut at byte {position} of {end}") from problem
    if position != end:
        raise ValueError(f"entry data ends at byte {position}, the blob at {end}")
    return entries
