"""The drawings of the report: one axis with its panels, the square of links, the diagram of frames."""

import json
import re
from collections import Counter
from dataclasses import replace
from itertools import pairwise

import pytest

from quorate.cluster.chaos.record import Bucket, FaultBand, Flight, Gap, Progress, Reachability
from quorate.cluster.chaos.report import bands, curves, lamport, matrix
from quorate.cluster.chaos.report.page import render
from quorate.cluster.chaos.report.scale import LEFT, WIDTH, Scale, line_through
from quorate.cluster.chaos.vocabulary import VERBS
from quorate.cluster.verify.history import Outcome
from tests.cluster.chaos.made_records import CUT_MS, frames, passed, violated
from tests.cluster.chaos.test_report import said

# -- the axis and its panels


def test_one_axis_reaches_from_the_start_of_the_run_to_its_end() -> None:
    scale = Scale(8_000)

    assert [LEFT, (LEFT + WIDTH) / 2, WIDTH, WIDTH] == [scale.x(ms) for ms in (0, 4_000, 8_000, 9_000)]


def test_every_fault_that_can_be_said_has_a_colour() -> None:
    def family(kind: str, text: str) -> str:
        return bands.family(FaultBand("f", kind, text, (), (), 0, 1))

    assert [] == [verb for verb in VERBS if family(verb, verb) == "other"]
    assert "lossy" == family("mix", "jitter 50ms±30ms + drop 5% (n1)")
    assert "other" == family("flood", "drop 5%")


def test_links_that_always_suffer_together_share_a_row_and_nodes_have_their_own() -> None:
    panel, hidden = bands.faults(passed(), Scale(12_000), 0)
    rows = re.findall(r'class="lane-name"[^>]*>([^<]+)<', str(panel.drawn))

    assert ["n1", "n3", "4 links of n1", "n2&gt;n3"] == rows
    assert 0 == hidden
    assert 2 == str(panel.drawn).count('class="band cut"')


def test_faults_at_the_same_time_on_the_same_node_stand_below_each_other() -> None:
    overlapping = tuple(FaultBand(f"f{at}", "pause", "pause n1", ("n1",), (), at * 100, at * 100 + 150) for at in range(4))
    panel, _ = bands.faults(replace(passed(), faults=overlapping), Scale(12_000), 0)
    boxes = re.findall(r'<rect x="([\d.]+)" y="([\d.]+)" width="([\d.]+)"', str(panel.drawn))
    places = sorted((y, float(x), float(x) + float(width)) for x, y, width in boxes)

    assert 2 == len({y for y, _, _ in places})
    assert all(end <= start for (y, _, end), (other, start, _) in pairwise(places) if y == other)


def test_rows_beyond_the_room_are_counted() -> None:
    many = tuple(f"n{number}" for number in range(bands.ROWS_MAX + 3))
    faults = tuple(FaultBand(name, "pause", f"pause {name}", (name,), (), 0, 10) for name in many)
    text = said(render(replace(passed(), nodes=many, faults=faults, gaps=(), reachability=(), roles={}, progress={}, convergence={})))

    assert "3 rows of faults not drawn; the table of faults has all of them." in text


def test_a_fault_that_lasted_to_the_end_and_one_that_took_no_time_are_seen() -> None:
    faults = (FaultBand("f1", "kill", "kill n1", ("n1",), (), 5_000, 5_000), FaultBand("f2", "cut", "cut", (), ("n1>n2",), 6_000, None))
    panel, _ = bands.faults(replace(passed(), faults=faults), Scale(12_000), 0)
    widths = [float(width) for width in re.findall(r'<rect [^>]*width="([\d.]+)"', str(panel.drawn))]

    assert bands.LEAST == widths[0]
    assert (WIDTH - LEFT) / 2 == pytest.approx(widths[1], abs=1)
    assert "to the end" in str(panel.drawn)


