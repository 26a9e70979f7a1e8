"""The journal: all groups of a node on one write-ahead log, each seeing only its own share through the Storage protocol.

`write` only queues, and costs the loop a header and a queue entry; entries go to the disk as the blob that they came in. Serials
are per group. Each device write is answered by one event in the loop, which tells each group the last of its serials that is
durable: that is what "all up to this one" means, so serials in between are not told one by one.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from queue import SimpleQueue
from random import Random, SystemRandom
from threading import Thread
from typing import Protocol

from quorate.cluster.storage.commit import Answers, Counters, GroupCommit, Write, rewritten
from quorate.cluster.storage.errors import DamagedLog, LogFailed
from quorate.cluster.storage.files import Files, RealFiles
from quorate.cluster.storage.records import NAME_BYTES_MAX, Fold, pack_head, read_records
from quorate.cluster.storage.recovery import Recovery, create_log, read_bodies, recover_log
from quorate.cluster.storage.release import Holding, Holdings
from quorate.cluster.storage.segments import SEGMENT_BYTES, Segments
from quorate.cluster.storage.wal import LogPosition, Wal
from quorate.cluster.wire.codec import encode, pack_value, unpack_value
from quorate.protocols.core import Effects, Entry, Recovered, Snapshot
from quorate.protocols.log import pack

# With more segments than this, groups that hold the oldest ones back without writing are rewritten into the newest.
SEGMENTS_MAX = 4


class Loop(Protocol):
    """What the journal needs of an event loop."""

    def call_soon(self, callback: Callable[..., object], /, *args: object) -> object: ...

    def call_soon_threadsafe(self, callback: Callable[..., object], /, *args: object) -> object: ...


@dataclass(frozen=True, slots=True)
class JournalOptions:
    """`threads` False: nothing runs by itself, the caller steps (tests, simulation)."""

    segment_bytes: int = SEGMENT_BYTES
    segments_max: int = SEGMENTS_MAX
    threads: bool = True
    on_put: Callable[["Journal"], None] | None = None
    """Without threads: called when a write was queued, so that whoever steps need not look all the time."""


class GroupLog:
    """One group's Storage. All methods in the loop's thread."""

    def __init__(self, journal: "Journal", name: str, fold: Fold) -> None:
        self.name = name
        self._journal = journal
        self._bytes_name = name.encode()
        self._fold: Fold | None = fold
        self._written = 0
        self._durable = 0
        self._barriers: deque[tuple[int, int, Callable[[int], None]]] = deque()
        self._marks: deque[tuple[int, Snapshot]] = deque()
        self.marked = None if fold.mark is None else unpack_value(Snapshot, fold.mark)
        """The snapshot that the log durably begins after: that file and newer ones must be kept."""

    def load(self) -> Recovered:
        """Once, before the first write: what was read is not kept twice."""
        fold, self._fold = self._fold, None
        assert fold is not None, f"{self.name}: loaded before, or written to"
        return fold.recovered()

    def write(self, effects: Effects, synced: Callable[[int], None]) -> None:
        self._fold = None
        serial = effects.serial
        if not effects.writes:
            self._barrier(serial, synced)
            return
        entries, snapshot = effects.entries, effects.snapshot
        promise = None if effects.promise is None else encode(effects.promise)
        mark, mark_index = (None, 0) if snapshot is None else (pack_value(snapshot), snapshot.index)
        if entries:
            blob = effects.packed or pack(entries)
            first, last = entries[0].index, entries[-1].index
            assert first <= last, f"entries of a batch ascend: {first} to {last}"
            head = pack_head(self._bytes_name, serial, mark, effects.truncate, promise, first, last, len(blob))
            write = Write(self.name, serial, synced, head, blob, mark, mark_index, effects.truncate, promise, last)
        else:
            head = pack_head(self._bytes_name, serial, mark, effects.truncate, promise, 0, 0, 0)
            write = Write(self.name, serial, synced, head, b"", mark, mark_index, effects.truncate, promise, None)
        if snapshot is not None:
            self._marks.append((serial, snapshot))
        self._written = serial
        self._journal.put(write)

    def durable(self, serial: int, synced: Callable[[int], None]) -> None:
        """The write of this serial, and all before it, are durable; so are the barriers that waited for nothing later."""
        self._durable = serial
        while self._marks and self._marks[0][0] <= serial:
            self.marked = self._marks.popleft()[1]
        barriers = self._barriers
        while barriers and barriers[0][0] <= self._durable:
            _, later, tell = barriers.popleft()
            if later > serial:
                serial, synced = later, tell
        synced(serial)

    def _barrier(self, serial: int, synced: Callable[[int], None]) -> None:
        if self._journal.failed is not None:
            self._journal.counters.refused_count += 1
        elif self._durable == self._written:
            # Never from inside write: the caller has not finished with this batch.
            self._journal.loop.call_soon(synced, serial)
        else:
            if self._barriers and self._barriers[-1][0] == self._written:
                self._barriers.pop()  # the later one says more
            self._barriers.append((self._written, serial, synced))


class Journal:
    """The log of a node. Made by `Journal.open`."""

    def __init__(
        self, segments: Segments, recovery: Recovery, holdings: Holdings, folds: dict[str, Fold], options: JournalOptions, loop: Loop
    ) -> None:
        self.loop = loop
        self.recovery = recovery
        self.counters = Counters()
        self.failed: LogFailed | None = None
        self.on_failed: Callable[[LogFailed], None] = lambda problem: None
        self.on_answered: Callable[[], None] = lambda: None
        """Called when the groups were told of a device write: what they send upon it may leave at once, and together."""
        self._on_put = options.on_put
        self._segments = segments
        self._folds = folds
        self._groups: dict[str, GroupLog] = {}
        self._background: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._commit = GroupCommit(
            Wal(segments, recovery.position),
            segments,
            holdings,
            self.counters,
            segments_max=options.segments_max,
            post=loop.call_soon_threadsafe,
            synced=self._on_synced,
            failed=self._on_failed,
            background=self._background.put,
            rewrite=self._rewrite,
        )
        self._threads: list[Thread] = []
        if options.threads:
            self._start(self._commit.run, "log")
            self._start(self._run_background, "log-background")

    @staticmethod
    def open(
        directory: str,
        loop: Loop,
        *,
        fresh: bool,
        clean: LogPosition | None = None,
        files: Files | None = None,
        options: JournalOptions | None = None,
        rng: Random | None = None,
    ) -> "Journal":
        """Recover the log of `directory`. `fresh`: there may be none yet. DamagedLog, NewerFormat or OSError if that fails."""
        options = options or JournalOptions()
        segments = Segments(files or RealFiles(), directory, options.segment_bytes)
        numbers = segments.numbers()
        folds: dict[str, Fold] = {}
        holdings = Holdings(numbers[0] if numbers else 1)
        if not numbers and not fresh:
            raise DamagedLog(directory, 0, "the log is gone: it has no segments")
        if numbers:
            reader = _Reader(segments, folds, holdings)
            recovery = recover_log(segments, numbers, reader.replay, clean)
            if numbers[0] > reader.oldest:
                raise DamagedLog(segments.path(reader.oldest), 0, f"this segment is missing; the oldest that is there is {numbers[0]}")
        else:
            recovery = create_log(segments, (rng or SystemRandom()).getrandbits(64))
        return Journal(segments, recovery, holdings, folds, options, loop)

    def group(self, name: str) -> GroupLog:
        """This group's share of the log; the same object each time."""
        assert 0 < len(name.encode()) <= NAME_BYTES_MAX, name
        group = self._groups.get(name)
        if group is None:
            group = self._groups[name] = GroupLog(self, name, self._folds.pop(name) if name in self._folds else Fold())
        return group

    @property
    def names(self) -> list[str]:
        """Of all groups that are in the log or were asked for."""
        return [*self._groups, *self._folds]

    def put(self, write: Write) -> None:
        if self.failed is not None:
            self.counters.refused_count += 1
            return
        self.counters.queued_bytes += len(write.head) + len(write.blob)
        self._commit.queue.put(write)
        if self._on_put is not None:
            self._on_put(self)

    @property
    def segment_count(self) -> int:
        return self._commit.wal.segment - self._commit.holdings.oldest + 1

    @property
    def position(self) -> LogPosition:
        """The end of the log."""
        return self._commit.wal.position

    def step(self) -> bool:
        """Without threads: one batch and all background work. False if there was nothing to do."""
        busy = self._commit.step(block=False)
        while not self._background.empty():
            job = self._background.get()
            if job is not None:
                self._do(job)
                busy = True
        return busy

    def close(self) -> LogPosition | None:
        """Write what is queued and stop. The end of the log for the clean-shutdown mark; None if the log has failed."""
        if self._threads:
            self._commit.queue.put(None)
            self._threads[0].join()
            self._background.put(None)
            self._threads[1].join()
            self._threads.clear()
        else:
            while self.step():
                pass
        self._commit.wal.close()
        return None if self._commit.dead is not None else self._commit.wal.position

    def _start(self, target: Callable[[], None], name: str) -> None:
        thread = Thread(target=target, name=name, daemon=True)
        thread.start()
        self._threads.append(thread)

    def _run_background(self) -> None:
        while True:
            job = self._background.get()
            if job is None:
                return
            self._do(job)

    def _do(self, job: Callable[[], None]) -> None:
        try:
            job()
        except Exception:  # a spare or a rewriting that did not work out: counted, and asked for again with the next segment
            self.counters.background_failed_count += 1

    def _on_synced(self, answers: Answers) -> None:
        for name, (serial, synced) in answers.items():
            self._groups[name].durable(serial, synced)
        self.on_answered()

    def _on_failed(self, problem: LogFailed) -> None:
        self.failed = problem
        self.on_failed(problem)

    def _rewrite(self, holding: Holding, segments: dict[int, int]) -> None:
        """Asked by the log's thread: gather an idle group's entries from `segments`, and queue them again as one record."""
        held = replace(holding)  # as it is now: if the group writes meanwhile, its version tells

        def rewrite() -> None:
            found: dict[int, Entry] = {}
            for number, last in segments.items():
                fold = Fold()
                for body in read_bodies(self._segments, number):
                    for record in read_records(body):
                        if record.oldest is None and record.group == held.name:
                            fold.add(record)
                # What counts of this segment alone: a later one may hold lower indexes only, written again, and cuts off nothing.
                fold.clip(last)
                found.update((entry.index, entry) for entry in fold.entries() if entry.index > held.mark_index)
            entries = [found[index] for index in sorted(found)]
            if entries:
                self._commit.queue.put(rewritten(held, pack(entries), entries[0].index, entries[-1].index))

        self._background.put(rewrite)


class _Reader:
    """Takes the batches that recovery finds to the groups they belong to."""

    def __init__(self, segments: Segments, folds: dict[str, Fold], holdings: Holdings) -> None:
        self.oldest = 1
        self._segments = segments
        self._folds = folds
        self._holdings = holdings

    def replay(self, segment: int, body: memoryview) -> None:
        try:
            self._replay(segment, body)
        except ValueError as problem:
            raise DamagedLog(self._segments.path(segment), 0, f"a batch whose checksum is right cannot be read: {problem}") from None

    def _replay(self, segment: int, body: memoryview) -> None:
        for record in read_records(body):
            if record.oldest is not None:
                self.oldest = record.oldest
                continue
            fold = self._folds.get(record.group)
            if fold is None:
                fold = self._folds[record.group] = Fold()
            fold.add(record)
            mark_index = 0 if record.mark is None else unpack_value(Snapshot, record.mark).index
            last = record.last if record.entries else None
            self._holdings.of(record.group).note(segment, record.mark, mark_index, record.truncate, record.promise, last)
