"""msgpack-RPC against what clients may send: garbage, half frames, huge frames, wrong types. The connection may close, with
a reason; the server goes on serving the others, and nothing of a few bytes takes much memory."""

import asyncio
import tracemalloc
from collections.abc import AsyncIterator, Callable

import msgpack
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from quorate.cluster.wire.errors import BadRequest, NotLeader, Overloaded, Uncertain, from_wire, to_wire
from quorate.cluster.wire.rpc import CLIENT_FRAME_MAX, IN_FLIGHT_MAX, WRITE_HIGH_WATER, Method, ServerConnection, pack

TURNS_MAX = 5_000


async def until(predicate: Callable[[], object]) -> None:
    for _ in range(TURNS_MAX):
        if predicate():
            return
        await asyncio.sleep(0)
    raise AssertionError("it did not come about")


class Server:
    """Real TCP; methods that echo, hold, fail and flood."""

    def __init__(self) -> None:
        self.connections: list[ServerConnection] = []
        self.ended: list[ServerConnection] = []
        self.held: list[tuple[ServerConnection, int]] = []
        self.asked = 0
        self.port = 0
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> "Server":
        methods = {
            "echo": Method(self._echo, (bytes,)),
            "add": Method(lambda connection, id, a, b: connection.reply(id, a + b), (int, int)),
            "hold": Method(lambda connection, id: self.held.append((connection, id)), ()),
            "refuse": Method(self._refuse, ()),
            "flood": Method(lambda connection, id, size: connection.reply(id, bytes(size)), (int,)),
        }

        def make() -> ServerConnection:
            return ServerConnection(methods, on_open=self.connections.append, on_closed=self.ended.append)

        self._server = await asyncio.get_running_loop().create_server(make, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        for connection in self.connections:
            connection.abort("the test is over")
        await until(lambda: len(self.ended) == len(self.connections))

    def _echo(self, connection: ServerConnection, id: int, data: bytes) -> None:
        self.asked += 1
        connection.reply(id, data)

    def _refuse(self, connection: ServerConnection, id: int) -> None:
        raise NotLeader("ask n2", leader="n2", address="h:1")


class Peer:
    """A client that may send anything."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self._unpacker = msgpack.Unpacker(max_buffer_size=CLIENT_FRAME_MAX * 2)

    async def reply(self) -> list[object]:
        """The next frame; EOFError once the server has closed."""
        while True:
            for frame in self._unpacker:
                return list(frame)
            data = await self.reader.read(1 << 16)
            if not data:
                raise EOFError
            self._unpacker.feed(data)

    async def ask(self, *frame: object) -> list[object]:
        self.writer.write(msgpack.packb(frame))
        return await self.reply()

    async def ended(self) -> None:
        """The server has closed this connection; what it sent before is read."""
        try:
            while await self.reader.read(1 << 16):
                pass
        except ConnectionError:
            return


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    async with Server() as server:
        yield server


async def connected(server: Server) -> Peer:
    return Peer(*await asyncio.open_connection("127.0.0.1", server.port))


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


frames = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats() | st.text(max_size=8) | st.binary(max_size=8),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=12,
)
near_requests = st.tuples(
    st.sampled_from([0, 1, 2, 3, True]),
    st.integers(-1, 5) | st.none(),
    st.sampled_from(["echo", "add", "refuse", "flood", "x", 3]),
    st.lists(st.integers(-5, 5) | st.binary(max_size=3) | frames, max_size=3) | frames,
)


def fed(pieces: list[bytes]) -> tuple[ServerConnection, "Wire"]:
    """A connection to nowhere that has received these pieces; nothing may escape it."""
    server = Server()
    methods = {
        "echo": Method(server._echo, (bytes,)),
        "add": Method(lambda connection, id, a, b: connection.reply(id, a + b), (int, int)),
        "refuse": Method(server._refuse, ()),
    }
    connection = ServerConnection(methods)
    wire = Wire()
    connection.connection_made(wire)
    for piece in pieces:
        if wire.is_closing():
            break
        connection.data_received(piece)
    connection.flush()
    return connection, wire


class Wire(asyncio.Transport):
    """Remembers what was written."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[bytes] = []
        self.closed = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written.append(bytes(data))

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True

    def abort(self) -> None:
        self.closed = True

    def get_write_buffer_size(self) -> int:
        return 0

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        pass

    def replies(self) -> list[list[object]]:
        unpacker = msgpack.Unpacker()
        for data in self.written:
            unpacker.feed(data)
        return list(unpacker)


def check(pieces: list[bytes]) -> None:
    """Every reply is well formed; a closed connection has a reason."""

    async def run() -> None:
        connection, wire = fed(pieces)
        for reply in wire.replies():
            assert 4 == len(reply) and 1 == reply[0] and type(reply[1]) is int, reply
            if reply[2] is not None:
                assert type(from_wire(reply[2])) is not Uncertain, reply
        assert not wire.closed or connection.closed_because
        assert connection.in_flight == 0

    asyncio.run(run())


@given(st.lists(st.binary(max_size=40), max_size=6))
@example([b"\x94\x00\x01\xa4echo\x91\xc4", b"\x02", b"hi"])
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True)
def test_fuzz_bytes_in_any_pieces(pieces: list[bytes]) -> None:
    check(pieces)


@given(st.lists(frames | near_requests, max_size=5), st.integers(1, 50))
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True)
def test_fuzz_frames_that_are_nearly_requests(bodies: list[object], cut: int) -> None:
    data = b"".join(msgpack.packb(body) for body in bodies)
    check([data[at : at + cut] for at in range(0, len(data), cut)])


@given(near_requests, st.integers(0, 200), st.integers(0, 255))
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True)
def test_fuzz_one_changed_byte(body: tuple[object, ...], at: int, value: int) -> None:
    data = bytearray(msgpack.packb((0, 1, "add", [1, 2])) + msgpack.packb(body) + msgpack.packb((0, 2, "echo", [b"x"])))
    data[at % len(data)] = value
    check([bytes(data)])


@given(frames)
@settings(max_examples=150, deadline=None, derandomize=True)
def test_fuzz_errors_from_the_wire(body: object) -> None:
    """Whatever comes as an error becomes an error; what is not known is not definite."""
    error = from_wire(body)

    assert isinstance(error, Uncertain)


def test_an_error_survives_the_wire() -> None:
    error = from_wire(msgpack.unpackb(pack(to_wire(NotLeader("ask n2", leader="n2", address="h:1")))))

    assert isinstance(error, NotLeader)
    assert ("ask n2", "n2", "h:1") == (error.message, error.leader, error.address)


def test_an_error_may_have_details_of_any_name() -> None:
    error = from_wire(["BadRequest", "no", {"message": "twice", "self": 1}])

    assert isinstance(error, BadRequest)
    assert ("no", {"message": "twice", "self": 1}) == (error.message, error.details)
