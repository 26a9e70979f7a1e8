"""One file of the faulty-file layer: what is durable of it, and what was done since. See faulty."""

from dataclasses import dataclass
from random import Random

from quorate.cluster.storage.files import File

# What a disk writes whole or not at all.
SECTOR_BYTES = 512


@dataclass(frozen=True, slots=True)
class Write:
    offset: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Resize:
    size: int


class Contents:
    """One file's contents: what is durable, and what was done since."""

    __slots__ = ("base", "handle_count", "lost", "memory", "size", "unsynced")

    def __init__(self, base: File | None) -> None:
        self.base = base
        """The file below; None while the name is not durable."""
        self.memory = bytearray()
        """Durable contents of a file without a durable name."""
        self.unsynced: list[Write | Resize] = []
        self.lost: list[Write | Resize] = []
        """Done, seen by readers, failed to sync: never durable."""
        self.size = 0 if base is None else base.size()
        self.handle_count = 0

    @property
    def idle(self) -> bool:
        """Nobody has it open, and the file below says it all."""
        return not (self.handle_count or self.unsynced or self.lost) and self.base is not None

    def read(self, offset: int, size: int) -> bytes:
        end = min(offset + size, self.size)
        if end <= offset:
            return b""
        below = bytes(self.memory[offset:end]) if self.base is None else self.base.read(offset, end - offset)
        if not self.unsynced and not self.lost:
            return below
        view = bytearray(below.ljust(end - offset, b"\0"))
        for change in (*self.lost, *self.unsynced):
            if isinstance(change, Write):
                start, stop = max(change.offset, offset), min(change.offset + len(change.data), end)
                if start < stop:
                    view[start - offset : stop - offset] = change.data[start - change.offset : stop - change.offset]
        return bytes(view)

    def persist(self, change: Write | Resize) -> None:
        if self.base is None:
            end = change.size if isinstance(change, Resize) else max(len(self.memory), change.offset + len(change.data))
            del self.memory[end:]
            self.memory.extend(bytes(end - len(self.memory)))
            if isinstance(change, Write):
                self.memory[change.offset : change.offset + len(change.data)] = change.data
        elif isinstance(change, Resize):
            self.base.truncate(change.size)
        else:
            self.base.write((change.data,), change.offset)

    def tear(self, rng: Random) -> None:
        """Some sectors of the unsynced writes reached the disk, some did not, in no order."""
        chance = rng.choice((0.0, 0.5, 1.0))
        for change in self.unsynced:
            if isinstance(change, Resize):
                if rng.random() < chance:
                    self.persist(change)
                continue
            start, end = change.offset, change.offset + len(change.data)
            while start < end:
                stop = min(end, (start // SECTOR_BYTES + 1) * SECTOR_BYTES)
                if rng.random() < chance:
                    self.persist(Write(start, change.data[start - change.offset : stop - change.offset]))
                start = stop
        self.unsynced.clear()

    def cut_short(self, rng: Random) -> None:
        """All unsynced changes reach the disk but the end of the last write: from its half on, wherever `rng` says."""
        *earlier, last = self.unsynced or (None,)
        for change in earlier:
            self.persist(change)
        if isinstance(last, Write) and len(last.data) > 1:
            self.persist(Write(last.offset, last.data[: rng.randrange((len(last.data) + 1) // 2, len(last.data))]))
