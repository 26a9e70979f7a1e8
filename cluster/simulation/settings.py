"""What kind of run a seed makes: how many nodes, what the network and the disks are like, which faults exist and how often.

The rule it keeps: all of it comes from the seed, rates of zero included. The faults' names are those of the simulator of the cores.
"""

from dataclasses import dataclass, field
from random import Random

from quorate.cluster.runtime.config import TimingConfig
from quorate.protocols.simulation.policy import Jitter, Rule
from quorate.protocols.simulation.schedule import MICROSECOND, MILLISECOND, SECOND

FAULTS = (
    "crash",
    "crash_within",
    "crash_all",
    "pause",
    "isolate",
    "isolate_leader",
    "halves",
    "one_way",
    "bridge",
    "ring",
    "minority",
    "flapping",
    "swizzle",
    "flaky_link",
    "slow_link",
    "thin_link",
    "reset",
    "heal",
    "slow_disk",
    "fail_disk",
    "drift",
    "transfer",
    "snapshot",
)
"""`snapshot` is no fault: a node is told to take one, so that the log is cut and whoever lags needs it."""

QUIET = Rule(delay_ns=200 * MICROSECOND)
"""A network without faults; that of clients and nodes always."""


@dataclass(slots=True)
class RunSettings:
    """One run's configuration. The defaults are a quiet one."""

    nodes: int = 3
    rule: Rule = QUIET
    timing: TimingConfig = field(default_factory=lambda: TimingConfig(election_timeout_ms=300, heartbeat_ms=50, lease_ms=100))
    fsync_ns: int = 300 * MICROSECOND
    slow_fsync_ppm: int = 0
    slow_fsync_ns: int = 200 * MILLISECOND
    clients: int = 3
    workers: int = 2
    """Operations of one client at once."""
    keys: int = 3
    value_bytes: int = 8
    think_ns: int = 20 * MILLISECOND
    timeout_ms: int = 2_000
    read_share: float = 0.4
    ranges: float = 0.0
    """The share of the reads that are ranges; with any there are transactions over two keys too. Both join all keys for the checker."""
    lease_reads: float = 0.0
    """The share of the reads that the leader answers from its lease."""
    faults_ns: int = 10 * SECOND
    """How long faults and load last."""
    fault_ns: int = 0
    """Mean time between faults; 0 for none."""
    weights: dict[str, int] = field(default_factory=dict)
    repair_ns: int = 500 * MILLISECOND
    """Mean time until a dead node starts again, and four times that until a cut is mended."""
    groups: int = 0
    """Beside the default one: "g1", "g2" ... Each has a worker, and a history of its own."""

    @property
    def group_names(self) -> tuple[str, ...]:
        return tuple(f"g{number}" for number in range(1, self.groups + 1))


def swarm(seed: int) -> RunSettings:
    """The configuration that this seed stands for."""
    rng = Random(f"{seed}/runtime swarm")
    pick = rng.choice
    election_ms = pick((150, 300, 1_000))
    return RunSettings(
        nodes=pick((1, 3, 3, 3, 3, 5)),
        rule=Rule(
            delay_ns=pick((50, 200, 1_000, 5_000)) * MICROSECOND,
            jitter_ns=pick((0, 100, 1_000, 10_000)) * MICROSECOND,
            drop_ppm=pick((0, 0, 1_000, 20_000)),
            duplicate_ppm=pick((0, 0, 10_000)),
            reorder_ppm=pick((0, 0, 10_000)),
            reorder_ns=pick((1, 10, 100)) * MILLISECOND,
            jitter=pick((Jitter.UNIFORM, Jitter.UNIFORM, Jitter.NORMAL, Jitter.EXPONENTIAL, Jitter.PARETO)),
        ),
        timing=TimingConfig(election_timeout_ms=election_ms, heartbeat_ms=election_ms // 5, lease_ms=election_ms // 3),
        fsync_ns=pick((30, 300, 3_000, 20_000)) * MICROSECOND,
        slow_fsync_ppm=pick((0, 0, 10_000, 50_000)),
        slow_fsync_ns=pick((50, 500, 2_000)) * MILLISECOND,
        clients=pick((2, 3, 5)),
        workers=pick((1, 2, 4)),
        keys=pick((1, 3, 6)),
        value_bytes=pick((8, 8, 8, 500, 4_000)),
        think_ns=pick((5, 20, 60)) * MILLISECOND,
        timeout_ms=pick((500, 2_000, 5_000)),
        read_share=pick((0.2, 0.5)),
        lease_reads=pick((0.0, 0.5)),
        ranges=pick((0.0, 0.0, 0.1)),
        fault_ns=pick((100, 200, 500, 2_000)) * MILLISECOND,
        weights={name: 0 if rng.random() < 0.4 else rng.randint(1, 8) for name in FAULTS},
        repair_ns=pick((100, 500, 1_500)) * MILLISECOND,
        groups=pick((0, 0, 2)),
    )
