"""The driver carries effects out in the order that makes them safe. Everything here is stepped by hand."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from quorate.cluster.runtime.clock import ManualClock
from quorate.cluster.runtime.driver import Driver
from quorate.cluster.runtime.pulse import Pulse
from quorate.protocols.core import (
    Change,
    Configuration,
    Effects,
    Entry,
    Message,
    NodeId,
    Recovered,
    Send,
    Snapshot,
    Status,
    Token,
)
from quorate.protocols.raft.messages import HardState


class ScriptedCore:
    """Gives the effects it was told to give, and remembers what it was fed."""

    leader: NodeId | None = None
    configuration = Configuration()
    status = Status("follower", 1, None, 0, 1, 0, 0, Configuration())

    def __init__(self) -> None:
        self.fed: list[tuple[object, ...]] = []
        self.script: list[Effects] = []

    def tick(self, elapsed: int = 1) -> None:
        self.fed.append(("tick", elapsed))

    def receive(self, sender: NodeId, message: Message) -> None:
        self.fed.append(("receive", sender))

    def unreachable(self, peer: NodeId) -> None:
        self.fed.append(("unreachable", peer))

    def propose(self, data: bytes, token: Token) -> None: ...

    def read(self, token: Token, *, lease: bool = False) -> None:
        self.fed.append(("read", token))

    def reconfigure(self, change: Change, token: Token) -> None: ...

    def transfer(self, to: NodeId, token: Token) -> None: ...

    def synced(self, serial: int) -> None:
        self.fed.append(("synced", serial))

    def compact(self, snapshot: Snapshot) -> None: ...

    def received(self, sender: NodeId, snapshot: Snapshot) -> None: ...

    def transferred(self, to: NodeId, snapshot: Snapshot, ok: bool) -> None: ...

    def take(self) -> Effects | None:
        return self.script.pop(0) if self.script else None


class HeldStorage:
    """Makes durable what the test says, when it says so."""

    def __init__(self) -> None:
        self.waiting: list[tuple[int, Callable[[int], None]]] = []

    def load(self) -> Recovered:
        return Recovered()

    def write(self, effects: Effects, synced: Callable[[int], None]) -> None:
        self.waiting.append((effects.serial, synced))

    def sync(self) -> None:
        serial, synced = self.waiting.pop(0)
        synced(serial)


@dataclass
class World:
    """A driver between a scripted core and a held disk; `sent` is what left the node."""

    core: ScriptedCore = field(default_factory=ScriptedCore)
    storage: HeldStorage = field(default_factory=HeldStorage)
    clock: ManualClock = field(default_factory=ManualClock)
    sent: list[Message] = field(default_factory=list)
    carried: list[Effects] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.pulse = Pulse(self.clock, lambda: None)
        self.driver = Driver(self.core, self.storage, self, self.pulse, self)

    def send(self, to: NodeId, message: Message) -> None:
        self.sent.append(message)

    def feed(self) -> None:
        self.core.fed.append(("feed",))

    def apply(self) -> None: ...

    def look(self) -> None: ...

    def carry(self, effects: Effects) -> None:
        self.carried.append(effects)

    async def turn(self, *effects: Effects) -> None:
        """One turn for each of these batches."""
        for batch in effects:
            self.core.script.append(batch)
            self.driver.wake()
            await asyncio.sleep(0)


EARLY, LATE, LATER = HardState(1, "a"), HardState(2, "b"), HardState(3, "c")
ENTRY = Entry(1, 1, 0, 0, b"x")


def batch(serial: int, *, write: bool, now: Message | None = None, after: Message | None = None) -> Effects:
    return Effects(
        serial,
        sends=[Send("n2", now)] if now else [],
        entries=[ENTRY] if write else [],
        sends_after_sync=[Send("n2", after)] if after else [],
    )


async def test_sends_leave_at_once_and_answers_only_after_the_sync() -> None:
    world = World()
    await world.turn(batch(1, write=True, now=EARLY, after=LATE))

    assert [EARLY] == world.sent

    world.storage.sync()

    assert [EARLY, LATE] == world.sent
    assert ("synced", 1) in world.core.fed


async def test_an_answer_of_an_empty_batch_does_not_overtake_the_sync_of_the_batch_before() -> None:
    """design.md, "Sync": a heartbeat's ack must not overtake the fsync of entries that it acknowledges."""
    world = World()
    await world.turn(batch(1, write=True, after=EARLY), batch(2, write=False, after=LATE))

    assert [] == world.sent

    world.storage.sync()

    assert [EARLY, LATE] == world.sent
    assert ("synced", 2) in world.core.fed


async def test_an_empty_batch_waits_for_no_disk_when_nothing_is_in_flight() -> None:
    world = World()
    await world.turn(batch(1, write=False, after=EARLY))

    assert [EARLY] == world.sent
    assert ("synced", 1) in world.core.fed


async def test_a_sync_releases_only_what_it_covers() -> None:
    world = World()
    await world.turn(batch(1, write=True, after=EARLY), batch(2, write=True, after=LATE), batch(3, write=False, after=LATER))
    world.storage.sync()

    assert [EARLY] == world.sent

    world.storage.sync()

    assert [EARLY, LATE, LATER] == world.sent


async def test_committed_entries_and_reads_wait_for_no_sync() -> None:
    world = World()
    effects = batch(1, write=True)
    effects.committed = [ENTRY]
    await world.turn(effects)

    assert [effects] == world.carried


async def test_the_clock_is_read_after_the_sockets_and_before_the_reads() -> None:
    """design.md, "Ticks": drain the sockets, then the clock, then the turn's reads."""
    world = World()
    world.driver.receive("n2", EARLY)
    world.clock.advance(35)
    world.driver.wake()
    await asyncio.sleep(0)

    assert [("receive", "n2"), ("tick", 3), ("feed",)] == world.core.fed


@pytest.mark.parametrize(("steps", "ticks"), [([9, 1], [1]), ([25, 25], [2, 3]), ([-50, 20], [2]), ([60_000], [6000])])
async def test_all_time_that_passed_is_ticked_once_and_a_clock_set_back_is_no_time(steps: list[int], ticks: list[int]) -> None:
    world = World()
    for step in steps:
        world.clock.advance(step)
        world.driver.wake()
        await asyncio.sleep(0)

    assert ticks == [fed[1] for fed in world.core.fed if fed[0] == "tick"]


async def test_a_stopped_driver_sends_and_acknowledges_nothing() -> None:
    world = World()
    await world.turn(batch(1, write=True, after=LATE))
    world.driver.stop()
    world.storage.sync()
    world.driver.receive("n2", EARLY)
    await world.turn(batch(2, write=True, now=EARLY))

    assert [] == world.sent
    assert ("synced", 1) not in world.core.fed
