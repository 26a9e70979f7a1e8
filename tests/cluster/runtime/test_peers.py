"""Connections between nodes, on loopback: the contract of a Transport, who is let in, and how links come back."""

import asyncio
import zlib
from collections.abc import AsyncIterator, Callable

import msgpack
import pytest

from quorate.cluster.runtime.handshake import PROTOCOL_VERSION, Party
from quorate.cluster.runtime.peers import GroupTransport, PeerNetwork
from quorate.cluster.wire.codec import encode
from quorate.cluster.wire.errors import BadRequest
from quorate.protocols.core import Configuration, Member, Message, NodeId, Transport
from quorate.protocols.raft.messages import TimeoutNow
from tests.contracts.transport import TransportContract

GROUP = "default"
QUEUE_BYTES, QUEUE_MESSAGES = 4_000, 200
"""200 small messages are more than 4,000 bytes on the wire."""


async def until(condition: Callable[[], object]) -> None:
    """Let the loop run until it is so."""
    for _ in range(20_000):
        if condition():
            return
        await asyncio.sleep(0.001)
    raise AssertionError("it never came to be")


class Node:
    """One node as far as its peer connections go."""

    def __init__(self, name: NodeId, *, cluster: str = "demo", link_queue_max: int = 1 << 20) -> None:
        self.configuration = Configuration()
        self.party = Party(cluster, name, f"disk-{name}", 1, "127.0.0.1:1", lambda: self.configuration, engine="raft")
        self.network = PeerNetwork(self.party, self._on_message, self._on_lost, link_queue_max=link_queue_max)
        self.transport: Transport = GroupTransport(self.network, GROUP)
        self.got: list[Message] = []
        self.lost: list[NodeId] = []

    def _on_message(self, group: str, sender: NodeId, message: Message) -> None:
        self.got.append(message)

    def _on_lost(self, peer: NodeId) -> None:
        self.lost.append(peer)

    async def listen(self, address: str = "127.0.0.1:0") -> "Node":
        await self.network.listen(address)
        self.party.address = f"127.0.0.1:{self.network.port}"
        return self

    @property
    def address(self) -> str:
        return self.party.address

    def is_up(self, peer: NodeId) -> bool:
        return peer in self.network.links and self.network.links[peer].is_up


class LoopbackWorld:
    """The real transport of "here", linked to "near" and "far"."""

    queue_max = QUEUE_MESSAGES

    def __init__(self, here: Node, peers: dict[NodeId, Node]) -> None:
        self.here, self.peers = here, peers
        self.transport = here.transport

    @property
    def dropped(self) -> int:
        return sum(link.dropped_count for link in self.here.network.links.values())

    def hold(self, peer: NodeId) -> None:
        for connection in self.peers[peer].network.inbound:
            assert connection._transport is not None
            connection._transport.pause_reading()

    async def release(self, peer: NodeId) -> None:
        for connection in self.peers[peer].network.inbound:
            assert connection._transport is not None
            connection._transport.resume_reading()

    async def arrived(self, peer: NodeId) -> list[Message]:
        # Messages keep their order, so a last one that arrives says that all did.
        stream = self.here.network.links[peer]._stream
        assert stream is not None
        await until(lambda: stream.unsent_size == 0)
        last, got = TimeoutNow(1), self.peers[peer].got
        self.transport.send(peer, last)
        await until(lambda: last in got)
        got.remove(last)
        return list(got)


class TestLoopbackTransport(TransportContract):
    @pytest.fixture
    async def world(self) -> AsyncIterator[LoopbackWorld]:
        peers = {"near": await Node("near").listen(), "far": await Node("far").listen()}
        here = Node("here", link_queue_max=QUEUE_BYTES)
        here.network.connect({name: peer.address for name, peer in peers.items()})
        await until(lambda: all(here.is_up(name) for name in peers))
        yield LoopbackWorld(here, peers)
        for node in (here, *peers.values()):
            await node.network.close()


@pytest.fixture
async def nodes() -> AsyncIterator[dict[NodeId, Node]]:
    """Two that listen and know nothing of each other yet."""
    made = {name: await Node(name).listen() for name in ("n1", "n2")}
    yield made
    for node in made.values():
        await node.network.close()


async def dialled(node: Node, *frames: object) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    host, port = node.address.rsplit(":", 1)
    reader, writer = await asyncio.open_connection(host, int(port))
    for frame in frames:
        writer.write(msgpack.packb(frame))
    return reader, writer


