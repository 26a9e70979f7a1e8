"""Many groups on whole nodes in virtual time: what is counted here is exact."""

import asyncio
from collections.abc import Coroutine

import pytest

from quorate.cluster.client import Client
from quorate.cluster.replicated_log import Consistency
from quorate.cluster.runtime.replica import Replica
from quorate.cluster.simulation.cluster import SimulatedCluster, quiet_cluster
from quorate.cluster.simulation.settings import RunSettings
from quorate.protocols.core import NodeId
from quorate.protocols.raft.engine import Raft
from quorate.protocols.simulation.schedule import SECOND
from quorate.protocols.terms.roles import Leader

BEATS = 20
"""A second, at the heartbeat of 50 ms that RunSettings has."""
READS = 200


def all_led(cluster: SimulatedCluster, *, but: NodeId = "") -> bool:
    return all(cluster.leader(group) not in (None, but) for group in cluster.groups)


def leading(cluster: SimulatedCluster, group: str) -> tuple[Replica, "Leader[object]"]:  # type: ignore[type-var]
    [found] = [replica for replica in cluster.replicas(group) if replica.node == cluster.leader(group)]
    assert isinstance(found.core, Raft) and isinstance(found.core.state.role, Leader)
    return found, found.core.state.role  # type: ignore[return-value]


def gather_all(cluster: SimulatedCluster, work: Coroutine[object, object, None]) -> None:
    process = next(process for process in cluster.loop.processes if process.name == "c1")
    task = process.spawn(work)
    assert cluster.run_until(task.done, 10 * SECOND)
    task.result()


def frames(cluster: SimulatedCluster) -> dict[NodeId, int]:
    return {name: host.node._network.frame_count for name, host in cluster.hosts.items() if host.node is not None}


@pytest.mark.parametrize("groups", [0, 1, 30])
def test_idle_groups_cost_a_frame_to_and_fro_for_each_pair_of_nodes_however_many_they_are(groups: int) -> None:
    with quiet_cluster(1, RunSettings(groups=groups)) as cluster:
        assert cluster.run_until(lambda: all_led(cluster), 5 * SECOND)
        cluster.run_for(SECOND)  # the last commit is told, and all is still
        before = frames(cluster)
        cluster.run_for(SECOND)
        after = frames(cluster)
        leaders = {cluster.leader(group) for group in cluster.groups}

    sent = sum(after.values()) - sum(before.values())
    # A leader beats its two followers, and they answer: whoever leads, for one group or for all that it leads.
    assert abs(4 * BEATS * len(leaders) - sent) <= 4 * len(leaders), (sent, leaders)


def test_many_reads_share_one_round_and_lease_reads_need_none() -> None:
    with quiet_cluster(2, RunSettings(groups=2)) as cluster:
        client, _ = cluster.client("c1")

        async def ask(consistency: Consistency) -> None:
            for group in cluster.groups:
                await client.group(group).put("x", group)
            rounds = {group: leading(cluster, group)[1].round for group in cluster.groups}
            reads = [client.group(group).get("x", consistency=consistency) for group in cluster.groups for _ in range(READS)]
            values = [item.text for item in await asyncio.gather(*reads) if item is not None]
            assert [group for group in cluster.groups for _ in range(READS)] == values
            used.append(max(leading(cluster, group)[1].round - rounds[group] for group in cluster.groups))

        used: list[int] = []
        gather_all(cluster, ask(Consistency.LINEARIZABLE))
        gather_all(cluster, ask(Consistency.LEADER))

    shared, leased = used
    assert 1 <= shared <= 2, f"{READS} reads took {shared} rounds"
    assert leased <= 1, "at most a heartbeat fell into this time"


def test_the_loss_of_a_node_that_leads_many_groups_finds_all_of_them_successors_as_soon_as_one() -> None:
    """All elections go on at once: their votes share log writes, and no group waits for another's."""
    took = {}
    for groups in (1, 40):
        with quiet_cluster(3, RunSettings(groups=groups)) as cluster:
            assert cluster.run_until(lambda: all_led(cluster), 5 * SECOND)  # used before the next round
            client, _ = cluster.client("c1")
            gather_all(cluster, lead_all(client, cluster, "n1"))
            assert {"n1"} == {cluster.leader(group) for group in cluster.groups}
            began = cluster.loop.now_ns
            cluster.hosts["n1"].crash(in_silence=False)
            assert cluster.run_until(lambda: all_led(cluster, but="n1"), 5 * SECOND)
            took[groups] = cluster.loop.now_ns - began

    assert took[40] < took[1] + 300_000_000, took  # an election timeout: as if all but a few had won at their first attempt


async def lead_all(client: Client, cluster: SimulatedCluster, node: NodeId) -> None:
    for group in cluster.groups:
        await client.group(group).transfer_leadership(to=node)
