"""What must survive: nodes killed and stopped under load lose nothing, apply nothing twice, and read nothing stale.

Every crash runs twice: on real files, where kill -9 keeps the page cache and so proves little about fsync; and on the faulty
layer, which keeps what is not synced in the process, so that it dies with it.
"""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from quorate import LeaseNotFound, connect
from quorate.cluster.local import LocalCluster
from tests.support.workload import Workload

pytestmark = pytest.mark.process


@pytest.fixture(params=[False, True], ids=["real files", "files that lose what is not synced"])
def cluster(request: pytest.FixtureRequest, tmp_path: Path, engine: str) -> Iterator[LocalCluster]:
    with LocalCluster.create(tmp_path, engine=engine, settings={"faults": {"files": request.param, "admin": True}}) as made:
        made.start()
        made.wait_ready()
        yield made


@pytest.mark.every_engine
@pytest.mark.failover
async def test_killing_the_leader_again_and_again_loses_nothing(cluster: LocalCluster) -> None:
    async with Workload(cluster.endpoints) as load:
        for _ in range(3):
            await load.progress(200)
            leader = await asyncio.to_thread(cluster.wait_leader)
            cluster.kill(leader)
            await load.progress(200)
            cluster.start(leader)
            await asyncio.to_thread(cluster.wait_ready)
        await load.stop()

        assert [] == await load.verify()
        assert load.read > 0


@pytest.mark.every_engine
async def test_killing_all_at_once_loses_nothing(cluster: LocalCluster) -> None:
    async with Workload(cluster.endpoints) as load:
        for _ in range(2):
            await load.progress(300)
            cluster.kill()
            cluster.start()
            await asyncio.to_thread(cluster.wait_ready)
        await load.progress(100)
        await load.stop()

        assert [] == await load.verify()


@pytest.mark.failover
async def test_killing_followers_in_turn_loses_nothing(cluster: LocalCluster) -> None:
    async with Workload(cluster.endpoints) as load:
        for name in cluster.names:
            await load.progress(200)
            cluster.kill(name)
            await load.progress(200)
            cluster.start(name)
            await asyncio.to_thread(cluster.wait_ready)
        await load.stop()

        assert [] == await load.verify()


async def test_without_fdatasync_killing_all_loses_acknowledged_writes(tmp_path: Path, engine: str) -> None:
    """The control: the same crash with the safeguard off must be seen, or the tests above would prove nothing."""
    with LocalCluster.create(tmp_path, engine=engine, settings={"faults": {"files": True, "admin": True}}) as cluster:
        cluster.start()
        cluster.wait_ready()
        async with Workload(cluster.endpoints) as load:
            await load.progress(100)
            for name in cluster.names:
                cluster.call(name, "fault_disk", {"skip_sync": True}, 0)
            await load.progress(300)
            cluster.kill()
            await load.stop()
            cluster.start()
            await asyncio.to_thread(cluster.wait_ready)

            violations = await load.verify()
            assert any("was there before" in violation for violation in violations), violations


@pytest.mark.every_engine
@pytest.mark.failover
async def test_a_paused_leader_gives_no_stale_read_and_loses_no_acknowledged_write(tmp_path: Path, engine: str) -> None:
    """
    1. The leader stands still (SIGSTOP) for longer than the election timeout; another is elected and takes writes.
    2. It goes on (SIGCONT) with all the requests that waited in its sockets, believing that it leads.
    """
    with LocalCluster.create(tmp_path, engine=engine) as cluster:
        cluster.start()
        cluster.wait_ready()
        async with Workload(cluster.endpoints) as load:
            for _ in range(2):
                await load.progress(200)
                leader = await asyncio.to_thread(cluster.wait_leader)
                cluster.pause(leader)
                await asyncio.to_thread(cluster.wait_leader, other_than=leader)
                await load.progress(200)
                cluster.resume(leader)
                await load.progress(200)
                await asyncio.to_thread(cluster.wait_ready)
            await load.stop()

            assert [] == await load.verify()


async def test_clocks_that_jump_break_neither_order_nor_reads(tmp_path: Path, engine: str) -> None:
    with LocalCluster.create(tmp_path, engine=engine, settings={"faults": {"admin": True}}) as cluster:
        cluster.start()
        cluster.wait_ready()
        async with Workload(cluster.endpoints) as load:
            for name, jump_ms, drift_ppm in [("n1", 5_000, 0), ("n2", -5_000, 50_000), ("n3", 60_000, -50_000), ("n1", -60_000, 0)]:
                await load.progress(150)
                await asyncio.to_thread(cluster.call, name, "fault_clock", jump_ms, drift_ppm, 0)
            await load.progress(150)
            await load.stop()

            assert [] == await load.verify()


async def test_a_leaders_clock_that_jumps_moves_the_end_of_a_lease_by_the_jump_and_nothing_else(tmp_path: Path, engine: str) -> None:
    """
    1. Ahead: a lease with a minute to live ends at once, its key goes, and its owner is told; nothing else is lost.
    2. Back: a lease that nobody keeps alive still ends, later by the jump.
    """
    with LocalCluster.create(tmp_path, engine=engine, settings={"faults": {"admin": True}}) as cluster:
        cluster.start()
        cluster.wait_ready()
        async with connect(cluster.endpoints, timeout=20) as client:
            await client.put("plain", "stays")
            kept = await client.lease(ttl=60)
            await client.put("kept", "x", lease=kept)
            await kept.keep_alive()  # now the leader has set its deadline, by the clock as it is
            await asyncio.to_thread(cluster.call, cluster.wait_leader(), "fault_clock", 120_000, 0, 0)
            async with asyncio.timeout(20), client.watch("kept", from_revision=1) as changes:
                async for change in changes:
                    if change.current is None:
                        break
            with pytest.raises(LeaseNotFound):
                await kept.keep_alive()
            assert kept.lost.is_set()

            abandoned = await connect(cluster.endpoints, timeout=20)
            await abandoned.put("abandoned", "x", lease=await abandoned.lease(ttl=2))
            await abandoned.close()
            await asyncio.to_thread(cluster.call, cluster.wait_leader(), "fault_clock", -3_000, 0, 0)
            async with asyncio.timeout(20), client.watch("abandoned", from_revision=1) as changes:
                async for change in changes:
                    if change.current is None:
                        break

            assert await client.get("plain") is not None
