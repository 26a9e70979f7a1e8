"""The simulated network: one policy rule per directed link, bounded queues, messages handed over as they are.

The rule it keeps: best effort, one way, never blocks; a full queue drops the newest and counts it (the port `Transport`). Each
directed link is one connection: a damaged frame ends it, and what is under way on it is lost.
"""

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields

from quorate.protocols.core import Message, NodeId
from quorate.protocols.simulation.lane import Lane
from quorate.protocols.simulation.policy import Rule, decide, link_key
from quorate.protocols.simulation.schedule import Schedule
from quorate.protocols.simulation.shapes import Pair

# Frames under way on one link before the newest is dropped. A healthy link holds a few; only a very slow one fills up.
LINK_QUEUE_MAX = 4_096

# Tag, term, round and the like, with the frame around them.
HEADER_BYTES = 64

CUT = Rule(cut=True)
CUT_STREAM = Rule(cut=True, stream=True)

Deliver = Callable[[NodeId, NodeId, Message], None]
"""(source, destination, message)"""

Broke = Callable[[NodeId, NodeId], None]
"""(source, destination) of a connection that a damaged frame has ended."""


@dataclass(slots=True, eq=False)
class Parcel:
    """One frame of a stream, under way."""

    due_ns: int
    message: Message
    damaged: bool


class Link(Lane):
    """One direction between two nodes."""

    __slots__ = ("connection", "flow", "held", "queued")

    def __init__(self, key: int, rule: Rule) -> None:
        super().__init__(key, rule)
        self.queued = 0
        self.connection = 0
        """Counts connections: what was sent on an earlier one is lost."""
        self.held: list[Message] = []
        """What a stream keeps while it is cut."""
        self.flow: deque[Parcel] = deque()
        """What is under way on a stream, in order."""


