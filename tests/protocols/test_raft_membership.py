"""Membership changes and hand-over. Ongaro's thesis, chapter 4 and 3.10."""

from dataclasses import replace

from quorate.protocols.core import AddLearner, Change, Kind, Member, Promote, PromoteByHand, Reason, Remove
from quorate.protocols.raft.messages import HeartbeatReply, TimeoutNow, Vote
from quorate.protocols.raft.roles import Follower
from quorate.protocols.terms.roles import Leader
from tests.protocols.raft_cluster import Cluster, configuration

N4 = Member("n4", 4)


def led(*names: str) -> Cluster:
    cluster = Cluster(*names)
    cluster.elect(names[0])
    cluster.settle()
    return cluster


def change(cluster: Cluster, name: str, what: Change) -> int:
    token = cluster.token()
    cluster.cores[name].reconfigure(what, token)
    cluster.settle()
    return token


def reasons(cluster: Cluster, name: str) -> list[Reason]:
    return [refused.reason for refused in cluster.seen[name].refused]


def voters(cluster: Cluster, name: str) -> list[str]:
    return sorted(cluster.cores[name].configuration.voters)


def join(cluster: Cluster, member: Member) -> None:
    """Start an empty node and add it as a learner."""
    cluster.start(member.name, members=configuration())
    change(cluster, "n1", AddLearner(member))


def test_a_learner_receives_the_log_and_does_not_count() -> None:
    """4.2.1: an empty joiner takes appends and learns the configuration from the log."""
    cluster = led("n1", "n2", "n3")
    cluster.put("n1", b"before")
    token = cluster.token()
    cluster.start("n4", members=configuration())
    cluster.cores["n1"].reconfigure(AddLearner(N4), token)
    cluster.tick(15)

    assert [token] == cluster.seen["n1"].done
    assert [b"before"] == cluster.commands("n4")
    assert "learner" == cluster.cores["n4"].status.role
    assert ["n1", "n2", "n3"] == voters(cluster, "n4")
    cluster.crash("n2")
    cluster.crash("n3")
    commit = cluster.cores["n1"].state.commit
    cluster.put("n1", b"after")
    assert commit == cluster.cores["n1"].state.commit
    cluster.tick(500, only=("n4",))
    assert isinstance(cluster.cores["n4"].state.role, Follower)


def test_a_learner_is_promoted_by_hand_once_caught_up() -> None:
    cluster = led("n1", "n2", "n3")
    change(cluster, "n1", AddLearner(N4))
    change(cluster, "n1", Promote("n4"))
    assert [Reason.NOT_CAUGHT_UP] == reasons(cluster, "n1")
    cluster.start("n4", members=configuration())
    cluster.tick(30)
    token = change(cluster, "n1", Promote("n4"))

    assert token in cluster.seen["n1"].done
    assert ["n1", "n2", "n3", "n4"] == voters(cluster, "n4")


def test_a_learner_that_is_to_be_promoted_becomes_a_voter_by_itself() -> None:
    """4.2.1: after a round of replication that took less than an election timeout."""
    cluster = led("n1", "n2", "n3")
    for _ in range(20):
        cluster.put("n1", b"x")
    join(cluster, replace(N4, promote=True))
    cluster.tick(15)

    assert ["n1", "n2", "n3", "n4"] == voters(cluster, "n1")
    assert "follower" == cluster.cores["n4"].status.role


def test_a_silent_learner_is_not_promoted() -> None:
    cluster = led("n1", "n2", "n3")
    change(cluster, "n1", AddLearner(replace(N4, promote=True)))
    cluster.tick(300)

    assert ["n1", "n2", "n3"] == voters(cluster, "n1")


def test_one_change_at_a_time() -> None:
    """4.1: majorities of two configurations that differ by more than one need not overlap."""
    cluster = led("n1", "n2", "n3")
    cluster.isolate("n1")
    change(cluster, "n1", AddLearner(N4))
    change(cluster, "n1", AddLearner(Member("n5", 5)))

    assert [Reason.CHANGE_IN_FLIGHT] == reasons(cluster, "n1")


