"""Faults of processes, their disks and their clocks."""

from quorate.protocols.simulation.aim import Aim, Fault
from quorate.protocols.simulation.node import Node
from quorate.protocols.simulation.repairs import Repairs
from quorate.protocols.simulation.schedule import MILLISECOND
from quorate.protocols.simulation.shapes import isolate
from quorate.protocols.simulation.swarm import drift_ppm
from quorate.protocols.simulation.world import World

# A fuse longer than the acts of a busy turn would mostly burn out in a later one anyway.
FUSE_ACTS_MAX = 24
PAUSE_NS_MAX = 1_500 * MILLISECOND


class ProcessFaults:
    def __init__(self, world: World, repairs: Repairs) -> None:
        self._world = world
        self._repairs = repairs
        self.acts: dict[str, Fault] = {
            "crash": self._crash,
            "crash_within": self._crash_within,
            "crash_all": self._crash_all,
            "pause": self._pause,
            "slow_disk": self._slow_disk,
            "fail_disk": self._fail_disk,
            "drift": self._drift,
        }

    def _crash(self, aim: Aim) -> bool:
        node = aim.one()
        if node is None:
            return False
        aim.at(node)
        self._world.crash(node)
        self._repairs.restart_later(aim, node)
        return True

    def _crash_within(self, aim: Aim) -> bool:
        """Between two acts of carrying out one Effects."""
        node = aim.one()
        if node is None:
            return False
        aim.at(node)
        node.fuse = aim.rng.randint(1, FUSE_ACTS_MAX)
        self._repairs.restart_later(aim, node)  # finds it alive if the fuse has not burnt down
        self._world.schedule.after(2 * self._world.settings.repair_ns, self._repairs.restart, node)
        return True

    def _crash_all(self, aim: Aim) -> bool:
        running = [node for node in self._world.nodes.values() if node.core is not None]
        aim.at(*running)
        for node in running:
            self._world.crash(node)
            self._repairs.restart_later(aim, node)
        return bool(running)

    def _pause(self, aim: Aim) -> bool:
        node = aim.one()
        if node is None or node.paused:
            return False
        aim.at(node)
        node.pause()
        if aim.rng.random() < 0.5:
            # A suspended machine hears nothing on waking either, until its links are up again.
            aim.words = "and cut off"
            pairs = isolate(list(self._world.nodes), node.name)
            self._world.network.cut(pairs)
            self._repairs.mend_later(aim, pairs)
        self._world.schedule.after(aim.rng.randrange(PAUSE_NS_MAX), self._resume, node, node.incarnation)
        return True

    def _resume(self, node: Node, incarnation: int) -> None:
        if node.incarnation == incarnation and node.paused:
            node.resume()

    # --- disks ---

    def _slow_disk(self, aim: Aim) -> bool:
        self._world.slow_disks = not self._world.slow_disks
        aim.at(*self._world.nodes.values())
        aim.words = "slow" if self._world.slow_disks else "as before"
        return True

    def _fail_disk(self, aim: Aim) -> bool:
        """A failed fsync is never answered; whoever runs the node restarts it some time later."""
        node = aim.one()
        if node is None:
            return False
        aim.at(node)
        node.disk.fail()
        self._world.schedule.after(aim.rng.randrange(PAUSE_NS_MAX), self._repairs.replace_process, aim, node, node.incarnation)
        return True

    # --- clocks ---

    def _drift(self, aim: Aim) -> bool:
        node = aim.one()
        if node is None:
            return False
        aim.at(node)
        rate = drift_ppm(aim.rng)
        aim.words = f"{rate:+} ppm"
        node.clock.drift(self._world.schedule.now, rate)
        return True
