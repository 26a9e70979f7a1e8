"""The network policy: decisions are a pure function of (seed, link, frame number, rule), and shapes cut what they say."""

from random import Random

import pytest

from quorate.protocols.core import Message, NodeId
from quorate.protocols.simulation.network import Network
from quorate.protocols.simulation.policy import PPM, Rule, bridge, decide, halves, isolate, link_key, one_way, ring
from quorate.protocols.simulation.schedule import MILLISECOND, Schedule
from tests.contracts.transport import Numbered

FRAMES = 20_000
NAMES = ["n1", "n2", "n3", "n4", "n5"]


def decisions(rule: Rule, seed: int = 1) -> list[tuple[int, ...]]:
    key = link_key(seed, "n1", "n2")
    return [decide(key, frame, rule) for frame in range(FRAMES)]


def test_the_same_seed_link_frame_and_rule_decide_the_same() -> None:
    rule = Rule(delay_ns=5, jitter_ns=1_000, drop_ppm=100_000, duplicate_ppm=100_000, reorder_ppm=100_000, reorder_ns=9_999)

    assert decisions(rule) == decisions(rule)
    assert decisions(rule) != decisions(rule, seed=2)
    assert link_key(1, "n1", "n2") != link_key(1, "n2", "n1")


@pytest.mark.parametrize("ppm", [0, 1_000, 100_000, 900_000, PPM])
def test_loss_and_duplication_come_at_their_rates(ppm: int) -> None:
    lost = sum(not copies for copies in decisions(Rule(drop_ppm=ppm)))
    doubled = sum(len(copies) == 2 for copies in decisions(Rule(duplicate_ppm=ppm)))

    for count in (lost, doubled):
        assert abs(count - FRAMES * ppm // PPM) <= FRAMES // 50


def test_delays_stay_within_what_the_rule_allows() -> None:
    rule = Rule(delay_ns=50, jitter_ns=100, reorder_ppm=500_000, reorder_ns=1_000)
    delays = [copies[0] for copies in decisions(rule)]

    assert 50 <= min(delays) < 60
    assert 1_000 < max(delays) < 50 + 100 + 1_001


def test_a_cut_link_delivers_nothing() -> None:
    assert {()} == set(decisions(Rule(cut=True)))


def arrivals(rule: Rule) -> list[int]:
    got: list[int] = []

    def deliver(source: NodeId, destination: NodeId, message: Message) -> None:
        assert isinstance(message, Numbered)
        got.append(message.number)

    schedule = Schedule(Random(1))
    network = Network(1, schedule, deliver, rule)
    for number in range(200):
        network.send("n1", "n2", Numbered(number))
    while schedule.step():
        pass
    return got


def test_an_ordered_link_never_lets_one_frame_overtake_another() -> None:
    rule = Rule(jitter_ns=10 * MILLISECOND)

    assert list(range(200)) == arrivals(Rule(jitter_ns=10 * MILLISECOND, ordered=True))
    assert list(range(200)) != arrivals(rule)
    assert list(range(200)) == sorted(arrivals(rule))


def reach(cut: list[tuple[str, str]]) -> dict[str, set[str]]:
    """Whom each node sees both ways, itself included."""
    return {one: {other for other in NAMES if (one, other) not in cut and (other, one) not in cut} for one in NAMES}


def test_shapes_cut_what_they_say() -> None:
    assert {"n3"} == reach(isolate(NAMES, "n3"))["n3"]
    assert {"n1", "n2"} == reach(halves(NAMES[:2], NAMES[2:]))["n1"]
    assert [("n1", "n2"), ("n1", "n3")] == one_way(["n1"], ["n1", "n2", "n3"])


def test_a_bridge_joins_two_halves_that_do_not_see_each_other() -> None:
    seen = reach(bridge(NAMES))

    assert set(NAMES) == seen["n3"]
    assert {"n1", "n2", "n3"} == seen["n1"]
    assert {"n3", "n4", "n5"} == seen["n5"]


def test_on_a_ring_everyone_sees_a_majority_and_no_two_the_same() -> None:
    seen = reach(ring(NAMES))

    assert {3} == {len(one) for one in seen.values()}
    assert 5 == len({tuple(sorted(one)) for one in seen.values()})
