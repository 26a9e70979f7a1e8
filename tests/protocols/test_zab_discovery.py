"""ZAB, phase 1: an epoch later than any that a quorum has accepted (DSN 2011, V.A, steps l.1 and f.1)."""

from quorate.protocols.zab import Epochs
from quorate.protocols.zab.messages import AckEpoch, Closed, FollowerInfo, LeaderInfo
from quorate.protocols.zab.roles import DISCOVERY, SYNC, Follower, Leader, Looking
from tests.protocols.zab_lone import FIVE, OPTIONS, Lone, history


def leader(node: Lone) -> Leader:
    role = node.core.state.role
    assert isinstance(role, Leader), role
    return role


def test_the_new_epoch_is_later_than_all_that_a_quorum_has_accepted() -> None:
    node = Lone("n3", accepted=4, current=1)
    node.elect()
    node.joined("n1", accepted=7)

    assert 8 == node.core.state.accepted


def test_no_epoch_is_chosen_before_a_quorum_follows() -> None:
    node = Lone("n3", members=FIVE)
    node.elect()
    node.joined("n1")

    assert (0, 0) == (node.core.state.accepted, node.count(LeaderInfo))


def test_the_epoch_is_durable_before_anybody_hears_of_it() -> None:
    node = Lone("n3")
    node.elect()
    node.hear("n1", node.frame("n1", 1, FollowerInfo, 1, 0), sync=False)
    before = node.count(LeaderInfo)
    written = node.held[-1].promise
    node.sync()

    assert (0, Epochs(1, 0), 1) == (before, written, node.count(LeaderInfo))


def test_a_late_comer_is_told_the_epoch() -> None:
    node = Lone("n3")
    node.elect()
    node.joined("n1")
    node.joined("n2")

    assert ["n1", "n2"] == [to for to, message in node.said if isinstance(message, LeaderInfo)]


def test_a_follower_accepts_durably_and_tells_its_history() -> None:
    node = Lone(accepted=2, current=2, entries=history(1, 2))
    link = node.follow()
    node.hear("n3", node.frame("n3", link, LeaderInfo, 5), sync=False)
    before = node.count(AckEpoch)
    node.sync()
    answer = node.last(AckEpoch)

    assert 0 == before
    assert AckEpoch(link, 2, 1, 5, True, 2, 2, 2) == answer


def test_the_same_epoch_from_another_leader_is_acknowledged_but_does_not_count() -> None:
    node = Lone(accepted=5, current=2)
    link = node.follow()
    node.accept("n3", link, 5)
    answer = node.last(AckEpoch)

    assert isinstance(answer, AckEpoch)
    assert not answer.counts


def test_the_same_epoch_from_the_same_leader_counts_again() -> None:
    """Its first acknowledgement may have been lost with the link."""
    node = Lone()
    link = node.follow()
    node.accept("n3", link, 5)
    node.core.unreachable("n3")
    node.take()
    node.sequence["n3"] = 0
    link = node.follow()
    node.accept("n3", link, 5)
    answer = node.last(AckEpoch)

    assert isinstance(answer, AckEpoch)
    assert answer.counts


def test_an_epoch_below_the_accepted_one_is_not_followed() -> None:
    node = Lone(accepted=5, current=2)
    link = node.follow()
    node.accept("n3", link, 4)

    assert isinstance(node.core.state.role, Looking)
    assert 0 == node.count(AckEpoch)


def test_acknowledgements_that_do_not_count_own_no_epoch() -> None:
    node = Lone("n3")
    node.elect()
    node.joined("n1")
    node.acked_epoch("n1", 1, counts=False)

    assert DISCOVERY == leader(node).phase


def test_a_quorum_with_the_leader_owns_the_epoch() -> None:
    node = Lone("n3")
    node.elect()
    node.joined("n1")
    node.acked_epoch("n1", 1)

    assert SYNC == leader(node).phase


def test_a_leader_gives_up_before_a_quorum_that_holds_more() -> None:
    node = Lone("n3", accepted=2, current=2, entries=history(1, 2))
    node.elect()
    node.joined("n1", accepted=2)
    node.acked_epoch("n1", 3, 2, 2, 3)

    assert isinstance(node.core.state.role, Looking)


def test_a_higher_current_epoch_is_more_than_a_longer_history() -> None:
    node = Lone("n3", accepted=2, current=1, entries=history(1, 1, 1, 1))
    node.elect()
    node.joined("n1", accepted=2)
    node.acked_epoch("n1", 3, 2, 1, 1)

    assert isinstance(node.core.state.role, Looking)


def test_a_leader_at_work_makes_room_for_a_member_that_has_accepted_a_later_epoch() -> None:
    node = Lone("n3")
    node.lead()
    node.joined("n2", accepted=9, link=2)

    assert isinstance(node.core.state.role, Looking)


def test_who_is_no_member_moves_no_leader() -> None:
    node = Lone("n3")
    node.lead()
    node.joined("n9", accepted=9)

    assert isinstance(node.core.state.role, Leader)


def test_a_link_opened_to_an_earlier_life_is_closed() -> None:
    node = Lone("n3")
    node.elect()
    node.hear("n1", FollowerInfo(1, 1, 0, 7, 0))

    assert Closed(1) == node.last(Closed)


def test_a_late_copy_of_an_opening_opens_nothing() -> None:
    node = Lone("n3")
    node.lead()
    before = len(node.said)
    node.hear("n1", FollowerInfo(1, 1, 0, 1, 0))

    assert before == len(node.said)


def test_a_follower_that_calls_before_we_know_of_our_election_is_not_forgotten() -> None:
    node = Lone("n3")
    node.joined("n1")
    before = node.count(LeaderInfo)
    node.elect()
    node.sync()

    assert (0, 1) == (before, node.count(LeaderInfo))


def test_no_quorum_for_an_epoch_ends_the_attempt() -> None:
    node = Lone("n3")
    node.elect()
    node.tick(OPTIONS.discovery_ticks)

    assert isinstance(node.core.state.role, Looking)


def test_a_restarted_voter_accepts_no_epoch_while_it_may_owe_a_promise() -> None:
    """It may have answered a leader whose lease still runs."""
    node = Lone(accepted=1, current=1, started=False)
    link = node.follow()
    node.accept("n3", link, 2)
    bound = node.count(AckEpoch)
    for _ in range(OPTIONS.promise_ticks):
        node.tick()
        node.core.state.role.heard = node.core.state.timer  # type: ignore[union-attr]

    assert (0, 1) == (bound, node.count(AckEpoch))
    assert isinstance(node.core.state.role, Follower)
