"""Connections that are flushed together: what one of them suffers is no other's trouble."""

from quorate.cluster.wire.rpc import Outbox, ServerConnection
from tests.cluster.service.serving import Wire


async def test_a_connection_that_was_closed_without_a_word_holds_up_no_other() -> None:
    """So uvloop treats one whose dialling is cancelled in its last moment: no `connection_lost`, `is_closing` says no, `write` raises."""

    class Dead(Wire):
        def write(self, data: bytes | bytearray | memoryview) -> None:
            raise RuntimeError("the handler is closed")

    outbox = Outbox()
    wires = [Dead(), Wire()]
    connections = [ServerConnection({}, outbox=outbox) for _ in wires]
    for connection, wire in zip(connections, wires, strict=True):
        connection.connection_made(wire)
        connection.send(b"x")
    outbox.flush()

    assert [b"x"] == wires[1].written
    assert not connections[0].is_open
