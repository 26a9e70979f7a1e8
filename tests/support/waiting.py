"""Waiting for real processes: a condition, polled, with a deadline that fails the test and says for what it waited."""

import asyncio
import time
from collections.abc import Callable

POLL_S = 0.05
PATIENCE_S = 40.0


async def until(condition: Callable[[], bool], what: str, *, patience_s: float = PATIENCE_S) -> None:
    deadline = time.monotonic() + patience_s
    while not await asyncio.to_thread(condition):
        assert time.monotonic() < deadline, f"not within {patience_s:g} s: {what}"
        await asyncio.sleep(POLL_S)
