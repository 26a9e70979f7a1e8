"""A server on real TCP whose methods echo, hold, fail and flood, and a client that may send anything."""

import asyncio
from collections.abc import Callable

import msgpack

from quorate.cluster.wire.errors import NotLeader
from quorate.cluster.wire.rpc import CLIENT_FRAME_MAX, Method, ServerConnection

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


async def connected(server: Server) -> Peer:
    return Peer(*await asyncio.open_connection("127.0.0.1", server.port))
