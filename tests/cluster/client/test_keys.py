"""Keys, transactions and reads through the client: what is written is read, as text or bytes, and errors are typed."""

import asyncio

import pytest

from quorate.cluster.client import transaction as txn
from quorate.cluster.replicated_log import Consistency, ReplicatedLog
from quorate.cluster.service.commands import encode, get, put
from quorate.cluster.service.results import FutureRevision, decode_get, decode_put
from quorate.cluster.wire.errors import BadRequest, Compacted, NotLeader, Unavailable
from tests.cluster.client.fake import FakeCluster, spin, until


async def test_what_is_put_is_read(cluster: FakeCluster) -> None:
    client = await cluster.connected()

    put = await client.put("x", "1")
    item = await client.get(b"x")

    assert item is not None
    assert (b"x", b"1", "1", put.revision) == (item.key, item.value, item.text, item.mod_revision)
    assert await client.get("y") is None


async def test_a_put_tells_what_it_replaced_if_asked(cluster: FakeCluster) -> None:
    client = await cluster.connected()
    await client.put("x", "1")

    result = await client.put("x", "2", previous=True)

    assert result.previous is not None
    assert b"1" == result.previous.value


async def test_an_old_revision_can_be_read_until_it_is_compacted(cluster: FakeCluster) -> None:
    client = await cluster.connected()
    first = await client.put("x", "1")
    second = await client.put("x", "2")
    item = await client.get("x", revision=first.revision)
    assert item is not None
    assert b"1" == item.value
    await client.compact(second.revision)

    with pytest.raises(Compacted):
        await client.get("x", revision=first.revision)
    with pytest.raises(FutureRevision):
        await client.get("x", revision=99)


async def test_ranges_prefixes_and_their_limits(cluster: FakeCluster) -> None:
    client = await cluster.connected()
    for key in ("a", "b/1", "b/2", "c"):
        await client.put(key, key)

    page = await client.range("a", "c", limit=2)
    assert ([b"a", b"b/1"], 3, True) == ([item.key for item in page.items], page.total, page.more)
    assert [b"b/1", b"b/2"] == [item.key for item in (await client.range(prefix="b/")).items]
    assert [b"c", b"b/2", b"b/1", b"a"] == [item.key for item in (await client.range(descending=True)).items]
    assert (4, ()) == (await client.range(count_only=True))[1::2]
    with pytest.raises(BadRequest, match="not both"):
        await client.range("a", prefix="b")


