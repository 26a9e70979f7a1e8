"""What stands where in the drawings: nothing overlaps, order is kept, nothing is left out without a word."""

import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quorate.cluster.verify.history import Operation
from quorate.cluster.verify.report import cycle, drawing, timeline
from quorate.cluster.verify.report.overview import overview
from quorate.cluster.verify.verdict import Finding
from tests.cluster.verify.made import history, operation, stale_read, write_skew


@st.composite
def findings(draw: st.DrawFn) -> Finding:
    """Concurrent operations of any length, an order of some of them that respects time, and what could come next."""
    clients = draw(st.integers(1, 8))
    running: dict[int, tuple[int, str]] = {}
    operations: list[Operation] = []
    for position, client in enumerate(draw(st.lists(st.integers(0, clients - 1), min_size=1, max_size=120))):
        if client in running:
            called, value = running.pop(client)
            operations.append(operation(client, "write", value, called=called, returned=position))
        else:
            running[client] = position, "v" * draw(st.integers(0, 60))
    operations += [operation(client, "write", value, called=called, returned=None) for client, (called, value) in running.items()]
    operations.sort(key=lambda each: each.called)
    # By their returns: an order that respects time. Those that never returned come last.
    by_return = sorted(range(len(operations)), key=lambda index: operations[index].returned or 10**6)
    order = by_return[: draw(st.integers(0, len(operations)))]
    rest = [index for index in range(len(operations)) if index not in order]
    first = min((operations[index].returned or 10**6 for index in rest), default=0)
    stuck = tuple(index for index in rest if operations[index].called < first)
    states = tuple(f"is {'s' * draw(st.integers(0, 50))}" for _ in order)
    return Finding("not linearizable", "why", "x", tuple(operations), tuple(order), states, stuck)


@given(findings())
def test_labels_never_overlap_and_points_stand_in_order_on_their_bars(finding: Finding) -> None:
    ranked = timeline._by_interest(finding)
    layout = timeline._layout(finding, ranked, {})
    layout.stretch()

    assert sorted(range(len(finding.operations))) == sorted(ranked)
    rows: dict[tuple[int, int], list[timeline.Bar]] = {}
    for bar in layout.bars:
        rows.setdefault((bar.operation.process, bar.row), []).append(bar)
        assert layout.left <= bar.left <= bar.left + bar.room <= bar.right <= layout.right
    for bars in rows.values():
        assert all(one.right < other.left for one, other in pairwise(bars))
    points = sorted((bar for bar in layout.bars if bar.step), key=lambda bar: bar.step)
    assert len(finding.order) == len(points)
    assert all(bar.left <= bar.point <= bar.right for bar in points)
    assert all(other.point - one.point >= timeline.STEP_GAP - 0.01 for one, other in pairwise(points))
    if layout.frontier is not None:
        assert all(bar.left < layout.frontier < bar.right for bar in layout.bars if bar.role == "stuck")
        assert all(bar.point < layout.frontier for bar in points)


@given(findings())
def test_every_operation_is_drawn_or_counted(finding: Finding) -> None:
    drawn = timeline.timeline(finding, {}, "f")

    assert len(finding.operations) == drawn.drawn + drawn.earlier + drawn.between + drawn.later
    assert drawn.drawn == str(drawn.drawing).count('data-operation="')
    assert 1 <= drawn.drawn <= timeline.DRAWN_MAX


def test_the_bars_of_the_timeline_keep_the_order_of_calls_and_returns() -> None:
    _, verdict = stale_read()
    [finding] = verdict.findings
    layout = timeline._layout(finding, range(len(finding.operations)), {})

    ends = [(each.operation.returned, each.right) for each in layout.bars if each.operation.returned is not None]
    places = sorted([(each.operation.called, each.left) for each in layout.bars] + ends)
    assert [x for _, x in places] == sorted(x for _, x in places)


def test_what_is_stuck_and_the_end_of_the_order_come_before_all_else() -> None:
    _, verdict = stale_read()

    assert [6, 4, 7, 2, 3, 0, 1] == timeline._by_interest(verdict.findings[0])[:7]


