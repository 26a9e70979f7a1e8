"""One end of a simulated TCP connection: what its program does, and what its kernel does for it.

The rule it keeps: what is written arrives whole and in order or not at all, whatever becomes of single frames. The kernel's part
goes on while the process is paused, and for what a dead process had sent.
"""

import asyncio
import socket
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from errno import ECONNREFUSED, ETIMEDOUT
from itertools import count
from typing import Protocol

from quorate.cluster.simulation.loop import Process
from quorate.protocols.core import Message, NodeId
from quorate.protocols.simulation.schedule import MILLISECOND, SECOND

# Linux waits at least 200 ms for an acknowledgement, and twice as long each time. It goes up to two minutes, by when everybody
# here has given up.
RTO_NS_MIN, RTO_NS_MAX = 200 * MILLISECOND, 6_400 * MILLISECOND
# A connection that nobody answers fails after about two minutes on Linux; whoever dials here gives up long before.
CONNECT_NS_MAX = 20 * SECOND
# What the sending kernel holds before the program hears of a full buffer, and what the receiving one holds unread.
SEND_BUFFER_BYTES = 256 << 10
RECEIVE_BUFFER_BYTES = 1 << 20

SYN, ACCEPT, DATA, ACK, RESET, PROBE = "syn", "accept", "data", "ack", "reset", "probe"


@dataclass(slots=True)
class Segment(Message):
    """One frame on a link."""

    kind: str
    id: int
    """Of the connection."""
    number: int = 0
    """Counts the data of one direction; of an acknowledgement: the one expected next."""
    data: bytes = b""
    is_last: bool = False
    port: int = 0


class Kernel(Protocol):
    """What an end needs of its machine."""

    ends: "dict[tuple[str, int], StreamEnd]"
    after: Callable[..., None]

    @property
    def now(self) -> int: ...

    def cut(self, size: int) -> int:
        """How much of a write leaves in one piece."""

    def send(self, source: NodeId, destination: NodeId, segment: Segment) -> None: ...


class SimulatedSocket:
    """As much of a socket as `end_if_silent` sets."""

    def __init__(self, end: "StreamEnd") -> None:
        self._end = end

    def setsockopt(self, level: int, option: int, value: int) -> None:
        if (level, option) == (socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT):
            self._end.end_if_silent(value * MILLISECOND)


