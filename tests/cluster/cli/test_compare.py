"""`quorate compare`: what it prints, writes and exits with."""

import json
from pathlib import Path

import pytest

from tests.cluster.cli.conftest import Command


def test_a_quick_run_prints_the_table_and_writes_page_and_figures(quorate: Command, tmp_path: Path) -> None:
    page, figures = tmp_path / "page.html", tmp_path / "figures.json"
    ran = quorate("compare", "--engines", "raft", "--quick", "--seeds", "1", "--workers", "1", "--html", page, "--json", figures)
    told = json.loads(figures.read_text())

    assert 0 == ran.code, ran.err
    assert f"wrote {figures}\nwrote {page}\n" == ran.err
    assert ["messages", "of", "a", "lone", "write", "6", "8"] in [line.split() for line in ran.out.splitlines()]
    assert "a follower 100,000 writes behind: --quick" in ran.out
    assert "zab did not run" in ran.out
    assert 6 == told["rows"]["write.messages"]["engines"]["raft"]["median"]
    assert {"date", "machine", "Python", "commit", "timing", "simulated"} <= set(told["facts"])
    assert "<title>raft - quorate compare</title>" in page.read_text()


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--engines", "raft,chain"), "there is no engine 'chain'; there are raft, zab, "),
        (("--engines", ","), "--engines names no engine; there are raft, zab, "),
        (("--live-only", "--simulated-only"), "--live-only leaves the simulator out"),
        (("--live-only", "--quick"), "--live-only leaves the simulator out"),
        (("--quick", "--html", "nowhere/page.html"), "nowhere/page.html cannot be written: give a file in an existing folder"),
        (("--quick", "--json", "."), ". cannot be written"),
    ],
)
def test_what_cannot_be_done_is_said_before_anything_is_measured(quorate: Command, words: tuple[str, ...], says: str) -> None:
    ran = quorate("compare", *words)

    assert 2 == ran.code
    assert says in ran.err
    assert "" == ran.out
