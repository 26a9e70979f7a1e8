"""An asyncio event loop in virtual time: one process holds many simulated ones, and what happens depends on the seed alone.

The rule it keeps: time is an integer that jumps to the next event, and everything else that asyncio offers (sockets, signals,
threads, subprocesses) is fenced off with an error. Each callback belongs to the simulated process in whose context it was
scheduled: it runs only while that process lives, and waits while it is paused. So a crash needs no cooperation: no `finally`
and no `except` of the dead process ever runs.
"""

import asyncio
from asyncio.events import _set_running_loop
from collections import deque
from collections.abc import Callable, Coroutine, Generator
from contextlib import suppress
from contextvars import Context, ContextVar, copy_context
from itertools import count
from typing import Any, Protocol, TypeVar

from quorate.cluster.storage.faulty import Crash
from quorate.protocols.simulation.schedule import SECOND, Schedule

T = TypeVar("T")
Factory = Callable[[], asyncio.BaseProtocol]
Coro = Generator[Any, None, T] | Coroutine[Any, Any, T]

_PROCESS: ContextVar["Process | None"] = ContextVar("simulated process", default=None)


class NotSimulated(NotImplementedError):
    """Code under simulation asked for something whose outcome the seed does not decide."""


class Stuck(RuntimeError):
    """Nothing is left to happen, and what was waited for has not come."""


class Streams(Protocol):
    """What the loop needs of a network. The results are those of the loop's own `create_connection` and `create_server`."""

    async def connect(
        self, process: "Process", factory: Factory, host: str, port: int
    ) -> "tuple[asyncio.Transport, asyncio.BaseProtocol]": ...

    def listen(self, process: "Process", factory: Factory, host: str, port: int) -> object: ...


class Process:
    """One life of one simulated program."""

    def __init__(self, loop: "SimulatedLoop", name: str) -> None:
        self.loop = loop
        self.name = name
        self.alive = True
        self.is_paused = False
        self.context = Context()
        self.context.run(_PROCESS.set, self)
        self.backlog: list[Call] = []
        """What fell due while it was paused."""
        self.tasks: dict[asyncio.Task[Any], None] = {}
        """Held here, also those of the dead: collecting one as garbage would run its cleanup code."""
        self.work_ns: Callable[[], int] | None = None
        """How long the next piece of work beside the loop takes; None: there is nobody who could do it."""
        self.busy_until = 0

    def __repr__(self) -> str:
        return f"<Process {self.name}{'' if self.alive else ' dead'}{' paused' if self.is_paused else ''}>"

    def call(self, callback: Callable[..., object], *args: object) -> None:
        """Have this process do something, soon."""
        self.loop.call_soon(callback, *args, context=self.context)

    def spawn(self, work: Coro[T]) -> "asyncio.Task[T]":
        """Begin a task of this process."""
        return self.context.run(self.loop.create_task, work)

    def pause(self) -> None:
        """SIGSTOP: it does nothing, and does not notice."""
        self.is_paused = True

    def resume(self) -> None:
        self.is_paused = False
        backlog, self.backlog = self.backlog, []
        self.loop.ready.extend(backlog)

    def kill(self) -> None:
        """SIGKILL: nothing of it runs any more."""
        self.alive = False
        self.backlog.clear()


class Call(asyncio.TimerHandle):
    """A callback that is due at some time; of no process if it is the world's."""

    __slots__ = ("process",)

    def __init__(self, when: float, callback: Callable[..., object], args: tuple[object, ...], context: Context | None) -> None:
        # Not the base class's own: that asks the loop for its debug mode, and keeps a traceback.
        self._when, self._callback, self._args, self._cancelled = when, callback, args, False
        self._context = copy_context() if context is None else context
        self.process = self._context.get(_PROCESS)

    def cancel(self) -> None:
        self._cancelled = True
        self._callback, self._args = _nothing, ()

    def run(self) -> None:
        self._context.run(self._callback, *self._args)


def _nothing() -> None: ...


class _Numbered:
    """asyncio keeps tasks and futures in sets, and goes through them: by their numbers, then, not by their addresses."""

    number: int

    def __hash__(self) -> int:
        return self.number


class SimulatedFuture(_Numbered, asyncio.Future[Any]):
    """A future that hashes by its number."""

    def __init__(self, *, loop: "SimulatedLoop") -> None:
        self.number = loop.next_number()
        super().__init__(loop=loop)


class SimulatedTask(_Numbered, asyncio.Task[Any]):
    """A task that hashes by its number, and is held by its process until it is done."""

    def __init__(self, coro: Coro[Any], *, loop: "SimulatedLoop", name: str | None, context: Context | None) -> None:
        self.number = loop.next_number()
        context = copy_context() if context is None else context
        super().__init__(coro, loop=loop, name=name or f"task {self.number}", context=context)
        process = context.get(_PROCESS)
        owned = loop.world_tasks if process is None else process.tasks
        owned[self] = None
        self.add_done_callback(owned.pop)


