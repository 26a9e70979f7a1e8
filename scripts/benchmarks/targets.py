"""What Quorate wants to reach beside its peers, and whether this run reached it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from operator import eq, ge, gt, le, lt
from statistics import median

from benchmarks.results import Results

STALL_MS_MAX = 100.0
CPU_AIMS_US = {"client": 25.0, "leader": 30.0, "follower1": 12.0}
FAILOVER_AIM_MS = 300.0
STRONG_ENGINES = ("zab", "multipaxos", "kraft")
ENGINE_RATIO_MIN = 0.8
"""Of Raft's writes per second."""


@dataclass(frozen=True, slots=True)
class Target:
    text: str
    measured: str
    met: bool | None
    """None: this run does not say."""


def judge(results: Results) -> Iterator[Target]:
    yield from _writes(results)
    yield from _engines(results)
    yield from _reads(results)
    yield from _failover(results)
    yield from _endurance(results)


def _compare(text: str, value: float | None, good: Callable[[float, float], bool], bound: float, unit: str = "x") -> Target:
    if value is None:
        return Target(text, "", None)
    return Target(text, f"{value:,.2f} {unit}", good(value, bound))


def _writes(results: Results) -> Iterator[Target]:
    for in_flight, least in ((64, 2.0), (256, 1.5)):
        rate = results.ratio("ops_per_s", "write", "etcd", in_flight)
        yield _compare(f"writes at {in_flight}: at least {least} x etcd", rate, ge, least)
    for in_flight in (64, 256):
        rate = results.ratio("ops_per_s", "write", "zookeeper", in_flight)
        yield _compare(f"writes at {in_flight}: more than ZooKeeper", rate, gt, 1)
    for in_flight in (64, 256):
        yield _compare(f"p99 of writes at {in_flight}: below etcd's", results.ratio("p99_ms", "write", "etcd", in_flight), lt, 1)
    yield _compare("p50 of writes at 1: no worse than etcd's", results.ratio("p50_ms", "write", "etcd", 1), le, 1)
    for peer in ("etcd-python", "zookeeper-python"):
        for in_flight in (64, 256):
            rate = results.ratio("ops_per_s", "write", peer, in_flight)
            yield _compare(f"writes at {in_flight}: 5 x {peer}", rate, ge, 5)
    for role, aim in CPU_AIMS_US.items():
        rows = results.rows(op="write", system="quorate", in_flight=256)
        costs = [cost[role] for cost in results.by_role("cpu_us_per_write", rows)]
        middle = median(costs) if costs else None
        name = role.rstrip("1")
        yield _compare(f"aim: {aim:.0f} us of CPU a write at the {name}", middle, le, aim, "us at 256")


def _engines(results: Results) -> Iterator[Target]:
    """Only of the engines that ran: without --engines there is nothing to miss."""
    for engine in STRONG_ENGINES:
        for in_flight in (64, 256):
            ratios = results.quotients("ops_per_s", "write", (f"quorate-{engine}", "quorate"), in_flight)
            if ratios:
                text = f"writes at {in_flight}: {engine} at least {ENGINE_RATIO_MIN:.0%} of Raft"
                yield _compare(text, median(ratios), ge, ENGINE_RATIO_MIN)


def _reads(results: Results) -> Iterator[Target]:
    for in_flight in (64, 256):
        text = f"reads at {in_flight}: at least 2 x the better of etcd and ZooKeeper"
        ratios = [results.ratio("ops_per_s", "read", peer, in_flight) for peer in ("etcd", "zookeeper")]
        known = [ratio for ratio in ratios if ratio is not None]
        # The better peer is the one that we are the fewest times faster than.
        yield _compare(text, min(known) if len(known) == len(ratios) else None, ge, 2)


def _failover(results: Results) -> Iterator[Target]:
    ours = results.median("gap_ms", op="failover", system="quorate")
    for peer, name in (("etcd", "etcd's"), ("zookeeper", "ZooKeeper's")):
        theirs = results.median("gap_ms", op="failover", system=peer)
        text = f"failover: median below {name}"
        if ours is None or theirs is None:
            yield Target(text, "", None)
        else:
            yield Target(text, f"{ours:,.0f} ms against {theirs:,.0f} ms", ours < theirs)
    yield _compare(f"aim: failover in {FAILOVER_AIM_MS:.0f} ms", ours, le, FAILOVER_AIM_MS, "ms")


def _endurance(results: Results) -> Iterator[Target]:
    elections = results.median("elections", op="soak")
    yield _compare("no election under full load", elections, eq, 0, "elections")
    stall, keys = results.median("snapshot_stall_ms", op="state"), results.median("keys", op="state") or 1_000_000
    yield _compare(f"snapshot of {keys:,.0f} keys: no request waits over {STALL_MS_MAX:.0f} ms", stall, le, STALL_MS_MAX, "ms")
    lost = [int(str(row["lost"])) for row in results.rows(op="verify")]
    if lost:
        yield Target("every acknowledged write is read back", f"{sum(lost)} lost", sum(lost) == 0)
    else:
        yield Target("every acknowledged write is read back", "", None)
