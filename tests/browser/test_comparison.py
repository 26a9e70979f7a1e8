"""The page of `quorate compare` in a real browser: it fetches nothing, and all its words have room."""

from pathlib import Path

import pytest

from quorate.cluster.compare.figures import of
from quorate.cluster.compare.page import render
from tests.browser.chromium import missing, opened
from tests.cluster.compare.made import results

reason = missing()
pytestmark = [pytest.mark.browser, pytest.mark.skipif(bool(reason), reason=f"browser: {reason}")]


@pytest.mark.parametrize("dark", [False, True])
def test_the_page_fits_with_all_engines_and_fetches_nothing(tmp_path: Path, dark: bool) -> None:
    made = results()
    made.put("election.silent.5.ms", "zab", of([1.0, 123_456.0, 7.5]))
    found = opened(render(made), tmp_path, dark=dark)

    assert ([], [], [], []) == (found.violations, found.resources, found.outside, found.overlapping)
    assert (0, 0) == (found.scrolling, found.too_wide)
    assert "quorate compare" in found.title
    assert "Fast Paxos commits in fewer message delays" in found.text


def test_a_narrow_window_scrolls_the_drawings_and_the_tables_and_not_the_page(tmp_path: Path) -> None:
    found = opened(render(results()), tmp_path, width=600)

    assert 0 == found.too_wide
