"""Real nodes, a leader that is killed under load, and a history that the checker accepts."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from quorate import connect
from quorate.cluster.local import LocalCluster
from quorate.cluster.runtime.clock import BootClock
from quorate.cluster.service import commands
from quorate.cluster.verify.checks import check
from quorate.cluster.verify.recorded_client import RecordedClient
from quorate.cluster.verify.recorder import Recorder
from quorate.cluster.verify.verdict import Answer
from quorate.cluster.wire.errors import QuorateError

pytestmark = pytest.mark.process

CLIENTS = 12
OPERATIONS = 80


@pytest.fixture
def cluster(tmp_path: Path, engine: str) -> Iterator[LocalCluster]:
    with LocalCluster.create(tmp_path / "cluster", engine=engine) as made:
        made.start()
        made.wait_ready()
        yield made


async def work(client: RecordedClient, number: int, half_way: asyncio.Event) -> None:
    rng = Random(number)
    for step in range(OPERATIONS):
        if step == OPERATIONS // 2:
            half_way.set()
        key, value = f"k{rng.randrange(6)}", f"{number}-{step}"
        try:
            match rng.randrange(8):
                case 0 | 1:
                    await client.put(key, value, timeout=3)
                case 2:
                    await client.delete(key, timeout=3)
                case 3:
                    await client.compare_and_swap(key, expected=None, value=value, timeout=3)
                case 4:
                    await client.range(prefix="k", limit=2, timeout=3)
                case 5:
                    then = [commands.put(b"k0", value.encode()), commands.get(b"k1")]
                    await client.transaction([commands.absent(key.encode())], then, [commands.delete(key.encode())], timeout=3)
                case _:
                    await client.get(key, timeout=3)
        except QuorateError:
            continue  # it is in the history


@pytest.mark.every_engine
@pytest.mark.failover
async def test_what_clients_hear_while_the_leader_is_killed_has_one_order(cluster: LocalCluster, tmp_path: Path) -> None:
    leader = cluster.wait_leader()
    half_way = asyncio.Event()
    with Recorder(tmp_path / "history", now_ns=BootClock().now_ns, model="kv") as recorder:
        async with connect(cluster.endpoints) as client, asyncio.TaskGroup() as tasks:
            for number in range(CLIENTS):
                tasks.create_task(work(RecordedClient(client, recorder), number, half_way))
            await half_way.wait()
            await asyncio.to_thread(cluster.kill, leader)
    history = recorder.history()
    verdict = check(history, "kv")
    print(verdict.reason, verdict.facts)

    assert CLIENTS * OPERATIONS == len(history.operations)
    assert Answer.VALID is verdict.answer, verdict
