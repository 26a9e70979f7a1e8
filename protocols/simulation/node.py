"""One simulated node: the driver of a core, on simulated time, network and disk, that can die between any two of its acts.

The rule it keeps: effects are carried out in the order that protocols/core/interface.py gives: `sends`, the log batch, and when
that is durable `sends_after_sync`; then a snapshot is restored, `committed` applied, reads answered, requests resolved, transfers begun.
The real driver keeps the same order.
"""

from collections import deque
from collections.abc import Callable
from random import Random

from quorate.protocols.core import (
    Configuration,
    Core,
    Effects,
    Entry,
    Kind,
    Member,
    Message,
    NodeId,
    Send,
    Snapshot,
    Transport,
)
from quorate.protocols.simulation.clock import NodeClock
from quorate.protocols.simulation.disk import Fold, SimulatedDisk
from quorate.protocols.simulation.doom import Doom
from quorate.protocols.simulation.engine import on_disk
from quorate.protocols.simulation.host import Host
from quorate.protocols.simulation.requests import Requests
from quorate.protocols.simulation.snapshots import Snapshots
from quorate.protocols.simulation.workload import Operation, Outcome


class Node:
    """`core` is None while the node is down; its disk, clock and name outlive that."""

    requests_class = Requests
    """A test-only subclass puts a broken one here."""

    def __init__(
        self, host: Host, member: Member, bootstrap: Configuration, disk: SimulatedDisk, clock: NodeClock, transport: Transport
    ) -> None:
        self.host = host
        self.name: NodeId = member.name
        self.number = member.number
        self.storage = member.storage
        """The id of its disk; a wiped disk has another."""
        self.bootstrap = bootstrap
        self.disk = disk
        self.clock = clock
        self.transport = transport
        self.core: Core | None = None
        self.incarnation = 0
        """Of this node, in all."""
        self.uncounted = 0
        """How many of its incarnations its disk knows nothing of: they were counted on one that is lost."""
        self.machine = self.host.machine()
        self.configuration = bootstrap
        """As applied, which is what a snapshot must carry."""
        self.doom: Doom | None = None
        """How the process is about to die."""
        self.paused = False
        """The process stands still (SIGSTOP): everything waits in front of it, until `resume`."""
        # What the invariants remember of this node.
        self.written = Fold()
        self.term = self.commit = self.leads = self.taken = 0
        self.promised: tuple[int, NodeId | None] = (0, None)
        self._begin()

    def __repr__(self) -> str:
        state = "down" if self.core is None else f"term={self.term} commit={self.commit} applied={self.machine.applied}"
        return f"<{self.name}#{self.incarnation} {state}>"

    # --- life and death ---

    def start(self, doom: Doom | None = None) -> None:
        """Begin the next incarnation from what the disk gives back."""
        assert self.core is None, self
        recovered = self.disk.load()
        self.host.coverage.recovered(recovered)
        self.incarnation = self._next_incarnation()
        self._begin()
        self.machine = self.host.machine()
        self.configuration = self.bootstrap
        if recovered.snapshot is not None:
            self.machine.restore(self.disk.images[recovered.snapshot.id])
            self.configuration = recovered.snapshot.configuration
        self.snapshots.index = self.taken = self.machine.applied
        self.written = self.disk.durable.copy()
        self._ticks = self.clock.ticks(self.host.schedule.now)
        rng = Random(f"{self.name}/{self.incarnation}/{self.host.settings.variant}/{self.host.rng.getrandbits(32)}")
        factory, options = self.host.engine.factory, on_disk(self.host.options_of(self.name), self.storage)
        self.core = factory(self.name, self.bootstrap, options, rng, self.counted, recovered.promise, recovered.snapshot, recovered.entries)
        self.host.watch.started(self, self.core)
        self.doom = doom
        self.turn()

    @property
    def counted(self) -> int:
        """The incarnation as its disk counts, and so as it is known to the core: a new disk begins at 1."""
        return self.incarnation - self.uncounted

    def _next_incarnation(self) -> int:
        """Counted up durably at each start, so that no origin is ever used twice."""
        return self.incarnation + 1

    def _begin(self) -> None:
        """All that dies with the process."""
        self.snapshots: Snapshots = Snapshots(self)
        self.requests = self.requests_class(self)
        self._inbox: list[tuple[NodeId, Message]] = []
        self._after_sync: deque[tuple[int, list[Send]]] = deque()
        self._written_serial = self._synced_serial = -1
        self._held_serial: int | None = None
        self._backlog: deque[Entry] = deque()
        self._ticks = 0
        self._turn_due = False
        self.doom = None
        self.paused = False
        self.leads = 0
        self.promised = (0, None)

    def stop(self) -> None:
        """The process is gone; what it had not synced is left to the disk."""
        self.core = None
        lost = self.requests.all()
        self._begin()
        for operation in lost:
            operation.settle(operation, Outcome.UNKNOWN, None)

    def dies(self, act: str, message: Message | None = None) -> bool:
        """One act was carried out, one of doom.ACTS. True if the node is gone."""
        doom = self.doom
        if doom is None or not doom.falls(act, message):
            return False
        self.host.coverage.reach(f"died after {act}")
        self.host.crash(self)
        doom.after(self)
        return True

    # --- what arrives ---

    def deliver(self, sender: NodeId, message: Message) -> None:
        if self.core is not None and not (self.doom is not None and self.dies("receive", message)):
            self._inbox.append((sender, message))
            self._wake()

    def tell(self, event: Callable[[Core], None]) -> None:
        """Feed the core any other event, if there is one to feed."""
        if self.core is not None:
            event(self.core)
            self._wake()

    def request(self, operation: Operation) -> None:
        operation.node = self.name
        self.requests.queued.append(operation)
        self._wake()

    def resume(self) -> None:
        self.paused = False
        if self._held_serial is not None:
            serial, self._held_serial = self._held_serial, None
            self.synced(serial)
        if self.core is not None:
            self.turn()
        if self._backlog:
            self._apply()

    def _wake(self) -> None:
        if self.paused or self._turn_due:
            return
        delay = self.host.settings.turn_ns
        if not delay:
            self.turn()
            return
        self._turn_due = True
        self.host.schedule.after(self.host.rng.randrange(delay), self._due, self.incarnation)

    def _due(self, incarnation: int) -> None:
        if incarnation == self.incarnation and self.core is not None:
            self._turn_due = False
            if not self.paused:
                self.turn()

    def turn(self) -> None:
        """Drain the sockets, then read the clock and tick, then feed the requests, then carry out what comes of it."""
        assert self.core is not None, self
        self._drain(self.core)
        self._tick(self.core)
        self.requests.feed(self.core)
        self.flush()

    def _drain(self, core: Core) -> None:
        inbox = self._inbox
        if inbox:
            self._inbox = []
            trace = self.host.trace
            for sender, message in inbox:
                if trace.on:
                    trace.receives(self.name, sender, message)
                core.receive(sender, message)

    def _tick(self, core: Core) -> None:
        now = self.clock.ticks(self.host.schedule.now)
        elapsed, self._ticks = now - self._ticks, now
        if elapsed > 0:  # a clock that was set back: no time has passed, and we count from here
            core.tick(elapsed)
            if self.leads:
                self.requests.propose_due(core, now)

    @property
    def on_time(self) -> bool:
        """Whether the core was told of every tick up to now."""
        return self._ticks == self.clock.ticks(self.host.schedule.now)

    def flush(self) -> None:
        """Take what the core wants done, and do it."""
        if self.core is not None:
            effects = self.core.take()
            if effects is not None:
                self.host.watch.took(self, self.core, effects)
                self.carry_out(effects)

    # --- carrying out effects; the node may die after each act ---

    def carry_out(self, effects: Effects) -> None:
        trace = self.host.trace
        if trace.on:
            trace.takes(self.name, effects)
        for note in effects.notes:
            self.host.coverage.reach(note.kind)
        if effects.sends and not self._send(effects.sends):
            return
        if not self._write(effects):
            return
        if effects.rollback:
            self._roll_back(effects.snapshot)
        elif effects.snapshot is not None and effects.snapshot.index > self.machine.applied:
            self._restore(effects.snapshot)
            if self.dies("restore"):
                return
        if effects.committed:
            self._backlog.extend(effects.committed)
        if effects.reads:
            self.requests.confirm(effects)
        if (self._backlog or self.requests.reads) and not self._apply():
            return
        if effects.done or effects.refused:
            self.requests.resolve(effects)
            if self.core is None:
                return
        for transfer in effects.transfers:
            self.snapshots.transfer(transfer)
            if self.dies("stream"):
                return
        self.snapshots.compact()

    def _send(self, sends: list[Send]) -> bool:
        watch, transport = self.host.watch, self.transport
        for send in sends:
            watch.sends(self, send.to, send.message)
            transport.send(send.to, send.message)
            if self.doom is not None and self.dies("send", send.message):
                return False
        return True

    def _write(self, effects: Effects) -> bool:
        """Queue the batch; what is to leave after the sync waits for it, and for all batches before it."""
        assert self.core is not None, self
        serial, waiting = effects.serial, effects.sends_after_sync
        if effects.writes:
            if effects.truncate is not None:
                self.host.coverage.truncated(self.written.configuration(), effects.truncate)
            self.written.add(effects)
        self.host.watch.wrote(self, self.core, effects)
        if effects.writes or (waiting and self._must_wait()):
            self._written_serial = serial
            if waiting:
                self._after_sync.append((serial, waiting))
            self.disk.write(effects, self.synced)
            return not self.dies("write")
        return self._send(waiting)

    def _must_wait(self) -> bool:
        """Whether a batch before this one is not durable yet: even one that writes nothing must not overtake it."""
        return self._synced_serial < self._written_serial

    def synced(self, serial: int) -> None:
        """The disk says that all batches up to this one are durable."""
        if self.core is None:
            return
        if self.paused:
            self._held_serial = serial
            return
        self._synced_serial = serial
        if self.doom is not None and self.dies("sync"):
            return
        while self._after_sync and self._after_sync[0][0] <= serial:
            if not self._send(self._after_sync.popleft()[1]):
                return
        if self.host.trace.on:
            self.host.trace.synced(self.name, serial)
        self.core.synced(serial)
        if not self._turn_due:
            self.host.watch.synced(self, self.core)
        self.snapshots.forget_older()
        self.flush()

    def _roll_back(self, to: Snapshot | None) -> None:
        """The state begins anew, however much of the given-up history it has applied."""
        assert to is not None, self
        self.host.coverage.reach("rolled back")
        self.requests.abandon()
        self._backlog.clear()
        self.machine = self.host.machine()
        self.configuration = self.bootstrap
        self.snapshots = Snapshots(self, self.snapshots.rollbacks + 1)
        if to.index:
            self._restore(to)

    def _restore(self, snapshot: Snapshot) -> None:
        image = self.disk.images[snapshot.id]
        self.host.watch.snapshot(self, image)
        self.machine.restore(image)
        self.configuration = snapshot.configuration
        self.snapshots.index = snapshot.index
        while self._backlog and self._backlog[0].index <= snapshot.index:
            self._backlog.popleft()

    def _apply(self) -> bool:
        """Apply a slice of what is committed, acknowledge what was asked here, answer the reads that waited for it."""
        backlog, machine, watch = self._backlog, self.machine, self.host.watch
        room = self.host.settings.apply_slice or len(backlog)
        while backlog and room:
            room -= 1
            entry = backlog.popleft()
            result = machine.apply(entry)
            watch.applied(self, entry, result)
            if entry.kind == Kind.CONFIGURATION:
                self.configuration = Configuration.decode(entry.data, entry.index)
            elif entry.kind == Kind.COMMAND:
                self.requests.applied(entry, result)
            if self.doom is not None and self.dies("apply"):
                return False
        if self.requests.reads:
            self.requests.answer()
        if self.core is None:
            return False
        if backlog:
            self.host.schedule.after(self.host.settings.turn_ns + 1, self._go_on, self.incarnation)
        return True

    def _go_on(self, incarnation: int) -> None:
        if incarnation == self.incarnation and self.core is not None and not self.paused:
            self._apply()

    # --- snapshots and membership ---

    def written_configuration(self, below: int | None = None) -> Configuration:
        """The latest configuration in the log as written (before the index `below`), committed or not, running or not."""
        return self.written.configuration(below) or self.bootstrap

    def votes_in(self, configuration: Configuration) -> bool:
        """Whether this node, with the disk that it has, is a voter."""
        one = configuration.get(self.name)
        return one is not None and one.voter and one.storage == self.storage and not self.disk.damaged

    def accepts_disk(self, peer: NodeId, storage: str, configuration_index: int = -1) -> bool:
        """Whether a peer that votes with this disk may speak to us: its name must not stand for another one, unless it knows a newer
        configuration (`configuration_index`) that says so. As cluster/runtime/handshake.py, `Party.check_storage`, has it."""
        assert self.core is not None, self
        configuration = self.core.configuration
        known = configuration.get(peer)
        return known is None or known.storage == storage or configuration_index > configuration.index

    def may_freeze(self, core: Core, index: int) -> bool:
        """What is applied may rest on other nodes' disks alone; a snapshot must not run ahead of the log that it replaces."""
        return core.status.durable >= index
