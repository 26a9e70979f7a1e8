"""Raft elections: who asks, who grants, who leads. Ongaro's thesis 3.4, 3.6.1, 4.2.3, 6.2, 9.6; JRaft's priorities."""

import pytest

from quorate.protocols.raft import HardState, RaftOptions
from quorate.protocols.raft.messages import Append, Heartbeat, PreVote, PreVoteReply, Vote, VoteReply
from quorate.protocols.raft.roles import Follower, PreCandidate
from tests.protocols.raft_cluster import Cluster, configuration


def to_timeout(cluster: Cluster, name: str) -> None:
    """The clock of one node alone runs until its election timeout ends."""
    core = cluster.cores[name]
    while isinstance(core.state.role, Follower):
        core.tick()


def test_a_node_that_hears_no_leader_is_elected_and_commits_a_noop() -> None:
    """3.4; the no-op of 6.4."""
    cluster = Cluster("n1", "n2", "n3")
    leader = cluster.run_until_leader()
    cluster.settle()

    assert [(1, 1)] == cluster.log(leader)
    assert [1, 1, 1] == [core.state.commit for core in cluster.cores.values()]
    assert {leader} == {core.leader for core in cluster.cores.values()}


def test_election_timeouts_differ_and_stay_within_their_bounds() -> None:
    """3.4: randomised between one and two election timeouts."""
    cluster = Cluster(*[f"n{number}" for number in range(1, 8)])
    timeouts = {core.elections.timeout for core in cluster.cores.values()}

    assert len(timeouts) > 3
    assert all(100 <= timeout < 200 for timeout in timeouts)


def test_a_single_node_leads_only_after_its_vote_is_durable() -> None:
    cluster = Cluster("n1")
    cluster.held.add("n1")
    to_timeout(cluster, "n1")
    cluster.take("n1")
    assert "candidate" == cluster.cores["n1"].status.role
    cluster.sync("n1")

    assert "leader" == cluster.cores["n1"].status.role
    assert HardState(1, "n1") == cluster.disks["n1"].promise


def test_a_vote_is_not_sent_before_the_fsync() -> None:
    """Figure 3.1: currentTerm and votedFor are updated on stable storage before responding."""
    cluster = Cluster("n1", "n2", "n3")
    cluster.held.add("n2")
    cluster.cores["n2"].receive("n1", Vote(5, 0, 0, False))
    cluster.take("n2")
    assert not cluster.wire
    cluster.sync("n2")

    assert [("n2", "n1", VoteReply(5, True))] == cluster.wire
    assert HardState(5, "n1") == cluster.disks["n2"].promise


def test_votes_are_asked_for_after_the_fsync_and_a_stray_one_elects_nobody_before_it() -> None:
    """1. n1 stands for election, its own vote still being written. 2. Votes of its term arrive all the same. 3. Its fsync ends."""
    cluster = Cluster("n1", "n2", "n3")
    cluster.held.add("n1")
    cluster.stop_at(lambda: "candidate" == cluster.cores["n1"].status.role, timer_of="n1")
    cluster.take("n1")
    assert not [message for _, _, message in cluster.sent if isinstance(message, Vote)]
    for name in ("n2", "n3"):
        cluster.cores["n1"].receive(name, VoteReply(1, True))
    cluster.take("n1")
    assert "candidate" == cluster.cores["n1"].status.role
    assert not [message for _, _, message in cluster.sent if isinstance(message, Append | Heartbeat)]
    cluster.sync("n1")

    assert "leader" == cluster.cores["n1"].status.role


def test_one_vote_per_term_first_come_first_served() -> None:
    """3.4."""
    cluster = Cluster("n1", "n2", "n3")
    cluster.cores["n3"].receive("n1", Vote(1, 0, 0, False))
    cluster.cores["n3"].receive("n2", Vote(1, 9, 1, False))
    cluster.cores["n3"].receive("n1", Vote(1, 0, 0, False))
    cluster.take("n3")

    assert [("n1", True), ("n2", False), ("n1", True)] == [(to, message.granted) for _, to, message in cluster.wire]  # type: ignore[attr-defined]


