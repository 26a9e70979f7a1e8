"""What the Python load generators share: the requests on standard input, and one measured cell of closed loops.

One request a line: `fill`, `write|read IN_FLIGHT WARM_S SECONDS`, and what a generator adds. Answers: @start and @end around the
measured time, then one JSON row. Standard library only: these programs run in an environment that holds just a peer's client.
"""

import asyncio
import itertools
import json
import random
import sys
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from time import perf_counter
from typing import Protocol

KEY_COUNT = 10_000
VALUE = b"v" * 100
CONNECTIONS_MAX = 8
# Each loop walks a fixed random walk of this length again and again: picking a key costs nothing while measuring.
WALK_LENGTH = 4_096

Request = Callable[[int], Awaitable[object]]
"""Takes the number of a key."""


def key(number: int) -> str:
    return f"key-{number:08d}"


def walk() -> list[int]:
    return random.choices(range(KEY_COUNT), k=WALK_LENGTH)


def answer(**fields: object) -> None:
    print(json.dumps(fields), flush=True)


class Cell:
    """One measurement: loops note when each request began and ended; afterwards only the measured time counts."""

    def __init__(self, warm_s: float, measured_s: float) -> None:
        self.warm_s = warm_s
        self.measured_s = measured_s
        self.stopped = False
        self.spans: list[tuple[float, float]] = []
        self.errors = 0
        self._start = 0.0
        self._end = 0.0

    def failed(self, error: Exception) -> None:
        if not self.errors:
            print(f"first error: {error!r}", file=sys.stderr, flush=True)
        self.errors += 1

    def start(self) -> None:
        print("@start", flush=True)
        self._start = perf_counter()

    def end(self) -> None:
        self._end = perf_counter()
        print("@end", flush=True)
        self.stopped = True

    async def run(self) -> None:
        await asyncio.sleep(self.warm_s)
        self.start()
        await asyncio.sleep(self.measured_s)
        self.end()

    def longest_ms(self, start: float, end: float) -> float:
        """Of the requests that were under way at any time between the two."""
        took = (ended - begun for begun, ended in self.spans if begun <= end and ended >= start)
        return round(max(took, default=0.0) * 1000, 1)

    def report(self) -> None:
        took = sorted(end - begin for begin, end in self.spans if self._start <= end <= self._end)
        row: dict[str, object] = {"errors": self.errors, "ops_per_s": len(took) / (self._end - self._start)}
        if took:
            row |= {"p50_ms": took[len(took) // 2] * 1000, "p99_ms": took[len(took) * 99 // 100] * 1000, "max_ms": took[-1] * 1000}
        answer(**row)


async def loop(cell: Cell, request: Request, numbers: Iterator[int]) -> None:
    """One request in flight after the other until the cell stops."""
    note = cell.spans.append
    for number in numbers:
        if cell.stopped:
            return
        begin = perf_counter()
        try:
            await request(number)
        except Exception as error:  # whatever a client raises is an error of the cell
            cell.failed(error)
            await asyncio.sleep(0.01)
        else:
            note((begin, perf_counter()))


async def closed_loops(requests: list[Request], in_flight: int, warm_s: float, measured_s: float) -> None:
    """`in_flight` loops spread over `requests` (one per connection), measured and reported."""
    cell = Cell(warm_s, measured_s)
    loops = [asyncio.create_task(loop(cell, requests[i % len(requests)], itertools.cycle(walk()))) for i in range(in_flight)]
    await cell.run()
    await asyncio.gather(*loops)
    cell.report()


class Client(Protocol):
    """One connection of a Python client."""

    async def write(self, number: int) -> object: ...
    async def read(self, number: int) -> object: ...
    async def close(self) -> None: ...


Connect = Callable[[int], Coroutine[None, None, Client]]
"""Makes the connection with this number."""


async def _measure(connect: Connect, connections_max: int, op: str, in_flight: int, warm_s: float, measured_s: float) -> None:
    clients = [await connect(i) for i in range(min(in_flight, connections_max))]
    await closed_loops([client.write if op == "write" else client.read for client in clients], in_flight, warm_s, measured_s)
    for client in clients:
        await client.close()


async def _fill(connect: Connect) -> None:
    client = await connect(0)
    for first in range(0, KEY_COUNT, 100):
        await asyncio.gather(*(client.write(number) for number in range(first, first + 100)))
    await client.close()
    answer(filled=KEY_COUNT)


def serve(connect: Connect, connections_max: int, run: Callable[[Coroutine[None, None, None]], None] = asyncio.run) -> None:
    """Answer requests until standard input ends."""
    for line in sys.stdin:
        match line.split():
            case ["fill"]:
                run(_fill(connect))
            case [("write" | "read") as op, in_flight, warm_s, measured_s]:
                run(_measure(connect, connections_max, op, int(in_flight), float(warm_s), float(measured_s)))
            case _:
                raise SystemExit(f"not a request: {line!r}")
