"""The only place that reads time. Monotonic and counting sleep, so that a laptop's lid or a SIGSTOP is seen as time passed."""

import time

from quorate.protocols.core import Clock

_BOOTTIME = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


class BootClock:
    """CLOCK_BOOTTIME in milliseconds, and in nanoseconds for those who only record it."""

    def now_ms(self) -> int:
        return time.clock_gettime_ns(_BOOTTIME) // 1_000_000

    def now_ns(self) -> int:
        return time.clock_gettime_ns(_BOOTTIME)


class SkewedClock:
    """Another clock as a faulty machine would see it: offset, drift in parts per million, and jumps.

    A jump backwards is what a bad clock does; whoever takes ticks from it must count it as no time passed.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._since_ms = clock.now_ms()
        self._base_ms = self._since_ms
        self._drift_ppm = 0

    def now_ms(self) -> int:
        passed = self._clock.now_ms() - self._since_ms
        return self._base_ms + passed + passed * self._drift_ppm // 1_000_000

    def jump(self, by_ms: int) -> None:
        self._base_ms += by_ms

    def drift(self, ppm: int) -> None:
        """From now on run fast (positive) or slow (negative) by `ppm`; time so far is kept."""
        self._base_ms = self.now_ms()
        self._since_ms = self._clock.now_ms()
        self._drift_ppm = ppm

    def set_right(self) -> None:
        """The true time again, and no drift."""
        self._since_ms = self._base_ms = self._clock.now_ms()
        self._drift_ppm = 0

    @property
    def offset_ms(self) -> int:
        """How far it is ahead of the true time."""
        return self.now_ms() - self._clock.now_ms()

    @property
    def drift_ppm(self) -> int:
        return self._drift_ppm


class ManualClock:
    """Stands still until told; for tests."""

    def __init__(self, now_ms: int = 0) -> None:
        self._now_ms = now_ms

    def now_ms(self) -> int:
        return self._now_ms

    def advance(self, by_ms: int) -> None:
        self._now_ms += by_ms
