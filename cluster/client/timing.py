"""The client's time: a clock in milliseconds and one-shot timers, so that tests can drive both.

The rule: nothing else in the client reads a clock or asks the event loop for a delay.
"""

import asyncio
from collections.abc import Callable
from random import Random
from typing import Protocol

from quorate.cluster.runtime.clock import BootClock
from quorate.cluster.wire.errors import BadRequest

TIMEOUT_S_MAX = 24 * 3600.0
"""Longer is a mistake: more likely milliseconds were meant."""

BACKOFF_MS_MIN = 10
"""The first pause: an election takes a few tens of milliseconds, and every pause adds to the gap that callers see."""
BACKOFF_MS_SOON = 40
"""Pauses stay at this while a failover is what is going on."""
BACKOFF_SOON_COUNT = 25
"""So many short pauses, about a second: what lasts longer is no failover but an outage."""
BACKOFF_MS_MAX = 500
"""An outage is polled twice a second, by however many clients there are."""


class Cancellable(Protocol):
    def cancel(self) -> None: ...


class Timing(Protocol):
    """What the client needs of time."""

    def now_ms(self) -> int: ...

    def call_later(self, delay_ms: int, callback: Callable[[], object]) -> Cancellable: ...


class LoopTiming:
    """Real time: the boot clock, which counts sleep, and the running event loop's timers."""

    def __init__(self) -> None:
        self.now_ms: Callable[[], int] = BootClock().now_ms

    def call_later(self, delay_ms: int, callback: Callable[[], object]) -> Cancellable:
        return asyncio.get_running_loop().call_later(delay_ms / 1000, callback)


async def sleep(timing: Timing, delay_ms: int) -> None:
    """Pause the caller; leaves no timer behind when cancelled."""
    woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    timer = timing.call_later(delay_ms, lambda: None if woken.done() else woken.set_result(None))
    try:
        await woken
    finally:
        timer.cancel()


def backoff_ms(attempt: int, rng: Random) -> int:
    """The pause after a failed attempt (from 0), jittered so that many clients do not come back together."""
    if attempt < BACKOFF_SOON_COUNT:
        pause = min(BACKOFF_MS_SOON, BACKOFF_MS_MIN * (attempt + 1))
    else:
        pause = min(BACKOFF_MS_MAX, BACKOFF_MS_SOON << min(attempt - BACKOFF_SOON_COUNT, 8))
    return rng.randint(pause // 2, pause)


def to_ms(seconds: float) -> int:
    """A time as callers give it, in whole milliseconds. BadRequest unless it is above 0 and sensible."""
    if not 0 < seconds <= TIMEOUT_S_MAX:
        raise BadRequest(f"a time is in seconds, above 0 and up to {TIMEOUT_S_MAX:.0f}, not {seconds!r}")
    return max(1, round(seconds * 1000))
