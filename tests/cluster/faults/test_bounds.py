"""What the proxy holds is bounded, however the two sides behave."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from quorate.cluster.faults import listener
from quorate.cluster.faults.fault import Fault
from quorate.cluster.faults.network import ProxyNetwork
from quorate.cluster.faults.payloads import FaultPayload
from quorate.cluster.faults.pipe import HELD_BYTES_MAX
from quorate.cluster.faults.timing import LoopTiming
from quorate.cluster.wire.rpc import WRITE_HIGH_WATER
from quorate.protocols.simulation.policy import Rule
from tests.cluster.faults.test_network import World, dial, hello, until

PIECE = bytes(1 << 18)
READ_AT_ONCE = 1 << 20
"""More than what one read of an event loop gives."""


@pytest.fixture
async def world() -> AsyncIterator[World]:
    made = await World().begin()
    yield made
    await made.end()


async def test_a_reader_that_stands_still_stops_the_writer_and_gets_everything_later() -> None:
    """
    1. Nobody reads behind the proxy: it stops reading, long before it holds what it may hold for delays.
    2. The writer is stopped by its own full socket.
    3. Somebody reads: everything arrives.
    """
    reading = asyncio.Event()
    received = 0

    async def read(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal received
        await reading.wait()
        while data := await reader.read(1 << 20):
            received += len(data)
        writer.close()

    server = await asyncio.start_server(read, "127.0.0.1", 0, limit=1 << 16)
    network = ProxyNetwork({}, LoopTiming())
    port = await network.add_raw("raw", "127.0.0.1:0", f"127.0.0.1:{server.sockets[0].getsockname()[1]}")
    _, writer = await dial(port.address)
    pipe_is_stopped = lambda: port.forward.pipes and port.forward.pipes[0]._stopped_reading  # noqa: E731
    sent = 0
    while not pipe_is_stopped() or writer.transport.get_write_buffer_size() < len(PIECE):
        writer.write(PIECE)
        sent += len(PIECE)
        await asyncio.sleep(0)
    assert port.forward.queued_bytes <= WRITE_HIGH_WATER + READ_AT_ONCE < HELD_BYTES_MAX
    reading.set()
    await until(lambda: received == sent)
    writer.close()
    await port.stop()
    server.close()


async def test_connections_that_a_cut_leaves_behind_are_bounded(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listener, "CONNECTIONS_MAX", 5)
    await world.set("n1", "n2", Fault(Rule(cut=True)))
    port = world.proxy.ports["n1", "n2"]
    for accepted in range(20):
        _, writer = await dial(port.address, hello("n1", "n2"))
        await until(lambda accepted=accepted: port.accepted > accepted)
        writer.close()
    await until(lambda: len(port.relays) <= 5)

    assert port.accepted > 20


async def test_a_destination_that_cannot_be_reached_is_no_reset_of_a_fault(world: World) -> None:
    await world.nodes["n3"].network.close()
    await until(lambda: world.proxy.ports["n1", "n3"].failed_dials)

    assert 0 == world.proxy.links["n1", "n3"].counts.resets


def test_the_documentation_names_every_field_of_a_fault() -> None:
    text = (Path(__file__).parents[3] / "docs" / "proxy.md").read_text("utf-8")
    table = text[text.index("| field |") : text.index("**Links**")]

    assert [] == [name for name in FaultPayload.model_fields if f"`{name}`" not in table and name not in ("links", "shape")]
