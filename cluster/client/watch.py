"""A watch as the caller sees it: an asynchronous iterator over changes, in order, each once, across any failover.

The rule: the position is (everything up to `revision`, and `seen` events of the next one). It moves only with what is in the
buffer, so whichever node is asked to go on from it leaves nothing out and repeats nothing. When the history is gone the
caller hears Compacted: never a silent gap.

Nothing runs in the background: the caller's own wait subscribes and, after a loss, subscribes again.
"""

import asyncio
from collections import deque
from types import TracebackType
from typing import Protocol

from quorate.cluster.client.calls import CURABLE
from quorate.cluster.client.connection import Connection, DeadlinePassed
from quorate.cluster.client.timing import Timing
from quorate.cluster.service import commands
from quorate.cluster.service.results import WatchEvent, decode_batch
from quorate.cluster.wire.errors import BadRequest, QuorateError, Unavailable

BUFFER_EVENTS_MAX = 10_000
"""Events that wait for a slow caller; with more the watch is dropped at the node, and taken up again once these are read."""
BUFFER_BYTES_MAX = 16 << 20
"""The same bound in bytes."""


class Source(Protocol):
    """What a watch needs of the client."""

    timing: Timing

    async def subscribe(self, watch: "Watch", request: bytes, *, avoid: Connection | None, deadline_ms: int | None) -> tuple[int, int]:
        """(watch id, the first revision it will see). Repeated until it works, or the deadline."""

    def unsubscribe(self, watch: "Watch") -> None: ...


class Watch:
    """Iterate over it. `async with` subscribes at once and ends the watch with the block."""

    def __init__(self, source: Source, start: bytes, end: bytes, *, from_revision: int, previous: bool, timeout_ms: int) -> None:
        self.revision = from_revision - 1 if from_revision else -1
        """Everything up to this revision has been received; -1 until a watch from now on has begun."""
        self.connection: Connection | None = None
        """The connection that feeds it; None while it is not subscribed."""
        self.id = 0
        self._source = source
        self._start = start
        self._end = end
        self._previous = previous
        self._timeout_ms = timeout_ms
        self._begun = False
        self._partial = 0
        """The revision that was last received in part, or last of all ..."""
        self._seen = 0
        """... how many of its events were received ..."""
        self._skip = 0
        """... and how many of them are still to come again after a new subscription."""
        self._events: deque[WatchEvent] = deque()
        self._bytes = 0
        self._left: Connection | None = None
        self._failure: QuorateError | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._closed = False

    def __repr__(self) -> str:
        state = "closed" if self._closed else "subscribed" if self.connection else "not subscribed"
        return f"<Watch {self._start!r}..{self._end!r} revision={self.revision} {state}>"

    async def __aenter__(self) -> "Watch":
        await self._subscribe()
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def __aiter__(self) -> "Watch":
        return self

    async def __anext__(self) -> WatchEvent:
        """The next change, however long that takes. Compacted if the next one is no longer known."""
        events = self._events
        while not events:
            self._bytes = 0
            if self._closed:
                raise StopAsyncIteration
            if self._failure is not None:
                raise self._failure
            if self.connection is None:
                await self._subscribe()
            else:
                await self._wait()
        return events.popleft()

    def close(self) -> None:
        """End the watch; whoever waits for the next change finds the iteration over."""
        self._closed = True
        self._events.clear()
        self._source.unsubscribe(self)
        self._wake()

    # What the node sends

    def on_events(self, payload: bytes) -> None:
        """One batch."""
        batch = decode_batch(payload)
        events = self._events
        for event in batch.events:
            if event.revision <= self.revision:
                continue
            if event.revision != self._partial:
                self._partial, self._seen, self._skip = event.revision, 0, 0
            if self._skip:
                self._skip -= 1
                continue
            self._seen += 1
            events.append(event)
        self.revision = max(self.revision, batch.revision)
        self._bytes += len(payload)
        if len(events) > BUFFER_EVENTS_MAX or self._bytes > BUFFER_BYTES_MAX:
            self._source.unsubscribe(self)
        self._wake()

    def on_end(self, error: QuorateError | None) -> None:
        """The node ended it. Whatever it may resume from elsewhere it does; the rest the caller hears."""
        self._source.unsubscribe(self)
        if error is not None and not isinstance(error, CURABLE):
            self._failure = error
        self._wake()

    def on_lost(self, connection: Connection) -> None:
        """The connection is gone, or its node is cut off: go on at another."""
        self._left = connection
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def _wait(self) -> None:
        if self._waiter is not None:
            raise BadRequest("two tasks iterate over one watch; give each its own")
        self._waiter = asyncio.get_running_loop().create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    async def _subscribe(self) -> None:
        """At first within the timeout; later, with a position to keep, however long it takes."""
        deadline_ms = None if self._begun else self._source.timing.now_ms() + self._timeout_ms
        self._skip = self._seen
        request = commands.encode(commands.watch(self._start, self._end, from_revision=self.revision + 1, previous=self._previous))
        try:
            _, first = await self._source.subscribe(self, request, avoid=self._left, deadline_ms=deadline_ms)
        except DeadlinePassed:
            raise Unavailable("the watch could not begin in time") from None
        if self._closed:
            self._source.unsubscribe(self)
        self._begun, self._left = True, None
        self.revision = max(self.revision, first - 1)