def test_no_change_before_an_entry_of_the_leaders_own_term_is_committed() -> None:
    """Ongaro, raft-dev 2015: the bug in single-server membership changes."""
    cluster = Cluster("n1", "n2", "n3")
    core = cluster.cores["n1"]
    cluster.stop_at(lambda: isinstance(core.state.role, Leader), timer_of="n1")
    core.reconfigure(AddLearner(N4), cluster.token())
    cluster.take("n1")
    assert [Reason.CHANGE_IN_FLIGHT] == reasons(cluster, "n1")
    cluster.settle()
    token = change(cluster, "n1", AddLearner(N4))

    assert [token] == cluster.seen["n1"].done


def test_a_configuration_is_in_force_from_its_append_on() -> None:
    """4.1: the majority of the new configuration commits it, not that of the old."""
    cluster = led("n1", "n2", "n3", "n4")
    cluster.crash("n2")
    cluster.isolate("n1")
    change(cluster, "n1", Remove("n2"))
    assert ["n1", "n3", "n4"] == voters(cluster, "n1")
    cluster.heal()
    cluster.crash("n3")
    cluster.tick(30)

    # Two of the three that are left: of the old four they would not be a majority.
    assert 2 == cluster.cores["n1"].state.commit


def test_a_configuration_that_is_truncated_gives_way_to_the_one_before() -> None:
    cluster = led("n1", "n2", "n3")
    cluster.isolate("n1")
    token = change(cluster, "n1", AddLearner(N4))
    assert "n4" in cluster.cores["n1"].configuration.names
    cluster.tick(250)
    leader = cluster.run_until_leader()
    cluster.heal()
    cluster.tick(30)

    assert leader != "n1"
    assert "n4" not in cluster.cores["n1"].configuration.names
    assert [(token, Reason.SUPERSEDED)] == [(refused.token, refused.reason) for refused in cluster.seen["n1"].refused]


def test_a_removed_follower_hears_of_it_and_disturbs_nobody() -> None:
    """4.2.3."""
    cluster = led("n1", "n2", "n3", "n4")
    change(cluster, "n1", Remove("n4"))
    assert ["n1", "n2", "n3"] == voters(cluster, "n4")
    cluster.tick(1000)

    assert "n1" == cluster.leader()
    assert 1 == cluster.cores["n4"].state.term
    assert "learner" == cluster.cores["n4"].status.role


def test_a_removed_follower_that_never_heard_of_it_deposes_nobody() -> None:
    cluster = led("n1", "n2", "n3", "n4")
    cluster.isolate("n4")
    change(cluster, "n1", Remove("n4"))
    cluster.heal()
    cluster.tick(1000)

    assert "n1" == cluster.leader()
    assert [1, 1, 1, 1] == [core.state.term for core in cluster.cores.values()]


def test_a_leader_that_removes_itself_leads_until_that_commits_and_then_hands_over() -> None:
    """4.2.2; without counting itself. The successor is elected without waiting for a timeout."""
    cluster = led("n1", "n2", "n3")
    token = change(cluster, "n1", Remove("n1"))

    assert token in cluster.seen["n1"].done
    assert "removed" in cluster.seen["n1"].kinds()
    assert cluster.leader() in ("n2", "n3")
    assert ["n2", "n3"] == voters(cluster, cluster.leader())
    cluster.tick(1000)
    assert "learner" == cluster.cores["n1"].status.role


def test_a_leader_does_not_count_itself_for_its_own_removal() -> None:
    """4.2.2."""
    cluster = led("n1", "n2", "n3")
    cluster.isolate("n3")
    change(cluster, "n1", Remove("n1"))
    assert 1 == cluster.cores["n1"].state.commit
    cluster.heal()
    cluster.tick(20)

    assert 2 <= cluster.cores["n2"].state.commit
    assert ["n2", "n3"] == voters(cluster, "n2")


