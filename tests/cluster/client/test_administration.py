"""Membership, status and hand-over through the client; and how it finds and judges nodes."""

import asyncio

import pytest

from quorate.cluster.client import connect
from quorate.cluster.client.endpoints import parse
from quorate.cluster.client.status import decode_identity, decode_status
from quorate.cluster.wire.errors import BadRequest, ChangeRefused, ProtocolError, QuorateError, Unavailable, Uncertain
from quorate.cluster.wire.rpc import ServerConnection
from quorate.protocols.core import PromoteByHand
from tests.cluster.client.fake import FakeCluster, spin, until


async def test_the_status_is_the_leaders_unless_a_node_is_named(cluster: FakeCluster) -> None:
    client = await cluster.connected()

    status = await client.status()
    assert ("n1", "leader") == (status.node, status.groups["default"].role)
    assert "n3" == (await client.status("n3")).node
    assert "n2" == (await client.status(cluster["n2"].address)).node
    with pytest.raises(BadRequest, match="no node 'n9' is known"):
        await client.status("n9")


async def test_without_a_leader_any_node_tells_its_status(cluster: FakeCluster) -> None:
    client = await cluster.connected()
    cluster["n1"].crash()
    cluster.lead(None)

    status = await cluster.finish(client.status())

    assert status.node in ("n2", "n3")
    assert "follower" == status.groups["default"].role


async def test_the_members_are_the_leaders_view(cluster: FakeCluster) -> None:
    client = await cluster.connected()

    members = await client.members()

    assert ["n1", "n2", "n3"] == [member.name for member in members]
    assert cluster["n2"].address == members[1].client_address


async def test_a_member_is_added_with_the_storage_id_that_it_tells(cluster: FakeCluster) -> None:
    client = await cluster.connected()
    async with FakeCluster("n4") as other:
        n4 = other["n4"]
        adding = client.add_member("n4", peer_address="127.0.0.1:9", client_address=n4.address)
        added = await cluster.finish(adding)

    assert (4, "disk-n4", False, True) == (added.number, added.storage, added.voter, added.promote)
    [(_, change)] = cluster["n1"].asked("reconfigure")
    assert ["add", "n4", 4, "disk-n4", True, "127.0.0.1:9", n4.address] == change


async def test_a_member_gets_the_number_that_the_leader_calls_free_and_none_once_all_were_given(cluster: FakeCluster) -> None:
    """The members show 1 to 3; 4 to 8 were members too."""
    client = await cluster.connected()
    cluster.free_number = 9
    added = await cluster.finish(client.add_member("n4", storage="disk", peer_address="a:1", client_address="a:2"))
    cluster.free_number = None

    assert 9 == added.number
    with pytest.raises(ChangeRefused, match="each of the 255 numbers was given"):
        await cluster.finish(client.add_member("n5", storage="disk", peer_address="a:1", client_address="a:2"))


async def test_a_member_with_another_name_than_said_is_refused(cluster: FakeCluster) -> None:
    client = await cluster.connected()
    async with FakeCluster("n5") as other:
        adding = client.add_member("n4", peer_address="", client_address=other["n5"].address)

        with pytest.raises(BadRequest, match="is n5, not n4"):
            await cluster.finish(adding)


async def test_a_name_that_is_a_member_already_is_refused_with_what_to_do(cluster: FakeCluster) -> None:
    client = await cluster.connected()

    with pytest.raises(ChangeRefused, match="quorate member replace n2"):
        await client.add_member("n2", peer_address="a:1", client_address="b:1")


async def test_a_wiped_member_is_replaced_under_its_old_name_and_a_new_number(cluster: FakeCluster) -> None:
    client = await cluster.connected()
    told = cluster["n2"].storage

    with pytest.raises(ChangeRefused, match="nothing to replace"):
        await cluster.finish(client.replace_member("n2"))
    cluster["n2"].handlers["identity"] = lambda connection, id: connection.reply(id, {"node": "n2", "storage": "new-disk"})
    replaced = await cluster.finish(client.replace_member("n2"))

    assert told != replaced.storage == "new-disk"
    changes = [change for _, change in cluster["n1"].asked("reconfigure")]
    assert ["remove", "n2"] == changes[0]
    assert ["add", "n2", 4, "new-disk", True] == changes[1][:5]  # type: ignore[index]
    with pytest.raises(BadRequest, match="the members are n1, n2, n3"):
        await client.replace_member("n9")


