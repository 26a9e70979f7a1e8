"""Many groups in one process, and what JRaft is liked for on our Raft, shown working together on real processes.

Priority election, batched ReadIndex and lease reads, learners, many groups with coalesced heartbeats, pipelined replication, transfer.
"""

import asyncio
import json
import urllib.request
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from quorate import connect
from quorate.cluster.cli.application import run
from quorate.cluster.client import Client
from quorate.cluster.local import LocalCluster
from quorate.cluster.replicated_log import Consistency
from quorate.cluster.wire.errors import BadRequest, Unavailable
from tests.support.waiting import until

pytestmark = pytest.mark.process

FAVOURITES = {"orders": "n1", "users": "n2", "stock": "n3", "g1": "n1", "g2": "n1", "g3": "n1"}
"""Whom each group wants: rank 100. The others have rank 1, and stand back for about three election timeouts."""
GROUPS = ("default", *FAVOURITES)
IN_FLIGHT = 200


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[LocalCluster]:
    with LocalCluster.create(tmp_path, settings={"target_priority": 100}) as made:
        for name in made.names:
            ranks = {group: {"priority": 100 if wanted == name else 1} for group, wanted in FAVOURITES.items()}
            made.configure(name, {"groups": ranks})
        yield made


def leaders(cluster: LocalCluster) -> dict[str, str]:
    """By group: who says that it leads, in the highest term."""
    found: dict[str, tuple[int, str]] = {}
    for name, said in cluster.statuses().items():
        for group, status in (said.groups if said is not None else {}).items():
            if status.role == "leader":
                found[group] = max(found.get(group, (0, "")), (status.term, name))
    return {group: name for group, (_, name) in found.items()}


def counter(cluster: LocalCluster, node: str, name: str) -> float:
    with urllib.request.urlopen(f"http://{cluster.http_address(node)}/metrics") as page:
        return sum(float(line.split()[-1]) for line in page.read().decode().splitlines() if line.startswith(name))


async def write_everywhere(client: Client, round_: int) -> None:
    """IN_FLIGHT writes in every group at once."""
    keys = range(IN_FLIGHT)
    await asyncio.gather(*(client.group(group).put(f"k{key}", f"{group}/{round_}/{key}") for group in GROUPS for key in keys))


async def check_everywhere(client: Client, round_: int, consistency: Consistency) -> None:
    for group in GROUPS:
        items = await asyncio.gather(*(client.group(group).get(f"k{key}", consistency=consistency) for key in range(IN_FLIGHT)))
        assert [f"{group}/{round_}/{key}".encode() for key in range(IN_FLIGHT)] == [item.value for item in items if item is not None]


async def test_all_that_jraft_is_liked_for_works_together(cluster: LocalCluster) -> None:
    cluster.start()
    await asyncio.to_thread(cluster.wait_ready)
    # Priority election: each group is led by whom it wants.
    assert FAVOURITES == {group: name for group, name in leaders(cluster).items() if group != "default"}

    async with connect(cluster.endpoints, timeout=30) as client:
        # Pipelined writes in all groups at once, then reads: one barrier serves all that arrive together, and leases serve the rest.
        await write_everywhere(client, 1)
        await check_everywhere(client, 1, Consistency.LINEARIZABLE)
        await check_everywhere(client, 1, Consistency.LEADER)

        # A learner follows every group, and is counted in none.
        name = cluster.add_node({"groups": {group: {} for group in FAVOURITES}})
        cluster.start(name)
        for group in GROUPS:
            await join_as_learner(client.group(group), cluster, name)
        await until(lambda: learns_all(cluster, name), "the learner has applied what the leaders committed in every group")

        # Transfer: n1 takes two more groups, and leads most of them now.
        for group in ("users", "stock"):
            await client.group(group).transfer_leadership(to="n1")
        assert {"n1"} == {leader for group, leader in leaders(cluster).items() if group != "default"}
        await write_everywhere(client, 2)

        # The node that leads nearly everything is lost: every group finds a successor, and nothing that was acknowledged is.
        cluster.kill("n1")
        await check_everywhere(client, 2, Consistency.LINEARIZABLE)
        await write_everywhere(client, 3)
        await check_everywhere(client, 3, Consistency.LEADER)

        # It comes back with all its groups, from one log.
        cluster.start("n1")
        await asyncio.to_thread(cluster.wait_ready, "n1")
        await until(lambda: learns_all(cluster, "n1"), "n1 has caught up in every group")


async def join_as_learner(client: Client, cluster: LocalCluster, name: str) -> None:
    node = cluster.record.nodes[name]
    await client.add_member(name, peer_address=node.peer, client_address=node.client, promote=False)


