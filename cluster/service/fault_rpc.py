"""Switches for chaos runs, served only where the configuration says `faults.admin`: a bad disk, a bad clock, a crash.

The rule: a fault with a time to live ends by itself, in this node, whoever set it and whatever became of him. What is set later replaces
what was set before, with its time to live.
"""

import asyncio
import os
import signal
from collections.abc import Callable
from dataclasses import asdict, fields
from random import Random
from typing import Protocol

from quorate.cluster.runtime.clock import SkewedClock
from quorate.cluster.storage.faulty import Faults, FaultyFiles
from quorate.cluster.wire.errors import BadRequest
from quorate.cluster.wire.rpc import Method, ServerConnection

TTL_MS_MAX = 3_600_000
"""As the fault proxy has it."""
STALL_MS_MAX = 10_000
REPLY_S = 0.02
"""Between the reply of a crash and the crash: the loop has to write it."""


class Faulty(Protocol):
    """What this service needs of its node."""

    @property
    def clock(self) -> SkewedClock: ...

    @property
    def faulty_files(self) -> FaultyFiles | None: ...


class _Ending:
    """What puts one thing right when its time is over; none: nobody."""

    def __init__(self) -> None:
        self._timer: asyncio.TimerHandle | None = None

    def after(self, ttl_ms: int, end: Callable[[], None]) -> None:
        """In place of the one before. 0: never."""
        if not 0 <= ttl_ms <= TTL_MS_MAX:
            raise BadRequest(f"ttl_ms is 0 (until it is changed) to {TTL_MS_MAX}, not {ttl_ms}")
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(ttl_ms / 1000, end) if ttl_ms else None

    @property
    def left_ms(self) -> int:
        """0 if nothing is to be ended, or without a time."""
        if self._timer is None or self._timer.cancelled():
            return 0
        return max(0, round((self._timer.when() - asyncio.get_running_loop().time()) * 1000))


class FaultService:
    """`fault_disk` sets the disk's faults, `fault_clock` moves the clock, `fault_heal` puts them right, `fault_status` tells of both,
    `fault_crash` ends the process as a power cut would."""

    def __init__(self, node: Faulty, die: Callable[[], None] = lambda: os.kill(os.getpid(), signal.SIGKILL)) -> None:
        self._node = node
        self._die = die
        self._disk_ending, self._clock_ending = _Ending(), _Ending()

    def methods(self) -> dict[str, Method]:
        return {
            "fault_disk": Method(self._disk, (dict, int)),
            "fault_clock": Method(self._clock, (int, int, int)),
            "fault_heal": Method(self._heal, (bool, bool)),
            "fault_status": Method(self._status, ()),
            "fault_crash": Method(self._crash, (bool, int, int)),
        }

    @property
    def _files(self) -> FaultyFiles:
        files = self._node.faulty_files
        if files is None:
            raise BadRequest("this node's files cannot fail: start it with faults.files = true")
        return files

    def _disk(self, connection: ServerConnection, id: int, wanted: dict[str, object], ttl_ms: int) -> None:
        """All faults at once: those not named are off. See cluster.storage.faulty.Faults."""
        files = self._files
        known = {field.name for field in fields(Faults)}
        for name, value in wanted.items():
            if name not in known:
                raise BadRequest(f"no disk fault {name!r}; known: {', '.join(sorted(known))}")
            if value is not None and not isinstance(value, int):
                raise BadRequest(f"disk fault {name} takes a number, not {value!r}")
        self._disk_ending.after(ttl_ms, self._mend_disk)
        files.faults = Faults(**wanted)  # type: ignore[arg-type]  # names and types are checked above
        connection.reply(id, None)

    def _mend_disk(self) -> None:
        if self._node.faulty_files is not None:
            self._node.faulty_files.faults = Faults()

    def _clock(self, connection: ServerConnection, id: int, jump_ms: int, drift_ppm: int, ttl_ms: int) -> None:
        """Jump once, and from now on run fast (positive) or slow by so many parts per million; set right after the time to live."""
        clock = self._node.clock
        self._clock_ending.after(ttl_ms, clock.set_right)
        clock.jump(jump_ms)
        clock.drift(drift_ppm)
        connection.reply(id, None)

    def _heal(self, connection: ServerConnection, id: int, disk: bool, clock: bool) -> None:
        if disk:
            self._disk_ending.after(0, self._mend_disk)
            self._mend_disk()
        if clock:
            self._clock_ending.after(0, self._node.clock.set_right)
            self._node.clock.set_right()
        connection.reply(id, None)

    def _status(self, connection: ServerConnection, id: int) -> None:
        files, clock = self._node.faulty_files, self._node.clock
        sound = asdict(Faults())
        disk = {} if files is None else {name: value for name, value in asdict(files.faults).items() if value != sound[name]}
        connection.reply(
            id,
            {
                "files": files is not None,
                "disk": disk,
                "disk_ends_in_ms": self._disk_ending.left_ms if disk else 0,
                "suffered": {} if files is None else asdict(files.suffered),
                "unsynced_bytes": 0 if files is None else files.unsynced_bytes,
                "clock_offset_ms": clock.offset_ms,
                "clock_drift_ppm": clock.drift_ppm,
                "clock_ends_in_ms": self._clock_ending.left_ms if clock.offset_ms or clock.drift_ppm else 0,
            },
        )

    def _crash(self, connection: ServerConnection, id: int, torn: bool, seed: int, stall_ms: int) -> None:
        """The disk stalls for so long, so that there is something to lose; then the process ends at once. What was not synced is lost;
        `torn`: all but the end of the last write, which the seed cuts. The answer says how many bytes were not synced."""
        if not 0 <= stall_ms <= STALL_MS_MAX:
            raise BadRequest(f"stall_ms is 0 to {STALL_MS_MAX}, not {stall_ms}")
        files, loop = self._files, asyncio.get_running_loop()
        self._disk_ending.after(0, self._mend_disk)
        files.faults = Faults(stall=True)

        def end() -> None:
            # Nobody may sync what is lost here: the lock is held until the process is gone.
            with files.lock:
                if torn:
                    files.cut_short(Random(seed))
                self._die()

        def tell() -> None:
            connection.reply(id, {"unsynced_bytes": files.unsynced_bytes})
            loop.call_later(REPLY_S, end)

        loop.call_later(stall_ms / 1000, tell)
