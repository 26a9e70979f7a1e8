"""The page in a real browser: it runs without errors, fetches nothing, and all its words have room, also where histories are large."""

from pathlib import Path

import pytest

from quorate.cluster.verify.checks import check
from quorate.cluster.verify.files import read
from quorate.cluster.verify.history import History
from quorate.cluster.verify.report.page import Checked, render
from quorate.cluster.verify.report.words import sentence
from quorate.cluster.verify.verdict import Answer, Finding, Verdict
from tests.browser.chromium import Opened, missing, opened
from tests.cluster.verify.made import history, operation, stale_read, write_skew

reason = missing()
pytestmark = [pytest.mark.browser, pytest.mark.skipif(bool(reason), reason=f"browser: {reason}")]

HISTORIES = Path(__file__).parents[2] / "docs" / "histories"
EVIL = '"><script>document.title = "owned"</script><img src="http://127.0.0.1:9/x" onerror="document.title = 1">'


def page(*histories: tuple[History, Verdict]) -> str:
    return render([Checked(*each, "quorate verify " + each[0].source) for each in histories])


def checked(path: Path) -> tuple[History, Verdict]:
    recorded = read(path)
    return recorded, check(recorded, str(recorded.facts["model"]))


def crowd() -> tuple[History, Verdict]:
    """Fifty clients at once, long values, a long order, many that are stuck and many that never returned."""
    operations = []
    for round_ in range(20):
        for client in range(50):
            called = round_ * 100 + client
            lost = client % 17 == 3 and round_ == 19
            value = f"value {round_} of client {client}" * (1 + client % 3)
            operations.append(operation(client, "write", value, called=called, returned=None if lost else called + 50, key="hot"))
    order = tuple(range(940))
    states = tuple(f"is {operations[index].argument!r}" for index in order)
    finding = Finding(
        "not linearizable", "Line one.\nLine two.", "hot", tuple(operations), order, states, tuple(range(950, 1000)), omitted=9
    )
    return history(operations, seed=1), Verdict("register", Answer.INVALID, "no order explains key hot", (finding,), {"steps": 10**9})


def fits(found: Opened) -> None:
    """Nothing failed, nothing was fetched, no words overlap or leave their drawing, and the page is not too wide."""
    assert ([], [], [], [], [], 0) == (
        found.errors,
        found.violations,
        found.resources,
        found.outside,
        found.overlapping,
        found.too_wide,
    )
    assert found.texts


def test_the_failing_key_is_drawn_lane_by_lane_with_every_label_in_its_place(tmp_path: Path) -> None:
    found = opened(page(stale_read()), tmp_path)

    fits(found)
    assert 0 == found.scrolling
    assert {f"process {number}" for number in range(4)} <= set(found.texts)
    assert {"read → 1", "write 2", "cas 5 to 3 ?", "write 9 ✗", "x 2; nothing fits", "1", "2", "3", "4"} <= set(found.texts)
    assert "INVALID: made.jsonl - quorate verify" == found.title


def test_the_samples_of_the_documentation_fit_one_page_together(tmp_path: Path) -> None:
    samples = [checked(path) for path in sorted(HISTORIES.iterdir())]
    found = opened(page(*samples), tmp_path)

    fits(found)
    assert 0 == found.scrolling
    assert {"valid", "invalid"} == {verdict.answer.value for _, verdict in samples}
    for recorded, verdict in samples:
        assert recorded.source in found.text
        assert all(line in found.text for finding in verdict.findings for line in sentence(finding.why).splitlines())


def test_an_operation_lights_up_wherever_it_stands_and_a_link_opens_its_table(tmp_path: Path) -> None:
    plain, linked = opened(page(stale_read()), tmp_path), opened(page(stale_read()), tmp_path, at="#h1-f1-0")

    assert (0, 1) == (plain.open, linked.open)
    # Its bar, its step, its row in the table of all.
    assert ["a", "tr", "tr"] == plain.lit


def test_a_reader_who_wants_it_dark_gets_it_dark(tmp_path: Path) -> None:
    light, dark = opened(page(stale_read()), tmp_path), opened(page(stale_read()), tmp_path, dark=True)

    fits(dark)
    assert ("rgb(255, 255, 255)", "rgb(18, 22, 29)") == (light.background, dark.background)


@pytest.mark.parametrize("length", [2, 3, 9, 24])
def test_cycles_of_any_length_fit(tmp_path: Path, length: int) -> None:
    found = opened(page(write_skew(length)), tmp_path)

    fits(found)
    assert 0 == found.scrolling
    assert length == found.texts.count("rw")


def test_a_crowd_fits(tmp_path: Path) -> None:
    found = opened(page(crowd()), tmp_path)

    fits(found)
    assert "Not drawn: " in found.text


def test_a_narrow_window_scrolls_the_drawings_and_not_the_page(tmp_path: Path) -> None:
    found = opened(page(crowd(), stale_read(), write_skew()), tmp_path, width=600)

    fits(found)
    assert found.scrolling >= 1


def test_what_a_history_holds_is_shown_and_never_run(tmp_path: Path) -> None:
    operations = (
        operation(0, EVIL, EVIL, EVIL, called=0, returned=1, key=EVIL),
        operation(1, "read", None, EVIL, called=2, returned=3, key=EVIL),
    )
    finding = Finding(EVIL, EVIL, EVIL, operations, (0,), (EVIL,), (1,))
    found = opened(page((History(operations, {EVIL: EVIL}, EVIL), Verdict(EVIL, Answer.INVALID, EVIL, (finding,), {EVIL: EVIL}))), tmp_path)

    fits(found)
    assert f"INVALID: {EVIL} - quorate verify" == found.title
    assert "img" not in found.tags
    assert EVIL in found.text


def test_the_measures_see_what_is_wrong(tmp_path: Path) -> None:
    """Without this the tests above might pass on anything."""
    wrong = """<svg width="100" height="20"><text x="0" y="15">one</text><text x="5" y="15">two</text><text x="90" y="15">three</text></svg>
    <div class="drawing"><svg width="5000" height="5"></svg></div><script>nothing()</script>
    <img src="none.png"><b style="color: red"></b>"""
    found = opened(page(stale_read()).replace("<main>", f"<main>{wrong}", 1), tmp_path)

    assert ["one", "two"] in found.overlapping
    assert ["three"] == found.outside
    assert 1 == found.scrolling
    assert {"script-src-elem", "img-src", "style-src-attr"} <= set(found.violations)
    assert "img" in found.tags