def hello(source: NodeId, to: Node, **changes: object) -> list[object]:
    fields: dict[str, object] = {
        "protocol": PROTOCOL_VERSION,
        "cluster": "demo",
        "source": source,
        "destination": to.party.node,
        "incarnation": 1,
        "storage": f"disk-{source}",
        "configuration_index": -1,
        "address": "127.0.0.1:1",
        "engine": "raft",
        "group_indexes": {},
    }
    return [0, 0, "hello", list((fields | changes).values())]


def carried(message: Message, *, crc: int | None = None) -> list[object]:
    payload = encode(message)
    return [2, "m", [GROUP, zlib.crc32(payload) if crc is None else crc, payload]]


async def test_a_message_with_a_wrong_checksum_closes_its_connection_and_is_counted(nodes: dict[NodeId, Node]) -> None:
    node = nodes["n1"]
    reader, _ = await dialled(node, hello("n9", node), carried(TimeoutNow(1)), carried(TimeoutNow(2), crc=1), carried(TimeoutNow(3)))
    await reader.read()

    assert [TimeoutNow(1)] == node.got
    assert 1 == node.network.corrupt_count


@pytest.mark.parametrize(
    "frame",
    [
        carried(TimeoutNow(1)),
        [0, 0, "hello", []],
        [0, 0, "hello", [PROTOCOL_VERSION]],
        [0, 0, "propose", ["default", b""]],
        {"a": 1},
        None,
    ],
)
async def test_who_does_not_say_hello_first_is_not_heard(nodes: dict[NodeId, Node], frame: object) -> None:
    node = nodes["n1"]
    reader, _ = await dialled(node, frame)
    await reader.read()
    await until(lambda: not node.network.inbound)

    assert [] == node.got


async def test_a_peer_of_another_version_is_told_both_whatever_else_its_hello_says(nodes: dict[NodeId, Node]) -> None:
    node = nodes["n1"]
    reader, _ = await dialled(node, [0, 0, "hello", [99, "and", {"more": "fields"}]])
    answer = str(msgpack.unpackb(await reader.read()))

    assert "protocol 99" in answer and f"speaks {PROTOCOL_VERSION}" in answer, answer


async def test_who_connects_and_says_nothing_is_sent_away(nodes: dict[NodeId, Node]) -> None:
    """Else a few thousand of them would use up the node's file descriptors."""
    node = nodes["n1"]
    reader, _ = await dialled(node)
    await until(lambda: node.network.inbound)
    for connection in list(node.network.inbound):
        connection._end_if_a_stranger()

    assert b"" == await reader.read()


async def test_a_peer_that_listens_only_later_is_reached_and_one_that_restarts_too(nodes: dict[NodeId, Node]) -> None:
    one, two = nodes["n1"], nodes["n2"]
    address = two.address
    await two.network.close()
    one.network.connect({"n2": address})
    one.transport.send("n2", TimeoutNow(1))
    again = nodes["n2"] = await Node("n2").listen(address)
    await until(lambda: one.is_up("n2"))
    one.transport.send("n2", TimeoutNow(2))
    await until(lambda: again.got)
    await again.network.close()
    await until(lambda: one.lost)
    third = nodes["n2"] = await Node("n2").listen(address)
    await until(lambda: one.is_up("n2"))

    assert [TimeoutNow(2)] == again.got
    assert ["n2"] == one.lost
    assert [] == third.lost


async def test_an_address_that_nobody_can_resolve_ends_no_link(nodes: dict[NodeId, Node]) -> None:
    """Such a member may be in the log already; once it has a better address, or is removed, all must go on."""
    one = nodes["n1"]
    one.network.connect({"n2": "nowhere", "n3": f"{'x' * 80}.example:1"})
    links = dict(one.network.links)
    await until(lambda: all(link.refusal for link in links.values()))

    assert not any(link.task.done() for link in links.values())

    one.network.connect({"n2": nodes["n2"].address})
    await until(lambda: one.is_up("n2"))


async def test_a_guest_is_answered_while_any_connection_of_it_stays(nodes: dict[NodeId, Node]) -> None:
    """
    1. A leader that we do not know dials us: we dial it back, to answer its appends.
    2. A cut that nobody tells us of; the leader dials again, and only then the old connection ends.
    """
    one, two = nodes["n1"], nodes["n2"]
    _, old = await dialled(one, hello("n2", one, address=two.address))
    await until(lambda: one.is_up("n2") and two.is_up("n1"))
    two.network.links.pop("n1").task.cancel()
    await until(lambda: len(one.network.inbound) == 1)
    _, young = await dialled(one, hello("n2", one, address=two.address))
    await until(lambda: len([each for each in one.network.inbound if each.hello is not None]) == 2)
    old.close()
    await until(lambda: len(one.network.inbound) == 1)

    assert one.is_up("n2")

    young.close()
    await until(lambda: not one.network.inbound)

    assert "n2" not in one.network.links


