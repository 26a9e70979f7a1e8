"""msgpack-RPC against what clients may send: garbage, half frames, huge frames, wrong types. The connection may close, with
a reason; the server goes on serving the others, and nothing of a few bytes takes much memory."""

import asyncio
import tracemalloc
from collections.abc import AsyncIterator

import msgpack
import pytest

from quorate.cluster.wire.errors import BadRequest, Overloaded, from_wire
from quorate.cluster.wire.rpc import CLIENT_FRAME_MAX, IN_FLIGHT_MAX, WRITE_HIGH_WATER
from tests.cluster.wire.server import Server, connected, until


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    async with Server() as server:
        yield server


async def assert_serves(server: Server) -> None:
    """A connection of its own is answered."""
    peer = await connected(server)
    assert [1, 1, None, b"still here"] == await peer.ask(0, 1, "echo", [b"still here"])
    peer.writer.close()


async def test_a_request_is_answered(server: Server) -> None:
    peer = await connected(server)

    assert [1, 7, None, 5] == await peer.ask(0, 7, "add", [2, 3])


async def test_requests_of_one_packet_are_answered_in_order(server: Server) -> None:
    peer = await connected(server)
    peer.writer.write(b"".join(msgpack.packb((0, id, "add", [id, 1])) for id in range(100)))

    assert [[1, id, None, id + 1] for id in range(100)] == [await peer.reply() for _ in range(100)]


async def test_a_request_that_comes_byte_by_byte_is_answered(server: Server) -> None:
    peer = await connected(server)
    await until(lambda: server.connections)
    for byte in msgpack.packb((0, 1, "echo", [b"slowly"])):
        server.connections[0].data_received(bytes((byte,)))

    assert [1, 1, None, b"slowly"] == await peer.reply()


async def test_an_error_carries_code_message_and_details(server: Server) -> None:
    peer = await connected(server)

    _, _, error, result = await peer.ask(0, 1, "refuse", [])

    assert result is None
    assert ["NotLeader", "ask n2", {"leader": "n2", "address": "h:1"}] == error


@pytest.mark.parametrize(
    ("frame", "complaint"),
    [
        ((0, 1, "no-such", []), "unknown method 'no-such'; known: add, echo, flood, hold, refuse"),
        ((0, 1, 5, []), "unknown method 5"),
        ((0, 1, None, []), "unknown method None"),
        ((0, 1, b"echo", [b""]), "unknown method b'echo'"),
        ((0, 1, ["echo"], [b""]), "unknown method"),
        ((0, 1, "echo", ["text"]), "echo takes (bytes), not (str)"),
        ((0, 1, "echo", []), "echo takes (bytes), not ()"),
        ((0, 1, "add", [1, 2, 3]), "add takes (int, int), not (int, int, int)"),
        ((0, 1, "add", [True, 1]), "add takes (int, int), not (bool, int)"),
        ((0, 1, "add", [1.0, 1]), "add takes (int, int), not (float, int)"),
        ((0, 1, "echo", [{"a": 1}]), "echo takes (bytes), not (dict)"),
    ],
)
async def test_a_request_that_makes_no_sense_is_refused_and_the_connection_goes_on(
    server: Server, frame: tuple[object, ...], complaint: str
) -> None:
    peer = await connected(server)

    error = from_wire((await peer.ask(*frame))[2])

    assert isinstance(error, BadRequest)
    assert error.message.startswith(complaint), error
    assert [1, 2, None, 3] == await peer.ask(0, 2, "add", [1, 2])


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"\xc1",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"\xa4echo",
        msgpack.packb(None),
        msgpack.packb([]),
        msgpack.packb({"method": "echo"}),
        msgpack.packb([0, 1, "echo"]),
        msgpack.packb([0, 1, "echo", [b""], 0]),
        msgpack.packb([0, "1", "echo", [b""]]),
        msgpack.packb([0, 1.5, "echo", [b""]]),
        msgpack.packb([0, True, "echo", [b""]]),
        msgpack.packb([0, 1, "echo", {}]),
        msgpack.packb([0, 1, "echo", b"x"]),
        msgpack.packb([1, 1, None, None]),
        msgpack.packb([2, "no-such", []]),
        msgpack.packb([2, "echo", [5]]),
        msgpack.packb([3, 1, "echo", [b""]]),
        msgpack.packb([[0], 1, "echo", [b""]]),
        b"\x94\x00\x01\xa4ech\xff\x91\xc4\x00",
        b"\x94\x00\x01\xa4echo\x91\xd6\xff\xff\xff\xff\xff\xff",
        b"\x81\xc4\x01a\x81\xc0\xc0",
        b"\x91" * 100_000,
        b"\xc7\x05\x7fhello",
    ],
)
async def test_what_is_not_msgpack_rpc_closes_the_connection_with_a_reason(server: Server, data: bytes) -> None:
    peer = await connected(server)
    peer.writer.write(data)
    peer.writer.write_eof()
    await peer.ended()
    await until(lambda: server.ended)

    assert server.ended[0].closed_because, "and says why"
    await assert_serves(server)


