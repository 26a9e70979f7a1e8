"""A journal driven by hand: no threads, a loop that is a queue, lives that follow each other."""

from collections import deque
from collections.abc import Callable

from quorate.cluster.storage.faulty import FaultyFiles
from quorate.cluster.storage.files import Files, RealFiles
from quorate.cluster.storage.journal import GroupLog, Journal, JournalOptions

OPTIONS = JournalOptions(segment_bytes=4096, segments_max=3, threads=False)


class HandLoop:
    """Runs what was posted when told to."""

    def __init__(self) -> None:
        self.queue: deque[tuple[Callable[..., object], tuple[object, ...]]] = deque()

    def call_soon(self, callback: Callable[..., object], /, *args: object) -> object:
        self.queue.append((callback, args))
        return None

    call_soon_threadsafe = call_soon

    def run(self) -> bool:
        busy = bool(self.queue)
        while self.queue:
            callback, args = self.queue.popleft()
            callback(*args)
        return busy


class JournalWorld:
    """One directory of real or faulty files, and the journal in it."""

    def __init__(self, directory: str, files: Files | None = None, options: JournalOptions = OPTIONS) -> None:
        self.directory = f"{directory}/wal"
        self.files: Files = files or FaultyFiles(RealFiles(), sync_below=False)
        self.options = options
        self.fresh = True
        self.start()

    def start(self) -> None:
        self.loop = HandLoop()
        self.journal = Journal.open(self.directory, self.loop, fresh=self.fresh, files=self.files, options=self.options)
        self.fresh = False

    def storage(self, group: str) -> GroupLog:
        return self.journal.group(group)

    def settle(self) -> None:
        while self.journal.step() or self.loop.run():
            pass

    def crash(self) -> None:
        if isinstance(self.files, FaultyFiles):
            self.files.crash()
        self.start()
