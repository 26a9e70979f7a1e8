"""The operator of engines whose failover is by hand: promotes a replica when the primary is not to be reached, and is wrong at times.

The rule it keeps: nothing but an operator's command makes another node primary, so without one a world whose primary is gone stands still.
"""

from collections.abc import Sequence

from quorate.protocols.core import NodeId, PromoteByHand
from quorate.protocols.simulation.aim import Aim
from quorate.protocols.simulation.membership_faults import MembershipFaults
from quorate.protocols.simulation.node import Node
from quorate.protocols.simulation.workload import Operation
from quorate.protocols.simulation.world import World

WRONGLY = 0.1
"""How often a replica is promoted though the primary is alive and reachable."""
CAREFULLY = 0.5
"""How often the replica with the most of the log is looked for."""


class Operator:
    """Asks nodes directly: nobody else can pass it on."""

    def __init__(self, world: World, changes: MembershipFaults) -> None:
        self._world = world
        self._changes = changes
        self._kept: list[NodeId] = []
        self._keeping = False

    def promote(self, aim: Aim) -> bool:
        """One look at the cluster, as the operator sees it from one of the replicas."""
        world = self._world
        primary = world.leader()
        replicas = [node for node in world.nodes.values() if node.core is not None and not node.paused and not node.leads]
        if aim.rng.random() >= WRONGLY:
            replicas = [node for node in replicas if primary is None or self._is_out_of_reach(primary, node)]
        careful = aim.rng.random() < CAREFULLY
        if not replicas:
            return False
        chosen = self._best(replicas) if careful else world.nodes[aim.first_of([node.name for node in replicas])]
        aim.at(chosen)
        return self._ask(chosen)

    def _is_out_of_reach(self, primary: Node, replica: Node) -> bool:
        network = self._world.network
        return primary.paused or network.is_cut(primary.name, replica.name) or network.is_cut(replica.name, primary.name)

    def _best(self, replicas: Sequence[Node]) -> Node:
        """The newest generation, then the longest log, then the highest number."""
        return max(replicas, key=lambda node: (node.term, node.written.last, node.number))

    def _ask(self, node: Node) -> bool:
        return self._world.request(node.name, Operation("change", self._changes.settled, change=PromoteByHand(node.name)))

    # --- when progress is owed ---

    def keep_primary(self, names: Sequence[NodeId]) -> bool:
        """Look again and again whether one of these is primary, and make the best of them one if not. False if none of them has anything
        left that it could be primary of."""
        self._kept = list(names)
        if not self._keeping:
            self._keeping = True
            self._look()
        return any(node.written.last > 0 or not node.term for node in self._voters())

    def _voters(self) -> list[Node]:
        nodes = [self._world.nodes[name] for name in self._kept]
        return [node for node in nodes if node.core is not None and node.votes_in(node.core.configuration)]

    def _look(self) -> None:
        world = self._world
        voters = self._voters()
        if voters and not any(node.leads for node in voters):
            self._ask(self._best(voters))
        world.schedule.after(world.engine.election_ticks * world.settings.tick_ns, self._look)
