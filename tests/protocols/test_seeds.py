"""The seeds that found bugs, one file per engine, hold; new seeds are a matter of scripts/simulate."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from quorate.protocols.simulation.campaign import EVENTS
from quorate.protocols.simulation.case import Case, Subject
from quorate.protocols.simulation.engines import ENGINES, load

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / "seeds"


def lines(path: Path) -> Iterator[tuple[Case, str]]:
    """(the run, the bug and where it is held)"""
    for line in path.read_text().splitlines():
        if not line.startswith("#"):
            match = re.fullmatch(r"(\d+)(?:@(\d+))? +(\S.*; .*)", line)
            assert match, f"{path.name}: a line is `SEED[@STEPS]  what it found; the test that holds it`, not {line!r}"
            yield Case(int(match[1]), int(match[2] or EVENTS)), match[3]


SEEDS = [(path.stem, case, bug) for path in sorted(FOLDER.glob("*.txt")) for case, bug in lines(path)]


@pytest.mark.parametrize(("engine", "case", "bug"), SEEDS, ids=[f"{engine}-{case.seed}" for engine, case, _ in SEEDS])
def test_a_seed_that_found_a_bug_holds(engine: str, case: Case, bug: str) -> None:
    result = Subject(load(engine)).run(case)

    assert result.violation is None, f"{bug}: {result.violation}"


def test_every_line_belongs_to_an_engine_and_names_tests_that_exist() -> None:
    assert {engine for engine, _, _ in SEEDS} <= set(ENGINES)
    held = [name for _, _, bug in SEEDS for name in bug.rpartition("; ")[2].split(", ")]

    assert held
    assert [] == [name for name in held if not (ROOT / "protocols" / name).exists() and not (ROOT / "scenarios" / name).exists()]
