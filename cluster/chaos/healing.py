"""Putting a live cluster right: whatever is broken and whoever broke it.

The rule: it looks at what is the case, not at what was done, so it may be repeated, and helps after a run that was killed. It ends when
every link passes a probe, every node runs, is ready, and is a voter with the disk that it has; what it could not reach, it says.
"""

import asyncio
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from quorate.cluster.chaos.control import Control
from quorate.cluster.chaos.device_acts import revive
from quorate.cluster.chaos.member_acts import GROUP, MemberActs
from quorate.cluster.chaos.patience import thoroughly
from quorate.cluster.chaos.process_acts import ProcessActs
from quorate.cluster.chaos.switches import NoSwitches, Switches
from quorate.cluster.client.status import NodeStatus
from quorate.cluster.local import LocalCluster
from quorate.cluster.wire.errors import QuorateError

HEAL_S = 60.0
"""For nodes to start, to elect, and for a replaced one to catch up, on a busy machine with two cores."""
POLL_S = 0.1


@dataclass(slots=True)
class Healed:
    """What was wrong, by the names of nodes, and whether all is well now."""

    healed: bool = False
    links: list[str] = field(default_factory=list)
    """Transactions of the proxy that were ended."""
    probed: int = 0
    """Links that passed a probe."""
    resumed: list[str] = field(default_factory=list)
    started: list[str] = field(default_factory=list)
    revived: list[str] = field(default_factory=list)
    """Started anew, because they had given their disk up."""
    disks: list[str] = field(default_factory=list)
    clocks: list[str] = field(default_factory=list)
    replaced: list[str] = field(default_factory=list)
    """Their damaged disk is set aside, and they are members with another."""
    rejoined: list[str] = field(default_factory=list)
    """Members again, or voters again."""
    problems: list[str] = field(default_factory=list)
    took_ms: int = 0


class Healing:
    """One healing."""

    def __init__(
        self, cluster: LocalCluster, control: Control | None, switches: Switches, processes: ProcessActs, members: MemberActs
    ) -> None:
        self._cluster, self._control, self._switches = cluster, control, switches
        self._processes, self._members = processes, members
        self._done = Healed()

    async def run(self) -> Healed:
        done, began = self._done, time.monotonic()
        done.resumed += await self._processes.heal()
        # The proxy is started with them, if it is gone.
        done.started += await thoroughly(self._cluster.start)
        await self._free_links()
        for name in self._cluster.names:
            await self._mend_devices(name)
        deadline = began + HEAL_S
        while (wrong := await self._wrong()) and time.monotonic() < deadline:
            for name, why in wrong.items():
                await self._help(name, why)
            await asyncio.sleep(POLL_S)
        done.problems += [f"{name}: {why}" for name, why in wrong.items()]
        await self._probe_links()
        done.healed = not done.problems
        done.took_ms = round((time.monotonic() - began) * 1000)
        return done

    async def _free_links(self) -> None:
        if self._control is None:
            return
        deadline = time.monotonic() + HEAL_S
        while True:
            try:
                ended = (await self._control.heal(verify=False)).get("transactions")
            except QuorateError:
                if time.monotonic() >= deadline:
                    raise
                await asyncio.sleep(POLL_S)  # it has only just been started
                continue
            self._done.links += list(ended) if isinstance(ended, dict) else []
            return

    async def _probe_links(self) -> None:
        if self._control is None:
            return
        answer = await self._control.heal()
        probes = answer.get("probes")
        for probe in probes if isinstance(probes, list) else []:
            if probe["open"] and probe["destination_up"]:
                self._done.probed += 1
            else:
                self._done.problems.append(f"link {probe['link']}: {probe['problem'] or 'its destination does not answer'}")
        still = answer.get("still_faulty")
        self._done.problems += [f"link {link}: still ruled by {by}" for link, by in still.items()] if isinstance(still, dict) else []

    async def _mend_devices(self, name: str) -> None:
        # A node that is only just starting has sound ones; one without the switches has no others.
        with suppress(QuorateError, NoSwitches):
            condition = await self._switches.condition(name)
            if condition.disk:
                self._done.disks.append(name)
            if condition.clock_offset_ms or condition.clock_drift_ppm:
                self._done.clocks.append(name)
            if not condition.sound:
                await self._switches.heal(name)

    async def _wrong(self) -> dict[str, str]:
        """What is not as it should be, by node."""
        said = await thoroughly(self._cluster.statuses)
        return {name: why for name in self._cluster.names if (why := self._why(name, said))}

    def _why(self, name: str, said: dict[str, NodeStatus | None]) -> str:
        mine = said[name]
        if not self._cluster.is_running(name):
            return "does not run"
        if mine is None:
            return "does not answer"
        groups = [each.groups[GROUP] for each in said.values() if each is not None and GROUP in each.groups]
        leader = max((group for group in groups if group.role == "leader"), key=lambda group: group.term, default=None)
        if leader is None:
            return "nobody leads"
        if not self._cluster.record.nodes[name].join:
            member = next((member for member in leader.members if member.name == name), None)
            if member is None:
                return "is no member"
            if member.storage != mine.storage:
                return "has another disk than the cluster knows"
            if not member.voter:
                return "does not vote yet" if member.promote else "is a learner"
        return "" if mine.ready else mine.ready_detail or "is not ready"

    async def _help(self, name: str, why: str) -> None:
        """One step; what it does not mend is looked at again."""
        with suppress(QuorateError):
            match why:
                case "does not run":
                    (self._done.replaced if await self._members.bring_up(name) else self._done.started).append(name)
                case "is no member" | "has another disk than the cluster knows":
                    await self._members.bring_back(name)
                    self._done.rejoined.append(name)
                case "is a learner":
                    await self._members.promote(name)
                    self._done.rejoined.append(name)
                case _:
                    if await revive(self._cluster, name):
                        self._done.revived.append(name)


def sentences(done: Healed) -> Sequence[str]:
    """For people."""
    found = [
        f"{what}: {', '.join(dict.fromkeys(names))}."
        for what, names in (
            ("Faults of links ended", done.links),
            ("Go on again", done.resumed),
            ("Started", done.started),
            ("Started anew, because they had given their disk up", done.revived),
            ("Disks mended", done.disks),
            ("Clocks set right", done.clocks),
            ("Members with another disk; the damaged one is set aside in data.damaged", done.replaced),
            ("Members or voters again", done.rejoined),
        )
        if names
    ]
    found += [f"Not healed: {problem}" for problem in done.problems]
    probed = f"{done.probed} links answered a probe, " if done.probed else ""
    end = f"All well: {probed}every node is ready ({done.took_ms / 1000:.1f} s)." if done.healed else "Not all is well."
    return [*(found or ["Nothing was broken."]), end]
