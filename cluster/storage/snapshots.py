"""Snapshots of one group on disk: written beside, verified, renamed; the old one stays until the log no longer needs it.

A file is the state machine's bytes, then the manifest (what Snapshot says), then a trailer that finds the manifest. A name
without `.partial` or `.receiving` is given only to a whole, synced file, so a crash leaves either the old snapshot or both.
Which older ones may go decides the log: it still begins after the snapshot of its last durable mark.
"""

import os
import re
from collections.abc import Callable, Iterator
from random import Random, SystemRandom
from struct import Struct
from threading import Event, Thread
from zlib import crc32

from xxhash import xxh3_64

from quorate.cluster.storage.errors import DamagedSnapshot, NewerFormat
from quorate.cluster.storage.files import File, Files, RealFiles, make_directory
from quorate.cluster.wire.codec import pack_value, unpack_value
from quorate.protocols.core import Configuration, Snapshot

FORMAT = 1
MAGIC = b"QUORSNAP"
# manifest length, manifest CRC, format, magic: the end of the file
TRAILER = Struct("<III8s")
# Read and checked in pieces of this size: about 0.1 ms each.
READ_BYTES = 256 << 10
# Synced in steps of this size while it is written, so that the end is quick and the page cache never holds much of it.
SYNC_BYTES = 8 << 20
# Without a log to ask, this many are kept: the newest, and those that its mark may still name.
KEEP_COUNT = 3
# Ids become file names, and come from peers.
ID_PATTERN = re.compile(r"[0-9a-z][0-9a-z-]{0,63}")

SNAPSHOT, PARTIAL, RECEIVING = ".snapshot", ".partial", ".receiving"


def start_thread(work: Callable[[], None]) -> None:
    """Run slow disk work beside the loop."""
    Thread(target=work, name="snapshot-sync", daemon=True).start()


