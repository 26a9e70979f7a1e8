"""Whatever arrives at its ports, a node answers with an error or hangs up, and goes on serving the others."""

import asyncio
import contextlib
from collections.abc import Iterator
from pathlib import Path
from random import Random

import msgpack
import pytest

from quorate import connect
from quorate.cluster.local import LocalCluster
from quorate.cluster.service import commands

pytestmark = pytest.mark.process

IDLE_CONNECTIONS = 2_000
RESIDENT_MIB_MAX = 700
"""A node that buffered without bound would hold gigabytes: the greedy client below asks for 4 GiB."""


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory, engine: str) -> Iterator[LocalCluster]:
    with LocalCluster.create(tmp_path_factory.mktemp("rude"), engine=engine) as made:
        made.start()
        made.wait_ready()
        yield made


def frame(*fields: object) -> bytes:
    packed: bytes = msgpack.packb(list(fields))
    return packed


async def send(address: str, data: bytes, *, wait_for_end: bool) -> bytes:
    """What the node says; with `wait_for_end`, everything until it hangs up."""
    host, port = address.rsplit(":", 1)
    reader, writer = await asyncio.open_connection(host, int(port))
    with contextlib.suppress(ConnectionError):
        writer.write(data)
        await writer.drain()
    async with asyncio.timeout(20):
        try:
            said = await (reader.read() if wait_for_end else reader.read(65536))
        except ConnectionError:
            said = b""
    writer.close()
    return said


async def serves(cluster: LocalCluster) -> None:
    """The proof after each rudeness: a write and a read on every node."""
    async with connect(cluster.endpoints, timeout=20) as client:
        await client.put("alive", "yes")
    for name in cluster.names:
        async with connect(cluster.client_address(name), timeout=20) as client:
            found = await client.get("alive")
            assert found is not None and b"yes" == found.value


GARBAGE = {
    "random bytes": bytes(Random(1).randbytes(5000)),
    "http": b"GET / HTTP/1.1\r\nHost: quorate\r\n\r\n",
    "not an array": msgpack.packb({"a": 1}),
    "wrong length": frame(0, 1, "ping"),
    "unknown kind": frame(7, 1, "ping", []),
    "unhashable map key": b"\x81\x90\x01",
    "deep nesting": b"\x91" * 100_000,
    "bad utf-8": b"\x94\x00\x01\xa4\xff\xfe\xfd\xfc\x90",
    "huge frame": b"\xc6\x08\x00\x00\x00" + b"x" * (6 << 20),
}


@pytest.mark.parametrize("garbage", GARBAGE.values(), ids=GARBAGE.keys())
@pytest.mark.parametrize("port", ["client", "peer"])
async def test_garbage_closes_the_connection_and_nothing_else(cluster: LocalCluster, garbage: bytes, port: str) -> None:
    node = cluster.record.nodes[cluster.wait_leader()]
    data = garbage if port == "client" else garbage * 8
    await send(node.client if port == "client" else node.peer, data, wait_for_end=True)

    await serves(cluster)


@pytest.mark.parametrize(
    ("request_frame", "words"),
    [
        (frame(0, 1, "no_such_method", []), ["BadRequest", "no_such_method", "propose"]),
        (frame(0, 2, "propose", ["default"]), ["BadRequest", "(str, bytes)"]),
        (frame(0, 3, "query", ["default", "x", b""]), ["BadRequest", "(str, int, bytes)"]),
        (frame(0, 4, "query", ["default", 9, b""]), ["BadRequest", "linearizable"]),
        (frame(0, 5, "propose", ["elsewhere", b""]), ["BadRequest", "elsewhere", "default"]),
        (frame(0, 6, "propose", ["default", b"x" * (3 << 20)]), ["TooLarge"]),
        (frame(0, 7, "reconfigure", ["default", ["explode"]]), ["BadRequest", "promote"]),
        (frame(0, 8, "watch", ["default", 1, b"\xc1"]), ["BadRequest"]),
    ],
)
async def test_a_wrong_request_is_answered_by_an_error_that_says_what_is_right(
    cluster: LocalCluster, request_frame: bytes, words: list[str]
) -> None:
    said = await send(cluster.client_address("n1"), request_frame, wait_for_end=False)
    answer = str(msgpack.unpackb(said))

    assert all(word in answer for word in words), answer


async def test_half_a_frame_waits_without_harm(cluster: LocalCluster) -> None:
    host, port = cluster.client_address("n1").rsplit(":", 1)
    reader, writer = await asyncio.open_connection(host, int(port))
    whole = frame(0, 1, "ping", [])
    writer.write(whole[:3])
    await writer.drain()
    await serves(cluster)
    writer.write(whole[3:])
    async with asyncio.timeout(10):
        answer = await reader.read(100)
    writer.close()

    assert [1, 1, None, "pong"] == msgpack.unpackb(answer)


async def test_thousands_of_idle_connections_do_no_harm(cluster: LocalCluster) -> None:
    host, port = cluster.client_address("n1").rsplit(":", 1)
    opened = [await asyncio.open_connection(host, int(port)) for _ in range(IDLE_CONNECTIONS)]
    await serves(cluster)
    for _, writer in opened:
        writer.close()


async def test_a_client_that_asks_and_never_reads_does_not_grow_the_node(cluster: LocalCluster) -> None:
    """It asks for 4 GiB of replies and takes none of them; a watcher that reads nothing does the same with events."""
    async with connect(cluster.endpoints, timeout=20) as client:
        await client.put("large", b"x" * 1_000_000)
        host, port = cluster.client_address("n1").rsplit(":", 1)
        _, greedy = await asyncio.open_connection(host, int(port), limit=1024)
        _, watcher = await asyncio.open_connection(host, int(port), limit=1024)
        watcher.write(frame(0, 1, "watch", ["default", 1, commands.encode(commands.watch(*commands.single(b"large")))]))
        greedy.transport.set_write_buffer_limits(high=1 << 30)
        for number in range(4_000):
            greedy.write(frame(0, number, "query", ["default", 2, commands.encode(commands.get(b"large"))]))
        for number in range(100):
            await client.put("large", bytes([number]) * 1_000_000)
        resident = _resident_mib(cluster.pid("n1"))
        greedy.transport.abort()
        watcher.transport.abort()
        await serves(cluster)

    assert resident < RESIDENT_MIB_MAX, f"{resident} MiB"


def _resident_mib(pid: int) -> int:
    for line in Path(f"/proc/{pid}/status").read_text("ascii").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) // 1024
    raise AssertionError(f"no VmRSS of {pid}")
