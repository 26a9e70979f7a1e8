"""Bad disks under real nodes: torn, flipped, full, failing. A node never acknowledges what it cannot keep, and says what to do."""

import asyncio
import errno
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from quorate import connect
from quorate.cluster.local import LocalCluster
from tests.support.waiting import until
from tests.support.workload import Workload

pytestmark = pytest.mark.process

TMPFS_MIB = 24
"""Room for a segment of 8 MiB, its spare, and little more."""


@pytest.fixture
def cluster(tmp_path: Path, engine: str) -> Iterator[LocalCluster]:
    with LocalCluster.create(tmp_path / "cluster", engine=engine, settings={"faults": {"files": True, "admin": True}}) as made:
        made.start()
        made.wait_ready()
        yield made


@pytest.fixture
def plain(tmp_path: Path, engine: str) -> Iterator[LocalCluster]:
    with LocalCluster.create(tmp_path / "cluster", engine=engine) as made:
        made.start()
        made.wait_ready()
        yield made


async def fill(cluster: LocalCluster, writes: int = 200) -> None:
    async with connect(cluster.endpoints) as client:
        for number in range(writes):
            await client.put(f"key-{number}", "x" * 100)


def last_segment(cluster: LocalCluster, name: str) -> Path:
    return max((cluster.data_path(name) / "wal").glob("segment-*.wal"))


def logged(cluster: LocalCluster, name: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in cluster.log_path(name).read_text("utf-8").splitlines() if line.startswith("{")]


def written_end(path: Path) -> int:
    """Where the zeros of a preallocated segment begin."""
    return len(path.read_bytes().rstrip(b"\0"))


async def test_a_torn_tail_is_cut_and_reported(plain: LocalCluster) -> None:
    await fill(plain)
    plain.kill("n2")
    segment = last_segment(plain, "n2")
    end = written_end(segment)
    with segment.open("r+b") as file:
        # The last write, but only the first half of it: what a power cut leaves.
        file.seek(end - 40)
        file.write(b"\0" * 40)
    plain.start("n2")
    await asyncio.to_thread(plain.wait_ready, "n2")

    assert any(str(line.get("event", "")).startswith("torn tail cut") and str(segment.name) in str(line) for line in logged(plain, "n2"))


async def test_a_flipped_bit_in_the_middle_refuses_to_start_and_says_what_to_do(plain: LocalCluster) -> None:
    await fill(plain)
    plain.kill("n2")
    segment = last_segment(plain, "n2")
    middle = written_end(segment) // 2
    with segment.open("r+b") as file:
        file.seek(middle)
        byte = file.read(1)[0]
        file.seek(middle)
        file.write(bytes([byte ^ 0x10]))
    plain.start("n2")
    await until(lambda: plain.exit_code("n2") is not None, "n2 ends")
    said = str(logged(plain, "n2")[-1]["reason"])

    assert 1 == plain.exit_code("n2")
    assert str(segment) in said and "offset" in said and "quorate member replace" in said, said


async def disk_fails_under_load(cluster: LocalCluster, faults: dict[str, int], word: str) -> None:
    """Whatever fails: the leader steps down, says why, acknowledges nothing more; a restart with a sound disk brings it back."""
    async with Workload(cluster.endpoints) as load:
        await load.progress(200)
        leader = await asyncio.to_thread(cluster.wait_leader)
        cluster.call(leader, "fault_disk", faults, 0)
        await until(lambda: not cluster.status(leader).ready, f"{leader} says that it is not ready")
        await asyncio.to_thread(cluster.wait_leader, other_than=leader)
        await load.progress(200)
        status = cluster.status(leader)
        await load.stop()

        assert "failed" == status.groups["default"].role
        assert word in status.ready_detail, status.ready_detail
        assert [] == await load.verify()

        cluster.kill(leader)
        cluster.start(leader)
        await asyncio.to_thread(cluster.wait_ready, leader)

        assert [] == await load.verify()


@pytest.mark.failover
async def test_a_leader_whose_fsync_fails_steps_down_and_never_acknowledges(cluster: LocalCluster) -> None:
    await disk_fails_under_load(cluster, {"fail_sync": errno.EIO}, "Input/output error")


@pytest.mark.failover
async def test_a_leader_whose_writes_fail_steps_down_and_never_acknowledges(cluster: LocalCluster) -> None:
    await disk_fails_under_load(cluster, {"fail_write": errno.EIO}, "Input/output error")


async def test_a_slow_disk_delays_and_loses_nothing(cluster: LocalCluster) -> None:
    async with Workload(cluster.endpoints) as load:
        await load.progress(100)
        for name in cluster.names:
            cluster.call(name, "fault_disk", {"sync_delay_ms": 50}, 0)
        await load.progress(100)
        await load.stop()

        assert [] == await load.verify()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A real file system with little room."""
    mount = tmp_path / "small"
    mount.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={TMPFS_MIB}m", "tmpfs", mount], capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"a small file system cannot be mounted here: {done.stderr.strip()}")
    try:
        yield mount
    finally:
        subprocess.run(["umount", mount], check=True)


@pytest.mark.failover
async def test_a_full_disk_makes_the_node_step_down_and_the_others_serve(small_disk: Path, tmp_path: Path, engine: str) -> None:
    settings = {"log": {"segment_mib": 4, "snapshot_mib": 4096}}
    with LocalCluster.create(tmp_path / "cluster", engine=engine, settings=settings) as cluster:
        cluster.configure("n1", {"data": str(small_disk / "n1")})
        cluster.start()
        cluster.wait_ready()
        async with Workload(cluster.endpoints) as load, connect(cluster.endpoints, timeout=20) as client:
            if await asyncio.to_thread(cluster.wait_leader) != "n1":
                await client.transfer_leadership(to="n1")
            filler = b"x" * 500_000
            for number in range(3 * TMPFS_MIB):
                await client.put(f"filler-{number}", filler)
            await until(lambda: not cluster.status("n1").ready, "n1 says that it is not ready")
            await asyncio.to_thread(cluster.wait_leader, other_than="n1")
            await load.progress(100)
            status = cluster.status("n1")
            await load.stop()

            assert "No space left" in status.ready_detail, status.ready_detail
            assert [] == await load.verify()
