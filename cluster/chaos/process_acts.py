"""What faults of processes do on a live cluster: kill, stop, restart, pause.

The rule: a paused process goes on at the end of its time even if whoever paused it was killed (see keeper). A process that was ended is
started again by `end` alone.
"""

import time
from contextlib import suppress

from quorate.cluster.chaos.keeper import Keeper
from quorate.cluster.chaos.node_faults import Kill, Pause, Restart, Stop
from quorate.cluster.chaos.ongoing import Ongoing
from quorate.cluster.chaos.patience import thoroughly
from quorate.cluster.chaos.switches import Switches
from quorate.cluster.chaos.units import NotAFault
from quorate.cluster.chaos.vocabulary import OnProcesses
from quorate.cluster.local import LocalCluster, LocalError
from quorate.cluster.wire.errors import Unavailable

LOSE_STALL_MS = 200
"""So long the disk stalls before a crash that is to lose something: a loaded node writes every few milliseconds."""
DEATH_S = 5.0
"""For a process to end that is about to; then it is helped."""
POLL_S = 0.005


class ProcessActs:
    def __init__(self, cluster: LocalCluster, switches: Switches) -> None:
        self._cluster = cluster
        self._switches = switches
        self._keepers: dict[str, Keeper] = {}

    async def begin(self, ongoing: Ongoing, fault: OnProcesses) -> None:
        for name in ongoing.nodes:
            if not self._cluster.is_running(name):
                raise NotAFault(f"{fault.verb}: {name} is not running; start it with `quorate start {name}`, or heal")
        ongoing.hit += ongoing.nodes
        match fault:
            case Kill(lose_unsynced=True) | Kill(torn_tail=True):
                for name in ongoing.nodes:
                    await self._crash(ongoing, name, torn=fault.torn_tail)
            case Kill():
                await thoroughly(self._cluster.kill, *ongoing.nodes)
            case Stop():
                await thoroughly(self._cluster.stop, *ongoing.nodes)
            case Restart():
                await thoroughly(self._cluster.restart, *ongoing.nodes)
            case Pause():
                await self._pause(ongoing)
        ongoing.add("processes", len(ongoing.nodes))

    async def _crash(self, ongoing: Ongoing, name: str, *, torn: bool) -> None:
        """As a power cut: what was written in the last moment is not on the disk, or some of it is."""
        lost = await self._switches.crash(name, torn=torn, seed=ongoing.seed, stall_ms=LOSE_STALL_MS)
        # It ends itself right after its answer, and not before it has torn what it is to tear.
        await thoroughly(self._await_end, name)
        await thoroughly(self._cluster.kill, name)
        ongoing.add("bytes not synced", lost)
        if not lost:
            ongoing.notes.append(f"{name} had written nothing in its last {LOSE_STALL_MS} ms: nothing was lost; is there any load?")

    def _await_end(self, name: str) -> None:
        deadline = time.monotonic() + DEATH_S
        while self._cluster.is_running(name) and time.monotonic() < deadline:
            time.sleep(POLL_S)

    async def _pause(self, ongoing: Ongoing) -> None:
        nodes = self._cluster.record.nodes
        identities = [identity for name in ongoing.nodes if (identity := nodes[name].identity) is not None]
        # First: whatever happens from here on, they go on.
        self._keepers[ongoing.id] = await thoroughly(Keeper, identities, ongoing.ttl_s)
        for name in ongoing.nodes:
            await thoroughly(self._cluster.pause, name)

    async def end(self, ongoing: Ongoing, fault: OnProcesses) -> None:
        match fault:
            case Kill() | Stop():
                if ongoing.hit:
                    await thoroughly(self._cluster.start, *ongoing.hit)
            case Pause():
                if (keeper := self._keepers.pop(ongoing.id, None)) is not None:
                    await thoroughly(keeper.release)
            case Restart():
                pass

    async def heal(self) -> tuple[str, ...]:
        """Every paused node goes on; their names."""
        for keeper in self._keepers.values():
            await thoroughly(keeper.release)
        self._keepers.clear()
        paused = tuple(name for name, node in self._cluster.record.nodes.items() if node.paused)
        for name in paused:
            with suppress(LocalError, Unavailable):  # it ended in the meantime
                await thoroughly(self._cluster.resume, name)
        return paused
