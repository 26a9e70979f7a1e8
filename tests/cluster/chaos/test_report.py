"""The page about a run, as text: all that the record says is in it or counted, and nothing of it is anything but text."""

import json
import re
from collections import Counter
from dataclasses import replace
from html import unescape
from itertools import pairwise
from pathlib import Path

import pytest

from quorate.cluster.chaos import record
from quorate.cluster.chaos.record import Bucket, FaultBand, Flight, Gap, Progress, Reachability, RunRecord, RunVerdict
from quorate.cluster.chaos.report import bands, curves, lamport, matrix, page
from quorate.cluster.chaos.report.page import render
from quorate.cluster.chaos.report.scale import LEFT, WIDTH, Scale, line_through
from quorate.cluster.chaos.vocabulary import VERBS
from quorate.cluster.cli.chaos_report import report
from quorate.cluster.cli.exits import Answer, Exit, Misused
from quorate.cluster.verify.history import Outcome
from quorate.cluster.verify.report import setting
from quorate.cluster.verify.verdict import Answer as CheckAnswer
from quorate.cluster.verify.verdict import Verdict
from tests.cluster.chaos.made_records import CUT_MS, frames, passed, violated
from tests.cluster.verify.test_report_page import EVIL, faint, read


def said(text: str) -> str:
    return re.sub(r"\s+", " ", " ".join(read(text).words))


def test_a_violation_is_told_with_its_proof_its_seed_and_the_command_that_replays_it() -> None:
    text = said(render(violated()))

    assert "✗ VIOLATED An acknowledged write of key hot was lost. n1 did not converge: its digest differs." in text
    assert "Seed 7" in text
    assert "Commit 0123abc" in text
    assert "Replay quorate chaos run isolate-leader --engine raft --seed 7" in text
    assert "Process 1 put 'b'; then process 0 read it; process 3 read 'a' again although nobody wrote it a second time." in text
    assert "The longest order that works" in text
    assert "120 other operations of key hot not shown: it fails without them." in text
    assert "T1 → T2 rw T1 read key 0 without the value that the next one appended." in text
    assert "first violation, 7.412 s" in text
    assert "They differ." in text
    assert "Not in this report 412 frames of links without a fault are not kept." in text


def test_a_pass_says_what_it_is_founded_on() -> None:
    text = said(render(passed()))

    assert "✓ PASSED Linearizable, all nodes converged, and no fault missed." in text
    assert "18,250 operations 17,900 acknowledged 120 failed 230 of unknown outcome 3 faults 12 s in all" in text
    assert "431.5 ms longest without an answer 3 ms longest from heal to success 420 ms longest election" in text
    assert "isolate leader (n1) 12 ms 420 ms 3 ms 431.5 ms 1.4" in text
    assert "All converged: the same index and the same state." in text
    assert "n1 9,120 9f86d081884c7d65 2,240" in text
    assert "peers message clients stream" in text
    assert "added one way p50 us 61.5 added one way p99 us 3,140.2" in text
    assert "dropped 31" in text
    assert "Not in this report" not in text
    assert "violation" not in text


@pytest.mark.parametrize("verdict", [RunVerdict.UNKNOWN, RunVerdict.INCONCLUSIVE])
def test_what_is_no_verdict_is_said_to_be_no_pass(verdict: RunVerdict) -> None:
    text = said(render(replace(passed(), verdict=verdict)))

    assert f"? {verdict.value.upper()}" in text
    assert f"{verdict.value.upper()} is not a pass" in text


def test_the_page_asks_for_nothing_and_allows_nothing_but_its_own_script_and_style() -> None:
    text = render(violated())
    reader = read(text)

    assert {"#"} == {value[0] for _, name, value in reader.attributes if name in ("href", "src")}
    assert set() == {"link", "img", "iframe", "object", "embed", "form"} & set(reader.tags)
    assert [] == [name for _, name, _ in reader.attributes if name.startswith("on") or name == "style"]
    assert "url(" not in text.replace("url(#", "")
    style, script = (re.search(rf"<{tag}>(.*?)</{tag}>", text, re.DOTALL) for tag in ("style", "script"))
    assert style and script
    assert setting.policy(style[1], script[1]) in (unescape(value) for _, name, value in reader.attributes if name == "content")
    assert len(reader.ids) == len(set(reader.ids))
    targets = {value[1:] for tag, name, value in reader.attributes if tag == "a" and name == "href"}
    assert targets and targets <= set(reader.ids)


WORDS = frozenset({"name", "engine", "commit", "command", "started", "text", "type", "digest", "reason", "why", "reasons", "truncations"})
"""Fields of a record, at any depth, that hold somebody's words."""


