"""One member's copy of one group: requests in, answers out. The core decides, the driver carries out, the applier applies.

A proposal is known by its origin until an entry of that origin commits (done), the core refuses it (definite), or too much
time passes (uncertain). Reads of one turn share one barrier.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator, Callable, Collection
from itertools import count
from time import perf_counter

from quorate.cluster.replicated_log import Consistency, Leadership
from quorate.cluster.runtime.applying import Applier, Read, Responder, Waiter
from quorate.cluster.runtime.driver import Driver
from quorate.cluster.runtime.local_calls import LocalCalls, refusal
from quorate.cluster.runtime.logs import logger
from quorate.cluster.runtime.ports import Incarnations, Snapshots
from quorate.cluster.runtime.pulse import Pulse
from quorate.cluster.wire.errors import BadRequest, NotLeader, Overloaded, QuorateError, SessionExpired, Unavailable, Uncertain
from quorate.protocols import sessions
from quorate.protocols.core import (
    COUNTER_MAX,
    NUMBER_MAX,
    Change,
    Clock,
    Configuration,
    Core,
    Effects,
    Message,
    NodeId,
    Reason,
    Refused,
    StateMachine,
    Storage,
    Token,
    Transport,
    origin,
)

# Proposals and reads that may wait at once; beyond it a node answers "overloaded" at once.
WAITING_MAX = 16_384
# Commits not yet applied beyond which new proposals are refused: about a second of applying.
BACKLOG_MAX = 50_000
# A proposal that has neither committed nor been refused by then is reported uncertain; clients give up long before.
PROPOSAL_MS_MAX = 30_000
DEPOSED_MS = 200
"""What a leader had proposed when it was one no more often commits under the next one, a hand-over's above all. Its callers wait so
long for that; then they are told that the outcome is open, and try again where somebody leads."""
HAND_OVER_LOOK_S = 0.1
"""How often a node that hands over looks whether its heir is still there."""

LOUD = frozenset({"errant_truncated", "promoted_by_hand", "semisync_off", "started_over"})
"""Notes of what endangers or loses acknowledged writes."""


class Replica:
    """Implements ReplicatedLog for callers in this process, and the request side of the RPC services."""

    def __init__(
        self,
        group: str,
        node: NodeId,
        incarnations: Incarnations,
        initial: Configuration,
        core: Core,
        storage: Storage,
        transport: Transport,
        clock: Clock,
        machine: StateMachine,
        snapshots: Snapshots,
        pulse: Pulse,
        work_s: Callable[[], float] = perf_counter,
    ) -> None:
        self.group = group
        self.node = node
        self._incarnations = incarnations
        self._clock = clock
        self._log = logger().bind(group=group)
        self.applier = Applier(machine, initial, lambda: self.driver.wake(), self._on_applied, self.fail, work_s)
        self.driver = Driver(core, storage, transport, pulse, self)
        self.core = core
        self.snapshots = snapshots
        self.failure = ""
        """Why this replica stopped for good; empty while it works."""
        self.on_applied: list[Callable[[], None]] = []
        """Called after every slice of applied entries: watches look at the history."""
        self.on_failed: list[Callable[[str], None]] = []
        self.on_configuration: list[Callable[[], None]] = []
        self._waiting = self.applier.waiting
        self._number = 0
        self._set_origins()
        self._tokens = count(1)
        self._reads: list[Read] = []
        self._lease_reads: list[Read] = []
        self._reading: dict[Token, list[Read]] = {}
        self._read_count = 0
        self._changing: dict[Token, Waiter] = {}
        self._leadership = Leadership(0, False)
        self._leadership_watchers: dict[asyncio.Event, None] = {}
        self._configuration_index = -1
        self._marks: deque[tuple[int, Token]] = deque()
        self._looked_ms = clock.now_ms()
        self._passed_ms = 0
        self._deposed: tuple[int, Token] | None = None
        """When to stop waiting for what was proposed before this node was deposed, and the last such proposal."""
        self._transfers: set[Token] = set()
        self._locals = LocalCalls()
        self.leadership_change_count = 0

    def _set_origins(self, counter: int = 1) -> None:
        """Origins carry our number, which a newcomer learns from the configuration that adds it; until then it leads nothing."""
        member = self.core.configuration.get(self.node)
        self._number = member.number if member is not None else NUMBER_MAX
        self._next_origin = origin(self._number, self._incarnations.incarnation, counter)
        self._last_origin = origin(self._number, self._incarnations.incarnation, COUNTER_MAX)

    def start(self) -> None:
        # Whoever starts us has seen the members that we begin with.
        self._configuration_index = self.core.configuration.index
        self.driver.start()
        self.look()

    def stop(self) -> None:
        """Stop for good, in peace: whoever still waits is told that the outcome is open."""
        self.driver.stop()
        self._end_all(Uncertain(f"{self.node} stops"))

    def fail(self, error: Exception) -> None:
        """Stop for good: the disk failed or the machine broke. Never acknowledges again until a restart."""
        if self.failure:
            return
        self.failure = f"{type(error).__name__}: {error}"
        self._log.error("replica stopped", reason=self.failure, exc_info=error)
        self.driver.stop()
        self._end_all(Uncertain(f"{self.node} stopped: {self.failure}; mend the cause and restart the node"))
        for told in self.on_failed:
            told(self.failure)

    def _end_all(self, error: QuorateError) -> None:
        self.applier.fail_all(error)
        for read in [*self._reads, *self._lease_reads, *(read for batch in self._reading.values() for read in batch)]:
            read.responder.fail(read.request_id, error)
        for waiter in self._changing.values():
            waiter.responder.fail(waiter.request_id, error)
        self._reads, self._lease_reads = [], []
        self._reading.clear()
        self._changing.clear()

    # Requests.

    def propose_for(self, responder: Responder, request_id: int, command: bytes) -> None:
        """Replicate `command` (a session envelope); answers with the machine's result or fails. The hot path of a write."""
        waiting = self._waiting
        if len(waiting) >= WAITING_MAX or self.applier.backlog > BACKLOG_MAX:
            raise Overloaded(f"{self.node} has {len(waiting)} proposals waiting and {self.applier.backlog} entries to apply")
        self._check_working()
        token = self._next_origin
        if token >= self._last_origin:
            self._incarnations.next_incarnation()
            self._set_origins()
            token = self._next_origin
        self._next_origin = token + 1
        waiting[token] = Waiter(responder, request_id)
        try:
            self.core.propose(command, token)
        except Exception as error:
            self.fail(error)
        self.driver.wake()

    def read_for(self, responder: Responder, request_id: int, query: bytes | Callable[[], object], consistency: Consistency) -> None:
        """Answer `query` with the promise that `consistency` makes."""
        self._check_working()
        read = Read(responder, request_id, query)
        if consistency == 2:  # Consistency.LOCAL
            self.applier.answer(read)
            return
        self._read_count += 1
        if self._read_count + self.applier.waiting_reads > WAITING_MAX:
            self._read_count -= 1
            raise Overloaded(f"{self.node} has {WAITING_MAX} reads waiting")
        (self._lease_reads if consistency == 1 else self._reads).append(read)
        self.driver.wake()

    def reconfigure_for(self, responder: Responder, request_id: int, change: Change) -> None:
        self._check_working()
        token = self._changing_token(responder, request_id)
        self.driver.tell(lambda: self.core.reconfigure(change, token))

    def transfer_for(self, responder: Responder, request_id: int, to: NodeId) -> None:
        self._check_working()
        token = self._changing_token(responder, request_id)
        self._transfers.add(token)
        self.driver.tell(lambda: self.core.transfer(to, token))

    def _changing_token(self, responder: Responder, request_id: int) -> Token:
        token = self._next_origin
        self._next_origin = token + 1
        self._changing[token] = Waiter(responder, request_id)
        return token

    def _check_working(self) -> None:
        if self.failure:
            raise Unavailable(f"{self.node} stopped: {self.failure}; mend the cause and restart the node")

    # The driver's side (Carrier).

    def feed(self) -> None:
        if self._reads:
            reads, self._reads = self._reads, []
            token = next(self._tokens)
            self._reading[token] = reads
            self.core.read(token)
        if self._lease_reads:
            reads, self._lease_reads = self._lease_reads, []
            token = next(self._tokens)
            self._reading[token] = reads
            self.core.read(token, lease=True)

    def apply(self) -> None:
        self.applier.run()

    def carry(self, effects: Effects) -> None:
        if effects.rollback:
            assert effects.snapshot is not None, effects
            self.snapshots.roll_back(effects.snapshot)
        elif effects.snapshot is not None and self.applier.needs(effects.snapshot):
            self.snapshots.install(effects.snapshot)
        if effects.committed:
            self.applier.enqueue(effects.committed)
        for ready in effects.reads:
            reads = self._reading.pop(ready.token)
            self._read_count -= len(reads)
            self.applier.read(ready.index, reads)
        for token in effects.done:
            waiter = self._changing.pop(token, None)
            if waiter is not None:
                waiter.responder.reply(waiter.request_id, None)
        for refused in effects.refused:
            self._on_refused(refused)
        for transfer in effects.transfers:
            self.snapshots.send(transfer.to, transfer.snapshot)
        for note in effects.notes:
            log = self._log.warning if note.kind in LOUD else self._log.info
            log(note.kind.replace("_", " "), **note.fields)
        if effects.packed:
            self.snapshots.logged(len(effects.packed))
        if effects.notes:
            # Whatever changes the leader or the members is worth a note, so this is enough to see it.
            self._look_at_changes()

    def _look_at_changes(self) -> None:
        status = self.core.status
        now = Leadership(status.term, self.core.leader == self.node)
        if now != self._leadership:
            if self._leadership.is_leader:
                self._deposed = self._passed_ms + DEPOSED_MS, self._next_origin - 1
            self._leadership = now
            self.leadership_change_count += 1
            for watcher in self._leadership_watchers:
                watcher.set()
        if status.configuration.index != self._configuration_index:
            self._configuration_index = status.configuration.index
            member = status.configuration.get(self.node)
            if member is not None and member.number != self._number:
                # The count goes on: this node may have had that number before, in this life.
                self._set_origins(self._next_origin & COUNTER_MAX)
            for told in self.on_configuration:
                told()

    def _on_refused(self, refused: Refused) -> None:
        error = self.not_leader() if refused.reason is Reason.NOT_LEADER else refusal(refused, self.node)
        if refused.token in self._reading:
            reads = self._reading.pop(refused.token)
            self._read_count -= len(reads)
            for read in reads:
                read.responder.fail(read.request_id, error)
        elif refused.token in self._changing:
            waiter = self._changing.pop(refused.token)
            waiter.responder.fail(waiter.request_id, error)
        else:
            self.applier.give_up(refused.token, error)

    def not_leader(self) -> NotLeader:
        leader = self.core.leader
        if leader is None or leader == self.node:
            return NotLeader(f"{self.node} does not lead and knows no leader")
        member = self.core.configuration.get(leader)
        return NotLeader(f"{self.node} does not lead, {leader} does", leader=leader, address=member.client_address if member else "")

    def receive(self, sender: NodeId, message: Message) -> None:
        if not self.snapshots.receive(sender, message):
            self.driver.receive(sender, message)

    def _on_applied(self) -> None:
        for told in self.on_applied:
            told()

    def look(self) -> None:
        if self.failure:
            return
        now = self._clock.now_ms()
        # A clock that is set back must not stop the waiting from ending.
        self._passed_ms += max(0, now - self._looked_ms)
        self._looked_ms = now
        try:
            self._propose_due(now)
        except Exception as error:
            self.fail(error)
            return
        newest = self._next_origin - 1
        if not self._marks or self._marks[-1][1] != newest:
            self._marks.append((self._passed_ms, newest))
        while self._marks and self._marks[0][0] < self._passed_ms - PROPOSAL_MS_MAX:
            self._give_up_until(self._marks.popleft()[1], f"not committed within {PROPOSAL_MS_MAX // 1000} s; it still may be")
        if self._deposed is not None and self._deposed[0] <= self._passed_ms:
            # To be deposed is what a transfer is for: the core tells its outcome, when it hears who leads.
            self._transfers &= self._changing.keys()
            self._give_up_until(self._deposed[1], f"{self.node} no longer leads; it still may be committed", spared=self._transfers)
            self._deposed = None
        self.snapshots.look(self._passed_ms)

    def _propose_due(self, now_ms: int) -> None:
        if self.serving:
            for command in self.applier.machine.due(now_ms, self.applier.term):
                token, self._next_origin = self._next_origin, self._next_origin + 1
                self.core.propose(command, token)
                self.driver.wake()

    def _give_up_until(self, token: Token, why: str, *, spared: Collection[Token] = ()) -> None:
        self.applier.give_up_until(token, why)
        for old in [old for old in self._changing if old <= token and old not in spared]:
            waiter = self._changing.pop(old)
            waiter.responder.fail(waiter.request_id, Uncertain(why))

    @property
    def serving(self) -> bool:
        """Leads, and has applied an entry of its own term: knows all that was committed before."""
        return self.core.leader == self.node and self.applier.term == self.core.status.term

    # ReplicatedLog, for callers in this process.

    async def propose(self, command: bytes, *, timeout: float) -> bytes:
        """Outside any session: after an Uncertain the command may have been applied, and a repetition applies it again."""
        result = await self._locals.call(timeout, lambda calls, id: self.propose_for(calls, id, sessions.plain(command)))
        assert isinstance(result, bytes), result
        match result[0]:
            case sessions.Status.DONE:
                return result[1:]
            case sessions.Status.EXPIRED:
                raise SessionExpired
            case status:
                raise BadRequest(f"the command was not applied: {sessions.Status(status).name.lower()}")

    async def query(self, query: bytes, *, timeout: float, consistency: Consistency = Consistency.LINEARIZABLE) -> bytes:
        result = await self._locals.call(timeout, lambda calls, id: self.read_for(calls, id, query, consistency))
        assert isinstance(result, bytes), result
        return result

    async def reconfigure(self, change: Change, *, timeout: float) -> None:
        await self._locals.call(timeout, lambda calls, id: self.reconfigure_for(calls, id, change))

    async def transfer(self, to: NodeId, *, timeout: float) -> None:
        await self._locals.call(timeout, lambda calls, id: self.transfer_for(calls, id, to))

    async def hand_over(self, timeout: float, is_up: Callable[[NodeId], bool]) -> None:
        """Before a planned stop: if this node leads, let another lead first. Gives up quietly, and at once if that one leaves too."""
        try:
            heir = self.successor()
        except QuorateError:
            return
        handing = asyncio.create_task(self.transfer(heir, timeout=timeout))
        while not handing.done() and is_up(heir):
            await asyncio.wait([handing], timeout=HAND_OVER_LOOK_S)
        handing.cancel()
        with contextlib.suppress(QuorateError, asyncio.CancelledError):
            await handing

    def successor(self) -> NodeId:
        """The voter, other than this node, that has most of the log. NotLeader or BadRequest if there is none to be seen."""
        if self.core.leader != self.node:
            raise self.not_leader()
        status = self.core.status
        others = [(progress.match, name) for name, progress in status.progress.items() if name in status.configuration.voters - {self.node}]
        if not others:
            raise BadRequest("there is no other voter to hand over to")
        return max(others)[1]

    async def leadership(self) -> AsyncIterator[Leadership]:
        """The present state, then every change; a slow consumer sees the newest only."""
        changed = asyncio.Event()
        self._leadership_watchers[changed] = None
        try:
            while True:
                yield self._leadership
                await changed.wait()
                changed.clear()
        finally:
            self._leadership_watchers.pop(changed, None)
