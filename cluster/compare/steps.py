"""What the simulator measures for one engine, in steps that can be run in any order and on any core.

The rule it keeps: a step is a function of engine, effort and seeds alone; who runs it, and when, changes nothing.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from quorate.cluster.compare.figures import Cell, exact, of
from quorate.cluster.compare.rows import ALONE, LAG_NODES, PAXOS, shape_key
from quorate.cluster.compare.subjects import Subject, elects, paxos_bytes, subject, wire_bytes
from quorate.cluster.runtime.config import TICK_MS
from quorate.protocols.simulation.ledger import Violation
from quorate.protocols.simulation.measuring.basic import basic
from quorate.protocols.simulation.measuring.catching import LAG, catch_up
from quorate.protocols.simulation.measuring.commits import IN_FLIGHT, Cost, batched, contended, idle, lone
from quorate.protocols.simulation.measuring.elections import Election, crash, crash_with_lag
from quorate.protocols.simulation.measuring.partitions import SHAPES, behaviour
from quorate.protocols.simulation.measuring.rig import Stuck
from quorate.protocols.simulation.schedule import MILLISECOND

HAND = "by hand"
COUNT_SEED = 1
"""Of what is the same for every seed."""

Found = dict[str, Cell]
"""Cells of one engine by row."""


@dataclass(frozen=True, slots=True)
class Effort:
    """How many seeds each kind of measurement gets; those that cost more get fewer."""

    seeds: int
    lags: tuple[int, ...]
    heavy_lag: int = 10_000
    """From here on a lag is heavy."""
    lag_seeds_max: int = 20
    shape_seeds_max: int = 5
    heavy_seeds_max: int = 3
    catch_up_lag: int = LAG

    def lag_seeds(self, lag: int) -> range:
        return range(min(self.seeds, self.heavy_seeds_max if lag >= self.heavy_lag else self.lag_seeds_max))


@dataclass(frozen=True, slots=True)
class Step:
    """One measurement of one engine, as words and numbers that can be sent to another process."""

    engine: str
    name: str
    effort: Effort
    weight: float
    """About how long it takes beside the others."""
    argument: str = ""

    @property
    def words(self) -> str:
        return f"{self.engine}: {self.what}"

    @property
    def what(self) -> str:
        return f"{self.name} {self.argument}".rstrip()


def steps(names: tuple[str, ...], effort: Effort) -> list[Step]:
    """All of a run; the longest first, so that no core idles at the end."""
    made = [Step(PAXOS, "basic", effort, 0.1)]
    for name in names:
        made.append(Step(name, "commits", effort, 1.0))
        made += [Step(name, "partition", effort, 0.5 * min(effort.seeds, effort.shape_seeds_max), shape.name) for shape in SHAPES]
        made += [Step(name, "catch-up", effort, 1.5 * min(effort.seeds, effort.heavy_seeds_max), way) for way in ("log", "snapshot")]
        made += [Step(name, "election", effort, 0.03 * effort.seeds, f"{way} {nodes}") for way in ("closed", "silent") for nodes in (3, 5)]
        for nodes in LAG_NODES:
            made += [Step(name, "lag", effort, (0.05 + 6e-5 * lag) * len(effort.lag_seeds(lag)), f"{nodes} {lag}") for lag in effort.lags]
    return sorted(made, key=lambda step: -step.weight)


def run(step: Step) -> tuple[Found, list[str]]:
    """The cells, and why others are missing."""
    if step.name == "basic":
        return dict(_costs("write", basic(paxos_bytes))), []
    if step.name in ("election", "lag") and not elects(step.engine):
        return dict.fromkeys(_keys(step), HAND), []
    try:
        return dict(_MEASURES[step.name](subject(step.engine), step)), []
    except Stuck as stuck:
        return {}, [str(stuck)]
    except Violation as violation:
        return {}, [f"it broke an invariant on the way: {violation}"]


def _keys(step: Step) -> list[str]:
    """The rows that a step of elections fills."""
    first, second = step.argument.split()
    if step.name == "election":
        return [f"election.{first}.{second}.{what}" for what in ("ms", "served", "messages", "rounds")]
    return [f"lag.{first}.{second}.{what}" for what in ("served", "aligned")]


def _costs(key: str, cost: Cost) -> Iterator[tuple[str, Cell]]:
    yield f"{key}.messages", exact(cost.messages)
    yield f"{key}.kinds", kinds_in_words(cost.kinds)
    yield f"{key}.bytes", exact(cost.bytes)
    yield f"{key}.fsyncs", exact(cost.fsyncs)
    yield f"{key}.delays", exact(cost.delays)
    yield f"{key}.fsyncs_before", exact(cost.fsyncs_before)


def kinds_in_words(kinds: dict[str, int]) -> str:
    return ", ".join(f"{count} {kind}" for kind, count in kinds.items()) or "none"


def _commits(one: Subject, step: Step) -> Iterator[tuple[str, Cell]]:
    """What writes and reads cost."""
    engine, options = one.engine, one.options

    def cost(kind: str, at_leader: bool) -> Cost:
        return lone(engine, options, wire_bytes, COUNT_SEED, kind=kind, at_leader=at_leader)

    yield from _costs("write", cost("write", True))
    other = cost("write", False)
    yield "write.delays.other", exact(other.delays)
    yield "write.other", "the leader, to which it refers" if other.redirected else "itself"
    both = contended(engine, options, wire_bytes, COUNT_SEED)
    yield "both.delays", exact(both.delays)
    yield "both.messages", exact(both.messages)
    yield "both.fsyncs", exact(both.fsyncs)
    for in_flight in IN_FLIGHT[1:]:
        messages, sent, fsyncs = batched(engine, options, wire_bytes, COUNT_SEED, in_flight)
        yield f"batch.messages.{in_flight}", exact(messages)
        yield f"batch.bytes.{in_flight}", exact(sent)
        yield f"batch.fsyncs.{in_flight}", exact(fsyncs)
    messages, sent, kinds = idle(engine, options, wire_bytes, COUNT_SEED)
    yield "idle.messages", exact(messages)
    yield "idle.bytes", exact(sent)
    yield "idle.kinds", ", ".join(f"{kind} {count / kinds.total():.0%}" for kind, count in sorted(kinds.items())) or "none"
    yield from _reads(one, cost("read", True), cost("read", False), cost("lease", True))


def _reads(one: Subject, read: Cost, elsewhere: Cost, lease: Cost) -> Iterator[tuple[str, Cell]]:
    yield "read.promise", "an entry in the log" if read.fsyncs else "a round of messages" if read.messages else "the asked node alone"
    yield "read.delays", exact(read.delays)
    yield "read.messages", exact(read.messages)
    yield "read.delays.other", exact(elsewhere.delays)
    yield "read.messages.other", exact(elsewhere.messages)
    yield "read.fsyncs", exact(read.fsyncs)
    yield "lease.messages", exact(lease.messages)
    ticks = getattr(one.options, "lease_ticks", 0) if one.engine.lease is not None else 0
    yield "lease.bound", exact(ticks * TICK_MS) if ticks else "no lease"


def _election(one: Subject, step: Step) -> Iterator[tuple[str, Cell]]:
    way, nodes = step.argument.split()
    found = [
        crash(one.engine, one.options, wire_bytes, seed, nodes=int(nodes), closes=way == "closed") for seed in range(step.effort.seeds)
    ]
    key = f"election.{way}.{nodes}"
    yield f"{key}.ms", of(each.elected_ns / MILLISECOND for each in found)
    yield f"{key}.served", of(each.served_ns / MILLISECOND for each in found)
    yield f"{key}.messages", of(each.messages for each in found)
    yield f"{key}.rounds", of(each.rounds for each in found)


def _lag(one: Subject, step: Step) -> Iterator[tuple[str, Cell]]:
    nodes, lag = map(int, step.argument.split())
    found: list[Election] = [
        crash_with_lag(one.engine, one.options, wire_bytes, seed, nodes=nodes, lag=lag) for seed in step.effort.lag_seeds(lag)
    ]
    yield f"lag.{nodes}.{lag}.served", of((each.served_ns - each.elected_ns) / MILLISECOND for each in found)
    yield f"lag.{nodes}.{lag}.aligned", of((each.aligned_ns - each.elected_ns) / MILLISECOND for each in found)


def _catch_up(one: Subject, step: Step) -> Iterator[tuple[str, Cell]]:
    seeds = range(min(step.effort.seeds, step.effort.heavy_seeds_max))
    by_snapshot, lag = step.argument == "snapshot", step.effort.catch_up_lag
    found = [catch_up(one.engine, one.options, wire_bytes, seed, by_snapshot=by_snapshot, lag=lag) for seed in seeds]
    yield f"catch.{step.argument}.ms", of(each.took_ns / MILLISECOND for each in found)
    yield f"catch.{step.argument}.messages", of(each.messages for each in found)
    yield f"catch.{step.argument}.kib", of(each.bytes / 1024 for each in found)


def _partition(one: Subject, step: Step) -> Iterator[tuple[str, Cell]]:
    [shape] = [shape for shape in SHAPES if shape.name == step.argument]
    seeds = range(min(step.effort.seeds, step.effort.shape_seeds_max))
    found = [behaviour(one.engine, one.options, wire_bytes, seed, shape) for seed in seeds]
    key = f"cut.{shape_key(shape.name)}"
    yield f"{key}.available", of(100 * each.available for each in found)
    yield f"{key}.gap", of(each.gap_ms for each in found)
    yield f"{key}.changes", of(each.changes for each in found)
    if shape is ALONE:
        yield "cut.disks", exact(min(each.disks for each in found))
    leaders = Counter(each.leader for each in found)
    yield (
        f"{key}.leader",
        next(iter(leaders)) if len(leaders) == 1 else ", ".join(f"{count} {name}" for name, count in sorted(leaders.items())),
    )


_MEASURES: dict[str, Callable[[Subject, Step], Iterator[tuple[str, Cell]]]] = {
    "commits": _commits,
    "election": _election,
    "lag": _lag,
    "catch-up": _catch_up,
    "partition": _partition,
}
