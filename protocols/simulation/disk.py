"""The simulated disk: a write cache, fsync as an event that takes time, and what a crash leaves of it.

The rule it keeps: a batch is atomic; after a crash the log holds every batch that was synced and a seeded prefix of those that
were not; the one after the prefix may be torn, or a bit of it flipped, which recovery cuts off alike. It is the port `Storage`, with
snapshot images beside the log. What goes wrong is what cluster/storage knows: after a failed or full write nothing more is written
or answered until a restart; a flipped bit in a batch with a later one behind it is damage, and the node refuses to start. (A flip in
the last synced batch looks like a torn tail and is cut: no log can tell, the real one says so, and no fault here flips that one.)
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from quorate.protocols.core import PROPOSED_AGAIN, Configuration, Effects, Entry, Kind, Message, Recovered, Snapshot, born, original
from quorate.protocols.simulation.machine import Image
from quorate.protocols.simulation.schedule import Schedule


@dataclass(slots=True)
class Batch:
    """The part of one Effects that the log keeps, copied so that nobody can change it under way."""

    serial: int
    promise: Message | None
    truncate: int | None
    entries: list[Entry]
    snapshot: Snapshot | None
    synced: Callable[[int], None]

    @property
    def writes(self) -> bool:
        return bool(self.entries or self.promise or self.snapshot or self.truncate is not None)


class Fold:
    """A log as reading all its batches from the oldest on gives it: of each batch snapshot, truncation, promise, entries."""

    __slots__ = ("entries", "promise", "snapshot")

    def __init__(self) -> None:
        self.promise: Message | None = None
        self.snapshot: Snapshot | None = None
        self.entries: dict[int, Entry] = {}

    @property
    def base(self) -> int:
        """The index up to which a snapshot stands for the entries."""
        return self.snapshot.index if self.snapshot is not None else 0

    @property
    def last(self) -> int:
        return max(self.entries, default=self.base)

    def holds(self, index: int, term: int) -> bool:
        """Whether this log has the entry first proposed there in that term, or a snapshot that covers it."""
        if index <= self.base:
            return True
        entry = self.entries.get(index)
        return entry is not None and born(entry) == term

    def configuration(self, below: int | None = None) -> Configuration | None:
        """The latest one in this log, before the index `below`; None if there never was any."""
        for index in sorted(self.entries, reverse=True):
            entry = self.entries[index]
            if entry.kind & ~PROPOSED_AGAIN == Kind.CONFIGURATION and (below is None or index < below):
                return Configuration.decode(original(entry).data, index)
        return None if self.snapshot is None else self.snapshot.configuration

    def add(self, batch: Batch | Effects) -> None:
        entries = self.entries
        if batch.snapshot is not None:
            self.snapshot = batch.snapshot if batch.snapshot.index else None  # NOTHING takes the last one back
            for index in [index for index in entries if index <= batch.snapshot.index]:
                del entries[index]
        if batch.truncate is not None:
            for index in [index for index in entries if index > batch.truncate]:
                del entries[index]
        if batch.promise is not None:
            self.promise = batch.promise
        for entry in batch.entries:
            entries[entry.index] = entry

    def copy(self) -> "Fold":
        other = Fold()
        other.promise, other.snapshot, other.entries = self.promise, self.snapshot, dict(self.entries)
        return other


class SimulatedDisk:
    """One node's disk. It outlives the crashes of its node.

    `latency` gives the ns that the next fsync takes. One fsync runs at a time and covers all batches queued when it began; the
    others gather for the next.
    """

    def __init__(self, schedule: Schedule, rng: Random, latency: Callable[[], int]) -> None:
        self._schedule = schedule
        self._rng = rng
        self._latency = latency
        self._queue: deque[Batch] = deque()
        self._covered = 0
        """How many batches of the queue the running fsync covers; 0 when none runs."""
        self._life = 0
        """Counts crashes: completions from before the last one are void."""
        self.durable = Fold()
        self.images: dict[str, Image] = {}
        self.failed = False
        self.on_failed: Callable[[str], None] = lambda why: None
        """Told once, when a write or an fsync has failed."""
        self.stalled = False
        self.full = False
        self.damaged = False
        """The log cannot be read any more."""
        self.torn = 0
        """How many crashes left half a batch behind the end of the log, for recovery to cut."""
        self._batches = 0
        """How many batches lie in the log."""
        self.held = False
        """A fixed schedule holds the disk back: fsyncs begin only when `release` is called."""

    def load(self) -> Recovered:
        fold = self.durable
        entries = [fold.entries[index] for index in sorted(fold.entries)]
        return Recovered(fold.promise, fold.snapshot, entries)

    def write(self, effects: Effects, synced: Callable[[int], None]) -> None:
        self._queue.append(Batch(effects.serial, effects.promise, effects.truncate, list(effects.entries), effects.snapshot, synced))
        if not self._covered and not self.held:
            self._begin()

    @property
    def pending(self) -> int:
        """How many batches are written and not yet synced."""
        return len(self._queue)

    def save(self, image: Image, done: Callable[[bool], None]) -> None:
        """Write a snapshot image beside the log; `done(True)` when it is durable, `done(False)` if it never will be."""
        self._schedule.after(self._latency(), self._saved, self._life, image, done)

    def forget(self, keep: set[str]) -> None:
        """Drop the images of all other snapshots."""
        for name in [name for name in self.images if name not in keep]:
            del self.images[name]

    def crash(self) -> None:
        """The process died: a prefix of what was not synced survives, whole batches only."""
        kept = self._rng.randint(0, len(self._queue))
        for _ in range(kept):
            self._keep(self._queue.popleft())
        if self._queue and self._rng.getrandbits(1):
            self.torn += 1
        self._queue.clear()
        self._covered = 0
        self._life += 1
        self.failed = self.stalled = False

    def flip_bit(self) -> bool:
        """In a batch at rest that is not the last. False if there is none."""
        if self._batches < 2:
            return False
        self.damaged = True
        return True

    def wipe(self) -> None:
        """Another disk stands in its place, empty."""
        self.crash()
        self.durable = Fold()
        self.images = {}
        self._batches = self.torn = 0
        self.full = self.damaged = False

    def flush(self) -> None:
        """Before a crash on a fixed schedule: all that was written happens to have reached the disk."""
        while self._queue:
            self._keep(self._queue.popleft())

    def discard(self) -> None:
        """Before a crash on a fixed schedule: nothing that was not synced has reached the disk."""
        self._queue.clear()

    def fail(self) -> None:
        """The next fsync fails; from then on nothing becomes durable and nothing is answered."""
        self.failed = True

    def stall(self) -> None:
        """From now on no fsync ends, and nobody is told."""
        self.stalled = True

    def release(self, count: int | None = None) -> None:
        """End a hold and sync all that has gathered; or sync only the first `count` batches, and hold on."""
        self.held = count is not None
        if not self._covered and self._queue:
            self._begin()
            self._covered = len(self._queue) if count is None else min(count, len(self._queue))

    def _begin(self) -> None:
        self._covered = len(self._queue)
        # A fsync for batches that write nothing is a barrier: it costs no disk write, and still answers in order.
        writes = any(batch.writes for batch in self._queue)
        self._schedule.after(self._latency() if writes else 0, self._complete, self._life)

    def _complete(self, life: int) -> None:
        if life != self._life or self.stalled:
            return
        if self.failed or self.full:
            self.stalled = True
            self.on_failed("the disk is full" if self.full else "an fsync failed")
            return
        done = [self._queue.popleft() for _ in range(self._covered)]
        self._covered = 0
        for batch in done:
            self._keep(batch)
        if self._queue and not self.held:
            self._begin()
        for batch in done:
            if life == self._life:  # an answer may have led to a crash
                batch.synced(batch.serial)

    def _keep(self, batch: Batch) -> None:
        self.durable.add(batch)
        self._batches += batch.writes

    def _saved(self, life: int, image: Image, done: Callable[[bool], None]) -> None:
        durable = life == self._life and not (self.failed or self.stalled or self.full)
        if durable:
            self.images[image.snapshot.id] = image
        done(durable)
