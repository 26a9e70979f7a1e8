"""Load generator for Quorate: one process, its public client, ordinary calls from N coroutines: quorate_load.py ENDPOINTS [spread].

With "spread", linearizable reads go to all nodes in turn instead of the leader.

Requests, one a line on standard input, are those of closed_loop and
  failover WRITERS KILL_AT_S SECONDS TIMELINE    prints @kill and a JSON row; the times (us) of successful writes go to TIMELINE
  grow KEYS                                      write so many small keys
  snapshot IN_FLIGHT                             have each node take a snapshot under load; the longest request beside that of quiet time
  verify                                         read every written key back and judge it by the ledger
Every value is unique, so that what is read back tells which write it was.
"""

import asyncio
import itertools
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from random import randrange
from time import perf_counter

import uvloop
from closed_loop import KEY_COUNT, VALUE, Cell, answer, key, walk
from ledger import REFUSED, UNCERTAIN, Ledger, Write

from quorate import Client, QuorateError, connect

KEYS = [key(number).encode() for number in range(KEY_COUNT)]
NUMBER_BYTES = 8
FILLERS = 64
GROWERS = 256
SMALL_VALUE = b"x" * 16
PROBE_EVERY_S = 0.01
PAUSE_ON_ERROR_S = 0.01
LOST_SHOWN = 5
SNAPSHOT_WITHIN_S = 120.0
QUIET_S = 5.0
SETTLE_S = 1.0


class Writer:
    """One loop of writes. Its n-th write goes to the n-th key of its walk and has a value made of its name and n."""

    def __init__(self, name: bytes, keys: list[int]) -> None:
        self._head = name.ljust(len(VALUE) - NUMBER_BYTES, b".")
        self._walk = keys
        self._begun: list[float] = []
        self._ended: list[float] = []

    def value(self, number: int) -> bytes:
        return self._head + number.to_bytes(NUMBER_BYTES, "big")

    async def run(self, cell: Cell, client: Client) -> None:
        put, head, begun, ended = client.put, self._head, self._begun.append, self._ended.append
        for number, chosen in enumerate(itertools.cycle(self._walk)):
            if cell.stopped:
                return
            begun(perf_counter())
            try:
                await put(KEYS[chosen], head + number.to_bytes(NUMBER_BYTES, "big"))
            except QuorateError as error:
                self.failed(cell, error)
                await asyncio.sleep(PAUSE_ON_ERROR_S)
            else:
                ended(perf_counter())

    async def probe(self, cell: Cell, client: Client) -> None:
        """The only write of a writer used once."""
        self._begun.append(perf_counter())
        try:
            await client.put(KEYS[self._walk[0]], self.value(0))
        except QuorateError as error:
            self.failed(cell, error)
        else:
            self._ended.append(perf_counter())

    def failed(self, cell: Cell, error: QuorateError) -> None:
        self._ended.append(REFUSED if error.definite else UNCERTAIN)
        cell.failed(error)

    def spans(self) -> Iterator[tuple[float, float]]:
        """Of the writes that were acknowledged."""
        return (span for span in zip(self._begun, self._ended, strict=True) if REFUSED < span[1] < UNCERTAIN)

    def writes(self) -> Iterator[Write]:
        for number, (begun, ended) in enumerate(zip(self._begun, self._ended, strict=True)):
            yield Write(self._walk[number % len(self._walk)], self.value(number), begun, ended)


async def read_on(cell: Cell, client: Client) -> None:
    """One loop of linearizable reads."""
    get, begun, ended = client.get, [], []
    for chosen in itertools.cycle([KEYS[number] for number in walk()]):
        if cell.stopped:
            break
        begin = perf_counter()
        try:
            await get(chosen)
        except QuorateError as error:
            cell.failed(error)
            await asyncio.sleep(PAUSE_ON_ERROR_S)
        else:
            begun.append(begin)
            ended.append(perf_counter())
    cell.spans.extend(zip(begun, ended, strict=True))


