"""What kind of world a seed makes: how many nodes, which faults exist and how often, zero included (swarm testing).

The rule it keeps: every rate comes from the seed and from nothing else, so that a seed alone replays a run. Groce et al.,
"Swarm testing" (2012): leaving features out finds what having all of them on hides.
"""

from dataclasses import dataclass
from random import Random

from quorate.protocols.simulation.clock import DRIFT_MAX_PPM
from quorate.protocols.simulation.policy import Jitter, Rule
from quorate.protocols.simulation.schedule import MICROSECOND, MILLISECOND

# One tick of every core. Engines count timeouts in ticks, so only ratios matter.
TICK_NS = 10 * MILLISECOND

FAULTS = (
    "crash",
    "crash_within",
    "crash_at",
    "crash_loop",
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
    "corrupt_link",
    "drop_first",
    "reset",
    "heal",
    "slow_disk",
    "stall_disk",
    "fail_disk",
    "full_disk",
    "flip_bit",
    "wipe_disk",
    "drift",
    "jump",
    "transfer",
    "add_learner",
    "promote",
    "remove",
)
"""All that can go wrong or be asked for, by the names that live faults use too."""


PROFILES: dict[str, frozenset[str]] = {
    "anything": frozenset(),
    "elections": frozenset(
        {"crash", "crash_at", "crash_loop", "crash_all", "transfer", "reset", "isolate_leader", "drop_first", "one_way", "heal"}
    ),
    "leases": frozenset({"pause", "isolate_leader", "slow_link", "bridge", "reset", "transfer", "drift", "crash_at", "crash_all", "heal"}),
    "disks": frozenset({"slow_disk", "stall_disk", "fail_disk", "crash_at", "crash_within", "isolate_leader", "halves", "heal"}),
    "members": frozenset({"add_learner", "promote", "remove", "transfer", "wipe_disk", "isolate_leader", "crash", "heal"}),
}
"""What happens most in a world: rare coincidences are of faults that have something to do with each other."""

QUIET = Rule(delay_ns=200 * MICROSECOND)


@dataclass(slots=True)
class Settings:
    """One world's configuration. The defaults are a quiet one."""

    nodes: int = 3
    tick_ns: int = TICK_NS
    rule: Rule = QUIET
    turn_ns: int = 0
    """A node that is woken waits up to this long before it looks at everything that came in the meantime."""
    fsync_ns: int = 300 * MICROSECOND
    slow_fsync_ns: int = 200 * MILLISECOND
    slow_fsync_ppm: int = 0
    apply_slice: int = 0
    """At most this many entries are applied in one turn; 0 for all."""
    compact_every: int = 20
    """Entries applied between two snapshots; 0 for none."""
    snapshot_ns: int = 20 * MILLISECOND
    """A snapshot transfer takes between this and ten times as long."""
    snapshot_break_ppm: int = 0
    hint_ppm: int = 1_000_000
    """How often a peer hears at once that a connection broke."""
    clients: int = 3
    think_ns: int = 5 * MILLISECOND
    timeout_ns: int = 600 * MILLISECOND
    read_ppm: int = 400_000
    lease_ppm: int = 500_000
    """The share of the reads that ask for the lease."""
    retries: int = 3
    """How often an uncertain write is repeated before its client gives it up."""
    twice_ppm: int = 0
    """How often a write is sent to two nodes at once."""
    hasty_ppm: int = 0
    """How often a client waits a tenth of `timeout_ns` only, and repeats what is still under way."""
    late_ppm: int = 0
    """How often a request is long under way to its node."""
    nap_ppm: int = 0
    """How often a client rests longer than its session may last."""
    look_ppm: int = 0
    """How often somebody reads elsewhere as soon as a write was acknowledged."""
    fault_ns: int = 0
    """Mean time between faults; 0 for none."""
    profile: str = "anything"
    """One of PROFILES."""
    weights: tuple[int, ...] = (0,) * len(FAULTS)
    """How likely each of FAULTS is."""
    repair_ns: int = 500 * MILLISECOND
    """Mean time until a crashed node restarts."""
    mend_ns: int = 1_000 * MILLISECOND
    """Mean time until a cut link is whole again."""
    variant: int = 0
    """Seeded bits from which an engine chooses its own options."""

    @property
    def clocks_jump(self) -> bool:
        """Whether clocks may break the bound that leases rely on."""
        return self.weights[FAULTS.index("jump")] > 0