def learns_all(cluster: LocalCluster, name: str) -> bool:
    said, leading = cluster.statuses(), leaders(cluster)
    status = said[name]
    if status is None or set(leading) != set(GROUPS) or set(status.groups) != set(GROUPS):
        return False
    newest = {group: said[leader].groups[group].commit for group, leader in leading.items()}  # type: ignore[union-attr]
    return newest == {group: mine.applied for group, mine in status.groups.items()}


@pytest.fixture
async def small(tmp_path: Path) -> AsyncIterator[LocalCluster]:
    with LocalCluster.create(tmp_path, settings={"groups": {"orders": {}, "users": {}}}) as made:
        made.start()
        await asyncio.to_thread(made.wait_ready)
        yield made


async def test_groups_have_keys_revisions_sessions_watches_and_snapshots_of_their_own(small: LocalCluster) -> None:
    async with connect(small.endpoints, group="orders") as orders:
        users = orders.group("users")
        assert orders.group("orders") is orders
        assert users.group("orders") is orders
        async with orders.watch("x") as one, users.watch("x") as other:
            assert [1, 2] == [(await orders.put("x", value)).revision for value in ("1", "2")]
            assert 1 == (await users.put("x", "a")).revision
            assert [b"1", b"2"] == [event.current.value for event in [await anext(one), await anext(one)] if event.current]
            assert [b"a"] == [event.current.value for event in [await anext(other)] if event.current]
        assert (await orders.snapshot()).index != 0
        assert {"orders": 2, "users": 1, "default": 0} == {
            group: status.revision for group, status in (await orders.status()).groups.items()
        }


async def test_a_group_that_no_node_hosts_and_one_that_only_some_nodes_name_are_told_clearly(small: LocalCluster) -> None:
    """n3's file does not name "stock": a majority serves it without n3, and n3 says what is missing."""
    for name in ("n1", "n2"):
        small.configure(name, {"groups": {"stock": {}}})
        small.restart(name)
        await asyncio.to_thread(small.wait_ready, "n3")
    await asyncio.to_thread(small.wait_ready, "n1", "n2")

    async with connect(small.endpoints) as client:
        await client.group("stock").put("x", "1")
        with pytest.raises(Unavailable, match="no leader"):
            await client.group("orderz").put("x", "1", timeout=0.5)
    with pytest.raises(BadRequest, match="no group 'stock' here; there are: default, orders, users"):
        small.call("n3", "query", "stock", 0, b"")
    await until(lambda: "stock" in small.log_path("n3").read_text(), "n3 heard of it")
    lines = [json.loads(line) for line in small.log_path("n3").read_text().splitlines()]
    [told] = [line for line in lines if line["event"] == "a peer speaks of a group that is not hosted here"]
    assert "name it under `groups`" in told["remedy"]
    assert ("stock",) == small.status("n3").unknown_groups

    small.configure("n3", {"groups": {"stock": {}}})
    small.restart("n3")
    await asyncio.to_thread(small.wait_ready, "n3")
    assert "stock" in small.status("n3").groups


def disks(cluster: LocalCluster, name: str) -> dict[str, tuple[str, bool]]:
    """By group: the disk that its leader knows that member by, and whether it votes."""
    said = cluster.statuses()
    found = {}
    for group, leader in leaders(cluster).items():
        status = said[leader]
        for member in status.groups[group].members if status is not None else ():
            if member.name == name:
                found[group] = member.storage, member.voter
    return found


def test_members_are_replaced_removed_and_added_in_every_group_and_what_was_done_before_is_left_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with LocalCluster.create(tmp_path, settings={"groups": {"orders": {}, "users": {}}}) as cluster:
        cluster.start()
        cluster.wait_ready()
        groups = {"default", "orders", "users"}

        def quorate(*words: str) -> str:
            code = run([*words[:-1], words[-1], "--endpoints", cluster.endpoints])
            said = capsys.readouterr()
            assert 0 == code, said.err
            return said.out

        lost = disks(cluster, "n2")
        cluster.kill("n2")
        cluster.wipe("n2")
        cluster.start("n2")
        asyncio.run(until(lambda: cluster.statuses()["n2"] is not None, "n2 answers"))
        quorate("--group", "users", "member", "replace", "n2")  # as if an attempt had ended here
        quorate("member", "replace", "n2")
        cluster.wait_ready("n2")
        asyncio.run(until(lambda: {voter for _, voter in disks(cluster, "n2").values()} == {True}, "n2 votes in every group"))

        assert groups == set(disks(cluster, "n2")) == set(lost)
        assert 1 == len({disk for disk, _ in disks(cluster, "n2").values()} - {disk for disk, _ in lost.values()})

        quorate("--group", "orders", "member", "remove", "n2")
        assert groups - {"orders"} == set(disks(cluster, "n2"))
        quorate("member", "remove", "n2")
        assert {} == disks(cluster, "n2")
        quorate("member", "add", "n2", "--client", cluster.client_address("n2"))
        assert groups == set(disks(cluster, "n2"))
        assert f"{len(groups)} groups: " in quorate("status")
