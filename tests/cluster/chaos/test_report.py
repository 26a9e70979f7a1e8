"""The page about a run, as text: all that the record says is in it or counted, and nothing of it is anything but text."""

import json
import re
from dataclasses import replace
from html import unescape
from pathlib import Path

import pytest

from quorate.cluster.chaos import record
from quorate.cluster.chaos.record import RunRecord, RunVerdict
from quorate.cluster.chaos.report import page
from quorate.cluster.chaos.report.page import render
from quorate.cluster.cli.chaos_report import report
from quorate.cluster.cli.exits import Answer, Exit, Misused
from quorate.cluster.verify.report import setting
from quorate.cluster.verify.verdict import Answer as CheckAnswer
from quorate.cluster.verify.verdict import Verdict
from tests.cluster.chaos.made_records import passed, violated
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
