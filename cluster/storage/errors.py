"""What goes wrong with the disk, each naming the file and what to do next.

QuorateError
└── StorageError
    ├── DamagedLog          a batch, segment or sequence is missing or wrong where nothing can be torn
    ├── DamagedSnapshot     a snapshot file is not what was written
    ├── DamagedDirectory    identity, bootstrap or incarnation file cannot be read
    ├── LogFailed           a write or a sync failed; the log takes nothing more until restart
    ├── DirectoryInUse      another process holds the data directory
    ├── WrongDirectory      it belongs to another cluster, engine or node
    └── NewerFormat         it was written by a newer version
"""

from quorate.cluster.wire.errors import QuorateError

REPLACE = "If the disk is lost, wipe the data directory and run `quorate member replace` for this node; never copy another node's files."


class StorageError(QuorateError):
    """The data directory cannot be used."""


class DamagedLog(StorageError):
    """The log is damaged in a place that a crash cannot explain."""

    def __init__(self, path: str, offset: int, what: str) -> None:
        super().__init__(f"{path}: damaged at offset {offset}: {what}. {REPLACE}", path=path, offset=offset)
        self.path = path
        self.offset = offset


class DamagedSnapshot(StorageError):
    """A snapshot file does not hold what was written."""

    def __init__(self, path: str, what: str) -> None:
        super().__init__(f"{path}: damaged snapshot: {what}. {REPLACE}", path=path)
        self.path = path


class DamagedDirectory(StorageError):
    """A file of the data directory cannot be read."""

    def __init__(self, path: str, what: str) -> None:
        super().__init__(f"{path}: {what}. {REPLACE}", path=path)
        self.path = path


class LogFailed(StorageError):
    """Writing or syncing the log failed. Nothing more is written or acknowledged until this process restarts."""

    definite = False

    def __init__(self, path: str, cause: BaseException) -> None:
        super().__init__(f"{path}: {cause}. The log is stopped; check the disk and restart the node.", path=path)
        self.path = path
        self.cause = cause


class DirectoryInUse(StorageError):
    """Another process has this data directory open."""


class WrongDirectory(StorageError):
    """This data directory belongs to another cluster, engine or node."""


class NewerFormat(StorageError):
    """A newer version wrote this."""

    def __init__(self, path: str, found: int, known: int) -> None:
        super().__init__(
            f"{path}: format version {found}, this program knows up to {known}. Run the newer version, or start from an empty directory.",
            path=path,
            found=found,
            known=known,
        )
