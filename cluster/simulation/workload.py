"""Clients of a simulated cluster: keys read, written, swapped, deleted and joined, leases that come and go, a watch that must see all.

The rule it keeps: what a client was told is recorded as it was told; what it was not told stays unknown.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from random import Random

from quorate.cluster.client import transaction as txn
from quorate.cluster.client.client import Client
from quorate.cluster.client.timing import sleep
from quorate.cluster.replicated_log import Consistency
from quorate.cluster.service import commands
from quorate.cluster.service.results import decode_lease_grant
from quorate.cluster.simulation.cluster import SimulatedCluster, SimulatedTiming
from quorate.cluster.verify.history import Outcome
from quorate.cluster.verify.recorded_client import RecordedClient
from quorate.cluster.verify.recorder import Recorder
from quorate.cluster.wire.errors import QuorateError
from quorate.protocols.core import NodeId
from quorate.protocols.simulation.schedule import MILLISECOND

MODEL = "kv"
"""What checks the histories."""
LEASE_TTL_S = 1.0
START_PAUSE_MS = 100

Change = tuple[int, bytes, bytes | None]
"""What a watch saw: revision, key, value or None."""


@dataclass(frozen=True, slots=True)
class Habits:
    """How clients do what they do; the tests have worse ones."""

    client: Callable[[Client], Client] = lambda client: client
    """What stands before the real one."""
    exactly_once: bool = True
    """Whether they have sessions."""
    consistency: Consistency | None = None
    """Of all reads; None: what the settings say."""


GROUP_KEY = "k"
"""The one key of a further group's worker."""


