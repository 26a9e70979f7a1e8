"""Log shipping on real nodes: what works without a failover, what a promotion by hand loses, and that the checker finds it."""

import asyncio
import io
from collections.abc import Iterator
from contextlib import redirect_stdout
from pathlib import Path
from random import Random

import aiohttp
import pytest

from quorate import connect
from quorate.cluster.cli.main import main
from quorate.cluster.cli.surroundings import Surroundings
from quorate.cluster.local import LocalCluster
from quorate.cluster.replicated_log import Consistency
from quorate.cluster.runtime.clock import BootClock
from quorate.cluster.service import commands
from quorate.cluster.service.results import decode_range
from quorate.cluster.verify.checks import check
from quorate.cluster.verify.recorded_client import RecordedClient
from quorate.cluster.verify.recorder import Recorder
from quorate.cluster.verify.verdict import Answer
from quorate.cluster.wire.errors import QuorateError
from quorate.protocols.core import PromoteByHand
from tests.support.waiting import until
from tests.support.workload import Workload

pytestmark = pytest.mark.process

CLIENTS = 6
KEYS = 4
AFTER_THE_CUT = 60
"""Acknowledged writes that no replica hears of."""


@pytest.fixture(params=["async", "semisync"])
def cluster(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[LocalCluster]:
    with LocalCluster.create(tmp_path, engine="logship", settings={"logship": {"mode": request.param}}) as made:
        made.start()
        made.wait_ready()
        yield made


def values(cluster: LocalCluster, name: str, prefix: bytes) -> dict[str, str]:
    """What that very node has applied."""
    query = commands.encode(commands.range(*commands.prefix(prefix)))
    answer = cluster.call(name, "query", "default", int(Consistency.LOCAL), query)
    assert isinstance(answer, bytes)
    return {item.key.decode(): item.value.decode() for item in decode_range(answer).items}


async def until_applied(cluster: LocalCluster, name: str, key: str) -> None:
    """It answers, and its own copy has the key."""
    await asyncio.to_thread(cluster.wait_ready, name)
    await until(lambda: key in values(cluster, name, key.encode()), f"{name} has applied {key}")


async def test_the_whole_service_works_while_nobody_is_promoted(cluster: LocalCluster) -> None:
    primary = await asyncio.to_thread(cluster.wait_leader)
    replica = next(name for name in cluster.names if name != primary)
    async with connect(cluster.endpoints, timeout=20) as client, Workload(cluster.endpoints) as load:
        async with client.watch(prefix="jobs/") as changes, client.lease(ttl=30) as lease:
            await client.put("jobs/1", "paint", lease=lease)
            assert b"jobs/1" == (await anext(changes)).key
        then = await client.transaction([commands.absent(b"jobs/1")], [commands.put(b"jobs/2", b"dry")], [])
        assert then.succeeded
        await load.progress(200)

        # A replica is away meanwhile, and catches up.
        await asyncio.to_thread(cluster.kill, replica)
        await load.progress(200)
        await client.put("while-away", "yes")
        cluster.start()
        await until_applied(cluster, replica, "while-away")

        # The primary dies, nobody is promoted, and it is the primary again.
        await load.progress(100)
        await asyncio.to_thread(cluster.kill, primary)
        cluster.start()
        assert primary == await asyncio.to_thread(cluster.wait_leader)
        await load.progress(100)

        # In good order another takes over.
        await client.transfer_leadership(to=replica)
        assert replica == await asyncio.to_thread(cluster.wait_leader, other_than=primary)
        await load.progress(100)
        await load.stop()

        assert [] == await load.verify()


async def work(client: RecordedClient, number: int, acknowledged: list[str], over: asyncio.Event) -> None:
    """Writes and reads until it is over."""
    rng = Random(number)
    step = 0
    while not over.is_set():
        step += 1
        key, value = f"k{rng.randrange(KEYS)}", f"{number}-{step}"
        try:
            if rng.randrange(3):
                await client.put(key, value, timeout=2)
                acknowledged.append(value)
            else:
                await client.get(key, timeout=2)
        except QuorateError:
            continue  # it is in the history


async def cut_off(cluster: LocalCluster, node: str) -> None:
    """From all other nodes, both ways; its clients reach it still."""
    proxy = cluster.record.proxy
    assert proxy is not None
    faults = {"id": "alone", "ttl_s": 120, "seed": 1, "faults": [{"shape": {"kind": "isolate", "node": node}}]}
    async with aiohttp.ClientSession(f"http://{proxy.control}") as session, session.put("/faults", json=faults) as response:
        assert 200 == response.status, await response.text()


async def heal(cluster: LocalCluster) -> None:
    proxy = cluster.record.proxy
    assert proxy is not None
    async with aiohttp.ClientSession(f"http://{proxy.control}") as session, session.post("/heal", json={}) as response:
        assert 200 == response.status, await response.text()


def promote_by_hand(cluster: LocalCluster, node: str) -> str:
    """As a person types it."""
    told = io.StringIO()
    with redirect_stdout(told):
        surroundings = Surroundings(environment={"QUORATE_ENDPOINTS": cluster.endpoints, "HOME": str(cluster.directory.path)})
        code = main(["member", "promote-by-hand", node, "--lose-writes"], surroundings=surroundings)
    assert 0 == code, told.getvalue()
    return told.getvalue()


@pytest.mark.parametrize(("frozen", "dropped"), [(False, "errant truncated"), (True, "started over")])
async def test_acknowledged_writes_are_lost_by_a_failover_by_hand_and_the_checker_finds_it(
    tmp_path: Path, frozen: bool, dropped: str
) -> None:
    """
    1. Clients write to the primary and read from it. 2. It is cut off from its replicas, and acknowledges more; a snapshot of that may be
    taken. 3. It is killed, under load. 4. A replica is promoted by hand. 5. Clients read on. 6. The former primary comes back, and drops
    what it acknowledged: it truncates, or must begin anew where its snapshot holds it.
    """
    settings = {"log": {"keep_mib": 0}}
    with LocalCluster.create(tmp_path / "cluster", engine="logship", settings=settings, proxied=True) as cluster:
        cluster.start()
        cluster.wait_ready()
        primary = await asyncio.to_thread(cluster.wait_leader)
        heir = next(name for name in cluster.names if name != primary)
        acknowledged: list[str] = []
        over = asyncio.Event()
        with Recorder(tmp_path / "history", now_ns=BootClock().now_ns, model="kv") as recorder:
            async with connect(cluster.endpoints) as client:
                clients = [RecordedClient(client, recorder) for _ in range(CLIENTS)]
                tasks = [asyncio.create_task(work(one, number, acknowledged, over)) for number, one in enumerate(clients)]
                await until(lambda: len(acknowledged) >= 100, "writes are acknowledged")
                await cut_off(cluster, primary)
                shipped = len(acknowledged) + CLIENTS
                await until(lambda: len(acknowledged) >= shipped + AFTER_THE_CUT, "writes are acknowledged by the primary alone")
                if frozen:
                    await asyncio.to_thread(cluster.call, primary, "snapshot", "default")
                    # What is acknowledged now lies behind the snapshot's mark in the log.
                    marked = len(acknowledged) + 2 * CLIENTS
                    await until(lambda: len(acknowledged) > marked, "writes are acknowledged after the snapshot")
                await asyncio.to_thread(cluster.kill, primary)
                over.set()
                await asyncio.gather(*tasks)
            said = await asyncio.to_thread(promote_by_hand, cluster, heir)
            async with connect(cluster.endpoints, timeout=20) as client:
                recorded = RecordedClient(client, recorder)
                for number in range(KEYS):
                    await recorded.get(f"k{number}")
        verdict = check(recorder.history(), "kv")
        print(verdict.reason, verdict.facts)

        assert f"{heir} is the primary now" in said
        assert not set(values(cluster, heir, b"k").values()) & set(acknowledged[shipped:])
        assert Answer.INVALID is verdict.answer, verdict

        await heal(cluster)
        cluster.start()
        async with connect(cluster.endpoints, timeout=20) as client:
            await client.put("after", "yes")
        await until_applied(cluster, primary, "after")
        assert "LOSES ACKNOWLEDGED WRITES" in cluster.log_path(heir).read_text()
        assert dropped in cluster.log_path(primary).read_text()
        assert not set(values(cluster, primary, b"k").values()) & set(acknowledged[shipped:])


async def test_nobody_but_log_shipping_promotes_by_hand(tmp_path: Path) -> None:
    with LocalCluster.create(tmp_path, nodes=1) as cluster:
        cluster.start()
        cluster.wait_ready()
        async with connect(cluster.endpoints) as client:
            with pytest.raises(QuorateError, match="n1 runs raft, which elects its leader itself"):
                await client.reconfigure(PromoteByHand("n1"), timeout=10)
