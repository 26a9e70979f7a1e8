"""Quorum arithmetic: every two majorities meet, and `reached` is what the slower half of a majority holds."""

from itertools import combinations

from quorate.protocols.quorum import granted_count, majority, reached


def test_any_two_majorities_share_a_member() -> None:
    for count in range(1, 8):
        quorums = [set(chosen) for chosen in combinations(range(count), majority(count))]

        assert all(one & other for one in quorums for other in quorums)


def test_one_less_than_a_majority_need_not_meet_another() -> None:
    for count in range(3, 8, 2):
        assert 2 * (majority(count) - 1) < count


def test_what_a_majority_reached_is_the_highest_value_that_enough_voters_hold() -> None:
    for values in ([7], [3, 9], [1, 2, 3], [5, 5, 1], [4, 3, 2, 1], [9, 0, 9, 0, 9], [6, 5, 4, 3, 2, 1]):
        expected = max(value for value in values if sum(1 for other in values if other >= value) >= majority(len(values)))

        assert expected == reached(list(values))


def test_a_vote_that_arrives_twice_counts_once_and_strangers_count_never() -> None:
    assert 1 == granted_count({"n1": 3, "n9": 2}, ["n1", "n2", "n3"])
