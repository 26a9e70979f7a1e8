"""A simulated cluster: nodes, links, disks, clocks and snapshot transfers on one schedule, watched by the invariants.

The rule it keeps: nothing in here decides what goes wrong. Faults and clients come from outside (nemesis, workload, a scenario).
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from random import Random

from quorate.protocols.core import Configuration, Member, Message, NodeId, Transfer
from quorate.protocols.simulation.clock import NodeClock
from quorate.protocols.simulation.coverage import Coverage
from quorate.protocols.simulation.disk import SimulatedDisk
from quorate.protocols.simulation.doom import Doom
from quorate.protocols.simulation.engine import Engine
from quorate.protocols.simulation.invariants import Watch
from quorate.protocols.simulation.ledger import Violation
from quorate.protocols.simulation.machine import Image, Machine, MakeMachine
from quorate.protocols.simulation.network import Network
from quorate.protocols.simulation.node import Node
from quorate.protocols.simulation.policy import PPM
from quorate.protocols.simulation.schedule import MILLISECOND, Schedule
from quorate.protocols.simulation.swarm import Settings
from quorate.protocols.simulation.trace import Trace
from quorate.protocols.simulation.workload import Operation

# Full checks walk all nodes; this often they cost a few percent of the run.
FULL_CHECK_EVENTS = 512

# A connection's end is noticed within this time where it is noticed at once.
HINT_NS_MAX = 5 * MILLISECOND

CORE_ASSERTION = "the core raises nothing, and its own assertions hold"


def member(number: int, *, voter: bool = True, promote: bool = False) -> Member:
    return Member(f"n{number}", number, storage=f"disk{number}", voter=voter, promote=promote)


def claimed_index(node: Node) -> int:
    """What a node says of itself at the door: the index of its configuration if that names it with the disk that it has, else -1."""
    assert node.core is not None, node
    configuration = node.core.configuration
    own = configuration.get(node.name)
    return configuration.index if own is not None and own.storage == node.storage else -1


class World:
    """The classes let a test take one safeguard out of the driver, of the disk, or of whoever watches."""

    def __init__(
        self,
        engine: Engine,
        settings: Settings,
        seed: int,
        *,
        node_class: type[Node] = Node,
        disk_class: type[SimulatedDisk] = SimulatedDisk,
        watch_class: type[Watch] | None = None,
        machine: MakeMachine = Machine,
        trace: bool = False,
        timed: bool = True,
    ) -> None:
        self.engine = engine
        self.settings = settings
        self.seed = seed
        self._options = engine.options(settings)
        self.rng = Random(f"{seed}/world")
        self.schedule = Schedule(Random(f"{seed}/ties"))
        self.trace = Trace(self.schedule, trace, timed)
        self.coverage = Coverage()
        self.network = self.make_network()
        self.bootstrap = Configuration(tuple(member(number) for number in range(1, settings.nodes + 1)))
        self.nodes: dict[NodeId, Node] = {}
        watched = replace(engine, lease=None) if settings.clocks_jump else engine
        self.watch = (watch_class or engine.watch or Watch)(watched, self.bootstrap, self.nodes)
        self.watch.ledger.alpha = 0 if engine.alpha is None else engine.alpha(self._options)
        self.slow_disks: set[NodeId] = set()  # only ever asked about membership, never iterated
        """Every fsync of these is a slow one."""
        self._wiped = False
        """Some disk was wiped: who speaks to whom must be looked at."""
        self._numbers = 0
        self.healthy = False
        """No fsync is slow and no snapshot transfer breaks, whatever the settings say."""
        self.streaming = 0
        """How many images are on their way."""
        self.events = 0
        self.machine = machine
        self._node_class = node_class
        self._disk_class = disk_class
        for one in self.bootstrap.members:
            self.add(one, self.bootstrap)

    def make_network(self) -> Network:
        return Network(self.seed, self.schedule, self.deliver, self.settings.rule, broke=self._broke)

    def options_of(self, name: NodeId) -> object:
        """The engine's options for one node."""
        return self._options

    # --- nodes ---

    def add(self, joining: Member, bootstrap: Configuration) -> Node:
        """Make a node that is down and knows nothing but `bootstrap`; a joiner's is empty."""
        disk = self._disk_class(self.schedule, Random(f"{self.seed}/disk/{joining.name}"), partial(self._fsync_ns, joining.name))
        offset = self.rng.randrange(1_000 * self.settings.tick_ns)
        clock = NodeClock(self.settings.tick_ns, offset)
        node = self._node_class(self, joining, bootstrap, disk, clock, self.network.transport(joining.name))
        disk.on_failed = lambda why: self.fail(node, why)
        self.nodes[joining.name] = node
        self._numbers = max(self._numbers, joining.number)
        return node

    def next_number(self) -> int:
        """One that no node ever had: a number names the origins of one disk's life."""
        self._numbers += 1
        return self._numbers

    def start(self, node: Node, doom: Doom | None = None) -> bool:
        """Begin the node's next incarnation, if its disk lets it."""
        obstacle = "its log is damaged" if node.disk.damaged else "its disk is full" if node.disk.full else ""
        if obstacle:
            self.coverage.reach(f"start refused: {obstacle}")
            self.trace.say(node.name, f"does not start: {obstacle}")
            return False
        if node.disk.torn:
            node.disk.torn = 0
            self.coverage.reach("recovered: torn tail cut")
            self.trace.say(node.name, "cuts a torn tail off its log")
        self.trace.say(node.name, f"starts, incarnation {node.incarnation + 1}")
        node.start(doom)
        return True

    def run_clock(self, node: Node) -> None:
        """Let the node take a turn at each tick of its clock, for this incarnation."""
        self.schedule.after(node.clock.until_next_ns(self.schedule.now), self._ticks, node, node.incarnation)

    def _ticks(self, node: Node, incarnation: int) -> None:
        if node.incarnation == incarnation and node.core is not None:
            if not node.paused:
                node.turn()
            self.run_clock(node)

    def crash(self, node: Node) -> None:
        """The process dies now; its connections close, and its disk keeps what was synced and a prefix of the rest."""
        if node.core is None:
            return
        self.trace.say(node.name, "crashes")
        node.stop()
        node.disk.crash()
        node.written = node.disk.durable.copy()
        for name in self.nodes:
            if name != node.name:
                self.hint(name, node.name)

    def fail(self, node: Node, why: str) -> None:
        """A log that cannot be written stops the replica: it says nothing more until it is restarted, and nobody hears of it."""
        if node.core is not None:
            self.coverage.reach(f"stopped: {why}")
            self.trace.say(node.name, f"stops: {why}")
            node.stop()
            node.disk.crash()
            node.written = node.disk.durable.copy()

    def wipe(self, node: Node) -> None:
        """The node has died and lost its disk: it comes back under its name, with an empty disk of another id, and knows no cluster."""
        assert node.core is None, node
        self.trace.say(node.name, "has lost its disk")
        node.disk.wipe()
        node.written = node.disk.durable.copy()
        node.number = self.next_number()
        node.storage = member(node.number).storage
        node.bootstrap = Configuration()
        node.uncounted = node.incarnation
        self.network.close(node.name)
        self._wiped = True

    def admitted(self, source: Node, destination: Node) -> bool:
        """Whether a connection from one node to another stands: each accepts the other's disk."""
        if source.core is None or destination.core is None:
            return True
        return all(
            one.accepts_disk(other.name, other.storage, claimed_index(other))
            for one, other in ((source, destination), (destination, source))
        )

    def hint(self, name: NodeId, peer: NodeId) -> None:
        """Perhaps tell a node that its connection to a peer broke; a cut link carries no such news."""
        if not self.network.is_cut(peer, name) and self.rng.randrange(PPM) < self.settings.hint_ppm:
            self.schedule.after(self.rng.randrange(HINT_NS_MAX), self._unreachable, name, peer)

    def _broke(self, source: NodeId, destination: NodeId) -> None:
        """A damaged frame has ended the connection from one node to another: both may hear of it."""
        self.trace.say(destination, f"closes the connection from {source}: a frame is damaged")
        self.coverage.reach("connection closed for a damaged frame")
        self.hint(source, destination)
        self.hint(destination, source)

    def _unreachable(self, name: NodeId, peer: NodeId) -> None:
        self.trace.say(name, f"loses its connection to {peer}")
        self.nodes[name].tell(lambda core: core.unreachable(peer))

    def deliver(self, source: NodeId, destination: NodeId, message: Message) -> None:
        node = self.nodes.get(destination)
        if node is not None:
            if self._wiped and not self.admitted(self.nodes[source], node):
                self.coverage.reach("refused: another disk under a known name")
                return
            node.deliver(source, message)

    def leader(self) -> Node | None:
        """The node that leads the highest term, if any leads."""
        leading = [node for node in self.nodes.values() if node.core is not None and node.leads]
        return max(leading, key=lambda node: node.leads, default=None)

    # --- whom one may rely on ---

    def configurations(self) -> list[Configuration]:
        """All that may be in force: the last committed one, and later ones in any log."""
        ledger = self.watch.ledger
        committed = ledger.configuration
        written = [node.written_configuration() for node in self.nodes.values()]
        return [*self._replaced(), committed, *(configuration for configuration in written if configuration.index > committed.index)]

    def _replaced(self) -> list[Configuration]:
        """Committed configurations that the next one cannot do without yet, oldest first."""
        known, found = self.engine.known, list[Configuration]()
        if known is None:
            return found
        for configuration, following, end in self.watch.ledger.replacements():
            found.append(configuration)
            voters = [node for node in self.nodes.values() if node.votes_in(following)]
            if 2 * sum(known(node.disk.durable) >= end for node in voters) > len(following.voters):
                found.clear()
        return found

    def is_quorum(self, names: Sequence[NodeId]) -> bool:
        """Whether these hold a majority of votes that count in every configuration that may be in force, or come to be in force
        without anybody's asking: a leader promotes learners by itself, and each that is not among these makes the quorum larger."""
        return all(
            2 * sum(self.nodes[name].votes_in(one) for name in names) > len(one.voters) + self._promotable(one, names)
            for one in self.configurations()
        )

    @staticmethod
    def _promotable(configuration: Configuration, but: Sequence[NodeId]) -> int:
        return sum(one.promote and not one.voter and one.name not in but for one in configuration.members)

    # --- clients' way in ---

    def request(self, name: NodeId, operation: Operation) -> bool:
        node = self.nodes.get(name)
        if node is None or node.core is None:
            return False
        node.request(operation)
        return True

    def give_up(self, name: NodeId, operation: Operation) -> None:
        self.nodes[name].requests.give_up(operation)

    # --- disks and snapshot transfers ---

    def _fsync_ns(self, name: NodeId) -> int:
        settings, rng = self.settings, self.rng
        if self.healthy:
            return rng.randrange(settings.fsync_ns + 1)
        if name in self.slow_disks or (settings.slow_fsync_ppm and rng.randrange(PPM) < settings.slow_fsync_ppm):
            return rng.randrange(settings.slow_fsync_ns + 1)
        return rng.randrange(settings.fsync_ns + 1)

    def transfer(self, source: Node, transfer: Transfer, image: Image) -> None:
        """Stream an image: it takes its time, and may break on the way."""
        took = self.settings.snapshot_ns * self.rng.randint(1, 10)
        broken = not self.healthy and self.rng.randrange(PPM) < self.settings.snapshot_break_ppm
        self.streaming += 1
        self.schedule.after(took, self._finish, source, source.incarnation, transfer, image, broken)

    def _finish(self, source: Node, incarnation: int, transfer: Transfer, image: Image, broken: bool) -> None:
        self.streaming -= 1
        self.finish(source, incarnation, transfer, image, broken)

    def finish(self, source: Node, incarnation: int, transfer: Transfer, image: Image, broken: bool) -> None:
        """A transfer reached its end, or broke."""
        target = self.nodes.get(transfer.to)
        alive = source.core is not None and source.incarnation == incarnation
        there = target is not None and target.core is not None and self.admitted(source, target)
        if broken or target is None or not there or not alive or self.network.is_cut(source.name, transfer.to):
            self.coverage.reach("snapshot transfer broken")
            self.trace.say(source.name, f"fails to stream snapshot {image.snapshot.index} to {transfer.to}")
            self._report(source, incarnation, transfer, False)
            return
        target.disk.save(image, lambda durable: self._stored(source, incarnation, target, transfer, image, durable))

    def _stored(self, source: Node, incarnation: int, target: Node, transfer: Transfer, image: Image, durable: bool) -> None:
        if durable:
            self.trace.say(target.name, f"has stored snapshot {image.snapshot.index} from {source.name}")
            if not target.dies("image"):
                target.tell(lambda core: core.received(source.name, image.snapshot))
        self._report(source, incarnation, transfer, durable)

    def _report(self, source: Node, incarnation: int, transfer: Transfer, ok: bool) -> None:
        if source.incarnation == incarnation:
            source.tell(lambda core: core.transferred(transfer.to, transfer.snapshot, ok))

    # --- running ---

    def step(self) -> bool:
        """One event, with all invariants; False if nothing is left to happen."""
        self.events += 1
        try:
            more = self.schedule.step()
            if not self.events % FULL_CHECK_EVENTS:
                self.watch.full_check()
        except Violation:
            raise
        except Exception as problem:
            raise Violation(CORE_ASSERTION, f"{type(problem).__name__}: {problem}") from problem
        return more
