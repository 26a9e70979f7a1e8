"""Crash the journal at every step of its disk work: everything told durable is there, nothing is there in half.

The workload rolls segments, recycles them, rewrites an idle group, truncates and takes snapshots. The model is what the
Storage contract says; a recovered state must be the model's after some prefix of each group's batches that includes all told.
"""

from dataclasses import dataclass, field
from errno import EIO
from pathlib import Path
from random import Random

import pytest

from quorate.cluster.storage.errors import DamagedLog
from quorate.cluster.storage.faulty import Crash, Faults, FaultyFiles
from quorate.cluster.storage.files import RealFiles
from quorate.protocols.core import Effects, Recovered
from tests.cluster.storage.world import JournalWorld
from tests.contracts.storage import Promised, batch, entry, snapshot

GROUPS = ("busy", "idle", "also")
BATCHES = 60


@dataclass
class Model:
    """A group's states after each of its batches, and how many of them were told durable."""

    states: list[Recovered] = field(default_factory=lambda: [Recovered()])
    told: int = 0

    def apply(self, effects: Effects) -> None:
        last = self.states[-1]
        state = Recovered(last.promise, last.snapshot, list(last.entries))
        if effects.snapshot is not None:
            state.snapshot = effects.snapshot
        floor = 0 if state.snapshot is None else state.snapshot.index
        state.entries = [each for each in state.entries if each.index > floor]
        if effects.truncate is not None:
            state.entries = [each for each in state.entries if each.index <= effects.truncate]
        if effects.promise is not None:
            state.promise = effects.promise
        new = {each.index for each in effects.entries}
        state.entries = sorted([each for each in state.entries if each.index not in new] + effects.entries, key=lambda each: each.index)
        self.states.append(state)

    def tell(self, serial: int) -> None:
        assert serial >= self.told, (serial, self.told)
        self.told = serial


def workload(rng: Random) -> list[tuple[str, Effects]]:
    """Batches for three groups, the second of which soon falls silent, still holding entries."""
    last = dict.fromkeys(GROUPS, 0)
    mark = dict.fromkeys(GROUPS, 0)
    serial = dict.fromkeys(GROUPS, 0)
    made: list[tuple[str, Effects]] = []
    for number in range(BATCHES):
        name = "idle" if number < 2 else rng.choice(("busy", "busy", "also"))
        serial[name] += 1
        truncate = max(mark[name], last[name] - 2) if rng.random() < 0.2 else None
        if truncate is not None:
            last[name] = truncate
        marked = None
        if name != "idle" and last[name] > mark[name] + 3:
            mark[name] = last[name] - 1
            marked = snapshot(mark[name])
        entries = [entry(last[name] + step, number + 1, rng.randbytes(rng.randint(1, 700))) for step in range(1, rng.randint(1, 3))]
        last[name] += len(entries)
        promise = Promised(number, name) if number < 2 or rng.random() < 0.2 else None
        made.append((name, batch(serial[name], *entries, truncate=truncate, snapshot=marked, promise=promise)))
    return made


def run(world: JournalWorld, models: dict[str, Model], rng: Random) -> None:
    for name, effects in workload(rng):
        models[name].apply(effects)
        world.storage(name).write(effects, models[name].tell)
        if rng.random() < 0.7:
            world.journal.step()
            world.loop.run()
    world.settle()


def life(
    directory: Path, seed: int, crash_at: int | None, faults: Faults | None = None, *, tear: bool = True, fail_at: int | None = None
) -> int:
    """One run up to the crash, or with a disk that fails from a step on; then recovery; asserts what must hold.
    Returns the steps it took."""
    files = FaultyFiles(RealFiles(), faults, sync_below=False)

    def fail(step: str) -> None:
        if files.step_count == fail_at:
            files.faults = Faults(fail_sync=EIO) if seed % 2 else Faults(fail_write=EIO)

    files.trace = fail
    models = {name: Model() for name in GROUPS}
    files.crash_at = crash_at
    world: JournalWorld | None = None
    try:
        world = JournalWorld(str(directory), files)
        run(world, models, Random(seed))
    except (Crash, OSError) as end:
        assert isinstance(end, Crash) or world is None, "only opening the log may say so with an exception"
    steps = files.step_count
    files.crash(Random(seed * 1000 + steps) if tear else None)
    again = JournalWorld(str(directory), files)
    for name, model in models.items():
        back = again.storage(name).load()
        wrote = [number for number, state in enumerate(model.states) if state == back]
        assert wrote, f"{name}: a state that never was: {back}"
        assert wrote[-1] >= model.told, f"{name}: batch {model.told} was told durable, recovered {wrote}"
    # ... and the log goes on from here.
    told: list[int] = []
    again.storage("busy").write(batch(1, entry(10_000)), told.append)
    again.settle()
    assert [1] == told
    return steps


@pytest.fixture(scope="module")
def step_count(tmp_path_factory: pytest.TempPathFactory) -> int:
    return life(tmp_path_factory.mktemp("whole"), 7, None)


def test_the_workload_reaches_every_part_of_the_log(tmp_path: Path) -> None:
    world = JournalWorld(str(tmp_path))
    run(world, {name: Model() for name in GROUPS}, Random(7))
    counters = world.journal.counters

    assert counters.roll_count > 5
    assert counters.released_count > 2
    assert counters.rewritten_count > 0
    assert counters.merged_count > 5
    assert world.journal.segment_count <= world.options.segments_max + 1


@pytest.mark.parametrize("tear", [False, True])
def test_a_crash_at_any_step_loses_nothing_that_was_told_durable(tmp_path: Path, step_count: int, tear: bool) -> None:
    for crash_at in range(step_count):
        life(tmp_path / f"{crash_at}", 7, crash_at, tear=tear)


@pytest.mark.parametrize("seed", [7, 8])
def test_a_disk_that_fails_from_any_step_on_loses_nothing_that_was_told_durable(tmp_path: Path, step_count: int, seed: int) -> None:
    for fail_at in range(step_count):
        life(tmp_path / f"{fail_at}", seed, None, fail_at=fail_at)


def test_without_fdatasync_the_same_crashes_lose_acknowledged_writes(tmp_path: Path, step_count: int) -> None:
    caught = 0
    for crash_at in range(0, step_count, 5):
        try:
            life(tmp_path / f"{crash_at}", 7, crash_at, Faults(skip_sync=True), tear=False)
        except (AssertionError, DamagedLog):
            caught += 1

    assert caught > step_count // 5 // 2
