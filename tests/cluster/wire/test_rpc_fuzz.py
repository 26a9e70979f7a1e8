"""The decoder under bytes and frames that chance made: every answer is well formed, every close has a reason."""

import asyncio

import msgpack
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from quorate.cluster.wire.errors import BadRequest, NotLeader, Uncertain, from_wire, to_wire
from quorate.cluster.wire.rpc import Method, ServerConnection, pack
from tests.cluster.wire.server import Server

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
