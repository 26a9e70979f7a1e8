"""What the proxy did, in order: a bounded ring that any number of readers follow at their own pace.

The rule: the ring never waits for a reader. One that is too slow is told how many events it missed.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from itertools import islice

from quorate.cluster.faults.timing import Timing

EVENTS_KEPT = 20_000
"""Some minutes of a busy faulty link; a few megabytes."""
READ_AT_ONCE = 500

Value = str | int | float | bool | None | list["Value"] | dict[str, "Value"]
Event = dict[str, Value]


class Events:
    def __init__(self, timing: Timing) -> None:
        self._timing = timing
        self._ring: deque[tuple[int, str, Event]] = deque(maxlen=EVENTS_KEPT)
        self._told = asyncio.Event()
        self.count = 0
        """Of all events so far; the number of the newest."""

    def tell(self, kind: str, /, **facts: Value) -> None:
        self.count += 1
        self._ring.append((self._timing.now_ns(), kind, facts))
        if not self._told.is_set():
            self._told.set()

    def since(self, number: int, most: int = READ_AT_ONCE) -> list[Event]:
        """The events after `number`, oldest first; the first one says "missed" if some are no longer kept."""
        oldest = self.count - len(self._ring) + 1
        begin = max(number + 1, oldest)
        found: list[Event] = []
        if begin > number + 1:
            found.append({"event": "missed", "number": begin - 1, "count": begin - number - 1})
        for at, (time_ns, kind, facts) in enumerate(islice(self._ring, begin - oldest, begin - oldest + most), begin):
            found.append({"event": kind, "number": at, "time_ns": time_ns, **facts})
        return found

    async def follow(self, number: int) -> AsyncIterator[list[Event]]:
        """Batches of events after `number`, for ever."""
        while True:
            if number >= self.count:
                # Whoever comes last clears it: all who wait have been woken by then, and read from the ring, not from the flag.
                self._told.clear()
                await self._told.wait()
            batch = self.since(number)
            if batch:
                last = batch[-1]["number"]
                assert isinstance(last, int), batch[-1]
                number = last
                yield batch
