"""One connection to one node: many requests in flight, replies resolve futures straight from the decoder.

The rule: a request is one plain future in a dict, with its deadline. No task, no timer and no lock per request: `sweep`,
called every few tens of milliseconds, fails what is overdue and finds out whether a silent node is still there.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import TypeVar

from quorate.cluster.wire.errors import Overloaded, Unavailable, Uncertain, from_wire
from quorate.cluster.wire.rpc import PEER_FRAME_MAX, REQUEST, Stream, pack

IN_FLIGHT_MAX = 2048
"""Requests of one connection; below what a node accepts of one, and below the results it keeps for one session."""
QUEUE_MAX = 100_000
"""Callers that may wait for one of those places. Each is a coroutine of about two kilobytes."""
SILENCE_MS_MAX = 250
"""A node that owes replies and has said nothing for so long is asked for a sign of life."""
PING_MS_MAX = 750
"""... and given up when it gives none: with the silence about one second, well inside an operation's deadline."""
UNHEARD_ID = 0
"""The request id where the reply does not matter: pings, for which any byte is an answer. Those of requests start at 1."""

T = TypeVar("T")
OnNotification = Callable[["Connection", str, list[object]], None]
OnClosed = Callable[["Connection", str], None]


class ConnectionLost(Uncertain):
    """The connection ended before the reply came."""


class NotSent(Unavailable):
    """The connection was already gone: the request was not sent."""


class DeadlinePassed(Uncertain):
    """No reply by the deadline."""


class Connection(Stream):
    """The asking side. `on_notification(connection, method, params)` gets what the node sends by itself, `on_closed(why)` the end."""

    def __init__(
        self, *, on_notification: Callable[["Connection", str, list[object]], None], on_closed: Callable[["Connection", str], None]
    ) -> None:
        super().__init__(frame_size_max=PEER_FRAME_MAX)
        self._on_notification = on_notification
        self._ended = on_closed
        self._pending: dict[int, tuple[asyncio.Future[object], int]] = {}
        self._queue: deque[tuple[asyncio.Future[None], int]] = deque()
        self._last_id = UNHEARD_ID
        self._clogged = False
        self._heard = False
        self._quiet_since_ms = 0
        self._pinged_ms = 0
        self.crowded = False
        """No place for another request now: wait for `place`."""

    @property
    def in_flight(self) -> int:
        """Requests that wait for their reply, and callers that wait to make one."""
        return len(self._pending) + len(self._queue)

    @property
    def is_silent(self) -> bool:
        """It owes an answer to a ping."""
        return self._pinged_ms > 0 and not self._heard

    def call(self, method: str, params: tuple[object, ...], deadline_ms: int) -> "asyncio.Future[object]":
        """Send a request. The future gives the result or raises the node's error, ConnectionLost or DeadlinePassed."""
        loop = self._loop
        if loop is None or self._transport is None:
            raise NotSent
        request_id = self._last_id = self._last_id + 1
        future: asyncio.Future[object] = loop.create_future()
        pending = self._pending
        pending[request_id] = (future, deadline_ms)
        self.send(pack((REQUEST, request_id, method, params)))
        if len(pending) >= IN_FLIGHT_MAX:
            self.crowded = True
        return future

    def tell(self, method: str, params: tuple[object, ...]) -> None:
        """Send a request whose reply does not matter."""
        self.send(pack((REQUEST, UNHEARD_ID, method, params)))

    def place(self, deadline_ms: int) -> "asyncio.Future[None]":
        """Resolves when a crowded connection takes another request, first come, first served."""
        if self._loop is None or self._transport is None:
            raise NotSent
        if len(self._queue) >= QUEUE_MAX:
            raise Overloaded(f"{QUEUE_MAX} requests of this client already wait for {self.peer_name}; ask for less at a time")
        future: asyncio.Future[None] = self._loop.create_future()
        self._queue.append((future, deadline_ms))
        return future

    def data_received(self, data: bytes) -> None:
        self._heard = True
        super().data_received(data)
        if self.crowded:
            self._make_room()

    def _on_frame(self, frame: object) -> None:
        match frame:
            case [1, int(request_id), error, result]:
                entry = self._pending.pop(request_id, None)
                if entry is None or entry[0].done():
                    return  # a pong, or too late: its caller has gone
                if error is None:
                    entry[0].set_result(result)
                else:
                    entry[0].set_exception(from_wire(error))
            case [2, str(method), list(params)]:
                self._on_notification(self, method, params)
            case _:
                raise ValueError(f"neither a reply nor a notification: {frame!r:.100}")

    def pause_writing(self) -> None:
        # Unlike a server we go on reading: replies free places, and two sides that stop reading wait for ever.
        self._clogged = self.crowded = True

    def resume_writing(self) -> None:
        self._clogged = False
        self._make_room()

    def _make_room(self) -> None:
        if self._clogged:
            return
        free = IN_FLIGHT_MAX - len(self._pending)
        while self._queue and free > 0:
            future, _ = self._queue.popleft()
            if not future.done():
                future.set_result(None)
                free -= 1
        self.crowded = free <= 0

    def sweep(self, now_ms: int) -> None:
        """Fail what is overdue, forget what was cancelled, and ping or give up a node that is silent."""
        _expire(self._pending, now_ms)
        while self._queue and (self._queue[0][0].done() or self._queue[0][1] <= now_ms):
            future, _ = self._queue.popleft()
            if not future.done():
                future.set_exception(NotSent("the node took no more requests before the deadline"))
        if self.crowded:
            self._make_room()
        if self._heard or not (self._pending or self._queue):
            self._heard = False
            self._quiet_since_ms, self._pinged_ms = now_ms, 0
        elif not self._pinged_ms:
            if now_ms - self._quiet_since_ms >= SILENCE_MS_MAX:
                self._pinged_ms = now_ms
                self.tell("ping", ())
        elif now_ms - self._pinged_ms >= PING_MS_MAX:
            self.abort(f"silent for {now_ms - self._quiet_since_ms} ms, a ping included")

    def begin_watching_silence(self, now_ms: int) -> None:
        """Nobody swept for a while: silence counts from now."""
        self._quiet_since_ms, self._pinged_ms = now_ms, 0

    def _on_closed(self, error: Exception | None) -> None:
        why = self.closed_because or (str(error) if error else "the node closed the connection")
        pending, self._pending = self._pending, {}
        queue, self._queue = self._queue, deque()
        self._ended(self, why)
        for future, _ in pending.values():
            if not future.done():
                future.set_exception(ConnectionLost(why))
        for place, _ in queue:
            if not place.done():
                place.set_exception(NotSent(why))


def _expire(pending: dict[int, tuple["asyncio.Future[T]", int]], now_ms: int) -> None:
    gone = [key for key, (future, deadline_ms) in pending.items() if deadline_ms <= now_ms or future.done()]
    for key in gone:
        future, _ = pending.pop(key)
        if not future.done():
            future.set_exception(DeadlinePassed())
