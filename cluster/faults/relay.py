"""One connection through the proxy: the end that was dialled to us, the end that we dial, and a pipe each way between them.

The rules: the first frame of a peer connection names (source, destination) and must match the port. The destination is dialled when
the first frame for it is due, so that behind a cut it sees nothing at all. The end of one side is told to the other by the pipe
that leads there, after what is under way and unless a fault hides it.
"""

import asyncio
import socket
import struct
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, cast

from quorate.cluster.faults.framing import Frame, Framer, NotFrames
from quorate.cluster.faults.link import Link
from quorate.cluster.faults.pipe import Pipe
from quorate.cluster.faults.timing import Timing
from quorate.cluster.runtime.config import split_address
from quorate.cluster.wire.errors import BadRequest, to_wire
from quorate.cluster.wire.rpc import RESPONSE, WRITE_HIGH_WATER, pack
from quorate.cluster.wire.sockets import end_if_silent

if TYPE_CHECKING:
    from quorate.cluster.faults.listener import Port

DIAL_S_MAX = 2.0
"""A destination that does not answer in this time is down; the source is told by a closed connection, and tries again by itself."""
PEER_SILENT_S = 10
"""A side that acknowledges nothing for so long is gone."""
HELLO_SOURCE, HELLO_DESTINATION, HELLO_INCARNATION, HELLO_STORAGE = 2, 3, 4, 5
"""Places in the parameters of hello (runtime/handshake.py)."""
PROBE = "proxy.probe"
"""The first frame of a connection by which the proxy asks itself whether a link is open."""
_LINGER_NOT = struct.pack("ii", 1, 0)


class End(asyncio.Protocol):
    """One side. `into` is the pipe that its bytes enter, `out_of` the one that writes to it."""

    into: Pipe
    out_of: Pipe

    def __init__(self, relay: "Relay", framer: Framer) -> None:
        self._relay = relay
        self._framer = framer
        self._transport: asyncio.Transport | None = None
        self._paused = False
        self._ended = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._transport.set_write_buffer_limits(high=WRITE_HIGH_WATER)
        end_if_silent(transport, PEER_SILENT_S)
        if self._ended:
            self.reset()

    def data_received(self, data: bytes) -> None:
        try:
            frames = self._framer.feed(data)
        except NotFrames as problem:
            self._relay.break_off(f"{problem}")
            return
        if frames:
            self._relay.received(self, frames)

    def pause_writing(self) -> None:
        self._paused = True

    def resume_writing(self) -> None:
        self._paused = False
        self.out_of.resumed()

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._ended = True
        self._relay.ended(self)

    # What pipes ask.

    @property
    def is_gone(self) -> bool:
        return self._ended

    @property
    def writable(self) -> bool:
        return self._transport is not None and not self._paused and not self._transport.is_closing()

    def want(self) -> None:
        if self._transport is None and not self._ended:
            self._relay.dial()

    def write(self, data: bytes) -> None:
        if data and self._transport is not None and not self._transport.is_closing():
            with suppress(RuntimeError):  # uvloop, for a connection that ended without a word
                self._transport.write(data)

    def hold(self, stop: bool) -> None:
        if self._transport is None or self._transport.is_closing():
            return
        if stop:
            self._transport.pause_reading()
        else:
            self._transport.resume_reading()

    def close(self) -> None:
        if self._transport is None:
            self._end_undialled()
        elif not self._transport.is_closing():
            self._transport.close()

    def reset(self) -> None:
        """RST, not FIN: what is unsent is thrown away, and the other side is told so."""
        if self._transport is None:
            self._end_undialled()
            return
        connection = self._transport.get_extra_info("socket")
        if connection is not None:
            with suppress(OSError):
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NOT)
        self._transport.abort()

    def _end_undialled(self) -> None:
        if not self._ended:
            self._ended = True
            self._relay.ended(self)


class _Loopback(asyncio.Transport):
    """In place of a destination, for a probe: what is written to it comes back."""

    def __init__(self, end: End) -> None:
        super().__init__()
        self._end = end
        self._open = True
        self._loop = asyncio.get_running_loop()

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if self._open:
            self._loop.call_soon(self._end.data_received, bytes(data))

    def close(self) -> None:
        if self._open:
            self._open = False
            self._loop.call_soon(self._end.connection_lost, None)

    abort = close

    def is_closing(self) -> bool:
        return not self._open

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        pass

    def pause_reading(self) -> None:
        pass

    resume_reading = pause_reading


