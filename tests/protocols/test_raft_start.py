"""A cluster that starts together elects at once; a node that starts into a running one disturbs nobody."""

from quorate.protocols.core import Message, NodeId
from quorate.protocols.raft import RaftOptions
from quorate.protocols.raft.messages import PreVoteReply, Vote
from quorate.protocols.raft.roles import Follower
from tests.protocols.raft_cluster import NEVER, Cluster

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


def stand(cluster: Cluster, name: str) -> None:
    """The clock of one node alone runs until it asks for votes to come."""
    core = cluster.cores[name]
    while isinstance(core.state.role, Follower):
        core.tick()
    cluster.take(name)


def test_a_vote_for_a_log_that_a_crash_took_does_not_count_for_what_is_left_of_it() -> None:
    """1. n1 and n2 commit an entry that n3 has not synced. 2. n1 is lost; n3 stands for election with that entry. 3. n3 crashes:
    entry and term are gone. 4. It stands again, in the same term. 5. What its first life sent and was sent arrives only now."""

    def is_request(sender: NodeId, to: NodeId, message: Message) -> bool:
        return isinstance(message, Vote)

    cluster = Cluster("n1", "n2", "n3")
    cluster.elect("n1")
    cluster.held.add("n3")
    cluster.put("n1", b"kept")
    assert [b"kept"] == cluster.commands("n1") and not cluster.disks["n3"].entries.get(2)
    cluster.isolate("n1")
    other = cluster.cores["n2"]
    other.elections.timeout = NEVER
    for _ in range(cluster.options.election_ticks):
        other.tick()
    stand(cluster, "n3")
    cluster.deliver()
    cluster.take("n2")
    [(_, _, granted)] = [item for item in cluster.wire if isinstance(item[2], PreVoteReply)]
    cluster.deliver()
    assert "candidate" == cluster.cores["n3"].status.role
    cluster.take("n3")
    cluster.crash("n3")
    cluster.held.clear()

    reborn = cluster.restart("n3")
    assert 1 == reborn.state.log.last
    stand(cluster, "n3")
    reborn.receive("n2", granted)
    cluster.take("n3")
    assert 2 == reborn.state.term
    cluster.deliver(is_request)
    cluster.settle()

    assert "leader" != reborn.status.role
    assert [b"kept"] == [entry.data for entry in other.state.log.entries if entry.data]
