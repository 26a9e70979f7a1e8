"""What a run has reached: which fault hit whom in which phase, and which branches of recovery were taken.

The rule it keeps: it only counts, at strikes and at rare events, so that it costs nothing where steps are counted in thousands.
A simulator that never reached a place has proved nothing about it.
"""

from typing import TYPE_CHECKING

from quorate.protocols.core import Configuration, Recovered

if TYPE_CHECKING:
    from quorate.protocols.simulation.node import Node
    from quorate.protocols.simulation.world import World

PHASES = ("forming", "electing", "changing members", "snapshot under way", "catching up", "steady")
"""Nothing is committed yet; nobody leads the newest term; a configuration is not committed; an image is being streamed; a running
member is far behind what is committed; none of these. The first that applies counts."""

ROLES = ("leader", "candidate", "follower", "learner", "outsider", "down")
"""An outsider runs and is in no configuration that it knows of."""

# A node that is this many entries behind is not just waiting for the next message.
BEHIND_ENTRIES = 20


class Coverage:
    """Counters of one world."""

    def __init__(self) -> None:
        self.faults: dict[tuple[str, str, str], int] = {}
        """(fault, role of the victim, phase): how often."""
        self.sometimes: dict[str, int] = {}
        """How often each branch was taken: the notes of the cores by their kinds, and what nodes, disks and transfers went through."""

    def hit(self, fault: str, role: str, phase: str) -> None:
        self.faults[fault, role, phase] = self.faults.get((fault, role, phase), 0) + 1

    def reach(self, branch: str, count: int = 1) -> None:
        self.sometimes[branch] = self.sometimes.get(branch, 0) + count

    def recovered(self, recovered: Recovered) -> None:
        """A node starts from what its disk gave back."""
        if recovered.snapshot is not None:
            self.reach("recovered: snapshot and entries" if recovered.entries else "recovered: snapshot")
        else:
            self.reach("recovered: entries" if recovered.entries else "recovered: nothing")

    def truncated(self, configuration: Configuration | None, index: int) -> None:
        """A node drops what lies above `index`; its latest configuration was this one."""
        if configuration is not None and configuration.index > index:
            self.reach("configuration taken back")


def role(world: "World", node: "Node") -> str:
    """One of ROLES."""
    return "down" if node.core is None else world.engine.view.role(node.core)


def phase(world: "World") -> str:
    """One of PHASES."""
    committed = world.watch.ledger.end
    if not committed:
        return "forming"
    running = [node for node in world.nodes.values() if node.core is not None]
    leader = world.leader()
    if leader is None or leader.core is None or any(node.term > leader.term for node in running):
        return "electing"
    configuration = leader.core.configuration
    if configuration.index > leader.commit:
        return "changing members"
    if world.streaming:
        return "snapshot under way"
    if any(node.machine.applied + BEHIND_ENTRIES < committed and node.name in configuration.names for node in running):
        return "catching up"
    return "steady"
