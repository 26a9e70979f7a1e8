"""Requests under way in tests, and what became of them."""

import asyncio
from collections.abc import Coroutine

import pytest

from quorate.cluster.client import Client
from quorate.cluster.wire.errors import QuorateError


def start(work: Coroutine[object, object, object]) -> "asyncio.Task[object]":
    return asyncio.get_running_loop().create_task(work)


async def failure(task: "asyncio.Task[object]") -> QuorateError:
    """What the task raised."""
    with pytest.raises(QuorateError) as caught:
        await task
    return caught.value


async def value_of(client: Client, key: str) -> bytes | None:
    item = await client.get(key)
    return item.value if item else None
