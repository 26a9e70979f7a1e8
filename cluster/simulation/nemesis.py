"""What goes wrong in a simulated cluster, and when: the faults of the simulator of the cores, done to whole nodes.

The rule it keeps: each strike has dice of its own, so that a strike more or less does not change the others.
"""

from collections.abc import Callable
from dataclasses import replace
from random import Random

from quorate.cluster.simulation.cluster import SimulatedCluster
from quorate.cluster.simulation.host import Host
from quorate.cluster.simulation.settings import FAULTS
from quorate.protocols.core import NodeId
from quorate.protocols.simulation import shapes
from quorate.protocols.simulation.clock import DRIFT_MAX_PPM
from quorate.protocols.simulation.policy import Rule
from quorate.protocols.simulation.schedule import MILLISECOND
from quorate.protocols.simulation.shapes import Pair, Step

PAUSE_NS_MAX = 1_500 * MILLISECOND
FLAP_NS_MAX = 200 * MILLISECOND
SWIZZLE_NS_MAX = 100 * MILLISECOND
FLAKY = Rule(MILLISECOND, 20 * MILLISECOND, 100_000, 100_000, 100_000, 50 * MILLISECOND)


class Nemesis:
    """Strikes every now and then, until `stop`."""

    def __init__(self, cluster: SimulatedCluster, ask: Callable[[str, NodeId], None]) -> None:
        self._cluster = cluster
        self._settings = cluster.settings
        self._rng = Random(f"{cluster.seed}/nemesis")
        self._ask = ask
        """Have a client ask for a "transfer" to a node, or a "snapshot" of it."""
        self.on = True
        self.strike_count = 0
        self.counts: dict[str, int] = {}
        """How often each fault struck."""
        self._acts: dict[str, Callable[[], bool | None]] = {name: getattr(self, f"_{name}") for name in FAULTS}

    def start(self) -> None:
        if self._settings.fault_ns and any(self._settings.weights.values()):
            self._next()

    def stop(self) -> None:
        self.on = False

    def _later(self, mean_ns: int, act: Callable[..., None], *args: object) -> None:
        self._cluster.schedule.after(self._rng.randrange(2 * mean_ns) + 1, act, *args)

    def _next(self) -> None:
        self._cluster.schedule.after(
            Random(f"{self._cluster.seed}/pause {self.strike_count}").randrange(2 * self._settings.fault_ns) + 1, self._strike
        )

    def _strike(self) -> None:
        if not self.on:
            return
        self.strike_count += 1
        self._rng = Random(f"{self._cluster.seed}/strike {self.strike_count}")
        weights = self._settings.weights
        name = self._rng.choices(FAULTS, [weights.get(fault, 0) for fault in FAULTS])[0]
        self._cluster.trace.say("--", name)
        if self._acts[name]() is not False:
            self.counts[name] = self.counts.get(name, 0) + 1
        self._next()

    # Whom.

    def _one(self) -> Host | None:
        """A running host; the leader's more often than its share, for that is where most can go wrong."""
        up = [host for host in self._cluster.hosts.values() if host.is_up]
        leader = self._cluster.leader()
        if leader is not None and self._rng.random() < 0.3:
            return self._cluster.hosts[leader]
        return self._rng.choice(up) if up else None

    def _shuffled(self) -> list[NodeId]:
        names = list(self._cluster.hosts)
        self._rng.shuffle(names)
        return names

    # Processes.

    def _restart(self, host: Host) -> None:
        if self.on and not host.is_up:
            host.start()

    def _crash_one(self, host: Host) -> None:
        host.crash(in_silence=self._rng.random() < 0.5)
        self._later(self._settings.repair_ns, self._restart, host)

    def _crash_one_within(self, host: Host) -> None:
        host.light_fuse()
        self._later(self._settings.repair_ns, self._restart, host)  # finds it alive if the fuse has not burnt down
        self._cluster.schedule.after(2 * self._settings.repair_ns, self._restart, host)

    def _crash(self) -> bool | None:
        host = self._one()
        if host is None:
            return False
        self._crash_one(host)
        return None

    def _crash_within(self) -> bool | None:
        host = self._one()
        if host is None:
            return False
        self._crash_one_within(host)
        return None

    def _crash_all(self) -> None:
        """The room loses its power: at one moment, or each machine at one of its disk's next steps."""
        within = self._rng.random() < 0.5
        for host in self._cluster.hosts.values():
            if host.is_up and within:
                self._crash_one_within(host)
            elif host.is_up:
                self._crash_one(host)

    def _pause(self) -> bool | None:
        host = self._one()
        if host is None or host.process is None or host.process.is_paused:
            return False
        host.pause()
        self._later(PAUSE_NS_MAX // 2, self._resume, host, host.life)
        return None

    def _resume(self, host: Host, life: int) -> None:
        if host.life == life:
            host.resume()

    def _drift(self) -> bool | None:
        host = self._one()
        if host is None:
            return False
        host.clock.drift(self._rng.randint(-DRIFT_MAX_PPM, DRIFT_MAX_PPM))
        return None

    # Links.

    def _cut(self, pairs: list[Pair]) -> bool:
        self._cluster.cut(pairs)
        if pairs and self._rng.random() < 0.7:
            self._later(4 * self._settings.repair_ns, self._mend, pairs)
        return bool(pairs)

    def _mend(self, pairs: list[Pair]) -> None:
        if self.on:
            self._cluster.mend(pairs)

    def _isolate(self) -> bool:
        names = self._shuffled()
        return self._cut(shapes.isolate(names, names[0]))

    def _isolate_leader(self) -> bool:
        leader = self._cluster.leader()
        return leader is not None and self._cut(shapes.isolate(list(self._cluster.hosts), leader))

    def _halves(self) -> bool:
        names = self._shuffled()
        at = self._rng.randint(1, len(names))
        return self._cut(shapes.halves(names[:at], names[at:]))

    def _one_way(self) -> bool:
        names = self._shuffled()
        at = self._rng.randint(1, len(names))
        return self._cut(shapes.one_way(names[:1], names[1:at]) if self._rng.random() < 0.5 else shapes.one_way(names[1:at], names[:1]))

    def _bridge(self) -> bool:
        return self._cut(shapes.bridge(self._shuffled()))

    def _ring(self) -> bool:
        return self._cut(shapes.ring(self._shuffled()))

    def _minority(self) -> bool:
        return self._cut(shapes.minority(self._shuffled()))

    def _flapping(self) -> bool:
        return self._play(shapes.flapping(self._pair(), self._rng.randrange(FLAP_NS_MAX) + 1, self._rng.randint(2, 8)))

    def _swizzle(self) -> bool:
        names = self._shuffled()
        victims = names[: self._rng.randint(1, len(names))]
        pairs = dict.fromkeys(pair for victim in victims for pair in shapes.isolate(names, victim))
        return self._play(shapes.swizzle(list(pairs), self._rng.randrange(SWIZZLE_NS_MAX) + 1, self._rng))

    def _play(self, steps: list[Step]) -> bool:
        """Cut and mend links one after the other."""
        for step in steps:
            self._cluster.schedule.after(step.after_ns, self._step, step)
        return any(step.pairs for step in steps)

    def _step(self, step: Step) -> None:
        if self.on:
            (self._cluster.cut if step.cut else self._cluster.mend)(list(step.pairs))

    def _pair(self) -> list[Pair]:
        names = self._shuffled()
        return [(names[0], names[1])] if len(names) > 1 else []

    def _flaky_link(self) -> bool:
        pairs = self._pair()
        self._cluster.set(pairs, FLAKY)
        return bool(pairs)

    def _slow_link(self) -> bool:
        pairs = self._pair()
        self._cluster.set(pairs, Rule(self._rng.choice((20, 200)) * MILLISECOND, 100 * MILLISECOND))
        return bool(pairs)

    def _thin_link(self) -> bool:
        """So little bandwidth that a busy link falls behind."""
        pairs = self._pair()
        self._cluster.set(pairs, replace(self._settings.rule, bytes_per_s=self._rng.choice((20_000, 200_000))))
        return bool(pairs)

    def _reset(self) -> bool:
        for one, other in self._pair():
            self._cluster.streams.reset(one, other)
        return len(self._cluster.hosts) > 1

    def _heal(self) -> None:
        self._cluster.mend()
        for host in self._cluster.hosts.values():
            host.has_slow_disk = False

    # Disks.

    def _slow_disk(self) -> bool | None:
        host = self._one()
        if host is None:
            return False
        host.has_slow_disk = not host.has_slow_disk
        return None

    def _fail_disk(self) -> bool | None:
        """Syncs fail from now on; whoever runs the node restarts it some time later."""
        host = self._one()
        if host is None:
            return False
        host.fail_disk()
        self._later(PAUSE_NS_MAX // 2, self._replace_process, host, host.life)
        return None

    def _replace_process(self, host: Host, life: int) -> None:
        if host.life == life and host.is_up:
            self._crash_one(host)

    # What people ask for.

    def _transfer(self) -> None:
        self._ask("transfer", self._rng.choice(list(self._cluster.hosts)))

    def _snapshot(self) -> None:
        self._ask("snapshot", self._rng.choice(list(self._cluster.hosts)))
