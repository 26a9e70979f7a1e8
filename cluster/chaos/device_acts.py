"""What faults of disks and clocks do on a live cluster, while the node runs: they are set in the node, which ends them itself in time.

The rule: on one node the newest fault of its disk, and the newest of its clock, rules alone; the end of an older one changes nothing. A
node whose disk failed it does not take part any more (it says why): at the end it is started anew.
"""

from contextlib import suppress
from errno import EIO, ENOSPC

from quorate.cluster.chaos.node_faults import Clock, FailDisk, FullDisk, LyingDisk, SlowDisk, StallDisk
from quorate.cluster.chaos.ongoing import Ongoing
from quorate.cluster.chaos.patience import thoroughly
from quorate.cluster.chaos.switches import Condition, Switches
from quorate.cluster.local import LocalCluster
from quorate.cluster.wire.errors import Unavailable

DeviceFault = SlowDisk | StallDisk | FullDisk | FailDisk | LyingDisk | Clock
SUFFERED = {"slowed": "fsyncs slowed", "failed": "writes refused", "skipped": "fsyncs skipped"}
"""What a node counts of its disk's faults, in words."""
CLOCK, DISK = "clock", "disk"


class DeviceActs:
    def __init__(self, cluster: LocalCluster, switches: Switches) -> None:
        self._cluster = cluster
        self._switches = switches
        self._before: dict[tuple[str, str], Condition] = {}
        """By the id of a fault and a node."""
        self._ruling: dict[tuple[str, str], str] = {}
        """By node and device: the fault that was set last."""

    async def begin(self, ongoing: Ongoing, fault: DeviceFault) -> None:
        switches, device = self._switches, CLOCK if isinstance(fault, Clock) else DISK
        for name in ongoing.nodes:
            self._before[ongoing.id, name] = await switches.condition(name)
            # First: from here on it is ours to end.
            self._ruling[name, device] = ongoing.id
            if isinstance(fault, Clock):
                await switches.clock(name, offset_ms=fault.offset_ms, drift_ppm=fault.drift_ppm, ttl_s=ongoing.ttl_s)
            else:
                await switches.disk(name, _faults(fault), ttl_s=ongoing.ttl_s)

    async def end(self, ongoing: Ongoing, fault: DeviceFault) -> None:
        for name in ongoing.nodes:
            if (before := self._before.pop((ongoing.id, name), None)) is not None:
                with suppress(Unavailable):  # it is down, and begins with sound ones when it is started
                    await self._end(ongoing, fault, name, before)

    async def _end(self, ongoing: Ongoing, fault: DeviceFault, name: str, before: Condition) -> None:
        switches = self._switches
        after = await switches.condition(name)
        device = CLOCK if isinstance(fault, Clock) else DISK
        rules = self._ruling.get((name, device)) == ongoing.id
        if rules:
            del self._ruling[name, device]
        if isinstance(fault, Clock):
            ongoing.add("clocks", 1)
            if rules:
                await switches.heal(name, disk=False)
            return
        for what, words in SUFFERED.items():
            now, then = after.suffered.get(what, 0), before.suffered.get(what, 0)
            if grown := now - then if now >= then else now:  # a node that was started anew counts from 0
                ongoing.add(words, grown)
        if rules:
            await switches.heal(name, clock=False)
            if not fault.ends_itself:
                await revive(self._cluster, name)


def _faults(fault: SlowDisk | StallDisk | FullDisk | FailDisk | LyingDisk) -> dict[str, object]:
    match fault:
        case SlowDisk(delay_ms=delay_ms):
            return {"sync_delay_ms": max(1, round(delay_ms))}
        case StallDisk():
            return {"stall": True}
        case FullDisk():
            return {"fail_write": ENOSPC}
        case FailDisk():
            return {"fail_sync": EIO}
        case LyingDisk():
            return {"skip_sync": True}


async def revive(cluster: LocalCluster, name: str) -> bool:
    """A node that runs but does not take part, because its disk failed it, is started anew. Whether that was so."""
    try:
        said = await thoroughly(cluster.status, name)
    except Unavailable:
        return False
    if not any(group.role == "failed" for group in said.groups.values()):
        return False
    await thoroughly(cluster.kill, name)
    await thoroughly(cluster.start, name)
    return True
