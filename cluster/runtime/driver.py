"""Drives one core: events in, effects out, once per turn of the event loop.

A turn begins when something arrived: sockets are drained first, then the clock is read, then the turn's reads are fed
(design rule "Ticks"), then one `take` carries out everything at once. What waits for the disk waits in `_held`.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import NamedTuple, Protocol

from quorate.cluster.runtime.config import TICK_MS
from quorate.protocols.core import Clock, Core, Effects, Message, NodeId, Send, Storage, Transport

# A pause longer than this (SIGSTOP, a suspended laptop) is told to the core in full, but in one step.
ELAPSED_TICKS_MAX = 1 << 20


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


class _Held(NamedTuple):
    """Sends of batch `serial` that leave once the write `after` is durable."""

    after: int
    serial: int
    sends: list[Send]


class Driver:
    """One core, its share of the log, and its transport."""

    def __init__(
        self, core: Core, storage: Storage, transport: Transport, clock: Clock, carrier: Carrier, flush: Callable[[], None]
    ) -> None:
        self.core = core
        self._storage = storage
        self._transport = transport
        self._clock = clock
        self._carrier = carrier
        self._flush = flush
        """Write out what was sent: at once, instead of after another round of the loop."""
        self._loop = asyncio.get_running_loop()
        self._ticked_ms = clock.now_ms()
        self._turn_due = False
        self._timer: asyncio.TimerHandle | None = None
        self._held: deque[_Held] = deque()
        self._written = 0
        """Serial of the last batch given to the log."""
        self._durable = 0
        """Serial of the last batch that the log made durable."""
        self._stopped = False
        self.turn_count = 0

    def start(self) -> None:
        self._tick()

    def stop(self) -> None:
        """No event reaches the core any more; nothing more is sent or acknowledged."""
        self._stopped = True
        if self._timer is not None:
            self._timer.cancel()

    @property
    def stopped(self) -> bool:
        return self._stopped

    def wake(self) -> None:
        """Something was fed to the core: take its effects at the end of this turn."""
        if not self._turn_due and not self._stopped:
            self._turn_due = True
            self._loop.call_soon(self._turn)

    def receive(self, sender: NodeId, message: Message) -> None:
        if self._stopped:
            return
        try:
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
            event()
        except Exception as error:
            self._carrier.fail(error)
        self.wake()

    def _tick(self) -> None:
        self._timer = self._loop.call_later(TICK_MS / 1000, self._tick)
        self.wake()

    def _turn(self) -> None:
        self._turn_due = False
        if self._stopped:
            return
        try:
            self._work()
        except Exception as error:
            # What this turn should have done is half done: a core that went on would count on the other half.
            self._carrier.fail(error)

    def _work(self) -> None:
        self.turn_count += 1
        elapsed = (self._clock.now_ms() - self._ticked_ms) // TICK_MS
        if elapsed > 0:
            self._ticked_ms += elapsed * TICK_MS
            self.core.tick(min(elapsed, ELAPSED_TICKS_MAX))
        elif elapsed < 0:
            # The clock was set back: no time has passed, and we count from here.
            self._ticked_ms += elapsed * TICK_MS
        self._carrier.feed()
        effects = self.core.take()
        if effects is not None:
            self._carry_out(effects)
            self._flush()
        self._carrier.apply()
        self._flush()

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
            self._flush()
            self.core.synced(released)
            self.wake()