async def test_changes_follow_the_leader_and_are_sent_once(cluster: FakeCluster) -> None:
    client = await cluster.connected()
    await until(lambda: all(endpoint.name for endpoint in client._network.endpoints))
    cluster.lead("n2")
    await client.promote_member("n3")
    await client.remove_member("n3")

    assert [["promote", "n3"], ["remove", "n3"]] == [row for _, row in cluster["n2"].asked("reconfigure")]


async def test_a_promotion_by_hand_is_asked_of_the_node_that_it_names(cluster: FakeCluster) -> None:
    """Whoever leads, or nobody."""
    client = await cluster.connected()
    await until(lambda: all(endpoint.name for endpoint in client._network.endpoints))

    def promoted(connection: ServerConnection, id: int, group: str, change: list[object]) -> None:
        connection.reply(id, None)

    cluster["n3"].handlers.update(reconfigure=promoted)
    await client.reconfigure(PromoteByHand("n3"), timeout=1)

    assert [["promote_by_hand", "n3"]] == [row for _, row in cluster["n3"].asked("reconfigure")]
    assert [] == cluster["n1"].asked("reconfigure")


async def test_a_change_without_an_answer_is_uncertain_and_not_repeated(cluster: FakeCluster) -> None:
    client = await cluster.connected()
    cluster["n1"].holds.add("reconfigure")
    change = asyncio.ensure_future(client.remove_member("n3"))
    await until(lambda: cluster["n1"].held_count == 1)
    cluster["n1"].crash()
    cluster.lead("n2")

    with pytest.raises(Uncertain, match="look at the members"):
        await cluster.finish(change)
    assert 0 == len(cluster["n2"].asked("reconfigure"))


async def test_leadership_is_handed_over(cluster: FakeCluster) -> None:
    client = await cluster.connected()
    await client.transfer_leadership(to="n3")
    await cluster.finish(client.put("x", "1"))

    assert "n3" == (await client.status()).node


async def test_a_snapshot_is_taken_on_the_node_asked(cluster: FakeCluster) -> None:
    client = await cluster.connected()

    assert "s-n1" == (await client.snapshot()).id
    assert "s-n3" == (await client.snapshot("n3")).id
    cluster["n3"].crash()
    await spin()
    with pytest.raises(Unavailable, match="does not answer"):
        await cluster.finish(client.snapshot("n3"))


async def test_one_endpoint_is_enough_to_find_the_others(cluster: FakeCluster) -> None:
    cluster.lead("n3")
    client = await cluster.connected(endpoints=[cluster["n2"].address])

    await cluster.finish(client.put("x", "1"))

    assert {"n1", "n2", "n3"} == {endpoint.name for endpoint in client._network.endpoints}


async def test_a_learned_member_that_left_is_forgotten_and_a_given_one_kept(cluster: FakeCluster) -> None:
    client = await cluster.connected(endpoints=f"{cluster['n1'].address},{cluster['n2'].address}")
    await until(lambda: len(client._network.endpoints) == 3)
    cluster.member_names = {"n1"}
    client._leader._probe(client._network.endpoints[0])
    await spin(100)

    assert {"n1", "n2"} == {endpoint.name for endpoint in client._network.endpoints}


async def test_a_node_of_another_cluster_is_not_used(cluster: FakeCluster) -> None:
    async with FakeCluster("x1") as stray:
        stray["x1"].cluster_id = "c2"
        client = await cluster.connected(endpoints=f"{cluster.endpoints},{stray['x1'].address}", spread_reads=True)
        await cluster.timing.advance(100)
        for _ in range(8):
            await cluster.finish(client.get("x"))

        assert 0 == len(stray["x1"].asked("query"))
        assert "belongs to the cluster c2, not to c1" in client._network.describe()


