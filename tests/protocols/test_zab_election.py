"""ZAB, phase 0: fast leader election (ZooKeeper's FastLeaderElection), with our two rules for links that are half open."""

from quorate.protocols.core import COUNTER_BITS, Configuration, Entry, Kind, Member
from quorate.protocols.zab.messages import FOLLOWING, LEADING, Notification
from quorate.protocols.zab.roles import Follower, Leader, Looking
from tests.protocols.zab_lone import FIVE, OPTIONS, THREE, Lone, history


def ballot(node: Lone) -> str:
    role = node.core.state.role
    assert isinstance(role, Looking), role
    return role.ballot.leader


def test_the_first_vote_is_for_oneself_and_goes_to_all_voters() -> None:
    node = Lone("n2", accepted=3, current=2, entries=history(1, 2))

    told = [(to, message.leader, message.epoch, message.last_term, message.last_index) for to, message in node.said[:2]]  # type: ignore[attr-defined]
    assert [("n1", "n2", 2, 2, 2), ("n3", "n2", 2, 2, 2)] == told


def test_a_higher_current_epoch_beats_a_longer_history() -> None:
    node = Lone(members=FIVE, accepted=1, current=1, entries=history(1, 1, 1))
    node.votes("n2", epoch=2, last_term=1, last_index=1)

    assert "n2" == ballot(node)


def test_in_one_epoch_the_later_zxid_wins_and_then_the_number() -> None:
    node = Lone(members=FIVE, accepted=1, current=1, entries=history(1))
    node.votes("n3", epoch=1, last_term=1, last_index=1)
    by_number = ballot(node)
    node.votes("n2", epoch=1, last_term=1, last_index=2)

    assert ("n3", "n2") == (by_number, ballot(node))


def test_a_better_vote_is_adopted_and_told_again() -> None:
    node = Lone(members=FIVE)
    before = len(node.said)
    node.votes("n5")

    told = [(to, message.leader) for to, message in node.said[before:] if isinstance(message, Notification)]
    assert [("n2", "n5"), ("n3", "n5"), ("n4", "n5"), ("n5", "n5")] == told


def test_a_worse_vote_changes_nothing() -> None:
    node = Lone("n4", members=FIVE)
    before = len(node.said)
    node.votes("n2")

    assert ("n4", before) == (ballot(node), len(node.said))


def test_a_later_round_is_entered_with_ones_own_vote_and_nothing_from_before_counts() -> None:
    node = Lone("n4", members=FIVE)
    node.votes("n5")
    node.votes("n2", round=7)
    role = node.core.state.role

    assert isinstance(role, Looking)
    assert (7, "n4", {"n2", "n4"}) == (node.core.state.election_round, role.ballot.leader, set(role.votes))


def test_a_vote_of_an_earlier_round_is_answered_and_not_counted() -> None:
    node = Lone(members=FIVE)
    node.votes("n2", round=7)
    before = len(node.said)
    node.votes("n5", round=6)
    role = node.core.state.role

    assert isinstance(role, Looking)
    assert "n5" not in role.votes
    assert [("n5", 7)] == [(to, message.round) for to, message in node.said[before:]]  # type: ignore[attr-defined]


def test_a_quorum_waits_a_while_for_a_better_vote() -> None:
    node = Lone("n2")
    node.votes("n1", leader="n2", number=2)
    node.tick(OPTIONS.settle_ticks - 1)
    waiting = type(node.core.state.role)
    node.tick()

    assert (Looking, Leader) == (waiting, type(node.core.state.role))


def test_nobody_waits_when_everybody_has_voted() -> None:
    node = Lone("n3")
    node.elect()

    assert isinstance(node.core.state.role, Leader)


def test_a_better_vote_within_the_wait_is_followed() -> None:
    node = Lone("n2")
    node.votes("n1", leader="n2", number=2)
    node.tick()
    node.votes("n3")
    node.votes("n1", leader="n3", number=3)

    assert "n3" == node.core.state.role.leader  # type: ignore[union-attr]


def test_who_does_not_show_that_it_hears_us_gets_no_vote() -> None:
    node = Lone()
    node.votes("n3", echo=0)
    deaf = ballot(node)
    node.votes("n3")

    assert ("n1", "n3") == (deaf, ballot(node))


