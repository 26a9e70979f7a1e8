"""Drives one core: events in, effects out, once per turn of the node (pulse.py).

A turn begins when something arrived: sockets are drained first, then the clock is read, then the turn's reads are fed
(design rule "Ticks"), then one `take` carries out everything at once. What waits for the disk waits in `_held`.

A core that says for how long nothing is due is left alone so long, and told of all ticks at once: before anything else is fed to it,
so that it never knows the difference.
"""

from collections import deque
from collections.abc import Callable
from typing import NamedTuple, Protocol

from quorate.cluster.runtime.pulse import Pulse
from quorate.protocols.core import Core, Effects, Idling, Message, NodeId, Send, Storage, Transport


class Carrier(Protocol):
    """Who takes what a core's effects say about the state machine and about requests."""

    def feed(self) -> None:
        """The turn's reads go into the core now."""

    def carry(self, effects: Effects) -> None:
        """committed, reads, done, refused, snapshot, transfers and notes of one batch."""

    def fail(self, error: Exception) -> None:
        """The core broke one of its own rules, or its effects cannot be carried out: stop for good."""

    def apply(self) -> None:
        """A slice of what waits to be applied; everything that this turn sends has left."""

    def look(self) -> None:
        """Ten times a second: what is due, and what has waited too long."""


class _Held(NamedTuple):
    """Sends of batch `serial` that leave once the write `after` is durable."""

    after: int
    serial: int
    sends: list[Send]


class Driver:
    """One core, its share of the log, and its transport."""

    def __init__(self, core: Core, storage: Storage, transport: Transport, pulse: Pulse, carrier: Carrier) -> None:
        self.core = core
        self._idling = core if isinstance(core, Idling) else None
        self._storage = storage
        self._transport = transport
        self._pulse = pulse
        self._carrier = carrier
        self._ticked = pulse.ticks
        """What the core was told of the pulse's ticks."""
        self._beaten = pulse.beats
        self.due = 0
        self._is_left_alone = False
        self.is_woken = False
        self._held: deque[_Held] = deque()
        self._written = 0
        """Serial of the last batch given to the log."""
        self._durable = 0
        """Serial of the last batch that the log made durable."""
        self._stopped = False
        self.turn_count = 0

    def start(self) -> None:
        """From here on the core's time runs; that of all cores which start at the same tick runs alike."""
        self._ticked, self._beaten = self._pulse.ticks, self._pulse.beats
        self._pulse.join(self)
        self.wake()

    def stop(self) -> None:
        """No event reaches the core any more; nothing more is sent or acknowledged."""
        self._stopped = True
        self._pulse.leave(self)

    @property
    def stopped(self) -> bool:
        return self._stopped

    def wake(self) -> None:
        """Something was fed to the core: take its effects at the end of this turn."""
        if not self.is_woken and not self._stopped:
            self._pulse.wake(self)

    def receive(self, sender: NodeId, message: Message) -> None:
        if self._stopped:
            return
        try:
            if self._is_left_alone:
                self._tick()
            self.core.receive(sender, message)
        except Exception as error:
            self._carrier.fail(error)
        self.wake()

    def unreachable(self, peer: NodeId) -> None:
        self.tell(lambda: self.core.unreachable(peer))

    def tell(self, event: Callable[[], None]) -> None:
        """Feed the core any other event; one that breaks it stops the replica, not the task that brought it."""
        if self._stopped:
            return
        try:
            if self._is_left_alone:
                self._tick()
            event()
        except Exception as error:
            self._carrier.fail(error)
        self.wake()

    def look(self) -> None:
        try:
            self._carrier.look()
        except Exception as error:
            self._carrier.fail(error)

    def work(self) -> None:
        self.is_woken = False
        if self._stopped:
            return
        try:
            self._work()
        except Exception as error:
            # What this turn should have done is half done: a core that went on would count on the other half.
            self._carrier.fail(error)

    def apply(self) -> None:
        if self._stopped:
            return
        try:
            self._carrier.apply()
        except Exception as error:
            self._carrier.fail(error)

    def _work(self) -> None:
        self.turn_count += 1
        self._tick()
        self._carrier.feed()
        effects = self.core.take()
        if effects is not None:
            self._carry_out(effects)
        due = self._idling.due_ticks if self._idling is not None else 1
        self._is_left_alone = due > 1
        self.due = self._ticked + due

    def _tick(self) -> None:
        pulse = self._pulse
        elapsed = pulse.ticks - self._ticked
        if elapsed:
            self._ticked = pulse.ticks
            if self._idling is None:
                self.core.tick(elapsed)
            else:
                # Election timers count the beats that it was left alone for, as if it had been told of each.
                self._idling.tick(elapsed, max(1, pulse.beats - self._beaten))
        self._beaten = pulse.beats
        self._is_left_alone = False

    def _carry_out(self, effects: Effects) -> None:
        send = self._transport.send
        for item in effects.sends:
            send(item.to, item.message)
        if effects.writes:
            self._written = effects.serial
            self._held.append(_Held(effects.serial, effects.serial, effects.sends_after_sync))
            self._storage.write(effects, self._on_synced)
        else:
            self._held.append(_Held(self._written, effects.serial, effects.sends_after_sync))
        self._carrier.carry(effects)
        if self._durable >= self._written:
            self._release()

    def _on_synced(self, serial: int) -> None:
        if self._stopped:
            return
        assert serial >= self._durable, (serial, self._durable)
        self._durable = serial
        try:
            self._release()
        except Exception as error:
            self._carrier.fail(error)

    def _release(self) -> None:
        """Let go of all batches whose writes, and all writes before, are durable."""
        held, durable, released = self._held, self._durable, 0
        send: Callable[[NodeId, Message], None] = self._transport.send
        while held and held[0].after <= durable:
            batch = held.popleft()
            released = batch.serial
            for item in batch.sends:
                send(item.to, item.message)
        if released:
            if self._is_left_alone:
                self._tick()
            self.core.synced(released)
            self.wake()