class Relay:
    def __init__(self, port: "Port", timing: Timing, on_ended: Callable[["Relay"], None]) -> None:
        self._port = port
        self._on_ended = on_ended
        self.near, self.far = End(self, port.framer()), End(self, port.reply_framer())
        forward: Link = port.forward
        self.forward = Pipe(forward, timing, self.near, self.far)
        self.backward = Pipe(port.backward, timing, self.far, self.near)
        self.near.into = self.far.out_of = self.forward
        self.far.into = self.near.out_of = self.backward
        self._greeted = self._is_probe = False
        self._claim: tuple[object, ...] = ()
        """(storage, incarnation) of the source."""
        self._welcomed = False
        self._dialling: asyncio.Task[None] | None = None

    def __repr__(self) -> str:
        return f"<Relay {self._port.forward.name} welcomed={self._welcomed}>"

    def received(self, end: End, frames: list[Frame]) -> None:
        if not self._greeted and end is self.near and not self._greet(frames[0]):
            return
        if self._port.is_of_peers and not self._welcomed and end is self.far and frames[0].kind == "welcome":
            self._on_welcome(frames[0])
        end.into.put(frames)

    def _greet(self, first: Frame) -> bool:
        """Whether the first frame lets this connection in."""
        if not self._port.is_of_peers:
            self._greeted, self._is_probe = True, first.kind == PROBE
            return True
        source, destination = self._port.forward.pair
        match first.handshake:
            case [_, str(method), _] if method == PROBE:
                self._greeted = self._is_probe = True
                return True
            case [request_id, "hello", list(said)] if len(said) > HELLO_STORAGE:
                if (said[HELLO_SOURCE], said[HELLO_DESTINATION]) == (source, destination):
                    self._greeted = True
                    self._claim = said[HELLO_STORAGE], said[HELLO_INCARNATION]
                    return True
                wrong = f"{said[HELLO_SOURCE]!r:.70} looks for {said[HELLO_DESTINATION]!r:.70}"
            case _:
                request_id, wrong = 0, f"the first frame is no hello but {first.kind!r}"
        problem = BadRequest(f"this port of the fault proxy belongs to {source}>{destination} alone, but {wrong}; check the peer addresses")
        self._port.refused(problem.message)
        self.near.write(pack((RESPONSE, request_id if type(request_id) is int else 0, to_wire(problem), None)))
        self.near.close()
        return False

    def _on_welcome(self, frame: Frame) -> None:
        self._welcomed = True
        match frame.handshake:
            case [str(storage), *_]:
                self.forward.identity = (*self._claim, storage)
                self.forward.adopt()

    def dial(self) -> None:
        if self._is_probe:
            self.far.connection_made(_Loopback(self.far))
        elif self._dialling is None:
            self._dialling = asyncio.get_running_loop().create_task(self._dial(), name=f"dial {self._port.forward.name}")

    async def _dial(self) -> None:
        host, port = split_address(self._port.upstream)
        try:
            async with asyncio.timeout(DIAL_S_MAX):
                await asyncio.get_running_loop().create_connection(lambda: self.far, host, port)
        except (OSError, TimeoutError, ValueError) as error:
            self._port.unreachable(error)
            self.break_off(f"{self._port.upstream} cannot be reached")
            return
        self.forward.resumed()

    def ended(self, end: End) -> None:
        """One side is gone."""
        end.out_of.sink_ended()
        # Half open: the side that goes on sending must not be told.
        if not end.out_of.fault.half_open:
            end.into.source_ended()
        if self.near.is_gone and self.far.is_gone:
            self._on_ended(self)

    def break_off(self, because: str) -> None:
        """Reset both sides; not for a fault, whose resets the link counts."""
        self._port.forward.events.tell("broken off", link=self._port.name, because=because)
        self.near.reset()
        self.far.reset()

    def heal(self) -> None:
        """Whoever waits for an answer to a hello that was lost would wait for seconds: closed now, it dials anew."""
        if self.forward.lost_handshake or self.backward.lost_handshake:
            self.break_off("its hello was lost")

    def close(self) -> None:
        """The proxy stops."""
        if self._dialling is not None:
            self._dialling.cancel()
        self.near.reset()
        self.far.reset()