def test_a_vote_survives_a_crash() -> None:
    """Figure 3.1: a node that forgot its vote would vote twice in one term."""
    cluster = Cluster("n1", "n2", "n3")
    cluster.cores["n3"].receive("n1", Vote(1, 0, 0, False))
    cluster.take("n3")
    cluster.crash("n3")
    cluster.restart("n3").tick(1000)
    cluster.cores["n3"].receive("n2", Vote(1, 0, 0, False))
    cluster.take("n3")

    assert ("n3", "n2", VoteReply(1, False)) == cluster.wire[-1]


def test_a_vote_goes_only_to_a_log_at_least_as_up_to_date() -> None:
    """3.6.1: the last term first, then the last index."""
    cluster = Cluster("n1", "n2", "n3")
    cluster.elect("n1")
    cluster.put("n1", b"a")
    assert (2, 1) == (cluster.cores["n3"].state.log.last, cluster.cores["n3"].state.log.last_term)
    answers = []
    for term, (last_term, last_index) in enumerate([(1, 1), (0, 9), (1, 2), (1, 3), (2, 1)], 10):
        cluster.cores["n3"].elections.heard = None
        cluster.cores["n3"].tick()
        cluster.cores["n3"].tick(100)
        cluster.cores["n3"].receive("n2", Vote(term, last_index, last_term, False))
        cluster.take("n3")
        message = cluster.wire.pop()[2]
        assert isinstance(message, VoteReply)
        answers.append(message.granted)

    assert [False, False, True, True, True] == answers


def test_the_same_vote_arriving_twice_elects_nobody() -> None:
    """3.4: votes are counted by voter, not by message."""
    cluster = Cluster("n1", "n2", "n3", "n4", "n5")
    to_timeout(cluster, "n1")
    for name in ("n2", "n3"):
        cluster.cores["n1"].receive(name, PreVoteReply(0, 0, True))
    cluster.take("n1")
    for _ in range(5):
        cluster.cores["n1"].receive("n2", VoteReply(1, True))

    assert "candidate" == cluster.cores["n1"].status.role
    cluster.cores["n1"].receive("n3", VoteReply(1, True))
    assert "leader" == cluster.cores["n1"].status.role


def test_a_vote_of_a_stranger_or_a_learner_is_not_counted() -> None:
    cluster = Cluster("n1", "n2", "n3")
    to_timeout(cluster, "n1")
    cluster.cores["n1"].receive("n2", PreVoteReply(0, 0, True))
    cluster.take("n1")
    for stranger in ("n7", "n8", "n9"):
        cluster.cores["n1"].receive(stranger, VoteReply(1, True))

    assert "candidate" == cluster.cores["n1"].status.role


def test_a_stale_vote_of_an_older_term_is_not_counted() -> None:
    cluster = Cluster("n1", "n2", "n3")
    cluster.cores["n1"].receive("n2", Vote(7, 0, 0, False))
    to_timeout(cluster, "n1")
    cluster.cores["n1"].receive("n2", PreVoteReply(7, 7, True))
    cluster.take("n1")
    cluster.cores["n1"].receive("n2", VoteReply(7, True))

    assert "candidate" == cluster.cores["n1"].status.role
    assert 8 == cluster.cores["n1"].state.term


def test_a_node_cut_off_does_not_raise_its_term() -> None:
    """9.6: pre-vote."""
    cluster = Cluster("n1", "n2", "n3")
    cluster.elect("n1")
    cluster.isolate("n3")
    cluster.tick(1000)
    assert isinstance(cluster.cores["n3"].state.role, PreCandidate | Follower)
    cluster.heal()
    cluster.tick(50)

    assert [1, 1, 1] == [core.state.term for core in cluster.cores.values()]
    assert "n1" == cluster.leader()
    assert "n1" == cluster.cores["n3"].leader


def test_a_node_that_hears_a_leader_helps_nobody_to_depose_it() -> None:
    """4.2.3: neither a pre-vote nor a vote of a higher term, whose term is not even adopted."""
    cluster = Cluster("n1", "n2", "n3")
    cluster.elect("n1")
    cluster.wire.clear()
    for name in ("n1", "n2"):
        cluster.cores[name].receive("n3", PreVote(9, 99, 9, -1))
        cluster.cores[name].receive("n3", Vote(10, 99, 9, False))
        cluster.take(name)

    assert [PreVoteReply(1, 9, False)] * 2 == [message for _, to, message in cluster.wire if to == "n3"]
    assert [1, 1] == [cluster.cores[name].state.term for name in ("n1", "n2")]


