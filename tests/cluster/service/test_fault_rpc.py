"""The switches for chaos runs: a bad disk and a bad clock, and nothing that was not asked for by its name."""

import pytest

from quorate.cluster.runtime.clock import ManualClock, SkewedClock
from quorate.cluster.service.fault_rpc import FaultService
from quorate.cluster.storage.faulty import Faults, FaultyFiles
from quorate.cluster.storage.files import RealFiles
from quorate.cluster.wire.errors import BadRequest
from tests.cluster.service.serving import Client


class Node:
    """A node that can be made to suffer."""

    def __init__(self, files: FaultyFiles | None) -> None:
        self.manual = ManualClock()
        self.clock = SkewedClock(self.manual)
        self.faulty_files = files
        self.client = Client()
        self.methods = FaultService(self).methods()

    def ask(self, method: str, *params: object) -> None:
        self.methods[method].handler(self.client.connection, 1, *params)
        self.client.take()


async def test_faults_of_the_disk_are_all_set_at_once() -> None:
    node = Node(FaultyFiles(RealFiles()))
    assert node.faulty_files is not None
    node.ask("fault_disk", {"fail_sync": 5, "sync_delay_ms": 20})
    first = node.faulty_files.faults
    node.client.replies.clear()
    node.ask("fault_disk", {})

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
        node.ask("fault_disk", wanted)

    assert Faults() == node.faulty_files.faults


async def test_a_sound_disk_cannot_be_made_to_fail() -> None:
    with pytest.raises(BadRequest, match=r"faults\.files = true"):
        Node(None).ask("fault_disk", {"fail_sync": 5})


async def test_the_clock_jumps_once_and_drifts_from_then_on() -> None:
    node = Node(None)
    node.ask("fault_clock", 1_000, 100_000)
    node.manual.advance(1_000)

    assert 2_100 == node.clock.now_ms()
