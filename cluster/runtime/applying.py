"""Applies what is committed, in order, in slices, and answers reads once the state is new enough.

A slice is about 2 ms, so that a long catch-up never costs an election. An unexpected exception of the machine stops the
replica at once: skipping an entry would make this copy differ from the others for ever.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable
from time import perf_counter
from typing import NamedTuple, Protocol

from quorate.cluster.wire.errors import BadRequest, QuorateError, Unavailable, Uncertain
from quorate.protocols.core import NO_ORIGIN, Configuration, Entry, Kind, Snapshot, StateMachine, Token

SLICE_S = 0.002
# Entries between two looks at the time.
STRIDE = 32


class Responder(Protocol):
    """Where an answer goes: a client's connection, or a local caller. Late answers to a closed connection are dropped there."""

    @property
    def takes_more(self) -> bool: ...

    def defer(self, work: Callable[[], None]) -> None:
        """Do `work` once it takes more."""

    def reply(self, request_id: int, result: object) -> None: ...

    def fail(self, request_id: int, error: QuorateError) -> None: ...


class Waiter(NamedTuple):
    """One request that waits for its answer."""

    responder: Responder
    request_id: int


class Read(NamedTuple):
    """One read that waits for its barrier: bytes for the machine's `query`, or a function to call."""

    responder: Responder
    request_id: int
    query: bytes | Callable[[], object]


