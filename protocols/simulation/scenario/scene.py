"""What the verbs of a scenario act on: a world in which nothing happens by itself, and what was said in it."""

from collections.abc import Mapping
from dataclasses import replace

from quorate.protocols.core import Message, NodeId, Transfer
from quorate.protocols.simulation.engine import Engine
from quorate.protocols.simulation.machine import Image
from quorate.protocols.simulation.network import Network
from quorate.protocols.simulation.node import Node
from quorate.protocols.simulation.scenario.language import Mistake
from quorate.protocols.simulation.swarm import QUIET, Settings
from quorate.protocols.simulation.world import World

Figures = Mapping[str, int]
"""An engine's options by name."""


class Mailbox(Network):
    """A network on which messages wait until a command moves them."""

    waiting: list[tuple[NodeId, NodeId, Message]]

    def send(self, source: NodeId, destination: NodeId, message: Message) -> bool:
        if not self.is_cut(source, destination):
            self.waiting.append((source, destination, message))
        return True


class Stage(World):
    """A world in which nothing happens by itself."""

    def __init__(self, engine: Engine, nodes: int, figures: Figures, own: Mapping[NodeId, Figures], node_class: type[Node]) -> None:
        self._figures = figures
        self._own = own
        self.transfers: list[tuple[Node, Transfer, Image]] = []
        self.sync_ns: dict[NodeId, int] = {}
        """How long a sync takes on the disks that were made slow."""
        settings = Settings(nodes=nodes, rule=QUIET, hint_ppm=0, compact_every=0, fsync_ns=1)
        # Clocks move by command here, far beyond any bound: only a lease read that is really stale tells of a broken lease.
        stage = replace(engine, lease=None, options=lambda settings: engine.configure(**figures))
        super().__init__(stage, settings, seed=1, node_class=node_class, trace=True, timed=False)

    def make_network(self) -> Network:
        self.mailbox = Mailbox(self.seed, self.schedule, self.deliver, self.settings.rule)
        self.mailbox.waiting = []
        return self.mailbox

    def options_of(self, name: NodeId) -> object:
        return self.engine.configure(**{**self._figures, **self._own.get(name, {})})

    def _fsync_ns(self, name: NodeId) -> int:
        return self.sync_ns.get(name) or super()._fsync_ns(name)

    def transfer(self, source: Node, transfer: Transfer, image: Image) -> None:
        self.transfers.append((source, transfer, image))


class Scene:
    """A stage once there is one, and the helpers that verbs share."""

    def __init__(self, engine: Engine, node_class: type[Node]) -> None:
        self.engine = engine
        self._node_class = node_class
        self._stage: Stage | None = None

    @property
    def stage(self) -> Stage:
        if self._stage is None:
            raise Mistake("a scenario begins with `cluster`")
        return self._stage

    @property
    def nodes(self) -> dict[NodeId, Node]:
        return {} if self._stage is None else self._stage.nodes

    def raise_curtain(self, nodes: int, figures: Figures, own: Mapping[NodeId, Figures]) -> None:
        """Begin anew with so many nodes, all started."""
        self._stage = stage = Stage(self.engine, nodes, figures, own, self._node_class)
        stage.trace.on = False
        for node in stage.nodes.values():
            stage.start(node)
        stage.trace.on = True

    def say(self, who: str, what: str) -> None:
        self.stage.trace.say(who, what)

    def let_happen(self) -> None:
        """Disks sync; nothing else is due."""
        stage = self.stage
        stage.schedule.run_until(stage.schedule.now + 1)
        stage.watch.full_check()