def test_a_voter_left_out_by_an_uncommitted_configuration_can_still_be_elected() -> None:
    """4.2.2; found by simulator seed 251: n1 alone holds the entry that removes it, and n2 may not lead without it.

    1. n1 appends its own removal. 2. The connection breaks before n2 has it. 3. Both forget the leader.
    """
    cluster = led("n1", "n2")
    cluster.isolate("n1")
    change(cluster, "n1", Remove("n1"))
    cluster.tick(250)
    cluster.heal()
    cluster.tick(600)

    assert ["n2"] == voters(cluster, "n2")
    assert "n2" == cluster.leader()


def test_changes_that_make_no_sense_are_refused_with_the_reason() -> None:
    cluster = led("n1", "n2", "n3")
    refused: list[Change] = [
        AddLearner(Member("n2", 2)),
        AddLearner(Member("n9", 3)),
        Promote("n1"),
        Promote("n9"),
        Remove("n9"),
        PromoteByHand("n2"),
    ]
    for what in refused:
        change(cluster, "n1", what)

    assert [Reason.BAD_CHANGE] * len(refused) == reasons(cluster, "n1")
    assert all(one.detail for one in cluster.seen["n1"].refused)
    change(cluster, "n2", Remove("n1"))
    assert [Reason.NOT_LEADER] == reasons(cluster, "n2")


def test_the_last_voter_is_not_removed() -> None:
    cluster = led("n1")
    change(cluster, "n1", Remove("n1"))

    assert [Reason.BAD_CHANGE] == reasons(cluster, "n1")


def test_a_learner_on_another_disk_is_known_for_nothing_that_the_old_one_acknowledged() -> None:
    cluster = led("n1", "n2", "n3")
    join(cluster, replace(N4, storage="old"))
    cluster.tick(15)
    role = cluster.cores["n1"].state.role
    assert isinstance(role, Leader)
    assert 2 == role.peers["n4"].match
    cluster.crash("n4")
    del cluster.disks["n4"]
    change(cluster, "n1", AddLearner(replace(N4, number=5, storage="new")))
    assert 0 == role.peers["n4"].match
    cluster.start("n4", members=configuration())
    cluster.tick(30)

    assert 3 == role.peers["n4"].match


def test_a_configuration_survives_a_restart() -> None:
    cluster = led("n1", "n2", "n3")
    join(cluster, replace(N4, promote=True))
    cluster.tick(15)
    for name in list(cluster.cores):
        cluster.crash(name)
        cluster.restart(name)

    assert ["n1", "n2", "n3", "n4"] == voters(cluster, "n4")
    assert ["n1", "n2", "n3", "n4"] == voters(cluster, "n2")


def test_leadership_is_handed_over_at_once() -> None:
    """3.10."""
    cluster = led("n1", "n2", "n3")
    cluster.put("n1", b"x")
    token = cluster.token()
    cluster.cores["n1"].transfer("n3", token)
    cluster.settle()

    assert "n3" == cluster.leader()
    assert 2 == cluster.cores["n3"].state.term
    assert [token] == cluster.seen["n1"].done


def test_a_hand_over_waits_until_the_target_holds_the_whole_log_and_takes_no_proposals() -> None:
    """3.10, steps 1 to 3."""
    cluster = led("n1", "n2", "n3")
    cluster.isolate("n3")
    cluster.put("n1", b"x")
    cluster.cores["n1"].transfer("n3", cluster.token())
    cluster.settle()
    assert not [message for _, _, message in cluster.sent if isinstance(message, TimeoutNow)]
    refused = cluster.put("n1", b"y")
    assert refused in [one.token for one in cluster.seen["n1"].refused]
    cluster.heal()
    cluster.tick(15)

    assert "n3" == cluster.leader()
    assert [b"x"] == cluster.commands("n3")


