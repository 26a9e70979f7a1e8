"""One strike's dice, and whom they choose.

The rule it keeps: every choice is a function of (seed, number of the strike) and of who is there to be chosen, and of no other strike.
"""

from collections.abc import Callable, Sequence
from random import Random

from quorate.protocols.core import NodeId
from quorate.protocols.simulation.coverage import role
from quorate.protocols.simulation.node import Node
from quorate.protocols.simulation.policy import mix
from quorate.protocols.simulation.world import World


class Aim:
    """One strike's dice, and whom they hit.

    Nodes are ranked by dice of their own, so that the choice among those that are there stays the same when others come or go.
    """

    def __init__(self, world: World, number: int) -> None:
        self.number = number
        self.rng = Random(f"{world.seed}/strike/{number}")
        self._world = world
        self._key = self.rng.getrandbits(64)
        self._mostly_leader = self.rng.random()
        self.hit: list[tuple[str, str]] = []
        """(node, its role when it was hit), for the coverage and for people."""
        self.words = ""
        """More of what was hit, where names do not say it."""

    def at(self, *nodes: Node) -> None:
        """These are hit now, before anything happens to them."""
        self.hit += [(node.name, role(self._world, node)) for node in nodes]

    def at_names(self, names: Sequence[NodeId]) -> None:
        self.at(*(self._world.nodes[name] for name in names))

    def shuffled(self) -> list[NodeId]:
        """All names in an order of this strike's own."""
        nodes = sorted(self._world.nodes.values(), key=lambda node: mix(self._key, node.number))
        return [node.name for node in nodes]

    def first_of(self, names: Sequence[NodeId]) -> NodeId:
        """One of these, by the same ranks."""
        return min(names, key=lambda name: mix(self._key, self._world.nodes[name].number))

    def one(self) -> Node | None:
        """A running node; the leader more often than its share, for that is where most can go wrong."""
        leader = self._world.leader()
        if leader is not None and self._mostly_leader < 0.4:
            return leader
        running = (node for node in self._world.nodes.values() if node.core is not None)
        return min(running, key=lambda node: mix(self._key, node.number), default=None)

    def __str__(self) -> str:
        told = ", ".join(f"{name} ({was})" for name, was in self.hit)
        return f"{told}: {self.words}" if told and self.words else told or self.words


Fault = Callable[[Aim], bool]
"""Lets one fault loose; False if there was nothing that it could hit."""
