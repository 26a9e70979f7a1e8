"""A whole cluster in one process: real nodes, real clients, and everything around them simulated.

The rule it keeps: what happens is a function of the seed, the settings and what the caller does, in this order.
"""

from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from hashlib import blake2b
from random import Random
from typing import TypeVar

import structlog

from quorate.cluster.client.client import Client
from quorate.cluster.client.timing import Cancellable
from quorate.cluster.runtime.config import DEFAULT_GROUP
from quorate.cluster.runtime.engines import make_core
from quorate.cluster.runtime.replica import Replica
from quorate.cluster.runtime.surroundings import MakeCore
from quorate.cluster.simulation.host import Host
from quorate.cluster.simulation.loop import Process, SimulatedLoop
from quorate.cluster.simulation.settings import QUIET, RunSettings
from quorate.cluster.simulation.streams import SimulatedStreams
from quorate.cluster.simulation.trace import Trace
from quorate.protocols.core import NodeId
from quorate.protocols.sessions import NONCE_BYTES
from quorate.protocols.simulation.policy import Rule
from quorate.protocols.simulation.schedule import MILLISECOND, SECOND, Schedule
from quorate.protocols.simulation.shapes import Pair

T = TypeVar("T")

# How often a wait looks whether it is over.
LOOK_NS = 10 * MILLISECOND


class NotInTime(AssertionError):
    """What the cluster owes did not come."""


class SimulatedTiming:
    """The client's time."""

    def __init__(self, loop: SimulatedLoop) -> None:
        self._loop = loop

    def now_ms(self) -> int:
        return self._loop.now_ns // MILLISECOND

    def call_later(self, delay_ms: int, callback: Callable[[], object]) -> Cancellable:
        return self._loop.after(delay_ms * MILLISECOND, callback)


