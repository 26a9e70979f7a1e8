"""The loop in virtual time: what is due when, whose code runs, and what is fenced off."""

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from random import Random

import pytest

from quorate.cluster.simulation.loop import NotSimulated, Process, SimulatedLoop, Stuck
from quorate.protocols.simulation.schedule import SECOND, Schedule


@pytest.fixture
def loop() -> Iterator[SimulatedLoop]:
    loop = SimulatedLoop(Schedule(Random(1)))  # type: ignore[abstract]
    yield loop
    loop.close()


def pass_time(loop: SimulatedLoop, seconds: float) -> None:
    loop.run_until_complete(asyncio.sleep(seconds))


def test_time_jumps_to_what_is_due_and_is_exact(loop: SimulatedLoop) -> None:
    seen: list[tuple[str, int]] = []

    async def sleeps(name: str, seconds: float) -> None:
        await asyncio.sleep(seconds)
        seen.append((name, loop.now_ns))

    async def both() -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(sleeps("late", 86_400.25))
            tasks.create_task(sleeps("early", 0.001))

    loop.run_until_complete(both())

    assert [("early", SECOND // 1_000), ("late", 86_400 * SECOND + SECOND // 4)] == seen


def test_a_timeout_ends_what_takes_too_long(loop: SimulatedLoop) -> None:
    async def never() -> None:
        async with asyncio.timeout(5):
            await loop.create_future()

    with pytest.raises(TimeoutError):
        loop.run_until_complete(never())
    assert 5 * SECOND == loop.now_ns


def test_a_killed_process_runs_no_cleanup(loop: SimulatedLoop) -> None:
    """What a real `kill -9` does not run either: `finally`, `except`, cancellation, callbacks."""
    done: list[str] = []

    async def careful() -> None:
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(asyncio.sleep(3))
                asyncio.get_running_loop().call_later(2, done.append, "timer")
                await asyncio.sleep(9)
        finally:
            done.append("cleanup")

    process = loop.process("n1")
    process.spawn(careful())
    pass_time(loop, 1)
    process.kill()
    pass_time(loop, 10)

    assert [] == done


def test_a_paused_process_finds_everything_done_when_it_goes_on(loop: SimulatedLoop) -> None:
    ticks: list[int] = []

    async def ticking() -> None:
        while True:
            await asyncio.sleep(1)
            ticks.append(loop.now_ns // SECOND)

    process = loop.process("n1")
    process.spawn(ticking())
    pass_time(loop, 2.5)
    process.pause()
    pass_time(loop, 5)
    process.resume()
    pass_time(loop, 2.1)

    assert [1, 2, 7, 8, 9] == ticks


def test_a_context_follows_the_code_of_a_process(loop: SimulatedLoop) -> None:
    """Tasks and timers that a process starts are its own, however deep."""
    owners: list[Process] = []

    async def outer() -> None:
        asyncio.get_running_loop().call_later(1, lambda: owners.append(loop.current))
        await asyncio.create_task(inner())

    async def inner() -> None:
        owners.append(loop.current)

    process = loop.process("n1")
    process.spawn(outer())
    pass_time(loop, 2)

    assert [process, process] == owners


def test_work_beside_the_loop_takes_its_time_and_is_done_one_after_the_other(loop: SimulatedLoop) -> None:
    process = loop.process("n1")
    process.work_ns = lambda: SECOND
    done: list[tuple[str, int]] = []

    async def work() -> None:
        await asyncio.gather(*(asyncio.to_thread(lambda name=name: done.append((name, loop.now_ns // SECOND))) for name in "ab"))

    task = process.spawn(work())
    pass_time(loop, 3)

    assert task.done()
    assert [("a", 1), ("b", 2)] == done


def test_work_that_fails_tells_who_waits(loop: SimulatedLoop) -> None:
    process = loop.process("n1")
    process.work_ns = lambda: 0

    async def work() -> None:
        await asyncio.to_thread(int, "x")

    task = process.spawn(work())
    pass_time(loop, 1)

    assert isinstance(task.exception(), ValueError)


def test_cancelled_tasks_of_a_group_end_in_the_order_in_which_they_began(loop: SimulatedLoop) -> None:
    """asyncio keeps them in a set, which would let out the order of their addresses."""
    ended: list[int] = []

    async def member(number: int) -> None:
        try:
            await loop.create_future()
        finally:
            ended.append(number)

    async def group() -> None:
        async with asyncio.TaskGroup() as tasks:
            for number in range(100):
                tasks.create_task(member(number))
            await asyncio.sleep(1)
            raise ValueError

    with pytest.raises(ExceptionGroup):
        loop.run_until_complete(group())
    assert list(range(100)) == ended


async def _signal(loop: SimulatedLoop) -> None:
    loop.add_signal_handler(15, print)


async def _datagrams(loop: SimulatedLoop) -> None:
    await loop.create_datagram_endpoint(asyncio.DatagramProtocol, ("127.0.0.1", 1))


async def _name(loop: SimulatedLoop) -> None:
    await loop.getaddrinfo("localhost", 1)


async def _process(loop: SimulatedLoop) -> None:
    await asyncio.create_subprocess_exec(sys.executable)


async def _thread(loop: SimulatedLoop) -> None:
    await asyncio.to_thread(print)


async def _socket(loop: SimulatedLoop) -> None:
    await loop.create_connection(asyncio.Protocol, "127.0.0.1", 1)


@pytest.mark.parametrize("outside", [_signal, _datagrams, _name, _process, _thread, _socket])
def test_what_the_seed_does_not_decide_is_fenced_off(loop: SimulatedLoop, outside: object) -> None:
    with pytest.raises(NotSimulated):
        loop.run_until_complete(outside(loop))  # type: ignore[operator]


def test_waiting_for_nothing_is_an_error(loop: SimulatedLoop) -> None:
    async def forever() -> None:
        await loop.create_future()

    with pytest.raises(Stuck):
        loop.run_until_complete(forever())


def test_an_error_that_nobody_catches_is_kept(loop: SimulatedLoop) -> None:
    loop.call_soon(int, "x")
    pass_time(loop, 0)

    assert 1 == len(loop.problems)
    assert "ValueError" in loop.problems[0]


def test_closing_leaves_no_complaint_behind() -> None:
    """Tasks that were under way are destroyed pending: in a process of its own, whose standard error can be looked at."""
    program = """
import asyncio
from random import Random
from quorate.cluster.simulation.loop import SimulatedLoop
from quorate.protocols.simulation.schedule import Schedule
async def stubborn():
    try:
        await asyncio.sleep(9)
    finally:
        await asyncio.sleep(9)
loop = SimulatedLoop(Schedule(Random(1)))
loop.process("n1").spawn(stubborn())
loop.run_until_complete(asyncio.sleep(1))
loop.close()
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)

    assert (0, "") == (done.returncode, done.stderr)
