"""docker-compose.yml as a person uses it: up, reached from the host, the leader's container killed, down and up again."""

import asyncio
import contextlib
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from itertools import count
from pathlib import Path

import pytest

from quorate.cluster.client import Client, connect
from quorate.cluster.wire.errors import QuorateError
from tests.docker.compose import NODES, Compose, exit_code, missing

WRITES = 50
"""Acknowledged writes that each phase waits for: enough for many batches, few enough for a busy machine."""
PHASE_S = 60.0

pytestmark = [pytest.mark.docker, pytest.mark.skipif(bool(reason := missing()), reason=f"docker: {reason}")]


@pytest.fixture
def compose() -> Iterator[Compose]:
    """Built and up, every node healthy."""
    compose = Compose()
    try:
        compose.build()
        compose.up()
        yield compose
    finally:
        compose.destroy()


class Writer:
    """Writes key after key in the background and remembers which of them were acknowledged."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self.acknowledged: dict[str, str] = {}
        self._more = asyncio.Condition()

    async def run(self) -> None:
        for number in count():
            key, value = f"key/{number:06}", f"value {number}"
            with contextlib.suppress(QuorateError):
                await self._client.put(key, value)
                self.acknowledged[key] = value
            async with self._more:
                self._more.notify_all()

    async def wait_for_more(self) -> None:
        wanted = len(self.acknowledged) + WRITES
        async with asyncio.timeout(PHASE_S), self._more:
            await self._more.wait_for(lambda: len(self.acknowledged) >= wanted)


@contextlib.asynccontextmanager
async def writing(client: Client) -> AsyncIterator[Writer]:
    writer = Writer(client)
    task = asyncio.create_task(writer.run())
    try:
        yield writer
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def everything(client: Client) -> dict[str, str]:
    return {item.key.decode(): item.value.decode() async for item in client.scan(prefix="key/")}


def command(compose: Compose, *words: str) -> str:
    """The command line of this host, through the published ports."""
    program = [str(Path(sys.executable).parent / "quorate"), "--endpoints", ",".join(compose.endpoints), *words]
    done = subprocess.run(program, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


async def test_a_killed_leader_and_an_orderly_restart_of_all_lose_nothing(compose: Compose) -> None:
    await asyncio.to_thread(command, compose, "put", "greeting", "hello from the host")
    async with connect(compose.endpoints) as client, writing(client) as writer:
        await writer.wait_for_more()
        leader = (await client.status()).node
        await asyncio.to_thread(compose.kill, leader)
        await writer.wait_for_more()
        survivor = (await client.status()).node
        acknowledged_without_it = dict(writer.acknowledged)
        found_without_it = await everything(client)

        await asyncio.to_thread(compose.run, "start", leader)
        await asyncio.to_thread(compose.wait_healthy)
        await writer.wait_for_more()
        acknowledged = dict(writer.acknowledged)

    assert leader in NODES and survivor in NODES and leader != survivor
    assert acknowledged_without_it.items() <= found_without_it.items()

    containers = [compose.container(name) for name in NODES]
    await asyncio.to_thread(compose.run, "stop")
    assert [0] * 3 == [exit_code(container) for container in containers]
    await asyncio.to_thread(compose.run, "down")
    assert ["gone"] * 3 == [compose.health(name) for name in NODES]
    await asyncio.to_thread(compose.up)
    async with connect(compose.endpoints) as client:
        found = await everything(client)
    greeting = json.loads(await asyncio.to_thread(command, compose, "get", "greeting", "--json"))

    assert acknowledged.items() <= found.items()
    assert "hello from the host" in greeting.values()
