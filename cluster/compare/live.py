"""Real nodes: three processes an engine, the real client in this process, everything in turns so that noise meets every engine alike.

The rule it keeps: a cell is short and bounded, a round takes each cell on every engine before the next, and ratios are made within a
round. An engine that breaks is left out from then on, and the results say why.
"""

import asyncio
import re
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import uvloop

from quorate.cluster.client import Client, connect
from quorate.cluster.compare.figures import of, quotients
from quorate.cluster.compare.rows import Results
from quorate.cluster.compare.steps import HAND
from quorate.cluster.compare.subjects import REFERENCE, elects
from quorate.cluster.local import LocalCluster
from quorate.cluster.wire.errors import QuorateError
from quorate.protocols.simulation.measuring.commits import IN_FLIGHT

VALUE = b"v" * 100
KEYS = 10_000
WARM_S = 0.3
"""Connections, the leader and the session are found, and the batches have their size."""
WRITERS = 4
"""Loops that write while the leader is killed."""
BEFORE_KILL_S = 0.5
AFTER_KILL_S = 2.0
"""Two election timeouts: whoever has not recovered by then is measured as that long."""
FAILOVER_S = BEFORE_KILL_S + AFTER_KILL_S + 2.0
"""With the restart of the node that was killed."""
START_S = 3.0
RETRY_S = 0.005
HTTP_S = 5.0
COUNTERS = {"fsyncs": "quorate_log_sync_count_total", "log": "quorate_log_byte_count_total"}

Show = Callable[[float, str], None]


@dataclass(frozen=True, slots=True)
class Plan:
    """How much is measured."""

    seconds: float
    """Of each cell."""
    rounds: int
    trials: int

    def takes_s(self, engines: int) -> float:
        """About."""
        rounds = self.rounds * len(IN_FLIGHT) * (WARM_S + self.seconds)
        return engines * (START_S + rounds + self.trials * FAILOVER_S)


@dataclass(slots=True)
class Timed:
    """The writes of one load: when each succeeded, and how long it took."""

    ended: list[float]
    took_ms: list[float]

    def quantile(self, part: float) -> float:
        ranked = sorted(self.took_ms)
        return ranked[min(len(ranked) - 1, int(part * len(ranked)))]


async def load(endpoints: str, in_flight: int, seconds: float, meanwhile: Callable[[], None] = lambda: None) -> tuple[Timed, Timed]:
    """Closed loops of writes: those that ended before or after the measured time, and those within; `meanwhile` runs beside these."""
    parts = Timed([], []), Timed([], [])
    async with connect(endpoints) as client:
        begun = time.perf_counter()
        counts_from, ends = begun + WARM_S, begun + WARM_S + seconds
        loops = [asyncio.create_task(_write(client, Random(seed), parts, counts_from, ends)) for seed in range(in_flight)]
        await asyncio.sleep(WARM_S)
        await asyncio.to_thread(meanwhile)
        await asyncio.gather(*loops)
    return parts


async def _write(client: Client, rng: Random, parts: tuple[Timed, Timed], counts_from: float, ends: float) -> None:
    while (begun := time.perf_counter()) < ends:
        try:
            await client.put(f"compare/{rng.randrange(KEYS):05}", VALUE)
        except QuorateError:
            await asyncio.sleep(RETRY_S)
            continue
        now = time.perf_counter()
        part = parts[counts_from <= now < ends]
        part.ended.append(now)
        part.took_ms.append((now - begun) * 1000)


def counters(cluster: LocalCluster) -> dict[str, float]:
    """Summed over all nodes."""
    sums = dict.fromkeys(COUNTERS, 0.0)
    for name in cluster.names:
        with urllib.request.urlopen(f"http://{cluster.http_address(name)}/metrics", timeout=HTTP_S) as answer:
            text = answer.read().decode()
        for key, metric in COUNTERS.items():
            sums[key] += sum(float(value) for value in re.findall(rf"^{metric}(?:{{[^}}]*}})? (\S+)$", text, re.MULTILINE))
    return sums


def longest_gap_ms(ended: list[float], killed: float, until: float) -> float:
    """The longest time without a success that ended after the kill."""
    times = [*(at for at in sorted(ended) if at < until), until]
    return max((later - earlier for earlier, later in pairwise(times) if later > killed), default=until - killed) * 1000


