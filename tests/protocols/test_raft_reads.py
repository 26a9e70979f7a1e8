"""Linearizable reads without a log write: read index and lease, on leaders and followers. Ongaro's thesis 6.4."""

from quorate.protocols.core import Message, NodeId, ReadReady, Reason
from quorate.protocols.raft import RaftOptions
from quorate.protocols.raft.messages import Appended, Heartbeat, HeartbeatReply
from quorate.protocols.reads import ReadIndex, ReadIndexReply
from quorate.protocols.terms.roles import Leader
from tests.protocols.raft_cluster import Cluster


def led(*names: str, options: RaftOptions | None = None) -> Cluster:
    cluster = Cluster(*names, options=options)
    cluster.elect(names[0])
    cluster.settle()
    return cluster


def read(cluster: Cluster, name: str, *, lease: bool = False) -> int:
    token = cluster.token()
    cluster.cores[name].read(token, lease=lease)
    return token


def heartbeats(cluster: Cluster) -> list[Heartbeat]:
    return [message for _, _, message in cluster.sent if isinstance(message, Heartbeat)]


def is_heartbeat_reply(sender: NodeId, to: NodeId, message: Message) -> bool:
    return isinstance(message, HeartbeatReply)


def test_a_read_waits_for_a_round_of_heartbeats_and_names_the_commit_index() -> None:
    cluster = led("n1", "n2", "n3")
    cluster.put("n1", b"x")
    token = read(cluster, "n1")
    cluster.take("n1")
    assert not cluster.seen["n1"].reads
    cluster.settle()

    assert [ReadReady(token, 2)] == cluster.seen["n1"].reads


def test_one_round_serves_all_reads_of_a_turn_and_the_next_all_that_came_meanwhile() -> None:
    cluster = led("n1", "n2", "n3")
    cluster.sent.clear()
    for _ in range(50):
        read(cluster, "n1")
    cluster.take("n1")
    for _ in range(50):
        read(cluster, "n1")
        cluster.take("n1")
    assert 2 == len(heartbeats(cluster))
    cluster.settle()

    assert 4 == len(heartbeats(cluster))
    assert 100 == len(cluster.seen["n1"].reads)


def test_a_read_is_not_confirmed_by_a_round_sent_before_it_arrived() -> None:
    """1. A round is under way. 2. A read arrives. 3. The round's answers arrive: they say nothing about the time after."""
    cluster = led("n1", "n2", "n3")
    early = read(cluster, "n1")
    cluster.take("n1")
    late = read(cluster, "n1")
    cluster.deliver()
    cluster.take("n2")
    cluster.take("n3")
    cluster.blocked |= {("n1", "n2"), ("n1", "n3")}
    cluster.deliver()
    cluster.settle()

    assert [early] == [ready.token for ready in cluster.seen["n1"].reads]
    cluster.heal()
    cluster.tick(10)
    assert [early, late] == [ready.token for ready in cluster.seen["n1"].reads]


def test_a_leader_answers_no_read_before_it_committed_in_its_own_term() -> None:
    """6.4, step 1: it does not know yet what is committed."""
    cluster = Cluster("n1", "n2", "n3")
    core = cluster.cores["n1"]
    cluster.stop_at(lambda: isinstance(core.state.role, Leader), timer_of="n1")
    token = read(cluster, "n1")
    cluster.take("n1")
    for name in ("n2", "n3"):
        core.receive(name, HeartbeatReply(1, 1, 0))
        core.receive(name, HeartbeatReply(1, 2, 0))
    cluster.take("n1")
    assert not cluster.seen["n1"].reads
    cluster.settle()

    assert [ReadReady(token, 1)] == cluster.seen["n1"].reads


def test_a_deposed_leader_answers_no_read() -> None:
    """The stale read of a leader that was cut off: it is refused instead."""
    cluster = led("n1", "n2", "n3")
    cluster.isolate("n1")
    cluster.tick(250, only=("n2", "n3"))
    cluster.put(next(name for name in ("n2", "n3") if isinstance(cluster.cores[name].state.role, Leader)), b"new")
    token = read(cluster, "n1")
    cluster.tick(150)

    assert not cluster.seen["n1"].reads
    assert (token, Reason.NOT_LEADER) in [(refused.token, refused.reason) for refused in cluster.seen["n1"].refused]


def test_a_lease_read_is_answered_at_once_after_a_confirmed_round() -> None:
    """6.4.1."""
    cluster = led("n1", "n2", "n3")
    token = read(cluster, "n1", lease=True)
    cluster.sent.clear()
    cluster.take("n1")

    assert [ReadReady(token, 1)] == cluster.seen["n1"].reads
    assert not heartbeats(cluster)


def test_a_lease_counts_from_the_tick_at_which_its_heartbeat_was_sent() -> None:
    """1. A heartbeat leaves. 2. Its answers arrive many ticks later: the lease is nearly over already."""
    cluster = led("n1", "n2", "n3")
    core = cluster.cores["n1"]
    lease = cluster.options.lease_ticks
    cluster.tick(cluster.options.heartbeat_ticks - 1)
    core.tick()
    cluster.take("n1")
    sent_at = core.state.now
    cluster.deliver()
    cluster.take("n2")
    cluster.take("n3")
    for _ in range(lease - 1):
        core.tick()
    cluster.deliver(is_heartbeat_reply)
    cluster.take("n1")
    assert sent_at + lease - 1 == core.state.now
    in_time = read(cluster, "n1", lease=True)
    cluster.take("n1")
    core.tick()
    too_late = read(cluster, "n1", lease=True)
    cluster.take("n1")

    answered = [ready.token for ready in cluster.seen["n1"].reads]
    assert in_time in answered
    assert too_late not in answered


