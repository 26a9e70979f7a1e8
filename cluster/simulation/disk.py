"""A simulated machine's disk: the real faulty-file layer over files in memory, and an fsync that takes its time.

The rule it keeps: what was not synced when the power went is gone, or there in part, as the seed says; and nothing that a dead
process would still do reaches the disk.
"""

import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from errno import ENOENT
from random import Random

from quorate.cluster.simulation.loop import SimulatedLoop
from quorate.cluster.storage.faulty import Crash, FaultyFiles
from quorate.cluster.storage.files import Buffer
from quorate.cluster.storage.journal import Journal

# From just before a write to just after its sync: where a crash between two steps of one write leaves most to chance.
INTERRUPTED_STEPS_MAX = 3


class MemoryFile:
    """An open file of MemoryFiles: every write is durable at once."""

    __slots__ = ("_data", "path")

    def __init__(self, path: str, data: bytearray) -> None:
        self.path = path
        self._data = data

    def size(self) -> int:
        return len(self._data)

    def read(self, offset: int, size: int) -> bytes:
        return bytes(self._data[offset : offset + size])

    def write(self, pieces: Sequence[Buffer], offset: int) -> None:
        data = b"".join(pieces)
        self.allocate(offset)
        self._data[offset : offset + len(data)] = data

    write_synced = write

    def sync(self) -> None: ...

    def allocate(self, size: int) -> None:
        self._data.extend(bytes(max(0, size - len(self._data))))

    def truncate(self, size: int) -> None:
        del self._data[size:]
        self.allocate(size)

    def close(self) -> None: ...


class MemoryFiles:
    """A file system in memory, as `Files` wants it."""

    def __init__(self) -> None:
        self._files: dict[str, bytearray] = {}
        self._directories = {"/": None}

    def open(self, path: str) -> MemoryFile:
        if path not in self._files:
            raise FileNotFoundError(ENOENT, os.strerror(ENOENT), path)
        return MemoryFile(path, self._files[path])

    def create(self, path: str) -> MemoryFile:
        if path in self._files:
            raise FileExistsError(path)
        self._files[path] = bytearray()
        return self.open(path)

    def exists(self, path: str) -> bool:
        return path in self._files or path in self._directories

    def list(self, directory: str) -> list[str]:
        return sorted(os.path.basename(path) for path in self._files if os.path.dirname(path) == directory)

    def make_directory(self, path: str) -> None:
        self._directories[path] = None

    def rename(self, old: str, new: str) -> None:
        self._files[new] = self._files.pop(old)

    def remove(self, path: str) -> None:
        del self._files[path]

    def sync_directory(self, directory: str) -> None: ...

    def claim(self, path: str) -> Callable[[], None]:
        # One process at a time uses a simulated disk: its machine sees to that.
        return lambda: None


class SimulatedDisk(FaultyFiles):
    """One machine's disk. It outlives the crashes. `on_crash` ends the process whose next step was not to be."""

    def __init__(self, rng: Random, on_crash: Callable[[], None]) -> None:
        super().__init__(MemoryFiles(), sync_below=False, sleep=lambda seconds: None)
        self._rng = rng
        self._on_crash = on_crash

    def step(self, what: str) -> None:
        try:
            super().step(what)
        except Crash:
            self._on_crash()
            raise

    def crash_within(self, steps: int) -> None:
        """The power goes instead of one of the next steps."""
        self.crash_at = self.step_count + steps

    def freeze(self) -> None:
        """The process is dead."""
        self.crash_at = 0

    def start_again(self) -> None:
        """What the next process finds."""
        self.crash(self._rng)


class JournalSteps:
    """In place of the log's thread: one write and sync at a time, each `latency` ns after there was something to write."""

    def __init__(self, loop: SimulatedLoop, latency: Callable[[], int]) -> None:
        self._loop = loop
        self._latency = latency
        self._writing: Journal | None = None

    def put(self, journal: Journal) -> None:
        """Something is queued."""
        if self._writing is None:
            self._writing = journal
            self._loop.after(self._latency(), self._step)

    @property
    def is_writing(self) -> bool:
        return self._writing is not None

    def _step(self) -> None:
        journal, self._writing = self._writing, None
        assert journal is not None
        while journal.step():
            pass

    def interrupt(self, disk: SimulatedDisk, rng: Random) -> None:
        """The power goes while a write is under way, if one is."""
        if self._writing is not None and rng.random() < 0.5:
            disk.crash_within(rng.randrange(INTERRUPTED_STEPS_MAX))
            with suppress(Crash):
                self._writing.step()
