"""A frame whose length was damaged swallows what comes after it: the connection must end, and be dialled anew."""

import asyncio
from collections.abc import Coroutine
from random import Random

from quorate.cluster.simulation.loop import SimulatedLoop
from quorate.cluster.wire.rpc import Stream, pack
from quorate.protocols.simulation.schedule import Schedule

HEARTBEAT = pack((2, "m", ("default", 7, b"beat")))
WITHIN_S = 4.0


class Taking(Stream):
    def __init__(self) -> None:
        super().__init__(frame_size_max=32 << 20)
        self.frames: list[object] = []

    def _on_frame(self, frame: object) -> None:
        self.frames.append(frame)


class Wire(asyncio.Transport):
    def __init__(self) -> None:
        super().__init__()
        self.is_aborted = False

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        pass

    def is_closing(self) -> bool:
        return self.is_aborted

    def abort(self) -> None:
        self.is_aborted = True


async def opened() -> tuple[Taking, Wire]:
    stream, wire = Taking(), Wire()
    stream.connection_made(wire)
    stream.end_if_unfinished(WITHIN_S)
    return stream, wire


def in_virtual_time(work: Coroutine[object, object, None]) -> None:
    loop = SimulatedLoop(Schedule(Random(1)))  # type: ignore[abstract]
    try:
        loop.run_until_complete(work)
    finally:
        loop.close()


def test_a_frame_that_swallows_heartbeats_ends_its_connection() -> None:
    """Found by `quorate chaos run everything --seed 78 --duration 10m`: a damaged header, and n2 never heard its leader again."""

    async def work() -> None:
        stream, wire = await opened()
        damaged = bytearray(HEARTBEAT)
        damaged[damaged.index(b"beat") - 2 : damaged.index(b"beat")] = b"\xc6\x00"  # 16 MiB or so, it says now
        stream.data_received(HEARTBEAT + bytes(damaged))
        for _ in range(10):
            stream.data_received(HEARTBEAT)
            await asyncio.sleep(1)

        assert 1 == len(stream.frames)
        assert wire.is_aborted
        assert "was its length damaged?" in stream.closed_because
        stream.connection_lost(None)

    in_virtual_time(work())


def test_a_stream_of_whole_frames_and_one_that_is_slow_but_ends_go_on() -> None:
    async def work() -> None:
        stream, wire = await opened()
        half = len(HEARTBEAT) // 2
        for _ in range(20):
            stream.data_received(HEARTBEAT[:half])
            await asyncio.sleep(WITHIN_S * 0.9)
            stream.data_received(HEARTBEAT[half:])

        assert 20 == len(stream.frames)
        assert not wire.is_aborted
        stream.connection_lost(None)
        await asyncio.sleep(10 * WITHIN_S)
        assert not wire.is_aborted, "nobody looks at a connection that is gone"

    in_virtual_time(work())
