"""TCP between simulated machines, over the simulator's network of single frames.

The rule it keeps: a frame may be lost, doubled, late or early, as the link's rule says; a stream never is. Loss shows as a stall
of a retransmission timeout and then a burst, a partition as silence, until an end has waited as long as its socket allows.
"""

import asyncio
from collections.abc import Callable
from errno import EADDRINUSE
from itertools import count
from random import Random

from quorate.cluster.simulation.ends import RESET, SYN, Segment, StreamEnd
from quorate.cluster.simulation.loop import Factory, Process, SimulatedLoop
from quorate.protocols.core import Message, NodeId
from quorate.protocols.simulation.network import Network
from quorate.protocols.simulation.policy import PPM, Rule

# What leaves in one piece at most; a write is cut elsewhere too, now and then, because no reader may count on whole frames.
SEGMENT_BYTES_MAX = 64 << 10
CUT_PPM = 20_000
Tell = Callable[[NodeId, NodeId, Segment], None]
"""(source, destination, segment): what arrived, for the trace."""


class SimulatedServer:
    """A listening port."""

    def __init__(self, streams: "SimulatedStreams", process: Process, port: int, factory: Factory) -> None:
        self.process = process
        self.factory = factory
        self._streams = streams
        self._place = (process.name, port)
        self.sockets = ()

    def close(self) -> None:
        if self._streams.servers.get(self._place) is self:
            del self._streams.servers[self._place]


class SimulatedStreams:
    """All machines' kernels, as far as TCP goes."""

    def __init__(self, seed: int, loop: SimulatedLoop, rule: Rule, tell: Tell) -> None:
        self.network = Network(seed, loop.schedule, self._arrive, rule)
        self.servers: dict[tuple[str, int], SimulatedServer] = {}
        self.ends: dict[tuple[str, int], StreamEnd] = {}
        self.dark: set[str] = set()
        """Machines without power: they take nothing and answer nothing. Never iterated."""
        self._loop = loop
        self._tell = tell
        self._rng = Random(f"{seed}/streams")
        self._ids = count(1)
        self.after = loop.schedule.after

    @property
    def now(self) -> int:
        return self._loop.schedule.now

    def cut(self, size: int) -> int:
        if size > 1 and self._rng.randrange(PPM) < CUT_PPM:
            return self._rng.randint(1, min(size, SEGMENT_BYTES_MAX) - 1)
        return min(size, SEGMENT_BYTES_MAX)

    def send(self, source: NodeId, destination: NodeId, segment: Segment) -> None:
        self.network.send(source, destination, segment)

    async def connect(self, process: Process, factory: Factory, host: str, port: int) -> tuple[StreamEnd, asyncio.BaseProtocol]:
        end = StreamEnd(self, process, host, port, next(self._ids))
        self.ends[process.name, end.id] = end
        connected = end.connected = self._loop.create_future()
        end.dial()
        try:
            await connected
        except BaseException:
            end.connected = None
            end.abort()
            raise
        protocol = factory()
        assert isinstance(protocol, asyncio.Protocol), protocol
        end.begin(protocol)
        return end, protocol

    def listen(self, process: Process, factory: Factory, host: str, port: int) -> SimulatedServer:
        if (process.name, port) in self.servers:
            raise OSError(EADDRINUSE, f"port {port} of {process.name} is in use")
        server = self.servers[process.name, port] = SimulatedServer(self, process, port, factory)
        return server

    def _arrive(self, source: NodeId, destination: NodeId, message: Message) -> None:
        assert isinstance(message, Segment), message
        self._tell(source, destination, message)
        if destination in self.dark:
            return
        end = self.ends.get((destination, message.id))
        if end is not None:
            end.receive(message)
        elif message.kind == SYN and (server := self.servers.get((destination, message.port))) is not None:
            self._accept(server, source, message)
        elif message.kind != RESET:
            # A connection from before a crash, or to a port where nobody listens.
            self.send(destination, source, Segment(RESET, message.id))

    def _accept(self, server: SimulatedServer, source: NodeId, syn: Segment) -> None:
        end = StreamEnd(self, server.process, source, syn.port, syn.id)
        self.ends[server.process.name, syn.id] = end
        end.receive(syn)
        server.process.call(self._begin, end, server)

    def _begin(self, end: StreamEnd, server: SimulatedServer) -> None:
        if not end.is_closing():
            protocol = server.factory()
            assert isinstance(protocol, asyncio.Protocol), protocol
            end.begin(protocol)

    def reset(self, one: NodeId, other: NodeId) -> None:
        """All connections between two machines break, and both ends hear of it."""
        for end in [end for end in self.ends.values() if (end.process.name, end.remote) in ((one, other), (other, one))]:
            end.lose(ConnectionResetError("reset by what stands between"))

    def died(self, process: Process, *, in_silence: bool) -> None:
        """A process is gone: its kernel says so to everybody, or the whole machine went dark."""
        for place in [place for place, server in self.servers.items() if server.process is process]:
            del self.servers[place]
        for end in [end for end in self.ends.values() if end.process is process]:
            if in_silence:
                end._forget()
            else:
                end.abort()
        if in_silence:
            self.dark.add(process.name)