class StreamEnd(asyncio.Transport):
    """One end of a connection."""

    def __init__(self, kernel: "Kernel", process: Process, remote: NodeId, port: int, id: int) -> None:
        super().__init__({"peername": (remote, port)})
        self._extra["socket"] = SimulatedSocket(self)  # type: ignore[attr-defined]
        self._kernel = kernel
        self.process = process
        self.remote, self.port, self.id = remote, port, id
        self.protocol: asyncio.Protocol
        self.connected: asyncio.Future[None] | None = None
        self._closing = False
        self._lost = False
        # Out.
        self._unacked: deque[Segment] = deque()
        self._unacked_bytes = 0
        self._numbers = count(1)
        self._oldest_ns = 0
        """When the oldest unacknowledged segment was first sent, or its predecessor acknowledged."""
        self._rto_ns = RTO_NS_MIN
        self._timer_due = False
        self._again_until = 0
        """The last segment that had been sent when the timeout struck."""
        self._full_bytes = SEND_BUFFER_BYTES
        self._is_full = False
        # In.
        self._expected = 1
        self._early: dict[int, Segment] = {}
        self._inbox: list[bytes] = []
        self._inbox_bytes = 0
        self._at_end = False
        self._is_reading = False
        self._delivery_due = False
        self._heard_ns = kernel.now
        self._silent_ns = 0

    def __repr__(self) -> str:
        return f"<StreamEnd {self.process.name} {self.id} to {self.remote}:{self.port}>"

    def _send(self, kind: str, number: int = 0, data: bytes = b"", is_last: bool = False) -> Segment:
        segment = Segment(kind, self.id, number, data, is_last, self.port)
        self._kernel.send(self.process.name, self.remote, segment)
        return segment

    # The program's side.

    def begin(self, protocol: asyncio.Protocol) -> None:
        """The connection is there: from now on what comes is delivered."""
        self.protocol = protocol
        protocol.connection_made(self)
        self.resume_reading()

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if self._closing or self._lost or not data:
            return
        rest = bytes(data)
        while rest:
            size = self._kernel.cut(len(rest))
            piece, rest = rest[:size], rest[size:]
            self._queue(piece)
        if not self._is_full and self.get_write_buffer_size() > self._full_bytes:
            self._is_full = True
            self.protocol.pause_writing()

    def _queue(self, data: bytes, is_last: bool = False) -> None:
        if not self._unacked:
            self._oldest_ns = self._kernel.now
        self._unacked.append(self._send(DATA, next(self._numbers), data, is_last))
        self._unacked_bytes += len(data)
        self._arm()

    def get_write_buffer_size(self) -> int:
        return max(0, self._unacked_bytes - SEND_BUFFER_BYTES)

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        self._full_bytes = SEND_BUFFER_BYTES if high is None else high

    def is_closing(self) -> bool:
        return self._closing or self._lost

    def close(self) -> None:
        """The kernel goes on sending what is unsent, and the end of it."""
        if not self._closing and not self._lost:
            self._closing = True
            self._queue(b"", is_last=True)
            self.process.call(self._told_lost, None)

    def abort(self) -> None:
        if not self._lost:
            if not self._closing:
                self.process.call(self._told_lost, None)
            self._closing = True
            self._send(RESET)
            self._forget()

    def pause_reading(self) -> None:
        self._is_reading = False

    def resume_reading(self) -> None:
        self._is_reading = True
        self._deliver_soon()

    def is_reading(self) -> bool:
        return self._is_reading

    def end_if_silent(self, after_ns: int) -> None:
        """Give up what stays unacknowledged for so long, and probe the other side when it says nothing for so long."""
        if not self._silent_ns:
            self._heard_ns = self._kernel.now
            self._kernel.after(after_ns, self._look)
        self._silent_ns = after_ns

    # The kernel's side: out.

    def _arm(self) -> None:
        if not self._timer_due:
            self._timer_due = True
            self._kernel.after(self._rto_ns, self._on_timer)

    def _on_timer(self) -> None:
        self._timer_due = False
        if not self._unacked or self._lost:
            return
        waited = self._kernel.now - self._oldest_ns
        if waited < self._rto_ns:
            # Something was acknowledged meanwhile.
            self._timer_due = True
            self._kernel.after(self._rto_ns - waited, self._on_timer)
            return
        limit = CONNECT_NS_MAX if self.connected is not None or self._closing else self._silent_ns
        if limit and waited >= limit:
            self.lose(TimeoutError(ETIMEDOUT, "Connection timed out"))
            return
        self._kernel.send(self.process.name, self.remote, self._unacked[0])
        self._again_until = self._unacked[-1].number
        self._rto_ns = min(2 * self._rto_ns, RTO_NS_MAX)
        self._timer_due = True
        self._kernel.after(self._rto_ns, self._on_timer)

    def _on_ack(self, expected: int) -> None:
        unacked = self._unacked
        if not unacked or unacked[0].number >= expected:
            return
        while unacked and unacked[0].number < expected:
            self._unacked_bytes -= len(unacked.popleft().data)
        self._oldest_ns, self._rto_ns = self._kernel.now, RTO_NS_MIN
        if unacked and unacked[0].number <= self._again_until:
            # Sent before the timeout, and probably lost like the one before it.
            self._kernel.send(self.process.name, self.remote, unacked[0])
        if self._is_full and self.get_write_buffer_size() <= self._full_bytes // 4:
            self._is_full = False
            self.process.call(self._resume_writing)
        if self._closing and not unacked:
            self._forget()

    def _resume_writing(self) -> None:
        if not self._closing and not self._lost:
            self.protocol.resume_writing()

    def dial(self) -> None:
        """Ask for the connection."""
        self._unacked.append(self._send(SYN))
        self._oldest_ns = self._kernel.now
        self._arm()

    # The kernel's side: in.

    def receive(self, segment: Segment) -> None:
        self._heard_ns = self._kernel.now
        match segment.kind:
            case "data":
                self._on_data(segment)
            case "ack":
                self._on_ack(segment.number)
            case "accept":
                self._on_accept()
            case "reset":
                refused = self.connected is not None
                self.lose(ConnectionRefusedError(ECONNREFUSED, "Connection refused") if refused else ConnectionResetError("reset"))
            case "probe":
                self._send(ACK, self._expected)
            case "syn":
                self._send(ACCEPT)  # the first answer was lost

    def _on_accept(self) -> None:
        if self.connected is not None:
            self._unacked.clear()
            self._rto_ns = RTO_NS_MIN
            connected, self.connected = self.connected, None
            self.process.call(_resolve, connected, None)

    def _on_data(self, segment: Segment) -> None:
        if segment.number >= self._expected and self._inbox_bytes + len(segment.data) > RECEIVE_BUFFER_BYTES:
            return  # the program does not read: not taken, so it comes again
        if segment.number >= self._expected:
            self._early[segment.number] = segment
        while (segment := self._early.pop(self._expected, segment)).number == self._expected:
            self._expected += 1
            if segment.data:
                self._inbox.append(segment.data)
                self._inbox_bytes += len(segment.data)
            self._at_end = self._at_end or segment.is_last
        self._send(ACK, self._expected)
        self._deliver_soon()

    def _deliver_soon(self) -> None:
        if not self._delivery_due and (self._inbox or self._at_end):
            self._delivery_due = True
            self.process.call(self._deliver)

    def _deliver(self) -> None:
        self._delivery_due = False
        if self._closing or self._lost or not self._is_reading:
            return
        if self._inbox:
            data, self._inbox, self._inbox_bytes = b"".join(self._inbox), [], 0
            self.protocol.data_received(data)
        if self._at_end and not self._inbox:
            self.close()

    def _look(self) -> None:
        """Keep-alive, in as few steps as will do."""
        if self._lost or self._closing:
            return
        quiet = self._kernel.now - self._heard_ns
        if quiet >= 2 * self._silent_ns:
            self.lose(TimeoutError(ETIMEDOUT, "Connection timed out"))
            return
        if quiet >= self._silent_ns:
            self._send(PROBE)
        self._kernel.after(max(self._silent_ns // 3, self._silent_ns - quiet), self._look)

    def lose(self, error: OSError) -> None:
        """The connection is over, and this end hears why."""
        if self._lost:
            return
        if self.connected is not None:
            connected, self.connected = self.connected, None
            self.process.call(_fail, connected, error)
        elif not self._closing:
            self.process.call(self._told_lost, error)
        self._closing = True
        self._forget()

    def _told_lost(self, error: OSError | None) -> None:
        if hasattr(self, "protocol"):
            self.protocol.connection_lost(error)

    def _forget(self) -> None:
        self._lost = True
        self._unacked.clear()
        self._early.clear()
        self._inbox.clear()
        self._unacked_bytes = self._inbox_bytes = 0
        self._kernel.ends.pop((self.process.name, self.id), None)


def _resolve(future: "asyncio.Future[None]", value: None) -> None:
    if not future.done():
        future.set_result(value)


def _fail(future: "asyncio.Future[None]", error: OSError) -> None:
    if not future.done():
        future.set_exception(error)