def test_a_long_run_is_drawn_in_longer_stretches_which_keep_every_operation_and_the_worst_latency() -> None:
    count = 3 * curves.STRETCHES_MAX
    buckets = tuple(Bucket(100.0 * at, 1, 2, 3, at + 1.0, at + 2.0, None) for at in range(count))
    long = replace(passed(), duration_ms=100.0 * count, buckets=buckets)
    stretches = curves.Stretches.of(long)

    assert (300, curves.STRETCHES_MAX) == (stretches.length_ms, len(stretches.all))
    assert (count, 2 * count, 3 * count) == tuple(
        sum(getattr(each, name) for each in stretches.all) for name in ("acknowledged", "failed", "unknown")
    )
    assert (3.0, 4.0, None) == (stretches.all[0].p50_ms, stretches.all[0].p99_ms, stretches.all[0].max_ms)
    assert "logarithmic, the worst of every 300 ms" in said(render(long))


def test_a_stretch_without_an_answer_interrupts_the_latency_and_a_lone_one_is_seen() -> None:
    assert "M0.0,1.0L1.0,2.0M3.0,4.0h1.5" == line_through([(0, 1), (1, 2), None, (3, 4)])
    assert "M3.0,4.0h1.5" == line_through([None, (3, 4), None])


def test_the_lag_is_against_the_furthest_that_anybody_was_by_then() -> None:
    progress = {"n1": (Progress(0, 10, 10), Progress(100, 12, 12)), "n2": (Progress(50, 7, 7), Progress(150, 12, 12)), "n3": ()}

    assert {"n1": [(0, 0), (100, 0)], "n2": [(50, 3), (150, 0)], "n3": []} == curves.lags(replace(passed(), progress=progress))


@pytest.mark.parametrize(("apart_ms", "labels"), [(100, 1), (1_000, 10)])
def test_costs_have_labels_where_there_is_room(apart_ms: int, labels: int) -> None:
    faults = tuple(FaultBand(f"f{at}", "cut", "cut", (), ("n1>n2",), apart_ms * at, apart_ms * at + 50) for at in range(10))
    text = render(replace(passed(), faults=faults, gaps=tuple(Gap(band.id, 10.0, 5.0, 90.0, None) for band in faults)))

    assert 30 == len(re.findall(r'class="cost ', text))
    assert labels == len(re.findall(r'class="tick">90 ms<', text))


# -- who reached whom


def test_the_square_begins_at_the_worst_moment_and_holds_all_others() -> None:
    square = matrix.matrix(passed())
    moments = json.loads(square.moments)

    assert CUT_MS == square.shown_ms
    states = {cell.link: cell.state for _, cells in square.rows for cell in cells if cell.state}
    assert {"n2>n3": "slow", "n3>n2": "open"} | dict.fromkeys(("n1>n2", "n2>n1", "n1>n3", "n3>n1"), "cut") == states
    assert [0, 3200, 4000, 5200, 7000] == moments["times"]
    assert {"n1>n2": "cut", "n2>n1": "cut", "n1>n3": "cut", "n3>n1": "lossy"} == moments["links"][3]
    assert [[0, "follower 3"], [4310, "candidate 4"], [4420, "leader 4"]] == moments["roles"]["n2"]


def test_the_square_begins_at_the_violation_where_no_link_was_broken() -> None:
    whole = (Reachability(0, {}), Reachability(100, {"n1>n2": "open"}))

    square = matrix.matrix(replace(violated(), reachability=whole))
    assert 7_412 == square.shown_ms
    assert [{}, {}] == json.loads(square.moments)["links"]
    assert 0 == matrix.matrix(replace(passed(), reachability=whole)).shown_ms


def test_more_changes_than_the_slider_has_places_for_are_counted() -> None:
    count = matrix.MOMENTS_MAX * 2 + 10
    flapping = tuple(Reachability(at, {"n1>n2": "cut"} if at % 2 else {}) for at in range(count))
    square = matrix.matrix(replace(passed(), reachability=flapping))

    assert len(json.loads(square.moments)["times"]) <= matrix.MOMENTS_MAX
    assert square.missing == count - square.changes > 0
    assert f"{square.missing:,} changes between those of the slider not shown." in said(render(replace(passed(), reachability=flapping)))


