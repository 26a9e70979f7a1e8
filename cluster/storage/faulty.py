"""The faulty-file layer: Files with a page cache of its own, so that what was not synced can really be lost.

It stands before real files. Writes, and names made, changed or removed, stay in this process's memory until they are synced;
only then do they reach the files below. So a process killed with -9 loses what it had not synced, which the system's own page
cache would have kept, and a test can crash at any step, with the unsynced sectors written in part. Faults are switched by
setting the fields of Faults, also while a node runs.
"""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from errno import EIO, ENOENT, ENOSPC
from random import Random
from threading import RLock
from time import sleep as real_sleep

from quorate.cluster.storage.files import Buffer, Files
from quorate.cluster.storage.unsynced import Contents, Resize, Write

# Between two looks whether a stalled disk goes on.
STALL_POLL_S = 0.005


@dataclass(slots=True)
class Faults:
    """Which faults are on. All off is a sound disk that loses unsynced data in a crash."""

    sync_delay_ms: int = 0
    """Every sync takes this much longer."""
    fail_write: int | None = None
    """Every write fails with this errno, half of it written."""
    fail_sync: int | None = None
    """Every sync fails with this errno; what it should have synced will never be durable, whatever later syncs say."""
    skip_sync: bool = False
    """The disk lies: syncs succeed and do nothing."""
    free_bytes: int | None = None
    """Room left for files to grow; beyond it ENOSPC."""
    stall: bool = False
    """No sync ends before this is off again."""


@dataclass(slots=True)
class Suffered:
    """How often faults have struck."""

    slowed: int = 0
    """Syncs that took longer."""
    failed: int = 0
    """Writes and syncs that were refused."""
    skipped: int = 0
    """Syncs that did nothing."""


class Crash(BaseException):
    """The simulated process ends here. No part of the program under test may catch it."""


@dataclass(frozen=True, slots=True)
class _Link:
    path: str
    node: Contents


@dataclass(frozen=True, slots=True)
class _Rename:
    old: str
    new: str


@dataclass(frozen=True, slots=True)
class _Remove:
    path: str
    node: Contents


