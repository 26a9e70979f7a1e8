"""Runs seeds of the simulator, in this process or as the work of a crew of others (cluster/crew.py)."""

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial

from quorate.protocols.simulation.ablations import rows_of
from quorate.protocols.simulation.campaign import Result
from quorate.protocols.simulation.case import Case, Subject
from quorate.protocols.simulation.engines import load


@dataclass(frozen=True, slots=True)
class Job:
    """What to run seeds of, as text and numbers that can be sent to another process."""

    engine: str
    case: Case
    """Its seed is replaced by each that is run."""
    ablation: str | None = None
    """The name of the safeguard that the engine, the driver or the disk lacks."""

    def subject(self) -> Subject:
        if self.ablation is None:
            return Subject(load(self.engine))
        [row] = [row for row in rows_of(self.engine) if row.name == self.ablation]
        return Subject(row.engine, row.node_class, row.disk_class, row.sessions)

    def begin(self) -> "Callable[[int], Outcome]":
        return partial(run_seed, self, self.subject())

    def called(self, seed: int) -> str:
        return f"seed {seed}"

    def what(self) -> str:
        return self.engine if self.ablation is None else f"{self.engine} without {self.ablation}"

    def command(self, case: Case) -> str:
        """What a person types to see that case."""
        less = "" if self.ablation is None else f" --ablation {self.ablation}"
        return f"quorate sim --engine {self.engine}{less} {case.options()} --trace"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one seed: the part of a Result that a report needs."""

    seed: int
    events: int
    violation: tuple[str, str] | None
    """The invariant and the detail."""
    coverage: dict[tuple[str, str, str], int]
    counts: dict[str, int]


def outcome(result: Result) -> Outcome:
    violation = None if result.violation is None else (result.violation.invariant, result.violation.detail)
    return Outcome(result.seed, result.events, violation, result.coverage, {**result.sometimes, **result.counts})


def run_seed(job: Job, subject: Subject, seed: int) -> Outcome:
    return outcome(subject.run(replace(job.case, seed=seed)))


def run_here(job: Job, seeds: Iterable[int]) -> Iterator[Outcome]:
    """One after the other, in this process."""
    return map(job.begin(), seeds)


def until(seconds: float, seeds: Iterable[int]) -> Iterator[int]:
    """The seeds that are asked for before so much time has passed."""
    end = time.monotonic() + seconds
    for seed in seeds:
        if time.monotonic() >= end:
            return
        yield seed