async def test_a_scan_goes_through_all_pages_of_one_revision(cluster: FakeCluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("quorate.cluster.service.reading.RANGE_ITEMS_MAX", 4)
    client = await cluster.connected()
    for number in range(10):
        await client.put(f"k{number}", "v")
    keys: list[bytes] = []
    async for item in client.scan(prefix="k"):
        keys.append(item.key)
        await client.put("k99", "later")

    assert [b"k%d" % number for number in range(10)] == keys
    assert 3 == len(cluster["n1"].asked("query"))


async def test_deleting(cluster: FakeCluster) -> None:
    client = await cluster.connected()
    for key in ("a", "b/1", "b/2", "c", "d"):
        await client.put(key, "v")

    assert 1 == (await client.delete("a")).deleted
    assert 0 == (await client.delete("a")).deleted
    assert 2 == (await client.delete_prefix("b/")).deleted
    assert 1 == (await client.delete_range("c", "d")).deleted
    assert [b"d"] == [item.key for item in (await client.range()).items]


async def test_compare_and_swap_by_value_by_revision_and_by_absence(cluster: FakeCluster) -> None:
    client = await cluster.connected()

    made = await client.compare_and_swap("x", expected=None, value="1")
    assert made.succeeded
    assert not (await client.compare_and_swap("x", expected=None, value="2")).succeeded
    assert (await client.compare_and_swap("x", expected="1", value="2")).succeeded
    lost = await client.compare_and_swap("x", expected=made.revision, value="3")
    assert not lost.succeeded
    assert lost.current is not None and b"2" == lost.current.value
    assert (await client.compare_and_swap("x", expected="2", value=None)).succeeded
    assert await client.get("x") is None


async def test_a_transaction_built_step_by_step(cluster: FakeCluster) -> None:
    client = await cluster.connected()
    await client.put("x", "1")

    def change() -> txn.Transaction:
        return (
            client.txn()
            .when(txn.value("x").equals("1"), txn.absent("lock"), txn.version("x").above(0), txn.exists("x"))
            .then(txn.put("x", "2"), txn.put("lock", "me"), txn.range(prefix="l"))
            .otherwise(txn.get("x"))
        )

    first = await change().commit()
    second = await change().commit()

    assert first.succeeded
    assert not second.succeeded
    assert b"2" == second.results[0].item.value  # type: ignore[union-attr]


def test_a_condition_of_the_wrong_type_is_refused() -> None:
    with pytest.raises(BadRequest, match="value of a key is compared with bytes or str"):
        txn.value("x").equals(1)
    with pytest.raises(BadRequest, match="version of a key is compared with an int"):
        txn.version("x").equals("1")


@pytest.mark.parametrize("wrong", [1, None, ["x"], bytearray(b"x")])
async def test_keys_and_values_of_other_types_are_refused(cluster: FakeCluster, wrong: object) -> None:
    client = await cluster.connected()

    with pytest.raises(BadRequest, match="bytes or str"):
        await client.put(wrong, "v")  # type: ignore[arg-type]
    with pytest.raises(BadRequest, match="bytes or str"):
        await client.put("k", wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize("timeout", [0, -1, 1e9, float("nan")])
async def test_a_timeout_that_makes_no_sense_is_refused(cluster: FakeCluster, timeout: float) -> None:
    client = await cluster.connected()

    with pytest.raises(BadRequest, match="in seconds"):
        await client.put("x", "1", timeout=timeout)


async def test_linearizable_reads_go_to_the_leader(cluster: FakeCluster) -> None:
    client = await cluster.connected()
    for _ in range(6):
        await client.get("x")

    assert [6, 0, 0] == [len(node.asked("query")) for node in cluster.nodes.values()]


async def test_spread_reads_go_to_all_nodes_in_turn(cluster: FakeCluster) -> None:
    client = await cluster.connected(spread_reads=True)
    await until(lambda: all(endpoint.name for endpoint in client._network.endpoints))
    for _ in range(6):
        await client.get("x")

    assert [2, 2, 2] == [len(node.asked("query")) for node in cluster.nodes.values()]


async def test_a_leader_read_follows_the_leader(cluster: FakeCluster) -> None:
    client = await cluster.connected()
    await until(lambda: all(endpoint.name for endpoint in client._network.endpoints))
    cluster.lead("n3")
    await client.get("x", consistency=Consistency.LEADER)

    assert [1, 0, 1] == [len(node.asked("query")) for node in cluster.nodes.values()]


async def test_a_read_moves_on_when_its_node_dies(cluster: FakeCluster) -> None:
    client = await cluster.connected()
    await client.put("x", "1")
    cluster["n1"].holds.add("query")
    read = asyncio.ensure_future(client.get("x"))
    await until(lambda: cluster["n1"].held_count == 1)
    cluster["n1"].crash()
    cluster.lead("n2")
    item = await cluster.finish(read)

    assert item is not None and b"1" == item.value


async def test_a_linearizable_read_needs_no_path_to_the_leader(cluster: FakeCluster) -> None:
    """The client does not reach the leader; another node does, and answers after its own barrier."""
    client = await cluster.connected(endpoints=f"{cluster['n2'].address}")
    cluster["n1"].crash()
    await cluster.timing.advance(3_000)

    assert await cluster.finish(client.get("x")) is None


async def test_a_node_that_is_cut_off_is_shunned_for_a_while(cluster: FakeCluster) -> None:
    client = await cluster.connected(spread_reads=True)
    await until(lambda: all(endpoint.name for endpoint in client._network.endpoints))
    cluster["n2"].errors.extend(Unavailable("cut off") for _ in range(10))
    for _ in range(12):
        await cluster.finish(client.get("x"))

    assert 1 == len(cluster["n2"].asked("query"))
    assert 9 == len(cluster["n2"].errors)


async def test_a_read_that_nobody_answers_is_unavailable(cluster: FakeCluster) -> None:
    client = await cluster.connected(timeout=1)
    for node in cluster.nodes.values():
        node.holds.add("query")

    with pytest.raises(Unavailable, match="no answer in time"):
        await cluster.finish(client.get("x"))


async def test_a_hot_spot_of_refusals_is_paced(cluster: FakeCluster) -> None:
    """A node that claims to lead and refuses is asked with pauses, not as fast as it answers."""
    client = await cluster.connected()
    cluster["n1"].errors.extend(NotLeader() for _ in range(1000))
    read = asyncio.ensure_future(client.get("x", consistency=Consistency.LEADER))
    await spin(1000)
    assert len(cluster["n1"].asked("query")) < 10
    cluster["n1"].errors.clear()
    await cluster.finish(read)


async def test_the_client_is_a_replicated_log(cluster: FakeCluster) -> None:
    log: ReplicatedLog = await cluster.connected()

    written = decode_put(await log.propose(encode(put(b"x", b"1")), timeout=1))
    read = decode_get(await log.query(encode(get(b"x")), timeout=1))

    assert read.item is not None
    assert written.revision == read.item.mod_revision


async def test_leadership_tells_each_new_term(cluster: FakeCluster) -> None:
    client = await cluster.connected()
    terms = client.leadership()
    assert 1 == (await anext(terms)).term
    cluster.lead("n2")
    seen = await cluster.finish(anext(terms))

    assert (2, False) == (seen.term, seen.is_leader)
