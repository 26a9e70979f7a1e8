"""TCP between simulated machines: a stream stays one whatever the links do, and breaks as a kernel would break it."""

import asyncio
import socket
from random import Random

import pytest

from quorate.cluster.simulation.ends import RTO_NS_MIN, StreamEnd
from quorate.cluster.simulation.loop import Process, SimulatedLoop
from quorate.cluster.simulation.streams import SimulatedServer, SimulatedStreams
from quorate.cluster.wire.sockets import end_if_silent
from quorate.protocols.simulation.policy import Rule
from quorate.protocols.simulation.schedule import MILLISECOND, SECOND, Schedule

QUIET = Rule(delay_ns=MILLISECOND)
BOTH = [("a", "b"), ("b", "a")]


class Told(asyncio.Protocol):
    """Remembers what it was told."""

    def __init__(self) -> None:
        self.data = b""
        self.lost: list[Exception | None] = []
        self.is_full = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, StreamEnd)
        self.end = transport

    def data_received(self, data: bytes) -> None:
        self.data += data

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost.append(exc)

    def pause_writing(self) -> None:
        self.is_full = True

    def resume_writing(self) -> None:
        self.is_full = False


class World:
    """Machines "a" and "b"; "b" listens on port 1."""

    def __init__(self, rule: Rule = QUIET, seed: int = 1) -> None:
        self.loop = SimulatedLoop(Schedule(Random(seed)))  # type: ignore[abstract]
        self.streams = SimulatedStreams(seed, self.loop, rule, lambda source, destination, segment: None)
        self.loop.streams = self.streams
        self.a, self.b = self.loop.process("a"), self.loop.process("b")
        self.accepted: list[Told] = []
        self.listen()

    def listen(self) -> None:
        def accept() -> Told:
            self.accepted.append(Told())
            return self.accepted[-1]

        async def listen() -> SimulatedServer:
            server = await self.loop.create_server(accept, "b", 1)
            assert isinstance(server, SimulatedServer)
            return server

        self.b.spawn(listen())
        self.wait(0)

    def dial(self, process: Process | None = None, port: int = 1) -> "asyncio.Task[Told]":
        async def dial() -> Told:
            _, protocol = await self.loop.create_connection(Told, "b", port)
            assert isinstance(protocol, Told)
            return protocol

        return (process or self.a).spawn(dial())

    def connected(self) -> tuple[Told, Told]:
        task = self.dial()
        self.wait(10)
        return task.result(), self.accepted[-1]

    def wait(self, seconds: float) -> None:
        self.loop.run_until_complete(asyncio.sleep(seconds))


