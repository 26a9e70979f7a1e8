"""What whoever runs the cluster does about faults: restart what died, mend what was cut, some time later.

The rule it keeps: once `on` is False nothing is repaired by itself any more, so that what is broken then stays as it is.
"""

from quorate.protocols.simulation.aim import Aim
from quorate.protocols.simulation.doom import Doom
from quorate.protocols.simulation.node import Node
from quorate.protocols.simulation.shapes import Pair
from quorate.protocols.simulation.world import World


class Repairs:
    def __init__(self, world: World) -> None:
        self._world = world
        self.on = True

    def restart_later(self, aim: Aim, node: Node) -> None:
        """Within twice the repair time; it does nothing if the node runs by then."""
        self._world.schedule.after(aim.rng.randrange(2 * self._world.settings.repair_ns) + 1, self.restart, node)

    def restart(self, node: Node, doom: Doom | None = None) -> None:
        if node.core is None and self.on and self._world.start(node, doom):
            self._world.run_clock(node)

    def replace_process(self, aim: Aim, node: Node, incarnation: int) -> None:
        """End this incarnation if it still runs, and start the next later."""
        if node.incarnation == incarnation:
            self._world.crash(node)
            self.restart_later(aim, node)

    def mend_later(self, aim: Aim, pairs: list[Pair]) -> None:
        self._world.schedule.after(aim.rng.randrange(2 * self._world.settings.mend_ns) + 1, self.mend, pairs)

    def mend(self, pairs: list[Pair]) -> None:
        if self.on:
            self._world.network.heal(pairs)

    def cut(self, pairs: list[Pair]) -> None:
        """One more step of a fault that takes its time."""
        if self.on:
            self._world.network.cut(pairs)
