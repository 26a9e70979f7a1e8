"""The simulated network: one policy rule per directed link, bounded queues, messages handed over as they are.

The rule it keeps: best effort, one way, never blocks; a full queue drops the newest and counts it (the port `Transport`).
"""

from collections.abc import Callable, Iterable

from quorate.protocols.core import Message, NodeId
from quorate.protocols.simulation.policy import Pair, Rule, decide, link_key
from quorate.protocols.simulation.schedule import Schedule

# Frames under way on one link before the newest is dropped. A healthy link holds a few; only a very slow one fills up.
LINK_QUEUE_MAX = 4_096

Deliver = Callable[[NodeId, NodeId, Message], None]
"""(source, destination, message)"""


class Link:
    """One direction between two nodes."""

    __slots__ = ("due_ns", "frames", "key", "queued", "rule")

    def __init__(self, key: int, rule: Rule) -> None:
        self.key = key
        self.rule = rule
        self.frames = 0
        self.queued = 0
        self.due_ns = 0


class Network:
    """All links. Each is made when the first frame passes or the first rule is set."""

    def __init__(self, seed: int, schedule: Schedule, deliver: Deliver, rule: Rule, queue_max: int = LINK_QUEUE_MAX) -> None:
        self._seed = seed
        self._schedule = schedule
        self._deliver = deliver
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
        frame = link.frames
        link.frames = frame + 1
        self.sent += 1
        rule = link.rule
        delays = decide(link.key, frame, rule)
        if not delays:
            self.lost += 1
            return True
        schedule = self._schedule
        for delay in delays:
            if rule.ordered:
                link.due_ns = due = max(link.due_ns + 1, schedule.now + delay)
                delay = due - schedule.now
            link.queued += 1
            schedule.after(delay, self._arrive, link, source, destination, message)
        return True

    def _arrive(self, link: Link, source: NodeId, destination: NodeId, message: Message) -> None:
        link.queued -= 1
        self._deliver(source, destination, message)

    def cut(self, pairs: Iterable[Pair]) -> None:
        """Silence these directed links; frames under way still arrive."""
        for source, destination in pairs:
            self.link(source, destination).rule = Rule(cut=True)

    def set(self, pairs: Iterable[Pair], rule: Rule) -> None:
        for source, destination in pairs:
            self.link(source, destination).rule = rule

    def heal(self, pairs: Iterable[Pair] | None = None) -> None:
        """Give these links, or all, the ordinary rule again."""
        for source, destination in list(self._links) if pairs is None else pairs:
            self.link(source, destination).rule = self._rule

    def is_cut(self, source: NodeId, destination: NodeId) -> bool:
        return self.link(source, destination).rule.cut


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
