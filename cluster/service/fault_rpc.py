"""Switches for chaos runs, served only where the configuration says `faults.admin`: a bad disk and a bad clock."""

from dataclasses import fields
from typing import Protocol

from quorate.cluster.runtime.clock import SkewedClock
from quorate.cluster.storage.faulty import Faults, FaultyFiles
from quorate.cluster.wire.errors import BadRequest
from quorate.cluster.wire.rpc import Method, ServerConnection


class Faulty(Protocol):
    """What this service needs of its node."""

    @property
    def clock(self) -> SkewedClock: ...

    @property
    def faulty_files(self) -> FaultyFiles | None: ...


class FaultService:
    """`fault_disk` sets the disk's faults, `fault_clock` moves the clock."""

    def __init__(self, node: Faulty) -> None:
        self._node = node

    def methods(self) -> dict[str, Method]:
        return {"fault_disk": Method(self._disk, (dict,)), "fault_clock": Method(self._clock, (int, int))}

    def _disk(self, connection: ServerConnection, id: int, wanted: dict[str, object]) -> None:
        """All faults at once: those not named are off. See cluster.storage.faulty.Faults."""
        files = self._node.faulty_files
        if files is None:
            raise BadRequest("this node's files cannot fail: start it with faults.files = true")
        known = {field.name for field in fields(Faults)}
        for name, value in wanted.items():
            if name not in known:
                raise BadRequest(f"no disk fault {name!r}; known: {', '.join(sorted(known))}")
            if value is not None and not isinstance(value, int):
                raise BadRequest(f"disk fault {name} takes a number, not {value!r}")
        files.faults = Faults(**wanted)  # type: ignore[arg-type]  # names and types are checked above
        connection.reply(id, None)

    def _clock(self, connection: ServerConnection, id: int, jump_ms: int, drift_ppm: int) -> None:
        """Jump once, and from now on run fast (positive) or slow by so many parts per million."""
        self._node.clock.jump(jump_ms)
        self._node.clock.drift(drift_ppm)
        connection.reply(id, None)
