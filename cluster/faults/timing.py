"""The proxy's time: nanoseconds and timers, from the event loop in life and from the test's hand in tests."""

import asyncio
from collections.abc import Callable
from typing import Protocol

from quorate.cluster.runtime.clock import BootClock

NS_PER_S = 1_000_000_000


class Cancellable(Protocol):
    def cancel(self) -> None: ...


class Timing(Protocol):
    def now_ns(self) -> int: ...

    def call_at(self, when_ns: int, callback: Callable[[], None]) -> Cancellable: ...


class LoopTiming:
    """Real time. A timer never fires early: what it waits for is due when it runs, or it is set again by who set it."""

    def __init__(self) -> None:
        self._clock = BootClock()
        self._loop = asyncio.get_running_loop()
        self.now_ns = self._clock.now_ns

    def call_at(self, when_ns: int, callback: Callable[[], None]) -> Cancellable:
        return self._loop.call_later(max(0, when_ns - self._clock.now_ns()) / NS_PER_S, callback)
