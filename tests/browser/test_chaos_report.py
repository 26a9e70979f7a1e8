"""The page of a chaos run in a real browser: it runs without errors, fetches nothing, its words have room, and its slider moves."""

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from markupsafe import escape

from quorate.cluster.chaos.record import BUCKET_MS, Bucket, FaultBand, Flight, Gap, Reachability, RunRecord, Span
from quorate.cluster.chaos.report.page import render
from quorate.cluster.verify.report import setting
from tests.browser.chromium import missing, opened
from tests.browser.test_report import fits
from tests.cluster.chaos.made_records import passed, violated
from tests.cluster.chaos.test_report import evil

reason = missing()
pytestmark = [pytest.mark.browser, pytest.mark.skipif(bool(reason), reason=f"browser: {reason}")]

FIVE = ("amsterdam", "berlin", "copenhagen-the-northernmost-of-them", "n4", "n5")
SQUARE = """
const cells = () => Object.fromEntries([...document.querySelectorAll("[data-link]")].map((cell) => [cell.dataset.link, cell.textContent]));
const nodes = () => [...document.querySelectorAll("[data-node]")].map((each) => each.textContent);
const slider = document.getElementById("time");
const now = () => [Number(slider.value), document.getElementById("when").textContent, cells(), nodes(),
  document.getElementById("now").getAttribute("transform")];
const moments = [now()];
slider.value = "5300"; slider.dispatchEvent(new Event("input")); moments.push(now());
document.getElementById("later").click(); moments.push(now());
document.getElementById("later").click(); moments.push(now());
document.getElementById("earlier").click(); document.getElementById("earlier").click(); moments.push(now());
const drawing = document.querySelector("#run svg"), box = drawing.getBoundingClientRect();
drawing.dispatchEvent(new MouseEvent("click", {bubbles: true, clientX: box.right, clientY: box.top + 5})); moments.push(now());
const note = document.createElement("p"); note.textContent = "moments " + JSON.stringify(moments) + " end"; document.body.append(note);
"""


def with_script(page: str, more: str) -> str:
    """The page's script goes on with that, and its policy allows it."""
    style, script = (page.rpartition(f"<{tag}>")[2].partition(f"</{tag}>")[0] for tag in ("style", "script"))
    old, new = (str(escape(setting.policy(style, each))) for each in (script, script + more))
    assert 1 == page.count(old)
    return page.replace(old, new).replace(script, script + more)


def crowded() -> RunRecord:
    """Ten minutes with five nodes, hundreds of faults, and more frames than anybody can draw."""
    duration_ms = 600_000.0
    links = [f"{one}>{two}" for one in FIVE for two in FIVE if one != two]
    kinds = ("partition", "jitter", "drop", "pause", "clock", "slow-disk", "remove", "something-new")
    faults = tuple(
        FaultBand(
            f"f{at}",
            kinds[at % len(kinds)],
            f"{kinds[at % len(kinds)]} {FIVE[at % 5]} with quite some words about it",
            (FIVE[at % 5],) if at % 3 else (),
            tuple(links[at % 20 : at % 20 + at % 4]),
            1_500.0 * at,
            1_500.0 * at + (40_000 if at % 11 == 0 else 700),
            {"frames dropped": at},
        )
        for at in range(390)
    )
    roles = {
        name: tuple(Span(at * 2_000.0, at * 2_000.0 + 2_000, ("leader", "follower", "down")[(at + number) % 3], at) for at in range(300))
        for number, name in enumerate(FIVE)
    }
    frames = tuple(
        Flight(
            links[at % 20],
            "AppendEntriesWithAName" * (1 + at % 2),
            1 << 40,
            at,
            300_000 + at / 50,
            None if at % 7 == 0 else 300_000 + at / 50 + at % 13 / 7,
            ("dropped", "held", "corrupted", "under way")[at % 4] if at % 7 == 0 else "delivered",
        )
        for at in range(2_000)
    )
    return replace(
        violated(),
        nodes=FIVE,
        duration_ms=duration_ms,
        phases=(),
        faults=faults,
        buckets=tuple(
            Bucket(at * BUCKET_MS, at % 900, at % 7, at % 3, 0.05 + at % 50, 5.0 + at % 500, 20_000.0 * (at % 90)) for at in range(6_000)
        ),
        roles=roles,
        progress={},
        reachability=tuple(Reachability(at * 100.0, {links[at % 20]: "cut"}) for at in range(5_000)),
        gaps=tuple(Gap(band.id, 3.0, 900.0, 12.5, 1_000.0) for band in faults),
        convergence={},
        violation_ms=300_020.0,
        frames=frames,
    )


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_a_violated_run_has_all_its_words_in_their_places(tmp_path: Path, dark: bool) -> None:
    found = opened(render(violated()), tmp_path, width=1200, dark=dark)

    fits(found)
    assert 0 == found.scrolling
    assert "VIOLATED: isolate-leader on logship, seed 7 - quorate chaos" == found.title
    assert {"first violation, 7.412 s", "isolate leader (n1)", "term 4", "420 ms", "Append 4", "Vote 5", "put hot b → rev 12"} <= set(
        found.texts
    )
    assert ("rgb(18, 22, 29)" if dark else "rgb(255, 255, 255)") == found.background


def test_ten_minutes_of_everything_fit(tmp_path: Path) -> None:
    text = render(crowded())
    found = opened(text, tmp_path)

    fits(found)
    assert 0 == found.scrolling
    assert "Drawn: 60 of 2,000 frames" in found.text
    assert len(text) < 1_500_000


def test_a_narrow_window_scrolls_the_drawings_and_not_the_page(tmp_path: Path) -> None:
    found = opened(render(violated()), tmp_path, width=700)

    fits(found)
    assert found.scrolling >= 2


def test_what_a_record_holds_is_shown_and_never_run(tmp_path: Path) -> None:
    found = opened(render(evil()), tmp_path)

    fits(found)
    assert "img" not in found.tags


def test_the_slider_moves_through_the_run_and_the_square_with_it(tmp_path: Path) -> None:
    """The page's own script, and one more that does what a hand does."""
    found = opened(with_script(render(passed()), SQUARE), tmp_path)
    assert ([], []) == (found.errors, found.violations)
    said = re.search(r"moments (\[.*\]) end", found.text)
    assert said is not None
    first, moved, later, last, earlier, clicked = json.loads(said[1])

    cut = dict.fromkeys(("n1>n2", "n2>n1", "n1>n3", "n3>n1"), "cut")
    open_ = dict.fromkeys(first[2], "open")
    assert [4000, "4 s", open_ | cut | {"n2>n3": "slow"}, ["leader 3", "follower 3", "follower 3"]] == first[:4]
    assert [5300, "5.3 s", open_ | cut | {"n3>n1": "lossy"}, ["candidate 3", "leader 4", "follower 4"]] == moved[:4]
    assert [7000, "7 s", open_] == later[:3]
    assert [12000, "12 s", open_] == last[:3]
    assert [5200, "5.2 s"] == earlier[:2]
    assert 11_900 <= clicked[0] <= 12_000
    assert 5 <= len({each[4] for each in (first, moved, later, last, earlier, clicked)})
