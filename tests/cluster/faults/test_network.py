"""The proxy between real nodes' peer connections, on loopback."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable

import msgpack
import pytest

from quorate.cluster.faults.fault import Fault, no_fault
from quorate.cluster.faults.listener import PortTaken
from quorate.cluster.faults.network import CLIENT, ProxyNetwork, Upstream
from quorate.cluster.faults.timing import LoopTiming
from quorate.cluster.runtime.handshake import PROTOCOL_VERSION, Party
from quorate.cluster.runtime.peers import GroupTransport, PeerNetwork
from quorate.cluster.wire.errors import BadRequest
from quorate.protocols.core import Configuration, Message, NodeId
from quorate.protocols.raft.messages import Append, Heartbeat
from quorate.protocols.simulation.policy import Rule

NAMES = ("n1", "n2", "n3")


async def until(condition: Callable[[], object]) -> None:
    """Let the loop run until it is so."""
    for _ in range(20_000):
        if condition():
            return
        await asyncio.sleep(0.001)
    raise AssertionError("it never came to be")


class Node:
    """One node as far as its peer connections go."""

    def __init__(self, name: NodeId) -> None:
        self.name = name
        self.party = Party("demo", name, f"disk-{name}", 1, "127.0.0.1:1", Configuration, engine="raft")
        self.network = PeerNetwork(self.party, self._on_message, lambda peer: self.lost.append(peer))
        self.transport = GroupTransport(self.network, "default")
        self.got: list[tuple[NodeId, Message]] = []
        self.lost: list[NodeId] = []

    def _on_message(self, group: str, sender: NodeId, message: Message) -> None:
        self.got.append((sender, message))

    def is_up(self, peer: NodeId) -> bool:
        return peer in self.network.links and self.network.links[peer].is_up


class World:
    """Three nodes, and a proxy in between."""

    async def begin(self) -> "World":
        self.nodes = {name: Node(name) for name in NAMES}
        for node in self.nodes.values():
            await node.network.listen("127.0.0.1:0")
        self.client_port = await asyncio.start_server(self._echo, "127.0.0.1", 0)
        client = f"127.0.0.1:{self.client_port.sockets[0].getsockname()[1]}"
        upstreams = {name: Upstream(f"127.0.0.1:{node.network.port}", client) for name, node in self.nodes.items()}
        self.proxy = ProxyNetwork(upstreams, LoopTiming(), seed=1)
        await self.proxy.start()
        for name, node in self.nodes.items():
            node.network.connect({peer: self.proxy.ports[name, peer].address for peer in NAMES if peer != name})
        await until(self.all_up)
        return self

    async def _echo(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65_536):
            writer.write(data)
        writer.close()

    def all_up(self) -> bool:
        return all(node.is_up(peer) for name, node in self.nodes.items() for peer in NAMES if peer != name)

    async def set(self, source: str, destination: str, fault: Fault) -> None:
        self.proxy.links[source, destination].set(fault, 1, "test")
        await self.proxy.adjust()

    async def open(self, source: str, destination: str) -> None:
        await self.set(source, destination, no_fault(self.proxy.links[source, destination].mode))

    def send(self, source: str, destination: str, message: Message) -> None:
        self.nodes[source].transport.send(destination, message)

    def got(self, node: str) -> list[tuple[NodeId, Message]]:
        return self.nodes[node].got

    async def end(self) -> None:
        for node in self.nodes.values():
            await node.network.close()
        await self.proxy.stop()
        self.client_port.close()


@pytest.fixture
async def world() -> AsyncIterator[World]:
    made = await World().begin()
    yield made
    await made.end()


async def dial(address: str, *frames: object) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    host, port = address.split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    for frame in frames:
        writer.write(msgpack.packb(frame))
    return reader, writer


def hello(source: str, destination: str) -> object:
    return (0, 7, "hello", (PROTOCOL_VERSION, "demo", source, destination, 1, f"disk-{source}", -1, "127.0.0.1:1", "raft", {}))


async def test_nodes_reach_one_another_through_their_own_ports(world: World) -> None:
    world.send("n1", "n2", Heartbeat(3, 0, 1))
    world.send("n2", "n1", Append(3, 0, 0, 0, 1, b"x" * 3_000_000))
    await until(lambda: world.got("n2") and world.got("n1"))

    assert [("n1", Heartbeat(3, 0, 1))] == world.got("n2")
    assert [("n2", Append(3, 0, 0, 0, 1, b"x" * 3_000_000))] == world.got("n1")
    assert {"hello": 1, "welcome": 1, "Heartbeat": 1} == world.proxy.links["n1", "n2"].counts.frames
    assert 6 == len({port.address for pair, port in world.proxy.ports.items() if CLIENT not in pair})


async def test_a_cut_one_way_leaves_the_other_way_open_whoever_dialled(world: World) -> None:
    await world.set("n1", "n2", Fault(Rule(cut=True)))
    world.send("n1", "n2", Heartbeat(3, 0, 1))
    world.send("n2", "n1", Heartbeat(3, 0, 2))
    await until(lambda: world.got("n1"))
    await until(lambda: world.proxy.links["n1", "n2"].counts.dropped)
    assert [] == world.got("n2")
    await world.open("n1", "n2")
    world.send("n1", "n2", Heartbeat(3, 0, 3))
    await until(lambda: world.got("n2"))

    assert [("n1", Heartbeat(3, 0, 3))] == world.got("n2")


async def test_who_speaks_on_the_port_of_others_is_refused_and_told_why(world: World) -> None:
    reader, _ = await dial(world.proxy.ports["n1", "n2"].address, hello("n3", "n2"))
    [_, request_id, error, _] = msgpack.unpackb(await reader.read())

    assert 7 == request_id
    assert "BadRequest" == error[0]
    assert "belongs to n1>n2 alone, but 'n3' looks for 'n2'" in error[1]
    assert 1 == world.proxy.ports["n1", "n2"].refusals


@pytest.mark.parametrize("first", [(2, "m", ("default", 1, b"")), (0, 1, "hello", ()), 5])
async def test_a_connection_that_does_not_begin_with_hello_goes_nowhere(world: World, first: object) -> None:
    reader, _ = await dial(world.proxy.ports["n1", "n2"].address, first)
    answer = await reader.read()

    assert b"the first frame is no hello" in answer


async def test_garbage_ends_its_connection_and_nothing_else(world: World) -> None:
    host, port = world.proxy.ports["n1", "n2"].address.split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(b"\xc1" * 100)
    with pytest.raises(ConnectionResetError):
        await reader.read()

    assert world.all_up()


async def test_a_refused_link_is_refused_by_the_kernel_and_its_port_stays_ours(world: World) -> None:
    port = world.proxy.ports["n1", "n2"]
    await world.set("n1", "n2", Fault(refuse=True))
    host, number = port.address.split(":")
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection(host, int(number))
    with socket.socket() as thief, pytest.raises(OSError, match="in use"):
        thief.bind((host, int(number)))
    await world.open("n1", "n2")
    reader, writer = await dial(port.address, hello("n1", "n2"))

    assert (await reader.read(100)).startswith(b"\x94\x01\x07\xc0")
    writer.close()


async def test_reset_connections_are_seen_lost_and_dialled_anew(world: World) -> None:
    await world.set("n1", "n2", Fault(reset_after_ns=0))
    await until(lambda: "n2" in world.nodes["n1"].lost)
    await world.open("n1", "n2")
    await until(world.all_up)


async def test_a_destination_that_is_down_closes_the_sources_connection(world: World) -> None:
    await world.nodes["n3"].network.close()
    await until(lambda: "n3" in world.nodes["n1"].lost)
    await until(lambda: world.proxy.ports["n1", "n3"].failed_dials)

    assert world.proxy.nodes["n3"].peer in world.proxy.ports["n1", "n3"].last_problem
    assert world.nodes["n1"].is_up("n2")


async def test_a_hello_that_was_lost_in_a_cut_does_not_delay_the_heal(world: World) -> None:
    await world.set("n1", "n2", Fault(Rule(cut=True)))
    reader, writer = await dial(world.proxy.ports["n1", "n2"].address, hello("n1", "n2"))
    await until(lambda: world.proxy.links["n1", "n2"].counts.dropped)
    await world.open("n1", "n2")
    with pytest.raises(ConnectionResetError):
        await reader.read()
    writer.close()


async def test_clients_have_links_of_their_own(world: World) -> None:
    reader, writer = await dial(world.proxy.ports[CLIENT, "n2"].address, (0, 1, "put", ("k", b"v")))
    echoed = await reader.read(100)
    writer.close()

    assert [0, 1, "put", ["k", b"v"]] == msgpack.unpackb(echoed)
    assert {"put": 1} == world.proxy.links[CLIENT, "n2"].counts.frames
    assert 1 == world.proxy.links["n2", CLIENT].counts.delivered


async def test_when_the_proxy_ends_nodes_see_closed_connections(world: World) -> None:
    await world.proxy.stop()
    await until(lambda: all(len(set(node.lost)) == 2 for node in world.nodes.values()))


async def test_a_port_that_another_proxy_has_is_an_error_that_names_it(world: World) -> None:
    taken = world.proxy.ports["n1", "n2"].address
    other = ProxyNetwork(world.proxy.nodes, LoopTiming(), listen={("n1", "n2"): taken})
    with pytest.raises(PortTaken, match=f"cannot listen on {taken} for n1>n2"):
        await other.start()
    await other.stop()


async def test_a_link_that_does_not_exist_is_an_error_that_names_those_that_do(world: World) -> None:
    with pytest.raises(BadRequest, match="no link n1>n9; there are: n1>n2"):
        world.proxy.link(("n1", "n9"))
