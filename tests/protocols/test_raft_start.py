"""A cluster that starts together elects at once; a node that starts into a running one disturbs nobody."""

from quorate.protocols.raft import RaftOptions
from tests.protocols.raft_cluster import Cluster

QUICK = RaftOptions(starts_quickly=True)


def ticks_to_a_leader(cluster: Cluster) -> int:
    for ticks in range(QUICK.election_ticks):
        if any(core.status.role == "leader" for core in cluster.cores.values()):
            return ticks
        cluster.tick()
        cluster.settle()
    raise AssertionError("no leader within an election timeout")


def test_a_fresh_cluster_has_a_leader_long_before_an_election_timeout() -> None:
    assert ticks_to_a_leader(Cluster("n1", "n2", "n3", options=QUICK)) < QUICK.election_ticks // 2


def test_after_a_restart_of_all_the_promises_to_the_last_lease_are_kept_first() -> None:
    cluster = Cluster("n1", "n2", "n3", options=QUICK)
    ticks_to_a_leader(cluster)
    for name in ("n1", "n2", "n3"):
        cluster.crash(name)
    for name in ("n1", "n2", "n3"):
        cluster.restart(name)

    assert QUICK.promise_ticks <= ticks_to_a_leader(cluster)


def test_a_node_restarted_into_a_running_cluster_deposes_nobody() -> None:
    cluster = Cluster("n1", "n2", "n3", options=QUICK)
    ticks_to_a_leader(cluster)
    leader = cluster.leader()
    term = cluster.cores[leader].state.term
    other = next(name for name in cluster.cores if name != leader)
    cluster.crash(other)
    cluster.restart(other)
    for _ in range(2 * QUICK.election_ticks):
        cluster.tick()
        cluster.settle()

    assert leader == cluster.leader()
    assert [term] * 3 == [core.state.term for core in cluster.cores.values()]
