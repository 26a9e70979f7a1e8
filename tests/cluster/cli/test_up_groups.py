"""`quorate up --groups`: names or a number; a wrong one is told before anything is made."""

from pathlib import Path

import pytest

from quorate.cluster.cli.application import run
from quorate.cluster.cli.running import _groups


def test_groups_are_given_by_name_or_by_number() -> None:
    assert {"orders": {}, "users": {}} == _groups("orders, users")
    assert ["g1", "g2", "g3"] == list(_groups("3"))


@pytest.mark.parametrize(("groups", "words"), [("a/b", "groups.a/b"), ("default", "always there"), ("x,,y", "a name is 1 to 64")])
def test_a_wrong_name_makes_no_cluster(tmp_path: Path, capsys: pytest.CaptureFixture[str], groups: str, words: str) -> None:
    code = run(["up", "--detach", "--groups", groups, "--data", str(tmp_path / "cluster")])

    assert 0 != code
    assert words in capsys.readouterr().err
    assert not (tmp_path / "cluster").exists()
