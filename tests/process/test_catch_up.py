"""Coming, staying away and going: a node that was away catches up by snapshot, one that stops in good order is not missed.

Real processes; the log of each node is the witness.
"""

import asyncio
import errno
import json
import signal
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest

from quorate import connect
from quorate.cluster.local import LocalCluster
from quorate.cluster.replicated_log import Consistency
from quorate.cluster.service import commands
from quorate.cluster.service.results import decode_range
from tests.support.waiting import until
from tests.support.workload import Workload

pytestmark = pytest.mark.process

SMALL_LOGS = {"log": {"segment_mib": 1, "snapshot_mib": 1, "keep_mib": 0}, "logging": {"format": "json"}}
"""A snapshot for every MiB, and no log below it: whoever was away for longer needs one."""
VALUE = b"v" * 4_000
ELECTION_TIMEOUT_S = 1.0


@pytest.fixture
def cluster(tmp_path: Path, engine: str) -> Iterator[LocalCluster]:
    with LocalCluster.create(tmp_path, engine=engine, settings=SMALL_LOGS) as made:
        made.start()
        made.wait_ready()
        yield made


def told(cluster: LocalCluster, name: str, event: str) -> list[dict[str, object]]:
    """The log lines of one node with this event, oldest first."""
    lines = [json.loads(line) for line in cluster.log_path(name).read_text().splitlines() if line.startswith("{")]
    return [line for line in lines if line["event"] == event]


def at(line: dict[str, object]) -> datetime:
    return datetime.fromisoformat(str(line["timestamp"]))


def follower(cluster: LocalCluster) -> str:
    leader = cluster.wait_leader()
    return next(name for name in cluster.names if name != leader)


async def put_many(cluster: LocalCluster, beginning: str, count: int) -> None:
    async with connect(cluster.endpoints, timeout=20) as client:
        for start in range(0, count, 50):
            await asyncio.gather(*(client.put(f"{beginning}{number}", VALUE) for number in range(start, min(count, start + 50))))


def state(cluster: LocalCluster, name: str) -> dict[bytes, tuple[bytes, int]]:
    """Everything that this very node has applied, each key with its value and version."""
    found: dict[bytes, tuple[bytes, int]] = {}
    start = b""
    while True:
        query = commands.encode(commands.range(start, b"", limit=100))
        answer = cluster.call(name, "query", "default", int(Consistency.LOCAL), query)
        assert isinstance(answer, bytes)
        page = decode_range(answer)
        found |= {item.key: (item.value, item.version) for item in page.items}
        if not page.more:
            return found
        start = page.items[-1].key + b"\0"


async def settled(cluster: LocalCluster) -> None:
    """Every node has applied what any has, and nobody writes."""

    def is_so() -> bool:
        groups = [cluster.status(name).groups["default"] for name in cluster.names]
        return 1 == len({group.applied for group in groups} | {group.commit for group in groups})

    await until(is_so, "all have applied the same")


@pytest.mark.every_engine
async def test_a_node_that_was_away_catches_up_by_snapshot_while_the_cluster_serves(cluster: LocalCluster) -> None:
    async with Workload(cluster.endpoints) as load:
        away = await asyncio.to_thread(follower, cluster)
        cluster.kill(away)
        await put_many(cluster, "big-", 600)
        before = load.acknowledged
        cluster.start(away)
        await asyncio.to_thread(cluster.wait_ready, away)
        await until(lambda: bool(told(cluster, away, "snapshot restored")), f"{away} restores a snapshot")
        await load.progress(100)
        await load.stop()

        assert load.acknowledged > before
        assert [] == await load.verify()

    await settled(cluster)
    states = [state(cluster, name) for name in cluster.names]

    assert len(states[0]) >= 600
    assert states[0] == states[1] == states[2]


async def test_a_node_that_dies_while_it_receives_a_snapshot_catches_up_after_all(cluster: LocalCluster) -> None:
    away = await asyncio.to_thread(follower, cluster)
    cluster.kill(away)
    await put_many(cluster, "big-", 600)
    for _ in range(3):
        lives = len(told(cluster, away, "listening"))
        cluster.start(away)
        await until(lambda lives=lives: len(told(cluster, away, "listening")) > lives, f"{away} listens")  # type: ignore[misc]
        cluster.kill(away)
    cluster.start(away)
    await asyncio.to_thread(cluster.wait_ready, away)
    await settled(cluster)

    assert state(cluster, await asyncio.to_thread(cluster.wait_leader)) == state(cluster, away)


