"""When a service had to answer: majorities of sound nodes with sound links among them, and deadlines that count from then."""

from itertools import pairwise, permutations

import pytest

from quorate.cluster.chaos.liveness import gaps, has_sound_majority, single, stalls, stretches
from quorate.cluster.chaos.meter import Seen
from quorate.cluster.chaos.record import FaultBand, Gap, Span
from quorate.cluster.verify.history import Outcome

THREE = ("n1", "n2", "n3")
FIVE = ("n1", "n2", "n3", "n4", "n5")


def band(id: str, start: float, end: float | None, *, nodes: tuple[str, ...] = (), links: tuple[str, ...] = ()) -> FaultBand:
    return FaultBand(id, "kind", "text", nodes, links, start, end)


def cut(*pairs: tuple[str, str]) -> list[str]:
    return [f"{one}>{other}" for pair in pairs for one, other in (pair, pair[::-1])]


RING = cut(("n1", "n3"), ("n1", "n4"), ("n2", "n4"), ("n2", "n5"), ("n3", "n5"))
BRIDGE = cut(("n1", "n4"), ("n1", "n5"), ("n2", "n4"), ("n2", "n5"))


@pytest.mark.parametrize(
    ("nodes", "faulty", "links", "expected"),
    [
        (THREE, [], [], True),
        (THREE, ["n1"], [], True),
        (THREE, ["n1", "n2"], [], False),
        (THREE, [], ["n1>n2"], True),
        (THREE, ["n3"], ["n1>n2"], False),
        (THREE, ["n1"], ["n1>n2", "n1>n3"], True),
        (THREE, [], [f"{one}>{other}" for one, other in permutations(THREE, 2)], False),
        (FIVE, [], BRIDGE, True),
        (FIVE, ["n3"], BRIDGE, False),
        (FIVE, [], RING, False),
        (("n1",), [], [], True),
        (("n1",), ["n1"], [], False),
    ],
)
def test_a_majority_is_sound_if_so_many_sound_nodes_have_only_sound_links_among_them(
    nodes: tuple[str, ...], faulty: list[str], links: list[str], expected: bool
) -> None:
    assert expected == has_sound_majority(nodes, faulty, links)


def test_the_time_is_cut_wherever_a_fault_begins_or_ends() -> None:
    bands = [band("1", 10, 30, nodes=("n1",)), band("2", 20, None, links=("n2>n3",)), band("3", 25, 28, links=("client>n1", "n1>client"))]

    assert [
        ((0, 10), False, True),
        ((10, 20), True, True),
        ((20, 25), True, False),
        ((25, 28), True, False),
        ((28, 30), True, False),
        ((30, 50), True, True),
    ] == list(stretches(THREE, bands, (0, 50)))


def test_a_fault_of_client_links_makes_no_node_faulty() -> None:
    assert [((0, 9), True, True)] == list(stretches(THREE, [band("1", 0, 9, links=("client>n1", "client>n2"))], (0, 9)))


def test_a_deadline_counts_from_the_moment_at_which_a_majority_was_sound() -> None:
    acknowledged = [1_000, 1_900, 5_000, 9_000]

    assert [] == stalls(acknowledged, [(1_000, 2_000), (4_100, 5_500)], 1_000)
    assert [(5_000, 6_500)] == stalls(acknowledged, [(4_100, 6_500)], 1_000)
    assert [(6_000, 8_000)] == stalls(acknowledged, [(6_000, 8_000)], 1_000)
    assert [] == stalls(acknowledged, [], 1_000)


def back(id: str, after_ms: float | None) -> Gap:
    return Gap(id, None, after_ms, None, None)


def test_a_fault_is_single_if_it_left_a_majority_and_no_other_came_before_the_service_was_back() -> None:
    bands = [band("1", 0, 20, nodes=("n1",)), band("2", 30, 35, nodes=("n2",)), band("3", 40, None, nodes=("n3",))]

    assert {"1", "2", "3"} == single(THREE, bands, [back("1", 5), back("2", None)], (0, 50))
    assert {"3"} == single(THREE, bands, [back("1", 11), back("2", 1)], (0, 50))
    assert {"2"} == single(THREE, [band("1", 0, 20, nodes=("n1", "n3")), bands[1]], [], (0, 50))


def seen(*rows: tuple[float, float, Outcome]) -> list[Seen]:
    return sorted((Seen(*row, True) for row in rows), key=lambda each: each.returned_ms)


def test_what_a_fault_cost() -> None:
    operations = seen(
        (90, 95, Outcome.OK),
        (99, 120, Outcome.OK),
        (101, 130, Outcome.UNKNOWN),
        (140, 610, Outcome.OK),
        (350, 640, Outcome.OK),
        (510, 650, Outcome.OK),
        (660, 670, Outcome.FAILED),
    )
    ribbons = {
        "n1": [Span(0, 100, "leader", 3), Span(100, 900, "down", 3)],
        "n2": [Span(0, 400, "follower", 3), Span(400, 900, "leader", 4)],
    }
    found = gaps([band("1", 100, 500, nodes=("n1",))], operations, ribbons, 900)

    assert (Gap("1", first_error_ms=30, heal_to_first_success_ms=150, election_ms=300, unavailable_ms=490),) == found


def test_a_service_that_never_came_back_was_away_to_the_end() -> None:
    operations = seen((50, 60, Outcome.OK), (110, 120, Outcome.FAILED))
    found = gaps([band("1", 100, None)], operations, {}, 900)

    assert (Gap("1", first_error_ms=20, heal_to_first_success_ms=None, election_ms=None, unavailable_ms=800),) == found


def test_stretches_leave_no_gap_between_them() -> None:
    bands = [band(str(at), at * 7, at * 7 + 20, nodes=(f"n{at % 3 + 1}",)) for at in range(6)]
    cuts = [stretch for stretch, _, _ in stretches(THREE, bands, (3, 60))]

    assert (3, 60) == (cuts[0][0], cuts[-1][1])
    assert all(one[1] == other[0] for one, other in pairwise(cuts))
