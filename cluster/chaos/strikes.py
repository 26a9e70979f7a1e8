"""The faults of a run as they are carried out: each begun and ended at its time, and what it did written down as a band.

The rules:
- A fault of a node lasts until the node is ready again: one that only just starts is not sound.
- What the plan has one after another is never carried out at once: on a slow machine the later one waits for the end of the earlier.
- A fault that lasts to the end of the plan is not ended here: the load stops before it does, and healing everything ends it.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Protocol

from quorate.cluster.chaos.ongoing import Ongoing
from quorate.cluster.chaos.record import FaultBand
from quorate.cluster.chaos.schedule import Planned
from quorate.cluster.chaos.vocabulary import Fault
from quorate.cluster.wire.errors import QuorateError

TTL_SPARE_S = 60.0
"""A run that dies leaves its faults this much longer; the proxy and the nodes end them by themselves."""
READY_S = 20.0
"""A Python process on a busy machine, and a log to read; while another fault leaves no majority, nobody becomes ready."""


class Acting(Protocol):
    """What is needed of Acts."""

    async def begin(self, fault: Fault, *, ttl_s: float, seed: int) -> Ongoing: ...

    async def end(self, ongoing: Ongoing) -> Ongoing: ...


class Watching(Protocol):
    """What is needed of an Observer."""

    async def wait_ready(self, name: str, within_s: float) -> None: ...


class Strikes:
    """Carries out a plan, and keeps its bands."""

    def __init__(self, acts: Acting, observer: Watching, now_ms: Callable[[], float], tell: Callable[[str], None]) -> None:
        self._acts = acts
        self._observer = observer
        self._now_ms = now_ms
        self._tell = tell
        self._begun: dict[int, tuple[Planned, Ongoing, float]] = {}
        self._bands: dict[int, FaultBand] = {}
        self.troubles: list[str] = []
        """Whole sentences: what could not be begun or ended."""
        self.skipped: list[str] = []
        """What the seed drew for a moment at which it was not possible: nobody led, or the node was down already."""
        self.drawn: set[str] = set()
        """The ids of bands that the seed drew."""

    async def carry_out(self, plan: Sequence[Planned], duration_s: float) -> None:
        """From now on, for so long."""
        until_s = asyncio.get_running_loop().time() + duration_s
        done = {planned.number: asyncio.Event() for planned in plan}
        async with asyncio.TaskGroup() as tasks:
            for planned in plan:
                before = [done[other.number] for other in plan if other.until_s <= planned.at_s]
                tasks.create_task(self._one(planned, until_s - duration_s, until_s, before, done[planned.number]))
            await _until(until_s)

    async def _one(self, planned: Planned, began_s: float, until_s: float, before: Sequence[asyncio.Event], done: asyncio.Event) -> None:
        await _until(began_s + planned.at_s)
        for other in before:
            await other.wait()
        left_s = until_s - asyncio.get_running_loop().time()
        if left_s > 0 and await self._begin(planned) and planned.for_s < left_s:
            await asyncio.sleep(planned.for_s)
            await self._end(planned.number)
        done.set()

    async def _begin(self, planned: Planned) -> bool:
        start_ms = self._now_ms()
        try:
            ongoing = await self._acts.begin(planned.fault, ttl_s=planned.for_s + TTL_SPARE_S, seed=planned.seed)
        except QuorateError as error:
            self._tell(f"{planned.text}: {error.message}")
            (self.skipped if planned.drawn else self.troubles).append(f"`{planned.text}` could not begin: {error.message}.")
            return False
        self._begun[planned.number] = planned, ongoing, start_ms
        self._tell(f"{ongoing.text}, for {planned.for_s:g} s")
        return True

    async def _end(self, number: int) -> None:
        planned, ongoing, _ = self._begun[number]
        try:
            await self._acts.end(ongoing)
        except QuorateError as error:
            self.troubles.append(f"`{planned.text}` could not be ended: {error.message}.")
            return
        for name in ongoing.nodes:
            await self._observer.wait_ready(name, READY_S)
        self._close(number)

    def _close(self, number: int) -> None:
        planned, ongoing, start_ms = self._begun.pop(number)
        if planned.drawn:
            self.drawn.add(str(number))
        nodes = () if ongoing.links else ongoing.nodes
        touched = dict(ongoing.touched)
        self._bands[number] = FaultBand(
            str(number), planned.fault.verb, ongoing.text, nodes, ongoing.links, start_ms, self._now_ms(), touched
        )

    def close(self) -> None:
        """All is healed: what still lasted has ended now."""
        for number in list(self._begun):
            self._close(number)

    @property
    def bands(self) -> tuple[FaultBand, ...]:
        """In the order of the plan."""
        return tuple(self._bands[number] for number in sorted(self._bands))


async def _until(at_s: float) -> None:
    await asyncio.sleep(at_s - asyncio.get_running_loop().time())