def test_a_hand_over_that_does_not_happen_in_time_is_abandoned() -> None:
    cluster = led("n1", "n2", "n3")
    cluster.crash("n3")
    token = cluster.token()
    cluster.cores["n1"].transfer("n3", token)
    cluster.tick(cluster.options.election_ticks)

    assert [(token, Reason.TRANSFER_FAILED)] == [(one.token, one.reason) for one in cluster.seen["n1"].refused]
    assert "n1" == cluster.leader()
    cluster.put("n1", b"x")
    assert [b"x"] == cluster.commands("n2")


def test_a_lost_request_to_take_over_is_repeated() -> None:
    cluster = led("n1", "n2", "n3")
    cluster.cores["n1"].transfer("n2", cluster.token())
    cluster.take("n1")
    cluster.wire.clear()
    cluster.tick(cluster.options.heartbeat_ticks)

    assert "n2" == cluster.leader()


def test_the_lease_is_dropped_before_the_hand_over_and_for_the_rest_of_the_term() -> None:
    """The request may arrive at any later time, and its election waits for no promise: a lease read would be stale then."""
    cluster = led("n1", "n2", "n3")
    cluster.blocked |= {("n1", "n2")}
    cluster.cores["n1"].transfer("n2", cluster.token())
    cluster.tick(cluster.options.election_ticks + 5)
    assert "n1" == cluster.leader()
    token = cluster.token()
    cluster.cores["n1"].read(token, lease=True)
    cluster.take("n1")
    assert not cluster.seen["n1"].reads
    cluster.heal()
    cluster.settle()
    cluster.tick(10)

    assert [token] == [ready.token for ready in cluster.seen["n1"].reads]


def test_a_request_to_take_over_of_an_older_term_is_ignored() -> None:
    cluster = led("n1", "n2", "n3")
    cluster.cores["n1"].transfer("n2", cluster.token())
    cluster.settle()
    cluster.cores["n3"].receive("n1", TimeoutNow(1))
    cluster.settle()

    assert "n2" == cluster.leader()
    assert 2 == cluster.cores["n3"].state.term


def test_transfers_that_cannot_be_are_refused() -> None:
    cluster = led("n1", "n2", "n3")
    cluster.cores["n2"].transfer("n3", cluster.token())
    cluster.cores["n1"].transfer("n9", cluster.token())
    itself = cluster.token()
    cluster.cores["n1"].transfer("n1", itself)
    cluster.cores["n1"].transfer("n2", cluster.token())
    cluster.cores["n1"].transfer("n3", cluster.token())
    cluster.take("n1")
    cluster.take("n2")

    assert [Reason.NOT_LEADER] == reasons(cluster, "n2")
    assert [Reason.BAD_CHANGE, Reason.TRANSFER_FAILED] == reasons(cluster, "n1")
    assert [itself] == cluster.seen["n1"].done


def test_entries_of_the_engine_itself_carry_no_origin() -> None:
    cluster = led("n1", "n2", "n3")
    change(cluster, "n1", AddLearner(N4))

    own = [entry for entry in cluster.seen["n2"].committed if entry.kind in (Kind.NOOP, Kind.CONFIGURATION)]
    assert [0, 0] == [entry.origin for entry in own]


def test_answers_of_a_removed_member_are_not_counted() -> None:
    cluster = led("n1", "n2", "n3", "n4")
    change(cluster, "n1", Remove("n4"))
    cluster.cores["n1"].receive("n4", HeartbeatReply(1, 99, 99))
    cluster.cores["n1"].receive("n4", Vote(1, 99, 9, False))
    cluster.tick(20)
    role = cluster.cores["n1"].state.role

    assert isinstance(role, Leader)
    assert ["n2", "n3"] == sorted(role.peers)


def test_no_change_is_made_during_a_hand_over() -> None:
    """It would put the target's log behind again."""
    cluster = led("n1", "n2", "n3")
    cluster.isolate("n3")
    cluster.cores["n1"].transfer("n3", cluster.token())
    change(cluster, "n1", AddLearner(N4))

    assert [Reason.CHANGE_IN_FLIGHT] == reasons(cluster, "n1")
