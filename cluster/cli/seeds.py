"""Runs seeds of the simulator in worker processes.

The rule it keeps: a worker never outlives this process, however it ends: it waits on a pipe whose other end is only here. A worker
that dies is an error that names the seed it was given. Which worker runs which seed changes nothing: a seed's outcome is its own.
"""

import signal
import time
import traceback
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from multiprocessing.resource_tracker import ensure_running
from types import TracebackType

from quorate.cluster.wire.errors import QuorateError
from quorate.protocols.simulation.ablations import rows_of
from quorate.protocols.simulation.campaign import Result
from quorate.protocols.simulation.case import Case, Subject
from quorate.protocols.simulation.engines import load

STOP_S = 5.0
"""A worker that was told to stop is in Python code and stops at once; one that does not is killed after this."""


class WorkerDied(QuorateError):
    """A worker process ended before it had run its seed."""

    definite = False


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
    subject = job.subject()
    return (run_seed(job, subject, seed) for seed in seeds)


def until(seconds: float, seeds: Iterable[int]) -> Iterator[int]:
    """The seeds that are asked for before so much time has passed."""
    end = time.monotonic() + seconds
    for seed in seeds:
        if time.monotonic() >= end:
            return
        yield seed


class Crew:
    """So many workers, each of which is given one seed at a time."""

    def __init__(self, job: Job, count: int) -> None:
        self._job = job
        self._count = count
        self._workers: dict[Connection, BaseProcess] = {}

    @property
    def processes(self) -> list[BaseProcess]:
        return list(self._workers.values())

    def __enter__(self) -> "Crew":
        # Ctrl-C reaches every process of the terminal. The workers inherit that it is blocked, and leave it to us; we see it afterwards.
        ensure_running()  # multiprocessing's own helper process; its start would unblock the signal again
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            self._start()
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None) -> None:
        self._stop()

    def _start(self) -> None:
        context = get_context("spawn")
        for number in range(self._count):
            ours, theirs = context.Pipe()
            process = context.Process(target=serve, args=(theirs, self._job), name=f"seeds {number}", daemon=True)
            process.start()
            theirs.close()
            self._workers[ours] = process

    def _stop(self) -> None:
        for channel, process in self._workers.items():
            channel.close()
            process.terminate()
        for process in self._workers.values():
            process.join(STOP_S)
            if process.is_alive():
                process.kill()
                process.join()

    def run(self, seeds: Iterable[int]) -> Iterator[Outcome]:
        """The outcomes as they come. Ends when all seeds that were taken are run."""
        left = iter(seeds)
        given: dict[Connection, int] = {}
        for channel in self._workers:
            self._give(channel, left, given)
        while given:
            ready = wait(list(given))
            for channel in [one for one in given if one in ready]:
                try:
                    answer = channel.recv()
                except (EOFError, ConnectionError):
                    self._died(channel, given)
                if not isinstance(answer, Outcome):
                    raise RuntimeError(f"the simulator itself broke on seed {given[channel]}:\n{answer}")
                self._give(channel, left, given)
                yield answer

    def _give(self, channel: Connection, left: Iterator[int], given: dict[Connection, int]) -> None:
        given.pop(channel, None)
        seed = next(left, None)
        if seed is not None:
            given[channel] = seed
            try:
                channel.send(seed)
            except ConnectionError:
                self._died(channel, given)

    def _died(self, channel: Connection, given: dict[Connection, int]) -> None:
        process = self._workers[channel]
        process.join(STOP_S)
        raise WorkerDied(f"the worker process that ran seed {given[channel]} died (exit code {process.exitcode})")


def serve(channel: Connection, job: Job) -> None:
    """A worker: run the seeds that come, until whoever gives them is gone."""
    subject = job.subject()
    try:
        while True:
            seed = channel.recv()
            try:
                answer: Outcome | str = run_seed(job, subject, seed)
            except Exception:
                answer = traceback.format_exc()
            channel.send(answer)
    except (EOFError, ConnectionError):
        return
