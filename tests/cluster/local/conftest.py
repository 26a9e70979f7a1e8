"""Local clusters whose nodes are scripted processes."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from quorate.cluster.local import LocalCluster

SCRIPT = Path(__file__).with_name("scripted_node.py")


def scripted(*, attached: bool = True) -> Callable[[Path], list[str]]:
    return lambda config: [sys.executable, str(SCRIPT), str(config), *(["--until-stdin-closes"] if attached else [])]


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[LocalCluster]:
    with LocalCluster.create(tmp_path / "c", nodes=3, command=scripted()) as cluster:
        yield cluster
