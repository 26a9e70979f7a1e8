"""One tick and one turn for all groups of a node. Everything here is stepped by hand."""

import asyncio
from collections.abc import Callable

from quorate.cluster.runtime.clock import ManualClock
from quorate.cluster.runtime.config import TICK_MS
from quorate.cluster.runtime.driver import Driver
from quorate.cluster.runtime.pulse import LOOK_BEATS, Pulse
from quorate.protocols.core import Effects, Message, NodeId, Recovered
from quorate.protocols.raft.messages import Heartbeat
from tests.cluster.runtime.test_driver import ScriptedCore


class Dozer(ScriptedCore):
    """A core that says for how long nothing is due."""

    def __init__(self, due_ticks: int) -> None:
        super().__init__()
        self.due_ticks = due_ticks

    def tick(self, elapsed: int = 1, turns: int = 1) -> None:
        self.fed.append(("tick", elapsed, turns))


class Group:
    """Carrier, disk and network of one driver; all groups write into one diary."""

    def __init__(self, name: str, core: ScriptedCore, world: "World") -> None:
        self.name, self.core, self.world = name, core, world
        self.applied = 0
        self.looks = 0
        self.slices = 0
        self.driver = Driver(core, self, self, world.pulse, self)

    def load(self) -> Recovered:
        return Recovered()

    def write(self, effects: Effects, synced: Callable[[int], None]) -> None: ...

    def send(self, to: NodeId, message: Message) -> None: ...

    def feed(self) -> None:
        self.world.diary.append(f"{self.name} works")

    def carry(self, effects: Effects) -> None: ...

    def fail(self, error: Exception) -> None:
        raise error

    def look(self) -> None:
        self.looks += 1

    def apply(self) -> None:
        self.world.diary.append(f"{self.name} applies")
        self.world.work_s += 0.0015 if self.slices else 0
        self.slices = max(0, self.slices - 1)
        if self.slices:
            self.driver.wake()


class World:
    def __init__(self) -> None:
        self.clock = ManualClock()
        self.diary: list[str] = []
        self.work_s = 0.0
        self.pulse = Pulse(self.clock, lambda: self.diary.append("flush"), lambda: self.work_s)

    def group(self, name: str, due_ticks: int | None = None) -> Group:
        return Group(name, ScriptedCore() if due_ticks is None else Dozer(due_ticks), self)

    async def beat(self, ms: int = TICK_MS) -> None:
        """Time passes, the timer fires, and what follows from it happens."""
        self.clock.advance(ms)
        self.pulse._beat()
        assert self.pulse._timer is not None
        self.pulse._timer.cancel()
        await asyncio.sleep(0)


async def test_the_groups_of_a_turn_all_work_before_anything_is_written_and_apply_after_it() -> None:
    world = World()
    for name in ("a", "b"):
        world.group(name).driver.wake()
    await asyncio.sleep(0)

    assert ["a works", "b works", "flush", "a applies", "b applies", "flush"] == world.diary


async def test_whom_the_slice_of_time_does_not_reach_applies_first_in_the_next_turn() -> None:
    """A group with much to apply must not starve the others: a takes 1.5 ms each time, as do b and c."""
    world = World()
    groups = [world.group(name) for name in ("a", "b", "c")]
    for group in groups:
        group.slices = 3
        group.driver.wake()
    await asyncio.sleep(0)
    assert ["a", "b"] == [line[0] for line in world.diary if "applies" in line]
    world.diary.clear()
    await asyncio.sleep(0)

    assert ["c", "a"] == [line[0] for line in world.diary if "applies" in line]


async def test_a_core_that_says_nothing_of_idleness_is_ticked_with_every_tick() -> None:
    world = World()
    group = world.group("a")
    group.driver.start()
    for _ in range(5):
        await world.beat()

    assert [1] * 5 == [fed[1] for fed in group.core.fed if fed[0] == "tick"]


async def test_an_idle_core_is_left_alone_until_something_is_due_and_told_of_all_ticks_then() -> None:
    world = World()
    group = world.group("a", due_ticks=4)
    group.driver.start()
    for _ in range(9):
        await world.beat()

    assert [("tick", 1, 1), ("tick", 4, 4), ("tick", 4, 4)] == [fed for fed in group.core.fed if fed[0] == "tick"]


async def test_what_arrives_meanwhile_finds_the_core_as_if_it_had_been_ticked_all_along() -> None:
    """Else its election timer would count from too early, and fire while the leader is heard."""
    world = World()
    group = world.group("a", due_ticks=100)
    group.driver.start()
    await world.beat()
    for _ in range(30):
        await world.beat()
    group.core.fed.clear()
    group.driver.receive("n2", Heartbeat(1, 0, 1))

    assert [("tick", 30, 30), ("receive", "n2")] == group.core.fed

    await asyncio.sleep(0)
    group.core.fed.clear()
    group.driver.unreachable("n2")
    assert [("unreachable", "n2")] == group.core.fed, "what passed was told already"


async def test_a_stall_counts_for_an_idle_core_as_one_turn_and_all_its_ticks() -> None:
    """design.md, "Ticks": leases use every elapsed tick, election timers one per turn at most."""
    world = World()
    group = world.group("a", due_ticks=100)
    group.driver.start()
    await world.beat()
    for _ in range(3):
        await world.beat()
    group.core.fed.clear()
    await world.beat(2_000)

    assert [("tick", 203, 4)] == [fed for fed in group.core.fed if fed[0] == "tick"]


async def test_every_group_looks_around_once_in_so_many_beats_and_not_all_at_once() -> None:
    world = World()
    groups = [world.group(f"g{number}", due_ticks=1_000) for number in range(2 * LOOK_BEATS)]
    for group in groups:
        group.driver.start()
    await world.beat()
    first = sum(group.looks for group in groups)
    for _ in range(LOOK_BEATS - 1):
        await world.beat()

    assert 2 == first
    assert [1] * len(groups) == [group.looks for group in groups]


async def test_a_pulse_without_drivers_does_not_beat() -> None:
    world = World()
    group = world.group("a")
    group.driver.start()
    group.driver.stop()

    assert world.pulse._timer is None