class SimulatedCluster:
    """Hosts "n1", "n2", ...; clients "c1", "c2", ... Use it as a context manager: it borrows the log of the process."""

    def __init__(self, seed: int, settings: RunSettings | None = None, *, core: MakeCore = make_core, trace: bool = False) -> None:
        self.seed = seed
        self.settings = settings or RunSettings()
        self.schedule = Schedule(Random(f"{seed}/schedule"))
        self.loop = SimulatedLoop(self.schedule)  # type: ignore[abstract]  # what asyncio leaves open, the fence closes
        self.trace = Trace(self.schedule, on=trace)
        self.streams = SimulatedStreams(seed, self.loop, self.settings.rule, self.trace.arrives)
        self.loop.streams = self.streams
        self.hosts: dict[NodeId, Host] = {}
        self.clients: dict[str, Client] = {}
        for number in range(1, self.settings.nodes + 1):
            host = Host(seed, number, self.settings, self.loop, self.streams, self.trace, core)
            self.hosts[host.name] = host

    def __enter__(self) -> "SimulatedCluster":
        self._logging = structlog.get_config()
        structlog.configure(processors=[structlog.contextvars.merge_contextvars, structlog.processors.add_log_level, self.trace.log])
        return self

    def __exit__(self, *exception: object) -> None:
        self.loop.close()
        structlog.configure(**self._logging)

    # What a test or a nemesis does.

    def start(self) -> None:
        for host in self.hosts.values():
            host.start()

    def cut(self, pairs: list[Pair]) -> None:
        self.streams.network.cut(pairs)

    def set(self, pairs: list[Pair], rule: Rule) -> None:
        self.streams.network.set(pairs, rule)

    def mend(self, pairs: list[Pair] | None = None) -> None:
        """These links between nodes, or all of them, are as at first."""
        self.streams.network.set(self.links() if pairs is None else pairs, self.settings.rule)

    def links(self) -> list[Pair]:
        return [(one, other) for one in self.hosts for other in self.hosts if one != other]

    def heal(self) -> None:
        """Every node runs on a sound disk, and sees all the others. A node that had failed starts again."""
        sound = Rule(self.settings.rule.delay_ns, self.settings.rule.jitter_ns)
        self.streams.network.set(self.links(), sound)
        for host in self.hosts.values():
            host.has_slow_disk = False
            host.disk.crash_at = None if host.is_up else host.disk.crash_at
            host.resume()
            if host.is_up and (host.disk.faults.fail_sync is not None or self.failure(host)):
                host.crash(in_silence=False)
            if not host.is_up:
                host.start()

    def client(self, name: str, *, exactly_once: bool = True) -> tuple[Client, Process]:
        """A client on a machine of its own, whose links lose nothing."""
        rng = Random(f"{self.seed}/{name}")
        for host in self.hosts:
            self.streams.network.set([(name, host), (host, name)], QUIET)
        process = self.loop.process(name)
        addresses = [host.address for host in self.hosts.values()]
        client = Client(
            addresses,
            timing=SimulatedTiming(self.loop),
            rng=rng,
            timeout=self.settings.timeout_ms / 1000,
            exactly_once=exactly_once,
            make_nonce=lambda: rng.randbytes(NONCE_BYTES),
        )
        self.clients[name] = client
        return client, process

    # Time.

    def run(self, work: Coroutine[object, object, T]) -> T:
        return self.loop.run_until_complete(work)

    def run_for(self, ns: int) -> None:
        self.run_until(lambda: False, ns)

    def run_until(self, is_over: Callable[[], bool], limit_ns: int) -> bool:
        """Let things happen until it is over, or for so long. Whether it is."""

        async def wait() -> bool:
            until = self.loop.now_ns + limit_ns
            while not is_over():
                if self.loop.now_ns >= until:
                    return False
                woken = self.loop.create_future()
                self.loop.after(min(LOOK_NS, until - self.loop.now_ns), woken.set_result, None)
                await woken
            return True

        return self.run(wait())

    # What can be seen from above.

    @property
    def groups(self) -> tuple[str, ...]:
        return DEFAULT_GROUP, *self.settings.group_names

    def replicas(self, group: str = DEFAULT_GROUP) -> Iterator[Replica]:
        """Of the nodes that serve."""
        for host in self.hosts.values():
            if host.is_up and host.node is not None and group in host.node.groups:
                yield host.node.groups[group].replica

    def leader(self, group: str = DEFAULT_GROUP) -> NodeId | None:
        """Who leads the highest term, if anybody leads."""
        leading = [replica for replica in self.replicas(group) if not replica.failure and replica.core.leader == replica.node]
        return max(leading, key=lambda replica: replica.core.status.term).node if leading else None

    def failure(self, host: Host) -> str:
        replicas = [replica for group in self.groups for replica in self.replicas(group) if replica.node == host.name]
        return next((replica.failure for replica in replicas if replica.failure), "")

    def has_converged(self) -> bool:
        """All nodes serve, and have applied the same in every group."""
        return all(self._has_converged(group) for group in self.groups)

    def _has_converged(self, group: str) -> bool:
        applied = [(replica.applier.index, replica.core.status.last) for replica in self.replicas(group)]
        return len(applied) == len(self.hosts) and len({index for pair in applied for index in pair}) == 1

    def states(self) -> dict[NodeId, str]:
        """The hash of each node's state, as a snapshot would hold it."""
        images = dict.fromkeys(self.hosts, b"")
        for group in self.groups:
            for replica in self.replicas(group):
                images[replica.node] += b"".join(replica.applier.machine.freeze()())
        return {name: blake2b(image, digest_size=8).hexdigest() for name, image in images.items() if image}


@contextmanager
def quiet_cluster(seed: int, settings: RunSettings | None = None) -> Iterator[SimulatedCluster]:
    """A started cluster that has a leader."""
    with SimulatedCluster(seed, settings) as cluster:
        cluster.start()
        if not cluster.run_until(lambda: cluster.leader() is not None, 30 * SECOND):
            raise NotInTime("no leader within 30 s")
        yield cluster
