"""The data directory: whose it is, which life this is, how the cluster began, and whether the last life ended well.

    lock              held by the one process that uses the directory
    identity.json     format, cluster, engine, node, storage id: made once, durable before anyone is told of it
    state.json        incarnation, counted up durably at each start; whether the log was made
    bootstrap.json    the configuration that the cluster began with; absent: not part of any cluster yet
    clean.json        where the log ended at a clean shutdown; removed before the log is written again
    wal/              the write-ahead log
    snapshots/GROUP/  snapshots

Each JSON file carries a checksum: a flipped bit must not make another identity.
"""

import json
import os
from collections.abc import Callable, Mapping
from random import Random, SystemRandom
from zlib import crc32

from quorate.cluster.storage.errors import DamagedDirectory, DirectoryInUse, NewerFormat, StorageError, WrongDirectory
from quorate.cluster.storage.files import Files, RealFiles, make_directory, read_file, replace_file
from quorate.cluster.storage.journal import Journal, JournalOptions, Loop
from quorate.cluster.storage.wal import LogPosition
from quorate.protocols.core import INCARNATION_MAX, Configuration

FORMAT = 1

Fields = Mapping[str, str | int | bool]


class DataDirectory:
    """An open data directory, ours until closed. Made by `DataDirectory.open`."""

    def __init__(self, path: str, files: Files, rng: Random, release: Callable[[], None]) -> None:
        self.path = path
        self.files = files
        self._rng = rng
        self.storage = ""
        """The storage id: this disk's name in the configuration and in hellos."""
        self.incarnation = 0
        self.bootstrap: Configuration | None = None
        self._release: Callable[[], None] | None = release
        self._has_journal = False

    @staticmethod
    def open(
        path: str | os.PathLike[str], *, cluster: str, node: str, engine: str, files: Files | None = None, rng: Random | None = None
    ) -> "DataDirectory":
        """Make or open the directory and begin a new incarnation. A StorageError says why it cannot be used.

        `rng` draws the storage id, which no other disk may have: the system's randomness, but in a simulation."""
        files = files or RealFiles()
        where = os.path.abspath(path)
        make_directory(files, where)
        directory = DataDirectory(where, files, rng or SystemRandom(), _claim(files, where))
        try:
            directory._identify(cluster, node, engine)
            directory._begin()
        except BaseException:
            directory.close()
            raise
        return directory

    def __enter__(self) -> "DataDirectory":
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Let another process have it."""
        if self._release is not None:
            self._release()
            self._release = None

    def next_incarnation(self) -> int:
        """Begin a new incarnation in this process, durably: the old one's counters may be used up."""
        if self.incarnation >= INCARNATION_MAX:
            raise StorageError(f"{self.path}: incarnation {self.incarnation} is the last; run `quorate member replace` for this node")
        self._write_state(self.incarnation + 1)
        return self.incarnation

    def record_bootstrap(self, configuration: Configuration) -> None:
        """Note, once and durably, the configuration that the cluster began with."""
        if self.bootstrap is not None and self.bootstrap != configuration:
            raise WrongDirectory(f"{self.path}: bootstrapped before, as {self.bootstrap}")
        self._write("bootstrap.json", {"members": configuration.encode().decode(), "index": configuration.index})
        self.bootstrap = configuration

    def open_journal(self, loop: Loop, options: JournalOptions | None = None) -> Journal:
        """Recover the log, holding it to the clean-shutdown mark if there is one. DamagedLog says what is wrong."""
        clean = self._read("clean.json")
        expected = None
        if clean is not None:
            expected = LogPosition(*(_integer(clean, name, self._path("clean.json")) for name in LogPosition._fields))
        journal = Journal.open(
            self._path("wal"), loop, fresh=not self._has_journal, clean=expected, files=self.files, options=options, rng=self._rng
        )
        if not self._has_journal:
            self._has_journal = True
            self._write_state(self.incarnation)
        if clean is not None:
            self.files.remove(self._path("clean.json"))
            self.files.sync_directory(self.path)
        return journal

    def close_journal(self, journal: Journal) -> None:
        """Write what is queued, stop the log, and note that it ended well, if it did."""
        position = journal.close()
        if position is not None:
            self._write("clean.json", position._asdict())

    def snapshots_path(self, group: str) -> str:
        """Where the group's SnapshotStore lives."""
        make_directory(self.files, self._path("snapshots"))
        return os.path.join(self.path, "snapshots", group)

    def _identify(self, cluster: str, node: str, engine: str) -> None:
        path = self._path("identity.json")
        identity = self._read("identity.json")
        if identity is None:
            if self.files.exists(self._path("wal")) or self.files.exists(self._path("state.json")):
                raise DamagedDirectory(path, "missing, though there is a log beside it")
            self.storage = self._rng.randbytes(16).hex()
            fields: Fields = {"format": FORMAT, "cluster": cluster, "engine": engine, "node": node, "storage": self.storage}
            self._write("identity.json", fields)
            return
        for name, ours in (("cluster", cluster), ("engine", engine), ("node", node)):
            theirs = _text(identity, name, path)
            if theirs != ours:
                raise WrongDirectory(
                    f"{self.path} belongs to {name} {theirs!r}, this node is configured for {name} {ours!r}: "
                    "correct the configuration, or name another data directory",
                    path=self.path,
                )
        self.storage = _text(identity, "storage", path)

    def _begin(self) -> None:
        path = self._path("state.json")
        state = self._read("state.json")
        if state is not None:
            self.incarnation = _integer(state, "incarnation", path)
            self._has_journal = bool(_integer(state, "journal", path))
        elif self.files.exists(self._path("wal")):
            raise DamagedDirectory(path, "missing, though there is a log beside it")
        bootstrap = self._read("bootstrap.json")
        if bootstrap is not None:
            where = self._path("bootstrap.json")
            try:
                self.bootstrap = Configuration.decode(_text(bootstrap, "members", where).encode(), _integer(bootstrap, "index", where))
            except (ValueError, TypeError) as problem:
                raise DamagedDirectory(where, f"no configuration: {problem}") from None
        self.next_incarnation()

    def _write_state(self, incarnation: int) -> None:
        self._write("state.json", {"incarnation": incarnation, "journal": int(self._has_journal)})
        self.incarnation = incarnation

    def _path(self, name: str) -> str:
        return os.path.join(self.path, name)

    def _write(self, name: str, fields: Fields) -> None:
        text = json.dumps({**fields, "crc32": _checksum(fields)}, indent=1)
        replace_file(self.files, self._path(name), text.encode() + b"\n")

    def _read(self, name: str) -> Fields | None:
        """The checked fields of a file; None if there is none."""
        path = self._path(name)
        if not self.files.exists(path):
            return None
        try:
            fields = json.loads(read_file(self.files, path))
        except ValueError as problem:
            raise DamagedDirectory(path, f"no JSON: {problem}") from None
        if not isinstance(fields, dict):
            raise DamagedDirectory(path, "no JSON object")
        version = fields.get("format", FORMAT)
        if isinstance(version, int) and version > FORMAT:
            raise NewerFormat(path, version, FORMAT)
        if fields.pop("crc32", None) != _checksum(fields):
            raise DamagedDirectory(path, "its checksum is wrong; it was damaged, or changed by hand")
        return fields


def _claim(files: Files, path: str) -> Callable[[], None]:
    """Take the directory; DirectoryInUse if another process has it."""
    try:
        return files.claim(os.path.join(path, "lock"))
    except BlockingIOError as taken:
        holder = taken.strerror
        raise DirectoryInUse(
            f"{path} is in use by process {holder}: stop that node first, or name another data directory", path=path, pid=holder
        ) from None


def _checksum(fields: Fields) -> int:
    return crc32(json.dumps(fields, sort_keys=True).encode())


def _text(fields: Fields, name: str, path: str) -> str:
    value = fields.get(name)
    if not isinstance(value, str):
        raise DamagedDirectory(path, f"{name} is missing")
    return value


def _integer(fields: Fields, name: str, path: str) -> int:
    value = fields.get(name)
    if not isinstance(value, int):
        raise DamagedDirectory(path, f"{name} is missing")
    return value