def test_a_node_that_cannot_hear_but_can_speak_deposes_nobody() -> None:
    """Liveness under a permanent one-way partition: check-quorum, pre-vote and stickiness together."""
    cluster = Cluster("n1", "n2", "n3")
    cluster.elect("n1")
    cluster.blocked |= {("n1", "n3"), ("n2", "n3")}
    cluster.tick(1000)

    assert "n1" == cluster.leader()
    assert 1 == cluster.cores["n1"].state.term


def test_a_leader_that_can_speak_but_not_hear_steps_down_and_another_is_elected() -> None:
    """6.2: check-quorum; without it the heartbeats would hold back everybody for ever."""
    cluster = Cluster("n1", "n2", "n3")
    cluster.elect("n1")
    cluster.blocked |= {("n2", "n1"), ("n3", "n1")}
    cluster.tick(600)

    assert cluster.leader() in ("n2", "n3")
    assert "quorum_lost" in cluster.seen["n1"].kinds()


def test_a_leader_that_reaches_no_quorum_steps_down_by_itself() -> None:
    """6.2: within one election timeout."""
    cluster = Cluster("n1", "n2", "n3")
    cluster.elect("n1")
    cluster.isolate("n1")
    cluster.tick(101, only=("n1",))

    assert "leader" != cluster.cores["n1"].status.role
    assert cluster.cores["n1"].leader is None


def test_a_higher_term_in_an_answer_ends_a_leadership() -> None:
    """Common rules: a node stranded in a higher term answers an append with it, or it would be left behind by pre-vote."""
    cluster = Cluster("n1", "n2", "n3")
    cluster.elect("n1")
    cluster.crash("n3")
    cluster.disks["n3"].promise = HardState(6, "")
    cluster.restart("n3")
    cluster.tick(11)
    assert 6 <= cluster.cores["n1"].state.term
    cluster.run_until_leader()
    cluster.tick(20)

    assert {cluster.leader()} == {core.leader for core in cluster.cores.values()}


def test_a_restarted_voter_grants_nothing_for_one_lease_period() -> None:
    """6.4.1: it does not remember whom it promised what."""
    cluster = Cluster("n1", "n2", "n3")
    cluster.elect("n1")
    cluster.crash("n3")
    core = cluster.restart("n3")
    promise = cluster.options.promise_ticks
    core.receive("n2", Vote(2, 99, 1, False))
    for _ in range(promise - 1):
        core.tick()
    core.receive("n2", Vote(2, 99, 1, False))
    assert 1 == core.state.term
    core.tick()
    core.receive("n2", Vote(2, 99, 1, False))

    assert 2 == core.state.term
    assert "n2" == core.state.vote
    joiner = cluster.start("n9", members=configuration())
    joiner.receive("n2", Vote(2, 99, 1, False))
    assert "" == joiner.state.vote


def test_the_promise_to_a_lease_counts_from_the_tick_after_the_message() -> None:
    """A stalled process reads a heartbeat that is younger than its clock: the stall must not use up the promise.

    1. n3 stands still. 2. A heartbeat waits in its socket. 3. It reads the heartbeat, then its clock: 500 ticks passed.
    """
    cluster = Cluster("n1", "n2", "n3")
    cluster.elect("n1")
    core = cluster.cores["n3"]
    core.receive("n1", Heartbeat(1, 1, 99))
    core.tick(500)
    core.unreachable("n1")
    core.receive("n2", Vote(2, 99, 1, False))

    assert 1 == core.state.term


def test_a_stall_of_the_process_is_no_silence_of_the_leader() -> None:
    """Election timers count one tick a turn at most."""
    cluster = Cluster("n1", "n2", "n3")
    cluster.elect("n1")
    cluster.cores["n2"].tick(10_000)

    assert "n1" == cluster.cores["n2"].leader


