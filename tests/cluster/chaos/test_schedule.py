"""Schedules: a function of scenario, seed and duration; faults have time to show, and peace comes in between."""

from quorate.cluster.chaos import reading
from quorate.cluster.chaos.scenario import Scenario
from quorate.cluster.chaos.schedule import REST_S, Planned, schedule

HEAD = "name: x\ndoc: y.\n"


def scenario(text: str) -> Scenario:
    return reading.from_text(HEAD + text, "x.yaml")


def times(plan: list[Planned]) -> list[tuple[float, float]]:
    return [(planned.at_s, planned.until_s) for planned in plan]


def test_the_same_seed_gives_the_same_plan_and_another_seed_another() -> None:
    everything = reading.named("everything")

    assert schedule(everything, 7, 60) == schedule(everything, 7, 60)
    assert schedule(everything, 7, 60) != schedule(everything, 8, 60)


def test_a_longer_run_begins_as_a_shorter_one() -> None:
    everything = reading.named("everything")
    short = schedule(everything, 7, 30)

    assert short == schedule(everything, 7, 60)[: len(short)]


def test_steps_follow_one_another() -> None:
    plan = schedule(scenario("schedule: [{at: 1s, for: 2s, fault: kill n1}, {after: 3s, for: 1s, fault: kill n2}]"), 1, 10)

    assert [(1, 3), (6, 7)] == times(plan)


def test_rounds_repeat_while_a_whole_one_has_room() -> None:
    once = scenario("schedule: [{at: 1s, for: 2s, fault: kill n1}]")

    assert [(1, 3)] == times(schedule(once, 1, 3 + REST_S + 2.9))
    assert [(1, 3), (4 + REST_S, 6 + REST_S)] == times(schedule(once, 1, 3 + REST_S + 3))


def test_every_means_as_often_as_there_is_room_for_all_of_it() -> None:
    plan = schedule(scenario("schedule: [{every: 4s, for: 2s, fault: kill n1}]"), 1, 9)

    assert [(0, 2), (4, 6)] == times(plan)


def test_a_fault_that_would_outlast_the_run_is_cut_there() -> None:
    plan = schedule(scenario("schedule: [{at: 8s, for: 5s, fault: kill n1}, {after: 1s, for: 1s, fault: kill n2}]"), 1, 10)

    assert [(8, 10)] == times(plan)


def test_random_faults_overlap_up_to_the_bound_and_leave_the_cluster_in_peace_after_that() -> None:
    made = scenario("random: {faults: [kill n1, kill n2], every: 1s..2s, for: 1s..4s, stable: 1500ms, together: 2}")
    overlapped = 0
    for seed in range(30):
        plan = schedule(made, seed, 120)
        assert plan and all(1 <= planned.for_s <= 4 and planned.until_s <= 120 for planned in plan)
        at_once = [sum(other.at_s <= planned.at_s < other.until_s for other in plan) for planned in plan]
        assert max(at_once) <= 2
        overlapped += max(at_once) == 2
        for planned, count in zip(plan[1:], at_once[1:]):
            ended = [other.until_s for other in plan if other.until_s <= planned.at_s]
            assert count == 2 or max(ended) + 1.5 <= planned.at_s + 0.002, (seed, planned)

    assert overlapped


def test_each_fault_has_a_seed_of_its_own() -> None:
    plan = schedule(reading.named("everything"), 3, 60)

    assert len(plan) == len({planned.seed for planned in plan})
    assert list(range(1, len(plan) + 1)) == [planned.number for planned in plan]
