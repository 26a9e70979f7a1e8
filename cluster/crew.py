"""Worker processes that are given one task at a time.

The rule it keeps: a worker never outlives this process, however it ends: it waits on a pipe whose other end is only here. A worker
that dies is an error that names the task it was given. Which worker does which task changes nothing: what comes of it is its own.
"""

import signal
import traceback
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from multiprocessing.resource_tracker import ensure_running
from types import TracebackType
from typing import Generic, Protocol, Self, TypeVar

from quorate.cluster.wire.errors import QuorateError

STOP_S = 5.0
"""A worker that was told to stop is in Python code and stops at once; one that does not is killed after this."""


class WorkerDied(QuorateError):
    """A worker process ended before it had done its task."""

    definite = False


Task = TypeVar("Task")
Answer = TypeVar("Answer")
Taken = TypeVar("Taken", contravariant=True)
Given = TypeVar("Given", covariant=True)


class Work(Protocol[Taken, Given]):
    """What a worker does. It is sent to another process, and so are tasks and answers."""

    def begin(self) -> Callable[[Taken], Given]:
        """In the worker, once: what does a task."""

    def called(self, task: Taken) -> str:
        """The task in an error: "seed 7"."""


@dataclass(frozen=True, slots=True)
class Failed:
    """The work itself broke: a traceback."""

    text: str


class Crew(Generic[Task, Answer]):
    """So many workers, in a `with`."""

    def __init__(self, work: Work[Task, Answer], count: int) -> None:
        self._work = work
        self._count = count
        self._workers: dict[Connection, BaseProcess] = {}

    @property
    def processes(self) -> list[BaseProcess]:
        return list(self._workers.values())

    def __enter__(self) -> Self:
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
            process = context.Process(target=serve, args=(theirs, self._work), name=f"worker {number}", daemon=True)
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

    def run(self, tasks: Iterable[Task]) -> Iterator[tuple[Task, Answer]]:
        """What came of the tasks, as it comes. Ends when all tasks that were taken are done."""
        left = iter(tasks)
        given: dict[Connection, Task] = {}
        for channel in self._workers:
            self._give(channel, left, given)
        while given:
            ready = wait(list(given))
            for channel in [one for one in given if one in ready]:
                try:
                    answer: Answer | Failed = channel.recv()
                except (EOFError, ConnectionError):
                    self._died(channel, given)
                task = given[channel]
                if isinstance(answer, Failed):
                    raise RuntimeError(f"the simulator itself broke on {self._work.called(task)}:\n{answer.text}")
                self._give(channel, left, given)
                yield task, answer

    def _give(self, channel: Connection, left: Iterator[Task], given: dict[Connection, Task]) -> None:
        given.pop(channel, None)
        for task in left:
            given[channel] = task
            try:
                channel.send(task)
            except ConnectionError:
                self._died(channel, given)
            return

    def _died(self, channel: Connection, given: dict[Connection, Task]) -> None:
        process = self._workers[channel]
        process.join(STOP_S)
        raise WorkerDied(f"the worker process that ran {self._work.called(given[channel])} died (exit code {process.exitcode})")


def serve(channel: Connection, work: Work[Task, Answer]) -> None:
    """A worker: do the tasks that come, until whoever gives them is gone."""
    do = work.begin()
    try:
        while True:
            task = channel.recv()
            try:
                answer: Answer | Failed = do(task)
            except Exception:
                answer = Failed(traceback.format_exc())
            channel.send(answer)
    except (EOFError, ConnectionError):
        return