def swarm(seed: int, nodes: int | None = None) -> Settings:
    """The configuration that this seed stands for; `nodes` overrides its number of nodes."""
    rng = Random(f"{seed}/swarm")
    pick = rng.choice
    chosen = pick((1, 2, 3, 3, 3, 3, 3, 3, 3, 4, 5, 5))
    settings = Settings(nodes=chosen if nodes is None else nodes)
    settings.rule = Rule(
        delay_ns=pick((50, 200, 1_000, 5_000)) * MICROSECOND,
        jitter_ns=pick((0, 100, 1_000, 10_000, 60_000)) * MICROSECOND,
        drop_ppm=pick((0, 0, 1_000, 20_000, 100_000)),
        duplicate_ppm=pick((0, 0, 1_000, 50_000)),
        reorder_ppm=pick((0, 0, 10_000, 100_000)),
        reorder_ns=pick((1, 10, 100, 1_000)) * MILLISECOND,
        stream=pick((False, False, True)),
        jitter=pick((Jitter.UNIFORM, Jitter.UNIFORM, Jitter.NORMAL, Jitter.EXPONENTIAL, Jitter.PARETO)),
        corrupt_ppm=pick((0, 0, 0, 1_000)),
        bytes_per_s=pick((0, 0, 0, 1_000_000)),
    )
    settings.turn_ns = pick((0, 0, 100 * MICROSECOND, 5 * MILLISECOND))
    settings.fsync_ns = pick((10, 300, 3_000, 30_000)) * MICROSECOND
    settings.slow_fsync_ppm = pick((0, 0, 10_000, 100_000))
    settings.slow_fsync_ns = pick((50, 500, 3_000)) * MILLISECOND
    settings.apply_slice = pick((0, 0, 1, 3))
    settings.compact_every = pick((0, 5, 20, 100))
    settings.snapshot_ns = pick((1, 20, 200)) * MILLISECOND
    settings.snapshot_break_ppm = pick((0, 100_000, 500_000))
    settings.hint_ppm = pick((0, 500_000, 1_000_000))
    settings.clients = pick((1, 3, 8))
    settings.think_ns = pick((5, 20, 100)) * MILLISECOND
    settings.read_ppm = pick((0, 300_000, 700_000))
    settings.lease_ppm = pick((0, 500_000, 1_000_000))
    settings.hasty_ppm = pick((0, 100_000, 500_000))
    settings.retries = pick((0, 3, 20))
    settings.twice_ppm = pick((0, 0, 200_000))
    settings.late_ppm = pick((0, 0, 50_000))
    settings.nap_ppm = pick((0, 1_000, 10_000))
    settings.look_ppm = pick((0, 200_000, 1_000_000))
    settings.fault_ns = pick((50, 150, 400, 1_000)) * MILLISECOND
    settings.repair_ns = pick((10, 50, 200, 1_000)) * MILLISECOND
    settings.mend_ns = pick((150, 500, 2_000)) * MILLISECOND
    settings.profile = pick(tuple(PROFILES))
    settings.weights = _weights(PROFILES[settings.profile], rng)
    if settings.clocks_jump:
        settings.lease_ppm = 0
    elif settings.profile == "leases":
        settings.read_ppm, settings.lease_ppm, settings.look_ppm = 500_000, 800_000, pick((200_000, 1_000_000))
    settings.variant = rng.getrandbits(32)
    return settings


def _weights(favoured: frozenset[str], rng: Random) -> tuple[int, ...]:
    """Without favourites any fault may be absent, rare or frequent; with them they are frequent, and most others are absent."""
    if not favoured:
        return tuple(0 if rng.random() < 0.4 else rng.randint(1, 8) for _ in FAULTS)
    rare = tuple(rng.randint(1, 2) if rng.random() < 0.3 else 0 for _ in FAULTS)
    # A clock that jumps forbids leases altogether: that is for worlds of anything.
    return tuple(rng.randint(4, 16) if name in favoured else 0 if name == "jump" else few for name, few in zip(FAULTS, rare))


def drift_ppm(rng: Random) -> int:
    """A rate error within the bound that leases may assume."""
    return rng.randint(-DRIFT_MAX_PPM, DRIFT_MAX_PPM)
