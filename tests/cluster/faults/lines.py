"""A pipe between two ends that only remember, and time that stands still until told."""

import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from heapq import heappop, heappush

import msgpack

from quorate.cluster.faults.events import Events
from quorate.cluster.faults.fault import Fault, Mode, no_fault
from quorate.cluster.faults.framing import Frame, PeerFramer
from quorate.cluster.faults.link import Link
from quorate.cluster.faults.pipe import Pipe
from quorate.cluster.wire.codec import encode
from quorate.protocols.core import Message
from quorate.protocols.raft.messages import Heartbeat

MS = 1_000_000


@dataclass(slots=True)
class Timer:
    callback: Callable[[], None] | None

    def cancel(self) -> None:
        self.callback = None


class HandTiming:
    """Time passes by `pass_ms` alone, and stops at every timer on the way."""

    def __init__(self) -> None:
        self._now_ns = 1_000 * MS
        self._timers: list[tuple[int, int, Timer]] = []
        self._count = 0

    def now_ns(self) -> int:
        return self._now_ns

    def call_at(self, when_ns: int, callback: Callable[[], None]) -> Timer:
        timer = Timer(callback)
        self._count += 1
        heappush(self._timers, (max(when_ns, self._now_ns), self._count, timer))
        return timer

    def pass_ms(self, ms: float) -> None:
        until_ns = self._now_ns + int(ms * MS)
        while self._timers and self._timers[0][0] <= until_ns:
            self._now_ns, _, timer = heappop(self._timers)
            if timer.callback is not None:
                timer.callback()
        self._now_ns = until_ns


@dataclass(slots=True)
class RememberingEnd:
    """A source and a sink in one."""

    timing: HandTiming
    written: list[tuple[float, bytes]] = field(default_factory=list)
    """(ms since the beginning, what)."""
    takes: bool = True
    wanted: int = 0
    reading: bool = True
    end: str = ""

    @property
    def writable(self) -> bool:
        return self.takes and not self.end

    def want(self) -> None:
        self.wanted += 1

    def write(self, data: bytes) -> None:
        assert not self.end, self
        self.written.append(((self.timing.now_ns() - 1_000 * MS) / MS, data))

    def hold(self, stop: bool) -> None:
        assert self.reading == stop, self
        self.reading = not stop

    def close(self) -> None:
        self.end = self.end or "closed"

    def reset(self) -> None:
        self.end = self.end or "reset"


class Line:
    """The link n1>n2 with one connection."""

    def __init__(self, fault: Fault | None = None, *, mode: Mode = Mode.MESSAGE, seed: int = 1) -> None:
        self.timing = HandTiming()
        self.events = Events(self.timing)
        self.link = Link(("n1", "n2"), mode, seed, self.events)
        self.link.set(fault or no_fault(mode), seed, "test" if fault else "")
        self.connect()

    def connect(self, identity: str = "the same two") -> None:
        """One more connection, welcomed."""
        self.source, self.sink = RememberingEnd(self.timing), RememberingEnd(self.timing)
        self.pipe = Pipe(self.link, self.timing, self.source, self.sink)
        self.pipe.identity = identity
        self.pipe.adopt()

    def send(self, *messages: Message) -> None:
        for message in messages:
            self.pipe.put(PeerFramer().feed(packed(message)))

    def beats(self, count: int) -> None:
        """Heartbeats numbered by their round."""
        self.send(*(Heartbeat(1, 0, number) for number in range(count)))

    def rounds(self) -> list[int]:
        """Of the heartbeats that arrived whole, in order."""
        framer = PeerFramer()
        data = b"".join(piece for _, piece in self.sink.written)
        return [msgpack.unpackb(msgpack.unpackb(frame.data)[2][2])[3] for frame in framer.feed(data)]

    def times(self) -> list[float]:
        return [at for at, _ in self.sink.written]


def packed(message: Message) -> bytes:
    """As a node sends it."""
    payload = encode(message)
    return bytes(msgpack.packb((2, "m", ("default", zlib.crc32(payload), payload))))


def frame_of(message: Message) -> Frame:
    [frame] = PeerFramer().feed(packed(message))
    return frame
