"""Faults of disks: slow, stalled, failing, full, damaged, gone; and what whoever runs the node does about each.

The rule it keeps: disks are lost for good only while the others still make a quorum, because nothing brings back what a majority lost.
"""

from quorate.protocols.simulation.aim import Aim, Fault
from quorate.protocols.simulation.membership_faults import MembershipFaults
from quorate.protocols.simulation.node import Node
from quorate.protocols.simulation.repairs import Repairs
from quorate.protocols.simulation.schedule import MILLISECOND
from quorate.protocols.simulation.world import World

# How long it takes until somebody looks after a node whose disk failed.
NOTICED_NS_MAX = 1_500 * MILLISECOND


class DiskFaults:
    def __init__(self, world: World, repairs: Repairs, membership: MembershipFaults) -> None:
        self._world = world
        self._repairs = repairs
        self._membership = membership
        self.acts: dict[str, Fault] = {
            "slow_disk": self._slow,
            "stall_disk": self._stall,
            "fail_disk": self._fail,
            "full_disk": self._full,
            "flip_bit": self._flip_bit,
            "wipe_disk": self._wipe,
        }

    def _slow(self, aim: Aim) -> bool:
        """Some disks are slow from now on, or as fast as before."""
        names = aim.shuffled()
        names = names[: aim.rng.randint(1, len(names))]
        aim.at_names(names)
        slow = self._world.slow_disks
        aim.words = "fast again" if slow else "slow"
        if slow:
            slow.clear()
        else:
            slow.update(names)
        return True

    def _stall(self, aim: Aim) -> bool:
        """An fsync that never ends; whoever runs the node kills it some time later."""
        node = self._hit(aim)
        if node is not None:
            node.disk.stall()
            self._attend(aim, node)
        return node is not None

    def _fail(self, aim: Aim) -> bool:
        """An fsync fails (EIO): the replica stops, and is restarted some time later."""
        node = self._hit(aim)
        if node is not None:
            node.disk.fail()
            self._attend(aim, node)
        return node is not None

    def _full(self, aim: Aim) -> bool:
        """Nothing can be written (ENOSPC): the replica stops at its next batch, and starts again once there is room."""
        node = self._hit(aim)
        if node is not None:
            node.disk.full = True
            self._world.schedule.after(aim.rng.randrange(NOTICED_NS_MAX), self._make_room, aim, node)
        return node is not None

    def _make_room(self, aim: Aim, node: Node) -> None:
        if self._repairs.on:
            node.disk.full = False
            if node.core is None:
                self._repairs.restart_later(aim, node)

    def _flip_bit(self, aim: Aim) -> bool:
        """A bit of a batch at rest: nobody notices before the next start, which is refused until the member is replaced."""
        node = self._spare(aim)
        if node is None or not node.disk.flip_bit():
            return False
        aim.at(node)
        self._world.schedule.after(aim.rng.randrange(NOTICED_NS_MAX), self._lose, aim, node)
        return True

    def _wipe(self, aim: Aim) -> bool:
        """The node comes back under its name with an empty disk, before it is replaced."""
        node = self._spare(aim)
        if node is None:
            return False
        aim.at(node)
        self._lose(aim, node)
        return True

    def _lose(self, aim: Aim, node: Node) -> None:
        """The process is gone and another disk is in the machine; the operator replaces the member when he gets to it."""
        if not self._repairs.on:
            return
        if node.core is not None:
            self._world.crash(node)
            if node.disk.damaged:
                self._world.start(node)  # which says why it cannot
        self._world.wipe(node)
        self._repairs.restart_later(aim, node)
        self._membership.replace_later(aim, node)

    def _hit(self, aim: Aim) -> Node | None:
        node = aim.one()
        if node is not None:
            aim.at(node)
        return node

    def _spare(self, aim: Aim) -> Node | None:
        """A member without whose disk the others still make a quorum."""
        node = aim.one()
        world = self._world
        if node is None or world.watch.ledger.configuration.get(node.name) is None:
            return None
        others = [name for name in world.nodes if name != node.name]
        return node if world.is_quorum(others) else None

    def _attend(self, aim: Aim, node: Node) -> None:
        self._world.schedule.after(aim.rng.randrange(NOTICED_NS_MAX), self._repairs.replace_process, aim, node, node.incarnation)