@pytest.mark.parametrize("seed", range(5))
def test_a_stream_arrives_whole_and_in_order_over_the_worst_of_links(seed: int) -> None:
    rule = Rule(MILLISECOND, 30 * MILLISECOND, 200_000, 200_000, 200_000, 500 * MILLISECOND)
    world = World(rule, seed)
    ours, theirs = world.connected()
    rng = Random(seed)
    there, back = rng.randbytes(300_000), rng.randbytes(50_000)
    for offset in range(0, len(there), 6_000):
        ours.end.write(there[offset : offset + 6_000])
        theirs.end.write(back[offset // 6 : offset // 6 + 1_000])
    world.wait(600)

    assert there == theirs.data
    assert back == ours.data
    assert world.streams.network.lost > 10


def test_a_loss_is_a_stall_and_then_a_burst() -> None:
    world = World()
    ours, theirs = world.connected()
    world.streams.network.cut(BOTH)
    for word in (b"one ", b"two ", b"three"):
        ours.end.write(word)
    world.wait(0.05)
    world.streams.network.heal()
    world.wait(RTO_NS_MIN / SECOND - 0.06)
    assert b"" == theirs.data
    world.wait(0.03)

    assert b"one two three" == theirs.data


def test_a_port_where_nobody_listens_refuses() -> None:
    world = World()
    task = world.dial(port=2)
    world.wait(1)

    assert isinstance(task.exception(), ConnectionRefusedError)


def test_a_dark_machine_does_not_answer_at_all() -> None:
    world = World()
    world.streams.died(world.b, in_silence=True)
    task = world.dial()
    world.wait(10)
    assert not task.done()
    world.wait(20)

    assert isinstance(task.exception(), TimeoutError)


def test_a_killed_process_is_heard_of_at_once() -> None:
    world = World()
    ours, _ = world.connected()
    world.b.kill()
    world.streams.died(world.b, in_silence=False)
    world.wait(0.01)

    assert [ConnectionResetError] == [type(error) for error in ours.lost]


def test_a_machine_that_lost_its_power_is_heard_of_when_it_is_back_and_written_to() -> None:
    world = World()
    ours, _ = world.connected()
    world.b.kill()
    world.streams.died(world.b, in_silence=True)
    world.wait(5)
    assert [] == ours.lost
    world.streams.dark.discard("b")
    world.b = world.loop.process("b")
    world.listen()
    ours.end.write(b"are you there?")
    world.wait(0.01)

    assert [ConnectionResetError] == [type(error) for error in ours.lost]


def test_a_silent_partition_ends_a_connection_after_the_time_that_its_socket_allows() -> None:
    world = World()
    ours, theirs = world.connected()
    end_if_silent(ours.end, 5)
    world.streams.network.cut(BOTH)
    ours.end.write(b"lost")
    world.wait(4)
    assert [] == ours.lost
    world.wait(5)

    assert [TimeoutError] == [type(error) for error in ours.lost]
    assert [] == theirs.lost, "it was not told to look"


def test_an_idle_end_notices_by_probes_and_a_paused_process_is_not_gone() -> None:
    """The kernel answers for a stopped process."""
    world = World()
    ours, _ = world.connected()
    end_if_silent(ours.end, 5)
    world.b.pause()
    world.wait(60)
    assert [] == ours.lost
    world.streams.network.cut(BOTH)
    world.wait(15)

    assert [TimeoutError] == [type(error) for error in ours.lost]


def test_a_one_way_cut_stalls_both_ways_because_nothing_is_acknowledged() -> None:
    world = World()
    ours, theirs = world.connected()
    end_if_silent(theirs.end, 5)
    world.streams.network.cut([("a", "b")])
    theirs.end.write(b"heard")
    ours.end.write(b"not heard")
    world.wait(1)
    assert (b"heard", b"") == (ours.data, theirs.data)
    world.wait(10)

    assert [TimeoutError] == [type(error) for error in theirs.lost]


def test_who_does_not_read_stops_who_writes() -> None:
    world = World()
    ours, theirs = world.connected()
    theirs.end.pause_reading()
    for _ in range(40):
        ours.end.write(bytes(64 << 10))
        world.wait(0.1)
    assert ours.is_full
    assert ours.end.get_write_buffer_size() > 0
    theirs.end.resume_reading()
    world.wait(30)

    assert not ours.is_full
    assert 40 * (64 << 10) == len(theirs.data)


def test_close_sends_what_is_written_and_abort_does_not() -> None:
    world = World()
    ours, theirs = world.connected()
    ours.end.write(b"last words")
    ours.end.close()
    world.wait(1)
    assert (b"last words", [None], [None]) == (theirs.data, theirs.lost, ours.lost)
    ours, theirs = world.connected()
    world.streams.network.cut(BOTH)
    ours.end.write(b"unsent")
    ours.end.abort()
    world.streams.network.heal()
    world.wait(10)

    assert (b"", [None]) == (theirs.data, ours.lost)


def test_a_dial_that_is_cancelled_leaves_nothing() -> None:
    world = World()
    task = world.dial()
    world.wait(0.0005)
    task.cancel()
    world.wait(1)

    assert task.cancelled()
    assert {} == world.streams.ends


def test_a_reset_in_between_is_heard_on_both_sides() -> None:
    world = World()
    ours, theirs = world.connected()
    world.streams.reset("b", "a")
    world.wait(0.001)

    assert [[ConnectionResetError]] * 2 == [[type(error) for error in each.lost] for each in (ours, theirs)]


def test_the_socket_of_an_end_takes_other_options_and_ignores_them() -> None:
    world = World()
    ours, _ = world.connected()
    ours.end.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    world.wait(200)

    assert [] == ours.lost
