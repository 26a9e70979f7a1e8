"""The world in which engines are measured: every delay is fixed, and every message, byte and fsync is counted."""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace

from quorate.protocols.core import Effects, Message, NodeId, Transfer
from quorate.protocols.simulation.application import RegisterMachine
from quorate.protocols.simulation.disk import SimulatedDisk
from quorate.protocols.simulation.engine import Engine
from quorate.protocols.simulation.machine import Image, Machine
from quorate.protocols.simulation.network import Network
from quorate.protocols.simulation.node import Node
from quorate.protocols.simulation.policy import PPM
from quorate.protocols.simulation.schedule import MICROSECOND, MILLISECOND, SECOND
from quorate.protocols.simulation.swarm import Settings
from quorate.protocols.simulation.workload import Operation, Outcome, Settle
from quorate.protocols.simulation.world import World

VALUE = b"v" * 100
KEYS = 1_000
"""Writes go round these, so that a snapshot stays small however long the log is."""
BOOT_NS_MAX = 60 * SECOND
"""Dozens of election timeouts: an engine that has no leader by then has a mistake."""

Size = Callable[[Message], int]
"""How many bytes a message is on the wire."""


class Stuck(Exception):
    """What was waited for did not happen in its time: the engine has a mistake, or it needs a hand."""


@dataclass(frozen=True, slots=True)
class Physics:
    """How long things take, in ns: the same for all engines."""

    message_ns: int = MILLISECOND
    fsync_ns: int = MILLISECOND
    bytes_per_s: int = 125_000_000
    """Of each directed link; frames wait for those before them. 0: no bound."""
    closes: bool = True
    """A dead process closes its connections, and its peers hear of it within 5 ms; else it falls silent."""


COUNTABLE = Physics(fsync_ns=10 * MICROSECOND, bytes_per_s=0)
"""A message takes a hundred times as long as an fsync: of a sum of both, each count can be read off."""


@dataclass(slots=True)
class Counts:
    """What has left nodes and reached disks so far."""

    messages: Counter[str] = field(default_factory=Counter)
    """By type."""
    bytes: int = 0
    fsyncs: int = 0

    @property
    def total(self) -> int:
        return self.messages.total()

    def copy(self) -> "Counts":
        return Counts(self.messages.copy(), self.bytes, self.fsyncs)

    def since(self, before: "Counts") -> "Counts":
        return Counts(self.messages - before.messages, self.bytes - before.bytes, self.fsyncs - before.fsyncs)


class Line(Network):
    """Links of one latency and one bandwidth, in order; nothing is lost but where a link is cut."""

    counts: Counts
    physics: Physics
    size: Size
    free_ns: dict[tuple[NodeId, NodeId], int]
    """When each link has sent all that waits before it."""

    def send(self, source: NodeId, destination: NodeId, message: Message) -> bool:
        size, physics, pair, now = self.size(message), self.physics, (source, destination), self._schedule.now
        self.counts.messages[type(message).__name__] += 1
        self.counts.bytes += size
        link = self.link(source, destination)
        if link.rule.cut:
            self.lost += 1
            return True
        ends_ns = max(now, self.free_ns.get(pair, 0))
        if physics.bytes_per_s:
            ends_ns += size * SECOND // physics.bytes_per_s
        self.free_ns[pair] = ends_ns
        link.queued += 1
        self._schedule.after(ends_ns - now + physics.message_ns, self._arrive, link, link.connection, source, destination, message)
        return True


class CountedDisk(SimulatedDisk):
    """Counts the fsyncs that write something."""

    counts: Counts

    def _begin(self) -> None:
        self.counts.fsyncs += any(batch.writes for batch in self._queue)
        super()._begin()


@dataclass(slots=True)
class Tenures:
    """Which terms were entered by anybody, and who led."""

    terms: set[int] = field(default_factory=set)
    leaders: list[tuple[NodeId, int]] = field(default_factory=list)
    """(node, term), in the order in which they began to lead."""


class WatchedNode(Node):
    """Notes what it has become, whenever its core wants something done."""

    tenures: Tenures

    def carry_out(self, effects: Effects) -> None:
        tenures = self.tenures
        tenures.terms.add(self.term)
        if self.leads and (self.name, self.leads) not in tenures.leaders:
            tenures.leaders.append((self.name, self.leads))
        super().carry_out(effects)


@dataclass(slots=True)
class Request:
    """One operation at one node, and when it ended how."""

    operation: Operation
    asked_ns: int
    ended_ns: int = -1
    outcome: Outcome | None = None
    leader: NodeId | None = None
    """Where to ask instead."""
    disks: int = 0
    """How many hold the write when it is acknowledged."""

    @property
    def done(self) -> bool:
        return self.outcome is Outcome.DONE

    @property
    def took_ns(self) -> int:
        return self.ended_ns - self.asked_ns


