"""Every scenario of tests/scenarios gives the output that its file shows. QUORATE_REWRITE=1 writes what it gives instead.

How to write one: protocols/simulation/scenario.py.
"""

import os
from pathlib import Path

import pytest

from quorate.protocols.simulation.raft_view import RAFT
from quorate.protocols.simulation.scenario import Scenario

FOLDER = Path(__file__).parent.parent / "scenarios"
FILES = sorted(FOLDER.glob("*.txt"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_scenario(path: Path) -> None:
    told = path.read_text()
    given = Scenario(RAFT).run(told)
    if os.environ.get("QUORATE_REWRITE"):
        path.write_text(given)
        told = given

    assert told == given, f"{path.name}: if the new output is right, QUORATE_REWRITE=1 writes it"


def test_no_scenario_breaks_an_invariant() -> None:
    assert [] == [path.name for path in FILES if "VIOLATION" in path.read_text()]


def test_there_are_scenarios() -> None:
    assert len(FILES) >= 9


def test_an_unknown_command_is_named() -> None:
    with pytest.raises(ValueError, match="unknown command in: dance n1"):
        Scenario(RAFT).run("cluster 3\ndance n1\n----\n")


def test_commands_without_an_output_are_named() -> None:
    with pytest.raises(ValueError, match="no line ---- after: state"):
        Scenario(RAFT).run("cluster 3\nstate\n")


def test_a_scenario_begins_with_a_cluster() -> None:
    with pytest.raises(ValueError, match="begins with `cluster`"):
        Scenario(RAFT).run("state\n----\n")
