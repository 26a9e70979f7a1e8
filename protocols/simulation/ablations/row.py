"""One safeguard less: what is taken out, where it is written that it is needed, and the seed whose ordinary world misses it.

The rule it keeps: a row adds nothing to the world that a seed stands for. Faults, clients and rates are the ordinary ones.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from quorate.protocols.core import StateMachine
from quorate.protocols.sessions import Sessions
from quorate.protocols.simulation.campaign import EVENTS, Campaign, Result
from quorate.protocols.simulation.disk import SimulatedDisk
from quorate.protocols.simulation.engine import Engine
from quorate.protocols.simulation.node import Node

SEEDS_MAX = 2_000
"""A broken safeguard that so many ordinary seeds do not miss counts as not found."""

STEPS = EVENTS
"""Events of the safety phase: as many as everybody's worlds have, so that any row's world can be run with the safeguard in place."""

SAFETY = "safety"
LIVENESS = "liveness"


@dataclass(frozen=True, slots=True)
class Row:
    """An engine, driver, disk or session layer without one safeguard."""

    name: str
    safeguard: str
    """What is taken out, in words."""
    source: str
    """Where it is asked for: a section of the paper, or a rule of CONTRIBUTING.md's "The one interface"."""
    invariants: tuple[str, ...]
    """Any of these may be seen first: once one is broken, others break too."""
    seed: int | None
    """None: no ordinary seed was found yet; a fixed schedule shows it (tests/protocols/test_ablations_on_schedules.py)."""
    engine: Engine
    kind: str = SAFETY
    """SAFETY, or LIVENESS: it keeps the cluster going, and only a bound in ticks misses it."""
    node_class: type[Node] = Node
    disk_class: type[SimulatedDisk] = SimulatedDisk
    sessions: Callable[[StateMachine], StateMachine] = Sessions
    rare: str = ""
    """Why no ordinary seed shows it, where none does."""

    def run(self, seed: int, steps: int = STEPS) -> Result:
        """The ordinary world of this seed, without the safeguard."""
        campaign = Campaign(self.engine, seed, node_class=self.node_class, disk_class=self.disk_class, sessions=self.sessions)
        return campaign.run(steps, liveness=self.kind == LIVENESS)


def hunt(row: Row, seeds: Iterable[int], steps: int = STEPS) -> Result | None:
    """The first of the seeds whose world breaks without the safeguard."""
    results = (row.run(seed, steps) for seed in seeds)
    return next((result for result in results if result.violation is not None), None)