class Applier:
    """The state machine of one replica and the two queues before it: entries, and reads that wait for an index."""

    def __init__(
        self,
        machine: StateMachine,
        initial: Configuration,
        wake: Callable[[], None],
        on_applied: Callable[[], None],
        on_failed: Callable[[Exception], None],
        work_s: Callable[[], float] = perf_counter,
    ) -> None:
        self.machine = machine
        self._work_s = work_s
        self.waiting: dict[Token, Waiter] = {}
        """Proposals of this node by origin, oldest first."""
        self.waiting_reads = 0
        """Reads whose index is not applied yet."""
        self.index = 0
        """Everything up to here is applied."""
        self.term = 0
        self._initial = self.configuration = initial
        """As of `index`: the bootstrap one until an entry or a snapshot brings another."""
        self._queue: deque[Entry] = deque()
        self._queued_index = 0
        self._reads: deque[tuple[int, list[Read]]] = deque()
        self._on_applied = on_applied
        self._on_failed = on_failed
        self._wake = wake
        self._holds = 0
        """Restorations and freezes under way: meanwhile nothing is applied, commits queue."""
        self._released = asyncio.Event()
        self._expected: Snapshot | None = None
        """The newest snapshot that the state is to become."""
        self._stopped = False

    @property
    def backlog(self) -> int:
        """Entries committed and not yet applied."""
        return len(self._queue)

    def enqueue(self, entries: list[Entry]) -> None:
        self._queue.extend(entries)
        self._queued_index = entries[-1].index

    def read(self, index: int, reads: list[Read]) -> None:
        """Answer these once `index` is applied."""
        self._reads.append((index, reads))
        self.waiting_reads += len(reads)

    def run(self) -> None:
        """One slice; asks to be woken for the next. The driver calls it at the end of every turn."""
        if self._stopped or self._holds:
            return
        if self._queue:
            try:
                self._apply_slice()
            except Exception as error:
                self._on_failed(error)
                return
            self._on_applied()
        if self._reads:
            self._answer_reads()
        if self._queue:
            self._wake()

    def _apply_slice(self) -> None:
        queue, waiting, apply = self._queue, self.waiting, self.machine.apply
        until = self._work_s() + SLICE_S
        while queue:
            for _ in range(min(STRIDE, len(queue))):
                entry = queue.popleft()
                if entry.kind == 0:  # Kind.COMMAND, spelled out: this line runs for every write
                    result = apply(entry)
                    if waiting:
                        waiter = waiting.pop(entry.origin, None)
                        if waiter is not None:
                            waiter.responder.reply(waiter.request_id, result)
                else:
                    self._apply_own(entry)
                self.index = entry.index
                self.term = entry.term
            if self._work_s() > until:
                return

    def _apply_own(self, entry: Entry) -> None:
        """An entry of the engine's own."""
        if entry.kind == Kind.CONFIGURATION:
            self.configuration = Configuration.decode(entry.data, entry.index)
        if entry.origin != NO_ORIGIN and (waiter := self.waiting.pop(entry.origin, None)) is not None:
            waiter.responder.reply(waiter.request_id, None)

    def _answer_reads(self) -> None:
        later: deque[tuple[int, list[Read]]] = deque()
        for index, reads in self._reads:
            if index > self.index:
                later.append((index, reads))
                continue
            self.waiting_reads -= len(reads)
            for read in reads:
                self.answer(read)
        self._reads = later

    def answer(self, read: Read) -> None:
        """From the state as it is now; for a client that does not take its answers, from the state as it is when it does."""
        if not read.responder.takes_more:
            read.responder.defer(lambda: self.answer(read))
            return
        try:
            query = read.query
            result = self.machine.query(query) if type(query) is bytes else query()  # type: ignore[operator]
            read.responder.reply(read.request_id, result)
        except QuorateError as error:
            read.responder.fail(read.request_id, error)
        except Exception as error:
            # A query changes nothing, so a broken one harms only its caller.
            read.responder.fail(read.request_id, BadRequest(f"the query failed: {error!r}"))

    def needs(self, snapshot: Snapshot) -> bool:
        """Whether the snapshot is ahead of everything that was committed here."""
        return snapshot.index > max(self.index, self._queued_index)

    def start_again(self, snapshot: Snapshot) -> None:
        """As `expect`, of a snapshot that may lie behind what is applied: whoever waits for that would get answers of another history."""
        self.expect(snapshot)
        self.index, self.term = snapshot.index, snapshot.term
        given_up, self._reads = self._reads, deque()
        for _, reads in given_up:
            self.waiting_reads -= len(reads)
            for read in reads:
                read.responder.fail(read.request_id, Unavailable("this node gave up its history; ask again"))

    def expect(self, snapshot: Snapshot) -> None:
        """The state will be this snapshot's: what is queued is part of it, what is committed from now on comes after it."""
        self._hold()
        self._expected = snapshot
        self._queue.clear()
        self._queued_index = snapshot.index
        # Their entries may be among those that are never applied here one by one, so nobody would ever be told.
        self._fail_waiting(Uncertain(f"a snapshot up to entry {snapshot.index} took the place of the log; it may have been written"))

    async def restore(self, snapshot: Snapshot, chunks: Iterable[bytes]) -> None:
        """Replace the state by that of the snapshot expected, stepwise; stale reads of the old state go on until the swap."""
        assert self._holds, "expect the snapshot first"
        for _ in self.machine.restore(chunks):
            await asyncio.sleep(0)
            if self._stopped:
                return
            if snapshot is not self._expected:
                # A newer one is being restored beside this one: whichever ends last must not be the older.
                self._release()
                return
        self.index, self.term = snapshot.index, snapshot.term
        self.configuration = snapshot.configuration if snapshot.index else self._initial
        self._on_applied()
        self._release()

    def _hold(self) -> None:
        self._holds += 1
        self._released.clear()

    def _release(self) -> None:
        self._holds -= 1
        if not self._holds:
            self._released.set()
            self._wake()

    @contextlib.asynccontextmanager
    async def paused(self) -> AsyncIterator[None]:
        """Nothing is applied inside; commits and reads queue."""
        while self._holds and not self._stopped:
            await self._released.wait()
        if self._stopped:
            raise Unavailable("this replica stopped")
        self._hold()
        try:
            yield
        finally:
            self._release()

    def give_up(self, token: Token, error: QuorateError) -> None:
        waiter = self.waiting.pop(token, None)
        if waiter is not None:
            waiter.responder.fail(waiter.request_id, error)

    def give_up_until(self, token: Token, why: str) -> None:
        """Proposals up to this origin have waited too long: they may still commit, and their callers should know."""
        while self.waiting:
            oldest = next(iter(self.waiting))
            if oldest > token:
                return
            self.give_up(oldest, Uncertain(why))

    def fail_all(self, error: QuorateError) -> None:
        """The replica stops: nothing that waits will be answered otherwise."""
        self._stopped = True
        self._released.set()
        self._fail_waiting(error)
        for _, reads in self._reads:
            for read in reads:
                read.responder.fail(read.request_id, error)
        self._reads.clear()

    def _fail_waiting(self, error: QuorateError) -> None:
        while self.waiting:
            self.give_up(next(iter(self.waiting)), error)
