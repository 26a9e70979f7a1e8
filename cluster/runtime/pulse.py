"""The pulse of a node: one tick, and one turn for all its groups that have something to do.

The rule: a turn reads the clock once, lets every woken group work, and only then writes out what they sent. So all groups count the
same ticks, what they say at the same tick leaves together, and a thousand of them cost no more writes than one. Whoever said that
nothing is due for a while is not woken before: an idle group costs a comparison per tick.
"""

import asyncio
from collections.abc import Callable
from itertools import count
from time import perf_counter
from typing import Protocol

from quorate.cluster.runtime.applying import SLICE_S
from quorate.cluster.runtime.config import TICK_MS
from quorate.protocols.core import Clock

# A clock that jumps by more than this (a pause of hours) counts for no more: it is longer than any timeout.
ELAPSED_TICKS_MAX = 1 << 20
LOOK_BEATS = 10
"""Every so many beats a group looks around: what is due in its machine, and what has waited too long."""


class Paced(Protocol):
    """One group's driver, as its pulse sees it."""

    is_woken: bool
    """Kept by the driver: it takes part in the next turn already."""
    due: int
    """At this tick it wants to work even if nothing arrives."""

    def work(self) -> None:
        """Tick, take, and send: what arrived since the last turn."""

    def apply(self) -> None:
        """A slice of what waits to be applied; what the turn sends has left."""

    def look(self) -> None: ...


class Pulse:
    """Beats while it has drivers. All methods in the loop's thread."""

    def __init__(self, clock: Clock, flush: Callable[[], None], work_s: Callable[[], float] = perf_counter) -> None:
        """`flush` writes out what was sent, at once instead of after another round of the loop."""
        self._clock = clock
        self._flush = flush
        self._work_s = work_s
        self._loop = asyncio.get_running_loop()
        self._read_ms = clock.now_ms()
        self.ticks = 0
        """All that have passed, by the clock as it was read last."""
        self.beats = 0
        """How often it beat: ticks that passed while this process stood still came in one beat."""
        self._looking: tuple[dict[Paced, None], ...] = tuple({} for _ in range(LOOK_BEATS))
        """The drivers, spread over the beats at which they look around."""
        self._places = count()
        self._woken: list[Paced] = []
        self._turn_due = False
        self._timer: asyncio.TimerHandle | None = None

    def join(self, driver: Paced) -> None:
        """Beat for this driver from now on."""
        self._looking[next(self._places) % LOOK_BEATS][driver] = None
        if self._timer is None:
            self._timer = self._loop.call_later(TICK_MS / 1000, self._beat)

    def leave(self, driver: Paced) -> None:
        for drivers in self._looking:
            drivers.pop(driver, None)
        if self._timer is not None and not any(self._looking):
            self._timer.cancel()
            self._timer = None

    def wake(self, driver: Paced) -> None:
        """It works in the next turn, at the end of this round of the loop: sockets are drained first."""
        driver.is_woken = True
        self._woken.append(driver)
        if not self._turn_due:
            self._turn_due = True
            self._loop.call_soon(self._turn)

    def _beat(self) -> None:
        self._timer = self._loop.call_later(TICK_MS / 1000, self._beat)
        self.beats += 1
        self._read()
        ticks = self.ticks
        for drivers in self._looking:
            for driver in drivers:
                if driver.due <= ticks and not driver.is_woken:
                    self.wake(driver)
        for driver in list(self._looking[self.beats % LOOK_BEATS]):
            driver.look()

    def _read(self) -> None:
        elapsed = (self._clock.now_ms() - self._read_ms) // TICK_MS
        # Where the clock was set back no time has passed, and we count from there.
        self._read_ms += elapsed * TICK_MS
        if elapsed > 0:
            self.ticks += min(elapsed, ELAPSED_TICKS_MAX)

    def _turn(self) -> None:
        self._turn_due = False
        woken, self._woken = self._woken, []
        self._read()
        for driver in woken:
            driver.work()
        self._flush()
        if len(woken) == 1:
            woken[0].apply()
        else:
            self._apply(woken)
        self._flush()

    def _apply(self, woken: list[Paced]) -> None:
        """All of them share one slice of time; whoever it does not reach comes first in the next turn."""
        until = self._work_s() + SLICE_S
        for place, driver in enumerate(woken, 1):
            driver.apply()
            if place < len(woken) and self._work_s() > until:
                late = [other for other in woken[place:] if not other.is_woken]
                behind, self._woken = self._woken, []
                for other in late:
                    self.wake(other)
                self._woken += behind
                return
