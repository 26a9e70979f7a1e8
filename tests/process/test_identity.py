"""Who a node is: its disk, its cluster, its formats. A wiped node does not vote under its old name."""

import asyncio
import json
import zlib
from collections.abc import Iterator
from pathlib import Path

import msgpack
import pytest

from quorate import QuorateError, connect
from quorate.cluster.local import LocalCluster
from quorate.cluster.runtime.handshake import PROTOCOL_VERSION as SPOKEN
from tests.support.waiting import until

pytestmark = pytest.mark.process


@pytest.fixture
def cluster(tmp_path: Path, engine: str) -> Iterator[LocalCluster]:
    with LocalCluster.create(tmp_path, engine=engine) as made:
        made.start()
        made.wait_ready()
        yield made


def detail(cluster: LocalCluster, name: str) -> str:
    try:
        return cluster.status(name).ready_detail
    except QuorateError:
        return ""


def last_reason(cluster: LocalCluster, name: str) -> str:
    lines = [json.loads(line) for line in cluster.log_path(name).read_text("utf-8").splitlines() if line.startswith("{")]
    return next((str(line["reason"]) for line in reversed(lines) if "reason" in line), "")


async def peer_says(address: str, request: list[object]) -> object:
    """Dial a peer port as a stranger; the error or result of its answer, None if it hangs up without one."""
    host, port = address.rsplit(":", 1)
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(msgpack.packb(request))
    async with asyncio.timeout(10):
        answer = await reader.read(65536)
    writer.close()
    if not answer:
        return None
    _, _, error, result = msgpack.unpackb(answer)
    return error or result


@pytest.mark.every_engine
@pytest.mark.failover
async def test_a_wiped_node_does_not_vote_and_comes_back_by_replacement(cluster: LocalCluster) -> None:
    """
    1. n2's disk is wiped; under its old name it is refused, and says what to do.
    2. With n1 gone, n3 and the wiped n2 elect nobody: n2's vote does not count.
    3. n1 is back; `member replace` takes n2 in as a learner, which is promoted; now n1 may go.
    """
    async with connect(cluster.endpoints, timeout=20) as client:
        await client.put("x", "before")
        cluster.kill("n2")
        cluster.wipe("n2")
        cluster.start("n2")
        await until(lambda: "quorate member replace n2" in detail(cluster, "n2"), "n2 says how to bring it back")

        cluster.kill("n1")
        with pytest.raises(QuorateError):
            await client.put("x", "by a vote that must not count", timeout=4)
        assert "leader" != cluster.status("n3").groups["default"].role

        cluster.start("n1")
        await asyncio.to_thread(cluster.wait_ready, "n1", "n3")
        await client.replace_member("n2")
        await asyncio.to_thread(cluster.wait_ready, "n2")
        await until(lambda: _is_voter(cluster, "n2"), "n2 votes again")
        cluster.kill("n1")
        await client.put("x", "after", timeout=30)
        found = await client.get("x")

    assert found is not None
    assert b"after" == found.value


def _is_voter(cluster: LocalCluster, name: str) -> bool:
    members = cluster.status("n3").groups["default"].members
    return any(member.name == name and member.voter for member in members)


async def test_a_fourth_node_is_added_as_a_learner_promoted_and_removed(cluster: LocalCluster) -> None:
    name = cluster.add_node()
    cluster.start(name)
    await until(lambda: f"quorate member add {name}" in detail(cluster, name), f"{name} says how to add it")
    async with connect(cluster.endpoints, timeout=20) as client:
        await client.put("x", "1")
        await client.add_member(name, peer_address=cluster.record.nodes[name].peer, client_address=cluster.client_address(name))
        await asyncio.to_thread(cluster.wait_ready, name)
        await until(lambda: _is_voter(cluster, name), f"{name} is promoted by itself")
        async with connect(cluster.client_address(name), timeout=20) as through_it:
            found = await through_it.get("x")
        await client.remove_member(name)
        members = {member.name for member in await client.members()}

    assert found is not None
    assert {"n1", "n2", "n3"} == members


async def test_an_empty_directory_does_not_bootstrap_a_second_cluster(cluster: LocalCluster) -> None:
    """Even with a majority of the initial members wiped and alone: the third might know the cluster, so nobody begins anew."""
    cluster.kill()
    for name in ("n1", "n2"):
        cluster.wipe(name)
        cluster.start(name)
    await until(lambda: all("waiting for n3" in detail(cluster, name) for name in ("n1", "n2")), "both wait for n3")

    assert {"groups": {}} == {"groups": dict(cluster.status("n1").groups)}


