"""Load that knows what it may see afterwards: counters with one writer each, read by many.

Each writer owns a key and puts 1, 2, 3 ... into it; so at any moment the key must hold at least the last number that was
acknowledged and at most the last that was sent, reads must never go back, and the key's version counts how often it was
written: an acknowledged write that is lost, a write that is applied twice, and a stale read all show. After an uncertain
outcome the writer goes on with a fresh key, because the write may take effect at any later time.
"""

import asyncio
from dataclasses import dataclass, field
from random import Random
from types import TracebackType

from quorate import Client, KeyValue, QuorateError, connect

TIMEOUT_S = 20.0
"""Longer than any outage that a test makes."""


@dataclass(slots=True)
class Counter:
    """One key and what may be known of it."""

    key: str
    sent: int = 0
    acknowledged: int = 0
    seen: int = 0
    """The highest number that a finished read returned."""
    settled: bool = True
    """False after an uncertain outcome: nobody writes it any more."""


@dataclass(slots=True)
class Workload:
    """Runs while its `async with` block does; `violations` says what was seen that must not be."""

    endpoints: str
    writers: int = 12
    readers: int = 4
    seed: int = 1
    counters: list[Counter] = field(default_factory=list)
    violations: list[str] = field(default_factory=list)
    uncertain: int = 0
    acknowledged: int = 0
    read: int = 0
    _tasks: list[asyncio.Task[None]] = field(default_factory=list)
    _client: Client | None = None
    _progress: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def __aenter__(self) -> "Workload":
        self._client = await connect(self.endpoints, timeout=TIMEOUT_S, spread_reads=True)
        self._tasks = [asyncio.create_task(self._write(self._client, number)) for number in range(self.writers)]
        self._tasks += [asyncio.create_task(self._reading(self._client, Random(self.seed + i))) for i in range(self.readers)]
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.stop()
        if self._client is not None:
            await self._client.close()

    async def stop(self) -> None:
        """No more load. What was under way is cancelled, and so uncertain."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()

    async def progress(self, writes: int) -> None:
        """Until so many more writes were acknowledged."""
        goal = self.acknowledged + writes
        async with asyncio.timeout(60), self._progress:
            await self._progress.wait_for(lambda: self.acknowledged >= goal)

    async def _write(self, client: Client, number: int) -> None:
        life = 0
        while True:
            counter = Counter(f"counter-{number}-{life}")
            self.counters.append(counter)
            life += 1
            while counter.settled:
                await self._put(client, counter)

    async def _put(self, client: Client, counter: Counter) -> None:
        number = counter.sent = counter.sent + 1
        try:
            await client.put(counter.key, str(number))
        except asyncio.CancelledError:
            counter.settled = False
            raise
        except QuorateError as error:
            # A definite refusal is no write, but the numbers would no longer count the versions.
            counter.settled = False
            self.uncertain += not error.definite
        else:
            counter.acknowledged = number
            self.acknowledged += 1
            async with self._progress:
                self._progress.notify_all()

    async def _reading(self, client: Client, rng: Random) -> None:
        while True:
            if not self.counters:
                await asyncio.sleep(0)
                continue
            counter = rng.choice(self.counters[-2 * self.writers :])
            floor = max(counter.acknowledged, counter.seen)
            try:
                found = await client.get(counter.key)
            except QuorateError:
                continue
            self._check(counter, found, floor)
            self.read += 1

    def _check(self, counter: Counter, found: KeyValue | None, floor: int) -> None:
        number = int(found.value) if found is not None else 0
        if not floor <= number <= counter.sent:
            self.violations.append(f"{counter.key}: read {number}, but {floor} was there before and {counter.sent} was sent last")
        if found is not None and found.version > number:
            self.violations.append(f"{counter.key}: written {found.version} times to hold {number}: a write was applied twice")
        counter.seen = max(counter.seen, number)

    async def verify(self, endpoints: str | None = None) -> list[str]:
        """Read everything back through a fresh client; all violations, those of the run too."""
        async with connect(endpoints or self.endpoints, timeout=TIMEOUT_S) as client:
            for counter in self.counters:
                self._check(counter, await client.get(counter.key), max(counter.acknowledged, counter.seen))
        return self.violations
