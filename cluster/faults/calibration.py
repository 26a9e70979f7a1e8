"""What an idle link costs: the same frames, there and back, through the proxy and past it, in turns.

The rule: a process of its own measures, so that the proxy does nothing but relay; direct and proxied rounds alternate, so that what
else the machine does hurts both alike. A round trip passes the proxy twice, hence the cost of one way is half the difference.
"""

import asyncio
import json
import socket
import sys
import threading
import time
import zlib
from dataclasses import asdict, dataclass

import msgpack

from quorate.cluster.faults.events import Events
from quorate.cluster.faults.fault import Mode
from quorate.cluster.faults.framing import PeerFramer
from quorate.cluster.faults.link import Link
from quorate.cluster.faults.listener import Port
from quorate.cluster.faults.timing import Timing
from quorate.cluster.wire.errors import Unavailable

CALIBRATION_S_MAX = 120.0
BLOCK = 50
"""Rounds in a row on one path, before it is the other's turn."""
SOURCE, DESTINATION = "calibration", "echo"


@dataclass(frozen=True, slots=True)
class Calibration:
    """Microseconds of a round trip, direct and through an idle link, and what one way through the proxy adds."""

    rounds: int
    frame_bytes: int
    direct_p50_us: float
    direct_p99_us: float
    proxied_p50_us: float
    proxied_p99_us: float
    added_one_way_p50_us: float
    added_one_way_p99_us: float


async def calibrate(timing: Timing, rounds: int, frame_bytes: int) -> Calibration:
    """Measure now, on a link that only this uses. Unavailable if the measuring process fails."""
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", __name__, str(rounds), str(frame_bytes), stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    assert child.stdin is not None and child.stdout is not None, child
    port = None
    try:
        async with asyncio.timeout(CALIBRATION_S_MAX):
            echo = (await child.stdout.readline()).decode().strip()
            events = Events(timing)
            there, back = (Link(pair, Mode.MESSAGE, 0, events) for pair in ((SOURCE, DESTINATION), (DESTINATION, SOURCE)))
            port = Port("127.0.0.1:0", f"127.0.0.1:{echo}", there, back, timing, PeerFramer, PeerFramer, is_of_peers=True)
            await port.start()
            child.stdin.write(f"{port.address.rpartition(':')[2]}\n".encode())
            measured = json.loads(await child.stdout.readline())
    except (TimeoutError, OSError, ValueError) as problem:
        raise Unavailable(f"the calibration did not finish: {problem or 'no answer in time'}") from None
    finally:
        if child.returncode is None:
            child.kill()
        await child.wait()
        if port is not None:
            await port.stop()
    return Calibration(**measured)


def _hello() -> bytes:
    return bytes(msgpack.packb((0, 0, "hello", (1, "calibration", SOURCE, DESTINATION, 1, "disk", -1, "127.0.0.1:1"))))


def _serve(listener: socket.socket) -> None:
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=_echo, args=(connection,), daemon=True).start()


def _echo(connection: socket.socket) -> None:
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    while data := connection.recv(1 << 20):
        connection.sendall(data)


def _round_us(connection: socket.socket, frame: bytes) -> float:
    began = time.perf_counter_ns()
    connection.sendall(frame)
    left = len(frame)
    while left:
        received = len(connection.recv(left))
        if not received:
            raise OSError("the connection was closed")
        left -= received
    return (time.perf_counter_ns() - began) / 1_000


def _measure(rounds: int, frame_bytes: int) -> Calibration:
    listener = socket.create_server(("127.0.0.1", 0))
    threading.Thread(target=_serve, args=(listener,), daemon=True).start()
    echo = listener.getsockname()[1]
    print(echo, flush=True)  # noqa: T201  # this process speaks with its parent so
    paths = [socket.create_connection(("127.0.0.1", port)) for port in (echo, int(sys.stdin.readline()))]
    payload = b"\x90" + bytes(frame_bytes)
    frame = bytes(msgpack.packb((2, "m", ("default", zlib.crc32(payload), payload))))
    for path in paths:
        path.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        _round_us(path, _hello())
    took_us: tuple[list[float], list[float]] = ([], [])
    for _ in range(max(1, rounds // BLOCK)):
        for path, times in zip(paths, took_us, strict=True):
            times += [_round_us(path, frame) for _ in range(BLOCK)]
    (direct_50, direct_99), (proxied_50, proxied_99) = ((_quantile(times, 50), _quantile(times, 99)) for times in took_us)
    return Calibration(
        rounds=len(took_us[0]),
        frame_bytes=len(frame),
        direct_p50_us=direct_50,
        direct_p99_us=direct_99,
        proxied_p50_us=proxied_50,
        proxied_p99_us=proxied_99,
        added_one_way_p50_us=round((proxied_50 - direct_50) / 2, 1),
        added_one_way_p99_us=round((proxied_99 - direct_99) / 2, 1),
    )


def _quantile(times: list[float], percent: int) -> float:
    return round(sorted(times)[len(times) * percent // 100], 1)


if __name__ == "__main__":
    print(json.dumps(asdict(_measure(int(sys.argv[1]), int(sys.argv[2])))), flush=True)  # noqa: T201