class Stage:
    """The clusters that run, and what was measured on each."""

    def __init__(self, engines: tuple[str, ...], plan: Plan, results: Results, show: Show) -> None:
        self._plan = plan
        self._results = results
        self._show = show
        self._engines = engines
        self._clusters: dict[str, LocalCluster] = {}
        self._samples: dict[tuple[str, str], list[float]] = {}
        """By row and engine."""
        self._done_s = 0.0

    def run(self) -> None:
        with ExitStack() as stack:
            folder = Path(stack.enter_context(TemporaryDirectory(prefix="quorate-compare.")))
            for engine in self._engines:
                self._step(f"starting {engine}", START_S)
                with self._careful(engine):
                    cluster = stack.enter_context(LocalCluster.create(folder / engine, engine=engine))
                    cluster.start()
                    cluster.wait_ready()
                    self._clusters[engine] = cluster
            for round_ in range(self._plan.rounds):
                self._round(round_)
            for trial in range(self._plan.trials):
                for engine in list(self._clusters):
                    self._step(f"trial {trial + 1}: the leader of {engine} is killed", FAILOVER_S)
                    if elects(engine):
                        with self._careful(engine):
                            self._fail_over(engine)
        self._put()

    @contextmanager
    def _careful(self, engine: str) -> Iterator[None]:
        """What breaks within leaves its engine out from then on, and says why."""
        try:
            yield
        except (QuorateError, OSError) as error:
            self._clusters.pop(engine, None)
            self._results.missing.append((f"{engine} on live nodes, from then on", str(error)))

    def _step(self, words: str, takes_s: float) -> None:
        self._show(self._done_s, words)
        self._done_s += takes_s

    def _round(self, round_: int) -> None:
        """Each time another engine begins."""
        for in_flight in IN_FLIGHT:
            engines = list(self._clusters)
            turn = round_ % max(len(engines), 1)
            for engine in engines[turn:] + engines[:turn]:
                self._step(f"round {round_ + 1}: {in_flight} in flight, {engine}", WARM_S + self._plan.seconds)
                with self._careful(engine):
                    self._cell(engine, in_flight)

    def _cell(self, engine: str, in_flight: int) -> None:
        cluster, seconds = self._clusters[engine], self._plan.seconds
        before = counters(cluster)
        others, timed = uvloop.run(load(cluster.endpoints, in_flight, seconds))
        after = counters(cluster)
        if not timed.took_ms:
            raise QuorateError(f"not one write in {seconds:g} s with {in_flight} in flight")
        writes = len(timed.took_ms) + len(others.took_ms)
        self._take(f"live.rate.{in_flight}", engine, len(timed.took_ms) / seconds)
        self._take(f"live.p50.{in_flight}", engine, timed.quantile(0.5))
        self._take(f"live.p99.{in_flight}", engine, timed.quantile(0.99))
        for key in COUNTERS:
            self._take(f"live.{key}.{in_flight}", engine, (after[key] - before[key]) / writes)

    def _fail_over(self, engine: str) -> None:
        cluster = self._clusters[engine]
        leader = cluster.wait_leader()
        killed = 0.0

        def kill() -> None:
            nonlocal killed
            time.sleep(BEFORE_KILL_S)
            killed = time.perf_counter()
            cluster.kill(leader)

        _, timed = uvloop.run(load(cluster.endpoints, WRITERS, BEFORE_KILL_S + AFTER_KILL_S, kill))
        self._take("live.gap", engine, longest_gap_ms(timed.ended, killed, killed + AFTER_KILL_S))
        cluster.start(leader)
        cluster.wait_ready()

    def _take(self, key: str, engine: str, sample: float) -> None:
        self._samples.setdefault((key, engine), []).append(sample)

    def _put(self) -> None:
        results = self._results
        for (key, engine), samples in self._samples.items():
            results.put(key, engine, of(samples))
        for engine in self._engines:
            if not elects(engine):
                results.put("live.gap", engine, HAND)
            for in_flight in IN_FLIGHT:
                ours, raft = (results.figure(f"live.rate.{in_flight}", name) for name in (engine, REFERENCE))
                if ours is not None and raft is not None and engine != REFERENCE and len(ours.samples) == len(raft.samples):
                    results.put(f"live.ratio.{in_flight}", engine, quotients(ours, raft))


def measure(engines: tuple[str, ...], plan: Plan, results: Results, show: Show) -> None:
    """Start a cluster of each engine, measure them in turns, and end them."""
    Stage(engines, plan, results, show).run()
