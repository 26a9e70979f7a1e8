"""The network policy: decisions are a pure function of (seed, link, frame number, rule), and shapes cut what they say."""

from itertools import pairwise
from random import Random

import pytest

from quorate.protocols.core import Message, NodeId
from quorate.protocols.simulation.lane import HELD, LOST, QUEUE_BYTES_MAX, RETRANSMISSION_NS_MIN, Fate, Lane
from quorate.protocols.simulation.network import Network
from quorate.protocols.simulation.policy import JITTER_SCALES_MAX, PPM, Jitter, Rule, corrupts, decide, link_key, mix, spread
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


# --- jitter ---


def draws(jitter: Jitter) -> list[int]:
    return sorted(spread(jitter, 1_000, mix(5, number)) for number in range(FRAMES))


def test_uniform_jitter_fills_its_range() -> None:
    got = draws(Jitter.UNIFORM)

    assert (0, 999) == (got[0], got[-1])
    assert abs(sum(got) // FRAMES - 500) < 15


def test_normal_jitter_has_the_quantiles_of_a_normal_distribution() -> None:
    got = draws(Jitter.NORMAL)

    assert abs(sum(got) // FRAMES) < 20
    for sigmas, below in [(-2, 0.0228), (-1, 0.1587), (0, 0.5), (1, 0.8413), (2, 0.9772)]:
        assert abs(sum(one < 1_000 * sigmas for one in got) / FRAMES - below) < 0.012


def test_exponential_jitter_has_its_mean_and_its_quantiles() -> None:
    """The shares above 1, 2 and 4 means are e**-1, e**-2 and e**-4."""
    got = draws(Jitter.EXPONENTIAL)

    assert abs(sum(got) // FRAMES - 1_000) < 25
    for means, above in [(1, 0.3679), (2, 0.1353), (4, 0.0183)]:
        assert abs(sum(one > 1_000 * means for one in got) / FRAMES - above) < 0.012
    assert got[0] >= 0


def test_pareto_jitter_has_a_heavy_tail_that_ends() -> None:
    """The share above x scales is (1 + x)**-2."""
    got = draws(Jitter.PARETO)

    for scales, above in [(1, 0.25), (4, 0.04), (9, 0.01)]:
        assert abs(sum(one > 1_000 * scales for one in got) / FRAMES - above) < 0.012
    assert got[0] >= 0
    assert 20_000 < got[-1] <= 1_000 * JITTER_SCALES_MAX


def test_the_rarest_dice_stay_within_the_bounds() -> None:
    for bits in (0, (1 << 64) - 1):
        assert 0 <= spread(Jitter.EXPONENTIAL, 1_000, bits) < 23_000
        assert 0 <= spread(Jitter.PARETO, 1_000, bits) <= 1_000 * JITTER_SCALES_MAX
        assert abs(spread(Jitter.NORMAL, 1_000, bits)) < 5_000


def test_these_draws_are_the_same_on_every_machine() -> None:
    """Integer arithmetic only: these figures are pinned."""
    pinned = {
        Jitter.UNIFORM: [507604, 374487, 955804],
        Jitter.NORMAL: [-1703350, 488038, -1105264],
        Jitter.EXPONENTIAL: [2617699, 942044, 4087070],
        Jitter.PARETO: [2701916, 601631, 6717856],
    }

    assert pinned == {jitter: [spread(jitter, 1_000_000, mix(7, number)) for number in range(3)] for jitter in Jitter}


def test_a_delay_never_falls_below_nothing() -> None:
    rule = Rule(delay_ns=100, jitter_ns=1_000, jitter=Jitter.NORMAL)

    assert 0 == min(copies[0] for copies in decisions(rule))


def test_damage_comes_at_its_rate_and_on_dice_of_its_own() -> None:
    rule = Rule(drop_ppm=100_000, corrupt_ppm=100_000)
    key = link_key(1, "n1", "n2")
    damaged = {frame for frame in range(FRAMES) if corrupts(key, frame, rule)}
    dropped = {frame for frame in range(FRAMES) if not decide(key, frame, rule)}

    assert abs(len(damaged) - FRAMES // 10) < FRAMES // 50
    assert abs(len(damaged & dropped) - FRAMES // 100) < FRAMES // 200


# --- what needs memory of earlier frames ---


def put_all(rule: Rule, times: list[int], size: int = 1_000, kind: str = "Append", term: int = 1) -> list[Fate]:
    lane = Lane(link_key(1, "n1", "n2"), rule)
    return [lane.put(now, kind, term, size) for now in times]


def test_a_lane_with_a_plain_rule_decides_as_decide_does() -> None:
    rule = Rule(delay_ns=5, jitter_ns=1_000, drop_ppm=100_000, duplicate_ppm=100_000)

    assert decisions(rule)[:500] == [fate.delays_ns for fate in put_all(rule, list(range(500)))]


def test_bandwidth_adds_delay_and_leaves_latency_as_it_is() -> None:
    """1,000 bytes at 1 MB/s are 1 ms on the line: frames sent at once arrive 1 ms apart, one sent later waits for nobody."""
    fates = put_all(Rule(delay_ns=7, bytes_per_s=1_000_000), [0, 0, 0, 50 * MILLISECOND])

    assert [(MILLISECOND + 7,), (2 * MILLISECOND + 7,), (3 * MILLISECOND + 7,), (MILLISECOND + 7,)] == [fate.delays_ns for fate in fates]


def test_what_waits_before_a_slow_line_is_bounded() -> None:
    fates = put_all(Rule(bytes_per_s=1_000), [0] * (QUEUE_BYTES_MAX // 1_000 + 100))
    lost = fates.count(LOST)

    assert 90 < lost < 100
    assert [LOST] * lost == fates[-lost:]


def test_a_loss_on_a_stream_is_a_stall_and_then_a_burst() -> None:
    times = [number * MILLISECOND for number in range(2_000)]
    fates = put_all(Rule(delay_ns=MILLISECOND, drop_ppm=5_000, duplicate_ppm=PPM, stream=True), times)
    arrivals = [now + fate.delays_ns[0] for now, fate in zip(times, fates)]
    stalls = [later - earlier for earlier, later in pairwise(arrivals) if later - earlier > 50 * MILLISECOND]

    assert {1} == {len(fate.delays_ns) for fate in fates}
    assert arrivals == sorted(set(arrivals))
    assert stalls
    assert max(stalls) <= 2 * RETRANSMISSION_NS_MIN + 3 * MILLISECOND
    assert sum(later - earlier == 1 for earlier, later in pairwise(arrivals)) > 100


def test_a_cut_stream_holds_its_frames() -> None:
    assert [HELD] * 2 == put_all(Rule(cut=True, stream=True), [0, 1])
    assert [LOST] * 2 == put_all(Rule(cut=True, bytes_per_s=1), [0, 1])


def test_a_rule_for_some_types_leaves_the_others_to_the_other_rule() -> None:
    rule = Rule(drop_ppm=PPM, only=frozenset({"Vote"}), other=Rule(delay_ns=9))

    assert [LOST] == put_all(rule, [0], kind="Vote")
    assert [Fate((9,))] == put_all(rule, [0], kind="Append")


def test_the_first_frames_of_each_type_in_each_term_are_dropped() -> None:
    lane = Lane(1, Rule(drop_ppm=PPM, first=1))
    fates = [
        bool(lane.put(0, kind, term, 1).delays_ns)
        for kind, term in [("Append", 1), ("Append", 1), ("Vote", 1), ("Append", 2), ("Append", 2), ("Append", 1)]
    ]

    assert [False, True, False, False, True, True] == fates


def test_setting_a_rule_anew_counts_from_the_beginning() -> None:
    lane = Lane(1, Rule(drop_ppm=PPM, first=1))
    lane.put(0, "Append", 1, 1)
    lane.rule = Rule(drop_ppm=PPM, first=1)

    assert Fate() == lane.put(0, "Append", 1, 1)


# --- on the simulated network ---


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

    assert list(range(200)) == arrivals(Rule(jitter_ns=10 * MILLISECOND, stream=True))
    assert list(range(200)) != arrivals(rule)
    assert list(range(200)) == sorted(arrivals(rule))


class Heard:
    """A network of numbered frames and broken connections, and what came of them."""

    def __init__(self, rule: Rule) -> None:
        self.got: list[int] = []
        self.broken: list[tuple[NodeId, NodeId]] = []
        self.schedule = Schedule(Random(1))
        broke = lambda source, destination: self.broken.append((source, destination))  # noqa: E731
        self.network = Network(1, self.schedule, self._deliver, rule, broke=broke)

    def _deliver(self, source: NodeId, destination: NodeId, message: Message) -> None:
        assert isinstance(message, Numbered)
        self.got.append(message.number)

    def send(self, *numbers: int) -> None:
        for number in numbers:
            self.network.send("n1", "n2", Numbered(number))

    def settle(self) -> None:
        while self.schedule.step():
            pass


def test_a_damaged_frame_takes_what_is_under_way_with_it() -> None:
    """Frame 2 is damaged; 3 is under way behind it; 4 is sent on the next connection."""
    heard = Heard(Rule(delay_ns=MILLISECOND, stream=True))
    heard.send(1)
    heard.network.set([("n1", "n2")], Rule(delay_ns=MILLISECOND, corrupt_ppm=PPM))
    heard.send(2)
    heard.network.set([("n1", "n2")], Rule(delay_ns=2 * MILLISECOND))
    heard.send(3)
    heard.settle()
    heard.send(4)
    heard.settle()

    assert [1, 4] == heard.got
    assert [("n1", "n2")] == heard.broken
    assert 0 == heard.network.link("n1", "n2").queued


def test_a_stream_that_was_cut_gives_all_it_held_in_order_once_it_is_healed() -> None:
    heard = Heard(Rule(delay_ns=MILLISECOND, stream=True))
    heard.network.cut([("n1", "n2")])
    heard.send(1, 2, 3)
    heard.settle()
    before = list(heard.got)
    heard.network.heal([("n1", "n2")])
    heard.send(4)
    heard.settle()

    assert ([], [1, 2, 3, 4]) == (before, heard.got)
    assert 0 == heard.network.link("n1", "n2").queued


def test_what_a_stream_has_under_way_is_not_held_up_by_a_rule_that_has_ended() -> None:
    """Raft's seed 5000167. 1. Frame 1 is under way. 2. All that follows is lost again and again, for 12.6 s. 3. The link is healed."""
    heard = Heard(Rule(delay_ns=MILLISECOND, stream=True))
    heard.send(1)
    heard.network.set([("n1", "n2")], Rule(delay_ns=MILLISECOND, drop_ppm=PPM, stream=True))
    heard.send(2, 3)
    heard.network.heal([("n1", "n2")])
    heard.send(4)
    heard.schedule.run_until(2 * MILLISECOND)

    assert [1, 2, 3, 4] == heard.got
    assert 0 == heard.network.link("n1", "n2").queued


def test_a_line_made_faster_does_not_hold_up_what_waited_before_it() -> None:
    heard = Heard(Rule(delay_ns=MILLISECOND, stream=True, bytes_per_s=1_000_000))
    heard.network.set([("n1", "n2")], Rule(delay_ns=MILLISECOND, stream=True, bytes_per_s=10))
    heard.send(1, 2)
    heard.network.heal([("n1", "n2")])
    heard.send(3)
    heard.schedule.run_until(2 * MILLISECOND)

    assert [1, 2, 3] == heard.got


def test_a_damaged_frame_of_a_stream_takes_what_is_under_way_with_it_however_it_was_hurried() -> None:
    """1 is damaged and held up; 2 is behind it; both are hurried by the heal, and so is the end of their connection."""
    heard = Heard(Rule(delay_ns=MILLISECOND, stream=True))
    heard.network.set([("n1", "n2")], Rule(delay_ns=MILLISECOND, drop_ppm=PPM, corrupt_ppm=PPM, stream=True))
    heard.send(1, 2)
    heard.network.heal([("n1", "n2")])
    heard.send(3)
    heard.schedule.run_until(2 * MILLISECOND)
    heard.send(4)
    heard.settle()

    assert [4] == heard.got
    assert [("n1", "n2")] == heard.broken
    assert 0 == heard.network.link("n1", "n2").queued


def test_the_next_connection_does_not_wait_for_what_held_the_last_one_up() -> None:
    heard = Heard(Rule(delay_ns=MILLISECOND, stream=True))
    heard.network.set([("n1", "n2")], Rule(delay_ns=MILLISECOND, stream=True, bytes_per_s=10))
    heard.send(1)
    heard.network.close("n2")
    heard.network.heal()
    heard.send(2)
    heard.schedule.run_until(2 * MILLISECOND)

    assert [2] == heard.got


def test_a_connection_that_ends_takes_what_a_cut_stream_held() -> None:
    heard = Heard(Rule(delay_ns=MILLISECOND, stream=True))
    heard.network.cut([("n1", "n2")])
    heard.send(1, 2)
    heard.network.close("n2")
    heard.network.heal()
    heard.send(3)
    heard.settle()

    assert [3] == heard.got
    assert 0 == heard.network.link("n1", "n2").queued


# --- shapes ---
