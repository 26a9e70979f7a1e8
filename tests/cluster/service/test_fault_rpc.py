"""The switches for chaos runs: a bad disk and a bad clock, and nothing that was not asked for by its name."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from quorate.cluster.runtime.clock import ManualClock, SkewedClock
from quorate.cluster.service.fault_rpc import FaultService
from quorate.cluster.storage.faulty import Faults, FaultyFiles
from quorate.cluster.storage.files import RealFiles, read_file
from quorate.cluster.wire.errors import BadRequest
from tests.cluster.service.serving import Client


class Node:
    """A node that can be made to suffer."""

    def __init__(self, files: FaultyFiles | None) -> None:
        self.manual = ManualClock()
        self.clock = SkewedClock(self.manual)
        self.faulty_files = files
        self.client = Client()
        self.death = asyncio.Event()
        self.methods = FaultService(self, self.death.set).methods()

    def told(self) -> dict[str, Any]:
        self.ask("fault_status")
        answer = self.client.replies[1]
        assert isinstance(answer, dict)
        return answer

    def ask(self, method: str, *params: object) -> None:
        self.client.replies.clear()
        self.methods[method].handler(self.client.connection, 1, *params)
        self.client.take()


async def test_faults_of_the_disk_are_all_set_at_once() -> None:
    node = Node(FaultyFiles(RealFiles()))
    assert node.faulty_files is not None
    node.ask("fault_disk", {"fail_sync": 5, "sync_delay_ms": 20}, 0)
    first = node.faulty_files.faults
    node.ask("fault_disk", {}, 0)

    assert Faults(fail_sync=5, sync_delay_ms=20) == first
    assert Faults() == node.faulty_files.faults
    assert {1: None} == node.client.replies


@pytest.mark.parametrize(
    ("wanted", "complaint"), [({"melt": 1}, "no disk fault 'melt'; known: fail_sync"), ({"fail_sync": "x"}, "takes a number")]
)
async def test_a_fault_that_is_none_is_refused_and_changes_nothing(wanted: dict[str, object], complaint: str) -> None:
    node = Node(FaultyFiles(RealFiles()))
    assert node.faulty_files is not None
    with pytest.raises(BadRequest, match=complaint):
        node.ask("fault_disk", wanted, 0)

    assert Faults() == node.faulty_files.faults


async def test_a_sound_disk_cannot_be_made_to_fail() -> None:
    with pytest.raises(BadRequest, match=r"faults\.files = true"):
        Node(None).ask("fault_disk", {"fail_sync": 5}, 0)


async def test_the_clock_jumps_once_and_drifts_from_then_on() -> None:
    node = Node(None)
    node.ask("fault_clock", 1_000, 100_000, 0)
    node.manual.advance(1_000)

    assert 2_100 == node.clock.now_ms()


async def until_sound(node: Node) -> None:
    """The loop's own timers end what is waited for."""
    async with asyncio.timeout(10):
        while node.told()["disk"] or node.clock.offset_ms:  # noqa: ASYNC110
            await asyncio.sleep(0)


async def test_a_time_to_live_ends_by_itself_and_a_later_fault_brings_its_own() -> None:
    node = Node(FaultyFiles(RealFiles()))
    node.ask("fault_disk", {"fail_sync": 5}, 20)
    node.ask("fault_clock", 1_000, 0, 20)
    await until_sound(node)
    node.ask("fault_disk", {"fail_sync": 5}, 1)
    node.ask("fault_disk", {"fail_sync": 6}, 60_000)
    await asyncio.sleep(0.002)  # the first one's time is over, and nothing may happen

    assert {"fail_sync": 6} == node.told()["disk"]
    with pytest.raises(BadRequest, match="ttl_ms is 0"):
        node.ask("fault_disk", {}, -1)


async def test_heal_puts_right_what_it_is_told_to_and_no_time_to_live_is_left() -> None:
    node = Node(FaultyFiles(RealFiles()))
    node.ask("fault_disk", {"stall": True}, 60_000)
    node.ask("fault_clock", -500, 1_000, 60_000)
    node.ask("fault_heal", True, False)
    half = node.told()
    node.ask("fault_heal", False, True)
    whole = node.told()

    names = ("disk", "disk_ends_in_ms", "clock_offset_ms", "clock_drift_ppm", "clock_ends_in_ms")
    assert [{}, 0, -500, 1_000, 60_000] == [half[name] for name in names]
    assert [{}, 0, 0, 0, 0] == [whole[name] for name in names]


@pytest.mark.parametrize("torn", [False, True])
async def test_a_crash_tells_what_is_not_synced_and_then_ends_the_process(tmp_path: Path, torn: bool) -> None:
    """Nothing of it reaches the disk; torn, all but the end of the last write."""
    node = Node(files := FaultyFiles(RealFiles()))
    path = str(tmp_path / "log")
    file = files.create(path)
    file.sync()
    files.sync_directory(str(tmp_path))
    file.write((b"x" * 500,), 0)
    file.write((b"y" * 200,), 500)
    node.ask("fault_crash", torn, 7, 1)
    assert files.faults.stall
    await asyncio.wait_for(node.death.wait(), 10)
    node.client.take()
    below = read_file(RealFiles(), path)

    assert {1: {"unsynced_bytes": 700}} == node.client.replies
    assert below.rstrip(b"y") == (b"x" * 500 if torn else b"")
    assert (600 <= len(below) < 700) == torn
