"""A simulated node's snapshots: freezing its state, streaming images to others, forgetting old ones.

The rule it keeps: a snapshot is frozen only at an index that is durable here, and an image stays until a newer one is marked in the log.
"""

from typing import TYPE_CHECKING

from quorate.protocols.core import Snapshot, Transfer

if TYPE_CHECKING:
    from quorate.protocols.simulation.node import Node


class Snapshots:
    """Of one incarnation of a node. The images are its disk's."""

    def __init__(self, node: "Node", rollbacks: int = 0) -> None:
        self._node = node
        self.rollbacks = rollbacks
        """How often this incarnation gave its state up: an index may be frozen once more, with another state."""
        self._saving = False
        self.index = 0
        """Where the last one is."""

    def transfer(self, transfer: Transfer) -> None:
        node = self._node
        image = node.disk.images.get(transfer.snapshot.id)
        if image is None:  # a newer one has replaced it
            node.host.schedule.after(1, node.tell, lambda core: core.transferred(transfer.to, transfer.snapshot, False))
        else:
            node.host.transfer(node, transfer, image)

    def compact(self) -> None:
        """Freeze the state when enough was applied since the last snapshot."""
        every, applied = self._node.host.settings.compact_every, self._node.machine.applied
        if every and applied - self.index >= every:
            self.freeze()

    def freeze(self) -> bool:
        """Begin a snapshot of the state as it is now. False if its index is not durable here yet, or one is under way."""
        node, index = self._node, self._node.machine.applied
        assert node.core is not None, node
        if self._saving or index <= self.index or not node.may_freeze(node.core, index):
            return False
        term = node.machine.term
        name = f"{node.name}-{node.incarnation}-{index}" + f"-{self.rollbacks}" * bool(self.rollbacks)
        snapshot = Snapshot(name, index, term, node.configuration, size=64 * index)
        image = node.machine.freeze(snapshot)
        node.host.watch.freezes(node, image)
        self._saving = True
        node.disk.save(image, lambda durable: self._frozen(snapshot, durable))
        node.dies("image")
        return True

    def _frozen(self, snapshot: Snapshot, durable: bool) -> None:
        if self._node.snapshots is not self:
            return  # it was an earlier life's
        self._saving = False  # on a full disk the next one is tried when it is due
        if durable and snapshot.index > self.index:
            self.index = snapshot.index
            if not self._node.dies("image"):
                self._node.tell(lambda core: core.compact(snapshot))

    def forget_older(self) -> None:
        """Older images than the durable log begins with are of no use to anyone."""
        disk = self._node.disk
        if len(disk.images) > 1 and disk.durable.base:
            disk.forget({name for name, image in disk.images.items() if image.snapshot.index >= disk.durable.base})
