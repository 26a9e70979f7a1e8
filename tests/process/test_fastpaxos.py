"""Live nodes run Fast Paxos: writes and reads through fast rounds, through the leader's death, and again."""

import asyncio
from pathlib import Path

import pytest

from quorate.cluster.local import LocalCluster
from tests.support.workload import Workload

pytestmark = pytest.mark.process


async def test_killing_the_leader_loses_nothing(tmp_path: Path) -> None:
    with LocalCluster.create(tmp_path, engine="fastpaxos", settings={"faults": {"files": True, "admin": True}}) as cluster:
        cluster.start()
        cluster.wait_ready()
        async with Workload(cluster.endpoints) as load:
            await load.progress(200)
            leader = await asyncio.to_thread(cluster.wait_leader)
            cluster.kill(leader)
            await load.progress(200)
            cluster.start(leader)
            await asyncio.to_thread(cluster.wait_ready)
            await load.progress(200)
            await load.stop()

            assert [] == await load.verify()
            assert load.read > 0
