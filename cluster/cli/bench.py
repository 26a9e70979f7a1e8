"""`quorate bench`: a small load, to see what a cluster does here and now. For comparisons use scripts/bench."""

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING, Annotated

import typer

from quorate.cluster.cli import output
from quorate.cluster.cli.exits import Answer, Exit, UsageError
from quorate.cluster.cli.options import TIMEOUT_S, ConsistencyOption, DataOption, EndpointsOption, JsonOption, TimeoutOption, consistency
from quorate.cluster.cli.output import Json
from quorate.cluster.cli.surroundings import with_client
from quorate.cluster.wire.errors import QuorateError

if TYPE_CHECKING:
    from quorate.cluster.client import Client

KINDS = ("put", "get", "mixed")
SECONDS_DEFAULT = 5.0
KEYS_MAX = 10_000_000
VALUE_BYTES_MAX = 1 << 20
IN_FLIGHT_MAX = 4096
OPERATIONS_MAX = 50_000_000
"""Every latency is kept, in eight bytes."""
PREFIX = "bench/"
MIXED_WRITES = 0.5
ERRORS_SHOWN = 3


@dataclass(slots=True)
class Tally:
    """What a run did."""

    latencies_ms: list[float] = field(default_factory=list)
    errors: dict[str, int] = field(default_factory=dict)
    seconds: float = 0.0

    def quantile(self, q: float) -> float:
        """Of the sorted latencies, by rank."""
        ranked = self.latencies_ms
        return ranked[min(len(ranked) - 1, int(q * len(ranked)))] if ranked else 0.0

    @property
    def rate(self) -> float:
        return len(self.latencies_ms) / self.seconds if self.seconds else 0.0


@dataclass(frozen=True, slots=True)
class Load:
    """What to do, and for how long: `ops` operations, or `seconds`."""

    kind: str
    ops: int
    seconds: float
    in_flight: int
    keys: int
    value: bytes


async def drive(load: Load, operation: Callable[[Random, int], Awaitable[object]], now: Callable[[], float] = time.perf_counter) -> Tally:
    """Keep `in_flight` operations going until the load is done. An operation that fails is counted, and the load goes on."""
    import asyncio

    tally = Tally()
    left = load.ops or OPERATIONS_MAX
    began = now()
    ends = began + load.seconds if not load.ops else float("inf")

    async def worker(seed: int) -> None:
        nonlocal left
        rng = Random(seed)
        while left > 0 and (started := now()) < ends:
            left -= 1
            try:
                await operation(rng, load.keys)
            except QuorateError as error:
                tally.errors[error.code] = tally.errors.get(error.code, 0) + 1
            else:
                tally.latencies_ms.append((now() - started) * 1000)

    async with asyncio.TaskGroup() as group:
        for seed in range(load.in_flight):
            group.create_task(worker(seed))
    tally.seconds = now() - began
    tally.latencies_ms.sort()
    return tally


def bench(
    context: typer.Context,
    kind: Annotated[str, typer.Argument(metavar="put|get|mixed")] = "put",
    ops: Annotated[int, typer.Option("--ops", "-n", min=0, max=OPERATIONS_MAX, help="Stop after so many; 0: after --secs.")] = 0,
    secs: Annotated[float, typer.Option("--secs", "-s", min=0.1, max=3600, help="How long, where --ops is not given.")] = SECONDS_DEFAULT,
    in_flight: Annotated[
        int, typer.Option("--in-flight", "-f", min=1, max=IN_FLIGHT_MAX, help="Requests that wait for their answer at once.")
    ] = 64,
    keys: Annotated[int, typer.Option("--keys", min=1, max=KEYS_MAX, help=f"Random keys among so many, all under {PREFIX}.")] = 10_000,
    size: Annotated[int, typer.Option("--size", min=0, max=VALUE_BYTES_MAX, help="Bytes of a value.")] = 100,
    level: ConsistencyOption = "linearizable",
    endpoints: EndpointsOption = None,
    data: DataOption = None,
    timeout: TimeoutOption = TIMEOUT_S,
    json: JsonOption = False,
) -> None:
    """Put some load on the cluster; print operations per second and latencies.

    It writes keys under `bench/`, and keeps so many requests going at once: each that is answered is followed by the next.

    Examples:

    - `quorate bench`
    - `quorate bench get --in-flight 256 --secs 10`
    - `quorate bench put --ops 10000 --json`
    """
    if kind not in KINDS:
        raise UsageError(f"bench takes one of {', '.join(KINDS)}, not {kind!r}")
    wanted = consistency(level)
    load = Load(kind, ops, secs, in_flight, keys, b"x" * size)

    async def work(client: "Client") -> Tally:
        async def write(rng: Random, count: int) -> object:
            return await client.put(f"{PREFIX}{rng.randrange(count):08}", load.value)

        async def read(rng: Random, count: int) -> object:
            return await client.get(f"{PREFIX}{rng.randrange(count):08}", consistency=wanted)

        async def either(rng: Random, count: int) -> object:
            return await (write if rng.random() < MIXED_WRITES else read)(rng, count)

        # Connections, the session and the leader are found before the clock starts.
        await write(Random(0), keys)
        return await drive(load, {"put": write, "get": read, "mixed": either}[kind])

    tally = with_client(context, endpoints, data, timeout, work, heavy=True)
    _show(tally, load, json=json)
    if not tally.latencies_ms:
        raise Answer(Exit.UNAVAILABLE)


def _show(tally: Tally, load: Load, *, json: bool) -> None:
    p50, p99, worst = tally.quantile(0.5), tally.quantile(0.99), tally.quantile(1.0)
    done = len(tally.latencies_ms)
    failed = sum(tally.errors.values())
    if json:
        errors: dict[str, Json] = dict(tally.errors)
        output.document(
            {
                "kind": load.kind,
                "in_flight": load.in_flight,
                "operations": done,
                "seconds": round(tally.seconds, 3),
                "ops_per_s": round(tally.rate, 1),
                "p50_ms": round(p50, 3),
                "p99_ms": round(p99, 3),
                "max_ms": round(worst, 3),
                "errors": errors,
            }
        )
        return
    output.line(f"{done:,} {load.kind} in {tally.seconds:.1f} s, {load.in_flight} in flight: {tally.rate:,.0f} per second")
    output.line(f"latency  p50 {p50:.2f} ms   p99 {p99:.2f} ms   max {worst:.1f} ms")
    if failed:
        worst_first = sorted(tally.errors.items(), key=lambda each: -each[1])[:ERRORS_SHOWN]
        output.complain(f"{failed:,} failed: " + ", ".join(f"{code} {count:,}" for code, count in worst_first))


def add_to(app: typer.Typer) -> None:
    app.command("bench", rich_help_panel="The cluster")(bench)
