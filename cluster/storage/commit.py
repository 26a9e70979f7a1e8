"""Group commit: one thread takes all that gathered while the last sync ran, and makes one batch of it.

The loop puts writes into a queue and forgets them; the thread answers once per device write, with the last write of each group
in it. Nothing is retried: after a failed write or sync nobody knows what is on the disk, so the log takes nothing more and
nothing that waits is ever answered.

The thread is `while log.step(block=True): pass`; everything happens in `step`, which tests call themselves.
"""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from queue import SimpleQueue
from time import perf_counter_ns

from quorate.cluster.storage.errors import LogFailed
from quorate.cluster.storage.files import Buffer
from quorate.cluster.storage.records import pack_control, pack_head
from quorate.cluster.storage.release import Holding, Holdings
from quorate.cluster.storage.segments import Segments
from quorate.cluster.storage.wal import Wal

# One device write takes about this much at most: longer ones would make everything behind them wait.
MERGE_BYTES_MAX = 4 << 20

Answers = dict[str, tuple[int, Callable[[int], None]]]
"""Group -> the last serial of it that is durable now, and whom to tell."""


@dataclass(slots=True)
class Write:
    """One group's record on its way to the disk. `synced` is None for records that nobody waits for."""

    group: str
    serial: int
    synced: Callable[[int], None] | None
    head: bytes
    blob: bytes
    mark: bytes | None
    mark_index: int
    truncate: int | None
    promise: bytes | None
    last: int | None
    version: int | None = None
    """A rewritten record counts only if its group has written nothing since: its version then."""


@dataclass(slots=True)
class Counters:
    """Plain numbers for metrics; each is written by one thread only."""

    sync_count: int = 0
    record_count: int = 0
    byte_count: int = 0
    merged_count: int = 0
    """Records that shared another's device write."""
    sync_ns_last: int = 0
    sync_ns_sum: int = 0
    roll_count: int = 0
    roll_stall_count: int = 0
    """Segments that had to be made on the spot, because no spare was ready: the batch waits, and syncs into it cost more."""
    rewritten_count: int = 0
    released_count: int = 0
    background_failed_count: int = 0
    refused_count: int = 0
    """Writes after a failure: neither written nor answered."""
    queued_bytes: int = 0
    taken_bytes: int = 0

    @property
    def queue_bytes(self) -> int:
        """Waiting, or being written."""
        return self.queued_bytes - self.taken_bytes


def rewritten(holding: Holding, blob: bytes, first: int, last: int) -> Write:
    """A group's promise and mark once more, so that older segments may go; with entries, all that count, in place of the older."""
    truncate = holding.mark_index if blob else None
    head = pack_head(holding.name.encode(), 0, holding.mark, truncate, holding.promise, first, last, len(blob))
    return Write(
        group=holding.name,
        serial=0,
        synced=None,
        head=head,
        blob=blob,
        mark=holding.mark,
        mark_index=holding.mark_index,
        truncate=truncate,
        promise=holding.promise,
        last=last if blob else None,
        version=holding.version,
    )