def test_a_lease_read_without_a_lease_is_confirmed_by_a_round() -> None:
    cluster = led("n1", "n2", "n3")
    cluster.cores["n1"].tick(1000)
    token = read(cluster, "n1", lease=True)
    cluster.take("n1")
    assert not cluster.seen["n1"].reads
    cluster.settle()

    assert [token] == [ready.token for ready in cluster.seen["n1"].reads]


def test_no_lease_outlives_the_promise_that_a_voter_made_for_it() -> None:
    """The bound: clocks may run apart by a tenth."""
    for lease in (1, 5, 10, 20, 25, 50, 80):
        options = RaftOptions(lease_ticks=lease)

        assert options.promise_ticks >= lease * 1.1 + 1


def test_a_lease_read_on_a_follower_is_refused_and_names_the_leader() -> None:
    cluster = led("n1", "n2", "n3")
    token = read(cluster, "n2", lease=True)
    cluster.settle()

    assert [(token, "n1")] == [(refused.token, refused.leader) for refused in cluster.seen["n2"].refused]


def test_a_follower_asks_its_leader_once_for_all_reads_of_a_turn() -> None:
    cluster = led("n1", "n2", "n3")
    cluster.put("n1", b"x")
    tokens = [read(cluster, "n2") for _ in range(20)]
    cluster.sent.clear()
    cluster.settle()

    assert 1 == len([message for _, _, message in cluster.sent if isinstance(message, ReadIndex)])
    assert [ReadReady(token, 2) for token in tokens] == cluster.seen["n2"].reads


def test_a_follower_asks_again_when_the_question_or_its_answer_was_lost() -> None:
    cluster = led("n1", "n2", "n3")
    token = read(cluster, "n2")
    cluster.take("n2")
    cluster.wire.clear()
    cluster.tick(cluster.options.read_retry_ticks)

    assert [token] == [ready.token for ready in cluster.seen["n2"].reads]


def test_an_answer_meant_for_a_life_before_the_restart_is_not_taken() -> None:
    cluster = led("n1", "n2", "n3")
    read(cluster, "n2")
    cluster.take("n2")
    cluster.deliver()
    cluster.settle()
    old = next(message for _, _, message in cluster.sent if isinstance(message, ReadIndexReply))
    cluster.crash("n2")
    cluster.restart("n2")
    cluster.tick(15)
    cluster.put("n1", b"new")
    read(cluster, "n2")
    cluster.take("n2")
    cluster.cores["n2"].receive("n1", old)
    cluster.take("n2")

    assert not cluster.seen["n2"].reads


def test_a_read_on_a_node_that_knows_no_leader_is_refused_at_once() -> None:
    cluster = Cluster("n1", "n2", "n3")
    token = read(cluster, "n1")
    cluster.take("n1")

    assert [(token, Reason.NOT_LEADER, None)] == [(one.token, one.reason, one.leader) for one in cluster.seen["n1"].refused]


def test_a_read_on_a_follower_ends_when_its_leader_is_gone() -> None:
    cluster = led("n1", "n2", "n3")
    cluster.isolate("n2")
    token = read(cluster, "n2")
    cluster.tick(cluster.options.election_ticks + 1, only=("n2",))

    assert [(token, Reason.NOT_LEADER)] == [(one.token, one.reason) for one in cluster.seen["n2"].refused]


def test_a_read_on_a_leader_without_quorum_ends() -> None:
    cluster = led("n1", "n2", "n3")
    cluster.isolate("n1")
    token = read(cluster, "n1")
    cluster.tick(cluster.options.election_ticks + 1, only=("n1",))

    assert [(token, Reason.NOT_LEADER)] == [(one.token, one.reason) for one in cluster.seen["n1"].refused]


def test_waiting_reads_are_bounded() -> None:
    cluster = led("n1", "n2", "n3", options=RaftOptions(waiting_reads_max=3))
    for _ in range(5):
        read(cluster, "n1")
    cluster.take("n1")
    assert [Reason.OVERLOADED] * 2 == [refused.reason for refused in cluster.seen["n1"].refused]
    cluster.settle()
    assert 3 == len(cluster.seen["n1"].reads)
    read(cluster, "n1")
    cluster.settle()

    assert 4 == len(cluster.seen["n1"].reads)


def test_a_single_node_answers_reads_by_itself() -> None:
    cluster = led("n1")
    token = read(cluster, "n1")
    with_lease = read(cluster, "n1", lease=True)
    cluster.take("n1")

    assert {token, with_lease} == {ready.token for ready in cluster.seen["n1"].reads}


def test_a_new_leader_answers_the_reads_it_had_asked_of_the_old_one() -> None:
    cluster = led("n1", "n2", "n3")
    cluster.blocked |= {("n2", "n1"), ("n3", "n1")}
    token = read(cluster, "n2")
    cluster.take("n2")
    cluster.crash("n1")
    cluster.cores["n2"].unreachable("n1")
    cluster.cores["n3"].unreachable("n1")
    cluster.cores["n3"].elections.timeout = 10_000
    cluster.tick(60)

    assert "n2" == cluster.leader()
    assert [(token, 2)] == [(ready.token, ready.index) for ready in cluster.seen["n2"].reads]


def test_an_acknowledged_append_renews_the_lease_as_a_heartbeat_does() -> None:
    cluster = led("n1", "n2", "n3")
    role = cluster.cores["n1"].state.role
    assert isinstance(role, Leader)
    cluster.tick(cluster.options.heartbeat_ticks - 1)
    cluster.cores["n1"].tick()
    cluster.take("n1")
    round_ = role.round
    cluster.wire.clear()
    cluster.cores["n1"].receive("n2", Appended(1, 1, round_))
    cluster.take("n1")

    assert cluster.cores["n1"].state.now == role.lease_from