async def test_an_old_leader_that_still_believes_in_itself_is_not_followed_back(cluster: FakeCluster) -> None:
    client = await cluster.connected()
    cluster.lead("n2")
    await cluster.finish(client.put("x", "1"))
    stale = {"node": "n1", "cluster": "c1", "groups": {"default": {"role": "leader", "term": 1}}}
    cluster["n1"].handlers["status"] = lambda connection, id: connection.reply(id, stale)
    client._leader._probe(client._network.endpoints[0])
    await spin(100)
    await cluster.finish(client.put("x", "2"))

    assert 1 == len(cluster["n1"].asked("propose")), "only the one before it was known to be old"


async def test_a_cluster_that_is_not_there_is_unavailable_and_names_every_endpoint(cluster: FakeCluster) -> None:
    for node in cluster.nodes.values():
        node.crash()
    client = cluster.client(timeout=1)

    with pytest.raises(Unavailable) as caught:
        await cluster.finish(client.start())
    for node in cluster.nodes.values():
        assert f"{node.address}: refuses the connection" in caught.value.message


async def test_connecting_to_a_cluster_without_a_leader_waits_and_then_goes_on(cluster: FakeCluster) -> None:
    cluster.lead(None)
    client = cluster.client(timeout=1)
    await cluster.finish(client.start())
    writing = asyncio.ensure_future(client.put("x", "1"))
    await cluster.timing.advance(300)
    cluster.lead("n3")

    await cluster.finish(writing)


async def test_connect_can_be_awaited_or_entered(cluster: FakeCluster) -> None:
    client = await connect(cluster.endpoints)
    await client.put("x", "1")
    await client.close()
    async with connect(cluster.endpoints.split(",")) as client:
        assert await client.get("x") is not None
    await until(lambda: not any(node.connections for node in cluster.nodes.values()))

    assert 0 == len(cluster.machine), "closing ends the session"


async def test_a_closed_client_says_so(cluster: FakeCluster) -> None:
    client = await cluster.connected()
    await client.put("x", "1")
    await cluster.finish(client.close())
    await cluster.finish(client.close())

    with pytest.raises(QuorateError, match="closed"):
        await cluster.finish(client.put("x", "2"))
    with pytest.raises(QuorateError, match="closed"):
        await cluster.finish(client.get("x"))


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "no endpoints"),
        (",", "no endpoints"),
        ([], "no endpoints"),
        ("localhost", "lacks a host or a port"),
        (":7001", "lacks a host or a port"),
        ("localhost:", "the port is a number"),
        ("localhost:seven", "the port is a number"),
        ("localhost:0", "the port is a number"),
        ("localhost:65536", "the port is a number"),
        ("localhost:-1", "the port is a number"),
        ("localhost:٣", "the port is a number"),
        ("http://localhost:7001", "leave out the scheme"),
        ("::1:7001", "in brackets"),
        ([7001], "an endpoint is a text"),
        (",".join(f"h:{port}" for port in range(1, 100)), "at most 64"),
    ],
)
def test_a_bad_endpoint_is_refused_with_what_is_wrong(text: str | list[str], complaint: str) -> None:
    with pytest.raises(BadRequest, match=complaint):
        connect(text)


def test_good_endpoints_are_understood_and_counted_once() -> None:
    assert [("a", 1), ("::1", 2)] == parse(" a:1 , [::1]:2,a:1,")


@pytest.mark.parametrize("body", [None, 1, [], {"node": 1}, {"groups": []}, {"groups": {"default": []}}, {"groups": {"g": {"members": 3}}}])
def test_a_status_of_the_wrong_shape_is_a_protocol_error(body: object) -> None:
    with pytest.raises(ProtocolError):
        decode_status(body)


def test_a_status_with_more_or_less_than_we_know_is_read() -> None:
    status = decode_status({"node": "n1", "new": 1, "groups": {"g": {"members": [{"name": "n1", "match": None, "active": True}]}}})

    assert ("n1", "", None, True) == (
        status.node,
        status.cluster,
        status.groups["g"].members[0].match,
        status.groups["g"].members[0].active,
    )
    assert "n1" == decode_identity({"node": "n1"}).node