def test_an_echo_of_an_earlier_life_shows_nothing() -> None:
    node = Lone()
    node.votes("n3", echo=(7 << COUNTER_BITS) | 1)

    assert "n1" == ballot(node)


def test_who_falls_silent_loses_our_vote() -> None:
    node = Lone(members=FIVE)
    node.votes("n5")
    node.tick(OPTIONS.election_ticks + 1)

    assert "n1" == ballot(node)


def test_a_candidate_that_votes_for_another_is_none() -> None:
    node = Lone(members=FIVE)
    node.votes("n4")
    node.votes("n4", leader="n5", number=5)

    assert "n1" == ballot(node)


def test_a_candidate_without_a_quorum_is_given_up_after_a_while_and_taken_when_it_has_one() -> None:
    node = Lone(members=FIVE)
    for _ in range(2 * OPTIONS.election_ticks + 1):
        node.votes("n5")
        node.tick()
    given_up = ballot(node)
    node.votes("n4", leader="n5", number=5)
    node.votes("n5")

    assert ("n1", "n5") == (given_up, ballot(node))


def test_who_looks_is_answered_by_those_who_do_not() -> None:
    node = Lone("n3")
    node.lead()
    before = len(node.said)
    node.votes("n1", round=9)

    told = [(to, message.state, message.leader) for to, message in node.said[before:] if isinstance(message, Notification)]
    assert [("n1", LEADING, "n3")] == told


def test_who_is_no_member_is_not_answered() -> None:
    node = Lone("n3")
    node.lead()
    before = len(node.said)
    node.votes("n9", round=9)

    assert before == len(node.said)


def test_a_leader_at_work_is_joined_when_it_says_so_itself_and_a_quorum_follows_it() -> None:
    node = Lone(members=FIVE)
    node.votes("n5", state=LEADING, number=0)
    alone = type(node.core.state.role)
    node.votes("n4", state=FOLLOWING, leader="n5", number=0)

    assert (Looking, Follower) == (alone, type(node.core.state.role))


def test_what_others_say_of_a_leader_is_not_enough() -> None:
    node = Lone(members=FIVE)
    for name in ("n2", "n3", "n4"):
        node.votes(name, state=FOLLOWING, leader="n5", number=0)

    assert isinstance(node.core.state.role, Looking)


def test_a_joiner_that_knows_no_members_takes_the_leaders_word() -> None:
    node = Lone("n4", members=Configuration())
    node.votes("n3", state=LEADING, number=0, configuration=5)

    assert isinstance(node.core.state.role, Follower)


def test_who_holds_a_change_that_was_never_committed_takes_the_word_of_a_leader_that_put_another_at_its_index() -> None:
    """Seed 7000403: n3 wrote its own removal at 1, and by that n1, whose disk is lost, and n2 were needed. n2 led by another 1."""
    removal = Entry(1, 1, 0, Kind.CONFIGURATION, THREE.without("n3").encode())
    node = Lone("n3", accepted=1, current=1, entries=[removal])
    node.votes("n2", state=LEADING, number=0, epoch=2, last_term=2, last_index=1, configuration=1)

    assert "n2" == node.core.state.role.leader  # type: ignore[union-attr]


def test_a_vote_still_counts_when_its_voter_has_decided_before_us() -> None:
    node = Lone(members=FIVE)
    node.votes("n5")
    node.votes("n4", leader="n5", number=5)
    node.votes("n5", state=LEADING, number=0)

    assert "n5" == node.core.state.role.leader  # type: ignore[union-attr]


def test_a_learner_votes_for_nobody_but_follows_whom_the_voters_elect() -> None:
    members = Configuration((*FIVE.members[:3], Member("n4", 4, voter=False)))
    node = Lone("n4", members=members)
    first = ballot(node)
    node.votes("n3")
    node.votes("n2", leader="n3", number=3)
    node.tick(OPTIONS.settle_ticks)

    assert ("", "n3") == (first, node.core.state.role.leader)  # type: ignore[union-attr]


def test_notifications_are_repeated_ever_more_seldom() -> None:
    node = Lone(members=FIVE)
    told = []
    for _ in range(16):
        before = node.count(Notification)
        node.tick()
        told.append(node.count(Notification) - before)

    assert [0, 4, 0, 0, 0, 4, 0, 0, 0, 4, 0, 0, 0, 4, 0, 0] == told