class SnapshotStore:
    """One group's snapshots. `marked` gives the snapshot that the log durably begins after: it and newer ones are kept."""

    def __init__(
        self,
        directory: str | os.PathLike[str],
        *,
        files: Files | None = None,
        marked: Callable[[], Snapshot | None] | None = None,
        beside: Callable[[Callable[[], None]], None] = start_thread,
        rng: Random | None = None,
    ) -> None:
        self.directory = os.fspath(directory)
        self.files: Files = files or RealFiles()
        self.beside = beside
        self._marked = marked
        self._rng = rng or SystemRandom()
        self._sending: tuple[str, File] | None = None
        make_directory(self.files, self.directory)
        self._clean()

    def list(self) -> list[Snapshot]:
        """The snapshots there are, oldest first, but for those whose end is not what was written: reading such a one says why."""
        found: list[Snapshot] = []
        for name in self.files.list(self.directory):
            if not name.endswith(SNAPSHOT):
                continue
            file = self.files.open(os.path.join(self.directory, name))
            try:
                found.append(read_manifest(file))
            except DamagedSnapshot:
                continue
            finally:
                file.close()
        return sorted(found, key=lambda snapshot: (snapshot.index, snapshot.term))

    def create(self, index: int, term: int, configuration: Configuration) -> "Writing":
        """Begin to write our own snapshot of the state at `index`."""
        identity = f"{index:x}-{term:x}-{self._rng.getrandbits(32):08x}"
        return Writing(self, Snapshot(identity, index, term, configuration))

    def receive(self, snapshot: Snapshot) -> "Receiving":
        """Begin to take in a peer's snapshot, or go on where an earlier transfer of the same one stopped."""
        path = self._path(snapshot.id, RECEIVING)
        for name in self.files.list(self.directory):
            if name.endswith(RECEIVING) and name != os.path.basename(path):
                self.files.remove(os.path.join(self.directory, name))
        return Receiving(self, snapshot, path)

    def read(self, snapshot: Snapshot) -> Iterator[bytes]:
        """The state machine's bytes, after the whole file was verified. DamagedSnapshot names the file and the remedy."""
        path = self._path(snapshot.id, SNAPSHOT)
        try:
            file = self.files.open(path)
        except FileNotFoundError:
            raise DamagedSnapshot(path, "the log begins after this snapshot, but the file is missing") from None
        try:
            manifest = read_manifest(file)
            if manifest != snapshot:
                raise DamagedSnapshot(path, f"it says that it is {manifest}, the log expects {snapshot}")
            check_contents(file, snapshot)
            for offset in range(0, snapshot.size, READ_BYTES):
                yield file.read(offset, min(READ_BYTES, snapshot.size - offset))
        finally:
            file.close()

    def read_chunk(self, snapshot: Snapshot, offset: int, size: int) -> bytes:
        """A piece for a peer; fewer bytes only at the end. It stays readable while it is sent, even when a newer one replaces it."""
        if self._sending is None or self._sending[0] != snapshot.id:
            file = self.files.open(self._path(snapshot.id, SNAPSHOT))
            self.close()
            self._sending = (snapshot.id, file)
        return self._sending[1].read(offset, max(0, min(size, snapshot.size - offset)))

    def close(self) -> None:
        """Let go of the file that was being sent."""
        if self._sending is not None:
            self._sending[1].close()
            self._sending = None

    def install(self, file: File, snapshot: Snapshot) -> None:
        """Make a written, checked file the snapshot that it is: durable first, then its name, then older ones may go."""
        partial = file.path
        manifest = pack_value(snapshot)
        file.truncate(snapshot.size)
        trailer = TRAILER.pack(len(manifest), _manifest_checksum(manifest, FORMAT), FORMAT, MAGIC)
        file.write((manifest, trailer), snapshot.size)
        file.sync()
        file.close()
        self.files.rename(partial, self._path(snapshot.id, SNAPSHOT))
        self.files.sync_directory(self.directory)
        self.prune()

    def prune(self) -> None:
        """Remove the snapshots that neither the log nor a newer one's mark can need."""
        snapshots = self.list()
        if self._marked is None:
            useless = snapshots[:-KEEP_COUNT]
        else:
            marked = self._marked()
            useless = [] if marked is None else [each for each in snapshots if each.index < marked.index]
        for snapshot in useless:
            self.files.remove(self._path(snapshot.id, SNAPSHOT))

    def partial_path(self, snapshot: Snapshot) -> str:
        return self._path(snapshot.id, PARTIAL)

    def _path(self, identity: str, suffix: str) -> str:
        if not ID_PATTERN.fullmatch(identity):
            raise DamagedSnapshot(self.directory, f"{identity!r} is no snapshot id")
        return os.path.join(self.directory, identity + suffix)

    def _clean(self) -> None:
        """What a crash left: half-written snapshots of our own go; a half-received one may be gone on with."""
        for name in self.files.list(self.directory):
            if name.endswith(PARTIAL):
                self.files.remove(os.path.join(self.directory, name))


class Writing:
    """One snapshot on its way to the disk. Leaving the `with` block without `finish` throws it away."""

    def __init__(self, store: SnapshotStore, snapshot: Snapshot) -> None:
        self._store = store
        self._snapshot = snapshot
        self._file = store.files.create(store.partial_path(snapshot))
        self._size = 0
        self._hash = xxh3_64()
        self._early = EarlySync(self._file, store.beside)
        self._finished = False

    def __enter__(self) -> "Writing":
        return self

    def __exit__(self, *exception: object) -> None:
        if not self._finished:
            self._early.close()
            partial = self._store.partial_path(self._snapshot)
            if self._store.files.exists(partial):
                self._store.files.remove(partial)

    def write(self, chunk: bytes) -> None:
        """The next bytes; into the page cache only, so it does not wait for the disk."""
        self._file.write((chunk,), self._size)
        self._size += len(chunk)
        self._hash.update(chunk)
        self._early.wrote(len(chunk))

    def finish(self) -> Snapshot:
        """Durable under its name. Waits for the disk: not in the loop's thread."""
        self._early.finish()
        whole = Snapshot(
            self._snapshot.id,
            self._snapshot.index,
            self._snapshot.term,
            self._snapshot.configuration,
            self._size,
            self._hash.intdigest(),
        )
        self._store.install(self._file, whole)
        self._finished = True
        return whole


