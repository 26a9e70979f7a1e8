"""What a node says of itself, to people and to Prometheus."""

import dataclasses
from pathlib import Path

from quorate.cluster.runtime.status import LOG_SAMPLES, group_samples, group_status, log_samples
from quorate.cluster.storage.commit import Counters
from quorate.cluster.wire.rpc import pack
from quorate.protocols.core import Progress
from tests.cluster.runtime.world import World


def test_everything_that_the_log_counts_is_exported_as_what_it_is() -> None:
    """What can fall is a gauge: a counter that falls is a restart to Prometheus, and its rates are nonsense."""
    counters = Counters(sync_ns_last=5, sync_ns_sum=7, queued_bytes=10, taken_bytes=4)
    samples = {name: (kind, value) for name, kind, _, _, value in log_samples(counters)}

    assert {field.name for field in dataclasses.fields(Counters)} | {"queue_bytes"} == LOG_SAMPLES.keys()
    assert ("gauge", 5) == samples["quorate_log_sync_ns_last"]
    assert ("counter", 7) == samples["quorate_log_sync_ns_sum"]
    assert ("gauge", 6) == samples["quorate_log_queue_bytes"]


async def test_every_sample_has_a_text_and_one_kind_and_one_set_of_labels_for_each_name(tmp_path: Path) -> None:
    world = await World(tmp_path).begin()
    world.core.progress = {"n1": Progress(3, "replicate"), "n2": Progress(2, "probe")}
    seen: dict[str, tuple[str, tuple[str, ...]]] = {}
    for name, kind, text, labels, value in [*group_samples("default", world.replica), *log_samples(Counters())]:
        assert text and kind in ("counter", "gauge"), name
        assert isinstance(value, int | float), name
        assert seen.setdefault(name, (kind, tuple(labels))) == (kind, tuple(labels)), name


async def test_a_status_is_plain_enough_for_the_wire_and_names_members_and_leader(tmp_path: Path) -> None:
    world = await World(tmp_path).begin()
    world.core.leader = "n2"
    world.core.progress = {"n2": Progress(5, "replicate")}
    await world.commit_words(b"a")
    status = group_status(world.replica)

    assert pack(status)
    assert ("follower", "n2", "n2:80", 1) == (status["role"], status["leader"], status["leader_address"], status["applied"])
    members = status["members"]
    assert isinstance(members, list)
    assert ["n1", "n2", "n3"] == [row["name"] for row in members]
    assert 5 == members[1]["match"] and "match" not in members[0]


async def test_a_replica_that_stopped_says_failed_and_why(tmp_path: Path) -> None:
    world = await World(tmp_path).begin()
    world.replica.fail(OSError("the disk is gone"))
    status = group_status(world.replica)

    assert ("failed", "OSError: the disk is gone") == (status["role"], status["failure"])
