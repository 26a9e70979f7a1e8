"""The replicated state of a simulated node: a digest of everything applied, so that two states are compared by two integers."""

from dataclasses import dataclass
from zlib import crc32

from quorate.protocols.core import Entry, Snapshot

_MASK = (1 << 64) - 1


def chain(digest: int, entry: Entry) -> int:
    """The digest of a history that goes on with `entry`."""
    return ((digest * 0x100000001B3) ^ crc32(entry.data) ^ (entry.origin << 7) ^ (entry.index << 32) ^ entry.kind) & _MASK


@dataclass(frozen=True, slots=True)
class Image:
    """What a snapshot's bytes hold."""

    snapshot: Snapshot
    digest: int


class DigestMachine:
    """Applies entries in order and can say what it has become."""

    __slots__ = ("applied", "digest")

    def __init__(self) -> None:
        self.applied = 0
        self.digest = 0

    def apply(self, entry: Entry) -> None:
        self.digest = chain(self.digest, entry)
        self.applied = entry.index

    def restore(self, image: Image) -> None:
        self.applied, self.digest = image.snapshot.index, image.digest
