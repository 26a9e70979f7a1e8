"""One seed from beginning to end: load under faults, then everything is healed, then the cluster owes progress and agreement.

The rule it keeps: what a run says depends on the seed (and the settings and parts handed in) alone. A run finds a violation in
one of these ways: a node that ends by itself or whose replica stops without a failed disk, an error that nobody caught, no
progress or no agreement after the healing, a lease that outlives its TTL, a watch that misses, repeats or disorders, a history
that is not linearizable.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from quorate.cluster.replicated_log import Consistency
from quorate.cluster.runtime.engines import make_core
from quorate.cluster.runtime.surroundings import MakeCore
from quorate.cluster.simulation.cluster import SimulatedCluster
from quorate.cluster.simulation.nemesis import Nemesis
from quorate.cluster.simulation.settings import RunSettings, swarm
from quorate.cluster.simulation.workload import GROUP_KEY, LEASE_TTL_S, Habits, Workload
from quorate.cluster.verify.history import History
from quorate.cluster.verify.recorded_client import RecordedClient
from quorate.cluster.verify.verdict import Answer, Verdict
from quorate.protocols.simulation.schedule import SECOND

PROGRESS_NS_MAX = 10 * SECOND
"""After the healing a write is acknowledged by then. Connections that were cut off are given up after five seconds."""
AGREEMENT_NS_MAX = 20 * SECOND
"""After the last request all nodes have the same state by then, expired leases included."""

Check = Callable[[History], Verdict]


@dataclass(slots=True)
class Result:
    """What a run found, and how much happened."""

    seed: int
    settings: RunSettings
    violation: str = ""
    """Empty, or what no sound cluster does: the kind, a colon, the facts."""
    trace_hash: str = ""
    virtual_ns: int = 0
    calls: int = 0
    """Callbacks of the event loop: what is meant by events."""
    frames: int = 0
    operations: dict[str, int] = field(default_factory=dict)
    """By "function outcome"."""
    faults: dict[str, int] = field(default_factory=dict)
    events: dict[str, int] = field(default_factory=dict)
    """How often the nodes logged what."""
    lives: int = 0
    """Starts of nodes."""
    group_histories: dict[str, History] = field(default_factory=dict)
    """Of the groups beside the default one."""
    history: History = field(default_factory=lambda: History(()))
    verdict: Verdict | None = None
    lines: list[str] = field(default_factory=list)
    """The trace, where it was asked for."""

    @property
    def replay(self) -> str:
        return f"python -m quorate.cluster.simulation --first-seed {self.seed} --seeds 1 --trace"


class _Violation(Exception):
    """Ends a run."""


def run(
    seed: int,
    settings: RunSettings | None = None,
    *,
    check: Check | None = None,
    core: MakeCore = make_core,
    habits: Habits | None = None,
    trace: bool = False,
) -> Result:
    """One run. `core` and `habits` are what the tests replace by broken ones."""
    settings = settings or swarm(seed)
    with SimulatedCluster(seed, settings, core=core, trace=trace) as cluster:
        workload = Workload(cluster, habits or Habits())
        nemesis = Nemesis(cluster, workload.ask)
        result = Result(seed, settings)
        try:
            _phases(cluster, workload, nemesis)
        except _Violation as violation:
            result.violation = str(violation)
        result.trace_hash = cluster.trace.hash
        result.virtual_ns = cluster.loop.now_ns
        result.calls = cluster.loop.call_count
        result.frames = cluster.streams.network.sent
        result.operations = workload.counts
        result.faults = nemesis.counts
        result.events = cluster.trace.events
        result.lives = sum(host.life for host in cluster.hosts.values())
        result.history = workload.recorder.history()
        result.group_histories = {group: recorder.history() for group, recorder in workload.group_recorders.items()}
        result.lines = cluster.trace.lines
    if check is not None:
        result.verdict = check(result.history)
        if result.verdict.answer is Answer.INVALID and not result.violation:
            result.violation = f"history: {result.verdict.reason}"
        for group, history in result.group_histories.items():
            if (verdict := check(history)).answer is Answer.INVALID and not result.violation:
                result.violation = f"history of {group}: {verdict.reason}"
    return result


def _phases(cluster: SimulatedCluster, workload: Workload, nemesis: Nemesis) -> None:
    cluster.start()
    workload.start()
    nemesis.start()
    cluster.run_until(lambda: _is_broken(cluster, nemesis), cluster.settings.faults_ns)
    _look(cluster)
    cluster.trace.say("--", "everything is healed")
    nemesis.stop()
    cluster.heal()
    before = workload.done("put")
    if not cluster.run_until(lambda: workload.done("put") > before, PROGRESS_NS_MAX):
        raise _Violation(f"progress: no write was acknowledged within {PROGRESS_NS_MAX // SECOND} s after the healing")
    workload.on = False
    if not cluster.run_until(lambda: not workload.running, PROGRESS_NS_MAX):
        raise _Violation(f"progress: {workload.running} operations have no end, long after their deadlines")
    cluster.run_for(round(3 * LEASE_TTL_S * SECOND))
    if not cluster.run_until(lambda: cluster.has_converged() and _caught_up(workload), AGREEMENT_NS_MAX):
        lengths = [len(seen) for seen in workload.seen]
        raise _Violation(f"agreement: {[replica.core.status for replica in cluster.replicas()]}; the watches saw {lengths} changes")
    _final_reads(cluster, workload)
    _look(cluster)
    if len(set((states := cluster.states()).values())) > 1:
        raise _Violation(f"agreement: the nodes' states differ: {states}")
    _check_watches(workload)


def _is_broken(cluster: SimulatedCluster, nemesis: Nemesis) -> bool:
    return bool(cluster.loop.problems) or any(host.failure for host in cluster.hosts.values())


def _look(cluster: SimulatedCluster) -> None:
    """Did anything break that should not?"""
    if cluster.loop.problems:
        raise _Violation(f"error: {cluster.loop.problems[0]}")
    for host in cluster.hosts.values():
        if host.failure:
            raise _Violation(f"node: {host.failure}")
        if host.is_up and host.disk.faults.fail_sync is None and (why := cluster.failure(host)):
            raise _Violation(f"node: {host.name} stopped: {why}")


def _final_reads(cluster: SimulatedCluster, workload: Workload) -> None:
    client, process = cluster.client("reader")

    async def read() -> list[bytes]:
        recorded = RecordedClient(client, workload.recorder)
        for key in range(cluster.settings.keys):
            await workload.read(recorded, f"k{key}", Consistency.LINEARIZABLE)
        for group, recorder in workload.group_recorders.items():
            await workload.read(RecordedClient(client.group(group), recorder), GROUP_KEY, Consistency.LINEARIZABLE)
        return [item.key for item in (await client.range(prefix="lease/")).items]

    reading = process.spawn(read())
    if not cluster.run_until(reading.done, PROGRESS_NS_MAX):
        raise _Violation("progress: the final reads have no end")
    if left := reading.result():
        raise _Violation(f"lease: {left} are there, though their leases ended long ago")


def _caught_up(workload: Workload) -> bool:
    """All watches have come to the same place, and to the last write that was acknowledged."""
    newest = max((revision for revision, _ in workload.written), default=0)
    places = [seen[-1][0] if seen else 0 for seen in workload.seen]
    return min(places) == max(places) >= newest


def _check_watches(workload: Workload) -> None:
    for number, seen in enumerate(workload.seen, 1):
        places = [(revision, key) for revision, key, _ in seen]
        if places != sorted(set(places)):
            raise _Violation(f"watch: client {number} saw changes twice or out of order")
        changes = {(revision, key): value for revision, key, value in seen}
        for place, value in workload.written.items():
            if changes.get(place) != value:
                raise _Violation(f"watch: {place} = {value!r} was acknowledged, client {number} saw {changes.get(place)!r}")
    if any(seen != workload.seen[0] for seen in workload.seen):
        raise _Violation("watch: two clients saw different changes")