async def test_a_half_frame_waits_and_is_dropped_with_its_connection(server: Server) -> None:
    peer = await connected(server)
    peer.writer.write(msgpack.packb((0, 1, "echo", [b"x" * 100]))[:50])
    await until(lambda: server.connections)
    await assert_serves(server)
    peer.writer.close()
    await until(lambda: len(server.ended) >= 1)

    assert 1 == server.asked, "the half one was not carried out"


async def test_a_frame_over_the_limit_closes_the_connection_with_the_limit(server: Server) -> None:
    peer = await connected(server)
    peer.writer.write(b"\x94\x00\x01\xa4echo\x91\xc6" + (CLIENT_FRAME_MAX * 2).to_bytes(4, "big") + bytes(CLIENT_FRAME_MAX + (1 << 20)))
    await peer.ended()
    await until(lambda: server.ended)

    assert server.ended[0].closed_because
    await assert_serves(server)


async def test_a_frame_just_below_the_limit_is_taken(server: Server) -> None:
    peer = await connected(server)
    data = bytes(CLIENT_FRAME_MAX - 100)
    peer.writer.write(msgpack.packb((0, 1, "echo", [data])))

    assert [1, 1, None, data] == await peer.reply()


@pytest.mark.parametrize("header", [b"\xdd\xff\xff\xff\xff", b"\xdd\x00\x3f\xff\xff", b"\xdf\x00\x3f\xff\xff", b"\xc6\x00\x3f\xff\xff"])
async def test_a_few_bytes_that_announce_a_lot_reserve_little(server: Server, header: bytes) -> None:
    """Arrays of millions of elements inside one another, of which none ever comes."""
    peer = await connected(server)
    await until(lambda: server.connections)
    tracemalloc.start()
    try:
        peer.writer.write(b"\x94\x00\x01\xa4echo" + header * 1_000)
        await asyncio.sleep(0)
        await until(lambda: server.ended or server.connections[0]._unpacker.tell() > 0)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert peak < 8 << 20, f"{peak >> 20} MiB for {len(header) * 1_000} bytes"
    await assert_serves(server)


async def test_more_requests_than_may_wait_are_refused_as_overload(server: Server) -> None:
    peer = await connected(server)
    peer.writer.write(b"".join(msgpack.packb((0, id, "hold", [])) for id in range(IN_FLIGHT_MAX + 1)))

    _, id, error, _ = await peer.reply()

    assert id == IN_FLIGHT_MAX
    assert isinstance(from_wire(error), Overloaded)
    assert IN_FLIGHT_MAX == len(server.held) == server.connections[0].in_flight
    for connection, held in server.held:
        connection.reply(held, None)
    assert 0 == server.connections[0].in_flight


async def test_a_request_without_an_id_is_not_taken(server: Server) -> None:
    """A reply to it would free a place among those that wait which it never took, and so undo the bound."""
    peer = await connected(server)
    peer.writer.write(msgpack.packb((0, 1, "hold", [])) + msgpack.packb((2, "echo", [b"x"])) * 3)
    peer.writer.write_eof()
    await peer.ended()
    await until(lambda: server.ended)

    assert 0 == server.asked
    assert 1 == server.ended[0].in_flight
    assert server.ended[0].closed_because
    await assert_serves(server)


async def test_who_takes_no_replies_may_ask_no_more(server: Server) -> None:
    """A client that floods and does not read: the server stops reading it, and holds a bounded amount."""
    peer = await connected(server)
    peer.writer.transport.pause_reading()  # type: ignore[attr-defined]
    request = msgpack.packb((0, 1, "flood", [WRITE_HIGH_WATER // 4]))
    for _ in range(2_000):
        if not peer.writer.transport.is_closing():
            peer.writer.write(request)
        await asyncio.sleep(0)
    connection = server.connections[0]

    assert connection.unsent_size < 64 * WRITE_HIGH_WATER
    await assert_serves(server)


async def test_hundreds_of_idle_connections_hinder_nobody(server: Server) -> None:
    """Both ends are in this process, so the usual limit of 1,024 file descriptors allows no more."""
    idle = [await connected(server) for _ in range(300)]
    await assert_serves(server)
    for peer in idle:
        peer.writer.close()
    await until(lambda: len(server.ended) >= 300)
