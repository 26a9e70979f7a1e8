"""The nodes' own switches for bad disks, bad clocks and crashes (`faults.admin`, `faults.files`), asked over their client ports.

The rule: a node that was started without them is an error that says how to start with them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from quorate.cluster.chaos.patience import thoroughly
from quorate.cluster.local import LocalCluster
from quorate.cluster.wire.errors import BadRequest, Unavailable, Uncertain

CALL_S = 5.0
"""A node answers in milliseconds, unless it is paused, or its machine is busy."""


class NoSwitches(BadRequest):
    """The node was started without the switches that this fault needs."""


@dataclass(frozen=True, slots=True)
class Condition:
    """What a node says of its disk and its clock."""

    files: bool
    """Its files can fail."""
    disk: Mapping[str, object] = field(default_factory=dict)
    """The faults that are on, by the names of cluster.storage.faulty.Faults."""
    disk_ends_in_ms: int = 0
    suffered: Mapping[str, int] = field(default_factory=dict)
    unsynced_bytes: int = 0
    clock_offset_ms: int = 0
    clock_drift_ppm: int = 0
    clock_ends_in_ms: int = 0

    @property
    def sound(self) -> bool:
        return not (self.disk or self.clock_offset_ms or self.clock_drift_ppm)


class Switches:
    def __init__(self, cluster: LocalCluster) -> None:
        self._cluster = cluster

    async def condition(self, name: str) -> Condition:
        said = await self._ask(name, "fault_status")
        if not isinstance(said, dict):
            raise Unavailable(f"{name} says {said!r:.80} of its disk and its clock")
        return Condition(**said)

    async def disk(self, name: str, faults: Mapping[str, object], *, ttl_s: float = 0) -> None:
        """These alone from now on; without a time to live until they are set again."""
        await self._ask(name, "fault_disk", dict(faults), round(ttl_s * 1000))

    async def clock(self, name: str, *, offset_ms: int, drift_ppm: int, ttl_s: float) -> None:
        await self._ask(name, "fault_clock", offset_ms, drift_ppm, round(ttl_s * 1000))

    async def heal(self, name: str, *, disk: bool = True, clock: bool = True) -> None:
        await self._ask(name, "fault_heal", disk, clock)

    async def crash(self, name: str, *, torn: bool, seed: int, stall_ms: int) -> int:
        """About so many bytes were not synced."""
        said = await self._ask(name, "fault_crash", torn, seed, stall_ms)
        return int(said["unsynced_bytes"]) if isinstance(said, dict) else 0

    async def _ask(self, name: str, method: str, *params: object) -> object:
        try:
            return await thoroughly(self._cluster.call, name, method, *params, timeout_s=CALL_S)
        except Uncertain as error:
            raise Unavailable(f"{name}: {error.message}") from None
        except BadRequest as error:
            if "unknown method" in error.message or "faults.files" in error.message:
                raise NoSwitches(
                    f"{name} was started without the switches of faults (faults.files, faults.admin): start the cluster with "
                    "`quorate up --faults`; one that runs takes them with `quorate down` in between"
                ) from None
            raise
