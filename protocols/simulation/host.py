"""What a simulated node needs of the world it lives in."""

from random import Random
from typing import TYPE_CHECKING, Protocol

from quorate.protocols.core import NodeId, Transfer
from quorate.protocols.simulation.coverage import Coverage
from quorate.protocols.simulation.engine import Engine
from quorate.protocols.simulation.invariants import Watch
from quorate.protocols.simulation.machine import Image, MakeMachine
from quorate.protocols.simulation.schedule import Schedule
from quorate.protocols.simulation.swarm import Settings
from quorate.protocols.simulation.trace import Trace

if TYPE_CHECKING:
    from quorate.protocols.simulation.node import Node


class Host(Protocol):
    """A world, or a stage on which nothing happens by itself."""

    schedule: Schedule
    settings: Settings
    engine: Engine
    watch: Watch
    trace: Trace
    coverage: Coverage
    rng: Random
    machine: MakeMachine
    """What a node replicates, empty."""

    def options_of(self, name: NodeId) -> object: ...

    def crash(self, node: "Node") -> None: ...

    def transfer(self, source: "Node", transfer: Transfer, image: Image) -> None: ...