async def test_a_newer_data_format_is_refused_naming_both_versions(cluster: LocalCluster) -> None:
    cluster.kill("n2")
    path = cluster.data_path("n2") / "identity.json"
    fields = json.loads(path.read_text("utf-8"))
    del fields["crc32"]
    fields["format"] = 99
    fields["crc32"] = zlib.crc32(json.dumps(fields, sort_keys=True).encode())
    path.write_text(json.dumps(fields), "utf-8")
    cluster.start("n2")
    await until(lambda: cluster.exit_code("n2") is not None, "n2 ends")

    assert 1 == cluster.exit_code("n2")
    assert "99" in last_reason(cluster, "n2") and "1" in last_reason(cluster, "n2")


async def test_a_directory_of_another_cluster_is_refused_and_says_whose_it_is(cluster: LocalCluster) -> None:
    cluster.kill("n2")
    cluster.configure("n2", {"cluster": "another"})
    cluster.start("n2")
    await until(lambda: cluster.exit_code("n2") is not None, "n2 ends")

    assert "another" in last_reason(cluster, "n2") and cluster.record.cluster in last_reason(cluster, "n2")


@pytest.mark.parametrize(
    ("hello", "words"),
    [
        ([99, "{cluster}", "n2", "n1", 1, "disk", 0, "127.0.0.1:1"], ["protocol 99", f"speaks {SPOKEN}"]),
        ([SPOKEN, "elsewhere", "n2", "n1", 1, "disk", 0, "127.0.0.1:1", "{engine}", {}], ["elsewhere", "{cluster}"]),
        ([SPOKEN, "{cluster}", "n2", "n3", 1, "disk", 0, "127.0.0.1:1", "{engine}", {}], ["n3", "this is n1"]),
        (
            [SPOKEN, "{cluster}", "n2", "n1", 1, "another disk", -1, "127.0.0.1:1", "{engine}", {}],
            ["another disk", "quorate member replace n2"],
        ),
        (
            [SPOKEN, "{cluster}", "n2", "n1", 1, "disk", 0, "127.0.0.1:1", "an engine", {}],
            ["n2 runs the engine an engine", "n1 runs {engine}"],
        ),
    ],
    ids=["newer protocol", "other cluster", "wrong destination", "another disk", "another engine"],
)
async def test_a_strange_peer_is_refused_with_both_sides_named(
    cluster: LocalCluster, engine: str, hello: list[object], words: list[str]
) -> None:
    def filled(text: str) -> str:
        return text.replace("{cluster}", cluster.record.cluster).replace("{engine}", engine)

    fields = [filled(field) if isinstance(field, str) else field for field in hello]
    answer = await peer_says(cluster.record.nodes["n1"].peer, [0, 1, "hello", fields])

    assert all(filled(word) in str(answer) for word in words), answer
    assert cluster.status("n1").ready


@pytest.mark.failover
async def test_after_a_member_was_added_and_its_node_replaced_all_restart_together(cluster: LocalCluster) -> None:
    """What they know of each other then comes from their own logs alone, and not from the configuration files."""
    name = cluster.add_node()
    cluster.start(name)
    await until(lambda: f"quorate member add {name}" in detail(cluster, name), f"{name} says how to add it")
    async with connect(cluster.endpoints, timeout=20) as client:
        await client.put("x", "kept")
        await client.add_member(name, peer_address=cluster.record.nodes[name].peer, client_address=cluster.client_address(name))
        await until(lambda: _is_voter(cluster, name), f"{name} is promoted by itself")
        cluster.kill("n1")
        cluster.wipe("n1")
        cluster.start("n1")
        await until(lambda: "quorate member replace n1" in detail(cluster, "n1"), "n1 says how to bring it back")
        await client.replace_member("n1")
        await until(lambda: _is_voter(cluster, "n1"), "n1 votes again")
    cluster.stop()
    cluster.start()
    await asyncio.to_thread(cluster.wait_ready)
    async with connect(cluster.endpoints, timeout=20) as client:
        found = await client.get("x")

    assert found is not None
    assert b"kept" == found.value
