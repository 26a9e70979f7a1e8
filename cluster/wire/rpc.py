"""msgpack-RPC over a stream: [0, id, method, params], [1, id, error, result], [2, method, params].

One C unpacker decodes a connection and is discarded after any error: the connection closes, the process lives on.
Everything written in one turn of the event loop leaves in one write.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Mapping
from typing import NamedTuple, Protocol, cast

import msgpack

from quorate.cluster.wire.errors import BadRequest, Overloaded, ProtocolError, QuorateError, to_wire
from quorate.cluster.wire.sockets import end_if_silent

REQUEST, RESPONSE, NOTIFICATION = 0, 1, 2

# A client frame: the largest request plus its envelope (service limits keep a request under 2 MiB).
CLIENT_FRAME_MAX = 4 << 20
# A peer frame: one append (its blob is bounded by the engine, its largest entry by the service) or one snapshot chunk.
PEER_FRAME_MAX = 32 << 20
# Unsent bytes at which a connection stops reading requests until its peer takes its replies.
WRITE_HIGH_WATER = 1 << 20
# Unsent bytes at which a peer that takes nothing is given up: replies that could not be held back.
WRITE_BUFFER_MAX = 256 << 20
# Elements of one array or map of a client's frame: parameters are few, and commands are bytes. The decoder makes room for
# as many as a header announces, and arrays nest a thousand deep: without this bound 5 KB of headers would hold 80 MB.
CLIENT_ELEMENTS_MAX = 256
# Requests of one connection that may wait for their reply.
IN_FLIGHT_MAX = 8192
# A client that acknowledges nothing for so long is gone: its place, its watches and its unsent replies are given up.
CLIENT_SILENT_S = 60

pack: Callable[[object], bytes] = msgpack.Packer(autoreset=True).pack


class Flushes(Protocol):
    def flush(self) -> None:
        """Write what this turn has queued, or give it to a stream."""


class Outbox:
    """The streams that have something to write in this turn. Whoever ends a turn flushes it; the loop does so at the latest."""

    def __init__(self) -> None:
        self._streams: list[Flushes] = []

    def add(self, stream: Flushes, loop: asyncio.AbstractEventLoop) -> None:
        if not self._streams:
            loop.call_soon(self.flush)
        self._streams.append(stream)

    def flush(self) -> None:
        while self._streams:
            streams, self._streams = self._streams, []
            for stream in streams:
                stream.flush()


class Stream(asyncio.Protocol):
    """One framed connection, either side. A subclass takes frames in `_on_frame` and the end in `_on_closed`.

    Streams that share an Outbox are flushed together, by whoever knows that the turn is over.
    """

    def __init__(self, *, frame_size_max: int, elements_max: int | None = None, outbox: Outbox | None = None) -> None:
        self._frame_size_max = frame_size_max
        most = frame_size_max if elements_max is None else elements_max
        self._unpacker = msgpack.Unpacker(
            max_buffer_size=frame_size_max, max_array_len=most, max_map_len=most, use_list=True, raw=False, strict_map_key=True
        )
        self._transport: asyncio.Transport | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._outgoing: list[bytes] = []
        self._outgoing_size = 0
        self._deferred: deque[Callable[[], None]] = deque()
        self._paused = False
        self._outbox = outbox or Outbox()
        self.closed_because = ""
        """Why this side closed the connection; empty if the other side did."""
        self._received_bytes = 0
        self._looking: asyncio.TimerHandle | None = None

    @property
    def is_open(self) -> bool:
        return self._transport is not None and not self._transport.is_closing()

    @property
    def unsent_size(self) -> int:
        """Bytes written but not yet taken by the kernel."""
        if self._transport is None:
            return 0
        return self._transport.get_write_buffer_size() + self._outgoing_size

    @property
    def takes_more(self) -> bool:
        """Whether what is unsent is little enough to add to it."""
        return not self._paused and self._outgoing_size < WRITE_HIGH_WATER

    def defer(self, work: Callable[[], None]) -> None:
        """Do `work`, which sends, once this connection takes more; dropped when it closes. Bounded by who calls."""
        self._deferred.append(work)

    @property
    def peer_name(self) -> str:
        name = self._transport.get_extra_info("peername") if self._transport else None
        return f"{name[0]}:{name[1]}" if isinstance(name, tuple) else "unknown"

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # A cast, not a check: the TCP transports of uvloop are no subclasses of asyncio's.
        self._transport = cast(asyncio.Transport, transport)
        self._loop = asyncio.get_running_loop()
        self._transport.set_write_buffer_limits(high=WRITE_HIGH_WATER)

    def data_received(self, data: bytes) -> None:
        unpacker = self._unpacker
        self._received_bytes += len(data)
        try:
            unpacker.feed(data)
            for frame in unpacker:
                self._on_frame(frame)
        except QuorateError as error:
            self.close(f"{error.code}: {error.message}")
        except msgpack.exceptions.BufferFull:
            self.close(f"a frame larger than {self._frame_size_max} bytes")
        except (ValueError, TypeError, msgpack.exceptions.UnpackException, RecursionError) as error:
            # msgpack's own format errors are ValueErrors; UnicodeDecodeError is one too.
            self.close(f"not msgpack-RPC: {error!r}")

    def end_if_unfinished(self, within_s: float, unfinished_at: int = -1) -> None:
        """Close once two looks, so far apart, find the same frame unfinished: one whose length was damaged on the way would else
        swallow all that comes after it, while the connection looks alive."""
        assert self._loop is not None, "not connected yet"
        begins_at = self._unpacker.tell()
        missing = self._received_bytes - begins_at
        if missing and begins_at == unfinished_at:
            self.abort(f"a frame of which {missing} bytes have come is unfinished after {within_s:g} s; was its length damaged?")
            return
        self._looking = self._loop.call_later(within_s, self.end_if_unfinished, within_s, begins_at if missing else -1)

    def _on_frame(self, frame: object) -> None:
        raise NotImplementedError

    def _on_closed(self, error: Exception | None) -> None:
        """The connection is gone."""

    def send(self, frame: bytes) -> None:
        """Queue one packed frame; it leaves with all others of this turn. Dropped if the connection is closed."""
        if self._transport is None or self._loop is None:
            return
        if not self._outgoing:
            self._outbox.add(self, self._loop)
        self._outgoing.append(frame)
        self._outgoing_size += len(frame)

    def flush(self) -> None:
        """Write what this turn has queued."""
        if not self._outgoing or self._transport is None:
            self._outgoing.clear()
            return
        outgoing, self._outgoing, self._outgoing_size = self._outgoing, [], 0
        if self._transport.is_closing():
            return
        try:
            self._transport.write(b"".join(outgoing) if len(outgoing) > 1 else outgoing[0])
        except RuntimeError:
            # uvloop closes a connection whose dialling was cancelled without telling its protocol.
            self._transport = None
            return
        if self._transport.get_write_buffer_size() > WRITE_BUFFER_MAX:
            self.abort("the other side does not take what it asked for")
        elif self._deferred and not self._paused and self._loop is not None:
            self._loop.call_soon(self._catch_up)

    def _catch_up(self) -> None:
        while self._deferred and self.takes_more:
            self._deferred.popleft()()

    def pause_writing(self) -> None:
        self._paused = True
        # Back-pressure: who does not take replies may not ask more.
        if self._transport is not None and not self._transport.is_closing():
            self._transport.pause_reading()

    def resume_writing(self) -> None:
        self._paused = False
        self._catch_up()
        if self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()

    def close(self, because: str) -> None:
        """Write out what is queued, then close."""
        if self._transport is not None and not self._transport.is_closing():
            self.closed_because = because
            self.flush()
            self._transport.close()

    def abort(self, because: str) -> None:
        """Close at once, dropping what is unsent."""
        if self._transport is not None:
            self.closed_because = self.closed_because or because
            self._transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._looking is not None:
            self._looking.cancel()
        self._transport = None
        self._outgoing.clear()
        self._deferred.clear()
        self._paused = False
        self._on_closed(exc)


class Method(NamedTuple):
    """A registered method: `handler(connection, id, *params)` replies, fails or raises; `types` are the exact parameter types."""

    handler: Callable[..., None]
    types: tuple[type, ...]


class ServerConnection(Stream):
    """The serving side: looks the method up, checks the parameters, lets the handler reply now or later."""

    def __init__(
        self,
        methods: Mapping[str, Method],
        *,
        frame_size_max: int = CLIENT_FRAME_MAX,
        outbox: Outbox | None = None,
        on_open: Callable[["ServerConnection"], None] | None = None,
        on_closed: Callable[["ServerConnection"], None] | None = None,
    ) -> None:
        super().__init__(frame_size_max=frame_size_max, elements_max=CLIENT_ELEMENTS_MAX, outbox=outbox)
        self._methods = methods
        self._opened = on_open
        self._ended = on_closed
        self.in_flight = 0
        """Requests read and not yet answered."""
        self.at_end: list[Callable[[], None]] = []
        """Called when the connection is gone."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        end_if_silent(transport, CLIENT_SILENT_S)
        if self._opened is not None:
            self._opened(self)

    def _on_closed(self, error: Exception | None) -> None:
        if self._ended is not None:
            self._ended(self)
        for told in self.at_end:
            told()

    def _on_frame(self, frame: object) -> None:
        if type(frame) is not list or len(frame) != 4 or frame[0] != REQUEST:
            # Nor a notification: a handler's reply to one would free a place among those that wait which it never took.
            raise ProtocolError(f"a request is [0, id, method, params], not {frame!r:.100}")
        request_id, name, params = frame[1], frame[2], frame[3]
        if type(request_id) is not int or type(params) is not list:
            raise ProtocolError(f"a request is [0, id, method, params], not {frame!r:.100}")
        self.in_flight += 1
        if self.in_flight > IN_FLIGHT_MAX:
            self.fail(request_id, Overloaded(f"more than {IN_FLIGHT_MAX} requests of this connection wait for their reply"))
            return
        method = self._methods.get(name) if type(name) is str else None
        if method is None:
            self.fail(request_id, BadRequest(f"unknown method {name!r:.100}; known: {', '.join(sorted(self._methods))}"))
            return
        if tuple(map(type, params)) != method.types:
            want, got = (", ".join(kind.__name__ for kind in kinds) for kinds in (method.types, map(type, params)))
            self.fail(request_id, BadRequest(f"{name} takes ({want}), not ({got})"))
            return
        try:
            method.handler(self, request_id, *params)
        except QuorateError as error:
            self.fail(request_id, error)

    def reply(self, request_id: int, result: object) -> None:
        # Packed first: a result that cannot be packed has not been answered yet, and whoever made it may say so.
        frame = pack((RESPONSE, request_id, None, result))
        self.in_flight -= 1
        self.send(frame)

    def fail(self, request_id: int, error: QuorateError) -> None:
        self.in_flight -= 1
        self.send(pack((RESPONSE, request_id, to_wire(error), None)))

    def notify(self, method: str, params: list[object]) -> None:
        self.send(pack((NOTIFICATION, method, params)))