def test_a_leader_that_never_said_a_word_is_not_elected_again_soon() -> None:
    node = Lone()
    node.follow("n3")
    node.tick(OPTIONS.election_ticks)
    node.votes("n3", round=node.core.state.election_round)

    assert "n1" == ballot(node)


def test_votes_are_told_to_whoever_looks_though_our_configuration_knows_no_such_voter() -> None:
    """The candidate may be a voter by a later configuration, and need our vote."""
    node = Lone("n2")
    node.votes("n7", epoch=1)
    told = [(to, message.leader) for to, message in node.said if isinstance(message, Notification)]

    assert ("n7", "n7") in told


def test_who_is_no_candidate_itself_votes_for_none_that_holds_less() -> None:
    members = Configuration((*FIVE.members[:3], Member("n4", 4, voter=False)))
    node = Lone("n4", members=members, accepted=5, current=5, entries=history(1, 5))
    node.votes("n3", epoch=4, last_term=4, last_index=9)

    assert "" == ballot(node)


def test_a_new_disk_under_an_old_name_is_heard_and_followed_by_although_it_counts_its_lives_from_1() -> None:
    """The lost disk had come to its seventh life, and followed us in it: neither its stamp nor its link may stand above the new one's."""
    node = Lone(members=Configuration(tuple(Member(f"n{number}", number, "disk") for number in (1, 2, 3))))
    node.votes("n3", stamp=(7 << COUNTER_BITS) | 9)
    node.core.state.last_links["n3"] = (7 << COUNTER_BITS) | 1
    replaced = Configuration((Member("n1", 1, "disk"), Member("n2", 2, "disk"), Member("n3", 4, "another")))
    node.core.state.adopt_configurations([Entry(1, 1, 0, Kind.CONFIGURATION, replaced.encode())])
    node.votes("n3", stamp=(1 << COUNTER_BITS) | 1, round=9)
    told = node.last(Notification)

    assert isinstance(told, Notification)
    assert (1 << COUNTER_BITS) | 1 == told.echo
    assert "n3" not in node.core.state.last_links


def test_who_was_heard_before_it_was_a_member_is_heard_anew_on_the_disk_that_made_it_one() -> None:
    """Seed 200237: n3 spoke to n1 in its fourth life, lost its disk, and was then added, on another one."""
    disks = tuple(Member(f"n{number}", number, "disk") for number in (1, 2))
    node = Lone(members=Configuration(disks))
    node.votes("n3", stamp=(4 << COUNTER_BITS) | 130)
    joined = Configuration((*disks, Member("n3", 4, "another")))
    node.core.state.adopt_configurations([Entry(1, 1, 0, Kind.CONFIGURATION, joined.encode())])
    node.votes("n3", stamp=(1 << COUNTER_BITS) | 1, round=9)
    told = node.last(Notification)

    assert isinstance(told, Notification)
    assert (1 << COUNTER_BITS) | 1 == told.echo


def test_who_never_hears_us_is_answered_once_a_tick() -> None:
    """It answers each of our answers: without a bound that goes on for ever, and grows with every copy that the network makes."""
    node = Lone("n4", members=FIVE)
    node.tick()
    before = node.count(Notification)
    for _ in range(10):
        node.votes("n2", state=LEADING, number=0, echo=0)
    within = node.count(Notification) - before
    node.tick()
    before = node.count(Notification)
    node.votes("n2", state=LEADING, number=0, echo=0)

    assert (1, 1) == (within, node.count(Notification) - before)


def test_a_disk_that_no_configuration_of_ours_names_is_heard_once_the_lost_one_has_been_silent_for_a_timeout() -> None:
    """Seed 7010918: n1 came back on a new disk and led; n2, which lagged, followed n1's third life for ever."""
    node = Lone(members=FIVE)
    node.votes("n5", stamp=(3 << COUNTER_BITS) | 130)
    node.votes("n5", stamp=(1 << COUNTER_BITS) | 1)
    late = node.core.elections.incarnation_of("n5")
    node.tick(OPTIONS.election_ticks + 1)
    node.votes("n5", stamp=(1 << COUNTER_BITS) | 2)

    assert (3, 1) == (late, node.core.elections.incarnation_of("n5"))