def test_two_who_ask_at_once_do_not_split_the_votes() -> None:
    """The lesser claim stands back once; the next attempt is soon."""
    cluster = Cluster("n1", "n2", "n3")
    cluster.elect("n3")
    cluster.crash("n3")
    for name in ("n1", "n2"):
        cluster.cores[name].tick()
        cluster.cores[name].tick(100)
        cluster.cores[name].unreachable("n3")
        cluster.cores[name].elections.timeout = 2
    cluster.tick(20)

    assert cluster.leader() in ("n1", "n2")
    assert 2 == cluster.cores[cluster.leader()].state.term


def test_an_election_after_an_even_split_succeeds_in_a_later_term() -> None:
    """3.4: two candidates of one term, none wins; randomised timeouts part them."""
    cluster = Cluster("n1", "n2", "n3", "n4")
    for name, first, second in (("n1", "n2", "n4"), ("n3", "n4", "n2")):
        to_timeout(cluster, name)
        for voter in (first, second):
            cluster.cores[name].receive(voter, PreVoteReply(0, 0, True))
        cluster.take(name)
    cluster.wire = [item for item in cluster.wire if {item[0], item[1]} in ({"n1", "n2"}, {"n3", "n4"}) and isinstance(item[2], Vote)]
    cluster.settle()
    assert [1, 1, 1, 1] == [core.state.term for core in cluster.cores.values()]
    assert "candidate" == cluster.cores["n1"].status.role
    assert "candidate" == cluster.cores["n3"].status.role
    cluster.run_until_leader()

    assert cluster.cores["n1"].state.term >= 2


def test_the_favourite_is_elected_and_a_lower_rank_only_without_it() -> None:
    """JRaft: the target falls with each timeout, never below 1."""
    ranks = {name: RaftOptions(priority=rank, target_priority=100) for name, rank in (("n1", 10), ("n2", 100), ("n3", 40))}
    cluster = Cluster("n1", "n2", "n3", each=ranks)
    assert "n2" == cluster.run_until_leader()
    cluster.crash("n2")
    cluster.tick(2000)

    assert cluster.leader() in ("n1", "n3")


def test_priority_zero_is_never_elected_nor_handed_leadership() -> None:
    each = {"n1": RaftOptions(priority=0), "n2": RaftOptions(), "n3": RaftOptions()}
    cluster = Cluster("n1", "n2", "n3", each=each)
    leader = cluster.run_until_leader()
    assert leader != "n1"
    token = cluster.token()
    cluster.cores[leader].transfer("n1", token)
    cluster.tick(150)

    assert leader == cluster.leader()
    assert [token] == [refused.token for refused in cluster.seen[leader].refused]
    assert "transfer_declined" in cluster.seen["n1"].kinds()


def test_a_joiner_without_configuration_never_campaigns() -> None:
    cluster = Cluster("n1", "n2", "n3")
    joiner = cluster.start("n9", members=configuration())
    for _ in range(1000):
        joiner.tick()
    cluster.settle()

    assert isinstance(joiner.state.role, Follower)
    assert 0 == joiner.state.term
    assert "learner" == joiner.status.role


@pytest.mark.parametrize(
    ("field", "value", "says"),
    [
        ("heartbeat_ticks", 0, "heartbeat_ticks must be at least 1"),
        ("heartbeat_ticks", 40, "at least 3 heartbeat_ticks"),
        ("lease_ticks", 95, "must stay below election_ticks"),
        ("failover_ticks_max", 100, "failover_ticks must rise"),
        ("entry_bytes_max", 1 << 30, "could never be taken in"),
        ("priority", -2, "priority must be -1, 0 or a rank"),
        ("priority", 7, "target_priority"),
        ("margin_bytes", -1, "must not be negative"),
    ],
)
def test_figures_that_contradict_each_other_are_refused(field: str, value: int, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        RaftOptions(**{field: value})


def test_a_leader_silent_for_less_than_an_election_timeout_is_not_deposed() -> None:
    """4.2.3: the promise to its lease is over, the node still believes in it."""
    cluster = Cluster("n1", "n2", "n3")
    cluster.elect("n1")
    core = cluster.cores["n2"]
    for _ in range(cluster.options.election_ticks - 1):
        core.tick()
    assert 0 == core.elections.promise_left()
    core.receive("n3", Vote(2, 99, 9, False))
    assert 1 == core.state.term
    core.unreachable("n1")
    core.receive("n3", Vote(2, 99, 9, False))

    assert "n3" == core.state.vote