class Load:
    """The requests of one harness, and what they wrote."""

    def __init__(self, endpoints: list[str], *, spread_reads: bool) -> None:
        self._endpoints = endpoints
        self._spread_reads = spread_reads
        self._ledger = Ledger()
        self._names = itertools.count()
        self.errors = 0
        """Of the last failover."""

    def _writer(self, keys: list[int]) -> Writer:
        return Writer(b"writer-%d" % next(self._names), keys)

    def _settle(self, cell: Cell, writers: list[Writer]) -> None:
        """All writers have ended: take their writes into the ledger and their times into the cell."""
        cell.spans.extend(itertools.chain.from_iterable(writer.spans() for writer in writers))
        self._ledger.settle(itertools.chain.from_iterable(writer.writes() for writer in writers))

    async def write(self, in_flight: int, warm_s: float, measured_s: float) -> None:
        cell = Cell(warm_s, measured_s)
        writers = [self._writer(walk()) for _ in range(in_flight)]
        async with connect(self._endpoints) as client:
            loops = [asyncio.create_task(writer.run(cell, client)) for writer in writers]
            await cell.run()
            await asyncio.gather(*loops)
        self._settle(cell, writers)
        cell.report()

    async def read(self, in_flight: int, warm_s: float, measured_s: float) -> None:
        cell = Cell(warm_s, measured_s)
        async with connect(self._endpoints, spread_reads=self._spread_reads) as client:
            loops = [asyncio.create_task(read_on(cell, client)) for _ in range(in_flight)]
            await cell.run()
            await asyncio.gather(*loops)
        cell.report()

    async def fill(self) -> None:
        async with connect(self._endpoints) as client:
            for first in range(0, KEY_COUNT, FILLERS):
                await asyncio.gather(*(client.put(name, VALUE) for name in KEYS[first : first + FILLERS]))
        self._ledger.settle(Write(number, VALUE, 0.0, 0.0) for number in range(KEY_COUNT))
        answer(filled=KEY_COUNT)

    async def failover(self, count: int, kill_at_s: float, seconds: float) -> str:
        """`count` loops and a probe every 10 ms, whatever became of the last one, through the death of the leader.

        The times of successful writes in microseconds of the clock, one a line.
        """
        cell = Cell(0.0, 0.0)
        writers = [self._writer(walk()) for _ in range(count)]
        offset = time.time() - perf_counter()
        async with connect(self._endpoints) as client:
            tasks = [asyncio.create_task(writer.run(cell, client)) for writer in writers]
            begun, killed = perf_counter(), False
            while (elapsed := perf_counter() - begun) < seconds:
                if not killed and elapsed > kill_at_s:
                    killed = True
                    print("@kill", flush=True)
                writers.append(self._writer([randrange(KEY_COUNT)]))
                tasks.append(asyncio.create_task(writers[-1].probe(cell, client)))
                await asyncio.sleep(PROBE_EVERY_S)
            cell.stopped = True
            await asyncio.gather(*tasks)
        self._settle(cell, writers)
        self.errors = cell.errors
        return "".join(f"{round((end + offset) * 1e6)}\n" for _, end in cell.spans)

    async def grow(self, count: int) -> None:
        numbers = iter(range(count))

        async def grow_some(client: Client) -> None:
            for number in numbers:  # shared: each number is taken once
                await client.put(b"small-%08d" % number, SMALL_VALUE)

        async with connect(self._endpoints) as client:
            await asyncio.gather(*(grow_some(client) for _ in range(GROWERS)))
        answer(raw_bytes=count * (len(b"small-%08d" % 0) + len(SMALL_VALUE)))

    async def snapshot(self, in_flight: int) -> None:
        """Half of the loops write, half read. First without a snapshot, then while each node takes one, the leader's last."""
        cell = Cell(0.0, 0.0)
        writers = [self._writer(walk()) for _ in range(in_flight // 2)]
        async with connect(self._endpoints) as client, connect(self._endpoints, timeout=SNAPSHOT_WITHIN_S) as asker:
            loops = [asyncio.create_task(writer.run(cell, client)) for writer in writers]
            loops += [asyncio.create_task(read_on(cell, client)) for _ in writers]
            await asyncio.sleep(SETTLE_S)
            quiet = (perf_counter(), perf_counter() + QUIET_S)
            await asyncio.sleep(QUIET_S)
            leader = (await asker.status()).node
            taken = {}
            for name in sorted([member.name for member in await asker.members()], key=lambda name: name == leader):
                begun = perf_counter()
                await asker.snapshot(name)
                taken["leader" if name == leader else name] = (begun, perf_counter())
                await asyncio.sleep(SETTLE_S)
            cell.stopped = True
            await asyncio.gather(*loops)
        self._settle(cell, writers)
        answer(
            errors=cell.errors,
            longest_quiet_ms=cell.longest_ms(*quiet),
            longest_during_snapshot_ms={name: cell.longest_ms(*span) for name, span in taken.items()},
            snapshot_s={name: round(end - begun, 2) for name, (begun, end) in taken.items()},
        )

    async def verify(self) -> None:
        numbers = iter(self._ledger.keys)
        lost: list[str] = []

        async def verify_some(client: Client) -> None:
            for number in numbers:
                item = await client.get(KEYS[number])
                value = item.value if item is not None else None
                if not self._ledger.explains(number, value):
                    lost.append(f"{key(number)} holds {value!r}")

        async with connect(self._endpoints) as client:
            await asyncio.gather(*(verify_some(client) for _ in range(FILLERS)))
        answer(
            acknowledged=self._ledger.acknowledged_count,
            uncertain=self._ledger.uncertain_count,
            keys=len(self._ledger.keys),
            lost=len(lost),
            examples=lost[:LOST_SHOWN],
        )


def main() -> None:
    load = Load(sys.argv[1].split(","), spread_reads=sys.argv[2:] == ["spread"])
    for line in sys.stdin:
        match line.split():
            case ["fill"]:
                uvloop.run(load.fill())
            case ["write", in_flight, warm_s, measured_s]:
                uvloop.run(load.write(int(in_flight), float(warm_s), float(measured_s)))
            case ["read", in_flight, warm_s, measured_s]:
                uvloop.run(load.read(int(in_flight), float(warm_s), float(measured_s)))
            case ["failover", writers, kill_at_s, seconds, timeline]:
                Path(timeline).write_text(uvloop.run(load.failover(int(writers), float(kill_at_s), float(seconds))))
                answer(errors=load.errors)
            case ["grow", count]:
                uvloop.run(load.grow(int(count)))
            case ["snapshot", in_flight]:
                uvloop.run(load.snapshot(int(in_flight)))
            case ["verify"]:
                uvloop.run(load.verify())
            case _:
                raise SystemExit(f"not a request: {line!r}")


if __name__ == "__main__":
    main()