@pytest.mark.every_engine
@pytest.mark.failover
async def test_a_leader_that_is_stopped_hands_over_and_no_client_with_a_session_notices(cluster: LocalCluster) -> None:
    async with Workload(cluster.endpoints) as load:
        await load.progress(100)
        leader = await asyncio.to_thread(cluster.wait_leader)
        others = [name for name in cluster.names if name != leader]
        elected = {name: len(told(cluster, name, "became leader")) for name in others}
        await asyncio.to_thread(cluster.stop, leader)
        next_leader = await asyncio.to_thread(cluster.wait_leader)
        await load.progress(200)
        await load.stop()

        assert 0 == cluster.exit_code(leader)
        assert (cluster.data_path(leader) / "clean.json").exists()
        assert 0 == load.uncertain, "a session made every repetition safe"
        assert [] == await load.verify()

    handed_over = told(cluster, leader, "transfer done")
    started = told(cluster, leader, "transfer started")
    assert next_leader in others
    assert len(told(cluster, next_leader, "became leader")) > elected[next_leader]
    assert 1 == len(handed_over) == len(started), (started, handed_over)
    assert (at(handed_over[0]) - at(started[0])).total_seconds() < ELECTION_TIMEOUT_S / 2


async def test_all_stopped_in_turn_end_cleanly_and_start_again(cluster: LocalCluster) -> None:
    """The last ones have nobody to hand over to, and no quorum: they must not wait for it."""
    await put_many(cluster, "k", 20)
    await asyncio.to_thread(cluster.stop)
    codes = {name: cluster.exit_code(name) for name in cluster.names}
    clean = {name: (cluster.data_path(name) / "clean.json").exists() for name in cluster.names}
    cluster.start()
    await asyncio.to_thread(cluster.wait_ready)

    assert {0} == set(codes.values()), codes
    assert {True} == set(clean.values()), clean
    await settled(cluster)
    assert 20 == len(state(cluster, "n1"))


async def test_a_node_whose_disk_failed_stops_at_once_and_leaves_no_mark_of_a_clean_end(tmp_path: Path, engine: str) -> None:
    with LocalCluster.create(tmp_path, engine=engine, settings=SMALL_LOGS | {"faults": {"files": True, "admin": True}}) as cluster:
        cluster.start()
        cluster.wait_ready()
        broken = await asyncio.to_thread(follower, cluster)
        cluster.call(broken, "fault_disk", {"fail_sync": errno.EIO}, 0)
        await put_many(cluster, "k", 5)
        await until(lambda: "failed" == cluster.status(broken).groups["default"].role, f"{broken} says that it failed")
        await asyncio.to_thread(cluster.stop, broken)

        assert 0 == cluster.exit_code(broken)
        assert not (cluster.data_path(broken) / "clean.json").exists()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_node_that_waits_for_the_others_to_form_the_cluster_stops_at_once(
    tmp_path: Path, engine: str, number: signal.Signals
) -> None:
    with LocalCluster.create(tmp_path, engine=engine, settings=SMALL_LOGS) as cluster:
        cluster.start("n1")
        await until(lambda: bool(told(cluster, "n1", "forming the cluster")), "n1 waits")
        assert not cluster.status("n1").ready
        assert "waiting for n2" in cluster.status("n1").ready_detail
        cluster.signal("n1", number)
        await until(lambda: cluster.exit_code("n1") is not None, "n1 ends", patience_s=10)

        assert 0 == cluster.exit_code("n1")
        assert (cluster.data_path("n1") / "clean.json").exists()


async def test_a_node_that_was_taken_out_says_so(cluster: LocalCluster) -> None:
    out = await asyncio.to_thread(follower, cluster)
    async with connect(cluster.endpoints, timeout=20) as client:
        await client.remove_member(out)
    await until(lambda: not cluster.status(out).ready, f"{out} is not ready any more")
    detail = cluster.status(out).ready_detail
    await put_many(cluster, "k", 20)

    assert (out in detail and "taken out" in detail) or "no leader" in detail, detail
    await asyncio.to_thread(cluster.stop, out)
    assert 0 == cluster.exit_code(out)


async def test_an_address_in_use_is_named_with_its_setting(tmp_path: Path, engine: str) -> None:
    with LocalCluster.create(tmp_path, engine=engine, nodes=1, settings=SMALL_LOGS) as cluster:
        address = cluster.client_address("n1")
        host, port = address.rsplit(":", 1)
        taken = await asyncio.start_server(lambda reader, writer: None, host, int(port))
        cluster.start("n1")
        await until(lambda: cluster.exit_code("n1") is not None, "n1 ends", patience_s=20)
        taken.close()
        said = cluster.log_path("n1").read_text()

        assert 1 == cluster.exit_code("n1")
        assert f"client.listen = {address}" in said and "address already in use" in said, said
        assert "Traceback" not in said
