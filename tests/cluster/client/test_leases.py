"""Leases: kept alive in the background, and lost in time on the client's own clock."""

import asyncio

import pytest

from quorate.cluster.wire.errors import LeaseNotFound
from tests.cluster.client.fake import FakeCluster, spin, until


async def test_a_lease_ends_with_its_block_and_takes_its_keys_along(cluster: FakeCluster) -> None:
    client = await cluster.connected()
    async with client.lease(ttl=10) as lease:
        await client.put("k", "v", lease=lease)
        item = await client.get("k")
        assert item is not None and lease.id == item.lease

    assert await client.get("k") is None
    assert lease.lost.is_set()


async def test_a_lease_can_be_awaited_and_revoked(cluster: FakeCluster) -> None:
    client = await cluster.connected()
    lease = await client.lease(ttl=10)
    await client.put("k", "v", lease=lease)

    assert (10_000, 1) == (await client.lease_info(lease.id))[1:3]
    assert (lease.id,) == (await client.leases()).ids
    assert 1 == await lease.revoke()
    assert 0 == await lease.revoke(), "it has ended already: no error"


async def test_a_lease_is_kept_alive_three_times_in_its_ttl(cluster: FakeCluster) -> None:
    client = await cluster.connected()
    lease = await client.lease(ttl=9)
    await cluster.timing.advance(30_000)

    assert 9 <= len(cluster["n1"].asked("keep_alive")) <= 10
    assert not lease.lost.is_set()


async def test_a_lease_survives_a_failover(cluster: FakeCluster) -> None:
    client = await cluster.connected()
    lease = await client.lease(ttl=9)
    cluster["n1"].crash()
    cluster.lead("n2")
    await cluster.timing.advance(20_000)

    assert not lease.lost.is_set()
    assert len(cluster["n2"].asked("keep_alive")) >= 5


async def test_a_lease_that_is_not_confirmed_in_time_is_lost_a_ttl_after_the_last_confirmed_request_was_sent(cluster: FakeCluster) -> None:
    """1. Granted at 0. 2. The keep-alive sent at 3 s is answered at 4 s. 3. Nothing after. It is lost at 12 s, not at 13."""
    client = await cluster.connected()
    lease = await client.lease(ttl=9)
    cluster["n1"].holds.add("keep_alive")
    await cluster.timing.advance(4_000)
    cluster["n1"].release()
    await spin()
    for node in cluster.nodes.values():
        node.crash()
    await cluster.timing.advance(7_900)
    assert not lease.lost.is_set()
    await cluster.timing.advance(200)

    assert lease.lost.is_set()


async def test_a_lease_that_the_cluster_has_ended_is_lost_at_once(cluster: FakeCluster) -> None:
    client = await cluster.connected()
    lease = await client.lease(ttl=9)
    await client.revoke_lease(lease.id)
    await cluster.timing.advance(3_100)

    assert lease.lost.is_set()
    with pytest.raises(LeaseNotFound):
        await lease.keep_alive()


async def test_a_lost_lease_wakes_who_waits_for_it(cluster: FakeCluster) -> None:
    client = await cluster.connected()
    lease = await client.lease(ttl=1)
    waiting = asyncio.ensure_future(lease.lost.wait())
    for node in cluster.nodes.values():
        node.crash()
    await cluster.timing.advance(1_100)

    assert await waiting


async def test_the_error_of_a_block_is_not_hidden_by_a_lease_that_can_not_be_revoked(cluster: FakeCluster) -> None:
    client = await cluster.connected(timeout=0.2)

    async def work() -> None:
        async with client.lease(ttl=1):
            for node in cluster.nodes.values():
                node.crash()
            raise ValueError("the block's own")

    with pytest.raises(ValueError, match="the block's own"):
        await cluster.finish(work())


async def test_a_lease_of_another_process_can_be_renewed_and_revoked_by_its_id(cluster: FakeCluster) -> None:
    ours = await cluster.connected()
    theirs = await cluster.connected()
    lease = await theirs.lease(ttl=10)

    assert 10_000 == await ours.keep_alive(lease.id)
    assert 0 == (await ours.revoke_lease(lease.id)).deleted
    with pytest.raises(LeaseNotFound):
        await ours.keep_alive(lease.id)


async def test_closing_the_client_stops_keeping_leases(cluster: FakeCluster) -> None:
    client = await cluster.connected()
    await client.lease(ttl=9)
    await cluster.finish(client.close())
    await until(lambda: not cluster["n1"].connections)
    await cluster.timing.advance(20_000)

    assert 0 == len(cluster["n1"].asked("keep_alive"))
    assert 0 == cluster.timing.timer_count