class Rig(World):
    """Nodes n1, n2, ...; nothing fails but what the caller lets fail."""

    network: Line

    def __init__(
        self, engine: Engine, options: object, size: Size, seed: int, *, nodes: int = 3, physics: Physics, compact_every: int = 0
    ) -> None:
        self.counts = Counts()
        self.physics = physics
        self._size = size
        self._writes = 0
        settings = Settings(nodes=nodes, hint_ppm=PPM if physics.closes else 0, compact_every=compact_every)
        measured = replace(engine, options=lambda settings: options)
        super().__init__(
            measured, settings, seed, node_class=WatchedNode, disk_class=CountedDisk, machine=lambda: Machine(RegisterMachine())
        )
        self.tenures = Tenures()
        for node in self.nodes.values():
            assert isinstance(node, WatchedNode) and isinstance(node.disk, CountedDisk), node
            node.tenures, node.disk.counts = self.tenures, self.counts

    def make_network(self) -> Line:
        line = Line(self.seed, self.schedule, self.deliver, self.settings.rule)
        line.counts, line.physics, line.size, line.free_ns = self.counts, self.physics, self._size, {}
        return line

    def _fsync_ns(self, name: NodeId) -> int:
        return self.physics.fsync_ns

    def transfer(self, source: Node, transfer: Transfer, image: Image) -> None:
        """The whole image goes over the link, as one message for the count; the runtime's chunks are of no engine."""
        size = sum(map(len, image.encode()))
        self.counts.messages["snapshot"] += 1
        self.counts.bytes += size
        physics = self.physics
        took = physics.message_ns + (size * SECOND // physics.bytes_per_s if physics.bytes_per_s else 0)
        self.streaming += 1
        self.schedule.after(took, self._finish, source, source.incarnation, transfer, image, False)

    # --- running ---

    @property
    def now(self) -> int:
        return self.schedule.now

    def run(self, until: Callable[[], bool], within_ns: int, what: str) -> None:
        """Step until something holds. Stuck if it does not in that time."""
        limit = self.now + within_ns
        while not until():
            if self.now > limit:
                raise Stuck(f"{self.engine.name}, seed {self.seed}: {what} took more than {within_ns / SECOND:g} s; {self}")
            self.step()

    def rest(self, ns: int) -> None:
        """Let everything happen that is due in that time."""
        ends, over = self.now + ns, False

        def end() -> None:
            nonlocal over
            over = True

        self.schedule.after(ns, end)
        while not over:
            self.step()
        assert self.now == ends, self

    def boot(self) -> Node:
        """Start everybody; the leader, once it serves and all have applied what it has."""
        for node in self.nodes.values():
            self.start(node)
            self.run_clock(node)
        self.run(lambda: self.leader() is not None, BOOT_NS_MAX, "the first election")
        self.write_one()
        self.align(self.nodes.values(), BOOT_NS_MAX)
        leader = self.leader()
        assert leader is not None
        return leader

    def align(self, nodes: Iterable[Node], within_ns: int) -> None:
        """Until these have applied all that is committed."""
        waited = list(nodes)
        self.run(
            lambda: all(node.machine.applied >= self.watch.ledger.end for node in waited), within_ns, f"alignment of {len(waited)} nodes"
        )

    def __repr__(self) -> str:
        return f"<Rig {' '.join(map(repr, self.nodes.values()))}>"

    # --- clients ---

    def command(self) -> bytes:
        self._writes += 1
        return b"w k%07d %b" % (self._writes % KEYS, VALUE)

    def ask(self, node: Node, kind: str = "write") -> Request:
        """One request to one node, now."""
        return self.ask_many(node, 1, kind)[0]

    def ask_many(self, node: Node, count: int, kind: str = "write") -> list[Request]:
        """So many requests that meet in one turn of the node."""
        made = []
        for _ in range(count):
            data = self.command() if kind == "write" else b"r k%07d" % (self._writes % KEYS)
            request = Request(Operation(kind, lambda *_: None, data), self.now)
            request.operation.settle = self._settler(request)
            request.operation.node = node.name
            made.append(request)
        node.requests.queued.extend(request.operation for request in made)
        node.turn()
        return made

    def _settler(self, request: Request) -> Settle:
        def settle(operation: Operation, outcome: Outcome, leader: NodeId | None) -> None:
            request.ended_ns, request.outcome, request.leader = self.now, outcome, leader
            if operation.kind == "write" and outcome is Outcome.DONE:
                request.disks = sum(holds(node, operation) for node in self.nodes.values())

        return settle

    def write_one(self, retry_ns: int = MILLISECOND, within_ns: int = BOOT_NS_MAX) -> Request:
        """Ask whoever leads, again and again, until a write is done; the request that was."""
        limit = self.now + within_ns
        while self.now <= limit:
            leader = self.leader()
            if leader is None:
                self.rest(retry_ns)
                continue
            request = self.ask(leader)
            while request.outcome is None and self.leader() is leader and self.now <= limit:
                self.step()
            if request.done:
                return request
            self.rest(retry_ns)
        raise Stuck(f"{self.engine.name}, seed {self.seed}: no write was served in {within_ns / SECOND:g} s; {self}")


def holds(node: Node, operation: Operation) -> bool:
    """Whether the node's disk would still know of that write after a power cut."""
    entry = node.disk.durable.entries.get(operation.index)
    return entry is not None and entry.origin == operation.token
