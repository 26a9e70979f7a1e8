"""The client that must be found out: what is uncertain it sends again, and it takes effect twice."""

import asyncio

import pytest

from quorate.cluster.chaos.naive import PATIENCE_S, NaiveClient
from quorate.cluster.client import Client
from quorate.cluster.wire.errors import Uncertain
from tests.cluster.client.fake import FakeCluster, until


@pytest.mark.parametrize(("kind", "version"), [(NaiveClient, 2), (Client, 1)])
async def test_a_put_whose_answer_is_late_is_made_twice_without_a_session_and_once_with_one(kind: type[Client], version: int) -> None:
    async with FakeCluster("n1") as cluster, kind(cluster.endpoints, timeout=20) as client:
        await client.start()
        await client.put("x", "0")
        cluster["n1"].holds.add("propose")
        put = asyncio.ensure_future(client.put("x", "1", timeout=20))
        await until(lambda: cluster["n1"].held_count)
        await asyncio.sleep(2 * PATIENCE_S)
        cluster["n1"].release()
        await put
        found = await client.get("x")

        assert found is not None and version + 1 == found.version


async def test_what_was_uncertain_once_stays_so() -> None:
    async with FakeCluster("n1") as cluster, NaiveClient(cluster.endpoints, timeout=20) as client:
        await client.start()
        cluster["n1"].holds.add("propose")
        put = asyncio.ensure_future(client.put("x", "1", timeout=2 * PATIENCE_S))
        await until(lambda: cluster["n1"].held_count)
        cluster.lead(None)

        with pytest.raises(Uncertain):
            await put
