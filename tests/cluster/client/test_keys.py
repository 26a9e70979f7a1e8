"""Keys through the client: what is written is read, as text or bytes, and errors are typed."""

from tests.cluster.client.fake import FakeCluster


async def test_what_is_put_is_read(cluster: FakeCluster) -> None:
    client = await cluster.connected()

    put = await client.put("x", "1")
    item = await client.get(b"x")

    assert item is not None
    assert (b"x", b"1", put.revision) == (item.key, item.value, item.mod_revision)
    assert await client.get("y") is None