class GroupCommit:
    """The log's thread. `post` runs a function in the loop; `background` runs slow work on another thread."""

    def __init__(
        self,
        wal: Wal,
        segments: Segments,
        holdings: Holdings,
        counters: Counters,
        *,
        segments_max: int,
        post: Callable[..., object],
        synced: Callable[[Answers], None],
        failed: Callable[[LogFailed], None],
        background: Callable[[Callable[[], None]], None],
        rewrite: Callable[[Holding, dict[int, int]], None],
    ) -> None:
        self.queue: SimpleQueue[Write | None] = SimpleQueue()
        self.wal = wal
        self.dead: LogFailed | None = None
        self._segments = segments
        self.holdings = holdings
        self._counters = counters
        self._segments_max = segments_max
        self._post = post
        self._synced = synced
        self._failed = failed
        self._background = background
        self._rewrite = rewrite
        self._restate: list[Holding] = []
        self._prepared_for = 0

    def run(self) -> None:
        while self.step(block=True):
            pass

    def step(self, *, block: bool) -> bool:
        """Write what is waiting, as one batch. False when told to stop, or, without `block`, when nothing was waiting."""
        writes, stop = self._take(block)
        if writes:
            try:
                self._commit(writes)
            except Exception as problem:  # whatever it is, a log that is not sure of itself must not go on
                self._fail(problem)
        return not stop and (block or bool(writes))

    def _take(self, block: bool) -> tuple[list[Write], bool]:
        queue = self.queue
        writes: list[Write] = []
        size = 0
        if not block and queue.empty():
            return writes, False
        while True:
            write = queue.get()
            if write is None:
                return writes, True
            writes.append(write)
            size += len(write.head) + len(write.blob)
            if size > MERGE_BYTES_MAX or queue.empty():
                return writes, False

    def _commit(self, writes: list[Write]) -> None:
        counters = self._counters
        if self.dead is not None:
            counters.refused_count += len(writes)
            return
        pieces: list[Buffer] = []
        taken = sum([len(write.head) + len(write.blob) for write in writes if write.synced is not None])
        control = self.holdings.oldest_needed(self.wal.segment)
        if control > self.holdings.oldest:
            pieces.append(pack_control(control))
        answers: Answers = {}
        written: list[Write] = []
        groups: set[str] = set()
        if self._restate:
            writes = [rewritten(holding, b"", 0, 0) for holding in self._restate] + writes
            self._restate.clear()
        for write in writes:
            if write.version is not None and (write.group in groups or not self._still_true(write)):
                continue  # the group was not so idle after all; asked again when the next segment begins
            groups.add(write.group)
            pieces.append(write.head)
            if write.blob:
                pieces.append(write.blob)
            if write.synced is not None:
                answers[write.group] = (write.serial, write.synced)
            written.append(write)
        size = sum(map(len, pieces))
        if size:
            self._append(pieces, size)
            self._note(written)
        counters.taken_bytes += taken
        if answers:
            self._post(self._synced, answers)
        if control > self.holdings.oldest:
            self._release(control)

    def _append(self, pieces: list[Buffer], size: int) -> None:
        counters, segment, spare_count = self._counters, self.wal.segment, self._segments.spare_count
        started = perf_counter_ns()
        self.wal.append(pieces, size)
        counters.sync_ns_last = perf_counter_ns() - started
        counters.sync_ns_sum += counters.sync_ns_last
        counters.sync_count += 1
        counters.byte_count += size
        if self.wal.segment != segment:
            counters.roll_count += 1
            counters.roll_stall_count += not spare_count
            self._rolled()
        if self.wal.is_half_full and self._prepared_for != self.wal.segment:
            self._prepared_for = self.wal.segment
            self._background(self._prepare)

    def _note(self, written: list[Write]) -> None:
        segment = self.wal.segment
        for write in written:
            self.holdings.of(write.group).note(segment, write.mark, write.mark_index, write.truncate, write.promise, write.last)
        self._counters.record_count += len(written)
        self._counters.merged_count += max(0, len(written) - 1)

    def _rolled(self) -> None:
        """A new segment began: see that the log does not grow for an idle group's sake."""
        keep_from = self.wal.segment - self._segments_max + 1
        for holding in self.holdings.blockers(self.wal.segment, keep_from):
            entries = holding.oldest_entries
            if entries is None or entries >= keep_from:
                # Said again at the head of the next batch, where it is true for a busy group too.
                self._restate.append(holding)
            else:
                self._rewrite(holding, dict(holding.last_in))

    def _still_true(self, write: Write) -> bool:
        """Whether a rewritten record still says what its group's durable records say."""
        true = self.holdings.of(write.group).version == write.version
        self._counters.rewritten_count += true
        return true

    def _prepare(self) -> None:
        try:
            self._segments.prepare()
        except OSError:
            return  # no space for a spare: the log itself will find out, and say so, when it needs one

    def _release(self, oldest: int) -> None:
        """Free the segments below `oldest`; the control record that allows it is durable."""
        numbers = range(self.holdings.oldest, oldest)
        self.holdings.oldest = oldest
        self._counters.released_count += len(numbers)

        def recycle() -> None:
            for number in numbers:
                self._segments.recycle(number)

        self._background(recycle)

    def _fail(self, problem: Exception) -> None:
        self.dead = LogFailed(self.wal.path, problem)
        with suppress(RuntimeError):  # the loop is closed: nobody is left to tell
            self._post(self._failed, self.dead)
