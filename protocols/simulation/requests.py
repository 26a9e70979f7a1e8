"""What clients have asked of one incarnation of a node, until it is answered.

The rule it keeps: a write is answered when the entry of its origin is applied here, a read when everything up to its confirmed index is.
"""

from typing import TYPE_CHECKING

from quorate.protocols.core import Core, Effects, Entry, NodeId, Token, origin
from quorate.protocols.simulation.schedule import MILLISECOND
from quorate.protocols.simulation.workload import Operation, Outcome

if TYPE_CHECKING:
    from quorate.protocols.simulation.node import Node

# As the runtime's replicas do: about every 100 ms.
LOOK_TICKS = 10


class Requests:
    """A test may put a class here that lacks one rule: `Node.requests_class`."""

    def __init__(self, node: "Node") -> None:
        self._node = node
        self.queued: list[Operation] = []
        """Not yet told to the core."""
        self.open: dict[Token, Operation] = {}
        self.reads: list[tuple[int, Operation]] = []
        """Confirmed, waiting for their index to be applied."""
        self._counter = 0
        self._look_at = 0

    def all(self) -> list[Operation]:
        return [*self.open.values(), *self.queued]

    def abandon(self) -> None:
        """What these wait for was given up with the state: nobody can tell them any more."""
        waiting, self.reads = list(self.open.values()), []
        self.open.clear()
        for operation in waiting:
            operation.settle(operation, Outcome.UNKNOWN, None)

    def give_up(self, operation: Operation) -> None:
        """Its client waits no longer."""
        self.open.pop(operation.token, None)
        if operation in self.queued:
            self.queued.remove(operation)

    def feed(self, core: Core) -> None:
        """Tell the core all that has gathered."""
        if self.queued:
            queued, self.queued = self.queued, []
            for operation in queued:
                self._feed(core, operation)

    def _feed(self, core: Core, operation: Operation) -> None:
        operation.token = token = self._next_token()
        operation.floor = self._node.host.watch.floor(self._node)
        self.open[token] = operation
        match operation.kind:
            case "write":
                core.propose(operation.data, token)
            case "read":
                core.read(token)
            case "lease":
                core.read(token, lease=True)
            case "change":
                assert operation.change is not None, operation
                core.reconfigure(operation.change, token)
            case _:
                core.transfer(operation.to, token)

    def _next_token(self) -> Token:
        self._counter += 1
        return origin(self._node.number, self._node.counted, self._counter)

    def propose_due(self, core: Core, ticks: int) -> None:
        """A serving leader proposes what its machine holds due; one that has applied nothing of its own term must not judge."""
        node = self._node
        if ticks < self._look_at:
            return
        self._look_at = ticks + LOOK_TICKS
        if node.machine.term == node.leads:
            for command in node.machine.state.due(ticks * node.clock.tick_ns // MILLISECOND, node.leads):
                core.propose(command, self._next_token())

    # --- answers ---

    def applied(self, entry: Entry, result: bytes) -> None:
        """A command was applied here; perhaps somebody waits for it."""
        operation = self.asked(entry)
        if operation is not None:
            operation.index, operation.result = entry.index, result
            self._node.host.watch.acknowledges(self._node, operation, entry.index)
            operation.settle(operation, Outcome.DONE, None)

    def asked(self, entry: Entry) -> Operation | None:
        """The request that this committed entry answers: origins never change, so they alone tell."""
        return self.open.pop(entry.origin, None)

    def confirm(self, effects: Effects) -> None:
        """Reads that may be answered from their index on."""
        for ready in effects.reads:
            operation = self.open.get(ready.token)
            if operation is not None:
                self.reads.append((ready.index, operation))

    def answer(self) -> None:
        """Answer the reads whose index is applied."""
        node = self._node
        applied = node.machine.applied
        waiting, self.reads = self.reads, []
        for index, operation in waiting:
            if index > applied:
                self.reads.append((index, operation))
            elif self.open.pop(operation.token, None) is not None:
                operation.index, operation.result = applied, node.machine.state.query(operation.data)
                node.host.watch.answers(node, operation)
                operation.settle(operation, Outcome.DONE, None)
                if node.dies("answer"):
                    return

    def resolve(self, effects: Effects) -> None:
        """Changes and transfers that took effect, and whatever was refused."""
        for token in effects.done:
            if self._settle(token, Outcome.DONE, None):
                return
        for refused in effects.refused:
            if self._settle(refused.token, Outcome.REFUSED, refused.leader):
                return

    def _settle(self, token: Token, outcome: Outcome, leader: NodeId | None) -> bool:
        """True if the node died of it."""
        operation = self.open.pop(token, None)
        if operation is None:
            return False
        operation.settle(operation, outcome, leader)
        return self._node.dies("answer")
