"""Clients: unique writes, linearizable and lease reads on any node, retried only where a refusal was definite.

The rule it keeps: what a client knows is exactly what the node it asked has told it. A timeout leaves the outcome unknown for ever.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from random import Random
from typing import Protocol

from quorate.protocols.core import Change, NodeId
from quorate.protocols.simulation.policy import PPM
from quorate.protocols.simulation.schedule import MILLISECOND, Schedule
from quorate.protocols.simulation.swarm import Settings

LEADERLESS_PAUSE_NS = 20 * MILLISECOND


class Outcome(Enum):
    """How one attempt ended for its client."""

    DONE = "done"
    REFUSED = "refused"
    UNKNOWN = "unknown"


Settle = Callable[["Operation", Outcome, NodeId | None], None]
"""(operation, outcome, where to ask instead)"""


@dataclass(slots=True)
class Operation:
    """One request to one node. `floor` is what had been acknowledged to anyone when the node's core was asked."""

    kind: str
    """write, read, lease, change or transfer."""
    settle: Settle
    data: bytes = b""
    change: Change | None = None
    to: NodeId = ""
    token: int = 0
    floor: int = 0
    node: NodeId = ""
    index: int = 0
    """Where a write was committed; from which state a read was answered."""


class Servers(Protocol):
    """The cluster as clients see it."""

    def serving(self) -> list[NodeId]:
        """The nodes that clients may ask now, in a fixed order."""

    def request(self, name: NodeId, operation: Operation) -> bool:
        """Hand one request to a node; False if nobody listens there."""

    def give_up(self, name: NodeId, operation: Operation) -> None:
        """The client no longer waits for the answer."""


class Client:
    """One request at a time, a pause after each, another node after a refusal or a silence."""

    def __init__(self, number: int, workload: "Workload") -> None:
        self._number = number
        self._workload = workload
        self._count = 0
        self._attempt = 0
        self._target: NodeId | None = None
        self._value = b""
        """A refused value that is still to be written: the refusal was definite, so writing it again cannot repeat it."""

    def act(self) -> None:
        workload = self._workload
        rng, settings = workload.rng, workload.settings
        if not workload.on:
            return
        names = workload.servers.serving()
        if not names:
            workload.schedule.after(settings.timeout_ns, self.act)
            return
        if self._target not in names or rng.random() < 0.1:
            self._target = rng.choice(names)
        if rng.randrange(PPM) < settings.read_ppm and not self._value:
            kind = "lease" if rng.randrange(PPM) < settings.lease_ppm else "read"
            operation = Operation(kind, self._settled)
        else:
            if not self._value:
                self._count += 1
                self._value = b"c%d/%d" % (self._number, self._count)
            operation = Operation("write", self._settled, data=self._value)
        self._attempt += 1
        if not workload.servers.request(self._target, operation):
            self._target = None
            workload.schedule.after(settings.think_ns, self.act)
            return
        if operation.node:  # not answered within the call
            workload.schedule.after(settings.timeout_ns, self._overdue, self._attempt, operation)

    def _overdue(self, attempt: int, operation: Operation) -> None:
        if attempt == self._attempt:
            self._workload.servers.give_up(operation.node, operation)
            self._settled(operation, Outcome.UNKNOWN, None)

    def _settled(self, operation: Operation, outcome: Outcome, instead: NodeId | None) -> None:
        workload = self._workload
        self._attempt += 1
        if outcome is not Outcome.REFUSED or operation.kind != "write":
            self._value = b""
        if outcome is not Outcome.DONE:
            self._target = instead
        workload.count(operation.kind, outcome)
        # Without a leader to ask there is no point in asking again at once.
        pause = max(workload.settings.think_ns, 0 if outcome is Outcome.DONE or instead else LEADERLESS_PAUSE_NS)
        workload.schedule.after(workload.rng.randrange(2 * pause) + 1, self.act)


class Workload:
    """All clients of a world."""

    def __init__(self, settings: Settings, rng: Random, schedule: Schedule, servers: Servers) -> None:
        self.settings = settings
        self.rng = rng
        self.schedule = schedule
        self.servers = servers
        self.on = True
        """While False, clients ask nothing new."""
        self.counts: dict[str, int] = {}
        """How many operations ended how, by "kind outcome"."""
        self._clients = [Client(number, self) for number in range(1, settings.clients + 1)]

    def start(self) -> None:
        for client in self._clients:
            self.schedule.after(self.rng.randrange(self.settings.timeout_ns), client.act)

    def count(self, kind: str, outcome: Outcome) -> None:
        name = f"{kind} {outcome.value}"
        self.counts[name] = self.counts.get(name, 0) + 1

    def done(self, kind: str) -> int:
        return self.counts.get(f"{kind} done", 0)
