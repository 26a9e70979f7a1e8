"""Callers that wait for the same thing, each with its own deadline: a leader, a session."""

import asyncio
from collections.abc import Callable
from typing import Generic, TypeVar

from quorate.cluster.wire.errors import Overloaded, QuorateError

WAITERS_MAX = 100_000
"""Each is a coroutine of about two kilobytes: beyond this the caller is told instead."""

T = TypeVar("T")


class Waiters(Generic[T]):
    """A bounded list of futures that one event resolves."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._waiting: list[tuple[asyncio.Future[T], int]] = []

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, deadline_ms: int) -> "asyncio.Future[T]":
        if len(self._waiting) >= WAITERS_MAX:
            raise Overloaded(f"{WAITERS_MAX} requests of this client already wait for {self._what}")
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._waiting.append((future, deadline_ms))
        return future

    def resolve(self, value: T) -> None:
        waiting, self._waiting = self._waiting, []
        for future, _ in waiting:
            if not future.done():
                future.set_result(value)

    def fail(self, make_error: Callable[[], QuorateError]) -> None:
        waiting, self._waiting = self._waiting, []
        for future, _ in waiting:
            if not future.done():
                future.set_exception(make_error())

    def sweep(self, now_ms: int, make_error: Callable[[], QuorateError]) -> bool:
        """Fail what is overdue, forget what was cancelled. True while someone waits."""
        keep = [entry for entry in self._waiting if entry[1] > now_ms and not entry[0].done()]
        if len(keep) < len(self._waiting):
            overdue = [future for future, deadline_ms in self._waiting if deadline_ms <= now_ms and not future.done()]
            self._waiting = keep
            for future in overdue:
                future.set_exception(make_error())
        return bool(keep)
