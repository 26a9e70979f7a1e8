"""What the programs of this folder share: a cluster behind a fault proxy, clients whose every call is written down, and the verdict.

A program is a coroutine that is given a Laboratory, breaks things, prints a table and returns what the checker says of all that its
clients were told; `run` does the rest. It takes a cluster that runs (`quorate up --proxy --data DIR`, then `--data DIR`), or starts one.

The rules: a call's outcome that was not learnt stays unknown; whatever happens, the cluster is healed before it is left.
"""

import argparse
import asyncio
import secrets
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from random import Random

from quorate import Client, QuorateError
from quorate.cluster.chaos.acts import Acts
from quorate.cluster.chaos.control import control_address
from quorate.cluster.local import LocalCluster
from quorate.cluster.runtime.clock import BootClock
from quorate.cluster.runtime.config import ENGINES
from quorate.cluster.verify.checks import check
from quorate.cluster.verify.recorded_client import RecordedClient
from quorate.cluster.verify.recorder import Recorder
from quorate.cluster.verify.verdict import Budget, Verdict

KEYS = 8
"""Half of the calls meet at the first of them; the others spread over all."""
TIMEOUT_S = 2.0
"""Longer than an election takes, so that a client that waits for one is answered."""
CHECK_S = 60.0


@dataclass(frozen=True, slots=True)
class Call:
    """One call of one client."""

    returned_s: float
    took_ms: float
    is_answered: bool


@dataclass(slots=True)
class Laboratory:
    """`acts` breaks and mends, `recorder` writes down."""

    cluster: LocalCluster
    acts: Acts
    seed: int
    recorder: Recorder = field(init=False)
    keys: str = field(init=False)
    """How all keys of the recording begin: nobody else's, so that nothing is read that nobody wrote."""
    calls: list[Call] = field(init=False)

    def __post_init__(self) -> None:
        self.record_anew()

    def record_anew(self) -> None:
        """Forget what was written down so far."""
        self.recorder = Recorder(now_ns=BootClock().now_ns, model="kv", seed=self.seed)
        self.keys, self.calls = f"chaos/{secrets.token_hex(4)}/", []

    def address(self, *names: str) -> str:
        """For a client that is to reach these nodes alone."""
        return ",".join(self.cluster.client_address(name) for name in names)

    async def leader(self, other_than: str = "") -> str:
        return await asyncio.to_thread(self.cluster.wait_leader, other_than=other_than)

    @asynccontextmanager
    async def load(self, *names: str, clients: int = 8) -> AsyncIterator[None]:
        """That many clients ask and write, one call each at a time, as long as the block lasts; of these nodes alone, if any are named."""
        stop = asyncio.Event()
        async with Client(self.address(*(names or self.cluster.names)), only_given=bool(names), timeout=TIMEOUT_S) as client:
            recorded = [RecordedClient(client, self.recorder) for _ in range(clients)]
            side = "".join(names)
            working = [asyncio.create_task(self._work(each, f"{side}{number}", stop)) for number, each in enumerate(recorded)]
            try:
                yield
            finally:
                stop.set()
                await asyncio.gather(*working)

    async def _work(self, client: RecordedClient, name: str, stop: asyncio.Event) -> None:
        dice, written = Random(f"{self.seed}/{name}"), 0
        while not stop.is_set():
            key = f"{self.keys}{dice.choice((0, dice.randrange(KEYS)))}"
            began_s, is_answered = time.perf_counter(), True
            try:
                if dice.random() < 0.5:
                    await client.get(key)
                else:
                    written += 1
                    await client.put(key, f"{name}-{written}")
            except QuorateError:
                is_answered = False
            now_s = time.perf_counter()
            self.calls.append(Call(now_s, (now_s - began_s) * 1000, is_answered))

    def gap_ms(self, since_s: float) -> float:
        """The longest time without any answer, from the last answer before that moment on."""
        answers = sorted(call.returned_s for call in self.calls if call.is_answered)
        before = max((at for at in answers if at <= since_s), default=since_s)
        return 1000 * max((later - earlier for earlier, later in pairwise([before, *(at for at in answers if at > since_s)])), default=0)

    def figures(self, since_s: float, until_s: float) -> tuple[str, str, str, str]:
        """Of the calls that returned in that time (of time.perf_counter): per second, median, 99th percentile, unanswered."""
        calls = [call for call in self.calls if since_s <= call.returned_s < until_s]
        took = sorted(call.took_ms for call in calls if call.is_answered)
        median, high = (f"{took[int(len(took) * part)]:,.1f} ms" if took else "-" for part in (0.5, 0.99))
        return f"{len(took) / (until_s - since_s):,.0f}", median, high, f"{len(calls) - len(took):,}"

    def verdict(self) -> Verdict:
        """Of everything that clients were told; to be asked when they are gone."""
        return check(self.recorder.history(), "kv", Budget(CHECK_S))


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    widths = [max(map(len, column)) for column in zip(head, *rows)]
    for row in (head, *rows):
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip(), flush=True)


@asynccontextmanager
async def laboratory(options: argparse.Namespace, nodes: int) -> AsyncIterator[Laboratory]:
    async with AsyncExitStack() as leaving:
        if options.data is not None:
            cluster = LocalCluster.open(options.data, attached=False)
        else:
            directory = leaving.enter_context(tempfile.TemporaryDirectory(prefix="quorate-chaos-"))
            cluster = LocalCluster.create(Path(directory) / "cluster", nodes=nodes, engine=options.engine, proxied=True)
            leaving.enter_context(cluster)
            await asyncio.to_thread(cluster.start)
        control_address(cluster.record)  # it must have one, or nothing can be broken
        await asyncio.to_thread(cluster.wait_ready)
        acts = await leaving.enter_async_context(Acts(cluster))
        try:
            yield Laboratory(cluster, acts, options.seed)
        finally:
            if options.data is not None:
                await acts.heal()


def run(
    about: str,
    program: Callable[[Laboratory, argparse.Namespace], Awaitable[Verdict]],
    *,
    nodes: int = 3,
    engine: str = "raft",
    **more: object,
) -> None:
    """Parse, run, tell the verdict, and end with its exit code: 0 valid, 1 invalid, 2 unknown. `more`: options with their defaults."""
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, metavar="DIR", help="a cluster that runs: quorate up --proxy --data DIR; default: start one")
    parser.add_argument("--engine", default=engine, choices=ENGINES, help="of the cluster that is started")
    parser.add_argument("--seed", type=int, default=1, help="of faults and clients")
    for name, default in more.items():
        parser.add_argument(f"--{name}", type=type(default), default=default, help=f"default: {default}")
    options = parser.parse_args()

    async def all_of_it() -> Verdict:
        async with laboratory(options, nodes) as lab:
            return await program(lab, options)

    try:
        verdict = asyncio.run(all_of_it())
    except KeyboardInterrupt:
        sys.exit(130)
    except QuorateError as error:
        print(f"error: {error.message}", file=sys.stderr)
        sys.exit(64)
    print(f"\n{verdict.answer.value.upper()}: {verdict.reason}", *(finding.why for finding in verdict.findings[:3]), sep="\n")
    sys.exit(verdict.answer.exit_code)
