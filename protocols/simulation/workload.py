"""Clients: unique writes in sessions, linearizable and lease reads, on any node and perhaps on two at once.

The rule it keeps: what a client knows is exactly what the nodes it asked have told it. A write whose outcome is uncertain is repeated
under the same (session, sequence), elsewhere too; one that is given up stays unknown for ever, and so does a read not answered in time.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from random import Random
from typing import Protocol

from quorate.protocols.core import Change, NodeId
from quorate.protocols.sessions import NONCE_BYTES, Status, in_session, open_session, opened
from quorate.protocols.simulation.application import Application, Call
from quorate.protocols.simulation.exactly_once import SAME_ANSWER
from quorate.protocols.simulation.ledger import Violation
from quorate.protocols.simulation.policy import PPM
from quorate.protocols.simulation.schedule import MILLISECOND, SECOND, Schedule
from quorate.protocols.simulation.swarm import Settings

LEADERLESS_PAUSE_NS = 60 * MILLISECOND

# Hasty clients wait a fraction of the timeout, patient ones a multiple.
HASTE = 10
PATIENCE = 5
# Far beyond any client's patience.
LATE_NS_MAX = 3 * SECOND
# Sessions end within the run that opened them, by naps that are longer.
TTL_MS = (1_000, 3_000)
NAP_NS = (500 * MILLISECOND, 6 * SECOND)
# A client's mark may lag: more results are kept then, and repeated copies of older commands can still be told apart.
MARK_LAGS = (0, 0, 0, 5)


class Outcome(Enum):
    """How one attempt, or one call, ended for its client."""

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
    result: bytes = b""
    """What the state machine said."""


class Servers(Protocol):
    """The cluster as clients see it."""

    def serving(self) -> list[NodeId]:
        """The nodes that clients may ask now, in a fixed order."""

    def request(self, name: NodeId, operation: Operation) -> bool:
        """Hand one request to a node; False if nobody listens there."""

    def give_up(self, name: NodeId, operation: Operation) -> None:
        """The client no longer waits for the answer."""


class Observer(Protocol):
    """Told of everything that clients ask and learn, at virtual times: enough for a history. A process that was left in the dark
    about a call is never heard of again; its client goes on under another number."""

    def called(self, process: int, call: Call, now_ns: int) -> None: ...

    def settled(self, process: int, call: Call, outcome: Outcome, result: object, now_ns: int) -> None: ...


class Client:
    """One call at a time, a pause after each, another node after a refusal or a silence."""

    def __init__(self, number: int, workload: "Workload") -> None:
        self._workload = workload
        self._process = number
        self._nonce = b""
        self._session = 0
        """0 while it is still to be opened."""
        self._sequence = 0
        self._mark = 0
        self._call: Call | None = None
        self._kind = ""
        self._uncertain = False
        """A copy of the call may have taken effect, or may yet."""
        self._tries = 0
        self._asked: list[Operation] = []
        """Copies without an answer."""
        self._attempt = 0
        self._target: NodeId | None = None
        self.awake_ns = 0
        """When its nap ends, or ended."""
        self._renew()

    def _renew(self) -> None:
        self._nonce = self._workload.rng.randbytes(NONCE_BYTES)
        self._session = self._sequence = self._mark = 0

    # --- asking ---

    def act(self) -> None:
        workload = self._workload
        settings, rng = workload.settings, workload.rng
        if not workload.on:
            return
        names = workload.servers.serving()
        if not names:
            workload.schedule.after(settings.timeout_ns, self.act)
            return
        if self._target not in names or rng.random() < 0.1:
            self._target = rng.choice(names)
        call = self._call or self._begin()
        targets = [self._target]
        if call.writes and rng.randrange(PPM) < settings.twice_ppm:
            targets.append(rng.choice(names))
        self._attempt += 1
        attempt = self._attempt
        data = self._envelope(call) if call.writes else call.payload
        self._asked = [Operation(self._kind, self._settled, data) for _ in targets]
        for target, operation in zip(targets, tuple(self._asked)):
            if rng.randrange(PPM) < settings.late_ppm:
                workload.schedule.after(rng.randrange(LATE_NS_MAX), self._arrive, target, operation)
            else:
                self._arrive(target, operation)
        if self._asked and attempt == self._attempt:
            workload.schedule.after(workload.patience_ns(), self._overdue, attempt)

    def _arrive(self, target: NodeId, operation: Operation) -> None:
        """At the node; perhaps so late that the client is long since busy with something else."""
        if not self._workload.servers.request(target, operation):
            self._settled(operation, Outcome.REFUSED, None)

    def _begin(self) -> Call:
        workload = self._workload
        settings, rng = workload.settings, workload.rng
        if rng.randrange(PPM) < settings.read_ppm:
            call = workload.application.read(rng, self._process)
            self._kind = "lease" if rng.randrange(PPM) < settings.lease_ppm else "read"
        else:
            call = workload.application.write(rng, self._process)
            self._kind = "write"
            self._sequence += 1
            self._mark = max(self._mark, self._sequence - 1 - rng.choice(MARK_LAGS))
        self._call, self._uncertain, self._tries = call, False, 0
        if workload.observer is not None:
            workload.observer.called(self._process, call, workload.schedule.now)
        return call

    def _envelope(self, call: Call) -> bytes:
        if not self._session:
            return open_session(self._nonce, self._workload.rng.choice(TTL_MS))
        return in_session(self._session, self._sequence, self._mark, call.payload)

    def _overdue(self, attempt: int) -> None:
        if attempt == self._attempt:
            for operation in tuple(self._asked):
                if operation.node:
                    self._workload.servers.give_up(operation.node, operation)
                self._settled(operation, Outcome.UNKNOWN, None)

    # --- answers ---

    def _settled(self, operation: Operation, outcome: Outcome, instead: NodeId | None) -> None:
        if operation not in self._asked:
            return  # the other copy was faster
        self._asked.remove(operation)
        self._workload.count(operation.kind, outcome)
        if outcome is Outcome.DONE:
            self._done(operation)
        elif operation.kind == "write":
            self._uncertain |= outcome is Outcome.UNKNOWN and self._session > 0
            self._tries += self._uncertain
            self._target = instead
            if not self._asked:
                if self._tries > self._workload.settings.retries:
                    self._end(Outcome.UNKNOWN)
                else:
                    self._pause(0 if instead else LEADERLESS_PAUSE_NS)
        else:
            self._target = instead
            self._end(outcome, pause_ns=0 if instead else LEADERLESS_PAUSE_NS)

    def _done(self, operation: Operation) -> None:
        result = operation.result
        assert self._call is not None, self
        if operation.kind != "write":
            self._end(Outcome.DONE, self._workload.application.result(self._call, result))
            return
        status = result[0]
        if status == Status.OPENED:
            self._session, _ = opened(result)
            self._sequence, self._mark, self._asked = 1, 0, []
            self._pause(0)
        elif status == Status.EXPIRED or (self._workload.histories_change and status != Status.DONE):
            uncertain = self._uncertain or bool(self._asked)
            self._asked = []
            self._renew()
            # Without an earlier copy that may have taken effect the call is free to begin anew in another session.
            if uncertain:
                self._end(Outcome.UNKNOWN)
            else:
                self._pause(0)
        elif status == Status.DONE:
            self._answered(result[1:])
        else:
            raise Violation(
                SAME_ANSWER, f"{operation.node} answers {Status(status).name} to ({self._session}, {self._sequence}) while its client waits"
            )

    def _answered(self, payload: bytes) -> None:
        """The machine's answer, to this call unless its session's number belongs to another by now."""
        workload, call = self._workload, self._call
        assert call is not None, self
        try:
            result = workload.application.result(call, payload)
        except ValueError:
            if not workload.histories_change:
                raise
            self._end(Outcome.UNKNOWN)
        else:
            self._end(Outcome.DONE, result)

    def _end(self, outcome: Outcome, result: object = None, pause_ns: int = 0) -> None:
        """The call is over, for its client."""
        workload, call = self._workload, self._call
        assert call is not None, self
        self._call, self._asked = None, []
        if workload.observer is not None:
            workload.observer.settled(self._process, call, outcome, result, workload.schedule.now)
        if outcome is Outcome.UNKNOWN:
            workload.processes += 1
            self._process = workload.processes
        elif outcome is Outcome.DONE and call.writes:
            workload.acknowledged()
        if workload.rng.randrange(PPM) < workload.settings.nap_ppm and not workload.patient:
            self._attempt += 1
            nap_ns = workload.rng.randrange(*NAP_NS)
            self.awake_ns = workload.schedule.now + nap_ns
            workload.schedule.after(nap_ns, self.act)
        else:
            self._pause(pause_ns)

    def _pause(self, least_ns: int) -> None:
        self._attempt += 1
        workload = self._workload
        workload.schedule.after(workload.rng.randrange(2 * max(workload.settings.think_ns, least_ns)) + 1, self.act)


class Workload:
    """All clients of a world."""

    def __init__(
        self,
        settings: Settings,
        rng: Random,
        schedule: Schedule,
        servers: Servers,
        application: Application,
        observer: Observer | None = None,
    ) -> None:
        self.settings = settings
        self.rng = rng
        self.schedule = schedule
        self.servers = servers
        self.application = application
        self.observer = observer
        self.on = True
        """While False, clients ask nothing new."""
        self.histories_change = False
        """While True, sessions may be gone with a history that was given up, and others have their numbers: nothing is promised then."""
        self.patient = False
        """While True, clients wait out a log that is full of what they have repeated: on a slow network haste keeps it full.
        And none goes to sleep."""
        self.counts: dict[str, int] = {}
        """How many attempts ended how, by "kind outcome"."""
        self.processes = settings.clients
        """How many process numbers are in use or used up."""
        self._clients = [Client(number, self) for number in range(1, settings.clients + 1)]

    def patience_ns(self) -> int:
        """How long a client waits before it asks again."""
        if self.patient:
            return PATIENCE * self.settings.timeout_ns
        return self.settings.timeout_ns // (HASTE if self.rng.randrange(PPM) < self.settings.hasty_ppm else 1)

    def asleep_ns(self) -> int:
        """How long all clients sleep on; 0 if one is awake."""
        return max(0, min(client.awake_ns for client in self._clients) - self.schedule.now)

    def start(self) -> None:
        for client in self._clients:
            self.schedule.after(self.rng.randrange(self.settings.timeout_ns), client.act)

    def acknowledged(self) -> None:
        """A client was told of a write; others may look at once, wherever they are, whether that has happened."""
        if self.rng.randrange(PPM) < self.settings.look_ppm:
            self.schedule.after(self.rng.randrange(self.settings.think_ns), self._look)

    def _look(self) -> None:
        names = self.servers.serving()
        for name in names if self.rng.random() < 0.5 else names and [self.rng.choice(names)]:
            kind = "lease" if self.rng.randrange(PPM) < self.settings.lease_ppm else "read"
            self.servers.request(name, Operation(kind, self._looked, self.application.read(self.rng, 0).payload))

    def _looked(self, operation: Operation, outcome: Outcome, _: NodeId | None) -> None:
        self.count(operation.kind, outcome)

    def count(self, kind: str, outcome: Outcome) -> None:
        name = f"{kind} {outcome.value}"
        self.counts[name] = self.counts.get(name, 0) + 1

    def done(self, kind: str) -> int:
        return self.counts.get(f"{kind} done", 0)
