"""The cluster of a chaos run: one that the run starts, or a local one that runs; what must hold before, and what at the end.

The rule: nothing is injected into a cluster that is not whole. Every node is ready, the proxy stands between all of them, no link is
faulty, and whatever the scenario's faults need is switched on.
"""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import get_args

import aiohttp

from quorate.cluster.chaos.observe import Observer
from quorate.cluster.chaos.record import Fact, Fate, Flight, Replica
from quorate.cluster.chaos.scenario import Scenario
from quorate.cluster.client.status import GroupStatus
from quorate.cluster.local import LocalCluster
from quorate.cluster.local.directory import Settings, merged
from quorate.cluster.wire.errors import QuorateError

FAULTS_ON: Settings = {"faults": {"files": True, "admin": True}}
"""What is not synced is lost by kill -9; disks and clocks take orders."""
ELECTION_TIMEOUT_MS_DEFAULT = 1_000
LOOK_S = 0.1
CALIBRATION_ROUNDS = 400
CALIBRATION_S_MAX = 30.0
FRAMES_KEPT = 100_000
"""Of three nodes under this load: about a minute, and 35 megabytes."""
BEFORE_MS, AFTER_MS = 400.0, 200.0
"""Around a violation: what led to it is a few heartbeats old at most, or too old for a drawing."""
FLIGHTS_MAX = 3_000
NS_PER_MS = 1_000_000
FATES: tuple[Fate, ...] = get_args(Fate)
DIGEST_MS_MAX = 10_000
DIGEST_ATTEMPTS = 20
"""A session that keeps itself alive, or a lease that ends, may write between two questions."""


class NotStanding(QuorateError):
    """The cluster is not one that faults may be injected into; nothing was injected."""


class Stand:
    """The cluster under test."""

    def __init__(self, cluster: LocalCluster, *, is_ours: bool) -> None:
        self.cluster = cluster
        self.is_ours = is_ours
        """Started by the run, and ended with it."""

    @classmethod
    def of(cls, scenario: Scenario, engine: str, directory: Path) -> "Stand":
        """A new one, behind a proxy; nothing runs yet."""
        settings = merged(scenario.settings, FAULTS_ON)
        return cls(LocalCluster.create(directory, nodes=scenario.nodes, engine=engine, settings=settings, proxied=True), is_ours=True)

    @classmethod
    def running(cls, scenario: Scenario, engine: str, directory: Path) -> "Stand":
        """One that `quorate up --proxy` keeps. NotStanding if it is not what the scenario needs."""
        cluster = LocalCluster.open(directory, attached=False)
        record = cluster.record
        if record.proxy is None:
            raise NotStanding(f"the cluster in {directory} has no fault proxy; begin it anew with `quorate up --proxy`")
        if engine and record.engine != engine:
            raise NotStanding(f"the cluster in {directory} runs {record.engine}, not {engine}")
        if len(record.nodes) != scenario.nodes:
            raise NotStanding(f"{scenario.name} is for {scenario.nodes} nodes; the cluster in {directory} has {len(record.nodes)}")
        faults = record.settings.get("faults", {})
        missing = [name for name in ("files", "admin") if not isinstance(faults, Mapping) or not faults.get(name)]
        if missing:
            what = " and ".join(missing)
            raise NotStanding(f"the cluster in {directory} takes no faults of {what}; begin it anew with `quorate up --proxy --faults`")
        return cls(cluster, is_ours=False)

    @property
    def names(self) -> tuple[str, ...]:
        return self.cluster.names

    @property
    def engine(self) -> str:
        return self.cluster.record.engine

    @property
    def addresses(self) -> dict[str, str]:
        """Where clients reach each node."""
        return {name: node.client for name, node in self.cluster.record.nodes.items()}

    @property
    def election_timeout_ms(self) -> float:
        timing = self.cluster.record.settings.get("timing", {})
        told = timing.get("election_timeout_ms") if isinstance(timing, Mapping) else None
        return float(told) if isinstance(told, int) else ELECTION_TIMEOUT_MS_DEFAULT

    @property
    def control(self) -> str:
        """Of the proxy."""
        proxy = self.cluster.record.proxy
        assert proxy is not None, self.cluster.record
        return proxy.control

    async def begin(self) -> None:
        """Until every node is ready and a leader is known. NotReady, NotStanding."""
        if self.is_ours:
            await asyncio.to_thread(self.cluster.start)
        elif down := [name for name in self.names if not self.cluster.is_running(name)]:
            raise NotStanding(f"{', '.join(down)} of the cluster does not run; start it with `quorate start {' '.join(down)}`")
        await asyncio.to_thread(self.cluster.wait_ready, *self.names)
        await asyncio.to_thread(self.cluster.wait_leader)

    async def end(self) -> None:
        """What was started is ended."""
        if self.is_ours:
            await asyncio.to_thread(self.cluster.kill)
            await asyncio.to_thread(self.cluster.proxy.stop)

    async def check_links(self) -> None:
        """NotStanding while any fault lives, or a frame does not pass."""
        living = await self._control("GET", "/faults")
        if isinstance(living, list) and living:
            raise NotStanding(f"faults live already: {', '.join(str(each['id']) for each in living)}; `quorate chaos heal` ends them")
        healed = await self._control("POST", "/heal", {})
        if not isinstance(healed, dict) or not healed.get("healed"):
            raise NotStanding(f"not every link of the proxy is open: {healed!r:.300}")

    async def calibration(self) -> dict[str, Fact]:
        """What an idle link costs here and now."""
        told = await self._control("POST", "/calibrate", {"rounds": CALIBRATION_ROUNDS})
        return {str(name): fact for name, fact in told.items()} if isinstance(told, dict) else {}

    async def keep_frames(self) -> None:
        """From now on the proxy keeps what becomes of every frame between nodes."""
        await self._control("PUT", "/frames", {"keep": FRAMES_KEPT, "links": ["*"]})

    async def frames(self, around_ms: float, began_ns: int) -> tuple[tuple[Flight, ...], str]:
        """Those sent around that moment of the run; and a sentence if some of them are no longer kept."""
        low, high = (began_ns + round((around_ms + by) * NS_PER_MS) for by in (-BEFORE_MS, AFTER_MS))
        told = await self._control("GET", f"/frames?from_ns={low}&until_ns={high}")
        rows = told.get("frames") if isinstance(told, dict) else None
        if not isinstance(rows, list) or not rows:
            return (), "The frames around the violation are no longer kept by the proxy."
        kept = tuple(_flight(row, began_ns) for row in rows[:FLIGHTS_MAX])
        left = len(rows) - len(kept)
        return kept, f"{left:,} more frames around the violation are not shown." if left else ""

    async def _control(self, verb: str, path: str, body: Mapping[str, object] | None = None) -> object:
        timeout = aiohttp.ClientTimeout(CALIBRATION_S_MAX)
        try:
            async with (
                aiohttp.ClientSession(timeout=timeout) as http,
                http.request(verb, f"http://{self.control}{path}", json=body) as answer,
            ):
                answered: object = await answer.json()
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise NotStanding(f"the fault proxy at {self.control} does not answer: {error or 'too slow'}") from None
        if answer.status >= 400:
            raise NotStanding(f"the fault proxy refuses {path}: {answered!r:.300}")
        return answered

    async def converge(self, observer: Observer, within_s: float) -> str:
        """Until all nodes follow one leader and have applied all that is committed; else, at the deadline, why not."""
        try:
            async with asyncio.timeout(within_s):
                while True:
                    groups = dict(zip(self.names, await asyncio.gather(*map(observer.group, self.names)), strict=True))
                    problem = unconverged(groups)
                    if not problem:
                        return ""
                    await asyncio.sleep(LOOK_S)
        except TimeoutError:
            return f"after {within_s:g} s {problem}"

    async def replicas(self, observer: Observer) -> dict[str, Replica]:
        """The digest of every node at one index. QuorateError if a node does not tell, or they never stand at one."""
        for _ in range(DIGEST_ATTEMPTS):
            told = await asyncio.gather(*(observer.ask(name, "digest", "default", within_ms=DIGEST_MS_MAX) for name in self.names))
            found = {name: _replica(each) for name, each in zip(self.names, told, strict=True)}
            if len({replica.index for replica in found.values()}) == 1:
                return found
            await asyncio.sleep(LOOK_S)
        stand = ", ".join(f"{name} {replica.index}" for name, replica in found.items())
        raise NotStanding(f"the nodes never stood at one index: {stand}")