def test_a_process_that_goes_on_after_an_unknown_outcome_has_a_second_row() -> None:
    operations = (operation(0, "write", 1, called=0, returned=None), operation(0, "write", 2, called=1, returned=2))
    layout = timeline._layout(Finding("x", "why", operations=operations), (0, 1), {})

    assert [0, 1] == [bar.row for bar in layout.bars]


def test_a_history_without_times_has_no_marks_on_its_axis() -> None:
    operations = tuple(operation(0, "write", number, called=2 * number, returned=2 * number + 1, times=False) for number in range(3))

    drawn = str(timeline.timeline(Finding("x", "why", operations=operations), {}, "f").drawing)
    assert 'class="tick"' not in drawn
    assert 'class="axis"' in drawn


@pytest.mark.parametrize("length", [2, 3, 4, 5, 8, cycle.DRAWN_MAX])
def test_the_boxes_of_a_cycle_do_not_touch_and_each_has_an_arrow(length: int) -> None:
    _, verdict = write_skew(length)
    edges = verdict.findings[0].cycle
    boxes = [cycle._box(f"T{number}", each) for number, each in enumerate(cycle.members(edges))]
    width, height = cycle._place(boxes)

    assert length == len(boxes)
    assert all(0 <= box.x and box.x + box.width <= width and 0 <= box.y and box.y + box.height <= height for box in boxes)
    for number, one in enumerate(boxes):
        for other in boxes[number + 1 :]:
            assert (
                one.x + one.width < other.x
                or other.x + other.width < one.x
                or one.y + one.height < other.y
                or other.y + other.height < one.y
            )
    drawn = str(cycle.draw(edges, {}, "f"))
    assert length == drawn.count('class="dependency"')
    assert length == len(re.findall(r'class="kind"[^>]*>rw<', drawn))


def test_a_cycle_that_is_too_long_is_not_drawn() -> None:
    _, verdict = write_skew(cycle.DRAWN_MAX + 1)

    assert "" == cycle.draw(verdict.findings[0].cycle, {}, "f")


def test_the_steps_of_a_long_transaction_that_have_no_room_are_counted() -> None:
    steps = tuple(("append", "x", number) for number in range(40))

    box = cycle._box("T1", operation(0, "txn", steps, steps, called=0, returned=1))
    assert [f"append x {number}" for number in range(8)] + ["… 32 more steps, see the table"] == box.lines


def test_the_overview_counts_every_operation_of_the_history() -> None:
    operations = [
        operation(0, "write", 1, called=2 * number, returned=None if number % 7 == 0 else 2 * number + 1) for number in range(500)
    ]

    drawn = str(overview(history(operations), [("f", operations[250])]))
    assert 500 == sum(int(number.replace(",", "")) for number in re.findall(r"([\d,]+) (?:ok|failed|unknown)", drawn))
    # They were called evenly, so every stretch has its share.
    titles = re.findall(r"<title>([^<]*(?:ok|unknown))", drawn)
    assert 120 == len(titles)
    assert {4, 5} == {sum(map(int, re.findall(r"\d+", title))) for title in titles}
    assert 1 == drawn.count('class="failure"')


def test_an_overview_of_what_takes_no_time_is_none() -> None:
    assert "" == overview(history([]), [])
    assert "" == overview(history([operation(0, "read", called=0, returned=1)]), [])


@pytest.mark.parametrize(("low", "high"), [(0, 10), (3, 3), (0, 7_123_456), (-5, 5), (10**9, 10**9 + 3)])
def test_marks_are_round_few_and_within_the_axis(low: float, high: float) -> None:
    marks = list(drawing.round_steps(low, high, 9))

    assert 1 <= len(marks) <= 9
    assert all(low <= mark <= high for mark in marks)
    assert all(one < other for one, other in pairwise(marks))


def test_what_is_put_into_an_element_is_escaped() -> None:
    said = drawing.element("text", "</text><script>", x=1.25, class_='"><b', data_operation=None)

    assert '<text x="1.2" class="&#34;&gt;&lt;b">&lt;/text&gt;&lt;script&gt;</text>' == said