async def test_a_replaced_disk_is_cut_off_once_the_configuration_says_so_and_let_in_with_the_new_one(nodes: dict[NodeId, Node]) -> None:
    one, two = nodes["n1"], nodes["n2"]
    one.configuration = two.configuration = Configuration((Member("n1", 1, "disk-n1"), Member("n2", 2, "disk-n2")), 1)
    one.network.connect({"n2": two.address})
    two.network.connect({"n1": one.address})
    await until(lambda: one.is_up("n2") and two.is_up("n1"))
    one.configuration = Configuration((Member("n1", 1, "disk-n1"), Member("n2", 2, "another")), 2)
    one.network.configuration_changed()
    await until(lambda: two.network.links["n1"].refusal)

    assert "quorate member replace n2" in two.network.links["n1"].refusal

    two.party.storage = "another"
    two.network.links["n1"].dial_now()
    await until(lambda: two.is_up("n1"))

    assert "" == two.network.links["n1"].refusal


async def test_nodes_that_began_with_different_members_do_not_become_one_cluster(nodes: dict[NodeId, Node]) -> None:
    one, two = nodes["n1"], nodes["n2"]
    one.party.bootstrap = Configuration((Member("n1", 1, "disk-n1"), Member("n2", 2, "disk-n2"))).encode()
    two.party.bootstrap = Configuration((Member("n2", 2, "disk-n2"), Member("n3", 3, "disk-n3"))).encode()
    one.network.connect({"n2": two.address})
    await until(lambda: one.network.links["n2"].refusal)

    assert "n2, n3" in one.network.links["n2"].refusal
    assert not one.is_up("n2")


def test_a_node_that_joined_later_has_no_beginning_to_compare() -> None:
    party = Party("demo", "n1", "disk-1", 1, "h:1", Configuration, engine="raft")
    party.check_bootstrap("n2", Configuration((Member("n2", 2),)).encode())
    party.bootstrap = Configuration((Member("n1", 1),)).encode()
    party.check_bootstrap("n2", b"")
    party.check_bootstrap("n2", Configuration((Member("n1", 1, peer_address="elsewhere:1"),)).encode())
    with pytest.raises(BadRequest, match="different members"):
        party.check_bootstrap("n2", Configuration((Member("n1", 7),)).encode())


@pytest.mark.parametrize(
    "payload", [b"", b"\xc1", b"\x91\xcd\xff\xfe", b"\x91\x0c", b"\x92\x0c\xa1x", b"\x93\x0c\x01\x01", b"\x80", b"\x92\x0c\xff\xff"]
)
async def test_a_message_that_is_none_closes_its_connection_and_reaches_no_core(nodes: dict[NodeId, Node], payload: bytes) -> None:
    """Its checksum is right: whoever sent it speaks another language."""
    node = nodes["n1"]
    reader, _ = await dialled(node, hello("n9", node), [2, "m", [GROUP, zlib.crc32(payload), payload]], carried(TimeoutNow(3)))
    await reader.read()

    assert TimeoutNow(3) not in node.got


async def test_a_strange_disk_is_not_heard_in_its_group_until_the_group_knows_it(nodes: dict[NodeId, Node]) -> None:
    node = nodes["n1"]
    known = Configuration((Member("n2", 2, "a lost disk"),), index=5)
    node.party._groups = lambda: {"orders": known}
    nodes["n2"].network.connect({"n1": node.address})
    await until(lambda: nodes["n2"].is_up("n1"))
    orders = GroupTransport(nodes["n2"].network, "orders")
    orders.send("n1", TimeoutNow(1))
    nodes["n2"].transport.send("n1", TimeoutNow(2))
    await until(lambda: TimeoutNow(2) in node.got)

    assert [TimeoutNow(2)] == node.got
    assert 1 == node.network.strange_count

    known = Configuration()
    node.network.groups_known()
    await until(lambda: not node.network.inbound or not any(connection.strange_in for connection in node.network.inbound))
    known = Configuration((Member("n2", 2, "a lost disk"),), index=5)
    node.network.groups_known()
    orders.send("n1", TimeoutNow(4))
    nodes["n2"].transport.send("n1", TimeoutNow(5))
    await until(lambda: TimeoutNow(5) in node.got)
    assert [TimeoutNow(2), TimeoutNow(5)] == node.got, "whoever was there before the groups is looked at when they are"

    node.network.group_changed("orders", Configuration((Member("n2", 4, "disk-n2"),), index=6))
    orders.send("n1", TimeoutNow(3))
    await until(lambda: TimeoutNow(3) in node.got)