def evil() -> RunRecord:
    """Every word of the record is somebody's attempt to be more than a word."""

    def poisoned(value: object, field: str) -> object:
        match value:
            case str():
                return EVIL if field in WORDS else value
            case list():
                return [poisoned(each, field) for each in value]
            case dict():
                made = {name: poisoned(each, name) for name, each in value.items()}
                return made | {EVIL: EVIL} if field == "facts" else made | {EVIL: 3} if field == "touched" else made
        return value

    return RunRecord.from_json(json.dumps(poisoned(json.loads(violated().to_json()), "")))


def test_whatever_a_record_holds_stays_text() -> None:
    plain, poisoned = read(render(violated())), read(render(evil()))

    assert plain.tags.count("script") == poisoned.tags.count("script") == 1
    assert {"img"} & set(poisoned.tags) == set()
    assert [] == [name for _, name, _ in poisoned.attributes if name.startswith("on")]
    assert EVIL in " ".join(poisoned.words)


def test_a_run_of_which_nothing_is_known_has_a_page_too() -> None:
    bare = RunRecord(
        name="none",
        engine="raft",
        seed=0,
        commit="",
        command="",
        started="",
        duration_ms=1.0,
        nodes=("n1",),
        election_timeout_ms=0.0,
        modes={},
        verdict=RunVerdict.INCONCLUSIVE,
        reasons=(),
        counts=record.Counts(0, 0, 0, 0, {}, {}),
    )
    text = said(render(bare))

    assert "? INCONCLUSIVE none" in text
    assert "Nothing is known of where the replicas stood at the end." in text


def test_a_node_of_which_nothing_is_known_at_the_end_is_named() -> None:
    ends = {name: replica for name, replica in passed().convergence.items() if name != "n2"}

    assert "Nothing is known of n2." in said(render(replace(passed(), convergence=ends)))


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_words_stand_out_from_what_is_behind_them(scheme: int) -> None:
    style = setting.source("style.css") + setting.source("run.css", page.PACKAGE)
    fills = ("red-fill", "violet-fill", "amber-fill", "grey-fill", "teal-fill", "green-fill", "blue-fill", "panel", "page")

    assert [] == faint(style, scheme, [("ink", fill) for fill in fills] + [("red", "page"), ("amber", "page"), ("soft", "page")])


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


# -- the command


def test_the_command_writes_the_page_beside_the_record(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    record.write(violated(), tmp_path / "run.json")
    report(tmp_path / "run.json")

    assert render(violated()) == (tmp_path / "run.html").read_text("utf-8")
    assert f"VIOLATED  isolate-leader, logship, seed 7\nwrote {tmp_path}/run.html\n" == capsys.readouterr().out


def test_the_command_tells_machines_where_the_page_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    record.write(passed(), tmp_path / "run.json")
    report(tmp_path / "run.json", tmp_path / "page.html", json=True)

    assert {"report": f"{tmp_path}/page.html", "verdict": "passed"} == json.loads(capsys.readouterr().out)


@pytest.mark.parametrize(("content", "message"), [(None, "cannot read"), ("[]", "expected the JSON record of a chaos run"), ("\udcff", "")])
def test_what_is_no_record_ends_with_65_and_a_sentence(
    content: str | None, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "run.json"
    if content is not None:
        path.write_bytes(content.encode("utf-8", "surrogateescape"))

    with pytest.raises(Answer) as end:
        report(path)
    assert Exit.UNREADABLE == end.value.code
    err = capsys.readouterr().err
    assert str(path) in err
    assert message in err


def test_a_page_that_cannot_be_written_is_said_and_a_record_is_never_written_over(tmp_path: Path) -> None:
    record.write(passed(), tmp_path / "run.json")

    with pytest.raises(Misused, match="cannot write"):
        report(tmp_path / "run.json", tmp_path / "none" / "page.html")
    with pytest.raises(Misused, match="is the record itself"):
        report(tmp_path / "run.json", tmp_path / "run.json")
    assert passed() == record.read(tmp_path / "run.json")


def test_findings_beyond_those_that_are_drawn_are_counted() -> None:
    [check, _] = violated().checks
    many = Verdict("kv", CheckAnswer.INVALID, "no", check.findings * (page.DRAWN_MAX + page.ROWS_MAX + 4))
    text = said(render(replace(violated(), checks=(many,))))

    assert page.DRAWN_MAX == text.count("Time line of key hot")
    assert page.DRAWN_MAX + page.ROWS_MAX == text.count("Process 1 put 'b'; then process 0 read it;")
    assert "500 more findings" in text
    assert page.DRAWN_MAX + page.ROWS_MAX == text.count("120 other operations of key hot not shown: it fails without them.")
    assert "4 more findings of this check in the record, not shown here." in text
