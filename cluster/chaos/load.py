"""The load of a chaos run: clients that read, put and swap a few keys, each call and each answer written down.

The rules:
- One client does one thing at a time, and asks for its next only after an answer: an outage costs operations, it never piles them up.
- Each client reads at a node of its own, so that one that was cut off is asked too; writes go to whoever leads.
- One key is hot. Besides, each client has a counter, a key that it alone writes: what is put twice there shows as a version too many.
- Every value is written once, so that a history tells who wrote what was read.
- After ROUND_S all clients go on to new keys, and come back to the old ones for the final reads: what a checker keeps for one key grows
  with the square of that key's operations.
"""

import asyncio
from collections.abc import Mapping
from random import Random
from typing import Protocol

from quorate.cluster.chaos.meter import Meter
from quorate.cluster.chaos.naive import NaiveClient
from quorate.cluster.chaos.scenario import Load
from quorate.cluster.client import Client
from quorate.cluster.replicated_log import Consistency
from quorate.cluster.verify.history import Outcome
from quorate.cluster.verify.recorded_client import RecordedClient
from quorate.cluster.verify.recorder import Recorder
from quorate.cluster.wire.errors import QuorateError

HOT = "hot"
ROUND_S = 20
"""Some thousands of operations on the hot key."""
COUNTER_SHARE = 0.25
"""Of the writes that are blind puts: those to a client's own counter."""
CONNECT_S = 1.0
"""A client that may ask one node alone has no way to a leader, and need not wait for one."""
READ_S = 1.0
"""A read that its node cannot answer is given up sooner than a write: nothing hangs on it."""
STOP_S = 2.0
"""Beyond an operation's own time: for a process that stood still."""


class Clock(Protocol):
    def now_ns(self) -> int:
        """Since the run's start."""


class Workers:
    """All clients of a run. They work between `start` and `stop`, as often as one likes, and are closed with the `async with` block."""

    def __init__(self, load: Load, addresses: Mapping[str, str], recorder: Recorder, clock: Clock, seed: int) -> None:
        self.meter = Meter()
        self._load = load
        self._addresses = dict(addresses)
        self._recorder = recorder
        self._clock = clock
        self._seed = seed
        self._clients: list[Client] = []
        self._tasks: list[asyncio.Task[None]] = []
        self._stopping = asyncio.Event()
        self._workers: list[_Worker] = []

    async def __aenter__(self) -> "Workers":
        everywhere = list(self._addresses.values())
        kind = Client if self._load.exactly_once else NaiveClient
        for address in everywhere:
            own = Client(address, only_given=True, spread_reads=True, timeout=min(READ_S, self._load.timeout_s))
            self._clients += [kind(everywhere, timeout=self._load.timeout_s), own]
        patience = (None, CONNECT_S) * len(everywhere)
        try:
            await asyncio.gather(*(client.start(timeout=each) for client, each in zip(self._clients, patience, strict=True)))
        except BaseException:
            await self._close()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        try:
            await self.stop()
        finally:
            await self._close()

    async def _close(self) -> None:
        for client in self._clients:
            await client.close()

    def start(self) -> None:
        """Begin, or go on."""
        self._stopping.clear()
        count = len(self._addresses)
        for number in range(self._load.clients):
            if number == len(self._workers):
                writing, reading = self._clients[number % count * 2 : number % count * 2 + 2]
                pair = RecordedClient(writing, self._recorder), RecordedClient(reading, self._recorder)
                self._workers.append(_Worker(number, pair, self._load, self.meter, self._clock, Random(f"{self._seed}/client {number}")))
            self._tasks.append(asyncio.create_task(self._workers[number].work(self._stopping)))

    async def stop(self) -> None:
        """No more calls; what is under way is waited for, as long as it may take."""
        self._stopping.set()
        tasks, self._tasks = self._tasks, []
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=self._load.timeout_s + STOP_S)
            for task in late:
                task.cancel()
            for ended in await asyncio.gather(*tasks, return_exceptions=True):
                if isinstance(ended, BaseException) and not isinstance(ended, asyncio.CancelledError):
                    raise ended

    def check(self) -> None:
        """Raises what ended a worker, if anything did: a history that misses operations is not evidence."""
        for task in self._tasks:
            if task.done() and not task.cancelled():
                task.result()

    @property
    def keys(self) -> list[str]:
        """All that may have been written."""
        names = [HOT, *(f"k{at}" for at in range(1, self._load.keys)), *(f"c{at}" for at in range(self._load.clients))]
        return [f"{name}.{at}" for at in range(round_at(self._clock) + 1) for name in names]

    async def read_back(self, name: str, timeout_s: float) -> None:
        """Every key once, recorded, at that node. QuorateError if it does not answer."""
        client = self._clients[list(self._addresses).index(name) * 2 + 1]
        reader = RecordedClient(client, self._recorder)
        for key in self.keys:
            await reader.get(key, timeout=timeout_s)


