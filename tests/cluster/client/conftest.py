"""A three-node cluster for each test."""

from collections.abc import AsyncIterator

import pytest

from tests.cluster.client.fake import FakeCluster


@pytest.fixture
async def cluster() -> AsyncIterator[FakeCluster]:
    async with FakeCluster("n1", "n2", "n3") as cluster:
        yield cluster