class Workload:
    """All clients of a run."""

    def __init__(self, cluster: SimulatedCluster, habits: Habits) -> None:
        self._cluster = cluster
        self._settings = cluster.settings
        self._habits = habits
        self._timing = SimulatedTiming(cluster.loop)
        self.recorder = Recorder(now_ns=lambda: cluster.loop.now_ns, model=MODEL, seed=cluster.seed)
        self.group_recorders = {
            group: Recorder(now_ns=lambda: cluster.loop.now_ns, model=MODEL, seed=cluster.seed) for group in cluster.settings.group_names
        }
        """Each group's history is its own: its revisions have nothing to do with another's."""
        self.on = True
        self.running = 0
        """Workers that have not come to their end."""
        self.counts: dict[str, int] = {}
        """How many operations ended how, by "function outcome"."""
        self.written: dict[tuple[int, bytes], bytes] = {}
        """(revision, key): value of each write that was acknowledged."""
        self.seen: list[list[Change]] = []
        """By each watch."""

    def start(self) -> None:
        for number in range(1, self._settings.clients + 1):
            client, process = self._cluster.client(f"c{number}", exactly_once=self._habits.exactly_once)
            process.spawn(self._watch(client))
            for worker in range(1, self._settings.workers + 1):
                process.spawn(self._work(client, f"c{number}.{worker}"))
            process.spawn(self._lease(client, f"c{number}"))
            self.running += self._settings.workers + 1
            for group, recorder in self.group_recorders.items():
                if number == 1:
                    process.spawn(self._visit(client, group, recorder))
                    self.running += 1

    def done(self, function: str) -> int:
        return self.counts.get(f"{function} ok", 0)

    def _count(self, function: str, outcome: Outcome) -> None:
        name = f"{function} {outcome.value}"
        self.counts[name] = self.counts.get(name, 0) + 1

    async def _work(self, client: Client, name: str) -> None:
        settings, rng = self._settings, Random(f"{self._cluster.seed}/{name}")
        recorded = RecordedClient(self._habits.client(client), self.recorder)
        acts = {"put": self._put, "cas": self._swap, "delete": self._delete, "txn": self._join}
        for number in count(1):
            if not self.on:
                break
            key, value = f"k{rng.randrange(settings.keys)}", f"{name}/{number}".ljust(settings.value_bytes)
            if rng.random() < settings.read_share:
                act = "range" if rng.random() < settings.ranges else "get"
            else:
                act = rng.choices(list(acts), (6, 2, 1, 1 if settings.ranges else 0))[0]
            outcome = Outcome.OK
            try:
                if act == "get":
                    leased = rng.random() < settings.lease_reads
                    await self.read(recorded, key, Consistency.LEADER if leased else Consistency.LINEARIZABLE)
                elif act == "range":
                    await recorded.range(prefix="k", consistency=self._habits.consistency or Consistency.LINEARIZABLE)
                else:
                    await acts[act](recorded, key, value, rng)
            except QuorateError as error:
                outcome = Outcome.FAILED if error.definite else Outcome.UNKNOWN
            self._count(act, outcome)
            await sleep(self._timing, rng.randrange(2 * settings.think_ns // MILLISECOND + 1))
        self.running -= 1

    async def _visit(self, client: Client, group: str, recorder: Recorder) -> None:
        """One worker of a further group, on the connections of the first."""
        rng = Random(f"{self._cluster.seed}/{group}")
        recorded = RecordedClient(self._habits.client(client.group(group)), recorder)
        for number in count(1):
            if not self.on:
                break
            outcome = Outcome.OK
            try:
                if rng.random() < self._settings.read_share:
                    await self.read(recorded, GROUP_KEY, Consistency.LINEARIZABLE)
                else:
                    await recorded.put(GROUP_KEY, f"{group}/{number}")
            except QuorateError as error:
                outcome = Outcome.FAILED if error.definite else Outcome.UNKNOWN
            self._count(group, outcome)
            await sleep(self._timing, rng.randrange(2 * self._settings.think_ns // MILLISECOND + 1))
        self.running -= 1

    async def read(self, recorded: RecordedClient, key: str, consistency: Consistency) -> None:
        await recorded.get(key, consistency=consistency if self._habits.consistency is None else self._habits.consistency)

    async def _put(self, recorded: RecordedClient, key: str, value: str, rng: Random) -> None:
        put = await recorded.put(key, value)
        self.written[put.revision, key.encode()] = value.encode()

    async def _swap(self, recorded: RecordedClient, key: str, value: str, rng: Random) -> None:
        """Expects what it has just read."""
        item = await recorded.get(key)
        expected = None if item is None else item.mod_revision if rng.random() < 0.5 else item.text
        swap = await recorded.compare_and_swap(key, expected=expected, value=value)
        if swap.succeeded:
            self.written[swap.revision, key.encode()] = value.encode()

    async def _delete(self, recorded: RecordedClient, key: str, value: str, rng: Random) -> None:
        await recorded.delete(key)

    async def _join(self, recorded: RecordedClient, key: str, value: str, rng: Random) -> None:
        """Two keys at once, if the first is there."""
        other = f"k{rng.randrange(self._settings.keys)}"
        await recorded.transaction([txn.exists(key)], [txn.put(other, value), txn.get(key)], [txn.put(key, value), txn.get(other)])

    async def _watch(self, client: Client) -> None:
        seen: list[Change] = []
        self.seen.append(seen)
        while True:
            try:
                async for event in client.watch(prefix="k", from_revision=1):
                    seen.append((event.revision, event.key, None if event.current is None else event.current.value))
            except QuorateError:
                assert not seen, "a watch that has begun goes on by itself"
                await sleep(self._timing, START_PAUSE_MS)

    async def _lease(self, client: Client, name: str) -> None:
        """Leases that are given back, and leases that nobody keeps alive: the keys of both must go."""
        for number in count(1):
            if not self.on:
                break
            key = f"lease/{name}/{number}"
            try:
                if number % 2:
                    async with client.lease(ttl=LEASE_TTL_S) as lease:
                        await client.put(key, "held", lease=lease)
                        await sleep(self._timing, round(LEASE_TTL_S * 2_000))
                else:
                    grant = commands.encode(commands.lease_grant(round(LEASE_TTL_S * 1_000)))
                    granted = decode_lease_grant(await client.propose(grant, timeout=self._settings.timeout_ms / 1_000))
                    await client.put(key, "forgotten", lease=granted.id)
                self._count("lease", Outcome.OK)
            except QuorateError:
                self._count("lease", Outcome.FAILED)
                await sleep(self._timing, START_PAUSE_MS)
        self.running -= 1

    def ask(self, what: str, name: NodeId) -> None:
        """The nemesis wants something done by a client."""
        client = self._cluster.clients["c1"]
        process = next(process for process in self._cluster.loop.processes if process.name == "c1")
        process.spawn(self._asked(client, what, name))

    async def _asked(self, client: Client, what: str, name: NodeId) -> None:
        outcome = Outcome.OK
        try:
            if what == "transfer":
                await client.transfer_leadership(to=name)
            else:
                await client.snapshot(name)
        except QuorateError:
            outcome = Outcome.FAILED
        self._count(what, outcome)