class FaultyFile:
    """An open file of FaultyFiles."""

    __slots__ = ("_files", "_life", "_node", "_open", "path")

    def __init__(self, files: "FaultyFiles", node: Contents, path: str) -> None:
        self._files = files
        self._node = node
        self._life = files.life
        self._open = True
        node.handle_count += 1
        self.path = path

    def size(self) -> int:
        return self._alive().size

    def read(self, offset: int, size: int) -> bytes:
        node = self._alive()
        with self._files.lock:
            return node.read(offset, size)

    def write(self, pieces: Sequence[Buffer], offset: int) -> None:
        node, faults = self._alive(), self._files.faults
        self._files.step(f"write {self.path} at {offset}")
        data = b"".join(pieces)
        with self._files.lock:
            if faults.fail_write is not None:
                data = data[: len(data) // 2]
            self._files.grow(offset + len(data) - node.size)
            node.unsynced.append(Write(offset, data))
            node.size = max(node.size, offset + len(data))
        if faults.fail_write is not None:
            self._files.suffered.failed += 1
            raise OSError(faults.fail_write, os.strerror(faults.fail_write), self.path)

    def sync(self) -> None:
        node, files = self._alive(), self._files
        files.step(f"sync {self.path}")
        files.wait()
        with files.lock:
            if files.faults.fail_sync is not None:
                files.suffered.failed += 1
                node.lost += node.unsynced
                node.unsynced.clear()
                raise OSError(files.faults.fail_sync, os.strerror(files.faults.fail_sync), self.path)
            if files.faults.skip_sync:
                files.suffered.skipped += 1
                return
            for change in node.unsynced:
                node.persist(change)
            node.unsynced.clear()
            if node.base is not None and files.sync_below:
                node.base.sync()

    def write_synced(self, pieces: Sequence[Buffer], offset: int) -> None:
        self.write(pieces, offset)
        self.sync()

    def allocate(self, size: int) -> None:
        if size > self._alive().size:
            self._resize(size)

    def truncate(self, size: int) -> None:
        self._resize(size)

    def close(self) -> None:
        """Closing syncs nothing."""
        if self._open and self._life == self._files.life:
            self._open = False
            self._node.handle_count -= 1
            self._files.sweep()

    def _resize(self, size: int) -> None:
        node = self._alive()
        self._files.step(f"resize {self.path} to {size}")
        with self._files.lock:
            self._files.grow(size - node.size)
            node.unsynced.append(Resize(size))
            node.size = size

    def _alive(self) -> Contents:
        if self._life != self._files.life:
            raise OSError(EIO, "opened before the crash", self.path)
        return self._node


class FaultyFiles:
    """Files with a cache that a crash loses. `files` is where durable things go."""

    def __init__(
        self, files: Files, faults: Faults | None = None, *, sync_below: bool = True, sleep: Callable[[float], None] = real_sleep
    ) -> None:
        self.faults = faults or Faults()
        self.suffered = Suffered()
        self.lock = RLock()
        self.sync_below = sync_below
        """Whether a sync also syncs the file below; tests that never lose the machine's power do without."""
        self.sleep = sleep
        self.life = 1
        self.step_count = 0
        self.crash_at: int | None = None
        """The process ends instead of its step of this number, from 0."""
        self.trace: Callable[[str], None] | None = None
        """Told what each step does before it does it."""
        self._below = files
        self._live: dict[str, Contents | None] = {}
        self._unsynced: dict[str, list[_Link | _Rename | _Remove]] = {}

    def step(self, what: str) -> None:
        """Every change to the disk passes here; also those that a dead process still tries."""
        if self.trace is not None:
            self.trace(what)
        if self.crash_at is not None and self.step_count >= self.crash_at:
            raise Crash(what)
        self.step_count += 1

    def wait(self) -> None:
        """What a sync waits for besides the disk itself."""
        faults = self.faults
        if faults.sync_delay_ms or faults.stall:
            self.suffered.slowed += 1
        if faults.sync_delay_ms:
            self.sleep(faults.sync_delay_ms / 1000)
        while self.faults.stall:
            self.sleep(STALL_POLL_S)

    @property
    def unsynced_bytes(self) -> int:
        """Written and not synced: what a crash would lose."""
        with self.lock:
            nodes = [node for node in self._live.values() if node is not None]
            return sum(len(change.data) for node in nodes for change in node.unsynced if isinstance(change, Write))

    def grow(self, size: int) -> None:
        faults = self.faults
        if faults.free_bytes is not None and size > 0:
            if size > faults.free_bytes:
                raise OSError(ENOSPC, os.strerror(ENOSPC))
            faults.free_bytes -= size

    def crash(self, rng: Random | None = None) -> None:
        """Lose what is not synced; with `rng`, any part of it may have reached the disk. Faults and crash point are off after."""
        with self.lock:
            nodes = {id(node): node for node in self._live.values() if node is not None}
            for changes in self._unsynced.values():
                nodes.update({id(change.node): change.node for change in changes if not isinstance(change, _Rename)})
            if rng is not None:
                for node in nodes.values():
                    node.tear(rng)
                for changes in self._unsynced.values():
                    # A journalling file system keeps the order of changes to a directory.
                    for change in changes[: rng.randint(0, len(changes))]:
                        self._persist_name(change)
            for node in nodes.values():
                if node.base is not None:
                    node.base.close()
            self._live.clear()
            self._unsynced.clear()
            self.life += 1
            self.faults = Faults()
            self.crash_at = None

    def cut_short(self, rng: Random) -> None:
        """Of what is unsynced, all but the end of each file's last write reaches the disk; what has no durable name yet stays lost. For the
        moment before a process ends."""
        with self.lock:
            for node in self._live.values():
                if node is not None and node.base is not None:
                    node.cut_short(rng)

    def flip(self, path: str, offset: int, bit: int = 0) -> None:
        """One bit of a durable file rots."""
        file = self._below.open(path)
        try:
            (byte,) = file.read(offset, 1)
            file.write((bytes((byte ^ (1 << bit),)),), offset)
        finally:
            file.close()

    def open(self, path: str) -> FaultyFile:
        with self.lock:
            if path not in self._live:
                self._live[path] = Contents(self._below.open(path))
            node = self._live[path]
            if node is None:
                raise FileNotFoundError(ENOENT, os.strerror(ENOENT), path)
            return FaultyFile(self, node, path)

    def create(self, path: str) -> FaultyFile:
        if self.exists(path):
            raise FileExistsError(path)
        self.step(f"create {path}")
        with self.lock:
            node = self._live[path] = Contents(None)
            self._change(path, _Link(path, node))
            return FaultyFile(self, node, path)

    def exists(self, path: str) -> bool:
        with self.lock:
            return self._live[path] is not None if path in self._live else self._below.exists(path)

    def list(self, directory: str) -> list[str]:
        with self.lock:
            names = set(self._below.list(directory))
            for path, node in self._live.items():
                if os.path.dirname(path) == directory:
                    (names.discard if node is None else names.add)(os.path.basename(path))
            return sorted(names)

    def make_directory(self, path: str) -> None:
        # Directories are made once, at first start; losing one is losing an empty disk.
        self._below.make_directory(path)

    def rename(self, old: str, new: str) -> None:
        file = self.open(old)
        self.step(f"rename {old} to {new}")
        with self.lock:
            self._live[new], self._live[old] = file._node, None
            self._change(new, _Rename(old, new))
        file.close()

    def remove(self, path: str) -> None:
        file = self.open(path)
        self.step(f"remove {path}")
        with self.lock:
            self._live[path] = None
            self._change(path, _Remove(path, file._node))
        file.close()

    def sync_directory(self, directory: str) -> None:
        self.step(f"sync directory {directory}")
        with self.lock:
            if self.faults.fail_sync is not None:
                raise OSError(self.faults.fail_sync, os.strerror(self.faults.fail_sync), directory)
            if self.faults.skip_sync:
                return
            for change in self._unsynced.pop(directory, ()):
                self._persist_name(change)
            if self.sync_below:
                self._below.sync_directory(directory)
            self.sweep()

    def claim(self, path: str) -> Callable[[], None]:
        return self._below.claim(path)

    def sweep(self) -> None:
        """Forget the files of which the ones below say it all."""
        with self.lock:
            for path, node in list(self._live.items()):
                if not self._unsynced.get(os.path.dirname(path)) and (node is None or node.idle):
                    del self._live[path]
                    if node is not None and node.base is not None:
                        node.base.close()

    def _change(self, path: str, change: _Link | _Rename | _Remove) -> None:
        self._unsynced.setdefault(os.path.dirname(path), []).append(change)

    def _persist_name(self, change: _Link | _Rename | _Remove) -> None:
        if isinstance(change, _Link):
            node = change.node
            node.base = self._below.create(change.path)
            node.base.write((bytes(node.memory),), 0)
            node.memory.clear()
            if self.sync_below:
                node.base.sync()
        elif isinstance(change, _Rename):
            self._below.rename(change.old, change.new)
        else:
            self._below.remove(change.path)
            if change.node.base is not None and not change.node.handle_count:
                change.node.base.close()