# -- the diagram of frames


def test_every_fate_of_a_frame_has_its_form() -> None:
    drawn = lamport.lamport(violated())
    assert drawn is not None
    fates = Counter(re.findall(r'class="flight ([a-z ]+)"', str(drawn.drawing)))

    assert Counter(flight.fate for flight in frames()) == fates
    assert 1 == str(drawn.drawing).count('class="lost"')
    assert 2 == str(drawn.drawing).count('class="wall"')
    assert 1 == str(drawn.drawing).count('class="damage"')
    assert ("", 11) == (drawn.missing, drawn.drawn)


def test_a_frame_arrives_below_where_it_was_sent_in_the_order_of_events() -> None:
    drawn = lamport.lamport(replace(violated(), frames=frames()[:1], checks=()))
    assert drawn is not None
    [(x1, y1, x2, y2)] = re.findall(r'd="M([\d.]+),([\d.]+)L([\d.]+),([\d.]+)" class="flight-line"', str(drawn.drawing))

    assert float(x1) > float(x2)
    assert float(y2) - float(y1) == lamport.ROW


def test_the_frames_nearest_to_the_violation_are_drawn_and_the_others_counted() -> None:
    many = tuple(Flight("n1>n2", "Heartbeat", 4, at, 5.0 * at, 5.0 * at + 1, "delivered") for at in range(3_000))
    drawn = lamport.lamport(replace(violated(), frames=many))
    text = said(render(replace(violated(), frames=many)))

    assert drawn is not None
    assert lamport.FRAMES_MAX == drawn.drawn
    assert 3_000 == drawn.drawn + drawn.earlier + drawn.later
    assert many[drawn.earlier].sent_ms < 7_412 < many[drawn.earlier + drawn.drawn].sent_ms
    assert (
        f"Drawn: 60 of 3,000 frames, those nearest to the violation. Not drawn: {drawn.earlier:,} earlier, {drawn.later:,} later." in text
    )
    assert "2,500 more frames not listed." in text


def test_the_clients_that_heard_something_nearest_to_the_violation_have_a_line_and_the_others_are_counted() -> None:
    [check, _] = violated().checks
    template = check.findings[0].operations[0]
    many = tuple(
        replace(template, process=at, called=at, called_ns=(7_381 + at) * 10**6, returned_ns=(7_382 + at) * 10**6) for at in range(20)
    )
    finding = replace(check.findings[0], operations=many, order=(), states=(), stuck=())
    drawn = lamport.lamport(replace(violated(), checks=(replace(check, findings=(finding,)),)))

    assert drawn is not None
    assert [f"process {at}" for at in range(14, 20)] == re.findall(r">(process \d+)<", str(drawn.drawing))
    assert "14 more clients in this time not drawn." == drawn.missing


def test_a_call_from_before_the_frames_that_never_returned_is_drawn_and_one_that_returned_before_them_is_not() -> None:
    [check, _] = violated().checks
    template = check.findings[0].operations[0]
    earlier = replace(template, process=7, called=90, called_ns=10**9, returned_ns=2 * 10**9)
    pending = replace(template, process=8, called=91, called_ns=10**9, returned=None, returned_ns=None, outcome=Outcome.UNKNOWN)
    finding = replace(check.findings[0], operations=(earlier, pending), order=(), states=(), stuck=())
    drawn = lamport.lamport(replace(violated(), checks=(replace(check, findings=(finding,)),)))

    assert drawn is not None
    assert ["process 8"] == re.findall(r">(process \d+)<", str(drawn.drawing))
    assert 'class="asked open"' in drawn.drawing


def test_without_frames_there_is_no_diagram() -> None:
    assert "What the nodes said" not in said(render(passed()))