class SimulatedLoop(asyncio.AbstractEventLoop):
    """The loop of a whole simulated cluster. `streams` answers for its network."""

    def __init__(self, schedule: Schedule) -> None:
        self.schedule = schedule
        self.ready: deque[Call] = deque()
        self.processes: list[Process] = []
        self.world_tasks: dict[asyncio.Task[Any], None] = {}
        self.call_count = 0
        self.streams: Streams | None = None
        self.problems: list[str] = []
        """What broke and nobody caught: an error of the program under test."""
        self.next_number = count(1).__next__
        self._is_running = False
        self._is_closed = False

    # Time.

    @property
    def now_ns(self) -> int:
        return self.schedule.now

    def time(self) -> float:
        return self.schedule.now / SECOND

    def call_soon(self, callback: Callable[..., object], *args: Any, context: Context | None = None) -> Call:  # type: ignore[override]
        call = Call(0.0, callback, args, context)
        if not self._is_closed:
            self.ready.append(call)
        return call

    call_soon_threadsafe = call_soon  # type: ignore[assignment]  # there are no other threads

    def call_later(self, delay: float, callback: Callable[..., object], *args: Any, context: Context | None = None) -> Call:  # type: ignore[override]
        return self.after(max(0, round(delay * SECOND)), callback, *args, context=context)

    def call_at(self, when: float, callback: Callable[..., object], *args: Any, context: Context | None = None) -> Call:  # type: ignore[override]
        return self.after(max(0, round(when * SECOND) - self.schedule.now), callback, *args, context=context)

    def after(self, delay_ns: int, callback: Callable[..., object], *args: object, context: Context | None = None) -> Call:
        """`call_later` in integers."""
        call = Call((self.schedule.now + delay_ns) / SECOND, callback, args, context)
        if not self._is_closed:
            self.schedule.after(delay_ns, self._due, call)
        return call

    def _due(self, call: Call) -> None:
        if not call._cancelled:
            self.ready.append(call)

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None: ...

    # Processes.

    def process(self, name: str) -> Process:
        """A new process begins."""
        made = Process(self, name)
        self.processes.append(made)
        return made

    @property
    def current(self) -> Process:
        """The process whose code is running."""
        process = _PROCESS.get()
        if process is None:
            raise NotSimulated("only a simulated process can do this, and this is the world's own code")
        return process

    # Running.

    def step(self) -> None:
        """One callback, or the next moment in time."""
        if not self.ready:
            if not self.schedule.step():
                raise Stuck("nothing is left to happen")
            return
        call = self.ready.popleft()
        process = call.process
        if call._cancelled or (process is not None and not process.alive):
            return
        if process is not None and process.is_paused:
            process.backlog.append(call)
            return
        self.call_count += 1
        try:
            call.run()
        except Crash:
            assert process is not None and not process.alive, f"a crash that killed nobody: {process}"
        except Exception as error:
            self.call_exception_handler({"message": f"{call._callback!r} broke", "exception": error})

    def run_until_complete(self, future: "Coro[T] | asyncio.Future[T]") -> T:  # type: ignore[override]
        """Let things happen until this is done. For the world's own work."""
        _set_running_loop(self)
        self._is_running = True
        try:
            task = future if isinstance(future, asyncio.Future) else self.create_task(future)
            while not task.done():
                self.step()
            return task.result()
        finally:
            self._is_running = False
            _set_running_loop(None)

    def close(self) -> None:
        """End all processes. What their cleanup code does now goes nowhere."""
        self._is_closed = True
        self.ready.clear()
        for process in self.processes:
            process.kill()
        for task in [*self.world_tasks, *(task for process in self.processes for task in process.tasks)]:
            task._log_destroy_pending = False  # type: ignore[attr-defined]
            with suppress(BaseException):
                task.get_coro().close()

    def is_running(self) -> bool:
        return self._is_running

    def is_closed(self) -> bool:
        return self._is_closed

    def get_debug(self) -> bool:
        return False

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """Futures whose error nobody asked for say so when they are collected, at a time that the seed does not decide: no news."""
        if "never retrieved" not in context["message"] and not self._is_closed:
            self.problems.append(f"{context['message']}: {context.get('exception')!r}")

    # What asyncio makes.

    def create_future(self) -> "asyncio.Future[Any]":
        return SimulatedFuture(loop=self)

    def create_task(self, coro: Coro[T], *, name: str | None = None, context: Context | None = None) -> "asyncio.Task[T]":
        return SimulatedTask(coro, loop=self, name=name, context=context)

    def run_in_executor(self, executor: None, func: Callable[..., T], *args: Any) -> "asyncio.Future[T]":  # type: ignore[override]
        """`func` runs at once, some time from now: one piece of work after another in each process."""
        process = self.current
        if executor is not None or process.work_ns is None:
            raise NotSimulated(f"{process.name} has no threads for {func!r}")
        future = self.create_future()
        begins = max(self.schedule.now, process.busy_until)
        process.busy_until = begins + process.work_ns()

        def work() -> None:
            if future.cancelled():
                return
            try:
                future.set_result(func(*args))
            except Exception as error:
                future.set_exception(error)

        self.after(process.busy_until - self.schedule.now, work)
        return future

    async def create_connection(self, protocol_factory: Any, host: str, port: int) -> Any:  # type: ignore[override]
        return await self._network.connect(self.current, protocol_factory, host, port)

    async def create_server(self, protocol_factory: Any, host: str, port: int) -> Any:  # type: ignore[override]
        return self._network.listen(self.current, protocol_factory, host, port)

    @property
    def _network(self) -> Streams:
        if self.streams is None:
            raise NotSimulated("this loop has no network")
        return self.streams


def _fence(name: str) -> Callable[..., Any]:
    def fenced(self: SimulatedLoop, *args: object, **options: object) -> Any:
        raise NotSimulated(f"loop.{name} is not simulated: its outcome would not depend on the seed alone")

    return fenced


for _name in [name for name in vars(asyncio.AbstractEventLoop) if not name.startswith("_") and name not in vars(SimulatedLoop)]:
    setattr(SimulatedLoop, _name, _fence(_name))