class _Worker:
    """One client: it writes through `pair[0]` and reads mostly at its own node, through `pair[1]`."""

    def __init__(
        self, number: int, pair: tuple[RecordedClient, RecordedClient], load: Load, meter: Meter, clock: Clock, dice: Random
    ) -> None:
        self._number = number
        self._everywhere, self._own = pair
        self._load = load
        self._meter = meter
        self._clock = clock
        self._dice = dice
        self._written = 0
        self._round = 0
        self._known: dict[str, bytes | None] = {}

    async def work(self, stopping: asyncio.Event) -> None:
        interval_s = self._load.clients / self._load.rate
        loop = asyncio.get_running_loop()
        at_s = loop.time() + interval_s * self._dice.random()
        while not stopping.is_set():
            pause_s = at_s - loop.time()
            if pause_s > 0:
                await asyncio.sleep(pause_s)
                if stopping.is_set():
                    return
            await self._once()
            at_s = max(at_s + interval_s * 2 * self._dice.random(), loop.time())

    async def _once(self) -> None:
        load, dice = self._load, self._dice
        if self._round != round_at(self._clock):
            self._round = round_at(self._clock)
            self._known.clear()
        key = HOT if load.keys == 1 or dice.random() < load.hot else f"k{dice.randrange(1, load.keys)}"
        share = dice.random()
        called_ns, outcome = self._clock.now_ns(), Outcome.OK
        try:
            if share < load.reads:
                await self._read(f"{key}.{self._round}")
            elif share < load.reads + load.swaps:
                await self._swap(f"{key}.{self._round}")
            else:
                name = f"c{self._number}" if dice.random() < COUNTER_SHARE else key
                await self._everywhere.put(f"{name}.{self._round}", self._value())
        except QuorateError as error:
            outcome = Outcome.FAILED if error.definite else Outcome.UNKNOWN
        except asyncio.CancelledError:
            self._meter.add(called_ns, self._clock.now_ns(), Outcome.UNKNOWN, is_write=share >= load.reads)
            raise
        self._meter.add(called_ns, self._clock.now_ns(), outcome, is_write=share >= load.reads)

    async def _read(self, key: str) -> None:
        if self._dice.random() < self._load.lease_reads:
            found = await self._everywhere.get(key, consistency=Consistency.LEADER)
        else:
            if self._dice.random() < COUNTER_SHARE:
                key = f"c{self._dice.randrange(self._load.clients)}.{self._round}"
            found = await self._own.get(key)
        self._known[key] = None if found is None else found.value

    async def _swap(self, key: str) -> None:
        swapped = await self._everywhere.compare_and_swap(key, expected=self._known.get(key), value=self._value())
        self._known[key] = None if swapped.current is None else swapped.current.value

    def _value(self) -> str:
        self._written += 1
        return f"{self._number}-{self._written}".ljust(self._load.value_bytes, ".")


def round_at(clock: Clock) -> int:
    """Counts from the run's start."""
    return clock.now_ns() // (ROUND_S * 1_000_000_000)