class Network:
    """All links. Each is made when the first frame passes or the first rule is set."""

    def __init__(
        self,
        seed: int,
        schedule: Schedule,
        deliver: Deliver,
        rule: Rule,
        queue_max: int = LINK_QUEUE_MAX,
        broke: Broke = lambda source, destination: None,
    ) -> None:
        self._seed = seed
        self._schedule = schedule
        self._deliver = deliver
        self._broke = broke
        self._rule = rule
        self._links: dict[Pair, Link] = {}
        self.queue_max = queue_max
        self.sent = 0
        self.lost = 0
        self.overflowed = 0

    def link(self, source: NodeId, destination: NodeId) -> Link:
        """The link from one node to another, to look at or to give another rule."""
        pair = (source, destination)
        link = self._links.get(pair)
        if link is None:
            link = self._links[pair] = Link(link_key(self._seed, source, destination), self._rule)
        return link

    def transport(self, source: NodeId) -> "SimulatedTransport":
        """What a node sends through."""
        return SimulatedTransport(self, source)

    def send(self, source: NodeId, destination: NodeId, message: Message) -> bool:
        """Put one frame on its link. False if it was dropped because the queue is full."""
        link = self._links.get((source, destination)) or self.link(source, destination)
        if link.queued >= self.queue_max:
            self.overflowed += 1
            return False
        self.sent += 1
        rule = link.rule
        if rule.plain:
            frame = link.frames
            link.frames = frame + 1
            delays = decide(link.key, frame, rule)
        else:
            fate = link.put(self._schedule.now, type(message).__name__, getattr(message, "term", 0), frame_bytes(message))
            if fate.held:
                link.queued += 1
                link.held.append(message)
                return True
            delays = fate.delays_ns
            if fate.streamed:
                link.queued += 1
                self._flow(link, source, destination, message, delays[0], fate.corrupt)
                return True
            if fate.corrupt and delays:
                link.queued += 1
                self._schedule.after(delays[0], self._arrive_damaged, link, source, destination, link.connection)
                return True
        if not delays:
            self.lost += 1
            return True
        for delay in delays:
            link.queued += 1
            self._schedule.after(delay, self._arrive, link, link.connection, source, destination, message)
        return True

    def _flow(self, link: Link, source: NodeId, destination: NodeId, message: Message, delay: int, damaged: bool) -> None:
        """Put one frame of a stream behind those that are under way."""
        parcel = Parcel(self._schedule.now + delay, message, damaged)
        link.flow.append(parcel)
        self._schedule.after(delay, self._emerge, link, parcel, source, destination)

    def _emerge(self, link: Link, parcel: Parcel, source: NodeId, destination: NodeId) -> None:
        """The next frame of a stream is there, unless it was hurried or lost with its connection."""
        if not link.flow or link.flow[0] is not parcel:
            return
        link.flow.popleft()
        if parcel.damaged:
            self._arrive_damaged(link, source, destination, link.connection)
        else:
            self._arrive(link, link.connection, source, destination, parcel.message)

    def _arrive(self, link: Link, connection: int, source: NodeId, destination: NodeId, message: Message) -> None:
        link.queued -= 1
        if connection == link.connection:
            self._deliver(source, destination, message)
        else:
            self.lost += 1

    def _arrive_damaged(self, link: Link, source: NodeId, destination: NodeId, connection: int) -> None:
        """The receiver's checksum shows it (or its framing breaks): it closes the connection."""
        link.queued -= 1
        self.lost += 1
        if connection == link.connection:
            self._close(link)
            self._broke(source, destination)

    def _close(self, link: Link) -> None:
        link.connection += 1
        for waiting in (link.held, link.flow):
            self.lost += len(waiting)
            link.queued -= len(waiting)
            waiting.clear()
        link.rewind(0)

    def close(self, name: NodeId) -> None:
        """All connections of this node end: what is under way to it or from it never arrives."""
        for pair, link in self._links.items():
            if name in pair:
                self._close(link)

    def cut(self, pairs: Iterable[Pair]) -> None:
        """Silence these directed links; frames under way still arrive. A stream keeps what it is given until it is healed."""
        for source, destination in pairs:
            link = self.link(source, destination)
            link.rule = CUT_STREAM if link.rule.stream else CUT

    def set(self, pairs: Iterable[Pair], rule: Rule) -> None:
        for source, destination in pairs:
            self._set(source, destination, self.link(source, destination), rule)

    def heal(self, pairs: Iterable[Pair] | None = None) -> None:
        """Give these links, or all, the ordinary rule again."""
        self.set(list(self._links) if pairs is None else pairs, self._rule)

    def _set(self, source: NodeId, destination: NodeId, link: Link, rule: Rule) -> None:
        link.rule = rule
        if rule.cut:
            return
        released = deque((message, False) for message in link.held)
        link.held.clear()
        # What a stream has under way is not held up by a rule that has ended, or all that follows would wait behind it.
        flow, latest_ns = link.flow, self._schedule.now + rule.delay_ns
        while flow and flow[-1].due_ns > latest_ns:
            parcel = flow.pop()
            released.appendleft((parcel.message, parcel.damaged))
            link.rewind(flow[-1].due_ns if flow else 0)
        for message, damaged in released:
            self._flow(link, source, destination, message, link.release(self._schedule.now), damaged)

    def is_cut(self, source: NodeId, destination: NodeId) -> bool:
        return self.link(source, destination).rule.cut


def frame_bytes(message: Message) -> int:
    """About how long a frame is: only its blobs make it long."""
    size = HEADER_BYTES
    for field in fields(message):  # type: ignore[arg-type]  # every message is a dataclass: the decorator makes it one
        value = getattr(message, field.name)
        if isinstance(value, bytes):
            size += len(value)
    return size


class SimulatedTransport:
    """One node's way out: the port `Transport` on a simulated network."""

    __slots__ = ("_network", "_source", "dropped")

    def __init__(self, network: Network, source: NodeId) -> None:
        self._network = network
        self._source = source
        self.dropped = 0

    def send(self, to: NodeId, message: Message) -> None:
        if not self._network.send(self._source, to, message):
            self.dropped += 1