def unconverged(groups: Mapping[str, GroupStatus | None]) -> str:
    """What is missing, in words; empty if nothing is."""
    silent = [name for name, group in groups.items() if group is None]
    if silent:
        return f"{', '.join(silent)} did not answer"
    seen = {name: group for name, group in groups.items() if group is not None}
    leaders = [name for name, group in seen.items() if group.role == "leader"]
    if len(leaders) != 1:
        return f"{', '.join(leaders) or 'nobody'} led"
    if strangers := [name for name, group in seen.items() if group.leader != leaders[0]]:
        return f"{', '.join(strangers)} did not follow {leaders[0]}"
    members = {member.name for member in seen[leaders[0]].members if member.voter}
    if missing := [name for name in seen if name not in members]:
        return f"{', '.join(missing)} had no vote"
    behind = [f"{name} at {group.applied} of {group.commit}" for name, group in seen.items() if group.applied < group.commit]
    if behind or len({group.applied for group in seen.values()}) > 1:
        return "not all had applied everything: " + ", ".join(f"{name} at {group.applied}" for name, group in seen.items())
    return ""


def _flight(row: object, began_ns: int) -> Flight:
    match row:
        case [str(link), str(kind), int(term), int(number), int(sent_ns), int() | None as arrived_ns, str(fate)]:
            arrived_ms = None if arrived_ns is None else (arrived_ns - began_ns) / NS_PER_MS
            known: Fate = next((each for each in FATES if each == fate), "held")  # what is still under way waits for something
            return Flight(link, kind, term, number, (sent_ns - began_ns) / NS_PER_MS, arrived_ms, known)
    raise NotStanding(f"no frame: {row!r:.100}")


def _replica(told: object) -> Replica:
    match told:
        case {"index": int(index), "digest": str(digest)}:
            return Replica(index, digest)
    raise NotStanding(f"no digest: {told!r:.100}")
