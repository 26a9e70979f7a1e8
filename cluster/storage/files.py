"""The seam to the disk: every file operation of the storage layer goes through Files, so that faults can stand in between.

The rule: data is durable after `sync` (or `write_synced`), a name after `sync_directory` of its directory; nothing before.
Paths are absolute. Errors are the system's OSError.
"""

import fcntl
import os
from collections.abc import Callable, Sequence
from errno import EINVAL, ENOSYS, EOPNOTSUPP
from typing import Protocol

Buffer = bytes | bytearray | memoryview

# One write call takes at most this many pieces (IOV_MAX is 1024 on Linux); more are joined first.
PIECES_MAX = 512


class File(Protocol):
    """An open file. Writes name their offset; there is no position."""

    path: str

    def size(self) -> int: ...

    def read(self, offset: int, size: int) -> bytes:
        """Up to `size` bytes; fewer only at the end of the file."""

    def write(self, pieces: Sequence[Buffer], offset: int) -> None:
        """All the pieces, one after another, from `offset` on. Not durable yet."""

    def sync(self) -> None:
        """fdatasync: everything written before is durable."""

    def write_synced(self, pieces: Sequence[Buffer], offset: int) -> None:
        """`write`, durable when it returns. Says nothing about earlier writes."""

    def allocate(self, size: int) -> None:
        """Reserve space up to `size` now, so that a full disk shows now."""

    def truncate(self, size: int) -> None: ...

    def close(self) -> None: ...


class Files(Protocol):
    """A file system."""

    def open(self, path: str) -> File:
        """An existing file, for reading and writing."""

    def create(self, path: str) -> File:
        """A new empty file; an existing one of that name is an error."""

    def exists(self, path: str) -> bool: ...

    def list(self, directory: str) -> list[str]:
        """The names in a directory, sorted."""

    def make_directory(self, path: str) -> None:
        """Fine if it exists."""

    def rename(self, old: str, new: str) -> None:
        """Atomic; replaces `new`."""

    def remove(self, path: str) -> None: ...

    def sync_directory(self, directory: str) -> None:
        """Names made, changed and removed before are durable."""

    def claim(self, path: str) -> Callable[[], None]:
        """Have a file, made if absent, for this process alone, until the function given is called or the process ends.
        BlockingIOError, whose strerror names the process that has it."""


def make_directory(files: Files, path: str) -> None:
    """A directory that is durable in its parent; fine if it exists."""
    if not files.exists(path):
        files.make_directory(path)
        files.sync_directory(os.path.dirname(path))


def read_file(files: Files, path: str) -> bytes:
    """A whole small file."""
    file = files.open(path)
    try:
        return file.read(0, file.size())
    finally:
        file.close()


def replace_file(files: Files, path: str, data: bytes) -> None:
    """Put a small file in place, durable as a whole or not at all."""
    beside = f"{path}.partial"
    if files.exists(beside):
        files.remove(beside)
    file = files.create(beside)
    try:
        file.write((data,), 0)
        file.sync()
    finally:
        file.close()
    files.rename(beside, path)
    files.sync_directory(os.path.dirname(path))


class RealFile:
    """A file of the operating system."""

    __slots__ = ("_fd", "_one_call", "path")

    def __init__(self, path: str, fd: int) -> None:
        self.path = path
        self._fd = fd
        self._one_call = hasattr(os, "RWF_DSYNC")

    def size(self) -> int:
        return os.fstat(self._fd).st_size

    def read(self, offset: int, size: int) -> bytes:
        parts: list[bytes] = []
        while size > 0:
            part = os.pread(self._fd, size, offset)
            if not part:
                break
            parts.append(part)
            offset += len(part)
            size -= len(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def write(self, pieces: Sequence[Buffer], offset: int) -> None:
        self._write(pieces, offset, 0)

    def sync(self) -> None:
        os.fdatasync(self._fd)

    def write_synced(self, pieces: Sequence[Buffer], offset: int) -> None:
        # One call that writes and syncs: a thread that leaves and takes the interpreter lock once, not twice.
        if self._one_call:
            try:
                self._write(pieces, offset, os.RWF_DSYNC)
                return
            except OSError as problem:
                if problem.errno not in (EINVAL, ENOSYS, EOPNOTSUPP):
                    raise
                self._one_call = False  # a kernel or file system without it: nothing was written
        self._write(pieces, offset, 0)
        os.fdatasync(self._fd)

    def allocate(self, size: int) -> None:
        os.posix_fallocate(self._fd, 0, size)

    def truncate(self, size: int) -> None:
        os.ftruncate(self._fd, size)

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _write(self, pieces: Sequence[Buffer], offset: int, flags: int) -> None:
        if len(pieces) > PIECES_MAX:
            pieces = (b"".join(pieces),)
        size = sum(map(len, pieces))
        written = os.pwritev(self._fd, pieces, offset, flags)
        if written == size:
            return
        rest = memoryview(b"".join(pieces))
        while written < size:
            # A short write is no error yet; a full disk says ENOSPC on the next one.
            written += os.pwritev(self._fd, (rest[written:],), offset + written, flags)


class RealFiles:
    """The operating system's file system."""

    __slots__ = ()

    def open(self, path: str) -> RealFile:
        return RealFile(path, os.open(path, os.O_RDWR | os.O_CLOEXEC))

    def create(self, path: str) -> RealFile:
        return RealFile(path, os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o640))

    def exists(self, path: str) -> bool:
        return os.path.exists(path)

    def list(self, directory: str) -> list[str]:
        return sorted(os.listdir(directory))

    def make_directory(self, path: str) -> None:
        os.makedirs(path, mode=0o750, exist_ok=True)

    def rename(self, old: str, new: str) -> None:
        os.rename(old, new)

    def remove(self, path: str) -> None:
        os.unlink(path)

    def sync_directory(self, directory: str) -> None:
        fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)

    def claim(self, path: str) -> Callable[[], None]:
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as taken:
            holder = os.pread(fd, 32, 0).decode(errors="replace").strip() or "unknown"
            os.close(fd)
            raise BlockingIOError(taken.errno, holder, path) from None
        os.ftruncate(fd, 0)
        os.pwrite(fd, f"{os.getpid()}\n".encode(), 0)
        return lambda: os.close(fd)
