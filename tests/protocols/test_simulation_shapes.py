"""The shapes of partitions: which links each cuts, and when."""

from random import Random

from quorate.protocols.simulation.shapes import Step, bridge, flapping, halves, isolate, minority, one_way, ring, swizzle

FRAMES = 20_000
NAMES = ["n1", "n2", "n3", "n4", "n5"]


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


def test_a_minority_is_the_largest_part_that_decides_nothing() -> None:
    for count, small in [(3, 1), (4, 1), (5, 2)]:
        seen = reach(minority(NAMES[:count]))

        assert set(NAMES[:small]) == seen["n1"] & set(NAMES[:count])
        assert set(NAMES[small:count]) == seen[NAMES[count - 1]] & set(NAMES[:count])


def test_flapping_links_go_down_and_up_in_turn() -> None:
    pair = ("n1", "n2")

    assert [Step(0, True, (pair,)), Step(5, False, (pair,)), Step(10, True, (pair,)), Step(15, False, (pair,))] == flapping([pair], 5, 2)


def test_a_swizzle_stops_all_links_and_heals_them_in_another_order() -> None:
    pairs = isolate(NAMES, "n1")
    steps = swizzle(pairs, 3, Random(1))
    stopped = [step.pairs[0] for step in steps if step.cut]
    healed = [step.pairs[0] for step in steps if not step.cut]

    assert sorted(pairs) == sorted(stopped) == sorted(healed)
    assert stopped != healed
    assert [3 * number for number in range(2 * len(pairs))] == [step.after_ns for step in steps]
    assert [True] * len(pairs) == [step.cut for step in steps[: len(pairs)]]
