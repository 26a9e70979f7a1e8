"""The client that must be found out: what is uncertain it sends again, and it takes effect twice."""

import asyncio

import pytest

from quorate.cluster.chaos.naive import PATIENCE_S, NaiveClient
from quorate.cluster.wire.errors import Uncertain
from tests.cluster.client.fake import FakeCluster
from tests.support.waiting import until


async def test_a_put_whose_answer_is_late_takes_effect_more_than_once() -> None:
    async with FakeCluster("n1") as cluster, NaiveClient(cluster.endpoints, timeout=20) as client:
        await client.start()
        cluster["n1"].holds.add("propose")
        put = asyncio.ensure_future(client.put("x", "1", timeout=20))
        await until(lambda: cluster["n1"].held_count >= 2, "the second command")
        cluster["n1"].release()
        await put
        found = await client.get("x")

        assert found is not None and found.version >= 2


async def test_what_was_uncertain_once_stays_so() -> None:
    async with FakeCluster("n1") as cluster, NaiveClient(cluster.endpoints, timeout=20) as client:
        await client.start()
        cluster["n1"].holds.add("propose")
        put = asyncio.ensure_future(client.put("x", "1", timeout=2 * PATIENCE_S))
        await until(lambda: cluster["n1"].held_count > 0, "the command")
        cluster.lead(None)

        with pytest.raises(Uncertain):
            await put