class Receiving:
    """A peer's snapshot coming in. What has come is kept when the transfer breaks, or this process restarts."""

    def __init__(self, store: SnapshotStore, snapshot: Snapshot, path: str) -> None:
        self.snapshot = snapshot
        self._store = store
        self._path = path
        self._file = store.files.open(path) if store.files.exists(path) else store.files.create(path)
        self._early = EarlySync(self._file, store.beside)
        self.offset = min(self._file.size(), snapshot.size)
        """How much has come: the next chunk begins here."""

    def write(self, chunk: bytes) -> None:
        """The chunk at `offset`. ValueError if it is longer than the snapshot."""
        if self.offset + len(chunk) > self.snapshot.size:
            raise ValueError(f"snapshot {self.snapshot.id} has {self.snapshot.size} bytes, got {len(chunk)} at {self.offset}")
        self._file.write((chunk,), self.offset)
        self.offset += len(chunk)
        self._early.wrote(len(chunk))

    def finish(self) -> Snapshot:
        """Verify all of it and make it durable. DamagedSnapshot, with everything thrown away, if it is not what was offered.
        Waits for the disk: not in the loop's thread."""
        assert self.offset == self.snapshot.size, self
        try:
            self._early.finish()
            check_contents(self._file, self.snapshot)
        except DamagedSnapshot:
            self._file.close()
            self._store.files.remove(self._path)
            raise
        self._store.install(self._file, self.snapshot)
        return self.snapshot

    def close(self) -> None:
        """Stop for now."""
        self._early.close()


class EarlySync:
    """Syncs a growing file now and then, beside the loop, one sync at a time; a failed one fails the file."""

    def __init__(self, file: File, beside: Callable[[Callable[[], None]], None]) -> None:
        self._file = file
        self._beside = beside
        self._unsynced = 0
        self._idle = Event()
        self._idle.set()
        self._closing = False
        self._problem: OSError | None = None

    def wrote(self, size: int) -> None:
        self._unsynced += size
        if self._unsynced >= SYNC_BYTES and self._idle.is_set():
            self._unsynced = 0
            self._idle.clear()
            self._beside(self._sync)

    def finish(self) -> None:
        """Wait for the sync that runs; raise what one failed with: a later success would not mean that those bytes are there."""
        self._idle.wait()
        if self._problem is not None:
            raise self._problem

    def close(self) -> None:
        """Close the file, once nobody syncs it."""
        self._closing = True
        if self._idle.is_set():
            self._file.close()

    def _sync(self) -> None:
        try:
            self._file.sync()
        except OSError as problem:
            self._problem = problem
        finally:
            self._idle.set()
            if self._closing:
                self._file.close()


def read_manifest(file: File) -> Snapshot:
    """What the end of a snapshot file says of it."""
    size = file.size()
    end = file.read(max(0, size - TRAILER.size), TRAILER.size)
    if len(end) < TRAILER.size:
        raise DamagedSnapshot(file.path, f"{size} bytes are too short for a snapshot")
    length, checksum, version, magic = TRAILER.unpack(end)
    if magic != MAGIC:
        raise DamagedSnapshot(file.path, "it does not end as a snapshot does")
    if version > FORMAT:
        raise NewerFormat(file.path, version, FORMAT)
    start = size - TRAILER.size - length
    manifest = file.read(start, length) if start >= 0 else b""
    if _manifest_checksum(manifest, version) != checksum:
        raise DamagedSnapshot(file.path, "its manifest is not what was written")
    try:
        snapshot = unpack_value(Snapshot, manifest)
    except ValueError as problem:
        raise DamagedSnapshot(file.path, f"its manifest cannot be read: {problem}") from None
    if snapshot.size != start:
        raise DamagedSnapshot(file.path, f"it holds {start} bytes, its manifest says {snapshot.size}")
    return snapshot


def _manifest_checksum(manifest: bytes, version: int) -> int:
    return crc32(manifest, version)


def check_contents(file: File, snapshot: Snapshot) -> None:
    """Read all of it; DamagedSnapshot if the checksum is not the snapshot's."""
    checksum = xxh3_64()
    for offset in range(0, snapshot.size, READ_BYTES):
        checksum.update(file.read(offset, min(READ_BYTES, snapshot.size - offset)))
    if checksum.intdigest() != snapshot.checksum:
        raise DamagedSnapshot(
            file.path, f"the checksum of its {snapshot.size} bytes is {checksum.intdigest():x}, expected {snapshot.checksum:x}"
        )
